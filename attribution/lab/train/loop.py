"""What every training shares: the learning rate of a step, checkpoints and arrays that are written whole, averaged weights, workers side by
side."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.multiprocessing.spawn import spawn

_Net = TypeVar("_Net", bound=nn.Module)


def rate(peak: float, steps: int, step: int) -> float:
    """The learning rate of a step: linear warm-up over the first 4 % of `steps`, cosine decay from `peak` to a hundredth of it."""
    warm = min(1.0, (step + 1) / (0.04 * steps + 1))
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def save_checkpoint(path: Path, **state: Any) -> None:
    """Write it whole or not at all."""
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    unfinished.replace(path)


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays as an .npz file, whole or not at all; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(path)


def averaged(net: _Net, average: Mapping[str, torch.Tensor]) -> _Net:
    """A copy of the network with the averaged weights, in its own dtypes."""
    final = copy.deepcopy(net)
    own = final.state_dict()
    final.load_state_dict({name: value.to(own[name].dtype) for name, value in average.items()})
    return final


def run_workers(work: Callable[[int, Any, str], None], settings: Any, workers: int) -> None:
    """`work(rank, settings, meeting)` in this process for one worker, else in a process each; they meet at the file `meeting`."""
    if workers == 1:
        work(0, settings, "")
        return
    with tempfile.TemporaryDirectory() as folder:
        spawn(work, (settings, str(Path(folder) / "meeting")), nprocs=workers)
