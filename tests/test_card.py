"""The card: accepted whole, or refused with a sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.detectors.card import ArtifactRule, Card, probe_crop
from attribution.errors import DamagedDetector, UnusableDetector


@pytest.fixture
def card_json(detector_folder: Path) -> dict[str, Any]:
    return json.loads((detector_folder / "card.json").read_text(encoding="utf-8"))


def test_round_trip(card_json: dict[str, Any]) -> None:
    card = Card.from_json(card_json)
    assert card.to_json() == card_json
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card
    assert card.labels[0].family == "real"
    assert card.thresholds.p_manipulated_above == 0.8
    assert card.measured[0].rows[1] == ("none", 0, None)


def change(card: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at `path` ("labels.0.name") replaced, or removed for Ellipsis."""
    changed = copy.deepcopy(card)
    *parents, last = path.split(".")
    place: Any = changed
    for step in parents:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "../../etc"), ("name", ...), ("labels", []), ("labels", ["real", "fake"]), ("labels.0.name", "unknown"),
        ("labels.0.name", "stylegan2"), ("labels.0.family", "gan"), ("labels.0.family", "alien"), ("labels.0.colour", "red"),
        ("labels.0.display_name", 3), ("crop", ...), ("crop.detector", "haar"), ("crop.side_px", 100_000), ("crop.scale", float("nan")),
        ("calibration.temperature", 0), ("calibration.ece_after", 2), ("thresholds", None), ("thresholds.p_manipulated_above", 1.5),
        ("thresholds.p_manipulated_above", True), ("thresholds.p_manipulated_below", 0.9), ("thresholds.strong_p_manipulated", 1.5),
        ("thresholds.min_faces_in_clip", 0), ("thresholds.energy_min", 10**400), ("thresholds.invented", 1),
        ("thresholds.min_brightness", 255), ("training.seeds", [1.5]), ("training.data_sha256", "abc"),
        ("measured.0.rows", [["too short"]]), ("measured.0.rows", [[[], {}, None]]), ("limits", [3]), ("probes", []),
        ("probes.0.logits", [1.0]), ("probes.0.logits", [1.0, 2.0, None, 3.0]), ("probes.0.seed", -1), ("files", {}),
        ("files", {"model.safetensors": "0" * 64}),
        ("files", {"model.safetensors": "0" * 64, "config.json": "0" * 64, "reference.safetensors": "X" * 64}), ("surprise", 1),
        ("scope", "everything"), ("artifacts", 0.5), ("artifacts", {"nms_iou": 0.3}), ("artifacts", {"min_confidence": 1.2}),
        ("artifacts", {"min_confidence": None}), ("artifacts", {"min_confidence": 0.5, "nms_iou": 2}),
        ("artifacts", {"min_confidence": 0.5, "slope": 0}), ("artifacts", {"min_confidence": 0.5, "colour": "red"}),
        ("jpeg_quality", 0), ("jpeg_quality", 101), ("jpeg_quality", 90.5), ("jpeg_quality", True), ("jpeg_quality", "90"),
    ],
)  # fmt: skip
def test_anything_wrong_is_refused(card_json: dict[str, Any], path: str, value: Any) -> None:
    with pytest.raises(DamagedDetector, match="card is not valid"):
        Card.from_json(change(card_json, path, value))


@pytest.mark.parametrize("schema", ["telltale-card/99", None, ["x"], ...])
def test_another_schema_is_another_refusal(card_json: dict[str, Any], schema: Any) -> None:
    with pytest.raises(UnusableDetector, match="schema"):
        Card.from_json(change(card_json, "schema", schema))
    for data in (None, [], "card", 3):
        with pytest.raises(DamagedDetector):
            Card.from_json(data)


def test_the_rule_for_artifact_boxes_is_written_and_read(card_json: dict[str, Any]) -> None:
    assert card_json["artifacts"] is None
    # Cards from before there were artifact boxes.
    assert Card.from_json(change(card_json, "artifacts", ...)) == Card.from_json(card_json)
    card = Card.from_json({**card_json, "scope": "face_swap", "artifacts": {"min_confidence": 0.4}})
    assert card.artifacts == ArtifactRule(0.4, 0.3)
    rule = {"min_confidence": 0.4, "nms_iou": 0.3, "slope": 1.0, "offset": 0.0}
    assert (card.to_json()["scope"], card.to_json()["artifacts"]) == ("face_swap", rule)
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_the_quality_of_the_one_encoding_is_written_only_where_there_is_one(card_json: dict[str, Any]) -> None:
    assert "jpeg_quality" not in card_json, "earlier versions read such a card, too"
    assert Card.from_json(card_json).jpeg_quality is None
    for quality in (1, 90, 100):
        card = Card.from_json({**card_json, "jpeg_quality": quality})
        assert card.jpeg_quality == card.to_json()["jpeg_quality"] == quality


def test_probe_inputs_never_change() -> None:
    crop = probe_crop(1, 64)
    assert crop.shape == (64, 64, 3)
    assert crop.dtype == np.uint8
    assert crop.tobytes() == probe_crop(1, 64).tobytes() != probe_crop(2, 64).tobytes()
    # Every published card rests on these values.
    assert crop[:2, :3].tolist() == [[[27, 185, 166], [83, 215, 205], [55, 238, 159]], [[32, 224, 186], [45, 214, 203], [64, 190, 169]]]
