"""timm networks, in timm's own hub format and inside other modules: under which names their tensors and their head lie, and what the config
says of them.

timm's config.json has `architecture`, `num_classes`, `label_names`, `model_args` and `pretrained_cfg`; that of a PyTorchModelHubMixin the
arguments of a constructor, such as {"model_size": "small", "input_size": 384, "patch_size": 16} or {"backbone": "resnet50"}; other
wrappers have a config of their own, or are known by hints alone. The lists are exact. A wrapper may do more than its weights show, so a
config that holds anything but known arguments is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from attribution.detectors.adapters.parts import Adapted, Format, Ledger, Source, conclude, labels_of, must_be, names, read, refuse
from attribution.detectors.adapters.preprocessing import by_timm, by_transformers
from attribution.errors import damaged
from attribution.models.architectures import MOST_CLASSES, OWN_ARCHITECTURES
from attribution.models.backbones import blueprint, classifier_name, fixed_side_px, is_timm

PREFIXES = (
    *("", "model.", "module.", "backbone.", "net.", "network.", "vit.", "encoder.", "base_model.", "feature_extractor.", "timm_model."),
    *("model.model.", "model.backbone.", "model.vit.", "module.model.", "module.backbone.", "feature_extractor.backbone."),
)
HEADS = ("head", "classifier", "fc", "linear", "head.fc", "head.linear", "classifier.linear", "model.fc", "model.linear", "model.head")
_NAMING = (
    *("architecture", "arch", "backbone", "backbone_name", "model_name", "model_arch", "timm_model", "timm_name", "timm_model_name"),
    *("base_model", "encoder_name"),
)
_BY_SIZE = ("model_size", "patch_size", "input_size")
_SIDES = ("img_size", "image_size", "input_size")
_COUNTS = ("num_classes", "num_labels", "n_classes")
_LABELS = ("label_names", "labels", "class_names", "classes")
# Arguments of training, and what libraries write about the file: they change nothing that the network answers.
_WITHOUT_EFFECT = (
    *("freeze_backbone", "pretrained", "device", "dtype", "torch_dtype", "dropout", "dropout_rate", "drop_rate", "drop_path_rate"),
    *("architectures", "auto_map", "model_type", "transformers_version", "_name_or_path", "problem_type", "label2id", "num_features"),
)
_KNOWN = (*_NAMING, *_BY_SIZE, *_SIDES, *_COUNTS, *_LABELS, *_WITHOUT_EFFECT, "id2label", "in_chans", "head", "global_pool")


def _named_architecture(config: Mapping[str, Any]) -> str:
    """timm's architecture that a constructor's arguments name, without the tag of its pretrained weights; empty where timm has none."""
    for name in _NAMING:
        value = config.get(name)
        bare = value.removeprefix("timm/").split(".")[0] if isinstance(value, str) else ""
        if is_timm(bare):
            return bare
    size, patch_px, side_px = (config.get(name) for name in _BY_SIZE)
    composed = f"vit_{size}_patch{patch_px}_{side_px}"
    return composed if is_timm(composed) else ""


def _checked_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The model arguments that the config asks for. Raises UnusableDetector for one that holds an argument of unknown effect."""
    strange = sorted(name for name in config if name not in _KNOWN)
    if strange:
        raise refuse(f"The detector was built with {strange[0][:60]!r}, and what that does is not known.")
    must_be(config, "in_chans", 3)
    must_be(config, "head", "linear")
    sides = {read(config, name, 0, 32, 1024) for name in _SIDES if name in config}
    if len(sides) > 1:
        raise refuse("The detector's config.json names several sizes of pictures.")
    arguments: dict[str, Any] = {"img_size": sides.pop()} if sides else {}
    return {**arguments, "global_pool": config["global_pool"]} if "global_pool" in config else arguments


def _check_count(config: Mapping[str, Any], outputs: int) -> None:
    """Raises DamagedDetector when the config has another number of classes than the head."""
    for name in _COUNTS:
        if name in config and read(config, name, 0, 1, MOST_CLASSES) != outputs:
            raise damaged(f"its config.json speaks of {config[name]} classes; its head has {outputs}")


