"""Where a face was manipulated: the artifact boxes of a detector with an Artifact Detection Module, decoded and thinned out.

The paper (arXiv 2210.14457) throws the boxes away once it has trained with them; here they are the answer to "where".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import nms

from attribution.detectors.card import ArtifactRule
from attribution.detectors.predictor import Predictor
from attribution.evidence import Box
from attribution.models.anchors import WHOLE_CROP_ANCHORS, anchors
from attribution.models.caddm import Caddm

_BATCH = 32


@dataclass(frozen=True)
class CropArtifact:
    """One area of a crop that looks manipulated: `box` (x0, y0, x1, y1) in pixels of the crop, `confidence` 0..1."""

    box: Box
    confidence: float


def localises(predictor: Predictor) -> bool:
    """Whether the detector says where: it has an artifact module, and its card says from which confidence on a box counts."""
    return isinstance(predictor.model, Caddm) and predictor.card.artifacts is not None


def find_artifacts(predictor: Predictor, crops: np.ndarray) -> list[tuple[CropArtifact, ...]]:
    """N×S×S×3 uint8 crops → the areas of each, most confident first, at most 168; none where nothing reaches the card's `min_confidence`.

    Boxes that overlap a more confident one by more than `nms_iou` are left out. A box of the whole crop, which training gives to every
    manipulated face, says nothing of where: it is there only where no smaller one is. Raises ValueError for a detector that does not
    localise and crops of another shape or type.
    """
    rule = predictor.card.artifacts
    if rule is None or not localises(predictor):
        raise ValueError(f"{predictor.info.name} does not say where a face was manipulated")
    confidences, boxes = read_boxes(predictor, crops)
    confidences, side = calibrated(confidences, rule), crops.shape[1]
    return [_thinned(own, where * side, rule.min_confidence, rule.nms_iou) for own, where in zip(confidences, boxes, strict=True)]


def read_boxes(predictor: Predictor, crops: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The confidence (N×168, 0..1) and the box (N×168×4, shares of the crop) of every anchor. A GPU without memory for them leaves
    them to the CPU."""
    model = predictor.model
    if not isinstance(model, Caddm):
        raise ValueError(f"{predictor.info.name} has no artifact detection module")
    crops = predictor.checked(crops)
    try:
        found = [_read(predictor, crops[first : first + _BATCH]) for first in range(0, len(crops), _BATCH)]
    except torch.OutOfMemoryError:
        if predictor.device == "cpu":
            raise
        torch.cuda.empty_cache()
        return read_boxes(Predictor(predictor.detector, "cpu"), crops)
    if not found:
        return torch.zeros(0, len(anchors())), torch.zeros(0, len(anchors()), 4)
    return torch.cat([one for one, _ in found]), torch.cat([one for _, one in found])


def calibrated(confidences: torch.Tensor, rule: ArtifactRule) -> torch.Tensor:
    """N×168 confidences as the card's rule has them: of boxes smaller than the crop by its slope and offset, the others as they are."""
    local = confidences[:, :-WHOLE_CROP_ANCHORS].clamp(1e-6, 1 - 1e-6).logit()
    return torch.cat([(rule.slope * local + rule.offset).sigmoid(), confidences[:, -WHOLE_CROP_ANCHORS:]], 1)


@torch.inference_mode()
def _read(predictor: Predictor, crops: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    model = predictor.model
    assert isinstance(model, Caddm)
    confidences, boxes = model.forward_artifacts(model.forward_features(predictor.inputs(crops)))
    return confidences.float().cpu(), boxes.float().cpu()


def _thinned(confidences: torch.Tensor, boxes: torch.Tensor, least: float, most_overlap: float) -> tuple[CropArtifact, ...]:
    """The boxes of one crop, those of the whole crop apart (they are the last anchors)."""
    local = len(confidences) - WHOLE_CROP_ANCHORS
    for part in (slice(0, local), slice(local, None)):
        own, where = confidences[part], boxes[part]
        sized = (where[:, 2:] > where[:, :2]).all(1)
        own, where = own[sized & (own >= least)], where[sized & (own >= least)]
        if len(own):
            kept = nms(where, own, most_overlap).tolist()
            return tuple(CropArtifact(_box(where[number]), float(own[number])) for number in kept)
    return ()


def _box(values: torch.Tensor) -> Box:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1
