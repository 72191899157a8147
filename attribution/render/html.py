"""One way to write HTML: Jinja2 templates that escape whatever they are given. No module but this one knows how a template is found.

A module computes values, a macro of a template (in the folder `templates` of `render`, `measured` or `web`) writes the markup:
`_HTML = macros("face.html")`, then `_HTML.state_badge(state)`. Macros give `Markup`, a `str` that other templates do not escape again;
`page.WHY`, `opinions.JUMP` and so on are the sentences of `attribution.text`, and numbers have filters (`{{ p | percent }}`). A value that
is missing is an error. `{{ words | quoted }}` marks what is not ours to translate as English. In Python join markup with f-strings or
`"".join`, never with `+`: `"<b>" + markup` escapes the plain side.
"""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup, escape

from attribution import messages
from attribution.render.palette import STATE_ICONS, family_style
from attribution.text import areas, detectors, files, numbers, opinions, page

_PRODUCT = Path(__file__).resolve().parents[1]


class _LineBreaks(Extension):
    """Line breaks beside a tag, with the indentation around them, are for people who read templates and no part of the page. They become
    comments, so that errors name the right line."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        return re.sub(r"(?<=[>}])[ \t]*\n\s*|[ \t]*\n\s*(?=[<{])", lambda found: "{#" + "\n" * found[0].count("\n") + "#}", source.strip())


def quoted(sentence: str, ours: bool = True) -> Markup:
    """A sentence of a card or a study: in the reader's language where it is `ours` and was translated, else as it was written, marked as
    English for browsers and screen readers. A message says itself."""
    if isinstance(sentence, messages.Words) and getattr(sentence, "context", "") != messages.DATA:
        return escape(sentence)
    said = messages.from_data(sentence).said() if ours else sentence
    foreign = said == sentence and messages.language() != "en"
    return Markup('<span class="tt-quoted" lang="en" dir="ltr">{}</span>').format(sentence) if foreign else escape(said)


_FOLDERS = [_PRODUCT / folder / "templates" for folder in ("render", "measured", "web")]
ENVIRONMENT = Environment(loader=FileSystemLoader(_FOLDERS), autoescape=True, undefined=StrictUndefined, extensions=[_LineBreaks])
"""For filters and globals of one's own; templates of all folders share it, so their file names differ."""
ENVIRONMENT.filters.update(percent=numbers.percent, share=numbers.measured_share, seconds=numbers.seconds, size=numbers.size, quoted=quoted)
ENVIRONMENT.globals.update(page=page, opinions=opinions, areas=areas, detectors=detectors, files=files, numbers=numbers)
ENVIRONMENT.globals.update(_=messages.gettext, pgettext=messages.pgettext, ngettext=messages.ngettext)
ENVIRONMENT.globals.update(language=messages.language, direction=messages.direction, LANGUAGES=messages.LANGUAGES)
ENVIRONMENT.globals.update(STATE_ICONS=STATE_ICONS, family_style=family_style)


def macros(template: str) -> Any:
    """The macros of a template file, as functions that give `Markup`; one that lacks a value raises jinja2.UndefinedError."""
    return ENVIRONMENT.get_template(template).module
