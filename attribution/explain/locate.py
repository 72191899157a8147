"""Where each face was manipulated: the boxes of a detector that localises, carried from the crop to the original picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attribution.detectors.predictor import Predictor
from attribution.evidence import Artifact, Box, Face, TrackEvidence
from attribution.explain.artifacts import find_artifacts, localises
from attribution.verdict.ensemble import Specialist


def shown_face(track: TrackEvidence) -> Face:
    """The face that stands for a track. Raises ValueError for a track that was read from JSON."""
    if track.track is None or track.shown is None:
        raise ValueError("a track that was read from JSON has no faces")
    return track.track.faces[track.shown]


def locate(
    tracks: Sequence[TrackEvidence], chosen: Predictor, specialists: Sequence[Specialist], width: int, height: int
) -> tuple[TrackEvidence, ...]:
    """The tracks with the artifacts on their `shown_face`, in a picture of width×height original pixels: those of the chosen detector
    where it localises, else of the first specialist that does and gave its opinion on that face; none where there is no such, or where that
    detector itself finds no manipulation in the face."""
    seers = [_seer(track, chosen, specialists) for track in tracks]
    located = list(tracks)
    for seer in dict.fromkeys(one for one in seers if one is not None):
        numbers = [number for number, one in enumerate(seers) if one is seer]
        faces = [_seen_by(seer, tracks[number]) for number in numbers]
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


def _seen_by(seer: Predictor, track: TrackEvidence) -> Face:
    """The face that stands for the track, as that detector saw it."""
    own = (opinion.face for opinion in track.opinions if opinion.detector == seer.info)
    return next((face for face in own if face is not None), None) or shown_face(track)


def _seer(track: TrackEvidence, chosen: Predictor, specialists: Sequence[Specialist]) -> Predictor | None:
    """The detector whose boxes belong to that track."""
    # An area marked on a face that the same detector clears would contradict it.
    if localises(chosen):
        return chosen if track.verdict.state != "no_manipulation_found" else None
    said = {opinion.detector: opinion.verdict.state for opinion in track.opinions if opinion.verdict is not None}
    ready = (one.predictor for one in specialists if said.get(one.info, "no_manipulation_found") != "no_manipulation_found")
    return next((predictor for predictor in ready if predictor is not None and localises(predictor)), None)
