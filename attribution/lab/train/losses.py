"""The contrastive losses, by pytorch-metric-learning (their only door). Each takes unit embeddings B×D and labels B."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_metric_learning import losses, miners

Contrastive = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _triplet() -> Contrastive:
    loss, miner = losses.TripletMarginLoss(margin=0.2), miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")
    return lambda embeddings, labels: loss(embeddings, labels, miner(embeddings, labels))


CONTRASTIVE: dict[str, Callable[[], Contrastive]] = {
    "supcon": lambda: losses.SupConLoss(temperature=0.1),
    "ntxent": lambda: losses.NTXentLoss(temperature=0.1),
    "triplet": _triplet,
}


def supervised_contrastive(temperature: float) -> Contrastive:
    """Khosla et al. 2020 (arXiv 2004.11362, eq. 2): the positives of a sample are all others of its class."""
    return losses.SupConLoss(temperature=temperature)
