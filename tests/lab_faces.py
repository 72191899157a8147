"""A tiny face set of the same form as the lab's, made here, and its work folder."""

from __future__ import annotations

import atexit
import csv
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from attribution.lab.data import METHOD_OF_SOURCE, read_manifest
from attribution.lab.forge.autoencoder import EMBEDDED
from attribution.lab.forge.pools import FORGED, prepare

POINTS = {"left_eye": (68, 63), "right_eye": (160, 63), "nose": (114, 115), "mouth_left": (76, 165), "mouth_right": (152, 165)}
SIZES = {split: dict.fromkeys(FORGED, count) for split, count in (("train", 6), ("val", 4), ("test", 4), ("cross", 4))}


def make_faces(folder: Path, untouched: Sequence[str] = ("dfdc", "ffhq")) -> Path:
    """Blocky pictures, each source with its own brightness, and their manifest."""
    random = np.random.default_rng(0)
    kinds = [*(("real", source) for source in untouched), *(key for key in METHOD_OF_SOURCE if not key[1].endswith("_b"))]
    rows = []
    for split, count in (("train", 4), ("val", 3), ("test", 3), ("cross", 3)):
        for place, (family, source) in enumerate(kinds):
            for index in range(count):
                coarse = random.integers(0, 128, (28, 28, 3), dtype=np.uint8) + 127 * place // len(kinds)
                path = f"{split}/{family}/{source}/{index}.jpg"
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / path), np.repeat(np.repeat(coarse.astype(np.uint8), 8, 0), 8, 1))
                pair = f"{split}/real/dfdc/{index}.jpg" if (family, source) == ("face_swap", "dfdc") else ""
                rows.append({
                    "path": path, "split": split, "label": family, "source": source, "generator": "", "group": path, "pair": pair,
                    "source_face_px": 150 + index, "licence": "made here",
                    **{f"{point}_{axis}": value for point, xy in POINTS.items() for axis, value in zip("xy", xy, strict=True)},
                })  # fmt: skip
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def make_work(data: Path, folder: Path) -> Path:
    """Decoded faces and pools of forgeries, by the committed auto-encoder."""
    shutil.copy(EMBEDDED, folder)
    prepare(read_manifest((data,)), folder, ("train", "val", "test", "cross"), sizes=SIZES)
    return folder


@cache
def lab_data() -> tuple[Path, Path]:
    """The faces and their work folder, made once a process; nobody writes there."""
    folder = Path(tempfile.mkdtemp(prefix="telltale-lab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("faces", "work"):
        (folder / name).mkdir()
    data = make_faces(folder / "faces")
    return data, make_work(data, folder / "work")
