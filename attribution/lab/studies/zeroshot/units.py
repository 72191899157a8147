"""Neuron causality (arXiv 2308.04177): which units of the penultimate layer move the answer, which are "universal" (among the strongest on
all six sources), do these carry what generalises, and does the default detector answer better by them alone? The logit is linear in the
units, so setting one changes one term. A unit has the same weight on every source, hence three more yardsticks: the network before
training, a permutation that keeps every unit's weight, and the manipulated faces alone. A unit is taken away by setting it to its mean
over val faces; what is chosen is chosen on val faces."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.studies.runner import digest, estimate, interval, once
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.matrix import MEAN, resampled, weighted_figures
from attribution.lab.studies.zeroshot.plan import BASE, SEED, SOURCES, TRAINED, Run
from attribution.lab.studies.zeroshot.training import Said
from attribution.lab.tables import Row, table
from attribution.models.backbones import features

SHARES, ABLATED = (1 / 2, 1 / 4, 1 / 8, 1 / 16), (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
DRAWS, STRICT_DRAWS, RESAMPLES, TEST_RESAMPLES, RANDOM_SETS, TIMED_UNITS, TIMED_SOURCES = 2000, 1000, 200, 300, 200, 1024, 5
KEEP, REMOVE, KEEP_RANDOM, REMOVE_RANDOM = "keep", "remove", "keep random", "remove random"
WITHOUT, STRONGEST = "keep, chosen without the tested source", "keep, strongest on the trained-on source"
ALL_UNITS, RANDOM_UNITS, STRONGEST_UNITS = "all units", "random units", "strongest units"
_AT_ONCE = 512
# (way, share) → 1+R mean AUCs over the never-seen sources: measured, and on R resamples; (way + BAND, share) → each random set's AUC.
Ablated = dict[tuple[str, float], np.ndarray]
BAND = ", each set"


def unit_effects(units: np.ndarray, weight: np.ndarray, bias: float) -> np.ndarray:
    """The interventional effect of every unit on p(manipulated), F float64, 0..1, from N×F units, F weights and the bias: the paper's
    greatest less least average of p over values of the unit, which for a logistic p lie at the unit's two ends. ValueError without a face,
    or for units that are not finite."""
    units, weight = np.asarray(units, np.float64), np.asarray(weight, np.float64)
    if units.ndim != 2 or not len(units) or weight.shape != units.shape[1:]:
        raise ValueError("effects need at least one face, and one weight for every unit")
    logits = units @ weight + bias
    if not np.isfinite(logits).all():
        raise ValueError("units, weights and bias must be finite")
    same = np.full(len(units), 1 / len(units))
    parts = (slice(first, first + _AT_ONCE) for first in range(0, len(weight), _AT_ONCE))
    return np.concatenate([_end_to_end(units[:, part] * weight[part], logits, same) for part in parts])


def _end_to_end(terms: np.ndarray, logits: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The mean of p with each term of the logit (N×F) at its greatest less that at its least, faces weighed by `shares`."""
    # sigmoid(x) = (1 + tanh(x / 2)) / 2, which cannot overflow.
    rest = (logits[:, None] - terms) / 2
    return shares @ (np.tanh(rest + terms.max(0) / 2) - np.tanh(rest + terms.min(0) / 2)) / 2


def kept_count(share: float, units: int) -> int:
    """How many of so many units a share is: rounded up, at least one."""
    return max(1, math.ceil(share * units))


def chosen_units(effects: np.ndarray, share: float) -> np.ndarray:
    """S×F boolean: the unit is in the top ceil(share·F) of that source, and has an effect."""
    order = np.argsort(-effects, axis=1, kind="stable")[:, : kept_count(share, effects.shape[1])]
    chosen = np.zeros(effects.shape, bool)
    np.put_along_axis(chosen, order, True, 1)
    return chosen & (effects > 0)


