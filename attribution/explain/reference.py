"""The bank of reference faces: nearest references, typicality and the place on the 2-D map. numpy only, no pictures.

`reference.safetensors` holds `projection.weight` (D×F, half precision; read by `weights`), `embeddings` (M×D, half precision, unit
rows), `points` (M×2), `method_index` and `source_index` (M) and `validation_distances` (V, ascending); its metadata the names of
methods and sources, the number of neighbours, the parameters of the map and perhaps the pictures' paths (JSON each).

**Placement on the map.** The points were laid out by UMAP (McInnes et al. 2018, arXiv 1802.03426) in the lab. A new face goes to the
mean of its nearest references' points, weighted by their fuzzy membership exp(−d / σ), σ being the bandwidth of the smoothed
k-nearest-neighbour distance (§3.1 and algorithm 3 there). This is exactly where `umap.transform` starts; the stochastic refinement that
follows there is left out, so that a placement is immediate, does not depend on the other faces, and never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save_file

from attribution.detectors.card import REFERENCE_FILE
from attribution.errors import damaged
from attribution.evidence import Placement
from attribution.evidence.types import Neighbour

NEIGHBOURS, MAP_NEIGHBOURS, MOST_REFERENCES = 10, 15, 2000
# umap's own constants for the bandwidth search.
_BANDWIDTH_STEPS, _LEAST_BANDWIDTH = 64, 1e-3


@dataclass(frozen=True, repr=False)
class ReferenceBank:
    """M reference faces. `embeddings` M×D float32 of unit rows, `points` M×2 float32, `methods` and `sources` a name per row;
    `validation_distances` are the ascending k-th-neighbour distances of validation faces, k = `neighbours`. `paths` says where each
    row's picture lies below a folder of the face data, for readers who have that data; it is empty when the bank does not tell."""

    embeddings: np.ndarray
    points: np.ndarray
    methods: tuple[str, ...]
    sources: tuple[str, ...]
    validation_distances: np.ndarray
    neighbours: int = NEIGHBOURS
    map_neighbours: int = MAP_NEIGHBOURS
    paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.embeddings)
        _need(self.embeddings.ndim == 2 and 1 <= rows <= MOST_REFERENCES, f"between 1 and {MOST_REFERENCES} embeddings")
        _need(self.points.shape == (rows, 2), "a map point for every embedding")
        _need(len(self.methods) == len(self.sources) == rows, "a method and a source for every embedding")
        _need(self.validation_distances.ndim == 1 and len(self.validation_distances) > 0, "distances of validation faces")
        _need(not self.paths or len(self.paths) == rows, "a path for every embedding")
        arrays = (self.embeddings, self.points, self.validation_distances)
        _need(all(bool(np.isfinite(array).all()) for array in arrays), "finite numbers")
        _need(bool(np.abs(np.linalg.norm(self.embeddings, axis=1) - 1).max() < 1e-3), "embeddings of unit length")
        _need(bool((np.diff(self.validation_distances) >= 0).all()), "distances in ascending order")
        _need(self.neighbours >= 1 and self.map_neighbours >= 2, "at least one neighbour")

    @staticmethod
    def load(folder: Path, sha256: str | None = None) -> ReferenceBank:
        """Read the bank of a detector folder; `sha256` (of the card) is compared first. Raises DamagedDetector."""
        try:
            content = (Path(folder) / REFERENCE_FILE).read_bytes()
        except OSError as error:
            raise damaged(f"its folder has no readable {REFERENCE_FILE}") from error
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise damaged(f"the file {REFERENCE_FILE} is not the one that its card describes")
        try:
            tensors = parse_safetensors(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            names = {key: json.loads(value) for key, value in header["__metadata__"].items()}
            embeddings = tensors["embeddings"].astype(np.float32)
            lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
            _need(bool((np.abs(lengths - 1) < 1e-2).all()), "embeddings of unit length")
            return ReferenceBank(
                # Half precision shortens and lengthens rows by up to a thousandth.
                embeddings=embeddings / lengths,
                points=tensors["points"].astype(np.float32),
                methods=_names(names["methods"], tensors["method_index"]),
                sources=_names(names["sources"], tensors["source_index"]),
                validation_distances=tensors["validation_distances"].astype(np.float32),
                neighbours=int(names["neighbours"]),
                map_neighbours=int(names["map"]["n_neighbors"]),
                paths=tuple(str(path) for path in names.get("paths", [])),
            )
        except (SafetensorError, LookupError, TypeError, ValueError, AttributeError, np.exceptions.AxisError) as error:
            raise damaged(f"the file {REFERENCE_FILE} is not a bank of reference faces") from error

    def place(self, embeddings: np.ndarray) -> list[Placement]:
        """N×D embeddings of unit length → a Placement each: nearest references by cosine distance (nearest first), atypicality, map
        point. Exact, by brute force over the M references."""
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embeddings.shape[1]:
            raise ValueError(f"embeddings must be N×{self.embeddings.shape[1]}")
        if len(embeddings) == 0:
            return []
        nearest, distances = _nearest(embeddings, self.embeddings, max(self.neighbours, self.map_neighbours))
        on_map = min(self.map_neighbours, nearest.shape[1])
        places = _map_points(self.points[nearest[:, :on_map]], distances[:, :on_map])
        listed = min(self.neighbours, nearest.shape[1])
        nearer = np.searchsorted(self.validation_distances, distances[:, listed - 1], side="left") / len(self.validation_distances)
        near = [
            tuple(Neighbour(int(row), self.methods[row], self.sources[row], float(own[at])) for at, row in enumerate(rows[:listed]))
            for rows, own in zip(nearest, distances, strict=True)
        ]
        return [Placement(float(x), float(y), own, float(share)) for (x, y), own, share in zip(places, near, nearer, strict=True)]


def kth_distances(queries: np.ndarray, embeddings: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Cosine distance of each of N queries to its k-th nearest of M embeddings, N float32: the measure of atypicality
    (Sun et al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors, arXiv 2204.06507, §3)."""
    return _nearest(queries, embeddings, neighbours)[1][:, -1]


def write_reference(
    path: Path,
    projection_weight: np.ndarray,
    embeddings: np.ndarray,
    points: np.ndarray,
    methods: Sequence[str],
    sources: Sequence[str],
    validation_distances: np.ndarray,
    neighbours: int = NEIGHBOURS,
    map_parameters: Mapping[str, Any] | None = None,
    paths: Sequence[str] = (),
) -> None:
    """Write `reference.safetensors` at `path`: `projection_weight` D×F, `embeddings` M×D, `points` M×2, a method and a source per row,
    `validation_distances` in any order. `map_parameters` are those that UMAP was given; its `n_neighbors` places new faces. `paths` may
    say where each row's picture lies below the folder of the face data."""
    parameters = {"n_neighbors": MAP_NEIGHBOURS, **(map_parameters or {})}
    method_names, source_names = sorted(set(methods)), sorted(set(sources))
    distances = np.sort(np.asarray(validation_distances, dtype=np.float32))
    bank_rows = np.asarray(embeddings, dtype=np.float32)
    bank_points = np.ascontiguousarray(points, dtype=np.float32)
    # A bank that could not be read back must not be written.
    map_neighbours, where = int(parameters["n_neighbors"]), tuple(paths)
    ReferenceBank(bank_rows, bank_points, tuple(methods), tuple(sources), distances, neighbours, map_neighbours, where)
    tensors = {
        "projection.weight": np.ascontiguousarray(projection_weight, dtype=np.float16),
        "embeddings": np.ascontiguousarray(bank_rows, dtype=np.float16),
        "points": bank_points,
        "method_index": np.array([method_names.index(name) for name in methods], dtype=np.int32),
        "source_index": np.array([source_names.index(name) for name in sources], dtype=np.int32),
        "validation_distances": distances,
    }
    told = {"methods": method_names, "sources": source_names, "neighbours": neighbours, "map": parameters, "paths": where}
    save_file(tensors, path, metadata={key: json.dumps(value) for key, value in told.items()})


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise damaged(f"its reference faces lack {what}")


def _names(names: Any, index: np.ndarray) -> tuple[str, ...]:
    _need(isinstance(names, list) and all(isinstance(name, str) for name in names), "names")
    _need(index.ndim == 1 and bool(((index >= 0) & (index < len(names))).all()), "a name for every row")
    return tuple(names[i] for i in index)


def _nearest(queries: np.ndarray, embeddings: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and cosine distances (1 − similarity, in [0, 2]) of the nearest embeddings, N×k each, nearest first; k ≤ M."""
    count = min(neighbours, len(embeddings))
    distances = np.clip(1 - queries.astype(np.float32) @ embeddings.T, 0, 2)
    chosen = np.argpartition(distances, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(distances, chosen, axis=1), axis=1, kind="stable")
    nearest = np.take_along_axis(chosen, order, axis=1)
    return nearest, np.take_along_axis(distances, nearest, axis=1)


def _map_points(points: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """N×k×2 points and N×k ascending distances → N×2 means weighted by fuzzy membership; a face that coincides with a reference takes
    its point, as in `umap.transform`."""
    bandwidths = _bandwidths(distances.astype(np.float64))
    weights = np.exp(-distances / bandwidths[:, None])
    weights = weights / weights.sum(axis=1, keepdims=True)
    means = (weights[:, :, None] * points).sum(axis=1)
    return np.where(distances[:, :1] <= 0, points[:, 0], means)


def _bandwidths(distances: np.ndarray) -> np.ndarray:
    """σ per row so that Σ_{j ≥ 2} exp(−d_j / σ) = log2(k), by bisection: umap's `smooth_knn_dist` with local connectivity 0, which is
    what its `transform` uses."""
    target = np.log2(distances.shape[1])
    low, high, middle = np.zeros(len(distances)), np.full(len(distances), np.inf), np.ones(len(distances))
    for _ in range(_BANDWIDTH_STEPS):
        too_wide = np.exp(-distances[:, 1:] / middle[:, None]).sum(axis=1) > target
        high = np.where(too_wide, middle, high)
        low = np.where(too_wide, low, middle)
        middle = np.where(np.isinf(high), middle * 2, (low + np.where(np.isinf(high), low, high)) / 2)
    return np.maximum(middle, np.maximum(_LEAST_BANDWIDTH * distances.mean(axis=1), np.finfo(np.float32).tiny))
