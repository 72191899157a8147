"""What the study is about, as tables: its detectors and its sources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.loading import load
from attribution.lab.publish.labels import LABELS
from attribution.lab.studies.zeroshot.faces import UNTOUCHED_OF, Faces
from attribution.lab.studies.zeroshot.plan import BATCH, DETECTORS, LONGER, SOURCES, TRAINED, Run
from attribution.lab.train.single_source import CLASSES, SETTINGS_FILE
from attribution.models.backbones import build_backbone, pooled_width

# Sources that are no label of the default detector: name and family. All others are called as there.
_OTHER_SOURCES: Mapping[str, tuple[str, str]] = {
    "stylegan2_elsewhere": ("StyleGAN2, collected elsewhere", "gan"),
    "generated_photos_elsewhere": ("generated.photos, collected elsewhere", "gan"),
    "unseen_swap": ("Face swap, another way", "face_swap"),
}
_SHIPPED: Mapping[str, str] = {
    "telltale-mobilenetv2": "the default detector of this app",
    "telltale-caddm": "the ID-unaware detector of this app (made for face swaps alone)",
    "telltale-dna-det": "the DNA-Det of this app",
}


def describe_tables(faces: Faces, todo: Sequence[Run], runs: Path, shipped: Sequence[str] = ()) -> dict[str, MeasuredTable]:
    """The tables "detectors" and "sources": those of the trained runs in `todo`, by the settings in their folders, and of the embedded
    detectors in `shipped`."""
    settings = {run: json.loads((runs / run.name / SETTINGS_FILE).read_text(encoding="utf-8")) for run in todo}
    return {"detectors": _detectors(settings, shipped), "sources": _sources(faces)}


def _detectors(settings: Mapping[Run, Mapping[str, Any]], shipped: Sequence[str]) -> MeasuredTable:
    rows: list[tuple[Cell, ...]] = []
    for one in DETECTORS:
        mine = {run: values for run, values in settings.items() if run.detector.name == one.name}
        if not mine:
            continue
        with torch.device("meta"):
            net = build_backbone(one.architecture, CLASSES, one.model_args)
        start = "ImageNet" if any(values["pretrained"] for values in mine.values()) else "from scratch"
        minutes = round(sum(float(values["minutes"]) for values in mine.values()), 1)
        rows.append((one.name, one.display, one.side_px, _parameters(net), pooled_width(net), start, one.steps, BATCH, minutes))
    for name in shipped:
        detector = load(name)
        side_px, width = detector.card.crop.side_px, pooled_width(detector.model)
        minutes = detector.card.training.minutes
        rows.append((name, _SHIPPED.get(name, name), side_px, _parameters(detector.model), width, "shipped", None, None, minutes))
    columns = ("detector", "display", "input px", "parameters", "units", "start", "steps", "faces a batch", "minutes")
    longer = ", ".join(f"{factor} times as many on {_named(source)[0]}" for source, factor in LONGER.items())
    note = (
        f"Units: of the penultimate layer. Steps: batches of the first training on one source ({longer}); an augmentation takes fewer. "
        "Minutes: all trainings of a detector together, each on one processor core while another core trained too. These are short "
        "trainings of small inputs, not the paper's; those of the shipped detectors are told in their cards."
    )
    return MeasuredTable("Detectors", columns, tuple(rows), note)


def _sources(faces: Faces) -> MeasuredTable:
    rows = []
    for source in SOURCES:
        chosen = faces.of(source)
        manipulated = int(faces.manipulated[chosen].sum())
        counts = (manipulated, len(chosen) - manipulated, UNTOUCHED_OF[source], int(source in TRAINED))
        rows.append((source, *_named(source), *counts))
    columns = ("source", "display", "family", "manipulated", "untouched beside them", "untouched kind", "trained on")
    note = (
        "Test faces. Sources of one untouched kind share their untouched faces: dfdc: clips of DFDC; web: the collections of photographs "
        "that training draws from too (other pictures of them); elsewhere: collections that no training saw. trained on = 1: detectors "
        "were trained on it; 0: it was only tested."
    )
    return MeasuredTable("Sources", columns, tuple(rows), note)


def _named(source: str) -> tuple[str, str]:
    """Its name for the page, and its family."""
    known = {label.name: (label.display_name, label.family) for label in LABELS}
    return _OTHER_SOURCES.get(source) or known[source]


def _parameters(net: torch.nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())
