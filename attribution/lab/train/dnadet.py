"""Training DNA-Det in its two stages (Yang et al., AAAI 2022, arXiv 2202.13843): transformations first, then architectures.

What the released code gets wrong is mended here: the cross-entropy takes logits (there: the output of a softmax), the learning rate
follows one stated schedule per step (there: a scheduler stepped by epochs inside the loop over batches), and the validation faces are the
same at every look (there: drawn anew)."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from pytorch_metric_learning.losses import SupConLoss
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from attribution.errors import LabError
from attribution.lab.data import REAL, SIDE_PX, find_data, read_manifest
from attribution.lab.forge.augment import augment
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.forge.transformations import CROP_PX, transformations
from attribution.lab.metrics import macro_f1
from attribution.lab.train import loop
from attribution.lab.train.loop import RunSettings, Training, as_input, autocast, placed, rate, read_logits
from attribution.lab.train.sampling import Batch, BySource
from attribution.models.architectures import DNA_DET
from attribution.models.backbones import build_backbone
from attribution.models.dnadet import PATCH_PX, DnaDet

STAGES = ("transformations", "architectures")
TEMPERATURE = 0.07
CLASSES = (REAL, "stylegan2", "generated_photos", "sdxl", "flux1")
# An item is one picture of every class, as in the paper; stage 1 takes as many transformed pictures for one.
PATCHES = 16
PICTURES = len(CLASSES)
# Of the quality changes (`augment`): a third of the pictures keeps the finest traces as they are.
STRENGTHS = (0.0, 0.3, 0.8)


@dataclass(frozen=True)
class Settings(RunSettings):
    """One training run of one stage. `start` is the folder of a finished run of the first stage ("": random weights). `side_px` is the side
    that a whole picture is read at. A worker's step has `items` pictures of every class and `patches` patches of each (the paper: 1 and 16,
    of 512² pixels); the share `augmented` of stage 2's pictures changes in quality and geometry. For the ablation: `contrastive` false
    leaves the cross-entropy alone, `patches` 0 takes whole pictures, and `frequencies` false starts from random filters alone."""

    workers: int = 2
    learning_rate: float = 7e-4
    stage: str = "architectures"
    start: str = ""
    side_px: int = 224
    items: int = 1
    patches: int = PATCHES
    augmented: float = 1.0
    contrastive: bool = True
    frequencies: bool = True
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise LabError(f"There is no stage {self.stage!r}.", f"Use one of {', '.join(STAGES)}.")
        if self.side_px < PATCH_PX:
            raise LabError(f"A picture of {self.side_px} px holds no patch of {PATCH_PX} px.", "Use a larger side.")


def start_with_frequencies(convolution: nn.Conv2d) -> None:
    """Set the first 48 of the first convolution's 64 filters (4×4, 3 colours) to the 16 functions of the 4×4 discrete cosine transform in
    luma and two colour differences; the others stay random. The traces to be found are a hundredth of the variance of a patch. Random
    filters mix them with its colour, and batch normalisation then scales by the colour: 200 steps of stage 1 taught nothing. A filter of
    one frequency is scaled by that frequency."""
    side = convolution.kernel_size[0]
    place = torch.arange(side).float()
    waves = torch.cos(math.pi * (place[None] + 0.5) * place[:, None] / side)
    waves = waves / waves.norm(dim=1, keepdim=True)
    spatial = torch.einsum("ay,bx->abyx", waves, waves).reshape(-1, 1, side, side)
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    colours = (colours / colours.norm(dim=1, keepdim=True)).view(-1, 1, 3, 1, 1)
    filters = (colours * spatial[None]).reshape(-1, 3, side, side)
    with torch.no_grad():
        convolution.weight[: len(filters)] = filters * convolution.weight.std() * side * 3**0.5
        assert convolution.bias is not None
        convolution.bias.zero_()


class AutomaticWeights(nn.Module):
    """Σ Lᵢ / (2 pᵢ²) + ln(1 + pᵢ²) with learnt pᵢ, 1 at first (Liebel and Körner 2018, arXiv 1805.06334, eq. 3)."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.ones(losses))

    def forward(self, losses: torch.Tensor) -> torch.Tensor:
        squared = self.p**2
        return (losses / (2 * squared) + torch.log1p(squared)).sum()


