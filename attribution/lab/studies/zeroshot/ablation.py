"""Do the universal units carry what generalises? Keep only them, or remove them, and ask again about sources that the run never saw.

A unit is taken away by setting it to its mean over the val faces of the trained-on source. The logit is linear in the units, so all of
this is matrix products on what was read once. Random units of the same number are one yardstick; as universal units are strong ones by
construction, the strongest on the trained-on source alone are the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from attribution.detectors.card import MeasuredTable
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.neurons import Row, kept_count, resamples, unit_effects
from attribution.lab.studies.zeroshot.plan import BASE, SEED, SOURCES, TRAINED, Run
from attribution.lab.train.single_source import Said

SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
RANDOM_SETS = 200
RESAMPLES = 300
KEEP, REMOVE, KEEP_RANDOM, REMOVE_RANDOM = "keep", "remove", "keep random", "remove random"
WITHOUT = "keep, chosen without the tested source"
STRONGEST = "keep, strongest on the trained-on source"
ALL_UNITS, RANDOM_UNITS, STRONGEST_UNITS = "all units", "random units", "strongest units"
MEAN = "mean"
Key = tuple[str, float]


def universality(effects: np.ndarray) -> np.ndarray:
    """Units from the most universal to the least, F indices, from S×F effects: by their worst rank over the S sources, then by their mean
    rank. The first m of them are the universal units at the strictness that leaves m."""
    ranks = rankdata(-effects, axis=1)
    return np.lexsort((ranks.mean(0), ranks.max(0)))


def masks(orders: np.ndarray, count: int) -> np.ndarray:
    """F×C: 1 for the first `count` units of each of C orders (C×F), else 0."""
    kept = np.zeros(orders.shape)
    np.put_along_axis(kept, orders[:, :count], 1.0, 1)
    return kept.T


def wins(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of C columns of scores (N×C): P×U float32, the share of columns in which a manipulated face lies above an untouched one (ties: half);
    and the AUC of each column, C. ValueError when only one class is there."""
    above, below = scores[positive], scores[~positive]
    if not len(above) or not len(below):
        raise ValueError("an AUC needs both classes")
    pairs = np.empty((len(above), len(below)), np.float32)
    columns = np.zeros(scores.shape[1])
    for place, row in enumerate(above):
        halves = (below < row).view(np.uint8) + (below <= row).view(np.uint8)
        pairs[place] = halves.sum(1, dtype=np.uint32)
        columns += halves.sum(0, dtype=np.uint32)
    return pairs / (2 * scores.shape[1]), columns / (2 * pairs.size)


