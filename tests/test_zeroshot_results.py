"""The one command of the generalisability study: from finished runs to the file that the page reads, and to the README's lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attribution.lab.cli import main
from attribution.measured.study import ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study

# What the page draws; the lab writes these and no others.
KEYS = {
    "detectors", "sources", "matrix", "summary", "cost", "attention", "attention_maps", "example_faces", "neurons", "universal",
    "universal_controls", "timing", "ablation", "ablation_differences", "readout", "readout_differences",
}  # fmt: skip


def test_the_committed_results_are_whole_and_light() -> None:
    study = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA)
    assert not study.reason
    assert not study.left_out
    assert study.caveat
    assert set(study.tables) == KEYS
    assert ZEROSHOT_FILE.stat().st_size < 1_000_000


def test_the_matrix_is_complete() -> None:
    """At least five detectors, each trained on at least five sources; all three variants asked about every source."""
    matrix = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA).tables["matrix"]
    place = {name: matrix.columns.index(name) for name in ("detector", "variant", "trained on", "tested on", "relation", "AUC")}
    rows = [{name: row[at] for name, at in place.items()} for row in matrix.rows]
    trained = [row for row in rows if row["variant"] != "shipped"]
    detectors, sources = {row["detector"] for row in trained}, {row["trained on"] for row in trained}
    tested = {row["tested on"] for row in trained}
    assert len(detectors) >= 5
    assert len(sources) >= 5
    assert sources <= tested
    asked = {(row["detector"], row["variant"], row["trained on"], row["tested on"]) for row in trained}
    assert len(asked) == len(trained) == len(detectors) * 3 * len(sources) * len(tested)
    assert all(isinstance(row["AUC"], float) and 0 <= row["AUC"] <= 1 for row in trained)
    assert {row["relation"] for row in trained if row["trained on"] == row["tested on"]} == {"trained on"}


def test_the_plan_names_every_run_and_the_data() -> None:
    plan = json.loads(ZEROSHOT_FILE.read_text(encoding="utf-8"))["plan"]
    assert len(plan["data_sha256"]) == 64
    assert plan["seed"] == 7
    detectors = {run["name"].split("/")[0] for run in plan["runs"]}
    assert len(plan["runs"]) == len(detectors) * 18
    assert all(run["steps"] > 0 for run in plan["runs"])


def test_the_causality_took_less_than_a_minute() -> None:
    timing = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA).tables["timing"]
    rows = [dict(zip(timing.columns, row, strict=True)) for row in timing.rows]
    assert any(row["units"] == 1024 and row["sources"] == 5 and float(row["seconds"] or 99) <= 60 for row in rows)


def test_without_the_data_the_command_says_how_to_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TELLTALE_DATA", raising=False)
    pretrained = ["--pretrained", "mobilenetv2=none.safetensors"]
    assert main(["zeroshot", "--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs"), *pretrained]) == 2
    assert "--data" in capsys.readouterr().err
