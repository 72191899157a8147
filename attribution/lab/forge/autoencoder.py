"""Two small auto-encoders, each with one encoder and several decoders that differ in their up-sampling, so that a detector meets the traces
of all of them.

`FaceAutoencoder` draws a whole face anew through a narrow bottleneck, as the first face-swap programs did. `TwinAutoencoder` keeps all
that can be seen (PSNR 32 dB and more): a picture and its *twin* differ in nothing but the decoder's trace, as the aligned fakes of Rajan
et al. (2025, "Aligned Datasets Improve Detection of Latent Diffusion-Generated Images", arXiv 2410.11835) do."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

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


def _enlarged(kind: str, inputs: int, outputs: int) -> list[nn.Module]:
    """Twice the sides, by the named up-sampling."""
    if kind == "transposed":
        return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    if kind == "subpixel":
        return [nn.Conv2d(inputs, outputs * 4, 3, 1, 1), nn.PixelShuffle(2)]
    mode = "bilinear" if kind == "bilinear" else "nearest"
    return [nn.Upsample(scale_factor=2, mode=mode), nn.Conv2d(inputs, outputs, 3, 1, 1)]


def _up(kind: str, inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_enlarged(kind, inputs, outputs), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2))


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


class TwinAutoencoder(nn.Module):
    """B×3×S×S in [0, 1] (S a multiple of 4) → the same shape, through S/4×S/4×20 numbers and the decoder of the named up-sampling.
    `quantised` rounds these numbers to nine levels (finite scalar quantisation: Mentzer et al. 2023, arXiv 2309.15505) and enlarges by
    nearest neighbours."""

    upsamplings = (*UPSAMPLINGS, "quantised")

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 32, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 48, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(48, 64, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(64, 20, 1),
        )  # fmt: skip
        self.decoders = nn.ModuleDict({
            kind: nn.Sequential(
                nn.Conv2d(20, 64, 3, 1, 1), nn.LeakyReLU(0.2), *_enlarged(kind, 64, 48), nn.LeakyReLU(0.2), *_enlarged(kind, 48, 24),
                nn.LeakyReLU(0.2), nn.Conv2d(24, 3, 3, 1, 1),
            )
            for kind in self.upsamplings
        })  # fmt: skip

    def forward(self, pictures: torch.Tensor, upsampling: str) -> torch.Tensor:
        codes = self.encoder(pictures)
        if upsampling == "quantised":
            # Straight through: the gradient of rounding is taken to be one.
            bounded = 4 * torch.tanh(codes)
            codes = bounded + (bounded.round() - bounded).detach()
        return self.decoders[upsampling](codes)

    @torch.inference_mode()
    def twin(self, rgb: np.ndarray, upsampling: str) -> np.ndarray:
        """S×S×3 uint8 → the same picture, drawn again at its own resolution."""
        drawn = self(torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255, upsampling)[0]
        return (drawn.permute(1, 2, 0).numpy().clip(0, 1) * 255).round().astype(np.uint8)


_Autoencoder = TypeVar("_Autoencoder", FaceAutoencoder, TwinAutoencoder)


def load_autoencoder(kind: type[_Autoencoder], path: Path) -> _Autoencoder:
    """A trained auto-encoder, in evaluation mode; LabError where its weights are not there, or not those of this kind."""
    flag, whose = (" --kind twins", "twins") if kind is TwinAutoencoder else ("", "faces")
    command = f"python -m attribution lab autoencoder{flag} --data FOLDER --work FOLDER"
    if not path.is_file():
        raise LabError(f"The auto-encoder of {whose} has not been trained.", f"Run: {command}.")
    network = kind()
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise LabError(f"{path.name} does not hold the auto-encoder of {whose}.", f"Delete it and run: {command}.") from error
    return network.eval()
