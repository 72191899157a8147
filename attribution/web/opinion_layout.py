"""Where the second detector's opinion stands on the page, and which of its events goes to which handler. It computes nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from attribution.text import opinions as text
from attribution.web import page_parts as notices
from attribution.web.events import Events
from attribution.web.opinion import OpinionParts

_CHOICES_SCRIPT = "window.telltale.opinions(element, trigger)"


class SecondOpinion(NamedTuple):
    """Its components: the parts that come with the face, and those that are drawn after it."""

    parts: OpinionParts
    slider: gr.ImageSlider
    words: gr.HTML
    chart: gr.Plot

    def draw_after(self, drawn: Any, events: Events, downloads: gr.HTML, light: dict[str, Any], heavy: dict[str, Any]) -> None:
        """Heatmap and map, once everything of the first detector is on the page."""
        explained = drawn.then(events.explain_opinion, None, [self.slider, self.words, downloads], **heavy)
        explained.then(events.place_opinion, None, self.chart, **light)

    def wire(self, events: Events, downloads: gr.HTML, light: dict[str, Any], heavy: dict[str, Any]) -> None:
        """The choice between several opinions, and the button of the patch view."""
        shown = [*self.parts, self.slider, self.words, self.chart]
        self.draw_after(self.parts.choices.select(events.choose_opinion, None, shown, **light), events, downloads, light, heavy)
        shown = [self.parts.button, self.parts.mosaic]
        asked = self.parts.button.click(events.ask_for_patches, None, shown, **light)
        asked.then(events.read_patches, None, [*shown, downloads], **heavy)


def build() -> SecondOpinion:
    """One panel: the choice of an opinion, answer and agreement, marked areas, heatmap, map and nearest references, the patch view, the
    detector's own limits, and who was not asked."""
    with gr.Column(visible=False, elem_id="tt-opinion", elem_classes="tt-panel") as section:
        choices = gr.HTML("", visible=False, js_on_load=_CHOICES_SCRIPT, apply_default_css=False)
        answer = gr.HTML("", apply_default_css=False)
        with gr.Column(visible=False, elem_classes="tt-parts") as detail:
            areas = gr.HTML("", visible=False, elem_classes="tt-part", apply_default_css=False)
            with gr.Column(elem_classes="tt-part"):
                _heading(text.HEAT_HEADING)
                with gr.Row(elem_classes="tt-pair tt-halves"):
                    with gr.Column(scale=1, min_width=240):
                        slider = heat_slider(text.HEAT_SLIDER, "tt-second-slider")
                    with gr.Column(scale=1, min_width=240):
                        words = gr.HTML("", apply_default_css=False)
            with gr.Row(elem_classes="tt-pair tt-part"):
                with gr.Column(scale=7, min_width=320) as places:
                    _heading(text.MAP_HEADING)
                    chart = gr.Plot(show_label=False, container=False, elem_id="tt-second-map", elem_classes="tt-map")
                with gr.Column(scale=5, min_width=320):
                    _heading(text.NEIGHBOURS_HEADING)
                    neighbours = gr.HTML("", apply_default_css=False)
        with gr.Column(visible=False, elem_classes="tt-part") as patches:
            _heading(text.PATCH_TITLE, text.PATCH_HINT)
            button = gr.Button(text.PATCH_BUTTON, variant="secondary", elem_id="tt-patch-button")
            mosaic = gr.HTML("", apply_default_css=False)
        limits = gr.HTML("", apply_default_css=False)
        others = gr.HTML("", visible=False, apply_default_css=False)
    parts = OpinionParts(section, choices, answer, detail, areas, places, neighbours, patches, button, mosaic, limits, others)
    return SecondOpinion(parts, slider, words, chart)


def heat_slider(label: str, elem_id: str) -> gr.ImageSlider:
    """The slider between a face and a heatmap of it."""
    return gr.ImageSlider(
        label=label,
        show_label=False,
        format="png",
        interactive=False,
        buttons=["fullscreen"],
        elem_id=elem_id,
        elem_classes="tt-slider",
        container=False,
    )


def _heading(title: str, hint: str = "") -> None:
    gr.HTML(notices.title(title, hint, "h4"), apply_default_css=False)
