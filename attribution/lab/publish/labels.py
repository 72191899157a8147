"""What the labels of the embedded detector mean, for its card."""

from __future__ import annotations

from attribution.detectors.card import Label

LABELS: tuple[Label, ...] = (
    Label("real", "No manipulation", "real", "An untouched photograph or video frame.", "nine collections of photographs and DFDC clips"),
    Label(
        "dfdc_swap", "Face swap (DFDC programs)", "face_swap",
        "A face swapped by one of the learnt programs behind the DFDC videos; which one made which clip was never published.", "DFDC",
    ),
    Label(
        "landmark_swap", "Face swap (landmark warp)", "face_swap",
        "Another person's face warped by landmarks, colour-matched and blended, as FaceSwap-like programs do.", "made by lab/forge.py",
    ),
    Label(
        "self_blended", "Face blend (blending border)", "face_swap",
        "A face blended with a changed copy of itself: the border and the mismatch that any pasted face leaves.", "made by lab/forge.py",
    ),
    Label(
        "autoencoder_swap", "Face swap (auto-encoder)", "face_swap",
        "The face area drawn again by an auto-encoder and blended in, as early deepfake programs do.", "made by lab/forge.py",
    ),
    Label(
        "stylegan2", "StyleGAN2", "gan", "A whole face drawn by StyleGAN2.",
        "thispersondoesnotexist and look-alikes, boredhumans (partly inferred from the look)",
    ),
    Label("generated_photos", "generated.photos", "gan", "A studio portrait drawn by a StyleGAN-family generator.", "generated.photos"),
    Label("sdxl", "Stable Diffusion XL", "diffusion", "A whole face drawn by SDXL.", "SFHQ-T2I"),
    Label("flux1", "FLUX.1", "diffusion", "A whole face drawn by FLUX.1 (schnell, dev or pro).", "SFHQ-T2I"),
    Label("sd21", "Stable Diffusion 2.1", "diffusion", "A whole face drawn by Stable Diffusion 2.1.", "SDFD"),
)  # fmt: skip
