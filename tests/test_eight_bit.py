"""Weights in 8 bits: small, near to what they were, and refused when something about them does not fit."""

from __future__ import annotations

import re

import pytest
import torch

from attribution.detectors.eight_bit import CLIPPING_RATIOS, SCALE_SUFFIX, compress, expand
from attribution.errors import DamagedDetector


def some_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "conv.weight": torch.randn(32, 16, 4, 4), "conv.bias": torch.randn(32), "small.weight": torch.randn(5, 100),
        "long.bias": torch.randn(8192), "norm.running_mean": torch.randn(32), "norm.running_var": torch.rand(32) * 1e-6,
        "norm.num_batches_tracked": torch.tensor(1234567), "mask": torch.tensor([True, False]),
    }  # fmt: skip


def kinds(tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    return {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()}


def test_what_becomes_of_every_kind_of_tensor_and_that_it_comes_back() -> None:
    state, small = some_state(), compress(some_state())
    assert kinds(small) == {
        "conv.weight": "int8", "conv.weight::scale": "float32", "conv.bias": "float16", "small.weight": "float16", "long.bias": "float16",
        "norm.running_mean": "float32", "norm.running_var": "float32", "norm.num_batches_tracked": "int64", "mask": "bool",
    }  # fmt: skip
    assert small["conv.weight::scale"].shape == (32,)
    for name in ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked", "mask"):
        assert torch.equal(small[name], state[name])
    assert all(tensor.is_contiguous() for tensor in small.values())
    whole = expand(small)
    assert list(whole) == list(state)
    assert kinds(whole) == kinds(state)
    for name, tensor in state.items():
        assert whole[name].shape == tensor.shape
        if tensor.is_floating_point():
            # Steps of 3 to 4 standard deviations over 127, and a uniform error within half a step.
            assert (whole[name] - tensor).square().mean().sqrt() <= 0.012 * tensor.std()


def test_the_least_number_of_values_decides_and_what_half_precision_cannot_hold_stays_whole() -> None:
    state = {"weight": torch.randn(8, 8), "bias": torch.tensor([1e6, -3.0]), "fine": torch.tensor([1e3, -3.0])}
    assert kinds(compress(state, 64)) == {"weight": "int8", "weight::scale": "float32", "bias": "float32", "fine": "float16"}
    assert kinds(compress(state, 65)) == {"weight": "float16", "bias": "float32", "fine": "float16"}
    assert torch.equal(compress(state)["bias"], state["bias"])


def test_each_channel_has_the_best_scale_of_the_grid() -> None:
    torch.manual_seed(1)
    weight = torch.randn(24, 4000) * torch.logspace(-4, 2, 24)[:, None]
    weight[3, 7] *= 3
    small, plain = compress({"w": weight}, 1), weight.abs().amax(1, keepdim=True) / 127
    errors = (expand(small)["w"] - weight).square().sum(1)
    for ratio in CLIPPING_RATIOS:
        scale = plain * ratio
        by_hand = ((weight / scale).round().clamp(-127, 127) * scale - weight).square().sum(1)
        assert (errors <= by_hand * (1 + 1e-5)).all()
    assert CLIPPING_RATIOS[0] == 1
    chosen = small["w" + SCALE_SUFFIX] * 127 / weight.abs().amax(1)
    assert chosen.min() < 0.99, "where many values gain by it, it pays to cut off the largest"
    assert errors.sum() < 0.99 * ((weight / plain).round() * plain - weight).square().sum()
    assert (errors.sqrt() / weight.norm(dim=1) < 0.03).all(), "small channels are as exact as large ones"


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-38, 1e30])
def test_channels_of_any_size_keep_a_usable_scale(value: float) -> None:
    small = compress({"w": torch.full((4, 2048), value)})
    assert (small["w::scale"] > 0).all()
    assert torch.allclose(expand(small)["w"], torch.full((4, 2048), value), rtol=0.01, atol=1e-35)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_kind_is_compressed(dtype: torch.dtype) -> None:
    weight = torch.randn(4, 2048).to(dtype).requires_grad_()
    small = compress({"w": weight})
    assert small["w"].dtype == torch.int8
    assert not small["w::scale"].requires_grad
    assert (expand(small)["w"] - weight.detach().float()).square().mean().sqrt() < 0.012


@pytest.mark.parametrize("shape", [(2, 2048), (3,)])
def test_what_cannot_be_compressed_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="kept for the scales"):
        compress({"w::scale": torch.zeros(3)})
    for value in (float("nan"), float("inf"), -float("inf")):
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
    assert all(torch.equal(found[name].double(), tensor.double()) for name, tensor in tensors.items())
    assert list(kinds(found).items()) == list(kinds({**tensors, "half": torch.ones(1), "brain": torch.ones(1)}).items())


EIGHT, GOOD = torch.ones(4, 3, dtype=torch.int8), torch.ones(4)
ALONE, NOT_EIGHT = "but no such tensor", "no 8-bit weight"
SHAPE, VALUES = "one float32 number for each", "not finite or not positive"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"w::scale": GOOD}, ALONE), ({"w": EIGHT, "w::scale": GOOD, "w::scale::scale": GOOD}, NOT_EIGHT),
        *(({"w": one, "w::scale": GOOD}, NOT_EIGHT) for one in (torch.ones(4, 3), EIGHT.to(torch.uint8), EIGHT[:, 0])),
        *(({"w": EIGHT, "w::scale": one}, SHAPE) for one in (torch.ones(3), torch.ones(4, 1), torch.tensor(1.0), GOOD.half())),
        *(({"w": EIGHT, "w::scale": torch.tensor([1.0, one, 1, 1])}, VALUES) for one in (float("nan"), 0.0, -1.0)),
        ({"x" * 10_000 + SCALE_SUFFIX: GOOD}, ALONE),
    ],
)  # fmt: skip
def test_scales_that_do_not_fit_are_refused_in_any_order(tensors: dict[str, torch.Tensor], said: str) -> None:
    for names in (list(tensors), list(tensors)[::-1]):
        with pytest.raises(DamagedDetector, match=said) as caught:
            expand({name: tensors[name] for name in names})
        assert re.fullmatch(r"The .*\. Get the detector again from its source\.", str(caught.value))
        assert len(str(caught.value)) < 250, "never a name of any length"
