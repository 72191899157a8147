"""What the study's detectors are trained on: per source one pool of faces, drawn and changed in quality once.

All detectors see the same pictures in the same order, so that a difference between them is not one of luck in drawing; and the changes
(`augment`: compression, blur, scale, colour, noise) are paid for once instead of once per detector.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attribution.lab.data import SIDE_PX
from attribution.lab.forge.augment import augment
from attribution.lab.pools import Samples
from attribution.lab.studies.zeroshot.faces import DFDC, UNTOUCHED_OF, untouched_kind
from attribution.lab.studies.zeroshot.plan import SEED, TRAINED
from attribution.lab.train.sampling import STRENGTHS, BySource

# Untouched and manipulated faces each: 200 batches of 24.
POOL_SIZE = 2400


def pool_file(runs: Path, source: str) -> Path:
    """2·POOL_SIZE×224×224×3 uint8: untouched and manipulated faces by turns."""
    return runs / "pools" / f"{source}.npy"


def make_pool(samples: Samples, source: str, runs: Path, size: int = POOL_SIZE) -> Path:
    """The pool of one source from the training samples, once. Collections are drawn by the square root of their size. A manipulated face
    whose untouched original is there is preceded by it (DFDC's pairs, the lab's swaps), and both are changed alike."""
    out = pool_file(runs, source)
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([SEED, TRAINED.index(source)])
    # The lab's swaps on DFDC frames would make DFDC's look a mark of manipulation: no untouched face beside them has it.
    manipulated = BySource(samples, (source,), () if UNTOUCHED_OF[source] == DFDC else (DFDC,))
    untouched = BySource(_untouched(samples, UNTOUCHED_OF[source]), ("untouched",), ())
    unfinished = out.with_suffix(".part.npy")
    pool = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (2 * size, SIDE_PX, SIDE_PX, 3))
    for place in range(size):
        fake = manipulated.draw(source, random)
        below = int(samples.base[fake])
        original = below if below >= 0 and untouched_kind(samples, below, "train") == UNTOUCHED_OF[source] else -1
        real = original if original >= 0 else untouched.draw("untouched", random)
        seeds = random.integers(2**31, size=2)
        for turn, index in enumerate((real, fake)):
            own = np.random.default_rng(int(seeds[0 if original >= 0 else turn]))
            strength = float(own.choice(STRENGTHS))
            pool[2 * place + turn] = augment(samples.encoded(index), own, SIDE_PX, strength)
    pool.flush()
    del pool
    unfinished.replace(out)
    return out


def _untouched(samples: Samples, kind: str) -> Samples:
    """The samples with the method "untouched" for the untouched faces of a kind, and none for all others."""
    methods = tuple("untouched" if untouched_kind(samples, index, "train") == kind else "" for index in range(len(samples)))
    return Samples(samples.parts, methods, samples.families, samples.sources, samples.groups, samples.paths, samples.base)
