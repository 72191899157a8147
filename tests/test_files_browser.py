"""Several files, pasting and cancelling in a real browser."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app_server import ROOT
from attribution.evidence import Unusable, read_document
from attribution.text import files as text
from attribution.text import page as page_text
from attribution.web.files import MOST_FILES
from make_media import write_clip

PORTRAITS = [ROOT / "examples" / name for name in ("astronaut.png", "grace_hopper.jpg")]
PASTE = """(data) => {
  const given = new DataTransfer();
  given.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], "image.png", { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true }));
}"""


def give(page: Any, *files: Path) -> None:
    page.set_input_files("#tt-drop input[type=file]", files)


@pytest.mark.parametrize("width", [1280, 390])
def test_several_files_are_a_table_that_the_keyboard_opens_and_comes_back_to(visit: Callable[..., Any], tmp_path: Path, width: int) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"This is no picture.")
    page = visit(width=width).page
    page.wait_for_selector(".tt-ready")
    give(page, *PORTRAITS, broken)
    page.wait_for_selector(".tt-elapsed:not(:empty)")
    page.wait_for_selector(".tt-files .tt-downloads")
    page.wait_for_function("document.activeElement.id === 'tt-files-table'")
    assert not page.is_visible("#tt-cancel")
    assert page.locator(".tt-files tbody tr").count() == 3
    assert page.locator(".tt-files [role=rowheader]").last.inner_text() == broken.name, "what cannot be used stands last"
    assert page.locator(".tt-files b.tt-sure").count() <= 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    downloads = []
    for place in (0, 1):
        with page.expect_download() as waiting:
            page.locator(".tt-files .tt-downloads a").nth(place).click()
        downloads.append(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))
    assert len(downloads[0].splitlines()) == 4
    assert [isinstance(one, Unusable) for one in read_document(json.loads(downloads[1]))] == [False, False, True]
    name = page.locator(".tt-files button").first.inner_text()
    page.focus(".tt-files button")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'tt-verdict'")
    assert name in page.inner_text(".tt-files-bar")
    assert page.locator(".tt-files-bar button").bounding_box()["y"] >= 0, "the way back can be seen"
    page.click(".tt-files-bar button")
    page.wait_for_function("document.activeElement.hasAttribute('data-last')")
    assert not page.is_visible(".tt-verdict")
    assert page.evaluate("document.activeElement.innerText").strip() == name.strip()


def test_a_pasted_picture_is_examined_and_a_clip_can_be_called_off(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit().page
    page.wait_for_selector(".tt-ready")
    clip = write_clip(tmp_path / "long.mp4", 900, (1280, 720))
    give(page, clip, clip)
    page.wait_for_selector(".tt-progress")
    page.click("#tt-cancel")
    page.wait_for_function(
        "(said) => document.querySelector('.tt-status')?.innerText.includes(said)", arg=text.CANCELLED.partition(".")[0], timeout=2000
    )
    assert not page.is_visible("#tt-cancel")
    page.evaluate(PASTE, base64.b64encode(PORTRAITS[0].read_bytes()).decode())
    page.wait_for_selector(".tt-verdict")
    assert page.inner_text(".tt-state h2") in page_text.STATES.values()
    assert "image.png" in page.inner_html("#tt-result")


def test_files_are_judged_by_their_content_and_the_picker_offers_what_can_be_read(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit().page
    page.wait_for_selector(".tt-ready")
    with page.expect_file_chooser() as chooser:
        page.click("#tt-drop button")
    offered = chooser.value.element.get_attribute("accept").split(",")
    assert {".jpg", ".jfif", ".avif", ".mts", ".mxf"} <= set(offered)
    assert not {".heic", ".jxl", ".pdf"} & set(offered)
    names = ("photo.jfif", "photo", "photo.jpg_large")
    for name in names:
        shutil.copyfile(PORTRAITS[1], tmp_path / name)
    write_clip(tmp_path / "cam.mts", 3, codec="mpeg2video").rename(tmp_path / "cam.m2ts")
    give(page, *(tmp_path / name for name in (*names, "cam.m2ts")))
    page.wait_for_selector(".tt-files .tt-downloads")
    assert page.locator(".tt-files tbody tr").count() == 4
    with page.expect_download() as waiting:
        page.locator(".tt-files .tt-downloads a").nth(1).click()
    found = read_document(json.loads(Path(waiting.value.path()).read_text(encoding="utf-8-sig")))
    assert not [one for one in found if isinstance(one, Unusable)]


def test_too_many_files_are_refused_in_one_sentence(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit().page
    page.wait_for_selector(".tt-ready")
    for number in range(MOST_FILES + 1):
        (tmp_path / f"{number}.jpg").write_bytes(b"This is no picture.")
    give(page, *sorted(tmp_path.iterdir()))
    page.wait_for_selector(".tt-problem")
    page.wait_for_timeout(1000)
    assert str(MOST_FILES) in page.inner_text(".tt-problem"), "and it stays there"
