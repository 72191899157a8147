"""Crops in, predictions out: the same on every batch size, device and path, and nothing but crops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from attribution.detectors.loading import LoadedDetector
from attribution.detectors.predictor import Predictor, pick_device
from attribution.errors import DeviceError
from attribution.lab.forge.augment import jpeg
from attribution.models.backbones import features, normalise
from conftest import LABELS, MEAN, SIDE_PX, STD, some_crops


def test_predictions_are_what_the_network_says(predictor: Predictor, loaded_detector: LoadedDetector) -> None:
    crops = some_crops(3)
    found = predictor.read(crops)
    assert loaded_detector.projection is not None
    with torch.inference_mode():
        pooled, logits = features(loaded_detector.model, normalise(torch.from_numpy(crops), MEAN, STD))
        embeddings = loaded_detector.projection(pooled)
    assert found.logits == pytest.approx(logits.numpy(), abs=1e-4)
    assert found.embeddings == pytest.approx(embeddings.numpy(), abs=1e-4)
    assert found.logits.dtype == found.p_methods.dtype == found.embeddings.dtype == np.float32
    assert len({row.tobytes() for row in found.logits}) == 3


def test_crops_are_encoded_once_where_the_card_says_so(predictor: Predictor, loaded_detector: LoadedDetector) -> None:
    crops, card = some_crops(2), loaded_detector.card
    assert card.jpeg_quality is None
    assert torch.equal(predictor.inputs(crops), normalise(torch.from_numpy(crops), MEAN, STD))
    for quality in (60, 90):
        encoding = Predictor(replace(loaded_detector, card=replace(card, jpeg_quality=quality)))
        expected = predictor.inputs(np.stack([jpeg(crop, quality) for crop in crops]))
        assert torch.equal(encoding.inputs(crops), expected)
        assert not torch.equal(expected, predictor.inputs(crops))
        assert encoding.read(crops[:0]).logits.shape == (0, len(LABELS))


def test_probabilities_are_calibrated_by_the_card(predictor: Predictor) -> None:
    found = predictor.read(some_crops(4))
    expected = np.exp(found.logits / 1.5)
    assert found.p_methods == pytest.approx(expected / expected.sum(axis=1, keepdims=True), abs=1e-6)
    assert predictor.calibrated(np.array([[1e4, 0, -1e4, 1e4]], dtype=np.float32))[0].tolist() == [0.5, 0, 0, 0.5]


def test_the_batch_size_changes_nothing(predictor: Predictor) -> None:
    crops = some_crops(37)
    together = predictor.read(crops)
    alone = [predictor.read(crops[i : i + 1]).logits[0] for i in (0, 15, 16, 36)]
    assert np.stack(alone) == pytest.approx(together.logits[[0, 15, 16, 36]], abs=1e-4)


def test_mirrored_is_the_mean_of_both_views(predictor: Predictor) -> None:
    crops = some_crops(3)
    both = predictor.read(crops, mirrored=True)
    flipped = np.ascontiguousarray(crops[:, :, ::-1])
    one, other = predictor.read(crops), predictor.read(flipped)
    assert both.logits == pytest.approx((one.logits + other.logits) / 2, abs=1e-4)
    mean = one.embeddings + other.embeddings
    assert both.embeddings == pytest.approx(mean / np.linalg.norm(mean, axis=1, keepdims=True), abs=1e-4)
    assert predictor.read(flipped, mirrored=True).logits == pytest.approx(both.logits, abs=1e-4)


def test_no_faces_are_predictions_of_none(predictor: Predictor) -> None:
    for mirrored in (False, True):
        found = predictor.read(some_crops(1)[:0], mirrored)
        assert found.logits.shape == found.p_methods.shape == (0, len(LABELS))
        assert found.embeddings.shape == (0, 16)


def test_other_arrays_are_refused(predictor: Predictor) -> None:
    shapes = ((SIDE_PX, SIDE_PX, 3), (1, 3, SIDE_PX, SIDE_PX), (1, 224, 224, 3), (1, SIDE_PX, SIDE_PX, 4))
    for crops in (np.zeros((2, SIDE_PX, SIDE_PX, 3), dtype=np.float32), *(np.zeros(one, dtype=np.uint8) for one in shapes), [[0]]):
        with pytest.raises(ValueError, match="uint8"):
            predictor.read(crops)  # type: ignore[arg-type]


def test_crops_that_lie_strangely_in_memory_read_the_same(predictor: Predictor) -> None:
    crops = some_crops(2)
    read_only = crops.copy()
    read_only.flags.writeable = False
    for strange in (np.asfortranarray(crops), crops[::-1][::-1], read_only):
        assert np.array_equal(predictor.read(strange).logits, predictor.read(crops).logits)


class SmallMemory(nn.Module):
    """A network whose memory holds only `most` faces at a time, as on a GPU that others use too."""

    def __init__(self, network: nn.Module, most: int) -> None:
        super().__init__()
        self.network = network
        self.most = most

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.network.forward_features(inputs)  # type: ignore[operator]

    def forward_head(self, maps: torch.Tensor, pre_logits: bool) -> torch.Tensor:
        return self.network.forward_head(maps, pre_logits=pre_logits)  # type: ignore[operator]

    def get_classifier(self) -> nn.Module:
        return self.network.get_classifier()  # type: ignore[operator]


@pytest.mark.parametrize(("most", "mirrored"), [(3, False), (2, True), (0, True)])
def test_out_of_memory_halves_the_batch_and_then_takes_the_cpu(loaded_detector: LoadedDetector, most: int, mirrored: bool) -> None:
    crops = some_crops(7)
    cramped = Predictor(loaded_detector, "cpu")
    expected = cramped.read(crops, mirrored)
    cramped.model = SmallMemory(cramped.model, most)
    found = cramped.read(crops, mirrored)
    assert found.logits == pytest.approx(expected.logits, abs=1e-3)
    assert found.p_methods == pytest.approx(expected.p_methods, abs=1e-3)
    assert found.embeddings == pytest.approx(expected.embeddings, abs=1e-3)


def test_devices() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DeviceError, match="no device called"):
        pick_device("abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused(loaded_detector: LoadedDetector) -> None:
    for start in (lambda: pick_device("cuda"), lambda: Predictor(loaded_detector, "cuda")):
        with pytest.raises(DeviceError, match="no GPU"):
            start()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_the_gpu_reads_the_same_and_leaves_the_network_on_the_cpu(loaded_detector: LoadedDetector) -> None:
    crops = some_crops(5)
    on_gpu = Predictor(loaded_detector, "cuda").read(crops, mirrored=True)
    assert next(loaded_detector.model.parameters()).device.type == "cpu"
    on_cpu = Predictor(loaded_detector, "cpu").read(crops, mirrored=True)
    assert on_gpu.logits == pytest.approx(on_cpu.logits, abs=1e-2)
    assert on_gpu.p_methods == pytest.approx(on_cpu.p_methods, abs=1e-3)
