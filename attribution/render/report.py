"""The downloadable report: one self-contained HTML document. No script, no link that it needs, no file beside it; it prints well."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.evidence import DetectorInfo, Evidence, Face, Heatmap, TrackEvidence, Unusable
from attribution.render import agreement, artifacts, opinion, overlay, stage
from attribution.render.charts import method_bars, timeline
from attribution.render.localisation import heatmap_words
from attribution.render.palette import AREA_GROUND, AREA_LINE, LIGHT
from attribution.render.panels import face_card, limits_title, measured, neighbour_table, no_references, verdict_banner
from attribution.render.provenance import custody
from attribution.text import areas as area_text
from attribution.text import numbers
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.version import __version__

_PICTURE_SIDE_PX = 720
_CROP_SIDE_PX = 224


@dataclass(frozen=True)
class _Drawn:
    """What was drawn for one file: heatmaps by track, and by track and opinion, its whole picture, and the cards' tables by weights."""

    heatmaps: Mapping[int, Heatmap]
    opinion_heatmaps: Mapping[tuple[int, int], Heatmap]
    picture: np.ndarray | None
    tables: Mapping[str, Sequence[MeasuredTable]]

    def tables_of(self, detector: DetectorInfo) -> Sequence[MeasuredTable] | None:
        return self.tables.get(detector.weights_sha256)


def report_html(
    outcomes: Sequence[Evidence | Unusable],
    heatmaps: Mapping[tuple[int, int], Heatmap] | None = None,
    pictures: Mapping[int, np.ndarray] | None = None,
    opinion_heatmaps: Mapping[tuple[int, int, int], Heatmap] | None = None,
    tables: Mapping[str, Sequence[MeasuredTable]] | None = None,
) -> str:
    """The report on every outcome, in order.

    A track that carries pixels is shown by the face that stands for it (its `shown`); `heatmaps` maps (outcome, track), counted
    from 0, to a heatmap of that face;
    `pictures` maps an outcome to its whole picture (H×W×3 uint8, any size of the same aspect as the media), drawn with numbered boxes;
    `opinion_heatmaps` maps (outcome, track, opinion), counted from 0, to a heatmap of the same face by the detector of that opinion;
    `tables` maps the SHA-256 of a detector's weights to the measured tables of its card, for what stands beside its heatmaps and areas.
    """
    sections = []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Unusable):
            sections.append(_unusable(outcome))
        else:
            heat = {track: heatmap for (file, track), heatmap in (heatmaps or {}).items() if file == index}
            second = {(track, one): heatmap for (file, track, one), heatmap in (opinion_heatmaps or {}).items() if file == index}
            drawn = _Drawn(heat, second, (pictures or {}).get(index), tables or {})
            sections.append(_file(outcome, f"-{index + 1}", drawn))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{text.REPORT_TITLE}</title><style>{_css()}</style></head><body><main>'
        f"<header><p class=brand>{text.NAME} {__version__}</p><h1>{text.REPORT_TITLE}</h1><p>{text.NOT_PROOF}</p></header>"
        f"{''.join(sections)}<footer><p>{text.REPORT_NO_SIGNATURE}</p></footer></main></body></html>\n"
    )


def _unusable(outcome: Unusable) -> str:
    return (
        f'<article><h2 class="file">{html.escape(outcome.name)}</h2><section class="tt-verdict tt-inconclusive"><div class="tt-answer">'
        f"<h2>{text.REPORT_UNUSABLE}</h2><p>{html.escape(outcome.error)}</p></div></section></article>"
    )


def _file(evidence: Evidence, anchor: str, drawn: _Drawn) -> str:
    faces = "".join(_face(evidence, index, track, drawn) for index, track in enumerate(evidence.tracks))
    note, said = agreement.verdict_note(evidence)
    return (
        f'<article><h2 class="file">{html.escape(evidence.media.name)}</h2>{verdict_banner(evidence, anchor, note, said)}'
        f"{_picture(evidence, drawn.picture)}{faces}"
        f'<section id="tt-limits{anchor}"><h3>{limits_title(evidence.detector)}</h3>{measured((), evidence.detector)}</section>'
        f"<section><h3>{text.CUSTODY_TITLE}</h3>{custody(evidence)}</section></article>"
    )


