"""Backbones and heads: every allowed architecture splits as promised, and nothing else is built."""

from __future__ import annotations

import pytest
import torch

from attribution.errors import UnusableDetector
from attribution.network import (
    ALLOWED_ARCHITECTURES,
    Projection,
    as_maps,
    build_backbone,
    explained_layer,
    head,
    normalise,
    pooled_width,
)

FIXED_SIDE_PX = {"swinv2_tiny_window8_256": 256, "vit_tiny_patch16_224": 224, "vit_small_patch16_224": 224}


@pytest.mark.parametrize("architecture", ALLOWED_ARCHITECTURES)
def test_every_allowed_architecture_splits_into_features_and_logits(architecture: str) -> None:
    model = build_backbone(architecture, 5).eval()
    side = FIXED_SIDE_PX.get(architecture, 64)
    inputs = torch.randn(2, 3, side, side)
    seen: list[torch.Tensor] = []
    hook = explained_layer(model, architecture).register_forward_hook(lambda *call: seen.append(call[-1]))
    with torch.inference_mode():
        expected = model(inputs)
        hook.remove()
        feature_maps = model.forward_features(inputs)  # type: ignore[operator]
        pooled, logits = head(model, feature_maps)
    assert torch.allclose(logits, expected, atol=1e-5)
    maps = as_maps(seen[0], model, architecture)
    assert pooled.shape == (2, pooled_width(model))
    assert logits.shape == (2, 5)
    assert maps.ndim == 4
    assert maps.shape[0] == 2
    assert maps.shape[2] == maps.shape[3] > 1, "the explained layer must still know places"
    if ALLOWED_ARCHITECTURES[architecture].is_feature_map:
        assert torch.equal(seen[0], feature_maps)


def test_model_arguments_reach_the_network() -> None:
    same = build_backbone("mobilenetv2_100", 3, {"pad_type": "same"}).eval()
    plain = build_backbone("mobilenetv2_100", 3).eval()
    plain.load_state_dict(same.state_dict())
    inputs = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.allclose(same(inputs), plain(inputs))


@pytest.mark.parametrize("architecture", ["resnet9000", "", "resnet18.a1_in1k", "hf-hub:someone/something", "local-dir:/tmp"])
def test_an_architecture_off_the_list_is_refused(architecture: str) -> None:
    with pytest.raises(UnusableDetector, match="not on Telltale's list"):
        build_backbone(architecture, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"checkpoint_path": "evil.pth"},
        {"pretrained_cfg": {"file": "evil.pth"}},
        {"pretrained": True},
        {"pad_type": 3},
        {"drop_rate": True},
        {"drop_rate": 7.0},
        {"img_size": 100_000},
        {"pad_type": "sideways"},
        {"img_size": 64},
    ],
)
def test_an_argument_that_could_do_harm_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(UnusableDetector):
        build_backbone("resnet18" if "pad_type" not in arguments else "mobilenetv2_100", 3, arguments)


@pytest.mark.parametrize("classes", [0, 1, -3, 10**6, True, 2.5, "3", None])
def test_a_senseless_number_of_classes_is_refused(classes: object) -> None:
    with pytest.raises(UnusableDetector):
        build_backbone("resnet18", classes)  # type: ignore[arg-type]


def test_embeddings_have_unit_length_and_no_bias() -> None:
    projection = Projection(6, 4)
    pooled = torch.randn(5, 6)
    embeddings = projection(pooled)
    assert embeddings.shape == (5, 4)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(5), atol=1e-6)
    assert torch.allclose(projection(3 * pooled), embeddings, atol=1e-6)
    assert list(projection.state_dict()) == ["weight"]


def test_normalise_keeps_the_colours_apart() -> None:
    crops = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    crops[..., 0] = 255
    inputs = normalise(crops, (0.5, 0.25, 0.0), (0.5, 0.5, 1.0))
    assert inputs.shape == (1, 3, 2, 2)
    assert inputs.dtype == torch.float32
    assert inputs[0, :, 0, 0].tolist() == [1.0, -0.5, 0.0]
