"""A use of universal units: does the default detector answer better when it listens to them alone?

Two readouts at four strictnesses: its own head, with all other units at their val mean; and a logistic regression on the universal units,
fitted on val faces. The fair control of the second is the same regression on all units. Units, regressions and the one readout that is
judged are chosen on val faces; everything else is measured on test faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load
from attribution.detectors.predictor import Predictor
from attribution.lab.data import REAL
from attribution.lab.studies.runner import digest, estimate, once
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.matrix import resampled, weighted_figures
from attribution.lab.studies.zeroshot.plan import SOURCES, TRAINED
from attribution.lab.studies.zeroshot.units import SHARES, TEST_RESAMPLES, universal_units
from attribution.lab.tables import Row, table
from attribution.models.backbones import features

VALUES = 4
AS_IT_IS, ALL_REFITTED = "as it is", "all units, refitted"
OWN_HEAD, REFITTED = "own head", "refitted"
CHOICE, TRAINED_ON, NEVER_TRAINED, EVERYTHING = "val (choice)", "trained on", "never trained", "all"
# What the default's training never saw: two collections by other people and a way of swapping.
STRANGE = ("stylegan2_elsewhere", "generated_photos_elsewhere", "unseen_swap")
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5
_UNITS_AT_ONCE = 64
_FACES_AT_ONCE = 16


@dataclass(frozen=True)
class MultiSaid:
    """What a detector of K methods says of N faces: `units` N×F, `weight` K×F, `bias` K; logits = units · weightᵀ + bias, probabilities =
    softmax(logits / `temperature`); `untouched`: the K methods that are no manipulation, boolean."""

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
    """The detector in `folder` on N×S×S×3 uint8 crops, in float32 and not mirrored, as `shipped` reads it. Raises what `loading.load`
    raises, and ValueError for crops that are not of its side."""
    predictor = Predictor(load(str(folder)), device)
    model: Any = predictor.model
    units = []
    for first in range(0, len(crops), _FACES_AT_ONCE):
        x = predictor.inputs(predictor.checked(crops[first : first + _FACES_AT_ONCE]))
        units.append(features(model, x)[0].float().cpu().numpy())
    layer = model.get_classifier()
    weight, bias = (one.detach().float().cpu().numpy() for one in (layer.weight, layer.bias))
    untouched = np.array([family == REAL for family in predictor.info.families])
    return MultiSaid(np.concatenate(units), weight, bias, predictor.card.calibration.temperature, untouched)


def kept_default(folder: Path, faces: Faces, runs: Path, device: str = "cpu") -> MultiSaid:
    """What `read_default` says of the study's faces, read once and kept in `runs/shipped/NAME.units.npz`; read again for other weights,
    another calibration or other faces."""
    detector = load(str(folder))
    made_of = (detector.weights_sha256, str(detector.card.calibration.temperature), digest(faces.crops))
    found: Any = once(runs / "shipped" / f"{folder.name}.units.npz", made_of, lambda: vars(read_default(folder, faces.crops, device)))
    return MultiSaid(**found)


def multi_effects(default: MultiSaid, chosen: np.ndarray) -> np.ndarray:
    """The interventional effect of every unit on p_manipulated, F float64, over the chosen faces: as `units.unit_effects`, but with
    several methods p need not rise or fall with a unit all the way, so all four values are computed. ValueError without a face."""
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
    """Logistic regression on standardised units, both classes of equal weight; a smaller `penalty` C holds the weights closer to 0."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, class_weight="balanced", max_iter=3000))


def refit(units: np.ndarray, truth: np.ndarray, groups: np.ndarray, val: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of a regression fitted on the faces `val` (indices), for all N faces; and those of the val faces out of fold (five folds of
    whole groups), by whose log loss the penalty is chosen. ValueError when val has one class, or fewer than two groups."""
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
    """Name → how many units it reads and its log odds for all N faces; and name → those for the val faces, out of fold if refitted."""
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
    """ "readout" and "readout_differences". A set without untouched or without manipulated test faces is left out. ValueError when a
    trained-on source has no val face, or val has a single class."""
    found, on_val = readouts(default, faces, shares)
    sets = {CHOICE: np.flatnonzero(faces.split == "val"), **{source: faces.of(source) for source in SOURCES}}
    for name, sources in ((TRAINED_ON, set(SOURCES) - set(STRANGE)), (NEVER_TRAINED, STRANGE), (EVERYTHING, SOURCES)):
        sets[name] = np.unique(np.concatenate([sets[source] for source in sources]))
    counts = resampled(faces.groups, draws, by_group=True)
    pairs = [(name, name, AS_IT_IS) for name in found if name != AS_IT_IS]
    pairs += [(f"{name} − {ALL_REFITTED}", name, ALL_REFITTED) for name in found if name.startswith("universal") and REFITTED in name]
    rows: list[Row] = []
    differences: list[Row] = []
    for which, own in sets.items():
        truth = faces.manipulated[own]
        if truth.all() or not truth.any():
            continue
        scores = on_val if which == CHOICE else {name: odds[own] for name, (_, odds) in found.items()}
        areas, accuracies = weighted_figures(np.stack([scores[name] for name in found]), truth, counts[:, own])
        area = dict(zip(found, areas, strict=True))
        for name, accuracy in zip(found, accuracies, strict=True):
            rows.append((which, name, found[name][0], *estimate(area[name]), *estimate(accuracy)))
        differences += [(which, name, *estimate(area[one] - area[other])) for name, one, other in pairs]
    words = finding(rows, differences)
    return {"readout": table("readout", rows, finding=words), "readout_differences": table("readout_differences", differences)}


def finding(rows: Sequence[Row], differences: Sequence[Row]) -> str:
    """The answer in one or two plain sentences, with its intervals, from the rows of both tables.

    Judged is the readout by universal units with the highest AUC on val faces. It helps when it is better on what the default never
    trained on (its 95 % interval lies above 0; for a refitted one also against all units refitted) and not worse on what it did."""
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
