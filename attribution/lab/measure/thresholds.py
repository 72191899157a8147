"""Choosing when a verdict may be definite, on validation faces (and on a run that never saw some methods), never on test faces."""

from __future__ import annotations

import numpy as np

from attribution.detectors.card import Thresholds
from attribution.evidence import DetectorInfo
from attribution.lab.data import REAL
from attribution.lab.measure import metrics
from attribution.lab.measure.evaluate import p_manipulated
from attribution.lab.measure.predict import SplitPredictions

FALSE_ALARMS = 0.01
MISSES = 0.02
MIN_CROP_SIDE_PX = 64.0
MIN_SHARPNESS = 4.0
BRIGHTNESS = (30.0, 228.0)


def _per_group(values: np.ndarray, groups: np.ndarray, threshold: float, above: bool) -> float:
    """The mean over groups of the share of values at or beyond the threshold."""
    beyond = values >= threshold if above else values <= threshold
    return float(np.mean([beyond[groups == group].mean() for group in set(groups.tolist())]))


def choose(val: SplitPredictions, info: DetectorInfo, temperature: float, least_above: float = 0.8, most_below: float = 0.2) -> Thresholds:
    """Manipulated from the lowest p that at most 1 % of untouched validation faces reach (mean over sources), but at least `least_above`;
    none found up to the highest p that at most 2 % of manipulated ones stay under (mean over methods), but at most `most_below`."""
    p = p_manipulated(metrics.softmax(val.logits, temperature), info)
    untouched = val.families == REAL
    grid = np.round(np.arange(0.005, 1.0, 0.005), 3)
    above = [t for t in grid if _per_group(p[untouched], val.sources[untouched], t, above=True) <= FALSE_ALARMS]
    below = [t for t in grid if _per_group(p[~untouched], val.methods[~untouched], t, above=False) <= MISSES]
    p_above = float(max(min(above, default=0.995), least_above))
    p_below = float(min(max(below, default=0.005), most_below))
    return Thresholds(
        p_manipulated_above=p_above,
        p_manipulated_below=p_below,
        method_min_p=0.6,
        family_min_p=0.7,
        strong_p_manipulated=max(0.98, p_above),
        # Of the scores measured on held-out methods (`results/study.json`, open_set) the distance to the references did best by far;
        # energy and the greatest logit were near chance for unknown generators, so they have no say.
        max_atypicality=0.95,
        energy_min=None,
        neighbour_veto=0.6,
        min_crop_side_px=MIN_CROP_SIDE_PX,
        min_sharpness=MIN_SHARPNESS,
        min_brightness=BRIGHTNESS[0],
        max_brightness=BRIGHTNESS[1],
    )
