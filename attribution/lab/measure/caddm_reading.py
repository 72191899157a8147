"""Finished runs as the app will have them: in half precision, with a linear projection; and which faces they are measured on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from attribution.errors import LabError
from attribution.lab.data import REAL
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.pools import Samples
from attribution.lab.publish.folder import half_precision
from attribution.lab.publish.labels import CADDM_LABELS as LABELS
from attribution.lab.publish.mapping import MAP_SEED, choose_references
from attribution.lab.train.caddm import SWAPS
from attribution.models.caddm import Caddm, build_caddm

SWAPPED = LABELS[1].name
# What the detector looks for, and what it is asked about.
METHODS = (REAL, *SWAPS)


def settings_of(run: Path) -> dict[str, Any]:
    """The settings of a run; LabError when there is none."""
    try:
        return json.loads((run / "settings.json").read_text())
    except OSError as error:
        raise LabError(f"There is no training in {run.name}.", "Name the folder of a run of `lab caddm train`.") from error


def load_run(run: Path) -> Caddm:
    """The averaged network of a finished run in evaluation mode, rounded to half precision as it ships."""
    settings, file = settings_of(run), run / "final.safetensors"
    if not file.is_file():
        raise LabError(f"The training {run.name} is not finished.", "Run it again: it goes on where it stopped.")
    net = build_caddm(len(LABELS), settings["model_args"], artifacts=not settings["plain"], architecture=settings["architecture"])
    halves = half_precision(load_file(file))
    net.load_state_dict({key: value.float() if value.dtype == torch.float16 else value for key, value in halves.items()})
    return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def asked_about(samples: Samples) -> np.ndarray:
    """Indices of the faces that this detector is for: untouched ones and swaps."""
    return np.flatnonzero(np.isin(np.array(samples.methods), METHODS))


def choose_reference_faces(train: Samples, count: int) -> np.ndarray:
    """Training faces that serve as references, and that the projection is fitted on."""
    own = asked_about(train)
    methods, sources = np.array(train.methods)[own], np.array(train.sources)[own]
    return own[choose_references(methods, sources, count, MAP_SEED)]


def as_labels(found: SplitPredictions) -> SplitPredictions:
    """The same faces under the detector's own two labels."""
    return replace(found, methods=np.where(found.methods == REAL, REAL, SWAPPED))
