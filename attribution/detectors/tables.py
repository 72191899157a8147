"""Measured tables read by the names of their columns, intervals of shares, and the words for both. Pure numbers, no HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from attribution.detectors.card import Cell, MeasuredTable
from attribution.messages import Figure, Words
from attribution.messages import gettext as _
from attribution.text.numbers import decimal, measured_share, share_digits

NOT_MEASURED = _("not measured")
NO_INTERVAL = _("no interval")
FROM_TO = _("{low} to {high}")
_Z = 1.959964


class Unfit(Exception):
    """A table lacks a column that a figure needs, or has no row that it can draw."""


@dataclass(frozen=True)
class Estimate:
    """A measured value and its 95 % interval; `low` and `high` are None where none was measured."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def includes_zero(self) -> bool:
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high


@dataclass(frozen=True)
class Row:
    """One row of a table, by column."""

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]

    def text(self, column: str) -> str:
        """The cell as words; empty when it is None or not there."""
        cell = self._cell(column)
        return "" if cell is None else str(cell)

    def number(self, column: str) -> float | None:
        """The cell as a number; None when it is none."""
        cell = self._cell(column)
        return None if cell is None or isinstance(cell, str) else float(cell)

    def _cell(self, column: str) -> Cell:
        return self.cells[self.columns.index(column)] if column in self.columns else None

    def count(self, column: str) -> int:
        """The cell as a count; 0 when it is none."""
        return max(0, round(self.number(column) or 0.0))

    def estimate(self, column: str) -> Estimate | None:
        """The number of that column with the first two bounds to the right of it that are called low and high, or from and to."""
        value = self.number(column)
        if value is None:
            return None
        first = self.columns.index(column) + 1
        near = Row(self.columns[first : first + 4], self.cells[first : first + 4])
        low, high = (next((name for name in near.columns if name in names), "") for names in (("low", "from"), ("high", "to")))
        return Estimate(value, near.number(low), near.number(high))

    def between(self, column: str, low: str, high: str) -> Estimate | None:
        """The number of that column with its bounds in columns of these names; None when it is none."""
        value = self.number(column)
        return None if value is None else Estimate(value, self.number(low), self.number(high))

    def holds(self, column: str) -> bool:
        """Whether the cell is 1 (also `yes` and `true`)."""
        return self.text(column).lower() in ("1", "1.0", "yes", "true")


@dataclass(frozen=True)
class Rows:
    """The rows of a table that must have the columns `needs`. Raises Unfit when one is missing or there is no row."""

    table: MeasuredTable
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        missing = [name for name in self.needs if name not in self.table.columns]
        if missing:
            raise Unfit(_("The table “{title}” has no column “{column}”.").format(title=self.table.title, column=missing[0]))
        if not self.table.rows:
            raise Unfit(_("The table “{title}” has no rows.").format(title=self.table.title))

    def __iter__(self) -> Iterator[Row]:
        return (Row(self.table.columns, cells) for cells in self.table.rows)


def rows_of(tables: Iterable[MeasuredTable], title: str, needs: tuple[str, ...]) -> list[Row]:
    """The rows of the table of that title; none where there is no such table, or it lacks one of the columns that it `needs`."""
    try:
        return next((list(Rows(one, needs)) for one in tables if one.title == title), [])
    except Unfit:
        return []


