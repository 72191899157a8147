"""The generalisability study from its trainings to `measured/data/zeroshot.json`: every table of the page *Why detectors fail*."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import DEFAULT_DETECTOR, EMBEDDED_FOLDER, load
from attribution.errors import LabError
from attribution.lab.data import find_data, manifest_hash, read_manifest
from attribution.lab.forge.pools import load_samples
from attribution.lab.labels import LABELS
from attribution.lab.studies.runner import finished, write_results
from attribution.lab.studies.zeroshot import training
from attribution.lab.studies.zeroshot.attention import attention_tables
from attribution.lab.studies.zeroshot.faces import UNTOUCHED_OF, Faces, load_faces, make_pool
from attribution.lab.studies.zeroshot.matrix import matrix_tables, read_shipped
from attribution.lab.studies.zeroshot.plan import BASE, BATCH, DETECTORS, LONGER, SEED, SOURCES, TRAINED, Run, pool_file
from attribution.lab.studies.zeroshot.training import CLASSES, SAID_FILE, SETTINGS_FILE, Said
from attribution.lab.studies.zeroshot.units import ablation_tables, kept_default, neuron_tables, readout_tables
from attribution.lab.tables import Row, table
from attribution.lab.train.side_by_side import side_by_side
from attribution.measured.study import ZEROSHOT_SCHEMA
from attribution.models.backbones import build_backbone, pooled_width

# Sources that are no label of the default detector: name and family. All others are called as there.
_OTHER_SOURCES: Mapping[str, tuple[str, str]] = {
    "stylegan2_elsewhere": ("StyleGAN2, collected elsewhere", "gan"),
    "generated_photos_elsewhere": ("generated.photos, collected elsewhere", "gan"),
    "unseen_swap": ("Face swap, another way", "face_swap"),
}
_SHIPPED: Mapping[str, str] = {
    DEFAULT_DETECTOR: "the default detector of this app",
    "telltale-swap": "the ID-unaware detector of this app (made for face swaps alone)",
    "telltale-dna-det": "the DNA-Det of this app",
}
SHIPPED = (DEFAULT_DETECTOR, "telltale-swap")
UNTRAINED = "untrained"
# Too large to read in a terminal.
_UNPRINTED = ("matrix", "attention_maps", "neurons", "ablation", "ablation_differences")


def carry_out(
    todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, pretrained: Mapping[str, str], jobs: int, device: str = "cpu"
) -> None:
    """Train and read everything that is not there yet, `jobs` chains (a base with its augmentations) side by side, one thread each.
    `pretrained`: the file that a detector, by name, starts from."""
    load_faces(data_flag, work, runs)
    missing = [source for source in TRAINED if not pool_file(runs, source).exists()]
    if missing:
        data = find_data(data_flag)
        samples = load_samples(read_manifest(data), work, "train")
        for source in missing:
            make_pool(samples, source, runs)
            print(f"pool of {source} ready", flush=True)
    chains: dict[Run, list[Run]] = {}
    for run in todo:
        chains.setdefault(run.base, []).append(run)
    starts = {base: pretrained.get(base.detector.name, "") for base in chains}
    for one in (base.detector for base, start in starts.items() if base.detector.pretrained and not start):
        raise LabError(f"{one.display} starts from an ImageNet file.", f"Name it with --pretrained {one.name}=FILE.")
    chains = {base: chain for base, chain in chains.items() if not all((runs / run.name / SAID_FILE).exists() for run in chain)}
    side_by_side(_chain, [(base.name, runs / base.name, (chain, runs, starts[base], device)) for base, chain in chains.items()], jobs)


def _chain(chain: Sequence[Run], runs: Path, pretrained: str, device: str) -> None:
    crops, base = load_faces(None, runs, runs).crops, chain[0]
    detector, bare = base.detector, runs / base.detector.name / UNTRAINED / SAID_FILE
    if base.trained_on == TRAINED[0] and not bare.exists():
        training.keep(training.read_faces(training.untrained(detector, pretrained), detector, crops, device), bare)
    for run in chain:
        training.train_run(run, runs, pretrained, device)
        if not (file := runs / run.name / SAID_FILE).exists():
            training.keep(training.read_faces(training.load_run(run, runs), detector, crops, device), file)


def said(name: str, runs: Path) -> Said:
    """What a run says of all faces of the study; LabError when it has not read them."""
    return training.kept(finished(runs / name / SAID_FILE))


def measure(todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, out: Path, device: str = "cpu") -> None:
    """Measure all runs of `todo`, which must have read the faces, and the shipped detectors; write `out`, print the smaller tables."""
    faces = load_faces(data_flag, work, runs)
    read = {run: said(run.name, runs) for run in todo}
    bare = {name: said(f"{name}/{UNTRAINED}", runs) for name in dict.fromkeys(run.detector.name for run in todo)}
    tables = {
        **describe_tables(faces, todo, runs, SHIPPED),
        **matrix_tables(read, read_shipped(SHIPPED, faces, runs, device), faces),
        **attention_tables(runs, faces, todo, device),
        **neuron_tables(read, bare, faces),
        **ablation_tables(read, faces),
        **readout_tables(kept_default(EMBEDDED_FOLDER / DEFAULT_DETECTOR, faces, runs, device), faces),
    }
    steps = sorted({run.steps for run in todo if run.variant == BASE})
    caveat = (
        f"The detectors of this study are small and were trained briefly: {steps[0]} to {steps[-1]} batches of {BATCH} faces, one seed, on "
        "a CPU; only the default's network starts from ImageNet. What holds for them is the beginning of learning, on these collections. "
        "The sources that some detector was trained on share their untouched faces, DFDC apart: what fails between them is not the look of "
        "other photographs."
    )
    plan = {
        "data_sha256": manifest_hash(find_data(data_flag)), "seed": SEED, "faces_a_batch": BATCH,
        "runs": [{"name": run.name, "steps": run.steps} for run in todo],
    }  # fmt: skip
    write_results(out, ZEROSHOT_SCHEMA, caveat, plan, tables, _UNPRINTED)


def describe_tables(faces: Faces, todo: Sequence[Run], runs: Path, shipped: Sequence[str] = ()) -> dict[str, MeasuredTable]:
    """ "detectors" and "sources": the trained runs in `todo`, by the settings in their folders, and the embedded detectors in `shipped`."""
    settings = {run: json.loads((runs / run.name / SETTINGS_FILE).read_text(encoding="utf-8")) for run in todo}
    sources: list[Row] = []
    for source in SOURCES:
        those = faces.manipulated[faces.of(source)]
        sources.append((source, *_named(source), int(those.sum()), int((~those).sum()), UNTOUCHED_OF[source], int(source in TRAINED)))
    return {"detectors": _detectors(settings, shipped), "sources": table("zeroshot_sources", sources)}


def _detectors(settings: Mapping[Run, Mapping[str, Any]], shipped: Sequence[str]) -> MeasuredTable:
    def size_of(net: torch.nn.Module) -> tuple[int, int]:
        return sum(value.numel() for value in net.parameters()), pooled_width(net)

    rows: list[Row] = []
    for one in DETECTORS:
        mine = [values for run, values in settings.items() if run.detector.name == one.name]
        if not mine:
            continue
        with torch.device("meta"):
            net = build_backbone(one.architecture, CLASSES, one.model_args)
        start = "ImageNet" if any(values["pretrained"] for values in mine) else "from scratch"
        minutes = round(sum(float(values["minutes"]) for values in mine), 1)
        rows.append((one.name, one.display, one.side_px, *size_of(net), start, one.steps, BATCH, minutes))
    for name in shipped:
        detector = load(name)
        card, net = detector.card, detector.model
        about = (card.crop.side_px, *size_of(net), "shipped", None, None, card.training.minutes)
        rows.append((name, _SHIPPED.get(name, name), *about))
    longer = ", ".join(f"{factor} times as many on {_named(source)[0]}" for source, factor in LONGER.items())
    return table("zeroshot_detectors", rows, longer=longer)


def _named(source: str) -> tuple[str, str]:
    known = {label.name: (label.display_name, label.family) for label in LABELS}
    return _OTHER_SOURCES.get(source) or known[source]
