"""The whole answer on one file, and the JSON document of the contract (docs/json.md), written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from attribution.errors import EvidenceError
from attribution.evidence import checks
from attribution.evidence.checks import UNKNOWN_METHOD, Checked, need
from attribution.evidence.types import DetectorInfo, Media, TrackEvidence, Verdict
from attribution.messages import gettext as _
from attribution.text.reasons import coded, recalled

SCHEMA = "telltale-evidence/1"


@dataclass(frozen=True)
class Evidence(Checked):
    """The whole answer on one file."""

    media: Media
    """what was given"""
    detector: DetectorInfo
    """which detector answered"""
    tracks: tuple[TrackEvidence, ...]
    """one per face, or one of the whole file by a detector that reads whole pictures; empty when no face was found"""
    verdict: Verdict
    """the answer on the whole file"""
    faces_found: int = 0
    """faces in the fullest frame before their number was limited ("32 largest of N")"""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """the settings that the answer depends on, by name"""
    versions: Mapping[str, str] = field(default_factory=dict)
    """versions of Telltale and of the libraries that the answer depends on, by name"""
    created_utc: str = ""
    """when, in UTC, ISO 8601"""
    decided_by: Annotated[int, 0] | None = None
    """index in `tracks` of the face that the verdict rests on; null where it rests on all of them, and where that is not known"""

    def check(self) -> None:
        need(all(isinstance(v, str) for v in self.versions.values()), "Evidence.versions")
        known = {*self.detector.labels, UNKNOWN_METHOD}
        for track in self.tracks:
            need(set(track.p_methods) <= known, "a probability of a method that the detector does not know")
        for verdict in (self.verdict, *(one for track in self.tracks for one in (track.verdict, track.own_verdict))):
            need(verdict is None or verdict.method in (None, *known), "a verdict on a method that the detector does not know")
        need(self.decided_by is None or self.decided_by < len(self.tracks), "a verdict that rests on a face that is not there")

    @property
    def telling(self) -> int:
        """The index in `tracks` of the face to show first: the one that decided, or else the most suspicious one of those that have the
        file's own state. 0 where there is none."""
        own = (index for index, one in enumerate(self.tracks) if one.verdict.state == self.verdict.state)
        worst = max(own, key=lambda index: self.tracks[index].p_manipulated, default=0)
        return worst if self.decided_by is None else self.decided_by

    def to_json(self) -> dict[str, Any]:
        """The file's entry in the JSON of the contract: plain dicts, lists, strings, finite numbers and None."""
        return _plain(self)

    @staticmethod
    def from_json(entry: Any) -> Evidence:
        """Read an entry back; raises EvidenceError when it is not one. Pictures and arrays are not in the JSON and stay None."""
        try:
            return _read(Evidence, entry)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise error if isinstance(error, EvidenceError) else _not_a_result() from error


@dataclass(frozen=True)
class Unusable(Checked):
    """A file that could not be used, and the sentence that says why."""

    name: str
    error: str

    def check(self) -> None:
        need(bool(self.error), "an unusable file without a reason")

    def to_json(self) -> dict[str, Any]:
        """The file's entry in the JSON of the contract."""
        return {"media": {"name": self.name}, "error": self.error}


def document(outcomes: Sequence[Evidence | Unusable]) -> dict[str, Any]:
    """The JSON document of the contract: one entry for each input, in order."""
    return {"schema": SCHEMA, "files": [outcome.to_json() for outcome in outcomes]}


def document_text(outcomes: Sequence[Evidence | Unusable]) -> str:
    """The document as it is written to files."""
    return json.dumps(document(outcomes), indent=2, allow_nan=False) + "\n"


def read_document(data: Any) -> list[Evidence | Unusable]:
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
    return EvidenceError(_("This JSON is not a Telltale result."), _("Give the file that --json wrote."))


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and numpy numbers as JSON values."""
    if isinstance(value, Checked):
        plain: dict[str, Any] = {}
        for name in checks.json_fields(type(value)):
            plain[name] = _plain(getattr(value, name))
            if name in value.coded:
                plain[value.coded[name]] = _codes(getattr(value, name))
        return plain
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    # A sentence that knows other languages is plain English here.
    return value.item() if isinstance(value, np.generic) else str(value) if isinstance(value, str) else value


def _codes(sentences: str | tuple[str, ...]) -> Any:
    return _plain(coded(sentences)) if isinstance(sentences, str) else [_plain(coded(one)) for one in sentences]


def _recalled(sentences: Any, codes: Any) -> Any:
    """One or several sentences, in words that know other languages where their codes tell."""
    if isinstance(sentences, str):
        return recalled(sentences, codes)
    aligned = isinstance(sentences, tuple) and isinstance(codes, list) and len(codes) == len(sentences)
    return tuple(map(recalled, sentences, codes)) if aligned else sentences


def _read(kind: Any, value: Any) -> Any:
    """A JSON value as what a field is annotated with; `checks` refuses what does not fit."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _read(arguments[0], value)
    if origin in (Union, UnionType):
        return None if value is None else _read(arguments[0], value)
    if origin is tuple:
        # Python would take a string apart letter by letter.
        if not isinstance(value, list):
            raise _not_a_result()
        return tuple(_read(arguments[0], item) for item in value)
    if isinstance(kind, type) and issubclass(kind, Checked):
        if not isinstance(value, Mapping):
            raise _not_a_result()
        known, unread = checks.json_fields(kind), {one.name for one in fields(kind) if not one.compare}  # type: ignore[arg-type]
        added: Mapping[str, str] = kind.coded
        read = {name: _read(known[name], item) for name, item in value.items() if name not in unread and name not in added.values()}
        return kind(**{name: _recalled(item, value.get(added[name])) if name in added else item for name, item in read.items()})
    return value
