"""What goes into an adapter and what comes out: the files of a detector, the ledger that sees to it that no tensor is lost or used twice,
values of a stranger's config.json checked before anything is built from them, and the comparison with timm's architecture at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from attribution.detectors.card import MODEL_FILE, CropSettings
from attribution.detectors.loading import Colours, load_exactly
from attribution.errors import UnusableDetector, damaged, unreadable
from attribution.messages import gettext as _
from attribution.models.architectures import MOST_CLASSES
from attribution.models.backbones import blueprint, build_backbone, check_memory, classifier_name, fixed_side_px

ONE_LOGIT_NAMES = ("at or below 0", "above 0")
_LONGEST_LABEL = 100
_Number = TypeVar("_Number", bool, int, float)


@dataclass(frozen=True, repr=False)
class Source:
    """The parsed files of a detector. `preprocessor` is preprocessor_config.json, None where there is none. `hints` are what the catalogue
    knows of a public repository that does not say it of itself: `architecture` and `model_args` (as `build_backbone` takes them),
    `prefix` and `head` (of the tensors' names), `mean`, `std`, `crop` (a CropSettings or its fields), `label_names`, and `one_logit` (true
    where a single output is a logit and no measurement). Others are left alone."""

    config: Mapping[str, Any]
    preprocessor: Mapping[str, Any] | None
    tensors: Mapping[str, torch.Tensor]
    hints: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        return f"Source({len(self.tensors)} tensors, model_type {self.config.get('model_type')!r})"


@dataclass(frozen=True, repr=False)
class Adapted:
    """A detector that can be built: names and sizes have been compared, and no memory has been asked for yet.

    `build` gives the network (`forward_features`, `forward_head`, a linear classifier, as timm has them) with all its weights, or raises
    DamagedDetector or UnusableDetector. `adapter` is the format that it came in. `label_names` are the classes as the repository calls
    them, empty where it does not. `mean` and `std` per colour are for inputs in [0, 1]. With `one_logit` the single logit z of the
    original became the two logits −z/2 and z/2, whose softmax is 1 − sigmoid(z) and sigmoid(z)."""

    adapter: str
    architecture: str
    num_classes: int
    build: Callable[[], nn.Module]
    label_names: tuple[str, ...]
    mean: Colours
    std: Colours
    crop: CropSettings
    one_logit: bool

    def __repr__(self) -> str:
        return f"Adapted({self.adapter}: {self.architecture}, {self.num_classes} classes, {self.crop.side_px} px)"


class Preparation(NamedTuple):
    """`mean` and `std` per colour (red, green, blue) for values in [0, 1], and the crop."""

    mean: Colours
    std: Colours
    crop: CropSettings


class Format(NamedTuple):
    """A public format: `recognises` tells from the files, without raising; `adapt` raises UnusableDetector or DamagedDetector."""

    name: str
    recognises: Callable[[Source], bool]
    adapt: Callable[[Source], Adapted]


class Ledger:
    """The tensors of a file, each to be accounted for exactly once."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._left = dict(tensors)

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> torch.Tensor:
        """That tensor, which is then accounted for. Raises DamagedDetector when it is not there."""
        if name not in self._left:
            raise damaged(f"its weights lack the tensor {name[:120]!r}")
        return self._left.pop(name)

    def finish(self, what: str) -> None:
        """Raises UnusableDetector when a tensor was not accounted for, and names the first."""
        if self._left:
            raise unreadable(f"the tensor {min(self._left)[:120]!r} has no place in {what}, so what this detector computes is not known")


def refuse(what: str) -> UnusableDetector:
    """For what its configuration says, in technical English."""
    return unreadable(what.rstrip("."), _("Correct its config.json, or choose another detector."))


def _bad(name: str) -> UnusableDetector:
    return refuse(f"The detector's config.json has no usable value for {name[:60]!r}.")


def read(config: Mapping[str, Any], name: str, default: _Number, least: float = 0, most: float = 1) -> _Number:
    """The flag, whole number or number of that name, of the kind of `default`, which holds where the config leaves it out."""
    value = config.get(name, default)
    kind = int | float if isinstance(default, float) else int
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool) or not least <= value <= most:
        raise _bad(name)
    return type(default)(value)


def must_be(config: Mapping[str, Any], name: str, wanted: Any) -> None:
    """What the format leaves out or has as `wanted` alone can be built here."""
    value = config.get(name, wanted)
    if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
        raise refuse(f"The detector has {name[:60]!r} = {str(value)[:40]!r}, which Telltale cannot build.")


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in transformers' `id2label`, in the order of their numbers; empty where there is none."""
    given = config.get("id2label")
    if given is None:
        return ()
    numbered = {str(number): label for number, label in given.items()} if isinstance(given, Mapping) else {}
    if set(numbered) != {str(number) for number in range(len(numbered))}:
        raise _bad("id2label")
    return names([numbered[str(number)] for number in range(len(numbered))], "id2label")


