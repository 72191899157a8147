"""The zero-shot matrix (exact figures against brute force, what every detector saw, what cannot be measured), and the study's file."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.detectors import loading
from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.lab import metrics
from attribution.lab.data import METHOD_OF_SOURCE
from attribution.lab.studies.attribution.answers import halves
from attribution.lab.studies.zeroshot.faces import DFDC, UNTOUCHED_OF, Faces
from attribution.lab.studies.zeroshot.matrix import TRAINED_BY, matrix_tables, read_shipped, resampled, weighted_figures
from attribution.lab.studies.zeroshot.plan import ADDED, DETECTORS, SOURCES, TRAINED, Run, plan
from attribution.lab.studies.zeroshot.study import describe_tables
from attribution.lab.studies.zeroshot.training import SETTINGS_FILE, Said
from attribution.measured.study import ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study
from conftest import SIDE_PX, Folders, some_crops
from study_faces import row_of, rows_of, study_faces

EACH = 12
DEFAULT, SWAP = "telltale-attribution", "telltale-swap"


def said_of(logits: np.ndarray) -> Said:
    return Said(logits[:, None].astype(np.float32), np.ones(1, np.float32), 0.0)


def biased_runs(faces: Faces, runs: list[Run]) -> dict[Run, Said]:
    """Each run tells the sources that it saw, and no others, from untouched faces."""
    random = np.random.default_rng(0)
    return {run: said_of(random.normal(0, 1, len(faces)) - 1.5 + 3.0 * np.isin(faces.kind, run.seen)) for run in runs}


@pytest.fixture(scope="module")
def faces() -> Faces:
    return study_faces(EACH)


@pytest.fixture(scope="module")
def runs_said(faces: Faces) -> dict[Run, Said]:
    return biased_runs(faces, plan(DETECTORS[:2]))


@pytest.fixture(scope="module")
def tables(faces: Faces, runs_said: dict[Run, Said]) -> dict[str, MeasuredTable]:
    p = np.random.default_rng(1).random(len(faces)).astype(np.float32)
    return matrix_tables(runs_said, {DEFAULT: p, SWAP: p}, faces)


def test_a_weighted_figure_is_that_of_the_repeated_faces() -> None:
    random = np.random.default_rng(2)
    positive = random.random(40) < 0.4
    # Few values: many ties, some of them on the threshold.
    scores = random.integers(-2, 3, (3, 40)).astype(float)
    drawn = resampled(np.arange(40) // 3, draws=20)
    areas, accuracies = weighted_figures(scores, positive, drawn)
    for detector, draw in np.ndindex(3, 21):
        again = np.repeat(np.arange(40), drawn[draw].astype(int))
        assert areas[detector, draw] == pytest.approx(metrics.auc(positive[again], scores[detector, again]), abs=1e-12)
        assert accuracies[detector, draw] == pytest.approx(halves(positive[again], scores[detector, again] + 0.5), abs=1e-12)


def test_the_interval_of_a_mean_is_that_of_the_shared_resamples(
    faces: Faces, runs_said: dict[Run, Said], tables: dict[str, MeasuredTable]
) -> None:
    tested = np.flatnonzero(faces.split == "test")
    base, wider = Run(DETECTORS[0], "sdxl"), Run(DETECTORS[0], "sdxl", "all", ADDED["sdxl"])
    unseen = [source for source in SOURCES if source not in wider.seen]

    def gained(again: np.ndarray) -> float:
        gaps = []
        for source in unseen:
            mine = again[np.isin(faces.kind[again], (source, UNTOUCHED_OF[source]))]
            after, before = (metrics.auc(faces.manipulated[mine], runs_said[run].logits[mine]) for run in (wider, base))
            gaps.append(after - before)
        return float(np.mean(gaps))

    differences = []
    for counts in resampled(faces.groups[tested]).astype(int)[:151]:
        # A resample without one of the classes of a source does not count.
        with contextlib.suppress(ValueError):
            differences.append(gained(np.repeat(tested, counts)))
    row = row_of(tables["cost"], detector="meso4", variant="all", trained_on="sdxl", on="never seen")
    assert row["difference"] == round(differences[0], 3)
    low, high = np.percentile(differences[1:], (2.5, 97.5))
    assert (row["low"], row["high"]) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))


def test_every_cell_says_what_its_detector_saw(faces: Faces, runs_said: dict[Run, Said], tables: dict[str, MeasuredTable]) -> None:
    rows = rows_of(tables["matrix"])
    assert len(rows) == (2 * 18 + 2) * len(SOURCES)
    for row in rows:
        tested, old = row["tested on"], row["trained on"]
        if row["variant"] == "shipped":
            assert (old, row["added"]) == ("", "")
            wanted = "trained on" if tested in TRAINED_BY[row["detector"]] else "never seen"
        else:
            assert row["added"] == ("" if row["variant"] == "base" else ADDED[old])
            wanted = "trained on" if tested == old else "added" if tested == row["added"] else "never seen"
        assert row["relation"] == wanted
        assert row["low"] <= row["AUC"] <= row["high"]
        assert row["faces"] == 2 * EACH
    cell = row_of(tables["matrix"], detector="meso4", variant="base", trained_on="sd21", tested_on="unseen_swap")
    chosen = faces.of("unseen_swap")
    assert cell["AUC"] == round(metrics.auc(faces.manipulated[chosen], runs_said[Run(DETECTORS[0], "sd21")].logits[chosen]), 3)


def test_the_summary_is_the_mean_of_the_matrix(tables: dict[str, MeasuredTable]) -> None:
    for detector, variant in (("meso4", "base"), ("mesoinception4", "all"), (SWAP, "shipped")):
        mine = rows_of(tables["matrix"], detector=detector, variant=variant)
        figures = {row["figure"]: row for row in rows_of(tables["summary"], detector=detector, variant=variant)}
        for relation in ("trained on", "never seen"):
            wanted = np.mean([row["AUC"] for row in mine if row["relation"] == relation])
            assert figures[f"AUC {relation}"]["value"] == pytest.approx(wanted, abs=1e-3)
        assert figures["drop"]["value"] == pytest.approx(figures["AUC trained on"]["value"] - figures["AUC never seen"]["value"], abs=2e-3)
    drop = row_of(tables["summary"], detector="meso4", variant="base", figure="drop")
    assert drop["low"] > 0.2, "each run knows its own source and nothing else"


def test_cross_auc_is_the_mean_over_untouched_faces_of_other_kinds(
    faces: Faces, runs_said: dict[Run, Said], tables: dict[str, MeasuredTable]
) -> None:
    row = row_of(tables["cross_auc"], detector="meso4", variant="base", trained_on="sd21")
    tested, logits = faces.split == "test", runs_said[Run(DETECTORS[0], "sd21")].logits
    areas: dict[bool, list[float]] = {True: [], False: []}
    for source, kind in np.ndindex(len(SOURCES), 3):
        pair = (SOURCES[source], (DFDC, "web", "elsewhere")[kind])
        chosen = np.flatnonzero(tested & np.isin(faces.kind, pair))
        areas[UNTOUCHED_OF[pair[0]] == pair[1]].append(metrics.auc(faces.manipulated[chosen], logits[chosen]))
    assert row["pairs"] == len(areas[False]) == 2 * len(SOURCES)
    assert (row["AUC within"], row["Cross-AUC"]) == (round(np.mean(areas[True]), 3), round(np.mean(areas[False]), 3))
    assert row["low"] <= row["AUC within"] <= row["high"]


@pytest.mark.parametrize("missing", ["sd21", DFDC])
def test_a_source_with_one_class_has_no_figure_and_no_part_in_a_mean(missing: str) -> None:
    faces = study_faces(EACH, leave_out=missing)
    tables = matrix_tables(biased_runs(faces, plan(DETECTORS[:1])), {}, faces)
    source = "dfdc_swap" if missing == DFDC else missing
    for row in rows_of(tables["matrix"]):
        figures = {row["AUC"], row["low"], row["high"], row["balanced accuracy"]}
        assert (figures == {None}) == (row["tested on"] == source)
    assert all(row["value"] is not None for row in rows_of(tables["summary"]))
    row = row_of(tables["cost"], variant="all", trained_on=source, on="old")
    assert (row["difference"], row["low"], row["high"]) == (None, None, None)
    mine = [row["AUC"] for row in rows_of(tables["matrix"], variant="base", relation="trained on") if row["AUC"] is not None]
    assert len(mine) == len(TRAINED) - 1
    assert row_of(tables["summary"], variant="base", figure="AUC trained on")["value"] == pytest.approx(np.mean(mine), abs=1e-3)


def test_what_does_not_fit_is_refused(faces: Faces, runs_said: dict[Run, Said]) -> None:
    run, nothing = Run(DETECTORS[0], "sdxl"), np.zeros(len(faces))
    augmented = replace(run, variant="top", added=ADDED["sdxl"])
    for sentence, said, shipped in (
        ("one finite score", {run: said_of(np.where(np.arange(len(faces)) == 3, np.nan, nothing))}, {}),
        ("one finite score", {run: said_of(nothing[:5])}, {}),
        ("not known what stranger", {run: runs_said[run]}, {"stranger": nothing}),
        ("its base is not there", {augmented: runs_said[run]}, {}),
    ):
        with pytest.raises(ValueError, match=sentence):
            matrix_tables(said, shipped, faces)


def test_what_an_embedded_detector_saw_is_what_its_card_says() -> None:
    assert set(TRAINED_BY) == set(loading.embedded())
    for name, sources in TRAINED_BY.items():
        data = json.loads((loading.EMBEDDED_FOLDER / name / "card.json").read_text(encoding="utf-8"))["training"]["data"]
        methods = {METHOD_OF_SOURCE.get((family, source), "") for family, source in re.findall(r"(\w+)/(\w+)", data)}
        if "forgeries" in data:
            methods.add("autoencoder_swap")
        assert set(sources) == methods & set(SOURCES)


def test_a_shipped_detector_is_read_once_and_as_the_app_reads(
    default_folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, name = tmp_path / "weights" / "telltale-some", "telltale-some"
    shutil.copytree(default_folders("real"), folder)
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", folder.parent)
    faces = replace(study_faces(1), crops=some_crops(6, SIDE_PX))
    p = read_shipped([name], faces, tmp_path)[name]
    methods = Predictor(load_folder(folder), "cpu").read(faces.crops).p_methods
    assert p == pytest.approx(1 - methods[:, 0], abs=1e-6)
    kept = tmp_path / "shipped" / f"{name}.npz"
    before = kept.stat().st_mtime_ns
    assert np.array_equal(read_shipped([name], faces, tmp_path)[name], p)
    assert kept.stat().st_mtime_ns == before
    others = replace(faces, crops=some_crops(6, SIDE_PX, seed=9))
    assert not np.array_equal(read_shipped([name], others, tmp_path)[name], p)
    shutil.copytree(default_folders("stylegan2"), folder, dirs_exist_ok=True)
    assert read_shipped([name], others, tmp_path)[name].min() > 0.5, "other weights: read again"


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
    tables = describe_tables(study_faces(6), todo, tmp_path, ["telltale-swap"])
    detectors = {row["detector"]: row for row in rows_of(tables["detectors"])}
    assert list(detectors) == ["meso4", "mesoinception4", "mobilenetv2", "telltale-swap"]
    # As published with one output; here there are two, of 16 units each.
    assert detectors["meso4"]["parameters"] == 27_977 + 17
    wanted = {"meso4": (16, "from scratch", 600, 27.0), "mobilenetv2": (1280, "ImageNet", 300, 27.0)}
    assert {name: tuple(detectors[name][cell] for cell in ("units", "start", "steps", "minutes")) for name in wanted} == wanted
    assert [detectors["telltale-swap"][cell] for cell in ("start", "steps", "input px")] == ["shipped", None, 224]
    sources = {row["source"]: row for row in rows_of(tables["sources"])}
    assert list(sources) == list(SOURCES)
    assert [name for name, row in sources.items() if row["trained on"]] == list(TRAINED)
    assert [sources[name]["untouched kind"] for name in ("dfdc_swap", "flux1", "unseen_swap")] == ["dfdc", "web", "elsewhere"]
    assert {(row["manipulated"], row["untouched beside them"]) for row in sources.values()} == {(6, 6)}
