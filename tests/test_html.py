"""Templates: everything is escaped once, line breaks are no part of the page, and what is missing is an error."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from attribution.render.html import ENVIRONMENT, macros
from samples import HOSTILE, is_inert


def test_a_macro_escapes_once_and_keeps_the_words_apart() -> None:
    inner = "{% macro inner(x) %}<b>{{ x }}</b>{% endmacro %}"
    outer = "{% macro outer(x) %}\n<p>\n  {{ inner(x) }}\n  two\n  words {{ 0.5 | percent }}\n</p>\n{% endmacro %}"
    made = ENVIRONMENT.from_string(inner + outer).module.outer("a & b")  # type: ignore[attr-defined]
    assert isinstance(made, Markup)
    assert str(made) == "<p><b>a &amp; b</b>two\n  words 50 %</p>"
    assert is_inert(ENVIRONMENT.from_string(inner + outer).module.outer(HOSTILE))  # type: ignore[attr-defined]


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        macros("marks.html").state_icon("no such state")
