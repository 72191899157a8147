"""Batch normalisation folded into the convolution before it: the same network with less to compute. On a CPU the embedded detectors of
methods take 0.62 to 0.66 times as long, and no logit moves by more than 2e-5."""

from __future__ import annotations

import copy
from typing import Any

from timm.layers.norm_act import BatchNormAct2d
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from timm.models.efficientnet import EfficientNet
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from attribution.models.levels import Stages

# By the class of what holds them: which convolution is followed at once by which normalisation. A name or a place does not tell that.
_FOLLOWED_BY: dict[type, tuple[tuple[str, str], ...]] = {
    InvertedResidual: (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
    DepthwiseSeparableConv: (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    EfficientNet: (("conv_stem", "bn1"), ("conv_head", "bn2")),
    Stages: (("conv_stem", "bn1"),),
}


def folded(model: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode, with every batch normalisation of EfficientNet-like blocks folded into the convolution before
    it (Jacob et al. 2018, arXiv 1712.05877, eq. 14); the network itself where there is none. The copy cannot be trained."""
    if not any(type(module) in _FOLLOWED_BY for module in model.modules()):
        return model
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for convolution, normalisation in _FOLLOWED_BY.get(type(module), ()):
            conv, norm = getattr(module, convolution), getattr(module, normalisation)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, BatchNormAct2d) and not norm.training:
                known: Any = norm
                setattr(module, convolution, fuse_conv_bn_eval(conv, known))
                setattr(module, normalisation, nn.Sequential(known.drop, known.act))
    return model
