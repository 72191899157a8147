"""What a section of a page of measurements is and how it is drawn, and the words for labels, families and sources in it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Unfit
from attribution.measured.study import Study
from attribution.render.palette import FAMILY_STYLES
from attribution.text import limits as text
from attribution.text.numbers import listed as listed

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


def faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count:,} faces"


def made(
    plan: Mapping[str, Mapping[str, Callable[[], Section]]], titles: Mapping[str, str]
) -> tuple[dict[str, list[Section]], list[tuple[str, str]]]:
    """The sections of a plan (group → key → what makes the section) that could be made, by group, without empty groups; and titles with
    reasons of those that could not."""
    shown: dict[str, list[Section]] = {}
    missing: list[tuple[str, str]] = []
    for group, parts in plan.items():
        for key, make in parts.items():
            try:
                shown.setdefault(group, []).append(make())
            except Unfit as unfit:
                missing.append((titles[key], str(unfit)))
    return {group: sections for group, sections in shown.items() if sections}, missing


def joined(words: str) -> str:
    """Escaped, and no line breaks between a number and its unit or within an interval."""
    escaped = html.escape(words).replace(" %", "&nbsp;%").replace(" px", "&nbsp;px")
    return re.sub(r"\(−?[\d.]+(?:–| to )−?[\d.]+(?:&nbsp;%)?\)", r'<span class="tt-whole">\g<0></span>', escaped)


def drawn(section: Section, title: str, reading: str, tables: str) -> str:
    """The section as HTML: its title, what it says, how to read it, its figure, and `tables`, the HTML of its full tables."""
    return (
        f'<section class="tt-m" id="tt-m-{section.key}"><h3>{html.escape(title)}</h3>'
        f'<p class="tt-says">{joined(section.says)}</p>'
        f'<p class="tt-how"><b>{text.HOW}</b> {joined(reading)}</p>'
        f'<div class="tt-figures">{section.figure}</div>{tables}</section>'
    )


def contents(first: tuple[str, str], groups: Mapping[str, Sequence[tuple[str, str]]], last: Sequence[tuple[str, str]]) -> str:
    """The way to every section of a page, each given by its key and its title; those of a group stand below the group's name."""
    grouped = "".join(
        f"<li><span>{html.escape(name)}</span><ul>{''.join(_link(*one) for one in sections)}</ul></li>" for name, sections in groups.items()
    )
    return (
        f'<nav class="tt-contents" aria-label="{text.CONTENTS}"><h2>{text.CONTENTS}</h2>'
        f"<ul>{_link(*first)}{grouped}{''.join(_link(*one) for one in last)}</ul></nav>"
    )


def _link(key: str, words: str) -> str:
    return f'<li><a href="#tt-m-{key}">{html.escape(words)}</a></li>'


def not_here(missing: Sequence[tuple[str, str]], study: Study) -> str:
    """What a reader could expect on a page and does not find, and why: titles with reasons, and the study's broken tables."""
    if not missing and not study.left_out:
        return ""
    by_reason: dict[str, list[str]] = {}
    for title, reason in missing:
        by_reason.setdefault(reason, []).append(f"“{title}”")
    items = "".join(f"<li>{html.escape(reason)} <span>{html.escape(', '.join(titles))}</span></li>" for reason, titles in by_reason.items())
    broken = "".join(f"<li>{html.escape(text.BROKEN_TABLE.format(key=key))}</li>" for key in study.left_out)
    return f'<section class="tt-m tt-missing" id="tt-m-missing"><h3>{text.MISSING_TITLE}</h3><ul>{items}{broken}</ul></section>'
