"""Evidence in numbers and words: what was given, which detector answered, and the parts of what it says. All of it is in the JSON but the
fields that are not compared; `docs/json.md` is written from the descriptions here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from attribution.evidence import checks
from attribution.evidence.checks import UNKNOWN_METHOD, Box, Checked, NotNegative, Positive, Probability, Sha256, Shares, need
from attribution.evidence.pixels import Face, Predictions, Track
from attribution.messages import gettext as _


@dataclass(frozen=True)
class Media(Checked):
    """What was given to us, measured on the original bytes."""

    name: str
    """the file's name as given, without folders; untrusted text"""
    sha256: Sha256
    """of the original bytes, 64 hex digits"""
    bytes: Positive
    """size of the original file"""
    kind: Annotated[str, checks.KINDS]
    """`picture` or `clip`"""
    width: Positive
    """pixels, orientation applied; of the largest frame of a clip whose picture changes its size"""
    height: Positive
    """pixels, orientation applied; of the same frame"""
    duration_seconds: NotNegative | None
    """null for a picture, and when a clip does not say"""
    frames_read: Positive
    """frames that could be decoded and were examined"""
    frames_wanted: Positive
    """frames that were to be examined"""
    container: str
    """format by content, not by name: `JPEG`, `mp4 (h264)`, …"""
    notes: tuple[str, ...] = ()
    """plain sentences on the reading ("5 of 30 frames could be decoded.")"""
    turned_degrees: Annotated[int, 0] = 0
    """by how much it was turned to the right because faces were found so alone: 0, 90, 180 or 270; `width`, `height` and all boxes are
    those of the turned picture"""

    coded: ClassVar = {"notes": "note_codes"}

    def check(self) -> None:
        need(self.turned_degrees in (0, 90, 180, 270), f"turned by {self.turned_degrees} degrees")
        need(self.frames_read <= self.frames_wanted, f"{self.frames_read} of {self.frames_wanted} frames")


@dataclass(frozen=True)
class DetectorInfo(Checked):
    """Which detector answered."""

    name: str
    """the name in its card"""
    weights_sha256: Sha256
    """of `model.safetensors`"""
    labels: tuple[str, ...]
    """the methods that it knows, in the order of its outputs"""
    families: tuple[Annotated[str, checks.LABEL_FAMILIES], ...]
    """the family of each label: `real`, `face_swap`, `reenactment`, `gan` or `diffusion`; `unknown` for a label that tells a manipulation
    and not by what"""
    display_names: tuple[str, ...] = ()
    """names of the labels for people"""
    licence: str = ""
    """of the weights"""
    limits: tuple[str, ...] = ()
    """its measured limits, a plain sentence each"""
    source: str = ""
    """`hf:owner/repo@` and the 40 hex digits of the commit; empty for embedded detectors and local folders"""
    measured: bool = True
    """whether its card holds measurements of these very weights; where it does not, its probabilities are not calibrated either"""
    scope: Annotated[str, checks.SCOPES] = "any"
    """which faces it can say something of, by its card: `any`, wholly `generated` ones alone, or those with a swap or a pasted part
    (`face_swap`) alone"""
    speaks_on: tuple[Annotated[str, checks.FAMILIES], ...] = ()
    """the families that it may speak on beside others, by its card; empty where these are those of its labels"""
    measured_here: Annotated[int, 0] = 0
    """how many files of whoever runs Telltale its thresholds were chosen on (`python -m attribution measure`); 0 where they are those of
    its card"""
    measured_here_on: str = ""
    """the day of that, ISO 8601"""

    def check(self) -> None:
        need(len(self.labels) == len(self.families) > 0, "labels and families differ in number")
        need(len(set(self.labels)) == len(self.labels), "a label twice")
        need(not self.display_names or len(self.display_names) == len(self.labels), "display names differ in number")

    def display(self, label: str) -> str:
        """The name of a method for people; `unknown` has one too."""
        if label in self.labels and self.display_names:
            return self.display_names[self.labels.index(label)]
        return _("Unknown method") if label == UNKNOWN_METHOD else label

    def family(self, label: str) -> str | None:
        """The family of a label; None for one that it does not have."""
        return self.families[self.labels.index(label)] if label in self.labels else None

    @property
    def speaks_of(self) -> tuple[str, ...]:
        """The families that it may speak on beside others."""
        return self.speaks_on or tuple(family for family in dict.fromkeys(self.families) if family != "real")


