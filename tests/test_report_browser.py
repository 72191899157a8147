"""The report on a phone and on a desk, in an installed Chromium: nothing reaches over its edge, and no label lies on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import samples as s
from attribution.evidence import Placement
from attribution.evidence.types import Neighbour
from attribution.render.report import report_html

# Those that lie on one another, or reach over the right edge of the page.
COLLISIONS = """([which]) => {
  const all = [...document.querySelectorAll(which)].map(one => one.getBoundingClientRect());
  return all.flatMap((a, i) => all.slice(i + 1).filter(b => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
}"""
UNDER_BARS = """() => [...document.querySelectorAll('.tt-bars li')].filter(row => {
  const name = document.createRange();
  name.selectNodeContents(row.children[0]);
  return name.getBoundingClientRect().right > row.children[1].getBoundingClientRect().left;
}).length"""


@pytest.fixture
def read(browser: Any) -> Callable[[str, int], Any]:
    def opened(report: str, width: int) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.set_content(report)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        return page

    return opened


@pytest.mark.parametrize("width", [390, 1280])
def test_a_report_is_no_wider_than_the_page_and_no_name_lies_under_its_bar(read: Callable[[str, int], Any], width: int) -> None:
    names = ("No manipulation", "generated.photos", "photographs.generated.example", "StyleGAN2 or StyleGAN3", "FLUX.1")
    near = Placement(0, 0, tuple(Neighbour(i, label, "self_blended_on_parliament_speakers", 0.1) for i, label in enumerate(s.LABELS)), 0.4)
    one = s.track(0, s.MANIPULATED, placement=near, opinions=(s.swap_opinion(),))
    evidence = s.picture(verdict=s.MANIPULATED, tracks=(one,), name="a_very_long_name_without_any_space_in_it" * 3)
    settings = {**evidence.settings, "digests": ["ab" * 32]}
    evidence = replace(evidence, detector=replace(s.DETECTOR, display_names=names), settings=settings)
    page = read(report_html([evidence, s.clip()], {(0, 0): s.heatmap()}, {0: s.noise(100, 200)}), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(UNDER_BARS) == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_labels_of_a_crowd_do_not_lie_on_each_other(read: Callable[[str, int], Any], width: int) -> None:
    places = [(20.0 * (i % 20), 16.0 * (i // 20)) for i in range(32)]
    tracks = tuple(s.track(i, s.MANIPULATED, box=(x, y, x + 14, y + 15), track=None, predictions=None) for i, (x, y) in enumerate(places))
    page = read(report_html([s.picture(verdict=s.MANIPULATED, tracks=tracks)], None, {0: s.noise(300, 600)}), width)
    assert len(page.query_selector_all(".tt-box span")) == 32
    assert page.evaluate(COLLISIONS, [".tt-box span"]) == []
