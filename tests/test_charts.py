"""Charts: method bars, the timeline of a clip, and the reference map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attribution.evidence import DetectorInfo
from attribution.render.charts import family_mark, method_bars, reference_map, timeline
from attribution.render.palette import FAMILY_STYLES
from samples import DETECTOR, HOSTILE, LABELS, MANIPULATED, NONE_FOUND, Markup, P, clip, is_inert, picture


def small_map(points: int = 40, examined: tuple[tuple[int, float, float], ...] = ((1, 0.5, 0.5),), chosen: int = 1) -> Any:
    places = np.random.default_rng(0).normal(size=(points, 2)).astype(np.float32)
    methods = [LABELS[i % len(LABELS)] for i in range(points)]
    return reference_map(places, methods, [f"source_{i % 3}" for i in range(points)], DETECTOR, examined, chosen)


def test_bars_show_every_method_and_every_family() -> None:
    page = Markup(method_bars(P, DETECTOR))
    assert page.problem == ""
    assert all(name in page.words for name in DETECTOR.display_names)
    assert len(page.of_class("tt-bar")) == len(P)
    assert len(page.of_class("tt-family")) == 4


def test_bars_are_as_wide_as_they_are_probable() -> None:
    widths = [attributes["style"].split(";")[0] for attributes in Markup(method_bars(P, DETECTOR)).of("i")]
    assert widths == ["width:80.0%", "width:10.0%", "width:5.0%", "width:3.0%", "width:2.0%"]


def test_likelier_families_come_first_and_are_summed() -> None:
    words = Markup(method_bars(P, DETECTOR)).words
    assert words.index("Face swap90 %") < words.index("No manipulation5 %") < words.index("StyleGAN23 %") < words.index("FLUX.12 %")


def test_a_method_that_the_detector_does_not_know_is_unknown() -> None:
    page = Markup(method_bars({"real": 0.4, "unknown": 0.6}, DETECTOR))
    assert "Unknown method60 %" in page.words


def test_no_bar_says_certain_or_impossible() -> None:
    words = Markup(method_bars({"real": 1.0, "flux1": 0.0}, DETECTOR)).words
    assert "> 99 %" in words
    assert "< 1 %" in words


def test_names_from_a_card_are_escaped() -> None:
    hostile = DetectorInfo("x", "ab" * 32, ("real", "flux1"), ("real", "diffusion"), (HOSTILE, HOSTILE))
    markup = method_bars({"real": 0.4, "flux1": 0.6}, hostile)
    assert is_inert(markup)
    assert HOSTILE in Markup(markup).words


@pytest.mark.parametrize("family", [*FAMILY_STYLES, None, "telepathy"])
def test_a_mark_is_a_shape_that_screen_readers_skip(family: str | None) -> None:
    mark = Markup(family_mark(family, 20))
    assert mark.problem == ""
    assert mark.of("svg")[0]["aria-hidden"] == "true"
    assert mark.of("svg")[0]["width"] == "20"


def test_a_timeline_has_a_curve_for_each_track_and_a_band_where_it_is_worst() -> None:
    evidence = clip()
    page = Markup(timeline(evidence.tracks, 8.0, 0.8))
    assert page.problem == ""
    assert [curve["data-track"] for curve in page.of_class("tt-curve")] == ["0", "1"]
    (band,) = page.of_class("tt-worst")
    assert (float(band["x"]), float(band["width"])) == (375.0, 250.0)
    first = [tuple(map(float, point.split(","))) for point in page.of("polyline")[0]["points"].split()]
    assert first[0] == (0.0, 95.0)
    assert max(x for x, _ in first) <= 1000
    assert {y for _, y in first} == {5.0, 95.0}
    assert page.of_class("tt-threshold")[0]["y1"] == "20.0"


def test_a_timeline_of_no_length_is_still_a_picture() -> None:
    assert Markup(timeline(clip().tracks, 0.0)).problem == ""
    assert Markup(timeline(picture(NONE_FOUND).tracks, 0.0)).problem == ""


def test_the_map_shows_every_reference_by_family_colour_and_shape() -> None:
    figure = small_map()
    families = [trace for trace in figure.data if trace.meta != "examined"]
    assert sum(len(trace.x) for trace in families) == 40
    assert {trace.marker.symbol for trace in families} == {FAMILY_STYLES[f].symbol for f in ("real", "face_swap", "gan", "diffusion")}
    assert all("source_" in hover for trace in families for hover in trace.text)


def test_the_chosen_face_is_drawn_last_and_largest() -> None:
    figure = small_map(examined=((1, 0.0, 0.0), (2, 1.0, 1.0), (3, 2.0, 2.0)), chosen=2)
    faces = [trace for trace in figure.data if trace.meta == "examined"]
    assert [trace.name for trace in faces][-1] == "Face 2"
    assert faces[-1].marker.size > max(trace.marker.size for trace in faces[:-1])


def test_the_map_makes_room_for_a_face_far_outside() -> None:
    figure = small_map(examined=((1, 500.0, -500.0),))
    assert figure.layout.xaxis.range[1] > 500
    assert figure.layout.yaxis.range[0] < -500


def test_a_map_without_references_or_faces_is_empty_and_no_error() -> None:
    assert len(small_map(points=1, examined=()).data) == 1
    empty: Any = reference_map(np.empty((0, 2), dtype=np.float32), [], [], DETECTOR, [(1, 0.0, 0.0)], 1)
    assert [trace.meta for trace in empty.data] == ["examined"]


def test_points_methods_and_sources_must_match() -> None:
    with pytest.raises(ValueError, match="2 points, 1 methods"):
        reference_map(np.zeros((2, 2)), ["real"], ["a", "b"], DETECTOR, [], 1)


def test_sources_on_the_map_are_escaped() -> None:
    figure: Any = reference_map(np.zeros((1, 2)), ["real"], [HOSTILE], DETECTOR, [], 1)
    assert "<script" not in figure.to_json()
    assert "<img" not in figure.to_json()


def test_the_map_fetches_nothing() -> None:
    assert "http" not in small_map().to_json().replace("https://plotly", "")


def test_verdicts_of_a_manipulated_track_alone_draw_a_band() -> None:
    quiet = [track for track in clip().tracks if track.verdict != MANIPULATED]
    assert not Markup(timeline(quiet, 8.0)).of_class("tt-worst")
