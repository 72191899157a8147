"""The whole answer on one file, and the JSON document of the contract (see DEVELOPERS.md), written and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from attribution.errors import EvidenceError
from attribution.evidence import checks
from attribution.evidence.answers import DetectorInfo, Interval, Media, Moment, Neighbour, Placement, Verdict
from attribution.evidence.artifact import Artifact
from attribution.evidence.checks import UNKNOWN_METHOD, need
from attribution.evidence.opinion import Opinion, Patches
from attribution.evidence.track import TrackEvidence

SCHEMA = "telltale-evidence/1"


@dataclass(frozen=True)
class Evidence:
    """The whole answer on one file."""

    media: Media
    detector: DetectorInfo
    tracks: tuple[TrackEvidence, ...]
    verdict: Verdict
    faces_found: int = 0
    """Faces seen in the fullest frame before the limit on their number was applied ("32 largest of N")."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created_utc: str = ""

    def __post_init__(self) -> None:
        checks.instance("Evidence.media", self.media, Media)
        checks.instance("Evidence.detector", self.detector, DetectorInfo)
        checks.instances("Evidence.tracks", self.tracks, TrackEvidence)
        checks.instance("Evidence.verdict", self.verdict, Verdict)
        checks.count("Evidence.faces_found", self.faces_found)
        checks.text("Evidence.created_utc", self.created_utc)
        need(isinstance(self.settings, Mapping), "Evidence.settings must map names to values")
        need(isinstance(self.versions, Mapping) and all(isinstance(v, str) for v in self.versions.values()), "Evidence.versions")
        known = {*self.detector.labels, UNKNOWN_METHOD}
        for track in self.tracks:
            need(set(track.p_methods) <= known, "a probability of a method that the detector does not know")
        own = (track.own_verdict for track in self.tracks if track.own_verdict is not None)
        for verdict in (self.verdict, *(track.verdict for track in self.tracks), *own):
            need(verdict.method is None or verdict.method in known, "a verdict on a method that the detector does not know")

    def to_json(self) -> dict[str, Any]:
        """The file's entry in the JSON of the contract: plain dicts, lists, strings, finite numbers and None."""
        return {
            "media": _plain(self.media),
            "detector": _plain(self.detector),
            "tracks": [_plain(track, leave_out=("track", "reading", "face")) for track in self.tracks],
            "verdict": _plain(self.verdict),
            "faces_found": self.faces_found,
            "settings": _plain(self.settings),
            "versions": _plain(self.versions),
            "created_utc": self.created_utc,
        }

    @staticmethod
    def from_json(entry: Mapping[str, Any]) -> Evidence:
        """Read an entry back; raises EvidenceError when it is not one. Pictures and arrays are not in the JSON and stay None."""
        try:
            return Evidence(
                media=Media(**{**entry["media"], "notes": _tuple(entry["media"].get("notes", []))}),
                detector=_detector(entry["detector"]),
                tracks=tuple(_track(track) for track in _tuple(entry["tracks"])),
                verdict=_verdict(entry["verdict"]),
                faces_found=entry.get("faces_found", 0),
                settings=entry.get("settings", {}),
                versions=entry.get("versions", {}),
                created_utc=entry.get("created_utc", ""),
            )
        except EvidenceError:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise _not_a_result() from error


@dataclass(frozen=True)
class Unusable:
    """A file that could not be used, and the sentence that says why."""

    name: str
    error: str

    def __post_init__(self) -> None:
        checks.text("Unusable.name", self.name)
        checks.text("Unusable.error", self.error)
        need(bool(self.error), "an unusable file without a reason")

    def to_json(self) -> dict[str, Any]:
        """The file's entry in the JSON of the contract."""
        return {"media": {"name": self.name}, "error": self.error}


def document(outcomes: Sequence[Evidence | Unusable]) -> dict[str, Any]:
    """The JSON document of the contract: one entry per input, in order."""
    return {"schema": SCHEMA, "files": [outcome.to_json() for outcome in outcomes]}


def read_document(data: Mapping[str, Any]) -> list[Evidence | Unusable]:
    """The inverse of `document`; raises EvidenceError for anything else."""
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA or not isinstance(data.get("files"), list):
        raise _not_a_result()
    outcomes: list[Evidence | Unusable] = []
    for entry in data["files"]:
        if isinstance(entry, Mapping) and "error" in entry:
            media = entry.get("media")
            if not isinstance(media, Mapping) or "name" not in media:
                raise _not_a_result()
            outcomes.append(Unusable(media["name"], entry["error"]))
        else:
            outcomes.append(Evidence.from_json(entry))
    return outcomes


def _not_a_result() -> EvidenceError:
    return EvidenceError("This JSON is not a Telltale result.", "Give the file that --json wrote.")


def _plain(value: Any, leave_out: tuple[str, ...] = ()) -> Any:
    """Dataclasses, tuples and numpy numbers as JSON values."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name), leave_out) for name in value.__dataclass_fields__ if name not in leave_out}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, leave_out) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item, leave_out) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _tuple(value: Any) -> tuple[Any, ...]:
    """A JSON list; a string is none, although Python would take it apart letter by letter."""
    if not isinstance(value, list):
        raise _not_a_result()
    return tuple(value)


def _verdict(data: Mapping[str, Any]) -> Verdict:
    return Verdict(**{**data, "reasons": _tuple(data.get("reasons", []))})


def _detector(data: Mapping[str, Any]) -> DetectorInfo:
    lists: dict[str, Any] = {name: _tuple(data[name]) for name in ("labels", "families", "display_names", "limits") if name in data}
    return DetectorInfo(**{**data, **lists})


def _placement(data: Mapping[str, Any] | None) -> Placement | None:
    return Placement(**{**data, "neighbours": tuple(Neighbour(**n) for n in _tuple(data["neighbours"]))}) if data else None


def _patches(data: Mapping[str, Any] | None) -> Patches | None:
    if not data:
        return None
    parts: dict[str, Any] = {name: tuple(_tuple(item) for item in _tuple(data[name])) for name in ("boxes", "p_methods")}
    return Patches(**{**data, "labels": _tuple(data["labels"]), **parts})


def _opinion(data: Mapping[str, Any]) -> Opinion:
    changed: dict[str, Any] = {
        "detector": _detector(data["detector"]),
        "verdict": _verdict(data["verdict"]) if data.get("verdict") else None,
        "placement": _placement(data.get("placement")),
        "patches": _patches(data.get("patches")),
    }
    return Opinion(**{**data, **changed, "face": None})


def _track(data: Mapping[str, Any]) -> TrackEvidence:
    worst = data.get("worst")
    changed = {
        "box": _tuple(data["box"]),
        "verdict": _verdict(data["verdict"]),
        "own_verdict": _verdict(data["own_verdict"]) if data.get("own_verdict") else None,
        "timeline": tuple(Moment(**moment) for moment in _tuple(data.get("timeline", []))),
        "worst": Interval(**worst) if worst else None,
        "placement": _placement(data.get("placement")),
        "opinions": tuple(_opinion(one) for one in _tuple(data.get("opinions", []))),
        "artifacts": tuple(Artifact(**{**one, "box": _tuple(one["box"])}) for one in _tuple(data.get("artifacts", []))),
        "track": None,
        "reading": None,
    }
    return TrackEvidence(**{**data, **changed})
