"""What experts say of faces from sources that their training never saw: the answers that the combination is fitted on, and its figures.

Each fold's experts (`train/experts.py`) read the sources that the fold left out, every split of them, and swaps that no training used, made
on the fold's untouched faces. Nothing here reads the split `cross`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import nn

from attribution.errors import LabError
from attribution.lab.data import REAL, Row
from attribution.lab.forge.pools import FORGED, Samples, left_out
from attribution.lab.forge.unseen import unseen_swaps
from attribution.lab.measure.caddm import load_run
from attribution.lab.measure.calibration import calibrate
from attribution.lab.measure.predictions import SplitPredictions, load_net, of_methods, predict, references, with_projection
from attribution.lab.train.experts import EXPERTS, FOLDS, folder_of
from attribution.lab.train.loop import save_arrays
from attribution.lab.train.recipes import RECIPES, SWAP, Recipe

MOST_OF_A_SOURCE, SWAPS_A_FOLD, REFERENCES = 200, 120, 2000
UNSEEN_SWAP = "unseen_swap"
_SEED = 17


@dataclass(frozen=True)
class Said:
    """What one expert says of N faces: `logits` N×K with the calibrated bias and their `temperature`, unit `embeddings` N×D, and the
    reference faces that it compares with, `bank` M×D and whether each of them is `untouched`."""

    logits: np.ndarray
    embeddings: np.ndarray
    temperature: float
    bank: np.ndarray
    untouched: np.ndarray
    labels: tuple[str, ...]

    @staticmethod
    def kept(file: Path) -> Said:
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in ("logits", "embeddings", "bank", "untouched")}
            return Said(**arrays, temperature=float(stored["temperature"]), labels=tuple(stored["labels"].tolist()))


def recipe_of(expert: str) -> Recipe:
    """What an expert is trained on."""
    own = EXPERTS[expert]
    return SWAP if own.trainer == "caddm" else RECIPES[own.settings["head"]]


def gallery(rows: Sequence[Row], fold: str) -> Samples:
    """The faces that a fold left out, at most 200 of a source, and swaps of a way that no training used (`forge/unseen.py`), whole and
    partial, on its untouched faces."""
    random, chosen = np.random.default_rng([_SEED, sorted(FOLDS).index(fold)]), list[Row]()
    mine = [row for row in rows if row.split != "cross" and row.source in FOLDS[fold]]
    for key in sorted({(row.family, row.source) for row in mine}):
        own = [row for row in mine if (row.family, row.source) == key]
        chosen += [own[int(index)] for index in np.sort(random.permutation(len(own))[:MOST_OF_A_SOURCE])]
    pictures = [_read(row) for row in chosen]
    records = [(row.method, row.family, row.source, row.group, row.path) for row in chosen]
    untouched = [index for index, row in enumerate(chosen) if row.family == REAL]
    targets = random.permutation(untouched)[:SWAPS_A_FOLD].tolist()
    landmarks = np.stack([chosen[index].landmarks for index in targets])
    persons = [chosen[index].group or chosen[index].path for index in targets]
    for made in unseen_swaps([pictures[index] for index in targets], landmarks, persons, 1, sorted(FOLDS).index(fold)):
        pictures.append(made.rgb)
        records.append((UNSEEN_SWAP, "face_swap", f"{UNSEEN_SWAP}_{made.kind}_{fold}", persons[made.base], ""))
    columns: Any = zip(*records, strict=True)
    methods, families, sources, groups, paths = columns
    return Samples((np.stack(pictures),), methods, families, sources, groups, paths, np.full(len(pictures), -1))


def _read(row: Row) -> np.ndarray:
    bgr = cv2.imread(str(row.file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise LabError(f"The crop {row.path} cannot be read.", "Fetch the data set again.")
    return np.ascontiguousarray(bgr[..., ::-1])


def listen(runs: Path, expert: str, fold: str, train: Samples, val: Samples, faces: Samples, device: str = "cpu") -> Said:
    """What a fold's expert says of `faces`, calibrated on validation faces of the sources that it knows; kept in its run."""
    run, recipe = folder_of(runs, expert, fold), recipe_of(expert)
    file = run / "elsewhere.npz"
    if not file.exists() or file.stat().st_mtime < (run / "final.safetensors").stat().st_mtime:
        leave_out, methods = FOLDS.get(fold, ()), tuple(recipe.class_of)
        chosen = references(train, leave_out, REFERENCES, methods)
        net: nn.Module
        if EXPERTS[expert].trainer == "caddm":
            net, bank = with_projection(load_run(run), train, chosen, run)
        else:
            net = load_net(run, device)
            bank = predict(net, train, chosen, device)
        known = of_methods(val, methods)
        known = known[~left_out(np.array(val.methods)[known], np.array(val.sources)[known], leave_out)]
        own = as_classes(predict(net, val, known, device), recipe)
        labels = tuple(recipe.classes)
        fitted = calibrate(own, labels, np.isin(np.array(val.methods)[known], FORGED))
        said = fitted.shifted(predict(net, faces, device=device))
        save_arrays(
            file, logits=said.logits, embeddings=said.embeddings, temperature=fitted.temperature, bank=bank.embeddings,
            untouched=bank.families == REAL, labels=np.array(labels),
        )  # fmt: skip
    return Said.kept(file)


def as_classes(found: SplitPredictions, recipe: Recipe) -> SplitPredictions:
    """The same faces under the names of the recipe's classes."""
    names = {method: name for name, methods in recipe.classes.items() for method in methods}
    return SplitPredictions(
        found.logits, found.embeddings, np.array([names[method] for method in found.methods.tolist()]), found.families, found.sources,
        found.groups, found.paths,
    )  # fmt: skip
