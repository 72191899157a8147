"""What the study's detectors answer, as tables: its three questions (arXiv 2505.21520, §1), and manipulations that training never saw. An
attribution detector's score is p(manipulated) = 1 − p(untouched). Intervals: 95 %, bootstrap over groups (clips) and training seeds. Every
fold's calibration, thresholds and references come from the faces that it did see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attribution.detectors.card import MeasuredTable, Thresholds
from attribution.evidence import DetectorInfo
from attribution.explain.reference import ReferenceBank, kth_distances
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.pools import FORGED, Samples, left_out
from attribution.lab.measure.calibration import calibrate, choose_thresholds
from attribution.lab.measure.evaluate import judge_samples
from attribution.lab.measure.predictions import SplitPredictions
from attribution.lab.studies.attribution.plan import COMPARED_WITHOUT, MAIN_SEEDS, Run
from attribution.lab.tables import Row, table
from attribution.lab.train.methods import LABELS
from attribution.verdict import negative_free_energy

DRAWS, MATRIX_DRAWS = 300, 200
ROWS = ("test, seen", "test, left out", "cross", "DFDC")
Key = tuple[str, str, str]
BySplit = Mapping[str, SplitPredictions]


def p_manipulated(found: SplitPredictions) -> np.ndarray:
    """1 − p(untouched), N; the untouched class stands first in both heads."""
    return 1 - metrics.softmax(found.logits)[:, 0]


def unseen(faces: SplitPredictions, names: Sequence[str]) -> np.ndarray:
    """Which faces a training that left out `names` saw nothing like, N boolean: theirs, and those of methods that are no class of it."""
    return left_out(faces.methods, faces.sources, names) | ~np.isin(faces.methods, LABELS)


def rows_of(test: SplitPredictions, cross: SplitPredictions) -> dict[str, SplitPredictions]:
    """The sets of faces of the comparison, without the lab's own forgeries."""
    own, new = ~np.isin(test.methods, FORGED), unseen(test, COMPARED_WITHOUT)
    chosen = (test.take(own & ~new), test.take(own & new), cross.own(), test.take(own & (test.sources == "dfdc")))
    return dict(zip(ROWS, chosen, strict=True))


class Compared:
    """What every detector says: `scores[key][row]` is seeds × faces of p(manipulated), key = (backbone, head, loss)."""

    def __init__(self, runs: Sequence[Run], test: BySplit, cross: BySplit) -> None:
        self.seeds: dict[Key, list[int]] = {}
        self.faces: dict[str, SplitPredictions] = {}
        by_seed: dict[Key, dict[str, list[np.ndarray]]] = {}
        for run in runs:
            key = (run.backbone, run.head, run.loss)
            self.seeds.setdefault(key, []).append(run.seed)
            self.faces = rows_of(test[run.name], cross[run.name])
            for row, found in self.faces.items():
                by_seed.setdefault(key, {}).setdefault(row, []).append(p_manipulated(found))
        self.scores = {key: {row: np.stack(found) for row, found in rows.items()} for key, rows in by_seed.items()}

    def figure(self, row: str, figure: Callable[..., float], *scores: np.ndarray) -> tuple[float, float, float]:
        """The mean over seeds of `figure(manipulated, scores…)`, each scores seeds × faces of this row, with its interval."""
        truth, seeds = self.faces[row].families != REAL, len(scores[0])

        def of(chosen: np.ndarray, seeds: np.ndarray) -> float:
            return float(np.mean([figure(truth[chosen], *(own[seed][chosen] for own in scores)) for seed in seeds]))

        low, high = metrics.bootstrap(of, self.faces[row].groups, draws=DRAWS, also=seeds)
        return of(np.arange(len(truth)), np.arange(seeds)), low, high

    def pairs(self, key: Key, row: str, within: bool) -> Row:
        """How many pairs of sources there are, the mean of their AUCs over pairs and seeds, and its interval."""
        faces, scores = self.faces[row], self.scores[key][row]
        truth = faces.families != REAL
        pairs = metrics.source_pairs(truth, faces.sources, within)

        def of(chosen: np.ndarray, seeds: np.ndarray) -> float:
            areas = [metrics.pair_aucs(truth[chosen], scores[seed][chosen], faces.sources[chosen], pairs) for seed in seeds]
            return float(np.mean(areas))

        if not pairs:
            return 0, *metrics.NOT_MEASURED
        bounds = metrics.bootstrap(of, faces.groups, draws=DRAWS, also=len(scores))
        return len(pairs), *metrics.cells(of(np.arange(len(truth)), np.arange(len(scores))), *bounds)

    def difference(self, key: Key, other: Key, row: str) -> tuple[float, float, float]:
        """AUC of `key` − AUC of `other`, paired by face and by common seeds, with its interval."""
        both = sorted(set(self.seeds[key]) & set(self.seeds[other]))
        scores = (self.scores[one][row][[self.seeds[one].index(seed) for seed in both]] for one in (key, other))
        return self.figure(row, lambda truth, mine, theirs: metrics.auc(truth, mine) - metrics.auc(truth, theirs), *scores)


