"""How often heatmaps and boxes point at the right place: only what the card measured, in the words that were agreed on."""

from __future__ import annotations

from typing import Any

import pytest

from attribution.detectors.card import MeasuredTable
from attribution.render.areas import box_hits, heatmap_hits, heatmap_words
from attribution.text import areas as text
from attribution.text import page as page_text
from limits_samples import table
from samples import DETECTOR, HOSTILE, Markup, heatmap, is_inert

COLUMNS = ("cases", "by", "faces", "hits", "hits low", "hits high", "IoU", "IoU low", "IoU high")


def measured(**shares: Any) -> tuple[MeasuredTable, ...]:
    """The table of a card: for each way to point, its share of hits, or (hits, low)."""
    names = {"heatmap": "heatmap", "boxes": "boxes", "centre": "crop centre"}
    rows = []
    for name, share in shares.items():
        hits, low = share if isinstance(share, tuple) else (share, None)
        rows.append(("partial swaps", names[name], 400, hits, low, None, None, None, None))
    unseen = ("partial swaps, unseen blend", "heatmap", 400, 0.99, None, None, None, None, None)
    whole = ("whole swaps", "heatmap", 400, 0.98, None, None, None, None, None)
    return (table("Overall", ("AUC",), (0.9,)), table("Localisation", COLUMNS, unseen, whole, *rows))


def test_the_sentence_says_hits_and_what_guessing_hits() -> None:
    said = heatmap_hits(measured(heatmap=(0.614, 0.56), boxes=0.9, centre=0.38), DETECTOR, "landmark_swap")
    assert said == "Heatmaps of this kind hit the true area in 61 of 100 known cases; guessing the centre of the face hits 38."


def test_boxes_have_figures_of_their_own() -> None:
    said = box_hits(measured(heatmap=0.2, boxes=(0.74, 0.7), centre=0.38))
    assert said == "Boxes of this kind hit the true area in 74 of 100 known cases; guessing the centre of the face hits 38."


@pytest.mark.parametrize(
    ("own", "ends"), [(0.3, text.NO_BETTER), (0.38, text.NO_BETTER), ((0.42, 0.36), text.MAYBE_CHANCE), ((0.5, 0.45), "hits 38.")]
)
def test_no_better_than_guessing_is_said(own: Any, ends: str) -> None:
    assert heatmap_hits(measured(heatmap=own, centre=0.38), DETECTOR, "dfdc_swap").endswith(ends)


def test_a_heatmap_of_nothing_points_at_nothing() -> None:
    for tables in (None, (), measured(heatmap=0.6, centre=0.38)):
        assert heatmap_hits(tables, DETECTOR, "real") == text.NO_AREA


@pytest.mark.parametrize("label", ["stylegan2", "flux1"])
def test_known_cases_are_swaps_and_that_is_said_of_generated_faces(label: str) -> None:
    assert heatmap_hits(measured(heatmap=0.6, centre=0.38), DETECTOR, label).endswith(text.KNOWN_ARE_SWAPS)


@pytest.mark.parametrize(
    "tables",
    [
        (),
        (table("Overall", ("AUC",), (0.9,)),),
        (table("Localisation", ("cases", "by"), ("partial swaps", "heatmap")),),
        (MeasuredTable("Localisation", COLUMNS, ()),),
        measured(heatmap=0.6),
        measured(centre=0.38),
        measured(heatmap=None, centre=0.38),
        measured(heatmap=61, centre=38),
        measured(heatmap="most", centre=0.38),
        measured(heatmap=-0.1, centre=0.38),
    ],
)
def test_what_was_not_measured_is_not_claimed(tables: tuple[MeasuredTable, ...]) -> None:
    assert heatmap_hits(tables, DETECTOR, "landmark_swap") == text.HEATMAPS_NOT_MEASURED
    assert box_hits(tables) == text.BOXES_NOT_MEASURED


def test_a_card_that_is_not_at_hand_is_no_missing_measurement() -> None:
    assert heatmap_hits(None, DETECTOR, "landmark_swap") == box_hits(None) == text.HITS_IN_CARD


@pytest.mark.parametrize(
    ("hot", "random", "answer", "says"),
    [
        (0.41, 0.06, "yes", "falls by 41 points; when random areas of that size are, it falls by 6 points"),
        (0.05, 0.02, "weakly", "falls by 5 points"),
        (0.2, 0.2, "no", "do not rely on this heatmap"),
        (0.02, 0.3, "no", "falls by 30 points"),
        (-0.1, -0.2, "no", "rises by 10 points"),
        (0.0, 0.0, "no", "does not move"),
        (0.3, 0.01, "yes", "falls by 1 point."),
    ],
)
def test_a_heatmap_never_stands_without_its_faithfulness(hot: float, random: float, answer: str, says: str) -> None:
    page = Markup(heatmap_words(heatmap(drop_hot=hot, drop_random=random), DETECTOR, ()))
    assert page.problem == ""
    assert page.of_class(f"tt-faithful-{answer}")
    assert says in page.words
    assert "not proof" in page.words
    assert all(float(bar["style"][6:-1]) >= 0 for bar in page.of("i") if "style" in bar)


def test_a_heatmap_never_stands_without_its_hits() -> None:
    words = Markup(heatmap_words(heatmap(), DETECTOR, measured(heatmap=0.6, centre=0.38))).words
    assert "hit the true area in 60 of 100 known cases" in words
    assert text.HITS_TITLE in words
    assert page_text.HEATMAP_WARNING in words
    assert text.HEATMAPS_NOT_MEASURED in Markup(heatmap_words(heatmap(), DETECTOR, ())).words


def test_hostile_cells_stay_in_their_table() -> None:
    row = (HOSTILE, HOSTILE, 1, 0.5)
    assert is_inert(heatmap_words(heatmap(), DETECTOR, (table("Localisation", COLUMNS[:4], row),)))
