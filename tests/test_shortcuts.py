"""The shortcut probe finds a planted shortcut, finds none where there is none, and sees augmentation take one away."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from attribution.lab.forge.augment import jpeg
from attribution.lab.measure import probes
from attribution.lab.measure.probes import colour_cues, compression_cues, draw, probe_cue, resolution_cues, shortcut_table
from attribution.lab.pools import Samples

SIDE_PX = 176


def texture(seed: int, blur: float = 1.2) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128, 60, (SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), blur) * 1.5 - 64, 0, 255).astype(np.uint8)


def samples_of(rows: list[tuple[str, str, str, np.ndarray]]) -> Samples:
    methods, families, sources, crops = zip(*rows, strict=True)
    names = tuple(str(index) for index in range(len(rows)))
    return Samples((np.stack(crops),), methods, families, sources, names, names, np.full(len(rows), -1))


def test_blockiness_tells_coarse_compression_on_any_grid():
    plain = texture(0)
    coarse = jpeg(plain, 10)
    for cropped in (coarse, coarse[3:163, 5:165]):
        assert (compression_cues(cropped)[:2] > compression_cues(plain)[:2] + 0.3).all()


def test_compression_again_changes_little():
    """JPEG ghosts: a picture that was once compressed at a quality hardly changes when it is compressed so again."""
    plain = texture(1)
    assert compression_cues(jpeg(plain, 50))[6] < compression_cues(plain)[6] - 1


def test_sharpness_falls_with_blur():
    sharp, soft = (resolution_cues(texture(2, blur)) for blur in (0.8, 3.0))
    assert sharp[0] > soft[0]
    assert sharp[2] > soft[2], "the spectrum of a soft picture falls faster"
    assert np.exp(sharp[3:]).sum() == pytest.approx(1, abs=1e-3)
    assert sharp[-1] > soft[-1]


def test_colour_is_mean_and_spread_per_channel():
    crop = np.zeros((4, 4, 3), np.uint8)
    crop[:2, :, 0], crop[..., 1] = 100, 7
    assert colour_cues(crop).tolist() == [50, 7, 0, 50, 0, 0]


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_flat_picture_gives_finite_cues(value: int):
    flat = np.full((SIDE_PX, SIDE_PX, 3), value, np.uint8)
    for measure in (compression_cues, resolution_cues, colour_cues):
        assert np.isfinite(measure(flat)).all()


def test_a_draw_favours_small_sources_and_never_repeats():
    rows = [("real", "real", "large", texture(0)[:8, :8])] * 400 + [("real", "real", "small", texture(0)[:8, :8])] * 100
    rows += [("flux1", "diffusion", "b", texture(0)[:8, :8])] * 7
    samples = samples_of(rows)
    chosen = draw(samples, 60, 3)
    assert len(set(chosen.tolist())) == len(chosen) == 67
    sources = [samples.sources[index] for index in chosen]
    # Square roots: two of the large source to one of the small.
    assert 10 <= sources.count("small") <= 30
    assert np.array_equal(chosen, draw(samples, 60, 3))
    assert not np.array_equal(chosen, draw(samples, 60, 4))


def test_probe_with_and_without_a_cue():
    random = np.random.default_rng(0)
    names = np.array(["a", "b"] * 200)
    clear = (names == "a")[:, None] + random.normal(0, 0.1, (400, 1))
    noise = random.normal(0, 1, (400, 3))
    count, value, low, high, chance = probe_cue(clear, names, clear, names)
    assert (count, value, low, high, chance) == (400, 1.0, 1.0, 1.0, 0.5)
    _, value, low, high, _ = probe_cue(noise[:200], names[:200], noise[200:], names[200:])
    assert value is not None
    assert low is not None
    assert high is not None
    assert low <= 0.5 <= high


def test_probe_weighs_classes_alike():
    random = np.random.default_rng(1)
    names = np.array(["a"] * 380 + ["b"] * 20)
    _, value, *_ = probe_cue(random.normal(0, 1, (400, 2)), names, random.normal(0, 1, (400, 2)), names)
    assert value is not None
    assert value < 0.75


def test_probe_of_one_class_or_of_nothing_in_common():
    features = np.zeros((4, 2))
    assert probe_cue(features, np.array(["a"] * 4), features, np.array(["a"] * 4)) == (4, None, None, None, None)
    assert probe_cue(features, np.array(["a", "a", "b", "b"]), features, np.array(["c"] * 4)) == (0, None, None, None, None)
    count, _, _, _, chance = probe_cue(
        np.arange(6.0)[:, None], np.array(["a", "a", "b", "b", "c", "c"]), np.arange(4.0)[:, None], np.array(["a", "a", "b", "b"])
    )
    assert (count, chance) == (4, 0.5)


def family_set(first: int, count: int) -> Samples:
    """Untouched faces of two sources and GAN faces: alike but for quality. The GAN faces and one untouched source are coarse JPEG."""
    rows = []
    for index in range(count):
        rows.append(("real", "real", "clean", texture(first + 4 * index)))
        rows.append(("real", "real", "coarse", jpeg(texture(first + 4 * index + 1), 60)))
        rows.append(("stylegan2", "gan", "web", jpeg(texture(first + 4 * index + 2), 20)))
        rows.append(("self_blended", "face_swap", "self_blended on clean", texture(first + 4 * index + 3)))
    return samples_of(rows)


def test_the_table_finds_the_planted_shortcut_and_what_augmentation_leaves_of_it():
    train, val = family_set(0, 12), family_set(10_000, 12)
    table = shortcut_table(train, val, seed=0, per_family=20)
    assert table.title == "Shortcuts"
    assert table.columns == ("cue", "faces", "balanced accuracy", "low", "high", "chance")
    rows = {str(row[0]): row[1:] for row in table.rows}
    assert len(rows) == 10
    before, after = (rows[f"compression → family, {when} augmentation"] for when in ("before", "after"))
    assert before[0] == after[0] == 44
    assert before[4] == pytest.approx(0.333)
    assert float(before[1] or 0) > 0.6
    assert float(after[1] or 0) < float(before[1] or 0)
    colour = rows["colour → family, before augmentation"]
    assert float(colour[1] or 0) < float(before[1] or 0)
    source = rows["all three together → source of an untouched face, before augmentation"]
    assert source[4] == 0.5
    assert float(source[1] or 0) > 0.8


def test_a_set_of_one_family_and_one_source_has_empty_cells():
    one = samples_of([("real", "real", "clean", texture(index)) for index in range(6)])
    table = shortcut_table(one, one, seed=0, per_family=6)
    assert all(row[2:] == (None, None, None, None) for row in table.rows)
    assert table == shortcut_table(one, one, seed=0, per_family=6)
    assert probes.ALL_CUES in str(table.rows[-1][0])
