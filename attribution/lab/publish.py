"""From a finished run to an embedded detector folder: half-precision weights, calibration, thresholds, reference bank, card, model card.

Every figure of the card is measured here on the weights as they are shipped (rounded to half precision), read as the app reads pictures
(with the mirrored crop).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from attribution.card import (
    CARD_FILE,
    CONFIG_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    VERIFIED_FILES,
    Calibration,
    Card,
    CropSettings,
    MeasuredTable,
    Probe,
    Thresholds,
    Training,
)
from attribution.evidence import DetectorInfo
from attribution.lab import metrics
from attribution.lab.data import REAL, SIDE_PX, Row, find_data, manifest_hash, read_manifest
from attribution.lab.evaluate import (
    Figures,
    confusion_table,
    families_of,
    figures,
    judge_samples,
    source_table,
    verdict_table,
)
from attribution.lab.labels import LABELS
from attribution.lab.mapping import MIN_DISTANCE, Agreement, agreement, choose_references, lay_out
from attribution.lab.modelcard import model_card
from attribution.lab.pools import FORGED, Samples, load_samples
from attribution.lab.predict import Predictions, load_net, predict
from attribution.lab.thresholds import choose
from attribution.lab.train import MEAN, STD, Net
from attribution.reference import MAP_NEIGHBOURS, MOST_REFERENCES, ReferenceBank, kth_distances, write_reference
from attribution.weights import probe_logits

LICENCE = "CC BY-NC 4.0 (research, non-commercial)"
PROBE_SEEDS = (11, 12, 13)
MAP_SEED = 5


def info_of(name: str, weights_sha256: str = "0" * 64, limits: tuple[str, ...] = ()) -> DetectorInfo:
    """The detector's description as the app shows it."""
    return DetectorInfo(
        name, weights_sha256, tuple(one.name for one in LABELS), tuple(one.family for one in LABELS),
        tuple(one.display_name for one in LABELS), LICENCE, limits,
    )  # fmt: skip


