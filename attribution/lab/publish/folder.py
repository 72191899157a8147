"""What a detector folder holds: timm's configuration with the weights, the card for programs and the model card for people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, StrictUndefined
from safetensors.torch import save_file

from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, VERIFIED_FILES, Card, Label
from attribution.lab.data import SIDE_PX
from attribution.lab.train.loop import MEAN, STD
from attribution.lab.train.seen import MODEL_ARGS


def write_model(
    state: Mapping[str, torch.Tensor], labels: Sequence[Label], width: int, architecture: str, model_args: Mapping[str, Any],
    pretrained: Mapping[str, Any], out: Path,
) -> None:  # fmt: skip
    """`model.safetensors` and `config.json`. `width` is the number of pooled features; `pretrained` adds to timm's `pretrained_cfg`
    (`first_conv` and `classifier` at least)."""
    save_file({key: value.contiguous() for key, value in state.items()}, out / MODEL_FILE, metadata={"format": "pt"})
    config = {
        "architecture": architecture, "num_classes": len(labels), "num_features": width, "global_pool": "avg",
        "label_names": [one.name for one in labels],
        "label_descriptions": {one.name: one.description for one in labels},
        "model_args": dict(model_args),
        "pretrained_cfg": {
            "input_size": [3, SIDE_PX, SIDE_PX], "fixed_input_size": False, "interpolation": "lanczos", "crop_pct": 1.0,
            "crop_mode": "center", "mean": list(MEAN), "std": list(STD), "num_classes": len(labels),
            **pretrained, "license": "cc-by-nc-4.0",
        },
    }  # fmt: skip
    (out / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    for file in VERIFIED_FILES:
        # safetensors writes files for their owner alone; a host serves them as another user.
        if (out / file).exists():
            (out / file).chmod(0o644)


def digests(out: Path) -> dict[str, str]:
    """The sha256 of every file that the card vouches for."""
    return {file: hashlib.sha256((out / file).read_bytes()).hexdigest() for file in VERIFIED_FILES}


def write_card(card: Card, out: Path) -> None:
    """The card for programs and the model card for people."""
    (out / CARD_FILE).write_text(json.dumps(card.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "README.md").write_text(model_card(card) + "\n", encoding="utf-8")


def model_card(card: Card) -> str:
    """The model card as Markdown with the Hub's YAML front matter: from the card alone, so that its figures are those of card.json."""
    settings, swap_kinds = json.loads(card.training.notes[0]), "40, 20, 20 and 20 % of them, as in the paper"
    # How often which kind of Multi-scale Facial Swap was drawn, where not as often as in the paper.
    if settings.get("shares"):
        *first, last = (f"{100 * share:.0f}" for share in settings["shares"])
        swap_kinds = f"{', '.join(first)} and {last} % of them; the paper: 40, 20, 20 and 20 %"
    markdown = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)
    markdown.filters["shown"] = lambda cell: "" if cell is None else str(cell)
    template = markdown.from_string(Path(__file__).with_name("modelcard.md.j2").read_text(encoding="utf-8"))
    small = "trunks" in settings or any(table.title == "Eight bits" for table in card.measured)
    precision, model_args = "8 bits a value" if small else "half precision", json.dumps(settings.get("model_args", MODEL_ARGS))
    told = {"minutes": f"{card.training.minutes:.0f}", "model_args": model_args, "precision": precision}
    return template.render(card=card, settings=settings, swap_kinds=swap_kinds, **told).rstrip()
