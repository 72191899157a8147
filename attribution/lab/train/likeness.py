"""Teaching the second opinion on what is a face (`attribution/faces/likeness.py`): labelled faces, most of them made worse, against what
the face finder takes for faces in patterns without any."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

from attribution.detectors.card import CropSettings
from attribution.faces.crops import face_square
from attribution.faces.finder import FaceFinder
from attribution.faces.likeness import outlines
from attribution.lab.data import Data, decode, manifest_hash, read_manifest, written_whole
from attribution.lab.forge.augment import jpeg
from attribution.lab.forge.patterns import PATTERNS

FACES, VALIDATION_FACES, LOST = 6000, 2000, 0.001
_LEAST_PX, _STRENGTH = 40, 0.03


def face_check(data: Data, work: Path, out: Path, regions: int, seed: int) -> None:
    """Write the weights, and print what they do: the share of faces of `test` and `cross` that do not look like one, and of a fifth of the
    regions, which took no part, the share that does, by kind."""
    rows = read_manifest(data)

    def of_split(split: str, count: int, change: Callable[[np.ndarray, np.random.Generator], np.ndarray] = worse) -> np.ndarray:
        pictures = decode([row for row in rows if row.split == split], work / f"{split}.npy")
        random = np.random.default_rng((seed, count))
        chosen = np.sort(random.permutation(len(pictures))[:count])
        return np.stack([outlines(change(np.asarray(pictures[index]), random)) for index in chosen])

    kinds, found = deceiving(regions, seed)
    apart = np.arange(len(kinds)) % 5 == 0
    train, val = of_split("train", FACES), of_split("val", VALIDATION_FACES)
    known = np.concatenate([train, found[~apart]])
    is_face = np.arange(len(known)) < len(train)
    model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000).fit(known, is_face)
    limit = float(np.quantile(model.decision_function(val), LOST))
    figures: dict[str, float] = {}
    for split in ("test", "cross"):
        for name, change in (("worse", worse), ("as they are", lambda rgb, _: rgb)):
            figures[f"faces of {split} lost, {name}"] = float((model.decision_function(of_split(split, 2000, change)) < limit).mean())
    for kind in sorted(set(kinds.tolist())):
        mine = apart & (kinds == kind)
        figures[f"regions of {kind} passed, of {mine.sum()}"] = float((model.decision_function(found[mine]) >= limit).mean())
    print(json.dumps(figures, indent=1))
    made_by = {"seed": str(seed), "regions": str(regions), "data_sha256": manifest_hash(data), "licence": "CC BY-NC 4.0"}
    weights = {"weights": model.coef_[0].astype(np.float32), "bias": np.array([model.intercept_[0] - limit], np.float32)}
    with written_whole(out) as file:
        save_file(weights, file, made_by)


def worse(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A crop as it is (a third), or blurred, darkened, tilted, made of few pixels, or strongly compressed."""
    side = len(rgb)
    how = random.random()
    if how < 0.35:
        return rgb
    if how < 0.5:
        return cv2.GaussianBlur(rgb, (0, 0), float(random.uniform(1, 5)))
    if how < 0.65:
        return np.clip(rgb * random.uniform(0.15, 0.6) + random.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8)
    if how < 0.8:
        tilt = cv2.getRotationMatrix2D((side / 2, side / 2), float(random.uniform(-35, 35)), float(random.uniform(0.95, 1.1)))
        return cv2.warpAffine(rgb, tilt, (side, side), borderMode=cv2.BORDER_REFLECT)
    if how < 0.9:
        few = int(random.integers(20, 64))
        return cv2.resize(cv2.resize(rgb, (few, few), interpolation=cv2.INTER_AREA), (side, side), interpolation=cv2.INTER_CUBIC)
    return jpeg(rgb, int(random.integers(15, 40)))


def deceiving(
    count: int, seed: int, patterns: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = PATTERNS
) -> tuple[np.ndarray, np.ndarray]:
    """The kinds (N) and outlines (N×F) of at least `count` regions that the face finder takes for faces in patterns without any."""
    random, finder, rule = np.random.default_rng(seed), FaceFinder("cpu"), CropSettings()
    kinds: list[str] = []
    found: list[np.ndarray] = []
    names = list(patterns)
    while len(found) < count:
        kind = names[int(random.integers(len(names)))]
        picture = patterns[kind](random)
        if random.random() < 0.7:
            picture = jpeg(picture, int(random.integers(60, 96)))
        height, width = picture.shape[:2]
        for face in finder.find([picture])[0]:
            inside = np.clip(face.box, 0, (width, height, width, height))
            left, top, right, bottom = (round(end) for end in face_square(rule, tuple(inside.tolist()), width, height))
            if right - left >= _LEAST_PX:
                kinds.append(kind)
                found.append(outlines(picture[top:bottom, left:right]))
    return np.array(kinds), np.stack(found)
