"""AUCs across collections beside those within one. A detector whose probabilities drift from collection to collection tells untouched from
manipulated faces of each, and may still put the untouched ones of one above the manipulated ones of another: an AUC within hides that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.pools import FORGED, Samples
from attribution.lab.measure.caddm import UNSEEN, Pictures
from attribution.lab.measure.predictions import p_manipulated
from attribution.lab.tables import Row, table


class Scored(NamedTuple):
    """N faces: whether they are manipulated (boolean), p(manipulated), their collections and groups."""

    manipulated: np.ndarray
    p: np.ndarray
    sources: np.ndarray
    groups: np.ndarray

    def take(self, chosen: np.ndarray) -> Scored:
        return Scored(*(values[chosen] for values in self))


def figures(faces: Scored) -> Row:
    """The cells of a row after its name: faces, AUC within and Cross-AUC with their intervals, pairs, and the worst of these."""
    within, crossing = (metrics.source_pairs(faces.manipulated, faces.sources, one) for one in (True, False))

    def mean_of(pairs: Sequence[metrics.Pair]) -> metrics.Estimate:
        return metrics.estimate(lambda chosen: float(metrics.pair_aucs(*faces.take(chosen)[:3], pairs).mean()), faces.groups)

    worst: Row = (None, None, *metrics.NOT_MEASURED)
    if crossing:
        lowest = crossing[int(metrics.pair_aucs(*faces[:3], crossing).argmin())]
        worst = (*lowest, *mean_of([lowest]))
    return len(faces.p), *mean_of(within), *mean_of(crossing), len(crossing), *worst


def pairs(faces: Scored) -> list[Row]:
    """The cells of each pair of sources, those within one too: untouched from, manipulated from, faces, AUC and its interval."""
    rows: list[Row] = []
    within, crossing = (metrics.source_pairs(faces.manipulated, faces.sources, one) for one in (True, False))
    for a, b in sorted(within + crossing):
        own = faces.take(np.where(faces.manipulated, faces.sources == b, faces.sources == a))
        rows.append((a, b, len(own.p), *metrics.estimate(lambda chosen, own=own: metrics.auc(*own.take(chosen)[:2]), own.groups)))
    return rows


def cross_auc_tables(
    predictor: Predictor, samples: Mapping[str, Samples], methods: Collection[str], unseen: Pictures | None = None
) -> list[MeasuredTable]:
    """The tables "Cross-AUC" and "Cross-AUC, pairs" of a detector as the app has it, read with mirror images: all faces of test and cross
    (`samples`) that are of its `methods`, the lab's own forgeries left out; and `unseen` swaps on cross, for one that knows face swaps."""

    def read(crops: np.ndarray) -> np.ndarray:
        return p_manipulated(predictor.read(crops, mirrored=True).p_methods, predictor.info)

    rows: list[Row] = []
    every: list[tuple[str, Scored]] = []
    for split, own in samples.items():
        chosen = [index for index in range(len(own)) if own.methods[index] in methods and own.methods[index] not in FORGED]
        families, sources, groups = (np.array(names)[chosen] for names in (own.families, own.sources, own.groups))
        faces = Scored(families != REAL, read(np.stack([own.encoded(index) for index in chosen])), sources, groups)
        there = sorted(set(families.tolist()) - {REAL})
        rows += [(split, name, *figures(faces.take(np.isin(families, (REAL, name))))) for name in there if len(there) > 1]
        every.append((split, faces))
    every += [] if unseen is None else _by_kind(unseen, read)
    rows += [(name, "all", *figures(faces)) for name, faces in every if faces.manipulated.any()]
    return [table("cross_auc", rows), table("cross_auc_pairs", [(name, *cells) for name, faces in every for cells in pairs(faces)])]


def _by_kind(pictures: Pictures, read: Callable[[np.ndarray], np.ndarray]) -> list[tuple[str, Scored]]:
    """The swaps of each kind that no training used, with the untouched faces that they were made on."""
    sets = {
        kind: {name.removeprefix(f"{kind}, "): own for name, own in pictures.sets.items() if name.startswith(f"{kind}, ")}
        for kind in UNSEEN
    }
    needed = np.unique(np.concatenate([own for some in sets.values() for own in some.values()]))
    p, found = np.full(len(pictures), np.nan), []
    p[needed] = read(pictures.crops[needed])
    for kind, some in sets.items():
        chosen, sources = np.concatenate([*some.values()]), np.repeat([*some], [len(own) for own in some.values()])
        found.append((kind, Scored(pictures.manipulated[chosen], p[chosen], sources, pictures.groups[chosen])))
    return found
