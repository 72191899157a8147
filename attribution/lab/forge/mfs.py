"""Multi-scale Facial Swap: forgeries whose area is known, made from an aligned pair of a face and its face swap.

Dong et al., "Implicit Identity Leakage" (CVPR 2023, arXiv 2210.14457), section 3.3, written anew. Four kinds are drawn: the face of the
real picture put back into the fake (what is left of the fake then lies outside of the face), the fake's face put into the real picture,
the fake untouched, and a *partial* swap: one window of the detector's anchor sizes, where the two pictures differ most, taken from the
fake. Boxes are (x0, y0, x1, y1) and a Poisson centre is (x, y), both of which the released code of the paper swaps.

A side of S px stands for the paper's 224 px: sizes named for 224 px scale with S."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from attribution.lab.forge.swaps import blend as blended
from attribution.lab.forge.swaps import face_outline

KINDS = ("real_into_fake", "fake_into_real", "untouched", "partial")
KIND_SHARES = (0.4, 0.2, 0.2, 0.2)
BLENDS = ("poisson", "alpha")
# Never drawn by chance: the blending that a detector trained on the others has not seen.
UNSEEN_BLEND = "pyramid"
HALVED_SHARE = 0.3
# The shapes of the detector's anchors (short side, long side) at 224 px, drawn in both orientations.
WINDOW_SIZES = ((40, 80), (80, 120), (120, 160), (224, 224))
# A sample whose `largest_change` from the real picture is smaller (0..255) is dropped. The encoding noise between the two clips of a pair
# stays below it; a plain mean over the picture does not tell that noise from a small patch of another skin.
MIN_CHANGE = 12.0
_DIFFERS_BY, _SMOOTHED_PX = 6.0, 3.0
_STRIDES_PER_WINDOW, _PYRAMID_LEVELS, _FEATHER_PX = 5, 4, 5
# Areas narrower than this, at 224 px, are not worth a label, and OpenCV's Poisson blending fails on slivers.
_MIN_EXTENT = 12
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class Swapped:
    """A forgery of known area. `rgb` S×S×3 uint8; `boxes` K×4 float32 in [0, 1], (x0, y0, x1, y1), the whole picture first and the window
    of a partial swap second; `mask` S×S float32 in [0, 1], the share of each pixel that was taken from the fake (the pyramid's: in its
    finest band); `kind` one of KINDS; `blend` "poisson", "alpha", "pyramid" or, for an untouched fake, "none"; `halved`: both pictures were
    first down-sampled ×2."""

    rgb: np.ndarray
    boxes: np.ndarray
    mask: np.ndarray
    kind: str
    blend: str
    halved: bool = False


def dssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural dissimilarity |1 − SSIM| / 2 of the luma at each pixel: two S×S×3 uint8 → S×S float32 in [0, 1]. SSIM after Wang et al.
    2004 with an 11×11 Gaussian window, σ = 1.5, K1 = 0.01, K2 = 0.03; the picture is mirrored at its borders."""
    x, y = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) for rgb in (a, b))
    mean_x, mean_y, of_xx, of_yy, of_xy = (
        cv2.GaussianBlur(plane, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT) for plane in (x, y, x * x, y * y, x * y)
    )
    xx, yy, xy = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    variances, covariance = (of_xx - xx) + (of_yy - yy), of_xy - xy
    ssim = ((2 * xy + _C1) * (2 * covariance + _C2)) / ((xx + yy + _C1) * (variances + _C2))
    return np.clip(np.abs(1 - ssim) / 2, 0, 1)


