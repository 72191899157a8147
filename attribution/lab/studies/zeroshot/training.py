"""Training one detector of the study, and augmenting it with a second source; then reading every face with it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from attribution.lab.studies.zeroshot.plan import BATCH, SEED, TOP, Detector, Run, pool_file
from attribution.lab.train.loop import Training, as_input, autocast, fit, placed, rate, save_arrays
from attribution.lab.train.methods import read_pretrained
from attribution.models.backbones import build_backbone, features

WEIGHTS_FILE, SAID_FILE, SETTINGS_FILE = "weights.safetensors", "said.npz", "settings.json"
# Untouched, manipulated.
CLASSES, _READ_AT_ONCE = 2, 48


@dataclass(frozen=True)
class Said:
    """What a run says of N faces, float32: `units` N×F of the penultimate layer, `weight` F, `bias` of "manipulated"."""

    units: np.ndarray
    weight: np.ndarray
    bias: float

    @property
    def logits(self) -> np.ndarray:
        return self.units @ self.weight + np.float32(self.bias)


def resized(crops: np.ndarray, side_px: int) -> np.ndarray:
    """B×S×S×3 uint8 at another side: area means to shrink, linear to magnify."""
    if crops.shape[1] == side_px:
        return np.ascontiguousarray(crops)
    how = cv2.INTER_AREA if side_px < crops.shape[1] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(crop, (side_px, side_px), interpolation=how) for crop in crops])


def untrained(detector: Detector, pretrained: str = "") -> nn.Module:
    """The detector before any training, seeded; from its ImageNet file (all but the classifier) where it has one."""
    torch.manual_seed(SEED)
    net = build_backbone(detector.architecture, CLASSES, detector.model_args)
    if detector.pretrained and pretrained:
        whole = read_pretrained(Path(pretrained), net)
        net.load_state_dict({name: value for name, value in whole.items() if not name.startswith("classifier")}, strict=False)
    return net


def load_run(run: Run, runs: Path) -> nn.Module:
    """The trained network of a run, in evaluation mode."""
    net = build_backbone(run.detector.architecture, CLASSES, run.detector.model_args)
    net.load_state_dict(load_file(runs / run.name / WEIGHTS_FILE))
    return net.eval()


def train_run(run: Run, runs: Path, pretrained: str = "", device: str = "cpu") -> None:
    """Train the run, an augmentation from its base, and keep its weights; nothing when they are there."""
    folder = runs / run.name
    if (folder / WEIGHTS_FILE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    detector, started = run.detector, time.monotonic()
    net = untrained(detector, pretrained) if len(run.seen) == 1 else load_run(run.base, runs)
    if len(run.seen) == 1:
        # From a random classifier on strong features the first loss is several times that of not knowing, and the rest mends it.
        for value in net.get_classifier().parameters():  # type: ignore[operator]
            nn.init.zeros_(value)
    torch.manual_seed(SEED)
    parts: dict[str, nn.Module] = dict(net.named_children())
    trained = [parts[name] for name in detector.top] if run.variant == TOP else [net]
    net = placed(net, device)
    net.requires_grad_(False).eval()
    for part in trained:
        part.requires_grad_(True).train()
    # An augmentation of all layers starts from a trained network: a gentler rate than the first training's.
    peak = detector.rate * (1 if len(run.seen) == 1 or run.variant == TOP else 0.4)
    optimiser = torch.optim.AdamW([value for value in net.parameters() if value.requires_grad], peak, weight_decay=0.02)
    pools = {source: np.load(pool_file(runs, source), mmap_mode="r") for source in run.seen}
    truth, losses = torch.arange(BATCH, device=device) % 2, []

    def step(net: nn.Module, step: int, _: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        # An augmentation's batches alternate: old, new, old, …
        place, turn = divmod(step, len(run.seen))
        source = run.seen[turn]
        rows = (np.arange(BATCH) + place * BATCH) % len(pools[source])
        with autocast(device):
            logits = net(as_input(resized(np.asarray(pools[source][rows]), detector.side_px), device))
        loss = functional.cross_entropy(logits.float(), truth)
        losses.append(float(loss.detach()))
        return loss, {"loss": loss.detach()}

    clip = partial(nn.utils.clip_grad_norm_, max_norm=1.0)
    fit(Training(net, optimiser, step, partial(rate, peak, run.steps), clip, name=f"{run.name}: "), run.steps, device=device)
    unfinished = folder / "weights.part"
    save_file({name: value.contiguous().cpu() for name, value in net.state_dict().items()}, unfinished)
    unfinished.replace(folder / WEIGHTS_FILE)
    written = {
        "run": run.name, "architecture": detector.architecture, "model_args": dict(detector.model_args), "side_px": detector.side_px,
        "steps": run.steps, "batch": BATCH, "rate": peak, "seed": SEED, "pretrained": bool(pretrained and detector.pretrained),
        "minutes": round((time.monotonic() - started) / 60, 2), "loss": round(float(np.mean(losses[-40:])), 4),
    }  # fmt: skip
    (folder / SETTINGS_FILE).write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


@torch.inference_mode()
def read_faces(net: nn.Module, detector: Detector, crops: np.ndarray, device: str = "cpu") -> Said:
    """What the network says of N×224×224×3 uint8 crops (in bfloat16, as it was trained)."""
    net.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    units = []
    for first in range(0, len(crops), _READ_AT_ONCE):
        with autocast(device):
            pooled, _ = features(net, as_input(resized(crops[first : first + _READ_AT_ONCE], detector.side_px), device))
        units.append(pooled.float().cpu().numpy())
    layer: Any = net.get_classifier()  # type: ignore[operator]
    weight, bias = (one.detach().float().cpu().numpy() for one in (layer.weight, layer.bias))
    return Said(np.concatenate(units), weight[1] - weight[0], float(bias[1] - bias[0]))


def keep(said: Said, file: Path) -> None:
    """Write it whole or not at all; units in half precision."""
    save_arrays(file, units=said.units.astype(np.float16), weight=said.weight, bias=np.array(said.bias, np.float32))


def kept(file: Path) -> Said:
    with np.load(file) as stored:
        return Said(stored["units"].astype(np.float32), stored["weight"], float(stored["bias"]))
