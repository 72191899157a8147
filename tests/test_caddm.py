"""The ID-unaware detector as a network, and the boxes that the product makes of its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from attribution.detectors.card import ArtifactRule
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.explain.artifacts import CropArtifact, calibrated, find_artifacts, localises, read_boxes
from attribution.models.architectures import CADDM
from attribution.models.backbones import build_backbone, features, pooled_width
from attribution.models.caddm import CHANNELS, ArtifactModule, Caddm, anchors, build_caddm, encode


@pytest.fixture(scope="module")
def network() -> Caddm:
    torch.manual_seed(0)
    built = build_backbone(CADDM, 2, {"pad_type": "same"})
    assert isinstance(built, Caddm)
    return built.eval()


class TestNetwork:
    def test_a_head_speaks_of_its_own_anchor(self):
        """A bias on the second anchor of one map must reach that map's odd anchors and no others."""
        module = ArtifactModule(8).eval()
        heads: list[Any] = [*module.class_heads, *module.offset_heads]
        with torch.no_grad():
            for head in heads:
                head.weight.zero_()
                head.bias.zero_()
            heads[1].bias[3] = 5.0
        logits, offsets = module.boxes(module.maps(torch.zeros(1, 8, 7, 7)))
        assert logits.shape == (1, 168, 2)
        assert offsets.shape == (1, 168, 4)
        assert logits[0, :, 1].nonzero().flatten().tolist() == list(range(99, 148, 2))

    def test_a_place_on_the_map_is_the_same_place_among_the_anchors(self):
        module = ArtifactModule(8).eval()
        head: Any = module.class_heads[0]
        with torch.no_grad():
            head.weight.zero_()
            head.bias.zero_()
            head.weight[1, 0, 1, 1] = 1.0
        maps = [torch.zeros(1, 8, side, side) for side in (7, 5, 3, 1)]
        # Row 2, column 5 of 7×7: centre x = 176, y = 80.
        maps[0][0, 0, 2, 5] = 1.0
        logits, _ = module.boxes(maps)
        (where,) = (logits[0, :98, 1] - logits[0, :98, 1].median()).nonzero().flatten().tolist()
        box = anchors()[where] * 224
        assert box.tolist() == pytest.approx([156, 40, 196, 120], abs=1e-3)

    def test_shapes(self, network: Caddm):
        x = torch.zeros(2, 3, 224, 224)
        maps = network.forward_features(x)
        assert maps.shape == (2, 1280, 7, 7)
        pooled, logits = features(network, x)
        assert pooled.shape == (2, CHANNELS)
        assert pooled_width(network) == CHANNELS
        assert logits.shape == (2, 2)
        assert torch.allclose(network(x), logits)
        confidences, boxes = network.forward_artifacts(maps)
        assert confidences.shape == (2, 168)
        assert boxes.shape == (2, 168, 4)
        assert bool(((confidences >= 0) & (confidences <= 1) & torch.isfinite(confidences)).all())

    def test_the_plain_detector_is_the_same_without_the_module(self, network: Caddm):
        plain = build_caddm(2, {"pad_type": "same"}, artifacts=False)
        assert set(plain.state_dict()) == {name for name in network.state_dict() if not name.startswith("artifact_module")}
        with pytest.raises(ValueError, match="without an artifact detection module"):
            plain.forward_artifacts(torch.zeros(1, 1280, 7, 7))


def said(boxes: Mapping[int, tuple[float, Sequence[float]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Head outputs (class logits, offsets) with the given confidence and box (px) at each anchor number, nothing elsewhere."""
    logits, offsets = torch.zeros(1, 168, 2), torch.zeros(1, 168, 4)
    logits[..., 0] = 20
    for number, (confidence, box) in boxes.items():
        logits[0, number] = torch.tensor([0.0, float(torch.logit(torch.tensor(confidence)))])
        offsets[0, number] = encode(torch.tensor([[*box]]) / 224, anchors()[number : number + 1])[0]
    return logits, offsets


class TestFoundArtifacts:
    @pytest.fixture
    def predictor(self, swap_folder) -> Predictor:
        return Predictor(load_folder(swap_folder))

    def answering(self, predictor: Predictor, monkeypatch, boxes: Mapping[int, tuple[float, Sequence[float]]]) -> tuple[CropArtifact, ...]:
        assert isinstance(predictor.model, Caddm)
        monkeypatch.setattr(predictor.model.artifact_module, "boxes", lambda maps: said(boxes))
        return find_artifacts(predictor, np.zeros((1, 224, 224, 3), np.uint8))[0]

    def test_boxes_in_pixels_the_most_confident_first_and_overlapping_ones_thinned_out(self, predictor, monkeypatch):
        found = self.answering(
            predictor, monkeypatch, {48: (0.9, [90, 70, 130, 150]), 46: (0.8, [92, 72, 130, 150]), 0: (0.97, [4, 6, 40, 66])}
        )
        assert [round(one.confidence, 2) for one in found] == [0.97, 0.9]
        assert found[0].box == pytest.approx((4, 6, 40, 66), abs=0.01)
        assert found[1].box == pytest.approx((90, 70, 130, 150), abs=0.01)

    def test_the_whole_crop_stands_back_behind_a_smaller_box(self, predictor, monkeypatch):
        both = {166: (0.999, [0, 0, 224, 224]), 48: (0.9, [90, 70, 130, 150])}
        assert [one.box for one in self.answering(predictor, monkeypatch, both)] == [pytest.approx((90, 70, 130, 150), abs=0.01)]
        alone = self.answering(predictor, monkeypatch, {166: (0.999, [0, 0, 224, 224])})
        assert [one.box for one in alone] == [pytest.approx((0, 0, 224, 224), abs=0.01)]

    def test_the_card_calibrates_the_boxes_smaller_than_the_crop(self):
        raw = torch.full((1, 168), 0.2)
        found = calibrated(raw, ArtifactRule(0.5, slope=2.0, offset=1.0))
        # The logit of 0.2 is −log 4: 1 / (1 + exp(2·log 4 − 1)).
        assert found[0, :166].tolist() == pytest.approx([1 / (1 + math.exp(2 * math.log(4) - 1))] * 166, abs=1e-6)
        assert found[0, 166:].tolist() == pytest.approx([0.2, 0.2])
        assert torch.allclose(calibrated(raw, ArtifactRule(0.5)), raw, atol=1e-6)

    def test_faces_by_the_dozen_and_none(self, predictor):
        crops = np.random.default_rng(1).integers(0, 255, (33, 224, 224, 3), np.uint8)
        confidences, boxes = read_boxes(predictor, crops)
        assert confidences.shape == (33, 168)
        assert boxes.shape == (33, 168, 4)
        alone = read_boxes(predictor, crops[32:])
        assert torch.allclose(alone[0], confidences[32:], atol=1e-4)
        assert torch.allclose(alone[1], boxes[32:], atol=1e-4)
        assert find_artifacts(predictor, crops[:0]) == []

    def test_other_detectors_do_not_localise(self, detector_folder, predictor):
        other = Predictor(load_folder(detector_folder))
        assert localises(predictor)
        assert not localises(other)
        with pytest.raises(ValueError, match="does not say where"):
            find_artifacts(other, np.zeros((1, 224, 224, 3), np.uint8))
        with pytest.raises(ValueError, match="artifact detection module"):
            read_boxes(other, np.zeros((1, 224, 224, 3), np.uint8))
