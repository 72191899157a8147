"""The panel where detectors are chosen, as HTML: two lists, what is known of each detector, what the Hub said of one, and what has to be
asked. Pure functions: every text that comes from a card, a repository or the Hub is escaped here; no part holds a script.

Attributes that the page's script reads: `data-slot`, `data-for` (facts of the option of that value), `data-needs` of an option (`look` or
`download`), `data-do` of a button, `data-label` of a question, `data-focus` of what gets the keyboard when the part is new, `data-stamp`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from attribution.text import detectors as text
from attribution.text import numbers

OWN, OTHER, NONE = "default", "other", ""
"""Values of options that are no entry's name: the detector that the page was started with, one to be named, and no second one."""
SLOTS = ("first", "beside")
_MOST_LABELS = 8
_GROUPS = ("embedded", "looked", "cached", "known")


class Entry(Protocol):
    """One detector: `catalogue.Entry`."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def licence(self) -> str: ...
    @property
    def answers(self) -> str: ...
    @property
    def bytes(self) -> int | None: ...
    @property
    def view(self) -> str: ...
    @property
    def measured(self) -> bool: ...
    @property
    def refused(self) -> str: ...


class File(Protocol):
    """One file of a repository: `hub.HubFile`."""

    @property
    def name(self) -> str: ...
    @property
    def bytes(self) -> int: ...


@dataclass(frozen=True)
class Looked:
    """A repository that was looked up: its entry, its commit and files, whether its makers want their conditions accepted, and whether
    all of it `is_here` already."""

    entry: Entry
    revision: str
    files: tuple[File, ...]
    gated: bool = False
    is_here: bool = False


@dataclass(frozen=True)
class Slot:
    """One of the two places for a detector, as the reader left it. `asked` are the labels whose meaning has to be told."""

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
) -> str:
    """The whole panel. `entries` begin with that of the detector that the page was started with, under the name OWN; `focus` is what gets
    the keyboard: a slot, its questions (`ask`), `problem`, or nothing; while `busy` nothing in it can be used. `stamp` differs from that
    of the panel before: what the browser keeps of that one is dropped."""
    fields = "".join(_slot(key, slots[key], entries, looked, focus) for key in SLOTS)
    alert = (
        f'<p class="tt-choose-problem" role="alert" tabindex="-1"{_focus(focus == "problem")}>{html.escape(problem)}</p>' if problem else ""
    )
    return (
        f'<section class="tt-panel tt-choosing" aria-label="{text.TITLE}" data-stamp="{stamp}" {"inert" if busy else ""}>'
        f'<div class="tt-title"><h2>{text.TITLE}</h2><p>{text.HINT}</p></div>'
        f'<div class="tt-slots">{fields}</div>{alert}'
        f'<div class="tt-choose-actions"><button type="button" class="tt-do" data-do="use" data-use="{text.USE}"'
        f' data-download="{html.escape(text.DOWNLOAD)}">{text.USE}</button>'
        f'<p class="tt-small" data-why data-look="{text.LOOK_FIRST}" data-name="{text.NAME_FIRST}" data-ask="{text.ASK_ALL}" hidden></p>'
        f"</div>"
        f"{_refused(entries)}</section>"
    )


def facts(entry: Entry, looked: Looked | None = None) -> str:
    """What is known of a detector before it is used."""
    names = text.FACTS
    with_card = text.MEASURED if looked is None else text.MEASURED_BY_CARD
    rows = {
        names["sees"]: text.SEES.get(entry.view, text.SEES_AS_CARD if entry.measured else text.SEES_UNLESS),
        names["labels"]: _labels(entry.labels),
        names["architecture"]: entry.architecture,
        names["licence"]: entry.licence or text.NOT_STATED,
        names["size"]: numbers.size(entry.bytes) if entry.bytes is not None or entry.kind == "known" else "",
        names["measured"]: with_card if entry.measured else text.NOT_MEASURED,
    }
    shown = {name: html.escape(value) for name, value in rows.items() if value}
    if looked is not None:
        shown[names["revision"]] = f'<code class="tt-commit">{html.escape(looked.revision)}</code>'
        files = "".join(f"<li><code>{html.escape(one.name)}</code> <span>{numbers.size(one.bytes)}</span></li>" for one in looked.files)
        shown[names["files"]] = f'<ul class="tt-hub-files">{files}</ul>'
    lines = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())
    answers = f'<p class="tt-answers">{html.escape(entry.answers)}</p>' if entry.answers else ""
    return f'{answers}<dl class="tt-measures">{lines}</dl>'


def line(names: str, is_open: bool, focus: bool = False) -> str:
    """The line that stands there when the panel is closed: which detector is in use, and the button that opens it."""
    button = text.CLOSE if is_open else text.CHANGE
    return (
        f'<div class="tt-choose-line"><span class="tt-choose-name">{text.LINE}: <b>{html.escape(names)}</b></span>'
        f'<button type="button" data-do="toggle" aria-expanded="{str(is_open).lower()}"{_focus(focus)}>{button}'
        f'<span class="tt-unseen"> ({text.TITLE})</span></button></div>'
    )


def progress(name: str, share: float | None, doing: str) -> str:
    """How far the loading of a detector is; without a `share` only that it is under way."""
    now = f' aria-valuenow="{100 * share:.0f}"' if share is not None else ""
    words = html.escape(text.LOADING_IT.format(name=name))
    bar = f'<i style="width:{100 * max(share, 0.02):.1f}%"></i>' if share is not None else '<i class="tt-moving"></i>'
    more = f'<p class="tt-small tt-doing">{html.escape(doing)}</p>' if doing else ""
    return (
        f'<div class="tt-status tt-loading"><p>{words} …</p><div class="tt-progress" role="progressbar" aria-label="{words}"'
        f' aria-valuemin="0" aria-valuemax="100"{now} aria-valuetext="{html.escape(doing)}">{bar}</div>{more}</div>'
    )


def _slot(key: str, slot: Slot, entries: Sequence[Entry], looked: Sequence[Looked], focus: str) -> str:
    names, titles = ({one.entry.name for one in looked}, {one.entry.title for one in looked})
    usable = [one for one in entries if not one.refused and one.name not in names and not (one.kind == "known" and one.title in titles)]
    options = _options(key, slot, usable, looked)
    told = [_told(one.name, slot, facts(one) + _next(one, slot, focus)) for one in usable]
    told += [_told(one.entry.name, slot, _after_looking(one) + facts(one.entry, one) + _next(one.entry, slot, focus)) for one in looked]
    about = f"tt-choose-{key}"
    return (
        f'<div class="tt-slot" data-slot="{key}" role="group" aria-labelledby="{about}-name">'
        f'<label for="{about}" id="{about}-name">{text.SLOTS[key]}</label><p class="tt-small" id="{about}-hint">{text.SLOT_HINTS[key]}</p>'
        f'<select id="{about}" aria-describedby="{about}-hint"{_focus(focus == key)}>{options}</select>'
        f"{''.join(told)}{_told(OTHER, slot, _typed(key, slot))}</div>"
    )


def _options(key: str, slot: Slot, usable: Sequence[Entry], looked: Sequence[Looked]) -> str:
    def option(value: str, words: str, needs: str = "", size: int | None = None) -> str:
        more = (f' data-needs="{needs}"' if needs else "") + (f' data-bytes="{size}"' if size is not None else "")
        return f'<option value="{html.escape(value)}"{more}{" selected" if value == slot.chosen else ""}>{html.escape(words)}</option>'

    groups: dict[str, str] = {}
    for one in usable:
        group = "own" if one.name == OWN else one.kind
        groups[group] = groups.get(group, "") + option(one.name, one.title, "look" if one.kind == "known" else "")
    for one in looked:
        needs, size = ("", None) if one.is_here else ("download", one.entry.bytes)
        groups["looked"] = groups.get("looked", "") + option(one.entry.name, f"{one.entry.title}@{one.revision[:7]}", needs, size)
    groups["other"] = option(OTHER, text.OTHER, "name")
    order = ("own", *_GROUPS, "other")
    listed = "".join(f'<optgroup label="{text.GROUPS[group]}">{groups[group]}</optgroup>' for group in order if group in groups)
    return (option(NONE, text.NO_SECOND) if key == "beside" else "") + listed


def _told(value: str, slot: Slot, content: str) -> str:
    return f'<div class="tt-facts" data-for="{html.escape(value)}"{"" if value == slot.chosen else " hidden"}>{content}</div>'


def _next(entry: Entry, slot: Slot, focus: str) -> str:
    """What comes after the facts: the way to look it up, or the questions that its files leave open."""
    if entry.kind == "known" and "@" not in entry.name:
        return _look_button()
    chosen = slot.chosen == entry.name
    parts = _questions(entry, slot, focus == "ask") if chosen and slot.asked else ""
    if not entry.view and not entry.measured and entry.name != OWN:
        options = "".join(
            f'<option value="{value}"{" selected" if chosen and value == slot.view else ""}>{words}</option>'
            for value, words in text.VIEWS.items()
        )
        parts += f'<label class="tt-question">{text.VIEW}<select data-view>{options}</select></label>'
    return parts


def _questions(entry: Entry, slot: Slot, focus: bool) -> str:
    rows = ""
    for number, label in enumerate(slot.asked):
        said = slot.meanings.get(label, "")
        options = "".join(
            f'<option value="{value}"{" selected" if value == said else ""}>{words}</option>' for value, words in text.MEANINGS.items()
        )
        first = _focus(focus and number == 0)
        rows += (
            f'<label class="tt-question"><span>{html.escape(label)}</span>'
            f'<select data-label="{html.escape(label)}" required{first}>{options}</select></label>'
        )
    hint = html.escape(text.ASK_HINT.format(name=entry.title))
    return f'<fieldset class="tt-ask"><legend>{text.ASK_TITLE}</legend><p class="tt-small">{hint}</p>{rows}</fieldset>'


def _after_looking(looked: Looked) -> str:
    lead = text.IS_HERE if looked.is_here else text.LOOKED
    gated = f'<p class="tt-warning">{text.GATED}</p>' if looked.gated else ""
    return f'<p class="tt-looked" role="status">{lead}</p>{gated}'


def _typed(key: str, slot: Slot) -> str:
    field_id = f"tt-repository-{key}"
    return (
        f'<label class="tt-question tt-repository" for="{field_id}">{text.REPOSITORY}</label>'
        f'<input id="{field_id}" type="text" value="{html.escape(slot.typed)}" placeholder="{text.EXAMPLE}" maxlength="300"'
        f' spellcheck="false" autocapitalize="off" autocomplete="off">{_look_button()}'
    )


def _look_button() -> str:
    return f'<div class="tt-look"><button type="button" data-do="look">{text.LOOK}</button><p class="tt-small">{text.ASKS_NOW}</p></div>'


def _labels(labels: Sequence[str]) -> str:
    shown = ", ".join(label[:60] for label in labels[:_MOST_LABELS])
    more = len(labels) - _MOST_LABELS
    return f"{shown} {text.MORE_LABELS.format(count=more)}" if more > 0 else shown


def _refused(entries: Sequence[Entry]) -> str:
    refused = [one for one in entries if one.refused]
    if not refused:
        return ""
    rows = "".join(f"<div><dt>{html.escape(one.title)}</dt><dd>{html.escape(one.refused)}</dd></div>" for one in refused)
    title = text.REFUSED_TITLE.format(count=len(refused))
    return f'<details class="tt-unusable"><summary>{title}</summary><dl class="tt-measures">{rows}</dl></details>'


def _focus(wanted: bool) -> str:
    return " data-focus" if wanted else ""
