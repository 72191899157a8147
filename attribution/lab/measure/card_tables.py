"""Every measured table of a detector's card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attribution.detectors.card import MeasuredTable, Thresholds
from attribution.evidence import DetectorInfo
from attribution.explain.reference import ReferenceBank
from attribution.lab.measure import curves, fairness
from attribution.lab.measure.evaluate import Figures, confusion_table, figures, judge_samples, source_table, verdict_table
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.measure.shortcuts import shortcut_table
from attribution.lab.pools import Samples

SHORTCUT_SEED = 3


def measure(
    samples: Mapping[str, Samples], raw: Mapping[str, SplitPredictions], found: Mapping[str, SplitPredictions], sides: Mapping[str, np.ndarray],
    info: DetectorInfo, temperature: float, thresholds: Thresholds, bank: ReferenceBank,
) -> tuple[list[MeasuredTable], Figures]:  # fmt: skip
    """The tables, and the overall figures on test. `raw` is what the network says before calibration, `found` with the calibrated bias
    (to be divided by `temperature` yet); `sides` the crops' sides in the original pictures, px."""
    test = figures(found["test"], raw["test"], info, temperature)
    val = figures(found["val"], raw["val"], info, temperature)
    tables = [_overall({"val": val, "test": test})]
    for split in ("cross", "test"):
        tables.append(source_table(f"Sources, {split}", found[split], info, temperature))
    tables.append(confusion_table("Methods, test", found["test"], info, temperature))
    judged_faces = []
    for split in ("cross", "test"):
        judged = judge_samples(samples[split], found[split], sides[split], temperature, thresholds, info, bank)
        tables.append(verdict_table(f"Verdicts on {split}", found[split], judged))
        judged_faces.append(fairness.judged_faces(split, samples[split], found[split], judged, sides[split]))
    tables += [
        *curves.confidence_tables(found["val"], found["test"], raw["test"], info, temperature),
        curves.abstention_by_family_table(found["val"], found["test"], info, temperature),
        fairness.lightness_table(judged_faces),
        fairness.within_sources_table(judged_faces),
        fairness.size_table(judged_faces),
        shortcut_table(samples["train"], samples["val"], SHORTCUT_SEED),
    ]
    return tables, test


def _overall(splits: Mapping[str, Figures]) -> MeasuredTable:
    rows = []
    for name, split in splits.items():
        low, high = split.families_interval
        dfdc_low, dfdc_high = split.dfdc_interval
        values = (
            split.families_balanced_accuracy, low, high, split.dfdc_auc, dfdc_low, dfdc_high, split.dfdc_eer, split.ece_uncalibrated,
            split.ece,
        )  # fmt: skip
        rows.append((name, *(round(value, 3) for value in values)))
    columns = ("split", "families, balanced", "from", "to", "DFDC AUC", "from", "to", "DFDC EER", "ECE before", "ECE after")
    return MeasuredTable("Overall", columns, tuple(rows), "Network alone, single faces; from–to: 95 % bootstrap intervals.")
