"""The page *Why detectors fail*: a sentence for each question, which follows the numbers; broken tables named."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.tables import Estimate, Unfit
from attribution.measured import transfer, units
from attribution.measured.failures import PLAN, failures_page
from attribution.measured.section import attempt
from attribution.measured.study import ABSENT, OTHER_FORM, ZEROSHOT_FILE, ZEROSHOT_SCHEMA, Study, read_study
from attribution.measured.zeroshot import Findings, decided, over
from attribution.text import failures as text
from samples import HOSTILE, Markup, is_inert, misfits, plain, section

STUDY = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA)
TABLES = STUDY.tables
OWN = [row[0] for row in TABLES["detectors"].rows if row[5] != "shipped"]
TRAINED = [row[0] for row in TABLES["sources"].rows if row[-1]]
WHOLE = failures_page(STUDY)
QUESTIONS = {key: make for group in PLAN.values() for key, make in group.items()}
MAKERS = {"short": transfer.chart, **QUESTIONS}


def findings(**changed: MeasuredTable | None) -> Findings:
    """Of the study with some of its tables changed or, for None, missing."""
    return Findings.of(Study({key: one for key, one in {**TABLES, **changed}.items() if one is not None}))


def changed_by(*found: tuple[str, str, float, str]) -> Findings:
    """Of a study that found something else: (table, column, figure, the words of all rows that hold it instead)."""
    changed = {}
    for name, column, value, words in found:
        one, at = changed.get(name, TABLES[name]), TABLES[name].columns.index(column)
        narrow = (value, value - 0.01, value + 0.01)
        rows = ((*row[:at], *narrow, *row[at + 3 :]) if {*words.split(", ")} <= {*row} else row for row in one.rows)
        changed[name] = only(one, *rows)
    return findings(**changed)


def only(one: MeasuredTable, *rows: tuple[Cell, ...]) -> MeasuredTable:
    return MeasuredTable(one.title, one.columns, rows, one.note)


def charts(markup: str) -> list[dict]:
    """The figures of plotly's in some HTML."""
    return [json.loads(attributes["data-plot"]) for _, attributes in Markup(markup).tags if "data-plot" in attributes]


