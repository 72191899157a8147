"""Training a detector: cross-entropy over methods plus a contrastive loss on the L2-normalised embedding.

Runs on one GPU (bf16), or on a CPU as several single-threaded workers whose gradients are averaged (gloo), which is quicker there than
one process with several threads. Batches depend on (seed, step, worker) alone, and a run can be stopped at any moment and resumed from
its latest checkpoint. Each sitting starts the stream of dropout from the seed: the same sittings give the same weights.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as distributed
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from attribution.errors import LabError
from attribution.lab.data import REAL, find_data, read_manifest
from attribution.lab.pools import load_samples
from attribution.lab.train.depthwise import quicken
from attribution.lab.train.loop import averaged, rate, run_workers, save_checkpoint
from attribution.lab.train.losses import CONTRASTIVE
from attribution.lab.train.pretrained import read_pretrained
from attribution.lab.train.sampling import Sampler
from attribution.models.backbones import Projection, build_backbone, features, normalise, pooled_width

LABELS = (
    "real", "dfdc_swap", "landmark_swap", "self_blended", "autoencoder_swap",
    "stylegan2", "generated_photos", "sdxl", "flux1", "sd21",
)  # fmt: skip
MEAN = STD = (0.5, 0.5, 0.5)
HEADS = ("methods", "binary")


@dataclass(frozen=True)
class Settings:
    """One training run. `stages` are (share of the steps, window side in px) at the original scale of the crops; `until` ends this sitting
    after so many steps (0: the whole run), to be resumed later, with the same or another number of `steps`. `head` is `methods` (a class
    per label) or `binary` (untouched, manipulated); `threads` limits a single CPU worker (0: every core). `plain_forgeries`
    leaves out the one JPEG encoding of the lab's forgeries, as the sittings before it came did."""

    data: str
    work: str
    out: str
    pretrained: str = ""
    architecture: str = "mobilenetv2_100"
    model_args: dict[str, Any] = field(default_factory=lambda: {"pad_type": "same"})
    steps: int = 2400
    seed: int = 7
    workers: int = 2
    contrastive: str = "supcon"
    contrastive_weight: float = 0.3
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.03
    dropout: float = 0.2
    ema: float = 0.998
    stages: tuple[tuple[float, int], ...] = ((0.55, 160), (0.25, 192), (0.2, 224))
    leave_out: tuple[str, ...] = ()
    until: int = 0
    device: str = "cpu"
    head: str = "methods"
    threads: int = 0
    plain_forgeries: bool = False


def class_of(settings: Settings) -> dict[str, int]:
    """The head's class of each method: its place among the labels, or 0 for untouched and 1 for manipulated."""
    if settings.head not in HEADS:
        raise LabError(f"There is no head {settings.head!r}.", f"Use one of {', '.join(HEADS)}.")
    return {label: place if settings.head == "methods" else int(label != REAL) for place, label in enumerate(LABELS)}


