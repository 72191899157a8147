"""The embedded detectors on the faces of the study: what a long training on many sources at once says of the same faces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from attribution.detectors.loading import load
from attribution.detectors.predictor import Predictor
from attribution.lab.data import REAL
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.train.loop import save_arrays

# Which sources of `plan.SOURCES` the training of each embedded detector held, as its card's training data says (a test compares them).
TRAINED_BY: Mapping[str, tuple[str, ...]] = {
    "telltale-mobilenetv2": ("dfdc_swap", "autoencoder_swap", "stylegan2", "generated_photos", "sd21", "sdxl", "flux1"),
    # Its backbone started from the default's, which had been trained on all of the default's sources.
    "telltale-caddm": ("dfdc_swap", "autoencoder_swap"),
    "telltale-dna-det": ("stylegan2", "generated_photos", "sdxl", "flux1"),
}


def digest(crops: np.ndarray) -> str:
    """The sha256 of crops, 64 hex digits: what was read is kept for these very pictures."""
    return hashlib.sha256(np.ascontiguousarray(crops).data).hexdigest()


def read_shipped(names: Sequence[str], faces: Faces, runs: Path, device: str = "cpu") -> dict[str, np.ndarray]:
    """p(manipulated) of each embedded detector in `names` on all N faces: N float32 in 0..1, 1 − p(untouched) after the card's calibration,
    not mirrored. Read once, in float32, and kept in `runs/shipped/NAME.npz`; read again for other weights, another calibration or other
    faces. Raises DetectorError for a detector that is not there, ValueError for crops that are not of its side."""
    of_faces = digest(faces.crops)
    found: dict[str, np.ndarray] = {}
    for name in names:
        detector = load(name)
        kept = runs / "shipped" / f"{name}.npz"
        made_of = (detector.weights_sha256, str(detector.card.calibration.temperature), of_faces)
        p = _kept(kept, made_of)
        if p is None:
            methods = Predictor(detector, device).read(faces.crops).p_methods
            untouched = [family == REAL for family in detector.info.families]
            p = np.clip(1 - methods[:, untouched].sum(1), 0, 1).astype(np.float32)
            save_arrays(kept, p=p, made_of=np.array(made_of))
        found[name] = p
    return found


def _kept(file: Path, made_of: tuple[str, ...]) -> np.ndarray | None:
    if not file.exists():
        return None
    with np.load(file) as stored:
        return stored["p"] if tuple(stored["made_of"].tolist()) == made_of else None
