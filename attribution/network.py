"""Backbones (timm's, DNA-Det's own trunk, those of `shallow`) and heads as pure `nn.Module`s: tensors in, tensors out. Devices, dtypes and
batching live in `detector`.

Every backbone on the allow-list splits as `forward_features` (B×3×S×S → feature maps), `forward_head(…, pre_logits=True)` (→ pooled
B×F) and a linear classifier (→ logits B×K). The embedding of a face is `normalise(projection · pooled)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from attribution.caddm import Caddm
from attribution.errors import UnusableDetector
from attribution.shallow import Meso4, MesoInception4, ShallowNetV3

EMBEDDING_DIMENSIONS = 128
# DNA-Det learns on patches of this side, and its patch view shows them.
PATCH_PX = 64


@dataclass(frozen=True)
class Explained:
    """What Grad-CAM looks at in an architecture: the last layer that still has a place for every part of the face.

    `layer` is the module's path. `layout` says how its output lies: `channels_first` B×C×H×W, `channels_last` B×H×W×C, or `tokens`
    B×N×C behind `num_prefix_tokens` class and register tokens. `is_feature_map` holds when that output is what `forward_features`
    returns, so that its gradient needs the head only.
    """

    layer: str
    layout: str
    is_feature_map: bool


_EFFICIENTNET = Explained("bn2", "channels_first", True)
_RESNET = Explained("layer4", "channels_first", True)
_CONVNEXT = Explained("norm_pre", "channels_first", True)
# The class token alone reaches the head of these ViTs, so their last block gives the patch tokens no gradient: look at what it reads.
_VIT = Explained("blocks.11.norm1", "tokens", False)

DNA_DET = "dna_det"
# An artifact detection module on the timm backbone that follows the prefix.
CADDM_PREFIX = "caddm_"
CADDM = CADDM_PREFIX + "mobilenetv2_100"
ALLOWED_ARCHITECTURES: Mapping[str, Explained] = {
    # After the 3×3 convolution of stage 2: fine enough to show that the traces lie all over the picture.
    DNA_DET: Explained("stages.1.conv_same", "channels_first", False),
    CADDM: Explained("backbone.bn2", "channels_first", True),
    # Before the last pooling: S/8 × S/8 places; ShallowNetV3 has no pooling after its last maps, (S/4 − 4)² places.
    "meso4": Explained("fourth", "channels_first", False),
    "mesoinception4": Explained("fourth", "channels_first", False),
    "shallownet_v3": Explained("active", "channels_first", True),
    "efficientnet_b0": _EFFICIENTNET,
    "mobilenetv2_100": _EFFICIENTNET,
    "mobilenetv4_conv_small": Explained("blocks", "channels_first", True),
    "efficientnet_lite0": _EFFICIENTNET,
    "tf_efficientnet_lite0": _EFFICIENTNET,
    "efficientnet_b4": _EFFICIENTNET,
    "tf_efficientnetv2_b0": _EFFICIENTNET,
    "resnet18": _RESNET,
    "resnet34": _RESNET,
    "resnet50": _RESNET,
    "legacy_xception": Explained("act4", "channels_first", True),
    "convnextv2_atto": _CONVNEXT,
    "convnextv2_nano": _CONVNEXT,
    "swinv2_tiny_window8_256": Explained("norm", "channels_last", True),
    "vit_tiny_patch16_224": _VIT,
    "vit_small_patch16_224": _VIT,
}

# timm passes model arguments on to constructors and loaders: `checkpoint_path` alone would unpickle any file. So none but these.
_ALLOWED_MODEL_ARGS: Mapping[str, Callable[[Any], bool]] = {
    "pad_type": lambda value: value in ("", "same"),
    "drop_rate": lambda value: isinstance(value, int | float) and 0 <= value < 1,
    "drop_path_rate": lambda value: isinstance(value, int | float) and 0 <= value < 1,
    "img_size": lambda value: isinstance(value, int) and 32 <= value <= 1024,
}
_MOST_CLASSES = 1000
_SHALLOW: Mapping[str, Callable[..., nn.Module]] = {"meso4": Meso4, "mesoinception4": MesoInception4, "shallownet_v3": ShallowNetV3}
_DNA_DET_CHANNELS = (64, 128, 256, 512)


def build_backbone(architecture: str, num_classes: int, model_args: Mapping[str, Any] | None = None, pretrained: bool = False) -> nn.Module:
    """A backbone with a linear head of `num_classes`, in training mode as timm gives it.

    `model_args` may hold `pad_type`, `drop_rate`, `drop_path_rate` and `img_size`. `pretrained` lets timm fetch its own weights (lab
    only). Raises UnusableDetector for an architecture or an argument that is not on the allow-list.
    """
    arguments = dict(model_args or {})
    if architecture not in ALLOWED_ARCHITECTURES:
        raise UnusableDetector(
            f"The architecture {architecture[:60]!r} is not on Telltale's list.", f"Use one of: {', '.join(ALLOWED_ARCHITECTURES)}."
        )
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or not 2 <= num_classes <= _MOST_CLASSES:
        raise UnusableDetector(f"A detector has 2 to {_MOST_CLASSES} classes, not {num_classes!r}.", "Correct its config.json.")
    for name, value in arguments.items():
        usable = _ALLOWED_MODEL_ARGS.get(name)
        if usable is None or isinstance(value, bool) or not usable(value):
            raise UnusableDetector(
                f"The model argument {name[:60]!r} is not allowed, or has no usable value.", f"Use {', '.join(_ALLOWED_MODEL_ARGS)}."
            )
    try:
        if architecture == DNA_DET:
            return DnaDet(num_classes, **arguments)
        if architecture in _SHALLOW:
            return _SHALLOW[architecture](num_classes, **arguments)
        if architecture.startswith(CADDM_PREFIX):
            return build_caddm(num_classes, arguments, architecture=architecture)
        return timm.create_model(architecture, pretrained=pretrained, num_classes=num_classes, **arguments)
    except (TypeError, ValueError, AssertionError, KeyError) as error:
        raise UnusableDetector(f"{architecture} cannot be built with these model arguments.", "Correct its config.json.") from error


def build_caddm(num_classes: int, model_args: Mapping[str, Any] | None = None, artifacts: bool = True, architecture: str = CADDM) -> Caddm:
    """The ID-unaware detector on its timm backbone, or without `artifacts` the plain binary detector that it is compared with (lab)."""
    backbone: Any = timm.create_model(architecture.removeprefix(CADDM_PREFIX), num_classes=0, **(model_args or {}))
    return Caddm(backbone, int(backbone.head_hidden_size), num_classes, artifacts)


class _Stage(nn.Module):
    """Conv 4×4 stride 2 → conv 3×3, each with batch normalisation and LeakyReLU 0.2: B×I×S×S → B×O×S/2×S/2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_halve = nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1)
        self.norm_halve = nn.BatchNorm2d(out_channels)
        self.conv_same = nn.Conv2d(out_channels, out_channels, 3, stride=1, padding=1)
        self.norm_same = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.leaky_relu(self.norm_halve(self.conv_halve(x)), 0.2)
        return functional.leaky_relu(self.norm_same(self.conv_same(x)), 0.2)


