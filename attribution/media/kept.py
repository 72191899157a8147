"""A decoded picture or frame that waits to be cut: a small copy for detection, and full resolution for the crops.

Runs only in the worker process. A clip's frame stays in its own pixel format (half the bytes of RGB); only the area around a crop is
converted. "Shown" coordinates are those of the original picture after its orientation and its pixels' shape were applied.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from attribution.media import orientation as turn
from attribution.media.limits import MediaLimits
from attribution.messages import Message
from attribution.text.reasons import reason

MOST_KEPT_PIXELS = 3840 * 2160

# 8-bit planar formats that an area can be cut from as they are; others become one of them.
_KEPT_FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
_LANCZOS_REACH = 3
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

Area = tuple[float, float, float, float]

# Setting up a scaler costs more than a frame; these keep theirs between frames. Only one thread reads a clip.
_FOR_DETECTION, _FOR_KEEPING = VideoReformatter(), VideoReformatter()


@dataclass(frozen=True)
class KeptPicture:
    """A still picture or one of an animation, upright RGB, and its detection copy `small` (h×w×3 uint8). `width` and `height` are those of
    the original, which `image` has but in a large animation."""

    image: Image.Image
    small: np.ndarray
    width: int
    height: int
    seconds: float = 0.0
    density: float = 1.0

    def crop(self, box: Area, size: int | tuple[int, int], resample: str = "lanczos") -> np.ndarray:
        """H×W×3 uint8 of that `size`, a side or (width, height): the area `box` (x0, y0, x1, y1 in shown pixels), resampled with one of
        FILTERS."""
        per_x, per_y = self.image.width / self.width, self.image.height / self.height
        inside = (box[0] * per_x, box[1] * per_y, min(box[2] * per_x, self.image.width), min(box[3] * per_y, self.image.height))
        return np.asarray(self.image.resize(_sides(size), FILTERS[resample], box=inside))


@dataclass(frozen=True)
class KeptFrame:
    """One frame of a clip. `frame` holds the stored pixels, `width` and `height` are those of the original as shown. Where the picture
    changes its size within the clip, the frame lies in the largest of these pictures as players show it, `place` (left, top) and with
    `density` of its own pixels per pixel of that; boxes are in pixels of that picture."""

    frame: Any
    small: np.ndarray
    width: int
    height: int
    seconds: float
    orientation: int
    place: tuple[float, float] = (0.0, 0.0)
    density: float = 1.0

    def crop(self, box: Area, size: int | tuple[int, int], resample: str = "lanczos") -> np.ndarray:
        """H×W×3 uint8 of that `size`, a side or (width, height): the area `box` (x0, y0, x1, y1 in shown pixels), resampled with one of
        FILTERS; black beyond the frame."""
        across, down = _sides(size)
        (left, top), density = self.place, self.density
        x0, x1 = (box[0] - left) * density, (box[2] - left) * density
        y0, y1 = (box[1] - top) * density, (box[3] - top) * density
        inside = max(x0, 0.0), max(y0, 0.0), min(x1, float(self.width)), min(y1, float(self.height))
        per_x, per_y = across / (x1 - x0), down / (y1 - y0)
        first_x, last_x = round((inside[0] - x0) * per_x), round((inside[2] - x0) * per_x)
        first_y, last_y = round((inside[1] - y0) * per_y), round((inside[3] - y0) * per_y)
        cut = np.zeros((down, across, 3), np.uint8)
        if last_x > first_x and last_y > first_y:
            cut[first_y:last_y, first_x:last_x] = self._cut(inside, (last_x - first_x, last_y - first_y), resample)
        return cut

    def _cut(self, box: tuple[float, float, float, float], size: tuple[int, int], resample: str) -> np.ndarray:
        """The area `box` in shown pixels of this frame alone, at that size (width, height)."""
        stored = (self.frame.width, self.frame.height)
        across, down = stored[::-1] if turn.swaps_sides(self.orientation) else stored
        per_x, per_y = across / self.width, down / self.height
        x0, x1 = box[0] * per_x, min(box[2] * per_x, across)
        y0, y1 = box[1] * per_y, min(box[3] * per_y, down)
        # Lanczos, which reaches furthest of them, looks beyond the box, three source pixels for each pixel of the result; 2 more for the
        # chroma's grid.
        margin_x = math.ceil(_LANCZOS_REACH * max(1.0, (x1 - x0) / size[0])) + 2
        margin_y = math.ceil(_LANCZOS_REACH * max(1.0, (y1 - y0) / size[1])) + 2
        left, right = max(0, math.floor(x0) - margin_x), min(across, math.ceil(x1) + margin_x)
        top, bottom = max(0, math.floor(y0) - margin_y), min(down, math.ceil(y1) + margin_y)
        area = turn.stored_area((left, top, right, bottom), *stored, self.orientation)
        even = (area[0] & ~1, area[1] & ~1, min(stored[0], area[2] + 1 & ~1), min(stored[1], area[3] + 1 & ~1))
        rgb = _area(self.frame, even)[area[1] - even[1] :, area[0] - even[0] :][: area[3] - area[1], : area[2] - area[0]]
        image = Image.fromarray(turn.upright(rgb, self.orientation))
        inside = (x0 - left, y0 - top, x1 - left, y1 - top)
        return np.asarray(image.resize(size, FILTERS[resample], box=inside))


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def middle(kept: KeptPicture | KeptFrame, whole: tuple[int, int], box: Area, resample: str) -> np.ndarray:
    """The area `box` (whole pixels) of the picture after it was resized to `whole` (width, height)."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    return kept.crop((0.0, 0.0, float(kept.width), float(kept.height)), whole, resample)[y0:y1, x0:x1]


