"""What the Hub says of a detector, before anything of it is downloaded."""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from attribution.detectors.card import CONFIG_FILE, MODEL_FILE
from attribution.detectors.hub import client
from attribution.detectors.hub.names import (
    COMMIT,
    DEFAULT_BRANCH,
    FILES,
    LARGEST_FILE_BYTES,
    PATIENCE,
    HubFile,
    HubName,
    Listing,
    Patience,
    parse,
)
from attribution.errors import DamagedDetector, UnusableDetector

_MOST_ANSWER_BYTES = 32 * 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_Answer = TypeVar("_Answer")


def look(name: HubName | str, *, patience: Patience = PATIENCE) -> Listing:
    """The files of a detector at the commit that a revision stands for, their sizes, digests and licence. It takes at most `patience.look`
    seconds, whatever the Hub does. Raises UnknownDetector, DamagedDetector or UnusableDetector."""
    name = parse(name) if isinstance(name, str) else name
    client.must_be_online(name.repository)
    try:
        content = _within(patience.look, lambda: _ask(name, patience))
    # The client lets its transport's exceptions through, and these have changed from version to version.
    except Exception as error:
        raise client.explained(error, str(name)) from error
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise UnusableDetector(
            f"What answered about {name.repository} is not the Hub.", "Check whether this network wants a log-in, and HF_ENDPOINT."
        )
    return _listing(name, data)


def _ask(name: HubName, patience: Patience) -> bytes:
    """Asks a second time where the first one may only have met a bad moment."""
    path = f"api/models/{name.repository}/revision/{quote(name.revision or DEFAULT_BRANCH, safe='')}"
    until = time.monotonic() + patience.look
    for last in (False, True):
        try:
            content = b""
            for piece in client.get(path, {"blobs": "true"}, _MOST_ANSWER_BYTES, patience.look):
                content += piece
                if time.monotonic() > until:
                    raise TimeoutError
            return content
        except Exception as error:
            if last or not client.passing(error) or time.monotonic() + patience.wait > until:
                raise
        time.sleep(patience.wait)
    raise AssertionError("both attempts return or raise")


def _within(seconds: float, job: Callable[[], _Answer]) -> _Answer:
    """The job's result, or TimeoutError. The transport bounds each of its steps, not their sum, and the look-up of the host not at all; so
    the job has a thread of its own, which is left behind."""
    answers: queue.Queue[tuple[bool, Any]] = queue.Queue(1)

    def run() -> None:
        try:
            answers.put((True, job()))
        except BaseException as error:
            answers.put((False, error))

    threading.Thread(target=run, name="hub-look", daemon=True).start()
    try:
        good, answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if not good:
        raise answer
    return answer


def _listing(name: HubName, data: Mapping[str, Any]) -> Listing:
    repository, revision = name.repository, data.get("sha")
    if not isinstance(revision, str) or not COMMIT.fullmatch(revision):
        raise UnusableDetector(f"The Hub does not say at which commit {repository} is.", "Try again later.")
    asked = name.revision or DEFAULT_BRANCH
    if COMMIT.fullmatch(asked) and asked != revision:
        raise DamagedDetector(f"The Hub answered with another revision of {repository} than the one asked for.", "Try again.")
    siblings = data.get("siblings")
    named = {one.get("rfilename"): one for one in siblings if isinstance(one, dict)} if isinstance(siblings, list) else {}
    if MODEL_FILE not in named:
        raise UnusableDetector(
            f"{repository} has no weights as one model.safetensors; pickles are never opened.",
            "Ask its authors for safetensors, or choose another detector.",
        )
    if CONFIG_FILE not in named:
        raise UnusableDetector(f"{repository} has no config.json, which would say what its weights are.", "Choose another detector.")
    card, tags = data.get("cardData"), data.get("tags")
    words = tuple(str(tag)[:80] for tag in tags[:100]) if isinstance(tags, list) else ()
    return Listing(
        repository=repository,
        revision=revision,
        files=tuple(_file(repository, file, named[file]) for file in FILES if file in named),
        licence=_licence(card if isinstance(card, dict) else {}, words),
        gated=bool(data.get("gated")),
        library=str(data.get("library_name") or "")[:80],
        tags=words,
        reference="" if COMMIT.fullmatch(asked) else asked,
    )


def _file(repository: str, name: str, told: Mapping[str, Any]) -> HubFile:
    lfs = told.get("lfs")
    size = lfs.get("size") if isinstance(lfs, dict) else told.get("size")
    value = (lfs.get("sha256") or lfs.get("oid")) if isinstance(lfs, dict) else told.get("blobId")
    good = isinstance(value, str) and (_SHA256 if isinstance(lfs, dict) else COMMIT).fullmatch(value)
    if not good or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise UnusableDetector(f"The Hub gives no digest or no size of {name} in {repository}.", "Choose another detector.")
    if size > LARGEST_FILE_BYTES:
        raise UnusableDetector(
            f"The file {name} of {repository} is larger than {LARGEST_FILE_BYTES // 2**30} GB.", "Use a smaller detector."
        )
    return HubFile(name, size, f"{'sha256' if isinstance(lfs, dict) else 'git'}:{value}")


def _licence(card: Mapping[str, Any], tags: tuple[str, ...]) -> str:
    """As the repository's model card states it, else as the Hub tagged it."""
    given = card.get("license")
    given = ", ".join(str(one) for one in given) if isinstance(given, list) else given
    if given == "other":
        given = card.get("license_name") or given
    tagged = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "")
    return (given if isinstance(given, str) else tagged)[:80]
