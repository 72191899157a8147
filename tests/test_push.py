"""A detector pushed to a Hub on loopback by the real client, fetched back, and loaded by us and by plain timm."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from attribution.detectors import hub_client
from attribution.detectors.loading import load
from attribution.errors import DamagedDetector, LabError
from attribution.lab.cli import main
from attribution.lab.publish.push import push
from hub_server import READER, WRITER, Fault, LoopbackHub

NAME = "owner/random-for-tests"
FILES = ("README.md", "card.json", "config.json", "model.safetensors", "reference.safetensors")
ROOT = Path(__file__).resolve().parent.parent

# Plain timm, and nothing of ours before it.
TIMM = """
import sys, timm, torch
model = timm.create_model(sys.argv[1], pretrained=True).eval()
from attribution.detectors.loading import load_folder
torch.manual_seed(3)
pixels = torch.rand(2, 3, 96, 96) * 2 - 1
ours = load_folder(__import__("pathlib").Path(sys.argv[2])).model
with torch.inference_mode():
    assert torch.equal(model(pixels), ours(pixels)), (model(pixels), ours(pixels))
    assert model(pixels).shape == (2, 4)
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        server.use(monkeypatch)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        # Its report on the caller is ours to prevent.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
        yield server


def test_what_was_pushed_comes_back_to_the_bit(server: LoopbackHub, detector_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pushed = push(detector_folder, NAME, message="first")
    assert pushed.repository == NAME
    assert pushed.revision == server.repositories[NAME].branches["main"]
    assert pushed.url == f"{server.url}/{NAME}/tree/{pushed.revision}"
    snapshot = hub_client.obtain(f"hf:{NAME}@{pushed.revision}")
    assert {path.name: path.read_bytes() for path in snapshot.folder.iterdir()} == {
        name: (detector_folder / name).read_bytes() for name in FILES
    }
    said = capsys.readouterr().out
    for name in FILES:
        content = (detector_folder / name).read_bytes()
        assert f"{len(content)} bytes  sha256 {hashlib.sha256(content).hexdigest()}" in said
    assert "branch main: random-for-tests, licence CC0-1.0" in said
    assert "yaml metadata" in said
    assert said.count("warns") == 1
    assert WRITER not in said
    # The store got the content by its signed addresses, never the token; and nobody was told who called.
    assert server.asked("/store/")
    assert all("authorization" not in one.headers for one in server.asked("/store/"))
    assert not any("agent" in one.path or "torch" in one.headers["user-agent"] for one in server.requests)


def test_plain_timm_loads_it_with_the_same_logits(server: LoopbackHub, detector_folder: Path) -> None:
    pushed = push(detector_folder, NAME)
    server.repositories[NAME].readers.add(READER)
    ran = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", TIMM, f"hf-hub:{NAME}@{pushed.revision}", str(detector_folder)],
        env={**os.environ, "HF_TOKEN": READER, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    asked = [one for one in server.asked("/resolve/") if one.headers["authorization"] == f"Bearer {READER}"]
    assert {one.path for one in asked} == {f"/{NAME}/resolve/{pushed.revision}/{name}" for name in ("config.json", "model.safetensors")}


def test_a_repository_is_private_unless_said_otherwise(server: LoopbackHub, detector_folder: Path) -> None:
    push(detector_folder, NAME)
    assert server.repositories[NAME].private
    push(detector_folder, "owner/public", private=False)
    assert not server.repositories["owner/public"].private
    commit = server.repositories["owner/public"].branches["main"]
    with pytest.raises(LabError, match="everybody can read it"):
        push(detector_folder, "owner/public")
    assert server.repositories["owner/public"].branches["main"] == commit


def test_a_branch_and_pushed_again_nothing_changes(server: LoopbackHub, detector_folder: Path) -> None:
    pushed = push(detector_folder, NAME, revision="beta")
    sent = len([one for one in server.requests if one.method == "PUT"])
    assert push(detector_folder, NAME, revision="beta") == pushed
    assert len([one for one in server.requests if one.method == "PUT"]) == sent == 2
    own = server.repositories[NAME]
    assert own.branches["beta"] == pushed.revision != own.branches["main"]
    assert set(own.commits[own.branches["main"]]) == {".gitattributes"}
    assert hub_client.look(f"{NAME}@beta").revision == pushed.revision


def test_what_does_not_load_is_not_pushed(server: LoopbackHub, own_detector: Path) -> None:
    content = (own_detector / "model.safetensors").read_bytes()
    (own_detector / "model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedDetector):
        push(own_detector, NAME)
    assert server.requests == []


def test_only_the_files_of_a_detector_are_pushed(server: LoopbackHub, own_detector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_detector / "notes.txt").write_text("private", encoding="utf-8")
    (own_detector / ".env").write_text("secret", encoding="utf-8")
    pushed = push(own_detector, NAME)
    assert set(server.repositories[NAME].commits[pushed.revision]) == {*FILES, ".gitattributes"}
    assert "not pushed: .env, notes.txt" in capsys.readouterr().out
    (own_detector / "README.md").unlink()
    with pytest.raises(LabError, match=r"no readable README\.md"):
        push(own_detector, NAME)


@pytest.mark.parametrize(
    ("repository", "revision", "said"),
    [
        *((name, None, "not the name") for name in ("", "repo", "../x", "owner/repo@main")),
        (NAME, "0" * 40, "to a branch"),
        (NAME, "a..b", "cannot be a revision"),
    ],
)
def test_a_name_that_none_can_have(server: LoopbackHub, detector_folder: Path, repository: str, revision: str | None, said: str) -> None:
    with pytest.raises(LabError, match=said):
        push(detector_folder, repository, revision=revision)
    assert server.requests == []


@pytest.mark.parametrize(
    ("token", "sentence"), [("", "no token"), ("hf_not_a_token", "does not know this token"), (READER, "may not write")]
)
def test_tokens(server: LoopbackHub, detector_folder: Path, monkeypatch: pytest.MonkeyPatch, token: str, sentence: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(LabError, match=sentence) as caught:
        push(detector_folder, NAME)
    assert not token or token not in str(caught.value)
    assert server.repositories == {}


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault("/api/repos/create", status=503), "error 503"),
        (Fault("/api/repos/create", status=429), "limits how often"),
        (Fault("/commit/", status=409), "at the same moment"),
        (Fault("/commit/", status=403), "may not write"),
        (Fault("/preupload/", status=404), "error 404"),
        (Fault("/store/", status=403), "may not write"),
        (Fault("/api/validate-yaml", status=400, body=b'{"errors": [{"message": "bad licence"}]}'), "front matter"),
        (Fault("/api/repos/create", cut_after=0), "broke off"),
        (Fault("/revision/", status=404), "could not be compared"),
    ],
)
def test_a_hub_that_refuses(server: LoopbackHub, detector_folder: Path, fault: Fault, sentence: str) -> None:
    server.faults = [fault]
    with pytest.raises(LabError, match=sentence) as caught:
        push(detector_folder, NAME)
    assert caught.value.next_step


def test_a_hub_that_keeps_something_else_is_found_out(server: LoopbackHub, detector_folder: Path) -> None:
    push(detector_folder, NAME)
    own = server.repositories[NAME]
    files = own.commits[own.branches["main"]]
    files["model.safetensors"] = files["model.safetensors"][:-1] + b"?"
    server.faults = [Fault("/preupload/", body=b"""{"files": [%s]}""" % b", ".join(
        b'{"path": "%s", "uploadMode": "regular", "shouldIgnore": true}' % name.encode() for name in FILES
    ))]  # fmt: skip
    with pytest.raises(LabError, match="could not be compared"):
        push(detector_folder, NAME)


def test_the_command_pushes_a_folder_and_says_how_to_use_it(server: LoopbackHub, detector_folder: Path, capsys) -> None:
    assert main(["publish", str(detector_folder), "--to", NAME, "--public"]) == 0
    revision = server.repositories[NAME].branches["main"]
    assert f"hf:{NAME}@{revision}" in capsys.readouterr().out
    assert load(f"hf:{NAME}@{revision}").info.source == f"hf:{NAME}@{revision}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "measures a run"),
        (["--run", "RUN"], "--work, --out, --minutes, --train-command too"),
        (["FOLDER", "--run", "RUN", "--work", "W", "--out", "O", "--minutes", "1", "--train-command", "C"], "no folder"),
    ],
)
def test_half_a_command_is_refused_with_a_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", *words]) == 2
    assert said in capsys.readouterr().err
