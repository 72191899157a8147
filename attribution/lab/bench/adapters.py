"""Every adapter against the original implementation, in one table: `python -m attribution lab adapters`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch.nn import functional

from attribution.detectors.adapters import Adapted, adapt
from attribution.detectors.card import Calibration, Card, Label, Probe, Thresholds, Training
from attribution.detectors.loading import LoadedDetector, info_of
from attribution.detectors.predictor import Predictor
from attribution.explain.gradcam import heatmaps
from attribution.media.kept import KeptPicture, middle
from attribution.models.backbones import features
from attribution.models.explained import as_maps, explained_layer

if TYPE_CHECKING:
    from attribution.lab.bench.originals import Original

# DINOv3's makers resize without rounding to whole levels.
MOST_DIFFERENCE, MOST_LEVELS, MOST_MAP_DIFFERENCE = 1e-4, 1.01, 1e-2

_SHAPES = ((480, 641), (701, 333), (130, 100))


@dataclass(frozen=True)
class Row:
    """One format: the largest difference of a logit (`logits`), the least `cosine` of pooled features, the largest difference of a prepared
    picture in levels of 255 (`pixels`) and of a heatmap (`heat`), how many `maps` are not blank, `seconds` to load."""

    format: str
    detector: str
    architecture: str
    parameters: int
    logits: float
    cosine: float
    pixels: float
    heat: float
    maps: int
    seconds: float

    @property
    def holds(self) -> bool:
        alike = self.logits <= MOST_DIFFERENCE and self.cosine >= 1 - 1e-4 and self.pixels <= MOST_LEVELS
        return alike and self.heat <= MOST_MAP_DIFFERENCE and self.maps > 0

    def line(self) -> str:
        return (
            f"{self.format:32} {self.detector:36} {self.architecture[:40]:40} {self.parameters / 1e6:7.1f} M {self.logits:8.1e} "
            f"{self.cosine:9.7f} {self.pixels:6.2f} {self.heat:8.1e} {self.maps:4} {self.seconds:6.2f} s  "
            f"{'holds' if self.holds else 'FAILS'}"
        )


HEADER = (
    f"{'format':32} {'original':36} {'architecture':40} {'parameters':>9} {'logits':>8} {'cosine':>9} {'pixels':>6} "
    f"{'heat':>8} {'maps':>4} {'load':>8}\n"
    f"{'':32} {'':36} {'':40} {'':>9} {'largest':>8} {'least':>9} {'most':>6} {'largest':>8}"
)


def run(args: argparse.Namespace) -> int:
    """Build, save, adapt and compare every format; print the table; 0 when all agree, 1 otherwise."""
    # transformers takes seconds to import.
    from attribution.lab.bench import originals

    originals.keep_quiet()
    print(HEADER)
    rows = []
    for original in originals.of_real_sizes(args.large):
        rows.append(compare(original))
        print(rows[-1].line(), flush=True)
    good = sum(row.holds for row in rows)
    print(f"{good} of {len(rows)} agree: logits within {MOST_DIFFERENCE:g}, maps within {MOST_MAP_DIFFERENCE:g}.")
    if args.json:
        args.json.write_text(json.dumps([{**asdict(row), "holds": row.holds} for row in rows], indent=2) + "\n", encoding="utf-8")
    return 0 if good == len(rows) else 1


def compare(original: Original, seed: int = 0, pictures: int = 4) -> Row:
    """One original against what its adapter makes of its files, on so many pictures."""
    theirs = original.model(seed)
    # Pictures with structure at several scales: pure noise looks alike to a network that pools.
    crops = np.stack([_picture(original.side_px, seed + number) for number in range(pictures)])
    with tempfile.TemporaryDirectory(prefix="telltale-adapters-") as folder:
        original.save(theirs, Path(folder))
        adapted, model, seconds = load(original, Path(folder))
        pixels = max(_pixel_difference(original, adapted, Path(folder), seed, shape) for seed, shape in enumerate(_SHAPES))
    predictor = Predictor(detector_of(original.title, adapted, model))
    with torch.inference_mode():
        inputs = predictor.inputs(crops)
        wanted, wanted_pooled = original.logits(theirs, inputs), original.pooled(theirs, inputs)
        pooled, logits = features(model, inputs)
        found = logits[:, 1:] - logits[:, :1] if adapted.one_logit else logits
        cosine = functional.cosine_similarity(pooled, wanted_pooled).min()
    parameters, logits = sum(one.numel() for one in model.parameters()), float((found - wanted).abs().max())
    heat = _heat_difference(predictor, crops)
    return Row(adapted.adapter, original.title, adapted.architecture, parameters, logits, float(cosine), pixels, *heat, seconds)


def load(original: Original, folder: Path) -> tuple[Adapted, torch.nn.Module, float]:
    """Read, adapt, build and load what was saved; how long that took."""
    from attribution.lab.bench import originals

    began = time.perf_counter()
    adapted = adapt(originals.read_source(folder, original.hints))
    model = adapted.build()
    return adapted, model.eval().requires_grad_(False), time.perf_counter() - began


def detector_of(name: str, adapted: Adapted, model: torch.nn.Module) -> Any:
    """The loaded detector, with a card of only what reading and explaining need."""
    labels = tuple(Label(f"class_{number}", f"class {number}", "real" if number == 0 else "gan") for number in range(adapted.num_classes))
    card = Card(
        name="random-weights", licence="CC0-1.0", labels=labels, crop=adapted.crop, calibration=Calibration(),
        thresholds=Thresholds(0.9, 0.1, 0.6, 0.6), training=Training("none: the weights are random", "CC0-1.0"),
        probes=(Probe(0, (0.0,) * adapted.num_classes),), files=dict.fromkeys(("model.safetensors", "config.json"), "0" * 64),
        adapter=adapted.adapter,
    )  # fmt: skip
    return LoadedDetector(
        name=name, card=card, model=model, projection=None, folder=Path(), weights_sha256="0" * 64, info=info_of(card),
        architecture=adapted.architecture, mean=adapted.mean, std=adapted.std,
    )  # fmt: skip


def _pixel_difference(original: Original, adapted: Adapted, folder: Path, seed: int, shape: tuple[int, int]) -> float:
    """By how many levels of 255 a prepared picture differs at most from the makers'. Of a face, from what they make of the same crop."""
    height, width = shape if adapted.crop.view == "picture" else (max(shape), max(shape))
    picture = Image.fromarray(_picture(max(width, height), seed)[:height, :width])
    kept = KeptPicture(picture, np.empty(0), width, height)
    crop = adapted.crop
    if crop.short_px is None:
        ours = kept.crop(crop.picture_box(width, height), crop.side_px, crop.resample)
    else:
        ours = middle(kept, crop.whole(width, height), crop.cut(width, height), crop.resample)
    theirs = original.prepared(folder, picture).permute(1, 2, 0).numpy() * np.array(adapted.std, np.float32) + np.array(
        adapted.mean, np.float32
    )
    return float(np.abs(theirs * 255 - ours).max())


