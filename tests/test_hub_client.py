"""Asking the Hub and downloading: the real client against a Hub on loopback, with every fault that a network and a Hub have."""

from __future__ import annotations

import json
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, scan_cache_dir, snapshot_download, try_to_load_from_cache

from attribution.detectors import hub, hub_client
from attribution.detectors.hub import HubFile, Listing
from attribution.detectors.hub_client import Patience
from attribution.errors import DamagedDetector, UnknownDetector, UnusableDetector
from foreign_detectors import Bomb
from hub_samples import FILES, MODEL, NAME, QUICK, blob_of, obtain, ranges, refused, served, stocked, whole
from hub_server import READER, STRANGER, WRITER, Fault, LoopbackHub

LOG_IN = {"body": b"<!doctype html><title>Log in</title>", "kind": "text/html"}


server, ready = pytest.fixture(served), pytest.fixture(stocked)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda value: monkeypatch.setenv("HF_TOKEN", value)


# What the Hub says.


def test_look_says_what_a_detector_is_made_of_and_tells_nobody_who_asks(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    more = {"pytorch_model.bin": b"x", "onnx/model.onnx": b"x", "training_args.bin": b"x", "model.py": b"x"}
    commit = server.add(NAME, FILES | more, tag="v1")
    listing = hub_client.look(NAME)
    assert (listing.repository, listing.revision, listing.reference) == (NAME, commit, "main")
    assert {file.name: file.digest.partition(":")[2] for file in listing.files} == {name: blob_of(name) for name in FILES}
    assert (listing.licence, listing.gated, listing.bytes) == ("mit", False, sum(map(len, FILES.values())))
    assert [(one.method, one.path) for one in server.requests] == [("GET", f"/api/models/{NAME}/revision/main")]
    assert hub_client.look(f"{NAME}@v1").revision == hub_client.look(f"hf:{NAME}@{commit}").revision == commit
    hub_client.fetch(listing)
    assert not server.asked("agent")
    for asked in server.requests:
        assert asked.headers["user-agent"].startswith("telltale/")
        assert "torch" not in asked.headers["user-agent"]
        assert "authorization" not in asked.headers
    # An encoded body could be neither resumed nor measured.
    assert {one.headers["accept-encoding"] for one in server.asked("resolve")} == {"identity"}


@pytest.mark.parametrize(
    ("front", "tags", "licence"),
    [
        ("license: apache-2.0", (), "apache-2.0"), ("license: other\nlicense_name: research-only", (), "research-only"),
        ("license: [mit, cc0-1.0]", (), "mit, cc0-1.0"), ("tags: [x]", ("license:cc-by-nc-4.0",), "cc-by-nc-4.0"), ("tags: [x]", (), ""),
    ],
)  # fmt: skip
def test_licences(server: LoopbackHub, front: str, tags: tuple[str, ...], licence: str) -> None:
    server.add(NAME, FILES | {"README.md": f"---\n{front}\n---\n".encode()}, tags=tags)
    assert hub_client.look(NAME).licence == licence


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, "no weights as one model.safetensors; pickles are never opened"),
        ({"config.json": b"{}", "model-00001-of-00002.safetensors": b"x", "model.safetensors.index.json": b"{}"}, "no weights as one"),
        ({"config.json": b"{}"}, "no weights as one"),
        ({"model.safetensors": MODEL}, "no config.json"),
    ],
)
def test_files_that_are_no_detector_are_refused(server: LoopbackHub, files: dict[str, bytes], said: str) -> None:
    server.add(NAME, files)
    assert said in refused(UnusableDetector, 2, lambda: hub_client.look(NAME))


def siblings(**more: Any) -> list[dict[str, Any]]:
    return [{"rfilename": name, **more} for name in FILES]


GOOD = {"size": 1, "blobId": "0" * 40}
HUGE = siblings(**GOOD, lfs={"sha256": "0" * 64, "size": 3 * 2**30, "pointerSize": 1})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "is not the Hub"), ({"sha": "main"}, "at which commit"), ({"siblings": None}, "no weights"),
        ({"siblings": ["model.safetensors", 3]}, "is not the Hub"), ({"siblings": siblings()}, "no digest"),
        ({"siblings": siblings(size=1, blobId="../../x")}, "no digest"), ({"siblings": siblings(size="1", blobId="0" * 40)}, "no digest"),
        ({"siblings": HUGE}, "than 2.1 GB"),
    ],
)  # fmt: skip
def test_a_strange_answer_is_refused(server: LoopbackHub, told: dict[str, Any] | None, said: str) -> None:
    answer = {} if told is None else {"id": NAME, "sha": "0" * 40, **told}
    server.faults = [Fault("/api/models", body=json.dumps(answer).encode())]
    assert said in refused(UnusableDetector, 2, lambda: hub_client.look(NAME))


