"""Where DNA-Det's evidence lies: islands of generated patches inside photographs, and how far its heatmaps spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.evidence import Patches
from attribution.explain.gradcam import heatmaps
from attribution.explain.patches import Tiles, patch_view
from attribution.lab.data import REAL, SIDE_PX
from attribution.lab.measure.dnadet_reading import choose
from attribution.lab.measure.metrics import share
from attribution.lab.pools import Samples
from attribution.lab.train.dnadet import CLASSES

PICTURES = 25
HEATMAPS = 20
WINDOW_PX = 144
_SEED = 23
# A patch counts as inside or outside of the pasted area from these shares of its own area on; those between are not counted.
_INSIDE, _OUTSIDE = 0.75, 0.25


def pasted(photograph: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture of 3×3 crops, all of them `photograph`, mirrored and turned over, with the middle window (144 px) of `generated` pasted
    into the middle one at the same scale: 672×672×3 uint8, and the window's upper left corner (x, y)."""
    row = np.concatenate([photograph, photograph[:, ::-1], photograph], 1)
    picture = np.concatenate([row[::-1], row, row[::-1]], 0)
    own = (SIDE_PX - WINDOW_PX) // 2
    corner = SIDE_PX + own
    picture[corner : corner + WINDOW_PX, corner : corner + WINDOW_PX] = generated[own : own + WINDOW_PX, own : own + WINDOW_PX]
    return picture, (corner, corner)


def as_tiles(picture: np.ndarray) -> Tiles:
    """A picture whose sides are multiples of 224 px, cut into tiles."""
    places = [(x, y) for y in range(0, picture.shape[0], SIDE_PX) for x in range(0, picture.shape[1], SIDE_PX)]
    pixels = np.stack([picture[y : y + SIDE_PX, x : x + SIDE_PX] for x, y in places])
    return Tiles(tuple((float(x), float(y), float(x + SIDE_PX), float(y + SIDE_PX)) for x, y in places), pixels)


def inside_and_outside(patches: Patches, corner: tuple[int, int], side_px: int = WINDOW_PX) -> tuple[np.ndarray, np.ndarray]:
    """Whether each patch inside of a pasted square was called generated, and each outside, as two boolean arrays."""
    called = np.array(patches.answers) != REAL
    boxes = np.array(patches.boxes)
    across = np.clip(np.minimum(boxes[:, 2], corner[0] + side_px) - np.maximum(boxes[:, 0], corner[0]), 0, None)
    down = np.clip(np.minimum(boxes[:, 3], corner[1] + side_px) - np.maximum(boxes[:, 1], corner[1]), 0, None)
    covered = across * down / ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return called[covered >= _INSIDE], called[covered <= _OUTSIDE]


def island_table(samples: Mapping[str, Samples], predictor: Predictor) -> MeasuredTable:
    """A window of a generated face in a photograph, per generator: shares of patches called generated inside of it and outside."""
    rows = []
    for split in ("test", "cross"):
        own = samples[split]
        photographs = choose(own, (REAL,))
        for method in CLASSES[1:]:
            made = choose(own, (method,))
            if not len(made):
                continue
            random = np.random.default_rng([_SEED, CLASSES.index(method)])
            hits: list[list[np.ndarray]] = [[], []]
            count = min(PICTURES, len(made), len(photographs))
            pairs = zip(random.permutation(photographs)[:count], random.permutation(made)[:count], strict=True)
            higher = 0.0
            for photograph, generated in pairs:
                picture, corner = pasted(np.array(own.picture(int(photograph))), np.array(own.picture(int(generated))))
                both = inside_and_outside(patch_view(predictor, as_tiles(picture)), corner)
                higher += float(both[0].mean() > both[1].mean())
                for kept, one in zip(hits, both, strict=True):
                    kept.append(one)
            inside, outside = (np.concatenate(each) for each in hits)
            figures = [figure for each in (inside, outside) for figure in share(each)]
            rows.append((split, method, count, *figures, round(higher / count, 3)))
    columns = (
        "split", "pasted", "pictures", "patches inside called generated", "low", "high", "patches outside called generated", "low", "high",
        "pictures with more inside",
    )  # fmt: skip
    note = (
        f"A window of {WINDOW_PX} px of a generated face pasted into a photograph of 672 px without resampling; every patch of 64 px is "
        "read alone. Inside: at least three quarters of the patch; outside: at most a quarter; Wilson's 95 % interval over patches."
    )
    return MeasuredTable("Patch islands", columns, tuple(rows), note)


def spread_table(test: Samples, predictor: Predictor) -> MeasuredTable:
    """How much of the picture carries the evidence (`Heatmap.evidence_share`) where Grad-CAM explains the true class."""
    rows = []
    for method in CLASSES:
        chosen = choose(test, (method,))
        random = np.random.default_rng([_SEED, CLASSES.index(method)])
        chosen = np.sort(random.permutation(chosen)[:HEATMAPS])
        crops = np.stack([test.picture(int(index)) for index in chosen])
        shares = np.array([one.evidence_share for one in heatmaps(predictor, crops, [method] * len(crops))])
        edges = np.percentile(shares, [10, 90])
        rows.append((method, len(chosen), *(round(float(one), 3) for one in (np.median(shares), *edges))))
    note = "The participation ratio of the Grad-CAM heatmap after the 3×3 convolution of stage 2: 1 when the evidence is even all over."
    return MeasuredTable(
        "Spread of the evidence, test", ("class", "faces", "median share of the picture", "10 %", "90 %"), tuple(rows), note
    )
