"""The page: its parts and where they stand, and which event goes to which handler. It computes nothing."""

from collections import namedtuple
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from attribution.render import detector_panel as panel_view
from attribution.text import detectors as detectors_text
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import api, page_parts, theme
from attribution.web.detector_panel import DetectorPanel, PanelParts
from attribution.web.events import Events, Example
from attribution.web.language import ON_CHOICE, Spoken
from attribution.web.results import FaceParts, FileParts, OpinionParts
from attribution.web.uploads import Uploads

EXAMPLES_FOLDER = Path(__file__).resolve().parents[2] / "examples"
MAX_MEGABYTES = 200
MOST_WAITING = 64
PICTURES = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic"]
CLIPS = [".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"]

# Privacy and a small surface. Gradio's defaults record runs in the browser, offer monitoring, and set no limit on uploads.
_OFF = ("run_history", "enable_monitoring", "show_error", "share", "ssr_mode", "pwa")
_ON: dict[str, Any] = {"strict_cors": True, "mcp_server": True, "quiet": True}
LAUNCH: dict[str, Any] = {**dict.fromkeys(_OFF, False), **_ON, "max_file_size": f"{MAX_MEGABYTES}mb", "footer_links": []}

_EXAMPLES_SCRIPT = """
element.addEventListener('click', (event) => {
  const one = event.target.closest('[data-example]');
  if (one) trigger('select', { index: Number(one.dataset.example), value: null });
});
"""
_SHOW_VERDICT = "() => window.telltale.showVerdict()"

# Light events answer at once; what uses the detector stands in one queue; what only waits for it is in nobody's way.
_LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_HEAVY: dict[str, Any] = {"show_progress": "hidden", "concurrency_id": "detector", "concurrency_limit": 1, "api_visibility": "private"}
_WAITS: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}

_html = partial(gr.HTML, apply_default_css=False)
# What is drawn after the other parts: a heatmap, the words beside it, and a map of references.
_Explained = namedtuple("_Explained", "slider words chart")


def look(uploads: Uploads) -> dict[str, Any]:
    """The look of the page, for `launch`: Gradio 6 takes it there. The library of charts is shown from among our own files."""
    plotly = uploads.publish(Path(str(files("plotly") / "package_data" / "plotly.min.js")))
    return {"theme": theme.theme(), "css": theme.css(), "head": theme.head(f"gradio_api/file={plotly}")}


def examples(uploads: Uploads) -> list[Example]:
    """The examples that are there, where the page may show them."""
    there = [(EXAMPLES_FOLDER / name, one.title, one.source) for name, one in text.EXAMPLES.items()]
    return [Example(uploads.publish(path), path.name, title, source) for path, title, source in there if path.is_file()]


