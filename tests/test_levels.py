"""The network of which every stage of its backbones has a say."""

from typing import Any

import pytest
import torch

from attribution.models.architectures import LEVELS
from attribution.models.backbones import build_backbone, features


@pytest.fixture(scope="module", params=LEVELS)
def net(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(3)
    net: Any = build_backbone(request.param, 4, {"pad_type": "same"})
    with torch.no_grad():
        # Standardisation that is not the identity.
        net.norm.running_mean.uniform_(-1, 1)
        net.norm.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(4))


def test_its_features_are_the_standardised_means_of_every_stage_of_both_backbones(net, pictures: torch.Tensor):
    means = list[torch.Tensor]()
    with torch.no_grad():
        for trunk in net.trunks:
            x = trunk.bn1(trunk.conv_stem(pictures))
            for stage in (torch.nn.Identity(), *trunk.blocks):
                x = stage(x)
                means.append(x.mean((2, 3)))
        whole = torch.cat(means, 1)
        pooled, logits = features(net, pictures)
    assert len(net.trunks) == 2
    assert pooled.shape == (2, net.head_hidden_size) == whole.shape == (2, 744 + 888)
    expected = (whole - net.norm.running_mean) / (net.norm.running_var + net.norm.eps).sqrt()
    torch.testing.assert_close(pooled, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits, net.classifier(expected), atol=1e-4, rtol=1e-4)


def test_a_logit_is_the_mean_of_what_its_places_say(net, pictures: torch.Tensor):
    with torch.no_grad():
        maps = net.forward_features(pictures)
        cells = net.classifier(maps.permute(0, 2, 3, 1))
        assert maps.shape[2:] == (6, 6), "all stages on the grid of stride 16"
        torch.testing.assert_close(cells.mean((1, 2)), net(pictures), atol=1e-4, rtol=1e-4)
