"""Forgeries that the lab makes itself, from aligned face crops and their five landmarks.

- `landmark_swap`: another person's face, warped by the landmarks, colour-matched and blended (Poisson or alpha).
- `self_blend`: a face blended with a changed copy of itself (self-blended images: Shiohara & Yamasaki, CVPR 2022, arXiv 2204.08376).
- `autoencoder_swap`: the face area drawn again by the auto-encoder and blended in, as the first face-swap programs did.
- `mouth_blend`: only the mouth from another person or from a changed copy of the face, as lip-sync programs and composites have it.

Pictures are S×S×3 uint8 RGB; landmarks 5×2 (left eye, right eye, nose, mouth left, mouth right) in pixels of the picture; masks S×S
float32 in [0, 1]. Each returns the forged picture and its mask, at no loss: encoding is left to the augmentation, alike for all classes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from attribution.lab.forge.autoencoder import UPSAMPLINGS, FaceAutoencoder

# The mean face of the training crops (224 px) and an outline of it from the brows to the chin, in the same pixels.
_MEAN_LANDMARKS = np.array([[66.5, 65.6], [156.4, 64.7], [110.7, 114.1], [72.4, 161.9], [151.2, 161.6]], np.float32)
_OUTLINE = np.array([
    [30, 70], [33, 110], [42, 150], [62, 188], [90, 210], [114, 216], [138, 210], [166, 188],
    [186, 150], [195, 110], [198, 70], [180, 40], [150, 28], [114, 32], [78, 28], [48, 40],
], np.float32)  # fmt: skip
# Colours are not matched inside of a smaller area.
LEAST_PIXELS = 50
_INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)


@dataclass(frozen=True)
class Forgery:
    """A forged picture and the share (0..1) of each pixel that was replaced."""

    rgb: np.ndarray
    mask: np.ndarray


def _affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 2×3 least-squares affine map from source points to target points."""
    design = np.hstack([source, np.ones((len(source), 1), np.float32)])
    solution, *_ = np.linalg.lstsq(design.astype(np.float64), target.astype(np.float64), rcond=None)
    return solution.T.astype(np.float32)


def face_outline(landmarks: np.ndarray) -> np.ndarray:
    """The mean face's outline (16×2) warped onto the five landmarks."""
    warp = _affine(_MEAN_LANDMARKS, landmarks)
    return _OUTLINE @ warp[:, :2].T + warp[:, 2]


def _elastic(mask: np.ndarray, random: np.random.Generator, strength_px: float) -> np.ndarray:
    side = mask.shape[0]
    coarse = random.normal(0, strength_px, (2, 5, 5)).astype(np.float32)
    shift_x, shift_y = (cv2.resize(plane, (side, side), interpolation=cv2.INTER_CUBIC) for plane in coarse)
    grid_y, grid_x = np.mgrid[0:side, 0:side].astype(np.float32)
    return cv2.remap(mask, grid_x + shift_x, grid_y + shift_y, cv2.INTER_LINEAR)


def face_mask(landmarks: np.ndarray, side_px: int, random: np.random.Generator) -> np.ndarray:
    """A soft mask of the face: the outline, sometimes only its lower or inner part, deformed, grown or shrunk, and feathered."""
    outline = face_outline(landmarks)
    centre = outline.mean(0)
    part = random.random()
    if part < 0.15:
        outline[:, 1] = np.maximum(outline[:, 1], landmarks[2, 1] - 0.04 * side_px * random.random())
    elif part < 0.45:
        outline = centre + (outline - centre) * random.uniform(0.62, 0.9)
    outline = centre + (outline - centre) * random.uniform(0.94, 1.05, (1, 2))
    return _soft(cv2.convexHull(outline.astype(np.float32))[:, 0], side_px, random)


def mouth_mask(landmarks: np.ndarray, side_px: int, random: np.random.Generator) -> np.ndarray:
    """A soft mask of the mouth and, by chance, of more around it."""
    left, right = landmarks[3], landmarks[4]
    reach = max(float(np.linalg.norm(right - left)), 0.1 * side_px)
    axes = reach * random.uniform(0.55, 0.95), reach * random.uniform(0.35, 0.75)
    turn = float(np.degrees(np.arctan2(*(right - left)[::-1])))
    centre = (left + right) / 2 + random.normal(0, 0.05, 2) * reach
    points = cv2.ellipse2Poly(tuple(np.round(centre).astype(int).tolist()), (int(axes[0]), int(axes[1])), int(turn), 0, 360, 10)
    return _soft(np.array(points), side_px, random)