def test_another_commit_than_the_one_asked_for_is_refused(ready: LoopbackHub) -> None:
    other = {"id": NAME, "sha": "1" * 40, "siblings": siblings(**GOOD)}
    ready.faults = [Fault("/api/models", body=json.dumps(other).encode())]
    assert "another revision" in refused(DamagedDetector, 2, lambda: hub_client.look(f"{NAME}@{'0' * 40}"))
    ready.faults = [Fault("/resolve/", body=FILES["config.json"], headers={"X-Repo-Commit": "1" * 40}, kind="text/plain")]
    assert "another revision" in refused(DamagedDetector, 2, obtain)


# Who may not read, and what is not there.


def test_what_is_not_there(ready: LoopbackHub, token: Callable[[str], None]) -> None:
    assert "no revision v9" in refused(UnknownDetector, 2, lambda: hub_client.look(f"{NAME}@v9"))
    for one in ("", READER):
        token(one)
        assert "no repository owner/none" in refused(UnknownDetector, 2, lambda: hub_client.look("owner/none"))
    token("hf_not_a_token")
    assert "does not know the token" in refused(UnusableDetector, 2, lambda: hub_client.look(NAME))


def test_a_private_repository(server: LoopbackHub, token: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(NAME, FILES, private=True, readers={READER})
    for one in ("", STRANGER):
        token(one)
        assert "or it is private" in refused(UnknownDetector, 2, lambda: hub_client.look(NAME))
    token(WRITER)
    assert hub_client.look(NAME).repository == NAME
    token(READER)
    assert obtain().revision == server.repositories[NAME].branches["main"]
    assert {one.headers.get("authorization") for one in server.asked("resolve")} == {f"Bearer {READER}"}
    # The store is another host: the token stays with the Hub.
    assert server.asked("/store/")
    assert all("authorization" not in one.headers for one in server.asked("/store/"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    assert "or it is private" in refused(UnknownDetector, 2, lambda: hub_client.look(NAME))


def test_a_gated_repository(server: LoopbackHub, token: Callable[[str], None]) -> None:
    server.add(NAME, FILES, gated=True, readers={READER})
    listing = hub_client.look(NAME)
    assert listing.gated
    for one in ("", STRANGER):
        token(one)
        said = refused(UnusableDetector, 2, lambda: hub_client.fetch(listing, patience=QUICK))
        assert all(part in said for part in ("is gated", f"{server.url}/{NAME}", "HF_TOKEN"))
    assert hub.cached() == ()
    token(READER)
    assert hub_client.fetch(listing).revision == listing.revision


# A Hub that fails, and a network that does.


@pytest.mark.parametrize("where", ["/api/models", "/resolve/"])
def test_a_limited_client_is_told_how_long(ready: LoopbackHub, where: str) -> None:
    for headers, when in (
        ({"Retry-After": "40"}, "in 40 seconds"),
        ({"RateLimit": '"api";r=0;t=150'}, "in 3 minutes"),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "in a few minutes"),
    ):
        ready.faults = [Fault(where, status=429, headers=headers)]
        assert f"Try again {when}." in refused(UnusableDetector, 2, obtain)
    assert len(ready.asked(where)) == 3


def test_a_failing_hub(ready: LoopbackHub) -> None:
    for status in (500, 503):
        ready.faults = [Fault("/api/models", status=status)]
        assert f"error {status}" in refused(UnusableDetector, 2, obtain)
    assert len(ready.requests) == 4
    ready.faults = [Fault("/store/", status=503)]
    assert "error 503" in refused(UnusableDetector, 3, obtain)
    assert len(ready.asked("/store/")) == QUICK.attempts
    ready.faults = [Fault("/api/models", status=502, times=1), Fault("/store/", status=504, times=1)]
    assert whole(obtain())


@pytest.mark.parametrize(
    "fault",
    [Fault("/api/models", delay=20), Fault("/api/models", piece=1, pause=0.2), Fault("/api/models", status=503, delay=0.9)],
)
def test_a_slow_hub_is_waited_for_so_long_and_no_longer(ready: LoopbackHub, fault: Fault) -> None:
    ready.faults = [fault]
    refused(UnusableDetector, 1.5, lambda: hub_client.look(NAME, patience=Patience(look=0.8, wait=0.05)))


def test_a_log_in_page_is_not_taken_for_the_hub(ready: LoopbackHub) -> None:
    ready.faults = [Fault("/api/models", **LOG_IN)]  # type: ignore[arg-type]
    assert "is not the Hub" in refused(UnusableDetector, 2, lambda: hub_client.look(NAME))
    ready.faults = [Fault("/resolve/", **LOG_IN)]  # type: ignore[arg-type]
    assert "web page came" in refused(DamagedDetector, 2, obtain)
    assert hub.cached() == ()
    ready.faults = []
    assert whole(obtain())


def test_no_network(ready: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        refused(UnusableDetector, QUICK.look + 0.7, lambda: hub_client.look(NAME, patience=QUICK))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert f"{NAME} is not on this machine, and the Hub cannot be reached" in refused(UnusableDetector, 2, obtain)


def test_offline_nothing_is_asked(ready: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.add("owner/other", FILES | {"model.safetensors": MODEL[:1000]})
    listing = hub_client.look("owner/other")
    obtain()
    ready.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert obtain().repository == NAME
    for job in (lambda: hub_client.look(NAME), lambda: hub_client.obtain("owner/other"), lambda: hub_client.fetch(listing)):
        assert "HF_HUB_OFFLINE" in refused(UnusableDetector, 1, job)
    assert ready.requests == []


# The download.


def test_what_is_fetched_is_what_the_hub_has(server: LoopbackHub, tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "opened"))
    pickled = {"pytorch_model.bin": bomb, "optimizer.pt": bomb, "model.py": b"import os"}
    commit = server.add(NAME, FILES | pickled)
    shares: list[tuple[float, str]] = []
    snapshot = hub_client.fetch(hub_client.look(NAME), lambda share, words: shares.append((share, words)))
    assert (snapshot.repository, snapshot.revision, snapshot.licence) == (NAME, commit, "mit")
    assert whole(snapshot)
    for name, content in FILES.items():
        hub.check(name, content, snapshot.digests[name])
    assert shares[-1] == (1.0, "complete")
    # Nothing else was asked for, nothing twice, and always at the commit.
    assert sorted(one.path for one in server.asked("/resolve/")) == sorted(f"/{NAME}/resolve/{commit}/{name}" for name in FILES)
    assert {one.method for one in server.requests} == {"GET"}
    assert not (tmp_path / "opened").exists()
    # It is found again by us and by other programs, and nobody is asked.
    server.requests.clear()
    cache = server.home / "hub"
    assert hub.find(NAME) == hub.find(f"{NAME}@{commit}") == obtain() == snapshot
    assert hub.cached() == (snapshot,)
    assert hub.find(f"{NAME}@v1") is hub.find("owner/other") is None
    assert snapshot_download(NAME, local_files_only=True, cache_dir=cache, allow_patterns=list(FILES)) == str(snapshot.folder)
    assert try_to_load_from_cache(NAME, "model.safetensors", cache_dir=cache) == str(snapshot.folder / "model.safetensors")
    scanned = scan_cache_dir(cache)
    assert not scanned.warnings
    assert {file.file_name for repo in scanned.repos for revision in repo.revisions for file in revision.files} == set(FILES)
    assert server.requests == []


def test_a_branch_stands_for_what_it_was_when_it_was_fetched(ready: LoopbackHub) -> None:
    first = obtain().revision
    second = ready.add(NAME, FILES | {"config.json": b"{}"})
    assert obtain().revision == first
    ready.requests.clear()
    assert hub_client.fetch(hub_client.look(NAME)).revision == second
    # The weights are the same content: they are not fetched again.
    assert [one.path.rpartition("/")[2] for one in ready.asked("/resolve/")] == ["config.json"]
    assert [getattr(hub.find(NAME), "revision", ""), {one.revision for one in hub.cached()}] == [second, {first, second}]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("/store/", flip=17, times=1), "its digest differs"),
        (Fault("/resolve-cache/models/owner/detector/", flip=1, times=1), "its digest differs"),
        (Fault("/store/", drop=100, times=1), "not the size"),
        (Fault("/store/", body=MODEL + b"more", kind="application/octet-stream", times=1), "not the size"),
    ],
)
def test_what_is_not_the_listed_file_is_found_out_and_does_not_stay(ready: LoopbackHub, fault: Fault, said: str) -> None:
    ready.faults = [fault]
    assert said in refused(DamagedDetector, 2, obtain)
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    assert whole(obtain())


