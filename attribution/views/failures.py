"""The page *Why detectors fail*: the generalisability study as answers to questions, each with two sentences, a figure and its numbers.

A pure function from the study to one HTML string. Every table is data that somebody else wrote: one that is missing or does not fit is
named at the end, and never takes another part with it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from attribution.study import Study
from attribution.ui import failures_text as text
from attribution.views import ablation, attention, glance, limits, neurons, readout, transfer
from attribution.views.choosers import folded
from attribution.views.limits import joined
from attribution.views.measures import Unfit
from attribution.views.sections import Section
from attribution.views.zeroshot import Names, capital, names_of

_ABOUT = ("detectors", "sources", "timing")
# Long digits of pictures that are drawn anyway.
_NOT_LISTED = ("values",)


def failures_page(study: Study, crops: Mapping[str, np.ndarray] | None = None) -> str:
    """The whole page below its header, with its style sheet. `crops`: faces of the examples by file name, H×W×3 uint8. Nothing in the study
    can make it fail or run a script."""
    names = names_of(study)
    missing: list[tuple[str, str]] = []
    made: dict[str, list[Section]] = {}
    for group, parts in _plan(study, names, crops or {}).items():
        for key, make in parts.items():
            try:
                made.setdefault(group, []).append(make())
            except Unfit as unfit:
                missing.append((text.TITLES[key], str(unfit)))
    shown = {group: sections for group, sections in made.items() if sections}
    body = "".join(
        f'<h2 class="tt-group-title">{text.GROUPS[group]}</h2>{"".join(_section(one, names) for one in sections)}'
        for group, sections in shown.items()
    )
    has_missing = bool(missing or study.left_out)
    return (
        f'<style>{limits.style()}{_style()}</style><div class="tt-limits-page tt-why">{_short(study, names)}{_contents(shown, has_missing)}'
        f'<div class="tt-limits-body">{body}{_missing(missing, study)}</div></div>'
    )


@cache
def _style() -> str:
    return Path(__file__).with_name("failures.css").read_text(encoding="utf-8")


def _plan(study: Study, names: Names, crops: Mapping[str, np.ndarray]) -> dict[str, dict[str, Callable[[], Section]]]:
    """Every part, in the order of the page."""
    return {
        "transfer": {
            "collapse": lambda: transfer.collapse(study, names),
            "glance": lambda: glance.glance(study, names),
            "cost": lambda: glance.cost(study, names),
        },
        "attention": {"attention": lambda: attention.attention(study, names, crops)},
        "units": {
            "neurons": lambda: neurons.neurons(study, names),
            "ablation": lambda: ablation.ablation(study, names),
            "readout": lambda: readout.readout(study, names),
        },
    }


def _contents(shown: Mapping[str, list[Section]], has_missing: bool) -> str:
    groups = "".join(
        f"<li><span>{text.GROUPS[group]}</span><ul>{''.join(_link(one.key, text.TITLES[one.key]) for one in sections)}</ul></li>"
        for group, sections in shown.items()
    )
    end = _link("missing", text.MISSING_TITLE) if has_missing else ""
    return (
        f'<nav class="tt-contents" aria-label="{text.CONTENTS}"><h2>{text.CONTENTS}</h2>'
        f"<ul>{_link('short', text.SHORT_TITLE)}{groups}{end}</ul></nav>"
    )


def _link(key: str, words: str) -> str:
    return f'<li><a href="#tt-m-{key}">{html.escape(words)}</a></li>'


def _short(study: Study, names: Names) -> str:
    """What was done, what it is to be read with, and the conclusion."""
    caveat = f'<p class="tt-stated tt-caveat-of">{joined(study.caveat)}</p>' if study.caveat else ""
    about = [study.tables[key] for key in _ABOUT if key in study.tables]
    try:
        short = transfer.short(study, names)
        says, figure, tables = f'<p class="tt-lead">{joined(short.says)}</p>', short.figure, [*short.tables, *about]
    except Unfit as unfit:
        says, figure, tables = f'<p class="tt-says">{joined(str(unfit))}</p>', "", about
    how = f'<p class="tt-how"><b>{text.HOW}</b> {joined(text.READING["short"])}</p><div class="tt-figures">{figure}</div>' if figure else ""
    return (
        f'<section class="tt-m" id="tt-m-short"><h2>{text.SHORT_TITLE}</h2>{says}<p class="tt-done">{joined(_done(study))}</p>{caveat}{how}'
        f"{''.join(folded(table, names.say) for table in tables)}</section>"
    )


def _done(study: Study) -> str:
    """What was done, in three sentences; nothing when there is no matrix."""
    try:
        cells = transfer.cells(study)
    except Unfit:
        return ""
    own = [one for one in cells if one.variant == transfer.BASE]
    detectors, sources, tested = ({getattr(one, what) for one in own} for what in ("detector", "trained_on", "tested_on"))
    counts = {"detectors": text.counted(len(detectors)), "sources": text.counted(len(sources)), "tested": text.counted(len(tested))}
    added = text.DONE_ADDED if any(one.variant in transfer.VARIANTS[1:] for one in cells) else text.NOT_ADDED
    return f"{capital(text.DONE_TRAINED.format(**counts))} {text.DONE_ASKED.format(**counts)} {added}"


def _section(section: Section, names: Names) -> str:
    tables = "".join(folded(table, names.say, [name for name in _NOT_LISTED if name in table.columns]) for table in section.tables)
    return (
        f'<section class="tt-m" id="tt-m-{section.key}"><h3>{html.escape(text.TITLES[section.key])}</h3>'
        f'<p class="tt-says">{joined(section.says)}</p>'
        f'<p class="tt-how"><b>{text.HOW}</b> {joined(text.READING[section.key])}</p>'
        f'<div class="tt-figures">{section.figure}</div>{tables}</section>'
    )


def _missing(missing: list[tuple[str, str]], study: Study) -> str:
    """What a reader could expect here and does not find, and why."""
    if not missing and not study.left_out:
        return ""
    by_reason: dict[str, list[str]] = {}
    for title, reason in missing:
        by_reason.setdefault(reason, []).append(f"“{title}”")
    items = "".join(f"<li>{html.escape(reason)} <span>{html.escape(', '.join(titles))}</span></li>" for reason, titles in by_reason.items())
    broken = "".join(f"<li>{html.escape(text.BROKEN_TABLE.format(key=key))}</li>" for key in study.left_out)
    return f'<section class="tt-m tt-missing" id="tt-m-missing"><h3>{text.MISSING_TITLE}</h3><ul>{items}{broken}</ul></section>'