def upright_face(kept: KeptPicture | KeptFrame, matrix: Sequence[float], own_px: int, side_px: int, resample: str) -> np.ndarray:
    """side×side×3 uint8: the square of `own_px` that `matrix` (2×3, row by row; counted from the middle of the first pixel, as OpenCV does)
    brings the shown picture to, bilinear and black beyond it, and then resampled."""
    # Where the confined process never needs it, it is not loaded.
    import cv2

    forth = np.array(matrix, dtype=np.float64).reshape(2, 3)
    corners = np.array([[0, own_px, 0, own_px], [0, 0, own_px, own_px], [1, 1, 1, 1]], dtype=np.float64)
    back = cv2.invertAffineTransform(forth) @ corners
    left, top = (max(0, math.floor(edge) - 2) for edge in back.min(axis=1))
    right, bottom = (min(most, math.ceil(edge) + 3) for edge, most in zip(back.max(axis=1), (kept.width, kept.height), strict=True))
    if right <= left or bottom <= top:
        return np.zeros((side_px, side_px, 3), np.uint8)
    area = kept.crop((left, top, right, bottom), (right - left, bottom - top), "bilinear")
    forth[:, 2] += forth[:, :2] @ (left, top)
    face = cv2.warpAffine(area, forth, (own_px, own_px), flags=cv2.INTER_LINEAR)
    return np.asarray(Image.fromarray(face).resize((side_px, side_px), FILTERS[resample]))


def small_size(width: int, height: int, short_px: int | None, long_px: int) -> tuple[int, int]:
    """Size of the detection copy: the short side at most `short_px`, the long side at most `long_px`, never larger than the original."""
    scale = max(1.0, max(width, height) / long_px, min(width, height) / short_px if short_px else 1.0)
    return max(1, round(width / scale)), max(1, round(height / scale))


def keep(
    frame: Any, seconds: float, orientation: int | None, pixel_shape: Fraction | None, limits: MediaLimits, most_bytes: float | None = None
) -> tuple[KeptFrame, list[Message]]:
    """Keep a decoded frame; also plain notes on what was done to it. `pixel_shape`: width of a stored pixel over its height; `most_bytes`:
    what it may take of the memory, by default its share of the half that is for `limits.frames`."""
    notes = []
    if orientation is None:
        orientation = 1
        notes.append(reason("slanted"))
    stretch = float(pixel_shape) if pixel_shape and 0.25 <= pixel_shape <= 4 else 1.0
    width, height = max(1, round(frame.width * stretch)), frame.height
    small = small_size(width, height, limits.clip_side_px, limits.picture_side_px)
    rgb = _convert(_FOR_DETECTION, frame, *small, "rgb24").to_ndarray()
    kept = _fit(frame, most_bytes or limits.memory_bytes / 2 / limits.frames)
    if kept.width < frame.width:
        sides = {"across": frame.width, "down": frame.height, "kept_across": kept.width, "kept_down": kept.height}
        notes.append(reason("scaled_down", **sides))
    if turn.swaps_sides(orientation):
        width, height = height, width
    return KeptFrame(kept, turn.upright(rgb, orientation), width, height, seconds, orientation), notes


