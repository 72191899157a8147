"""Makers of the pictures among the cases. Arrays are H×W×3 uint8 RGB; each maker draws from `rng` alone and writes one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage
from PIL import Image

from attribution.lab.cases.faces import Faces
from attribution.lab.forge.patterns import PATTERNS, uint8

_FILTERS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_PHOTOGRAPHS = (
    "brick.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
    "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
# So many draws of a face-free picture until the face finder is taken in by one.
_TRIES = 5
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32)


def save(stem: Path, rgb: np.ndarray, rng: np.random.Generator, lossless: float = 0.2) -> Path:
    """A JPEG of quality 70 to 95, or a PNG by chance."""
    if rng.random() < lossless:
        Image.fromarray(rgb).save(path := stem.with_suffix(".png"))
    else:
        Image.fromarray(rgb).save(path := stem.with_suffix(".jpg"), quality=int(rng.integers(70, 96)))
    return path


def resized(rgb: np.ndarray, share: float, how: int = cv2.INTER_AREA) -> np.ndarray:
    """The picture `share` times as large, with even sides."""
    height, width = (max(2, round(side * share / 2) * 2) for side in rgb.shape[:2])
    return cv2.resize(rgb, (width, height), interpolation=how)


# Without faces.


def blobs(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """Lights out of focus or leaves, among which spots lie by chance as eyes and a mouth do."""
    return save(stem, _deceiving(PATTERNS["blobs"], rng, faces), rng)


def textures(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """Noise of several octaves, bent stripes as of wood, cells; with such spots."""
    return save(stem, _deceiving(PATTERNS["textures"], rng, faces), rng)


def mirrors(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """Patterns whose halves mirror each other, as ink blots; with such spots."""
    return save(stem, _deceiving(PATTERNS["mirrors"], rng, faces), rng)


def photographs(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """Parts of scikit-image's photographs without people, enlarged or reduced."""
    whole = np.array(Image.open(Path(skimage.__file__).parent / "data" / _PHOTOGRAPHS[number % len(_PHOTOGRAPHS)]).convert("RGB"))

    def draw(rng: np.random.Generator) -> np.ndarray:
        side = int(min(whole.shape[:2]) * rng.uniform(0.3, 1))
        top, left = (int(rng.integers(0, length - side + 1)) for length in whole.shape[:2])
        part = whole[top : top + side, left : left + side]
        return resized(part, float(rng.uniform(256, 480)) / side, int(rng.choice([cv2.INTER_AREA, cv2.INTER_CUBIC])))

    return save(stem, _deceiving(draw, rng, faces), rng)


def _deceiving(draw: Any, rng: np.random.Generator, faces: Faces) -> np.ndarray:
    """The first draw in which the finder sees a face, or the last one."""
    rgb = draw(rng)
    for _ in range(_TRIES - 1):
        if faces.finder.find([rgb])[0]:
            break
        rgb = draw(rng)
    return rgb


# Untouched, and untouched but poor.


def ordinary(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """A head in a picture, a little smaller or larger than it was."""
    return save(stem, resized(faces.genuine(rng).rgb, float(rng.uniform(0.7, 1.4)), cv2.INTER_CUBIC), rng)


def soft(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """Reduced to a face of 16 to 48 px and enlarged again 4 to 8 times, by one of three filters; half of them sharpened."""
    head = faces.genuine(rng)
    small = resized(head.rgb, float(rng.uniform(16, 48)) / len(head.crop))
    rgb = resized(small, float(rng.uniform(4, 8)), _FILTERS[number % len(_FILTERS)])
    if rng.random() < 0.5:
        rgb = uint8(rgb + rng.uniform(0.5, 2) * (rgb.astype(np.float32) - cv2.GaussianBlur(rgb, (0, 0), 2)))
    return save(stem, rgb, rng)


def dark_or_blurred(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """Under-exposed with the noise of a sensor, out of focus, or moved."""
    rgb = faces.genuine(rng).rgb.astype(np.float32)
    if number % 3 == 0:
        rgb = rgb * rng.uniform(0.08, 0.3) + rng.normal(0, rng.uniform(1, 5), rgb.shape)
    elif number % 3 == 1:
        rgb = cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(1.5, 6)))
    else:
        length = int(rng.integers(5, 22))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1
        turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), float(rng.uniform(0, 180)), 1)
        kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)))
        rgb = cv2.filter2D(rgb, -1, kernel / kernel.sum())
    return save(stem, uint8(rgb), rng)


# Prints, scans and screens.


def halftone(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """Dots of four inks, each screen at an angle of its own, as a scanner sees them."""
    rgb = resized(faces.genuine(rng).rgb, 2.0, cv2.INTER_CUBIC).astype(np.float32) / 255
    black = 1 - rgb.max(2)
    inks = [*np.moveaxis((1 - rgb - black[..., None]) / np.maximum(1 - black[..., None], 1e-3), 2, 0), black]
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    period, turn = float(rng.uniform(4, 9)), float(rng.uniform(0, 90))
    printed = []
    for ink, degrees in zip(inks, (15, 75, 0, 45), strict=True):
        angle = np.radians(degrees + turn)
        u, v = (x * np.cos(angle) + y * np.sin(angle)) / period, (y * np.cos(angle) - x * np.sin(angle)) / period
        printed.append((ink > 0.5 + 0.25 * (np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v))).astype(np.float32))
    paper = np.stack([(1 - one) * (1 - printed[3]) for one in printed[:3]], 2) * 255
    scanned = cv2.GaussianBlur(paper, (0, 0), float(rng.uniform(0.4, 1.6)))
    return save(stem, resized(uint8(scanned), float(rng.uniform(0.5, 1))), rng)


