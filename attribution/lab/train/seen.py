"""What a frozen network of all stages (`models.levels`) sees of samples, read once and kept: what its heads are fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attribution.detectors.eight_bit import compress, expand
from attribution.lab.data import find_data, read_manifest
from attribution.lab.forge.pools import load_samples
from attribution.lab.train.loop import as_input, save_arrays
from attribution.lab.train.methods import start_from
from attribution.lab.train.side_by_side import side_by_side
from attribution.models.backbones import build_backbone
from attribution.models.levels import Levels

# As in TensorFlow, which both kinds of pretrained weights are from.
MODEL_ARGS = {"pad_type": "same"}
BATCH, _PART = 32, 1024


@dataclass(frozen=True)
class Trunk:
    """A frozen backbone of timm's: its name, the file that its weights are read from, and the start of that file's SHA-256, which is taken
    from the file unless it is given."""

    backbone: str
    pretrained: str
    digest: str = ""

    @property
    def name(self) -> str:
        """By backbone and weights."""
        return f"{self.backbone}-{self.told()[2]}"

    def told(self) -> tuple[str, str, str]:
        """Backbone, the file's name and its digest: for the record."""
        digest = self.digest or hashlib.sha256(Path(self.pretrained).read_bytes()).hexdigest()[:12]
        return self.backbone, Path(self.pretrained).name, digest

    def load(self) -> nn.Module:
        """The backbone with its weights as they ship, in 8 bits (`detectors.eight_bit`): what a head is fitted to is what it will see.
        LabError where the weights do not fit."""
        net = build_backbone(self.backbone, 1000, MODEL_ARGS)
        start_from(net, Path(self.pretrained))
        net.load_state_dict(expand(compress(net.state_dict())))
        return net


def see(net: Levels, pictures: np.ndarray) -> np.ndarray:
    """B×S×S×3 uint8 → the maps B×F×h×w of a network of one trunk."""
    with torch.inference_mode():
        return net.forward_features(as_input(pictures, "cpu")).numpy()


def _read_part(data: str, work: Path, split: str, trunk: Trunk, chosen: np.ndarray, out: Path) -> None:
    """One part of `chosen`, whole or not at all."""
    samples = load_samples(read_manifest(find_data(data)), work, split)
    net = Levels([trunk.load()], 2).eval()
    batches = [chosen[first : first + BATCH].tolist() for first in range(0, len(chosen), BATCH)]
    means = [see(net, np.stack([samples.encoded(index) for index in some])).mean((2, 3)) for some in batches]
    save_arrays(out, chosen=chosen, means=np.concatenate(means).astype(np.float16))


def _holds(file: Path, chosen: np.ndarray) -> bool:
    """Whether the part is there, of these samples."""
    if not file.exists():
        return False
    with np.load(file) as stored:
        return np.array_equal(stored["chosen"], chosen)


def in_parts(
    read: Callable[..., None], arguments: Sequence[Any], chosen: np.ndarray, folder: Path, name: str, jobs: int
) -> dict[str, np.ndarray]:  # fmt: skip
    """The arrays that `read(*arguments, some, file)` writes of parts of `chosen`, joined: made by `jobs` processes of a thread each and
    kept in the folder, so that a stopped reading goes on."""
    parts = {folder / f"{name}-{place}.npz": chosen[first : first + _PART] for place, first in enumerate(range(0, len(chosen), _PART))}
    tasks = [(file.stem, folder, (*arguments, mine, file)) for file, mine in parts.items() if not _holds(file, mine)]
    side_by_side(read, tasks, jobs)
    found: dict[str, list[np.ndarray]] = {}
    for file in parts:
        with np.load(file) as stored:
            for one in stored.files:
                found.setdefault(one, []).append(stored[one])
    return {one: np.concatenate(several) for one, several in found.items()}


def seen(data: str, work: Path, split: str, chosen: np.ndarray, trunk: Trunk, jobs: int, kind: str = "") -> np.ndarray:
    """The means N×F of the network's maps over the `chosen` samples of a split; `kind` keeps the parts of several readings of a split
    apart."""
    place = work / "seen" / trunk.name
    return in_parts(_read_part, (data, work, split, trunk), chosen, place, f"{split}{kind}", jobs)["means"].astype(np.float32)