class DnaDet(nn.Module):
    """DNA-Det's trunk and head (Yang et al., AAAI 2022, arXiv 2202.13843): eight convolutions in four stages of 64, 128, 256 and 512
    channels, global average pooling to 512 features, dropout and a linear classifier; 5.9 M parameters.

    It works on pictures of any side from 16 px, so that a patch of 64×64 and a whole picture pass through the same network. `img_size`
    magnifies whole pictures to that side first (512 in the paper; 0 takes them as they are). `drop_rate` is for training.
    """

    def __init__(self, num_classes: int, img_size: int = 0, drop_rate: float = 0.2) -> None:
        super().__init__()
        self.num_classes, self.head_hidden_size, self.img_size = num_classes, _DNA_DET_CHANNELS[-1], img_size
        self.stages = nn.Sequential(*(_Stage(i, o) for i, o in zip((3, *_DNA_DET_CHANNELS), _DNA_DET_CHANNELS, strict=False)))
        self.drop = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(self.head_hidden_size, num_classes)

    def magnified(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S at the side that whole pictures are read at."""
        if self.img_size in (0, x.shape[-1]):
            return x
        return functional.interpolate(x, size=(self.img_size, self.img_size), mode="bilinear", align_corners=False)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S whole pictures → B×512×S'/16×S'/16."""
        return self.stages(self.magnified(x))

    def forward_patches(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """B×3×64×64 patches of magnified pictures → pooled features B×512 and logits B×K."""
        return head(self, self.stages(x))

    def forward_head(self, feature_maps: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """B×512×h×w → pooled B×512, or logits B×K."""
        pooled = feature_maps.mean((2, 3))
        return pooled if pre_logits else self.classifier(self.drop(pooled))

    def get_classifier(self) -> nn.Linear:
        """The linear classifier, as timm's backbones give theirs."""
        return self.classifier

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))


def features(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled pre-logits features B×F and logits B×K of B×3×S×S normalised inputs."""
    backbone: Any = model
    return head(model, backbone.forward_features(inputs))


def head(model: nn.Module, feature_maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled features B×F and logits B×K of what `forward_features` returned."""
    backbone: Any = model
    pooled = backbone.forward_head(feature_maps, pre_logits=True)
    return pooled, backbone.get_classifier()(pooled)


def pooled_width(model: nn.Module) -> int:
    """F, the number of pooled pre-logits features."""
    backbone: Any = model
    return int(backbone.head_hidden_size)


def normalise(crops: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """B×S×S×3 uint8 → B×3×S×S float32, `(x / 255 − mean) / std` per colour (red, green, blue)."""
    scaled = crops.permute(0, 3, 1, 2).float().div(255)
    shift = torch.tensor(mean, dtype=torch.float32, device=crops.device).view(1, 3, 1, 1)
    spread = torch.tensor(std, dtype=torch.float32, device=crops.device).view(1, 3, 1, 1)
    return scaled.sub(shift).div(spread)


class Projection(nn.Linear):
    """Pooled features B×F → embeddings B×D of unit length: a linear map without bias, then L2 normalisation."""

    def __init__(self, in_features: int, out_features: int = EMBEDDING_DIMENSIONS) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functional.normalize(super().forward(input), dim=1)


def explained_layer(model: nn.Module, architecture: str) -> nn.Module:
    """The module that Grad-CAM looks at."""
    return model.get_submodule(ALLOWED_ARCHITECTURES[architecture].layer)


def as_maps(output: torch.Tensor, model: nn.Module, architecture: str) -> torch.Tensor:
    """The explained layer's output (or its gradient) as B×C×H×W, whatever its layout."""
    layout = ALLOWED_ARCHITECTURES[architecture].layout
    if layout == "channels_last":
        return output.permute(0, 3, 1, 2)
    if layout == "tokens":
        backbone: Any = model
        patches = output[:, int(backbone.num_prefix_tokens) :]
        side = math.isqrt(patches.shape[1])
        return patches.transpose(1, 2).reshape(output.shape[0], output.shape[2], side, side)
    return output
