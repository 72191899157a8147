"""What a detector sees of a file: its faces, cut by the detector's own rule, or whole pictures; and where another detector looks for the
same faces."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from attribution.detectors.card import CropSettings
from attribution.evidence import Box, Face, Track
from attribution.faces.spectrum import spectrum_of
from attribution.media import OpenedMedia

_SHARPNESS_SIDE_PX = 224


def face_square(crop: CropSettings, face_box: Box, width: int, height: int) -> Box:
    """The square that is cut for a face box in a picture of that many pixels: moved inside it, and shrunk only if it is larger than it."""
    x0, y0, x1, y1 = (float(value) for value in face_box)
    side = min(crop.scale * (y1 - y0), float(width), float(height))
    left = min(max((x0 + x1 - side) / 2, 0.0), width - side)
    top = min(max((y0 + y1 - side) / 2 + crop.down * (y1 - y0), 0.0), height - side)
    return left, top, min(left + side, float(width)), min(top + side, float(height))


def measures(crop: np.ndarray) -> tuple[float, float]:
    """Sharpness (variance of the Laplacian of the luma at 224 px; Pech-Pacheco et al. 2000) and brightness (mean luma, 0..255)."""
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if luma.shape[0] != _SHARPNESS_SIDE_PX:
        luma = cv2.resize(luma, (_SHARPNESS_SIDE_PX, _SHARPNESS_SIDE_PX), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(luma, cv2.CV_64F).var()), float(luma.mean())


def picture_box(crop: CropSettings, width: int, height: int) -> Box:
    """The part of a picture of width×height pixels that a detector of whole pictures sees: all of it, or with `short_px` the middle."""
    if crop.short_px is None:
        return 0.0, 0.0, float(width), float(height)
    side = min(width, height) * crop.side_px / crop.short_px
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def whole_frames(opened: OpenedMedia, frames: Sequence[tuple[int, float]], crop: CropSettings) -> list[Face]:
    """Frames, by index and time, as a detector of whole pictures sees them."""
    width, height = opened.media.width, opened.media.height
    box = picture_box(crop, width, height)
    crops = opened.crops([(index, box) for index, _ in frames], crop.side_px, crop.resample)
    all_of_it = (0.0, 0.0, float(width), float(height))
    seen = [(*frame, pixels) for frame, pixels in zip(frames, crops, strict=True)]
    density = {frame.index: frame.density for frame in opened.frames}
    return [Face(index, seconds, all_of_it, None, None, box, pixels, *measures(pixels), density[index]) for index, seconds, pixels in seen]


def as_seen(opened: OpenedMedia, tracks: Sequence[Track], crop: CropSettings) -> tuple[Track, ...]:
    """The same tracks as a detector with another crop rule sees them: the same faces cut otherwise, or the whole frames that they are in.

    Raises ValueError for whole frames that faces are to be cut from, and MediaError.
    """
    faces = [face for track in tracks for face in track.faces]
    if crop.view == "picture":
        frames = sorted({(face.frame_index, face.seconds) for face in faces})
        whole = dict(zip(frames, whole_frames(opened, frames, crop), strict=True))
        return tuple(replace(one, faces=tuple(whole[(face.frame_index, face.seconds)] for face in one.faces)) for one in tracks)
    if any(face.landmarks is None for face in faces):
        raise ValueError("a whole frame is no face")
    requests = [(face.frame_index, face_square(crop, face.box, opened.media.width, opened.media.height)) for face in faces]
    cut = zip(requests, opened.crops(requests, crop.side_px, crop.resample), strict=True)

    def recut(face: Face) -> Face:
        (_, box), pixels = next(cut)
        sharpness, brightness = measures(pixels)
        spectrum = spectrum_of(pixels)._asdict()
        return replace(face, crop_box=box, crop=pixels, sharpness=sharpness, brightness=brightness, **spectrum)

    return tuple(replace(one, faces=tuple(recut(face) for face in one.faces)) for one in tracks)
