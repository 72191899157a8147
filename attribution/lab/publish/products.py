"""The detectors that the lab publishes: the default one, which names methods; DNA-Det, which names architectures; and the ID-unaware
detector, which says where a face was swapped. Each is a `Product` with its own tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attribution.detectors.card import MODEL_FILE, ArtifactRule, Card, Combination, MeasuredTable
from attribution.detectors.eight_bit import compress
from attribution.detectors.loading import load, load_folder
from attribution.detectors.predictor import Predictor
from attribution.evidence import LABEL_FAMILIES, DetectorInfo, TrackEvidence
from attribution.explain.patches import patch_logits
from attribution.explain.reference import MOST_REFERENCES, ReferenceBank
from attribution.lab import metrics
from attribution.lab.data import METHOD_OF_SOURCE, REAL, Data, in_one_text, read_manifest
from attribution.lab.forge.augment import LAB_JPEG_QUALITY
from attribution.lab.forge.pools import Samples, left_out, load_samples
from attribution.lab.labels import CADDM_LABELS, DNADET_LABELS, LABELS_OF_HEADS
from attribution.lab.measure import caddm, dnadet, elsewhere
from attribution.lab.measure.calibration import CAREFUL
from attribution.lab.measure.cross_auc import cross_auc_tables
from attribution.lab.measure.evaluate import confusion_table, judge_samples, measure, second_opinion_table, source_table, verdict_table
from attribution.lab.measure.localisation import choose_rule, confidence_table
from attribution.lab.measure.predictions import (
    SplitPredictions,
    combined,
    of_methods,
    read,
    read_by_detector,
    reading_of,
    references,
    settings_of,
    with_projection,
)
from attribution.lab.publish.folder import write_card
from attribution.lab.publish.publisher import SPLITS, Chosen, Faces, Product, Publication, begin, info_of, last_ece, with_table
from attribution.lab.tables import print_table
from attribution.lab.train import dnadet as training
from attribution.lab.train import heads
from attribution.lab.train.recipes import recipe
from attribution.lab.train.seen import MODEL_ARGS
from attribution.models.architectures import DNA_DET
from attribution.verdict.combination import Reading, features

_MADE = "forgeries made from them by attribution/lab/forge/swaps.py"
METHODS = Product(
    LABELS_OF_HEADS, methods=(*METHOD_OF_SOURCE.values(), *(label.name for label in LABELS_OF_HEADS)), scope="any",
    packed=heads.packed, jpeg_quality=LAB_JPEG_QUALITY,
    description="Faces → the method that made or manipulated them: two frozen networks of which every stage has a say.",
    pretrained={"first_conv": "trunks.0.conv_stem", "classifier": "classifier"}, forgeries=f"; and {_MADE}.",
    build=lambda settings: (heads.architecture_of(settings), MODEL_ARGS),
)  # fmt: skip
DNADET = Product(
    DNADET_LABELS, methods=training.CLASSES, scope="generated", packed=compress,
    description="Wholly generated faces → the architecture of their generator: DNA-Det, by traces that lie all over the picture.",
    pretrained={"first_conv": "stages.0.conv_halve", "classifier": "classifier"},
    build=lambda settings: (DNA_DET, {"img_size": settings["side_px"]}),
)  # fmt: skip
CADDM = Product(
    CADDM_LABELS, methods=caddm.METHODS, scope="face_swap", relabelled=caddm.as_labels,
    description="Faces → whether they were swapped or a part was pasted, and where: the ID-unaware detector with artifact boxes.",
    forgeries=f"; {_MADE}, and Multi-scale Facial Swaps of all of these by attribution/lab/forge/mfs.py.",
    pretrained={"first_conv": "backbone.conv_stem", "classifier": "classifier"},
)  # fmt: skip

PRODUCTS = {product.scope: product for product in (METHODS, DNADET, CADDM)}


def publish_heads(
    run: Path, data_flag: str | None, work: Path, out: Path, minutes: float, command: str, notes: Sequence[str] = (),
    experts: Sequence[str] = (), references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write the whole folder `out` of a detector of methods, from a run of `lab heads`, and print its figures. `notes` are sentences for
    the card on how the weights came about; `experts` are embedded detectors that answer together with it. Temperature, thresholds and what
    is typical are chosen on sources that the heads of the folds were not fitted to (`measure.elsewhere`)."""
    settings, faces = settings_of(run), Faces.load(data_flag, work).crops()
    fitted = heads.Settings(**{**settings, "data": in_one_text(faces.data), "work": str(work), "trunks": settings["trunks"]})
    reader, shipped = elsewhere.load_run(run, fitted)
    samples, labels = faces.samples, [label.name for label in LABELS_OF_HEADS]
    own = {split: heads.faces_of(split, fitted, samples[split], every=True) for split in ("train", *SPLITS)}

    def said(split: str, chosen: np.ndarray | None = None) -> SplitPredictions:
        mine = own[split] if chosen is None else own[split].take(np.isin(own[split].chosen, chosen))
        named = (np.array(one)[mine.chosen] for one in (samples[split].groups, samples[split].paths))
        methods = np.array([labels[label] if label >= 0 else method for label, method in zip(mine.labels, mine.methods, strict=True)])
        spoken = (shipped.logits(mine.seen).astype(np.float32), shipped.embeddings(mine.seen).astype(np.float32))
        return SplitPredictions(*spoken, methods, mine.families, mine.sources, *named)

    methods, train = list(recipe(fitted.head).class_of), own["train"]
    fitted_to = train.take((train.labels >= 0) & ~left_out(train.methods, train.sources, fitted.leave_out))
    bank_faces = said("train", references(samples["train"], fitted.leave_out, references_count, methods))
    apart, info = heads.heads_without(run, recipe(fitted.head)), info_of(out.name, LABELS_OF_HEADS)

    def said_without(by: str) -> list[elsewhere.Elsewhere]:
        banks = elsewhere.fold_banks(samples["train"], fitted_to, apart[by], references_count, labels, by)
        known = {split: own[split].take(own[split].labels >= 0) for split in heads.SPLITS}
        return [
            one for split, some in known.items()
            for one in elsewhere.answers(split, samples[split], some, apart[by], banks, fitted.known, labels, by)
        ]  # fmt: skip

    strange, new = said_without("sources"), said_without("method")
    alone = elsewhere.together(strange)
    temperature = elsewhere.fit_temperature(alone, info, fitted)
    # Most of what is new lies far from all references, right answers and wrong ones alike.
    like = replace(CAREFUL, max_atypicality=0.99)
    chosen = Chosen(temperature, elsewhere.choose_thresholds(alone, info, temperature, like), elsewhere.distances(strange))
    publication = begin(
        METHODS, run, reader, bank_faces, {split: said(split) for split in SPLITS}, faces, out, minutes, command, notes, chosen
    )
    card, found, answered = publication.card, publication.found, strange
    if experts:
        heard = Heard.load(experts, run, samples, strange, info, temperature)
        card, found, answered = heard.combine(card, found, strange, publication.bank, fitted)
    rule = card.combination
    t, thresholds = (1.0, rule.thresholds) if rule is not None else (temperature, card.thresholds)
    tables, test = measure(samples, publication.raw, found, faces.sides, publication.info, t, thresholds, publication.bank)
    unseen = elsewhere.together(answered)
    verdicts = elsewhere.judged(answered, samples, faces.sides, t, thresholds, info)
    tables += [elsewhere.elsewhere_table(unseen, verdicts, info, t), elsewhere.coverage_table(unseen, info, t)]
    # By the network alone: its experts may know the methods.
    of_new = elsewhere.judged(new, samples, faces.sides, temperature, card.thresholds, info)
    tables.append(elsewhere.methods_table(elsewhere.together(new), of_new))
    publication.finish(card, [*tables, publication.placement], [round(one, 4) for one in (test.ece_uncalibrated, test.ece)])


