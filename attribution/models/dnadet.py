"""DNA-Det (Yang et al., AAAI 2022, arXiv 2202.13843): its trunk and its head."""

import torch
from torch import nn
from torch.nn import functional

# It learns on patches of this side, and its patch view shows them.
PATCH_PX = 64
_CHANNELS = (64, 128, 256, 512)


class _Stage(nn.Module):
    """Conv 4×4 stride 2 → conv 3×3, each with batch normalisation and LeakyReLU 0.2: B×I×S×S → B×O×S/2×S/2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_halve = nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1)
        self.norm_halve = nn.BatchNorm2d(out_channels)
        self.conv_same = nn.Conv2d(out_channels, out_channels, 3, stride=1, padding=1)
        self.norm_same = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.leaky_relu(self.norm_halve(self.conv_halve(x)), 0.2)
        return functional.leaky_relu(self.norm_same(self.conv_same(x)), 0.2)


class OwnNetwork(nn.Module):
    """What networks that are not timm's share with timm's: `forward_features` (B×3×S×S → feature maps), `forward_head(…, pre_logits=True)`
    (→ features B×F) and a linear classifier (→ logits B×K), with dropout before it (`drop`)."""

    classifier: nn.Linear
    drop: nn.Module

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S → feature maps."""
        raise NotImplementedError

    def features(self, feature_maps: torch.Tensor) -> torch.Tensor:
        """Feature maps → B×F, what the classifier reads: by default their mean over places."""
        return feature_maps.mean((2, 3))

    def forward_head(self, feature_maps: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Feature maps → features B×F, or logits B×K."""
        features = self.features(feature_maps)
        return features if pre_logits else self.classifier(self.drop(features))

    def get_classifier(self) -> nn.Linear:
        """The linear classifier, as timm's backbones give theirs."""
        return self.classifier

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))


class DnaDet(OwnNetwork):
    """DNA-Det's trunk and head (Yang et al., AAAI 2022, arXiv 2202.13843): eight convolutions in four stages of 64, 128, 256 and 512
    channels, global average pooling to 512 features, dropout and a linear classifier; 5.9 M parameters.

    It works on pictures of any side from 16 px, so that a patch of 64×64 and a whole picture pass through the same network. `img_size`
    magnifies whole pictures to that side first (512 in the paper; 0 takes them as they are). `drop_rate` is for training.
    """

    def __init__(self, num_classes: int, img_size: int = 0, drop_rate: float = 0.2) -> None:
        super().__init__()
        self.num_classes, self.head_hidden_size, self.img_size = num_classes, _CHANNELS[-1], img_size
        self.stages = nn.Sequential(*(_Stage(i, o) for i, o in zip((3, *_CHANNELS), _CHANNELS, strict=False)))
        self.drop = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(self.head_hidden_size, num_classes)

    def magnified(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S at the side that whole pictures are read at."""
        if self.img_size in (0, x.shape[-1]):
            return x
        return functional.interpolate(x, size=(self.img_size, self.img_size), mode="bilinear", align_corners=False)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """B×3×S×S whole pictures → B×512×S'/16×S'/16."""
        return self.stages(self.magnified(x))

    def forward_patches(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """B×3×64×64 patches of magnified pictures → pooled features B×512 and logits B×K."""
        pooled = self.stages(x).mean((2, 3))
        return pooled, self.classifier(pooled)
