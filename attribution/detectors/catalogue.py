"""Which detectors there are: embedded ones, those in this machine's Hub cache, and public ones that are known. No network is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attribution.detectors import hub, loading, registry
from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE
from attribution.errors import DetectorError
from attribution.messages import gettext as _
from attribution.models.architectures import OWN_ARCHITECTURES
from attribution.models.backbones import is_timm
from attribution.text.detectors import NOT_STATED

KINDS = ("embedded", "cached", "known")
_ANSWERS = {
    "any": _("Which method made or manipulated a face."),
    "generated": _("Which kind of generator drew a wholly generated face."),
    "face_swap": _("Whether a face was swapped or a part pasted into it, and where."),
}
_MOST_CONFIG_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Entry:
    """One detector. `name` is what a DetectorSpec takes; `bytes` the size of its files, None before anybody asked the Hub; `view` what it
    sees (`face`, `picture`, or "" where only its files tell); `measured` whether a card of Telltale's holds figures on these very weights;
    `never_run` that it is known by its card and code, its format proven on random weights, and its own weights were never run by Telltale;
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
    never_run: bool = False
    refused: str = ""


def entries() -> tuple[Entry, ...]:
    """All of them: embedded ones (the default first), cached ones, then public ones that are not cached. A detector that is there and
    damaged is listed with its refusal."""
    cached = [entry for snapshot in hub.cached() if (entry := _cached(snapshot)) is not None]
    there = {entry.title.lower() for entry in cached}
    public = [_public(one) for one in registry.CHECKPOINTS if one.repository.lower() not in there]
    return (*(_of_card(name, name, "embedded", loading.EMBEDDED_FOLDER / name) for name in loading.embedded()), *cached, *public)


def looked_up(listing: hub.Listing) -> Entry:
    """A repository as the Hub described it at a commit, joined with what is known of it."""
    entry, measured = _known(listing.repository), any(file.name == CARD_FILE for file in listing.files)
    licence = listing.licence or entry.licence or NOT_STATED
    return replace(entry, name=f"hf:{listing.repository}@{listing.revision}", licence=licence, bytes=listing.bytes, measured=measured)


def _cached(snapshot: hub.Snapshot) -> Entry | None:
    """None for a repository that is no detector: the Hub cache holds whatever other programs fetched."""
    name, folder = f"hf:{snapshot.repository}@{snapshot.revision}", snapshot.folder
    if (folder / CARD_FILE).is_file():
        return _of_card(name, snapshot.repository, "cached", folder, snapshot.digests.get(CARD_FILE, ""))
    entry, config = _known(snapshot.repository), _config(folder)
    architecture = _architecture(config)
    if not entry.name and not architecture:
        return None
    return replace(
        entry, name=name, kind="cached", architecture=entry.architecture or architecture, labels=_labels(config) or entry.labels,
        licence=entry.licence or NOT_STATED, bytes=_size(folder), refused="",
    )  # fmt: skip


def _of_card(name: str, title: str, kind: str, folder: Path, digest: str = "") -> Entry:
    try:
        card = loading.card_of(folder, digest)
    except DetectorError as error:
        return Entry(name, title, kind, "", (), "", "", refused=error.sentence)
    labels, answers = tuple(label.display_name for label in card.labels), _ANSWERS[card.scope]
    architecture = _architecture(_config(folder))
    return Entry(name, title, kind, architecture, labels, card.licence, answers, _size(folder), card.crop.view, bool(card.measured))


def _known(repository: str) -> Entry:
    """What is known of a repository; without a name where that is nothing."""
    unknown = Entry("", repository, "known", "", (), "", _("What its labels say; Telltale does not know more of it."))
    return _public(one) if (one := registry.find(repository)) is not None else unknown


def _public(one: registry.Checkpoint) -> Entry:
    name, licence = f"hf:{one.repository}", one.licence or NOT_STATED
    return Entry(
        name, one.repository, "known", one.architecture, one.labels, licence, one.answers, view=one.view,
        never_run=not (one.verified or one.refused), refused=one.refused,
    )  # fmt: skip


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".safetensors", ".md"))


def _config(folder: Path) -> Mapping[str, Any]:
    """What config.json says; nothing where it cannot be read: loading will say why."""
    try:
        content = loading.read_bytes(folder, CONFIG_FILE, _MOST_CONFIG_BYTES) if (folder / MODEL_FILE).is_file() else b"{}"
        return loading.parse_json(content, CONFIG_FILE)
    except DetectorError:
        return {}


def _architecture(config: Mapping[str, Any]) -> str:
    """The architecture that a configuration names, where it is one that pictures are classified with; "" elsewhere."""
    name = config.get("architecture")
    if isinstance(name, str) and (name in OWN_ARCHITECTURES or is_timm(name)):
        return name
    classes = config.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes and isinstance(classes[0], str) else ""
    return first[:80] if first.endswith("ForImageClassification") else ""


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    named, numbered = config.get("label_names"), config.get("id2label")
    found = named if isinstance(named, list) else [*numbered.values()] if isinstance(numbered, Mapping) else []
    return tuple(str(one)[:80] for one in found[:100])
