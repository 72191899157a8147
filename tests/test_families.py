"""Grad-CAM and embeddings for every family of architectures: where one corner decides, there is the heat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attribution.detectors.adapters import Adapted
from attribution.detectors.card import CropSettings
from attribution.detectors.predictor import Predictor
from attribution.explain.gradcam import grad_cam_of_the_package, grad_cam_through_the_head, heatmaps
from attribution.lab.bench.adapters import detector_of
from attribution.models.backbones import build_backbone, features, pooled_width
from attribution.models.explained import as_maps, explained, explained_layer

SHORT = {"depth": 3}
SHORT_SWIN = {"depths": (1, 1, 2, 1)}
# (architecture, arguments, side of the pictures, whether the gradient needs the head alone)
FAMILIES: list[tuple[str, dict[str, Any], int, bool]] = [
    ("vit_tiny_patch16_224", {**SHORT, "img_size": 128}, 128, False),
    ("deit_tiny_patch16_224", {**SHORT, "img_size": 128, "global_pool": "avg"}, 128, True),
    ("vit_small_patch14_reg4_dinov2", {**SHORT, "img_size": 112}, 112, False),
    ("vit_small_patch16_dinov3", SHORT, 128, True),
    ("vit_small_patch16_dinov3_qkvb", {**SHORT, "global_pool": "token"}, 128, False),
    ("eva02_tiny_patch14_224", {**SHORT, "img_size": 112}, 112, True),
    ("vit_pe_core_tiny_patch16_384", {**SHORT, "img_size": 128}, 128, True),
    ("vit_base_patch16_siglip_gap_224", {"depth": 2, "img_size": 128}, 128, True),
    ("swin_tiny_patch4_window7_224", SHORT_SWIN, 224, True),
    ("swinv2_tiny_window8_256", SHORT_SWIN, 256, True),
    ("convnextv2_atto", {}, 128, True),
    ("efficientnet_b0", {}, 128, True),
    ("legacy_xception", {}, 128, True),
    ("resnet18", {}, 128, True),
]


def examiner_of(architecture: str, arguments: dict[str, Any], side_px: int) -> Predictor:
    torch.manual_seed(3)
    model = build_backbone(architecture, 2, arguments).train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Networks start with their blocks all but switched off; trained ones have not.
            if name.endswith(("gamma", "gamma_1", "gamma_2")):
                parameter.fill_(1)
        for seed in range(3):
            # As training would, make each batch norm's figures those of what it sees.
            model(torch.from_numpy(pictures(side_px, 8, seed)).permute(0, 3, 1, 2).float().div(63).sub(2))
    model.eval().requires_grad_(False)
    crop = CropSettings("none", side_px=side_px, resample="bicubic")
    adapted = Adapted("timm", architecture, 2, lambda: model, (), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), crop, False)
    return Predictor(detector_of(architecture, adapted, model))


def pictures(side_px: int, count: int, seed: int) -> np.ndarray:
    """Grey pictures, each its own, with a chequered patch of a quarter of the side in the upper right corner."""
    random = np.random.RandomState(seed)
    found = 100 + random.randint(0, 40, (count, 1, 1, 3)) + random.randint(0, 12, (count, side_px, side_px, 3))
    patch = side_px // 4
    found[:, :patch, -patch:] = (np.indices((patch, patch)).sum(0) // 4 % 2 * 255)[..., None]
    return found.astype(np.uint8)


def make_the_corner_matter(predictor: Predictor, crop: np.ndarray) -> None:
    """Give the head weights with which class 1 rests on what tells the upper right corner of this picture from the rest of it."""
    model: Any = predictor.model
    architecture = predictor.detector.architecture
    held: list[torch.Tensor] = []

    def cut(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        held.append(output.detach().requires_grad_(True))
        return held[0]

    with torch.enable_grad(), explained_layer(model, architecture).register_forward_hook(cut):
        pooled = features(model, predictor.inputs(crop[None]))[0]
        maps = as_maps(held[0].detach(), model, architecture)[0]
        corner = maps.shape[1] // 4
        near, all_places = maps[:, :corner, -corner:].mean((1, 2)), maps.mean((1, 2))
        # What is common to the picture has to count nothing, or it would outweigh the corner.
        wanted = near - all_places * (near @ all_places) / (all_places @ all_places)
        if torch.allclose(pooled[0], all_places, atol=1e-5):
            weight = wanted
        else:
            slopes = [torch.autograd.grad(one, held[0], retain_graph=True)[0] for one in pooled[0]]
            mean_slopes = torch.stack([as_maps(slope, model, architecture)[0].mean((1, 2)) for slope in slopes])
            weight = torch.linalg.lstsq(mean_slopes.T.double(), wanted.double()[:, None], rcond=1e-4, driver="gelsd").solution[:, 0].float()
    classifier = model.get_classifier()
    classifier.weight.copy_(torch.stack([-weight, weight]))
    classifier.bias.zero_()


# One that answers by its class token, one by its patch tokens, one with channels last, one with channels first.
QUICK = ("vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "resnet18")


@pytest.mark.parametrize(
    ("architecture", "arguments", "side_px", "quick"),
    [pytest.param(*one, marks=[] if one[0] in QUICK else pytest.mark.slow, id=one[0]) for one in FAMILIES],
)
def test_the_heat_lies_on_the_corner_that_decides(architecture: str, arguments: dict[str, Any], side_px: int, quick: bool) -> None:
    predictor = examiner_of(architecture, arguments, side_px)
    assert explained(predictor.model, architecture).is_feature_map is quick
    crops = pictures(side_px, 1, 9)
    make_the_corner_matter(predictor, crops[0])
    (found,) = heatmaps(predictor, crops, ["class_1"])
    heat = found.values
    assert heat.shape == (side_px, side_px)
    assert heat.min() >= 0
    assert heat.max() <= 1
    assert np.ptp(heat) > 0.5
    half = side_px // 2
    elsewhere = np.concatenate([heat[half:].ravel(), heat[:half, :half].ravel()])
    assert heat[:half, half:].mean() > 2 * elsewhere.mean()
    reading = predictor.read(crops)
    assert reading.embeddings.shape == (1, pooled_width(predictor.model))
    assert np.linalg.norm(reading.embeddings, axis=1) == pytest.approx([1], abs=1e-5)


@pytest.mark.parametrize(("architecture", "arguments", "side_px", "quick"), [one for one in FAMILIES if one[0] == "resnet18"], ids=str)
def test_the_quick_way_is_the_package_s(architecture: str, arguments: dict[str, Any], side_px: int, quick: bool) -> None:
    predictor = examiner_of(architecture, arguments, side_px)
    crops = pictures(side_px, 2, 4)
    ours = grad_cam_through_the_head(predictor, crops, [0, 1])
    assert ours == pytest.approx(grad_cam_of_the_package(predictor, crops, [0, 1]), abs=2e-3)
    assert ours.max() > 0
