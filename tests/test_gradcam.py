"""Heatmaps: true Grad-CAM for every class, aligned with the crop, and a faithfulness figure that means something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from attribution.detectors.predictor import Predictor
from attribution.explain.gradcam import RANDOM_AREAS, grad_cam_of_the_package, grad_cam_through_the_head, heatmaps, log_odds
from conftest import LABELS, SIDE_PX, some_crops

NAMES = [label.name for label in LABELS]


def test_the_quick_way_is_the_package_s_grad_cam(predictor: Predictor) -> None:
    crops, classes = some_crops(8), [0, 1, 2, 3] * 2
    quick, reference = grad_cam_through_the_head(predictor, crops, classes), grad_cam_of_the_package(predictor, crops, classes)
    assert quick == pytest.approx(reference, abs=1e-3)
    speaking = reference.max(axis=(1, 2)) > 0
    assert speaking.sum() >= 4
    for one, other in zip(quick[speaking], reference[speaking], strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


def test_each_crop_is_explained_for_its_own_label(predictor: Predictor) -> None:
    crops = np.repeat(some_crops(1), 4, axis=0)
    found = heatmaps(predictor, crops, NAMES)
    assert [one.label for one in found] == NAMES
    p = predictor.read(crops[:1]).p_methods[0]
    assert [one.p_label for one in found] == pytest.approx(p.tolist(), abs=1e-5)
    assert len({one.values.tobytes() for one in found}) == 4
    assert all(one.values.shape == (SIDE_PX, SIDE_PX) and 0 <= one.values.min() <= one.values.max() <= 1 for one in found)
    alone = heatmaps(predictor, crops[:1], ["stylegan2"])[0]
    assert alone.values == pytest.approx(found[2].values, abs=1e-4)


def test_always_the_same_answer_and_no_trace_on_the_network(predictor: Predictor) -> None:
    crops = some_crops(2)
    before = predictor.read(crops).logits
    one, other = (heatmaps(predictor, crops, ["real", "flux1"]) for _ in range(2))
    assert [(a.drop_hot, a.falls_random) for a in one] == [(b.drop_hot, b.falls_random) for b in other]
    assert np.array_equal(one[1].values, other[1].values)
    assert np.array_equal(predictor.read(crops).logits, before)
    assert not any(p.requires_grad or p.grad is not None for p in predictor.model.parameters())


class OneCorner(torch.nn.Module):
    """A network that sees nothing but fine grain in the upper left corner: there its second class has all of its evidence."""

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        grain = (inputs - torch.nn.functional.avg_pool2d(inputs, 5, stride=1, padding=2)).abs().mean(dim=1, keepdim=True)
        maps = torch.nn.functional.avg_pool2d(grain, 16)
        corner = torch.zeros_like(maps)
        corner[:, :, :2, :2] = 1
        return maps * corner

    def forward_head(self, maps: torch.Tensor, pre_logits: bool) -> torch.Tensor:
        return maps.mean(dim=(2, 3))

    def get_classifier(self):
        return lambda pooled: torch.cat([pooled * 0, pooled * 400, pooled * 0, pooled * 0], dim=1)


def test_deletion_tells_a_true_map_from_a_random_area(predictor: Predictor) -> None:
    from dataclasses import replace

    seeing = Predictor(replace(predictor.detector, projection=torch.nn.Linear(1, 16, bias=False)), "cpu")  # type: ignore[arg-type]
    seeing.model = OneCorner()
    random = np.random.RandomState(0)
    crops = random.randint(0, 256, (2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    found = heatmaps(seeing, crops, ["landmark_swap", "landmark_swap"])
    for one in found:
        rows, columns = np.nonzero(one.values > 0.5)
        assert max(rows.max(), columns.max()) < SIDE_PX / 2
        assert one.drop_hot > 0.2
        assert one.drop_hot > one.drop_random + 0.1
        assert one.faithful == "yes"


def test_an_answer_that_is_sure_still_falls_on_the_log_odds(predictor: Predictor) -> None:
    crops = some_crops(3)
    logits = predictor.read(crops).logits.astype(np.float64) / predictor.card.calibration.temperature
    for number in range(len(NAMES)):
        p = np.exp(logits[:, number]) / np.exp(logits).sum(1)
        assert log_odds(logits, np.full(3, number)) == pytest.approx(np.log(p / (1 - p)))
    # Where p is 1 to the last digit of a float, half of these odds are still half of them.
    sure = log_odds(np.array([[90.0, 0.0], [89.0, 0.0], [-90.0, 0.0]]), np.zeros(3, int))
    assert sure == pytest.approx([90, 89, -90])
    (found,) = heatmaps(predictor, crops[:1], [NAMES[0]])
    assert found.log_odds == pytest.approx(log_odds(logits, np.zeros(3, int))[0], abs=1e-4)
    assert len(found.falls_random) == RANDOM_AREAS


def test_a_flat_map_is_all_zero_and_not_nan(predictor: Predictor) -> None:
    flat = np.full((1, SIDE_PX, SIDE_PX, 3), 127, dtype=np.uint8)
    for one in heatmaps(predictor, np.repeat(flat, 4, axis=0), NAMES):
        assert np.isfinite(one.values).all()
        assert np.isfinite([one.drop_hot, one.drop_random, one.fall_hot, *one.falls_random]).all()
        assert one.faithful == "no"


@pytest.mark.parametrize(("count", "labels"), [(2, ["real"]), (1, ["real", "real"]), (1, ["unknown"]), (1, ["0"])])
def test_what_cannot_be_explained_is_refused(predictor: Predictor, count: int, labels: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="label"):
        heatmaps(predictor, some_crops(count), labels)
