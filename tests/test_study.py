"""The study's file as the product reads it: whatever is wrong with it gives a sentence, never an exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attribution.measured import study
from attribution.measured.study import ABSENT, OTHER_FORM, UNREADABLE, Study, read_study
from limits_samples import STUDY, study_json, write_study


def test_a_study_is_read_whole_and_a_missing_one_said_to_be_missing(tmp_path: Path) -> None:
    assert read_study(tmp_path / "study.json") == Study(reason=ABSENT)
    assert read_study(write_study(tmp_path / "study.json")) == Study(STUDY)
    assert read_study().left_out == (), "that of this copy"


def test_what_cannot_be_read_gives_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_study(tmp_path).reason == UNREADABLE, "a folder"
    file = tmp_path / "study.json"
    cut = b'{"schema": "telltale-study/1", "tables": '
    for content in (b"", b"{", b"\xff\xfe", cut, b"[" * 100_000, b'{"a": "\\ud800"}', b"\x00" * 64):
        file.write_bytes(content)
        assert read_study(file) == Study(reason=UNREADABLE), content[:50]
    form = {"schema": "telltale-study/1"}
    for data in (None, [], 3, {}, {"schema": "telltale-study/2", "tables": {}}, form, {**form, "tables": []}, {**form, "tables": {}}):
        file.write_text(json.dumps(data), encoding="utf-8")
        assert read_study(file) == Study(reason=OTHER_FORM), data
    monkeypatch.setattr(study, "MOST_BYTES", 100)
    assert read_study(write_study(file)).reason == OTHER_FORM, "a huge file is not read"


def test_what_was_the_default_when_it_was_measured_is_called_the_first_default(tmp_path: Path) -> None:
    file, now = tmp_path / "study.json", "the first default detector (telltale-mobilenetv2, which telltale-attribution has replaced)"
    for said, read in (
        ("shorter than the shipped detector.", f"shorter than {now}."),
        ("the default detector of this app", now),
        ("The default by units; the default's network", "The first default by units; the first default's network"),
        ("at the default threshold; those of the shipped detectors", "at the default threshold; those of the shipped detectors"),
    ):
        file.write_text(json.dumps({**study_json(), "caveat": said}), encoding="utf-8")
        assert read_study(file).caveat == read


BROKEN: list[Any] = [
    None,
    [],
    *({"title": "x", **one} for one in ({"columns": ["a"]}, {"columns": [], "rows": []}, {"columns": "ab", "rows": [["1", "2"]]})),
    *({"title": "x", "columns": ["a"], "rows": [row]} for row in (["1", "2"], "1", [{"b": 1}], [True], [float("nan")], [10**400])),
    {"title": "x", "columns": [1], "rows": [[1]]},
    *({"title": title, "columns": ["a"], "rows": [[1]]} for title in (3, "x" * 5000)),
    {"title": "x", "columns": ["a"], "rows": [[1]], "note": 4},
]  # fmt: skip


@pytest.mark.parametrize("bad", BROKEN, ids=lambda bad: str(bad)[:60])
def test_a_broken_table_is_left_out_and_named_and_takes_no_other_with_it(tmp_path: Path, bad: Any) -> None:
    data = study_json({"tried": STUDY["tried"]})
    data["tables"]["matrix"] = bad
    (tmp_path / "study.json").write_text(json.dumps(data), encoding="utf-8")
    assert read_study(tmp_path / "study.json") == Study({"tried": STUDY["tried"]}, left_out=("matrix",))


@pytest.mark.parametrize(("given", "read"), [("Short trainings.", "Short trainings."), ("x" * 5000, "x" * 600), (7, ""), (None, "")])
def test_what_the_study_is_to_be_read_with_is_read_and_cut(tmp_path: Path, given: Any, read: str) -> None:
    file = tmp_path / "study.json"
    file.write_text(json.dumps({**study_json(), "caveat": given}), encoding="utf-8")
    assert read_study(file).caveat == read
