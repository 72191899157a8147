"""Detectors of others: loaded exactly or refused, never called measured, and their labels never guessed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import timm
import torch
from huggingface_hub import PyTorchModelHubMixin
from PIL import Image

from attribution import evidence
from attribution.detectors.loading import DEFAULT_DETECTOR, load
from attribution.detectors.predictor import Predictor
from attribution.detectors.spec import DetectorSpec
from attribution.detectors.third_party import FACE_SCALE
from attribution.errors import DamagedDetector, DetectorError, NoHeatmap, UnmappedLabels, UnusableDetector
from attribution.evidence import read_document
from attribution.lab.bench import originals
from attribution.lab.bench.benchmark import put_in_cache
from attribution.lab.bench.originals import Original, gend, of_transformers
from attribution.models.backbones import normalise
from attribution.pipeline import examine, explain, load_pipeline
from conftest import Embed
from foreign_detectors import COMMIT, MEAN, SIDE_PX, STD, Bomb, change_config, change_tensors, prefix, random_model, write_timm_folder
from make_media import scene, write_picture

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "examples" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def foreign_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it, do not change it."""
    return write_timm_folder(tmp_path_factory.mktemp("foreign") / "somebodys-vit")


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    return write_timm_folder(tmp_path / "somebodys-vit")


def test_it_answers_as_the_original_does_and_nothing_is_claimed_of_it(foreign_folder: Path) -> None:
    detector = load(str(foreign_folder))
    pictures = np.random.default_rng(5).integers(0, 256, (3, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    with torch.inference_mode():
        theirs = random_model()(normalise(torch.from_numpy(pictures), MEAN, STD))
    found = Predictor(detector).read(pictures)
    assert found.logits == pytest.approx(theirs.numpy(), abs=1e-4)
    assert np.linalg.norm(found.embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    info, card = detector.info, detector.card
    assert (info.labels, info.families, info.measured, card.measured) == (("real", "fake"), ("real", "unknown"), False, ())
    assert [info.display(label) for label in info.labels] == ["No manipulation (its label: Real)", "Fake"]
    assert (detector.name, info.source, card.crop.view) == ("somebodys-vit", "", "picture")
    assert any("never measured" in limit for limit in info.limits)
    assert str(foreign_folder.parent) not in repr(detector)
    # What it sees can be chosen.
    crop = load(DetectorSpec(str(foreign_folder), view="face")).card.crop
    assert (crop.view, crop.scale, crop.down, crop.side_px, crop.resample) == ("face", FACE_SCALE, 0.0, SIDE_PX, "bicubic")
    assert load(DetectorSpec(str(foreign_folder), view="picture")).card.crop.view == "picture"


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1"), None])
def test_labels_that_tell_nothing_are_asked_for(tmp_path: Path, labels: tuple[str, ...] | None) -> None:
    folder = write_timm_folder(tmp_path / "f", labels, classes=2)
    with pytest.raises(UnmappedLabels) as caught:
        load(str(folder))
    names = caught.value.labels
    assert len(names) == 2
    if labels is not None:
        assert names == labels
    loaded = load(DetectorSpec(str(folder), ((names[0], "manipulated"), (names[1], "real"))))
    assert loaded.info.families == ("unknown", "real")
    with pytest.raises(UnusableDetector, match="no label"):
        load(DetectorSpec(str(folder), (("another", "real"),)))


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder / "executed")))


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    return lambda folder: change_tensors(folder, change)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-5000]),
    "a web page": lambda f: (f / "model.safetensors").write_text("<!doctype html><title>Log in</title>"),
    "empty": lambda f: (f / "model.safetensors").write_bytes(b""),
    "pickle": lambda f: (f / "model.safetensors").write_bytes(pickle.dumps(Bomb(f / "executed"))),
    "only a pickle": only_a_pickle,
    "more classes": lambda f: change_config(f, {"num_classes": 5, "label_names": ["real", "a", "b", "c", "d"]}),
    "fewer names": lambda f: change_config(f, {"label_names": ["real"]}),
    "missing key": tensors(lambda found: found.pop("norm.bias")),
    "extra key": tensors(lambda found: found.update(extra=torch.zeros(1))),
    "prefixed keys": tensors(prefix),
    "some prefixed keys": tensors(lambda found: found.update({"model.cls_token": found.pop("cls_token")})),
    "another shape": tensors(lambda found: found.update({"head.weight": torch.zeros(3, 192)})),
    "not finite": tensors(lambda found: found["head.bias"].fill_(float("nan"))),
    "always the same": tensors(lambda found: found["head.weight"].zero_()),
    "another architecture": lambda f: change_config(f, {"architecture": "resnet18", "model_args": {}}),
    "no architecture": lambda f: change_config(f, {"architecture": None}),
    "an architecture of nobody": lambda f: change_config(f, {"architecture": "os.system"}),
    "a path to unpickle": lambda f: change_config(f, {"model_args": {"checkpoint_path": "evil.pth"}}),
    "gigabytes": lambda f: change_config(f, {"model_args": {"img_size": SIDE_PX, "depth": 10**6}}),
    "no configuration": lambda f: (f / "config.json").unlink(),
    "a broken configuration": lambda f: (f / "config.json").write_text("[" * 100_000),
    "no colours": lambda f: change_config(f, {"pretrained_cfg": {"input_size": [3, SIDE_PX, SIDE_PX]}}),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_it_is_refused_with_a_sentence(own_folder: Path, name: str) -> None:
    DAMAGE[name](own_folder)
    with pytest.raises(DetectorError) as caught:
        load(str(own_folder))
    said = str(caught.value)
    assert said.rstrip().endswith(".")
    assert str(own_folder.parent) not in said
    assert "Traceback" not in said
    assert not (own_folder / "executed").exists()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hub cache, and a Hub that is switched off."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


