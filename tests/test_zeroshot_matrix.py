"""The zero-shot matrix: exact figures against brute force, what every detector saw, and hostile cases."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.detectors import loading
from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.lab.data import METHOD_OF_SOURCE
from attribution.lab.measure import metrics
from attribution.lab.studies.attribution.questions import halves
from attribution.lab.studies.zeroshot.describe import describe_tables
from attribution.lab.studies.zeroshot.faces import DFDC, ELSEWHERE, UNTOUCHED_OF, WEB, Faces
from attribution.lab.studies.zeroshot.matrix import matrix_tables, resampled, weighted_figures
from attribution.lab.studies.zeroshot.plan import ADDED, DETECTORS, SOURCES, TRAINED, Run, plan
from attribution.lab.studies.zeroshot.shipped import TRAINED_BY, read_shipped
from attribution.lab.train.single_source import SETTINGS_FILE, Said
from conftest import SIDE_PX, Folders, some_crops

EACH = 12
DEFAULT, CADDM = "telltale-mobilenetv2", "telltale-caddm"


def study_faces(leave_out: str = "") -> Faces:
    """Faces of every kind in both splits, two of a kind to a group; the untouched of DFDC share the groups of its swaps."""
    kinds = [kind for kind in (*SOURCES, DFDC, WEB, ELSEWHERE) if kind != leave_out]
    kind = np.array([one for one in kinds for _ in range(EACH)] * 2)
    groups = np.array([f"{'dfdc' if one in ('dfdc_swap', DFDC) else one}-{place % EACH // 2}" for place, one in enumerate(kind)])
    split = np.repeat(["val", "test"], len(kind) // 2)
    return Faces(some_crops(4)[np.arange(len(kind)) % 4], kind, np.char.add(groups, split), split)


def said_of(logits: np.ndarray) -> Said:
    return Said(logits[:, None].astype(np.float32), np.ones(1, np.float32), 0.0)


def biased_runs(faces: Faces, runs: list[Run], noise: float = 1.0) -> dict[Run, Said]:
    """Each run tells the sources that it saw, and no others, from untouched faces."""
    random = np.random.default_rng(0)
    return {run: said_of(random.normal(0, noise, len(faces)) - 1.5 + 3.0 * np.isin(faces.kind, run.seen)) for run in runs}


def rows_of(table: MeasuredTable, **wanted: Any) -> list[dict[str, Any]]:
    """Rows with these cells (`_` for a blank in a column's name); of columns of one name the first."""
    found = []
    for row in table.rows:
        cells = dict(zip(reversed(table.columns), reversed(row), strict=True))
        if all(cells[name.replace("_", " ")] == value for name, value in wanted.items()):
            found.append(cells)
    return found


@pytest.fixture(scope="module")
def faces() -> Faces:
    return study_faces()


@pytest.fixture(scope="module")
def runs_said(faces: Faces) -> dict[Run, Said]:
    return biased_runs(faces, plan(DETECTORS[:2]))


@pytest.fixture(scope="module")
def tables(faces: Faces, runs_said: dict[Run, Said]) -> dict[str, MeasuredTable]:
    p = np.random.default_rng(1).random(len(faces)).astype(np.float32)
    return matrix_tables(runs_said, {DEFAULT: p, CADDM: p}, faces)


def test_a_weighted_figure_is_that_of_the_repeated_faces() -> None:
    random = np.random.default_rng(2)
    positive = random.random(40) < 0.4
    # Few values: many ties, some of them on the threshold.
    scores = random.integers(-2, 3, (3, 40)).astype(float)
    drawn = resampled(np.arange(40) // 3, draws=50)
    areas, accuracies = weighted_figures(scores, positive, drawn)
    assert areas.shape == accuracies.shape == (3, 51)
    for detector in range(3):
        for draw in range(51):
            again = np.repeat(np.arange(40), drawn[draw].astype(int))
            assert areas[detector, draw] == pytest.approx(metrics.auc(positive[again], scores[detector, again]), abs=1e-12)
            assert accuracies[detector, draw] == pytest.approx(halves(positive[again], scores[detector, again] + 0.5), abs=1e-12)


def test_a_resample_draws_whole_groups_and_as_many_as_there_are() -> None:
    groups = np.array(["a", "b", "a", "c", "b", "b"])
    drawn = resampled(groups, draws=200)
    assert (drawn[0] == 1).all()
    for name in "abc":
        assert (drawn[:, groups == name] == drawn[:, groups == name][:, :1]).all()
    assert (drawn[:, [0, 1, 3]].sum(1) == 3).all()
    assert drawn[1:].mean() == pytest.approx(1, abs=0.15)


def test_auc_and_interval_are_those_of_a_plain_bootstrap(
    faces: Faces, runs_said: dict[Run, Said], tables: dict[str, MeasuredTable]
) -> None:
    run = Run(DETECTORS[0], "sd21")
    logits = runs_said[run].logits
    for source in ("sd21", "unseen_swap", "dfdc_swap"):
        (row,) = rows_of(tables["matrix"], detector="meso4", variant="base", trained_on="sd21", tested_on=source)
        chosen = faces.of(source)
        truth, scores, groups = faces.manipulated[chosen], logits[chosen], faces.groups[chosen]
        assert row["faces"] == 2 * EACH
        assert row["AUC"] == round(metrics.auc(truth, scores), 3)
        low, high = metrics.bootstrap(lambda drawn, truth=truth, scores=scores: metrics.auc(truth[drawn], scores[drawn]), groups)
        # Other resamples of the same groups: alike up to the luck of a thousand draws.
        assert (row["low"], row["high"]) == (pytest.approx(low, abs=0.04), pytest.approx(high, abs=0.04))


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
    for counts in resampled(faces.groups[tested]).astype(int)[:251]:
        # A resample without one of the classes of a source does not count.
        with contextlib.suppress(ValueError):
            differences.append(gained(np.repeat(tested, counts)))
    assert len(differences) > 200
    (row,) = rows_of(tables["cost"], detector="meso4", variant="all", trained_on="sdxl", on="never seen")
    assert row["difference"] == round(differences[0], 3)
    low, high = np.percentile(differences[1:], (2.5, 97.5))
    assert (row["low"], row["high"]) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_every_cell_says_what_its_detector_saw(tables: dict[str, MeasuredTable]) -> None:
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
    for source in ("stylegan2_elsewhere", "generated_photos_elsewhere", "unseen_swap"):
        assert {row["relation"] for row in rows if row["tested on"] == source} == {"never seen"}


def test_the_summary_is_the_mean_of_the_matrix(tables: dict[str, MeasuredTable]) -> None:
    for detector, variant in (("meso4", "base"), ("meso4", "top"), ("mesoinception4", "all"), (DEFAULT, "shipped"), (CADDM, "shipped")):
        mine = rows_of(tables["matrix"], detector=detector, variant=variant)
        figures = {row["figure"]: row for row in rows_of(tables["summary"], detector=detector, variant=variant)}
        for relation in ("trained on", "never seen"):
            wanted = np.mean([row["AUC"] for row in mine if row["relation"] == relation])
            assert figures[f"AUC {relation}"]["value"] == pytest.approx(wanted, abs=1e-3)
        assert figures["drop"]["value"] == pytest.approx(figures["AUC trained on"]["value"] - figures["AUC never seen"]["value"], abs=2e-3)
    (drop,) = rows_of(tables["summary"], detector="meso4", variant="base", figure="drop")
    assert drop["low"] > 0.2, "each run knows its own source and nothing else"


def test_the_cost_is_paired_with_the_base(tables: dict[str, MeasuredTable]) -> None:
    for variant in ("top", "all"):
        for source in TRAINED:
            cells = {"detector": "meso4", "trained_on": source}
            (after,) = rows_of(tables["matrix"], **cells, variant=variant, tested_on=ADDED[source])
            (before,) = rows_of(tables["matrix"], **cells, variant="base", tested_on=ADDED[source])
            (row,) = rows_of(tables["cost"], **cells, variant=variant, on="new")
            assert row["difference"] == pytest.approx(after["AUC"] - before["AUC"], abs=1.1e-3)
            assert row["added"] == ADDED[source]
        for on in ("old", "new", "never seen"):
            mine = [row for row in rows_of(tables["cost"], detector="meso4", variant=variant, on=on) if row["trained on"] != "mean"]
            (mean,) = rows_of(tables["cost"], detector="meso4", variant=variant, on=on, trained_on="mean")
            assert len(mine) == len(TRAINED)
            assert mean["difference"] == pytest.approx(np.mean([row["difference"] for row in mine]), abs=1e-3)
            assert mean["low"] <= mean["difference"] <= mean["high"]
    (gained,) = rows_of(tables["cost"], detector="meso4", variant="all", on="new", trained_on="mean")
    (old,) = rows_of(tables["cost"], detector="meso4", variant="all", on="old", trained_on="mean")
    assert gained["low"] > 0.2
    assert old["low"] <= 0 <= old["high"]


def test_an_augmentation_that_changes_nothing_costs_exactly_nothing(faces: Faces) -> None:
    base = Run(DETECTORS[0], "sdxl")
    said = biased_runs(faces, [base])[base]
    cost = matrix_tables({base: said, replace(base, variant="top", added=ADDED["sdxl"]): said}, {}, faces)["cost"]
    assert len(cost.rows) == 6
    assert {row[-3:] for row in cost.rows} == {(0.0, 0.0, 0.0)}


def test_scores_that_say_nothing_are_a_coin(faces: Faces) -> None:
    run = Run(DETECTORS[0], "sdxl")
    tables = matrix_tables({run: said_of(np.zeros(len(faces)))}, {}, faces)
    for row in rows_of(tables["matrix"]):
        assert (row["AUC"], row["low"], row["high"], row["balanced accuracy"]) == (0.5, 0.5, 0.5, 0.5)
    (drop,) = rows_of(tables["summary"], figure="drop")
    assert (drop["value"], drop["low"], drop["high"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("missing", ["sd21", DFDC])
def test_a_source_with_one_class_has_no_figure_and_no_part_in_a_mean(missing: str) -> None:
    faces = study_faces(leave_out=missing)
    tables = matrix_tables(biased_runs(faces, plan(DETECTORS[:1])), {}, faces)
    source = "dfdc_swap" if missing == DFDC else missing
    for row in rows_of(tables["matrix"]):
        figures = {row["AUC"], row["low"], row["high"], row["balanced accuracy"]}
        assert (figures == {None}) == (row["tested on"] == source)
    for row in rows_of(tables["summary"]):
        assert row["value"] is not None
    (row,) = rows_of(tables["cost"], variant="all", trained_on=source, on="old")
    assert (row["difference"], row["low"], row["high"]) == (None, None, None)
    mine = [row["AUC"] for row in rows_of(tables["matrix"], variant="base", relation="trained on") if row["AUC"] is not None]
    (seen,) = rows_of(tables["summary"], variant="base", figure="AUC trained on")
    assert len(mine) == len(TRAINED) - 1
    assert seen["value"] == pytest.approx(np.mean(mine), abs=1e-3)


def test_only_test_faces_count(faces: Faces, runs_said: dict[Run, Said], tables: dict[str, MeasuredTable]) -> None:
    validation = faces.split == "val"
    changed = {run: said_of(np.where(validation, 99.0, said.logits)) for run, said in list(runs_said.items())[:3]}
    for row in matrix_tables(changed, {}, faces)["matrix"].rows:
        assert row in tables["matrix"].rows


def test_what_does_not_fit_is_refused(faces: Faces, runs_said: dict[Run, Said]) -> None:
    run = Run(DETECTORS[0], "sdxl")
    broken = np.zeros(len(faces))
    broken[3] = np.nan
    with pytest.raises(ValueError, match="one finite score"):
        matrix_tables({run: said_of(broken)}, {}, faces)
    with pytest.raises(ValueError, match="one finite score"):
        matrix_tables({run: said_of(np.zeros(5))}, {}, faces)
    with pytest.raises(ValueError, match="not known what stranger"):
        matrix_tables({run: runs_said[run]}, {"stranger": np.zeros(len(faces))}, faces)
    with pytest.raises(ValueError, match="its base is not there"):
        matrix_tables({Run(DETECTORS[0], "sdxl", "top", ADDED["sdxl"]): runs_said[run]}, {}, faces)


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
    faces = replace(study_faces(), crops=some_crops(6, SIDE_PX))
    p = read_shipped([name], faces, tmp_path)[name]
    methods = Predictor(load_folder(folder), "cpu").read(faces.crops).p_methods
    assert p == pytest.approx(1 - methods[:, 0], abs=1e-6)
    assert p.max() < 0.5
    kept = tmp_path / "shipped" / f"{name}.npz"
    before = kept.stat().st_mtime_ns
    assert np.array_equal(read_shipped([name], faces, tmp_path)[name], p)
    assert kept.stat().st_mtime_ns == before
    others = replace(faces, crops=some_crops(6, SIDE_PX, seed=9))
    assert not np.array_equal(read_shipped([name], others, tmp_path)[name], p)
    shutil.copytree(default_folders("stylegan2"), folder, dirs_exist_ok=True)
    assert read_shipped([name], others, tmp_path)[name].min() > 0.5, "other weights: read again"


def test_detectors_and_sources_are_described(faces: Faces, tmp_path: Path) -> None:
    todo = plan(DETECTORS[:2] + DETECTORS[-1:])
    for run in todo:
        (tmp_path / run.name).mkdir(parents=True)
        settings = {"minutes": 1.5, "pretrained": run.detector.pretrained}
        (tmp_path / run.name / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    tables = describe_tables(faces, todo, tmp_path, [CADDM])
    detectors = {row["detector"]: row for row in rows_of(tables["detectors"])}
    assert list(detectors) == ["meso4", "mesoinception4", "mobilenetv2", CADDM]
    # As published with one output; here there are two, of 16 units each.
    assert detectors["meso4"]["parameters"] == 27_977 + 17
    assert (detectors["meso4"]["units"], detectors["meso4"]["start"], detectors["meso4"]["minutes"]) == (16, "from scratch", 27.0)
    assert (detectors["mobilenetv2"]["units"], detectors["mobilenetv2"]["start"]) == (1280, "ImageNet")
    assert (detectors[CADDM]["start"], detectors[CADDM]["steps"], detectors[CADDM]["input px"]) == ("shipped", None, 224)
    sources = {row["source"]: row for row in rows_of(tables["sources"])}
    assert list(sources) == list(SOURCES)
    assert [name for name, row in sources.items() if row["trained on"]] == list(TRAINED)
    assert (sources["dfdc_swap"]["untouched kind"], sources["flux1"]["untouched kind"], sources["unseen_swap"]["untouched kind"]) == (
        "dfdc", "web", "elsewhere",
    )  # fmt: skip
    assert {(row["manipulated"], row["untouched beside them"]) for row in sources.values()} == {(EACH, EACH)}
