"""Folding batch normalisation into convolutions leaves what a network says."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn

from attribution.detectors.loading import EMBEDDED_FOLDER, embedded, load_folder
from attribution.detectors.predictor import Predictor
from attribution.models.backbones import features
from attribution.models.folding import folded


def normalisations(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("name", embedded())
def test_an_embedded_detector_says_the_same(name: str) -> None:
    detector = load_folder(EMBEDDED_FOLDER / name)
    predictor, side = Predictor(detector, "cpu"), detector.card.crop.side_px
    inputs = predictor.inputs(np.random.default_rng(3).integers(0, 256, (2, side, side, 3), dtype=np.uint8))
    with torch.inference_mode():
        before, after = features(detector.model, inputs), features(predictor.model, inputs)
    for one, other in zip(before, after, strict=True):
        assert float((one - other).abs().max()) < 1e-4


def test_a_mobilenet_keeps_its_own_and_its_copy_has_none_left() -> None:
    model = timm.create_model("mobilenetv2_100", pretrained=False).eval()
    there = normalisations(model)
    copy = folded(model)
    assert (normalisations(model), normalisations(copy)) == (there, 0)
    assert normalisations(folded(copy)) == 0


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_another_network_is_left_as_it_is(name: str) -> None:
    model = timm.create_model(name, pretrained=False).eval()
    assert folded(model) is model


def test_a_network_in_training_is_not_folded() -> None:
    model = timm.create_model("mobilenetv2_100", pretrained=False).train()
    assert normalisations(folded(model)) == normalisations(model)
