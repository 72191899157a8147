"""The generalisability study read for its page: sound numbers, names for people, means, and what an interval decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit
from attribution.measured.figures import of_data
from attribution.measured.section import study_table
from attribution.measured.study import Study

COIN = 0.5
MEAN = "mean"
MOST_NAMES = 12
_MOST_COUNT = 10_000_000
# The 97.5th percentile of Student's t by degrees of freedom.
_T = (12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2)


@dataclass(frozen=True)
class Findings:
    """The study, its detectors and sources in their order (name → name for people; the place in it is the number on the page)."""

    study: Study
    detectors: Mapping[str, str]
    sources: Mapping[str, str]

    @staticmethod
    def of(study: Study) -> Findings:
        """With the names in the tables "detectors" and "sources", and after them those that the matrix has besides."""

        def there(key: str) -> Iterable[Row]:
            table = study.tables.get(key)
            return Rows(table) if table is not None and table.rows else ()

        def names(table: str, column: str, of_matrix: str) -> dict[str, str]:
            found = dict.fromkeys([row.text(column) for row in there(table)] + [row.text(of_matrix) for row in there("matrix")], "")
            found.update((row.text(column), row.text("display")) for row in there(table))
            return {name: words or name for name, words in list(found.items())[: 2 * MOST_NAMES] if name}

        return Findings(study, names("detectors", "detector", "detector"), names("sources", "source", "tested on"))

    def table(self, key: str) -> MeasuredTable:
        """Raises Unfit when there is none."""
        return study_table(self.study, key)

    def tables(self, *keys: str) -> list[MeasuredTable]:
        """Those of the tables that are there."""
        return [self.study.tables[key] for key in keys if key in self.study.tables]

    def rows(self, key: str, *needs: str) -> list[Row]:
        """The rows of the table of that key. Raises Unfit when it is missing, or lacks a row or one of the columns."""
        return list(Rows(self.table(key), needs))

    def found(self, key: str, places: Sequence[str], column: str, least: float = 0.0) -> list[tuple[tuple[str, ...], Row, Estimate]]:
        """The words in the columns `places`, the row and its figure in `column`, of every row where that is sound. Raises Unfit."""
        rows = self.rows(key, *places, column)
        return [(tuple(map(row.text, places)), row, one) for row in rows if (one := sound(row, column, least)) is not None]

    def detector(self, name: str) -> str:
        return of_data(self.detectors.get(name, name))

    def short(self, name: str) -> str:
        """The detector's own name: `telltale-swap`, or what is shown of one of the study without what stands in brackets."""
        return name if name.startswith("telltale-") else self.detectors.get(name, name).partition(" (")[0]

    def source(self, name: str) -> str:
        return of_data(self.sources.get(name, name))

    def say(self, words: str) -> str:
        """A cell of any table."""
        return self.sources.get(words) or self.detectors.get(words) or words

    def detector_number(self, name: str) -> int:
        return list(self.detectors).index(name)


def ordered(found: Iterable[str], known: Iterable[str]) -> list[str]:
    """The names that were found, in the order in which they are known; others are left out. Raises Unfit when none is left."""
    there = set(found)
    if not (left := [name for name in known if name in there][:MOST_NAMES]):
        raise Unfit("The study’s tables name no detector or no source in common.")
    return left


def sound(row: Row, column: str, least: float = 0.0) -> Estimate | None:
    """The figure of that column when it lies within `least` and 1; without an interval when that one does not."""
    one = row.estimate(column)
    if one is None or not least <= one.value <= 1:
        return None
    return one if one.low is not None and one.high is not None and least <= one.low <= one.high <= 1 else Estimate(one.value)


def share_of(row: Row, column: str) -> float | None:
    """The cell when it is a share, 0 to 1."""
    value = row.number(column)
    return value if value is not None and 0 <= value <= 1 else None


def count_of(row: Row, column: str) -> int | None:
    """The cell when it is a whole number from 0."""
    value = row.number(column)
    return round(value) if value is not None and 0 <= value <= _MOST_COUNT else None


def over(values: Sequence[float], least: float = -1.0) -> Estimate | None:
    """The mean of one value per detector, with Student's 95 % interval cut to `least` and 1; none for a single one, None of nothing."""
    if not values:
        return None
    mean, freedom = sum(values) / len(values), len(values) - 1
    if not freedom:
        return Estimate(mean)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / freedom)
    half = (_T[freedom - 1] if freedom <= len(_T) else 2.1) * deviation / math.sqrt(len(values))
    return Estimate(mean, max(mean - half, least), min(mean + half, 1.0))


def decided(one: Estimate | None, zero: float = 0.0) -> int:
    """1 when the whole interval is above `zero`, −1 when it is below, 0 when it holds `zero` or there is none."""
    low, high = (one.low, one.high) if one is not None else (None, None)
    return 0 if low is None or high is None else (low > zero) - (high < zero)


def minus(one: Estimate) -> Estimate:
    """The same loss as a gain, and the other way round."""
    return Estimate(-one.value) if one.low is None or one.high is None else Estimate(-one.value, -one.high, -one.low)
