"""The sections below the first view: each is drawn when a reader opens it, from what the page's session holds. Strings are markup; whatever
else is given is a value for a Gradio component. All of it may raise TelltaleError."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from attribution.evidence import DetectorInfo, Evidence, Face, Heatmap, Opinion, Patches, Placement, Track, TrackEvidence, document_text
from attribution.render import areas, charts, overlay, report
from attribution.render import face as face_view
from attribution.render import file as file_view
from attribution.render import opinion as opinion_view
from attribution.render import patches as patches_view
from attribution.render import where as where_view
from attribution.text import measuring as measuring_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import examination, page_parts
from attribution.web.engine import sentence_of
from attribution.web.sessions import Session

if TYPE_CHECKING:
    from attribution.detectors.card import Card, MeasuredTable
    from attribution.detectors.predictor import Predictor
    from attribution.explain.patches import Tiles
    from attribution.explain.reference import ReferenceBank
    from attribution.pipeline import Pipeline

HEAT_SIDE_PX = 448
THUMBNAIL_KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
LARGEST_THUMBNAIL_BYTES = 200_000
NO_MAP = (gr.update(visible=False), None)
# Beside an answer; every other table is on the page of measured limits.
PANEL_TABLES = ("Overall", "Verdicts on cross")


# Where


def where(session: Session, pipeline: Pipeline, read: bool = False) -> Markup:
    """The heatmap of the chosen face with its class chooser and figures, the areas that were marked on it, and the patches around it, which
    are read if `read`. A heatmap that explains nothing stands folded below the others."""
    evidence, track, face = session.evidence, session.track, session.face
    if evidence is None or track is None:
        return Markup()
    marked, patches = _areas(session, pipeline, track), _patches(session, pipeline, read)
    heatmap, heat = None, Markup()
    if face is not None:
        try:
            heatmap = _heatmap(session, pipeline, track, face, session.moment, session.label or track.telling_label)
            heat = _heat(pipeline, track, face, heatmap)
        except Exception as error:
            marked = Markup().join((page_parts.HTML.refused(sentence_of(error), "alert"), marked))
    told = where_view.where(heatmap, bool(marked), bool(patches), bool(track.artifacts))
    return page_parts.HTML.where(told, heat, marked, patches, session.label is not None)


def _heat(pipeline: Pipeline, track: TrackEvidence, face: Face, heatmap: Heatmap) -> Markup:
    """The heatmap over the face that is shown, with its class chooser and its words."""
    detector = pipeline.predictor.info
    ranked = sorted(detector.labels, key=lambda label: -track.p_methods.get(label, 0.0))
    labels = [(label, detector.display(label), track.p_methods.get(label, 0.0)) for label in ranked]
    words = areas.heatmap_words(heatmap, detector, pipeline.predictor.card.measured)
    return page_parts.HTML.heat(*_compared(face, heatmap), words, text.HEATMAP_SLIDER, labels, heatmap.label)


def _areas(session: Session, pipeline: Pipeline, track: TrackEvidence) -> Markup:
    """What every detector that says where has marked on the chosen face; empty where none says where."""
    number, crop = session.chosen + 1, _marked_crop(track)
    return Markup().join((_first_areas(track, number, pipeline.predictor, crop), *_others_areas(track, number, pipeline, crop)))


def _first_areas(track: TrackEvidence, number: int, predictor: Predictor, crop: str | None) -> Markup:
    """The areas that the chosen detector itself marked on face `number`, or that it marked none; empty where it never says where."""
    if predictor.card.artifacts is None:
        return Markup()
    name, state = opinion_text.name_of(predictor.info.name), opinion_view.first_state(track)
    if not areas.marked_by(track, predictor.info.name):
        return areas.nothing_marked(name, state)
    return areas.panel(track, number, name, state, predictor.card.measured, crop)


def _others_areas(track: TrackEvidence, number: int, pipeline: Pipeline, crop: str | None) -> list[Markup]:
    """The same of the other detectors that gave an opinion."""
    found = []
    for opinion in track.opinions:
        predictor = pipeline.predictor_of(opinion.detector.weights_sha256)
        if predictor is None or predictor.card.artifacts is None or opinion.verdict is None or predictor is pipeline.predictor:
            continue
        words = opinion_view.marked_areas(track, opinion, number, predictor.card.measured, crop, switch=True)
        if not words and not track.artifacts and track.may_be_marked(opinion):
            # Where there are areas of another detector, this one did not look for any.
            words = areas.nothing_marked(opinion_text.name_of(opinion.detector.name), opinion.verdict.state)
        found.append(words)
    return found


def _heatmap(session: Session, pipeline: Pipeline, track: TrackEvidence, face: Face, moment: int, label: str) -> Heatmap:
    """The heatmap of the chosen track's `face`, its one at index `moment`, for that class. Drawn once."""
    key = (session.chosen, moment, label)
    if key not in session.heatmaps:
        session.heatmaps[key] = _explained(pipeline, track, label=label, face=face)
    return session.heatmaps[key]


