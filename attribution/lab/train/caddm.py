"""Training the ID-unaware detector (arXiv 2210.14457) and the plain binary detector beside it: the same faces in the same order with the
same changes, as Multi-scale Facial Swaps with boxes for the one, as they are for the other.

Loss = cross-entropy + 0.1 · (smooth L1 of the boxes + cross-entropy of the anchors); AdamW; gradients clipped by value. Mended against the
released code: boxes and anchors are both (x0, y0, x1, y1), so that a lying window meets a lying anchor; and an untouched picture, which has
no box at all, teaches its hardest anchors that nothing is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from torchvision.ops import box_iou

from attribution.errors import LabError
from attribution.lab import metrics
from attribution.lab.data import REAL, SIDE_PX, Row, find_data, read_manifest
from attribution.lab.forge.augment import movement, photometric
from attribution.lab.forge.mfs import HALVED_SHARE, KINDS, differs, half_resolution, multi_scale_swap
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.train import loop
from attribution.lab.train.frozen import FrozenStages
from attribution.lab.train.loop import RunSettings, Training, adamw, as_input, autocast, load_but, placed, rate, read_logits
from attribution.lab.train.sampling import STRENGTHS, Batch, BySource, check_pairs
from attribution.models.architectures import CADDM
from attribution.models.caddm import WHOLE_CROP_ANCHORS, anchors, build_caddm, encode

LEAST_OVERLAP = 0.5
NEGATIVES_PER_POSITIVE = 2
# A wholly swapped picture has the two anchors of the whole crop as positives; an untouched one gets as many negatives as that one.
NEGATIVES_WITHOUT_POSITIVE = NEGATIVES_PER_POSITIVE * WHOLE_CROP_ANCHORS

# Of one worker's step: swaps by method, and how many of these come with the untouched picture under them. The untouched rest comes from
# every collection alike, so that a collection does not give the answer away.
SWAPS: Mapping[str, int] = {"dfdc_swap": 9, "landmark_swap": 2, "self_blended": 3, "autoencoder_swap": 2}
WITH_BASE: Mapping[str, int] = {"dfdc_swap": 6, "landmark_swap": 1, "self_blended": 1, "autoencoder_swap": 1}
OTHER_UNTOUCHED = 7
_MOVED_SHARE = 0.45
_LEAST_OF_AREA, _LEAST_OF_PICTURE = 0.3, 0.05
_TRIES = 3


@dataclass(frozen=True)
class Settings(RunSettings):
    """One training run. `plain` trains the binary detector that the paper compares with: no Artifact Detection Module, no Multi-scale
    Facial Swap, the same faces. `start` is a safetensors file of the backbone; its first `frozen` stages (and the stem) stay as they are.
    `artifact_weight` is the share of the module's loss (0.1 in the paper). `shares` says how often which kind of Multi-scale Facial Swap is
    drawn, in the order of KINDS (empty: the paper's 0.4, 0.2, 0.2, 0.2)."""

    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    start: str = ""
    plain: bool = False
    architecture: str = CADDM
    model_args: dict[str, Any] = field(default_factory=lambda: {"pad_type": "same"})
    frozen: int = 2
    artifact_weight: float = 0.1
    shares: tuple[float, ...] = ()
    clip_value: float = 1.0


@dataclass(frozen=True)
class Targets:
    """`positive` B×A: which anchors must find something; `offsets` B×A×4 float32: from the anchor to its box, zero elsewhere."""

    positive: torch.Tensor
    offsets: torch.Tensor

    def to(self, device: str) -> Targets:
        return Targets(self.positive.to(device), self.offsets.to(device))


def match(boxes: Sequence[torch.Tensor], anchors: torch.Tensor) -> Targets:
    """Targets of B pictures with K_i×4 true boxes each (K_i may be 0) for A×4 anchors (paper §4.1; SSD: arXiv 1512.02325, §2.2). An anchor
    is positive for the box that it overlaps most, from an IoU of 0.5 on, and for a box that no other anchor overlaps as much."""
    positive = torch.zeros(len(boxes), len(anchors), dtype=torch.bool)
    offsets = torch.zeros(len(boxes), len(anchors), 4)
    for place, own in enumerate(boxes):
        if not len(own):
            continue
        overlap = box_iou(own, anchors)
        best_overlap, best_box = overlap.max(0)
        for number, anchor in enumerate(overlap.argmax(1).tolist()):
            best_overlap[anchor], best_box[anchor] = 2.0, number
        positive[place] = best_overlap >= LEAST_OVERLAP
        offsets[place, positive[place]] = encode(own[best_box], anchors)[positive[place]]
    return Targets(positive, offsets)


def hard_negatives(losses: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """The negatives that count, B×A boolean: of each picture those with the greatest loss, two for every positive, four without any."""
    own = positive.sum(1)
    wanted = torch.where(own > 0, NEGATIVES_PER_POSITIVE * own, NEGATIVES_WITHOUT_POSITIVE)
    order = losses.masked_fill(positive, -torch.inf).argsort(1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(losses.shape[1], device=losses.device).expand_as(order))
    return (rank < wanted[:, None]) & ~positive


def artifact_loss(logits: torch.Tensor, offsets: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
    """Where (smooth L1 over the positives' offsets) and whether (cross-entropy over positives and hard negatives), each summed over the
    batch and divided by its number of positives (at least 1). `logits` B×A×2, `offsets` B×A×4."""
    positive = targets.positive
    per_anchor = functional.cross_entropy(logits.flatten(0, 1), positive.flatten().long(), reduction="none").view(positive.shape)
    counted = positive | hard_negatives(per_anchor.detach(), positive)
    count = positive.sum().clamp(min=1)
    where = functional.smooth_l1_loss(offsets[positive], targets.offsets[positive], reduction="sum")
    return where / count, per_anchor[counted].sum() / count


class Net(nn.Module):
    """The detector with its losses. `forward` takes normalised B×3×224×224, labels B and targets, and gives the joint loss and its parts:
    cross-entropy, where and whether (zero for the plain detector), and the share of right answers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.detector = build_caddm(2, settings.model_args, artifacts=not settings.plain, architecture=settings.architecture)
        self.artifact_weight = settings.artifact_weight
        self._frozen = FrozenStages(self.detector.backbone, settings.frozen)

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        self._frozen.rest()
        return self

    def forward(self, x: torch.Tensor, y: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, ...]:
        detector = self.detector
        narrow = detector.narrowed(detector.forward_features(x))
        module, where, whether = detector.artifact_module, *torch.zeros(2, device=x.device)
        maps = module.maps(narrow) if module is not None else []
        logits = detector.classifier(detector.pooled(narrow, maps)).float()
        entropy = functional.cross_entropy(logits, y)
        if module is not None:
            class_logits, offsets = module.boxes(maps)
            where, whether = artifact_loss(class_logits.float(), offsets.float(), targets)
        loss = entropy + self.artifact_weight * (where + whether)
        return loss, entropy.detach(), where.detach(), whether.detach(), (logits.argmax(1) == y).float().mean()


def start_from(net: Net, file: Path) -> None:
    """Load the backbone from a safetensors file under timm's names, its classifier left out; LabError when it does not fit."""
    try:
        stored = load_file(file)
    except OSError as error:
        raise LabError("The file to start from cannot be read.", "Name a safetensors file of the backbone with --start.") from error
    load_but(("classifier",), net.detector.backbone, stored, "The file to start from does not fit the backbone.")


@dataclass(frozen=True)
class Move:
    """A mirror image, a rotation, a growth and a shift, the same for every picture and point that it is given."""

    mirrored: bool
    warp: np.ndarray | None

    @staticmethod
    def drawn(random: np.random.Generator, side: int) -> Move:
        """By chance, for pictures of `side` px."""
        chances, warp = random.random(2), movement(random, side)
        return Move(bool(chances[0] < 0.5), warp if chances[1] < _MOVED_SHARE else None)

    def picture(self, rgb: np.ndarray) -> np.ndarray:
        """S×S×3 uint8, moved."""
        if self.mirrored:
            rgb = np.ascontiguousarray(rgb[:, ::-1])
        if self.warp is None:
            return rgb
        return cv2.warpAffine(rgb, self.warp, rgb.shape[:2], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Landmarks 5×2 in pixels of a crop, moved; left stays left: mirrored ones change places."""
        if self.mirrored:
            points = np.stack([SIDE_PX - 1 - points[:, 0], points[:, 1]], 1)[[1, 0, 2, 4, 3]]
        if self.warp is None:
            return points.astype(np.float32)
        return (points @ self.warp[:, :2].T + self.warp[:, 2]).astype(np.float32)


class Sampler:
    """Draws batches with their boxes; the same (seed, step, rank) gives the same one, so a resumed run needs no state of it. `plain` leaves
    out the Multi-scale Facial Swap and nothing else; `shares` says how often it draws each of KINDS (empty: as the paper does)."""

    def __init__(
        self, samples: Samples, rows: Sequence[Row], seed: int, plain: bool = False, leave_out: Sequence[str] = (),
        shares: Sequence[float] = (),
    ) -> None:  # fmt: skip
        if shares and (len(shares) != len(KINDS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6):
            raise LabError(f"The shares of the swaps do not fit: {', '.join(KINDS)}.", "Give one for each, with a sum of 1.")
        self._samples, self._rows, self._seed, self._plain, self._shares = samples, rows, seed, plain, tuple(shares)
        check_pairs(samples, SWAPS)
        self.sources = BySource(samples, (REAL, *SWAPS), leave_out)

    def batch(self, step: int, rank: int) -> Batch:
        """The batch of one worker at one step: 224 px, labels 0 (untouched) and 1 (swapped), no boxes for untouched faces."""
        random = np.random.default_rng([self._seed, step, rank])
        chosen = [one for method, count in SWAPS.items() for one in self.sources.seeded(method, count, random, WITH_BASE[method])]
        chosen += self.sources.seeded(REAL, OTHER_UNTOUCHED, random)
        made = [self.made(index, seed) for index, seed in chosen]
        labels = np.array([int(self._samples.methods[index] != REAL) for index, _ in chosen])
        return Batch(np.stack([rgb for rgb, _ in made]), labels, tuple(boxes for _, boxes in made))

    def made(self, index: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """One sample, moved, swapped and changed, and its boxes."""
        # A stream each: a pair keeps its movement and its changes alike, whatever the swap between them draws.
        moving, swapping, changing = (np.random.default_rng([seed, stream]) for stream in range(3))
        move = Move.drawn(moving, self._samples.picture(index).shape[0])
        rgb = move.picture(self._samples.encoded(index))
        boxes = np.zeros((0, 4), np.float32)
        if self._samples.methods[index] != REAL:
            boxes = np.array([[0, 0, 1, 1]], np.float32)
            if not self._plain:
                base = int(self._samples.base[index])
                real, landmarks = move.picture(self._samples.encoded(base)), move.points(self._rows[base].landmarks)
                rgb, boxes = _swapped(real, rgb, landmarks, swapping, self._shares)
        elif not self._plain and swapping.random() < HALVED_SHARE:
            # As many untouched faces lose half of their resolution as swapped ones: a low resolution must not mean a swap.
            rgb = half_resolution(rgb)
        return photometric(rgb, changing, float(changing.choice(STRENGTHS))), boxes


def _swapped(
    real: np.ndarray, fake: np.ndarray, landmarks: np.ndarray, random: np.random.Generator, shares: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """A Multi-scale Facial Swap whose remaining difference can be seen, after three tries the fake as it is; and its boxes."""
    for _ in range(_TRIES):
        kind = str(random.choice(KINDS, p=shares)) if shares else None
        found = multi_scale_swap(real, fake, landmarks, random, kind)
        if found is None:
            continue
        if found.kind == "untouched":
            return found.rgb, found.boxes
        changed, least = differs(found.rgb, half_resolution(real) if found.halved else real), _LEAST_OF_PICTURE
        # Most of a fake frame is the untouched frame encoded once more: what is left of it must hold some of the manipulation.
        if found.kind != "real_into_fake":
            changed, least = changed[found.mask > 0.5], _LEAST_OF_AREA
        if changed.size and float(changed.mean()) >= least:
            return found.rgb, found.boxes
    return fake, np.array([[0, 0, 1, 1]], np.float32)


def _build(settings: Settings) -> Training:
    data, work, device = find_data(settings.data), Path(settings.work), settings.device
    rows = read_manifest(data)
    samples, val = (load_samples(rows, work, split) for split in ("train", "val"))
    own = [row for row in rows if row.split == "train"]
    sampler = Sampler(samples, own, settings.seed, settings.plain, settings.leave_out, settings.shares)
    net, every = Net(settings), anchors()
    start_from(net, Path(settings.start))
    fixed = np.flatnonzero(np.array(val.sources) == "dfdc")[::3]

    def step(net: nn.Module, step: int, rank: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        batch = sampler.batch(step, rank)
        targets = match([torch.from_numpy(own) for own in batch.boxes], every).to(device)
        with autocast(device):
            loss, *parts = net(as_input(batch.pictures, device), torch.from_numpy(batch.labels).to(device), targets)
        return loss, dict(zip(("entropy", "where", "whether", "right"), parts, strict=True))

    def look(net: Net) -> str:
        logits = read_logits(net.detector, val.encoded, fixed, device)
        score = metrics.auc(np.array([val.methods[int(index)] != REAL for index in fixed]), logits[:, 1] - logits[:, 0])
        return f"AUC on {len(fixed)} fixed validation faces of DFDC {score:.3f}"

    net = placed(net, device)
    return Training(
        net, adamw(net, settings.weight_decay), step, partial(rate, settings.learning_rate, settings.steps),
        clip=partial(nn.utils.clip_grad_value_, clip_value=settings.clip_value), ema=settings.ema, look=look, look_every=400,
        kept_as="detector.",
    )  # fmt: skip


train = partial(loop.train, build=_build)
