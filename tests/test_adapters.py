"""Every adapter is proved against the original implementation, and refuses what it does not understand with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from attribution.detectors.adapters import FORMATS, Source, adapt, hf
from attribution.detectors.adapters.parts import ONE_LOGIT_NAMES
from attribution.detectors.card import CropSettings
from attribution.errors import DamagedDetector, DetectorError, UnusableDetector
from attribution.lab.bench import adapters as lab
from attribution.lab.bench import originals
from attribution.lab.bench.originals import Original, gend, hub, mixin, of_transformers, read_source
from attribution.models.backbones import features
from attribution.models.explained import explained

SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 160}
SMALL_SWIN: dict[str, Any] = {"embed_dim": 16, "depths": [2, 3], "num_heads": [2, 4], "window_size": 4}
SMALL_NEXT: dict[str, Any] = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 1]}
SMALL_GEND: dict[str, Any] = {
    "hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 256, "image_size": 224,
}  # fmt: skip
COLOURS: dict[str, Any] = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.25]}
MIDDLE: dict[str, Any] = {
    "size": {"shortest_edge": 73}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}, "resample": 3, **COLOURS,
}  # fmt: skip
SQUEEZED: dict[str, Any] = {"size": {"height": 72, "width": 72}, "crop_size": {"height": 64, "width": 64}}
SHORTEST: dict[str, Any] = {"size": {"shortest_edge": 64}}
CLIP_L, DINO_L = "openai/clip-vit-large-patch14", "facebook/dinov3-vitl16-pretrain-lvd1689m"

ORIGINALS = [
    of_transformers("ViT", "ViT", 64, **SMALL),
    of_transformers("Swin", "Swin", 64, 4, **SMALL_SWIN),
    of_transformers("Siglip", "SigLIP", 64, 3, "Siglip", **SMALL),
    of_transformers("Dinov2WithRegisters", "DINOv2 with registers", 64, 2, "Bit", MIDDLE, **SMALL),
    mixin("one logit", "tiny", 224),
    hub("ResNet", "resnet18", 96),
    gend("GenD on CLIP", CLIP_L, patch_size=14, **SMALL_GEND),
    gend("GenD on DINOv3", DINO_L, num_register_tokens=4, **SMALL_GEND),
    gend("GenD on PE", "vit_pe_core_tiny_patch16_384"),
    of_transformers("ViT", "ViT, other functions", 96, 4, hidden_act="gelu_new", qkv_bias=False, layer_norm_eps=1e-3, **SMALL),
    of_transformers("DeiT", "DeiT", 64, 2, "DeiT", SQUEEZED, **SMALL),
    of_transformers("Beit", "BEiT", 64, 2, "Beit", use_relative_position_bias=True, **SMALL),
    of_transformers("Beit", "BEiT by its class token", 64, 2, "Beit", use_mean_pooling=False, **SMALL),
    of_transformers("Swin", "Swin, windows that do not tile", 64, 2, **{**SMALL_SWIN, "window_size": 5}),
    of_transformers("Swinv2", "SwinV2", 64, 4, **SMALL_SWIN),
    of_transformers("Swinv2", "SwinV2, learnt at other windows", 64, 4, pretrained_window_sizes=[6, 3], **SMALL_SWIN),
    of_transformers("CLIP", "CLIP", 64, 2, "CLIP", MIDDLE, **SMALL),
    of_transformers("ConvNext", "ConvNeXt", 64, 2, "ConvNext", SHORTEST, **SMALL_NEXT),
    of_transformers("ConvNextV2", "ConvNeXtV2, large", 384, 2, "ConvNext", {"size": {"shortest_edge": 384}}, **SMALL_NEXT),
    of_transformers("Dinov2", "DINOv2", 64, 2, "Bit", MIDDLE, **SMALL),
    hub("EfficientNet with a prefix", "efficientnet_b0", 96, prefix="model."),
    hub("ConvNeXt", "convnextv2_atto", 96), hub("Xception", "legacy_xception", 128),
    hub("SwinV2-CR", "swinv2_cr_tiny_ns_224", 224),
    hub("ViT by its mean", "vit_tiny_patch16_224", 96, img_size=96, global_pool="avg"),
    hub("registers", "vit_small_patch14_reg4_dinov2", 56, img_size=56),
    gend("GenD on DINOv3, features of any length", DINO_L, unit=False, num_register_tokens=4, **SMALL_GEND),
]  # fmt: skip
NAMED = {one.title: one for one in ORIGINALS}


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    originals.keep_quiet()


# One of every way is compared on every change.
QUICK = range(9)


@pytest.mark.parametrize(
    "original", [pytest.param(one, marks=() if place in QUICK else pytest.mark.slow, id=one.title) for place, one in enumerate(ORIGINALS)]
)
def test_an_adapted_detector_answers_like_its_original(original: Original) -> None:
    row = lab.compare(original, pictures=2)
    assert row.logits <= 1e-4
    assert row.cosine >= 1 - 1e-5
    assert row.pixels <= 1.01
    assert row.heat <= 1e-2
    assert row.maps > 0
    assert row.format in FORMATS


def saved(original: Original, folder: Path) -> Source:
    original.save(original.model(), folder)
    return read_source(folder, original.hints)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Source]:
    """One small detector of every format, as its files are read."""
    kinds = {
        "vit": "ViT", "swin": "Swin", "siglip": "SigLIP", "dinov2": "DINOv2 with registers", "mixin": "one logit", "timm": "ResNet",
        "clip-l": "GenD on CLIP", "dino-l": "GenD on DINOv3", "pe-l": "GenD on PE",
    }  # fmt: skip
    return {kind: saved(NAMED[title], tmp_path_factory.mktemp(kind)) for kind, title in kinds.items()}


def changed(source: Source, config: Mapping[str, Any] | None = None, processor: Mapping[str, Any] | None = None, **other: Any) -> Source:
    """The source with values of its config or its processor replaced; those that are None are taken out."""
    merged = {name: value for name, value in {**source.config, **(config or {})}.items() if value is not None}
    said = None if source.preprocessor is None else {**source.preprocessor, **(processor or {})}
    return replace(source, config=merged, preprocessor=None if said is None else {k: v for k, v in said.items() if v is not None}, **other)


def with_tensors(source: Source, change: Callable[[dict[str, torch.Tensor]], object]) -> Source:
    tensors = dict(source.tensors)
    change(tensors)
    return replace(source, tensors=tensors)


def test_labels_and_preparation_are_read_as_they_stand_there(sources: Mapping[str, Source]) -> None:
    found = {kind: adapt(source) for kind, source in sources.items()}
    assert found["vit"].label_names == ("Real", "Fake")
    assert found["siglip"].label_names == ("Real", "Fake", "Deepfake")
    assert found["timm"].label_names == ("Real", "Fake")
    assert found["clip-l"].label_names == ("class 0", "class 1")
    assert found["mixin"].label_names == ONE_LOGIT_NAMES
    assert [one.one_logit for one in found.values()] == [kind == "mixin" for kind in found]
    assert found["vit"].crop == CropSettings("none", side_px=64, resample="bilinear")
    assert (found["vit"].mean, found["vit"].std) == ((0.5,) * 3, (0.5,) * 3)
    assert found["dinov2"].crop == CropSettings("none", side_px=64, resample="bicubic", short_px=73)
    assert found["dinov2"].mean == (0.4, 0.5, 0.6)
    assert found["timm"].crop == CropSettings("none", side_px=96, resample="bicubic", short_px=106, middle="round")
    assert found["timm"].std == (0.25,) * 3
    assert found["mixin"].crop.short_px == 256
    upright = CropSettings("landmarks", scale=1.3, down=0.0, side_px=224, resample="bicubic")
    assert found["clip-l"].crop == found["pe-l"].crop == upright
    assert found["dino-l"].crop == replace(upright, resample="bilinear")
    assert found["pe-l"].architecture == "vit_pe_core_tiny_patch16_384"
    assert found["clip-l"].mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)


def test_softmax_of_the_two_rows_is_the_sigmoid_of_the_logit(sources: Mapping[str, Source], tmp_path: Path) -> None:
    inputs, lone = torch.randn(3, 3, 224, 224), of_transformers("ViT", "one output", 64, 1, **SMALL)
    with torch.inference_mode():
        wanted, logits = (
            torch.sigmoid(NAMED["one logit"].model()(inputs))[:, 0],
            features(adapt(sources["mixin"]).build().eval(), inputs)[1],
        )
        assert torch.allclose(logits.softmax(1)[:, 1], wanted, atol=1e-5)
        model, small = lone.model(), inputs[:, :, :64, :64].contiguous()
        lone.save(model, tmp_path)
        logits = features(adapt(read_source(tmp_path, {"one_logit": True})).build(), small)[1]
        assert torch.allclose(logits.softmax(1)[:, 1], torch.sigmoid(model(small).logits)[:, 0], atol=1e-5)


LAYERS = {
    "vit": "encoder.vit.layers.2.layernorm_before", "swin": "encoder.swin.layernorm", "siglip": "encoder.vision_model.post_layernorm",
    "clip-l": "encoder.encoder.layers.2.layer_norm1", "dino-l": "encoder.model.layer.2.norm1", "pe-l": "encoder.norm", "timm": "layer4",
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
def test_what_is_explained_is_the_last_layer_whose_places_the_answer_depends_on(sources: Mapping[str, Source], kind: str) -> None:
    """As pytorch-grad-cam's manual has it for each of these."""
    model = adapt(sources[kind]).build().eval().requires_grad_(False)
    found = explained(model, adapt(sources[kind]).architecture)
    assert found.layer == LAYERS[kind]
    assert found.prefix == {"vit": 1, "clip-l": 1, "dino-l": 5, "pe-l": 1}.get(kind, 0)


