"""Marked areas and heatmaps: on the face, on the picture, where they lie in words, and how often such places are right."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from attribution.detectors.card import MeasuredTable
from attribution.evidence import Artifact, Box, TrackEvidence
from attribution.render import areas as view
from attribution.text import areas as text
from attribution.text import page as page_text
from samples import DETECTOR, SWAPS, Markup, artifact, clip, heatmap, said, track

URI = "data:image/jpeg;base64,AA"
MOUTH = artifact(0.3, 0.6, 0.7, 0.85, 0.93)
COLUMNS = ("cases", "by", "faces", "hits", "hits low", "hits high", "IoU", "IoU low", "IoU high")
SQUARE = (100.0, 100.0, 300.0, 300.0)
# Left eye, right eye, nose, mouth left, mouth right of an upright face.
LANDMARKS = np.array([[160.0, 170.0], [240.0, 170.0], [200.0, 210.0], [170.0, 250.0], [230.0, 250.0]])


def measured(**shares: Any) -> tuple[MeasuredTable, ...]:
    """The table of a card: for each way to point, its share of hits, or (hits, low)."""
    names = {"heatmap": "heatmap", "boxes": "boxes", "centre": "crop centre"}
    rows = [("partial swaps, unseen blend", "heatmap", 400, 0.99, *[None] * 5), ("whole swaps", "heatmap", 400, 0.98, *[None] * 5)]
    for name, share in shares.items():
        hits, low = share if isinstance(share, tuple) else (share, None)
        rows.append(("partial swaps", names[name], 400, hits, low, *[None] * 4))
    return (MeasuredTable("Overall", ("AUC",), ((0.9,),)), MeasuredTable("Localisation", COLUMNS, tuple(rows)))


HITS = measured(boxes=0.74, centre=0.38)


def marked(*marks: Artifact, landmarks: np.ndarray | None = None) -> TrackEvidence:
    one = track(artifacts=marks)
    if landmarks is not None and one.track is not None:
        shown = replace(one.track.faces[0], landmarks=landmarks)
        one = replace(one, track=replace(one.track, faces=(shown,)))
    return one


def panel(one: TrackEvidence, state: str = "manipulated", uri: str | None = URI, **more: Any) -> Markup:
    drawn = view.panel(one, 1, "CADDM", state, HITS, uri, **more)
    assert said(drawn)
    return Markup(drawn)


def percentages(style: str) -> list[float]:
    return [float(value) for value in re.findall(r"([-\d.]+)%", style)]


def covered(one: Box, other: Box) -> float:
    return max(0.0, min(one[2], other[2]) - max(one[0], other[0])) * max(0.0, min(one[3], other[3]) - max(one[1], other[1]))


def test_an_area_is_drawn_labelled_and_put_into_words() -> None:
    page = panel(marked(MOUTH))
    assert percentages(page.of_class("tt-area")[0]["style"]) == [30.0, 60.0, 40.0, 25.0]
    said_of_it = ("CADDM marks 1 area of this face.", "Area 11at the bottom of the face93 %", text.CONFIDENCE, text.CANNOT)
    hits = "Boxes like these hit the true area in 74 of 100 known cases; guessing the centre of the face hits 38."
    assert [part for part in (*said_of_it, hits) if part not in page.words] == []
    assert page.of("img")[0]["alt"] == "Face 1 with its marked areas, which are listed beside it"
    assert page.of_class("tt-areas")[0]["aria-hidden"] == "true", "the list says it"
    assert page.of("input")
    assert not panel(marked(MOUTH), switch=False).of("input"), "a report has no switch"
    bare = panel(track(track=None, predictions=None, artifacts=(MOUTH,)), uri=None)
    assert not bare.of("img")
    assert "at the bottom of the face93 %" in bare.words, "without pixels the list stays"


def test_only_the_surest_are_shown_the_surest_on_top_and_the_others_are_counted() -> None:
    many = tuple(artifact(0.1 * i, 0.1, 0.1 * i + 0.15, 0.3, 0.95 - 0.05 * i) for i in range(9))
    page = panel(marked(*many))
    assert len(page.of_class("tt-area")) == len(page.of("li")) == view.MOST == 5
    assert [percentages(area["style"])[0] for area in page.of_class("tt-area")] == [40.0, 30.0, 20.0, 10.0, 0.0]
    assert "CADDM is surest of these 5 of the 9 areas that it marks." in page.words
    assert "95 %" in page.words
    assert "70 %" not in page.words
    assert "CADDM marks 3 areas of this face." in panel(marked(*many[:3])).words
    # One that leaves the face is cut off at its edge, and one beyond is only listed.
    page = panel(marked(artifact(-0.5, -0.2, 0.5, 0.4, 0.9), artifact(1.5, 1.5, 1.9, 1.9, 0.8)))
    (area,) = page.of_class("tt-area")
    assert percentages(area["style"]) == [0.0, 0.0, 50.0, 40.0]
    assert len(page.of("li")) == 2


@pytest.mark.parametrize(
    "boxes",
    [
        [(0.1, 0.1, 0.9, 0.9)] * 5,
        [(0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.3, 0.3), (0.7, 0.0, 1.0, 0.3), (0.0, 0.7, 0.3, 1.0), (0.7, 0.7, 1.0, 1.0)],
        [(0.2 + 0.02 * i, 0.2 + 0.02 * i, 0.6, 0.6) for i in range(5)],
        [(0.45, 0.45, 0.5, 0.5), (0.5, 0.45, 0.55, 0.5), (0.45, 0.5, 0.5, 0.55)],
    ],
)
def test_labels_stay_on_the_face_and_out_of_each_others_way(boxes: list[Box]) -> None:
    page = panel(marked(*(artifact(*box, 0.9 - 0.1 * i) for i, box in enumerate(boxes))))
    labels = []
    for area, label in zip(page.of_class("tt-area"), page.of_class("tt-area-label"), strict=True):
        left, top, wide, high = (value / 100 for value in percentages(area["style"]))
        corner = label["class"].split()[1].removeprefix("tt-")
        labels.append(view._label((left, top, left + wide, top + high), corner, view._ON_FACE))
    assert all(min(label) >= -1e-6 and max(label) <= 1 + 1e-6 for label in labels)
    if len(set(boxes)) == len(boxes):
        assert [pair for pair in combinations(labels, 2) if covered(*pair) > 1e-9] == []


def test_labels_leave_the_eyes_free_and_stand_beside_the_face_where_there_is_room() -> None:
    eyes: list[Box] = [(0.17, 0.27, 0.33, 0.43), (0.67, 0.27, 0.83, 0.43)]
    (corner,) = view._corners([(0.15, 0.38, 0.5, 0.6)], eyes, None)
    assert sum(covered(view._label((0.15, 0.38, 0.5, 0.6), corner, view._ON_FACE), eye) for eye in eyes) == 0
    for box, outside in (((0.1, 0.0, 0.9, 0.5), True), ((0.3, 0.4, 0.7, 0.6), False)):
        (corner,) = view._corners([box], [], (-0.5, -0.4, 4.5, 2.1))
        assert (covered(view._label(box, corner, view._ON_PICTURE), (0.0, 0.0, 1.0, 1.0)) == 0) == outside
    (corner,) = view._corners([(0.0, 0.0, 1.0, 1.0)], [], (0.0, 0.0, 1.0, 1.0))
    assert corner.startswith("in-"), "a face that fills the picture leaves no room around it"


@pytest.mark.parametrize(("state", "weak"), [("no_manipulation_found", True), ("inconclusive", True), ("manipulated", False), ("", False)])
def test_areas_against_the_answer_on_the_whole_face_are_called_weak(state: str, weak: bool) -> None:
    assert ("weak hints" in panel(marked(MOUTH), state).words) == weak
    face = np.array([[60.0, 58.0], [100.0, 58.0], [80.0, 75.0], [65.0, 95.0], [95.0, 95.0]])
    words = panel(marked(artifact(0.0, 0.5, 0.2, 0.7), landmarks=face), state).words
    assert "on the cheek on the left90 %" in words


def test_no_area_is_said_and_nothing_is_drawn() -> None:
    assert "CADDM marks no area of this face" in said(view.nothing_marked("CADDM", "manipulated"))
    assert "finds no manipulation in this face, so it marks no area" in view.nothing_marked("CADDM", "no_manipulation_found")
    assert view.layer(marked(), 0, 400, 200, True) == ""
    assert not view.marked_by(marked(), SWAPS.name)
    assert view.marked_face(marked()) is None


def test_on_the_picture_the_areas_lie_where_the_face_is() -> None:
    drawn = view.layer(marked(MOUTH), 2, 400, 200, True)
    assert said(drawn) == "93 %", "a number would have to be looked up"
    (layer,) = Markup(drawn).of_class("tt-areas-of")
    assert percentages(layer["style"]) == [10.0, 15.0, 20.0, 40.0], "the square of the face at (40, 30), 80 px wide"
    assert (layer["data-of"], layer["aria-hidden"], "hidden" in layer) == ("2", "true", False)
    assert "hidden" in Markup(view.layer(marked(MOUTH), 2, 400, 200, False)).of_class("tt-areas-of")[0]


def test_areas_of_a_clip_belong_to_the_moment_that_they_were_found_at() -> None:
    first, _ = clip().tracks
    moved = Artifact((45.0, 35.0, 60.0, 50.0), 0.9, SWAPS.name, 3.25)
    one = track(0, first.verdict, 32, timeline=first.timeline, artifacts=(moved,))
    found = view.marked_face(one)
    assert found is not None
    assert found.seconds == 3.25
    assert 'data-seconds="3.250"' in view.layer(one, 0, 400, 200, True)
    assert "3.2 s" in panel(one).words
    elsewhere = track(0, first.verdict, 8, timeline=first.timeline[:8], artifacts=(moved,))
    assert view.marked_face(elsewhere) is None, "a face of another moment is not drawn on"


def around(x: float, y: float, wide: float = 20, high: float = 20) -> Box:
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


@pytest.mark.parametrize(
    ("area", "words"),
    [
        (around(200, 250, 90, 30), "the mouth"), (around(200, 250), "the mouth"),
        (around(170, 250), "the left corner of the mouth"),
        (around(230, 250), "the right corner of the mouth"), (around(200, 170, 120, 20), "the eyes"),
        (around(160, 170), "the eye on the left"), (around(240, 170), "the eye on the right"),
        (around(200, 210), "the nose"), (around(180, 190, 60, 60), "the eye on the left and the nose"),
        (around(200, 215, 110, 110), "the eyes, the nose and the mouth"), (around(200, 130), "above the eyes"),
        (around(290, 110), "above the eyes"), (around(200, 285), "below the mouth"),
        (around(115, 290), "below the mouth"), (around(200, 170), "between the eyes"),
        (around(200, 232), "between the eyes and the mouth"), (around(125, 170), "near the eye on the left"),
        (around(270, 210), "on the cheek on the right"), (around(130, 250), "to the left of the mouth"), (SQUARE, text.WHOLE),
        ((110.0, 105.0, 300.0, 290.0), text.WHOLE),
    ],
)  # fmt: skip
def test_a_place_is_named_by_what_lies_there(area: Box, words: str) -> None:
    assert view.place(area, SQUARE, LANDMARKS) == words


@pytest.mark.parametrize(("turn", "eye"), [(30, "the eye on the left"), (-30, "the eye on the left"), (90, "an eye")])
def test_a_tilted_face_keeps_its_parts_and_one_on_its_side_has_no_left_eye(turn: float, eye: str) -> None:
    angle = np.radians(turn)
    spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = (LANDMARKS - 200) @ spin + 200
    assert view.place(around(*turned[0]), SQUARE, turned) == eye
    chin = (np.array([200.0, 285.0]) - 200) @ spin + 200
    assert view.place(around(*chin), SQUARE, turned) == text.BELOW


@pytest.mark.parametrize("landmarks", [None, np.full((5, 2), 200.0)])
def test_without_landmarks_that_say_something_the_crop_is_divided_in_thirds(landmarks: np.ndarray | None) -> None:
    assert view.place(around(120, 120), SQUARE, landmarks) == "at the upper left of the face"
    assert view.place(around(290, 200), SQUARE, landmarks) == "on the right of the face"
    assert view.place(around(900, -50), SQUARE, landmarks) == "at the upper right of the face", "beyond the square is at its edge"


def test_how_often_a_place_is_right_is_said_beside_what_guessing_hits() -> None:
    tables = measured(heatmap=(0.614, 0.56), boxes=(0.74, 0.7), centre=0.38)
    ending = "of 100 known cases; guessing the centre of the face hits 38."
    assert view.heatmap_hits(tables, DETECTOR, "landmark_swap") == [f"Heatmaps like it hit the true area in 61 {ending}"]
    assert view.box_hits(tables) == [f"Boxes like these hit the true area in 74 {ending}"]
    for label in ("stylegan2", "flux1"):
        assert view.heatmap_hits(tables, DETECTOR, label)[-1] == text.KNOWN_ARE_SWAPS
    for at_hand in (None, (), tables):
        assert view.heatmap_hits(at_hand, DETECTOR, "real") == [text.NO_AREA]
    assert view.heatmap_hits(None, DETECTOR, "landmark_swap") == view.box_hits(None) == [text.HITS_IN_CARD]
    for own, ends in ((0.3, text.NO_BETTER), (0.38, text.NO_BETTER), ((0.42, 0.36), text.MAYBE_CHANCE), ((0.5, 0.45), "hits 38.")):
        assert view.heatmap_hits(measured(heatmap=own, centre=0.38), DETECTOR, "dfdc_swap")[-1].endswith(ends)


@pytest.mark.parametrize(
    "tables",
    [
        (), (MeasuredTable("Overall", ("AUC",), ((0.9,),)),),
        (MeasuredTable("Localisation", ("cases", "by"), (("partial swaps", "heatmap"),)),), (MeasuredTable("Localisation", COLUMNS, ()),),
        measured(heatmap=0.6), measured(centre=0.38), *(measured(heatmap=hits, centre=0.38) for hits in (None, 61, "most", -0.1)),
    ],
)  # fmt: skip
def test_what_was_not_measured_is_not_claimed(tables: tuple[MeasuredTable, ...]) -> None:
    assert view.heatmap_hits(tables, DETECTOR, "landmark_swap") == [text.HEATMAPS_NOT_MEASURED]
    assert view.box_hits(tables) == [text.BOXES_NOT_MEASURED]


@pytest.mark.parametrize(
    ("hot", "random", "answer", "says"),
    [
        (3.7, (0.6, 0.7, 0.8), "yes", "fall 40-fold; with random areas of that size, 2.0-fold"),
        (3.7, (-0.6, -0.7, -0.8), "yes", "fall 40-fold; with random areas of that size, they do not fall"),
        (0.5, (0.1, 0.2, 0.0), "weakly", "fall 1.6-fold"),
        (3.7, (0.0, 0.2, 4.0), "weakly", "fall 40-fold; with random areas of that size, 4.1-fold"),
        (3.7, (3.6, 3.9, 3.7), "no", "do not rely on this heatmap"),
        (-0.1, (-2.0, -2.1, -2.2), "no", "face swap” do not fall"),
        (0.0, (0.0, 0.0), "no", "do not fall"),
    ],
)
def test_a_heatmap_never_stands_without_its_faithfulness_and_its_hits(
    hot: float, random: tuple[float, ...], answer: str, says: str
) -> None:
    drawn = view.heatmap_words(heatmap(fall_hot=hot, falls_random=random), DETECTOR, measured(heatmap=0.6, centre=0.38))
    page = Markup(drawn)
    assert page.of_class(f"tt-faithful-{answer}")
    for part in (says, page_text.HEATMAP_WARNING, text.HITS_TITLE, "hit the true area in 60 of 100 known cases"):
        assert part in said(drawn)
    assert all(float(bar["style"][6:-1]) >= 0 for bar in page.of("i") if "style" in bar)