def test_from_the_hub_cache_its_bytes_are_compared_with_what_the_hub_said(own_folder: Path, cache: Path) -> None:
    snapshot = put_in_cache(cache, "owner/repo", own_folder, COMMIT)
    asked = f"hf:owner/repo@{COMMIT}"
    loaded = load(asked)
    assert (loaded.name, loaded.info.source) == ("owner/repo", asked)
    blob = (snapshot / "model.safetensors").resolve()
    content = bytearray(blob.read_bytes())
    content[-1000] ^= 64
    blob.write_bytes(content)
    with pytest.raises(DamagedDetector, match="digest"):
        load(asked)


def test_a_picture_without_a_face_is_judged_as_a_whole(foreign_folder: Path, tmp_path: Path) -> None:
    pipeline = load_pipeline(str(foreign_folder), "cpu")
    found = examine(write_picture(tmp_path / "none.png", scene(320, 200)), pipeline).evidence
    (track,) = found.tracks
    assert (track.view, track.placement) == ("picture", None)
    assert track.box == (0, 0, found.media.width, found.media.height)
    assert found.faces_found == 0
    assert not found.settings["mirrored"]
    data = json.loads(json.dumps(evidence.document([found])))
    assert data["files"][0]["detector"]["measured"] is False
    assert read_document(data) == [found]
    heatmap = explain(track, pipeline)
    assert heatmap.values.shape == (SIDE_PX, SIDE_PX)
    assert heatmap.values.max() == pytest.approx(1)


def certain(folder: Path, label: int) -> Path:
    """Make it answer that label, certainly, whatever it sees (but never quite the same)."""

    def change(found: dict[str, torch.Tensor]) -> None:
        found["head.weight"].mul_(1e-3)
        found["head.bias"].fill_(-4.0)[label] = 4.0

    change_tensors(folder, change)
    return folder


@pytest.mark.parametrize(("label", "state"), [(0, "no_manipulation_found"), (1, "manipulated")])
def test_a_definite_answer_says_that_nobody_measured_it(own_folder: Path, label: int, state: str) -> None:
    verdict = examine(PORTRAIT, load_pipeline(str(certain(own_folder, label)), "cpu")).evidence.verdict
    assert verdict.state == state
    assert any("has not measured" in reason for reason in verdict.reasons)
    assert (verdict.method, verdict.family) == ((None, "real") if label == 0 else ("unknown", None))
    assert label == 0 or any("does not tell the method" in reason for reason in verdict.reasons)


