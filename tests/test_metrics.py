"""The figures of merit against cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from attribution.lab import metrics


def test_balanced_accuracy_weighs_classes_alike():
    truth = ["a"] * 98 + ["b"] * 2
    assert metrics.balanced_accuracy(truth, ["a"] * 100) == pytest.approx(0.5)
    assert metrics.balanced_accuracy(truth, truth) == 1


def test_macro_f1_agrees_with_scikit_learn():
    random = np.random.default_rng(6)
    names = np.array(["real", "stylegan2", "generated_photos", "sdxl", "flux1"])
    for _ in range(20):
        truth = random.choice(names, 60, p=[0.5, 0.3, 0.1, 0.06, 0.04])
        # A name that is never true counts as a miss, and as no class.
        answer = np.where(random.random(60) < 0.6, truth, random.choice([*names, "sd21"], 60))
        expected = f1_score(truth, answer, labels=sorted(set(truth.tolist())), average="macro")
        assert metrics.macro_f1(truth, answer) == pytest.approx(expected, abs=1e-12)


def test_auc_and_equal_error_rate():
    positive = np.array([False, False, True, True])
    assert metrics.auc(positive, np.array([0.1, 0.2, 0.8, 0.9])) == 1
    assert metrics.auc(positive, np.array([0.9, 0.8, 0.2, 0.1])) == 0
    assert metrics.equal_error_rate(positive, np.array([0.1, 0.2, 0.8, 0.9])) == 0
    assert metrics.equal_error_rate(np.array([False, True] * 50), np.full(100, 0.5)) == pytest.approx(0.5)


def test_calibration_error_of_a_known_gap():
    p = np.full(1000, 0.9)
    assert metrics.expected_calibration_error(p, np.arange(1000) < 900) == pytest.approx(0, abs=1e-9)
    assert metrics.expected_calibration_error(p, np.arange(1000) < 500) == pytest.approx(0.4)


def test_auc_agrees_with_scikit_learn_ties_included():
    random = np.random.default_rng(5)
    positive, p = random.random(300) < 0.3, random.integers(0, 20, 300) / 20
    assert metrics.auc(positive, p) == pytest.approx(roc_auc_score(positive, p), abs=1e-12)
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(np.ones(3, bool), np.zeros(3))


def test_calibration_undoes_an_exaggeration_and_other_proportions_of_training():
    random = np.random.default_rng(0)
    honest, lean = random.normal(0, 1.5, (6000, 3)), np.array([1.0, -0.5, -0.5])
    truth = np.array([random.choice(3, p=row) for row in metrics.softmax(honest)])
    bias, temperature = metrics.fit_calibration(2 * (honest + lean), truth)
    assert bias == pytest.approx(-2 * lean, abs=0.3)
    assert temperature == pytest.approx(2, rel=0.1)
    assert bias.sum() == pytest.approx(0, abs=1e-9)


def test_bootstrap_interval_holds_the_figure_and_narrows():
    values = np.random.default_rng(1).random(400)
    low, high = metrics.bootstrap(lambda chosen: float(values[chosen].mean()), 400)
    assert low < values.mean() < high
    few_low, few_high = metrics.bootstrap(lambda chosen: float(values[:40][chosen].mean()), 40)
    assert few_high - few_low > high - low


def test_what_cannot_be_measured_has_empty_cells():
    one_class, score = np.ones(6, bool), np.arange(6.0)
    assert metrics.estimate(lambda drawn: metrics.auc(one_class[drawn], score[drawn]), 6) == metrics.NOT_MEASURED
    assert metrics.estimate(lambda drawn: float(score[drawn].mean()), 0) == metrics.NOT_MEASURED
    assert metrics.share(np.empty(0, bool)) == metrics.NOT_MEASURED
    assert metrics.share(np.arange(20) < 0) == (0, 0, pytest.approx(0.161, abs=0.002))
    with pytest.raises(ValueError, match="no resample"):
        metrics.interval([np.nan, np.inf])


def test_resamples_as_counts_are_those_that_the_bootstrap_draws():
    groups, seen = ["x", "y", "x", "z", "z"], []

    def noted(faces: np.ndarray, seeds: np.ndarray) -> float:
        seen.append(seeds)
        return float(faces.sum())

    metrics.bootstrap(noted, groups, seed=4, draws=9, also=3)
    assert len(seen) >= 9
    assert all(len(seeds) == 3 and seeds.max() < 3 for seeds in seen)
    sums: list[np.ndarray] = []
    metrics.bootstrap(lambda drawn: sums.append(np.bincount(drawn, minlength=5)) or 0.0, groups, seed=4, draws=9)
    assert np.array_equal(metrics.resamples(groups, 9, 4), sums)
    other = metrics.resamples(groups, 9, 4, multinomial=True)
    assert (other[:, 0] == other[:, 2]).all()
    assert (other[:, [0, 1, 3]].sum(1) == 3).all()


def test_cross_auc_shows_a_drift_that_every_auc_within_a_source_hides():
    # Each source is told apart perfectly, around 0.2 in A and around 0.8 in B; C has untouched faces alone, and D too few of any.
    sources = np.array([*"AAAABBBBCC", "D"])
    positive = np.array([0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1], bool)
    p = np.array([0.1, 0.15, 0.2, 0.25, 0.7, 0.8, 0.85, 0.9, 0.2, 0.8, 1.0])
    within, across = (metrics.source_pairs(positive, sources, one, least=2) for one in (True, False))
    assert within == [("A", "A"), ("B", "B")]
    assert across == [("A", "B"), ("B", "A"), ("C", "A"), ("C", "B")]
    assert metrics.pair_aucs(positive, p, sources, within).tolist() == [1, 1]
    # C against A: 0.2 ties with one of A's and is below the other, 0.8 is above both: (1/2 + 1 + 0 + 0) / 4.
    assert metrics.pair_aucs(positive, p, sources, across).tolist() == [1, 0, 0.375, 1]
    assert metrics.source_pairs(positive, sources) == []
    with pytest.raises(ValueError, match="no pair"):
        metrics.pair_aucs(positive, p, sources, [])
    with pytest.raises(ValueError, match="both classes"):
        metrics.pair_aucs(positive, p, sources, [("A", "C")])
