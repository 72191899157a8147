"""A timm backbone of which every stage has a say: what its stages see is averaged over the picture, stage by stage, and a linear classifier
reads all of it.

The last stages know what a picture shows; how it was made is seen further down, and what is seen there holds for forgeries of unknown make
too (the generic traces of Wang et al. 2020, arXiv 1912.11035; our own figures stand in the model card)."""

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from attribution.models.architectures import LEVELS_PREFIX
from attribution.models.dnadet import OwnNetwork

# Finer maps are averaged and coarser ones repeated to the grid of stride 16, on which all are seen together.
_STRIDE = 16


class Levels(OwnNetwork):
    """Normalised B×3×S×S → standardised maps of all stages B×F×S/16×S/16 → their means B×F → logits B×K. `backbone` is EfficientNet-like:
    `conv_stem`, `bn1` and `blocks`; what it has above them is not kept. The `norm` standardises each channel by what training saw."""

    def __init__(self, backbone: Any, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.conv_stem, self.bn1, self.blocks = backbone.conv_stem, backbone.bn1, backbone.blocks
        widths = [_last_width(stage) for stage in (self.conv_stem, *self.blocks)]
        self.head_hidden_size = sum(widths)
        self.norm = nn.BatchNorm2d(self.head_hidden_size, affine=False)
        self.drop, self.classifier = nn.Identity(), nn.Linear(self.head_hidden_size, num_classes)

    def forward_features(self, x: torch.Tensor, still: int | None = None) -> torch.Tensor:
        """`still`: no graph is kept of the stem and the first so many stages."""
        size, graph = (max(1, x.shape[2] // _STRIDE), max(1, x.shape[3] // _STRIDE)), torch.is_grad_enabled()
        found: list[torch.Tensor] = []
        for place, stage in enumerate((nn.Sequential(self.conv_stem, self.bn1), *self.blocks)):
            with torch.set_grad_enabled(graph and (still is None or place > still)):
                x = stage(x)
            found.append(_on_grid(x, size))
        return self.norm(torch.cat(found, 1))


def _last_width(stage: nn.Module) -> int:
    """The channels that a stage ends with."""
    return [layer.out_channels for layer in stage.modules() if isinstance(layer, nn.Conv2d)][-1]


def _on_grid(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if maps.shape[2] < size[0]:
        return functional.interpolate(maps, size, mode="nearest")
    return functional.adaptive_avg_pool2d(maps, size)


def build_levels(num_classes: int, model_args: Mapping[str, Any], architecture: str) -> Levels:
    """The network on the timm backbone that the architecture's name ends with."""
    name = architecture.removeprefix(LEVELS_PREFIX)
    return Levels(timm.create_model(name, num_classes=0, **model_args), num_classes)
