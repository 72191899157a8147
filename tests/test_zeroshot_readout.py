"""The default detector by its universal units: what it says, effects by brute force, readouts that must help, must not, or cannot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load
from attribution.detectors.predictor import Predictor
from attribution.lab import metrics
from attribution.lab.studies.zeroshot import units as readout
from attribution.lab.studies.zeroshot.faces import ELSEWHERE, Faces
from attribution.lab.studies.zeroshot.plan import SOURCES, TRAINED
from attribution.lab.studies.zeroshot.units import MultiSaid
from conftest import some_crops
from study_faces import some_of, study_faces

SHARES = (1 / 4,)
UNITS = 24
GOOD, MISLED = np.arange(4), np.arange(4, 24)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return study_faces(16)


def _default(faces: Faces, honest: bool) -> MultiSaid:
    """Three methods, the first untouched. Four strong units know the truth everywhere. The weak others know nothing; or, when the default
    is not `honest` with strangers, they say the contrary about every source that it was not trained on."""
    random = np.random.default_rng(0)
    units = random.normal(0, 1, (len(faces), UNITS))
    units[:, GOOD] += 0.9 * (2 * faces.manipulated[:, None] - 1)
    weight = np.zeros((3, UNITS))
    weight[1:, GOOD] = 1.0
    weight[1:, MISLED] = 0.3
    if not honest:
        strange = np.isin(faces.kind, readout.STRANGE) | (faces.kind == ELSEWHERE)
        units[np.ix_(strange, MISLED)] -= 0.7 * (2 * faces.manipulated[strange, None] - 1)
    weight[1, MISLED[::2]] += 0.05
    bias = np.array([0.7, 0, 0])
    units, weight, bias = (one.astype(np.float32) for one in (units, weight, bias))
    return MultiSaid(units, weight, bias, 0.8, np.array([True, False, False]))


def _rows(tables: Mapping[str, MeasuredTable], key: str) -> dict[tuple[str, str], tuple[float, ...]]:
    return {(str(row[0]), str(row[1])): tuple(float(str(cell)) for cell in row[2:]) for row in tables[key].rows}


def test_the_default_is_read_as_the_app_reads_it_and_kept(detector_folder: Path, tmp_path: Path):
    crops = some_crops(19)
    read = readout.read_default(detector_folder, crops)
    reading = Predictor(load(str(detector_folder))).read(crops)
    scale = np.abs(reading.logits).max()
    assert np.allclose(read.scaled() * read.temperature, reading.logits, atol=1e-4 * max(scale, 1))
    p = 1 - reading.p_methods[:, read.untouched].sum(1)
    assert read.untouched.sum() >= 1
    assert expit(read.log_odds()) == pytest.approx(p, abs=1e-4)


def test_effects_are_those_of_setting_each_unit_to_four_values():
    random = np.random.default_rng(1)
    few = MultiSaid(random.normal(size=(9, 70)), random.normal(size=(5, 70)), random.normal(size=5), 0.7, np.arange(5) < 2)
    chosen = np.array([0, 2, 3, 5, 8])
    effects = []
    for unit in range(70):
        averages = []
        for value in np.linspace(few.units[chosen, unit].min(), few.units[chosen, unit].max(), 4):
            units = few.units[chosen]
            units[:, unit] = value
            p = metrics.softmax(units @ few.weight.T + few.bias, 0.7)
            averages.append(p[:, 2:].sum(1).mean())
        effects.append(max(averages) - min(averages))
    assert readout.multi_effects(few, chosen) == pytest.approx(np.array(effects), abs=1e-9)
    with pytest.raises(ValueError, match="at least one face"):
        readout.multi_effects(few, np.array([], int))


def test_a_default_that_its_other_units_mislead_is_helped(faces: Faces):
    tables = readout.readout_tables(_default(faces, honest=False), faces, SHARES, draws=60)
    assert list(tables) == ["readout", "readout_differences"]
    found, gaps = _rows(tables, "readout"), _rows(tables, "readout_differences")
    assert found["never trained", "universal 1/4, own head"][0] == len(GOOD)
    assert found["never trained", "as it is"][1] < 0.6
    assert gaps["never trained", "universal 1/4, own head"][1] > 0
    assert "helps: the readout that val faces choose" in tables["readout"].note
    assert {faces for faces, _ in found} == {"val (choice)", *SOURCES, "trained on", "never trained", "all"}
    assert ("all", f"universal 1/4, refitted − {readout.ALL_REFITTED}") in gaps


def test_a_default_that_gains_nothing_is_not_helped(faces: Faces):
    default = _default(faces, honest=True)
    tables = readout.readout_tables(default, faces, (1.0,), draws=60)
    found, gaps = _rows(tables, "readout"), _rows(tables, "readout_differences")
    # All units are universal: its own head says what it said, and the regressions are one.
    assert gaps["all", "universal 1, own head"] == (0, 0, 0)
    assert gaps["all", f"universal 1, refitted − {readout.ALL_REFITTED}"] == (0, 0, 0)
    assert "does not help" in tables["readout"].note
    own, odds = faces.of("flux1"), default.log_odds()
    assert found["flux1", "as it is"][1] == round(metrics.auc(faces.manipulated[own], odds[own]), 3)
    p = expit(odds[own])
    truth = faces.manipulated[own]
    assert found["flux1", "as it is"][4] == round(float(((p >= 0.5)[truth].mean() + (p < 0.5)[~truth].mean()) / 2), 3)


def test_what_cannot_be_answered_is_refused_or_left_out(faces: Faces):
    default, val = _default(faces, honest=True), np.flatnonzero(faces.split == "val")
    with pytest.raises(ValueError, match="both classes"):
        readout.refit(default.units, np.ones(len(faces), bool), faces.groups, val)
    with pytest.raises(ValueError, match="two groups"):
        readout.refit(default.units, faces.manipulated, np.zeros(len(faces), str), val)
    with pytest.raises(ValueError, match="every fold"):
        readout.refit(default.units, np.arange(len(faces)) == val[0], faces.groups, val)
    silent = MultiSaid(np.zeros_like(default.units), default.weight, default.bias, 1.0, default.untouched)
    tables = readout.readout_tables(silent, faces, SHARES, draws=10)
    assert {row[1] for row in tables["readout"].rows} == {"as it is", readout.ALL_REFITTED}
    assert {row[3] for row in tables["readout"].rows} == {0.5}
    assert "nothing to read it by" in tables["readout"].note
    there = (faces.split != "test") | (faces.kind != ELSEWHERE)
    fewer = some_of(faces, there)
    few = MultiSaid(default.units[there], default.weight, default.bias, 0.8, default.untouched)
    tables = readout.readout_tables(few, fewer, SHARES, draws=10)
    sets = {row[0] for row in tables["readout"].rows}
    assert not sets & {*readout.STRANGE, "never trained"}
    assert sets > set(TRAINED)
    # Without a single figure on strangers nothing can be said to help.
    assert "does not help" in tables["readout"].note
    assert "not measured" in tables["readout"].note
