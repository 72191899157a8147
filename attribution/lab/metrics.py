"""Figures of merit, per face and per source, with bootstrap intervals. Probabilities are arrays of N (binary) or N×K (methods)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from sklearn.metrics import roc_curve

from attribution.measuring.metrics import (
    NOT_MEASURED,
    Estimate,
    Groups,
    auc,
    bootstrap,
    cells,
    estimate,
    expected_calibration_error,
    interval,
    places,
    softmax,
)

__all__ = [
    "NOT_MEASURED", "Estimate", "Groups", "Pair", "auc", "balanced_accuracy", "balanced_share", "bootstrap", "cells", "equal_error_rate",
    "estimate", "expected_calibration_error", "fit_calibration", "interval", "macro_f1", "pair_aucs", "resamples", "share",
    "share_interval", "softmax", "source_pairs",
]  # fmt: skip

Pair = tuple[str, str]
"""A source of untouched faces, and one of manipulated ones."""


def source_pairs(positive: np.ndarray, sources: np.ndarray, within: bool = False, least: int = 10) -> list[Pair]:
    """(A, B) for every source A of untouched and every source B of positive (manipulated) faces with `least` of them: A ≠ B, or A = B if
    `within`. `positive` N boolean, `sources` N names of collections."""
    untouched, manipulated = (
        [str(name) for name, faces in zip(*np.unique(sources[mine], return_counts=True), strict=True) if faces >= least]
        for mine in (~positive, positive)
    )
    return [(a, b) for a in untouched for b in manipulated if (a == b) == within]


def pair_aucs(positive: np.ndarray, p: np.ndarray, sources: np.ndarray, pairs: Sequence[Pair]) -> np.ndarray:
    """For each pair (A, B) the AUC of A's untouched faces against B's manipulated ones, P(p_b > p_a) + P(p_b = p_a) / 2. The Cross-AUC is
    their mean over all pairs A ≠ B: it is lower than the mean over A = B where probabilities drift from source to source. ValueError for
    no pair, or one that lacks faces."""
    if not pairs:
        raise ValueError("there is no pair of sources")
    own = {name: ((sources == name) & ~positive, (sources == name) & positive) for name in {name for pair in pairs for name in pair}}
    chosen = (own[a][0] | own[b][1] for a, b in pairs)
    return np.array([auc(positive[mine], p[mine]) for mine in chosen])


def equal_error_rate(positive: np.ndarray, p: np.ndarray) -> float:
    """The error rate where false alarms and misses are equally frequent."""
    false_alarms, hits, _ = roc_curve(positive, p)
    at = int(np.argmin(np.abs(false_alarms - (1 - hits))))
    return float((false_alarms[at] + 1 - hits[at]) / 2)


def balanced_accuracy(truth: Sequence[str], answer: Sequence[str]) -> float:
    """The mean over true classes of the share answered rightly."""
    true, said = np.array(truth), np.array(answer)
    return float(np.mean([(said[true == name] == name).mean() for name in sorted(set(truth))]))


def balanced_share(classes: np.ndarray, right: np.ndarray, count: int) -> float:
    """`balanced_accuracy` of faces whose classes are numbers below `count`, N; ValueError when a class has no face."""
    faces = np.bincount(classes, minlength=count)
    if not len(faces) or not faces.all():
        raise ValueError("a class without a face")
    return float((np.bincount(classes, right, count) / faces).mean())


def macro_f1(truth: Sequence[str] | np.ndarray, answer: Sequence[str] | np.ndarray) -> float:
    """The mean over true classes of F1 = 2·hits / (faces of the class + faces that got its name)."""
    true, said = np.asarray(truth), np.asarray(answer)
    names = np.unique(true)
    return float(np.mean([2 * ((said == name) & (true == name)).sum() / ((true == name).sum() + (said == name).sum()) for name in names]))


def fit_calibration(
    logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None, holding_back: float = 1e-3
) -> tuple[np.ndarray, float]:
    """The bias per class (K, mean 0) and the temperature that minimise the weighted negative log-likelihood of softmax((logits + bias) /
    T): bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020, arXiv 1901.06852). `holding_back` weighs the sum of
    squared biases, so that a class of few faces keeps its own."""
    weights = np.ones(len(truth)) if weights is None else weights
    share, rows = weights / weights.sum(), np.arange(len(truth))

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        bias, t = values[:-1], np.exp(values[-1])
        scaled = (logits + bias) / t
        slope = softmax(scaled)
        value = -(share * np.log(np.maximum(slope[rows, truth], 1e-12))).sum() + holding_back * (bias**2).sum()
        slope[rows, truth] -= 1
        slope *= share[:, None]
        return float(value), np.append(slope.sum(0) / t + 2 * holding_back * bias, -(slope * scaled).sum())

    bounds = [(-5.0, 5.0)] * logits.shape[1] + [(np.log(0.2), np.log(8.0))]
    best = minimize(loss, np.zeros(logits.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return best[:-1] - best[:-1].mean(), float(np.exp(best[-1]))


def resamples(groups: Groups, draws: int = 1000, seed: int = 0, multinomial: bool = False) -> np.ndarray:
    """How often each of N faces is in each resample of whole groups, draws×N; `multinomial`: all drawn in one go, other numbers."""
    place, count = places(groups)
    random = np.random.default_rng(seed)
    if multinomial:
        return random.multinomial(count, np.full(count, 1 / count), draws)[:, place]
    return np.stack([np.bincount(random.integers(0, count, count), minlength=count)[place] for _ in range(draws)])


def share(hits: np.ndarray) -> Estimate:
    """The share of N boolean that are true and Wilson's interval, rounded for a table; None thrice of nothing."""
    if not len(hits):
        return NOT_MEASURED
    return cells(hits.mean(), *share_interval(int(hits.sum()), len(hits)))  # type: ignore[return-value]


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, p = 1.96, hits / count
    centre, half = p + z * z / (2 * count), z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return float(max(0.0, (centre - half) / scale)), float(min(1.0, (centre + half) / scale))
