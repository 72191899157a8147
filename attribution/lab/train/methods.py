"""Training a detector: cross-entropy over methods plus a contrastive loss on the L2-normalised embedding; where it is asked for, a loss on
where the answer comes from, too. The class activation map of a network that pools before its linear classifier (Zhou et al. 2016, arXiv
1512.04150) is what Grad-CAM shows of it. For a forgery its own class must speak where it differs from the untouched picture under it and
nowhere else, and nowhere on that picture.

Each sitting starts the stream of dropout from the seed: the same sittings give the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pytorch_metric_learning import losses, miners
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from attribution.errors import LabError
from attribution.lab.data import find_data, read_manifest
from attribution.lab.forge.mfs import differs
from attribution.lab.forge.pools import load_samples
from attribution.lab.labels import LABELS as PUBLISHED
from attribution.lab.train import loop
from attribution.lab.train.frozen import FrozenStages
from attribution.lab.train.loop import RunSettings, Training, adamw, as_input, autocast, load_but, placed, rate
from attribution.lab.train.recipes import recipe
from attribution.lab.train.sampling import Sampler
from attribution.models.architectures import LEVELS_PREFIX
from attribution.models.backbones import Projection, build_backbone, features, pooled_width

LABELS = tuple(label.name for label in PUBLISHED)
_CLASSIFIERS = ("classifier", "head.fc", "fc.")
# What a network of all stages does not keep of its backbone, or has besides.
_NOT_OF_LEVELS = ("conv_head", "bn2", "norm")


@dataclass(frozen=True)
class Settings(RunSettings):
    """One training run. `stages` are (share of the steps, window side in px) at the original scale of the crops. `head` is a name of
    RECIPES; `frozen` first stages of the backbone (and its stem) stay as they are; `where_weight` is the share of the loss on where the
    answer comes from. `plain_forgeries` leaves out the one JPEG encoding of the lab's forgeries, as the sittings before it came did. A run
    may be resumed with another number of steps."""

    steps: int = 2400
    workers: int = 2
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.02
    pretrained: str = ""
    architecture: str = "mobilenetv2_100"
    model_args: dict[str, Any] = field(default_factory=lambda: {"pad_type": "same"})
    contrastive: str = "supcon"
    contrastive_weight: float = 0.3
    label_smoothing: float = 0.03
    dropout: float = 0.2
    stages: tuple[tuple[float, int], ...] = ((0.55, 160), (0.25, 192), (0.2, 224))
    head: str = "methods"
    plain_forgeries: bool = False
    frozen: int = 0
    where_weight: float = 0.0

    def side_px(self, step: int) -> int:
        """The window's side at a step."""
        ends = accumulate(share for share, _ in self.stages)
        sides = (side_px for end, (_, side_px) in zip(ends, self.stages, strict=True) if step < end * self.steps)
        return next(sides, self.stages[-1][1])


class Net(nn.Module):
    """Backbone and projection together: normalised B×3×S×S → logits B×K, unit embeddings B×128 and, in training, the class activation
    maps B×h×w×K, whose mean are the logits."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        # Dropout is ours, before the classifier only: timm's would reach the embedding too.
        self.backbone = build_backbone(settings.architecture, len(recipe(settings.head).classes), settings.model_args)
        self.projection = Projection(pooled_width(self.backbone))
        self.dropout, self.where = settings.dropout, settings.where_weight > 0
        self._frozen = FrozenStages(self.backbone, settings.frozen)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        self._frozen.rest()
        return self

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        backbone: Any = self.backbone
        if not self.training:
            pooled, logits = features(backbone, x)
            return logits.float(), self.projection(pooled.float())
        maps = self._frozen.feature_maps(x)
        pooled, classifier = backbone.forward_head(maps, pre_logits=True), backbone.get_classifier()
        logits = classifier(functional.dropout(pooled, self.dropout))
        where = (classifier(maps.permute(0, 2, 3, 1)).float(),) if self.where else ()
        return logits.float(), self.projection(pooled.float()), *where


def read_pretrained(path: Path, backbone: nn.Module) -> dict[str, torch.Tensor]:
    """ImageNet weights to start from, under timm's names for `backbone`; LabError when they do not fit. `path` is a safetensors file with
    timm's names, or a `.pth` file of EfficientNet-PyTorch, which names the layers in its own way but lists them in timm's order: the names
    are taken from timm and every shape is compared, but for the classifier's number of classes."""
    if path.suffix != ".pth":
        return load_file(path)
    stored = torch.load(path, weights_only=True, map_location="cpu")
    wanted = backbone.state_dict()
    if len(stored) != len(wanted):
        what = f"The pretrained file has {len(stored)} tensors, the architecture {len(wanted)}."
        raise LabError(what, "Choose the file of this architecture.")
    for (own, value), (name, there) in zip(stored.items(), wanted.items(), strict=True):
        if value.shape[1:] != there.shape[1:] or (value.shape != there.shape and not name.startswith("classifier")):
            raise LabError(f"The pretrained tensor {own} does not fit {name}.", "Choose the file of this architecture.")
    return dict(zip(wanted, stored.values(), strict=True))


