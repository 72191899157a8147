"""The study's three questions, answered from what the trained detectors said.

RQ1: does a binary or an attribution detector generalise better? RQ2: is a method that training saw still named in a source that it did
not see? RQ3: do contrastive losses help? (arXiv 2505.21520, §1.) An attribution detector's score is p(manipulated) = 1 − p(untouched),
so that both heads answer the same question. Intervals: 95 %, bootstrap over groups (all frames of one clip are one group) and, where
there are several, over training seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.lab.data import REAL
from attribution.lab.measure import metrics
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.pools import FORGED, left_out
from attribution.lab.studies.attribution.plan import COMPARED_WITHOUT, MAIN_SEEDS, Run
from attribution.lab.train.methods import LABELS

DRAWS = 300
ROWS = ("test, seen", "test, left out", "cross", "DFDC")
Key = tuple[str, str, str]


def p_manipulated(found: SplitPredictions) -> np.ndarray:
    """1 − p(untouched), N; the untouched class stands first in both heads."""
    return 1 - metrics.softmax(found.logits)[:, 0]


def rows_of(test: SplitPredictions, cross: SplitPredictions) -> dict[str, SplitPredictions]:
    """The sets of faces that the comparison is measured on, without the lab's own forgeries."""
    own, unseen = ~np.isin(test.methods, FORGED), left_out(test.methods, test.sources, COMPARED_WITHOUT)
    return {
        "test, seen": test.take(own & ~unseen),
        "test, left out": test.take(own & unseen),
        "cross": cross.own(),
        "DFDC": test.take(own & (test.sources == "dfdc")),
    }


