"""Values of a stranger's config.json, checked for type and range before anything is built from them. Each raises UnusableDetector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attribution.errors import UnusableDetector
from attribution.models.architectures import MOST_CLASSES

_CORRECT = "Correct its config.json, or use another detector."
_LONGEST_LABEL = 100


def refuse(what: str) -> UnusableDetector:
    return UnusableDetector(what, _CORRECT)


def _bad(name: str) -> UnusableDetector:
    return refuse(f"The detector's config.json has no usable value for {name[:60]!r}.")


def whole(config: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """The whole number of that name, `default` where the config leaves it out, as the format allows it to."""
    value = config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _bad(name)
    return value


def number(config: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = config.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise _bad(name)
    return float(value)


def flag(config: Mapping[str, Any], name: str, default: bool) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise _bad(name)
    return value


def wholes(config: Mapping[str, Any], name: str, default: Sequence[int], least: int, most: int) -> tuple[int, ...]:
    """One to four whole numbers, one per stage."""
    value = config.get(name, list(default))
    good = isinstance(value, list) and 1 <= len(value) <= 4
    if not good or not all(isinstance(one, int) and not isinstance(one, bool) and least <= one <= most for one in value):
        raise _bad(name)
    return tuple(value)


def side(config: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """The side of a square, given as a number or as two equal ones."""
    value = config.get(name, default)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return whole({name: value}, name, default, least, most)


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
    if not isinstance(given, Mapping) or not 1 <= len(given) <= MOST_CLASSES:
        raise _bad("id2label")
    numbered = {str(number): label for number, label in given.items()}
    if set(numbered) != {str(number) for number in range(len(numbered))}:
        raise _bad("id2label")
    return names([numbered[str(number)] for number in range(len(numbered))], "id2label")


def names(given: Any, what: str) -> tuple[str, ...]:
    """A list of labels as they stand there."""
    good = isinstance(given, list | tuple) and 1 <= len(given) <= MOST_CLASSES
    if not good or not all(isinstance(label, str) and label.strip() and len(label) <= _LONGEST_LABEL for label in given):
        raise _bad(what)
    return tuple(given)
