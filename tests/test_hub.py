"""Detectors on the Hub: the real client against a Hub on loopback, with every fault that a network and a Hub have."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache

from attribution.detectors import hub
from attribution.detectors.hub import HubFile, Listing, Patience
from attribution.errors import DamagedDetector, DetectorError, UnknownDetector, UnusableDetector
from hub_server import READER, STRANGER, WRITER, Fault, LoopbackHub, git_blob

NAME = "owner/detector"
QUICK = Patience(look=1.5, read=0.4, silent=1.0, window=30, least_bytes=1, attempts=3, wait=0.05)
MODEL = random.Random(1).randbytes(400_000)
FILES = {
    "config.json": b'{"architecture": "resnet18", "num_classes": 2}',
    "model.safetensors": MODEL,
    "preprocessor_config.json": b'{"size": 224}',
    "README.md": b"---\nlicense: mit\n---\n# A detector\n",
}
Tokens = Callable[[str], None]


class Canary:
    """A pickle of it leaves a trace when it is opened."""

    trace = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        server.use(monkeypatch)
        yield server


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Tokens:
    return lambda value: monkeypatch.setenv("HF_TOKEN", value)


def refused(kind: type[DetectorError], seconds: float, job: Callable[[], object]) -> str:
    """The sentence with which `job` ends within `seconds`; it says nothing of this machine."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        job()
    assert time.monotonic() - started < seconds
    assert type(caught.value) is kind
    assert caught.value.what.endswith(".")
    assert caught.value.next_step.endswith(".")
    assert "Traceback" not in str(caught.value)
    assert str(Path.home()) not in str(caught.value)
    return str(caught.value)


def blob_of(name: str) -> str:
    return hashlib.sha256(FILES[name]).hexdigest() if name == "model.safetensors" else git_blob(FILES[name])


# Names.


def test_names() -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    assert hub.parse("owner/repo") == hub.HubName("owner/repo", None)
    assert hub.parse(" hf:owner/repo@v1.0 ") == hub.HubName("owner/repo", "v1.0")
    assert hub.parse(f"hf:Owner_1/re.po-2@{commit.upper()}") == hub.HubName("Owner_1/re.po-2", commit)
    assert hub.parse("owner/repo@refs/pr/1").revision == "refs/pr/1"
    assert hub.parse("https://huggingface.co/owner/repo") == hub.HubName("owner/repo", None)
    assert hub.parse("https://huggingface.co/owner/repo/tree/a/branch/") == hub.HubName("owner/repo", "a/branch")
    assert str(hub.parse("hf:owner/repo@v1.0")) == "owner/repo@v1.0"


@pytest.mark.parametrize(
    "text",
    [
        "", "hf:", "repo", "owner/repo/more", "owner/", "/repo", "../..", "owner/..", "owner/a--b", "owner/.hidden", "owner/repo.git",
        "owner/re po", "owner/repo@", "owner/repo@../../etc", "owner/repo@/etc", "owner/repo@a//b", "owner/repo@a\nb", "owner/repo\0",
        "owner/repo@x.lock", "öwner/repo", "o" * 97 + "/repo", "owner/repo@" + "x" * 300, "https://example.org/owner/repo", "C:/repo@",
    ],
)  # fmt: skip
def test_nonsense_is_no_name(text: str) -> None:
    with pytest.raises(UnknownDetector):
        hub.parse(text)


def test_what_becomes_a_path_is_checked_wherever_it_comes_from() -> None:
    good = HubFile("config.json", 1, "git:" + "0" * 40)
    for name, digest in (
        ("../config.json", good.digest),
        ("weights.bin", good.digest),
        ("config.json", "git:../x"),
        ("config.json", "md5:0"),
    ):
        with pytest.raises(DamagedDetector):
            HubFile(name, 1, digest)
    for repository, revision, reference in (("../x", "0" * 40, ""), ("a/b", "main", ""), ("a/b", "0" * 40, "../x")):
        with pytest.raises(UnknownDetector):
            Listing(repository, revision, (good,), reference=reference)


# What the Hub says.


