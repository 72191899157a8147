"""The attribution study: train what is missing, read every face with every run, measure, write `measured/data/study.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.explain.reference import MOST_REFERENCES
from attribution.lab.data import Data, find_data, in_one_text, manifest_hash, read_manifest
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.measure.predictions import SplitPredictions, load_net, predict, references
from attribution.lab.publish.publisher import crop_sides, info_of
from attribution.lab.studies.attribution.answers import answers_to, leave_out_table, matrix_table, open_set_table, set_up
from attribution.lab.studies.attribution.plan import SPLITS, Run
from attribution.lab.studies.runner import finished, write_results
from attribution.lab.train.methods import LABELS, Settings, train
from attribution.lab.train.recipes import RECIPES
from attribution.lab.train.side_by_side import side_by_side
from attribution.measured.study import SCHEMA, STUDY_FILE

TRIED = STUDY_FILE.with_name("tried.json")


def folder_of(run: Run, runs: Path) -> Path:
    return runs / run.name.replace(" ", "-")


def said(folder: Path, split: str, samples: Samples) -> SplitPredictions:
    """What the run in `folder` says of a split; LabError when it has not read it."""
    return SplitPredictions.kept(finished(folder / f"said_{split}.npz", f"the {split} faces"), samples)


def read_faces(folder: Path, data: Data, work: Path, splits: Sequence[str], leave_out: Sequence[str], device: str = "cpu") -> None:
    """Let the run's network read the splits once, in bfloat16; `train` stands for references among the training faces it saw."""
    wanted = [split for split in splits if not (folder / f"said_{split}.npz").exists()]
    if not wanted:
        return
    net, rows = load_net(folder, device), read_manifest(data)
    for split in wanted:
        samples = load_samples(rows, work, split)
        chosen = references(samples, leave_out, MOST_REFERENCES, LABELS) if split == "train" else np.arange(len(samples))
        predict(net, samples, chosen, device, half=True).keep(folder / f"said_{split}.npz", chosen)


def _one(run: Run, data: Data, work: Path, folder: Path, pretrained: str, device: str) -> None:
    if not (folder / "final.safetensors").exists():
        own = {"data": in_one_text(data), "work": str(work), "out": str(folder), "device": device, "threads": 1, "pretrained": pretrained}
        train(Settings(**own, **run.settings()))
    read_faces(folder, data, work, ("train", *SPLITS) if run.group == "fold" else ("test", "cross"), run.leave_out, device)


def study(
    todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, pretrained: Mapping[str, str], shipped: Path | None, out: Path,
    jobs: int, device: str,
) -> None:  # fmt: skip
    """Carry out the plan `todo`, or the rest of it, and write its results to `out`. `pretrained`: the file that each backbone starts from;
    `shipped`: the default detector's run, for the matrix; `jobs`: trainings side by side."""
    data, folders = find_data(data_flag), {run.name: folder_of(run, runs) for run in todo}
    tasks = [(run.name, folders[run.name], (run, data, work, folders[run.name], pretrained.get(run.backbone, ""), device)) for run in todo]
    side_by_side(_one, tasks, jobs)
    rows, info = read_manifest(data), info_of("study")
    samples = {split: load_samples(rows, work, split) for split in ("train", *SPLITS)}
    test, cross = ({name: said(folder, split, samples[split]) for name, folder in folders.items()} for split in ("test", "cross"))
    compared, left = ([run for run in todo if run.group == group] for group in ("comparison", "fold"))
    folds = [set_up(run, {split: said(folders[run.name], split, samples[split]) for split in ("train", *SPLITS)}, info) for run in left]
    base = next(run for run in compared if run.head == "methods" and run.loss == "supcon")
    trained = [("comparison", base.leave_out, test[base.name], cross[base.name])]
    trained += [(run.name, run.leave_out, test[run.name], cross[run.name]) for run in left]
    if shipped is not None:
        read_faces(shipped, data, work, ("test", "cross"), (), device)
        trained.insert(0, ("everything", (), said(shipped, "test", samples["test"]), said(shipped, "cross", samples["cross"])))
    tables = {**answers_to(compared, test, cross), "matrix": matrix_table(trained)}
    sides = crop_sides(samples["test"], rows, "test")
    tables |= {"leave_out": leave_out_table(folds, samples["test"], sides, info), "open_set": open_set_table(folds, info)}
    tables = {key: replace(one, note=f"{one.note} These detectors were {_lengths(todo, key)}") for key, one in tables.items()}
    if TRIED.exists():
        one = json.loads(TRIED.read_text(encoding="utf-8"))
        tables["tried"] = MeasuredTable(one["title"], tuple(one["columns"]), tuple(map(tuple, one["rows"])), one["note"])
    plan = {"data_sha256": manifest_hash(data), "runs": [{"name": run.name, **run.settings()} for run in todo]}
    write_results(out, SCHEMA, f"The study's own detectors: {_lengths(todo, 'matrix')}", plan, tables)


def _lengths(todo: Sequence[Run], key: str) -> str:
    """How long the detectors behind a table were trained."""
    groups = {"matrix": ("comparison", "fold"), "leave_out": ("fold",), "open_set": ("fold",)}.get(key, ("comparison",))
    recipe = RECIPES["methods"]
    faces = sum(recipe.pairs.values()) * 2 + sum(recipe.singles.values())
    parts = [f"{steps} steps ({group})" for group in groups for steps in sorted({run.steps for run in todo if run.group == group})]
    return (
        f"trained for {' and '.join(parts)} of {faces} faces each: far shorter than the shipped detector. This is the beginning of "
        "learning; it may look otherwise at full length."
    )
