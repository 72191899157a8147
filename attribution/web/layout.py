"""The page: its parts and where they stand, and which event goes to which handler. It computes nothing."""

from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from attribution.messages import said
from attribution.render import detector_panel as panel_view
from attribution.text import detectors as detectors_text
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import measuring as measuring_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import api, page_parts, theme
from attribution.web.detector_panel import DetectorPanel, PanelParts
from attribution.web.events import Events, Example
from attribution.web.language import ON_CHOICE, Spoken
from attribution.web.measuring import Measuring
from attribution.web.results import FaceParts, FileParts
from attribution.web.uploads import Uploads

EXAMPLES_FOLDER = Path(__file__).resolve().parents[2] / "examples"
MAX_MEGABYTES = 200
MOST_WAITING = 64
# What the file picker offers: names of what can be read. Whatever is given is judged by its content, whatever it is called.
PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".jpg_large", ".mpo", ".png", ".apng", ".webp", ".gif", ".avif")
CLIPS = (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mxf")

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
_BEGIN = "() => window.telltaleFiles.begin()"
_SHOW_FOUND = "() => window.telltaleFiles.show()"
_AGAIN = "() => window.telltale.again()"

# Light events answer at once; what uses the detector stands in one queue; what only waits for it is in nobody's way.
_LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_HEAVY: dict[str, Any] = {"show_progress": "hidden", "concurrency_id": "detector", "concurrency_limit": 1, "api_visibility": "private"}
_WAITS: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}

_html = partial(gr.HTML, apply_default_css=False)


def look(uploads: Uploads) -> dict[str, Any]:
    """The look of the page, for `launch`: Gradio 6 takes it there. The library of charts is shown from among our own files."""
    plotly = uploads.publish(Path(str(files("plotly") / "package_data" / "plotly.min.js")))
    return {"theme": theme.theme(), "css": theme.css(), "head": theme.head(f"gradio_api/file={plotly}")}


def examples(uploads: Uploads) -> list[Example]:
    """The examples that are there, where the page may show them."""
    there = [(EXAMPLES_FOLDER / name, one.title, one.source) for name, one in text.EXAMPLES.items()]
    return [Example(uploads.publish(path), path.name, title, source) for path, title, source in there if path.is_file()]


def build(events: Events, allow_measuring: bool = False) -> gr.Blocks:
    """The whole page, with its events; with `allow_measuring` the owner of the server can measure detectors on it."""
    with gr.Blocks(title=f"{text.NAME}: {text.PURPOSE}", analytics_enabled=False, delete_cache=(60, 600), fill_width=True) as page:
        spoken = Spoken(events.sessions)
        spoken.html(lambda: page_parts.script_words(f"{text.NAME}: {text.PURPOSE}"))
        header = _html(page_parts.header("starting", text.DETECTOR_STARTING), js_on_load=ON_CHOICE)
        panel, line = _choose_detectors(events, header, spoken)
        with gr.Row(elem_id="tt-entry"):
            with gr.Column(scale=7, min_width=320):
                file = gr.File(label=text.DROP_LABEL, file_count="multiple", show_label=False, elem_id="tt-drop")
                spoken.html(partial(page_parts.HTML.drop_words, ",".join(PICTURES + CLIPS)), elem_id="tt-drop-words")
                spoken.html(lambda: page_parts.HTML.hint(MAX_MEGABYTES))
            with gr.Column(scale=5, min_width=320):
                shown = [(f"gradio_api/file={one.path}", one.path.suffix in CLIPS, one.title, one.source) for one in events.examples]
                gallery = spoken.html(lambda: page_parts.HTML.gallery(shown), js_on_load=_EXAMPLES_SCRIPT)
        with gr.Row(elem_id="tt-working"):
            status = _html("", visible=False, elem_id="tt-status")
            cancel = spoken.button(detectors_text.CANCEL, variant="secondary", elem_id="tt-cancel")
        files = _html("", visible=False, js_on_load="window.telltaleFiles.listen(element, trigger)")
        with gr.Column(visible=False, elem_id="tt-result") as result:
            verdict = _html("")
            stage, strip, card, face = _first_view()
            faces = _sections(events, spoken)
        parts = FileParts(result, verdict, stage, strip, card, faces)
        if allow_measuring:
            _measuring(events, spoken)

        given = file.upload(events.take_upload, file, [file, status], **_LIGHT)
        for arrived in (given, gallery.select(events.take_example, None, status, **_LIGHT)):
            arrived.then(None, None, None, js=_BEGIN)
            # Another file may be given while one is still being examined, or has just been called off.
            done = arrived.then(events.examine, None, [status, files, *parts, *face], trigger_mode="multiple", **_HEAVY)
            done.then(None, None, None, js=_SHOW_FOUND)
        cancel.click(events.cancel, None, status, **_LIGHT)
        opened = files.select(events.open_file, None, [files, *parts, *face], **_LIGHT)
        opened.then(None, None, None, js=_SHOW_FOUND).then(None, None, None, js=_AGAIN)
        for part in (stage, strip):
            part.select(events.choose, None, [*face], **_LIGHT).then(None, None, None, js=_AGAIN)
        for event in spoken.listen(page, header):
            event.then(events.detector_state, None, header, **_WAITS)
            event.then(panel.opened, None, line, **_WAITS)
            event.then(events.again, None, [files, *parts, *face], **_WAITS).then(None, None, None, js=_AGAIN)
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


