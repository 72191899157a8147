"""From a finished run to an embedded detector folder: half-precision weights, calibration, thresholds, reference bank, card, model card.

Every figure of the card is measured here on the weights as they are shipped (rounded to half precision), read as the app reads pictures
(with the mirrored crop).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attribution.detectors.card import Calibration, Card, CropSettings, Label, Probe, Training
from attribution.detectors.loading import probe_logits
from attribution.evidence import DetectorInfo
from attribution.explain.reference import MOST_REFERENCES, ReferenceBank
from attribution.lab.data import SIDE_PX, Row, find_data, manifest_hash, read_manifest
from attribution.lab.measure.calibration import calibrate, choose_thresholds
from attribution.lab.measure.evaluate import measure, print_table
from attribution.lab.measure.predictions import SplitPredictions, load_net, predict
from attribution.lab.pools import Samples, load_samples
from attribution.lab.publish.folder import digests, half_precision, write_bank, write_card, write_model
from attribution.lab.publish.labels import LABELS
from attribution.lab.publish.limits import limits_of
from attribution.lab.publish.mapping import references
from attribution.lab.train.methods import MEAN, STD, Net
from attribution.measured.study import read_study

LICENCE = "CC BY-NC 4.0 (research, non-commercial)"
PROBE_SEEDS = (11, 12, 13)


def info_of(name: str, labels: Sequence[Label] = LABELS) -> DetectorInfo:
    """The detector's description as the app shows it, before its weights are written."""
    return DetectorInfo(
        name, "0" * 64, tuple(one.name for one in labels), tuple(one.family for one in labels),
        tuple(one.display_name for one in labels), LICENCE,
    )  # fmt: skip


def read_splits(
    run: Path, data: Path, work: Path, references_count: int, device: str = "cpu"
) -> tuple[Net, dict[str, Samples], dict[str, SplitPredictions]]:
    """The run's network, rounded to half precision, the samples of val, test and cross and what it says of them; and, as `train`, what it
    says of the training faces chosen as references (none that the run left out)."""
    net = load_net(run)
    with torch.no_grad():
        for value in [*net.parameters(), *net.buffers()]:
            if value.is_floating_point():
                value.copy_(value.half().float())
    net.to(device)
    rows = read_manifest(data)
    weights = run / "final.safetensors"
    names = json.loads((run / "settings.json").read_text())["leave_out"]
    samples = {split: load_samples(data, rows, work, split) for split in ("train", "val", "test", "cross")}
    chosen = references(samples["train"], names, references_count)
    found = {}
    for split in ("train", "val", "test", "cross"):
        wanted = chosen if split == "train" else np.arange(len(samples[split]))
        kept = run / f"read_{split}.npz"
        if not kept.exists() or kept.stat().st_mtime < weights.stat().st_mtime:
            predict(net, samples[split], wanted, device, mirrored=True).keep(kept, wanted)
        found[split] = SplitPredictions.kept(kept, samples[split])
        print(f"{split}: {len(wanted)} faces read", flush=True)
    return net, samples, found


def crop_sides(samples: Samples, data: Path, split: str) -> np.ndarray:
    """The side of each sample's crop in the original picture, in px (forgeries: that of the picture under them)."""
    own = [row for row in read_manifest(data) if row.split == split]
    sides = [row.source_face_px for row in own]
    return np.array(sides + [sides[base] for base in samples.base[len(own) :]])


def publish(
    run: Path,
    data_flag: str,
    work: Path,
    out: Path,
    name: str,
    minutes: float,
    command: str,
    study: Path | None = None,
    notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:
    """Write the whole detector folder `out` and print its figures. `notes` are sentences for the card on how the weights came about;
    `study` is the file of the study's results, whose folds say what becomes of methods and sources that training never saw."""
    data = find_data(data_flag)
    net, samples, raw = read_splits(run, data, work, references_count)
    info = info_of(name)
    fitted = calibrate(raw["val"], info.labels)
    shipped = replace(fitted, bias=fold_in(net, fitted.bias))
    found = {split: shipped.shifted(one) for split, one in raw.items()}
    temperature = fitted.temperature
    settings = json.loads((run / "settings.json").read_text())

    out.mkdir(parents=True, exist_ok=True)
    placement = write_bank(net.projection, found["train"], found["val"], found["test"], info, out)
    bank = ReferenceBank.load(out)

    thresholds = choose_thresholds(found["val"], info, temperature)
    sides = {split: crop_sides(samples[split], data, split) for split in ("test", "cross")}
    measured, test = measure(samples, raw, found, sides, info, temperature, thresholds, bank)
    measured.append(placement)
    unseen = read_study(study).tables.get("leave_out") if study else None
    if unseen is not None:
        measured.append(unseen)
    for table in measured:
        print_table(table)
    limits = limits_of("any", measured)

    write_model(
        half_precision(net.backbone.state_dict()), settings["architecture"], LABELS, int(net.projection.in_features),
        settings["model_args"], {"pool_size": [7, 7], "first_conv": "conv_stem", "classifier": "classifier"}, out,
    )  # fmt: skip
    backbone = net.backbone
    card = Card(
        name=name,
        licence=LICENCE,
        labels=LABELS,
        crop=CropSettings(),
        calibration=Calibration(temperature, round(test.ece_uncalibrated, 4), round(test.ece, 4), "test"),
        thresholds=thresholds,
        training=Training(
            data=f"{sources_sentence([row for row in read_manifest(data) if row.split == 'train'])}; and forgeries made from them by "
            "attribution/lab/forge/swaps.py.",
            licence=LICENCE, command=command, data_sha256=manifest_hash(data), seeds=(settings["seed"],),
            minutes=minutes, notes=(json.dumps(settings), *notes),
        ),
        probes=tuple(Probe(seed, tuple(probe_logits(backbone, MEAN, STD, SIDE_PX, seed))) for seed in PROBE_SEEDS),
        files=digests(out),
        measured=tuple(measured),
        limits=limits,
        description="Faces → the method that made or manipulated them: MobileNetV2 with a contrastive embedding.",
    )  # fmt: skip
    write_card(card, out)


def fold_in(net: nn.Module, bias: np.ndarray) -> np.ndarray:
    """Add a bias per class to the classifier's own, rounded as it is shipped; returns what was really added, K float32."""
    backbone: Any = net.backbone
    own = backbone.get_classifier().bias
    before = own.detach().clone()
    with torch.no_grad():
        own.copy_((own + torch.from_numpy(bias).float()).half().float())
    return (own.detach() - before).numpy()


def sources_sentence(rows: list[Row]) -> str:
    """How many crops, and where they were collected."""
    names = sorted({f"{row.family}/{row.source}" for row in rows})
    return f"{len(rows)} face crops: {', '.join(names)}"
