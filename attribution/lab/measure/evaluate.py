"""The measured figures of a detector: per split, source and method, of the network alone, the whole verdict, and a second opinion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from attribution.detectors.card import MeasuredTable, Thresholds
from attribution.evidence import DetectorInfo, Face, Predictions, Track, TrackEvidence
from attribution.explain.reference import ReferenceBank
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.pools import Samples
from attribution.lab.measure import curves, fairness
from attribution.lab.measure.predictions import SplitPredictions, family_answers, method_answers, p_manipulated
from attribution.lab.measure.probes import shortcut_table
from attribution.lab.tables import table
from attribution.verdict import judge_track, scopes


@dataclass(frozen=True)
class Figures:
    """The network's own figures on one split, the lab's forgeries left out: balanced accuracy over families, AUC and equal error rate of
    DFDC's untouched against swapped faces (None where a kind is missing), calibration error before and after."""

    families: metrics.Estimate
    dfdc: metrics.Estimate
    dfdc_eer: float | None
    ece_uncalibrated: float
    ece: float

    def cells(self) -> tuple[float | None, ...]:
        rest = (self.dfdc_eer, self.ece_uncalibrated, self.ece)
        return (*self.families, *self.dfdc, *(None if value is None else round(value, 3) for value in rest))


def figures(found: SplitPredictions, raw: SplitPredictions, info: DetectorInfo, temperature: float) -> Figures:
    """Measure one split. `raw` is what the network said before it was calibrated."""
    own = found.own()
    p = metrics.softmax(own.logits, temperature)
    said, truth = family_answers(p, info), own.families
    dfdc = own.sources == "dfdc"
    swapped, score = truth[dfdc] != REAL, p_manipulated(p, info)[dfdc]
    return Figures(
        metrics.estimate(lambda chosen: metrics.balanced_accuracy(list(truth[chosen]), list(said[chosen])), len(truth)),
        metrics.estimate(lambda chosen: metrics.auc(swapped[chosen], score[chosen]), len(score)),
        metrics.equal_error_rate(swapped, score) if len(set(swapped.tolist())) == 2 else None,
        *(metrics.expected_calibration_error(*method_answers(faces, info, t)) for faces, t in ((raw.own(), 1.0), (own, temperature))),
    )


def measure(
    samples: Mapping[str, Samples], raw: Mapping[str, SplitPredictions], found: Mapping[str, SplitPredictions],
    sides: Mapping[str, np.ndarray], info: DetectorInfo, temperature: float, thresholds: Thresholds, bank: ReferenceBank,
) -> tuple[list[MeasuredTable], Figures]:  # fmt: skip
    """Every measured table of a detector of methods, and the overall figures on test. `raw`: before calibration; `found`: with the
    calibrated bias, not yet divided by `temperature`; `sides`: of the crops in the original pictures, px."""
    overall = {split: figures(found[split], raw[split], info, temperature) for split in ("val", "test")}
    tables = [table("overall", [(split, *one.cells()) for split, one in overall.items()])]
    tables += [source_table(f"Sources, {split}", found[split], info, temperature) for split in ("cross", "test")]
    tables.append(confusion_table("Methods, test", found["test"], info, temperature))
    judged_faces = []
    for split in ("cross", "test"):
        judged = judge_samples(samples[split], found[split], sides[split], temperature, thresholds, info, bank)
        tables.append(verdict_table(f"Verdicts on {split}", found[split], judged))
        judged_faces.append(fairness.judged_faces(split, samples[split], found[split], judged, sides[split]))
    tables += curves.confidence_tables(found["val"], found["test"], raw["test"], info, temperature)
    tables.append(curves.abstention_by_family_table(found["val"], found["test"], info, temperature))
    tables += [of(judged_faces) for of in (fairness.lightness_table, fairness.within_sources_table, fairness.size_table)]
    return [*tables, shortcut_table(samples["train"], samples["val"], 3)], overall["test"]


def source_table(title: str, found: SplitPredictions, info: DetectorInfo, temperature: float) -> MeasuredTable:
    """Per source: faces, share given the right family (with Wilson's interval), the right method, and called manipulated at p ≥ 0.5."""
    p = metrics.softmax(found.logits, temperature)
    family_right = family_answers(p, info) == found.families
    called, (_, method_right) = p_manipulated(p, info) >= 0.5, method_answers(found, info, temperature)
    rows = []
    for family, source, mine in found.by_source():
        shares = metrics.cells(method_right[mine].mean(), called[mine].mean())
        rows.append((family, source, int(mine.sum()), *metrics.share(family_right[mine]), *shares))
    return table("sources", rows, title=title)