def start_from(net: Net, pretrained: Path, settings: Settings) -> None:
    """Load everything but the classifier from a file of the same architecture; LabError when anything else is missing."""
    name, levels = settings.architecture.removeprefix(LEVELS_PREFIX), settings.architecture.startswith(LEVELS_PREFIX)
    whole = read_pretrained(pretrained, build_backbone(name, 1000, settings.model_args) if levels else net.backbone)
    skipped = (*_CLASSIFIERS, *_NOT_OF_LEVELS) if levels else _CLASSIFIERS
    load_but(skipped, net.backbone, whole, "The pretrained file does not fit the architecture.")


def _contrastive(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """The loss of unit embeddings B×D and labels B by its name."""
    if name == "triplet":
        loss, miner = losses.TripletMarginLoss(margin=0.2), miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
        return lambda embeddings, labels: loss(embeddings, labels, miner(embeddings, labels))
    return {"supcon": losses.SupConLoss, "ntxent": losses.NTXentLoss}[name](temperature=0.1) if name != "none" else None


def changed_cells(pictures: np.ndarray, pairs: int, height: int, width: int) -> np.ndarray:
    """How far the cells of a map were changed, P×h×w float32 in [0, 1], of the pairs at the end of B×S×S×3 uint8 pictures: one where half
    of a cell differs from the untouched picture (`forge.mfs.differs`)."""
    found = []
    for place in range(len(pictures) - 2 * pairs, len(pictures), 2):
        changed = differs(pictures[place], pictures[place + 1]).astype(np.float32)
        found.append(np.minimum(2 * cv2.resize(changed, (width, height), interpolation=cv2.INTER_AREA), 1))
    return np.stack(found)


def where_loss(maps: torch.Tensor, labels: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each pair's class (B, those of the pairs last) in each cell of B×h×w×K maps: on the forgery as far as the
    cell was changed (P×h×w), on the untouched picture nowhere."""
    pairs = len(changed)
    forged, untouched = maps[len(maps) - 2 * pairs :: 2], maps[len(maps) - 2 * pairs + 1 :: 2]
    own = labels[len(labels) - 2 * pairs :: 2]
    speaks = [one[torch.arange(pairs, device=maps.device), :, :, own] for one in (forged, untouched)]
    wanted = (changed, torch.zeros_like(changed))
    return sum(functional.binary_cross_entropy_with_logits(one, goal) for one, goal in zip(speaks, wanted, strict=True)) / 2  # type: ignore[return-value]


def _build(settings: Settings) -> Training:
    data, device = find_data(settings.data), settings.device
    samples = load_samples(read_manifest(data), Path(settings.work), "train")
    sampler = Sampler(samples, recipe(settings.head), settings.seed, settings.leave_out, settings.plain_forgeries)
    net = Net(settings)
    if settings.pretrained:
        start_from(net, Path(settings.pretrained), settings)
    contrastive = _contrastive(settings.contrastive)

    def step(net: nn.Module, step: int, rank: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        batch = sampler.batch(step, rank, settings.side_px(step))
        y = torch.from_numpy(batch.labels).to(device)
        with autocast(device):
            logits, embeddings, *maps = net(as_input(batch.pictures, device))
        entropy = functional.cross_entropy(logits.float(), y, label_smoothing=settings.label_smoothing)
        contrast = contrastive(embeddings.float(), y) if contrastive else torch.zeros(())
        right = (logits.argmax(1) == y).float().mean()
        loss, figures = entropy + settings.contrastive_weight * contrast, {"entropy": entropy, "contrast": contrast, "accuracy": right}
        if maps and batch.pairs:
            changed = torch.from_numpy(changed_cells(batch.pictures, batch.pairs, *maps[0].shape[1:3])).to(device)
            figures["where"] = where_loss(maps[0], y, changed)
            loss = loss + settings.where_weight * figures["where"]
        return loss, {name: figure.detach() for name, figure in figures.items()}

    net = placed(net, device)
    return Training(
        net, adamw(net, settings.weight_decay), step, partial(rate, settings.learning_rate, settings.steps),
        clip=partial(nn.utils.clip_grad_norm_, max_norm=5.0), ema=settings.ema,
    )  # fmt: skip


train = partial(loop.train, build=_build)
