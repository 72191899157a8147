"""Error rates by lightness and by size, against cases that can be counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from attribution.detectors.card import MeasuredTable
from attribution.lab.measure import fairness
from attribution.lab.measure.fairness import (
    JudgedFaces,
    judged_faces,
    lightness_of,
    lightness_table,
    size_table,
    within_sources_table,
)
from attribution.lab.measure.predictions import SplitPredictions
from attribution.lab.pools import Samples
from samples import INCONCLUSIVE, MANIPULATED, NONE_FOUND, track

A, N, I = "manipulated", "no_manipulation_found", "inconclusive"  # noqa: E741


def faces(
    lightness: Sequence[float], untouched: Sequence[bool], states: Sequence[str], sources: Sequence[str] = (), sides: Sequence[float] = ()
) -> JudgedFaces:
    count = len(lightness)
    return JudgedFaces(
        "test",
        np.array(lightness, float),
        np.array(sides or [200] * count, float),
        np.array(untouched, bool),
        np.array(sources or ["a"] * count),
        np.array(states, dtype=object),
    )


def cells(table: MeasuredTable) -> list[tuple]:
    """Rows by position: the columns low and high stand twice in the table."""
    return list(table.rows)


def grey(value: int, side: int = 40) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def test_lightness_of_greys():
    assert lightness_of(grey(0)) == pytest.approx(0, abs=0.1)
    assert lightness_of(grey(255)) == pytest.approx(100, abs=0.1)
    # sRGB 119 is a luminance of 0.1845; L* = 116 · 0.1845^(1/3) − 16.
    assert lightness_of(grey(119)) == pytest.approx(50.03, abs=0.3)


def test_lightness_looks_at_the_middle_alone():
    framed = grey(255)
    framed[8:32, 8:32] = 0
    assert lightness_of(framed) == pytest.approx(0, abs=0.1)
    framed[7, 7] = 30
    assert lightness_of(framed) == pytest.approx(0, abs=0.1)


def test_green_is_lighter_than_blue():
    green, blue = grey(0), grey(0)
    green[..., 1], blue[..., 2] = 255, 255
    assert lightness_of(green) == pytest.approx(87.7, abs=0.5)
    assert lightness_of(blue) == pytest.approx(32.3, abs=0.5)


def test_quarters_come_from_the_untouched_faces():
    untouched = faces([10, 20, 30, 40], [True] * 4, [A, N, I, N])
    manipulated = faces([5, 12, 18, 39, 90], [False] * 5, [N, A, I, A, N])
    both = JudgedFaces(
        "test",
        *(
            np.concatenate([getattr(untouched, name), getattr(manipulated, name)])
            for name in ("lightness", "side_px", "untouched", "sources", "states")
        ),
    )
    table = lightness_table([both])
    assert table.title == "Errors by lightness of the face"
    assert table.columns == fairness.COLUMNS
    rows = cells(table)
    assert [row[:2] for row in rows] == [("test", name) for name in fairness.QUARTERS]
    # Borders 17.5, 25, 32.5.
    assert [row[2] for row in rows] == [1, 1, 1, 1]
    assert [row[3] for row in rows] == [1.0, 0.0, 0.0, 0.0]
    assert [row[6] for row in rows] == [2, 1, 0, 2]
    assert [row[7] for row in rows] == [0.5, 0.0, None, 0.5]
    assert rows[2][8:10] == (None, None)
    assert [row[10] for row in rows] == [0.0, 0.5, 1.0, 0.0]


def test_intervals_are_wilsons():
    rows = cells(size_table([faces([50] * 20, [True] * 20, [N] * 20)]))
    assert rows[2][3:6] == (0.0, 0.0, pytest.approx(0.161, abs=0.002))


def test_sizes_have_plain_borders():
    sides = [60, 89.9, 90, 149, 150, 300, 300.5, 2000]
    rows = cells(size_table([faces([50] * 8, [True] * 8, [A] * 8, sides=sides)]))
    assert [(row[1], row[2]) for row in rows] == list(zip(fairness.SIZES, (2, 2, 2, 2), strict=True))
    rows = cells(size_table([faces([50], [False], [I], sides=[400])]))
    assert rows[0][2:] == (0, None, None, None, 0, None, None, None, None)
    assert rows[3][2:] == (0, None, None, None, 1, 0.0, 0.0, pytest.approx(0.793, abs=0.002), 1.0)


def test_a_split_without_untouched_faces_has_no_quarters():
    split = faces([10, 20, 30], [False] * 3, [A, N, I])
    assert lightness_table([split]).rows == ()
    assert len(size_table([split]).rows) == 4
    assert [row[1:] for row in within_sources_table([split]).rows] == [
        (figure, 0, 0, None, None, None) for figure in ("accused", "cleared", "inconclusive")
    ]


def two_sources(dark_errors: int) -> JudgedFaces:
    """Source a: ten dark faces of which some are accused, ten light ones; source b is darker as a whole and wholly wrong."""
    return faces(
        [*range(40, 50), *range(60, 70), *range(10), *range(20, 30)],
        [True] * 40,
        [A] * dark_errors + [N] * (20 - dark_errors) + [A] * 20,
        ["a"] * 20 + ["b"] * 20,
    )


def test_within_sources_does_not_blame_the_light_for_the_source():
    across = cells(lightness_table([two_sources(0)]))
    assert [row[3] for row in across] == [1.0, 1.0, 0.0, 0.0]
    accused, cleared, inconclusive = cells(within_sources_table([two_sources(0)]))
    assert accused == ("test", "accused", 2, 40, 0.0, 0.0, 0.0)
    assert cleared == ("test", "cleared", 0, 0, None, None, None)
    assert inconclusive == ("test", "inconclusive", 2, 40, 0.0, None, None)


def test_within_sources_finds_a_true_difference():
    _, figure, sources, count, difference, low, high = cells(within_sources_table([two_sources(8)]))[0]
    # Source a: 0.8 − 0; source b: 1 − 1; the mean of both.
    assert (figure, sources, count, difference) == ("accused", 2, 40, 0.4)
    assert 0.2 < low < 0.4 < high <= 0.5


def test_the_same_source_untouched_and_manipulated_counts_twice():
    light = [*range(10), *range(10)]
    states = [I] * 5 + [N] * 5 + [I] * 5 + [A] * 5
    split = faces(light, [True] * 10 + [False] * 10, states, ["dfdc"] * 20)
    by_figure = {row[1]: row[2:5] for row in within_sources_table([split]).rows}
    assert by_figure == {"accused": (1, 10, 0.0), "cleared": (1, 10, 0.0), "inconclusive": (2, 20, 1.0)}


def test_small_sources_and_sources_of_one_lightness_are_left_out():
    small = faces(range(9), [True] * 9, [A] * 9)
    alike = faces([50] * 30, [True] * 30, [A] * 30)
    for split in (small, alike):
        assert within_sources_table([split]).rows[0][2:] == (0, 0, None, None, None)


def samples_of(crops: np.ndarray) -> tuple[Samples, SplitPredictions]:
    count = len(crops)
    families = ("real", *["gan"] * (count - 1))
    names = tuple(str(index) for index in range(count))
    samples = Samples((crops,), families, families, names, names, names, np.full(count, -1))
    return samples, SplitPredictions(
        np.zeros((count, 2)), np.zeros((count, 8)), *(np.array(x) for x in (families, families, names, names, names))
    )


def test_faces_are_gathered_from_verdicts():
    samples, found = samples_of(np.stack([grey(0), grey(255), grey(0)]))
    judged = [track(0, NONE_FOUND), track(1, MANIPULATED), track(2, INCONCLUSIVE)]
    gathered = judged_faces("cross", samples, found, judged, np.array([80, 100, 400]))
    assert gathered.split == "cross"
    assert gathered.lightness == pytest.approx([0, 100, 0], abs=0.1)
    assert gathered.untouched.tolist() == [True, False, False]
    assert gathered.accused.tolist() == [False, True, False]
    assert gathered.cleared.tolist() == [True, False, False]
    assert [row[2] + row[6] for row in cells(size_table([gathered]))] == [1, 1, 0, 1]
    with pytest.raises(ValueError, match="aligned"):
        judged_faces("cross", samples, found, judged[:2], np.array([80, 100, 400]))


def test_two_splits_stand_in_one_table():
    one, other = two_sources(2), two_sources(0)
    for table in (lightness_table, size_table):
        assert len(table([one, other]).rows) == 8
    assert len(within_sources_table([one, other]).rows) == 6
