"""The first view of a result: from evidence to the values of Gradio's components. `events` decides when, `layout` where; what takes longer
or a second look is in `sections`."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING

import gradio as gr

from attribution.evidence import Evidence
from attribution.render import charts, overlay
from attribution.render import face as face_view
from attribution.render import file as file_view
from attribution.render import opinion as opinion_view
from attribution.render.side_by_side import side_by_side
from attribution.text import page as text
from attribution.web import page_parts
from attribution.web.sessions import Session
from attribution.web.uploads import Upload, Uploads

if TYPE_CHECKING:
    from attribution.pipeline import Analysis, Pipeline

PICTURE_SIDE_PX = 1280
FRAME_SIDE_PX = 560
# Containers and codecs that every current browser plays. Others are shown frame by frame.
PLAYABLE = {"mp4": ".mp4", "mov": ".mp4", "webm": ".webm"}
PLAYABLE_CODECS = ("h264", "vp8", "vp9", "av1")
# The values of the parts of the page that speak of the file, and of the chosen face. What is not given stays.
FileParts = namedtuple("FileParts", "result verdict stage strip card faces", defaults=[gr.skip()] * 6)
FaceParts = namedtuple("FaceParts", "face bars", defaults=[gr.skip()] * 2)


def no_file() -> FileParts:
    """Nothing of an earlier result may stand beside a new file."""
    return FileParts(result=gr.update(visible=False), verdict="", stage="", strip="")


def keep(found: Analysis, session: Session, upload: Upload, uploads: Uploads) -> None:
    """Hold what was found, and the picture, or the frames and the clip for its player, to show."""
    session.show(found.evidence)
    session.tiles = found.tiles
    media = found.evidence.media
    if media.kind == "picture" and found.frames:
        session.picture = overlay.fitted(found.frames[0].rgb, PICTURE_SIDE_PX)
        return
    session.frames = [(frame.seconds, overlay.data_uri(overlay.fitted(frame.rgb, FRAME_SIDE_PX), 72)) for frame in found.frames]
    container = media.container.lower()
    # A player would show it as it lies in the file.
    is_playable = not media.turned_degrees and any(codec in container for codec in PLAYABLE_CODECS)
    extension = next((extension for kind, extension in PLAYABLE.items() if is_playable and container.startswith(kind)), None)
    session.clip = uploads.keep_for_player(upload, extension) if extension else None


def file_parts(session: Session, pipeline: Pipeline) -> FileParts:
    """What is said of the file."""
    evidence = session.evidence
    assert evidence is not None
    if session.picture is not None:
        shown = file_view.picture_stage(evidence, overlay.data_uri(session.picture), session.chosen)
    else:
        video = f"gradio_api/file={session.clip}" if session.clip is not None else None
        shown = file_view.clip_stage(evidence, session.frames, video, session.chosen)
    faces = [(track.track.faces[track.shown] if track.track and track.shown is not None else None) for track in evidence.tracks]
    smalls = [overlay.data_uri(overlay.fitted(face.crop, 112), 85) if face is not None else None for face in faces]
    note, said = opinion_view.verdict_note(evidence, link=True)
    banner = face_view.verdict_banner(evidence, note=note, said=said, tables=pipeline.predictor.card.measured)
    return FileParts(
        result=gr.update(visible=True),
        verdict=f"{banner}{_side_by_side(evidence)}",
        stage=f"{page_parts.HTML.title(file_view.title(evidence))}{shown}",
        strip=gr.update(value=file_view.face_choices(evidence, smalls, session.chosen), visible=len(evidence.tracks) > 1),
        card=gr.update(visible=bool(evidence.tracks)),
        faces=gr.update(visible=bool(evidence.tracks)),
    )


def face_parts(session: Session) -> FaceParts:
    """The first things that are said of the chosen face."""
    evidence, track, face = session.evidence, session.track, session.face
    if evidence is None or track is None:
        return FaceParts()
    crop = overlay.data_uri(face.crop, 92) if face is not None else None
    hint = text.METHODS_HINT if evidence.detector.measured else text.METHODS_UNCALIBRATED
    card = face_view.face_card(track, session.chosen + 1, evidence.detector, crop, face, reasons=len(evidence.tracks) > 1, fold=True)
    bars = charts.method_bars(track.p_methods, evidence.detector, fold=True)
    return FaceParts(
        face=f"{card}{opinion_view.beside(track, session.chosen == evidence.telling)}",
        bars=f"{page_parts.HTML.title(text.METHODS_TITLE, hint)}{bars}",
    )


def _side_by_side(evidence: Evidence) -> str:
    """All answers side by side, where the reader chose further detectors, on the face that the verdict rests on."""
    if not evidence.tracks:
        return ""
    index = evidence.telling
    about = text.FACE_OF.format(number=index + 1, total=len(evidence.tracks)) if len(evidence.tracks) > 1 else ""
    return side_by_side(evidence.tracks[index], evidence.detector, about, link=True)
