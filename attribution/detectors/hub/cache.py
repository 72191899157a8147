"""Detectors in the Hub cache of this machine, found without the network.

The layout is the client's (`blobs/<digest>`, `snapshots/<commit>/<name>` → blob, `refs/<branch>`), so that other programs find what we
fetched and we find what they did. Beside it a note per commit, `telltale/<commit>.json`, says which files a detector has there: without
it, half of one could pass for the whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, REFERENCE_FILE
from attribution.detectors.hub.client import cache_root
from attribution.detectors.hub.names import COMMIT, DEFAULT_BRANCH, FILES, HubFile, HubName, Listing, Snapshot, parse
from attribution.errors import DamagedDetector

_KINDS = {40: "git", 64: "sha256"}
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NOTE = "telltale"
_MOST_NOTE_BYTES = 2**20
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Shelf:
    """Where a repository lies in the cache."""

    root: Path
    repository: str

    @property
    def name(self) -> str:
        return "models--" + self.repository.replace("/", "--")

    @property
    def folder(self) -> Path:
        return self.root / self.name

    def blob(self, file: HubFile) -> Path:
        return self.folder / "blobs" / file.blob

    def partial(self, file: HubFile) -> Path:
        """What has come of a blob so far: its first bytes."""
        return self.folder / "blobs" / f"{file.blob}.incomplete"

    def lock(self, file: HubFile) -> Path:
        return self.root / ".locks" / self.name / f"{file.blob}.lock"

    def snapshot(self, revision: str) -> Path:
        return self.folder / "snapshots" / revision

    def note(self, revision: str) -> Path:
        return self.folder / _NOTE / f"{revision}.json"


def check(name: str, content: bytes, digest: str) -> None:
    """DamagedDetector unless `content` has that digest, `sha256:<64 hex>` or `git:<40 hex>`."""
    hasher = _hasher(digest, len(content))
    if hasher is not None:
        hasher.update(content)
    if hasher is None or hasher.hexdigest() != digest.partition(":")[2]:
        raise DamagedDetector(f"The file {name} is not the one that the Hub lists: its digest differs.", "Get the detector again.")


def compare(path: Path, digest: str) -> Iterator[bool | None]:
    """Read a file piece by piece, None after each, and say at last whether its bytes have that digest. Raises OSError."""
    with path.open("rb") as file:
        hasher = _hasher(digest, os.fstat(file.fileno()).st_size)
        while hasher is not None and (piece := file.read(_PIECE_BYTES)):
            hasher.update(piece)
            yield None
    yield hasher is not None and hasher.hexdigest() == digest.partition(":")[2]


def find(name: HubName | str) -> Snapshot | None:
    """The detector of that name in the cache, where all of it is there; a branch or tag as it was when it was last fetched."""
    name = parse(name) if isinstance(name, str) else name
    shelf = Shelf(cache_root(), name.repository)
    revision = name.revision or DEFAULT_BRANCH
    if not COMMIT.fullmatch(revision):
        try:
            revision = (shelf.folder / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None
    return _read(shelf, revision) if COMMIT.fullmatch(revision) else None


def noted(snapshot: Snapshot) -> bool:
    """Whether we fetched it ourselves, so that its note tells which files it has."""
    return _note(Shelf(cache_root(), snapshot.repository), snapshot.revision) is not None


def cached() -> tuple[Snapshot, ...]:
    """Every complete detector in the cache, by repository and then by time, the newest first. Of what other programs fetched, those with a
    card or the configuration of an image classifier."""
    found: list[tuple[str, float, Snapshot]] = []
    root = cache_root()
    for folder in _folders(root, "models--*--*"):
        parts = folder.name.split("--")
        if len(parts) != 3:
            continue
        shelf = Shelf(root, f"{parts[1]}/{parts[2]}")
        for path in _folders(folder / "snapshots", "*"):
            snapshot = _read(shelf, path.name) if COMMIT.fullmatch(path.name) else None
            if snapshot is not None and (noted(snapshot) or _classifies(path)):
                found.append((shelf.repository, -path.stat().st_mtime, snapshot))
    return tuple(one for *_, one in sorted(found, key=lambda item: item[:2]))


def keep(shelf: Shelf, listing: Listing) -> Snapshot:
    """Make a snapshot of blobs that are all there, and note what it consists of. Raises OSError."""
    folder = shelf.snapshot(listing.revision)
    folder.mkdir(parents=True, exist_ok=True)
    # First, so that at no moment half of the files could pass for all of them.
    _write(shelf.note(listing.revision), _as_note(listing))
    for file in listing.files:
        blob, pointer = shelf.blob(file), folder / file.name
        if not blob.exists() or (pointer.exists() and pointer.samefile(blob)):
            continue
        pointer.unlink(missing_ok=True)
        try:
            pointer.symlink_to(os.path.relpath(blob, folder))
        except OSError:
            # Where links cannot be made the client keeps the content itself in the snapshot, too.
            shutil.move(blob, pointer)
    if listing.reference:
        _write(shelf.folder / "refs" / listing.reference, listing.revision)
    kept = _read(shelf, listing.revision)
    if kept is None:
        raise OSError("the snapshot is not complete")
    return kept


def remember(snapshot: Snapshot, listing: Listing) -> Snapshot | None:
    """The snapshot with the digests of `listing`, where another program fetched exactly those files; None where it did not."""
    if not all(_there(snapshot.folder, file.name, file.bytes) for file in listing.files):
        return None
    if any(snapshot.digests.get(file.name) != file.digest for file in listing.files):
        return None
    # A cache that cannot be written is asked about again next time.
    with contextlib.suppress(OSError):
        _write(Shelf(cache_root(), snapshot.repository).note(snapshot.revision), _as_note(listing))
    return Snapshot(snapshot.repository, snapshot.revision, snapshot.folder, snapshot.digests, listing.licence)


def discard(snapshot: Snapshot) -> tuple[str, ...]:
    """Remove the files whose bytes no longer have the Hub's digest, so that the next `obtain` fetches them; returns their names."""
    removed = []
    for name, digest in snapshot.digests.items():
        path = snapshot.folder / name
        try:
            if any(compare(path, digest)):
                continue
            # The blob of the repository, not what that may point to in turn: other repositories share it.
            blob = path.parent / os.readlink(path) if path.is_symlink() else None
            path.unlink(missing_ok=True)
            if blob is not None:
                blob.unlink(missing_ok=True)
        except OSError:
            continue
        removed.append(name)
    return tuple(removed)


