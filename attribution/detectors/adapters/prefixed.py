"""timm state dicts under a prefix, with a linear head of another name: wrappers with a config of their own, or known by hints alone."""

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

FORMAT = "timm state dict with a prefix"


def recognises(source: Source) -> bool:
    return "architecture" in source.hints or bool(named_architecture(source.config))


def adapt(source: Source) -> Adapted:
    # Who vouches for an architecture knows the wrapper; otherwise its config must hold nothing of unknown effect.
    vouched = "architecture" in source.hints
    architecture = str(source.hints["architecture"]) if vouched else named_architecture(source.config)
    arguments = {**({} if vouched else checked_config(source.config)), **source.hints.get("model_args", {})}
    arguments = without_own_side(architecture, arguments)
    tensors, outputs = unwrapped(source, architecture, arguments, f"timm's {architecture} with a linear head")
    check_count(source.config, outputs)
    return conclude(FORMAT, source, architecture, arguments, tensors, label_names(source.config), by_transformers(source))
