"""What the page says about itself: its head, what it is doing, and what went wrong. Each is one component's value."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from attribution.evidence import DetectorInfo
from attribution.render.face import state_icon
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import page as text

_MARK = (
    '<svg width="36" height="36" viewBox="0 0 36 36" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="2.6"'
    ' stroke-linecap="round"><path d="M3 11V5.5A2.5 2.5 0 0 1 5.5 3H11M25 3h5.5A2.5 2.5 0 0 1 33 5.5V11M33 25v5.5a2.5 2.5 0 0 1-2.5'
    ' 2.5H25M11 33H5.5A2.5 2.5 0 0 1 3 30.5V25"/><path d="M18 9c-5 0-8 3.5-8 8.3C10 23 13.5 27.5 18 27.5s8-4.5 8-10.2'
    'C26 12.5 23 9 18 9Z"/><path d="M18 9v18.5" stroke-dasharray="1 4.2"/></g></svg>'
)
_MODE = (
    f'<button type="button" class="tt-mode" aria-label="{text.MODE_BUTTON}" title="{text.MODE_BUTTON}"><svg width="18" height="18"'
    ' viewBox="0 0 18 18" aria-hidden="true"><circle cx="9" cy="9" r="7" fill="none" stroke="currentColor" stroke-width="1.8"/>'
    '<path d="M9 2a7 7 0 0 1 0 14Z" fill="currentColor"/></svg></button>'
)


def progress(share: float, doing: str) -> Any:
    """What is being done, as a bar and a sentence that screen readers announce."""
    bar = f'<div class="tt-progress" aria-hidden="true"><i style="width:{100 * max(share, 0.03):.0f}%"></i></div>'
    return gr.update(value=f'<div class="tt-status" role="status"><p>{html.escape(doing)} …</p>{bar}</div>', visible=True)


def problem(sentence: str) -> Any:
    """One plain sentence that says why there is no result."""
    icon = state_icon("inconclusive", 30)
    words = f"<div><h2>{text.PROBLEM}</h2><p>{html.escape(sentence)}</p></div>"
    return gr.update(value=f'<div class="tt-problem" role="alert">{icon}{words}</div>', visible=True)


def no_status() -> Any:
    return gr.update(value="", visible=False)


def header(state: str, words: str) -> str:
    """The head of the page: name, purpose, whether the detector is `starting`, `ready` or `failed`, the ways to the other pages, and the
    switch between light and dark."""
    pill = f'<span class="tt-pill tt-{state}" role="status">{html.escape(words)}</span>'
    brand = f'<div class="tt-brand">{_MARK}<h1>{text.NAME}</h1></div>'
    tools = f'<div class="tt-tools">{limits_link(limits_text.LINK)}{failures_link(failures_text.LINK)}{_MODE}</div>'
    return f'<header class="tt-header">{brand}<p class="tt-purpose">{text.PURPOSE}</p>{pill}{tools}</header>'


def other_header(title: str, link: str) -> str:
    """The head of another page, with the way back to the first and the `link` to the third one."""
    brand = f'<a class="tt-brand" href="./" aria-label="{text.NAME}: {limits_text.BACK}">{_MARK}<b>{text.NAME}</b></a>'
    tools = f'<div class="tt-tools"><a class="tt-link" href="./">{limits_text.BACK}</a>{link}{_MODE}</div>'
    return f'<header class="tt-header tt-limits-header">{brand}<h1>{title}</h1>{tools}</header>'


def limits_link(words: str) -> str:
    """The way to the measured limits. They open beside the page: a running examination and its result stay where they are."""
    return _link(limits_text.PATH, words)


def failures_link(words: str) -> str:
    """The way to the page on why detectors fail; it opens beside the page, too."""
    return _link(failures_text.PATH, words)


def _link(path: str, words: str) -> str:
    unseen = f'<span class="tt-unseen"> ({limits_text.NEW_TAB})</span>'
    return f'<a class="tt-link" href="./{path}" target="_blank" rel="noopener">{words}{unseen}</a>'


def all_limits(detector: DetectorInfo) -> str:
    """The way to the measured limits as a paragraph, for a detector that they may speak of."""
    return f"<p>{limits_link(limits_text.SEE_ALL)}</p>" if detector.measured and not detector.source else ""


def title(words: str, hint: str = "", level: str = "h3") -> str:
    """The heading of a panel (`h3`) or of a part of one (`h4`), and a word on what it shows."""
    below = f"<p>{html.escape(hint)}</p>" if hint else ""
    kind = "tt-title" if level == "h3" else "tt-title tt-subtitle"
    return f'<div class="{kind}"><{level}>{html.escape(words)}</{level}>{below}</div>'


def waiting(sentence: str) -> str:
    """What stands in the place of something that is not there yet, or that will not come."""
    return f'<p class="tt-status" role="status">{html.escape(sentence)}</p>'