class Net(nn.Module):
    """Trunk, head, the projection that only training uses (512 → 512 → 128, unit length) and the weights of the two losses."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        classes = len(transformations()) if settings.stage == STAGES[0] else len([c for c in CLASSES if c not in settings.leave_out])
        trunk = build_backbone(DNA_DET, classes, {"img_size": settings.side_px, "drop_rate": settings.dropout})
        assert isinstance(trunk, DnaDet)
        self.trunk = trunk
        if settings.frequencies:
            start_with_frequencies(cast(Any, trunk.stages[0]).conv_halve)
        width = trunk.head_hidden_size
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 128))
        # The first stage is a plain classification, as is the second where no two samples of a step share a class. The loss: Khosla et al.
        # 2020 (arXiv 2004.11362, eq. 2).
        contrastive = settings.contrastive and settings.stage == STAGES[1] and settings.items * max(settings.patches, 1) > 1
        self.contrastive = SupConLoss(temperature=TEMPERATURE) if contrastive else None
        self.weights = AutomaticWeights(2)

    def forward(self, patches: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss to minimise, cross-entropy, contrastive loss, and the share of patches answered rightly."""
        pooled = self.trunk.forward_head(self.trunk.stages(patches), pre_logits=True).float()
        logits = self.trunk.classifier(self.trunk.drop(pooled)).float()
        entropy = functional.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float().mean()
        if self.contrastive is None:
            return entropy, entropy, torch.zeros(()), right
        # In bfloat16 the similarities, divided by 0.07, would lose their last digits, and the gradient up to a sixth of itself.
        with torch.autocast(patches.device.type, enabled=False):
            contrast = self.contrastive(functional.normalize(self.projection(pooled), dim=1), labels)
        return self.weights(torch.stack([entropy, contrast])), entropy, contrast, right


def start_from(net: Net, run: Path) -> None:
    """Load the trunk of a finished first stage; its head stays behind. LabError when the run is not finished."""
    file = run / "final.safetensors"
    if not file.is_file():
        raise LabError("The run to start from is not finished.", "Finish the training on transformations first.")
    prefix = "trunk.stages."
    settings = json.loads((run / "settings.json").read_text())
    if settings["stage"] != STAGES[0] or settings["side_px"] != net.trunk.img_size:
        raise LabError("The run to start from is none of the first stage at this side.", "Name one that was trained on transformations.")
    state = {name.removeprefix(prefix): value for name, value in load_file(file).items() if name.startswith(prefix)}
    net.trunk.stages.load_state_dict(state)


def cut(picture: np.ndarray, random: np.random.Generator, count: int = PATCHES) -> np.ndarray:
    """`count` random patches of S×S×3 uint8, N×64×64×3."""
    places = random.integers(0, picture.shape[0] - PATCH_PX + 1, (count, 2)).tolist()
    return np.stack([picture[top : top + PATCH_PX, left : left + PATCH_PX] for top, left in places])


def magnified(picture: np.ndarray, side_px: int) -> np.ndarray:
    """S×S×3 uint8 at `side_px`, bilinear, as the network magnifies whole pictures."""
    return picture if len(picture) == side_px else cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_LINEAR)


class _PatchSampler:
    """What both stages share: samples drawn by their source, `patches` patches of each picture read at `side_px`. The same (seed, step,
    rank) gives the same batch."""

    classes: tuple[str, ...] = (REAL,)

    def __init__(self, samples: Samples, seed: int, side_px: int, items: int = 1, patches: int = PATCHES) -> None:
        self._samples, self._seed, self._side_px, self._items, self._patches = samples, seed, side_px, items, patches
        self._sources = BySource(samples, self.classes, ordered=True)
        missing = [name for name in self.classes if name not in self._sources]
        if missing:
            raise LabError(f"The faces to train on hold none of {missing[0]}.", "Add some, or leave the class out.")

    def _drawn(self, random: np.random.Generator) -> Iterator[tuple[np.ndarray, int]]:
        """The pictures of a step, with their labels."""
        raise NotImplementedError

    def batch(self, step: int, rank: int) -> Batch:
        """The patches of one worker at one step (whole pictures where `patches` is 0), with the label of their picture."""
        random = np.random.default_rng([self._seed, step, rank])
        pictures, labels = [], []
        for picture, label in self._drawn(random):
            shown = magnified(picture, self._side_px)
            pictures.append(cut(shown, random, self._patches) if self._patches else shown[None])
            labels += [label] * len(pictures[-1])
        return Batch(np.concatenate(pictures), np.array(labels))


