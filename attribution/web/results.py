"""What the page shows of a result: from evidence to the values of Gradio's components. `events` decides when, `layout` where."""

from __future__ import annotations

import base64
import json
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from attribution.evidence import DetectorInfo, Evidence, Heatmap, Opinion, Patches, Placement, Track, TrackEvidence, document
from attribution.render import areas, charts, overlay, report
from attribution.render import face as face_view
from attribution.render import file as file_view
from attribution.render import opinion as opinion_view
from attribution.render import patches as patches_view
from attribution.text import areas as area_text
from attribution.text import numbers
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import examination, page_parts
from attribution.web.sessions import Session
from attribution.web.uploads import Upload, Uploads

if TYPE_CHECKING:
    from attribution.detectors.card import Card, MeasuredTable
    from attribution.detectors.predictor import Predictor
    from attribution.explain.patches import Tiles
    from attribution.explain.reference import ReferenceBank
    from attribution.pipeline import Analysis, Pipeline

PICTURE_SIDE_PX = 1280
FRAME_SIDE_PX = 560
SLIDER_SIDE_PX = 448
# Containers and codecs that every current browser plays. Others are shown frame by frame.
PLAYABLE = {"mp4": ".mp4", "mov": ".mp4", "webm": ".webm"}
PLAYABLE_CODECS = ("h264", "vp8", "vp9", "av1")
THUMBNAIL_KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
LARGEST_THUMBNAIL_BYTES = 200_000
# Beside a verdict or an opinion; every other table is on the page of measured limits.
PANEL_TABLES = ("Overall", "Verdicts on cross")
# The values of the parts of the page that speak of the file, of the chosen face, and of a second opinion on it. What is not given stays.
FileParts = namedtuple("FileParts", "result verdict card faces stage choices limits provenance downloads", defaults=[gr.skip()] * 9)
FaceParts = namedtuple("FaceParts", "face bars areas label map neighbours", defaults=[gr.skip()] * 6)
OpinionParts = namedtuple(
    "OpinionParts", "section choices answer detail areas map neighbours patches button mosaic limits others", defaults=[gr.skip()] * 12
)


def no_file() -> FileParts:
    """Nothing of an earlier result may stand beside a new file."""
    return FileParts(result=gr.update(visible=False), verdict="", stage="", choices="", provenance="", downloads="")


def file_parts(found: Analysis, session: Session, upload: Upload, uploads: Uploads, pipeline: Pipeline) -> FileParts:
    """Everything that is said of the file. The session, which holds the evidence already, gets the picture or the clip for its player."""
    evidence = session.evidence
    assert evidence is not None
    if evidence.media.kind == "picture" and found.frames:
        session.picture = overlay.fitted(found.frames[0].rgb, PICTURE_SIDE_PX)
        shown = file_view.picture_stage(evidence, overlay.data_uri(session.picture), session.chosen)
    else:
        frames = [(frame.seconds, overlay.data_uri(overlay.fitted(frame.rgb, FRAME_SIDE_PX), 72)) for frame in found.frames]
        container = evidence.media.container.lower()
        is_playable = evidence.media.kind == "clip" and any(codec in container for codec in PLAYABLE_CODECS)
        extension = next((extension for kind, extension in PLAYABLE.items() if is_playable and container.startswith(kind)), None)
        session.clip = uploads.keep_for_player(upload, extension) if extension else None
        video = f"gradio_api/file={session.clip}" if session.clip is not None else None
        shown = file_view.clip_stage(evidence, frames, video, session.chosen)
    faces = [(track.track.faces[track.shown] if track.track and track.shown is not None else None) for track in evidence.tracks]
    smalls = [overlay.data_uri(overlay.fitted(face.crop, 112), 85) if face is not None else None for face in faces]
    note, said = opinion_view.verdict_note(evidence, link=True)
    banner = face_view.verdict_banner(evidence, note=note, said=said, tables=pipeline.predictor.card.measured)
    return FileParts(
        result=gr.update(visible=True),
        verdict=f"{banner}{_side_by_side(evidence, pipeline)}",
        card=gr.update(visible=bool(evidence.tracks)),
        faces=gr.update(visible=bool(evidence.tracks)),
        stage=f"{page_parts.HTML.title(file_view.title(evidence))}{shown}",
        choices=_part(file_view.face_choices(evidence, smalls, session.chosen), len(evidence.tracks) > 1),
        limits=page_parts.HTML.limits(
            face_view.limits_title(evidence.detector),
            face_view.measured(first_tables(pipeline.predictor.card), evidence.detector),
            page_parts.all_limits(evidence.detector),
        ),
        provenance=file_view.provenance(evidence),
        downloads=downloads(session, pipeline),
    )


