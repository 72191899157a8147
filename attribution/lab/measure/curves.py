"""How far the network's own confidence can be trusted: reliability, calibration per source, risk against coverage, abstention.

The lab's own forgeries are left out, as in `evaluate.figures`. The confidence of a *method* answer is the highest calibrated probability of
a method; that of a *family* answer the greatest sum over a family. On the first detector's validation faces, at 80 % coverage, margin and
entropy of the family probabilities did as well, and the highest logit, the energy and the similarity to the references did worse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.evidence import DetectorInfo
from attribution.lab import metrics
from attribution.lab.measure.predictions import SplitPredictions, family_answers, method_answers
from attribution.lab.tables import table

BINS = 15


class _Answers(NamedTuple):
    """One split: its true families; per face the true one's place among them, whether the family answer was right, its confidence."""

    families: tuple[str, ...]
    truth: np.ndarray
    right: np.ndarray
    confidence: np.ndarray

    def balanced(self, answered: np.ndarray) -> metrics.Estimate:
        """Balanced accuracy among the answered (mask of N) with its 95 % interval; None thrice when a family is never answered."""
        truth, right = self.truth[answered], self.right[answered]
        return metrics.estimate(lambda drawn: metrics.balanced_share(truth[drawn], right[drawn], len(self.families)), len(truth))


def _family_answers(found: SplitPredictions, info: DetectorInfo, temperature: float) -> _Answers:
    own = found.own()
    p = metrics.softmax(own.logits, temperature)
    said = family_answers(p, info)
    confidence = (p * (np.array(info.families)[None] == said[:, None])).sum(1)
    families, truth = np.unique(own.families, return_inverse=True)
    return _Answers(tuple(families.tolist()), truth, said == own.families, confidence)


def reliability_table(
    found: SplitPredictions, raw: SplitPredictions, info: DetectorInfo, temperature: float, split: str = "test"
) -> MeasuredTable:
    """The reliability diagram of the method answer (Guo et al. 2017, section 2) before (`raw`) and after calibration (`found`, T =
    `temperature`): mean confidence and share right per equal-width bin, empty ones left out."""
    rows = []
    for calibration, faces, t in (("before", raw, 1.0), ("after", found, temperature)):
        confidence, right = method_answers(faces.own(), info, t)
        place = np.minimum((confidence * BINS).astype(int), BINS - 1)
        for one in np.unique(place).tolist():
            mine = place == one
            low, high, mean = metrics.cells(one / BINS, (one + 1) / BINS, confidence[mine].mean())
            rows.append((calibration, low, high, int(mine.sum()), mean, *metrics.share(right[mine])))
    return table("reliability", rows, split=split, bins=BINS)


def calibration_by_source(
    found: SplitPredictions, raw: SplitPredictions, info: DetectorInfo, temperature: float, split: str = "test"
) -> MeasuredTable:
    """The calibration error of the method answer per source, before (`raw`) and after (`found`)."""
    answers = [method_answers(faces.own(), info, t) for faces, t in ((raw, 1.0), (found, temperature))]
    rows = []
    for family, source, mine in found.own().by_source():
        errors = [metrics.expected_calibration_error(confidence[mine], right[mine], BINS) for confidence, right in answers]
        rows.append((family, source, int(mine.sum()), *metrics.cells(*errors)))
    return table("calibration_by_source", rows, split=split, bins=BINS)


def _threshold(confidence: np.ndarray, coverage: float) -> float:
    """The highest threshold that answers at least `coverage` of the faces, rounded down to the digits that the card shows."""
    kept = max(1, int(np.ceil(round(coverage * len(confidence), 6))))
    return float(np.floor(np.sort(confidence)[-kept] * 10**6) / 10**6)


def risk_coverage_table(found: SplitPredictions, info: DetectorInfo, temperature: float, split: str = "test") -> MeasuredTable:
    """Risk against coverage of the family answer (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017), a row for each threshold."""
    answers = _family_answers(found, info, temperature)
    rows, seen = [], set()
    for coverage in [round(1 - 0.04 * step, 2) for step in range(21)] if len(answers.truth) else ():
        threshold = _threshold(answers.confidence, coverage)
        if threshold not in seen:
            seen.add(threshold)
            answered = answers.confidence >= threshold
            wrong = 1 - answers.right[answered].mean()
            rows.append((round(float(answered.mean()), 3), threshold, *answers.balanced(answered), round(float(wrong), 3)))
    return table("risk_coverage", rows, split=split)


def _tuned(val: SplitPredictions, info: DetectorInfo, temperature: float, coverage: float) -> tuple[_Answers, float]:
    answers = _family_answers(val, info, temperature)
    if not len(answers.truth):
        raise LabError("There are no validation faces to tune abstention on.", "Prepare the split val first.")
    return answers, _threshold(answers.confidence, coverage)


def abstention_table(
    val: SplitPredictions, test: SplitPredictions, info: DetectorInfo, temperature: float, coverage: float = 0.8
) -> MeasuredTable:
    """The threshold of family confidence that answers `coverage` of the validation faces, on val and on test; LabError without any."""
    tuned, threshold = _tuned(val, info, temperature, coverage)
    rows = []
    for split, answers in (("val", tuned), ("test", _family_answers(test, info, temperature))):
        answered = answers.confidence >= threshold
        share = round(float(answered.mean()), 3) if len(answered) else None
        rows.append(("val", split, threshold, share, *answers.balanced(answered)))
    by_family = [row for row in abstention_by_family_table(val, test, info, temperature, coverage).rows if row[0] == "test"]
    least = ""
    if by_family:
        _, family, faces, share, right, *_ = min(by_family, key=lambda row: float(str(row[3])))
        words = f", and {100 * right:.0f} % of these answers are right" if isinstance(right, float) else ""
        name, share = str(family).replace("_", " "), float(str(share))
        least = f" The least answered family is {name}: of its {faces} test faces {100 * share:.0f} % are answered{words}."
    return table("abstention", rows, coverage=f"{100 * coverage:.0f} %", least=least)


def abstention_by_family_table(
    val: SplitPredictions, test: SplitPredictions, info: DetectorInfo, temperature: float, coverage: float = 0.8
) -> MeasuredTable:
    """What that threshold does to each family: the share of its faces answered, and of these the share right."""
    tuned, threshold = _tuned(val, info, temperature, coverage)
    rows = []
    for split, answers in (("val", tuned), ("test", _family_answers(test, info, temperature))):
        for place, family in enumerate(answers.families):
            mine = answers.truth == place
            answered = mine & (answers.confidence >= threshold)
            covered = metrics.cells(answered.sum() / mine.sum())
            rows.append((split, family, int(mine.sum()), *covered, *metrics.share(answers.right[answered])))
    return table("abstention_by_family", rows)


def confidence_tables(
    val: SplitPredictions, test: SplitPredictions, raw_test: SplitPredictions, info: DetectorInfo, temperature: float
) -> list[MeasuredTable]:
    """What every card says of its confidence. `raw_test`: what the network says of the test faces before calibration."""
    before_and_after = [of(test, raw_test, info, temperature) for of in (reliability_table, calibration_by_source)]
    return [*before_and_after, risk_coverage_table(test, info, temperature), abstention_table(val, test, info, temperature)]
