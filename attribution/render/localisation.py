"""What a heatmap and a box are worth, as HTML and in words: the deletion test of this one heatmap; and how often those of its detector
point at what was really changed, from the table "Localisation" of its card: the pointing game (Zhang et al. 2018, Top-Down Neural Attention
by Excitation Backprop) on faces of which one part was swapped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Row, Rows, Unfit
from attribution.evidence import DetectorInfo, Heatmap
from attribution.text import areas as text
from attribution.text import numbers
from attribution.text import page as page_text

TABLE = "Localisation"
_NEEDED = ("cases", "by", "hits")
_CASES = "partial swaps"
_GENERATED = ("gan", "diffusion")


def heatmap_words(heatmap: Heatmap, detector: DetectorInfo, tables: Sequence[MeasuredTable] | None) -> str:
    """The deletion test of a heatmap in plain words and as two bars, how often such heatmaps are right, and the warning that it is no
    proof. `tables` are those of the detector's card, None where they are not at hand."""
    answer = page_text.faithfulness(heatmap.drop_hot, heatmap.drop_random)
    hot, random = numbers.change(heatmap.drop_hot), numbers.change(heatmap.drop_random)
    sentence = page_text.DELETION.format(method=detector.display(heatmap.label), hot=hot, random=random)
    bars = "".join(
        f'<li><span class="tt-bar-name">{name}</span><span class="tt-bar" aria-hidden="true">'
        f'<i style="width:{100 * max(0.0, drop):.1f}%"></i></span>'
        f'<span class="tt-bar-p">{round(100 * drop)}</span></li>'
        for name, drop in ((page_text.DELETION_HOT, heatmap.drop_hot), (page_text.DELETION_RANDOM, heatmap.drop_random))
    )
    hits = html.escape(heatmap_hits(tables, detector, heatmap.label))
    return (
        f'<div class="tt-faithful tt-faithful-{answer}"><h4>{page_text.FAITHFUL_TITLE}</h4>'
        f"<p><b>{page_text.FAITHFUL[answer]}</b> {html.escape(sentence)}</p>"
        f'<ul class="tt-bars" aria-label="{page_text.DELETION_UNIT}">{bars}</ul><p class="tt-small">{page_text.DELETION_UNIT}</p>'
        f'<h4>{text.HITS_TITLE}</h4><p class="tt-hits">{hits}</p>'
        f'<div class="tt-scale" aria-hidden="true"><span>{page_text.HEATMAP_COLD}</span><i></i><span>{page_text.HEATMAP_HOT}</span></div>'
        f'<p class="tt-warning">{page_text.HEATMAP_WARNING}</p></div>'
    )


def heatmap_hits(tables: Sequence[MeasuredTable] | None, detector: DetectorInfo, label: str) -> str:
    """What was measured of heatmaps of that label, `tables` being those of the detector's card; or that nothing was; or, for a label of
    the untouched, why there is nothing to measure; or where it stands, when the tables are not at hand. Plain text."""
    family = detector.families[detector.labels.index(label)] if label in detector.labels else None
    if family == "real":
        return text.NO_AREA
    if tables is None:
        return text.HITS_IN_CARD
    said = _hits(tables, "heatmap", text.HEATMAPS_HIT)
    if not said:
        return text.HEATMAPS_NOT_MEASURED
    return f"{said} {text.KNOWN_ARE_SWAPS}" if family in _GENERATED else said


def box_hits(tables: Sequence[MeasuredTable] | None) -> str:
    """What was measured of the boxes of a detector with these tables in its card, or that nothing was, or where it stands. Plain text."""
    if tables is None:
        return text.HITS_IN_CARD
    # What the page shows counts; a card that does not tell it apart has the surest box of all.
    return _hits(tables, "boxes shown", text.BOXES_HIT) or _hits(tables, "boxes", text.BOXES_HIT) or text.BOXES_NOT_MEASURED


def _hits(tables: Sequence[MeasuredTable], by: str, sentence: str) -> str:
    """The sentence with both figures, and whether the difference means anything; empty when either was not measured."""
    own, centre = _row(tables, by), _row(tables, "crop centre")
    hits, guessed = _share(own, "hits"), _share(centre, "hits")
    if hits is None or guessed is None:
        return ""
    said = sentence.format(hits=round(100 * hits), centre=round(100 * guessed))
    low = _share(own, "hits low")
    if round(100 * hits) <= round(100 * guessed):
        return f"{said} {text.NO_BETTER}"
    return f"{said} {text.MAYBE_CHANCE}" if low is not None and low <= guessed else said


def _row(tables: Sequence[MeasuredTable], by: str) -> Row | None:
    table = next((one for one in tables if one.title == TABLE), None)
    try:
        rows = list(Rows(table, _NEEDED)) if table is not None else []
    except Unfit:
        rows = []
    return next((row for row in rows if (row.text("cases"), row.text("by")) == (_CASES, by)), None)


def _share(row: Row | None, column: str) -> float | None:
    """A share of the cases; None when it is none."""
    value = row.number(column) if row is not None else None
    return value if value is not None and 0 <= value <= 1 else None
