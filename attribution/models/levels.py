"""Timm backbones of which every stage has a say: what their stages see is averaged over the picture, stage by stage, and a linear
classifier reads all of it.

The last stages know what a picture shows; how it was made is seen further down, and what is seen there holds for forgeries of unknown make
too (the generic traces of Wang et al. 2020, arXiv 1912.11035; our own figures stand in the model card)."""

from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from attribution.models.architectures import LEVELS_PREFIX
from attribution.models.dnadet import OwnNetwork

# Finer maps are averaged and coarser ones repeated to the grid of stride 16, on which all are seen together.
_STRIDE = 16


class Stages(nn.Module):
    """Normalised B×3×S×S → what the stem and each of the B blocks' stages end with, all on one grid: B×F×S/16×S/16. `backbone` is
    EfficientNet-like: `conv_stem`, `bn1` and `blocks`; what it has above them is not kept."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.conv_stem, self.bn1, self.blocks = backbone.conv_stem, backbone.bn1, backbone.blocks
        self.width = sum(_last_width(stage) for stage in (self.conv_stem, *self.blocks))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = max(1, x.shape[2] // _STRIDE), max(1, x.shape[3] // _STRIDE)
        found: list[torch.Tensor] = []
        for stage in (nn.Sequential(self.conv_stem, self.bn1), *self.blocks):
            x = stage(x)
            found.append(_on_grid(x, size))
        return torch.cat(found, 1)


class Levels(OwnNetwork):
    """Normalised B×3×S×S → standardised maps of all stages of all backbones B×F×S/16×S/16 → their means B×F → logits B×K. The `norm`
    standardises each channel by what training saw."""

    def __init__(self, backbones: Sequence[Any], num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.trunks = nn.ModuleList(Stages(one) for one in backbones)
        self.head_hidden_size = sum(one.width for one in self.trunks)  # type: ignore[misc]
        self.norm = nn.BatchNorm2d(self.head_hidden_size, affine=False)
        self.drop, self.classifier = nn.Identity(), nn.Linear(self.head_hidden_size, num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(torch.cat([trunk(x) for trunk in self.trunks], 1))


def _last_width(stage: nn.Module) -> int:
    """The channels that a stage ends with."""
    return [layer.out_channels for layer in stage.modules() if isinstance(layer, nn.Conv2d)][-1]


def _on_grid(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if maps.shape[2] < size[0]:
        return functional.interpolate(maps, size, mode="nearest")
    return functional.adaptive_avg_pool2d(maps, size)


def build_levels(num_classes: int, model_args: Mapping[str, Any], architecture: str) -> Levels:
    """The network on the timm backbones that the architecture's name lists, joined by `+`."""
    names = architecture.removeprefix(LEVELS_PREFIX).split("+")
    return Levels([timm.create_model(name, num_classes=0, **model_args) for name in names], num_classes)
