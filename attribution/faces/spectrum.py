"""What the spectrum of a crop tells of it, whatever its stored size: how much true detail it holds, and whether it shows a printed screen.

Natural pictures have power ~ 1/f² (Field 1987, Relations between the statistics of natural images and the response properties of cortical
cells), so that power × f² is flat up to where their detail ends. An enlarged picture has none beyond the detail of the small one. A
halftone, an ordered dither and a photographed display have single strong points; dots scattered by error diffusion have most of it at high
frequencies.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

_SIDE_PX, _CORNER_PX, _LEAST_CROP_PX = 224, 96, 96
_LOWEST_CYCLES = {_SIDE_PX: 3, _CORNER_PX: 2}
# 95 % of it lies below the end of detail, of which the power law makes pixels: set on 1,600 sharp faces of `val` reduced to 16-96 px and
# enlarged again (three filters, JPEG 60-95, sharpening).
_DETAIL_SHARE, _DETAIL_FACTOR, _DETAIL_POWER = 0.95, 0.298, 1.4
_FLAT_CONTRAST = 4.0
# A point is so many times as strong as its ring. Of 1,220 faces of `val` none has as much in points, and one as much beyond 43 cycles; of
# 1,218 of `test` none has either. Of prints made of 254 untouched ones, points find 99 % of halftones (3-8 px a dot), all ordered dithers
# and 95 % of photographed displays whose stripes are still to be seen; the rest finds 27 % of error diffusion: few colours, not resized.
_POINT, _POINTS_FROM, _MOST_IN_POINTS, _FINE_FROM, _MOST_FINE = 20.0, 16, 0.12, 43, 1.5


class Spectrum(NamedTuple):
    """`resolved_px`, 0..224: how many pixels across would hold all the detail of a crop. `screened`, ≥ 0: how much of a printed screen or
    of dithering it shows, as a multiple of the most that photographs have. Both are None where the crop itself is too small to tell."""

    resolved_px: float | None
    screened: float | None


def spectrum_of(crop: np.ndarray) -> Spectrum:
    """Of an RGB crop, S×S×3 uint8: from power spectra of its luma at 224 px. Grain counts as detail.

    A swapped face is often softer than what is around it, and that is no enlarged picture: where three of the four corners of the crop have
    more detail than all of it seen through a window, theirs counts.
    """
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if len(crop) < _LEAST_CROP_PX:
        return Spectrum(None, None)
    if luma.shape != (_SIDE_PX, _SIDE_PX):
        how = cv2.INTER_AREA if len(luma) > _SIDE_PX else cv2.INTER_CUBIC
        luma = cv2.resize(luma, (_SIDE_PX, _SIDE_PX), interpolation=how)
    power, means, flat = _powers(luma)
    if flat.sum() <= 0:
        return Spectrum(0.0, 0.0)
    ring, _ = _grid(_SIDE_PX)
    weighted = power * np.where((ring >= _LOWEST_CYCLES[_SIDE_PX]) & (ring <= _SIDE_PX // 2), ring, 0) ** 2.0
    in_points = float(weighted[(ring >= _POINTS_FROM) & (power > _POINT * means[ring])].sum() / weighted.sum())
    split = _FINE_FROM - _LOWEST_CYCLES[_SIDE_PX]
    fine = float(flat[split:].sum() / max(flat[:split].sum(), 1e-12))
    screened = max(in_points / _MOST_IN_POINTS, fine / _MOST_FINE)
    ends = slice(_CORNER_PX), slice(_SIDE_PX - _CORNER_PX, None)
    parts = (luma[rows, columns] for rows in ends for columns in ends)
    corners = sorted(_detail(part, _powers(part)[2]) for part in parts)
    return Spectrum(max(_detail(luma, flat), corners[1]), screened)


def _detail(luma: np.ndarray, flat: np.ndarray) -> float:
    """How many pixels across 224 would hold the detail of a square part of the crop, from its powers times f²; 0 where there is hardly
    anything in it."""
    side = len(luma)
    if luma.std() < _FLAT_CONTRAST or flat.sum() <= 0:
        return 0.0
    below = np.cumsum(flat) / flat.sum()
    cycles = _LOWEST_CYCLES[side] + float(np.interp(_DETAIL_SHARE, below, np.arange(len(below))))
    return min(float(_SIDE_PX), _DETAIL_FACTOR * (2 * cycles * _SIDE_PX / side) ** _DETAIL_POWER)


def _powers(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The power of each frequency, its mean over each ring, and these times f² from the lowest ring that counts to the finest."""
    side = len(luma)
    ring, window = _grid(side)
    values = (luma - np.float32(luma.mean())) * window
    power = (cv2.dft(values, flags=cv2.DFT_COMPLEX_OUTPUT) ** 2).sum(axis=2).ravel()
    means = np.bincount(ring, power) / np.bincount(ring)
    counted = np.arange(_LOWEST_CYCLES[side], side // 2 + 1)
    return power, means, means[counted] * counted**2


@cache
def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """The ring of each frequency, in cycles across, all beyond the finest as one, and the window that the crop is seen through."""
    cycles = np.minimum(np.arange(side), side - np.arange(side))
    ring = np.minimum(np.round(np.hypot(cycles[:, None], cycles)), side // 2 + 1).astype(np.intp).ravel()
    return ring, np.outer(np.hanning(side), np.hanning(side)).astype(np.float32)
