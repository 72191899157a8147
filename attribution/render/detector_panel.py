"""The panel where detectors are chosen, as HTML: a list for the first one and one for each beside it, what is known of each detector, what
the Hub said of one, and what has to be asked.

Attributes that the page's script reads: `data-slot`, `data-for` (facts of the option of that value), `data-needs` of an option (`look` or
`download`), `data-do` of a button, `data-label` of a question, `data-focus` of what gets the keyboard when the part is new, `data-stamp`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from attribution.render.html import macros
from attribution.text import detectors as text
from attribution.text import numbers

if TYPE_CHECKING:
    # The page is up before PyTorch, which loading needs, is imported.
    from attribution.detectors.catalogue import Entry
    from attribution.detectors.hub import HubFile

OWN, OTHER, NONE = "default", "other", ""
"""Values of options that are no entry's name: the detector that the page was started with, one to be named, and no second one."""
BESIDE = ("beside", "beside-2", "beside-3", "beside-4")
SLOTS = ("first", *BESIDE)
"""What a page may choose; the first two are always there."""
_MOST_LABELS = 8
_GROUPS = ("own", "embedded", "looked", "cached", "known", "other")
_HTML = macros("detector_panel.html")


@dataclass(frozen=True)
class Looked:
    """A repository that was looked up: its entry, its commit and files, whether its makers want their conditions accepted, and whether
    all of it `is_here` already."""

    entry: Entry
    revision: str
    files: tuple[HubFile, ...]
    gated: bool = False
    is_here: bool = False


@dataclass(frozen=True)
class Slot:
    """One of the places for a detector, as the reader left it. `asked` are the labels whose meaning has to be told."""

    chosen: str = NONE
    typed: str = ""
    view: str = ""
    asked: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)


def panel(
    entries: Sequence[Entry],
    looked: Sequence[Looked],
    slots: Mapping[str, Slot],
    problem: str = "",
    busy: bool = False,
    focus: str = "",
    stamp: int = 0,
) -> Markup:
    """The whole panel. The first of the entries is the detector that the page was started with, under the name OWN.

    `busy`: nothing in it can be used now. `focus`: what gets the keyboard (a slot, its questions `ask`, `problem`, or nothing). `stamp`
    differs from that of the panel before: what the browser keeps of that one is dropped.
    """
    names, titles = {one.entry.name for one in looked}, {one.entry.title for one in looked}
    usable = [one for one in entries if not one.refused and one.name not in names and not (one.kind == "known" and one.title in titles)]
    options, offered = _options(usable, looked), [(one, None) for one in usable] + [(one.entry, one) for one in looked]
    fold = len(slots) > 2
    shown = [
        (key, slots[key], [(one.name, _about(one, found, slots[key], focus, fold)) for one, found in offered])
        for key in SLOTS
        if key in slots
    ]
    names = [text.SLOTS[key] if key in text.SLOTS else text.NUMBERED.format(number=at) for at, (key, _, _) in enumerate(shown)]
    places = [(key, name, slot, options, about) for name, (key, slot, about) in zip(names, shown, strict=True)]
    return _HTML.panel(places, [one for one in entries if one.refused], problem, busy, focus, stamp, len(slots) < len(SLOTS))


def facts(entry: Entry, looked: Looked | None = None, fold: bool = False) -> Markup:
    """What is known of a detector before it is used; what is on this machine may be folded."""
    names, more = text.FACTS, len(entry.labels) - _MOST_LABELS
    labels = ", ".join(label[:60] for label in entry.labels[:_MOST_LABELS])
    with_card = text.MEASURED if looked is None else text.MEASURED_BY_CARD
    values = {
        names["sees"]: text.SEES.get(entry.view, text.SEES_AS_CARD if entry.measured else text.SEES_UNLESS),
        names["labels"]: text.MORE_LABELS.format(labels=labels, count=more) if more > 0 else labels,
        names["architecture"]: entry.architecture,
        names["licence"]: entry.licence or text.NOT_STATED,
        names["size"]: numbers.size(entry.bytes) if entry.bytes is not None or entry.kind == "known" else "",
        names["measured"]: with_card if entry.measured else text.NEVER_RUN if entry.never_run else text.NOT_MEASURED,
    }
    return _HTML.facts(entry, values, looked, fold and looked is None)


def line(names: str, is_open: bool, focus: bool = False) -> Markup:
    """The line that stands there when the panel is closed: which detector is in use, and the button that opens it."""
    return _HTML.line(names, is_open, focus)


def progress(name: str, share: float | None, doing: str) -> Markup:
    """How far the loading of a detector is; without a `share` only that it is under way."""
    return _HTML.progress(text.LOADING_IT.format(name=name), share, doing)


def _options(usable: Sequence[Entry], looked: Sequence[Looked]) -> list[tuple[str, list[tuple[str, str, str, int | None]]]]:
    """By group: the value of an option, its words, what it needs before it can be used (`look`, `download` or `name`), and its bytes."""
    groups: dict[str, list[tuple[str, str, str, int | None]]] = {}
    for one in usable:
        group = "own" if one.name == OWN else one.kind
        groups.setdefault(group, []).append((one.name, one.title, "look" if one.kind == "known" else "", None))
    for found in looked:
        needs, size = ("", None) if found.is_here else ("download", found.entry.bytes)
        groups.setdefault("looked", []).append((found.entry.name, f"{found.entry.title}@{found.revision[:7]}", needs, size))
    groups["other"] = [(OTHER, text.OTHER, "name", None)]
    return [(group, groups[group]) for group in _GROUPS if group in groups]


def _about(entry: Entry, looked: Looked | None, slot: Slot, focus: str, fold: bool) -> Markup:
    """What is known of one option, folded where there are many, and what comes after that: the way to look it up, or the questions that
    its files leave open."""
    must_look = entry.kind == "known" and "@" not in entry.name
    asked = slot.asked if slot.chosen == entry.name and not must_look else ()
    asks_view = not (must_look or entry.view or entry.measured or entry.name == OWN)
    return _HTML.about(entry, looked, facts(entry, looked, fold), must_look, asked, asks_view, slot, focus)
