"""Measured tables by the names of their columns, intervals against published figures, and the words for both."""

from __future__ import annotations

import pytest

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import (
    NO_FACES,
    Estimate,
    Row,
    Rows,
    Tally,
    Unfit,
    difference,
    figure_words,
    interval,
    mean_of,
    share_words,
    wilson,
)
from attribution.messages import reading_in


@pytest.mark.parametrize(("hits", "count", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)])
def test_wilson_is_that_of_newcombe(hits: int, count: int, low: float, high: float) -> None:
    """Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert wilson(0, 0) is wilson(3, 2) is wilson(-1, 5) is None
    found = wilson(hits, count)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((5, 56), (0, 29), -0.0381, 0.1926)],
)
def test_differences_are_those_of_newcombe(first: tuple[int, int], second: tuple[int, int], low: float, high: float) -> None:
    """Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10."""
    one, two = wilson(*first), wilson(*second)
    assert one is not None
    assert two is not None
    gap = difference(one, two)
    assert gap is not None
    assert (gap.low, gap.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert gap.includes_zero == (low <= 0)


def test_a_difference_needs_intervals_and_a_mean_three_values() -> None:
    assert difference(Estimate(0.5), Estimate(0.1, 0.0, 0.2)) is None
    assert not Estimate(0.0).includes_zero
    assert mean_of([]) is None
    assert mean_of([1.0, 2.0]) == Estimate(1.5)
    found = mean_of([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.value, found.low) == (2.0, pytest.approx(2 - 1.959964 / 3**0.5))


def test_bounds_belong_to_the_column_before_them_or_have_names_of_their_own() -> None:
    row = Row(("AUC", "low", "high", "EER", "balanced accuracy", "from", "to", "last"), (0.9, 0.8, 0.95, 0.1, 0.7, 0.6, None, "x"))
    found = [row.estimate(name) for name in ("AUC", "balanced accuracy", "last", "nothing")]
    assert found == [Estimate(0.9, 0.8, 0.95), Estimate(0.7, 0.6, None), None, None]
    row = Row(("hits", "hits low", "hits high", "IoU"), (0.7, 0.6, None, "none"))
    assert row.between("hits", "hits low", "hits high") == Estimate(0.7, 0.6, None)
    assert row.between("hits", "nothing", "nothing") == Estimate(0.7)
    assert row.between("IoU", "hits low", "hits high") is None
    row = Row(("a", "b", "c"), ("words", None, 1))
    assert (row.number("a"), row.number("b"), row.number("d")) == (None, None, None)
    assert (row.count("a"), row.count("c"), row.text("b"), row.text("d")) == (0, 1, "", "")
    assert [row.holds(name) for name in "abcd"] == [False, False, True, False]


def test_a_table_that_does_not_fit_says_why() -> None:
    with pytest.raises(Unfit, match="has no column “b”"):
        Rows(MeasuredTable("x", ("a",), ((1,),)), ("a", "b"))
    with pytest.raises(Unfit, match="has no rows"):
        Rows(MeasuredTable("x", ("a",), ()), ("a",))


def test_a_tally_counts_back_from_shares() -> None:
    columns = ("faces", "manipulated", "none found", "wrong of definite")
    tally = Tally.of(Row(columns, (387, 0.016, 0.535, 0.028)))
    assert (tally.manipulated, tally.none_found, tally.inconclusive, tally.wrong) == (6, 207, 174, 6)
    both = tally + Tally.of(Row(columns, (10, 1.0, 0.0, None)))
    assert (both.faces, both.definite, both.wrong) == (397, 223, 6)
    assert NO_FACES.wrong_of_definite() is None


def test_estimates_in_words() -> None:
    assert share_words(Estimate(0.016, 0.007, 0.033)) == "1.6 % (0.7–3.3 %)"
    assert interval(Estimate(0.016, 0.007, 0.033)) == "0.7–3.3 %"
    assert share_words(Estimate(0.024, -0.021, 0.073)) == "2.4 % (−2.1 to 7.3 %)"
    assert share_words(Estimate(0.5)) == "50 %"
    assert figure_words(Estimate(0.951, 0.94, 0.96)) == "0.95 (0.94–0.96)"
    assert figure_words(Estimate(-0.021, -0.037, -0.006)) == "−0.021 (−0.037 to −0.006)"
    assert share_words(None) == figure_words(None) == "not measured"
    with reading_in("de"):
        assert f"{share_words(Estimate(0.016, 0.007, 0.033))}".replace("\xa0", " ") == "1,6 % (0,7–3,3 %)"
        assert f"{figure_words(Estimate(0.951, 0.94, 0.96))}" == "0,95 (0,94–0,96)"
