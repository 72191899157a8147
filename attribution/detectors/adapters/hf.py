"""transformers' image classifiers that are plain ViTs → timm's: ViTForImageClassification, and SiglipForImageClassification (SigLIP, and
SigLIP 2 of a fixed resolution), with what all of transformers' classifiers have in common.

The same blocks under other names; query, key and value are one layer in timm. Layer norms have another ε there than in timm, so the
config's goes along. SigLIP's classifier reads the mean of the patch tokens behind the last layer norm: the attention head of the image
tower, the text tower and the scale of their similarity have no part in it, and where a file holds them they are left out by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from attribution.detectors.adapters.parts import Adapted, Format, Ledger, Source, conclude, labels_of, must_be, read, refuse, side
from attribution.detectors.adapters.preprocessing import by_transformers
from attribution.errors import unreadable
from attribution.models.architectures import ALLOWED_ARCHITECTURES

# transformers' names for the functions that timm's blocks have.
_ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh", "quick_gelu": "quick_gelu"}
# (width, depth, heads) → what timm calls that size.
_SIZES = {(192, 12, 3): "tiny", (384, 12, 6): "small", (768, 12, 12): "base", (1024, 24, 16): "large", (1152, 27, 16): "so400m"}
# What transformers calls the parts of a block: first norm, the layer behind attention, second norm, the two layers of the perceptron.
OLDER_BLOCK = ("layernorm_before", "attention.output.dense", "layernorm_after", "intermediate.dense", "output.dense")
_SIGLIP_BLOCK = ("layer_norm1", "self_attn.out_proj", "layer_norm2", "mlp.fc1", "mlp.fc2")


def is_kind(source: Source, *model_types: str) -> bool:
    """Whether transformers itself would build one of these."""
    return source.config.get("model_type") in model_types


def check_class(source: Source, class_name: str) -> bool:
    """That the config asks for this class as transformers has it; whether a single output of it is a logit for sure. Raises
    UnusableDetector for another class, for one with code of its own, and for heads whose outputs softmax is not for."""
    config = source.config
    if config.get("architectures", [class_name]) != [class_name]:
        raise refuse(f"The detector is no {class_name}: its config.json names {str(config.get('architectures'))[:60]}.")
    for name, why in (("auto_map", "needs code of its own, which Telltale does not run"), ("quantization_config", "is quantised")):
        if config.get(name):
            raise unreadable(f"it {why}")
    problem = config.get("problem_type") or "single_label_classification"
    several = len(source.tensors.get("classifier.bias", ())) != 1
    if problem not in ("single_label_classification", "multi_label_classification") or (problem.startswith("multi") and several):
        raise refuse(f"The detector's outputs are no probabilities that exclude each other (problem_type {str(problem)[:40]!r}).")
    return problem.startswith("multi")


def activation(config: Mapping[str, Any], default: str) -> str:
    """timm's name for the activation function."""
    said = config.get("hidden_act", default)
    if not isinstance(said, str) or said not in _ACTIVATIONS:
        raise refuse(f"The detector's activation function {str(said)[:40]!r} is none that Telltale builds.")
    return _ACTIVATIONS[said]


