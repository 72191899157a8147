"""What is chosen and said on sources that a head was not fitted to: rules and figures against values computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attribution.errors import LabError
from attribution.evidence import DetectorInfo
from attribution.explain.reference import ReferenceBank
from attribution.lab.data import REAL, read_manifest
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.measure import elsewhere
from attribution.lab.measure.calibration import CAREFUL
from attribution.lab.measure.elsewhere import FEWEST, choose_thresholds, coverage_table, elsewhere_table, fit_temperature, methods_table
from attribution.lab.measure.predictions import SplitPredictions, read_by_detector
from attribution.lab.publish.products import Heard
from attribution.lab.train.heads import FOLDS, Faces, Head, Settings
from lab_faces import lab_data

LABELS, FAMILIES = (REAL, "learnt_swap", "stylegan"), (REAL, "face_swap", "gan")
INFO = DetectorInfo("tiny", "0" * 64, LABELS, FAMILIES, LABELS, "CC0-1.0")
NOBODY = np.zeros((0, 224, 224, 3), np.uint8)


def said(sources: dict[tuple[str, str], Sequence[float]]) -> SplitPredictions:
    """Answers by the probabilities of a manipulation of each family's and source's faces; half of them a swap."""
    p = np.concatenate([np.asarray(values, float) for values in sources.values()])
    families, names = (np.repeat([key[place] for key in sources], [len(one) for one in sources.values()]) for place in (0, 1))
    logits = np.log(np.stack([1 - p, p / 2, p / 2], 1))
    empty = np.full(len(p), "")
    return SplitPredictions(logits, np.ones((len(p), 1), np.float32), families, families, names, empty, empty)


def judged(*states: tuple[str, str | None]) -> Any:
    return [SimpleNamespace(verdict=SimpleNamespace(state=state, family=family)) for state, family in states]


def untouched(accused: dict[str, tuple[int, int]]) -> dict[tuple[str, str], Sequence[float]]:
    """Sources with so many faces of p 0.902 among so many, beside a swap that is found."""
    faces = {(REAL, name): [0.902] * high + [0.0001] * (count - high) for name, (high, count) in accused.items()}
    return {**faces, ("face_swap", "x"): [0.9999]}


CLEAN = {f"clean {place}": (0, 4) for place in range(30)}


class TestThresholds:
    @pytest.mark.parametrize(
        ("accused", "above"),
        [
            pytest.param({"a": (1, 10), "b": (0, 10)}, 0.9025, id="the mean of the sources is 0.05"),
            pytest.param({"a": (1, 10), **CLEAN}, 0.5025, id="one face of a small source is forgiven"),
            pytest.param({"a": (1, 80), "b": (1, 80), "c": (0, 80)}, 0.9025, id="the median is above 0.01, the mean is not"),
            pytest.param({"a": (1, 80), "b": (1, 80), **CLEAN}, 0.5025, id="neither is"),
            pytest.param({"a": (2, 40), **CLEAN}, 0.9025, id="one large source is accused too often"),
            pytest.param({"a": (1, 40), **CLEAN}, 0.5025, id="and not too often"),
            pytest.param({"a": (2, FEWEST), **CLEAN}, 0.9025, id="large enough to count"),
            pytest.param({"a": (2, FEWEST - 1), **CLEAN}, 0.5025, id="too small to count"),
        ],
    )
    def test_manipulated_from_where_few_untouched_faces_of_any_source_are_accused(self, accused: dict[str, tuple[int, int]], above: float):
        chosen = choose_thresholds(said(untouched(accused)), INFO, 1.0, CAREFUL)
        assert chosen.p_manipulated_above == pytest.approx(above)
        assert chosen == replace(CAREFUL, p_manipulated_above=above, p_manipulated_below=0.4975)

    @pytest.mark.parametrize(
        ("cleared", "below"),
        [({"x": (1, 10)}, 0.2), ({"x": (1, 10), "y": (0, 10), "z": (0, 10)}, 0.4975), ({"x": (1, 2), "y": (0, 1000)}, 0.2)],
    )
    def test_none_found_up_to_where_few_manipulated_faces_are_cleared(self, cleared: dict[str, tuple[int, int]], below: float):
        made = {("gan", name): [0.202] * low + [0.9999] * (count - low) for name, (low, count) in cleared.items()}
        chosen = choose_thresholds(said({(REAL, "a"): [0.0001] * 4, **made}), INFO, 1.0, CAREFUL)
        assert chosen.p_manipulated_below == pytest.approx(below)

    def test_where_no_level_is_harmless_next_to_nothing_is_definite(self):
        found = said({(REAL, "a"): [0.9999] * 4, ("gan", "x"): [0.0001] * 4})
        chosen = choose_thresholds(found, INFO, 1.0, CAREFUL)
        assert (chosen.p_manipulated_above, chosen.p_manipulated_below) == (0.9995, 0.001)


def test_the_temperature_is_found_again():
    random = np.random.default_rng(1)
    z = random.normal(0, 4, 4000)
    made = random.random(4000) < 1 / (1 + np.exp(-z / 2.5))
    families = np.where(made, "gan", REAL)
    logits = np.stack([0 * z, z - 1000, z], 1)
    found = SplitPredictions(logits, z[:, None], *(families,) * 5)
    assert fit_temperature(found, INFO, Settings("", "", "", trunks=())) == pytest.approx(2.5, abs=0.3)


class TestTables:
    def test_verdicts_on_left_out_sources_against_values_computed_by_hand(self):
        found = said({
            (REAL, "a"): [0.1, 0.1, 0.1, 0.6], (REAL, "b"): [0.2, 0.3], ("face_swap", "x"): [0.9, 0.9, 0.15, 0.05],
        })  # fmt: skip
        none, open_, swap, gan = (
            ("no_manipulation_found", None),
            ("inconclusive", None),
            ("manipulated", "face_swap"),
            ("manipulated", "gan"),
        )
        table = elsewhere_table(found, judged(none, none, open_, swap, none, none, swap, gan, none, open_), INFO, 1.0)
        third, never = (0.333, 0.061, 0.792), (0.0, 0.0, 0.658)
        expected = [
            # AUC: 11 of 16 pairs with a, 4 of 8 with b.
            ("x (face swap)", "source", 4, 0.5, 0.25, 0.25, 0.75, *third, 0.594, 0.25),
            ("a", "untouched source", 4, 0.25, 0.5, 0.25, 0.75, *third, None, 0.5),
            ("b", "untouched source", 2, 0, 1, 0, 1, *never, None, 1),
            ("mean of sources, face swap", "pooled", 4, 0.5, 0.25, 0.25, 0.75, 0.333, 0.333, 0.333, 0.594, 0.25),
            ("mean of sources, manipulated", "pooled", 4, 0.5, 0.25, 0.25, 0.75, 0.333, 0.333, 0.333, 0.594, 0.25),
            # Interval: of three sources all are b in 1 of 27 resamples, none is in 8.
            ("mean of sources, all", "pooled", 10, 0.25, 0.583, 0.167, 0.833, 0.222, 0, 0.333, 0.594, 0.583),
            ("mean of sources, untouched", "pooled", 6, 0.125, 0.75, 0.125, 0.875, 0.167, 0, 0.333, None, 0.75),
        ]
        rows = {row[0]: row for row in table.rows}
        assert len(rows) == len(table.rows) == len(expected)
        for row in expected:
            assert [cell is None for cell in rows[row[0]]] == [cell is None for cell in row]
            for cell, value in zip(rows[row[0]], row, strict=True):
                assert cell == (value if value is None or isinstance(value, str) else pytest.approx(value, abs=1.1e-3)), row[0]

    def test_verdicts_on_left_out_methods_against_values_computed_by_hand(self):
        found = said({("face_swap", "a"): [0.9] * 3, ("face_swap", "b"): [0.9], ("gan", "b"): [0.9, 0.1]})
        found = replace(found, methods=np.repeat(["learnt_swap", "stylegan"], [4, 2]))
        states = [("manipulated", "unknown", None), ("manipulated", "unknown", "face_swap"), ("manipulated", "stylegan", "gan")]
        states += [("inconclusive", None, None), ("no_manipulation_found", None, REAL), ("manipulated", "learnt_swap", "face_swap")]
        verdicts: Any = [
            SimpleNamespace(verdict=SimpleNamespace(state=state, method=method, family=family)) for state, method, family in states
        ]
        assert methods_table(found, verdicts).rows == (
            ("learnt_swap", 2, 4, 0.5, 0.25, 0.25, 0.25, 0),
            ("stylegan", 1, 2, 0, 0.5, 0, 0, 0.5),
            ("mean of methods", None, 6, 0.25, 0.375, 0.125, 0.125, 0.25),
        )

    def test_the_price_of_care_against_values_computed_by_hand(self):
        found = said({(REAL, "a"): [0.0052] * 19 + [0.602], ("gan", "x"): [0.902] * 19 + [0.102]})
        table = coverage_table(found, INFO, 1.0)
        assert table.columns == ("at most", "accused", "cleared", "passed", "caught", "definite", "wrong of definite")
        # Nobody may be wronged: 0.605 and up, 0.1 and down. Else from 0.006 on, where nobody is passed any more.
        strict, loose = (0, 0, 0.95, 0.95, 0.95, 0), (0.05, 0, 0, 1, 0.525, 0.048)
        assert table.rows == tuple((most, *(strict if most < 0.05 else loose)) for most in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1))


class TestAnswers:
    def heads(self) -> list[Head]:
        """One for each fold, of which the first logit tells the fold."""
        zeros = np.zeros(2, np.float32)
        return [
            Head(zeros, zeros + 1, np.zeros((3, 2), np.float32), np.array([fold, 0, 0], np.float32), np.ones((128, 2), np.float32))
            for fold in range(len(FOLDS))
        ]

    def test_each_face_is_asked_of_the_head_that_never_saw_its_source(self):
        names = (
            (REAL, REAL, "dfdc", "faces/0.jpg"), ("face_swap", "deepfacelive", "deepfacelive", "faces/1.jpg"),
            (REAL, REAL, "dfdc", "known/2.jpg"), ("face_swap", "mouth_blend", "mouth_blend on dfdc", ""),
            (REAL, REAL, "nowhere", "faces/4.jpg"), (REAL, REAL, "webcams", "faces/5.jpg"),
        )  # fmt: skip
        families, methods, sources, paths = zip(*names, strict=True)
        samples = Samples((NOBODY,), methods, families, sources, paths, paths, np.full(6, -1))
        chosen = np.array([5, 0, 1, 2, 3, 4])
        named = (np.array(one)[chosen] for one in (families, sources, methods))
        faces = Faces(chosen, np.ones((6, 2)), np.array([0, 0, 1, 0, 1, 0]), *named)
        bank = ReferenceBank(np.eye(2, 128, dtype=np.float32), np.zeros((2, 2), np.float32), LABELS[:2], ("a", "b"), np.zeros(1))
        found = elsewhere.answers("test", samples, faces, self.heads(), [bank] * len(FOLDS), ("known",), LABELS)
        assert [(one.split, one.fold, one.chosen.tolist()) for one in found] == [("test", 0, [0]), ("test", 1, [1]), ("test", 6, [5])]
        assert [one.found.logits[0, 0] for one in found] == [0, 1, 6]
        whole = elsewhere.together(found)
        assert whole.methods.tolist() == [REAL, "learnt_swap", REAL]
        assert whole.paths.tolist() == ["faces/0.jpg", "faces/1.jpg", "faces/5.jpg"]
        assert whole.families.tolist() == [REAL, "face_swap", REAL]
        # All embeddings are (1, …, 1) / √128; the farther of two references is as far as the nearer one.
        assert elsewhere.distances(found) == pytest.approx([1 - 128**-0.5] * 3, abs=1e-6)

    def test_each_face_is_asked_of_the_head_that_never_saw_its_method(self):
        families, sources = (REAL, "face_swap", "gan", "gan"), ("dfdc", "x", "x", "y")
        samples = Samples((NOBODY,), families, families, sources, sources, ("faces/0.jpg",) * 4, np.full(4, -1))
        faces = Faces(np.arange(4), np.ones((4, 2)), np.array([0, 1, 2, -1]), *(np.array(one) for one in (families, sources, families)))
        bank = ReferenceBank(np.eye(2, 128, dtype=np.float32), np.zeros((2, 2), np.float32), LABELS[:2], ("a", "b"), np.zeros(1))
        found = elsewhere.answers("test", samples, faces, self.heads()[:2], [bank] * 2, (), LABELS, "method")
        assert [(one.fold, one.chosen.tolist()) for one in found] == [(0, [1]), (1, [2])], "the untouched are never left out"

    def test_without_any_there_is_nothing_to_choose_on(self):
        with pytest.raises(LabError, match="no faces of sources that nobody trained on"):
            elsewhere.together([])

    def test_the_references_of_a_fold_are_none_of_its_sources(self):
        data, work = lab_data()
        train = load_samples(read_manifest((data,)), work, "train")
        chosen = np.flatnonzero(np.isin(train.methods, (REAL, "dfdc_swap", "stylegan2", "mouth_blend")))
        named = (np.array(one)[chosen] for one in (train.families, train.sources, train.methods))
        features = np.random.default_rng(0).normal(0, 1, (len(chosen), 2))
        faces = Faces(chosen, features, np.zeros(len(chosen), int), *named)
        banks = elsewhere.fold_banks(train, faces, self.heads(), 40, LABELS)
        every = set(faces.sources.tolist())
        for fold, bank in zip(FOLDS, banks, strict=True):
            gone = {source for source in every if source.rpartition(" on ")[2] in fold}
            assert 0 < len(bank.sources) <= 40
            assert set(bank.sources) <= every - gone
        assert {"dfdc", "mouth_blend on dfdc", "tpdne_a"} & every - set(banks[0].sources) == {
            "dfdc",
            "mouth_blend on dfdc",
            "tpdne_a",
        } & every

    def test_a_run_that_is_not_finished_is_refused(self, tmp_path: Path):
        with pytest.raises(LabError, match="not finished"):
            elsewhere.load_run(tmp_path, Settings("", "", "", trunks=()))


class TestHeard:
    """A detector whose logit of an untouched face is the place of its sample."""

    @pytest.fixture
    def samples(self) -> Samples:
        crops = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
        names = tuple(map(str, range(9)))
        return Samples((crops,), (REAL,) * 9, (REAL,) * 9, names, names, names, np.full(9, -1))

    @pytest.fixture
    def expert(self, tmp_path: Path) -> Any:
        asked: list[int] = []

        def read(crops: np.ndarray, mirrored: bool) -> Any:
            asked.extend(crops[:, 0, 0, 0].tolist())
            logits = np.zeros((len(crops), 3), np.float32)
            logits[:, 0] = crops[:, 0, 0, 0]
            return SimpleNamespace(logits=logits, embeddings=np.ones((len(crops), 2), np.float32))

        card = SimpleNamespace(calibration=SimpleNamespace(temperature=1.0))
        return SimpleNamespace(info=INFO, card=card, read=read, asked=asked, detector=SimpleNamespace(folder=tmp_path))

    def test_of_the_training_faces_those_alone_are_read_that_are_left_out(
        self, samples: Samples, expert: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        found = said({(REAL, "a"): [0.1, 0.2]})
        bank = ReferenceBank(np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32), LABELS[:2], ("a", "b"), np.zeros(1))
        strange = [
            elsewhere.Elsewhere("train", 0, np.array([7, 2]), found, bank), elsewhere.Elsewhere("train", 1, np.array([4, 5]), found, bank),
            elsewhere.Elsewhere("val", 0, np.array([8, 0]), found, bank),
        ]  # fmt: skip
        monkeypatch.setattr("attribution.lab.publish.products.load", lambda name: name)
        monkeypatch.setattr("attribution.lab.publish.products.Predictor", lambda _: expert)
        monkeypatch.setattr("attribution.lab.publish.products.ReferenceBank", SimpleNamespace(load=lambda _: bank))
        every: dict[str, Samples] = dict.fromkeys(("train", "val", "test", "cross"), samples)
        heard = Heard.load(("one",), tmp_path, every, strange, INFO, 1.0)
        assert sorted(expert.asked) == sorted([*range(9)] * 3 + [2, 4, 5, 7])
        for one in strange:
            first, second = heard.readings(one.split, one.chosen, one.found, one.bank)
            assert first.logits is found.logits
            assert second.logits[:, 0].tolist() == one.chosen.tolist(), "each face has its own answer, in whatever order they are asked"

    def test_what_is_kept_is_read_again_for_other_samples_only(self, samples: Samples, expert: Any, tmp_path: Path):
        for chosen, asked in (([1, 3], 2), ([1, 3], 2), ([1, 4], 4)):
            found = read_by_detector(expert, samples, np.array(chosen), tmp_path / "kept.npz")
            assert found.logits[:, 0].tolist() == chosen
            assert len(expert.asked) == asked