def test_look_says_what_a_detector_is_made_of(server: LoopbackHub) -> None:
    more = {"pytorch_model.bin": b"x", "onnx/model.onnx": b"x", "training_args.bin": b"x", "model.py": b"x"}
    commit = server.add(NAME, FILES | more, tag="v1", tags=("face",))
    listing = hub.look(NAME)
    assert (listing.repository, listing.revision, listing.reference) == (NAME, commit, "main")
    assert {(file.name, file.bytes) for file in listing.files} == {(name, len(content)) for name, content in FILES.items()}
    assert {file.digest for file in listing.files} == {
        ("sha256:" if name == "model.safetensors" else "git:") + blob_of(name) for name in FILES
    }
    assert (listing.licence, listing.gated, listing.library) == ("mit", False, "timm")
    assert "face" in listing.tags
    assert listing.bytes == sum(map(len, FILES.values()))
    assert [(one.method, one.path) for one in server.requests] == [("GET", f"/api/models/{NAME}/revision/main")]
    assert hub.look(f"{NAME}@v1").revision == hub.look(f"hf:{NAME}@{commit}").revision == commit


def test_look_tells_nobody_who_asks_and_with_what(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    server.add(NAME, FILES)
    hub.fetch(hub.look(NAME))
    assert not server.asked("agent")
    for asked in server.requests:
        assert asked.headers["user-agent"].startswith("telltale/")
        assert "torch" not in asked.headers["user-agent"]
        assert "authorization" not in asked.headers
        # An encoded body could be neither resumed nor measured.
        assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("front", "tags", "licence"),
    [
        ("license: apache-2.0", (), "apache-2.0"),
        ("license: other\nlicense_name: research-only", (), "research-only"),
        ("license: [mit, cc0-1.0]", (), "mit, cc0-1.0"),
        ("tags: [x]", ("license:cc-by-nc-4.0",), "cc-by-nc-4.0"),
        ("tags: [x]", (), ""),
    ],
)
def test_licences(server: LoopbackHub, front: str, tags: tuple[str, ...], licence: str) -> None:
    server.add(NAME, FILES | {"README.md": f"---\n{front}\n---\n".encode()}, tags=tags)
    assert hub.look(NAME).licence == licence


@pytest.mark.parametrize(
    "weights",
    [
        {"pytorch_model.bin": b"x"},
        {"model.pth": b"x"},
        {"model-00001-of-00002.safetensors": b"x", "model-00002-of-00002.safetensors": b"x", "model.safetensors.index.json": b"{}"},
        {},
    ],
)
def test_other_weights_than_one_file_of_safetensors_are_refused(server: LoopbackHub, weights: dict[str, bytes]) -> None:
    server.add(NAME, {"config.json": b"{}", **weights})
    assert "has no weights as one model.safetensors; pickles are never opened" in refused(UnusableDetector, 2, lambda: hub.look(NAME))


def test_weights_without_a_configuration_are_refused(server: LoopbackHub) -> None:
    server.add(NAME, {"model.safetensors": MODEL})
    assert "no config.json" in refused(UnusableDetector, 2, lambda: hub.look(NAME))


def test_a_file_beyond_the_bound_is_refused(server: LoopbackHub) -> None:
    told = {"rfilename": "model.safetensors", "size": 3 * 2**30, "blobId": "0" * 40, "lfs": {"sha256": "0" * 64, "size": 3 * 2**30}}
    siblings = [told, {"rfilename": "config.json", "size": 2, "blobId": "0" * 40}]
    server.faults = [Fault("/api/models", body=json.dumps({"sha": "0" * 40, "siblings": siblings}).encode())]
    assert "larger than 2 GB" in refused(UnusableDetector, 2, lambda: hub.look(NAME))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"sha": "main"},
        {"sha": "0" * 40, "siblings": None},
        {"sha": "0" * 40, "siblings": ["model.safetensors", 3]},
        {"sha": "0" * 40, "siblings": [{"rfilename": "model.safetensors"}, {"rfilename": "config.json"}]},
        {"sha": "0" * 40, "siblings": [{"rfilename": name, "size": 1, "blobId": "../../x"} for name in FILES]},
        {"sha": "0" * 40, "siblings": [{"rfilename": name, "size": "1", "blobId": "0" * 40} for name in FILES]},
    ],
)
def test_a_strange_answer_is_refused(server: LoopbackHub, told: dict[str, Any]) -> None:
    server.faults = [Fault("/api/models", body=json.dumps(told).encode())]
    refused(UnusableDetector, 2, lambda: hub.look(NAME))


