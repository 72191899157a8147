"""What a repository, a revision and the files of a detector are called, and what is known of them before and after a download."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attribution.detectors.card import CARD_FILE, CONFIG_FILE, MODEL_FILE, README_FILE, REFERENCE_FILE
from attribution.errors import DamagedDetector, UnknownDetector

PREPROCESSOR_FILE = "preprocessor_config.json"
# Nothing else is ever downloaded.
FILES = (CONFIG_FILE, MODEL_FILE, CARD_FILE, REFERENCE_FILE, PREPROCESSOR_FILE, README_FILE)
LARGEST_FILE_BYTES = 2 * 2**30
DEFAULT_BRANCH = "main"

COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}")
_REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./+-]{0,198}[A-Za-z0-9_+-])?")
_PAGE = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<repository>[^/@?#\s]+/[^/@?#\s]+)(?:/tree/(?P<revision>[^?#\s]+?))?/?"
)

# Told of a download: the share that is done, 0 to 1, and a few words. Whatever it raises ends the download.
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class HubName:
    """A repository `owner/repo` and a branch, a tag or the 40 hex digits of a commit; None is the default branch. Raises UnknownDetector
    for what no repository or revision can be called."""

    repository: str
    revision: str | None = None

    def __post_init__(self) -> None:
        odd = any(part in self.repository for part in ("--", "..")) or self.repository.endswith((".git", ".ipynb"))
        if not _REPOSITORY.fullmatch(self.repository) or odd:
            raise UnknownDetector("That is not the name of a repository on the Hub.", "Write owner/repo or owner/repo@revision.")
        revision = self.revision
        if revision is None:
            return
        odd = any(part in revision for part in ("..", "//", "/.")) or revision.endswith(".lock")
        if not _REVISION.fullmatch(revision) or odd:
            raise UnknownDetector(
                f"What stands after the @ cannot be a revision of {self.repository}.",
                "Write a branch, a tag or the 40 hex digits of a commit.",
            )

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
        if self.name not in FILES or not _DIGEST.fullmatch(self.digest) or self.bytes < 0:
            raise DamagedDetector("A listing of the Hub names a file that no detector has, or gives no digest.", "Look again.")

    @property
    def blob(self) -> str:
        """The name of its content in the Hub cache."""
        return self.digest.partition(":")[2]


@dataclass(frozen=True)
class Listing:
    """What the Hub says of a detector at a commit. `files` are those that a detector needs, nothing else; `licence` as the repository
    states it, or ""; `gated` when its conditions must be accepted first; `reference` the branch or tag that was asked for, or ""."""

    repository: str
    revision: str
    files: tuple[HubFile, ...]
    licence: str = ""
    gated: bool = False
    library: str = ""
    tags: tuple[str, ...] = ()
    reference: str = ""

    def __post_init__(self) -> None:
        HubName(self.repository, self.reference or None)
        if not COMMIT.fullmatch(self.revision):
            raise UnknownDetector(f"A listing of {self.repository} names no commit.", "Look again.")

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class Snapshot:
    """A detector in the Hub cache of this machine. `digests` are those that the Hub gave, by file name: a file that another program wrote
    there without its blob has none. `licence` is that of the listing it was fetched by, else ""."""

    repository: str
    revision: str
    folder: Path
    digests: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True)
class Patience:
    """How long the Hub is waited for, in seconds. `look`: for all it says of a repository. `read`: for the next bytes on one connection,
    before another is tried. `silent`: for the next bytes on any of the connections of a download. A download is too slow when `window`
    seconds bring less than `least_bytes`. `attempts` connections at most are made for one file, `wait` after the one before, and no more
    once `stalls` of them have fallen silent."""

    look: float = 9.0
    read: float = 8.0
    silent: float = 25.0
    window: float = 60.0
    least_bytes: int = 300_000
    attempts: int = 5
    stalls: int = 3
    wait: float = 1.0


PATIENCE = Patience()


def parse(text: str) -> HubName:
    """`owner/repo` or `owner/repo@revision`, with or without `hf:`, or the address of a repository's page. UnknownDetector otherwise."""
    text = text.strip()
    if page := _PAGE.fullmatch(text):
        repository, revision = page["repository"], page["revision"] or ""
    else:
        repository, at, revision = text.removeprefix("hf:").partition("@")
        if at and not revision:
            raise UnknownDetector("There is no revision after the @.", "Write a branch, a tag or the 40 hex digits of a commit.")
    lower = revision.lower()
    return HubName(repository, lower if COMMIT.fullmatch(lower) else revision or None)