class TransformationSampler(_PatchSampler):
    """Stage 1: a random 128×128 window of an untouched photograph → one of the 170 transformations, drawn evenly → `side_px` → patches.
    A step has `items` × 5 such pictures."""

    def _drawn(self, random: np.random.Generator) -> Iterator[tuple[np.ndarray, int]]:
        every, untouched = transformations(), np.flatnonzero(np.array(self._samples.methods) == REAL)
        for _ in range(self._items * PICTURES):
            picture = self._samples.picture(int(random.choice(untouched)))
            top, left = (int(v) for v in random.integers(0, SIDE_PX - CROP_PX + 1, 2))
            window = np.ascontiguousarray(picture[top : top + CROP_PX, left : left + CROP_PX])
            label = int(random.integers(len(every)))
            yield every[label].apply(window, random), label


class ArchitectureSampler(_PatchSampler):
    """Stage 2: `items` times one picture of every class, from a source drawn by the square root of its size; `patches` of each, or the
    whole picture (`patches` 0). The share `augmented` of the pictures changes in quality and geometry, alike for every class; the others
    are mirrored at most."""

    def __init__(
        self, samples: Samples, seed: int, side_px: int, items: int = 1, patches: int = PATCHES, leave_out: Collection[str] = (),
        augmented: float = 1.0,
    ) -> None:  # fmt: skip
        strangers = sorted(set(leave_out) - set(CLASSES))
        if strangers:
            raise LabError(f"DNA-Det has no class {strangers[0]!r} to leave out.", f"Use some of {', '.join(CLASSES)}.")
        self._augmented = augmented
        self.classes = tuple(name for name in CLASSES if name not in leave_out)
        super().__init__(samples, seed, side_px, items, patches)

    def _drawn(self, random: np.random.Generator) -> Iterator[tuple[np.ndarray, int]]:
        for label, name in [*enumerate(self.classes)] * self._items:
            picture = np.array(self._samples.picture(self._sources.draw(name, random)))
            # Not drawn where every picture changes, so that such runs stay as they were.
            if self._augmented >= 1 or random.random() < self._augmented:
                picture = augment(picture, random, SIDE_PX, float(random.choice(STRENGTHS)))
            elif random.random() < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
            yield picture, label


def _build(settings: Settings) -> Training:
    data, work, device = find_data(settings.data), Path(settings.work), settings.device
    rows = read_manifest(data)
    samples, val = (load_samples(rows, work, split) for split in ("train", "val"))
    own = (samples, settings.seed, settings.side_px, settings.items, settings.patches)
    net, methods = Net(settings), np.array(val.methods)
    first = settings.stage == STAGES[0]
    sampler = TransformationSampler(*own) if first else ArchitectureSampler(*own, settings.leave_out, settings.augmented)
    own_faces = [np.flatnonzero(methods == name) for name in sampler.classes]
    # At most 40 of a class, evenly over all sources, in which the manifest is sorted.
    fixed = np.concatenate([mine[np.unique(np.linspace(0, len(mine) - 1, 40).astype(int))] for mine in own_faces])
    if settings.start:
        start_from(net, Path(settings.start))

    def step(net: nn.Module, step: int, rank: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        # Dropout too depends on the step alone: a resumed run is the uninterrupted one.
        torch.manual_seed(1_000_003 * settings.seed + 1009 * step + rank)
        batch = sampler.batch(step, rank)
        with autocast(device):
            loss, entropy, contrast, right = net(as_input(batch.pictures, device), torch.from_numpy(batch.labels).to(device))
        return loss, {"entropy": entropy.detach(), "contrast": contrast.detach(), "patches right": right}

    def look(net: Net) -> str:
        said = read_logits(net.trunk, val.picture, fixed, device).argmax(1)
        score = macro_f1(methods[fixed].tolist(), np.array(sampler.classes)[said].tolist())
        return f"macro-F1 on {len(fixed)} fixed validation faces {score:.3f}"

    net = placed(net, device)
    return Training(
        net, torch.optim.Adam(net.parameters(), lr=settings.learning_rate), step, partial(rate, settings.learning_rate, settings.steps),
        clip=partial(nn.utils.clip_grad_norm_, max_norm=5.0), ema=settings.ema, unused=net.contrastive is None,
        look=None if first else look,
    )  # fmt: skip


train = partial(loop.train, build=_build)
