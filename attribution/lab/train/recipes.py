"""What the trainings of methods draw, how often, and what they call it: a table each.

A batch is drawn by method and, within a method, by source, so that a large collection owns neither its class nor the untouched faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attribution.errors import LabError
from attribution.lab.data import REAL


@dataclass(frozen=True)
class Recipe:
    """One training's share of everything. `classes` gives each class of the head the methods that it stands for. Of one worker's step
    `pairs` are drawn with the untouched picture under each, `singles` alone. For heads, a source of up to `cap` faces weighs by its size,
    larger ones alike."""

    classes: Mapping[str, tuple[str, ...]]
    pairs: Mapping[str, int] = field(default_factory=dict)
    singles: Mapping[str, int] = field(default_factory=dict)
    cap: int = 150

    @property
    def class_of(self) -> dict[str, int]:
        """The class's place of each method."""
        return {method: place for place, methods in enumerate(self.classes.values()) for method in methods}


def _own(*methods: str) -> dict[str, tuple[str, ...]]:
    return {method: (method,) for method in methods}


_FIRST = _own(
    REAL, "dfdc_swap", "landmark_swap", "self_blended", "autoencoder_swap", "stylegan2", "generated_photos", "sdxl", "flux1", "sd21"
)
_FIRST_PAIRS = {"dfdc_swap": 5, "landmark_swap": 2, "self_blended": 3, "autoencoder_swap": 2}
_FIRST_SINGLES = {REAL: 2, "stylegan2": 3, "generated_photos": 2, "sdxl": 2, "flux1": 2, "sd21": 2}

RECIPES: Mapping[str, Recipe] = {
    # The studies: per 37 pictures, real faces make up 14 of them, from every real source.
    "methods": Recipe(_FIRST, _FIRST_PAIRS, _FIRST_SINGLES),
    "binary": Recipe({REAL: (REAL,), "manipulated": tuple(_FIRST)[1:]}, _FIRST_PAIRS, _FIRST_SINGLES),
    # Drawn by nobody: heads are fitted to all faces at once (`train/heads.py`).
    "attribution": Recipe(
        {
            REAL: (REAL,),
            "learnt_swap": ("dfdc_swap", "deepfacelive"),
            "pasted_part": ("hand_composite", "mouth_blend", "self_blended", "landmark_swap"),
            **_own("talking_head", "face_warp"),
            "stylegan": ("stylegan2", "stylegan3"),
            "generated_photos": ("generated_photos",),
            "stable_diffusion": ("sdxl", "sd21", "photomaker"),
            **_own("flux1", "recent_generator"),
        }
    ),
}  # fmt: skip


def recipe(name: str) -> Recipe:
    """One of RECIPES; LabError for another name."""
    if name not in RECIPES:
        raise LabError(f"There is no head {name!r}.", f"Use one of {', '.join(RECIPES)}.")
    return RECIPES[name]