def build(events: Events) -> gr.Blocks:
    """The whole page, with its events."""
    with gr.Blocks(title=f"{text.NAME}: {text.PURPOSE}", analytics_enabled=False, delete_cache=(60, 600), fill_width=True) as page:
        spoken = Spoken(events.sessions)
        spoken.html(lambda: page_parts.script_words(f"{text.NAME}: {text.PURPOSE}"))
        header = _html(page_parts.header("starting", text.DETECTOR_STARTING), js_on_load=ON_CHOICE)
        panel, line = _choose_detectors(events, header, spoken)
        with gr.Row(elem_id="tt-entry"):
            with gr.Column(scale=7, min_width=320):
                file = gr.File(label=text.DROP_LABEL, show_label=False, file_types=PICTURES + CLIPS, elem_id="tt-drop")
                spoken.html(lambda: page_parts.HTML.hint(MAX_MEGABYTES))
            with gr.Column(scale=5, min_width=320):
                shown = [(f"gradio_api/file={one.path}", one.path.suffix in CLIPS, one.title, one.source) for one in events.examples]
                gallery = spoken.html(lambda: page_parts.HTML.gallery(shown), js_on_load=_EXAMPLES_SCRIPT)
        status = _html("", visible=False, elem_id="tt-status")
        with gr.Column(visible=False, elem_id="tt-result") as result:
            verdict = _html("")
            stage, choices, card, rest, face, first, opinion, second = _faces()
            with gr.Column(elem_classes="tt-panel", elem_id="tt-limits"):
                limits = _html("")
            with gr.Column(elem_classes="tt-panel"):
                _title(text.CUSTODY_TITLE)
                downloads = _html("")
                provenance = _html("")
        parts = FileParts(result, verdict, card, rest, stage, choices, limits, provenance, downloads)

        def draw_opinion(drawn: Any) -> None:
            explained = drawn.then(events.explain_opinion, None, [second.slider, second.words, downloads], **_HEAVY)
            explained.then(events.place_opinion, None, second.chart, **_LIGHT)

        def draw(shown: Any) -> None:
            """The verdict comes first, the maps, which take a browser longest to draw, last."""
            explained = shown.then(events.explain, face.label, [first.slider, first.words, downloads], **_HEAVY)
            draw_opinion(explained.then(events.place, None, first.chart, **_LIGHT))

        given = file.upload(events.take_upload, file, [file, status], **_LIGHT)
        for arrived in (given, gallery.select(events.take_example, None, status, **_LIGHT)):
            done = arrived.then(events.examine, None, [status, *parts, *face, *opinion], **_HEAVY)
            draw(done.then(None, None, None, js=_SHOW_VERDICT))
        for part in (stage, choices):
            draw(part.select(events.choose, None, [*face, *opinion], **_LIGHT))
        face.label.input(events.explain, face.label, [first.slider, first.words, downloads], **_HEAVY)
        draw_opinion(opinion.choices.select(events.choose_opinion, None, [*opinion, *second], **_LIGHT))
        asked = opinion.button.click(events.ask_for_patches, None, [opinion.button, opinion.mosaic], **_LIGHT)
        asked.then(events.read_patches, None, [opinion.button, opinion.mosaic, downloads], **_HEAVY)
        for event in spoken.listen(page, header):
            event.then(events.detector_state, None, header, **_WAITS)
            event.then(panel.opened, None, line, **_WAITS)
        page.unload(events.leave)
        page.queue(max_size=MOST_WAITING)
        api.offer(events, MAX_MEGABYTES * 10**6)
    # At addresses of their own, written when somebody opens them; the first page carries nothing of them.
    for text_of, other, write in ((limits_text, failures_text, events.limits), (failures_text, limits_text, events.failures)):
        with page.route(text_of.PAGE, text_of.PATH, show_in_navbar=False):
            spoken = Spoken(events.sessions)
            spoken.html(partial(_title_words, text_of))
            header = spoken.html(partial(page_parts.other_header, text_of, other), js_on_load=ON_CHOICE)
            body = spoken.html(partial(page_parts.HTML.waiting, text_of.LOADING), js_on_load="window.telltale.measured(element)")
            for event in spoken.listen(page, header):
                event.then(write, None, body, **_WAITS)
            page.unload(events.leave)
    return page


def _title_words(texts: Any) -> str:
    return page_parts.script_words(f"{texts.PAGE}: {text.NAME}")


def _choose_detectors(events: Events, header: gr.HTML, spoken: Spoken) -> tuple[DetectorPanel, gr.HTML]:
    """The line with the detector in use, the panel below it that is closed at first, and what is under way. Gives panel and line."""
    panel, script = DetectorPanel(events.sessions, events.engines), "window.telltale.panel(element, trigger)"
    with gr.Column(elem_id="tt-choose"):
        line = _html(panel_view.line(detectors_text.STARTING, is_open=False), js_on_load=script)
        body = _html("", visible=False, js_on_load=script, elem_id="tt-choose-panel")
        with gr.Row(elem_id="tt-choose-progress"):
            progress = _html("", visible=False)
            cancel = spoken.button(detectors_text.CANCEL, visible=False, variant="secondary", elem_id="tt-choose-cancel")
    line.select(panel.toggle, None, [line, body], **_LIGHT)
    body.select(panel.act, None, [*PanelParts(header, line, body, progress, cancel)], **_WAITS)
    cancel.click(panel.cancel, None, cancel, **_LIGHT)
    return panel, line


