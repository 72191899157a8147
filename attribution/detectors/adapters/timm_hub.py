"""timm's own hub format: config.json with `architecture`, `num_classes`, `label_names`, `model_args` and `pretrained_cfg`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attribution.detectors.adapters.conclusion import conclude
from attribution.detectors.adapters.parts import Adapted, Source
from attribution.detectors.adapters.preprocessing import by_timm
from attribution.detectors.adapters.values import names, refuse
from attribution.detectors.adapters.wrapped import check_count, unwrapped, without_own_side

FORMAT = "timm"


def recognises(source: Source) -> bool:
    config = source.config
    return isinstance(config.get("architecture"), str) and isinstance(config.get("pretrained_cfg"), Mapping)


def adapt(source: Source) -> Adapted:
    config = source.config
    architecture, arguments = _architecture(source)
    preparation = by_timm(source, config["pretrained_cfg"])
    # timm gives networks of a fixed size that of the pictures, too.
    arguments = without_own_side(architecture, {"img_size": preparation.crop.side_px, **arguments})
    tensors, outputs = unwrapped(source, architecture, arguments, f"timm's {architecture}")
    check_count(config, outputs)
    labels = names(config["label_names"], "label_names") if config.get("label_names") else ()
    return conclude(FORMAT, source, architecture, arguments, tensors, labels, preparation)


def _architecture(source: Source) -> tuple[str, dict[str, Any]]:
    config = source.config
    given = config.get("model_args") or {}
    if not isinstance(given, Mapping):
        raise refuse("The detector's config.json has no usable value for 'model_args'.")
    arguments = {**given, **source.hints.get("model_args", {})}
    if config.get("global_pool") is not None:
        arguments.setdefault("global_pool", config["global_pool"])
    return str(config["architecture"]).split(".")[0], arguments
