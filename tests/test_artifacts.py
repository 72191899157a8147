"""Boxes of a detector that localises, on the right face and in pixels of the original picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attribution.detectors.card import ArtifactRule
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.evidence import Box, Face, Interval, Opinion, Track, TrackEvidence, Verdict
from attribution.explain.artifacts import CropArtifact, find_artifacts, in_original, locate
from attribution.verdict import ensemble as opinions
from attribution.verdict.ensemble import Specialist
from conftest import SWAP_SIDE_PX, Folders, some_crops
from samples import MANIPULATED

WIDTH, HEIGHT = 1000, 800


def face_at(crop_box: Box, number: int = 0, seconds: float = 0.0, side_px: int = SWAP_SIDE_PX) -> Face:
    crop = some_crops(1, side_px, seed=40 + number)[0]
    return Face(number, seconds, crop_box, np.zeros((5, 2)), 0.99, crop_box, crop, 300.0 + number, 120.0)


# 112 original pixels in 224 of the crop: half a pixel for one.
HALVED = face_at((100.0, 40.0, 212.0, 152.0))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0.0, 0.0, 224.0, 224.0), (100.0, 40.0, 212.0, 152.0)),
        ((10.0, 20.0, 30.0, 60.0), (105.0, 50.0, 115.0, 70.0)),
        ((223.0, 0.0, 224.0, 1.0), (211.5, 40.0, 212.0, 40.5)),
        ((-20.0, -100.0, 30.0, 60.0), (90.0, 0.0, 115.0, 70.0)),
        ((-400.0, 0.0, 30.0, 60.0), (0.0, 40.0, 115.0, 70.0)),
    ],
)
def test_pixels_of_the_crop_become_those_of_the_original(box: Box, expected: Box) -> None:
    assert in_original(box, HALVED, WIDTH, HEIGHT) == pytest.approx(expected, abs=1e-9)


def test_what_lies_outside_of_the_picture_is_cut_off() -> None:
    corner = face_at((888.0, 688.0, 1000.0, 800.0))
    assert in_original((200.0, 100.0, 300.0, 224.0), corner, WIDTH, HEIGHT) == (988.0, 738.0, 1000.0, 800.0)
    assert in_original((224.0, 100.0, 300.0, 224.0), corner, WIDTH, HEIGHT) is None
    assert in_original((100.0, 100.0, 100.0, 224.0), corner, WIDTH, HEIGHT) is None
    assert in_original((float("-inf"), 0.0, float("inf"), 224.0), corner, WIDTH, HEIGHT) == (0.0, 688.0, 1000.0, 800.0)


def evidence_of(number: int, faces: Sequence[Face], worst: Interval | None = None) -> TrackEvidence:
    shares = ({"real": 0.1, "swapped": 0.9}, {"real": 0.1, "face_swap": 0.9})
    whole = Track(number, tuple(faces))
    first, last = faces[0].seconds, faces[-1].seconds
    return TrackEvidence(number, len(faces), first, last, whole.best.box, MANIPULATED, *shares, 0.9, worst=worst, track=whole)


@pytest.fixture(scope="module")
def caddm(swap_folders: Folders) -> Specialist:
    detector = load_folder(swap_folders("swapped"))
    return Specialist(detector.info, Predictor(detector, "cpu"), opinions.bank_of(detector))


@pytest.fixture(scope="module")
def seer(caddm: Specialist) -> Predictor:
    assert caddm.predictor is not None
    return caddm.predictor


def answered(specialist: Specialist) -> Opinion:
    p = ({"real": 0.1, "swapped": 0.9}, {"real": 0.1, "face_swap": 0.9})
    return Opinion(specialist.info, "", replace(MANIPULATED, method="swapped"), *p, 0.9, agreement="same family")


def placed(found: Sequence[CropArtifact], face: Face) -> list[tuple[float, ...]]:
    """By hand: the crop's boxes in the original, with their confidences."""
    scale = (face.crop_box[2] - face.crop_box[0]) / SWAP_SIDE_PX
    left, top = face.crop_box[:2]
    boxes = [(left + scale * x0, top + scale * y0, left + scale * x1, top + scale * y1) for x0, y0, x1, y1 in (one.box for one in found)]
    return [(*box, one.confidence) for box, one in zip(boxes, found, strict=True)]


