"""Asking the Hub for detectors: what a repository holds, and its files, downloaded and checked.

Session, headers, listing, errors and locks are those of `huggingface_hub`; its download is not, because `hf_hub_download` shows a file to
everybody before its content was compared, removes what a broken download had brought, asks a failing Hub again for minutes, waits as long
as a limiting one says, and holds its lock meanwhile, whether anybody still waits or not."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, errors
from huggingface_hub.utils import WeakFileLock, build_hf_headers, get_session, hf_raise_for_status

from attribution.detectors import hub
from attribution.detectors.card import CONFIG_FILE, MODEL_FILE
from attribution.detectors.hub import COMMIT, DEFAULT_BRANCH, FILES, MALFORMED, TRY_AGAIN, HubFile, HubName, Listing, Snapshot
from attribution.errors import SMALLER_DETECTOR, DamagedDetector, DetectorError, UnknownDetector, UnusableDetector, unreadable
from attribution.messages import Message, ngettext
from attribution.messages import gettext as _
from attribution.text import numbers
from attribution.version import __version__

_SPARE_BYTES = 50 * 2**20
_TICK_SECONDS = 0.1
_PASSING = (408, 500, 502, 503, 504)
_OTHER_REVISION = _("The Hub answered with another revision of {repository} than the one asked for.")
_OTHER_SIZE = _("The file {file} that came has not the size that the Hub lists.")
_CHECKING, _WAITING, _COMPLETE = _("checking {file}"), _("waiting for another download of the same file"), _("complete")
_LATER, _KEPT = _("Try again later; embedded and cached detectors work without it."), _("Try again: what has come is kept.")
# For an exception of the client or its transport, by its class (or the name of that: the transport changed between the client's major
# versions 1 and 2) or by the Hub's status: ours, what happened, what to do.
_SENTENCES: Mapping[str | int, tuple[type[DetectorError], Message, Message]] = {
    "GatedRepoError": (UnusableDetector, _("{repository} is gated: its conditions must be accepted before it can be downloaded."),
                       _("Accept them on {page}, then set HF_TOKEN to a token of that account.")),
    "RevisionNotFoundError": (UnknownDetector, _("{repository} has no revision {revision}."), _("Check the branch, tag or commit.")),
    "DisabledRepoError": (UnusableDetector, _("{repository} was disabled on the Hub."), _("Choose another detector.")),
    "EntryNotFoundError": (UnusableDetector, _("A file of {repository} that the Hub lists is not there."), _("Try again later.")),
    "OfflineModeIsEnabled": (UnusableDetector, _("{repository} is not on this machine, and the Hub is switched off (HF_HUB_OFFLINE)."),
                             _("Unset HF_HUB_OFFLINE to fetch it, or use an embedded or cached detector.")),
    **dict.fromkeys((kind.__name__ for kind in MALFORMED), (UnusableDetector, _("What answered about {repository} is not the Hub."),
                    _("Check whether this network wants a log-in, and HF_ENDPOINT."))),
    **dict.fromkeys(("EOFError", "ReadError", "RemoteProtocolError"), (UnusableDetector,
                    _("The connection broke off while {repository} was read."), _("Try again: a download goes on where it stopped."))),
    **dict.fromkeys(("TimeoutError", "TimeoutException"), (UnusableDetector,
                    _("The Hub did not answer in time about {repository}."), _LATER)),
    **dict.fromkeys((401, 404), (UnknownDetector, _("The Hub has no repository {repository}, or it is private."),
                    _("Check the name; for a private one set HF_TOKEN to a token that may read it."))),
    403: (UnusableDetector, _("The Hub does not let this account read {repository}."), _("Set HF_TOKEN to a token that may.")),
}  # fmt: skip
Progress = Callable[[float, str], None]
"""Told of a download: the share that is done, 0 to 1, and a few words. Whatever it raises ends the download."""


@dataclass(frozen=True)
class Patience:
    """How long the Hub is waited for, in seconds. `look`: for all it says of a repository. `read`: for the next bytes on one connection,
    before another is tried, `wait` later; `attempts` connections that bring nothing end a download, and so does a `window` that brings less
    than `least_bytes`."""

    look: float = 9.0
    read: float = 8.0
    window: float = 25.0
    least_bytes: int = 125_000
    attempts: int = 3
    wait: float = 1.0


PATIENCE = Patience()


def endpoint() -> str:
    """The address of the Hub (HF_ENDPOINT), without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def look(name: HubName | str, *, patience: Patience = PATIENCE) -> Listing:
    """What the Hub lists of a detector at the commit that a revision stands for. Raises UnknownDetector, DamagedDetector, UnusableDetector.
    It takes at most `patience.look` seconds, whatever the Hub does: the transport bounds each step, not their sum, and the look-up of the
    host not at all, so the request has a thread of its own, which is left behind."""
    name = hub.parse(name) if isinstance(name, str) else name
    answer: Future[Any] = Future()

    def ask() -> None:
        try:
            answer.set_result(_ask(name, patience))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="hub-look", daemon=True).start()
    try:
        return _listing(name, answer.result(patience.look))
    except DetectorError:
        raise
    # The client lets its transport's exceptions through, and these have changed from version to version.
    except Exception as error:
        raise _explained(error, str(name)) from error


