"""Weights in 8 bits: small, near to what they were, and refused when something about them does not fit."""

from __future__ import annotations

import re

import pytest
import torch

from attribution.detectors.eight_bit import CLIPPING_RATIOS, SCALE_SUFFIX, compress, expand
from attribution.errors import DamagedDetector

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def some_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "conv.weight": torch.randn(32, 16, 4, 4),
        "conv.bias": torch.randn(32),
        "small.weight": torch.randn(5, 100),
        "long.bias": torch.randn(8192),
        "norm.running_mean": torch.randn(32),
        "norm.running_var": torch.rand(32) * 1e-6,
        "norm.num_batches_tracked": torch.tensor(1234567),
        "mask": torch.tensor([True, False]),
    }


def test_what_becomes_of_every_kind_of_tensor() -> None:
    state, small = some_state(), compress(some_state())
    assert {name: tensor.dtype for name, tensor in small.items()} == {
        "conv.weight": torch.int8,
        "conv.weight::scale": torch.float32,
        "conv.bias": torch.float16,
        "small.weight": torch.float16,
        "long.bias": torch.float16,
        "norm.running_mean": torch.float32,
        "norm.running_var": torch.float32,
        "norm.num_batches_tracked": torch.int64,
        "mask": torch.bool,
    }
    assert small["conv.weight::scale"].shape == (32,)
    for name in ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked", "mask"):
        assert torch.equal(small[name], state[name])
    assert all(tensor.is_contiguous() for tensor in small.values())


def test_expanding_gives_every_name_and_shape_back_in_float32() -> None:
    state, whole = some_state(), expand(compress(some_state()))
    assert list(whole) == list(state)
    for name, tensor in state.items():
        assert whole[name].shape == tensor.shape
        assert whole[name].dtype == tensor.dtype
        if tensor.is_floating_point():
            # Steps of 3 to 4 standard deviations over 127, and a uniform error within half a step.
            assert (whole[name] - tensor).square().mean().sqrt() <= 0.012 * tensor.std()


def test_the_least_number_of_values_decides() -> None:
    state = {"weight": torch.randn(8, 8)}
    assert compress(state, least_values=64)["weight"].dtype == torch.int8
    assert compress(state, least_values=65)["weight"].dtype == torch.float16


def scale_of(weight: torch.Tensor) -> torch.Tensor:
    """The plain scale per channel, which cuts nothing off."""
    return weight.abs().amax(1, keepdim=True) / 127


def test_each_channel_has_the_best_scale_of_the_grid() -> None:
    torch.manual_seed(1)
    weight = torch.randn(24, 4000) * torch.logspace(-4, 2, 24)[:, None]
    weight[3, 7] *= 3
    small = compress({"w": weight}, 1)
    errors = (expand(small)["w"] - weight).square().sum(1)
    for ratio in CLIPPING_RATIOS:
        scale = scale_of(weight) * ratio
        by_hand = ((weight / scale).round().clamp(-127, 127) * scale - weight).square().sum(1)
        assert (errors <= by_hand * (1 + 1e-5)).all()
    assert CLIPPING_RATIOS[0] == 1
    chosen = small["w" + SCALE_SUFFIX] * 127 / weight.abs().amax(1)
    assert chosen.min() < 0.99, "where many values gain by it, it pays to cut off the largest"
    assert errors.sum() < 0.99 * ((weight / scale_of(weight)).round() * scale_of(weight) - weight).square().sum()
    assert (errors.sqrt() / weight.norm(dim=1) < 0.03).all(), "small channels are as exact as large ones"


@pytest.mark.parametrize("values", [0.0, 1e-45, 1e-38, 1e30])
def test_channels_of_any_size_keep_a_usable_scale(values: float) -> None:
    small = compress({"w": torch.full((4, 2048), values)})
    assert (small["w::scale"] > 0).all()
    assert torch.allclose(expand(small)["w"], torch.full((4, 2048), values), rtol=0.01, atol=1e-35)


