"""What a detector is worth on sources that nobody trained it on: its head is fitted anew without each fold of sources in turn
(`train.heads`) and asked about them. Thresholds, temperature and what counts as typical are chosen on these answers, and they are what
its card gives as its figures elsewhere.

Of faces that a trunk was trained on (`Settings.known`) no such answer is honest, and none is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from attribution.detectors.card import MeasuredTable, Thresholds
from attribution.detectors.eight_bit import expand
from attribution.errors import LabError
from attribution.evidence import DetectorInfo, TrackEvidence
from attribution.explain.reference import MAP_NEIGHBOURS, NEIGHBOURS, ReferenceBank, kth_distances
from attribution.lab import metrics
from attribution.lab.data import REAL
from attribution.lab.forge.pools import FORGED, Samples
from attribution.lab.measure.evaluate import judge_samples
from attribution.lab.measure.predictions import Reader, SplitPredictions, p_manipulated, references
from attribution.lab.tables import Row, table
from attribution.lab.train.heads import Faces, Head, Settings, architecture_of, balanced, packed, place_of
from attribution.lab.train.recipes import recipe
from attribution.lab.train.seen import MODEL_ARGS
from attribution.models.backbones import build_backbone

# How many untouched faces of a source may be accused (median and mean over sources; the worst, of sources of FEWEST faces or more), and
# how many of the manipulated ones may be cleared (mean over sources; composites made by hand are told apart).
ACCUSED, WORST_ACCUSED, CLEARED = 0.01, 0.03, 0.05
BY_HAND = ("ciplab",)
FEWEST = 30
_LEVELS = np.round(np.r_[np.arange(0.001, 0.05, 0.001), np.arange(0.05, 0.95, 0.0025), np.arange(0.95, 0.9995, 0.0005)], 4)


@dataclass(frozen=True)
class Elsewhere:
    """Answers about faces of left-out sources: what a split's faces got (`found`, under the detector's labels), which samples of the split
    they are, and the bank of references that stood beside each fold's answers. Embeddings of different folds cannot be compared."""

    split: str
    fold: int
    chosen: np.ndarray
    found: SplitPredictions
    bank: ReferenceBank


def load_run(run: Path, settings: Settings) -> tuple[Reader, Head]:
    """The network of a finished run as it ships (`packed`), in evaluation mode, and its head."""
    file = run / "final.safetensors"
    if not file.is_file():
        raise LabError(f"The fit {run.name} is not finished.", "Run it again.")
    reader = Reader(build_backbone(architecture_of(asdict(settings)), len(recipe(settings.head).classes), MODEL_ARGS))
    state = load_file(file)
    backbone = expand(packed({name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}))
    reader.backbone.load_state_dict(backbone)
    with torch.no_grad():
        reader.projection.weight.copy_(state["projection.weight"].half().float())
    norm, classifier = reader.backbone.norm, reader.backbone.classifier
    deviation = (norm.running_var + norm.eps).sqrt()
    parts = (norm.running_mean, deviation, classifier.weight, classifier.bias, reader.projection.weight)
    return reader.eval(), Head(*(one.detach().numpy() for one in parts))


def answers(
    split: str, samples: Samples, faces: Faces, heads: Sequence[Head], banks: Sequence[ReferenceBank], known: Sequence[str],
    labels: Sequence[str], by: str = "sources",
) -> list[Elsewhere]:  # fmt: skip
    """What the heads without a part of the sources (or `by` method) say of the crops of a split that are of that part. `banks` are theirs;
    faces of the data folders `known` are left out."""
    folder = np.array([path.partition("/")[0] for path in samples.paths])[faces.chosen]
    honest = ~np.isin(faces.methods, FORGED) & ~np.isin(folder, list(known))
    place, found = place_of(faces, by), []
    for fold, (head, bank) in enumerate(zip(heads, banks, strict=True)):
        own = faces.take(honest & (place == fold))
        if len(own.chosen):
            groups, paths = (np.array(one)[own.chosen] for one in (samples.groups, samples.paths))
            methods = np.array([labels[label] for label in own.labels.tolist()])
            said = head.logits(own.seen).astype(np.float32), head.embeddings(own.seen).astype(np.float32)
            found.append(
                Elsewhere(split, fold, own.chosen, SplitPredictions(*said, methods, own.families, own.sources, groups, paths), bank)
            )
    return found