def _patches(session: Session, pipeline: Pipeline, read: bool) -> Markup:
    """The patches around the chosen face, or the button that asks for them; empty where they cannot be read."""
    found, failed = _readable(session, pipeline), ""
    if session.known_patches is None and found is not None and read:
        predictor, tiles = found
        key = (session.chosen, predictor.info.weights_sha256)
        try:
            session.patches[key] = examination.run(pipeline, examination.seconds_to_explain(), examination.patches, tiles, key[1])
        except Exception as error:
            failed = f"{opinion_text.PATCH_FAILED} {sentence_of(error, opinion_text.PATCH_OUR_FAULT)}"
    if session.known_patches is None and found is None:
        return Markup()
    return page_parts.HTML.patches(_mosaic(session, pipeline, session.known_patches), failed)


def _reader(pipeline: Pipeline) -> Predictor | None:
    """The detector that reads patches."""
    from attribution.explain.patches import reads_patches

    loaded = (*(one.predictor for one in pipeline.specialists), pipeline.predictor)
    return next((one for one in loaded if one is not None and reads_patches(one)), None)


def _readable(session: Session, pipeline: Pipeline) -> tuple[Predictor, Tiles] | None:
    """What it takes to read the patches around the chosen face; None where something of it is missing."""
    tiles = session.tiles[session.chosen] if session.chosen < len(session.tiles) else None
    return (reader, tiles) if tiles is not None and (reader := _reader(pipeline)) is not None else None


def _mosaic(session: Session, pipeline: Pipeline, patches: Patches | None) -> Markup:
    evidence, track = session.evidence, session.track
    if evidence is None or track is None or patches is None or (reader := _reader(pipeline)) is None:
        return Markup()
    return patches_view.patch_view(patches, reader.info, track.box, evidence.media, session.picture, reader.card.measured)


# Which method


def method(session: Session, pipeline: Pipeline, data_folder: Path | None = None) -> tuple[Markup, Any, Any]:
    """The nearest references of the chosen face; whether there is a map of references, and the map with every face of the file on it."""
    evidence, track = session.evidence, session.track
    if evidence is None or track is None or track.placement is None or pipeline.bank is None:
        return face_view.refused(text.NO_REFERENCES), *NO_MAP
    pictures = thumbnails(track.placement, pipeline.bank, data_folder)
    nearest = face_view.neighbours(track.placement, evidence.detector, pictures)
    placements = [one.placement for one in evidence.tracks]
    return page_parts.HTML.part(text.NEIGHBOURS_TITLE, nearest), *_map(pipeline.bank, evidence.detector, placements, session.chosen)


