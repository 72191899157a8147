"""The chapter of measured limits on a detector of face swaps: the claim is decided by the intervals alone, pointing is held against
guessing, and what was not measured is said not to be."""

from __future__ import annotations

import re

import pytest

from attribution.detectors.card import Card, Cell, MeasuredTable
from attribution.measured import swaps
from attribution.measured.limits import limits_page
from attribution.measured.section import Subject
from attribution.measured.study import Study
from attribution.measured.swaps import CONFIRMED, NOT_DECIDED, REFUTED
from attribution.measured.verdicts import Answer
from attribution.text import limits as limits_text
from attribution.text import swap_limits as text
from limits_samples import (
    LOCALISED,
    MEASURED,
    SECOND_COLUMNS,
    STUDY,
    SWAPS,
    auc_differences,
    card,
    generator_card,
    probe_differences,
    swap_card,
    swaps_with,
    table,
)
from samples import HOSTILE, Markup, is_inert, misfits, plain, section
from test_limits import NO_STUDY, says

ALONE = limits_page(swap_card(), NO_STUDY)
ALL = limits_page(card(), Study(STUDY), [generator_card(), swap_card()])
LESS, MORE, SAME = (("plain binary − telltale-caddm", *gap) for gap in ((0.13, 0.09, 0.17), (-0.1, -0.15, -0.05), (0.01, -0.02, 0.04)))
UP, DOWN, LEVEL = ((0.04, 0.02, 0.06), (-0.05, -0.08, -0.02), (0.01, -0.01, 0.03))


def held(pair: tuple[Cell, ...], *gaps: tuple[Cell, ...]) -> Card:
    """A card with one difference of the probe and one difference of the AUC for each set from elsewhere."""
    rows = [(f"set {number}", 100, *gap) for number, gap in enumerate(gaps, 1)]
    return swap_card(*swaps_with(probe_differences(pair), auc_differences(*rows)))


def claim(one: Card) -> Answer:
    return swaps.claim(Subject(one, NO_STUDY))


def swaps_without(*titles: str) -> Card:
    return swap_card(*[one for one in SWAPS if one.title not in titles])


def chapter(markup: str, number: int) -> str:
    """One detector's chapter of a page with several, its ids as on a page of its own."""
    prefix = "tt-m" if number == 1 else f"tt-m{number}"
    found = re.search(rf'<section class="tt-chapter" id="{prefix}-chapter">.*?(?=<section class="tt-chapter"|\Z)', markup, re.DOTALL)
    assert found
    return found.group().replace(f'id="{prefix}-', 'id="tt-m-')


@pytest.mark.parametrize(
    ("pair", "gaps", "state"),
    [
        (LESS, [UP], CONFIRMED),
        (LESS, [UP, LEVEL], CONFIRMED),
        (LESS, [UP, DOWN], NOT_DECIDED),
        (LESS, [LEVEL], NOT_DECIDED),
        (LESS, [DOWN, LEVEL], REFUTED),
        (SAME, [UP], NOT_DECIDED),
        (SAME, [LEVEL], NOT_DECIDED),
        (SAME, [DOWN], REFUTED),
        (MORE, [UP], REFUTED),
        (MORE, [LEVEL], REFUTED),
        (MORE, [DOWN], REFUTED),
    ],
)
def test_the_claim_is_decided_by_the_intervals(pair: tuple[Cell, ...], gaps: list[tuple[Cell, ...]], state: str) -> None:
    one = held(pair, *gaps)
    page = limits_page(one, NO_STUDY)
    assert claim(one).figure == state
    assert says("identity", page).startswith(f"“Less identity, better generalisation” is {state.lower()} on our data: ")
    assert f"{text.CLAIM_QUESTION}{state}" in plain(section(page, "answers")), "in large, too"


