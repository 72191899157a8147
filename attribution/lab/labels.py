"""What the classes of the published detectors mean, for their cards."""

from __future__ import annotations

from attribution.detectors.card import Label

_MADE_HERE = "made by lab/forge/swaps.py"
LABELS: tuple[Label, ...] = (
    Label("real", "No manipulation", "real", "An untouched photograph or video frame.", "nine collections of photographs and DFDC clips"),
    Label(
        "dfdc_swap", "Face swap (DFDC programs)", "face_swap",
        "A face swapped by one of the learnt programs behind the DFDC videos; which one made which clip was never published.", "DFDC",
    ),
    Label(
        "landmark_swap", "Face swap (landmark warp)", "face_swap",
        "Another person's face warped by landmarks, colour-matched and blended, as FaceSwap-like programs do.", _MADE_HERE,
    ),
    Label(
        "self_blended", "Face blend (blending border)", "face_swap",
        "A face blended with a changed copy of itself: the border and the mismatch that any pasted face leaves.", _MADE_HERE,
    ),
    Label(
        "autoencoder_swap", "Face swap (auto-encoder)", "face_swap",
        "The face area drawn again by an auto-encoder and blended in, as early deepfake programs do.", _MADE_HERE,
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

# The detector of heads, by the classes of RECIPES["attribution"].
LABELS_OF_HEADS: tuple[Label, ...] = (
    Label(
        "real", "No manipulation", "real", "An untouched photograph or video frame.",
        "eighteen collections of photographs; DFDC, DeepFaceLive and webcam clips",
    ),
    Label(
        "learnt_swap", "Face swap (learnt)", "face_swap",
        "A face swapped by a learnt program: those behind the DFDC videos, never published, or DeepFaceLive.", "DFDC, DeepFaceLive",
    ),
    Label(
        "pasted_part", "Pasted part", "face_swap",
        "A face or a part of one that was pasted from another picture and blended in, by hand or by a program.", f"CIPLAB; {_MADE_HERE}",
    ),
    Label(
        "talking_head", "Talking head (diffusion)", "reenactment",
        "A portrait set in motion by a diffusion model that follows a voice or a clip.", "AniPortrait, AniTalker, Loopy, OmniHuman",
    ),
    Label(
        "face_warp", "Face animation (warping)", "reenactment",
        "A portrait set in motion by a network that warps it after a clip or a voice.", "LivePortrait, EDTalk",
    ),
    Label(
        "stylegan", "StyleGAN2 or StyleGAN3", "gan", "A whole face drawn by StyleGAN2 or StyleGAN3.",
        "thispersondoesnotexist and look-alikes, boredhumans (partly inferred from the look); StyleGAN3 faces",
    ),
    Label(
        "generated_photos", "generated.photos", "gan", "A studio portrait drawn by a StyleGAN-family generator.",
        "generated.photos and a look-alike (inferred)",
    ),
    Label(
        "stable_diffusion", "Stable Diffusion", "diffusion", "A whole face drawn by Stable Diffusion XL or 2.1, or by PhotoMaker upon it.",
        "SFHQ-T2I, SDFD, PhotoMaker",
    ),
    Label(
        "flux1", "FLUX.1", "diffusion", "A whole face drawn by FLUX.1 (schnell, dev or pro).", "SFHQ-T2I; headshots (inferred)",
    ),
    Label(
        "recent_generator", "Recent generator", "diffusion",
        "A whole face drawn by one of the generators of 2024 and 2025: GPT-4o images, Nano Banana, Kolors, Z-Image and others; which one "
        "cannot be told.", "galleries and demonstrations of these generators",
    ),
)  # fmt: skip

# DNA-Det: of each generator the architecture behind it too.
DNADET_LABELS: tuple[Label, ...] = (
    Label("real", "No generated traces", "real", "A photograph or video frame that no generator drew.", "nine collections, DFDC clips"),
    *(
        Label(one.name, one.display_name, one.family, one.description, one.source, architecture)
        for one, architecture in zip(LABELS[5:9], (
            "style-based convolutional synthesis network (StyleGAN2)",
            "style-based convolutional synthesis network (StyleGAN family; which member was never published)",
            "latent diffusion: a U-Net denoiser and a convolutional decoder (SDXL)",
            "rectified-flow diffusion transformer and a convolutional decoder (FLUX.1)",
        ), strict=True)
    ),
)  # fmt: skip

# The ID-unaware detector.
CADDM_LABELS: tuple[Label, ...] = (
    Label(
        "real", "No swapped part", "real", "A face of which no part comes from another picture.",
        "nine collections of photographs, DFDC clips",
    ),
    Label(
        "swapped", "Face swap or pasted part", "face_swap", "The whole face or a part of it comes from another picture and was blended in.",
        "DFDC clips with the untouched frames under them; landmark swaps, self-blends and auto-encoder swaps made here; Multi-scale Facial "
        "Swaps of all of these",
    ),
)  # fmt: skip
