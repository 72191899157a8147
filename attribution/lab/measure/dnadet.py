"""DNA-Det's measured tables, from finished runs as the app will have them, with 8-bit weights. "Closed set" are the test faces of the five
classes; "cross" are collections that no training saw. Answers are the likeliest label, before any abstention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.eight_bit import compress, expand
from attribution.detectors.predictor import Predictor
from attribution.evidence import DetectorInfo, Patches
from attribution.explain.gradcam import heatmaps
from attribution.explain.patches import Tiles, patch_view
from attribution.explain.reference import ReferenceBank, kth_distances
from attribution.lab import metrics
from attribution.lab.data import REAL, SIDE_PX
from attribution.lab.forge.augment import jpeg
from attribution.lab.forge.pools import Samples
from attribution.lab.measure.predictions import (
    Reader,
    SplitPredictions,
    finished,
    method_answers,
    of_methods,
    read,
    read_by_detector,
    settings_of,
    with_projection,
)
from attribution.lab.metrics import Estimate
from attribution.lab.tables import Row, table
from attribution.lab.train.dnadet import CLASSES
from attribution.models.architectures import DNA_DET
from attribution.models.backbones import build_backbone
from attribution.models.dnadet import DnaDet
from attribution.verdict import negative_free_energy

# What the app refuses DNA-Det for, and a generator that its training never saw: read to know what it says of them.
SWAPPED, UNKNOWN_GENERATORS, SPLITS = "dfdc_swap", ("sd21",), ("val", "test", "cross")
_ALL_METHODS = (*CLASSES, *UNKNOWN_GENERATORS, SWAPPED)
PER_CLASS, PICTURES, HEATMAPS, WINDOW_PX = 40, 25, 20, 144
_CHANGE_SEED, _ISLAND_SEED = 17, 23
# A patch counts as inside or outside of the pasted area from these shares of its own area on; those between are not counted.
_INSIDE, _OUTSIDE = 0.75, 0.25


@dataclass(frozen=True)
class Runs:
    """Finished runs: the one that ships; the variants of the ablation, and trainings that held classes out, by name."""

    shipped: Path
    variants: Mapping[str, Path]
    held_out: Mapping[str, Path]


@dataclass(frozen=True)
class Faces:
    """Samples per split, reference faces (indices of training faces), and the crops' sides in the original pictures, px."""

    samples: Mapping[str, Samples]
    references: np.ndarray
    sides: Mapping[str, np.ndarray]


def load_trunk(run: Path, eight_bit: bool = True) -> DnaDet:
    """The averaged network of a finished run in evaluation mode, rounded to 8 bits as it ships if `eight_bit`."""
    settings, weights = finished(run)
    classes = [name for name in CLASSES if name not in settings["leave_out"]]
    trunk = build_backbone(DNA_DET, len(classes), {"img_size": settings["side_px"]})
    assert isinstance(trunk, DnaDet)
    state = {name.removeprefix("trunk."): value for name, value in weights.items() if name.startswith("trunk.")}
    trunk.load_state_dict(expand(compress(state)) if eight_bit else state)
    return trunk.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def build_reader(run: Path, train: Samples, references: np.ndarray) -> tuple[Reader, SplitPredictions]:
    """The run's network as it ships, with a projection fitted on the reference faces, and what it says of these."""
    return with_projection(load_trunk(run), train, references, run)


def known(found: SplitPredictions) -> SplitPredictions:
    return found.of(CLASSES)


def read_all(reader: Reader, run: Path, faces: Faces) -> dict[str, SplitPredictions]:
    chosen = {split: of_methods(faces.samples[split], _ALL_METHODS) for split in SPLITS}
    return {split: read(reader, faces.samples[split], chosen[split], run / f"read_{split}.npz") for split in SPLITS}


def _answers_of(run: Path, faces: Faces, info: DetectorInfo, half: bool) -> dict[str, Said]:
    reader = Reader(load_trunk(run, eight_bit=False)).eval()
    splits = [(split, faces.samples[split], run / f"read_unrounded_{split}.npz") for split in ("test", "cross")]
    return {split: said(read(reader, some, of_methods(some, CLASSES), file, half), info) for split, some, file in splits}