def universal_units(effects: np.ndarray, share: float) -> np.ndarray:
    """F boolean: chosen in every one of the S sources."""
    return np.logical_and.reduce(chosen_units(effects, share))


def permutation_test(chosen: np.ndarray, draws: int = DRAWS) -> tuple[np.ndarray, float]:
    """If every source chose as many units (S×F boolean) by luck: draws×(S+1) counts of units that exactly 0..S sources choose, and the
    one-sided p-value (hits + 1) / (draws + 1) of the number that all choose."""
    (sources, units), random = chosen.shape, np.random.default_rng(SEED)
    counts = np.zeros((draws, sources + 1), np.int64)
    counts[:, 0] = units
    # One source after the other, only the numbers of units chosen so far: their distribution is exact (multivariate hypergeometric).
    for size in chosen.sum(1):
        to_draw, left = np.full(draws, size), np.full(draws, units)
        moved = np.zeros((draws, sources), np.int64)
        for times in range(sources):
            left -= counts[:, times]
            moved[:, times] = random.hypergeometric(counts[:, times], left, to_draw)
            to_draw -= moved[:, times]
        counts[:, :-1] -= moved
        counts[:, 1:] += moved
    return counts, float((1 + (counts[:, -1] >= chosen.all(0).sum()).sum()) / (draws + 1))


def expected_counts(chosen: np.ndarray) -> np.ndarray:
    """How many units 0..S sources choose on average by luck: S+1."""
    counts = np.array([float(chosen.shape[1])])
    for share in chosen.mean(1):
        counts = np.convolve(counts, (1 - share, share))
    return counts


@dataclass(frozen=True)
class Sources:
    """What the units do on S sources, S×F each: `effects`; `spans`, greatest less least value; `steepness`, effect per unit of span."""

    effects: np.ndarray
    spans: np.ndarray
    steepness: np.ndarray


def measured(said: Said, chosen: Sequence[np.ndarray]) -> Sources:
    """Effects, spans and steepness on sets of faces, each given by its indices."""
    effects = np.stack([unit_effects(said.units[own], said.weight, said.bias) for own in chosen])
    spans = np.stack([np.ptp(said.units[own].astype(np.float64), 0) for own in chosen])
    p = [(1 + np.tanh(said.logits[own].astype(np.float64) / 2)) / 2 for own in chosen]
    # A unit that does not move has no slope of its own; that of its weight, in the limit.
    still = np.stack([np.abs(said.weight) * np.mean(one * (1 - one)) for one in p])
    return Sources(effects, spans, np.where(spans > 0, effects / np.where(spans > 0, spans, 1), still))


def same_weights_test(sources: Sources, shares: Sequence[float], draws: int = STRICT_DRAWS) -> np.ndarray:
    """The stricter chance: draws×shares counts of universal units if, on every source by itself, the spans were dealt out anew among the
    units, while each unit keeps its steepness (nearly its weight)."""
    units = sources.effects.shape[1]
    places, random = [units - kept_count(share, units) for share in shares], np.random.default_rng(SEED)
    universal = np.ones((len(shares), draws, units), bool)
    for spans, steepness in zip(sources.spans, sources.steepness, strict=True):
        dealt = random.permuted(np.broadcast_to(spans, (draws, units)), axis=1) * steepness
        ordered = np.partition(dealt, sorted(set(places)), axis=1)
        for number, place in enumerate(places):
            universal[number] &= (dealt >= ordered[:, place, None]) & (dealt > 0)
    return universal.sum(2).T


def resampled_effects(said: Said, chosen: Sequence[np.ndarray], counts: np.ndarray) -> Iterator[np.ndarray]:
    """S×F effects on every resample that has a face of every source, in single precision."""
    terms = [(said.units[own] * said.weight).astype(np.float32) for own in chosen]
    logits = [said.logits[own].astype(np.float32) for own in chosen]
    for row in counts:
        there = [(np.flatnonzero(row[own]), row[own]) for own in chosen]
        if all(len(faces) for faces, _ in there):
            yield np.stack([
                _end_to_end(term[faces], logit[faces], (times[faces] / times.sum()).astype(np.float32))
                for term, logit, (faces, times) in zip(terms, logits, there, strict=True)
            ])  # fmt: skip