def fold_banks(
    train: Samples, faces: Faces, heads: Sequence[Head], count: int, labels: Sequence[str], by: str = "sources"
) -> list[ReferenceBank]:  # fmt: skip
    """The references that a detector without each part would bring: of the training faces without it; no map."""
    place, banks = place_of(faces, by), []
    at = {index: row for row, index in enumerate(faces.chosen.tolist())}
    for fold, head in enumerate(heads):
        gone = sorted(set((faces.sources if by == "sources" else faces.methods)[place == fold].tolist()))
        rows = np.array([at[index] for index in references(train, gone, count, faces.methods.tolist()).tolist() if index in at])
        names = tuple(labels[int(label)] for label in faces.labels[rows])
        embeddings = head.embeddings(faces.seen[rows]).astype(np.float32)
        points = np.zeros((len(rows), 2), np.float32)
        banks.append(
            ReferenceBank(embeddings, points, names, tuple(faces.sources[rows]), np.zeros(1, np.float32), NEIGHBOURS, MAP_NEIGHBOURS)
        )
    return banks


def distances(found: Sequence[Elsewhere]) -> np.ndarray:
    """How far the faces are from their fold's references, N: what is typical of faces from elsewhere."""
    return np.concatenate([kth_distances(one.found.embeddings, one.bank.embeddings) for one in found])


def together(found: Sequence[Elsewhere]) -> SplitPredictions:
    """All answers in one; their embeddings are of no use."""
    parts = [one.found for one in found]
    if not parts:
        raise LabError("There are no faces of sources that nobody trained on.", "Name data folders beside those that the trunks know.")
    return SplitPredictions(*(np.concatenate([getattr(part, name) for part in parts]) for name in SplitPredictions.__dataclass_fields__))


def _weights(found: SplitPredictions, settings: Settings) -> np.ndarray:
    """Of each face, as the fit of these settings weighs it."""
    return balanced(found.families, found.sources, recipe(settings.head).cap, settings.untouched_share)


def fit_temperature(found: SplitPredictions, info: DetectorInfo, settings: Settings) -> float:
    """The temperature that minimises the negative log-likelihood of *manipulated or not*, every source weighing as it did in the fit."""
    weights, manipulated = _weights(found, settings), found.families != REAL

    def loss(log_t: float) -> float:
        p = p_manipulated(metrics.softmax(found.logits, float(np.exp(log_t))), info)
        return float(-(weights * np.log(np.clip(np.where(manipulated, p, 1 - p), 1e-9, 1))).sum())

    return round(float(np.exp(minimize_scalar(loss, bounds=(np.log(0.2), np.log(8)), method="bounded").x)), 4)  # type: ignore[attr-defined]


