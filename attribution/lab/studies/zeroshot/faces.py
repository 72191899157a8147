"""The faces of the generalisability study, seeded: those that every detector reads (*val* faces choose units, *test* faces measure), for
each source its manipulated faces and the untouched ones beside them; and those that each source trains on, one pool drawn and changed in
quality once (`augment`). All detectors see the same pictures in the same order, so that no difference is one of luck in drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attribution.lab.data import REAL, SIDE_PX, Data, Row, find_data, read_manifest
from attribution.lab.forge.augment import augment
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.forge.unseen import unseen_swaps
from attribution.lab.studies.zeroshot.plan import SEED, SOURCES, TRAINED, pool_file
from attribution.lab.train.loop import save_arrays
from attribution.lab.train.sampling import STRENGTHS, BySource

DFDC, WEB, ELSEWHERE = "dfdc", "web", "elsewhere"
UNTOUCHED_OF: Mapping[str, str] = {
    source: DFDC if source == "dfdc_swap" else WEB if source in (*TRAINED, "flux1") else ELSEWHERE for source in SOURCES
}
# At most so many faces of each kind, untouched and manipulated alike.
MOST = {"val": 100, "test": 200}
_ELSEWHERE = {"stylegan2": "stylegan2_elsewhere", "generated_photos": "generated_photos_elsewhere"}


@dataclass(frozen=True)
class Faces:
    """N faces: `crops` N×224×224×3 uint8, encoded as JPEG once; `kind` N: a source of `plan.SOURCES`, or DFDC, WEB or ELSEWHERE for
    untouched ones; `groups` N: clip, person or picture; `split` N: "val" or "test"."""

    crops: np.ndarray
    kind: np.ndarray
    groups: np.ndarray
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def manipulated(self) -> np.ndarray:
        return np.isin(self.kind, SOURCES)

    def of(self, source: str, split: str = "test") -> np.ndarray:
        """Indices of the manipulated faces of a source and of the untouched ones beside them."""
        return np.flatnonzero((self.split == split) & np.isin(self.kind, (source, UNTOUCHED_OF[source])))


def kind_of(samples: Samples, index: int, split: str) -> str:
    """The source or the kind of untouched faces of the crop at `index`; another name when it is of none."""
    untouched, method = samples.families[index] == REAL, samples.methods[index]
    if split == "cross":
        return ELSEWHERE if untouched else _ELSEWHERE.get(method, "")
    if untouched:
        return DFDC if samples.sources[index] == "dfdc" else WEB
    # A swap of the lab on a DFDC frame has no untouched face of its own kind beside it.
    return "" if samples.sources[index].endswith(" on dfdc") else method


def gather(data: Data, work: Path, most: Mapping[str, int] = MOST) -> Faces:
    """The faces of the study from the prepared work folder, at most `most` of each kind by split."""
    rows = read_manifest(data)
    found: list[tuple[np.ndarray, str, str, str]] = []
    for split in ("val", "test", "cross"):
        samples, own = load_samples(rows, work, split), "test" if split == "cross" else split
        by_kind: dict[str, list[int]] = {}
        for index in range(len(samples)):
            by_kind.setdefault(kind_of(samples, index, split), []).append(index)
        for kind in sorted(by_kind.keys() & {*UNTOUCHED_OF, *UNTOUCHED_OF.values()}):
            found += [(samples.encoded(index), kind, samples.groups[index], own) for index in _some(by_kind[kind], most[own])]
        if split == "cross":
            swapped = _swapped(samples, rows, _some(by_kind.get(ELSEWHERE, []), most[own]))
            found += [(rgb, "unseen_swap", group, own) for rgb, group in swapped]
    crops, *names = zip(*found, strict=True)
    return Faces(np.stack(crops), *map(np.array, names))


def _some(indices: list[int], most: int) -> list[int]:
    """At most `most` of them, seeded, in their order."""
    if len(indices) <= most:
        return indices
    return sorted(np.random.default_rng([SEED, len(indices)]).choice(indices, most, replace=False).tolist())


def _swapped(samples: Samples, rows: Sequence[Row], chosen: Sequence[int]) -> list[tuple[np.ndarray, str]]:
    """A whole swap that no training used on each of the chosen untouched faces, donors from the same collection."""
    landmarks = np.stack([row.landmarks for row in rows if row.split == "cross"])
    found: list[tuple[np.ndarray, str]] = []
    for number, source in enumerate(sorted({samples.sources[index] for index in chosen})):
        own = [index for index in chosen if samples.sources[index] == source]
        persons = [samples.groups[index] for index in own]
        made = unseen_swaps([samples.picture(index) for index in own], landmarks[own], persons, 1, number)
        found += [(one.rgb, persons[one.base]) for one in made if one.kind == "whole"]
    return found


def load_faces(data_flag: str | None, work: Path, runs: Path) -> Faces:
    """The faces of the study, gathered once and kept in `runs/faces.npz`."""
    kept = runs / "faces.npz"
    if not kept.exists():
        save_arrays(kept, **vars(gather(find_data(data_flag), work)))
    with np.load(kept) as stored:
        return Faces(**stored)


def make_pool(samples: Samples, source: str, runs: Path, size: int = 2400) -> Path:
    """The pool of one source from the training samples, once: 2·size×224×224×3 uint8, untouched and manipulated faces by turns.
    Collections are drawn by the square root of their size; a manipulated face follows its untouched original if that is there, both
    changed alike."""
    out = pool_file(runs, source)
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    random, beside = np.random.default_rng([SEED, TRAINED.index(source)]), UNTOUCHED_OF[source]
    kinds = [kind_of(samples, index, "train") for index in range(len(samples))]
    # The lab's swaps on DFDC frames would make DFDC's look a mark of manipulation: no untouched face beside them has it.
    manipulated = BySource(samples, (source,), () if beside == DFDC else (DFDC,))
    untouched = BySource(replace(samples, methods=tuple(kinds)), (beside,), ())
    unfinished = out.with_suffix(".part.npy")
    pool = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (2 * size, SIDE_PX, SIDE_PX, 3))
    for place in range(size):
        fake = manipulated.draw(source, random)
        below = int(samples.base[fake])
        paired = below >= 0 and kinds[below] == beside
        real = below if paired else untouched.draw(beside, random)
        seeds = random.integers(2**31, size=2)
        for turn, index in enumerate((real, fake)):
            own = np.random.default_rng(int(seeds[0 if paired else turn]))
            pool[2 * place + turn] = augment(samples.encoded(index), own, SIDE_PX, float(own.choice(STRENGTHS)))
    pool.flush()
    del pool
    unfinished.replace(out)
    return out
