"""Where the choice of detectors stands on the page, and which of its events goes to which handler. It computes nothing."""

from __future__ import annotations

from typing import Any

import gradio as gr

from attribution.render import detector_panel as catalogue
from attribution.text import detectors as text
from attribution.web.detector_panel import DetectorPanel
from attribution.web.events import Events
from attribution.web.panel_state import PanelParts

_SCRIPT = "window.telltale.panel(element, trigger)"


def build(page: gr.Blocks, events: Events, header: gr.HTML) -> DetectorPanel:
    """The line with the detector in use, the panel below it that is closed at first, and what is under way."""
    panel = DetectorPanel(events.uploads, events.engines)
    with gr.Column(elem_id="tt-choose"):
        line = gr.HTML(catalogue.line(text.STARTING, is_open=False), js_on_load=_SCRIPT, apply_default_css=False)
        body = gr.HTML("", visible=False, js_on_load=_SCRIPT, elem_id="tt-choose-panel", apply_default_css=False)
        with gr.Row(elem_id="tt-choose-progress"):
            progress = gr.HTML("", visible=False, apply_default_css=False)
            cancel = gr.Button(text.CANCEL, visible=False, variant="secondary", elem_id="tt-choose-cancel")
    light: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    free: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    line.select(panel.toggle, None, [line, body], **light)
    body.select(panel.act, None, [*PanelParts(header, line, body, progress, cancel)], **free)
    cancel.click(panel.cancel, None, cancel, **light)
    page.load(panel.opened, None, line, **free)
    page.unload(panel.leave)
    return panel
