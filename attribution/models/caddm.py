"""The ID-unaware detector (Implicit Identity Leakage: The Stumbling Block to Improving Deepfake Detection Generalization, Dong et al., CVPR
2023, arXiv 2210.14457): a backbone whose features must say *where* a face was manipulated, by the Artifact Detection Module.

Its 168 anchors (§4.1) and boxes as offsets from them (SSD: Liu et al. 2016, arXiv 1512.02325, eq. 2) are (x0, y0, x1, y1) as shares of the
crop's side: x to the right first, then y downwards.
"""

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from attribution.models.architectures import CADDM, CADDM_PREFIX
from attribution.models.dnadet import OwnNetwork

# The paper's module is as wide as its backbone's last map; a 1×1 convolution brings ours to a width whose weights fit into 10 MB.
CHANNELS = 160
# Its four maps need 7×7 cells to begin with, and the paper's anchors are for crops of this side.
SIDE_PX = 224
# (cells per side, step between centres, shorter and longer side of the two anchors in a cell), all px of a 224 px crop.
MAPS = ((7, 32.0, 40.0, 80.0), (5, 45.0, 80.0, 120.0), (3, 75.0, 120.0, 160.0), (1, 224.0, 224.0, 224.0))
ANCHORS_PER_CELL = 2
# The anchors of the last map cover the whole crop: what they find is "somewhere", all others say where.
WHOLE_CROP_ANCHORS = ANCHORS_PER_CELL
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2


@cache
def anchors() -> torch.Tensor:
    """168×4 float32 in [0, 1]: map by map, row by row, column by column, the upright anchor of a cell before the lying one."""
    boxes = []
    for cells, step, short, long in MAPS:
        for row, column in product(range(cells), repeat=2):
            x, y = (column + 0.5) * step, (row + 0.5) * step
            boxes += [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for w, h in ((short, long), (long, short))]
    return (torch.tensor(boxes) / SIDE_PX).clamp(0, 1)


def encode(boxes: torch.Tensor, from_anchors: torch.Tensor) -> torch.Tensor:
    """N×4 boxes as offsets from N×4 anchors: the shift of the centre in anchor sizes over 0.1, the logarithm of the growth over 0.2."""
    centre, size = _centre_and_size(boxes)
    anchor_centre, anchor_size = _centre_and_size(from_anchors)
    shift = (centre - anchor_centre) / anchor_size / _CENTRE_VARIANCE
    return torch.cat([shift, (size / anchor_size).log() / _SIZE_VARIANCE], dim=-1)


def decode(offsets: torch.Tensor, from_anchors: torch.Tensor) -> torch.Tensor:
    """The boxes of …×N×4 offsets from N×4 anchors, clipped to the crop."""
    anchor_centre, anchor_size = _centre_and_size(from_anchors)
    centre = offsets[..., :2] * _CENTRE_VARIANCE * anchor_size + anchor_centre
    # An untrained network's offsets may be of any size, and exp of a large one is no box at all.
    half = (offsets[..., 2:] * _SIZE_VARIANCE).clamp(-4, 4).exp() * anchor_size / 2
    return torch.cat([centre - half, centre + half], dim=-1).clamp(0, 1)


def _centre_and_size(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)


class _Block(nn.Module):
    """Two 3×3 convolutions with batch normalisation beside a shortcut: B×C×s×s → B×C×s×s, or B×C×(s−2)×(s−2) when the first is unpadded
    (the shortcut then loses its border too)."""

    def __init__(self, channels: int, padded: bool) -> None:
        super().__init__()
        self.shrinks = not padded
        self.conv_first = nn.Conv2d(channels, channels, 3, padding=1 if padded else 0, bias=False)
        self.norm_first = nn.BatchNorm2d(channels)
        self.conv_second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm_second = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed = functional.relu(self.norm_first(self.conv_first(x)))
        changed = self.norm_second(self.conv_second(changed))
        return functional.relu(changed + (x[:, :, 1:-1, 1:-1] if self.shrinks else x))


