"""Weights in 8 bits: a network of some ten million parameters in a file of as many bytes.

A convolution or linear weight w is kept as int8 q with a float32 scale s per output channel (the first axis), w ≈ s·q with q in −127..127
(symmetric quantisation per channel: Krishnamoorthi 2018, arXiv 1806.08342, §3.1). Only the file is small: the network computes in float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from attribution.errors import damaged

SCALE_SUFFIX = "::scale"
_MOST = 127
# The scale may cut off a channel's largest weights when that brings all others nearer: its largest weight times one of these over 127.
CLIPPING_RATIOS = tuple(round(1 - 0.02 * place, 2) for place in range(21))
# Few values, and an error in them reaches the whole channel.
_STATISTICS = ("running_mean", "running_var")


def compress(state: Mapping[str, torch.Tensor], least_values: int = 4096) -> dict[str, torch.Tensor]:
    """What the file of a network holds in place of its `state`: int8 weights NAME with `NAME::scale`, the rest in half precision. Floating
    tensors of two or more dimensions and at least `least_values` values become int8 under their own name beside a float32 scale of shape
    (out,), the one with the smallest squared error among those of CLIPPING_RATIOS. All other floating tensors become float16, but the
    statistics of batch normalisation, and whatever float16 cannot hold, stay float32. Tensors of whole numbers are kept as they are. The
    results are contiguous and on the CPU. Raises ValueError for values that are not finite and for a name that ends in `::scale`."""
    small: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(SCALE_SUFFIX):
            raise ValueError(f"{name!r} is kept for the scales of 8-bit weights")
        values = tensor.detach().cpu()
        if not values.is_floating_point():
            small[name] = values.contiguous()
            continue
        values = values.float().contiguous()
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{name!r} holds values that are not finite")
        if values.ndim >= 2 and values.numel() >= least_values:
            small[name], small[name + SCALE_SUFFIX] = _quantised(values)
        else:
            keep = name.endswith(_STATISTICS) or not bool(torch.isfinite(values.half()).all())
            small[name] = values if keep else values.half()
    return small


def expand(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The network's state from what `compress` made of it: weights s·q, and half precision as float32; the scales are used up. A file
    without scales comes back with its own names and values. An int8 tensor without a scale stays int8, which no network on the allow-list
    has a place for. Raises DamagedDetector for a scale whose tensor is missing or not int8 of two or more dimensions, and for one that is
    not float32 of shape (out,) with finite, positive values."""
    scales = {name.removesuffix(SCALE_SUFFIX): tensor for name, tensor in tensors.items() if name.endswith(SCALE_SUFFIX)}
    for name, scale in scales.items():
        _check_scale(name, scale, tensors.get(name))
    whole: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name in scales:
            whole[name] = tensor.float() * _per_channel(scales[name], tensor.ndim)
        elif not name.endswith(SCALE_SUFFIX):
            whole[name] = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    return whole


def _quantised(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 of the same shape and the scale per channel, float32."""
    # A channel of zeros, or of next to nothing, still needs a scale that is positive.
    largest = values.flatten(1).abs().amax(1).clamp(min=_MOST * torch.finfo(torch.float32).tiny * 2)
    best_scale, best_error = largest / _MOST, torch.full_like(largest, torch.inf)
    for ratio in CLIPPING_RATIOS:
        scale = largest * ratio / _MOST
        error = (_steps(values, scale) * _per_channel(scale, values.ndim) - values).flatten(1).square().sum(1)
        # Ties, as in a channel of zeros, go to the scale that cuts nothing off.
        best_scale = torch.where(error < best_error, scale, best_scale)
        best_error = torch.minimum(error, best_error)
    return _steps(values, best_scale).to(torch.int8), best_scale


def _steps(values: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return (values / _per_channel(scale, values.ndim)).round().clamp(-_MOST, _MOST)


def _per_channel(scale: torch.Tensor, dimensions: int) -> torch.Tensor:
    return scale.view(-1, *[1] * (dimensions - 1))


def _check_scale(name: str, scale: torch.Tensor, tensor: torch.Tensor | None) -> None:
    shown = repr(name[:80])
    if tensor is None:
        raise damaged(f"there is a scale for {shown}, but no such tensor")
    if tensor.dtype != torch.int8 or tensor.ndim < 2:
        raise damaged(f"there is a scale for {shown}, which is no 8-bit weight of two or more dimensions")
    if scale.dtype != torch.float32 or scale.shape != tensor.shape[:1]:
        raise damaged(f"the scale of the 8-bit weight {shown} is not one float32 number for each of its output channels")
    if not bool((torch.isfinite(scale) & (scale > 0)).all()):
        raise damaged(f"the scale of the 8-bit weight {shown} holds values that are not finite or not positive")
