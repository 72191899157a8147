"""The faces that every detector of the study reads, seeded: for each source its manipulated faces and the untouched ones beside them.

Untouched faces: those of DFDC's clips for DFDC's swaps; for all other trained-on sources, and Flux, the faces of the other collections of
the manifest; for the sources elsewhere, those of the split `cross`, which no training sees. *val* faces choose units, *test* faces measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.lab.data import REAL, Row, find_data, read_manifest
from attribution.lab.forge.unseen import unseen_swaps
from attribution.lab.pools import Samples, load_samples
from attribution.lab.studies.zeroshot.plan import SEED, SOURCES, TRAINED
from attribution.lab.train.loop import save_arrays

DFDC, WEB, ELSEWHERE = "dfdc", "web", "elsewhere"
UNTOUCHED_OF: Mapping[str, str] = {
    source: DFDC if source == "dfdc_swap" else WEB if source in (*TRAINED, "flux1") else ELSEWHERE for source in SOURCES
}
# At most so many faces of each kind (all where there are fewer), untouched and manipulated alike.
MOST = {"val": 100, "test": 200}
_METHOD_ELSEWHERE = {"stylegan2_elsewhere": "stylegan2", "generated_photos_elsewhere": "generated_photos"}


@dataclass(frozen=True)
class Faces:
    """N faces. `crops` N×224×224×3 uint8, encoded as JPEG once like the crops of the manifest; `kind` N: a source of `plan.SOURCES`, or
    DFDC, WEB or ELSEWHERE for untouched ones; `groups` N: clip, person or picture; `split` N: "val" or "test"."""

    crops: np.ndarray
    kind: np.ndarray
    groups: np.ndarray
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def manipulated(self) -> np.ndarray:
        """N boolean."""
        return np.isin(self.kind, SOURCES)

    def of(self, source: str, split: str = "test") -> np.ndarray:
        """Indices of the manipulated faces of a source and of the untouched ones beside them."""
        return np.flatnonzero((self.split == split) & np.isin(self.kind, (source, UNTOUCHED_OF[source])))


def untouched_kind(samples: Samples, index: int, split: str) -> str:
    """Which untouched faces the crop at `index` belongs to; "" for a manipulated one."""
    if samples.families[index] != REAL:
        return ""
    return ELSEWHERE if split == "cross" else DFDC if samples.sources[index] == "dfdc" else WEB


def gather(data: Path, work: Path, most: Mapping[str, int] | None = None) -> Faces:
    """The faces of the study from the prepared work folder (`lab prepare`), at most `most` of each kind by split."""
    most, rows = most or MOST, read_manifest(data)
    crops: list[np.ndarray] = []
    kinds: list[str] = []
    groups: list[str] = []
    splits: list[str] = []
    for split in ("val", "test", "cross"):
        samples, own = load_samples(data, rows, work, split), "test" if split == "cross" else split
        by_kind: dict[str, list[int]] = {}
        for index in range(len(samples)):
            kind = untouched_kind(samples, index, split) or _source(samples, index, split)
            by_kind.setdefault(kind, []).append(index)
        for kind, indices in sorted(by_kind.items()):
            if kind not in UNTOUCHED_OF and kind not in UNTOUCHED_OF.values():
                continue
            for index in _chosen(indices, most[own]):
                crops.append(samples.encoded(index))
                kinds.append(kind)
                groups.append(samples.groups[index])
                splits.append(own)
        if split == "cross":
            for rgb, group in _swapped(samples, rows, _chosen(by_kind.get(ELSEWHERE, []), most[own])):
                crops.append(rgb)
                kinds.append("unseen_swap")
                groups.append(group)
                splits.append(own)
    return Faces(np.stack(crops), np.array(kinds), np.array(groups), np.array(splits))


def _source(samples: Samples, index: int, split: str) -> str:
    """The source of the study that a manipulated face belongs to, or another name."""
    method = samples.methods[index]
    if split != "cross":
        # A swap of the lab on a DFDC frame has no untouched face of its own kind beside it.
        return "" if samples.sources[index].endswith(" on dfdc") else method
    return next((source for source, one in _METHOD_ELSEWHERE.items() if one == method), "")


def _chosen(indices: list[int], most: int) -> list[int]:
    """At most `most` of them, seeded, in their order."""
    if len(indices) <= most:
        return indices
    return sorted(np.random.default_rng([SEED, len(indices)]).choice(indices, most, replace=False).tolist())


def _swapped(samples: Samples, rows: list[Row], chosen: list[int]) -> list[tuple[np.ndarray, str]]:
    """A whole swap in a way that no training used on each of the chosen untouched faces, with a donor of the same collection."""
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
        faces = gather(find_data(data_flag), work)
        save_arrays(kept, crops=faces.crops, kind=faces.kind, groups=faces.groups, split=faces.split)
    with np.load(kept) as stored:
        return Faces(stored["crops"], stored["kind"], stored["groups"], stored["split"])
