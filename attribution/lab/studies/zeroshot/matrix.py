"""The zero-shot matrix: every detector of the study on the test faces of every source, and what augmentation gains and costs.

Every interval is the 95 % percentile interval of a bootstrap over groups (clips, persons, pictures; Efron and Tibshirani 1993, ch. 8). All
detectors and sources share the same resamples, drawn from the groups of all test faces at once, so that means over sources and differences
between detectors are taken inside of each resample: they are paired, and faces that several sources share are drawn for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.detectors.card import Cell, MeasuredTable
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.plan import BASE, SEED, SOURCES, Run
from attribution.lab.studies.zeroshot.shipped import TRAINED_BY
from attribution.lab.train.single_source import Said

DRAWS = 1000
SHIPPED = "shipped"
SEEN, ADDED_TO, UNSEEN = "trained on", "added", "never seen"
MEAN_ROW = "mean"

_SHIPPED_NOTE = (
    "Shipped: the app's own detectors (calibrated, without the mirror image), trained for hours on several sources at once, on the same "
    "faces; telltale-caddm was trained on swaps only, but started from the default's backbone, which had been trained on every source "
    "that the default was trained on."
)


@dataclass(frozen=True)
class _Asked:
    """A detector that was asked about all faces: its cells (detector, variant, trained on, added), the sources that it saw by relation,
    and N scores, from 0 on "manipulated"."""

    cells: tuple[str, str, str, str]
    relations: Mapping[str, str]
    scores: np.ndarray

    def places(self, relation: str) -> list[int]:
        """Indices into SOURCES."""
        return [place for place, source in enumerate(SOURCES) if self.relations.get(source, UNSEEN) == relation]


def matrix_tables(runs_said: Mapping[Run, Said], shipped: Mapping[str, np.ndarray], faces: Faces) -> dict[str, MeasuredTable]:
    """The tables "matrix", "summary" and "cost". `shipped`: name → N p(manipulated).

    A source without untouched or without manipulated test faces has cells of None, and no part in any mean. ValueError for scores that do
    not fit the faces or are not finite, an augmentation without its base, and an embedded detector that TRAINED_BY does not know.
    """
    asked = [_of_run(run, said) for run, said in runs_said.items()] + [_of_shipped(name, p) for name, p in shipped.items()]
    for one in asked:
        if one.scores.shape != (len(faces),) or not np.isfinite(one.scores).all():
            raise ValueError(f"{' '.join(one.cells).strip()}: there must be one finite score for each of {len(faces)} faces")
    areas, accuracies = _measured(np.stack([one.scores for one in asked]), faces)
    places = {run: place for place, run in enumerate(runs_said)}
    return {
        "matrix": _matrix(asked, areas, accuracies, faces),
        "summary": _summary(asked, areas),
        "cost": _cost(places, asked, areas),
    }


def _of_run(run: Run, said: Said) -> _Asked:
    relations = {run.trained_on: SEEN} if run.variant == BASE else {run.added: ADDED_TO, run.trained_on: SEEN}
    return _Asked((run.detector.name, run.variant, run.trained_on, run.added), relations, np.asarray(said.logits, np.float64))


def _of_shipped(name: str, p: np.ndarray) -> _Asked:
    if name not in TRAINED_BY:
        raise ValueError(f"it is not known what {name} was trained on")
    return _Asked((name, SHIPPED, "", ""), dict.fromkeys(TRAINED_BY[name], SEEN), np.asarray(p, np.float64) - 0.5)


def resampled(groups: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """How often each of n faces is in each resample of their groups with replacement: (1 + draws)×n float32; row 0: once each."""
    names, place = np.unique(groups, return_inverse=True)
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    return np.concatenate([np.ones((1, len(groups))), counts[:, place]]).astype(np.float32)


def weighted_figures(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC and balanced accuracy (score ≥ 0: positive) of R detectors on n faces, each R×D, for D weightings of the faces: R×n `scores`,
    n boolean `positive`, D×n whole `weights`. NaN where a class has no weight.

    A face that a resample holds w times counts w times: the AUC is then the weighted share of pairs of a positive and a negative face in
    which the positive one scores higher, equal scores counting half (Mann and Whitney), exactly that of the resampled faces.
    """
    hits, others = weights[:, positive], weights[:, ~positive]
    sums = hits.sum(1, dtype=np.float64), others.sum(1, dtype=np.float64)
    above, below = scores[:, positive], scores[:, ~positive]
    areas = np.empty((len(scores), len(weights)))
    with np.errstate(invalid="ignore"):
        for place, (high, low) in enumerate(zip(above[:, :, None], below[:, None], strict=True)):
            # Whole and half numbers below 2²³: exact in single precision.
            pairs = (high > low).astype(np.float32) + np.float32(0.5) * (high == low)
            areas[place] = np.einsum("dn,dn->d", hits @ pairs, others, dtype=np.float64) / (sums[0] * sums[1])
        right = (above >= 0) @ hits.T.astype(np.float64) / sums[0], (below < 0) @ others.T.astype(np.float64) / sums[1]
    return areas, (right[0] + right[1]) / 2


