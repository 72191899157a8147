"""The ID-unaware detector beside others: finished runs as the app will have them, in half precision; on faces from elsewhere; and by how
much of a person's identity their features hold. AUCs of untouched against manipulated faces are measured in-source on the test faces of
DFDC, per face and per clip, and cross-source on collections that no training saw, against swaps that no training used (`unseen`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.evidence import DetectorInfo
from attribution.lab import metrics
from attribution.lab.data import REAL, Row
from attribution.lab.forge.pools import FORGED, Samples
from attribution.lab.forge.unseen import KINDS, unseen_swaps
from attribution.lab.labels import CADDM_LABELS as LABELS
from attribution.lab.measure.predictions import Reader, SplitPredictions, finished, method_answers, p_manipulated, predict
from attribution.lab.measure.probes import Features, identity_tables, probe_faces
from attribution.lab.tables import table
from attribution.lab.train.caddm import SWAPS
from attribution.lab.train.loop import as_input, half_precision
from attribution.lab.train.methods import read_pretrained
from attribution.models.backbones import build_backbone, features
from attribution.models.caddm import Caddm, build_caddm

SWAPPED = LABELS[1].name
# What the detector looks for, and what it is asked about.
METHODS = (REAL, *SWAPS)
DFDC, PLAIN, IDENTITY_SOURCE, _BATCH = "DFDC test, faces", "plain binary", "press_sports", 32
UNSEEN = ("unseen swaps", "unseen partial swaps")
_OF_KIND = dict(zip(KINDS, UNSEEN, strict=True))


def load_run(run: Path) -> Caddm:
    """The averaged network of a finished run in evaluation mode, rounded to half precision as it ships."""
    settings, state = finished(run)
    net = build_caddm(len(LABELS), settings["model_args"], artifacts=not settings["plain"], architecture=settings["architecture"])
    halves = half_precision(state)
    net.load_state_dict({key: value.float() if value.dtype == torch.float16 else value for key, value in halves.items()})
    return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def as_labels(found: SplitPredictions) -> SplitPredictions:
    """The same faces under the detector's own two labels."""
    return replace(found, methods=np.where(found.methods == REAL, REAL, SWAPPED))


@dataclass(frozen=True)
class Pictures:
    """M pictures to read (`crops` M×S×S×3 uint8; `manipulated` M boolean; `groups` M: clip, person or picture, which a swap shares with
    its target) and the `sets` (indices) that an AUC is measured on."""

    crops: np.ndarray
    manipulated: np.ndarray
    groups: np.ndarray
    sets: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.crops)


def generalisation_cases(test: Samples, cross: Samples, landmarks: np.ndarray, per_target: int = 1) -> Pictures:
    """The pictures and sets of all tables here, seeded; sets of one class are left out. `landmarks` of `cross`: 5×2 px each."""
    pictures: list[tuple[np.ndarray, bool, str]] = []
    untouched: dict[str, list[int]] = {}
    sets: dict[str, list[int]] = {DFDC: []}

    def add(*picture: Any) -> int:
        pictures.append(picture)
        return len(pictures) - 1

    for index in range(len(test)):
        if test.sources[index] == "dfdc":
            sets[DFDC].append(add(test.encoded(index), test.families[index] != REAL, test.groups[index]))
    for index in range(len(cross)):
        if cross.families[index] == REAL:
            untouched.setdefault(cross.sources[index], []).append(index)
    place = {index: add(cross.encoded(index), False, cross.groups[index]) for own in untouched.values() for index in own}
    for number, (source, own) in enumerate(untouched.items()):
        persons = [cross.groups[index] for index in own]
        made = unseen_swaps([cross.picture(index) for index in own], landmarks[own], persons, per_target, number)
        for kind in KINDS:
            swapped = [add(one.rgb, True, persons[one.base]) for one in made if one.kind == kind]
            sets[f"{_OF_KIND[kind]}, {source}"] = [place[index] for index in own] + swapped
    for method in (one for one in FORGED if one in METHODS):
        swapped = [add(cross.encoded(i), True, cross.groups[i]) for i in range(len(cross)) if cross.methods[i] == method]
        sets[f"{method}, other collections"] = [*place.values(), *swapped]
    crops, manipulated, groups = zip(*pictures, strict=True)
    truth = np.array(manipulated, bool)
    full = {name: np.array(chosen, int) for name, chosen in sets.items() if len(set(truth[chosen])) == 2}
    return Pictures(np.stack(crops), truth, np.array(groups), full)


