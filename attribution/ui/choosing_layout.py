"""Where the choice of detectors stands on the page, and which of its events goes to which handler. It computes nothing."""

from __future__ import annotations

from typing import Any

import gradio as gr

from attribution.ui import choosing_text as text
from attribution.ui.choosing import Chooser
from attribution.ui.draft import ChoosingParts
from attribution.ui.handlers import Desk
from attribution.views import catalogue

_SCRIPT = "window.telltale.chooser(element, trigger)"


def build(page: gr.Blocks, desk: Desk, header: gr.HTML) -> Chooser:
    """The line with the detector in use, the panel below it that is closed at first, and what is under way."""
    chooser = Chooser(desk.shelf, desk.engines)
    with gr.Column(elem_id="tt-choose"):
        line = gr.HTML(catalogue.line(text.STARTING, is_open=False), js_on_load=_SCRIPT, apply_default_css=False)
        panel = gr.HTML("", visible=False, js_on_load=_SCRIPT, elem_id="tt-choose-panel", apply_default_css=False)
        with gr.Row(elem_id="tt-choose-progress"):
            progress = gr.HTML("", visible=False, apply_default_css=False)
            cancel = gr.Button(text.CANCEL, visible=False, variant="secondary", elem_id="tt-choose-cancel")
    light: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    free: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    line.select(chooser.toggle, None, [line, panel], **light)
    panel.select(chooser.act, None, [*ChoosingParts(header, line, panel, progress, cancel)], **free)
    cancel.click(chooser.cancel, None, cancel, **light)
    page.load(chooser.opened, None, line, **free)
    page.unload(chooser.leave)
    return chooser
