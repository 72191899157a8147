"""The study's file as the product reads it: whatever is wrong with it gives a sentence, never an exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attribution.measured import study
from attribution.measured.study import ABSENT, OTHER_FORM, STUDY_FILE, UNREADABLE, Study, read_study
from limits_samples import STUDY, study_json, write_study


def test_a_study_is_read_whole(tmp_path: Path) -> None:
    found = read_study(write_study(tmp_path / "study.json"))
    assert found.reason == ""
    assert found.left_out == ()
    assert found.tables == STUDY


def test_a_missing_study_is_said_to_be_missing(tmp_path: Path) -> None:
    assert read_study(tmp_path / "study.json") == Study(reason=ABSENT)


def test_the_study_of_this_copy_is_whole_or_is_said_to_be_absent() -> None:
    found = read_study()
    assert found.left_out == ()
    assert bool(found.tables) == STUDY_FILE.is_file() == (found.reason == "")


def test_a_folder_in_its_place_is_unreadable(tmp_path: Path) -> None:
    assert read_study(tmp_path).reason == UNREADABLE


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"schema": "telltale-study/1", "tables": ', b"[" * 100_000, b'{"a": "\\ud800"}', b"\x00" * 64],
    ids=["empty", "cut", "no UTF-8", "cut within", "deep", "half a character", "zeros"],
)
def test_broken_bytes_give_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.json").write_bytes(content)
    assert read_study(tmp_path / "study.json") == Study(reason=UNREADABLE)


@pytest.mark.parametrize(
    "data",
    [None, [], 3, "study", {}, {"schema": "telltale-study/2", "tables": {}}, {"schema": "telltale-study/1"},
     {"schema": "telltale-study/1", "tables": []}, {"schema": "telltale-study/1", "tables": {}}],
    ids=str,
)  # fmt: skip
def test_another_form_gives_a_sentence(tmp_path: Path, data: Any) -> None:
    (tmp_path / "study.json").write_text(json.dumps(data), encoding="utf-8")
    assert read_study(tmp_path / "study.json") == Study(reason=OTHER_FORM)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {"title": "x", "columns": ["a"]},
        {"title": "x", "columns": [], "rows": []},
        {"title": "x", "columns": "ab", "rows": [["1", "2"]]},
        {"title": "x", "columns": ["a"], "rows": [["1", "2"]]},
        {"title": "x", "columns": ["a"], "rows": ["1"]},
        {"title": "x", "columns": ["a"], "rows": [[{"b": 1}]]},
        {"title": "x", "columns": ["a"], "rows": [[True]]},
        {"title": "x", "columns": ["a"], "rows": [[float("nan")]]},
        {"title": "x", "columns": ["a"], "rows": [[10**400]]},
        {"title": "x", "columns": [1], "rows": [[1]]},
        {"title": 3, "columns": ["a"], "rows": [[1]]},
        {"title": "x" * 5000, "columns": ["a"], "rows": [[1]]},
        {"title": "x", "columns": ["a"], "rows": [[1]], "note": 4},
    ],
)
def test_a_broken_table_is_left_out_and_named_and_takes_no_other_with_it(tmp_path: Path, bad: Any) -> None:
    data = study_json({"tried": STUDY["tried"]})
    data["tables"]["matrix"] = bad
    (tmp_path / "study.json").write_text(json.dumps(data), encoding="utf-8")
    found = read_study(tmp_path / "study.json")
    assert found.tables == {"tried": STUDY["tried"]}
    assert found.left_out == ("matrix",)
    assert found.reason == ""


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "MOST_BYTES", 100)
    assert read_study(write_study(tmp_path / "study.json")).reason == OTHER_FORM


def test_what_the_study_is_to_be_read_with_is_read_and_cut(tmp_path: Path) -> None:
    table = {"title": "T", "columns": ["a"], "rows": [[1]], "note": ""}
    file = tmp_path / "study.json"
    for given, read in (("Short trainings.", "Short trainings."), ("x" * 5000, "x" * 600), (7, ""), (None, "")):
        file.write_text(json.dumps({"schema": "telltale-study/1", "caveat": given, "tables": {"rq1": table}}), encoding="utf-8")
        assert read_study(file).caveat == read
