"""The shallow face detectors of the generalisability study (arXiv 2308.04177) as pure `nn.Module`s: Meso-4 and MesoInception-4 (Afchar et
al., WIFS 2018, arXiv 1809.00888) and ShallowNetV3 (Tariq, Lee, Kim, Shin and Woo, MPS 2018).

The features before their classifiers are the units of the penultimate layer. Their first dense layer reads every place of the maps, so one
side S is fixed when it is built. The published networks end in one sigmoid (or two softmax) outputs; here `num_classes` outputs are logits.
"""

import torch
from torch import nn
from torch.nn import functional

from attribution.models.dnadet import OwnNetwork

PUBLISHED_SIDE_PX, _LEAST_SIDE_PX = 256, 32
_MESO_POOLING, _SHALLOW_POOLING = 32, 4


class Shallow(OwnNetwork):
    """What the three share: maps, a dense layer on all of them (`features`), a linear classifier, and dropout of `drop_rate` before both.

    It reads B×3×S×S with S = `img_size` only. ValueError for a side below 32 px or that is no multiple of what its pooling halves.
    """

    def __init__(self, num_classes: int, img_size: int, multiple_of: int, drop_rate: float) -> None:
        super().__init__()
        if img_size < _LEAST_SIDE_PX or img_size % multiple_of:
            raise ValueError(f"the side must be at least {_LEAST_SIDE_PX} px and a multiple of {multiple_of}")
        self.num_classes, self.img_size, self.drop = num_classes, img_size, nn.Dropout(drop_rate)