@dataclass(frozen=True)
class Heard:
    """What experts say of some crops of the splits (`chosen`, ascending), and how a detector of that description and temperature answers
    together with them."""

    experts: Sequence[Predictor]
    chosen: Mapping[str, np.ndarray]
    said: Mapping[str, Sequence[SplitPredictions]]
    info: DetectorInfo
    temperature: float

    @staticmethod
    def load(
        names: Sequence[str], run: Path, samples: Mapping[str, Samples], left_out: Sequence[elsewhere.Elsewhere], info: DetectorInfo,
        temperature: float,
    ) -> Heard:  # fmt: skip
        """Read with each, once, all crops of val, test and cross and those of train that are left out; kept in the run's folder."""
        experts, chosen = [Predictor(load(name)) for name in names], {split: np.arange(len(samples[split])) for split in SPLITS}
        if trained := [one.chosen for one in left_out if one.split == "train"]:
            chosen["train"] = np.unique(np.concatenate(trained))
        said = {
            split: [
                read_by_detector(one, samples[split], rows, run / f"read_{one.info.name}_{split}.npz", mirrored=False) for one in experts
            ]
            for split, rows in chosen.items()
        }
        return Heard(experts, chosen, said, info, temperature)

    def readings(self, split: str, rows: np.ndarray, first: SplitPredictions, bank: ReferenceBank) -> list[Reading]:
        """All readings of some crops of a split, the detector's own (with its bank) first."""
        own, at = [reading_of(first, self.info, self.temperature, bank)], np.searchsorted(self.chosen[split], rows)
        return own + [
            reading_of(said.take(at), one.info, one.card.calibration.temperature, ReferenceBank.load(one.detector.folder))
            for one, said in zip(self.experts, self.said[split], strict=True)
        ]

    def combine(
        self, card: Card, found: Mapping[str, SplitPredictions], left_out: Sequence[elsewhere.Elsewhere], bank: ReferenceBank,
        fitted: heads.Settings,
    ) -> tuple[Card, dict[str, SplitPredictions], list[elsewhere.Elsewhere]]:  # fmt: skip
        """The card with its combination, fitted to left-out sources and to validation faces of those that all readers know alike, with
        thresholds chosen on the left-out ones; and the common answers."""
        apart = [self.readings(one.split, one.chosen, one.found, one.bank) for one in left_out]
        whole = {split: self.readings(split, np.arange(len(some.methods)), some, bank) for split, some in found.items()}
        alone = elsewhere.together(left_out)
        kinds = [(alone, np.concatenate([features(one) for one in apart]))]
        if fitted.known:
            folder = np.array([path.partition("/")[0] for path in found["val"].paths.tolist()])
            old = np.isin(folder, list(fitted.known))
            kinds.append((found["val"].take(old), features(whole["val"])[old]))
        families = [family for family in LABEL_FAMILIES if family != REAL and family in self.info.families]
        odds, shares = elsewhere.fit_combination(kinds, len(self.experts) + 1, families, fitted)
        names, digests = tuple(one.info.name for one in self.experts), tuple(one.card.files[MODEL_FILE] for one in self.experts)
        rule = Combination(names, digests, odds, shares, card.thresholds)
        answered = [replace(one, found=combined(rule, one.found, own)) for one, own in zip(left_out, apart, strict=True)]
        thresholds = elsewhere.choose_thresholds(elsewhere.together(answered), self.info, 1.0, card.thresholds)
        rule = replace(rule, thresholds=thresholds)
        return replace(card, combination=rule), {split: combined(rule, some, whole[split]) for split, some in found.items()}, answered


