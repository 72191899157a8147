"""The last step of every adapter: tensors with timm's names against the architecture that is to hold them, and heads of one logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from attribution.detectors.adapters.parts import AGAIN, Adapted, Source
from attribution.detectors.adapters.preprocessing import Preparation
from attribution.detectors.adapters.values import names, refuse
from attribution.errors import DamagedDetector, UnusableDetector
from attribution.models.architectures import MOST_CLASSES
from attribution.models.backbones import blueprint, classifier_name, fixed_side_px

ONE_LOGIT_NAMES = ("at or below 0", "above 0")


def conclude(
    adapter: str,
    source: Source,
    architecture: str,
    model_args: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    label_names: tuple[str, ...],
    preparation: Preparation,
    one_logit_is_sure: bool = True,
) -> Adapted:
    """The detector, once names, shapes, number of classes and side of the pictures agree with the architecture.

    `one_logit_is_sure` is false where the format also uses a single output for measurements; then a hint must say that it is a logit.
    """
    plan = blueprint(architecture, 2, model_args)
    head = classifier_name(plan)
    weight, bias = tensors.get(f"{head}.weight"), tensors.get(f"{head}.bias")
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1] or not 1 <= len(weight) <= MOST_CLASSES:
        raise refuse(f"The detector's head is not linear, or not one of 1 to {MOST_CLASSES} classes.")
    one_logit = len(weight) == 1
    if one_logit:
        if not (one_logit_is_sure or source.hints.get("one_logit") is True):
            raise refuse("The detector has a single output and does not say whether that is a logit or a measurement.")
        tensors = {**tensors, f"{head}.weight": two_rows(weight), f"{head}.bias": two_rows(bias)}
    num_classes = len(tensors[f"{head}.bias"])
    _compare(plan.state_dict(), tensors, head, num_classes)
    needed_px = fixed_side_px(plan)
    if needed_px not in (None, preparation.crop.side_px):
        raise refuse(f"The detector's pictures are prepared at {preparation.crop.side_px} px; its network reads {needed_px} px.")
    found = names(source.hints["label_names"], "label_names") if "label_names" in source.hints else label_names
    if one_logit and len(found) != num_classes:
        found = ONE_LOGIT_NAMES
    if found and len(found) != num_classes:
        raise DamagedDetector(f"The detector names {len(found)} labels and has {num_classes} outputs.", AGAIN)
    return Adapted(
        adapter,
        architecture,
        num_classes,
        dict(model_args),
        dict(tensors),
        found,
        preparation.mean,
        preparation.std,
        preparation.crop,
        one_logit,
    )


def two_rows(row: torch.Tensor) -> torch.Tensor:
    """The weight 1×F or bias 1 of a logit z as two rows, −z/2 and z/2: softmax gives sigmoid(z), and the gradients of both are its own."""
    return torch.cat([-row / 2, row / 2])


def _compare(wanted: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], head: str, num_classes: int) -> None:
    missing, strange = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing:
        raise DamagedDetector(f"The detector's weights lack {len(missing)} tensors of its architecture, {missing[0][:120]!r} first.", AGAIN)
    if strange:
        raise UnusableDetector(
            f"The tensor {strange[0][:120]!r} has no place in the detector's architecture.", "Use a detector whose parts are all known."
        )
    for name, tensor in wanted.items():
        shape = torch.Size([num_classes, *tensor.shape[1:]]) if name in (f"{head}.weight", f"{head}.bias") else tensor.shape
        if tensors[name].shape != shape:
            raise DamagedDetector(f"The tensor {name[:120]!r} of the detector has not the shape that its architecture needs.", AGAIN)
        if tensors[name].is_floating_point() != tensor.is_floating_point():
            raise UnusableDetector(f"The tensor {name[:120]!r} of the detector is not of the kind of numbers needed.", "Use whole weights.")
