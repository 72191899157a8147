"""Where a head should look: cells of forgeries whose changed area is known.

A heatmap of a network with a linear head on the means of its maps is the maps weighted by the head (class activation mapping, Zhou et al.
2016, arXiv 1512.04150). So it can be taught with the head: the cells of what was changed should speak for the forgery, those around them
should not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from attribution.lab.aligned import Aligned
from attribution.lab.data import find_data, read_manifest
from attribution.lab.forge.augment import LAB_JPEG_QUALITY, jpeg
from attribution.lab.forge.mfs import WINDOW_SIZES, differs
from attribution.lab.forge.pools import FORGED, Samples, load_samples
from attribution.lab.forge.unseen import partial_swap
from attribution.lab.train.loop import save_arrays
from attribution.lab.train.recipes import Recipe, recipe
from attribution.lab.train.seen import BATCH, Trunk, in_parts, see
from attribution.models.levels import Levels

PARTIAL, WHOLE, MADE = "partial swap", "swap", "forgery of the lab"
# At most so many of each, and how they weigh: most is to be learnt from a part in an untouched picture.
_MOST, _SHARES = {PARTIAL: 3000, WHOLE: 500, MADE: 300}, {PARTIAL: 0.6, WHOLE: 0.15, MADE: 0.25}
_INSIDE, _OUTSIDE = 4, 24
# A cell is changed from this share of its pixels on, and unchanged below that one.
_CHANGED, _UNCHANGED = 0.5, 0.02
# No window is the whole crop.
_WINDOWS = tuple((size,) for size in WINDOW_SIZES[:-1])


@dataclass(frozen=True)
class Cells(Aligned):
    """Of N forgeries `inside` N×4×F, some cells of the maps that were changed, and `outside` N×24×F, some that were not; the places of
    their classes, their methods, their sources, and their weights."""

    inside: np.ndarray
    outside: np.ndarray
    labels: np.ndarray
    methods: np.ndarray
    sources: np.ndarray
    weights: np.ndarray


def listed(samples: Samples, rule: Recipe, seed: int) -> list[tuple[str, int]]:
    """The kinds and sample indices of the forgeries: swaps that have their own untouched picture, in seeded order, first those of which a
    part is taken, then whole ones; and the first of the lab's own of each kind."""
    methods, crops = np.array(samples.methods), len(samples.parts[0])
    known = np.isin(methods, list(rule.class_of)) & (samples.base >= 0)
    pairs = np.random.default_rng(seed).permutation(np.flatnonzero(known[:crops])).tolist()
    whole = pairs[_MOST[PARTIAL] :][: _MOST[WHOLE]]
    made = [index for method in FORGED for index in np.flatnonzero(known & (methods == method))[: _MOST[MADE]].tolist()]
    return [(PARTIAL, index) for index in pairs[: _MOST[PARTIAL]]] + [(WHOLE, index) for index in whole] + [(MADE, index) for index in made]


def _read_part(data: str, work: Path, head: str, seed: int, trunk: Trunk, chosen: np.ndarray, out: Path) -> None:
    """One part of the list, whole or not at all; forgeries of which too little was changed, or all, are passed over."""
    rows = [row for row in read_manifest(find_data(data)) if row.split == "train"]
    samples = load_samples(rows, work, "train")
    forgeries, net = listed(samples, recipe(head), seed), Levels([trunk.load()], 2).eval()
    found: list[tuple[int, np.ndarray, np.ndarray]] = []
    for first in range(0, len(chosen), BATCH):
        some, pictures, areas = [], [], []
        for place in chosen[first : first + BATCH].tolist():
            kind, index = forgeries[place]
            below, picture = samples.picture(int(samples.base[index])), samples.encoded(index)
            area = differs(picture, below)
            if kind == PARTIAL:
                made = partial_swap(below, picture, rows[index].landmarks, (seed, index), windows=_WINDOWS[place % len(_WINDOWS)])
                if made is None:
                    continue
                picture, area = jpeg(made.rgb, LAB_JPEG_QUALITY), differs(made.rgb, below)
            some.append(place)
            pictures.append(picture)
            areas.append(area.astype(np.float32))
        for place, maps, area in zip(some, see(net, np.stack(pictures)) if some else (), areas, strict=True):
            share = cv2.resize(area, maps.shape[:0:-1], interpolation=cv2.INTER_AREA)
            changed, unchanged = np.argwhere(share > _CHANGED), np.argwhere(share < _UNCHANGED)
            if len(changed) > 1 and len(unchanged) > 1:
                # Drawn by the place in the list alone: the same cells for every trunk.
                random = np.random.default_rng([seed, place])
                drawn = [of[random.integers(len(of), size=count)] for of, count in ((changed, _INSIDE), (unchanged, _OUTSIDE))]
                found.append((place, *(maps[:, at[:, 0], at[:, 1]].T for at in drawn)))
    cells: dict[str, Any] = {
        name: np.array([one[column] for one in found], np.float16).reshape(len(found), count, net.head_hidden_size)
        for column, (name, count) in enumerate((("inside", _INSIDE), ("outside", _OUTSIDE)), start=1)
    }
    save_arrays(out, chosen=chosen, places=np.array([place for place, *_ in found], int), **cells)


def read_cells(data: str, work: Path, samples: Samples, head: str, trunks: Sequence[Trunk], seed: int, jobs: int) -> Cells | None:
    """The cells of all trunks' maps, side by side, of the forgeries of the split train; None where there is none."""
    rule = recipe(head)
    forgeries = listed(samples, rule, seed)
    if not forgeries:
        return None
    read = [
        in_parts(_read_part, (data, work, head, seed, one), np.arange(len(forgeries)), work / "seen" / one.name, f"cells-{seed}", jobs)
        for one in trunks
    ]
    places = read[0]["places"]
    if not len(places):
        return None
    inside, outside = (np.concatenate([one[name] for one in read], 2) for name in ("inside", "outside"))
    kinds, indices = np.array([kind for kind, _ in forgeries])[places], np.array([index for _, index in forgeries])[places]
    weights = np.array([_SHARES[kind] / (kinds == kind).sum() for kind in kinds.tolist()])
    methods, sources = np.array(samples.methods)[indices], np.array(samples.sources)[indices]
    return Cells(inside, outside, np.array([rule.class_of[one] for one in methods]), methods, sources, weights / weights.sum())
