"""This detector beside the plain binary one of the same data and steps, and beside the default: on faces from elsewhere, and by how much of
a person's identity their features hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from attribution.detectors.card import MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.evidence import DetectorInfo
from attribution.lab.data import REAL, Row
from attribution.lab.measure import metrics
from attribution.lab.measure.caddm_reading import METHODS, as_labels, load_run
from attribution.lab.measure.evaluate import p_manipulated
from attribution.lab.measure.generalise import Pictures, auc_tables, cases, clip_means
from attribution.lab.measure.identity import Features, identity_tables, probe_faces
from attribution.lab.measure.predict import SplitPredictions, predict
from attribution.lab.measure.reading import Reader
from attribution.lab.pools import Samples
from attribution.lab.train.methods import MEAN, STD, read_pretrained
from attribution.models.backbones import build_backbone, features, normalise

PLAIN = "plain binary"
IMAGENET = "ImageNet backbone"
IDENTITY_SOURCE = "press_sports"
_BATCH = 32
_COLUMNS = (
    "split", "faces", "AUC", "low", "high", "clips AUC", "clips low", "clips high", "plain binary AUC", "plain low", "plain high", "EER",
    "ECE before", "ECE after",
)  # fmt: skip
_NOTE = (
    "DFDC faces, untouched against swapped, by the network alone; clips: the mean over a clip's faces; plain binary: the same network "
    "without the Artifact Detection Module and without Multi-scale Facial Swap, trained on the same faces for as many steps. 95 % "
    "bootstrap intervals over clips. ECE: over all faces that it is for, but the lab's own forgeries."
)


@dataclass(frozen=True)
class Rivals:
    """Who is compared: the run of the plain detector, the file of the untrained backbone if at hand, this detector and the default one as
    they ship, and a folder for what was read."""

    plain: Path
    backbone: Path | None
    predictor: Predictor
    default: Predictor
    kept: Path


def compare(
    rivals: Rivals, rows: Sequence[Row], samples: Mapping[str, Samples], found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions],
    info: DetectorInfo, temperature: float,
) -> tuple[MeasuredTable, list[MeasuredTable]]:  # fmt: skip
    """The table "Overall", then the AUCs, the identity probe and their differences."""
    plain = Reader(load_run(rivals.plain)).eval()
    overall = _overall(plain, samples, found, raw, info, temperature)
    landmarks = np.stack([row.landmarks for row in rows if row.split == "cross"])
    pictures = cases(samples["test"], samples["cross"], landmarks)
    print(f"{len(pictures)} pictures for the AUCs", flush=True)
    name = rivals.predictor.info.name
    p = {
        PLAIN: _kept(rivals.kept / "plain.npy", rivals.plain / "final.safetensors", lambda: _read_plain(plain, pictures)),
        rivals.default.info.name: _of_examiner(rivals, rivals.default, pictures),
        name: _of_examiner(rivals, rivals.predictor, pictures),
    }
    aucs = auc_tables(pictures, p, (name, PLAIN))
    faces = probe_faces(samples["cross"], IDENTITY_SOURCE)
    if len(set(faces.persons)) < 2:
        print(f"no identity probe: {IDENTITY_SOURCE} does not name two people with several pictures", flush=True)
        return overall, aucs
    crops = np.stack([samples["cross"].encoded(int(index)) for index in faces.indices])
    about = f"{len(crops)} untouched photographs of {len(set(faces.persons))} athletes ({IDENTITY_SOURCE}), in no training."
    return overall, [*identity_tables(_features(rivals, plain, crops), faces.persons, about=about), *aucs]


def _overall(
    plain: Reader, samples: Mapping[str, Samples], found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], info: DetectorInfo,
    temperature: float,
) -> MeasuredTable:  # fmt: skip
    rows = []
    for split in ("val", "test"):
        own = found[split].own()
        dfdc = np.flatnonzero(np.array(samples[split].sources) == "dfdc")
        p = p_manipulated(metrics.softmax(found[split].logits[dfdc], temperature), info)
        truth, groups = found[split].families[dfdc] != REAL, found[split].groups[dfdc]
        other = metrics.softmax(predict(plain, samples[split], dfdc, mirrored=True).logits)[:, 1]
        means, swapped, clips = clip_means(p, truth, groups)
        row: list[str | int | float | None] = [split, len(dfdc)]
        for scores, positive, by in ((p, truth, groups), (means, swapped, clips), (other, truth, groups)):
            row += metrics.estimate(lambda drawn, s=scores, y=positive: metrics.auc(y[drawn], s[drawn]), by)
        row.append(round(metrics.equal_error_rate(truth, p), 3))
        for faces, t in ((raw[split], 1.0), (found[split], temperature)):
            own = as_labels(faces.own().take(np.isin(faces.own().methods, METHODS)))
            q = metrics.softmax(own.logits, t)
            row.append(round(metrics.expected_calibration_error(q.max(1), np.array(info.labels)[q.argmax(1)] == own.methods), 4))
        rows.append(tuple(row))
    return MeasuredTable("Overall", _COLUMNS, tuple(rows), _NOTE)


def _read_plain(plain: Reader, pictures: Pictures) -> np.ndarray:
    """M probabilities of a swap, each picture read with its mirror image."""
    said = []
    with torch.inference_mode():
        for first in range(0, len(pictures), _BATCH):
            x = _inputs(pictures.crops[first : first + _BATCH])
            logits = (plain(x)[0] + plain(x.flip(3).contiguous(memory_format=torch.channels_last))[0]) / 2
            said.append(metrics.softmax(logits.numpy())[:, 1])
    return np.concatenate(said)


def _of_examiner(rivals: Rivals, predictor: Predictor, pictures: Pictures) -> np.ndarray:
    def read() -> np.ndarray:
        p = predictor.read(pictures.crops, mirrored=True).p_methods
        return p_manipulated(p, predictor.info)

    return _kept(rivals.kept / f"{predictor.info.name}-{predictor.info.weights_sha256[:12]}.npy", None, read)


def _kept(file: Path, older_than, read) -> np.ndarray:
    """What was read once, from `file` unless the weights are newer."""
    if not file.exists() or (older_than is not None and file.stat().st_mtime < older_than.stat().st_mtime):
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, read())
    return np.load(file)


def _inputs(crops: np.ndarray) -> torch.Tensor:
    return normalise(torch.from_numpy(crops), MEAN, STD).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def _features(rivals: Rivals, plain: Reader, crops: np.ndarray) -> Features:
    """Frozen features of each detector, the plain one first; those that are classified, and the default's contrastive embedding too."""
    x = _inputs(crops)
    default = rivals.default.model
    found: dict[tuple[str, str], np.ndarray] = {
        (PLAIN, "pooled"): features(plain.backbone, x)[0].numpy(),
        (rivals.default.info.name, "pooled"): features(default, x)[0].numpy(),
        (rivals.default.info.name, "embedding"): rivals.default.read(crops).embeddings,
        (rivals.predictor.info.name, "pooled"): features(rivals.predictor.model, x)[0].numpy(),
    }
    if rivals.backbone is not None:
        backbone = build_backbone("mobilenetv2_100", 2, {"pad_type": "same"})
        stored = read_pretrained(rivals.backbone, backbone)
        # The probe reads what comes before the classifier, whose classes are none of its business.
        backbone.load_state_dict({key: value for key, value in stored.items() if not key.startswith("classifier")}, strict=False)
        found[(IMAGENET, "pooled")] = features(backbone.eval(), x)[0].numpy()
    return found