def first_tables(card: Card) -> list[MeasuredTable]:
    """What a card says first; the page of measured limits has the rest. The first ones of a card with other tables."""
    return [table for title in PANEL_TABLES for table in card.measured if table.title == title] or list(card.measured[: len(PANEL_TABLES)])


def downloads(session: Session, pipeline: Pipeline) -> str:
    """Links that hold the report and the JSON themselves: nothing is written to the server's disk for them."""
    evidence = session.evidence
    assert evidence is not None
    tracks, first = [], {}
    for index, track in enumerate(evidence.tracks):
        # The face that stands for the track as its only one, and its heatmap if that very one was drawn.
        face = track.shown
        if (heatmap := session.heatmaps.get((index, face or 0, track.telling_label))) is not None:
            first[0, index] = heatmap
        shown = Track(track.id, (track.track.faces[face],)) if track.track is not None and face is not None else None
        tracks.append(replace(track, track=shown, predictions=None))
    told = _with_patches(session, replace(evidence, tracks=tuple(tracks)), refused_too=True)
    second = {(0, *place): heatmap for place, heatmap in session.opinion_heatmaps.items()}
    pictures = {0: session.picture} if session.picture is not None else None
    page = report.report_html([told], first, pictures, second, pipeline.tables)
    data = json.dumps(document([_with_patches(session, evidence, refused_too=False)]), indent=1, ensure_ascii=False)
    stem = f"telltale-{evidence.media.sha256[:12]}"
    return page_parts.HTML.downloads(stem, _data("text/html", page), _data("application/json", data))


def _with_patches(session: Session, evidence: Evidence, refused_too: bool) -> Evidence:
    """The evidence with the patches that were asked for on the page; in refused opinions only where wanted: they are no answer."""

    def told(index: int, one: Opinion) -> Opinion:
        patches = session.patches.get((index, one.detector.weights_sha256))
        wanted = patches is not None and one.patches is None and (refused_too or one.verdict is not None)
        return replace(one, patches=patches) if wanted else one

    tracks = (replace(track, opinions=tuple(told(index, one) for one in track.opinions)) for index, track in enumerate(evidence.tracks))
    return replace(evidence, tracks=tuple(tracks))


def _side_by_side(evidence: Evidence, pipeline: Pipeline) -> str:
    """Both answers side by side, where the reader chose a second detector, on the face that the verdict rests on."""
    asked = next((one.info for one in pipeline.beside if one.asked_for), None)
    if asked is None or not evidence.tracks:
        return ""
    index = face_view.telling_track(evidence)
    track = evidence.tracks[index]
    heard = next((one for one in track.opinions if one.detector == asked), None)
    about = text.FACE_OF.format(number=index + 1, total=len(evidence.tracks)) if len(evidence.tracks) > 1 else ""
    return opinion_view.side_by_side(track, heard, evidence.detector, about) if heard is not None else ""


def face_parts(session: Session, pipeline: Pipeline, data_folder: Path | None = None) -> FaceParts:
    """Everything that is said of the chosen face but its heatmap and its place on the map."""
    evidence, track, face = session.evidence, session.track, session.face
    if evidence is None or track is None:
        return FaceParts()
    crop = overlay.data_uri(face.crop, 92) if face is not None else None
    neighbours = face_view.refused(text.NO_REFERENCES)
    if track.placement is not None:
        pictures = thumbnails(track.placement, pipeline.bank, data_folder)
        neighbours = face_view.neighbours(track.placement, evidence.detector, pictures)
    ranked = sorted(evidence.detector.labels, key=lambda label: -track.p_methods.get(label, 0.0))
    labels = [(f"{evidence.detector.display(label)} ({numbers.percent(track.p_methods.get(label, 0.0))})", label) for label in ranked]
    hint = text.METHODS_HINT if evidence.detector.measured else text.METHODS_UNCALIBRATED
    card = face_view.face_card(track, session.chosen + 1, evidence.detector, crop, face, reasons=len(evidence.tracks) > 1)
    return FaceParts(
        face=f"{card}{opinion_view.beside(track)}",
        bars=f"{page_parts.HTML.title(text.METHODS_TITLE, hint)}{charts.method_bars(track.p_methods, evidence.detector)}",
        areas=_part(_first_areas(track, session.chosen + 1, pipeline.predictor)),
        label=gr.update(choices=labels, value=track.telling_label),
        map=gr.update(visible=track.placement is not None),
        neighbours=neighbours,
    )


