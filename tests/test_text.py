"""Words for numbers, words that are never said, and the templates that escape everything once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from attribution.evidence import STATES
from attribution.messages import Words
from attribution.render.html import ENVIRONMENT, macros
from attribution.text import areas, nearest_limits, numbers, opinions
from attribution.text import page as text
from samples import HOSTILE, is_inert

WORDS: list[tuple[Callable[[Any], str], list[tuple[float, str]]]] = [
    (
        numbers.percent,
        [(0.0, "under 1 %"), (0.0099, "under 1 %"), (0.01, "1 %"), (0.934, "93 %"), (0.99, "99 %"), (0.991, "over 99 %"), (1, "over 99 %")],
    ),
    (numbers.short_percent, [(0.0, "< 1 %"), (0.01, "1 %"), (0.934, "93 %"), (0.991, "> 99 %")]),
    (numbers.measured_share, [(0.0, "0 %"), (0.016, "1.6 %"), (0.45, "45 %"), (0.957, "95.7 %"), (1.0, "100 %"), (-0.004, "−0.4 %")]),
    (numbers.confidence_words, [(0.51, "Low"), (0.75, "Moderate"), (0.9, "High"), (0.98, "Very high"), (1.0, "Very high")]),
    (numbers.seconds, [(0, "0.0 s"), (3.44, "3.4 s"), (59.94, "59.9 s"), (59.96, "1:00.0"), (65.2, "1:05.2"), (3725.0, "62:05.0")]),
    (numbers.size, [(308, "308 bytes"), (22_000_308, "22.0 MB"), (2_500_000_000, "2.5 GB")]),
    (numbers.exact_size, [(1, "1 byte"), (999, "999 bytes"), (61_306, "61.3 kB (61,306 bytes)")]),
    (numbers.fold, [(0.0, "1.0"), (3.7, "40"), (0.7, "2.0"), (5.0, "150"), (-0.7, "0.5"), (900.0, "1,000,000")]),
]


@pytest.mark.parametrize(("said", "cases"), WORDS, ids=lambda one: getattr(one, "__name__", ""))
def test_numbers_in_words(said: Callable[[Any], str], cases: list[tuple[float, str]]) -> None:
    assert [said(value) for value, _ in cases] == [words for _, words in cases]


def sentences(value: Any) -> list[str]:
    if isinstance(value, dict):
        return sentences([*value.values()])
    parts = [one for item in value for one in sentences(item)] if isinstance(value, list | tuple) else []
    return [value] if isinstance(value, Words) else parts


@pytest.mark.parametrize("words", [text, areas, opinions, nearest_limits], ids=lambda one: one.__name__)
def test_nobody_is_called_real(words: Any) -> None:
    said = [one for name, value in vars(words).items() if name.isupper() for one in sentences(value)]
    assert len(said) > 15
    assert [one for one in said if re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", one, re.IGNORECASE)] == []
    assert set(text.STATES) == set(text.STATES_EXPLAINED) == set(STATES)


def test_a_macro_escapes_once_and_keeps_the_words_apart() -> None:
    inner = "{% macro inner(x) %}<b>{{ x }}</b>{% endmacro %}"
    outer = "{% macro outer(x) %}\n<p>\n  {{ inner(x) }}\n  two\n  words {{ 0.5 | percent }}\n</p>\n{% endmacro %}"
    module: Any = ENVIRONMENT.from_string(inner + outer).module
    made = module.outer("a & b")
    assert isinstance(made, Markup)
    assert str(made) == "<p><b>a &amp; b</b>two\n  words 50 %</p>"
    assert is_inert(module.outer(HOSTILE))


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        macros("marks.html").state_icon("no such state")