def test_the_page_is_sound_and_inert_and_light() -> None:
    page = Markup(WHOLE)
    assert page.problem == ""
    assert is_inert(WHOLE)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert len(WHOLE.encode()) < 220_000
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(WHOLE), re.IGNORECASE)


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_question_is_folded_under_its_answer(key: str) -> None:
    part = section(WHOLE, key)
    said = plain(re.search(r'class="tt-says">(.*?)</span></h3>', part, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert re.search(r"\d\.\d+ \(|\d %", said), "with its figures"
    assert "open" not in Markup(part).of("details")[0]
    assert charts(part)
    assert Markup(part).of_class("tt-numbers")


def test_the_first_view_has_four_figures_a_chart_and_what_follows() -> None:
    first = re.search(r'<section class="tt-first".*?</section>', WHOLE, re.DOTALL)
    assert first
    assert [float(one) for one in re.findall(r'tt-figure">([\d.]+)', first.group())] == [0.91, 0.55, 35, 0.94]
    assert len(charts(first.group())) == 1
    assert all(str(words) in plain(first.group()) for words in text.FOLLOWS.values())


@pytest.mark.parametrize(
    ("key", "found", "expected"),
    [
        ("short", [("summary", "value", 0.5, "base, AUC never seen")], "what is left is not shown to be better than a coin"),
        ("short", [("summary", "value", 0.98, "base, AUC never seen")], "its AUC rises by 0"),
        ("collapse", [("matrix", "AUC", 0.5, "base, never seen")], "Mostly everywhere.* 0 of 324 "),
        ("collapse", [("matrix", "AUC", 0.9, "base, never seen")], "Mostly nowhere.* 324 of 324 "),
        ("loss", [("summary", "value", 0.3, "base, drop")], f"is shown for {len(OWN)} of {len(OWN)} detectors"),
        ("cost", [("cost", "difference", 0.2, "mean, new"), ("cost", "difference", -0.1, "mean, old")], "by 0.20.* new source, −0.10"),
        ("cost", [("cost", "difference", 0.15, "mean, never seen")], "that carries further"),
        ("cost", [("cost", "difference", 0.0, "mean, never seen")], "not shown to carry further"),
        ("attention", [("attention", "mean SSIM", 0.6, "base–all"), ("attention", "mean SSIM", 0.3, "chance")], "Not quite: "),
        ("attention", [("attention", "mean SSIM", 0.3, "base–all"), ("attention", "mean SSIM", 0.3, "chance")], "Not shown"),
        ("neurons", [("universal", "universal", 3, "trained"), ("universal", "universal", 3, "untrained")], "proves nothing"),
        ("neurons", [("universal", "universal", 0, "untrained")], "fewer"),
        ("ablation", [("ablation_differences", "difference", 0.0, "mean, keep, strongest units")], "Not shown"),
        ("ablation", [("ablation_differences", "difference", 0.05, "mean, keep, strongest units")], "Yes"),
        ("readout", [("readout_differences", "difference", 0.0, "never trained")], "Not shown"),
        ("readout", [("readout_differences", "difference", 0.04, name) for name in ("never trained", "trained on")], "Yes"),
        ("readout", [("readout_differences", "difference", -0.2, "never trained")], "No:"),
    ],
)  # fmt: skip
def test_sentences_follow_the_numbers(key: str, found: list[tuple[str, str, float, str]], expected: str) -> None:
    assert re.search(expected, MAKERS[key](changed_by(*found)).says)


def test_what_follows_is_said_only_where_it_does() -> None:
    for found, key in (
        (("summary", "value", 0.98, "base, AUC never seen"), "loss"),
        (("cost", "difference", 0.2, "mean, never seen"), "cost"),
        (("attention", "mean SSIM", 0.98, "base–all"), "attention"),
        (("ablation_differences", "difference", 0.05, "mean, keep, strongest units"), "units"),
    ):
        assert str(text.FOLLOWS[key]) in plain(WHOLE)
        assert str(text.FOLLOWS[key]) not in plain(failures_page(changed_by(found).study))


def test_tables_that_were_not_measured_leave_sentences_out() -> None:
    summary, gaps = TABLES["summary"], TABLES["readout_differences"]
    alone = findings(summary=only(summary, *(row for row in summary.rows if row[1] != "shipped")))
    assert transfer.loss(alone).more == []
    assert len(transfer.answers(alone)) == 3
    assert len(units.neurons(findings(universal_controls=None)).more) == 1
    own = findings(readout_differences=only(gaps, *(row for row in gaps.rows if "−" not in str(row[1]))))
    assert len(units.readout(own).more) == 1
    shipped = {row[0] for row in TABLES["detectors"].rows} - set(OWN)
    own = findings(**{key: only(TABLES[key], *(row for row in TABLES[key].rows if row[0] not in shipped)) for key in ("summary", "matrix")})
    for key in ("short", "collapse"):
        assert MAKERS[key](own).says == MAKERS[key](findings()).says, "shipped detectors are no part of the means"


def test_means_have_the_wide_interval_of_student_and_decide_only_when_it_leaves_out_zero() -> None:
    for one, wanted in (
        (Estimate(0.1, 0.01, 0.2), 1),
        (Estimate(-0.1, -0.2, -0.01), -1),
        (None, 0),
        (Estimate(0.5), 0),
        (Estimate(0.1, -0.1, 0.2), 0),
    ):
        assert decided(one) == wanted
    assert decided(Estimate(0.6, 0.52, 0.7), 0.5) == 1
    assert (over([]), over([0.4])) == (None, Estimate(0.4))
    two, cut = over([0.4, 0.6]), over([0.9, 1.0, 0.98, 1.0], 0.0)
    assert two is not None
    assert cut is not None
    assert (two.low, two.high, cut.high) == (pytest.approx(0.5 - 12.71 * 0.1), 1.0, 1.0)


def test_every_training_is_drawn_with_its_faces_and_its_own_source_outlined() -> None:
    part = section(WHOLE, "collapse")
    heats = charts(part)
    assert len(heats) == len(Markup(part).of("button")) - 1 == len(OWN) + 1, "a tab for each detector, and the CSV"
    for one in heats[:-1]:
        assert len(one["rows"]) == len(one["outlined"]) == len(TRAINED)
        assert all("n = " in words for row in one["data"][0]["hovertext"] for words in row)
    drawn = sum(value is not None for one in heats for row in one["data"][0]["z"] for value in row)
    assert drawn == sum(row[1] in ("base", "shipped") for row in TABLES["matrix"].rows)


# What is missing or broken


def test_without_a_study_the_page_says_so_and_nothing_else() -> None:
    page = failures_page(Study(reason=ABSENT))
    assert Markup(page).problem == ""
    assert plain(page).count(ABSENT) == 2, "in the head and at the end"
    assert 'id="tt-m-collapse"' not in page


NEEDS = {
    "matrix": {"collapse"},
    "summary": {"short", "collapse", "loss"},
    "cost": {"cost"},
    "attention": {"attention"},
    "universal": {"neurons"},
    "ablation": {"ablation"},
    "ablation_differences": {"ablation"},
    "readout_differences": {"readout"},
}


@pytest.mark.parametrize("key", TABLES)
def test_a_missing_table_costs_its_own_parts_only(key: str) -> None:
    at = findings(**{key: None})
    gone = {name for name, make in MAKERS.items() if attempt(lambda make=make: make(at)) is None}
    assert gone == NEEDS.get(key, set())
    for name in gone:
        with pytest.raises(Unfit) as refused:
            MAKERS[name](at)
        assert str(refused.value) in plain(failures_page(at.study))


@pytest.mark.parametrize("key", TABLES)
def test_a_table_that_does_not_fit_breaks_no_part(key: str) -> None:
    """Every column in turn is missing, or holds nothing, the wrong kind or an impossible number; and the table is empty."""
    small = {name: only(one, *one.rows[:: max(1, len(one.rows) // 24)]) for name, one in TABLES.items()}
    users = [make for make in MAKERS.values() if TABLES[key].title in {table.title for table in make(findings()).tables}]
    for broken in (*misfits(small[key], most=1e299), MeasuredTable(TABLES[key].title, ("odd",), ((1,),))):
        at, drawn = Findings.of(Study({**small, key: broken})), ""
        for make in users or [transfer.collapse]:
            with suppress(Unfit):
                part = make(at)
                drawn += f"{part.says}{part.figure}"
        read = Markup(drawn)
        assert read.problem == ""
        assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", drawn)


def test_hostile_words_stay_words() -> None:
    keys = {"base", "top", "all", "shipped", "trained on", "never seen", "trained", "untrained", "mean", "keep", "chance", "base–all", ""}

    def spoilt(cell: Cell) -> Cell:
        return cell if not isinstance(cell, str) or cell in keys or len(cell) > 60 else f"{HOSTILE}{cell}"

    found = {}
    for key, one in TABLES.items():
        found[key] = MeasuredTable(HOSTILE, one.columns, tuple(tuple(map(spoilt, row)) for row in one.rows[:300]), HOSTILE)
    study = Study(found, left_out=(HOSTILE,), caveat=HOSTILE)
    for page in (failures_page(study), failures_page(Study(reason=HOSTILE))):
        assert is_inert(page)
        assert Markup(page).problem == ""
        assert HOSTILE in Markup(page).words


def test_the_results_file_is_read_whole_and_by_its_own_schema() -> None:
    assert (STUDY.reason, STUDY.left_out) == ("", ())
    assert STUDY.caveat in plain(WHOLE)
    assert read_study(ZEROSHOT_FILE).reason == OTHER_FORM, "it is not the other study"


def test_a_detector_that_was_measured_under_another_name_is_called_as_it_is_now() -> None:
    assert "telltale-caddm" in ZEROSHOT_FILE.read_text(encoding="utf-8")
    shipped = {row[0] for row in STUDY.tables["summary"].rows if row[1] == "shipped"}
    assert shipped == {"telltale-mobilenetv2", "telltale-swap"}
    assert "telltale-swap" in WHOLE
    assert "telltale-caddm" not in WHOLE


def test_what_was_measured_on_the_first_default_is_said_to_be_of_it() -> None:
    own, words = findings(), plain(WHOLE)
    asked = {one.question: one.sentence for one in transfer.answers(own)}
    assert "telltale-attribution has replaced" in asked[text.DEFAULT]
    (said,) = [one for one in transfer.loss(own).more if "first default detector" in one]
    assert "(telltale-mobilenetv2, which telltale-attribution has replaced)" in said
    assert "default" in words
    assert re.findall(r"(?<!first )default\b", words) == []
