"""Which pictures make a training batch: class-balanced, source-balanced, and swaps side by side with the untouched picture under them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.errors import LabError
from attribution.lab.forge.augment import augment
from attribution.lab.forge.pools import Samples, left_out
from attribution.lab.train.recipes import Recipe

# Of the quality changes (`augment`): every third picture is changed little.
STRENGTHS = (0.35, 1.0, 1.0)


@dataclass(frozen=True)
class Batch:
    """`pictures` B×S×S×3 uint8, `labels` B int64 (class of the head), `boxes` K_i×4 float32 of each picture where a detector learns any."""

    pictures: np.ndarray
    labels: np.ndarray
    boxes: tuple[np.ndarray, ...] = ()


class BySource:
    """Draws samples of a method, its sources weighted by the square root of their size: a large source must not own its class. `in` tells
    whether a method has any sample; none is drawn of what a training leaves out. Sources are in their first order, or `ordered` by name."""

    def __init__(self, samples: Samples, methods: Iterable[str], leave_out: Sequence[str] = (), ordered: bool = False) -> None:
        self._base = samples.base
        self.indices: dict[str, list[np.ndarray]] = {}
        self._weights: dict[str, np.ndarray] = {}
        seen = ~left_out(samples.methods, samples.sources, leave_out)
        own, sources = np.array(samples.methods), np.array(samples.sources)
        for method in methods:
            mine = np.flatnonzero((own == method) & seen)
            names = sorted(set(sources[mine].tolist())) if ordered else dict.fromkeys(sources[mine].tolist())
            if names:
                self.indices[method] = [mine[sources[mine] == name] for name in names]
                sizes = np.array([len(indices) for indices in self.indices[method]], float) ** 0.5
                self._weights[method] = sizes / sizes.sum()

    def __contains__(self, method: str) -> bool:
        return method in self.indices

    def draw(self, method: str, random: np.random.Generator) -> int:
        """The index of one sample."""
        sources = self.indices[method]
        return int(random.choice(sources[int(random.choice(len(sources), p=self._weights[method]))]))

    def seeded(self, method: str, count: int, random: np.random.Generator, with_base: int = 0) -> list[tuple[int, int]]:
        """`count` samples of a method (none where it has none), each with a seed for what is done to it; `with_base` of them come with the
        untouched picture under them, of the same seed: such a pair differs in the manipulation alone."""
        drawn: list[tuple[int, int]] = []
        for place in range(count if method in self else 0):
            index, seed = self.draw(method, random), int(random.integers(2**31))
            drawn += [(index, seed), (int(self._base[index]), seed)][: 2 if place < with_base else 1]
        return drawn


def check_pairs(samples: Samples, methods: Collection[str]) -> None:
    """LabError where a face of `methods`, which are drawn as pairs, has no untouched crop under it."""
    alone = [method for method, base in zip(samples.methods, samples.base, strict=True) if base < 0 and method in methods]
    if alone:
        raise LabError(f"A face of {alone[0]} has no untouched crop under it.", "Name it in the manifest's column pair, or take it out.")


def check_sources(samples: Samples, recipe: Recipe) -> None:
    """LabError where only one source shows a class: it would be one collection's look (what a fold leaves out is its own affair)."""
    for name, methods in recipe.classes.items():
        sources = {source for method, source in zip(samples.methods, samples.sources, strict=True) if method in methods}
        if len(sources) == 1:
            raise LabError(f"Only one source shows the class {name}.", "Add faces from another source, or take the class out.")


class Sampler:
    """Draws the batches of a recipe. The same (seed, step, rank) gives the same batch: a resumed run needs no state of it."""

    def __init__(self, samples: Samples, recipe: Recipe, seed: int, leave_out: Sequence[str] = (), plain_forgeries: bool = False) -> None:
        check_pairs(samples, recipe.pairs)
        self._samples, self._seed, self._recipe = samples, seed, recipe
        self._plain_forgeries = plain_forgeries
        self._label = np.array([recipe.class_of.get(method, -1) for method in samples.methods])
        self._sources = BySource(samples, (*recipe.pairs, *recipe.singles), leave_out)

    def batch(self, step: int, rank: int, side_px: int) -> Batch:
        """The batch of one worker at one step; pictures are `side_px` windows at original scale. Pairs come last, each forgery before the
        untouched picture under it."""
        random = np.random.default_rng([self._seed, step, rank])
        chosen = [one for method, count in self._recipe.singles.items() for one in self._sources.seeded(method, count, random)]
        chosen += [
            one for method, count in self._recipe.pairs.items() for one in self._sources.seeded(method, count, random, with_base=count)
        ]
        pictures = []
        for index, seed in chosen:
            changing = np.random.default_rng(seed)
            strength = float(changing.choice(STRENGTHS))
            picture = np.array(self._samples.picture(index)) if self._plain_forgeries else self._samples.encoded(index)
            pictures.append(augment(picture, changing, side_px, strength))
        return Batch(np.stack(pictures), self._label[[index for index, _ in chosen]])
