"""The opinion of a second detector on one face, as HTML: its answer beside the first one's, its heatmap and patches in words, its limits.

Pure functions from evidence to strings. Every text that comes from a file, a card or a user is escaped here; no part holds a script.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Rows, Unfit, percent
from attribution.evidence import DetectorInfo, Face, Heatmap, Media, Opinion, Patches, TrackEvidence
from attribution.evidence.checks import Box
from attribution.render import artifacts, mosaic, overlay
from attribution.render.agreement import agreement, looks_for
from attribution.render.charts import method_bars
from attribution.render.islands import islands, sentences
from attribution.render.localisation import heatmap_words
from attribution.render.panels import (
    confidence_line,
    measure_list,
    measured,
    method_line,
    neighbour_table,
    reason_list,
    state_badge,
)
from attribution.text import areas as area_text
from attribution.text import opinions as text
from attribution.text import page as page_text

_CROP_SIDE_PX = 224
_ISLANDS_TABLE = "Patch islands"


def leading(track: TrackEvidence, wanted: int | None = None) -> int | None:
    """The index of the opinion to show in full: the `wanted` one where it was given, else the first that differs, else the first that was
    given, else the first. None when there is none."""
    given = [index for index, opinion in enumerate(track.opinions) if opinion.verdict is not None]
    if wanted in given:
        return wanted
    differing = [index for index in given if track.opinions[index].agreement == "differs"]
    return (differing or given)[0] if given else 0 if track.opinions else None


def heading(track: TrackEvidence, index: int, first: DetectorInfo) -> str:
    """The head of the part that opinion `index` has in full, and what its detector is for; where nobody was asked and there are several to
    ask, the head of all."""
    if track.opinions[index].verdict is not None or len(track.opinions) == 1:
        return title(track.opinions[index].detector, first, track.opinions[index].view != track.view)
    return f'<div class="tt-title"><h3>{text.SEVERAL_TITLE}</h3><p>{text.NONE_ASKED}</p></div>'


def title(detector: DetectorInfo, first: DetectorInfo, otherwise: bool = False) -> str:
    """The heading of an opinion beside that of the `first` detector, and what this second one is for; `otherwise` where it sees whole
    pictures and the first one faces."""
    hint = {"generated": text.HINT, "face_swap": text.SWAP_HINT}.get(looks_for(detector), text.OTHER_HINT[looks_for(first)])
    hint = text.PICTURE_HINT if otherwise else hint
    return f'<div class="tt-title"><h3>{_heading(detector)}</h3><p>{hint}</p></div>'


def choices(track: TrackEvidence, shown: int) -> str:
    """Where several opinions were given: a row of them to choose from, as a radio group. Empty elsewhere."""
    given = [(index, one) for index, one in enumerate(track.opinions) if one.verdict is not None]
    if len(given) < 2:
        return ""
    buttons = "".join(_choice(index, one, index == shown) for index, one in given)
    return f'<div class="tt-choices" role="radiogroup" aria-label="{text.CHOOSE}">{buttons}</div>'


def others(track: TrackEvidence, shown: int) -> str:
    """The detectors that were not asked, a line each, below the opinion that is shown in full. Empty where there is none."""
    if track.opinions[shown].verdict is not None:
        return unasked(track.opinions)
    # The page has just said that none was asked.
    return "".join(refusal(one) for index, one in enumerate(track.opinions) if index != shown)


def unasked(opinions: Sequence[Opinion]) -> str:
    """The detectors that were not asked, under a heading, a line each. Empty where there is none."""
    lines = "".join(refusal(one) for one in opinions if one.verdict is None)
    return f'<div class="tt-others"><h4>{text.NOT_ASKED}</h4>{lines}</div>' if lines else ""


def refusal(opinion: Opinion) -> str:
    """Why a detector was not asked, in a line."""
    name = html.escape(text.name_of(opinion.detector.name))
    return f'<p class="tt-refused">{html.escape(opinion.refused).replace(html.escape(opinion.detector.name), name)}</p>'


def answer(track: TrackEvidence, opinion: Opinion, first: DetectorInfo) -> str:
    """What the second detector says, whether that agrees with the first one's answer on `track`, and its bars; or why it was not asked."""
    if opinion.verdict is None:
        return refusal(opinion)
    name = html.escape(text.name_of(opinion.detector.name))
    return (
        f'<div class="tt-second">{agreement(track, opinion, first)}'
        f'<div class="tt-second-answer"><h4>{text.ANSWER_OF.format(name=name)}</h4>{state_badge(opinion.verdict)}'
        f"{method_line(opinion.verdict, opinion.detector)}{confidence_line(opinion.verdict, opinion.detector)}{_architecture(opinion)}"
        f"{reason_list(opinion.verdict)}</div>"
        f'<div class="tt-second-bars"><h4>{page_text.METHODS_TITLE}</h4>{method_bars(opinion.p_methods, opinion.detector)}</div></div>'
    )


