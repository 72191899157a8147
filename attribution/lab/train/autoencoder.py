"""Training the small face auto-encoder whose re-synthesised faces some forgeries are made of (`forge/autoencoder.py`)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from attribution.lab.data import written_whole
from attribution.lab.forge.autoencoder import SIDE_PX, UPSAMPLINGS, FaceAutoencoder
from attribution.lab.train.loop import Training, autocast, fit, half_precision


def train_autoencoder(pictures: np.ndarray, out: Path, steps: int, seed: int, batch: int = 24) -> None:
    """Train on real crops (N×224×224×3 uint8) and write fp16 weights to `out` every hundred steps. Loss: L1 plus L1 of the gradients."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = FaceAutoencoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(net: nn.Module, step: int, _: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        chosen = np.sort(random.choice(len(pictures), batch, replace=False))
        x = np.stack([cv2.resize(pictures[i], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for i in chosen])
        if random.random() < 0.5:
            x = np.ascontiguousarray(x[:, :, ::-1])
        target = torch.from_numpy(x).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
        with autocast("cpu"):
            output = net(target, UPSAMPLINGS[step % len(UPSAMPLINGS)])
        output = output.float()
        loss = (output - target).abs().mean()
        for axis in (2, 3):
            loss = loss + (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
        return loss, {"loss": loss.detach()}

    def rate(step: int) -> float:
        return 2e-3 * max(0.02, 0.5 * (1 + np.cos(np.pi * step / steps)))

    def keep(net: nn.Module) -> None:
        with written_whole(out) as file:
            save_file({name: value.contiguous() for name, value in half_precision(net.state_dict()).items()}, file)

    fit(Training(network, torch.optim.Adam(network.parameters(), lr=2e-3), step, rate), steps, keep=keep)
