"""Everything a training run reads, prepared once in a work folder: decoded crops of every split, and pools of the lab's own forgeries.

A pool is `<split>_<method>.npy` (N×224×224×3 uint8) with `<split>_<method>.json`, which names the crop under each forgery (`base`, an
index into the split's rows: the pixel-aligned untouched picture) and the forgery's source."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attribution.errors import LabError
from attribution.lab.data import REAL, SIDE_PX, SPLITS, Row, decode, read_cache, written_whole
from attribution.lab.forge.augment import LAB_JPEG_QUALITY, jpeg
from attribution.lab.forge.autoencoder import load_autoencoder
from attribution.lab.forge.swaps import Forgery, autoencoder_swap, choose_donor, landmark_swap, mouth_blend, self_blend

FORGED: tuple[str, ...] = ("landmark_swap", "self_blended", "autoencoder_swap", "mouth_blend")
POOL_SIZES: Mapping[str, Mapping[str, int]] = {
    "train": {"landmark_swap": 4000, "self_blended": 5000, "autoencoder_swap": 3500, "mouth_blend": 2500},
    **{split: dict.fromkeys(FORGED, 200) for split in SPLITS[1:]},
}


@dataclass(frozen=True)
class Samples:
    """Pictures of one split: the crops of the manifest first, then the forgeries. `base[i]` is the index of the aligned untouched picture
    in the same arrays, or −1; `paths` are relative to the data folder, "" for a forgery."""

    parts: tuple[np.ndarray, ...]
    methods: tuple[str, ...]
    families: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[str, ...]
    paths: tuple[str, ...]
    base: np.ndarray

    def __len__(self) -> int:
        return len(self.methods)

    def crops(self) -> Samples:
        """The crops of the manifest alone."""
        n = len(self.parts[0])
        named = (self.methods[:n], self.families[:n], self.sources[:n], self.groups[:n], self.paths[:n])
        return Samples(self.parts[:1], *named, self.base[:n])

    def picture(self, index: int) -> np.ndarray:
        """The 224×224×3 uint8 crop at `index`."""
        for part in self.parts:
            if index < len(part):
                return part[index]
            index -= len(part)
        raise IndexError(index)

    def encoded(self, index: int) -> np.ndarray:
        """A copy of that crop; a forgery of the lab is encoded once as JPEG, as every crop of the manifest was, so that no missing encoding
        gives it away."""
        picture = np.array(self.picture(index))
        return jpeg(picture, LAB_JPEG_QUALITY) if self.methods[index] in FORGED else picture


def left_out(methods: Sequence[str] | np.ndarray, sources: Sequence[str] | np.ndarray, names: Collection[str]) -> np.ndarray:
    """Which samples (N, boolean) a training that leaves out `names` (methods or sources) must not see: those of the method or the source,
    and the lab's forgeries made from pictures of the source."""
    pairs = zip(methods, sources, strict=True)
    return np.array([method in names or source in names or source.rpartition(" on ")[2] in names for method, source in pairs], bool)


def forge_pool(method: str, split: str, rows: list[Row], pictures: np.ndarray, work: Path, size: int) -> None:
    """Make the pool of `method` for `split` from its real crops, once: `size` forgeries, seeded by split and method."""
    out = work / f"{split}_{method}.npy"
    if out.exists():
        return
    random = np.random.default_rng([SPLITS.index(split) + 1, FORGED.index(method)])
    real = np.array([index for index, row in enumerate(rows) if row.family == REAL])
    landmarks, sources = np.stack([rows[index].landmarks for index in real]), [rows[index].source for index in real]
    counts = {source: sources.count(source) for source in set(sources)}
    # Square-root balance over sources: the largest one must not own the forgeries.
    weights = np.array([counts[source] ** -0.5 for source in sources])
    chosen = random.choice(len(real), size, p=weights / weights.sum())
    make = _maker(method, work)
    with written_whole(out) as file:
        pool = np.lib.format.open_memmap(file, "w+", np.uint8, (len(chosen), SIDE_PX, SIDE_PX, 3))
        for place, pick in enumerate(chosen):
            donor = choose_donor(landmarks[pick], landmarks, random) if method in ("landmark_swap", "mouth_blend") else pick
            target, other = np.array(pictures[real[pick]]), np.array(pictures[real[donor]])
            pool[place] = make(target, landmarks[pick], other, landmarks[donor], random).rgb
        pool.flush()
        out.with_suffix(".json").write_text(json.dumps({"base": [int(real[pick]) for pick in chosen]}))


_Make = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.random.Generator], Forgery]


def _maker(method: str, work: Path) -> _Make:
    """What makes one forgery of a method: from a target and its landmarks, a donor and its landmarks, and a generator."""
    if method == "autoencoder_swap":
        faces = load_autoencoder(work / "autoencoder.safetensors")
        return lambda target, points, _, __, random: autoencoder_swap(target, points, faces, random)
    if method == "self_blended":
        return lambda target, points, _, __, random: self_blend(target, points, random)
    return landmark_swap if method == "landmark_swap" else mouth_blend


def prepare(
    rows: list[Row], work: Path, splits: tuple[str, ...], methods: tuple[str, ...] = FORGED,
    sizes: Mapping[str, Mapping[str, int]] = POOL_SIZES,
) -> None:  # fmt: skip
    """Decode the crops of `splits` and make the pools of `methods`, where they are not there yet."""
    for split in splits:
        own = [row for row in rows if row.split == split]
        pictures = decode(own, work / f"{split}.npy")
        for method in methods:
            forge_pool(method, split, own, pictures, work, sizes[split][method])
            print(f"{split}: {method} ready", flush=True)


def load_samples(rows: list[Row], work: Path, split: str) -> Samples:
    """The prepared samples of one split (see `prepare`)."""
    own = [row for row in rows if row.split == split]
    index_of = {row.path: index for index, row in enumerate(own)}
    parts = [decode(own, work / f"{split}.npy")]
    records = [(row.method, row.family, row.source, row.group, row.path, index_of.get(row.pair, -1)) for row in own]
    for method in FORGED:
        pool = work / f"{split}_{method}.npy"
        if not pool.exists():
            continue
        parts.append(read_cache(pool))
        try:
            below = json.loads(pool.with_suffix(".json").read_text())["base"]
        except (OSError, ValueError, KeyError) as error:
            what = f"The list of what is under each {method} of {split} is damaged."
            raise LabError(what, f"Delete {pool.name}: prepare again.") from error
        if len(below) != len(parts[-1]) or not all(0 <= index < len(own) for index in below):
            raise LabError(f"The pool of {method} belongs to other data.", f"Delete {pool.name} and run `lab prepare` again.")
        records += [(method, "face_swap", f"{method} on {own[index].source}", own[index].group, "", index) for index in below]
    columns: Any = zip(*records, strict=True) if records else [()] * 6
    methods, families, sources, groups, paths, base = columns
    return Samples(tuple(parts), methods, families, sources, groups, paths, np.array(base, int))
