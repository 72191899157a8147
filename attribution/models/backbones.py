"""Backbones (timm's and our own) and heads as pure `nn.Module`s: tensors in, tensors out. Devices, dtypes and
batching live in `detectors.predictor`.

Every backbone on the allow-list splits as `forward_features` (B×3×S×S → feature maps), `forward_head(…, pre_logits=True)` (→ pooled
B×F) and a linear classifier (→ logits B×K). The embedding of a face is `normalise(projection · pooled)`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from attribution.errors import SMALLER_DETECTOR, unreadable
from attribution.models import architectures
from attribution.models.architectures import ALLOWED_ARCHITECTURES, POOLED_VIT, Explained, checked_arguments, class_token_vit
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

    `model_args` may hold what `architectures.ALLOWED_MODEL_ARGS` names; `norm_eps` is the ε of every layer norm,
    `masked_twice` keeps the windows of a SwinV2 apart as transformers does. `pretrained` lets timm
    fetch its own weights (lab only). Raises UnusableDetector for an architecture or an argument that is not on the allow-list.
    """
    arguments = checked_arguments(architecture, num_classes, model_args)
    norm_eps, masked_twice = arguments.pop(architectures.NORM_EPS, None), arguments.pop(architectures.MASKED_TWICE, False)
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
    if norm_eps is not None:
        norms = [module for module in model.modules() if isinstance(module, nn.LayerNorm)]
        if not norms:
            raise unreadable(f"{architecture} has no layer norms whose epsilon could be set")
        for norm in norms:
            norm.eps = norm_eps
    if masked_twice and not architecture.startswith("swinv2"):
        raise unreadable(f"{architecture} has no windows to be masked twice")
    for module in model.modules() if masked_twice else ():
        if (mask := getattr(module, "attn_mask", None)) is not None:
            mask.mul_(2)
    return model


def blueprint(architecture: str, num_classes: int, model_args: Mapping[str, Any] | None = None) -> nn.Module:
    """The same network without memory (torch's meta device), to compare names and shapes before any is asked for; not to be changed.

    Raises UnusableDetector as `build_backbone` does, and for one that would need more than 512 MB of tables or read more than 4096 tokens.
    """
    arguments = checked_arguments(architecture, num_classes, model_args)
    return _blueprint(architecture, num_classes, tuple(sorted(arguments.items())))


@lru_cache(maxsize=4)
def _blueprint(architecture: str, num_classes: int, arguments: tuple[tuple[str, Any], ...]) -> nn.Module:
    # timm takes a third of a second and more to build one, and an adapter asks several times.
    with torch.device("meta"):
        model = build_backbone(architecture, num_classes, dict(arguments))
    kept = model.state_dict()
    tables = sum(buffer.numel() * buffer.element_size() for name, buffer in model.named_buffers() if name not in kept)
    patches = getattr(model, "patch_embed", None) if ALLOWED_ARCHITECTURES[architecture].layout == "tokens" else None
    if tables > _MOST_TABLE_BYTES or int(getattr(patches, "num_patches", 0)) > _MOST_TOKENS:
        raise unreadable(f"{architecture} would need too much memory with these model arguments", SMALLER_DETECTOR)
    return model


def classifier_name(model: Any) -> str:
    """The path of the linear classifier in the network. Raises UnusableDetector for a network without just one."""
    found = model.get_classifier()
    for name, module in model.named_modules():
        if module is found and isinstance(module, nn.Linear):
            return name
    raise unreadable("the architecture has no single linear classifier")


def fixed_side_px(model: nn.Module) -> int | None:
    """The side of the pictures that the network reads, None where any will do."""
    patches: Any = getattr(model, "patch_embed", None)
    side = patches.img_size if getattr(patches, "strict_img_size", False) else None
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


def explained(model: Any, architecture: str) -> Explained:
    """What Grad-CAM looks at in this very network: depth and pooling of a ViT may differ from those of its name."""
    known = ALLOWED_ARCHITECTURES[architecture]
    if known.layout != "tokens":
        return known
    return class_token_vit(len(model.blocks)) if model.global_pool == "token" else POOLED_VIT


def explained_layer(model: nn.Module, architecture: str) -> nn.Module:
    """The module that Grad-CAM looks at."""
    return model.get_submodule(explained(model, architecture).layer)


def as_maps(output: torch.Tensor, model: Any, architecture: str) -> torch.Tensor:
    """The explained layer's output (or its gradient) as B×C×H×W, whatever its layout. Raises UnusableDetector for patch tokens that form
    no square."""
    layout = ALLOWED_ARCHITECTURES[architecture].layout
    if layout == "channels_last":
        return output.permute(0, 3, 1, 2)
    if layout == "tokens":
        patches = output[:, int(model.num_prefix_tokens) :]
        side = math.isqrt(patches.shape[1])
        if side * side != patches.shape[1]:
            raise unreadable(f"the {patches.shape[1]} patches of {architecture} form no square")
        return patches.transpose(1, 2).reshape(output.shape[0], output.shape[2], side, side)
    return output
