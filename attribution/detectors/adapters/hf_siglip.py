"""transformers' SiglipForImageClassification (SigLIP, and SigLIP 2 of a fixed resolution) → timm's SigLIP ViT that pools by the mean.

The classifier there reads the mean of the patch tokens behind the last layer norm. The attention head of the image tower, the text tower
and the scale of their similarity have no part in it; where a file holds them they are left out by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from attribution.detectors.adapters.conclusion import conclude
from attribution.detectors.adapters.hf import activation, check_class, is_kind, joined, mlp_ratio, named
from attribution.detectors.adapters.parts import Adapted, Ledger, Source
from attribution.detectors.adapters.preprocessing import by_transformers
from attribution.detectors.adapters.values import labels_of, must_be, number, refuse, side, whole

FORMAT = "transformers SigLIP"

# (patch, width, depth, heads) → timm's name without the side of its pictures, and the sides that it has a name for.
_NAMES = {
    (16, 768, 12, 12): ("vit_base_patch16_siglip_gap", (224, 256, 384, 512)),
    (32, 768, 12, 12): ("vit_base_patch32_siglip_gap", (256,)),
    (16, 1024, 24, 16): ("vit_large_patch16_siglip_gap", (256, 384, 512)),
    (14, 1152, 27, 16): ("vit_so400m_patch14_siglip_gap", (224, 378, 384)),
}


def recognises(source: Source) -> bool:
    return is_kind(source, "siglip", "siglip2")


def adapt(source: Source) -> Adapted:
    if source.config.get("model_type") == "siglip2":
        raise refuse("The detector is a SigLIP 2 of variable resolution, and Telltale reads those of a fixed one.")
    logit_is_sure = check_class(source, "SiglipForImageClassification")
    # Values that are transformers' own are left out of these configs.
    vision = source.config.get("vision_config", {})
    if not isinstance(vision, Mapping):
        raise refuse("The detector's config.json has no usable value for 'vision_config'.")
    must_be(vision, "num_channels", 3)
    depth = whole(vision, "num_hidden_layers", 12, 1, 48)
    architecture, arguments = _architecture(vision, depth)
    ledger = Ledger(source.tensors)
    tensors = _tensors(ledger, depth)
    _leave_out(ledger, len(tensors["pos_embed"][0]))
    ledger.finish("a SiglipForImageClassification")
    return conclude(FORMAT, source, architecture, arguments, tensors, labels_of(source.config), by_transformers(source), logit_is_sure)


def _architecture(vision: Mapping[str, Any], depth: int) -> tuple[str, dict[str, Any]]:
    width = whole(vision, "hidden_size", 768, 8, 1536)
    heads = whole(vision, "num_attention_heads", 12, 1, 64)
    side_px = side(vision, "image_size", 224, 32, 1024)
    patch_px = side(vision, "patch_size", 16, 2, 64)
    if width % heads or side_px < patch_px:
        raise refuse("The detector's width and heads, or its pictures and patches, do not fit each other.")
    arguments: dict[str, Any] = {
        "img_size": side_px,
        "mlp_ratio": mlp_ratio(whole(vision, "intermediate_size", 3072, 8, 8 * 1536), width),
        "act_layer": activation(vision, "gelu_pytorch_tanh"),
        "norm_eps": number(vision, "layer_norm_eps", 1e-6, 1e-12, 1e-3),
    }
    name, sides = _NAMES.get((patch_px, width, depth, heads), ("", ()))
    if name:
        return f"{name}_{side_px if side_px in sides else sides[0]}", arguments
    own = {"patch_size": patch_px, "embed_dim": width, "depth": depth, "num_heads": heads}
    return "vit_base_patch16_siglip_gap_224", {**arguments, **own}


def _tensors(ledger: Ledger, depth: int) -> dict[str, torch.Tensor]:
    positions = ledger.take("vision_model.embeddings.position_embedding.weight")
    tensors = {
        "pos_embed": positions.unsqueeze(0),
        **named("patch_embed.proj", ledger.take_linear("vision_model.embeddings.patch_embedding")),
        **named("norm", ledger.take_linear("vision_model.post_layernorm")),
        **named("head", ledger.take_linear("classifier")),
    }
    for number_of_block in range(depth):
        theirs, ours = f"vision_model.encoder.layers.{number_of_block}", f"blocks.{number_of_block}"
        attention = f"{theirs}.self_attn"
        tensors |= {
            **named(f"{ours}.norm1", ledger.take_linear(f"{theirs}.layer_norm1")),
            **named(f"{ours}.attn.qkv", joined(ledger, (f"{attention}.q_proj", f"{attention}.k_proj", f"{attention}.v_proj"))),
            **named(f"{ours}.attn.proj", ledger.take_linear(f"{attention}.out_proj")),
            **named(f"{ours}.norm2", ledger.take_linear(f"{theirs}.layer_norm2")),
            **named(f"{ours}.mlp.fc1", ledger.take_linear(f"{theirs}.mlp.fc1")),
            **named(f"{ours}.mlp.fc2", ledger.take_linear(f"{theirs}.mlp.fc2")),
        }
    return tensors


def _leave_out(ledger: Ledger, places: int) -> None:
    index = "vision_model.embeddings.position_ids"
    # Older files hold the numbers of the places; they must be in order, as the newer code has them.
    if ledger.has(index) and not torch.equal(ledger.take(index).flatten(), torch.arange(places)):
        raise refuse("The detector numbers the places of a picture in an order of its own.")
    ledger.drop_under("vision_model.head.", "text_model.")
    ledger.drop("logit_scale", "logit_bias")
