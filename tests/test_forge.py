"""The lab's own forgeries: they change the face and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.lab.forge.autoencoder import EMBEDDED, UPSAMPLINGS, load_autoencoder
from attribution.lab.forge.swaps import (
    autoencoder_swap,
    blend,
    choose_donor,
    face_mask,
    face_outline,
    landmark_swap,
    match_colour,
    self_blend,
)

LANDMARKS = np.array([[68, 63], [160, 63], [114, 115], [76, 165], [152, 165]], np.float32)


def picture(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 215, (14, 14, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 16, 0), 16, 1)


def outside(mask: np.ndarray) -> np.ndarray:
    """Beyond the mask's bounding box: within it OpenCV's Poisson blending also shades what lies beside the mask."""
    rows, columns = np.nonzero(mask > 1e-3)
    beyond = np.ones(mask.shape, bool)
    beyond[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
    return beyond


def test_outline_follows_the_landmarks():
    here = face_outline(LANDMARKS)
    moved = face_outline(LANDMARKS + np.array([20, -10]))
    assert np.allclose(moved - here, [20, -10], atol=1e-2)
    assert here[:, 1].max() > LANDMARKS[3:, 1].max(), "the chin lies below the mouth"


def test_mask_is_a_soft_share_over_the_face():
    for seed in range(12):
        mask = face_mask(LANDMARKS, 224, np.random.default_rng(seed))
        assert mask.shape == (224, 224)
        assert mask.dtype == np.float32
        assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6
        assert mask[150, 114] > 0.5, "between nose and mouth there is always face"
        assert mask[2, 2] == 0


@pytest.mark.parametrize("seed", range(8))
def test_landmark_swap_changes_the_face_only(seed: int):
    target, donor = picture(1), picture(2)
    forged = landmark_swap(target, LANDMARKS, donor, LANDMARKS + 4, np.random.default_rng(seed))
    assert forged.rgb.shape == target.shape
    assert forged.rgb.dtype == np.uint8
    change = np.abs(forged.rgb.astype(int) - target).max(2)
    assert change[outside(forged.mask)].max() <= 2
    assert change[forged.mask > 0.9].mean() > 5


@pytest.mark.parametrize("seed", range(8))
def test_self_blend_keeps_the_picture_recognisable(seed: int):
    target = picture(3)
    forged = self_blend(target, LANDMARKS, np.random.default_rng(seed))
    assert forged.rgb.shape == target.shape
    assert not np.array_equal(forged.rgb, target)
    assert np.abs(forged.rgb.astype(int) - target).mean() < 40


def test_the_shipped_autoencoder_draws_faces_again_in_every_way():
    network = load_autoencoder(EMBEDDED)
    target = picture(4)
    drawn = [network.resynthesise(target, kind) for kind in UPSAMPLINGS]
    assert all(one.shape == target.shape and one.dtype == np.uint8 for one in drawn)
    assert len({one.tobytes() for one in drawn}) == len(UPSAMPLINGS), "every up-sampling leaves its own traces"
    forged = autoencoder_swap(target, LANDMARKS, network, np.random.default_rng(0))
    assert np.abs(forged.rgb.astype(int) - target).max(2)[outside(forged.mask)].max() <= 2


def test_the_same_seed_gives_the_same_forgery():
    target, donor = picture(5), picture(6)
    one, two = (landmark_swap(target, LANDMARKS, donor, LANDMARKS, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one.rgb, two.rgb)


def test_colour_matching_moves_the_mean():
    dark, light = np.full((64, 64, 3), 60, np.uint8), np.full((64, 64, 3), 180, np.uint8)
    matched = match_colour(dark, light, np.ones((64, 64), np.float32))
    assert abs(float(matched.mean()) - 180) < 6


@pytest.mark.parametrize("poisson", [True, False])
def test_blending_stays_where_the_mask_is(poisson: bool):
    mask = np.zeros((100, 100), np.float32)
    mask[20:50, 55:90] = 1
    face, ground = picture(7)[:100, :100], picture(8)[:100, :100]
    change = np.abs(blend(face, ground, mask, poisson).astype(int) - ground).max(2)
    rows, columns = np.nonzero(change > 3)
    assert len(rows) > 100, "an x and y swapped would paste it elsewhere, or nothing"
    assert rows.min() >= 19
    assert rows.max() <= 51
    assert columns.min() >= 54
    assert columns.max() <= 91


def test_donors_have_a_similar_pose_and_are_somebody_else():
    random = np.random.default_rng(1)
    candidates = np.stack([LANDMARKS, LANDMARKS + 1, *(LANDMARKS + random.normal(0, 30, (5, 2)) for _ in range(30))])
    picked = {choose_donor(LANDMARKS, candidates, np.random.default_rng(seed)) for seed in range(60)}
    assert 0 not in picked
    assert 1 in picked
