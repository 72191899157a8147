"""What a detector sees of a file: its faces, cut by the detector's own rule, or whole pictures; and where another detector looks for the
same faces."""

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from attribution.detectors.card import LANDMARKS, CropSettings
from attribution.evidence import Box, Face, Track
from attribution.faces.spectrum import spectrum_of
from attribution.media import OpenedMedia
from attribution.media.session import MOST_FACE_PX

_SHARPNESS_SIDE_PX = 224
_MOST_PIXELS, _LEAST_AREA = 2**24, 1e-6


def face_square(crop: CropSettings, face_box: Box, width: int, height: int) -> Box:
    """The square that is cut for a face box in a picture of that many pixels: moved inside it, and shrunk only if it is larger than it."""
    x0, y0, x1, y1 = (float(value) for value in face_box)
    tall = y1 - y0
    return _inside((x0 + x1) / 2, (y0 + y1) / 2 + crop.down * tall, crop.scale * tall, width, height)


def _inside(x: float, y: float, side: float, width: int, height: int) -> Box:
    """The square around a point, moved inside the picture."""
    side = min(side, float(width), float(height))
    left, top = min(max(x - side / 2, 0.0), width - side), min(max(y - side / 2, 0.0), height - side)
    return left, top, min(left + side, float(width)), min(top + side, float(height))


def upright(crop: CropSettings, landmarks: np.ndarray) -> tuple[np.ndarray, int] | None:
    """The 2×3 similarity that brings five landmarks (pixels) to those of an upright face, and the side in pixels of that face's square at
    its own size; None where these points are none of a face. As GenD's `align_face` has it: the side from the mean of all distances, the
    similarity by least median of squares (Rousseeuw 1984), which leaves out a landmark that lies far off."""
    wanted, found = np.array(LANDMARKS), np.asarray(landmarks, dtype=np.float64)
    pairs = np.triu_indices(len(wanted), k=1)
    apart = [np.linalg.norm(points[:, None] - points[None], axis=-1)[pairs] for points in (found, wanted)]
    own_px = round(min(max(float(np.mean(apart[0] / apart[1])) * crop.scale, 1), MOST_FACE_PX))
    wanted = (wanted + (crop.scale - 1) / 2) / crop.scale * own_px
    matrix = cv2.estimateAffinePartial2D(found.astype(np.float32), wanted.astype(np.float32), method=cv2.LMEDS)[0]
    usable = matrix is not None and np.isfinite(matrix).all() and abs(np.linalg.det(matrix[:, :2])) > _LEAST_AREA
    return (matrix, own_px) if usable else None


def cut_faces(opened: OpenedMedia, faces: Sequence[tuple[int, Box, np.ndarray]], crop: CropSettings) -> list[tuple[Box, np.ndarray]]:
    """For each (index of a frame, box, landmarks 5×2) the square around the face, and the crop. Raises MediaError."""
    width, height = opened.media.width, opened.media.height
    boxes = [face_square(crop, box, width, height) for _, box, _ in faces]
    if crop.detector != "landmarks":
        asked = [(face[0], box) for face, box in zip(faces, boxes, strict=True)]
        return list(zip(boxes, opened.crops(asked, crop.side_px, crop.resample) if asked else (), strict=True))
    turned: list[tuple[int, np.ndarray, int]] = []
    for place, (index, _, landmarks) in enumerate(faces):
        found = upright(crop, landmarks)
        if found is None:
            # Nothing that could be turned: the face as it lies.
            x0, y0, x1, _y1 = boxes[place]
            own_px = max(1, round(min(x1 - x0, MOST_FACE_PX)))
            per_px = own_px / (x1 - x0)
            found = np.array([[per_px, 0, -x0 * per_px], [0, per_px, -y0 * per_px]]), own_px
        matrix, own_px = found
        x, y = cv2.invertAffineTransform(matrix) @ (own_px / 2, own_px / 2, 1)
        boxes[place] = _inside(float(x), float(y), own_px / math.sqrt(abs(np.linalg.det(matrix[:, :2]))), width, height)
        turned.append((index, matrix, own_px))
    return list(zip(boxes, opened.turned_faces(turned, crop.side_px, crop.resample), strict=True))


def measures(crop: np.ndarray) -> tuple[float, float]:
    """Sharpness (variance of the Laplacian of the luma at 224 px; Pech-Pacheco et al. 2000) and brightness (mean luma, 0..255)."""
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if luma.shape[0] != _SHARPNESS_SIDE_PX:
        luma = cv2.resize(luma, (_SHARPNESS_SIDE_PX, _SHARPNESS_SIDE_PX), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(luma, cv2.CV_64F).var()), float(luma.mean())


def whole_frames(opened: OpenedMedia, frames: Sequence[tuple[int, float]], crop: CropSettings) -> list[Face]:
    """Frames, by index and time, as a detector of whole pictures sees them."""
    width, height = opened.media.width, opened.media.height
    box = crop.picture_box(width, height)
    size, cut = (crop.whole(width, height), crop.cut(width, height)) if crop.short_px is not None else (None, box)
    if size is not None and size[0] * size[1] > _MOST_PIXELS:
        # Of a very long picture without the step between, which changes a level of a colour here and there.
        size, cut = None, box
    crops = opened.crops([(index, cut) for index, _ in frames], crop.side_px, crop.resample, size)
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
    cut = iter(cut_faces(opened, [(face.frame_index, face.box, face.landmarks) for face in faces if face.landmarks is not None], crop))

    def recut(face: Face) -> Face:
        box, pixels = next(cut)
        sharpness, brightness = measures(pixels)
        spectrum = spectrum_of(pixels)._asdict()
        return replace(face, crop_box=box, crop=pixels, sharpness=sharpness, brightness=brightness, **spectrum)

    return tuple(replace(one, faces=tuple(recut(face) for face in one.faces)) for one in tracks)
