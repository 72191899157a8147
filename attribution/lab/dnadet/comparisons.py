"""Readings of DNA-Det's finished runs, cached beside them, and the tables that compare: variants, changes, unknown generators, 8 bits,
patches, and the default detector on the same faces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.card import MeasuredTable
from attribution.detector import Examiner
from attribution.lab.dnadet import islands, measuring
from attribution.lab.dnadet.measuring import Said, said
from attribution.lab.dnadet.reading import UNKNOWN_GENERATORS, Reader, all_methods, build_reader, known, read
from attribution.lab.dnadet.robustness import robustness_table
from attribution.lab.dnadet.sampling import CLASSES
from attribution.lab.mapping import MAP_SEED, choose_references
from attribution.lab.pools import Samples
from attribution.lab.predict import Predictions, predict

SPLITS = ("val", "test", "cross")


@dataclass(frozen=True)
class Runs:
    """Finished runs: the one that ships; the variants of the ablation, and trainings that held classes out, by name."""

    shipped: Path
    variants: Mapping[str, Path]
    held_out: Mapping[str, Path]


@dataclass(frozen=True)
class Faces:
    """The faces that everything is measured on: samples per split, the training faces that serve as references (indices), and the sides of
    the crops in the original pictures, px."""

    samples: Mapping[str, Samples]
    references: np.ndarray
    sides: Mapping[str, np.ndarray]


def choose_reference_faces(train: Samples, count: int) -> np.ndarray:
    """Training faces of the five classes that serve as references, and that the projection is fitted on."""
    own = np.flatnonzero(np.isin(np.array(train.methods), CLASSES))
    methods, sources = np.array(train.methods)[own], np.array(train.sources)[own]
    return own[choose_references(methods, sources, count, MAP_SEED)]


def read_all(reader: Reader, run: Path, faces: Faces, kind: str) -> dict[str, Predictions]:
    """What the network says of every split; `kind` names the weights (8 bit or float32) in the cache."""
    weights = run / "final.safetensors"
    return {split: read(reader, faces.samples[split], all_methods(), run / f"read_{kind}_{split}.npz", weights) for split in SPLITS}


def read_references(reader: Reader, run: Path, faces: Faces, chosen: np.ndarray) -> Predictions:
    """What the network says of these training faces."""
    kept = run / "read_references.npz"
    if not kept.exists() or kept.stat().st_mtime < (run / "final.safetensors").stat().st_mtime:
        predict(reader, faces.samples["train"], chosen).keep(kept, chosen)
    return Predictions.kept(kept, faces.samples["train"])


def comparisons(
    runs: Runs, faces: Faces, found: Mapping[str, Predictions], raw: Mapping[str, Predictions], bank_faces: Predictions,
    examiner: Examiner, default: Examiner,
) -> list[MeasuredTable]:  # fmt: skip
    """The tables beside the default detector, under changes, on unknown generators, the ablation, 8 bits, and patches."""
    info = examiner.info
    own = {split: said(found[split], info) for split in ("test", "cross")}
    whole = build_reader(runs.shipped, faces.samples["train"], faces.references, eight_bit=False)
    full = read_all(whole, runs.shipped, faces, "float32")
    cases = [(method, known(found["test"]), _of(found["test"], (method,)), bank_faces.embeddings) for method in UNKNOWN_GENERATORS]
    for held, run in runs.held_out.items():
        other = build_reader(run, faces.samples["train"], _without(faces, held))
        test = read_all(other, run, faces, "eight_bit")["test"]
        rest = tuple(method for method in CLASSES if method != held)
        bank = read_references(other, run, faces, _without(faces, held)).embeddings
        cases.append((f"{held} (shorter training)", _of(test, rest), _of(test, (held,)), bank))
    variants = []
    for name, run in runs.variants.items():
        steps = json.loads((run / "settings.json").read_text())["steps"]
        answers = read_all(build_reader(run, faces.samples["train"], faces.references, eight_bit=False), run, faces, "float32")
        variants.append((name, steps, {split: said(answers[split], info) for split in ("test", "cross")}))
    return [
        measuring.side_by_side_table(own, _default_answers(default, runs.shipped, faces), default.info.name),
        robustness_table(faces.samples["test"], examiner, default),
        measuring.unknown_table(cases),
        measuring.ablation_table(variants),
        measuring.eight_bit_table(*({s: said(read_[s], info) for s in ("test", "cross")} for read_ in (full, raw))),
        islands.island_table(faces.samples, examiner),
        islands.spread_table(faces.samples["test"], examiner),
    ]


def _of(found: Predictions, methods: tuple[str, ...]) -> Predictions:
    return found.take(np.isin(found.methods, methods))


def _without(faces: Faces, held: str) -> np.ndarray:
    methods = np.array(faces.samples["train"].methods)[faces.references]
    return faces.references[methods != held]


def _default_answers(default: Examiner, run: Path, faces: Faces) -> dict[str, Said]:
    """What the default detector says of the same faces, read as the app reads pictures."""
    answers = {}
    for split in ("test", "cross"):
        kept = run / f"read_default_{split}.npz"
        wanted = np.flatnonzero(np.isin(np.array(faces.samples[split].methods), all_methods()))
        if not kept.exists():
            parts = [
                default.read(np.stack([faces.samples[split].picture(int(i)) for i in wanted[first : first + 64]]), mirrored=True)
                for first in range(0, len(wanted), 64)
            ]
            Predictions(
                np.concatenate([part.logits for part in parts]), np.concatenate([part.embeddings for part in parts]),
                *([np.empty(0)] * 5),
            ).keep(kept, wanted)  # fmt: skip
        answers[split] = said(Predictions.kept(kept, faces.samples[split]), default.info)
    return answers
