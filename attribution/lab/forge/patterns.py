"""Patterns without a face in which the face finder often sees one. Arrays are H×W×3 uint8 RGB, made from `rng` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np


def uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def _blobs(rng: np.random.Generator, side: int = 360) -> np.ndarray:
    leaves = rng.random() < 0.5
    rgb = np.full((side, side, 3), rng.uniform(10, 120, 3) * (0.5, 1, 0.5) if leaves else rng.uniform(5, 90, 3), np.float32)
    for _ in range(int(rng.integers(30, 140) if leaves else rng.integers(8, 50))):
        colour = rng.uniform(30, 200, 3) * (0.7, 1, 0.5) if leaves else rng.uniform(60, 255, 3)
        reach = float(rng.uniform(0.03, 0.14)) * side
        axes = (reach, reach * float(rng.uniform(0.2, 0.5))) if leaves else (reach, reach)
        centre, turn, share = rng.uniform(0, side, 2).tolist(), float(rng.uniform(0, 180)), float(rng.uniform(0.3, 1))
        layer = cv2.ellipse(rgb.copy(), (centre, (2 * axes[0], 2 * axes[1]), turn), colour.tolist(), -1)
        rgb = cv2.addWeighted(layer, share, rgb, 1 - share, 0)
    return uint8(cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.6, 5))) + rng.normal(0, rng.uniform(0, 5), rgb.shape))


def _spotted(rgb: np.ndarray, rng: np.random.Generator, middle: bool = False) -> np.ndarray:
    """With a bright patch, two dark spots side by side on it, a dim one and a dark bar below: as on sockets and the fronts of cars."""
    picture, side = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), float(rng.uniform(0.5, 6))), rgb.shape[1]
    unit = float(rng.uniform(0.06, 0.17)) * side
    x, y = side / 2 if middle else float(rng.uniform(0.35, 0.65)) * side, float(rng.uniform(0.33, 0.5)) * side
    bright = rng.uniform(90, 220, 3)
    dark = bright * rng.uniform(0.1, 0.5)
    eye, bar = rng.uniform(0.2, 0.6, 2), rng.uniform((0.8, 0.15), (1.3, 0.45))
    share = float(rng.uniform(0.35, 0.75))
    spots = (
        (0, 0.5, (3.0, 4.2), bright),
        (-0.7, 0, eye, dark),
        (0.7, 0, eye, dark),
        (0, 0.75, (0.35, 0.5), 0.8 * bright),
        (0, 1.5, bar, dark),
    )
    for right, down, size, colour in spots:
        box = (x + right * unit, y + down * unit), (float(size[0]) * unit, float(size[1]) * unit), 0.0
        picture = cv2.addWeighted(cv2.ellipse(picture.copy(), box, colour.tolist(), -1), share, picture, 1 - share, 0)
    return uint8(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.06, 0.2)) * unit) + rng.normal(0, 3, picture.shape))


def _noise(rng: np.random.Generator, side: int, octaves: int = 6) -> np.ndarray:
    """Octaves of smooth noise, side×side float32 in [0, 1]."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        coarse = rng.normal(0, 0.6**octave, (3 * 2**octave, 3 * 2**octave)).astype(np.float32)
        total += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return (total - total.min()) / (np.ptp(total) + 1e-6)


def _texture(rng: np.random.Generator, side: int = 360) -> np.ndarray:
    height = _noise(rng, side)
    kind = int(rng.integers(3))
    if kind == 1:
        across = np.linspace(0, 1, side)[None] + 0.5 * height
        height = 0.5 + 0.5 * np.sin(across * rng.uniform(20, 80))
    elif kind == 2:
        seeds = np.ones((side, side), np.uint8)
        at = rng.integers(0, side, (int(rng.integers(20, 150)), 2))
        seeds[at[:, 0], at[:, 1]] = 0
        far = cv2.distanceTransform(seeds, cv2.DIST_L2, 5)
        height = 0.7 * far / far.max() + 0.3 * height
    low, high = rng.uniform(0, 120, 3), rng.uniform(100, 255, 3)
    return uint8(low + height[..., None] * (high - low))


def _mirrored(rng: np.random.Generator) -> np.ndarray:
    half = (_blobs if rng.random() < 0.6 else _texture)(rng)[:, :180]
    return _spotted(np.hstack([half, half[:, ::-1]]), rng, middle=True)


PATTERNS: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "blobs": lambda rng: _spotted(_blobs(rng), rng),
    "textures": lambda rng: _spotted(_texture(rng), rng),
    "mirrors": _mirrored,
}
"""One picture without a face, in which the finder often sees one."""
