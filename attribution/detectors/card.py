"""The card of a detector (`card.json`), typed: what its labels mean, how to crop and calibrate, when to abstain, what was measured.

`Card.from_json` accepts a card whole or refuses it with DamagedDetector (UnusableDetector when it is of another schema): no field is
guessed, and none is ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

import numpy as np

from attribution.errors import DamagedDetector, UnusableDetector
from attribution.evidence.checks import FAMILIES, LABEL_FAMILIES, RESAMPLINGS, SCOPES, UNKNOWN_METHOD
from attribution.messages import gettext as _

SCHEMA = "telltale-card/1"
MODEL_FILE, CONFIG_FILE, REFERENCE_FILE = "model.safetensors", "config.json", "reference.safetensors"
CARD_FILE, README_FILE = "card.json", "README.md"
VERIFIED_FILES = (MODEL_FILE, CONFIG_FILE, REFERENCE_FILE)
Cell = str | float | int | None
_Part = TypeVar("_Part")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
_SHARE = (0, 1)
NEVER_ABOVE, NEVER_BELOW = 2.0, -1.0
"""Thresholds of p_manipulated for a state that is never given: no probability reaches them."""
LANDMARKS = ((0.34, 0.46), (0.66, 0.46), (0.5, 0.64), (0.37, 0.82), (0.63, 0.82))
"""Where the eyes, the nose and the corners of the mouth lie in a face turned upright, in shares of its square (GenD)."""


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
        _need(isinstance(self.name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_]{0,39}", self.name) is not None, "a label's name")
        _need(self.name != UNKNOWN_METHOD, f"a label called {UNKNOWN_METHOD!r}")
        _need(self.family in LABEL_FAMILIES, f"the family of {self.name} must be one of {', '.join(LABEL_FAMILIES)}")
        check_fields(self, f"{self.name}.")


@dataclass(frozen=True)
class CropSettings:
    """What the detector sees, resampled to `side_px`×`side_px` by `resample`.

    `detector` "mtcnn": a face, as a square of side `scale`·h (h = height of MTCNN's box), centred `down`·h below the box's centre.
    "landmarks": a face turned upright, by the similarity that brings MTCNN's five landmarks nearest to LANDMARKS of a square that is
    `scale` times as large around its centre; first at the face's own size, bilinear and black beyond the picture.
    "none": the whole picture, squeezed to a square; or with `short_px` its shorter side at that many pixels and of that the middle, whose
    first pixel is counted by `middle`: rounded down ("floor", as transformers does) or to the nearest even ("round", torchvision). With
    "squeezed" both sides are `short_px` first."""

    detector: str = "mtcnn"
    scale: float = 0.86
    down: float = 0.054
    side_px: int = 224
    resample: str = "lanczos"
    short_px: int | None = None
    middle: str = "floor"

    def __post_init__(self) -> None:
        _need(self.detector in ("mtcnn", "landmarks", "none"), "crop.detector must be 'mtcnn', 'landmarks' or 'none'")
        _need(self.resample in RESAMPLINGS, f"crop.resample must be one of {', '.join(RESAMPLINGS)}")
        check_fields(self, "crop.", scale=(0.1, 10), down=(-2, 2), side_px=(32, 1024), short_px=(32, 4096))
        _need(self.short_px is None or self.detector == "none", "crop.short_px is for whole pictures")
        _need(self.short_px is None or self.short_px >= self.side_px, "crop.short_px must be at least side_px")
        _need(self.middle in ("floor", "round", "squeezed"), "crop.middle must be 'floor', 'round' or 'squeezed'")

    @property
    def view(self) -> str:
        """`face` or `picture`."""
        return "picture" if self.detector == "none" else "face"

    def whole(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a picture of width×height pixels is resized to before its middle is cut out (`short_px`)."""
        short = self.short_px or self.side_px
        longer = short if self.middle == "squeezed" else int(short * max(width, height) / min(width, height))
        return (short, longer) if width <= height else (longer, short)

    def cut(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The middle, in pixels of `whole`."""
        spare = [(one - self.side_px) / 2 for one in self.whole(width, height)]
        left, top = (float(round(one) if self.middle == "round" else int(one)) for one in spare)
        return left, top, left + self.side_px, top + self.side_px

    def picture_box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture of width×height pixels that a detector of whole pictures sees: all of it, or with `short_px` the middle."""
        if self.short_px is None:
            return 0.0, 0.0, float(width), float(height)
        across, down = self.whole(width, height)
        x0, y0, x1, y1 = self.cut(width, height)
        per_x, per_y = width / across, height / down
        return x0 * per_x, y0 * per_y, min(x1 * per_x, float(width)), min(y1 * per_y, float(height))


@dataclass(frozen=True)
class Calibration:
    """p_methods = softmax(logits / temperature) (Guo et al. 2017). The expected calibration errors were measured on `measured_on`. Patches
    that are read alone have a calibration of their own, for detectors with a patch view: softmax((logits + patch_bias) /
    patch_temperature), `patch_bias` with a value per label, or empty."""

    temperature: float = 1.0
    ece_before: float | None = None
    ece_after: float | None = None
    measured_on: str = ""
    patch_bias: tuple[float, ...] = ()
    patch_temperature: float | None = None

    def __post_init__(self) -> None:
        warm = (0.01, 100)
        shares = dict.fromkeys(("ece_before", "ece_after"), _SHARE)
        check_fields(self, "calibration.", temperature=warm, patch_temperature=warm, patch_bias=(-100, 100), **shares)


@dataclass(frozen=True)
class Thresholds:
    """When `verdict` may be definite. Set in the lab on validation faces; every one only ever makes an answer more careful.

    `p_manipulated_above`: definitely manipulated at or above; `p_manipulated_below`: no manipulation found at or below; NEVER_ABOVE and
    NEVER_BELOW where such an answer is never given.
    `method_min_p`: the least share of the manipulated probability that names a method; `family_min_p`: that names a family.
    `strong_p_manipulated`: read by nobody any more; older cards have it, and a face that is unlike anything known is never definite.
    `max_atypicality`: the largest share of validation faces that may lie nearer to their references than this face does.
    `energy_min`: the least negative free energy T·logsumexp(logits / T) of a known method (Liu et al. 2020, eq. 4, with the sign turned
    so that more is more typical), T = `energy_temperature`; None leaves it out.
    `neighbour_veto`: from this share of nearest references that contradict the head on, nothing is definite; None leaves it out.
    `min_crop_side_px`, `min_sharpness`, `min_brightness`, `max_brightness`: what a face needs to be examined at all.
    `min_faces_in_clip`: the fewest examined faces of a track; `min_examined_share`: the least share of a track's faces that must have
    been good enough before no manipulation is found.
    `min_interval_faces`, `min_interval_seconds`: how long a stretch of a clip must last to count as sustained."""

    p_manipulated_above: float
    p_manipulated_below: float
    method_min_p: float
    family_min_p: float
    strong_p_manipulated: float = 1.0
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
        shares = ("method_min_p", "family_min_p", "strong_p_manipulated", "neighbour_veto")
        ranges: dict[str, tuple[float, float]] = {
            **dict.fromkeys((*shares, "max_atypicality", "min_examined_share"), _SHARE),
            "p_manipulated_above": (0, 1 if self.p_manipulated_above != NEVER_ABOVE else NEVER_ABOVE),
            "p_manipulated_below": (0 if self.p_manipulated_below != NEVER_BELOW else NEVER_BELOW, 1),
            **dict.fromkeys(("min_crop_side_px", "min_sharpness", "min_interval_seconds"), (0, 1e300)),
            **dict.fromkeys(("min_brightness", "max_brightness"), (0, 255)),
            **dict.fromkeys(("min_faces_in_clip", "min_interval_faces"), (1, 2**63)),
        }
        check_fields(self, "thresholds.", energy_temperature=(0.01, 100), **ranges)
        _need(self.p_manipulated_below < self.p_manipulated_above, "thresholds.p_manipulated_below must lie under p_manipulated_above")
        _need(self.min_brightness < self.max_brightness, "thresholds.min_brightness must lie under max_brightness")


@dataclass(frozen=True)
class Combination:
    """How the answers of several detectors on one face become one; `verdict.combination` has the arithmetic. `experts` are the names of
    the embedded detectors that are read beside this one, in order, and `digests` the SHA-256 of their `model.safetensors`: with other
    weights these numbers mean nothing, and are not used. `manipulated` holds a weight for each of `feature_names` and then the bias, and
    their sum is the log-odds of a manipulation; `families` has such a row for every family of this detector's labels but `real`, of which
    the softmax is the share that each has in a manipulation. `thresholds` are those of the common answer."""

    experts: tuple[str, ...]
    digests: tuple[str, ...]
    manipulated: tuple[float, ...]
    families: Mapping[str, tuple[float, ...]]
    thresholds: Thresholds

    def __post_init__(self) -> None:
        check_fields(self, "combination.")
        names = all(re.fullmatch(_NAME, name) for name in self.experts)
        _need(names and len(set(self.experts)) == len(self.experts) >= 1, "combination.experts must be names, each once")
        _need(all(_is_sha256(one) for one in self.digests), "combination.digests must be 64 hex digits")
        _need(len(set(self.digests)) == len(self.digests) == len(self.experts), "combination.digests needs one for each expert")
        told = isinstance(self.families, Mapping) and len(self.families) >= 1 and set(self.families) <= set(LABEL_FAMILIES) - {"real"}
        _need(told, "combination.families must map families to weights")
        for row in (self.manipulated, *self.families.values()):
            _need(isinstance(row, tuple) and len(row) == len(self.manipulated), "combination needs as many weights in every row")
            for weight in row:
                _number("combination weights", weight, -1000, 1000)
        _need(isinstance(self.thresholds, Thresholds), "combination.thresholds are missing")
        # There is no free energy of probabilities.
        _need(self.thresholds.energy_min is None, "combination.thresholds.energy_min must be left out")


@dataclass(frozen=True)
class ArtifactRule:
    """Which of the boxes of a detector that localises are kept: those of at least `min_confidence` (0 to 1), and of two that overlap by
    more than `nms_iou` (intersection over union, 0 to 1) the more confident one (greedy non-maximum suppression). The confidence of a box
    smaller than the crop is 1 / (1 + exp(−`slope`·z − `offset`)), z being the logit of the network's own (Platt 1999), so that it says how
    often such a box is right."""

    min_confidence: float
    nms_iou: float = 0.3
    slope: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "artifacts.", min_confidence=_SHARE, nms_iou=_SHARE, slope=(0.01, 100), offset=(-100, 100))


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
        check_fields(self, "training.", minutes=(0, 1e300))
        _need(self.data_sha256 == "" or _is_sha256(self.data_sha256), "training.data_sha256 must be 64 hex digits")


@dataclass(frozen=True)
class MeasuredTable:
    """One table of measured figures; a cell is a text, a number or None (not measured). `detectors.tables` reads it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        check_fields(self, "measured.")
        for row in self.rows:
            fits = isinstance(row, tuple) and len(row) == len(self.columns) > 0
            _need(fits, f"a row of the table {self.title!r} does not fit its columns")
            for cell in (one for one in row if one is not None):
                (_text if isinstance(cell, str) else _number)("measured.rows", cell)


@dataclass(frozen=True)
class Probe:
    """The logits (one per label) that the verified weights give for `probe_crop(seed, side_px)` in float32."""

    seed: int
    logits: tuple[float, ...]

    def __post_init__(self) -> None:
        check_fields(self, "probes.", seed=(0, 2**32 - 1))


@dataclass(frozen=True)
class Card:
    """The whole card. `files` holds the sha256 of every file that is read beside it; `limits` are plain sentences for the user. `scope` is
    `any` for a detector that may be asked about every face, `generated` for one that knows wholly generated faces alone: it is refused for
    face swaps, and finding nothing it clears no face of them; `face_swap` for one that knows face swaps and pasted parts alone. `artifacts`
    says which boxes are kept of a detector that localises, and is None for others. `speaks_on` are the families that it may speak on beside
    others, where these are not simply those of its labels. `combination` says how it answers together with others. `jpeg_quality` (1 to
    100): crops are encoded once as JPEG before the network reads them, as those that it learnt from were. `adapter` is the public format
    that a detector was read from which brought no card: its card then holds what its own files say and no measurement, and there are no
    reference faces."""

    name: str
    licence: str
    labels: tuple[Label, ...]
    crop: CropSettings
    calibration: Calibration
    thresholds: Thresholds
    training: Training
    probes: tuple[Probe, ...]
    files: Mapping[str, str]
    measured: tuple[MeasuredTable, ...] = ()
    limits: tuple[str, ...] = ()
    description: str = ""
    scope: str = "any"
    artifacts: ArtifactRule | None = None
    speaks_on: tuple[str, ...] = ()
    combination: Combination | None = None
    jpeg_quality: int | None = None
    adapter: str = ""
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        # An adapted detector is called by its repository.
        name = rf"({_NAME}/)?{_NAME}" if self.adapter else _NAME
        _need(isinstance(self.name, str) and bool(re.fullmatch(name, self.name)), "its name must be letters, digits, dots and hyphens")
        _need(self.scope in SCOPES, f"its scope must be one of {', '.join(SCOPES)}")
        check_fields(self, "", jpeg_quality=(1, 100))
        names = [label.name for label in self.labels]
        _need(len(set(names)) == len(names) >= 2, "it needs at least two labels of different names")
        families = {label.family for label in self.labels}
        _need("real" in families and len(families) >= 2, "it needs a label of the family 'real' and one of another")
        _need(len(self.probes) >= 1, "it needs a probe")
        _need(len(self.calibration.patch_bias) in (0, len(names)), "calibration.patch_bias needs one value per label")
        _need(all(len(probe.logits) == len(names) for probe in self.probes), "a probe needs one logit per label")
        distinct = len(set(self.speaks_on)) == len(self.speaks_on) and set(self.speaks_on) <= set(FAMILIES) - {"real"}
        _need(distinct, "speaks_on must be families of manipulations, each once")
        named = (MODEL_FILE, CONFIG_FILE) if self.adapter else VERIFIED_FILES
        _need(isinstance(self.files, Mapping) and set(self.files) == set(named), f"files must name {', '.join(named)}")
        _need(all(_is_sha256(digest) for digest in self.files.values()), "files must map to 64 hex digits")
        if (rule := self.combination) is not None:
            _need(self.scope == "any", "combination is for a detector that may be asked about every face")
            _need(set(rule.families) == families - {"real"}, "combination.families must be those of its labels")
            _need(self.name not in rule.experts and self.files[MODEL_FILE] not in rule.digests, "combination.experts must be others")
            weights = len(feature_names((self.name, *rule.experts), tuple(families))) + 1
            _need(len(rule.manipulated) == weights, f"combination needs {weights} weights in every row")

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, finite numbers and None, the schema first. What a card has not got that came later is left out:
        earlier versions read it, too."""
        plain = _plain(self)
        plain = {name: value for name, value in plain.items() if value or name not in ("speaks_on", "combination", "jpeg_quality")}
        return {"schema": plain.pop("schema"), **plain}

    @staticmethod
    def from_json(data: Any) -> Card:
        """Read a card whole. Raises UnusableDetector when it has another schema, DamagedDetector when anything else is wrong with it."""
        _need(isinstance(data, Mapping), "it is not a JSON object")
        if data.get("schema") != SCHEMA:
            what = _("The detector’s card has the schema “{schema}”; this version reads “{known}”.")
            named = what.format(schema=str(data.get("schema"))[:40], known=SCHEMA)
            raise UnusableDetector(named, _("Use a detector made for this version of Telltale."))
        _need(not data.get("adapter"), "a detector with a card needs no adapter")
        parts = dict(data)
        for name, kind in {"labels": Label, "measured": MeasuredTable, "probes": Probe}.items():
            items = data.get(name, [])
            _need(isinstance(items, list) and len(items) <= 10_000, f"{name} must be a list")
            parts[name] = tuple(read_part(kind, item, name) for item in items)
        for name, kind in {"crop": CropSettings, "calibration": Calibration, "thresholds": Thresholds, "training": Training}.items():
            parts[name] = read_part(kind, data.get(name), name)
        if data.get("artifacts") is not None:
            parts["artifacts"] = read_part(ArtifactRule, data["artifacts"], "artifacts")
        if (rule := data.get("combination")) is not None:
            _need(isinstance(rule, Mapping), "combination is no JSON object")
            thresholds = read_part(Thresholds, rule.get("thresholds"), "combination.thresholds")
            parts["combination"] = read_part(Combination, {**rule, "thresholds": thresholds}, "combination")
        return read_part(Card, parts, "card")


def feature_names(readers: Sequence[str], families: Sequence[str]) -> tuple[str, ...]:
    """What a combination weighs, in order: two features of every reader (the detector itself, then the experts), then one for every family
    of the first one's labels, `real` left out. `verdict.combination.features` computes them."""
    own = [f"{reader}: {what}" for reader in readers for what in ("log-odds of a manipulation", "nearness to untouched faces")]
    return (*own, *(f"{readers[0]}: share of {family}" for family in LABEL_FAMILIES if family != "real" and family in families))


def probe_crop(seed: int, side_px: int) -> np.ndarray:
    """The fixed input of a probe, S×S×3 uint8: coarse blocks under fine noise, so that it has structure at more than one scale."""
    # numpy keeps RandomState's stream frozen for ever (NEP 19), unlike that of its newer generators.
    random = np.random.RandomState(seed)
    coarse, fine = (np.frombuffer(random.bytes(side * side * 3), np.uint8).reshape(side, side, 3) for side in (8, side_px))
    rows = np.arange(side_px) * 8 // side_px
    return (coarse[rows][:, rows] // 4 * 3 + fine // 4).astype(np.uint8)


def _need(holds: bool, message: str) -> None:
    if not holds:
        what = _("The detector’s card is not valid (“{problem}”).").format(problem=message)
        raise DamagedDetector(what, _("Get the detector again from its source, or mend card.json."))


def _text(name: str, value: Any) -> None:
    _need(isinstance(value, str) and len(value) <= 4000, f"{name} must be a text of at most 4000 characters")


def _number(name: str, value: Any, least: float = -1e300, most: float = 1e300) -> None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    # Python's integers are unbounded: compare before anything turns one into a float.
    _need(real and -1e300 < value < 1e300 and least <= value <= most, f"{name} must be a number from {least:g} to {most:g}")


def _whole(name: str, value: Any, least: float = 0, most: float = 2**63) -> None:
    _need(isinstance(value, int) and not isinstance(value, bool) and least <= value <= most, f"{name} must be a whole number")


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def check_fields(part: Any, where: str, **ranges: tuple[float, float]) -> None:
    """Every field whose declared type is a text, a number or a whole number, or a tuple of those; numbers by their ranges. Raises
    DamagedDetector."""
    for one in fields(part):
        value, declared = getattr(part, one.name), str(one.type)
        check: Any = {"str": _text, "float": _number, "int": _whole}.get(re.split(r"[ ,]", declared.removeprefix("tuple["))[0])
        if check is None or (value is None and declared.endswith("None")):
            continue
        items: Any = value if declared.startswith("tuple") else (value,)
        for item in items:
            check(where + one.name, item, *ranges.get(one.name, ()))


def read_part(kind: type[_Part], data: Any, where: str) -> _Part:
    """A dataclass from a JSON object; every field known, every field without a default there, lists as tuples. Raises DamagedDetector."""
    _need(isinstance(data, Mapping), f"{where} is missing or no JSON object")
    declared = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    strangers = [str(name)[:40] for name in data if name not in declared]
    _need(not strangers, f"{where} holds a field that nobody knows: {', '.join(strangers)}")
    required = {name for name, one in declared.items() if one.default is MISSING and one.default_factory is MISSING}
    missing = sorted(required - set(data))
    _need(not missing, f"{where} lacks {', '.join(missing)}")
    for name, value in data.items():
        wants_tuple = str(declared[name].type).startswith("tuple")
        _need(wants_tuple == isinstance(value, list | tuple), f"{where}.{name} is a list, or is none, against the rules")
    return kind(**{name: _frozen(value) for name, value in data.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _frozen(item) for name, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
