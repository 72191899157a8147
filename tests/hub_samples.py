"""A detector for a Hub on loopback, and what is asked of the tests of it again and again."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attribution.detectors import hub, hub_client
from attribution.detectors.hub_client import Patience
from attribution.errors import DetectorError
from hub_server import LoopbackHub, git_blob

NAME = "owner/detector"
QUICK = Patience(look=1.5, read=0.4, window=30, least_bytes=1, attempts=2, wait=0.05)
MODEL = random.Random(1).randbytes(400_000)
FILES = {
    "config.json": b'{"architecture": "resnet18", "num_classes": 2}',
    "model.safetensors": MODEL,
    "preprocessor_config.json": b'{"size": 224}',
    "README.md": b"---\nlicense: mit\n---\n# A detector\n",
}
CARD = {"card.json": b"{}", "reference.safetensors": b"x"}


def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """The Hub on loopback that the client asks: a fixture of both its test files."""
    with LoopbackHub() as server:
        server.use(monkeypatch)
        yield server


def stocked(server: LoopbackHub) -> LoopbackHub:
    """One that has the detector."""
    server.add(NAME, FILES)
    return server


def refused(kind: type[DetectorError], seconds: float, job: Callable[[], object]) -> str:
    """The sentence with which `job` ends within `seconds`; it says nothing of this machine."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        job()
    assert time.monotonic() - started < seconds
    assert type(caught.value) is kind
    assert [one[-1] for one in (caught.value.what, caught.value.next_step)] == [".", "."]
    assert not any(part in str(caught.value) for part in ("Traceback", str(Path.home())))
    return str(caught.value)


def obtain() -> hub.Snapshot:
    return hub_client.obtain(NAME, patience=QUICK)


def whole(snapshot: hub.Snapshot) -> bool:
    return {path.name: path.read_bytes() for path in snapshot.folder.iterdir()} == FILES


def blob_of(name: str) -> str:
    return hashlib.sha256(FILES[name]).hexdigest() if name == "model.safetensors" else git_blob(FILES[name])


def ranges(server: LoopbackHub) -> list[str | None]:
    """What was asked of the store since the last call."""
    found = [one.headers.get("range") for one in server.asked("/store/")]
    server.requests.clear()
    return found
