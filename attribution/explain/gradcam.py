"""Where the network looked: Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) for any face and any class, with a faithfulness figure.

Where the explained layer is the last before pooling, the gradient needs the head only: one forward pass without a graph and a backward
pass through the head give the same map as the grad-cam package (a test holds them to it) at a third of its cost. For the other
architectures (such as ViTs that answer by their class token) the package does the work, one forward pass and a backward pass down to the
explained layer per batch.
"""

import copy
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from attribution.detectors.predictor import Predictor
from attribution.evidence import Heatmap
from attribution.models.backbones import head
from attribution.models.explained import as_maps, explained, explained_layer

AREA_SHARE, RANDOM_AREAS = 0.2, 8
_BATCH, _SEED = 16, 20180619


def heatmaps(predictor: Predictor, crops: np.ndarray, labels: Sequence[str]) -> list[Heatmap]:
    """N×S×S×3 uint8 crops → a Heatmap each, the i-th explaining the i-th label.

    `values` are S×S in [0, 1], each map scaled to its own range (all zeros where nothing speaks for the class). Raises ValueError for
    a label that the detector does not have or crops that do not match in number, shape or type.
    """
    crops = predictor.checked(crops)
    if len(crops) != len(labels):
        raise ValueError(f"{len(crops)} crops but {len(labels)} labels")
    strangers = sorted(set(labels) - set(predictor.info.labels))
    if strangers:
        raise ValueError(f"the detector has no label {strangers[0]!r}")
    classes = [predictor.info.labels.index(label) for label in labels]
    quick = explained(predictor.model, predictor.detector.architecture).is_feature_map
    grad_cam = grad_cam_through_the_head if quick else grad_cam_of_the_package
    found: list[Heatmap] = []
    for first in range(0, len(crops), _BATCH):
        part = slice(first, first + _BATCH)
        maps = grad_cam(predictor, crops[part], classes[part])
        found += _with_faithfulness(predictor, crops[part], maps, classes[part])
    return found


def grad_cam_through_the_head(predictor: Predictor, crops: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """B×S×S float32 maps in [0, 1] from one forward pass and the gradient of the head alone."""
    model, architecture = predictor.model, predictor.detector.architecture
    with torch.no_grad():
        features = model.forward_features(predictor.inputs(crops))  # type: ignore[operator]
    with torch.enable_grad():
        features = features.detach().requires_grad_(True)
        logits = head(model, features)[1]
        chosen = logits[torch.arange(len(classes)), torch.tensor(classes, device=logits.device)].sum()
        (gradient,) = torch.autograd.grad(chosen, features)
    side = crops.shape[1], crops.shape[1]
    maps = speaking_for(features, gradient, model, architecture)
    return np.stack([_unit(cv2.resize(_unit(one), side, interpolation=cv2.INTER_LINEAR)) for one in maps])


def speaking_for(features: torch.Tensor, gradient: torch.Tensor, model: nn.Module, architecture: str) -> np.ndarray:
    """B×h×w float32 of at least 0: the maps of a layer, each weighted by its mean gradient (Selvaraju et al. 2017, eq. 1 and 2)."""
    weights = as_maps(gradient, model, architecture).mean(dim=(2, 3), keepdim=True)
    return (weights * as_maps(features.detach(), model, architecture)).sum(dim=1).clamp(min=0).float().cpu().numpy()


def grad_cam_of_the_package(predictor: Predictor, crops: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """B×S×S float32 maps in [0, 1] by pytorch_grad_cam: the reference, and the way for layers with more than the head above them."""
    # The package takes seconds to import, and most architectures never need it.
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    architecture = predictor.detector.architecture
    # The same network on the same weights: hooks on the shared one would record whatever else passes through it meanwhile.
    shared: Any = {id(tensor): tensor for tensor in (*predictor.model.parameters(), *predictor.model.buffers())}
    model = copy.deepcopy(predictor.model, shared)
    layer = explained_layer(model, architecture)
    # The weights are frozen, so the graph that the package walks back begins where we say: at its layer, whatever lies below needs none.
    layer.register_forward_hook(lambda *call: call[-1].detach().requires_grad_(True))
    targets: Any = [ClassifierOutputTarget(number) for number in classes]
    with torch.enable_grad(), GradCAM(model, [layer], lambda out: as_maps(out, model, architecture)) as cam:
        return np.clip(cam(predictor.inputs(crops), targets), 0, 1)


def _unit(values: np.ndarray) -> np.ndarray:
    """A map scaled to its own range; one without any contrast becomes 0."""
    spread = float(values.max() - values.min())
    return ((values - values.min()) / spread if spread > 1e-12 else np.zeros_like(values)).astype(np.float32)


def _with_faithfulness(predictor: Predictor, crops: np.ndarray, maps: np.ndarray, classes: Sequence[int]) -> list[Heatmap]:
    """Deletion (Petsiuk et al. 2018, RISE, arXiv 1806.07421, §4.1) in one step: blur the hottest fifth, and random ones of equally blotchy
    shape, and see how far the class falls, as a probability and on the log-odds, where a sure answer can still fall."""
    side = crops.shape[1]
    # Areas of the size of `_hottest` and of a heatmap's grain (a 7×7 field made smooth), always the same ones.
    fields = np.random.RandomState(_SEED).rand(RANDOM_AREAS, 7, 7).astype(np.float32)
    random_areas = [_hottest(cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)) for field in fields]
    variants = []
    for crop, values in zip(crops, maps, strict=True):
        blurred = cv2.GaussianBlur(crop, (0, 0), sigmaX=side / 16)
        areas = [_hottest(values), *random_areas]
        variants += [crop, *(np.where(area[:, :, None], blurred, crop) for area in areas)]
    read = predictor.read(np.stack(variants))
    each = np.repeat(classes, 2 + RANDOM_AREAS)
    odds = log_odds(read.logits / predictor.card.calibration.temperature, each).reshape(len(crops), -1)
    p = read.p_methods[np.arange(len(each)), each].reshape(len(crops), -1)
    found = []
    for values, number, own_p, own_odds in zip(maps, classes, p, odds, strict=True):
        drops, falls = (own_p[0] - own_p[1:]).tolist(), (own_odds[0] - own_odds[1:]).tolist()
        label, values = predictor.info.labels[number], values.astype(np.float32)
        drop, fall = (drops[0], float(np.mean(drops[1:]))), (float(own_odds[0]), falls[0], tuple(falls[1:]))
        found.append(Heatmap(label, values, float(own_p[0]), *drop, *fall))
    return found


def log_odds(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """N×K logits and a class for each row → N float64: log p − log(1 − p) of p = softmax(logits)[class], taken from the logits, so that it
    keeps its resolution where p is 1 to all digits of a float."""
    logits, rows = logits.astype(np.float64), np.arange(len(classes))
    others = logits.copy()
    others[rows, classes] = -np.inf
    return logits[rows, classes] - np.logaddexp.reduce(others, axis=1)


def _hottest(values: np.ndarray) -> np.ndarray:
    """S×S bool: the hottest fifth of the area, exactly; ties by position."""
    count = round(AREA_SHARE * values.size)
    area = np.zeros(values.size, dtype=bool)
    area[np.argsort(-values, axis=None, kind="stable")[:count]] = True
    return area.reshape(values.shape)
