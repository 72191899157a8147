"""A small face auto-encoder with one shared encoder and four decoders that differ in their up-sampling.

The shared encoder with several decoders is the design of the first face-swap programs; here each decoder re-synthesises the face through
another kind of up-sampling (nearest, bilinear, transposed convolution, sub-pixel), so that a detector meets the traces of all of them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from attribution.errors import LabError
from attribution.lab.train.loop import Training, fit

SIDE_PX = 96
UPSAMPLINGS = ("nearest", "bilinear", "transposed", "subpixel")
EMBEDDED = Path(__file__).with_name("autoencoder.safetensors")


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2))


def _up(kind: str, inputs: int, outputs: int) -> nn.Sequential:
    if kind == "transposed":
        steps: list[nn.Module] = [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    elif kind == "subpixel":
        steps = [nn.Conv2d(inputs, outputs * 4, 3, 1, 1), nn.PixelShuffle(2)]
    else:
        steps = [nn.Upsample(scale_factor=2, mode=kind), nn.Conv2d(inputs, outputs, 3, 1, 1)]
    return nn.Sequential(*steps, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2))


class FaceAutoencoder(nn.Module):
    """B×3×96×96 in [0, 1] → the same shape, through a 6×6×96 bottleneck and the decoder of the named up-sampling."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(_down(3, 32), _down(32, 64), _down(64, 128), _down(128, 160), nn.Conv2d(160, 96, 1))
        self.decoders = nn.ModuleDict(
            {
                kind: nn.Sequential(
                    _up(kind, 96, 128), _up(kind, 128, 64), _up(kind, 64, 32), _up(kind, 32, 16), nn.Conv2d(16, 3, 3, 1, 1), nn.Sigmoid()
                )
                for kind in UPSAMPLINGS
            }
        )

    def forward(self, pictures: torch.Tensor, upsampling: str) -> torch.Tensor:
        return self.decoders[upsampling](self.encoder(pictures))

    @torch.inference_mode()
    def resynthesise(self, rgb: np.ndarray, upsampling: str) -> np.ndarray:
        """S×S×3 uint8 → S×S×3 uint8, drawn again by the network (resized to 96 px and back)."""
        small = cv2.resize(rgb, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        output = self(torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255, upsampling)[0]
        drawn = (output.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        return cv2.resize(drawn, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC)


def load_autoencoder(path: Path = EMBEDDED) -> FaceAutoencoder:
    """The trained auto-encoder, in evaluation mode; LabError where its weights are not there."""
    if not path.is_file():
        raise LabError("The auto-encoder has not been trained.", "Run: python -m attribution lab autoencoder --data FOLDER.")
    network = FaceAutoencoder()
    network.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()})
    return network.eval()


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
        with torch.autocast("cpu", torch.bfloat16):
            output = net(target, UPSAMPLINGS[step % len(UPSAMPLINGS)])
        output = output.float()
        loss = (output - target).abs().mean()
        for axis in (2, 3):
            loss = loss + (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
        return loss, {"loss": loss.detach()}

    def rate(step: int) -> float:
        return 2e-3 * max(0.02, 0.5 * (1 + np.cos(np.pi * step / steps)))

    training = Training(network, torch.optim.Adam(network.parameters(), lr=2e-3), step, rate)
    fit(training, steps, keep=lambda net: _save(net, out))


def _save(network: nn.Module, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    unfinished = out.with_suffix(".part")
    save_file(state, unfinished)
    unfinished.replace(out)
