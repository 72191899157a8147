"""A verified detector in memory, and how its weights get there: every key, shape, kind and value compared first, then copied, or refused.

timm initialises a head afresh without an error when the number of classes differs, and loads nothing at all when the keys carry a prefix:
so nothing is left to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import nn

from attribution.detectors.card import MODEL_FILE, Card, probe_crop
from attribution.detectors.hub import LARGEST_FILE_BYTES
from attribution.errors import DamagedDetector, UnusableDetector
from attribution.evidence import DetectorInfo
from attribution.models.backbones import Projection, features, normalise

AGAIN = "Get the detector again from its source."

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, repr=False)
class LoadedDetector:
    """A verified detector in memory, float32, in evaluation mode, on the CPU. `mean` and `std` per colour are for inputs in [0, 1].
    `projection` is None where the pooled features themselves are the embedding, as in detectors that bring no reference faces."""

    name: str
    card: Card
    model: nn.Module
    projection: Projection | None
    folder: Path
    weights_sha256: str
    info: DetectorInfo
    architecture: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __repr__(self) -> str:
        return f"LoadedDetector({self.name!r}, {self.architecture}, {len(self.card.labels)} labels, {self.weights_sha256[:12]}…)"


def info_of(card: Card, source: str = "") -> DetectorInfo:
    """What evidence says of the detector that a card describes; `source` names its repository and commit."""
    return DetectorInfo(
        name=card.name,
        weights_sha256=card.files[MODEL_FILE],
        labels=tuple(label.name for label in card.labels),
        families=tuple(label.family for label in card.labels),
        display_names=tuple(label.display_name for label in card.labels),
        licence=card.licence,
        limits=card.limits,
        source=source,
        measured=not card.adapter,
    )


def read_bytes(folder: Path, name: str, most: int = LARGEST_FILE_BYTES) -> bytes:
    """A file of a detector's folder. Raises DamagedDetector or, for one beyond `most` bytes, UnusableDetector."""
    try:
        path = folder / name
        if path.stat().st_size > most:
            raise UnusableDetector(f"The file {name} of the detector is larger than {most // 2**20} MB.", "Use a smaller detector.")
        return path.read_bytes()
    except OSError as error:
        raise DamagedDetector(f"The detector's folder has no readable {name}.", AGAIN) from error


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """A JSON object, or DamagedDetector."""
    try:
        data = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedDetector(f"The file {name} of the detector is not JSON.", AGAIN) from error
    if not isinstance(data, dict):
        raise DamagedDetector(f"The file {name} of the detector is no JSON object.", AGAIN)
    return data


def parse_tensors(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, or UnusableDetector for any other: a pickle is never opened."""
    try:
        return parse_safetensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UnusableDetector(f"The file {name} of the detector is not in safetensors format.", "Only safetensors are read.") from error


def load_exactly(model: nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Copy `tensors` into the model in its own dtypes, after every key, shape and value was checked."""
    wanted = model.state_dict()
    differing = sorted(set(wanted) ^ set(tensors))
    if differing:
        raise DamagedDetector(f"{name} and the architecture differ in {len(differing)} tensors, {differing[0][:80]!r} first.", AGAIN)
    for key, tensor in tensors.items():
        alike = tensor.dtype in _FLOATS if wanted[key].is_floating_point() else tensor.dtype == wanted[key].dtype
        if tensor.shape != wanted[key].shape or not alike:
            raise DamagedDetector(f"The tensor {key[:80]!r} in {name} has not the shape or kind that the architecture needs.", AGAIN)
        # One infinite or undefined value makes the sum such a one; double precision holds any sum of finite ones. Faster than isfinite.
        if tensor.is_floating_point() and not math.isfinite(float(tensor.sum(dtype=torch.float64))):
            raise DamagedDetector(f"The tensor {key[:80]!r} in {name} holds values that are not finite.", AGAIN)
    model.load_state_dict({key: tensor.to(wanted[key].dtype) for key, tensor in tensors.items()}, strict=True)


def probe_logits(model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], side_px: int, seed: int) -> list[float]:
    """The K logits of `probe_crop(seed, side_px)` in float32 on the model's device: what a card's probes hold."""
    device = next(model.parameters()).device
    crop = torch.from_numpy(probe_crop(seed, side_px)).unsqueeze(0).to(device)
    with torch.inference_mode():
        return features(model, normalise(crop, mean, std))[1][0].float().cpu().tolist()
