"""DNA-Det in training: one run's settings, the network with its projection and the weights of its losses, and where it starts from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from attribution.errors import LabError
from attribution.lab.forge.transformations import transformations
from attribution.lab.train.dnadet_sampling import CLASSES, PATCHES
from attribution.lab.train.losses import supervised_contrastive
from attribution.models.backbones import DNA_DET, PATCH_PX, DnaDet, build_backbone

STAGES = ("transformations", "architectures")
TEMPERATURE = 0.07


@dataclass(frozen=True)
class Settings:
    """One training run of one stage. `start` is the folder of a finished run of the first stage ("": random weights). `side_px` is the side
    that a whole picture is read at. A worker's step has `items` pictures of every class and `patches` patches of each (the paper: 1 and 16,
    of 512² pixels); the share `augmented` of stage 2's pictures changes in quality and geometry. `until` ends this sitting after so many
    steps (0: the whole run). For the ablation: `contrastive` false leaves the cross-entropy alone, `patches` 0 takes whole pictures, and
    `frequencies` false starts from random filters alone."""

    data: str
    work: str
    out: str
    stage: str = "architectures"
    start: str = ""
    side_px: int = 224
    steps: int = 4000
    seed: int = 7
    workers: int = 2
    items: int = 1
    patches: int = PATCHES
    augmented: float = 1.0
    contrastive: bool = True
    frequencies: bool = True
    learning_rate: float = 7e-4
    dropout: float = 0.2
    ema: float = 0.998
    leave_out: tuple[str, ...] = ()
    until: int = 0
    device: str = "cpu"
    threads: int = 0

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise LabError(f"There is no stage {self.stage!r}.", f"Use one of {', '.join(STAGES)}.")
        if self.side_px < PATCH_PX:
            raise LabError(f"A picture of {self.side_px} px holds no patch of {PATCH_PX} px.", "Use a larger side.")


def start_with_frequencies(convolution: nn.Conv2d) -> None:
    """Set the first 48 of the first convolution's 64 filters (4×4, 3 colours) to the 16 functions of the 4×4 discrete cosine transform in
    luma and two colour differences; the others stay random.

    The traces to be found are a hundredth of the variance of a patch. Random filters mix them with its colour, and batch normalisation
    then scales by the colour: 200 steps of stage 1 taught nothing. A filter of one frequency is scaled by that frequency.
    """
    side = convolution.kernel_size[0]
    place = torch.arange(side).float()
    waves = torch.cos(math.pi * (place[None] + 0.5) * place[:, None] / side)
    waves = waves / waves.norm(dim=1, keepdim=True)
    spatial = torch.einsum("ay,bx->abyx", waves, waves).reshape(-1, 1, side, side)
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    colours = (colours / colours.norm(dim=1, keepdim=True)).view(-1, 1, 3, 1, 1)
    filters = (colours * spatial[None]).reshape(-1, 3, side, side)
    with torch.no_grad():
        convolution.weight[: len(filters)] = filters * convolution.weight.std() * side * 3**0.5
        assert convolution.bias is not None
        convolution.bias.zero_()


class AutomaticWeights(nn.Module):
    """Σ Lᵢ / (2 pᵢ²) + ln(1 + pᵢ²) with learnt pᵢ, 1 at first (Liebel and Körner 2018, arXiv 1805.06334, eq. 3)."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.ones(losses))

    def forward(self, losses: torch.Tensor) -> torch.Tensor:
        squared = self.p**2
        return (losses / (2 * squared) + torch.log1p(squared)).sum()


class Net(nn.Module):
    """Trunk, head, the projection that only training uses (512 → 512 → 128, unit length) and the weights of the two losses."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        classes = len(transformations()) if settings.stage == STAGES[0] else len([c for c in CLASSES if c not in settings.leave_out])
        trunk = build_backbone(DNA_DET, classes, {"img_size": settings.side_px, "drop_rate": settings.dropout})
        assert isinstance(trunk, DnaDet)
        self.trunk = trunk
        if settings.frequencies:
            first: Any = trunk.stages[0]
            start_with_frequencies(first.conv_halve)
        width = trunk.head_hidden_size
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 128))
        # The first stage is a plain classification, as is the second where no two samples of a step share a class.
        contrastive = settings.contrastive and settings.stage == STAGES[1] and settings.items * max(settings.patches, 1) > 1
        self.contrastive = supervised_contrastive(TEMPERATURE) if contrastive else None
        self.weights = AutomaticWeights(2)

    def forward(self, patches: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss to minimise, cross-entropy, contrastive loss, and the share of patches answered rightly."""
        pooled = self.trunk.forward_head(self.trunk.stages(patches), pre_logits=True).float()
        logits = self.trunk.classifier(self.trunk.drop(pooled)).float()
        entropy = functional.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float().mean()
        if self.contrastive is None:
            return entropy, entropy, torch.zeros(()), right
        # In bfloat16 the similarities, divided by 0.07, would lose their last digits, and the gradient up to a sixth of itself.
        with torch.autocast(patches.device.type, enabled=False):
            contrast = self.contrastive(functional.normalize(self.projection(pooled), dim=1), labels)
        return self.weights(torch.stack([entropy, contrast])), entropy, contrast, right


def start_from(net: Net, run: Path) -> None:
    """Load the trunk of a finished first stage; its head stays behind. LabError when the run is not finished."""
    file = run / "final.safetensors"
    if not file.is_file():
        raise LabError("The run to start from is not finished.", "Finish the training on transformations first.")
    prefix = "trunk.stages."
    settings = json.loads((run / "settings.json").read_text())
    if settings["stage"] != STAGES[0] or settings["side_px"] != net.trunk.img_size:
        raise LabError("The run to start from is none of the first stage at this side.", "Name one that was trained on transformations.")
    state = {name.removeprefix(prefix): value for name, value in load_file(file).items() if name.startswith(prefix)}
    net.trunk.stages.load_state_dict(state)
