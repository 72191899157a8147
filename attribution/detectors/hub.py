"""Detectors of the Hugging Face Hub on this machine: what a repository may be called, what its files are, and what of it is in the cache,
found again offline.

Six names are kept and nothing else, from a commit and never from a branch. The cache's layout is that of `huggingface_hub`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache

from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, README_FILE, REFERENCE_FILE
from attribution.errors import AGAIN, DamagedDetector, UnknownDetector, UnusableDetector, damaged
from attribution.messages import gettext as _

PREPROCESSOR_FILE = "preprocessor_config.json"
# Nothing else is ever downloaded.
FILES = (CONFIG_FILE, MODEL_FILE, CARD_FILE, REFERENCE_FILE, PREPROCESSOR_FILE, README_FILE)
LARGEST_FILE_BYTES = 2 * 2**30
DEFAULT_BRANCH = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./+-]{0,198}[A-Za-z0-9_+-])?")
_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/@?#\s]+/[^/@?#\s]+)(?:/tree/([^?#\s]+?))?/?")
_MOST_NOTE_BYTES = 2**20
MALFORMED = (ValueError, KeyError, TypeError, AttributeError)
_REVISIONS = _("Write a branch, a tag or the 40 hex digits of a commit.")
NO_COMMIT = _("The Hub does not say at which commit {repository} is.")
DIFFERS = _("The file {file} is not the one that the Hub lists: its digest differs.")
TRY_AGAIN = _("Try again.")


@dataclass(frozen=True)
class HubName:
    """A repository `owner/repo` and a branch, a tag or the 40 hex digits of a commit; None is the default branch. Raises UnknownDetector
    for what no repository or revision can be called."""

    repository: str
    revision: str | None = None

    def __post_init__(self) -> None:
        odd = any(part in self.repository for part in ("--", "..")) or self.repository.endswith((".git", ".ipynb"))
        if odd or not _REPOSITORY.fullmatch(self.repository):
            what = _("That is not the name of a repository on the Hub.")
            raise UnknownDetector(what, _("Write owner/repo or owner/repo@revision."))
        revision = self.revision or DEFAULT_BRANCH
        if any(part in revision for part in ("..", "//", "/.")) or revision.endswith(".lock") or not _REVISION.fullmatch(revision):
            what = _("What stands after the @ cannot be a revision of {repository}.").format(repository=self.repository)
            raise UnknownDetector(what, _REVISIONS)

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"


@dataclass(frozen=True)
class HubFile:
    """One file at a commit. `digest` is `sha256:` and 64 hex digits (a file of Git LFS), or `git:` and the 40 of its git blob. Raises
    DamagedDetector for another name or digest: both become names in the cache."""

    name: str
    bytes: int
    digest: str

    def __post_init__(self) -> None:
        if self.name not in FILES or not DIGEST.fullmatch(self.digest) or self.bytes < 0:
            raise damaged("a listing of the Hub names a file that no detector has, or gives no digest")


@dataclass(frozen=True)
class Listing:
    """What the Hub says of a detector at a commit. `files` are those that a detector needs, nothing else; `licence` as the repository
    states it, or ""; `gated` when its conditions must be accepted first; `reference` the branch or tag that was asked for, or ""."""

    repository: str
    revision: str
    files: tuple[HubFile, ...]
    licence: str = ""
    gated: bool = False
    reference: str = ""

    def __post_init__(self) -> None:
        HubName(self.repository, self.reference or None)
        if not COMMIT.fullmatch(self.revision):
            raise UnknownDetector(NO_COMMIT.format(repository=self.repository), TRY_AGAIN)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class Snapshot:
    """A detector in the Hub cache of this machine. `digests` are those that the Hub gave, by file name: a file that another program wrote
    there without its blob has none. `licence` is that of the listing it was fetched by, else ""; `noted` whether there was such a listing,
    which tells all files that it has."""

    repository: str
    revision: str
    folder: Path
    digests: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    noted: bool = False


def parse(text: str) -> HubName:
    """`owner/repo` or `owner/repo@revision`, with or without `hf:`, or the address of a repository's page. UnknownDetector otherwise."""
    page = _PAGE.fullmatch(text.strip())
    repository, at, revision = (page[1], "", page[2] or "") if page else text.strip().removeprefix("hf:").partition("@")
    if at and not revision:
        raise UnknownDetector(_("There is no revision after the @."), _REVISIONS)
    return HubName(repository, revision.lower() if COMMIT.fullmatch(revision.lower()) else revision or None)


def find(name: HubName | str) -> Snapshot | None:
    """The detector of that name in the cache, where all of it is there; a branch or tag as it was when it was last fetched."""
    name = parse(name) if isinstance(name, str) else name
    try:
        path = try_to_load_from_cache(name.repository, CONFIG_FILE, cache_dir=_cache(), revision=name.revision)
    except (OSError, ValueError):
        return None
    return _read(name.repository, Path(path).parent.name) if isinstance(path, str) else None


def cached() -> tuple[Snapshot, ...]:
    """Everything in the cache that has the files of a detector, by repository and then by time, the newest first."""
    found: list[tuple[str, float, Snapshot]] = []
    with contextlib.suppress(OSError):
        for path in _cache().glob("models--*--*/snapshots/*"):
            parts = path.parts[-3].split("--")
            snapshot = _read("/".join(parts[1:]), path.name) if len(parts) == 3 and COMMIT.fullmatch(path.name) else None
            if snapshot is not None:
                found.append((snapshot.repository, -path.stat().st_mtime, snapshot))
    return tuple(one for *_, one in sorted(found, key=lambda item: item[:2]))


