"""The detectors that the lab publishes: the default one, which names methods; DNA-Det, which names architectures; and the ID-unaware
detector, which says where a face was swapped. Each is a `Product` with its own tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from attribution.detectors.card import ArtifactRule, Card, MeasuredTable
from attribution.detectors.eight_bit import compress
from attribution.detectors.loading import load, load_folder
from attribution.detectors.predictor import Predictor
from attribution.evidence import TrackEvidence
from attribution.explain.patches import patch_logits
from attribution.explain.reference import MOST_REFERENCES, ReferenceBank
from attribution.lab import metrics
from attribution.lab.data import Data, read_manifest
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.labels import CADDM_LABELS, DNADET_LABELS, LABELS
from attribution.lab.measure import caddm, dnadet
from attribution.lab.measure.cross_auc import cross_auc_tables
from attribution.lab.measure.evaluate import confusion_table, judge_samples, measure, second_opinion_table, source_table, verdict_table
from attribution.lab.measure.localisation import choose_rule, confidence_table
from attribution.lab.measure.predictions import (
    SplitPredictions,
    load_net,
    of_methods,
    read,
    read_by_detector,
    references,
    settings_of,
    with_projection,
)
from attribution.lab.publish.folder import write_card
from attribution.lab.publish.publisher import SPLITS, Faces, Product, Publication, begin, last_ece, with_table
from attribution.lab.tables import print_table
from attribution.lab.train import dnadet as training
from attribution.measured.study import read_study
from attribution.models.architectures import DNA_DET

_MADE = "forgeries made from them by attribution/lab/forge/swaps.py"
METHODS = Product(
    LABELS, methods=[label.name for label in LABELS], scope="any", forgeries=f"; and {_MADE}.",
    description="Faces → the method that made or manipulated them: MobileNetV2 with a contrastive embedding.",
    pretrained={"pool_size": [7, 7], "first_conv": "conv_stem", "classifier": "classifier"},
)  # fmt: skip
DNADET = Product(
    DNADET_LABELS, methods=training.CLASSES, scope="generated", packed=compress,
    description="Wholly generated faces → the architecture of their generator: DNA-Det, by traces that lie all over the picture.",
    pretrained={"first_conv": "stages.0.conv_halve", "classifier": "classifier"},
    build=lambda settings: (DNA_DET, {"img_size": settings["side_px"]}),
)  # fmt: skip
CADDM = Product(
    CADDM_LABELS, methods=caddm.METHODS, scope="face_swap", relabelled=caddm.as_labels,
    description="Faces → whether they were swapped or a part was pasted, and where: the ID-unaware detector with artifact boxes.",
    forgeries=f"; {_MADE}, and Multi-scale Facial Swaps of all of these by attribution/lab/forge/mfs.py.",
    pretrained={"first_conv": "backbone.conv_stem", "classifier": "classifier"},
)  # fmt: skip

PRODUCTS = {product.scope: product for product in (METHODS, DNADET, CADDM)}


def publish_methods(
    run: Path, data_flag: str | None, work: Path, out: Path, minutes: float, command: str, study: Path | None = None,
    notes: Sequence[str] = (), references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write the whole folder `out` of a detector of methods and print its figures. `notes` are sentences for the card on how the weights
    came about; `study` is the file of the study's results, whose folds say what becomes of methods and sources that training never saw."""
    faces, net = Faces.load(data_flag, work), load_net(run)
    with torch.no_grad():
        for value in [*net.parameters(), *net.buffers()]:
            if value.is_floating_point():
                value.copy_(value.half().float())
    samples = faces.samples
    chosen = {split: np.arange(len(samples[split])) for split in SPLITS}
    chosen["train"] = references(samples["train"], settings_of(run)["leave_out"], references_count, METHODS.methods)
    said = {split: read(net, samples[split], chosen[split], run / f"read_{split}.npz", mirrored=True) for split in chosen}
    own = begin(METHODS, run, net, said.pop("train"), said, faces, out, minutes, command, notes)
    tables, test = measure(samples, own.raw, own.found, faces.sides, own.info, own.temperature, own.card.thresholds, own.bank)
    unseen = read_study(study).tables.get("leave_out") if study else None
    tables += [own.placement, *([] if unseen is None else [unseen])]
    own.finish(own.card, tables, [round(one, 4) for one in (test.ece_uncalibrated, test.ece)])


