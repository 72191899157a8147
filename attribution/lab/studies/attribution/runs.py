"""Carrying out the plan: train what is not trained yet, several runs side by side, and keep what each detector says of every face."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from attribution.errors import LabError
from attribution.explain.reference import MOST_REFERENCES
from attribution.lab.data import find_data, read_manifest
from attribution.lab.measure.predict import SplitPredictions, load_net, predict
from attribution.lab.pools import Samples, load_samples
from attribution.lab.publish.mapping import references
from attribution.lab.studies.attribution.plan import SPLITS, Run
from attribution.lab.train.methods import Settings, train


def predictions_file(folder: Path, split: str) -> Path:
    """Where a run keeps its logits and embeddings of one split."""
    return folder / f"said_{split}.npz"


def read_faces(folder: Path, data: Path, work: Path, splits: Sequence[str], leave_out: Sequence[str], device: str = "cpu") -> None:
    """Let the run's network read the splits once and keep its logits and embeddings; `train` stands for the reference faces among
    the training faces that the run saw. Faces are read once (not mirrored too, as the app does), in bfloat16."""
    wanted = [split for split in splits if not predictions_file(folder, split).exists()]
    if not wanted:
        return
    net, rows = load_net(folder, device), read_manifest(data)
    for split in wanted:
        samples = load_samples(data, rows, work, split)
        chosen = references(samples, leave_out, MOST_REFERENCES) if split == "train" else np.arange(len(samples))
        predict(net, samples, chosen, device, half=True).keep(predictions_file(folder, split), chosen)


def said(folder: Path, split: str, samples: Samples) -> SplitPredictions:
    """What the run in `folder` says of a split; LabError when it has not read it."""
    file = predictions_file(folder, split)
    if not file.exists():
        raise LabError(f"The run {folder.name} has not read the {split} faces.", "Run the study again; it goes on where it stopped.")
    return SplitPredictions.kept(file, samples)


def _one(run: Run, data: Path, work: Path, runs: Path, pretrained: Mapping[str, str], device: str) -> str:
    folder = runs / run.name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    splits = ("train", *SPLITS) if run.group == "fold" else ("test", "cross")
    with open(folder / "log.txt", "a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        try:
            if not (folder / "final.safetensors").exists():
                settings = Settings(
                    data=str(data), work=str(work), out=str(folder), device=device, threads=1,
                    pretrained=pretrained.get(run.backbone, ""), **run.settings(),
                )  # fmt: skip
                train(settings)
            torch.set_num_threads(1)
            read_faces(folder, data, work, splits, run.leave_out, device)
        except Exception:
            traceback.print_exc(file=log)
            raise
    return run.name


def carry_out(
    todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, pretrained: Mapping[str, str], jobs: int, device: str = "cpu"
) -> None:
    """Train and read everything that is not there yet, `jobs` runs side by side (one thread each on a CPU). `pretrained` maps a backbone
    of the plan to the file it starts from. A run that was stopped goes on from its latest checkpoint."""
    data = find_data(data_flag)
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(_one, run, data, work, runs, pretrained, device) for run in todo]
        for number, one in enumerate(waiting, start=1):
            print(f"{number}/{len(todo)}: {one.result()}", flush=True)
