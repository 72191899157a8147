"""What the page shows of second opinions: from evidence to the values of Gradio's components. One that was given is shown in full, others
can be chosen, and detectors that were not asked have a line each."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from attribution.evidence import Evidence, Opinion, Patches, TrackEvidence
from attribution.render import agreement, artifacts, charts, opinion, overlay, panels
from attribution.text import areas as area_text
from attribution.text import opinions as text
from attribution.text import page as page_text
from attribution.web import examination as jobs
from attribution.web import page_parts as notices
from attribution.web.uploads import Session

if TYPE_CHECKING:
    from attribution.detectors.card import Card, MeasuredTable
    from attribution.detectors.predictor import Predictor
    from attribution.explain.patches import Tiles
    from attribution.pipeline import Pipeline

# Beside a verdict or an opinion; every other table is on the page of measured limits.
PANEL_TABLES = ("Overall", "Verdicts on cross")
SLIDER_SIDE_PX = 448
CHOSEN = -1
"""Stands for the chosen detector where opinions are numbered."""


class OpinionParts(NamedTuple):
    """The parts of the page that speak of the second detector's opinion on the chosen face."""

    section: Any
    choices: Any
    answer: Any
    detail: Any
    areas: Any
    map: Any
    neighbours: Any
    patches: Any
    button: Any
    mosaic: Any
    limits: Any
    others: Any

    @classmethod
    def unchanged(cls) -> OpinionParts:
        return cls(*[gr.skip()] * len(cls._fields))

    @classmethod
    def hidden(cls) -> OpinionParts:
        """Where no second detector has a word to say."""
        hidden = gr.update(visible=False)
        return cls.unchanged()._replace(section=hidden, choices="", answer="", mosaic="", others="")


def parts(session: Session, pipeline: Pipeline) -> OpinionParts:
    """Everything about the chosen face that takes no time: its heatmap, its map and the patches are asked for by themselves."""
    track, index = _track(session), _shown(session)
    if session.evidence is None or track is None or index is None:
        return OpinionParts.hidden()
    shown, first = track.opinions[index], session.evidence.detector
    given = shown.verdict is not None
    patches = patches_of(session)
    choices, areas, others = opinion.choices(track, index), _areas(session, pipeline, track, index), opinion.others(track, index)
    return OpinionParts(
        section=gr.update(visible=True),
        choices=gr.update(value=choices, visible=bool(choices)),
        answer=f"{opinion.heading(track, index, first)}{opinion.answer(track, shown, first)}",
        detail=gr.update(visible=given),
        areas=gr.update(value=areas, visible=bool(areas)),
        map=gr.update(visible=shown.placement is not None),
        neighbours=_neighbours(shown) if given else "",
        patches=gr.update(visible=patches is not None or _readable(session, pipeline) is not None),
        button=gr.update(visible=patches is None),
        mosaic=_mosaic(session, pipeline, track, patches) if patches is not None else "",
        limits=_limits(shown, index, pipeline) if given else "",
        others=gr.update(value=others, visible=bool(others)),
    )


def side_by_side(evidence: Evidence, pipeline: Pipeline) -> str:
    """Both answers side by side, where the reader chose a second detector, on the face that the verdict rests on."""
    asked = next((one.info for one in pipeline.beside if one.asked_for), None)
    if asked is None or not evidence.tracks:
        return ""
    index = panels.telling_track(evidence)
    track = evidence.tracks[index]
    heard = next((one for one in track.opinions if one.detector == asked), None)
    about = page_text.FACE_OF.format(number=index + 1, total=len(evidence.tracks)) if len(evidence.tracks) > 1 else ""
    return agreement.side_by_side(track, heard, evidence.detector, about) if heard is not None else ""


def look_at(session: Session, index: Any) -> bool:
    """Show the second opinion `index` of the chosen face; False for what is none, as it comes from a browser."""
    track = _track(session)
    if track is None or not isinstance(index, int) or not 0 <= index < len(track.opinions) or track.opinions[index].verdict is None:
        return False
    session.opinion = index
    return True


