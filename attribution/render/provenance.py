"""What a record of an examination needs, as HTML: the file and every detector by their hashes, settings, versions and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attribution.evidence import Evidence
from attribution.render.panels import measure_list
from attribution.text import numbers
from attribution.text import page as text


def custody(evidence: Evidence) -> str:
    """What a record needs: the file by its hash, the detector by the hash of its weights, settings, versions and time."""
    media, detector, names = evidence.media, evidence.detector, text.MEASURE_NAMES
    frames = f"{media.frames_read} of {media.frames_wanted}" if media.frames_read < media.frames_wanted else f"{media.frames_read}"
    values = {
        names["file"]: media.name,
        names["sha256"]: media.sha256,
        names["bytes"]: numbers.exact_size(media.bytes),
        names["container"]: media.container,
        names["pixels"]: f"{media.width} × {media.height} px",
        names["duration"]: numbers.seconds(media.duration_seconds) if media.duration_seconds is not None else "",
        names["frames"]: frames if media.kind == "clip" else "",
        names["notes"]: " ".join(media.notes),
        names["detector"]: detector.name,
        names["source"]: detector.source.removeprefix("hf:"),
        names["adapter"]: str(evidence.settings.get("adapter") or ""),
        names["weights"]: detector.weights_sha256,
        names["licence"]: detector.licence,
        **_second(evidence),
        names["settings"]: _listed(evidence.settings),
        names["versions"]: _listed(evidence.versions),
        names["created"]: evidence.created_utc,
    }
    return measure_list(values, "tt-custody")


def _second(evidence: Evidence) -> dict[str, str]:
    """The detectors that others than Telltale made and that gave an opinion beside the first one."""
    heard = {one.detector: None for track in evidence.tracks for one in track.opinions if one.verdict is not None}
    others = [one for one in heard if one.source or not one.measured]
    names = text.MEASURE_NAMES
    return {
        names["second"]: ", ".join(one.name for one in others),
        names["second_source"]: ", ".join(one.source.removeprefix("hf:") for one in others if one.source),
        names["second_weights"]: ", ".join(one.weights_sha256 for one in others),
    }


def _listed(values: Mapping[str, Any]) -> str:
    """Settings as words: `device cpu, crop (scale 0.86, side_px 224)`."""
    return ", ".join(f"{key} ({_listed(value)})" if isinstance(value, Mapping) else f"{key} {value}" for key, value in values.items())
