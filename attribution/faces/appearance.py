"""What pictures and faces look like, as unit vectors that cost next to nothing: enough to tell scenes and people apart in one clip."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_LOOK_SIDE_PX = 16
_LOOK_REACH = 1.3
_FLAT_GREYS = 3.0
_SAME_SCENE = 0.5


def look(rgb: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
    """What the area around a box (x0, y0, x1, y1 in pixels of `rgb`; None: the whole picture) looks like, as a unit vector.

    The product of two looks is how alike they are, at most 1: the mean of the correlation of their 16×16 luma and of the Bhattacharyya
    coefficient of their Lab colour histograms (8×16×16).
    """
    if box is not None:
        reach = _LOOK_REACH / 2 * max(box[2] - box[0], box[3] - box[1])
        (x, y), (height, width) = (box[:2] + box[2:]) / 2, rgb.shape[:2]
        x0, y0 = int(np.clip(x - reach, 0, width - 1)), int(np.clip(y - reach, 0, height - 1))
        rgb = rgb[y0 : max(int(y + reach), y0 + 1), x0 : max(int(x + reach), x0 + 1)]
    small = cv2.resize(rgb, (4 * _LOOK_SIDE_PX, 4 * _LOOK_SIDE_PX), interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(cv2.resize(small, (_LOOK_SIDE_PX, _LOOK_SIDE_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    # The constant makes two even areas alike instead of correlating their noise.
    shape = np.append(luma.astype(np.float32).ravel() - luma.mean(), _FLAT_GREYS * _LOOK_SIDE_PX)
    # Stronger colours than most pictures have share the outermost bins.
    lab = np.clip(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), (0, 96, 96), (255, 175, 175)).astype(np.uint8)
    colours = np.sqrt(cv2.calcHist([lab], [0, 1, 2], None, [8, 16, 16], [0, 256, 96, 176, 96, 176]).ravel())
    halves = [shape / np.linalg.norm(shape), colours / np.linalg.norm(colours)]
    return (np.concatenate(halves) / np.sqrt(2)).astype(np.float32)


def scene_cuts(frames: Sequence[np.ndarray]) -> set[int]:
    """The i for which frame i shows another scene than frame i − 1. Frames H×W×3 uint8 in order of time."""
    looks = [look(rgb) for rgb in frames]
    return {i for i in range(1, len(looks)) if float(looks[i] @ looks[i - 1]) < _SAME_SCENE}
