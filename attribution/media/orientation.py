"""The eight ways in which stored pixels can lie, numbered as in EXIF (JEITA CP-3451, tag 0x0112): 1 is upright, 6 must be turned
a quarter to the right, 2, 4, 5 and 7 are mirrored. Clips say the same with a display matrix (ISO 14496-12, `tkhd`)."""

import struct
from typing import TypeVar

import numpy as np

# (a, b, c, d) of the display matrix: a stored pixel (x, y) is shown at (a·x + c·y, b·x + d·y), moved back into the picture.
_BY_MATRIX = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}

BY_DEGREES = {90: 6, 180: 3, 270: 8}
"""The orientation of pixels that are to be turned to the right by so much."""

_Number = TypeVar("_Number", int, float)


def from_display_matrix(nine_integers: bytes) -> int | None:
    """The orientation of libav's display matrix (nine native int32, 16.16 fixed point); None when it is a slant or no matrix."""
    if len(nine_integers) < 36:
        return None
    a, b, _, c, d = struct.unpack("=5i", nine_integers[:20])
    scale = max(abs(a), abs(b), abs(c), abs(d))
    if scale == 0:
        return None
    # A hundredth of a turn off the axes is an encoder's rounding; more is a slant.
    signs = (round(a / scale), round(b / scale), round(c / scale), round(d / scale))
    exact = all(abs(value / scale - sign) < 0.02 for value, sign in zip((a, b, c, d), signs, strict=True))
    return _BY_MATRIX.get(signs) if exact else None


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places when the picture is shown."""
    return orientation >= 5


def upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Stored H×W×3 pixels as they are shown, contiguous."""
    if orientation == 2:
        rgb = rgb[:, ::-1]
    elif orientation == 3:
        rgb = rgb[::-1, ::-1]
    elif orientation == 4:
        rgb = rgb[::-1]
    elif orientation == 5:
        rgb = rgb.transpose(1, 0, 2)
    elif orientation == 6:
        rgb = np.rot90(rgb, -1)
    elif orientation == 7:
        rgb = rgb[::-1, ::-1].transpose(1, 0, 2)
    elif orientation == 8:
        rgb = np.rot90(rgb, 1)
    return np.ascontiguousarray(rgb)


def stored_area(area: tuple[_Number, ...], width: int, height: int, orientation: int) -> tuple[_Number, _Number, _Number, _Number]:
    """An area (x0, y0, x1, y1) of the shown picture, in the stored pixels (`width`×`height`) that it shows."""
    x0, y0, x1, y1 = area
    if swaps_sides(orientation):
        x0, y0, x1, y1 = y0, x0, y1, x1
    # 2, 3, 7 and 8 show the stored x axis backwards; 3, 4, 6 and 7 the stored y axis.
    if orientation in (2, 3, 7, 8):
        x0, x1 = width - x1, width - x0
    if orientation in (3, 4, 6, 7):
        y0, y1 = height - y1, height - y0
    return x0, y0, x1, y1


def affine(width: int, height: int, orientation: int) -> np.ndarray:
    """3×3: where a stored pixel (x, y, 1) of a picture of `width`×`height` is shown, counted from the middle of the first pixel."""
    right, bottom = width - 1.0, height - 1.0
    x, y = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    if orientation in (2, 3, 7, 8):
        x = [-1.0, 0.0, right]
    if orientation in (3, 4, 6, 7):
        y = [0.0, -1.0, bottom]
    return np.array([y, x, [0, 0, 1]] if swaps_sides(orientation) else [x, y, [0, 0, 1]])
