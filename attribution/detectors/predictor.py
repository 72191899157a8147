"""Face crops → readings: numpy in, numpy out. The only place that knows devices, dtypes and batching.

Everything is float32. Autocast to bfloat16 about halves the time on CPUs that have it, but it moved the probabilities of the embedded
detector by up to 0.19 (110 test faces; 0.06 at the 90th percentile), and an answer must not depend on the machine that gives it."""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional

from attribution.detectors.loading import LoadedDetector
from attribution.errors import DeviceError
from attribution.evidence import Predictions
from attribution.messages import gettext as _
from attribution.models.backbones import features, normalise, pooled_width
from attribution.models.folding import folded

DEVICES = ("auto", "cpu", "cuda")
_BATCH = {"cpu": 16, "cuda": 64}


def pick_device(asked: str = "auto") -> str:
    """`cpu` or `cuda`; `auto` takes the GPU where there is one. Raises DeviceError when the asked-for device is not there."""
    if asked not in DEVICES:
        what, step = _("There is no device called “{name}”."), _("Use one of: {names}.")
        raise DeviceError(what.format(name=asked[:40]), step.format(names=", ".join(DEVICES)))
    there = asked != "cpu" and torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise DeviceError(_("This machine has no GPU that PyTorch can use."), _("Use --device cpu or --device auto."))
    return "cuda" if there else "cpu"


class Predictor:
    """A detector on a device. `read` may be called from several threads."""

    def __init__(self, detector: LoadedDetector, device: str = "cpu") -> None:
        self.detector, self.card, self.info, self.device = detector, detector.card, detector.info, pick_device(device)
        if self.device == "cpu":
            _use_no_more_threads_than_cores()
        # On a GPU we work on copies: the detector's own network stays on the CPU for the face that the GPU has no memory for.
        # What stands in for CUDA on ZeroGPU looks at all tensors copied so far for each further one, which takes minutes. A copy needs none
        # of it.
        with torch._C.DisableTorchFunction():
            parts = (folded(detector.model), detector.projection)
            model, projection = parts if self.device == "cpu" else copy.deepcopy(parts)
        # Depthwise convolutions are 1.6 times as fast on a CPU with the channels last.
        self.model = model.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.projection = projection.to(self.device) if projection is not None else None
        self.dimensions = projection.out_features if projection is not None else pooled_width(self.model)
        """D of the embeddings."""

    def __repr__(self) -> str:
        return f"Predictor({self.info.name!r} on {self.device})"

    def read(self, crops: np.ndarray, mirrored: bool = False) -> Predictions:
        """N×S×S×3 uint8 → Predictions of N faces; S is the card's crop side, N may be 0. `mirrored` averages the logits and the embeddings
        of each crop and its mirror image. When the GPU runs out of memory the batch halves down to one face, and then that face is read on
        the CPU. Raises ValueError for crops of another shape or type."""
        crops = self.checked(crops)
        logits = np.empty((len(crops), len(self.info.labels)), dtype=np.float32)
        embeddings = np.empty((len(crops), self.dimensions), dtype=np.float32)
        for first in range(0, len(crops), _BATCH[self.device]):
            part = slice(first, first + _BATCH[self.device])
            logits[part], embeddings[part] = self._read_batch(crops[part], mirrored)
        embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
        return Predictions(logits, self.calibrated(logits), embeddings)

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """softmax(logits / temperature), N×K float32, rows sum to 1 (Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 9)."""
        scaled = logits.astype(np.float64) / self.card.calibration.temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True)) if len(scaled) else scaled
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    def inputs(self, crops: np.ndarray) -> torch.Tensor:
        """The network's input, B×3×S×S float32 on the device, channels last in memory, of crops encoded once as JPEG where the card says
        so."""
        if (quality := self.card.jpeg_quality) is not None and len(crops):
            crops = np.stack([_encoded(crop, quality) for crop in crops])
        on_device = torch.from_numpy(np.require(crops, requirements=("C", "W"))).to(self.device)
        return normalise(on_device, self.detector.mean, self.detector.std).contiguous(memory_format=torch.channels_last)

    def checked(self, crops: np.ndarray) -> np.ndarray:
        """The crops, or ValueError when they are not N×S×S×3 uint8 with the card's S."""
        side = self.card.crop.side_px
        if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (side, side, 3):
            raise ValueError(f"crops must be N×{side}×{side}×3 uint8")
        return crops

    def _read_batch(self, crops: np.ndarray, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self._forward(crops, mirrored)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        if len(crops) == 1:
            return Predictor(self.detector, "cpu")._forward(crops, mirrored)
        half = len(crops) // 2
        first, second = self._read_batch(crops[:half], mirrored), self._read_batch(crops[half:], mirrored)
        return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])

    def _forward(self, crops: np.ndarray, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            inputs = self.inputs(crops)
            if mirrored:
                inputs = torch.cat([inputs, inputs.flip(3)]).contiguous(memory_format=torch.channels_last)
            pooled, logits = features(self.model, inputs)
            embeddings = self.projection(pooled) if self.projection is not None else functional.normalize(pooled, dim=1)
            if mirrored:
                logits, embeddings = (both.unflatten(0, (2, len(crops))).mean(0) for both in (logits, embeddings))
            return logits.float().cpu().numpy(), embeddings.float().cpu().numpy()


def _encoded(rgb: np.ndarray, quality: int) -> np.ndarray:
    """S×S×3 uint8 as it comes back from a JPEG file (4:2:0, OpenCV's)."""
    data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    # Our own bytes, no file of a stranger.
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]  # noqa: TID251


def _use_no_more_threads_than_cores() -> None:
    """PyTorch counts the machine's cores; in a container with a CPU quota that many threads wait for each other most of the time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        # No control group, or one without a quota ("max").
        pass
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores)))