def test_beside_the_default_it_sees_its_own_picture_and_overturns_nothing(detector_folder: Path, own_folder: Path) -> None:
    pipeline = load_pipeline(str(detector_folder), "cpu", beside=str(certain(own_folder, 1)))
    alone = examine(PORTRAIT, load_pipeline(str(detector_folder), "cpu")).evidence
    found = examine(PORTRAIT, pipeline).evidence
    (track,) = found.tracks
    opinion = track.opinions[0]
    assert (opinion.detector.name, opinion.view, opinion.refused) == ("somebodys-vit", "picture", "")
    assert opinion.face is not None
    assert opinion.face.crop.shape == (SIDE_PX, SIDE_PX, 3)
    assert found.verdict.state == alone.verdict.state
    assert explain(track, pipeline, opinion).values.shape == (SIDE_PX, SIDE_PX)
    assert read_document(json.loads(json.dumps(evidence.document([found])))) == [found]


def test_detectors_of_faces_and_of_whole_pictures_beside_each_other(detector_folder: Path, foreign_folder: Path) -> None:
    (track,) = examine(PORTRAIT, load_pipeline(str(foreign_folder), "cpu", beside=str(detector_folder))).evidence.tracks
    assert "whole pictures" in track.opinions[0].refused
    pipeline = load_pipeline(DetectorSpec(str(foreign_folder), view="face"), "cpu", beside=str(detector_folder))
    (track,) = examine(PORTRAIT, pipeline).evidence.tracks
    (opinion,) = track.opinions
    assert (track.view, opinion.view, opinion.refused) == ("face", "face", "")
    assert opinion.placement is not None
    assert track.placement is None
    with pytest.raises(UnusableDetector, match="chosen twice"):
        load_pipeline(str(foreign_folder), "cpu", beside=str(foreign_folder))


# What is known of public repositories


class OneLogit(torch.nn.Module, PyTorchModelHubMixin):
    """A wrapper as the public one of that kind: a timm ViT under `vit`, with a head of one logit."""

    def __init__(self, model_size: str = "small", input_size: int = 384, patch_size: int = 16, device: str = "cuda") -> None:
        super().__init__()
        self.vit = timm.create_model(f"vit_{model_size}_patch{patch_size}_{input_size}", num_classes=1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.vit(pictures)


def test_a_known_repository_says_what_its_files_do_not(tmp_path: Path, cache: Path) -> None:
    torch.manual_seed(1)
    theirs = OneLogit("tiny", 384, 16, device="cuda").eval()
    head: Any = theirs.vit.head
    torch.nn.init.normal_(head.weight, std=0.1)
    theirs.save_pretrained(tmp_path / "saved")
    put_in_cache(cache, "OwensLab/commfor-model-384", tmp_path / "saved", COMMIT)
    put_in_cache(cache, "owner/another", tmp_path / "saved", COMMIT)
    detector = load("hf:OwensLab/commfor-model-384")
    assert (detector.card.crop.view, detector.card.crop.side_px, detector.card.crop.short_px) == ("picture", 384, 440)
    assert detector.info.families == ("real", "unknown")
    assert detector.info.licence == "MIT"
    pictures = np.random.default_rng(5).integers(0, 256, (2, 384, 384, 3), dtype=np.uint8)
    inputs = normalise(torch.from_numpy(pictures), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.inference_mode():
        z = theirs(inputs)[:, 0].numpy()
    found = Predictor(detector).read(pictures)
    assert found.logits[:, 1] - found.logits[:, 0] == pytest.approx(z, abs=1e-4)
    assert found.p_methods[:, 1] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)
    put_in_cache(cache, "HPAI-BSC/SuSy", tmp_path / "saved", COMMIT)
    for name, why in (("owner/another", "preprocessor_config"), ("HPAI-BSC/SuSy", "does not say what its network is")):
        with pytest.raises(UnusableDetector, match=why):
            load(f"hf:{name}")


def in_cache(cache: Path, tmp_path: Path, repository: str, original: Original) -> Any:
    """The original, as that repository has it in the Hub cache."""
    originals.keep_quiet()
    model = original.model()
    (tmp_path / "saved").mkdir()
    original.save(model, tmp_path / "saved")
    put_in_cache(cache, repository, tmp_path / "saved", COMMIT)
    return model


def test_gend_reads_upright_faces_as_its_makers_cut_them(tmp_path: Path, cache: Path) -> None:
    small: dict[str, Any] = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256}
    original = gend("GenD", "openai/clip-vit-large-patch14", image_size=224, patch_size=14, **small)
    theirs = in_cache(cache, tmp_path, "yermandy/GenD_CLIP_L_14", original)
    pipeline = load_pipeline("hf:yermandy/GenD_CLIP_L_14", "cpu")
    found = examine(PORTRAIT, pipeline).evidence
    (track,) = found.tracks
    face = track.shown_face
    assert (pipeline.crop.view, pipeline.crop.detector, found.detector.families) == ("face", "landmarks", ("real", "unknown"))
    assert face is not None
    assert face.landmarks is not None
    # The published computation, from the landmarks on: the face turned upright, the image processor of CLIP, encoder, norm, linear layer.
    rgb = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    wanted = np.array([[0.34, 0.46], [0.66, 0.46], [0.5, 0.64], [0.37, 0.82], [0.63, 0.82]])
    apart = [np.linalg.norm(one[:, None] - one[None], axis=-1)[np.triu_indices(5, 1)] for one in (face.landmarks, wanted)]
    size = int(np.round(np.mean(apart[0] / apart[1]) * 1.3))
    target = (wanted * size + size * 0.3 / 2) * (size / (size + size * 0.3))
    matrix = cv2.estimateAffinePartial2D(face.landmarks.astype(np.float32), target.astype(np.float32), method=cv2.LMEDS)[0]
    aligned = Image.fromarray(cv2.warpAffine(rgb, matrix, (size, size), flags=cv2.INTER_LINEAR))
    inputs = original.prepared(tmp_path, aligned)[None]
    with torch.inference_mode():
        logits = theirs(inputs)[0].numpy()
    predictor = pipeline.predictor
    ours = predictor.inputs(face.crop[None])
    assert (ours - inputs).abs().max().item() * 255 * 0.28 <= 2
    assert predictor.read(face.crop[None]).logits[0] == pytest.approx(logits, abs=2e-3)
    heatmap = explain(track, pipeline)
    assert heatmap.values.shape == (224, 224)
    assert heatmap.values.max() == pytest.approx(1)