def check(name: str, content: bytes, digest: str) -> None:
    """DamagedDetector unless `content` has that digest, `sha256:<64 hex>` or `git:<40 hex>`."""
    if not DIGEST.fullmatch(digest) or not has_digest((content,), HubFile(name, len(content), digest)):
        raise DamagedDetector(DIFFERS.format(file=name), AGAIN)


def no_safetensors(name: str) -> UnusableDetector:
    """For a detector of that name that has its weights in another format."""
    what = _("{detector} has no weights as one {file}; pickles are never opened.").format(detector=name, file=MODEL_FILE)
    return UnusableDetector(what, _("Ask its makers for safetensors, or choose another detector."))


def discard(snapshot: Snapshot) -> None:
    """Forget that a snapshot is whole: the next `obtain` compares every file with the Hub's listing, and fetches what differs."""
    with contextlib.suppress(OSError):
        _note(snapshot.repository, snapshot.revision).unlink(missing_ok=True)


# The cache: `blobs/<digest>`, `snapshots/<commit>/<name>` → blob and `refs/<branch>`, as the client has it, and beside them a note per
# commit, `telltale/<commit>.json`, of the files that a detector has: without it, half of one could pass for the whole.


def _cache() -> Path:
    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def folder_of(repository: str) -> Path:
    """Where the cache has a repository."""
    return _cache() / f"models--{repository.replace('/', '--')}"


def _note(repository: str, revision: str) -> Path:
    return folder_of(repository) / "telltale" / f"{revision}.json"


def places(listing: Listing, file: HubFile) -> tuple[Path, Path, Path]:
    """Where a file's content lies, where its name, and where what has come of it so far."""
    own = folder_of(listing.repository)
    blob = own / "blobs" / file.digest.partition(":")[2]
    return blob, own / "snapshots" / listing.revision / file.name, blob.with_name(f"{blob.name}.incomplete")


def keep(listing: Listing) -> Snapshot:
    """Make a snapshot of blobs that are all there. Raises OSError."""
    own, files = folder_of(listing.repository), {file.name: {"bytes": file.bytes, "digest": file.digest} for file in listing.files}
    # First, so that at no moment half of the files could pass for all of them.
    write(_note(listing.repository, listing.revision), json.dumps({"files": files, "licence": listing.licence}, indent=1))
    for file in listing.files:
        blob, pointer, _ = places(listing, file)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        if not blob.exists() or (pointer.exists() and pointer.samefile(blob)):
            continue
        pointer.unlink(missing_ok=True)
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            # Where links cannot be made the client keeps the content itself in the snapshot, too.
            shutil.move(blob, pointer)
    if listing.reference:
        write(own / "refs" / listing.reference, listing.revision)
    if (kept := _read(listing.repository, listing.revision)) is None:
        raise OSError("the snapshot is not complete")
    return kept


def _read(repository: str, revision: str) -> Snapshot | None:
    """The snapshot where it is complete, as far as can be told."""
    folder, note = folder_of(repository) / "snapshots" / revision, _note(repository, revision)
    with contextlib.suppress(OSError, RecursionError, DamagedDetector, *MALFORMED):
        data = json.loads(note.read_text(encoding="utf-8")) if size(note) <= _MOST_NOTE_BYTES else {}
        files = [HubFile(str(name), int(one["bytes"]), str(one["digest"])) for name, one in data["files"].items()]
        digests, licence = {file.name: file.digest for file in files}, str(data["licence"])
        if {CONFIG_FILE, MODEL_FILE} <= set(digests):
            whole = all((folder / file.name).is_file() and size(folder / file.name) == file.bytes for file in files)
            return Snapshot(repository, revision, folder, digests, licence, noted=True) if whole else None
    there = [name for name in FILES if (folder / name).is_file()]
    if not {CONFIG_FILE, MODEL_FILE, *([REFERENCE_FILE] if CARD_FILE in there else [])} <= set(there):
        return None
    blobs = {name: os.path.basename(os.readlink(folder / name)) for name in there if (folder / name).is_symlink()}
    digests = {name: f"{'sha256' if len(blob) == 64 else 'git'}:{blob}" for name, blob in blobs.items()}
    return Snapshot(repository, revision, folder, {name: one for name, one in digests.items() if DIGEST.fullmatch(one)})


def write(path: Path, text: str) -> None:
    """Whole or not at all: another process may be reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    own.write_text(text, encoding="utf-8")
    os.replace(own, path)


def has_digest(pieces: Iterable[bytes], file: HubFile, tick: Callable[[], None] = lambda: None) -> bool:
    """Whether that is the content of the file; `tick` is called after each piece."""
    kind, _, value = file.digest.partition(":")
    hasher = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False)
    for piece in pieces:
        hasher.update(piece)
        tick()
    return hasher.hexdigest() == value


def pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, up to a MiB at a time. Raises UnusableDetector."""
    with disk(), path.open("rb") as file:
        yield from iter(lambda: file.read(2**20), b"")


def size(path: Path) -> int:
    """The bytes of a file, 0 for one that is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextlib.contextmanager
def disk() -> Iterator[None]:
    """Errors of the disk as a sentence."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        full_disk = _("The detector cannot be put into the Hub cache: the disk is full.")
        closed = _("The detector cannot be put into the Hub cache: the folder cannot be written.")
        raise UnusableDetector(full_disk if full else closed, _("Set HF_HOME to a folder with space that may be written.")) from error
