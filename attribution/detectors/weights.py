"""Detectors by name: embedded ones, local folders and repositories of the Hugging Face Hub, verified file by file, loaded exactly, or
refused.

Telltale's own contract is a folder: `config.json` (timm's) + `model.safetensors` + `card.json` + `reference.safetensors` + `README.md`.
Every file is read once and its sha256 compared before a single value of it is believed. The weights may be in 8 bits (`eight_bit`). A
folder without a card is read by an adapter (`foreign`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attribution.detectors import hub
from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, REFERENCE_FILE, VERIFIED_FILES, Card
from attribution.detectors.eight_bit import expand
from attribution.detectors.loading import (
    AGAIN,
    LoadedDetector,
    info_of,
    load_exactly,
    parse_json,
    parse_tensors,
    probe_logits,
    read_bytes,
)
from attribution.detectors.spec import DetectorSpec
from attribution.errors import DamagedDetector, UnknownDetector, UnusableDetector
from attribution.models.backbones import Projection, build_backbone, pooled_width
from attribution.models.caddm import SIDE_PX, Caddm
from attribution.models.shallow import Shallow

DEFAULT_DETECTOR = "telltale-mobilenetv2"
EMBEDDED_FOLDER = Path(__file__).resolve().parents[2] / "weights"
PROBE_TOLERANCE = 1e-3
PROJECTION_KEY = "projection.weight"

_LARGEST_CARD_BYTES = 4 * 2**20

__all__ = [
    "DEFAULT_DETECTOR",
    "EMBEDDED_FOLDER",
    "PROBE_TOLERANCE",
    "PROJECTION_KEY",
    "DetectorSpec",
    "LoadedDetector",
    "card_of",
    "embedded",
    "info_of",
    "load",
    "load_folder",
    "probe_logits",
]


def embedded(folder: Path | None = None) -> list[str]:
    """Names of the detectors that come with Telltale (those in `folder`, EMBEDDED_FOLDER unless given), the default first."""
    names = sorted(path.parent.name for path in (folder or EMBEDDED_FOLDER).glob(f"*/{CARD_FILE}"))
    return sorted(names, key=lambda name: name != DEFAULT_DETECTOR)


def load(asked: str | DetectorSpec = "default", progress: hub.Progress | None = None) -> LoadedDetector:
    """The detector of that NAME, folder DIR or `hf:owner/repo[@revision]`; `default` is the first embedded one. A revision is resolved to a
    commit, which the detector's `info.source` then names. `progress` is told of a download, which ends with whatever it raises.

    Raises UnknownDetector, DamagedDetector, UnusableDetector or UnmappedLabels.
    """
    choice = asked if isinstance(asked, DetectorSpec) else DetectorSpec(str(asked))
    if choice.name.startswith("hf:"):
        snapshot = hub.obtain(hub.parse(choice.name), progress)
        try:
            return _load(snapshot.folder, choice, snapshot)
        except DamagedDetector:
            # What the Hub sent is fetched again the next time.
            hub.discard(snapshot)
            raise
    names = embedded()
    if choice.name == "default" and names:
        return load_folder(EMBEDDED_FOLDER / names[0])
    if choice.name in names:
        return load_folder(EMBEDDED_FOLDER / choice.name)
    folder = Path(choice.name)
    try:
        there = choice.name not in ("", "default") and folder.is_dir()
    except (OSError, ValueError):
        there = False
    if there:
        return _load(folder, choice)
    raise UnknownDetector(
        f"There is no detector called {folder.name[:80]!r} here.",
        f"Embedded detectors: {', '.join(names) or 'none'}. A folder or hf:owner/repo@revision works too.",
    )


def card_of(folder: Path, digest: str = "") -> Card:
    """The card of a detector folder, whose own `digest` is compared where one is given; nothing beside it is read. Raises
    DamagedDetector or UnusableDetector."""
    content = read_bytes(folder, CARD_FILE, _LARGEST_CARD_BYTES)
    if digest:
        hub.check(CARD_FILE, content, digest)
    return Card.from_json(parse_json(content, CARD_FILE))


def load_folder(folder: Path, source: str = "", card_digest: str = "") -> LoadedDetector:
    """Load a folder of Telltale's own contract exactly, or raise DamagedDetector or UnusableDetector. `source` and `card_digest` are those
    that the Hub gave."""
    card = card_of(folder, card_digest)
    contents = {name: read_bytes(folder, name) for name in VERIFIED_FILES}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != card.files[name]:
            raise DamagedDetector(f"The file {name} of the detector {card.name} is not the one that its card describes.", AGAIN)
    config = parse_json(contents[CONFIG_FILE], CONFIG_FILE)
    mean, std = _check_config(config, card)
    model = build_backbone(config["architecture"], config["num_classes"], config.get("model_args"))
    needed_px = SIDE_PX if isinstance(model, Caddm) else model.img_size if isinstance(model, Shallow) else card.crop.side_px
    if card.crop.side_px != needed_px:
        raise UnusableDetector(
            f"{card.name} reads faces of {card.crop.side_px} px; its architecture needs {needed_px} px.", "Correct its card.json."
        )
    load_exactly(model, expand(parse_tensors(contents[MODEL_FILE], MODEL_FILE)), MODEL_FILE)
    projection = _projection(parse_tensors(contents[REFERENCE_FILE], REFERENCE_FILE), pooled_width(model))
    model.eval().requires_grad_(False)
    projection.eval().requires_grad_(False)
    _check_probes(model, card, mean, std)
    info = info_of(card, source)
    return LoadedDetector(card.name, card, model, projection, folder, info.weights_sha256, info, config["architecture"], mean, std)


def _load(folder: Path, choice: DetectorSpec, snapshot: hub.Snapshot | None = None) -> LoadedDetector:
    """A folder with a card by our own contract, one without by an adapter; that of a snapshot with the Hub's digests of its files."""
    source = f"hf:{snapshot.repository}@{snapshot.revision}" if snapshot is not None else ""
    digests: Mapping[str, str] = snapshot.digests if snapshot is not None else {}
    if not (folder / CARD_FILE).is_file():
        # Most detectors need no adapter.
        from attribution.detectors import third_party as foreign

        name = snapshot.repository if snapshot is not None else folder.absolute().name
        return foreign.load_folder(folder, name, choice, digests, source, snapshot.licence if snapshot is not None else "")
    if choice.view or choice.meanings:
        raise UnusableDetector(
            "What this detector sees and what its labels mean stands in its card and cannot be chosen.", "Leave that choice out."
        )
    # The card vouches for every other file.
    return load_folder(folder, source, digests.get(CARD_FILE, ""))


