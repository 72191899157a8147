"""The naive way that most public demos go, as the yardstick of the benchmark: OpenCV decodes every frame, MTCNN with its default settings
looks at every full frame, and each face of each frame goes alone through the detector and alone through Grad-CAM. And the clip that both
ways are measured on: the two example portraits drift over a textured background, the same frames in every run."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from attribution.errors import LabError
from attribution.lab.examples import EXAMPLES

WIDTH_PX, HEIGHT_PX, FRAMES_PER_SECOND = 1280, 720, 30
# File, height in the clip, centre of its path, and how far and how fast it drifts: (pixels, seconds a turn) across and down.
_PORTRAITS = (("astronaut.png", 560, (375, 360), (90, 7.0), (50, 4.3)), ("grace_hopper.jpg", 420, (950, 370), (80, 5.1), (60, 6.2)))


def write_moving_clip(path: Path, seconds: float = 10.0) -> Path:
    """Write `seconds` of 1280×720 H.264 at 30 frames a second in MP4, two faces in every frame, one key frame in 250; returns `path`."""
    # A grey-blue slope with a little fixed grain: an even surface would make the clip cheaper to decode than a filmed one.
    slope = np.linspace(60, 150, HEIGHT_PX)[:, None, None] * np.array([0.8, 0.9, 1.0])
    grain = np.random.default_rng(0).normal(0, 6, (HEIGHT_PX, WIDTH_PX, 1))
    background = np.clip(slope + grain, 0, 255).astype(np.uint8)
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


def _compose(background: np.ndarray, portraits: list[np.ndarray], seconds: float) -> np.ndarray:
    rgb = background.copy()
    for portrait, (_, height_px, centre, across, down) in zip(portraits, _PORTRAITS, strict=True):
        x = round(centre[0] + across[0] * math.sin(2 * math.pi * seconds / across[1]) - portrait.shape[1] / 2)
        y = round(centre[1] + down[0] * math.sin(2 * math.pi * seconds / down[1]) - height_px / 2)
        rgb[y : y + height_px, x : x + portrait.shape[1]] = portrait
    return rgb


@dataclass(frozen=True)
class NaiveRun:
    """What the naive way took; fewer `frames` than `frames_in_clip` only when a limit was asked for."""

    seconds: float
    frames: int
    frames_in_clip: int
    faces: int

    @property
    def seconds_whole_clip(self) -> float:
        """Proportional when only some frames were examined."""
        return self.seconds * self.frames_in_clip / self.frames


def examine_naively(
    clip: Path, model: nn.Module, explained: nn.Module, mean: float, std: float, side_px: int = 224, most_frames: int | None = None
) -> NaiveRun:
    """Run the naive way on the CPU, Grad-CAM on the layer `explained`; LabError when OpenCV cannot read the clip."""
    finder, cam, reader = MTCNN(keep_all=True), GradCAM(model=model, target_layers=[explained]), cv2.VideoCapture(str(clip))
    frames = faces = 0
    started = time.perf_counter()
    while most_frames is None or frames < most_frames:
        read, bgr = reader.read()
        if not read:
            break
        frames += 1
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        boxes, _ = finder.detect(Image.fromarray(rgb))  # type: ignore[misc]
        for box in [] if boxes is None else boxes:
            # The most probable class of one face, then its heatmap: one forward pass for the class, and Grad-CAM's own two.
            crop = torch.from_numpy(_crop(rgb, box, side_px)).permute(2, 0, 1)
            inputs = crop.float().div(255).sub(mean).div(std).unsqueeze(0).requires_grad_()
            with torch.no_grad():
                label = int(model(inputs).argmax())
            cam(inputs, [ClassifierOutputTarget(label)])  # type: ignore[list-item]
            faces += 1
    seconds = time.perf_counter() - started
    frames_in_clip = max(frames, int(reader.get(cv2.CAP_PROP_FRAME_COUNT)))
    reader.release()
    if frames == 0:
        raise LabError("OpenCV could not read a frame of this clip.", "Give another one with --clip.")
    return NaiveRun(seconds, frames, frames_in_clip, faces)


def _crop(rgb: np.ndarray, box: Any, side_px: int) -> np.ndarray:
    """The square around a box, 1.3 times its longer side, stretched to `side_px`."""
    x0, y0, x1, y1 = (float(value) for value in box)
    half = 0.65 * max(x1 - x0, y1 - y0)
    left, top = max(0, round((x0 + x1) / 2 - half)), max(0, round((y0 + y1) / 2 - half))
    right, bottom = round((x0 + x1) / 2 + half), round((y0 + y1) / 2 + half)
    return cv2.resize(rgb[top : max(bottom, top + 1), left : max(right, left + 1)], (side_px, side_px))