def test_what_half_precision_cannot_hold_stays_whole() -> None:
    state = {"bias": torch.tensor([1e6, -3.0]), "fine": torch.tensor([1e3, -3.0])}
    assert torch.equal(compress(state)["bias"], state["bias"])
    assert compress(state)["fine"].dtype == torch.float16


@pytest.mark.parametrize("dtype", FLOATS)
def test_any_floating_kind_is_compressed(dtype: torch.dtype) -> None:
    weight = torch.randn(4, 2048).to(dtype).requires_grad_()
    small = compress({"w": weight})
    assert small["w"].dtype == torch.int8
    assert not small["w::scale"].requires_grad
    assert (expand(small)["w"] - weight.detach().float()).square().mean().sqrt() < 0.012


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("shape", [(2, 2048), (3,)])
def test_values_that_are_not_finite_are_refused(value: float, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="kept for the scales"):
        compress({"w::scale": torch.zeros(3)})
    weight = torch.zeros(shape)
    weight.view(-1)[1] = value
    with pytest.raises(ValueError, match="not finite"):
        compress({"w": weight})


def test_tensors_without_scales_are_left_as_they_are() -> None:
    tensors = {
        "half": torch.randn(4).half(), "whole": torch.randn(4), "brain": torch.randn(4).bfloat16(), "double": torch.randn(4).double(),
        "count": torch.tensor(3), "bytes": torch.ones(3, 3, dtype=torch.int8),
    }  # fmt: skip
    found = expand(tensors)
    assert list(found) == list(tensors)
    assert all(torch.equal(found[name].double(), tensor.double()) for name, tensor in tensors.items())
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        "half": torch.float32,
        "whole": torch.float32,
        "brain": torch.float32,
        "double": torch.float64,
        "count": torch.int64,
        "bytes": torch.int8,
    }


EIGHT = torch.ones(4, 3, dtype=torch.int8)
GOOD = torch.ones(4)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"w::scale": GOOD}, "but no such tensor"),
        ({"w": EIGHT, "w::scale": GOOD, "w::scale::scale": GOOD}, "no 8-bit weight"),
        ({"w": torch.ones(4, 3), "w::scale": GOOD}, "no 8-bit weight"),
        ({"w": EIGHT.to(torch.uint8), "w::scale": GOOD}, "no 8-bit weight"),
        ({"w": torch.ones(4, dtype=torch.int8), "w::scale": GOOD}, "no 8-bit weight"),
        ({"w": EIGHT, "w::scale": torch.ones(3)}, "one float32 number for each"),
        ({"w": EIGHT, "w::scale": torch.ones(4, 1)}, "one float32 number for each"),
        ({"w": EIGHT, "w::scale": torch.tensor(1.0)}, "one float32 number for each"),
        ({"w": EIGHT, "w::scale": GOOD.half()}, "one float32 number for each"),
        ({"w": EIGHT, "w::scale": torch.tensor([1.0, float("nan"), 1, 1])}, "not finite or not positive"),
        ({"w": EIGHT, "w::scale": torch.tensor([1.0, 1, 0, 1])}, "not finite or not positive"),
        ({"w": EIGHT, "w::scale": torch.tensor([1.0, 1, 1, -1])}, "not finite or not positive"),
    ],
)
def test_scales_that_do_not_fit_are_refused_in_any_order(tensors: dict[str, torch.Tensor], said: str) -> None:
    for names in (list(tensors), list(tensors)[::-1]):
        with pytest.raises(DamagedDetector, match=said) as caught:
            expand({name: tensors[name] for name in names})
        assert re.fullmatch(r"The .*\. Get the detector again from its source\.", str(caught.value))


def test_a_sentence_never_holds_a_name_of_any_length() -> None:
    with pytest.raises(DamagedDetector) as caught:
        expand({"x" * 10_000 + SCALE_SUFFIX: GOOD})
    assert len(str(caught.value)) < 250
