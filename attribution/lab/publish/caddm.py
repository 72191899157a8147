"""From finished runs to the embedded folder of the ID-unaware detector: half-precision weights, calibration, thresholds, references, card
and measured tables, beside the plain binary detector of the same data and steps, and beside the default one.

Every figure is measured on the weights as they ship, read as the app reads pictures (with the mirror image).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attribution.detectors.card import ArtifactRule, Calibration, Card, CropSettings, MeasuredTable, Probe, Training
from attribution.detectors.loading import load, load_folder, probe_logits
from attribution.detectors.predictor import Predictor
from attribution.evidence import DetectorInfo
from attribution.explain.reference import MOST_REFERENCES, ReferenceBank
from attribution.lab.data import SIDE_PX, find_data, manifest_hash, read_manifest
from attribution.lab.measure import curves
from attribution.lab.measure.caddm import METHODS, Rivals, as_labels, compare, load_run
from attribution.lab.measure.calibration import calibrate, choose_thresholds
from attribution.lab.measure.evaluate import judge_samples, print_table, second_opinion_table, source_table, verdict_table
from attribution.lab.measure.localisation import choose_rule, confidence_table
from attribution.lab.measure.predictions import Reader, SplitPredictions, of_methods, read, read_by_detector, settings_of, with_projection
from attribution.lab.pools import FORGED, Samples, load_samples
from attribution.lab.publish.folder import digests, half_precision, write_bank, write_card, write_model
from attribution.lab.publish.labels import CADDM_LABELS as LABELS
from attribution.lab.publish.limits import limits_of
from attribution.lab.publish.mapping import references
from attribution.lab.publish.methods import LICENCE, PROBE_SEEDS, crop_sides, fold_in, info_of, sources_sentence
from attribution.lab.train.methods import MEAN, STD

DESCRIPTION = "Faces → whether they were swapped or a part was pasted, and where: the ID-unaware detector with artifact boxes."
SCOPE = "face_swap"
SPLITS = ("val", "test", "cross")


@dataclass(frozen=True)
class Runs:
    """Finished runs: the one that ships, the plain binary detector beside it, and the backbone's file before any of it, if at hand."""

    shipped: Path
    plain: Path
    backbone: Path | None = None