def halves(truth: np.ndarray, score: np.ndarray) -> float:
    """Balanced accuracy of the answer "manipulated from p ≥ 0.5 on"; ValueError when a class is missing."""
    if len(np.unique(truth)) < 2:
        raise ValueError("balanced accuracy needs both classes")
    return float(((score >= 0.5)[truth].mean() + (score < 0.5)[~truth].mean()) / 2)


def main_table(compared: Compared, question: str, keys: Sequence[Key]) -> MeasuredTable:
    """AUC, equal error rate and balanced accuracy of each detector on each set of faces."""
    rows: list[Row] = []
    for key in keys:
        for row in ROWS:
            truth, scores = compared.faces[row].families != REAL, compared.scores[key][row]
            error = float(np.mean([metrics.equal_error_rate(truth, one) for one in scores]))
            values = (*compared.figure(row, metrics.auc, scores), error, *compared.figure(row, halves, scores))
            rows.append((question, *key, len(compared.seeds[key]), row, *metrics.cells(*values)))
    return table("study_question", rows, question=question)


def cross_table(compared: Compared) -> MeasuredTable:
    """The Cross-AUC of each detector on each set of faces, beside the AUC within sources; None where a set has no such pairs."""
    sets = [(key, row) for key in compared.scores for row in ROWS]
    rows: list[Row] = [(*key, row, *(cell for within in (True, False) for cell in compared.pairs(key, row, within))) for key, row in sets]
    return table("study_cross_auc", rows)


def recall_table(runs: Sequence[Run], test: BySplit, cross: BySplit) -> MeasuredTable:
    """RQ2: how often a method that training saw is named, in sources that it saw and in sources that it did not."""
    chosen = [run for run in runs if run.backbone == "mobilenetv2" and run.head == "methods" and run.loss == "supcon"]
    rows: list[Any] = []
    for split, found in (("test", test), ("cross", cross)):
        faces = found[chosen[0].name]
        apart = unseen(faces, COMPARED_WITHOUT) if split == "test" else np.ones(len(faces.methods), bool)
        answers = np.stack([np.array(LABELS)[found[run.name].logits.argmax(1)] for run in chosen])
        # The lab's forgeries are one source per kind of picture under them, seen or not.
        shown = np.array(["forged in the lab" if " on " in source else source for source in faces.sources])
        for method, source, new in sorted(set(zip(faces.methods.tolist(), shown.tolist(), apart.tolist(), strict=True))):
            if method not in LABELS[1:] or method in COMPARED_WITHOUT:
                continue
            mine = (faces.methods == method) & (shown == source) & (apart == new)
            right = answers[:, mine] == method
            bounds = metrics.bootstrap(
                lambda drawn, seeds, right=right: float(right[seeds][:, drawn].mean()), faces.groups[mine], draws=DRAWS, also=len(right)
            )
            name = source if split == "test" else f"{source} (cross)"
            rows.append((method, name, int(not new), int(mine.sum()), *metrics.cells(right.mean(), *bounds)))
    rows.sort(key=lambda row: (LABELS.index(row[0]), -row[2], row[1]))
    return table("study_recall", rows, seeds=len(chosen))


