"""Figures of merit, per face and per source, with bootstrap intervals. Probabilities are arrays of N (binary) or N×K (methods)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Rows of softmax(logits / T), N×K."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def auc(positive: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve of `p` for the boolean `positive`; ValueError when only one class is there."""
    if len(np.unique(positive)) < 2:
        raise ValueError("an AUC needs both classes")
    return float(roc_auc_score(positive, p))


def equal_error_rate(positive: np.ndarray, p: np.ndarray) -> float:
    """The error rate where false alarms and misses are equally frequent."""
    false_alarms, hits, _ = roc_curve(positive, p)
    at = int(np.argmin(np.abs(false_alarms - (1 - hits))))
    return float((false_alarms[at] + 1 - hits[at]) / 2)


def balanced_accuracy(truth: Sequence[str], answer: Sequence[str]) -> float:
    """The mean over true classes of the share answered rightly."""
    true, said = np.array(truth), np.array(answer)
    return float(np.mean([(said[true == name] == name).mean() for name in sorted(set(truth))]))


def expected_calibration_error(p: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """ECE of the confidence `p` (N) against the boolean `right` (N), equal-width bins (Naeini et al. 2015; Guo et al. 2017)."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(p[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in range(bins) if (place == b).any()]
    return float(np.sum(gaps))


def fit_temperature(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The T > 0 that minimises the (weighted) negative log-likelihood of softmax(logits / T) (Guo et al. 2017), by golden section."""
    weights = np.ones(len(truth)) if weights is None else weights

    def loss(log_t: float) -> float:
        p = softmax(logits, float(np.exp(log_t)))[np.arange(len(truth)), truth]
        return float(-(weights * np.log(np.maximum(p, 1e-12))).sum() / weights.sum())

    low, high, golden = np.log(0.2), np.log(8.0), (5**0.5 - 1) / 2
    for _ in range(60):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def bootstrap(figure: Callable[[np.ndarray], float], count: int, seed: int = 0, draws: int = 1000) -> tuple[float, float]:
    """The 95 % percentile interval of `figure(indices)` over resamples of `count` faces with replacement."""
    random = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        try:
            values.append(figure(random.integers(0, count, count)))
        except ValueError:  # a resample with one class only has no AUC
            continue
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, p = 1.96, hits / count
    centre, half = p + z * z / (2 * count), z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return float(max(0.0, (centre - half) / scale)), float(min(1.0, (centre + half) / scale))
