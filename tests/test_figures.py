"""Figures of the pages of measurements: what is drawn where it should be, said in words too, and inert whatever the words are."""

from __future__ import annotations

import base64
import zlib

import pytest

from attribution.detectors.card import MeasuredTable
from attribution.measured import figures
from attribution.render.palette import DARK, LIGHT, Tones, contrast, levels
from samples import HOSTILE, Markup, is_inert


@pytest.mark.parametrize("tones", [LIGHT, DARK], ids=["light", "dark"])
def test_ink_can_be_read_on_every_level_and_neighbouring_levels_differ(tones: Tones) -> None:
    steps = levels(tones, figures.HEAT_LEVELS + 1)
    assert steps[0] == tones.surface
    assert len(set(steps)) == figures.HEAT_LEVELS + 1
    assert all(contrast(tones.ink, step) >= 4.5 for step in steps)


@pytest.mark.parametrize("count", [2, 61])
def test_a_table_is_lines_for_its_csv_and_packed_when_it_is_long(count: int) -> None:
    table = MeasuredTable("A table: of 2", ("name", "share"), tuple((f"row\t{number}", number / 7) for number in range(count)), "A note.")
    page = Markup(figures.numbers(table, str.upper, ()))
    assert page.problem == ""
    assert page.of("button")[0]["data-name"] == "a-table-of-2.csv"
    packed = [one["data-packed"] for one in page.of("p") if "data-packed" in one]
    assert len(packed) == (count > 60)
    lines = zlib.decompress(base64.b64decode(packed[0])).decode() if packed else page.words
    assert "NAME\tSHARE\nROW 0\t0\nROW 1\t0.1429" in lines
    assert "A note." in page.words
    assert "SHARE" not in Markup(figures.numbers(table, str.upper, ("share",))).words


def test_hostile_words_stay_words() -> None:
    table = MeasuredTable(HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE)
    markup = figures.numbers(table, str)
    assert is_inert(markup)
    assert Markup(markup).problem == ""
    assert HOSTILE in Markup(markup).words
