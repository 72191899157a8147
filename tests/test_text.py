"""The words for numbers, and words that the page never says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from attribution.evidence import STATES
from attribution.text import page as text


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.0, "under 1 %"),
        (0.004, "under 1 %"),
        (0.009, "under 1 %"),
        (0.01, "1 %"),
        (0.5, "50 %"),
        (0.934, "93 %"),
        (0.994, "99 %"),
        (1.0, "over 99 %"),
    ],
)
def test_percent(p: float, words: str) -> None:
    assert text.percent(p) == words


@pytest.mark.parametrize(("p", "words"), [(0.51, "Low"), (0.75, "Moderate"), (0.9, "High"), (0.98, "Very high"), (1.0, "Very high")])
def test_confidence_in_words(p: float, words: str) -> None:
    assert text.confidence_words(p) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0.0 s"), (3.44, "3.4 s"), (59.94, "59.9 s"), (59.96, "1:00.0"), (65.2, "1:05.2"), (3725.0, "62:05.0")]
)
def test_moments(seconds: float, words: str) -> None:
    assert text.seconds(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 byte"), (999, "999 bytes"), (61_306, "61.3 kB (61,306 bytes)"), (2_500_000_000, "2.5 GB (2,500,000,000 bytes)")],
)
def test_sizes(count: int, words: str) -> None:
    assert text.size(count) == words


@pytest.mark.parametrize(
    ("drop", "words"), [(0.41, "falls by 41 points"), (0.012, "falls by 1 point"), (0.004, "does not move"), (-0.2, "rises by 20 points")]
)
def test_changes(drop: float, words: str) -> None:
    assert text.change(drop) == words


def sentences(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return sentences([*value.keys(), *value.values()]) if value is not text.STATES else sentences([*value.values()])
    return [one for item in value for one in sentences(item)] if isinstance(value, list | tuple) else []


def test_the_page_never_says_real() -> None:
    said = [one for name, value in vars(text).items() if name.isupper() for one in sentences(value)]
    assert len(said) > 60
    assert [one for one in said if re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", one, re.IGNORECASE)] == []


def test_every_state_has_its_words() -> None:
    assert set(text.STATES) == set(text.STATES_EXPLAINED) == set(STATES)
    assert text.STATES["no_manipulation_found"] == "No manipulation found"
