"""Backbones (timm's and our own) and heads as pure `nn.Module`s: tensors in, tensors out. Devices, dtypes and
batching live in `detectors.predictor`.

Every backbone splits as `forward_features` (B×3×S×S → feature maps), `forward_head(…, pre_logits=True)` (→ pooled
B×F) and a linear classifier (→ logits B×K). The embedding of a face is `normalise(projection · pooled)`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from attribution.errors import OTHER_DETECTOR, SMALLER_DETECTOR, UnusableDetector, unreadable
from attribution.messages import gettext as _
from attribution.models import architectures
from attribution.models.architectures import OWN_ARCHITECTURES, checked_arguments
from attribution.models.caddm import build_caddm
from attribution.models.dnadet import DnaDet
from attribution.models.levels import build_levels
from attribution.models.shallow import Meso4, MesoInception4, ShallowNetV3

EMBEDDING_DIMENSIONS = 128

_SHALLOW: Mapping[str, Callable[..., nn.Module]] = {"meso4": Meso4, "mesoinception4": MesoInception4, "shallownet_v3": ShallowNetV3}
# What a model may need beside its weights: index tables and masks of windowed attention, which a small config can make large.
_MOST_TABLE_BYTES = 2**29
_MOST_TOKENS = 4096


def build_backbone(architecture: str, num_classes: int, model_args: Mapping[str, Any] | None = None, pretrained: bool = False) -> nn.Module:
    """A backbone with a linear head of `num_classes`, in training mode as timm gives it.

    `architecture` is one of OWN_ARCHITECTURES or any that timm lists; `model_args` may hold what `architectures.ALLOWED_MODEL_ARGS` names.
    `pretrained` lets timm fetch its own weights (lab only). Raises UnusableDetector for others.
    """
    arguments = checked_arguments(num_classes, model_args)
    if architecture not in OWN_ARCHITECTURES and not is_timm(architecture):
        what = _("Neither timm nor Telltale has an architecture “{architecture}”.").format(architecture=architecture[:60])
        raise UnusableDetector(what, OTHER_DETECTOR)
    try:
        if architecture == architectures.DNA_DET:
            model: nn.Module = DnaDet(num_classes, **arguments)
        elif architecture in _SHALLOW:
            model = _SHALLOW[architecture](num_classes, **arguments)
        elif architecture.startswith(architectures.CADDM_PREFIX):
            model = build_caddm(num_classes, arguments, architecture=architecture)
        elif architecture.startswith(architectures.LEVELS_PREFIX):
            model = build_levels(num_classes, arguments, architecture)
        else:
            model = timm.create_model(architecture, pretrained=pretrained, num_classes=num_classes, **arguments)
    # Arguments that do not fit each other end in whichever of these the constructor meets first.
    except (TypeError, ValueError, AssertionError, KeyError, IndexError, RuntimeError, ZeroDivisionError) as error:
        raise unreadable(f"{architecture} cannot be built with these model arguments") from error
    return model


def blueprint(architecture: str, num_classes: int, model_args: Mapping[str, Any] | None = None) -> nn.Module:
    """The same network without memory (torch's meta device), to compare names and shapes before any is asked for; not to be changed.

    Raises UnusableDetector as `build_backbone` does, and for one that would need more than 512 MB of tables or read more than 4096 tokens.
    """
    arguments = checked_arguments(num_classes, model_args)
    return _blueprint(architecture, num_classes, tuple(sorted(arguments.items())))


@lru_cache(maxsize=4)
def _blueprint(architecture: str, num_classes: int, arguments: tuple[tuple[str, Any], ...]) -> nn.Module:
    # timm takes a third of a second and more to build one, and an adapter asks several times.
    with torch.device("meta"):
        model = build_backbone(architecture, num_classes, dict(arguments))
    patches: Any = getattr(model, "patch_embed", None)
    check_memory(model, int(getattr(patches, "num_patches", None) or 0) if hasattr(model, "blocks") else 0, architecture)
    return model


def check_memory(plan: nn.Module, tokens: int, what: str) -> None:
    """Raises UnusableDetector for a network without memory (on torch's meta device) that would need more than 512 MB of tables beside its
    weights, or read more than 4096 tokens in one attention."""
    kept = plan.state_dict()
    tables = sum(buffer.numel() * buffer.element_size() for name, buffer in plan.named_buffers() if name not in kept)
    if tables > _MOST_TABLE_BYTES or tokens > _MOST_TOKENS:
        raise unreadable(f"{what} would need too much memory with these model arguments", SMALLER_DETECTOR)


def is_timm(architecture: str) -> bool:
    """Whether timm lists it: then `timm.create_model` builds nothing but code that comes with timm. No tag of pretrained weights, no
    address."""
    return re.fullmatch(r"[a-z0-9_]{1,80}", architecture) is not None and timm.is_model(architecture)


def classifier_name(model: Any) -> str:
    """The path of the linear classifier in the network. Raises UnusableDetector for a network without just one."""
    found = model.get_classifier()
    for name, module in model.named_modules():
        if module is found and isinstance(module, nn.Linear):
            return name
    raise unreadable("the architecture has no single linear classifier")


def fixed_side_px(model: nn.Module) -> int | None:
    """The side of the pictures that the network reads, None where any will do."""
    if (side_px := getattr(model, "side_px", None)) is not None:
        return int(side_px)
    patches: Any = getattr(model, "patch_embed", None)
    side = getattr(patches, "img_size", None) if getattr(patches, "strict_img_size", True) else None
    return int(side[0]) if side is not None else None


def features(model: Any, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled pre-logits features B×F and logits B×K of B×3×S×S normalised inputs."""
    return head(model, model.forward_features(inputs))


def head(model: Any, feature_maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled features B×F and logits B×K of what `forward_features` returned."""
    pooled = model.forward_head(feature_maps, pre_logits=True)
    return pooled, model.get_classifier()(pooled)


def pooled_width(model: Any) -> int:
    """F, the number of pooled pre-logits features."""
    return int(model.head_hidden_size)


def normalise(crops: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """B×S×S×3 uint8 → B×3×S×S float32, `(x / 255 − mean) / std` per colour (red, green, blue)."""
    scaled = crops.permute(0, 3, 1, 2).float().div(255)
    shift, spread = (torch.tensor(one, dtype=torch.float32, device=crops.device).view(1, 3, 1, 1) for one in (mean, std))
    return scaled.sub(shift).div(spread)


class Projection(nn.Linear):
    """Pooled features B×F → embeddings B×D of unit length: a linear map without bias, then L2 normalisation."""

    def __init__(self, in_features: int, out_features: int = EMBEDDING_DIMENSIONS) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functional.normalize(super().forward(input), dim=1)
