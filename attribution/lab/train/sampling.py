"""Which pictures make a training batch: class-balanced, source-balanced, and swaps side by side with the untouched picture under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.lab.data import REAL
from attribution.lab.forge.augment import augment
from attribution.lab.pools import Samples, left_out

# Per 37 pictures: pairs give the picture and its untouched base, so real faces make up 14 of them, from every real source.
PAIRS = {"dfdc_swap": 5, "landmark_swap": 2, "self_blended": 3, "autoencoder_swap": 2}
SINGLES = {REAL: 2, "stylegan2": 3, "generated_photos": 2, "sdxl": 2, "flux1": 2, "sd21": 2}

# Of the quality changes (`augment`): every third picture is changed little.
STRENGTHS = (0.35, 1.0, 1.0)


@dataclass(frozen=True)
class Batch:
    """`pictures` B×S×S×3 uint8, `labels` B int64 (class of the head)."""

    pictures: np.ndarray
    labels: np.ndarray


class BySource:
    """Draws samples of a method, its sources weighted by the square root of their size: a large source must not own its class. `in` tells
    whether a method has any sample; none is drawn of what a training leaves out."""

    def __init__(self, samples: Samples, methods: Sequence[str], leave_out: Sequence[str]) -> None:
        self.indices: dict[str, list[np.ndarray]] = {}
        self._weights: dict[str, np.ndarray] = {}
        unseen = left_out(samples.methods, samples.sources, leave_out)
        for method in methods:
            by_source: dict[str, list[int]] = {}
            for index, (own, source) in enumerate(zip(samples.methods, samples.sources, strict=True)):
                if own == method and not unseen[index]:
                    by_source.setdefault(source, []).append(index)
            if by_source:
                self.indices[method] = [np.array(indices) for indices in by_source.values()]
                sizes = np.array([len(indices) for indices in by_source.values()], float) ** 0.5
                self._weights[method] = sizes / sizes.sum()

    def __contains__(self, method: str) -> bool:
        return method in self.indices

    def draw(self, method: str, random: np.random.Generator) -> int:
        """The index of one sample."""
        sources = self.indices[method]
        return int(random.choice(sources[int(random.choice(len(sources), p=self._weights[method]))]))


class Sampler:
    """Draws batches from samples. The same (seed, step, rank) gives the same batch: a resumed run needs no state of it."""

    def __init__(
        self, samples: Samples, class_of: Mapping[str, int], seed: int, leave_out: Sequence[str] = (), plain_forgeries: bool = False
    ) -> None:
        self._samples, self._seed = samples, seed
        self._plain_forgeries = plain_forgeries
        self._label = np.array([class_of.get(method, -1) for method in samples.methods])
        self._sources = BySource(samples, (*PAIRS, *SINGLES), leave_out)

    def batch(self, step: int, rank: int, side_px: int) -> Batch:
        """The batch of one worker at one step; pictures are `side_px` windows at original scale."""
        random = np.random.default_rng([self._seed, step, rank])
        chosen: list[tuple[int, int]] = []
        for method, count in SINGLES.items():
            if method in self._sources:
                chosen += [(self._sources.draw(method, random), int(random.integers(2**31))) for _ in range(count)]
        for method, count in PAIRS.items():
            for _ in range(count if method in self._sources else 0):
                index, seed = self._sources.draw(method, random), int(random.integers(2**31))
                # One seed for both: the pair then differs in the manipulation alone.
                chosen += [(index, seed), (int(self._samples.base[index]), seed)]
        pictures, labels = [], []
        for index, seed in chosen:
            own = np.random.default_rng(seed)
            strength = float(own.choice(STRENGTHS))
            picture = np.array(self._samples.picture(index)) if self._plain_forgeries else self._samples.encoded(index)
            pictures.append(augment(picture, own, side_px, strength))
            labels.append(self._label[index])
        return Batch(np.stack(pictures), np.array(labels))
