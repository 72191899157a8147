"""The tables of the generalisability study read for its page: sound numbers only, names for people, means over detectors, and what an
interval decides. No HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attribution.detectors.tables import Estimate, Row, Rows, Unfit, figure_words
from attribution.measured.sections import study_table
from attribution.measured.study import Study
from attribution.text import failures as text

COIN = 0.5
MEAN = "mean"
MOST_NAMES = 12
_MOST_COUNT = 10_000_000
# The 97.5th percentile of Student's t by degrees of freedom.
_T = (12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2)


@dataclass(frozen=True)
class Names:
    """Detectors and sources in the order of the study: name → name for people. Their place in it is their number on the page."""

    detectors: Mapping[str, str]
    sources: Mapping[str, str]
    shipped: frozenset[str] = frozenset()

    def detector(self, name: str) -> str:
        return self.detectors.get(name, name)

    def source(self, name: str) -> str:
        return self.sources.get(name, name)

    def say(self, words: str) -> str:
        """A cell of any table."""
        return self.sources.get(words) or self.detectors.get(words) or words

    def detector_number(self, name: str) -> int:
        return list(self.detectors).index(name)

    def source_number(self, name: str) -> int:
        return list(self.sources).index(name)


def names_of(study: Study) -> Names:
    """The names in the tables "detectors" and "sources", and after them those that the matrix has besides."""
    detectors, sources = _displays(study, "detectors", "detector"), _displays(study, "sources", "source")
    shipped = {row.text("detector") for row in _rows_or_none(study, "detectors") if row.text("start") == "shipped"}
    for row in _rows_or_none(study, "matrix"):
        detectors.setdefault(row.text("detector"), row.text("detector"))
        sources.setdefault(row.text("tested on"), row.text("tested on"))
        if row.text("variant") == "shipped":
            shipped.add(row.text("detector"))
    return Names(_first(detectors), _first(sources), frozenset(shipped))


def _first(names: dict[str, str]) -> dict[str, str]:
    return {name: words or name for name, words in list(names.items())[: 2 * MOST_NAMES] if name}


def _displays(study: Study, key: str, column: str) -> dict[str, str]:
    return {row.text(column): row.text("display") for row in _rows_or_none(study, key)}


def _rows_or_none(study: Study, key: str) -> Iterable[Row]:
    table = study.tables.get(key)
    return () if table is None or not table.rows else Rows(table)


def rows(study: Study, key: str, needs: Sequence[str]) -> list[Row]:
    """The rows of the table of that key. Raises Unfit when it is missing, or lacks a row or one of the columns."""
    return list(Rows(study_table(study, key), tuple(needs)))


def sound(one: Estimate | None, least: float = 0.0, most: float = 1.0) -> Estimate | None:
    """The estimate when it lies within the range; without an interval when that one does not."""
    if one is None or not least <= one.value <= most:
        return None
    if one.low is None or one.high is None or not least <= one.low <= one.high <= most:
        return Estimate(one.value)
    return one


def auc_of(row: Row) -> Estimate | None:
    return sound(row.estimate("AUC"))


def gap_of(row: Row, column: str = "difference") -> Estimate | None:
    return sound(row.estimate(column), -1.0, 1.0)


def share_of(row: Row, column: str) -> float | None:
    """The cell when it is a share, 0 to 1."""
    value = row.number(column)
    return value if value is not None and 0 <= value <= 1 else None


def count_of(row: Row, column: str) -> int | None:
    """The cell when it is a whole number from 0."""
    value = row.number(column)
    return round(value) if value is not None and 0 <= value <= _MOST_COUNT else None


def over(values: Sequence[float], least: float = -1.0, most: float = 1.0) -> Estimate | None:
    """The mean of one value per detector, with Student's 95 % interval, cut to the range; no interval of a single one, None of nothing."""
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) < 2:
        return Estimate(mean)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = (_T[len(values) - 2] if len(values) - 2 < len(_T) else 2.1) * deviation / math.sqrt(len(values))
    return Estimate(mean, max(mean - half, least), min(mean + half, most))


def decided(one: Estimate | None, zero: float = 0.0) -> int:
    """1 when the whole interval is above `zero`, −1 when it is below, 0 when it holds `zero` or there is none."""
    if one is None or one.low is None or one.high is None:
        return 0
    return 1 if one.low > zero else -1 if one.high < zero else 0


def minus(one: Estimate) -> Estimate:
    """The same loss as a gain, and the other way round."""
    if one.low is None or one.high is None:
        return Estimate(-one.value)
    return Estimate(-one.value, -one.high, -one.low)


def inline(one: Estimate | None) -> str:
    """`0.02, −0.01 to 0.04`: a figure with its interval where it stands in brackets already."""
    return figure_words(one).replace(" (", ", ").removesuffix(")")


def moved(one: Estimate | None, missing: str) -> str:
    """What a difference says: gains, loses, or not shown to change."""
    if one is None:
        return missing
    sign = decided(one)
    if sign == 0:
        return text.UNDECIDED.format(one=inline(one))
    return text.GAINS.format(one=figure_words(one)) if sign > 0 else text.LOSES.format(one=figure_words(minus(one)))


def ordered(found: Iterable[str], known: Iterable[str]) -> list[str]:
    """The names that were found, in the order in which they are known; others are left out. Raises Unfit when none is left."""
    there = set(found)
    left = [name for name in known if name in there][:MOST_NAMES]
    if not left:
        raise Unfit("The study’s tables name no detector or no source in common.")
    return left


def capital(words: str) -> str:
    """With a capital; but a detector's own name is written as it is."""
    return words if words.startswith("telltale-") else words[:1].upper() + words[1:]


def set_share(share: float) -> str:
    """A share that was set, not measured: `12.5 %`."""
    return f"{100 * share:.3g} %"