def _heat_difference(predictor: Predictor, crops: Any) -> tuple[float, int]:
    """The heatmaps of the product against the grad-cam package, used as its manual says; how many of its maps are not blank."""
    architecture, model = predictor.detector.architecture, predictor.model
    labels = predictor.info.labels
    # Each picture for every class: where nothing speaks for one of them, something speaks for another.
    crops = crops[np.arange(len(crops)) // len(labels)]
    classes = [number % len(labels) for number in range(len(crops))]
    ours = np.stack([one.values for one in heatmaps(predictor, crops, [labels[number] for number in classes])])
    inputs = predictor.inputs(crops).requires_grad_(True)
    targets: Any = [ClassifierOutputTarget(number) for number in classes]
    with torch.enable_grad(), GradCAM(model, [explained_layer(model, architecture)], lambda out: as_maps(out, model, architecture)) as cam:
        theirs = np.clip(cam(inputs, targets), 0, 1)
    return float(np.abs(ours - theirs).max()), int((theirs.max(axis=(1, 2)) > 0).sum())


def _picture(side_px: int, seed: int) -> Any:
    random = np.random.RandomState(seed)
    rows = np.arange(side_px) * 7 // side_px
    coarse = random.randint(0, 200, (7, 7, 3), dtype=np.uint8)[rows][:, rows]
    return coarse + random.randint(0, 50, (side_px, side_px, 3), dtype=np.uint8)