class Net(nn.Module):
    """Backbone and projection together: normalised B×3×S×S → logits B×K and unit embeddings B×128."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        # Dropout is ours, before the classifier only: timm's would reach the embedding too.
        self.backbone = build_backbone(settings.architecture, max(class_of(settings).values()) + 1, settings.model_args)
        self.projection = Projection(pooled_width(self.backbone))
        self.dropout = settings.dropout

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, logits = features(self.backbone, x)
        if self.training and self.dropout:
            backbone: Any = self.backbone
            logits = backbone.get_classifier()(functional.dropout(pooled, self.dropout))
        return logits.float(), self.projection(pooled.float())


def start_from(net: Net, pretrained: Path) -> None:
    """Load everything but the classifier from a file of the same architecture; LabError when anything else is missing."""
    whole = read_pretrained(pretrained, net.backbone)
    state = {name: value for name, value in whole.items() if not name.startswith(("classifier", "head.fc", "fc."))}
    missing = net.backbone.load_state_dict(state, strict=False)
    left = [name for name in missing.missing_keys if not name.startswith(("classifier", "head.fc", "fc."))]
    if left or missing.unexpected_keys:
        raise LabError("The pretrained file does not fit the architecture.", f"First mismatch: {[*left, *missing.unexpected_keys][0]}.")


def _side_px(settings: Settings, step: int) -> int:
    passed = 0.0
    for share, side_px in settings.stages:
        passed += share
        if step < passed * settings.steps:
            return side_px
    return settings.stages[-1][1]


def _run(rank: int, settings: Settings, meeting: str) -> None:
    """One worker of a run."""
    parallel = settings.workers > 1
    if settings.device == "cpu":
        torch.set_num_threads(1 if parallel else (settings.threads or os.cpu_count() or 1))
    cv2.setNumThreads(1)
    if parallel:
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=settings.workers)
    torch.manual_seed(settings.seed + rank)
    data, work, out = find_data(settings.data), Path(settings.work), Path(settings.out)
    samples = load_samples(data, read_manifest(data), work, "train")
    sampler = Sampler(samples, class_of(settings), settings.seed, settings.leave_out, settings.plain_forgeries)
    net = Net(settings).to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if settings.pretrained:
        start_from(net, Path(settings.pretrained))
    if settings.device == "cpu":
        quicken(net)
    slow = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": slow, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}], lr=1e-3
    )
    average = {name: value.detach().clone().float() for name, value in net.state_dict().items()}
    first = 0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=settings.device)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average, first = state["average"], state["step"]
    wrapped: nn.Module = nn.parallel.DistributedDataParallel(net) if parallel else net
    contrastive = CONTRASTIVE[settings.contrastive]() if settings.contrastive != "none" else None
    started, sums = time.monotonic(), np.zeros(4)
    wrapped.train()
    last = min(settings.until or settings.steps, settings.steps)
    for step in range(first, last):
        batch = sampler.batch(step, rank, _side_px(settings, step))
        x = normalise(torch.from_numpy(batch.pictures).to(settings.device), MEAN, STD).contiguous(memory_format=torch.channels_last)
        y = torch.from_numpy(batch.labels).to(settings.device)
        for group in optimiser.param_groups:
            group["lr"] = rate(settings.learning_rate, settings.steps, step)
        with torch.autocast(settings.device, torch.bfloat16):
            logits, embeddings = wrapped(x)
        entropy = functional.cross_entropy(logits.float(), y, label_smoothing=settings.label_smoothing)
        contrast = contrastive(embeddings.float(), y) if contrastive else torch.zeros(())
        loss = entropy + settings.contrastive_weight * contrast
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        keep = min(settings.ema, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            average[name].lerp_(value.float(), 1 - keep)
        sums += [float(entropy.detach()), float(contrast.detach()), float((logits.argmax(1) == y).float().mean()), 1]
        if rank == 0 and ((step + 1) % 20 == 0 or step + 1 == last):
            spent = time.monotonic() - started
            each = sums[:3] / sums[3]
            speed = (step + 1 - first) * len(y) * settings.workers / spent
            print(
                f"step {step + 1}/{settings.steps}  side {batch.pictures.shape[1]}  entropy {each[0]:.3f}  contrast {each[1]:.3f}  "
                f"accuracy {each[2]:.3f}  {speed:.0f} pictures/s  {spent / 60:.1f} min",
                flush=True,
            )
            sums[:] = 0
        if rank == 0 and ((step + 1) % 100 == 0 or step + 1 == last):
            save_checkpoint(checkpoint, net=net.state_dict(), optimiser=optimiser.state_dict(), average=average, step=step + 1)
    if rank == 0 and last == settings.steps:
        final = averaged(net, average).cpu()
        save_file({name: value.contiguous() for name, value in final.state_dict().items()}, out / "final.safetensors")
    if parallel:
        distributed.destroy_process_group()


def train(settings: Settings) -> None:
    """Run (or resume) a training; `out` gets `checkpoint.pt`, `settings.json` and at the end `final.safetensors`."""
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    shown = {**asdict(settings), "data": "", "work": "", "out": "", "pretrained": Path(settings.pretrained).name}
    (out / "settings.json").write_text(json.dumps(shown, indent=1))
    run_workers(_run, settings, settings.workers)
