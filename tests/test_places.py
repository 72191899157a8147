"""Where an area lies, in words that follow from the landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.evidence import Box
from attribution.render.areas import names_sides, place
from attribution.text import areas as text

SQUARE = (100.0, 100.0, 300.0, 300.0)
# Left eye, right eye, nose, mouth left, mouth right of an upright face.
LANDMARKS = np.array([[160.0, 170.0], [240.0, 170.0], [200.0, 210.0], [170.0, 250.0], [230.0, 250.0]])


def around(x: float, y: float, wide: float = 20, high: float = 20) -> Box:
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


@pytest.mark.parametrize(
    ("area", "words"),
    [
        (around(200, 250, 90, 30), "around the mouth"),
        (around(200, 250), "around the mouth"),
        (around(170, 250), "around the corner of the mouth on the left"),
        (around(230, 250), "around the corner of the mouth on the right"),
        (around(200, 170, 120, 20), "around the eyes"),
        (around(160, 170), "around the eye on the left"),
        (around(240, 170), "around the eye on the right"),
        (around(200, 210), "around the nose"),
        (around(180, 190, 60, 60), "around the eye on the left and the nose"),
        (around(200, 215, 110, 110), "around the eyes, the nose and the mouth"),
        (around(200, 130), "above the eyes"),
        (around(290, 110), "above the eyes on the right"),
        (around(200, 285), "below the mouth"),
        (around(115, 290), "below the mouth on the left"),
        (around(200, 170), "between the eyes"),
        (around(200, 232), "between the eyes and the mouth"),
        (around(125, 170), "near the eye on the left"),
        (around(270, 210), "on the cheek on the right"),
        (around(130, 250), "beside the mouth on the left"),
        ((100.0, 100.0, 300.0, 300.0), text.WHOLE),
        ((110.0, 105.0, 300.0, 290.0), text.WHOLE),
    ],
)
def test_a_place_is_named_by_what_lies_there(area: Box, words: str) -> None:
    assert place(area, SQUARE, LANDMARKS) == words


@pytest.mark.parametrize(("turn", "left"), [(0, "on the left"), (30, "on the left"), (-30, "on the left")])
def test_a_tilted_face_keeps_its_parts(turn: float, left: str) -> None:
    angle = np.radians(turn)
    spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = (LANDMARKS - 200) @ spin + 200
    eye = turned[0]
    assert place(around(eye[0], eye[1]), SQUARE, turned) == f"around the eye {left}"
    chin = (np.array([200.0, 285.0]) - 200) @ spin + 200
    assert place(around(chin[0], chin[1]), SQUARE, turned).startswith("below the mouth")


def test_a_face_on_its_side_has_no_left_eye() -> None:
    turned = (LANDMARKS - 200) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 200
    assert place(around(*turned[0]), SQUARE, turned) == "around the eye"
    assert not names_sides(place(around(*turned[0]), SQUARE, turned))


@pytest.mark.parametrize("landmarks", [None, np.full((5, 2), 200.0), np.array([[200.0, y] for y in (150, 250, 200, 240, 260)])])
def test_without_landmarks_that_say_something_the_crop_is_divided_in_thirds(landmarks: np.ndarray | None) -> None:
    if landmarks is None or np.ptp(landmarks) == 0:
        assert place(around(120, 120), SQUARE, landmarks) == "at the upper left of the face"
        assert place(around(290, 200), SQUARE, landmarks) == "on the right of the face"
        assert place(around(900, -50), SQUARE, landmarks) == "at the upper right of the face", "beyond the square is at its edge"
    assert place(around(130, 130), SQUARE, landmarks)


def test_sides_are_noticed() -> None:
    assert names_sides(place(around(160, 170), SQUARE, LANDMARKS))
    assert not names_sides(place(around(200, 250), SQUARE, LANDMARKS))
