"""The reference bank and its 2-D map: UMAP's layout, and how well our quick placement agrees with UMAP's own."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from attribution.detectors.card import REFERENCE_FILE, MeasuredTable
from attribution.evidence import DetectorInfo
from attribution.explain.reference import MAP_NEIGHBOURS, ReferenceBank, kth_distances, write_reference
from attribution.lab.measure.predictions import SplitPredictions, families_of
from attribution.models.backbones import Projection

MIN_DISTANCE, MAP_SEED = 0.25, 5


def write_bank(
    projection: Projection, bank_faces: SplitPredictions, val: SplitPredictions, test: SplitPredictions, info: DetectorInfo, out: Path,
    typical: np.ndarray | None = None,
) -> MeasuredTable:  # fmt: skip
    """`reference.safetensors` from the reference faces and the `typical` distances of faces, by default those of validation faces; how well
    our placement on the map agrees with UMAP's own on test faces."""
    mapper = lay_out(bank_faces.embeddings, MAP_SEED)
    parameters = {"n_neighbors": MAP_NEIGHBOURS, "min_dist": MIN_DISTANCE, "metric": "cosine", "random_state": MAP_SEED}
    write_reference(
        out / REFERENCE_FILE, projection.weight.detach().numpy(), bank_faces.embeddings, np.asarray(mapper.embedding_),
        bank_faces.methods.tolist(), bank_faces.sources.tolist(),
        kth_distances(val.embeddings, bank_faces.embeddings) if typical is None else typical,
        map_parameters=parameters, paths=bank_faces.paths.tolist(),
    )  # fmt: skip
    bank = ReferenceBank.load(out)
    agreed = agreement(mapper, bank, np.array(families_of(bank.methods, info)), test)
    cells = tuple((key, round(float(value), 3)) for key, value in agreed.items())
    return MeasuredTable("Map placement against umap.transform, test", ("figure", "value"), cells)


def lay_out(embeddings: np.ndarray, seed: int):
    """A fitted UMAP (cosine, 2-D) of unit embeddings M×D."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap

        return umap.UMAP(n_neighbors=MAP_NEIGHBOURS, min_dist=MIN_DISTANCE, metric="cosine", random_state=seed).fit(embeddings)


def agreement(mapper, bank: ReferenceBank, bank_families: np.ndarray, found: SplitPredictions) -> dict[str, float]:
    """Our placement against `umap.transform` on the same faces: correlation of coordinates, median gap as a share of the map's extent, and
    the shares of faces whose nearest point on the map has the face's own family, by either way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = np.asarray(mapper.transform(found.embeddings))
    ours = np.array([(placed.x, placed.y) for placed in bank.place(found.embeddings)])

    def same(points: np.ndarray) -> float:
        nearest = ((points[:, None] - bank.points[None]) ** 2).sum(2).argmin(1)
        return float((bank_families[nearest] == found.families).mean())

    return {
        "correlation": float(np.mean([np.corrcoef(ours[:, axis], theirs[:, axis])[0, 1] for axis in (0, 1)])),
        "median_gap": float(np.median(np.linalg.norm(ours - theirs, axis=1)) / np.linalg.norm(bank.points.max(0) - bank.points.min(0))),
        "same_family_ours": same(ours), "same_family_umap": same(theirs), "faces": len(ours),
    }  # fmt: skip
