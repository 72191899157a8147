"""Blurred copies: posts and clips of another shape than their frame are often laid on an enlarged, blurred copy of themselves, whose faces
are found, too. What is cut around such a face is half the sharp picture and half its blurred copy, and says nothing about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from attribution.faces.finder import FoundFace

# The copy is the picture enlarged about the middle of the frame, and so is its face, of which a half-hidden one has a smaller box.
_LEAST_ENLARGED, _MOST_ENLARGED, _FARTHEST_OFF = 1.2, 5.0, 0.15
_LEAST_OF_IT, _MOST_OF_IT = 0.6, 1.3
# In blocks of so many a side, those with contrast tell how much of it is detail. Of 28 copies in posts that were made 27 are told so, which
# lie off by 0.08 of their height at most and show 0.85 to 1.21 of theirs; of the sharp faces in them, and 248 elsewhere, none.
_BLOCKS, _LEAST_CONTRAST = 10, 5.0
_SOFTER, _LEAST_SHARE = 0.2, 0.3


def without_copies(rgb: np.ndarray, faces: Sequence[FoundFace]) -> list[FoundFace]:
    """The faces of a picture (H×W×3 uint8) that are not a smaller, sharper one's enlarged copy behind it, in the same order."""
    return [face for face in faces if not any(_is_copy(rgb, face, other) for other in faces)]


def _is_copy(rgb: np.ndarray, face: FoundFace, other: FoundFace) -> bool:
    """Whether `face` is `other`, enlarged about the middle of the picture and blurred."""
    ratio = (face.box[3] - face.box[1]) / (other.box[3] - other.box[1])
    if ratio <= 1 or face.p_face > other.p_face:
        return False
    middle = np.array(rgb.shape[1::-1]) / 2
    centre, other_centre = ((one.box[:2] + one.box[2:]) / 2 - middle for one in (face, other))
    away, height = float(other_centre @ other_centre), face.box[3] - face.box[1]
    # Of a face in the very middle only the size tells how much it was enlarged.
    enlarged = float(centre @ other_centre) / away if away > (height / ratio / 4) ** 2 else ratio
    of_it = ratio / enlarged if _LEAST_ENLARGED <= enlarged <= _MOST_ENLARGED else 0.0
    if not _LEAST_OF_IT <= of_it <= _MOST_OF_IT or np.linalg.norm(centre - enlarged * other_centre) > _FARTHEST_OFF * height:
        return False
    softness, sharp = _detail(rgb, face.box), _detail(rgb, other.box)
    return bool(len(softness) and len(sharp) and (softness < _SOFTER * np.median(sharp)).mean() >= _LEAST_SHARE)


def _detail(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian over that of the luma, in the blocks of a box that have contrast."""
    x0, y0, x1, y1 = (max(0, int(edge)) for edge in box)
    luma = cv2.cvtColor(rgb[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY).astype(np.float32)
    side = max(4, min(luma.shape) // _BLOCKS)
    rows, columns = luma.shape[0] // side, luma.shape[1] // side

    def variances(values: np.ndarray) -> np.ndarray:
        return values[: rows * side, : columns * side].reshape(rows, side, columns, side).var(axis=(1, 3))

    contrast = variances(luma)
    there = contrast >= _LEAST_CONTRAST**2
    return variances(cv2.Laplacian(luma, cv2.CV_32F))[there] / contrast[there]
