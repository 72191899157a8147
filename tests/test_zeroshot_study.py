"""The generalisability study as a whole: the file that its page reads, what its tables are about, and its one command."""

from __future__ import annotations

import json
from pathlib import Path

from attribution.lab.studies.zeroshot.plan import DETECTORS, SOURCES, TRAINED, plan
from attribution.lab.studies.zeroshot.study import describe_tables
from attribution.lab.studies.zeroshot.training import SETTINGS_FILE
from attribution.measured.study import ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study
from study_faces import rows_of, study_faces

# What the page draws; the lab writes these and no others.
KEYS = {
    "detectors", "sources", "matrix", "summary", "cost", "attention", "attention_maps", "example_faces", "neurons", "universal",
    "universal_controls", "timing", "ablation", "ablation_differences", "readout", "readout_differences",
}  # fmt: skip


def test_the_committed_results_are_whole_and_light() -> None:
    study = read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA)
    assert (study.reason, study.left_out) == ("", ())
    assert study.caveat
    assert set(study.tables) == KEYS
    assert ZEROSHOT_FILE.stat().st_size < 1_000_000
    plan = json.loads(ZEROSHOT_FILE.read_text(encoding="utf-8"))["plan"]
    assert (len(plan["data_sha256"]), plan["seed"]) == (64, 7)
    assert len(plan["runs"]) == len({run["name"].split("/")[0] for run in plan["runs"]}) * 18
    assert any(row["units"] == 1024 and row["sources"] == 5 and row["seconds"] <= 60 for row in rows_of(study.tables["timing"]))


def test_detectors_and_sources_are_described(tmp_path: Path) -> None:
    todo = plan(DETECTORS[:2] + DETECTORS[-1:])
    for run in todo:
        (tmp_path / run.name).mkdir(parents=True)
        settings = {"minutes": 1.5, "pretrained": run.detector.pretrained}
        (tmp_path / run.name / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    tables = describe_tables(study_faces(6), todo, tmp_path, ["telltale-caddm"])
    detectors = {row["detector"]: row for row in rows_of(tables["detectors"])}
    assert list(detectors) == ["meso4", "mesoinception4", "mobilenetv2", "telltale-caddm"]
    # As published with one output; here there are two, of 16 units each.
    assert detectors["meso4"]["parameters"] == 27_977 + 17
    wanted = {"meso4": (16, "from scratch", 600, 27.0), "mobilenetv2": (1280, "ImageNet", 300, 27.0)}
    assert {name: tuple(detectors[name][cell] for cell in ("units", "start", "steps", "minutes")) for name in wanted} == wanted
    assert [detectors["telltale-caddm"][cell] for cell in ("start", "steps", "input px")] == ["shipped", None, 224]
    sources = {row["source"]: row for row in rows_of(tables["sources"])}
    assert list(sources) == list(SOURCES)
    assert [name for name, row in sources.items() if row["trained on"]] == list(TRAINED)
    assert [sources[name]["untouched kind"] for name in ("dfdc_swap", "flux1", "unseen_swap")] == ["dfdc", "web", "elsewhere"]
    assert {(row["manipulated"], row["untouched beside them"]) for row in sources.values()} == {(6, 6)}