def comparisons(
    runs: Runs, faces: Faces, found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], bank_faces: SplitPredictions,
    predictor: Predictor, default: Predictor,
) -> list[MeasuredTable]:  # fmt: skip
    """The tables beside the default detector, under changes, on unknown generators, the ablation, 8 bits, and patches."""
    info = predictor.info
    own = {split: said(found[split], info) for split in ("test", "cross")}
    cases = [(method, known(found["test"]), found["test"].of((method,)), bank_faces.embeddings) for method in UNKNOWN_GENERATORS]
    methods = np.array(faces.samples["train"].methods)[faces.references]
    for held, run in runs.held_out.items():
        other, bank = build_reader(run, faces.samples["train"], faces.references[methods != held])
        test = read(other, faces.samples["test"], of_methods(faces.samples["test"], CLASSES), run / "read_test.npz")
        rest = [method for method in CLASSES if method != held]
        cases.append((f"{held} (shorter training)", test.of(rest), test.of((held,)), bank.embeddings))
    variants = [(name, settings_of(run)["steps"], _answers_of(run, faces, info, half=True)) for name, run in runs.variants.items()]
    by_default = {}
    for split in ("test", "cross"):
        cache, chosen = runs.shipped / f"read_default_{split}.npz", of_methods(faces.samples[split], _ALL_METHODS)
        by_default[split] = said(read_by_detector(default, faces.samples[split], chosen, cache), default.info)
    rounded, test = {split: said(known(raw[split]), info) for split in ("test", "cross")}, faces.samples["test"]
    return [
        side_by_side_table(own, by_default, default.info.name), robustness_table(test, predictor, default), unknown_table(cases),
        ablation_table(variants), eight_bit_table(_answers_of(runs.shipped, faces, info, half=False), rounded),
        island_table(faces.samples, predictor), spread_table(test, predictor),
    ]  # fmt: skip


class Said(NamedTuple):
    """The answers of one detector on N faces; `generated`: whether the answer is of the families gan or diffusion."""

    answers: np.ndarray
    truth: np.ndarray
    sources: np.ndarray
    generated: np.ndarray

    def take(self, chosen: np.ndarray) -> Said:
        return Said(*(column[chosen] for column in self))


def said(found: SplitPredictions, info: DetectorInfo) -> Said:
    """The likeliest label of each face."""
    places = found.logits.argmax(1)
    families = np.array(info.families)[places]
    return Said(np.array(info.labels)[places], found.methods, found.sources, np.isin(families, ("gan", "diffusion")))


def macro_f1(faces: Said) -> Estimate:
    """Macro-F1 over the true classes with its bootstrap interval; an answer that is no true class counts as wrong, and for no class."""
    names, truth = np.unique(faces.truth, return_inverse=True)
    places = {name: place for place, name in enumerate(names.tolist())}
    answers = np.array([places.get(answer, len(names)) for answer in faces.answers.tolist()])

    def figure(chosen: np.ndarray) -> float:
        if not np.bincount(truth[chosen], minlength=len(names)).all():
            raise ValueError("a class without a face")
        return metrics.macro_f1(truth[chosen], answers[chosen])

    return metrics.estimate(figure, len(truth))


def recall(faces: Said, method: str) -> Estimate:
    return metrics.share(faces.answers[faces.truth == method] == method)


def false_alarms(faces: Said) -> Estimate:
    return metrics.share(faces.generated[faces.truth == REAL])


class Headline(NamedTuple):
    """A figure of the faces of some methods in one split, by which variants and detectors are compared."""

    name: str
    split: str
    methods: tuple[str, ...]
    figure: Callable[[Said], Estimate]

    def faces(self, splits: Mapping[str, Said]) -> Said:
        return splits[self.split].take(np.isin(splits[self.split].truth, self.methods))

    def of(self, splits: Mapping[str, Said]) -> Estimate:
        return self.figure(self.faces(splits))


HEADLINES = (
    Headline("closed set macro-F1", "test", CLASSES, macro_f1),
    Headline("cross recall StyleGAN2", "cross", ("stylegan2",), lambda faces: recall(faces, "stylegan2")),
    Headline("cross recall generated.photos", "cross", ("generated_photos",), lambda faces: recall(faces, "generated_photos")),
    Headline("false alarms cross", "cross", (REAL,), false_alarms),
)


def overall_table(
    found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], info: DetectorInfo, temperature: float
) -> MeasuredTable:
    """Macro-F1 over the five classes and the calibration error of the answer, on val and test."""
    rows = []
    for split in ("val", "test"):
        faces = known(found[split])
        answers = method_answers(known(raw[split]), info, 1.0), method_answers(faces, info, temperature)
        errors = metrics.cells(*(metrics.expected_calibration_error(*one) for one in answers))
        rows.append((split, len(faces.methods), *macro_f1(said(faces, info)), *errors))
    return table("overall_dnadet", rows)


