"""Which detectors there are is told without a network, and nothing is claimed of a detector that nobody measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.detectors import loading
from attribution.detectors import registry as known
from attribution.detectors.catalogue import KINDS, Entry, entries, looked_up
from attribution.detectors.hub import HubFile, Listing, parse
from attribution.detectors.spec import DetectorSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hub cache, and a Hub that nobody can reach."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"


def put(cache: Path, repository: str, files: dict[str, str] | Path) -> None:
    snapshot = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / COMMIT
    if isinstance(files, Path):
        shutil.copytree(files, snapshot)
        return
    snapshot.mkdir(parents=True)
    for name, content in files.items():
        (snapshot / name).write_text(content)


def by_title(title: str) -> Entry:
    (found,) = [entry for entry in entries() if entry.title == title]
    return found


def test_embedded_ones_come_first_and_were_measured(cache: Path) -> None:
    found = entries()
    shipped = [entry for entry in found if entry.kind == "embedded"]
    assert [entry.name for entry in shipped] == loading.embedded() == [entry.name for entry in found[: len(shipped)]]
    assert all(entry.measured and entry.licence and entry.labels and entry.bytes and entry.view == "face" for entry in shipped)
    assert {entry.kind for entry in found} <= set(KINDS)
    assert len({entry.name for entry in found}) == len(found)


def test_a_damaged_one_is_listed_with_the_reason(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights" / "broken").mkdir(parents=True)
    (tmp_path / "weights" / "broken" / "card.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", tmp_path / "weights")
    assert by_title("broken").refused


def test_public_ones_say_that_nobody_measured_them(cache: Path) -> None:
    public = [entry for entry in entries() if entry.kind == "known"]
    assert [entry.title for entry in public] == [one.repository for one in known.CHECKPOINTS]
    assert all(entry.bytes is None and entry.licence and entry.answers and not entry.measured for entry in public)
    assert not any(one.verified for one in known.CHECKPOINTS)
    assert all(one.source for one in known.CHECKPOINTS)
    assert [entry.never_run for entry in public] == [not entry.refused for entry in public]
    assert {entry.title for entry in public if entry.view == "face"} == {
        f"yermandy/GenD_{name}" for name in ("CLIP_L_14", "PE_L", "DINOv3_L")
    }
    for name in ("HPAI-BSC/SuSy", "YZY-stack/Effort-AIGI-Detection", "Wolowolo/fsfm-3c"):
        assert by_title(name).refused
    assert by_title("Wvolf/ViT_Deepfake_Detection").refused
    for one in known.CHECKPOINTS:
        assert parse(f"hf:{one.repository}").repository == one.repository
        assert known.find(one.repository.upper()) is one
        assert DetectorSpec("x", tuple((label, meaning.replace("unknown", "manipulated")) for label, meaning in one.meanings))
    assert known.find("owner/nothing-known") is None


def test_cached_ones_of_our_contract(cache: Path, detector_folder: Path) -> None:
    put(cache, "owner/repo", detector_folder)
    entry = by_title("owner/repo")
    assert (entry.name, entry.kind, entry.measured) == (f"hf:owner/repo@{COMMIT}", "cached", True)
    assert entry.architecture == "mobilenetv2_100"
    assert entry.bytes == sum(path.stat().st_size for path in detector_folder.iterdir())


def test_a_known_one_that_is_cached_is_listed_once(cache: Path) -> None:
    config = {"architectures": ["ViTForImageClassification"], "id2label": {"0": "Real", "1": "Fake"}}
    put(cache, "dima806/deepfake_vs_real_image_detection", {"config.json": json.dumps(config), "model.safetensors": "x" * 100})
    entry = by_title("dima806/deepfake_vs_real_image_detection")
    assert (entry.kind, entry.labels, entry.licence) == ("cached", ("Real", "Fake"), "Apache-2.0")
    assert entry.name.endswith(COMMIT)
    assert not entry.measured


def test_what_other_programs_cached_is_no_detector(cache: Path) -> None:
    put(cache, "owner/language", {"config.json": '{"architectures": ["LlamaForCausalLM"]}', "model.safetensors": "x"})
    put(cache, "owner/nonsense", {"config.json": "[", "model.safetensors": "x"})
    assert not [entry for entry in entries() if entry.kind == "cached"]


def test_a_repository_that_was_looked_up() -> None:
    files = (HubFile("config.json", 500, "git:" + "0" * 40), HubFile("model.safetensors", 9_000, "sha256:" + "0" * 64))
    listing = Listing("Organika/sdxl-detector", COMMIT, files, licence="cc-by-nc-3.0")
    entry = looked_up(listing)
    assert (entry.name, entry.bytes, entry.licence) == (f"hf:Organika/sdxl-detector@{COMMIT}", 9_500, "cc-by-nc-3.0")
    assert (entry.labels, entry.measured) == (("artificial", "human"), False)
    own = looked_up(replace(listing, repository="owner/own", files=(*files, HubFile("card.json", 9, "git:" + "0" * 40)), licence=""))
    assert (own.title, own.licence) == ("owner/own", "Not stated")
