"""The faces of the examples, cut out as the generalisability study says where they are, for its page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from attribution.errors import TelltaleError
from attribution.evidence import Box
from attribution.measured.study import Study
from attribution.text import page as text

_TABLE, _SIDES = "example_faces", ("left", "top", "right", "bottom")
_SIDE_PX = 160
_MOST_PX = 100_000


def example_crops(study: Study, examples: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Example → its face, 160×160×3 uint8. `examples`: the files of the examples by name; other files are never opened. A face that
    cannot be cut is left out."""
    wanted = tuple((name, examples[name], box) for name, box in _boxes(study).items() if name in examples and name in text.EXAMPLES)
    return {name: crop for name, path, box in wanted if (crop := _cut(path, box)) is not None}


def _boxes(study: Study) -> dict[str, Box]:
    """The largest square in the middle of each box, in pixels of the example."""
    table = study.tables.get(_TABLE)
    if table is None or any(name not in table.columns for name in ("example", *_SIDES)):
        return {}
    places = [table.columns.index(name) for name in ("example", *_SIDES)]
    found: dict[str, Box] = {}
    for row in table.rows:
        name, *sides = (row[at] for at in places)
        numbers = [float(side) for side in sides if isinstance(side, int | float) and abs(side) < _MOST_PX]
        if not isinstance(name, str) or len(numbers) != len(_SIDES) or not all(map(math.isfinite, numbers)):
            continue
        left, top, right, bottom = numbers
        half = min(right - left, bottom - top) / 2
        if half >= 1:
            x, y = (left + right) / 2, (top + bottom) / 2
            found[name] = (x - half, y - half, x + half, y + half)
    return found


def _cut(path: Path, box: Box) -> np.ndarray | None:
    # The page is up before anything is decoded.
    from attribution.media import open_media

    try:
        with open_media(path) as opened:
            return opened.crops([(0, box)], _SIDE_PX)[0]
    except TelltaleError:
        return None