def obtain(name: HubName | str, progress: Progress | None = None, *, patience: Patience = PATIENCE) -> Snapshot:
    """The detector from the cache, else from the Hub. One that another program fetched is compared with the Hub's listing where that can
    be had. Raises UnknownDetector, DamagedDetector, UnusableDetector and whatever `progress` raises."""
    name = hub.parse(name) if isinstance(name, str) else name
    found = hub.find(name)
    if found is not None and found.noted:
        return found
    try:
        listing = look(HubName(name.repository, found.revision) if found is not None else name, patience=patience)
    except DetectorError:
        if found is None:
            raise
        return found
    return fetch(listing, progress, patience=patience)


def fetch(listing: Listing, progress: Progress | None = None, *, patience: Patience = PATIENCE) -> Snapshot:
    """Download what is missing of a listing. A file that has not the Hub's digest is removed before anything can see it. `progress` is
    called about ten times a second, also while nothing comes; what it raises ends the download at once and passes through, and a later call
    goes on from there. Raises UnknownDetector, DamagedDetector, UnusableDetector."""
    own, total, last, before = hub.folder_of(listing.repository), max(listing.bytes, 1), 0.0, 0
    locks = own.parent / ".locks" / own.name

    def report(words: str, done: int = 0, now: bool = False) -> None:
        nonlocal last
        if progress is not None and (now or time.monotonic() - last >= _TICK_SECONDS):
            last = time.monotonic()
            progress(min((before + done) / total, 1.0), words)

    def verified(path: Path, file: HubFile, done: int = 0) -> bool:
        """Whether a path holds the content of the file; what is there in its place is removed."""
        if not path.is_file():
            return False
        report(_CHECKING.format(file=file.name), done, now=True)
        if hub.size(path) == file.bytes and hub.has_digest(
            hub.pieces(path), file, lambda: report(_CHECKING.format(file=file.name), file.bytes)
        ):
            return True
        with hub.disk():
            path.unlink(missing_ok=True)
        return False

    with hub.disk():
        for folder in (own / "blobs", locks):
            folder.mkdir(parents=True, exist_ok=True)
        missing = sum(max(file.bytes - max(map(hub.size, hub.places(listing, file))), 0) for file in listing.files)
        free = shutil.disk_usage(own).free
    if missing and missing + _SPARE_BYTES > free:
        what = _("{repository} needs {size} on the disk of the Hub cache, which has {free} left.")
        named = what.format(repository=listing.repository, size=numbers.size(missing), free=numbers.size(free))
        raise UnusableDetector(named, _("Free some space, or set HF_HOME to a folder on another disk."))
    for file in sorted(listing.files, key=lambda one: one.bytes):
        blob, pointer, partial = hub.places(listing, file)
        with _alone(locks / f"{blob.name}.lock", lambda: report(_WAITING)):
            if not verified(blob, file) and not verified(pointer, file):
                try:
                    _receive(partial, listing, file, report, patience)
                    if not verified(partial, file, file.bytes):
                        raise DamagedDetector(hub.DIFFERS.format(file=file.name), TRY_AGAIN)
                except DamagedDetector:
                    partial.unlink(missing_ok=True)
                    raise
                with hub.disk():
                    partial.replace(blob)
        before += file.bytes
    report(_COMPLETE, now=True)
    with hub.disk():
        return hub.keep(listing)


def _must_be_online() -> None:
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise errors.OfflineModeIsEnabled


def _ask(name: HubName, patience: Patience) -> Any:
    """What the client's listing says; asks a second time where the first one may only have met a bad moment."""
    from huggingface_hub import HfApi

    _must_be_online()
    # Otherwise it lists this program's libraries, and asks a further address which program to report as the caller.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    api, until = HfApi(endpoint=endpoint(), library_name="telltale", library_version=__version__), time.monotonic() + patience.look
    while True:
        try:
            revision = name.revision or DEFAULT_BRANCH
            return api.model_info(name.repository, revision=revision, files_metadata=True, timeout=patience.look)
        except Exception as error:
            if not _passing(error) or time.monotonic() + patience.wait > until:
                raise
        until = 0
        time.sleep(patience.wait)