def resampled_aucs(pairs: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The AUC (the mean over the columns of `wins`) on each of R resamples in which the faces come `above` (R×P) and `below` (R×U) times:
    it is bilinear in those numbers. NaN where a class is missing."""
    count = above.sum(1) * below.sum(1)
    return np.where(count > 0, ((above @ pairs) * below).sum(1) / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class Ablated:
    """`figures` (way, share) → 1+R mean AUCs over the never-seen sources: as measured, and on R resamples of the faces (sets of random
    units with their mean); `bands` (way, share) → the AUC of each random set, as measured."""

    figures: Mapping[Key, np.ndarray]
    bands: Mapping[Key, np.ndarray]


def mean_of(ablated: Sequence[Ablated]) -> Ablated:
    """The mean over sources or runs that were measured on the same resamples."""
    means = [{key: np.mean([one[key] for one in each], axis=0) for key in each[0]} for each in
             ([one.figures for one in ablated], [one.bands for one in ablated])]  # fmt: skip
    return Ablated(*means)


def ablate(run: Run, said: Said, faces: Faces, counts: np.ndarray, shares: Sequence[float] = SHARES, sets: int = RANDOM_SETS) -> Ablated:
    """A base run on its never-seen sources. `counts` (1+R)×N: how often a face is in each resample; in the first, once. ValueError when
    one of those sources has a single class among its test faces, or a trained-on one no val face."""
    units = said.units.shape[1]
    effects = {source: unit_effects(said.units[faces.of(source, "val")], said.weight, said.bias) for source in TRAINED}
    random = np.random.default_rng([SEED, units])
    orders = {
        KEEP: universality(np.stack(list(effects.values())))[None],
        STRONGEST: np.argsort(-effects[run.trained_on], kind="stable")[None],
        KEEP_RANDOM: random.permuted(np.broadcast_to(np.arange(units), (sets, units)), axis=1),
    }
    kept = {(way, share): masks(order, kept_count(share, units)) for way, order in orders.items() for share in shares}
    for removing, keeping in ((REMOVE, KEEP), (REMOVE_RANDOM, KEEP_RANDOM)):
        kept |= {(removing, share): 1 - kept[keeping, share] for share in shares}
    kept[KEEP, 1.0] = np.ones((units, 1))
    mean = said.units[faces.of(run.trained_on, "val")].astype(np.float64).mean(0)
    terms = (said.units - mean) * said.weight.astype(np.float64)
    others = float(mean @ said.weight) + said.bias
    found = []
    for source in SOURCES:
        if source in run.seen:
            continue
        own = faces.of(source)
        positive = faces.manipulated[own]
        above, below = counts[:, own[positive]], counts[:, own[~positive]]
        order = universality(np.stack([one for name, one in effects.items() if name != source]))[None]
        without = {(WITHOUT, share): masks(order, kept_count(share, units)) for share in shares}
        figures, bands = {}, {}
        for key, one in (kept | without).items():
            # In single precision, faces of which only means are left are ties, as they should be, whatever the order of summing.
            pairs, columns = wins(positive, (terms[own] @ one + others).astype(np.float32))
            figures[key] = resampled_aucs(pairs, above, below)
            if key[0] in (KEEP_RANDOM, REMOVE_RANDOM):
                bands[key] = columns
        found.append(Ablated(figures, bands))
    return mean_of(found)


def rounded(value: float) -> float:
    """To three decimals, without a minus before a zero."""
    return round(float(value), 3) + 0.0


def interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """95 % of what is finite, rounded; None, None of nothing."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None, None
    low, high = np.percentile(finite, [2.5, 97.5])
    return rounded(low), rounded(high)


def _rows(detector: str, trained_on: str, one: Ablated, shares: Sequence[float]) -> tuple[list[Row], list[Row]]:
    """The rows of a run, or of the mean of a detector's runs, in both tables."""
    ways = (KEEP, REMOVE, KEEP_RANDOM, REMOVE_RANDOM, *((WITHOUT, STRONGEST) if trained_on == MEAN else ()))
    rows: list[Row] = []
    for way in ways:
        for share in (*shares, 1.0) if way == KEEP else shares:
            values = one.figures[way, share]
            rows.append((detector, trained_on, share, way, rounded(values[0]), *interval(one.bands.get((way, share), values[1:]))))
    differences: list[Row] = []
    for way, random in ((KEEP, KEEP_RANDOM), (REMOVE, REMOVE_RANDOM), (WITHOUT, KEEP_RANDOM)):
        if way not in ways:
            continue
        for share in shares:
            against = {ALL_UNITS: one.figures[KEEP, 1.0], RANDOM_UNITS: one.figures[random, share]}
            if way in (KEEP, WITHOUT) and trained_on == MEAN:
                against[STRONGEST_UNITS] = one.figures[STRONGEST, share]
            for name, other in against.items():
                values = one.figures[way, share] - other
                differences.append((detector, trained_on, share, way, name, rounded(values[0]), *interval(values[1:])))
    return rows, differences


NOTE = (
    "Mean AUC over the sources that the run never saw (test faces). Units in the order of universality: by their worst rank of effect over "
    "the six trained-on sources. That choice needs no labels, but it looks at val faces of all six sources, five of them never seen by the "
    "run; “chosen without the tested source” leaves out the one that is asked about. Kept or removed: all other, or these, units are set "
    "to their mean over the val faces of the trained-on source. low–high: 95 % bootstrap over groups of test faces, the units as they are "
    "(random: 95 % band of 200 sets, and their mean). Shares are rounded up to whole units; share 1: all "
    "units. “mean”: over the detector's base runs, on the same resamples."
)
DIFFERENCES_NOTE = (
    "Positive: the AUC is higher than with all units, than the mean of 200 random sets of the same size, or than with the units of the "
    "greatest effect on the trained-on source alone. Universal units are strong ones by construction, so doing better than "
    "random ones is no news; only the last comparison asks whether being strong everywhere adds anything. 95 % bootstrap over groups of "
    "test faces, paired."
)


def ablation_tables(
    runs_said: Mapping[Run, Said], faces: Faces, shares: Sequence[float] = SHARES, sets: int = RANDOM_SETS, draws: int = RESAMPLES
) -> dict[str, MeasuredTable]:
    """ "ablation" and "ablation_differences" of every base run, and of their mean for each detector. ValueError as of `ablate`, or when
    there is no base run."""
    counts = np.concatenate([np.ones((1, len(faces))), resamples(np.where(faces.split == "test", faces.groups, ""), draws)])
    counts = counts.astype(np.float32)
    by_detector: dict[str, dict[str, Ablated]] = {}
    for run, said in runs_said.items():
        if run.variant == BASE:
            by_detector.setdefault(run.detector.name, {})[run.trained_on] = ablate(run, said, faces, counts, shares, sets)
    if not by_detector:
        raise ValueError("there is no base run to ask")
    rows: list[Row] = []
    differences: list[Row] = []
    for detector, ablated in by_detector.items():
        for trained_on, one in (*ablated.items(), (MEAN, mean_of(list(ablated.values())))):
            more, paired = _rows(detector, trained_on, one, shares)
            rows += more
            differences += paired
    who = ("detector", "trained on", "share", "way")
    return {
        "ablation": MeasuredTable("Keeping and removing universal units", (*who, "AUC", "low", "high"), tuple(rows), NOTE),
        "ablation_differences": MeasuredTable(
            "Differences of AUC by units kept or removed", (*who, "against", "difference", "low", "high"), tuple(differences),
            DIFFERENCES_NOTE,
        ),
    }  # fmt: skip
