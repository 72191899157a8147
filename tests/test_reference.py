"""The bank of reference faces: exact neighbours, an honest share, and umap's own starting point on the map."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from attribution.errors import DamagedDetector
from attribution.explain.reference import ReferenceBank, write_reference
from conftest import digest


def unit(rows: Any) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def random_bank(faces: int = 40, neighbours: int = 10, map_neighbours: int = 15) -> ReferenceBank:
    random = np.random.RandomState(5)
    embeddings = unit(random.randn(faces, 8))
    return ReferenceBank(
        embeddings=embeddings,
        points=random.randn(faces, 2).astype(np.float32),
        methods=tuple(("real", "stylegan2")[i % 2] for i in range(faces)),
        sources=tuple(f"source_{i % 5}" for i in range(faces)),
        validation_distances=np.linspace(0.1, 0.9, 9, dtype=np.float32),
        neighbours=neighbours,
        map_neighbours=map_neighbours,
    )


def test_round_trip_through_the_file(tmp_path: Path) -> None:
    bank = random_bank()
    path = tmp_path / "reference.safetensors"
    write_reference(
        path,
        np.ones((8, 32)),
        bank.embeddings,
        bank.points,
        bank.methods,
        bank.sources,
        bank.validation_distances[::-1],
        neighbours=7,
        map_parameters={"n_neighbors": 12, "metric": "cosine", "min_dist": 0.1},
        paths=[f"train/{i}.jpg" for i in range(40)],
    )
    read = ReferenceBank.load(tmp_path, digest(path))
    assert (read.methods, read.sources) == (bank.methods, bank.sources)
    assert (read.neighbours, read.map_neighbours) == (7, 12)
    assert read.paths[39] == "train/39.jpg"
    assert read.embeddings == pytest.approx(bank.embeddings, abs=1e-3)
    assert np.linalg.norm(read.embeddings, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(read.points, bank.points)
    assert np.array_equal(read.validation_distances, bank.validation_distances)
    with safe_open(path, "np") as file:
        assert json.loads(file.metadata()["map"])["min_dist"] == 0.1
        assert file.get_tensor("projection.weight").shape == (8, 32)
        assert file.get_tensor("projection.weight").dtype == file.get_tensor("embeddings").dtype == np.float16


def test_neighbours_are_the_nearest_in_order() -> None:
    bank = random_bank()
    query = unit(np.random.RandomState(9).randn(6, 8))
    for row, placement in zip(query, bank.place(query), strict=True):
        distances = 1 - bank.embeddings @ row
        assert [one.index for one in placement.neighbours] == np.argsort(distances)[:10].tolist()
        assert [one.distance for one in placement.neighbours] == pytest.approx(np.sort(distances)[:10], abs=1e-5)
        assert all(one.method == bank.methods[one.index] and one.source == bank.sources[one.index] for one in placement.neighbours)


def test_atypicality_is_the_share_of_nearer_validation_faces() -> None:
    bank = random_bank(neighbours=3)
    query = unit(np.random.RandomState(9).randn(20, 8))
    for placement in bank.place(query):
        kth = placement.neighbours[-1].distance
        assert placement.atypicality == pytest.approx(np.mean(bank.validation_distances < kth))
    corner = ReferenceBank(np.eye(8, dtype=np.float32), bank.points[:8], ("real",) * 8, ("a",) * 8, bank.validation_distances, 1, 5)
    assert [one.atypicality for one in corner.place(unit([[1] + [0] * 7, [-1] * 8]))] == [0, 1]


def test_the_place_on_the_map_is_where_umap_begins() -> None:
    """Recomputed from the definition: weights exp(−d/σ) with Σ_{j≥2} exp(−d_j/σ) = log2(k), σ by SciPy's root finder."""
    from scipy.optimize import brentq

    bank = random_bank(map_neighbours=15)
    query = unit(np.random.RandomState(4).randn(5, 8))
    for row, placement in zip(query, bank.place(query), strict=True):
        distances = np.sort(1 - bank.embeddings @ row)[:15].astype(np.float64)
        order = np.argsort(1 - bank.embeddings @ row)[:15]
        sigma: Any = brentq(lambda s, d=distances: np.exp(-d[1:] / s).sum() - np.log2(15), 1e-4, 1e4)
        weights = np.exp(-distances / sigma)
        expected = weights @ bank.points[order] / weights.sum()
        assert (placement.x, placement.y) == pytest.approx(tuple(expected), abs=1e-4)


def test_none_gives_none_and_another_width_is_refused() -> None:
    bank = random_bank()
    assert bank.place(np.empty((0, 8), dtype=np.float32)) == []
    with pytest.raises(ValueError, match="N×8"):
        bank.place(np.ones((2, 9), dtype=np.float32))


DAMAGES: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {
    **{name: lambda tensors, name=name: tensors.pop(name) for name in ("embeddings", "points", "method_index", "validation_distances")},
    "not unit": lambda tensors: tensors.update(embeddings=tensors["embeddings"] * 2),
    "not finite": lambda tensors: tensors.update(points=tensors["points"] * np.nan),
    "too few points": lambda tensors: tensors.update(points=tensors["points"][1:]),
    "name out of range": lambda tensors: tensors.update(method_index=tensors["method_index"] + 99),
    "negative name": lambda tensors: tensors.update(source_index=tensors["source_index"] - 99),
    "no distances": lambda tensors: tensors.update(validation_distances=tensors["validation_distances"][:0]),
    "not ascending": lambda tensors: tensors.update(validation_distances=tensors["validation_distances"][::-1].copy()),
    "flat": lambda tensors: tensors.update(embeddings=tensors["embeddings"].ravel()),
    "too many": lambda tensors: tensors.update(
        {name: np.repeat(tensors[name], 100, axis=0) for name in ("embeddings", "points", "method_index", "source_index")}
    ),
}
NAMES: list[dict[str, str]] = [{"methods": '"real"'}, {"sources": "["}, {"paths": '["a.jpg"]'}, {"neighbours": "0"}]


@pytest.mark.parametrize(("change", "named"), [*((change, {}) for change in DAMAGES), *(("", named) for named in NAMES)], ids=str)
def test_a_damaged_bank_is_refused(own_detector: Path, change: str, named: dict[str, str]) -> None:
    path = own_detector / "reference.safetensors"
    with safe_open(path, "np") as file:
        metadata = {**file.metadata(), **named}
    tensors = load_file(path)
    DAMAGES.get(change, len)(tensors)
    save_file(tensors, path, metadata)
    with pytest.raises(DamagedDetector):
        ReferenceBank.load(own_detector)


def test_files_that_are_none_are_refused(own_detector: Path) -> None:
    path = own_detector / "reference.safetensors"
    with pytest.raises(DamagedDetector, match="not the one"):
        ReferenceBank.load(own_detector, "0" * 64)
    for content in (b"", b"<html>", path.read_bytes()[:500]):
        path.write_bytes(content)
        with pytest.raises(DamagedDetector, match="not a bank"):
            ReferenceBank.load(own_detector)
    path.unlink()
    with pytest.raises(DamagedDetector, match="no readable"):
        ReferenceBank.load(own_detector)


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    with pytest.raises(DamagedDetector):
        write_reference(path, np.ones((8, 32)), np.ones((3, 8)), np.ones((3, 2)), ["real"] * 3, ["a"] * 3, np.ones(4))
    assert not path.exists()