def clip_means(p: np.ndarray, manipulated: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean `p` of each clip, untouched and manipulated faces apart: C means, whether they are manipulated, and their groups."""
    keys, place = np.unique(np.char.add(np.where(manipulated, "1", "0"), np.asarray(groups, str)), return_inverse=True)
    means = np.bincount(place, p) / np.bincount(place)
    return means, np.array([key[0] == "1" for key in keys.tolist()], bool), np.array([key[1:] for key in keys.tolist()])


def auc_tables(pictures: Pictures, p_manipulated: Mapping[str, np.ndarray], pair: tuple[str, str]) -> list[MeasuredTable]:
    """The tables "Cross-source AUC" and "AUC differences" of `p_manipulated` (detector → M probabilities); the differences of the `pair`
    over the same resamples. ValueError for probabilities that do not fit or a pair that was not read."""
    strangers = [name for name in pair if name not in p_manipulated]
    if strangers or any(np.shape(p) != (len(pictures),) for p in p_manipulated.values()):
        raise ValueError(f"nothing was read of {strangers[0]}" if strangers else "there must be one probability for each picture")
    found = []
    for name, chosen in pictures.sets.items():
        truth, groups = pictures.manipulated[chosen], pictures.groups[chosen]
        scores = {detector: np.asarray(p)[chosen] for detector, p in p_manipulated.items()}
        found.append(_row(name, truth, groups, scores, pair))
        if name == DFDC:
            by_clip = {detector: clip_means(p, truth, groups) for detector, p in scores.items()}
            _, clip_truth, clips = by_clip[pair[0]]
            found.append(_row("DFDC test, clips", clip_truth, clips, {detector: means for detector, (means, *_) in by_clip.items()}, pair))
    rows, differences = zip(*found, strict=True) if found else ((), ())
    return [
        table("cross_source_auc", rows, (column for detector in p_manipulated for column in (detector, "low", "high"))),
        table("auc_differences", differences, first=pair[0], second=pair[1]),
    ]


def _row(
    name: str, truth: np.ndarray, groups: np.ndarray, scores: Mapping[str, np.ndarray], pair: Sequence[str]
) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    of = lambda detector, drawn: metrics.auc(truth[drawn], scores[detector][drawn])  # noqa: E731
    each = [metrics.estimate(lambda drawn, one=one: of(one, drawn), groups) for one in scores]
    difference = metrics.estimate(lambda drawn: of(pair[0], drawn) - of(pair[1], drawn), groups)
    return (name, len(truth), *(cell for one in each for cell in one)), (name, len(truth), *difference)


class Rivals(NamedTuple):
    """The plain detector's run, the untrained backbone's file if any, this detector and the default, a folder for what was read."""

    plain: Path
    backbone: Path | None
    predictor: Predictor
    default: Predictor
    kept: Path


def compare(
    rivals: Rivals, rows: Sequence[Row], samples: Mapping[str, Samples], found: Mapping[str, SplitPredictions],
    raw: Mapping[str, SplitPredictions], info: DetectorInfo, temperature: float,
) -> tuple[MeasuredTable, list[MeasuredTable]]:  # fmt: skip
    """The table "Overall", then the AUCs, the identity probe and their differences."""
    plain = Reader(load_run(rivals.plain)).eval()
    overall = _overall(plain, samples, found, raw, info, temperature)
    landmarks = np.stack([row.landmarks for row in rows if row.split == "cross"])
    pictures = generalisation_cases(samples["test"], samples["cross"], landmarks)
    print(f"{len(pictures)} pictures for the AUCs", flush=True)
    p = {PLAIN: _kept(rivals.kept / "plain.npy", rivals.plain / "final.safetensors", lambda: _read_plain(plain, pictures))}
    for one in (rivals.default, rivals.predictor):
        file = rivals.kept / f"{one.info.name}-{one.info.weights_sha256[:12]}.npy"
        p[one.info.name] = _kept(file, None, lambda one=one: p_manipulated(one.read(pictures.crops, mirrored=True).p_methods, one.info))
    aucs = auc_tables(pictures, p, (rivals.predictor.info.name, PLAIN))
    faces = probe_faces(samples["cross"], IDENTITY_SOURCE)
    if len(set(faces.persons)) < 2:
        print(f"no identity probe: {IDENTITY_SOURCE} does not name two people with several pictures", flush=True)
        return overall, aucs
    crops = np.stack([samples["cross"].encoded(int(index)) for index in faces.indices])
    about = f"{len(crops)} untouched photographs of {len(set(faces.persons))} athletes ({IDENTITY_SOURCE}), in no training."
    return overall, [*identity_tables(_features(rivals, plain, crops), faces.persons, about=about), *aucs]


def _overall(
    plain: Reader, samples: Mapping[str, Samples], found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions],
    info: DetectorInfo, temperature: float,
) -> MeasuredTable:  # fmt: skip
    rows = []
    for split in ("val", "test"):
        dfdc = np.flatnonzero(np.array(samples[split].sources) == "dfdc")
        p = p_manipulated(metrics.softmax(found[split].logits[dfdc], temperature), info)
        truth, groups = found[split].families[dfdc] != REAL, found[split].groups[dfdc]
        other = metrics.softmax(predict(plain, samples[split], dfdc, mirrored=True).logits)[:, 1]
        means, swapped, clips = clip_means(p, truth, groups)
        row: list[Cell] = [split, len(dfdc)]
        for scores, positive, by in ((p, truth, groups), (means, swapped, clips), (other, truth, groups)):
            row += metrics.estimate(lambda drawn, s=scores, y=positive: metrics.auc(y[drawn], s[drawn]), by)
        row.append(round(metrics.equal_error_rate(truth, p), 3) if len(set(truth.tolist())) == 2 else None)
        for faces, t in ((raw[split], 1.0), (found[split], temperature)):
            answers = method_answers(as_labels(faces.own().of(METHODS)), info, t)
            row.append(round(metrics.expected_calibration_error(*answers), 4))
        rows.append(tuple(row))
    return table("overall_caddm", rows)


@torch.inference_mode()
def _read_plain(plain: Reader, pictures: Pictures) -> np.ndarray:
    """M probabilities of a swap, each picture with its mirror image."""
    batches = [as_input(pictures.crops[first : first + _BATCH], "cpu") for first in range(0, len(pictures), _BATCH)]
    logits = [(plain(x)[0] + plain(x.flip(3).contiguous(memory_format=torch.channels_last))[0]) / 2 for x in batches]
    return np.concatenate([metrics.softmax(one.numpy())[:, 1] for one in logits])


def _kept(file: Path, older_than: Path | None, read: Callable[[], np.ndarray]) -> np.ndarray:
    """What was read once, from `file` unless the weights are newer."""
    if not file.exists() or (older_than is not None and file.stat().st_mtime < older_than.stat().st_mtime):
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, read())
    return np.load(file)


@torch.inference_mode()
def _features(rivals: Rivals, plain: Reader, crops: np.ndarray) -> Features:
    """Frozen features of each detector, the plain one first; those that are classified, and the default's contrastive embedding too."""
    x = as_input(crops, "cpu")
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
        found[("ImageNet backbone", "pooled")] = features(backbone.eval(), x)[0].numpy()
    return found
