"""From the finished runs to `results/zeroshot.json`: every table of the page *Why detectors fail*."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import DEFAULT_DETECTOR, EMBEDDED_FOLDER
from attribution.lab.data import find_data, manifest_hash
from attribution.lab.measure.evaluate import print_table
from attribution.lab.studies.zeroshot.ablation import ablation_tables
from attribution.lab.studies.zeroshot.attention import attention_tables
from attribution.lab.studies.zeroshot.describe import describe_tables
from attribution.lab.studies.zeroshot.faces import load_faces
from attribution.lab.studies.zeroshot.matrix import matrix_tables
from attribution.lab.studies.zeroshot.neurons import neuron_tables
from attribution.lab.studies.zeroshot.plan import BASE, BATCH, SEED, Run
from attribution.lab.studies.zeroshot.readout import kept_default, readout_tables
from attribution.lab.studies.zeroshot.runs import said, said_untrained
from attribution.lab.studies.zeroshot.shipped import read_shipped
from attribution.measured.study import ZEROSHOT_SCHEMA

SHIPPED = (DEFAULT_DETECTOR, "telltale-caddm")
# Too large to read in a terminal.
_UNPRINTED = ("matrix", "attention_maps", "neurons", "ablation", "ablation_differences")


def measure(todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, out: Path, device: str = "cpu") -> None:
    """Measure all runs of `todo`, which must have read the faces, with the shipped detectors beside them; write `out`, print the smaller
    tables."""
    faces = load_faces(data_flag, work, runs)
    read = {run: said(run, runs) for run in todo}
    bare = {detector.name: said_untrained(detector, runs) for detector in dict.fromkeys(run.detector for run in todo)}
    tables: dict[str, MeasuredTable] = {
        **describe_tables(faces, todo, runs, SHIPPED),
        **matrix_tables(read, read_shipped(SHIPPED, faces, runs, device), faces),
        **attention_tables(runs, faces, todo, device),
        **neuron_tables(read, bare, faces),
        **ablation_tables(read, faces),
        **readout_tables(kept_default(EMBEDDED_FOLDER / DEFAULT_DETECTOR, faces, runs, device), faces),
    }
    for key, table in tables.items():
        if key not in _UNPRINTED:
            print_table(table)
    written = {
        "schema": ZEROSHOT_SCHEMA,
        "caveat": _caveat(todo),
        "plan": {
            "data_sha256": manifest_hash(find_data(data_flag)), "seed": SEED, "faces_a_batch": BATCH,
            "runs": [{"name": run.name, "steps": run.steps} for run in todo],
        },
        "tables": {key: asdict(table) for key, table in tables.items()},
    }  # fmt: skip
    text = json.dumps(written, ensure_ascii=False, separators=(",", ":")).replace('["', '\n["')
    out.write_text(text + "\n", encoding="utf-8")


def _caveat(todo: Sequence[Run]) -> str:
    steps = sorted({run.steps for run in todo if run.variant == BASE})
    return (
        f"The detectors of this study are small and were trained briefly: {steps[0]} to {steps[-1]} batches of {BATCH} faces, one seed, on "
        "a CPU; only the default's network starts from ImageNet. What holds for them is the beginning of learning, on these collections. "
        "The sources that some detector was trained on share their untouched faces, DFDC apart: what fails between them is not the look of "
        "other photographs."
    )