@dataclass(frozen=True)
class Tally:
    """How often the whole verdict gave each answer on some faces. Counts are rounded back from the shares that a table holds."""

    faces: int
    manipulated: int
    none_found: int
    inconclusive: int
    wrong: int

    @staticmethod
    def of(row: Row) -> Tally:
        """From a row with `faces`, `manipulated`, `none found` and `wrong of definite`. Raises Unfit when a share is none."""
        faces = row.count("faces")
        shares = [row.number(name) or 0.0 for name in ("manipulated", "none found", "wrong of definite")]
        # Three rounded digits may sum to a little more than all.
        if not all(0 <= share <= 1 for share in shares) or shares[0] + shares[1] > 1.01:
            raise Unfit(_("A table of verdicts holds shares that are none."))
        manipulated = round(shares[0] * faces)
        none_found = min(round(shares[1] * faces), faces - manipulated)
        wrong = round(shares[2] * (manipulated + none_found))
        return Tally(faces, manipulated, none_found, max(0, faces - manipulated - none_found), wrong)

    def __add__(self, other: Tally) -> Tally:
        names = ("faces", "manipulated", "none_found", "inconclusive", "wrong")
        return Tally(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def definite(self) -> int:
        return self.manipulated + self.none_found

    def share(self, count: int) -> Estimate | None:
        """That count as a share of the faces."""
        return wilson(count, self.faces)

    def wrong_of_definite(self) -> Estimate | None:
        return wilson(self.wrong, self.definite)


NO_FACES = Tally(0, 0, 0, 0, 0)


def wilson(hits: int, count: int) -> Estimate | None:
    """A share with the 95 % interval of Wilson (1927), eq. 7 in Newcombe's notation (1998); None of nothing."""
    if count <= 0 or not 0 <= hits <= count:
        return None
    p, z2 = hits / count, _Z * _Z
    centre, half = p + z2 / (2 * count), _Z * math.sqrt(p * (1 - p) / count + z2 / (4 * count * count))
    low = 0.0 if hits == 0 else (centre - half) / (1 + z2 / count)
    high = 1.0 if hits == count else (centre + half) / (1 + z2 / count)
    return Estimate(p, low, high)


def difference(first: Estimate, second: Estimate) -> Estimate | None:
    """first − second of two independent shares, with the interval made of their own (Newcombe 1998, method 10); None without intervals."""
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return None
    gap = first.value - second.value
    low = gap - math.hypot(first.value - first.low, second.high - second.value)
    high = gap + math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(gap, low, high)


def mean_of(values: Sequence[float]) -> Estimate | None:
    """The mean with mean ± 1.96 standard errors; no interval below three values, None of nothing."""
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) < 3:
        return Estimate(mean)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    return Estimate(mean, mean - _Z * error, mean + _Z * error)


def share_words(estimate: Estimate | None) -> Words:
    """`1.6 % (0.7–3.3 %)`; of a difference `1.2 % (−0.4 to 3 %)`."""
    return _with_bounds(estimate, measured_share, share_digits)


def figure_words(estimate: Estimate | None) -> Words:
    """`0.95 (0.93–0.96)`; with signs where a bound is negative: `−0.01 (−0.03 to 0.01)`."""
    return _with_bounds(estimate, _number, _number)


def interval(estimate: Estimate) -> Words:
    """`0.7–3.3 %` of a share."""
    return NO_INTERVAL if estimate.low is None or estimate.high is None else Figure(_bounds, (estimate.low, estimate.high))


def _number(value: float) -> Figure:
    return decimal(value, 3 if abs(value) < 0.1 else 2)


def _with_bounds(estimate: Estimate | None, say: Callable[[float], Figure], first: Callable[[float], Figure]) -> Words:
    """`say` writes a value, `first` the lower of two that share a unit."""
    if estimate is None:
        return NOT_MEASURED
    bounds = (estimate.low, estimate.high)
    return say(estimate.value) if None in bounds else Figure(partial(_bounded, say, first), (estimate.value, *bounds))


def _bounded(say: Callable[[float], Figure], first: Callable[[float], Figure], code: str, found: tuple[float, float, float]) -> str:
    value, low, high = found
    return f"{_in(code, say(value))} ({_between(code, first(low), say(high), low < 0)})"


def _bounds(code: str, found: tuple[float, float]) -> str:
    return _between(code, share_digits(found[0]), measured_share(found[1]), found[0] < 0)


def _between(code: str, low: Figure, high: Figure, signs: bool) -> str:
    both = {"low": _in(code, low), "high": _in(code, high)}
    if not signs:
        return "{low}–{high}".format(**both)
    words = FROM_TO.format(**both)
    # A figure is written in the reader's language, and nowhere else.
    return str(words) if code == "en" else words.said()


def _in(code: str, figure: Figure) -> str:
    return figure.say(code, figure.raw)
