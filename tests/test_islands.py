"""Patches of a generated face pasted into a photograph, on made answers; with labelled faces the embedded detector itself is asked."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from attribution.detectors.predictor import Predictor
from attribution.evidence import Patches
from attribution.explain.patches import Tiles
from attribution.lab.data import REAL, SIDE_PX
from attribution.lab.forge.pools import Samples
from attribution.lab.measure import dnadet
from attribution.lab.measure.dnadet import WINDOW_PX, as_tiles, inside_and_outside, island_table, pasted, spread_table

BRIGHT, DARK = 200, 10


def samples_of(*methods: str) -> Samples:
    """Photographs are dark and generated faces bright."""
    crops = np.stack([np.full((SIDE_PX, SIDE_PX, 3), DARK if method == REAL else BRIGHT, np.uint8) for method in methods])
    names = tuple(map(str, range(len(methods))))
    return Samples((crops,), methods, methods, methods, names, names, np.full(len(methods), -1))


def by_brightness(_: object, tiles: Tiles) -> Patches:
    """Sixteen patches a tile; those that are bright at their centre are called generated."""
    boxes, answers = [], []
    for (x, y, *_), pixels in zip(tiles.boxes, tiles.pixels, strict=True):
        for top in range(0, SIDE_PX, 56):
            for left in range(0, SIDE_PX, 56):
                boxes.append((x + left, y + top, x + left + 56, y + top + 56))
                bright = pixels[top + 28, left + 28, 0] > 100
                answers.append((0.1, 0.9) if bright else (0.9, 0.1))
    return Patches((REAL, "stylegan2"), tuple(boxes), tuple(answers))


def test_a_pasted_window_lies_in_the_middle_and_its_patches_are_the_inside() -> None:
    photograph, generated = (samples_of(REAL, "stylegan2").picture(index) for index in (0, 1))
    picture, corner = pasted(photograph, generated)
    assert picture.shape == (3 * SIDE_PX, 3 * SIDE_PX, 3)
    assert (picture == BRIGHT).all(2).sum() == WINDOW_PX**2
    tiles = as_tiles(picture)
    assert (len(tiles.boxes), tiles.pixels[0].max()) == (9, DARK)
    inside, outside = inside_and_outside(by_brightness(None, tiles), corner)
    # The window, 144 px from 40 on, holds four patches of 56 px whole; twelve around them are only partly in it.
    assert inside.tolist() == [True] * 4
    assert not outside.any()
    assert 4 + len(outside) <= 9 * 16


def test_the_table_counts_patches_by_generator_and_leaves_out_what_has_no_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnadet, "patch_view", by_brightness)
    splits = {"test": samples_of(REAL, REAL, "stylegan2", "sdxl"), "cross": samples_of("sdxl")}
    predictor: Predictor = SimpleNamespace()  # type: ignore[assignment]
    rows = island_table(splits, predictor).rows
    assert [row[:4] for row in rows] == [("test", "stylegan2", 1, 1.0), ("test", "sdxl", 1, 1.0)]
    assert [(row[6], row[9]) for row in rows] == [(0.0, 1.0)] * 2
    shares = iter((0.2, 0.4, 0.6, 0.5))
    monkeypatch.setattr(dnadet, "heatmaps", lambda _, crops, labels: [SimpleNamespace(evidence_share=next(shares)) for _ in crops])
    spread = spread_table(samples_of(REAL, REAL, REAL, "sdxl"), predictor).rows
    assert spread == ((REAL, 3, 0.4, 0.24, 0.56), ("sdxl", 1, 0.5, 0.5, 0.5))
