"""Training DNA-Det in its two stages (Yang et al., AAAI 2022, arXiv 2202.13843): transformations first, then architectures.

What the released code gets wrong is mended here: the cross-entropy takes logits (there: the output of a softmax), the learning rate
follows one stated schedule per step (there: a scheduler stepped by epochs inside the loop over batches), and the validation faces are the
same at every look (there: drawn anew). Batches depend on (seed, step, worker) alone; a run can be stopped at any moment and resumed from
its latest checkpoint.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as distributed
from safetensors.torch import save_file
from torch import nn

from attribution.lab.data import find_data, read_manifest
from attribution.lab.measure.metrics import macro_f1
from attribution.lab.pools import Samples, load_samples
from attribution.lab.train.dnadet_net import STAGES, Net, Settings, start_from
from attribution.lab.train.dnadet_sampling import ArchitectureSampler, TransformationSampler
from attribution.lab.train.loop import averaged, rate, run_workers, save_checkpoint
from attribution.models.backbones import normalise

MEAN = STD = (0.5, 0.5, 0.5)
_LOOK_EVERY = 500
_LOOK_PER_CLASS = 40


def _spread(indices: np.ndarray) -> np.ndarray:
    """At most 40 of them, evenly over all sources, in which the manifest is sorted."""
    return indices[np.unique(np.linspace(0, len(indices) - 1, _LOOK_PER_CLASS).astype(int))]


@torch.inference_mode()
def _look(net: Net, val: Samples, chosen: np.ndarray, classes: tuple[str, ...], device: str) -> float:
    """Macro-F1 on the fixed validation faces, read whole."""
    said = []
    for first in range(0, len(chosen), 20):
        pictures = np.stack([val.picture(int(index)) for index in chosen[first : first + 20]])
        x = normalise(torch.from_numpy(pictures).to(device), MEAN, STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            said += [classes[place] for place in net.trunk(x).argmax(1).tolist()]
    return macro_f1([val.methods[int(index)] for index in chosen], said)


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
    first_stage = settings.stage == STAGES[0]
    sampler: Any = (
        TransformationSampler(samples, settings.seed, settings.side_px, settings.items, settings.patches)
        if first_stage
        else ArchitectureSampler(
            samples, settings.seed, settings.side_px, settings.items, settings.patches, settings.leave_out, settings.augmented
        )
    )
    methods = np.array(val.methods)
    fixed = [] if first_stage else [_spread(np.flatnonzero(methods == name)) for name in sampler.classes]
    net = Net(settings).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if settings.start:
        start_from(net, Path(settings.start))
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate)
    average = {name: value.detach().clone().float() for name, value in net.state_dict().items()}
    first, checkpoint = 0, out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average, first = state["average"], state["step"]
    wrapped: nn.Module = nn.parallel.DistributedDataParallel(net, find_unused_parameters=net.contrastive is None) if parallel else net
    started, sums = time.monotonic(), np.zeros(4)
    last = min(settings.until or settings.steps, settings.steps)
    for step in range(first, last):
        wrapped.train()
        # Dropout too depends on the step alone: a resumed run is the uninterrupted one.
        torch.manual_seed(1_000_003 * settings.seed + 1009 * step + rank)
        batch = sampler.batch(step, rank)
        x = normalise(torch.from_numpy(batch.pictures).to(device), MEAN, STD).contiguous(memory_format=torch.channels_last)
        for group in optimiser.param_groups:
            group["lr"] = rate(settings.learning_rate, settings.steps, step)
        with torch.autocast(device, torch.bfloat16):
            loss, entropy, contrast, right = wrapped(x, torch.from_numpy(batch.labels).to(device))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        keep = min(settings.ema, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            average[name].lerp_(value.float(), 1 - keep)
        sums += [float(entropy.detach()), float(contrast.detach()), float(right), 1]
        done = step + 1
        if rank == 0 and (done % 50 == 0 or done == last):
            spent, each = time.monotonic() - started, sums[:3] / sums[3]
            p = ", ".join(f"{float(value):.2f}" for value in net.weights.p.detach())
            print(
                f"step {done}/{settings.steps}  entropy {each[0]:.3f}  contrast {each[1]:.3f}  patches right {each[2]:.3f}  p {p}  "
                f"{(done - first) / spent:.2f} steps/s  {spent / 60:.1f} min",
                flush=True,
            )
            sums[:] = 0
        if rank == 0 and fixed and (done % _LOOK_EVERY == 0 or done == last):
            score = _look(averaged(net, average).eval(), val, np.concatenate(fixed), sampler.classes, device)
            print(f"step {done}: macro-F1 on {sum(map(len, fixed))} fixed validation faces {score:.3f}", flush=True)
        if rank == 0 and (done % 100 == 0 or done == last):
            save_checkpoint(checkpoint, net=net.state_dict(), optimiser=optimiser.state_dict(), average=average, step=done)
    if rank == 0 and last == settings.steps:
        save_file(
            {name: value.contiguous().cpu() for name, value in averaged(net, average).state_dict().items()}, out / "final.safetensors"
        )
    if parallel:
        distributed.destroy_process_group()


def train(settings: Settings) -> None:
    """Run (or resume) a training; `out` gets `checkpoint.pt`, `settings.json` and at the end `final.safetensors`."""
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    shown = {**asdict(settings), "data": "", "work": "", "out": "", "start": Path(settings.start).name}
    (out / "settings.json").write_text(json.dumps(shown, indent=1))
    run_workers(_run, settings, settings.workers)