def universal_interval(said: Said, chosen: Sequence[np.ndarray], counts: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """2×shares: from the mean down and up, where 95 % of the resampled numbers of universal units lie (only their spread is used: a
    resample repeats faces, so its number is too low); NaN when none has a face of every source."""
    found = [[universal_units(effects, share).sum() for share in shares] for effects in resampled_effects(said, chosen, counts)]
    return np.percentile(found, [2.5, 97.5], axis=0) - np.mean(found, axis=0) if found else np.full((2, len(shares)), np.nan)


def _rows(name: tuple[str, str, str], said: Said, faces: Faces, shares: Sequence[float]) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows of one network in the tables "neurons", "universal" and "universal_controls"."""
    chosen = [faces.of(source, "val") for source in TRAINED]
    sources, units = measured(said, chosen), said.units.shape[1]
    counts = resampled(np.where(faces.split == "val", faces.groups, ""), RESAMPLES, by_group=True)[1:]
    below, above = universal_interval(said, chosen, counts, shares)
    strict = same_weights_test(sources, shares)
    alone = measured(said, [own[faces.manipulated[own]] for own in chosen]).effects
    rows: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    histogram, universal, controls = rows
    for place, share in enumerate(shares):
        own, k = chosen_units(sources.effects, share), kept_count(share, units)
        drawn, p = permutation_test(own)
        found, expected = np.bincount(own.sum(0), minlength=len(TRAINED) + 1), expected_counts(own)
        lows, highs = np.percentile(drawn, [2.5, 97.5], axis=0)
        chances = [
            (round(float(mean), 2), *metrics.cells(low, high, digits=1)) for mean, low, high in zip(expected, lows, highs, strict=True)
        ]
        histogram += [(*name, share, times, int(count), *chance) for times, (count, chance) in enumerate(zip(found, chances, strict=True))]
        value = int(found[-1])
        bounds = [None if math.isnan(by) else round(float(np.clip(value + by, 0, k)), 1) for by in (below[place], above[place])]
        universal.append((*name, share, k, units, value, *bounds, *chances[-1], round(p, 4)))
        mine = strict[:, place]
        chance = (round(float(mine.mean()), 2), *metrics.cells(*np.percentile(mine, [2.5, 97.5]), digits=1))
        beyond = float((1 + (mine >= value).sum()) / (len(mine) + 1))
        controls.append((*name, share, k, units, value, *chance, round(beyond, 4), int(universal_units(alone, share).sum())))
    return rows


def _timing_row(said: Said, faces: Faces) -> Row:
    """How long the effects of (at most) 1,024 units on five sources take from what the network said, measured here and now."""
    units, weight = said.units[:, :TIMED_UNITS], said.weight[:TIMED_UNITS]
    chosen = [faces.of(source, "val") for source in TRAINED[:TIMED_SOURCES]]
    started = time.perf_counter()
    for own in chosen:
        unit_effects(units[own], weight, said.bias)
    return "interventional effect of every unit", units.shape[1], len(chosen), round(time.perf_counter() - started, 4)


def neuron_tables(
    runs_said: Mapping[Run, Said], untrained: Mapping[str, Said], faces: Faces, shares: Sequence[float] = SHARES
) -> dict[str, MeasuredTable]:
    """ "neurons", "universal", "universal_controls" and "timing" of every base run and of each detector (by name) before training.
    ValueError when a source has no val face, or there is no network."""
    networks = [((run.detector.name, run.trained_on, "trained"), said) for run, said in runs_said.items() if run.variant == BASE]
    networks += [((name, "", "untrained"), said) for name, said in untrained.items()]
    if not networks:
        raise ValueError("there is no network to ask")
    found = [_rows(name, said, faces, shares) for name, said in networks]
    histogram, universal, controls = ([row for rows in kind for row in rows] for kind in zip(*found, strict=True))
    timed = max((said for _, said in networks), key=lambda said: min(said.units.shape[1], TIMED_UNITS))
    rows = {"neurons": histogram, "universal": universal, "universal_controls": controls, "timing": [_timing_row(timed, faces)]}
    return {key: table(key, own) for key, own in rows.items()}


def universality(effects: np.ndarray) -> np.ndarray:
    """Units from the most universal to the least, F indices, from S×F effects: by worst rank over the sources, then mean rank."""
    ranks = rankdata(-effects, axis=1)
    return np.lexsort((ranks.mean(0), ranks.max(0)))


def masks(orders: np.ndarray, count: int) -> np.ndarray:
    """F×C: 1 for the first `count` units of each of C orders (C×F), else 0."""
    kept = np.zeros(orders.shape)
    np.put_along_axis(kept, orders[:, :count], 1.0, 1)
    return kept.T


def wins(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of C columns of scores (N×C): P×U float32, the share of columns in which a manipulated face lies above an untouched one (ties:
    half), and C AUCs. ValueError when only one class is there."""
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
    """The mean AUC over `wins`' columns on R resamples of the faces `above` (R×P) and `below` (R×U); NaN without a class."""
    count = above.sum(1) * below.sum(1)
    return np.where(count > 0, ((above @ pairs) * below).sum(1) / np.maximum(count, 1), np.nan)


def mean_of(ablated: Sequence[Ablated]) -> Ablated:
    return {key: np.mean([one[key] for one in ablated], axis=0) for key in ablated[0]}


def ablate(run: Run, said: Said, faces: Faces, counts: np.ndarray, shares: Sequence[float], sets: int) -> Ablated:
    """A base run on its never-seen sources. `counts` (1+R)×N: how often a face is in each resample; in the first, once. ValueError when
    one has a single class among its test faces, or a trained-on one no val face."""
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
        figures: Ablated = {}
        for key, one in (kept | without).items():
            # In single precision, faces of which only means are left are ties, as they should be, whatever the order of summing.
            pairs, columns = wins(positive, (terms[own] @ one + others).astype(np.float32))
            figures[key] = resampled_aucs(pairs, above, below)
            if key[0] in (KEEP_RANDOM, REMOVE_RANDOM):
                figures[key[0] + BAND, key[1]] = columns
        found.append(figures)
    return mean_of(found)


def _ablation_rows(detector: str, trained_on: str, one: Ablated, shares: Sequence[float]) -> tuple[list[Row], list[Row]]:
    """The rows of a run, or of the mean of a detector's runs, in both tables."""
    of_all = trained_on == MEAN
    rows, differences = list[Row](), list[Row]()
    for way in (KEEP, REMOVE, KEEP_RANDOM, REMOVE_RANDOM, *((WITHOUT, STRONGEST) if of_all else ())):
        for share in (*shares, 1.0) if way == KEEP else shares:
            values = one[way, share]
            rows.append((detector, trained_on, share, way, *metrics.cells(values[0]), *interval(one.get((way + BAND, share), values[1:]))))
    for way, random in ((KEEP, KEEP_RANDOM), (REMOVE, REMOVE_RANDOM), *(((WITHOUT, KEEP_RANDOM),) if of_all else ())):
        for share in shares:
            against = {ALL_UNITS: one[KEEP, 1.0], RANDOM_UNITS: one[random, share]}
            if way != REMOVE and of_all:
                against[STRONGEST_UNITS] = one[STRONGEST, share]
            differences += [(detector, trained_on, share, way, name, *estimate(one[way, share] - other)) for name, other in against.items()]
    return rows, differences


def ablation_tables(
    runs_said: Mapping[Run, Said], faces: Faces, shares: Sequence[float] = ABLATED, sets: int = RANDOM_SETS, draws: int = TEST_RESAMPLES
) -> dict[str, MeasuredTable]:
    """ "ablation" and "ablation_differences" of base runs and of each detector's mean. ValueError as of `ablate`, or without any."""
    counts = resampled(np.where(faces.split == "test", faces.groups, ""), draws, by_group=True)
    by_detector: dict[str, dict[str, Ablated]] = {}
    for run, said in runs_said.items():
        if run.variant == BASE:
            by_detector.setdefault(run.detector.name, {})[run.trained_on] = ablate(run, said, faces, counts, shares, sets)
    if not by_detector:
        raise ValueError("there is no base run to ask")
    found = [
        _ablation_rows(detector, trained_on, one, shares)
        for detector, ablated in by_detector.items()
        for trained_on, one in (*ablated.items(), (MEAN, mean_of(list(ablated.values()))))
    ]
    rows, differences = ([row for part in kind for row in part] for kind in zip(*found, strict=True))
    return {"ablation": table("units_ablation", rows), "ablation_differences": table("units_ablation_differences", differences)}


VALUES = 4
AS_IT_IS, ALL_REFITTED, OWN_HEAD, REFITTED = "as it is", "all units, refitted", "own head", "refitted"
CHOICE, TRAINED_ON, NEVER_TRAINED, EVERYTHING = "val (choice)", "trained on", "never trained", "all"
# What the default's training never saw: two collections by other people and a way of swapping.
STRANGE = ("stylegan2_elsewhere", "generated_photos_elsewhere", "unseen_swap")
_PENALTIES, _FOLDS, _UNITS_AT_ONCE, _FACES_AT_ONCE = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), 5, 64, 16


