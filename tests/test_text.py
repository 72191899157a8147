"""The words for numbers, and words that the page never says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from attribution.evidence import STATES
from attribution.text import numbers
from attribution.text import page as text
from attribution.verdict import reasons

WORDS: list[tuple[Callable[[Any], str], list[tuple[float, str]]]] = [
    (
        numbers.percent,
        [
            (0.0, "under 1 %"),
            (0.0099, "under 1 %"),
            (0.01, "1 %"),
            (0.5, "50 %"),
            (0.934, "93 %"),
            (0.99, "99 %"),
            (0.991, "over 99 %"),
            (1.0, "over 99 %"),
        ],
    ),
    (numbers.share, [(0.0, "0 %"), (0.016, "1.6 %"), (0.45, "45 %"), (0.957, "95.7 %"), (1.0, "100 %"), (-0.004, "−0.4 %")]),
    (numbers.confidence_words, [(0.51, "Low"), (0.75, "Moderate"), (0.9, "High"), (0.98, "Very high"), (1.0, "Very high")]),
    (numbers.seconds, [(0, "0.0 s"), (3.44, "3.4 s"), (59.94, "59.9 s"), (59.96, "1:00.0"), (65.2, "1:05.2"), (3725.0, "62:05.0")]),
    (numbers.size, [(308, "308 bytes"), (22_000_308, "22.0 MB"), (2_500_000_000, "2.5 GB")]),
    (
        numbers.exact_size,
        [(1, "1 byte"), (999, "999 bytes"), (61_306, "61.3 kB (61,306 bytes)"), (2_500_000_000, "2.5 GB (2,500,000,000 bytes)")],
    ),
    (numbers.change, [(0.41, "falls by 41 points"), (0.012, "falls by 1 point"), (0.004, "does not move"), (-0.2, "rises by 20 points")]),
]


@pytest.mark.parametrize(
    ("said", "value", "words"), [(said, value, words) for said, cases in WORDS for value, words in cases], ids=lambda one: str(one)[:30]
)
def test_numbers_in_words(said: Callable[[Any], str], value: float, words: str) -> None:
    assert said(value) == words


def test_a_verdict_and_the_page_say_the_same_of_a_probability() -> None:
    assert reasons.percent is numbers.percent
    assert numbers.size(None) == numbers.SIZE_UNKNOWN


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
