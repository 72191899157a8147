"""The patch view: a picture cut into tiles around a face, and each 64×64 patch of them read alone by DNA-Det.

The traces of a generator's architecture lie all over what it drew (Yang et al., AAAI 2022, arXiv 2202.13843), so that an edit inside of
an untouched photograph shows as an island of patches with another answer than those around it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from attribution.detectors.predictor import Predictor
from attribution.evidence import Box, Patches, Track
from attribution.evidence.checks import need
from attribution.media import OpenedMedia
from attribution.models.dnadet import PATCH_PX, DnaDet

TILES_A_SIDE, PATCHES_A_SIDE, MOST_TILED_FACES = 5, 4, 4
_BATCH = 64
# A strip at the picture's edge that is narrower than this share of a tile (a quarter of a patch) could not show anything of its own.
_LEAST_STRIP = 1 / 16


@dataclass(frozen=True, repr=False)
class Tiles:
    """Squares of a picture around a face, row by row: `boxes` in original pixels, and `pixels` N×S×S×3 uint8 at the detector's side."""

    boxes: tuple[Box, ...]
    pixels: np.ndarray

    def __post_init__(self) -> None:
        good = isinstance(self.pixels, np.ndarray) and self.pixels.dtype == np.uint8 and self.pixels.ndim == 4
        need(good and self.pixels.shape[1] == self.pixels.shape[2] > 0 and self.pixels.shape[3] == 3, "tiles that are not N×S×S×3 uint8")
        need(len(self.boxes) == len(self.pixels) > 0, "tiles without a box each")


def reads_patches(predictor: Predictor) -> bool:
    """Whether `patch_view` works with this detector: DNA-Det, reading pictures at a side that holds a patch."""
    return isinstance(predictor.model, DnaDet) and _read_side_px(predictor) >= PATCH_PX


def tile_boxes(crop_box: Box, width: int, height: int) -> tuple[Box, ...]:
    """Squares as large as `crop_box`, one of which it is, that cover a picture of width×height pixels around it; row by row.

    The last row and column at an edge is shifted to end there. At most 5×5, those nearest to `crop_box`.
    """
    side = crop_box[2] - crop_box[0]
    columns, rows = _places(crop_box[0], side, float(width)), _places(crop_box[1], side, float(height))
    return tuple((x, y, min(x + side, float(width)), min(y + side, float(height))) for y in rows for x in columns)


def cut_tiles(opened: OpenedMedia, tracks: Sequence[Track], side_px: int) -> tuple[Tiles | None, ...]:
    """The tiles of a picture's faces at `side_px`, aligned with `tracks`: of the 4 largest faces, None for the others and in clips.

    One request to the decoder. Raises MediaError when it fails.
    """
    media = opened.media
    if media.kind != "picture":
        return (None,) * len(tracks)
    largest = sorted(range(len(tracks)), key=lambda number: -tracks[number].best.crop_side_px)[:MOST_TILED_FACES]
    boxes = {number: tile_boxes(tracks[number].best.crop_box, media.width, media.height) for number in sorted(largest)}
    requests = [(tracks[number].best.frame_index, box) for number, own in boxes.items() for box in own]
    cut = iter(opened.crops(requests, side_px) if requests else ())
    tiles = {number: Tiles(own, np.stack([next(cut) for _ in own])) for number, own in boxes.items()}
    return tuple(tiles.get(number) for number in range(len(tracks)))


