"""Detectors on disk and on the Hugging Face Hub: verified file by file against their card, then loaded exactly, or refused.

A detector is a folder: `config.json` (timm's) + `model.safetensors` + `card.json` + `reference.safetensors` + `README.md`. Every file is
read once, its sha256 compared before a single value of it is believed, and every key and shape compared by us: timm initialises a head
afresh without an error when the number of classes differs, and loads nothing at all when the keys carry a prefix. The weights of
`model.safetensors` may be in 8 bits (`eight_bit`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import nn

from attribution.caddm import SIDE_PX, Caddm
from attribution.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, REFERENCE_FILE, VERIFIED_FILES, Card, probe_crop
from attribution.eight_bit import expand
from attribution.errors import DamagedDetector, UnknownDetector, UnusableDetector
from attribution.evidence import DetectorInfo
from attribution.network import Projection, build_backbone, features, normalise, pooled_width
from attribution.shallow import Shallow

DEFAULT_DETECTOR = "telltale-mobilenetv2"
EMBEDDED_FOLDER = Path(__file__).resolve().parent.parent / "weights"
PROBE_TOLERANCE = 1e-3
PROJECTION_KEY = "projection.weight"

_AGAIN = "Get the detector again from its source."
_FLOATS = (torch.float32, torch.float16, torch.bfloat16)
_LARGEST_CARD_BYTES = 4 * 2**20
_LARGEST_FILE_BYTES = 2**30
_HUB_NAME = re.compile(r"hf:(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)@(?P<revision>[0-9a-f]{40})")


@dataclass(frozen=True, repr=False)
class LoadedDetector:
    """A verified detector in memory, float32, in evaluation mode, on the CPU. `mean` and `std` per colour are for inputs in [0, 1]."""

    name: str
    card: Card
    model: nn.Module
    projection: Projection
    folder: Path
    weights_sha256: str
    info: DetectorInfo
    architecture: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __repr__(self) -> str:
        return f"LoadedDetector({self.name!r}, {self.architecture}, {len(self.card.labels)} labels, {self.weights_sha256[:12]}…)"


def embedded(folder: Path | None = None) -> list[str]:
    """Names of the detectors that come with Telltale (those in `folder`, EMBEDDED_FOLDER unless given), the default first."""
    names = sorted(path.parent.name for path in (folder or EMBEDDED_FOLDER).glob(f"*/{CARD_FILE}"))
    return sorted(names, key=lambda name: name != DEFAULT_DETECTOR)


def load(name_or_folder_or_hub: str = "default") -> LoadedDetector:
    """The detector of that NAME, folder DIR or `hf:owner/repo@<40 hex digits>`; `default` is the first embedded one.

    Raises UnknownDetector, DamagedDetector or UnusableDetector.
    """
    asked = str(name_or_folder_or_hub)
    if asked.startswith("hf:"):
        return load_folder(_from_hub(asked))
    names = embedded()
    if asked == "default" and names:
        return load_folder(EMBEDDED_FOLDER / names[0])
    if asked in names:
        return load_folder(EMBEDDED_FOLDER / asked)
    folder = Path(asked)
    try:
        there = asked not in ("", "default") and folder.is_dir()
    except (OSError, ValueError):
        there = False
    if there:
        return load_folder(folder)
    raise UnknownDetector(
        f"There is no detector called {folder.name[:80]!r} here.",
        f"Embedded detectors: {', '.join(names) or 'none'}. A folder or hf:owner/repo@<40 hex digits> works too.",
    )


def card_of(folder: Path) -> Card:
    """The card of a detector folder; nothing beside it is read. Raises DamagedDetector or UnusableDetector."""
    return Card.from_json(_json(_bytes(folder, CARD_FILE, _LARGEST_CARD_BYTES), CARD_FILE))


def info_of(card: Card) -> DetectorInfo:
    """What evidence says of the detector that a card describes."""
    return DetectorInfo(
        name=card.name,
        weights_sha256=card.files[MODEL_FILE],
        labels=tuple(label.name for label in card.labels),
        families=tuple(label.family for label in card.labels),
        display_names=tuple(label.display_name for label in card.labels),
        licence=card.licence,
        limits=card.limits,
    )


def load_folder(folder: Path) -> LoadedDetector:
    """Load a detector folder exactly, or raise DamagedDetector or UnusableDetector."""
    card = card_of(folder)
    contents = {name: _bytes(folder, name, _LARGEST_FILE_BYTES) for name in VERIFIED_FILES}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != card.files[name]:
            raise DamagedDetector(f"The file {name} of the detector {card.name} is not the one that its card describes.", _AGAIN)
    config = _json(contents[CONFIG_FILE], CONFIG_FILE)
    mean, std = _check_config(config, card)
    model = build_backbone(config["architecture"], config["num_classes"], config.get("model_args"))
    needed_px = SIDE_PX if isinstance(model, Caddm) else model.img_size if isinstance(model, Shallow) else card.crop.side_px
    if card.crop.side_px != needed_px:
        raise UnusableDetector(
            f"{card.name} reads faces of {card.crop.side_px} px; its architecture needs {needed_px} px.", "Correct its card.json."
        )
    _load_exactly(model, expand(_tensors(contents[MODEL_FILE], MODEL_FILE)), MODEL_FILE)
    projection = _projection(_tensors(contents[REFERENCE_FILE], REFERENCE_FILE), pooled_width(model))
    model.eval().requires_grad_(False)
    projection.eval().requires_grad_(False)
    _check_probes(model, card, mean, std)
    info = info_of(card)
    return LoadedDetector(card.name, card, model, projection, folder, info.weights_sha256, info, config["architecture"], mean, std)


def probe_logits(model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], side_px: int, seed: int) -> list[float]:
    """The K logits of `probe_crop(seed, side_px)` in float32 on the model's device: what a card's probes hold."""
    device = next(model.parameters()).device
    crop = torch.from_numpy(probe_crop(seed, side_px)).unsqueeze(0).to(device)
    with torch.inference_mode():
        return features(model, normalise(crop, mean, std))[1][0].float().cpu().tolist()


def _from_hub(asked: str) -> Path:
    """The snapshot folder of a pinned revision, fetched unless all of it is in the Hub cache of this machine already."""
    match = _HUB_NAME.fullmatch(asked)
    if match is None:
        raise UnusableDetector(
            "A detector on the Hub must be named with its exact revision.", "Write hf:owner/repo@ and the 40 hex digits of the commit."
        )
    repository, revision = match["repository"], match["revision"]
    files = [CARD_FILE, *VERIFIED_FILES, "README.md"]
    try:
        cached = Path(snapshot_download(repository, revision=revision, allow_patterns=files, local_files_only=True))
        if all((cached / name).is_file() for name in (CARD_FILE, *VERIFIED_FILES)):
            return cached
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=files))
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UnknownDetector(
            f"The Hub has no repository {repository} at revision {revision[:12]}, or it is not public.", "Check the name and the revision."
        ) from error
    # The client lets its transport's exceptions through, and these have changed from version to version.
    except Exception as error:
        raise UnusableDetector(
            f"{repository} at revision {revision[:12]} is not on this machine, and the Hub cannot be reached.",
            f"Connect once to fetch it, or use an embedded detector: {', '.join(embedded()) or 'none'}.",
        ) from error


def _bytes(folder: Path, name: str, most: int) -> bytes:
    try:
        path = folder / name
        if path.stat().st_size > most:
            raise UnusableDetector(f"The file {name} of the detector is larger than {most // 2**20} MB.", "Use a smaller detector.")
        return path.read_bytes()
    except OSError as error:
        raise DamagedDetector(f"The detector's folder has no readable {name}.", _AGAIN) from error


def _json(content: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedDetector(f"The file {name} of the detector is not JSON.", _AGAIN) from error
    if not isinstance(data, dict):
        raise DamagedDetector(f"The file {name} of the detector is no JSON object.", _AGAIN)
    return data


def _tensors(content: bytes, name: str) -> dict[str, torch.Tensor]:
    try:
        return parse_safetensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UnusableDetector(f"The file {name} of the detector is not in safetensors format.", "Only safetensors are read.") from error


def _check_config(config: Mapping[str, Any], card: Card) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation per colour; DamagedDetector when timm's configuration contradicts the card."""
    if not isinstance(config.get("architecture"), str) or not isinstance(config.get("model_args", {}), Mapping):
        raise UnusableDetector("The detector's config.json is not in timm's format.", "Save the detector with timm.")
    names = [label.name for label in card.labels]
    if config.get("num_classes") != len(names) or config.get("label_names", names) != names:
        raise DamagedDetector("The labels in the detector's config.json are not those of its card.", _AGAIN)
    pretrained = config.get("pretrained_cfg")
    if not isinstance(pretrained, Mapping) or pretrained.get("input_size") != [3, card.crop.side_px, card.crop.side_px]:
        raise DamagedDetector("The input size in the detector's config.json is not that of its card.", _AGAIN)
    return _colours(pretrained.get("mean"), -1, 2), _colours(pretrained.get("std"), 1e-3, 2)


