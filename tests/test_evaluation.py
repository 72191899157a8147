"""The tables of a card from known predictions and verdicts: reliability, coverage, abstention, errors by lightness and by size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from attribution.detectors.card import MeasuredTable
from attribution.errors import LabError
from attribution.evidence import DetectorInfo
from attribution.lab.forge.pools import Samples
from attribution.lab.measure import curves, fairness
from attribution.lab.measure.calibration import calibrate, choose_thresholds
from attribution.lab.measure.evaluate import figures, second_opinion_table, source_table, verdict_table
from attribution.lab.measure.fairness import JudgedFaces, judged_faces, lightness_of, lightness_table, size_table, within_sources_table
from attribution.lab.measure.predictions import SplitPredictions
from samples import INCONCLUSIVE, MANIPULATED, NONE_FOUND, track

INFO = DetectorInfo(
    "test", "0" * 64, ("real", "dfdc_swap", "landmark_swap", "stylegan2", "flux1"), ("real", "face_swap", "face_swap", "gan", "diffusion")
)
FAMILY = dict(zip(INFO.labels, INFO.families, strict=True))
A, N, I = "manipulated", "no_manipulation_found", "inconclusive"  # noqa: E741
Face = tuple[str, str, Sequence[float]]


def predictions(rows: Sequence[Face]) -> SplitPredictions:
    """Faces of (true method, source, probabilities at temperature 1)."""
    count = len(rows)
    return SplitPredictions(
        logits=np.log(np.array([p for _, _, p in rows], float).reshape(count, len(INFO.labels))),
        embeddings=np.eye(max(count, 1), 8)[:count],
        methods=np.array([method for method, _, _ in rows], dtype="<U20"),
        families=np.array([FAMILY[method] for method, _, _ in rows], dtype="<U20"),
        sources=np.array([source for _, source, _ in rows], dtype="<U40"),
        groups=np.arange(count).astype(str),
        paths=np.arange(count).astype(str),
    )


def sure(method: str, source: str, said: str, p: float) -> Face:
    """A face answered with `p` for a label, the rest spread evenly."""
    rest = (1 - p) / (len(INFO.labels) - 1)
    return method, source, [p if label == said else rest for label in INFO.labels]


def cells(table: MeasuredTable) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


NOTHING = predictions([])
GRADED = predictions([
    sure(method, "a", method if place < 8 else other, 0.95 - 0.03 * place - less)
    for place in range(10)
    for method, other, less in (("real", "flux1", 0.0), ("flux1", "real", 0.001))
])  # fmt: skip
"""Ten real and ten diffusion faces of falling confidence; the two least sure of each family are wrong."""


def test_reliability_of_known_bins() -> None:
    faces = [sure("real", "a", "real", 0.9)] * 3 + [sure("flux1", "b", "real", 0.9), sure("flux1", "b", "flux1", 0.5)]
    found = predictions(faces)
    rows = cells(curves.reliability_table(found, found, INFO, 1.0))
    assert [tuple(row.values())[:6] for row in rows if row["calibration"] == "before"] == [
        ("before", 0.467, 0.533, 1, 0.5, 1.0), ("before", 0.867, 0.933, 4, 0.9, 0.75),
    ]  # fmt: skip
    assert (rows[1]["low"], rows[1]["high"]) == (pytest.approx(0.301, abs=0.002), pytest.approx(0.954, abs=0.002))
    # Temperature moves only what is after calibration: squared and normalised, 0.36 / (0.36 + 4 · 0.01).
    same = predictions([sure("real", "a", "real", 0.6)] * 4)
    assert [row["confidence"] for row in cells(curves.reliability_table(same, same, INFO, 0.5))] == [0.6, 0.9]
    certain = predictions([("real", "a", [1 - 4e-20, 1e-20, 1e-20, 1e-20, 1e-20])])
    assert [row["to"] for row in cells(curves.reliability_table(certain, certain, INFO, 1.0))] == [1.0, 1.0]


def test_calibration_per_source_keeps_families_apart() -> None:
    right, wrong = sure("dfdc_swap", "dfdc", "dfdc_swap", 0.8), sure("dfdc_swap", "dfdc", "real", 0.8)
    found = predictions([sure("real", "dfdc", "real", 0.8)] * 4 + [wrong] + [right] * 3)
    table = curves.calibration_by_source(found, found, INFO, 1.0, "cross")
    assert table.title == "Calibration by source, cross"
    assert table.rows == (("face_swap", "dfdc", 4, 0.05, 0.05), ("real", "dfdc", 4, 0.2, 0.2))


def test_forgeries_of_the_lab_are_left_out_everywhere() -> None:
    own = [sure("real", "a", "real", 0.9), sure("flux1", "b", "flux1", 0.7)]
    alone, mixed = predictions(own), predictions([*own, sure("landmark_swap", "landmark_swap on a", "real", 0.99)])
    for tables in (lambda one: curves.confidence_tables(one, one, one, INFO, 0.8), lambda one: figures(one, one, INFO, 0.8)):
        assert tables(alone) == tables(mixed)


def test_risk_falls_as_coverage_falls() -> None:
    table = cells(curves.risk_coverage_table(GRADED, INFO, 1.0))
    by_coverage = {row["coverage"]: (row["balanced accuracy"], row["wrong"]) for row in table}
    assert (by_coverage[1.0], by_coverage[0.8]) == ((0.8, 0.2), (1.0, 0.0))
    # 18 answers, one wrong of nine in each family.
    assert by_coverage[0.9] == (pytest.approx(0.889), pytest.approx(0.111))
    assert table[0]["low"] < 0.8 < table[0]["high"]
    assert [*by_coverage] == sorted(by_coverage, reverse=True)
    # A printed threshold reproduces its row.
    confidence = np.array([0.95 - 0.03 * place - less for place in range(10) for less in (0, 0.001)])
    assert [(confidence + 1e-9 >= row["threshold"]).mean() for row in table] == pytest.approx([*by_coverage], abs=5e-4)


def test_abstention_is_tuned_on_val_alone_and_says_what_it_costs_each_family() -> None:
    swap = sure("dfdc_swap", "a", "dfdc_swap", 0.5)
    faces = (
        [sure("real", "a", "real", 0.99)] * 4 + [swap] * 3 + [sure("dfdc_swap", "a", "real", 0.9), sure("stylegan2", "a", "stylegan2", 0.5)]
    )
    test = predictions(faces)
    table = curves.abstention_table(GRADED, test, INFO, 1.0)
    on_val, on_test = cells(table)
    assert on_val["threshold"] == on_test["threshold"] == pytest.approx(0.739, abs=1e-5)
    assert (on_val["split"], on_val["coverage"], on_val["balanced accuracy"]) == ("val", 0.8, 1.0)
    assert (on_test["split"], on_test["coverage"], on_test["balanced accuracy"]) == ("test", 0.556, None)
    assert "The least answered family is gan: of its 1 test faces 0 %" in table.note
    rows = {row["family"]: row for row in cells(curves.abstention_by_family_table(GRADED, test, INFO, 1.0)) if row["split"] == "test"}
    assert {name: (row["faces"], row["coverage"], row["right"]) for name, row in rows.items()} == {
        "real": (4, 1.0, 1.0), "face_swap": (4, 0.25, 0.0), "gan": (1, 0.0, None),
    }  # fmt: skip


def test_splits_without_faces() -> None:
    for measure in (curves.reliability_table, curves.calibration_by_source):
        assert measure(NOTHING, NOTHING, INFO, 1.0).rows == ()
    assert curves.risk_coverage_table(NOTHING, INFO, 1.0).rows == source_table("any", NOTHING, INFO, 1.0).rows == ()
    on_test = cells(curves.abstention_table(GRADED, NOTHING, INFO, 1.0))[1]
    assert (on_test["coverage"], on_test["balanced accuracy"]) == (None, None)
    only_real = predictions([sure("real", "a", "real", 0.9)] * 3)
    for refused in (
        lambda: curves.abstention_table(NOTHING, GRADED, INFO, 1.0),
        lambda: calibrate(NOTHING, INFO.labels),
        lambda: choose_thresholds(only_real, INFO, 1.0),
        lambda: choose_thresholds(NOTHING, INFO, 1.0),
    ):
        with pytest.raises(LabError, match=r"no .*validation faces"):
            refused()


def test_thresholds_keep_false_alarms_rare_in_the_mean_over_sources() -> None:
    sources = [sure("real", source, "real", p) for source, p in (("a", 0.999), ("b", 0.08))] * 5
    swaps = [sure("dfdc_swap", "c", "dfdc_swap", 0.99)] * 5
    assert choose_thresholds(predictions(sources + swaps), INFO, 1.0).p_manipulated_above == 0.925
    chosen = choose_thresholds(predictions(sources[::2] + swaps), INFO, 1.0)
    assert (chosen.p_manipulated_above, chosen.p_manipulated_below) == (0.8, 0.2)


def test_verdicts_and_second_opinions_are_counted_per_source() -> None:
    faces = predictions([sure(method, "dfdc", method, 0.9) for method in ("real", "real", "dfdc_swap", "dfdc_swap")])
    judged = [track(place, verdict) for place, verdict in enumerate((MANIPULATED, NONE_FOUND, MANIPULATED, INCONCLUSIVE))]
    table = verdict_table("Verdicts", faces, judged)
    assert [row[1:] for row in table.rows] == [
        ("dfdc", 2, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 0.0), ("dfdc", 2, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5, None),
        ("all untouched", 2, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5, None), ("all manipulated", 2, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 0.0),
    ]  # fmt: skip
    second = [track(place, verdict) for place, verdict in enumerate((NONE_FOUND, NONE_FOUND, NONE_FOUND, NONE_FOUND))]
    opinions = second_opinion_table("test", faces, judged, second, "swaps", "face_swap")
    # Asked of three: agreed on one, overturned one wrong and one right answer.
    assert opinions.rows[-1] == ("all", 3, 1, 0, 2, 1, 1)
    assert [row[0] for row in opinions.rows] == ["dfdc", "dfdc_swap on dfdc", "all"]


def faces_of(
    lightness: Sequence[float], untouched: Sequence[bool], states: Sequence[str], sources: Sequence[str] = (), sides: Sequence[float] = ()
) -> JudgedFaces:
    count = len(lightness)
    columns = (np.array(lightness, float), np.array(sides or [200] * count, float), np.array(untouched, bool))
    return JudgedFaces("test", *columns, np.array(sources or ["a"] * count), np.array(states, dtype=object))


def grey(value: int) -> np.ndarray:
    return np.full((40, 40, 3), value, np.uint8)


def test_lightness_is_that_of_the_middle() -> None:
    framed, green, blue = grey(255), grey(0), grey(0)
    framed[8:32, 8:32], framed[7, 7] = 0, 30
    green[..., 1], blue[..., 2] = 255, 255
    # sRGB 119 is a luminance of 0.1845; L* = 116 · 0.1845^(1/3) − 16.
    for crop, light in ((grey(0), 0), (grey(255), 100), (grey(119), 50.03), (framed, 0), (green, 87.7), (blue, 32.3)):
        assert lightness_of(crop) == pytest.approx(light, abs=0.5)


def test_quarters_come_from_the_untouched_faces() -> None:
    both = faces_of([10, 20, 30, 40, 5, 12, 18, 39, 90], [True] * 4 + [False] * 5, [A, N, I, N, N, A, I, A, N])
    rows = lightness_table([both]).rows
    assert [row[:2] for row in rows] == [("test", name) for name in fairness.QUARTERS]
    # Borders 17.5, 25, 32.5.
    assert [(row[2], row[3], row[6], row[7], row[10]) for row in rows] == [
        (1, 1.0, 2, 0.5, 0.0), (1, 0.0, 1, 0.0, 0.5), (1, 0.0, 0, None, 1.0), (1, 0.0, 2, 0.5, 0.0),
    ]  # fmt: skip
    assert rows[2][8:10] == (None, None)


def test_sizes_have_plain_borders() -> None:
    sides = [60, 89.9, 90, 149, 150, 300, 300.5, 2000]
    rows = size_table([faces_of([50] * 8, [True] * 8, [A] * 8, sides=sides)]).rows
    assert [(row[1], row[2]) for row in rows] == list(zip(fairness.SIZES, (2, 2, 2, 2), strict=True))
    rows = size_table([faces_of([50], [False], [I], sides=[400])]).rows
    assert rows[0][2:] == (0, None, None, None, 0, None, None, None, None)
    assert rows[3][2:] == (0, None, None, None, 1, 0.0, 0.0, pytest.approx(0.793, abs=0.002), 1.0)


def two_sources(dark_errors: int) -> JudgedFaces:
    """Source a: ten dark faces of which some are accused, ten light ones; source b is darker as a whole and wholly wrong."""
    light = [*range(40, 50), *range(60, 70), *range(10), *range(20, 30)]
    return faces_of(light, [True] * 40, [A] * dark_errors + [N] * (20 - dark_errors) + [A] * 20, ["a"] * 20 + ["b"] * 20)


def test_within_sources_does_not_blame_the_light_for_the_source() -> None:
    assert [row[3] for row in lightness_table([two_sources(0)]).rows] == [1.0, 1.0, 0.0, 0.0]
    assert [row[1:] for row in within_sources_table([two_sources(0)]).rows] == [
        ("accused", 2, 40, 0.0, 0.0, 0.0), ("cleared", 0, 0, None, None, None), ("inconclusive", 2, 40, 0.0, None, None),
    ]  # fmt: skip
    one, other = within_sources_table([two_sources(8), two_sources(0)]).rows[::3]
    # Source a: 0.8 − 0; source b: 1 − 1; the mean of both.
    assert one[2:5] == (2, 40, 0.4)
    assert 0.2 < float(str(one[5])) < 0.4 < float(str(one[6])) <= 0.5
    assert other[4] == 0.0


def test_faces_are_gathered_from_verdicts() -> None:
    faces = predictions([sure("real", "a", "real", 0.9), *[sure("flux1", "b", "flux1", 0.9)] * 2])
    crops = np.stack([grey(0), grey(255), grey(0)])
    names = (faces.methods, faces.families, faces.sources, faces.groups, faces.paths)
    methods, families, sources, groups, paths = (tuple(one.tolist()) for one in names)
    samples = Samples((crops,), methods, families, sources, groups, paths, np.full(3, -1))
    judged = [track(place, verdict) for place, verdict in enumerate((NONE_FOUND, MANIPULATED, INCONCLUSIVE))]
    gathered = judged_faces("cross", samples, faces, judged, np.array([80, 100, 400]))
    assert gathered.lightness == pytest.approx([0, 100, 0], abs=0.1)
    assert (gathered.untouched.tolist(), gathered.accused.tolist()) == ([True, False, False], [False, True, False])
    assert gathered.cleared.tolist() == [True, False, False]
    with pytest.raises(ValueError, match="aligned"):
        judged_faces("cross", samples, faces, judged[:2], np.array([80, 100, 400]))
