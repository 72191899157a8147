"""What the page shows of a result: from evidence to the values of Gradio's components. `handlers` decides when, `layout` where."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr
import numpy as np

from attribution.evidence import Evidence, Face, Heatmap, Track, TrackEvidence, document
from attribution.render import agreement, charts, overlay, panels, report, stage
from attribution.render import provenance as custody
from attribution.render.localisation import heatmap_words
from attribution.text import numbers
from attribution.text import page as text
from attribution.web import examination as jobs
from attribution.web import opinion
from attribution.web import page_parts as notices
from attribution.web.engine import Engine, Progress
from attribution.web.uploads import Session, Upload, Uploads, nearest_face

if TYPE_CHECKING:
    from attribution.pipeline import Analysis, Pipeline

PICTURE_SIDE_PX = 1280
FRAME_SIDE_PX = 560
SLIDER_SIDE_PX = 448
# Containers and codecs that every current browser plays. Others are shown frame by frame.
PLAYABLE = {"mp4": ".mp4", "mov": ".mp4", "webm": ".webm"}
PLAYABLE_CODECS = ("h264", "vp8", "vp9", "av1")
THUMBNAIL_KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
LARGEST_THUMBNAIL_BYTES = 200_000


class FileParts(NamedTuple):
    """The parts of the page that speak of the whole file."""

    result: Any
    verdict: Any
    card: Any
    faces: Any
    stage: Any
    choices: Any
    limits: Any
    custody: Any
    downloads: Any

    @classmethod
    def unchanged(cls) -> FileParts:
        return cls(*[gr.skip()] * len(cls._fields))

    @classmethod
    def hidden(cls) -> FileParts:
        """Nothing of an earlier result may stand beside a new file."""
        return cls.unchanged()._replace(result=gr.update(visible=False), verdict="", stage="", choices="", custody="", downloads="")


class FaceParts(NamedTuple):
    """The parts of the page that speak of the chosen face."""

    face: Any
    bars: Any
    areas: Any
    label: Any
    map: Any
    neighbours: Any

    @classmethod
    def unchanged(cls) -> FaceParts:
        return cls(*[gr.skip()] * len(cls._fields))


def examine(job: Upload, engine: Engine, report_progress: Progress) -> Analysis:
    """The whole examination of a file, on whatever thread this is called. Raises TelltaleError."""
    pipeline = engine.pipeline(0)
    if pipeline is None:
        report_progress(0.0, text.STARTING)
        pipeline = engine.pipeline()
    assert pipeline is not None
    return jobs.work(pipeline, jobs.seconds_to_examine(job.path), jobs.examine, job.path, job.name, progress=report_progress)


def first_look(evidence: Evidence) -> tuple[int, int]:
    """The track and the face of it to show first: those that the verdict rests on."""
    if not evidence.tracks:
        return 0, 0
    chosen = panels.telling_track(evidence)
    return chosen, evidence.tracks[chosen].shown or 0


def look_at(session: Session, index: Any, seconds: Any) -> None:
    """Choose track `index` at that moment, or at the face that stands for it. Both come from a browser: what makes no sense is ignored."""
    assert session.evidence is not None
    tracks = session.evidence.tracks
    if not isinstance(index, int) or not 0 <= index < len(tracks):
        return
    track = tracks[index]
    if index != session.chosen:
        session.opinion = None
    session.chosen = index
    if isinstance(seconds, int | float) and track.track is not None:
        session.moment = nearest_face(track.track.faces, float(seconds))
    else:
        session.moment = track.shown or 0


def whole_picture(found: Analysis) -> np.ndarray | None:
    """The picture at the size of the page; None for clips."""
    if found.evidence.media.kind != "picture" or not found.frames:
        return None
    return overlay.fitted(found.frames[0].rgb, PICTURE_SIDE_PX)


def player(found: Analysis, job: Upload, session: Session, uploads: Uploads) -> str | None:
    """The address of a clip that browsers can play, kept on the uploads for it; None for pictures and for other clips."""
    container = found.evidence.media.container.lower()
    extension = next((extension for kind, extension in PLAYABLE.items() if container.startswith(kind)), None)
    if found.evidence.media.kind != "clip" or extension is None or not any(codec in container for codec in PLAYABLE_CODECS):
        return None
    return f"gradio_api/file={uploads.keep_for_player(session, job, extension)}"


def file_parts(found: Analysis, session: Session, video_url: str | None, engine: Engine) -> FileParts:
    """Everything that is said of the file. The session holds the evidence already."""
    evidence = session.evidence
    pipeline = engine.pipeline()
    assert evidence is not None
    assert pipeline is not None
    if session.picture is not None:
        shown = stage.picture_stage(evidence, overlay.data_uri(session.picture), session.chosen)
    else:
        frames = [(frame.seconds, overlay.data_uri(overlay.fitted(frame.rgb, FRAME_SIDE_PX), 72)) for frame in found.frames]
        shown = stage.clip_stage(evidence, frames, video_url, session.chosen)
    crops = [_small(track) for track in evidence.tracks]
    note, said = agreement.verdict_note(evidence, link=True)
    return FileParts(
        result=gr.update(visible=True),
        verdict=f"{panels.verdict_banner(evidence, note=note, said=said)}{opinion.side_by_side(evidence, pipeline)}",
        card=gr.update(visible=bool(evidence.tracks)),
        faces=gr.update(visible=bool(evidence.tracks)),
        stage=notices.title(stage.title(evidence)) + str(shown),
        choices=gr.update(value=stage.face_choices(evidence, crops, session.chosen), visible=len(evidence.tracks) > 1),
        limits=notices.title(panels.limits_title(evidence.detector))
        + f'<div class="tt-measured">{panels.measured(opinion.first_tables(pipeline.predictor.card), evidence.detector)}'
        f"{notices.all_limits(evidence.detector)}</div>",
        custody=custody.custody(evidence),
        downloads=downloads(session, pipeline),
    )


def face_parts(session: Session, engine: Engine, data_folder: Path | None = None) -> FaceParts:
    """Everything that is said of the chosen face but its heatmap and its place on the map."""
    evidence = session.evidence
    if evidence is None or not evidence.tracks:
        return FaceParts.unchanged()
    track = evidence.tracks[session.chosen]
    face = _face(session)
    crop = overlay.data_uri(face.crop, 92) if face is not None else None
    neighbours = panels.no_references()
    if track.placement is not None:
        pictures = thumbnails(track, engine, data_folder)
        neighbours = panels.neighbour_table(track.placement, evidence.detector, pictures)
    pipeline = engine.pipeline()
    areas = opinion.first_areas(track, session.chosen + 1, pipeline) if pipeline is not None else ""
    card = panels.face_card(track, session.chosen + 1, evidence.detector, crop, face, reasons=len(evidence.tracks) > 1)
    return FaceParts(
        face=f"{card}{agreement.beside(track)}",
        bars=notices.title(text.METHODS_TITLE, text.METHODS_HINT if evidence.detector.measured else text.METHODS_UNCALIBRATED)
        + str(charts.method_bars(track.p_methods, evidence.detector)),
        areas=gr.update(value=areas, visible=bool(areas)),
        label=gr.update(choices=_choices(evidence, track), value=telling_label(evidence, track)),
        map=gr.update(visible=track.placement is not None),
        neighbours=neighbours,
    )


def telling_label(evidence: Evidence, track: TrackEvidence) -> str:
    """The class whose heatmap is shown first: the verdict's method, else the likeliest one."""
    labels = evidence.detector.labels
    if track.verdict.method in labels:
        return str(track.verdict.method)
    return max(labels, key=lambda label: track.p_methods.get(label, 0.0))


