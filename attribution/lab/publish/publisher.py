"""From a finished run to a detector's folder: calibration, thresholds, references, weights as they ship, card and model card. What differs
between the detectors is a `Product`; `products` has those of the lab.

Every figure of a card is measured on the weights as they are shipped (rounded), read as the app reads pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attribution.detectors.card import Calibration, Card, CropSettings, Label, MeasuredTable, Probe, Thresholds, Training
from attribution.detectors.loading import load_folder, probe_logits
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.evidence import DetectorInfo, TrackEvidence
from attribution.explain.reference import ReferenceBank
from attribution.lab.data import SIDE_PX, Data, Row, find_data, manifest_hash, read_manifest
from attribution.lab.forge.pools import FORGED, Samples, load_samples
from attribution.lab.labels import LABELS
from attribution.lab.measure.calibration import Calibrator, calibrate, choose_thresholds
from attribution.lab.measure.curves import confidence_tables
from attribution.lab.measure.evaluate import judge_samples
from attribution.lab.measure.localisation import answers_of, constant_answers, localisation_cases, localisation_table
from attribution.lab.measure.predictions import SplitPredictions, settings_of
from attribution.lab.publish.folder import digests, write_card, write_model
from attribution.lab.publish.limits import limits_of
from attribution.lab.publish.mapping import write_bank
from attribution.lab.tables import print_table
from attribution.lab.train.loop import MEAN, STD, half_precision

LICENCE = "CC BY-NC 4.0 (research, non-commercial)"
PROBE_SEEDS = (11, 12, 13)
SPLITS = ("val", "test", "cross")


@dataclass(frozen=True)
class Product:
    """What differs between the detectors that the lab publishes. `methods` are those whose faces it is for and measured on, `relabelled`
    gives these faces its own labels; `pretrained` adds to timm's `pretrained_cfg`; `forgeries` ends the sentence about the training faces;
    `packed` gives the weights as they ship, and `build` timm's name of the architecture and its arguments from the run's settings;
    `jpeg_quality` is that of the card."""

    labels: tuple[Label, ...]
    methods: Collection[str]
    description: str
    scope: str
    pretrained: Mapping[str, Any]
    forgeries: str = "."
    relabelled: Callable[[SplitPredictions], SplitPredictions] = lambda found: found
    packed: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]] = half_precision
    build: Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]] = lambda made: (made["architecture"], made["model_args"])
    jpeg_quality: int | None = None

    def own(self, found: SplitPredictions) -> SplitPredictions:
        """The faces that it is for, under its own labels."""
        return self.relabelled(found.of(self.methods))


@dataclass(frozen=True)
class Faces:
    """The labelled faces: the manifest's rows, and the prepared samples of each split."""

    data: Data
    rows: Sequence[Row]
    samples: Mapping[str, Samples]

    @staticmethod
    def load(data_flag: str | None, work: Path) -> Faces:
        """All splits. Raises LabError."""
        data = find_data(data_flag)
        rows = read_manifest(data)
        return Faces(data, rows, {split: load_samples(rows, work, split) for split in ("train", *SPLITS)})

    def crops(self) -> Faces:
        """The same without the lab's own forgeries."""
        return replace(self, samples={split: some.crops() for split, some in self.samples.items()})

    @cached_property
    def sides(self) -> Mapping[str, np.ndarray]:
        """The sides of each split's crops in the original pictures, px."""
        return {split: crop_sides(self.samples[split], self.rows, split) for split in ("train", *SPLITS)}


@dataclass(frozen=True)
class Publication:
    """A detector on its way into its folder: what was read of val, test and cross as it is (`raw`) and with the bias that is shipped
    (`found`), what was chosen on val, and the card without its tables."""

    product: Product
    faces: Faces
    out: Path
    info: DetectorInfo
    raw: Mapping[str, SplitPredictions]
    found: Mapping[str, SplitPredictions]
    placement: MeasuredTable
    card: Card

    @property
    def temperature(self) -> float:
        return self.card.calibration.temperature

    @property
    def bank(self) -> ReferenceBank:
        return ReferenceBank.load(self.out)

    def own(self, split: str) -> SplitPredictions:
        """The faces of a split that the detector is for, under its own labels."""
        return self.product.own(self.found[split])

    def judged(self, split: str) -> list[TrackEvidence]:
        """The verdicts on all faces of a split."""
        samples, sides = self.faces.samples[split], self.faces.sides[split]
        return judge_samples(samples, self.found[split], sides, self.temperature, self.card.thresholds, self.info, self.bank)

    def confidence(self) -> list[MeasuredTable]:
        """How far its confidence can be trusted."""
        raw = self.product.own(self.raw["test"])
        return confidence_tables(self.own("val"), self.own("test"), raw, self.info, self.temperature)

    def predictor(self, card: Card) -> Predictor:
        """The detector as the app loads it, with that card."""
        write_card(card, self.out)
        return Predictor(load_folder(self.out))

    def finish(self, card: Card, tables: Sequence[MeasuredTable], ece: Sequence[float]) -> None:
        """Print the tables and write the card with them, the limits that they tell, and the calibration errors on test (before, after)."""
        for table in tables:
            print_table(table)
        before, after = ece
        calibration = replace(card.calibration, ece_before=before, ece_after=after, measured_on="test")
        write_card(replace(card, calibration=calibration, measured=tuple(tables), limits=limits_of(card.scope, tables)), self.out)


@dataclass(frozen=True)
class Chosen:
    """What was chosen elsewhere than on validation faces: the temperature, the thresholds, and how far from their references faces are (N
    cosine distances)."""

    temperature: float
    thresholds: Thresholds
    distances: np.ndarray


