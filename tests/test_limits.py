"""The page of measured limits: every table is drawn, said in plain words and shown in full; what is missing is said to be missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attribution.detectors.card import Label, MeasuredTable
from attribution.measured.limits import limits_page
from attribution.measured.study import Study, read_study
from attribution.text import limits as text
from limits_samples import GENERATORS, MEASURED, STUDY, card, generator_card, table, write_study
from samples import HOSTILE, Markup, is_inert, misfits, plain, section

NO_STUDY = Study(reason="The study is not here.")
WHOLE = limits_page(card(), Study(STUDY))
BOTH = limits_page(card(), Study(STUDY), [generator_card()])
GENERATORS_ALONE = limits_page(generator_card(), Study(STUDY))


def says(key: str, markup: str = WHOLE) -> str:
    found = re.search(r'<p class="tt-says">(.*?)</p>', section(markup, key))
    assert found
    return plain(found.group())


def test_the_page_is_sound_and_inert() -> None:
    page = Markup(WHOLE)
    assert page.problem == ""
    assert is_inert(WHOLE)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_every_section_has_words_how_to_read_it_a_figure_and_its_numbers() -> None:
    for key in text.TITLES:
        part = section(WHOLE, key)
        assert text.TITLES[key] in Markup(part).words
        assert len(says(key)) > 40
        assert text.HOW in part
        assert re.search('class="tt-(chart|heat|plot-of|table)', part)
        assert "<details" in part


def test_contents_lead_to_every_section_and_nowhere_else() -> None:
    page = Markup(WHOLE)
    links = {attributes["href"] for attributes in page.of("a")}
    there = {f"#{attributes['id']}" for attributes in page.of("section")}
    assert links == there


def test_every_table_of_card_and_study_is_there_in_full() -> None:
    shown = plain(WHOLE)
    for one in (*MEASURED, *STUDY.values()):
        assert f"All numbers: {one.title}" in shown
        assert one.note in shown


def test_nobody_is_called_real() -> None:
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(WHOLE), re.IGNORECASE)
    fixed = [*text.TITLES.values(), *text.READING.values(), *text.GROUPS.values(), text.INTRO, text.ACCUSED, text.CLEARED]
    assert not [one for one in fixed if re.search(r"\b(real|fake)\b", one, re.IGNORECASE)]


def test_every_section_has_its_fixed_words() -> None:
    assert set(text.TITLES) == set(text.READING)


def test_the_answers_come_first_with_their_intervals() -> None:
    first = plain(section(WHOLE, "answers"))
    assert WHOLE.index("tt-m-answers") < WHOLE.index("tt-m-sources-cross")
    assert f"{text.ACCUSED}1.3 %95 % interval 0.5–3.4 %, of 300 untouched faces from collections that it never saw." in first
    assert f"{text.CLEARED}5 %95 % interval 2.7–9 %, of 200 manipulated faces" in first
    assert f"{text.ABSTAINS}37 % / 35 %37 % (31–42 %) of untouched faces stay inconclusive." in first
    assert f"{text.UNSEEN}10 % passed95 % interval 5.5–17 %, of 100 faces made by methods left out of training" in first
    assert "It misses some." in first


def test_what_was_not_measured_is_said_not_to_be() -> None:
    first = plain(section(limits_page(card(table("Other", ("a",), (1,))), NO_STUDY), "answers"))
    assert first.count(text.NOT_MEASURED) == 4
    assert "The study is not here." in first
    assert "%" not in first.split(text.ACCUSED)[1].split(text.UNSEEN)[0]


def test_sources_name_the_worst_of_them() -> None:
    said = says("sources-cross")
    assert "Untouched faces were accused most often in press_sports: 2 % (0.8–5 %) of 200 faces." in said
    assert "Manipulated faces were passed most often in Landmark face swap on senate: 10 % (5.5–17 %) of 100 faces." in said
    part = Markup(section(WHOLE, "sources-cross"))
    assert len(part.of_class("tt-stack")) == 3 + 4, "a bar per family and a bar per source"
    assert any(bar["aria-label"] == "manipulated 30 %, none found 10 %, inconclusive 60 %" for bar in part.of_class("tt-stack"))


def test_methods_name_the_weakest_and_what_it_is_taken_for() -> None:
    assert "Weakest is Landmark face swap: 55 % (45–64 %) named rightly, 40 % taken for untouched." in says("methods")
    part = Markup(section(WHOLE, "methods"))
    assert len(part.of_class("tt-outlined")) == 3 + 1, "the diagonal and the key"


def test_what_training_never_saw_is_told_apart_by_untouched_and_manipulated() -> None:
    said = says("leave-out")
    assert "Of 200 faces that are manipulated, 42 % (36–49 %) got a definite answer" in said
    assert "18 % (11–27 %) of these answers were wrong; most often for StyleGAN2, 20 % (11–33 %)" in said
    assert "Of 100 faces that are untouched, 40 % (31–50 %) got a definite answer" in said
    assert "all left out" not in said


def test_the_matrix_outlines_what_was_left_out() -> None:
    said = says("matrix")
    assert "the mean AUC is 0.95 (0.93–0.97)" in said
    assert "The lowest left-out cell is tpdne_b (gan-generated), trained on fold 1: 0.61 (0.55–0.67)." in said
    part = section(WHOLE, "matrix")
    assert part.count('tt-outlined" title') == 1
    assert ".61 (left out)" in plain(part)


def test_an_interval_with_zero_is_no_difference() -> None:
    assert "1 of 2 paired comparisons: binary − attribution (3 seeds), AUC on collections it never saw, −0.030" in says("rq1")
    assert "the first is lower. In the other 1 the interval includes zero: no difference was shown." in says("rq1")
    assert says("rq3").startswith("No difference was shown: in all 1 paired comparisons the interval includes zero.")
    assert "efficientnet_lite0" in says("backbones")
    assert "binary" not in says("backbones")


def test_without_pairs_no_difference_is_claimed() -> None:
    page = limits_page(card(), Study({key: one for key, one in STUDY.items() if key != "differences"}))
    assert "The differences were not measured in pairs." in says("rq1", page)
    assert text.TITLES["backbones"] in plain(page[page.index("tt-m-missing") :])


def test_recall_says_whether_a_difference_was_shown() -> None:
    assert "Recall is 95 % (89–97.8 %) in sources that training saw and 70 % (63–76 %)" in says("rq2")
    assert "The difference is 25 % (16–32 %): the recall in seen sources is higher." in says("rq2")
    alike = table("RQ2", STUDY["rq2"].columns, ("stylegan2", "a", 1, 50, 0.9, 0.8, 0.95), ("stylegan2", "b", 0, 50, 0.88, 0.76, 0.94))
    assert "the interval includes zero, so no difference was shown." in says("rq2", limits_page(card(), Study({"rq2": alike})))


def test_the_open_set_names_the_best_score_and_the_hardest_method() -> None:
    assert "Over 2 held-out methods k-NN distance does best: a mean AUROC of 0.78" in says("open-set")
    assert "Hardest to notice is Landmark face swap: 0.66." in says("open-set")


def test_calibration_is_measured_from_the_bins() -> None:
    said = says("calibration")
    assert "confidence and share right lie 1.3 % apart on average (before calibration 8.7 %)" in said
    assert "said 55 %, right 50 % (40–60 %) of 100 faces, no more than chance would give." in said
    assert len(Markup(section(WHOLE, "calibration")).of("svg")) == 2


def test_abstention_is_marked_where_it_was_tuned() -> None:
    assert "it answers for 79 % and reaches 94 % (92–96 %)" in says("coverage")
    assert "chosen on validation faces" in says("coverage")
    assert "94 % at 79 % answered" in plain(section(WHOLE, "coverage"))
    without = limits_page(card(*[one for one in MEASURED if one.title != "Abstention"]), NO_STUDY)
    assert "A threshold chosen beforehand was not measured." in says("coverage", without)


def test_groups_of_faces_differ_only_where_the_interval_says_so() -> None:
    light = says("lightness")
    assert (
        "Untouched faces accused: no difference between the groups was shown on new faces, known collections (the largest is 2 %" in light
    )
    assert "Within one source darker and lighter faces differ in passed, new faces, known collections (3 %, 1–5 %)." in light
    assert "accused: on collections it never saw more often in the group “under 90 px” than in “over 300 px” (by 29 %" in says("size")
    assert "new faces, known collections more often in the group “90–150 px” than in “over 300 px” (by 19 %" in says("size"), (
        "three faces are too few to be compared"
    )
    assert "no faces" in plain(section(WHOLE, "size"))


def test_shortcuts_are_held_against_chance() -> None:
    assert "1 of 2 probes beat chance; the furthest is resolution, before augmentation: 60 % (55–65 %), chance 25 %." in says("shortcuts")
    assert "Not shown to beat chance: resolution, after augmentation." in says("shortcuts")
    none = table("Shortcuts", MEASURED[-1].columns, ("size", 400, 0.27, 0.22, 0.32, 0.25))
    assert "No probe was shown to beat chance" in says("shortcuts", limits_page(card(none), NO_STUDY))


def test_losers_are_listed() -> None:
    assert says("tried") == "4 ideas were tried; 2 were kept, 2 were not."
    assert "0.19not kept: <it> moves answers" in plain(section(WHOLE, "tried"))
    assert "0.96kept: in pictures" in plain(section(WHOLE, "tried"))
    assert "noise branchDFDC AUC, val0.950.94not kept" in plain(section(WHOLE, "tried"))


def test_without_a_study_the_page_says_so_once_and_shows_the_rest() -> None:
    page = limits_page(card(), NO_STUDY)
    assert Markup(page).problem == ""
    assert plain(page[page.index("tt-m-missing") :]).count("The study is not here.") == 1
    assert says("sources-cross", page)
    assert 'id="tt-m-matrix"' not in page


def test_a_card_without_tables_still_has_a_page() -> None:
    page = limits_page(card(table("Odd", ("a",), ("b",))), Study(STUDY))
    assert Markup(page).problem == ""
    assert plain(page).count("The detector’s card does not hold these measurements.") == 1
    assert "All numbers: Odd" in plain(page)


@pytest.mark.parametrize("one", [*MEASURED, *STUDY.values()], ids=lambda one: one.title)
def test_a_table_that_does_not_fit_never_breaks_the_page(one: MeasuredTable) -> None:
    """Every column in turn is missing, or holds nothing or the wrong kind or an impossible number; and the table is empty."""
    for broken in misfits(one):
        is_of_card = any(one is other for other in MEASURED)
        abstention = [other for other in MEASURED if other.title.startswith("Risk") and one.title.startswith("Abstention")]
        measured = [broken, *abstention] if is_of_card else [table("Other", ("a",), (1,))]
        page = limits_page(card(*measured), Study({key: broken for key, other in STUDY.items() if other is one}))
        assert Markup(page).problem == ""
        assert not re.search(r"\b(nan|inf)\b", plain(page))


def test_a_broken_table_costs_its_own_section_only() -> None:
    measured = [MeasuredTable(one.title, ("odd",), ((1,),)) if one.title == "Shortcuts" else one for one in MEASURED]
    page = limits_page(card(*measured), Study({**STUDY, "rq2": MeasuredTable("RQ2", ("odd",), ((1,),))}))
    missing = page[page.index('id="tt-m-missing"') :]
    assert [key for key in text.TITLES if f'id="tt-m-{key}"' not in page] == ["rq2", "shortcuts"]
    assert "The table “Shortcuts” has no column “cue”." in plain(missing)
    assert "The table “RQ2” has no column “method”." in plain(missing)


def test_what_the_study_is_to_be_read_with_stands_above_its_sections_and_no_others() -> None:
    page = limits_page(card(), Study(STUDY, caveat="<b>Short</b> trainings."))
    assert page.count('<p class="tt-caveat">&lt;b&gt;Short&lt;/b&gt; trainings.</p>') == 2
    assert page.index('<p class="tt-caveat">') > page.index('id="tt-m-sources-test"')
    assert "tt-caveat" not in limits_page(card(), Study(STUDY)).partition("</style>")[2]


def test_hostile_words_stay_words() -> None:
    def spoilt(one: MeasuredTable) -> MeasuredTable:
        keep = {"real", "gan", "face_swap", "test", "cross", "after", "before", "method"}
        rows = tuple(tuple(cell if not isinstance(cell, str) or cell in keep else HOSTILE for cell in row) for row in one.rows)
        return MeasuredTable(one.title, one.columns, rows, HOSTILE)

    labels = (Label("real", HOSTILE, "real"), Label("landmark_swap", HOSTILE, "face_swap"), Label("stylegan2", HOSTILE, "gan"))
    strange = card(*map(spoilt, MEASURED), table(HOSTILE, (HOSTILE,), (HOSTILE,)), limits=(HOSTILE,), labels=labels)
    page = limits_page(strange, Study({key: spoilt(one) for key, one in STUDY.items()}, left_out=(HOSTILE,), caveat=HOSTILE))
    assert is_inert(page)
    assert Markup(page).problem == ""
    assert HOSTILE in Markup(page).words
    assert is_inert(limits_page(strange, Study(reason=HOSTILE)))


def test_the_study_file_and_the_page_agree(tmp_path: Path) -> None:
    assert limits_page(card(), read_study(write_study(tmp_path / "study.json"))) == WHOLE


def test_each_detector_has_a_chapter_and_a_way_to_it() -> None:
    page = Markup(BOTH)
    assert page.problem == ""
    assert is_inert(BOTH)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {attributes["href"].removeprefix("#") for attributes in page.of("a")} == set(identifiers)
    assert [attributes["id"] for attributes in page.of_class("tt-chapter")] == ["tt-m-chapter", "tt-m2-chapter"]
    assert BOTH.index("test-net") < BOTH.index("DNA-Det: which generator drew it") < BOTH.index('id="tt-m-chapter"')
    assert not Markup(WHOLE).of_class("tt-switch"), "one detector needs no choice"
    assert "It knows wholly generated faces alone." in BOTH[BOTH.index('id="tt-m2-chapter"') :]
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(BOTH), re.IGNORECASE)


def test_every_section_of_a_detector_of_generators_has_words_a_figure_and_its_numbers() -> None:
    assert set(text.GENERATOR_TITLES) == set(text.GENERATOR_READING)
    for key in (*text.GENERATOR_TITLES, "sources-cross", "sources-test", "methods", "calibration", "coverage"):
        part = section(GENERATORS_ALONE, key)
        assert len(says(key, GENERATORS_ALONE)) > 40, key
        assert re.search('class="tt-(chart|heat|plot-of|table)', part), key
        assert "<details" in part
    assert "tt-m-missing" not in GENERATORS_ALONE
    assert 'id="tt-m-matrix"' not in GENERATORS_ALONE, "the study is not about it"
    for one in GENERATORS:
        assert f"All numbers: {one.title}" in plain(GENERATORS_ALONE)


def test_the_sections_of_generators_say_what_was_measured() -> None:
    page = GENERATORS_ALONE
    assert "Closed set macro-F1 (300): 0.96 (0.94–0.97) against 0.85 (0.82–0.88)" in says("side-by-side", page)
    assert "In 2 of 5 rows the two intervals do not overlap; the largest gap is in “Cross recall generated.photos (100)”." in says(
        "side-by-side", page
    )
    assert "It suffers most from “JPEG quality”: macro-F1 falls from 0.96 (0.94–0.97) to 0.60 (0.55–0.65) at 30." in says(
        "robustness", page
    )
    assert len(Markup(section(page, "robustness")).of("svg")) == 2
    assert "k-NN distance does best: a mean AUROC of 0.85. Hardest to notice is sd21: 0.80 (0.75–0.85)." in says("unknown", page)
    assert "40–85 % look generated, of those of the photograph around it 5–10 %" in says("islands", page)
    assert "weakest island is that of SDXL, collections it never saw: 40 % (36–44 %) inside" in says("islands", page)
    assert "In the median face 45–50 % of the picture carries the evidence" in says("spread", page)
    assert "Closed set macro-F1: best is “complete” with 0.95 (0.93–0.96)." in says("ablation", page)
    assert "cross recall StyleGAN2: best is “without pre-training” with 0.90 (0.83–0.94)." in says("ablation", page), "the contrary, too"
    assert "20 % passed" in plain(section(page, "answers")), "of generators that it does not know"


@pytest.mark.parametrize("one", GENERATORS, ids=lambda one: one.title)
def test_a_table_of_generators_that_does_not_fit_never_breaks_the_page(one: MeasuredTable) -> None:
    for broken in misfits(one):
        page = limits_page(generator_card(broken, table("Other", ("a",), (1,))), NO_STUDY)
        assert Markup(page).problem == ""
        assert not re.search(r"\b(nan|inf)\b", plain(page))
        assert f"All numbers: {one.title}" in plain(page)
