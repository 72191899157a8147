"""The whole card, to JSON and back, and the fixed inputs of its probes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

import numpy as np

from attribution.detectors.card import checks
from attribution.detectors.card.parts import (
    ArtifactRule,
    Calibration,
    CropSettings,
    Label,
    MeasuredTable,
    Probe,
    Thresholds,
    Training,
)
from attribution.errors import UnusableDetector

SCHEMA = "telltale-card/1"
SCOPES = ("any", "generated", "face_swap")
MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
REFERENCE_FILE = "reference.safetensors"
CARD_FILE = "card.json"
README_FILE = "README.md"
VERIFIED_FILES = (MODEL_FILE, CONFIG_FILE, REFERENCE_FILE)

_Part = TypeVar("_Part")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
# That of a repository.
_ADAPTED_NAME = rf"({_NAME}/)?{_NAME}"


@dataclass(frozen=True)
class Card:
    """The whole card. `files` holds the sha256 of every file that is read beside it; `limits` are plain sentences for the user. `scope` is
    `any` for a detector that may be asked about every face, `generated` for one that knows wholly generated faces alone: it is refused
    for face swaps, and finding nothing it clears no face of them; `face_swap` for one that knows face swaps and pasted parts alone.
    `artifacts` says which boxes are kept of a detector that localises, and is None for others. `adapter` is the public format that a
    detector was read from which brought no card: its card then holds what its own files say and no measurement, and there are no reference
    faces."""

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
    adapter: str = ""
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        good_name = isinstance(self.name, str) and re.fullmatch(_ADAPTED_NAME if self.adapter else _NAME, self.name) is not None
        checks.need(good_name, "its name must be letters, digits, dots and hyphens")
        checks.text("adapter", self.adapter, 80)
        checks.need(self.scope in SCOPES, f"its scope must be one of {', '.join(SCOPES)}")
        for what in ("licence", "description"):
            checks.text(what, getattr(self, what))
        for limit in self.limits:
            checks.text("limits", limit)
        names = [label.name for label in self.labels]
        checks.need(len(set(names)) == len(names) >= 2, "it needs at least two labels of different names")
        families = {label.family for label in self.labels}
        checks.need("real" in families and len(families) >= 2, "it needs a label of the family 'real' and one of another")
        checks.need(len(self.probes) >= 1, "it needs a probe")
        checks.need(len(self.calibration.patch_bias) in (0, len(names)), "calibration.patch_bias needs one value per label")
        checks.need(all(len(probe.logits) == len(names) for probe in self.probes), "a probe needs one logit per label")
        named = (MODEL_FILE, CONFIG_FILE) if self.adapter else VERIFIED_FILES
        checks.need(isinstance(self.files, Mapping) and set(self.files) == set(named), f"files must name {', '.join(named)}")
        checks.need(all(checks.is_sha256(digest) for digest in self.files.values()), "files must map to 64 hex digits")

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, finite numbers and None, the schema first."""
        plain = _plain(self)
        return {"schema": plain.pop("schema"), **plain}

    @staticmethod
    def from_json(data: Any) -> Card:
        """Read a card; raises UnusableDetector for another schema and DamagedDetector for anything else that is wrong with it."""
        checks.need(isinstance(data, Mapping), "it is not a JSON object")
        if data.get("schema") != SCHEMA:
            raise UnusableDetector(
                f"The detector's card has the schema {str(data.get('schema'))[:40]!r}; this version reads {SCHEMA!r}.",
                "Use a detector made for this version of Telltale.",
            )
        checks.need(not data.get("adapter"), "a detector with a card needs no adapter")
        parts = {
            **data,
            "labels": tuple(_part(Label, item, "labels") for item in _list(data, "labels")),
            "crop": _part(CropSettings, data.get("crop"), "crop"),
            "calibration": _part(Calibration, data.get("calibration"), "calibration"),
            "thresholds": _part(Thresholds, data.get("thresholds"), "thresholds"),
            "training": _part(Training, data.get("training"), "training"),
            "measured": tuple(_part(MeasuredTable, item, "measured") for item in _list(data, "measured")),
            "artifacts": None if data.get("artifacts") is None else _part(ArtifactRule, data["artifacts"], "artifacts"),
            "probes": tuple(_part(Probe, item, "probes") for item in _list(data, "probes")),
        }
        return _part(Card, parts, "card")


def probe_crop(seed: int, side_px: int) -> np.ndarray:
    """The fixed input of a probe, S×S×3 uint8: coarse blocks under fine noise, so that it has structure at more than one scale.

    numpy keeps RandomState's stream frozen for ever (NEP 19), unlike that of its newer generators.
    """
    random = np.random.RandomState(seed)
    coarse = np.frombuffer(random.bytes(8 * 8 * 3), dtype=np.uint8).reshape(8, 8, 3)
    fine = np.frombuffer(random.bytes(side_px * side_px * 3), dtype=np.uint8).reshape(side_px, side_px, 3)
    rows = np.arange(side_px) * 8 // side_px
    return (coarse[rows][:, rows] // 4 * 3 + fine // 4).astype(np.uint8)


def _list(data: Mapping[str, Any], name: str) -> list[Any]:
    items = data.get(name, [])
    checks.need(isinstance(items, list) and len(items) <= 10_000, f"{name} must be a list")
    return items


def _part(kind: type[_Part], data: Any, where: str) -> _Part:
    """A dataclass from a JSON object; every field known, every field without a default there, lists as tuples."""
    checks.need(isinstance(data, Mapping), f"{where} is missing or no JSON object")
    declared = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    strangers = [str(name)[:40] for name in data if name not in declared]
    checks.need(not strangers, f"{where} holds a field that nobody knows: {', '.join(strangers)}")
    required = {name for name, one in declared.items() if one.default is MISSING and one.default_factory is MISSING}
    missing = sorted(required - set(data))
    checks.need(not missing, f"{where} lacks {', '.join(missing)}")
    values: dict[str, Any] = {}
    for name, value in data.items():
        wants_tuple = str(declared[name].type).startswith("tuple")
        checks.need(wants_tuple == isinstance(value, list | tuple), f"{where}.{name} is a list, or is none, against the rules")
        values[name] = _frozen(value) if wants_tuple else value
    return kind(**values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
