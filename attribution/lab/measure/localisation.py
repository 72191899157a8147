"""Where was it manipulated? Points and boxes of detectors against areas that are known, and the confidence from which the app shows a box.

Cases are forgeries made from pixel-aligned pairs of an untouched face and its swap, one pair a clip. The true area of a case is where the
greatest difference of the three colours (0..255), smoothed by a Gaussian of σ = 3 px, is above 10, before any encoding: nine in ten pairs
differ by less in their backgrounds. Points are (x, y) and boxes (x0, y0, x1, y1), ends exclusive, in pixels of the crop. The pointing game
is that of Zhang et al. (IJCV 2018, arXiv 1608.00507, §4.1), who allow 15 px beside the area; here nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression

from attribution.detectors.card import ArtifactRule, Cell, MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.evidence import Box
from attribution.explain.artifacts import calibrated, find_artifacts, localises, read_boxes
from attribution.explain.gradcam import grad_cam_of_the_package, grad_cam_through_the_head
from attribution.lab import metrics
from attribution.lab.data import REAL, Row, decode
from attribution.lab.forge.augment import LAB_JPEG_QUALITY, jpeg
from attribution.lab.forge.mfs import UNSEEN_BLEND, WINDOW_SIZES
from attribution.lab.forge.pools import Samples
from attribution.lab.forge.unseen import partial_swap
from attribution.lab.measure.predictions import of_methods, p_manipulated
from attribution.lab.tables import table
from attribution.models.caddm import WHOLE_CROP_ANCHORS
from attribution.models.explained import explained
from attribution.verdict.ensemble import reads_mirrored

PARTIAL, UNSEEN, LARGE, WHOLE = "partial swaps", "partial swaps, unseen blend", "partial swaps, large windows", "whole swaps"
HEATMAP, BOXES, SHOWN = "heatmap", "boxes", "boxes shown"
CENTRE, CONSTANT_POINT, CONSTANT_BOX = "crop centre", "best constant point", "best constant box"
# Partial swaps through the largest window apart: it leaves little of the face out, so that its centre is nearly always in it.
_MADE = ((PARTIAL, None, WINDOW_SIZES[:2]), (UNSEEN, UNSEEN_BLEND, WINDOW_SIZES[:2]), (LARGE, None, WINDOW_SIZES[2:3]))
_GRID_STEPS, _BATCH, _SEED = 16, 16, 224168
# At most this share of untouched validation faces may be shown with a box smaller than the crop (mean over collections). The confidence
# stands beside each box, and is calibrated; with 5 % half of the partial swaps of small windows had no box.
FALSE_BOXES, LEAST_SLOPE = 0.15, 0.01
# The app's threshold is one of these; the table shows every tenth.
CONFIDENCES = tuple(round(0.01 * step, 2) for step in range(5, 100))
Look = Callable[[Predictor, np.ndarray, ArtifactRule], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A forgery of known area: `crop` S×S×3 uint8, `area` S×S boolean, the true `box`, `group` its clip."""

    crop: np.ndarray
    area: np.ndarray
    box: Box
    group: str


@dataclass(frozen=True)
class Answer:
    """Where somebody points, and the box they draw (None: nothing); `draws` is false for those who can draw no box."""

    point: tuple[float, float] | None
    box: Box | None
    draws: bool = True


def true_area(untouched: np.ndarray, case: np.ndarray) -> np.ndarray:
    """Where two S×S×3 uint8 pictures differ, as S×S boolean (rule: see above)."""
    greatest = cv2.absdiff(untouched, case).max(2).astype(np.float32)
    return cv2.GaussianBlur(greatest, (0, 0), 3.0) > 10.0


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
    """Whether (x, y) falls on a true pixel of S×S; None and points outside do not."""
    column, row = (-1, -1) if point is None else (int(np.floor(edge)) for edge in point)
    return 0 <= row < area.shape[0] and 0 <= column < area.shape[1] and bool(area[row, column])


def heatmap_answer(values: np.ndarray) -> Answer:
    """The maximum of an S×S heatmap (of equal maxima that touch: the middle one), and the box around the part of {value ≥ half of it} that
    holds it; nothing for a map of zeros."""
    top = float(values.max())
    if not top > 0:
        return Answer(None, None)
    first = np.unravel_index(int(values.argmax()), values.shape)
    rows, columns = np.nonzero(_piece(values >= top, first))
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    point = (float(columns[nearest]), float(rows[nearest]))
    return Answer(point, bounding_box(_piece(values >= 0.5 * top, first)))


