"""Linear probes on made features: people who are apart, noise, planted shortcuts, and what augmentation takes away."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from attribution.errors import LabError
from attribution.lab.forge.augment import jpeg
from attribution.lab.forge.pools import Samples
from attribution.lab.measure import probes
from attribution.lab.measure.probes import (
    ALL_CUES,
    colour_cues,
    compression_cues,
    draw,
    identity_tables,
    probe_cue,
    probe_faces,
    probe_identity,
    resolution_cues,
    shortcut_table,
)

PERSONS = ("a",) * 8 + ("b",) * 6 + ("c",) * 10
SIDE_PX = 176


def features(apart: float, width: int = 8, persons: tuple[str, ...] = PERSONS) -> np.ndarray:
    """Noise, the first features of which name the person as clearly as `apart` says."""
    values = np.random.default_rng(0).normal(0, 1, (len(persons), width))
    for place, name in enumerate(sorted(set(persons))):
        values[np.array(persons) == name, place] += apart
    return values


def texture(seed: int, blur: float = 1.2) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128, 60, (SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), blur) * 1.5 - 64, 0, 255).astype(np.uint8)


def samples_of(rows: list[tuple[str, str, str, np.ndarray]], groups: tuple[str, ...] = ()) -> Samples:
    methods, families, sources, crops = zip(*rows, strict=True)
    names = tuple(str(index) for index in range(len(rows)))
    return Samples((np.stack(crops),), methods, families, sources, groups or names, names, np.full(len(rows), -1))


DEAD = np.hstack([features(9, width=12), np.zeros((24, 30))])
HIDDEN = np.hstack([np.repeat(np.random.default_rng(0).normal(0, 1, (24, 1)), 30, axis=1), features(8, width=3)])


@pytest.fixture(autouse=True)
def _two_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_STRENGTHS", (1e-2, 1e-1))


@pytest.mark.parametrize(
    ("values", "width", "least", "most"),
    [
        (features(12), None, 1, 1),
        # The commonest has 10 of 24 pictures.
        (features(0), None, 0, 0.65),
        (DEAD, None, 0.8, 1),
        (HIDDEN, None, 0.9, 1),
        # Fewer components do not see what they leave out.
        (HIDDEN, 1, 0, 0.75),
    ],
)
def test_a_probe_recognises_people_where_features_hold_them(values: np.ndarray, width: int | None, least: float, most: float) -> None:
    shares = probe_identity(values, PERSONS, width, repeats=1)
    assert shares.shape == (24,)
    assert set(shares.tolist()) <= {0, 1}, "every picture is asked about once"
    assert least <= shares.mean() <= most


@pytest.mark.parametrize(
    ("values", "persons"),
    [
        (np.zeros((8, 2)), ["a"] * 5 + ["b"] * 3),
        (np.zeros((7, 2)), ["a"] * 4 + ["b"] * 4),
        (np.full((8, 2), np.nan), ["a"] * 4 + ["b"] * 4),
    ],
)
def test_too_few_people_and_features_that_do_not_fit_are_refused(values: np.ndarray, persons: list[str]) -> None:
    with pytest.raises(LabError):
        probe_identity(values, persons)


def test_the_identity_tables_say_who_knows_more() -> None:
    found = {
        ("plain", "pooled"): features(9),
        ("own", "pooled"): features(0),
        ("same", "pooled"): features(0),
        ("own", "embedding"): features(9, 5),
    }
    table, differences = identity_tables(found, PERSONS, width=6, repeats=1, about="Made here.")
    named = {row[:2]: row[2:] for row in table.rows}
    assert len(named) == 8
    assert ("plain", "6 components of 8 pooled") in named
    assert ("own", "5 components of 5 embedding") in named
    pictures, persons, accuracy, low, high, chance, commonest = named["plain", "8 pooled"]
    assert (pictures, persons, chance, commonest) == (24, 3, 0.333, 0.417)
    assert float(str(low)) <= float(str(accuracy)) <= float(str(high))
    assert table.note.startswith("Made here. ")
    gaps = {row[0]: row[1:] for row in differences.rows}
    assert len(gaps) == 6, "the first features of each pair of detectors, in full and reduced"
    assert float(str(gaps["plain − own"][1])) > 0
    assert gaps["own − same"] == gaps["own, 6 components − same, 6 components"] == (0, 0, 0)


def test_only_untouched_pictures_of_people_with_enough_of_them_are_asked_about() -> None:
    groups = ("p1",) * 4 + ("p2",) * 3 + ("p3",) * 5 + ("p4",) * 6
    kinds = [("real", "press")] * 7 + [("gan", "press")] * 5 + [("real", "web")] * 6
    samples = samples_of([(family, family, source, np.zeros((8, 8, 3), np.uint8)) for family, source in kinds], groups)
    both = probe_faces(samples)
    assert both.persons == ("p1",) * 4 + ("p4",) * 6
    assert [samples.groups[index] for index in both.indices] == list(both.persons)
    assert probe_faces(samples, "press", least=3).persons == ("p1",) * 4 + ("p2",) * 3
    assert len(probe_faces(samples, "nowhere").indices) == 0


def test_cues_measure_compression_sharpness_and_colour() -> None:
    plain, coarse = texture(0), jpeg(texture(0), 10)
    for cropped in (coarse, coarse[3:163, 5:165]):  # blockiness on any grid
        assert (compression_cues(cropped)[:2] > compression_cues(plain)[:2] + 0.3).all()
    # JPEG ghosts: a picture that was once compressed at a quality hardly changes when it is compressed so again.
    assert compression_cues(jpeg(plain, 50))[6] < compression_cues(plain)[6] - 1
    sharp, soft = (resolution_cues(texture(2, blur)) for blur in (0.8, 3.0))
    assert (sharp[[0, 2, -1]] > soft[[0, 2, -1]]).all()
    assert np.exp(sharp[3:]).sum() == pytest.approx(1, abs=1e-3)
    crop = np.zeros((4, 4, 3), np.uint8)
    crop[:2, :, 0], crop[..., 1] = 100, 7
    assert colour_cues(crop).tolist() == [50, 7, 0, 50, 0, 0]
    for value in (0, 127, 255):
        flat = np.full((SIDE_PX, SIDE_PX, 3), value, np.uint8)
        assert all(np.isfinite(measure(flat)).all() for measure in (compression_cues, resolution_cues, colour_cues))


def test_a_draw_favours_small_sources_and_never_repeats() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    samples = samples_of(
        [("real", "real", "large", crop)] * 400 + [("real", "real", "small", crop)] * 100 + [("flux1", "diffusion", "b", crop)] * 7
    )
    chosen = draw(samples, 60, 3)
    assert len(set(chosen.tolist())) == len(chosen) == 67
    # Square roots: two of the large source to one of the small.
    assert 10 <= [samples.sources[index] for index in chosen].count("small") <= 30
    assert np.array_equal(chosen, draw(samples, 60, 3))
    assert not np.array_equal(chosen, draw(samples, 60, 4))


def test_a_cue_is_worth_what_it_says_of_each_class_alike() -> None:
    random = np.random.default_rng(0)
    names = np.array(["a", "b"] * 100)
    clear = (names == "a")[:, None] + random.normal(0, 0.1, (200, 1))
    assert probe_cue(clear, names, clear, names) == (200, 1, 1, 1, 0.5)
    noise = random.normal(0, 1, (400, 2))
    rare = np.array(["a"] * 190 + ["b"] * 10)
    _, value, low, high, _ = probe_cue(noise[:200], rare, noise[200:], rare)
    assert value is not None
    assert low is not None
    assert high is not None
    assert low <= 0.5 <= high
    assert value < 0.75
    # One class, or none in common.
    assert probe_cue(clear[:4], np.array(["a"] * 4), clear[:4], np.array(["a"] * 4)) == (4, None, None, None, None)
    assert probe_cue(clear[:4], np.array(["a", "a", "b", "b"]), clear[:4], np.array(["c"] * 4)) == (0, None, None, None, None)


def family_set(first: int, count: int) -> Samples:
    """Untouched faces of two sources and GAN faces: alike but for quality. The GAN faces and one untouched source are coarse JPEG."""
    rows = []
    for index in range(first, first + 4 * count, 4):
        rows.append(("real", "real", "clean", texture(index)))
        rows.append(("real", "real", "coarse", jpeg(texture(index + 1), 60)))
        rows.append(("stylegan2", "gan", "web", jpeg(texture(index + 2), 20)))
        rows.append(("self_blended", "face_swap", "self_blended on clean", texture(index + 3)))
    return samples_of(rows)


def test_the_table_finds_the_planted_shortcut_and_what_augmentation_leaves_of_it() -> None:
    table = shortcut_table(family_set(0, 8), family_set(10_000, 8), seed=0, per_family=14)
    rows = {str(row[0]): row[1:] for row in table.rows}
    assert len(rows) == 10
    before, after = (rows[f"compression → family, {when} augmentation"] for when in ("before", "after"))
    assert (before[0], before[4]) == (after[0], after[4]) == (30, 0.333)
    assert float(before[1] or 0) > max(0.6, float(after[1] or 0), float(rows["colour → family, before augmentation"][1] or 0))
    source = rows[f"{ALL_CUES} → source of an untouched face, before augmentation"]
    assert source[4] == 0.5
    assert float(source[1] or 0) > 0.8
