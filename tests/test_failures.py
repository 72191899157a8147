"""The page *Why detectors fail*: two sentences for each question, which follow the numbers; every choice in place; broken tables named."""

from __future__ import annotations

import base64
import io
import re
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.tables import Estimate, Unfit
from attribution.measured import figures, transfer
from attribution.measured.attention import attention, heat_uri
from attribution.measured.failures import PLAN, failures_page
from attribution.measured.study import ABSENT, OTHER_FORM, ZEROSHOT_FILE, ZEROSHOT_SCHEMA, Study, read_study
from attribution.measured.zeroshot import Findings, decided, over
from attribution.text import failures as text
from attribution.web.example_crops import example_crops
from samples import HOSTILE, Markup, is_inert, misfits, noise, plain, section

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CROPS = {"astronaut.png": noise(64, 64), "autoencoder_swap.png": noise(64, 64, 1)}
STUDY = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA)
TABLES = STUDY.tables
OWN = [row[0] for row in TABLES["detectors"].rows if row[5] != "shipped"]
TRAINED = [row[0] for row in TABLES["sources"].rows if row[-1]]
WHOLE = failures_page(STUDY, CROPS)
MAKERS = {"short": transfer.in_short, **{key: make for group in PLAN.values() for key, make in group.items()}}


def findings(**changed: MeasuredTable | None) -> Findings:
    """Of the study with some of its tables changed or, for None, missing."""
    return Findings.of(Study({key: one for key, one in {**TABLES, **changed}.items() if one is not None}), CROPS)


def says(key: str, *found: tuple[str, str, float, str]) -> str:
    """The sentences on a study that found something else: (table, column, figure, the words of all rows that hold it instead)."""
    changed = {}
    for name, column, value, words in found:
        one, at = changed.get(name, TABLES[name]), TABLES[name].columns.index(column)
        narrow = (value, value - 0.01, value + 0.01)
        rows = ((*row[:at], *narrow, *row[at + 3 :]) if {*words.split(", ")} <= {*row} else row for row in one.rows)
        changed[name] = only(one, *rows)
    return MAKERS[key](findings(**changed)).says


def sentences(words: str) -> int:
    return len(re.findall(r"[.?!](?=\s|$)", words))


def only(one: MeasuredTable, *rows: tuple[Cell, ...]) -> MeasuredTable:
    return MeasuredTable(one.title, one.columns, rows, one.note)


def test_the_page_is_sound_and_inert_and_light() -> None:
    page = Markup(WHOLE)
    assert page.problem == ""
    assert is_inert(WHOLE)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert len(WHOLE.encode()) < 700_000
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(WHOLE), re.IGNORECASE)


