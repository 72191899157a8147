"""transformers' image classifiers, built and loaded by transformers itself: without code of the repository, from tensors that were read and
compared before, and refused where one of them is missing, left over or of another shape.

A config is a stranger's, and some of its values make transformers fetch or run things: those are taken out, and the numbers are bounded
before anything is built. transformers takes seconds to import and is imported here alone, when such a detector is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from attribution.detectors.adapters.parts import (
    Adapted,
    Format,
    Source,
    check_memory_of,
    labels_of,
    named,
    refuse,
    two_rows,
)
from attribution.detectors.adapters.preprocessing import by_transformers
from attribution.detectors.loading import check_values
from attribution.errors import UnusableDetector, damaged, unreadable
from attribution.models.split import Split

# model_type → what the class is called before "ForImageClassification".
CLASSES: Mapping[str, str] = {
    "vit": "ViT", "deit": "DeiT", "beit": "Beit", "swin": "Swin", "swinv2": "Swinv2", "siglip": "Siglip", "clip": "CLIP",
    "convnext": "ConvNext", "convnextv2": "ConvNextV2", "dinov2": "Dinov2", "dinov2_with_registers": "Dinov2WithRegisters",
}  # fmt: skip
# These read pictures of one side alone; the others take any.
_OF_ONE_SIDE = ("vit", "deit", "beit", "siglip", "clip")
# What a file may hold that the classifier of its class does not read: other towers and heads, and scales of what they say together.
_WITHOUT_PART = re.compile(r"text_model\.|text_projection\.|visual_projection\.|logit_(scale|bias)$|vit\.pooler\.|vision_model\.head\.")
# The largest that the sizes of a config may be, lists item by item; whatever else is a whole number has to be smaller than the last.
_MOST = {
    "num_hidden_layers": 48, "num_attention_heads": 64, "hidden_size": 1536, "intermediate_size": 8 * 1536, "mlp_ratio": 8,
    "image_size": 1024, "patch_size": 64, "depths": 48, "num_heads": 64, "embed_dim": 256, "hidden_sizes": 3072, "window_size": 32,
    "pretrained_window_sizes": 32, "num_register_tokens": 64, "num_channels": 3,
}  # fmt: skip
# What chooses an implementation, which may be one to download; the other tower; a second list of the labels.
_TAKEN_OUT = re.compile(r"_|text_config|label2id|.*(implementation|kernel|dtype)")
_MOST_OTHERS, _MOST_ITEMS, _LEAST_PATCH_PX = 2**16, 64, 2


def library() -> Any:
    """transformers, which says nothing on its own: no bars and no reports between the lines of ours."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    return transformers


def configuration(kind: str, values: Mapping[str, Any], **others: Any) -> Any:
    """transformers' configuration of that model_type from a stranger's values. Raises UnusableDetector."""
    try:
        return library().CONFIG_MAPPING[kind].from_dict({**_harmless(values), "model_type": kind, **others})
    # Whatever the checks of that class raise, of which there are many kinds.
    except Exception as error:
        if isinstance(error, UnusableDetector):
            raise
        raise refuse(f"transformers cannot read its config.json as one of a {kind}") from error


def load(kind: Any, config: Any, tensors: Mapping[str, torch.Tensor], without_part: re.Pattern[str] = _WITHOUT_PART) -> nn.Module:
    """A network of transformers' class `kind` with these tensors, every one of them accounted for, in float32 and evaluation mode."""
    check_values(tensors, "model.safetensors")
    network, told = kind.from_pretrained(
        None, config=config, state_dict=dict(tensors), output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32
    )
    strange = sorted(name for name in told["unexpected_keys"] if not without_part.match(name))
    if strange:
        raise unreadable(f"the tensor {strange[0][:120]!r} has no place in a {kind.__name__}, so what this detector computes is not known")
    for name in sorted(told["missing_keys"]):
        raise damaged(f"its weights lack the tensor {name[:120]!r}")
    for name, *_shapes in sorted(told["mismatched_keys"]):
        raise damaged(f"the tensor {name[:120]!r} has not the shape that its architecture needs")
    return network.eval()