def test_the_claim_says_why() -> None:
    assert (
        claim(held(LESS, UP, LEVEL))
        .sentences[0]
        .endswith(
            "its features tell less of who somebody is than those of the plain detector (the probe’s accuracy differs by −13 %, −17 to −9 %); "
            "elsewhere its AUC is higher on 1 of 2 sets of faces: “set 1” (by 0.040, 0.020–0.060); no difference of the AUC was shown on the "
            "other 1."
        )
    )
    assert "tell more of who somebody is" in claim(held(MORE, UP)).sentences[0]
    undecided = claim(held(SAME, LEVEL, LEVEL)).sentences[0]
    assert "was not shown (the probe’s accuracy differs by −1 %, −4 to 2 %, which includes zero)" in undecided
    assert undecided.endswith("no difference of the AUC was shown on any of 2 sets of faces from elsewhere.")
    assert "lower on 1 of 1 set of faces: “set 1” (by −0.050, −0.080 to −0.020)." in claim(held(LESS, DOWN)).sentences[0]


def test_the_order_of_a_pair_does_not_matter_and_reduced_features_do_not_count() -> None:
    turned = probe_differences(("telltale-caddm − plain binary", -0.13, -0.17, -0.09))
    assert claim(swap_card(*swaps_with(turned))).sentences[0] == claim(swap_card()).sentences[0]
    reduced = probe_differences(("plain binary, 32 components − telltale-caddm, 32 components", 0.13, 0.09, 0.17))
    assert claim(swap_card(*swaps_with(reduced))).figure == limits_text.NOT_MEASURED


def test_faces_of_a_collection_that_training_used_do_not_count() -> None:
    in_source = auc_differences(("DFDC test, faces", 742, 0.05, 0.03, 0.07), ("DFDC test, clips", 110, 0.05, 0.03, 0.07))
    assert claim(swap_card(*swaps_with(in_source))).figure == limits_text.NOT_MEASURED
    assert claim(swap_card()).figure == CONFIRMED, "though on DFDC itself it is worse"
    assert "this one is worse (paired difference −0.030, −0.050 to −0.010)." in says("told-apart", ALONE)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("Identity probe, differences",), "there is no figure on less identity than in the plain detector."),
        (("AUC differences",), "there is no figure on better generalisation than that of the plain detector."),
        (
            ("Identity probe, differences", "AUC differences"),
            "no figure on less identity than in the plain detector and better generalisation than that of the plain detector.",
        ),
    ],
)
def test_without_a_difference_nothing_is_claimed(missing: tuple[str, ...], words: str) -> None:
    one = swaps_without(*missing)
    assert claim(one).figure == limits_text.NOT_MEASURED
    said = says("identity", limits_page(one, NO_STUDY))
    assert words in said
    assert "the probe names the right one" in said, "what was measured is there all the same"


def test_an_interval_that_is_missing_decides_nothing() -> None:
    bare = probe_differences(("plain binary − telltale-caddm", 0.13, None, None))
    assert claim(swap_card(*swaps_with(bare))).figure == limits_text.NOT_MEASURED
    gaps = auc_differences(("set 1", 100, 0.5, None, None))
    assert claim(swap_card(*swaps_with(gaps))).figure == limits_text.NOT_MEASURED


def test_the_probe_marks_chance_and_the_commonest_person() -> None:
    part = Markup(section(ALONE, "identity"))
    assert "names the right one least often from the pooled features of CADDM, 21 % (18–24 %), and most often" in says("identity", ALONE)
    assert "by chance 1.7 %, always naming the commonest person 3 %" in says("identity", ALONE)
    assert len(part.of_class("tt-second-mark")) == 6 + 1, "on every line and in the key"
    words = plain(section(ALONE, "identity"))
    assert "telltale-mobilenetv2 (128 embedding)named: 16 % (14–18 %)" in words
    assert words.index(text.REDUCED) < words.index("CADDM (32 components of 160 pooled)named: 18 % (15–21 %)")
    assert "The plain detectordifference: −13 % (−17 to −9 %)" in words
    assert "Unseen swaps, senate (300)AUC: 0.72 / 0.70 / 0.76" in words
    assert (
        "Of 3 sets of faces from elsewhere, the highest AUC has CADDM on 2, telltale-mobilenetv2 on 1 and the plain detector on 0." in words
    )


def test_methods_of_other_detectors_have_their_names() -> None:
    third = chapter(ALL, 3)
    assert "Landmark face swap, other collections (587)" in plain(section(third, "identity"))
    assert "Landmark face swap on senate" in plain(section(third, "second-test"))


