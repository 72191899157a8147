"""What a frozen network of all stages (`models.levels`) sees of samples, read once and kept: what its heads are fitted on.

Of each sample the means of its standardised maps over the picture; of a forgery with an untouched picture under it also the means over the
cells that were changed, so that a head can be told where to look without the maps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from attribution.detectors.eight_bit import compress, expand
from attribution.lab.data import find_data, read_manifest
from attribution.lab.forge.mfs import differs
from attribution.lab.forge.pools import load_samples
from attribution.lab.train.loop import as_input, save_arrays
from attribution.lab.train.methods import start_from
from attribution.lab.train.side_by_side import side_by_side
from attribution.models.backbones import build_backbone
from attribution.models.levels import Levels

# As in TensorFlow, which both kinds of pretrained weights are from.
MODEL_ARGS = {"pad_type": "same"}
_PART = 1024
_NAMES = ("means", "changed", "share")


@dataclass(frozen=True)
class Seen:
    """Of N samples: `means` N×F over the whole picture, `changed` N×F over the cells where it differs from the untouched picture under it
    (nought where there is none), and `share` N, how much of the picture these cells are, in [0, 1]."""

    means: np.ndarray
    changed: np.ndarray
    share: np.ndarray

    def take(self, chosen: np.ndarray) -> Seen:
        return Seen(self.means[chosen], self.changed[chosen], self.share[chosen])


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


@torch.inference_mode()
def see(net: Levels, pictures: np.ndarray, untouched: Sequence[np.ndarray | None]) -> Seen:
    """Read B×S×S×3 uint8, of which some have an untouched picture under them."""
    maps = net.forward_features(as_input(pictures, "cpu"))
    height, width = maps.shape[2:]
    cells = np.zeros((len(pictures), height, width), np.float32)
    for place, below in enumerate(untouched):
        if below is not None:
            cells[place] = cv2.resize(differs(pictures[place], below).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    weights = torch.from_numpy(cells)
    inside = torch.einsum("bfhw,bhw->bf", maps, weights) / weights.sum((1, 2)).clamp_min(1e-6)[:, None]
    return Seen(maps.mean((2, 3)).numpy(), inside.numpy(), cells.mean((1, 2)))


def _read_part(data: str, work: Path, split: str, chosen: np.ndarray, trunk: Trunk, out: Path) -> None:
    """One part of `chosen`, whole or not at all."""
    samples = load_samples(read_manifest(find_data(data)), work, split)
    net = Levels([trunk.load()], 2).eval()
    found = []
    for first in range(0, len(chosen), 32):
        some = chosen[first : first + 32].tolist()
        below = [samples.encoded(int(samples.base[index])) if samples.base[index] >= 0 else None for index in some]
        found.append(see(net, np.stack([samples.encoded(index) for index in some]), below))
    arrays: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in found]).astype(np.float16) for name in _NAMES}
    save_arrays(out, chosen=chosen, **arrays)


def _holds(file: Path, chosen: np.ndarray) -> bool:
    """Whether the part is there, of these samples."""
    if not file.exists():
        return False
    with np.load(file) as stored:
        return np.array_equal(stored["chosen"], chosen)


def seen(data: str, work: Path, split: str, chosen: np.ndarray, trunk: Trunk, jobs: int, kind: str = "") -> Seen:
    """What the network sees of the `chosen` samples of a split: read by `jobs` processes of a thread each, in parts that are kept in the
    work folder, so that a stopped reading goes on; `kind` keeps the parts of several readings of a split apart."""
    folder, name = work / "seen" / trunk.name, f"{split}{kind}"
    parts = {folder / f"{name}-{place}.npz": chosen[first : first + _PART] for place, first in enumerate(range(0, len(chosen), _PART))}
    tasks = [(file.stem, folder, (data, work, split, mine, trunk, file)) for file, mine in parts.items() if not _holds(file, mine)]
    side_by_side(_read_part, tasks, jobs)
    arrays = []
    for file in parts:
        with np.load(file) as stored:
            arrays.append([stored[name].astype(np.float32) for name in _NAMES])
    return Seen(*(np.concatenate(column) for column in zip(*arrays, strict=True)))
