"""What a card is made of: labels, crop rule, calibration, thresholds, artifact boxes, training, measured tables, probes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from attribution.detectors.card import checks
from attribution.evidence.checks import LABEL_FAMILIES, UNKNOWN_METHOD

Cell = str | float | int | None
RESAMPLINGS = ("lanczos", "bicubic", "bilinear")


@dataclass(frozen=True)
class Label:
    """One class of the head: `source` says where its training faces came from, `architecture` which kind of generator draws such faces
    ("" where that says nothing)."""

    name: str
    display_name: str
    family: str
    description: str = ""
    source: str = ""
    architecture: str = ""

    def __post_init__(self) -> None:
        checks.need(isinstance(self.name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_]{0,39}", self.name) is not None, "a label's name")
        checks.need(self.name != UNKNOWN_METHOD, f"a label called {UNKNOWN_METHOD!r}")
        checks.need(self.family in LABEL_FAMILIES, f"the family of {self.name} must be one of {', '.join(LABEL_FAMILIES)}")
        for what in ("display_name", "description", "source", "architecture"):
            checks.text(f"{self.name}.{what}", getattr(self, what))


@dataclass(frozen=True)
class CropSettings:
    """What the detector sees, resampled to `side_px`×`side_px`.

    With `detector` "mtcnn" a face: a square of side `scale`·h (h = height of MTCNN's box), centred `down`·h below the box's centre. With
    "none" the whole picture: squeezed to a square, or with `short_px` its shorter side at that many pixels and of that the middle.
    """

    detector: str = "mtcnn"
    scale: float = 0.86
    down: float = 0.054
    side_px: int = 224
    resample: str = "lanczos"
    short_px: int | None = None

    def __post_init__(self) -> None:
        checks.need(self.detector in ("mtcnn", "none"), "crop.detector must be 'mtcnn' or 'none'")
        checks.need(self.resample in RESAMPLINGS, f"crop.resample must be one of {', '.join(RESAMPLINGS)}")
        checks.number("crop.scale", self.scale, 0.1, 10)
        checks.number("crop.down", self.down, -2, 2)
        checks.whole("crop.side_px", self.side_px, 32, 1024)
        if self.short_px is not None:
            checks.need(self.detector == "none", "crop.short_px is for whole pictures")
            checks.whole("crop.short_px", self.short_px, self.side_px, 4096)

    @property
    def view(self) -> str:
        """`face` or `picture`."""
        return "face" if self.detector == "mtcnn" else "picture"


@dataclass(frozen=True)
class Calibration:
    """p_methods = softmax(logits / temperature) (Guo et al. 2017). The expected calibration errors were measured on `measured_on`.

    Patches that are read alone have a calibration of their own, for detectors with a patch view: softmax((logits + patch_bias) /
    patch_temperature), `patch_bias` with a value per label, or empty.
    """

    temperature: float = 1.0
    ece_before: float | None = None
    ece_after: float | None = None
    measured_on: str = ""
    patch_bias: tuple[float, ...] = ()
    patch_temperature: float | None = None

    def __post_init__(self) -> None:
        checks.number("calibration.temperature", self.temperature, 0.01, 100)
        if self.patch_temperature is not None:
            checks.number("calibration.patch_temperature", self.patch_temperature, 0.01, 100)
        for one in self.patch_bias:
            checks.number("calibration.patch_bias", one, -100, 100)
        for what in ("ece_before", "ece_after"):
            if getattr(self, what) is not None:
                checks.number(f"calibration.{what}", getattr(self, what), 0, 1)
        checks.text("calibration.measured_on", self.measured_on)


@dataclass(frozen=True)
class Thresholds:
    """When `verdict` may be definite. Set in the lab on validation faces; every one only ever makes an answer more careful.

    `p_manipulated_above`: definitely manipulated at or above; `p_manipulated_below`: no manipulation found at or below.
    `method_min_p`: the least share of the manipulated probability that names a method; `family_min_p`: that names a family.
    `strong_p_manipulated`: from here on a face that is unlike anything known is still called manipulated (method unknown).
    `max_atypicality`: the largest share of validation faces that may lie nearer to their references than this face does.
    `energy_min`: the least negative free energy T·logsumexp(logits / T) of a known method (Liu et al. 2020, eq. 4, with the sign turned
    so that more is more typical), T = `energy_temperature`; None leaves it out.
    `neighbour_veto`: from this share of nearest references that contradict the head on, nothing is definite; None leaves it out.
    `min_crop_side_px`, `min_sharpness`, `min_brightness`, `max_brightness`: what a face needs to be examined at all.
    `min_faces_in_clip`: the fewest examined faces of a track; `min_examined_share`: the least share of a track's faces that must have
    been good enough before no manipulation is found.
    `min_interval_faces`, `min_interval_seconds`: how long a stretch of a clip must last to count as sustained.
    """

    p_manipulated_above: float
    p_manipulated_below: float
    method_min_p: float
    family_min_p: float
    strong_p_manipulated: float = 0.98
    max_atypicality: float = 0.99
    energy_min: float | None = None
    energy_temperature: float = 1.0
    neighbour_veto: float | None = 0.6
    min_crop_side_px: float = 60.0
    min_sharpness: float = 0.0
    min_brightness: float = 0.0
    max_brightness: float = 255.0
    min_faces_in_clip: int = 3
    min_examined_share: float = 0.5
    min_interval_faces: int = 3
    min_interval_seconds: float = 0.5

    def __post_init__(self) -> None:
        shares = ("p_manipulated_above", "p_manipulated_below", "method_min_p", "family_min_p", "strong_p_manipulated")
        for what in (*shares, "max_atypicality", "min_examined_share"):
            checks.number(f"thresholds.{what}", getattr(self, what), 0, 1)
        checks.need(
            self.p_manipulated_below < self.p_manipulated_above, "thresholds.p_manipulated_below must lie under p_manipulated_above"
        )
        checks.need(
            self.strong_p_manipulated >= self.p_manipulated_above, "thresholds.strong_p_manipulated must be at least p_manipulated_above"
        )
        if self.neighbour_veto is not None:
            checks.number("thresholds.neighbour_veto", self.neighbour_veto, 0, 1)
        if self.energy_min is not None:
            checks.number("thresholds.energy_min", self.energy_min)
        checks.number("thresholds.energy_temperature", self.energy_temperature, 0.01, 100)
        for what in ("min_crop_side_px", "min_sharpness", "min_interval_seconds"):
            checks.number(f"thresholds.{what}", getattr(self, what), 0)
        for what in ("min_brightness", "max_brightness"):
            checks.number(f"thresholds.{what}", getattr(self, what), 0, 255)
        checks.need(self.min_brightness < self.max_brightness, "thresholds.min_brightness must lie under max_brightness")
        for what in ("min_faces_in_clip", "min_interval_faces"):
            checks.whole(f"thresholds.{what}", getattr(self, what), 1)


@dataclass(frozen=True)
class ArtifactRule:
    """Which of the boxes of a detector that localises are kept: those of at least `min_confidence` (0 to 1), and of two that overlap by
    more than `nms_iou` (intersection over union, 0 to 1) the more confident one (greedy non-maximum suppression).

    The confidence of a box smaller than the crop is 1 / (1 + exp(−`slope`·z − `offset`)), z being the logit of the network's own (Platt
    1999), so that it says how often such a box is right.
    """

    min_confidence: float
    nms_iou: float = 0.3
    slope: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        for what in ("min_confidence", "nms_iou"):
            checks.number(f"artifacts.{what}", getattr(self, what), 0, 1)
        checks.number("artifacts.slope", self.slope, 0.01, 100)
        checks.number("artifacts.offset", self.offset, -100, 100)


@dataclass(frozen=True)
class Training:
    """How the weights came about, so that they can be made again."""

    data: str
    licence: str
    command: str = ""
    data_sha256: str = ""
    seeds: tuple[int, ...] = ()
    minutes: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what in ("data", "licence", "command"):
            checks.text(f"training.{what}", getattr(self, what))
        checks.need(self.data_sha256 == "" or checks.is_sha256(self.data_sha256), "training.data_sha256 must be 64 hex digits")
        for seed in self.seeds:
            checks.whole("training.seeds", seed)
        checks.number("training.minutes", self.minutes, 0)
        for note in self.notes:
            checks.text("training.notes", note)


@dataclass(frozen=True)
class MeasuredTable:
    """One table of measured figures; a cell is a text, a number or None (not measured)."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        checks.text("measured.title", self.title)
        checks.text("measured.note", self.note)
        for column in self.columns:
            checks.text("measured.columns", column)
        for row in self.rows:
            checks.need(
                isinstance(row, tuple) and len(row) == len(self.columns) > 0, f"a row of the table {self.title!r} does not fit its columns"
            )
            for cell in row:
                if isinstance(cell, str):
                    checks.text("measured.rows", cell)
                elif cell is not None:
                    checks.number("measured.rows", cell)


@dataclass(frozen=True)
class Probe:
    """The logits (one per label) that the verified weights give for `probe_crop(seed, side_px)` in float32."""

    seed: int
    logits: tuple[float, ...]

    def __post_init__(self) -> None:
        checks.whole("probes.seed", self.seed, 0, 2**32 - 1)
        for logit in self.logits:
            checks.number("probes.logits", logit)