class _LastBlock(nn.Module):
    """B×C×3×3 → B×C×1×1, without normalisation (there is one value per channel and picture) and without a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(channels, channels, 3)
        self.conv_second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv_second(functional.relu(self.conv_first(x)))


class ArtifactModule(nn.Module):
    """The Artifact Detection Module (§4.1): four blocks, maps of 7×7, 5×5, 3×3 and 1×1 cells, each with a head for two classes (clean,
    artifact) and one for four offsets per anchor."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([_Block(channels, True), _Block(channels, False), _Block(channels, False), _LastBlock(channels)])
        self.class_heads = nn.ModuleList(nn.Conv2d(channels, 2 * ANCHORS_PER_CELL, 3, padding=1) for _ in MAPS)
        self.offset_heads = nn.ModuleList(nn.Conv2d(channels, 4 * ANCHORS_PER_CELL, 3, padding=1) for _ in MAPS)

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """B×C×7×7 → the four maps; the last is the module's feature, B×C×1×1."""
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def boxes(self, maps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits B×168×2 (clean, artifact) and offsets B×168×4 of the four maps, in the order of `anchors()`."""
        logits = [_per_anchor(head(one), 2) for head, one in zip(self.class_heads, maps, strict=True)]
        offsets = [_per_anchor(head(one), 4) for head, one in zip(self.offset_heads, maps, strict=True)]
        return torch.cat(logits, 1), torch.cat(offsets, 1)


def _per_anchor(output: torch.Tensor, values: int) -> torch.Tensor:
    """B×(anchors·values)×s×s → B×(s·s·anchors)×values: row by row, column by column, anchor by anchor."""
    return output.permute(0, 2, 3, 1).reshape(output.shape[0], -1, values)


class Caddm(OwnNetwork):
    """Backbone, Artifact Detection Module and a linear classifier over the sum of the global feature and the module's own (§4.1).

    `backbone` is a timm network without a classifier whose `forward_features` gives B×`backbone_channels`×7×7 for 224 px crops. Without
    `artifacts` it is the plain binary detector that the paper compares with: the same network, the global feature alone.
    """

    def __init__(self, backbone: nn.Module, backbone_channels: int, num_classes: int, artifacts: bool = True) -> None:
        super().__init__()
        self.num_classes, self.head_hidden_size = num_classes, CHANNELS
        self.backbone = backbone
        self.neck = nn.Conv2d(backbone_channels, CHANNELS, 1, bias=False)
        self.neck_norm = nn.BatchNorm2d(CHANNELS)
        self.artifact_module = ArtifactModule() if artifacts else None
        self.drop, self.classifier = nn.Identity(), nn.Linear(CHANNELS, num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×224×224 normalised crops → the backbone's last map, B×F×7×7."""
        backbone: Any = self.backbone
        return backbone.forward_features(x)

    def narrowed(self, feature_maps: torch.Tensor) -> torch.Tensor:
        """B×F×7×7 → B×160×7×7, what both branches read."""
        return functional.relu(self.neck_norm(self.neck(feature_maps)))

    def features(self, feature_maps: torch.Tensor) -> torch.Tensor:
        """B×F×7×7 → the feature that is classified, B×160."""
        narrow = self.narrowed(feature_maps)
        return self.pooled(narrow, self.artifact_module.maps(narrow) if self.artifact_module is not None else [])

    @staticmethod
    def pooled(narrow: torch.Tensor, maps: list[torch.Tensor]) -> torch.Tensor:
        """The global feature, plus the Artifact Detection Module's where there is one: B×160."""
        pooled = narrow.mean((2, 3))
        return pooled + maps[-1].flatten(1) if maps else pooled

    def forward_artifacts(self, feature_maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """B×F×7×7 → confidences B×168 in 0..1 and boxes B×168×4 as shares of the crop, one per anchor. ValueError for the plain one."""
        if self.artifact_module is None:
            raise ValueError("this network was built without an artifact detection module")
        logits, offsets = self.artifact_module.boxes(self.artifact_module.maps(self.narrowed(feature_maps)))
        return logits.softmax(-1)[..., 1], decode(offsets, anchors().to(offsets.device))


def build_caddm(num_classes: int, model_args: Mapping[str, Any] | None = None, artifacts: bool = True, architecture: str = CADDM) -> Caddm:
    """The ID-unaware detector on its timm backbone, or without `artifacts` the plain binary detector that it is compared with (lab)."""
    backbone: Any = timm.create_model(architecture.removeprefix(CADDM_PREFIX), num_classes=0, **(model_args or {}))
    return Caddm(backbone, int(backbone.head_hidden_size), num_classes, artifacts)