def _check_config(config: Mapping[str, Any], card: Card) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation per colour; DamagedDetector when timm's configuration contradicts the card."""
    if not isinstance(config.get("architecture"), str) or not isinstance(config.get("model_args", {}), Mapping):
        raise UnusableDetector("The detector's config.json is not in timm's format.", "Save the detector with timm.")
    names = [label.name for label in card.labels]
    if config.get("num_classes") != len(names) or config.get("label_names", names) != names:
        raise DamagedDetector("The labels in the detector's config.json are not those of its card.", AGAIN)
    pretrained = config.get("pretrained_cfg")
    if not isinstance(pretrained, Mapping) or pretrained.get("input_size") != [3, card.crop.side_px, card.crop.side_px]:
        raise DamagedDetector("The input size in the detector's config.json is not that of its card.", AGAIN)
    return _colours(pretrained.get("mean"), -1, 2), _colours(pretrained.get("std"), 1e-3, 2)


def _colours(values: Any, least: float, most: float) -> tuple[float, float, float]:
    good = isinstance(values, list) and len(values) == 3
    good = good and all(isinstance(v, int | float) and not isinstance(v, bool) and least <= v <= most for v in values)
    if not good:
        raise DamagedDetector("The mean or the standard deviation in the detector's config.json is not usable.", AGAIN)
    return float(values[0]), float(values[1]), float(values[2])


def _projection(tensors: Mapping[str, torch.Tensor], width: int) -> Projection:
    weight = tensors.get(PROJECTION_KEY)
    if weight is None or weight.ndim != 2 or weight.shape[1] != width or not 2 <= weight.shape[0] <= 4096:
        raise DamagedDetector(f"{REFERENCE_FILE} has no projection of {width} features.", AGAIN)
    projection = Projection(width, weight.shape[0])
    load_exactly(projection, {"weight": weight}, REFERENCE_FILE)
    return projection


def _check_probes(model: nn.Module, card: Card, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    for probe in card.probes:
        found = torch.tensor(probe_logits(model, mean, std, card.crop.side_px, probe.seed))
        difference = (found - torch.tensor(probe.logits)).abs().max().item()
        # A NaN is no difference that is small enough either.
        if not difference <= PROBE_TOLERANCE:
            raise DamagedDetector(
                f"The detector {card.name} does not give the answers that its card promises (they differ by {difference:.3g}).", AGAIN
            )
