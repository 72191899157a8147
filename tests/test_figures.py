"""Figures of the pages of measurements: what is drawn where it should be, said in words too, and inert whatever the words are."""

from __future__ import annotations

import pytest

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate
from attribution.measured import figures
from attribution.measured.figures import Axis, Bin, Dot, HeatCell, Line, Point, draw
from attribution.render.palette import DARK, LIGHT, Tones, contrast, levels
from samples import HOSTILE, Markup, is_inert

POINTS = [Point(1.0, Estimate(0.9, 0.88, 0.92)), Point(0.2, Estimate(0.99, 0.98, 1.0)), Point(0.6, Estimate(0.95, 0.93, 0.97))]


@pytest.mark.parametrize(
    ("axis", "dots", "name", "style"),
    [
        (Axis(0.0, 0.5, mark=0.25), [Dot(Estimate(0.1, 0.05, 0.2))], "tt-dot", ["left:20.00%"]),
        (Axis(0.0, 0.5, mark=0.25), [Dot(Estimate(0.1, 0.05, 0.2))], "tt-whisker", ["left:10.00%;width:30.00%"]),
        (Axis(0.0, 0.5, mark=0.25, second=0.1), [], "tt-chance", ["left:50.00%"]),
        (Axis(0.0, 0.5, mark=0.25, second=0.1), [], "tt-second-mark", ["left:20.00%"]),
        (Axis(0.0, 0.1), [Dot(Estimate(0.5, -1.0, 3.0))], "tt-dot", ["left:100.00%"]),
        (Axis(0.0, 0.1), [Dot(Estimate(0.5, -1.0, 3.0))], "tt-whisker", ["left:0.00%;width:100.00%"]),
        (Axis(), [Dot(Estimate(0.5))], "tt-whisker", []),
        (Axis(), [Dot(Estimate(0.5))], "tt-chance", []),
    ],
)
def test_dots_whiskers_and_marks_stand_where_they_belong(axis: Axis, dots: list[Dot], name: str, style: list[str]) -> None:
    page = Markup(draw.plot(axis, dots))
    assert [attributes["style"] for attributes in page.of_class(name)] == style
    assert page.of("span")[0]["aria-hidden"] == "true"


def test_axes_hold_every_whisker() -> None:
    assert figures.axis_over([Estimate(0.01, 0.0, 0.04), Estimate(0.02)]).high == 0.05
    assert figures.axis_over([Estimate(0.3, 0.2, 0.9)]).high == 1.0
    assert figures.axis_over([Estimate(0.1)], 0.25).high == 0.4
    axis, flat = figures.axis_around([Estimate(0.86, 0.83, 0.89)], 0.0), figures.axis_around([Estimate(0.9)])
    assert (axis.low, axis.high) == (0.0, 0.9)
    assert flat.low < flat.high


def test_a_heat_map_is_a_table_that_can_be_heard() -> None:
    rows = [("Group", []), ("row", [HeatCell(0.5, "tip"), HeatCell(1.0, "full", True), HeatCell(None)])]
    page = Markup(figures.heat("corner", ["a", "b", "c.d_e"], rows, 0.5, ("0.5", "1"), "left out of it", "left out"))
    assert page.problem == ""
    assert [head["scope"] for head in page.of("th")] == ["col"] * 4 + ["colgroup", "row"]
    assert [cell["class"] for cell in page.of("td")] == ["tt-level-0", "tt-level-10 tt-outlined", "tt-none"]
    assert "1 (left out)" in page.words
    assert len(page.of("wbr")) == 2
    box = page.of_class("tt-scroll")[0]
    assert (box["role"], box["tabindex"], box["aria-label"]) == ("region", "0", "corner")


@pytest.mark.parametrize("tones", [LIGHT, DARK], ids=["light", "dark"])
def test_ink_can_be_read_on_every_level_and_neighbouring_levels_differ(tones: Tones) -> None:
    steps = levels(tones, figures.HEAT_LEVELS + 1)
    assert steps[0] == tones.surface
    assert len(set(steps)) == figures.HEAT_LEVELS + 1
    assert all(contrast(tones.ink, step) >= 4.5 for step in steps)


def test_plots_have_their_diagonal_dots_by_area_band_and_mark() -> None:
    bins = [Bin(100, 0.5, Estimate(0.5, 0.4, 0.6)), Bin(400, 1.0, Estimate(1.0, 0.98, 1.0))]
    page = Markup(figures.reliability("After", bins, "said in words"))
    assert (page.of("svg")[0]["role"], page.of("svg")[0]["aria-label"]) == ("img", "said in words")
    (diagonal,) = page.of_class("tt-ideal")
    small, large = page.of("circle")
    assert float(large["r"]) == 2 * float(small["r"])
    assert (large["cx"], large["cy"]) == (diagonal["x2"], diagonal["y2"])
    curve = Markup(figures.coverage_curve(POINTS, Point(0.8, Estimate(0.93, 0.91, 0.95)), "93 % at 80 %", "label"))
    points = [tuple(map(float, point.split(","))) for point in curve.of_class("tt-stroke")[0]["points"].split()]
    assert points == sorted(points)
    assert points[0][1] < points[-1][1], "fewer answers are more often right, and up is small in SVG"
    assert len(curve.of_class("tt-band")[0]["points"].split()) == 6
    assert "93 % at 80 %" in curve.words
    bare = Markup(figures.coverage_curve([Point(1.0, Estimate(1.0)), Point(1.0, Estimate(1.0))], None, "", ""))
    assert page.problem == curve.problem == bare.problem == ""
    assert "nan" not in str(bare.tags)


def test_hostile_words_stay_words() -> None:
    table = MeasuredTable(HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE)
    chooser = figures.Chooser("what", HOSTILE, [(0, HOSTILE), (1, HOSTILE)], 0)
    for markup in (
        figures.exact(table),
        draw.chart((HOSTILE, ""), [Line(HOSTILE, (draw.words(HOSTILE, HOSTILE), draw.counted(HOSTILE, HOSTILE)))], ()),
        figures.heat(HOSTILE, [HOSTILE], [(HOSTILE, [HeatCell(0.5, HOSTILE, True)]), (HOSTILE, [])], 0, (HOSTILE, HOSTILE), HOSTILE),
        figures.key(("tt-dot", HOSTILE), ("tt-open", HOSTILE)),
        figures.Panels([chooser], [(figures.Panels([chooser]).of(0), HOSTILE)]).part("part"),
        figures.reliability(HOSTILE, [], HOSTILE),
        figures.coverage_curve(POINTS, POINTS[0], HOSTILE, HOSTILE),
        figures.curves(HOSTILE, [HOSTILE], [(HOSTILE, [Estimate(0.5)])], HOSTILE, HOSTILE),
    ):
        assert is_inert(markup)
        assert Markup(markup).problem == ""
        assert HOSTILE in Markup(markup).words