def thumbnails(placement: Placement, bank: ReferenceBank | None, data_folder: Path | None) -> dict[int, str]:
    """Pictures of the nearest references from the reader's own copy of the face data, by row of the bank: bytes, none decoded here. The
    copy is a folder of faces or the one above several. Empty without it, or when the bank does not know where its faces lie."""
    if data_folder is None or bank is None or not bank.paths:
        return {}
    root, found = data_folder.resolve(), {}
    below = [manifest.parent for manifest in sorted(root.glob("*/manifest.csv"))]
    for neighbour in placement.neighbours:
        path = bank.paths[neighbour.index]
        # Some banks name each picture's folder first, older ones do not.
        places = (root / path, root / path.removeprefix(f"{root.name}/"), *(folder / path for folder in below))
        file = next((one for one in (place.resolve() for place in places) if one.is_relative_to(root) and one.is_file()), None)
        kind = THUMBNAIL_KINDS.get(file.suffix.lower()) if file is not None else None
        if file is not None and kind is not None and file.stat().st_size <= LARGEST_THUMBNAIL_BYTES:
            found[neighbour.index] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
    return found


# Other detectors


def others(session: Session, pipeline: Pipeline) -> tuple[Markup, Any, Any]:
    """The opinion of a second detector on the chosen face, with its heatmap and its nearest references, and who was not asked; whether it
    has a map of references of its own, and that map."""
    evidence, track, index, shown = session.evidence, session.track, session.leading, session.second
    if evidence is None or track is None or index is None or shown is None:
        return face_view.refused(text.NO_OTHERS), *NO_MAP
    first = evidence.detector
    heat, folded, neighbours = Markup(), False, Markup()
    if shown.verdict is not None:
        heat, folded = _opinion_heat(session, pipeline)
        neighbours = face_view.refused(opinion_text.NO_REFERENCES.format(name=opinion_text.name_of(shown.detector.name)))
        if shown.placement is not None:
            neighbours = face_view.neighbours(shown.placement, shown.detector)
    said = page_parts.HTML.opinion(
        opinion_view.choices(track, index),
        opinion_view.heading(track, index, first),
        opinion_view.answer(track, shown, first),
        heat,
        folded,
        neighbours,
        opinion_view.others(track, index),
    )
    beside = pipeline.beside_of(shown.detector.weights_sha256)
    if shown.placement is None or beside is None or beside.bank is None:
        return said, *NO_MAP
    asked = [next((one for one in track.opinions if one.detector == shown.detector), None) for track in evidence.tracks]
    placements = [one.placement if one is not None else None for one in asked]
    return said, *_map(beside.bank, shown.detector, placements, session.chosen)


def _opinion_heat(session: Session, pipeline: Pipeline) -> tuple[Markup, bool]:
    """The heatmap of the shown opinion with its words, and whether it explains nothing; why there is none where it could not be drawn."""
    track, second = session.track, session.second
    if track is None or second is None or track.shown_face is None:
        return Markup(), False
    try:
        heatmap = _opinion_heatmap(session, pipeline, track, second)
    except Exception as error:
        return page_parts.HTML.refused(sentence_of(error), "alert"), False
    words = opinion_view.heat_words(heatmap, second.detector, pipeline.tables.get(second.detector.weights_sha256))
    if second.face is not None:
        words = page_parts.HTML.noted(opinion_text.HEAT_OF_OTHER.format(name=opinion_text.name_of(second.detector.name)), words)
    # Where it sees something else than the first detector, the heatmap lies on that.
    compared = _compared(second.face or track.shown_face, heatmap)
    return page_parts.HTML.heat(*compared, words, opinion_text.HEAT_SLIDER), heatmap.faithful == "no"


def _opinion_heatmap(session: Session, pipeline: Pipeline, track: TrackEvidence, second: Opinion) -> Heatmap:
    key = (session.chosen, session.leading or 0)
    if key not in session.opinion_heatmaps:
        session.opinion_heatmaps[key] = _explained(pipeline, track, opinion=second)
    return session.opinion_heatmaps[key]


# Measured limits


def limits(session: Session, pipeline: Pipeline) -> Markup:
    """What was measured of the detector, and of those that gave an opinion on the chosen face."""
    evidence, track = session.evidence, session.track
    if evidence is None:
        return Markup()
    given = [one.detector for one in track.opinions if one.verdict is not None] if track is not None else []
    heard = [one for one in dict.fromkeys(given) if one != evidence.detector]
    return Markup().join(
        (
            page_parts.HTML.limits(
                face_view.limits_title(evidence.detector),
                face_view.measured(first_tables(pipeline.predictor.card), evidence.detector),
                page_parts.all_limits(evidence.detector),
            ),
            *(_opinion_limits(detector, pipeline) for detector in heard),
        )
    )


