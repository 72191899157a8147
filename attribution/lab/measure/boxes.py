"""From which confidence on a box is shown: chosen on validation faces, measured on test faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from attribution.detectors.card import ArtifactRule, MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.explain.artifacts import calibrated, read_boxes
from attribution.lab.data import REAL, Row
from attribution.lab.measure import metrics
from attribution.lab.measure.evaluate import p_manipulated
from attribution.lab.measure.localisation import LARGE, PARTIAL, UNSEEN, Case, localisation_cases, points_into
from attribution.lab.pools import Samples
from attribution.models.caddm import WHOLE_CROP_ANCHORS

TITLE = "Boxes by confidence"
# At most this share of untouched validation faces may be shown with a box smaller than the crop (mean over collections). The confidence
# stands beside each box, and is calibrated; with 5 % half of the partial swaps of small windows had no box.
FALSE_BOXES = 0.15
LEAST_SLOPE = 0.01
# The app's threshold is one of these; the table shows every tenth.
GRID = tuple(round(0.01 * step, 2) for step in range(5, 100))
_SHOWN = tuple(round(0.1 * step, 1) for step in range(1, 10))
_NOTE = (
    "Boxes smaller than the crop, of test faces: the share of untouched faces, and of partial swaps, that the detector does not clear and "
    "whose surest box has at least this confidence; and how often the centre of that box then lies in the true area. 95 % intervals "
    "(Wilson). {calibration} The app shows boxes from {least:.2f} on: the least confidence at which at most {most:.0%} of untouched "
    "validation faces are shown with a box."
)
_CALIBRATED = (
    "The confidence was calibrated on validation faces, as many untouched as partially swapped (slope {slope:.3g}, offset {offset:.3g} on "
    "the logit)."
)
_NOT_CALIBRATED = (
    "The confidence is the network's own: on validation faces all boxes were right or all were wrong, nothing to calibrate on."
)
Look = Callable[[Predictor, np.ndarray, ArtifactRule], tuple[np.ndarray, np.ndarray]]


def surest(predictor: Predictor, crops: np.ndarray, rule: ArtifactRule) -> tuple[np.ndarray, np.ndarray]:
    """The confidence (N) of each crop's surest box that is smaller than the crop, and its centre (N×2, px)."""
    confidences, boxes = read_boxes(predictor, crops)
    local = calibrated(confidences, rule)[:, :-WHOLE_CROP_ANCHORS].numpy()
    best = local.argmax(1)
    chosen = boxes.numpy()[np.arange(len(best)), best] * crops.shape[1]
    return local[np.arange(len(best)), best], (chosen[:, :2] + chosen[:, 2:]) / 2


def shown(predictor: Predictor, crops: np.ndarray, rule: ArtifactRule) -> tuple[np.ndarray, np.ndarray]:
    """As `surest`, but 0 for faces that the detector itself clears: the app shows no box there."""
    confidence, centres = surest(predictor, crops, rule)
    p = p_manipulated(predictor.read(crops, mirrored=True).p_methods, predictor.info)
    return np.where(p > predictor.card.thresholds.p_manipulated_below, confidence, 0.0), centres


def choose_rule(predictor: Predictor, data: Path, rows: Sequence[Row], work: Path, val: Samples) -> ArtifactRule:
    """`fitted` on validation faces; then the least confidence of GRID at which at most FALSE_BOXES of the untouched ones are shown with a
    box, averaged over collections (the highest of GRID where none is enough)."""
    untouched = _untouched(val)
    sources = np.array(val.sources)[untouched]
    crops = np.stack([val.encoded(int(index)) for index in untouched])
    raw = ArtifactRule(0.0)
    rule = fitted(surest(predictor, crops, raw)[0], *_on_swaps(predictor, data, rows, work, "val", (PARTIAL, LARGE), raw, surest))
    false, _ = shown(predictor, crops, rule)
    for least in GRID:
        if np.mean([(false[sources == one] >= least).mean() for one in sorted(set(sources.tolist()))]) <= FALSE_BOXES:
            return replace(rule, min_confidence=least)
    return replace(rule, min_confidence=GRID[-1])


def fitted(false: np.ndarray, found: np.ndarray, hits: np.ndarray) -> ArtifactRule:
    """Slope and offset by logistic regression: a box is right when its centre lies in the true area.

    `false` are the confidences (strictly between 0 and 1) of the surest boxes of untouched faces, `found` those of partially swapped ones
    and `hits` whether these are right; both kinds weigh alike. Where no box is right, or every one is, there is nothing to fit: the
    confidences stay as they are, and that is printed."""
    raw = ArtifactRule(0.0)
    right = np.concatenate([np.zeros(len(false), bool), hits])
    if len(np.unique(right)) < 2:
        what = "every box is right" if right.any() else "no box is right"
        print(f"On the {len(right)} validation faces {what}: there is nothing to fit, so the boxes keep the confidence that they have.")
        return raw
    z = np.log(np.concatenate([false, found])) - np.log1p(-np.concatenate([false, found]))
    weights = np.concatenate([np.full(len(kind), len(right) / 2 / len(kind)) for kind in (false, found) if len(kind)])
    model = LogisticRegression(C=1e3).fit(z[:, None], right, weights)
    # Boxes that know nothing may come out the less often right the surer they are: then no confidence is worth more than another.
    slope = max(float(model.coef_[0, 0]), LEAST_SLOPE)
    return replace(raw, slope=round(slope, 4), offset=round(float(model.intercept_[0]), 4))


def _untouched(samples: Samples) -> np.ndarray:
    return np.flatnonzero(np.array(samples.methods) == REAL)


def _on_swaps(
    predictor: Predictor, data: Path, rows: Sequence[Row], work: Path, split: str, names: Sequence[str], rule: ArtifactRule, look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of the surest box of each partial swap by `look`, and whether its centre lies in the true area."""
    made = localisation_cases(data, rows, work, split)
    cases: list[Case] = [case for name in names for case in made[name]]
    if not cases:
        raise LabError(
            f"There are no partial swaps of {split} faces.", "Use the labelled faces whose manifest names the pair of each swap."
        )
    found, centres = look(predictor, np.stack([case.crop for case in cases]), rule)
    return found, np.array([points_into(case.area, (float(x), float(y))) for case, (x, y) in zip(cases, centres, strict=True)])


def confidence_table(predictor: Predictor, data: Path, rows: Sequence[Row], work: Path, test: Samples, rule: ArtifactRule) -> MeasuredTable:
    """What each confidence is worth on test faces. `rule` is the one that the card carries."""
    false, _ = shown(predictor, np.stack([test.encoded(int(index)) for index in _untouched(test)]), rule)
    found, hits = _on_swaps(predictor, data, rows, work, "test", (PARTIAL, UNSEEN, LARGE), rule, shown)
    table = []
    for one in _SHOWN:
        row: list[float | int | None] = [one]
        for part in (false >= one, found >= one, hits[found >= one]):
            row += metrics.share(part)
        table.append(tuple(row))
    columns = (
        "confidence from", "untouched with a box", "low", "high", "partial swaps with a box", "low", "high", "hits of these", "low", "high",
    )  # fmt: skip
    identity = (rule.slope, rule.offset) == (1.0, 0.0)
    calibration = _NOT_CALIBRATED if identity else _CALIBRATED.format(slope=rule.slope, offset=rule.offset)
    return MeasuredTable(TITLE, columns, tuple(table), _NOTE.format(calibration=calibration, least=rule.min_confidence, most=FALSE_BOXES))