def _faces() -> tuple[gr.HTML, gr.HTML, gr.Column, gr.Column, FaceParts, _Explained, OpinionParts, _Explained]:
    """The file with its faces, and all about the chosen one."""
    script = "window.telltale.faces(element, trigger)"
    with gr.Row(elem_classes="tt-pair"):
        with gr.Column(scale=7, min_width=320, elem_classes="tt-panel"):
            stage = _html("", js_on_load=script)
            choices = _html("", js_on_load=script, visible=False)
        with gr.Column(scale=5, min_width=320, elem_classes="tt-pile") as card:
            with gr.Column(elem_classes="tt-panel"):
                face = _html("")
            with gr.Column(elem_classes="tt-panel tt-grow"):
                bars = _html("")
    with gr.Column(elem_id="tt-faces") as rest:
        with gr.Column(elem_classes="tt-panel"):
            _title(text.HEATMAP_TITLE)
            with gr.Row(elem_classes="tt-pair tt-halves"):
                with gr.Column(scale=1, min_width=240):
                    slider = _heat_slider(text.HEATMAP_SLIDER, "tt-slider")
                with gr.Column(scale=1, min_width=240):
                    label = gr.Dropdown(choices=[], label=text.HEATMAP_CHOICE, interactive=True, elem_id="tt-label")
                    words = _html("")
            areas = _html("", visible=False, elem_classes="tt-part")
        with gr.Row(elem_classes="tt-pair"):
            with gr.Column(scale=7, min_width=320, elem_classes="tt-panel") as places:
                _title(text.MAP_TITLE, text.MAP_HINT)
                chart = _chart("tt-map")
            with gr.Column(scale=5, min_width=320, elem_classes="tt-panel"):
                _title(text.NEIGHBOURS_TITLE)
                neighbours = _html("")
        opinion, second = _second_opinion()
    first = _Explained(slider, words, chart)
    return stage, choices, card, rest, FaceParts(face, bars, areas, label, places, neighbours), first, opinion, second


def _second_opinion() -> tuple[OpinionParts, _Explained]:
    """One panel: the choice of an opinion, and all about the chosen one."""
    with gr.Column(visible=False, elem_id="tt-opinion", elem_classes="tt-panel") as section:
        choices = _html("", visible=False, js_on_load="window.telltale.opinions(element, trigger)")
        answer = _html("")
        with gr.Column(visible=False, elem_classes="tt-parts") as detail:
            areas = _html("", visible=False, elem_classes="tt-part")
            with gr.Column(elem_classes="tt-part"):
                _title(opinion_text.HEAT_HEADING, level=4)
                with gr.Row(elem_classes="tt-pair tt-halves"):
                    with gr.Column(scale=1, min_width=240):
                        slider = _heat_slider(opinion_text.HEAT_SLIDER, "tt-second-slider")
                    with gr.Column(scale=1, min_width=240):
                        words = _html("")
            with gr.Row(elem_classes="tt-pair tt-part"):
                with gr.Column(scale=7, min_width=320) as places:
                    _title(opinion_text.MAP_HEADING, level=4)
                    chart = _chart("tt-second-map")
                with gr.Column(scale=5, min_width=320):
                    _title(opinion_text.NEIGHBOURS_HEADING, level=4)
                    neighbours = _html("")
        with gr.Column(visible=False, elem_classes="tt-part") as patches:
            _title(opinion_text.PATCH_TITLE, opinion_text.PATCH_HINT, 4)
            button = gr.Button(opinion_text.PATCH_BUTTON, variant="secondary", elem_id="tt-patch-button")
            mosaic = _html("")
        limits = _html("")
        others = _html("", visible=False)
    parts = OpinionParts(section, choices, answer, detail, areas, places, neighbours, patches, button, mosaic, limits, others)
    return parts, _Explained(slider, words, chart)


def _heat_slider(label: str, elem_id: str) -> gr.ImageSlider:
    """The slider between a face and a heatmap of it."""
    fixed: dict[str, Any] = {"show_label": False, "format": "png", "interactive": False, "container": False}
    return gr.ImageSlider(label=label, buttons=["fullscreen"], elem_id=elem_id, elem_classes="tt-slider", **fixed)


def _chart(elem_id: str) -> gr.Plot:
    return gr.Plot(show_label=False, container=False, elem_id=elem_id, elem_classes="tt-map")


def _title(title: str, hint: str = "", level: int = 3) -> None:
    _html(page_parts.HTML.title(title, hint, level))
