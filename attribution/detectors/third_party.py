"""Detectors of others, which bring no card of Telltale's: read by an adapter, with a card made from what their own files say.

Nothing in such a card was measured by us. Its probabilities are not calibrated, its thresholds are the same careful ones for all, there are
no reference faces, and every definite answer says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from attribution.detectors import hub
from attribution.detectors import registry as known
from attribution.detectors.adapters import Adapted, Source, adapt
from attribution.detectors.card import (
    CONFIG_FILE,
    MODEL_FILE,
    Calibration,
    Card,
    CropSettings,
    Label,
    Probe,
    Thresholds,
    Training,
    probe_crop,
)
from attribution.detectors.hub import PREPROCESSOR_FILE
from attribution.detectors.labels import one_sided, read_meanings, why_unclear
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
from attribution.detectors.spec import MANIPULATED, DetectorSpec
from attribution.errors import DamagedDetector, UnmappedLabels, UnusableDetector
from attribution.evidence import UNKNOWN_FAMILY
from attribution.models.backbones import build_backbone, features, normalise

FACE_SCALE = 1.3
"""The square that faces are cut to for a detector that does not say how its own were, in heights of the face's box."""

_PROBE_SEEDS = (11, 12, 13)
_LEAST_SPREAD = 1e-6
_UNTOUCHED = "No manipulation (its label: {name})"
_BATCH_TOLERANCE = 1e-3
_ABOVE, _BELOW, _NAMED = 0.9, 0.1, 0.6
_LEAST_FACE_PX = 60.0
_CONFIG_BYTES = 4 * 2**20


def load_folder(
    folder: Path, name: str, choice: DetectorSpec, digests: Mapping[str, str], source: str = "", licence: str = ""
) -> LoadedDetector:
    """The detector in a folder without a card. `digests` and `licence` are what the Hub said of it; each read file is compared.

    Raises DamagedDetector, UnusableDetector, or UnmappedLabels when neither its labels nor `choice` say what they mean.
    """
    contents = {CONFIG_FILE: read_bytes(folder, CONFIG_FILE, _CONFIG_BYTES)}
    if not (folder / MODEL_FILE).is_file():
        raise UnusableDetector(
            f"{name} has no weights as one {MODEL_FILE}; pickles are never opened.",
            "Ask its makers for safetensors, or choose another one.",
        )
    contents[MODEL_FILE] = read_bytes(folder, MODEL_FILE)
    if (folder / PREPROCESSOR_FILE).is_file():
        contents[PREPROCESSOR_FILE] = read_bytes(folder, PREPROCESSOR_FILE, _CONFIG_BYTES)
    for file, content in contents.items():
        if file in digests:
            hub.check(file, content, digests[file])
    sha256 = {file: _sha256(contents[file], digests.get(file, "")) for file in (MODEL_FILE, CONFIG_FILE)}
    config = parse_json(contents[CONFIG_FILE], CONFIG_FILE)
    preprocessor = parse_json(contents[PREPROCESSOR_FILE], PREPROCESSOR_FILE) if PREPROCESSOR_FILE in contents else None
    checkpoint = known.find(name)
    if checkpoint is not None and checkpoint.refused:
        raise UnusableDetector(f"{name} cannot be used: {checkpoint.refused.rstrip('.')}.", "Choose another detector.")
    adapted = adapt(
        Source(config, preprocessor, parse_tensors(contents.pop(MODEL_FILE), MODEL_FILE), checkpoint.hints if checkpoint else {})
    )
    adapted = replace(adapted, crop=_crop(adapted.crop, choice, checkpoint))
    labels = _labels(adapted, choice, checkpoint)
    model = build_backbone(adapted.architecture, adapted.num_classes, adapted.model_args)
    load_exactly(model, adapted.tensors, MODEL_FILE)
    model.eval().requires_grad_(False)
    probes = _sane_probes(model, adapted, name)
    card = _card(name, adapted, labels, probes, sha256, licence or (checkpoint.licence if checkpoint else ""))
    return LoadedDetector(
        name, card, model, None, folder, sha256[MODEL_FILE], info_of(card, source), adapted.architecture, adapted.mean, adapted.std
    )


def _sha256(content: bytes, checked: str) -> str:
    """The sha256 of a file, which the digest that it was checked against may be already: large weights are hashed once."""
    return checked.removeprefix("sha256:") if checked.startswith("sha256:") else hashlib.sha256(content).hexdigest()


def meanings_of(label_names: tuple[str, ...], choice: DetectorSpec, checkpoint: known.Checkpoint | None) -> tuple[str | None, ...]:
    """What each label means: what the reader said, else what is known of that repository, else what its name tells; None elsewhere."""
    said = dict(choice.meanings)
    hinted = dict(checkpoint.meanings) if checkpoint is not None else {}
    read = read_meanings(label_names)
    found = [said.get(label) or hinted.get(label) or meaning for label, meaning in zip(label_names, read, strict=True)]
    return tuple(UNKNOWN_FAMILY if meaning == MANIPULATED else meaning for meaning in found)


