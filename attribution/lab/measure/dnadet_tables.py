"""DNA-Det's measured tables: closed set, other sources, unknown generators, the default detector on the same faces.

"Closed set" are the test faces of the five classes; "cross" are collections that no training saw: the same architectures collected
elsewhere, and other photographs. Answers are the likeliest label, before any abstention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.evidence import DetectorInfo
from attribution.explain.reference import ReferenceBank, kth_distances
from attribution.lab.data import REAL
from attribution.lab.measure import metrics
from attribution.lab.measure.dnadet_reading import UNKNOWN_GENERATORS, known
from attribution.lab.measure.metrics import Estimate
from attribution.lab.measure.predict import SplitPredictions
from attribution.lab.train.dnadet import CLASSES
from attribution.verdict import negative_free_energy


@dataclass(frozen=True)
class Said:
    """The answers of one detector on faces: `answers` and `truth` are labels, N each; `generated` says whether the answer is a generator
    (any manipulation of the families gan and diffusion)."""

    answers: np.ndarray
    truth: np.ndarray
    sources: np.ndarray
    generated: np.ndarray

    def take(self, chosen: np.ndarray) -> Said:
        """The faces chosen by a mask or by indices."""
        return Said(self.answers[chosen], self.truth[chosen], self.sources[chosen], self.generated[chosen])


def said(found: SplitPredictions, info: DetectorInfo) -> Said:
    """The likeliest label of each face."""
    places = found.logits.argmax(1)
    families = np.array(info.families)[places]
    return Said(np.array(info.labels)[places], found.methods, found.sources, np.isin(families, ("gan", "diffusion")))


def macro_f1(faces: Said) -> Estimate:
    """Macro-F1 over the true classes with its bootstrap interval over faces."""
    names, truth = np.unique(faces.truth, return_inverse=True)
    places = {name: place for place, name in enumerate(names.tolist())}
    # An answer that is no true class here counts as wrong, and for no class.
    answers = np.array([places.get(answer, len(names)) for answer in faces.answers.tolist()])

    def figure(chosen: np.ndarray) -> float:
        true, answered = truth[chosen], answers[chosen]
        faces_of, named = (np.bincount(each, minlength=len(names) + 1)[: len(names)] for each in (true, answered))
        hits = np.bincount(true[true == answered], minlength=len(names))
        if not faces_of.all():
            raise ValueError("a class without a face")
        return float((2 * hits / (faces_of + named)).mean())

    return metrics.estimate(figure, len(truth))


def recall(faces: Said, method: str) -> Estimate:
    """The share of the method's faces that got its name."""
    mine = faces.truth == method
    return metrics.share(faces.answers[mine] == method)


def false_alarms(faces: Said) -> Estimate:
    """The share of photographs that were called generated."""
    return metrics.share(faces.generated[faces.truth == REAL])


def of_classes(faces: Said) -> Said:
    """The faces of the five classes."""
    return faces.take(np.isin(faces.truth, CLASSES))


Figure = Callable[[Mapping[str, Said]], Estimate]
# What a variant or another detector is compared by: name, and the figure from the answers on each split.
HEADLINES: tuple[tuple[str, Figure], ...] = (
    ("closed set macro-F1", lambda splits: macro_f1(of_classes(splits["test"]))),
    ("cross recall StyleGAN2", lambda splits: recall(splits["cross"], "stylegan2")),
    ("cross recall generated.photos", lambda splits: recall(splits["cross"], "generated_photos")),
    ("false alarms cross", lambda splits: false_alarms(splits["cross"])),
)


def overall_table(
    found: Mapping[str, SplitPredictions], raw: Mapping[str, SplitPredictions], info: DetectorInfo, temperature: float
) -> MeasuredTable:
    """Macro-F1 over the five classes and the calibration error of the answer, on val and test."""
    rows = []
    for split in ("val", "test"):
        faces = known(found[split])
        errors = [_calibration_error(known(raw[split]), info, 1.0), _calibration_error(faces, info, temperature)]
        rows.append((split, len(faces.methods), *macro_f1(said(faces, info)), *(round(error, 3) for error in errors)))
    columns = ("split", "faces", "macro-F1", "from", "to", "ECE before", "ECE after")
    return MeasuredTable("Overall", columns, tuple(rows), "Closed set of five classes; from–to: 95 % bootstrap intervals.")