def _measuring(events: Events, spoken: Spoken) -> None:
    """Below everything else: a folder of the server to measure the chosen detector on."""
    measuring = Measuring(events.sessions, events.engines)
    with gr.Column(elem_id="tt-measure", elem_classes="tt-panel"):
        spoken.html(partial(page_parts.HTML.title, measuring_text.TITLE, measuring_text.HINT))
        with gr.Row():
            given = {"label": str(measuring_text.SOURCE), "scale": 7, "max_lines": 1}
            source = spoken.part(gr.Textbox(**given), lambda: gr.update(label=said(measuring_text.SOURCE)))
            wish = gr.Number(5, label=str(measuring_text.WISH_LABEL), minimum=0.1, maximum=50, scale=3)
            spoken.part(wish, lambda: gr.update(label=said(measuring_text.WISH_LABEL)))
        with gr.Row():
            start = spoken.button(measuring_text.START, variant="primary")
            stop = spoken.button(detectors_text.CANCEL, variant="secondary")
        status, found = _html("", visible=False), _html("", visible=False)
    start.click(measuring.start, [source, wish], [status, found], **_WAITS)
    stop.click(measuring.stop, None, None, **_LIGHT)


def _first_view() -> tuple[gr.HTML, gr.HTML, gr.Column, FaceParts]:
    """The file with its faces, and beside it the chosen one."""
    script = "window.telltale.faces(element, trigger)"
    with gr.Row(elem_classes="tt-pair"):
        with gr.Column(scale=7, min_width=320, elem_classes="tt-panel"):
            strip = _html("", js_on_load=script, visible=False)
            stage = _html("", js_on_load=script)
        with gr.Column(scale=5, min_width=320, elem_classes="tt-pile") as card:
            with gr.Column(elem_classes="tt-panel"):
                face = _html("")
            with gr.Column(elem_classes="tt-panel tt-grow"):
                bars = _html("")
    return stage, strip, card, FaceParts(face, bars)


def _sections(events: Events, spoken: Spoken) -> gr.Column:
    """The five sections, each asked for when it is opened. Gives what holds those that speak of a face."""
    with gr.Column(elem_id="tt-sections", elem_classes="tt-at-work"):
        with gr.Column(elem_id="tt-of-faces") as faces:
            _section(spoken, "where", events.show_where, _HEAVY)
            _section(spoken, "method", events.show_method, _WAITS, (text.MAP_TITLE, text.MAP_HINT))
            _section(spoken, "others", events.show_others, _HEAVY, (opinion_text.MAP_HEADING, ""))
        _section(spoken, "limits", events.show_limits, _WAITS)
        _section(spoken, "records", events.show_records, _HEAVY)
    return faces


def _section(spoken: Spoken, name: str, show: Any, kind: dict[str, Any], of_map: tuple[str, str] | None = None) -> None:
    """A section's head and its body, into which `show` draws; with a title and a hint, a map of references below."""
    spoken.html(partial(page_parts.HTML.section_head, name), elem_classes="tt-section-of")
    with gr.Column(elem_id=f"tt-{name}", elem_classes="tt-panel tt-section-body"):
        spoken.html(page_parts.HTML.section_waiting, elem_classes="tt-section-waiting")
        body = _html("", js_on_load="window.telltale.section(element, trigger)")
        drawn: list[Any] = [body]
        if of_map is not None:
            with gr.Column(visible=False, elem_classes="tt-part") as places:
                spoken.html(partial(page_parts.HTML.title, *of_map))
                drawn += [places, gr.Plot(show_label=False, container=False, elem_classes="tt-map")]
    # A face may be chosen while another one's section is still being drawn.
    body.select(show, None, drawn, trigger_mode="multiple", **kind)
