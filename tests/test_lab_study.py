"""The attribution study from its plan to its tables: on made predictions, and, slowly, with every real part and trainings of one step."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.lab.data import METHOD_OF_SOURCE, read_manifest
from attribution.lab.forge.pools import left_out, load_samples
from attribution.lab.studies.attribution import answers, study
from attribution.lab.studies.attribution.plan import FOLDS, MAIN_SEEDS, SPLITS, Run, plan
from attribution.lab.train.methods import LABELS, read_pretrained
from attribution.models.backbones import build_backbone
from lab_faces import make_faces, make_work

UNTOUCHED = (
    "dfdc", "utkface", "ffhq", "thai_parliament", "unsplash", "us_house", "observations", "mopcon_speakers", "ropensci_people",
)  # fmt: skip
QUICK = [
    dataclasses.replace(run, steps=1)
    for run in plan()
    if run.backbone == "mobilenetv2" and run.seed == MAIN_SEEDS[0] and run.loss in ("none", "supcon")
]


def test_the_plan_leaves_every_source_and_every_method_out_once():
    names = [name for names in FOLDS.values() for name in names]
    assert len(names) == len(set(names))
    by_method = {source: method for (_, source), method in METHOD_OF_SOURCE.items()}
    trained_on = {source for source, method in by_method.items() if method in LABELS and not source.endswith("_b")}
    assert all(source in names or by_method[source] in names for source in trained_on)
    assert set(UNTOUCHED) <= set(names)
    methods = {*LABELS[1:]} - {"dfdc_swap"}
    assert all(method in names or {s for s, m in by_method.items() if m == method} <= set(names) for method in methods)


def test_pretrained_weights_of_the_other_naming_are_read_in_order(tmp_path: Path):
    there = build_backbone("tf_efficientnet_lite0", 3)
    renamed = {f"_layer.{place}": value for place, value in enumerate(there.state_dict().values())}
    torch.save(renamed, tmp_path / "weights.pth")
    read = read_pretrained(tmp_path / "weights.pth", build_backbone("tf_efficientnet_lite0", 5))
    assert all(torch.equal(read[name], value) for name, value in there.state_dict().items())
    with pytest.raises(LabError, match="tensors"):
        read_pretrained(tmp_path / "weights.pth", build_backbone("mobilenetv2_100", 3))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"), UNTOUCHED)


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(data, tmp_path_factory.mktemp("work"))


def tables_of(out: Path) -> dict[str, MeasuredTable]:
    written = json.loads(out.read_text())
    assert written["schema"] == study.SCHEMA
    assert {run["name"] for run in written["plan"]["runs"]} == {run.name for run in QUICK}
    tables = {
        key: MeasuredTable(one["title"], tuple(one["columns"]), tuple(map(tuple, one["rows"])), one["note"])
        for key, one in written["tables"].items()
    }
    assert set(tables) == {"rq1", "rq2", "rq3", "differences", "cross_auc", "matrix", "leave_out", "open_set"}
    assert {row[0] for row in tables["matrix"].rows} >= {"comparison", *FOLDS}
    assert {row[0] for row in tables["open_set"].rows} == {*LABELS[1:], "mean"}
    judged = {str(row[0]).partition(" (")[0] for row in tables["leave_out"].rows}
    assert {name for names in FOLDS.values() for name in names} <= judged
    assert all(abs(sum(float(str(share)) for share in row[3:6]) - 1) < 0.01 for row in tables["leave_out"].rows)
    assert all("1 steps" in table.note for table in tables.values())
    return tables


def knows_what_it_saw(folder: Path, run: Run | None, samples: dict) -> None:
    """Write what a finished run would have said: right about what training saw, and about nothing else, which lies apart."""
    folder.mkdir(parents=True)
    (folder / "final.safetensors").touch()
    random = np.random.default_rng(0)
    for split, own in samples.items():
        truth = np.array([LABELS.index(method) if method in LABELS else -1 for method in own.methods])
        unseen = left_out(own.methods, own.sources, run.leave_out if run else ()) | (truth < 0)
        classes = 2 if run and run.head == "binary" else len(LABELS)
        said = np.where(unseen, random.integers(0, classes, len(own)), np.minimum(truth, classes - 1))
        logits = (6 * np.eye(classes)[said] + random.normal(0, 0.5, (len(own), classes))).astype(np.float32)
        embeddings = np.where(unseen[:, None], -(len(LABELS) ** -0.5), np.eye(len(LABELS))[truth]).astype(np.float32)
        chosen = np.flatnonzero(~unseen) if split == "train" else np.arange(len(own))
        np.savez(folder / f"said_{split}.npz", logits=logits[chosen], embeddings=embeddings[chosen], chosen=chosen)


def test_finished_runs_are_measured_and_not_trained_again(
    data: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(study, "TRIED", tmp_path / "none.json")
    monkeypatch.setattr(answers, "DRAWS", 15)
    monkeypatch.setattr(answers, "MATRIX_DRAWS", 15)
    rows = read_manifest((data,))
    samples = {split: load_samples(rows, work, split) for split in ("train", *SPLITS)}
    runs, out = tmp_path / "runs", tmp_path / "study.json"
    for run in QUICK:
        knows_what_it_saw(study.folder_of(run, runs), run, samples)
    knows_what_it_saw(tmp_path / "shipped", None, samples)
    study.study(QUICK, str(data), work, runs, {}, tmp_path / "shipped", out, 1, "cpu")
    tables = tables_of(out)
    assert "Trained × tested" in capsys.readouterr().out
    areas = {(row[2], row[5]): row[6:9] for row in tables["rq1"].rows}
    assert areas["binary", "test, seen"] == areas["methods", "test, seen"] == (1, 1, 1)
    assert float(str(areas["methods", "test, left out"][0])) < 0.9
    assert {row[4] for row in tables["rq2"].rows if row[2]} == {1.0}, "what it saw, it names"
    assert next(row for row in tables["differences"].rows if row[1] == "test, seen")[3:] == (0, 0, 0)
    assert all(row[5] == 1 for row in tables["matrix"].rows if row[0] == "everything" and not row[3])
    assert {row[4] for row in tables["open_set"].rows} == {1.0}, "what it never saw lies far from all references"
    with pytest.raises(LabError, match="has not read the val faces"):
        study.said(tmp_path, "val", samples["val"])


@pytest.mark.slow
def test_the_study_runs_end_to_end_and_goes_on_where_it_stopped(data: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(study, "TRIED", tmp_path / "none.json")
    out = tmp_path / "study.json"
    study.study(QUICK, str(data), work, tmp_path / "runs", {}, None, out, 2, "cpu")
    tables = tables_of(out)
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.suffix in (".npz", ".safetensors")}
    study.study(QUICK, str(data), work, tmp_path / "runs", {}, None, out, 2, "cpu")
    assert weights == {path: path.stat().st_mtime_ns for path in weights}
    assert tables_of(out) == tables
