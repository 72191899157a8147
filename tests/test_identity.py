"""The linear probe on features whose identity is known: perfect where people are apart, chance where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.errors import LabError
from attribution.lab.measure import probes
from attribution.lab.measure.probes import identity_tables, probe_faces, probe_identity
from attribution.lab.pools import Samples

PERSONS = tuple(name for name, count in (("a", 12), ("b", 10), ("c", 14)) for _ in range(count))


def _features(apart: float, width: int = 20, seed: int = 0, persons: tuple[str, ...] = PERSONS) -> np.ndarray:
    """Noise, the first features of which name the person as clearly as `apart` says."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (len(persons), width))
    for place, name in enumerate(sorted(set(persons))):
        values[np.array(persons) == name, place] += apart
    return values


def _samples() -> Samples:
    rows = [("real", "press", "p1")] * 4 + [("real", "press", "p2")] * 3 + [("gan", "press", "p3")] * 5 + [("real", "web", "p4")] * 6
    pictures = np.zeros((len(rows), 8, 8, 3), np.uint8)
    families, sources, groups = (tuple(row[place] for row in rows) for place in range(3))
    return Samples((pictures,), families, families, sources, groups, ("",) * len(rows), np.full(len(rows), -1))


def test_people_who_lie_apart_are_recognised_and_noise_is_not():
    assert probe_identity(_features(12, width=8), PERSONS, repeats=2).mean() == 1
    # The commonest of the three has 14 of 36 pictures.
    assert probe_identity(_features(0, width=8), PERSONS, repeats=1).mean() < 0.6


def test_every_picture_is_asked_about_once_in_a_repetition_and_never_learnt_from():
    shares = probe_identity(_features(1), PERSONS, repeats=2)
    assert shares.shape == (36,)
    assert set(np.round(shares * 2)) <= {0, 1, 2}
    assert np.allclose(shares * 2, np.round(shares * 2))
    # A feature that is unique to each picture recognises it in training and is worth nothing outside of it.
    alone = np.eye(36)
    assert probe_identity(alone, PERSONS, repeats=1).mean() < 0.6


def test_scale_shift_and_rotation_of_the_features_do_not_matter():
    values = _features(2.5, width=12)
    expected = probe_identity(values, PERSONS, repeats=1)
    assert np.array_equal(probe_identity(values * np.linspace(1e-3, 1e3, 12) + 50, PERSONS, repeats=1), expected)


def test_more_features_than_pictures_and_dead_features_are_no_obstacle():
    wide = np.hstack([_features(9, width=60), np.zeros((36, 40))])
    assert probe_identity(wide, PERSONS, repeats=1).mean() > 0.9
    assert probe_identity(wide, PERSONS, width=500, repeats=1).mean() > 0.5


def test_a_probe_of_fewer_components_does_not_see_what_they_leave_out():
    random = np.random.default_rng(0)
    values = np.hstack([np.repeat(random.normal(0, 1, (36, 1)), 30, axis=1), _features(8, width=3)])
    assert probe_identity(values, PERSONS, repeats=1).mean() > 0.9
    assert probe_identity(values, PERSONS, width=1, repeats=1).mean() < 0.7


@pytest.mark.parametrize(
    ("values", "persons"),
    [
        (np.zeros((8, 2)), ["a"] * 8),
        (np.zeros((8, 2)), ["a"] * 5 + ["b"] * 3),
        (np.zeros((7, 2)), ["a"] * 4 + ["b"] * 4),
        (np.full((8, 2), np.nan), ["a"] * 4 + ["b"] * 4),
        (np.zeros(8), ["a"] * 4 + ["b"] * 4),
    ],
)
def test_too_few_people_and_features_that_do_not_fit_are_refused(values: np.ndarray, persons: list[str]):
    with pytest.raises(LabError):
        probe_identity(values, persons)


def test_four_pictures_of_a_person_are_enough():
    persons = ("a",) * 4 + ("b",) * 5
    assert probe_identity(_features(20, width=3, persons=persons), persons, repeats=1).mean() == 1


def test_the_tables_say_who_knows_more():
    features = {
        ("plain binary", "pooled features"): _features(9, 12),
        ("telltale-caddm", "pooled features"): _features(0, 12),
        ("telltale-mobilenetv2", "pooled features"): _features(9, 16),
        ("telltale-mobilenetv2", "values of the embedding"): _features(2, 8),
    }
    table, differences = identity_tables(features, PERSONS, width=10, repeats=1, about="Made here.")
    assert table.title == "Identity probe"
    assert table.columns == ("detector", "features", "pictures", "persons", "accuracy", "low", "high", "chance", "commonest")
    assert [row[:4] for row in table.rows] == [
        ("plain binary", "12 pooled features", 36, 3),
        ("telltale-caddm", "12 pooled features", 36, 3),
        ("telltale-mobilenetv2", "16 pooled features", 36, 3),
        ("telltale-mobilenetv2", "8 values of the embedding", 36, 3),
        ("plain binary", "10 components of 12 pooled features", 36, 3),
        ("telltale-caddm", "10 components of 12 pooled features", 36, 3),
        ("telltale-mobilenetv2", "10 components of 16 pooled features", 36, 3),
        ("telltale-mobilenetv2", "8 components of 8 values of the embedding", 36, 3),
    ]
    for *_, accuracy, low, high, chance, commonest in table.rows:
        assert 0 <= float(str(low)) <= float(str(accuracy)) <= float(str(high)) <= 1
        assert (chance, commonest) == (0.333, 0.389)
    assert float(str(table.rows[0][4])) > 0.9 > 0.6 > float(str(table.rows[1][4]))
    assert table.note.startswith("Made here. ")
    assert differences.title == "Identity probe, differences"
    assert differences.columns == ("pair", "difference", "low", "high")
    pairs = [row[0] for row in differences.rows]
    assert pairs[:3] == ["plain binary − telltale-caddm", "plain binary − telltale-mobilenetv2", "telltale-caddm − telltale-mobilenetv2"]
    assert pairs[3] == "plain binary, 10 components − telltale-caddm, 10 components"
    gap, low = (float(str(cell)) for cell in differences.rows[0][1:3])
    assert gap == pytest.approx(float(str(table.rows[0][4])) - float(str(table.rows[1][4])), abs=2e-3)
    assert low > 0
    nothing = differences.rows[1]
    assert float(str(nothing[2])) <= 0 <= float(str(nothing[3]))


def test_probes_of_the_same_features_do_not_differ_at_all():
    values = _features(1)
    _, differences = identity_tables({("a", "x"): values, ("b", "x"): values}, PERSONS, width=5, repeats=1)
    assert all(row[1:] == (0, 0, 0) for row in differences.rows)


def test_only_untouched_pictures_of_people_with_enough_of_them_are_asked_about():
    samples = _samples()
    both = probe_faces(samples)
    assert both.persons == ("p1",) * 4 + ("p4",) * 6
    assert [samples.groups[index] for index in both.indices] == list(both.persons)
    assert probe_faces(samples, "press").persons == ("p1",) * 4
    assert probe_faces(samples, "press", least=3).persons == ("p1",) * 4 + ("p2",) * 3
    assert len(probe_faces(samples, "nowhere").indices) == 0
    assert probes.LEAST_PICTURES == 4
