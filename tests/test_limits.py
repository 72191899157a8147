"""The page of measured limits: every table is drawn, said in plain words and shown in full; what is missing or broken is said to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

import pytest

from attribution.detectors.card import Card, Cell, Label, MeasuredTable
from attribution.detectors.tables import Unfit
from attribution.measured import limits, swaps
from attribution.measured.limits import PLANS, limits_page
from attribution.measured.section import Answer, Section, Subject
from attribution.measured.study import Study
from attribution.measured.swaps import CONFIRMED, NOT_DECIDED, REFUTED
from attribution.text import limits as text
from attribution.text import swap_limits as swap_text
from limits_samples import (
    GENERATORS,
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

NO_STUDY = Study(reason="The study is not here.")
ODD = table("Odd", ("a",), ("b",))
OF_DEFAULT, OF_GENERATORS, OF_SWAPS = Subject(card(), Study(STUDY)), Subject(generator_card(), NO_STUDY), Subject(swap_card(), NO_STUDY)
PAGES = {
    "default": limits_page(card(), Study(STUDY)),
    "generators": limits_page(generator_card(), Study(STUDY)),
    "swaps": limits_page(swap_card(), NO_STUDY),
    "all": limits_page(card(), Study(STUDY), [generator_card(), swap_card()]),
}
TABLES = {"default": (*MEASURED, *STUDY.values()), "generators": GENERATORS, "swaps": SWAPS}
PLAN_OF = dict(zip(TABLES, PLANS, strict=True))


def made(at: Subject, key: str) -> Section:
    """One section. Raises Unfit."""
    return next(group[key] for group in PLANS[at.card.scope].values() if key in group)(at)


def without(tables: Sequence[MeasuredTable], *titles: str) -> list[MeasuredTable]:
    return [one for one in tables if one.title not in titles]


def of_swaps(*replaced: MeasuredTable) -> Subject:
    return Subject(swap_card(*swaps_with(*replaced)), NO_STUDY)


# The pages


@pytest.mark.parametrize("markup", PAGES.values(), ids=PAGES)
def test_a_page_is_sound_and_inert_and_its_contents_lead_to_every_section(markup: str) -> None:
    page = Markup(markup)
    assert page.problem == ""
    assert is_inert(markup)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {attributes["href"].removeprefix("#") for attributes in page.of("a")} == set(identifiers)
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(markup), re.IGNORECASE), "nobody is called real"


@pytest.mark.parametrize("name", TABLES)
def test_every_section_has_words_a_figure_and_its_numbers_and_nothing_is_missing(name: str) -> None:
    shown = plain(PAGES[name])
    assert not [one.title for one in TABLES[name] if f"All numbers: {one.title}" not in shown or one.note not in shown]
    assert "tt-m-missing" not in PAGES[name]
    for key in [key for group in PLANS[PLAN_OF[name]].values() for key in group]:
        part = section(PAGES[name], key)
        assert re.search(r'<p class="tt-says">.{40,}</p>', part)
        assert text.HOW in part
        assert re.search('class="tt-(chart|heat|plot-of|table)', part)
        assert "<details" in part


def test_each_detector_has_a_chapter_and_a_way_to_it() -> None:
    markup = PAGES["all"]
    chapters = [attributes["id"] for attributes in Markup(markup).of_class("tt-chapter")]
    assert chapters == ["tt-m-chapter", "tt-m2-chapter", "tt-m3-chapter"]
    names = ("test-net", "DNA-Det: which generator drew it", "CADDM: is a part swapped, and where")
    places = [markup.index(one) for one in (*names, 'id="tt-m-chapter"')]
    assert places == sorted(places)
    assert not Markup(PAGES["default"]).of_class("tt-switch"), "one detector needs no choice"
    assert "It knows wholly generated faces alone." in markup[markup.index('id="tt-m2-chapter"') :]
    third = plain(markup[markup.index('id="tt-m3-chapter"') :])
    for words in ("Landmark face swap, other collections (587)", "Landmark face swap on senate", "Heatmap, test-net", "Heatmap, DNA-Det"):
        assert words in third, "methods of other detectors have their names, and every detector points"
    assert "CADDM" not in plain(section(markup, "localisation")), "in its own chapter each detector points alone"


def test_the_answers_come_first_with_their_intervals() -> None:
    first = plain(section(PAGES["default"], "answers"))
    assert PAGES["default"].index("tt-m-answers") < PAGES["default"].index("tt-m-sources-cross")
    assert f"{text.ACCUSED}1.3 %95 % interval 0.5–3.4 %, of 300 untouched faces from collections that it never saw." in first
    assert f"{text.CLEARED}5 %95 % interval 2.7–9 %, of 200 manipulated faces" in first
    assert f"{text.ABSTAINS}37 % / 35 %37 % (31–42 %) of untouched faces stay inconclusive." in first
    assert f"{text.UNSEEN}10 % passed95 % interval 5.5–17 %, of 100 faces made by methods left out of training" in first
    assert "It misses some." in first
    assert "20 % passed" in plain(section(PAGES["generators"], "answers")), "of generators that it does not know"


def test_what_the_study_is_to_be_read_with_stands_above_its_sections_and_no_others() -> None:
    page = limits_page(card(), Study(STUDY, caveat="<b>Short</b> trainings."))
    assert page.count('<p class="tt-caveat">&lt;b&gt;Short&lt;/b&gt; trainings.</p>') == 2
    assert page.index('<p class="tt-caveat">') > page.index('id="tt-m-sources-test"')


# What sections say, and that they say the contrary when the numbers do

SAID: list[tuple[Subject, str, str]] = [
    (OF_DEFAULT, "sources-cross", "Untouched faces were accused most often in press_sports: 2 % (0.8–5 %) of 200 faces."),
    (OF_DEFAULT, "methods", "Weakest is Landmark face swap: 55 % (45–64 %) named rightly, 40 % taken for untouched."),
    (OF_DEFAULT, "leave-out", "18 % (11–27 %) of these answers were wrong; most often for StyleGAN2, 20 % (11–33 %)"),
    (OF_DEFAULT, "matrix", "The lowest left-out cell is tpdne_b (gan-generated), trained on fold 1: 0.61 (0.55–0.67)."),
    (OF_DEFAULT, "rq1", "1 of 2 paired comparisons: binary − attribution (3 seeds), AUC on collections it never saw, −0.030"),
    (OF_DEFAULT, "rq3", "No difference was shown: in all 1 paired comparisons the interval includes zero."),
    (OF_DEFAULT, "backbones", "efficientnet_lite0"),
    (Subject(card(), Study({"rq1": STUDY["rq1"]})), "rq1", "The differences were not measured in pairs."),
    (OF_DEFAULT, "rq2", "The difference is 25 % (16–32 %): the recall in seen sources is higher."),
    (OF_DEFAULT, "open-set", "Over 2 held-out methods k-NN distance does best: a mean AUROC of 0.78"),
    (OF_DEFAULT, "calibration", "confidence and share right lie 1.3 % apart on average (before calibration 8.7 %)"),
    (OF_DEFAULT, "coverage", "With the threshold chosen on validation faces, it answers for 79 % and reaches 94 % (92–96 %)"),
    (Subject(card(*without(MEASURED, "Abstention")), NO_STUDY), "coverage", "A threshold chosen beforehand was not measured."),
    (OF_DEFAULT, "lightness", "darker and lighter faces differ in passed, new faces, known collections (3 %, 1–5 %)."),
    # Three faces are too few to be compared.
    (OF_DEFAULT, "size", "new faces, known collections more often in the group “90–150 px” than in “over 300 px” (by 19 %"),
    (OF_DEFAULT, "shortcuts", "1 of 2 probes beat chance; the furthest is resolution, before augmentation: 60 % (55–65 %), chance 25 %."),
    (OF_DEFAULT, "tried", "4 ideas were tried; 2 were kept, 2 were not."),
    (OF_GENERATORS, "side-by-side", "In 2 of 5 rows the two intervals do not overlap; the largest gap is in “Cross recall generated.p"),
    (OF_GENERATORS, "robustness", "It suffers most from “JPEG quality”: macro-F1 falls from 0.96 (0.94–0.97) to 0.60 (0.55–0.65) at 30."),
    (OF_GENERATORS, "unknown", "k-NN distance does best: a mean AUROC of 0.85. Hardest to notice is sd21: 0.80 (0.75–0.85)."),
    (OF_GENERATORS, "islands", "weakest island is that of SDXL, collections it never saw: 40 % (36–44 %) inside"),
    (OF_GENERATORS, "ablation", "cross recall StyleGAN2: best is “without pre-training” with 0.90 (0.83–0.94)."),
    (OF_SWAPS, "told-apart", "this one is worse (paired difference −0.030, −0.050 to −0.010)."),
    (of_swaps(auc_differences(("DFDC test, faces", 742, 0.02, 0.01, 0.03))), "told-apart", "this one is better (paired difference 0.020"),
    (of_swaps(auc_differences(("DFDC test, faces", 742, 0.01, -0.01, 0.03))), "told-apart", "no difference is shown (paired difference"),
    (Subject(swap_card(*without(SWAPS, "AUC differences")), NO_STUDY), "told-apart", "the two intervals overlap."),
    (OF_SWAPS, "identity", "right one least often from the pooled features of CADDM, 21 % (18–24 %), and most often"),
    (OF_SWAPS, "identity", "the highest AUC has CADDM on 2, telltale-mobilenetv2 on 1 and the plain detector on 0."),
    (OF_SWAPS, "localisation", "On partial swaps its boxes hit the true area in 73 of 100 (68–77 %, 400 faces); guessing the centre"),
    (OF_SWAPS, "localisation", "hits 37 of 100 (the intervals overlap)."),
    (Subject(swap_card(), NO_STUDY, [card(ODD)]), "localisation", "Where test-net points was not measured."),
    (OF_SWAPS, "boxes", "From 0.30 on 6 % (4.5–8 %) of untouched faces get one, and 70 %"),
]


def test_sections_say_what_was_measured_and_figures_show_it() -> None:
    for at, key, words in SAID:
        assert words in made(at, key).says
    for at, key, words in (
        (OF_DEFAULT, "matrix", ".61 (left out)"),
        (OF_DEFAULT, "coverage", "94 % at 79 % answered"),
        (OF_DEFAULT, "tried", "0.19not kept: <it> moves answers"),
        (OF_SWAPS, "identity", "The plain detectordifference: −13 % (−17 to −9 %)"),
        (OF_SWAPS, "localisation", "The centre of the facehit: 38 % (33–43 %)overlap: no box"),
    ):
        assert words in plain(made(at, key).figure)
    sources = Markup(made(OF_DEFAULT, "sources-cross").figure)
    assert len(sources.of_class("tt-stack")) == 3 + 4, "a bar per family and a bar per source"
    assert any(bar["aria-label"] == "manipulated 30 %, none found 10 %, inconclusive 60 %" for bar in sources.of_class("tt-stack"))
    assert len(Markup(made(OF_SWAPS, "identity").figure).of_class("tt-second-mark")) == 6 + 1, "on every line and in the key"


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
    at = Subject(swap_card(table("Second opinion, cross", SECOND_COLUMNS, row, ("all", *row[1:]))), NO_STUDY)
    assert words in made(at, "second-cross").says
    assert made(at, "second-cross").says.startswith("Asked about 100 faces, it agreed on"), "the row of all is not counted again"


@pytest.mark.parametrize("row", [("senate", 10, 9, 5, 0, 0, 0), ("senate", 10, 5, 0, 5, 5, 5), ("senate", 10, 0.9, 0, 0.1, 0.1, 0)])
def test_counts_that_do_not_fit_their_faces_are_not_drawn(row: tuple[Cell, ...]) -> None:
    with pytest.raises(Unfit, match="counts that do not fit its faces"):
        made(Subject(swap_card(table("Second opinion, test", SECOND_COLUMNS, row)), NO_STUDY), "second-test")


# Less identity, better generalisation

LESS, MORE, SAME = (("plain binary − telltale-caddm", *gap) for gap in ((0.13, 0.09, 0.17), (-0.1, -0.15, -0.05), (0.01, -0.02, 0.04)))
UP, DOWN, LEVEL = ((0.04, 0.02, 0.06), (-0.05, -0.08, -0.02), (0.01, -0.01, 0.03))


def claimed(pair: tuple[Cell, ...], *gaps: tuple[Cell, ...]) -> Answer:
    """With one difference of the probe and one difference of the AUC for each set from elsewhere."""
    rows = [(f"set {number}", 100, *gap) for number, gap in enumerate(gaps, 1)]
    return swaps.claim(of_swaps(probe_differences(pair), auc_differences(*rows)))


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
        (MORE, [DOWN], REFUTED),
        # An interval that is missing decides nothing.
        (("plain binary − telltale-caddm", 0.13, None, None), [UP], text.NOT_MEASURED),
        (LESS, [(0.5, None, None)], text.NOT_MEASURED),
        # Reduced features do not count, and the order of a pair does not matter.
        (("plain binary, 32 components − telltale-caddm, 32 components", 0.13, 0.09, 0.17), [UP], text.NOT_MEASURED),
        (("telltale-caddm − plain binary", -0.13, -0.17, -0.09), [UP], CONFIRMED),
    ],
)
def test_the_claim_is_decided_by_the_intervals(pair: tuple[Cell, ...], gaps: list[tuple[Cell, ...]], state: str) -> None:
    question, figure, sentences = claimed(pair, *gaps)
    assert (question, figure) == (swap_text.CLAIM_QUESTION, state)
    if state != text.NOT_MEASURED:
        assert sentences[0].startswith(f"“Less identity, better generalisation” is {state.lower()} on our data: ")


def test_the_claim_says_why_and_does_not_count_collections_that_training_used() -> None:
    assert claimed(LESS, UP, LEVEL).sentences[0].endswith("no difference of the AUC was shown on the other 1.")
    assert "tell more of who somebody is" in claimed(MORE, UP).sentences[0]
    assert claimed(SAME, LEVEL, LEVEL).sentences[0].endswith("was shown on any of 2 sets of faces from elsewhere.")
    assert swaps.claim(of_swaps(auc_differences(("DFDC test, faces", 742, 0.05, 0.03, 0.07)))).figure == text.NOT_MEASURED
    assert swaps.claim(OF_SWAPS).figure == CONFIRMED, "though on DFDC itself it is worse"
    assert CONFIRMED in plain(section(PAGES["swaps"], "answers"))
    for missing, words in (("Identity probe, differences", "less identity than in"), ("AUC differences", "better generalisation than")):
        at = Subject(swap_card(*without(SWAPS, missing)), NO_STUDY)
        assert f"there is no figure on {words}" in made(at, "identity").says
        assert "the probe names the right one" in made(at, "identity").says, "what was measured is there all the same"


# What is missing, broken or hostile


@pytest.mark.parametrize("one", [card(ODD), generator_card(ODD), swap_card(ODD)], ids=lambda one: one.scope)
def test_without_tables_everything_is_said_not_to_be_measured(one: Card) -> None:
    page = limits_page(one, NO_STUDY)
    assert Markup(page).problem == ""
    answers = plain(section(page, "answers"))
    assert answers.count(text.NOT_MEASURED) >= 4
    assert "%" not in answers.split(text.ACCUSED)[1].split(text.ABSTAINS)[0]
    assert "All numbers: Odd" in plain(page)
    missing = plain(page[page.index('id="tt-m-missing"') :])
    assert missing.count("The detector’s card does not hold these measurements.") == 1
    assert missing.count("The study is not here.") == (one.scope == "any")
    assert missing.count("“") == sum(len(group) for group in PLANS[one.scope].values()), "every section is named"


def test_a_broken_table_costs_its_own_section_only() -> None:
    measured = [MeasuredTable(one.title, ("odd",), ((1,),)) if one.title == "Shortcuts" else one for one in MEASURED]
    page = limits_page(card(*measured), Study({**STUDY, "rq2": MeasuredTable("RQ2", ("odd",), ((1,),))}))
    missing = plain(page[page.index('id="tt-m-missing"') :])
    assert [key for key in text.TITLES if f'id="tt-m-{key}"' not in page] == ["rq2", "shortcuts"]
    assert "The table “Shortcuts” has no column “cue”." in missing
    assert "The table “RQ2” has no column “method”." in missing


@pytest.mark.parametrize(
    ("at", "one"), [(at, one) for at in (OF_DEFAULT, OF_GENERATORS, OF_SWAPS) for one in (*at.card.measured, *at.study.tables.values())],
    ids=lambda one: one.title if isinstance(one, MeasuredTable) else one.card.scope,
)  # fmt: skip
def test_a_table_that_does_not_fit_breaks_no_section(at: Subject, one: MeasuredTable) -> None:
    """Every column in turn is missing, or holds nothing or the wrong kind or an impossible number; and the table is empty."""
    every = [make for group in PLANS[at.card.scope].values() for make in group.values()]
    users = [make for make in every if one.title in {table.title for table in make(at).tables}]
    makers = {"any": card, "generated": generator_card, "face_swap": swap_card}
    for broken in misfits(one):
        tables = [broken if one is other else other for other in at.card.measured]
        study = {key: broken if one is other else other for key, other in at.study.tables.items()}
        spoilt = Subject(makers[at.card.scope](*tables), Study(study))
        drawn = "".join(sentence for answer in [*limits.answers(spoilt), *swaps.answers(spoilt)] for sentence in answer.sentences)
        for make in users:
            with suppress(Unfit):
                part = make(spoilt)
                drawn += f"{part.says}{part.figure}"
        read = Markup(drawn)
        assert read.problem == ""
        assert not re.search(r"\b(nan|inf)\b", read.words)


def test_hostile_words_stay_words() -> None:
    keep = {"real", "gan", "face_swap", "test", "cross", "after", "before", "method", "boxes", "partial swaps", "plain binary", LESS[0]}

    def spoilt(one: MeasuredTable) -> MeasuredTable:
        rows = tuple(tuple(cell if not isinstance(cell, str) or cell in keep else HOSTILE for cell in row) for row in one.rows)
        return MeasuredTable(one.title, one.columns, rows, HOSTILE)

    labels = (Label("real", HOSTILE, "real"), Label("landmark_swap", HOSTILE, "face_swap"), Label("stylegan2", HOSTILE, "gan"))
    strange = card(*map(spoilt, MEASURED), table(HOSTILE, (HOSTILE,), (HOSTILE,)), limits=(HOSTILE,), labels=labels)
    others = [generator_card(*map(spoilt, GENERATORS)), swap_card(*map(spoilt, SWAPS))]
    study = Study({key: spoilt(one) for key, one in STUDY.items()}, left_out=(HOSTILE,), caveat=HOSTILE)
    for page in (limits_page(strange, study, others), limits_page(strange, Study(reason=HOSTILE))):
        assert is_inert(page)
        assert Markup(page).problem == ""
        assert HOSTILE in Markup(page).words
