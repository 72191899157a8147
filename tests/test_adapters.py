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
import transformers

from attribution.detectors.adapters import FORMATS, Source, adapt
from attribution.detectors.adapters.parts import ONE_LOGIT_NAMES
from attribution.detectors.card import CropSettings
from attribution.detectors.loading import load_exactly
from attribution.errors import DamagedDetector, DetectorError, UnusableDetector
from attribution.lab.bench import adapters as lab
from attribution.lab.bench import originals
from attribution.lab.bench.originals import Original, hub, mixin, probed, read_source, siglip, swin, vit
from attribution.models.backbones import build_backbone, features

SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 160}
SMALL_SWIN: dict[str, Any] = {"embed_dim": 16, "depths": [2, 3], "num_heads": [2, 4], "window_size": 4}

ORIGINALS = [
    vit("ViT", 64, **SMALL),
    vit("ViT, other functions", 96, classes=4, hidden_act="gelu_new", qkv_bias=False, layer_norm_eps=1e-3, **SMALL),
    vit("ViT, quick GELU", 64, hidden_act="quick_gelu", patch_size=8, **{**SMALL, "intermediate_size": 171}),
    vit("ViT-Tiny", 224, hidden_size=192, num_attention_heads=3, intermediate_size=768), swin("Swin", 64, **SMALL_SWIN),
    swin("Swin without biases", 64, qkv_bias=False, mlp_ratio=3.0, **SMALL_SWIN),
    swin("Swin, four stages", 128, embed_dim=16, depths=[1, 2, 3, 2], num_heads=[1, 2, 2, 4], window_size=4),
    swin("Swin as wide as the tiny one", 224, depths=[1, 1, 1, 1]), swin("SwinV2", 64, True, **SMALL_SWIN),
    swin("SwinV2, learnt at other windows", 64, True, pretrained_window_sizes=[6, 3], hidden_act="gelu_pytorch_tanh", **SMALL_SWIN),
    swin("SwinV2, windows as large as stages", 64, True, **{**SMALL_SWIN, "window_size": 16}, qkv_bias=False),
    swin("SwinV2 as wide as the tiny one", 128, True, window_size=8, depths=[1, 1, 2, 1]), siglip("SigLIP", 64, **SMALL),
    siglip("SigLIP, odd sizes", 70, classes=2, **{**SMALL, "intermediate_size": 171}, hidden_act="gelu"), mixin("one logit", "tiny", 224),
    probed("PE with a linear head", "vit_pe_core_tiny_patch16_384", 224), hub("ResNet", "resnet18", 96),
    hub("EfficientNet with a prefix", "efficientnet_b0", 96, prefix="model."), hub("ConvNeXt", "convnextv2_atto", 96),
    hub("Xception", "legacy_xception", 128), hub("ViT by its mean", "vit_tiny_patch16_224", 96, img_size=96, global_pool="avg"),
    hub("registers", "vit_small_patch14_reg4_dinov2", 56, img_size=56),
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    originals.keep_quiet()


# One of every format is compared on every change.
QUICK = (0, 4, 8, 12, 14, 15, 16)


@pytest.mark.parametrize(
    "original", [pytest.param(one, marks=() if place in QUICK else pytest.mark.slow, id=one.title) for place, one in enumerate(ORIGINALS)]
)
def test_an_adapted_detector_answers_like_its_original(original: Original) -> None:
    row = lab.compare(original, pictures=2)
    assert row.logits <= 1e-4
    assert row.cosine >= 1 - 1e-5
    assert row.heat <= 1e-2
    assert row.maps > 0
    assert row.format in FORMATS


@pytest.mark.slow
def test_swin_v2_agrees_where_heads_have_learnt_the_largest_scale() -> None:
    """transformers adds the mask of shifted windows twice; with cosines multiplied by 100 a single one would let some of it through."""
    for seed in range(3):
        original = swin("SwinV2 at its largest scale", 64, True, **SMALL_SWIN)
        row = lab.compare(replace(original, largest_scale=True), seed=seed, pictures=2)
        assert row.logits <= 1e-4


def saved(original: Original, folder: Path) -> Source:
    original.save(original.model(), folder)
    return read_source(folder, original.hints)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Source]:
    """One small detector of every format, as its files are read."""
    kinds = {
        "vit": ORIGINALS[0], "swin": ORIGINALS[4], "swinv2": ORIGINALS[8], "siglip": ORIGINALS[12], "mixin": ORIGINALS[14],
        "probed": ORIGINALS[15], "timm": ORIGINALS[16],
    }  # fmt: skip
    return {kind: saved(original, tmp_path_factory.mktemp(kind)) for kind, original in kinds.items()}


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
    assert found["probed"].label_names == ()
    assert found["mixin"].label_names == ONE_LOGIT_NAMES
    assert [one.one_logit for one in found.values()] == [kind == "mixin" for kind in found]
    assert found["vit"].crop == CropSettings("none", side_px=64, resample="bilinear")
    assert found["swin"].crop.resample == "bicubic"
    assert (found["vit"].mean, found["vit"].std) == ((0.5,) * 3, (0.5,) * 3)
    assert found["timm"].crop == CropSettings("none", side_px=96, resample="bicubic", short_px=96)
    assert found["timm"].std == (0.25,) * 3
    assert found["mixin"].crop.short_px == 256
    assert found["probed"].crop.detector == "mtcnn"
    assert [found[one].architecture for one in ("mixin", "probed")] == ["vit_tiny_patch16_224", "vit_pe_core_tiny_patch16_384"]


