"""Where a face was manipulated: the artifact boxes of a detector with an Artifact Detection Module, decoded, thinned out, and carried from
the crop to the original picture.

The paper (arXiv 2210.14457) throws the boxes away once it has trained with them; here they are the answer to "where".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torchvision.ops import nms

from attribution.detectors.card import ArtifactRule
from attribution.detectors.predictor import Predictor
from attribution.evidence import Artifact, Box, Face, TrackEvidence
from attribution.models.caddm import WHOLE_CROP_ANCHORS, Caddm, anchors

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
    found = [(torch.zeros(0, len(anchors())), torch.zeros(0, len(anchors()), 4))]
    try:
        for first in range(0, len(crops), _BATCH):
            with torch.inference_mode():
                confidences, boxes = model.forward_artifacts(model.forward_features(predictor.inputs(crops[first : first + _BATCH])))
            found.append((confidences.float().cpu(), boxes.float().cpu()))
    except torch.OutOfMemoryError:
        if predictor.device == "cpu":
            raise
        torch.cuda.empty_cache()
        return read_boxes(Predictor(predictor.detector, "cpu"), crops)
    return torch.cat([one for one, _ in found]), torch.cat([one for _, one in found])


def calibrated(confidences: torch.Tensor, rule: ArtifactRule) -> torch.Tensor:
    """N×168 confidences as the card's rule has them: of boxes smaller than the crop by its slope and offset, the others as they are."""
    local = confidences[:, :-WHOLE_CROP_ANCHORS].clamp(1e-6, 1 - 1e-6).logit()
    return torch.cat([(rule.slope * local + rule.offset).sigmoid(), confidences[:, -WHOLE_CROP_ANCHORS:]], 1)


def locate(
    tracks: Sequence[TrackEvidence], chosen: Predictor, others: Sequence[Predictor], width: int, height: int
) -> tuple[TrackEvidence, ...]:
    """The tracks with the artifacts on their `shown_face`, in a picture of width×height original pixels: those of the chosen detector
    where it localises, else of the first other one that does and gave its opinion on that face; none where there is no such, or where that
    detector itself finds no manipulation in the face. One that is part of the answer marks nothing where this finds no manipulation, or
    one of a family that it does not speak on."""
    seers = [_seer(track, chosen, others) for track in tracks]
    located = list(tracks)
    for seer in dict.fromkeys(one for one in seers if one is not None):
        numbers = [number for number, one in enumerate(seers) if one is seer]
        faces = [_shown_to(seer, tracks[number]) for number in numbers]
        found = find_artifacts(seer, np.stack([face.crop for face in faces]))
        for number, face, areas in zip(numbers, faces, found, strict=True):
            placed = ((in_original(area.box, face, width, height), area.confidence) for area in areas)
            artifacts = tuple(Artifact(box, confidence, seer.info.name, face.seconds) for box, confidence in placed if box is not None)
            located[number] = replace(tracks[number], artifacts=artifacts)
    return tuple(located)


def in_original(box: Box, face: Face, width: int, height: int) -> Box | None:
    """A box in pixels of the face's crop, in those of the original picture of width×height pixels, and cut off at its edges; None when
    nothing of it is left. The crop's square corner to corner is the face's `crop_box`."""
    left, top, right, bottom = face.crop_box
    across, down = (right - left) / face.crop.shape[1], (bottom - top) / face.crop.shape[0]
    x0, x1 = (min(max(left + across * float(x), 0.0), float(width)) for x in (box[0], box[2]))
    y0, y1 = (min(max(top + down * float(y), 0.0), float(height)) for y in (box[1], box[3]))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _shown_to(seer: Predictor, track: TrackEvidence) -> Face:
    """The face that stands for the track, as that detector saw it."""
    own = (opinion.face for opinion in track.opinions if opinion.detector.weights_sha256 == seer.info.weights_sha256)
    face = next((face for face in own if face is not None), None) or track.shown_face
    if face is None:
        raise ValueError("a track that was read from JSON has no faces")
    return face


def _seer(track: TrackEvidence, chosen: Predictor, others: Sequence[Predictor]) -> Predictor | None:
    """The detector whose boxes belong to that track."""
    # An area marked on a face that the same detector clears would contradict it.
    if localises(chosen):
        return chosen if track.verdict.state != "no_manipulation_found" else None
    suspicious = {
        one.detector.weights_sha256
        for one in track.opinions
        if one.verdict is not None and one.verdict.state != "no_manipulation_found" and track.may_be_marked(one)
    }
    return next((one for one in others if one.info.weights_sha256 in suspicious and localises(one)), None)


def _thinned(confidences: torch.Tensor, boxes: torch.Tensor, least: float, most_overlap: float) -> tuple[CropArtifact, ...]:
    """The boxes of one crop, those of the whole crop apart (they are the last anchors)."""
    local = len(confidences) - WHOLE_CROP_ANCHORS
    for part in (slice(0, local), slice(local, None)):
        own, where = confidences[part], boxes[part]
        sized = (where[:, 2:] > where[:, :2]).all(1)
        own, where = own[sized & (own >= least)], where[sized & (own >= least)]
        if len(own):
            kept = nms(where, own, most_overlap)
            found = zip(where[kept].tolist(), own[kept].tolist(), strict=True)
            return tuple(CropArtifact((x0, y0, x1, y1), p) for (x0, y0, x1, y1), p in found)
    return ()