def publish(
    runs: Runs, data_flag: str, work: Path, out: Path, name: str, minutes: float, command: str, notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write the whole detector folder `out` and print its figures; `lab localise` adds where its boxes and heatmaps point."""
    data = find_data(data_flag)
    rows = read_manifest(data)
    samples = {split: load_samples(data, rows, work, split) for split in ("train", *SPLITS)}
    settings = settings_of(runs.shipped)
    chosen = references(samples["train"], (), references_count, METHODS)
    reader, bank_faces = with_projection(load_run(runs.shipped), samples["train"], chosen, runs.shipped)
    raw = {split: _read(reader, samples[split], runs.shipped, split) for split in SPLITS}
    info = info_of(name, LABELS)
    fitted = calibrate(own(raw["val"]), info.labels, np.isin(own(raw["val"], methods=True).methods, FORGED))
    shipped = replace(fitted, bias=fold_in(reader, fitted.bias))
    found = {split: shipped.shifted(one) for split, one in raw.items()}
    thresholds = choose_thresholds(own(found["val"], methods=True), info, fitted.temperature)

    out.mkdir(parents=True, exist_ok=True)
    placement = write_bank(reader.projection, as_labels(bank_faces), own(found["val"]), own(found["test"]), info, out)
    _write_model(reader, settings, out)
    card = Card(
        name=name,
        licence=LICENCE,
        labels=LABELS,
        crop=CropSettings(),
        calibration=Calibration(fitted.temperature),
        thresholds=thresholds,
        training=Training(
            data=f"{sources_sentence([row for row in rows if row.split == 'train' and row.method in METHODS])}; forgeries made from them "
            "by attribution/lab/forge/swaps.py, and Multi-scale Facial Swaps of all of these by attribution/lab/forge/mfs.py.",
            licence=LICENCE, command=command, data_sha256=manifest_hash(data), seeds=(settings["seed"],),
            minutes=minutes, notes=(json.dumps(settings), *notes),
        ),
        probes=tuple(Probe(seed, tuple(probe_logits(reader.backbone, MEAN, STD, SIDE_PX, seed))) for seed in PROBE_SEEDS),
        files=digests(out),
        description=DESCRIPTION,
        scope=SCOPE,
        artifacts=ArtifactRule(min_confidence=0.5),
    )  # fmt: skip
    write_card(card, out)
    rule = choose_rule(Predictor(load_folder(out)), data, rows, work, samples["val"])
    card = replace(card, artifacts=rule)
    write_card(card, out)
    predictor, default = Predictor(load_folder(out)), Predictor(load("default"))
    rivals = Rivals(runs.plain, runs.backbone, predictor, default, runs.shipped / "compared")
    overall, compared = compare(rivals, rows, samples, found, raw, info, fitted.temperature)
    before, after = (float(str(overall.rows[-1][overall.columns.index(column)])) for column in ("ECE before", "ECE after"))
    card = replace(card, calibration=Calibration(fitted.temperature, before, after, "test"))
    sides = {split: crop_sides(samples[split], data, split) for split in SPLITS}
    tables = [
        overall,
        *compared,
        *_answers(found, raw, samples, sides, card, info, ReferenceBank.load(out), default, runs.shipped),
        confidence_table(predictor, data, rows, work, samples["test"], rule),
        placement,
    ]
    for table in tables:
        print_table(table)
    write_card(replace(card, measured=tuple(tables), limits=limits_of(card.scope, tables)), out)


def _read(reader: Reader, samples: Samples, run: Path, split: str) -> SplitPredictions:
    return read(reader, samples, np.arange(len(samples)), run / f"read_{split}.npz", mirrored=True)


def own(found: SplitPredictions, methods: bool = False) -> SplitPredictions:
    """The faces that this detector is for, under its own two labels, or under the names of their methods."""
    chosen = found.of(METHODS)
    return chosen if methods else as_labels(chosen)


def _answers(
    found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], samples: Mapping[str, Samples], sides: Mapping[str, np.ndarray],
    card: Card, info: DetectorInfo, bank: ReferenceBank, default: Predictor, run: Path,
) -> list[MeasuredTable]:  # fmt: skip
    """What its verdicts say, alone and beside the default detector; then how far its confidence can be trusted."""
    temperature, tables = card.calibration.temperature, []
    for split in ("cross", "test"):
        chosen = of_methods(samples[split], METHODS)
        judged = judge_samples(samples[split], found[split], sides[split], temperature, card.thresholds, info, bank)
        tables.append(verdict_table(f"Verdicts on {split}", own(found[split]), [judged[index] for index in chosen]))
        tables.append(source_table(f"Sources, {split}", own(found[split]), info, temperature))
        by_default = read_by_detector(default, samples[split], np.arange(len(samples[split])), run / f"read_default_{split}.npz")
        first = judge_samples(
            samples[split], by_default, sides[split], default.card.calibration.temperature, default.card.thresholds, default.info,
            ReferenceBank.load(default.detector.folder),
        )  # fmt: skip
        tables.append(second_opinion_table(split, found[split], first, judged, info.name, SCOPE))
    return [*tables, *curves.confidence_tables(own(found["val"]), own(found["test"]), own(raw["test"]), info, temperature)]


def _write_model(reader: Reader, settings: dict, out: Path) -> None:
    write_model(
        half_precision(reader.backbone.state_dict()), settings["architecture"], LABELS, int(reader.projection.in_features),
        settings["model_args"], {"first_conv": "backbone.conv_stem", "classifier": "classifier"}, out,
    )  # fmt: skip
