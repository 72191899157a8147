"""The composition root: a `Kit` of parts, and one file → its evidence."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from attribution import opinions
from attribution.card import Card, MeasuredTable
from attribution.detector import Examiner, pick_device
from attribution.evidence import Evidence, Face, Frame, Heatmap, Opinion, TrackEvidence
from attribution.faces import CropRule, FaceFinder, find_tracks
from attribution.locate import locate, shown_face
from attribution.media import MediaLimits, open_media, prepare
from attribution.opinions import Specialist
from attribution.patches import Tiles, cut_tiles, reads_patches
from attribution.reference import ReferenceBank
from attribution.saliency import heatmaps
from attribution.verdict import judge_file
from attribution.version import __version__
from attribution.weights import load

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and what is being done. Whatever it raises ends the examination."""

_PACKAGES = ("torch", "timm", "facenet-pytorch", "numpy", "opencv-python-headless", "av", "pillow", "safetensors")


@dataclass(frozen=True)
class Kit:
    """The parts that examine a file. They hold no state of a file: one kit serves many files, and several threads.

    `specialists` are asked beside the examiner about the faces that are their business (`scopes`); `router` is there when the examiner
    itself is such a specialist.
    """

    examiner: Examiner
    finder: FaceFinder
    bank: ReferenceBank
    rule: CropRule
    limits: MediaLimits = field(default_factory=MediaLimits)
    max_faces: int = 32
    specialists: tuple[Specialist, ...] = ()
    router: Specialist | None = None

    @property
    def beside(self) -> tuple[Specialist, ...]:
        """Every detector beside the chosen one."""
        return self.specialists if self.router is None else (*self.specialists, self.router)

    @property
    def tables(self) -> dict[str, tuple[MeasuredTable, ...]]:
        """The measured tables in the card of every loaded detector, by the SHA-256 of its weights."""
        examiners = (self.examiner, *(one.examiner for one in self.beside))
        return {one.info.weights_sha256: one.card.measured for one in examiners if one is not None}


@dataclass(frozen=True, repr=False)
class Analysis:
    """Evidence, and the frames it rests on (RGB at detection size, in order of time). `tiles` is aligned with the evidence's tracks: the
    surroundings of the 4 largest faces of a picture, for the patch view; None for others, in clips, and where no detector of the kit reads
    patches."""

    evidence: Evidence
    frames: tuple[Frame, ...]
    tiles: tuple[Tiles | None, ...] = ()

    def __repr__(self) -> str:
        return f"Analysis({self.evidence.media.name!r}, {self.evidence.verdict.state}, {len(self.frames)} frames)"


def load_kit(detector: str = "default", device: str = "auto") -> Kit:
    """Load a detector (NAME, DIR or `hf:owner/repo@<40 hex digits>`) and all that works beside it on `auto`, `cpu` or `cuda`.

    Raises DetectorError or DeviceError; an embedded detector beside the chosen one that cannot be loaded refuses its opinions instead.
    """
    chosen = pick_device(device)
    prepare()
    loaded = load(detector)
    bank = opinions.bank_of(loaded)
    crop = loaded.card.crop
    return Kit(
        Examiner(loaded, chosen),
        FaceFinder(chosen),
        bank,
        CropRule(scale=crop.scale, down=crop.down, side_px=crop.side_px),
        specialists=opinions.load_specialists(loaded.card, chosen),
        router=opinions.load_router(loaded.card, chosen),
    )


def analyse(path: str | Path, kit: Kit, progress: Progress | None = None, name: str | None = None) -> Evidence:
    """The evidence on one picture or clip; `name` replaces the file's own. Raises MediaError when the file cannot be used.

    A file without a face is evidence too: inconclusive, with that reason.
    """
    return examine(path, kit, progress, name).evidence


