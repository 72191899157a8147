"""The opinion of a second detector on one face, as HTML: its answer beside the first one's, its heatmap and patches in words, its limits.

Pure functions from evidence to strings. Every text that comes from a file, a card or a user is escaped here; no part holds a script.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from attribution.card import MeasuredTable
from attribution.evidence import DetectorInfo, Face, Heatmap, Media, Opinion, Patches, TrackEvidence, Verdict
from attribution.evidence.checks import Box
from attribution.ui import opinion_text as text
from attribution.ui import text as page_text
from attribution.views import mosaic, overlay
from attribution.views.charts import method_bars
from attribution.views.islands import islands, sentences
from attribution.views.measures import Rows, Unfit, percent
from attribution.views.palette import family_style
from attribution.views.panels import (
    confidence_line,
    heatmap_words,
    measured,
    method_line,
    method_words,
    neighbour_table,
    reason_list,
    state_badge,
)

_CROP_SIDE_PX = 224
_ISLANDS_TABLE = "Patch islands"
_STROKE = 'fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"'
_EQUAL = f'<path d="M5 9h14M5 15h14" {_STROKE}/>'
_ICONS = {
    "same method": _EQUAL,
    "same family": f'<path d="M4 10c3-3 5-3 8 0s5 3 8 0M4 16c3-3 5-3 8 0s5 3 8 0" {_STROKE}/>',
    "differs": f'{_EQUAL}<path d="M16 4 8 20" {_STROKE}/>',
    "undecided": f'<path d="M5 12h3M10.5 12h3M16 12h3" {_STROKE}/>',
}


def leading(track: TrackEvidence) -> int | None:
    """The index of the opinion to show in full: the first that was given, else the first. None when there is none."""
    given = [index for index, opinion in enumerate(track.opinions) if opinion.verdict is not None]
    return given[0] if given else 0 if track.opinions else None


def title(detector: DetectorInfo) -> str:
    """The heading of an opinion, and what this second detector is for."""
    hint = text.HINT if _knows_generated_alone(detector) else text.OTHER_HINT
    return f'<div class="tt-title"><h3>{_heading(detector)}</h3><p>{hint}</p></div>'


def beside(track: TrackEvidence) -> str:
    """The short form that stands beside the first detector's answer, with the way to the long one; empty unless an opinion was given."""
    notes = "".join(
        f'<p class="tt-agreement tt-{_kind(opinion)}">{_icon(opinion)}<span><b>{text.BESIDE}: {text.AGREEMENT[opinion.agreement]}.</b> '
        f'<a href="#tt-opinion">{html.escape(text.JUMP.format(name=text.name_of(opinion.detector.name)))}</a></span></p>'
        for opinion in track.opinions
        if opinion.agreement is not None
    )
    return f'<div class="tt-beside">{notes}</div>' if notes else ""


def answer(track: TrackEvidence, opinion: Opinion, first: DetectorInfo) -> str:
    """What the second detector says, whether that agrees with the first one's answer on `track`, and its bars; or why it was not asked."""
    name = html.escape(text.name_of(opinion.detector.name))
    if opinion.verdict is None:
        return f'<p class="tt-refused">{html.escape(opinion.refused).replace(html.escape(opinion.detector.name), name)}</p>'
    return (
        f'<div class="tt-second">{agreement(track, opinion, first)}'
        f'<div class="tt-second-answer"><h4>{text.ANSWER_OF.format(name=name)}</h4>{state_badge(opinion.verdict)}'
        f"{method_line(opinion.verdict, opinion.detector)}{confidence_line(opinion.verdict)}{_architecture(opinion)}"
        f"{reason_list(opinion.verdict)}</div>"
        f'<div class="tt-second-bars"><h4>{page_text.METHODS_TITLE}</h4>{method_bars(opinion.p_methods, opinion.detector)}</div></div>'
    )


def agreement(track: TrackEvidence, opinion: Opinion, first: DetectorInfo) -> str:
    """Whether the two detectors agree, and what that means."""
    assert opinion.verdict is not None
    assert opinion.agreement is not None
    return (
        f'<div class="tt-agreement tt-{_kind(opinion)}" role="note">{_icon(opinion)}<p><b>{text.AGREEMENT[opinion.agreement]}.</b> '
        f"{html.escape(_meaning(track.verdict, first, opinion.verdict, opinion.detector, opinion.agreement))}</p></div>"
    )


def heat_words(heatmap: Heatmap, detector: DetectorInfo) -> str:
    """How far the evidence is spread over the picture, and the usual test of faithfulness."""
    share = heatmap.evidence_share
    sentence = text.EVIDENCE_SHARE.format(share=f"{100 * share:.0f} %", spread=text.SPREAD[text.spread(share)])
    return f'<p class="tt-spread">{sentence}</p>{heatmap_words(heatmap, detector)}'


def patch_view(
    patches: Patches,
    detector: DetectorInfo,
    face: Box,
    media: Media,
    picture: np.ndarray | None,
    tables: Sequence[MeasuredTable] = (),
) -> str:
    """The mosaic of a picture, what it shows and what it cannot show. `face` is the examined face's box, `picture` the whole picture at
    any size; `tables` are those of the detector's card."""
    said = sentences(islands(patches, detector, face, media.width, media.height))
    first, *others = said
    box = patches.boxes[0]
    notes = [text.PATCH_CANNOT, *_measured_islands(tables), text.PATCH_SIZE.format(side=round(box[2] - box[0]))]
    drawn = mosaic.mosaic(patches, detector, face, media.width, media.height, picture, " ".join(said))
    more = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in others)
    return (
        f'<div class="tt-patches">{drawn}<div class="tt-patch-words"><p class="tt-spread">{html.escape(first)}</p>{more}'
        f'<p class="tt-warning">{html.escape(notes[0])}</p>'
        f'{"".join(f"""<p class="tt-small">{html.escape(note)}</p>""" for note in notes[1:])}</div></div>'
    )


