"""The page in a real browser, as its readers have it: with mouse, keyboard and phone, in light and dark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import zeroshot_tables
from app_server import ROOT, Server, start, stop
from attribution.evidence import Opinion
from attribution.measured.failures import failures_page
from attribution.measured.limits import limits_page
from attribution.measured.study import Study
from attribution.render import areas, overlay
from attribution.render import face as face_view
from attribution.render import opinion as opinion_view
from attribution.render.file import clip_stage, picture_stage
from attribution.render.patches import patch_view
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text
from attribution.text import page as text
from attribution.text import swap_limits as swap_limits_text
from attribution.web import theme
from conftest import REFERENCES
from limits_samples import STUDY, card, generator_card, swap_card
from samples import (
    DETECTOR,
    MANIPULATED,
    NONE_FOUND,
    REFUSED,
    SPECIALIST,
    artifact,
    clip,
    disputed,
    face,
    grid,
    heatmap,
    noise,
    opinion,
    picture,
    swap_opinion,
    track,
)

SCRIPT = (ROOT / "attribution" / "web" / "static" / "page.js").read_text(encoding="utf-8")
# One in each corner, at the edge and all over: labels have little room.
AREAS = (
    artifact(0.0, 0.0, 0.4, 0.35, 0.97),
    artifact(0.3, 0.6, 0.7, 0.85, 0.81),
    artifact(0.6, 0.3, 1.0, 0.6, 0.7),
    artifact(0.1, 0.7, 0.5, 1.0, 0.6),
    artifact(0.0, 0.0, 1.0, 1.0, 0.55),
)
PORTRAIT = ROOT / "examples" / "astronaut.png"

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
def server(detector_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(str(detector_folder), tmp_path_factory.mktemp("server"))
    yield running
    stop(running)


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """`visit(width=…, color_scheme=…)` opens the page. At the end no reader's page may have seen an error or asked a stranger."""
    from browser import Reader

    readers, contexts = [], []

    def opened(width: int = 1280, height: int = 900, **settings: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **settings))
        readers.append(Reader(contexts[-1], server.address))
        return readers[-1].open()

    yield opened
    found = [(reader.errors, reader.strangers) for reader in readers]
    for context in contexts:
        context.close()
    assert found == [([], set())] * len(found)


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
        time.sleep(0.1)
    return True


def test_the_page_opens_and_says_what_it_is_for(visit: Callable[..., Any]) -> None:
    page = visit().page
    assert page.inner_text("h1") == text.NAME
    assert text.PURPOSE in page.inner_text("header")
    page.wait_for_selector(".tt-ready")
    assert "random-for-tests" in page.inner_text(".tt-pill")
    there = [name for name in text.EXAMPLES if (ROOT / "examples" / name).is_file()]
    assert len(page.query_selector_all(".tt-examples button")) == len(there) >= 2


def test_an_example_gives_a_verdict_and_all_that_belongs_to_it(visit: Callable[..., Any]) -> None:
    reader = visit()
    page = reader.page
    reader.after(lambda: page.click(".tt-examples button"))
    assert page.inner_text(".tt-state h2") in text.STATES.values()
    assert page.inner_text(".tt-cannot h3") == text.CANNOT_TELL
    assert page.evaluate("document.activeElement.id") == "tt-verdict", "screen readers begin at the verdict"
    assert page.is_visible(".tt-picture img")
    assert page.query_selector(".tt-box") is not None
    assert page.is_visible(".tt-families")
    slider = page.query_selector_all("#tt-slider img")
    assert len(slider) == 2
    assert all(image.bounding_box()["height"] > 100 for image in slider)
    assert text.HEATMAP_WARNING in page.inner_text(".tt-faithful")
    assert eventually(lambda: len(page.query_selector_all("#tt-map .points path")) == REFERENCES + 1), "the references and the face"
    assert len(page.query_selector_all(".tt-table tbody tr")) >= 10
    assert page.is_visible(".tt-measured table")
    assert "SHA-256" in page.inner_text(".tt-custody")


def test_a_class_can_be_chosen_for_the_heatmap(visit: Callable[..., Any]) -> None:
    page = visit().give(PORTRAIT).page
    page.click("#tt-label input")
    page.click("#tt-label [role=option]:last-child")
    chosen = page.input_value("#tt-label input").rsplit(" (", 1)[0]
    assert eventually(lambda: f"“{chosen}”" in page.inner_text(".tt-faithful"))