def _listing(name: HubName, info: Any) -> Listing:
    repository, revision, asked = name.repository, info.sha, name.revision or DEFAULT_BRANCH
    if not isinstance(revision, str) or not COMMIT.fullmatch(revision):
        raise UnusableDetector(hub.NO_COMMIT.format(repository=repository), _LATER)
    if COMMIT.fullmatch(asked) and asked != revision:
        raise DamagedDetector(_OTHER_REVISION.format(repository=repository), TRY_AGAIN)
    siblings = {one.rfilename: one for one in info.siblings or ()}
    if MODEL_FILE not in siblings:
        raise hub.no_safetensors(repository)
    if CONFIG_FILE not in siblings:
        raise unreadable(f"{repository} has no {CONFIG_FILE}, which would say what its weights are")
    files = tuple(_file(repository, siblings[file]) for file in FILES if file in siblings)
    reference = "" if COMMIT.fullmatch(asked) else asked
    return Listing(repository, revision, files, _licence(info.card_data, info.tags or ()), bool(info.gated), reference)


def _file(repository: str, told: Any) -> HubFile:
    name, size, value = told.rfilename, (told.lfs or told).size, told.lfs.sha256 if told.lfs else told.blob_id
    digest = f"{'sha256' if told.lfs else 'git'}:{value}"
    if not hub.DIGEST.fullmatch(digest) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise unreadable(f"the Hub gives no digest or no size of {name} in {repository}")
    if size > hub.LARGEST_FILE_BYTES:
        what = _("The file {file} of {repository} is larger than {size}.")
        raise UnusableDetector(what.format(file=name, repository=repository, size=numbers.size(hub.LARGEST_FILE_BYTES)), SMALLER_DETECTOR)
    return HubFile(name, size, digest)


def _licence(card: Any, tags: Iterable[Any]) -> str:
    """As the repository's model card states it, else as the Hub tagged it."""
    given = getattr(card, "license", None)
    given = ", ".join(str(one) for one in given) if isinstance(given, list) else given
    given = getattr(card, "license_name", None) or given if given == "other" else given
    tagged = next((str(tag).removeprefix("license:") for tag in tags if str(tag).startswith("license:")), "")
    return (given if isinstance(given, str) else tagged)[:80]


