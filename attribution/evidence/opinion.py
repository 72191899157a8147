"""A second detector's opinion on one face: its answer, or why it was not asked; and its answer patch by patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attribution.evidence import checks
from attribution.evidence.answers import DetectorInfo, Placement, Verdict
from attribution.evidence.checks import LABEL_FAMILIES, VIEWS, Box, need
from attribution.evidence.pixels import Face

AGREEMENTS = ("same method", "same family", "same answer", "differs", "undecided")


@dataclass(frozen=True)
class Patches:
    """What a detector says of N square patches of a picture, each read alone: `boxes[i]` in pixels of the original, `p_methods[i]` with a
    probability per label, in the order of `labels`."""

    labels: tuple[str, ...]
    boxes: tuple[Box, ...]
    p_methods: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        checks.instances("Patches.labels", self.labels, str)
        checks.instances("Patches.boxes", self.boxes, tuple)
        checks.instances("Patches.p_methods", self.p_methods, tuple)
        need(len(self.boxes) == len(self.p_methods) > 0, "patches without an answer each")
        for box, p in zip(self.boxes, self.p_methods, strict=True):
            checks.box("Patches.boxes", box)
            need(len(p) == len(self.labels), "a patch without a probability per label")
            checks.shares("Patches.p_methods", dict(zip(self.labels, p, strict=True)))

    @property
    def answers(self) -> tuple[str, ...]:
        """The likeliest label of each patch."""
        return tuple(self.labels[max(range(len(p)), key=p.__getitem__)] for p in self.p_methods)


@dataclass(frozen=True)
class Opinion:
    """What a detector beside the chosen one says of a face. Either `refused` holds the plain sentence that says why it was not asked, or
    `verdict` and the probabilities are there. `agreement` compares its verdict with the track's own, as that was before a disagreement
    made it inconclusive: the same method, the same family (or the same state where neither names one), the same answer where only one of
    them names a family, a different answer, or undecided when either is inconclusive. `architecture` is the architecture of the generator
    that its verdict names. `view` says what it saw: the `face`, or the whole `picture` that the face is in. `face` is what it saw where
    that was cut otherwise than the track's own faces; it is None when read from JSON."""

    detector: DetectorInfo
    refused: str = ""
    verdict: Verdict | None = None
    p_methods: Mapping[str, float] = field(default_factory=dict)
    p_families: Mapping[str, float] = field(default_factory=dict)
    p_manipulated: float | None = None
    placement: Placement | None = None
    agreement: str | None = None
    architecture: str | None = None
    patches: Patches | None = None
    view: str = "face"
    overturns: str = ""
    """The reason for which this opinion leaves the track without a definite verdict, as it stands among the verdict's; empty elsewhere."""
    face: Face | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        checks.instance("Opinion.detector", self.detector, DetectorInfo)
        checks.text("Opinion.refused", self.refused)
        checks.text("Opinion.overturns", self.overturns)
        need(self.view in VIEWS, f"Opinion.view = {self.view!r}")
        need(bool(self.refused) == (self.verdict is None), "an opinion that is neither given nor refused, or both")
        if self.patches is not None:
            checks.instance("Opinion.patches", self.patches, Patches)
            need(self.patches.labels == self.detector.labels, "patches with the labels of another detector")
        if self.verdict is None:
            return
        checks.instance("Opinion.verdict", self.verdict, Verdict)
        checks.shares("Opinion.p_methods", self.p_methods)
        checks.shares("Opinion.p_families", self.p_families)
        need(set(self.p_methods) <= set(self.detector.labels), "a probability of a method that the detector does not know")
        need(all(family in LABEL_FAMILIES for family in self.p_families), "an unknown family")
        checks.probability("Opinion.p_manipulated", self.p_manipulated)
        need(self.agreement in AGREEMENTS, f"Opinion.agreement = {self.agreement!r}")
        if self.placement is not None:
            checks.instance("Opinion.placement", self.placement, Placement)
        if self.architecture is not None:
            checks.text("Opinion.architecture", self.architecture)
