"""Neuron causality, ablation and readouts against brute force, luck, planted units and data that cannot answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.lab import metrics
from attribution.lab.studies.zeroshot import units
from attribution.lab.studies.zeroshot.faces import DFDC, ELSEWHERE, Faces
from attribution.lab.studies.zeroshot.plan import DETECTORS, SOURCES, TOP, TRAINED, Run
from attribution.lab.studies.zeroshot.training import Said
from attribution.lab.studies.zeroshot.units import ALL_REFITTED, STRANGE, MultiSaid, multi_effects, read_default, readout_tables, refit
from conftest import some_crops
from study_faces import noise, some_of, study_faces

SHARES = (1 / 2, 1 / 8)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return study_faces()


def _planted(faces: Faces, which: int = 5) -> Said:
    """Noise, but unit `which` alone knows the truth, everywhere."""
    said = noise(faces)
    said.units[:, which] = 2.0 * faces.manipulated + 0.3 * said.units[:, which]
    said.weight[:] *= 0.1
    said.weight[which] = 3
    return said


def _brute_force(said: Said, chosen: np.ndarray) -> np.ndarray:
    effects = []
    for unit in range(said.units.shape[1]):
        averages = []
        for value in np.linspace(said.units[chosen, unit].min(), said.units[chosen, unit].max(), 4):
            values = said.units[chosen].astype(np.float64)
            values[:, unit] = value
            averages.append((1 / (1 + np.exp(-(values @ said.weight + said.bias)))).mean())
        effects.append(max(averages) - min(averages))
    return np.array(effects)


def _numbers(cells: Sequence[object]) -> tuple[float, ...]:
    return tuple(float(str(cell)) for cell in cells)


def test_effects_are_those_of_setting_each_unit_to_four_values(faces: Faces):
    said = noise(faces, 600)
    found = units.unit_effects(said.units[:20], said.weight, said.bias)
    assert np.allclose(found, _brute_force(said, np.arange(20)), rtol=1e-5, atol=1e-9)
    # One unit from 0 to 2 with the weight ln 3, others still: sigmoid(2 ln 3) − sigmoid(0) = 0.9 − 0.5.
    values = np.array([[0.0, 7], [2, 7], [1, 7]])
    assert units.unit_effects(values, np.array([np.log(3), 1]), -7) == pytest.approx([0.4, 0], abs=1e-12)
    # Extreme logits stay finite; bad data is refused.
    effects = units.unit_effects(np.array([[0.0, 1e4], [3e4, -1e4]]), np.array([1.0, -1]), 0)
    assert ((effects >= 0) & (effects <= 1)).all()
    for bad in (np.zeros((0, 2)), np.zeros((3, 3)), np.array([[np.nan, 0.0]])):
        with pytest.raises(ValueError):
            units.unit_effects(bad, np.zeros(2), 0)


def test_only_units_with_an_effect_are_chosen_and_shares_are_rounded_up():
    effects = np.array([[3.0, 2, 1, 0, 0], [1, 3, 0, 0, 2]])
    assert units.chosen_units(effects, 1 / 2).tolist() == [[True, True, True, False, False], [True, True, False, False, True]]
    assert units.universal_units(effects, 1 / 2).tolist() == [True, True, False, False, False]
    assert not units.universal_units(effects, 1 / 16).any()
    assert not units.universal_units(np.zeros((3, 8)), 1 / 2).any()
    assert (units.kept_count(1 / 16, 16), units.kept_count(1 / 16, 17), units.kept_count(1 / 64, 16)) == (1, 2, 1)


def test_universal_units_of_independent_sources_are_within_chance_and_planted_ones_beyond():
    # The example of the paper: the top half of 1,024 units on 5 sources.
    chosen = units.chosen_units(np.random.default_rng(3).random((5, 1024)), 1 / 2)
    counts, p = units.permutation_test(chosen)
    low, high = np.percentile(counts[:, 5], [2.5, 97.5])
    assert units.expected_counts(chosen)[5] == pytest.approx(32)
    assert (counts.sum(1) == 1024).all()
    assert ((counts * np.arange(6)).sum(1) == 5 * 512).all()
    assert low <= chosen.all(0).sum() <= high
    assert p > 0.05
    assert counts.mean(0) == pytest.approx(units.expected_counts(chosen), rel=0.03)
    # The variance of an overlap of two sets is hypergeometric: 8·(4/8)·(4/8)·(4/7).
    two, _ = units.permutation_test(np.array([[True] * 4 + [False] * 4] * 2), 20_000)
    assert two[:, 2].mean() == pytest.approx(2, rel=0.02)
    assert two[:, 2].var() == pytest.approx(4 / 7, rel=0.05)
    effects = np.random.default_rng(0).random((6, 256))
    effects[:, :20] += 2
    assert set(np.flatnonzero(units.universal_units(effects, 1 / 8))) >= set(range(20))
    assert units.permutation_test(units.chosen_units(effects, 1 / 8))[1] == pytest.approx(1 / 2001)


def test_weights_in_common_are_beyond_luck_but_within_the_stricter_chance():
    """The trap: spans drawn anew on every source, so that nothing is shared but the weights."""
    random = np.random.default_rng(1)
    weight = np.exp(random.normal(0, 1, 512)).astype(np.float32)
    values = [random.normal(0, 1, (40, 512)) * np.exp(random.normal(0, 0.7, 512)) * 0.02 for _ in range(6)]
    places = [np.arange(40 * place, 40 * place + 40) for place in range(6)]
    sources = units.measured(Said(np.concatenate(values).astype(np.float32), weight, 0.0), places)
    strict = units.same_weights_test(sources, (1 / 4, 1 / 2), 400)
    assert units.permutation_test(units.chosen_units(sources.effects, 1 / 4))[1] < 0.001
    low, high = np.percentile(strict[:, 0], [1, 99])
    assert low <= units.universal_units(sources.effects, 1 / 4).sum() <= high
    assert (strict[:, 1] > strict[:, 0]).all()
    # Spans in common as well: beyond the stricter chance too.
    sources = units.measured(Said(np.concatenate([values[0]] * 6).astype(np.float32), weight, 0.0), places)
    assert units.universal_units(sources.effects, 1 / 4).sum() == 128 > units.same_weights_test(sources, (1 / 4,), 400).max()


def test_the_effects_of_resamples_are_exact():
    random = np.random.default_rng(0)
    said = Said(random.normal(size=(6, 4)).astype(np.float32), np.array([1, -2, 0.5, 0], np.float32), 0.2)
    chosen = [np.array([0, 1, 2]), np.array([2, 3, 5])]
    rows = np.array([[2, 2, 0, 1, 1, 1], [0, 0, 0, 3, 3, 3], [0, 0, 3, 0, 0, 0]])
    found = list(units.resampled_effects(said, chosen, rows))
    # The second resample has no face of the first source.
    for effects, row in zip(found, rows[[0, 2]], strict=True):
        for own, values in zip(chosen, effects, strict=True):
            repeated = np.repeat(own, row[own])
            assert values == pytest.approx(units.unit_effects(said.units[repeated], said.weight, said.bias), abs=1e-6)


def test_the_tables_of_a_trained_and_an_untrained_network(faces: Faces):
    run, other = Run(DETECTORS[0], TRAINED[0]), Run(DETECTORS[0], TRAINED[0], TOP, TRAINED[2])
    tables = units.neuron_tables({run: _planted(faces), other: noise(faces)}, {"meso4": noise(faces, seed=4)}, faces, SHARES)
    histogram = [row for row in tables["neurons"].rows if row[:4] == ("meso4", TRAINED[0], "trained", 1 / 8)]
    assert [row[4] for row in histogram] == list(range(7))
    assert sum(int(str(row[5])) for row in histogram) == 32
    assert sum(float(str(row[6])) for row in histogram) == pytest.approx(32, abs=0.05)
    assert [row[:4] for row in tables["universal"].rows] == [
        ("meso4", source, state, share) for source, state in ((TRAINED[0], "trained"), ("", "untrained")) for share in SHARES
    ]
    for row, control in zip(tables["universal"].rows, tables["universal_controls"].rows, strict=True):
        k, count, value, low, high = _numbers(row[4:9])
        assert (count, k) == (32, 32 * float(str(row[3])))
        assert 0 <= low <= value <= high <= k
        assert 0 < float(str(row[12])) <= 1
        assert control[:7] == row[:7]
    assert tables["universal"].rows[1][6] == histogram[-1][5]
    assert int(str(histogram[-1][5])) >= 1
    assert tables["timing"].rows[0][1:3] == (32, 5)


def test_tables_need_networks_and_faces(faces: Faces):
    with pytest.raises(ValueError, match="no network"):
        units.neuron_tables({}, {}, faces)
    fewer = some_of(faces, (faces.split != "val") | ~np.isin(faces.kind, (DFDC, "dfdc_swap")))
    with pytest.raises(ValueError, match="at least one face"):
        units.neuron_tables({}, {"meso4": noise(fewer)}, fewer)


def test_wins_give_the_aucs_of_all_columns_and_resamples():
    random = np.random.default_rng(2)
    truth = random.random(30) < 0.4
    scores = np.round(random.normal(size=(30, 5)), 1).astype(np.float32)
    pairs, columns = units.wins(truth, scores)
    assert columns == pytest.approx([metrics.auc(truth, scores[:, column]) for column in range(5)])
    assert pairs.mean() == pytest.approx(columns.mean())
    counts = random.integers(0, 4, (6, 30))
    single, _ = units.wins(truth, scores[:, :1])
    found = units.resampled_aucs(single, counts[:, truth], counts[:, ~truth])
    for row, value in zip(counts, found, strict=True):
        drawn = np.repeat(np.arange(30), row)
        assert value == pytest.approx(metrics.auc(truth[drawn], scores[drawn, 0]), abs=1e-6)
    assert np.isnan(units.resampled_aucs(single, np.zeros((1, truth.sum())), np.ones((1, (~truth).sum())))).all()
    with pytest.raises(ValueError, match="both classes"):
        units.wins(np.ones(3, bool), np.zeros((3, 1)))


def test_without_the_only_informative_unit_nothing_is_left_and_alone_it_is_enough(faces: Faces):
    said = _planted(faces)
    said.weight[np.arange(32) != 5] = 0
    tables = units.ablation_tables({Run(DETECTORS[0], TRAINED[0]): said}, faces, (1 / 32, 1 / 2), sets=20, draws=50)
    found = {(row[1], row[3], row[2]): _numbers(row[4:]) for row in tables["ablation"].rows}
    assert found[TRAINED[0], "keep", 1.0][0] > 0.99
    assert found[TRAINED[0], "keep", 1 / 32] == found[TRAINED[0], "keep", 1.0]
    # All faces have the same logit: ties, not noise of rounding.
    assert found[TRAINED[0], "remove", 1 / 32] == (0.5, 0.5, 0.5)
    assert found[TRAINED[0], "keep random", 1 / 2][0] < 0.95
    gaps = {(row[1], row[3], row[2], row[4]): _numbers(row[5:]) for row in tables["ablation_differences"].rows}
    assert gaps[TRAINED[0], "keep", 1 / 32, "all units"] == (0, 0, 0)
    assert gaps[TRAINED[0], "remove", 1 / 32, "all units"][2] < -0.4
    assert gaps[TRAINED[0], "keep", 1 / 2, "random units"][1] > 0
    assert gaps["mean", "keep", 1 / 32, "strongest units"] == (0, 0, 0)


def test_ablation_is_what_setting_units_to_their_mean_gives(faces: Faces):
    run, said = Run(DETECTORS[0], TRAINED[1]), noise(faces, 24)
    tables = units.ablation_tables({run: said}, faces, (1 / 4,), sets=30, draws=20)
    effects = np.stack([_brute_force(said, faces.of(source, "val")) for source in TRAINED])
    ranks = np.argsort(np.argsort(-effects, axis=1), axis=1)
    chosen = sorted(range(24), key=lambda unit: (ranks[:, unit].max(), ranks[:, unit].mean()))[:6]
    values = np.tile(said.units[faces.of(TRAINED[1], "val")].mean(0), (len(faces), 1))
    values[:, chosen] = said.units[:, chosen]
    logits = values @ said.weight + said.bias
    unseen = [faces.of(source) for source in SOURCES if source != TRAINED[1]]
    expected = np.mean([metrics.auc(faces.manipulated[own], logits[own]) for own in unseen])
    assert next(row[4] for row in tables["ablation"].rows if row[2:4] == (1 / 4, "keep")) == pytest.approx(expected, abs=1e-3)
    # Of one run, the mean is that run, with two yardsticks more.
    of_mean, own = ([row for row in tables["ablation"].rows if row[1] == name] for name in ("mean", TRAINED[1]))
    more = (units.WITHOUT, units.STRONGEST)
    assert {row[3] for row in of_mean} == {"keep", "remove", "keep random", "remove random", *more}
    assert [row[2:] for row in of_mean if row[3] not in more] == [row[2:] for row in own]


READ_SHARES = (1 / 4,)
UNITS = 24
GOOD, MISLED = np.arange(4), np.arange(4, 24)


@pytest.fixture(scope="module")
def many() -> Faces:
    return study_faces(16)


def _default(many: Faces, honest: bool) -> MultiSaid:
    """Three methods, the first untouched. Four strong units know the truth everywhere. The weak others know nothing; or, when the default
    is not `honest` with strangers, they say the contrary about every source that it was not trained on."""
    random = np.random.default_rng(0)
    units = random.normal(0, 1, (len(many), UNITS))
    units[:, GOOD] += 0.9 * (2 * many.manipulated[:, None] - 1)
    weight = np.zeros((3, UNITS))
    weight[1:, GOOD] = 1.0
    weight[1:, MISLED] = 0.3
    if not honest:
        strange = np.isin(many.kind, STRANGE) | (many.kind == ELSEWHERE)
        units[np.ix_(strange, MISLED)] -= 0.7 * (2 * many.manipulated[strange, None] - 1)
    weight[1, MISLED[::2]] += 0.05
    bias = np.array([0.7, 0, 0])
    units, weight, bias = (one.astype(np.float32) for one in (units, weight, bias))
    return MultiSaid(units, weight, bias, 0.8, np.array([True, False, False]))


def _rows(tables: Mapping[str, MeasuredTable], key: str) -> dict[tuple[str, str], tuple[float, ...]]:
    return {(str(row[0]), str(row[1])): tuple(float(str(cell)) for cell in row[2:]) for row in tables[key].rows}


def test_the_default_is_read_as_the_app_reads_it_and_kept(detector_folder: Path, tmp_path: Path):
    crops = some_crops(19)
    read = read_default(detector_folder, crops)
    reading = Predictor(load(str(detector_folder))).read(crops)
    scale = np.abs(reading.logits).max()
    assert np.allclose(read.scaled() * read.temperature, reading.logits, atol=1e-4 * max(scale, 1))
    p = 1 - reading.p_methods[:, read.untouched].sum(1)
    assert read.untouched.sum() >= 1
    assert expit(read.log_odds()) == pytest.approx(p, abs=1e-4)


def test_a_detector_without_a_linear_classifier_is_refused(detector_folder: Path, monkeypatch: pytest.MonkeyPatch):
    detector = load(str(detector_folder))
    monkeypatch.setattr(detector.model, "get_classifier", lambda: torch.nn.Sequential(torch.nn.Linear(4, 2)))
    monkeypatch.setattr(units, "load", lambda _: detector)
    with pytest.raises(LabError, match="no single linear layer"):
        read_default(detector_folder, some_crops(1))


def test_effects_on_several_methods_are_those_of_setting_each_unit():
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
    assert multi_effects(few, chosen) == pytest.approx(np.array(effects), abs=1e-9)
    with pytest.raises(ValueError, match="at least one face"):
        multi_effects(few, np.array([], int))


def test_a_default_that_its_other_units_mislead_is_helped(many: Faces):
    tables = readout_tables(_default(many, honest=False), many, READ_SHARES, draws=60)
    assert list(tables) == ["readout", "readout_differences"]
    found, gaps = _rows(tables, "readout"), _rows(tables, "readout_differences")
    assert found["never trained", "universal 1/4, own head"][0] == len(GOOD)
    assert found["never trained", "as it is"][1] < 0.6
    assert gaps["never trained", "universal 1/4, own head"][1] > 0
    assert "helps: the readout that val faces choose" in tables["readout"].note
    assert {which for which, _ in found} == {"val (choice)", *SOURCES, "trained on", "never trained", "all"}
    assert ("all", f"universal 1/4, refitted − {ALL_REFITTED}") in gaps


def test_a_default_that_gains_nothing_is_not_helped(many: Faces):
    default = _default(many, honest=True)
    tables = readout_tables(default, many, (1.0,), draws=60)
    found, gaps = _rows(tables, "readout"), _rows(tables, "readout_differences")
    # All units are universal: its own head says what it said, and the regressions are one.
    assert gaps["all", "universal 1, own head"] == (0, 0, 0)
    assert gaps["all", f"universal 1, refitted − {ALL_REFITTED}"] == (0, 0, 0)
    assert "does not help" in tables["readout"].note
    own, odds = many.of("flux1"), default.log_odds()
    assert found["flux1", "as it is"][1] == round(metrics.auc(many.manipulated[own], odds[own]), 3)
    p = expit(odds[own])
    truth = many.manipulated[own]
    assert found["flux1", "as it is"][4] == round(float(((p >= 0.5)[truth].mean() + (p < 0.5)[~truth].mean()) / 2), 3)


def test_what_cannot_be_answered_is_refused_or_left_out(many: Faces):
    default, val = _default(many, honest=True), np.flatnonzero(many.split == "val")
    with pytest.raises(ValueError, match="both classes"):
        refit(default.units, np.ones(len(many), bool), many.groups, val)
    with pytest.raises(ValueError, match="two groups"):
        refit(default.units, many.manipulated, np.zeros(len(many), str), val)
    with pytest.raises(ValueError, match="every fold"):
        refit(default.units, np.arange(len(many)) == val[0], many.groups, val)
    silent = MultiSaid(np.zeros_like(default.units), default.weight, default.bias, 1.0, default.untouched)
    tables = readout_tables(silent, many, READ_SHARES, draws=10)
    assert {row[1] for row in tables["readout"].rows} == {"as it is", ALL_REFITTED}
    assert {row[3] for row in tables["readout"].rows} == {0.5}
    assert "nothing to read it by" in tables["readout"].note
    there = (many.split != "test") | (many.kind != ELSEWHERE)
    fewer = some_of(many, there)
    few = MultiSaid(default.units[there], default.weight, default.bias, 0.8, default.untouched)
    tables = readout_tables(few, fewer, READ_SHARES, draws=10)
    sets = {row[0] for row in tables["readout"].rows}
    assert not sets & {*STRANGE, "never trained"}
    assert sets > set(TRAINED)
    # Without a single figure on strangers nothing can be said to help.
    assert "does not help" in tables["readout"].note
    assert "not measured" in tables["readout"].note
