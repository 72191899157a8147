"""What the page shows of a second detector's opinion: from evidence to the values of Gradio's components. One opinion is shown in full,
that of the first detector that was asked; every other one gives its answer."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from attribution.evidence import Evidence, Opinion, Patches, TrackEvidence
from attribution.ui import limits_text, notices
from attribution.ui import opinion_text as text
from attribution.ui.shelf import Session
from attribution.views import charts, opinion, overlay, panels

if TYPE_CHECKING:
    from attribution.card import Card, MeasuredTable
    from attribution.detector import Examiner
    from attribution.patches import Tiles
    from attribution.pipeline import Kit

# Beside a verdict or an opinion; every other table is on the page of measured limits.
PANEL_TABLES = ("Overall", "Verdicts on cross")
SLIDER_SIDE_PX = 448
CHOSEN = -1
"""Stands for the chosen detector where opinions are numbered."""


class OpinionParts(NamedTuple):
    """The parts of the page that speak of the second detector's opinion on the chosen face."""

    section: Any
    answer: Any
    detail: Any
    neighbours: Any
    patches: Any
    button: Any
    mosaic: Any
    limits: Any

    @classmethod
    def unchanged(cls) -> OpinionParts:
        return cls(*[gr.skip()] * len(cls._fields))

    @classmethod
    def hidden(cls) -> OpinionParts:
        """Where no second detector has a word to say."""
        hidden = gr.update(visible=False)
        return cls.unchanged()._replace(section=hidden, answer="", mosaic="")


def parts(session: Session, kit: Kit) -> OpinionParts:
    """Everything about the chosen face that takes no time: its heatmap, its map and the patches are asked for by themselves."""
    track = _track(session)
    index = opinion.leading(track) if track is not None else None
    if session.evidence is None or track is None or index is None:
        return OpinionParts.hidden()
    shown = track.opinions[index]
    others = [one for number, one in enumerate(track.opinions) if number != index]
    first = session.evidence.detector
    patches = patches_of(session)
    return OpinionParts(
        section=gr.update(visible=True),
        answer="".join(opinion.title(one.detector) + opinion.answer(track, one, first) for one in [shown, *others]),
        detail=gr.update(visible=shown.verdict is not None),
        neighbours=panels.neighbour_table(shown.placement, shown.detector) if shown.placement is not None else "",
        patches=gr.update(visible=patches is not None or _readable(session, kit) is not None),
        button=gr.update(visible=patches is None),
        mosaic=_mosaic(session, kit, track, patches) if patches is not None else "",
        limits=_limits(shown, index, kit) if shown.verdict is not None else "",
    )


def explain(session: Session, kit: Kit) -> tuple[Any, Any]:
    """The slider between the face and the heatmap of the shown opinion, and the words beside it; unchanged where none was given. Raises
    TelltaleError."""
    track = _track(session)
    index = opinion.leading(track) if track is not None else None
    face = panels.shown_face(track) if track is not None else None
    if track is None or track.track is None or index is None or face is None or track.opinions[index].verdict is None:
        return gr.skip(), gr.skip()
    key = (session.chosen, index)
    if key not in session.opinion_heatmaps:
        from attribution.pipeline import explain_opinion

        session.opinion_heatmaps[key] = explain_opinion(track, track.opinions[index], kit)
    heatmap = session.opinion_heatmaps[key]
    large = overlay.scaled(track.track.faces[face].crop, SLIDER_SIDE_PX)
    return (large, overlay.heat_over(large, heatmap.values)), opinion.heat_words(heatmap, track.opinions[index].detector)


def reference_map(session: Session, kit: Kit) -> Any:
    """The shown opinion's own map of references with every face that its detector was asked about; unchanged where there is none."""
    track = _track(session)
    index = opinion.leading(track) if track is not None else None
    bank = kit.beside[index].bank if index is not None and index < len(kit.beside) else None
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


def reading() -> tuple[Any, Any]:
    """The button and the mosaic while the patches are read."""
    return gr.update(interactive=False), f'<p class="tt-refused" role="status">{text.PATCH_WORKING} …</p>'


def patch_view(session: Session, kit: Kit) -> tuple[Any, Any]:
    """The button, which has served, and the mosaic of the chosen face. Raises TelltaleError."""
    track = _track(session)
    found = _readable(session, kit)
    if track is None or (patches_of(session) is None and found is None):
        return gr.update(visible=False, interactive=True), ""
    if patches_of(session) is None and found is not None:
        from attribution.patches import patch_view as read

        number, examiner, tiles = found
        session.patches[(session.chosen, number)] = read(examiner, tiles)
    return gr.update(visible=False, interactive=True), _mosaic(session, kit, track, patches_of(session))


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


def _reader(kit: Kit) -> tuple[int, Examiner] | None:
    """The detector that reads patches, with the number of its opinion."""
    from attribution.patches import reads_patches

    ready = [(number, one.examiner) for number, one in enumerate(kit.specialists) if one.examiner is not None]
    return next(((number, one) for number, one in [*ready, (CHOSEN, kit.examiner)] if reads_patches(one)), None)


def _readable(session: Session, kit: Kit) -> tuple[int, Examiner, Tiles] | None:
    """What it takes to read the patches around the chosen face; None where something of it is missing."""
    tiles = session.tiles[session.chosen] if session.chosen < len(session.tiles) else None
    reader = _reader(kit) if tiles is not None else None
    return (*reader, tiles) if reader is not None and tiles is not None else None


def _mosaic(session: Session, kit: Kit, track: TrackEvidence, patches: Patches | None) -> str:
    reader = _reader(kit)
    assert session.evidence is not None
    if patches is None or reader is None:
        return ""
    examiner = reader[1]
    return opinion.patch_view(patches, examiner.info, track.box, session.evidence.media, session.picture, examiner.card.measured)


def _limits(shown: Opinion, index: int, kit: Kit) -> str:
    examiner = kit.beside[index].examiner if index < len(kit.beside) else None
    tables = first_tables(examiner.card) if examiner is not None else []
    name = html.escape(text.name_of(shown.detector.name))
    return (
        f'<details class="tt-second-limits"><summary>{text.LIMITS_TITLE.format(name=name)}</summary>'
        f"{opinion.limits(shown.detector, tables)}<p>{notices.limits_link(limits_text.SEE_ALL)}</p></details>"
    )
