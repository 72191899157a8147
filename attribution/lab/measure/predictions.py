"""What networks say of whole splits: logits and embeddings in one array a split, kept beside the run; and a trained network as the app
will have it, with a linear projection in place of the training's own."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from attribution.detectors.card import Combination
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.evidence import DetectorInfo
from attribution.explain.reference import ReferenceBank
from attribution.lab.aligned import Aligned
from attribution.lab.data import REAL
from attribution.lab.forge.pools import FORGED, Samples, left_out
from attribution.lab.metrics import softmax
from attribution.lab.train.loop import as_input, save_arrays
from attribution.lab.train.methods import Net, Settings
from attribution.models.backbones import EMBEDDING_DIMENSIONS, Projection, features, pooled_width
from attribution.verdict.combination import Reading, combine

REFERENCES_SEED = 5


@dataclass(frozen=True)
class SplitPredictions(Aligned):
    """Logits N×K and unit embeddings N×D, aligned with the samples' methods, families, sources, groups and paths."""

    logits: np.ndarray
    embeddings: np.ndarray
    methods: np.ndarray
    families: np.ndarray
    sources: np.ndarray
    groups: np.ndarray
    paths: np.ndarray

    def of(self, methods: Collection[str]) -> SplitPredictions:
        return self.take(np.isin(self.methods, list(methods)))

    def own(self) -> SplitPredictions:
        """Without the lab's own forgeries."""
        return self.take(~np.isin(self.methods, FORGED))

    def by_source(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Each family and source, by name, with a mask of its faces."""
        for family, source in sorted(set(zip(self.families.tolist(), self.sources.tolist(), strict=True))):
            yield family, source, (self.families == family) & (self.sources == source)

    def keep(self, file: Path, chosen: np.ndarray) -> None:
        """Write logits, embeddings, and the indices of their samples."""
        save_arrays(file, logits=self.logits, embeddings=self.embeddings, chosen=chosen)

    @staticmethod
    def kept(file: Path, samples: Samples) -> SplitPredictions:
        """What `keep` wrote for these samples."""
        with np.load(file) as stored:
            logits, embeddings, chosen = stored["logits"], stored["embeddings"], stored["chosen"]
        return SplitPredictions(logits, embeddings, *_named(samples, chosen))


def _named(samples: Samples, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
    names = (samples.methods, samples.families, samples.sources, samples.groups, samples.paths)
    return tuple(np.array(one)[chosen] for one in names)


def of_methods(samples: Samples, methods: Collection[str]) -> np.ndarray:
    """Indices of the samples of these methods."""
    return np.flatnonzero(np.isin(np.array(samples.methods), list(methods)))


def references(samples: Samples, leave_out: Collection[str], count: int, of: Collection[str] | None = None) -> np.ndarray:
    """Indices of at most `count` training faces that serve as references, none of what a training leaves out, and of the methods `of` alone
    where these are given: untouched faces get a fifth, the other methods share the rest; within a method every source gets a share that
    grows with the square root of its size."""
    methods, sources = np.array(samples.methods), np.array(samples.sources)
    seen = ~left_out(methods, sources, leave_out) & (True if of is None else np.isin(methods, list(of)))
    random, names, chosen = np.random.default_rng(REFERENCES_SEED), sorted(set(methods[seen].tolist())), list[int]()
    for method in names:
        quota = count // 5 if method == REAL else (count - count // 5) // max(1, len(names) - 1)
        mine = np.flatnonzero(seen & (methods == method))
        _, place, sizes = np.unique(sources[mine], return_inverse=True, return_counts=True)
        chance = (sizes**-0.5)[place]
        chosen += random.choice(mine, min(quota, len(mine)), replace=False, p=chance / chance.sum()).tolist()
    return np.array(sorted(chosen))


def families_of(labels: Sequence[str], info: DetectorInfo) -> list[str]:
    """The family of each label."""
    known = dict(zip(info.labels, info.families, strict=True))
    return [known[label] for label in labels]


def family_answers(p: np.ndarray, info: DetectorInfo) -> np.ndarray:
    """N×K probabilities → the family with the greatest sum, N names."""
    names = list(dict.fromkeys(info.families))
    sums = np.stack([p[:, [family == name for family in info.families]].sum(1) for name in names], 1)
    return np.array(names)[sums.argmax(1)]


def method_answers(found: SplitPredictions, info: DetectorInfo, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of the likeliest label, and whether it is the true method, N each."""
    p = softmax(found.logits, temperature)
    return p.max(1), np.array(info.labels)[p.argmax(1)] == found.methods


def p_manipulated(p: np.ndarray, info: DetectorInfo) -> np.ndarray:
    """1 − p(real), N."""
    return 1 - p[:, [family == REAL for family in info.families]].sum(1)


def reading_of(found: SplitPredictions, info: DetectorInfo, temperature: float, bank: ReferenceBank) -> Reading:
    """What a detector says of samples, for a combination."""
    return Reading(found.logits, found.embeddings, info, temperature, bank)


def combined(rule: Combination, found: SplitPredictions, readings: Sequence[Reading]) -> SplitPredictions:
    """What several detectors say together of the samples of `found`, as the app combines it: to be measured and judged at temperature 1,
    by the labels of the first reading and `rule.thresholds`."""
    said = combine(rule, readings)
    return replace(found, logits=said.logits, embeddings=said.embeddings)


def settings_of(run: Path) -> dict[str, Any]:
    """The settings of a run; LabError when there is none."""
    try:
        return json.loads((run / "settings.json").read_text())
    except OSError as error:
        raise LabError(f"There is no training in {run.name}.", "Name the folder of a finished training.") from error


def finished(run: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The settings and the averaged weights of a finished run; LabError when it is not there or not finished."""
    settings, file = settings_of(run), run / "final.safetensors"
    if not file.is_file():
        raise LabError(f"The training {run.name} is not finished.", "Run it again: it goes on where it stopped.")
    return settings, load_file(file)


def load_net(run: Path, device: str = "cpu") -> Net:
    """The averaged network of a run, finished or at its latest checkpoint, in evaluation mode."""
    settings = json.loads((run / "settings.json").read_text())
    settings["stages"] = tuple(tuple(stage) for stage in settings["stages"])
    net = Net(Settings(**settings))
    final = run / "final.safetensors"
    if final.exists():
        state = load_file(final)
    else:
        average = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")["average"]
        state = {name: value.to(net.state_dict()[name].dtype) for name, value in average.items()}
    net.load_state_dict(state)
    return net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@torch.inference_mode()
def predict(
    net: nn.Module, samples: Samples, chosen: np.ndarray | None = None, device: str = "cpu", mirrored: bool = False, half: bool = False,
    batch: int = 48,
) -> SplitPredictions:  # fmt: skip
    """Read every (or every chosen) sample as `Samples.encoded` has it: in bfloat16 if `half`, with its mirror image if `mirrored`."""
    logits, embeddings = [], []
    indices = np.arange(len(samples)) if chosen is None else chosen
    for first in range(0, len(indices), batch):
        pictures = [samples.encoded(index) for index in indices[first : first + batch].tolist()]
        x = as_input(np.stack(pictures), device)
        with torch.autocast(device, torch.bfloat16, enabled=half):
            own_logits, own = net(x)
            if mirrored:
                more_logits, more = net(x.flip(3).contiguous(memory_format=torch.channels_last))
                own_logits, own = (own_logits + more_logits) / 2, own + more
        own = torch.nn.functional.normalize(own.float(), dim=1)
        logits.append(own_logits.float().cpu().numpy())
        embeddings.append(own.float().cpu().numpy())
    return SplitPredictions(np.concatenate(logits), np.concatenate(embeddings), *_named(samples, indices))


class Reader(nn.Module):
    """Normalised B×3×S×S → logits B×K and unit embeddings B×128: network, classifier and the app's projection."""

    def __init__(self, trunk: nn.Module, dimensions: int = EMBEDDING_DIMENSIONS) -> None:
        super().__init__()
        self.backbone: Any = trunk
        self.projection = Projection(pooled_width(trunk), dimensions)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, logits = features(self.backbone, x)
        return logits.float(), self.projection(pooled.float())


def fit_projection(pooled: np.ndarray) -> torch.Tensor:
    """128×F orthonormal rows that keep most of N×F pooled features, the first eigenvectors of their second moments (uncentred)."""
    unit = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    # Ascending eigenvalues; each direction is a column.
    directions = np.linalg.eigh(unit.T.astype(np.float64) @ unit)[1].T[::-1]
    return torch.from_numpy(directions[:EMBEDDING_DIMENSIONS].copy()).float().half().float()


def with_projection(trunk: nn.Module, train: Samples, references: np.ndarray, run: Path) -> tuple[Reader, SplitPredictions]:
    """The network with a projection fitted on the reference faces (indices), and what it says of these; kept in the run."""
    reader = Reader(trunk).eval()
    width = pooled_width(trunk)
    # Read once, with all features in place of the embedding.
    whole = Reader(reader.backbone, width).eval()
    with torch.no_grad():
        whole.projection.weight.copy_(torch.eye(width))
    faces = read(whole, train, references, run / "read_references.npz")
    with torch.no_grad():
        reader.projection.weight.copy_(fit_projection(faces.embeddings))
        embeddings = reader.projection(torch.from_numpy(faces.embeddings)).numpy()
    return reader, replace(faces, embeddings=embeddings)


def read(
    reader: nn.Module, samples: Samples, chosen: np.ndarray, cache: Path, half: bool = False, mirrored: bool = False
) -> SplitPredictions:
    """What a finished run's network says of the chosen samples, kept in `cache` (in the run's folder) until its weights change."""
    if not cache.exists() or cache.stat().st_mtime < (cache.parent / "final.safetensors").stat().st_mtime:
        predict(reader, samples, chosen, half=half, mirrored=mirrored).keep(cache, chosen)
    return SplitPredictions.kept(cache, samples)


def holds(cache: Path, chosen: np.ndarray) -> bool:
    """Whether what is kept there is of these samples."""
    with np.load(cache) as stored:
        return np.array_equal(stored["chosen"], chosen)


def read_by_detector(predictor: Predictor, samples: Samples, chosen: np.ndarray, cache: Path, mirrored: bool = True) -> SplitPredictions:
    """What a detector of the app says of the chosen samples, mirrored images too unless it is read once, as experts are; kept in `cache`
    while its weights and these samples stay the same."""
    stamp, made_by = cache.with_suffix(".sha256"), predictor.info.weights_sha256 + ("" if mirrored else " once")
    if not cache.exists() or not stamp.exists() or stamp.read_text() != made_by or not holds(cache, chosen):
        batches = (chosen[first : first + 64].tolist() for first in range(0, len(chosen), 64))
        parts = [predictor.read(np.stack([samples.encoded(index) for index in batch]), mirrored) for batch in batches]
        logits, embeddings = (np.concatenate([getattr(part, one) for part in parts]) for one in ("logits", "embeddings"))
        save_arrays(cache, logits=logits, embeddings=embeddings, chosen=chosen)
        stamp.write_text(made_by)
    return SplitPredictions.kept(cache, samples)
