"""Evidence in numbers and words: what was given, which detector answered, and the parts of what it says."""

from __future__ import annotations

from dataclasses import dataclass

from attribution.evidence import checks
from attribution.evidence.checks import FAMILIES, KINDS, LABEL_FAMILIES, SCOPES, STATES, UNKNOWN_METHOD, need


@dataclass(frozen=True)
class Media:
    """What was given to us, measured on the original bytes."""

    name: str
    sha256: str
    bytes: int
    kind: str
    width: int
    height: int
    duration_seconds: float | None
    frames_read: int
    frames_wanted: int
    container: str
    """Format by magic bytes and decoder: `JPEG`, `PNG`, `mp4 (h264)`, …"""
    notes: tuple[str, ...] = ()
    """Plain sentences about the reading: "5 of 30 frames could be decoded", "only the first frame of a GIF was read", …"""

    def __post_init__(self) -> None:
        checks.text("Media.name", self.name)
        checks.sha256("Media.sha256", self.sha256)
        need(self.kind in KINDS, f"Media.kind = {self.kind!r}")
        for what in ("bytes", "width", "height", "frames_read", "frames_wanted"):
            checks.count(f"Media.{what}", getattr(self, what), 1)
        need(self.frames_read <= self.frames_wanted, f"{self.frames_read} of {self.frames_wanted} frames")
        if self.duration_seconds is not None:
            checks.number("Media.duration_seconds", self.duration_seconds, 0)
        checks.text("Media.container", self.container)
        checks.instances("Media.notes", self.notes, str)


@dataclass(frozen=True)
class DetectorInfo:
    """Which detector answered. `families[i]` is the family of `labels[i]`, `unknown` where the label does not tell it;
    `display_names` and `limits` are for people."""

    name: str
    weights_sha256: str
    labels: tuple[str, ...]
    families: tuple[str, ...]
    display_names: tuple[str, ...] = ()
    licence: str = ""
    limits: tuple[str, ...] = ()
    """The detector's own measured limits, one plain sentence each, from its card."""
    source: str = ""
    """Where it came from: `hf:owner/repo@` and the 40 hex digits of the commit; empty for embedded detectors and local folders."""
    measured: bool = True
    """Whether its card holds measurements of these very weights. Where it does not, its probabilities are not calibrated either."""
    scope: str = "any"
    """Which faces it can say something of: `any`, wholly `generated` ones alone, or those with a swap or a pasted part (`face_swap`) alone."""

    def __post_init__(self) -> None:
        checks.text("DetectorInfo.name", self.name)
        checks.sha256("DetectorInfo.weights_sha256", self.weights_sha256)
        checks.text("DetectorInfo.licence", self.licence)
        checks.text("DetectorInfo.source", self.source)
        checks.instance("DetectorInfo.measured", self.measured, bool)
        need(self.scope in SCOPES, f"DetectorInfo.scope = {self.scope!r}")
        for what in ("labels", "families", "display_names", "limits"):
            checks.instances(f"DetectorInfo.{what}", getattr(self, what), str)
        need(len(self.labels) == len(self.families) > 0, "labels and families differ in number")
        need(len(set(self.labels)) == len(self.labels), "a label twice")
        need(all(family in LABEL_FAMILIES for family in self.families), f"families = {self.families!r}")
        need(not self.display_names or len(self.display_names) == len(self.labels), "display names differ in number")

    def display(self, label: str) -> str:
        """The name of a method for people; `unknown` has one too."""
        if label in self.labels and self.display_names:
            return self.display_names[self.labels.index(label)]
        return "Unknown method" if label == UNKNOWN_METHOD else label


@dataclass(frozen=True)
class Verdict:
    """`manipulated`: `method` is a label or `unknown`, `family` its family (None when even that is unknown), `confidence` the calibrated
    probability of manipulation. `no_manipulation_found`: `method` None, `family` "real", `confidence` of finding none.
    `inconclusive`: all three None. `reasons` are plain sentences, and never empty when inconclusive."""

    state: str
    method: str | None
    family: str | None
    confidence: float | None
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        need(self.state in STATES, f"Verdict.state = {self.state!r}")
        need(self.family is None or self.family in FAMILIES, f"Verdict.family = {self.family!r}")
        checks.instances("Verdict.reasons", self.reasons, str)
        if self.state == "inconclusive":
            need(self.confidence is None and self.method is None and self.family is None, "an inconclusive verdict with an answer")
            need(len(self.reasons) > 0, "an inconclusive verdict without a reason")
        else:
            checks.probability("Verdict.confidence", self.confidence)
        if self.state == "manipulated":
            need(isinstance(self.method, str) and bool(self.method) and self.family != "real", "a manipulation without a method")
        if self.state == "no_manipulation_found":
            need(self.method is None and self.family == "real", "a method although none was found")


@dataclass(frozen=True)
class Interval:
    """A sustained stretch of a track and its p_manipulated (median over its faces)."""

    first_seconds: float
    last_seconds: float
    p_manipulated: float
    faces: int

    def __post_init__(self) -> None:
        checks.number("Interval.first_seconds", self.first_seconds)
        checks.number("Interval.last_seconds", self.last_seconds, self.first_seconds)
        checks.count("Interval.faces", self.faces, 1)
        checks.probability("Interval.p_manipulated", self.p_manipulated)


@dataclass(frozen=True)
class Neighbour:
    """A reference face near an examined one: `distance` is 1 − cosine similarity of embeddings, in [0, 2]; `index` its row in the bank."""

    index: int
    method: str
    source: str
    distance: float

    def __post_init__(self) -> None:
        checks.count("Neighbour.index", self.index)
        checks.text("Neighbour.method", self.method)
        checks.text("Neighbour.source", self.source)
        checks.number("Neighbour.distance", self.distance, -1e-5, 2 + 1e-5)


@dataclass(frozen=True)
class Placement:
    """Where a face lies among the reference faces: 2-D map point, nearest references, and `atypicality`, the share (0..1) of
    validation faces that lie nearer to their neighbours than this one does."""

    x: float
    y: float
    neighbours: tuple[Neighbour, ...]
    atypicality: float

    def __post_init__(self) -> None:
        checks.number("Placement.x", self.x)
        checks.number("Placement.y", self.y)
        checks.instances("Placement.neighbours", self.neighbours, Neighbour)
        checks.probability("Placement.atypicality", self.atypicality)


@dataclass(frozen=True)
class Moment:
    """One point of a clip's timeline."""

    seconds: float
    p_manipulated: float

    def __post_init__(self) -> None:
        checks.number("Moment.seconds", self.seconds)
        checks.probability("Moment.p_manipulated", self.p_manipulated)