def answers_to(runs: Sequence[Run], test: BySplit, cross: BySplit) -> dict[str, MeasuredTable]:
    """The tables of RQ1, RQ2, RQ3 and their differences; `test` and `cross` by the names of the runs."""
    compared = Compared(runs, test, cross)
    binary, plain, supcon = (("mobilenetv2", *rest) for rest in (("binary", "none"), ("methods", "none"), ("methods", "supcon")))
    others = [key for key in compared.scores if key[0] == "mobilenetv2" and key[2] in ("triplet", "ntxent")]
    larger = [key for key in compared.scores if key[0] != "mobilenetv2"]
    pairs = [
        (f"binary − attribution ({len(MAIN_SEEDS)} seeds)", binary, plain),
        (f"supervised contrastive − cross-entropy alone ({len(MAIN_SEEDS)} seeds)", supcon, plain),
        *((f"{key[2]} − cross-entropy alone (1 seed)", key, plain) for key in others),
        *((f"{key[0]} − mobilenetv2, {key[1]}, {key[2]} (1 seed)", key, ("mobilenetv2", *key[1:])) for key in larger),
    ]
    gaps = [(name, row, "AUC", *metrics.cells(*compared.difference(key, other, row))) for name, key, other in pairs for row in ROWS]
    return {
        "rq1": main_table(compared, "RQ1", [binary, plain, *(key for key in larger if key[2] == "none")]),
        "rq2": recall_table(runs, test, cross),
        "rq3": main_table(compared, "RQ3", [plain, supcon, *others, *(key for key in larger if key[1] == "methods")]),
        "differences": table("study_differences", gaps),
        "cross_auc": cross_table(compared),
    }


@dataclass(frozen=True)
class Fold:
    """One fold, ready to judge: what it says of each split, its temperature, thresholds and references."""

    name: str
    leave_out: tuple[str, ...]
    found: BySplit
    temperature: float
    thresholds: Thresholds
    bank: ReferenceBank

    def unseen(self, split: str) -> np.ndarray:
        """Which faces of a split training saw nothing like, N boolean."""
        return unseen(self.found[split], self.leave_out)


def set_up(run: Run, found: BySplit, info: DetectorInfo) -> Fold:
    """Calibrate a fold on the validation faces of what it did see."""
    mask = ~unseen(found["val"], run.leave_out)
    fitted = calibrate(found["val"].take(mask), info.labels)
    found = {split: fitted.shifted(one) for split, one in found.items()}
    seen, references = found["val"].take(mask), found["train"]
    bank = ReferenceBank(
        references.embeddings, np.zeros((len(references.methods), 2), np.float32), tuple(references.methods.tolist()),
        tuple(references.sources.tolist()), np.sort(kth_distances(seen.embeddings, references.embeddings)),
    )  # fmt: skip
    return Fold(run.name, run.leave_out, found, fitted.temperature, choose_thresholds(seen, info, fitted.temperature), bank)


def leave_out_table(folds: Sequence[Fold], test: Samples, sides: np.ndarray, info: DetectorInfo) -> MeasuredTable:
    """Per left-out source or method: what the whole verdict says of its `test` faces, whose crops have these `sides` (px)."""
    rows: list[Row] = []
    pooled: dict[str, list[np.ndarray]] = {"untouched": [], "manipulated": []}
    for fold in folds:
        faces = fold.found["test"]
        for name in fold.leave_out:
            kind = "method" if name in faces.methods else "source"
            named = (faces.methods if kind == "method" else faces.sources) == name
            for family in sorted(set(faces.families[named].tolist())):
                chosen = np.flatnonzero(named & (faces.families == family))
                judged = judge_samples(test, faces, sides, fold.temperature, fold.thresholds, info, fold.bank, chosen)
                states = np.array([one.verdict.state for one in judged])
                what = f"{name} ({family.replace('_', ' ')})" if kind == "source" and family != REAL else name
                rows.append((what, f"untouched {kind}" if family == REAL else kind, *_counts(states, family == REAL)))
                pooled["untouched" if family == REAL else "manipulated"].append(states)
    both = [(what, np.concatenate(states)) for what, states in pooled.items() if states]
    rows += [(f"all left out, {what}", "pooled", *_counts(states, what == "untouched")) for what, states in both]
    return table("study_leave_out", rows, folds=len(folds))