def test_older_names_and_tables_of_transformers_are_the_same_detector(sources: Mapping[str, Source]) -> None:
    """Files of transformers 4 name the layers otherwise, and hold tables that newer code computes."""
    source = sources["swin"]
    assert any(".attention.self.query." in name for name in source.tensors)
    tables = {
        name.replace("bias_table", "index"): torch.zeros(16, 16, dtype=torch.long) for name in source.tensors if name.endswith("_table")
    }
    assert tables
    older, inputs = adapt(replace(source, tensors={**source.tensors, **tables})).build(), torch.randn(1, 3, 64, 64)
    assert torch.equal(older(inputs), adapt(source).build()(inputs))
    dino = sources["dino-l"]
    assert any(".backbone.layer.0." in name for name in dino.tensors)
    newer = {name.replace("backbone.layer.", "backbone.model.layer."): one for name, one in dino.tensors.items()}
    inputs = torch.randn(1, 3, 224, 224)
    assert torch.equal(adapt(replace(dino, tensors=newer)).build()(inputs), adapt(dino).build()(inputs))


def test_the_parts_of_siglip_that_the_classifier_does_not_read_are_left_out(sources: Mapping[str, Source]) -> None:
    source, inputs = sources["siglip"], torch.randn(1, 3, 64, 64)
    extra = {"text_model.final_layer_norm.bias": torch.zeros(4), "logit_scale": torch.zeros(1), "logit_bias": torch.zeros(1)}
    more = with_tensors(source, lambda tensors: tensors.update(extra))
    assert torch.equal(adapt(more).build()(inputs), adapt(source).build()(inputs))