def reference_map(session: Session, engine: Engine) -> Any:
    """The map with every face of the file on it."""
    evidence, pipeline = session.evidence, engine.pipeline()
    if evidence is None or pipeline is None:
        return gr.skip()
    examined = [(i + 1, t.placement.x, t.placement.y) for i, t in enumerate(evidence.tracks) if t.placement is not None]
    bank = pipeline.bank
    if bank is None:
        return gr.skip()
    return charts.reference_map(bank.points, bank.methods, bank.sources, evidence.detector, examined, session.chosen + 1)


def explain(session: Session, label: str, engine: Engine) -> tuple[Any, Any, Any]:
    """The slider between face and heatmap, the words beside it, and the downloads that now hold the heatmap. Raises TelltaleError."""
    evidence, face, pipeline = session.evidence, _face(session), engine.pipeline()
    if evidence is None or face is None or pipeline is None or label not in evidence.detector.labels:
        return gr.skip(), gr.skip(), gr.skip()
    key = (session.chosen, session.moment, label)
    if key not in session.heatmaps:
        session.heatmaps[key] = jobs.work(pipeline, jobs.seconds_to_explain(), jobs.heatmap, face.crop, label)
    heatmap = session.heatmaps[key]
    large = overlay.scaled(face.crop, SLIDER_SIDE_PX)
    words = heatmap_words(heatmap, evidence.detector, pipeline.predictor.card.measured)
    return (large, overlay.heat_over(large, heatmap.values)), words, downloads(session, pipeline)


