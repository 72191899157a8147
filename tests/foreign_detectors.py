"""Random detectors of others for tests, really built, and saved in timm's format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file, save_file

SIDE_PX = 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


def random_model(classes: int = 2, seed: int = 3) -> torch.nn.Module:
    """A tiny ViT of timm's whose answers differ from input to input."""
    torch.manual_seed(seed)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=classes, img_size=SIDE_PX)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def write_timm_folder(
    folder: Path, labels: Sequence[str] | None = ("Real", "Fake"), classes: int | None = None, seed: int = 3, **changes: Any
) -> Path:
    """A folder in timm's hub format, without a card of ours. `changes` go into config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    count = classes if classes is not None else len(labels or ())
    config: dict[str, Any] = {
        "architecture": "vit_tiny_patch16_224", "num_classes": count, "num_features": 192, "model_args": {"img_size": SIDE_PX},
        "pretrained_cfg": {
            "input_size": [3, SIDE_PX, SIDE_PX], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center",
            "mean": MEAN, "std": STD,
        },
    }  # fmt: skip
    if labels is not None:
        config["label_names"] = list(labels)
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    state = {key: value.contiguous() for key, value in random_model(count, seed).state_dict().items()}
    save_file(state, folder / "model.safetensors")
    return folder


def change_config(folder: Path, change: Mapping[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object], name: str = "model.safetensors") -> None:
    tensors = load_file(folder / name)
    change(tensors)
    save_file(tensors, folder / name)


def prefix(tensors: dict[str, torch.Tensor]) -> None:
    """Every name under another module."""
    for key in list(tensors):
        tensors[f"strange.{key}"] = tensors.pop(key)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)