def test_another_commit_than_the_one_asked_for_is_refused(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    other = {"sha": "1" * 40, "siblings": [{"rfilename": name, "size": 1, "blobId": "0" * 40} for name in FILES]}
    server.faults = [Fault("/api/models", body=json.dumps(other).encode())]
    assert "another revision" in refused(DamagedDetector, 2, lambda: hub.look(f"{NAME}@{'0' * 40}"))


# Who may not read, and what is not there.


def test_what_is_not_there(server: LoopbackHub, token: Tokens) -> None:
    server.add(NAME, FILES)
    assert "no repository owner/none" in refused(UnknownDetector, 2, lambda: hub.look("owner/none"))
    assert "no revision v9" in refused(UnknownDetector, 2, lambda: hub.look(f"{NAME}@v9"))
    token(READER)
    assert "no repository owner/none" in refused(UnknownDetector, 2, lambda: hub.look("owner/none"))
    token("hf_not_a_token")
    assert "does not know the token" in refused(UnusableDetector, 2, lambda: hub.look(NAME))


def test_a_private_repository(server: LoopbackHub, token: Tokens) -> None:
    server.add(NAME, FILES, private=True, readers={READER})
    assert "or it is private" in refused(UnknownDetector, 2, lambda: hub.look(NAME))
    token(STRANGER)
    assert "or it is private" in refused(UnknownDetector, 2, lambda: hub.look(NAME))
    token(READER)
    assert hub.obtain(NAME).revision == server.repositories[NAME].branches["main"]
    assert {one.headers.get("authorization") for one in server.asked("resolve")} == {f"Bearer {READER}"}
    # The store is another host: the token stays with the Hub.
    assert server.asked("/store/")
    assert all("authorization" not in one.headers for one in server.asked("/store/"))


def test_the_token_is_not_sent_where_that_was_forbidden(server: LoopbackHub, token: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(NAME, FILES)
    token(READER)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    hub.obtain(NAME)
    assert all("authorization" not in one.headers for one in server.requests)


def test_a_gated_repository(server: LoopbackHub, token: Tokens) -> None:
    server.add(NAME, FILES, gated=True, readers={READER})
    listing = hub.look(NAME)
    assert listing.gated
    for one in ("", STRANGER):
        token(one)
        said = refused(UnusableDetector, 2, lambda: hub.fetch(listing, patience=QUICK))
        assert "is gated" in said
        assert f"{server.url}/{NAME}" in said
        assert "HF_TOKEN" in said
    assert hub.cached() == ()
    token(READER)
    assert hub.fetch(listing).revision == listing.revision


# A Hub that fails, and a network that does.


def test_a_limited_client_is_told_how_long(server: LoopbackHub) -> None:
    for headers, when in (
        ({"Retry-After": "40"}, "in 40 seconds"),
        ({"RateLimit": '"api";r=0;t=150'}, "in 3 minutes"),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "in a few minutes"),
    ):
        server.faults = [Fault("/api/models", status=429, headers=headers)]
        assert f"Try again {when}." in refused(UnusableDetector, 2, lambda: hub.look(NAME, patience=QUICK))
    server.faults = []
    server.add(NAME, FILES)
    listing = hub.look(NAME)
    server.faults = [Fault("/resolve/", status=429, headers={"Retry-After": "40"})]
    assert "in 40 seconds" in refused(UnusableDetector, 2, lambda: hub.fetch(listing, patience=QUICK))
    assert len(server.asked("/resolve/")) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_hub(server: LoopbackHub, status: int) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/api/models", status=status)]
    assert f"error {status}" in refused(UnusableDetector, 2, lambda: hub.look(NAME, patience=QUICK))
    assert len(server.requests) == 2
    server.faults = [Fault("/api/models", status=status, times=1), Fault("/resolve/", status=status, times=2)]
    assert hub.obtain(NAME, patience=QUICK).repository == NAME


def test_a_hub_that_goes_on_failing_during_a_download(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", status=503)]
    assert "error 503" in refused(UnusableDetector, 3, lambda: hub.obtain(NAME, patience=QUICK))
    assert len(server.asked("/store/")) == QUICK.attempts


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/api/models", delay=20),
        Fault("/api/models", stall_after=10),
        Fault("/api/models", piece=1, pause=0.2),
        Fault("/api/models", status=503, headers={"Retry-After": "3600"}, delay=1.2),
    ],
)
def test_a_slow_hub_is_waited_for_so_long_and_no_longer(server: LoopbackHub, fault: Fault) -> None:
    server.add(NAME, FILES)
    server.faults = [fault]
    refused(UnusableDetector, QUICK.look + 0.7, lambda: hub.look(NAME, patience=QUICK))


