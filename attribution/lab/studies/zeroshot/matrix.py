"""The zero-shot matrix: every detector of the study on the test faces of every source, and what augmentation gains and costs. All detectors
and sources share the same resamples, drawn from the groups (clips, persons, pictures) of all test faces at once, so that means over sources
and differences between detectors are paired (95 % percentile intervals; Efron and Tibshirani 1993, ch. 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load
from attribution.detectors.predictor import Predictor
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.studies.runner import digest, estimate, once
from attribution.lab.studies.zeroshot.faces import UNTOUCHED_OF, Faces
from attribution.lab.studies.zeroshot.plan import BASE, SEED, SOURCES, Run
from attribution.lab.studies.zeroshot.training import Said
from attribution.lab.tables import Row, table

DRAWS = 1000
BESIDE = tuple((UNTOUCHED_OF[source], source) for source in SOURCES)
"""Each source with the untouched faces that stand beside its manipulated ones."""
SHIPPED, SEEN, ADDED_TO, UNSEEN, MEAN = "shipped", "trained on", "added", "never seen", "mean"
# Which of SOURCES the training of each embedded detector held, as its card's training data says (a test compares them).
TRAINED_BY: Mapping[str, tuple[str, ...]] = {
    # One of its backbones is that of the first default detector.
    "telltale-attribution": ("dfdc_swap", "autoencoder_swap", "stylegan2", "generated_photos", "sd21", "sdxl", "flux1"),
    "telltale-mobilenetv2": ("dfdc_swap", "autoencoder_swap", "stylegan2", "generated_photos", "sd21", "sdxl", "flux1"),
    # Its backbone started from that of the first default detector, which had been trained on all of that one's sources.
    "telltale-swap": ("dfdc_swap", "autoencoder_swap"),
    "telltale-dna-det": ("stylegan2", "generated_photos", "sdxl", "flux1"),
}


def read_shipped(names: Sequence[str], faces: Faces, runs: Path, device: str = "cpu") -> dict[str, np.ndarray]:
    """p(manipulated) of each embedded detector on all N faces, N float32, after the card's calibration, not mirrored; kept in
    `runs/shipped/NAME.npz`. DetectorError where a detector is not there, ValueError for crops that are not of its side."""
    of_faces, found = digest(faces.crops), {}
    for name in names:
        detector = load(name)

        def read(detector=detector) -> dict[str, np.ndarray]:
            untouched = [family == REAL for family in detector.info.families]
            p = 1 - Predictor(detector, device).read(faces.crops).p_methods[:, untouched].sum(1)
            return {"p": np.clip(p, 0, 1).astype(np.float32)}

        made_of = (detector.weights_sha256, str(detector.card.calibration.temperature), of_faces)
        found[name] = once(runs / "shipped" / f"{name}.npz", made_of, read)["p"]
    return found


def resampled(groups: np.ndarray, draws: int = DRAWS, by_group: bool = False) -> np.ndarray:
    """How often each of n faces is in each resample of their groups: (1 + draws)×n float32; row 0: once each. `by_group` draws as
    `metrics.bootstrap` does: other random numbers, which some published figures come from."""
    counts = metrics.resamples(groups, draws, SEED, multinomial=not by_group)
    return np.concatenate([np.ones((1, len(groups))), counts]).astype(np.float32)


def weighted_figures(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC and balanced accuracy (score ≥ 0: positive) of R detectors on n faces, each R×D, for D×n whole `weights` (how often a resample
    holds a face): exactly those of the resampled faces, by Mann and Whitney; NaN where a class has no weight."""
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


@dataclass(frozen=True)
class _Asked:
    """A detector: its cells (detector, variant, trained on, added), the relations of its sources, N scores (from 0: manipulated)."""

    cells: tuple[str, str, str, str]
    relations: Mapping[str, str]
    scores: np.ndarray

    def mean(self, curves: np.ndarray, relation: str) -> np.ndarray:
        """The mean of SOURCES×(1 + DRAWS) figures over the sources of a relation."""
        return _mean(curves[[self.relations.get(source, UNSEEN) == relation for source in SOURCES]])