def explain(session: Session, label: str | None, pipeline: Pipeline) -> tuple[Any, Any, Any]:
    """The slider to the face's heatmap for that class, its words, and the downloads; unchanged for no class. Raises TelltaleError."""
    evidence, face = session.evidence, session.face
    if evidence is None or face is None or label not in evidence.detector.labels:
        return gr.skip(), gr.skip(), gr.skip()
    key = (session.chosen, session.moment, label)
    if key not in session.heatmaps:
        session.heatmaps[key] = _explained(pipeline, session.track, label=label, face=face)
    words = areas.heatmap_words(session.heatmaps[key], evidence.detector, pipeline.predictor.card.measured)
    return _slider(face.crop, session.heatmaps[key]), words, downloads(session, pipeline)


def reference_map(session: Session, pipeline: Pipeline) -> Any:
    """The map of references with every face of the file on it; unchanged where there is none."""
    evidence = session.evidence
    if evidence is None or pipeline.bank is None:
        return gr.skip()
    return _map(pipeline.bank, evidence.detector, [track.placement for track in evidence.tracks], session.chosen)


def thumbnails(placement: Placement, bank: ReferenceBank | None, data_folder: Path | None) -> dict[int, str]:
    """Pictures of the nearest references from the reader's own copy of the face data, by row of the bank: bytes, none decoded here. Empty
    without such a copy, or when the bank does not know where its faces lie."""
    if data_folder is None or bank is None or not bank.paths:
        return {}
    root, found = data_folder.resolve(), {}
    for neighbour in placement.neighbours:
        file = (root / bank.paths[neighbour.index]).resolve()
        kind = THUMBNAIL_KINDS.get(file.suffix.lower())
        if kind and file.is_relative_to(root) and file.is_file() and file.stat().st_size <= LARGEST_THUMBNAIL_BYTES:
            found[neighbour.index] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
    return found


def _first_areas(track: TrackEvidence, number: int, predictor: Predictor) -> str:
    """The areas that the chosen detector itself marked on face `number`, or that it marked none; empty where it never says where."""
    if predictor.card.artifacts is None:
        return ""
    heading = page_parts.HTML.title(area_text.FIRST_HEADING, level=4)
    name, state = opinion_text.name_of(predictor.info.name), opinion_view.first_state(track)
    if not areas.marked_by(track, predictor.info.name):
        return f"{heading}{areas.nothing_marked(name, state)}"
    return f"{heading}{areas.panel(track, number, name, state, predictor.card.measured, _marked_crop(track))}"


def opinion_parts(session: Session, pipeline: Pipeline | None) -> OpinionParts:
    """Everything about the chosen face that takes no time: its heatmap, its map and the patches are asked for by themselves."""
    track, index, shown = session.track, session.leading, session.second
    if pipeline is None or session.evidence is None or track is None or index is None or shown is None:
        return OpinionParts(section=gr.update(visible=False), choices="", answer="", mosaic="", others="")
    first, given, patches = session.evidence.detector, shown.verdict is not None, session.known_patches
    detector, predictor = shown.detector, pipeline.predictor_of(shown.detector.weights_sha256)
    name = opinion_text.name_of(detector.name)
    missing = opinion_text.NO_REFERENCES.format(name=name)
    neighbours = face_view.neighbours(shown.placement, detector) if shown.placement is not None else face_view.refused(missing)
    heading = (opinion_text.LIMITS_TITLE if detector.measured else opinion_text.UNMEASURED_TITLE).format(name=name)
    said = opinion_view.limits(detector, first_tables(predictor.card) if predictor is not None else [])
    limits = page_parts.HTML.opinion_limits(heading, said, page_parts.all_limits(detector))
    return OpinionParts(
        section=gr.update(visible=True),
        choices=_part(opinion_view.choices(track, index)),
        answer=f"{opinion_view.heading(track, index, first)}{opinion_view.answer(track, shown, first)}",
        detail=gr.update(visible=given),
        areas=_part(_areas(session, pipeline, track, shown)),
        map=gr.update(visible=shown.placement is not None),
        neighbours=neighbours if given else "",
        patches=gr.update(visible=patches is not None or _readable(session, pipeline) is not None),
        button=gr.update(visible=patches is None),
        mosaic=_mosaic(session, pipeline, patches),
        limits=limits if given else "",
        others=_part(opinion_view.others(track, index)),
    )


def explain_opinion(session: Session, pipeline: Pipeline) -> tuple[Any, Any, Any]:
    """The same for the heatmap of the shown opinion; unchanged where no opinion was given. Raises TelltaleError."""
    track, index, second = session.track, session.leading, session.second
    if track is None or track.track is None or track.shown is None or index is None or second is None or second.verdict is None:
        return gr.skip(), gr.skip(), gr.skip()
    key, detector = (session.chosen, index), second.detector
    if key not in session.opinion_heatmaps:
        session.opinion_heatmaps[key] = _explained(pipeline, track, opinion=second)
    heatmap = session.opinion_heatmaps[key]
    words = opinion_view.heat_words(heatmap, detector, pipeline.tables.get(detector.weights_sha256))
    if second.face is not None:
        words = page_parts.HTML.noted(opinion_text.HEAT_OF_OTHER.format(name=opinion_text.name_of(detector.name)), words)
    # Where it sees something else than the first detector, the heatmap lies on that.
    seen = second.face or track.track.faces[track.shown]
    return _slider(seen.crop, heatmap), words, downloads(session, pipeline)


