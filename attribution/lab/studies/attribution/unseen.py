"""What a detector says of manipulations, and of collections of untouched faces, that it was trained without: the figure the product
lives by. Every fold's calibration, thresholds and references come from the validation and training faces that the fold did see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.detectors.card import MeasuredTable, Thresholds
from attribution.evidence import DetectorInfo
from attribution.explain.reference import ReferenceBank, kth_distances
from attribution.lab.data import REAL
from attribution.lab.measure import metrics
from attribution.lab.measure.calibration import calibrate
from attribution.lab.measure.evaluate import judge_samples
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.measure.thresholds import choose
from attribution.lab.pools import FORGED, Samples, left_out
from attribution.lab.publish.methods import crop_sides
from attribution.lab.studies.attribution.plan import Run
from attribution.lab.studies.attribution.questions import interval
from attribution.verdict import negative_free_energy


@dataclass(frozen=True)
class Fold:
    """One fold, ready to judge: what it says of each split, its temperature, thresholds and references."""

    name: str
    leave_out: tuple[str, ...]
    found: Mapping[str, SplitPredictions]
    temperature: float
    thresholds: Thresholds
    bank: ReferenceBank

    def unseen(self, split: str) -> np.ndarray:
        """Which faces of a split training did not see anything like, N boolean."""
        return left_out(self.found[split].methods, self.found[split].sources, self.leave_out)


def set_up(run: Run, found: Mapping[str, SplitPredictions], info: DetectorInfo) -> Fold:
    """Calibrate a fold on the validation faces of what it did see."""
    mask = ~left_out(found["val"].methods, found["val"].sources, run.leave_out)
    fitted = calibrate(found["val"].take(mask), info.labels)
    found = {split: fitted.shifted(one) for split, one in found.items()}
    seen, references = found["val"].take(mask), found["train"]
    bank = ReferenceBank(
        references.embeddings, np.zeros((len(references.methods), 2), np.float32), tuple(references.methods.tolist()),
        tuple(references.sources.tolist()), np.sort(kth_distances(seen.embeddings, references.embeddings)),
    )  # fmt: skip
    return Fold(run.name, run.leave_out, found, fitted.temperature, choose(seen, info, fitted.temperature), bank)


def leave_out_table(folds: Sequence[Fold], samples: Mapping[str, Samples], data: Path, info: DetectorInfo) -> MeasuredTable:
    """Per left-out source or method: what the whole verdict says of its test faces."""
    rows: list[tuple] = []
    pooled: dict[str, list[np.ndarray]] = {"untouched": [], "manipulated": []}
    sides = crop_sides(samples["test"], data, "test")
    for fold in folds:
        faces = fold.found["test"]
        for name in fold.leave_out:
            kind = "method" if name in set(faces.methods.tolist()) else "source"
            named = (faces.methods == name) if kind == "method" else (faces.sources == name)
            for family in sorted(set(faces.families[named].tolist())):
                chosen = np.flatnonzero(named & (faces.families == family))
                judged = judge_samples(samples["test"], faces, sides, fold.temperature, fold.thresholds, info, fold.bank, chosen)
                states = np.array([one.verdict.state for one in judged])
                what = f"{name} ({family.replace('_', ' ')})" if kind == "source" and family != REAL else name
                rows.append((what, f"untouched {kind}" if family == REAL else kind, *_counts(states, family == REAL)))
                pooled["untouched" if family == REAL else "manipulated"].append(states)
    for what, all_states in pooled.items():
        if all_states:
            rows.append((f"all left out, {what}", "pooled", *_counts(np.concatenate(all_states), what == "untouched")))
    columns = ("left out", "kind", "faces", "manipulated", "none found", "inconclusive", "coverage", "wrong of definite", "low", "high")
    note = (
        "The whole verdict on test faces of what a fold's training never saw; several sources and methods are left out at a time "
        f"({len(folds)} folds), so every fold learns from less than the shipped detector. Shares; low–high: Wilson's 95 % interval of the "
        "wrong among definite answers."
    )
    return MeasuredTable("Verdicts on what training never saw", columns, tuple(rows), note)


def _counts(states: np.ndarray, untouched: bool) -> tuple:
    manipulated, none = states == "manipulated", states == "no_manipulation_found"
    wrong, definite = int((manipulated if untouched else none).sum()), int((manipulated | none).sum())
    shares = tuple(round(float(share.mean()), 3) for share in (manipulated, none, ~(manipulated | none), manipulated | none))
    if not definite:
        return len(states), *shares, None, None, None
    low, high = metrics.share_interval(wrong, definite)
    return len(states), *shares, *(round(value, 3) for value in (wrong / definite, low, high))


def novelty(fold: Fold, faces: SplitPredictions) -> dict[str, np.ndarray]:
    """Scores that should be higher for unknown methods than for known ones, N each.

    Maximum logit (Hendrycks et al. 2022, arXiv 1911.11132), energy (Liu et al. 2020, arXiv 2010.03759), distance to the k-th nearest
    reference (Sun et al. 2022, arXiv 2204.06507), maximum softmax probability (Hendrycks and Gimpel 2017, arXiv 1610.02136), and the mean
    of the ranks of energy and distance among the fold's validation faces.
    """
    distance = kth_distances(faces.embeddings, fold.bank.embeddings)
    energy = -negative_free_energy(faces.logits)
    val = fold.found["val"].take(~fold.unseen("val"))
    val_energy = np.sort(-negative_free_energy(val.logits))
    ranks = np.searchsorted(val_energy, energy) / len(val_energy) + np.searchsorted(fold.bank.validation_distances, distance) / len(
        fold.bank.validation_distances
    )
    return {
        "maximum logit": -faces.logits.max(1),
        "energy": energy,
        "k-NN distance": distance,
        "maximum probability": -metrics.softmax(faces.logits, fold.temperature).max(1),
        "energy and k-NN": ranks,
    }


def open_set_table(folds: Sequence[Fold], info: DetectorInfo) -> MeasuredTable:
    """AUROC of each novelty score between the manipulated faces of known methods and those of each held-out method."""
    rows: list[tuple] = []
    names: tuple[str, ...] = ()
    for fold in folds:
        faces, unseen = fold.found["test"], fold.unseen("test")
        scores = novelty(fold, faces)
        names = tuple(scores)
        known = ~unseen & (faces.families != REAL)
        methods = [name for name in info.labels if name in fold.leave_out or (name == "dfdc_swap" and "dfdc" in fold.leave_out)]
        for method in methods:
            held_out = faces.methods == method
            mine = known | held_out
            rows.append((method, int(held_out.sum()), *(round(metrics.auc(held_out[mine], score[mine]), 3) for score in scores.values())))
    means = [round(float(np.mean([row[place] for row in rows])), 3) for place in range(2, 2 + len(names))]
    rows.append(("mean", int(sum(row[1] for row in rows)), *means))
    note = (
        "AUROC, test faces: manipulated faces of methods in training (known) against those of a method held out (unknown); 0.5 is chance."
    )
    return MeasuredTable("Telling unknown methods from known ones", ("held out", "faces", *names), tuple(rows), note)


def matrix_table(trained: Sequence[tuple[str, tuple[str, ...], SplitPredictions, SplitPredictions]]) -> MeasuredTable:
    """Train × test: for each training (name, what it left out, what it says of test and of cross), the AUC of every source."""
    rows = []
    for name, names, test, cross in trained:
        score = {split: 1 - metrics.softmax(found.logits)[:, 0] for split, found in (("test", test), ("cross", cross))}
        base = ~np.isin(test.methods, FORGED)
        for split, faces in (("test", test), ("cross", cross)):
            unseen = left_out(faces.methods, faces.sources, names) if split == "test" else np.ones(len(faces.methods), bool)
            shown = np.array([method if method in FORGED else source for method, source in zip(faces.methods, faces.sources, strict=True)])
            for family, source in sorted(set(zip(faces.families.tolist(), shown.tolist(), strict=True))):
                mine = (shown == source) & (faces.families == family)
                against = base & ((test.families == REAL) != (family == REAL))
                p = np.concatenate([score[split][mine], score["test"][against]])
                truth = np.concatenate([faces.families[mine], test.families[against]]) != REAL
                groups = np.concatenate([faces.groups[mine], test.groups[against]])
                low, high = _auc_interval(truth, p, groups)
                label = source if split == "test" else f"{source} (cross)"
                flag = int(unseen[mine].mean() > 0.5) if split == "test" else 1
                rows.append((name, family, label, flag, int(mine.sum()), round(metrics.auc(truth, p), 3), round(low, 3), round(high, 3)))
    note = (
        "AUC of each source's test faces: a manipulated source against the untouched test faces, an untouched source against the "
        "manipulated ones. left out = 1: this training never saw the source or its method. 95 % bootstrap."
    )
    columns = ("trained", "family", "source", "left out", "faces", "AUC", "low", "high")
    return MeasuredTable("Trained × tested", columns, tuple(rows), note)


def _auc_interval(truth: np.ndarray, p: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    return interval(lambda chosen, _: metrics.auc(truth[chosen], p[chosen]), groups, 1, draws=200)
