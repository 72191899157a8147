"""The page *Why detectors fail*: two sentences for each question, which follow the numbers; every choice in place; broken tables named."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.tables import Estimate
from attribution.measured import figures
from attribution.measured.attention import heat_uri
from attribution.measured.failures import failures_page
from attribution.measured.study import ABSENT, OTHER_FORM, STUDY_FILE, ZEROSHOT_FILE, ZEROSHOT_SCHEMA, Study, read_study
from attribution.measured.zeroshot import decided, over
from attribution.text import failures as text
from attribution.text import limits as limits_text
from attribution.web.example_crops import example_crops
from limits_samples import write_study
from samples import HOSTILE, Markup, is_inert, misfits, noise, plain, section
from zeroshot_tables import CAVEAT, DETECTORS, OWN, TRAINED, World, tables, write_zeroshot

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CROPS = {"astronaut.png": noise(64, 64), "landmark_swap.png": noise(64, 64, 1)}
TABLES = tables()
WHOLE = failures_page(Study(TABLES, caveat=CAVEAT), CROPS)


def world(**changes: float) -> str:
    """The page of a study that found something else; its many maps would be the same."""
    return failures_page(Study({key: one for key, one in tables(World(**changes)).items() if key != "attention_maps"}))


def says(key: str, markup: str = WHOLE) -> str:
    found = re.search(r'<p class="tt-(?:says|lead)">(.*?)</p>', section(markup, key), re.DOTALL)
    assert found
    return plain(found.group())


def sentences(words: str) -> int:
    return len(re.findall(r"[.?!](?=\s|$)", words))


def with_table(key: str, one: MeasuredTable) -> Study:
    return Study({**TABLES, key: one})


def test_the_page_is_sound_and_inert_and_light() -> None:
    page = Markup(WHOLE)
    assert page.problem == ""
    assert is_inert(WHOLE)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert len(WHOLE.encode()) < 700_000


def test_every_question_has_two_sentences_a_figure_and_its_numbers() -> None:
    assert set(text.TITLES) | {"short"} == set(text.READING)
    for key in (*text.TITLES, "short"):
        part = section(WHOLE, key)
        assert sentences(says(key)) == 2, key
        assert re.search(r"\d\.\d", says(key)), "with numbers"
        assert limits_text.HOW in part
        assert re.search('class="tt-(chart|smalls|fall|histograms|plots|looks)', part), key
        assert "<details" in part
    for title in text.TITLES.values():
        assert title.endswith("?")
        assert title in plain(WHOLE)


def test_the_head_says_what_was_done_and_what_it_is_to_be_read_with() -> None:
    head = section(WHOLE, "short")
    done = plain(re.search(r'<p class="tt-done">(.*?)</p>', head, re.DOTALL).group())  # type: ignore[union-attr]
    assert sentences(done) == 3
    assert done.startswith("Six detectors were each trained six times")
    assert "asked about ten sources" in done
    assert CAVEAT in plain(head)


def test_contents_lead_to_every_part_and_nowhere_else() -> None:
    page = Markup(WHOLE)
    links = {attributes["href"] for attributes in page.of("a")}
    assert links == {f"#{attributes['id']}" for attributes in page.of("section")}


def test_nobody_is_called_real() -> None:
    assert not re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", plain(WHOLE), re.IGNORECASE)


# What the sentences say, and that they say the opposite when the numbers do


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "what is left is better than a coin (0.5): a little carries over"),
        ({"never_seen": 0.5, "spread": 0.02}, "what is left is not shown to be better than a coin"),
        ({"never_seen": 0.3}, "what is left is worse than a coin"),
        ({"never_seen": 0.93}, "Whether anything is lost on the way is not decided"),
        ({"trained_on": 0.6, "never_seen": 0.9}, "Nothing is lost on the way"),
    ],
    ids=["a little", "a coin", "worse", "not decided", "better"],
)
def test_the_conclusion_follows_the_means(changes: dict[str, float], expected: str) -> None:
    page = world(**changes)
    assert expected in says("short", page)
    assert sentences(says("short", page)) == 2


def test_the_collapse_counts_what_is_better_than_a_coin() -> None:
    never = [row for row in TABLES["matrix"].rows if row[1] == "base" and row[5] == "never seen"]
    better = sum(row[8] > 0.5 for row in never)  # type: ignore[operator]
    worse = sum(row[9] < 0.5 for row in never)  # type: ignore[operator]
    expected = f"of {len(never)} pairs of a trained detector and a source that it never saw, {better} are shown to be better than a coin"
    assert f"{expected}, {worse} are worse, and {len(never) - better - worse} are not decided." in says("collapse")
    assert says("collapse", world(never_seen=0.5, spread=0.01)).startswith("Mostly it collapses")
    assert "No detector does worse on a source" in says("collapse", world(trained_on=0.5, never_seen=0.95, spread=0.0))


def test_losses_are_those_of_the_detectors_and_shipped_ones_stand_beside_them() -> None:
    assert f"is shown for {len(OWN)} of {len(OWN)} detectors" in says("glance")
    assert "the default detector of this app reaches 0.9" in says("glance")
    assert f"is shown for 0 of {len(OWN)} detectors" in says("glance", world(never_seen=0.93, half=0.2))
    alone = MeasuredTable("Means", TABLES["summary"].columns, tuple(row for row in TABLES["summary"].rows if row[1] != "shipped"))
    assert text.NO_SHIPPED in says("glance", failures_page(with_table("summary", alone)))


def test_what_a_second_source_buys_and_costs_is_said_with_its_sign() -> None:
    assert re.search(r"a detector gains 0\.1\d \(.*?\) on the new source and loses 0\.0\d+ \(.*?\) on the old one", says("cost"))
    assert "two sources are not shown to carry further than one" in says("cost")
    turned = says("cost", world(new=-0.2, old=0.1, carried=0.15))
    assert re.search(r"a detector loses 0\.1\d \(.*?\) on the new source and gains 0\.0\d+", turned)
    assert "two sources carry further than one" in turned
    assert says("cost", world(new=0.0, old=0.0)).count("is not shown to change") == 6


def test_attention_is_held_against_chance() -> None:
    assert "the maps are more alike than those of different faces by 0.3" in says("attention")
    assert "are not shown to be more alike" in says("attention", world(ssim=0.3))
    assert "are even less alike" in says("attention", world(ssim=0.1))
    for ssim in (0.62, 0.3, 0.1):
        assert sentences(says("attention", world(ssim=ssim))) == 2


def test_universal_units_are_held_against_the_untrained_network() -> None:
    assert "no difference is shown" in says("neurons", world(learned=0.05, born=0.05))
    assert "is no evidence that anything was learned" in says("neurons", world(learned=0.01, born=0.3))
    assert ", more by " in says("neurons", world(learned=0.01, born=0.3))
    more = says("neurons", world(learned=0.4, born=0.0))
    assert "training makes units universal" in more
    assert "in 36 of 36 trainings" not in says("neurons", world(learned=0.0, born=0.0))
    assert "and in 0 more than luck that leaves every unit its weight" in more
    without = Study({key: one for key, one in TABLES.items() if key != "universal_controls"})
    assert "leaves every unit its weight" not in plain(failures_page(without))


def test_the_ablation_is_held_against_strong_units_not_only_against_random_ones() -> None:
    page = world(kept_above_random=0.1, kept_above_strongest=0.0)
    assert "as many units at random it gains" in says("ablation", page)
    assert says("ablation", page).endswith("that universal units carry what generalises is not shown.")
    better = says("ablation", world(kept_above_random=0.1, kept_above_strongest=0.05))
    assert better.endswith("being strong on every source adds something to being strong.")
    harmful = says("ablation", world(kept_above_strongest=-0.1))
    assert "on the source trained on alone it loses" in harmful
    assert "not shown" in harmful


def test_the_readout_is_judged_where_the_default_never_trained() -> None:
    assert "is not shown to change" in says("readout")
    assert "So it is not shown that listening to universal units alone helps." in says("readout")
    assert "alone helps." in says("readout", world(readout=0.04))
    assert "does harm." in says("readout", world(readout=-0.2))
    refitted = [row for row in TABLES["readout_differences"].rows if "own head" not in str(row[1])]
    page = failures_page(with_table("readout_differences", MeasuredTable("R", TABLES["readout_differences"].columns, tuple(refitted))))
    assert "against all units with a readout fitted anew, it loses" in says("readout", page)


def test_an_interval_decides_only_when_it_leaves_out_zero() -> None:
    assert decided(Estimate(0.1, 0.01, 0.2)) == 1
    assert decided(Estimate(-0.1, -0.2, -0.01)) == -1
    assert [decided(one) for one in (None, Estimate(0.5), Estimate(0.1, 0.0, 0.2), Estimate(0.1, -0.1, 0.2))] == [0, 0, 0, 0]
    assert decided(Estimate(0.6, 0.52, 0.7), 0.5) == 1


def test_a_mean_over_few_detectors_has_the_wide_interval_of_student() -> None:
    assert over([]) is None
    assert over([0.4]) == Estimate(0.4)
    two = over([0.4, 0.6])
    assert two is not None
    assert (two.low, two.high) == (pytest.approx(0.5 - 12.71 * 0.1), 1.0)
    three = over([0.4, 0.5, 0.6])
    assert three is not None
    assert three.low == pytest.approx(0.5 - 4.3 * 0.1 / 3**0.5)
    assert over([0.9, 1.0, 0.98, 1.0], 0.0).high == 1.0  # type: ignore[union-attr]


# Choosing


def panels(part: str) -> dict[str, bool]:
    """By their numbers, whether the panels of a part are shown."""
    return {attributes["data-of"]: "hidden" not in attributes for _, attributes in Markup(part).tags if "data-of" in attributes}


@pytest.mark.parametrize("key", ["collapse", "glance", "attention", "neurons", "ablation"])
def test_what_is_chosen_is_shown_and_nothing_else(key: str) -> None:
    part = section(WHOLE, key)
    found = panels(part)
    page = Markup(part)
    chosen = page.of_class("tt-part-of")[0]["data-chosen"].split()
    checked = [attributes["value"] for attributes in page.of("input") if "checked" in attributes]
    assert checked == chosen, "the buttons say what is shown"
    for numbers, shown in found.items():
        assert shown == all(number in ("*", own) for number, own in zip(numbers.split(), chosen, strict=True))
    assert any(found.values())
    names = {attributes["name"] for attributes in page.of("input")}
    assert len(names) == len(chosen)


def test_every_training_has_its_bars_with_intervals_and_its_relation_in_words() -> None:
    part = section(WHOLE, "collapse")
    assert len(panels(part)) == len(OWN) * len(TRAINED) * 3 + 2
    for relation in text.RELATIONS.values():
        assert f'<li class="tt-relation">{relation}</li>' in part
    rows = [attributes for attributes in Markup(part).of("li") if "--v" in attributes.get("style", "")]
    assert len(rows) == len(TABLES["matrix"].rows)
    assert re.search(r"<b>FLUX\.1</b>0\.\d\d \(0\.\d\d–0\.\d\d\)", part)


def test_heat_tables_mark_what_was_seen_in_words_too() -> None:
    part = section(WHOLE, "glance")
    assert part.count('<span class="tt-heard"> (trained on)</span>') == len(OWN) * len(TRAINED) * 3 + 2 * len(TRAINED)
    assert part.count('<span class="tt-heard"> (added)</span>') == len(OWN) * len(TRAINED) * 2
    shown = re.findall(r'<td class="tt-coin-cell[^"]*">(\([^)]*\))', part)
    assert shown
    assert all(re.fullmatch(r"\(\.\d\d\)", one) for one in shown)


def test_histograms_stand_beside_those_of_the_untrained_network() -> None:
    part = section(WHOLE, "neurons")
    for words in text.STATES.values():
        assert f"<figcaption>{words}</figcaption>" in part
    assert "luck that leaves every unit its weight" in part
    assert len(Markup(part).of_class("tt-all-sources")) == len(OWN) * 4 * (len(TRAINED) + 1)


def test_every_curve_is_in_one_frame() -> None:
    part = Markup(section(WHOLE, "ablation"))
    assert len(part.of("svg")) == 2
    assert len(part.of("g")) == 2 * len(OWN) * (len(TRAINED) + 1)
    assert len(part.of_class("tt-o")) == len(OWN), "the strongest units were measured for the mean"


def test_faces_come_once_and_maps_for_every_choice() -> None:
    part = section(WHOLE, "attention")
    assert part.count("url(data:image/jpeg") == len(CROPS)
    assert part.count("url(data:image/webp") == len(TABLES["attention_maps"].rows)
    assert text.IS_MANIPULATED in part
    assert text.IS_UNTOUCHED in part
    assert text.NO_PICTURE not in part
    assert text.NO_PICTURE in plain(failures_page(Study(TABLES)))


def test_a_cold_map_is_clear_and_a_hot_one_is_not() -> None:
    import io

    from PIL import Image

    def drawn(heat: np.ndarray) -> np.ndarray:
        with Image.open(io.BytesIO(base64.b64decode(heat_uri(heat).partition(",")[2]))) as picture:
            return np.asarray(picture.convert("RGBA"))

    assert drawn(np.zeros((4, 4)))[..., 3].max() == 0
    hot = drawn(np.ones((4, 4)))
    assert hot.shape == (4, 4, 4)
    assert hot[..., 3].min() > 200
    assert hot[0, 0, 0] > 200, "the hot end of the map is yellow"


def test_a_long_table_is_packed_whole() -> None:
    found = re.findall(r'data-packed="([^"]+)"', section(WHOLE, "neurons"))
    unpacked = [zlib.decompress(base64.b64decode(one)).decode().split("\n") for one in found]
    assert [len(lines) - 1 for lines in unpacked] == [len(TABLES[key].rows) for key in ("universal", "universal_controls", "neurons")]
    assert unpacked[-1][0].split("\t") == list(TABLES["neurons"].columns)
    hostile = figures.packed_lines(("a",), ((HOSTILE + "\t\n",), (None,), (0.12345,), (-1200.5,), (7,)))
    assert hostile.split("\n") == ["a", HOSTILE + "  ", "–", "0.123", "-1.2e+03", "7"]


# What is missing or broken


def test_without_a_study_the_page_says_so_and_nothing_else() -> None:
    page = failures_page(Study(reason=ABSENT))
    assert Markup(page).problem == ""
    assert plain(page).count(ABSENT) == 2, "in the head and at the end"
    assert 'id="tt-m-collapse"' not in page


@pytest.mark.parametrize("key", TABLES)
def test_a_missing_table_costs_its_own_parts_only(key: str) -> None:
    page = failures_page(Study({name: one for name, one in TABLES.items() if name != key}), CROPS)
    assert Markup(page).problem == ""
    needs = {
        "matrix": {"collapse", "glance"},
        "summary": {"glance"},
        "cost": {"cost"},
        "attention": {"attention"},
        "neurons": {"neurons"},
        "universal": {"neurons"},
        "ablation": {"ablation"},
        "readout_differences": {"readout"},
    }
    gone = {one for one in text.TITLES if f'id="tt-m-{one}"' not in page}
    assert gone == needs.get(key, set())
    if gone:
        assert f"The study has no table “{key}”." in plain(page[page.index('id="tt-m-missing"') :])


# Tables of one part.
TOGETHER = (
    ("matrix", "summary"),
    ("cost",),
    ("attention", "attention_maps", "example_faces"),
    ("neurons", "universal", "universal_controls"),
    ("ablation", "ablation_differences"),
    ("readout", "readout_differences"),
)


@pytest.mark.parametrize("key", TABLES)
def test_a_table_that_does_not_fit_never_breaks_the_page(key: str) -> None:
    """Every column in turn is missing, or holds nothing, the wrong kind or an impossible number; and the table is empty."""
    whole = TABLES[key]
    one = MeasuredTable(whole.title, whole.columns, whole.rows[:: max(1, len(whole.rows) // 30)])
    variants = [*misfits(one, most=1e299), MeasuredTable(one.title, ("odd",), ((1,),))]
    beside = {"detectors", "sources", *next((group for group in TOGETHER if key in group), ("matrix", "summary"))}
    small = {name: MeasuredTable(TABLES[name].title, TABLES[name].columns, TABLES[name].rows[:12]) for name in beside}
    for broken in variants:
        page = failures_page(Study({**small, key: broken}), CROPS)
        read = Markup(page.partition("</style>")[2])
        assert read.problem == ""
        assert not re.search(r"\b(nan|inf)\b", read.words)
        assert len(page) < 700_000


def test_hostile_words_stay_words() -> None:
    keys = {"base", "top", "all", "shipped", "trained on", "added", "never seen", "trained", "untrained", "mean", "keep", "chance", ""}

    def spoilt(cell: Cell) -> Cell:
        return cell if not isinstance(cell, str) or cell in keys or len(cell) > 60 else f"{HOSTILE}{cell}"

    found = {}
    for key, one in TABLES.items():
        rows = tuple(tuple(map(spoilt, row)) for row in one.rows)
        found[key] = MeasuredTable(HOSTILE, one.columns, rows, HOSTILE)
    page = failures_page(Study(found, left_out=(HOSTILE,), caveat=HOSTILE), {HOSTILE: noise(8, 8)})
    assert is_inert(page)
    assert Markup(page).problem == ""
    assert HOSTILE in Markup(page).words
    assert is_inert(failures_page(Study(reason=HOSTILE)))


@pytest.mark.parametrize("values", ["", "zz" * 16, "ff" * 15, "ff" * 17, "é" * 32, "ff " * 16])
@pytest.mark.parametrize("side", [4, 0, -4, 17, 4.5, "4", None, 1e299])
def test_a_map_that_is_none_is_not_drawn(side: Cell, values: str) -> None:
    one = TABLES["attention_maps"]
    rows = tuple((*row[:5], side, row[6], values) for row in one.rows)
    page = failures_page(with_table("attention_maps", MeasuredTable(one.title, one.columns, rows)), CROPS)
    assert text.NO_MAPS in plain(page)
    assert "image/webp" not in page
    assert "tt-chart" in section(page, "attention"), "the SSIMs do not need the maps"


def test_a_table_that_is_not_well_formed_is_named() -> None:
    page = failures_page(Study(TABLES, left_out=("cost<b>",)))
    assert "The study’s table “cost<b>” is not well formed." in plain(page)


# The file


def test_the_results_file_is_read_by_its_own_schema(tmp_path: Path) -> None:
    file = write_zeroshot(tmp_path / "zeroshot.json")
    found = read_study(file, ZEROSHOT_SCHEMA)
    assert (found.reason, found.left_out, found.caveat) == ("", (), CAVEAT)
    assert failures_page(found, CROPS) == WHOLE
    assert read_study(file).reason == OTHER_FORM, "it is not the other study"
    assert read_study(write_study(tmp_path / "study.json"), ZEROSHOT_SCHEMA).reason == OTHER_FORM


def test_the_results_of_this_copy_are_drawn_whole_or_said_to_be_absent() -> None:
    found = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA)
    assert found.left_out == ()
    assert bool(found.tables) == ZEROSHOT_FILE.is_file() == (found.reason == "")
    assert ZEROSHOT_FILE.parent == STUDY_FILE.parent
    page = failures_page(found)
    assert Markup(page).problem == ""
    if found.tables:
        assert [key for key in text.TITLES if f'id="tt-m-{key}"' not in page] == []
        assert {key: sentences(says(key, page)) for key in (*text.TITLES, "short")} == dict.fromkeys((*text.TITLES, "short"), 2)
        assert len(page.encode()) < 700_000


def test_examples_are_cut_where_the_study_says_and_nothing_else_is_opened(tmp_path: Path) -> None:
    files = {name: EXAMPLES / name for name in ("astronaut.png", "grace_hopper.jpg")}
    found = example_crops(Study(TABLES), files)
    assert {name: crop.shape for name, crop in found.items()} == dict.fromkeys(files, (160, 160, 3))
    assert example_crops(Study(), files) == {}
    one = TABLES["example_faces"]
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
        odd = Study({"example_faces": MeasuredTable(one.title, one.columns, (row,))})
        assert example_crops(odd, {**files, "secret.png": secret, "../secret.png": secret}) == {}, row
    assert example_crops(Study({"example_faces": MeasuredTable("x", ("example",), (("astronaut.png",),))}), files) == {}


def test_shipped_detectors_are_no_part_of_the_means() -> None:
    shipped = {name for name, *_ in DETECTORS} - set(OWN)
    page = failures_page(Study({**TABLES, "summary": _without(TABLES["summary"], shipped), "matrix": _without(TABLES["matrix"], shipped)}))
    assert says("short", page) == says("short")
    assert says("collapse", page) == says("collapse")


def _without(one: MeasuredTable, names: set[str]) -> MeasuredTable:
    return MeasuredTable(one.title, one.columns, tuple(row for row in one.rows if row[0] not in names), one.note)
