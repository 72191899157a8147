"""Which anchor must find which box, and the loss of the Artifact Detection Module (arXiv 2210.14457, §4.1; SSD: arXiv 1512.02325, §2.2).

Mended against the released code: boxes and anchors are both (x0, y0, x1, y1), so that a lying window meets a lying anchor; and an untouched
picture, which has no box at all, teaches its hardest anchors that nothing is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from torchvision.ops import box_iou

from attribution.models.anchors import WHOLE_CROP_ANCHORS, encode

LEAST_OVERLAP = 0.5
NEGATIVES_PER_POSITIVE = 2
# A wholly swapped picture has the two anchors of the whole crop as positives; an untouched one gets as many negatives as that one.
NEGATIVES_WITHOUT_POSITIVE = NEGATIVES_PER_POSITIVE * WHOLE_CROP_ANCHORS


@dataclass(frozen=True)
class Targets:
    """`positive` B×A: which anchors must find something; `offsets` B×A×4 float32: from the anchor to its box, zero elsewhere."""

    positive: torch.Tensor
    offsets: torch.Tensor

    def to(self, device: str) -> Targets:
        """The same on a device."""
        return Targets(self.positive.to(device), self.offsets.to(device))


def match(boxes: Sequence[torch.Tensor], anchors: torch.Tensor) -> Targets:
    """Targets of B pictures with K_i×4 true boxes each (K_i may be 0) for A×4 anchors.

    An anchor is positive for the box that it overlaps most, from an IoU of 0.5 on; and the anchor that overlaps a box most is positive for
    that box however small the overlap, so that no box is left without one.
    """
    positive = torch.zeros(len(boxes), len(anchors), dtype=torch.bool)
    offsets = torch.zeros(len(boxes), len(anchors), 4)
    for place, own in enumerate(boxes):
        if not len(own):
            continue
        overlap = box_iou(own, anchors)
        best_overlap, best_box = overlap.max(0)
        for number, anchor in enumerate(overlap.argmax(1).tolist()):
            best_overlap[anchor], best_box[anchor] = 2.0, number
        positive[place] = best_overlap >= LEAST_OVERLAP
        encoded = encode(own[best_box], anchors)
        offsets[place, positive[place]] = encoded[positive[place]]
    return Targets(positive, offsets)


def hard_negatives(losses: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """The negatives that count, B×A boolean: in each picture those with the greatest loss (B×A), two for every positive, four where there
    is no positive."""
    own = positive.sum(1)
    wanted = torch.where(own > 0, NEGATIVES_PER_POSITIVE * own, NEGATIVES_WITHOUT_POSITIVE)
    order = losses.masked_fill(positive, -torch.inf).argsort(1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(losses.shape[1], device=losses.device).expand_as(order))
    return (rank < wanted[:, None]) & ~positive


def artifact_loss(logits: torch.Tensor, offsets: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
    """Where (smooth L1 over the positives' offsets) and whether (cross-entropy over positives and hard negatives), each summed over the
    batch and divided by its number of positives (at least 1). `logits` B×A×2, `offsets` B×A×4."""
    positive = targets.positive
    per_anchor = functional.cross_entropy(logits.flatten(0, 1), positive.flatten().long(), reduction="none").view(positive.shape)
    counted = positive | hard_negatives(per_anchor.detach(), positive)
    count = positive.sum().clamp(min=1)
    where = functional.smooth_l1_loss(offsets[positive], targets.offsets[positive], reduction="sum")
    return where / count, per_anchor[counted].sum() / count
