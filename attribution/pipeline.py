"""The parts that examine a file put together as a `Pipeline`, and one file → its evidence and the heatmaps of it."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2

from attribution.detectors import here
from attribution.detectors.card import Combination, CropSettings, MeasuredTable, Thresholds
from attribution.detectors.loading import DEFAULT_DETECTOR, load
from attribution.detectors.predictor import Predictor, pick_device
from attribution.detectors.spec import DetectorSpec
from attribution.evidence import Evidence, Face, Frame, Heatmap, Opinion, Track, TrackEvidence
from attribution.explain.artifacts import locate
from attribution.explain.gradcam import heatmaps
from attribution.explain.patches import Tiles, cut_tiles, reads_patches
from attribution.explain.reference import ReferenceBank
from attribution.faces.crops import as_seen
from attribution.faces.finder import FaceFinder, find_further, find_inputs
from attribution.media import MediaLimits, open_media, prepare
from attribution.messages import gettext as _
from attribution.messages import ngettext
from attribution.text.reasons import reason
from attribution.verdict import ensemble, judge_file
from attribution.verdict.ensemble import Specialist
from attribution.verdict.moments import worth_a_look
from attribution.verdict.scopes import ANY
from attribution.version import __version__

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and what is being done. Whatever it raises ends the examination."""

_LOOKING = _("Looking for faces in the frames of the clip ({count})")
_CLOSER_LOOKS, _SAME_PICTURE = 2, 16.0
_PACKAGES = ("torch", "timm", "facenet-pytorch", "numpy", "opencv-python-headless", "av", "pillow", "safetensors")


@dataclass(frozen=True)
class Pipeline:
    """The parts that examine a file. They hold no state of a file: one pipeline serves many files, and several threads.

    `specialists` are asked beside the predictor about the faces that are their business (`scopes`), but for those that are `combined`: they
    and the predictor give the answer together. Where `unheard` experts of its combination could not be loaded, none is, and it answers
    alone. `router` is there when the predictor itself is such a specialist. `bank` is None for a detector that brings no reference faces.
    """

    predictor: Predictor
    finder: FaceFinder
    bank: ReferenceBank | None
    limits: MediaLimits = field(default_factory=MediaLimits)
    max_faces: int = 32
    specialists: tuple[Specialist, ...] = ()
    router: Specialist | None = None
    unheard: int = 0

    @property
    def crop(self) -> CropSettings:
        """What the chosen detector sees."""
        return self.predictor.card.crop

    @property
    def combination(self) -> Combination | None:
        """How several detectors answer together; None where the chosen one answers alone."""
        return self.predictor.card.combination if not self.unheard else None

    @property
    def readers(self) -> tuple[Specialist, ...]:
        """Who answers together: the chosen detector, and the experts in the order of its combination. Nobody where it answers alone."""
        if (rule := self.combination) is None:
            return ()
        experts = {one.info.weights_sha256: one for one in self.specialists if one.combined}
        return (Specialist(self.predictor.info, self.predictor, self.bank, combined=True), *(experts[digest] for digest in rule.digests))

    @property
    def voices(self) -> tuple[Specialist, ...]:
        """Whose opinions stand beside the answer: of those that the reader asked for first, then of those that gave it together."""
        others = tuple(one for one in self.specialists if not one.combined)
        return tuple(sorted((*self.readers, *others), key=lambda one: not one.asked_for))

    @property
    def thresholds(self) -> Thresholds:
        """Those of the answer."""
        return self.combination.thresholds if self.combination is not None else self.predictor.card.thresholds

    @property
    def beside(self) -> tuple[Specialist, ...]:
        """Every detector beside the chosen one."""
        return self.specialists if self.router is None else (*self.specialists, self.router)

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        """The network of the chosen detector and those beside it that could be loaded."""
        return (self.predictor, *(one.predictor for one in self.beside if one.predictor is not None))

    def beside_of(self, weights_sha256: str) -> Specialist | None:
        """The loaded detector beside the chosen one that has these weights; None where there is none."""
        return next((one for one in self.beside if one.predictor is not None and one.info.weights_sha256 == weights_sha256), None)

    def predictor_of(self, weights_sha256: str) -> Predictor | None:
        """The network with these weights, of the chosen detector or of one beside it; None where there is none."""
        return next((one for one in self.predictors if one.info.weights_sha256 == weights_sha256), None)

    @property
    def tables(self) -> dict[str, tuple[MeasuredTable, ...]]:
        """The measured tables in the card of every loaded detector, by the SHA-256 of its weights."""
        return {one.info.weights_sha256: one.card.measured for one in self.predictors}


