"""The quick gradient equals PyTorch's own."""

from __future__ import annotations

import copy

import torch

from attribution.lab.train.depthwise import _Depthwise3x3Stride2, quicken
from attribution.models.backbones import build_backbone


def test_gradients_are_right_by_finite_differences():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 6, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_Depthwise3x3Stride2.apply, (x, weight))


def test_a_whole_network_learns_the_same():
    torch.manual_seed(0)
    plain = build_backbone("mobilenetv2_100", 3, {"pad_type": "same"}).double().train()
    quick = copy.deepcopy(plain)
    assert quicken(quick) == 4
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    outputs = [net(x) for net in (plain, quick)]
    assert torch.allclose(*outputs)
    for output in outputs:
        output.square().sum().backward()
    largest = max(float(p.grad.abs().max()) for p in plain.parameters() if p.grad is not None)
    for one, two in zip(plain.parameters(), quick.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert torch.allclose(one.grad, two.grad, atol=1e-9 * largest)


def test_large_kernels_are_computed_in_single_precision():
    torch.manual_seed(0)
    plain = build_backbone("tf_efficientnet_lite0", 3).train()
    quick = copy.deepcopy(plain)
    assert quicken(quick) > sum(layer.kernel_size == (5, 5) for layer in plain.modules() if isinstance(layer, torch.nn.Conv2d)) > 0
    # The channels of its first such layer, on a bfloat16 input.
    name, layer = next((n, m) for n, m in plain.named_modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (5, 5))
    x = torch.randn(2, layer.in_channels, 16, 16).bfloat16()
    exact = layer(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        rough, single = layer(x), quick.get_submodule(name)(x)
    assert single.dtype == x.dtype
    assert torch.equal(single, exact.bfloat16())
    assert not torch.equal(rough, single)


def test_networks_without_such_layers_are_left_alone():
    assert quicken(build_backbone("resnet18", 3)) == 0