@dataclass(frozen=True)
class Verdict(Checked):
    """`no_manipulation_found` has `method` null and `family` `real`: it says that none of the known traces was found, not that the face is
    real. `inconclusive` has `method`, `family` and `confidence` null: no number stands for not knowing."""

    state: Annotated[str, checks.STATES]
    """`manipulated`, `no_manipulation_found` or `inconclusive`"""
    method: str | None
    """a label, or `unknown` for a manipulation by a method that the detector does not know; null unless `manipulated`"""
    family: Annotated[str, checks.FAMILIES] | None
    """the method's family; null with method `unknown` when not even the family is known"""
    confidence: Probability | None
    """the calibrated probability of the state; null when `inconclusive`"""
    reasons: tuple[str, ...] = ()
    """plain sentences; never empty when `inconclusive`"""

    coded: ClassVar = {"reasons": "reason_codes"}

    def check(self) -> None:
        if self.state == "inconclusive":
            need(self.confidence is None and self.method is None and self.family is None, "an inconclusive verdict with an answer")
            need(len(self.reasons) > 0, "an inconclusive verdict without a reason")
        else:
            need(self.confidence is not None, "a definite verdict without its probability")
        if self.state == "manipulated":
            need(bool(self.method) and self.family != "real", "a manipulation without a method")
        if self.state == "no_manipulation_found":
            need(self.method is None and self.family == "real", "a method although none was found")


@dataclass(frozen=True)
class Interval(Checked):
    """A sustained stretch of a track."""

    first_seconds: float
    """where it begins"""
    last_seconds: float
    """where it ends"""
    p_manipulated: Probability
    """median over its faces"""
    faces: Positive
    """examined faces in it"""

    def check(self) -> None:
        need(self.last_seconds >= self.first_seconds, "an interval that ends before it begins")


@dataclass(frozen=True)
class Neighbour(Checked):
    """A reference face near an examined one."""

    index: int
    """row in the detector's reference bank"""
    method: str
    """label of that reference face"""
    source: str
    """where that reference face was collected"""
    distance: Annotated[float, -1e-5, 2 + 1e-5]
    """1 − cosine similarity of the embeddings, 0 to 2"""


@dataclass(frozen=True)
class Placement(Checked):
    """Where a face lies among the reference faces."""

    x: float
    """on the two-dimensional map; the axes have no unit"""
    y: float
    """on the two-dimensional map"""
    neighbours: tuple[Neighbour, ...]
    """the nearest reference faces, nearest first"""
    atypicality: Probability
    """share (0 to 1) of validation faces that lie nearer to their neighbours than this one does"""


@dataclass(frozen=True)
class Moment(Checked):
    """One point of a clip's timeline."""

    seconds: float
    """presentation time"""
    p_manipulated: Probability
    """of the face at that time"""


@dataclass(frozen=True)
class Artifact(Checked):
    """Found on one face of the track: in a picture its only one, in a clip the one at `shown_seconds`. The boxes are
    those of the chosen detector where it localises, else those of the first detector that does and gave its opinion. `settings` holds the
    rule by which boxes were kept (`artifacts`, in the chosen detector's settings or in those under `specialists`)."""

    box: Box
    """the marked place, within the picture"""
    confidence: Probability
    """of the box alone, 0 to 1; for a box smaller than the face's crop calibrated on validation faces, half of them untouched (`artifacts`
    in the card)"""
    detector: str
    """the name of the detector that marked it"""
    seconds: float = 0.0
    """presentation time of the frame that it was found on; 0 in a picture"""

    def check(self) -> None:
        need(bool(self.detector), "an artifact that no detector found")


@dataclass(frozen=True)
class Patches(Checked):
    """Squares of the picture around the face, each read alone. The temperature of the card was measured on whole faces: a patch is less
    sure than these probabilities say."""

    labels: tuple[str, ...]
    """the labels of the detector, in the order of the probabilities"""
    boxes: tuple[Box, ...]
    """where each patch is; neighbours overlap slightly"""
    p_methods: tuple[tuple[float, ...], ...]
    """for each patch a probability per label"""

    def check(self) -> None:
        need(len(self.boxes) == len(self.p_methods) > 0, "patches without an answer each")
        for p in self.p_methods:
            checks.labelled("Patches.p_methods", p, self.labels)

    @property
    def answers(self) -> tuple[str, ...]:
        """The likeliest label of each patch."""
        return tuple(self.labels[max(range(len(p)), key=p.__getitem__)] for p in self.p_methods)


