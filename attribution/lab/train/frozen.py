"""First stages of a timm EfficientNet-like backbone that a training leaves as they are: they are half of the work of a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from attribution.models.levels import Levels


class FrozenStages:
    """The stem and the first `count` stages of `backbone`, from now on without gradients. Not a module, so that they are not held twice."""

    def __init__(self, backbone: nn.Module, count: int) -> None:
        self._backbone: Any = backbone
        self._count = count
        self._still: list[nn.Module] = [self._backbone.conv_stem, self._backbone.bn1, *self._backbone.blocks[:count]] if count else []
        for module in self._still:
            module.requires_grad_(False)

    def rest(self) -> None:
        """After `train()` of the network: their batch normalisation keeps its statistics too."""
        for module in self._still:
            module.eval()

    def feature_maps(self, x: torch.Tensor) -> torch.Tensor:
        """The backbone's last map, B×C×h×w; no graph is kept of the stages that stay as they are."""
        backbone = self._backbone
        if not self._still:
            return backbone.forward_features(x)
        if isinstance(backbone, Levels):
            return backbone.forward_features(x, self._count)
        with torch.no_grad():
            x = backbone.bn1(backbone.conv_stem(x))
            for stage in backbone.blocks[: self._count]:
                x = stage(x)
        for stage in backbone.blocks[self._count :]:
            x = stage(x)
        return backbone.bn2(backbone.conv_head(x))
