"""The door to the Hub's client: its session, its token, its places and its errors, each read when it is asked for.

The requests are our own, through the client's session (its proxies, certificates and offline mode). Its own functions will not do here:
they retry a failing Hub for minutes, forget what a broken download had brought, take the server's word for the content, and ask for a list
of programs to report as the caller.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import WeakFileLock, get_session, hf_raise_for_status

from attribution.errors import DamagedDetector, DetectorError, UnknownDetector, UnusableDetector
from attribution.version import __version__

__all__ = [
    "BrokenOff",
    "WeakFileLock",
    "body",
    "cache_root",
    "endpoint",
    "explained",
    "get",
    "must_be_online",
    "passing",
    "range_refused",
    "timed_out",
]

_PASSING = (408, 500, 502, 503, 504)
_LATER = "Try again later; embedded and cached detectors work without it."
_WAIT = re.compile(r";\s*t\s*=\s*(\d+)")


class BrokenOff(Exception):
    """A body ended before all of it had come."""


def endpoint() -> str:
    """The address of the Hub (HF_ENDPOINT), without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def cache_root() -> Path:
    """The folder of the Hub cache (HF_HUB_CACHE, or `hub` in HF_HOME), as the client finds it."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not named:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
        named = os.path.join(os.environ.get("HF_HOME") or os.path.join(caches, "huggingface"), "hub")
    return Path(os.path.expandvars(os.path.expanduser(named)))


def must_be_online(repository: str) -> None:
    """UnusableDetector when the Hub must not be asked (HF_HUB_OFFLINE)."""
    if constants.HF_HUB_OFFLINE or _true("HF_HUB_OFFLINE") or _true("TRANSFORMERS_OFFLINE"):
        raise explained(OfflineModeIsEnabled(), repository)


def get(path: str, parameters: Mapping[str, str], most_bytes: int, seconds: float) -> Generator[bytes, None, None]:
    """The body of `endpoint/path`, piece by piece; BrokenOff beyond `most_bytes`. Raises the client's and its transport's exceptions."""
    count = 0
    with get_session().stream(
        "GET", f"{endpoint()}/{path}", params=dict(parameters), headers=_headers(), timeout=seconds, follow_redirects=True
    ) as response:
        hf_raise_for_status(response)
        for chunk in response.iter_bytes():
            count += len(chunk)
            if count > most_bytes:
                raise BrokenOff
            yield chunk


def body(repository: str, revision: str, name: str, size: int, position: int, seconds: float) -> Generator[tuple[int, bytes], None, None]:
    """A file at a commit from byte `position` on, as (offset, bytes); it begins at 0 again where the server ignores the range. Raises
    DamagedDetector for what cannot be that file of `size` bytes, and the client's and its transport's exceptions."""
    headers = _headers() | ({"range": f"bytes={position}-"} if position else {})
    with get_session().stream(
        "GET", f"{endpoint()}/{repository}/resolve/{revision}/{name}", headers=headers, timeout=seconds, follow_redirects=True
    ) as response:
        hf_raise_for_status(response)
        first = response.history[0] if response.history else response
        if first.headers.get("x-repo-commit", revision) != revision:
            raise DamagedDetector(f"The Hub sent {name} of another revision than the one asked for.", "Try again.")
        if "html" in response.headers.get("content-type", ""):
            raise DamagedDetector(f"A web page came instead of {name}.", "Check whether this network wants a log-in, then try again.")
        start, total = _extent(response)
        if total not in (None, size) or start not in (0, position):
            raise DamagedDetector(f"The file {name} that came has not the size that the Hub lists.", "Try again.")
        position = start
        for chunk in response.iter_bytes():
            yield position, chunk
            position += len(chunk)


def passing(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _PASSING
    return not isinstance(error, DetectorError | OfflineModeIsEnabled)


def range_refused(error: Exception) -> bool:
    """Whether the server has no bytes from the position on that was asked for."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code == 416


def timed_out(error: BaseException) -> bool:
    """Whether nothing came for too long on one connection."""
    return isinstance(error, TimeoutError) or _named(error, "TimeoutException")


