"""Readings of DNA-Det's finished runs, cached beside them, and the tables that compare: variants, changes, unknown generators, 8 bits,
patches, and the default detector on the same faces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.evidence import DetectorInfo
from attribution.lab.measure import dnadet_tables as measuring
from attribution.lab.measure import islands
from attribution.lab.measure.dnadet_reading import UNKNOWN_GENERATORS, all_methods, build_reader, choose, known, load_trunk
from attribution.lab.measure.dnadet_tables import Said, of_classes, said
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.measure.reading import Reader, read
from attribution.lab.measure.robustness import robustness_table
from attribution.lab.pools import Samples
from attribution.lab.publish.mapping import MAP_SEED, choose_references
from attribution.lab.train.dnadet import CLASSES

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


def read_all(reader: Reader, run: Path, faces: Faces) -> dict[str, SplitPredictions]:
    """What the network as it ships says of val, test and cross."""
    chosen = {split: choose(faces.samples[split], all_methods()) for split in SPLITS}
    return {split: read(reader, faces.samples[split], chosen[split], run / f"read_{split}.npz", run) for split in SPLITS}


def _answers_of(run: Path, faces: Faces, info: DetectorInfo, half: bool) -> dict[str, Said]:
    """The answers of a run's unrounded weights on test and cross."""
    reader, found = Reader(load_trunk(run, eight_bit=False)).eval(), {}
    for split in ("test", "cross"):
        chosen = choose(faces.samples[split], CLASSES)
        found[split] = said(read(reader, faces.samples[split], chosen, run / f"read_unrounded_{split}.npz", run, half), info)
    return found


def comparisons(
    runs: Runs, faces: Faces, found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], bank_faces: SplitPredictions,
    predictor: Predictor, default: Predictor,
) -> list[MeasuredTable]:  # fmt: skip
    """The tables beside the default detector, under changes, on unknown generators, the ablation, 8 bits, and patches."""
    info = predictor.info
    own = {split: said(found[split], info) for split in ("test", "cross")}
    cases = [(method, known(found["test"]), _of(found["test"], (method,)), bank_faces.embeddings) for method in UNKNOWN_GENERATORS]
    for held, run in runs.held_out.items():
        other, bank = build_reader(run, faces.samples["train"], _without(faces, held))
        chosen = choose(faces.samples["test"], CLASSES)
        test = read(other, faces.samples["test"], chosen, run / "read_test.npz", run)
        rest = tuple(method for method in CLASSES if method != held)
        cases.append((f"{held} (shorter training)", _of(test, rest), _of(test, (held,)), bank.embeddings))
    variants = []
    for name, run in runs.variants.items():
        steps = json.loads((run / "settings.json").read_text())["steps"]
        variants.append((name, steps, _answers_of(run, faces, info, half=True)))
    rounded = {split: of_classes(said(raw[split], info)) for split in ("test", "cross")}
    return [
        measuring.side_by_side_table(own, _default_answers(default, runs.shipped, faces), default.info.name),
        robustness_table(faces.samples["test"], predictor, default),
        measuring.unknown_table(cases),
        measuring.ablation_table(variants),
        measuring.eight_bit_table(_answers_of(runs.shipped, faces, info, half=False), rounded),
        islands.island_table(faces.samples, predictor),
        islands.spread_table(faces.samples["test"], predictor),
    ]


def _of(found: SplitPredictions, methods: tuple[str, ...]) -> SplitPredictions:
    return found.take(np.isin(found.methods, methods))


def _without(faces: Faces, held: str) -> np.ndarray:
    methods = np.array(faces.samples["train"].methods)[faces.references]
    return faces.references[methods != held]


def _default_answers(default: Predictor, run: Path, faces: Faces) -> dict[str, Said]:
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
            SplitPredictions(
                np.concatenate([part.logits for part in parts]), np.concatenate([part.embeddings for part in parts]),
                *([np.empty(0)] * 5),
            ).keep(kept, wanted)  # fmt: skip
        answers[split] = said(SplitPredictions.kept(kept, faces.samples[split]), default.info)
    return answers
