"""Meso-4, MesoInception-4 and ShallowNetV3: the published counts, shapes and order of layers, and a detector folder with each of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from attribution.detectors import loading
from attribution.detectors.predictor import Predictor
from attribution.errors import UnusableDetector
from attribution.evidence import Face, Track
from attribution.explain.reference import ReferenceBank
from attribution.models.backbones import features, head, pooled_width
from attribution.models.shallow import Meso4, MesoInception4, Shallow, ShallowNetV3
from attribution.verdict import judge_track
from conftest import LABELS, SURE, digest, some_crops, write_detector

State = Mapping[str, torch.Tensor]
ARCHITECTURES: dict[str, type[Meso4] | type[MesoInception4] | type[ShallowNetV3]] = {
    "meso4": Meso4,
    "mesoinception4": MesoInception4,
    "shallownet_v3": ShallowNetV3,
}
SIDE_PX = 64


def on_paper(architecture: str, classes: int, **arguments: Any) -> Shallow:
    """The network without memory: shapes alone."""
    with torch.device("meta"):
        return ARCHITECTURES[architecture](classes, **arguments).eval()


def small(architecture: str, classes: int = 5, **arguments: Any) -> Shallow:
    """A network for 64 px whose normalisations are no identities, in evaluation mode."""
    torch.manual_seed(3)
    model = ARCHITECTURES[architecture](classes, SIDE_PX, **arguments).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for name, least in (("running_mean", -0.5), ("running_var", 0.5), ("weight", 0.5), ("bias", -0.5)):
                getattr(module, name).data.uniform_(least, least + 1)
    return model


class TestAsPublished:
    @pytest.mark.parametrize(
        ("architecture", "outputs", "parameters"),
        [("meso4", 1, 27_977), ("mesoinception4", 1, 28_615), ("shallownet_v3", 2, 118_079_266)],
    )
    def test_trainable_parameters_at_256_px(self, architecture, outputs, parameters):
        assert sum(one.numel() for one in on_paper(architecture, outputs).parameters()) == parameters

    @pytest.mark.parametrize(
        ("architecture", "maps", "units", "layer"),
        [
            ("meso4", (16, 8, 8), 16, (16, 1024)),
            ("mesoinception4", (16, 8, 8), 16, (16, 1024)),
            ("shallownet_v3", (32, 60, 60), 1024, (1024, 115_200)),
        ],
    )
    def test_shapes_at_256_px(self, architecture, maps, units, layer):
        model = on_paper(architecture, 2)
        found = model.forward_features(torch.empty(3, 3, 256, 256, device="meta"))
        pooled, logits = head(model, found)
        assert found.shape == (3, *maps)
        assert pooled.shape == (3, units) == (3, pooled_width(model))
        assert logits.shape == (3, 2)
        assert model.hidden.weight.shape == layer  # type: ignore[union-attr]


def convolved(state: State, name: str, x: torch.Tensor, **how: Any) -> torch.Tensor:
    """Convolution, then ReLU."""
    return functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **how).clamp(min=0)


def normed(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    """Batch normalisation as it is after training, with Keras' small constant."""
    mean, var, gain, shift = (state[f"{name}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias"))
    wide = (1, -1, 1, 1)[: x.ndim]
    return (x - mean.view(wide)) / (var.view(wide) + 1e-3).sqrt() * gain.view(wide) + shift.view(wide)


