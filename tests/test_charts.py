"""What is drawn: a palette that everybody can read, pictures with heat and boxes, bars, the timeline, the map and the frame of plots."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attribution.detectors.tables import Estimate
from attribution.evidence import FAMILIES, STATES
from attribution.messages import reading_in
from attribution.render.charts import (
    Axis,
    Bar,
    Curve,
    Dots,
    Heat,
    axis_around,
    axis_over,
    curves,
    dots,
    heat,
    method_bars,
    reference_map,
    stacked,
    timeline,
)
from attribution.render.html import macros
from attribution.render.overlay import data_uri, fitted, heat_over, scaled
from attribution.render.palette import (
    AREA_GROUND,
    AREA_LINE,
    DARK,
    FAMILY_STYLES,
    LIGHT,
    STATE_ICONS,
    Tones,
    contrast,
    family_style,
    heat_colours,
    luminance,
)
from samples import DETECTOR, HOSTILE, LABELS, MANIPULATED, NONE_FOUND, Markup, P, clip, noise, picture, said

# Machado, Oliveira and Fernandes (2009), table 1, severity 1.0: linear RGB as people see it.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TEXT_PAIRS = [
    *[(ink, ground) for ink in ("ink", "muted", "accent") for ground in ("page", "surface", "sunken")],
    *[pair for state in STATES for pair in ((state, f"{state}_ground"), (state, "surface"), ("ink", f"{state}_ground"))],
    ("on_accent", "accent"),
]
MARK_PAIRS = [("edge", "surface"), ("edge", "page"), ("outline", "surface"), ("outline", "sunken"), ("accent", "sunken")]


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def test_contrast_is_that_of_wcag() -> None:
    for first, second, ratio in (("#000000", "#FFFFFF", 21.0), ("#777777", "#FFFFFF", 4.48), ("#123456", "#123456", 1.0)):
        assert contrast(first, second) == contrast(second, first) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("tones", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_and_marks_can_be_seen(tones: Tones) -> None:
    for pairs, least in ((TEXT_PAIRS, 4.5), (MARK_PAIRS, 3)):
        assert [pair for pair in pairs if contrast(*(getattr(tones, one) for one in pair)) < least] == []
    assert len({getattr(tones, state) for state in STATES}) == len(set(STATE_ICONS.values())) == len(STATES)


@pytest.mark.parametrize("vision", VISION)
def test_family_colours_differ_in_every_kind_of_vision(vision: str) -> None:
    seen = {family: lab(VISION[vision] @ linear(style.colour)) for family, style in FAMILY_STYLES.items()}
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)}
    assert min(distances.values()) >= 15, min(distances, key=distances.__getitem__)


def test_families_differ_in_shape_too_and_one_unheard_of_is_drawn_as_unknown() -> None:
    assert set(FAMILY_STYLES) == {*FAMILIES, "unknown"}
    for what in ("name", "colour", "symbol", "shape"):
        assert len({getattr(style, what) for style in FAMILY_STYLES.values()}) == len(FAMILY_STYLES)
    assert family_style(None) == family_style("telepathy") == FAMILY_STYLES["unknown"]
    assert said(macros("marks.html").family_mark("telepathy", 20)) == ""
    (mark,) = Markup(macros("marks.html").family_mark("gan", 20)).of("svg")
    assert (mark["aria-hidden"], mark["width"]) == ("true", "20")


def test_lines_of_marked_areas_stand_out_from_every_skin() -> None:
    greys = [f"#{level:02X}{level:02X}{level:02X}" for level in range(256)]
    skins = ["#2D1B12", "#5C3A21", "#8D5524", "#C68642", "#E0AC69", "#F1C27D", "#FFDBAC", "#FFE14D", "#0D141B"]
    assert min(max(contrast(AREA_LINE, ground), contrast(AREA_GROUND, ground)) for ground in greys + skins) >= 3
    assert contrast(AREA_LINE, AREA_GROUND) >= 4.5, "the number of an area is written with them"


def test_heat_grows_lighter_without_a_step_back_and_is_clipped() -> None:
    colours = heat_colours(np.linspace(0, 1, 101))
    lightness = [luminance("#{:02x}{:02x}{:02x}".format(*(round(float(v)) for v in colour))) for colour in colours]
    assert all(later >= earlier - 1e-3 for earlier, later in itertools.pairwise(lightness))
    assert lightness[-1] > lightness[0] + 0.5
    assert np.array_equal(heat_colours(np.array([[-1.0, 2.0]])), heat_colours(np.array([[0.0, 1.0]])))


def test_heat_lies_over_the_grey_face_where_it_is_hot_alone() -> None:
    crop = noise(16, 16)
    cold = heat_over(crop, np.zeros((16, 16)))
    assert np.ptp(cold, axis=2).max() == 0
    assert np.abs(cold[..., 0] - crop @ np.array([0.299, 0.587, 0.114])).max() <= 1
    heat = np.zeros((20, 20), dtype=np.float32)
    heat[5:10, 5:10] = 1
    coloured = np.ptp(heat_over(np.full((20, 20, 3), 128, dtype=np.uint8), heat).astype(int), axis=2) > 10
    assert coloured[5:10, 5:10].all()
    assert coloured.sum() == 25
    stretched = heat_over(noise(40, 40), np.full((5, 5), 7.0, dtype=np.float64))
    assert (stretched.shape, stretched.dtype) == ((40, 40, 3), np.uint8)


@pytest.mark.parametrize(("height", "width", "expected"), [(100, 50, (40, 20)), (10, 40, (10, 40)), (3, 900, (1, 40))])
def test_fitted_only_makes_smaller_and_scaled_makes_larger_too(height: int, width: int, expected: tuple[int, int]) -> None:
    assert fitted(noise(height, width), 40).shape[:2] == expected
    assert max(scaled(noise(height, width), 64).shape) == 64


def test_a_picture_as_uri_carries_no_metadata() -> None:
    small, large = noise(9, 7), scaled(noise(8, 8), 64)
    png, jpeg = (Image.open(io.BytesIO(base64.b64decode(one.split(",", 1)[1]))) for one in (data_uri(small, None), data_uri(large, 92)))
    assert np.array_equal(np.asarray(png), small)
    assert np.abs(np.asarray(jpeg).astype(int) - large).mean() < 4
    assert (png.format, jpeg.format) == ("PNG", "JPEG")
    assert not png.info
    assert not jpeg.getexif()


def test_bars_are_as_wide_as_they_are_probable_and_likelier_families_come_first() -> None:
    bars = method_bars(P, DETECTOR)
    words = said(bars)
    assert words.index("Face swap90 %") < words.index("No manipulation5 %") < words.index("StyleGAN23 %") < words.index("FLUX.12 %")
    assert all(name in words for name in DETECTOR.display_names)
    widths = [attributes["style"].split(";")[0] for attributes in Markup(bars).of("i")]
    assert widths == ["width:80.0%", "width:10.0%", "width:5.0%", "width:3.0%", "width:2.0%"]
    assert "Unknown method60 %" in said(method_bars({"real": 0.4, "unknown": 0.6}, DETECTOR))
    certain = said(method_bars({"real": 1.0, "flux1": 0.0}, DETECTOR))
    assert all(part in certain for part in ("> 99 %", "< 1 %"))


def test_a_timeline_has_a_curve_for_each_track_and_a_band_where_it_is_worst() -> None:
    drawn = timeline(clip().tracks, 8.0, 0.8)
    assert said(drawn) == ""
    page = Markup(drawn)
    assert [curve["data-track"] for curve in page.of_class("tt-curve")] == ["0", "1"]
    (band,) = page.of_class("tt-worst")
    assert (float(band["x"]), float(band["width"])) == (375.0, 250.0)
    first = [tuple(map(float, point.split(","))) for point in page.of("polyline")[0]["points"].split()]
    assert first[0] == (0.0, 95.0)
    assert max(x for x, _ in first) <= 1000
    assert {y for _, y in first} == {5.0, 95.0}
    assert page.of_class("tt-threshold")[0]["y1"] == "20.0"
    quiet = [track for track in clip().tracks if track.verdict != MANIPULATED]
    assert not Markup(timeline(quiet, 8.0)).of_class("tt-worst")
    for no_length in (clip(), picture(NONE_FOUND)):
        assert said(timeline(no_length.tracks, 0.0)) == ""


def small_map(points: int = 40, examined: tuple[tuple[int, float, float], ...] = ((1, 0.5, 0.5),), chosen: int = 1) -> Any:
    places = np.random.default_rng(0).normal(size=(points, 2)).astype(np.float32)
    methods = [LABELS[i % len(LABELS)] for i in range(points)]
    return reference_map(places, methods, [f"source_{i % 3}" for i in range(points)], DETECTOR, examined, chosen)


def test_the_map_shows_every_reference_by_family_colour_and_shape_and_fetches_nothing() -> None:
    figure = small_map()
    families = [trace for trace in figure.data if trace.meta != "examined"]
    assert sum(len(trace.x) for trace in families) == 40
    assert {trace.marker.symbol for trace in families} == {FAMILY_STYLES[f].symbol for f in ("real", "face_swap", "gan", "diffusion")}
    assert all("source_" in hover for trace in families for hover in trace.text)
    assert "http" not in figure.to_json().replace("https://plotly", "")
    with reading_in("de"):
        assert {"Gesichtstausch", "Gesicht 1"} <= {trace.name for trace in small_map().data}
    hostile: Any = reference_map(np.zeros((1, 2)), ["real"], [HOSTILE], DETECTOR, [], 1)
    assert "<script" not in hostile.to_json()
    assert "<img" not in hostile.to_json()


def test_the_map_makes_room_for_every_face_and_draws_the_chosen_one_last_and_largest() -> None:
    faces = [
        trace for trace in small_map(examined=((1, 0.0, 0.0), (2, 1.0, 1.0), (3, 2.0, 2.0)), chosen=2).data if trace.meta == "examined"
    ]
    assert faces[-1].name == "Face 2"
    assert faces[-1].marker.size > max(trace.marker.size for trace in faces[:-1])
    far = small_map(examined=((1, 500.0, -500.0),))
    assert far.layout.xaxis.range[1] > 500
    assert far.layout.yaxis.range[0] < -500
    assert len(small_map(points=1, examined=()).data) == 1
    empty: Any = reference_map(np.empty((0, 2), dtype=np.float32), [], [], DETECTOR, [(1, 0.0, 0.0)], 1)
    assert [trace.meta for trace in empty.data] == ["examined"]
    with pytest.raises(ValueError, match="2 points, 1 methods"):
        reference_map(np.zeros((2, 2)), ["real"], ["a", "b"], DETECTOR, [], 1)


def figure_of(markup: Any) -> Any:
    """What plotly is given."""
    assert Markup(markup).problem == ""
    (place,) = Markup(markup).of_class("tt-drawn")
    return json.loads(place["data-plot"])


def test_axes_hold_every_whisker() -> None:
    assert axis_over([Estimate(0.01, 0.0, 0.04), Estimate(0.02)]).high == 0.05
    assert axis_over([Estimate(0.3, 0.2, 0.9)]).high == 1.0
    assert axis_over([Estimate(0.1)], 0.25).high == 0.4
    axis, flat = axis_around([Estimate(0.86, 0.83, 0.89)], 0.0), axis_around([Estimate(0.9)])
    assert (axis.low, axis.high) == (0.0, 0.9)
    assert flat.low < flat.high
    assert axis_around([Estimate(0.86, 0.83, 0.89)], 0.0).drawn()["tickvals"] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert len(axis_around([Estimate(1e9)]).drawn()["tickvals"]) <= 6, "however far it reaches"


def test_stacked_bars_and_dots_stand_in_their_rows() -> None:
    bars = [Bar("Group"), Bar("a", (0.5, 0.2, 0.3), "told of a")]
    drawn = figure_of(stacked(bars, (("found", "yes"), ("cleared", "no"), ("open", "open")), "said"))
    assert (drawn["rows"], drawn["groups"], drawn["told"]) == (["Group", "a"], [0], ["", "told of a"])
    assert [(trace["name"], trace["x"]) for trace in drawn["data"]] == [("yes", [None, 0.5]), ("no", [None, 0.2]), ("open", [None, 0.3])]
    series = [Dots("one", "accent", [None, Estimate(0.4, 0.3, 0.6), Estimate(0.2)], ["", "told", "more"])]
    (trace,) = figure_of(dots(["Group", "a", "b"], [0], series, Axis(mark=0.25), "said"))["data"]
    assert (trace["x"], trace["y"], trace["hovertext"]) == ([0.4, 0.2], [1, 2], ["told", "more"])
    assert (trace["error_x"]["arrayminus"], trace["error_x"]["array"]) == ([0.1, 0], [0.2, 0])


def test_heat_maps_outline_and_curves_have_bands_whiskers_and_the_diagonal() -> None:
    drawn = figure_of(heat(["x", "y"], [("Group", []), ("a", [Heat(0.61, "told"), Heat(None)])], 0.5, "said"))
    assert (drawn["data"][0]["z"], drawn["data"][0]["text"]) == ([[None, None], [0.61, None]], [["", ""], ["0.61", ""]])
    assert figure_of(heat(["x"], [("a", [Heat(1.0, "told", True)])], 0.5, "said"))["outlined"] == [[0, 0]]
    values = [Estimate(0.5, 0.4, 0.6), Estimate(0.9, 0.85, 0.95)]
    low, high, line = figure_of(curves([Curve("", "accent", [0.2, 1.0], values, ["a", "b"], band=True)], Axis(), Axis(), "said"))["data"]
    assert (low["y"], high["y"], line["y"]) == ([0.4, 0.85], [0.6, 0.95], [0.5, 0.9])
    bins = figure_of(curves([Curve("", "accent", [0, 1], values, ["a", "b"], False)], ["one", "two"], Axis(), "said", diagonal=True))
    assert bins["layout"]["xaxis"]["ticktext"] == ["one", "two"]
    assert bins["data"][0]["mode"] == "markers"
    assert len(bins["layout"]["shapes"]) == 1


def test_charts_speak_the_language_of_the_reader_and_colours_are_named_and_hostile_words_stay_words() -> None:
    with reading_in("de"):
        drawn = figure_of(dots(["a"], [], [Dots("one", "accent", [Estimate(0.4)], [""])], Axis(shares=False), "said"))
    assert drawn["layout"]["xaxis"]["ticktext"][1] == "0,20"
    for markup in (
        stacked([Bar(HOSTILE, (1.0,), HOSTILE)], (("found", HOSTILE),), HOSTILE, HOSTILE),
        dots([HOSTILE], [], [Dots(HOSTILE, "accent", [Estimate(0.4)], [HOSTILE])], Axis(), HOSTILE, HOSTILE, HOSTILE),
        heat([HOSTILE], [(HOSTILE, [Heat(0.4, HOSTILE)])], 0.0, HOSTILE),
        curves([Curve(HOSTILE, "second", [0], [Estimate(0.4)], [HOSTILE])], [HOSTILE], Axis(), HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    ):
        assert not re.search("#[0-9A-F]{6}", json.dumps(figure_of(markup)))
        assert "<" not in json.dumps(figure_of(markup))
        assert Markup(markup).of_class("tt-drawn")[0]["aria-label"] == HOSTILE
