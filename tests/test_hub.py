"""Names, files and the cache of detectors of the Hub, with every half of one that a machine can have."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, snapshot_download

from attribution.detectors import hub, hub_client
from attribution.detectors.hub import HubFile, Listing
from attribution.errors import DamagedDetector, UnknownDetector
from hub_samples import CARD, FILES, MODEL, NAME, obtain, served, stocked, whole
from hub_server import LoopbackHub

server, ready = pytest.fixture(served), pytest.fixture(stocked)


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
    for name, digest in (("../x", good.digest), ("weights.bin", good.digest), ("config.json", "git:../x"), ("config.json", "md5:0")):
        with pytest.raises(DamagedDetector):
            HubFile(name, 1, digest)
    for repository, revision, reference in (("../x", "0" * 40, ""), ("a/b", "main", ""), ("a/b", "0" * 40, "../x")):
        with pytest.raises(UnknownDetector):
            Listing(repository, revision, (good,), reference=reference)


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


# The cache.


def test_half_a_snapshot_is_none(ready: LoopbackHub) -> None:
    for missing in ("config.json", "model.safetensors", "README.md"):
        (obtain().folder / missing).unlink()
        assert hub.find(NAME) is None
        assert hub.cached() == ()
        ready.requests.clear()
        assert whole(obtain())
        assert ready.asked("/resolve/") == [], "its content was still there"


@pytest.mark.parametrize("there", [["config.json"], ["model.safetensors"], ["config.json", "model.safetensors", "card.json"]])
def test_half_a_snapshot_of_another_program_is_none(server: LoopbackHub, there: list[str]) -> None:
    commit = server.add(NAME, FILES | CARD)
    for name in there:
        hf_hub_download(NAME, name, revision=commit)
    assert hub.find(f"{NAME}@{commit}") is None
    assert hub.cached() == ()
    assert {path.name for path in hub_client.obtain(f"{NAME}@{commit}").folder.iterdir()} == {*FILES, *CARD}


def test_what_another_program_fetched_in_part_is_completed(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add(NAME, FILES | CARD)
    for name in ("config.json", "model.safetensors"):
        hf_hub_download(NAME, name)
    found = hub.find(NAME)
    assert found is not None
    assert found.digests == {file.name: file.digest for file in hub_client.look(NAME).files[:2]}
    # Offline nobody can say that there is more of it.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert obtain() == found
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert len(obtain().digests) == 6


def test_what_another_program_fetched_whole_is_taken_as_it_is(ready: LoopbackHub) -> None:
    folder = snapshot_download(NAME)
    ready.requests.clear()
    assert [str(one.folder) for one in hub.cached()] == [folder]
    for _ in range(2):
        assert str(obtain().folder) == folder
    assert [one.path for one in ready.requests] == [f"/api/models/{NAME}/revision/{obtain().revision}"]


def test_a_copied_snapshot_without_blobs_is_found_and_checked_when_it_can_be(ready: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = ready.repositories[NAME].branches["main"]
    folder = ready.home / "hub" / "models--owner--detector" / "snapshots" / commit
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content if name != "model.safetensors" else b"<html>")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub_client.obtain(f"{NAME}@{commit}").digests == {}
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert set(hub_client.obtain(f"{NAME}@{commit}").digests) == set(FILES)
    assert (folder / "model.safetensors").read_bytes() == MODEL
    assert [one.path.rpartition("/")[2] for one in ready.asked("/resolve/")] == ["model.safetensors"]


def test_a_damaged_note_is_not_believed_and_a_damaged_ref_leads_nowhere(ready: LoopbackHub) -> None:
    own = ready.home / "hub" / "models--owner--detector"
    strange = b'{"files": {"../x": {"bytes": 1, "digest": "git:"}}, "licence": ""}'
    for note in (b"", b"[]", b"{}", strange, b"\xff" * 9):
        (own / "telltale" / f"{obtain().revision}.json").write_bytes(note)
        assert len(obtain().digests) == len(FILES)
    for content in (b"../../..", b"", b"\xff\xff"):
        (own / "refs" / "main").write_bytes(content)
        assert hub.find(NAME) is None
    assert whole(obtain())


def test_what_rots_in_the_cache_is_fetched_again(ready: LoopbackHub) -> None:
    path = obtain().folder / "model.safetensors"
    path.write_bytes(MODEL[:-1] + b"?")
    with pytest.raises(DamagedDetector):
        hub.check(path.name, path.read_bytes(), obtain().digests[path.name])
    ready.requests.clear()
    hub.discard(obtain())
    assert whole(obtain())
    assert [one.path.rpartition("/")[2] for one in ready.asked("/resolve/")] == ["model.safetensors"]


def test_a_system_without_links(ready: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("a required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    snapshot = obtain()
    assert whole(snapshot)
    assert not any(path.is_symlink() for path in snapshot.folder.iterdir())
    assert set(snapshot.digests) == set(FILES)
    ready.requests.clear()
    assert hub_client.fetch(hub_client.look(NAME)) == snapshot
    assert ready.asked("/resolve/") == []
