"""Heads on a backbone that stays as it is: what the backbone sees of many degraded copies of every training face is written down once, and
linear heads are fitted to that, whole and without any one source, in seconds.

Fine-tuning forgets what a backbone knew beyond the faces it is tuned on; a linear probe does not (Kumar et al. 2022, arXiv 2202.10054)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pytorch_metric_learning.losses import SupConLoss
from torch.nn import functional

from attribution.lab.data import Data, read_manifest
from attribution.lab.forge.augment import augment, degrade
from attribution.lab.forge.pools import FORGED, Samples, left_out, load_samples
from attribution.lab.train.loop import as_input, save_arrays
from attribution.lab.train.recipes import Recipe
from attribution.models.backbones import Projection, build_backbone

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


@dataclass(frozen=True)
class Copies:
    """What a backbone saw of N pictures: `seen` N×F float32, and of each its class's place (`labels`; 0 is untouched), its method and its
    source."""

    seen: np.ndarray
    labels: np.ndarray
    methods: np.ndarray
    sources: np.ndarray

    @staticmethod
    def of(file: Path, samples: Samples, recipe: Recipe) -> Copies:
        """Those that `see_copies` wrote, of the methods that a recipe knows."""
        with np.load(file) as stored:
            seen, chosen = stored["seen"], stored["copies"][:, 0]
        methods, sources = np.array(samples.methods)[chosen], np.array(samples.sources)[chosen]
        known = np.isin(methods, list(recipe.class_of))
        labels = np.array([recipe.class_of[method] for method in methods[known].tolist()])
        return Copies(seen[known].astype(np.float32), labels, methods[known], sources[known])

    def without(self, leave_out: Collection[str]) -> Copies:
        """Without these sources, and the forgeries made from their pictures."""
        kept = ~left_out(self.methods, self.sources, leave_out)
        return Copies(self.seen[kept], self.labels[kept], self.methods[kept], self.sources[kept])

    def weights(self, classes: int, cap: int) -> np.ndarray:
        """N, of sum 1: untouched faces half of it, the other classes the rest alike; within a class each source by the root of its number
        of copies up to `cap`."""
        found = np.zeros(len(self.labels))
        for label in range(classes):
            mine = self.labels == label
            if not mine.any():
                continue
            _, place, sizes = np.unique(self.sources[mine], return_inverse=True, return_counts=True)
            shares = np.minimum(sizes, cap) ** 0.5 / sizes
            found[mine] = shares[place] / (shares * sizes).sum() * (0.5 if label == 0 else 0.5 / (classes - 1))
        return found / found.sum()


@dataclass(frozen=True)
class Head:
    """Linear heads on standardised features: `mean` and `spread` F, classifier `weight` K×F and `bias` K, `projection` 128×F."""

    mean: np.ndarray
    spread: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    projection: np.ndarray

    def read(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """N×F features → logits N×K and unit embeddings N×128."""
        standard = (seen.astype(np.float32) - self.mean) / self.spread
        embeddings = standard @ self.projection.T
        return standard @ self.weight.T + self.bias, embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)


def fit_head(copies: Copies, classes: int, cap: int, decay: float = 3e-4, steps: int = 600, seed: int = 17) -> Head:
    """Fit both heads. The classifier minimises the weighted cross-entropy of the classes plus that of untouched against manipulated
    (log-odds by the sum over the manipulated classes), with `decay` · squared weights, by L-BFGS; the projection the supervised
    contrastive loss (Khosla et al. 2020, arXiv 2004.11362) of balanced batches by Adam."""
    share = copies.weights(classes, cap)
    mean = (share[:, None] * copies.seen).sum(0)
    spread = np.sqrt((share[:, None] * (copies.seen - mean) ** 2).sum(0)) + 1e-3
    x = torch.from_numpy(((copies.seen - mean) / spread).astype(np.float32))
    y, w = torch.from_numpy(copies.labels), torch.from_numpy(share.astype(np.float32))
    forged = (y > 0).float()
    weight, bias = torch.zeros(classes, x.shape[1], requires_grad=True), torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=steps // 4, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        logits = x @ weight.T + bias
        odds = torch.logsumexp(logits[:, 1:], 1) - logits[:, 0]
        each = functional.cross_entropy(logits, y, reduction="none")
        each = each + functional.binary_cross_entropy_with_logits(odds, forged, reduction="none")
        total = (w * each).sum() + decay * weight.square().sum()
        total.backward()
        return total

    solver.step(loss)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    projection = Projection(x.shape[1])
    contrast, optimiser = SupConLoss(temperature=0.1), torch.optim.AdamW(projection.parameters(), lr=2e-3, weight_decay=1e-2)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
        drawn = torch.from_numpy(random.choice(len(y), 384, p=share))
        found = contrast(projection(x[drawn]), y[drawn])
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
    return Head(mean, spread, weight.detach().numpy(), bias.detach().numpy(), projection.weight.detach().numpy())