@pytest.mark.parametrize("kind", ["vit", "swin", "siglip", "dinov2", "mixin", "timm", "clip-l", "dino-l", "pe-l"])
def test_every_tensor_is_accounted_for_and_has_its_shape(sources: Mapping[str, Source], kind: str) -> None:
    source = sources[kind]
    stranger = with_tensors(source, lambda tensors: tensors.update({"aaa.surprise": torch.zeros(3)}))
    with pytest.raises(UnusableDetector, match=r"aaa\.surprise"):
        adapt(stranger).build()
    # One of the many: whichever it is, its absence is noticed.
    left_out = ("vision_model.head.", "visual_projection", "running_", "num_batches")
    for name in sorted(source.tensors)[:: max(1, len(source.tensors) // 12)]:
        changes: list[Callable[[dict[str, torch.Tensor]], object]] = []
        if not any(part in name for part in left_out):
            changes.append(lambda tensors, name=name: tensors.pop(name))
        if not any(part in name for part in left_out[:2]) and source.tensors[name].ndim:
            changes.append(lambda tensors, name=name: tensors.update({name: torch.cat([tensors[name], tensors[name]])}))
        for change in changes:
            with pytest.raises(DetectorError):
                adapt(with_tensors(source, change)).build()


@pytest.mark.parametrize(
    ("kind", "config", "reason"),
    [
        ("vit", {"hidden_act": "evil"}, "cannot build"), ("vit", {"num_attention_heads": 5}, "shape"),
        ("vit", {"num_channels": 1}, "shape|lack"), ("vit", {"image_size": [64, 32]}, "not square"),
        ("vit", {"image_size": 96}, "fewer"), ("vit", {"hidden_size": 10**9}, "hidden_size"),
        ("vit", {"num_hidden_layers": 10**6}, "num_hidden_layers"), ("vit", {"intermediate_size": [10**7]}, "intermediate_size"),
        ("vit", {"patch_size": 0}, "patch_size"), ("vit", {"made_up": 10**12}, "made_up"), ("vit", {"depths": [1] * 99}, "depths"),
        ("vit", {"num_hidden_layers": 4}, "fewer"), ("vit", {"num_hidden_layers": 2}, "no place"),
        ("vit", {"hidden_size": 60}, "shape|no place"),
        ("vit", {"num_hidden_layers": "three"}, "transformers cannot"), ("vit", {"qkv_bias": False}, "no place"),
        ("vit", {"layer_norm_eps": "much"}, "transformers cannot"),
        ("vit", {"architectures": ["ViTModel"]}, "ViTModel"), ("vit", {"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ("vit", {"quantization_config": {"bits": 4}}, "quantised"),
        ("vit", {"problem_type": "multi_label_classification"}, "exclude each other"),
        ("vit", {"problem_type": "regression"}, "exclude each other"),
        ("vit", {"id2label": {"0": "Real", "1": "Fake", "2": "More"}}, "3 labels"),
        ("vit", {"id2label": {"0": "Real", "2": "Fake"}}, "id2label"), ("vit", {"id2label": {"0": "Real", "1": 7}}, "id2label"),
        ("vit", {"id2label": ["Real", "Fake"]}, "id2label"), ("vit", {"model_type": "perceiver"}, "none of the formats"),
        ("swin", {"depths": [2, 3, 1, 1, 1]}, "transformers cannot|lack|fewer"), ("swin", {"depths": "2,3"}, "transformers cannot"),
        ("swin", {"window_size": 10**4}, "window_size"), ("swin", {"model_type": "swinv2"}, "no Swinv2"),
        ("siglip", {"model_type": "siglip2"}, "none of the formats"), ("siglip", {"vision_config": []}, "transformers cannot|lack|fewer"),
        ("siglip", {"vision_config": {**SMALL, "hidden_size": 10**6}}, "hidden_size"),
        ("mixin", {"normalize_features": True}, "normalize_features"), ("mixin", {"head": "LinearNorm"}, "head"),
        ("mixin", {"model_size": "gigantic"}, "none of the formats"), ("mixin", {"num_classes": 4}, "4 classes"),
        ("mixin", {"in_chans": 1}, "in_chans"), ("timm", {"architecture": "resnet9000"}, "has an architecture"),
        ("timm", {"architecture": "dna_det"}, "needs the card"), ("timm", {"num_classes": 3}, "3 classes"),
        ("timm", {"model_args": {"checkpoint_path": "evil.pth"}}, "checkpoint_path"), ("timm", {"model_args": [1]}, "model_args"),
        ("timm", {"label_names": ["one"]}, "1 labels"), ("timm", {"global_pool": "catavgmax"}, "global_pool"),
        ("timm", {"pretrained_cfg": {}}, "three colours"),
        ("clip-l", {"backbone": "laion/CLIP-ViT-L-14"}, "none of those"), ("clip-l", {"backbone": DINO_L}, "no place"),
        ("clip-l", {"head": "MLP"}, "head"), ("clip-l", {"merge_cls_token_with_patches": "cat"}, "merge_cls"),
        ("pe-l", {"backbone": "vit_pe_core_gigantic"}, "none of those"),
        ("pe-l", {"backbone": "vit_pe_core_base_patch16_224"}, "shape|lack"),
        ("dino-l", {"backbone": "facebook/dinov3-vit7b16-pretrain-lvd1689m"}, "none of those"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_built_is_refused(sources: Mapping[str, Source], kind: str, config: dict[str, Any], reason: str) -> None:
    with pytest.raises(DetectorError, match=reason) as refused:
        adapt(changed(sources[kind], config)).build()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        ({"image_processor_type": "CommForImageProcessor"}, "whose steps"), ({"auto_map": {"AutoImageProcessor": "evil.P"}}, "whose steps"),
        ({"size": {"height": 224, "width": 224}}, "its network reads 64 px"), ({"size": {"height": 64, "width": 32}}, "not square"),
        ({"size": {"shortest_edge": 64}}, "lacks a crop"), ({"size": {"longest_edge": 64}}, "not square"),
        ({"size": {"height": 10**6, "width": 10**6}}, "size"), ({"size": "big"}, "whose steps"), ({"resample": 0}, "filter"),
        ({"do_resize": False}, "on a trial"), ({"do_rescale": False}, "on a trial"), ({"rescale_factor": 1 / 127.5}, "on a trial"),
        ({"image_mean": [0.5]}, "mean and spread"), ({"image_std": [0, 1, 1]}, "mean and spread"),
        ({"image_mean": [float("nan"), 0, 0]}, "mean and spread"),
        ({"image_processor_type": "CLIPImageProcessor", "do_center_crop": True, "crop_size": 128, **SHORTEST}, "none that"),
    ],
)  # fmt: skip
def test_a_preparation_that_is_not_ours_is_refused(sources: Mapping[str, Source], processor: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableDetector, match=reason):
        adapt(changed(sources["vit"], processor=processor))


def test_without_a_word_on_preparation_a_detector_is_refused_unless_the_catalogue_knows(sources: Mapping[str, Source]) -> None:
    for kind in ("vit", "mixin"):
        hints = {name: value for name, value in sources[kind].hints.items() if name not in ("mean", "std", "crop")}
        with pytest.raises(UnusableDetector, match="preprocessor_config"):
            adapt(replace(sources[kind], preprocessor=None, hints=hints))
    known = {"mean": [0.1, 0.2, 0.3], "std": [0.5] * 3, "crop": {"detector": "none", "side_px": 64, "resample": "bicubic"}}
    found = adapt(replace(sources["vit"], preprocessor=None, hints=known))
    assert (found.mean, found.crop) == ((0.1, 0.2, 0.3), CropSettings("none", side_px=64, resample="bicubic"))


def test_preparations_of_others_are_read(sources: Mapping[str, Source]) -> None:
    cut = {"size": {"shortest_edge": 72}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}}
    clip = {"image_processor_type": "CLIPImageProcessor", "resample": 3, **cut}
    assert adapt(changed(sources["vit"], processor=clip)).crop == CropSettings("none", side_px=64, resample="bicubic", short_px=72)
    deit = {"image_processor_type": "DeiTImageProcessor", "resample": 3, **SQUEEZED, "do_center_crop": True}
    squeezed = CropSettings("none", side_px=64, resample="bicubic", short_px=72, middle="squeezed")
    assert adapt(changed(sources["vit"], processor=deit)).crop == squeezed
    old = {"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor", "size": 64, "rescale_factor": None}
    assert adapt(changed(sources["vit"], processor=old)).crop.side_px == 64
    unsaid = {"image_processor_type": None}
    assert adapt(changed(sources["vit"], processor=unsaid)).crop == adapt(sources["vit"]).crop
    plain = adapt(changed(sources["vit"], processor={"do_normalize": False}))
    assert (plain.mean, plain.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("pretrained", "short_px"), [({"crop_pct": 0.5}, 192), ({"crop_pct": 1.0, "crop_mode": "squash"}, None), ({"crop_pct": None}, 109)]
)
def test_timm_s_crops_are_read(sources: Mapping[str, Source], pretrained: dict[str, Any], short_px: int | None) -> None:
    merged = {**sources["timm"].config["pretrained_cfg"], **pretrained}
    merged = {name: value for name, value in merged.items() if value is not None}
    assert adapt(changed(sources["timm"], {"pretrained_cfg": merged})).crop.short_px == short_px


@pytest.mark.parametrize("pretrained", [{"interpolation": "random"}, {"crop_mode": "border"}, {"crop_pct": 7}, {"mean": None}])
def test_timm_s_preparations_that_are_not_ours_are_refused(sources: Mapping[str, Source], pretrained: dict[str, Any]) -> None:
    merged = {**sources["timm"].config["pretrained_cfg"], **pretrained}
    with pytest.raises(UnusableDetector):
        adapt(changed(sources["timm"], {"pretrained_cfg": merged}))


def test_a_single_output_of_transformers_is_no_logit_unless_it_is_said(tmp_path: Path) -> None:
    source = saved(of_transformers("ViT", "one output", 64, 1, **SMALL), tmp_path)
    with pytest.raises(UnusableDetector, match="single output"):
        adapt(source)
    assert adapt(replace(source, hints={"one_logit": True})).one_logit
    assert adapt(changed(source, {"problem_type": "multi_label_classification"})).one_logit


def test_two_heads_or_none_are_refused(sources: Mapping[str, Source]) -> None:
    source = sources["pe-l"]
    more = with_tensors(
        source, lambda tensors: tensors.update({"classifier.weight": torch.zeros(2, 192), "classifier.bias": torch.zeros(2)})
    )
    with pytest.raises(UnusableDetector, match="several heads"):
        adapt(more)
    none = with_tensors(source, lambda tensors: [tensors.pop(f"model.linear.{what}") for what in ("weight", "bias")])
    with pytest.raises(UnusableDetector, match="no linear head"):
        adapt(none)


def test_a_wrapper_that_nobody_vouches_for_must_have_a_config_of_known_effect(sources: Mapping[str, Source]) -> None:
    known = {"mean": [0.1, 0.2, 0.3], "std": [0.5] * 3, "crop": {"detector": "none", "side_px": 224, "resample": "bicubic"}}
    for change, reason in (({"normalize_inputs": True}, "normalize_inputs"), ({"head": "LinearNorm"}, "head")):
        with pytest.raises(UnusableDetector, match=reason):
            adapt(changed(sources["pe-l"], {"model_type": "another", "head": None, **change}, hints=known))
    known |= {"model_args": {"dynamic_img_size": True}}
    plain = changed(sources["pe-l"], {"model_type": "another", "head": "linear"}, hints=known)
    assert adapt(plain).architecture == "vit_pe_core_tiny_patch16_384"


def test_files_of_no_known_format_are_refused_with_the_list() -> None:
    for config in ({}, {"model_type": "perceiver"}, {"architecture": 7}, {"model_type": ["vit"]}):
        with pytest.raises(UnusableDetector, match="none of the formats") as refused:
            adapt(Source(config, None, {}))
        assert "transformers (vit, deit" in str(refused.value)


def test_a_config_cannot_make_us_ask_for_memory(sources: Mapping[str, Source], monkeypatch: pytest.MonkeyPatch) -> None:
    """48 layers of 1536 would take gigabytes; what a file holds is compared first, and nothing is loaded before that."""
    huge = {"hidden_size": 1536, "num_hidden_layers": 48, "intermediate_size": 12288, "num_attention_heads": 16}
    monkeypatch.setattr(hf, "load", None)
    with pytest.raises(DetectorError, match="fewer"):
        adapt(changed(sources["vit"], huge))
    with pytest.raises(UnusableDetector, match="memory"):
        adapt(changed(sources["vit"], {"image_size": 1024, "patch_size": 2}))
    with pytest.raises(UnusableDetector, match="memory"):
        adapt(changed(sources["timm"], {"architecture": "vit_base_patch16_224", "model_args": {"patch_size": 2, "img_size": 1024}}))


def test_a_config_chooses_no_code(sources: Mapping[str, Source]) -> None:
    """transformers would fetch an attention of that name from the Hub and run it."""
    chosen = {"_attn_implementation": "evil/kernel", "attn_implementation": "evil/kernel", "use_kernels": True, "dtype": "float16"}
    model: Any = adapt(changed(sources["vit"], chosen)).build()
    assert model.encoder.config._attn_implementation in ("sdpa", "eager")
    assert {one.dtype for one in model.parameters()} == {torch.float32}
    with pytest.raises(DamagedDetector, match="not finite"):
        adapt(with_tensors(sources["vit"], lambda tensors: tensors["classifier.bias"].fill_(float("nan")))).build()


def test_the_table_is_printed_and_says_when_a_row_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(originals, "of_real_sizes", lambda large: iter([ORIGINALS[0], ORIGINALS[2]]))
    out = tmp_path / "rows.json"
    assert lab.run(SimpleNamespace(large=False, json=out)) == 0  # type: ignore[arg-type]
    assert "2 of 2 agree" in capsys.readouterr().out
    assert [row["holds"] for row in json.loads(out.read_text())] == [True, True]
    monkeypatch.setattr(originals, "of_real_sizes", lambda large: iter([ORIGINALS[0]]))
    monkeypatch.setattr(lab, "MOST_DIFFERENCE", -1.0)
    assert lab.run(SimpleNamespace(large=False, json=None)) == 1  # type: ignore[arg-type]
    assert "FAILS" in capsys.readouterr().out