def test_pointing_is_held_against_guessing() -> None:
    said = says("localisation", ALONE)
    assert "On partial swaps its boxes hit the true area in 73 of 100 (68–77 %, 400 faces); guessing the centre of the face" in said
    assert "hits 38 of 100, less often." in said
    assert "On partial swaps, unseen blend its boxes hit the true area in 40 of 100 (35–45 %, 380 faces)" in said
    assert "hits 37 of 100 (the intervals overlap)." in said
    assert "On whole swaps" in said
    assert "hits 87 of 100, more often." in said
    words = plain(section(ALONE, "localisation"))
    assert words.index("Boxes, CADDM") < words.index("Heatmap, CADDM") < words.index("The centre of the face")
    assert "The best box that never moveshit: 39 % (34–44 %)overlap: 0.20 (0.18–0.22)" in words
    assert "The centre of the facehit: 38 % (33–43 %)overlap: no box" in words


def test_every_detector_points_in_the_chapter_on_face_swaps_and_alone_in_its_own() -> None:
    third = plain(section(chapter(ALL, 3), "localisation"))
    for name in ("Boxes, CADDM", "Heatmap, CADDM", "Heatmap, test-net", "Heatmap, DNA-Det"):
        assert name in third
    first = plain(section(chapter(ALL, 1), "localisation"))
    assert "Heatmap, test-net" in first
    assert "CADDM" not in first
    assert "On partial swaps its heatmap hits the true area in 36 of 100" in first
    without = card(*[one for one in MEASURED if one.title != "Localisation"])
    page = limits_page(swap_card(), NO_STUDY, [without])
    assert "Where test-net points was not measured." in plain(section(chapter(page, 1), "localisation"))


def test_a_way_to_point_that_nobody_knows_is_shown_all_the_same() -> None:
    strange = table("Localisation", LOCALISED, ("odd cases", "a hunch", 10, 0.5, 0.2, 0.8, None, None, None))
    words = plain(section(limits_page(swap_card(strange), NO_STUDY), "localisation"))
    assert "Odd cases" in words
    assert "a hunchhit: 50 % (20–80 %)" in words


def test_boxes_are_said_at_the_confidence_that_ships() -> None:
    said = says("boxes", ALONE)
    assert said.startswith("Boxes are shown from a confidence of 0.35 on. From 0.30 on 6 % (4.5–8 %) of untouched faces get one, and 70 %")
    assert "of which it hits the true area in 78 % (73–83 %)." in said
    assert says("boxes", limits_page(swap_card(artifacts=None), NO_STUDY)).startswith("From 0.10 on 50 %")


@pytest.mark.parametrize(
    ("prevented", "lost", "words"),
    [
        (40, 12, "prevented 40 wrong answers and lost 12 right answers: it withholds more wrong answers than right ones (77 %, 64–86 %"),
        (1, 30, "prevented 1 wrong answer and lost 30 right answers: it withholds more right answers than wrong ones"),
        (5, 4, "whether it withholds more wrong answers than right ones is not shown (56 %, 27–81 % were wrong)."),
        (0, 0, "No answer was prevented or lost by that."),
    ],
)
def test_the_second_opinion_says_what_it_prevents_and_costs(prevented: int, lost: int, words: str) -> None:
    row = ("senate", 100, 100 - prevented - lost, 0, prevented + lost, prevented, lost)
    page = limits_page(swap_card(table("Second opinion, cross", SECOND_COLUMNS, row, ("all", *row[1:]))), NO_STUDY)
    assert words in says("second-cross", page)
    assert says("second-cross", page).startswith("Asked about 100 faces, it agreed on"), "the row of all is not counted again"


def test_counts_that_do_not_fit_their_faces_are_not_drawn() -> None:
    for row in (("senate", 10, 9, 5, 0, 0, 0), ("senate", 10, 5, 0, 5, 5, 5), ("senate", 10, 0.9, 0, 0.1, 0.1, 0)):
        page = limits_page(swap_card(table("Second opinion, test", SECOND_COLUMNS, row)), NO_STUDY)
        assert 'id="tt-m-second-test"' not in page
        assert "A table of second opinions holds counts that do not fit its faces." in plain(page[page.index('id="tt-m-missing"') :])


