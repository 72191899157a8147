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
from foreign_detectors import Bomb, change_config, change_tensors, prefix

REVISION = "0123456789abcdef0123456789abcdef01234567"
MODEL, CONFIG, REFERENCE, CARD = "model.safetensors", "config.json", "reference.safetensors", "card.json"
Tensors = dict[str, torch.Tensor]
Damage = Callable[[Path], object]


def mend_card(folder: Path, **changes: Any) -> None:
    """Change the card, and make its hashes those of the files as they are now: only the damage itself is left to find."""
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card["files"] = {name: digest(folder / name) for name in card["files"]}
    (folder / CARD).write_text(json.dumps({**card, **changes}), encoding="utf-8")


def tensors(change: Callable[[Tensors], object], name: str = MODEL) -> Damage:
    def damage(folder: Path) -> None:
        change_tensors(folder, change, name)
        mend_card(folder)

    return damage


def config(**changes: Any) -> Damage:
    def damage(folder: Path) -> None:
        change_config(folder, changes)
        mend_card(folder)

    return damage


def content(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def flip(found: bytes) -> bytes:
    middle = len(found) // 2
    return found[:middle] + bytes([found[middle] ^ 1]) + found[middle + 1 :]


def projection(weight: torch.Tensor | None) -> Damage:
    return tensors(
        lambda found: found.pop("projection.weight") if weight is None else found.update({"projection.weight": weight}), REFERENCE
    )


def bias(tensor: torch.Tensor) -> Damage:
    return tensors(lambda found: found.update({"classifier.bias": tensor}))


SQUARE = [3, SIDE_PX, SIDE_PX]
DAMAGES: list[tuple[str, Damage, type[DetectorError], str]] = [
    *((f"a flipped bit in {name}", content(name, flip), DamagedDetector, name) for name in (MODEL, CONFIG, REFERENCE)),
    *((f"half of {name}", content(name, lambda found: found[: len(found) // 2]), DamagedDetector, name) for name in (MODEL, CARD)),
    *((f"nothing of {name}", content(name, lambda _: b""), DamagedDetector, name) for name in (MODEL, CARD)),
    *((f"no {name}", lambda folder, name=name: (folder / name).unlink(), DamagedDetector, name) for name in (MODEL, CONFIG, REFERENCE)),
    *(
        (f"a card that is none: {found[:9]!r}", content(CARD, lambda _, found=found: found), DamagedDetector, "card")
        for found in (b"[]", b"\xff\xfe", b"[" * 100_000, b"<html>Not found</html>", b'{"schema": "telltale-card/1"}')
    ),
    ("one tensor more", tensors(lambda found: found.update(extra=torch.zeros(1))), DamagedDetector, "extra"),
    ("one tensor less", tensors(lambda found: found.pop("classifier.bias")), DamagedDetector, r"classifier\.bias"),
    ("prefixed keys", tensors(prefix), DamagedDetector, "differ in"),
    ("a longer tensor", bias(torch.zeros(len(LABELS) + 1)), DamagedDetector, r"classifier\.bias"),
    ("another shape", bias(torch.zeros(1, len(LABELS))), DamagedDetector, r"classifier\.bias"),
    ("whole numbers", bias(torch.zeros(len(LABELS), dtype=torch.int64)), DamagedDetector, r"classifier\.bias"),
    ("values that are none", bias(torch.full((4,), float("nan"))), DamagedDetector, r"classifier\.bias"),
    ("other answers", tensors(lambda found: found["classifier.bias"].add_(0.01)), DamagedDetector, "does not give the answers"),
    *(
        (f"a projection {None if weight is None else tuple(weight.shape)}", projection(weight), DamagedDetector, "projection")
        for weight in (None, torch.zeros(16, 7), torch.zeros(16), torch.zeros(1, 1280))
    ),
    ("an architecture of nobody", config(architecture="resnet9000"), UnusableDetector, "."),
    ("no architecture", config(architecture=None), UnusableDetector, "."),
    ("another architecture", config(architecture="resnet18", model_args={}), DamagedDetector, "."),
    ("a path to unpickle", config(model_args={"checkpoint_path": "evil.pth"}), UnusableDetector, "."),
    ("arguments that are none", config(model_args=["pad_type"]), UnusableDetector, "."),
    ("other classes", config(num_classes=2), DamagedDetector, "labels"),
    ("other names", config(label_names=["real", "a", "b", "c"]), DamagedDetector, "labels"),
    ("no preparation", config(pretrained_cfg=None), DamagedDetector, "input size"),
    ("another side", config(pretrained_cfg={"input_size": [3, 224, 224], "mean": [0.5] * 3, "std": [0.5] * 3}), DamagedDetector, "size"),
    ("no spread", config(pretrained_cfg={"input_size": SQUARE, "mean": [0.5] * 3, "std": [0, 0, 0]}), DamagedDetector, "deviation"),
    ("no mean", config(pretrained_cfg={"input_size": SQUARE, "mean": "grey", "std": [0.5] * 3}), DamagedDetector, "deviation"),
]


@pytest.mark.parametrize(("damage", "error", "said"), [pytest.param(*rest, id=name) for name, *rest in DAMAGES])
def test_what_is_damaged_is_refused(own_detector: Path, damage: Damage, error: type[DetectorError], said: str) -> None:
    damage(own_detector)
    with pytest.raises(error, match=said):
        load_folder(own_detector)


def test_a_pickle_is_refused_and_never_opened(own_detector: Path, tmp_path: Path) -> None:
    for name in (MODEL, "pytorch_model.bin"):
        (own_detector / name).write_bytes(pickle.dumps(Bomb(tmp_path / "executed")))
    mend_card(own_detector)
    with pytest.raises(UnusableDetector, match="safetensors"):
        load_folder(own_detector)
    assert not (tmp_path / "executed").exists()


def test_a_whole_folder_loads(loaded_detector: LoadedDetector, detector_folder: Path) -> None:
    detector = loaded_detector
    assert detector.info.labels == tuple(label.name for label in LABELS)
    assert detector.info.families == ("real", "face_swap", "gan", "diffusion")
    assert detector.info.weights_sha256 == digest(detector_folder / MODEL) == detector.weights_sha256
    assert detector.info.limits == detector.card.limits
    assert (detector.mean, detector.std) == (MEAN, STD)
    assert not detector.model.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in detector.model.parameters())
    assert detector.projection is not None
    assert detector.projection.out_features == 16
    assert str(detector_folder) not in repr(detector)


def test_half_precision_on_disk_gives_the_logits_of_the_card_and_of_timm(loaded_detector: LoadedDetector, detector_folder: Path) -> None:
    for probe in loaded_detector.card.probes:
        found = probe_logits(loaded_detector.model, MEAN, STD, SIDE_PX, probe.seed)
        assert found == pytest.approx(probe.logits, abs=1e-3)
    theirs = timm.create_model(f"local-dir:{detector_folder}", pretrained=True).eval()
    inputs = normalise(torch.from_numpy(some_crops(2)), MEAN, STD)
    with torch.inference_mode():
        assert torch.allclose(theirs(inputs), features(loaded_detector.model, inputs)[1], atol=1e-4)


# Weights in 8 bits.


def rewrite_weights(folder: Path, model: torch.nn.Module, found: Tensors) -> Path:
    """Give the folder these weights, and the probes of `model`, which holds what they mean."""
    save_file(found, folder / MODEL)
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
    found = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    model.load_state_dict(found)
    return rewrite_weights(folder, model.eval(), found)


@pytest.fixture(scope="module")
def eight_bit_folder(whole_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same detector with 8-bit weights, whose probes hold for these; read it, do not change it."""
    folder = Path(shutil.copytree(whole_folder, tmp_path_factory.mktemp("detectors") / "eight"))
    model, small = build_backbone(DNA_DET, len(LABELS)), compress(load_file(folder / MODEL))
    model.load_state_dict(expand(small))
    return rewrite_weights(folder, model.eval(), small)


def test_eight_bit_weights_load_and_answer_nearly_like_the_whole_ones(whole_folder: Path, eight_bit_folder: Path) -> None:
    whole, small = load_folder(whole_folder), load_folder(eight_bit_folder)
    assert (eight_bit_folder / MODEL).stat().st_size < 6.1e6 < (whole_folder / MODEL).stat().st_size
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in small.model.parameters())
    assert list(small.model.state_dict()) == list(whole.model.state_dict())
    inputs = normalise(torch.from_numpy(some_crops(12, seed=9)), MEAN, STD)
    with torch.inference_mode():
        before, after = (features(one.model, inputs)[1] for one in (whole, small))
    assert not torch.equal(before, after)
    assert (after - before).square().mean().sqrt() < 0.05 * before.std(0).mean()


CONV, NORM = "stages.1.conv_same.weight", "stages.1.norm_same.weight"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (MODEL, lambda found: found.pop(f"{CONV}::scale"), "not the shape or kind"),
        (MODEL, lambda found: found.update({f"backbone.{CONV}": found.pop(CONV)}), "no such tensor"),
        (MODEL, lambda found: found[f"{CONV}::scale"].fill_(3e38), "not finite"),
        (MODEL, lambda found: found[f"{CONV}::scale"].mul_(2), "does not give the answers"),
        (MODEL, lambda found: found.update({CONV: found[CONV].transpose(0, 1)[:, :9].contiguous()}), "not the shape"),
        (MODEL, lambda found: found.update({NORM: torch.ones(128, dtype=torch.int8)}), "not the shape or kind"),
        (MODEL, lambda found: found.update({NORM: torch.ones(128).double()}), "shape or kind"),
        (REFERENCE, lambda found: found.update(compress({"projection.weight": found["projection.weight"]})), "weight"),
    ],
)
def test_damaged_eight_bit_weights_are_refused(
    eight_bit_folder: Path, tmp_path: Path, name: str, change: Callable[[Tensors], object], said: str
) -> None:
    folder = Path(shutil.copytree(eight_bit_folder, tmp_path / "eight"))
    tensors(change, name)(folder)
    with pytest.raises(DamagedDetector, match=said):
        load_folder(folder)


# Names.


def test_names(own_detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipped = tmp_path / "weights"
    shipped.mkdir()
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", shipped)
    assert embedded(shipped) == []
    for name in ("a-first", "telltale-attribution", "zebra"):
        (shipped / name).symlink_to(own_detector)
    (shipped / "no-detector").mkdir()
    assert embedded(shipped) == ["telltale-attribution", "a-first", "zebra"]
    assert load("zebra").name == load(str(own_detector)).name == load().name == "random-for-tests"


@pytest.mark.parametrize(
    "name",
    [
        *("no-such-detector", "", "/no/such/folder", "x" * 5000, "null\0byte", "../weights/../none"),
        *(f"hf:owner@{REVISION}", f"hf:../../etc@{REVISION}", "hf:owner/repo@", "hf:owner/re po", "hf:"),
    ],
)
def test_an_unknown_name_is_refused_without_a_path(name: str) -> None:
    with pytest.raises(UnknownDetector) as caught:
        load(name)
    assert "/no/such" not in str(caught.value)


def test_offline_a_cached_revision_loads_and_another_is_refused(
    own_detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for revision in (f"@{REVISION}", "@main", ""):
        with pytest.raises(UnusableDetector, match="not on this machine"):
            load(f"hf:owner/repo{revision}")
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
    (snapshot / MODEL).write_bytes(b"<html>")
    with pytest.raises(DamagedDetector, match=r"model\.safetensors"):
        load(f"hf:owner/repo@{REVISION}")