class _Answer(Checked):
    """What the chosen detector and those beside it have in common."""

    verdict: Verdict | None
    p_methods: Mapping[str, float]

    @property
    def telling_label(self) -> str:
        """The class that is explained first: the verdict's method where the detector has such a label, else the likeliest label."""
        method = self.verdict.method if self.verdict is not None else None
        return method if method in self.p_methods else max(self.p_methods, key=lambda one: self.p_methods[one])  # type: ignore[return-value]


@dataclass(frozen=True)
class Opinion(_Answer):
    """A detector whose card has the scope `generated` knows wholly generated faces alone, one with the scope `face_swap` face swaps and
    pasted parts alone. Beside a chosen detector with the scope `any` each of those embedded is asked about the faces that are its business,
    and is refused otherwise: with the scope `generated` where the chosen one finds a manipulation of the family `gan` or `diffusion`; with
    the scope `face_swap` where it finds one of the family `face_swap`, or `no_manipulation_found`. Beside a chosen detector with such a
    scope the embedded default is asked about every face; where it finds what the chosen one does not know (`face_swap` or `reenactment`;
    `gan` or `diffusion`), the verdict of the track is `inconclusive`. It is so too where a detector with the scope `face_swap` and the
    other one give definite answers of which one is `manipulated` and the other `no_manipulation_found`: the first reason then names both,
    the probabilities of the track stay those of the chosen detector, and `agreement` stays `differs`. `attribution/verdict/scopes.py` has
    these rules as a table.

    A detector that the reader asked for (`--beside`) is heard about every face but those of a family that it is known to know nothing of.
    Where it was measured and definitely contradicts the first one, the verdict is `inconclusive`; one that nobody measured overturns
    nothing.

    Where `settings.combination` names experts, verdict and probabilities of the track are what these and the chosen detector say together;
    its opinions then hold what each of them says alone (`combined`), the chosen detector too. They were read for every face, and overturn
    nothing: the common answer has weighed them."""

    detector: DetectorInfo
    """which detector; when it could not be loaded, with 64 zeros for its weights"""
    refused: str = ""
    """the plain sentence that says why it was not asked; empty when it was, and then the fields below are filled"""
    verdict: Verdict | None = None
    """its answer on this face"""
    p_methods: Mapping[str, float] = field(default_factory=dict)
    """label → calibrated probability, for its own labels"""
    p_families: Mapping[str, float] = field(default_factory=dict)
    """family → probability"""
    p_manipulated: Probability | None = None
    """1 − the probability of the family `real`"""
    placement: Placement | None = None
    """where the face lies among its own reference faces"""
    agreement: Annotated[str, checks.AGREEMENTS] | None = None
    """its verdict beside the track's own, before a disagreement: `same method`, `same family` (or the same state without one), `same
    answer` (both `manipulated`, and only one names a family), `differs`, or `undecided` when either is inconclusive"""
    architecture: str | None = None
    """the architecture of the generator that its verdict names"""
    patches: Patches | None = None
    """its answer patch by patch, for the 4 largest faces of a picture"""
    view: Annotated[str, checks.VIEWS] = "face"
    """what it saw: the `face`, or the whole `picture` that the face is in"""
    overturns: str = ""
    """the reason for which this opinion leaves the track without a definite verdict, as it stands among the verdict's; empty elsewhere"""
    combined: bool = False
    """whether the answer on the face is what this detector and others say together, and this what it says alone"""
    asked_for: bool = False
    """whether the reader chose this detector (`--beside`)"""
    face: Face | None = field(default=None, compare=False, repr=False)
    """What it saw, where that was cut otherwise than the track's own faces."""

    coded: ClassVar = {"refused": "refused_code", "overturns": "overturns_code"}

    def check(self) -> None:
        need(bool(self.refused) == (self.verdict is None), "an opinion that is neither given nor refused, or both")
        need(self.patches is None or self.patches.labels == self.detector.labels, "patches with the labels of another detector")
        if self.verdict is None:
            return
        checks.shares("Opinion.p_methods", self.p_methods)
        checks.shares("Opinion.p_families", self.p_families)
        need(set(self.p_methods) <= set(self.detector.labels), "a probability of a method that the detector does not know")
        need(all(family in checks.LABEL_FAMILIES for family in self.p_families), "an unknown family")
        need(self.p_manipulated is not None and self.agreement is not None, "an opinion without its probability or its agreement")
        need(not (self.combined and self.overturns), "an opinion that overturns an answer that it is part of")


