"""A trained network as the app will have it, with a linear projection in place of the training's own; and what it says, kept on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from attribution.lab.measure.predict import SplitPredictions, predict
from attribution.lab.pools import Samples
from attribution.models.backbones import EMBEDDING_DIMENSIONS, Projection, features, pooled_width


class Reader(nn.Module):
    """Normalised B×3×S×S → logits B×K and unit embeddings B×128: network, classifier and the projection that the app uses."""

    def __init__(self, trunk: nn.Module, dimensions: int = EMBEDDING_DIMENSIONS) -> None:
        super().__init__()
        self.backbone: Any = trunk
        self.projection = Projection(pooled_width(trunk), dimensions)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, logits = features(self.backbone, x)
        return logits.float(), self.projection(pooled.float())


def fit_projection(pooled: np.ndarray) -> torch.Tensor:
    """The 128 directions (rows, orthonormal, 128×F) that keep most of N×F pooled features (any length), the first eigenvectors of their
    second moments (not centred): the cosine of two projections is then nearly that of the features. The training's own projection is
    thrown away, as in DNA-Det's paper, whose maps are drawn from the pooled features."""
    unit = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    # Ascending eigenvalues; each direction is a column.
    directions = np.linalg.eigh(unit.T.astype(np.float64) @ unit)[1].T[::-1]
    return torch.from_numpy(directions[:EMBEDDING_DIMENSIONS].copy()).float().half().float()


def with_projection(trunk: nn.Module, train: Samples, references: np.ndarray, cache: Path, run: Path) -> tuple[Reader, SplitPredictions]:
    """The network with a projection fitted on the reference faces (indices), and what it says of these; read once, kept in `cache`."""
    reader = Reader(trunk).eval()
    width = pooled_width(trunk)
    # Read once, with all features in place of the embedding.
    whole = Reader(reader.backbone, width).eval()
    with torch.no_grad():
        whole.projection.weight.copy_(torch.eye(width))
    faces = read(whole, train, references, cache, run)
    with torch.no_grad():
        reader.projection.weight.copy_(fit_projection(faces.embeddings))
        embeddings = reader.projection(torch.from_numpy(faces.embeddings)).numpy()
    return reader, replace(faces, embeddings=embeddings)


def read(
    reader: nn.Module, samples: Samples, chosen: np.ndarray, cache: Path, run: Path, half: bool = False, mirrored: bool = False
) -> SplitPredictions:
    """What the network says of the chosen samples, kept in `cache` while that is newer than the run's weights; in bfloat16 if `half`,
    together with the mirror images if `mirrored`."""
    if not cache.exists() or cache.stat().st_mtime < (run / "final.safetensors").stat().st_mtime:
        predict(reader, samples, chosen, half=half, mirrored=mirrored).keep(cache, chosen)
    return SplitPredictions.kept(cache, samples)