def _counts(states: np.ndarray, untouched: bool) -> Row:
    manipulated, none = states == "manipulated", states == "no_manipulation_found"
    definite, wrong = manipulated | none, manipulated if untouched else none
    shares = metrics.cells(manipulated.mean(), none.mean(), (~definite).mean(), definite.mean())
    return len(states), *shares, *metrics.share(wrong[definite])


def novelty(fold: Fold, faces: SplitPredictions) -> dict[str, np.ndarray]:
    """Scores that should be higher for unknown methods, N each: maximum logit (arXiv 1911.11132), energy (2010.03759), distance to the
    k-th nearest reference (2204.06507), maximum probability (1610.02136), and the mean rank of energy and distance among the fold's
    validation faces."""
    distance, distances = kth_distances(faces.embeddings, fold.bank.embeddings), fold.bank.validation_distances
    energy, energies = (-negative_free_energy(logits) for logits in (faces.logits, fold.found["val"].logits[~fold.unseen("val")]))
    return {
        "maximum logit": -faces.logits.max(1),
        "energy": energy,
        "k-NN distance": distance,
        "maximum probability": -metrics.softmax(faces.logits, fold.temperature).max(1),
        "energy and k-NN": np.searchsorted(np.sort(energies), energy) / len(energies)
        + np.searchsorted(distances, distance) / len(distances),
    }


def open_set_table(folds: Sequence[Fold], info: DetectorInfo) -> MeasuredTable:
    """AUROC of each novelty score between the manipulated faces of known methods and those of each held-out method."""
    rows: list[tuple] = []
    names: tuple[str, ...] = ()
    for fold in folds:
        faces = fold.found["test"]
        names = tuple(scores := novelty(fold, faces))
        known = ~fold.unseen("test") & (faces.families != REAL)
        methods = [name for name in info.labels if name in fold.leave_out or (name == "dfdc_swap" and "dfdc" in fold.leave_out)]
        for method in methods:
            mine = known | (held_out := faces.methods == method)
            areas = metrics.cells(*(metrics.auc(held_out[mine], score[mine]) for score in scores.values()))
            rows.append((method, int(held_out.sum()), *areas))
    _, faces_of, *columns = zip(*rows, strict=True)
    rows.append(("mean", int(sum(faces_of)), *metrics.cells(*(float(np.mean(one)) for one in columns))))
    return table("study_open_set", rows, names)


def matrix_table(trained: Sequence[tuple[str, tuple[str, ...], SplitPredictions, SplitPredictions]]) -> MeasuredTable:
    """Train × test: for each training (name, left out, answers on test and cross), the AUC of every source."""
    rows: list[Row] = []
    for name, names, test, cross in trained:
        base, of_test = np.isin(test.methods, LABELS) & ~np.isin(test.methods, FORGED), p_manipulated(test)
        for split, faces in (("test", test), ("cross", cross)):
            apart = unseen(faces, names) if split == "test" else np.ones(len(faces.methods), bool)
            shown, score = np.where(np.isin(faces.methods, FORGED), faces.methods, faces.sources), p_manipulated(faces)
            for family, source in sorted(set(zip(faces.families.tolist(), shown.tolist(), strict=True))):
                mine = (shown == source) & (faces.families == family)
                against = base & ((test.families == REAL) != (family == REAL))
                p = np.concatenate([score[mine], of_test[against]])
                truth = np.concatenate([faces.families[mine], test.families[against]]) != REAL
                groups = np.concatenate([faces.groups[mine], test.groups[against]])
                bounds = metrics.bootstrap(lambda drawn, truth=truth, p=p: metrics.auc(truth[drawn], p[drawn]), groups, draws=MATRIX_DRAWS)
                label, is_new = source if split == "test" else f"{source} (cross)", int(apart[mine].mean() > 0.5)
                rows.append((name, family, label, is_new, int(mine.sum()), *metrics.cells(metrics.auc(truth, p), *bounds)))
    return table("study_matrix", rows)
