"""Training batches of the ID-unaware detector and of the plain binary detector beside it: the same faces in the same order with the same
changes, as Multi-scale Facial Swaps with boxes for the one, as they are for the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from attribution.errors import LabError
from attribution.lab.data import REAL, Row
from attribution.lab.forge.augment import photometric
from attribution.lab.forge.mfs import HALVED_SHARE, KINDS, half_resolution, multi_scale_swap
from attribution.lab.pools import Samples
from attribution.lab.train.sampling import BySource

# Of one worker's step: swaps by method, and how many of these come with the untouched picture under them. The untouched rest comes from
# every collection alike, so that a picture's collection does not give the answer away.
SWAPS: Mapping[str, int] = {"dfdc_swap": 9, "landmark_swap": 2, "self_blended": 3, "autoencoder_swap": 2}
WITH_BASE: Mapping[str, int] = {"dfdc_swap": 6, "landmark_swap": 1, "self_blended": 1, "autoencoder_swap": 1}
OTHER_UNTOUCHED = 7
BATCH = sum(SWAPS.values()) + sum(WITH_BASE.values()) + OTHER_UNTOUCHED

# Every third picture is changed little.
_STRENGTHS = (0.35, 1.0, 1.0)
_MOVED_SHARE = 0.45
# A pixel differs when the mean of its colours, smoothed over 3 px, is this far off: over that of two encodings of one frame (3 of 255).
_DIFFERS_BY, _SMOOTHED_PX = 6.0, 3.0
_LEAST_OF_AREA, _LEAST_OF_PICTURE = 0.3, 0.05
_TRIES = 3


@dataclass(frozen=True)
class Batch:
    """`pictures` B×224×224×3 uint8, `labels` B int64 (0 untouched, 1 swapped), `boxes`: K_i×4 float32 each, none for untouched faces."""

    pictures: np.ndarray
    labels: np.ndarray
    boxes: tuple[np.ndarray, ...]


class Sampler:
    """Draws batches; the same (seed, step, rank) gives the same one, so a resumed run needs no state of it. `plain` leaves out the
    Multi-scale Facial Swap and nothing else; `shares` says how often it draws each of KINDS (empty: as the paper does)."""

    def __init__(
        self,
        samples: Samples,
        rows: Sequence[Row],
        seed: int,
        plain: bool = False,
        leave_out: Sequence[str] = (),
        shares: Sequence[float] = (),
    ) -> None:
        if shares and (len(shares) != len(KINDS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6):
            raise LabError(f"The shares of the swaps do not fit: {', '.join(KINDS)}.", "Give one for each, with a sum of 1.")
        self._samples, self._rows, self._seed, self._plain, self._shares = samples, rows, seed, plain, tuple(shares)
        self._sources = BySource(samples, (REAL, *SWAPS), leave_out)

    def batch(self, step: int, rank: int) -> Batch:
        """The batch of one worker at one step."""
        random = np.random.default_rng([self._seed, step, rank])
        chosen: list[tuple[int, int]] = []
        for method, count in SWAPS.items():
            for place in range(count if method in self._sources else 0):
                index, seed = self._sources.draw(method, random), int(random.integers(2**31))
                chosen.append((index, seed))
                if place < WITH_BASE[method]:
                    # One seed for both: the pair then differs in the manipulation alone.
                    chosen.append((int(self._samples.base[index]), seed))
        chosen += [(self._sources.draw(REAL, random), int(random.integers(2**31))) for _ in range(OTHER_UNTOUCHED)]
        made = [self._made(index, seed) for index, seed in chosen]
        labels = np.array([int(self._samples.methods[index] != REAL) for index, _ in chosen])
        return Batch(np.stack([rgb for rgb, _ in made]), labels, tuple(boxes for _, boxes in made))

    def _made(self, index: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """One picture, moved, swapped and changed, and its boxes."""
        # A stream each: a pair keeps its movement and its changes alike, whatever the swap between them draws.
        moving, swapping, changing = (np.random.default_rng([seed, stream]) for stream in range(3))
        move = _Move.drawn(moving, self._samples.picture(index).shape[0])
        rgb = move.picture(self._samples.encoded(index))
        boxes = np.zeros((0, 4), np.float32)
        if self._samples.methods[index] != REAL:
            boxes = np.array([[0, 0, 1, 1]], np.float32)
            if not self._plain:
                base = int(self._samples.base[index])
                real, landmarks = move.picture(self._samples.encoded(base)), move.points(self._rows[base].landmarks)
                rgb, boxes = _swapped(real, rgb, landmarks, swapping, self._shares)
        elif not self._plain and swapping.random() < HALVED_SHARE:
            # As many untouched faces lose half of their resolution as swapped ones: a low resolution must not mean a swap.
            rgb = half_resolution(rgb)
        return photometric(rgb, changing, float(changing.choice(_STRENGTHS))), boxes


def _swapped(
    real: np.ndarray, fake: np.ndarray, landmarks: np.ndarray, random: np.random.Generator, shares: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """A Multi-scale Facial Swap whose remaining difference can be seen, after three tries the fake as it is; and its boxes."""
    for _ in range(_TRIES):
        kind = str(random.choice(KINDS, p=shares)) if shares else None
        found = multi_scale_swap(real, fake, landmarks, random, kind)
        if found is None:
            continue
        if found.kind == "untouched":
            return found.rgb, found.boxes
        gap = cv2.absdiff(found.rgb, half_resolution(real) if found.halved else real).mean(2, dtype=np.float32)
        differs = cv2.GaussianBlur(gap, (0, 0), _SMOOTHED_PX) > _DIFFERS_BY
        inside = found.mask > 0.5
        if found.kind == "real_into_fake":
            # Most of a fake frame is the untouched frame encoded once more: what is left of it must hold some of the manipulation.
            visible = float(differs.mean()) >= _LEAST_OF_PICTURE
        else:
            visible = float(differs[inside].mean()) >= _LEAST_OF_AREA if inside.any() else False
        if visible:
            return found.rgb, found.boxes
    return fake, np.array([[0, 0, 1, 1]], np.float32)


@dataclass(frozen=True)
class _Move:
    """A mirror image, a rotation, a growth and a shift, the same for every picture and point that it is given."""

    mirrored: bool
    warp: np.ndarray | None

    @staticmethod
    def drawn(random: np.random.Generator, side: int) -> _Move:
        chances = random.random(2)
        warp = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(-10, 10), random.uniform(0.9, 1.15))
        warp[:, 2] += random.uniform(-0.05, 0.05, 2) * side
        return _Move(bool(chances[0] < 0.5), warp if chances[1] < _MOVED_SHARE else None)

    def picture(self, rgb: np.ndarray) -> np.ndarray:
        if self.mirrored:
            rgb = np.ascontiguousarray(rgb[:, ::-1])
        if self.warp is None:
            return rgb
        return cv2.warpAffine(rgb, self.warp, rgb.shape[:2], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)

    def points(self, points: np.ndarray, side: int = 224) -> np.ndarray:
        """Landmarks 5×2 in pixels, left stays left: mirrored ones change places."""
        if self.mirrored:
            points = np.stack([side - 1 - points[:, 0], points[:, 1]], 1)[[1, 0, 2, 4, 3]]
        if self.warp is None:
            return points.astype(np.float32)
        return (points @ self.warp[:, :2].T + self.warp[:, 2]).astype(np.float32)