def dense(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def inception(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    ways = [convolved(state, f"{name}.enter.{way}", x) for way in range(4)]
    ways[1:] = [convolved(state, f"{name}.widen.{d - 1}", ways[d], padding=d, dilation=d) for d in (1, 2, 3)]
    return normed(state, f"{name}.norm", torch.cat(ways, 1))


def meso(state: State, x: torch.Tensor) -> torch.Tensor:
    """Convolution, ReLU, norm, pooling; the units of the penultimate layer with LeakyReLU 0.1."""
    for layer, pooled in (("first", 2), ("second", 2), ("third", 2), ("fourth", 4)):
        if f"{layer}.enter.0.weight" in state:
            x = inception(state, layer, x)
        else:
            padding = state[f"{layer}.conv.weight"].shape[-1] // 2
            x = normed(state, f"{layer}.norm", convolved(state, f"{layer}.conv", x, padding=padding))
        x = functional.max_pool2d(x, pooled)
    units = dense(state, "hidden", x.flatten(1))
    return torch.where(units > 0, units, 0.1 * units)


def shallownet(state: State, x: torch.Tensor) -> torch.Tensor:
    """Three blocks without padding, the first two pooled; the units after ReLU and batch normalisation."""
    for block, layers in (("first", 3), ("second", 3), ("third", 2)):
        for layer in range(layers):
            x = convolved(state, f"{block}.{layer}", x)
        x = x if block == "third" else functional.max_pool2d(x, 2)
    return normed(state, "norm", dense(state, "hidden", x.flatten(1)).clamp(min=0))


@pytest.mark.parametrize(("architecture", "units"), [("meso4", meso), ("mesoinception4", meso), ("shallownet_v3", shallownet)])
def test_the_layers_follow_each_other_as_in_the_authors_code(architecture: str, units: Callable[[State, torch.Tensor], torch.Tensor]):
    model, x = small(architecture), torch.randn(2, 3, SIDE_PX, SIDE_PX)
    state = model.state_dict()
    expected = units(state, x)
    with torch.inference_mode():
        pooled, logits = features(model, x)
        assert torch.allclose(model(x), logits, atol=1e-6)
    assert expected.std() > 0.01
    assert torch.allclose(pooled, expected, atol=1e-4)
    assert torch.allclose(logits, dense(state, "classifier", expected), atol=1e-4)


class TestDropout:
    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_it_comes_before_both_dense_layers(self, architecture):
        model = small(architecture, drop_rate=0.5)
        with torch.inference_mode():
            maps = model.forward_features(torch.randn(4, 3, SIDE_PX, SIDE_PX))
            assert torch.equal(model.features(maps), model.features(maps))
            model.train()
            # Before the first: two draws give other units.
            assert not torch.equal(model.features(maps), model.features(maps))
            # Before the second: what is dropped is 0, the rest twice as large.
            units = torch.ones(1, 10_000)
            dropped = model.drop(units)
            assert dropped.unique().tolist() == [0, 2]
            assert float(dropped.mean()) == pytest.approx(1, abs=0.05)


class TestSides:
    @pytest.mark.parametrize(
        ("architecture", "side_px"),
        [("meso4", 100), ("meso4", 0), ("meso4", 16), ("mesoinception4", 224 + 16), ("shallownet_v3", 66), ("shallownet_v3", 1024)],
    )
    def test_one_that_its_poolings_do_not_divide_is_refused(self, architecture, side_px):
        with pytest.raises(ValueError, match="the side must be at"):
            on_paper(architecture, 2, img_size=side_px)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def folder(request, tmp_path_factory) -> Path:
    own = tmp_path_factory.mktemp("shallow") / request.param
    of_its_kind = {"side_px": SIDE_PX, "thresholds": SURE, "favours": "stylegan2", "name": f"random-{request.param}"}
    return write_detector(own, request.param, {"img_size": SIDE_PX}, **of_its_kind)


def rewritten(folder: Path, into: Path, side_px: int, model_args: dict[str, object]) -> Path:
    """A copy of the folder for crops of another side, or with other arguments, whose card and files agree."""
    own = Path(shutil.copytree(folder, into))
    config = json.loads((own / "config.json").read_text())
    config["pretrained_cfg"]["input_size"] = [3, side_px, side_px]
    config["model_args"] = model_args
    (own / "config.json").write_text(json.dumps(config))
    card = json.loads((own / "card.json").read_text())
    card["crop"]["side_px"] = side_px
    card["files"]["config.json"] = digest(own / "config.json")
    (own / "card.json").write_text(json.dumps(card))
    return own


class TestDetectorFolder:
    def test_it_gives_what_a_verdict_needs(self, folder):
        detector = loading.load(str(folder))
        assert isinstance(detector.model, ARCHITECTURES[detector.architecture])
        predictor, crops = Predictor(detector), some_crops(5, SIDE_PX, seed=11)
        reading = predictor.read(crops)
        assert reading.logits.shape == reading.p_methods.shape == (5, len(LABELS))
        assert np.allclose(reading.p_methods.sum(1), 1, atol=1e-5)
        assert np.allclose(np.linalg.norm(reading.embeddings, axis=1), 1, atol=1e-5)
        assert len(np.unique(reading.logits[:, 0])) == 5, "every face has its own answer"
        placements = ReferenceBank.load(folder).place(reading.embeddings)
        box = (0.0, 0.0, 200.0, 200.0)
        face = Face(0, 0.0, box, np.zeros((5, 2)), 0.99, box, crops[0], 300.0, 120.0)
        told = judge_track(Track(0, (face,)), predictor.read(crops[:1]), placements[:1], detector.card.thresholds, detector.info, "picture")
        assert (told.verdict.state, told.verdict.method) == ("manipulated", "stylegan2")

    @pytest.mark.parametrize("side_px", [96])
    def test_crops_of_another_side_are_refused(self, folder, tmp_path, side_px):
        with pytest.raises(UnusableDetector, match=f"reads faces of {side_px} px; its architecture needs {SIDE_PX} px"):
            loading.load(str(rewritten(folder, tmp_path / "other", side_px, {"img_size": SIDE_PX})))
