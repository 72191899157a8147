"""Anchors, offsets, matching and the loss of the Artifact Detection Module, against boxes computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from attribution.lab.train.caddm import NEGATIVES_WITHOUT_POSITIVE, artifact_loss, hard_negatives, match
from attribution.models.caddm import MAPS, anchors, decode, encode


def in_px(box: torch.Tensor) -> list[float]:
    return [round(float(value) * 224, 3) for value in box]


class TestAnchors:
    def test_there_are_168_inside_the_crop(self):
        every = anchors()
        assert every.shape == (168, 4)
        assert every.dtype == torch.float32
        assert sum(2 * cells * cells for cells, *_ in MAPS) == 168
        assert bool(((every >= 0) & (every <= 1)).all())
        assert bool((every[:, 2:] > every[:, :2]).all())

    @pytest.mark.parametrize(
        ("number", "box"),
        [
            # The first cell of 7×7 is centred on (16, 16): 40×80 upright, then lying, clipped at the left and the top.
            (0, [0, 0, 36, 56]),
            (1, [0, 0, 56, 36]),
            # One column further right: the centre moves in x, to (48, 16).
            (2, [28, 0, 68, 56]),
            # One row further down, first column: (16, 48).
            (14, [0, 8, 36, 88]),
            # The middle cell of 7×7 (row 3, column 3): (112, 112), nothing clipped.
            (48, [92, 72, 132, 152]),
            (49, [72, 92, 152, 132]),
            # 5×5 begins at 98: centres at 22.5 + 45·j; the middle one at (112.5, 112.5), 80×120.
            (98, [0, 0, 62.5, 82.5]),
            (122, [72.5, 52.5, 152.5, 172.5]),
            # 3×3 begins at 148: centres 37.5, 112.5, 187.5; 120×160.
            (156, [52.5, 32.5, 172.5, 192.5]),
            (157, [32.5, 52.5, 192.5, 172.5]),
            # 1×1: the whole crop, twice.
            (166, [0, 0, 224, 224]),
            (167, [0, 0, 224, 224]),
        ],
    )
    def test_by_hand(self, number: int, box: list[float]):
        assert in_px(anchors()[number]) == pytest.approx(box, abs=1e-3)


class TestOffsets:
    def test_by_hand(self):
        # Anchor 40×80 px at (112, 112); box 60×40 px at (120, 96): shifts 8/40 and −16/80 over 0.1, growths 60/40 and 40/80 over 0.2.
        anchor = torch.tensor([[92.0, 72, 132, 152]]) / 224
        box = torch.tensor([[90.0, 76, 150, 116]]) / 224
        wanted = [8 / 40 / 0.1, -16 / 80 / 0.1, math.log(1.5) / 0.2, math.log(0.5) / 0.2]
        assert encode(box, anchor)[0].tolist() == pytest.approx(wanted, abs=1e-4)

    def test_decoding_takes_encoding_back(self):
        torch.manual_seed(1)
        corner, size = torch.rand(168, 2) * 0.6, 0.1 + torch.rand(168, 2) * 0.3
        boxes = torch.cat([corner, corner + size], 1)
        assert torch.allclose(decode(encode(boxes, anchors()), anchors()), boxes, atol=1e-5)

    def test_any_offset_gives_a_box_inside_the_crop(self):
        for offsets in (torch.full((168, 4), 1e4), torch.full((168, 4), -1e4), torch.zeros(168, 4)):
            found = decode(offsets, anchors())
            assert bool(torch.isfinite(found).all())
            assert bool(((found >= 0) & (found <= 1)).all())


class TestMatching:
    def test_the_whole_crop_meets_its_own_anchors_only(self):
        found = match([torch.tensor([[0.0, 0, 1, 1]])], anchors())
        assert found.positive[0].nonzero().flatten().tolist() == [166, 167]
        assert found.offsets[0, 166].abs().max() < 1e-6

    def test_a_lying_window_meets_the_lying_anchor(self):
        window = torch.tensor([[72.0, 92, 152, 132]]) / 224
        positive = match([window], anchors()).positive[0].nonzero().flatten().tolist()
        # The upright anchor of the same cell overlaps it by 40·40 / (2·3200 − 1600) = 1/3 only.
        assert 49 in positive
        assert 48 not in positive

    def test_every_box_has_an_anchor_however_small_the_overlap(self):
        tiny = torch.tensor([[100.0, 100, 112, 112]]) / 224
        found = match([tiny], anchors())
        assert found.positive.sum() == 1
        where = int(found.positive[0].nonzero())
        assert torch.allclose(decode(found.offsets[0, where], anchors()[where]), tiny[0], atol=1e-5)

    def test_each_anchor_takes_the_box_it_overlaps_most(self):
        boxes = torch.tensor([[0.0, 0, 224, 224], [92, 72, 132, 152]]) / 224
        found = match([boxes], anchors())
        assert torch.allclose(decode(found.offsets[0, 48], anchors()[48]), boxes[1], atol=1e-5)
        assert torch.allclose(decode(found.offsets[0, 167], anchors()[167]), boxes[0], atol=1e-5)


class TestLoss:
    def test_two_hardest_negatives_for_every_positive(self):
        losses = torch.tensor([[5.0, 1, 2, 3, 4, 0]])
        positive = torch.tensor([[True, False, False, False, False, False]])
        assert hard_negatives(losses, positive)[0].tolist() == [False, False, False, True, True, False]

    def test_an_untouched_face_teaches_its_hardest_anchors(self):
        """The released code of the paper gives untouched faces no anchor loss at all."""
        logits, offsets = torch.zeros(1, 168, 2), torch.zeros(1, 168, 4)
        logits[0, 7, 1] = 3.0
        logits.requires_grad_(True)
        where, whether = artifact_loss(logits, offsets, match([torch.zeros(0, 4)], anchors()))
        assert where == 0
        # Three anchors at log 2 and the one that sees an artifact where there is none: log(1 + e³).
        assert whether.item() == pytest.approx((NEGATIVES_WITHOUT_POSITIVE - 1) * math.log(2) + math.log(1 + math.exp(3)), abs=1e-4)
        whether.backward()
        assert logits.grad is not None
        assert logits.grad[0, 7, 1] > 0 > logits.grad[0, 7, 0]

    def test_by_hand_with_positives(self):
        """A wholly swapped face: two positives, four negatives, all at log 2, over two positives; offsets off by 0.5 and by 2."""
        targets = match([torch.tensor([[0.0, 0, 1, 1]])], anchors())
        offsets = torch.zeros(1, 168, 4)
        offsets[0, 166, 0], offsets[0, 167, 3] = 0.5, 2.0
        where, whether = artifact_loss(torch.zeros(1, 168, 2), offsets, targets)
        assert float(where) == pytest.approx((0.5 * 0.5**2 + (2.0 - 0.5)) / 2, abs=1e-5)
        assert float(whether) == pytest.approx(6 * math.log(2) / 2, abs=1e-5)
