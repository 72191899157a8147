"""A contact sheet of the forgeries of Multi-scale Facial Swap, to look at what a training sees: `python -m attribution lab forge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from attribution.errors import LabError
from attribution.lab.data import Data, read_manifest
from attribution.lab.forge.mfs import BLENDS, KINDS, UNSEEN_BLEND, Swapped, dssim, half_resolution, multi_scale_swap
from attribution.lab.forge.pools import load_samples

# A fake that is left untouched is the sheet's second column, whatever the blending.
_FORGED_COLUMNS = tuple((kind, blend) for kind in KINDS if kind != "untouched" for blend in (*BLENDS, UNSEEN_BLEND))
_LEGEND = (
    "Same chances along a row. Thin line: where the untouched picture and the fake meet.  Yellow: the boxes that a detector learns.",
    "DSSIM: dissimilarity from the untouched picture, summed over pixels.  Halved: both pictures were first down-sampled x2.",
)
_GAP, _CAPTION, _TITLE, _TAG, _LINE = 8, 38, 26, 18, 20
_PAPER, _INK, _FAINT = (255, 255, 255), (25, 25, 25), (110, 110, 110)
_GREEN, _RED, _YELLOW, _CYAN = (20, 110, 60), (185, 25, 30), (255, 215, 0), (0, 235, 255)


def draw(sheet: Path, data: Data, work: Path, split: str, method: str, most: int, seed: int) -> None:
    """Draw at most so many pairs of a method and write the sheet; LabError when there is no pair or the file cannot be written."""
    rows = read_manifest(data)
    samples = load_samples(rows, work, split)
    landmarks = [row.landmarks for row in rows if row.split == split]
    usable = [index for index, name in enumerate(samples.methods) if name == method and samples.base[index] >= 0]
    if not usable or most < 1:
        raise LabError(f"No pair of {method} to show in {split}.", "Run `lab prepare`, or ask for at least one row.")
    strips = []
    for index in np.random.default_rng(seed).choice(usable, min(most, len(usable)), replace=False).tolist():
        base, label = int(samples.base[index]), samples.paths[index] or f"{method} {index}"
        strips.append(pair_strip(samples.encoded(base), samples.encoded(index), landmarks[base], (seed, index), label))
    drawn = contact_sheet(strips, f"{method}, {split}, seed {seed}")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    if sheet.suffix.lower() != ".png" or not cv2.imwrite(str(sheet), drawn[..., ::-1]):
        step = "Name a file that ends in .png, in a folder that can be written."
        raise LabError(f"The sheet could not be written to {sheet.name}.", step)
    print(f"{sheet}: {len(strips)} pairs, {drawn.shape[1]}x{drawn.shape[0]} px")


def pair_strip(real: np.ndarray, fake: np.ndarray, landmarks: np.ndarray, seed: Sequence[int], label: str) -> np.ndarray:
    """One row of the sheet: the untouched picture, the fake and each kind with each blending (S×S×3 uint8 each), with their captions."""
    cells = [
        _cell(real, "untouched", label if len(label) <= 30 else f"...{label[-27:]}", "UNTOUCHED", _GREEN),
        _cell(fake, "fake", f"DSSIM {dssim(real, fake).sum():.0f}", "MANIPULATED", _RED),
    ]
    for kind, blend in _FORGED_COLUMNS:
        # Each cell of the row begins from the same generator state, so that the columns differ by what they are named for alone.
        swapped = multi_scale_swap(real, fake, landmarks, np.random.default_rng(seed), kind, blend)
        if swapped is None:
            cells.append(_cell(np.full_like(real, 225), f"{kind} / {blend}", "dropped: too little is left", "", _FAINT))
            continue
        ground, halved = (half_resolution(real), ", halved") if swapped.halved else (real, "")
        note = f"DSSIM {dssim(ground, swapped.rgb).sum():.0f}{halved}"
        cells.append(_cell(marked(swapped), f"{kind} / {blend}", note, "MANIPULATED", _RED))
    return _joined(cells, 1)


def marked(swapped: Swapped) -> np.ndarray:
    """A copy of the forgery with the border of its mask and its boxes drawn on it (S×S×3 uint8)."""
    drawn = np.array(swapped.rgb)
    side = len(drawn)
    outlines, _ = cv2.findContours((swapped.mask > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, _CYAN, 1)
    for place, box in enumerate(swapped.boxes):
        x0, y0, x1, y1 = (round(float(edge) * side) for edge in box)
        cv2.rectangle(drawn, (x0, y0), (x1 - 1, y1 - 1), _YELLOW, 2 if place else 1)
    return drawn


def contact_sheet(strips: Sequence[np.ndarray], title: str) -> np.ndarray:
    """The rows under each other, below the title and the legend."""
    head = np.full((_TITLE + _LINE * len(_LEGEND) + _GAP, strips[0].shape[1], 3), _PAPER, np.uint8)
    _write(head, f"Multi-scale Facial Swap: {title}", 20, 0.66, _INK)
    for place, line in enumerate(_LEGEND):
        _write(head, line, _TITLE + 16 + _LINE * place, 0.46, _FAINT)
    return np.pad(_joined([head, *strips], 0), ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255)


def _cell(rgb: np.ndarray, name: str, note: str, tag: str, colour: tuple[int, int, int]) -> np.ndarray:
    """A picture over its two-line caption; what it is stands in the picture too, for whoever cuts it out of the sheet."""
    picture = np.array(rgb)
    if tag:
        cv2.rectangle(picture, (0, 0), (8 + 9 * len(tag), _TAG), colour, -1)
        _write(picture, tag, 13, 0.42, _PAPER, left=5)
    caption = np.full((_CAPTION, picture.shape[1], 3), _PAPER, np.uint8)
    _write(caption, name, 14, 0.44, _INK)
    _write(caption, note, 31, 0.42, _FAINT)
    return np.vstack([picture, caption])


def _write(canvas: np.ndarray, text: str, baseline: int, scale: float, colour: tuple[int, int, int], left: int = 1) -> None:
    cv2.putText(canvas, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _joined(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """The parts after each other along an axis with a gap between them."""
    pad = [(0, 0), (0, 0), (0, 0)]
    pad[axis] = (0, _GAP)
    spaced = [np.pad(part, pad, constant_values=255) for part in parts[:-1]]
    return np.concatenate([*spaced, parts[-1]], axis=axis)
