"""The patch view: islands of patches that look generated, in numbers, words and as a mosaic."""

from __future__ import annotations

import re

import numpy as np
import pytest

from attribution.detectors.card import MeasuredTable
from attribution.evidence import Media, Patches
from attribution.render.patches import Islands, Tally, islands, mosaic, patch_view, sentences
from attribution.text import opinions as text
from samples import SPECIALIST, Markup, grid, noise, said

FACE = (20.0, 20.0, 60.0, 60.0)
PASTED = grid(".....", ".ss..", ".sx..", ".....", "....s")
MEDIA = Media("photo.jpg", "ab" * 32, 10, "picture", 400, 200, None, 1, 1, "JPEG")
COLUMNS = ("split", "source", "patches inside called generated", "patches outside called generated")
MEASURED = (MeasuredTable("Patch islands", COLUMNS, (("cross", "a", 0.4, 0.08), ("cross", "b", 0.7, 0.1), ("test", "c", 0.9, 0.01))),)


def found(patches: Patches) -> Islands:
    return islands(patches, SPECIALIST, FACE, 100, 100)


def drawn(patches: Patches, picture: np.ndarray | None = None) -> Markup:
    markup = mosaic(patches, SPECIALIST, FACE, 100, 100, picture)
    assert said(markup)
    return Markup(markup)


def test_islands_are_counted_placed_and_compared_with_the_face() -> None:
    seen = found(PASTED)
    assert (seen.every, seen.on_face, seen.around) == (Tally(25, 5), Tally(4, 4), Tally(21, 1))
    assert seen.members == ((6, 7, 11, 12), (24,))
    assert seen.place == text.LARGEST[1][1], "the mean of its patches lies in the middle third"


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(("s.", ".s"), [1, 1]), (("ss", ".s"), [3]), (("s s",), [1, 1]), (("sxs",), [3]), (("..", ".."), []), (("sss", "s.s", "sss"), [8])],
)
def test_what_shares_a_side_is_one_island_and_what_shares_a_corner_is_not(rows: tuple[str, ...], sizes: list[int]) -> None:
    for overlap in (0.0, 3.5, 9.0):
        if overlap < 9 or " " not in rows[0]:
            assert [len(one) for one in found(grid(*rows, overlap=overlap)).members] == sizes, overlap


def test_patches_of_shifted_tiles_that_overlap_are_one_island() -> None:
    first, second = grid("ss", "ss"), grid("ss", "ss", left=27.3, top=0.01)
    both = Patches(first.labels, first.boxes + second.boxes, first.p_methods + second.p_methods)
    assert [len(one) for one in found(both).members] == [8]
    assert len([one for one in drawn(both).of("rect") if one.get("fill-opacity")]) == 8 + 1, "each patch and the legend"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("..", ".."), ["None of 4 patches looks generated."]),
        (("ss", "sx"), ["4 of 4 patches look generated.", text.PATCHES_EVERYWHERE]),
        (
            (".....", ".ss..", ".sx..", ".....", "....s"),
            [
                *("5 of 25 patches look generated.", "They form 2 islands; the largest holds 80 % of them.", "It lies in the middle."),
                "On the examined face it is 4 of 4, around it 1 of 21.",
                text.FACE_STANDS_OUT,
            ],
        ),
        (
            ("s....", ".....", ".....", ".....", "....."),
            [
                *("1 of 25 patches looks generated.", "It lies at the upper left."),
                "On the examined face it is 0 of 4, around it 1 of 21.",
                text.FACE_DOES_NOT_STAND_OUT,
            ],
        ),
    ],
)
def test_the_words_say_what_the_patches_show(rows: tuple[str, ...], words: list[str]) -> None:
    assert sentences(found(grid(*rows))) == words
    assert text.NO_TWO_TOUCH in sentences(found(grid("s...s", ".....", ".....")))
    assert sentences(found(grid(".ss..", ".....", ".....", ".....", ".....")))[1:3] == [text.ONE_ISLAND, "It lies at the top."]


def test_only_patches_that_look_generated_are_tinted_stronger_where_surer_and_told_apart_without_colours() -> None:
    page = drawn(PASTED, noise(50, 50))
    tints = [rect for rect in page.of("rect") if rect.get("fill-opacity")]
    assert len(tints) == 5 + 2, "the patches and the swatches of two labels"
    assert len({float(rect["fill-opacity"]) for rect in tints[:5]}) == len({rect["fill"] for rect in tints}) == 2
    assert page.of("svg")[0]["aria-label"] == text.PATCH_LEGEND
    first, second = [[*map(float, re.findall(r"[\d.]+", path["d"]))] for path in drawn(grid("sx")).of_class("tt-hatch")][:2]
    assert first[1] > first[3], "rising"
    assert second[1] < second[3], "falling"
    (outline,) = [path["d"] for path in page.of_class("tt-island")]
    assert outline.count("M") == 8, "four patches in a square have eight outer sides"
    assert not drawn(grid("s.", ".s")).of_class("tt-island")


def test_the_legend_counts_what_is_there_and_what_no_patch_covers_is_dimmed_or_not_shown() -> None:
    page = drawn(PASTED)
    assert [part for part in ("StyleGAN24", "SDXL1", f"{text.PATCH_CLEAR}20", text.PATCH_FACE) if part not in page.words] == []
    assert text.PATCH_NOT_READ not in page.words
    assert "SDXL" not in drawn(grid("s.")).words
    assert not page.of("image"), "without a picture the patches stand alone"

    most = drawn(grid("....", "....", "....", "...."), noise(50, 50))
    assert most.of("svg")[0]["viewbox"] == "0 0 100 100"
    assert text.PATCH_NOT_READ in most.words
    assert most.of("image")[0]["href"].startswith("data:image/")
    part = drawn(grid("..", "..", left=30, top=40), noise(50, 50))
    assert part.of("svg")[0]["viewbox"] == "30 40 40 40"
    assert text.PATCH_NOT_READ not in part.words


def test_patches_beyond_the_picture_break_nothing() -> None:
    for box in ((-30.0, -30.0, -10.0, -10.0), (-5.0, -5.0, 15.0, 15.0), (90.0, 90.0, 400.0, 400.0)):
        patches = Patches(SPECIALIST.labels, (box,), ((0.0, 1.0, 0.0),))
        assert "nan" not in sentences(found(patches))[0]
        assert drawn(patches, noise(20, 20)).words


def test_a_patch_view_says_what_it_shows_what_it_cannot_and_what_was_measured() -> None:
    patches = grid(".....", ".ss..", ".ss..", ".....", side_px=40)
    words = said(patch_view(patches, SPECIALIST, (40, 40, 120, 120), MEDIA, noise(100, 200), MEASURED))
    assert "4 of 20 patches look generated. They form one island" in words
    assert text.PATCH_CANNOT in words
    assert "collections that it never saw: by generator, 40–70 % of the patches inside it looked generated, and 8–10 %" in words
    assert "about 40 × 40 px" in words
    for tables in ((), (MeasuredTable("Patch islands", ("odd",), ((1,),)),), (MeasuredTable("Patch islands", COLUMNS[:1], (("test",),)),)):
        assert "Measured on" not in said(patch_view(patches, SPECIALIST, (0, 0, 10, 10), MEDIA, None, tables))