def downloads(session: Session, pipeline: Pipeline) -> str:
    """Links that hold the report and the JSON themselves: nothing is written to the server's disk for them."""
    evidence = session.evidence
    assert evidence is not None
    pictures = {0: session.picture} if session.picture is not None else None
    told, heatmaps = _for_report(session, evidence)
    second = {(0, face, number): heatmap for (face, number), heatmap in session.opinion_heatmaps.items()}
    first = {(0, index): heatmap for index, heatmap in heatmaps.items()}
    page = report.report_html([told], first, pictures, second, pipeline.tables)
    data = json.dumps(document([opinion.with_patches(session, evidence, refused_too=False)]), indent=1, ensure_ascii=False)
    stem = f"telltale-{evidence.media.sha256[:12]}"
    return (
        f'<div class="tt-downloads"><a download="{stem}.html" href="{_data("text/html", page)}">{text.REPORT_BUTTON}</a>'
        f'<a download="{stem}.json" href="{_data("application/json", data)}">{text.JSON_BUTTON}</a></div>'
    )


def thumbnails(track: TrackEvidence, engine: Engine, data_folder: Path | None) -> dict[int, str]:
    """Pictures of the nearest references from the reader's own copy of the face data, by row of the bank. The bytes go to the browser as
    they are; none is decoded here. Empty without such a copy, or when the bank does not know where its faces lie."""
    pipeline = engine.pipeline()
    paths = pipeline.bank.paths if pipeline is not None and pipeline.bank is not None else ()
    if data_folder is None or not paths or track.placement is None:
        return {}
    root = data_folder.resolve()
    found = {}
    for neighbour in track.placement.neighbours:
        file = (root / paths[neighbour.index]).resolve()
        kind = THUMBNAIL_KINDS.get(file.suffix.lower())
        if kind and file.is_relative_to(root) and file.is_file() and file.stat().st_size <= LARGEST_THUMBNAIL_BYTES:
            found[neighbour.index] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
    return found


def _for_report(session: Session, evidence: Evidence) -> tuple[Evidence, dict[int, Heatmap]]:
    """The evidence with the face that stands for each track as its only one, and the heatmaps that were drawn of exactly these."""
    tracks, heatmaps = [], {}
    for index, track in enumerate(evidence.tracks):
        face = track.shown
        heatmap = session.heatmaps.get((index, face or 0, telling_label(evidence, track)))
        if heatmap is not None:
            heatmaps[index] = heatmap
        shown = Track(track.id, (track.track.faces[face],)) if track.track is not None and face is not None else None
        tracks.append(replace(track, track=shown, reading=None))
    return opinion.with_patches(session, replace(evidence, tracks=tuple(tracks)), refused_too=True), heatmaps


def _face(session: Session) -> Face | None:
    evidence = session.evidence
    if evidence is None or not evidence.tracks:
        return None
    track = evidence.tracks[session.chosen].track
    return track.faces[min(session.moment, len(track.faces) - 1)] if track is not None else None


def _choices(evidence: Evidence, track: TrackEvidence) -> list[tuple[str, str]]:
    ranked = sorted(evidence.detector.labels, key=lambda label: -track.p_methods.get(label, 0.0))
    return [(f"{evidence.detector.display(label)} ({numbers.percent(track.p_methods.get(label, 0.0))})", label) for label in ranked]


def _small(track: TrackEvidence) -> str | None:
    face = track.shown
    return overlay.data_uri(overlay.fitted(track.track.faces[face].crop, 112), 85) if track.track is not None and face is not None else None


def _data(kind: str, content: str) -> str:
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode('utf-8')).decode('ascii')}"
