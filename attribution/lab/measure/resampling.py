"""Bootstrap intervals over groups (clips, people): faces of one group stand and fall together, so a resample draws whole groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from attribution.lab.measure import metrics


def group_bootstrap(figure: Callable[[np.ndarray], float], groups: Sequence[str] | np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of `figure(indices of faces)` over 1000 resamples of the groups of N faces with replacement (Efron and
    Tibshirani 1993, ch. 8). Resamples for which `figure` raises ValueError do not count; the same groups and seed give the same resamples
    to every figure, so that a difference of two figures inside of `figure` is a paired one. ValueError without any face."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    if not len(names):
        raise ValueError("there is no face to resample")
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    return metrics.bootstrap(lambda drawn: figure(np.concatenate([members[one] for one in drawn])), len(names), seed)