def read_splits(
    run: Path, data: Path, work: Path, references: int, device: str = "cpu"
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
    left_out = json.loads((run / "settings.json").read_text())["leave_out"]
    samples = {split: load_samples(data, rows, work, split) for split in ("train", "val", "test", "cross")}
    methods, sources = np.array(samples["train"].methods), np.array(samples["train"].sources)
    seen = np.flatnonzero(~(np.isin(methods, left_out) | np.isin(sources, left_out)))
    chosen = seen[choose_references(methods[seen], sources[seen], references, MAP_SEED)]
    found = {"train": predict(net, samples["train"], chosen, device, mirrored=True)}
    for split in ("val", "test", "cross"):
        found[split] = predict(net, samples[split], None, device, mirrored=True)
        print(f"{split}: {len(samples[split])} faces read", flush=True)
    return net, samples, found


def crop_sides(samples: Samples, data: Path, split: str) -> np.ndarray:
    """The side of each sample's crop in the original picture, in px (forgeries: that of the picture under them)."""
    own = [row for row in read_manifest(data) if row.split == split]
    sides = [row.source_face_px for row in own]
    return np.array(sides + [sides[base] for base in samples.base[len(own) :]])


def limits_of(test: Figures, verdicts: MeasuredTable, unseen: MeasuredTable | None) -> tuple[str, ...]:
    """The detector's measured limits as plain sentences."""
    columns = verdicts.columns
    by_source = {str(row[1]): dict(zip(columns, row, strict=True)) for row in verdicts.rows}
    overall = by_source["all untouched"]
    swaps = 100 * test.dfdc_auc

    def percent(value: object) -> str:
        return f"{100 * float(str(value)):.0f} %"

    sentences = [
        f"Of untouched faces from three collections it was never trained on, it wrongly called "
        f"{percent(overall['manipulated'])} manipulated and gave no definite answer for {percent(overall['inconclusive'])}.",
        f"DFDC face swaps are told from untouched DFDC faces with an AUC of {swaps:.0f} % on single frames: many swapped frames stay "
        "inconclusive.",
    ]
    if unseen is not None:
        for row in unseen.rows:
            cells = dict(zip(unseen.columns, row, strict=True))
            if cells["family"] and cells["family"] != REAL:
                sentences.append(
                    f"When {cells['source']} was left out of training, {percent(cells['none found'])} of its faces were still passed as "
                    f"'no manipulation found' and {percent(cells['inconclusive'])} stayed inconclusive."
                )
    sentences += [
        "It knows no reenactment (expression transfer, lip sync): such clips may pass as 'no manipulation found'.",
        "It looks at faces only, one crop at a time; retouching, voices, backgrounds and edits outside the face are not examined.",
        "Strong compression, filters, screenshots and faces under about 90 px make it less sure.",
    ]
    return tuple(sentences)


def publish(
    run: Path,
    data_flag: str,
    work: Path,
    out: Path,
    name: str,
    minutes: float,
    command: str,
    unseen: MeasuredTable | None = None,
    references_count: int = MOST_REFERENCES,
) -> None:
    """Write the whole detector folder `out` and print its figures."""
    data = find_data(data_flag)
    net, samples, found = read_splits(run, data, work, references_count)
    info = info_of(name)
    index = {label: place for place, label in enumerate(info.labels)}
    own_val = found["val"].take(~np.isin(found["val"].methods, FORGED))
    temperature = round(metrics.fit_temperature(own_val.logits, np.array([index[method] for method in own_val.methods])), 4)
    settings = json.loads((run / "settings.json").read_text())

    out.mkdir(parents=True, exist_ok=True)
    references = found["train"]
    mapper = lay_out(references.embeddings, MAP_SEED)
    distances = kth_distances(found["val"].embeddings, references.embeddings)
    parameters = {"n_neighbors": MAP_NEIGHBOURS, "min_dist": MIN_DISTANCE, "metric": "cosine", "random_state": MAP_SEED}
    write_reference(
        out / REFERENCE_FILE, net.projection.weight.detach().numpy(), references.embeddings, np.asarray(mapper.embedding_),
        references.methods.tolist(), references.sources.tolist(), distances, map_parameters=parameters,
        paths=references.paths.tolist(),
    )  # fmt: skip
    bank = ReferenceBank.load(out)
    agreed = agreement(mapper, bank, np.array(families_of(bank.methods, info)), found["test"])
    print("placement:", agreed)

    thresholds = choose(found["val"], info, temperature)
    measured, test = _measure(samples, found, data, info, temperature, thresholds, bank, agreed)
    if unseen is not None:
        measured.append(unseen)
    cross_verdicts = next(table for table in measured if table.title.startswith("Verdicts on cross"))
    limits = limits_of(test, cross_verdicts, unseen)

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
            data=_sources_sentence([row for row in read_manifest(data) if row.split == "train"]),
            licence=LICENCE, command=command, data_sha256=manifest_hash(data), seeds=(settings["seed"],),
            minutes=minutes, notes=(json.dumps(settings),),
        ),
        probes=tuple(Probe(seed, tuple(probe_logits(backbone, MEAN, STD, SIDE_PX, seed))) for seed in PROBE_SEEDS),
        files={file: hashlib.sha256((out / file).read_bytes()).hexdigest() for file in VERIFIED_FILES},
        measured=tuple(measured),
        limits=limits,
        description="Faces → the method that made or manipulated them: MobileNetV2 with a contrastive embedding.",
    )  # fmt: skip
    (out / CARD_FILE).write_text(json.dumps(card.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "README.md").write_text(model_card(card) + "\n", encoding="utf-8")


def _measure(
    samples: dict[str, Samples], found: dict[str, Predictions], data: Path, info: DetectorInfo, temperature: float, thresholds: Thresholds,
    bank: ReferenceBank, agreed: Agreement,
) -> tuple[list[MeasuredTable], Figures]:  # fmt: skip
    test = figures(found["test"], info, temperature)
    val = figures(found["val"], info, temperature)
    rows = []
    for name, split in (("val", val), ("test", test)):
        low, high = split.families_interval
        dfdc_low, dfdc_high = split.dfdc_interval
        rows.append(
            (name, *(round(value, 3) for value in (split.families_balanced_accuracy, low, high, split.dfdc_auc, dfdc_low, dfdc_high)),
             *(round(value, 3) for value in (split.dfdc_eer, split.ece_uncalibrated, split.ece)))
        )  # fmt: skip
    columns = ("split", "families, balanced", "from", "to", "DFDC AUC", "from", "to", "DFDC EER", "ECE before", "ECE after")
    tables = [MeasuredTable("Overall", columns, tuple(rows), "Network alone, single faces; from–to: 95 % bootstrap intervals.")]
    for split in ("cross", "test"):
        tables.append(source_table(f"Sources, {split}", found[split], info, temperature))
    tables.append(confusion_table("Methods, test", found["test"], info, temperature))
    for split in ("cross", "test"):
        judged = judge_samples(samples[split], found[split], crop_sides(samples[split], data, split), temperature, thresholds, info, bank)
        tables.append(verdict_table(f"Verdicts on {split}", found[split], judged))
    cells = tuple((key, round(float(value), 3)) for key, value in asdict(agreed).items())
    tables.append(MeasuredTable("Map placement against umap.transform, test", ("figure", "value"), cells))
    for table in tables:
        print_table(table)
    return tables, test


def print_table(table: MeasuredTable) -> None:
    """The table on standard output, in aligned columns."""
    cells = [table.columns, *(tuple("" if cell is None else str(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    print(f"\n{table.title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def _sources_sentence(rows: list[Row]) -> str:
    names = sorted({f"{row.family}/{row.source}" for row in rows})
    return f"{len(rows)} face crops: {', '.join(names)}; and forgeries made from them by attribution/lab/forge.py."


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
