"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) of the study's networks, for "manipulated", read once per run and kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from attribution.errors import LabError
from attribution.evidence import Face
from attribution.faces.finder import CropRule, FaceFinder, find_tracks
from attribution.lab.studies.zeroshot.plan import Detector, Run
from attribution.lab.studies.zeroshot.shipped import digest
from attribution.lab.train.loop import save_arrays
from attribution.lab.train.methods import MEAN, STD
from attribution.lab.train.single_source import WEIGHTS_FILE, load_run, resized
from attribution.media import open_media
from attribution.models.backbones import as_maps, explained_layer, normalise

ATTENTION_FILE = "attention.npz"
_MANIPULATED = 1
_AT_ONCE = 17
_NOTHING = 1e-12


@dataclass(frozen=True)
class Looked:
    """Where one network looked on N crops: `maps` N×h×w float32 on the grid of its explained layer, each 0..1 with the maximum 1, or all 0
    where nothing speaks for "manipulated"; `p` N float32, p(manipulated)."""

    maps: np.ndarray
    p: np.ndarray


def unit(maps: np.ndarray) -> np.ndarray:
    """N×h×w maps of at least 0, each divided by its own maximum; one that is 0 all over stays so."""
    most = maps.max((1, 2), keepdims=True)
    return np.where(most > _NOTHING, maps / np.maximum(most, _NOTHING), 0).astype(np.float32)


def grad_cam(net: nn.Module, detector: Detector, crops: np.ndarray, device: str = "cpu") -> Looked:
    """Grad-CAM of a network in evaluation mode on N×S×S×3 uint8 crops, in float32.

    The gradient of the logit is needed at the explained layer only: a hook cuts the graph there, so everything below is passed forward
    once without one.
    """
    held: list[torch.Tensor] = []

    def cut(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        del module, inputs
        held.append(output.detach().requires_grad_(True))
        return held[-1]

    net.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    hook = explained_layer(net, detector.architecture).register_forward_hook(cut)
    maps, p = [], []
    try:
        for first in range(0, len(crops), _AT_ONCE):
            some = torch.from_numpy(resized(crops[first : first + _AT_ONCE], detector.side_px)).to(device)
            held.clear()
            with torch.enable_grad():
                logits = net(normalise(some, MEAN, STD).contiguous(memory_format=torch.channels_last))
                (gradient,) = torch.autograd.grad(logits[:, _MANIPULATED].sum(), held[0])
            channels = as_maps(gradient, net, detector.architecture).mean((2, 3), keepdim=True)
            found = (channels * as_maps(held[0].detach(), net, detector.architecture)).sum(1).clamp(min=0)
            maps.append(unit(found.float().cpu().numpy()))
            p.append(logits.detach().float().softmax(1)[:, _MANIPULATED].cpu().numpy())
    finally:
        hook.remove()
    return Looked(np.concatenate(maps), np.concatenate(p))


def look(run: Run, runs: Path, crops: np.ndarray, device: str = "cpu") -> Looked:
    """`grad_cam` of a trained run, kept in its folder: done again for other crops, or when its weights are newer."""
    weights, kept = runs / run.name / WEIGHTS_FILE, runs / run.name / ATTENTION_FILE
    of_crops = digest(crops)
    if kept.exists() and kept.stat().st_mtime_ns >= weights.stat().st_mtime_ns:
        with np.load(kept) as stored:
            if str(stored["of_crops"]) == of_crops:
                return Looked(stored["maps"], stored["p"])
    looked = grad_cam(load_run(run, runs), run.detector, crops, device)
    save_arrays(kept, maps=looked.maps, p=looked.p, of_crops=np.array(of_crops))
    return looked


def faces_in(pictures: Sequence[Path]) -> list[Face]:
    """The largest face of each picture, found and cut as the app does. LabError when there is none."""
    finder, found = FaceFinder("cpu"), []
    for picture in pictures:
        with open_media(picture) as opened:
            tracks = find_tracks(opened, finder, CropRule()).tracks
        if not tracks:
            raise LabError(f"No face was found in {picture.name}.", "Make the examples again: python -m attribution lab examples.")
        found.append(max((track.best for track in tracks), key=lambda face: face.crop_side_px))
    return found