def explain(session: Session, pipeline: Pipeline) -> tuple[Any, Any]:
    """The slider between the face and the heatmap of the shown opinion, and the words beside it; unchanged where none was given. Raises
    TelltaleError."""
    track, index = _track(session), _shown(session)
    face = track.shown if track is not None else None
    if track is None or track.track is None or index is None or face is None or track.opinions[index].verdict is None:
        return gr.skip(), gr.skip()
    key = (session.chosen, index)
    if key not in session.opinion_heatmaps:
        session.opinion_heatmaps[key] = jobs.work(pipeline, jobs.seconds_to_explain(), jobs.opinion_heatmap, track, track.opinions[index])
    heatmap, detector = session.opinion_heatmaps[key], track.opinions[index].detector
    # Where it sees something else than the first detector, the heatmap lies on that.
    seen = track.opinions[index].face or track.track.faces[face]
    large = overlay.scaled(seen.crop, SLIDER_SIDE_PX)
    note = "" if track.opinions[index].face is None else text.HEAT_OF_OTHER.format(name=html.escape(text.name_of(detector.name)))
    words = opinion.heat_words(heatmap, detector, pipeline.tables.get(detector.weights_sha256))
    words = f'<p class="tt-small">{note}</p>{words}' if note else words
    return (large, overlay.heat_over(large, heatmap.values)), words


def reference_map(session: Session, pipeline: Pipeline) -> Any:
    """The shown opinion's own map of references with every face that its detector was asked about; unchanged where there is none."""
    track, index = _track(session), _shown(session)
    bank = pipeline.beside[index].bank if index is not None and index < len(pipeline.beside) else None
    if session.evidence is None or track is None or index is None or bank is None or track.opinions[index].placement is None:
        return gr.skip()
    examined = [
        (number + 1, one.opinions[index].placement.x, one.opinions[index].placement.y)  # type: ignore[union-attr]
        for number, one in enumerate(session.evidence.tracks)
        if one.opinions[index].placement is not None
    ]
    return charts.reference_map(bank.points, bank.methods, bank.sources, track.opinions[index].detector, examined, session.chosen + 1)


def first_tables(card: Card) -> list[MeasuredTable]:
    """What a card says first; the page of measured limits has the rest. The first ones of a card with other tables."""
    measured = card.measured
    return [table for title in PANEL_TABLES for table in measured if table.title == title] or list(measured[: len(PANEL_TABLES)])


def first_areas(track: TrackEvidence, number: int, pipeline: Pipeline) -> str:
    """The areas that the chosen detector itself marked on face `number`, or that it marked none; empty where it never says where."""
    predictor, heading = pipeline.predictor, _subtitle(area_text.FIRST_HEADING)
    if predictor.card.artifacts is None:
        return ""
    name, state = text.name_of(predictor.info.name), agreement.first_state(track)
    if not artifacts.marked_by(track, predictor.info.name):
        return heading + str(artifacts.nothing_marked(name, state))
    return heading + str(artifacts.panel(track, number, name, state, predictor.card.measured, _marked_crop(track)))


def reading() -> tuple[Any, Any]:
    """The button and the mosaic while the patches are read."""
    return gr.update(interactive=False), f'<p class="tt-refused" role="status">{text.PATCH_WORKING} …</p>'


def patch_view(session: Session, pipeline: Pipeline) -> tuple[Any, Any]:
    """The button, which has served, and the mosaic of the chosen face. Raises TelltaleError."""
    track = _track(session)
    found = _readable(session, pipeline)
    if track is None or (patches_of(session) is None and found is None):
        return gr.update(visible=False, interactive=True), ""
    if patches_of(session) is None and found is not None:
        number, _, tiles = found
        session.patches[(session.chosen, number)] = jobs.work(pipeline, jobs.seconds_to_explain(), jobs.patches, number, tiles)
    return gr.update(visible=False, interactive=True), _mosaic(session, pipeline, track, patches_of(session))


def failed(sentence: str) -> tuple[Any, Any]:
    """The button, to try again, and a sentence in place of the mosaic."""
    return gr.update(interactive=True), f'<p class="tt-refused" role="alert">{text.PATCH_FAILED} {html.escape(sentence)}</p>'


def patches_of(session: Session) -> Patches | None:
    """The patches of the chosen face that are known already, from the examination or from an earlier wish."""
    track = _track(session)
    if track is None:
        return None
    own = next((one.patches for one in track.opinions if one.patches is not None), None)
    return own or next((patches for (face, _), patches in session.patches.items() if face == session.chosen), None)