def _measured(scores: np.ndarray, faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and balanced accuracies, R×SOURCES×(1 + DRAWS), the faces themselves first."""
    tested = np.flatnonzero(faces.split == "test")
    weights = resampled(faces.groups[tested])
    found = []
    for source in SOURCES:
        chosen = faces.of(source)
        found.append(weighted_figures(scores[:, chosen], faces.manipulated[chosen], weights[:, np.searchsorted(tested, chosen)]))
    return np.stack([areas for areas, _ in found], 1), np.stack([accuracies for _, accuracies in found], 1)


def _cells(values: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """The figure (first of `values`) and its interval over the rest. A resample without one of the classes does not count."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(drawn):
        return None, None, None
    low, high = np.percentile(drawn, (2.5, 97.5))
    # No negative zeros.
    return round(float(values[0]), 3) + 0.0, round(float(low), 3) + 0.0, round(float(high), 3) + 0.0


def _mean(curves: np.ndarray) -> np.ndarray:
    """The mean of M×(1 + DRAWS) over those that could be measured; NaN without any."""
    there = curves[np.isfinite(curves[:, 0])]
    return there.mean(0) if len(there) else np.full(curves.shape[1], np.nan)


def _matrix(asked: Sequence[_Asked], areas: np.ndarray, accuracies: np.ndarray, faces: Faces) -> MeasuredTable:
    rows: list[tuple[Cell, ...]] = []
    for place, one in enumerate(asked):
        for column, source in enumerate(SOURCES):
            figures = (*_cells(areas[place, column]), *_cells(accuracies[place, column]))
            rows.append((*one.cells, source, one.relations.get(source, UNSEEN), len(faces.of(source)), *figures))
    columns = (
        "detector", "variant", "trained on", "added", "tested on", "relation", "faces", "AUC", "low", "high",
        "balanced accuracy", "low", "high",
    )  # fmt: skip
    note = (
        "Untouched against manipulated test faces of one source, single faces. AUC 0.5: a coin. Balanced accuracy: with the answer "
        f"“manipulated” from p = 0.5 on. Low–high: 95 % bootstrap over clips, persons or pictures ({DRAWS:,} resamples), for one "
        f"training each: the luck of a training is not in it. {_SHIPPED_NOTE}"
    )
    return MeasuredTable("Zero-shot matrix", columns, tuple(rows), note)


def _summary(asked: Sequence[_Asked], areas: np.ndarray) -> MeasuredTable:
    rows: list[tuple[Cell, ...]] = []
    for detector, variant in dict.fromkeys(one.cells[:2] for one in asked):
        mine = [place for place, one in enumerate(asked) if one.cells[:2] == (detector, variant)]
        seen = np.stack([_mean(areas[place, asked[place].places(SEEN)]) for place in mine])
        unseen = np.stack([_mean(areas[place, asked[place].places(UNSEEN)]) for place in mine])
        for figure, values in (("AUC trained on", seen), ("AUC never seen", unseen), ("drop", seen - unseen)):
            rows.append((detector, variant, figure, *_cells(_mean(values))))
    trainings = len({one.cells[2] for one in asked if one.cells[1] == BASE})
    note = (
        f"Means over {trainings} trainings, one on each source. “Trained on”: the first source (not the added one). “Never seen”: the "
        "mean over the sources that the training did not see, one fewer after an augmentation, so variants are compared in “What "
        "augmentation costs” and not here. Drop: the first less the second. Low–high: 95 % bootstrap over the faces of all sources at "
        f"once. {_SHIPPED_NOTE}"
    )
    return MeasuredTable("Seen against never seen", ("detector", "variant", "figure", "value", "low", "high"), tuple(rows), note)


def _cost(places: Mapping[Run, int], asked: Sequence[_Asked], areas: np.ndarray) -> MeasuredTable:
    rows: list[tuple[Cell, ...]] = []
    by_kind: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for run, place in places.items():
        if run.variant == BASE:
            continue
        if run.base not in places:
            raise ValueError(f"{run.name} cannot be compared: its base is not there")
        gained = areas[place] - areas[places[run.base]]
        for on, relation in (("old", SEEN), ("new", ADDED_TO), ("never seen", UNSEEN)):
            values = _mean(gained[asked[place].places(relation)])
            by_kind.setdefault((run.detector.name, run.variant, on), []).append(values)
            rows.append((*asked[place].cells, on, *_cells(values)))
    for (detector, variant, on), values in by_kind.items():
        rows.append((detector, variant, MEAN_ROW, "", on, *_cells(_mean(np.stack(values)))))
    columns = ("detector", "variant", "trained on", "added", "on", "difference", "low", "high")
    note = (
        "AUC after the augmentation less that of the same detector before it, on the same faces: on the source that it was first trained "
        "on (old), on the added one (new), and the mean over the sources that neither training saw. Below 0: it got worse. Low–high: 95 "
        "% paired bootstrap; an interval that holds 0 shows no difference. An augmentation is also a longer training."
    )
    return MeasuredTable("What augmentation costs", columns, tuple(rows), note)
