"""transformers' ViTForImageClassification → timm's plain ViT.

The same blocks under other names; query, key and value are one layer in timm. Layer norms have an ε of 1e-12 there and of 1e-6 in timm, so
the config's goes along.
"""

from __future__ import annotations

from typing import Any

import torch

from attribution.detectors.adapters.conclusion import conclude
from attribution.detectors.adapters.hf import activation, check_class, is_kind, joined, mlp_ratio, named
from attribution.detectors.adapters.parts import Adapted, Ledger, Source
from attribution.detectors.adapters.preprocessing import by_transformers
from attribution.detectors.adapters.values import flag, labels_of, must_be, number, refuse, side, whole

FORMAT = "transformers ViT"

# (patch, width, depth, heads) → timm's name without the side of its pictures, and the sides that it has a name for.
_NAMES = {
    (16, 192, 12, 3): ("vit_tiny_patch16", (224, 384)),
    (16, 384, 12, 6): ("vit_small_patch16", (224, 384)),
    (32, 384, 12, 6): ("vit_small_patch32", (224, 384)),
    (16, 768, 12, 12): ("vit_base_patch16", (224, 384)),
    (32, 768, 12, 12): ("vit_base_patch32", (224, 384)),
    (14, 1024, 24, 16): ("vit_large_patch14", (224,)),
    (16, 1024, 24, 16): ("vit_large_patch16", (224, 384)),
    (32, 1024, 24, 16): ("vit_large_patch32", (224, 384)),
}


def recognises(source: Source) -> bool:
    return is_kind(source, "vit")


def adapt(source: Source) -> Adapted:
    config = source.config
    logit_is_sure = check_class(source, "ViTForImageClassification")
    must_be(config, "num_channels", 3)
    depth = whole(config, "num_hidden_layers", 12, 1, 48)
    biased = flag(config, "qkv_bias", True)
    architecture, arguments = _architecture(config, depth)
    ledger = Ledger(source.tensors)
    tensors = _tensors(ledger, depth, biased)
    # The pooler of the backbone, which the classifier does not read; transformers leaves it out too.
    ledger.drop("vit.pooler.dense.weight", "vit.pooler.dense.bias")
    ledger.finish("a ViTForImageClassification")
    return conclude(FORMAT, source, architecture, arguments, tensors, labels_of(config), by_transformers(source), logit_is_sure)


def _architecture(config: Any, depth: int) -> tuple[str, dict[str, Any]]:
    width = whole(config, "hidden_size", 768, 8, 1536)
    heads = whole(config, "num_attention_heads", 12, 1, 64)
    side_px = side(config, "image_size", 224, 32, 1024)
    patch_px = side(config, "patch_size", 16, 2, 64)
    if width % heads or side_px % patch_px:
        raise refuse("The detector's width and heads, or its pictures and patches, do not fit each other.")
    must_be(config, "head_dim", width // heads)
    arguments: dict[str, Any] = {
        "img_size": side_px,
        "mlp_ratio": mlp_ratio(whole(config, "intermediate_size", 3072, 8, 8 * 1536), width),
        "qkv_bias": flag(config, "qkv_bias", True),
        "act_layer": activation(config, "gelu"),
        "norm_eps": number(config, "layer_norm_eps", 1e-12, 1e-12, 1e-3),
    }
    name, sides = _NAMES.get((patch_px, width, depth, heads), ("", ()))
    if name:
        return f"{name}_{side_px if side_px in sides else 224}", arguments
    return "vit_base_patch16_224", {**arguments, "patch_size": patch_px, "embed_dim": width, "depth": depth, "num_heads": heads}


def _tensors(ledger: Ledger, depth: int, biased: bool) -> dict[str, torch.Tensor]:
    tensors = {
        "cls_token": ledger.take("vit.embeddings.cls_token"),
        "pos_embed": ledger.take("vit.embeddings.position_embeddings"),
        **named("patch_embed.proj", ledger.take_linear("vit.embeddings.patch_embeddings.projection")),
        **named("norm", ledger.take_linear("vit.layernorm")),
        **named("head", ledger.take_linear("classifier")),
    }
    for number_of_block in range(depth):
        theirs, ours = f"vit.encoder.layer.{number_of_block}", f"blocks.{number_of_block}"
        attention = f"{theirs}.attention.attention"
        tensors |= {
            **named(f"{ours}.norm1", ledger.take_linear(f"{theirs}.layernorm_before")),
            **named(f"{ours}.attn.qkv", joined(ledger, (f"{attention}.query", f"{attention}.key", f"{attention}.value"), biased)),
            **named(f"{ours}.attn.proj", ledger.take_linear(f"{theirs}.attention.output.dense")),
            **named(f"{ours}.norm2", ledger.take_linear(f"{theirs}.layernorm_after")),
            **named(f"{ours}.mlp.fc1", ledger.take_linear(f"{theirs}.intermediate.dense")),
            **named(f"{ours}.mlp.fc2", ledger.take_linear(f"{theirs}.output.dense")),
        }
    return tensors