def test_softmax_of_the_two_rows_is_the_sigmoid_of_the_logit(sources: Mapping[str, Source]) -> None:
    adapted, inputs = adapt(sources["mixin"]), torch.randn(3, 3, 224, 224)
    model = build_backbone(adapted.architecture, adapted.num_classes, adapted.model_args).eval()
    load_exactly(model, adapted.tensors, "model.safetensors")
    with torch.inference_mode():
        wanted, logits = torch.sigmoid(ORIGINALS[14].model()(inputs))[:, 0], features(model, inputs)[1]
    assert torch.allclose(logits.softmax(1)[:, 1], wanted, atol=1e-5)


def test_older_names_and_tables_of_transformers_are_the_same_detector(sources: Mapping[str, Source]) -> None:
    """Older files hold tables that newer code computes."""

    def add_tables(tensors: dict[str, torch.Tensor]) -> None:
        where = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        apart = where[:, :, None] - where[:, None, :] + 3
        for name in [name for name in tensors if name.endswith("relative_position_bias_table")]:
            tensors[name.replace("bias_table", "index")] = apart[0] * 7 + apart[1]

    older = with_tensors(sources["swin"], add_tables)
    assert len(older.tensors) > len(sources["swin"].tensors)
    assert set(adapt(older).tensors) == set(adapt(sources["swin"]).tensors)
    strange = with_tensors(
        older, lambda tensors: [tensors.update({name: tensors[name].flip(0)}) for name in list(tensors) if name.endswith("_index")]
    )
    with pytest.raises(UnusableDetector, match="order of its own"):
        adapt(strange)


def test_the_parts_of_siglip_that_the_classifier_does_not_read_are_left_out(sources: Mapping[str, Source]) -> None:
    source = sources["siglip"]
    assert any(name.startswith("vision_model.head.") for name in source.tensors)
    extra = {"text_model.final_layer_norm.bias": torch.zeros(4), "logit_scale": torch.zeros(1), "logit_bias": torch.zeros(1)}
    more = with_tensors(source, lambda tensors: tensors.update(extra))
    assert set(adapt(more).tensors) == set(adapt(source).tensors)


