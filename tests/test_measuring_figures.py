"""Thresholds and figures of a measurement on files of one's own, against cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from attribution.detectors.card import Thresholds
from attribution.detectors.here import fewest_for
from attribution.measuring.figures import Reading, Rule, Views, choose, fit_temperature, measure, most_errors, scores
from attribution.measuring.metrics import upper_bound
from attribution.verdict.track import extremes, sustained

RULE = Rule(np.array([True, False]), Thresholds(0.8, 0.2, 0.6, 0.6))


def picture(odds: float) -> Reading:
    return Reading((Views(np.array([[0.0, odds]]), np.zeros(1)),), clip=False)


def many(odds: np.ndarray) -> list[Reading]:
    return [picture(float(one)) for one in odds]


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    # The share at which so few errors would be seen in one case of twenty.
    for errors, count in ((0, 59), (3, 100), (7, 412)):
        assert binom.cdf(errors, count, upper_bound(errors, count)) == pytest.approx(0.05, abs=1e-9)
    assert upper_bound(0, 59) < 0.05 < upper_bound(0, 58)
    assert (upper_bound(5, 5), upper_bound(0, 0)) == (1, 1)
    assert (fewest_for(0.05), fewest_for(0.01)) == (59, 299)


def test_as_many_errors_are_allowed_as_the_bound_holds_for() -> None:
    assert [most_errors(count, 0.05) for count in (50, 58, 59, 93, 200)] == [-1, -1, 0, 1, 4]
    for count in (59, 200, 1000):
        assert upper_bound(most_errors(count, 0.05), count) <= 0.05 < upper_bound(most_errors(count, 0.05) + 1, count)


def test_chosen_thresholds_hold_the_wish_in_19_of_20_samples() -> None:
    random = np.random.default_rng(5)
    # p uniform: the true share of false alarms above t is 1 − t, and of misses below t it is t.
    above, below = zip(*(choose(random.random(200), random.random(200), 0.55) for _ in range(600)), strict=True)
    assert np.mean([1 - one <= 0.55 for one in above if one]) >= 0.94
    held = np.mean([one <= 0.55 for one in below if one is not None])
    assert held == 1, "never over one half"
    above = [choose(random.random(200), np.ones(60), 0.05)[0] for _ in range(1500)]
    assert 0.94 <= np.mean([1 - one <= 0.05 for one in above if one is not None]) <= 0.99


def test_a_state_whose_bound_cannot_be_held_is_never_given() -> None:
    # 58 files are too few for 5 %; what is as probable as can be leaves no room above it.
    assert choose(np.zeros(58), np.ones(59), 0.05) == (None, pytest.approx(0.5, abs=1e-5))
    assert choose(np.ones(100), np.ones(100), 0.05)[0] is None
    assert choose(np.zeros(100), np.zeros(100), 0.05)[1] is None


def test_equal_probabilities_all_count() -> None:
    p = np.array([0.7] * 10 + [0.1] * 90)
    above, _ = choose(p, np.ones(100), 0.05)
    assert above is not None
    assert 0.7 < above < 0.70001


@pytest.mark.parametrize("true", [0.5, 3.0])
def test_temperature_is_found_again(true: float) -> None:
    random = np.random.default_rng(2)
    odds = random.normal(0, 3, 4000)
    manipulated = random.random(4000) < 1 / (1 + np.exp(-odds))
    logits = np.stack([np.zeros(4000), odds * true], axis=1)
    assert fit_temperature(logits, manipulated, RULE.untouched) == pytest.approx(true, rel=0.1)
    assert fit_temperature(logits[:150], np.arange(150) < 60, RULE.untouched) is None, "60 of a kind are too few"


def test_figures_of_a_detector_that_knows_nothing_and_of_one_that_knows_all() -> None:
    random, kinds = np.random.default_rng(1), np.arange(400) < 200
    groups = np.where(kinds, np.where(np.arange(400) % 2 == 0, "a", "b"), "real")
    nothing = measure(many(random.normal(0, 1, 400)), kinds, groups, RULE, 1.0, 0.05)
    assert 0.4 < nothing["auc"][0] < 0.6
    assert nothing["found"] < 0.1
    knowing = measure(many(np.where(kinds, 4.0, -4.0) + random.normal(0, 0.3, 400)), kinds, groups, RULE, 1.0, 0.05)
    assert knowing["auc"][0] == 1
    assert (knowing["accused"], knowing["found"], knowing["passed"], knowing["cleared"]) == (0, 1, 0, 1)
    by_group, left_out, *_ = knowing["tables"]
    assert [row[:3] for row in by_group.rows] == [("real", "real", 200), ("a", "manipulated", 100), ("b", "manipulated", 100)]
    # The untouched are of one group alone: nothing is left to choose by.
    assert [row[0] for row in left_out.rows] == ["a", "b"]


def test_a_group_that_is_left_out_does_not_choose_its_own_threshold() -> None:
    kinds = np.arange(300) >= 200
    groups = np.where(kinds, "swap", np.where(np.arange(300) < 100, "real/x", "real/y"))
    # All untouched faces of one source look manipulated.
    odds = np.where(kinds, 3.0, np.where(groups == "real/x", 2.0, -3.0)) + np.linspace(0, 0.1, 300)
    found = measure(many(odds), kinds, groups, RULE, 1.0, 0.05)
    assert found["accused"] <= 0.05
    assert (found["worst_group"], found["worst_share"]) == ("real/x", 1)


def test_a_file_counts_as_its_most_suspicious_face() -> None:
    two = Reading((picture(-2.0).faces[0], picture(3.0).faces[0]), clip=False)
    found = scores([two], RULE, 1.0)
    assert found.accusing[0] == found.clearing[0] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)
    assert found.logits[0].tolist() == [0, 3]


def test_clips_are_called_manipulated_at_just_the_threshold_that_is_said() -> None:
    random = np.random.default_rng(0)
    seconds = np.arange(24) / 4
    for _ in range(50):
        p = random.random(24)
        high, low = extremes(p, seconds, RULE.thresholds, clip=True)

        def guilty(above: float, p: np.ndarray = p) -> bool:
            return bool(sustained(p, seconds, above, 3, 0.5)) or float(np.median(p)) >= above

        assert guilty(high)
        assert not guilty(high + 1e-6)
        assert 0 <= low <= p.max()
    assert extremes(np.array([0.3]), np.zeros(1), RULE.thresholds, clip=False) == (0.3, 0.3)
