"""Pointing and overlap against hand-computed areas and boxes, and the command that writes them into cards, on real detectors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from attribution.detectors.card import ArtifactRule, Card
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.evidence import Box
from attribution.explain.gradcam import grad_cam_through_the_head
from attribution.lab import cli as command
from attribution.lab.data import read_manifest
from attribution.lab.forge.pools import prepare
from attribution.lab.measure import localisation as where
from attribution.lab.measure.localisation import LEAST_SLOPE, Answer, Case, answers_of, fit_rule
from attribution.lab.publish.publisher import localise
from attribution.lab.train import caddm as net
from attribution.lab.train import methods as train
from conftest import Folders
from lab_faces import SIZES, make_faces


def _square(side: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    area = np.zeros((side, side), bool)
    area[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return area


def _case(x0: int, y0: int, x1: int, y1: int, group: str = "a", side: int = 32) -> Case:
    box = (float(x0), float(y0), float(x1), float(y1))
    return Case(np.zeros((side, side, 3), np.uint8), _square(side, x0, y0, x1, y1), box, group)


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0),
        ((5, 5, 3, 3), (0, 0, 10, 10), 0),
        # A lying box is no standing one.
        ((0, 0, 80, 40), (0, 0, 40, 80), 1600 / 4800),
    ],
)
def test_overlap_of_boxes_computed_by_hand(a: Box, b: Box, share: float):
    assert where.overlap(a, b) == pytest.approx(share)


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((4, 8), True), ((9.9, 11.9), True), ((10, 8), False), ((3.99, 8), False),
        ((8, 4), False),  # (x, y), not (row, column)
        (None, False), ((-1, 9), False), ((5, -0.5), False), ((20, 9), False), ((5, 20), False),
    ],
)  # fmt: skip
def test_points_hit_inside_without_tolerance(point: tuple[float, float] | None, inside: bool):
    assert where.points_into(_square(20, 4, 8, 10, 12), point) is inside


def test_the_box_of_a_heatmap_surrounds_its_highest_part_alone():
    values = np.zeros((32, 32), np.float32)
    values[4:8, 6:20], values[5, 7], values[8, 5], values[20:30, 20:30] = 0.5, 1, 0.49, 0.9
    assert where.heatmap_answer(values) == Answer((7, 5), (6, 4, 20, 8))
    # Parts that touch by a corner belong together.
    corner = np.zeros((16, 16), np.float32)
    corner[2:4, 2:4], corner[4:6, 4:6] = 1, 0.6
    assert where.heatmap_answer(corner).box == (2, 2, 6, 6)
    # The point of a flat maximum is its middle and not its corner.
    flat = np.zeros((32, 32), np.float32)
    flat[0:9, 0:17] = flat[20:30, 20:32] = 1
    assert where.heatmap_answer(flat).point == (8, 4)
    assert where.heatmap_answer(np.zeros((16, 16), np.float32)) == Answer(None, None, draws=True)


def test_the_true_area_is_the_changed_square_and_no_noise():
    untouched = np.full((64, 64, 3), 100, np.uint8)
    changed = untouched.copy()
    changed[20:40, 24:44, 1] += 40
    changed[2, 2] += 60  # one pixel is no area
    area = where.true_area(untouched, changed)
    # An edge of 40 smoothed by σ = 3 px falls to 10 where the normal distribution has a quarter left: 2 px outside.
    assert where.bounding_box(area) == (22, 18, 46, 42)
    assert area[22:38, 26:42].all()
    assert np.array_equal(where.true_area(changed, untouched), area)
    assert not where.true_area(untouched, untouched + 5).any()
    assert where.bounding_box(where.true_area(untouched, untouched)) is None


def test_constant_answers_are_the_best_ones_of_the_grid():
    cases = [_case(4, 8, 12, 24), _case(4, 8, 12, 24), _case(20, 20, 32, 32)]
    constant = where.constant_answers(cases)
    assert constant[where.CENTRE] == Answer((16, 16), None, draws=False)
    assert constant[where.CONSTANT_BOX] == Answer((8, 16), (4, 8, 12, 24))
    point = constant[where.CONSTANT_POINT].point
    assert where.points_into(cases[0].area, point)
    assert not where.points_into(cases[2].area, point)


def test_no_box_is_a_miss_with_no_overlap_and_rows_are_counted_by_hand():
    cases = [_case(0, 0, 10, 10, "a"), _case(0, 0, 10, 10, "b"), _case(20, 20, 30, 30, "c"), _case(0, 0, 4, 4, "d")]
    answers = [where.box_answer(box) for box in ((0, 0, 10, 10), (0, 0, 20, 10), None, (8, 8, 12, 12))]
    ((name, by, faces, hits, low, high, iou, iou_low, iou_high),) = where.localisation_rows("some", "boxes", cases, answers)
    # The centre of the second box, (10, 5), lies just beside the area.
    assert (name, by, faces, hits, iou) == ("some", "boxes", 4, 0.25, 0.375)
    assert float(str(low)) <= 0.25 <= float(str(high))
    assert float(str(iou_low)) <= 0.375 <= float(str(iou_high))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    prepare(read_manifest((data,)), folder, ("val", "test"), methods=(), sizes=SIZES)
    return folder


@pytest.fixture(scope="module")
def cases(data: Path, work: Path) -> dict[str, list[Case]]:
    return where.localisation_cases(read_manifest((data,)), work, "test")


def test_cases_are_seeded_and_one_a_clip(data: Path, work: Path, cases: dict[str, list[Case]]):
    rows = read_manifest((data,))
    assert list(cases) == [where.PARTIAL, where.UNSEEN, where.LARGE, where.WHOLE]
    clips = {row.group for row in rows if row.split == "test" and row.pair}
    again = where.localisation_cases(rows, work, "test")
    for name, some in cases.items():
        assert some
        assert len({case.group for case in some}) == len(some)
        assert {case.group for case in some} <= clips
        for case, same in zip(some, again[name], strict=True):
            assert np.array_equal(case.crop, same.crop)
            assert case.box == same.box


def _published(source: Path, folder: Path, settings: net.Settings | train.Settings) -> Path:
    """A copy of a detector folder whose card says how it was trained, as published ones do."""
    shutil.copytree(source, folder)
    card = load_folder(folder).card
    card = replace(card, training=replace(card.training, notes=(json.dumps(asdict(settings)),)))
    (folder / "card.json").write_text(json.dumps(card.to_json()), encoding="utf-8")
    return folder


def test_the_command_writes_the_table_into_every_card_and_changes_nothing_else(
    data: Path, work: Path, tmp_path: Path, default_folders: Folders, swap_folders: Folders, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    def made(predictor: Predictor, cases: Sequence[Case]) -> dict[str, list[Answer]]:
        by = (where.HEATMAP, where.BOXES, where.SHOWN) if predictor.card.artifacts else (where.HEATMAP,)
        return {name: [where.box_answer(case.box) for case in cases] for name in by}

    monkeypatch.setattr("attribution.lab.publish.publisher.answers_of", made)
    folders = [
        _published(default_folders("real", 224), tmp_path / "any", train.Settings("faces", "work", "run")),
        _published(swap_folders("swapped"), tmp_path / "swaps", net.Settings("faces", "work", "run", start="backbone.safetensors")),
    ]
    before = [load_folder(folder).card for folder in folders]
    assert command.main(["localise", "--data", str(data), "--work", str(work), *map(str, folders)]) == 0
    constant = []
    for folder, old in zip(folders, before, strict=True):
        new: Card = load_folder(folder).card
        table = new.measured[-1]
        assert table.title == "Localisation"
        assert replace(new, measured=old.measured, limits=old.limits) == old
        pointers = {where.HEATMAP, where.CENTRE, where.CONSTANT_POINT, where.CONSTANT_BOX}
        pointers |= {where.BOXES, where.SHOWN} if old.artifacts is not None else set()
        names = (where.PARTIAL, where.UNSEEN, where.LARGE, where.WHOLE)
        assert {row[:2] for row in table.rows} == {(name, by) for name in names for by in pointers}
        assert all(row[6] == 1 for row in table.rows if row[1] in (where.HEATMAP, where.BOXES, where.SHOWN))
        assert "### Localisation" in (folder / "README.md").read_text(encoding="utf-8")
        constant.append([row for row in table.rows if row[1] in (where.CENTRE, where.CONSTANT_BOX)])
    # Both were asked about the same cases, so who looks at no picture did equally well.
    assert constant[0] == constant[1]
    assert load_folder(folders[0]).card.limits == before[0].limits
    assert any("guessing the centre" in limit for limit in load_folder(folders[1]).card.limits)
    assert before[0].name in capsys.readouterr().out


def test_a_detector_answers_by_heatmaps_of_a_manipulated_label_and_by_boxes(
    cases: dict[str, list[Case]], default_folders: Folders, swap_folders: Folders
):
    some = cases[where.PARTIAL][:2]
    crops = np.stack([case.crop for case in some])
    predictor = Predictor(load_folder(default_folders("real", 224)))
    p = predictor.read(crops, mirrored=True).p_methods
    assert (p.argmax(1) == 0).all()
    maps = grad_cam_through_the_head(predictor, crops, (1 + p[:, 1:].argmax(1)).tolist())
    assert answers_of(predictor, some) == {where.HEATMAP: [where.heatmap_answer(one) for one in maps]}
    swaps = Predictor(load_folder(swap_folders("swapped")))
    answers = answers_of(swaps, some)
    confidence, boxes = where.surest(swaps, crops)
    assert [one.box for one in answers[where.BOXES]] == [tuple(box) for box in boxes.tolist()]
    assert (confidence > 0).all()
    assert len(answers[where.SHOWN]) == 2


def test_data_without_pairs_is_refused(tmp_path: Path, swap_folder: Path):
    data = make_faces(tmp_path / "faces")
    manifest = (data / "manifest.csv").read_text(encoding="utf-8")
    without = [line for line in manifest.splitlines() if "face_swap" not in line]
    (data / "manifest.csv").write_text("\n".join(without) + "\n", encoding="utf-8")
    with pytest.raises(LabError, match="no aligned pairs"):
        localise([swap_folder], (data,), tmp_path / "work")


def test_a_box_s_confidence_says_how_often_such_a_box_is_right():
    random = np.random.default_rng(0)
    z = random.normal(0, 2, 4000)
    hits = random.random(4000) < 1 / (1 + np.exp(-(0.5 * z - 1)))
    rule = fit_rule(np.array([0.01] * 4), 1 / (1 + np.exp(-z)), hits)
    assert rule.min_confidence == 0
    # As many untouched faces as swapped ones by weight: their sure boxes of nothing pull the line up and steeper.
    assert 0.5 < rule.slope < 1
    assert fit_rule(np.empty(0), 1 / (1 + np.exp(-z)), hits).slope == pytest.approx(0.5, abs=0.05)
    assert fit_rule(np.empty(0), 1 / (1 + np.exp(z)), hits).slope == LEAST_SLOPE


@pytest.mark.parametrize(("false", "hits", "said"), [(4, False, "no box is right"), (0, True, "every box is right"), (4, None, "no box")])
def test_boxes_that_are_all_right_or_all_wrong_keep_their_confidence(
    false: int, hits: bool | None, said: str, capsys: pytest.CaptureFixture[str]
):
    found = np.array([] if hits is None else [0.2, 0.9])
    assert fit_rule(np.full(false, 0.4), found, np.full(len(found), bool(hits))) == ArtifactRule(0.0, slope=1.0, offset=0.0)
    assert said in capsys.readouterr().out
