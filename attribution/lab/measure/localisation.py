"""Where was it manipulated? Points and boxes of detectors against areas that are known.

Cases are forgeries made from pixel-aligned pairs of an untouched face and its swap, one pair a clip. The true area of a case is where it
differs from the untouched picture: the greatest absolute difference of the three colours (0..255), smoothed by a Gaussian of σ = 3 px,
above 10, before any encoding. Nine in ten pairs differ by less than that in their backgrounds, by compression alone. Points are (x, y)
and boxes (x0, y0, x1, y1), ends exclusive, in pixels of the crop.

- *Pointing game* (Zhang et al., "Top-down Neural Attention by Excitation Backprop", IJCV 2018, arXiv 1608.00507, §4.1): a hit when the
  point lies in the true area. The paper allows 15 px beside it; here nothing (0 px).
- *IoU* of a box and the true one: the window of a partial swap, the bounding box of the true area of a whole one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.evidence import Box
from attribution.lab.data import Row, decode
from attribution.lab.forge.augment import LAB_JPEG_QUALITY, jpeg
from attribution.lab.forge.mfs import UNSEEN_BLEND, WINDOW_SIZES
from attribution.lab.forge.unseen import partial_swap
from attribution.lab.measure import metrics

TITLE = "Localisation"
PARTIAL, UNSEEN, LARGE, WHOLE = "partial swaps", "partial swaps, unseen blend", "partial swaps, large windows", "whole swaps"
HEATMAP, BOXES, SHOWN = "heatmap", "boxes", "boxes shown"
CENTRE, CONSTANT_POINT, CONSTANT_BOX = "crop centre", "best constant point", "best constant box"
COLUMNS = ("cases", "by", "faces", "hits", "hits low", "hits high", "IoU", "IoU low", "IoU high")
AREA_THRESHOLD = 10.0
AREA_SIGMA_PX = 3.0
HEATMAP_BOX_SHARE = 0.5
# Partial swaps through the largest window apart: it leaves little of the face out, so that its centre is nearly always in it.
_WINDOWS, _LARGE_WINDOWS = WINDOW_SIZES[:2], WINDOW_SIZES[2:3]
_MADE = ((PARTIAL, None, _WINDOWS), (UNSEEN, UNSEEN_BLEND, _WINDOWS), (LARGE, None, _LARGE_WINDOWS))
_GRID_STEPS = 16
_Cells = tuple[str | float | int | None, ...]
_SEED = 224168
_NOTE = (
    "Forgeries made from the test clips' aligned pairs, one a clip; partial: one window of 40×80 or 80×120 px (large: 120×160 px) of the "
    "swap in the untouched face of 224 px, encoded as JPEG once, as the crops were; unseen blend: the same in a Laplacian pyramid, which "
    "is in no training; whole: the clip's own swap. Hits: the pointing game, the share of points inside of the true area (0 px tolerance): "
    "the heatmap's maximum, the centre of the surest box. IoU: mean overlap with the true box (the window; the bounding box of the area): "
    "of the part of the heatmap above half of its maximum around that maximum, of the surest box. Boxes: the surest one smaller than the "
    "crop, however unsure; boxes shown: the surest that the app would show, or the whole crop where it shows no smaller one. No point or "
    "no box is a miss, and an IoU of 0. Heatmaps explain the detector's likeliest manipulated label. Constant answers are the best ones "
    "for the validation cases of the same row. 95 % bootstrap intervals over clips."
)


@dataclass(frozen=True)
class Case:
    """A forgery of known area: `crop` S×S×3 uint8 as a detector gets it, `area` S×S boolean, the true `box`, `group` its clip."""

    crop: np.ndarray
    area: np.ndarray
    box: Box
    group: str


@dataclass(frozen=True)
class Answer:
    """Where somebody points, and the box they draw; None where they do not. `draws` is false for those who can draw no box at all."""

    point: tuple[float, float] | None
    box: Box | None
    draws: bool = True


def true_area(untouched: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Where two S×S×3 uint8 pictures differ, as S×S boolean (rule: see above)."""
    greatest = cv2.absdiff(untouched, case).max(2).astype(np.float32)
    return cv2.GaussianBlur(greatest, (0, 0), AREA_SIGMA_PX) > AREA_THRESHOLD