def test_values_that_a_config_leaves_out_are_those_of_its_format() -> None:
    config = transformers.SiglipVisionConfig()
    bare = Source({"model_type": "siglip", "vision_config": {}}, None, {})
    with pytest.raises(DamagedDetector, match="position_embedding"):
        adapt(bare)
    assert (config.hidden_size, config.num_hidden_layers, config.image_size, config.patch_size) == (768, 12, 224, 16)
    theirs = transformers.ViTConfig()
    assert (theirs.hidden_size, theirs.num_hidden_layers, theirs.num_attention_heads) == (768, 12, 12)
    assert (theirs.intermediate_size, theirs.layer_norm_eps, theirs.hidden_act) == (3072, 1e-12, "gelu")
    for kind in (transformers.SwinConfig(), transformers.Swinv2Config()):
        assert (kind.embed_dim, tuple(kind.depths), tuple(kind.num_heads)) == (96, (2, 2, 6, 2), (3, 6, 12, 24))
        assert (kind.window_size, kind.layer_norm_eps, kind.image_size) == (7, 1e-5, 224)


@pytest.mark.parametrize("kind", ["vit", "swin", "swinv2", "siglip", "mixin", "probed", "timm"])
def test_every_tensor_is_accounted_for_and_has_its_shape(sources: Mapping[str, Source], kind: str) -> None:
    source = sources[kind]
    stranger = with_tensors(source, lambda tensors: tensors.update({"aaa.surprise": torch.zeros(3)}))
    with pytest.raises(UnusableDetector, match=r"aaa\.surprise"):
        adapt(stranger)
    # One of the many: whichever it is, its absence is noticed.
    left_out = ("vision_model.head.", "running_", "num_batches")
    for name in sorted(source.tensors)[:: max(1, len(source.tensors) // 12)]:
        changes: list[Callable[[dict[str, torch.Tensor]], object]] = []
        if not any(part in name for part in left_out):
            changes.append(lambda tensors, name=name: tensors.pop(name))
        if "vision_model.head." not in name and source.tensors[name].ndim:
            changes.append(lambda tensors, name=name: tensors.update({name: torch.cat([tensors[name], tensors[name]])}))
        for change in changes:
            with pytest.raises(DetectorError):
                adapt(with_tensors(source, change))


@pytest.mark.parametrize(
    ("kind", "config", "reason"),
    [
        ("vit", {"hidden_act": "relu"}, "activation"), ("vit", {"hidden_act": ["gelu"]}, "activation"),
        ("vit", {"num_attention_heads": 5}, "fit each other"), ("vit", {"head_dim": 8}, "head_dim"),
        ("vit", {"num_channels": 1}, "num_channels"), ("vit", {"image_size": 60}, "fit each other"),
        ("vit", {"image_size": [64, 32]}, "image_size"), ("vit", {"hidden_size": 10**9}, "hidden_size"),
        ("vit", {"num_hidden_layers": 10**6}, "num_hidden_layers"), ("vit", {"num_hidden_layers": True}, "num_hidden_layers"),
        ("vit", {"layer_norm_eps": float("nan")}, "layer_norm_eps"), ("vit", {"layer_norm_eps": "1e-12"}, "layer_norm_eps"),
        ("vit", {"qkv_bias": 1}, "qkv_bias"), ("vit", {"qkv_bias": False}, "no place"),
        ("vit", {"architectures": ["ViTModel"]}, "ViTModel"), ("vit", {"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ("vit", {"quantization_config": {"bits": 4}}, "quantised"),
        ("vit", {"problem_type": "multi_label_classification"}, "exclude each other"),
        ("vit", {"problem_type": "regression"}, "exclude each other"),
        ("vit", {"id2label": {"0": "Real", "1": "Fake", "2": "More"}}, "3 labels"),
        ("vit", {"id2label": {"0": "Real", "2": "Fake"}}, "id2label"), ("vit", {"id2label": {"0": "Real", "1": 7}}, "id2label"),
        ("vit", {"id2label": ["Real", "Fake"]}, "id2label"), ("vit", {"model_type": "deit"}, "none of the formats"),
        ("swin", {"use_absolute_embeddings": True}, "use_absolute_embeddings"), ("swin", {"path_norm": False}, "path_norm"),
        ("swin", {"layer_norm_eps": 1e-6}, "epsilon"), ("swin", {"hidden_act": "gelu_new"}, "activation"),
        ("swin", {"window_size": 5}, "tile"), ("swin", {"window_size": 0}, "window_size"),
        ("swin", {"depths": [2, 3, 1, 1, 1]}, "depths"), ("swin", {"depths": "2,3"}, "depths"),
        ("swin", {"num_heads": [2]}, "fit each other"), ("swin", {"model_type": "swinv2"}, "no Swinv2"),
        ("swinv2", {"pretrained_window_sizes": [1, 1]}, "pretrained_window_sizes"),
        ("swinv2", {"pretrained_window_sizes": [6]}, "pretrained_window_sizes"),
        ("siglip", {"model_type": "siglip2"}, "variable resolution"), ("siglip", {"vision_config": []}, "vision_config"),
        ("mixin", {"normalize_features": True}, "normalize_features"), ("mixin", {"head": "LinearNorm"}, "head"),
        ("mixin", {"model_size": "gigantic"}, "none of the formats"), ("mixin", {"num_classes": 4}, "4 classes"),
        ("mixin", {"in_chans": 1}, "in_chans"), ("timm", {"architecture": "resnet9000"}, "not on Telltale’s list"),
        ("timm", {"architecture": "dna_det"}, "needs the card"), ("timm", {"num_classes": 3}, "3 classes"),
        ("timm", {"model_args": {"checkpoint_path": "evil.pth"}}, "checkpoint_path"), ("timm", {"model_args": [1]}, "model_args"),
        ("timm", {"label_names": ["one"]}, "1 labels"), ("timm", {"global_pool": "catavgmax"}, "global_pool"),
        ("timm", {"pretrained_cfg": {}}, "three colours"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_built_is_refused(sources: Mapping[str, Source], kind: str, config: dict[str, Any], reason: str) -> None:
    with pytest.raises(DetectorError, match=reason) as refused:
        adapt(changed(sources[kind], config))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        ({"image_processor_type": "CommForImageProcessor"}, "whose steps"), ({"image_processor_type": None}, "whose steps"),
        ({"size": {"height": 224, "width": 224}}, "its network reads 64 px"), ({"size": {"height": 64, "width": 32}}, "not square"),
        ({"size": {"shortest_edge": 64}}, "lacks a crop"),
        ({"size": {"height": 72, "width": 72}, "do_center_crop": True, "crop_size": 64}, "squeezes"), ({"size": "big"}, "size"),
        ({"size": {"longest_edge": 64}}, "size"), ({"resample": 0}, "filter"), ({"resample": True}, "filter"),
        ({"do_resize": False}, "other than resizing"), ({"do_rescale": False}, "other than resizing"),
        ({"do_pad": True}, "other than resizing"), ({"rescale_factor": 1 / 127.5}, "1/255"), ({"image_mean": [0.5]}, "mean and spread"),
        ({"image_std": [0, 1, 1]}, "mean and spread"), ({"image_mean": [float("nan"), 0, 0]}, "mean and spread"),
        ({"image_processor_type": "CLIPImageProcessor"}, "resized and cropped"),
        ({"do_center_crop": True, "crop_size": 128, "size": {"shortest_edge": 64}}, "none that Telltale makes"),
    ],
)  # fmt: skip
def test_a_preparation_that_is_not_ours_is_refused(sources: Mapping[str, Source], processor: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableDetector, match=reason):
        adapt(changed(sources["vit"], processor=processor))


def test_without_a_word_on_preparation_a_detector_is_refused_unless_the_catalogue_knows(sources: Mapping[str, Source]) -> None:
    for kind in ("vit", "mixin", "probed"):
        hints = {name: value for name, value in sources[kind].hints.items() if name not in ("mean", "std", "crop")}
        with pytest.raises(UnusableDetector, match="preprocessor_config"):
            adapt(replace(sources[kind], preprocessor=None, hints=hints))
    known = {"mean": [0.1, 0.2, 0.3], "std": [0.5] * 3, "crop": {"detector": "none", "side_px": 64, "resample": "bicubic"}}
    found = adapt(replace(sources["vit"], preprocessor=None, hints=known))
    assert (found.mean, found.crop) == ((0.1, 0.2, 0.3), CropSettings("none", side_px=64, resample="bicubic"))


def test_preparations_of_others_are_read(sources: Mapping[str, Source]) -> None:
    cut = {"size": {"shortest_edge": 72}, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}}
    assert adapt(changed(sources["vit"], processor=cut)).crop.short_px == 72
    clip = {"image_processor_type": "CLIPImageProcessor", "resample": 3, **cut}
    assert adapt(changed(sources["vit"], processor=clip)).crop == CropSettings("none", side_px=64, resample="bicubic", short_px=72)
    old = {"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor", "size": 64, "rescale_factor": None}
    assert adapt(changed(sources["vit"], processor=old)).crop.side_px == 64
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
    lone = vit("one output", 64, classes=1, **SMALL)
    source = saved(lone, tmp_path)
    with pytest.raises(UnusableDetector, match="single output"):
        adapt(source)
    assert adapt(replace(source, hints={"one_logit": True})).one_logit
    assert adapt(changed(source, {"problem_type": "multi_label_classification"})).one_logit


def test_two_heads_or_none_are_refused(sources: Mapping[str, Source]) -> None:
    source = sources["probed"]
    more = with_tensors(
        source, lambda tensors: tensors.update({"classifier.weight": torch.zeros(2, 192), "classifier.bias": torch.zeros(2)})
    )
    with pytest.raises(UnusableDetector, match="several heads"):
        adapt(more)
    none = with_tensors(source, lambda tensors: [tensors.pop(f"model.linear.{what}") for what in ("weight", "bias")])
    with pytest.raises(UnusableDetector, match="no linear head"):
        adapt(none)


def test_a_wrapper_that_nobody_vouches_for_must_have_a_config_of_known_effect(sources: Mapping[str, Source]) -> None:
    rest = {name: value for name, value in sources["probed"].hints.items() if name != "architecture"}
    assert adapt(replace(sources["probed"], hints=rest)).architecture == "vit_pe_core_tiny_patch16_384"
    with pytest.raises(UnusableDetector, match="normalize_inputs"):
        adapt(changed(sources["probed"], {"normalize_inputs": True}, hints=rest))
    with pytest.raises(UnusableDetector, match="head"):
        adapt(changed(sources["probed"], {"head": "LinearNorm"}, hints=rest))


def test_files_of_no_known_format_are_refused_with_the_list() -> None:
    for config in ({}, {"model_type": "beit"}, {"architecture": 7}, {"model_type": ["vit"]}):
        with pytest.raises(UnusableDetector, match="none of the formats") as refused:
            adapt(Source(config, None, {}))
        assert FORMATS[0] in str(refused.value)


def test_a_config_cannot_make_us_ask_for_memory(sources: Mapping[str, Source]) -> None:
    """48 layers of 1536 would take gigabytes; names and shapes are compared first."""
    huge = {"hidden_size": 1536, "num_hidden_layers": 48, "intermediate_size": 12288, "num_attention_heads": 16}
    with pytest.raises(DetectorError):
        adapt(changed(sources["vit"], huge))
    with pytest.raises(UnusableDetector, match="memory"):
        adapt(changed(sources["timm"], {"architecture": "vit_base_patch16_224", "model_args": {"patch_size": 2, "img_size": 1024}}))


def test_the_table_is_printed_and_says_when_a_row_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(originals, "of_real_sizes", lambda large: iter([ORIGINALS[0], ORIGINALS[4]]))
    out = tmp_path / "rows.json"
    assert lab.run(SimpleNamespace(large=False, json=out)) == 0  # type: ignore[arg-type]
    assert "2 of 2 agree" in capsys.readouterr().out
    assert [row["holds"] for row in json.loads(out.read_text())] == [True, True]
    monkeypatch.setattr(originals, "of_real_sizes", lambda large: iter([ORIGINALS[0]]))
    monkeypatch.setattr(lab, "MOST_DIFFERENCE", -1.0)
    assert lab.run(SimpleNamespace(large=False, json=None)) == 1  # type: ignore[arg-type]
    assert "FAILS" in capsys.readouterr().out
