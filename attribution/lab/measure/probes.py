"""Two linear probes: how much of the *identity* of untouched people a detector's frozen features hold (Dong et al., "Implicit Identity
Leakage", CVPR 2023, arXiv 2210.14457, §3.1; compare detectors on the same pictures: backgrounds and clothes help too), and *shortcuts*: do
compression, resolution or colour alone give the class away, before and after augmentation?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import cv2
import numpy as np
from scipy.fft import dctn
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from attribution.detectors.card import Cell, MeasuredTable
from attribution.errors import LabError
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.augment import augment, jpeg
from attribution.lab.forge.pools import Samples
from attribution.lab.tables import table
from attribution.lab.train.sampling import STRENGTHS

Features = Mapping[tuple[str, str], np.ndarray]
"""(detector, what its features are, for example "pooled") → N×F features of the same N pictures. Of several features of one detector the
first is the one that is compared with other detectors."""

LEAST_PICTURES, FOLDS, REPEATS, INNER_FOLDS, _SEED = 4, 5, 6, 3, 7
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)


class ProbeFaces(NamedTuple):
    """Untouched pictures of people of whom there are several: `indices` into a split's samples, `persons` N names."""

    indices: np.ndarray
    persons: tuple[str, ...]


def probe_faces(samples: Samples, source: str = "", least: int = LEAST_PICTURES) -> ProbeFaces:
    """The untouched faces of a split (of one source, unless "") whose `group` has at least `least` of them."""
    own = [i for i in range(len(samples)) if samples.families[i] == REAL and source in ("", samples.sources[i])]
    count = Counter(samples.groups[i] for i in own)
    chosen = [i for i in own if count[samples.groups[i]] >= least]
    return ProbeFaces(np.array(chosen, int), tuple(samples.groups[i] for i in chosen))


def probe_identity(values: np.ndarray, persons: Sequence[str], width: int | None = None, repeats: int = REPEATS) -> np.ndarray:
    """How often each of N pictures was recognised by a probe that did not see it, N shares over `repeats` of stratified k-fold
    cross-validation (k = 5, or the rarest person's pictures); with `width` on at most so many principal components. LabError for fewer
    than two people, fewer than four pictures of one, or features that do not fit or are not finite."""
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
    losses = np.zeros(len(_STRENGTHS))
    for fit, held in StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=_SEED).split(inside, persons):
        for place, strength in enumerate(_STRENGTHS):
            model = LogisticRegression(C=strength, max_iter=4000).fit(inside[fit], persons[fit])
            losses[place] += log_loss(persons[held], model.predict_proba(inside[held]), labels=model.classes_) * len(held)
    return LogisticRegression(C=_STRENGTHS[int(losses.argmin())], max_iter=4000).fit(inside, persons).predict(outside)


def _accuracy(values: np.ndarray) -> metrics.Estimate:
    return metrics.estimate(lambda drawn: float(values[drawn].mean()), len(values))


def identity_tables(
    features: Features, persons: Sequence[str], width: int = 32, repeats: int = REPEATS, about: str = ""
) -> list[MeasuredTable]:
    """The tables "Identity probe" and "Identity probe, differences": every entry of `features` at its own width and at `width` principal
    components; differences of every pair of detectors (their first features). `about` says which pictures these are."""
    count = Counter(persons)
    rows: list[tuple[Cell, ...]] = []
    recognised: list[dict[str, np.ndarray]] = []
    for reduced in (None, width):
        first: dict[str, np.ndarray] = {}
        for (detector, kind), values in features.items():
            right = probe_identity(values, persons, reduced, repeats)
            first.setdefault(detector, right)
            words = "" if reduced is None else f"{min(width, values.shape[1])} components of "
            shares = metrics.cells(1 / len(count), max(count.values()) / len(persons))
            rows.append((detector, f"{words}{values.shape[1]} {kind}", len(persons), len(count), *_accuracy(right), *shares))
        recognised.append(first)
    differences = [
        (f"{a}{words} − {b}{words}", *_accuracy(first[a] - first[b]))
        for first, words in zip(recognised, ("", f", {width} components"), strict=True)
        for a, b in combinations(first, 2)
    ]
    return [
        table("identity", rows, about=about + " " if about else "", repeats=repeats, folds=min(FOLDS, min(count.values()))),
        table("identity_differences", differences),
    ]