def fit_combination(
    found: Sequence[tuple[SplitPredictions, np.ndarray]], readers: int, families: Sequence[str], settings: Settings
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:  # fmt: skip
    """The rows of a `Combination` of so many `readers`: of a manipulation, and of each of the first one's `families`. Each of `found` is
    a kind of faces, of sources that a reader may know or of others, with its features (N×F, `verdict.combination.features`); all kinds
    weigh alike. A logistic model of the log-odds alone, without a penalty: nearness told nothing more, and the families keep the shares
    that the first reader gives them."""
    odds = np.concatenate([x[:, : 2 * readers : 2] for _, x in found])
    manipulated = np.concatenate([faces.families != REAL for faces, _ in found])
    weights = np.concatenate([_weights(faces, settings) for faces, _ in found])
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(odds, manipulated, sample_weight=weights * len(odds))
    row = np.zeros(2 * readers + len(families) + 1)
    # More of a log-odds never speaks for an untouched face.
    row[: 2 * readers : 2], row[-1] = np.maximum(model.coef_[0], 0), model.intercept_[0]
    shares = {family: np.eye(len(row))[2 * readers + place] for place, family in enumerate(families)}
    as_written = lambda values: tuple(round(float(value), 4) for value in values)  # noqa: E731
    return as_written(row), {family: as_written(values) for family, values in shares.items()}


def by_source(flags: np.ndarray, names: np.ndarray, fewest: int = 1) -> np.ndarray:
    """The share of flagged faces of each source with at least so many, sources by name."""
    return np.array([flags[names == one].mean() for one in sorted(set(names.tolist())) if (names == one).sum() >= fewest])


def choose_thresholds(found: SplitPredictions, info: DetectorInfo, temperature: float, like: Thresholds) -> Thresholds:
    """Manipulated from the lowest p on that ACCUSED and WORST_ACCUSED allow; none found up to the highest that CLEARED allows; the rest as
    in `like`."""
    p, names = p_manipulated(metrics.softmax(found.logits, temperature), info), _names(found)
    untouched = found.families == REAL
    made = ~untouched & ~np.isin(found.sources, BY_HAND)

    def harmless(level: float) -> bool:
        accused = p[untouched] >= level
        every, large = by_source(accused, names[untouched]), by_source(accused, names[untouched], FEWEST)
        return bool(max(np.median(every), every.mean()) <= ACCUSED and large.max(initial=0.0) <= WORST_ACCUSED)

    above = [level for level in _LEVELS if level > 0.5 and harmless(level)]
    below = [level for level in _LEVELS if level < 0.5 and by_source(p[made] <= level, names[made]).mean() <= CLEARED]
    p_above, p_below = float(min(above, default=0.9995)), float(max(below, default=0.001))
    return replace(like, p_manipulated_above=p_above, p_manipulated_below=p_below)


def judged(
    found: Sequence[Elsewhere], samples: Mapping[str, Samples], sides: Mapping[str, np.ndarray], temperature: float,
    thresholds: Thresholds, info: DetectorInfo,
) -> list[TrackEvidence]:  # fmt: skip
    """The whole verdicts on them, in the order of `together`."""
    typical = np.sort(distances(found))
    verdicts = []
    for one in found:
        bank = replace(one.bank, validation_distances=typical)
        whole = _spread(one, len(samples[one.split].methods))
        verdicts += judge_samples(samples[one.split], whole, sides[one.split], temperature, thresholds, info, bank, one.chosen)
    return verdicts


def _spread(one: Elsewhere, count: int) -> SplitPredictions:
    """The answers at the places of their samples, as `judge_samples` looks them up."""
    logits, embeddings = (np.zeros((count, part.shape[1]), np.float32) for part in (one.found.logits, one.found.embeddings))
    logits[one.chosen], embeddings[one.chosen] = one.found.logits, one.found.embeddings
    empty = np.empty(count, object)
    return SplitPredictions(logits, embeddings, *(empty for _ in range(5)))


def _names(found: SplitPredictions) -> np.ndarray:
    return np.array([f"{family}/{source}" for family, source in zip(found.families.tolist(), found.sources.tolist(), strict=True)])


def elsewhere_table(found: SplitPredictions, verdicts: Sequence[TrackEvidence], info: DetectorInfo, temperature: float) -> MeasuredTable:
    """The whole verdicts by source, then their means over the sources of each family, of the manipulated, of the untouched and of all."""
    p, names = p_manipulated(metrics.softmax(found.logits, temperature), info), _names(found)
    states = np.array([one.verdict.state for one in verdicts])
    families = [one.verdict.family or (REAL if one.verdict.state == "no_manipulation_found" else "") for one in verdicts]
    right, untouched = np.array(families) == found.families, found.families == REAL
    rows: list[Row] = []
    groups: dict[str, list[list[float]]] = {}
    for family, source, mine in found.by_source():
        accused, cleared = states[mine] == "manipulated", states[mine] == "no_manipulation_found"
        definite, wrong = accused | cleared, accused if family == REAL else cleared
        shares = [float(some.mean()) for some in (accused, cleared, ~definite, definite)]
        of_definite = metrics.share(wrong[definite])
        rest = [float("nan") if family == REAL else _auc_by_source(p, names, mine, untouched), float(right[mine].mean())]
        what = source if family == REAL else f"{source} ({family.replace('_', ' ')})"
        kind, count = "untouched source" if family == REAL else "source", int(mine.sum())
        rows.append((what, kind, count, *metrics.cells(*shares), *of_definite, *_cells(rest)))
        figures = [count, *shares, float("nan") if of_definite[0] is None else of_definite[0], *rest]
        for group in ("untouched", "all") if family == REAL else (family.replace("_", " "), "manipulated", "all"):
            groups.setdefault(group, []).append(figures)
    for group, several in groups.items():
        counts, values = np.split(np.array(several), [1], axis=1)
        *shares, wrong_of, auc, family_right = _means(values)
        interval = _cells(_over_sources(values[:, 4]))
        cells = (*_cells([*shares, wrong_of]), *interval, *_cells([auc, family_right]))
        rows.append((f"mean of sources, {group}", "pooled", int(counts.sum()), *cells))
    return table("elsewhere", rows)


def methods_table(found: SplitPredictions, verdicts: Sequence[TrackEvidence]) -> MeasuredTable:
    """The whole verdicts on faces of methods that were left out, by method, and their means."""
    states = np.array([one.verdict.state for one in verdicts])
    named, families = (np.array([getattr(one.verdict, name) or "" for one in verdicts]) for name in ("method", "family"))
    unknown = named == "unknown"
    others, right = (named != "") & ~unknown, families == found.families
    rows: list[Row] = []
    shares: list[list[float]] = []
    for method in sorted(set(found.methods.tolist())):
        mine = found.methods == method
        every = (unknown, others, right, states == "inconclusive", states == "no_manipulation_found")
        shares.append([float(flags[mine].mean()) for flags in every])
        rows.append((method, len(set(found.sources[mine].tolist())), int(mine.sum()), *metrics.cells(*shares[-1])))
    means = np.mean(shares, axis=0).tolist()
    return table("left_out_methods", [*rows, ("mean of methods", None, len(found.methods), *metrics.cells(*means))])


def _cells(values: Sequence[float]) -> Row:
    return tuple(None if np.isnan(value) else metrics.cells(value)[0] for value in values)


def _means(values: np.ndarray) -> list[float]:
    """The mean of each column of S×C figures over the sources that have one; not a number where none has."""
    there = np.isfinite(values)
    return [float(column[own].mean()) if own.any() else float("nan") for column, own in zip(values.T, there.T, strict=True)]


def _over_sources(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of a figure of S sources over resamples of the sources; not a number where there is none."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    random = np.random.default_rng(0)
    return metrics.interval([values[random.integers(0, len(values), len(values))].mean() for _ in range(1000)])


def _auc_by_source(p: np.ndarray, names: np.ndarray, mine: np.ndarray, untouched: np.ndarray) -> float:
    """The AUC of some manipulated faces against the untouched ones, of which every source weighs alike: the mean over these sources."""
    sources = sorted(set(names[untouched].tolist()))
    return float(np.mean([
        metrics.auc(np.r_[np.ones(int(mine.sum()), bool), np.zeros(int((names == one).sum()), bool)], np.r_[p[mine], p[names == one]])
        for one in sources
    ]))  # fmt: skip


def coverage_table(found: SplitPredictions, info: DetectorInfo, temperature: float) -> MeasuredTable:
    """The price of care: for each share of untouched faces accused and of manipulated ones cleared (means over sources), how many faces
    get a definite answer, and how many of these are wrong. The network alone, by p."""
    p, names = p_manipulated(metrics.softmax(found.logits, temperature), info), _names(found)
    untouched = found.families == REAL
    share: Callable[[np.ndarray, np.ndarray], float] = lambda flags, which: float(by_source(flags[which], names[which]).mean())  # noqa: E731
    rows: list[Row] = []
    for most in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1):
        above = min((level for level in _LEVELS if share(p >= level, untouched) <= most), default=1.0)
        below = max((level for level in _LEVELS if level < above and share(p <= level, ~untouched) <= most), default=0.0)
        accused, passed = share(p >= above, untouched), share(p <= below, untouched)
        caught, cleared = share(p >= above, ~untouched), share(p <= below, ~untouched)
        definite = (accused + passed + caught + cleared) / 2
        wrong = (accused + cleared) / (2 * definite) if definite else None
        rows.append((most, *metrics.cells(accused, cleared, passed, caught, definite), wrong and metrics.cells(wrong)[0]))
    return table("coverage", rows)
