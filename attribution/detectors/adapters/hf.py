"""What transformers' image classifiers have in common: whether the config describes the plain class, its activation, its attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from attribution.detectors.adapters.parts import Ledger, Source
from attribution.detectors.adapters.values import refuse
from attribution.errors import UnusableDetector

# transformers' names for the functions that timm's blocks have.
_ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "quick_gelu": "quick_gelu"}


def is_kind(source: Source, *model_types: str) -> bool:
    """Whether transformers itself would build one of these."""
    return source.config.get("model_type") in model_types


def check_class(source: Source, class_name: str) -> bool:
    """That the config asks for this class as transformers has it; whether a single output of it is a logit for sure.

    Raises UnusableDetector for another class, for one with code of its own, and for heads whose outputs softmax is not for.
    """
    config = source.config
    if config.get("architectures", [class_name]) != [class_name]:
        raise refuse(f"The detector is no {class_name}: its config.json names {str(config.get('architectures'))[:60]}.")
    for name, why in (("auto_map", "needs code of its own, which Telltale does not run"), ("quantization_config", "is quantised")):
        if config.get(name):
            raise UnusableDetector(f"The detector {why}.", "Use a detector of a plain architecture with whole weights.")
    problem = config.get("problem_type") or "single_label_classification"
    several = len(source.tensors.get("classifier.bias", ())) != 1
    if problem not in ("single_label_classification", "multi_label_classification") or (problem.startswith("multi") and several):
        raise refuse(f"The detector's outputs are no probabilities that exclude each other (problem_type {str(problem)[:40]!r}).")
    return problem.startswith("multi")


def activation(config: Mapping[str, Any], default: str) -> str:
    """timm's name for the activation function."""
    named = config.get("hidden_act", default)
    if not isinstance(named, str) or named not in _ACTIVATIONS:
        raise refuse(f"The detector's activation function {str(named)[:40]!r} is none that Telltale builds.")
    return _ACTIVATIONS[named]


def mlp_ratio(hidden: int, width: int) -> float:
    """The ratio from which timm, which cuts off what is behind the point, computes exactly `hidden`."""
    return hidden / width if hidden % width == 0 else (hidden + 0.5) / width


def joined(ledger: Ledger, names: tuple[str, str, str], bias: bool = True) -> dict[str, torch.Tensor]:
    """The query, key and value layers of these names as timm's one layer."""
    parts = [ledger.take_linear(name, bias) for name in names]
    alike = all(part["weight"].shape == parts[0]["weight"].shape for part in parts)
    if not alike or parts[0]["weight"].ndim != 2:
        raise refuse("The detector's attention has parts of different shapes.")
    return {what: torch.cat([part[what] for part in parts]) for what in parts[0]}


def named(target: str, parts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parts of a layer under timm's name for it."""
    return {f"{target}.{what}": tensor for what, tensor in parts.items()}
