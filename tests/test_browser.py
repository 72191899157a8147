"""The pages in a real browser, as their readers have them: with mouse, keyboard and phone, in light and dark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import plotly
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from app_server import ROOT, Server
from attribution.evidence import Opinion
from attribution.measured.failures import failures_page
from attribution.measured.limits import limits_page
from attribution.measured.study import ZEROSHOT_FILE, ZEROSHOT_SCHEMA, Study, read_study
from attribution.render import face as face_view
from attribution.render import opinion as opinion_view
from attribution.render import overlay
from attribution.render.file import picture_stage
from attribution.render.patches import patch_view
from attribution.text import detectors as detectors_text
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import theme
from conftest import REFERENCES
from foreign_detectors import write_timm_folder
from hub_server import Fault, LoopbackHub
from limits_samples import STUDY, card, generator_card, swap_card
from samples import (
    DETECTOR,
    MANIPULATED,
    NONE_FOUND,
    REFUSED,
    SPECIALIST,
    artifact,
    disputed,
    face,
    grid,
    heatmap,
    noise,
    opinion,
    picture,
    track,
)

AREAS = (
    artifact(0.0, 0.0, 0.4, 0.35, 0.97),
    artifact(0.3, 0.6, 0.7, 0.85, 0.81),
    artifact(0.6, 0.3, 1.0, 0.6, 0.7),
    artifact(0.1, 0.7, 0.5, 1.0, 0.6),
    artifact(0.0, 0.0, 1.0, 1.0, 0.55),
)
WHY = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA)
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PORTRAIT = ROOT / "examples" / "astronaut.png"
SWAP = ROOT / "examples" / "mouth_swap.jpg"
SLOW = Fault("/store/", pause=0.05, piece=2**17)
WIDE = """() => [...document.querySelectorAll('#tt-result *')].filter((e) => e.checkVisibility()
  && e.getBoundingClientRect().right > 391
  && !e.closest('.tt-scroll, .js-plotly-plot, .tt-picture, .tt-compare, [aria-hidden=true]')).map((e) => e.className).slice(0, 5)"""

# Every visible piece of text, the contrast that it has to its ground, and the least that WCAG 2.2 AA asks of its size.
WEAK_TEXT = """() => {
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const parse = (css) => { const n = css.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const weak = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, words = walker.currentNode.textContent.trim();
    if (!words || element.closest("svg, script, style, .tt-picture")) continue;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize), behind = ground(element);
    if (size < 1) continue;
    const [a, b] = [luminance(over(parse(style.color), behind)), luminance(behind)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) weak.push([words.slice(0, 40), ratio.toFixed(2), style.color]);
  }
  return weak;
}"""


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait beside its mirror image, under a hostile name."""
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))[:300, 100:400]
    file = tmp_path_factory.mktemp("faces") / "<img src=x onerror=alert(1)><b>bold.png"
    Image.fromarray(np.hstack([portrait, portrait[:, ::-1]])).save(file)
    return file


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of the portrait, moving sideways, as an MP4 that browsers play and an AVI that they do not."""
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))[:320]
    folder = tmp_path_factory.mktemp("clips")
    for name, codec in (("moving.mp4", "h264"), ("moving.avi", "mpeg4")):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=8)
            stream.width, stream.height, stream.pix_fmt = 400, 320, "yuv420p"
            for shift in range(24):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(portrait[:, 4 * shift : 4 * shift + 400]), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return folder


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def fits(page: Any, width: int = 390) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= width


def weak_text(page: Any) -> list[Any]:
    """The text that cannot be read well, in light and in dark."""
    found = []
    page.add_style_tag(content="* { transition: none !important }")
    set_mode = "(dark) => [document.documentElement, document.body].forEach((one) => one.classList.toggle('dark', dark))"
    for dark in (True, False):
        page.evaluate(set_mode, dark)
        found += page.evaluate(WEAK_TEXT)
    return found


def test_a_reader_with_a_keyboard_gets_a_verdict_and_opens_what_belongs_to_it(visit: Callable[..., Any]) -> None:
    reader = visit(color_scheme="light")
    page = reader.page
    page.wait_for_selector(".tt-ready")
    assert "random-default" in page.inner_text(".tt-pill")
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className + ' ' + (document.activeElement.dataset.example ?? '')"))
        if reached[-1].strip() == "0":
            break
    assert any("tt-mode" in one for one in reached)
    assert any("upload-container" in one for one in reached)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "where one is can be seen"
    reader.after(lambda: page.keyboard.press("Enter"))
    assert page.inner_text(".tt-state h2") in text.STATES.values()
    assert page.evaluate("document.activeElement.id") == "tt-verdict", "screen readers begin at the verdict"
    assert page.is_visible(".tt-picture img")
    assert weak_text(page) == []
    page.focus(".tt-section[aria-controls=tt-where]")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.getAttribute('aria-controls')") == "tt-limits"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert opened(reader.look("where").page) == ["where"]
    heat = page.query_selector_all(".tt-compare img")
    assert len(heat) == 2
    assert all(image.bounding_box()["height"] > 100 for image in heat)
    assert text.HEATMAP_WARNING in page.inner_text(".tt-faithful")
    page.focus("[data-label]")
    page.keyboard.press("End")
    chosen = page.evaluate("document.querySelector('[data-label]').selectedOptions[0].textContent").rsplit(" (", 1)[0]
    assert eventually(lambda: f"“{chosen}”" in page.inner_text(".tt-faithful"))
    assert page.evaluate("document.activeElement.matches('[data-label]')"), "the keyboard keeps its place"
    assert weak_text(page) == []
    reader.look("method")
    assert eventually(lambda: len(page.query_selector_all("#tt-method .points path")) == REFERENCES + 1), "the references and the face"
    reader.look("records")
    for link, ending, begins in ((0, ".html", "<!doctype html>"), (1, ".json", "{")):
        with page.expect_download() as waiting:
            page.locator(".tt-downloads a").nth(link).click()
        assert waiting.value.suggested_filename.startswith("telltale-")
        assert waiting.value.suggested_filename.endswith(ending)
        assert Path(waiting.value.path()).read_text(encoding="utf-8").startswith(begins)


def opened(page: Any) -> list[str]:
    """The sections that are open, as their heads say, and as can be seen."""
    heads = page.eval_on_selector_all(
        ".tt-section[aria-expanded=true]", "all => all.map((one) => one.getAttribute('aria-controls').slice(3))"
    )
    assert heads == page.eval_on_selector_all(
        ".tt-section-body", "all => all.filter((one) => one.checkVisibility()).map((one) => one.id.slice(3))"
    )
    return heads


def test_nothing_below_the_answer_is_made_before_it_is_opened_and_one_section_is_open_at_a_time(
    visit: Callable[..., Any], two_faces: Path
) -> None:
    reader = visit().give(two_faces)
    page = reader.page
    assert opened(page) == []
    assert page.query_selector(".tt-parts, .js-plotly-plot") is None
    assert page.evaluate("document.documentElement.scrollHeight") <= 2000
    assert opened(reader.look("where").page) == ["where"]
    assert page.url.endswith("#where")
    assert opened(reader.look("others").page) == ["others"]
    page.click(".tt-box[data-face='1']")
    assert eventually(lambda: page.inner_text(".tt-face h3") == "Face 2")
    assert opened(reader.look("others").page) == ["others"], "another face keeps what is open"
    reader.give(PORTRAIT)
    assert opened(reader.look("others").page) == ["others"], "and so does another file"
    page.click(".tt-cannot a[href='#tt-limits']")
    assert opened(reader.look("limits").page) == ["limits"], "a link opens what it leads to"
    assert page.evaluate("document.activeElement.id") == "tt-limits"
    page.goto(f"{reader.address}#records")
    page.reload()
    reader.ready().give(PORTRAIT)
    assert opened(reader.look("records").page) == ["records"], "and so does an address"
    page.click(".tt-section[aria-controls=tt-records]")
    assert opened(page) == []
    assert "#" not in page.url


def test_the_other_pages_open_beside_a_result_and_keep_light_or_dark(visit: Callable[..., Any]) -> None:
    page = visit(color_scheme="light").page
    ground = "getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
    light = page.evaluate(ground)
    page.click(".tt-mode")
    dark = page.evaluate(ground)
    assert dark != light
    for texts, there in ((limits_text, "#tt-m-answers .tt-answers li"), (failures_text, "#tt-m-collapse")):
        with page.expect_popup() as opening:
            page.click(f".tt-header .tt-link[href*='./{texts.PATH}?']")
        other = opening.value
        other.wait_for_selector(there)
        assert f"/{texts.PATH}?lang=" in other.url
        assert other.inner_text("h1") == texts.PAGE
        assert eventually(lambda other=other: other.evaluate(ground) == dark)
        if texts is limits_text:
            library = "new URL(document.querySelector('meta[name=telltale-plotly]').content, document.baseURI)"
            assert other.evaluate(f"async () => {{ const at = {library}; return at.host === location.host && (await fetch(at)).ok; }}")
        other.close()


def test_a_phone_shows_two_faces_and_what_is_no_picture_without_scrolling_sideways(
    visit: Callable[..., Any], two_faces: Path, tmp_path: Path
) -> None:
    words, strange = (tmp_path / name for name in ("words.jpg", "words.txt"))
    words.write_bytes(b"This is no picture.")
    strange.write_bytes(b"words")
    reader = visit(width=390, height=844, color_scheme="dark", has_touch=True, is_mobile=True)
    page, alarms = reader.page, []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    assert page.evaluate("document.body.classList.contains('dark')")
    assert fits(page)
    for nothing in (strange, words):
        reader.give(nothing)
        assert page.inner_text(".tt-problem h2") == text.PROBLEM, "judged by what it holds"
    assert not page.is_visible(".tt-verdict")
    assert fits(page)
    reader.give(two_faces)
    assert page.evaluate("document.documentElement.scrollHeight") <= 3200
    assert not page.is_visible(".tt-problem")
    assert alarms == []
    assert len(page.query_selector_all(".tt-box")) == 2
    page.click(".tt-box[data-face='1']")
    assert eventually(lambda: page.inner_text(".tt-face h3") == "Face 2")
    assert page.get_attribute(".tt-choices [data-face='1']", "aria-checked") == "true"
    page.focus(".tt-choices [data-face='1']")
    page.keyboard.press("ArrowLeft")
    assert eventually(lambda: page.inner_text(".tt-face h3") == "Face 1")
    assert page.get_attribute(".tt-box[data-face='0']", "aria-pressed") == "true"
    reader.look("records")
    assert page.query_selector(".tt-custody b, .tt-custody img") is None, "a hostile name does nothing"
    assert alarms == []
    reader.look("limits")
    longer = "for (const cell of document.querySelectorAll('.tt-measured td')) cell.textContent = 'averylongwordinatable'.repeat(4)"
    page.evaluate(longer)
    assert fits(page)
    for section in ("where", "method", "others"):
        reader.look(section)
        assert fits(page)
        assert page.evaluate(WIDE) == []


def test_a_clip_is_played_or_shown_frame_by_frame_and_goes_when_its_reader_does(
    visit: Callable[..., Any], clips: Path, server: Server
) -> None:
    def kept() -> list[Path]:
        size = (clips / "moving.mp4").stat().st_size
        return [path for path in server.temporary.rglob("*.mp4") if path.stat().st_size == size]

    reader = visit().give(clips / "moving.avi")
    page = reader.page
    assert page.query_selector(".tt-picture video") is None
    assert text.PLAYER_MISSING in page.inner_text(".tt-stage")
    frames = "[...document.querySelectorAll('.tt-frame')]"
    shown = f"{frames}.filter((frame) => frame.checkVisibility({{visibilityProperty: true}})).map((frame) => frame.dataset.seconds)"
    page.focus(".tt-track")
    page.keyboard.press("Home")
    first = page.evaluate(shown)
    page.keyboard.press("End")
    last = page.evaluate(shown)
    assert len(first) == len(last) == 1
    assert float(last[0]) > float(first[0]) + 1
    reader.give(clips / "moving.mp4")
    now = "document.querySelector('.tt-picture video').currentTime"
    assert page.evaluate("document.querySelector('.tt-picture video').error") is None
    slider = page.locator(".tt-track")
    slider.click(position={"x": slider.bounding_box()["width"] * 0.85, "y": 50})
    assert eventually(lambda: abs(page.evaluate(now) - 0.85 * 3) < 0.3)
    assert eventually(lambda: page.inner_text(".tt-crop figcaption") == f"{page.evaluate(now):.1f} s")
    page.keyboard.press("Home")
    assert eventually(lambda: page.evaluate(now) < 0.2)
    box = page.locator(".tt-follow").first
    assert box.is_visible()
    before = box.bounding_box()["x"]
    page.keyboard.press("End")
    assert eventually(lambda: abs(box.bounding_box()["x"] - before) > 10), "the box follows the face"
    page.select_option(".tt-language select", "fr")
    page.wait_for_selector(".tt-section[aria-controls=tt-where]:has-text('Où')")
    assert eventually(lambda: "%" in page.inner_text(".tt-moment") and box.is_visible()), "in another language, too"
    assert len(kept()) == 1
    page.close()
    assert eventually(lambda: not kept())


# Choosing detectors


def favouring(folder: Path, label: int) -> Path:
    """The same detector, which nearly always answers that label."""
    state = load_file(folder / "model.safetensors")
    state["head.bias"][label] += 40
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def public(app_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> LoopbackHub:
    """The Hub with three detectors of others."""
    folder = tmp_path_factory.mktemp("public")
    app_hub.add("acme/told", favouring(write_timm_folder(folder / "told", ["Real", "Fake"]), 1), licence="apache-2.0")
    app_hub.add("acme/untold", favouring(write_timm_folder(folder / "untold", ["LABEL_0", "LABEL_1"], seed=5), 0), licence="mit")
    return app_hub


class Panel:
    """The panel of one open page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def open(self) -> Panel:
        self.page.wait_for_selector(".tt-ready")
        self.page.click(".tt-choose-line button[aria-expanded=false]")
        self.page.wait_for_selector(".tt-choosing")
        return self

    def seen(self, slot: str, part: str) -> str:
        """The selector of a part of what is shown of the detector that is chosen in that slot."""
        return f"[data-slot={slot}] .tt-facts:not([hidden]) {part}"

    def look_up(self, repository: str, slot: str = "first") -> Panel:
        self.page.select_option(f"#tt-choose-{slot}", "other")
        self.page.fill(f"#tt-repository-{slot}", repository)
        self.page.press(f"#tt-repository-{slot}", "Enter")
        # A problem, too, is an answer: the test then says which.
        self.page.wait_for_selector(f"{self.seen(slot, '.tt-looked')}, .tt-choose-problem")
        assert self.page.query_selector(".tt-choose-problem") is None, self.page.inner_text(".tt-choose-problem")
        return self

    def use(self) -> Panel:
        self.page.click("[data-do=use]:enabled")
        return self

    def used(self) -> str:
        """What the head of the page says once the choice is in use."""
        self.page.wait_for_selector(".tt-choosing", state="detached")
        return self.page.inner_text(".tt-pill")