def judge_samples(
    samples: Samples, found: SplitPredictions, side_px: np.ndarray, temperature: float, thresholds: Thresholds, info: DetectorInfo,
    bank: ReferenceBank, chosen: np.ndarray | None = None,
) -> list[TrackEvidence]:  # fmt: skip
    """Each sample (or the `chosen` ones) as a picture of one face, judged by the product's own rule; `side_px` N, in the original."""
    indices = np.arange(len(found.methods)) if chosen is None else chosen
    p = metrics.softmax(found.logits, temperature).astype(np.float32)
    judged = []
    for index, placement in zip(indices.tolist(), bank.place(found.embeddings[indices]), strict=True):
        crop = np.array(samples.picture(index))
        luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        face = Face(
            0, 0.0, (0.0, 0.0, 1.0, 1.0), np.zeros((5, 2), np.float32), 1.0, (0.0, 0.0, float(side_px[index]), float(side_px[index])), crop,
            float(cv2.Laplacian(luma, cv2.CV_64F).var()), float(luma.mean()),
        )  # fmt: skip
        said = Predictions(*(values[index : index + 1] for values in (found.logits, p, found.embeddings)))
        judged.append(judge_track(Track(index, (face,)), said, [placement], thresholds, info, "picture"))
    return judged


def verdict_table(title: str, found: SplitPredictions, judged: Sequence[TrackEvidence]) -> MeasuredTable:
    """Per source: what the whole verdict says, and the share of definite answers that are wrong."""
    states = np.array([one.verdict.state for one in judged])
    methods = np.array([one.verdict.method or "" for one in judged])
    untouched, rows = found.families == REAL, []
    for family, source, mine in (*found.by_source(), ("", "all untouched", untouched), ("", "all manipulated", ~untouched)):
        if not mine.any():
            continue
        real = family == REAL or mine is untouched
        manipulated, none = states[mine] == "manipulated", states[mine] == "no_manipulation_found"
        definite, named = manipulated | none, manipulated & (methods[mine] != "unknown")
        wrong, right = (manipulated if real else none)[definite], (methods[mine] == found.methods[mine])[named & (not real)]
        shares = metrics.cells(*(share.mean() for share in (manipulated, none, ~definite, definite)))
        rest = (metrics.share(wrong)[0], round(float(named.mean()), 3), metrics.share(right)[0])
        rows.append((family, source, int(mine.sum()), *shares, *rest))
    return table("verdicts", rows, title=title)


def confusion_table(title: str, found: SplitPredictions, info: DetectorInfo, temperature: float) -> MeasuredTable:
    """Rows: the true method; columns: the share of its faces that each method got."""
    said = np.array(info.labels)[metrics.softmax(found.logits, temperature).argmax(1)]
    answers = {method: said[found.methods == method] for method in info.labels}
    rows = [
        (method, len(own), *metrics.cells(*((own == other).mean() for other in info.labels))) for method, own in answers.items() if len(own)
    ]
    return table("confusion", rows, info.labels, title=title)


def second_opinion_table(
    split: str, faces: SplitPredictions, first: Sequence[TrackEvidence], second: Sequence[TrackEvidence], name: str, scope: str
) -> MeasuredTable:
    """`faces`, the default detector's verdicts on them (`first`) and this one's (`second`), aligned; counts per source."""
    asked = np.array([not scopes.refusal(one.verdict, name, scope) for one in first])
    states, answers = (np.array([one.verdict.state for one in those]) for those in (first, second))
    definite = np.isin(answers, ("manipulated", "no_manipulation_found"))
    agree, contradict = asked & (answers == states), asked & definite & (answers != states)
    right = np.where(faces.families == REAL, states == "no_manipulation_found", states == "manipulated")
    # A method is a source of its own here: swaps of one clip collection are not its untouched frames.
    names = np.array([
        source if family == REAL or source.startswith(method) else f"{method} on {source}"
        for family, method, source in zip(faces.families.tolist(), faces.methods.tolist(), faces.sources.tolist(), strict=True)
    ])  # fmt: skip
    rows = []
    for source, mine in [(one, names == one) for one in sorted(set(names.tolist()))] + [("all", np.ones(len(names), bool))]:
        counted = (asked, agree, asked & ~agree & ~contradict, contradict, contradict & ~right, contradict & right)
        counts = [int((mine & one).sum()) for one in counted]
        if counts[0]:
            rows.append((source, *counts))
    return table("second_opinion", rows, split=split)
