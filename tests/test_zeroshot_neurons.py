"""Neuron causality and ablation against brute force, luck, planted units and data that cannot answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from attribution.lab.measure import metrics
from attribution.lab.studies.zeroshot import ablation, neurons
from attribution.lab.studies.zeroshot.faces import DFDC, ELSEWHERE, WEB, Faces
from attribution.lab.studies.zeroshot.plan import DETECTORS, SOURCES, TOP, TRAINED, Run
from attribution.lab.train.single_source import Said

SHARES = (1 / 2, 1 / 8)


def make_faces(each: int = 12) -> Faces:
    """So many faces of every kind in both splits, two of a group."""
    kinds = [(split, kind) for split in ("val", "test") for kind in (*SOURCES, DFDC, WEB, ELSEWHERE) for _ in range(each)]
    split, kind = (np.array(column) for column in zip(*kinds, strict=True))
    groups = np.array([f"{one} {place // 2}" for place, one in enumerate(kind)])
    return Faces(np.zeros((len(kinds), 1, 1, 3), np.uint8), kind, groups, split)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return make_faces()


def _noise(faces: Faces, units: int = 32, seed: int = 0) -> Said:
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (len(faces), units)).astype(np.float32)
    return Said(values, random.normal(0, 0.3, units).astype(np.float32), 0.1)


def _planted(faces: Faces, units: int = 32, which: int = 5) -> Said:
    """Noise, but unit `which` alone knows the truth, everywhere."""
    said = _noise(faces, units)
    said.units[:, which] = 2.0 * faces.manipulated + 0.3 * said.units[:, which]
    said.weight[:] *= 0.1
    said.weight[which] = 3
    return said


def _brute_force(said: Said) -> np.ndarray:
    effects = []
    for unit in range(said.units.shape[1]):
        averages = []
        for value in np.linspace(said.units[:, unit].min(), said.units[:, unit].max(), 4):
            units = said.units.astype(np.float64)
            units[:, unit] = value
            averages.append((1 / (1 + np.exp(-(units @ said.weight + said.bias)))).mean())
        effects.append(max(averages) - min(averages))
    return np.array(effects)


def test_effects_are_those_of_setting_each_unit_to_four_values(faces: Faces):
    said = _noise(faces, 600)
    few = Said(said.units[:20], said.weight, said.bias)
    assert np.allclose(neurons.unit_effects(few.units, few.weight, few.bias), _brute_force(few), rtol=1e-5, atol=1e-9)
    # One unit from 0 to 2 with the weight ln 3, others still: sigmoid(2 ln 3) − sigmoid(0) = 0.9 − 0.5.
    units = np.array([[0.0, 7], [2, 7], [1, 7]])
    assert neurons.unit_effects(units, np.array([np.log(3), 1]), -7) == pytest.approx([0.4, 0], abs=1e-12)


def test_effects_of_extreme_logits_stay_finite_and_bad_data_is_refused():
    units = np.array([[0.0, 1e4], [3e4, -1e4]])
    effects = neurons.unit_effects(units, np.array([1.0, -1]), 0)
    assert ((effects >= 0) & (effects <= 1)).all()
    for bad in (np.zeros((0, 2)), np.zeros((3, 3)), np.array([[np.nan, 0.0]])):
        with pytest.raises(ValueError):
            neurons.unit_effects(bad, np.zeros(2), 0)
    assert neurons.unit_effects(np.ones((1, 2)), np.ones(2), 0).tolist() == [0, 0]


def test_only_units_with_an_effect_are_chosen_and_shares_are_rounded_up():
    effects = np.array([[3.0, 2, 1, 0, 0], [1, 3, 0, 0, 2]])
    assert neurons.chosen_units(effects, 1 / 2).tolist() == [[True, True, True, False, False], [True, True, False, False, True]]
    assert neurons.universal_units(effects, 1 / 2).tolist() == [True, True, False, False, False]
    assert neurons.universal_units(effects, 1 / 16).tolist() == [False] * 5
    assert not neurons.universal_units(np.zeros((3, 8)), 1 / 2).any()
    assert (neurons.kept_count(1 / 16, 16), neurons.kept_count(1 / 16, 17), neurons.kept_count(1 / 64, 16)) == (1, 2, 1)


def test_universal_units_of_independent_sources_are_within_chance():
    # The example of the paper: the top half of 1,024 units on 5 sources.
    chosen = neurons.chosen_units(np.random.default_rng(3).random((5, 1024)), 1 / 2)
    counts, p = neurons.permutation_test(chosen)
    low, high = np.percentile(counts[:, 5], [2.5, 97.5])
    assert neurons.expected_counts(chosen)[5] == pytest.approx(32)
    assert (counts.sum(1) == 1024).all()
    assert ((counts * np.arange(6)).sum(1) == 5 * 512).all()
    assert low <= chosen.all(0).sum() <= high
    assert p > 0.05
    assert counts.mean(0) == pytest.approx(neurons.expected_counts(chosen), rel=0.03)
    # The variance of an overlap of two sets is hypergeometric: 8·(4/8)·(4/8)·(4/7).
    two, _ = neurons.permutation_test(np.array([[True] * 4 + [False] * 4] * 2), 20_000)
    assert two[:, 2].mean() == pytest.approx(2, rel=0.02)
    assert two[:, 2].var() == pytest.approx(4 / 7, rel=0.05)


def test_planted_universal_units_are_found_and_beyond_chance():
    random = np.random.default_rng(0)
    effects = random.random((6, 256))
    effects[:, :20] += 2
    assert set(np.flatnonzero(neurons.universal_units(effects, 1 / 8))) >= set(range(20))
    _, p = neurons.permutation_test(neurons.chosen_units(effects, 1 / 8))
    assert p == pytest.approx(1 / 2001)


def test_weights_in_common_are_beyond_luck_but_within_the_stricter_chance():
    """The trap: spans drawn anew on every source, so that nothing is shared but the weights."""
    random = np.random.default_rng(1)
    weight = np.exp(random.normal(0, 1, 512))
    units = [random.normal(0, 1, (40, 512)) * np.exp(random.normal(0, 0.7, 512)) * 0.02 for _ in range(6)]
    said = Said(np.concatenate(units).astype(np.float32), weight.astype(np.float32), 0.0)
    sources = neurons.measured(said, [np.arange(40 * place, 40 * place + 40) for place in range(6)])
    found = neurons.universal_units(sources.effects, 1 / 4).sum()
    strict = neurons.same_weights_test(sources, (1 / 4, 1 / 2), 400)
    assert neurons.permutation_test(neurons.chosen_units(sources.effects, 1 / 4))[1] < 0.001
    low, high = np.percentile(strict[:, 0], [1, 99])
    assert low <= found <= high
    assert (strict[:, 1] > strict[:, 0]).all()
    # Spans in common as well: beyond the stricter chance too.
    same = Said(np.concatenate([units[0]] * 6).astype(np.float32), said.weight, 0.0)
    sources = neurons.measured(same, [np.arange(40 * place, 40 * place + 40) for place in range(6)])
    assert neurons.universal_units(sources.effects, 1 / 4).sum() == 128 > neurons.same_weights_test(sources, (1 / 4,), 400).max()


def test_resamples_are_of_whole_groups_and_their_effects_are_exact():
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    counts = neurons.resamples(groups, 50)
    assert counts.shape == (50, 6)
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 3] == counts[:, 5]).all()
    assert (counts[:, [0, 2, 3]].sum(1) == 3).all()
    random = np.random.default_rng(0)
    said = Said(random.normal(size=(6, 4)).astype(np.float32), np.array([1, -2, 0.5, 0], np.float32), 0.2)
    chosen = [np.array([0, 1, 2]), np.array([2, 3, 5])]
    rows = np.array([[2, 2, 0, 1, 1, 1], [0, 0, 0, 3, 3, 3], [0, 0, 3, 0, 0, 0]])
    found = list(neurons.resampled_effects(said, chosen, rows))
    # The second resample has no face of the first source.
    assert len(found) == 2
    for effects, row in zip(found, rows[[0, 2]], strict=True):
        for own, values in zip(chosen, effects, strict=True):
            repeated = np.repeat(own, row[own])
            assert values == pytest.approx(neurons.unit_effects(said.units[repeated], said.weight, said.bias), abs=1e-6)


def test_the_tables_of_a_trained_and_an_untrained_network(faces: Faces):
    run, other = Run(DETECTORS[0], TRAINED[0]), Run(DETECTORS[0], TRAINED[0], TOP, TRAINED[2])
    tables = neurons.neuron_tables({run: _planted(faces), other: _noise(faces)}, {"meso4": _noise(faces, seed=4)}, faces, SHARES)
    assert list(tables) == ["neurons", "universal", "universal_controls", "timing"]
    histogram = [row for row in tables["neurons"].rows if row[:4] == ("meso4", TRAINED[0], "trained", 1 / 8)]
    assert [row[4] for row in histogram] == list(range(7))
    assert sum(int(str(row[5])) for row in histogram) == 32
    assert sum(float(str(row[6])) for row in histogram) == pytest.approx(32, abs=0.05)
    assert [row[:4] for row in tables["universal"].rows] == [
        ("meso4", source, state, share) for source, state in ((TRAINED[0], "trained"), ("", "untrained")) for share in SHARES
    ]
    for row, control in zip(tables["universal"].rows, tables["universal_controls"].rows, strict=True):
        k, units, value, low, high = (float(str(cell)) for cell in row[4:9])
        assert (units, k) == (32, 32 * float(str(row[3])))
        assert 0 <= low <= value <= high <= k
        assert 0 < float(str(row[12])) <= 1
        assert control[:7] == row[:7]
    assert tables["universal"].rows[1][6] == histogram[-1][5]
    assert int(str(histogram[-1][5])) >= 1
    assert tables["timing"].rows[0][1:3] == (32, 5)


def test_tables_need_networks_and_faces(faces: Faces):
    with pytest.raises(ValueError, match="no network"):
        neurons.neuron_tables({}, {}, faces)
    there = np.flatnonzero(~((faces.split == "val") & np.isin(faces.kind, (DFDC, "dfdc_swap"))))
    fewer = Faces(faces.crops[there], faces.kind[there], faces.groups[there], faces.split[there])
    with pytest.raises(ValueError, match="at least one face"):
        neurons.neuron_tables({}, {"meso4": _noise(fewer)}, fewer)
    # Silent units: no effect, none universal, and no error.
    silent = Said(np.zeros((len(faces), 16), np.float32), np.ones(16, np.float32), 0.0)
    rows = neurons.neuron_tables({}, {"meso4": silent}, faces, SHARES)["universal"].rows
    assert all(row[6:9] == (0, 0, 0) and row[12] == 1 for row in rows)
    # One face of a source, which few resamples hold: there may be no interval, but there is a number.
    one = make_faces(1)
    assert len(neurons.neuron_tables({}, {"meso4": _noise(one)}, one, SHARES)["universal"].rows) == 2


def test_units_are_ordered_by_their_worst_rank():
    effects = np.array([[9.0, 8, 7, 1], [1, 8, 9, 7]])
    # Worst ranks 4, 2, 3, 4; the tie is broken by mean rank 2.5 against 3.5.
    assert ablation.universality(effects).tolist() == [1, 2, 0, 3]
    assert ablation.masks(np.array([[1, 2, 0, 3], [3, 0, 1, 2]]), 2).T.tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]


def test_wins_give_the_aucs_of_all_columns_and_resamples():
    random = np.random.default_rng(2)
    truth = random.random(30) < 0.4
    scores = np.round(random.normal(size=(30, 5)), 1).astype(np.float32)
    pairs, columns = ablation.wins(truth, scores)
    assert columns == pytest.approx([metrics.auc(truth, scores[:, column]) for column in range(5)])
    assert pairs.mean() == pytest.approx(columns.mean())
    counts = random.integers(0, 4, (6, 30))
    single, _ = ablation.wins(truth, scores[:, :1])
    found = ablation.resampled_aucs(single, counts[:, truth], counts[:, ~truth])
    for row, value in zip(counts, found, strict=True):
        drawn = np.repeat(np.arange(30), row)
        assert value == pytest.approx(metrics.auc(truth[drawn], scores[drawn, 0]), abs=1e-6)
    assert np.isnan(ablation.resampled_aucs(single, np.zeros((1, truth.sum())), np.ones((1, (~truth).sum())))).all()
    with pytest.raises(ValueError, match="both classes"):
        ablation.wins(np.ones(3, bool), np.zeros((3, 1)))


def _numbers(cells: Sequence[object]) -> tuple[float, ...]:
    return tuple(float(str(cell)) for cell in cells)


def test_without_the_only_informative_unit_nothing_is_left_and_alone_it_is_enough(faces: Faces):
    run = Run(DETECTORS[0], TRAINED[0])
    said = _planted(faces)
    said.weight[np.arange(32) != 5] = 0
    tables = ablation.ablation_tables({run: said}, faces, (1 / 32, 1 / 2), sets=20, draws=50)
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
    run, said = Run(DETECTORS[0], TRAINED[1]), _noise(faces, 24)
    tables = ablation.ablation_tables({run: said}, faces, (1 / 4,), sets=30, draws=20)
    effects = np.stack([_brute_force(_of(said, faces.of(source, "val"))) for source in TRAINED])
    ranks = np.argsort(np.argsort(-effects, axis=1), axis=1)
    chosen = sorted(range(24), key=lambda unit: (ranks[:, unit].max(), ranks[:, unit].mean()))[:6]
    mean = said.units[faces.of(TRAINED[1], "val")].mean(0)
    units = np.tile(mean, (len(faces), 1))
    units[:, chosen] = said.units[:, chosen]
    logits = units @ said.weight + said.bias
    unseen = [faces.of(source) for source in SOURCES if source != TRAINED[1]]
    expected = np.mean([metrics.auc(faces.manipulated[own], logits[own]) for own in unseen])
    assert next(row[4] for row in tables["ablation"].rows if row[2:4] == (1 / 4, "keep")) == pytest.approx(expected, abs=1e-3)
    rows = [row for row in tables["ablation"].rows if row[1] == "mean"]
    assert {str(row[3]) for row in rows} == {
        "keep", "remove", "keep random", "remove random", ablation.WITHOUT, ablation.STRONGEST,
    }  # fmt: skip
    # Of one run, the mean is that run.
    own = [row for row in tables["ablation"].rows if row[1] == TRAINED[1]]
    assert [row[2:] for row in rows if row[3] not in (ablation.WITHOUT, ablation.STRONGEST)] == [row[2:] for row in own]


def _of(said: Said, chosen: np.ndarray) -> Said:
    return Said(said.units[chosen], said.weight, said.bias)


def test_the_mean_over_runs_is_on_the_same_resamples(faces: Faces):
    said = _planted(faces)
    runs = {Run(DETECTORS[0], source): said for source in TRAINED[:2]}
    tables = ablation.ablation_tables(runs, faces, (1 / 2,), sets=10, draws=30)
    keep = {row[1]: float(str(row[4])) for row in tables["ablation"].rows if row[2:4] == (1.0, "keep")}
    assert keep["mean"] == pytest.approx((keep[TRAINED[0]] + keep[TRAINED[1]]) / 2, abs=1e-3)
    with pytest.raises(ValueError, match="no base run"):
        ablation.ablation_tables({Run(DETECTORS[0], TRAINED[0], TOP, TRAINED[2]): said}, faces)
    there = np.flatnonzero(faces.kind != "flux1")
    fewer = Faces(faces.crops[there], faces.kind[there], faces.groups[there], faces.split[there])
    with pytest.raises(ValueError, match="both classes"):
        ablation.ablation_tables({Run(DETECTORS[0], TRAINED[0]): _noise(fewer)}, fewer, (1 / 2,), sets=5, draws=5)
