"""Which architectures a detector may have, which arguments they take, and where Grad-CAM looks in each: tables, without torch or timm.

The names are timm's (DNA-Det, CADDM and the shallow networks are our own). A family stands for what public detectors are built on.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attribution.errors import UnusableDetector, unreadable
from attribution.messages import gettext as _


@dataclass(frozen=True)
class Explained:
    """What Grad-CAM looks at in an architecture: the last layer that still has a place for every part of the picture.

    `layer` is the module's path. `layout` says how its output lies: `channels_first` B×C×H×W, `channels_last` B×H×W×C, or `tokens`
    B×N×C behind `num_prefix_tokens` class and register tokens. `is_feature_map` holds when that output is what `forward_features`
    returns, so that its gradient needs the head only.
    """

    layer: str
    layout: str
    is_feature_map: bool


# These pool their patch tokens, by their mean or by attention, so what the head reads knows places.
POOLED_VIT = Explained("norm", "tokens", True)

DNA_DET = "dna_det"
# An artifact detection module on the timm backbone that follows the prefix.
CADDM_PREFIX = "caddm_"
CADDM = CADDM_PREFIX + "mobilenetv2_100"
# Every stage of the timm backbones that follow the prefix has a say.
LEVELS_PREFIX = "levels_"
LEVELS = (LEVELS_PREFIX + "mobilenetv2_100+tf_efficientnet_lite2",)


def class_token_vit(depth: int) -> Explained:
    """The class token alone reaches the head of such ViTs, so their last block gives the patch tokens no gradient: look at what that
    block reads."""
    return Explained(f"blocks.{depth - 1}.norm1", "tokens", False)


_PLAIN_VITS = {
    12: (
        *("vit_tiny_patch16_224", "vit_tiny_patch16_384"),
        *("vit_small_patch16_224", "vit_small_patch16_384", "vit_small_patch32_224", "vit_small_patch32_384"),
        *("vit_base_patch16_224", "vit_base_patch16_384", "vit_base_patch32_224", "vit_base_patch32_384"),
        *("deit_tiny_patch16_224", "deit_small_patch16_224", "deit_base_patch16_224", "deit_base_patch16_384"),
        *("vit_base_patch16_clip_224", "vit_base_patch16_clip_quickgelu_224"),
        *("vit_base_patch32_clip_224", "vit_base_patch32_clip_quickgelu_224"),
        *("vit_small_patch14_dinov2", "vit_base_patch14_dinov2", "vit_small_patch14_reg4_dinov2", "vit_base_patch14_reg4_dinov2"),
    ),
    24: (
        *("vit_large_patch14_224", "vit_large_patch16_224", "vit_large_patch16_384", "vit_large_patch32_224", "vit_large_patch32_384"),
        *("vit_large_patch14_clip_224", "vit_large_patch14_clip_quickgelu_224"),
        *("vit_large_patch14_clip_336", "vit_large_patch14_clip_quickgelu_336"),
        *("vit_large_patch14_dinov2", "vit_large_patch14_reg4_dinov2"),
    ),
}
_POOLED_VITS = (
    *(f"vit_base_patch16_siglip_gap_{side_px}" for side_px in (224, 256, 384, 512)),
    *(f"vit_large_patch16_siglip_gap_{side_px}" for side_px in (256, 384, 512)),
    *(f"vit_so400m_patch14_siglip_gap_{side_px}" for side_px in (224, 378, 384)),
    "vit_base_patch32_siglip_gap_256",
    *(f"vit_{size}_patch16_dinov3{bias}" for size in ("small", "base", "large") for bias in ("", "_qkvb")),
    *("eva02_tiny_patch14_224", "eva02_small_patch14_224", "eva02_base_patch14_224", "eva02_large_patch14_224"),
    *("vit_pe_core_tiny_patch16_384", "vit_pe_core_small_patch16_384"),
    *("vit_pe_core_base_patch16_224", "vit_pe_core_large_patch14_336"),
)
_SWINS = (
    *(f"swin_{size}_patch4_window7_224" for size in ("tiny", "small", "base", "large")),
    *("swin_base_patch4_window12_384", "swin_large_patch4_window12_384"),
    *(f"swinv2_{size}_window{window}_256" for size in ("tiny", "small", "base") for window in (8, 16)),
    *(f"swinv2_{size}_window12{rest}" for size in ("base", "large") for rest in ("_192", "to16_192to256", "to24_192to384")),
)
_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_CONVNEXTS = (
    *(f"convnext_{size}" for size in ("tiny", "small", "base", "large")),
    *(f"convnextv2_{size}" for size in ("atto", "nano", "tiny", "base", "large")),
)
_EFFICIENTNETS = (
    *("mobilenetv2_100", "efficientnet_lite0", "tf_efficientnet_lite0", "tf_efficientnet_lite2"),
    *(f"efficientnet_b{size}" for size in range(6)),
    *(f"tf_efficientnet_b{size}" for size in range(8)),
    *(f"tf_efficientnetv2_{size}" for size in ("b0", "s", "m", "l")),
)

# Not timm's.
OWN_ARCHITECTURES = (DNA_DET, CADDM, *LEVELS, "meso4", "mesoinception4", "shallownet_v3")
ALLOWED_ARCHITECTURES: Mapping[str, Explained] = {
    # After the 3×3 convolution of stage 2: fine enough to show that the traces lie all over the picture.
    DNA_DET: Explained("stages.1.conv_same", "channels_first", False),
    CADDM: Explained("backbone.bn2", "channels_first", True),
    **dict.fromkeys(LEVELS, Explained("norm", "channels_first", True)),
    # Before the last pooling: S/8 × S/8 places; ShallowNetV3 has no pooling after its last maps, (S/4 − 4)² places.
    "meso4": Explained("fourth", "channels_first", False),
    "mesoinception4": Explained("fourth", "channels_first", False),
    "shallownet_v3": Explained("active", "channels_first", True),
    "mobilenetv4_conv_small": Explained("blocks", "channels_first", True),
    "legacy_xception": Explained("act4", "channels_first", True),
    **dict.fromkeys(_EFFICIENTNETS, Explained("bn2", "channels_first", True)),
    **dict.fromkeys(_RESNETS, Explained("layer4", "channels_first", True)),
    **dict.fromkeys(_CONVNEXTS, Explained("norm_pre", "channels_first", True)),
    **dict.fromkeys(_SWINS, Explained("norm", "channels_last", True)),
    **{name: class_token_vit(depth) for depth, names in _PLAIN_VITS.items() for name in names},
    **dict.fromkeys(_POOLED_VITS, POOLED_VIT),
}

MOST_CLASSES = 1000
# The two arguments here that are ours: timm takes the ε of its layer norms as code, and masks the shifted windows of SwinV2 once, as its
# authors do, where transformers adds the mask twice.
NORM_EPS = "norm_eps"
MASKED_TWICE = "masked_twice"


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(least: float, most: float) -> Callable[[Any], bool]:
    # NaN is in no range, and an integer beyond every float is in none of these.
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _wholes(least: int, most: int) -> Callable[[Any], bool]:
    one = _whole(least, most)
    return lambda value: isinstance(value, list | tuple) and 1 <= len(value) <= 4 and all(one(item) for item in value)


def _either(*checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(check(value) for check in checks)


def _one_of(*known: str | bool) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str | bool) and value in known


_FLAG, _SHARE = _one_of(False, True), _number(0, math.nextafter(1, 0))

# timm passes model arguments on to constructors and loaders: `checkpoint_path` alone would unpickle any file. So none but these.
ALLOWED_MODEL_ARGS: Mapping[str, Callable[[Any], bool]] = {
    "pad_type": _one_of("", "same"),
    "drop_rate": _SHARE,
    "drop_path_rate": _SHARE,
    "img_size": _whole(32, 1024),
    "patch_size": _whole(2, 64),
    "embed_dim": _whole(8, 1536),
    "depth": _whole(1, 48),
    "depths": _wholes(1, 48),
    "num_heads": _either(_whole(1, 64), _wholes(1, 64)),
    "window_size": _whole(2, 32),
    "pretrained_window_sizes": _wholes(0, 32),
    "mlp_ratio": _number(0.5, 8),
    "qkv_bias": _FLAG,
    "act_layer": _one_of("gelu", "gelu_tanh", "quick_gelu"),
    "global_pool": _one_of("token", "avg", "map"),
    "dynamic_img_size": _FLAG,
    NORM_EPS: _number(1e-12, 1e-3),
    MASKED_TWICE: _FLAG,
}


def checked_arguments(architecture: str, num_classes: Any, model_args: Mapping[str, Any] | None) -> dict[str, Any]:
    """The model arguments, sequences as tuples. Raises UnusableDetector for an architecture, a number of classes (2 to MOST_CLASSES), or an
    argument that is not allowed."""
    if architecture not in ALLOWED_ARCHITECTURES:
        what, step = _("The architecture “{architecture}” is not on Telltale’s list."), _("Use one of: {names}.")
        raise UnusableDetector(what.format(architecture=architecture[:60]), step.format(names=", ".join(ALLOWED_ARCHITECTURES)))
    if not _whole(2, MOST_CLASSES)(num_classes):
        raise unreadable(f"a detector has 2 to {MOST_CLASSES} classes, not {str(num_classes)[:20]}")
    arguments = dict(model_args or {})
    for name, value in arguments.items():
        usable = ALLOWED_MODEL_ARGS.get(name) if isinstance(name, str) else None
        if usable is None or not usable(value):
            raise unreadable(f"the model argument {str(name)[:60]!r} is not allowed, or has no usable value")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
