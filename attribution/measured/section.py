"""What a section of a page of measurements is, what it is made from, and how a page of sections is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from markupsafe import Markup

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, share_words
from attribution.measured.figures import HEAT_LEVELS
from attribution.measured.study import Study
from attribution.render.html import macros
from attribution.render.palette import DARK, FAMILY_STYLES, LIGHT, levels
from attribution.text import limits as text

UNTOUCHED = "untouched"
_T = TypeVar("_T")
_HTML = macros("sections.html")


class Section(NamedTuple):
    """`says` is plain text built from measured numbers; `tables` stand below the figure in full."""

    says: str
    figure: Markup
    tables: Sequence[MeasuredTable] = ()


class Answer(NamedTuple):
    """A question of a reader, its figure in large, and the sentences that belong to it."""

    question: str
    figure: str = text.NOT_MEASURED
    sentences: Sequence[str] = (text.NOT_MEASURED_WHY,)


class Wording(NamedTuple):
    """The fixed words of a page: names of groups; titles of sections and how to read them, by key."""

    groups: Mapping[str, str]
    titles: Mapping[str, str]
    reading: Mapping[str, str]


Plan = Mapping[str, Mapping[str, Callable[[Any], Section]]]
"""The sections of a page in their order: group → key → what makes the section. It raises Unfit when there is nothing to draw."""


@dataclass(frozen=True)
class Subject:
    """What a chapter is made from: a detector's card, the study about it, and the cards beside it; with words for keys in tables."""

    card: Card
    study: Study
    beside: Sequence[Card] = ()

    def table(self, title: str) -> MeasuredTable:
        """The card's table of that title. Raises Unfit when there is none."""
        return card_table(self.card, title)

    def of_study(self, key: str) -> MeasuredTable:
        """The study's table of that key. Raises Unfit when there is none."""
        return study_table(self.study, key)

    def method(self, label: str) -> str:
        """The name of a method for people. A detector of face swaps has one label for all of them: the others name their methods."""
        cards = (self.card, *(self.beside if self.card.scope == "face_swap" else ()))
        known = next((one for card in cards for one in card.labels if one.name == label), None)
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
    if (found := next((table for table in card.measured if table.title == title), None)) is None:
        raise Unfit("The detector’s card does not hold these measurements.")
    return found


def study_table(study: Study, key: str) -> MeasuredTable:
    """The study's table of that key. Raises Unfit when there is none."""
    if key not in study.tables:
        raise Unfit(f"The study has no table “{key}”." if study.tables else study.reason)
    return study.tables[key]


def need(found: _T, table: MeasuredTable, what: str) -> _T:
    """What was found in the table. Raises Unfit when it is empty: the table then `has no figure`."""
    if not found:
        raise Unfit(f"The table “{table.title}” {what}.")
    return found


def known(table: MeasuredTable, needs: Sequence[str], column: str) -> list[tuple[Row, Estimate]]:
    """The rows in which that column holds a figure. Raises Unfit when one of the columns is missing, or there is no such row."""
    found = [(row, one) for row in Rows(table, (*needs, column)) if (one := row.estimate(column)) is not None]
    return need(found, table, f"has no figure in the column “{column}”")


def attempt(make: Callable[[], _T]) -> _T | None:
    """What it makes; None where a table of measurements that may be missing is missing or does not fit."""
    try:
        return make()
    except Unfit:
        return None


def faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count:,} faces"


def capital(words: str) -> str:
    """With a capital; but a detector's own name is written as it is."""
    return words if words.startswith("telltale-") else words[:1].upper() + words[1:]


def place_of(split: str) -> str:
    """The faces of a split, for people."""
    return text.SPLITS.get(split, split)


def interval(one: Estimate) -> str:
    """`0.7–3.3 %`; empty without an interval."""
    return share_words(one).partition(" (")[2].removesuffix(")")


def range_words(one: Estimate) -> str:
    """The interval alone, in words."""
    return f"95 % interval {interval(one)}" if interval(one) else "No interval was measured"


def apart(one: Estimate, other: Estimate) -> bool:
    """Whether two intervals do not overlap; False without intervals."""
    return None not in (one.low, one.high, other.low, other.high) and (one.low > other.high or other.low > one.high)  # type: ignore[operator]


@cache
def style(*files: str) -> Markup:
    """The style sheets of a page, with the steps of its heat maps in both modes."""
    steps = "".join(
        f"{selector}{{{''.join(f'--tt-level-{step}:{colour};' for step, colour in enumerate(levels(tones, HEAT_LEVELS + 1)))}}}"
        for selector, tones in ((":root", LIGHT), (".dark", DARK))
    )
    classes = "".join(f".tt-level-{step}{{background:var(--tt-level-{step})}}" for step in range(HEAT_LEVELS + 1))
    sheets = "".join((Path(__file__).parent / "static" / file).read_text(encoding="utf-8") for file in files)
    return Markup(f"<style>{steps}{classes}{sheets}</style>")


def drawn_page(
    subject: Any, plan: Plan, words: Wording, study: Study, exact: Callable[[MeasuredTable], Markup], first: tuple[str, str], head: Markup,
    measured: Sequence[MeasuredTable] = (), caveat_above: Sequence[str] = (), prefix: str = "tt-m", kind: str = "",
) -> Markup:  # fmt: skip
    """A page or a chapter: `head` is its first section, of key and title `first`; tables of `measured` that no section shows stand before
    the end, where sections that cannot be made and broken tables are named. `prefix` begins the ids of sections."""
    shown: dict[str, list[tuple[str, Section]]] = {}
    missing: dict[str, list[str]] = {}
    for group, key, make in ((group, *part) for group, parts in plan.items() for part in parts.items()):
        try:
            section = make(subject)
            shown.setdefault(group, []).append((key, section))
        except Unfit as unfit:
            missing.setdefault(str(unfit), []).append(f"“{words.titles[key]}”")
    used = {table.title for sections in shown.values() for _, one in sections for table in one.tables}
    rest = [table for table in measured if table.title not in used]
    return _HTML.measured(words, shown, missing, rest, first, head, exact, study, caveat_above, prefix, kind)