def _without_own_side(architecture: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without a side of pictures that is the architecture's own anyway, or that it has no need of. Raises
    UnusableDetector for an architecture or arguments that are not allowed."""
    if architecture in OWN_ARCHITECTURES:
        raise refuse(f"A detector of the architecture {architecture} needs the card that Telltale writes with it.")
    rest = {name: value for name, value in arguments.items() if name != "img_size"}
    return rest if fixed_side_px(blueprint(architecture, 2, rest)) in (None, arguments.get("img_size")) else dict(arguments)


def unwrapped(source: Source, architecture: str, arguments: Mapping[str, Any], what: str) -> tuple[dict[str, torch.Tensor], int]:
    """The tensors under timm's names, and the number of outputs. Raises DamagedDetector or UnusableDetector."""
    plan = blueprint(architecture, 2, arguments)
    head, ledger = classifier_name(plan), Ledger(source.tensors)
    body = [name for name in plan.state_dict() if name not in (f"{head}.weight", f"{head}.bias")]
    prefix = _prefix(source, body)
    tensors = {name: ledger.take(prefix + name) for name in body}
    found = _head(source, prefix, head, {prefix + name for name in body})
    weight = tensors[f"{head}.weight"] = ledger.take(f"{found}.weight")
    # A linear layer without a bias is one whose bias is 0.
    bias = ledger.take(f"{found}.bias") if ledger.has(f"{found}.bias") else torch.zeros(weight.shape[:1], dtype=weight.dtype)
    ledger.finish(what)
    return {**tensors, f"{head}.bias": bias}, len(bias)


def _prefix(source: Source, body: list[str]) -> str:
    hinted = source.hints.get("prefix")
    candidates = PREFIXES if hinted is None else (str(hinted),)
    counted = {prefix: sum(prefix + name in source.tensors for name in body) for prefix in candidates}
    best = max(candidates, key=lambda prefix: counted[prefix])
    if counted[best] * 2 < len(body):
        raise refuse("The detector's tensors have not the names of the architecture that it names, under no known prefix.")
    return best


def _head(source: Source, prefix: str, own: str, body: set[str]) -> str:
    hinted = source.hints.get("head")
    if hinted is not None:
        return str(hinted)
    candidates = dict.fromkeys((prefix + own, *(prefix + name for name in HEADS), *HEADS))
    found = [name for name in candidates if f"{name}.weight" in source.tensors and f"{name}.weight" not in body]
    if not found:
        raise refuse("The detector has no linear head of a known name.")
    if len(found) > 1:
        raise refuse(f"The detector has several heads ({found[0]!r} and {found[1]!r}), and which of them answers is not known.")
    return found[0]


def _timm(source: Source) -> Adapted:
    config = source.config
    given = config.get("model_args") or {}
    if not isinstance(given, Mapping):
        raise refuse("The detector's config.json has no usable value for 'model_args'.")
    arguments = {**given, **source.hints.get("model_args", {})}
    if config.get("global_pool") is not None:
        arguments.setdefault("global_pool", config["global_pool"])
    architecture, preparation = str(config["architecture"]).split(".")[0], by_timm(source, config["pretrained_cfg"])
    # timm gives networks of a fixed size that of the pictures, too.
    arguments = _without_own_side(architecture, {"img_size": preparation.crop.side_px, **arguments})
    tensors, outputs = unwrapped(source, architecture, arguments, f"timm's {architecture}")
    _check_count(config, outputs)
    labels = names(config["label_names"], "label_names") if config.get("label_names") else ()
    return conclude(TIMM.name, source, architecture, arguments, tensors, labels, preparation)


def _wrapper(source: Source, adapter: str) -> Adapted:
    # Who vouches for an architecture knows the wrapper; otherwise its config must hold nothing of unknown effect.
    vouched = adapter == PREFIXED.name and "architecture" in source.hints
    architecture = str(source.hints["architecture"]) if vouched else _named_architecture(source.config)
    arguments = {**({} if vouched else _checked_config(source.config)), **source.hints.get("model_args", {})}
    arguments = _without_own_side(architecture, arguments)
    tensors, outputs = unwrapped(source, architecture, arguments, f"timm's {architecture} with a linear head")
    _check_count(source.config, outputs)
    found = next((source.config[name] for name in _LABELS if name in source.config), None)
    labels = labels_of(source.config) if found is None else names(found, "labels")
    return conclude(adapter, source, architecture, arguments, tensors, labels, by_transformers(source))


_TIMM_KINDS = {"architecture": str, "pretrained_cfg": Mapping}
TIMM = Format("timm", lambda source: all(isinstance(source.config.get(name), kind) for name, kind in _TIMM_KINDS.items()), _timm)
MIXIN = Format(
    "PyTorchModelHubMixin around timm",
    lambda source: "model_type" not in source.config and bool(_named_architecture(source.config)),
    lambda source: _wrapper(source, MIXIN.name),
)
PREFIXED = Format(
    "timm state dict with a prefix",
    lambda source: "architecture" in source.hints or bool(_named_architecture(source.config)),
    lambda source: _wrapper(source, PREFIXED.name),
)