def matrix_tables(runs_said: Mapping[Run, Said], shipped: Mapping[str, np.ndarray], faces: Faces) -> dict[str, MeasuredTable]:
    """ "matrix", "summary" and "cost". `shipped`: name → N p(manipulated). A source of one class has cells of None. ValueError for scores
    that do not fit or are not finite, an augmentation without its base, an embedded detector that TRAINED_BY does not know."""
    asked = []
    for run, said in runs_said.items():
        relations = {run.trained_on: SEEN} if run.variant == BASE else {run.added: ADDED_TO, run.trained_on: SEEN}
        cells = (run.detector.name, run.variant, run.trained_on, run.added)
        asked.append(_Asked(cells, relations, np.asarray(said.logits, np.float64)))
    for name, p in shipped.items():
        if name not in TRAINED_BY:
            raise ValueError(f"it is not known what {name} was trained on")
        asked.append(_Asked((name, SHIPPED, "", ""), dict.fromkeys(TRAINED_BY[name], SEEN), np.asarray(p, np.float64) - 0.5))
    for one in asked:
        if one.scores.shape != (len(faces),) or not np.isfinite(one.scores).all():
            raise ValueError(f"{' '.join(one.cells).strip()}: there must be one finite score for each of {len(faces)} faces")
    areas, accuracies = _measured(np.stack([one.scores for one in asked]), faces)
    matrix = [
        (
            *one.cells, source, one.relations.get(source, UNSEEN), len(faces.of(source)),
            *estimate(areas[place, column]), *estimate(accuracies[place, column]),
        )
        for place, one in enumerate(asked) for column, source in enumerate(SOURCES)
    ]  # fmt: skip
    return {
        "matrix": table("zeroshot_matrix", matrix, draws=DRAWS),
        "summary": _summary(asked, areas),
        "cost": _cost({run: place for place, run in enumerate(runs_said)}, asked, areas),
        "cross_auc": _cross_auc(asked, areas, faces),
    }


def _measured(scores: np.ndarray, faces: Faces, pairs: Sequence[metrics.Pair] = BESIDE) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and balanced accuracies of pairs (kind of untouched faces, source), R×pairs×(1 + DRAWS), the faces themselves first."""
    tested = np.flatnonzero(faces.split == "test")
    weights = resampled(faces.groups[tested])
    chosen = (tested[np.isin(faces.kind[tested], pair)] for pair in pairs)
    found = [weighted_figures(scores[:, own], faces.manipulated[own], weights[:, np.searchsorted(tested, own)]) for own in chosen]
    areas, accuracies = (np.stack(one, 1) for one in zip(*found, strict=True))
    return areas, accuracies


def _mean(curves: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """The mean of M×(1 + DRAWS) over those that could be measured; NaN without any."""
    curves = np.asarray(curves)
    there = curves[np.isfinite(curves[:, 0])]
    return there.mean(0) if len(there) else np.full(curves.shape[1], np.nan)


def _summary(asked: Sequence[_Asked], areas: np.ndarray) -> MeasuredTable:
    rows: list[Row] = []
    for detector, variant in dict.fromkeys(one.cells[:2] for one in asked):
        mine = [(one, curves) for one, curves in zip(asked, areas, strict=True) if one.cells[:2] == (detector, variant)]
        seen, unseen = (np.stack([one.mean(curves, relation) for one, curves in mine]) for relation in (SEEN, UNSEEN))
        figures = (("AUC trained on", seen), ("AUC never seen", unseen), ("drop", seen - unseen))
        rows += [(detector, variant, figure, *estimate(_mean(values))) for figure, values in figures]
    trainings = len({one.cells[2] for one in asked if one.cells[1] == BASE})
    return table("zeroshot_summary", rows, trainings=trainings)


def _cost(places: Mapping[Run, int], asked: Sequence[_Asked], areas: np.ndarray) -> MeasuredTable:
    rows: list[Row] = []
    by_kind: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for run, place in places.items():
        if run.variant == BASE:
            continue
        if run.base not in places:
            raise ValueError(f"{run.name} cannot be compared: its base is not there")
        for on, relation in (("old", SEEN), ("new", ADDED_TO), ("never seen", UNSEEN)):
            values = asked[place].mean(areas[place] - areas[places[run.base]], relation)
            by_kind.setdefault((run.detector.name, run.variant, on), []).append(values)
            rows.append((*asked[place].cells, on, *estimate(values)))
    rows += [(detector, variant, MEAN, "", on, *estimate(_mean(values))) for (detector, variant, on), values in by_kind.items()]
    return table("zeroshot_cost", rows)


def _cross_auc(asked: Sequence[_Asked], areas: np.ndarray, faces: Faces) -> MeasuredTable:
    """Means over all sources: against the untouched faces beside them, and against those of every other kind."""
    pairs = [(kind, source) for own, source in BESIDE for kind in sorted(set(UNTOUCHED_OF.values())) if kind != own]
    crossing, _ = _measured(np.stack([one.scores for one in asked]), faces, pairs)
    rows = [
        (*one.cells, *estimate(_mean(within)), *estimate(_mean(across)), int(np.isfinite(across[:, 0]).sum()))
        for one, within, across in zip(asked, areas, crossing, strict=True)
    ]
    return table("zeroshot_cross_auc", rows)
