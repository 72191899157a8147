"""Training the small auto-encoders whose re-synthesised faces some forgeries are made of (`forge/autoencoder.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from attribution.lab.data import written_whole
from attribution.lab.forge.autoencoder import SIDE_PX, UPSAMPLINGS, FaceAutoencoder, TwinAutoencoder
from attribution.lab.train.loop import Training, autocast, fit, half_precision

_TWIN_WINDOW_PX = 96


def train_autoencoder(pictures: np.ndarray, out: Path, steps: int, seed: int, batch: int = 24) -> None:
    """Train the face auto-encoder on real crops (N×224×224×3 uint8) and write fp16 weights to `out` every hundred steps. Loss: L1 plus L1
    of the gradients."""

    def read(index: int, _: np.random.Generator) -> np.ndarray:
        return cv2.resize(pictures[index], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        total = (output - target).abs().mean()
        for axis in (2, 3):
            total = total + (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
        return total

    torch.manual_seed(seed)
    _train(FaceAutoencoder(), UPSAMPLINGS, len(pictures), read, loss, out, steps, seed, batch)


def train_twins(pictures: np.ndarray, out: Path, steps: int, seed: int, batch: int = 12) -> None:
    """Train the twins' auto-encoder on windows of real crops (N×224×224×3 uint8) at their own resolution and write fp16 weights to `out`
    every hundred steps. Loss: L1 plus 10 · squared error, which PSNR counts."""

    def read(index: int, random: np.random.Generator) -> np.ndarray:
        top, left = random.integers(0, pictures.shape[1] - _TWIN_WINDOW_PX + 1, 2)
        return pictures[index][top : top + _TWIN_WINDOW_PX, left : left + _TWIN_WINDOW_PX]

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output - target).abs().mean() + 10 * (output - target).square().mean()

    torch.manual_seed(seed)
    _train(TwinAutoencoder(), TwinAutoencoder.upsamplings, len(pictures), read, loss, out, steps, seed, batch)


def _train(
    network: nn.Module, upsamplings: Sequence[str], count: int, read: Callable[[int, np.random.Generator], np.ndarray],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], out: Path, steps: int, seed: int, batch: int,
) -> None:  # fmt: skip
    random = np.random.default_rng(seed)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(net: nn.Module, step: int, _: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        chosen = np.sort(random.choice(count, batch, replace=False))
        x = np.stack([read(int(index), random) for index in chosen])
        if random.random() < 0.5:
            x = np.ascontiguousarray(x[:, :, ::-1])
        target = torch.from_numpy(x).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
        with autocast("cpu"):
            output = net(target, upsamplings[step % len(upsamplings)])
        output = output.float()
        found = loss(output, target)
        return found, {"loss": found.detach(), "squared error": (output.detach() - target).square().mean()}

    def rate(step: int) -> float:
        return 2e-3 * max(0.02, 0.5 * (1 + np.cos(np.pi * step / steps)))

    def keep(net: nn.Module) -> None:
        with written_whole(out) as file:
            save_file({name: value.contiguous() for name, value in half_precision(net.state_dict()).items()}, file)

    fit(Training(network, torch.optim.Adam(network.parameters(), lr=2e-3), step, rate), steps, keep=keep)
