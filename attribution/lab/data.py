"""The labelled face crops: the manifest, the method of each row, and decoded pictures as memory-mapped arrays.

The folder is found by `--data` or the environment variable `TELLTALE_DATA`, never by a fixed path. Its `manifest.csv` has a row per crop:
path, split (train, val, test, cross), label (family), source, generator, group, pair, …, and five landmarks in crop pixels."""

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
DATA_HELP = "folder of the labelled faces (default: the environment variable TELLTALE_DATA)"
SIDE_PX = 224
SPLITS = ("train", "val", "test", "cross")
_POINTS = tuple(f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy")
_COLUMNS = ("path", "split", "label", "source", "group", "pair", "source_face_px", *_POINTS)
REAL = "real"
METHOD_OF_SOURCE = {
    ("face_swap", "dfdc"): "dfdc_swap",
    **{("gan", name): "stylegan2" for name in ("boredhumans", "tpdne_a", "tpdne_b", "tpdne_c")},
    **{("gan", name): "generated_photos" for name in ("generated_photos", "generated_photos_b")},
    ("diffusion", "sfhq_t2i_sdxl"): "sdxl",
    **{("diffusion", f"sfhq_t2i_flux1_{name}"): "flux1" for name in ("schnell", "dev", "pro")},
    ("diffusion", "sdfd_sd21"): "sd21",
}


@dataclass(frozen=True)
class Row:
    """One crop. `path` is relative to the data folder; `pair` is the path of the pixel-aligned real crop ("" if none);
    `landmarks` 5×2 float32 in crop pixels; `method` is a label of the detector."""

    path: str
    split: str
    family: str
    source: str
    method: str
    group: str
    pair: str
    source_face_px: float
    landmarks: np.ndarray


def find_data(flag: str | None = None) -> Path:
    """The data folder from the flag or the environment; MissingData says how to name it."""
    named = flag or os.environ.get(ENVIRONMENT_VARIABLE, "")
    if not named or not (Path(named) / "manifest.csv").is_file():
        step = f"Name their folder with --data or the environment variable {ENVIRONMENT_VARIABLE}."
        raise MissingData("The labelled face crops were not found.", step)
    return Path(named)


def read_manifest(folder: Path) -> list[Row]:
    """Every row of the manifest in its order; LabError for a line that cannot be read, or a label that has no method."""
    rows = []
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise LabError(f"The manifest has no column {missing[0]}.", "Fetch the data set again.")
        for item in reader:
            family, source = item["label"], item["source"]
            method = REAL if family == REAL else METHOD_OF_SOURCE.get((family, source), "")
            if not method:
                raise LabError(f"The manifest has a source without a method: {family}/{source}.", "Add it to METHOD_OF_SOURCE.")
            try:
                points = np.array([float(item[name]) for name in _POINTS], np.float32).reshape(5, 2)
                side_px = float(item["source_face_px"] or 0)
            except (TypeError, ValueError) as error:
                raise LabError(f"The manifest's line {reader.line_num} holds no numbers.", "Fetch the data set again.") from error
            rows.append(Row(item["path"], item["split"], family, source, method, item["group"], item["pair"], side_px, points))
    return rows


def manifest_hash(folder: Path) -> str:
    """sha256 of the manifest: the data hash of the model card."""
    return hashlib.sha256((folder / "manifest.csv").read_bytes()).hexdigest()


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """Where to write a file that is there whole or not at all; its folder is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".part{file.suffix}")
    yield unfinished
    unfinished.replace(file)


def decode(folder: Path, rows: Sequence[Row], cache: Path) -> np.ndarray:
    """The crops of `rows` as N×224×224×3 uint8 RGB, memory-mapped from `cache` (an .npy file that is made when it is not there)."""
    if not cache.exists():
        with written_whole(cache) as file:
            pictures = np.lib.format.open_memmap(file, "w+", np.uint8, (len(rows), SIDE_PX, SIDE_PX, 3))
            for index, row in enumerate(rows):
                bgr = cv2.imread(str(folder / row.path), cv2.IMREAD_COLOR)
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