class _Meso(Shallow):
    """What both MesoNets share: four layers, pooled by 2, 2, 2 and 4; 16 maps of S/32 × S/32, flattened; dropout, 16 units with
    LeakyReLU 0.1, dropout, classifier. The paper's dropout of one half is `drop_rate`."""

    first: nn.Module
    second: nn.Module
    third: nn.Module
    fourth: nn.Module

    def __init__(self, num_classes: int, img_size: int, drop_rate: float) -> None:
        super().__init__(num_classes, img_size, _MESO_POOLING, drop_rate)
        self.head_hidden_size = 16
        self.hidden = nn.Linear(16 * (img_size // _MESO_POOLING) ** 2, self.head_hidden_size)
        self.classifier = nn.Linear(self.head_hidden_size, num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S → B×16×S/32×S/32."""
        for layer in (self.first, self.second, self.third):
            x = functional.max_pool2d(layer(x), 2)
        return functional.max_pool2d(self.fourth(x), 4)

    def features(self, feature_maps: torch.Tensor) -> torch.Tensor:
        return functional.leaky_relu(self.hidden(self.drop(feature_maps.flatten(1))), 0.1)


class _Convolution(nn.Module):
    """Convolution that keeps the side → ReLU → batch normalisation, in the order of the authors' code."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(functional.relu(self.conv(x)))


class Meso4(_Meso):
    """Meso-4: four convolutions of 8, 8, 16 and 16 channels, each pooled (by 2, 2, 2, 4): 27,977 trainable parameters with one output at
    256 px, as published. ValueError for a side that is not a multiple of 32 px."""

    def __init__(self, num_classes: int, img_size: int = PUBLISHED_SIDE_PX, drop_rate: float = 0.5) -> None:
        super().__init__(num_classes, img_size, drop_rate)
        self.first, self.second = _Convolution(3, 8, 3), _Convolution(8, 8, 5)
        self.third, self.fourth = _Convolution(8, 16, 5), _Convolution(16, 16, 5)


class _Inception(nn.Module):
    """Four ways side by side: 1×1; 1×1 and 3×3; 1×1 and 3×3 with dilation 2; 1×1 and 3×3 with dilation 3. ReLU after each convolution;
    batch normalisation of all."""

    def __init__(self, in_channels: int, ways: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.enter = nn.ModuleList(nn.Conv2d(in_channels, width, 1) for width in ways)
        self.widen = nn.ModuleList(nn.Conv2d(width, width, 3, padding=by, dilation=by) for by, width in enumerate(ways[1:], 1))
        self.norm = nn.BatchNorm2d(sum(ways), eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow, *others = (functional.relu(enter(x)) for enter in self.enter)
        wide = [functional.relu(widen(other)) for widen, other in zip(self.widen, others, strict=True)]
        return self.norm(torch.cat([narrow, *wide], 1))


class MesoInception4(_Meso):
    """MesoInception-4: the first two convolutions of Meso-4 replaced by inception modules of (1, 4, 4, 2) and (2, 4, 4, 2) channels:
    28,615 trainable parameters with one output at 256 px, as published. ValueError for a side that is not a multiple of 32 px."""

    def __init__(self, num_classes: int, img_size: int = PUBLISHED_SIDE_PX, drop_rate: float = 0.5) -> None:
        super().__init__(num_classes, img_size, drop_rate)
        self.first, self.second = _Inception(3, (1, 4, 4, 2)), _Inception(11, (2, 4, 4, 2))
        self.third, self.fourth = _Convolution(12, 16, 5), _Convolution(16, 16, 5)


class ShallowNetV3(Shallow):
    """ShallowNetV3: blocks of 5×5 → 1×1 → 1×1 (32 channels), pooled; 3×3 → 1×1 → 1×1 (64), pooled; 3×3 (128) → 1×1 (32); all without
    padding and with ReLU and dropout; then a dense layer of 1,024 units with ReLU and batch normalisation, dropout, classifier.

    118 M parameters at 256 px, nearly all in the dense layer; 25.8 M at 128 px. The penultimate units are those after the batch
    normalisation. `drop_rate` is the authors' 0.25. ValueError for a side that is not a multiple of 4 px, or above 256 px.
    """

    def __init__(self, num_classes: int, img_size: int = PUBLISHED_SIDE_PX, drop_rate: float = 0.25) -> None:
        if img_size > PUBLISHED_SIDE_PX:
            # Its weights grow with the square of the side: a configuration that asks for 1,024 px would take 8 GB before it is refused.
            raise ValueError(f"the side must be at most {PUBLISHED_SIDE_PX} px")
        super().__init__(num_classes, img_size, _SHALLOW_POOLING, drop_rate)
        self.head_hidden_size = 1024
        self.first = nn.ModuleList([nn.Conv2d(3, 32, 5), nn.Conv2d(32, 32, 1), nn.Conv2d(32, 32, 1)])
        self.second = nn.ModuleList([nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 1)])
        self.third = nn.ModuleList([nn.Conv2d(64, 128, 3), nn.Conv2d(128, 32, 1)])
        # A part of its own, so that Grad-CAM can look at the maps as the dense layer reads them.
        self.active = nn.ReLU()
        # Without padding: 5×5 takes 4 px, halved; 3×3 takes 2, halved; 3×3 takes 2.
        side = ((img_size - 4) // 2 - 2) // 2 - 2
        self.hidden = nn.Linear(32 * side**2, self.head_hidden_size)
        self.norm = nn.BatchNorm1d(self.head_hidden_size, eps=1e-3)
        self.classifier = nn.Linear(self.head_hidden_size, num_classes)
        # As the authors' code starts. From PyTorch's own, smaller weights faces differ by less behind eight layers than `norm` can see.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def features(self, feature_maps: torch.Tensor) -> torch.Tensor:
        return self.norm(functional.relu(self.hidden(self.drop(feature_maps).flatten(1))))

    def _block(self, layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        for place, layer in enumerate(layers):
            x = functional.relu(layer(x if place == 0 else self.drop(x)))
        return x

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S → B×32×s×s, s = S/4 − 4."""
        x = self.drop(functional.max_pool2d(self._block(self.first, x), 2))
        x = self.drop(functional.max_pool2d(self._block(self.second, x), 2))
        return self.active(self._block(self.third, x))
