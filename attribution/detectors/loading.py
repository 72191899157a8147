"""Detectors by name: embedded ones, local folders and repositories of the Hugging Face Hub, verified file by file and loaded exactly, or
refused.

Telltale's own contract is a folder: `config.json` (timm's) + `model.safetensors` + `card.json` + `reference.safetensors` + `README.md`.
Every file is read once and its sha256 compared before a single value of it is believed; every tensor's name, shape, kind and values are
compared before they are copied. timm initialises a head afresh without an error when the number of classes differs, and loads nothing at
all when the keys carry a prefix: so nothing is left to it. The weights may be in 8 bits (`eight_bit`). A folder without a card is read by
`third_party`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import nn

from attribution.detectors import hub, hub_client
from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, REFERENCE_FILE, VERIFIED_FILES, Card, probe_crop
from attribution.detectors.eight_bit import expand
from attribution.detectors.spec import DetectorSpec
from attribution.errors import (
    AGAIN,
    OTHER_DETECTOR,
    SMALLER_DETECTOR,
    DamagedDetector,
    UnknownDetector,
    UnusableDetector,
    damaged,
    unreadable,
)
from attribution.evidence import DetectorInfo
from attribution.messages import gettext as _
from attribution.models.backbones import Projection, build_backbone, features, normalise, pooled_width
from attribution.models.caddm import SIDE_PX, Caddm
from attribution.models.shallow import Shallow
from attribution.pulse import give_pulse
from attribution.text import numbers

DEFAULT_DETECTOR = "telltale-attribution"
RENAMED = {"telltale-caddm": "telltale-swap"}
"""Names that embedded detectors have had, and which one answers to them now: the same with another name, or its heir."""
EMBEDDED_FOLDER = Path(__file__).resolve().parents[2] / "weights"
PROBE_TOLERANCE, PROJECTION_KEY = 1e-3, "projection.weight"
_LARGEST_CARD_BYTES = 4 * 2**20
_FLOATS = (torch.float32, torch.float16, torch.bfloat16)
Colours = tuple[float, float, float]


@dataclass(frozen=True, repr=False)
class LoadedDetector:
    """A verified detector in memory, float32, in evaluation mode, on the CPU. `mean` and `std` per colour are for inputs in [0, 1].
    `projection` is None where the pooled features themselves are the embedding, as in detectors that bring no reference faces."""

    name: str
    card: Card
    model: nn.Module
    projection: Projection | None
    folder: Path
    weights_sha256: str
    info: DetectorInfo
    architecture: str
    mean: Colours
    std: Colours

    def __post_init__(self) -> None:
        give_pulse(self.model)

    def __repr__(self) -> str:
        return f"LoadedDetector({self.name!r}, {self.architecture}, {len(self.card.labels)} labels, {self.weights_sha256[:12]}…)"


def embedded(folder: Path | None = None) -> list[str]:
    """Names of the detectors that come with Telltale (those in `folder`, EMBEDDED_FOLDER unless given), the default first."""
    names = sorted(path.parent.name for path in (folder or EMBEDDED_FOLDER).glob(f"*/{CARD_FILE}"))
    return sorted(names, key=lambda name: name != DEFAULT_DETECTOR)


def embedded_name(asked: str) -> str:
    """The embedded detector that is asked for by that name, which may be an earlier one, or `default`; empty where there is none."""
    names = embedded()
    if asked == "default":
        return names[0] if names else ""
    return next((name for name in (asked, RENAMED.get(asked, asked)) if name in names), "")


def load(asked: str | DetectorSpec = "default", progress: hub_client.Progress | None = None) -> LoadedDetector:
    """Find a detector by its name and load it; a repository is downloaded first where this machine has not got it. `asked` is a NAME as
    `embedded_name` takes it, a folder DIR or `hf:owner/repo[@revision]`, whose commit `info.source` then names; `progress` is told of a
    download, which ends with whatever it raises. Raises UnknownDetector, DamagedDetector, UnusableDetector or UnmappedLabels with the
    reason."""
    spec = asked if isinstance(asked, DetectorSpec) else DetectorSpec(str(asked))
    if spec.name.startswith("hf:"):
        snapshot = hub_client.obtain(hub.parse(spec.name), progress)
        try:
            return _load(snapshot.folder, spec, snapshot)
        except DamagedDetector:
            # What the Hub sent is fetched again the next time.
            hub.discard(snapshot)
            raise
    if name := embedded_name(spec.name):
        return load_folder(EMBEDDED_FOLDER / name)
    folder, there = Path(spec.name), False
    with suppress(OSError, ValueError):
        there = spec.name not in ("", "default") and folder.is_dir()
    if there:
        return _load(folder, spec)
    step = _("Embedded detectors: {names}. A folder or hf:owner/repo@revision works too.").format(names=", ".join(embedded()) or "–")
    raise UnknownDetector(_("There is no detector called “{name}” here.").format(name=folder.name[:80]), step)


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
            what = _("The file {file} of the detector {detector} is not the one that its card describes.")
            raise DamagedDetector(what.format(file=name, detector=card.name), AGAIN)
    config = parse_json(contents[CONFIG_FILE], CONFIG_FILE)
    mean, std = _check_config(config, card)
    model = build_backbone(config["architecture"], config["num_classes"], config.get("model_args"))
    needed_px = SIDE_PX if isinstance(model, Caddm) else model.img_size if isinstance(model, Shallow) else card.crop.side_px
    if card.crop.side_px != needed_px:
        raise unreadable(f"{card.name} reads faces of {card.crop.side_px} px; its architecture needs {needed_px} px")
    load_exactly(model, expand(parse_tensors(contents[MODEL_FILE], MODEL_FILE)), MODEL_FILE)
    projection = _projection(parse_tensors(contents[REFERENCE_FILE], REFERENCE_FILE), pooled_width(model))
    model.eval().requires_grad_(False)
    projection.eval().requires_grad_(False)
    for probe in card.probes:
        found = torch.tensor(probe_logits(model, mean, std, card.crop.side_px, probe.seed))
        difference = (found - torch.tensor(probe.logits)).abs().max().item()
        # A NaN is no difference that is small enough either.
        if not difference <= PROBE_TOLERANCE:
            raise damaged(f"{card.name} does not give the answers that its card promises: they differ by {difference:.3g}")
    info = info_of(card, source)
    return LoadedDetector(card.name, card, model, projection, folder, info.weights_sha256, info, config["architecture"], mean, std)


def info_of(card: Card, source: str = "") -> DetectorInfo:
    """What evidence says of the detector that a card describes; `source` names its repository and commit."""
    return DetectorInfo(
        card.name, card.files[MODEL_FILE], tuple(label.name for label in card.labels), tuple(label.family for label in card.labels),
        tuple(label.display_name for label in card.labels), card.licence, limits=card.limits, source=source, measured=not card.adapter,
        scope=card.scope, speaks_on=card.speaks_on,
    )  # fmt: skip


def read_bytes(folder: Path, name: str, most: int = hub.LARGEST_FILE_BYTES) -> bytes:
    """A file of a detector's folder. Raises DamagedDetector or, for one beyond `most` bytes, UnusableDetector."""
    try:
        path = folder / name
        if path.stat().st_size > most:
            what = _("The file {file} of the detector is larger than {size}.").format(file=name, size=numbers.size(most))
            raise UnusableDetector(what, SMALLER_DETECTOR)
        return path.read_bytes()
    except OSError as error:
        raise DamagedDetector(_("The detector’s folder has no readable {file}.").format(file=name), AGAIN) from error


