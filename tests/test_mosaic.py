"""The patch view: islands of patches that look generated, in numbers, words and as a mosaic."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from attribution.evidence import Patches
from attribution.render.patches import Islands, Tally, islands, mosaic, sentences
from attribution.text import opinions as text
from samples import HOSTILE, SPECIALIST, Markup, grid, is_inert, noise

FACE = (20.0, 20.0, 60.0, 60.0)
PASTED = grid(".....", ".ss..", ".sx..", ".....", "....s")


def found(patches: Patches, face: tuple[float, float, float, float] = FACE) -> Islands:
    return islands(patches, SPECIALIST, face, 100, 100)


def drawn(patches: Patches, picture: np.ndarray | None = None, width: int = 100, height: int = 100) -> Markup:
    markup = mosaic(patches, SPECIALIST, FACE, width, height, picture, "What it shows.")
    assert is_inert(markup)
    page = Markup(markup)
    assert page.problem == ""
    return page


def test_islands_are_counted_placed_and_compared_with_the_face() -> None:
    seen = found(PASTED)
    assert seen.every == Tally(25, 5)
    assert seen.on_face == Tally(4, 4)
    assert seen.around == Tally(21, 1)
    assert [len(one) for one in seen.members] == [4, 1]
    assert seen.members[0] == (6, 7, 11, 12)
    assert seen.place == text.PLACES[1][1], "the mean of its patches lies in the middle third"


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        (("s.", ".s"), [1, 1]),
        (("ss", ".s"), [3]),
        (("s s",), [1, 1]),
        (("sxs",), [3]),
        (("..", ".."), []),
        (("sss", "s.s", "sss"), [8]),
    ],
)
def test_what_shares_a_side_is_one_island_and_what_shares_a_corner_is_not(rows: tuple[str, ...], sizes: list[int]) -> None:
    for overlap in (0.0, 3.5, 9.0):
        patches = grid(*rows, overlap=overlap)
        if overlap < 9 or " " not in rows[0]:
            assert [len(one) for one in found(patches).members] == sizes, overlap


def test_patches_of_shifted_tiles_that_overlap_are_one_island() -> None:
    first, second = grid("ss", "ss"), grid("ss", "ss", left=27.3, top=0.01)
    both = Patches(first.labels, first.boxes + second.boxes, first.p_methods + second.p_methods)
    assert [len(one) for one in found(both).members] == [8]
    page = drawn(both)
    assert len([one for one in page.of("rect") if one.get("fill-opacity")]) == 8 + 1, "each patch and the legend"


def test_the_words_say_what_the_patches_show() -> None:
    assert sentences(found(grid("..", ".."))) == ["None of 4 patches looks generated."]
    (everywhere,) = sentences(found(grid("ss", "sx")))
    assert everywhere == f"4 of 4 patches look generated. {text.PATCHES_EVERYWHERE}"
    first, second, third = sentences(found(PASTED))
    assert first == (
        "5 of 25 patches look generated. They form 2 islands, 1 of them single patches; the largest holds 4 patches (80 %) and lies in the "
        "middle."
    )
    assert second == "On the examined face it is 4 of 4, around it 1 of 21."
    assert third == text.FACE_STANDS_OUT


def test_a_face_that_does_not_stand_out_is_said_not_to() -> None:
    said = sentences(found(grid("s....", ".....", ".....", ".....", ".....")))
    assert said[0] == "1 of 25 patches look generated. It stands alone, at the upper left."
    assert said[-1] == text.FACE_DOES_NOT_STAND_OUT
    assert text.NO_TWO_TOUCH in sentences(found(grid("s...s", ".....", ".....")))[0]
    assert text.ONE_ISLAND.format(place="at the top") in sentences(found(grid(".ss..", ".....", ".....", ".....", ".....")))[0]


def test_only_patches_that_look_generated_are_tinted_and_stronger_where_surer() -> None:
    page = drawn(PASTED, noise(50, 50))
    tints = [rect for rect in page.of("rect") if rect.get("fill-opacity")]
    assert len(tints) == 5 + 2, "the patches and the swatches of two labels"
    strengths = {float(rect["fill-opacity"]) for rect in tints[:5]}
    assert len(strengths) == 2
    assert len({rect["fill"] for rect in tints}) == 2, "a colour per family"
    assert page.of("svg")[0]["aria-label"] == "What it shows."


def test_labels_are_told_apart_without_colours() -> None:
    page = drawn(grid("sx"))
    first, second = [[*map(float, re.findall(r"[\d.]+", path["d"]))] for path in page.of_class("tt-hatch")][:2]
    assert first[1] > first[3], "rising"
    assert second[1] < second[3], "falling"


def test_only_islands_of_several_patches_are_outlined_along_their_outer_sides() -> None:
    (outline,) = [path["d"] for path in drawn(PASTED).of_class("tt-island")]
    assert outline.count("M") == 8, "four patches in a square have eight outer sides"
    assert not drawn(grid("s.", ".s")).of_class("tt-island")


def test_the_legend_counts_what_is_there() -> None:
    page = drawn(PASTED)
    for words in ("StyleGAN24", "SDXL1", f"{text.PATCH_CLEAR}20", text.PATCH_FACE):
        assert words in page.words
    assert text.PATCH_NOT_READ not in page.words
    assert "SDXL" not in drawn(grid("s.")).words


def test_what_no_patch_covers_is_dimmed_or_not_shown() -> None:
    most = drawn(grid("....", "....", "....", "...."), noise(50, 50))
    assert most.of("svg")[0]["viewbox"] == "0 0 100 100"
    assert text.PATCH_NOT_READ in most.words
    part = drawn(grid("..", "..", left=30, top=40), noise(50, 50))
    assert part.of("svg")[0]["viewbox"] == "30 40 40 40"
    assert text.PATCH_NOT_READ not in part.words


def test_without_a_picture_the_patches_stand_alone() -> None:
    assert not drawn(PASTED).of("image")
    assert drawn(PASTED, noise(10, 10)).of("image")[0]["href"].startswith("data:image/")


@pytest.mark.parametrize("box", [(-30.0, -30.0, -10.0, -10.0), (-5.0, -5.0, 15.0, 15.0), (90.0, 90.0, 400.0, 400.0)])
def test_patches_beyond_the_picture_break_nothing(box: tuple[float, float, float, float]) -> None:
    patches = Patches(SPECIALIST.labels, (box,), ((0.0, 1.0, 0.0),))
    assert "nan" not in sentences(found(patches))[0]
    drawn(patches, noise(20, 20))


def test_hostile_names_stay_names() -> None:
    detector = replace(SPECIALIST, display_names=(HOSTILE, HOSTILE, HOSTILE))
    markup = mosaic(PASTED, detector, FACE, 100, 100, None, HOSTILE)
    assert is_inert(markup)
    assert HOSTILE in Markup(markup).words
    assert not re.search(r"url\(", markup)
