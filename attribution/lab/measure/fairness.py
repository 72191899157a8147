"""Error rates of the whole verdict by apparent lightness of the face and by face size, over the faces of "Verdicts on …". Lightness
is what the camera recorded (skin, light and exposure together), not a property of the person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.evidence import TrackEvidence
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.pools import Samples
from attribution.lab.measure.predictions import SplitPredictions
from attribution.lab.tables import Row, table

QUARTERS = ("darkest quarter", "second darkest quarter", "second lightest quarter", "lightest quarter")
SIZES = ("under 90 px", "90–150 px", "150–300 px", "over 300 px")
# The crop rule puts brows, nose and mouth here; hair, background and neck lie outside.
CENTRE = (0.2, 0.8)
LEAST_PER_HALF, DRAWS = 5, 4000


class JudgedFaces(NamedTuple):
    """The judged faces of one split, N each: `lightness` 0..100, `side_px` in the original picture, `states` of the verdicts."""

    split: str
    lightness: np.ndarray
    side_px: np.ndarray
    untouched: np.ndarray
    sources: np.ndarray
    states: np.ndarray

    @property
    def accused(self) -> np.ndarray:
        """Called manipulated, N boolean."""
        return self.states == "manipulated"

    @property
    def cleared(self) -> np.ndarray:
        """Passed as no manipulation found, N boolean."""
        return self.states == "no_manipulation_found"


def lightness_of(crop: np.ndarray) -> float:
    """Apparent lightness, 0 to 100: mean CIELAB L* (CIE 15:2004, sRGB, D65) of the middle 60 % of a crop S×S×3 uint8 RGB."""
    (top, bottom), (left, right) = ((round(side * CENTRE[0]), round(side * CENTRE[1])) for side in crop.shape[:2])
    centre = np.ascontiguousarray(crop[top:bottom, left:right], np.float32) / 255
    return float(cv2.cvtColor(centre, cv2.COLOR_RGB2LAB)[..., 0].mean())


def judged_faces(
    split: str, samples: Samples, found: SplitPredictions, judged: Sequence[TrackEvidence], side_px: np.ndarray
) -> JudgedFaces:
    """What the tables below need of one split; ValueError when the arguments are not aligned with `samples`."""
    if not len(samples) == len(found.families) == len(judged) == len(side_px):
        raise ValueError("samples, predictions, verdicts and sides must be aligned")
    return JudgedFaces(
        split,
        np.array([lightness_of(np.asarray(samples.picture(index))) for index in range(len(samples))]),
        np.asarray(side_px, float),
        np.asarray(found.families) == REAL,
        np.asarray(found.sources),
        np.array([one.verdict.state for one in judged], dtype=object),
    )


def _group_row(faces: JudgedFaces, name: str, mine: np.ndarray) -> Row:
    accused, cleared = faces.accused[mine & faces.untouched], faces.cleared[mine & ~faces.untouched]
    undecided = metrics.share(~(faces.accused | faces.cleared)[mine])[0]
    return faces.split, name, len(accused), *metrics.share(accused), len(cleared), *metrics.share(cleared), undecided


def lightness_table(splits: Sequence[JudgedFaces]) -> MeasuredTable:
    """Error rates by quarters of lightness: quartiles of the split's untouched faces; none, no rows."""
    rows, borders = [], []
    for faces in splits:
        if not faces.untouched.any():
            continue
        edges = np.percentile(faces.lightness[faces.untouched], (25, 50, 75))
        borders.append(f"{faces.split}: {', '.join(f'{edge:.0f}' for edge in edges)}")
        place = np.searchsorted(edges, faces.lightness, side="right")
        rows += [_group_row(faces, name, place == number) for number, name in enumerate(QUARTERS)]
    return table("lightness", rows, borders="; ".join(borders) or "none")


def size_table(splits: Sequence[JudgedFaces]) -> MeasuredTable:
    """Error rates by the side of the face crop in the original picture."""
    rows = []
    for faces in splits:
        side = faces.side_px
        groups = (side < 90, (side >= 90) & (side < 150), (side >= 150) & (side <= 300), side > 300)
        rows += [_group_row(faces, name, mine) for name, mine in zip(SIZES, groups, strict=True)]
    return table("size", rows)


def within_sources_table(splits: Sequence[JudgedFaces], seed: int = 0) -> MeasuredTable:
    """The mean over sources of (error in the darker half − error in the lighter half), halves by the source's median lightness, with a
    bootstrap interval (`DRAWS` draws) over the faces of each half."""
    rows = []
    for faces in splits:
        random = np.random.default_rng(seed)
        kinds = (
            ("accused", faces.untouched, faces.accused),
            ("cleared", ~faces.untouched, faces.cleared),
            ("inconclusive", np.ones(len(faces.states), bool), ~(faces.accused | faces.cleared)),
        )
        for figure, among, event in kinds:
            halves = _halves(faces, among)
            count = sum(len(darker) + len(lighter) for darker, lighter in halves)
            rows.append((faces.split, figure, len(halves), count, *_mean_difference(halves, event, random)))
    return table("lightness_within_sources", rows, least_per_half=LEAST_PER_HALF)


def _halves(faces: JudgedFaces, among: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per source (untouched and manipulated apart) the indices of its darker and of its lighter half."""
    halves = []
    for untouched, source in sorted(set(zip(faces.untouched[among].tolist(), faces.sources[among].tolist(), strict=True))):
        mine = np.flatnonzero(among & (faces.untouched == untouched) & (faces.sources == source))
        lighter = faces.lightness[mine] >= np.median(faces.lightness[mine])
        if min(lighter.sum(), (~lighter).sum()) >= LEAST_PER_HALF:
            halves.append((mine[~lighter], mine[lighter]))
    return halves


def _mean_difference(halves: Sequence[tuple[np.ndarray, np.ndarray]], event: np.ndarray, random: np.random.Generator) -> metrics.Estimate:
    if not halves:
        return metrics.NOT_MEASURED
    sizes = np.array([[len(darker), len(lighter)] for darker, lighter in halves])
    shares = np.array([[event[darker].mean(), event[lighter].mean()] for darker, lighter in halves])
    difference = float((shares[:, 0] - shares[:, 1]).mean())
    if not shares.any():
        return round(difference, 3), None, None  # type: ignore[return-value]
    # Faces drawn with replacement from a half: the number of errors among them is binomial.
    drawn = random.binomial(sizes, shares, (DRAWS, *sizes.shape)) / sizes
    return metrics.cells(difference, *metrics.interval((drawn[..., 0] - drawn[..., 1]).mean(1)))  # type: ignore[return-value]
