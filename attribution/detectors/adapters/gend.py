"""GenD (Yermakov et al. 2026, Deepfake Detection that Generalizes Across Benchmarks, arXiv 2508.06248): a large vision encoder, features
of unit length and a linear head, class 1 the manipulated one; faces turned upright by their landmarks.

As its authors' code has it (github.com/yermandy/GenD, src/hf/modeling_gend.py and detector.py, read in December 2026): the config names the
encoder and the head and nothing else, so that the sizes are those of the tensors, and what no tensor tells is fixed by the encoder's name.
The encoder named 336 reads faces of 224 px. In transformers 5 the layers of DINOv3 have another name, which it translates by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn

from attribution.detectors.adapters import hf, wrapped
from attribution.detectors.adapters.parts import Adapted, Format, Preparation, Source, conclude, named, refuse
from attribution.detectors.card import CropSettings
from attribution.detectors.loading import Colours, load_exactly
from attribution.errors import damaged
from attribution.models.backbones import is_timm
from attribution.models.split import Split

_NAMES = ("class 0", "class 1")
_SIDE_PX, _SCALE = 224, 1.3
_HALF: Colours = (0.5, 0.5, 0.5)
_IMAGENET: tuple[Colours, Colours] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP: tuple[Colours, Colours] = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HEADS = {"linear": False, "LinearNorm": True}
_KNOWN = ("backbone", "head", "model_type", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "_name_or_path")
# OpenAI's, Meta's without gates: the widths of their heads, their activation functions and their epsilons are those of all sizes.
_HEAD_WIDTH = 64
_NOT_READ = re.compile("$^")


class _Encoder(NamedTuple):
    """An encoder of transformers: which names it has, where its tensors lie, its class, and its configuration from these tensors."""

    named: str
    prefix: str
    kind: str
    model_type: str
    configuration: Callable[[Mapping[str, torch.Tensor]], dict[str, Any]]
    colours: tuple[Colours, Colours]
    resample: str


def _clip(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    patches, places = _taken(tensors, "embeddings.patch_embedding.weight"), _taken(tensors, "embeddings.position_embedding.weight")
    return {
        **_tower(tensors, patches, "encoder.layers.", "mlp.fc1.weight"), "hidden_act": "quick_gelu",
        "image_size": round((len(places) - 1) ** 0.5) * patches.shape[-1],
    }  # fmt: skip


def _dinov3(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    patches = _taken(tensors, "embeddings.patch_embeddings.weight")
    layers = next((name for name in ("layer.", "model.layer.") if f"{name}0.norm1.weight" in tensors), "")
    return {
        **_tower(tensors, patches, layers, "mlp.up_proj.weight"), "image_size": _SIDE_PX,
        "num_register_tokens": _taken(tensors, "embeddings.register_tokens").shape[1],
    }  # fmt: skip


def _tower(tensors: Mapping[str, torch.Tensor], patches: torch.Tensor, layers: str, hidden: str) -> dict[str, Any]:
    depth = len({name.removeprefix(layers).split(".")[0] for name in tensors if layers and name.startswith(layers)})
    if not depth or patches.ndim != 4:
        raise damaged("its weights lack the layers of its encoder")
    return {
        "hidden_size": len(patches), "num_hidden_layers": depth, "num_attention_heads": max(1, len(patches) // _HEAD_WIDTH),
        "intermediate_size": len(_taken(tensors, f"{layers}0.{hidden}")), "patch_size": patches.shape[-1],
    }  # fmt: skip


_ENCODERS = (
    _Encoder(
        r"openai/clip-vit-[a-z0-9-]+", "feature_extractor.vision_model.", "CLIPVisionModel", "clip_vision_model", _clip, _CLIP, "bicubic"
    ),
    _Encoder(
        r"facebook/dinov3-vit[sbl]16-pretrain-lvd1689m", "feature_extractor.backbone.", "DINOv3ViTModel", "dinov3_vit", _dinov3,
        _IMAGENET, "bilinear",
    ),
)  # fmt: skip


def _gend(source: Source) -> Adapted:
    strange = sorted(str(name) for name in source.config if name not in _KNOWN)
    backbone, head = (str(source.config.get(name, default)) for name, default in (("backbone", ""), ("head", "linear")))
    if strange or head not in _HEADS:
        raise refuse(f"The detector was built with {(strange or [f'the head {head}'])[0][:60]!r}, and what that does is not known.")
    encoder = next((one for one in _ENCODERS if re.fullmatch(one.named, backbone)), None)
    if encoder is not None:
        return _of_transformers(source, encoder, backbone, _HEADS[head])
    if backbone.startswith("vit_pe") and is_timm(backbone):
        return _of_timm(source, backbone, _HEADS[head])
    raise refuse(f"The detector's encoder {backbone[:60]!r} is none of those that its format has: CLIP, Perception Encoder or DINOv3.")


def _of_transformers(source: Source, encoder: _Encoder, backbone: str, unit: bool) -> Adapted:
    tensors = {name.removeprefix(encoder.prefix): one for name, one in source.tensors.items() if name.startswith(encoder.prefix)}
    weight, bias = (_taken(source.tensors, f"model.linear.{what}") for what in ("weight", "bias"))
    # The encoder's projection to what texts are compared with lies in the file, and nothing reads it.
    others = set(source.tensors) - {encoder.prefix + name for name in tensors} - {"model.linear.weight", "model.linear.bias"}
    others -= {"feature_extractor.visual_projection.weight"}
    if others:
        raise refuse(f"The tensor {min(others)[:120]!r} has no place in a GenD, so what this detector computes is not known.")
    kind = getattr(hf.library(), encoder.kind)
    config = hf.configuration(encoder.model_type, encoder.configuration(tensors))
    hf.plan(kind, config, tensors)
    if weight.ndim != 2 or weight.shape[1] != config.hidden_size or bias.shape != weight.shape[:1]:
        raise damaged("its linear head does not fit its encoder")

    def build() -> nn.Module:
        linear = nn.Linear(weight.shape[1], len(weight))
        load_exactly(linear, {"weight": weight, "bias": bias}, "model.safetensors")
        return Split(hf.load(kind, config, tensors, _NOT_READ), linear, unit, _SIDE_PX)

    return named(
        GEND.name, source, f"{backbone} and a linear head", len(weight), build, _NAMES, _prepared(encoder.colours, encoder.resample)
    )


def _of_timm(source: Source, backbone: str, unit: bool) -> Adapted:
    arguments = {"dynamic_img_size": True}
    tensors, _outputs = wrapped.unwrapped(source, backbone, arguments, f"a GenD on timm's {backbone}")
    adapted = conclude(GEND.name, source, backbone, arguments, tensors, _NAMES, _prepared((_HALF, _HALF), "bicubic"))

    def build() -> nn.Module:
        network: Any = adapted.build()
        head, network.head = network.head, nn.Identity()
        return Split(network, head, unit, _SIDE_PX)

    return replace(adapted, build=build)


def _prepared(colours: tuple[Colours, Colours], resample: str) -> Preparation:
    return Preparation(*colours, CropSettings("landmarks", scale=_SCALE, down=0.0, side_px=_SIDE_PX, resample=resample))


def _taken(tensors: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    if name not in tensors or not tensors[name].ndim:
        raise damaged(f"its weights lack the tensor {name[:120]!r}")
    return tensors[name]


GEND = Format("GenD", lambda source: source.config.get("model_type") == "GenD", _gend)
