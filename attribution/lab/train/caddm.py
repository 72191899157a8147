"""Training the ID-unaware detector (arXiv 2210.14457) and the plain binary detector beside it.

Loss = cross-entropy + 0.1 · (smooth L1 of the boxes + cross-entropy of the anchors); AdamW; gradients clipped by value. Batches depend on
(seed, step, worker) alone; a run can be stopped at any moment and resumed from its latest checkpoint.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as distributed
from safetensors.torch import save_file
from torch import nn

from attribution.lab.data import REAL, find_data, read_manifest
from attribution.lab.measure import metrics
from attribution.lab.pools import Samples, load_samples
from attribution.lab.train.caddm_matching import match
from attribution.lab.train.caddm_net import Net, Settings, start_from
from attribution.lab.train.caddm_sampling import BATCH, Sampler
from attribution.lab.train.depthwise import quicken
from attribution.lab.train.loop import averaged, rate, run_workers, save_checkpoint
from attribution.models.anchors import anchors
from attribution.models.backbones import normalise

MEAN = STD = (0.5, 0.5, 0.5)
_LOOK_EVERY = 400


@torch.inference_mode()
def _look(net: Net, val: Samples, chosen: np.ndarray, device: str) -> float:
    """AUC of untouched against swapped on the fixed validation faces."""
    said = []
    for first in range(0, len(chosen), 32):
        pictures = np.stack([val.encoded(int(index)) for index in chosen[first : first + 32]])
        x = normalise(torch.from_numpy(pictures).to(device), MEAN, STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            said.append(net.detector(x).float().softmax(1)[:, 1].cpu().numpy())
    return metrics.auc(np.array([val.methods[int(index)] != REAL for index in chosen]), np.concatenate(said))


def _run(rank: int, settings: Settings, meeting: str) -> None:
    """One worker of a run."""
    parallel, device = settings.workers > 1, settings.device
    if device == "cpu":
        torch.set_num_threads(1 if parallel else (settings.threads or os.cpu_count() or 1))
    cv2.setNumThreads(1)
    if parallel:
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=settings.workers)
    torch.manual_seed(settings.seed + rank)
    data, work, out = find_data(settings.data), Path(settings.work), Path(settings.out)
    rows = read_manifest(data)
    samples, val = load_samples(data, rows, work, "train"), load_samples(data, rows, work, "val")
    own = [row for row in rows if row.split == "train"]
    sampler = Sampler(samples, own, settings.seed, settings.plain, settings.leave_out, settings.shares)
    fixed = np.flatnonzero(np.array(val.sources) == "dfdc")[::3]
    net = Net(settings).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    start_from(net, Path(settings.start))
    if device == "cpu":
        quicken(net)
    learning = [one for one in net.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [one for one in learning if one.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [one for one in learning if one.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=1e-3,
    )
    average = {name: value.detach().clone().float() for name, value in net.state_dict().items()}
    first, checkpoint = 0, out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average, first = state["average"], state["step"]
    wrapped: nn.Module = nn.parallel.DistributedDataParallel(net) if parallel else net
    every = anchors()
    started, sums = time.monotonic(), np.zeros(5)
    last = min(settings.until or settings.steps, settings.steps)
    for step in range(first, last):
        wrapped.train()
        batch = sampler.batch(step, rank)
        targets = match([torch.from_numpy(own) for own in batch.boxes], every).to(device)
        x = normalise(torch.from_numpy(batch.pictures).to(device), MEAN, STD).contiguous(memory_format=torch.channels_last)
        for group in optimiser.param_groups:
            group["lr"] = rate(settings.learning_rate, settings.steps, step)
        with torch.autocast(device, torch.bfloat16):
            loss, *parts = wrapped(x, torch.from_numpy(batch.labels).to(device), targets)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(learning, settings.clip_value)
        optimiser.step()
        keep = min(settings.ema, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            average[name].lerp_(value.float(), 1 - keep)
        sums += [*(float(part) for part in parts), 1]
        done = step + 1
        if rank == 0 and (done % 50 == 0 or done == last):
            spent, each = time.monotonic() - started, sums[:4] / sums[4]
            speed = (done - first) * BATCH * settings.workers / spent
            print(
                f"step {done}/{settings.steps}  entropy {each[0]:.3f}  where {each[1]:.3f}  whether {each[2]:.3f}  right {each[3]:.3f}  "
                f"{speed:.0f} pictures/s  {spent / 60:.1f} min",
                flush=True,
            )
            sums[:] = 0
        if rank == 0 and (done % _LOOK_EVERY == 0 or done == last):
            score = _look(averaged(net, average).eval(), val, fixed, device)
            print(f"step {done}: AUC on {len(fixed)} fixed validation faces of DFDC {score:.3f}", flush=True)
        if rank == 0 and (done % 100 == 0 or done == last):
            save_checkpoint(checkpoint, net=net.state_dict(), optimiser=optimiser.state_dict(), average=average, step=done)
    if rank == 0 and last == settings.steps:
        state = {name.removeprefix("detector."): value.contiguous().cpu() for name, value in averaged(net, average).state_dict().items()}
        save_file(state, out / "final.safetensors")
    if parallel:
        distributed.destroy_process_group()


def train(settings: Settings) -> None:
    """Run (or resume) a training; `out` gets `checkpoint.pt`, `settings.json` and at the end `final.safetensors`."""
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    shown = {**asdict(settings), "data": "", "work": "", "out": "", "start": Path(settings.start).name}
    (out / "settings.json").write_text(json.dumps(shown, indent=1))
    run_workers(_run, settings, settings.workers)