def test_a_detector_is_looked_up_cancelled_downloaded_and_used(visit: Any, public: LoopbackHub) -> None:
    reader = visit()
    page = reader.page
    panel = Panel(page).open()
    panel.look_up("acme/told")
    facts = page.inner_text(panel.seen("first", "dl"))
    for part in ("apache-2.0", public.repositories["acme/told"].branches["main"], "model.safetensors", "22.0 MB"):
        assert part in facts
    assert page.inner_text("[data-do=use]") == detectors_text.DOWNLOAD.format(size="22.0 MB")
    assert not public.asked("/store/")
    public.faults.append(SLOW)
    panel.use()
    page.wait_for_function("Number(document.querySelector('.tt-loading [role=progressbar]')?.ariaValueNow) > 5")
    assert "MB" in page.inner_text(".tt-doing")
    page.click("#tt-choose-cancel")
    page.wait_for_selector(".tt-choose-problem")
    assert page.inner_text(".tt-choose-problem") == detectors_text.CANCELLED
    assert page.evaluate("document.activeElement.className") == "tt-choose-problem"
    assert "random-default" in page.inner_text(".tt-pill")
    public.faults.clear()
    assert "acme/told@" in panel.use().used()
    assert page.evaluate("document.activeElement.dataset.do") == "toggle"
    words = reader.give(SWAP).look("limits").page.inner_text("#tt-result")
    for part in (text.WHOLE["picture"], text.WHOLE_TITLES["picture"], text.NOT_TOLD, "not calibrated", text.UNMEASURED_TITLE):
        assert part in words
    assert "Face 1" not in words
    assert text.NO_REFERENCES in reader.look("method").page.inner_text("#tt-method")
    assert page.query_selector(".tt-box, .tt-map") is None
    # Another choice leaves what is shown as it is.
    panel.open()
    page.select_option("#tt-choose-first", "default")
    assert "random-default" in panel.use().used()
    assert text.WHOLE["picture"] in page.inner_text("#tt-result")


