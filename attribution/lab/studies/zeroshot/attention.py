"""Attention stability: does a detector look at the same place after it was augmented with a second source? Grad-CAM (Selvaraju et al. 2017,
arXiv 1610.02391) before and after on the same faces, compared by pairwise SSIM (Wang et al. 2004) and binned as in arXiv 2308.04177; the
maps of one detector on different faces say how much of an SSIM its habits and the smoothness of its maps bring about alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import nn

from attribution.detectors.card import CropSettings, MeasuredTable
from attribution.errors import LabError
from attribution.evidence import Face
from attribution.explain.gradcam import speaking_for
from attribution.faces.finder import FaceFinder, find_tracks
from attribution.lab import metrics
from attribution.lab.examples import EXAMPLES
from attribution.lab.studies.runner import digest, once
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.matrix import resampled
from attribution.lab.studies.zeroshot.plan import ALL, BASE, SEED, TOP, Detector, Run
from attribution.lab.studies.zeroshot.training import WEIGHTS_FILE, load_run, resized
from attribution.lab.tables import Row, table
from attribution.lab.train.loop import as_input
from attribution.media import open_media
from attribution.models.explained import explained_layer

# Pictures of the examples, and whether they are manipulated.
SHOWN: Mapping[str, bool] = {"astronaut.png": False, "grace_hopper.jpg": False, "autoencoder_swap.png": True}
PAIRS = ((BASE, TOP), (BASE, ALL), (TOP, ALL))
CHANCE, COMPARED_PX, BINS = "chance", 64, (0.7, 0.9)
_CHANCE_PAIRS, _MANIPULATED, _AT_ONCE, _NOTHING = 5, 1, 17, 1e-12


@dataclass(frozen=True)
class Looked:
    """Where one network looked on N crops: `maps` N×h×w float32 in 0..1 (maximum 1, or all 0); `p` N float32, p(manipulated)."""

    maps: np.ndarray
    p: np.ndarray


def unit(maps: np.ndarray) -> np.ndarray:
    """N×h×w maps of at least 0, each divided by its maximum unless that is 0."""
    most = maps.max((1, 2), keepdims=True)
    return np.where(most > _NOTHING, maps / np.maximum(most, _NOTHING), 0).astype(np.float32)


def grad_cam(net: nn.Module, detector: Detector, crops: np.ndarray, device: str = "cpu") -> Looked:
    """Grad-CAM of a network on N×S×S×3 uint8 crops, in float32; a hook cuts the graph at the explained layer."""
    held: list[torch.Tensor] = []

    def cut(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        del module, inputs
        held[:] = [output.detach().requires_grad_(True)]
        return held[0]

    net.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    hook = explained_layer(net, detector.architecture).register_forward_hook(cut)
    maps, p = [], []
    try:
        for first in range(0, len(crops), _AT_ONCE):
            x = as_input(resized(crops[first : first + _AT_ONCE], detector.side_px), device)
            with torch.enable_grad():
                logits = net(x)
                (gradient,) = torch.autograd.grad(logits[:, _MANIPULATED].sum(), held[0])
            maps.append(unit(speaking_for(held[0], gradient, net, detector.architecture)))
            p.append(logits.detach().float().softmax(1)[:, _MANIPULATED].cpu().numpy())
    finally:
        hook.remove()
    return Looked(np.concatenate(maps), np.concatenate(p))


def look(run: Run, runs: Path, crops: np.ndarray, device: str = "cpu") -> Looked:
    """`grad_cam` of a trained run, kept in its folder until crops or weights change."""
    made_of = hashlib.sha256((runs / run.name / WEIGHTS_FILE).read_bytes()).hexdigest(), digest(crops)
    read = lambda: vars(grad_cam(load_run(run, runs), run.detector, crops, device))  # noqa: E731
    return Looked(**once(runs / run.name / "attention.npz", made_of, read))


def faces_in(pictures: Sequence[Path]) -> list[Face]:
    """The largest face of each picture, found and cut as the app does. LabError when there is none."""
    finder, found = FaceFinder("cpu"), []
    for picture in pictures:
        with open_media(picture) as opened:
            tracks = find_tracks(opened, finder, CropSettings()).tracks
        if not tracks:
            raise LabError(f"No face was found in {picture.name}.", "Make the examples again: python -m attribution lab examples.")
        found.append(max((track.best for track in tracks), key=lambda face: face.crop_side_px))
    return found


def choose_faces(faces: Faces, most: int) -> np.ndarray:
    """Indices of at most `most` test faces, seeded: one of each kind by turns."""
    random = np.random.default_rng(SEED)
    tested = faces.split == "test"
    by_kind = [random.permutation(np.flatnonzero(tested & (faces.kind == kind))) for kind in sorted(set(faces.kind[tested].tolist()))]
    turns = [own[turn] for turn in range(max(map(len, by_kind))) for own in by_kind if turn < len(own)]
    return np.sort(np.array(turns[:most]))


def attention_tables(
    runs: Path, faces: Faces, todo: Sequence[Run], device: str = "cpu", most_faces: int = 48, examples: Path = EXAMPLES
) -> dict[str, MeasuredTable]:
    """ "attention", "attention_maps" and "example_faces" of the runs in `todo`; LabError when one is not trained yet."""
    missing = [run.name for run in todo if not (runs / run.name / WEIGHTS_FILE).exists()]
    if missing:
        raise LabError(f"{missing[0]} is not trained yet.", "Run the study again; it goes on where it stopped.")
    shown = faces_in([examples / name for name in SHOWN])
    crops = np.concatenate([faces.crops[choose_faces(faces, most_faces)], *(face.crop[None] for face in shown)])
    looked = {run: look(run, runs, crops, device) for run in todo}
    about = zip(SHOWN.items(), shown, strict=True)
    where = [(name, *(round(edge, 1) for edge in face.crop_box), int(manipulated)) for (name, manipulated), face in about]
    return {
        "attention": _stability(looked, len(shown)), "attention_maps": _shown_maps(looked), "example_faces": table("example_faces", where),
    }  # fmt: skip


def similarities(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """SSIM of each of N pairs of S×S maps in 0..1 (Wang et al. 2004: σ 1.5, K₁ 0.01, K₂ 0.03); NaN where one is empty."""
    ssim = partial(structural_similarity, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    return np.array([ssim(a, b) if a.any() and b.any() else np.nan for a, b in zip(one, other, strict=True)], np.float64)


def compared(maps: np.ndarray) -> np.ndarray:
    """N×h×w maps at the size of comparison, N×64×64 (bilinear), with the maximum 1 or all 0."""
    return unit(np.stack([cv2.resize(one, (COMPARED_PX, COMPARED_PX), interpolation=cv2.INTER_LINEAR) for one in maps]))


def by_chance(maps: np.ndarray) -> np.ndarray:
    """SSIM of each of N maps with up to five other faces' of the same network, seeded, N×5; NaN for empty maps and missing others."""
    found = np.full((len(maps), _CHANCE_PAIRS), np.nan)
    order = np.random.default_rng(SEED).permutation(np.flatnonzero(maps.any((1, 2))))
    for turn in range(1, min(_CHANCE_PAIRS, len(order) - 1) + 1):
        found[order, turn - 1] = similarities(maps[order], maps[np.roll(order, turn)])
    return found


