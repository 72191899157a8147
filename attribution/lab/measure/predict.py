"""What a trained network says of whole splits: logits and embeddings, in one array per split, cached beside the run."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from attribution.lab.pools import FORGED, Samples
from attribution.lab.train.loop import save_arrays
from attribution.lab.train.methods import MEAN, STD, Net, Settings
from attribution.models.backbones import normalise


@dataclass(frozen=True)
class SplitPredictions:
    """Logits N×K and unit embeddings N×D, aligned with the samples' methods, families, sources, groups and paths."""

    logits: np.ndarray
    embeddings: np.ndarray
    methods: np.ndarray
    families: np.ndarray
    sources: np.ndarray
    groups: np.ndarray
    paths: np.ndarray

    def take(self, chosen: np.ndarray) -> SplitPredictions:
        """The rows chosen by a mask or by indices."""
        return SplitPredictions(*(getattr(self, one.name)[chosen] for one in fields(self)))

    def own(self) -> SplitPredictions:
        """The faces of the manifest, without the lab's own forgeries."""
        return self.take(~np.isin(self.methods, FORGED))

    def keep(self, file: Path, chosen: np.ndarray) -> None:
        """Write logits and embeddings, and which samples (indices) they belong to."""
        save_arrays(file, logits=self.logits, embeddings=self.embeddings, chosen=chosen)

    @staticmethod
    def kept(file: Path, samples: Samples) -> SplitPredictions:
        """Read what `keep` wrote for these samples."""
        with np.load(file) as stored:
            logits, embeddings, chosen = stored["logits"], stored["embeddings"], stored["chosen"]
        return SplitPredictions(logits, embeddings, *_named(samples, chosen))


def _named(samples: Samples, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
    names = (samples.methods, samples.families, samples.sources, samples.groups, samples.paths)
    return tuple(np.array(one)[chosen] for one in names)


def load_net(run: Path, device: str = "cpu") -> Net:
    """The averaged network of a finished run, or of its latest checkpoint, in evaluation mode."""
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
    net: nn.Module,
    samples: Samples,
    chosen: np.ndarray | None = None,
    device: str = "cpu",
    mirrored: bool = False,
    half: bool = False,
    batch: int = 48,
) -> SplitPredictions:
    """Read every (or every chosen) sample at full size, encoded like all others (`Samples.encoded`), float32 unless `half`."""
    logits, embeddings = [], []
    indices = np.arange(len(samples)) if chosen is None else chosen
    for first in range(0, len(indices), batch):
        pictures = [samples.encoded(index) for index in indices[first : first + batch].tolist()]
        x = normalise(torch.from_numpy(np.stack(pictures)).to(device), MEAN, STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16, enabled=half):
            own_logits, own = net(x)
            if mirrored:
                more_logits, more = net(x.flip(3).contiguous(memory_format=torch.channels_last))
                own_logits, own = (own_logits + more_logits) / 2, own + more
        own = torch.nn.functional.normalize(own.float(), dim=1)
        logits.append(own_logits.float().cpu().numpy())
        embeddings.append(own.float().cpu().numpy())
    return SplitPredictions(np.concatenate(logits), np.concatenate(embeddings), *_named(samples, indices))
