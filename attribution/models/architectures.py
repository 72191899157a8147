"""Which architectures a detector may have and which arguments they take, and where Grad-CAM looks in those that Telltale trains itself:
tables, without torch or timm.

DNA-Det, CADDM, the networks of levels and the shallow ones are our own; beside them every architecture that timm lists may be built.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attribution.errors import unreadable


@dataclass(frozen=True)
class Explained:
    """What Grad-CAM looks at in an architecture: the last layer that still has a place for every part of the picture.

    `layer` is the module's path. `layout` says how its output lies: `channels_first` B×C×H×W, `channels_last` B×H×W×C, or `tokens`
    B×N×C, of which the first `prefix` are class and register tokens. `is_feature_map` holds when that output is what `forward_features`
    returns, so that its gradient needs the head only.
    """

    layer: str
    layout: str
    is_feature_map: bool
    prefix: int = 0


DNA_DET = "dna_det"
# An artifact detection module on the timm backbone that follows the prefix.
CADDM_PREFIX = "caddm_"
CADDM = CADDM_PREFIX + "mobilenetv2_100"
# Every stage of the timm backbones that follow the prefix has a say.
LEVELS_PREFIX = "levels_"
LEVELS = (LEVELS_PREFIX + "mobilenetv2_100+tf_efficientnet_lite2",)


# Not timm's.
OWN_ARCHITECTURES = (DNA_DET, CADDM, *LEVELS, "meso4", "mesoinception4", "shallownet_v3")
EXPLAINED: Mapping[str, Explained] = {
    # After the 3×3 convolution of stage 2: fine enough to show that the traces lie all over the picture.
    DNA_DET: Explained("stages.1.conv_same", "channels_first", False),
    CADDM: Explained("backbone.bn2", "channels_first", True),
    **dict.fromkeys(LEVELS, Explained("norm", "channels_first", True)),
    # Before the last pooling: S/8 × S/8 places; ShallowNetV3 has no pooling after its last maps, (S/4 − 4)² places.
    "meso4": Explained("fourth", "channels_first", False),
    "mesoinception4": Explained("fourth", "channels_first", False),
    "shallownet_v3": Explained("active", "channels_first", True),
    "mobilenetv2_100": Explained("bn2", "channels_first", True),
}
"""Those that need no search (`models.explained`)."""

MOST_CLASSES = 1000


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
}


def checked_arguments(num_classes: Any, model_args: Mapping[str, Any] | None) -> dict[str, Any]:
    """The model arguments, sequences as tuples. Raises UnusableDetector for a number of classes (2 to MOST_CLASSES) or an argument that is
    not allowed."""
    if not _whole(2, MOST_CLASSES)(num_classes):
        raise unreadable(f"a detector has 2 to {MOST_CLASSES} classes, not {str(num_classes)[:20]}")
    arguments = dict(model_args or {})
    for name, value in arguments.items():
        usable = ALLOWED_MODEL_ARGS.get(name) if isinstance(name, str) else None
        if usable is None or not usable(value):
            raise unreadable(f"the model argument {str(name)[:60]!r} is not allowed, or has no usable value")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
