"""The experts: the detectors that answer together. What each is trained on and for how long, whole and in folds that leave sources out.

A fold is as long as its purpose asks: its answers on the sources that it left out are what the combination and its thresholds are fitted
on (`measure/elsewhere.py`), so that nothing is fitted to faces like those of training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from attribution.errors import LabError
from attribution.lab.data import Data, in_one_text

# Every source of reenactment, modern generators and photographs outside the first folder of faces is left out once, several at a time. The
# weights that trainings start from have seen that first folder, so its own sources can be left out of none.
FOLDS: Mapping[str, tuple[str, ...]] = {
    "a": (
        "celeba_wild", "community_people", "lk_parliament", "webcams", "deepfacelive", "deepfacelive_targets", "omnihuman", "edtalk",
        "stylegan3_pool", "photomaker", "gpt4o_cases", "nano_banana_cases",
    ),
    "b": ("ciplab", "footballers", "celebs5", "aniportrait", "liveportrait", "generated_photos_c", "prompt_gallery"),
    "c": ("ffhq_256", "somali_figures", "anitalker", "loopy", "kolors_demos", "headshot_previews", "zimage_game"),
}  # fmt: skip
_WINDOWS = ((0.6, 160), (0.2, 192), (0.2, 224))


@dataclass(frozen=True)
class Expert:
    """`trainer` is the module of `lab.train`, `settings` its own, `steps` and `fold_steps` the lengths; `start` names the setting that
    takes the file of weights to start from."""

    trainer: str
    start: str
    steps: int
    fold_steps: int
    settings: Mapping[str, Any]


EXPERTS: Mapping[str, Expert] = {
    "attribution": Expert("methods", "pretrained", 1800, 500, {
        "head": "attribution", "frozen": 2, "where_weight": 0.3, "learning_rate": 8e-4, "stages": _WINDOWS,
    }),
    "swap": Expert("caddm", "start", 1100, 350, {"frozen": 2, "learning_rate": 4e-4}),
    "generated": Expert("methods", "pretrained", 1500, 500, {
        "head": "generated", "frozen": 2, "learning_rate": 8e-4, "stages": _WINDOWS,
    }),
}  # fmt: skip


WHOLE = "whole"


def folder_of(runs: Path, expert: str, fold: str = WHOLE) -> Path:
    """Where a training lies: that of a fold, or the whole one."""
    return runs / f"{expert}-{fold}"


def train(
    data: Data, work: Path, runs: Path, starts: Mapping[str, Path], experts: Collection[str] = tuple(EXPERTS),
    folds: Collection[str] = (WHOLE, *FOLDS), workers: int = 2, device: str = "cpu",
) -> None:  # fmt: skip
    """Carry out these trainings one after the other; what is finished stays, what was stopped goes on. `starts` names the weights that each
    expert starts from."""
    for name in experts:
        if name not in starts:
            raise LabError(f"The expert {name} has no weights to start from.", f"Name them: --start {name}=FILE.")
    for fold in folds:
        for name in experts:
            expert, out = EXPERTS[name], folder_of(runs, name, fold)
            if (out / "final.safetensors").exists():
                continue
            module = import_module(f"attribution.lab.train.{expert.trainer}")
            print(f"{out.name}", flush=True)
            own = {expert.start: str(starts[name]), **expert.settings, "leave_out": FOLDS.get(fold, ())}
            steps = expert.steps if fold == WHOLE else expert.fold_steps
            where = {"data": in_one_text(data), "work": str(work), "out": str(out)}
            module.train(module.Settings(**where, **own, steps=steps, workers=workers, device=device))
