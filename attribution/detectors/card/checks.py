"""The checks that every value of a card passes at birth. Each raises DamagedDetector."""

from __future__ import annotations

import re
from typing import Any

from attribution.errors import DamagedDetector


def need(holds: bool, message: str) -> None:
    if not holds:
        raise DamagedDetector(f"The detector's card is not valid: {message}.", "Get the detector again from its source, or mend card.json.")


def text(name: str, value: Any, most: int = 4000) -> None:
    need(isinstance(value, str) and len(value) <= most, f"{name} must be a text of at most {most} characters")


def number(name: str, value: Any, least: float = -1e300, most: float = 1e300) -> None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    # Python's integers are unbounded: compare before anything turns one into a float.
    in_range = real and -1e300 < value < 1e300 and least <= value <= most
    need(in_range, f"{name} must be a number from {least:g} to {most:g}")


def whole(name: str, value: Any, least: int = 0, most: int = 2**63) -> None:
    need(isinstance(value, int) and not isinstance(value, bool) and least <= value <= most, f"{name} must be a whole number")


def is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None