def publish_dnadet(
    runs: dnadet.Runs, data_flag: str | None, work: Path, out: Path, minutes: float, command: str, notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write DNA-Det's whole folder `out` and print its figures."""
    faces = Faces.load(data_flag, work)
    samples, run = faces.samples, runs.shipped
    read_faces = dnadet.Faces(samples, references(samples["train"], (), references_count, training.CLASSES), faces.sides)
    reader, bank_faces = dnadet.build_reader(run, samples["train"], read_faces.references)
    own = begin(DNADET, run, reader, bank_faces, dnadet.read_all(reader, run, read_faces), faces, out, minutes, command, notes)
    test = dnadet.overall_table(own.found, own.raw, own.info, own.temperature)
    card = _with_patches(own.card, samples["val"], own.predictor(own.card))
    predictor, default = own.predictor(card), Predictor(load("default"))
    compared = dnadet.comparisons(runs, read_faces, own.found, own.raw, bank_faces, predictor, default)
    own.finish(card, [test, *_dnadet_answers(own), *compared, own.placement], last_ece(test))


def _with_patches(card: Card, val: Samples, predictor: Predictor) -> Card:
    """The card with a bias per class and a temperature for patches that are read alone, fitted on the patches of at most 60 validation
    faces of each class, photographs weighing as much as all generators together: a patch tells less than a face, and the bias of whole
    faces would call every second patch of a photograph generated."""
    by_class = (of_methods(val, (name,)) for name in training.CLASSES)
    chosen = np.concatenate([mine[:: max(1, len(mine) // 60)][:60] for mine in by_class])
    logits = patch_logits(predictor, np.stack([val.picture(int(index)) for index in chosen]))
    truth = np.repeat([training.CLASSES.index(val.methods[int(index)]) for index in chosen], len(logits) // len(chosen))
    weights = np.where(truth == 0, 1.0 / (truth == 0).sum(), 1.0 / (truth != 0).sum())
    bias, temperature = metrics.fit_calibration(logits, truth, weights)
    patch_bias, patch_temperature = tuple(round(float(one), 4) for one in bias), round(float(temperature), 4)
    return replace(card, calibration=replace(card.calibration, patch_bias=patch_bias, patch_temperature=patch_temperature))


def _verdicts(on: str, found: SplitPredictions, judged: Sequence[TrackEvidence], methods: Sequence[str]) -> list[MeasuredTable]:
    """The table of the verdicts on the faces of these methods; none without any."""
    chosen = np.flatnonzero(np.isin(found.methods, methods))
    return [verdict_table(f"Verdicts on {on}", found.take(chosen), [judged[index] for index in chosen.tolist()])] if len(chosen) else []


def _dnadet_answers(own: Publication) -> list[MeasuredTable]:
    """What it says of the faces of its classes, and of others; then how far its confidence can be trusted."""
    tables: list[MeasuredTable] = []
    for split in ("cross", "test"):
        found, judged = own.found[split], own.judged(split)
        tables += _verdicts(split, found, judged, training.CLASSES)
        tables.append(source_table(f"Sources, {split}", own.own(split), own.info, own.temperature))
        tables.append(confusion_table(f"Methods, {split}", own.own(split), own.info, own.temperature))
        tables += _verdicts(f"unknown generators, {split}", found, judged, dnadet.UNKNOWN_GENERATORS)
        tables += _verdicts(f"face swaps, {split}", found, judged, (dnadet.SWAPPED,))
    return [*tables, *own.confidence()]


@dataclass(frozen=True)
class CaddmRuns:
    """Finished runs: the one that ships, the plain binary detector beside it, and the backbone's file before any of it, if at hand."""

    shipped: Path
    plain: Path
    backbone: Path | None = None


def publish_caddm(
    runs: CaddmRuns, data_flag: str | None, work: Path, out: Path, minutes: float, command: str, notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write the ID-unaware detector's whole folder `out` and print its figures, beside the plain binary detector of the same data and
    steps, and beside the default one; `lab localise` adds where its boxes and heatmaps point."""
    faces, run = Faces.load(data_flag, work), runs.shipped
    samples, rows = faces.samples, faces.rows
    chosen = references(samples["train"], (), references_count, caddm.METHODS)
    reader, bank_faces = with_projection(caddm.load_run(run), samples["train"], chosen, run)
    every = {split: np.arange(len(samples[split])) for split in SPLITS}
    raw = {split: read(reader, samples[split], every[split], run / f"read_{split}.npz", mirrored=True) for split in SPLITS}
    own = begin(CADDM, run, reader, bank_faces, raw, faces, out, minutes, command, notes)
    card = replace(own.card, artifacts=ArtifactRule(min_confidence=0.5))
    rule = choose_rule(own.predictor(card), rows, work, samples["val"])
    card = replace(card, artifacts=rule)
    predictor, default = own.predictor(card), Predictor(load("default"))
    rivals = caddm.Rivals(runs.plain, runs.backbone, predictor, default, run / "compared")
    overall, compared = caddm.compare(rivals, rows, samples, own.found, raw, own.info, own.temperature)
    by_confidence = confidence_table(predictor, rows, work, samples["test"], rule)
    own.finish(card, [overall, *compared, *_caddm_answers(own, default, run), by_confidence, own.placement], last_ece(overall))


def _caddm_answers(own: Publication, default: Predictor, run: Path) -> list[MeasuredTable]:
    """What its verdicts say, alone and beside the default detector; then how far its confidence can be trusted."""
    tables, card, bank = [], default.card, ReferenceBank.load(default.detector.folder)
    for split in ("cross", "test"):
        samples, judged, mine = own.faces.samples[split], own.judged(split), own.own(split)
        tables.append(verdict_table(f"Verdicts on {split}", mine, [judged[index] for index in of_methods(samples, caddm.METHODS)]))
        tables.append(source_table(f"Sources, {split}", mine, own.info, own.temperature))
        by_default = read_by_detector(default, samples, np.arange(len(samples)), run / f"read_default_{split}.npz")
        chosen = (card.calibration.temperature, card.thresholds, default.info, bank)
        first = judge_samples(samples, by_default, own.faces.sides[split], *chosen)
        tables.append(second_opinion_table(split, own.found[split], first, judged, own.info.name, CADDM.scope))
    return [*tables, *own.confidence()]


def measure_cross_auc(folders: Sequence[Path], data: Data, work: Path) -> None:
    """`lab cross-auc`: measure AUCs across collections of finished detectors and write the table into their cards."""
    rows = read_manifest(data)
    samples = {split: load_samples(rows, work, split) for split in ("test", "cross")}
    landmarks = np.stack([row.landmarks for row in rows if row.split == "cross"])
    unseen = caddm.generalisation_cases(samples["test"], samples["cross"], landmarks)
    for folder in folders:
        predictor = Predictor(load_folder(folder))
        methods = PRODUCTS[predictor.card.scope].methods
        found = cross_auc_tables(predictor, samples, methods, unseen if "face_swap" in predictor.info.families else None)
        print(f"\n{predictor.info.name}")
        card = predictor.card
        for one in found:
            print_table(one)
            card = with_table(card, one)
        write_card(card, folder)