def _piece(area: np.ndarray, place: Sequence[np.intp | int]) -> np.ndarray:
    """The connected part (8 neighbours) of a boolean area that holds `place` (row, column)."""
    _, pieces = cv2.connectedComponents(area.astype(np.uint8), connectivity=8)
    return pieces == pieces[place[0], place[1]]


def box_answer(box: Box | None) -> Answer:
    """A box, and its centre as the point; nothing for None."""
    return Answer(None if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), box)


def constant_answers(cases: Sequence[Case]) -> dict[str, Answer]:
    """Answers without a look: the crop's centre, the pixel in the most areas, the box (on a grid of side / 16) of greatest mean IoU."""
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


def localisation_rows(name: str, by: str, cases: Sequence[Case], answers: Sequence[Answer]) -> tuple[tuple[Cell, ...], ...]:
    """The row of answers, aligned with the cases, against their areas and boxes; none without a case."""
    if len(cases) != len(answers):
        raise ValueError("there must be one answer for each case")
    if not cases:
        return ()
    groups = [case.group for case in cases]
    hits = np.array([points_into(case.area, one.point) for case, one in zip(cases, answers, strict=True)], float)
    ious = np.array([overlap(case.box, one.box) if one.box else 0.0 for case, one in zip(cases, answers, strict=True)])
    rows = [metrics.estimate(lambda drawn, of=of: float(of[drawn].mean()), groups) for of in (hits, ious)]
    return ((name, by, len(cases), *rows[0], *(rows[1] if all(one.draws for one in answers) else metrics.NOT_MEASURED)),)


def localisation_table(
    cases: Mapping[str, Sequence[Case]], constants: Mapping[str, Mapping[str, Answer]], answers: Mapping[str, Mapping[str, list[Answer]]]
) -> MeasuredTable:
    """One detector's table. For each name of `cases`: its `answers` (by HEATMAP, BOXES), then the `constants`, the same for all."""
    rows: list[tuple[Cell, ...]] = []
    for name, some in cases.items():
        same = {by: [one] * len(some) for by, one in constants.get(name, {}).items()}
        rows += [row for by, given in (*answers[name].items(), *same.items()) for row in localisation_rows(name, by, some, given)]
    return table("localisation", rows)


def localisation_cases(rows: Sequence[Row], work: Path, split: str) -> dict[str, list[Case]]:
    """The seeded cases of `split`: partial swaps of three kinds and whole swaps, one pair a clip; empty areas left out."""
    own = [row for row in rows if row.split == split]
    pictures = decode(own, work / f"{split}.npy")
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


def answers_of(predictor: Predictor, cases: Sequence[Case]) -> Mapping[str, list[Answer]]:
    """A detector's answers: by heatmaps of the likeliest manipulated label, and by its boxes where it localises."""
    side = predictor.card.crop.side_px
    if any(case.crop.shape[0] != side for case in cases):
        raise LabError(f"{predictor.info.name} reads crops of {side} px; the cases have another size.", "Leave it out.")
    quick = explained(predictor.model, predictor.detector.architecture).is_feature_map
    grad_cam = grad_cam_through_the_head if quick else grad_cam_of_the_package
    manipulated = np.array([family != REAL for family in predictor.info.families])
    found: dict[str, list[Answer]] = {HEATMAP: []}
    if localises(predictor):
        found |= {BOXES: [], SHOWN: []}
    for first in range(0, len(cases), _BATCH):
        crops = np.stack([case.crop for case in cases[first : first + _BATCH]])
        p = predictor.read(crops, mirrored=reads_mirrored(predictor, "picture")).p_methods
        likeliest = np.where(manipulated, p, -1).argmax(1)
        found[HEATMAP] += [heatmap_answer(values) for values in grad_cam(predictor, crops, likeliest.tolist())]
        if BOXES in found:
            found[BOXES] += [box_answer((x0, y0, x1, y1)) for x0, y0, x1, y1 in surest(predictor, crops)[1].tolist()]
            found[SHOWN] += [box_answer(boxes[0].box if boxes else None) for boxes in find_artifacts(predictor, crops)]
    return found


