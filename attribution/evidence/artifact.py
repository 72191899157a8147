"""Where on a face a detector sees the traces of a manipulation."""

from __future__ import annotations

from dataclasses import dataclass

from attribution.evidence import checks
from attribution.evidence.checks import Box, need


@dataclass(frozen=True)
class Artifact:
    """One area that a detector calls manipulated. `box` is in pixels of the original picture; `confidence` (0 to 1) is that of the box
    alone, calibrated by the detector's card where that says so; `detector` is the name of the one that drew it; `seconds` is the moment
    of the frame that it was found on, 0 in a picture."""

    box: Box
    confidence: float
    detector: str
    seconds: float = 0.0

    def __post_init__(self) -> None:
        checks.instance("Artifact.box", self.box, tuple)
        checks.box("Artifact.box", self.box)
        checks.probability("Artifact.confidence", self.confidence)
        checks.text("Artifact.detector", self.detector)
        need(bool(self.detector), "an artifact that no detector found")
        checks.number("Artifact.seconds", self.seconds)