def _opinion_limits(detector: DetectorInfo, pipeline: Pipeline) -> Markup:
    predictor = pipeline.predictor_of(detector.weights_sha256)
    title = opinion_text.LIMITS_TITLE if detector.measured else opinion_text.UNMEASURED_TITLE
    said = opinion_view.limits(detector, first_tables(predictor.card) if predictor is not None else [])
    return page_parts.HTML.opinion_limits(title.format(name=opinion_text.name_of(detector.name)), said, page_parts.all_limits(detector))


def first_tables(card: Card) -> list[MeasuredTable]:
    """What a card says first: what was measured here, where it was. The page of measured limits has the rest. The first ones of a card with
    other tables."""
    if here := [table for table in card.measured if table.title in measuring_text.TABLES]:
        return here
    return [table for title in PANEL_TABLES for table in card.measured if table.title == title] or list(card.measured[: len(PANEL_TABLES)])


# For your records


def records(session: Session, pipeline: Pipeline) -> Markup:
    """The report and the JSON with all that was looked at, and what a record of the examination needs."""
    if session.evidence is None:
        return Markup()
    _draw_heatmaps(session, pipeline)
    return Markup().join((downloads(session, pipeline), file_view.provenance(session.evidence)))


def _draw_heatmaps(session: Session, pipeline: Pipeline) -> None:
    """Draw the heatmaps of the answers on the chosen face: a report has them. One that cannot be drawn is left out."""
    track, second = session.track, session.second
    if track is None or track.track is None or track.shown is None:
        return
    with suppress(Exception):
        _heatmap(session, pipeline, track, track.track.faces[track.shown], track.shown, track.telling_label)
    with suppress(Exception):
        if second is not None and second.verdict is not None:
            _opinion_heatmap(session, pipeline, track, second)


def downloads(session: Session, pipeline: Pipeline) -> Markup:
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
    data = document_text([_with_patches(session, evidence, refused_too=False)])
    stem = f"telltale-{evidence.media.sha256[:12]}"
    return page_parts.HTML.downloads(stem, page_parts.data_link("text/html", page), page_parts.data_link("application/json", data))


def _with_patches(session: Session, evidence: Evidence, refused_too: bool) -> Evidence:
    """The evidence with the patches that were asked for on the page; in refused opinions only where wanted: they are no answer."""

    def told(index: int, one: Opinion) -> Opinion:
        patches = session.patches.get((index, one.detector.weights_sha256))
        wanted = patches is not None and one.patches is None and (refused_too or one.verdict is not None)
        return replace(one, patches=patches) if wanted else one

    tracks = (replace(track, opinions=tuple(told(index, one) for one in track.opinions)) for index, track in enumerate(evidence.tracks))
    return replace(evidence, tracks=tuple(tracks))


# What several of them need


def _explained(pipeline: Pipeline, track: TrackEvidence, **which: Any) -> Heatmap:
    from attribution.pipeline import explain

    return examination.run(pipeline, examination.seconds_to_explain(), explain, track, **which)


def _compared(face: Face, heatmap: Heatmap) -> tuple[str, str]:
    """A face, and the heatmap over it, as data URIs."""
    large = overlay.scaled(face.crop, HEAT_SIDE_PX)
    return overlay.data_uri(large, 92), overlay.data_uri(overlay.heat_over(large, heatmap.values), 92)


def _map(bank: ReferenceBank, detector: DetectorInfo, placements: Sequence[Placement | None], chosen: int) -> tuple[Any, Any]:
    examined = [(number, one.x, one.y) for number, one in enumerate(placements, start=1) if one is not None]
    return gr.update(visible=True), charts.reference_map(bank.points, bank.methods, bank.sources, detector, examined, chosen + 1)


def _marked_crop(track: TrackEvidence) -> str | None:
    """The crop that areas were marked on, as a data URI."""
    face = areas.marked_face(track)
    return overlay.data_uri(face.crop, 92) if face is not None else None
