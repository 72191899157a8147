"""The downloadable report: one self-contained HTML document in the reader's language. No script, no link that it needs, no file beside it;
it prints well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.evidence import Evidence, Face, Heatmap, TrackEvidence, Unusable
from attribution.render import areas, charts, face, file, opinion, overlay
from attribution.render.html import macros
from attribution.render.palette import AREA_GROUND, AREA_LINE, LIGHT
from attribution.render.side_by_side import side_by_side
from attribution.render.where import where
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.version import __version__

_PICTURE_SIDE_PX = 720
_HTML = macros("report.html")


@dataclass(frozen=True)
class _Drawn:
    """What was drawn for one file: heatmaps by track, and by track and opinion, its whole picture, and the cards' tables by weights."""

    heatmaps: Mapping[int, Heatmap]
    opinion_heatmaps: Mapping[tuple[int, int], Heatmap]
    picture: np.ndarray | None
    tables: Mapping[str, Sequence[MeasuredTable]]


def report_html(
    outcomes: Sequence[Evidence | Unusable],
    heatmaps: Mapping[tuple[int, int], Heatmap] | None = None,
    pictures: Mapping[int, np.ndarray] | None = None,
    opinion_heatmaps: Mapping[tuple[int, int, int], Heatmap] | None = None,
    tables: Mapping[str, Sequence[MeasuredTable]] | None = None,
) -> str:
    """The report on every outcome, in order, as one HTML document. A track that carries pixels is shown by its `shown` face.

    Args:
        heatmaps: By (outcome, track), counted from 0: heatmaps of the shown faces.
        pictures: By outcome: its whole picture, H×W×3 uint8 at any size of the same aspect as the media; it gets numbered boxes.
        opinion_heatmaps: By (outcome, track, opinion): heatmaps of the same faces by the detectors of these opinions.
        tables: By the SHA-256 of a detector's weights: the measured tables of its card, for what stands beside heatmaps and areas.
    """
    files = []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Unusable):
            files.append(_HTML.unusable(outcome))
            continue
        heat = {track: one for (at, track), one in (heatmaps or {}).items() if at == index}
        second = {(track, number): one for (at, track, number), one in (opinion_heatmaps or {}).items() if at == index}
        files.append(_file(outcome, f"-{index + 1}", _Drawn(heat, second, (pictures or {}).get(index), tables or {})))
    return f"{_HTML.report(__version__, _css(), files)}\n"


def _file(evidence: Evidence, anchor: str, drawn: _Drawn) -> Markup:
    # The one that decided comes first.
    order = sorted(range(len(evidence.tracks)), key=lambda index: index != evidence.telling)
    faces = [_face(evidence, index, evidence.tracks[index], drawn) for index in order]
    banner = face.verdict_banner(evidence, anchor, *opinion.verdict_note(evidence), drawn.tables.get(evidence.detector.weights_sha256))
    seen = (overlay.small_uri(drawn.picture, _PICTURE_SIDE_PX), file.outlines(evidence)) if drawn.picture is not None else None
    title, limits_title = file.title(evidence), face.limits_title(evidence.detector)
    return _HTML.file(evidence, anchor, banner, title, seen, faces, limits_title, file.provenance(evidence))


def _face(evidence: Evidence, index: int, track: TrackEvidence, drawn: _Drawn) -> Markup:
    detector, seen, duration = evidence.detector, track.shown_face, evidence.media.duration_seconds
    heatmap, tables = drawn.heatmaps.get(index), drawn.tables.get(detector.weights_sha256)
    marks = heat = curves = neighbours = None
    if areas.marked_by(track, detector.name):
        name, state = opinion_text.name_of(detector.name), opinion.first_state(track)
        marks = areas.panel(track, index + 1, name, state, tables, _crop(areas.marked_face(track)), switch=False)
    if heatmap is not None and seen is not None:
        hot = overlay.small_uri(overlay.heat_over(seen.crop, heatmap.values), opinion.CROP_SIDE_PX)
        title = text.HEATMAP_TITLE_OF.format(method=detector.display(heatmap.label))
        heat = (hot, title, areas.heatmap_words(heatmap, detector, tables), heatmap.faithful == "no")
    if duration and len(track.timeline) > 1:
        curves = (charts.timeline([track], duration), duration)
    if track.placement is not None and track.placement.neighbours:
        neighbours = face.neighbours(track.placement, detector)
    elif track.placement is None and not detector.measured:
        neighbours = face.refused(text.NO_REFERENCES)
    given = [(one, drawn.opinion_heatmaps.get((index, number))) for number, one in enumerate(track.opinions)]
    heard = [
        opinion.section(
            track, index + 1, one, detector, seen, evidence.media, hot, drawn.picture, drawn.tables.get(one.detector.weights_sha256)
        )
        for one, hot in given
        if one.verdict is not None or one.patches is not None
    ]
    heard.append(opinion.unasked([one for one in track.opinions if one.patches is None]))
    card, bars = face.face_card(track, index + 1, detector, _crop(seen), seen), charts.method_bars(track.p_methods, detector)
    order = where(heatmap if heat is not None else None, bool(track.artifacts), any(one.patches is not None for one in track.opinions))
    return _HTML.face(card, bars, order, marks, heat, curves, neighbours, heard, side_by_side(track, detector))


def _crop(shown: Face | None) -> str | None:
    """The crop of a face as a data URI."""
    return overlay.small_uri(shown.crop, opinion.CROP_SIDE_PX) if shown is not None else None


def _css() -> str:
    tones = "".join(f"--{name.replace('_', '-')}:{value};" for name, value in vars(LIGHT).items())
    area = f"--tt-area:{AREA_LINE};--tt-area-ground:{AREA_GROUND}"
    here = Path(__file__).resolve().parent / "static"
    return f":root{{{tones}{area}}}" + "".join((here / name).read_text(encoding="utf-8") for name in ("common.css", "report.css"))
