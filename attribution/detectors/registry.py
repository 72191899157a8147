"""Public checkpoints that are known by their model cards and code: what they are, what a loader must be told that their files do not say.

None of them has been loaded or measured by Telltale: `verified` says so, and the catalogue repeats it. Whether a licence allows a use is
for the reader to judge; it stands here as the repository states it (mid-2026), and the Hub is asked again before anything is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attribution.messages import gettext as _


@dataclass(frozen=True)
class Checkpoint:
    """One public repository. `answers` is what it can tell, in a sentence; `labels` as they stand there; `meanings` those that
    their names do not tell; `face_scale` the side of its square face crop in heights of the face's box, None where it reads whole
    pictures; `hints` what the adapters have to be told; `refused` why it cannot be used, or "". `verified` says whether Telltale
    has loaded and measured it."""

    repository: str
    architecture: str
    labels: tuple[str, ...]
    licence: str
    answers: str
    meanings: tuple[tuple[str, str], ...] = ()
    face_scale: float | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    verified: bool = False


_GENERATED = _("Whether a whole picture was generated or photographed; not by which method, and nothing about faces in particular.")
_DEEPFAKE = _("Whether a face looks manipulated; not by which method.")
_PICKLE = _("It has its weights as a pickle alone, which is never opened.")
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _middle(side_px: int, short_px: int) -> Mapping[str, Any]:
    """The middle of a picture, as torchvision's `Resize(short_px)` and `CenterCrop(side_px)` make it."""
    return {"detector": "none", "side_px": side_px, "resample": "bilinear", "short_px": short_px}


CHECKPOINTS: tuple[Checkpoint, ...] = (
    *(
        Checkpoint(
            f"OwensLab/commfor-model-{side_px}", f"vit_small_patch16_{side_px}", ("1 logit, above 0 = fake",), "MIT", _GENERATED,
            meanings=(("at or below 0", "real"), ("above 0", "unknown")),
            hints={"mean": _IMAGENET_MEAN, "std": _IMAGENET_STD, "crop": _middle(side_px, short_px)},
        )
        for side_px, short_px in ((384, 440), (224, 256))
    ),
    Checkpoint("buildborderless/CommunityForensics-DeepfakeDet-ViT", "ViT (transformers)", (), "MIT", _GENERATED),
    Checkpoint("dima806/deepfake_vs_real_image_detection", "ViT-B/16 (transformers)", ("Real", "Fake"), "Apache-2.0", _DEEPFAKE),
    Checkpoint("prithivMLmods/Deep-Fake-Detector-v2-Model", "ViT-B/16 (transformers)", ("Realism", "Deepfake"), "Apache-2.0", _DEEPFAKE),
    Checkpoint(
        "prithivMLmods/AI-vs-Deepfake-vs-Real-Siglip2", "SigLIP2-B/16 (transformers)", ("AI", "Deepfake", "Real"), "Apache-2.0",
        _("Whether a picture was generated, shows a deepfake, or neither."),
    ),
    Checkpoint("Organika/sdxl-detector", "Swin-B (transformers)", ("artificial", "human"), "CC BY-NC 3.0", _GENERATED),
    Checkpoint("haywoodsloan/ai-image-detector-deploy", "SwinV2 (transformers)", (), "", _GENERATED),
    Checkpoint(
        "yermandy/GenD_PE_L", "vit_pe_core_large_patch14_336 and a linear head", ("2 classes, 1 = fake",), "MIT", _DEEPFAKE,
        meanings=(("class 0", "real"), ("class 1", "unknown")), face_scale=1.3,
        refused=_("Its head works on features of unit length, which its weights do not show and Telltale does not build yet."),
    ),
    Checkpoint(
        "Wolowolo/fsfm-3c", "MAE-style ViT", ("binary or 4 classes",), "CC BY-NC 4.0", _DEEPFAKE,
        refused=_PICKLE,
    ),
    Checkpoint(
        "Wvolf/ViT_Deepfake_Detection", "ViT (transformers)", (), "", _DEEPFAKE,
        refused=_PICKLE,
    ),
)  # fmt: skip


def find(repository: str) -> Checkpoint | None:
    """The known checkpoint of that repository; the Hub does not tell upper from lower case."""
    return next((one for one in CHECKPOINTS if one.repository.lower() == repository.lower()), None)