def test_the_headline_is_held_against_the_plain_detector() -> None:
    said = says("told-apart", ALONE)
    assert said.startswith("On 742 faces of DFDC (new faces, known collections) the AUC is 0.94 (0.93–0.95) per face and 0.97 (0.95–0.98)")
    assert "The plain detector, trained on the same faces for as many steps, reaches 0.93 (0.92–0.94)" in said
    better = swap_card(*swaps_with(auc_differences(("DFDC test, faces", 742, 0.02, 0.01, 0.03))))
    assert "this one is better (paired difference 0.020, 0.010–0.030)." in says("told-apart", limits_page(better, NO_STUDY))
    level = swap_card(*swaps_with(auc_differences(("DFDC test, faces", 742, 0.01, -0.01, 0.03))))
    assert "no difference is shown (paired difference 0.010, −0.010 to 0.030)." in says("told-apart", limits_page(level, NO_STUDY))
    unpaired = swaps_without("AUC differences")
    assert says("told-apart", limits_page(unpaired, NO_STUDY)).endswith("the two intervals overlap.")
    bare = table("Overall", ("split", "faces", "AUC", "low", "high"), ("test", 742, 0.94, 0.93, 0.95))
    assert says("told-apart", limits_page(swap_card(bare), NO_STUDY)).endswith("A plain detector was not measured.")


def test_every_part_of_the_chapter_has_words_a_figure_and_its_numbers() -> None:
    assert set(text.TITLES) == set(text.READING)
    for key in (*text.TITLES, "localisation", "sources-cross", "sources-test", "calibration", "coverage"):
        part = section(ALONE, key)
        assert len(says(key, ALONE)) > 40, key
        assert re.search('class="tt-(chart|heat|plot-of|table)', part), key
        assert "<details" in part
    assert "tt-m-missing" not in ALONE
    for one in SWAPS:
        assert f"All numbers: {one.title}" in plain(ALONE)
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(ALL), re.IGNORECASE)


def test_the_page_with_all_chapters_is_sound() -> None:
    page = Markup(ALL)
    assert page.problem == ""
    assert is_inert(ALL)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {attributes["href"].removeprefix("#") for attributes in page.of("a")} == set(identifiers)
    assert "CADDM: is a part swapped, and where" in ALL


def test_without_tables_everything_is_said_not_to_be_measured() -> None:
    page = limits_page(swap_card(table("Odd", ("a",), ("b",))), NO_STUDY)
    assert Markup(page).problem == ""
    assert plain(section(page, "answers")).count(limits_text.NOT_MEASURED) >= 6
    missing = plain(page[page.index('id="tt-m-missing"') :])
    for title in (*text.TITLES.values(), limits_text.TITLES["localisation"]):
        assert f"“{title}”" in missing


@pytest.mark.parametrize("one", SWAPS, ids=lambda one: one.title)
def test_a_table_that_does_not_fit_never_breaks_the_page(one: MeasuredTable) -> None:
    for broken in misfits(one):
        page = limits_page(swap_card(broken, table("Other", ("a",), (1,))), NO_STUDY)
        assert Markup(page).problem == ""
        assert not re.search(r"\b(nan|inf)\b", plain(page))
        assert f"All numbers: {one.title}" in plain(page)


def test_hostile_words_stay_words() -> None:
    def spoilt(one: MeasuredTable) -> MeasuredTable:
        keep = {"real", "face_swap", "test", "after", "before", "boxes", "partial swaps", "plain binary − telltale-caddm", "plain binary"}
        rows = tuple(tuple(cell if not isinstance(cell, str) or cell in keep else HOSTILE for cell in row) for row in one.rows)
        return MeasuredTable(one.title, one.columns, rows, HOSTILE)

    page = limits_page(swap_card(*map(spoilt, SWAPS)), Study(reason=HOSTILE))
    assert is_inert(page)
    assert Markup(page).problem == ""
    assert HOSTILE in Markup(page).words