def explained(error: BaseException, what: str) -> DetectorError:
    """The sentence for an exception of the client or of its transport; `what` is the repository, with its revision where one was asked."""
    if isinstance(error, DetectorError):
        return error
    repository = what.partition("@")[0]
    if isinstance(error, GatedRepoError):
        return UnusableDetector(
            f"{repository} is gated: its conditions must be accepted before it can be downloaded.",
            f"Accept them on {endpoint()}/{repository}, then set HF_TOKEN to a token of that account.",
        )
    if isinstance(error, RevisionNotFoundError):
        return UnknownDetector(f"{repository} has no revision {what.partition('@')[2][:80] or 'main'}.", "Check the branch, tag or commit.")
    if isinstance(error, DisabledRepoError):
        return UnusableDetector(f"{repository} was disabled on the Hub.", "Choose another detector.")
    if isinstance(error, EntryNotFoundError):
        return UnusableDetector(f"A file of {repository} that the Hub lists is not there.", "Try again later.")
    if isinstance(error, HfHubHTTPError):
        return _refused(error, repository)
    if isinstance(error, OfflineModeIsEnabled):
        return UnusableDetector(
            f"{repository} is not on this machine, and the Hub is switched off (HF_HUB_OFFLINE).",
            "Unset HF_HUB_OFFLINE to fetch it, or use an embedded or cached detector.",
        )
    if isinstance(error, BrokenOff) or _named(error, "ReadError", "RemoteProtocolError"):
        return UnusableDetector(f"The connection broke off while {repository} was read.", "Try again: a download goes on where it stopped.")
    if timed_out(error):
        return UnusableDetector(f"The Hub did not answer in time about {repository}.", _LATER)
    return UnusableDetector(
        f"{repository} is not on this machine, and the Hub cannot be reached.",
        "Connect once to fetch it, or use an embedded or cached detector.",
    )


def _refused(error: HfHubHTTPError, repository: str) -> DetectorError:
    status = error.response.status_code
    if status == 429:
        return UnusableDetector(
            "The Hub limits how often it may be asked, and that limit was reached.", f"Try again {_when(error.response.headers)}."
        )
    if status >= 500:
        return UnusableDetector(f"The Hub is failing at the moment (error {status}).", _LATER)
    if status == 401 and "nvalid credentials" in error.response.headers.get("x-error-message", ""):
        return UnusableDetector("The Hub does not know the token in HF_TOKEN.", "Set HF_TOKEN to a valid token, or unset it.")
    if isinstance(error, RepositoryNotFoundError) or status in (401, 404):
        return UnknownDetector(
            f"The Hub has no repository {repository}, or it is private.",
            "Check the name; for a private one set HF_TOKEN to a token that may read it.",
        )
    if status == 403:
        return UnusableDetector(f"The Hub does not let this account read {repository}.", "Set HF_TOKEN to a token that may.")
    return UnusableDetector(f"The Hub refused to give {repository} (error {status}).", _LATER)


def _when(headers: Mapping[str, str]) -> str:
    """When a limited client may ask again, by the standard header or the Hub's own."""
    given = headers.get("retry-after", "").strip()
    found = _WAIT.search(headers.get("ratelimit", ""))
    seconds = int(given) if given.isdecimal() and len(given) < 9 else int(found[1][:8]) if found else 0
    if not seconds:
        return "in a few minutes"
    return f"in {seconds} seconds" if seconds <= 90 else f"in {-(-seconds // 60)} minutes"


def _extent(response: Any) -> tuple[int, int | None]:
    """Offset of the first byte of this body and the size of the whole file, where they are told."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return 0, None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", "")) if response.status_code == 206 else None
    if found:
        return int(found[1]), int(found[2])
    length = response.headers.get("content-length", "")
    return 0, int(length) if length.isdecimal() else None


def _headers() -> dict[str, str]:
    """The transport strips the token from a redirect to another host. An encoded body could be neither resumed nor measured."""
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN or _true("HF_HUB_DISABLE_IMPLICIT_TOKEN") else get_token()
    agent = f"telltale/{__version__}; hf_hub/{huggingface_hub.__version__}"
    return {"user-agent": agent, "accept-encoding": "identity"} | ({"authorization": f"Bearer {token}"} if token else {})


def _named(error: BaseException, *names: str) -> bool:
    """By name: the client changed its transport library between its major versions 1 and 2."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _true(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in ("1", "ON", "YES", "TRUE")
