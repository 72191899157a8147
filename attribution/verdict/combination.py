"""What several detectors say of a face → one answer: a logistic model over their calibrated log-odds and their distances to reference
faces, whose weights stand in the card of the first of them (`Combination`). numpy only: the lab fits them on what `features` gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attribution.detectors.card import Combination, feature_names
from attribution.evidence import LABEL_FAMILIES, DetectorInfo, Predictions
from attribution.explain.reference import ReferenceBank, kth_distances

MOST_LOG_ODDS, LEAST_LOG_SHARE = 10.0, -6.0
"""Beyond these an answer is no surer: what a network says out there was never measured."""
NEIGHBOUR = 5
_REAL = "real"

__all__ = ["Reading", "can_be_near", "combine", "feature_names", "features"]


@dataclass(frozen=True, repr=False)
class Reading:
    """What one detector says of N faces: `logits` N×K (uncalibrated) and `embeddings` N×D (unit rows) as `Predictor.read` gives them, its
    labels and their families, the temperature of its card, and its reference faces."""

    logits: np.ndarray
    embeddings: np.ndarray
    info: DetectorInfo
    temperature: float
    bank: ReferenceBank


def can_be_near(bank: ReferenceBank, info: DetectorInfo) -> bool:
    """Whether there are both untouched and manipulated faces among the references."""
    return 0 < int(_untouched(bank, info).sum()) < len(bank.methods)


def features(readings: Sequence[Reading]) -> np.ndarray:
    """N×F float64, in the order of `feature_names`; the detector whose card has the combination is read first.

    Of each reader: its log-odds of a manipulation, log p − log(1 − p) from logits / temperature, within ±10; and the cosine distance to
    its 5th nearest manipulated reference minus that to its 5th nearest untouched one (or the farthest where there are fewer): above 0 for
    a face nearer to untouched ones. Of the first also log p(family | manipulated), at least −6. Raises ValueError for readings that are
    not of the same faces, and for references of one kind alone."""
    if len({len(one.logits) for one in readings}) != 1:
        raise ValueError("the readings of a combination must be of the same faces")
    columns = [column for one in readings for column in (_log_odds(one), _nearness(one))]
    shares = [np.maximum(share, LEAST_LOG_SHARE) for share in _log_shares(readings[0]).values()]
    return np.stack([*columns, *shares], axis=1)


def combine(combination: Combination, readings: Sequence[Reading]) -> Predictions:
    """The common answer on N faces, by the labels of the first reading: p(manipulated) = sigmoid(w·x + b); of that each family has its
    share by softmax, and within a family, as within the untouched, each label has the one that the first detector gives it. The logits
    are log p, so that their softmax is `p_methods`; the embeddings are those of the first. Raises ValueError as `features` does, and for
    weights of another number of features or of other families."""
    x, first = features(readings), readings[0]
    if {*combination.families, _REAL} != set(first.info.families) or x.shape[1] + 1 != len(combination.manipulated):
        raise ValueError("this combination is not of these detectors")
    odds = _weighed(x, combination.manipulated)
    # log sigmoid, exact wherever the other one is 1.
    log_families = {_REAL: -np.logaddexp(0, odds)}
    log_manipulated = -np.logaddexp(0, -odds)
    scores = {family: _weighed(x, row) for family, row in combination.families.items()}
    whole = np.logaddexp.reduce(list(scores.values()), axis=0)
    log_families |= {family: log_manipulated + score - whole for family, score in scores.items()}
    scaled, log_p = _scaled(first), np.empty(first.logits.shape)
    for family, log_family in log_families.items():
        own = _of(first.info, family)
        log_p[:, own] = log_family[:, None] + scaled[:, own] - np.logaddexp.reduce(scaled[:, own], axis=1)[:, None]
    p = np.exp(log_p)
    return Predictions(log_p.astype(np.float32), (p / p.sum(axis=1, keepdims=True)).astype(np.float32), first.embeddings)


def _weighed(x: np.ndarray, row: Sequence[float]) -> np.ndarray:
    return x @ np.array(row[:-1]) + row[-1]


def _scaled(one: Reading) -> np.ndarray:
    return one.logits.astype(np.float64) / one.temperature


def _of(info: DetectorInfo, family: str) -> np.ndarray:
    return np.array([own == family for own in info.families])


def _log_odds(one: Reading) -> np.ndarray:
    # Taken from p they would be infinite where p rounds to 1.
    scaled, untouched = _scaled(one), _of(one.info, _REAL)
    odds = np.logaddexp.reduce(scaled[:, ~untouched], axis=1) - np.logaddexp.reduce(scaled[:, untouched], axis=1)
    return np.clip(odds, -MOST_LOG_ODDS, MOST_LOG_ODDS)


def _log_shares(one: Reading) -> dict[str, np.ndarray]:
    """log p(family | manipulated) of every family of its labels, N each, in the fixed order of families."""
    scaled = _scaled(one)
    known = [family for family in LABEL_FAMILIES if family != _REAL and family in one.info.families]
    sums = {family: np.logaddexp.reduce(scaled[:, _of(one.info, family)], axis=1) for family in known}
    whole = np.logaddexp.reduce(list(sums.values()), axis=0)
    return {family: own - whole for family, own in sums.items()}


def _untouched(bank: ReferenceBank, info: DetectorInfo) -> np.ndarray:
    return np.array([info.family(method) == _REAL for method in bank.methods])


def _nearness(one: Reading) -> np.ndarray:
    if not can_be_near(one.bank, one.info):
        raise ValueError("reference faces of one kind alone say nothing of the other")
    untouched = _untouched(one.bank, one.info)
    manipulated, own = (kth_distances(one.embeddings, one.bank.embeddings[rows], NEIGHBOUR) for rows in (~untouched, untouched))
    return manipulated.astype(np.float64) - own