def limits(detector: DetectorInfo, tables: Sequence[MeasuredTable]) -> str:
    """The sentences and the first tables of the second detector's card."""
    return f'<div class="tt-measured">{measured(tables, detector)}</div>'


def section(
    track: TrackEvidence,
    opinion: Opinion,
    first: DetectorInfo,
    face: Face | None,
    media: Media,
    heatmap: Heatmap | None,
    picture: np.ndarray | None,
) -> str:
    """The whole opinion for the report, without anything to click. `face` is the face of the heatmap."""
    detector = opinion.detector
    name = html.escape(text.name_of(detector.name))
    parts = [f"<h4>{_heading(detector)}</h4>{answer(track, opinion, first)}"]
    if heatmap is not None and face is not None and opinion.verdict is not None:
        heat = overlay.data_uri(overlay.fitted(overlay.heat_over(face.crop, heatmap.values), _CROP_SIDE_PX))
        heading = f"{text.HEAT_TITLE.format(name=name)}: {html.escape(detector.display(heatmap.label))}"
        parts.append(
            f'<h4>{heading}</h4><div class="heat"><img src="{heat}" alt="{heading}" width="224" height="224">'
            f"<div>{heat_words(heatmap, detector)}</div></div>"
        )
    if opinion.placement is not None and opinion.placement.neighbours:
        parts.append(f"<h4>{page_text.NEIGHBOURS_TITLE} ({name})</h4>{neighbour_table(opinion.placement, detector)}")
    if opinion.patches is not None:
        view = patch_view(opinion.patches, detector, track.box, media, picture)
        parts.append(f"<h4>{text.PATCH_TITLE}</h4>{view}")
    if opinion.verdict is not None:
        said = "".join(f"<li>{html.escape(limit)}</li>" for limit in detector.limits) or f"<li>{page_text.NO_LIMITS}</li>"
        parts.append(f"<h4>{text.LIMITS_SUMMARY.format(name=name)}</h4><ul>{said}</ul>")
    return f'<div class="tt-opinion">{"".join(parts)}</div>'


def _knows_generated_alone(detector: DetectorInfo) -> bool:
    return set(detector.families) <= {"real", "gan", "diffusion"}


def _heading(detector: DetectorInfo) -> str:
    words = text.TITLE if _knows_generated_alone(detector) else text.OTHER_TITLE
    return words.format(name=html.escape(text.name_of(detector.name)))


def _kind(opinion: Opinion) -> str:
    return str(opinion.agreement).replace(" ", "-")


def _icon(opinion: Opinion) -> str:
    shape = _ICONS[opinion.agreement] if opinion.agreement is not None else ""
    return f'<svg class="tt-icon" width="26" height="26" viewBox="0 0 24 24" aria-hidden="true">{shape}</svg>'


def _architecture(opinion: Opinion) -> str:
    if opinion.architecture is None:
        return ""
    words = html.escape(opinion.architecture[:1].upper() + opinion.architecture[1:])
    return f'<dl class="tt-architecture"><div><dt>{text.ARCHITECTURE}</dt><dd>{words}</dd></div></dl>'


def _meaning(one: Verdict, first: DetectorInfo, two: Verdict, second: DetectorInfo, agreed: str) -> str:
    """What the agreement means, in plain words (not escaped)."""
    name, first_name = text.name_of(second.name), text.name_of(first.name)
    said, also = (method_words(one, first) or page_text.STATES[one.state], method_words(two, second) or page_text.STATES[two.state])
    if agreed == "undecided":
        words = text.NEITHER_DECIDED if one.state == two.state else text.UNDECIDED if two.state == "inconclusive" else text.FIRST_UNDECIDED
        return words.format(name=name, second=also)
    if agreed == "differs":
        meaning = text.DIFFERS_IN_METHOD if one.state == two.state == "manipulated" else text.DIFFERS_IN_STATE
        return f"{text.DIFFERS.format(first_name=first_name, first=said, name=name, second=also)} {meaning}"
    if one.state != "manipulated":
        return text.SAME_STATE
    if agreed == "same method":
        return text.SAME_METHOD.format(method=also)
    family = family_style(two.family).name
    if one.method in first.labels and two.method in second.labels:
        return text.SAME_FAMILY.format(family=family, first=said, name=name, second=also)
    return text.ONE_NAMES.format(family=family)


def _measured_islands(tables: Sequence[MeasuredTable]) -> list[str]:
    """What the card measured of this view; nothing where it did not."""
    inside, outside = "patches inside called generated", "patches outside called generated"
    table = next((one for one in tables if one.title == _ISLANDS_TABLE), None)
    try:
        rows = list(Rows(table, ("split", inside, outside))) if table is not None else []
    except Unfit:
        rows = []
    # Collections that training never saw say more about a reader's file than those that it did.
    split = "cross" if any(row.text("split") == "cross" for row in rows) else "test"
    shares = []
    for column in (inside, outside):
        values = [value for row in rows if row.text("split") == split and (value := row.number(column)) is not None]
        if not values:
            return []
        low, high = percent(min(values)), percent(max(values))
        shares.append(low if low == high else f"{low.removesuffix(' %')}–{high}")
    return [text.PATCH_MEASURED.format(split=text.PATCH_SPLITS[split], inside=shares[0], outside=shares[1])]
