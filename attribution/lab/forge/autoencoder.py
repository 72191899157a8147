"""A small face auto-encoder with one shared encoder and four decoders that differ in their up-sampling.

The shared encoder with several decoders is the design of the first face-swap programs; here each decoder re-synthesises the face through
another kind of up-sampling (nearest, bilinear, transposed convolution, sub-pixel), so that a detector meets the traces of all of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from attribution.errors import LabError

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
        self.decoders = nn.ModuleDict({
            kind: nn.Sequential(
                _up(kind, 96, 128), _up(kind, 128, 64), _up(kind, 64, 32), _up(kind, 32, 16), nn.Conv2d(16, 3, 3, 1, 1), nn.Sigmoid()
            )
            for kind in UPSAMPLINGS
        })  # fmt: skip

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
    """The trained auto-encoder, in evaluation mode; LabError where its weights are not there, or those of something else."""
    command = "python -m attribution lab autoencoder --data FOLDER --work FOLDER"
    if not path.is_file():
        raise LabError("The auto-encoder has not been trained.", f"Run: {command}.")
    network = FaceAutoencoder()
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise LabError(f"{path.name} does not hold the auto-encoder.", f"Delete it and run: {command}.") from error
    return network.eval()
