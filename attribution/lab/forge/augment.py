"""Quality and geometry changes for training, alike for every class, so that compression, size and colour cannot give the answer away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# The labelled crops were encoded once at this quality; the lab's forgeries get the same encoding before anyone looks at them.
LAB_JPEG_QUALITY = 90
_WEBP = (".webp", cv2.IMWRITE_WEBP_QUALITY)
_UP_OR_DOWN = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)


def jpeg(rgb: np.ndarray, quality: int, extension: str = ".jpg", setting: int = cv2.IMWRITE_JPEG_QUALITY) -> np.ndarray:
    """Encode and decode S×S×3 uint8 as JPEG, or another format of OpenCV's, of the given quality (1..100)."""
    _, data = cv2.imencode(extension, rgb[..., ::-1], [setting, quality])
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert bgr is not None, "OpenCV cannot read what it has just written"
    return np.ascontiguousarray(bgr[..., ::-1])


def movement(random: np.random.Generator, side: int) -> np.ndarray:
    """The 2×3 matrix of a small rotation, growth and shift of pictures of `side` px, by chance."""
    warp = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-10, 10), random.uniform(0.9, 1.15))
    warp[:, 2] += random.uniform(-0.05, 0.05, 2) * side
    return warp


def _moved(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side = rgb.shape[0]
    warp = movement(random, side)
    flags = int(random.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
    return cv2.warpAffine(rgb, warp, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)


def _coloured(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if random.random() < 0.5:
        table = np.arange(256, dtype=np.float32)[:, None] * random.uniform(0.8, 1.2)
        table = table + random.uniform(-25, 25) + random.uniform(-8, 8, (1, 3))
        table = 255 * np.clip(table / 255, 0, 1) ** random.uniform(0.75, 1.35)
        rgb = cv2.LUT(rgb, table.astype(np.uint8)[:, None, :])
    if random.random() < 0.4:
        hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(random.integers(-8, 9))) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * random.uniform(0.6, 1.35), 0, 255).astype(np.uint8)
        rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if random.random() < 0.04:
        rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return rgb


def _rescaled(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side = rgb.shape[0]
    small = int(side * random.uniform(0.33, 0.95))
    shrunk = cv2.resize(rgb, (small, small), interpolation=int(random.choice(_UP_OR_DOWN)))
    return cv2.resize(shrunk, (side, side), interpolation=int(random.choice(_UP_OR_DOWN[1:])))


def _blurred(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if random.random() < 0.7:
        return cv2.GaussianBlur(rgb, (0, 0), float(random.uniform(0.3, 1.7)))
    length = int(random.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), random.uniform(0, 180), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return cv2.filter2D(rgb, -1, kernel / max(float(kernel.sum()), 1e-6))


def _changed(
    rgb: np.ndarray, random: np.random.Generator, chances: np.ndarray, strength: float, changes: Sequence[tuple[float, Change]]
) -> np.ndarray:
    """Each of the changes whose chance lies below its share times `strength`, one after the other."""
    for chance, (share, change) in zip(chances, changes, strict=True):
        if chance < share * strength:
            rgb = change(rgb, random)
    return rgb


def augment(rgb: np.ndarray, random: np.random.Generator, side_px: int, strength: float = 1.0) -> np.ndarray:
    """S×S×3 uint8 → a `side_px` window of it (original scale), flipped, moved and changed in quality by chance. `strength` in [0, 1] scales
    the chance of each quality change; the same generator state gives the same change, so aligned pictures can be changed alike."""
    chances = random.random(9)
    if chances[0] < 0.5:
        rgb = rgb[:, ::-1]
    rgb = _changed(np.ascontiguousarray(rgb), random, chances[1:2], 1.0, ((0.45, _moved),))
    rgb = _changed(rgb, random, chances[2:5], strength, ((0.6, _coloured), (0.18, _blurred), (0.33, _rescaled)))
    top, left = (int(v) for v in random.integers(0, rgb.shape[0] - side_px + 1, 2))
    rgb = np.ascontiguousarray(rgb[top : top + side_px, left : left + side_px])
    if chances[5] < 0.2 * strength:
        noise = random.normal(0, random.uniform(1, 7), rgb.shape if random.random() < 0.5 else (*rgb.shape[:2], 1)).astype(np.float32)
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    if chances[6] < 0.62 * strength:
        rgb = jpeg(rgb, int(random.integers(35, 100)))
        if random.random() < 0.2:
            rgb = jpeg(rgb, int(random.integers(50, 100)))
    elif chances[6] < 0.68 * strength:
        rgb = jpeg(rgb, int(random.integers(40, 100)), *_WEBP)
    if chances[7] < 0.12:
        height, width = (int(v) for v in random.integers(side_px // 8, side_px // 2, 2))
        y, x = int(random.integers(0, side_px - height)), int(random.integers(0, side_px - width))
        rgb[y : y + height, x : x + width] = rgb.reshape(-1, 3).mean(0).astype(np.uint8)
    return rgb


def _stretched(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    low, high = (np.percentile(rgb, share) for share in (random.uniform(0, 3), random.uniform(97, 100)))
    return np.clip((rgb.astype(np.float32) - low) * 255 / max(high - low, 32.0), 0, 255).astype(np.uint8)


def _noisy(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    side = rgb.shape[0] if random.random() < 0.5 else int(rgb.shape[0] * random.uniform(0.2, 0.7))
    noise = random.normal(0, random.uniform(1, 7), (side, side, 3)).astype(np.float32)
    if side < rgb.shape[0]:
        noise = cv2.resize(noise, rgb.shape[:2], interpolation=cv2.INTER_LINEAR)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def photometric(rgb: np.ndarray, random: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """S×S×3 uint8, changed in quality by chance and never moved, so that boxes stay true: colour, gamma and HSV, contrast stretch,
    blur and motion blur, lower resolution, noise of full or low resolution, JPEG or WebP. `strength` in [0, 1] scales every chance; the
    same generator state gives the same changes."""
    chances = random.random(6)
    changes = ((0.55, _coloured), (0.12, _stretched), (0.15, _blurred), (0.25, _rescaled), (0.2, _noisy))
    rgb = _changed(rgb, random, chances[:5], strength, changes)
    if chances[5] < 0.66 * strength:
        quality = int(random.integers(40, 100))
        rgb = jpeg(rgb, quality) if chances[5] < 0.6 * strength else jpeg(rgb, quality, *_WEBP)
    return np.ascontiguousarray(rgb)