def test_the_usual_patience_is_short_enough() -> None:
    assert Patience().look < 10
    assert Patience().silent <= 30
    assert Patience().stalls * (Patience().read + Patience().wait) <= 30


def test_a_log_in_page_is_not_taken_for_the_hub(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/api/models", body=b"<!doctype html><title>Log in</title>", kind="text/html")]
    assert "is not the Hub" in refused(UnusableDetector, 2, lambda: hub.look(NAME))
    server.faults = [Fault("/resolve/", body=b"<!doctype html><title>Log in</title>", kind="text/html", times=1)]
    assert "web page came" in refused(DamagedDetector, 2, lambda: hub.obtain(NAME, patience=QUICK))
    assert hub.obtain(NAME).folder.is_dir()


def test_no_network(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    said = refused(UnusableDetector, 2, lambda: hub.look(NAME, patience=QUICK))
    assert f"{NAME} is not on this machine, and the Hub cannot be reached" in said
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    refused(UnusableDetector, QUICK.look + 0.7, lambda: hub.look(NAME, patience=QUICK))


def test_offline_nothing_is_asked(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(NAME, FILES)
    server.add("owner/other", FILES | {"model.safetensors": MODEL[:1000]})
    listing = hub.look("owner/other")
    hub.obtain(NAME)
    server.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.obtain(NAME).repository == NAME
    for job in (lambda: hub.look(NAME), lambda: hub.obtain("owner/other"), lambda: hub.fetch(listing)):
        assert "HF_HUB_OFFLINE" in refused(UnusableDetector, 1, job)
    assert server.requests == []


# The download.


def test_what_is_fetched_is_what_the_hub_has(server: LoopbackHub, tmp_path: Path) -> None:
    Canary.trace = str(tmp_path / "opened")
    pickled = {"pytorch_model.bin": pickle.dumps(Canary()), "optimizer.pt": pickle.dumps(Canary()), "model.py": b"import os"}
    commit = server.add(NAME, FILES | pickled)
    shares: list[tuple[float, str]] = []
    snapshot = hub.fetch(hub.look(NAME), lambda share, words: shares.append((share, words)))
    assert (snapshot.repository, snapshot.revision, snapshot.licence) == (NAME, commit, "mit")
    assert {path.name: path.read_bytes() for path in snapshot.folder.iterdir()} == FILES
    for name, content in FILES.items():
        hub.check(name, content, snapshot.digests[name])
    assert shares[-1] == (1.0, "complete")
    assert [share for share, _ in shares] == sorted(share for share, _ in shares)
    # Nothing else was asked for, nothing twice, and always at the commit.
    resolved = [one.path for one in server.asked("/resolve/")]
    assert sorted(resolved) == sorted(f"/{NAME}/resolve/{commit}/{name}" for name in FILES)
    assert {one.method for one in server.requests} == {"GET"}
    assert not Path(Canary.trace).exists()


def test_what_was_fetched_is_found_by_other_programs_and_by_us(server: LoopbackHub) -> None:
    commit = server.add(NAME, FILES)
    snapshot = hub.obtain(NAME)
    server.requests.clear()
    assert hub.find(NAME) == hub.find(f"{NAME}@{commit}") == hub.obtain(NAME) == snapshot
    assert hub.cached() == (snapshot,)
    assert hub.find(f"{NAME}@v1") is hub.find("owner/other") is None
    assert snapshot_download(NAME, local_files_only=True, cache_dir=server.home / "hub", allow_patterns=list(FILES)) == str(snapshot.folder)
    assert try_to_load_from_cache(NAME, "model.safetensors", cache_dir=server.home / "hub") == str(snapshot.folder / "model.safetensors")
    scanned = scan_cache_dir(server.home / "hub")
    assert not scanned.warnings
    assert {file.file_name for repo in scanned.repos for revision in repo.revisions for file in revision.files} == set(FILES)
    assert server.requests == []


def test_a_branch_stands_for_what_it_was_when_it_was_fetched(server: LoopbackHub) -> None:
    first = server.add(NAME, FILES)
    assert hub.obtain(NAME).revision == first
    second = server.add(NAME, FILES | {"config.json": b"{}"})
    assert hub.obtain(NAME).revision == first
    server.requests.clear()
    assert hub.fetch(hub.look(NAME)).revision == second
    # The weights are the same content: they are not fetched again.
    assert [one.path.rpartition("/")[2] for one in server.asked("/resolve/")] == ["config.json"]
    found = hub.find(NAME)
    assert found is not None
    assert found.revision == second
    assert {one.revision for one in hub.cached()} == {first, second}


@pytest.mark.parametrize("where", ["/store/", "/resolve-cache/models/owner/detector/{commit}/config.json"])
def test_a_flipped_bit_is_found_and_does_not_stay(server: LoopbackHub, where: str) -> None:
    commit = server.add(NAME, FILES)
    server.faults = [Fault(where.format(commit=commit), flip=17, times=1)]
    assert "its digest differs" in refused(DamagedDetector, 2, lambda: hub.obtain(NAME))
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    assert (hub.obtain(NAME).folder / "model.safetensors").read_bytes() == MODEL


def test_a_body_of_another_size_is_refused(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    for fault in (Fault("/store/", drop=100, times=1), Fault("/store/", body=MODEL + b"more", kind="application/octet-stream", times=1)):
        server.faults = [fault]
        assert "not the size" in refused(DamagedDetector, 2, lambda: hub.obtain(NAME, patience=QUICK))
        assert hub.find(NAME) is None
    assert hub.obtain(NAME).repository == NAME


def test_another_revision_than_the_pinned_one_is_refused(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/resolve/", body=FILES["config.json"], headers={"X-Repo-Commit": "1" * 40}, kind="text/plain")]
    assert "another revision" in refused(DamagedDetector, 2, lambda: hub.obtain(NAME, patience=QUICK))


def test_a_listed_file_that_is_gone(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    listing = hub.look(NAME)
    del server.repositories[NAME].commits[listing.revision]["config.json"]
    assert "is not there" in refused(UnusableDetector, 2, lambda: hub.fetch(listing, patience=QUICK))


def test_a_body_that_breaks_off_is_resumed(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", cut_after=150_000, times=2)]
    assert (hub.obtain(NAME, patience=QUICK).folder / "model.safetensors").read_bytes() == MODEL
    ranges = [one.headers.get("range") for one in server.asked("/store/")]
    assert ranges == [None, "bytes=150000-", "bytes=300000-"]


def test_a_body_that_breaks_off_again_and_again_is_resumed_later(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", cut_after=50_000, times=3)]
    assert "broke off" in refused(UnusableDetector, 3, lambda: hub.obtain(NAME, patience=QUICK))
    assert hub.find(NAME) is None
    server.requests.clear()
    assert (hub.obtain(NAME, patience=QUICK).folder / "model.safetensors").read_bytes() == MODEL
    assert [one.headers.get("range") for one in server.asked("/store/")] == ["bytes=150000-"]


def test_a_server_that_ignores_the_range_sends_it_all_again(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", cut_after=150_000, times=1), Fault("/store/", ignore_range=True)]
    assert (hub.obtain(NAME, patience=QUICK).folder / "model.safetensors").read_bytes() == MODEL


def test_a_server_that_refuses_the_range_is_asked_for_it_all(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", cut_after=150_000, times=1), Fault("/store/", status=416, times=1)]
    assert (hub.obtain(NAME, patience=QUICK).folder / "model.safetensors").read_bytes() == MODEL
    assert [one.headers.get("range") for one in server.asked("/store/")] == [None, "bytes=150000-", None]


@pytest.mark.parametrize("left", [b"\0" * 1000, MODEL, MODEL[:-1] + b"?", MODEL + b"more", b""])
def test_whatever_an_earlier_download_left(server: LoopbackHub, left: bytes) -> None:
    server.add(NAME, FILES)
    partial = server.home / "hub" / "models--owner--detector" / "blobs" / f"{blob_of('model.safetensors')}.incomplete"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(left)
    try:
        snapshot = hub.obtain(NAME, patience=QUICK)
    except DamagedDetector:
        assert not partial.exists()
        snapshot = hub.obtain(NAME, patience=QUICK)
    assert (snapshot.folder / "model.safetensors").read_bytes() == MODEL
    assert not partial.exists()


def test_a_stalled_body_ends_and_is_resumed(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", stall_after=100_000)]
    patient = Patience(look=1.5, read=5, silent=1.0)
    assert "stopped sending" in refused(UnusableDetector, 2.5, lambda: hub.obtain(NAME, patience=patient))
    server.faults = []
    server.requests.clear()
    assert hub.obtain(NAME).repository == NAME
    assert [one.headers.get("range") for one in server.asked("/store/")] == ["bytes=100000-"]


def test_connections_that_stall_one_after_another_end_it(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", stall_after=20_000)]
    patient = Patience(look=1.5, read=0.3, silent=20, attempts=9, stalls=3, wait=0.05)
    assert "again and again" in refused(UnusableDetector, 2, lambda: hub.obtain(NAME, patience=patient))
    assert [one.headers.get("range") for one in server.asked("/store/")] == [None, "bytes=20000-", "bytes=40000-"]


def test_a_stalled_connection_is_replaced(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", stall_after=100_000, times=1)]
    assert hub.obtain(NAME, patience=QUICK).repository == NAME
    assert [one.headers.get("range") for one in server.asked("/store/")] == [None, "bytes=100000-"]


def test_a_trickle_is_too_slow(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", piece=10, pause=0.05)]
    slow = Patience(look=1.5, read=2, silent=2, window=0.8, least_bytes=5000)
    assert "too slowly" in refused(UnusableDetector, 3, lambda: hub.obtain(NAME, patience=slow))


class Enough(OSError):
    """Whatever progress raises passes through, were it an error that a disk could have, too."""


@pytest.mark.parametrize("fault", [Fault("/store/", piece=20_000, pause=0.05), Fault("/store/", stall_after=200_000)])
def test_a_download_is_ended_by_its_progress_and_resumed(server: LoopbackHub, fault: Fault) -> None:
    server.add(NAME, FILES)
    server.faults = [fault]
    started: list[float] = []

    def progress(share: float, words: str) -> None:
        if share > 0.3:
            started.append(time.monotonic())
            raise Enough("no more")

    with pytest.raises(Enough):
        hub.obtain(NAME, progress)
    assert time.monotonic() - started[0] < 0.5
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    server.faults = []
    server.requests.clear()
    shares: list[float] = []
    assert (hub.obtain(NAME, lambda share, _: shares.append(share)).folder / "model.safetensors").read_bytes() == MODEL
    (asked,) = server.asked("/store/")
    assert int(asked.headers["range"].removeprefix("bytes=").removesuffix("-")) >= 0.25 * len(MODEL)


@pytest.mark.parametrize("words", ["checking model.safetensors", "complete"])
def test_a_download_is_ended_at_any_moment(server: LoopbackHub, words: str) -> None:
    server.add(NAME, FILES)
    listing = hub.look(NAME)

    def progress(_: float, said: str) -> None:
        if said == words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub.fetch(listing, progress)
    assert hub.find(NAME) is None
    server.requests.clear()
    assert hub.obtain(NAME).repository == NAME
    assert server.asked("/store/") == []


def test_two_at_once_fetch_it_once(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    server.faults = [Fault("/store/", piece=50_000, pause=0.1)]
    listing = hub.look(NAME)
    words: list[str] = []
    threads = [threading.Thread(target=hub.fetch, args=(listing, lambda _, said: words.append(said))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(server.asked("/store/")) == 1
    assert "waiting for another download of the same file" in words
    assert hub.find(NAME) is not None


def test_a_full_disk_is_seen_before_the_download(server: LoopbackHub) -> None:
    listing = Listing(NAME, "0" * 40, (HubFile("model.safetensors", 10**15, "sha256:" + "0" * 64),))
    assert "needs 1000000000.0 MB" in refused(UnusableDetector, 1, lambda: hub.fetch(listing))
    assert server.requests == []


def test_a_cache_that_cannot_be_written(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.add(NAME, FILES)
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    assert "cannot be put into the Hub cache" in refused(UnusableDetector, 2, lambda: hub.obtain(NAME))


# The cache.


def test_the_cache_is_where_the_client_has_it(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.add(NAME, FILES)
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert hub.obtain(NAME).folder.is_relative_to(tmp_path / "home" / "hub")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert hub.find(NAME) is None
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    assert hub.find(NAME) is not None


@pytest.mark.parametrize("missing", list(FILES))
def test_half_a_snapshot_is_none(server: LoopbackHub, missing: str) -> None:
    server.add(NAME, FILES)
    (hub.obtain(NAME).folder / missing).unlink()
    assert hub.find(NAME) is None
    assert hub.cached() == ()
    server.requests.clear()
    assert (hub.obtain(NAME).folder / missing).read_bytes() == FILES[missing]
    # Its content was still there.
    assert server.asked("/resolve/") == []


@pytest.mark.parametrize("there", [["config.json"], ["model.safetensors"], ["config.json", "model.safetensors", "card.json"]])
def test_half_a_snapshot_of_another_program_is_none(server: LoopbackHub, there: list[str]) -> None:
    commit = server.add(NAME, FILES | {"card.json": b"{}", "reference.safetensors": b"x"})
    for name in there:
        hf_hub_download(NAME, name, revision=commit)
    assert hub.find(f"{NAME}@{commit}") is None
    assert hub.cached() == ()
    assert {path.name for path in hub.obtain(f"{NAME}@{commit}").folder.iterdir()} == {*FILES, "card.json", "reference.safetensors"}


def test_what_another_program_fetched_in_part_is_completed(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(NAME, FILES | {"card.json": b"{}", "reference.safetensors": b"x"})
    for name in ("config.json", "model.safetensors"):
        hf_hub_download(NAME, name)
    found = hub.find(NAME)
    assert found is not None
    assert found.digests == {name: hub.look(NAME).files[number].digest for number, name in enumerate(("config.json", "model.safetensors"))}
    # Offline nobody can say that there is more of it.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.obtain(NAME) == found
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert len(hub.obtain(NAME).digests) == 6


def test_what_another_program_fetched_whole_is_taken_as_it_is(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    folder = snapshot_download(NAME)
    server.requests.clear()
    assert [str(one.folder) for one in hub.cached()] == [folder]
    for _ in range(2):
        snapshot = hub.obtain(NAME)
        assert str(snapshot.folder) == folder
        assert set(snapshot.digests) == set(FILES)
    assert [one.path for one in server.requests] == [f"/api/models/{NAME}/revision/{snapshot.revision}"]


def test_a_copied_snapshot_without_blobs_is_found_and_checked_when_it_can_be(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = server.add(NAME, FILES)
    folder = server.home / "hub" / "models--owner--detector" / "snapshots" / commit
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content if name != "model.safetensors" else b"<html>")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = hub.obtain(f"{NAME}@{commit}")
    assert found.digests == {}
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    snapshot = hub.obtain(f"{NAME}@{commit}")
    assert set(snapshot.digests) == set(FILES)
    assert (folder / "model.safetensors").read_bytes() == MODEL
    assert [one.path.rpartition("/")[2] for one in server.asked("/resolve/")] == ["model.safetensors"]


def test_other_models_in_the_cache_are_no_detectors(server: LoopbackHub) -> None:
    kinds = {
        "language": b'{"architectures": ["LlamaForCausalLM"]}',
        "vit": b'{"architectures": ["ViTForImageClassification"]}',
        "odd": b"[",
    }
    for name, config in kinds.items():
        server.add(f"owner/{name}", {"config.json": config, "model.safetensors": MODEL})
        snapshot_download(f"owner/{name}")
    (server.home / "hub" / "models--legacy" / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (server.home / "hub" / "models--a--b--c").mkdir()
    assert [one.repository for one in hub.cached()] == ["owner/vit"]


@pytest.mark.parametrize("note", [b"", b"[]", b"{}", b'{"files": {"../x": {"bytes": 1, "digest": "git:"}}, "licence": ""}', b"\xff" * 9])
def test_a_damaged_note_is_not_believed(server: LoopbackHub, note: bytes) -> None:
    commit = server.add(NAME, FILES)
    hub.obtain(NAME)
    (server.home / "hub" / "models--owner--detector" / "telltale" / f"{commit}.json").write_bytes(note)
    assert len(hub.obtain(NAME).digests) == len(FILES)


def test_a_damaged_ref_leads_nowhere(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    hub.obtain(NAME)
    ref = server.home / "hub" / "models--owner--detector" / "refs" / "main"
    for content in (b"../../..", b"", b"\xff\xff"):
        ref.write_bytes(content)
        assert hub.find(NAME) is None
    assert hub.obtain(NAME).repository == NAME


def test_what_rots_in_the_cache_is_fetched_again(server: LoopbackHub) -> None:
    server.add(NAME, FILES)
    snapshot = hub.obtain(NAME)
    assert hub.discard(snapshot) == ()
    path = snapshot.folder / "model.safetensors"
    path.write_bytes(MODEL[:-1] + b"?")
    with pytest.raises(DamagedDetector):
        hub.check(path.name, path.read_bytes(), snapshot.digests[path.name])
    assert hub.discard(snapshot) == ("model.safetensors",)
    assert hub.find(NAME) is None
    assert (hub.obtain(NAME).folder / "model.safetensors").read_bytes() == MODEL


def test_a_system_without_links(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("a required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    server.add(NAME, FILES)
    snapshot = hub.obtain(NAME)
    assert {path.name: path.read_bytes() for path in snapshot.folder.iterdir()} == FILES
    assert not any(path.is_symlink() for path in snapshot.folder.iterdir())
    assert set(snapshot.digests) == set(FILES)
    server.requests.clear()
    assert hub.fetch(hub.look(NAME)) == snapshot
    assert server.asked("/resolve/") == []


def test_digests() -> None:
    sha256 = hashlib.sha256(b"abc").hexdigest()
    # `printf abc | git hash-object --stdin`
    git = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"
    hub.check("config.json", b"abc", f"sha256:{sha256}")
    hub.check("config.json", b"abc", f"git:{git}")
    for digest in (f"sha256:{'0' * 64}", f"git:{sha256}", f"sha256:{git}", git, "", "sha256:", f"md5:{sha256}"):
        with pytest.raises(DamagedDetector):
            hub.check("config.json", b"abc", digest)
    with pytest.raises(DamagedDetector):
        hub.check("config.json", b"abd", f"git:{git}")


def test_the_writer_reads_too(server: LoopbackHub, token: Tokens) -> None:
    server.add(NAME, FILES, private=True)
    token(WRITER)
    assert hub.look(NAME).repository == NAME
