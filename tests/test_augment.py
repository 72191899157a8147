"""Training's changes of quality and geometry."""

from __future__ import annotations

import numpy as np

from attribution.lab.forge.augment import augment, jpeg

SMOOTH = np.linspace(0, 255, 224 * 224 * 3).reshape(224, 224, 3).astype(np.uint8)


def test_windows_have_the_asked_for_size_and_stay_pictures():
    for seed in range(60):
        changed = augment(SMOOTH, np.random.default_rng(seed), 160)
        assert changed.shape == (160, 160, 3)
        assert changed.dtype == np.uint8


def test_a_pair_is_changed_alike():
    one, two = (augment(SMOOTH, np.random.default_rng(5), 192) for _ in range(2))
    assert np.array_equal(one, two)


def test_the_original_is_left_alone():
    before = SMOOTH.copy()
    for seed in range(20):
        augment(SMOOTH, np.random.default_rng(seed), 224)
    assert np.array_equal(SMOOTH, before)


def test_strength_zero_changes_geometry_only():
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    plain = [augment(noise, np.random.default_rng(seed), 224, strength=0.0) for seed in range(40)]
    untouched = [one for one in plain if np.array_equal(one, noise) or np.array_equal(one, noise[:, ::-1])]
    assert len(untouched) > 10


def test_jpeg_loses_more_at_lower_quality():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    losses = [np.abs(jpeg(noise, quality).astype(int) - noise).mean() for quality in (95, 60, 20)]
    assert losses == sorted(losses)
    assert losses[0] > 0
