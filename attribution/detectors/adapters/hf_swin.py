"""transformers' SwinForImageClassification and Swinv2ForImageClassification → timm's Swin and SwinV2.

Patch merging ends a stage there and begins the next in timm. SwinV2 adds the mask of its shifted windows twice there, which shows where a
head has learnt the largest scale; it gives the keys no bias and learns how positions are weighed. The index of relative positions follows
from the window's size, and older files hold it. Layer norms of merging and embedding have timm's ε of 1e-5 whatever the config says, so the
others must have it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from attribution.detectors.adapters.hf import activation, block, check_class, is_kind, joined, named
from attribution.detectors.adapters.parts import Adapted, Format, Ledger, Source, conclude, labels_of, must_be, read, refuse, side, wholes
from attribution.detectors.adapters.preprocessing import by_transformers
from attribution.models.architectures import ALLOWED_ARCHITECTURES

_DEPTHS, _HEADS = (2, 2, 6, 2), (3, 6, 12, 24)
# (width, depths) → what timm calls that size.
_SIZES: Mapping[tuple[int, tuple[int, ...]], str] = {
    (96, (2, 2, 6, 2)): "tiny", **{(width, (2, 2, 18, 2)): name for width, name in ((96, "small"), (128, "base"), (192, "large"))},
}  # fmt: skip
_ANY = {"swin": "swin_tiny_patch4_window7_224", "swinv2": "swinv2_tiny_window8_256"}


def _swin(source: Source) -> Adapted:
    config, kind = source.config, str(source.config["model_type"])
    logit_is_sure = check_class(source, "SwinForImageClassification" if kind == "swin" else "Swinv2ForImageClassification")
    for name, wanted in {"num_channels": 3, "use_absolute_embeddings": False, "patch_norm": True, "path_norm": True}.items():
        must_be(config, name, wanted)
    if read(config, "layer_norm_eps", 1e-5, 0, 1) != 1e-5:
        raise refuse("The detector's layer norms have an epsilon other than 1e-5, which Telltale cannot build for a Swin.")
    depths = wholes(config, "depths", _DEPTHS, 1, 48)
    architecture, arguments = _architecture(config, kind, depths)
    ledger = Ledger(source.tensors)
    tensors = _tensors(ledger, kind, depths, arguments["qkv_bias"])
    ledger.finish(f"a {'Swin' if kind == 'swin' else 'Swinv2'}ForImageClassification")
    return conclude(SWIN.name, source, architecture, arguments, tensors, labels_of(config), by_transformers(source), logit_is_sure)


def _architecture(config: Mapping[str, Any], kind: str, depths: tuple[int, ...]) -> tuple[str, dict[str, Any]]:
    width, heads = read(config, "embed_dim", 96, 8, 256), wholes(config, "num_heads", _HEADS, 1, 64)
    window = read(config, "window_size", 7, 2, 32)
    side_px, patch_px = side(config, "image_size", 224, 32, 1024), side(config, "patch_size", 4, 2, 16)
    fits = len(heads) == len(depths) and all(width * 2**stage % count == 0 for stage, count in enumerate(heads))
    if not fits or side_px % (patch_px * 2 ** (len(depths) - 1)):
        raise refuse("The detector's stages, heads and pictures do not fit each other.")
    # Where windows do not tile a stage, the two implementations fill up its border differently.
    places = [side_px // patch_px // 2**stage for stage in range(len(depths))]
    if any(one > window and one % window for one in places):
        raise refuse(f"The detector's windows of {window} places do not tile its pictures of {side_px} px.")
    arguments: dict[str, Any] = {
        "img_size": side_px, "patch_size": patch_px, "embed_dim": width, "depths": depths, "num_heads": heads, "window_size": window,
        "mlp_ratio": read(config, "mlp_ratio", 4.0, 0.5, 8), "qkv_bias": read(config, "qkv_bias", True),
    }  # fmt: skip
    function = activation(config, "gelu")
    if kind == "swinv2":
        learnt_at = wholes(config, "pretrained_window_sizes", (0,) * len(depths), 0, 32)
        if len(learnt_at) < len(depths) or 1 in learnt_at:
            raise refuse("The detector's config.json has no usable value for 'pretrained_window_sizes'.")
        arguments |= {"pretrained_window_sizes": learnt_at[: len(depths)], "act_layer": function, "masked_twice": True}
    elif function != "gelu":
        raise refuse("The detector's activation function is none that Telltale builds for a Swin.")
    size = _SIZES.get((width, depths))
    names = [f"swin_{size}_patch4_window{window}_{side_px}"]
    if kind == "swinv2":
        names = [f"swinv2_{size}_window{window}_{side_px}", f"swinv2_{size}_window12to{window}_192to{side_px}"]
    return next((name for name in names if name in ALLOWED_ARCHITECTURES), _ANY[kind]), arguments


def _tensors(ledger: Ledger, kind: str, depths: tuple[int, ...], biased: bool) -> dict[str, torch.Tensor]:
    tensors = {
        **named("patch_embed.proj", ledger.take_linear(f"{kind}.embeddings.patch_embeddings.projection")),
        **named("patch_embed.norm", ledger.take_linear(f"{kind}.embeddings.norm")),
        **named("norm", ledger.take_linear(f"{kind}.layernorm")),
        **named("head.fc", ledger.take_linear("classifier")),
    }
    for stage, depth in enumerate(depths):
        if stage + 1 < len(depths):
            merging, ours = f"{kind}.encoder.layers.{stage}.downsample", f"layers.{stage + 1}.downsample"
            tensors |= named(f"{ours}.reduction", ledger.take_linear(f"{merging}.reduction", bias=False))
            tensors |= named(f"{ours}.norm", ledger.take_linear(f"{merging}.norm"))
        for place in range(depth):
            theirs, ours = f"{kind}.encoder.layers.{stage}.blocks.{place}", f"layers.{stage}.blocks.{place}"
            attention = (_attention if kind == "swin" else _attention_v2)(ledger, f"{theirs}.attention.self", f"{ours}.attn", biased)
            tensors |= {**block(ledger, theirs, ours), **attention}
    return tensors


def _attention(ledger: Ledger, theirs: str, ours: str, biased: bool) -> dict[str, torch.Tensor]:
    table = ledger.take(f"{theirs}.relative_position_bias_table")
    _check_index(ledger, theirs, len(table))
    return {
        **joined(ledger, f"{ours}.qkv", (f"{theirs}.query", f"{theirs}.key", f"{theirs}.value"), biased),
        f"{ours}.relative_position_bias_table": table,
    }


def _attention_v2(ledger: Ledger, theirs: str, ours: str, biased: bool) -> dict[str, torch.Tensor]:
    query, value = (ledger.take_linear(f"{theirs}.{what}", biased) for what in ("query", "value"))
    key = ledger.take_linear(f"{theirs}.key", bias=False)
    if not query["weight"].shape == key["weight"].shape == value["weight"].shape:
        raise refuse("The detector's attention has parts of different shapes.")
    first, last = f"{theirs}.continuous_position_bias_mlp.0", f"{theirs}.continuous_position_bias_mlp.2"
    # Older files hold these two, which follow from the window's size alone.
    ledger.drop(f"{theirs}.relative_coords_table", f"{theirs}.relative_position_index")
    biases = {f"{ours}.q_bias": query["bias"], f"{ours}.v_bias": value["bias"]} if biased else {}
    return {
        f"{ours}.logit_scale": ledger.take(f"{theirs}.logit_scale"),
        **named(f"{ours}.cpb_mlp.0", ledger.take_linear(first)),
        **named(f"{ours}.cpb_mlp.2", ledger.take_linear(last, bias=False)),
        f"{ours}.qkv.weight": torch.cat([query["weight"], key["weight"], value["weight"]]),
        **biases,
    }


def _check_index(ledger: Ledger, theirs: str, rows: int) -> None:
    """Older files hold the index of relative positions; it must be the one that the window's size gives."""
    name = f"{theirs}.relative_position_index"
    if not ledger.has(name):
        return
    window = (int(rows**0.5 + 0.5) + 1) // 2
    where = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    apart = where[:, :, None] - where[:, None, :] + window - 1
    found = ledger.take(name)
    if found.shape != apart.shape[1:] or not torch.equal(found.long(), apart[0] * (2 * window - 1) + apart[1]):
        raise refuse("The detector numbers the places of a window in an order of its own.")


SWIN = Format("transformers Swin or SwinV2", lambda source: is_kind(source, "swin", "swinv2"), _swin)
