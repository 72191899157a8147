"""Made-up faces of the generalisability study, what runs say of them, and tables by the names of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.lab.studies.zeroshot.faces import DFDC, ELSEWHERE, WEB, Faces
from attribution.lab.studies.zeroshot.plan import SOURCES
from attribution.lab.studies.zeroshot.training import Said


def study_faces(each: int = 12, leave_out: str = "", crops: np.ndarray | None = None) -> Faces:
    """So many faces of every kind in both splits, two of a kind to a group; the untouched of DFDC share the groups of its swaps. Their
    crops are those given, over and over."""
    kinds = [kind for kind in (*SOURCES, DFDC, WEB, ELSEWHERE) if kind != leave_out]
    kind, split = np.tile(np.repeat(kinds, each), 2), np.repeat(["val", "test"], len(kinds) * each)
    names = [DFDC if one == "dfdc_swap" else one for one in kind]
    groups = np.array([f"{one} {place % each // 2} {own}" for place, (one, own) in enumerate(zip(names, split, strict=True))])
    crops = np.zeros((1, 1, 1, 3), np.uint8) if crops is None else crops
    return Faces(crops[np.arange(len(kind)) % len(crops)], kind, groups, split)


def some_of(faces: Faces, chosen: np.ndarray) -> Faces:
    return Faces(*(values[chosen] for values in vars(faces).values()))


def noise(faces: Faces, units: int = 32, seed: int = 0) -> Said:
    """A network that knows nothing."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (len(faces), units)).astype(np.float32)
    return Said(values, random.normal(0, 0.3, units).astype(np.float32), 0.1)


def rows_of(table: MeasuredTable, **wanted: Any) -> list[dict[str, Any]]:
    """Rows with these cells (`_` for a blank in a column's name); of columns of one name the first."""
    found = [dict(zip(reversed(table.columns), reversed(row), strict=True)) for row in table.rows]
    return [cells for cells in found if all(cells[name.replace("_", " ")] == value for name, value in wanted.items())]


def row_of(table: MeasuredTable, **wanted: Any) -> dict[str, Any]:
    (row,) = rows_of(table, **wanted)
    return row
