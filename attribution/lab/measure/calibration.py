"""Calibration on validation faces: a bias per method, folded into the classifier, and the temperature that the card keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution.lab.measure import metrics
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.pools import FORGED

# The lab can make as many forgeries as it likes: they must not decide how often a face swap is expected.
FORGED_WEIGHT = 1 / 3


@dataclass(frozen=True)
class Calibrator:
    """p = softmax((logits + bias) / temperature); `bias` K, mean 0."""

    bias: np.ndarray
    temperature: float

    def shifted(self, found: SplitPredictions) -> SplitPredictions:
        """The same faces with the bias added to their logits."""
        return replace(found, logits=found.logits + self.bias.astype(np.float32))


def calibrate(val: SplitPredictions, labels: Sequence[str], forged: np.ndarray | None = None) -> Calibrator:
    """Fit both on validation faces (`metrics.fit_calibration`). Training draws the methods in its own proportions, and pairs make untouched
    faces common in it: without the bias, subtle swaps would lose to them. `forged` (N boolean) says which are the lab's own forgeries
    where their methods go by other names."""
    index = {label: place for place, label in enumerate(labels)}
    weights = np.where(np.isin(val.methods, FORGED) if forged is None else forged, FORGED_WEIGHT, 1.0)
    bias, temperature = metrics.fit_calibration(val.logits, np.array([index[method] for method in val.methods]), weights)
    return Calibrator(bias, round(temperature, 4))
