"""ImageNet weights to start from: a safetensors file with timm's names, or a PyTorch file of the EfficientNet-PyTorch family."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from attribution.errors import LabError


def read_pretrained(path: Path, backbone: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of `path` under timm's names for `backbone`; LabError when they do not fit.

    A `.pth` file names the layers in its own way (`_blocks.0._depthwise_conv.weight`) but lists them in timm's order. So the names are
    taken from timm and every shape is compared; the classifier alone may have another number of classes.
    """
    if path.suffix != ".pth":
        return load_file(path)
    stored = torch.load(path, weights_only=True, map_location="cpu")
    wanted = backbone.state_dict()
    if len(stored) != len(wanted):
        raise LabError(
            f"The pretrained file has {len(stored)} tensors, the architecture {len(wanted)}.", "Choose the file of this architecture."
        )
    for (own, value), (name, there) in zip(stored.items(), wanted.items(), strict=True):
        if value.shape[1:] != there.shape[1:] or (value.shape != there.shape and not name.startswith("classifier")):
            raise LabError(f"The pretrained tensor {own} does not fit {name}.", "Choose the file of this architecture.")
    return dict(zip(wanted, stored.values(), strict=True))