def _passing(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in _PASSING
    return not isinstance(error, (DetectorError, errors.OfflineModeIsEnabled, *MALFORMED))


def _explained(error: BaseException, what: str) -> DetectorError:
    """The sentence for an exception of the client or of its transport; `what` is the repository, with its revision where one was asked."""
    repository, revision = (*what.split("@", 1), "")[:2]
    found = next((_SENTENCES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _SENTENCES), None)
    if found is None and isinstance(error, errors.HfHubHTTPError):
        found = _refused(error.response)
    if found is None:
        what = _("{repository} is not on this machine, and the Hub cannot be reached.")
        found = (UnusableDetector, what, _("Connect once to fetch it, or use an embedded or cached detector."))
    told: dict[str, Any] = {"repository": repository, "revision": revision[:80] or DEFAULT_BRANCH, "page": f"{endpoint()}/{repository}"}
    if isinstance(error, errors.HfHubHTTPError):
        told["status"] = str(error.response.status_code)
    # A plural has its count already.
    return found[0](*(one if one.values else one.format(**told) for one in found[1:]))


def _refused(response: Any) -> tuple[type[DetectorError], Message, Message]:
    status, headers = response.status_code, response.headers
    if status == 429:
        given, found = headers.get("retry-after", "").strip(), re.search(r";\s*t\s*=\s*(\d{1,8})", headers.get("ratelimit", ""))
        seconds = int(given) if given.isdecimal() and len(given) < 9 else int(found[1]) if found else 0
        minutes = -(-seconds // 60)
        when = _("Try again in a few minutes.")
        if 0 < seconds <= 90:
            when = ngettext("Try again in {count} second.", "Try again in {count} seconds.", seconds).format(count=seconds)
        elif seconds:
            when = ngettext("Try again in {count} minute.", "Try again in {count} minutes.", minutes).format(count=minutes)
        return UnusableDetector, _("The Hub limits how often it may be asked, and that limit was reached."), when
    if status == 401 and "nvalid credentials" in headers.get("x-error-message", ""):
        return UnusableDetector, _("The Hub does not know the token in HF_TOKEN."), _("Set HF_TOKEN to a valid token, or unset it.")
    failing = _("The Hub is failing at the moment (error {status}).")
    refused = _("The Hub refused to give {repository} (error {status}).")
    return _SENTENCES.get(status, (UnusableDetector, failing if status >= 500 else refused, _LATER))


class _Incoming:
    """A file on its way from the Hub into a partial file of the cache, read by a thread of its own over as many connections as it takes and
    patience allows, until all has come or the caller has had enough."""

    def __init__(self, handle: Any, listing: Listing, file: HubFile, patience: Patience) -> None:
        self._handle, self._listing, self._file, self._patience = handle, listing, file, patience
        self._ended, self._lock = threading.Event(), threading.Lock()
        self.position, self.came = handle.tell(), 0
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self._run, name="hub-fetch", daemon=True)

    def end(self) -> None:
        """Nothing is written from now on."""
        with self._lock:
            self._ended.set()

    def _run(self) -> None:
        left = self._patience.attempts
        while left and not self._ended.is_set():
            before, self.failure = self.came, None
            try:
                self._read()
                if self.position >= self._file.bytes:
                    return
                raise EOFError
            except Exception as error:
                self.failure = error
                if self.position and isinstance(error, errors.HfHubHTTPError) and error.response.status_code == 416:
                    # The server has no bytes from there on.
                    self._put(0, b"")
                elif not _passing(error):
                    return
            left = left - 1 if self.came == before else self._patience.attempts
            self._ended.wait(self._patience.wait)

    def _read(self) -> None:
        """One connection. Raises DamagedDetector for what cannot be that file, and the client's and its transport's exceptions."""
        _must_be_online()
        name, revision, position = self._file.name, self._listing.revision, self.position
        # The transport strips the token from a redirect to another host. An encoded body could be neither resumed nor measured.
        headers = {**build_hf_headers(library_name="telltale", library_version=__version__), "accept-encoding": "identity"}
        headers |= {"range": f"bytes={position}-"} if position else {}
        url = f"{endpoint()}/{self._listing.repository}/resolve/{revision}/{name}"
        with get_session().stream("GET", url, headers=headers, timeout=self._patience.read, follow_redirects=True) as response:
            hf_raise_for_status(response)
            if (response.history or [response])[0].headers.get("x-repo-commit", revision) != revision:
                raise DamagedDetector(_OTHER_REVISION.format(repository=self._listing.repository), TRY_AGAIN)
            if "html" in response.headers.get("content-type", ""):
                what = _("A web page came instead of {file}.").format(file=name)
                raise DamagedDetector(what, _("Check whether this network wants a log-in, then try again."))
            part = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", ""))
            # A server that ignores the range sends it all again.
            start, length = (int(part[1]), part[2]) if part else (0, response.headers.get("content-length", ""))
            if start not in (0, position) or (length.isdecimal() and int(length) != self._file.bytes):
                raise DamagedDetector(_OTHER_SIZE.format(file=name), TRY_AGAIN)
            for chunk in response.iter_bytes():
                self._put(start, chunk)
                start += len(chunk)
                if start > self._file.bytes:
                    raise DamagedDetector(_OTHER_SIZE.format(file=name), TRY_AGAIN)

    def _put(self, position: int, chunk: bytes) -> None:
        with self._lock, hub.disk():
            if self._ended.is_set():
                raise EOFError
            if position != self.position:
                self._handle.seek(position)
                self._handle.truncate()
            self._handle.write(chunk)
            self.position, self.came = position + len(chunk), self.came + len(chunk)


def _receive(partial: Path, listing: Listing, file: HubFile, report: Callable[..., None], patience: Patience) -> None:
    """Append to `partial` until it has all of the file's bytes."""
    with hub.disk():
        handle = partial.open("ab", buffering=0)
        handle.truncate(handle.tell() if handle.tell() <= file.bytes else 0)
        handle.seek(0, os.SEEK_END)
    with handle:
        if handle.tell() == file.bytes:
            return
        incoming = _Incoming(handle, listing, file, patience)
        incoming.thread.start()
        since, before = time.monotonic(), 0
        try:
            while incoming.thread.is_alive():
                incoming.thread.join(_TICK_SECONDS)
                if time.monotonic() - since > patience.window:
                    came = incoming.came - before
                    if came < patience.least_bytes:
                        slow = _("{repository} comes too slowly, or not any more: {size} in {time}.")
                        told = {"size": numbers.size(came), "time": numbers.seconds(patience.window)}
                        raise UnusableDetector(slow.format(repository=listing.repository, **told), _KEPT)
                    since, before = time.monotonic(), incoming.came
                sizes = {"done": numbers.size(incoming.position), "size": numbers.size(file.bytes)}
                report(_("{file}: {done} of {size}").format(file=file.name, **sizes), incoming.position)
        finally:
            incoming.end()
        if isinstance(incoming.failure, DetectorError):
            raise incoming.failure
        if incoming.failure is not None:
            raise _explained(incoming.failure, listing.repository) from incoming.failure


@contextlib.contextmanager
def _alone(lock: Path, wait: Callable[[], None]) -> Iterator[None]:
    """While no other process or thread fetches the same content; `wait` is called meanwhile."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                with hub.disk():
                    stack.enter_context(WeakFileLock(lock, timeout=3 * _TICK_SECONDS))
                break
            except TimeoutError:
                wait()
        yield
