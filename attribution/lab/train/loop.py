"""The one training loop of the lab: learning rate, averaged weights, checkpoints, log, sittings that end early, workers side by side.

A training brings its network, its optimiser and what a step computes (`Training`); `fit` does the rest. `train` is for the long ones: on
one GPU (bfloat16), or on a CPU as several single-threaded workers whose gradients are averaged (gloo), which is quicker there than one
process with several threads. Their batches depend on (seed, step, worker) alone, so a run can be stopped at any moment and resumed."""

from __future__ import annotations

import copy
import json
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
import torch.distributed as distributed
from safetensors.torch import save_file
from torch import nn
from torch.multiprocessing.spawn import spawn

from attribution.errors import LabError
from attribution.lab.data import written_whole
from attribution.lab.train.depthwise import quicken
from attribution.models.backbones import normalise

MEAN = STD = (0.5, 0.5, 0.5)
_READ_AT_ONCE = 32
_Net = TypeVar("_Net", bound=nn.Module)


@dataclass(frozen=True)
class RunSettings:
    """What every long training is told: the folders of the labelled faces (`data`), of the decoded ones and forgeries (`work`) and of the
    run (`out`); `workers` processes on a CPU, or one of so many `threads` (0: every core); `ema`, the decay of the averaged weights, which
    are the ones that are kept; methods or sources never to train on (`leave_out`); and after which step this sitting ends, to be resumed
    later (`until`; 0: the whole run)."""

    data: str
    work: str
    out: str
    steps: int = 4000
    seed: int = 7
    workers: int = 1
    threads: int = 0
    learning_rate: float = 1e-3
    ema: float = 0.998
    leave_out: tuple[str, ...] = ()
    until: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Training:
    """What one kind of training brings to the loop.

    Args:
        net: The network, on its device and in training mode.
        step: Takes the network (perhaps wrapped for several workers), the step and the worker, and gives the loss and figures for the log.
        rate: The learning rate of a step; `clip` limits the gradients of the parameters that it is given.
        ema: Decay of the averaged weights; 0 averages none.
        unused: Some parameters get no gradient.
        look: Says in words how good the averaged network is, every `look_every` steps.
        kept_as: What is cut off the front of the tensors' names in the final file."""

    net: nn.Module
    optimiser: torch.optim.Optimizer
    step: Callable[[nn.Module, int, int], tuple[torch.Tensor, Mapping[str, torch.Tensor]]]
    rate: Callable[[int], float]
    clip: Callable[[Iterable[nn.Parameter]], object] = lambda _: None
    ema: float = 0.0
    unused: bool = False
    look: Callable[[Any], str] | None = None
    look_every: int = 500
    kept_as: str = ""
    name: str = ""


def rate(peak: float, steps: int, step: int) -> float:
    """The learning rate of a step: linear warm-up over the first 4 % of `steps`, cosine decay from `peak` to a hundredth of it."""
    warm = min(1.0, (step + 1) / (0.04 * steps + 1))
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def placed(net: _Net, device: str) -> _Net:
    """The network on its device, in training mode, with the quicker gradients of depthwise convolutions on a CPU."""
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device == "cpu":
        quicken(net)
    net.train()
    return net


