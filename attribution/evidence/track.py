"""Everything said about one face track: the chosen detector's answer, and those of the detectors beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from attribution.evidence import checks
from attribution.evidence.answers import Interval, Moment, Placement, Verdict
from attribution.evidence.artifact import Artifact
from attribution.evidence.checks import LABEL_FAMILIES, VIEWS, Box, need
from attribution.evidence.opinion import Opinion
from attribution.evidence.pixels import Predictions, Track


@dataclass(frozen=True)
class TrackEvidence:
    """Everything said about one face track. `faces` counts the examined faces; `box`, `crop_side_px`, `sharpness` and `brightness` are
    those of the best face, in original pixels. `track` and `reading` carry pixels and arrays, and are None when read from JSON."""

    id: int
    faces: int
    first_seconds: float
    last_seconds: float
    box: Box
    verdict: Verdict
    p_methods: Mapping[str, float]
    p_families: Mapping[str, float]
    p_manipulated: float
    timeline: tuple[Moment, ...] = ()
    worst: Interval | None = None
    placement: Placement | None = None
    crop_side_px: float = 0.0
    sharpness: float = 0.0
    brightness: float = 0.0
    opinions: tuple[Opinion, ...] = ()
    """What the detectors beside the chosen one say of this face, or why they were not asked."""
    artifacts: tuple[Artifact, ...] = ()
    """Where a detector that localises sees the traces of a manipulation, on the face that is shown; most confident first."""
    view: str = "face"
    """What the detector saw: `face`, or `picture` for one that reads whole pictures, whose only track is the whole file."""
    own_verdict: Verdict | None = None
    """What the chosen detector itself said, before the opinions beside it were weighed in; None where that is not known."""
    track: Track | None = field(default=None, compare=False, repr=False)
    reading: Predictions | None = field(default=None, compare=False, repr=False)

    @property
    def shown(self) -> int | None:
        """The index of the face that stands for the track: the one with the most real detail within its worst stretch, or else of all. None
        when the track carries no pixels."""
        if self.track is None:
            return None
        faces, worst = self.track.faces, self.worst
        inside = [i for i, face in enumerate(faces) if worst is not None and worst.first_seconds <= face.seconds <= worst.last_seconds]
        return max(inside or range(len(faces)), key=lambda i: (round(faces[i].crop_side_px), faces[i].sharpness))

    def __post_init__(self) -> None:
        checks.count("TrackEvidence.id", self.id)
        checks.count("TrackEvidence.faces", self.faces, 1)
        checks.number("TrackEvidence.first_seconds", self.first_seconds)
        checks.number("TrackEvidence.last_seconds", self.last_seconds, self.first_seconds)
        checks.box("TrackEvidence.box", self.box)
        checks.instance("TrackEvidence.verdict", self.verdict, Verdict)
        if self.own_verdict is not None:
            checks.instance("TrackEvidence.own_verdict", self.own_verdict, Verdict)
        checks.instances("TrackEvidence.timeline", self.timeline, Moment)
        if self.worst is not None:
            checks.instance("TrackEvidence.worst", self.worst, Interval)
        if self.placement is not None:
            checks.instance("TrackEvidence.placement", self.placement, Placement)
        checks.instances("TrackEvidence.opinions", self.opinions, Opinion)
        checks.instances("TrackEvidence.artifacts", self.artifacts, Artifact)
        confidences = [one.confidence for one in self.artifacts]
        need(confidences == sorted(confidences, reverse=True), "artifacts that are not ordered by confidence")
        need(self.view in VIEWS, f"TrackEvidence.view = {self.view!r}")
        checks.shares("p_methods", self.p_methods)
        checks.shares("p_families", self.p_families)
        need(all(family in LABEL_FAMILIES for family in self.p_families), "an unknown family")
        checks.probability("p_manipulated", self.p_manipulated)
        for what in ("crop_side_px", "sharpness", "brightness"):
            checks.number(f"TrackEvidence.{what}", getattr(self, what), 0)