@pytest.mark.usefixtures("public")
def test_labels_are_asked_for_and_two_detectors_stand_side_by_side(visit: Any) -> None:
    reader = visit(390, 844)
    page = reader.page
    panel = Panel(page).open().look_up("acme/untold", "beside").use()
    page.wait_for_selector(".tt-ask")
    assert page.evaluate("document.activeElement.dataset.label") == "LABEL_0"
    assert page.is_disabled("[data-do=use]")
    # With the keyboard alone.
    page.keyboard.type("Face swap")
    page.keyboard.press("Tab")
    page.keyboard.type("Untouched")
    assert page.input_value("[data-label=LABEL_0]") == "face_swap"
    page.select_option(panel.seen("beside", "[data-view]"), "face")
    assert fits(page)
    pill = panel.use().used()
    assert "random-default" in pill
    assert "acme/untold@" in pill
    reader.give(SWAP)
    both = page.inner_text(".tt-both")
    for part in (opinion_text.SIDE_BY_SIDE, "random-default", "acme/untold@", "Landmark face swap", "LABEL_0", "not calibrated"):
        assert part in both
    assert both.count("%") == 1, "a number that nobody calibrated is not put beside one that somebody did"
    assert opinion_text.ALL_OF_TWO["manipulated"] in both
    assert opinion_text.COMPARED["same family"] in both
    page.click(".tt-both a[href='#tt-others']")
    second = reader.look("others").page.inner_text("#tt-others")
    assert opinion_text.NO_REFERENCES.format(name="acme/untold") in second
    assert page.query_selector("#tt-others .tt-map") is None
    assert fits(page)
    assert opinion_text.UNMEASURED_TITLE.format(name="acme/untold") in reader.look("limits").page.inner_text("#tt-limits")
    assert fits(page)


