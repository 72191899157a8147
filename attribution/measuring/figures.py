"""What a detector said of files, and what they are → temperature, thresholds and figures. Pure numbers: no file, no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from attribution.detectors.card import Cell, MeasuredTable, Thresholds
from attribution.detectors.here import LEAST_TO_CALIBRATE
from attribution.measuring.metrics import auc, bootstrap, cells, expected_calibration_error, softmax, upper_bound
from attribution.text import measuring as text
from attribution.verdict.track import extremes

GRID = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_COVERAGES = tuple(round(1 - 0.1 * step, 1) for step in range(10))
# Of fewer files a share says next to nothing.
_LEAST_OF_A_GROUP = 10
_TEMPERATURES, _STEP = (0.05, 20.0), 1e6


@dataclass(frozen=True, repr=False)
class Views:
    """The examined views of one face of a file: `logits` N×K, `seconds` N; `step_seconds` as of a Track."""

    logits: np.ndarray
    seconds: np.ndarray
    step_seconds: float | None = None


@dataclass(frozen=True, repr=False)
class Reading:
    """What a detector said of the faces of one file, which is a `clip` or a picture."""

    faces: tuple[Views, ...]
    clip: bool


class Rule(NamedTuple):
    """How readings become probabilities: which of the K labels are untouched (boolean), and the rules for clips."""

    untouched: np.ndarray
    thresholds: Thresholds


class Scores(NamedTuple):
    """Of M files: the highest threshold at which each is called manipulated, the lowest at which it is cleared, and the logits (M×K) of
    the view that the first one rests on."""

    accusing: np.ndarray
    clearing: np.ndarray
    logits: np.ndarray


def probabilities(logits: np.ndarray, untouched: np.ndarray, temperature: float) -> np.ndarray:
    """p(manipulated) of N views, in the very precision in which the product computes it."""
    kept = softmax(logits, temperature).astype(np.float32)[:, untouched].sum(axis=1)
    return np.clip(1 - kept, 0, 1)


def scores(readings: Sequence[Reading], rule: Rule, temperature: float) -> Scores:
    """A file counts as its most suspicious face, as it does in the verdict on it."""
    accusing, clearing, rows = [], [], []
    for one in readings:
        found = []
        for views in one.faces:
            p = probabilities(views.logits, rule.untouched, temperature)
            high, low = extremes(p, views.seconds, rule.thresholds, one.clip, views.step_seconds)
            found.append((high, low, views.logits[int(np.abs(p - high).argmin())]))
        worst = max(found, key=lambda face: face[0])
        accusing.append(worst[0])
        clearing.append(max(face[1] for face in found))
        rows.append(worst[2])
    return Scores(np.array(accusing), np.array(clearing), np.array(rows))


def fit_temperature(logits: np.ndarray, manipulated: np.ndarray, untouched: np.ndarray) -> float | None:
    """The temperature that minimises the negative log-likelihood of M files (Guo et al. 2017), both kinds weighed alike; None where there
    are too few of one."""
    if min(manipulated.sum(), (~manipulated).sum()) < LEAST_TO_CALIBRATE:
        return None

    def loss(log_t: float) -> float:
        kept, made = (np.logaddexp.reduce(logits[:, mine] / math.exp(log_t), axis=1) for mine in (untouched, ~untouched))
        wrong = np.logaddexp(0, np.where(manipulated, kept - made, made - kept))
        return float(wrong[manipulated].mean() + wrong[~manipulated].mean())

    best: Any = minimize_scalar(loss, bounds=tuple(math.log(t) for t in _TEMPERATURES), method="bounded")
    return round(math.exp(float(best.x)), 4)


@cache
def most_errors(count: int, wish: float) -> int:
    """How many of `count` files may be wrong for the bound to hold; −1 where not even none."""
    errors = -1
    while errors + 1 < count and upper_bound(errors + 1, count) <= wish:
        errors += 1
    return errors


def choose(untouched: np.ndarray, manipulated: np.ndarray, wish: float) -> tuple[float | None, float | None]:
    """`p_manipulated_above` from the accusing scores of untouched files, and `p_manipulated_below` from the clearing scores of manipulated
    ones.

    How many of them may be wrong follows from their number alone, so that with a confidence of 95 % the share of files like them that is
    wrong is at most `wish`: one-sided distribution-free tolerance limits (Wilks 1941). Never under, or over, one half: an answer that is
    less probable than its contrary is none. None where the bound cannot be held."""
    above, below = None, None
    if (may := most_errors(len(untouched), wish)) >= 0:
        above = max(0.5, (math.floor(np.sort(untouched)[::-1][may] * _STEP) + 1) / _STEP)
    if (may := most_errors(len(manipulated), wish)) >= 0:
        below = min(0.5 - 1 / _STEP, (math.ceil(np.sort(manipulated)[may] * _STEP) - 1) / _STEP)
    return above if above is not None and above < 1 else None, below if below is not None and below >= 0 else None


class _Answers(NamedTuple):
    """Shares of some files: called manipulated, cleared, and which of these is wrong."""

    accused: np.ndarray
    cleared: np.ndarray

    @staticmethod
    def by(found: Scores, above: float | None, below: float | None) -> _Answers:
        accused = found.accusing >= above if above is not None else np.zeros(len(found.accusing), bool)
        cleared = found.clearing <= below if below is not None else np.zeros(len(found.clearing), bool)
        return _Answers(accused, cleared & ~accused)

    def cells(self, mine: np.ndarray, manipulated: bool) -> tuple[float, ...]:
        """Of a group: the share called manipulated, the share cleared, and which of these is wrong with its upper bound."""
        wrong = self.cleared[mine] if manipulated else self.accused[mine]
        return cells(self.accused[mine].mean(), self.cleared[mine].mean(), *_wrong(wrong))


def _wrong(wrong: np.ndarray) -> tuple[float, float]:
    return float(wrong.mean()), upper_bound(int(wrong.sum()), len(wrong))


def measure(
    readings: Sequence[Reading], manipulated: np.ndarray, groups: np.ndarray, rule: Rule, own: float, wish: float
) -> dict[str, Any]:
    """The measured fields of a LocalCard. `manipulated` M boolean, `groups` M names, `own` the temperature that the detector has now."""
    raw = scores(readings, rule, own)
    fitted = fit_temperature(raw.logits, manipulated, rule.untouched)
    found = raw if fitted is None else scores(readings, rule, fitted)
    above, below = choose(found.accusing[~manipulated], found.clearing[manipulated], wish)
    answers = _Answers.by(found, above, below)
    left_out, worst = _left_out(found, manipulated, groups, wish)
    value = auc(manipulated, found.accusing)
    low, high = bootstrap(lambda faces: auc(manipulated[faces], found.accusing[faces]), len(manipulated))

    def calibration_error(one: Scores) -> float:
        sure = np.maximum(one.accusing, 1 - one.accusing)
        return float(expected_calibration_error(sure, (one.accusing >= 0.5) == manipulated))

    return {
        "above": above, "below": below, "temperature": fitted, "ece_before": calibration_error(raw) if fitted is not None else None,
        "ece_after": calibration_error(found) if fitted is not None else None, "auc": (value, low, high),
        "accused": float(answers.accused[~manipulated].mean()), "found": float(answers.accused[manipulated].mean()),
        "passed": float(answers.cleared[manipulated].mean()), "cleared": float(answers.cleared[~manipulated].mean()),
        "worst_group": worst[0], "worst_share": worst[1],
        "tables": (
            MeasuredTable(text.BY_GROUP, text.GROUP_COLUMNS, tuple(_groups(found, answers, manipulated, groups))), *left_out,
            MeasuredTable(text.AT_THRESHOLDS, text.AT_COLUMNS, tuple(_at_thresholds(found.accusing, manipulated))),
            MeasuredTable(text.RISK_COVERAGE, text.RISK_COLUMNS, tuple(_risk_coverage(found.accusing, manipulated))),
        ),
    }  # fmt: skip


def _each(manipulated: np.ndarray, groups: np.ndarray) -> list[tuple[str, bool, np.ndarray]]:
    """Every group of each kind: its name, whether it is manipulated, and which files it has."""
    kinds = ((kind, name, (manipulated == kind) & (groups == name)) for kind in (False, True) for name in np.unique(groups))
    return [(str(name), kind, mine) for kind, name, mine in kinds if mine.any()]


def _groups(found: Scores, answers: _Answers, manipulated: np.ndarray, groups: np.ndarray) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for name, kind, mine in _each(manipulated, groups):
        against = mine | (manipulated != kind)
        told = cells(auc(manipulated[against], found.accusing[against]))
        rows.append((name, _kind(kind), int(mine.sum()), *told, *answers.cells(mine, kind)))
    return rows


def _left_out(
    found: Scores, manipulated: np.ndarray, groups: np.ndarray, wish: float
) -> tuple[list[MeasuredTable], tuple[str, float | None]]:
    """Each group of a kind that has another one, by thresholds that are chosen without it; and the worst of them."""
    rows: list[tuple[Cell, ...]] = []
    worst: tuple[str, float | None] = "", None
    for name, kind, mine in _each(manipulated, groups):
        others = groups != name
        if not (others & (manipulated == kind)).any():
            continue
        above, below = choose(found.accusing[others & ~manipulated], found.clearing[others & manipulated], wish)
        answered = _Answers.by(found, above, below).cells(mine, kind)
        rows.append((name, _kind(kind), int(mine.sum()), above, below, *answered))
        wrong = answered[-2]
        if mine.sum() >= _LEAST_OF_A_GROUP and (worst[1] is None or wrong > worst[1]):
            worst = name, wrong
    return [MeasuredTable(text.LEFT_OUT, text.LEFT_OUT_COLUMNS, tuple(rows))] if rows else [], worst


def _at_thresholds(p: np.ndarray, manipulated: np.ndarray) -> list[tuple[Cell, ...]]:
    return [(t, *cells(*_wrong(p[~manipulated] >= t), *_wrong(p[manipulated] < t))) for t in GRID]


def _risk_coverage(p: np.ndarray, manipulated: np.ndarray) -> list[tuple[Cell, ...]]:
    """The share answered wrongly of the files that the detector is surest of (El-Yaniv and Wiener 2010)."""
    sure, right = np.maximum(p, 1 - p), (p >= 0.5) == manipulated
    rows: list[tuple[Cell, ...]] = []
    for coverage in _COVERAGES:
        threshold = float(np.sort(sure)[::-1][max(1, math.ceil(round(coverage * len(sure), 6))) - 1])
        answered = sure >= threshold
        rows.append(cells(answered.mean(), threshold, *_wrong(~right[answered])))
    return rows


def _kind(manipulated: bool) -> str:
    return "manipulated" if manipulated else "real"
