"""One way to write HTML: Jinja2 templates that escape whatever they are given. No module but this one knows how a template is found.

A module computes values, a macro of a template writes the markup:

    _HTML = macros("face.html")             # attribution/render/templates/face.html, or measured/templates, or web/templates

    def state_badge(verdict: Verdict) -> Markup:
        return _HTML.state_badge(verdict.state)

    {% macro state_badge(state) %}
    <span class="tt-badge tt-{{ state }}">{{ state_icon(state, 16) }}{{ page.STATES[state] }}</span>
    {% endmacro %}

Macros give `Markup`, a `str` that other templates do not escape again; `page.WHY`, `opinions.JUMP` and so on are the sentences of
`attribution.text`, and numbers have filters (`{{ p | percent }}`). A value that is missing is an error. In Python join markup with
f-strings or `"".join`, never with `+`: `"<b>" + markup` escapes the plain side.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension

from attribution.render.palette import STATE_ICONS, family_style
from attribution.text import areas, detectors, numbers, opinions, page

_PRODUCT = Path(__file__).resolve().parents[1]


class _LineBreaks(Extension):
    """Line breaks beside a tag, with the indentation around them, are for people who read templates and no part of the page. They become
    comments, so that errors name the right line."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        return re.sub(r"(?<=[>}])[ \t]*\n\s*|[ \t]*\n\s*(?=[<{])", lambda found: "{#" + "\n" * found[0].count("\n") + "#}", source.strip())


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader([_PRODUCT / folder / "templates" for folder in ("render", "measured", "web")]),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=[_LineBreaks],
    )
    made.filters.update(percent=numbers.percent, share=numbers.measured_share, seconds=numbers.seconds, size=numbers.size)
    made.globals.update(page=page, opinions=opinions, areas=areas, detectors=detectors, numbers=numbers)
    made.globals.update(STATE_ICONS=STATE_ICONS, family_style=family_style)
    return made


ENVIRONMENT = _environment()
"""For filters and globals of one's own; templates of all folders share it, so their file names differ."""


def macros(template: str) -> Any:
    """The macros of a template file, as functions that give `Markup`.

    Raises:
        jinja2.UndefinedError: from a macro that lacks a value.
    """
    return ENVIRONMENT.get_template(template).module