# Parts of the pages as the browser gets them, without a server


@pytest.fixture
def alone(browser: Any) -> Iterator[Callable[..., Any]]:
    """`alone(markup)` shows it with our style and script."""
    pages = []

    def shown(parts: Any, width: int = 390) -> Any:
        pages.append(browser.new_page(viewport={"width": width, "height": 844}))
        look = f"{theme.head()}<style>{theme.css()}</style>"
        pages[-1].set_content(f'{look}<body class="gradio-container"><div class="tt-panel">{parts}</div></body>')
        return pages[-1]

    yield shown
    for page in pages:
        page.close()


def open_all(page: Any) -> None:
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


def why() -> str:
    """The page on why detectors fail, with every table there is."""
    return failures_page(WHY)


@pytest.mark.parametrize(
    "page_of", [lambda: limits_page(card(), Study(STUDY), [generator_card(), swap_card()]), why], ids=["limits", "why"]
)
def test_other_pages_fit_a_phone_and_every_text_can_be_read(alone: Callable[..., Any], page_of: Callable[[], str]) -> None:
    """With every table there is."""
    page = alone(page_of())
    charts(page)
    open_all(page)
    page.wait_for_timeout(500)
    assert fits(page)
    assert weak_text(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert fits(page, 1280)


def charts(page: Any) -> None:
    """As Gradio does it for a page of measurements, with the library at hand."""
    page.add_script_tag(path=str(PLOTLY))
    page.evaluate("() => window.telltale.measured(document.body)")


def test_measured_limits_are_short_open_by_question_and_print_whole(alone: Callable[..., Any]) -> None:
    page = alone(limits_page(card(), Study(STUDY), [generator_card(), swap_card()]), 1280)
    charts(page)
    for tab in page.locator(".tt-tabs button").all():
        tab.click()
        page.wait_for_selector(".tt-chapter:not([hidden]) .tt-drawn .main-svg")
        assert page.evaluate("document.documentElement.scrollHeight") <= 4000
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.id") == "tt-m-tab"
    assert page.locator("#tt-m-chapter").is_visible()
    assert page.locator("#tt-m2-chapter").is_hidden()
    page.click("#tt-m-sources-cross > summary")
    page.wait_for_selector("#tt-m-sources-cross .tt-drawn .main-svg")
    bar = "#tt-m-sources-cross .tt-drawn .barlayer path"
    ground = f"getComputedStyle(document.querySelector('{bar}')).fill"
    light = page.evaluate(ground)
    page.evaluate("() => document.body.classList.add('dark')")
    assert eventually(lambda: page.evaluate(ground) != light), "what is drawn follows light and dark"
    with page.expect_download() as waiting:
        page.click("#tt-m-sources-cross .tt-csv")
    written = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert written[0] == "family,source,faces,manipulated,none found,inconclusive,definite,wrong of definite"
    assert written[1] == "Untouched,press_sports,200,0.02,0.58,0.4,0.6,0.033"
    page.click("#tt-m-chapter .tt-expand")
    assert page.locator("#tt-m-chapter details:not([open])").count() == 0
    assert page.locator("#tt-m-sources-cross .tt-table tbody tr").count() == 6
    page.click("#tt-m-chapter .tt-expand")
    assert page.locator("#tt-m-chapter details[open]").count() == 0
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#tt-m-chapter details:not([open])").count() == 0
    assert page.evaluate("[...document.querySelectorAll('#tt-m-chapter .tt-drawn')].every((one) => one.querySelector('.main-svg'))")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert page.locator("#tt-m-chapter details[open]").count() == 0


def test_why_detectors_fail_is_short_a_tab_shows_its_detector_and_a_packed_table_opens(alone: Callable[..., Any]) -> None:
    page = alone(why(), 1280)
    charts(page)
    page.wait_for_selector("#tt-m-answers .tt-drawn .main-svg")
    assert page.evaluate("document.querySelector('.tt-first').getBoundingClientRect().bottom") <= 1600
    assert page.evaluate("document.documentElement.scrollHeight") <= 4000
    page.click("#tt-m-collapse > summary")
    for tab in page.locator("#tt-m-collapse [role=tab]").all():
        tab.click()
        page.wait_for_selector("#tt-m-collapse .tt-chapter:not([hidden]) .tt-drawn .main-svg")
        assert page.locator("#tt-m-collapse .tt-chapter:not([hidden])").count() == 1
    table = WHY.tables["matrix"]
    page.click("#tt-m-collapse .tt-numbers summary")
    page.wait_for_selector("#tt-m-collapse .tt-long table")
    assert page.locator("#tt-m-collapse .tt-long tbody tr").count() == len(table.rows)
    assert page.locator("#tt-m-collapse .tt-long thead th").all_inner_texts() == list(table.columns)


def test_a_second_opinion_fits_a_phone_and_every_text_can_be_read(alone: Callable[..., Any]) -> None:
    """With every kind of answer."""
    given = [
        *(opinion(agreement=one) for one in ("same method", "undecided")),
        opinion(NONE_FOUND, "differs"),
        Opinion(SPECIALIST, REFUSED),
    ]
    media, parts = picture().media, []
    for one in given:
        whole = track(opinions=(one,))
        parts += [opinion_view.heading(whole, 0, DETECTOR), opinion_view.answer(whole, one, DETECTOR)]
    several = disputed()
    several = replace(several, opinions=(*several.opinions, Opinion(SPECIALIST, REFUSED), opinion()), artifacts=AREAS)
    evidence = picture(verdict=several.verdict, tracks=(several,))
    parts += [
        face_view.verdict_banner(evidence, "", *opinion_view.verdict_note(evidence, link=True)),
        opinion_view.choices(several, 0),
        opinion_view.agreement(several, several.opinions[0], DETECTOR),
        opinion_view.others(several, 0),
        opinion_view.marked_areas(several, several.opinions[0], 1, (), overlay.data_uri(noise(224, 224)), switch=True),
        opinion_view.heat_words(heatmap(), DETECTOR, ()),
        opinion_view.limits(SPECIALIST, card().measured),
        patch_view(grid("s..x", ".ss.", "....", side_px=50), SPECIALIST, face().box, media, noise(100, 200)),
    ]
    page = alone("".join(parts))
    open_all(page)
    assert fits(page)
    assert weak_text(page) == []


def test_marked_areas_follow_the_chosen_face(alone: Callable[..., Any]) -> None:
    marked = tuple(track(number, artifacts=(artifact(0.2, 0.2, 0.6, 0.6),)) for number in range(2))
    stage = picture_stage(picture(verdict=MANIPULATED, tracks=marked), overlay.data_uri(noise(100, 200)), 0)
    page = alone(f'<div id="stage">{stage}</div>', 1280)
    page.evaluate("() => window.telltale.faces(document.getElementById('stage'), () => {})")
    visible = "[...document.querySelectorAll('.tt-areas-of')].filter((one) => one.checkVisibility()).map((one) => one.dataset.of)"
    assert page.evaluate(visible) == ["0"]
    page.click(".tt-box[data-face='1']")
    assert page.evaluate(visible) == ["1"]
    page.uncheck(".tt-area-switch input")
    assert not any(one.is_visible() for one in page.locator(".tt-area").all())