def adamw(net: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over the parameters that learn; biases and norms do not decay."""
    learning = [one for one in net.parameters() if one.requires_grad]
    large, small = ([one for one in learning if (one.ndim > 1) == wide] for wide in (True, False))
    return torch.optim.AdamW([{"params": large, "weight_decay": weight_decay}, {"params": small, "weight_decay": 0.0}], lr=1e-3)


def autocast(device: str) -> torch.autocast:
    """Mixed precision (bfloat16) where it pays: on a GPU, and on a CPU that multiplies bfloat16 itself. On others it is a quarter slower
    than float32 (MobileNetV2 at 160 px, one thread: 20 faces a second against 25)."""
    # Older versions of torch do not tell.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    pays = device != "cpu" or any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
    return torch.autocast(device, torch.bfloat16, enabled=pays)


def as_input(pictures: np.ndarray, device: str) -> torch.Tensor:
    """B×S×S×3 uint8 → normalised B×3×S×S float32 on the device."""
    return normalise(torch.from_numpy(pictures).to(device), MEAN, STD).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def read_logits(net: nn.Module, picture: Callable[[int], np.ndarray], chosen: np.ndarray, device: str) -> np.ndarray:
    """The logits (N×K float32) of the chosen samples, in bfloat16; `picture` gives the sample of an index."""
    said = []
    for first in range(0, len(chosen), _READ_AT_ONCE):
        x = as_input(np.stack([picture(index) for index in chosen[first : first + _READ_AT_ONCE].tolist()]), device)
        with autocast(device):
            said.append(net(x).float().cpu().numpy())
    return np.concatenate(said)


def load_but(skipped: tuple[str, ...], net: nn.Module, state: Mapping[str, torch.Tensor], refusal: str) -> None:
    """Load all of a state but tensors whose names begin with one of `skipped`; LabError with that sentence for other misfits."""
    found = net.load_state_dict({name: value for name, value in state.items() if not name.startswith(skipped)}, strict=False)
    wrong = [*(name for name in found.missing_keys if not name.startswith(skipped)), *found.unexpected_keys]
    if wrong:
        raise LabError(refusal, f"First mismatch: {wrong[0]}.")


def averaged(net: _Net, average: Mapping[str, torch.Tensor]) -> _Net:
    """A copy of the network with the averaged weights, in its own dtypes."""
    final, own = copy.deepcopy(net), net.state_dict()
    final.load_state_dict({name: value.to(own[name].dtype) for name, value in average.items()})
    return final


def fit(
    training: Training, steps: int, *, until: int = 0, checkpoint: Path | None = None, device: str = "cpu", rank: int = 0, workers: int = 1,
    keep: Callable[[nn.Module], None] | None = None,
) -> nn.Module:  # fmt: skip
    """Take the steps that are left, and give the network, with averaged weights where the training averages them. `steps` is the length of
    the whole run, `until` the last one of this sitting (0: that of the run). `checkpoint`, the file to go on from, is written every hundred
    steps, when `keep` is called too. Of the `workers` the first (`rank` 0) alone writes and prints."""
    net, optimiser = training.net, training.optimiser
    average = {name: value.detach().clone().float() for name, value in net.state_dict().items()} if training.ema else {}
    first, last = 0, min(until or steps, steps)
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average, first = state["average"], state["step"]
    wrapped: nn.Module = nn.parallel.DistributedDataParallel(net, find_unused_parameters=training.unused) if workers > 1 else net
    started, sums = time.monotonic(), Counter[str]()
    for done in range(first + 1, last + 1):
        step = done - 1
        for group in optimiser.param_groups:
            group["lr"] = training.rate(step)
        loss, figures = training.step(wrapped, step, rank)
        optimiser.zero_grad()
        loss.backward()
        training.clip(net.parameters())
        optimiser.step()
        share = min(training.ema, (1 + step) / (10 + step))
        for name, value in net.state_dict().items() if training.ema else ():
            average[name].lerp_(value.float(), 1 - share)
        sums.update({name: float(value) for name, value in figures.items()} | {"": 1})
        if rank:
            continue
        if done % 50 == 0 or done == last:
            spent = time.monotonic() - started
            shown = "  ".join(f"{name} {total / sums['']:.3f}" for name, total in sums.items() if name)
            speed = f"{(done - first) / spent:.2f} steps/s  {spent / 60:.1f} min"
            print(f"{training.name}step {done} of {steps}  {shown}  {speed}", flush=True)
            sums.clear()
        if training.look is not None and (done % training.look_every == 0 or done == last):
            print(f"step {done}: {training.look(averaged(net, average).eval())}", flush=True)
        if done % 100 == 0 or done == last:
            if checkpoint is not None:
                with written_whole(checkpoint) as file:
                    torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "average": average, "step": done}, file)
            if keep is not None:
                keep(net)
    return averaged(net, average) if training.ema else net


def train(settings: RunSettings, build: Callable[[Any], Training]) -> None:
    """Run (or resume) a training; its folder gets `checkpoint.pt`, `settings.json` (without any folder of this machine) and at the end
    `final.safetensors`. `build`, a function of a module, makes the training from the settings in each worker."""
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    own = asdict(settings)
    files = {name: Path(own[name]).name for name in ("start", "pretrained") if name in own}
    (out / "settings.json").write_text(json.dumps({**own, "data": "", "work": "", "out": "", **files}, indent=1))
    if settings.workers == 1:
        _work(0, settings, build, "")
        return
    with tempfile.TemporaryDirectory() as folder:
        spawn(_work, (settings, build, str(Path(folder) / "meeting")), nprocs=settings.workers)


def _work(rank: int, settings: RunSettings, build: Callable[[Any], Training], meeting: str) -> None:
    """One worker of a run; several meet at the file `meeting`."""
    parallel = settings.workers > 1
    if settings.device == "cpu":
        torch.set_num_threads(1 if parallel else (settings.threads or os.cpu_count() or 1))
    cv2.setNumThreads(1)
    if parallel:
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=settings.workers)
    torch.manual_seed(settings.seed + rank)
    training, out = build(settings), Path(settings.out)
    net = fit(
        training, settings.steps, until=settings.until, checkpoint=out / "checkpoint.pt", device=settings.device, rank=rank,
        workers=settings.workers,
    )  # fmt: skip
    if rank == 0 and (settings.until or settings.steps) >= settings.steps:
        state = {name.removeprefix(training.kept_as): value.contiguous().cpu() for name, value in net.state_dict().items()}
        save_file(state, out / "final.safetensors")
    if parallel:
        distributed.destroy_process_group()


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays as an .npz file, whole or not at all; its folder is made where it is missing."""
    with written_whole(path) as file:
        np.savez(file, **arrays)


def half_precision(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state with its floating tensors in half precision."""
    return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
