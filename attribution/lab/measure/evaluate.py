"""The measured figures of a detector: per split, per source and per method, of the network alone and of the whole verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from attribution.detectors.card import MeasuredTable, Thresholds
from attribution.evidence import DetectorInfo, Face, Predictions, Track, TrackEvidence
from attribution.explain.reference import ReferenceBank
from attribution.lab.data import REAL
from attribution.lab.measure import metrics
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.pools import Samples
from attribution.verdict import judge_track

_PLACEHOLDER_BOX = (0.0, 0.0, 1.0, 1.0)


def families_of(labels: Sequence[str], info: DetectorInfo) -> list[str]:
    """The family of each label."""
    known = dict(zip(info.labels, info.families, strict=True))
    return [known[label] for label in labels]


def family_answers(p: np.ndarray, info: DetectorInfo) -> np.ndarray:
    """N×K probabilities → the family with the greatest sum, N names."""
    names = list(dict.fromkeys(info.families))
    sums = np.stack([p[:, [family == name for family in info.families]].sum(1) for name in names], 1)
    return np.array(names)[sums.argmax(1)]


def p_manipulated(p: np.ndarray, info: DetectorInfo) -> np.ndarray:
    """1 − p(real), N."""
    return 1 - p[:, [family == REAL for family in info.families]].sum(1)


@dataclass(frozen=True)
class Figures:
    """The network's own figures on one split of the manifest (the lab's forgeries are reported apart), each with a 95 % interval."""

    families_balanced_accuracy: float
    families_interval: tuple[float, float]
    dfdc_auc: float
    dfdc_interval: tuple[float, float]
    dfdc_eer: float
    ece: float
    ece_uncalibrated: float


def figures(found: SplitPredictions, raw: SplitPredictions, info: DetectorInfo, temperature: float) -> Figures:
    """Balanced accuracy over families, DFDC untouched against swap, and the calibration error of the method answer; `raw` is what the
    network said before it was calibrated."""
    own = found.own()
    uncalibrated = raw.own()
    p = metrics.softmax(own.logits, temperature)
    said = family_answers(p, info)
    truth = own.families
    dfdc = own.sources == "dfdc"
    swapped, score = (own.families[dfdc] != REAL), p_manipulated(p, info)[dfdc]

    def balanced(chosen: np.ndarray) -> float:
        return metrics.balanced_accuracy(list(truth[chosen]), list(said[chosen]))

    def ece(logits: np.ndarray, temperature: float) -> float:
        q = metrics.softmax(logits, temperature)
        answers = np.array(info.labels)[q.argmax(1)]
        return metrics.expected_calibration_error(q.max(1), answers == own.methods)

    return Figures(
        balanced(np.arange(len(truth))),
        metrics.bootstrap(balanced, len(truth)),
        metrics.auc(swapped, score),
        metrics.bootstrap(lambda chosen: metrics.auc(swapped[chosen], score[chosen]), len(score)),
        metrics.equal_error_rate(swapped, score),
        ece(own.logits, temperature),
        ece(uncalibrated.logits, 1.0),
    )


def source_table(title: str, found: SplitPredictions, info: DetectorInfo, temperature: float) -> MeasuredTable:
    """Per source: faces, share given the right family (with Wilson's interval), the right method, and called manipulated at p ≥ 0.5."""
    p = metrics.softmax(found.logits, temperature)
    family_right = family_answers(p, info) == found.families
    method_right = np.array(info.labels)[p.argmax(1)] == found.methods
    called = p_manipulated(p, info) >= 0.5
    rows = []
    for family, source in sorted(set(zip(found.families.tolist(), found.sources.tolist(), strict=True))):
        mine = (found.families == family) & (found.sources == source)
        shares = metrics.cells(method_right[mine].mean(), called[mine].mean())
        rows.append((family, source, int(mine.sum()), *metrics.share(family_right[mine]), *shares))
    columns = ("family", "source", "faces", "right family", "from", "to", "right method", "called manipulated")
    return MeasuredTable(title, columns, tuple(rows), "Shares of faces; from–to is the 95 % interval of the right family.")


def judge_samples(
    samples: Samples,
    found: SplitPredictions,
    side_px: np.ndarray,
    temperature: float,
    thresholds: Thresholds,
    info: DetectorInfo,
    bank: ReferenceBank,
    chosen: np.ndarray | None = None,
) -> list[TrackEvidence]:
    """Each sample (or each of the `chosen` ones) as a picture of one face, judged by the product's own rule. `side_px` N: the crop's side
    in the original picture."""
    indices = np.arange(len(found.methods)) if chosen is None else chosen
    p = metrics.softmax(found.logits, temperature).astype(np.float32)
    judged = []
    for index, placement in zip(indices.tolist(), bank.place(found.embeddings[indices]), strict=True):
        crop = np.array(samples.picture(index))
        luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        face = Face(
            0, 0.0, _PLACEHOLDER_BOX, np.zeros((5, 2), np.float32), 1.0, (0.0, 0.0, float(side_px[index]), float(side_px[index])), crop,
            float(cv2.Laplacian(luma, cv2.CV_64F).var()), float(luma.mean()),
        )  # fmt: skip
        one = slice(index, index + 1)
        reading = Predictions(found.logits[one], p[one], found.embeddings[one])
        judged.append(judge_track(Track(index, (face,)), reading, [placement], thresholds, info, "picture"))
    return judged


def verdict_table(title: str, found: SplitPredictions, judged: Sequence[TrackEvidence]) -> MeasuredTable:
    """Per source: what the whole verdict says, and the share of definite answers that are wrong."""
    states = np.array([one.verdict.state for one in judged])
    methods = np.array([one.verdict.method or "" for one in judged])
    rows = []
    for family, source in sorted(set(zip(found.families.tolist(), found.sources.tolist(), strict=True))):
        mine = (found.families == family) & (found.sources == source)
        rows.append((family, source, *_row(states[mine], methods[mine], found.methods[mine], family)))
    everything = np.array([family == REAL for family in found.families])
    for name, mine, family in (("all untouched", everything, REAL), ("all manipulated", ~everything, "")):
        if mine.any():
            rows.append(("", name, *_row(states[mine], methods[mine], found.methods[mine], family)))
    columns = (
        "family", "source", "faces", "manipulated", "none found", "inconclusive", "definite", "wrong of definite",
        "method named", "right of named",
    )  # fmt: skip
    return MeasuredTable(title, columns, tuple(rows), "Shares of faces, judged as single pictures by the default thresholds.")


def _row(states: np.ndarray, methods: np.ndarray, truth: np.ndarray, family: str) -> tuple[float | int | None, ...]:
    manipulated, none = states == "manipulated", states == "no_manipulation_found"
    definite = manipulated | none
    wrong = manipulated if family == REAL else none
    named = manipulated & (methods != "unknown")
    return (
        len(states),
        *(round(float(share.mean()), 3) for share in (manipulated, none, ~definite, definite)),
        round(float(wrong.sum() / definite.sum()), 3) if definite.any() else None,
        round(float(named.mean()), 3),
        round(float((methods[named] == truth[named]).mean()), 3) if named.any() and family != REAL else None,
    )


def confusion_table(title: str, found: SplitPredictions, info: DetectorInfo, temperature: float) -> MeasuredTable:
    """Rows: the true method; columns: the share of its faces that each method got."""
    said = np.array(info.labels)[metrics.softmax(found.logits, temperature).argmax(1)]
    rows = []
    for method in info.labels:
        mine = found.methods == method
        if mine.any():
            rows.append((method, int(mine.sum()), *(round(float((said[mine] == other).mean()), 3) for other in info.labels)))
    return MeasuredTable(
        title, ("true method", "faces", *info.labels), tuple(rows), "The method with the highest probability, before abstention."
    )


def print_table(table: MeasuredTable) -> None:
    """The table on standard output, in aligned columns."""
    cells = [table.columns, *(tuple("" if cell is None else str(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    print(f"\n{table.title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