def _picture(evidence: Evidence, picture: np.ndarray | None) -> str:
    if picture is None:
        return ""
    media, small = evidence.media, overlay.fitted(picture, _PICTURE_SIDE_PX)
    share_x, share_y = small.shape[1] / media.width, small.shape[0] / media.height
    faces = [track.box for track in evidence.tracks if track.view == "face"]
    boxes = [(box[0] * share_x, box[1] * share_y, box[2] * share_x, box[3] * share_y) for box in faces]
    numbered = overlay.data_uri(overlay.boxes_on(small, boxes, range(1, len(boxes) + 1)))
    areas = "".join(artifacts.layer(track, index, media.width, media.height, True) for index, track in enumerate(evidence.tracks))
    return (
        f'<section><h3>{stage.title(evidence)}</h3><div class="framed"><img class="whole" src="{numbered}" alt="{html.escape(media.name)}">'
        f"{areas}</div></section>"
    )


def _face(evidence: Evidence, index: int, track: TrackEvidence, drawn: _Drawn) -> str:
    detector = evidence.detector
    shown = track.shown
    face = track.track.faces[shown] if track.track is not None and shown is not None else None
    heatmap = drawn.heatmaps.get(index)
    parts = [
        face_card(track, index + 1, detector, _small(face), face),
        f"<h4>{text.METHODS_TITLE}</h4>{method_bars(track.p_methods, detector)}",
    ]
    if artifacts.marked_by(track, detector.name):
        crop, tables = _small(artifacts.marked_face(track)), drawn.tables_of(detector)
        name, state = opinion_text.name_of(detector.name), agreement.first_state(track)
        seen = artifacts.panel(track, index + 1, name, state, tables, crop, switch=False)
        parts.append(f"<h4>{area_text.FIRST_HEADING}</h4>{seen}")
    if heatmap is not None and face is not None:
        heat = overlay.data_uri(overlay.fitted(overlay.heat_over(face.crop, heatmap.values), _CROP_SIDE_PX))
        parts.append(
            f'<h4>{text.HEATMAP_TITLE}: {html.escape(detector.display(heatmap.label))}</h4><div class="heat">'
            f'<img src="{heat}" alt="{text.HEATMAP_TITLE}" width="224" height="224">'
            f"{heatmap_words(heatmap, detector, drawn.tables_of(detector))}</div>"
        )
    duration = evidence.media.duration_seconds
    if duration and len(track.timeline) > 1:
        parts.append(f'<h4>{text.TIMELINE_TITLE}</h4><div class="tt-track">{timeline([track], duration)}</div>')
        parts.append(f'<p class="tt-small">{text.TIMELINE_AXIS}: 0 s – {numbers.seconds(duration)}</p>')
    if track.placement is not None and track.placement.neighbours:
        parts.append(f"<h4>{text.NEIGHBOURS_TITLE}</h4>{neighbour_table(track.placement, detector)}")
    elif track.placement is None and not detector.measured:
        parts.append(f"<h4>{text.NEIGHBOURS_TITLE}</h4>{no_references()}")
    for number, one in enumerate(track.opinions):
        if one.verdict is None and one.patches is None:
            continue
        heatmap, tables = drawn.opinion_heatmaps.get((index, number)), drawn.tables_of(one.detector)
        parts.append(opinion.section(track, index + 1, one, detector, face, evidence.media, heatmap, drawn.picture, tables))
    parts.append(opinion.unasked([one for one in track.opinions if one.patches is None]))
    return f"<section>{''.join(parts)}</section>"


def _small(face: Face | None) -> str | None:
    """The crop of a face as a data URI."""
    return overlay.data_uri(overlay.fitted(face.crop, _CROP_SIDE_PX)) if face is not None else None


def _css() -> str:
    tones = "".join(f"--{name.replace('_', '-')}:{value};" for name, value in vars(LIGHT).items())
    area = f"--tt-area:{AREA_LINE};--tt-area-ground:{AREA_GROUND}"
    here = Path(__file__).resolve().parent / "static"
    return f":root{{{tones}{area}}}" + "".join((here / name).read_text(encoding="utf-8") for name in ("areas.css", "report.css"))
