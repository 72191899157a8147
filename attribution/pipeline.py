"""The composition root: a `Kit` of parts, and one file → its evidence."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from attribution.detector import Examiner, pick_device
from attribution.errors import DamagedDetector
from attribution.evidence import Evidence, Face, Frame, Heatmap, Reading, Track, TrackEvidence
from attribution.faces import CropRule, FaceFinder, find_tracks
from attribution.media import MediaLimits, open_media, prepare
from attribution.reference import ReferenceBank
from attribution.saliency import heatmaps
from attribution.verdict import judge_file, judge_track
from attribution.version import __version__
from attribution.weights import load

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and what is being done. Whatever it raises ends the examination."""

_PACKAGES = ("torch", "timm", "facenet-pytorch", "numpy", "opencv-python-headless", "av", "pillow", "safetensors")


@dataclass(frozen=True)
class Kit:
    """The parts that examine a file. They hold no state of a file: one kit serves many files, and several threads."""

    examiner: Examiner
    finder: FaceFinder
    bank: ReferenceBank
    rule: CropRule
    limits: MediaLimits = field(default_factory=MediaLimits)
    max_faces: int = 32


@dataclass(frozen=True, repr=False)
class Analysis:
    """Evidence, and the frames it rests on (RGB at detection size, in order of time)."""

    evidence: Evidence
    frames: tuple[Frame, ...]

    def __repr__(self) -> str:
        return f"Analysis({self.evidence.media.name!r}, {self.evidence.verdict.state}, {len(self.frames)} frames)"


def load_kit(detector: str = "default", device: str = "auto") -> Kit:
    """Load a detector (NAME, DIR or `hf:owner/repo@<40 hex digits>`) and all that works beside it on `auto`, `cpu` or `cuda`.

    Raises DetectorError or DeviceError.
    """
    chosen = pick_device(device)
    prepare()
    loaded = load(detector)
    bank = ReferenceBank.load(loaded.folder, loaded.card.files["reference.safetensors"])
    if bank.embeddings.shape[1] != loaded.projection.out_features or not set(bank.methods) <= set(loaded.info.labels):
        raise DamagedDetector(
            f"The reference faces of {loaded.name} do not belong to its network.", "Get the detector again from its source."
        )
    crop = loaded.card.crop
    rule = CropRule(scale=crop.scale, down=crop.down, side_px=crop.side_px)
    return Kit(Examiner(loaded, chosen), FaceFinder(chosen), bank, rule)


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
    faces = [face for track in found.tracks for face in track.faces]
    picture = media.kind == "picture"
    report(0.7, f"Examining {len(faces)} {'face' if picture and len(faces) == 1 else 'faces'}")
    reading = kit.examiner.read(_crops(faces, kit.rule.side_px), mirrored=picture)
    report(0.95, "Comparing with the reference faces")
    tracks = _judged(found.tracks, reading, kit, media.kind)
    thresholds = kit.examiner.card.thresholds
    evidence = Evidence(
        media=media,
        detector=kit.examiner.info,
        tracks=tracks,
        verdict=judge_file(tracks, (*media.notes, *found.notes), thresholds.min_faces_in_clip if not picture else 1),
        faces_found=found.faces_found,
        settings=_settings(kit, mirrored=picture),
        versions=dict(_versions()),
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    report(1.0, "Done")
    return Analysis(evidence, frames)


def explain(evidence: Evidence, kit: Kit) -> list[Heatmap]:
    """A heatmap for every track of fresh evidence: of its `shown_face`, for the method of its verdict, or else for its likeliest label."""
    if any(track.track is None for track in evidence.tracks):
        raise ValueError("evidence that was read from JSON has no pixels to explain")
    labels = [
        track.verdict.method
        if track.verdict.method in evidence.detector.labels
        else max(track.p_methods, key=lambda one: track.p_methods[one])
        for track in evidence.tracks
    ]
    crops = _crops([shown_face(track) for track in evidence.tracks], kit.rule.side_px)
    return heatmaps(kit.examiner, crops, [str(label) for label in labels])


def shown_face(track: TrackEvidence) -> Face:
    """The face that stands for a track: the one with the most real detail within its worst interval, or else of all."""
    if track.track is None:
        raise ValueError("a track that was read from JSON has no faces")
    worst = track.worst
    inside = [face for face in track.track.faces if worst is not None and worst.first_seconds <= face.seconds <= worst.last_seconds]
    return Track(track.id, tuple(inside or track.track.faces)).best


def _judged(tracks: tuple[Track, ...], reading: Reading, kit: Kit, kind: str) -> tuple[TrackEvidence, ...]:
    placements = kit.bank.place(reading.embeddings)
    card = kit.examiner.card
    judged = []
    first = 0
    for track in tracks:
        part = slice(first, first + len(track.faces))
        own = Reading(reading.logits[part], reading.p_methods[part], reading.embeddings[part])
        judged.append(judge_track(track, own, placements[part], card.thresholds, kit.examiner.info, kind))
        first += len(track.faces)
    return tuple(judged)


def _crops(faces: list[Face], side_px: int) -> np.ndarray:
    return np.stack([face.crop for face in faces]) if faces else np.empty((0, side_px, side_px, 3), dtype=np.uint8)


def _settings(kit: Kit, mirrored: bool) -> dict[str, object]:
    card = kit.examiner.card
    return {
        "device": kit.examiner.device,
        "mirrored": mirrored,
        "max_faces": kit.max_faces,
        "crop": asdict(card.crop),
        "temperature": card.calibration.temperature,
        "thresholds": asdict(card.thresholds),
        "limits": asdict(kit.limits),
    }


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
