"""axe-core finds no violation of WCAG 2.2 A and AA on Examine, with every section of a result opened in turn, and on the
pages of measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attribution.text import failures as failures_text
from attribution.text import limits as limits_text

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_core = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PORTRAIT = Path(__file__).resolve().parent.parent / "examples" / "astronaut.png"
# One that is read from right to left among them.
LOOKS = pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "en"), ("light", "ar")])
OPEN_ALL = "for (const one of document.querySelectorAll('main details, .tt-limits-page details')) one.open = true"


def violations(page: Any, where: str) -> list[str]:
    """What axe-core finds now, one line for each element."""
    # Colours are judged once they stand still.
    page.wait_for_timeout(400)
    found = axe_core.Axe().run(page, options=RULES).response["violations"]
    return [
        f"{where}: {rule['id']} ({rule['help']}): {' '.join(map(str, node['target']))}: {node['failureSummary']}: {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


@LOOKS
def test_the_first_page_and_every_section_of_a_result(visit: Callable[..., Any], scheme: str, language: str) -> None:
    reader = visit(color_scheme=scheme, locale=language)
    page = reader.page
    assert page.get_attribute("html", "lang") == language
    page.wait_for_selector(".tt-ready")
    page.click(".tt-choose-line button[aria-expanded=false]")
    page.wait_for_selector(".tt-choose-line button[aria-expanded=true]")
    found = violations(page, "start")
    page.click(".tt-choose-line button[aria-expanded=true]")
    found += violations(reader.give(PORTRAIT).page, "result")
    sections = [head.get_attribute("aria-controls") for head in page.query_selector_all(".tt-section")]
    assert sections
    for section in sections:
        reader.look(section.removeprefix("tt-"))
        found += violations(page, section)
    page.set_input_files("#tt-drop input[type=file]", [PORTRAIT, PORTRAIT.with_name("grace_hopper.jpg")])
    page.wait_for_selector(".tt-files .tt-downloads")
    found += violations(page, "several files")
    assert found == [], "\n".join(found)


@LOOKS
@pytest.mark.parametrize("path", [limits_text.PATH, failures_text.PATH])
def test_a_page_of_measurements(visit: Callable[..., Any], scheme: str, language: str, path: str) -> None:
    reader = visit(color_scheme=scheme, locale=language)
    # Whoever leaves a page that is still loading breaks off its events.
    reader.page.wait_for_selector(".tt-ready")
    reader.page.goto(reader.address + path)
    reader.page.wait_for_selector(".tt-limits-page")
    found = violations(reader.page, path)
    reader.page.evaluate(OPEN_ALL)
    found += violations(reader.page, f"{path}, opened")
    assert found == [], "\n".join(found)
