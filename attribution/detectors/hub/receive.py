"""One file on its way from the Hub, over as many connections as it takes and patience allows.

A thread of its own reads and only reads. The disk, the progress and the patience are the caller's, who can therefore end at any moment and
leave nothing behind that still writes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing

from attribution.detectors.hub import client
from attribution.detectors.hub.names import HubFile, Listing, Patience
from attribution.errors import UnusableDetector

_TICK_SECONDS = 0.1
_KEPT = "Try again: what has come is kept."


def amount(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


class Watch:
    """Raises UnusableDetector when nothing has come for too long, or too little."""

    def __init__(self, patience: Patience, repository: str) -> None:
        self._patience, self._repository = patience, repository
        self._since = self._last = time.monotonic()
        self._came = 0

    def note(self, came: int) -> None:
        now = time.monotonic()
        self._came += came
        self._last = now if came else self._last
        if now - self._last > self._patience.silent:
            raise UnusableDetector(
                f"The Hub stopped sending {self._repository}: nothing came for {self._patience.silent:.3g} seconds.",
                _KEPT,
            )
        if now - self._since > self._patience.window:
            if self._came < self._patience.least_bytes:
                raise UnusableDetector(
                    f"{self._repository} comes too slowly: {amount(self._came)} in {self._patience.window:.3g} seconds.",
                    "Try again on a faster connection: what has come is kept.",
                )
            self._since, self._came = now, 0


def stream(listing: Listing, file: HubFile, position: int, patience: Patience) -> Generator[tuple[int, bytes], None, None]:
    """(offset, bytes) as they come, and (0, nothing) whenever none came for a moment."""
    said: queue.Queue[tuple[int, bytes] | Exception | None] = queue.Queue(maxsize=16)
    stop = threading.Event()

    def say(one: tuple[int, bytes] | Exception | None) -> bool:
        while not stop.is_set():
            try:
                said.put(one, timeout=_TICK_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    threading.Thread(target=_read, args=(listing, file, position, patience, say, stop), name="hub-fetch", daemon=True).start()
    try:
        while True:
            try:
                one = said.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                yield 0, b""
                continue
            if one is None:
                return
            if isinstance(one, Exception):
                raise client.explained(one, listing.repository) from one
            yield one
    finally:
        stop.set()


def _read(
    listing: Listing,
    file: HubFile,
    position: int,
    patience: Patience,
    say: Callable[[tuple[int, bytes] | Exception | None], bool],
    stop: threading.Event,
) -> None:
    """Reads the file over as many connections as it takes and patience allows; then says None, or the exception of the last one."""
    failure: Exception = client.BrokenOff()
    stalls = 0
    for attempt in range(patience.attempts):
        if attempt and stop.wait(patience.wait):
            return
        try:
            with closing(client.body(listing.repository, listing.revision, file.name, file.bytes, position, patience.read)) as pieces:
                for offset, chunk in pieces:
                    if not say((offset, chunk)):
                        return
                    position = offset + len(chunk)
            if position >= file.bytes:
                say(None)
                return
            failure = client.BrokenOff()
        except Exception as error:
            failure = error
            stalls += client.timed_out(error)
            if stalls >= patience.stalls:
                failure = UnusableDetector(f"The Hub stopped sending {listing.repository} again and again.", _KEPT)
                break
            if position and client.range_refused(error):
                position = 0
            elif not client.passing(error):
                break
    say(failure)
