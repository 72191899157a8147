"""What goes into an adapter and what comes out, and the ledger that sees to it that no tensor is lost or used twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from attribution.detectors.card import CropSettings
from attribution.errors import DamagedDetector, UnusableDetector

AGAIN = "Get the detector again from its source."


@dataclass(frozen=True, repr=False)
class Source:
    """The parsed files of a detector. `preprocessor` is preprocessor_config.json, None where there is none.

    `hints` are what the catalogue knows of a public repository that does not say it of itself: `architecture` and `model_args` (as
    `network.build_backbone` takes them), `prefix` and `head` (of the tensors' names), `mean`, `std`, `crop` (a CropSettings or its
    fields), `label_names`, and `one_logit` (true where a single output is a logit and no measurement). Others are left alone.
    """

    config: Mapping[str, Any]
    preprocessor: Mapping[str, Any] | None
    tensors: Mapping[str, torch.Tensor]
    hints: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        return f"Source({len(self.tensors)} tensors, model_type {self.config.get('model_type')!r})"


@dataclass(frozen=True, repr=False)
class Adapted:
    """A detector in timm's terms. `tensors` has the names and shapes of `network.build_backbone(architecture, num_classes, model_args)`.

    `adapter` is the format that it came in. `label_names` are the classes as the repository calls them, empty where it does not. `mean` and
    `std` per colour are for inputs in [0, 1]. With `one_logit` the single logit z of the original became the two logits −z/2 and z/2, whose
    softmax is 1 − sigmoid(z) and sigmoid(z).
    """

    adapter: str
    architecture: str
    num_classes: int
    model_args: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]
    label_names: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop: CropSettings
    one_logit: bool

    def __repr__(self) -> str:
        return f"Adapted({self.adapter}: {self.architecture}, {self.num_classes} classes, {self.crop.side_px} px)"


class Ledger:
    """The tensors of a file, each to be accounted for exactly once."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._left = dict(tensors)

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> torch.Tensor:
        """That tensor, which is then accounted for. Raises DamagedDetector when it is not there."""
        if name not in self._left:
            raise DamagedDetector(f"The detector's weights lack the tensor {name[:120]!r}.", AGAIN)
        return self._left.pop(name)

    def take_linear(self, name: str, bias: bool = True) -> dict[str, torch.Tensor]:
        """`weight` and, unless it has none, `bias` of the layer of that name."""
        return {part: self.take(f"{name}.{part}") for part in (("weight", "bias") if bias else ("weight",))}

    def drop(self, *names: str) -> None:
        """Account for tensors of these exact names, where they are there, that have no part in the answer."""
        for name in names:
            self._left.pop(name, None)

    def drop_under(self, *prefixes: str) -> None:
        """The same for every tensor below one of these modules."""
        for name in [name for name in self._left if name.startswith(prefixes)]:
            del self._left[name]

    def finish(self, what: str) -> None:
        """Raises UnusableDetector when a tensor was not accounted for, and names the first."""
        if self._left:
            stranger = min(self._left)
            raise UnusableDetector(
                f"The tensor {stranger[:120]!r} has no place in {what}, so what this detector computes is not known.",
                "Use a detector whose parts are all known.",
            )