def laid_in(kept: KeptFrame, width: int, height: int, limits: MediaLimits) -> KeptFrame:
    """The frame as players show it in a picture of another size: as large as fits, in the middle, on black."""
    if (kept.width, kept.height) == (width, height):
        return kept
    density = max(kept.width / width, kept.height / height)
    place = (width - kept.width / density) / 2, (height - kept.height / density) / 2
    across, down = small_size(width, height, limits.clip_side_px, limits.picture_side_px)
    per_px = across / width
    left, top = round(place[0] * per_px), round(place[1] * per_px)
    small = Image.new("RGB", (across, down))
    small.paste(
        Image.fromarray(kept.small).resize((max(1, across - 2 * left), max(1, down - 2 * top)), Image.Resampling.BICUBIC), (left, top)
    )
    return replace(kept, small=np.array(small), place=place, density=density)


def orientation_of(frame: Any) -> int | None:
    """How a frame is to be turned, None when at a slant. Asked of few frames: PyAV's side data refer to their frame in a circle, and a
    large frame lives on until the garbage collector comes by."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return 1 if matrix is None else turn.from_display_matrix(bytes(matrix))


def _fit(frame: Any, budget: float) -> Any:
    """The frame itself where it may be kept as it is, else a copy in a format and of a size that fits `budget` bytes."""
    name = frame.format.name
    if name not in _KEPT_FORMATS or any(plane.line_size < 0 for plane in frame.planes):
        name = "yuv420p" if "420" in name or name in ("nv12", "nv21", "gray", "gray10le", "gray12le") else "yuv444p"
    pixels = frame.width * frame.height
    if pixels * {"20p": 1.5, "22p": 2.0, "44p": 3.0}[name[-3:]] > budget:
        name = "yuv420p"
    shrink = math.sqrt(min(1.0, MOST_KEPT_PIXELS / pixels, budget / (1.5 * pixels) if name == "yuv420p" else 1.0))
    if shrink == 1.0 and name == frame.format.name:
        return frame
    width, height = max(2, round(frame.width * shrink) & ~1), max(2, round(frame.height * shrink) & ~1)
    return _convert(_FOR_KEEPING, frame, *((frame.width, frame.height) if shrink == 1.0 else (width, height)), name)


def _convert(scaler: VideoReformatter, frame: Any, width: int, height: int, name: str) -> Any:
    how = "AREA" if width < frame.width or height < frame.height else "BICUBIC"
    return scaler.reformat(frame, width, height, name, interpolation=how)


def _area(frame: Any, area: tuple[int, int, int, int]) -> np.ndarray:
    """RGB of a stored area (x0, y0 even; x1, y1 even or the edge) of a planar 8-bit frame: the same as converting all of it."""
    x0, y0, x1, y1 = area
    if frame.width % 2 or frame.height % 2:
        # libav spreads chroma differently at odd sizes, and a part of even size would not agree with the whole.
        return frame.to_ndarray(format="rgb24")[y0:y1, x0:x1]
    part = av.VideoFrame(x1 - x0, y1 - y0, frame.format.name)
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    for source, target in zip(frame.planes, part.planes, strict=True):
        # Chroma planes are smaller by a whole factor, rounded up at the edge.
        across, down = -(-frame.width // source.width), -(-frame.height // source.height)
        rows, into = _bytes(source), _bytes(target)
        into[: target.height, : target.width] = rows[y0 // down :, x0 // across :][: target.height, : target.width]
    return part.to_ndarray(format="rgb24")


def _bytes(plane: Any) -> np.ndarray:
    """The bytes of a plane, one row a line; what is beyond the width is padding. Writing into them writes into the frame."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