def resample(groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Indices of a bootstrap resample of whole groups."""
    _, place = np.unique(groups, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(place.max() + 2))
    drawn = random.integers(0, place.max() + 1, place.max() + 1)
    return np.concatenate([order[starts[group] : starts[group + 1]] for group in drawn])


def interval(figure: Callable[[np.ndarray, np.ndarray], float], groups: np.ndarray, seeds: int, draws: int = DRAWS) -> tuple[float, float]:
    """95 % interval of `figure(face indices, seed indices)` over resamples of groups and seeds."""
    random = np.random.default_rng(0)
    values = []
    for _ in range(draws):
        try:
            values.append(figure(resample(groups, random), random.integers(0, seeds, seeds)))
        except ValueError:  # a resample with one class only
            continue
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


class Compared:
    """What every detector of the comparison says: `scores[key][row]` is seeds × faces of p(manipulated), key = (backbone, head, loss)."""

    def __init__(self, runs: Sequence[Run], test: Mapping[str, SplitPredictions], cross: Mapping[str, SplitPredictions]) -> None:
        self.scores: dict[Key, dict[str, np.ndarray]] = {}
        self.seeds: dict[Key, list[int]] = {}
        self.faces: dict[str, SplitPredictions] = {}
        for run in runs:
            key = (run.backbone, run.head, run.loss)
            self.seeds.setdefault(key, []).append(run.seed)
            for row, found in rows_of(test[run.name], cross[run.name]).items():
                self.faces[row] = found
                more = p_manipulated(found)[None]
                mine = self.scores.setdefault(key, {})
                mine[row] = np.concatenate([mine[row], more]) if row in mine else more

    def figure(self, key: Key, row: str, figure: Callable[[np.ndarray, np.ndarray], float]) -> tuple[float, float, float]:
        """The mean over seeds of `figure(manipulated, score)`, with its interval."""
        scores, faces = self.scores[key][row], self.faces[row]
        truth = faces.families != REAL

        def of(chosen: np.ndarray, seeds: np.ndarray) -> float:
            return float(np.mean([figure(truth[chosen], scores[seed][chosen]) for seed in seeds]))

        value = of(np.arange(len(truth)), np.arange(len(scores)))
        return value, *interval(of, faces.groups, len(scores))

    def difference(self, key: Key, other: Key, row: str) -> tuple[float, float, float]:
        """AUC of `key` − AUC of `other`, paired by face and by the seeds that both have, with its interval."""
        both = sorted(set(self.seeds[key]) & set(self.seeds[other]))
        mine = self.scores[key][row][[self.seeds[key].index(seed) for seed in both]]
        theirs = self.scores[other][row][[self.seeds[other].index(seed) for seed in both]]
        faces = self.faces[row]
        truth = faces.families != REAL

        def of(chosen: np.ndarray, seeds: np.ndarray) -> float:
            pairs = ((mine[seed][chosen], theirs[seed][chosen]) for seed in seeds)
            return float(np.mean([metrics.auc(truth[chosen], one) - metrics.auc(truth[chosen], two) for one, two in pairs]))

        value = of(np.arange(len(truth)), np.arange(len(both)))
        return value, *interval(of, faces.groups, len(both))


def halves(truth: np.ndarray, score: np.ndarray) -> float:
    """Balanced accuracy of the answer "manipulated from p ≥ 0.5 on"; ValueError when a class is missing."""
    if len(np.unique(truth)) < 2:
        raise ValueError("balanced accuracy needs both classes")
    return float(((score >= 0.5)[truth].mean() + (score < 0.5)[~truth].mean()) / 2)


def main_table(compared: Compared, question: str, keys: Sequence[Key]) -> MeasuredTable:
    """AUC, equal error rate and balanced accuracy of each detector on each set of faces."""
    rows = []
    for key in keys:
        for row in ROWS:
            auc = compared.figure(key, row, metrics.auc)
            error = float(
                np.mean([metrics.equal_error_rate(compared.faces[row].families != REAL, one) for one in compared.scores[key][row]])
            )
            accuracy = compared.figure(key, row, halves)
            values = (*auc, error, *accuracy)
            rows.append((question, *key, len(compared.seeds[key]), row, *(round(value, 3) for value in values)))
    columns = (
        "question", "backbone", "head", "loss", "seeds", "rows", "AUC", "low", "high", "EER", "balanced accuracy", "low", "high",
    )  # fmt: skip
    note = (
        "Untouched against manipulated. “left out”: test faces of sources and a method that no training of the comparison saw; cross: "
        "collections by other people, seen by none. Mean over training seeds; low–high: 95 % bootstrap over clips and seeds."
    )
    return MeasuredTable(question, columns, tuple(rows), note)


def difference_table(compared: Compared, pairs: Sequence[tuple[str, Key, Key]]) -> MeasuredTable:
    """Paired differences of AUC."""
    rows = []
    for name, key, other in pairs:
        for row in ROWS:
            rows.append((name, row, "AUC", *(round(value, 3) for value in compared.difference(key, other, row))))
    note = (
        "Positive: the first is better. 95 % bootstrap over clips and seeds, paired by face; an interval that holds 0 shows no difference."
    )
    return MeasuredTable("Differences", ("compared", "rows", "figure", "difference", "low", "high"), tuple(rows), note)


def recall_table(runs: Sequence[Run], test: Mapping[str, SplitPredictions], cross: Mapping[str, SplitPredictions]) -> MeasuredTable:
    """RQ2: how often a method that training saw is named, in sources that it saw and in sources that it did not."""
    chosen = [run for run in runs if run.backbone == "mobilenetv2" and run.head == "methods" and run.loss == "supcon"]
    rows: list[tuple[str, str, int, int, float, float, float]] = []
    for split, found in (("test", test), ("cross", cross)):
        faces = found[chosen[0].name]
        unseen = left_out(faces.methods, faces.sources, COMPARED_WITHOUT) if split == "test" else np.ones(len(faces.methods), bool)
        answers = np.stack([np.array(LABELS)[found[run.name].logits.argmax(1)] for run in chosen])
        shown = np.array([_shown(source) for source in faces.sources])
        kinds = set(zip(faces.methods.tolist(), shown.tolist(), unseen.tolist(), strict=True))
        for method, source, new in sorted(kinds):
            if method == REAL or method in COMPARED_WITHOUT:
                continue
            mine = (faces.methods == method) & (shown == source) & (unseen == new)
            name = source if split == "test" else f"{source} (cross)"
            rows.append((method, name, int(not new), int(mine.sum()), *_recall(answers[:, mine] == method, faces.groups[mine])))
    rows.sort(key=lambda row: (LABELS.index(row[0]), -row[2], row[1]))
    columns = ("method", "source", "seen", "faces", "recall", "low", "high")
    note = (
        f"Share of a method's faces that are given exactly this method; attribution detectors with the contrastive loss supcon, mean over "
        f"{len(chosen)} training seeds. seen = 1: the source was in training (other pictures of it); 0: it was not."
    )
    return MeasuredTable("RQ2: a seen method in an unseen source", columns, tuple(rows), note)


def _recall(right: np.ndarray, groups: np.ndarray) -> tuple[float, float, float]:
    """The mean of seeds × faces booleans, with its interval."""
    low, high = interval(lambda chosen, seeds: float(right[seeds][:, chosen].mean()), groups, len(right))
    return round(float(right.mean()), 3), round(low, 3), round(high, 3)


def _shown(source: str) -> str:
    """The lab's forgeries are one source per kind of picture under them, seen or not."""
    return "forged in the lab" if " on " in source else source


def answers_to(
    runs: Sequence[Run], test: Mapping[str, SplitPredictions], cross: Mapping[str, SplitPredictions]
) -> dict[str, MeasuredTable]:
    """The tables of RQ1, RQ2, RQ3 and their differences."""
    compared = Compared(runs, test, cross)
    binary, plain, supcon = (("mobilenetv2", *rest) for rest in (("binary", "none"), ("methods", "none"), ("methods", "supcon")))
    others = [key for key in compared.scores if key[0] == "mobilenetv2" and key[2] in ("triplet", "ntxent")]
    larger = [key for key in compared.scores if key[0] != "mobilenetv2"]
    pairs = [
        (f"binary − attribution ({len(MAIN_SEEDS)} seeds)", binary, plain),
        (f"supervised contrastive − cross-entropy alone ({len(MAIN_SEEDS)} seeds)", supcon, plain),
        *((f"{key[2]} − cross-entropy alone (1 seed)", key, plain) for key in others),
    ]
    for key in larger:
        pairs.append((f"{key[0]} − mobilenetv2, {key[1]}, {key[2]} (1 seed)", key, ("mobilenetv2", *key[1:])))
    return {
        "rq1": main_table(compared, "RQ1", [binary, plain, *(key for key in larger if key[2] == "none")]),
        "rq2": recall_table(runs, test, cross),
        "rq3": main_table(compared, "RQ3", [plain, supcon, *others, *(key for key in larger if key[1] == "methods")]),
        "differences": difference_table(compared, pairs),
    }
