"""From a finished run to an embedded detector folder: half-precision weights, calibration, thresholds, reference bank, card, model card.

Every figure of the card is measured here on the weights as they are shipped (rounded to half precision), read as the app reads pictures
(with the mirrored crop).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from attribution.card import (
    CARD_FILE,
    CONFIG_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    VERIFIED_FILES,
    Calibration,
    Card,
    CropSettings,
    Label,
    MeasuredTable,
    Probe,
    Training,
)
from attribution.evidence import DetectorInfo
from attribution.lab.calibration import calibrate
from attribution.lab.data import SIDE_PX, Row, find_data, manifest_hash, read_manifest
from attribution.lab.evaluate import families_of, print_table
from attribution.lab.labels import LABELS
from attribution.lab.limits import limits_of
from attribution.lab.mapping import MAP_SEED, MIN_DISTANCE, agreement, lay_out, references
from attribution.lab.measure import measure
from attribution.lab.modelcard import model_card
from attribution.lab.pools import Samples, load_samples
from attribution.lab.predict import Predictions, load_net, predict
from attribution.lab.thresholds import choose
from attribution.lab.train import MEAN, STD, Net
from attribution.reference import MAP_NEIGHBOURS, MOST_REFERENCES, ReferenceBank, kth_distances, write_reference
from attribution.study import read_study
from attribution.weights import probe_logits

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
) -> tuple[Net, dict[str, Samples], dict[str, Predictions]]:
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
        found[split] = Predictions.kept(kept, samples[split])
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
    bank_faces = found["train"]
    mapper = lay_out(bank_faces.embeddings, MAP_SEED)
    distances = kth_distances(found["val"].embeddings, bank_faces.embeddings)
    parameters = {"n_neighbors": MAP_NEIGHBOURS, "min_dist": MIN_DISTANCE, "metric": "cosine", "random_state": MAP_SEED}
    write_reference(
        out / REFERENCE_FILE, net.projection.weight.detach().numpy(), bank_faces.embeddings, np.asarray(mapper.embedding_),
        bank_faces.methods.tolist(), bank_faces.sources.tolist(), distances, map_parameters=parameters,
        paths=bank_faces.paths.tolist(),
    )  # fmt: skip
    bank = ReferenceBank.load(out)
    agreed = agreement(mapper, bank, np.array(families_of(bank.methods, info)), found["test"])
    print("placement:", agreed)

    thresholds = choose(found["val"], info, temperature)
    sides = {split: crop_sides(samples[split], data, split) for split in ("test", "cross")}
    measured, test = measure(samples, raw, found, sides, info, temperature, thresholds, bank)
    cells = tuple((key, round(float(value), 3)) for key, value in asdict(agreed).items())
    measured.append(MeasuredTable("Map placement against umap.transform, test", ("figure", "value"), cells))
    unseen = read_study(study).tables.get("leave_out") if study else None
    if unseen is not None:
        measured.append(unseen)
    for table in measured:
        print_table(table)
    limits = limits_of(test, measured, unseen)

    _write_model(net, settings, out)
    for file in VERIFIED_FILES:
        # safetensors writes files for their owner alone; a host serves them as another user.
        (out / file).chmod(0o644)
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
            "attribution/lab/forge.py.",
            licence=LICENCE, command=command, data_sha256=manifest_hash(data), seeds=(settings["seed"],),
            minutes=minutes, notes=(json.dumps(settings), *notes),
        ),
        probes=tuple(Probe(seed, tuple(probe_logits(backbone, MEAN, STD, SIDE_PX, seed))) for seed in PROBE_SEEDS),
        files={file: hashlib.sha256((out / file).read_bytes()).hexdigest() for file in VERIFIED_FILES},
        measured=tuple(measured),
        limits=limits,
        description="Faces → the method that made or manipulated them: MobileNetV2 with a contrastive embedding.",
    )  # fmt: skip
    write_card(card, out)


def write_card(card: Card, out: Path) -> None:
    """The card for programs and the model card for people."""
    (out / CARD_FILE).write_text(json.dumps(card.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "README.md").write_text(model_card(card) + "\n", encoding="utf-8")


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


def _write_model(net: Net, settings: dict, out: Path) -> None:
    state = {key: value.half() if value.is_floating_point() else value for key, value in net.backbone.state_dict().items()}
    save_file({key: value.contiguous() for key, value in state.items()}, out / MODEL_FILE, metadata={"format": "pt"})
    config = {
        "architecture": settings["architecture"],
        "num_classes": len(LABELS),
        "num_features": int(net.projection.in_features),
        "global_pool": "avg",
        "label_names": [one.name for one in LABELS],
        "label_descriptions": {one.name: one.description for one in LABELS},
        "model_args": settings["model_args"],
        "pretrained_cfg": {
            "input_size": [3, SIDE_PX, SIDE_PX], "fixed_input_size": False, "interpolation": "lanczos", "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": list(MEAN), "std": list(STD), "num_classes": len(LABELS), "pool_size": [7, 7], "first_conv": "conv_stem",
            "classifier": "classifier", "license": "cc-by-nc-4.0",
        },
    }  # fmt: skip
    (out / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