def examine(path: str | Path, kit: Kit, progress: Progress | None = None, name: str | None = None) -> Analysis:
    """`analyse`, together with the frames that were looked at."""
    report: Progress = progress or _silent
    report(0.0, "Reading the file")
    with open_media(path, kit.limits, name) as opened:
        count = len(opened.frames)
        report(0.3, "Looking for faces" if count == 1 else f"Looking for faces in {count} frames")
        found = find_tracks(opened, kit.finder, kit.rule, kit.max_faces)
        media, frames = opened.media, opened.frames
        tiles = cut_tiles(opened, found.tracks, kit.rule.side_px) if _shows_patches(kit) else (None,) * len(found.tracks)
    faces = sum(len(track.faces) for track in found.tracks)
    picture = media.kind == "picture"
    report(0.7, f"Examining {faces} {'face' if picture and faces == 1 else 'faces'}")
    reading = opinions.read_faces(found.tracks, kit.examiner, media.kind)
    report(0.85, "Comparing with the reference faces")
    tracks = opinions.judge(found.tracks, reading, kit.examiner, kit.bank, media.kind)
    if kit.beside and tracks:
        report(0.9, "Asking a second detector where there is one to ask")
        tracks = opinions.consult(tracks, kit.specialists, tiles, media.kind)
        tracks = opinions.weigh(tracks, kit.examiner.card, kit.specialists)
        if kit.router is not None:
            tracks = opinions.route(tracks, kit.examiner.card, kit.router, media.kind)
    tracks = locate(tracks, kit.examiner, kit.specialists, media.width, media.height)
    thresholds = kit.examiner.card.thresholds
    evidence = Evidence(
        media=media,
        detector=kit.examiner.info,
        tracks=tracks,
        verdict=judge_file(tracks, (*media.notes, *found.notes), thresholds.min_faces_in_clip if not picture else 1),
        faces_found=found.faces_found,
        settings=_settings(kit, media.kind),
        versions=dict(_versions()),
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    report(1.0, "Done")
    return Analysis(evidence, frames, tiles)


def explain(evidence: Evidence, kit: Kit) -> list[Heatmap]:
    """A heatmap for every track of fresh evidence: of its `shown_face`, for the method of its verdict, or else for its likeliest label."""
    if any(track.track is None for track in evidence.tracks):
        raise ValueError("evidence that was read from JSON has no pixels to explain")
    labels = [_label_to_explain(track.verdict.method, track.p_methods) for track in evidence.tracks]
    crops = _crops([shown_face(track) for track in evidence.tracks], kit.rule.side_px)
    return heatmaps(kit.examiner, crops, labels)


def explain_opinion(track: TrackEvidence, opinion: Opinion, kit: Kit) -> Heatmap:
    """The heatmap of a second opinion on a track of fresh evidence: of its `shown_face`, for the method of the opinion's verdict, or else
    for its likeliest label.

    Raises ValueError for an opinion that was refused, one of a detector that is not in the kit, and a track without pixels.
    """
    examiner = next((one.examiner for one in kit.beside if one.info == opinion.detector), None)
    if opinion.verdict is None or examiner is None:
        raise ValueError(f"there is no opinion of {opinion.detector.name} to explain")
    label = _label_to_explain(opinion.verdict.method, opinion.p_methods)
    return heatmaps(examiner, _crops([shown_face(track)], kit.rule.side_px), [label])[0]


def _label_to_explain(method: str | None, p_methods: Mapping[str, float]) -> str:
    """The verdict's method where the detector has such a label, else its likeliest label."""
    return method if method is not None and method in p_methods else max(p_methods, key=lambda one: p_methods[one])


def _shows_patches(kit: Kit) -> bool:
    examiners = (kit.examiner, *(one.examiner for one in kit.specialists))
    return any(examiner is not None and reads_patches(examiner) for examiner in examiners)


def _crops(faces: list[Face], side_px: int) -> np.ndarray:
    return np.stack([face.crop for face in faces]) if faces else np.empty((0, side_px, side_px, 3), dtype=np.uint8)


def _settings(kit: Kit, kind: str) -> dict[str, object]:
    card = kit.examiner.card
    return {
        "device": kit.examiner.device,
        "mirrored": opinions.reads_mirrored(kit.examiner, kind),
        "max_faces": kit.max_faces,
        "crop": asdict(card.crop),
        "scope": card.scope,
        "temperature": card.calibration.temperature,
        "thresholds": asdict(card.thresholds),
        "artifacts": _artifact_rule(card),
        "limits": asdict(kit.limits),
        "specialists": {one.info.name: _settings_of(one, kind) for one in kit.specialists},
        "router": {one.info.name: _settings_of(one, kind) for one in kit.beside if one is kit.router},
    }


def _settings_of(specialist: Specialist, kind: str) -> dict[str, object]:
    if specialist.examiner is None:
        return {"problem": specialist.problem}
    card = specialist.examiner.card
    return {
        "weights_sha256": specialist.info.weights_sha256,
        "scope": card.scope,
        "mirrored": opinions.reads_mirrored(specialist.examiner, kind),
        "temperature": card.calibration.temperature,
        "thresholds": asdict(card.thresholds),
        "artifacts": _artifact_rule(card),
    }


def _artifact_rule(card: Card) -> dict[str, float] | None:
    """Which boxes are kept of a detector that localises; None for others."""
    return asdict(card.artifacts) if card.artifacts is not None else None


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("telltale", __version__), ("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            found.append((package, "unknown"))
    return tuple(found)


def _silent(share: float, doing: str) -> None:
    """Progress that nobody follows."""
    del share, doing