def patch_view(predictor: Predictor, tiles: Tiles) -> Patches:
    """Every tile as 4×4 patches of 64×64 (more where the detector magnifies it to over 256 px), each read alone and without its mirror
    image; neighbours overlap slightly.

    The probabilities have the card's calibration for patches; where it has none, its temperature for whole faces: with so little to go by
    a patch is less sure than they then say. Raises ValueError for a detector that is not DNA-Det, for one that reads less than a patch,
    and for tiles of another side than its crops.
    """
    if not reads_patches(predictor):
        raise ValueError(f"{predictor.info.name} cannot read patches of {PATCH_PX} px: that takes DNA-Det")
    read_px = _read_side_px(predictor)
    starts = _starts(read_px)
    pixels = predictor.checked(tiles.pixels)
    try:
        logits = _logits(predictor, pixels, starts)
    except torch.OutOfMemoryError:
        # The GPU belongs to others too.
        torch.cuda.empty_cache()
        logits = _logits(Predictor(predictor.detector, "cpu"), pixels, starts)
    boxes = [_part_of(tile, left, top, read_px) for tile in tiles.boxes for top in starts for left in starts]
    # Six digits: half of a millionth for each of a thousand labels still sums to 1.
    p_methods = _calibrated(predictor, logits).astype(np.float64).round(6).tolist()
    return Patches(predictor.info.labels, tuple(boxes), tuple(tuple(row) for row in p_methods))


def patch_logits(predictor: Predictor, pixels: np.ndarray) -> np.ndarray:
    """N×S×S×3 uint8 tiles → the uncalibrated logits of their patches, tile by tile and row by row, M×K float32."""
    return _logits(predictor, predictor.checked(pixels), _starts(_read_side_px(predictor)))


def _calibrated(predictor: Predictor, logits: np.ndarray) -> np.ndarray:
    """The card's calibration for patches, M×K float32; rows sum to 1."""
    own = predictor.card.calibration
    bias = np.array(own.patch_bias or [0.0] * logits.shape[1], np.float32)
    # `calibrated` divides by the temperature of whole faces.
    return predictor.calibrated((logits + bias) * np.float32(own.temperature / (own.patch_temperature or own.temperature)))


def _read_side_px(predictor: Predictor) -> int:
    """The side that DNA-Det reads a whole picture at."""
    model: Any = predictor.model
    return model.img_size or predictor.card.crop.side_px


def _places(own: float, side: float, extent: float) -> list[float]:
    """Where tiles begin along one axis of `extent` pixels, in order: at most five, `own` among them."""
    least = _LEAST_STRIP * side
    before, after = (math.ceil(max(0.0, room - least) / side) for room in (own, extent - own - side))
    first = max(-before, min(-(TILES_A_SIDE // 2), after - TILES_A_SIDE + 1))
    return [min(max(own + step * side, 0.0), max(extent - side, 0.0)) for step in range(first, min(after, first + TILES_A_SIDE - 1) + 1)]


def _starts(side_px: int) -> list[int]:
    """Where patches begin along a side, spread evenly from its beginning to its end."""
    return [round(start) for start in np.linspace(0, side_px - PATCH_PX, max(PATCHES_A_SIDE, math.ceil(side_px / PATCH_PX)))]


def _part_of(tile: Box, left: int, top: int, side_px: int) -> Box:
    """The patch at `left`, `top` of a tile that was read at `side_px`, in original pixels to the hundredth."""
    per_px = (tile[2] - tile[0]) / side_px, (tile[3] - tile[1]) / side_px
    x0, y0 = tile[0] + left * per_px[0], tile[1] + top * per_px[1]
    return round(x0, 2), round(y0, 2), round(x0 + PATCH_PX * per_px[0], 2), round(y0 + PATCH_PX * per_px[1], 2)


def _logits(predictor: Predictor, pixels: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """N×K logits of every patch, tile by tile and row by row, in batches of at most 64."""
    model: Any = predictor.model
    together = max(1, _BATCH // len(starts) ** 2)
    found = []
    with torch.inference_mode():
        for first in range(0, len(pixels), together):
            shown = model.magnified(predictor.inputs(pixels[first : first + together]))
            cut = [shown[:, :, top : top + PATCH_PX, left : left + PATCH_PX] for top in starts for left in starts]
            for batch in torch.stack(cut, dim=1).flatten(0, 1).split(_BATCH):
                found.append(model.forward_patches(batch.contiguous(memory_format=torch.channels_last))[1].float().cpu().numpy())
    return np.concatenate(found)