@dataclass(frozen=True)
class TrackEvidence(_Answer):
    """Everything said about one face over time."""

    id: int
    """number of the track in this file"""
    faces: Positive
    """faces of this person that were examined, one per frame"""
    first_seconds: float
    """time of the first of them; 0 in a picture"""
    last_seconds: float
    """time of the last of them"""
    box: Box
    """where the best face (the one with the most real detail) is"""
    verdict: Verdict
    """the answer on this face"""
    p_methods: Shares
    """label → calibrated probability over the track; they sum to 1"""
    p_families: Shares
    """family → probability; they sum to 1"""
    p_manipulated: Probability
    """1 − the probability of the family `real`, over the track"""
    timeline: tuple[Moment, ...] = ()
    """one per examined face of a clip; empty for a picture"""
    worst: Interval | None = None
    """the most suspicious sustained stretch of a clip"""
    placement: Placement | None = None
    """where the face at `shown_seconds` lies among the reference faces"""
    crop_side_px: NotNegative = 0.0
    """side of the square around the best face, in pixels of the original: how much real detail there was"""
    detail_px: NotNegative = 0.0
    """pixels of true detail across that square, from the spectrum of its crop: at most `crop_side_px`, and measured up to 224"""
    sharpness: NotNegative = 0.0
    """variance of the Laplacian of the best face's luma; small means blurred"""
    brightness: NotNegative = 0.0
    """mean luma of the best face, 0 to 255"""
    shown_seconds: float | None = None
    """time of the face that stands for the track, which pages open first: the moment that a reason quotes because nothing around it lasts;
    else the face with the most real detail among those of `worst` that are at least as suspicious as its median; null in an old JSON"""
    opinions: tuple[Opinion, ...] = ()
    """what the detectors beside the chosen one say of this face, or why they were not asked"""
    artifacts: tuple[Artifact, ...] = ()
    """where a detector that localises sees the traces of a manipulation, most confident first; may be empty"""
    view: Annotated[str, checks.VIEWS] = "face"
    """what the detector saw: `face`, or `picture` for one that reads whole pictures"""
    own_verdict: Verdict | None = None
    """what the chosen detector (or those that answer together) said, before other opinions were weighed in; null where that is not known"""
    missed_seconds: NotNegative | None = None
    """the longest time in which this face may have been in a clip without a view of it being examined: a manipulation shorter than that
    may have been missed; null for a picture, and where that is not known"""
    examined: Annotated[int, 0] | None = None
    """how many of its faces were good enough (large, sharp, neither dark nor bright) for the answer to rest on; null where that is not
    known"""
    track: Track | None = field(default=None, compare=False, repr=False)
    predictions: Predictions | None = field(default=None, compare=False, repr=False)

    def check(self) -> None:
        need(self.last_seconds >= self.first_seconds, "a track that ends before it begins")
        confidences = [one.confidence for one in self.artifacts]
        need(confidences == sorted(confidences, reverse=True), "artifacts that are not ordered by confidence")
        need(all(family in checks.LABEL_FAMILIES for family in self.p_families), "an unknown family")

    @property
    def together(self) -> tuple[DetectorInfo, ...]:
        """The detectors of which this is the common answer; empty where one answered alone."""
        return tuple(one.detector for one in self.opinions if one.combined)

    def may_be_marked(self, opinion: Opinion) -> bool:
        """Whether areas that this detector marks can stand beside the answer: one that is part of it may not contradict it, where it finds
        no manipulation, or one of a family that the detector does not speak on."""
        return not opinion.combined or self.verdict.family in (None, *opinion.detector.speaks_of)

    @property
    def shown(self) -> int | None:
        """The index of the face that stands for the track: the one at `shown_seconds`, or else the one with the most real detail. None when
        the track carries no pixels."""
        if self.track is None:
            return None
        faces, moment = self.track.faces, self.shown_seconds
        if moment is None:
            return faces.index(self.track.best)
        return min(range(len(faces)), key=lambda i: abs(faces[i].seconds - moment))

    @property
    def shown_face(self) -> Face | None:
        """The face that stands for the track; None when it carries no pixels."""
        return self.track.faces[self.shown] if self.track is not None and self.shown is not None else None
