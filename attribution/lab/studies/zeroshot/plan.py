"""The plan of the generalisability study (arXiv 2308.04177): every detector is trained on one source (`base`), augmented with a second one
(its top layers or all, alternating batches), then asked about sources that no training of it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

# Method of the manifest or of the lab's forgeries, one source of manipulated faces each.
TRAINED = ("dfdc_swap", "autoencoder_swap", "stylegan2", "generated_photos", "sd21", "sdxl")
# Sources that no training of the study sees: a generator, two collections by other people, and a way of swapping.
ONLY_TESTED = ("flux1", "stylegan2_elsewhere", "generated_photos_elsewhere", "unseen_swap")
SOURCES = (*TRAINED, *ONLY_TESTED)
_CYCLE = ("dfdc_swap", "stylegan2", "sd21", "autoencoder_swap", "generated_photos", "sdxl")
# The source that each one is augmented with: every step of the cycle changes the family.
ADDED: Mapping[str, str] = dict(zip(_CYCLE, (*_CYCLE[1:], _CYCLE[0]), strict=True))
BASE, TOP, ALL = "base", "top", "all"
BATCH, SEED = 24, 7


@dataclass(frozen=True)
class Detector:
    """A detector of the study: `architecture` and `model_args` of `build_backbone`; the crop's `side_px`; `top`: parts that the
    augmentation of top layers trains; `steps`, `added_steps` of BATCH faces; `rate`: peak of AdamW; `pretrained`: starts from ImageNet."""

    name: str
    display: str
    architecture: str
    side_px: int
    top: tuple[str, ...]
    steps: int
    added_steps: int
    rate: float
    model_args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    pretrained: bool = False


DETECTORS: tuple[Detector, ...] = (
    Detector("meso4", "Meso4", "meso4", 256, ("hidden", "classifier"), 600, 150, 2e-3),
    Detector("mesoinception4", "MesoInception4", "mesoinception4", 256, ("hidden", "classifier"), 160, 48, 2e-3),
    Detector("shallownet_v3", "ShallowNetV3", "shallownet_v3", 64, ("hidden", "norm", "classifier"), 300, 100, 3e-4, {"img_size": 64}),
    Detector("efficientnet_b0", "EfficientNet-B0", "efficientnet_b0", 128, ("conv_head", "bn2", "classifier"), 240, 80, 1e-3),
    Detector("xception", "Xception", "legacy_xception", 96, ("conv4", "bn4", "fc"), 120, 48, 1e-3),
    Detector(
        "mobilenetv2", "MobileNetV2 (the default's network)", "mobilenetv2_100", 128, ("conv_head", "bn2", "classifier"), 300, 100, 5e-4,
        {"pad_type": "same"}, pretrained=True,
    ),
)  # fmt: skip
# DFDC's swaps are by far the hardest to learn: twice the steps of the others.
LONGER: Mapping[str, int] = {"dfdc_swap": 2}


@dataclass(frozen=True)
class Run:
    """One detector of the study: trained on `trained_on`; augmented with `added` in the way `variant`, unless that is BASE."""

    detector: Detector
    trained_on: str
    variant: str = BASE
    added: str = ""

    @property
    def name(self) -> str:
        """Its folder below the study's runs, two names deep."""
        return f"{self.detector.name}/{self.trained_on}" + (f"+{self.added}-{self.variant}" if self.variant != BASE else "")

    @property
    def base(self) -> Run:
        """The run that it starts from."""
        return replace(self, variant=BASE, added="")

    @property
    def steps(self) -> int:
        return self.detector.steps * LONGER.get(self.trained_on, 1) if self.variant == BASE else self.detector.added_steps

    @property
    def seen(self) -> tuple[str, ...]:
        return (self.trained_on,) if self.variant == BASE else (self.trained_on, self.added)


def plan(detectors: tuple[Detector, ...] = DETECTORS) -> list[Run]:
    """Every run, each base before its augmentations."""
    variants = [(source, *variant) for source in TRAINED for variant in ((BASE, ""), (TOP, ADDED[source]), (ALL, ADDED[source]))]
    return [Run(detector, *variant) for detector in detectors for variant in variants]


def pool_file(runs: Path, source: str) -> Path:
    return runs / "pools" / f"{source}.npy"