def with_patches(session: Session, evidence: Evidence, refused_too: bool) -> Evidence:
    """The evidence with the patches that were asked for on the page, in the opinions that were given; in refused ones only where wanted:
    there they are part of no answer."""
    tracks = []
    for face, track in enumerate(evidence.tracks):
        opinions = tuple(
            replace(one, patches=session.patches[(face, number)])
            if (face, number) in session.patches and one.patches is None and (refused_too or one.verdict is not None)
            else one
            for number, one in enumerate(track.opinions)
        )
        tracks.append(replace(track, opinions=opinions))
    return replace(evidence, tracks=tuple(tracks))


def _track(session: Session) -> TrackEvidence | None:
    return session.evidence.tracks[session.chosen] if session.evidence is not None and session.evidence.tracks else None


def _shown(session: Session) -> int | None:
    """The number of the opinion on the chosen face that is shown in full."""
    track = _track(session)
    return opinion.leading(track, session.opinion) if track is not None else None


def _areas(session: Session, pipeline: Pipeline, track: TrackEvidence, index: int) -> str:
    """The areas that the detector of that opinion marked, or that it marked none; empty where it never says where, or was not asked to."""
    shown, predictor = track.opinions[index], pipeline.beside[index].predictor if index < len(pipeline.beside) else None
    if predictor is None or predictor.card.artifacts is None or shown.verdict is None:
        return ""
    words = opinion.areas(track, shown, session.chosen + 1, predictor.card.measured, _marked_crop(track), switch=True)
    # Where there are areas of another detector, this one did not look for any.
    words = words or ("" if track.artifacts else artifacts.nothing_marked(text.name_of(shown.detector.name), shown.verdict.state))
    return f"{_subtitle(area_text.HEADING)}{words}" if words else ""


def _marked_crop(track: TrackEvidence) -> str | None:
    """The crop that areas were marked on, as a data URI."""
    face = artifacts.marked_face(track)
    return overlay.data_uri(face.crop, 92) if face is not None else None


def _subtitle(words: str) -> str:
    return f'<div class="tt-title tt-subtitle"><h4>{words}</h4></div>'


def _reader(pipeline: Pipeline) -> tuple[int, Predictor] | None:
    """The detector that reads patches, with the number of its opinion."""
    from attribution.explain.patches import reads_patches

    ready = [(number, one.predictor) for number, one in enumerate(pipeline.specialists) if one.predictor is not None]
    return next(((number, one) for number, one in [*ready, (CHOSEN, pipeline.predictor)] if reads_patches(one)), None)


def _readable(session: Session, pipeline: Pipeline) -> tuple[int, Predictor, Tiles] | None:
    """What it takes to read the patches around the chosen face; None where something of it is missing."""
    tiles = session.tiles[session.chosen] if session.chosen < len(session.tiles) else None
    reader = _reader(pipeline) if tiles is not None else None
    return (*reader, tiles) if reader is not None and tiles is not None else None


def _mosaic(session: Session, pipeline: Pipeline, track: TrackEvidence, patches: Patches | None) -> str:
    reader = _reader(pipeline)
    assert session.evidence is not None
    if patches is None or reader is None:
        return ""
    predictor = reader[1]
    return opinion.patch_view(patches, predictor.info, track.box, session.evidence.media, session.picture, predictor.card.measured)


def _limits(shown: Opinion, index: int, pipeline: Pipeline) -> str:
    predictor = pipeline.beside[index].predictor if index < len(pipeline.beside) else None
    tables = first_tables(predictor.card) if predictor is not None else []
    name = html.escape(text.name_of(shown.detector.name))
    title = text.LIMITS_TITLE if shown.detector.measured else text.UNMEASURED_TITLE
    return (
        f'<details class="tt-second-limits"><summary>{title.format(name=name)}</summary>'
        f"{opinion.limits(shown.detector, tables)}{notices.all_limits(shown.detector)}</details>"
    )


def _neighbours(shown: Opinion) -> str:
    if shown.placement is not None:
        return panels.neighbour_table(shown.placement, shown.detector)
    return f'<p class="tt-refused">{text.NO_REFERENCES.format(name=html.escape(text.name_of(shown.detector.name)))}</p>'
