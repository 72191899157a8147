"""Reliability, calibration per source, risk against coverage and abstention, against cases that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.evidence import DetectorInfo
from attribution.lab.measure import curves
from attribution.lab.measure.predictions import SplitPredictions

INFO = DetectorInfo(
    "test", "0" * 64, ("real", "dfdc_swap", "landmark_swap", "stylegan2", "flux1"), ("real", "face_swap", "face_swap", "gan", "diffusion")
)
FAMILY = dict(zip(INFO.labels, INFO.families, strict=True))


def predictions(rows: Sequence[tuple[str, str, Sequence[float]]]) -> SplitPredictions:
    """Faces of (true method, source, probabilities at temperature 1)."""
    count = len(rows)
    return SplitPredictions(
        logits=np.log(np.array([p for _, _, p in rows], float).reshape(count, len(INFO.labels))),
        embeddings=np.eye(max(count, 1), 8)[:count],
        methods=np.array([method for method, _, _ in rows], dtype="<U20"),
        families=np.array([FAMILY[method] for method, _, _ in rows], dtype="<U20"),
        sources=np.array([source for _, source, _ in rows], dtype="<U40"),
        groups=np.array([str(index) for index in range(count)]),
        paths=np.array([str(index) for index in range(count)]),
    )


def sure(said: str, p: float) -> list[float]:
    """`p` for a label, the rest spread evenly."""
    rest = (1 - p) / (len(INFO.labels) - 1)
    return [p if label == said else rest for label in INFO.labels]


def cells(table: MeasuredTable) -> list[dict]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_reliability_of_known_bins():
    found = predictions([("real", "a", sure("real", 0.9))] * 3 + [("flux1", "b", sure("real", 0.9)), ("flux1", "b", sure("flux1", 0.5))])
    table = curves.reliability_table(found, found, INFO, 1.0)
    assert table.title == "Reliability, test"
    assert table.columns == ("calibration", "from", "to", "faces", "confidence", "right", "low", "high")
    before = [row for row in cells(table) if row["calibration"] == "before"]
    assert [(row["from"], row["to"], row["faces"], row["confidence"], row["right"]) for row in before] == [
        (pytest.approx(0.467), pytest.approx(0.533), 1, 0.5, 1.0),
        (pytest.approx(0.867), pytest.approx(0.933), 4, 0.9, 0.75),
    ]
    assert [(row["low"], row["high"]) for row in before][1] == (pytest.approx(0.301, abs=0.002), pytest.approx(0.954, abs=0.002))


def test_temperature_moves_only_what_is_after_calibration():
    found = predictions([("real", "a", sure("real", 0.6))] * 4)
    table = cells(curves.reliability_table(found, found, INFO, 0.5))
    # Squared and normalised: 0.36 / (0.36 + 4 · 0.01).
    assert [(row["calibration"], row["confidence"]) for row in table] == [("before", 0.6), ("after", 0.9)]


def test_certainty_falls_into_the_last_bin():
    found = predictions([("real", "a", [1 - 4e-20, 1e-20, 1e-20, 1e-20, 1e-20])])
    assert [row["to"] for row in cells(curves.reliability_table(found, found, INFO, 1.0))] == [1.0, 1.0]


def test_forgeries_of_the_lab_are_left_out_everywhere():
    own = [("real", "a", sure("real", 0.9)), ("flux1", "b", sure("flux1", 0.7))]
    alone, mixed = predictions(own), predictions([*own, ("landmark_swap", "landmark_swap on a", sure("real", 0.99))])
    for measure in (curves.reliability_table, curves.calibration_by_source):
        assert measure(alone, alone, INFO, 0.8) == measure(mixed, mixed, INFO, 0.8)
    assert curves.risk_coverage_table(alone, INFO, 0.8) == curves.risk_coverage_table(mixed, INFO, 0.8)
    assert curves.abstention_table(alone, alone, INFO, 0.8) == curves.abstention_table(mixed, mixed, INFO, 0.8)


def test_calibration_per_source_keeps_families_apart():
    found = predictions(
        [("real", "dfdc", sure("real", 0.8))] * 4
        + [("dfdc_swap", "dfdc", sure("real", 0.8))]
        + [("dfdc_swap", "dfdc", sure("dfdc_swap", 0.8))] * 3
    )
    table = curves.calibration_by_source(found, found, INFO, 1.0, "cross")
    assert table.title == "Calibration by source, cross"
    assert table.rows == (("face_swap", "dfdc", 4, 0.05, 0.05), ("real", "dfdc", 4, 0.2, 0.2))


def graded() -> SplitPredictions:
    """Ten real and ten diffusion faces of falling confidence; the two least sure of each family are wrong."""
    rows = []
    for place in range(10):
        p = 0.95 - 0.03 * place
        for method, other in (("real", "flux1"), ("flux1", "real")):
            rows.append((method, "a", sure(method if place < 8 else other, p - (0.001 if method == "flux1" else 0))))
    return predictions(rows)


def test_risk_falls_as_coverage_falls():
    table = cells(curves.risk_coverage_table(graded(), INFO, 1.0))
    assert list(table[0]) == ["coverage", "threshold", "balanced accuracy", "low", "high", "wrong"]
    assert table[0]["coverage"] == 1.0
    assert (table[0]["balanced accuracy"], table[0]["wrong"]) == (0.8, 0.2)
    by_coverage = {row["coverage"]: row for row in table}
    assert by_coverage[0.8]["balanced accuracy"] == 1.0
    assert by_coverage[0.8]["wrong"] == 0.0
    # 18 answers, one wrong of nine in each family.
    assert by_coverage[0.9]["balanced accuracy"] == pytest.approx(0.889)
    assert by_coverage[0.9]["wrong"] == pytest.approx(0.111)
    assert table[0]["low"] < 0.8 < table[0]["high"]
    coverages = [row["coverage"] for row in table]
    assert coverages == sorted(coverages, reverse=True)
    assert min(coverages) == 0.2


def test_a_printed_threshold_reproduces_its_row():
    table = cells(curves.risk_coverage_table(graded(), INFO, 1.0))
    confidence = np.array([0.95 - 0.03 * place - less for place in range(10) for less in (0, 0.001)])
    for row in table:
        assert (confidence + 1e-9 >= row["threshold"]).mean() == pytest.approx(row["coverage"], abs=5e-4)


def test_the_confidence_of_a_family_is_the_sum_over_its_methods():
    found = predictions([("dfdc_swap", "a", (0.4, 0.3, 0.28, 0.01, 0.01)), ("real", "b", (0.5, 0.2, 0.2, 0.05, 0.05))] * 2)
    table = cells(curves.risk_coverage_table(found, INFO, 1.0))
    assert table[-1]["threshold"] == pytest.approx(0.58, abs=1e-5)
    assert table[0]["balanced accuracy"] == 1.0


def test_an_emptied_family_gives_no_balanced_accuracy():
    found = predictions([("real", "a", sure("real", 0.95))] * 8 + [("dfdc_swap", "a", sure("dfdc_swap", 0.6))] * 2)
    table = cells(curves.risk_coverage_table(found, INFO, 1.0))
    assert table[0]["balanced accuracy"] == 1.0
    assert table[-1]["coverage"] == 0.8
    assert (table[-1]["balanced accuracy"], table[-1]["low"], table[-1]["high"]) == (None, None, None)
    assert table[-1]["wrong"] == 0.0


def test_equal_confidences_make_one_row():
    table = curves.risk_coverage_table(predictions([("real", "a", sure("real", 0.9))] * 30), INFO, 1.0)
    assert [row[0] for row in table.rows] == [1.0]


def test_abstention_is_tuned_on_val_alone():
    val = graded()
    test = predictions([("real", "a", sure("real", 0.99))] * 3 + [("flux1", "a", sure("flux1", 0.99)), ("flux1", "a", sure("real", 0.3))])
    table = curves.abstention_table(val, test, INFO, 1.0)
    assert table.title == "Abstention"
    assert table.columns == ("tuned on", "split", "threshold", "coverage", "balanced accuracy", "low", "high")
    on_val, on_test = cells(table)
    assert on_val["threshold"] == on_test["threshold"] == pytest.approx(0.739, abs=1e-5)
    assert (on_val["tuned on"], on_val["split"], on_val["coverage"], on_val["balanced accuracy"]) == ("val", "val", 0.8, 1.0)
    assert (on_test["tuned on"], on_test["split"], on_test["coverage"], on_test["balanced accuracy"]) == ("val", "test", 0.8, 1.0)
    assert "diffusion" in table.note
    assert "50 %" in table.note


def test_abstention_says_what_it_costs_each_family():
    val = graded()
    test = predictions(
        [("real", "a", sure("real", 0.99))] * 4
        + [("dfdc_swap", "a", sure("dfdc_swap", 0.5))] * 3
        + [("dfdc_swap", "a", sure("real", 0.9))]
        + [("stylegan2", "a", sure("stylegan2", 0.5))]
    )
    table = curves.abstention_by_family_table(val, test, INFO, 1.0)
    rows = {row["family"]: row for row in cells(table) if row["split"] == "test"}
    assert (rows["real"]["faces"], rows["real"]["coverage"], rows["real"]["right"]) == (4, 1.0, 1.0)
    assert (rows["face_swap"]["faces"], rows["face_swap"]["coverage"], rows["face_swap"]["right"]) == (4, 0.25, 0.0)
    assert (rows["gan"]["coverage"], rows["gan"]["right"], rows["gan"]["low"]) == (0.0, None, None)
    assert cells(curves.abstention_table(val, test, INFO, 1.0))[1]["balanced accuracy"] is None


def test_splits_without_faces():
    nothing = predictions([])
    for measure in (curves.reliability_table, curves.calibration_by_source):
        assert measure(nothing, nothing, INFO, 1.0).rows == ()
    assert curves.risk_coverage_table(nothing, INFO, 1.0).rows == ()
    on_test = cells(curves.abstention_table(graded(), nothing, INFO, 1.0))[1]
    assert (on_test["coverage"], on_test["balanced accuracy"]) == (None, None)
    with pytest.raises(LabError):
        curves.abstention_table(nothing, graded(), INFO, 1.0)
