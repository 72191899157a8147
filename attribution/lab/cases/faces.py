"""The heads that the cases are made of: the two public-domain portraits and, with the labelled faces, crops of their split `test`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import skimage

from attribution.errors import LabError
from attribution.faces.finder import FaceFinder
from attribution.lab.data import REAL, Data, Row, read_manifest
from attribution.lab.examples import Portrait, find_portrait
from attribution.lab.forge.autoencoder import load_autoencoder
from attribution.lab.forge.swaps import autoencoder_swap, landmark_swap

# Crops whose faces had fewer pixels in their source were enlarged, which is a kind of its own.
_LEAST_SOURCE_PX = 112
_PORTRAIT_SHARE, _PAIR_SHARE = 0.15, 0.4
# Of 160 pairs drawn from the labelled faces the 32 whose crops telltale-mobilenetv2 and telltale-attribution told apart best when the cases
# were chosen, so that what becomes of them in a file is the doing of the file.
_POOL_SEED, _WITHOUT_DATA = 5, 8
_TOLD_APART = (
    9, 15, 16, 18, 28, 41, 44, 47, 55, 56, 60, 63, 79, 82, 85, 86, 89, 93, 113, 115, 119, 120, 129, 133, 137, 143, 146, 152, 155, 156, 157,
    159,
)  # fmt: skip


class Faces:
    """Draws heads; the same state of the generator gives the same head. `data`: the folders of the labelled faces, or None. `pairs`: those
    that the swapped kinds are made from, by the numbers in `choose`."""

    def __init__(self, data: Data | None = None, choose: Sequence[int] | None = None) -> None:
        self.finder = FaceFinder("cpu")
        astronaut = Path(skimage.__file__).parent / "data" / "astronaut.png"
        hopper = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
        self._portraits = [find_portrait(path, self.finder) for path in (astronaut, hopper)]
        self._network = load_autoencoder()
        rows = [row for row in read_manifest(data or ()) if row.split == "test" and row.source_face_px >= _LEAST_SOURCE_PX]
        self._rows = {row.path: row for row in rows}
        self._genuine: dict[str, list[Row]] = {}
        for row in rows:
            if row.family == REAL:
                self._genuine.setdefault(row.source, []).append(row)
        self._swaps = [row for row in rows if row.pair in self._rows]
        if data and not (self._genuine and self._swaps):
            raise LabError("The data hold no untouched faces or no pairs in the split test.", "Fetch the data set again.")
        if choose is None:
            choose = _TOLD_APART if data else range(_WITHOUT_DATA)
        self.pairs = [self._pair(np.random.default_rng((_POOL_SEED, number))) for number in choose]

    def genuine(self, rng: np.random.Generator) -> Portrait:
        """An untouched head in a picture: a portrait, cut at random around its face, or a crop on a canvas, of each source as often."""
        if not self._genuine or rng.random() < _PORTRAIT_SHARE:
            return _cut(self._portraits[int(rng.integers(2))], rng)
        rows = self._genuine[str(rng.choice(sorted(self._genuine)))]
        return _on_canvas(rows[int(rng.integers(len(rows)))], rng)

    def pair(self, rng: np.random.Generator) -> tuple[Portrait, Portrait]:
        """One of `pairs`: an untouched head, and the same with its face swapped."""
        return self.pairs[int(rng.integers(len(self.pairs)))]

    def _pair(self, rng: np.random.Generator) -> tuple[Portrait, Portrait]:
        """By a pair of the data, by the auto-encoder or by landmarks."""
        if self._swaps and rng.random() < _PAIR_SHARE:
            row = self._swaps[int(rng.integers(len(self._swaps)))]
            head = _on_canvas(self._rows[row.pair], rng)
            return head, replace(head, rgb=head.with_crop(_read(row)))
        head = self.genuine(rng)
        if rng.random() < 0.5:
            return head, replace(head, rgb=head.with_crop(autoencoder_swap(head.crop.copy(), head.points, self._network, rng).rgb))
        donor = self.genuine(rng)
        while abs(float(donor.crop.mean()) - float(head.crop.mean())) < 0.5:
            # With two portraits alone the donor may be the very same person.
            donor = self.genuine(rng)
        side = len(head.crop)
        laid = cv2.resize(donor.crop, (side, side), interpolation=cv2.INTER_CUBIC)
        forged = landmark_swap(head.crop.copy(), head.points, laid, donor.points * (side / len(donor.crop)), rng)
        return head, replace(head, rgb=head.with_crop(forged.rgb))


def _read(row: Row) -> np.ndarray:
    bgr = cv2.imread(str(row.file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise LabError(f"The crop {row.path} cannot be read.", "Fetch the data set again.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _cut(portrait: Portrait, rng: np.random.Generator) -> Portrait:
    """The portrait with 0.35 to 0.8 times the side of its face's crop around that, as far as it reaches."""
    (rows, columns), side = portrait.window, len(portrait.crop)
    up, left, down, right = (round(side * share) for share in rng.uniform(0.35, 0.8, 4))
    top, first = max(rows.start - up, 0), max(columns.start - left, 0)
    rgb = portrait.rgb[top : rows.stop + down, first : columns.stop + right].copy()
    return Portrait(rgb, (slice(rows.start - top, rows.stop - top), slice(columns.start - first, columns.stop - first)), portrait.points)


def _on_canvas(row: Row, rng: np.random.Generator) -> Portrait:
    """The crop as it is, on its own edges carried on and blurred the more the farther out, as if the background was out of focus."""
    crop, border = _read(row), int(rng.integers(80, 120))
    wide = cv2.copyMakeBorder(crop, border, border, border, border, cv2.BORDER_REPLICATE)
    inside = np.zeros(wide.shape[:2], np.float32)
    window = slice(border, border + len(crop))
    inside[window, window] = 1
    alpha = np.maximum(inside, cv2.GaussianBlur(inside, (0, 0), 6))[..., None]
    rgb = (wide * alpha + cv2.GaussianBlur(wide, (0, 0), 14) * (1 - alpha) + 0.5).astype(np.uint8)
    return Portrait(rgb, (window, window), row.landmarks)
