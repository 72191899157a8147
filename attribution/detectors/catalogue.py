"""Which detectors there are: embedded ones, those in this machine's Hub cache, and public ones that are known. No network is asked here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attribution.detectors import hub, loading
from attribution.detectors import registry as known
from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, Card
from attribution.detectors.registry import Checkpoint
from attribution.errors import DetectorError
from attribution.models.architectures import ALLOWED_ARCHITECTURES

KINDS = ("embedded", "cached", "known")
_ANSWERS = {
    "any": "Which method made or manipulated a face.",
    "generated": "Which kind of generator drew a wholly generated face.",
    "face_swap": "Whether a face was swapped or a part pasted into it, and where.",
}
_UNKNOWN_ANSWERS = "What its labels say; Telltale does not know more of it."
_MOST_CONFIG_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Entry:
    """One detector. `name` is what a DetectorSpec takes. `bytes` is the size of its files, None before anybody asked the Hub; `view` what it sees
    (`face`, `picture`, or "" where only its files tell); `measured` whether a card of Telltale's holds figures on these very weights;
    `refused` why it cannot be used, or ""."""

    name: str
    title: str
    kind: str
    architecture: str
    labels: tuple[str, ...]
    licence: str
    answers: str
    bytes: int | None = None
    view: str = ""
    measured: bool = False
    refused: str = ""


def entries() -> tuple[Entry, ...]:
    """All of them: embedded ones (the default first), cached ones, then public ones that are not cached. A detector that is there and
    damaged is listed with its refusal."""
    cached = [entry for snapshot in hub.cached() if (entry := _cached(snapshot)) is not None]
    there = {entry.title.lower() for entry in cached}
    public = [_public(one) for one in known.CHECKPOINTS if one.repository.lower() not in there]
    return (*(_embedded(name) for name in loading.embedded()), *cached, *public)


def looked_up(listing: hub.Listing) -> Entry:
    """A repository as the Hub described it at a commit, joined with what is known of it."""
    checkpoint = known.find(listing.repository)
    entry = _public(checkpoint) if checkpoint is not None else Entry("", listing.repository, "known", "", (), "", _UNKNOWN_ANSWERS)
    return replace(
        entry,
        name=_name(listing.repository, listing.revision),
        licence=listing.licence or entry.licence or "none stated",
        bytes=listing.bytes,
        measured=any(file.name == CARD_FILE for file in listing.files),
    )


def _embedded(name: str) -> Entry:
    folder = loading.EMBEDDED_FOLDER / name
    try:
        return _of_card(loading.card_of(folder), name, name, "embedded", folder)
    except DetectorError as error:
        return Entry(name, name, "embedded", "", (), "", "", refused=str(error))


def _cached(snapshot: hub.Snapshot) -> Entry | None:
    """None for a repository that is no detector: the Hub cache holds whatever other programs fetched."""
    name, folder = _name(snapshot.repository, snapshot.revision), snapshot.folder
    if (folder / CARD_FILE).is_file():
        try:
            card = loading.card_of(folder, snapshot.digests.get(CARD_FILE, ""))
            return _of_card(card, name, snapshot.repository, "cached", folder)
        except DetectorError as error:
            return Entry(name, snapshot.repository, "cached", "", (), "", "", refused=str(error))
    checkpoint, config = known.find(snapshot.repository), _config(folder)
    architecture = _architecture(config)
    if checkpoint is None and not architecture:
        return None
    entry = _public(checkpoint) if checkpoint is not None else Entry("", snapshot.repository, "known", "", (), "", _UNKNOWN_ANSWERS)
    return replace(
        entry,
        name=name,
        kind="cached",
        architecture=entry.architecture or architecture,
        labels=_labels(config) or entry.labels,
        licence=entry.licence or "see its repository",
        bytes=_size(folder),
        refused="",
    )


def _of_card(card: Card, name: str, title: str, kind: str, folder: Path) -> Entry:
    return Entry(
        name,
        title,
        kind,
        _architecture(_config(folder)),
        tuple(label.display_name for label in card.labels),
        card.licence,
        _ANSWERS[card.scope],
        _size(folder),
        card.crop.view,
        bool(card.measured),
    )


def _public(one: Checkpoint) -> Entry:
    view = "face" if one.face_scale is not None else ""
    return Entry(
        f"hf:{one.repository}",
        one.repository,
        "known",
        one.architecture,
        one.labels,
        one.licence,
        one.answers,
        view=view,
        refused=one.refused,
    )


def _name(repository: str, revision: str) -> str:
    return f"hf:{repository}@{revision}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".safetensors", ".md"))


def _config(folder: Path) -> Mapping[str, Any]:
    """What config.json says; nothing where it cannot be read: loading will say why."""
    try:
        path = folder / CONFIG_FILE
        if not (folder / MODEL_FILE).is_file() or path.stat().st_size > _MOST_CONFIG_BYTES:
            return {}
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _architecture(config: Mapping[str, Any]) -> str:
    """The architecture that a configuration names, where it is one that pictures are classified with; "" elsewhere."""
    name = config.get("architecture")
    if isinstance(name, str) and name in ALLOWED_ARCHITECTURES:
        return name
    classes = config.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""
    return first[:80] if first.endswith("ForImageClassification") else ""


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    named, numbered = config.get("label_names"), config.get("id2label")
    if isinstance(named, list):
        return tuple(str(one)[:80] for one in named[:100])
    return tuple(str(one)[:80] for one in list(numbered.values())[:100]) if isinstance(numbered, Mapping) else ()
