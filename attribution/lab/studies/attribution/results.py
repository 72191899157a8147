"""One command for the whole study: train what is missing, measure, write `results/study.json`, print its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from attribution.detectors.card import MeasuredTable
from attribution.lab.data import find_data, manifest_hash, read_manifest
from attribution.lab.measure.evaluate import print_table
from attribution.lab.pools import load_samples
from attribution.lab.publish.methods import info_of
from attribution.lab.studies.attribution.plan import SPLITS, Run
from attribution.lab.studies.attribution.questions import answers_to
from attribution.lab.studies.attribution.runs import carry_out, read_faces, said
from attribution.lab.studies.attribution.unseen import leave_out_table, matrix_table, open_set_table, set_up
from attribution.lab.train.sampling import PAIRS, SINGLES
from attribution.measured.study import SCHEMA, STUDY_FILE

TRIED = STUDY_FILE.with_name("tried.json")


def study(
    todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, pretrained: Mapping[str, str], shipped: Path | None, out: Path,
    jobs: int, device: str,
) -> None:  # fmt: skip
    """Carry out the plan `todo` (or the rest of it) and write its results; `shipped` is the run of the default detector, for the matrix."""
    data = find_data(data_flag)
    carry_out(todo, data_flag, work, runs, pretrained, jobs, device)
    rows, info = read_manifest(data), info_of("study")
    samples = {split: load_samples(data, rows, work, split) for split in ("train", *SPLITS)}
    folders = {run.name: runs / run.name.replace(" ", "-") for run in todo}
    test, cross = ({name: said(folder, split, samples[split]) for name, folder in folders.items()} for split in ("test", "cross"))
    compared, left = ([run for run in todo if run.group == group] for group in ("comparison", "fold"))
    folds = [set_up(run, {split: said(folders[run.name], split, samples[split]) for split in ("train", *SPLITS)}, info) for run in left]
    base = next(run for run in compared if run.head == "methods" and run.loss == "supcon")
    trained = [("comparison", base.leave_out, test[base.name], cross[base.name])]
    trained += [(run.name, run.leave_out, test[run.name], cross[run.name]) for run in left]
    if shipped is not None:
        read_faces(shipped, data, work, ("test", "cross"), (), device)
        trained.insert(0, ("everything", (), said(shipped, "test", samples["test"]), said(shipped, "cross", samples["cross"])))
    tables: dict[str, MeasuredTable] = {
        **answers_to(compared, test, cross),
        "matrix": matrix_table(trained),
        "leave_out": leave_out_table(folds, samples, data, info),
        "open_set": open_set_table(folds, info),
    }
    tables = {key: replace(table, note=f"{table.note} These detectors were {_lengths(todo, key)}") for key, table in tables.items()}
    if TRIED.exists():
        one = json.loads(TRIED.read_text(encoding="utf-8"))
        tables["tried"] = MeasuredTable(one["title"], tuple(one["columns"]), tuple(tuple(row) for row in one["rows"]), one["note"])
    for table in tables.values():
        print_table(table)
    setting = {
        "data_sha256": manifest_hash(data),
        "runs": [{"name": run.name, **run.settings()} for run in todo],
    }
    written = {
        "schema": SCHEMA,
        "caveat": f"The study's own detectors: {_lengths(todo, 'matrix')}",
        "plan": setting,
        "tables": {key: asdict(table) for key, table in tables.items()},
    }
    out.write_text(json.dumps(written, ensure_ascii=False, separators=(",", ":")).replace('["', '\n["') + "\n", encoding="utf-8")


def _lengths(todo: Sequence[Run], key: str) -> str:
    """How long the detectors behind a table were trained: what holds after a short training need not hold after a long one."""
    groups = {"matrix": ("comparison", "fold"), "leave_out": ("fold",), "open_set": ("fold",)}.get(key, ("comparison",))
    faces = sum(PAIRS.values()) * 2 + sum(SINGLES.values())
    parts = [f"{steps} steps ({group})" for group in groups for steps in sorted({run.steps for run in todo if run.group == group})]
    return (
        f"trained for {' and '.join(parts)} of {faces} faces each: far shorter than the shipped detector. This is the beginning of "
        "learning; it may look otherwise at full length."
    )
