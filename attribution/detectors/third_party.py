"""Detectors of others, which bring no card of Telltale's: read by an adapter, with a card made from what their own files say.

Nothing in such a card was measured by us. Its probabilities are not calibrated, its thresholds are the same careful ones for all, there are
no reference faces, and every definite answer says so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from attribution.detectors import hub
from attribution.detectors.adapters import Adapted, Source, adapt
from attribution.detectors.card import Calibration, Card, CropSettings, Label, Probe, Thresholds, Training, probe_crop
from attribution.detectors.hub import CONFIG_FILE, MODEL_FILE, PREPROCESSOR_FILE
from attribution.detectors.labels import decide
from attribution.detectors.loading import LoadedDetector, info_of, parse_json, parse_tensors, probe_logits, read_bytes
from attribution.detectors.registry import Checkpoint, find
from attribution.detectors.spec import DetectorSpec
from attribution.errors import OTHER_DETECTOR, UnusableDetector, damaged
from attribution.evidence import UNKNOWN_FAMILY
from attribution.messages import gettext as _
from attribution.models.backbones import features, normalise
from attribution.text.detectors import CANNOT_BE_USED, NEVER_MEASURED

FACE_SCALE = 1.3
"""The square that faces are cut to for a detector that does not say how its own were, in heights of the face's box."""
_PROBE_SEEDS, _LEAST_SPREAD, _BATCH_TOLERANCE = (11, 12, 13), 1e-6, 1e-3
_ABOVE, _BELOW, _NAMED, _LEAST_FACE_PX = 0.9, 0.1, 0.6, 60.0
_CONFIG_BYTES = 4 * 2**20


def load_folder(
    folder: Path, name: str, spec: DetectorSpec, digests: Mapping[str, str], source: str = "", licence: str = ""
) -> LoadedDetector:
    """The detector in a folder without a card. `digests` and `licence` are what the Hub said of it; each read file is compared. Raises
    DamagedDetector, UnusableDetector, or UnmappedLabels when neither its labels nor `spec` say what they mean."""
    contents = {CONFIG_FILE: read_bytes(folder, CONFIG_FILE, _CONFIG_BYTES)}
    if not (folder / MODEL_FILE).is_file():
        raise hub.no_safetensors(name)
    contents[MODEL_FILE] = read_bytes(folder, MODEL_FILE)
    if (folder / PREPROCESSOR_FILE).is_file():
        contents[PREPROCESSOR_FILE] = read_bytes(folder, PREPROCESSOR_FILE, _CONFIG_BYTES)
    for file in (one for one in contents if one in digests):
        hub.check(file, contents[file], digests[file])
    # The digest that a file was just compared with may be its sha256 already: large weights are hashed once.
    known = {file: digest.removeprefix("sha256:") for file, digest in digests.items() if digest.startswith("sha256:")}
    sha256 = {file: known.get(file) or hashlib.sha256(contents[file]).hexdigest() for file in (MODEL_FILE, CONFIG_FILE)}
    config = parse_json(contents[CONFIG_FILE], CONFIG_FILE)
    preprocessor = parse_json(contents[PREPROCESSOR_FILE], PREPROCESSOR_FILE) if PREPROCESSOR_FILE in contents else None
    checkpoint = find(name)
    if checkpoint is not None and checkpoint.refused:
        raise UnusableDetector(CANNOT_BE_USED.format(detector=name, reason=checkpoint.refused), OTHER_DETECTOR)
    tensors = parse_tensors(contents.pop(MODEL_FILE), MODEL_FILE)
    adapted = adapt(Source(config, preprocessor, tensors, checkpoint.hints if checkpoint else {}))
    adapted = replace(adapted, crop=_crop(adapted.crop, spec))
    labels = _labels(adapted, spec, checkpoint)
    model = adapted.build()
    model.eval().requires_grad_(False)
    probes = _sane_probes(model, adapted, name)
    card = _card(name, adapted, labels, probes, sha256, licence or (checkpoint.licence if checkpoint else ""))
    return LoadedDetector(
        name, card, model, None, folder, sha256[MODEL_FILE], info_of(card, source), adapted.architecture, adapted.mean, adapted.std
    )


