"""First stages of a timm EfficientNet-like backbone that a training leaves as they are: they are half of the work of a step."""

from __future__ import annotations

from typing import Any

from torch import nn


class FrozenStages:
    """The stem and the first `count` stages of `backbone` (none for 0), from now on without gradients: no graph is kept of them, as nothing
    in them or before them learns. Not a module, so that they are not held twice."""

    def __init__(self, backbone: Any, count: int) -> None:
        self._still: list[nn.Module] = [backbone.conv_stem, backbone.bn1, *backbone.blocks[:count]] if count else []
        for module in self._still:
            module.requires_grad_(False)

    def rest(self) -> None:
        """After `train()` of the network: their batch normalisation keeps its statistics too."""
        for module in self._still:
            module.eval()