def _soft(corners: np.ndarray, side_px: int, random: np.random.Generator) -> np.ndarray:
    """The polygon of these corners (K×2 px), sometimes deformed, and feathered."""
    mask = np.zeros((side_px, side_px), np.float32)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1.0)
    if random.random() < 0.6:
        mask = _elastic(mask, random, side_px * 0.018)
    feather = int(random.choice([3, 5, 9, 15, 23, 31]) * side_px / 224) | 1
    grown = cv2.GaussianBlur(mask, (feather, feather), 0)
    # Feather inwards only, half of the time, so that the border of the mask reaches zero before the outline does.
    return np.clip(2 * grown - 1, 0, 1) if random.random() < 0.5 else grown


def match_colour(source: np.ndarray, target: np.ndarray, mask: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Shift the mean and spread of each Lab channel of `source` to those of `target` inside the mask (Reinhard et al. 2001)."""
    inside = mask > 0.5
    if inside.sum() < LEAST_PIXELS:
        return source
    a, b = (cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32) for rgb in (source, target))
    (a_mean, a_std), (b_mean, b_std) = ((lab[inside].mean(0), lab[inside].std(0) + 1e-3) for lab in (a, b))
    moved = (a - a_mean) * np.clip(b_std / a_std, 0.5, 2.0) + b_mean
    mixed = np.clip(a + strength * (moved - a), 0, 255).astype(np.uint8)
    return cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB)


def blend(face: np.ndarray, target: np.ndarray, mask: np.ndarray, poisson: bool) -> np.ndarray:
    """Put `face` into `target` where the mask is, by alpha or by Poisson blending (Pérez et al. 2003)."""
    if poisson:
        hard = ((mask > 0.5) * 255).astype(np.uint8)
        # seamlessClone fails when the mask touches the border.
        hard[:2], hard[-2:], hard[:, :2], hard[:, -2:] = 0, 0, 0, 0
        x, y, width, height = cv2.boundingRect(hard)
        if width > 8 and height > 8:
            # OpenCV centres the bounding box of the mask on this point, so it must be that box's own centre, as (x, y).
            return cv2.seamlessClone(face, target, hard, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)
    alpha = mask[..., None]
    return np.clip(face * alpha + target * (1 - alpha) + 0.5, 0, 255).astype(np.uint8)


def _laid_on(
    donor: np.ndarray, donor_landmarks: np.ndarray, landmarks: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The donor warped onto the landmarks, and where it reaches (S×S float32 of 0 and 1)."""
    side, warp = donor.shape[0], _affine(donor_landmarks, landmarks)
    warped = cv2.warpAffine(donor, warp, (side, side), flags=int(random.choice(_INTERPOLATIONS[:2])), borderMode=cv2.BORDER_REFLECT)
    covered = cv2.warpAffine(np.ones((side, side), np.float32), warp, (side, side))
    return warped, cv2.erode(covered, np.ones((5, 5), np.uint8))


def landmark_swap(
    target: np.ndarray, target_landmarks: np.ndarray, donor: np.ndarray, donor_landmarks: np.ndarray, random: np.random.Generator
) -> Forgery:
    """The donor's face in the target's place: affine warp by landmarks, colour match, Poisson (40 %) or alpha blending."""
    side = target.shape[0]
    warped, covered = _laid_on(donor, donor_landmarks, target_landmarks, random)
    mask = face_mask(target_landmarks, side, random) * covered
    warped = match_colour(warped, target, mask, strength=float(random.uniform(0.6, 1.0)))
    return Forgery(blend(warped, target, mask, poisson=bool(random.random() < 0.4)), mask)


def _change(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A copy with other colours or another sharpness: what a pasted face would bring along."""
    changed = rgb.astype(np.float32)
    if random.random() < 0.8:
        changed = changed * random.uniform(0.88, 1.12) + random.uniform(-14, 14)
        changed += random.uniform(-10, 10, (1, 1, 3))
    if random.random() < 0.4:
        hsv = cv2.cvtColor(np.clip(changed, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 1] *= random.uniform(0.75, 1.25)
        changed = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    kind = random.random()
    if kind < 0.35:
        side = rgb.shape[0]
        small = max(24, int(side * random.uniform(0.35, 0.85)))
        shrunk = cv2.resize(changed, (small, small), interpolation=int(random.choice(_INTERPOLATIONS)))
        changed = cv2.resize(shrunk, (side, side), interpolation=int(random.choice(_INTERPOLATIONS)))
    elif kind < 0.55:
        changed = cv2.GaussianBlur(changed, (0, 0), float(random.uniform(0.5, 1.8)))
    elif kind < 0.75:
        changed += random.uniform(0.3, 1.2) * (changed - cv2.GaussianBlur(changed, (0, 0), 1.5))
    return np.clip(changed, 0, 255).astype(np.uint8)


def self_blend(rgb: np.ndarray, landmarks: np.ndarray, random: np.random.Generator) -> Forgery:
    """The face blended with a changed, slightly moved copy of itself; the blending share is drawn as in the paper."""
    side = rgb.shape[0]
    mask = face_mask(landmarks, side, random) * float(random.choice([0.5, 0.75, 1.0, 1.0, 1.0]))
    changed_face = random.random() < 0.5
    changed = _change(rgb, random)
    face, ground = (changed, rgb) if changed_face else (rgb, changed)
    scale, angle = random.uniform(0.95, 1.05), random.uniform(-2, 2)
    warp = cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale)
    warp[:, 2] += random.uniform(-0.03, 0.03, 2) * side
    face = cv2.warpAffine(face, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return Forgery(blend(face, ground, mask, poisson=False), mask)


def autoencoder_swap(
    rgb: np.ndarray, landmarks: np.ndarray, network: FaceAutoencoder, random: np.random.Generator, upsampling: str | None = None
) -> Forgery:
    """The face drawn again by the auto-encoder (with the named or a random up-sampling), colour-matched and blended in."""
    side = rgb.shape[0]
    drawn = network.resynthesise(rgb, upsampling or str(random.choice(UPSAMPLINGS)))
    if random.random() < 0.5:
        drawn = np.clip(drawn + random.uniform(0.3, 1.0) * (drawn - cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), 1.5)), 0, 255)
        drawn = drawn.astype(np.uint8)
    # A share under 1 lets some of the true skin texture through, so that blur alone does not give these forgeries away.
    mask = face_mask(landmarks, side, random) * float(random.choice([0.6, 0.8, 1.0, 1.0]))
    drawn = match_colour(drawn, rgb, mask, strength=float(random.uniform(0.3, 1.0)))
    return Forgery(blend(drawn, rgb, mask, poisson=bool(random.random() < 0.35)), mask)


def mouth_blend(
    target: np.ndarray, landmarks: np.ndarray, donor: np.ndarray, donor_landmarks: np.ndarray, random: np.random.Generator
) -> Forgery:
    """The mouth of the donor, or half of the time that of a changed and slightly moved copy of the face itself, blended in."""
    side = target.shape[0]
    mask = mouth_mask(landmarks, side, random)
    if random.random() < 0.5:
        face, covered = _laid_on(donor, donor_landmarks, landmarks, random)
        mask = mask * covered
        face = match_colour(face, target, mask, strength=float(random.uniform(0.6, 1.0)))
    else:
        warp = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-3, 3), random.uniform(0.94, 1.06))
        warp[:, 2] += random.uniform(-0.03, 0.03, 2) * side
        face = cv2.warpAffine(_change(target, random), warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return Forgery(blend(face, target, mask, poisson=bool(random.random() < 0.3)), mask)


def choose_donor(target_landmarks: np.ndarray, candidates: np.ndarray, random: np.random.Generator) -> int:
    """Among 48 random rows of `candidates` (N×5×2), one whose landmarks lie near the target's (similar pose), never the target."""
    drawn = random.choice(len(candidates), min(48, len(candidates)), replace=False)
    gaps = np.abs(candidates[drawn] - target_landmarks).mean((1, 2))
    gaps[gaps < 1e-3] = np.inf
    near = np.argsort(gaps)[: max(1, len(drawn) // 8)]
    return int(drawn[random.choice(near)])