def opinion_map(session: Session, pipeline: Pipeline) -> Any:
    """The shown opinion's own map of references with every face that its detector was asked about; unchanged where there is none."""
    second = session.second
    specialist = pipeline.beside_of(second.detector.weights_sha256) if second is not None else None
    if session.evidence is None or second is None or second.placement is None or specialist is None or specialist.bank is None:
        return gr.skip()
    asked = [next((one for one in track.opinions if one.detector == second.detector), None) for track in session.evidence.tracks]
    placements = [one.placement if one is not None else None for one in asked]
    return _map(specialist.bank, second.detector, placements, session.chosen)


def patch_view(session: Session, pipeline: Pipeline) -> tuple[Any, Any, Any]:
    """The button, which has served, the mosaic of the chosen face, and the downloads that hold it. Raises TelltaleError."""
    found = _readable(session, pipeline)
    if session.known_patches is None and found is not None:
        predictor, tiles = found
        key = (session.chosen, predictor.info.weights_sha256)
        session.patches[key] = examination.run(pipeline, examination.seconds_to_explain(), examination.patches, tiles, key[1])
    return gr.update(visible=False, interactive=True), _mosaic(session, pipeline, session.known_patches), downloads(session, pipeline)


def _areas(session: Session, pipeline: Pipeline, track: TrackEvidence, shown: Opinion) -> str:
    """The areas that the detector of that opinion marked, or that it marked none; empty where it never says where, or was not asked to."""
    predictor = pipeline.predictor_of(shown.detector.weights_sha256)
    if predictor is None or predictor.card.artifacts is None or shown.verdict is None:
        return ""
    words = opinion_view.marked_areas(track, shown, session.chosen + 1, predictor.card.measured, _marked_crop(track), switch=True)
    if not words and not track.artifacts:
        # Where there are areas of another detector, this one did not look for any.
        words = areas.nothing_marked(opinion_text.name_of(shown.detector.name), shown.verdict.state)
    return f"{page_parts.HTML.title(area_text.HEADING, level=4)}{words}" if words else ""


def _reader(pipeline: Pipeline) -> Predictor | None:
    """The detector that reads patches."""
    from attribution.explain.patches import reads_patches

    loaded = (*(one.predictor for one in pipeline.specialists), pipeline.predictor)
    return next((one for one in loaded if one is not None and reads_patches(one)), None)


def _readable(session: Session, pipeline: Pipeline) -> tuple[Predictor, Tiles] | None:
    """What it takes to read the patches around the chosen face; None where something of it is missing."""
    tiles = session.tiles[session.chosen] if session.chosen < len(session.tiles) else None
    return (reader, tiles) if tiles is not None and (reader := _reader(pipeline)) is not None else None


def _mosaic(session: Session, pipeline: Pipeline, patches: Patches | None) -> str:
    evidence, track = session.evidence, session.track
    if evidence is None or track is None or patches is None or (reader := _reader(pipeline)) is None:
        return ""
    return patches_view.patch_view(patches, reader.info, track.box, evidence.media, session.picture, reader.card.measured)


def _part(value: str, visible: bool | None = None) -> Any:
    """A part of the page that is shown where there is something in it, unless told otherwise."""
    return gr.update(value=value, visible=bool(value) if visible is None else visible)


def _explained(pipeline: Pipeline, track: TrackEvidence | None, **which: Any) -> Heatmap:
    from attribution.pipeline import explain

    return examination.run(pipeline, examination.seconds_to_explain(), explain, track, **which)


def _slider(crop: np.ndarray, heatmap: Heatmap) -> tuple[np.ndarray, np.ndarray]:
    large = overlay.scaled(crop, SLIDER_SIDE_PX)
    return large, overlay.heat_over(large, heatmap.values)


def _map(bank: ReferenceBank, detector: DetectorInfo, placements: Sequence[Placement | None], chosen: int) -> Any:
    examined = [(number, one.x, one.y) for number, one in enumerate(placements, start=1) if one is not None]
    return charts.reference_map(bank.points, bank.methods, bank.sources, detector, examined, chosen + 1)


def _marked_crop(track: TrackEvidence) -> str | None:
    """The crop that areas were marked on, as a data URI."""
    face = areas.marked_face(track)
    return overlay.data_uri(face.crop, 92) if face is not None else None


def _data(kind: str, content: str) -> str:
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode('utf-8')).decode('ascii')}"