def dithered(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """Few colours: by error diffusion (Floyd and Steinberg), or ordered (Bayer)."""
    rgb = faces.genuine(rng).rgb
    if number % 3 == 0:
        picture = Image.fromarray(rgb)
        rgb = np.array(picture.convert("1" if number % 2 else "P").convert("RGB"))
    else:
        levels, cell = int(rng.integers(2, 7)) - 1, int(rng.integers(1, 3))
        tile = np.kron((_BAYER + 0.5) / 16 - 0.5, np.ones((cell, cell), np.float32))
        lifted = np.tile(tile, [side // len(tile) + 1 for side in rgb.shape[:2]])[: rgb.shape[0], : rgb.shape[1], None]
        grey = rgb.mean(2, keepdims=True).repeat(3, 2) if number % 3 == 1 else rgb
        rgb = uint8(np.clip(np.round(grey / 255 * levels + lifted), 0, levels) * 255 / levels)
    return save(stem, rgb, rng, lossless=0.5)


def drawn(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """Posterised, painted, or drawn by pencil (OpenCV's filters of Gastal and Oliveira 2011)."""
    rgb = faces.genuine(rng).rgb
    if number % 3 == 0:
        levels = int(rng.integers(3, 8))
        smooth = cv2.bilateralFilter(rgb, 7, 50, 5)
        rgb = uint8(np.round(smooth / 255 * levels) * 255 / levels)
    elif number % 3 == 1:
        rgb = cv2.stylization(rgb, sigma_s=float(rng.uniform(10, 60)), sigma_r=float(rng.uniform(0.2, 0.5)))
    else:
        pencil = cv2.pencilSketch(rgb, sigma_s=float(rng.uniform(20, 60)), sigma_r=0.07, shade_factor=float(rng.uniform(0.02, 0.06)))
        rgb = pencil[1] if number % 2 else cv2.cvtColor(pencil[0], cv2.COLOR_GRAY2RGB)
    return save(stem, rgb, rng)


def screen(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """A screen with red, green and blue stripes in every pixel, photographed a little turned and smaller: moiré."""
    rgb = faces.genuine(rng).rgb
    lit = np.kron(rgb, np.ones((3, 3, 1), np.uint8)).astype(np.float32)
    stripes = np.full(lit.shape, 0.25, np.float32)
    for channel in range(3):
        stripes[:, channel::3, channel] = 2.2
    stripes[2::3] *= 0.6
    height, width = lit.shape[:2]
    share = float(rng.uniform(0.36, 0.62))
    warp = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-7, 7)), share)
    size = int(width * share), int(height * share)
    warp[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    seen = cv2.warpAffine(
        cv2.GaussianBlur(lit * stripes, (0, 0), float(rng.uniform(0.5, 1.1))), warp, size, borderMode=cv2.BORDER_REPLICATE
    )
    return save(stem, uint8(seen * rng.uniform(0.9, 1.15) + rng.normal(0, rng.uniform(0, 3), seen.shape)), rng)


# Swapped, or either.


def swapped(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """A swapped face as a plain picture: what the other manipulated kinds are made from."""
    return save(stem, faces.pair(rng)[1].rgb, rng)


def group(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """A large untouched head, and beside it a small swapped one, the crop of whose face is 72 to 112 px wide."""
    large = faces.genuine(rng)
    head = faces.pair(rng)[1]
    small = resized(head.rgb, float(rng.uniform(72, 112)) / len(head.crop))
    rgb = resized(large.rgb, float(rng.uniform(190, 240)) / len(large.crop), cv2.INTER_CUBIC)
    height, width = max(rgb.shape[0], small.shape[0]), rgb.shape[1] + small.shape[1]
    whole = np.full((height, width, 3), rng.uniform(60, 200, 3), np.float32).astype(np.uint8)
    whole[height - rgb.shape[0] :, : rgb.shape[1]] = rgb
    whole[height - small.shape[0] :, rgb.shape[1] :] = small
    return save(stem, whole, rng)


def _on_its_blur(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A vertical post: the picture on its own enlarged, blurred copy."""
    width, height = 432, 768
    rgb = resized(rgb, width / rgb.shape[1], cv2.INTER_CUBIC)[:height]
    behind = resized(rgb, height / rgb.shape[0] * float(rng.uniform(1, 1.3)), cv2.INTER_LINEAR)
    top, left = ((have - want) // 2 for have, want in zip(behind.shape, (height, width), strict=False))
    whole = cv2.GaussianBlur(behind[top : top + height, left : left + width], (0, 0), float(rng.uniform(5, 14)))
    first = (height - rgb.shape[0]) // 2
    whole[first : first + rgb.shape[0]] = rgb[:, :width]
    return whole


def post(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """An untouched head in a vertical post."""
    return save(stem, _on_its_blur(faces.genuine(rng).rgb, rng), rng)


def swapped_post(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """A swapped face in a vertical post."""
    return save(stem, _on_its_blur(faces.pair(rng)[1].rgb, rng), rng)


def turned(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """An untouched head upright, then by 90, 180 and 270 degrees, without a word of it in the file."""
    Image.fromarray(np.rot90(faces.genuine(rng).rgb, number % 4)).save(path := stem.with_suffix(".png"))
    return path


def swapped_turned(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """The same with a swapped face."""
    Image.fromarray(np.rot90(faces.pair(rng)[1].rgb, number % 4)).save(path := stem.with_suffix(".png"))
    return path