def areas(
    track: TrackEvidence, opinion: Opinion, number: int, tables: Sequence[MeasuredTable] | None, crop_uri: str | None, switch: bool
) -> str:
    """The areas that the detector of this opinion marked on face `number`; empty where it marked none. As for `artifacts.panel`."""
    if opinion.verdict is None or not artifacts.marked_by(track, opinion.detector.name):
        return ""
    name = text.name_of(opinion.detector.name)
    return artifacts.panel(track, number, name, opinion.verdict.state, tables, crop_uri, switch)


def heat_words(heatmap: Heatmap, detector: DetectorInfo, tables: Sequence[MeasuredTable] | None) -> str:
    """The usual tests of a heatmap, `tables` being those of the detector's card, None where they are not at hand; of a detector of
    generators, how far the evidence is spread over the picture, too."""
    words = heatmap_words(heatmap, detector, tables)
    if looks_for(detector) != "generated":
        return words
    share = heatmap.evidence_share
    sentence = text.EVIDENCE_SHARE.format(share=f"{100 * share:.0f} %", spread=text.SPREAD[text.spread(share)])
    return f'<p class="tt-spread">{sentence}</p>{words}'


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
    number: int,
    opinion: Opinion,
    first: DetectorInfo,
    face: Face | None,
    media: Media,
    heatmap: Heatmap | None,
    picture: np.ndarray | None,
    tables: Sequence[MeasuredTable] | None = None,
) -> str:
    """The whole opinion on face `number` for the report, without anything to click. `face` is the face of the heatmap unless the opinion
    has one of its own, `tables` are those of the detector's card, None where they are not at hand."""
    detector = opinion.detector
    name = html.escape(text.name_of(detector.name))
    parts = [f"<h4>{_heading(detector)}</h4>{answer(track, opinion, first)}{_source(detector)}"]
    marked = artifacts.marked_face(track)
    crop = overlay.data_uri(overlay.fitted(marked.crop, _CROP_SIDE_PX)) if marked is not None else None
    marks = areas(track, opinion, number, tables, crop, switch=False)
    parts += [f"<h4>{area_text.HEADING}</h4>{marks}"] if marks else []
    seen = opinion.face or face
    if heatmap is not None and seen is not None and opinion.verdict is not None:
        heat = overlay.data_uri(overlay.fitted(overlay.heat_over(seen.crop, heatmap.values), _CROP_SIDE_PX))
        heading = f"{text.HEAT_TITLE.format(name=name)}: {html.escape(detector.display(heatmap.label))}"
        parts.append(
            f'<h4>{heading}</h4><div class="heat"><img src="{heat}" alt="{heading}" width="224" height="224">'
            f"<div>{heat_words(heatmap, detector, tables)}</div></div>"
        )
    if opinion.placement is not None and opinion.placement.neighbours:
        parts.append(f"<h4>{page_text.NEIGHBOURS_TITLE} ({name})</h4>{neighbour_table(opinion.placement, detector)}")
    if opinion.patches is not None:
        view = patch_view(opinion.patches, detector, track.box, media, picture, tables or ())
        parts.append(f"<h4>{text.PATCH_TITLE}</h4>{view}")
    if opinion.verdict is not None:
        said = "".join(f"<li>{html.escape(limit)}</li>" for limit in detector.limits) or f"<li>{page_text.NO_LIMITS}</li>"
        parts.append(f"<h4>{text.LIMITS_SUMMARY.format(name=name)}</h4><ul>{said}</ul>")
    return f'<div class="tt-opinion">{"".join(parts)}</div>'


def _source(detector: DetectorInfo) -> str:
    """Where a detector of others came from, and which weights answered."""
    if not detector.source and detector.measured:
        return ""
    names = page_text.MEASURE_NAMES
    values = {names["source"]: detector.source.removeprefix("hf:"), names["weights"]: detector.weights_sha256}
    return measure_list({**values, names["licence"]: detector.licence})


def _heading(detector: DetectorInfo) -> str:
    words = {"generated": text.TITLE, "face_swap": text.SWAP_TITLE}.get(looks_for(detector), text.OTHER_TITLE)
    return words.format(name=html.escape(text.name_of(detector.name)))


def _choice(index: int, opinion: Opinion, checked: bool) -> str:
    verdict = state_badge(opinion.verdict) if opinion.verdict is not None else ""
    tabindex = 0 if checked else -1
    return (
        f'<button type="button" role="radio" aria-checked="{str(checked).lower()}" tabindex="{tabindex}" data-opinion="{index}">'
        f"<span><b>{html.escape(text.name_of(opinion.detector.name))}</b>{verdict}</span></button>"
    )


def _architecture(opinion: Opinion) -> str:
    if opinion.architecture is None:
        return ""
    words = html.escape(opinion.architecture[:1].upper() + opinion.architecture[1:])
    return f'<dl class="tt-architecture"><div><dt>{text.ARCHITECTURE}</dt><dd>{words}</dd></div></dl>'


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
