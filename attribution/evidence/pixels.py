"""Evidence that carries pixels and arrays. It lives only in memory: the JSON carries numbers and words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np

from attribution.evidence import checks
from attribution.evidence.checks import Box, Checked, NotNegative, Probability, need

LEAST_P_FACE = 0.88
"""Below this a region is not clearly a face, and is not judged."""
LONGEST_UNSEEN_SECONDS = 5.0
"""For how long a face may be in sight without being looked at before nobody can say that it was never manipulated."""


@dataclass(frozen=True, repr=False)
class Frame(Checked):
    """A sampled frame at the bounded size that detection uses.

    `rgb` H×W×3 uint8; `scale` = original pixels per pixel of `rgb` (≥ 1 when it was scaled down); `index` counts the sampled frames
    from 0; `seconds` is the presentation time (0.0 for a picture). A clip whose picture changes its size is as large as its largest frame,
    and original pixels are those of that: a frame has `density` pixels of its own for each of them.
    """

    index: int
    seconds: float
    rgb: np.ndarray
    scale: float
    density: float = 1.0

    def check(self) -> None:
        need(self.scale > 0 and self.density > 0, f"Frame.scale = {self.scale!r}, Frame.density = {self.density!r}")
        checks.picture("Frame.rgb", self.rgb)


@dataclass(frozen=True, repr=False)
class Face(Checked):
    """One face in one frame, or all of a frame as a detector of whole pictures sees it. `landmarks` is 5×2: left eye, right eye, nose,
    mouth left, mouth right (as seen in the picture); they and `p_face`, how surely it is a face, are None of a whole frame.

    `crop` is the square S×S×3 uint8 that the detector sees, cut from the full-resolution picture at `crop_box`, which is a square but for
    whole frames; `crop_side_px` is its shorter side in pixels of its frame, which has `density` for each original pixel (how much real
    detail there is).
    `sharpness` is the variance of the Laplacian of the crop's luma, `brightness` its mean luma in 0..255. `resolved_px` is how many pixels
    across would hold the detail of the crop, `screened` how much of a printed screen it shows, as a multiple of the most that photographs
    have; None where that was not measured.
    """

    frame_index: int
    seconds: float
    box: Box
    landmarks: np.ndarray | None
    p_face: Probability | None
    crop_box: Box
    crop: np.ndarray
    sharpness: NotNegative
    brightness: Annotated[float, 0, 255.01]
    density: float = 1.0
    resolved_px: NotNegative | None = None
    screened: NotNegative | None = None

    def check(self) -> None:
        need((self.landmarks is None) == (self.p_face is None), "a face without landmarks, or landmarks without a face")
        if self.landmarks is not None:
            need(self.landmarks.shape == (5, 2), "Face.landmarks must be 5×2")
            need(bool(np.isfinite(self.landmarks).all()), "Face.landmarks that are not finite")
        checks.picture("Face.crop", self.crop)
        need(self.crop.shape[0] == self.crop.shape[1], "a crop that is not square")

    @property
    def crop_side_px(self) -> float:
        return self.density * min(self.crop_box[2] - self.crop_box[0], self.crop_box[3] - self.crop_box[1])

    @property
    def detail_px(self) -> float:
        """Pixels of true detail across the crop: no more than are stored."""
        return self.crop_side_px if self.resolved_px is None else min(self.crop_side_px, self.resolved_px)

    @property
    def detail(self) -> tuple[int, float]:
        """How much real detail there is, to be compared: the size of the crop, sharpness breaking ties."""
        return round(self.crop_side_px), self.sharpness


@dataclass(frozen=True, repr=False)
class Track(Checked):
    """One identity over time: its faces in order of time. A picture gives tracks of one face.

    `unseen_seconds` says how long the face may have been in sight without being looked at: before the first of its N faces, between two of
    them and after the last, N + 1 values; empty where all of it lies between its faces. `step_seconds` is the usual time between two faces
    as they were chosen first, before some moments were looked at more closely; None where none were.
    """

    id: int
    faces: tuple[Face, ...]
    unseen_seconds: tuple[float, ...] = ()
    step_seconds: float | None = None

    def check(self) -> None:
        need(len(self.faces) > 0, "a track without faces")
        times = [face.seconds for face in self.faces]
        need(times == sorted(times), "a track whose faces are not in order of time")
        need(len(self.unseen_seconds) in (0, len(times) + 1), "a track without a time before, between and after its faces")

    def longest_unseen(self, chosen: Sequence[int] | None = None) -> float:
        """The longest of these times in seconds; where only the `chosen` faces (indices, ascending) count, of those between them."""
        times = [face.seconds for face in self.faces]
        unseen = self.unseen_seconds or (0.0, *(other - one for one, other in pairwise(times)), 0.0)
        ends = [-1, *(range(len(times)) if chosen is None else chosen), len(times)]
        return max(sum(unseen[one + 1 : other + 1]) for one, other in pairwise(ends))

    @property
    def best(self) -> Face:
        """The face with the most real detail: the largest crop, sharpness breaking ties."""
        return max(self.faces, key=lambda face: face.detail)


@dataclass(frozen=True, repr=False)
class Predictions(Checked):
    """What a detector says of N faces, aligned with them. `logits` N×K (uncalibrated), `p_methods` N×K (calibrated, rows sum to 1),
    `embeddings` N×D (each row of unit length)."""

    logits: np.ndarray
    p_methods: np.ndarray
    embeddings: np.ndarray

    def check(self) -> None:
        need(self.logits.ndim == 2 and self.logits.shape == self.p_methods.shape, "logits and p_methods differ in shape")
        need(self.embeddings.ndim == 2 and len(self.embeddings) == len(self.logits), "embeddings are not aligned with logits")
        arrays = (self.logits, self.p_methods, self.embeddings)
        need(all(bool(np.isfinite(array).all()) for array in arrays), "predictions that are not finite")
        if len(self.p_methods):
            need(bool(self.p_methods.min() >= -1e-6), "a probability below 0")
            need(bool(np.abs(self.p_methods.sum(1) - 1).max() < 1e-3), "p_methods must sum to 1")

    def take(self, rows: slice | list[int]) -> "Predictions":
        """The predictions of these faces."""
        return Predictions(self.logits[rows], self.p_methods[rows], self.embeddings[rows])


@dataclass(frozen=True, repr=False)
class Heatmap(Checked):
    """Where the network looked for one class on one face. `values` is S×S float32 in [0, 1], aligned with the crop.

    Faithfulness by deletion (Petsiuk et al. 2018, RISE): `drop_hot` is how much p(class) falls when the hottest fifth of the crop is
    blurred away, `drop_random` the mean fall for equally large random areas. A probability near 1 hardly falls whatever is hidden, so what
    counts is the log-odds, log p − log(1 − p) (natural): `fall_hot` is how far they fall for the hottest fifth, `falls_random` for each
    random area; of the crop as it is they are `log_odds`.
    """

    label: str
    values: np.ndarray
    p_label: Probability
    drop_hot: Annotated[float, -1.00001, 1.00001]
    drop_random: Annotated[float, -1.00001, 1.00001]
    log_odds: float
    fall_hot: float
    falls_random: tuple[float, ...]

    def check(self) -> None:
        need(len(self.falls_random) > 1, "a deletion test without areas to compare with")
        need(self.values.ndim == 2 and self.values.size > 0 and bool(np.isfinite(self.values).all()), "a heatmap that is not finite")
        need(float(self.values.min()) >= -1e-5 and float(self.values.max()) <= 1 + 1e-5, "a heatmap outside [0, 1]")

    @property
    def faithful(self) -> str:
        """`yes`, `weakly` or `no`: whether the hottest fifth carries the answer more than other areas of its size do.

        `yes` where hiding it at least halves the odds and they fall by at least two standard deviations more than the mean of the random
        areas; `weakly` from a fall by a sixth and one standard deviation on; `no` otherwise. docs/design.md has what that
        gives on test faces.
        """
        falls = np.array(self.falls_random)
        beyond = (self.fall_hot - falls.mean()) / max(float(falls.std(ddof=1)), 1e-9)
        if self.fall_hot < math.log(1.2) or beyond < 1:
            return "no"
        return "yes" if self.fall_hot >= math.log(2) and beyond >= 2 else "weakly"

    @property
    def evidence_share(self) -> float:
        """The share of the picture that carries the evidence, in [0, 1]: the participation ratio (Σv)² / (n Σv²) of the n values (Bell and
        Dean 1970, Atomic vibrations in vitreous silica): 1 for an even map, 1/n for a single hot point, 0 for an empty one."""
        values = self.values.astype(np.float64)
        squares = float((values**2).sum()) * values.size
        return min(1.0, float(values.sum()) ** 2 / squares) if squares > 0 else 0.0

    def __repr__(self) -> str:
        return f"Heatmap({self.label!r}, {self.values.shape}, drop {self.drop_hot:.3f} against {self.drop_random:.3f} at random)"
