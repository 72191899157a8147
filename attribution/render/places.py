"""Where on a face an area lies, in words: from the five landmarks of the face where they are known, else from its place in the crop."""

from __future__ import annotations

import numpy as np

from attribution.evidence import Box
from attribution.text import areas as text
from attribution.text.numbers import listed
from attribution.text.opinions import PLACES

# From this share of the face's square on an area says nothing about where.
_WHOLE_FROM = 0.8
# Along the line from the eyes (0) to the mouth (1), and across it in halves of the distance between the eyes.
_ABOVE_EYES, _EYES_END, _MOUTH_BEGINS, _BELOW_MOUTH = -0.3, 0.3, 0.8, 1.3
_CENTRAL = 0.5


def place(area: Box, square: Box, landmarks: np.ndarray | None) -> str:
    """Where `area` lies: "around the mouth", "on the cheek on the left". `square` is the square around the face, `landmarks` 5×2: left
    eye, right eye, nose, mouth left, mouth right; all in pixels of the original picture. Left and right are those of the picture."""
    if _share(area, square) >= _WHOLE_FROM:
        return text.WHOLE
    words = _by_landmarks(area, landmarks.astype(np.float64)) if landmarks is not None else ""
    return words or text.IN_FACE.format(place=_third(area, square))


def names_sides(words: str) -> bool:
    """Whether left or right is said, so that it has to be said whose."""
    return text.LEFT in words or text.RIGHT in words


def _by_landmarks(area: Box, landmarks: np.ndarray) -> str:
    """By the landmarks within the area, or else by the direction from them; empty where the landmarks say nothing."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    down, across = mouth - eyes, landmarks[1] - landmarks[0]
    length, width = float(np.hypot(*down)), float(np.hypot(*across))
    if min(length, width) < 1:
        return ""
    upright = abs(across[0]) >= abs(across[1])
    within = [_holds(area, point) for point in landmarks]
    parts = _eyes(within, landmarks, upright)
    parts += [text.NOSE] if within[2] else []
    parts += _mouth(within, landmarks, _holds(area, mouth), upright)
    if parts:
        return text.AROUND.format(parts=listed(parts))
    centre = np.array([(area[0] + area[2]) / 2, (area[1] + area[3]) / 2])
    along = float((centre - eyes) @ down) / length**2
    aside = centre - (eyes + along * down)
    lateral = abs(float(aside @ across)) / width / (width / 2)
    side = _side(aside[0], upright)
    if along < _ABOVE_EYES or along > _BELOW_MOUTH:
        return (text.ABOVE if along < 0 else text.BELOW).format(side=side if lateral > 1 else "")
    if lateral <= _CENTRAL:
        return text.BETWEEN_EYES if along < _EYES_END else text.MIDDLE
    beside = text.NEAR_EYE if along < _EYES_END else text.CHEEK if along < _MOUTH_BEGINS else text.BESIDE_MOUTH
    return beside.format(side=side)


def _eyes(within: list[bool], landmarks: np.ndarray, upright: bool) -> list[str]:
    if within[0] == within[1]:
        return [text.EYES] if within[0] else []
    one, other = (0, 1) if within[0] else (1, 0)
    return [text.EYE.format(side=_side(landmarks[one, 0] - landmarks[other, 0], upright))]


def _mouth(within: list[bool], landmarks: np.ndarray, middle: bool, upright: bool) -> list[str]:
    if middle or (within[3] and within[4]):
        return [text.MOUTH]
    if not (within[3] or within[4]):
        return []
    one, other = (3, 4) if within[3] else (4, 3)
    return [text.CORNER.format(side=_side(landmarks[one, 0] - landmarks[other, 0], upright))]


def _side(x: float, upright: bool) -> str:
    """On which side of the picture; a face that lies on its side has an upper and a lower eye, and none is named."""
    return (text.LEFT if x < 0 else text.RIGHT) if upright else ""


def _third(area: Box, square: Box) -> str:
    centre = ((area[0] + area[2]) / 2, (area[1] + area[3]) / 2)
    column, row = (min(2, max(0, int(3 * (centre[axis] - square[axis]) // (square[axis + 2] - square[axis])))) for axis in (0, 1))
    return PLACES[row][column]


def _share(area: Box, square: Box) -> float:
    """How much of the square the area covers, in [0, 1]."""
    sides = [max(0.0, min(area[axis + 2], square[axis + 2]) - max(area[axis], square[axis])) for axis in (0, 1)]
    return sides[0] * sides[1] / ((square[2] - square[0]) * (square[3] - square[1]))


def _holds(area: Box, point: np.ndarray) -> bool:
    return bool(area[0] <= point[0] <= area[2] and area[1] <= point[1] <= area[3])
