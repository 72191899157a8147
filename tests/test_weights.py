"""Detectors are loaded exactly, or refused with the reason. Every damage here is done to a real folder."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from attribution.detectors import loading
from attribution.detectors.eight_bit import compress, expand
from attribution.detectors.loading import LoadedDetector, embedded, load, load_folder, probe_logits
from attribution.detectors.spec import DetectorSpec
from attribution.errors import DamagedDetector, DetectorError, UnknownDetector, UnusableDetector
from attribution.models.architectures import DNA_DET
from attribution.models.backbones import build_backbone, features, normalise
from conftest import LABELS, MEAN, SIDE_PX, STD, digest, some_crops, write_detector

REVISION = "0123456789abcdef0123456789abcdef01234567"


def mend_card(folder: Path, **changes: Any) -> None:
    """Change the card, and make its hashes those of the files as they are now: only the damage itself is left to find."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["files"] = {name: digest(folder / name) for name in card["files"]}
    (folder / "card.json").write_text(json.dumps({**card, **changes}), encoding="utf-8")


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object], name: str = "model.safetensors") -> None:
    tensors = load_file(folder / name)
    change(tensors)
    save_file(tensors, folder / name)
    mend_card(folder)


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    mend_card(folder)


def test_a_whole_folder_loads(loaded_detector: LoadedDetector, detector_folder: Path) -> None:
    detector = loaded_detector
    assert detector.info.labels == tuple(label.name for label in LABELS)
    assert detector.info.families == ("real", "face_swap", "gan", "diffusion")
    assert detector.info.weights_sha256 == digest(detector_folder / "model.safetensors") == detector.weights_sha256
    assert detector.info.limits == detector.card.limits
    assert (detector.mean, detector.std) == (MEAN, STD)
    assert not detector.model.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in detector.model.parameters())
    assert detector.projection is not None
    assert detector.projection.out_features == 16
    assert str(detector_folder) not in repr(detector)


def test_half_precision_on_disk_gives_the_logits_of_the_card(loaded_detector: LoadedDetector) -> None:
    for probe in loaded_detector.card.probes:
        found = probe_logits(loaded_detector.model, MEAN, STD, SIDE_PX, probe.seed)
        assert found == pytest.approx(probe.logits, abs=1e-3)


def test_timm_loads_the_same_folder(loaded_detector: LoadedDetector, detector_folder: Path) -> None:
    theirs = timm.create_model(f"local-dir:{detector_folder}", pretrained=True).eval()
    inputs = normalise(torch.from_numpy(some_crops(2)), MEAN, STD)
    with torch.inference_mode():
        assert torch.allclose(theirs(inputs), features(loaded_detector.model, inputs)[1], atol=1e-4)