def named(target: str, parts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parts of a layer under timm's name for it."""
    return {f"{target}.{what}": tensor for what, tensor in parts.items()}


def block(ledger: Ledger, theirs: str, ours: str, names: tuple[str, ...] = OLDER_BLOCK) -> dict[str, torch.Tensor]:
    """A block without its query, key and value."""
    targets = ("norm1", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    layers = ((f"{ours}.{target}", ledger.take_linear(f"{theirs}.{name}")) for target, name in zip(targets, names, strict=True))
    return {name: tensor for target, parts in layers for name, tensor in named(target, parts).items()}


def joined(ledger: Ledger, target: str, names: tuple[str, ...], bias: bool = True) -> dict[str, torch.Tensor]:
    """The query, key and value layers of these names as timm's one layer."""
    parts = [ledger.take_linear(name, bias) for name in names]
    if len({part["weight"].shape for part in parts}) > 1 or parts[0]["weight"].ndim != 2:
        raise refuse("The detector's attention has parts of different shapes.")
    return named(target, {what: torch.cat([part[what] for part in parts]) for what in parts[0]})


def _vit(source: Source) -> Adapted:
    config = source.config
    logit_is_sure = check_class(source, "ViTForImageClassification")
    depth, biased = read(config, "num_hidden_layers", 12, 1, 48), read(config, "qkv_bias", True)
    architecture, arguments = _architecture(config, depth, "", "gelu", 1e-12)
    must_be(config, "head_dim", read(config, "hidden_size", 768, 8, 1536) // read(config, "num_attention_heads", 12, 1, 64))
    if arguments["img_size"] % side(config, "patch_size", 16, 2, 64):
        raise refuse("The detector's width and heads, or its pictures and patches, do not fit each other.")
    ledger = Ledger(source.tensors)
    tensors = {
        "cls_token": ledger.take("vit.embeddings.cls_token"),
        "pos_embed": ledger.take("vit.embeddings.position_embeddings"),
        **named("patch_embed.proj", ledger.take_linear("vit.embeddings.patch_embeddings.projection")),
        **named("norm", ledger.take_linear("vit.layernorm")),
        **named("head", ledger.take_linear("classifier")),
    }
    for place in range(depth):
        theirs, ours = f"vit.encoder.layer.{place}", f"blocks.{place}"
        attention = tuple(f"{theirs}.attention.attention.{what}" for what in ("query", "key", "value"))
        tensors |= {**block(ledger, theirs, ours), **joined(ledger, f"{ours}.attn.qkv", attention, biased)}
    # The pooler of the backbone, which the classifier does not read; transformers leaves it out too.
    ledger.drop("vit.pooler.dense.weight", "vit.pooler.dense.bias")
    ledger.finish("a ViTForImageClassification")
    arguments = {**arguments, "qkv_bias": biased}
    return conclude(VIT.name, source, architecture, arguments, tensors, labels_of(config), by_transformers(source), logit_is_sure)


def _siglip(source: Source) -> Adapted:
    if source.config.get("model_type") == "siglip2":
        raise refuse("The detector is a SigLIP 2 of variable resolution, and Telltale reads those of a fixed one.")
    logit_is_sure = check_class(source, "SiglipForImageClassification")
    # Values that are transformers' own are left out of these configs.
    vision = source.config.get("vision_config", {})
    if not isinstance(vision, Mapping):
        raise refuse("The detector's config.json has no usable value for 'vision_config'.")
    depth = read(vision, "num_hidden_layers", 12, 1, 48)
    architecture, arguments = _architecture(vision, depth, "_siglip_gap", "gelu_pytorch_tanh", 1e-6)
    ledger = Ledger(source.tensors)
    positions = ledger.take("vision_model.embeddings.position_embedding.weight")
    tensors = {
        "pos_embed": positions.unsqueeze(0),
        **named("patch_embed.proj", ledger.take_linear("vision_model.embeddings.patch_embedding")),
        **named("norm", ledger.take_linear("vision_model.post_layernorm")),
        **named("head", ledger.take_linear("classifier")),
    }
    for place in range(depth):
        theirs, ours = f"vision_model.encoder.layers.{place}", f"blocks.{place}"
        attention = tuple(f"{theirs}.self_attn.{what}_proj" for what in "qkv")
        tensors |= {**block(ledger, theirs, ours, _SIGLIP_BLOCK), **joined(ledger, f"{ours}.attn.qkv", attention)}
    index = "vision_model.embeddings.position_ids"
    # Older files hold the numbers of the places; they must be in order, as the newer code has them.
    if ledger.has(index) and not torch.equal(ledger.take(index).flatten(), torch.arange(len(positions))):
        raise refuse("The detector numbers the places of a picture in an order of its own.")
    ledger.drop_under("vision_model.head.", "text_model.")
    ledger.drop("logit_scale", "logit_bias")
    ledger.finish("a SiglipForImageClassification")
    labels = labels_of(source.config)
    return conclude(SIGLIP.name, source, architecture, arguments, tensors, labels, by_transformers(source), logit_is_sure)


def _architecture(config: Mapping[str, Any], depth: int, kind: str, function: str, epsilon: float) -> tuple[str, dict[str, Any]]:
    """timm's name and arguments for a plain ViT; `function` and `epsilon` hold where the config leaves them out."""
    must_be(config, "num_channels", 3)
    width, heads = read(config, "hidden_size", 768, 8, 1536), read(config, "num_attention_heads", 12, 1, 64)
    side_px, patch_px = side(config, "image_size", 224, 32, 1024), side(config, "patch_size", 16, 2, 64)
    if width % heads or side_px < patch_px:
        raise refuse("The detector's width and heads, or its pictures and patches, do not fit each other.")
    hidden = read(config, "intermediate_size", 3072, 8, 8 * 1536)
    arguments: dict[str, Any] = {
        "img_size": side_px,
        # timm cuts off what is behind the point: this is the ratio from which it computes exactly `hidden`.
        "mlp_ratio": hidden / width if hidden % width == 0 else (hidden + 0.5) / width,
        "act_layer": activation(config, function),
        "norm_eps": read(config, "layer_norm_eps", epsilon, 1e-12, 1e-3),
    }
    size = _SIZES.get((width, depth, heads))
    # Its own side first, then those that timm has names for.
    names = [f"vit_{size}_patch{patch_px}{kind}_{named_px}" for named_px in (side_px, 224, 256)]
    own = {"patch_size": patch_px, "embed_dim": width, "depth": depth, "num_heads": heads}
    found = next((name for name in names if name in ALLOWED_ARCHITECTURES), "")
    return (found, arguments) if found else (f"vit_base_patch16{kind}_224", {**arguments, **own})


VIT = Format("transformers ViT", lambda source: is_kind(source, "vit"), _vit)
SIGLIP = Format("transformers SigLIP", lambda source: is_kind(source, "siglip", "siglip2"), _siglip)
