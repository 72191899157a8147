"""Training a detector: cross-entropy over methods plus a contrastive loss on the L2-normalised embedding.

Each sitting starts the stream of dropout from the seed: the same sittings give the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from pytorch_metric_learning import losses, miners
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from attribution.errors import LabError
from attribution.lab.data import find_data, read_manifest
from attribution.lab.forge.pools import load_samples
from attribution.lab.labels import LABELS as PUBLISHED
from attribution.lab.train import loop
from attribution.lab.train.loop import RunSettings, Training, adamw, as_input, autocast, load_but, placed, rate
from attribution.lab.train.recipes import recipe
from attribution.lab.train.sampling import Sampler
from attribution.models.backbones import Projection, build_backbone, pooled_width

LABELS = tuple(label.name for label in PUBLISHED)
_CLASSIFIERS = ("classifier", "head.fc", "fc.")


@dataclass(frozen=True)
class Settings(RunSettings):
    """One training run. `stages` are (share of the steps, window side in px) at the original scale of the crops. `head` is a name of
    RECIPES. `plain_forgeries` leaves out the one JPEG encoding of the lab's forgeries, as the sittings before it came did. A run
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

    def side_px(self, step: int) -> int:
        """The window's side at a step."""
        ends = accumulate(share for share, _ in self.stages)
        sides = (side_px for end, (_, side_px) in zip(ends, self.stages, strict=True) if step < end * self.steps)
        return next(sides, self.stages[-1][1])


class Net(nn.Module):
    """Backbone and projection together: normalised B×3×S×S → logits B×K and unit embeddings B×128."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        # Dropout is ours, before the classifier only: timm's would reach the embedding too.
        self.backbone = build_backbone(settings.architecture, len(recipe(settings.head).classes), settings.model_args)
        self.projection = Projection(pooled_width(self.backbone))
        self.dropout = settings.dropout

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        backbone: Any = self.backbone
        pooled = backbone.forward_head(backbone.forward_features(x), pre_logits=True)
        logits = backbone.get_classifier()(functional.dropout(pooled, self.dropout, self.training))
        return logits.float(), self.projection(pooled.float())


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


def start_from(backbone: nn.Module, pretrained: Path) -> None:
    """Load everything but the classifier from a file of the same architecture; LabError when anything else is missing."""
    load_but(_CLASSIFIERS, backbone, read_pretrained(pretrained, backbone), "The pretrained file does not fit the architecture.")


def _contrastive(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """The loss of unit embeddings B×D and labels B by its name."""
    if name == "triplet":
        loss, miner = losses.TripletMarginLoss(margin=0.2), miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
        return lambda embeddings, labels: loss(embeddings, labels, miner(embeddings, labels))
    return {"supcon": losses.SupConLoss, "ntxent": losses.NTXentLoss}[name](temperature=0.1) if name != "none" else None


def _build(settings: Settings) -> Training:
    data, device = find_data(settings.data), settings.device
    samples = load_samples(read_manifest(data), Path(settings.work), "train")
    sampler = Sampler(samples, recipe(settings.head), settings.seed, settings.leave_out, settings.plain_forgeries)
    net = Net(settings)
    if settings.pretrained:
        start_from(net.backbone, Path(settings.pretrained))
    contrastive = _contrastive(settings.contrastive)

    def step(net: nn.Module, step: int, rank: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        batch = sampler.batch(step, rank, settings.side_px(step))
        y = torch.from_numpy(batch.labels).to(device)
        with autocast(device):
            logits, embeddings = net(as_input(batch.pictures, device))
        entropy = functional.cross_entropy(logits.float(), y, label_smoothing=settings.label_smoothing)
        contrast = contrastive(embeddings.float(), y) if contrastive else torch.zeros(())
        right = (logits.argmax(1) == y).float().mean()
        loss, figures = entropy + settings.contrastive_weight * contrast, {"entropy": entropy, "contrast": contrast, "accuracy": right}
        return loss, {name: figure.detach() for name, figure in figures.items()}

    net = placed(net, device)
    return Training(
        net, adamw(net, settings.weight_decay), step, partial(rate, settings.learning_rate, settings.steps),
        clip=partial(nn.utils.clip_grad_norm_, max_norm=5.0), ema=settings.ema,
    )  # fmt: skip


train = partial(loop.train, build=_build)