def _crop(crop: CropSettings, choice: DetectorSpec, checkpoint: known.Checkpoint | None) -> CropSettings:
    """What the detector sees: as chosen, else as known of it, else as its files say."""
    if choice.view == "picture":
        return crop if crop.view == "picture" else CropSettings("none", side_px=crop.side_px, resample=crop.resample)
    if choice.view == "face" or (checkpoint is not None and checkpoint.face_scale is not None):
        scale = checkpoint.face_scale if checkpoint is not None and checkpoint.face_scale is not None else FACE_SCALE
        return CropSettings("mtcnn", scale=scale, down=0.0, side_px=crop.side_px, resample=crop.resample)
    return crop


def _labels(adapted: Adapted, choice: DetectorSpec, checkpoint: known.Checkpoint | None) -> tuple[Label, ...]:
    names = adapted.label_names or tuple(f"class {number}" for number in range(adapted.num_classes))
    strangers = [label for label, _ in choice.meanings if label not in names]
    if strangers:
        raise UnusableDetector(f"The detector has no label {strangers[0][:40]!r}.", f"Its labels are: {_listed(names)}.")
    meanings = meanings_of(names, choice, checkpoint)
    unclear = why_unclear(meanings)
    # Somebody who says what every label means may call two of them untouched.
    if unclear and (not choice.meanings or None in meanings or one_sided(meanings)):
        raise UnmappedLabels(
            f"What the labels of this detector mean is not clear: {_listed(names)}. {unclear.rstrip('.')}.",
            f"Say for each whether it stands for an untouched face (real), for a manipulation ({MANIPULATED}), or for which kind of one.",
            names,
        )
    labels: list[Label] = []
    for name, family in zip(names, meanings, strict=True):
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:36] or "label"
        taken = {one.name for one in labels} | {"unknown"}
        # Whatever its makers call it: that a face is authentic nobody can tell.
        shown = _UNTOUCHED.format(name=name[:200]) if family == "real" else name[:200]
        labels.append(Label(slug if slug not in taken else f"{slug}_{len(labels)}", shown, str(family)))
    return tuple(labels)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(name[:40] for name in names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _sane_probes(model: nn.Module, adapted: Adapted, name: str) -> tuple[Probe, ...]:
    """The logits of fixed inputs, after checks that a network with all its weights passes: they are finite, differ from input to input, and
    do not depend on what else is in a batch."""
    side = adapted.crop.side_px
    alone = torch.tensor([probe_logits(model, adapted.mean, adapted.std, side, seed) for seed in _PROBE_SEEDS])
    crops = torch.stack([torch.from_numpy(probe_crop(seed, side)) for seed in _PROBE_SEEDS])
    with torch.inference_mode():
        together = features(model, normalise(crops, adapted.mean, adapted.std))[1].float()
    if not bool(torch.isfinite(alone).all()):
        raise DamagedDetector(f"{name} gives answers that are no numbers.", AGAIN)
    if float((alone - alone[0]).abs().max()) < _LEAST_SPREAD:
        raise DamagedDetector(f"{name} gives the same answer whatever it sees.", AGAIN)
    if float((alone - together).abs().max()) > _BATCH_TOLERANCE * max(1.0, float(alone.abs().max())):
        raise DamagedDetector(f"{name} answers otherwise when it is asked about several faces at once.", AGAIN)
    return tuple(Probe(seed, tuple(row.tolist())) for seed, row in zip(_PROBE_SEEDS, alone, strict=True))


def _card(
    name: str, adapted: Adapted, labels: tuple[Label, ...], probes: tuple[Probe, ...], files: Mapping[str, str], licence: str
) -> Card:
    sees_picture = adapted.crop.view == "picture"
    limits = (
        "Telltale has never measured this detector: how often it is wrong is not known here.",
        "Its probabilities are not calibrated: of the answers that it calls 97 % certain more than 3 % may be wrong.",
        *(("It judges the whole picture, not one face of it.",) if sees_picture else ()),
        *(("Its labels tell whether, and not by which method.",) if {one.family for one in labels} <= {"real", UNKNOWN_FAMILY} else ()),
    )
    return Card(
        name=name,
        licence=licence or "not stated to Telltale: see its repository",
        labels=labels,
        crop=adapted.crop,
        calibration=Calibration(),
        thresholds=Thresholds(
            _ABOVE, _BELOW, _NAMED, _NAMED, neighbour_veto=None, min_crop_side_px=0.0 if sees_picture else _LEAST_FACE_PX
        ),
        training=Training("not stated to Telltale: see its repository", licence or "not stated to Telltale"),
        probes=probes,
        files=dict(files),
        limits=limits,
        description=f"A detector of others ({adapted.adapter}, {adapted.architecture}), read as its own files say.",
        adapter=adapted.adapter,
    )
