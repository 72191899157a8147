"""The page of measured limits: every table is drawn, said in plain words and shown in full; what is missing or broken is said to be."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from attribution.detectors.card import Card, Cell, Label, MeasuredTable
from attribution.detectors.tables import Unfit
from attribution.measured import limits, swaps
from attribution.measured.limits import PLANS, limits_page
from attribution.measured.section import Section, Subject
from attribution.measured.study import Study
from attribution.measured.swaps import CONFIRMED, NOT_DECIDED, REFUTED
from attribution.messages import reading_in
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


def drawn(one: Section) -> Any:
    """The first chart of a section."""
    return json.loads(Markup(one.figure).of_class("tt-drawn")[0]["data-plot"])


def without(tables: Sequence[MeasuredTable], *titles: str) -> list[MeasuredTable]:
    return [one for one in tables if one.title not in titles]


def of_swaps(*replaced: MeasuredTable) -> Subject:
    return Subject(swap_card(*swaps_with(*replaced)), NO_STUDY)


# The pages


@pytest.mark.parametrize("markup", PAGES.values(), ids=PAGES)
def test_a_page_is_sound_and_inert(markup: str) -> None:
    page = Markup(markup)
    assert page.problem == ""
    assert is_inert(markup)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(markup), re.IGNORECASE), "nobody is called real"


@pytest.mark.parametrize("name", TABLES)
def test_every_question_is_answered_in_its_head_has_a_chart_and_its_numbers_and_nothing_is_missing(name: str) -> None:
    shown = plain(PAGES[name])
    assert not [one.title for one in TABLES[name] if f"All numbers: {one.title}" not in shown or one.note not in shown]
    assert "tt-m-missing" not in PAGES[name]
    for key in [key for group in PLANS[PLAN_OF[name]].values() for key in group]:
        part = section(PAGES[name], key)
        head, _, opened = part.partition("</summary>")
        assert re.search(r'<span class="tt-says">.{40,}</span>', head)
        assert head.startswith("<details")
        assert " open" not in head.split(">")[0]
        assert re.findall(r"[.?](?=\s|$)", plain(head)) == ["?", "."], "a question, and a sentence"
        assert "data-plot" in opened or key == "tried"
        assert 'class="tt-csv"' in opened


def test_charts_say_in_words_what_they_show_and_tell_faces_and_intervals() -> None:
    for name, markup in PAGES.items():
        drawn = Markup(markup).of_class("tt-drawn")
        assert len(drawn) > 10
        for one in drawn:
            assert (one["role"], one["dir"]) == ("img", "ltr")
            assert len(one["aria-label"]) > 20
            figure = json.loads(one["data-plot"])
            told = [words for trace in figure["data"] for words in trace.get("hovertext", figure.get("told")) or ()]
            assert re.search(r"\d+ %|\d\.\d\d", str(told)), name


def test_each_detector_has_a_tab_and_the_first_is_chosen() -> None:
    page = Markup(PAGES["all"])
    tabs, panels = page.of_class("tt-tabs"), page.of_class("tt-chapter")
    assert [panel["id"] for panel in panels] == ["tt-m-chapter", "tt-m2-chapter", "tt-m3-chapter"]
    assert ["hidden" in panel for panel in panels] == [False, True, True]
    buttons = [one for one in page.of("button") if one.get("role") == "tab"]
    assert [one["aria-controls"] for one in buttons] == [panel["id"] for panel in panels]
    assert [one["id"] for one in buttons] == [panel["aria-labelledby"] for panel in panels]
    assert [one["aria-selected"] for one in buttons] == ["true", "false", "false"]
    assert tabs[0]["role"] == "tablist"
    assert not Markup(PAGES["default"]).of_class("tt-tabs"), "one detector needs no choice"
    third = PAGES["all"][PAGES["all"].index('id="tt-m3-chapter"') :]
    for words in ("Landmark face swap, other collections", "Landmark face swap on senate", "Heatmap, test-net", "Heatmap, DNA-Det"):
        assert words in third, "methods of other detectors have their names, and every detector points"
    assert "CADDM" not in section(PAGES["all"], "localisation"), "in its own chapter each detector points alone"


def test_the_answers_come_first_with_their_intervals() -> None:
    first = plain(section(PAGES["default"], "answers"))
    assert PAGES["default"].index("tt-m-answers") < PAGES["default"].index("tt-m-sources-cross")
    assert f"{text.ACCUSED}1.3 %95 % interval 0.5–3.4 %, n = 300: collections it never saw." in first
    assert f"{text.CLEARED}5 %95 % interval 2.7–9 %, n = 200: collections it never saw." in first
    assert f"{text.ABSTAINS}37 % / 35 %37 % (31–42 %) / 35 % (29–42 %): collections it never saw." in first
    assert f"{text.UNSEEN}10 %95 % interval 5.5–17 %, n = 100: {text.FIRST_LEFT_OUT}." in first
    assert "It misses some." in first
    assert f"{text.UNSEEN}20 %" in plain(section(PAGES["generators"], "answers")), "of generators that it does not know"
    assert f"{text.POINTS}73 %95 % interval 68–77 %, n = 400" in plain(section(PAGES["swaps"], "answers"))


def test_methods_that_training_left_out_are_those_of_the_card_or_else_of_trainings_of_the_first_default() -> None:
    table = replace(STUDY["leave_out"], title="Verdicts on what training never saw")
    known = replace(table, rows=tuple((*row[:3], *(0.0, 1.0, 0.0), *row[6:]) for row in table.rows))
    for measured, figure, place in ((MEASURED, "10 %", text.FIRST_LEFT_OUT), ((*MEASURED, known), "100 %", text.LEFT_OUT["method"])):
        (answer,) = [one for one in limits.answers(Subject(card(*measured), Study(STUDY))) if one.question == text.UNSEEN]
        assert answer.figure == figure
        assert answer.sentence.endswith(f": {place}.")
    assert limits.leave_out(Subject(card(*MEASURED), Study(STUDY))).tables == (STUDY["leave_out"],)
    assert limits.leave_out(Subject(card(*MEASURED, known), Study(STUDY))).tables == (known,)


def test_methods_of_the_first_default_keep_their_names() -> None:
    assert Subject(card(), NO_STUDY).method("stylegan2") == "StyleGAN2"
    assert Subject(swap_card(), NO_STUDY).source("landmark_swap on senate") == "Face swap (landmark warp) on senate"
    assert Subject(swap_card(), NO_STUDY).method("somebody_else") == "somebody_else"


def test_the_first_chart_has_the_sources_it_never_saw_and_the_families_it_knows() -> None:
    (chart, *_more) = Markup(section(PAGES["default"], "answers")).of_class("tt-drawn")
    figure = json.loads(chart["data-plot"])
    sources = ["press_sports", "senate", "Landmark face swap on senate", "tpdne_b"]
    assert figure["rows"] == [text.NEVER_SEEN, *sources, text.KNOWN, "Untouched", "Face swap", "GAN-generated"]
    assert figure["groups"] == [0, 5]
    assert [trace["x"][3] for trace in figure["data"]] == [0.3, 0.1, 0.6]
    assert figure["told"][3].startswith("Landmark face swap on senate, n = 100: manipulated 30 % (22–40 %)")


def test_what_the_study_is_to_be_read_with_stands_above_its_sections_and_no_others() -> None:
    page = limits_page(card(), Study(STUDY, caveat="<b>Short</b> trainings."))
    assert page.count('<p class="tt-caveat">&lt;b&gt;Short&lt;/b&gt; trainings.</p>') == 2
    assert page.index('<p class="tt-caveat">') > page.index('id="tt-m-sources-test"')


def test_a_page_is_read_in_another_language_with_its_numbers() -> None:
    with reading_in("de"):
        page = limits_page(card(), Study(STUDY))
    assert "1,3\xa0%" in page or "1,3&nbsp;%" in page
    assert 'lang="de"' in page


# What sections say, and that they say the contrary when the numbers do

SAID: list[tuple[Subject, str, str]] = [
    (OF_DEFAULT, "sources-cross", "It accuses 1.3 % (0.5–3.4 %) of untouched faces (n = 300) and passes 5 % (2.7–9 %) of manipulated ones"),
    (OF_DEFAULT, "sources-cross", "Accused most often: press_sports, 2 % (0.8–5 %), n = 200."),
    (
        OF_DEFAULT,
        "methods",
        "Weakest is Landmark face swap: 55 % (45–64 %) of its faces are named rightly (n = 100), 40 % are taken for “Unt",
    ),
    (OF_DEFAULT, "leave-out", "Of manipulated faces, 42 % (36–49 %) get a definite answer (n = 200), and 18 % (11–27 %) of these answers"),
    (OF_DEFAULT, "leave-out", "Most often wrong: StyleGAN2, 20 % (11–33 %)."),
    (OF_DEFAULT, "matrix", "Lowest where it did not: tpdne_b, trained on fold 1: 0.61 (0.55–0.67)."),
    (
        OF_DEFAULT,
        "rq1",
        "1 of 2 paired comparisons show a difference; the largest: binary − attribution (3 seeds), AUC, collections it never",
    ),
    (OF_DEFAULT, "rq3", "In none of 1 paired comparisons was a difference shown; the largest: supervised contrastive"),
    (OF_DEFAULT, "backbones", "efficientnet_lite0"),
    (Subject(card(), Study({"rq1": STUDY["rq1"]})), "rq1", "The differences were not measured in pairs."),
    (OF_DEFAULT, "rq2", "in others: a difference of 25 % (16–32 %)."),
    (
        OF_DEFAULT,
        "open-set",
        "Best is k-NN distance: a mean AUROC of 0.78 over what was held out; hardest to notice is Landmark face swap, 0.66.",
    ),
    (OF_DEFAULT, "cross-auc", "Across collections its AUC is 0.84 (0.80–0.88), within them 0.93 (0.90–0.96) (collections it never saw)."),
    (OF_DEFAULT, "cross-auc", "untouched faces of senate against manipulated ones of tpdne_b, 0.70 (0.64–0.76)."),
    (OF_DEFAULT, "calibration", "differ by 1.3 % on average; most where it says 55 % and 50 % (40–60 %) is right (n = 100)."),
    (OF_DEFAULT, "calibration", "Before calibration it was 8.7 %."),
    (
        OF_DEFAULT,
        "coverage",
        "Answering 79 % of the faces it is right in 94 % (92–96 %) of them (balanced accuracy); answering all, in 90 %",
    ),
    (Subject(card(*without(MEASURED, "Abstention")), NO_STUDY), "coverage", "no threshold was chosen beforehand."),
    (OF_DEFAULT, "lightness", "its darker less its lighter half: passed, 3 % (1–5 %) (new faces, known collections)."),
    (OF_DEFAULT, "lightness", "No difference between the groups was shown; the largest is 2 % (−3.5 to 8 %), which may be chance."),
    # Three faces are too few to be compared.
    (OF_DEFAULT, "size", "accused more often in “90–150 px” than in “over 300 px”, by 19 % (11–28 %): new faces, known collections."),
    (
        OF_DEFAULT,
        "shortcuts",
        "1 of 2 probes beat chance, which a shortcut would allow; furthest “resolution, before augmentation”: 60 % (55–6",
    ),
    (OF_DEFAULT, "tried", "2 of 4 ideas were kept"),
    (OF_GENERATORS, "side-by-side", "In 2 of 5 rows the two intervals do not overlap; the largest gap: cross recall generated.photos."),
    (OF_GENERATORS, "robustness", "“JPEG quality” costs most: macro-F1 falls from 0.96 (0.94–0.97) to 0.60 (0.55–0.65) at 30."),
    (
        OF_GENERATORS,
        "unknown",
        "Best is k-NN distance: a mean AUROC of 0.85 over what was held out; hardest to notice is Stable Diffusion 2.1, 0.80 (0.75–0.85).",
    ),
    (OF_GENERATORS, "islands", "Weakest, SDXL, collections it never saw: 40 % (36–44 %) of the patches inside look generated"),
    (OF_GENERATORS, "ablation", "cross recall StyleGAN2: best is “without pre-training”, 0.90 (0.83–0.94)."),
    (OF_SWAPS, "told-apart", "worse, difference −0.030 (−0.050 to −0.010)."),
    (of_swaps(auc_differences(("DFDC test, faces", 742, 0.02, 0.01, 0.03))), "told-apart", "better, difference 0.020"),
    (of_swaps(auc_differences(("DFDC test, faces", 742, 0.01, -0.01, 0.03))), "told-apart", "no difference is shown"),
    (Subject(swap_card(*without(SWAPS, "AUC differences")), NO_STUDY), "told-apart", "the difference was not measured in pairs."),
    (
        OF_SWAPS,
        "identity",
        "A probe names the right one of 60 persons in 21 % (18–24 %); from the plain detector’s features 34 % (31–37 %)",
    ),
    (OF_SWAPS, "localisation", "A part swapped: its box hits in 73 % (68–77 %) (n = 400), more often than guessing the centre, 38 %"),
    (OF_SWAPS, "localisation", "guessing the centre in 37 % (32–42 %): no difference is shown."),
    (Subject(swap_card(), NO_STUDY, [card(ODD)]), "localisation", "Where test-net points was not measured."),
    (OF_SWAPS, "boxes", "From a confidence of 0.30 on, 70 % (65–75 %) of partial swaps get a box, and 6 % (4.5–8 %) of untouched faces."),
]


@pytest.mark.parametrize(("at", "key", "words"), SAID, ids=lambda one: one if isinstance(one, str) else "")
def test_sections_say_what_was_measured(at: Subject, key: str, words: str) -> None:
    assert words in " ".join((made(at, key).says, *made(at, key).more))


def test_charts_hold_what_was_measured() -> None:
    matrix = drawn(made(OF_DEFAULT, "matrix"))
    assert matrix["outlined"] == [[1, 3]], "the source that fold 1 never saw"
    assert matrix["data"][0]["text"][3] == ["0.95", "0.61"]
    probes = drawn(made(OF_SWAPS, "identity"))
    assert [trace["name"] for trace in probes["data"]] == [swap_text.PROBE_OF, swap_text.CHANCE, swap_text.COMMONEST]
    assert len(probes["data"][2]["x"]) == 6, "on every line"
    places = drawn(made(OF_SWAPS, "localisation"))
    assert "The centre of the face: 38 % (33–43 %), n = 400" in places["data"][1]["hovertext"]
    (before, after) = drawn(made(OF_DEFAULT, "calibration"))["data"]
    assert (before["y"], after["y"]) == ([0.35, 0.9], [0.5, 0.95])
    cross = drawn(made(OF_DEFAULT, "cross-auc"))
    assert [trace["x"] for trace in cross["data"]] == [[0.93, 0.95], [0.84, 0.9]]


@pytest.mark.parametrize(
    ("prevented", "lost", "words"),
    [
        (40, 12, "prevented 40, right ones lost 12. It withholds more wrong answers than right ones: 77 % (64–86 %) of them were wrong."),
        (1, 30, "prevented 1, right ones lost 30. It withholds more right answers than wrong ones"),
        (5, 4, "Whether it withholds more wrong answers than right ones is not shown: 56 % (27–81 %) of them were wrong."),
        (0, 0, "wrong answers prevented 0, right ones lost 0."),
    ],
)
def test_the_second_opinion_says_what_it_prevents_and_costs(prevented: int, lost: int, words: str) -> None:
    row = ("senate", 100, 100 - prevented - lost, 0, prevented + lost, prevented, lost)
    at = Subject(swap_card(table("Second opinion, cross", SECOND_COLUMNS, row, ("all", *row[1:]))), NO_STUDY)
    one = made(at, "second-cross")
    assert words in " ".join((one.says, *one.more))
    assert "of faces (n = 100)" in one.says, "the row of all is not counted again"


@pytest.mark.parametrize("row", [("senate", 10, 9, 5, 0, 0, 0), ("senate", 10, 5, 0, 5, 5, 5), ("senate", 10, 0.9, 0, 0.1, 0.1, 0)])
def test_counts_that_do_not_fit_their_faces_are_not_drawn(row: tuple[Cell, ...]) -> None:
    with pytest.raises(Unfit, match="counts that do not fit its faces"):
        made(Subject(swap_card(table("Second opinion, test", SECOND_COLUMNS, row)), NO_STUDY), "second-test")


# Less identity, better generalisation

LESS, MORE, SAME = (("plain binary − telltale-swap", *gap) for gap in ((0.13, 0.09, 0.17), (-0.1, -0.15, -0.05), (0.01, -0.02, 0.04)))
UP, DOWN, LEVEL = ((0.04, 0.02, 0.06), (-0.05, -0.08, -0.02), (0.01, -0.01, 0.03))


def claimed(pair: tuple[Cell, ...], *gaps: tuple[Cell, ...]) -> swaps.Claim:
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
        (("plain binary − telltale-swap", 0.13, None, None), [UP], None),
        (LESS, [(0.5, None, None)], None),
        # Reduced features do not count, and the order of a pair does not matter.
        (("plain binary, 32 components − telltale-swap, 32 components", 0.13, 0.09, 0.17), [UP], None),
        (("telltale-swap − plain binary", -0.13, -0.17, -0.09), [UP], CONFIRMED),
    ],
)
def test_the_claim_is_decided_by_the_intervals(pair: tuple[Cell, ...], gaps: list[tuple[Cell, ...]], state: str | None) -> None:
    found = claimed(pair, *gaps)
    assert found.state == state
    assert found.says.startswith(f"{state}: " if state else "Whether it holds was not measured")


def test_the_claim_says_why_and_does_not_count_collections_that_training_used() -> None:
    assert "less often by 13 % (9–17 %)" in claimed(LESS, UP, LEVEL).says
    assert claimed(LESS, UP, LEVEL).says.endswith("higher on 1 and lower on 0 of 2 sets of faces.")
    assert "more often by" in claimed(MORE, UP).says
    assert "no difference is shown" in claimed(SAME, LEVEL, LEVEL).says
    assert swaps.claim(of_swaps(auc_differences(("DFDC test, faces", 742, 0.05, 0.03, 0.07)))).state is None
    assert swaps.claim(OF_SWAPS).state == CONFIRMED, "though on DFDC itself it is worse"
    assert CONFIRMED in plain(section(PAGES["swaps"], "identity"))
    for missing in ("Identity probe, differences", "AUC differences"):
        one = made(Subject(swap_card(*without(SWAPS, missing)), NO_STUDY), "identity")
        assert one.says.startswith("Whether it holds was not measured")
        assert "A probe names the right one" in one.more[0], "what was measured is there all the same"


# What is missing, broken or hostile


@pytest.mark.parametrize("one", [card(ODD), generator_card(ODD), swap_card(ODD)], ids=lambda one: one.scope)
def test_without_tables_everything_is_said_not_to_be_measured(one: Card) -> None:
    page = limits_page(one, NO_STUDY)
    assert Markup(page).problem == ""
    answers = plain(section(page, "answers"))
    assert answers.count(text.NOT_MEASURED) >= 4
    assert "%" not in answers.split(text.ACCUSED)[1].split(text.ABSTAINS)[0]
    assert "data-plot" not in section(page, "answers")
    assert "All numbers: Odd" in plain(page)
    missing = plain(page[page.index('id="tt-m-missing"') :])
    assert missing.count("The detector’s card does not hold these measurements.") == 1
    assert missing.count("The study is not here.") == (one.scope == "any")
    assert missing.count("“") == sum(len(group) for group in PLANS[one.scope].values()), "every section is named"


def test_a_broken_table_costs_its_own_section_only() -> None:
    measured = [MeasuredTable(one.title, ("odd",), ((1,),)) if one.title == "Shortcuts" else one for one in MEASURED]
    page = limits_page(card(*measured), Study({**STUDY, "rq2": MeasuredTable("RQ2", ("odd",), ((1,),))}))
    missing = plain(page[page.index('id="tt-m-missing"') :])
    assert [key for group in PLANS["any"].values() for key in group if f'id="tt-m-{key}"' not in page] == ["rq2", "shortcuts"]
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
        drawn = "".join(f"{answer.figure}{answer.sentence}" for answer in limits.answers(spoilt)) + limits.by_source_of_all(spoilt)
        for make in users:
            with suppress(Unfit):
                part = make(spoilt)
                drawn += f"{part.says}{part.more}{part.figure}"
        read = Markup(drawn)
        assert read.problem == ""
        assert not re.search(r"\b(nan|inf)\b", drawn, re.IGNORECASE)


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
