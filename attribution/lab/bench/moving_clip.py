"""A clip to measure speed on: the two example portraits drift over a textured background. The same frames in every run."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

WIDTH_PX, HEIGHT_PX = 1280, 720
FRAMES_PER_SECOND = 30
# File, height in the clip, centre of its path, and how far and how fast it drifts: (pixels, seconds a turn) across and down.
_PORTRAITS = (
    ("astronaut.png", 560, (375, 360), (90, 7.0), (50, 4.3)),
    ("grace_hopper.jpg", 420, (950, 370), (80, 5.1), (60, 6.2)),
)


def write_moving_clip(path: Path, seconds: float = 10.0) -> Path:
    """Write `seconds` of 1280×720 H.264 at 30 frames a second in MP4, two faces in every frame, one key frame in 250; returns `path`."""
    background = _background()
    portraits = [_portrait(name, height_px) for name, height_px, *_ in _PORTRAITS]
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for index in range(round(seconds * FRAMES_PER_SECOND)):
            frame = av.VideoFrame.from_ndarray(_compose(background, portraits, index / FRAMES_PER_SECOND), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _portrait(name: str, height_px: int) -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        width_px = round(picture.width * height_px / picture.height)
        return np.asarray(picture.convert("RGB").resize((width_px, height_px), Image.Resampling.LANCZOS))


def _background() -> np.ndarray:
    """A grey-blue slope with a little fixed grain: an even surface would make the clip cheaper to decode than a filmed one."""
    slope = np.linspace(60, 150, HEIGHT_PX)[:, None, None] * np.array([0.8, 0.9, 1.0])
    grain = np.random.default_rng(0).normal(0, 6, (HEIGHT_PX, WIDTH_PX, 1))
    return np.clip(slope + grain, 0, 255).astype(np.uint8)


def _compose(background: np.ndarray, portraits: list[np.ndarray], seconds: float) -> np.ndarray:
    rgb = background.copy()
    for portrait, (_, height_px, centre, across, down) in zip(portraits, _PORTRAITS, strict=True):
        x = round(centre[0] + across[0] * math.sin(2 * math.pi * seconds / across[1]) - portrait.shape[1] / 2)
        y = round(centre[1] + down[0] * math.sin(2 * math.pi * seconds / down[1]) - height_px / 2)
        rgb[y : y + height_px, x : x + portrait.shape[1]] = portrait
    return rgb