@dataclass(frozen=True)
class MultiSaid:
    """What a detector of K methods says of N faces: `units` N×F, `weight` K×F, `bias` K; probabilities = softmax((units · weightᵀ + bias)
    / `temperature`); `untouched`: K boolean."""

    units: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    temperature: float
    untouched: np.ndarray

    def scaled(self, units: np.ndarray | None = None) -> np.ndarray:
        """N×K float64 logits / temperature of these units or others."""
        units = self.units if units is None else units
        return (units.astype(np.float64) @ self.weight.T.astype(np.float64) + self.bias) / self.temperature

    def log_odds(self, units: np.ndarray | None = None) -> np.ndarray:
        """log(p / (1 − p)), N float64, of p_manipulated = 1 − p(untouched): 0 where p is one half."""
        scaled = self.scaled(units)
        return logsumexp(scaled[:, ~self.untouched], 1) - logsumexp(scaled[:, self.untouched], 1)


@torch.inference_mode()
def read_default(folder: Path, crops: np.ndarray, device: str = "cpu") -> MultiSaid:
    """The detector in `folder` on N×S×S×3 uint8 crops, float32, not mirrored. LabError where no linear layer reads the units, ValueError
    for crops not of its side."""
    predictor = Predictor(load(str(folder)), device)
    model: Any = predictor.model
    layer, units = model.get_classifier(), []
    if not isinstance(layer, torch.nn.Linear):
        what = f"The units of {predictor.info.name} cannot be set one by one: its classifier is no single linear layer."
        raise LabError(what, "Measure a detector with a linear classifier.")
    for first in range(0, len(crops), _FACES_AT_ONCE):
        x = predictor.inputs(predictor.checked(crops[first : first + _FACES_AT_ONCE]))
        units.append(features(model, x)[0].float().cpu().numpy())
    weight, bias = (one.detach().float().cpu().numpy() for one in (layer.weight, layer.bias))
    untouched = np.array(predictor.info.families) == REAL
    return MultiSaid(np.concatenate(units), weight, bias, predictor.card.calibration.temperature, untouched)


