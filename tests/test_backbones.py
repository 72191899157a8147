"""Backbones and heads: every architecture splits as promised, where to look in it is found, and nothing else is built."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from attribution.errors import NoHeatmap, UnusableDetector
from attribution.models.architectures import CADDM, DNA_DET, EXPLAINED, Explained
from attribution.models.backbones import (
    Projection,
    blueprint,
    build_backbone,
    classifier_name,
    features,
    fixed_side_px,
    head,
    pooled_width,
)
from attribution.models.dnadet import PATCH_PX, DnaDet
from attribution.models.explained import as_maps, explained, explained_layer

# Built for one side, which their arguments name.
SHALLOW = ("meso4", "mesoinception4", "shallownet_v3")
# One of each family, and those that Telltale trains itself, with the side of their pictures.
QUICK = {
    **dict.fromkeys((DNA_DET, "meso4", "shallownet_v3", "mobilenetv2_100", "resnet18", "legacy_xception", "convnextv2_atto"), 64),
    **dict.fromkeys((CADDM, "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"), 224),
}


@pytest.mark.parametrize(("architecture", "side"), QUICK.items())
def test_every_family_splits_into_features_and_logits(architecture: str, side: int) -> None:
    model = build_backbone(architecture, 5, {"img_size": side} if architecture in SHALLOW else None).eval()
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
    if explained(model, architecture).is_feature_map:
        assert torch.equal(seen[0], feature_maps)


# What a table of 118 architectures said of one of each family, before the networks were asked themselves.
KNOWN: dict[str, tuple[dict[str, object], Explained]] = {
    "vit_tiny_patch16_224": ({"img_size": 64, "depth": 3}, Explained("blocks.2.norm1", "tokens", False, 1)),
    "vit_small_patch16_224": ({"img_size": 64, "depth": 3, "global_pool": "avg"}, Explained("norm", "tokens", True, 1)),
    "vit_small_patch14_reg4_dinov2": ({"img_size": 56, "depth": 2}, Explained("blocks.1.norm1", "tokens", False, 5)),
    "vit_small_patch16_dinov3": ({"depth": 2}, Explained("norm", "tokens", True, 5)),
    "eva02_tiny_patch14_224": ({"img_size": 56, "depth": 2}, Explained("norm", "tokens", True, 1)),
    "vit_pe_core_tiny_patch16_384": ({"img_size": 64, "depth": 2}, Explained("norm", "tokens", True, 1)),
    "vit_base_patch16_siglip_gap_224": ({"img_size": 64, "depth": 2}, Explained("norm", "tokens", True, 0)),
    "deit_tiny_patch16_224": ({"img_size": 64, "depth": 2}, Explained("blocks.1.norm1", "tokens", False, 1)),
    "swin_tiny_patch4_window7_224": ({"depths": (1, 1, 1, 1)}, Explained("norm", "channels_last", True)),
    "swinv2_tiny_window8_256": ({"depths": (1, 1, 1, 1)}, Explained("norm", "channels_last", True)),
    "convnextv2_atto": ({}, Explained("norm_pre", "channels_first", True)),
    "resnet18": ({}, Explained("layer4", "channels_first", True)),
    "efficientnet_b0": ({}, Explained("bn2", "channels_first", True)),
    "mobilenetv4_conv_small": ({}, Explained("blocks", "channels_first", True)),
    "legacy_xception": ({}, Explained("act4", "channels_first", True)),
}


@pytest.mark.parametrize("architecture", KNOWN)
def test_where_to_look_is_found(architecture: str) -> None:
    arguments, wanted = KNOWN[architecture]
    torch.manual_seed(0)
    model = build_backbone(architecture, 2, arguments).eval().requires_grad_(False)
    assert explained(model, architecture) == wanted
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


# Of families that no table had.
OTHERS = ("swinv2_cr_tiny_ns_224", "regnety_002", "poolformer_s12", "mixer_s32_224", "mobileone_s0", "fastvit_t8", "hgnetv2_b0")


@pytest.mark.parametrize("architecture", [pytest.param(one, marks=[] if one == OTHERS[0] else pytest.mark.slow) for one in OTHERS])
def test_architectures_that_nobody_listed_answer_and_are_explained(architecture: str) -> None:
    model: Any = build_backbone(architecture, 2).eval().requires_grad_(False)
    # Some begin with a head of zeros, which depends on nothing.
    torch.nn.init.normal_(model.get_classifier().weight)
    side = fixed_side_px(blueprint(architecture, 2)) or 224
    pooled, logits = features(model, torch.randn(2, 3, side, side))
    assert (pooled.shape, logits.shape) == ((2, pooled_width(model)), (2, 2))
    found = explained(model, architecture)
    assert timm.is_model(architecture)
    assert architecture not in EXPLAINED
    assert model.get_submodule(found.layer) is not None


def test_a_network_without_places_has_no_heatmap() -> None:
    class Mean(torch.nn.Module):
        """Reads the mean of a picture."""

        def __init__(self) -> None:
            super().__init__()
            self.classifier = torch.nn.Linear(3, 2)

        def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs.mean((2, 3))

        def forward_head(self, pooled: torch.Tensor, pre_logits: bool) -> torch.Tensor:
            return pooled

        def get_classifier(self) -> torch.nn.Module:
            return self.classifier

    with pytest.raises(NoHeatmap, match="no heatmap"):
        explained(Mean(), "mean")


def test_a_blueprint_takes_no_memory_and_has_the_network_s_names_and_shapes() -> None:
    plan, model = blueprint("vit_tiny_patch16_224", 3), build_backbone("vit_tiny_patch16_224", 3)
    assert {value.device.type for value in plan.state_dict().values()} == {"meta"}
    assert {k: v.shape for k, v in plan.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
    assert (classifier_name(plan), fixed_side_px(plan), fixed_side_px(blueprint("resnet18", 3))) == ("head", 224, None)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("vit_base_patch16_224", {"img_size": 1024, "patch_size": 4}),
        ("swin_base_patch4_window7_224", {"img_size": 1024, "window_size": 32, "depths": [8, 8, 8, 8]}),
    ],
)
def test_a_small_config_cannot_ask_for_gigabytes(architecture: str, arguments: dict[str, object]) -> None:
    with pytest.raises(UnusableDetector, match="memory"):
        blueprint(architecture, 2, arguments)


def test_tokens_that_form_no_square_are_refused() -> None:
    model = build_backbone("vit_tiny_patch16_224", 2, {"img_size": 64, "depth": 1}).eval().requires_grad_(False)
    assert as_maps(torch.zeros(1, 17, 192), model, "vit_tiny_patch16_224").shape == (1, 192, 4, 4)
    with pytest.raises(UnusableDetector, match="no square"):
        as_maps(torch.zeros(1, 16, 192), model, "vit_tiny_patch16_224")


@pytest.mark.parametrize(
    "architecture",
    ["resnet9000", "", "resnet18.a1_in1k", "hf-hub:someone/something", "local-dir:/tmp", "caddm_resnet18", "levels_x"],
)
def test_an_architecture_that_timm_does_not_list_is_refused(architecture: str) -> None:
    with pytest.raises(UnusableDetector, match="has an architecture"):
        build_backbone(architecture, 3)


@pytest.mark.parametrize(
    ("architecture", "name", "values"),
    [
        ("resnet18", "checkpoint_path", ("evil.pth",)),
        ("resnet18", "pretrained_cfg", ({"file": "evil.pth"},)),
        ("resnet18", "pretrained", (True,)),
        ("mobilenetv2_100", "pad_type", (3, "sideways")),
        ("resnet18", "drop_rate", (True, 7.0)),
        ("resnet18", "img_size", (64, 100_000)),
        ("resnet18", "embed_dim", (10**6,)),
        ("vit_tiny_patch16_224", "depth", (10**6, True)),
        ("swin_tiny_patch4_window7_224", "depths", ([10**6], [1] * 50)),
        ("vit_tiny_patch16_224", "mlp_ratio", (float("inf"), float("nan"))),
        ("vit_tiny_patch16_224", "qkv_bias", (1,)),
        ("vit_tiny_patch16_224", "act_layer", ("os.system", ["gelu"])),
        ("vit_tiny_patch16_224", "norm_layer", ("layernorm",)),
        ("vit_tiny_patch16_224", "global_pool", ("",)),
        ("vit_tiny_patch16_224", "weight_init", ("skip",)),
        *(
            (own, name, values)
            for own in (DNA_DET, *SHALLOW)
            for name, values in (
                ("pad_type", ("same",)),
                ("drop_path_rate", (0.1,)),
                ("checkpoint_path", ("evil.pth",)),
                ("num_classes", (7,)),
                ("img_size", (0, 31, 1025, -64, 64.0, "64", True)),
                ("drop_rate", (1.0, -0.1, float("nan"))),
            )
        ),
    ],
)
def test_an_argument_that_could_do_harm_or_has_no_use_is_refused(architecture: str, name: str, values: tuple[object, ...]) -> None:
    for value in values:
        with pytest.raises(UnusableDetector):
            build_backbone(architecture, 3, {name: value})


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
    assert list(projection.state_dict()) == ["weight"]


def dna_det(classes: int = 5, **arguments: object) -> DnaDet:
    model = build_backbone(DNA_DET, classes, arguments)
    assert isinstance(model, DnaDet)
    return model


def test_dna_det_s_layers_follow_each_other_as_in_the_paper() -> None:
    """Conv → norm → LeakyReLU 0.2, twice a stage; then the mean over places, dropout, linear."""
    model = dna_det().eval()
    state, x = model.state_dict(), torch.randn(2, 3, PATCH_PX, PATCH_PX)
    expected = x
    for stage in range(4):
        for part, stride in (("halve", 2), ("same", 1)):
            name = f"stages.{stage}.{{}}_{part}.{{}}"
            weight, bias = (state[name.format("conv", kind)] for kind in ("weight", "bias"))
            expected = torch.nn.functional.conv2d(expected, weight, bias, stride=stride, padding=1)
            mean, var, gain, shift = (state[name.format("norm", kind)] for kind in ("running_mean", "running_var", "weight", "bias"))
            expected = torch.nn.functional.batch_norm(expected, mean, var, gain, shift)
            expected = torch.where(expected > 0, expected, 0.2 * expected)
    with torch.inference_mode():
        pooled, logits = features(model, x)
    assert torch.allclose(pooled, expected.mean((2, 3)), atol=1e-5)
    assert torch.allclose(logits, expected.mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"], atol=1e-5)


def test_img_size_magnifies_whole_pictures_first() -> None:
    model, plain = dna_det(img_size=96).eval(), dna_det().eval()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 48, 48)
    larger = torch.nn.functional.interpolate(x, size=(96, 96), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        assert model.magnified(x).shape == (2, 3, 96, 96)
        assert model.forward_features(x).shape == (2, 512, 6, 6)
        assert torch.equal(model(x), plain(larger))
        assert torch.equal(model(larger), plain(larger))
        assert plain.magnified(x) is x
