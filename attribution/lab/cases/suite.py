"""The table of kinds, and the files of all of them with a manifest of what is right (`python -m attribution lab cases make`)."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from attribution.errors import LabError
from attribution.lab.cases import clips, pictures
from attribution.lab.cases.faces import Faces
from attribution.lab.data import Data, written_whole

MANIFEST, SEED = "manifest.json", 20261
Maker = Callable[[Path, np.random.Generator, Faces, int], Path]
# What the verdict on the whole file may be, by what the file shows.
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "no face": ("inconclusive",),
    "untouched": ("inconclusive", "no_manipulation_found"),
    "swapped": ("inconclusive", "manipulated"),
}


@dataclass(frozen=True)
class Kind:
    """A kind of files: what they show (a key of ALLOWED), who makes one, and how many, with the labelled faces and without. Each `turns`
    files in a row are drawn alike, and the answer on all of them has to be that on the first."""

    name: str
    shows: str
    make: Maker
    count: int = 25
    without_data: int = 6
    turns: int = 1


KINDS = (
    Kind("blobs", "no face", pictures.blobs, without_data=25),
    Kind("textures", "no face", pictures.textures, without_data=25),
    Kind("mirrors", "no face", pictures.mirrors, without_data=25),
    Kind("photographs", "no face", pictures.photographs, 24, 24),
    Kind("soft", "untouched", pictures.soft, 30),
    Kind("dark or blurred", "untouched", pictures.dark_or_blurred),
    Kind("halftone", "untouched", pictures.halftone, 16),
    Kind("dithered", "untouched", pictures.dithered, 16),
    Kind("drawn", "untouched", pictures.drawn, 16),
    Kind("screen", "untouched", pictures.screen, 16),
    Kind("ordinary", "untouched", pictures.ordinary, 30),
    Kind("moved", "untouched", clips.moved, 20),
    Kind("post", "untouched", pictures.post, 12),
    Kind("turned", "untouched", pictures.turned, 16, 8, turns=4),
    Kind("trimmed", "untouched", clips.trimmed, 8),
    Kind("swapped", "swapped", pictures.swapped),
    Kind("group", "swapped", pictures.group, 20),
    Kind("grown", "swapped", clips.grown, 20),
    Kind("animated", "swapped", clips.animated, 24),
    Kind("long", "swapped", clips.long, 8, 3),
    Kind("seldom usable", "swapped", clips.seldom_usable, 20),
    Kind("still", "swapped", clips.still, 20),
    Kind("swapped post", "swapped", pictures.swapped_post, 12),
    Kind("swapped turned", "swapped", pictures.swapped_turned, 16, 8, turns=4),
    Kind("swapped trimmed", "swapped", clips.swapped_trimmed, 8),
)


@dataclass(frozen=True)
class Case:
    """A file and what is right: the verdict on it is one of `allowed` and, where `like` names another file, that on the other one."""

    file: str
    sha256: str
    kind: str
    shows: str
    seed: tuple[int, int, int]
    allowed: tuple[str, ...]
    like: str = ""


def make_case(kind: Kind, number: int, folder: Path, faces: Faces, seed: int = SEED) -> Case:
    """Write one file of a kind; the same number and seed give the same file."""
    drawn = number // kind.turns
    seeds = seed, zlib.crc32(kind.name.encode()), drawn
    stem = kind.name.replace(" ", "-")
    file = kind.make(folder / f"{stem}-{number:02}", np.random.default_rng(seeds), faces, number)
    first = f"{stem}-{drawn * kind.turns:02}{file.suffix}"
    like = first if first != file.name else ""
    return Case(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), kind.name, kind.shows, seeds, ALLOWED[kind.shows], like)


def write_suite(folder: Path, data: Data | None, kinds: Sequence[Kind] = KINDS, seed: int = SEED) -> list[Case]:
    """Write the files into FOLDER/files and what is right into FOLDER/manifest.json. LabError where there are files already."""
    files = folder / "files"
    if files.exists():
        raise LabError(f"There are files in {folder.name} already.", "Name a new folder with --out.")
    files.mkdir(parents=True)
    faces, cases = Faces(data), []
    for kind in kinds:
        count = kind.count if data else kind.without_data
        cases += [make_case(kind, number, files, faces, seed) for number in range(count)]
        print(f"{kind.name}: {count}", flush=True)
    with written_whole(folder / MANIFEST) as file:
        found = {"seed": seed, "labelled_faces": bool(data), "cases": [asdict(case) for case in cases]}
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if not data:
        print("Without --data there are fewer cases: only the two portraits show faces.")
    return cases