def side_by_side_table(own: Mapping[str, Said], default: Mapping[str, Said], default_name: str) -> MeasuredTable:
    """Both detectors on the same faces; a label that DNA-Det lacks counts as wrong on the closed set."""
    rows: list[Row] = [(one.name, len(one.faces(own).truth), *one.of(own), *one.of(default)) for one in HEADLINES]
    for method in CLASSES:
        faces = int((own["test"].truth == method).sum())
        rows.append((f"test recall {method}", faces, *recall(own["test"], method), *recall(default["test"], method)))
    cross_real = own["cross"].truth == REAL
    for source in sorted(set(own["cross"].sources[cross_real].tolist())):
        mine = cross_real & (own["cross"].sources == source)
        both = [false_alarms(each["cross"].take(mine)) for each in (own, default)]
        rows.append((f"false alarms {source}", int(mine.sum()), *both[0], *both[1]))
    for method, what in (*((one, "unknown to DNA-Det") for one in UNKNOWN_GENERATORS), ("dfdc_swap", "face swaps, out of its scope")):
        mine = own["test"].truth == method
        if mine.any():
            both = [metrics.share(each["test"].generated[mine]) for each in (own, default)]
            rows.append((f"test {method} called generated ({what})", int(mine.sum()), *both[0], *both[1]))
    return table("side_by_side", rows, default_name=default_name)


def unknown_table(cases: Sequence[tuple[str, SplitPredictions, SplitPredictions, ReferenceBank | np.ndarray]]) -> MeasuredTable:
    """AUROC of three scores between unknown generators and known classes. A case: (name, known faces, held-out faces, references)."""
    rows = []
    for name, seen, unseen, bank in cases:
        references = bank.embeddings if isinstance(bank, ReferenceBank) else bank
        positive = np.concatenate([np.zeros(len(seen.methods), bool), np.ones(len(unseen.methods), bool)])
        both = (seen, unseen)
        scores = [(kth_distances(one.embeddings, references), -one.logits.max(1), -negative_free_energy(one.logits)) for one in both]
        row: list[Cell] = [name, len(unseen.methods)]
        for own, other in zip(*scores, strict=True):
            score = np.concatenate([own, other])
            row += metrics.estimate(lambda drawn, y=positive, score=score: metrics.auc(y[drawn], score[drawn]), len(score), draws=300)
        rows.append(tuple(row))
    return table("unknown_generators", rows)


def ablation_table(variants: Sequence[tuple[str, int, Mapping[str, Said]]]) -> MeasuredTable:
    """Variants of the training, each as (name, steps, answers on test and cross), by the headline figures."""
    rows = [(name, steps, *(cell for one in HEADLINES for cell in one.of(answers))) for name, steps, answers in variants]
    return table("ablation", rows, (column for one in HEADLINES for column in (one.name, "low", "high")))


def eight_bit_table(full: Mapping[str, Said], small: Mapping[str, Said]) -> MeasuredTable:
    """The same figures before and after the weights are rounded to 8 bits, in points."""
    rows = []
    for one in HEADLINES:
        before, after = one.of(full)[0], one.of(small)[0]
        rows.append((one.name, before, after, None if before is None or after is None else round(100 * (after - before), 2)))
    changed = [(split, float(np.mean(full[split].answers != small[split].answers))) for split in ("test", "cross")]
    rows += [(f"answers that changed, {split}", None, round(share, 4), None) for split, share in changed]
    return table("eight_bits", rows)


def resized(rgb: np.ndarray, scale: float) -> np.ndarray:
    """Shrunk to `scale` of the side (area) and enlarged again (cubic)."""
    side, less = len(rgb), round(len(rgb) * scale)
    return cv2.resize(cv2.resize(rgb, (less, less), interpolation=cv2.INTER_AREA), (side, side), interpolation=cv2.INTER_CUBIC)


