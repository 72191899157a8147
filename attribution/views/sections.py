"""What a section of the page of measured limits is, and the words for labels, families and sources in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attribution.card import Card, MeasuredTable
from attribution.study import Study
from attribution.views.measures import Unfit
from attribution.views.palette import FAMILY_STYLES

UNTOUCHED = "untouched"


@dataclass(frozen=True)
class Section:
    """`says` is plain text built from measured numbers, `figure` HTML; `tables` stand below it in full."""

    key: str
    says: str
    figure: str
    tables: tuple[MeasuredTable, ...]


@dataclass(frozen=True)
class Names:
    """Words for what tables hold as keys. Nobody's face is called real: it is untouched. What the card has no label for may have one in the
    cards `beside` it."""

    card: Card
    beside: tuple[Card, ...] = ()

    def method(self, label: str) -> str:
        """The name of a method for people; untouched for the label of the untouched."""
        known = next((one for card in (self.card, *self.beside) for one in card.labels if one.name == label), None)
        if known is None:
            return UNTOUCHED if label == "real" else label
        return UNTOUCHED if known.family == "real" else known.display_name

    def family(self, family: str) -> str:
        if family == "real":
            return UNTOUCHED.capitalize()
        return FAMILY_STYLES[family].name if family in FAMILY_STYLES else family

    def source(self, source: str) -> str:
        """`landmark_swap on dfdc` as `Landmark face swap on dfdc`."""
        method, on, place = source.partition(" on ")
        return f"{self.method(method)}{on}{place}"

    def say(self, words: str) -> str:
        """A cell or a column head of any table."""
        if words in FAMILY_STYLES and words not in {label.name for label in self.card.labels}:
            return self.family(words)
        if words.startswith("real: "):
            return f"{UNTOUCHED}: {words[6:]}"
        return self.method(words) if " on " not in words else self.source(words)


def card_table(card: Card, title: str) -> MeasuredTable:
    """The card's table of that title. Raises Unfit when there is none."""
    found = next((table for table in card.measured if table.title == title), None)
    if found is None:
        raise Unfit("The detector’s card does not hold these measurements.")
    return found


def study_table(study: Study, key: str) -> MeasuredTable:
    """The study's table of that key. Raises Unfit when there is none."""
    if key not in study.tables:
        raise Unfit(f"The study has no table “{key}”." if study.tables else study.reason)
    return study.tables[key]


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count:,} faces"
