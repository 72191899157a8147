"""What the page says about itself: its head, what it is doing, and what went wrong. The markup is in templates/web.html."""

import base64
import json
from typing import Any

import gradio as gr
from markupsafe import Markup

from attribution.evidence import DetectorInfo
from attribution.render.html import macros
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import numbers

HTML = macros("web.html")


def progress(share: float, doing: str, elapsed: float | None = None, about: str = "") -> Any:
    """What is being done, as a bar and a sentence that screen readers announce, and for how many seconds already. `about`: what it is
    done with, where that has to be said."""
    return gr.update(value=HTML.progress(max(share, 0.03), doing, elapsed, about), visible=True)


def note(sentence: str) -> Any:
    """One plain sentence in place of progress."""
    return gr.update(value=HTML.waiting(sentence), visible=True)


def problem(sentence: str, title: str = "") -> Any:
    """One plain sentence that says why there is no result, under a `title` where it is not about a file."""
    return gr.update(value=HTML.problem(sentence, title), visible=True)


def header(state: str, words: str) -> Markup:
    """The head of the page, with whether the detector is `starting`, `ready` or `failed`."""
    return HTML.header(state, words, (_link(limits_text, limits_text.LINK), _link(failures_text, failures_text.LINK)))


def other_header(here: Any, other: Any) -> Markup:
    """The head of the page whose texts `here` is, with the ways to the first page and to that of `other`."""
    return HTML.other_header(here.PAGE, limits_text.BACK, _link(other, other.LINK))


def script_words(title: str) -> Markup:
    """What scripts write, in the reader's language; it cannot be seen."""
    return HTML.script_words(json.dumps(numbers.for_script(), ensure_ascii=False), title)


def all_limits(detector: DetectorInfo) -> Markup:
    """The way to the measured limits, for a detector that they may speak of."""
    return _link(limits_text, limits_text.SEE_ALL) if detector.measured and not detector.source else Markup()


def _link(texts: Any, words: str) -> Markup:
    return HTML.link(texts.PATH, words, limits_text.NEW_TAB)


def data_link(kind: str, content: str) -> str:
    """An address that holds a file itself: nothing is written to the server's disk for it."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode('utf-8')).decode('ascii')}"
