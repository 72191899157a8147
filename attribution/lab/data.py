"""The labelled face crops: the manifest, the method of each row, and decoded pictures as memory-mapped arrays.

The folders are found by `--data` or the environment variable `TELLTALE_DATA` (several: one after the other, as in PATH), never by a fixed
path. The `manifest.csv` of each has a row per crop: path, split (train, val, test, cross), label (family), source, generator, group, pair,
…, and five landmarks in crop pixels."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from attribution.errors import LabError, MissingData

ENVIRONMENT_VARIABLE = "TELLTALE_DATA"
DATA_HELP = "folder of the labelled faces, or several (default: the environment variable TELLTALE_DATA)"
SIDE_PX = 224
SPLITS = ("train", "val", "test", "cross")
_POINTS = tuple(f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy")
_COLUMNS = ("path", "split", "label", "source", "group", "pair", "source_face_px", *_POINTS)
REAL = "real"
# By generator, as fine as the sources tell; what a detector calls them is up to its training (`train/recipes.py`).
METHOD_OF_SOURCE = {
    (family, source): method
    for family, methods in {
        "face_swap": {
            "dfdc_swap": ("dfdc",),
            "deepfacelive": ("deepfacelive",),
            "hand_composite": ("ciplab",),
            "mixed_swaps": ("ffpp_celebdf", "swap_demos"),
        },
        "reenactment": {
            "talking_head": ("aniportrait", "anitalker", "loopy", "omnihuman", "sonic"),
            "face_warp": ("edtalk", "liveportrait"),
            "ffpp_reenact": ("ffpp_reenact",),
        },
        "gan": {
            "stylegan1": ("faces140k_stylegan1",),
            "stylegan2": ("boredhumans", "tpdne_a", "tpdne_b", "tpdne_c"),
            "stylegan3": ("stylegan3_pool",),
            "generated_photos": ("generated_photos", "generated_photos_b", "generated_photos_c"),
        },
        "diffusion": {
            "sdxl": ("sfhq_t2i_sdxl",),
            "photomaker": ("photomaker",),
            "flux1": ("sfhq_t2i_flux1_schnell", "sfhq_t2i_flux1_dev", "sfhq_t2i_flux1_pro", "headshot_previews"),
            "sd21": ("sdfd_sd21",),
            "recent_generator": (
                "gpt4o_cases", "imagen_game", "kolors_demos", "midjourney", "nano_banana_cases", "prompt_gallery", "zimage_game",
            ),
        },
    }.items()
    for method, sources in methods.items()
    for source in sources
}  # fmt: skip
Data = tuple[Path, ...]


@dataclass(frozen=True)
class Row:
    """One crop. `path` begins with the name of its data folder, `file` is where it lies; `pair` is the path of the pixel-aligned real crop
    ("" if none); `landmarks` 5×2 float32 in crop pixels; `method` says what made it."""

    path: str
    split: str
    family: str
    source: str
    method: str
    group: str
    pair: str
    source_face_px: float
    landmarks: np.ndarray
    file: Path


def find_data(flag: str | None = None) -> Data:
    """The data folders from the flag or the environment (several in one text, as in PATH); MissingData says how to name them, LabError that
    two have the same name."""
    named = flag or os.environ.get(ENVIRONMENT_VARIABLE, "")
    folders = tuple(map(Path, named.split(os.pathsep)))
    if not named or not all((folder / "manifest.csv").is_file() for folder in folders):
        step = f"Name their folder with --data or the environment variable {ENVIRONMENT_VARIABLE}."
        raise MissingData("The labelled face crops were not found.", step)
    if len({folder.resolve().name for folder in folders}) < len(folders):
        raise LabError("Two data folders have the same name.", "Rename one of them.")
    return folders


def in_one_text(data: Data) -> str:
    """The folders as `find_data` reads them."""
    return os.pathsep.join(map(str, data))


def read_manifest(data: Data) -> list[Row]:
    """Every row of the manifests in their order; LabError for a line that cannot be read, an unknown split, a source that has no method,
    or a pair that is not there in the same split."""
    rows = [row for folder in data for row in _rows(folder)]
    split_of = {row.path: row.split for row in rows}
    lost = next((row for row in rows if row.pair and split_of.get(row.pair) != row.split), None)
    if lost is not None:
        what = f"The untouched crop under {lost.path} is not in the manifest's split {lost.split}: {lost.pair}."
        raise LabError(what, "Fetch the data set again.")
    return rows


def _rows(folder: Path) -> Iterator[Row]:
    name = folder.resolve().name
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise LabError(f"The manifest of {name} has no column {missing[0]}.", "Fetch the data set again.")
        for item in reader:
            family, source, split = item["label"], item["source"], item["split"]
            if split not in SPLITS:
                what = f"The manifest of {name} names an unknown split in line {reader.line_num}: {split or 'none'}."
                raise LabError(what, f"Name it {', '.join(SPLITS[:-1])} or {SPLITS[-1]}.")
            method = REAL if family == REAL else METHOD_OF_SOURCE.get((family, source), "")
            if not method:
                raise LabError(f"The manifest of {name} has a source without a method: {family}/{source}.", "Add it to METHOD_OF_SOURCE.")
            try:
                points = np.array([float(item[column]) for column in _POINTS], np.float32).reshape(5, 2)
                side_px = float(item["source_face_px"] or 0)
            except (TypeError, ValueError) as error:
                what = f"The manifest of {name} holds no numbers in line {reader.line_num}."
                raise LabError(what, "Fetch the data set again.") from error
            path, pair = item["path"], item["pair"] and f"{name}/{item['pair']}"
            yield Row(
                f"{name}/{path}", split, family, source, method, item["group"], pair, side_px, points, folder / path,
            )  # fmt: skip


def manifest_hash(data: Data) -> str:
    """sha256 of the manifests, one after the other: the data hash of the model card."""
    return hashlib.sha256(b"".join((folder / "manifest.csv").read_bytes() for folder in data)).hexdigest()


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """Where to write a file that is there whole or not at all; its folder is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".part{file.suffix}")
    yield unfinished
    unfinished.replace(file)


def decode(rows: Sequence[Row], cache: Path) -> np.ndarray:
    """The crops of `rows` as N×224×224×3 uint8 RGB, memory-mapped from `cache` (an .npy file that is made when it is not there)."""
    if not cache.exists():
        with written_whole(cache) as file:
            pictures = np.lib.format.open_memmap(file, "w+", np.uint8, (len(rows), SIDE_PX, SIDE_PX, 3))
            for index, row in enumerate(rows):
                bgr = cv2.imread(str(row.file), cv2.IMREAD_COLOR)
                if bgr is None or bgr.shape != (SIDE_PX, SIDE_PX, 3):
                    raise LabError(f"The crop {row.path} cannot be read at {SIDE_PX} px.", "Fetch the data set again.")
                pictures[index] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            pictures.flush()
            del pictures
    pictures = read_cache(cache)
    if len(pictures) != len(rows):
        raise LabError("The cache of decoded crops belongs to other data.", f"Delete {cache.name} and run again.")
    return pictures


def read_cache(file: Path) -> np.ndarray:
    """Pictures N×224×224×3 uint8 of the work folder, memory-mapped; LabError where they are damaged."""
    try:
        pictures = np.load(file, mmap_mode="r")
        if pictures.shape[1:] == (SIDE_PX, SIDE_PX, 3) and pictures.dtype == np.uint8:
            return pictures
    except (OSError, ValueError):
        pass
    raise LabError(f"The pictures of {file.name} are damaged.", f"Delete {file.name} and run `lab prepare` again.")
