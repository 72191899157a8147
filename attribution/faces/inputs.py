"""What a detector sees of a file: its faces, cut by the detector's own rule, or the whole picture; and what another detector sees where the
first one looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attribution.detectors.card import CropSettings
from attribution.evidence import Box, Face, Track
from attribution.faces.finder import CropRule, FaceFinder, FoundFaces, find_tracks, measures
from attribution.media import OpenedMedia

WHOLE_PICTURE = "The whole picture was judged, and no face was looked for."
_FRAMES_OF_A_CLIP = 32


def rule_of(crop: CropSettings) -> CropRule:
    """The rule that faces are cut by."""
    return CropRule(scale=crop.scale, down=crop.down, side_px=crop.side_px, resample=crop.resample)


def find_inputs(opened: OpenedMedia, finder: FaceFinder, crop: CropSettings, max_faces: int = 32) -> FoundFaces:
    """The tracks that a detector with that crop rule examines: a face each, or one of the whole picture or clip (at most 32 frames, spread
    evenly). Raises MediaError when they cannot be cut."""
    if crop.view == "face":
        return find_tracks(opened, finder, rule_of(crop), max_faces)
    chosen = sorted({round(at) for at in np.linspace(0, len(opened.frames) - 1, min(_FRAMES_OF_A_CLIP, len(opened.frames)))})
    faces = _whole_frames(opened, [(opened.frames[at].index, opened.frames[at].seconds) for at in chosen], crop)
    return FoundFaces((Track(0, tuple(faces)),), 0, (WHOLE_PICTURE,))


def as_seen(opened: OpenedMedia, tracks: Sequence[Track], crop: CropSettings) -> tuple[Track, ...]:
    """The same tracks as a detector with another crop rule sees them: the same faces cut otherwise, or the whole frames that they are in.

    Raises ValueError for whole frames that faces are to be cut from, and MediaError.
    """
    faces = [face for track in tracks for face in track.faces]
    if crop.view == "picture":
        frames = sorted({(face.frame_index, face.seconds) for face in faces})
        whole = dict(zip(frames, _whole_frames(opened, frames, crop), strict=True))
        return tuple(Track(one.id, tuple(whole[(face.frame_index, face.seconds)] for face in one.faces)) for one in tracks)
    if any(face.landmarks is None for face in faces):
        raise ValueError("a whole frame is no face")
    rule = rule_of(crop)
    boxes = [rule.crop_box(face.box, opened.media.width, opened.media.height) for face in faces]
    crops = opened.crops([(face.frame_index, box) for face, box in zip(faces, boxes, strict=True)], rule.side_px, rule.resample)
    cut = iter(_as_cut(face, box, pixels) for face, box, pixels in zip(faces, boxes, crops, strict=True))
    return tuple(Track(one.id, tuple(next(cut) for _ in one.faces)) for one in tracks)


def picture_box(crop: CropSettings, width: int, height: int) -> Box:
    """The part of a picture of width×height pixels that a detector of whole pictures sees: all of it, or with `short_px` the middle."""
    if crop.short_px is None:
        return 0.0, 0.0, float(width), float(height)
    side = min(width, height) * crop.side_px / crop.short_px
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _whole_frames(opened: OpenedMedia, frames: Sequence[tuple[int, float]], crop: CropSettings) -> list[Face]:
    """Frames, by index and time, as a detector of whole pictures sees them."""
    width, height = opened.media.width, opened.media.height
    box = picture_box(crop, width, height)
    crops = opened.crops([(index, box) for index, _ in frames], crop.side_px, crop.resample)
    all_of_it = (0.0, 0.0, float(width), float(height))
    return [
        Face(index, seconds, all_of_it, None, None, box, pixels, *measures(pixels))
        for (index, seconds), pixels in zip(frames, crops, strict=True)
    ]


def _as_cut(face: Face, box: Box, pixels: np.ndarray) -> Face:
    sharpness, brightness = measures(pixels)
    return replace(face, crop_box=box, crop=pixels, sharpness=sharpness, brightness=brightness)
