"""The words that evidence may use, and the checks that every value passes when it is made. Each raises EvidenceError.

Fields are checked by their annotations; those that are not compared live in memory only, and are neither checked nor in the JSON.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from attribution.errors import EvidenceError
from attribution.messages import gettext as _

FAMILIES = ("real", "face_swap", "reenactment", "gan", "diffusion")
UNKNOWN_FAMILY = "unknown"
"""The family of a label that tells a manipulation and not by what kind of method, as those of most public detectors do."""
LABEL_FAMILIES = (*FAMILIES, UNKNOWN_FAMILY)
STATES = ("manipulated", "no_manipulation_found", "inconclusive")
KINDS = ("picture", "clip")
VIEWS = ("face", "picture")
RESAMPLINGS = ("lanczos", "bicubic", "bilinear")
"""How the pixels of a crop are resampled, from the sharpest to the softest."""
SCOPES = ("any", "generated", "face_swap")
AGREEMENTS = ("same method", "same family", "same answer", "differs", "undecided")
UNKNOWN_METHOD = "unknown"

# Probabilities come out of float32 arithmetic: a sum of exactly 1 may be a few millionths more.
_ROUNDING = 1e-6

Box = tuple[float, float, float, float]
Probability = Annotated[float, -_ROUNDING, 1 + _ROUNDING]
NotNegative = Annotated[float, 0, math.inf]
Positive = Annotated[int, 1]
Sha256 = Annotated[str, "sha256"]
Shares = Annotated[Mapping[str, float], "shares"]


def need(holds: bool, message: str) -> None:
    """Raise EvidenceError with `message` unless it holds."""
    if not holds:
        what = _("Evidence may not hold this: {problem}.").format(problem=message)
        raise EvidenceError(what, _("Report it: it is a bug or a forged file."))


@cache
def json_fields(kind: type) -> dict[str, Any]:
    """The fields of a dataclass that are in the JSON, with their annotations."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.compare}


class Checked:
    """A dataclass that is checked when it is made: every field against its annotation, and then by `check`."""

    coded: ClassVar[Mapping[str, str]] = {}
    """Fields that hold sentences, each with the name of the JSON's field that has their codes."""

    def __post_init__(self) -> None:
        kind = type(self)
        for name, annotation in json_fields(kind).items():
            _fits(f"{kind.__name__}.{name}", getattr(self, name), annotation)
        self.check()

    def check(self) -> None:
        """What must hold between the fields; raises EvidenceError."""


def _fits(name: str, value: Any, annotation: Any) -> None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        _within(name, value, *arguments)
    elif origin in (Union, UnionType):
        if value is not None:
            _fits(name, value, arguments[0])
    elif annotation == Box:
        box(name, value)
    elif origin is tuple:
        need(isinstance(value, tuple), f"{name} must be a tuple")
        for item in value:
            _fits(name, item, arguments[0])
    elif annotation is float:
        number(name, value)
    elif annotation is int:
        count(name, value)
    elif annotation is np.ndarray:
        need(isinstance(value, np.ndarray), f"{name} must be an array")
    else:
        need(isinstance(value, origin or annotation), f"{name} = {str(value)[:80]!r}")


def _within(name: str, value: Any, kind: type, *rule: Any) -> None:
    if rule == ("sha256",):
        need(isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"), f"{name} must be 64 hex digits")
    elif rule == ("shares",):
        shares(name, value)
    elif isinstance(rule[0], tuple):
        need(isinstance(value, str) and value in rule[0], f"{name} = {value!r}")
    else:
        (count if kind is int else number)(name, value, *rule)


def number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """A finite real number (Python's or numpy's, no bool) in [least, most]."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    need(real and math.isfinite(value) and bool(least <= value <= most), f"{name} = {value!r}")


def count(name: str, value: Any, least: int = 0) -> None:
    """A whole number of at least `least`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    need(whole and bool(value >= least), f"{name} = {value!r}")


def box(name: str, value: Any) -> None:
    """Four finite numbers (x0, y0, x1, y1) with x1 > x0 and y1 > y0."""
    need(isinstance(value, tuple) and len(value) == 4, f"{name} = {value!r}")
    for corner in value:
        number(name, corner)
    need(value[2] > value[0] and value[3] > value[1], f"{name} is empty: {value!r}")


def picture(name: str, rgb: Any) -> None:
    """H×W×3 uint8, not empty."""
    good = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size > 0
    need(good, f"{name} must be H×W×3 uint8")


def shares(name: str, values: Any) -> None:
    """Probabilities by name that sum to 1."""
    need(isinstance(values, Mapping) and all(isinstance(key, str) for key in values), f"{name} must map names to probabilities")
    for key, value in values.items():
        number(f"{name}[{key!r}]", value, -_ROUNDING, 1 + _ROUNDING)
    need(abs(sum(values.values()) - 1) < 2e-3, f"{name} does not sum to 1")


def labelled(name: str, values: Sequence[Any], labels: Sequence[str]) -> None:
    """A probability for each label, in their order, that sum to 1."""
    need(len(values) == len(labels), f"{name} without a value per label")
    shares(name, dict(zip(labels, values, strict=True)))
