"""Public checkpoints that are known by their model cards and code: what they are, what a loader must be told that their files do not say.

None of them has been loaded or measured by Telltale: `verified` says so, and the catalogue repeats it. Their formats are proven on random
weights of the same shapes. Whether a licence allows a use is for the reader to judge; it stands here as the repository states it
(`source`), and the Hub is asked again before anything is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attribution.messages import gettext as _


@dataclass(frozen=True)
class Checkpoint:
    """One public repository. `answers` is what it can tell, in a sentence; `labels` as they stand there; `meanings` those that
    their names do not tell; `view` what it sees where that is known (`face`, `picture`); `hints` what the adapters have to be told;
    `refused` why it cannot be used, or "". `source` says where all this was read, and when; `verified` whether Telltale has loaded and
    measured it."""

    repository: str
    architecture: str
    labels: tuple[str, ...]
    licence: str
    answers: str
    meanings: tuple[tuple[str, str], ...] = ()
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    source: str = "its model card, mid-2026"
    verified: bool = False


_GENERATED = _("Whether a whole picture was generated or photographed; not by which method, and nothing about faces in particular.")
_WEAK_IN_2026 = _(
    "Whether a whole picture was generated or photographed; others measured it as weak on pictures of 2026 (AUC 0.62 and 0.52 on 100 \
pictures, VendorBench-100)."
)
_DEEPFAKE = _("Whether a face looks manipulated; not by which method.")
_GENERATED_OR_DEEPFAKE = _("Whether a picture was generated, shows a deepfake, or neither.")
_PICKLE = _("It has its weights as a pickle alone, which is never opened.")
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _middle(side_px: int, short_px: int) -> Mapping[str, Any]:
    """The middle of a picture, as torchvision's `Resize(short_px)` and `CenterCrop(side_px)` make it."""
    return {"detector": "none", "side_px": side_px, "resample": "bilinear", "short_px": short_px, "middle": "round"}


CHECKPOINTS: tuple[Checkpoint, ...] = (
    *(
        Checkpoint(
            f"OwensLab/commfor-model-{side_px}", f"vit_small_patch16_{side_px}", ("1 logit, above 0 = fake",), "MIT", _WEAK_IN_2026,
            meanings=(("at or below 0", "real"), ("above 0", "unknown")),
            source="its model card, mid-2026; VendorBench-100, Table 1 (commfor_vit384, opensight_commfor), read in December 2026",
            hints={"mean": _IMAGENET_MEAN, "std": _IMAGENET_STD, "crop": _middle(side_px, short_px)},
        )
        for side_px, short_px in ((384, 440), (224, 256))
    ),
    Checkpoint("buildborderless/CommunityForensics-DeepfakeDet-ViT", "ViT (transformers)", (), "MIT", _WEAK_IN_2026),
    Checkpoint("dima806/deepfake_vs_real_image_detection", "ViT-B/16 (transformers)", ("Real", "Fake"), "Apache-2.0", _DEEPFAKE),
    Checkpoint("prithivMLmods/Deep-Fake-Detector-v2-Model", "ViT-B/16 (transformers)", ("Realism", "Deepfake"), "Apache-2.0", _DEEPFAKE),
    Checkpoint(
        "prithivMLmods/AI-vs-Deepfake-vs-Real-Siglip2", "SigLIP2-B/16 (transformers)", ("AI", "Deepfake", "Real"), "Apache-2.0",
        _GENERATED_OR_DEEPFAKE,
    ),
    Checkpoint("Organika/sdxl-detector", "Swin-B (transformers)", ("artificial", "human"), "CC BY-NC 3.0", _GENERATED),
    Checkpoint("haywoodsloan/ai-image-detector-deploy", "SwinV2 (transformers)", (), "", _GENERATED),
    *(
        Checkpoint(
            f"yermandy/GenD_{name}", f"GenD: {encoder} and a linear head", ("class 0", "class 1"), licence, _DEEPFAKE,
            meanings=(("class 0", "real"), ("class 1", "unknown")), view="face",
            source="github.com/yermandy/GenD at b26c2b2 (src/hf/modeling_gend.py, detector.py) and arXiv 2508.06248v3, December 2026",
        )
        for name, encoder, licence in (
            ("CLIP_L_14", "CLIP ViT-L/14", ""), ("PE_L", "Perception Encoder L/14", "MIT"), ("DINOv3_L", "DINOv3 ViT-L/16", ""),
        )
    ),
    *(
        Checkpoint(
            f"prithivMLmods/{name}", f"SigLIP2-B/16 {side_px} (transformers)", labels, "Apache-2.0", answers, source=source
        )
        for name, side_px, labels, answers, source in (
            ("deepfake-detector-model-v1", 512, ("fake", "real"), _DEEPFAKE, "a copy of its model card at drose.io, December 2026"),
            ("open-deepfake-detection", 512, ("Fake", "Real"), _DEEPFAKE, "a copy of its model card, December 2026"),
            ("AI-vs-Deepfake-vs-Real-v2.0", 224, ("Artificial", "Deepfake", "Real"), _GENERATED_OR_DEEPFAKE,
             "its model card as copied to github.com/czy111111111/Self-distill-AIGC, December 2026"),
            ("Deepfake-Detect-Siglip2", 224, ("Fake", "Real"), _DEEPFAKE, "public code with the labels of its card, December 2026"),
        )
    ),
    Checkpoint(
        "WpythonW/dinoV2-deepfake-detector", "DINOv2 with registers (transformers)", ("FAKE", "REAL"), "", _DEEPFAKE,
        meanings=(("LABEL_0", "unknown"), ("LABEL_1", "real")), source="public code that sets these labels as its card does, December 2026",
    ),
    Checkpoint(
        "HPAI-BSC/SuSy", "a ResNet-18 with a staircase of bottlenecks", ("authentic", "5 generators"), "Apache-2.0", _GENERATED,
        refused=_("Its config.json does not say what its network is."),
        source="its model card at 6fc2104, December 2026",
    ),
    *(
        Checkpoint(name, architecture, labels, licence, _DEEPFAKE, refused=_PICKLE, source=source)
        for name, architecture, labels, licence, source in (
            ("YZY-stack/Effort-AIGI-Detection", "CLIP ViT-L/14 with an orthogonal part", (), "CC BY-NC 4.0",
             "README of github.com/YZY-stack/Effort-AIGI-Detection, December 2026"),
            ("Wolowolo/fsfm-3c", "MAE-style ViT", ("binary or 4 classes",), "CC BY-NC 4.0", "its model card, mid-2026"),
            ("Wvolf/ViT_Deepfake_Detection", "ViT (transformers)", (), "", "its model card, mid-2026"),
        )
    ),
)  # fmt: skip


def find(repository: str) -> Checkpoint | None:
    """The known checkpoint of that repository; the Hub does not tell upper from lower case."""
    return next((one for one in CHECKPOINTS if one.repository.lower() == repository.lower()), None)
