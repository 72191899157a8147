"""What is chosen on validation faces, never on test faces: a bias per method, folded into the classifier, the temperature that the card
keeps, and when a verdict may be definite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution.detectors.card import Thresholds
from attribution.errors import LabError
from attribution.evidence import DetectorInfo
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.pools import FORGED
from attribution.lab.measure.predictions import SplitPredictions, p_manipulated

# The lab can make as many forgeries as it likes: they must not decide how often a face swap is expected.
FORGED_WEIGHT, FALSE_ALARMS, MISSES = 1 / 3, 0.01, 0.02
# What does not depend on a detector's probabilities. Of the scores measured on held-out methods (`measured/data/study.json`, open_set) the
# distance to references did best by far; energy and the greatest logit were near chance for unknown generators, so they have no say.
CAREFUL = Thresholds(
    p_manipulated_above=0.98, p_manipulated_below=0.02, method_min_p=0.6, family_min_p=0.7, max_atypicality=0.95,
    energy_min=None, neighbour_veto=0.6, min_crop_side_px=64.0, min_sharpness=4.0, min_brightness=30.0, max_brightness=228.0,
)  # fmt: skip


@dataclass(frozen=True)
class Calibrator:
    """p = softmax((logits + bias) / temperature); `bias` K, mean 0."""

    bias: np.ndarray
    temperature: float

    def shifted(self, found: SplitPredictions) -> SplitPredictions:
        return replace(found, logits=found.logits + self.bias.astype(np.float32))


def calibrate(val: SplitPredictions, labels: Sequence[str], forged: np.ndarray | None = None) -> Calibrator:
    """Fit both on validation faces: without the bias, subtle swaps would lose to the untouched faces that training draws so often.
    `forged` (N boolean): the lab's own forgeries where their methods go by other names. LabError without any face."""
    if not len(val.methods):
        raise LabError("There are no validation faces to calibrate on.", "Prepare the split val first.")
    index = {label: place for place, label in enumerate(labels)}
    weights = np.where(np.isin(val.methods, FORGED) if forged is None else forged, FORGED_WEIGHT, 1.0)
    bias, temperature = metrics.fit_calibration(val.logits, np.array([index[method] for method in val.methods]), weights)
    return Calibrator(bias, round(temperature, 4))


def choose_thresholds(
    val: SplitPredictions, info: DetectorInfo, temperature: float, least_above: float = 0.8, most_below: float = 0.2
) -> Thresholds:
    """Manipulated from the lowest p that at most 1 % of untouched validation faces reach (mean over sources), at least `least_above`; none
    found up to the highest p that at most 2 % of manipulated ones stay under (mean over methods), at most `most_below`. LabError where
    either kind is missing."""
    p = p_manipulated(metrics.softmax(val.logits, temperature), info)
    untouched = val.families == REAL
    for what, some in (("untouched", untouched), ("manipulated", ~untouched)):
        if not some.any():
            raise LabError(f"There are no {what} validation faces to choose thresholds on.", "Prepare the split val first.")
    grid = np.round(np.arange(0.005, 1.0, 0.005), 3)
    mean_share = lambda mine, groups: float(np.mean([mine[groups == group].mean() for group in set(groups.tolist())]))  # noqa: E731
    above = [t for t in grid if mean_share(p[untouched] >= t, val.sources[untouched]) <= FALSE_ALARMS]
    below = [t for t in grid if mean_share(p[~untouched] <= t, val.methods[~untouched]) <= MISSES]
    p_above = float(max(min(above, default=0.995), least_above))
    return replace(CAREFUL, p_manipulated_above=p_above, p_manipulated_below=float(min(max(below, default=0.005), most_below)))