def test_text_named_jpg_gets_one_sentence_and_the_server_lives(visit: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"This is no picture.")
    reader = visit().give(tmp_path / "words.jpg")
    assert reader.page.inner_text(".tt-problem h2") == text.PROBLEM
    assert not reader.page.is_visible(".tt-verdict")
    reader.give(PORTRAIT)
    assert reader.page.is_visible(".tt-verdict")
    assert not reader.page.is_visible(".tt-problem")


def test_a_file_of_another_kind_is_not_even_sent(visit: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(b"words")
    page = visit().page
    page.set_input_files("#tt-drop input[type=file]", tmp_path / "words.txt")
    page.wait_for_selector(".toast-body")
    assert not page.is_visible(".tt-verdict")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(visit: Callable[..., Any], color_scheme: str) -> None:
    reader = visit(width=390, height=844, color_scheme=color_scheme, has_touch=True, is_mobile=True)
    page = reader.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    reader.give(PORTRAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    longer = "for (const cell of document.querySelectorAll('.tt-measured td')) cell.textContent = 'averylongwordinatable'.repeat(4)"
    page.evaluate(longer)
    wide = """() => [...document.querySelectorAll('#tt-result *')].filter((e) => e.checkVisibility()
        && e.getBoundingClientRect().right > 391
        && !e.closest('.tt-scroll, .js-plotly-plot, .tt-picture, [aria-hidden=true], #tt-slider')).map((e) => e.className).slice(0, 5)"""
    assert page.evaluate(wide) == []
    assert all(image.bounding_box()["height"] > 100 for image in page.query_selector_all("#tt-slider img"))


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_every_text_can_be_read(visit: Callable[..., Any], color_scheme: str) -> None:
    reader = visit(color_scheme=color_scheme)
    reader.page.wait_for_selector(".tt-ready")
    dark = reader.page.evaluate("document.body.classList.contains('dark')")
    assert dark == (color_scheme == "dark")
    assert reader.page.evaluate(WEAK_TEXT) == []
    reader.give(PORTRAIT)
    assert reader.page.evaluate(WEAK_TEXT) == []


def test_the_check_of_contrast_finds_weak_text(visit: Callable[..., Any]) -> None:
    page = visit().page
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    assert [words for words, *_ in page.evaluate(WEAK_TEXT)] == [text.NAME]


def test_light_and_dark_can_be_switched_and_are_remembered(visit: Callable[..., Any]) -> None:
    from browser import Reader

    reader = visit(color_scheme="light")
    page = reader.page
    ground = "getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
    light = page.evaluate(ground)
    page.click(".tt-mode")
    dark = page.evaluate(ground)
    assert dark != light
    again = Reader(page.context, reader.address).open().page
    assert eventually(lambda: again.evaluate(ground) == dark)
    again.click(".tt-mode")
    assert again.evaluate(ground) == light


def test_the_keyboard_reaches_everything_and_starts_an_example(visit: Callable[..., Any]) -> None:
    reader = visit()
    page = reader.page
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className + ' ' + (document.activeElement.dataset.example ?? '')"))
        if reached[-1].strip() == "0":
            break
    assert any("tt-mode" in one for one in reached)
    assert any("upload-container" in one for one in reached)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "where one is can be seen"
    reader.after(lambda: page.keyboard.press("Enter"))
    assert page.is_visible(".tt-verdict")


def test_a_face_can_be_chosen_on_the_picture_and_in_the_row(visit: Callable[..., Any], tmp_path: Path) -> None:
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))[:300, 100:400]
    Image.fromarray(np.hstack([portrait, portrait[:, ::-1]])).save(tmp_path / "two.png")
    page = visit().give(tmp_path / "two.png").page
    assert len(page.query_selector_all(".tt-box")) == 2
    page.click(".tt-box[data-face='1']")
    assert eventually(lambda: page.inner_text(".tt-face h3") == "Face 2")
    assert page.get_attribute(".tt-choices [data-face='1']", "aria-checked") == "true"
    page.focus(".tt-choices [data-face='1']")
    page.keyboard.press("ArrowLeft")
    assert eventually(lambda: page.inner_text(".tt-face h3") == "Face 1")
    assert page.get_attribute(".tt-box[data-face='0']", "aria-pressed") == "true"