def plan(kind: Any, config: Any, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """The same network without memory. Raises UnusableDetector where it cannot be built, and for one that needs more than its file has."""
    try:
        with torch.device("meta"):
            network = kind(config)
    except Exception as error:
        raise refuse(f"transformers cannot build a {kind.__name__} from its config.json") from error
    side_px, patch_px = (_side(config, name) for name in ("image_size", "patch_size"))
    check_memory_of(network, (side_px // patch_px) ** 2 if patch_px else 0, kind.__name__, tensors)
    return network


def _classifier(source: Source) -> Adapted:
    config, kind = source.config, str(source.config["model_type"])
    name = f"{CLASSES[kind]}ForImageClassification"
    one_logit_is_sure = _check_class(config, name, source.tensors)
    weight, bias = (source.tensors.get(f"classifier.{what}") for what in ("weight", "bias"))
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise damaged("its weights lack a linear classifier")
    labels = labels_of(config)
    if len(labels) not in (0, len(bias)):
        raise damaged(f"it names {len(labels)} labels and has {len(bias)} outputs")
    built = configuration(kind, config, **({} if labels else {"num_labels": len(bias)}))
    kind_of = getattr(library(), name)
    plan(kind_of, built, source.tensors)
    preparation = by_transformers(source)
    side_px = _side(built, "image_size")
    if kind in _OF_ONE_SIDE and side_px != preparation.crop.side_px:
        raise refuse(f"The detector's pictures are prepared at {preparation.crop.side_px} px; its network reads {side_px} px.")

    def build() -> nn.Module:
        network: Any = load(kind_of, built, source.tensors)
        head, network.classifier = network.classifier, nn.Identity()
        return Split(network, two_rows(head) if len(bias) == 1 else head, side_px=preparation.crop.side_px)

    return named(TRANSFORMERS.name, source, name, len(bias), build, labels, preparation, one_logit_is_sure)


def _check_class(config: Mapping[str, Any], class_name: str, tensors: Mapping[str, torch.Tensor]) -> bool:
    """That the config asks for this class as transformers has it; whether a single output of it is a logit for sure. Raises
    UnusableDetector for another class, for one with code of its own, and for heads whose outputs softmax is not for."""
    if config.get("architectures", [class_name]) != [class_name]:
        raise refuse(f"The detector is no {class_name}: its config.json names {str(config.get('architectures'))[:60]}.")
    for name, why in (("auto_map", "needs code of its own, which Telltale does not run"), ("quantization_config", "is quantised")):
        if config.get(name):
            raise unreadable(f"it {why}")
    problem = config.get("problem_type") or "single_label_classification"
    several = len(tensors.get("classifier.bias", ())) != 1
    if problem not in ("single_label_classification", "multi_label_classification") or (problem.startswith("multi") and several):
        raise refuse(f"The detector's outputs are no probabilities that exclude each other (problem_type {str(problem)[:40]!r}).")
    return problem.startswith("multi")


def _harmless(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that choose an implementation (which may be one to download), and without the other tower's. Raises
    UnusableDetector for a size that is too large."""
    kept = {name: value for name, value in values.items() if not _TAKEN_OUT.match(str(name))}
    return {
        name: _harmless(value) if isinstance(value, Mapping) and name != "id2label" else _bounded(name, value)
        for name, value in kept.items()
    }


def _bounded(name: str, value: Any) -> Any:
    most, items = _MOST.get(name, _MOST_OTHERS), value if isinstance(value, list | tuple) else [value]
    numbers = [item for item in items if isinstance(item, int | float) and not isinstance(item, bool)]
    good = len(items) <= _MOST_ITEMS and all(-_MOST_OTHERS <= number <= most for number in numbers)
    if not good or (name == "patch_size" and any(number < _LEAST_PATCH_PX for number in numbers)):
        raise refuse(f"The detector's config.json has no usable value for {name[:60]!r}.")
    return value


def _side(config: Any, name: str) -> int:
    """A side in pixels of the configuration, or of that of its picture tower; 0 where it has none."""
    value = getattr(getattr(config, "vision_config", config), name, 0)
    sides = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(set(sides)) != 1:
        raise refuse("The detector reads pictures or patches that are not square.")
    return int(sides[0] or 0)


TRANSFORMERS = Format("transformers", lambda source: source.config.get("model_type") in list(CLASSES), _classifier)
