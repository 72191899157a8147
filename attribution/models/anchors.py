"""The 168 anchor boxes of the Artifact Detection Module (Implicit Identity Leakage, Dong et al., CVPR 2023, arXiv 2210.14457, §4.1), and
boxes as offsets from them (SSD: Liu et al. 2016, arXiv 1512.02325, eq. 2).

Every box here is (x0, y0, x1, y1) as shares of the crop's side: x to the right first, then y downwards, for anchors and for true boxes
alike.
"""

from __future__ import annotations

from functools import cache

import torch

# The paper's sizes are for crops of this side.
_SIDE_PX = 224.0
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
        for row in range(cells):
            for column in range(cells):
                x, y = (column + 0.5) * step, (row + 0.5) * step
                for width, height in ((short, long), (long, short)):
                    boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return (torch.tensor(boxes) / _SIDE_PX).clamp(0, 1)


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