def kept_default(folder: Path, faces: Faces, runs: Path, device: str = "cpu") -> MultiSaid:
    """What `read_default` says of the study's faces, kept in `runs/shipped/NAME.units.npz` until weights, calibration or faces change."""
    detector = load(str(folder))
    made_of = (detector.weights_sha256, str(detector.card.calibration.temperature), digest(faces.crops))
    found: Any = once(runs / "shipped" / f"{folder.name}.units.npz", made_of, lambda: vars(read_default(folder, faces.crops, device)))
    return MultiSaid(**found)


def multi_effects(default: MultiSaid, chosen: np.ndarray) -> np.ndarray:
    """As `unit_effects`, for several methods: p need not be monotone, so all four values are computed. ValueError without a face."""
    if not len(chosen):
        raise ValueError("effects need at least one face")
    units, weight = default.units[chosen].astype(np.float64), default.weight.astype(np.float64) / default.temperature
    scaled = default.scaled()[chosen]
    values = np.linspace(units.min(0), units.max(0), VALUES)
    effects = []
    for first in range(0, units.shape[1], _UNITS_AT_ONCE):
        part = slice(first, first + _UNITS_AT_ONCE)
        averages = []
        for value in values[:, part]:
            moved = scaled[:, None] + (value - units[:, part])[..., None] * weight.T[part]
            powers = np.exp(moved - moved.max(2, keepdims=True))
            averages.append((powers[..., ~default.untouched].sum(2) / powers.sum(2)).mean(0))
        effects.append(np.ptp(averages, axis=0))
    return np.concatenate(effects)


