"""The page *Why detectors fail*: the generalisability study as answers to questions, each with two sentences, a figure and its numbers.

A pure function from the study to one HTML string. Every table is data that somebody else wrote: one that is missing or does not fit is
named at the end, and never takes another part with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from attribution.detectors.tables import Unfit
from attribution.measured import ablation, attention, glance, limits, neurons, readout, transfer
from attribution.measured.choosers import folded
from attribution.measured.sections import Section, contents, drawn, joined, made, not_here
from attribution.measured.study import Study
from attribution.measured.zeroshot import Names, capital, names_of
from attribution.text import failures as text
from attribution.text import limits as limits_text

_ABOUT = ("detectors", "sources", "timing")
# Long digits of pictures that are drawn anyway.
_NOT_LISTED = ("values",)


def failures_page(study: Study, crops: Mapping[str, np.ndarray] | None = None) -> str:
    """The whole page below its header, with its style sheet. `crops`: faces of the examples by file name, H×W×3 uint8. Nothing in the study
    can make it fail or run a script."""
    names = names_of(study)
    shown, missing = made(_plan(study, names, crops or {}), text.TITLES)
    body = "".join(
        f'<h2 class="tt-group-title">{text.GROUPS[group]}</h2>{"".join(_section(one, names) for one in sections)}'
        for group, sections in shown.items()
    )
    groups = {text.GROUPS[group]: [(one.key, text.TITLES[one.key]) for one in sections] for group, sections in shown.items()}
    last = [("missing", limits_text.MISSING_TITLE)] if missing or study.left_out else []
    way = contents(("short", text.SHORT_TITLE), groups, last)
    return (
        f'<style>{limits.style()}{_style()}</style><div class="tt-limits-page tt-why">{_short(study, names)}{way}'
        f'<div class="tt-limits-body">{body}{not_here(missing, study)}</div></div>'
    )


@cache
def _style() -> str:
    return (Path(__file__).parent / "static" / "failures.css").read_text(encoding="utf-8")


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


def _short(study: Study, names: Names) -> str:
    """What was done, what it is to be read with, and the conclusion."""
    caveat = f'<p class="tt-stated tt-caveat-of">{joined(study.caveat)}</p>' if study.caveat else ""
    about = [study.tables[key] for key in _ABOUT if key in study.tables]
    try:
        short = transfer.short(study, names)
        says, figure, tables = f'<p class="tt-lead">{joined(short.says)}</p>', short.figure, [*short.tables, *about]
    except Unfit as unfit:
        says, figure, tables = f'<p class="tt-says">{joined(str(unfit))}</p>', "", about
    how = (
        f'<p class="tt-how"><b>{limits_text.HOW}</b> {joined(text.READING["short"])}</p><div class="tt-figures">{figure}</div>'
        if figure
        else ""
    )
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
    return drawn(section, text.TITLES[section.key], text.READING[section.key], tables)
