"""The page: its parts and where they stand, and which event goes to which handler. It computes nothing."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import page as text
from attribution.web import api, opinion_layout, theme
from attribution.web import detector_panel_layout as choosing_layout
from attribution.web import page_parts as notices
from attribution.web.events import Events, Example
from attribution.web.results import FaceParts, FileParts
from attribution.web.uploads import Uploads

EXAMPLES_FOLDER = Path(__file__).resolve().parents[2] / "examples"
MAX_MEGABYTES = 200
MOST_WAITING = 64
PICTURES = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic"]
CLIPS = [".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"]

# Privacy and a small surface. Gradio's defaults record runs in the browser, offer monitoring, and set no limit on uploads.
LAUNCH: dict[str, Any] = {
    "run_history": False,
    "enable_monitoring": False,
    "max_file_size": f"{MAX_MEGABYTES}mb",
    "strict_cors": True,
    "show_error": False,
    "footer_links": [],
    "share": False,
    "ssr_mode": False,
    "mcp_server": True,
    "pwa": False,
    "quiet": True,
}

_FACES_SCRIPT = "window.telltale.faces(element, trigger)"
_EXAMPLES_SCRIPT = """
element.addEventListener('click', (event) => {
  const one = event.target.closest('[data-example]');
  if (one) trigger('select', { index: Number(one.dataset.example), value: null });
});
"""
_SHOW_VERDICT = "() => window.telltale.showVerdict()"
_NAME_PAGE = "() => {{ document.title = '{page}: {name}' }}"


class _Faces(NamedTuple):
    stage: gr.HTML
    choices: gr.HTML
    card: gr.Column
    rest: gr.Column
    parts: FaceParts
    slider: gr.ImageSlider
    words: gr.HTML
    chart: gr.Plot
    second: opinion_layout.SecondOpinion


def look() -> dict[str, Any]:
    """The look of the page, for `launch`: Gradio 6 takes it there."""
    return {"theme": theme.theme(), "css": theme.css(), "head": theme.head()}


def examples(uploads: Uploads) -> list[Example]:
    """The examples that are there, where the page may show them."""
    there = [(EXAMPLES_FOLDER / name, title, source) for name, (title, source) in text.EXAMPLES.items()]
    return [Example(uploads.publish(path), path.name, title, source) for path, title, source in there if path.is_file()]


def build(events: Events) -> gr.Blocks:
    """The whole page, wired to a events."""
    with gr.Blocks(title=f"{text.NAME}: {text.PURPOSE}", analytics_enabled=False, delete_cache=(60, 600), fill_width=True) as page:
        header = gr.HTML(notices.header(notices.pill("starting", text.DETECTOR_STARTING)), apply_default_css=False)
        choosing_layout.build(page, events, header)
        with gr.Row(elem_id="tt-entry"):
            with gr.Column(scale=7, min_width=320):
                file = gr.File(label=text.DROP_LABEL, show_label=False, file_types=PICTURES + CLIPS, elem_id="tt-drop")
                gr.HTML(_hint(), apply_default_css=False)
            with gr.Column(scale=5, min_width=320):
                gallery = gr.HTML(_gallery(events.examples), js_on_load=_EXAMPLES_SCRIPT, apply_default_css=False)
        status = gr.HTML("", visible=False, elem_id="tt-status", apply_default_css=False)
        with gr.Column(visible=False, elem_id="tt-result") as result:
            verdict = gr.HTML("", apply_default_css=False)
            faces = _faces()
            with gr.Column(elem_classes="tt-panel", elem_id="tt-limits"):
                limits = gr.HTML("", apply_default_css=False)
            with gr.Column(elem_classes="tt-panel"):
                _title(text.CUSTODY_TITLE)
                downloads = gr.HTML("", apply_default_css=False)
                custody = gr.HTML("", apply_default_css=False)
        file_parts = FileParts(result, verdict, faces.card, faces.rest, faces.stage, faces.choices, limits, custody, downloads)
        _wire(page, events, header, file, gallery, status, file_parts, faces, downloads)
        api.offer(events, MAX_MEGABYTES * 10**6)
    _limits_page(page, events)
    _failures_page(page, events)
    return page


def _limits_page(page: gr.Blocks, events: Events) -> None:
    """The page of measured limits, at an address of its own. It is written when somebody opens it; the first page carries nothing of it."""
    with page.route(limits_text.PAGE, limits_text.PATH, show_in_navbar=False):
        gr.HTML(notices.limits_header(), apply_default_css=False)
        limits = gr.HTML(notices.waiting(limits_text.LOADING), apply_default_css=False)
        page.load(None, None, None, js=_NAME_PAGE.format(page=limits_text.PAGE, name=text.NAME))
        page.load(events.limits, None, limits, show_progress="hidden", concurrency_limit=None, api_visibility="private")


def _failures_page(page: gr.Blocks, events: Events) -> None:
    """The page on why detectors fail. It needs no detector: what it shows was measured in the lab."""
    with page.route(failures_text.PAGE, failures_text.PATH, show_in_navbar=False):
        gr.HTML(notices.failures_header(), apply_default_css=False)
        failures = gr.HTML(notices.waiting(failures_text.LOADING), apply_default_css=False)
        page.load(None, None, None, js=_NAME_PAGE.format(page=failures_text.PAGE, name=text.NAME))
        page.load(events.failures, None, failures, show_progress="hidden", concurrency_limit=None, api_visibility="private")


def _faces() -> _Faces:
    """The file with its faces, and all about the chosen one."""
    with gr.Row(elem_classes="tt-pair"):
        with gr.Column(scale=7, min_width=320, elem_classes="tt-panel"):
            stage = gr.HTML("", js_on_load=_FACES_SCRIPT, apply_default_css=False)
            choices = gr.HTML("", js_on_load=_FACES_SCRIPT, apply_default_css=False, visible=False)
        with gr.Column(scale=5, min_width=320, elem_classes="tt-pile") as card:
            with gr.Column(elem_classes="tt-panel"):
                face = gr.HTML("", apply_default_css=False)
            with gr.Column(elem_classes="tt-panel tt-grow"):
                bars = gr.HTML("", apply_default_css=False)
    with gr.Column(elem_id="tt-faces") as rest:
        with gr.Column(elem_classes="tt-panel"):
            _title(text.HEATMAP_TITLE)
            label, slider, words = _heatmap()
            areas = gr.HTML("", visible=False, elem_classes="tt-part", apply_default_css=False)
        with gr.Row(elem_classes="tt-pair"):
            with gr.Column(scale=7, min_width=320, elem_classes="tt-panel") as places:
                _title(text.MAP_TITLE, text.MAP_HINT)
                chart = gr.Plot(show_label=False, container=False, elem_id="tt-map", elem_classes="tt-map")
            with gr.Column(scale=5, min_width=320, elem_classes="tt-panel"):
                _title(text.NEIGHBOURS_TITLE)
                neighbours = gr.HTML("", apply_default_css=False)
        second = opinion_layout.build()
    return _Faces(stage, choices, card, rest, FaceParts(face, bars, areas, label, places, neighbours), slider, words, chart, second)


def _heatmap() -> tuple[gr.Dropdown, gr.ImageSlider, gr.HTML]:
    """The class to explain, the slider between the face and its heatmap, and the words beside it."""
    with gr.Row(elem_classes="tt-pair tt-halves"):
        with gr.Column(scale=1, min_width=240):
            slider = opinion_layout.heat_slider(text.HEATMAP_SLIDER, "tt-slider")
        with gr.Column(scale=1, min_width=240):
            label = gr.Dropdown(choices=[], label=text.HEATMAP_CHOICE, interactive=True, elem_id="tt-label")
            words = gr.HTML("", apply_default_css=False)
    return label, slider, words


def _wire(
    page: gr.Blocks,
    events: Events,
    header: gr.HTML,
    file: gr.File,
    gallery: gr.HTML,
    status: gr.HTML,
    file_parts: FileParts,
    faces: _Faces,
    downloads: gr.HTML,
) -> None:
    """Light events answer at once; whatever uses the detector stands in one queue. The verdict comes first, the map, which takes a browser
    longest to draw, last."""
    light = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    heavy = {"show_progress": "hidden", "concurrency_id": "detector", "concurrency_limit": 1, "api_visibility": "private"}
    label, second = faces.parts.label, faces.second
    explained = [faces.slider, faces.words, downloads]
    for arrived in (
        file.upload(events.take_upload, file, [file, status], **light),
        gallery.select(events.take_example, None, status, **light),
    ):
        done = arrived.then(events.examine, None, [status, *file_parts, *faces.parts, *second.parts], **heavy)
        shown = done.then(None, None, None, js=_SHOW_VERDICT)
        drawn = shown.then(events.explain, label, explained, **heavy).then(events.place, None, faces.chart, **light)
        second.draw_after(drawn, events, downloads, light, heavy)
    for part in (faces.stage, faces.choices):
        chosen = part.select(events.choose, None, [*faces.parts, *second.parts], **light)
        drawn = chosen.then(events.explain, label, explained, **heavy).then(events.place, None, faces.chart, **light)
        second.draw_after(drawn, events, downloads, light, heavy)
    label.input(events.explain, label, explained, **heavy)
    second.wire(events, downloads, light, heavy)
    page.load(events.detector_state, None, header, show_progress="hidden", concurrency_limit=None, api_visibility="private")
    page.unload(events.leave)
    page.queue(max_size=MOST_WAITING)


def _title(title: str, hint: str = "") -> None:
    gr.HTML(notices.title(title, hint), apply_default_css=False)


def _hint() -> str:
    return f'<div class="tt-hint"><p>{text.DROP_HINT.format(megabytes=MAX_MEGABYTES)}</p><p>{text.DROP_PRIVACY}</p></div>'


def _gallery(examples: list[Example]) -> str:
    """The gallery: a button for each example, with its title and where it comes from."""
    if not examples:
        return ""
    items = "".join(
        f'<li><button type="button" data-example="{index}">{_thumbnail(example.path)}<span><b>{html.escape(example.title)}</b>'
        f"<small>{html.escape(example.source)}</small></span></button></li>"
        for index, example in enumerate(examples)
    )
    return f'<div class="tt-examples"><h2>{text.EXAMPLES_TITLE}</h2><ul>{items}</ul></div>'


def _thumbnail(path: Path) -> str:
    address = html.escape(f"gradio_api/file={path}")
    if path.suffix in CLIPS:
        return f'<i><video src="{address}#t=0.1" preload="metadata" muted playsinline tabindex="-1" aria-hidden="true"></video></i>'
    return f'<i><img src="{address}" alt="" loading="lazy"></i>'