@dataclass(frozen=True, repr=False)
class Analysis:
    """Evidence, and the frames it rests on (RGB at detection size, in order of time). `tiles` is aligned with the evidence's tracks: the
    surroundings of the 4 largest faces of a picture, for the patch view; None for others, in clips, and where no detector of the pipeline
    reads patches."""

    evidence: Evidence
    frames: tuple[Frame, ...]
    tiles: tuple[Tiles | None, ...] = ()

    def __repr__(self) -> str:
        return f"Analysis({self.evidence.media.name!r}, {self.evidence.verdict.state}, {len(self.frames)} frames)"


def load_pipeline(
    detector: str | DetectorSpec = "default",
    device: str = "auto",
    beside: str | DetectorSpec | Sequence[str | DetectorSpec] | None = None,
    progress: Progress | None = None,
    like: Pipeline | None = None,
    as_measured_here: bool = True,
) -> Pipeline:
    """Load a detector (NAME, DIR or `hf:owner/repo[@revision]`) and all that works beside it on `auto`, `cpu` or `cuda`; `beside` is one
    or several that the reader wants to hear about the same faces. `progress` is told of downloads. `like` is a pipeline whose face finder,
    own detector and embedded specialists may be shared. With `as_measured_here` the detector answers by limits that were measured on this
    machine, where they were.

    Raises DetectorError, also where the same weights were asked for twice, or DeviceError; an embedded detector beside the chosen one that
    cannot be loaded refuses its opinions instead.
    """
    chosen = pick_device(device)
    prepare()
    loaded = load(detector, progress)
    like = like if like is not None and like.predictor.device == chosen else None
    finder = like.finder if like is not None else FaceFinder(chosen)
    shared = tuple(replace(one, combined=False) for one in like.specialists if not one.asked_for) if like is not None else ()
    if like is not None and not loaded.card.adapter and loaded.card.scope == ANY and like.crop == loaded.card.crop:
        # Experts for every face are nobody's specialists.
        specialists = tuple(one for one in shared if one.problem or one.info.scope != ANY)
    else:
        specialists = ensemble.load_specialists(loaded.card, chosen)
    experts = ensemble.load_experts(loaded.card, (*specialists, *shared), chosen)
    unheard = len(loaded.card.combination.experts) - len(experts) if loaded.card.combination is not None else 0
    if not unheard:
        names = {one.info.name for one in experts}
        specialists = (*experts, *(one for one in specialists if one.info.name not in names))
    own: tuple[Specialist, ...] = (Specialist(like.predictor.info, like.predictor, like.bank),) if like is not None else ()
    wanted = (beside,) if isinstance(beside, str | DetectorSpec) else beside or ()
    asked = ensemble.load_companions(wanted, loaded, (*specialists, *own), progress, chosen)
    theirs = {one.info.weights_sha256 for one in asked}
    specialists = (*asked, *(one for one in specialists if one.info.weights_sha256 not in theirs))
    if like is not None and loaded.card.scope != ANY and like.predictor.info.name == DEFAULT_DETECTOR:
        router = next(iter(own), None)
    else:
        router = ensemble.load_router(loaded.card, chosen)
    if router is not None:
        # It is heard about every face anyway.
        router = replace(router, asked_for=router.info.weights_sha256 in theirs)
        specialists = tuple(one for one in specialists if one.info.weights_sha256 != router.info.weights_sha256)
    if as_measured_here:
        loaded = here.as_measured(loaded, together=loaded.card.combination is not None and not unheard)
    first: Any = ensemble.ready(loaded, own, chosen)
    return Pipeline(first.predictor, finder, first.bank, specialists=specialists, router=router, unheard=unheard)


def analyse(path: str | Path, pipeline: Pipeline, progress: Progress | None = None, name: str | None = None) -> Evidence:
    """The evidence of `examine`, without the frames."""
    return examine(path, pipeline, progress, name).evidence


