"""PyTorchModelHubMixin around a timm network: config.json holds the arguments of a constructor, such as
{"model_size": "small", "input_size": 384, "patch_size": 16} or {"backbone": "resnet50", "num_classes": 2}."""

from __future__ import annotations

from attribution.detectors.adapters.conclusion import conclude
from attribution.detectors.adapters.parts import Adapted, Source
from attribution.detectors.adapters.preprocessing import by_transformers
from attribution.detectors.adapters.wrapped import (
    check_count,
    checked_config,
    label_names,
    named_architecture,
    unwrapped,
    without_own_side,
)

FORMAT = "PyTorchModelHubMixin around timm"


def recognises(source: Source) -> bool:
    return "model_type" not in source.config and bool(named_architecture(source.config))


def adapt(source: Source) -> Adapted:
    architecture = named_architecture(source.config)
    arguments = {**checked_config(source.config), **source.hints.get("model_args", {})}
    arguments = without_own_side(architecture, arguments)
    tensors, outputs = unwrapped(source, architecture, arguments, f"timm's {architecture} with a linear head")
    check_count(source.config, outputs)
    return conclude(FORMAT, source, architecture, arguments, tensors, label_names(source.config), by_transformers(source))
