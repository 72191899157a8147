"""The study's plan: which detectors are trained, on what, and what each must not see. After arXiv 2505.21520 (protocol; hyper-parameters
ours): one trainer, binary and multi-class heads on identical splits, with or without a contrastive loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SPLITS = ("val", "test", "cross")
# Whole sources and one whole method that no detector of the comparison sees: their test faces, and `cross`, are its unseen data.
COMPARED_WITHOUT = (
    "boredhumans", "tpdne_a", "sfhq_t2i_flux1_dev", "sfhq_t2i_flux1_pro", "sd21", "unsplash", "us_house", "ropensci_people",
)  # fmt: skip

# Every source and every method is left out once. Several at a time, so each fold's training is poorer than leaving one out would make it.
FOLDS: dict[str, tuple[str, ...]] = {
    "fold 1": ("dfdc", "generated_photos", "tpdne_c"),
    "fold 2": ("utkface", "mopcon_speakers", "landmark_swap", "stylegan2", "sdxl"),
    "fold 3": ("ffhq", "observations", "self_blended", "flux1"),
    "fold 4": (
        "thai_parliament", "unsplash", "us_house", "ropensci_people", "autoencoder_swap", "sd21", "boredhumans", "tpdne_a",
        "sfhq_t2i_flux1_dev", "sfhq_t2i_flux1_pro",
    ),
}  # fmt: skip

BACKBONES = {"mobilenetv2": "mobilenetv2_100", "efficientnet_lite0": "tf_efficientnet_lite0"}
MAIN_SEEDS = (7, 8, 9)
COMPARISON_STEPS, FOLD_STEPS = 400, 1000


@dataclass(frozen=True)
class Run:
    """One training: `group` is `comparison` or `fold`; folds are also read on `val`, with reference faces."""

    name: str
    group: str
    backbone: str
    head: str
    loss: str
    seed: int
    steps: int
    leave_out: tuple[str, ...]

    def settings(self) -> dict[str, Any]:
        """Its own arguments of `train.Settings`."""
        return {
            "architecture": BACKBONES[self.backbone], "model_args": {"pad_type": "same"} if self.backbone == "mobilenetv2" else {},
            "head": self.head, "contrastive": self.loss, "seed": self.seed, "steps": self.steps, "leave_out": self.leave_out,
            "stages": ((0.8, 128), (0.2, 160)), "workers": 1,
        }  # fmt: skip


def _compared(backbone: str, head: str, loss: str, seed: int, steps: int) -> Run:
    return Run(f"{backbone}-{head}-{loss}-{seed}", "comparison", backbone, head, loss, seed, steps, COMPARED_WITHOUT)


def plan(comparison_steps: int = COMPARISON_STEPS, fold_steps: int = FOLD_STEPS) -> list[Run]:
    """Every run of the study, those first that the rest can do without least."""
    main = [("binary", "none"), ("methods", "none"), ("methods", "supcon")]
    first, *more = MAIN_SEEDS
    runs = [_compared("mobilenetv2", head, loss, first, comparison_steps) for head, loss in main]
    runs += [Run(name, "fold", "mobilenetv2", "methods", "supcon", first, fold_steps, names) for name, names in FOLDS.items()]
    runs += [_compared("mobilenetv2", head, loss, seed, comparison_steps) for seed in more for head, loss in main]
    runs += [_compared("mobilenetv2", "methods", loss, first, comparison_steps) for loss in ("triplet", "ntxent")]
    runs += [_compared("efficientnet_lite0", head, loss, first, comparison_steps) for head, loss in main]
    return runs
