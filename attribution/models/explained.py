"""Where Grad-CAM looks in a network: known for those that Telltale trains, found for every other by asking the network itself.

Of all layers that still have a place for every part of the picture, it is the last one whose places the answer depends on. In a ViT whose
class token alone reaches the head, the last block gives the patch tokens no gradient, so it is what that block reads; where tokens are
pooled, it is the last layer norm; in a convolutional network its last maps."""

from __future__ import annotations

import math
import weakref
from typing import Any

import torch
from torch import nn

from attribution.errors import NoHeatmap, unreadable
from attribution.messages import gettext as _
from attribution.models.architectures import EXPLAINED, Explained
from attribution.models.backbones import fixed_side_px, head

# A tower of tokens has two norms a block; the answer depends on the places of one of its last.
_LAST = 8
_ANY_SIDE_PX = 224


def explained(model: Any, architecture: str) -> Explained:
    """What Grad-CAM looks at in this very network; searched for once. Raises NoHeatmap where no layer is found."""
    if architecture in EXPLAINED:
        return EXPLAINED[architecture]
    if not hasattr(model, "explained"):
        model.explained = find(model)
    if model.explained is None:
        what = _("There is no heatmap: none of this detector’s layers tells the places of a picture apart.")
        raise NoHeatmap(what, _("Its answer stands without one."))
    return model.explained


def explained_layer(model: nn.Module, architecture: str) -> nn.Module:
    """The module that Grad-CAM looks at."""
    return model.get_submodule(explained(model, architecture).layer)


def as_maps(output: torch.Tensor, model: Any, architecture: str) -> torch.Tensor:
    """The explained layer's output (or its gradient) as B×C×H×W, whatever its layout. Raises UnusableDetector for patch tokens that form
    no square."""
    found = explained(model, architecture)
    if found.layout == "channels_last":
        return output.permute(0, 3, 1, 2)
    if found.layout == "tokens":
        patches = output[:, found.prefix :]
        side = math.isqrt(patches.shape[1])
        if side * side != patches.shape[1]:
            raise unreadable(f"the {patches.shape[1]} patches of {architecture} form no square")
        return patches.transpose(1, 2).reshape(output.shape[0], output.shape[2], side, side)
    return output


def find(model: Any) -> Explained | None:
    """The layer to look at; None where no layer knows places, or the network cannot be asked. Costs two forward passes of one picture."""
    first = next(model.parameters())
    side_px = fixed_side_px(model) or _ANY_SIDE_PX
    # Fine grain and always the same, so that nothing saturates and nothing depends on chance.
    grain = torch.rand((1, 3, side_px, side_px), generator=torch.Generator().manual_seed(0)) * 2 - 1
    try:
        candidates, feature_maps = _candidates(model, grain.to(first))
        outputs = _outputs(model, grain.to(first), [one.layer for one in candidates[-_LAST:]])
        with torch.enable_grad():
            gradients = torch.autograd.grad(outputs.pop("").sum(), [*outputs.values()], allow_unused=True)
    # Whatever a network of others raises on a picture that is none: it has no heatmap.
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError, AssertionError):
        return None
    for one, gradient in zip(reversed(candidates[-_LAST:]), reversed(gradients), strict=True):
        if gradient is not None and bool((gradient[:, one.prefix :] if one.layout == "tokens" else gradient).any()):
            return Explained(one.layer, one.layout, one.layer == feature_maps, one.prefix)
    return None


def _candidates(model: Any, inputs: torch.Tensor) -> tuple[list[Explained], str]:
    """Layers whose output has places, in the order in which they are done, and the one of them whose output is what `forward_features`
    returns ("" where none is). A layer that is used more than once is none."""
    # No output is held: those of all layers of a large network would fill the memory.
    seen: list[tuple[Explained, bool, weakref.ref[torch.Tensor]]] = []

    def record(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            # What is given no tensor, such as a table of relative positions, knows nothing of the picture.
            of_picture = isinstance(output, torch.Tensor) and any(isinstance(one, torch.Tensor) for one in given)
            if of_picture and (found := _places(model, name, output)) is not None:
                # Between two norms a tower of tokens has queries, keys and hidden layers, too.
                offered = found.layout != "tokens" or "norm" in type(module).__name__.lower()
                seen.append((found, offered, weakref.ref(output)))

        return hook

    hooks = [module.register_forward_hook(record(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            returned = model.forward_features(inputs)
            head(model, returned)
    finally:
        for hook in hooks:
            hook.remove()
    names = [one.layer for one, *_ in seen]
    last = next((one.layer for one, _offered, output in reversed(seen) if output() is returned), "")
    return [one for one, offered, _output in seen if names.count(one.layer) == 1 and (offered or one.layer == last)], last


def _places(model: Any, name: str, output: torch.Tensor) -> Explained | None:
    """How the places lie in the output of a layer; None where there are none."""
    shape = tuple(output.shape)
    if len(shape) == 4 and shape[0] == 1:
        if shape[2] == shape[3] > 1:
            return Explained(name, "channels_first", False)
        return Explained(name, "channels_last", False) if shape[1] == shape[2] > 1 else None
    if len(shape) == 3 and shape[0] == 1:
        prefix = getattr(model, "num_prefix_tokens", None)
        prefix = shape[1] - math.isqrt(shape[1]) ** 2 if prefix is None else int(prefix)
        side = math.isqrt(max(shape[1] - prefix, 0))
        return Explained(name, "tokens", False, prefix) if side > 1 and side * side == shape[1] - prefix else None
    return None


def _outputs(model: Any, inputs: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
    """The outputs of these layers within one graph, which begins at the first of them; under "" a logit."""
    held: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
            # A copy, as layers that follow may compute in place.
            held[name] = output.clone() if output.requires_grad else output.detach().requires_grad_(True).clone()
            return held[name]

        return hook

    hooks = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        with torch.enable_grad():
            held[""] = head(model, model.forward_features(inputs))[1][:, 0]
    finally:
        for hook in hooks:
            hook.remove()
    return held
