"""The download of a detector into the Hub cache: resumed where it broke off, checked byte for byte before anything can see it."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from attribution.detectors.hub import cache, client
from attribution.detectors.hub.cache import Shelf
from attribution.detectors.hub.look import look
from attribution.detectors.hub.names import PATIENCE, HubFile, HubName, Listing, Patience, Progress, Snapshot, parse
from attribution.detectors.hub.receive import Watch, amount, stream
from attribution.errors import DamagedDetector, DetectorError, UnusableDetector

_TICK_SECONDS = 0.1
_SPARE_BYTES = 50 * 2**20


def obtain(name: HubName | str, progress: Progress | None = None, *, patience: Patience = PATIENCE) -> Snapshot:
    """The detector from the cache, else from the Hub. One that another program fetched is compared with the Hub's listing where that can
    be had. Raises UnknownDetector, DamagedDetector, UnusableDetector and whatever `progress` raises."""
    name = parse(name) if isinstance(name, str) else name
    found = cache.find(name)
    if found is not None and cache.noted(found):
        return found
    pinned = HubName(name.repository, found.revision) if found is not None else name
    try:
        listing = look(pinned, patience=patience)
    except DetectorError:
        if found is None:
            raise
        return found
    kept = cache.remember(found, listing) if found is not None else None
    return kept or fetch(listing, progress, patience=patience)


def fetch(listing: Listing, progress: Progress | None = None, *, patience: Patience = PATIENCE) -> Snapshot:
    """Download what is missing of a listing. `progress` is called about ten times a second, also while nothing comes; what it raises ends
    the download at once and passes through, and a later call goes on from there. A file that has not the Hub's digest is removed.
    Raises UnknownDetector, DamagedDetector or UnusableDetector."""
    shelf = Shelf(client.cache_root(), listing.repository)
    report = _Report(progress, listing.bytes)
    _make_room(shelf, listing)
    for file in sorted(listing.files, key=lambda one: one.bytes):
        with _alone(shelf.lock(file), report):
            if not _is_there(shelf, listing.revision, file, report):
                _download(shelf, listing, file, report, patience)
        report.finished(file)
    report.say("complete", now=True)
    with _disk():
        return cache.keep(shelf, listing)


class _Report:
    """Tells `progress` of the share that is done, not more often than it is worth."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, max(total, 1)
        self._before, self._within, self._last = 0, 0, -1.0

    def say(self, words: str, within: int | None = None, now: bool = False) -> None:
        """`within` bytes of the present file are done."""
        self._within = self._within if within is None else within
        if self._progress is None or (not now and time.monotonic() - self._last < _TICK_SECONDS):
            return
        self._last = time.monotonic()
        self._progress(min((self._before + self._within) / self._total, 1.0), words)

    def finished(self, file: HubFile) -> None:
        self._before, self._within = self._before + file.bytes, 0


def _make_room(shelf: Shelf, listing: Listing) -> None:
    missing = 0
    with _disk():
        for folder in (shelf.folder / "blobs", shelf.root / ".locks" / shelf.name):
            folder.mkdir(parents=True, exist_ok=True)
        for file in listing.files:
            there = [_size(path) for path in (shelf.blob(file), shelf.snapshot(listing.revision) / file.name, shelf.partial(file))]
            missing += max(file.bytes - max(there), 0)
        free = shutil.disk_usage(shelf.root).free
    if missing and missing + _SPARE_BYTES > free:
        raise UnusableDetector(
            f"{listing.repository} needs {amount(missing)} on the disk of the Hub cache, which has {amount(free)} left.",
            "Free some space, or set HF_HOME to a folder on another disk.",
        )


def _is_there(shelf: Shelf, revision: str, file: HubFile, report: _Report) -> bool:
    """Whether the file's content is in the cache; what is there in its place and has another digest is removed."""
    for path in (shelf.blob(file), shelf.snapshot(revision) / file.name):
        with _disk():
            exists = path.is_file()
        if not exists:
            continue
        if _verified(path, file, report):
            return True
        with _disk():
            path.unlink(missing_ok=True)
    return False


def _download(shelf: Shelf, listing: Listing, file: HubFile, report: _Report, patience: Patience) -> None:
    partial = shelf.partial(file)
    try:
        _receive(partial, listing, file, report, patience)
        if not _verified(partial, file, report):
            raise DamagedDetector(f"The file {file.name} that came is not the one that the Hub lists: its digest differs.", "Try again.")
    except DamagedDetector:
        with _disk():
            partial.unlink(missing_ok=True)
        raise
    with _disk():
        partial.replace(shelf.blob(file))


def _receive(partial: Path, listing: Listing, file: HubFile, report: _Report, patience: Patience) -> None:
    """Append to `partial` until it has all of the file's bytes."""
    with _disk():
        partial.touch()
        handle = partial.open("r+b")
    with closing(handle):
        position = _size(partial)
        position = position if position <= file.bytes else 0
        handle.seek(position)
        handle.truncate()
        if position == file.bytes:
            return
        client.must_be_online(listing.repository)
        watch = Watch(patience, listing.repository)
        with closing(stream(listing, file, position, patience)) as pieces:
            for offset, chunk in pieces:
                if chunk:
                    with _disk():
                        if offset != position:
                            handle.seek(offset)
                            handle.truncate()
                        handle.write(chunk)
                    position = offset + len(chunk)
                    if position > file.bytes:
                        raise DamagedDetector(f"More came of {file.name} than the Hub lists.", "Try again.")
                watch.note(len(chunk))
                report.say(f"{file.name}: {amount(position)} of {amount(file.bytes)}", position)
        with _disk():
            handle.flush()


def _verified(path: Path, file: HubFile, report: _Report) -> bool:
    with _disk():
        if path.stat().st_size != file.bytes:
            return False
    report.say(f"checking {file.name}", now=True)
    comparing = cache.compare(path, file.digest)
    while True:
        with _disk():
            same = next(comparing)
        if same is not None:
            return same
        report.say(f"checking {file.name}", file.bytes)


@contextmanager
def _alone(lock: Path, report: _Report) -> Iterator[None]:
    """While no other process or thread fetches the same content."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(client.WeakFileLock(lock, timeout=3 * _TICK_SECONDS))
                break
            except TimeoutError:
                report.say("waiting for another download of the same file")
            except OSError as error:
                raise _full(error) from error
        yield


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _full(error) from error


def _full(error: OSError) -> UnusableDetector:
    what = "the disk is full" if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)) else "the folder cannot be written"
    return UnusableDetector(
        f"The detector cannot be put into the Hub cache: {what}.", "Set HF_HOME to a folder with space that may be written."
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
