"""Figures of merit, per face and per source, with bootstrap intervals. Probabilities are arrays of N (binary) or N×K (methods)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata
from sklearn.metrics import roc_curve

Groups = int | Sequence[str] | np.ndarray
Estimate = tuple[float, float, float] | tuple[None, None, None]
"""Three cells of a table: a figure, and the ends of its 95 % interval."""
NOT_MEASURED = (None, None, None)
Pair = tuple[str, str]
"""A source of untouched faces, and one of manipulated ones."""


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Rows of softmax(logits / T), N×K."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def auc(positive: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve of `p` for the boolean `positive`; ValueError when only one class is there."""
    if len(np.unique(positive)) < 2:
        raise ValueError("an AUC needs both classes")
    ranks, hits = rankdata(p), int(np.sum(positive))
    # Mann and Whitney's U: the same figure as scikit-learn's, ten times quicker, for intervals by bootstrap.
    return float((ranks[np.asarray(positive, bool)].sum() - hits * (hits + 1) / 2) / (hits * (len(ranks) - hits)))


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


def expected_calibration_error(p: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """ECE of the confidence `p` (N) against the boolean `right` (N), equal-width bins (Naeini et al. 2015; Guo et al. 2017)."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    return float(np.sum([abs(p[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in range(bins) if b in place]))


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
    place, count = _places(groups)
    random = np.random.default_rng(seed)
    if multinomial:
        return random.multinomial(count, np.full(count, 1 / count), draws)[:, place]
    return np.stack([np.bincount(random.integers(0, count, count), minlength=count)[place] for _ in range(draws)])


def bootstrap(statistic: Callable[..., float], groups: Groups, seed: int = 0, draws: int = 1000, also: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic of face indices over resamples of `groups` (or N faces) with replacement (Efron and
    Tibshirani 1993, ch. 8). Resamples for which it raises ValueError do not count (ValueError: none left). `also` resamples as many
    training seeds beside the faces; their indices are its second argument."""
    place, count = _places(groups)
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    random = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = random.integers(0, count, count)
        faces = drawn if isinstance(groups, int) else np.concatenate([members[one] for one in drawn])
        others = (random.integers(0, also, also),) if also else ()
        with contextlib.suppress(ValueError):  # for example a resample of one class only, which has no AUC
            values.append(statistic(faces, *others))
    return interval(values)


def _places(groups: Groups) -> tuple[np.ndarray, int]:
    """The number of each face's group, and of the groups; ValueError without any face."""
    place = np.arange(groups) if isinstance(groups, int) else np.unique(np.asarray(groups), return_inverse=True)[1]
    if not len(place):
        raise ValueError("there is no face to resample")
    return place, int(place.max()) + 1


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the finite ones among values that were drawn; ValueError when there is none."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        raise ValueError("no resample can be measured")
    low, high = np.percentile(finite, (2.5, 97.5)).tolist()
    return low, high


def cells(*values: float, digits: int = 3) -> tuple[float, ...]:
    """Figures as a table has them: rounded, without a minus before a zero."""
    return tuple(round(float(value), digits) + 0.0 for value in values)


def estimate(statistic: Callable[[np.ndarray], float], groups: Groups, seed: int = 0, draws: int = 1000) -> Estimate:
    """A statistic of all faces and its bootstrap interval, rounded for a table; None thrice where it cannot be measured (ValueError)."""
    try:
        value = statistic(np.arange(len(_places(groups)[0])))
        low, high = bootstrap(statistic, groups, seed, draws)
    except ValueError:
        return NOT_MEASURED
    return cells(value, low, high)  # type: ignore[return-value]


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
