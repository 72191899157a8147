"""Several detectors that answer together: what the weights of a combination do, who is read how often, and what is left without an
expert."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attribution.detectors import loading
from attribution.detectors.card import Card, Combination
from attribution.detectors.predictor import Predictor
from attribution.errors import DamagedDetector, EvidenceError, UnknownDetector
from attribution.evidence import DetectorInfo, Evidence, Face, Predictions, Track
from attribution.explain.reference import ReferenceBank
from attribution.faces.finder import FaceFinder
from attribution.lab.measure.evaluate import judge_samples
from attribution.lab.measure.predictions import SplitPredictions, combined, reading_of
from attribution.pipeline import Pipeline, examine, explain, load_pipeline
from attribution.verdict import ensemble
from attribution.verdict.combination import Reading, combine, feature_names, features
from attribution.web import api
from attribution.web.engine import Engine, Engines
from conftest import GENERATED_LABELS, SURE, SWAP_LABELS, SWAP_SIDE_PX, Folders, digest, some_crops, write_detector
from samples import disputed, swap_opinion, track
from test_loading import mend_card

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FAMILIES = ("face_swap", "gan", "diffusion")
FIRST = DetectorInfo("default", "aa" * 32, ("real", "swap_a", "swap_b", "gan_a"), ("real", "face_swap", "face_swap", "gan"))
OTHER = DetectorInfo("swap", "bb" * 32, ("real", "swapped"), ("real", "face_swap"))
# What is settled by a bias alone, whatever is seen.
FOUND, NOT_FOUND = 4.0, -4.0


def bank(info: DetectorInfo, angles: dict[str, tuple[float, ...]]) -> ReferenceBank:
    """References on the unit circle, by label the angles (in degrees) at which they lie."""
    places = [(label, angle) for label, own in angles.items() for angle in own]
    turned = np.radians([angle for _, angle in places])
    embeddings = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    methods = tuple(label for label, _ in places)
    return ReferenceBank(embeddings, embeddings, methods, methods, np.array([0.1], np.float32), neighbours=1, map_neighbours=2)


def reading(info: DetectorInfo, logits: Any, angles: dict[str, tuple[float, ...]], temperature: float = 1.0) -> Reading:
    """Of faces that lie at 0 degrees."""
    rows = np.array(logits, dtype=np.float32)
    return Reading(rows, np.tile(np.array([[1.0, 0.0]], np.float32), (len(rows), 1)), info, temperature, bank(info, angles))


def row(bias: float = 0.0, **weights: float) -> tuple[float, ...]:
    """A weight for each feature of `default` and `swap`, by its place in this list of short names."""
    names = ("odds", "near", "odds2", "near2", "share_swap", "share_gan")
    return (*(weights.get(name, 0.0) for name in names), bias)


def rule(manipulated: tuple[float, ...], swap: tuple[float, ...] = row(), gan: tuple[float, ...] = row()) -> Combination:
    return Combination(("swap",), ("bb" * 32,), manipulated, {"face_swap": swap, "gan": gan}, SURE)


def sigmoid(odds: float) -> float:
    return 1 / (1 + np.exp(-odds))


P = np.array([0.1, 0.3, 0.2, 0.4])
PAIR = (
    # Five manipulated references, the fifth at 50°, and six untouched ones, the fifth at 60°.
    reading(FIRST, [2 * np.log(P)], {"real": (20, 30, 40, 55, 60, 90), "swap_a": (10, 25), "gan_a": (30, 40, 50)}, temperature=2.0),
    # Fewer than five of each: the farthest counts.
    reading(OTHER, [np.log([0.75, 0.25])], {"real": (10, 180), "swapped": (90,)}),
)


# What is weighed


def test_features_are_log_odds_and_distances_in_the_order_of_their_names() -> None:
    names = feature_names(("default", "swap"), ("gan", "real", "face_swap"))
    assert names == (
        *("default: log-odds of a manipulation", "default: nearness to untouched faces"),
        *("swap: log-odds of a manipulation", "swap: nearness to untouched faces"),
        *("default: share of face_swap", "default: share of gan"),
    )
    cos = {angle: np.cos(np.radians(angle)) for angle in (50, 60, 90, 180)}
    expected = (np.log(9), cos[60] - cos[50], np.log(1 / 3), cos[180] - cos[90], np.log(5 / 9), np.log(4 / 9))
    assert features(PAIR) == pytest.approx(np.array([expected]), abs=1e-6)
    assert features(PAIR).dtype == np.float64


def test_features_stay_within_what_was_measured_and_are_taken_from_logits() -> None:
    sure = replace(PAIR[0], logits=np.array([[-500.0, 500.0, 0.0, 0.0], [500.0, 0.0, -500.0, 0.0], [0, 8, 0, 0]], np.float32))
    sure = replace(sure, embeddings=np.repeat(PAIR[0].embeddings, 3, axis=0))
    found = features((sure, replace(PAIR[1], logits=np.zeros((3, 2), np.float32), embeddings=sure.embeddings)))
    assert found[:, 0].tolist()[:2] == [10.0, -10.0]
    assert found[2, 0] == pytest.approx(np.log(np.exp(4) + 2))
    assert found[0, 4:].tolist() == [0.0, -6.0]


def test_readings_of_other_faces_and_references_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="same faces"):
        features((PAIR[0], replace(PAIR[1], logits=np.zeros((2, 2), np.float32))))
    for angles in ({"real": (10.0, 20.0)}, {"swapped": (10.0, 20.0)}):
        with pytest.raises(ValueError, match="one kind"):
            features((PAIR[0], replace(PAIR[1], bank=bank(OTHER, angles))))


# What the weights do


def test_the_weights_do_what_they_say() -> None:
    x = features(PAIR)[0]
    weights = rule(row(0.5, odds=0.7, near=2.0, odds2=-0.4, near2=0.3), swap=row(0.2, share_swap=1.0), gan=row(share_gan=0.5, odds2=1.0))
    found = combine(weights, PAIR)
    p = sigmoid(0.7 * x[0] + 2 * x[1] - 0.4 * x[2] + 0.3 * x[3] + 0.5)
    swap = sigmoid((x[4] + 0.2) - (0.5 * x[5] + x[2]))
    assert found.p_methods[0] == pytest.approx([1 - p, p * swap * 0.6, p * swap * 0.4, p * (1 - swap)], abs=1e-6)
    assert np.exp(found.logits) == pytest.approx(found.p_methods, abs=1e-6)
    assert np.array_equal(found.embeddings, PAIR[0].embeddings)


def test_the_detector_alone_comes_out_where_only_it_is_weighed() -> None:
    same = combine(rule(row(odds=1.0), swap=row(share_swap=1.0), gan=row(share_gan=1.0)), PAIR)
    assert same.p_methods[0] == pytest.approx(P, abs=1e-6)


@pytest.mark.parametrize("bias", [-1000.0, 0.0, 1000.0])
def test_probabilities_sum_to_one_however_sure_the_answer_is(bias: float) -> None:
    found = combine(rule(row(bias, odds=1000.0), swap=row(bias, share_swap=-1000.0)), PAIR)
    assert found.p_methods.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.isfinite(found.logits).all()


def test_weights_of_other_detectors_are_refused() -> None:
    two_swaps = replace(FIRST, families=("real", "face_swap", "face_swap", "face_swap"))
    for weights, readings in ((rule(row()), PAIR[:1]), (rule(row()), (replace(PAIR[0], info=two_swaps), PAIR[1]))):
        with pytest.raises(ValueError, match="not of these detectors"):
            combine(weights, readings)


# In the card

GOOD: dict[str, Any] = {
    "experts": ["swap", "generated"],
    "digests": ["ab" * 32, "cd" * 32],
    "manipulated": [0.5] * 10,
    "families": {family: [0.25] * 10 for family in FAMILIES},
    "thresholds": {"p_manipulated_above": 0.9, "p_manipulated_below": 0.1, "method_min_p": 0.5, "family_min_p": 0.6},
}


def test_a_card_with_a_combination_is_read_back_and_one_without_has_no_trace_of_it(detector_folder: Path) -> None:
    plain = json.loads((detector_folder / "card.json").read_text(encoding="utf-8"))
    assert not {"speaks_on", "combination"} & set(plain)
    card = Card.from_json({**plain, "speaks_on": ["face_swap", "reenactment"], "combination": GOOD})
    assert card.combination is not None
    assert (card.combination.families["gan"], card.combination.thresholds.p_manipulated_above) == ((0.25,) * 10, 0.9)
    assert Card.from_json(json.loads(json.dumps(card.to_json(), allow_nan=False))) == card
    assert Card.from_json(plain).to_json() == plain
    assert loading.info_of(card).speaks_of == ("face_swap", "reenactment")
    assert loading.info_of(Card.from_json(plain)).speaks_of == FAMILIES


def changed(part: str, **changes: Any) -> dict[str, Any]:
    return {part: {**GOOD[part], **changes}}


@pytest.mark.parametrize(
    "change",
    [
        *({"experts": one} for one in ([], ["swap"], ["swap", "swap"], ["swap", "../swap"], ["swap", 3], ["swap", "random-for-tests"])),
        *({"digests": one} for one in (["ab" * 32], ["ab" * 32] * 2, ["ab" * 32, "no digest"], "ab" * 32)),
        *({"manipulated": one} for one in ([0.5] * 9, [0.5] * 11, [float("nan")] * 10, [float("inf")] * 10, ["0.5"] * 10, [1e9] * 10)),
        *(changed("families", gan=one) for one in ([0.25] * 9, [float("nan")] * 10, 0.25, None)),
        *(changed("families", **{name: [0.25] * 10}) for name in ("real", "reenactment", "witchcraft")),
        *({"families": one} for one in ({}, {"face_swap": [0.25] * 10}, [])),
        *(changed("thresholds", **one) for one in ({"energy_min": 1.0}, {"p_manipulated_above": 0.05}, {"another": 1.0})),
        *({"thresholds": one} for one in (None, {})),
        {"bias": 1.0},
    ],
    ids=str,
)
def test_a_combination_that_cannot_be_is_refused(detector_folder: Path, change: dict[str, Any]) -> None:
    plain = json.loads((detector_folder / "card.json").read_text(encoding="utf-8"))
    with pytest.raises(DamagedDetector):
        Card.from_json({**plain, "combination": {**GOOD, **change}})


def test_who_cannot_have_one_and_what_nobody_can_speak_on(detector_folder: Path, swap_folder: Path) -> None:
    plain = json.loads((detector_folder / "card.json").read_text(encoding="utf-8"))
    swaps = json.loads((swap_folder / "card.json").read_text(encoding="utf-8"))
    own = {**GOOD, "digests": ["ab" * 32, plain["files"]["model.safetensors"]]}
    wrong = [{"combination": one} for one in (own, 3, {})] + [{"speaks_on": one} for one in (["real"], ["gan", "gan"], ["unknown"], "gan")]
    of_swaps = {**GOOD, "families": {"face_swap": [0.5] * 8}, "manipulated": [0.5] * 8}
    for data in (*({**plain, **one} for one in wrong), {**swaps, "combination": of_swaps}):
        with pytest.raises(DamagedDetector):
            Card.from_json(data)


# From the file to the answer


@pytest.fixture(scope="module")
def close_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "close_up.png"
    Image.open(EXAMPLES / "astronaut.png").convert("RGB").crop((140, 20, 320, 210)).save(path)
    return path


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of two experts: one of face swaps, which finds none anywhere, and one for every face, which finds StyleGAN2."""
    parent = tmp_path_factory.mktemp("experts")
    write_detector(parent / "swap", labels=SWAP_LABELS, scope="face_swap", favours="real", thresholds=SURE, name="swap")
    write_detector(parent / "generated", labels=GENERATED_LABELS, favours="stylegan2", thresholds=SURE, name="generated")
    return parent