def names(given: Any, what: str) -> tuple[str, ...]:
    """A list of labels as they stand there."""
    good = isinstance(given, list | tuple) and 1 <= len(given) <= MOST_CLASSES
    if not good or not all(isinstance(label, str) and label.strip() and len(label) <= _LONGEST_LABEL for label in given):
        raise _bad(what)
    return tuple(given)


def conclude(
    adapter: str, source: Source, architecture: str, model_args: Mapping[str, Any], tensors: Mapping[str, torch.Tensor],
    label_names: tuple[str, ...], preparation: Preparation,
) -> Adapted:  # fmt: skip
    """A timm network, once names, shapes, number of classes and side of the pictures agree with the architecture."""
    plan = blueprint(architecture, 2, model_args)
    head = classifier_name(plan)
    weight, bias = tensors.get(f"{head}.weight"), tensors.get(f"{head}.bias")
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1] or not 1 <= len(weight) <= MOST_CLASSES:
        raise refuse(f"The detector's head is not linear, or not one of 1 to {MOST_CLASSES} classes.")
    if len(weight) == 1:
        tensors = {**tensors, f"{head}.weight": _halves(weight), f"{head}.bias": _halves(bias)}
    num_classes = len(tensors[f"{head}.bias"])
    _compare(plan.state_dict(), tensors, head, num_classes)
    needed_px = fixed_side_px(plan)
    if needed_px not in (None, preparation.crop.side_px):
        raise refuse(f"The detector's pictures are prepared at {preparation.crop.side_px} px; its network reads {needed_px} px.")

    def build() -> nn.Module:
        model = build_backbone(architecture, num_classes, model_args)
        load_exactly(model, tensors, MODEL_FILE)
        return model

    return named(adapter, source, architecture, len(weight), build, label_names, preparation)


def named(
    adapter: str, source: Source, architecture: str, outputs: int, build: Callable[[], nn.Module], label_names: tuple[str, ...],
    preparation: Preparation, one_logit_is_sure: bool = True,
) -> Adapted:  # fmt: skip
    """The detector, once its labels are as many as its `outputs`. `one_logit_is_sure` is false where the format also uses a single output
    for measurements; then a hint must say that it is a logit."""
    one_logit, num_classes = outputs == 1, max(outputs, 2)
    if one_logit and not (one_logit_is_sure or source.hints.get("one_logit") is True):
        raise refuse("The detector has a single output and does not say whether that is a logit or a measurement.")
    found = names(source.hints["label_names"], "label_names") if "label_names" in source.hints else label_names
    if one_logit and len(found) != num_classes:
        found = ONE_LOGIT_NAMES
    if not 1 <= outputs <= MOST_CLASSES or (found and len(found) != num_classes):
        raise damaged(f"it names {len(found)} labels and has {outputs} outputs")
    return Adapted(adapter, architecture, num_classes, build, found, *preparation, one_logit)


def two_rows(layer: nn.Linear) -> nn.Linear:
    """A linear layer with one output z as one with two, −z/2 and z/2: softmax gives sigmoid(z), and the gradients of both are its own."""
    doubled = nn.Linear(layer.in_features, 2)
    load_exactly(doubled, {name: _halves(value) for name, value in layer.state_dict().items()}, MODEL_FILE)
    return doubled


def check_memory_of(plan: nn.Module, tokens: int, what: str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raises as `check_memory`, and DamagedDetector for a network that has more weights than its file: a small file asks for no more memory
    than it fills."""
    check_memory(plan, tokens, what)
    if sum(one.numel() for one in plan.parameters()) > sum(one.numel() for one in tensors.values()):
        raise damaged(f"its weights are fewer than a {what} of its config.json has, so that it lacks some")


def _halves(row: torch.Tensor) -> torch.Tensor:
    return torch.cat([-row / 2, row / 2])


def _compare(wanted: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], head: str, num_classes: int) -> None:
    missing, strange = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing:
        raise damaged(f"its weights lack {len(missing)} tensors of its architecture, {missing[0][:120]!r} first")
    if strange:
        raise unreadable(f"the tensor {strange[0][:120]!r} has no place in its architecture")
    for name, tensor in wanted.items():
        shape = torch.Size([num_classes, *tensor.shape[1:]]) if name in (f"{head}.weight", f"{head}.bias") else tensor.shape
        if tensors[name].shape != shape:
            raise damaged(f"the tensor {name[:120]!r} has not the shape that its architecture needs")
        if tensors[name].is_floating_point() != tensor.is_floating_point():
            raise unreadable(f"the tensor {name[:120]!r} is not of the kind of numbers needed")
