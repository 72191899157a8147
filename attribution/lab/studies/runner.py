"""What both studies share: what was read once, cells of tables, the results file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.lab import metrics
from attribution.lab.tables import Row, print_table
from attribution.lab.train.loop import save_arrays


def finished(file: Path, what: str = "the faces") -> Path:
    """`file`, once a run has read `what`; LabError when it is not there yet."""
    if not file.exists():
        raise LabError(f"The run {file.parent.name} has not read {what}.", "Run the study again; it goes on where it stopped.")
    return file


def digest(crops: np.ndarray) -> str:
    """The sha256 of crops, 64 hex digits."""
    return hashlib.sha256(np.ascontiguousarray(crops).data).hexdigest()


def once(file: Path, made_of: Sequence[str], read: Callable[[], Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The arrays that `read` gives, kept in `file`; read again when made of other things (digests of weights, of faces)."""
    if file.exists():
        with np.load(file) as stored:
            if "made_of" in stored and stored["made_of"].tolist() == list(made_of):
                return {name: stored[name] for name in stored.files if name != "made_of"}
    found = {name: np.asarray(value) for name, value in read().items()}
    save_arrays(file, made_of=np.array(made_of), **found)
    return found


def interval(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the finite figures of resamples, rounded for a table; None, None of nothing."""
    try:
        low, high = metrics.cells(*metrics.interval(values))
    except ValueError:
        return None, None
    return low, high


def estimate(values: np.ndarray) -> Row:
    """A figure (first of `values`) and its interval over the rest (resamples); None thrice when it is not finite."""
    return (*metrics.cells(values[0]), *interval(values[1:])) if np.isfinite(values[0]) else metrics.NOT_MEASURED


def write_results(
    out: Path, schema: str, caveat: str, plan: Mapping[str, Any], tables: Mapping[str, MeasuredTable], unprinted: Collection[str] = ()
) -> None:
    """Print the tables but for the `unprinted`, and write all as the file that the page of measurements reads."""
    for key, one in tables.items():
        if key not in unprinted:
            print_table(one)
    written = {"schema": schema, "caveat": caveat, "plan": plan, "tables": {key: asdict(one) for key, one in tables.items()}}
    text = json.dumps(written, ensure_ascii=False, separators=(",", ":")).replace('["', '\n["')
    out.write_text(text + "\n", encoding="utf-8")