class Embedded:
    """What stands for `weights/` during a test."""

    def __init__(self, folder: Path, experts: Path, default: Path) -> None:
        self.folder = folder
        for name in ("swap", "generated"):
            shutil.copytree(experts / name, folder / name)
        shutil.copytree(default, folder / loading.DEFAULT_DETECTOR)

    def combine(self, bias: float, gan: float = 0.0, names: tuple[str, ...] = ("swap", "generated"), **changes: Any) -> None:
        """Give the default a combination: the bias and an eighth of everybody's log-odds; `gan` is the bias of that family."""
        odds = [0.125, 0.0] * (1 + len(names)) + [0.0] * len(FAMILIES)
        rows = {family: [0.0] * len(odds) + [gan if family == "gan" else 0.0] for family in FAMILIES}
        digests = [digest(self.folder / name / "model.safetensors") for name in names]
        thresholds = {**Card.from_json(self.card()).to_json()["thresholds"], "p_manipulated_above": 0.75}
        made = {"experts": names, "digests": digests, "manipulated": [*odds, bias], "families": rows, "thresholds": thresholds}
        self.write({**self.card(), "combination": {**made, **changes}})

    def card(self) -> dict[str, Any]:
        card = json.loads((self.folder / loading.DEFAULT_DETECTOR / "card.json").read_text(encoding="utf-8"))
        return {name: value for name, value in card.items() if name != "combination"}

    def write(self, card: dict[str, Any]) -> None:
        (self.folder / loading.DEFAULT_DETECTOR / "card.json").write_text(json.dumps(card), encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def one_finder() -> Iterator[None]:
    """The face finder is loaded once for all pipelines here."""
    finder = FaceFinder("cpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attribution.pipeline.FaceFinder", lambda device: finder)
        yield


@pytest.fixture
def weights(tmp_path: Path, experts: Path, default_folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """The two experts, and a default that finds a face swap everywhere."""
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", tmp_path / "weights")
    return Embedded(tmp_path / "weights", experts, default_folders("landmark_swap"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bool]]:
    """Every reading of every real network: by whom, of how many faces, and whether with their mirror images."""
    told: list[tuple[str, int, bool]] = []
    really = Predictor.read

    def noted(self: Predictor, crops: np.ndarray, mirrored: bool = False) -> Predictions:
        told.append((self.info.name, len(crops), mirrored))
        return really(self, crops, mirrored)

    monkeypatch.setattr(Predictor, "read", noted)
    return told


def ruled(pipeline: Pipeline, rule: Combination | None) -> Pipeline:
    """The same detectors with another combination."""
    card = replace(pipeline.predictor.card, combination=rule)
    return replace(pipeline, predictor=Predictor(replace(pipeline.predictor.detector, card=card), "cpu"))


def answer_by_hand(pipeline: Pipeline, crop: np.ndarray, bias: float) -> float:
    """p(manipulated): the bias and an eighth of the log-odds of everybody, the default read with its mirror image."""
    total = bias
    for predictor in pipeline.predictors:
        mirrored = predictor is pipeline.predictor
        scaled = predictor.read(crop[None], mirrored=mirrored).logits[0].astype(np.float64) / predictor.card.calibration.temperature
        untouched = np.array([family == "real" for family in predictor.info.families])
        total += 0.125 * np.clip(np.logaddexp.reduce(scaled[~untouched]) - np.logaddexp.reduce(scaled[untouched]), -10, 10)
    return float(sigmoid(total))


def test_the_answer_is_what_all_say_together_and_each_reads_each_face_once(
    weights: Embedded, close_up: Path, read: list[tuple[str, int, bool]]
) -> None:
    weights.combine(FOUND, gan=8.0)
    pipeline = load_pipeline("default", "cpu")
    evidence = examine(close_up, pipeline).evidence
    (seen,) = evidence.tracks
    assert sorted(read) == [("generated", 1, False), ("random-default", 1, True), ("swap", 1, False)]
    assert seen.track is not None
    assert seen.p_manipulated == pytest.approx(answer_by_hand(pipeline, seen.track.faces[0].crop, FOUND), abs=1e-5)
    assert (seen.verdict.method, seen.verdict.family) == ("stylegan2", "gan"), "the default alone calls it a swap"
    assert seen.p_families["gan"] / seen.p_manipulated == pytest.approx(1 / (1 + 2 * np.exp(-8)), abs=1e-4)
    assert sum(seen.p_methods.values()) == pytest.approx(1, abs=1e-6)
    assert seen.own_verdict == seen.verdict
    # Each one's own answer stays visible, the chosen one's too, and none was refused or outweighs the answer that it is part of.
    told = {one.detector.name: one for one in seen.opinions}
    assert list(told) == ["random-default", "swap", "generated"]
    assert all(one.combined and not one.overturns and one.verdict is not None for one in seen.opinions)
    assert [one.verdict.state for one in seen.opinions if one.verdict] == ["manipulated", "no_manipulation_found", "manipulated"]
    plain = examine(close_up, ruled(pipeline, None)).evidence.tracks[0]
    own = told["random-default"]
    assert (own.verdict, own.p_methods, own.placement) == (plain.own_verdict, plain.p_methods, plain.placement)
    assert [one.name for one in seen.together] == list(told)
    for opinion in seen.opinions:
        assert explain(seen, pipeline, opinion).label in opinion.p_methods
    settings: Any = evidence.settings
    assert settings["combination"]["experts"] == ("swap", "generated")
    assert settings["combination"]["digests"] == tuple(told[name].detector.weights_sha256 for name in ("swap", "generated"))
    assert settings["combination"]["thresholds"]["p_manipulated_above"] == 0.75
    assert (settings["mirrored"], settings["specialists"]["swap"]["mirrored"]) == (True, False)
    entry = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    again = Evidence.from_json(entry)
    assert again.to_json() == entry
    assert again.tracks[0].opinions == seen.opinions


def test_the_order_of_the_experts_is_that_of_the_card(weights: Embedded, close_up: Path) -> None:
    answers = []
    for names in (("swap", "generated"), ("generated", "swap")):
        # Only the first expert counts.
        weights.combine(0.0, names=names, manipulated=[0, 0, 0.25, *[0.0] * 7])
        pipeline = load_pipeline("default", "cpu")
        assert [one.info.name for one in pipeline.readers] == ["random-default", *names]
        (seen,) = examine(close_up, pipeline).evidence.tracks
        assert [one.detector.name for one in seen.opinions] == ["random-default", *names]
        answers.append(seen.p_manipulated)
    assert answers[0] < 0.4 < 0.6 < answers[1], "the one finds no swap, the other a generated face"


def test_the_common_answer_has_its_own_thresholds_and_a_file_may_be_cleared_by_it(weights: Embedded, close_up: Path) -> None:
    weights.combine(NOT_FOUND)
    pipeline = load_pipeline("default", "cpu")
    assert examine(close_up, pipeline).evidence.verdict.state == "no_manipulation_found", "the default alone is sure of a swap"
    assert pipeline.combination is not None
    careful = replace(pipeline.combination, thresholds=replace(SURE, p_manipulated_below=0.0001))
    evidence = examine(close_up, ruled(pipeline, careful)).evidence
    assert evidence.verdict.state == "inconclusive"
    assert "and as not found up to under 1 %" in evidence.verdict.reasons[0]


@pytest.mark.parametrize(
    ("how", "unheard"),
    [("gone", 1), ("other weights", 1), ("damaged", 1), ("another digest", 1), ("one kind of references", 1), ("all", 2)],
)
def test_without_an_expert_the_detector_answers_alone_and_says_so(weights: Embedded, close_up: Path, how: str, unheard: int) -> None:
    weights.combine(NOT_FOUND)
    expert = weights.folder / "generated"
    if how in ("gone", "all"):
        shutil.rmtree(expert)
    if how == "all":
        shutil.rmtree(weights.folder / "swap")
    elif how == "other weights":
        shutil.rmtree(expert)
        write_detector(expert, labels=GENERATED_LABELS, favours="sdxl", thresholds=SURE, name="generated")
    elif how == "damaged":
        (expert / "model.safetensors").write_bytes(b"")
    elif how == "another digest":
        weights.combine(NOT_FOUND, digests=[digest(weights.folder / "swap" / "model.safetensors"), "ab" * 32])
    elif how == "one kind of references":
        bank_of_one_kind(expert)
    pipeline = load_pipeline("default", "cpu")
    assert (pipeline.combination, pipeline.unheard, pipeline.readers) == (None, unheard, ())
    found = examine(close_up, pipeline).evidence
    weights.write(weights.card())
    before = examine(close_up, load_pipeline("default", "cpu")).evidence
    (track,), (was,) = found.tracks, before.tracks
    why = f"Detectors that could not be heard: {unheard} of 2. random-default answers alone."
    assert track.own_verdict is not None
    assert why in track.verdict.reasons
    assert why in found.verdict.reasons
    assert replace(track, verdict=replace(track.verdict, reasons=tuple(one for one in track.verdict.reasons if one != why))) == was
    assert found.settings == before.settings


def bank_of_one_kind(folder: Path) -> None:
    """Take the untouched faces from the references of a detector."""
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = folder / "reference.safetensors"
    with safe_open(path, "numpy") as opened:
        told = opened.metadata()
    tensors = load_file(path)
    kept = tensors["method_index"] != json.loads(told["methods"]).index("real")
    for name in ("embeddings", "points", "method_index", "source_index"):
        tensors[name] = np.ascontiguousarray(tensors[name][kept])
    save_file(tensors, path, metadata=told)
    mend_card(folder)


def test_a_default_whose_own_references_are_of_one_kind_is_refused(weights: Embedded) -> None:
    weights.combine(FOUND)
    folder = weights.folder / loading.DEFAULT_DETECTOR
    bank_of_one_kind(folder)
    with pytest.raises(DamagedDetector, match="of one kind alone"):
        load_pipeline("default", "cpu")


def test_a_specialist_that_is_no_expert_is_asked_by_the_common_answer(
    weights: Embedded, close_up: Path, generated_folder: Path, read: list[tuple[str, int, bool]]
) -> None:
    shutil.copytree(generated_folder, weights.folder / "random-dna-det")
    for gan, asked in ((8.0, True), (-8.0, False)):
        weights.combine(FOUND, gan, names=("swap",))
        read.clear()
        (seen,) = examine(close_up, load_pipeline("default", "cpu")).evidence.tracks
        last = seen.opinions[-1]
        assert (last.detector.name, last.combined, not last.refused) == ("random-dna-det", False, asked)
        assert Counter(name for name, *_ in read)["random-default"] == 1
        assert "generated" not in {one.detector.name for one in seen.opinions}, "an embedded detector for every face that is no expert"


@pytest.mark.parametrize("name", ["swap", "generated"])
def test_an_expert_that_the_reader_asks_for_is_first_is_read_once_and_overturns_nothing(
    weights: Embedded, close_up: Path, read: list[tuple[str, int, bool]], name: str
) -> None:
    weights.combine(NOT_FOUND)
    pipeline = load_pipeline("default", "cpu", beside=name)
    (seen,) = examine(close_up, pipeline).evidence.tracks
    assert [one.info.name for one in pipeline.beside if one.asked_for] == [name]
    assert seen.opinions[0].detector.name == name
    assert len(seen.opinions) == len(read) == 3
    assert seen.verdict.state == "no_manipulation_found"


def test_another_detector_that_the_reader_asks_for_can_overturn_the_common_answer(
    weights: Embedded, close_up: Path, tmp_path: Path
) -> None:
    other = write_detector(tmp_path / "other", favours="stylegan2", thresholds=SURE, name="other", model_args={"pad_type": ""})
    weights.combine(NOT_FOUND)
    (seen,) = examine(close_up, load_pipeline("default", "cpu", beside=str(other))).evidence.tracks
    assert [one.detector.name for one in seen.opinions] == ["other", "random-default", "swap", "generated"]
    assert seen.verdict.state == "inconclusive"
    assert seen.own_verdict is not None
    assert seen.own_verdict.state == "no_manipulation_found"
    assert "random-default + swap + generated finds no manipulation" in seen.verdict.reasons[0]


def test_beside_another_detector_the_default_answers_alone(weights: Embedded, close_up: Path, read: list[tuple[str, int, bool]]) -> None:
    weights.combine(NOT_FOUND)
    default = load_pipeline("default", "cpu")
    for like in (None, default):
        read.clear()
        chosen = load_pipeline("swap", "cpu", like=like)
        (seen,) = examine(close_up, chosen).evidence.tracks
        assert (chosen.combination, chosen.unheard) == (None, 0)
        (router,) = seen.opinions
        assert (router.detector.name, router.combined) == ("random-default", False)
        assert router.verdict is not None
        assert router.verdict.state == "manipulated", "its own answer, not the common one"
        assert sorted(name for name, *_ in read) == ["random-default", "swap"]
    for_every_face = load_pipeline("generated", "cpu", like=default)
    assert [(one.info.name, one.combined) for one in for_every_face.specialists] == [("swap", False)]


def test_a_clip_is_read_once_by_each_and_every_moment_is_of_the_common_answer(weights: Embedded, read: list[tuple[str, int, bool]]) -> None:
    weights.combine(FOUND)
    pipeline = load_pipeline("default", "cpu")
    box = (10.0, 10.0, 110.0, 110.0)
    crops = some_crops(6)
    faces = tuple(Face(i, 0.5 * i, box, np.zeros((5, 2)), 0.99, box, crop, 300.0, 120.0) for i, crop in enumerate(crops))
    assert pipeline.combination is not None
    ((seen,), told) = ensemble.answer_together([Track(0, faces)], pipeline.combination, pipeline.readers, "clip", {})
    assert sorted(read) == [(name, 6, False) for name in ("generated", "random-default", "swap")]
    assert seen.predictions is not None
    assert [one.p_manipulated for one in seen.timeline] == pytest.approx(1 - seen.predictions.p_methods[:, 0], abs=1e-6)
    assert {name: len(one) for name, one in told.items()} == {one.info.weights_sha256: 1 for one in pipeline.readers}
    assert ensemble.answer_together([], pipeline.combination, pipeline.readers, "clip", {})[0] == ()


def test_an_expert_marks_no_areas_that_the_common_answer_speaks_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_folders: Folders, swap_folder: Path, close_up: Path
) -> None:
    folder = tmp_path / "weights"
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", folder)
    shutil.copytree(swap_folder, folder / "random-caddm")
    shutil.copytree(default_folders("landmark_swap", SWAP_SIDE_PX), folder / loading.DEFAULT_DETECTOR)
    made = {**GOOD, "experts": ["random-caddm"], "digests": [digest(swap_folder / "model.safetensors")], "manipulated": [0.0] * 8}
    mend_card(folder / loading.DEFAULT_DETECTOR, combination={**made, "families": {one: [0.0] * 8 for one in FAMILIES}})
    pipeline = load_pipeline("default", "cpu")
    assert pipeline.combination is not None
    for bias, family, marks in ((FOUND, "face_swap", True), (FOUND, "gan", False), (NOT_FOUND, "gan", False), (0.0, "gan", True)):
        rows = {one: (*[0.0] * 7, 8.0 if one == family else 0.0) for one in FAMILIES}
        rule = replace(pipeline.combination, manipulated=(*[0.0] * 7, bias), families=rows, thresholds=SURE)
        (seen,) = examine(close_up, ruled(pipeline, rule)).evidence.tracks
        assert [one.detector.name for one in seen.opinions] == ["random-default", "random-caddm"]
        assert bool(seen.artifacts) == marks, (bias, family)


def test_who_is_part_of_an_answer_cannot_overturn_it() -> None:
    (opinion,) = disputed().opinions
    with pytest.raises(EvidenceError, match="overturns an answer that it is part of"):
        replace(opinion, combined=True)
    assert track(opinions=(swap_opinion(combined=True),)).together == (opinion.detector,)


# Names that were replaced


def test_an_old_name_is_answered_with_the_new_one_unless_it_is_there(weights: Embedded) -> None:
    new = weights.folder / "telltale-swap"
    (weights.folder / "swap").rename(new)
    assert loading.load("telltale-caddm").folder == new
    (weights.folder / "generated").rename(weights.folder / "telltale-caddm")
    assert loading.load("telltale-caddm").name == "generated"
    assert loading.embedded_name("no-such") == ""
    (weights.folder / "telltale-caddm").rename(weights.folder / "generated")
    shutil.rmtree(new)
    with pytest.raises(UnknownDetector, match="no detector called “telltale-caddm”"):
        loading.load("telltale-caddm")


@pytest.mark.parametrize(("old", "new"), loading.RENAMED.items())
def test_an_embedded_detector_answers_to_its_old_name(old: str, new: str) -> None:
    assert new in loading.embedded()
    assert loading.load(old).name == loading.embedded_name(old) == new


def test_a_program_may_ask_by_the_old_name_too(weights: Embedded) -> None:
    (weights.folder / "swap").rename(weights.folder / "telltale-swap")
    events: Any = SimpleNamespace(engines=Engines(Engine("default", "cpu")))
    assert api._engine(events, ("telltale-caddm",)).pipeline().predictor.info.name == "swap"
    with pytest.raises(UnknownDetector):
        api._engine(events, ("telltale-mobilenetv1",))


# In the lab


def test_from_arrays_of_several_readers_to_verdicts() -> None:
    class Pictures:
        def picture(self, index: int) -> Image.Image:
            return Image.fromarray(some_crops(2)[index])

    logits = np.log(np.array([P, P[::-1]]))
    said = [np.log([[0.75, 0.25], [0.1, 0.9]]), logits]
    faces = SplitPredictions(logits, np.tile([[1.0, 0.0]], (2, 1)), *(np.array([name] * 2) for name in ("real", "real", "a", "b", "c")))
    readings = [reading_of(faces, FIRST, 1.0, PAIR[0].bank), reading_of(replace(faces, logits=said[0]), OTHER, 1.0, PAIR[1].bank)]
    weights = rule(row(odds2=4.0), swap=row(3.0))
    found = combined(weights, faces, readings)
    assert found.sources.tolist() == ["a", "a"]
    pictures: Any = Pictures()
    judged = judge_samples(pictures, found, np.array([200.0, 200.0]), 1.0, weights.thresholds, FIRST, PAIR[0].bank)
    assert [one.p_manipulated for one in judged] == pytest.approx([sigmoid(4 * np.log(1 / 3)), sigmoid(4 * np.log(9))], abs=1e-5)
    assert [one.verdict.state for one in judged] == ["no_manipulation_found", "manipulated"]
    assert judged[1].p_families["face_swap"] / judged[1].p_manipulated == pytest.approx(sigmoid(3.0), abs=1e-4)
