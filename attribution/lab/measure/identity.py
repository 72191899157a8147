"""How much of a person's identity a detector's features hold: a linear probe (Dong et al., "Implicit Identity Leakage", CVPR 2023, arXiv
2210.14457, §3.1) from frozen features to the person in untouched photographs.

The probe is a logistic regression on standardised features, its strength of regularisation chosen inside of each training part. Background,
clothes and light help it too: photographs of one sitting look alike in more than the face. What compares is the difference between
detectors on the same pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.lab.data import REAL
from attribution.lab.measure import metrics
from attribution.lab.pools import Samples

Features = Mapping[tuple[str, str], np.ndarray]
"""(detector, what its features are, for example "pooled") → N×F features of the same N pictures. Of several features of one detector the
first is the one that is compared with other detectors."""

TITLE, DIFFERENCES_TITLE = "Identity probe", "Identity probe, differences"
LEAST_PICTURES = 4
COMMON_WIDTH = 32
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS, REPEATS, INNER_FOLDS = 5, 6, 3
_SEED = 7


@dataclass(frozen=True)
class ProbeFaces:
    """Untouched pictures of people of whom there are several: `indices` into the samples of a split, `persons` N names."""

    indices: np.ndarray
    persons: tuple[str, ...]


def probe_faces(samples: Samples, source: str = "", least: int = LEAST_PICTURES) -> ProbeFaces:
    """The untouched faces of a split (of one source, unless ""), whose `group` has at least `least` of them."""
    own = [i for i in range(len(samples)) if samples.families[i] == REAL and source in ("", samples.sources[i])]
    count = Counter(samples.groups[i] for i in own)
    chosen = [i for i in own if count[samples.groups[i]] >= least]
    return ProbeFaces(np.array(chosen, int), tuple(samples.groups[i] for i in chosen))


def probe(values: np.ndarray, persons: Sequence[str], width: int | None = None, repeats: int = REPEATS) -> np.ndarray:
    """How often each of N pictures was recognised by a probe that did not see it, N shares over `repeats` repetitions of stratified
    k-fold cross-validation (k = 5, or the pictures of the rarest person). `values` N×F; with `width` they are reduced to at most so many
    principal components of the training part first.

    LabError for fewer than two people, a person with fewer than four pictures, or features that do not fit or are not finite.
    """
    values, truth = np.asarray(values, np.float64), np.asarray(persons)
    count = Counter(truth.tolist())
    if len(count) < 2 or min(count.values()) < LEAST_PICTURES:
        raise LabError("An identity probe needs two people with four pictures each.", "Use a collection that names its people.")
    if values.ndim != 2 or len(values) != len(truth) or not np.isfinite(values).all():
        raise LabError("The features of the identity probe do not fit its pictures.", "Give one row of finite features for each.")
    folds = RepeatedStratifiedKFold(n_splits=min(FOLDS, min(count.values())), n_repeats=repeats, random_state=_SEED)
    right = np.zeros(len(truth))
    for training, rest in folds.split(values, truth):
        right[rest] += _named(values[training], truth[training], values[rest], width) == truth[rest]
    return right / repeats


def _named(training: np.ndarray, persons: np.ndarray, rest: np.ndarray, width: int | None) -> np.ndarray:
    """The persons that the probe names for the `rest`, its strength the one of least log loss in cross-validation of the training part."""
    scaler = StandardScaler().fit(training)
    # All components only turn the features, which changes nothing for this probe; but there are as many as pictures, not as features.
    most = min(training.shape[1], len(training))
    components = PCA(most if width is None else min(width, most), svd_solver="full").fit(scaler.transform(training))
    inside, outside = (components.transform(scaler.transform(values)) for values in (training, rest))
    losses = np.zeros(len(STRENGTHS))
    for fit, held in StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=_SEED).split(inside, persons):
        for place, strength in enumerate(STRENGTHS):
            model = _regression(strength).fit(inside[fit], persons[fit])
            losses[place] += log_loss(persons[held], model.predict_proba(inside[held]), labels=model.classes_) * len(held)
    return _regression(STRENGTHS[int(losses.argmin())]).fit(inside, persons).predict(outside)


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=4000)


def identity_tables(
    features: Features, persons: Sequence[str], width: int = COMMON_WIDTH, repeats: int = REPEATS, about: str = ""
) -> list[MeasuredTable]:
    """The tables "Identity probe" and "Identity probe, differences": every entry of `features` at its own width, then reduced to `width`
    principal components, so that the width alone does not decide. Differences: every pair of detectors (their first features) in the order
    given, in full and reduced, over the same resamples of pictures. `about` says for the note which pictures these are."""
    count = Counter(persons)
    rows: list[tuple[str | float | int | None, ...]] = []
    recognised: list[dict[str, np.ndarray]] = []
    for reduced in (None, width):
        first: dict[str, np.ndarray] = {}
        for (detector, kind), values in features.items():
            right = probe(values, persons, reduced, repeats)
            first.setdefault(detector, right)
            named = (
                f"{values.shape[1]} {kind}" if reduced is None else f"{min(width, values.shape[1])} components of {values.shape[1]} {kind}"
            )
            shares = (1 / len(count), max(count.values()) / len(persons))
            rows.append((detector, named, len(persons), len(count), *_estimate(right), *(round(one, 3) for one in shares)))
        recognised.append(first)
    differences = []
    for first, words in zip(recognised, ("", f", {width} components"), strict=True):
        for a, b in combinations(first, 2):
            differences.append((f"{a}{words} − {b}{words}", *_estimate(first[a] - first[b])))
    note = (
        f"{about + ' ' if about else ''}A logistic regression from frozen, standardised features to the person; {repeats} repetitions of "
        f"stratified {min(FOLDS, min(count.values()))}-fold cross-validation, the regularisation chosen inside of each training part. "
        "Accuracy: the share of pictures recognised that the probe had not seen, with the 95 % bootstrap interval over pictures; chance: "
        "one in so many people; commonest: always naming the person with the most pictures. Backgrounds and clothes of one occasion help "
        "the probe as faces do."
    )
    columns = ("detector", "features", "pictures", "persons", "accuracy", "low", "high", "chance", "commonest")
    paired = "Differences of accuracy on the same pictures, with the 95 % interval of a paired bootstrap over pictures."
    return [
        MeasuredTable(TITLE, columns, tuple(rows), note),
        MeasuredTable(DIFFERENCES_TITLE, ("pair", "difference", "low", "high"), tuple(differences), paired),
    ]


def _estimate(values: np.ndarray) -> metrics.Estimate:
    return metrics.estimate(lambda drawn: float(values[drawn].mean()), len(values))