def _stability(looked: Mapping[Run, Looked], shown: int) -> MeasuredTable:
    rows: list[Row] = []
    about: list[str] = []
    for detector in dict.fromkeys(run.detector for run in looked):
        mine = {run: one.maps for run, one in looked.items() if run.detector == detector}
        maps = {run: compared(own[: len(own) - shown]) for run, own in mine.items()}
        for name, values in _values(maps).items():
            rows.append((detector.name, name, int(np.isfinite(values).any(1).sum()), *_figures(values)))
        side = next(iter(mine.values())).shape[1]
        empty = [[~own.any((1, 2)) for run, own in maps.items() if (run.variant == BASE) == first] for first in (True, False)]
        shares = [f"{np.mean(own):.0%}" if own else "none" for own in empty]
        about.append(f"{detector.display} {side}×{side} places, {' and '.join(shares)}")
    return table("attention", rows, compared_px=COMPARED_PX, about="; ".join(about))


def _values(maps: Mapping[Run, np.ndarray]) -> dict[str, np.ndarray]:
    """By pair of variants the SSIMs of one detector's maps: faces × trainings (by chance: × 5 other faces)."""
    found: dict[str, np.ndarray] = {}
    by_source: dict[str, dict[str, np.ndarray]] = {}
    for run, own in maps.items():
        by_source.setdefault(run.trained_on, {})[run.variant] = own
    for one, other in PAIRS:
        both = [similarities(own[one], own[other]) for own in by_source.values() if one in own and other in own]
        if both:
            found[f"{one}–{other}"] = np.stack(both, 1)
    bases = [own[BASE] for own in by_source.values() if BASE in own]
    if bases:
        found[CHANCE] = np.concatenate([by_chance(own) for own in bases], 1)
    return found


def _figures(values: np.ndarray) -> tuple[float | None, ...]:
    """Mean, its interval over resamples of the F faces, and the shares in three bins of F×T SSIMs; six times None of nothing."""
    there = np.isfinite(values)
    if not there.any():
        return (None,) * 6
    sums, counts = np.where(there, values, 0).sum(1), there.sum(1)
    weights = resampled(np.arange(len(values)))[1:]
    drawn = weights[weights @ counts > 0]
    low, high = metrics.interval((drawn @ sums) / (drawn @ counts))
    pairs = values[there]
    below, above = float((pairs < BINS[0]).mean()), float((pairs > BINS[1]).mean())
    return metrics.cells(pairs.mean(), low, high, below, 1 - below - above, above)


def grid(values: np.ndarray) -> tuple[int, str]:
    """A map h×h in 0..1 for the page: its side, averaged down to at most 16, and two hex digits per place, row by row."""
    side = len(values) // -(-len(values) // 16)
    small = unit(cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA)[None])[0]
    return side, np.round(small * 255).astype(np.uint8).tobytes().hex()


def _shown_maps(looked: Mapping[Run, Looked]) -> MeasuredTable:
    rows: list[Row] = []
    for place, name in enumerate(SHOWN, start=-len(SHOWN)):
        for run, one in looked.items():
            side, values = grid(one.maps[place])
            rows.append((name, run.detector.name, run.trained_on, run.added, run.variant, side, round(float(one.p[place]), 3), values))
    return table("attention_maps", rows)
