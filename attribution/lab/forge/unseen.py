"""Face swaps by a way that no training used, to ask a detector about forgeries of a kind it has never seen.

Unlike `forge.landmark_swap` (affine warp, colours by mean and spread, the mean face's outline, alpha or Poisson blending) the donor's
face is laid on by a similarity and a mild thin-plate warp, its colours matched by histogram, an ellipse cut out and blended band by band
in a Laplacian pyramid. A *partial* swap takes from it only a window where it differs most from the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from attribution.lab.forge.augment import LAB_JPEG_QUALITY, jpeg
from attribution.lab.forge.mfs import UNSEEN_BLEND, WINDOW_SIZES, Swapped, multi_scale_swap, pyramid_blend
from attribution.lab.forge.swaps import LEAST_PIXELS, Forgery, choose_donor

KINDS = ("whole", "partial")
# How often a draw may come to nothing before a case is given up.
TRIES = 8
_SEED, _GRID, _ROUND_PRECISION = 20230619, 29, 4


@dataclass(frozen=True)
class UnseenSwap:
    """One forgery: `rgb` S×S×3 uint8, encoded once as JPEG as every crop was; `kind` of KINDS; `base` the place of its target among the
    pictures it was made from."""

    rgb: np.ndarray
    kind: str
    base: int


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 2×3 least-squares similarity (turn, one scale, shift; no mirror image) from N×2 source points to N×2 target points: Umeyama,
    "Least-squares estimation of transformation parameters between two point patterns", 1991, in the plane. ValueError when all source
    points coincide."""
    a, b = (np.asarray(points, np.float64) @ (1, 1j) for points in (source, target))
    a_mean, b_mean = a.mean(), b.mean()
    spread = float((np.abs(a - a_mean) ** 2).sum())
    if spread < 1e-9:
        raise ValueError("a similarity needs two different points")
    # A turn and a scale are one complex factor.
    factor = (np.conj(a - a_mean) * (b - b_mean)).sum() / spread
    shift = b_mean - factor * a_mean
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def _warp_maps(target_landmarks: np.ndarray, donor_landmarks: np.ndarray, side_px: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel of the target where to look in the donor (x and y, S×S float32 px): the similarity, bent by a thin-plate spline
    (Bookstein 1989) that carries the landmarks `strength` (0..1) of the way onto each other and leaves the corners alone."""
    back = similarity(target_landmarks, donor_landmarks)
    moved = target_landmarks @ back[:, :2].T + back[:, 2]
    corners = np.array([(x, y) for x in (0, side_px - 1) for y in (0, side_px - 1)], np.float64)
    shifts = np.vstack([strength * (donor_landmarks - moved), np.zeros((4, 2))])
    spline = RBFInterpolator(np.vstack([target_landmarks, corners]).astype(np.float64), shifts, kernel="thin_plate_spline", smoothing=1e-3)
    steps = np.linspace(0, side_px - 1, _GRID)
    bent = spline(np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)).reshape(_GRID, _GRID, 2).astype(np.float32)
    # The spline is smooth: a coarse grid of it, interpolated corner to corner, is as good as all pixels.
    place = np.arange(side_px, dtype=np.float32) * (_GRID - 1) / max(side_px - 1, 1)
    field = cv2.remap(bent, *np.meshgrid(place, place), cv2.INTER_LINEAR)
    x, y = np.meshgrid(np.arange(side_px), np.arange(side_px))
    straight = np.stack([x, y], -1) @ back[:, :2].T + back[:, 2]
    maps = (straight + field).astype(np.float32)
    return np.ascontiguousarray(maps[..., 0]), np.ascontiguousarray(maps[..., 1])


def match_histogram(source: np.ndarray, target: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """`source` (S×S×3 uint8 RGB) with the values of each Lab channel moved so that their histogram inside of the boolean S×S area becomes
    that of `target`. Unchanged where the area has fewer than 50 pixels."""
    if inside.sum() < LEAST_PIXELS:
        return source
    pair = [cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) for rgb in (source, target)]
    table = np.empty((256, 3), np.uint8)
    for channel in range(3):
        shares, seen = [], []
        for lab in pair:
            counts = np.bincount(lab[..., channel][inside], minlength=256).astype(np.float64)
            # The middle of a value's own share: symmetric, so equal histograms leave the picture as it is.
            shares.append((np.cumsum(counts) - counts / 2) / counts.sum())
            seen.append(np.flatnonzero(counts))
        own, wanted = seen
        moved = np.interp(shares[0][own], shares[1][wanted], wanted)
        # Values that the area does not hold move with the nearest one that it does.
        every = np.arange(256)
        table[:, channel] = np.clip(np.round(np.interp(every, own, moved) + every - np.clip(every, own[0], own[-1])), 0, 255)
    return cv2.cvtColor(cv2.LUT(pair[0], table[:, None]), cv2.COLOR_LAB2RGB)


def face_ellipse(landmarks: np.ndarray, side_px: int, grown: float = 1.0) -> np.ndarray:
    """S×S float32 of 0 and 1: an upright ellipse over brows, mouth and cheeks, turned with the face; `grown` scales both axes."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    width = max(float(np.linalg.norm(landmarks[1] - landmarks[0])), 0.5 * float(np.linalg.norm(mouth - eyes)), 1.0)
    height = max(float(np.linalg.norm(mouth - eyes)), 1.0)
    centre = eyes + 0.55 * (mouth - eyes)
    # The axis runs down the face, and OpenCV turns the first axis away from x.
    angle = float(np.degrees(np.arctan2(*(mouth - eyes)[::-1]))) - 90
    mask = np.zeros((side_px, side_px), np.float32)
    scale = 2**_ROUND_PRECISION
    place, axes = np.round(centre * scale).astype(int), np.round(np.array([0.85 * width, 1.12 * height]) * grown * scale).astype(int)
    cv2.ellipse(mask, place.tolist(), axes.tolist(), angle, 0, 360, (1.0,), -1, shift=_ROUND_PRECISION)
    return mask


def pyramid_swap(
    target: np.ndarray, target_landmarks: np.ndarray, donor: np.ndarray, donor_landmarks: np.ndarray, random: np.random.Generator
) -> Forgery:
    """The donor's face in the target's place (S×S×3 uint8 each, landmarks 5×2 px): similarity and thin-plate warp, colours by histogram,
    an ellipse, blended in a Laplacian pyramid. Not encoded yet."""
    side = target.shape[0]
    strength, grown = random.uniform(0.4, 0.9), random.uniform(0.85, 1.0)
    across, down = _warp_maps(target_landmarks, donor_landmarks, side, strength)
    warped = cv2.remap(donor, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    covered = ((across >= 0) & (across <= side - 1) & (down >= 0) & (down <= side - 1)).astype(np.float32)
    mask = face_ellipse(target_landmarks, side, grown) * cv2.erode(covered, np.ones((9, 9), np.uint8))
    warped = match_histogram(warped, target, mask > 0.5)
    return Forgery(pyramid_blend(warped, target, mask), mask)


def partial_swap(
    real: np.ndarray, fake: np.ndarray, landmarks: np.ndarray, seed: Sequence[int], blend: str | None = None,
    windows: Sequence[tuple[int, int]] = WINDOW_SIZES[:-1],
) -> Swapped | None:  # fmt: skip
    """A partial swap at the pair's own resolution through one of the `windows` (px of 224; none of them the whole crop); None when none of
    TRIES draws gives one. The draws depend on `seed` alone, so another blend asked for by name takes the same window wherever both are
    possible. Halved pictures are left to the training: beside untouched faces of full resolution, blur alone would give the forgery
    away."""
    for draw in range(TRIES):
        random = np.random.default_rng([*seed, draw])
        made = multi_scale_swap(real, fake, landmarks, random, kind="partial", blend=blend, windows=windows, may_halve=False)
        if made is not None:
            return made
    return None


def unseen_swaps(
    pictures: Sequence[np.ndarray] | np.ndarray, landmarks: np.ndarray, persons: Sequence[str], per_target: int = 2, seed: int = 0
) -> list[UnseenSwap]:
    """Whole and partial pyramid swaps on each of N faces of one collection (N×5×2 landmarks), `per_target` of both, with a donor of
    similar pose from the same collection who is another of the `persons`. Seeded; a partial one is left out where donor and target differ
    too little for it. A face for which there is no other person makes none."""
    names, made = np.array(persons), []
    for base in range(len(pictures)):
        others = np.flatnonzero(names != names[base])
        for turn in range(per_target if len(others) else 0):
            key = [_SEED, seed, base, turn]
            random = np.random.default_rng(key)
            donor = int(others[choose_donor(landmarks[base], landmarks[others], random)])
            target = np.array(pictures[base])
            whole = pyramid_swap(target, landmarks[base], np.array(pictures[donor]), landmarks[donor], random).rgb
            partial = partial_swap(target, whole, landmarks[base], key, UNSEEN_BLEND)
            pair = (whole, None if partial is None else partial.rgb)
            made += [UnseenSwap(jpeg(rgb, LAB_JPEG_QUALITY), kind, base) for kind, rgb in zip(KINDS, pair, strict=True) if rgb is not None]
    return made
