"""Heads on what a frozen network of all stages sees (`train.seen`): a linear classifier of methods and an embedding for the map; and what
such heads say of sources that they were not fitted to, on which everything that has to hold elsewhere is chosen.

With some ten thousand faces of some fifty sources, fitting the head alone is right elsewhere more often than training the network
under it (the model cards have the figures), and takes minutes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning.losses import SupConLoss
from safetensors.torch import save_file
from torch.nn import functional

from attribution.detectors.eight_bit import compress
from attribution.errors import LabError
from attribution.lab.aligned import Aligned
from attribution.lab.data import REAL, find_data, read_manifest
from attribution.lab.forge.pools import FORGED, Samples, left_out, load_samples
from attribution.lab.train.loop import save_arrays
from attribution.lab.train.pointing import Cells, read_cells
from attribution.lab.train.recipes import Recipe, recipe
from attribution.lab.train.sampling import check_sources
from attribution.lab.train.seen import Trunk, seen
from attribution.models.architectures import LEVELS_PREFIX
from attribution.models.backbones import EMBEDDING_DIMENSIONS
from attribution.models.levels import Levels

# Of the standardised features' own axes those of a lower variance are left out; and, of the loss on where a head looks, how sharply it
# tells cells apart, and by how much a changed one should exceed the drawn ones, as not all were drawn.
_LEAST_SPREAD, _SHARPNESS, _MARGIN = 0.01, 3.0, 2.0
SPLITS, FOLDS_FILE = ("train", "val", "test"), "folds.npz"
# What is left out together: sources that stem from one place, one figure pipeline or one set of clips; else one of every family in turn.
FOLDS: tuple[tuple[str, ...], ...] = (
    ("dfdc", "tpdne_a", "tpdne_c", "prompt_gallery", "aniportrait"),
    (
        "deepfacelive", "deepfacelive_targets", "sfhq_t2i_sdxl", "sfhq_t2i_flux1_schnell", "sfhq_t2i_flux1_dev", "sfhq_t2i_flux1_pro",
        "omnihuman", "utkface",
    ),
    ("ciplab", "generated_photos", "generated_photos_c", "gpt4o_cases", "loopy", "us_house"),
    ("boredhumans", "sdfd_sd21", "anitalker", "ffhq", "ffhq_256"),
    ("stylegan3_pool", "photomaker", "edtalk", "thai_parliament", "lk_parliament"),
    ("kolors_demos", "liveportrait", "unsplash", "celeba_wild", "celebs5"),
    ("nano_banana_cases", "headshot_previews", "observations", "webcams", "footballers"),
    ("zimage_game", "mopcon_speakers", "ropensci_people", "community_people", "somali_figures"),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """One fit. `trunks` are those of `seen.Trunk`; `known` the data folders whose faces a trunk was
    trained on, so that what is said of them tells nothing of others. `head` is a name of RECIPES, whose `cap` says how sources weigh;
    `decay` the weight of half the squared classifier weights beside the losses; `binary_weight` that of the entropy of *manipulated or
    not* beside that of the methods; `untouched_share` how much of all faces' weight the untouched ones have; `forgeries` the most of the
    lab's own forgeries of a kind that are read; `pointing` the weight of the loss on where the head looks; `steps` and `faces_a_step` are
    of the embedding."""

    data: str
    work: str
    out: str
    trunks: tuple[tuple[str, ...], ...]
    head: str = "attribution"
    decay: float = 0.2
    binary_weight: float = 1.0
    untouched_share: float = 0.5
    forgeries: int = 1000
    pointing: float = 0.1
    steps: int = 400
    faces_a_step: int = 512
    seed: int = 7
    known: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    jobs: int = 1


@dataclass(frozen=True)
class Head:
    """On features N×F, standardised by `mean` and `deviation` F: `weight` K×F and `bias` K give logits, `projection` 128×F the
    embedding before its length is made 1."""

    mean: np.ndarray
    deviation: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    projection: np.ndarray

    def logits(self, means: np.ndarray) -> np.ndarray:
        return ((means - self.mean) / self.deviation) @ self.weight.T + self.bias

    def embeddings(self, means: np.ndarray) -> np.ndarray:
        found = ((means - self.mean) / self.deviation) @ self.projection.T
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def balanced(families: np.ndarray, sources: np.ndarray, cap: int | None, untouched_share: float) -> np.ndarray:
    """A weight for each of N faces, of sum 1: the untouched have their share, the other families alike of the rest, and within a family a
    source of up to `cap` faces weighs by its size, larger ones alike. Forgeries of the lab of one kind are one source."""
    sources = np.array([source.partition(" on ")[0] for source in sources.tolist()])
    weights, names = np.zeros(len(families)), sorted(set(families.tolist()))
    for family in names:
        mine = families == family
        share = untouched_share if family == REAL else (1 - untouched_share) / max(1, len(names) - 1)
        sizes = {source: int((sources[mine] == source).sum()) for source in set(sources[mine].tolist())}
        counted = {source: min(size, cap or size) for source, size in sizes.items()}
        for source, size in sizes.items():
            weights[mine & (sources == source)] = share * counted[source] / sum(counted.values()) / size
    return weights / weights.sum()


def fit(
    seen_by: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray, settings: Settings, cells: Cells | None = None
) -> Head:  # fmt: skip
    """The head for N×F features whose labels (N) are places of `classes` classes, the untouched at 0, and whose weights have the sum 1:
    multinomial logistic regression and the same network's log-odds of a manipulation as a binary one, and of `cells` the class activation
    (`_pointing`), minimised by L-BFGS from nought; then the embedding by the supervised contrastive loss (Khosla et al. 2020, arXiv
    2004.11362, temperature 0.1) on balanced batches."""
    mean = weights @ seen_by
    deviation = np.sqrt(weights @ (seen_by - mean) ** 2) + 1e-4
    x, y = torch.from_numpy(((seen_by - mean) / deviation).astype(np.float32)), torch.from_numpy(labels)
    share = torch.from_numpy(weights.astype(np.float32))
    # Along their own axes: along those in which the faces hardly differ nothing is learnt against the decay, at half the cost.
    spread, axes = torch.linalg.eigh((x * share[:, None]).T @ x)
    axes = axes[:, spread > _LEAST_SPREAD]
    turned, pointing = x @ axes, None if cells is None else _pointing(cells, mean, deviation, axes)
    weight = torch.zeros(classes, axes.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, history_size=20, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = turned @ weight.T + bias
        odds = logits[:, 1:].logsumexp(1) - logits[:, 0]
        methods = functional.cross_entropy(logits, y, reduction="none")
        manipulated = functional.binary_cross_entropy_with_logits(odds, (y > 0).float(), reduction="none")
        total = share @ (methods + settings.binary_weight * manipulated) + settings.decay / 2 * (weight**2).sum()
        if pointing is not None:
            total = total + settings.pointing * pointing(weight)
        total.backward()
        return total

    optimiser.step(loss)  # type: ignore[arg-type]
    projection = _embedding(x, y, weights, settings)
    found = (one.detach().numpy() for one in (weight @ axes.T, bias, projection))
    return Head(mean.astype(np.float32), deviation.astype(np.float32), *found)


def _pointing(cells: Cells, mean: np.ndarray, deviation: np.ndarray, axes: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss of a head's weight (K×A, along the axes F×A) on where it looks: how far each changed cell's activation of the forgery's
    class is from being above the highest of the unchanged ones, smoothly (logistic; N×cells×F are read in pieces)."""

    def turned(part: np.ndarray) -> torch.Tensor:
        pieces = np.array_split(part, max(1, len(part) // 128))
        return torch.cat([torch.from_numpy(((one - mean) / deviation).astype(np.float32)) @ axes for one in pieces])

    inside, outside, labels = turned(cells.inside), turned(cells.outside), torch.from_numpy(cells.labels)
    shares = torch.from_numpy((cells.weights / cells.weights.sum()).astype(np.float32))

    def loss(weight: torch.Tensor) -> torch.Tensor:
        own = weight[labels]
        high, low = (_SHARPNESS * torch.einsum("nca,na->nc", some, own) for some in (inside, outside))
        return shares @ functional.softplus(low.logsumexp(1, keepdim=True) + _MARGIN - high).mean(1)

    return loss


def _embedding(x: torch.Tensor, y: torch.Tensor, weights: np.ndarray, settings: Settings) -> torch.Tensor:
    generator = torch.Generator().manual_seed(settings.seed)
    projection = torch.randn(EMBEDDING_DIMENSIONS, x.shape[1], generator=generator) / x.shape[1] ** 0.5
    projection.requires_grad_(True)
    optimiser, contrast, chance = torch.optim.Adam([projection], lr=1e-3), SupConLoss(temperature=0.1), torch.from_numpy(weights)
    for _ in range(settings.steps):
        chosen = torch.multinomial(chance, settings.faces_a_step, replacement=True, generator=generator)
        optimiser.zero_grad()
        contrast(functional.normalize(x[chosen] @ projection.T, dim=1), y[chosen]).backward()
        optimiser.step()
    return projection


@dataclass(frozen=True)
class Faces(Aligned):
    """The faces of a recipe: which samples of a split (`chosen`), what the network sees of them, the place of their class, and whose they
    are."""

    chosen: np.ndarray
    seen: np.ndarray
    labels: np.ndarray
    families: np.ndarray
    sources: np.ndarray
    methods: np.ndarray

    def head(self, rule: Recipe, settings: Settings, cells: Cells | None = None) -> Head:
        """A head fitted to these faces, and to look where the cells say."""
        weights = balanced(self.families, self.sources, rule.cap, settings.untouched_share)
        return fit(self.seen, self.labels, len(rule.classes), weights, settings, cells)


def faces_of(split: str, settings: Settings, samples: Samples, every: bool = False) -> Faces:
    """The crops of a split, and the first forgeries of each kind, whose methods the recipe has; `every` crop where asked for, the label of
    other methods being −1."""
    rule, methods = recipe(settings.head), np.array(samples.methods)
    forged = [np.flatnonzero(methods == method)[: settings.forgeries] for method in FORGED if method in rule.class_of]
    # All crops, whatever the recipe, so that another one need not read them again.
    kinds = {"": np.flatnonzero(~np.isin(methods, FORGED)), "-forged": np.concatenate(forged)}
    place = settings.data, Path(settings.work), split
    read = [
        np.concatenate([seen(*place, some, Trunk(*one), settings.jobs, kind) for kind, some in kinds.items() if len(some)])
        for one in settings.trunks
    ]
    chosen = np.concatenate(list(kinds.values()))
    labels = np.array([rule.class_of.get(method, -1) for method in methods[chosen]])
    named = (np.array(one)[chosen] for one in (samples.families, samples.sources, samples.methods))
    return Faces(chosen, np.concatenate(read, axis=1), labels, *named).take(every | (labels >= 0))


def fold_of(sources: Sequence[str]) -> np.ndarray:
    """The place in FOLDS of each source, or of the source under a forgery; −1 for one that is in none."""
    places = {source: place for place, fold in enumerate(FOLDS) for source in fold}
    return np.array([places.get(source.rpartition(" on ")[2], -1) for source in sources], int)


def left_out_by(rule: Recipe) -> dict[str, int]:
    """By what faces are left out in turn, and in how many parts: the sources of FOLDS, and each class but the untouched."""
    return {"sources": len(FOLDS), "method": len(rule.classes) - 1}


def place_of(faces: Faces | Cells, by: str) -> np.ndarray:
    """The part (see `left_out_by`) of each face or forgery; −1 for those of none."""
    return fold_of(faces.sources.tolist()) if by == "sources" else np.maximum(faces.labels, 0) - 1


def fitted_to(settings: Settings, samples: Samples) -> Faces:
    """The training faces of a fit; LabError for a source that is in no fold."""
    faces = faces_of("train", settings, samples)
    faces = faces.take(~left_out(faces.methods, faces.sources, settings.leave_out))
    lost = faces.sources[fold_of(faces.sources.tolist()) < 0].tolist()
    if lost:
        raise LabError(f"The source {lost[0]} is in no fold.", "Add it to FOLDS, or leave it out.")
    return faces


def train(settings: Settings) -> None:
    """Fit the head on the split train, and one for each part that is left out in turn (`left_out_by`); the crops of the other splits are
    read too, so that publishing the run needs no file of the trunks. The run's folder gets `settings.json`, `final.safetensors` (the
    network and the embedding's projection) and `folds.npz` (the heads of the parts)."""
    rows, out = read_manifest(find_data(settings.data)), Path(settings.out)
    rule, samples = recipe(settings.head), load_samples(rows, Path(settings.work), "train")
    check_sources(samples, rule)
    faces = fitted_to(settings, samples)
    for split in (*SPLITS[1:], "cross"):
        faces_of(split, settings, load_samples(rows, Path(settings.work), split).crops())
    trunks, cells = [Trunk(*one) for one in settings.trunks], None
    if settings.pointing:
        cells = read_cells(settings.data, Path(settings.work), samples, settings.head, trunks, settings.seed, settings.jobs)
    if cells is not None:
        cells = cells.take(~left_out(cells.methods, cells.sources, settings.leave_out))
    heads = []
    for by, count in left_out_by(rule).items():
        place, under = place_of(faces, by), None if cells is None else place_of(cells, by)
        for part in range(count):
            heads.append(faces.take(place != part).head(rule, settings, cells and cells.take(under != part)))
            print(f"without {by} {part + 1} of {count}", flush=True)
    save_arrays(out / FOLDS_FILE, **{name.name: np.stack([getattr(one, name.name) for one in heads]) for name in fields(Head)})
    net = with_head(Levels([trunk.load() for trunk in trunks], len(rule.classes)), faces.head(rule, settings, cells))
    save_file({name: value.contiguous() for name, value in net.items()}, out / "final.safetensors")
    named = [trunk.told() for trunk in trunks]
    own = {**asdict(settings), "data": "", "work": "", "out": "", "trunks": named}
    (out / "settings.json").write_text(json.dumps(own, indent=1))


def with_head(net: Levels, head: Head) -> dict[str, torch.Tensor]:
    """The tensors of the network with that head, and of its projection: the standardisation is that of `Levels.norm`."""
    with torch.no_grad():
        net.norm.running_mean.copy_(torch.from_numpy(head.mean))  # type: ignore[union-attr]
        net.norm.running_var.copy_(torch.from_numpy(head.deviation**2 - net.norm.eps))  # type: ignore[union-attr]
        net.classifier.weight.copy_(torch.from_numpy(head.weight))
        net.classifier.bias.copy_(torch.from_numpy(head.bias))
    state = {f"backbone.{name}": value for name, value in net.state_dict().items()}
    return {**state, "projection.weight": torch.from_numpy(head.projection)}


def packed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as they ship: the trunks in 8 bits, as they were when the head was fitted, the head in half precision."""
    trunks = {name: value for name, value in state.items() if name.startswith("trunks.")}
    rest = {name: value for name, value in state.items() if name not in trunks}
    return {**compress(trunks), **{name: value if name.startswith("norm.") else value.half() for name, value in rest.items()}}


def architecture_of(settings: Mapping[str, Any]) -> str:
    """The architecture that a run's network has in a detector's folder."""
    return LEVELS_PREFIX + "+".join(backbone for backbone, *_ in settings["trunks"])


def heads_without(run: Path, rule: Recipe) -> dict[str, list[Head]]:
    """The heads of the parts of each way of leaving out, in order; LabError when the run is not finished."""
    if not (run / FOLDS_FILE).is_file():
        raise LabError(f"The fit {run.name} is not finished.", "Run it again.")
    with np.load(run / FOLDS_FILE) as stored:
        columns = [stored[one.name] for one in fields(Head)]
    heads = iter([Head(*parts) for parts in zip(*columns, strict=True)])
    return {by: [next(heads) for _ in range(count)] for by, count in left_out_by(rule).items()}
