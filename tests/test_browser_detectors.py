"""Choosing detectors in a real browser: a Hub on loopback, downloads that are cancelled and that end, and two answers side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from app_server import ROOT, Server, start, stop
from attribution.text import detectors as text
from attribution.text import opinions as opinion_text
from attribution.text import page as page_text
from conftest import SURE, write_detector
from foreign_detectors import change_config, write_timm_folder
from hub_server import Fault, LoopbackHub
from test_browser import WEAK_TEXT

PORTRAIT = ROOT / "examples" / "landmark_swap.png"
SLOW = Fault("/store/", pause=0.05, piece=2**17)


def favouring(folder: Path, label: int) -> Path:
    """The same detector, which nearly always answers that label."""
    state = load_file(folder / "model.safetensors")
    state["head.bias"][label] += 40
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackHub]:
    folder = tmp_path_factory.mktemp("public")
    with LoopbackHub() as running:
        told = favouring(write_timm_folder(folder / "told", ["Real", "Fake"]), 1)
        running.add("acme/told", told, licence="apache-2.0")
        running.add("acme/untold", favouring(write_timm_folder(folder / "untold", ["LABEL_0", "LABEL_1"], seed=5), 0), licence="mit")
        damaged = write_timm_folder(folder / "damaged", ["Real", "Fake"])
        change_config(damaged, {"num_classes": 3, "label_names": ["Real", "Fake", "Other"]})
        running.add("acme/damaged", damaged, licence="mit")
        yield running


@pytest.fixture(scope="module")
def server(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_detector(tmp_path_factory.mktemp("own") / "random", thresholds=SURE, favours="landmark_swap")
    running = start(str(folder), tmp_path_factory.mktemp("server"), ROOT / "app.py", "cpu", **hub.environment())
    yield running
    stop(running)


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


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Any]:
    """`visit(width=…)` opens a page. At the end none may have seen an error, or asked a stranger for anything."""
    from browser import Reader

    readers, contexts = [], []

    def opened(width: int = 1280, height: int = 900, **settings: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **settings))
        readers.append(Reader(contexts[-1], server.address))
        return readers[-1].open()

    yield opened
    for reader in readers:
        assert reader.errors == []
        assert reader.strangers == set()
    for context in contexts:
        context.close()


def examine(page: Any) -> None:
    """Give the example, and wait for its verdict and its heatmap."""
    page.evaluate("for (const old of document.querySelectorAll('.tt-verdict, .tt-faithful')) old.dataset.old = ''")
    page.set_input_files("#tt-drop input[type=file]", PORTRAIT)
    page.wait_for_selector(".tt-verdict:not([data-old])")
    page.wait_for_selector(".tt-faithful:not([data-old])")


def test_one_is_looked_up_cancelled_downloaded_and_used(visit: Any, hub: LoopbackHub) -> None:
    page = visit().page
    asked = len(hub.requests)
    panel = Panel(page).open()
    page.select_option("#tt-choose-first", "hf:OwensLab/commfor-model-384")
    assert page.is_disabled("[data-do=use]")
    assert page.inner_text("[data-why]") == text.LOOK_FIRST
    # So far nobody was asked for anything.
    assert len(hub.requests) == asked
    panel.look_up("acme/told")
    facts = page.inner_text(panel.seen("first", "dl"))
    for part in ("apache-2.0", hub.repositories["acme/told"].branches["main"], "model.safetensors", "22.0 MB"):
        assert part in facts
    assert page.inner_text("[data-do=use]") == text.DOWNLOAD.format(size="22.0 MB")
    assert not hub.asked("/store/")
    hub.faults.append(SLOW)
    panel.use()
    page.wait_for_function("Number(document.querySelector('.tt-loading [role=progressbar]')?.ariaValueNow) > 5")
    assert "MB" in page.inner_text(".tt-doing")
    page.click("#tt-choose-cancel")
    page.wait_for_selector(".tt-choose-problem")
    assert page.inner_text(".tt-choose-problem") == text.CANCELLED
    assert page.evaluate("document.activeElement.className") == "tt-choose-problem"
    assert "random-for-tests" in page.inner_text(".tt-pill")
    hub.faults.clear()
    assert "acme/told@" in panel.use().used()
    assert page.evaluate("document.activeElement.dataset.do") == "toggle"
    examine(page)
    words = page.inner_text("#tt-result")
    for part in (page_text.WHOLE["picture"], page_text.WHOLE_TITLES["picture"], page_text.NOT_TOLD, "not calibrated"):
        assert part in words
    assert page_text.UNMEASURED_TITLE in words
    assert page_text.NO_REFERENCES in words
    assert "Face 1" not in words
    assert "confidence" not in words.replace("confidence”", "")
    assert page.query_selector(".tt-box") is None
    assert page.query_selector("#tt-map") is None
    # Another choice leaves what is shown as it is.
    Panel(page).open()
    page.select_option("#tt-choose-first", "default")
    assert "random-for-tests" in panel.use().used()
    assert page_text.WHOLE["picture"] in page.inner_text("#tt-result")


def test_labels_are_asked_for_and_two_detectors_stand_side_by_side(visit: Any) -> None:
    page = visit(390, 844).page
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
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    pill = panel.use().used()
    assert "random-for-tests" in pill
    assert "acme/untold@" in pill
    examine(page)
    both = page.inner_text(".tt-both")
    for part in (opinion_text.SIDE_BY_SIDE, "random-for-tests", "acme/untold", "Landmark face swap", "LABEL_0", "not calibrated"):
        assert part in both
    assert both.count("%") == 2
    assert opinion_text.AGREEMENT["same family"] in both
    page.wait_for_selector("#tt-second-slider img")
    second = page.inner_text("#tt-opinion")
    assert opinion_text.NO_REFERENCES.format(name="acme/untold") in second
    assert opinion_text.UNMEASURED_TITLE.format(name="acme/untold") in second
    assert page.query_selector("#tt-second-map") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_damaged_one_is_refused_in_a_sentence_and_the_page_goes_on(visit: Any) -> None:
    page = visit(color_scheme="dark").page
    Panel(page).open().look_up("acme/damaged").use()
    page.wait_for_selector(".tt-choose-problem")
    sentence = page.inner_text(".tt-choose-problem")
    assert sentence
    assert sentence != text.OUR_FAULT
    assert page.get_attribute(".tt-choose-problem", "role") == "alert"
    assert page.evaluate(WEAK_TEXT) == []
    page.select_option("#tt-choose-first", "other")
    page.fill("#tt-repository-first", "acme/nothing-here")
    page.click(Panel(page).seen("first", "[data-do=look]"))
    page.wait_for_function("document.querySelector('.tt-choose-problem')?.textContent.includes('nothing-here')")
    examine(page)
    assert "Landmark face swap" in page.inner_text("#tt-verdict")
