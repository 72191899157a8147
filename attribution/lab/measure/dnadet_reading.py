"""A finished DNA-Det as the app will have it, with 8-bit weights and a linear projection in place of the training's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from attribution.detectors.eight_bit import compress, expand
from attribution.errors import LabError
from attribution.lab.data import REAL
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.measure.reading import Reader, with_projection
from attribution.lab.pools import Samples
from attribution.lab.train.dnadet import CLASSES
from attribution.models.architectures import DNA_DET
from attribution.models.backbones import build_backbone
from attribution.models.dnadet import DnaDet

# What the app refuses DNA-Det for, and a generator that its training never saw: read to know what it says of them.
SWAPPED = "dfdc_swap"
UNKNOWN_GENERATORS = ("sd21",)


def load_trunk(run: Path, eight_bit: bool = True) -> DnaDet:
    """The averaged network of a finished run in evaluation mode, rounded to 8 bits as it ships unless `eight_bit` is false."""
    settings = json.loads((run / "settings.json").read_text())
    file = run / "final.safetensors"
    if not file.is_file():
        raise LabError(f"The training {run.name} is not finished.", "Run it again: it goes on where it stopped.")
    classes = [name for name in CLASSES if name not in settings["leave_out"]]
    trunk = build_backbone(DNA_DET, len(classes), {"img_size": settings["side_px"]})
    assert isinstance(trunk, DnaDet)
    state = {name.removeprefix("trunk."): value for name, value in load_file(file).items() if name.startswith("trunk.")}
    trunk.load_state_dict(rounded(state) if eight_bit else state)
    return trunk.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as they are after being written with 8 bits and read back."""
    return expand(compress(state))


def choose(samples: Samples, methods: tuple[str, ...]) -> np.ndarray:
    """Indices of the samples of these methods."""
    return np.flatnonzero(np.isin(np.array(samples.methods), methods))


def build_reader(run: Path, train: Samples, references: np.ndarray) -> tuple[Reader, SplitPredictions]:
    """The run's network as it ships, with a projection fitted on the reference faces, and what it says of these."""
    return with_projection(load_trunk(run), train, references, run / "read_references.npz", run)


def all_methods() -> tuple[str, ...]:
    """The classes, then what is read beside them."""
    return (*CLASSES, *UNKNOWN_GENERATORS, SWAPPED)


def known(found: SplitPredictions) -> SplitPredictions:
    """The faces of DNA-Det's own classes."""
    return found.take(np.isin(found.methods, CLASSES))


def untouched(found: SplitPredictions) -> np.ndarray:
    """Which faces are photographs, N boolean."""
    return found.methods == REAL
