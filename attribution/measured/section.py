"""What a section of a page of measurements is, what it is made from, and how a page of sections is drawn.

How to write one: a function from what the page is about to a `Section`, named in a `Plan` by group and key; its title (a question) and one
line on how to read it stand in the texts of the page, by key.

- `says` is the answer in ONE message with its interval: it is all that a reader sees before opening. Variants are whole messages that an
  `if` chooses. What else has to be said goes into `more`, a whole sentence each.
- `figure` is a chart of `render.charts`, several of them joined as Markup, or nothing. Its label is `says`; hovering tells the number of
  faces and the interval.
- `tables` are the measured tables behind it: they are added in full, folded, with their CSV.
- What cannot be made raises Unfit with its reason; the page then names it at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from markupsafe import Markup

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, share_words
from attribution.measured.figures import HEAT_LEVELS, of_data
from attribution.measured.study import Study
from attribution.messages import gettext as _
from attribution.render.html import macros
from attribution.render.palette import DARK, FAMILY_STYLES, LIGHT, Tones, levels
from attribution.text import limits as text

_T = TypeVar("_T")
_HTML = macros("sections.html")


class Section(NamedTuple):
    """`says` is the answer in a sentence, built from measured numbers, and `more` are further ones; `tables` stand below the figure."""

    says: str
    figure: Markup
    tables: Sequence[MeasuredTable] = ()
    more: Sequence[str] = ()


class Answer(NamedTuple):
    """A question of a reader, its figure in large, and the sentence that belongs to it."""

    question: str
    figure: str = text.NOT_MEASURED
    sentence: str = text.NOT_MEASURED_WHY


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
            return text.UNTOUCHED if label == "real" else text.METHODS.get(label, label)
        return text.UNTOUCHED if known.family == "real" else known.display_name

    def family(self, family: str) -> str:
        if family == "real":
            return text.UNTOUCHED
        return FAMILY_STYLES[family].name if family in FAMILY_STYLES else family

    def source(self, source: str) -> str:
        """`landmark_swap on dfdc` as `Landmark face swap on dfdc`."""
        method, on, place = source.partition(" on ")
        if on:
            return text.SOURCE_ON.format(method=self.method(method), collection=place)
        method, bracket, more = source.partition(" (")
        return text.COUNTED.format(name=self.method(method), n=more.removesuffix(")")) if bracket else self.method(method)

    def say(self, words: str) -> str:
        """A cell or a column head of any table."""
        if words in FAMILY_STYLES and words not in {label.name for label in self.card.labels}:
            return self.family(words)
        if words.startswith("real: "):
            return text.POINT.format(what=text.UNTOUCHED, figure=words[6:])
        known = self.source(words)
        return of_data(words) if known == words else known


def card_table(card: Card, title: str) -> MeasuredTable:
    """The card's table of that title. Raises Unfit when there is none."""
    if (found := next((table for table in card.measured if table.title == title), None)) is None:
        raise Unfit(text.NO_TABLE)
    return found


def study_table(study: Study, key: str) -> MeasuredTable:
    """The study's table of that key. Raises Unfit when there is none."""
    if key not in study.tables:
        raise Unfit(_("The study has no table “{key}”.").format(key=key) if study.tables else study.reason)
    return study.tables[key]


def need(found: _T, table: MeasuredTable) -> _T:
    """What was found in the table. Raises Unfit when it is empty."""
    if not found:
        raise Unfit(_("The table “{title}” holds nothing that can be drawn.").format(title=of_data(table.title)))
    return found


def known(table: MeasuredTable, needs: Sequence[str], column: str) -> list[tuple[Row, Estimate]]:
    """The rows in which that column holds a figure. Raises Unfit when one of the columns is missing, or there is no such row."""
    found = [(row, one) for row in Rows(table, (*needs, column)) if (one := row.estimate(column)) is not None]
    return need(found, table)


def attempt(make: Callable[[], _T]) -> _T | None:
    """What it makes; None where a table of measurements that may be missing is missing or does not fit."""
    try:
        return make()
    except Unfit:
        return None


def capital(words: str) -> str:
    """With a capital; but a detector's own name is written as it is."""
    return words if words.startswith("telltale-") else words[:1].upper() + words[1:]


def place_of(split: str) -> str:
    """The faces of a split, for people."""
    return text.SPLITS.get(split, split)


def told(what: str, one: Estimate, faces: int, say: Callable[[Estimate], str] = share_words) -> str:
    """What hovering over a dot tells: its figure with the interval, and the number of faces where it is known."""
    form = text.POINT_OF if faces else text.POINT
    return form.format(what=what, figure=say(one), n=faces)


def apart(one: Estimate, other: Estimate) -> bool:
    """Whether two intervals do not overlap; False without intervals."""
    return None not in (one.low, one.high, other.low, other.high) and (one.low > other.high or other.low > one.high)  # type: ignore[operator]


def _level_variables(tones: Tones) -> str:
    return "".join(f"--tt-level-{step}:{colour};" for step, colour in enumerate(levels(tones, HEAT_LEVELS + 1)))


@cache
def style(*files: str) -> Markup:
    """The style sheets of a page, with the steps of its heat maps in both modes."""
    modes = ((":root", LIGHT), (".dark", DARK))
    steps = "".join(f"{selector}{{{_level_variables(tones)}}}" for selector, tones in modes)
    # Paper is light, and charts are drawn for it a moment before.
    paper = "".join(f"--tt-{name.replace('_', '-')}:{tone};" for name, tone in vars(LIGHT).items())
    paper = f"{paper}{_level_variables(LIGHT)}"
    # Gradio makes the page's own colours count for more.
    everywhere = ".dark,.dark :is(.gradio-container,.tt-header,.tt-limits-page)"
    steps += f".tt-paper{{{paper}}}@media print{{{everywhere}{{{paper.replace(';', '!important;')}}}}}"
    sheets = "".join((Path(__file__).parent / "static" / file).read_text(encoding="utf-8") for file in files)
    return Markup(f"<style>{steps}{sheets}</style>")


def drawn_page(
    subject: Any, plan: Plan, words: Wording, study: Study, numbers: Callable[[MeasuredTable], Markup], head: Markup,
    measured: Sequence[MeasuredTable] = (), caveat_above: Sequence[str] = (), prefix: str = "tt-m", kind: str = "",
) -> Markup:  # fmt: skip
    """A page or a chapter: `head` comes first, then the questions, folded; tables of `measured` that none of them shows stand before the
    end, where sections that cannot be made and broken tables are named. `prefix` begins the ids."""
    shown: dict[str, list[tuple[str, Section]]] = {}
    missing: dict[str, list[str]] = {}
    for group, key, make in ((group, *part) for group, parts in plan.items() for part in parts.items()):
        try:
            section = make(subject)
            shown.setdefault(group, []).append((key, section))
        except Unfit as unfit:
            missing.setdefault(unfit.args[0], []).append(words.titles[key])
    used = {table.title for sections in shown.values() for _, one in sections for table in one.tables}
    rest = [table for table in measured if table.title not in used]
    return _HTML.measured(words, shown, missing, rest, head, numbers, study, caveat_above, prefix, kind)