def examine(path: str | Path, pipeline: Pipeline, progress: Progress | None = None, name: str | None = None) -> Analysis:
    """Examine one picture or clip. A file without a face has evidence too: inconclusive, with that reason. `name` is what the file is
    called, instead of its path's last part. Raises MediaError when the file cannot be used."""
    report: Progress = progress or (lambda *_: None)
    report(0.0, _("Reading the file"))
    others = [one.predictor for one in pipeline.specialists if one.predictor is not None]
    heard = [one.predictor for one in pipeline.readers[1:] if one.predictor is not None]
    faces_cut = pipeline.crop.view == "face"
    with open_media(path, pipeline.limits, name) as opened:
        count = len(opened.frames)
        report(0.3, _("Looking for faces") if count == 1 else _LOOKING.format(count=count))
        found = find_inputs(opened, pipeline.finder, pipeline.crop, pipeline.max_faces)
        patches = faces_cut and any(reads_patches(one) and one.card.crop == pipeline.crop for one in (pipeline.predictor, *others))
        tiles = cut_tiles(opened, found.tracks, pipeline.crop.side_px) if patches else (None,) * len(found.tracks)
        least, notes = pipeline.thresholds.min_faces_in_clip, list(found.notes)
        # Where no clip could ever have enough views, what it shows is a still picture, if it is the same throughout.
        kind = "picture" if opened.media.frames_wanted < least and _alike(opened.frames) else opened.media.kind
        if kind != opened.media.kind:
            notes.insert(0, reason("shown_still", count=opened.media.frames_wanted))
        faces = sum(len(track.faces) for track in found.tracks)
        report(0.7, ngettext("Examining {count} face", "Examining {count} faces", faces).format(count=faces))
        looked_at, known = found.tracks, ensemble.Known()

        def seen_by(detectors: Sequence[Predictor]) -> dict[str, tuple[Track, ...]]:
            # None where one looks at faces and the chosen detector at whole pictures.
            return {
                one.info.weights_sha256: as_seen(opened, looked_at, one.card.crop) if one.card.crop.view != "face" or faces_cut else ()
                for one in detectors
                if one.card.crop != pipeline.crop
            }

        for looks in range(_CLOSER_LOOKS + 1):
            seen = seen_by(heard)
            tracks, alone = _answer(looked_at, pipeline, kind, seen, known)
            windows = worth_a_look(tracks, pipeline.thresholds) if kind == "clip" and faces_cut and looks < _CLOSER_LOOKS else []
            if not windows or not (further := opened.look_closer(windows)):
                break
            report(0.8, _("Looking closer at the most suspicious moments"))
            looked_at = find_further(opened, pipeline.finder, pipeline.crop, looked_at, further)
        # Cut once: who does not answer is asked only when the answer stands.
        seen |= seen_by([one for one in others if one not in heard])
        media, frames = opened.media, opened.frames
    if pipeline.beside and tracks:
        report(0.9, _("Asking a second detector where there is one to ask"))
        tracks = ensemble.consult(tracks, pipeline.voices, tiles, kind, seen, alone)
        tracks = ensemble.weigh(tracks, pipeline.predictor.card, pipeline.specialists)
        if pipeline.router is not None:
            tracks = ensemble.route(tracks, pipeline.predictor.card, pipeline.router, kind)
    tracks = locate(tracks, pipeline.predictor, others, media.width, media.height)
    verdict, decided_by = judge_file(
        tracks, (*media.notes, *notes), least if kind == "clip" else 1, pipeline.thresholds.p_manipulated_above
    )
    evidence = Evidence(
        media=media,
        detector=pipeline.predictor.info,
        tracks=tracks,
        verdict=verdict,
        decided_by=decided_by,
        faces_found=found.faces_found,
        settings=_settings(pipeline, kind),
        versions=dict(_versions()),
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    report(1.0, _("Done"))
    return Analysis(evidence, frames, tiles)


def _alike(frames: Sequence[Frame]) -> bool:
    """Whether all frames show the first one, apart from their encoding: smoothed over 3 px they differ nowhere by more than 16 of 255."""
    first = frames[0].rgb
    return all(
        other.rgb.shape == first.shape and float(cv2.GaussianBlur(cv2.absdiff(first, other.rgb), (0, 0), 3.0).max()) <= _SAME_PICTURE
        for other in frames[1:]
    )


def _answer(
    tracks: Sequence[Track], pipeline: Pipeline, kind: str, seen: Mapping[str, Sequence[Track]], known: ensemble.Known
) -> tuple[tuple[TrackEvidence, ...], dict[str, tuple[TrackEvidence, ...]]]:
    """What the chosen detector, or those that answer together, say of the tracks; and then what each of these says alone."""
    if pipeline.combination is not None:
        return ensemble.answer_together(tracks, pipeline.combination, pipeline.readers, kind, seen, known)
    predictions = ensemble.read_faces(tracks, pipeline.predictor, kind, known=known)
    judged = ensemble.judge(tracks, predictions, pipeline.predictor, pipeline.bank, kind)
    return ensemble.without_experts(judged, pipeline.predictor.card, pipeline.unheard), {}


def explain(
    track: TrackEvidence, pipeline: Pipeline, opinion: Opinion | None = None, label: str | None = None, face: Face | None = None
) -> Heatmap:
    """Where the chosen detector looked on a face of fresh evidence, or with an `opinion` on it where the detector of that one looked.

    `label` is the class to explain (by default the answer's `telling_label`), `face` one of the track's (by default the one that stands for
    it, as the detector saw it). ValueError for an opinion that was refused, a detector not in the pipeline, and a track without pixels.
    """
    answer = opinion or track
    predictor = pipeline.predictor if opinion is None else pipeline.predictor_of(opinion.detector.weights_sha256)
    if answer.verdict is None or predictor is None:
        raise ValueError(f"there is no opinion of {opinion.detector.name if opinion is not None else 'nobody'} to explain")
    if face is None:
        face = (opinion.face if opinion is not None else None) or track.shown_face
    if face is None:
        raise ValueError("evidence that was read from JSON has no pixels to explain")
    return heatmaps(predictor, face.crop[None], [label or answer.telling_label])[0]


def _settings(pipeline: Pipeline, kind: str) -> dict[str, object]:
    def of(predictor: Predictor, expert: bool = False) -> dict[str, object]:
        card = predictor.card
        return {
            "scope": card.scope,
            "adapter": card.adapter,
            "mirrored": ensemble.reads_mirrored(predictor, kind, expert),
            "temperature": card.calibration.temperature,
            "thresholds": asdict(card.thresholds),
            # Which boxes are kept of a detector that localises.
            "artifacts": asdict(card.artifacts) if card.artifacts is not None else None,
        }

    def beside(specialist: Specialist) -> dict[str, object]:
        if specialist.predictor is None:
            return {"problem": specialist.problem}
        own = of(specialist.predictor, specialist.combined)
        return {"weights_sha256": specialist.info.weights_sha256, "asked_for": specialist.asked_for, **own}

    router, own = pipeline.router, of(pipeline.predictor)
    return {
        "device": pipeline.predictor.device,
        "mirrored": own["mirrored"],
        "max_faces": pipeline.max_faces,
        "crop": asdict(pipeline.crop),
        **own,
        "limits": asdict(pipeline.limits),
        "specialists": dict(zip(_keys(pipeline.specialists), map(beside, pipeline.specialists), strict=True)),
        "router": {} if router is None else {router.info.name: beside(router)},
        "combination": _rule(pipeline.combination),
    }


def _keys(detectors: Sequence[Specialist]) -> list[str]:
    """Their names; of those that share one, as two commits of one repository do, with the beginning of the SHA-256 of their weights."""
    names = [one.info.name for one in detectors]
    return [f"{one.info.name}@{one.info.weights_sha256[:7]}" if names.count(one.info.name) > 1 else one.info.name for one in detectors]


def _rule(rule: Combination | None) -> dict[str, object]:
    """By which weights of which experts, and by which thresholds, the answer was given; nothing where one detector answered alone."""
    return {} if rule is None else {"experts": rule.experts, "digests": rule.digests, "thresholds": asdict(rule.thresholds)}


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("telltale", __version__), ("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            found.append((package, "unknown"))
    return tuple(found)
