"""Heads on a backbone that stays as it is: what the backbone sees of many degraded copies of every training face is written down once, and
linear heads are fitted to that, whole and without any one source, in seconds.

Fine-tuning forgets what a backbone knew beyond the faces it is tuned on; a linear probe does not (Kumar et al. 2022, arXiv 2202.10054)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from attribution.lab.data import Data, read_manifest
from attribution.lab.forge.augment import augment, degrade
from attribution.lab.forge.pools import FORGED, Samples, load_samples
from attribution.lab.train.loop import as_input, save_arrays
from attribution.models.backbones import build_backbone

# Of each source (of each kind of forgery, for the lab's own) at most so many copies; of a small one at most so many of each face.
MOST_COPIES, MOST_OF_A_FACE, FORGERIES = 500, 5, 1800
_UNDEGRADED_SHARE = 0.35
_BATCH, _SIDE_PX = 32, 224


def draw_copies(samples: Samples, seed: int) -> np.ndarray:
    """Which copies are read, M×2 int64 of (sample, seed of its changes): faces of every source, forgeries each with the untouched picture
    under it, of the same seed."""
    random = np.random.default_rng(seed)
    methods, sources = np.array(samples.methods), np.array(samples.sources)
    chosen: list[tuple[int, int]] = []
    groups = [(np.flatnonzero((methods == method) & (sources == source)), MOST_COPIES) for method, source in sorted(
        {(method, source) for method, source in zip(samples.methods, samples.sources, strict=True) if method not in FORGED}
    )]  # fmt: skip
    groups += [(np.flatnonzero(methods == method), FORGERIES) for method in FORGED]
    for mine, most in groups:
        copies = np.tile(random.permutation(mine), MOST_OF_A_FACE)[: min(most, MOST_OF_A_FACE * len(mine))]
        for index in copies.tolist():
            change = int(random.integers(2**31))
            chosen.append((index, change))
            if samples.methods[index] in FORGED:
                chosen.append((int(samples.base[index]), change))
    return np.array(chosen, np.int64)


def copy_of(samples: Samples, index: int, seed: int) -> np.ndarray:
    """One copy, 224×224×3 uint8: moved and changed as in training; about a third of them not degraded."""
    own = np.random.default_rng(seed)
    picture = samples.encoded(index)
    if own.random() < _UNDEGRADED_SHARE:
        return augment(picture, own, _SIDE_PX, 0.15)
    return augment(degrade(picture, np.random.default_rng([seed, 1])), own, _SIDE_PX, float(own.choice((0.35, 1.0))))


def _see(task: tuple[Any, ...]) -> np.ndarray:
    """A worker's share of the copies, M×F float16."""
    data, work, split, copies, architecture, model_args, state = task
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    samples = load_samples(read_manifest(data), work, split)
    net: Any = build_backbone(architecture, 2, model_args)
    net.load_state_dict(state, strict=False)
    net = net.eval().to(memory_format=torch.channels_last)
    seen = []
    with torch.inference_mode():
        for first in range(0, len(copies), _BATCH):
            crops = np.stack([copy_of(samples, *one) for one in copies[first : first + _BATCH].tolist()])
            seen.append(net.forward_head(net.forward_features(as_input(crops, "cpu")), pre_logits=True).numpy().astype(np.float16))
            if first % (_BATCH * 50) == 0:
                print(f"{first} of {len(copies)} copies", flush=True)
    return np.concatenate(seen)


def see_copies(
    data: Data, work: Path, out: Path, architecture: str, model_args: Mapping[str, Any], state: Mapping[str, torch.Tensor],
    seed: int = 17, split: str = "train", workers: int = os.cpu_count() or 1,
) -> None:  # fmt: skip
    """Write what the backbone (`state`, of a Levels network) sees of the copies of a split to `out`: `seen` M×F float16, `copies` M×2."""
    copies = draw_copies(load_samples(read_manifest(data), work, split), seed)
    # Blocks of copies in turn, so that all workers end together.
    parts = np.array_split(copies, workers * 8)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        seen = list(pool.map(_see, [(data, work, split, part, architecture, dict(model_args), dict(state)) for part in parts]))
    save_arrays(out, seen=np.concatenate(seen), copies=copies)
