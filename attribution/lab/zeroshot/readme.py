"""The README's lines on the generalisability study, written from its results, so that they cannot differ."""

from __future__ import annotations

import textwrap

from attribution.card import MeasuredTable
from attribution.study import Study
from attribution.views.measures import Row

_WIDTH = 140
_FIGURES = ("AUC trained on", "AUC never seen")


def lines(study: Study) -> list[str]:
    """Seen against never seen, for each detector as it was first trained, and the caveat; empty where the results are not there."""
    table, described = study.tables.get("summary"), study.tables.get("detectors")
    if table is None or described is None:
        return []
    display = {row.text("detector"): row.text("display") for row in _rows(described)}
    steps = {row.text("detector"): row.count("steps") for row in _rows(described)}
    found = {(row.text("detector"), row.text("variant"), row.text("figure")): row.between("value", "low", "high") for row in _rows(table)}
    written = [
        "",
        "**Why detectors fail** is a page of its own in the app, for classes and editors: detectors trained on *one* source, asked about",
        "sources that they never saw (`python -m attribution lab zeroshot`). Mean AUC over trainings and sources, with 95 % intervals:",
        "",
        "| detector | batches | the source it was trained on | sources it never saw | … with a second source, all layers |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(detector for detector, variant, _ in found if variant == "base"):
        cells = [found.get((name, "base", figure)) for figure in _FIGURES] + [found.get((name, "all", _FIGURES[1]))]
        shown = " | ".join("" if one is None else f"{one.value} ({one.low}–{one.high})" for one in cells)
        written.append(f"| {display.get(name, name)} | {steps.get(name) or ''} | {shown} |")
    return [*written, "", *textwrap.wrap(study.caveat, _WIDTH)]


def _rows(table: MeasuredTable) -> list[Row]:
    return [Row(table.columns, cells) for cells in table.rows]