def _calibration_error(found: SplitPredictions, info: DetectorInfo, temperature: float) -> float:
    p = metrics.softmax(found.logits, temperature)
    return metrics.expected_calibration_error(p.max(1), np.array(info.labels)[p.argmax(1)] == found.methods)


def side_by_side_table(own: Mapping[str, Said], default: Mapping[str, Said], default_name: str) -> MeasuredTable:
    """Both detectors on the same faces. A label of the default that DNA-Det lacks (a swap, SD 2.1) counts as wrong on the closed set."""
    rows: list[tuple] = []
    for name, figure in HEADLINES:
        rows.append((name, _faces(name, own), *figure(own), *figure(default)))
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
    columns = ("rows", "faces", "DNA-Det", "low", "high", "default", "low", "high")
    note = (
        f"DNA-Det reads each face once, {default_name} also its mirror image, as the app does; low–high: 95 % intervals (bootstrap for "
        "macro-F1, Wilson for shares). False alarms: photographs called generated."
    )
    return MeasuredTable("Side by side", columns, tuple(rows), note)


def _faces(name: str, own: Mapping[str, Said]) -> int:
    truth = own["cross" if "cross" in name else "test"].truth
    wanted = {"StyleGAN2": "stylegan2", "photos": "generated_photos", "alarms": REAL}
    for word, method in wanted.items():
        if word in name:
            return int((truth == method).sum())
    return int(np.isin(truth, CLASSES).sum())


def unknown_table(cases: Sequence[tuple[str, SplitPredictions, SplitPredictions, ReferenceBank | np.ndarray]]) -> MeasuredTable:
    """AUROC of telling generators that training never saw from the classes it knows, by three scores. A case is (what was held out, known
    test faces, held-out test faces, references: a bank or M×D embeddings)."""
    rows = []
    for name, seen, unseen, bank in cases:
        references = bank.embeddings if isinstance(bank, ReferenceBank) else bank
        positive = np.concatenate([np.zeros(len(seen.methods), bool), np.ones(len(unseen.methods), bool)])
        scores = []
        for faces in (seen, unseen):
            distance = kth_distances(faces.embeddings, references)
            scores.append((distance, -faces.logits.max(1), -negative_free_energy(faces.logits)))
        row: list = [name, len(unseen.methods)]
        for own, other in zip(*scores, strict=True):
            both = np.concatenate([own, other])
            row += metrics.estimate(lambda drawn, y=positive, score=both: metrics.auc(y[drawn], score[drawn]), len(both), draws=300)
        rows.append(tuple(row))
    columns = ("held out", "faces", "k-NN distance", "low", "high", "maximum logit", "low", "high", "energy", "low", "high")
    note = (
        "AUROC, 0.5 is chance. Scores: distance to the tenth nearest reference (Sun et al. 2022), maximum logit (Hendrycks et al. 2022), "
        "free energy (Liu et al. 2020). Known: the test faces of the classes of that training."
    )
    return MeasuredTable("Unknown generators", columns, tuple(rows), note)


def ablation_table(variants: Sequence[tuple[str, int, Mapping[str, Said]]]) -> MeasuredTable:
    """Variants of the training, each as (name, steps, answers on test and cross), by the headline figures."""
    rows = []
    for name, steps, answers in variants:
        row: list = [name, steps]
        for _, figure in HEADLINES:
            row += figure(answers)
        rows.append(tuple(row))
    columns = ["variant", "steps"]
    for name, _ in HEADLINES:
        columns += [name, "low", "high"]
    note = (
        "Equal trainings of one worker but for what the name says; network alone, likeliest label, no calibration. low–high: 95 % "
        "intervals over faces, one seed each: differences between trainings of another seed are not in them."
    )
    return MeasuredTable("Ablation", tuple(columns), tuple(rows), note)


def eight_bit_table(full: Mapping[str, Said], small: Mapping[str, Said]) -> MeasuredTable:
    """The same figures before and after the weights are rounded to 8 bits, in points."""
    rows = []
    for name, figure in HEADLINES:
        before, after = figure(full)[0], figure(small)[0]
        points = None if before is None or after is None else round(100 * (after - before), 2)
        rows.append((name, before, after, points))
    changed = [np.mean(full[split].answers != small[split].answers) for split in ("test", "cross")]
    rows.append(("answers that changed, test", None, round(float(changed[0]), 4), None))
    rows.append(("answers that changed, cross", None, round(float(changed[1]), 4), None))
    return MeasuredTable("Eight bits", ("figure", "float32", "8 bit", "points"), tuple(rows), "The weights ship with 8 bits per value.")