# Training spends most of its steps on windows of this side, and draws the strength of a change from these (attribution/lab/sampling.py).
WINDOW_PX = 160
CUES, ALL_CUES = ("compression", "resolution", "colour"), "all three together"
LEAST_PER_SOURCE, _BLOCK, _LEAST = 5, 8, 1e-3
# Diagonals of an 8×8 block: low, middle and high frequencies, without the mean.
_DIAGONAL = np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK))
_DCT_BANDS = tuple((first <= _DIAGONAL) & (last > _DIAGONAL) for first, last in ((1, 4), (4, 8), (8, 15)))
# Shares of the highest frequency of rows and columns.
_RADII = (0.05, 0.15, 0.3, 0.5, 0.75, 1.0)


def compression_cues(rgb: np.ndarray) -> np.ndarray:
    """S×S×3 uint8 → 9 numbers of its JPEG history: log blockiness of rows and columns (after Wang, Bovik and Evans 2000), the share of
    block-DCT coefficients that round to zero in three bands, log mean size of the middle band against the low, log errors of compressing
    again at three qualities (JPEG ghosts, Farid 2009)."""
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    grey = luma.astype(np.float32)
    blockiness = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(1 - axis)
        phases = np.array([steps[phase::_BLOCK].mean() for phase in range(_BLOCK)])
        strongest = phases.max()
        blockiness.append(np.log((strongest + _LEAST) / ((phases.sum() - strongest) / (_BLOCK - 1) + _LEAST)))
    side = grey.shape[0] // _BLOCK * _BLOCK
    blocks = grey[:side, :side].reshape(side // _BLOCK, _BLOCK, -1, _BLOCK).swapaxes(1, 2)
    sizes = np.abs(np.asarray(dctn(blocks, axes=(2, 3), norm="ortho")))
    zeros = [float((sizes[..., band] < 0.5).mean()) for band in _DCT_BANDS]
    low, middle = (sizes[..., band].mean() for band in _DCT_BANDS[:2])
    again = [cv2.cvtColor(jpeg(rgb, quality), cv2.COLOR_RGB2GRAY) for quality in (50, 70, 85)]
    errors = [np.log(np.square(grey - one).mean() + _LEAST) for one in again]
    return np.array([*blockiness, *zeros, np.log((middle + _LEAST) / (low + _LEAST)), *errors])


def resolution_cues(rgb: np.ndarray) -> np.ndarray:
    """S×S×3 uint8 → 8 numbers of its sharpness: log variance of the Laplacian at full and half size, the slope of the log radial spectrum,
    and the log shares of energy in five rings."""
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    half = cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    sharp = [np.log(cv2.Laplacian(picture, cv2.CV_32F).var() + _LEAST) for picture in (luma, half)]
    window = np.hanning(luma.shape[0]).astype(np.float32)
    energy = np.square(np.abs(np.fft.rfft2((luma - luma.mean()) * window[:, None] * window[None])))
    radius = 2 * np.hypot(np.fft.fftfreq(luma.shape[0])[:, None], np.fft.rfftfreq(luma.shape[1])[None])
    rings = [(radius >= inner) & (radius < outer) for inner, outer in pairwise(_RADII)]
    mean = np.log(np.array([energy[ring].mean() for ring in rings]) + _LEAST)
    slope = np.polyfit(np.log(np.array([radius[ring].mean() for ring in rings])), mean, 1)[0]
    sums = np.array([energy[ring].sum() for ring in rings]) + _LEAST
    return np.array([*sharp, slope, *np.log(sums / sums.sum())])


def colour_cues(rgb: np.ndarray) -> np.ndarray:
    """S×S×3 uint8 → 6 numbers: mean and standard deviation of each channel."""
    pixels = rgb.reshape(-1, 3).astype(np.float32)
    return np.concatenate([pixels.mean(0), pixels.std(0)])


def _cues(pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Per cue N×F; `ALL_CUES` is all of them side by side."""
    measures = dict(zip(CUES, (compression_cues, resolution_cues, colour_cues), strict=True))
    found = {cue: np.stack([measure(picture) for picture in pictures]) for cue, measure in measures.items()}
    return found | {ALL_CUES: np.concatenate([found[cue] for cue in CUES], 1)}


def draw(samples: Samples, per_family: int, seed: int) -> np.ndarray:
    """Indices of at most `per_family` faces of each family: methods alike, sources by the square root of their size."""
    random = np.random.default_rng(seed)
    methods, families, sources = (np.array(names) for names in (samples.methods, samples.families, samples.sources))
    chosen: list[int] = []
    for family in sorted(set(families.tolist())):
        mine = np.flatnonzero(families == family)
        pairs = list(zip(methods[mine].tolist(), sources[mine].tolist(), strict=True))
        size = {pair: pairs.count(pair) for pair in set(pairs)}
        share = {method: sum(count**0.5 for (one, _), count in size.items() if one == method) for method, _ in size}
        chance = np.array([size[pair] ** -0.5 / share[pair[0]] for pair in pairs])
        chosen += random.choice(mine, min(per_family, len(mine)), replace=False, p=chance / chance.sum()).tolist()
    return np.array(sorted(chosen), int)


def _as_trained_on(samples: Samples, chosen: np.ndarray, seed: int) -> list[np.ndarray]:
    draws = [(index, np.random.default_rng([seed, index])) for index in chosen.tolist()]
    return [augment(samples.encoded(index), random, WINDOW_PX, float(random.choice(STRENGTHS))) for index, random in draws]


def probe_cue(
    train: np.ndarray, train_names: np.ndarray, val: np.ndarray, val_names: np.ndarray
) -> tuple[int, float | None, float | None, float | None, float | None]:
    """Class-balanced logistic regression from N×F features to the names that both parts have: tested faces, balanced accuracy with its
    interval, chance; None but for the count with fewer than two names."""
    shared = sorted(set(train_names.tolist()) & set(val_names.tolist()))
    learnt, tested = np.isin(train_names, shared), np.isin(val_names, shared)
    if len(shared) < 2:
        return int(tested.sum()), *metrics.NOT_MEASURED, None
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=3000))
    model.fit(train[learnt], train_names[learnt])
    right = model.predict(val[tested]) == val_names[tested]
    truth = np.searchsorted(np.array(shared), val_names[tested])
    value, low, high = metrics.estimate(lambda drawn: metrics.balanced_share(truth[drawn], right[drawn], len(shared)), len(truth))
    return len(truth), value, low, high, round(1 / len(shared), 3)


def shortcut_table(samples_train: Samples, samples_val: Samples, seed: int, per_family: int = 400) -> MeasuredTable:
    """What each cue alone says of the family, and all of an untouched face's source, before and after augmentation: learnt from at most
    `per_family` training faces of each family, tested on as many validation faces. About 40 s on one core."""
    parts = []
    for samples in (samples_train, samples_val):
        chosen = draw(samples, per_family, seed)
        pictures = {"before": [samples.encoded(index) for index in chosen.tolist()], "after": _as_trained_on(samples, chosen, seed)}
        parts.append((
            {when: _cues(crops) for when, crops in pictures.items()},
            np.array(samples.families)[chosen], np.array(samples.sources)[chosen],
        ))  # fmt: skip
    (train, train_families, train_sources), (val, val_families, val_sources) = parts
    rows = [
        (f"{cue} → family, {when} augmentation", *probe_cue(train[when][cue], train_families, val[when][cue], val_families))
        for cue in (*CUES, ALL_CUES)
        for when in ("before", "after")
    ]
    # A source with a face or two in the draw can neither be learnt nor tested.
    counts = [Counter(names[of == REAL].tolist()) for names, of in ((train_sources, train_families), (val_sources, val_families))]
    enough = sorted(source for source in counts[1] if min(count[source] for count in counts) >= LEAST_PER_SOURCE)
    learnt = (train_families == REAL) & np.isin(train_sources, enough)
    tested = (val_families == REAL) & np.isin(val_sources, enough)
    for when in ("before", "after"):
        answer = probe_cue(train[when][ALL_CUES][learnt], train_sources[learnt], val[when][ALL_CUES][tested], val_sources[tested])
        rows.append((f"{ALL_CUES} → source of an untouched face, {when} augmentation", *answer))
    return table("shortcuts", rows)