def noisy(rgb: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation `sigma` (of 255) on every colour."""
    return np.clip(np.rint(rgb + random.normal(0, sigma, rgb.shape)), 0, 255).astype(np.uint8)


# Each kind of change: its rising strengths, as the axis says them, and how a crop is changed.
CURVES: dict[str, tuple[tuple[float, ...], Callable[[np.ndarray, float, np.random.Generator], np.ndarray]]] = {
    "JPEG quality": ((90, 70, 50, 30), lambda rgb, value, _: jpeg(rgb, int(value))),
    "Gaussian blur, sigma in px": ((0.5, 1, 2, 3), lambda rgb, value, _: cv2.GaussianBlur(rgb, (0, 0), value)),
    "resizing, share of the side": ((0.9, 0.75, 0.5, 0.25), lambda rgb, value, _: resized(rgb, value)),
    "Gaussian noise, sigma of 255": ((2, 5, 10, 20), noisy),
}


def robustness_table(samples: Samples, predictor: Predictor, default: Predictor) -> MeasuredTable:
    """Macro-F1 over the five classes at each strength of each change, both detectors, single reading."""
    random = np.random.default_rng(_CHANGE_SEED)
    chosen = np.concatenate([np.sort(random.permutation(of_methods(samples, (name,)))[:PER_CLASS]) for name in CLASSES])
    pictures = [np.array(samples.picture(int(index))) for index in chosen]
    truth, sources = (np.array(names)[chosen] for names in (samples.methods, samples.sources))
    rows: list[tuple[Cell, ...]] = []

    def measured(changed: np.ndarray) -> Row:
        names = (np.array(one.info.labels)[one.read(changed).logits.argmax(1)] for one in (predictor, default))
        return tuple(cell for own in names for cell in macro_f1(Said(own, truth, sources, np.zeros(len(own), bool))))

    unchanged = measured(np.stack(pictures))
    for change, (values, apply) in CURVES.items():
        rows.append((change, None, len(chosen), *unchanged))
        for value in values:
            changed = np.stack([apply(rgb, value, np.random.default_rng([_CHANGE_SEED, i])) for i, rgb in enumerate(pictures)])
            rows.append((change, value, len(chosen), *measured(changed)))
            print(*rows[-1], flush=True)
    return table("robustness", rows, per_class=PER_CLASS)


def pasted(photograph: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """3×3 mirrored `photograph`s, the middle window of `generated` pasted into the middle one: 672×672×3, and the window's corner (x,
    y)."""
    row = np.concatenate([photograph, photograph[:, ::-1], photograph], 1)
    picture = np.concatenate([row[::-1], row, row[::-1]], 0)
    own, corner = (SIDE_PX - WINDOW_PX) // 2, SIDE_PX + (SIDE_PX - WINDOW_PX) // 2
    picture[corner : corner + WINDOW_PX, corner : corner + WINDOW_PX] = generated[own : own + WINDOW_PX, own : own + WINDOW_PX]
    return picture, (corner, corner)


def as_tiles(picture: np.ndarray) -> Tiles:
    """A picture whose sides are multiples of 224 px, cut into tiles."""
    places = [(x, y) for y in range(0, picture.shape[0], SIDE_PX) for x in range(0, picture.shape[1], SIDE_PX)]
    pixels = np.stack([picture[y : y + SIDE_PX, x : x + SIDE_PX] for x, y in places])
    return Tiles(tuple((float(x), float(y), float(x + SIDE_PX), float(y + SIDE_PX)) for x, y in places), pixels)


def inside_and_outside(patches: Patches, corner: tuple[int, int], side_px: int = WINDOW_PX) -> tuple[np.ndarray, np.ndarray]:
    """Whether each patch inside of a pasted square was called generated, and each outside: two boolean arrays."""
    called, boxes = np.array(patches.answers) != REAL, np.array(patches.boxes)
    across = np.clip(np.minimum(boxes[:, 2], corner[0] + side_px) - np.maximum(boxes[:, 0], corner[0]), 0, None)
    down = np.clip(np.minimum(boxes[:, 3], corner[1] + side_px) - np.maximum(boxes[:, 1], corner[1]), 0, None)
    covered = across * down / ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return called[covered >= _INSIDE], called[covered <= _OUTSIDE]


def island_table(samples: Mapping[str, Samples], predictor: Predictor) -> MeasuredTable:
    """A window of a generated face in a photograph, per generator: shares of patches called generated inside of it and outside."""
    rows = []
    for split in ("test", "cross"):
        own, photographs = samples[split], of_methods(samples[split], (REAL,))
        for method in CLASSES[1:]:
            made = of_methods(own, (method,))
            if not len(made) or not len(photographs):
                continue
            random = np.random.default_rng([_ISLAND_SEED, CLASSES.index(method)])
            count = min(PICTURES, len(made), len(photographs))
            hits = []
            for pair in zip(random.permutation(photographs)[:count], random.permutation(made)[:count], strict=True):
                picture, corner = pasted(*(np.array(own.picture(int(index))) for index in pair))
                hits.append(inside_and_outside(patch_view(predictor, as_tiles(picture)), corner))
            higher = round(sum(inside.mean() > outside.mean() for inside, outside in hits) / count, 3)
            figures = [figure for each in zip(*hits, strict=True) for figure in metrics.share(np.concatenate(each))]
            rows.append((split, method, count, *figures, float(higher)))
    return table("patch_islands", rows, window_px=WINDOW_PX)


def spread_table(test: Samples, predictor: Predictor) -> MeasuredTable:
    """How much of the picture carries the evidence (`Heatmap.evidence_share`) where Grad-CAM explains the true class."""
    rows = []
    for number, method in enumerate(CLASSES):
        if not len(chosen := of_methods(test, (method,))):
            continue
        chosen = np.sort(np.random.default_rng([_ISLAND_SEED, number]).permutation(chosen)[:HEATMAPS])
        crops = np.stack([test.picture(int(index)) for index in chosen])
        shares = np.array([one.evidence_share for one in heatmaps(predictor, crops, [method] * len(crops))])
        edges = np.percentile(shares, [10, 90])
        rows.append((method, len(chosen), *(round(float(one), 3) for one in (np.median(shares), *edges))))
    return table("spread", rows)