def begin(
    product: Product, run: Path, net: Any, bank_faces: SplitPredictions, raw: Mapping[str, SplitPredictions], faces: Faces, out: Path,
    minutes: float, command: str, notes: Sequence[str], chosen: Chosen | None = None,
) -> Publication:  # fmt: skip
    """Calibrate, and write weights, references and a card without tables into `out`, which gives the detector its name. `net` is the
    network of the finished `run` as it ships: `backbone` with a classifier, which gets the calibrated bias, and the `projection` of the
    embedding. It says `bank_faces` of the training faces that serve as references, and `raw` of val, test and cross. The training took so
    many `minutes`, `command` made it, and `notes` are sentences on how the weights came about. What is `chosen` already is not chosen on
    val, and no bias is folded in."""
    settings, info = settings_of(run), info_of(out.name, product.labels)
    forged = np.isin(raw["val"].of(product.methods).methods, FORGED)
    if chosen is None:
        fitted = calibrate(product.own(raw["val"]), info.labels, forged)
    else:
        fitted = Calibrator(np.zeros(len(info.labels)), chosen.temperature)
    shipped = Calibrator(fold_in(net, fitted.bias), fitted.temperature)
    found = {split: shipped.shifted(raw[split]) for split in SPLITS}
    out.mkdir(parents=True, exist_ok=True)
    typical = chosen.distances if chosen is not None else None
    val, test = product.own(found["val"]), product.own(found["test"])
    placement = write_bank(net.projection, product.relabelled(bank_faces), val, test, info, out, typical)
    write_model(
        product.packed(net.backbone.state_dict()), product.labels, int(net.projection.in_features), *product.build(settings),
        product.pretrained, out,
    )  # fmt: skip
    train_rows = [row for row in faces.rows if row.split == "train" and row.method in product.methods]
    collections = ", ".join(sorted({f"{row.family}/{row.source}" for row in train_rows}))
    card = Card(
        name=out.name, licence=LICENCE, labels=product.labels, crop=CropSettings(), calibration=Calibration(fitted.temperature),
        thresholds=chosen.thresholds if chosen else choose_thresholds(found["val"].of(product.methods), info, fitted.temperature),
        training=Training(
            data=f"{len(train_rows)} face crops: {collections}{product.forgeries}",
            licence=LICENCE, command=command, data_sha256=manifest_hash(faces.data), seeds=(settings["seed"],),
            minutes=minutes, notes=(json.dumps(settings), *notes),
        ),
        probes=tuple(Probe(seed, tuple(probe_logits(net.backbone, MEAN, STD, SIDE_PX, seed))) for seed in PROBE_SEEDS),
        files=digests(out), description=product.description, scope=product.scope, jpeg_quality=product.jpeg_quality,
    )  # fmt: skip
    return Publication(product, faces, out, info, raw, found, placement, card)


def localise(folders: Sequence[Path], data: Data, work: Path) -> None:
    """`lab localise`: measure where finished detectors point, on the seeded cases of the test clips, and write the table into their cards.
    LabError when there are no clips to make cases of, or for a detector of other crops; one that cannot be loaded raises DetectorError."""
    predictors = [Predictor(load_folder(folder)) for folder in folders]
    rows = read_manifest(data)
    cases, tuned = (localisation_cases(rows, work, split) for split in ("test", "val"))
    if not all(cases.values()) or not all(tuned.values()):
        raise LabError("There are no aligned pairs to make cases of.", "Use the labelled faces whose manifest names the pair of each swap.")
    constants = {name: constant_answers(some) for name, some in tuned.items()}
    for folder, predictor in zip(folders, predictors, strict=True):
        table = localisation_table(cases, constants, {name: answers_of(predictor, some) for name, some in cases.items()})
        print(f"\n{predictor.info.name}")
        print_table(table)
        card = with_table(predictor.card, table)
        # The sentences about a detector of face swaps name these figures; those about the others do not.
        write_card(replace(card, limits=limits_of(card.scope, card.measured)) if card.scope == "face_swap" else card, folder)


def with_table(card: Card, table: MeasuredTable) -> Card:
    """The card with that table in the place of the one of the same title, or at the end."""
    measured = {one.title: one for one in card.measured} | {table.title: table}
    return replace(card, measured=tuple(measured.values()))


def info_of(name: str, labels: Sequence[Label] = LABELS) -> DetectorInfo:
    """The detector's description as the app shows it, before its weights are written."""
    names, families, shown = (tuple(getattr(one, part) for one in labels) for part in ("name", "family", "display_name"))
    return DetectorInfo(name, "0" * 64, names, families, shown, LICENCE)


def crop_sides(samples: Samples, rows: Sequence[Row], split: str) -> np.ndarray:
    """The side of each sample's crop in the original picture, in px (forgeries: that of the picture under them)."""
    sides = [row.source_face_px for row in rows if row.split == split]
    return np.array(sides + [sides[base] for base in samples.base[len(sides) :]])


def fold_in(net: nn.Module, bias: np.ndarray) -> np.ndarray:
    """Add a bias per class to the classifier's own, rounded as it is shipped; returns what was really added, K float32."""
    backbone: Any = net.backbone
    own = backbone.get_classifier().bias
    before = own.detach().clone()
    with torch.no_grad():
        own.copy_((own + torch.from_numpy(bias).float()).half().float())
    return (own.detach() - before).numpy()


def last_ece(overall: MeasuredTable) -> tuple[float, float]:
    """The calibration errors of the last row, before and after."""
    before, after = (float(str(overall.rows[-1][overall.columns.index(f"ECE {when}")])) for when in ("before", "after"))
    return before, after
