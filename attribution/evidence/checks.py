"""The words that evidence may use, and the checks that every value passes at birth. Each raises EvidenceError."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attribution.errors import EvidenceError

FAMILIES = ("real", "face_swap", "reenactment", "gan", "diffusion")
UNKNOWN_FAMILY = "unknown"
"""The family of a label that tells a manipulation and not by what kind of method, as those of most public detectors do."""
LABEL_FAMILIES = (*FAMILIES, UNKNOWN_FAMILY)
STATES = ("manipulated", "no_manipulation_found", "inconclusive")
KINDS = ("picture", "clip")
VIEWS = ("face", "picture")
SCOPES = ("any", "generated", "face_swap")
UNKNOWN_METHOD = "unknown"

Box = tuple[float, float, float, float]

# Probabilities come out of float32 arithmetic: a sum of exactly 1 may be a few millionths more.
_ROUNDING = 1e-6


def need(holds: bool, message: str) -> None:
    """Raise EvidenceError with `message` unless it holds."""
    if not holds:
        raise EvidenceError(f"Evidence may not hold this: {message}.", "Report it: it is a bug or a forged file.")


def number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """A finite real number (Python's or numpy's, no bool) in [least, most]."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    need(real and math.isfinite(value) and bool(least <= value <= most), f"{name} = {value!r}")


def count(name: str, value: Any, least: int = 0) -> None:
    """A whole number of at least `least`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    need(whole and bool(value >= least), f"{name} = {value!r}")


def probability(name: str, value: Any) -> None:
    """A number in [0, 1]."""
    number(name, value, -_ROUNDING, 1 + _ROUNDING)


def text(name: str, value: Any) -> None:
    """A string."""
    need(isinstance(value, str), f"{name} must be text")


def instance(name: str, value: Any, kind: type) -> None:
    """A value of that class."""
    need(isinstance(value, kind), f"{name} must be a {kind.__name__}")


def instances(name: str, values: Any, kind: type) -> None:
    """A tuple of values of that class."""
    need(isinstance(values, tuple) and all(isinstance(value, kind) for value in values), f"{name} must be a tuple of {kind.__name__}")


def sha256(name: str, value: Any) -> None:
    """64 lower-case hex digits."""
    need(isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"), f"{name} must be 64 hex digits")


def box(name: str, value: Sequence[float]) -> None:
    """Four finite numbers (x0, y0, x1, y1) with x1 > x0 and y1 > y0."""
    need(isinstance(value, Sequence) and len(value) == 4, f"{name} = {value!r}")
    for corner in value:
        number(name, corner)
    need(value[2] > value[0] and value[3] > value[1], f"{name} is empty: {value!r}")


def picture(name: str, rgb: np.ndarray) -> None:
    """H×W×3 uint8, not empty."""
    good = isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size > 0
    need(good, f"{name} must be H×W×3 uint8")


def shares(name: str, values: Mapping[str, float]) -> None:
    """Probabilities by name that sum to 1."""
    need(isinstance(values, Mapping) and all(isinstance(key, str) for key in values), f"{name} must map names to probabilities")
    for key, value in values.items():
        probability(f"{name}[{key!r}]", value)
    need(abs(sum(values.values()) - 1) < 2e-3, f"{name} does not sum to 1")