def rewrite_weights(folder: Path, model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Path:
    """Give the folder these weights, and the probes of `model`, which holds what they mean."""
    save_file(tensors, folder / "model.safetensors")
    mend_card(folder, probes=[{"seed": seed, "logits": probe_logits(model, MEAN, STD, SIDE_PX, seed)} for seed in (1, 2)])
    return folder


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DNA-Det folder in half precision whose answers differ from face to face, as a trained one's do; read it, do not change it."""
    folder = write_detector(tmp_path_factory.mktemp("detectors") / "whole", DNA_DET)
    model = load_folder(folder).model
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.inference_mode():
        model.train()
        model(normalise(torch.from_numpy(some_crops(8)), MEAN, STD))
    tensors = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    model.load_state_dict(tensors)
    return rewrite_weights(folder, model.eval(), tensors)


@pytest.fixture(scope="module")
def eight_bit_folder(whole_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same detector with 8-bit weights, whose probes hold for these; read it, do not change it."""
    folder = Path(shutil.copytree(whole_folder, tmp_path_factory.mktemp("detectors") / "eight"))
    model, small = build_backbone(DNA_DET, len(LABELS)), compress(load_file(folder / "model.safetensors"))
    model.load_state_dict(expand(small))
    return rewrite_weights(folder, model.eval(), small)


@pytest.fixture
def own_eight_bit(eight_bit_folder: Path, tmp_path: Path) -> Path:
    """A copy of the 8-bit folder that the test may damage."""
    return Path(shutil.copytree(eight_bit_folder, tmp_path / "eight"))


def test_eight_bit_weights_load_and_answer_nearly_like_the_whole_ones(whole_folder: Path, eight_bit_folder: Path) -> None:
    whole, small = load_folder(whole_folder), load_folder(eight_bit_folder)
    assert (eight_bit_folder / "model.safetensors").stat().st_size < 6.1e6 < (whole_folder / "model.safetensors").stat().st_size
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in small.model.parameters())
    assert list(small.model.state_dict()) == list(whole.model.state_dict())
    inputs = normalise(torch.from_numpy(some_crops(12, seed=9)), MEAN, STD)
    with torch.inference_mode():
        before, after = (features(one.model, inputs)[1] for one in (whole, small))
    assert not torch.equal(before, after)
    assert (after - before).square().mean().sqrt() < 0.05 * before.std(0).mean()


CONV, NORM = "stages.1.conv_same.weight", "stages.1.norm_same.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop(f"{CONV}::scale"), "not the shape or kind"),
        (lambda tensors: tensors.pop(CONV), "no such tensor"),
        (lambda tensors: tensors.update({"extra::scale": torch.ones(3)}), "no such tensor"),
        (lambda tensors: tensors.update({f"backbone.{CONV}": tensors.pop(CONV)}), "no such tensor"),
        (lambda tensors: tensors.update({f"{CONV}::scale": torch.ones(127)}), "one float32 number"),
        (lambda tensors: tensors[f"{CONV}::scale"][0].fill_(float("nan")), "not positive"),
        (lambda tensors: tensors[f"{CONV}::scale"][0].fill_(0), "not positive"),
        (lambda tensors: tensors[f"{CONV}::scale"].neg_(), "not positive"),
        (lambda tensors: tensors[f"{CONV}::scale"].fill_(3e38), "not finite"),
        (lambda tensors: tensors[f"{CONV}::scale"].mul_(2), "does not give the answers"),
        (lambda tensors: tensors.update({CONV: tensors[CONV].to(torch.int16)}), "no 8-bit weight"),
        (lambda tensors: tensors.update({CONV: tensors[CONV].transpose(0, 1)[:, :9].contiguous()}), "not the shape"),
        (lambda tensors: tensors.update({f"{NORM}::scale": torch.ones(128)}), "no 8-bit weight"),
        (lambda tensors: tensors.update({NORM: torch.ones(128, dtype=torch.int8)}), "not the shape or kind"),
        (lambda tensors: tensors.update({NORM: torch.ones(128, dtype=torch.int8), f"{NORM}::scale": torch.ones(128)}), "no 8-bit weight"),
        (lambda tensors: tensors.update({"stages.1.norm_same.num_batches_tracked": torch.tensor(2, dtype=torch.int8)}), "shape or kind"),
        (lambda tensors: tensors.update({NORM: torch.ones(128).double()}), "shape or kind"),
    ],
)  # fmt: skip
def test_damaged_eight_bit_weights_are_refused(own_eight_bit: Path, change: Callable[[dict[str, torch.Tensor]], object], said: str) -> None:
    change_tensors(own_eight_bit, change)
    with pytest.raises(DamagedDetector, match=said):
        load_folder(own_eight_bit)


def test_the_projection_is_never_in_eight_bits(own_eight_bit: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors.update(compress({"projection.weight": tensors["projection.weight"]}))

    change_tensors(own_eight_bit, change, "reference.safetensors")
    with pytest.raises(DamagedDetector, match="weight"):
        load_folder(own_eight_bit)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "reference.safetensors"])
def test_one_flipped_bit_is_refused(own_detector: Path, name: str) -> None:
    folder = own_detector
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DamagedDetector, match=name):
        load_folder(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "reference.safetensors", "card.json"])
def test_missing_truncated_and_empty_files_are_refused(own_detector: Path, name: str) -> None:
    folder = own_detector
    content = (folder / name).read_bytes()
    for damaged in (content[: len(content) // 2], b""):
        (folder / name).write_bytes(damaged)
        with pytest.raises(DamagedDetector, match=name):
            load_folder(folder)
    (folder / name).unlink()
    with pytest.raises(DamagedDetector, match=name):
        load_folder(folder)


@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe", b"[" * 100_000, b"<html>Not found</html>", b'{"schema": "telltale-card/1"}'])
def test_a_card_that_is_none_is_refused(own_detector: Path, content: bytes) -> None:
    folder = own_detector
    (folder / "card.json").write_bytes(content)
    with pytest.raises(DamagedDetector):
        load_folder(folder)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_never_opened(own_detector: Path, tmp_path: Path) -> None:
    folder = own_detector
    trace = tmp_path / "executed"
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb(trace)))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(trace)))
    mend_card(folder)
    with pytest.raises(UnusableDetector, match="safetensors"):
        load_folder(folder)
    assert not trace.exists()


def test_every_key_is_accounted_for(own_detector: Path) -> None:
    folder = own_detector
    change_tensors(folder, lambda tensors: tensors.update(extra=torch.zeros(1)))
    with pytest.raises(DamagedDetector, match="extra"):
        load_folder(folder)
    change_tensors(folder, lambda tensors: (tensors.pop("extra"), tensors.pop("classifier.bias")))
    with pytest.raises(DamagedDetector, match=r"classifier\.bias"):
        load_folder(folder)


def test_prefixed_keys_are_no_random_network(own_detector: Path) -> None:
    def prefix(tensors: dict[str, torch.Tensor]) -> None:
        for key in list(tensors):
            tensors[f"backbone.{key}"] = tensors.pop(key)

    folder = own_detector
    change_tensors(folder, prefix)
    with pytest.raises(DamagedDetector, match="differ in"):
        load_folder(folder)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(len(LABELS) + 1),
        torch.zeros(1, len(LABELS)),
        torch.zeros(len(LABELS), dtype=torch.int64),
        torch.full((4,), float("nan")),
    ],
    ids=["longer", "other shape", "whole numbers", "not finite"],
)
def test_every_shape_kind_and_value_is_checked(own_detector: Path, tensor: torch.Tensor) -> None:
    folder = own_detector
    change_tensors(folder, lambda tensors: tensors.update({"classifier.bias": tensor}))
    with pytest.raises(DamagedDetector, match=r"classifier\.bias"):
        load_folder(folder)


def test_weights_that_answer_otherwise_than_the_card_says_are_refused(own_detector: Path) -> None:
    folder = own_detector
    change_tensors(folder, lambda tensors: tensors["classifier.bias"].add_(0.01))
    with pytest.raises(DamagedDetector, match="does not give the answers"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"architecture": "resnet9000"}, UnusableDetector),
        ({"architecture": None}, UnusableDetector),
        ({"architecture": "resnet18", "model_args": {}}, DamagedDetector),
        ({"model_args": {"checkpoint_path": "evil.pth"}}, UnusableDetector),
        ({"model_args": ["pad_type"]}, UnusableDetector),
        ({"num_classes": 2}, DamagedDetector),
        ({"label_names": ["real", "a", "b", "c"]}, DamagedDetector),
        ({"pretrained_cfg": None}, DamagedDetector),
        ({"pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.5] * 3, "std": [0.5] * 3}}, DamagedDetector),
        ({"pretrained_cfg": {"input_size": [3, SIDE_PX, SIDE_PX], "mean": [0.5] * 3, "std": [0, 0, 0]}}, DamagedDetector),
        ({"pretrained_cfg": {"input_size": [3, SIDE_PX, SIDE_PX], "mean": "grey", "std": [0.5] * 3}}, DamagedDetector),
    ],
)
def test_a_configuration_that_contradicts_the_card_is_refused(
    own_detector: Path, changes: dict[str, Any], error: type[DetectorError]
) -> None:
    folder = own_detector
    change_config(folder, **changes)
    with pytest.raises(error):
        load_folder(folder)


@pytest.mark.parametrize("weight", [None, torch.zeros(16, 7), torch.zeros(16), torch.zeros(1, 1280)])
def test_a_projection_that_does_not_fit_is_refused(own_detector: Path, weight: torch.Tensor | None) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors.pop("projection.weight")
        if weight is not None:
            tensors["projection.weight"] = weight

    folder = own_detector
    change_tensors(folder, change, "reference.safetensors")
    with pytest.raises(DamagedDetector, match="projection"):
        load_folder(folder)


def test_names(own_detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uploads = tmp_path / "weights"
    uploads.mkdir()
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", uploads)
    assert embedded(uploads) == []
    folder = own_detector
    for name in ("a-first", "telltale-mobilenetv2", "zebra"):
        (uploads / name).symlink_to(folder)
    (uploads / "no-detector").mkdir()
    assert embedded(uploads) == ["telltale-mobilenetv2", "a-first", "zebra"]
    assert load(str(folder)).name == "random-for-tests"


def test_load_finds_names_and_folders(own_detector: Path) -> None:
    assert load(str(own_detector)).name == "random-for-tests"


@pytest.mark.parametrize("name", ["no-such-detector", "", "/no/such/folder", "x" * 5000, "null\0byte", "../weights/../none"])
def test_an_unknown_name_is_refused_without_a_path(name: str) -> None:
    with pytest.raises(UnknownDetector) as caught:
        load(name)
    assert "/no/such" not in str(caught.value)


@pytest.mark.parametrize("name", [f"hf:owner@{REVISION}", f"hf:../../etc@{REVISION}", "hf:owner/repo@", "hf:owner/re po", "hf:"])
def test_a_name_that_no_repository_has_is_refused(name: str) -> None:
    with pytest.raises(UnknownDetector):
        load(name)


@pytest.mark.parametrize("revision", [f"@{REVISION}", "@main", ""])
def test_offline_the_hub_says_what_is_not_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, revision: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnusableDetector, match="not on this machine"):
        load(f"hf:owner/repo{revision}")


def test_a_cached_revision_loads_offline(own_detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--owner--repo" / "snapshots" / REVISION
    snapshot.parent.mkdir(parents=True)
    own_detector.rename(snapshot)
    loaded = load(f"hf:owner/repo@{REVISION}")
    assert (loaded.name, loaded.info.source) == ("random-for-tests", f"hf:owner/repo@{REVISION}")
    references = snapshot.parents[1] / "refs"
    references.mkdir()
    (references / "main").write_text(REVISION)
    assert load("hf:owner/repo").info.source == f"hf:owner/repo@{REVISION}"
    with pytest.raises(UnusableDetector, match="stands in its card"):
        load(DetectorSpec(f"hf:owner/repo@{REVISION}", view="picture"))
    (snapshot / "model.safetensors").write_bytes(b"<html>")
    with pytest.raises(DamagedDetector, match=r"model\.safetensors"):
        load(f"hf:owner/repo@{REVISION}")