def test_the_timeline_seeks_the_player(visit: Callable[..., Any], clips: Path) -> None:
    page = visit().give(clips / "moving.mp4").page
    now = "document.querySelector('.tt-picture video').currentTime"
    assert page.evaluate("document.querySelector('.tt-picture video').error") is None
    slider = page.locator(".tt-track")
    width = slider.bounding_box()["width"]
    slider.click(position={"x": width * 0.85, "y": 50})
    assert eventually(lambda: abs(page.evaluate(now) - 0.85 * 3) < 0.3)
    assert eventually(lambda: page.inner_text(".tt-crop figcaption") == f"{page.evaluate(now):.1f} s")
    later = page.evaluate(now)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert eventually(lambda: page.evaluate(now) < later)
    page.keyboard.press("Home")
    assert eventually(lambda: page.evaluate(now) < 0.2)
    assert page.get_attribute(".tt-track", "aria-valuetext").endswith("%")
    box = page.locator(".tt-follow").first
    assert box.is_visible()
    before = box.bounding_box()["x"]
    page.keyboard.press("End")
    assert eventually(lambda: abs(box.bounding_box()["x"] - before) > 10), "the box follows the face"


def test_a_clip_that_browsers_cannot_play_is_shown_frame_by_frame(visit: Callable[..., Any], clips: Path) -> None:
    page = visit().give(clips / "moving.avi").page
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


def test_a_clip_goes_when_its_reader_does(visit: Callable[..., Any], clips: Path, server: Server) -> None:
    def kept() -> list[Path]:
        size = (clips / "moving.mp4").stat().st_size
        return [path for path in server.temporary.rglob("*.mp4") if path.stat().st_size == size]

    reader = visit().give(clips / "moving.mp4")
    assert len(kept()) == 1
    reader.page.close()
    assert eventually(lambda: not kept())


def test_a_hostile_name_does_nothing(visit: Callable[..., Any], tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)><b>bold.png"
    (tmp_path / name).write_bytes(PORTRAIT.read_bytes())
    reader = visit()
    alarms: list[str] = []
    reader.page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    reader.give(tmp_path / name)
    assert alarms == []
    assert reader.page.query_selector(".tt-custody b, .tt-custody img") is None