def _regression(penalty: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, class_weight="balanced", max_iter=3000))


def refit(units: np.ndarray, truth: np.ndarray, groups: np.ndarray, val: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of a regression fitted on the faces `val` (indices), for all N faces; and those of the val faces out of fold (five folds of
    groups), by whose log loss the penalty is chosen. ValueError when val has one class, or fewer than two groups."""
    x, y, folds = units[val].astype(np.float64), truth[val], min(_FOLDS, len(set(groups[val].tolist())))
    if len(set(y.tolist())) < 2 or folds < 2:
        raise ValueError("a regression needs both classes, and two groups of faces")
    weights = np.where(y, 0.5 / y.mean(), 0.5 / (~y).mean())
    splits = [(fit, held) for fit, held in GroupKFold(folds).split(x, y, groups[val]) if len(set(y[fit].tolist())) == 2]
    if len(splits) < folds:
        raise ValueError("a regression needs both classes in every fold of groups")
    held_out: dict[float, Any] = {
        one: cross_val_predict(_regression(one), x, y, cv=splits, method="decision_function") for one in _PENALTIES
    }
    best = min(_PENALTIES, key=lambda one: log_loss(y, 0.5 + np.tanh(held_out[one] / 2) / 2, sample_weight=weights))
    return _regression(best).fit(x, y).decision_function(units.astype(np.float64)), held_out[best]


def readouts(default: MultiSaid, faces: Faces, shares: Sequence[float]) -> tuple[dict[str, tuple[int, np.ndarray]], dict[str, np.ndarray]]:
    """Name → how many units it reads and N log odds; and name → log odds of the val faces, out of fold if refitted."""
    val = np.flatnonzero(faces.split == "val")
    effects = np.stack([multi_effects(default, faces.of(source, "val")) for source in TRAINED])
    count, mean = default.units.shape[1], default.units[val].astype(np.float64).mean(0)
    found: dict[str, tuple[int, np.ndarray]] = {AS_IT_IS: (count, default.log_odds())}
    on_val = {AS_IT_IS: found[AS_IT_IS][1][val]}
    for share in (*shares, None):
        universal = np.ones(count, bool) if share is None else universal_units(effects, share)
        if not universal.any():
            continue
        name = ALL_REFITTED if share is None else f"universal {Fraction(share)}, {REFITTED}"
        again, on_val[name] = refit(default.units[:, universal], faces.manipulated, faces.groups, val)
        found[name] = int(universal.sum()), again
        if share is not None:
            name = f"universal {Fraction(share)}, {OWN_HEAD}"
            found[name] = int(universal.sum()), default.log_odds(np.where(universal, default.units, mean))
            on_val[name] = found[name][1][val]
    return found, on_val


def readout_tables(
    default: MultiSaid, faces: Faces, shares: Sequence[float] = SHARES, draws: int = TEST_RESAMPLES
) -> dict[str, MeasuredTable]:
    """ "readout" and "readout_differences", without sets of one class. ValueError for a source without, or a single class of val faces."""
    found, on_val = readouts(default, faces, shares)
    sets = {CHOICE: np.flatnonzero(faces.split == "val"), **{source: faces.of(source) for source in SOURCES}}
    for name, sources in ((TRAINED_ON, set(SOURCES) - set(STRANGE)), (NEVER_TRAINED, STRANGE), (EVERYTHING, SOURCES)):
        sets[name] = np.unique(np.concatenate([sets[source] for source in sources]))
    counts = resampled(faces.groups, draws, by_group=True)
    pairs = [(name, name, AS_IT_IS) for name in found if name != AS_IT_IS]
    pairs += [(f"{name} − {ALL_REFITTED}", name, ALL_REFITTED) for name in found if name.startswith("universal") and REFITTED in name]
    rows, differences = list[Row](), list[Row]()
    for which, own in sets.items():
        truth = faces.manipulated[own]
        if truth.all() or not truth.any():
            continue
        scores = on_val if which == CHOICE else {name: odds[own] for name, (_, odds) in found.items()}
        areas, accuracies = weighted_figures(np.stack([scores[name] for name in found]), truth, counts[:, own])
        area, by_name = dict(zip(found, areas, strict=True)), zip(found, accuracies, strict=True)
        rows += [(which, name, found[name][0], *estimate(area[name]), *estimate(accuracy)) for name, accuracy in by_name]
        differences += [(which, name, *estimate(area[one] - area[other])) for name, one, other in pairs]
    words = finding(rows, differences)
    return {"readout": table("readout", rows, finding=words), "readout_differences": table("readout_differences", differences)}


def finding(rows: Sequence[Row], differences: Sequence[Row]) -> str:
    """The answer in plain sentences. Judged is the universal readout with the highest AUC on val faces: it helps when it is better on what
    the default never trained on (95 % interval above 0; a refitted one also against all units refitted) and not worse on the rest."""
    on_val = [(float(row[3] or 0), str(row[1])) for row in rows if row[0] == CHOICE and str(row[1]).startswith("universal")]
    if not on_val:
        return "No unit of the default detector is universal, so there is nothing to read it by."
    chosen, judged = max(on_val, key=lambda one: one[0])[1], {row[:2]: row[2:] for row in differences}
    rivals = (chosen, f"{chosen} − {ALL_REFITTED}") if chosen.endswith(REFITTED) else (chosen,)
    better = all(float(judged.get((NEVER_TRAINED, name), (0, 0, 0))[1] or 0) > 0 for name in rivals)
    helps = better and float(judged.get((TRAINED_ON, chosen), (0, 0, -1))[2] or 0) >= 0

    def told(faces: str) -> str:
        cells = judged.get((faces, chosen))
        return "not measured" if cells is None else f"{cells[0]:+} (95 % interval {cells[1]} to {cells[2]})".replace("-", "−")

    return (
        f"Listening to universal units {'helps' if helps else 'does not help'}: the readout that val faces choose ({chosen}) changes the "
        f"AUC by {told(NEVER_TRAINED)} on faces of origins that the default never trained on, and by {told(TRAINED_ON)} on those that it "
        "did."
    )