def test_a_listed_file_that_is_gone(ready: LoopbackHub) -> None:
    listing = hub_client.look(NAME)
    del ready.repositories[NAME].commits[listing.revision]["config.json"]
    assert "is not there" in refused(UnusableDetector, 2, lambda: hub_client.fetch(listing, patience=QUICK))


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        ([Fault("/store/", cut_after=150_000, times=2)], [None, "bytes=150000-", "bytes=300000-"]),
        ([Fault("/store/", stall_after=100_000, times=1)], [None, "bytes=100000-"]),
        ([Fault("/store/", cut_after=150_000, times=1), Fault("/store/", ignore_range=True)], [None, "bytes=150000-"]),
        ([Fault("/store/", cut_after=150_000, times=1), Fault("/store/", status=416, times=1)], [None, "bytes=150000-", None]),
    ],
    ids=["breaks off", "stalls", "ignores the range", "refuses the range"],
)
def test_a_broken_connection_is_replaced(ready: LoopbackHub, faults: list[Fault], asked: list[str | None]) -> None:
    ready.faults = faults
    assert whole(obtain())
    assert ranges(ready) == asked


@pytest.mark.parametrize(
    ("then", "said"), [(Fault("/store/", cut_after=0), "broke off"), (Fault("/store/", stall_after=0), "did not answer in time")]
)
def test_connections_that_bring_nothing_end_it_and_it_is_resumed_later(ready: LoopbackHub, then: Fault, said: str) -> None:
    ready.faults = [Fault("/store/", cut_after=150_000, times=1), then]
    assert said in refused(UnusableDetector, 3, obtain)
    assert hub.find(NAME) is None
    assert len(ranges(ready)) == 1 + QUICK.attempts
    ready.faults = []
    assert whole(obtain())
    assert ranges(ready) == ["bytes=150000-"]