def test_report_and_result_can_be_downloaded(visit: Callable[..., Any]) -> None:
    page = visit().give(PORTRAIT).page
    for link, ending, begins in ((0, ".html", "<!doctype html>"), (1, ".json", "{")):
        with page.expect_download() as waiting:
            page.locator(".tt-downloads a").nth(link).click()
        assert waiting.value.suggested_filename.startswith("telltale-88431cd9653c")
        assert waiting.value.suggested_filename.endswith(ending)
        assert Path(waiting.value.path()).read_text(encoding="utf-8").startswith(begins)


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_the_measured_limits_open_beside_a_result_that_stays(visit: Callable[..., Any], color_scheme: str) -> None:
    from browser import Reader

    reader = visit(color_scheme=color_scheme).give(PORTRAIT)
    page = reader.page
    verdict = page.inner_text(".tt-state h2")
    for link in (
        page.get_by_role("link", name=limits_text.SEE_ALL).all() + page.locator(f".tt-header .tt-link[href$={limits_text.PATH}]").all()
    ):
        with page.expect_popup() as opening:
            link.click()
        assert opening.value.url == f"{reader.address}{limits_text.PATH}"
        opening.value.close()
    limits = Reader(page.context, reader.address)
    limits.page.goto(reader.address + limits_text.PATH)
    limits.page.wait_for_selector("#tt-m-answers")
    assert limits.page.inner_text("h1") == limits_text.PAGE
    assert limits.page.title().startswith(limits_text.PAGE)
    assert limits_text.MISSING_TITLE in limits.page.inner_text("#tt-m-missing"), "this detector was measured on nothing"
    assert limits.page.query_selector("#tt-m-answers .tt-answers li") is not None
    assert limits.page.evaluate(WEAK_TEXT) == []
    limits.page.click(f".tt-contents a:has-text('{limits_text.MISSING_TITLE}')")
    assert limits.page.evaluate("document.activeElement.id") == "tt-m-missing", "a link within the page stays within it"
    assert limits.page.url == reader.address + limits_text.PATH
    assert (limits.errors, limits.strangers) == ([], set())
    assert page.inner_text(".tt-state h2") == verdict
    assert page.is_visible(".tt-picture img")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_measured_limits_fit_a_phone_and_every_text_can_be_read(browser: Any, color_scheme: str) -> None:
    """With every table there is: the page alone, as the browser gets it, without a server."""
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=color_scheme)
    page.set_content(
        f'<body class="gradio-container {color_scheme}"><style>{theme.css()}</style>'
        f"{limits_page(card(), Study(STUDY), [generator_card(), swap_card()])}</body>"
    )
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert len(page.query_selector_all("#tt-m-chapter .tt-m")) == len(limits_text.TITLES) + 2
    assert len(page.query_selector_all("#tt-m2-chapter .tt-m")) > len(limits_text.GENERATOR_TITLES)
    assert len(page.query_selector_all("#tt-m3-chapter .tt-m")) > len(swap_limits_text.TITLES)
    assert page.evaluate(WEAK_TEXT) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate(WEAK_TEXT) == []
    page.close()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_why_detectors_fail_opens_beside_and_answers_without_the_server(visit: Callable[..., Any], color_scheme: str) -> None:
    from browser import Reader

    reader = visit(color_scheme=color_scheme)
    with reader.page.expect_popup() as opening:
        reader.page.click(f".tt-header .tt-link[href$={failures_text.PATH}]")
    assert opening.value.url == f"{reader.address}{failures_text.PATH}"
    opening.value.close()
    why = Reader(reader.page.context, reader.address)
    why.page.goto(reader.address + failures_text.PATH)
    why.page.wait_for_selector("#tt-m-short")
    assert why.page.inner_text("h1") == failures_text.PAGE
    assert why.page.title().startswith(failures_text.PAGE)
    assert why.page.evaluate(WEAK_TEXT) == []
    assert why.page.get_by_role("link", name=limits_text.LINK).is_visible()
    assert (why.errors, why.strangers) == ([], set())


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_why_detectors_fail_fits_a_phone_and_every_text_can_be_read(browser: Any, color_scheme: str) -> None:
    page = why_alone(browser, color_scheme)
    assert page.evaluate(WEAK_TEXT) == []
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_selector("#tt-m-neurons .tt-long table")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate(WEAK_TEXT) == []
    page.close()


def test_a_choice_shows_what_belongs_to_it_in_every_part(browser: Any) -> None:
    page = why_alone(browser, width=1280)

    def shown(part: str) -> list[str]:
        return page.eval_on_selector_all(f"#tt-m-{part} [data-of]", "all => all.filter((one) => !one.hidden).map((one) => one.dataset.of)")

    before = shown("attention")
    page.check("#tt-m-collapse input[data-about=detector][value='3']", force=True)
    assert {one.split()[0] for one in shown("collapse")} == {"3"}
    assert {one.split()[0] for one in shown("attention")} == {"3"} != {one.split()[0] for one in before}
    assert page.is_checked("#tt-m-ablation input[data-about=detector][value='3']")
    assert page.eval_on_selector_all("#tt-m-ablation g", "all => all.filter((one) => getComputedStyle(one).display !== 'none').length") == 2
    page.focus("#tt-m-collapse input[data-about=source]:checked")
    was = shown("collapse")
    page.keyboard.press("ArrowRight")
    assert shown("collapse") != was
    assert page.evaluate("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle") == "solid", "where one is can be seen"
    page.check("#tt-m-collapse input[data-about=detector][value='6']", force=True)
    assert "6 * *" in shown("collapse"), "a shipped detector has one training"
    assert {one.split()[0] for one in shown("attention")} == {"3"}, "and is no choice where it was not measured"
    assert page.locator("#tt-m-collapse [data-none]").is_hidden()
    page.close()


