"""An encoder of others with a linear head, in the form of the backbones: `forward_features`, `forward_head`, a linear classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Split(nn.Module):
    """`encoder` (B×3×S×S → features B×F, alone or as one of its outputs) and `classifier` on them; `unit`: on features of unit length, as
    detectors that learn on a hypersphere have it. `side_px` is S, None where any will do."""

    def __init__(self, encoder: nn.Module, classifier: nn.Linear, unit: bool = False, side_px: int | None = None) -> None:
        super().__init__()
        self.encoder, self.classifier, self.unit, self.side_px = encoder, classifier, unit, side_px
        self.head_hidden_size = classifier.in_features

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.forward_head(self.forward_features(inputs)))

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Features B×F as the encoder gives them."""
        found: Any = self.encoder(inputs)
        if isinstance(found, torch.Tensor):
            return found
        # A classifier of transformers whose last layer was taken out has its features where its logits were.
        return found.logits if hasattr(found, "logits") else found.pooler_output

    def forward_head(self, features: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        """What the classifier reads, B×F; with `pre_logits` False the logits."""
        read = functional.normalize(features, dim=1) if self.unit else features
        return read if pre_logits else self.classifier(read)

    def get_classifier(self) -> nn.Linear:
        return self.classifier