def test_the_chosen_detector_marks_every_face(seer: Predictor) -> None:
    faces = [HALVED, face_at((300.0, 100.0, 748.0, 548.0), 1)]
    tracks = [evidence_of(number, [face]) for number, face in enumerate(faces)]
    located = locate(tracks, seer, [], WIDTH, HEIGHT)
    expected = find_artifacts(seer, np.stack([face.crop for face in faces]))
    assert all(expected), "a test that can fail"
    for track, face, found in zip(located, faces, expected, strict=True):
        assert [one.detector for one in track.artifacts] == ["random-caddm"] * len(found)
        assert [one.seconds for one in track.artifacts] == [0.0] * len(found)
        marked = [(*one.box, one.confidence) for one in track.artifacts]
        assert np.array(marked) == pytest.approx(np.array(placed(found, face)), rel=1e-4, abs=1e-3)
        left, top, right, bottom = face.crop_box
        for x0, y0, x1, y1 in (one.box for one in track.artifacts):
            assert left - 1e-6 <= x0 < x1 <= right + 1e-6
            assert top - 1e-6 <= y0 < y1 <= bottom + 1e-6
    assert [replace(one, artifacts=()) for one in located] == tracks, "nothing else changes"


def test_a_specialist_marks_the_faces_that_it_was_asked_about(predictor: Predictor, caddm: Specialist, seer: Predictor) -> None:
    faces = [face_at((100.0 * number, 40.0, 100.0 * number + 112, 152.0), number) for number in range(4)]
    tracks = [evidence_of(number, [face]) for number, face in enumerate(faces)]
    given, refused = (answered(caddm),), (Opinion(caddm.info, "It was not asked."),)
    tracks = [replace(track, opinions=one) for track, one in zip(tracks, (refused, given, (), given), strict=True)]
    located = locate(tracks, predictor, [seer], WIDTH, HEIGHT)
    assert [bool(track.artifacts) for track in located] == [False, True, False, True]
    for number in (1, 3):
        (found,) = find_artifacts(seer, faces[number].crop[None])
        marked = [(*one.box, one.confidence) for one in located[number].artifacts]
        assert np.array(marked) == pytest.approx(np.array(placed(found, faces[number])), rel=1e-4, abs=1e-3)


def test_of_a_clip_the_shown_face_is_marked_at_its_moment(seer: Predictor) -> None:
    """The largest face is another one."""
    boxes: list[Box] = [(100.0, 40.0, 212.0, 152.0), (300.0, 40.0, 412.0, 152.0), (310.0, 40.0, 400.0, 130.0), (0.0, 0.0, 448.0, 448.0)]
    faces = [face_at(box, number, 0.5 * number) for number, box in enumerate(boxes)]
    track = replace(evidence_of(0, faces, Interval(0.5, 1.0, 0.9, 2)), shown_seconds=0.5)
    assert track.shown_face is faces[1]
    (located,) = locate([track], seer, [], WIDTH, HEIGHT)
    (found,) = find_artifacts(seer, faces[1].crop[None])
    assert {one.seconds for one in located.artifacts} == {0.5}
    marked = [(*one.box, one.confidence) for one in located.artifacts]
    assert np.array(marked) == pytest.approx(np.array(placed(found, faces[1])), rel=1e-4, abs=1e-3)


def test_nothing_to_mark(seer: Predictor, predictor: Predictor) -> None:
    assert locate([], seer, [], WIDTH, HEIGHT) == ()
    (track,) = locate([evidence_of(0, [HALVED])], predictor, [], WIDTH, HEIGHT)
    assert track.artifacts == ()
    strict = Predictor(replace(seer.detector, card=replace(seer.card, artifacts=ArtifactRule(1.0))), "cpu")
    (track,) = locate([evidence_of(0, [HALVED])], strict, [], WIDTH, HEIGHT)
    assert track.artifacts == (), "no box is that sure"
    silent = Predictor(replace(seer.detector, card=replace(seer.card, artifacts=None)), "cpu")
    (track,) = locate([evidence_of(0, [HALVED])], silent, [], WIDTH, HEIGHT)
    assert track.artifacts == (), "a card without a rule"


def test_a_face_that_the_detector_itself_clears_is_not_marked(seer: Predictor, predictor: Predictor, caddm: Specialist) -> None:
    clear = Verdict("no_manipulation_found", None, "real", 0.9)
    track = replace(evidence_of(0, [HALVED]), verdict=clear)
    assert locate([track], seer, [], WIDTH, HEIGHT)[0].artifacts == ()
    clearing = replace(answered(caddm), verdict=clear, p_manipulated=0.1, agreement="differs")
    (located,) = locate([replace(evidence_of(0, [HALVED]), opinions=(clearing,))], predictor, [seer], WIDTH, HEIGHT)
    assert located.artifacts == ()
    (located,) = locate([replace(track, opinions=(answered(caddm),))], predictor, [seer], WIDTH, HEIGHT)
    assert located.artifacts, "the one that finds a swap says where, whatever the other finds"