def test_a_detector_in_transformers_format_answers_on_a_picture(tmp_path: Path, cache: Path) -> None:
    small: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    original = of_transformers("Siglip", "SigLIP", 64, 2, "Siglip", **small)
    theirs = in_cache(cache, tmp_path, "owner/siglip", original)
    pipeline = load_pipeline("hf:owner/siglip", "cpu")
    (track,) = examine(PORTRAIT, pipeline).evidence.tracks
    assert (track.view, pipeline.predictor.card.adapter) == ("picture", "transformers")
    inputs = original.prepared(tmp_path / "saved", Image.open(PORTRAIT).convert("RGB"))[None]
    with torch.inference_mode():
        probabilities = theirs(inputs).logits.softmax(1)[0].tolist()
    assert list(track.p_methods.values()) == pytest.approx(probabilities, abs=1e-5)
    assert explain(track, pipeline).values.max() == pytest.approx(1)


def test_where_no_layer_knows_places_the_answer_stands_and_the_heatmap_says_why_it_is_missing(
    foreign_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = load_pipeline(str(foreign_folder), "cpu")
    (track,) = examine(PORTRAIT, pipeline).evidence.tracks
    monkeypatch.setattr(pipeline.predictor.model, "explained", None, raising=False)
    with pytest.raises(NoHeatmap, match="There is no heatmap"):
        explain(track, pipeline)


@pytest.mark.slow
def test_boxes_of_a_detector_beside_lie_on_what_it_saw(embed: Embed, foreign_folder: Path) -> None:
    uploads = embed("landmark_swap", "swapped")
    pipeline = load_pipeline(DetectorSpec(str(foreign_folder), view="face"), "cpu", beside=str(uploads / "random-caddm"))
    (track,) = examine(PORTRAIT, pipeline).evidence.tracks
    opinion = track.opinions[0]
    assert opinion.verdict is not None
    assert opinion.face is not None
    width, height = 512, 600
    assert track.artifacts
    assert all(0 <= one.box[0] < one.box[2] <= width and 0 <= one.box[1] < one.box[3] <= height for one in track.artifacts)


def test_what_is_asked_anyway_is_not_asked_twice(embed: Embed) -> None:
    uploads = embed("landmark_swap", "swapped")
    pipeline = load_pipeline(str(uploads / "random-caddm"), "cpu", beside=DEFAULT_DETECTOR)
    assert pipeline.router is not None
    assert [one.info.name for one in pipeline.beside] == [pipeline.router.info.name]
