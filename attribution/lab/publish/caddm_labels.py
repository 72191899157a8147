"""What the two classes of the ID-unaware detector mean, for its card."""

from __future__ import annotations

from attribution.detectors.card import Label

LABELS: tuple[Label, ...] = (
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
