"""Tasks side by side, one thread each: on two cores that is quicker than one task with two threads."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch


def side_by_side(work: Callable[..., None], tasks: Sequence[tuple[str, Path, tuple[Any, ...]]], jobs: int) -> None:
    """Do every task (name, folder, arguments of `work`) with one thread each, `jobs` at a time; output and errors go to the folder's
    `log.txt`, and the first error ends all."""
    if jobs == 1:
        threads = torch.get_num_threads()
        try:
            for number, (name, folder, arguments) in enumerate(tasks, start=1):
                _logged(work, folder, arguments)
                print(f"{number}/{len(tasks)}: {name}", flush=True)
        finally:
            torch.set_num_threads(threads)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(_logged, work, folder, arguments): name for name, folder, arguments in tasks}
        for number, one in enumerate(as_completed(waiting), start=1):
            one.result()
            print(f"{number}/{len(tasks)}: {waiting[one]}", flush=True)


def _logged(work: Callable[..., None], folder: Path, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.txt", "a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        try:
            work(*arguments)
        except Exception:
            traceback.print_exc(file=log)
            raise