@pytest.mark.parametrize("left", [b"\0" * 1000, MODEL, MODEL[:-1] + b"?", MODEL + b"more", b""])
def test_whatever_an_earlier_download_left(ready: LoopbackHub, left: bytes) -> None:
    partial = ready.home / "hub" / "models--owner--detector" / "blobs" / f"{blob_of('model.safetensors')}.incomplete"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(left)
    try:
        snapshot = obtain()
    except DamagedDetector:
        assert not partial.exists()
        snapshot = obtain()
    assert whole(snapshot)
    assert not partial.exists()


@pytest.mark.parametrize(
    ("fault", "said"),
    [(Fault("/store/", piece=10, pause=0.05), "too slowly"), (Fault("/store/", delay=3), "or not any more: 0 bytes")],
)
def test_a_trickle_is_too_slow(ready: LoopbackHub, fault: Fault, said: str) -> None:
    ready.faults = [fault]
    slow = Patience(look=1.5, read=2, window=0.6, least_bytes=5000)
    assert said in refused(UnusableDetector, 2, lambda: hub_client.obtain(NAME, patience=slow))


class Enough(OSError):
    """Whatever progress raises passes through, were it an error that a disk could have, too."""


@pytest.mark.parametrize("fault", [Fault("/store/", piece=20_000, pause=0.05), Fault("/store/", stall_after=200_000)])
def test_a_download_is_ended_by_its_progress_and_resumed(ready: LoopbackHub, fault: Fault) -> None:
    ready.faults = [fault]
    started: list[float] = []

    def progress(share: float, words: str) -> None:
        if share > 0.3:
            started.append(time.monotonic())
            raise Enough("no more")

    with pytest.raises(Enough):
        hub_client.obtain(NAME, progress)
    assert time.monotonic() - started[0] < 0.5
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    ready.faults = []
    ready.requests.clear()
    assert whole(obtain())
    (asked,) = ranges(ready)
    assert int((asked or "").removeprefix("bytes=").removesuffix("-")) >= 0.25 * len(MODEL)


def test_a_download_is_ended_at_any_moment(ready: LoopbackHub) -> None:
    listing = hub_client.look(NAME)
    for words in ("checking model.safetensors", "complete"):

        def progress(_: float, said: str, words: str = words) -> None:
            if said == words:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            hub_client.fetch(listing, progress)
        assert hub.find(NAME) is None
    ready.requests.clear()
    assert whole(obtain())
    assert ranges(ready) == []


def test_two_at_once_fetch_it_once(ready: LoopbackHub) -> None:
    ready.faults = [Fault("/store/", piece=50_000, pause=0.1)]
    listing = hub_client.look(NAME)
    words: list[str] = []
    threads = [threading.Thread(target=hub_client.fetch, args=(listing, lambda _, said: words.append(said))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ranges(ready) == [None]
    assert "waiting for another download of the same file" in words
    assert hub.find(NAME) is not None


def test_a_disk_that_has_no_room_or_cannot_be_written(ready: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listing = Listing(NAME, "0" * 40, (HubFile("model.safetensors", 10**15, "sha256:" + "0" * 64),))
    assert "needs 1,000,000.0 GB" in refused(UnusableDetector, 1, lambda: hub_client.fetch(listing))
    assert ready.requests == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    assert "cannot be put into the Hub cache" in refused(UnusableDetector, 2, obtain)
