"""A finished DNA-Det as the app will have it, with 8-bit weights and a linear projection in place of the training's own; what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from attribution.eight_bit import compress, expand
from attribution.errors import LabError
from attribution.lab.data import REAL
from attribution.lab.dnadet.sampling import CLASSES
from attribution.lab.pools import Samples
from attribution.lab.predict import Predictions, predict
from attribution.network import DNA_DET, EMBEDDING_DIMENSIONS, DnaDet, Projection, build_backbone, features

# What the app refuses DNA-Det for, and a generator that its training never saw: read to know what it says of them.
SWAPPED = "dfdc_swap"
UNKNOWN_GENERATORS = ("sd21",)


class Reader(nn.Module):
    """Normalised B×3×S×S → logits B×K and unit embeddings B×128: trunk, classifier and the projection that the app uses."""

    def __init__(self, trunk: DnaDet, dimensions: int = EMBEDDING_DIMENSIONS) -> None:
        super().__init__()
        self.backbone = trunk
        self.projection = Projection(trunk.head_hidden_size, dimensions)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, logits = features(self.backbone, x)
        return logits.float(), self.projection(pooled.float())


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


def fit_projection(pooled: np.ndarray) -> torch.Tensor:
    """The 128 directions (rows, orthonormal, 128×F) that keep most of N×F pooled features (any length), the first eigenvectors of their
    second moments (not centred): the cosine of two projections is then nearly that of the features. The training's own projection is
    thrown away, as in the paper, whose maps are drawn from the pooled features."""
    unit = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    # Ascending eigenvalues; each direction is a column.
    directions = np.linalg.eigh(unit.T.astype(np.float64) @ unit)[1].T[::-1]
    return torch.from_numpy(directions[:EMBEDDING_DIMENSIONS].copy()).float().half().float()


def build_reader(run: Path, train: Samples, references: np.ndarray) -> tuple[Reader, Predictions]:
    """The run's network as it ships, with a projection fitted on the reference faces, and what it says of these."""
    reader = Reader(load_trunk(run)).eval()
    width = reader.backbone.head_hidden_size
    # Read once, with all features in place of the embedding.
    whole = Reader(reader.backbone, width).eval()
    with torch.no_grad():
        whole.projection.weight.copy_(torch.eye(width))
    faces = read(whole, train, references, run / "read_references.npz", run)
    with torch.no_grad():
        reader.projection.weight.copy_(fit_projection(faces.embeddings))
        embeddings = reader.projection(torch.from_numpy(faces.embeddings)).numpy()
    return reader, replace(faces, embeddings=embeddings)


def read(reader: nn.Module, samples: Samples, chosen: np.ndarray, cache: Path, run: Path, half: bool = False) -> Predictions:
    """What the network says of the chosen samples, kept in `cache` while that is newer than the run's weights; in bfloat16 if `half`."""
    if not cache.exists() or cache.stat().st_mtime < (run / "final.safetensors").stat().st_mtime:
        predict(reader, samples, chosen, half=half).keep(cache, chosen)
    return Predictions.kept(cache, samples)


def all_methods() -> tuple[str, ...]:
    """The classes, then what is read beside them."""
    return (*CLASSES, *UNKNOWN_GENERATORS, SWAPPED)


def known(found: Predictions) -> Predictions:
    """The faces of DNA-Det's own classes."""
    return found.take(np.isin(found.methods, CLASSES))


def untouched(found: Predictions) -> np.ndarray:
    """Which faces are photographs, N boolean."""
    return found.methods == REAL
