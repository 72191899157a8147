"""Attention stability: Grad-CAM of real networks, planted evidence, SSIM with its chance row, and the maps for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from attribution.detectors import loading
from attribution.detectors.card import MeasuredTable
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.explain.gradcam import grad_cam_of_the_package, grad_cam_through_the_head
from attribution.lab.studies.zeroshot import attention
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.plan import ADDED, ALL, BASE, TOP, Detector, Run
from attribution.lab.studies.zeroshot.training import WEIGHTS_FILE
from attribution.models.backbones import build_backbone
from conftest import SWAP_LABELS, some_crops, write_detector
from study_faces import rows_of, study_faces

SIDE_PX = 64
TINY = Detector("tiny", "Tiny", "meso4", SIDE_PX, ("hidden", "classifier"), 1, 1, 1e-3, {"img_size": SIDE_PX})
SOURCE, OTHER = "dfdc_swap", "sdxl"


def sees_light(sign: float = 1.0) -> nn.Module:
    """A Meso-4 whose only evidence for "manipulated" is light, anywhere (or, with −1, its absence)."""
    net: Any = build_backbone("meso4", 2, {"img_size": SIDE_PX}).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.zero_()
        for layer in (net.first, net.second, net.third, net.fourth):
            layer.norm.weight.fill_(1)
            middle = layer.conv.weight.shape[-1] // 2
            layer.conv.weight[0, 0, middle, middle] = 1
        net.hidden.weight[0, :4] = 1
        net.classifier.weight[1, 0] = sign
    return net


def random_net(seed: int) -> nn.Module:
    """Some Meso-4 whose units take both signs."""
    torch.manual_seed(seed)
    net = build_backbone("meso4", 2, {"img_size": SIDE_PX}).train()
    with torch.no_grad():
        for _ in range(20):
            net(torch.randn(8, 3, SIDE_PX, SIDE_PX))
    return net.eval()


def write_run(net: nn.Module, run: Run, runs: Path) -> None:
    (runs / run.name).mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), runs / run.name / WEIGHTS_FILE)


def lit(row: int, column: int) -> np.ndarray:
    """A dark crop with one light square, 56 px wide, in one of its 4×4 fields."""
    crop = np.zeros((224, 224, 3), np.uint8)
    crop[56 * row : 56 * row + 56, 56 * column : 56 * column + 56] = 255
    return crop


def some_run(source: str, variant: str) -> Run:
    return Run(TINY, source) if variant == BASE else Run(TINY, source, variant, ADDED[source])


TODO = [some_run(source, variant) for source in (SOURCE, OTHER) for variant in (BASE, TOP, ALL)]


@pytest.fixture(scope="module")
def faces() -> Faces:
    return study_faces(3, crops=some_crops(78, 224))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings of three networks each: the top layers changed nothing, all layers everything."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, source in enumerate((SOURCE, OTHER)):
        for variant, own in ((BASE, seed), (TOP, seed), (ALL, 10 + seed)):
            write_run(random_net(own), some_run(source, variant), folder)
    return folder


@pytest.fixture(scope="module")
def tables(runs: Path, faces: Faces) -> dict[str, MeasuredTable]:
    return attention.attention_tables(runs, faces, TODO, most_faces=13)


def test_the_map_is_hot_where_the_only_evidence_lies() -> None:
    places = [(0, 0), (1, 2), (3, 1)]
    looked = attention.grad_cam(sees_light(), TINY, np.stack([lit(*place) for place in places]))
    for (row, column), found in zip(places, looked.maps, strict=True):
        wanted = np.zeros((8, 8))
        wanted[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 1
        assert np.array_equal(found, wanted)
    assert (looked.p > 0.5).all()
    # Nothing speaks for "manipulated": empty.
    looked = attention.grad_cam(sees_light(-1), TINY, np.stack([lit(0, 0), np.zeros((224, 224, 3), np.uint8)]))
    assert (looked.maps == 0).all()
    assert looked.p[0] < looked.p[1]


def test_it_is_the_grad_cam_of_the_app_and_of_the_package(tmp_path: Path) -> None:
    cases = (("mobilenetv2_100", None, 96, grad_cam_through_the_head), ("meso4", {"img_size": 64}, 64, grad_cam_of_the_package))
    for architecture, arguments, side_px, reference in cases:
        own: dict[str, object] | None = arguments if arguments is None else dict(arguments)
        predictor = Predictor(load_folder(write_detector(tmp_path / architecture, architecture, own, side_px, labels=SWAP_LABELS)), "cpu")
        detector = Detector("some", "Some", architecture, side_px, (), 1, 1, 1e-3)
        crops = some_crops(20, side_px)
        wanted = reference(predictor, crops, [1] * len(crops))
        found = attention.grad_cam(predictor.model, detector, crops).maps
        assert (wanted.max((1, 2)) > 0).sum() >= 3
        for one, other in zip(found, wanted, strict=True):
            # Theirs goes down to zero, ours only up to one.
            own_range = cv2.resize(one, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
            spread = own_range.max() - own_range.min()
            if spread > 1e-6:
                assert (own_range - own_range.min()) / spread == pytest.approx(other, abs=0.03)
                assert np.corrcoef(own_range.ravel(), other.ravel())[0, 1] > 0.999


def test_ssim_is_that_of_the_paper_and_says_nothing_of_empty_maps() -> None:
    maps = attention.compared(np.random.default_rng(0).random((4, 8, 8)).astype(np.float32))
    assert maps.shape == (4, attention.COMPARED_PX, attention.COMPARED_PX)
    assert attention.similarities(maps, maps) == pytest.approx(1)
    assert (attention.similarities(maps, maps[::-1]) < 0.9).all()
    assert attention.similarities(maps, 1 - maps).max() < 0
    assert np.isnan(attention.similarities(maps, np.zeros_like(maps))).all()
    one, other = np.random.default_rng(1).random((2, 64, 64)).astype(np.float32)

    def blurred(values: np.ndarray) -> np.ndarray:
        # Wang et al. 2004, eq. 13 with their 11×11 window.
        return cv2.GaussianBlur(values.astype(np.float64), (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)

    a, b = blurred(one), blurred(other)
    spread_a, spread_b, shared = blurred(one**2) - a * a, blurred(other**2) - b * b, blurred(one * other) - a * b
    map_ = (2 * a * b + 1e-4) * (2 * shared + 9e-4) / ((a * a + b * b + 1e-4) * (spread_a + spread_b + 9e-4))
    assert attention.similarities(one[None], other[None])[0] == pytest.approx(map_[5:-5, 5:-5].mean(), abs=1e-3)


def test_chance_is_the_likeness_of_different_faces() -> None:
    spots = np.zeros((7, 64, 64), np.float32)
    for place in range(6):
        spots[place, 10 * place : 10 * place + 10] = 1
    found = attention.by_chance(spots)
    assert np.isnan(found[6]).all(), "an empty map has no pair"
    # Five other maps for six: every pair, from both sides.
    pairs = [attention.similarities(spots[[one]], spots[[other]])[0] for one in range(6) for other in range(6) if one != other]
    assert sorted(found[:6].ravel()) == pytest.approx(sorted(pairs))
    assert attention.by_chance(np.ones((4, 64, 64), np.float32))[:, :3] == pytest.approx(1)
    assert np.isnan(attention.by_chance(spots[:1])).all()


def test_what_was_not_changed_is_fully_alike_and_what_was_is_measured(tables: dict[str, MeasuredTable], runs: Path, faces: Faces) -> None:
    rows = {row["pair"]: row for row in rows_of(tables["attention"])}
    assert list(rows) == ["base–top", "base–all", "top–all", "chance"]
    same, changed = rows["base–top"], rows["base–all"]
    assert [same[name] for name in ("mean SSIM", "low", "high", "below 0.7", "0.7 to 0.9", "above 0.9")] == [1, 1, 1, 0, 0, 1]
    assert {**changed, "pair": "top–all"} == rows["top–all"]
    crops = faces.crops[attention.choose_faces(faces, 13)]
    maps = {
        run: attention.compared(attention.grad_cam(random_net(seed), TINY, crops).maps)
        for run, seed in zip(TODO, (0, 0, 10, 1, 1, 11), strict=True)
    }
    values = np.stack([attention.similarities(maps[some_run(source, BASE)], maps[some_run(source, ALL)]) for source in (SOURCE, OTHER)])
    values = values[np.isfinite(values)]
    assert changed["mean SSIM"] == pytest.approx(values.mean(), abs=2e-3)
    assert changed["low"] < changed["mean SSIM"] < changed["high"]
    assert changed["below 0.7"] == pytest.approx((values < 0.7).mean(), abs=1e-3)
    for row in rows.values():
        assert 0 < row["faces"] <= 13
        assert row["below 0.7"] + row["0.7 to 0.9"] + row["above 0.9"] == pytest.approx(1, abs=2e-3)
    assert "Tiny 8×8 places" in tables["attention"].note


def test_the_examples_have_a_map_of_every_run(tables: dict[str, MeasuredTable]) -> None:
    rows = rows_of(tables["attention_maps"])
    assert len(rows) == len(attention.SHOWN) * len(TODO)
    for row in rows:
        assert (row["side"], len(row["values"])) == (8, 2 * 8**2)
        assert max(bytes.fromhex(row["values"])) in (0, 255)
    picked = next(row for row in rows if (row["example"], row["trained on"], row["variant"]) == ("autoencoder_swap.png", OTHER, ALL))
    (shown,) = attention.faces_in([attention.EXAMPLES / "autoencoder_swap.png"])
    alone = attention.grad_cam(random_net(11), TINY, shown.crop[None])
    assert picked["added"] == ADDED[OTHER]
    assert picked["p"] == pytest.approx(alone.p[0], abs=1e-3)
    assert np.abs(np.frombuffer(bytes.fromhex(picked["values"]), np.uint8) / 255 - alone.maps[0].ravel()).max() < 0.01
    card = loading.card_of(loading.EMBEDDED_FOLDER / loading.DEFAULT_DETECTOR)
    assert shown.crop.shape == (card.crop.side_px, card.crop.side_px, 3)


@pytest.mark.parametrize(("side", "shown"), [(4, 4), (28, 14)])
def test_a_grid_is_averaged_down_to_sixteen(side: int, shown: int) -> None:
    values = np.zeros((side, side), np.float32)
    values[: side // 2, : side // 2] = 1
    values[side // 2 :, side // 2 :] = 0.5
    own, digits = attention.grid(values)
    found = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(own, own)
    assert own == shown
    assert np.array_equal(found, np.kron([[255, 0], [0, 128]], np.ones((shown // 2, shown // 2))))