def bounding_box(area: np.ndarray) -> Box | None:
    """The smallest box around the true values of an S×S boolean area; None where there are none."""
    x, y, width, height = cv2.boundingRect(area.astype(np.uint8))
    return (float(x), float(y), float(x + width), float(y + height)) if width else None


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1; 0 for boxes without area."""
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(across, 0.0) * max(down, 0.0)
    union = sum(max(one[2] - one[0], 0.0) * max(one[3] - one[1], 0.0) for one in (a, b)) - both
    return both / union if both > 0 else 0.0


def points_into(area: np.ndarray, point: tuple[float, float] | None) -> bool:
    """Whether (x, y) falls on a true pixel of S×S; a point outside of the picture, or none, does not."""
    if point is None:
        return False
    column, row = int(np.floor(point[0])), int(np.floor(point[1]))
    return 0 <= row < area.shape[0] and 0 <= column < area.shape[1] and bool(area[row, column])


def heatmap_answer(values: np.ndarray) -> Answer:
    """The maximum of an S×S heatmap of at least 0, and the box around that part of {value ≥ half of the maximum} which holds it.

    Magnified maps are flat near the borders: of equal maxima that touch each other the point is the middle one. A map of zeros speaks for
    nothing, and points nowhere.
    """
    top = float(values.max())
    if not top > 0:
        return Answer(None, None)
    first = np.unravel_index(int(values.argmax()), values.shape)
    highest = _piece(values >= top, first)
    rows, columns = np.nonzero(highest)
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    point = (float(columns[nearest]), float(rows[nearest]))
    return Answer(point, bounding_box(_piece(values >= HEATMAP_BOX_SHARE * top, first)))


def _piece(area: np.ndarray, place: Sequence[np.intp | int]) -> np.ndarray:
    """The connected part (8 neighbours) of a boolean area that holds `place` (row, column)."""
    _, pieces = cv2.connectedComponents(area.astype(np.uint8), connectivity=8)
    return pieces == pieces[place[0], place[1]]


def box_answer(box: Box | None) -> Answer:
    """A box, and its centre as the point; nothing for None."""
    return Answer(None if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), box)


def constant_answers(cases: Sequence[Case]) -> dict[str, Answer]:
    """The answers that need no picture: the crop's centre, the pixel that lies in the most areas of `cases` (none: the centre), and the box
    on a grid of a sixteenth of the side with the greatest mean IoU, with its centre as the point."""
    side = cases[0].area.shape[0]
    centre = (side / 2, side / 2)
    share = np.mean([case.area for case in cases], axis=0)
    rows, columns = np.nonzero(share >= share.max())
    nearest = int(np.argmin((rows + 0.5 - centre[1]) ** 2 + (columns + 0.5 - centre[0]) ** 2))
    edges = np.linspace(0, side, _GRID_STEPS + 1)
    starts, ends = np.triu_indices(_GRID_STEPS + 1, 1)
    lows, highs = edges[starts], edges[ends]
    total = np.zeros((len(lows), len(lows)))
    for case in cases:
        # Boxes of the grid are pairs of intervals: rows of `total` are those across, columns those down.
        x0, y0, x1, y1 = case.box
        across, down = (np.clip(np.minimum(highs, end) - np.maximum(lows, start), 0, None) for start, end in ((x0, x1), (y0, y1)))
        both = across[:, None] * down[None]
        total += both / ((highs - lows)[:, None] * (highs - lows)[None] + (x1 - x0) * (y1 - y0) - both)
    i, j = np.unravel_index(int(total.argmax()), total.shape)
    return {
        CENTRE: Answer(centre, None, draws=False),
        CONSTANT_POINT: Answer((float(columns[nearest]), float(rows[nearest])), None, draws=False),
        CONSTANT_BOX: box_answer((float(lows[i]), float(lows[j]), float(highs[i]), float(highs[j]))),
    }


def localisation_rows(name: str, by: str, cases: Sequence[Case], answers: Sequence[Answer]) -> tuple[_Cells, ...]:
    """One row of the table: the answers, aligned with the cases, against their areas and boxes; no row without a case."""
    if len(cases) != len(answers):
        raise ValueError("there must be one answer for each case")
    if not cases:
        return ()
    groups = [case.group for case in cases]
    hits = np.array([points_into(case.area, one.point) for case, one in zip(cases, answers, strict=True)], float)
    figures: list[float | None] = _with_interval(hits, groups)
    if all(one.draws for one in answers):
        ious = [overlap(case.box, one.box) if one.box else 0.0 for case, one in zip(cases, answers, strict=True)]
        figures += _with_interval(np.array(ious), groups)
    else:
        figures += [None] * 3
    return ((name, by, len(cases), *figures),)


def _with_interval(values: np.ndarray, groups: Sequence[str]) -> list[float | None]:
    return list(metrics.estimate(lambda drawn: float(values[drawn].mean()), groups))


def localisation_table(
    cases: Mapping[str, Sequence[Case]],
    constants: Mapping[str, Mapping[str, Answer]],
    answers: Mapping[str, Mapping[str, Sequence[Answer]]],
) -> MeasuredTable:
    """The table of one detector. For each name of `cases`: its `answers` (by HEATMAP, BOXES), then the `constants`, the same for all."""
    rows: list[_Cells] = []
    for name, some in cases.items():
        for by, given in answers[name].items():
            rows += localisation_rows(name, by, some, given)
        for by, one in constants.get(name, {}).items():
            rows += localisation_rows(name, by, some, [one] * len(some))
    return MeasuredTable(TITLE, COLUMNS, tuple(rows), _NOTE)


def localisation_cases(data: Path, rows: Sequence[Row], work: Path, split: str) -> dict[str, list[Case]]:
    """The seeded cases of `split`: partial swaps (Poisson or alpha), the same blended in a pyramid, larger ones, and whole swaps, all
    from one pair of each clip. A case whose area is empty by the rule above is left out."""
    own = [row for row in rows if row.split == split]
    pictures = decode(data, own, work / f"{split}.npy")
    place = {row.path: index for index, row in enumerate(own)}
    pairs = [index for index, row in enumerate(own) if row.pair in place]
    order = np.random.default_rng(_SEED).permutation(pairs).tolist()
    one_a_clip = sorted({own[index].group: index for index in order}.values())
    cases: dict[str, list[Case]] = {PARTIAL: [], UNSEEN: [], LARGE: [], WHOLE: []}
    for index in one_a_clip:
        row = own[index]
        fake, real = np.array(pictures[index]), np.array(pictures[place[row.pair]])
        area = true_area(real, fake)
        box = bounding_box(area)
        if box is not None:
            cases[WHOLE].append(Case(fake, area, box, row.group))
        for name, blend, windows in _MADE:
            made = partial_swap(real, fake, row.landmarks, (_SEED, index), blend, windows)
            area = None if made is None else true_area(real, made.rgb)
            if made is not None and area is not None and area.any():
                x0, y0, x1, y1 = (made.boxes[1] * len(area)).tolist()
                cases[name].append(Case(jpeg(made.rgb, LAB_JPEG_QUALITY), area, (x0, y0, x1, y1), row.group))
    return cases
