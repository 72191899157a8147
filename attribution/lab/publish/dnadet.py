"""From DNA-Det's finished runs to its embedded folder: 8-bit weights, calibration, thresholds, references, card and measured tables.

Every figure is measured on the weights as they ship, with the product's own code (`Predictor`, `patch_view`, `heatmaps`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from attribution.detectors.card import Calibration, Card, CropSettings, MeasuredTable, Probe, Thresholds, Training
from attribution.detectors.eight_bit import compress
from attribution.detectors.loading import load, load_folder, probe_logits
from attribution.detectors.predictor import Predictor
from attribution.evidence import DetectorInfo
from attribution.explain.patches import patch_logits
from attribution.explain.reference import MOST_REFERENCES, ReferenceBank
from attribution.lab.data import SIDE_PX, find_data, manifest_hash, read_manifest
from attribution.lab.measure import curves, metrics
from attribution.lab.measure.calibration import calibrate, choose_thresholds
from attribution.lab.measure.dnadet import (
    SPLITS,
    SWAPPED,
    UNKNOWN_GENERATORS,
    Faces,
    Runs,
    build_reader,
    comparisons,
    known,
    overall_table,
    read_all,
)
from attribution.lab.measure.evaluate import confusion_table, judge_samples, print_table, source_table, verdict_table
from attribution.lab.measure.predictions import Reader, SplitPredictions, of_methods
from attribution.lab.pools import Samples, load_samples
from attribution.lab.publish.folder import digests, write_bank, write_card, write_model
from attribution.lab.publish.labels import DNADET_LABELS as LABELS
from attribution.lab.publish.limits import limits_of
from attribution.lab.publish.mapping import references
from attribution.lab.publish.methods import LICENCE, PROBE_SEEDS, crop_sides, fold_in, info_of, sources_sentence
from attribution.lab.train.dnadet import CLASSES
from attribution.lab.train.loop import MEAN, STD
from attribution.models.architectures import DNA_DET

DESCRIPTION = "Wholly generated faces → the architecture of their generator: DNA-Det, by traces that lie all over the picture."


def publish(
    runs: Runs, data_flag: str, work: Path, out: Path, name: str, minutes: float, command: str, notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write the whole detector folder `out` and print its figures."""
    data = find_data(data_flag)
    rows = read_manifest(data)
    samples = {split: load_samples(data, rows, work, split) for split in ("train", *SPLITS)}
    faces = Faces(
        samples, references(samples["train"], (), references_count, CLASSES), {s: crop_sides(samples[s], data, s) for s in SPLITS}
    )
    settings = json.loads((runs.shipped / "settings.json").read_text())
    reader, bank_faces = build_reader(runs.shipped, samples["train"], faces.references)
    raw = read_all(reader, runs.shipped, faces)
    info = info_of(name, LABELS)

    fitted = calibrate(known(raw["val"]), info.labels)
    shipped = replace(fitted, bias=fold_in(reader, fitted.bias))
    found = {split: shipped.shifted(one) for split, one in raw.items()}
    thresholds = choose_thresholds(known(found["val"]), info, fitted.temperature)

    out.mkdir(parents=True, exist_ok=True)
    placement = write_bank(reader.projection, bank_faces, known(found["val"]), known(found["test"]), info, out)
    _write_model(reader, settings, out)
    test = overall_table(found, raw, info, fitted.temperature)
    before, after = (float(str(test.rows[-1][place])) for place in (-2, -1))
    card = Card(
        name=name,
        licence=LICENCE,
        labels=LABELS,
        crop=CropSettings(),
        calibration=Calibration(fitted.temperature, before, after, "test"),
        thresholds=thresholds,
        training=Training(
            data=sources_sentence([row for row in rows if row.split == "train" and row.method in CLASSES]) + ".",
            licence=LICENCE, command=command, data_sha256=manifest_hash(data), seeds=(settings["seed"],),
            minutes=minutes, notes=(json.dumps(settings), *notes),
        ),
        probes=tuple(Probe(seed, tuple(probe_logits(reader.backbone, MEAN, STD, SIDE_PX, seed))) for seed in PROBE_SEEDS),
        files=digests(out),
        description=DESCRIPTION,
        scope="generated",
    )  # fmt: skip
    write_card(card, out)
    card = calibrate_patches(card, samples["val"], out)
    predictor, default = Predictor(load_folder(out)), Predictor(load("default"))
    tables = [
        test,
        *_answers(found, raw, faces, info, fitted.temperature, thresholds, ReferenceBank.load(out)),
        *comparisons(runs, faces, found, raw, bank_faces, predictor, default),
        placement,
    ]
    for table in tables:
        print_table(table)
    write_card(replace(card, measured=tuple(tables), limits=limits_of(card.scope, tables)), out)


def calibrate_patches(card: Card, val: Samples, out: Path) -> Card:
    """The card with a bias per class and a temperature for patches that are read alone, fitted on the patches of at most 60 validation
    faces of each class, photographs weighing as much as all generators together: a patch tells less than a face, and the bias of whole
    faces would call every second patch of a photograph generated. Written to `out` too."""
    predictor = Predictor(load_folder(out))
    chosen = np.concatenate([of_methods(val, (name,))[:: max(1, len(of_methods(val, (name,))) // 60)][:60] for name in CLASSES])
    logits = patch_logits(predictor, np.stack([val.picture(int(index)) for index in chosen]))
    truth = np.repeat([CLASSES.index(val.methods[int(index)]) for index in chosen], len(logits) // len(chosen))
    weights = np.where(truth == 0, 1.0 / (truth == 0).sum(), 1.0 / (truth != 0).sum())
    bias, temperature = metrics.fit_calibration(logits, truth, weights)
    calibration = replace(
        card.calibration, patch_bias=tuple(round(float(one), 4) for one in bias), patch_temperature=round(float(temperature), 4)
    )
    card = replace(card, calibration=calibration)
    write_card(card, out)
    return card


def _answers(
    found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], faces: Faces, info: DetectorInfo, temperature: float,
    thresholds: Thresholds, bank: ReferenceBank,
) -> list[MeasuredTable]:  # fmt: skip
    """What it says of the faces of its classes, and of others; then how far its confidence can be trusted."""
    tables = []
    for split in ("cross", "test"):
        faces_found = found[split]
        own = np.isin(faces_found.methods, CLASSES)
        judged = judge_samples(
            faces.samples[split], faces_found, faces.sides[split], temperature, thresholds, info, bank, np.arange(len(own))
        )
        chosen = np.flatnonzero(own)
        tables.append(verdict_table(f"Verdicts on {split}", faces_found.take(own), [judged[index] for index in chosen]))
        tables.append(source_table(f"Sources, {split}", faces_found.take(own), info, temperature))
        tables.append(confusion_table(f"Methods, {split}", faces_found.take(own), info, temperature))
        for title, methods in (("Verdicts on unknown generators", UNKNOWN_GENERATORS), ("Verdicts on face swaps", (SWAPPED,))):
            others = np.flatnonzero(np.isin(faces_found.methods, methods))
            if len(others):
                tables.append(verdict_table(f"{title}, {split}", faces_found.take(others), [judged[index] for index in others]))
    return [*tables, *curves.confidence_tables(known(found["val"]), known(found["test"]), known(raw["test"]), info, temperature)]


def _write_model(reader: Reader, settings: dict, out: Path) -> None:
    write_model(
        compress(reader.backbone.state_dict()), DNA_DET, LABELS, int(reader.projection.in_features), {"img_size": settings["side_px"]},
        {"first_conv": "stages.0.conv_halve", "classifier": "classifier"}, out,
    )  # fmt: skip