def surest(predictor: Predictor, crops: np.ndarray, rule: ArtifactRule | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The confidence (N; calibrated by `rule`) and the edges (N×4, px) of each crop's surest box that is smaller than the crop."""
    confidences, boxes = read_boxes(predictor, crops)
    local = (confidences if rule is None else calibrated(confidences, rule))[:, :-WHOLE_CROP_ANCHORS].numpy()
    rows, best = np.arange(len(local)), local.argmax(1)
    return local[rows, best], boxes.numpy()[rows, best] * crops.shape[1]


def shown(predictor: Predictor, crops: np.ndarray, rule: ArtifactRule) -> tuple[np.ndarray, np.ndarray]:
    """As `surest`, but 0 for faces that the detector itself clears: the app shows no box there."""
    confidence, boxes = surest(predictor, crops, rule)
    p = p_manipulated(predictor.read(crops, mirrored=True).p_methods, predictor.info)
    return np.where(p > predictor.card.thresholds.p_manipulated_below, confidence, 0.0), boxes


def choose_rule(predictor: Predictor, rows: Sequence[Row], work: Path, val: Samples) -> ArtifactRule:
    """`fit_rule` on validation faces; then the least of CONFIDENCES from which at most FALSE_BOXES of untouched ones (mean over
    collections) have a box; else the highest."""
    untouched = of_methods(val, (REAL,))
    sources = np.array(val.sources)[untouched]
    crops = np.stack([val.encoded(int(index)) for index in untouched])
    raw = ArtifactRule(0.0)
    rule = fit_rule(surest(predictor, crops, raw)[0], *_on_swaps(predictor, rows, work, "val", (PARTIAL, LARGE), raw, surest))
    false, _ = shown(predictor, crops, rule)
    by_source = [false[sources == one] for one in sorted(set(sources.tolist()))]
    few = (least for least in CONFIDENCES if np.mean([(own >= least).mean() for own in by_source]) <= FALSE_BOXES)
    return replace(rule, min_confidence=next(few, CONFIDENCES[-1]))


def fit_rule(false: np.ndarray, found: np.ndarray, hits: np.ndarray) -> ArtifactRule:
    """Slope and offset by logistic regression (right: the box's centre lies in the true area) from confidences of the surest boxes of
    untouched faces (`false`) and of partially swapped ones (`found`, `hits`), alike in weight. With nothing to fit they stay as they are,
    and that is printed."""
    raw = ArtifactRule(0.0)
    right = np.concatenate([np.zeros(len(false), bool), hits])
    if len(np.unique(right)) < 2:
        what = "every box is right" if right.any() else "no box is right"
        print(f"On the {len(right)} validation faces {what}: there is nothing to fit, so the boxes keep the confidence that they have.")
        return raw
    z = np.log(np.concatenate([false, found])) - np.log1p(-np.concatenate([false, found]))
    weights = np.concatenate([np.full(len(kind), len(right) / 2 / len(kind)) for kind in (false, found) if len(kind)])
    model = LogisticRegression(C=1e3).fit(z[:, None], right, weights)
    # Boxes that know nothing may come out the less often right the surer they are: then no confidence is worth more than another.
    slope = max(float(model.coef_[0, 0]), LEAST_SLOPE)
    return replace(raw, slope=round(slope, 4), offset=round(float(model.intercept_[0]), 4))


def _on_swaps(
    predictor: Predictor, rows: Sequence[Row], work: Path, split: str, names: Sequence[str], rule: ArtifactRule, look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of each partial swap's surest box by `look`, and whether its centre lies in the true area."""
    made = localisation_cases(rows, work, split)
    cases: list[Case] = [case for name in names for case in made[name]]
    if not cases:
        raise LabError(
            f"There are no partial swaps of {split} faces.", "Use the labelled faces whose manifest names the pair of each swap."
        )
    found, boxes = look(predictor, np.stack([case.crop for case in cases]), rule)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return found, np.array([points_into(case.area, (float(x), float(y))) for case, (x, y) in zip(cases, centres, strict=True)])


def confidence_table(predictor: Predictor, manifest: Sequence[Row], work: Path, test: Samples, rule: ArtifactRule) -> MeasuredTable:
    """What each confidence is worth on test faces, by the card's `rule`."""
    false, _ = shown(predictor, np.stack([test.encoded(int(index)) for index in of_methods(test, (REAL,))]), rule)
    found, hits = _on_swaps(predictor, manifest, work, "test", (PARTIAL, UNSEEN, LARGE), rule, shown)
    steps = [round(0.1 * step, 1) for step in range(1, 10)]
    rows = [(one, *(cell for part in (false >= one, found >= one, hits[found >= one]) for cell in metrics.share(part))) for one in steps]
    calibration = (
        "The confidence is the network's own: on validation faces all boxes were right or all were wrong, nothing to calibrate on."
        if (rule.slope, rule.offset) == (1.0, 0.0)
        else "The confidence was calibrated on validation faces, as many untouched as partially swapped "
        f"(slope {rule.slope:.3g}, offset {rule.offset:.3g} on the logit)."
    )
    return table("boxes_by_confidence", rows, calibration=calibration, least=rule.min_confidence, most=FALSE_BOXES)
