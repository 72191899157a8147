"""The faces of the examples, cut out as the generalisability study says where they are, for its page."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from attribution.detectors.tables import Rows
from attribution.errors import TelltaleError
from attribution.evidence import Box
from attribution.measured.section import attempt
from attribution.measured.study import Study
from attribution.text import page as text

_SIDES = ("left", "top", "right", "bottom")
_SIDE_PX = 160
_MOST_PX = 100_000


def example_crops(study: Study, examples: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Example → its face, 160×160×3 uint8. Only `examples` (files by name) are opened; a face that cannot be cut is left out."""
    # The page is up before anything is decoded.
    from attribution.media import open_media

    found = {}
    for name, box in _boxes(study).items():
        if name in examples and name in text.EXAMPLES:
            try:
                with open_media(examples[name]) as opened:
                    found[name] = opened.crops([(0, box)], _SIDE_PX)[0]
            except TelltaleError:
                continue
    return found


def _boxes(study: Study) -> dict[str, Box]:
    """The largest square in the middle of each box, in pixels of the example."""
    table, found = study.tables.get("example_faces"), {}
    for row in (attempt(lambda: list(Rows(table, ("example", *_SIDES)))) or []) if table is not None else []:
        sides = [side for name in _SIDES if (side := row.number(name)) is not None and abs(side) < _MOST_PX]
        if len(sides) == len(_SIDES):
            left, top, right, bottom = sides
            half, x, y = min(right - left, bottom - top) / 2, (left + right) / 2, (top + bottom) / 2
            if half >= 1:
                found[row.text("example")] = (x - half, y - half, x + half, y + half)
    return found
