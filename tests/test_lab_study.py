"""The study from its plan to its tables, on a tiny set made here, with every real part and trainings of two steps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.lab.data import METHOD_OF_SOURCE
from attribution.lab.pools import left_out
from attribution.lab.studies.attribution import results
from attribution.lab.studies.attribution.plan import COMPARED_WITHOUT, FOLDS, MAIN_SEEDS, Run, plan
from attribution.lab.studies.attribution.questions import halves, interval, resample
from attribution.lab.train.methods import LABELS, Settings, class_of, read_pretrained
from attribution.models.backbones import build_backbone
from lab_faces import make_faces, make_work

UNTOUCHED = (
    "dfdc", "utkface", "ffhq", "thai_parliament", "unsplash", "us_house", "observations", "mopcon_speakers", "ropensci_people",
)  # fmt: skip


def test_the_plan_leaves_every_source_and_every_method_out_once():
    names = [name for names in FOLDS.values() for name in names]
    assert len(names) == len(set(names))
    by_method = {source: method for (_, source), method in METHOD_OF_SOURCE.items()}
    trained_on = {source for source in by_method if not source.endswith("_b")}
    assert all(source in names or by_method[source] in names for source in trained_on)
    assert set(UNTOUCHED) <= set(names)
    methods = {*LABELS[1:]} - {"dfdc_swap"}
    assert all(method in names or {s for s, m in by_method.items() if m == method} <= set(names) for method in methods)


def test_the_plan_compares_heads_losses_seeds_and_backbones():
    runs = plan()
    compared = {(run.backbone, run.head, run.loss, run.seed) for run in runs if run.group == "comparison"}
    for head, loss in (("binary", "none"), ("methods", "none"), ("methods", "supcon")):
        assert {seed for backbone, *rest, seed in compared if backbone == "mobilenetv2" and rest == [head, loss]} == set(MAIN_SEEDS)
        assert ("efficientnet_lite0", head, loss, MAIN_SEEDS[0]) in compared
    assert {loss for _, _, loss, _ in compared} == {"none", "supcon", "triplet", "ntxent"}
    assert len({run.steps for run in runs if run.group == "comparison"}) == 1
    assert len({run.name for run in runs}) == len(runs)


def test_leaving_a_source_out_leaves_out_the_forgeries_made_from_it():
    methods = ["real", "landmark_swap", "sdxl", "dfdc_swap"]
    sources = ["utkface", "landmark_swap on utkface", "sfhq_t2i_sdxl", "dfdc"]
    assert left_out(methods, sources, ("utkface",)).tolist() == [True, True, False, False]
    assert left_out(methods, sources, ("sdxl", "dfdc")).tolist() == [False, False, True, True]


def test_a_binary_head_has_two_classes():
    classes = class_of(Settings("", "", "", head="binary"))
    assert classes["real"] == 0
    assert {classes[label] for label in LABELS[1:]} == {1}
    with pytest.raises(LabError, match="no head"):
        class_of(Settings("", "", "", head="three"))


def test_a_resample_takes_whole_groups():
    groups = np.array(["a", "b", "a", "c", "b", "a"])
    drawn = resample(groups, np.random.default_rng(1))
    for group in "abc":
        mine = [int(index) for index in drawn if groups[index] == group]
        assert len(mine) % (groups == group).sum() == 0


def test_an_interval_is_as_wide_as_the_spread_of_groups():
    values = np.repeat(np.arange(50.0), 4)
    low, high = interval(lambda chosen, _: float(values[chosen].mean()), np.repeat(np.arange(50), 4), 1)
    # The standard error of the mean of 50 groups is 2.04; faces of one group must not count as independent (that would give 1.02).
    assert 6.5 < high - low < 9.5


def test_balanced_accuracy_needs_both_classes():
    assert halves(np.array([True, True, False]), np.array([0.9, 0.1, 0.2])) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="both classes"):
        halves(np.array([True, True]), np.array([0.9, 0.1]))


def test_pretrained_weights_of_the_other_naming_are_read_in_order(tmp_path: Path):
    there = build_backbone("tf_efficientnet_lite0", 3)
    renamed = {f"_layer.{place}": value for place, value in enumerate(there.state_dict().values())}
    torch.save(renamed, tmp_path / "weights.pth")
    read = read_pretrained(tmp_path / "weights.pth", build_backbone("tf_efficientnet_lite0", 5))
    assert all(torch.equal(read[name], value) for name, value in there.state_dict().items())
    with pytest.raises(LabError, match="tensors"):
        read_pretrained(tmp_path / "weights.pth", build_backbone("mobilenetv2_100", 3))


def _quick(runs: list[Run]) -> list[Run]:
    chosen = [run for run in runs if run.backbone == "mobilenetv2"]
    return [dataclasses.replace(run, steps=1) for run in chosen if run.seed == MAIN_SEEDS[0] and run.loss in ("none", "supcon")]


def test_the_study_runs_end_to_end_and_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    for name in ("faces", "work"):
        (tmp_path / name).mkdir()
    data = make_faces(tmp_path / "faces", UNTOUCHED)
    work = make_work(data, tmp_path / "work")
    monkeypatch.setattr(results, "TRIED", tmp_path / "none.json")
    out = tmp_path / "study.json"
    results.study(_quick(plan()), str(data), work, tmp_path / "runs", {}, None, out, 2, "cpu")
    first = json.loads(out.read_text())
    assert first["schema"] == results.SCHEMA
    tables = {
        key: MeasuredTable(one["title"], tuple(one["columns"]), tuple(map(tuple, one["rows"])), one["note"])
        for key, one in first["tables"].items()
    }
    assert {"rq1", "rq2", "rq3", "differences", "matrix", "leave_out", "open_set"} <= set(tables)
    assert {row[0] for row in tables["matrix"].rows} == {"comparison", *FOLDS}
    assert {row[0] for row in tables["open_set"].rows} == {*LABELS[1:], "mean"}
    judged = {str(row[0]).partition(" (")[0] for row in tables["leave_out"].rows}
    assert {name for names in FOLDS.values() for name in names} <= judged
    assert all(abs(sum(float(str(share)) for share in row[3:6]) - 1) < 0.01 for row in tables["leave_out"].rows)
    assert all("1 steps" in table.note for table in tables.values())
    assert "Trained × tested" in capsys.readouterr().out
    # What is trained and read is not trained and read again.
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.suffix in (".npz", ".safetensors")}
    results.study(_quick(plan()), str(data), work, tmp_path / "runs", {}, None, out, 2, "cpu")
    assert weights == {path: path.stat().st_mtime_ns for path in weights}
    assert json.loads(out.read_text())["tables"] == first["tables"]
    assert plan()[0].leave_out == COMPARED_WITHOUT
