"""The 170 image transformations whose traces DNA-Det's trunk first learns to tell apart (Yang et al., AAAI 2022, arXiv 2202.13843, §3.2).

A generator's architecture leaves its traces by the same kinds of operation: resampling, smoothing, quantisation, noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from attribution.lab.forge.augment import Change, jpeg

CROP_PX = 128
QUALITIES = tuple(range(30, 100, 3))
# The same 24 values in a fixed order in which none meets itself.
SECOND_QUALITIES = tuple(QUALITIES[(7 * place + 5) % len(QUALITIES)] for place in range(len(QUALITIES)))
KERNELS_PX = tuple(range(3, 30, 2))
SCALES = tuple(round(0.15 + 0.05 * place, 2) for place in range(16))
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}  # fmt: skip
VARIANCES = tuple(range(10, 50, 3))


@dataclass(frozen=True)
class Transformation:
    """One class of the pre-training: `apply(rgb, random)` takes H×W×3 uint8 and gives the same shape; only noise draws from `random`."""

    family: str
    name: str
    apply: Change


def _resampled(scale: float, interpolation: int) -> Change:
    def apply(rgb: np.ndarray, _: np.random.Generator) -> np.ndarray:
        height, width = rgb.shape[:2]
        small = cv2.resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=interpolation)
        return cv2.resize(small, (width, height), interpolation=interpolation)

    return apply


def _noise(variance: int) -> Change:
    return lambda rgb, random: np.clip(np.rint(rgb + random.normal(0, variance**0.5, rgb.shape)), 0, 255).astype(np.uint8)


def transformations() -> tuple[Transformation, ...]:
    """All 170, in the order of their class: 24 JPEG, 24 double JPEG, 14 Gaussian blur, 14 median blur, 80 resampling, 14 Gaussian noise."""
    pairs = zip(QUALITIES, SECOND_QUALITIES, strict=True)
    resamplings = [(scale, name) for scale in SCALES for name in INTERPOLATIONS]
    return (
        *(Transformation("jpeg", f"quality {q}", lambda rgb, _, q=q: jpeg(rgb, q)) for q in QUALITIES),
        *(Transformation("double jpeg", f"quality {q}, then {r}", lambda rgb, _, q=q, r=r: jpeg(jpeg(rgb, q), r)) for q, r in pairs),
        *(Transformation("gaussian blur", f"kernel {k} px", lambda rgb, _, k=k: cv2.GaussianBlur(rgb, (k, k), 0)) for k in KERNELS_PX),
        *(Transformation("median blur", f"kernel {k} px", lambda rgb, _, k=k: cv2.medianBlur(rgb, k)) for k in KERNELS_PX),
        *(Transformation("resampling", f"scale {s}, {name}", _resampled(s, INTERPOLATIONS[name])) for s, name in resamplings),
        *(Transformation("gaussian noise", f"variance {v}", _noise(v)) for v in VARIANCES),
    )