@pytest.mark.parametrize("key", MAKERS)
def test_every_question_has_two_sentences_a_figure_and_its_numbers(key: str) -> None:
    part = section(WHOLE, key)
    said = plain(re.search(r'class="tt-(?:says|lead)">(.*?)</(?:p>|span></h3>)', part, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert sentences(said) == 2
    assert re.search(r"\d\.\d", said), "with numbers"
    assert 'class="tt-how"' in part
    assert re.search('class="tt-(chart|smalls|fall|histograms|plots|looks)', part)
    assert "<details" in part


# What the sentences say, and that they say the opposite when the numbers do


@pytest.mark.parametrize(
    ("key", "found", "expected"),
    [
        ("short", [("summary", "value", 0.5, "base, AUC never seen")], "what is left is not shown to be better than a coin"),
        ("short", [("summary", "value", 0.98, "base, AUC never seen")], "Nothing is lost on the way"),
        ("collapse", [("matrix", "AUC", 0.5, "base, never seen")], "Mostly it collapses"),
        ("collapse", [("matrix", "AUC", 0.9, "base, never seen")], "Mostly something carries over"),
        ("glance", [("summary", "value", 0.3, "base, drop")], f"is shown for {len(OWN)} of {len(OWN)} detectors"),
        ("cost", [("cost", "difference", 0.2, "mean, new"), ("cost", "difference", -0.1, "mean, old")], "gains 0.2.* loses 0.1.* old one"),
        ("cost", [("cost", "difference", -0.2, "mean, new"), ("cost", "difference", 0.1, "mean, old")], "loses 0.2.* gains 0.1.* old one"),
        ("cost", [("cost", "difference", 0.15, "mean, never seen")], "two sources carry further than one"),
        ("cost", [("cost", "difference", 0.0, "mean, never seen")], "two sources are not shown to carry further than one"),
        ("attention", [("attention", "mean SSIM", 0.6, "base–all"), ("attention", "mean SSIM", 0.3, "chance")], "more alike .* by 0.3"),
        ("attention", [("attention", "mean SSIM", 0.3, "base–all"), ("attention", "mean SSIM", 0.3, "chance")], "shown to be more alike"),
        ("neurons", [("universal", "universal", 3, "trained"), ("universal", "universal", 3, "untrained")], "no difference is shown"),
        ("ablation", [("ablation_differences", "difference", 0.0, "mean, keep, strongest units")], "generalises is not shown"),
        ("ablation", [("ablation_differences", "difference", 0.05, "mean, keep, strongest units")], "every source adds something"),
        ("readout", [("readout_differences", "difference", 0.0, "never trained")], "not shown that listening to universal"),
        ("readout", [("readout_differences", "difference", 0.04, name) for name in ("never trained", "trained on")], "units alone helps"),
        ("readout", [("readout_differences", "difference", -0.2, "never trained")], "does harm"),
    ],
)  # fmt: skip
def test_sentences_follow_the_numbers(key: str, found: list[tuple[str, str, float, str]], expected: str) -> None:
    said = says(key, *found)
    assert re.search(expected, said)
    assert sentences(said) == 2


def test_tables_that_were_not_measured_leave_sentences_out() -> None:
    summary, gaps = TABLES["summary"], TABLES["readout_differences"]
    alone = findings(summary=only(summary, *(row for row in summary.rows if row[1] != "shipped")))
    assert text.NO_SHIPPED in transfer.glance(alone).says
    assert "leaves every unit its weight" not in MAKERS["neurons"](findings(universal_controls=None)).says
    refitted = findings(readout_differences=only(gaps, *(row for row in gaps.rows if "own head" not in str(row[1]))))
    assert "against all units with a readout fitted anew, it " in MAKERS["readout"](refitted).says
    shipped = {row[0] for row in TABLES["detectors"].rows} - set(OWN)
    own = findings(**{key: only(TABLES[key], *(row for row in TABLES[key].rows if row[0] not in shipped)) for key in ("summary", "matrix")})
    for key in ("short", "collapse"):
        assert MAKERS[key](own).says == says(key), "shipped detectors are no part of the means"


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


# Choosing, and what is drawn


def panels(part: str) -> dict[str, bool]:
    """By their numbers, whether the panels of a part are shown."""
    return {attributes["data-of"]: "hidden" not in attributes for _, attributes in Markup(part).tags if "data-of" in attributes}


@pytest.mark.parametrize("key", ["collapse", "glance", "attention", "neurons", "ablation"])
def test_what_is_chosen_is_shown_and_nothing_else(key: str) -> None:
    part = section(WHOLE, key)
    page, found = Markup(part), panels(part)
    chosen = page.of_class("tt-part-of")[0]["data-chosen"].split()
    checked = [attributes["value"] for attributes in page.of("input") if "checked" in attributes]
    assert checked == chosen, "the buttons say what is shown"
    for numbers, shown in found.items():
        assert shown == all(number in ("*", own) for number, own in zip(numbers.split(), chosen, strict=True))
    assert any(found.values())
    assert len({attributes["name"] for attributes in page.of("input")}) == len(chosen)


def test_every_training_is_drawn_with_its_marks_in_words_too() -> None:
    bars, heats, columns, maps = (section(WHOLE, key) for key in ("collapse", "glance", "neurons", "attention"))
    trainings = len(OWN) * len(TRAINED)
    assert len(panels(bars)) == trainings * 3 + 2
    assert len([one for one in Markup(bars).of("li") if "--v" in one.get("style", "")]) == len(TABLES["matrix"].rows)
    for relation in ("trained on", "added"):
        marked = sum(row[5] == relation for row in TABLES["matrix"].rows)
        assert heats.count(f'<span class="tt-heard"> ({relation})</span>') == marked
    assert len(Markup(columns).of_class("tt-all-sources")) == len(OWN) * 4 * (len(TRAINED) + 1)
    assert maps.count("url(data:image/jpeg") == len(CROPS), "faces come once"
    assert maps.count("url(data:image/webp") == len(TABLES["attention_maps"].rows), "and maps for every choice"
    assert text.NO_PICTURE in attention(Findings.of(Study(TABLES))).figure


def test_a_cold_map_is_clear_and_a_hot_one_is_not() -> None:
    for heat, most, least in ((np.zeros((4, 4)), 0, 0), (np.ones((4, 4)), 255, 200)):
        with Image.open(io.BytesIO(base64.b64decode(heat_uri(heat).partition(",")[2]))) as picture:
            assert least <= np.asarray(picture.convert("RGBA"))[..., 3].min() <= np.asarray(picture.convert("RGBA"))[..., 3].max() <= most


def test_a_long_table_is_packed_whole() -> None:
    found = re.findall(r'data-packed="([^"]+)"', section(WHOLE, "neurons"))
    unpacked = [zlib.decompress(base64.b64decode(one)).decode().split("\n") for one in found]
    assert [len(lines) - 1 for lines in unpacked] == [len(TABLES[key].rows) for key in ("universal", "universal_controls", "neurons")]
    assert unpacked[-1][0].split("\t") == list(TABLES["neurons"].columns)
    hostile = figures.packed_lines(("a",), ((HOSTILE + "\t\n",), (None,), (0.12345,), (-1200.5,), (7,)))
    assert hostile.split("\n") == ["a", HOSTILE + "  ", "", "0.1235", "-1200", "7"]


# What is missing or broken


def test_without_a_study_the_page_says_so_and_nothing_else() -> None:
    page = failures_page(Study(reason=ABSENT))
    assert Markup(page).problem == ""
    assert plain(page).count(ABSENT) == 2, "in the head and at the end"
    assert 'id="tt-m-collapse"' not in page


NEEDS = {
    "matrix": {"collapse", "glance"},
    "summary": {"short", "glance"},
    "cost": {"cost"},
    "attention": {"attention"},
    "neurons": {"neurons"},
    "universal": {"neurons"},
    "ablation": {"ablation"},
    "readout_differences": {"readout"},
}


@pytest.mark.parametrize("key", TABLES)
def test_a_missing_table_costs_its_own_parts_only(key: str) -> None:
    gone, reasons = set(), set()
    for name, make in MAKERS.items():
        try:
            make(findings(**{key: None, **({} if key == "attention_maps" else {"attention_maps": only(TABLES["attention_maps"])})}))
        except Unfit as unfit:
            gone.add(name)
            reasons.add(str(unfit))
    assert gone == NEEDS.get(key, set())
    assert reasons == ({f"The study has no table “{key}”."} if gone else set())


@pytest.mark.parametrize("key", TABLES)
def test_a_table_that_does_not_fit_breaks_no_part(key: str) -> None:
    """Every column in turn is missing, or holds nothing, the wrong kind or an impossible number; and the table is empty."""
    small = {name: only(one, *one.rows[:: max(1, len(one.rows) // 24)]) for name, one in TABLES.items()}
    users = [make for make in MAKERS.values() if TABLES[key].title in {table.title for table in make(findings()).tables}]
    users = users or ([attention] if key == "example_faces" else [transfer.collapse])
    for broken in (*misfits(small[key], most=1e299), MeasuredTable(TABLES[key].title, ("odd",), ((1,),))):
        at, drawn = Findings.of(Study({**small, key: broken}), CROPS), ""
        for make in users:
            with suppress(Unfit):
                part = make(at)
                drawn += f"{part.says}{part.figure}".partition("</style>")[2] or f"{part.says}{part.figure}"
        read = Markup(drawn)
        assert read.problem == ""
        assert not re.search(r"\b(nan|inf)\b", read.words)


def test_hostile_words_stay_words() -> None:
    keys = {"base", "top", "all", "shipped", "trained on", "added", "never seen", "trained", "untrained", "mean", "keep", "chance", ""}

    def spoilt(cell: Cell) -> Cell:
        return cell if not isinstance(cell, str) or cell in keys or len(cell) > 60 else f"{HOSTILE}{cell}"

    found = {}
    for key, one in TABLES.items():
        rows = one.rows[:40] if key == "attention_maps" else one.rows[:300]
        found[key] = MeasuredTable(HOSTILE, one.columns, tuple(tuple(map(spoilt, row)) for row in rows), HOSTILE)
    study = Study(found, left_out=(HOSTILE,), caveat=HOSTILE)
    for page in (failures_page(study, {HOSTILE: noise(8, 8)}), failures_page(Study(reason=HOSTILE))):
        assert is_inert(page)
        assert Markup(page).problem == ""
        assert HOSTILE in Markup(page).words


@pytest.mark.parametrize("values", ["zz" * 16, "ff" * 15, "é" * 32])
@pytest.mark.parametrize("side", [4, -4, 17, 4.5, "4", 1e299])
def test_a_map_that_is_none_is_not_drawn(side: Cell, values: str) -> None:
    one = TABLES["attention_maps"]
    figure = attention(findings(attention_maps=only(one, *((*row[:5], side, row[6], values) for row in one.rows[:6])))).figure
    assert text.NO_MAPS in figure
    assert "image/webp" not in figure
    assert "tt-chart" in figure, "the SSIMs do not need the maps"


# The files


def test_the_results_file_is_read_whole_and_by_its_own_schema() -> None:
    assert (STUDY.reason, STUDY.left_out) == ("", ())
    assert STUDY.caveat in plain(section(WHOLE, "short"))
    assert read_study(ZEROSHOT_FILE).reason == OTHER_FORM, "it is not the other study"


def test_examples_are_cut_where_the_study_says_and_nothing_else_is_opened(tmp_path: Path) -> None:
    files, one = {name: EXAMPLES / name for name in ("astronaut.png", "grace_hopper.jpg")}, TABLES["example_faces"]
    found = example_crops(Study(TABLES), files)
    assert {name: crop.shape for name, crop in found.items()} == dict.fromkeys(files, (160, 160, 3))
    assert example_crops(Study(), files) == {}
    secret = tmp_path / "secret.png"
    secret.write_bytes((EXAMPLES / "astronaut.png").read_bytes())
    for row in (
        ("../secret.png", 0, 0, 100, 100, 0),
        ("secret.png", 0, 0, 100, 100, 0),
        ("astronaut.png", 100, 100, 0, 0, 0),
        ("astronaut.png", -500, 0, 100, 600, 0),
        ("astronaut.png", "a", None, 100, 100, 0),
        ("astronaut.png", 0, 0, 1e299, 1e299, 0),
        (3, 0, 0, 100, 100, 0),
    ):
        assert example_crops(Study({"example_faces": only(one, row)}), {**files, "secret.png": secret, "../secret.png": secret}) == {}, row
    assert example_crops(Study({"example_faces": MeasuredTable("x", ("example",), (("astronaut.png",),))}), files) == {}
