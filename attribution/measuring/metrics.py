"""Figures of merit that the lab and whoever measures on files of their own share, with bootstrap intervals and exact bounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import beta, rankdata

Groups = int | Sequence[str] | np.ndarray
Estimate = tuple[float, float, float] | tuple[None, None, None]
"""Three cells of a table: a figure, and the ends of its 95 % interval."""
NOT_MEASURED = (None, None, None)


def upper_bound(errors: int, count: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of a share of which `errors` of `count` were seen (Clopper and Pearson 1934); 1 of nothing."""
    return float(beta.ppf(confidence, errors + 1, count - errors)) if errors < count else 1.0


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


def expected_calibration_error(p: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """ECE of the confidence `p` (N) against the boolean `right` (N), equal-width bins (Naeini et al. 2015; Guo et al. 2017)."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    return float(np.sum([abs(p[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in range(bins) if b in place]))


def bootstrap(statistic: Callable[..., float], groups: Groups, seed: int = 0, draws: int = 1000, also: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic of face indices over resamples of `groups` (or N faces) with replacement (Efron and
    Tibshirani 1993, ch. 8). Resamples for which it raises ValueError do not count (ValueError: none left). `also` resamples as many
    training seeds beside the faces; their indices are its second argument."""
    place, count = places(groups)
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


def places(groups: Groups) -> tuple[np.ndarray, int]:
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
        value = statistic(np.arange(len(places(groups)[0])))
        low, high = bootstrap(statistic, groups, seed, draws)
    except ValueError:
        return NOT_MEASURED
    return cells(value, low, high)  # type: ignore[return-value]
