"""How the answers hold when a picture is compressed, blurred, resized or noisy: DNA-Det and the default detector on the same faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.detectors.predictor import Predictor
from attribution.lab.forge.augment import jpeg
from attribution.lab.measure.dnadet_reading import choose
from attribution.lab.measure.dnadet_tables import Said, macro_f1
from attribution.lab.pools import Samples
from attribution.lab.train.dnadet import CLASSES

PER_CLASS = 40
_SEED = 17
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def blurred(rgb: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian blur of S×S×3 uint8."""
    return cv2.GaussianBlur(rgb, (0, 0), sigma_px)


def resized(rgb: np.ndarray, scale: float) -> np.ndarray:
    """Shrunk to `scale` of the side (area) and enlarged again (cubic)."""
    side = rgb.shape[0]
    small = cv2.resize(rgb, (round(side * scale), round(side * scale)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


def noisy(rgb: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation `sigma` (of 255) on every colour."""
    return np.clip(np.rint(rgb + random.normal(0, sigma, rgb.shape)), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Curve:
    """One kind of change at rising strength: `value` is what the axis says."""

    change: str
    values: tuple[float, ...]
    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


CURVES = (
    Curve("JPEG quality", (90, 70, 50, 30), lambda rgb, value, _: jpeg(rgb, int(value))),
    Curve("Gaussian blur, sigma in px", (0.5, 1, 2, 3), lambda rgb, value, _: blurred(rgb, value)),
    Curve("resizing, share of the side", (0.9, 0.75, 0.5, 0.25), lambda rgb, value, _: resized(rgb, value)),
    Curve("Gaussian noise, sigma of 255", (2, 5, 10, 20), noisy),
)


def faces_of(samples: Samples) -> np.ndarray:
    """The faces that the curves are measured on: at most 40 of each class, always the same ones."""
    random = np.random.default_rng(_SEED)
    chosen = [choose(samples, (name,)) for name in CLASSES]
    return np.concatenate([np.sort(random.permutation(mine)[:PER_CLASS]) for mine in chosen])


def robustness_table(samples: Samples, predictor: Predictor, default: Predictor) -> MeasuredTable:
    """Macro-F1 over the five classes at each strength of each change, both detectors, single reading."""
    chosen = faces_of(samples)
    pictures = [np.array(samples.picture(int(index))) for index in chosen]
    truth, sources = (np.array(names)[chosen] for names in (samples.methods, samples.sources))
    rows: list[tuple] = []

    def measured(changed: np.ndarray) -> tuple[float, ...]:
        figures: list[float] = []
        for one in (predictor, default):
            places = one.read(changed).logits.argmax(1)
            answers = Said(np.array(one.info.labels)[places], truth, sources, np.zeros(len(places), bool))
            figures += macro_f1(answers)
        return tuple(figures)

    unchanged = measured(np.stack(pictures))
    for curve in CURVES:
        rows.append((curve.change, None, len(chosen), *unchanged))
        for value in curve.values:
            changed = np.stack([curve.apply(rgb, value, np.random.default_rng([_SEED, i])) for i, rgb in enumerate(pictures)])
            rows.append((curve.change, value, len(chosen), *measured(changed)))
            print(*rows[-1], flush=True)
    columns = ("change", "value", "faces", "macro-F1", "low", "high", "default detector", "low", "high")
    note = (
        f"At most {PER_CLASS} test faces of each class; an empty value is the picture as it is. The change is made on the crop of 224 px, "
        "after which nothing is encoded again. Macro-F1 with its 95 % bootstrap interval over faces."
    )
    return MeasuredTable("Robustness, test", columns, tuple(rows), note)
