"""What DNA-Det's classes mean, and the architecture behind each, for its card."""

from __future__ import annotations

from attribution.detectors.card import Label

LABELS: tuple[Label, ...] = (
    Label("real", "No generated traces", "real", "A photograph or video frame that no generator drew.", "nine collections, DFDC clips"),
    Label(
        "stylegan2", "StyleGAN2", "gan", "A whole face drawn by StyleGAN2.",
        "thispersondoesnotexist and look-alikes, boredhumans (partly inferred from the look)",
        "style-based convolutional synthesis network (StyleGAN2)",
    ),
    Label(
        "generated_photos", "generated.photos", "gan", "A studio portrait drawn by a StyleGAN-family generator.", "generated.photos",
        "style-based convolutional synthesis network (StyleGAN family; which member was never published)",
    ),
    Label(
        "sdxl", "Stable Diffusion XL", "diffusion", "A whole face drawn by SDXL.", "SFHQ-T2I",
        "latent diffusion: a U-Net denoiser and a convolutional decoder (SDXL)",
    ),
    Label(
        "flux1", "FLUX.1", "diffusion", "A whole face drawn by FLUX.1 (schnell, dev or pro).", "SFHQ-T2I",
        "rectified-flow diffusion transformer and a convolutional decoder (FLUX.1)",
    ),
)  # fmt: skip