def test_a_packed_table_opens_as_a_table(browser: Any) -> None:
    page = why_alone(browser, width=1280)
    table = zeroshot_tables.tables()["matrix"]
    page.click(f"#tt-m-collapse summary:has-text('{table.title}')")
    page.wait_for_selector("#tt-m-collapse .tt-long table")
    assert page.locator("#tt-m-collapse .tt-long tbody tr").count() == len(table.rows)
    assert page.locator("#tt-m-collapse .tt-long thead th").all_inner_texts() == list(table.columns)
    page.close()


def why_alone(browser: Any, color_scheme: str = "light", width: int = 390) -> Any:
    """With every table there is: the page and the script alone, without a server."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=color_scheme)
    script = (Path(theme.__file__).parent / "static" / "page.js").read_text(encoding="utf-8")
    body = failures_page(Study(zeroshot_tables.tables()), {"astronaut.png": noise(64, 64)})
    page.set_content(f'<body class="gradio-container {color_scheme}"><style>{theme.css()}</style><script>{script}</script>{body}</body>')
    return page


def alone(browser: Any, parts: str, color_scheme: str = "light", width: int = 390, **settings: Any) -> Any:
    """A part of the page, as the browser gets it, without a server."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=color_scheme, **settings)
    style = f"<style>{theme.css()}{theme.area_css()}</style>"
    page.set_content(f'<body class="gradio-container {color_scheme}">{style}<div class="tt-panel">{parts}</div></body>')
    return page


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_a_second_opinion_fits_a_phone_and_every_text_can_be_read(browser: Any, color_scheme: str) -> None:
    """With every kind of answer."""
    given = [opinion(agreement=one) for one in ("same method", "same family", "undecided")]
    given += [opinion(NONE_FOUND, "differs"), Opinion(SPECIALIST, REFUSED), swap_opinion()]
    media, parts = picture().media, ""
    for one in given:
        whole = track(opinions=(one,))
        parts += opinion_view.beside(whole) + opinion_view.heading(whole, 0, DETECTOR) + opinion_view.answer(whole, one, DETECTOR)
    several = disputed()
    several = replace(several, opinions=(*several.opinions, Opinion(SPECIALIST, REFUSED), opinion()), artifacts=AREAS)
    evidence = picture(verdict=several.verdict, tracks=(several,))
    parts += face_view.verdict_banner(evidence, "", *opinion_view.verdict_note(evidence, link=True))
    parts += (
        opinion_view.choices(several, 0) + opinion_view.agreement(several, several.opinions[0], DETECTOR) + opinion_view.others(several, 0)
    )
    parts += opinion_view.marked_areas(several, several.opinions[0], 1, (), overlay.data_uri(noise(224, 224)), switch=True)
    parts += opinion_view.heat_words(heatmap(), DETECTOR, ()) + opinion_view.limits(SPECIALIST, card().measured)
    parts += patch_view(grid("s..x", ".ss.", "....", side_px=50), SPECIALIST, face().box, media, noise(100, 200))
    page = alone(browser, parts, color_scheme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(WEAK_TEXT) == []
    mosaic = page.locator(".tt-mosaic > svg").bounding_box()
    assert mosaic is not None
    assert mosaic["width"] > 250
    assert abs(mosaic["width"] / mosaic["height"] - 4 / 3) < 0.05, "of the shape of what the patches cover"
    differs, agrees = (
        page.evaluate(f"getComputedStyle(document.querySelector('.tt-second .{kind}')).borderTopWidth")
        for kind in ("tt-differs", "tt-same-method")
    )
    assert float(differs.removesuffix("px")) > float(agrees.removesuffix("px")), "a disagreement catches the eye"
    page.close()


def test_labels_of_marked_areas_stay_on_the_face_and_hide_no_small_one(browser: Any) -> None:
    whole = track(artifacts=AREAS)
    page = alone(browser, areas.panel(whole, 1, "CADDM", "manipulated", (), overlay.data_uri(noise(224, 224))))
    square = page.locator(".tt-marked-crop").bounding_box()
    for label in page.locator(".tt-area-label").all():
        box = label.bounding_box()
        assert box["x"] >= square["x"] - 1
        assert box["x"] + box["width"] <= square["x"] + square["width"] + 1
        assert box["y"] >= square["y"] - 1
        assert box["y"] + box["height"] <= square["y"] + square["height"] + 1
    page.uncheck(".tt-area-switch input")
    assert not page.locator(".tt-areas").is_visible()
    page.close()
    shown = {}
    for width in (1600, 700, 390, 250):
        page = alone(
            browser, picture_stage(picture(verdict=MANIPULATED, tracks=(whole,)), overlay.data_uri(noise(100, 200)), 0), width=width
        )
        side = page.locator(".tt-areas-of").bounding_box()["width"]
        shown[round(side)] = [sum(one.is_visible() for one in page.locator(kind).all()) for kind in (".tt-area", ".tt-area-label")]
        page.close()
    assert len(shown) >= 3
    for side, (outlines, labels) in shown.items():
        assert outlines == (1 if side <= 70 else 2 if side <= 110 else len(AREAS)), side
        assert labels == (len(AREAS) if side > 150 else 0), side


def test_several_opinions_are_chosen_by_mouse_and_keyboard(browser: Any) -> None:
    several = track(verdict=MANIPULATED, opinions=(swap_opinion(), Opinion(SPECIALIST, REFUSED), opinion()))
    page = alone(browser, f'<div id="choices">{opinion_view.choices(several, 0)}</div>')
    page.add_script_tag(content=SCRIPT)
    page.evaluate(
        "() => { window.asked = []; const row = document.getElementById('choices');"
        " window.telltale.opinions(row, (event, what) => window.asked.push(what.index)); }"
    )
    checked = "document.querySelector('[aria-checked=true]').dataset.opinion"
    page.click("[data-opinion='2']")
    assert page.evaluate(checked) == "2"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(checked) == "0"
    assert page.evaluate("document.activeElement.dataset.opinion") == "0"
    assert page.evaluate("window.asked") == [2, 0]
    page.close()


def test_areas_of_a_clip_show_at_their_moment_alone(browser: Any) -> None:
    evidence = clip("matroska (hevc)")
    first = replace(evidence.tracks[0], artifacts=(artifact(0.2, 0.2, 0.6, 0.6, seconds=3.5),))
    evidence = replace(evidence, tracks=(first, evidence.tracks[1]))
    page = alone(browser, f'<div id="stage">{clip_stage(evidence, [(3.5, overlay.data_uri(noise(20, 40)))], None, 0)}</div>')
    page.add_script_tag(content=SCRIPT)
    page.evaluate("() => window.telltale.faces(document.getElementById('stage'), () => {})")
    layer, slider = page.locator(".tt-areas-of"), page.locator(".tt-track")
    shown = {}
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(31):
        page.keyboard.press("ArrowRight")
        shown[page.get_attribute(".tt-track", "aria-valuenow")] = layer.is_visible()
    assert [moment for moment, there in shown.items() if there] == ["3.5"]
    page.close()


def test_marked_areas_follow_the_chosen_face(browser: Any, swap_folder: Path, tmp_path: Path) -> None:
    from browser import Reader

    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))[:300, 100:400]
    Image.fromarray(np.hstack([portrait, portrait[:, ::-1]])).save(tmp_path / "two.png")
    (tmp_path / "server").mkdir()
    server = start(str(swap_folder), tmp_path / "server")
    try:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        reader = Reader(context, server.address).open().give(tmp_path / "two.png")
        page = reader.page
        assert "marks" in page.inner_text(".tt-marked-lead")
        layers = page.locator(".tt-areas-of")
        assert layers.count() == 2
        first = page.get_attribute(".tt-box[aria-pressed='true']", "data-face")
        other = "1" if first == "0" else "0"
        visible = "[...document.querySelectorAll('.tt-areas-of')].filter((one) => one.checkVisibility()).map((one) => one.dataset.of)"
        assert page.evaluate(visible) == [first]
        lead = page.get_attribute(".tt-marked-face img", "src")
        page.click(f".tt-box[data-face='{other}']")
        assert page.evaluate(visible) == [other]
        assert eventually(lambda: page.get_attribute(".tt-marked-face img", "src") != lead), "the other face with its own areas"
        page.uncheck(".tt-stage .tt-area-switch input")
        assert not page.locator(".tt-stage .tt-area").first.is_visible()
        assert page.locator(".tt-marked .tt-area").first.is_visible(), "each switch is that of its own picture"
        assert (reader.errors, reader.strangers) == ([], set())
        context.close()
    finally:
        stop(server)