def _crop(crop: CropSettings, spec: DetectorSpec) -> CropSettings:
    """What the detector sees: as chosen, else as its files and what is known of it say."""
    if spec.view in ("", crop.view):
        return crop
    if spec.view == "face":
        return CropSettings("mtcnn", scale=FACE_SCALE, down=0.0, side_px=crop.side_px, resample=crop.resample)
    return CropSettings("none", side_px=crop.side_px, resample=crop.resample)


def _labels(adapted: Adapted, spec: DetectorSpec, checkpoint: Checkpoint | None) -> tuple[Label, ...]:
    names = adapted.label_names or tuple(f"class {number}" for number in range(adapted.num_classes))
    families = decide(names, dict(spec.meanings), dict(checkpoint.meanings) if checkpoint is not None else {})
    labels: list[Label] = []
    for name, family in zip(names, families, strict=True):
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:36] or "label"
        taken = {one.name for one in labels} | {"unknown"}
        # Whatever its makers call it: that a face is authentic nobody can tell.
        shown = _("No manipulation (its label: {label})").format(label=name[:200]) if family == "real" else name[:200]
        labels.append(Label(slug if slug not in taken else f"{slug}_{len(labels)}", shown, family))
    return tuple(labels)


def _sane_probes(model: nn.Module, adapted: Adapted, name: str) -> tuple[Probe, ...]:
    """The logits of fixed inputs, after checks that a network with all its weights passes: they are finite, differ from input to input, and
    do not depend on what else is in a batch."""
    side = adapted.crop.side_px
    crops = torch.stack([torch.from_numpy(probe_crop(seed, side)) for seed in _PROBE_SEEDS])
    try:
        # Large networks take seconds for each: one of them is enough to tell whether the others of its batch matter.
        alone = torch.tensor(probe_logits(model, adapted.mean, adapted.std, side, _PROBE_SEEDS[0]))
        with torch.inference_mode():
            together = features(model, normalise(crops, adapted.mean, adapted.std))[1].float()
    # What networks raise on pictures of another size than theirs.
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        raise damaged(f"{name} cannot read pictures of {side} px") from error
    if not bool(torch.isfinite(together).all() and torch.isfinite(alone).all()):
        raise damaged(f"{name} gives answers that are no numbers")
    if float((together - together[0]).abs().max()) < _LEAST_SPREAD:
        raise damaged(f"{name} gives the same answer whatever it sees")
    if float((alone - together[0]).abs().max()) > _BATCH_TOLERANCE * max(1.0, float(alone.abs().max())):
        raise damaged(f"{name} answers otherwise when it is asked about several faces at once")
    return tuple(Probe(seed, tuple(row.tolist())) for seed, row in zip(_PROBE_SEEDS, together, strict=True))


def _card(
    name: str, adapted: Adapted, labels: tuple[Label, ...], probes: tuple[Probe, ...], files: Mapping[str, str], licence: str
) -> Card:
    sees_picture = adapted.crop.view == "picture"
    limits = (
        *NEVER_MEASURED,
        *((_("It judges the whole picture, not one face of it."),) if sees_picture else ()),
        *((_("Its labels tell whether, and not by which method."),) if {one.family for one in labels} <= {"real", UNKNOWN_FAMILY} else ()),
    )
    return Card(
        name, licence or _("not stated to Telltale: see its repository"), labels, adapted.crop, Calibration(),
        Thresholds(_ABOVE, _BELOW, _NAMED, _NAMED, neighbour_veto=None, min_crop_side_px=0.0 if sees_picture else _LEAST_FACE_PX),
        Training("not stated to Telltale: see its repository", licence or "not stated to Telltale"), probes, dict(files), limits=limits,
        description=f"A detector of others ({adapted.adapter}, {adapted.architecture}), read as its own files say.",
        adapter=adapted.adapter,
    )  # fmt: skip