def half_resolution(rgb: np.ndarray) -> np.ndarray:
    """S×S×3 uint8 down-sampled ×2 (area) and brought back to its size (linear), so that the detail is lost and the size kept."""
    side = rgb.shape[0]
    small = cv2.resize(rgb, (max(1, side // 2), max(1, side // 2)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def largest_change(a: np.ndarray, b: np.ndarray) -> float:
    """The greatest difference (0..255) of two S×S×3 uint8 pictures in any 9×9 px of them (at 224 px), where each channel's signed
    differences are averaged first, so that noise cancels out and a change of colour or shape does not."""
    width = max(3, round(9 * len(a) / 224) | 1)
    local = cv2.blur(cv2.subtract(a, b, dtype=cv2.CV_32F), (width, width))
    return float(np.abs(local, out=local).mean(2).max())


def differs(forged: np.ndarray, untouched: np.ndarray) -> np.ndarray:
    """Where two S×S×3 uint8 pictures differ, S×S boolean: the mean of their colours, smoothed over 3 px, is more than 6 of 255 off, which
    is twice as far as two encodings of one frame are."""
    gap = cv2.absdiff(forged, untouched).mean(2, dtype=np.float32)
    return cv2.GaussianBlur(gap, (0, 0), _SMOOTHED_PX) > _DIFFERS_BY


def face_hull(landmarks: np.ndarray, side_px: int, random: np.random.Generator) -> np.ndarray:
    """The face's hull as S×S float32 of 0 and 1: the mean face's outline on the landmarks, half of the time deformed elastically."""
    corners = cv2.convexHull(face_outline(landmarks).astype(np.float32))[:, 0]
    deform = random.random() < 0.5
    shifts = random.normal(0, 0.018 * side_px, (5, 5, 2)).astype(np.float32)
    if deform:
        # A smooth field of shifts moves the outline, which is first filled up with points so that its sides can bend.
        along = np.linspace(0, 1, 8, endpoint=False, dtype=np.float32)[None, :, None]
        corners = (corners[:, None] * (1 - along) + np.roll(corners, -1, 0)[:, None] * along).reshape(-1, 2)
        field = cv2.resize(shifts, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
        column, row = np.clip(np.round(corners), 0, side_px - 1).astype(int).T
        corners = corners + field[row, column]
    hull = np.zeros((side_px, side_px), np.float32)
    cv2.fillPoly(hull, [np.round(corners).astype(np.int32)], 1.0)
    return hull


def window_of_greatest_difference(differences: np.ndarray, hull: np.ndarray, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """The window (x0, y0, x1, y1 in px) of the greatest summed difference within the hull. `differences` and `hull` are S×S float32; the
    window slides over the bounding box of the hull in steps of a fifth of its own size, its last place flush with the box; where it is
    larger than the box it stays centred on it. It may lie partly outside of the picture."""
    x, y, width, height = cv2.boundingRect((hull > 0).astype(np.uint8))
    lefts, tops = _places(x, width, width_px), _places(y, height, height_px)
    sums = cv2.integral(differences * hull)
    rows, columns = (np.clip(starts, 0, len(hull)) for starts in (tops, lefts))
    ends_y, ends_x = (np.clip(starts + size, 0, len(hull)) for starts, size in ((tops, height_px), (lefts, width_px)))
    totals = sums[np.ix_(ends_y, ends_x)] - sums[np.ix_(rows, ends_x)] - sums[np.ix_(ends_y, columns)] + sums[np.ix_(rows, columns)]
    top, left = np.unravel_index(int(np.argmax(totals)), totals.shape)
    x0, y0 = int(lefts[left]), int(tops[top])
    return x0, y0, x0 + width_px, y0 + height_px


def _places(start: int, extent: int, size: int) -> np.ndarray:
    """Where windows of `size` px begin along a box of `extent` px that begins at `start`."""
    if size >= extent:
        return np.array([start + (extent - size) // 2])
    return np.append(np.arange(start, start + extent - size, max(1, round(size / _STRIDES_PER_WINDOW))), start + extent - size)


def pyramid_blend(face: np.ndarray, ground: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`face` in `ground` (S×S×3 uint8) where the S×S mask is, each of four frequency bands blended over its own width: Burt & Adelson,
    "A multiresolution spline with application to image mosaics", 1983."""
    shares: list[np.ndarray] = [mask]
    differences: list[np.ndarray] = [face.astype(np.float32) - ground.astype(np.float32)]
    for _ in range(_PYRAMID_LEVELS - 1):
        shares.append(cv2.pyrDown(shares[-1]))
        differences.append(cv2.pyrDown(differences[-1]))
    # The bands are linear, so blending the bands of both pictures is adding the masked bands of their difference to the ground.
    added = shares[-1][..., None] * differences[-1]
    for level in range(_PYRAMID_LEVELS - 2, -1, -1):
        size = (mask.shape[1], mask.shape[0]) if level == 0 else shares[level].shape[::-1]
        band = differences[level] - cv2.pyrUp(differences[level + 1], dstsize=size)
        added = cv2.pyrUp(added, dstsize=size) + shares[level][..., None] * band
    return np.clip(ground + added + 0.5, 0, 255).astype(np.uint8)


def _pasted(face: np.ndarray, ground: np.ndarray, area: np.ndarray, blend: str) -> tuple[np.ndarray, np.ndarray]:
    """`face` in `ground` over the hard `area`, and the share of `face` at each pixel."""
    if blend == "poisson":
        # seamlessClone cannot work at the very border of a picture.
        inner = np.zeros_like(area)
        inner[2:-2, 2:-2] = area[2:-2, 2:-2]
        return blended(face, ground, inner, poisson=True), inner
    soft = cv2.GaussianBlur(area, (_FEATHER_PX, _FEATHER_PX), 0)
    if blend == UNSEEN_BLEND:
        return pyramid_blend(face, ground, soft), soft
    return blended(face, ground, soft, poisson=False), soft


def multi_scale_swap(
    real: np.ndarray, fake: np.ndarray, landmarks: np.ndarray, random: np.random.Generator, kind: str | None = None,
    blend: str | None = None, windows: Sequence[tuple[int, int]] = WINDOW_SIZES, may_halve: bool = True,
) -> Swapped | None:  # fmt: skip
    """One forgery from an aligned pair (S×S×3 uint8) and its landmarks (5×2 px), of the given or a random kind and blend; a partial swap's
    window is one of the sizes `windows` (short and long side in px of 224). Without `may_halve` the pair keeps its resolution. None when
    nothing in the sample differs enough from the real picture (MIN_CHANGE), or its area is a sliver. Every chance is drawn whether it is
    needed or not, so the same generator state gives the same forgery when the drawn kind or blend is asked for by name. The window 224×224
    of a partial swap is the whole picture: the whole face is then swapped. ValueError for an unknown kind or blend, or pictures of unequal
    or non-square shape."""
    if real.shape != fake.shape or real.ndim != 3 or real.shape[0] != real.shape[1] or real.shape[2] != 3:
        raise ValueError(f"The pair must be two equal square pictures, not {real.shape} and {fake.shape}.")
    if kind not in (None, *KINDS) or blend not in (None, *BLENDS, UNSEEN_BLEND):
        raise ValueError(f"Unknown kind or blend: {kind}, {blend}.")
    side = real.shape[0]
    chances = random.random(5)
    kind = kind or KINDS[int(np.searchsorted(np.cumsum(KIND_SHARES)[:-1], chances[0], side="right"))]
    blend = blend or BLENDS[int(chances[1] * len(BLENDS))]
    halved = may_halve and bool(chances[2] < HALVED_SHARE)
    short, long = windows[int(chances[3] * len(windows))]
    size = (short, long) if chances[4] < 0.5 else (long, short)
    area = face_hull(landmarks, side, random)
    if halved:
        real, fake = half_resolution(real), half_resolution(fake)
    boxes = [(0.0, 0.0, 1.0, 1.0)]
    if kind == "partial":
        box = (0, 0, side, side)
        if size != (224, 224):
            box = window_of_greatest_difference(dssim(real, fake), area, *(round(extent * side / 224) for extent in size))
        x0, y0, x1, y1 = (min(max(edge, 0), side) for edge in box)
        boxes.append((x0 / side, y0 / side, x1 / side, y1 / side))
        hull, area = area, np.zeros_like(area)
        area[y0:y1, x0:x1] = hull[y0:y1, x0:x1]
    if kind == "untouched":
        rgb, mask, blend = np.array(fake), np.ones((side, side), np.float32), "none"
    elif min(cv2.boundingRect((area[2:-2, 2:-2] > 0).astype(np.uint8))[2:]) < max(9, round(_MIN_EXTENT * side / 224)):
        return None
    elif kind == "real_into_fake":
        rgb, share = _pasted(real, fake, area, blend)
        mask = 1 - share
    else:
        rgb, mask = _pasted(fake, real, area, blend)
    if largest_change(rgb, real) < MIN_CHANGE:
        return None
    return Swapped(rgb, np.array(boxes, np.float32), mask, kind, blend, halved)