def publish_dnadet(
    runs: dnadet.Runs, data_flag: str | None, work: Path, out: Path, minutes: float, command: str, notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write DNA-Det's whole folder `out` and print its figures."""
    faces = Faces.load(data_flag, work)
    samples, run = faces.samples, runs.shipped
    read_faces = dnadet.Faces(samples, references(samples["train"], (), references_count, training.CLASSES), faces.sides)
    reader, bank_faces = dnadet.build_reader(run, samples["train"], read_faces.references)
    own = begin(DNADET, run, reader, bank_faces, dnadet.read_all(reader, run, read_faces), faces, out, minutes, command, notes)
    test = dnadet.overall_table(own.found, own.raw, own.info, own.temperature)
    card = _with_patches(own.card, samples["val"], own.predictor(own.card))
    predictor, default = own.predictor(card), Predictor(load("default"))
    compared = dnadet.comparisons(runs, read_faces, own.found, own.raw, bank_faces, predictor, default)
    own.finish(card, [test, *_dnadet_answers(own), *compared, own.placement], last_ece(test))


def _with_patches(card: Card, val: Samples, predictor: Predictor) -> Card:
    """The card with a bias per class and a temperature for patches that are read alone, fitted on the patches of at most 60 validation
    faces of each class, photographs weighing as much as all generators together: a patch tells less than a face, and the bias of whole
    faces would call every second patch of a photograph generated."""
    by_class = (of_methods(val, (name,)) for name in training.CLASSES)
    chosen = np.concatenate([mine[:: max(1, len(mine) // 60)][:60] for mine in by_class])
    logits = patch_logits(predictor, np.stack([val.picture(int(index)) for index in chosen]))
    truth = np.repeat([training.CLASSES.index(val.methods[int(index)]) for index in chosen], len(logits) // len(chosen))
    weights = np.where(truth == 0, 1.0 / (truth == 0).sum(), 1.0 / (truth != 0).sum())
    bias, temperature = metrics.fit_calibration(logits, truth, weights)
    patch_bias, patch_temperature = tuple(round(float(one), 4) for one in bias), round(float(temperature), 4)
    return replace(card, calibration=replace(card.calibration, patch_bias=patch_bias, patch_temperature=patch_temperature))


def _verdicts(on: str, found: SplitPredictions, judged: Sequence[TrackEvidence], methods: Sequence[str]) -> list[MeasuredTable]:
    """The table of the verdicts on the faces of these methods; none without any."""
    chosen = np.flatnonzero(np.isin(found.methods, methods))
    return [verdict_table(f"Verdicts on {on}", found.take(chosen), [judged[index] for index in chosen.tolist()])] if len(chosen) else []


def _dnadet_answers(own: Publication) -> list[MeasuredTable]:
    """What it says of the faces of its classes, and of others; then how far its confidence can be trusted."""
    tables: list[MeasuredTable] = []
    for split in ("cross", "test"):
        found, judged = own.found[split], own.judged(split)
        tables += _verdicts(split, found, judged, training.CLASSES)
        tables.append(source_table(f"Sources, {split}", own.own(split), own.info, own.temperature))
        tables.append(confusion_table(f"Methods, {split}", own.own(split), own.info, own.temperature))
        tables += _verdicts(f"unknown generators, {split}", found, judged, dnadet.UNKNOWN_GENERATORS)
        tables += _verdicts(f"face swaps, {split}", found, judged, (dnadet.SWAPPED,))
    return [*tables, *own.confidence()]


@dataclass(frozen=True)
class CaddmRuns:
    """Finished runs: the one that ships, the plain binary detector beside it, and the backbone's file before any of it, if at hand."""

    shipped: Path
    plain: Path
    backbone: Path | None = None


def publish_caddm(
    runs: CaddmRuns, data_flag: str | None, work: Path, out: Path, minutes: float, command: str, notes: Sequence[str] = (),
    references_count: int = MOST_REFERENCES,
) -> None:  # fmt: skip
    """Write the ID-unaware detector's whole folder `out` and print its figures, beside the plain binary detector of the same data and
    steps, and beside the default one; `lab localise` adds where its boxes and heatmaps point."""
    faces, run = Faces.load(data_flag, work), runs.shipped
    samples, rows = faces.samples, faces.rows
    chosen = references(samples["train"], (), references_count, caddm.METHODS)
    reader, bank_faces = with_projection(caddm.load_run(run), samples["train"], chosen, run)
    every = {split: np.arange(len(samples[split])) for split in SPLITS}
    raw = {split: read(reader, samples[split], every[split], run / f"read_{split}.npz", mirrored=True) for split in SPLITS}
    own = begin(CADDM, run, reader, bank_faces, raw, faces, out, minutes, command, notes)
    card = replace(own.card, artifacts=ArtifactRule(min_confidence=0.5))
    rule = choose_rule(own.predictor(card), rows, work, samples["val"])
    card = replace(card, artifacts=rule)
    predictor, default = own.predictor(card), Predictor(load("default"))
    rivals = caddm.Rivals(runs.plain, runs.backbone, predictor, default, run / "compared")
    overall, compared = caddm.compare(rivals, rows, samples, own.found, raw, own.info, own.temperature)
    by_confidence = confidence_table(predictor, rows, work, samples["test"], rule)
    own.finish(card, [overall, *compared, *_caddm_answers(own, default, run), by_confidence, own.placement], last_ece(overall))


def _caddm_answers(own: Publication, default: Predictor, run: Path) -> list[MeasuredTable]:
    """What its verdicts say, alone and beside the default detector; then how far its confidence can be trusted."""
    tables, card, bank = [], default.card, ReferenceBank.load(default.detector.folder)
    for split in ("cross", "test"):
        samples, judged, mine = own.faces.samples[split], own.judged(split), own.own(split)
        tables.append(verdict_table(f"Verdicts on {split}", mine, [judged[index] for index in of_methods(samples, caddm.METHODS)]))
        tables.append(source_table(f"Sources, {split}", mine, own.info, own.temperature))
        by_default = read_by_detector(default, samples, np.arange(len(samples)), run / f"read_default_{split}.npz")
        chosen = (card.calibration.temperature, card.thresholds, default.info, bank)
        first = judge_samples(samples, by_default, own.faces.sides[split], *chosen)
        tables.append(second_opinion_table(split, own.found[split], first, judged, own.info.name, CADDM.scope))
    return [*tables, *own.confidence()]


def measure_cross_auc(folders: Sequence[Path], data: Data, work: Path) -> None:
    """`lab cross-auc`: measure AUCs across collections of finished detectors and write the table into their cards."""
    rows = read_manifest(data)
    samples = {split: load_samples(rows, work, split) for split in ("test", "cross")}
    landmarks = np.stack([row.landmarks for row in rows if row.split == "cross"])
    unseen = caddm.generalisation_cases(samples["test"], samples["cross"], landmarks)
    for folder in folders:
        predictor = Predictor(load_folder(folder))
        methods = PRODUCTS[predictor.card.scope].methods
        found = cross_auc_tables(predictor, samples, methods, unseen if "face_swap" in predictor.info.families else None)
        print(f"\n{predictor.info.name}")
        card = predictor.card
        for one in found:
            print_table(one)
            card = with_table(card, one)
        write_card(card, folder)
