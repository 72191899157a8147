"""Which patches make a step of either stage of DNA-Det's training."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from attribution.errors import LabError
from attribution.lab.data import REAL, SIDE_PX
from attribution.lab.forge.augment import augment
from attribution.lab.forge.transformations import CROP_PX, transformations
from attribution.lab.pools import Samples
from attribution.lab.train.sampling import Batch
from attribution.models.backbones import PATCH_PX

CLASSES = (REAL, "stylegan2", "generated_photos", "sdxl", "flux1")
# An item is one picture of every class, as in the paper; stage 1 takes as many transformed pictures for one.
PATCHES = 16
PICTURES = len(CLASSES)
# Of the quality changes (`augment`): a third of the pictures keeps the finest traces as they are.
STRENGTHS = (0.0, 0.3, 0.8)


def cut(picture: np.ndarray, random: np.random.Generator, count: int = PATCHES) -> np.ndarray:
    """`count` random patches of S×S×3 uint8, N×64×64×3."""
    places = random.integers(0, picture.shape[0] - PATCH_PX + 1, (count, 2)).tolist()
    return np.stack([picture[top : top + PATCH_PX, left : left + PATCH_PX] for top, left in places])


def magnified(picture: np.ndarray, side_px: int) -> np.ndarray:
    """S×S×3 uint8 at `side_px`, bilinear, as the network magnifies whole pictures."""
    if picture.shape[0] == side_px:
        return picture
    return cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_LINEAR)


def _no_faces(method: str) -> LabError:
    return LabError(f"The faces to train on hold none of {method}.", "Add some, or leave the class out.")


class TransformationSampler:
    """Stage 1: a random 128×128 window of an untouched photograph → one of the 170 transformations, drawn evenly → `side_px` → patches.
    A step has `items` × 5 such pictures."""

    def __init__(self, samples: Samples, seed: int, side_px: int, items: int = 1, patches: int = PATCHES) -> None:
        self._samples, self._seed, self._side_px, self._items, self._patches = samples, seed, side_px, items, patches
        self._pictures = np.flatnonzero(np.array(samples.methods) == REAL)
        if not len(self._pictures):
            raise _no_faces(REAL)
        self._transformations = transformations()

    def batch(self, step: int, rank: int) -> Batch:
        """The patches of one worker at one step, labelled by their transformation."""
        random = np.random.default_rng([self._seed, step, rank])
        patches, labels = [], []
        for _ in range(self._items * PICTURES):
            picture = self._samples.picture(int(random.choice(self._pictures)))
            top, left = (int(v) for v in random.integers(0, SIDE_PX - CROP_PX + 1, 2))
            window = np.ascontiguousarray(picture[top : top + CROP_PX, left : left + CROP_PX])
            label = int(random.integers(len(self._transformations)))
            changed = self._transformations[label].apply(window, random)
            patches.append(cut(magnified(changed, self._side_px), random, self._patches))
            labels += [label] * self._patches
        return Batch(np.concatenate(patches), np.array(labels))


class ArchitectureSampler:
    """Stage 2: `items` times one picture of every class, from a source drawn by the square root of its size; `patches` of each, or the
    whole picture (`patches` 0). The share `augmented` of the pictures changes in quality and geometry, alike for every class; the others
    are mirrored at most."""

    def __init__(
        self,
        samples: Samples,
        seed: int,
        side_px: int,
        items: int = 1,
        patches: int = PATCHES,
        leave_out: Collection[str] = (),
        augmented: float = 1.0,
    ) -> None:
        self._samples, self._seed, self._side_px, self._items, self._patches = samples, seed, side_px, items, patches
        strangers = sorted(set(leave_out) - set(CLASSES))
        if strangers:
            raise LabError(f"DNA-Det has no class {strangers[0]!r} to leave out.", f"Use some of {', '.join(CLASSES)}.")
        self._augmented = augmented
        methods, sources = np.array(samples.methods), np.array(samples.sources)
        self.classes = tuple(name for name in CLASSES if name not in leave_out)
        self._pools = []
        for name in self.classes:
            names, counts = np.unique(sources[methods == name], return_counts=True)
            if not len(names):
                raise _no_faces(name)
            pools = [np.flatnonzero((methods == name) & (sources == source)) for source in names]
            self._pools.append((pools, counts**0.5 / (counts**0.5).sum()))

    def batch(self, step: int, rank: int) -> Batch:
        """The patches (or whole pictures) of one worker at one step, labelled by their class."""
        random = np.random.default_rng([self._seed, step, rank])
        pictures, labels = [], []
        for label, (pools, chances) in [*enumerate(self._pools)] * self._items:
            index = int(random.choice(pools[int(random.choice(len(pools), p=chances))]))
            picture = np.array(self._samples.picture(index))
            # Not drawn where every picture changes, so that such runs stay as they were.
            if self._augmented >= 1 or random.random() < self._augmented:
                picture = augment(picture, random, SIDE_PX, float(random.choice(STRENGTHS)))
            elif random.random() < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
            shown = magnified(picture, self._side_px)
            pictures.append(cut(shown, random, self._patches) if self._patches else shown[None])
            labels += [label] * len(pictures[-1])
        return Batch(np.concatenate(pictures), np.array(labels))
