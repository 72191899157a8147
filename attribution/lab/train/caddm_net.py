"""The network in training: what a step computes, from which weights it starts, and which of them stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from attribution.errors import LabError
from attribution.lab.train.caddm_matching import Targets, artifact_loss
from attribution.models.backbones import CADDM, build_caddm


@dataclass(frozen=True)
class Settings:
    """One training run. `plain` trains the binary detector that the paper compares with: no Artifact Detection Module, no Multi-scale
    Facial Swap, the same faces. `start` is a safetensors file of the backbone; its first `frozen` stages (and the stem) stay as they are.
    `artifact_weight` is the share of the module's loss (0.1 in the paper). `shares` says how often which kind of Multi-scale Facial Swap is
    drawn, in the order of KINDS (empty: the paper's 0.4, 0.2, 0.2, 0.2). `until` ends this sitting after so many steps (0: the whole
    run)."""

    data: str
    work: str
    out: str
    start: str
    plain: bool = False
    architecture: str = CADDM
    model_args: dict[str, Any] = field(default_factory=lambda: {"pad_type": "same"})
    frozen: int = 2
    steps: int = 4000
    seed: int = 7
    workers: int = 1
    threads: int = 0
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    artifact_weight: float = 0.1
    shares: tuple[float, ...] = ()
    clip_value: float = 1.0
    ema: float = 0.998
    leave_out: tuple[str, ...] = ()
    until: int = 0
    device: str = "cpu"


class Net(nn.Module):
    """The detector with its losses. `forward` takes normalised B×3×224×224, labels B and targets, and gives the joint loss and its parts:
    cross-entropy, where and whether (zero for the plain detector), and the share of right answers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.detector = build_caddm(2, settings.model_args, artifacts=not settings.plain, architecture=settings.architecture)
        self.artifact_weight, self.frozen = settings.artifact_weight, settings.frozen
        backbone: Any = self.detector.backbone
        self._still: list[nn.Module] = [backbone.conv_stem, backbone.bn1, *backbone.blocks[: self.frozen]] if self.frozen else []
        for module in self._still:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        for module in self._still:
            # Their batch normalisation keeps its statistics too.
            module.eval()
        return self

    def feature_maps(self, x: torch.Tensor) -> torch.Tensor:
        """The backbone's last map; no gradient is kept of the stages that stay as they are."""
        if not self._still:
            return self.detector.forward_features(x)
        backbone: Any = self.detector.backbone
        with torch.no_grad():
            x = backbone.bn1(backbone.conv_stem(x))
            for stage in backbone.blocks[: self.frozen]:
                x = stage(x)
        for stage in backbone.blocks[self.frozen :]:
            x = stage(x)
        return backbone.bn2(backbone.conv_head(x))

    def forward(self, x: torch.Tensor, y: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, ...]:
        detector = self.detector
        narrow = detector.narrowed(self.feature_maps(x))
        maps = detector.artifact_module.maps(narrow) if detector.artifact_module is not None else []
        logits = detector.classifier(detector.pooled(narrow, maps)).float()
        entropy = functional.cross_entropy(logits, y)
        where = whether = torch.zeros((), device=x.device)
        if detector.artifact_module is not None:
            class_logits, offsets = detector.artifact_module.boxes(maps)
            where, whether = artifact_loss(class_logits.float(), offsets.float(), targets)
        loss = entropy + self.artifact_weight * (where + whether)
        return loss, entropy.detach(), where.detach(), whether.detach(), (logits.argmax(1) == y).float().mean()


def start_from(net: Net, file: Path) -> None:
    """Load the backbone from a safetensors file under timm's names, its classifier left out; LabError when it does not fit."""
    try:
        stored = {name: value.float() if value.is_floating_point() else value for name, value in load_file(file).items()}
    except OSError as error:
        raise LabError("The file to start from cannot be read.", "Name a safetensors file of the backbone with --start.") from error
    stored = {name: value for name, value in stored.items() if not name.startswith("classifier")}
    missing = net.detector.backbone.load_state_dict(stored, strict=False)
    if missing.missing_keys or missing.unexpected_keys:
        first = [*missing.missing_keys, *missing.unexpected_keys][0]
        raise LabError("The file to start from does not fit the backbone.", f"First mismatch: {first}.")