def _hasher(digest: str, size: int) -> Any:
    kind, _, value = digest.partition(":")
    if _KINDS.get(len(value)) != kind:
        return None
    return hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _read(shelf: Shelf, revision: str) -> Snapshot | None:
    """The snapshot where it is complete, as far as can be told."""
    folder = shelf.snapshot(revision)
    note = _note(shelf, revision)
    if note is not None:
        files, licence = note
        if not all(_there(folder, file.name, file.bytes) for file in files):
            return None
        return Snapshot(shelf.repository, revision, folder, {file.name: file.digest for file in files}, licence)
    there = [name for name in FILES if _there(folder, name)]
    needed = {CONFIG_FILE, MODEL_FILE} | ({REFERENCE_FILE} if CARD_FILE in there else set())
    if not needed <= set(there):
        return None
    digests = {}
    for name in there:
        path = folder / name
        blob = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
        if _BLOB.fullmatch(blob):
            digests[name] = f"{_KINDS[len(blob)]}:{blob}"
    return Snapshot(shelf.repository, revision, folder, digests)


def _there(folder: Path, name: str, size: int | None = None) -> bool:
    try:
        path = folder / name
        return path.is_file() and size in (None, path.stat().st_size)
    except OSError:
        return False


def _as_note(listing: Listing) -> str:
    files = {file.name: {"bytes": file.bytes, "digest": file.digest} for file in listing.files}
    return json.dumps({"files": files, "licence": listing.licence}, indent=1)


def _note(shelf: Shelf, revision: str) -> tuple[tuple[HubFile, ...], str] | None:
    """The files and the licence of a commit that we fetched; None without a note that can be read."""
    data = _json(shelf.note(revision))
    try:
        files = tuple(HubFile(str(name), int(one["bytes"]), str(one["digest"])) for name, one in data["files"].items())
        good = {CONFIG_FILE, MODEL_FILE} <= {file.name for file in files}
        return (files, str(data["licence"])) if good else None
    except (KeyError, TypeError, ValueError, AttributeError, DamagedDetector):
        return None


def _classifies(folder: Path) -> bool:
    if _there(folder, CARD_FILE):
        return True
    config = _json(folder / CONFIG_FILE)
    kinds = config.get("architectures")
    image = isinstance(kinds, list) and any(str(kind).endswith("ForImageClassification") for kind in kinds)
    return image or ("architecture" in config and "num_classes" in config)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _MOST_NOTE_BYTES:
            return {}
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _folders(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_dir())
    except OSError:
        return []


def _write(path: Path, text: str) -> None:
    """Whole or not at all: another process may be reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    own.write_text(text, encoding="utf-8")
    os.replace(own, path)
