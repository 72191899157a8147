"""Face swaps of a kind that no training used, and AUCs on them: exact geometry, known probabilities, seeded sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from attribution.lab import metrics
from attribution.lab.data import read_manifest
from attribution.lab.forge import unseen
from attribution.lab.forge.mfs import UNSEEN_BLEND
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.measure import caddm
from attribution.lab.measure.caddm import Pictures, auc_tables, clip_means, generalisation_cases
from lab_faces import POINTS, make_faces, make_work

LANDMARKS = np.array(list(POINTS.values()), np.float32)
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def _portrait(name: str) -> np.ndarray:
    """A face-sized cut of a public-domain portrait; the landmarks do not matter to what is tested with it."""
    picture = np.asarray(cv2.imread(str(EXAMPLES / name)))[..., ::-1]
    return cv2.resize(picture[: min(picture.shape[:2]), : min(picture.shape[:2])], (224, 224), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, np.ndarray]:
    return _portrait("astronaut.png"), _portrait("grace_hopper.jpg")


def _moved(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points @ matrix.T + shift).astype(np.float32)


def test_a_donor_turned_and_enlarged_comes_to_lie_on_the_target(faces: tuple[np.ndarray, np.ndarray]):
    target, _ = faces
    turned = _moved(LANDMARKS, 12, 0.9, (20, 5))
    warp = unseen.similarity(LANDMARKS, turned)
    donor = cv2.warpAffine(target, warp, (224, 224), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    made = unseen.pyramid_swap(target, LANDMARKS, donor, turned, np.random.default_rng(1))
    inside = made.mask > 0.5
    assert inside.mean() > 0.15
    # Its own face back in its own place: only what resampling and the colours' tables cost.
    assert np.abs(made.rgb.astype(int) - target)[inside].mean() < 6


@pytest.mark.parametrize("landmarks", [LANDMARKS - 400, np.repeat(LANDMARKS[:1], 5, 0) + np.arange(5)[:, None], LANDMARKS * 0.02])
def test_absurd_landmarks_of_a_target_leave_a_picture(faces: tuple[np.ndarray, np.ndarray], landmarks: np.ndarray):
    made = unseen.pyramid_swap(faces[0], landmarks.astype(np.float32), faces[1], LANDMARKS, np.random.default_rng(0))
    assert made.rgb.shape == (224, 224, 3)


def test_a_partial_swap_asked_for_with_another_blend_keeps_its_window(faces: tuple[np.ndarray, np.ndarray]):
    real, fake = faces
    one, other = (unseen.partial_swap(real, fake, LANDMARKS, (3, 1), blend) for blend in (None, UNSEEN_BLEND))
    assert one is not None
    assert other is not None
    assert np.array_equal(one.boxes, other.boxes)
    assert not np.array_equal(one.rgb, other.rgb)
    assert other.blend == UNSEEN_BLEND
    assert unseen.partial_swap(real, real, LANDMARKS, (3, 1)) is None


def test_donors_are_other_people_and_all_is_seeded(faces: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    pictures = [np.clip(faces[i % 2].astype(int) + 12 * i, 0, 255).astype(np.uint8) for i in range(6)]
    landmarks = LANDMARKS + random.normal(0, 2, (6, 5, 2)).astype(np.float32)
    persons = ["a", "b", "a", "b", "a", "c"]
    donors: list[tuple[np.ndarray, np.ndarray]] = []
    real_swap = unseen.pyramid_swap

    def noted(target: np.ndarray, points: np.ndarray, donor: np.ndarray, *rest: object):
        donors.append((target, donor))
        return real_swap(target, points, donor, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(unseen, "pyramid_swap", noted)
    made = unseen.unseen_swaps(pictures, landmarks, persons, per_target=2)
    assert len(donors) == 12
    for target, donor in donors:
        who, whose = (next(i for i in range(6) if np.array_equal(pictures[i], one)) for one in (target, donor))
        assert persons[who] != persons[whose]
    assert [one.base for one in made if one.kind == "whole"] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    again = unseen.unseen_swaps(pictures, landmarks, persons, per_target=2)
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(made, again, strict=True))
    assert unseen.unseen_swaps(pictures, landmarks, ["a"] * 6) == []


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Samples, Samples, np.ndarray]:
    data = make_faces(tmp_path_factory.mktemp("faces"))
    rows = read_manifest((data,))
    work = make_work(data, tmp_path_factory.mktemp("work"))
    test, cross = (load_samples(rows, work, split) for split in ("test", "cross"))
    return test, cross, np.stack([row.landmarks for row in rows if row.split == "cross"])


@pytest.fixture(scope="module")
def pictures(samples: tuple[Samples, Samples, np.ndarray]) -> Pictures:
    return generalisation_cases(*samples)


def test_the_sets_hold_untouched_and_manipulated_faces_of_one_kind_each(pictures: Pictures):
    assert list(pictures.sets) == [
        "DFDC test, faces",
        "unseen swaps, dfdc", "unseen partial swaps, dfdc", "unseen swaps, ffhq", "unseen partial swaps, ffhq",
        "landmark_swap, other collections", "self_blended, other collections", "autoencoder_swap, other collections",
    ]  # fmt: skip
    assert len(pictures.crops) == len(pictures.manipulated) == len(pictures.groups) == len(pictures)
    for name, chosen in pictures.sets.items():
        assert len(set(chosen.tolist())) == len(chosen), name
    dfdc = pictures.sets["DFDC test, faces"]
    assert pictures.manipulated[dfdc].sum() == 3
    whole = pictures.sets["unseen swaps, ffhq"]
    assert (~pictures.manipulated[whole]).sum() == 3
    assert pictures.manipulated[whole].sum() == 3
    # A swap shares the group of the face under it, so that a resample draws both or neither.
    assert set(pictures.groups[whole][pictures.manipulated[whole]]) == set(pictures.groups[whole][~pictures.manipulated[whole]])


def test_clips_are_means_over_faces_of_one_kind():
    p = np.array([0.2, 0.4, 0.9, 0.1])
    means, manipulated, groups = clip_means(p, np.array([False, True, True, False]), np.array(["x", "x", "x", "y"]))
    assert dict(zip(zip(groups.tolist(), manipulated.tolist(), strict=True), means.tolist(), strict=True)) == pytest.approx(
        {("x", False): 0.2, ("x", True): 0.65, ("y", False): 0.1}
    )


def _known(count: int) -> Pictures:
    """Clips with an untouched face and two swaps each."""
    groups = np.repeat([f"clip {index}" for index in range(count)], 3)
    sets = {caddm.DFDC: np.arange(3 * count), "one class": np.arange(0, 3 * count, 3)}
    return Pictures(np.zeros((3 * count, 1, 1, 3), np.uint8), np.tile([False, True, True], count), groups, sets)


def test_tables_of_known_probabilities_and_paired_differences():
    known, random = _known(20), np.random.default_rng(0)
    p = known.manipulated + random.normal(0, 1.5, len(known))
    said = {"right": known.manipulated.astype(float), "guess": p, "nearly": p + random.normal(0, 0.05, len(p)), "same": p.copy()}
    table, differences = auc_tables(known, {name: said[name] for name in ("right", "guess")}, ("right", "guess"))
    assert (table.title, table.columns) == ("Cross-source AUC", ("cases", "faces", "right", "low", "high", "guess", "low", "high"))
    faces, clips, one_class = table.rows
    assert faces[:5] == ("DFDC test, faces", 60, 1, 1, 1)
    assert clips[:5] == ("DFDC test, clips", 40, 1, 1, 1)
    assert faces[5] == round(metrics.auc(known.manipulated, p), 3)
    assert float(str(faces[6])) < float(str(faces[5])) < float(str(faces[7]))
    # What cannot be measured has empty cells and stops nothing.
    assert one_class == ("one class", 20, *[None] * 6)
    assert differences.rows[0][2] == pytest.approx(1 - float(str(faces[5])), abs=2e-3)
    assert float(str(differences.rows[0][3])) > 0
    _, gaps = auc_tables(known, {name: said[name] for name in ("nearly", "guess")}, ("nearly", "guess"))
    width = float(str(faces[7])) - float(str(faces[6]))
    assert float(str(gaps.rows[0][4])) - float(str(gaps.rows[0][3])) < 0.3 * width
    _, none = auc_tables(known, {name: said[name] for name in ("same", "guess")}, ("same", "guess"))
    assert none.rows[0][2:] == (0, 0, 0)


def test_probabilities_that_do_not_fit_are_refused():
    known = _known(3)
    with pytest.raises(ValueError, match="one probability"):
        auc_tables(known, {"a": np.zeros(4), "b": np.zeros(9)}, ("a", "b"))
    with pytest.raises(ValueError, match="nothing was read of b"):
        auc_tables(known, {"a": np.zeros(9)}, ("a", "b"))
