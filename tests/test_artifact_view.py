"""Marked areas: on the face, on the picture and in words, many, few, none, and at the edge."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from attribution.evidence import Artifact, Box, TrackEvidence
from attribution.render import areas as artifacts
from attribution.text import areas as text
from limits_samples import table
from samples import HOSTILE, SWAPS, Markup, artifact, clip, face, is_inert, track

URI = "data:image/jpeg;base64,AA"
HITS = (table("Localisation", ("cases", "by", "hits"), ("partial swaps", "boxes", 0.74), ("partial swaps", "crop centre", 0.38)),)
MOUTH = artifact(0.3, 0.6, 0.7, 0.85, 0.93)


def marked(*areas: Artifact) -> TrackEvidence:
    return track(artifacts=areas)


def panel(one: TrackEvidence, name: str = "CADDM", state: str = "manipulated", uri: str | None = URI) -> Markup:
    markup = artifacts.panel(one, 1, name, state, HITS, uri)
    assert is_inert(markup)
    page = Markup(markup)
    assert page.problem == ""
    return page


def words(page: Markup) -> str:
    return re.sub(r"\s+", " ", page.words)


def percentages(style: str) -> list[float]:
    return [float(value) for value in re.findall(r"([-\d.]+)%", style)]


def test_an_area_is_drawn_labelled_and_put_into_words() -> None:
    page = panel(marked(MOUTH))
    (area,) = page.of_class("tt-area")
    assert percentages(area["style"]) == [30.0, 60.0, 40.0, 25.0]
    (label,) = page.of_class("tt-area-label")
    said = words(page)
    assert "CADDM marks one area of this face." in said
    assert "Area 1, at the bottom of the face: 93 %" in said, "as the ones who cannot see it hear it"
    assert "Boxes of this kind hit the true area in 74 of 100 known cases; guessing the centre of the face hits 38." in said
    assert text.CONFIDENCE in said
    assert text.CANNOT in said
    assert page.of("img")[0]["alt"] == "Face 1 with its marked areas, which are listed beside it"
    assert page.of_class("tt-areas")[0]["aria-hidden"] == "true", "the list says it"
    assert label["class"]


def test_only_the_surest_are_shown_and_the_others_are_counted() -> None:
    many = tuple(artifact(0.1 * i, 0.1, 0.1 * i + 0.15, 0.3, 0.95 - 0.05 * i) for i in range(9))
    page = panel(marked(*many))
    assert len(page.of_class("tt-area")) == len(page.of("li")) == artifacts.MOST == 5
    assert "CADDM marks 9 areas of this face; the 5 that it is surest of are shown." in words(page)
    assert "95 %" in page.words
    assert "70 %" not in page.words
    assert "CADDM marks 3 areas of this face." in words(panel(marked(*many[:3])))


def test_the_surest_lies_on_top() -> None:
    page = artifacts.panel(marked(artifact(0, 0, 0.4, 0.4, 0.9), artifact(0.5, 0.5, 0.9, 0.9, 0.8)), 1, "CADDM", "manipulated", (), URI)
    drawn = re.findall(r'class="tt-area" style="left:([\d.]+)%', page)
    assert drawn == ["50.00", "0.00"]


def test_an_area_that_leaves_the_face_is_cut_off_at_its_edge_and_one_beyond_is_only_listed() -> None:
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
    drawn = list(reversed(page.of_class("tt-area")))
    corners = [label["class"].split()[1].removeprefix("tt-") for label in reversed(page.of_class("tt-area-label"))]
    labels = []
    for area, corner in zip(drawn, corners, strict=True):
        left, top, wide, high = (value / 100 for value in percentages(area["style"]))
        labels.append(artifacts._label((left, top, left + wide, top + high), corner, artifacts._ON_FACE))
    assert all(min(label) >= -1e-6 and max(label) <= 1 + 1e-6 for label in labels)
    if len({tuple(box) for box in boxes}) == len(boxes):
        assert [pair for pair in combinations(labels, 2) if artifacts._area(artifacts._common(*pair)) > 1e-9] == []


def test_labels_leave_the_eyes_free_where_there_is_room() -> None:
    one = face()
    eyes = np.array([[60.0, 58.0], [100.0, 58.0], [80.0, 75.0], [65.0, 95.0], [95.0, 95.0]])
    object.__setattr__(one, "landmarks", eyes)
    features = artifacts._features(one, one.crop_box)
    corners = artifacts._corners([(0.15, 0.38, 0.5, 0.6)], features, None)
    label = artifacts._label((0.15, 0.38, 0.5, 0.6), corners[0], artifacts._ON_FACE)
    assert sum(artifacts._area(artifacts._common(label, feature)) for feature in features) == 0


@pytest.mark.parametrize(("state", "said"), [("no_manipulation_found", True), ("inconclusive", True), ("manipulated", False), ("", False)])
def test_areas_against_the_answer_on_the_whole_face_are_called_weak(state: str, said: bool) -> None:
    assert ("weak hints" in words(panel(marked(MOUTH), state=state))) == said


def test_left_and_right_are_explained_only_where_they_are_said() -> None:
    assert text.SIDES not in words(panel(marked(MOUTH)))
    one = track(artifacts=(artifact(0.0, 0.5, 0.2, 0.7),))
    assert one.track is not None
    landmarks = np.array([[60.0, 58.0], [100.0, 58.0], [80.0, 75.0], [65.0, 95.0], [95.0, 95.0]])
    object.__setattr__(one.track.faces[0], "landmarks", landmarks)
    said = words(panel(one))
    assert "Area 1, on the cheek on the left: 90 %" in said
    assert text.SIDES in said


def test_no_area_is_said_and_nothing_is_drawn() -> None:
    assert "CADDM marks no area of this face" in Markup(artifacts.nothing_marked("CADDM", "manipulated")).words
    assert "finds no manipulation in this face, so it marks no area" in artifacts.nothing_marked("CADDM", "no_manipulation_found")
    assert artifacts.layer(marked(), 0, 400, 200, True) == ""
    assert not artifacts.marked_by(marked(), SWAPS.name)
    assert artifacts.marked_face(marked()) is None


def test_on_the_picture_the_areas_lie_where_the_face_is() -> None:
    page = Markup(artifacts.layer(marked(MOUTH), 2, 400, 200, True))
    assert page.problem == ""
    (layer,) = page.of_class("tt-areas-of")
    assert percentages(layer["style"]) == [10.0, 15.0, 20.0, 40.0], "the square of the face at (40, 30), 80 px wide"
    assert (layer["data-of"], layer["aria-hidden"]) == ("2", "true")
    assert "hidden" not in layer
    assert "hidden" in Markup(artifacts.layer(marked(MOUTH), 2, 400, 200, False)).of_class("tt-areas-of")[0]
    assert page.words == "93 %", "a number would have to be looked up"


def test_a_label_on_the_picture_stands_beside_the_face_and_within_the_picture() -> None:
    for box, outside in (((0.1, 0.0, 0.9, 0.5), True), ((0.3, 0.4, 0.7, 0.6), False)):
        (corner,) = artifacts._corners([box], [], (-0.5, -0.4, 4.5, 2.1))
        label = artifacts._label(box, corner, artifacts._ON_PICTURE)
        assert (artifacts._area(artifacts._common(label, (0.0, 0.0, 1.0, 1.0))) == 0) == outside
    (corner,) = artifacts._corners([(0.0, 0.0, 1.0, 1.0)], [], (0.0, 0.0, 1.0, 1.0))
    assert corner.startswith("in-"), "a face that fills the picture leaves no room around it"


def test_areas_of_a_clip_belong_to_the_moment_that_they_were_found_at() -> None:
    first, _ = clip().tracks
    assert first.track is not None
    moved = Artifact((45.0, 35.0, 60.0, 50.0), 0.9, SWAPS.name, 3.25)
    one = track(0, first.verdict, 32, timeline=first.timeline, artifacts=(moved,))
    found = artifacts.marked_face(one)
    assert found is not None
    assert found.seconds == 3.25
    assert 'data-seconds="3.250"' in artifacts.layer(one, 0, 400, 200, True)
    assert "3.2 s" in words(panel(one))
    elsewhere = track(0, first.verdict, 8, timeline=first.timeline[:8], artifacts=(moved,))
    assert artifacts.marked_face(elsewhere) is None, "a face of another moment is not drawn on"


def test_without_pixels_the_list_stays() -> None:
    bare = track(track=None, reading=None, artifacts=(MOUTH,))
    page = panel(bare, uri=None)
    assert not page.of("img")
    assert "Area 1, at the bottom of the face: 93 %" in words(page)


def test_a_hostile_name_stays_a_name() -> None:
    one = track(artifacts=(artifact(0, 0, 0.5, 0.5, detector=HOSTILE),))
    assert artifacts.marked_by(one, HOSTILE)
    assert HOSTILE in panel(one, name=HOSTILE).words
    assert is_inert(artifacts.nothing_marked(HOSTILE, "manipulated"))
    assert HOSTILE in Markup(artifacts.nothing_marked(HOSTILE, "manipulated")).words


def test_the_report_has_no_switch() -> None:
    assert panel(marked(MOUTH)).of("input")
    assert not Markup(artifacts.panel(marked(MOUTH), 1, "CADDM", "manipulated", (), URI, switch=False)).of("input")


def test_nobody_is_called_real() -> None:
    fixed = [value for name, value in vars(text).items() if name.isupper() and isinstance(value, str)]
    assert len(fixed) > 30
    assert [one for one in fixed if re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", one, re.IGNORECASE)] == []