def _colours(values: Any, least: float, most: float) -> tuple[float, float, float]:
    good = isinstance(values, list) and len(values) == 3
    good = good and all(isinstance(v, int | float) and not isinstance(v, bool) and least <= v <= most for v in values)
    if not good:
        raise DamagedDetector("The mean or the standard deviation in the detector's config.json is not usable.", _AGAIN)
    return float(values[0]), float(values[1]), float(values[2])


def _load_exactly(model: nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Copy `tensors` into the model in its own dtypes, after every key, shape and value was checked."""
    wanted = model.state_dict()
    differing = sorted(set(wanted) ^ set(tensors))
    if differing:
        raise DamagedDetector(f"{name} and the architecture differ in {len(differing)} tensors, {differing[0][:80]!r} first.", _AGAIN)
    for key, tensor in tensors.items():
        alike = tensor.dtype in _FLOATS if wanted[key].is_floating_point() else tensor.dtype == wanted[key].dtype
        if tensor.shape != wanted[key].shape or not alike:
            raise DamagedDetector(f"The tensor {key[:80]!r} in {name} has not the shape or kind that the architecture needs.", _AGAIN)
        if not bool(torch.isfinite(tensor).all()):
            raise DamagedDetector(f"The tensor {key[:80]!r} in {name} holds values that are not finite.", _AGAIN)
    model.load_state_dict({key: tensor.to(wanted[key].dtype) for key, tensor in tensors.items()}, strict=True)


def _projection(tensors: Mapping[str, torch.Tensor], width: int) -> Projection:
    weight = tensors.get(PROJECTION_KEY)
    if weight is None or weight.ndim != 2 or weight.shape[1] != width or not 2 <= weight.shape[0] <= 4096:
        raise DamagedDetector(f"{REFERENCE_FILE} has no projection of {width} features.", _AGAIN)
    projection = Projection(width, weight.shape[0])
    _load_exactly(projection, {"weight": weight}, REFERENCE_FILE)
    return projection


def _check_probes(model: nn.Module, card: Card, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    for probe in card.probes:
        found = torch.tensor(probe_logits(model, mean, std, card.crop.side_px, probe.seed))
        difference = (found - torch.tensor(probe.logits)).abs().max().item()
        # A NaN is no difference that is small enough either.
        if not difference <= PROBE_TOLERANCE:
            raise DamagedDetector(
                f"The detector {card.name} does not give the answers that its card promises (they differ by {difference:.3g}).", _AGAIN
            )