def parse_json(content: bytes, name: str) -> dict[str, Any]:
    """A JSON object, or DamagedDetector."""
    try:
        data = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(f"the file {name} is not JSON") from error
    if not isinstance(data, dict):
        raise damaged(f"the file {name} is no JSON object")
    return data


def parse_tensors(content: bytes, name: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, or UnusableDetector for any other: a pickle is never opened."""
    try:
        return parse_safetensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        what = _("The file {file} of the detector is not in safetensors format, and only that is read.").format(file=name)
        raise UnusableDetector(what, OTHER_DETECTOR) from error


def load_exactly(model: nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Copy `tensors` into the model in its own dtypes, once every key, shape, kind and value was checked; raises DamagedDetector. `name` is
    the file's."""
    wanted = model.state_dict()
    differing = sorted(set(wanted) ^ set(tensors))
    if differing:
        raise damaged(f"{name} and the architecture differ in {len(differing)} tensors, {differing[0][:80]!r} first")
    for key, tensor in tensors.items():
        alike = tensor.dtype in _FLOATS if wanted[key].is_floating_point() else tensor.dtype == wanted[key].dtype
        if tensor.shape != wanted[key].shape or not alike:
            raise damaged(f"the tensor {key[:80]!r} in {name} has not the shape or kind that the architecture needs")
    check_values(tensors, name)
    model.load_state_dict({key: tensor.to(wanted[key].dtype) for key, tensor in tensors.items()}, strict=True)


def check_values(tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """DamagedDetector for a tensor with values that are not finite."""
    for key, tensor in tensors.items():
        # One infinite or undefined value makes the sum such a one; double precision holds any sum of finite ones. Faster than isfinite.
        if tensor.is_floating_point() and not math.isfinite(float(tensor.sum(dtype=torch.float64))):
            raise damaged(f"the tensor {key[:80]!r} in {name} holds values that are not finite")


def probe_logits(model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], side_px: int, seed: int) -> list[float]:
    """The K logits of `probe_crop(seed, side_px)` in float32 on the model's device: what a card's probes hold."""
    device = next(model.parameters()).device
    crop = torch.from_numpy(probe_crop(seed, side_px)).unsqueeze(0).to(device)
    with torch.inference_mode():
        return features(model, normalise(crop, mean, std))[1][0].float().cpu().tolist()


def _load(folder: Path, spec: DetectorSpec, snapshot: hub.Snapshot | None = None) -> LoadedDetector:
    """A folder with a card by our own contract, one without by an adapter; that of a snapshot with the Hub's digests of its files."""
    snapshot = snapshot or hub.Snapshot(folder.absolute().name, "", folder)
    source = f"hf:{snapshot.repository}@{snapshot.revision}" if snapshot.revision else ""
    if not (folder / CARD_FILE).is_file():
        # Most detectors need no adapter.
        from attribution.detectors import third_party

        return third_party.load_folder(folder, snapshot.repository, spec, snapshot.digests, source, snapshot.licence)
    if spec.view or spec.meanings:
        what = _("What this detector sees and what its labels mean stands in its card and cannot be chosen.")
        raise UnusableDetector(what, _("Leave that choice out."))
    # The card vouches for every other file.
    return load_folder(folder, source, snapshot.digests.get(CARD_FILE, ""))


def _check_config(config: Mapping[str, Any], card: Card) -> tuple[Colours, Colours]:
    """Mean and standard deviation per colour; DamagedDetector when timm's configuration contradicts the card."""
    if not isinstance(config.get("architecture"), str) or not isinstance(config.get("model_args", {}), Mapping):
        raise unreadable("its config.json is not in timm's format")
    names = [label.name for label in card.labels]
    if config.get("num_classes") != len(names) or config.get("label_names", names) != names:
        raise damaged("the labels in its config.json are not those of its card")
    pretrained = config.get("pretrained_cfg")
    if not isinstance(pretrained, Mapping) or pretrained.get("input_size") != [3, card.crop.side_px, card.crop.side_px]:
        raise damaged("the input size in its config.json is not that of its card")
    mean, std = colours(pretrained.get("mean"), -1), colours(pretrained.get("std"), 1e-3)
    if mean is None or std is None:
        raise damaged("the mean or the standard deviation in its config.json is not usable")
    return mean, std


def colours(values: Any, least: float, most: float = 2) -> Colours | None:
    """Three numbers in a range, one per colour; None for anything else."""
    good = isinstance(values, list | tuple) and len(values) == 3
    good = good and all(isinstance(one, int | float) and not isinstance(one, bool) and least <= one <= most for one in values)
    return (float(values[0]), float(values[1]), float(values[2])) if good else None


def _projection(tensors: Mapping[str, torch.Tensor], width: int) -> Projection:
    weight = tensors.get(PROJECTION_KEY)
    if weight is None or weight.ndim != 2 or weight.shape[1] != width or not 2 <= weight.shape[0] <= 4096:
        raise damaged(f"{REFERENCE_FILE} has no projection of {width} features")
    projection = Projection(width, weight.shape[0])
    load_exactly(projection, {"weight": weight}, REFERENCE_FILE)
    return projection
