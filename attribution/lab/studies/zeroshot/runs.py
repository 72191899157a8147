"""Carrying out the plan: train what is not trained yet, several runs side by side, and keep what each detector says of every face."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from attribution.errors import LabError
from attribution.lab.data import find_data, read_manifest
from attribution.lab.pools import load_samples
from attribution.lab.studies.zeroshot.faces import load_faces
from attribution.lab.studies.zeroshot.plan import TRAINED, Detector, Run
from attribution.lab.studies.zeroshot.pool import make_pool, pool_file
from attribution.lab.train.single_source import SAID_FILE, Said, keep, kept, load_run, read_faces, train_run, untrained

UNTRAINED = "untrained"


def said(run: Run, runs: Path) -> Said:
    """What a run says of all faces of the study; LabError when it has not read them."""
    return _read(runs / run.name / SAID_FILE)


def said_untrained(detector: Detector, runs: Path) -> Said:
    """What the detector says before any training, with a random classifier."""
    return _read(runs / detector.name / UNTRAINED / SAID_FILE)


def _read(file: Path) -> Said:
    if not file.exists():
        raise LabError(f"The run {file.parent.name} has not read the faces.", "Run the study again; it goes on where it stopped.")
    return kept(file)


def _prepare(data_flag: str | None, work: Path, runs: Path) -> None:
    load_faces(data_flag, work, runs)
    missing = [source for source in TRAINED if not pool_file(runs, source).exists()]
    if missing:
        data = find_data(data_flag)
        samples = load_samples(data, read_manifest(data), work, "train")
        for source in missing:
            make_pool(samples, source, runs)
            print(f"pool of {source} ready", flush=True)


def _chain(chain: Sequence[Run], runs: Path, pretrained: str, device: str) -> str:
    """A base and its augmentations, one after the other."""
    torch.set_num_threads(1)
    crops = load_faces(None, runs, runs).crops
    folder = runs / chain[0].name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.txt", "a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        try:
            bare = runs / chain[0].detector.name / UNTRAINED / SAID_FILE
            if chain[0].trained_on == TRAINED[0] and not bare.exists():
                keep(read_faces(untrained(chain[0].detector, pretrained), chain[0].detector, crops, device), bare)
            for run in chain:
                train_run(run, runs, pretrained, device)
                if not (runs / run.name / SAID_FILE).exists():
                    keep(read_faces(load_run(run, runs), run.detector, crops, device), runs / run.name / SAID_FILE)
        except Exception:
            traceback.print_exc(file=log)
            raise
    return chain[0].name


def carry_out(
    todo: Sequence[Run], data_flag: str | None, work: Path, runs: Path, pretrained: Mapping[str, str], jobs: int, device: str = "cpu"
) -> None:
    """Train and read everything that is not there yet, `jobs` chains (a base with its augmentations) side by side, one thread each on a
    CPU. `pretrained` maps the name of a detector to the file that it starts from. What is there is not done again."""
    _prepare(data_flag, work, runs)
    chains: dict[Run, list[Run]] = {}
    for run in todo:
        chains.setdefault(run.base, []).append(run)
    starts = {base: pretrained.get(base.detector.name, "") for base in chains}
    for base, start in starts.items():
        if base.detector.pretrained and not start:
            raise LabError(
                f"{base.detector.display} starts from an ImageNet file.", f"Name it with --pretrained {base.detector.name}=FILE."
            )
    waiting: list[Future[str]] = []
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for base, chain in chains.items():
            if all((runs / run.name / SAID_FILE).exists() for run in chain):
                continue
            waiting.append(pool.submit(_chain, chain, runs, starts[base], device))
        for number, one in enumerate(as_completed(waiting), start=1):
            print(f"{number}/{len(waiting)}: {one.result()}", flush=True)
