"""Evidence holds only what its docstrings promise, and survives JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.errors import EvidenceError
from attribution.evidence import (
    AGREEMENTS,
    Artifact,
    DetectorInfo,
    Evidence,
    Face,
    Frame,
    Heatmap,
    Interval,
    Media,
    Moment,
    Opinion,
    Patches,
    Placement,
    Predictions,
    Track,
    TrackEvidence,
    Unusable,
    Verdict,
    document,
    read_document,
)
from attribution.evidence.checks import json_fields
from attribution.evidence.reference import KINDS, descriptions, json_reference
from attribution.evidence.types import Neighbour
from attribution.messages import Message
from attribution.text.reasons import REASONS, reason

NAN = math.nan
INF = math.inf
LANDMARKS = np.array([[30, 40], [60, 40], [45, 55], [33, 70], [57, 70]], dtype=np.float32)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


RANDOM = np.random.default_rng(1)
LOGITS = RANDOM.normal(size=(2, 3)).astype(np.float32)
BOX = (20.0, 20.0, 70.0, 85.0)
MEDIA = Media("clip.mp4", "0123456789abcdef" * 4, 1234, "clip", 640, 360, 8.0, 5, 30, "mp4 (h264)", ("5 of 30 frames could be decoded.",))
FRAME = Frame(0, 0.0, picture(36, 64), 10.0)
FACE = Face(0, 0.5, BOX, LANDMARKS, 0.999, (17.0, 28.0, 73.0, 84.0), picture(32, 32), 210.5, 120.0)
DETECTOR = DetectorInfo(
    *("test-detector", "f" * 64, ("real", "swap", "gan_a"), ("real", "face_swap", "gan"), ("No manipulation", "Face swap", "GAN A")),
    *("Apache-2.0", ("It was measured on 12 faces only.",)),
)
PREDICTIONS = Predictions(LOGITS, np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True), np.eye(2, 8, dtype=np.float32))
VERDICT = Verdict("manipulated", "swap", "face_swap", 0.97, ("Two faces of three agree.",))
INTERVAL, MOMENT = Interval(0.5, 1.0, 0.97, 2), Moment(0.5, 0.96)
NEIGHBOUR = Neighbour(7, "swap", "dfdc", 0.25)
PLACEMENT = Placement(-1.5, 2.5, (NEIGHBOUR,), 0.4)
PATCHES = Patches(DETECTOR.labels, ((0.0, 0.0, 20.0, 20.0), (16.5, 0.0, 36.5, 20.0)), ((0.9, 0.05, 0.05), (0.1, 0.1, 0.8)))
OPINION = Opinion(
    *(replace(DETECTOR, name="second-detector"), "", replace(VERDICT, method="gan_a", family="gan", confidence=0.9)),
    *({"real": 0.1, "swap": 0.1, "gan_a": 0.8}, {"real": 0.1, "face_swap": 0.1, "gan": 0.8}, 0.9),
    *(PLACEMENT, "differs", "style-based GAN", PATCHES),
)
REFUSED_OPINION = Opinion(
    replace(DETECTOR, name="third-detector"), "It attributes wholly generated faces; this one was called a face swap."
)
ARTIFACT = Artifact((25.5, 30.0, 41.0, 44.25), 0.75, "second-detector", 0.5)
TRACK = TrackEvidence(
    *(0, 2, 0.5, 1.0, BOX, VERDICT, {"real": 0.03, "swap": 0.9, "gan_a": 0.07}, {"real": 0.03, "face_swap": 0.9, "gan": 0.07}, 0.97),
    *((MOMENT, Moment(1.0, 0.98)), INTERVAL, PLACEMENT, 56.0, 210.5, 120.0),
    track=Track(0, (FACE, replace(FACE, seconds=1.0))),
    predictions=PREDICTIONS,
)
EVIDENCE = Evidence(
    *(MEDIA, DETECTOR, (TRACK,), VERDICT, 1, {"frames": 64, "device": "cpu"}, {"torch": "2.15.0"}, "2026-01-02T03:04:05Z"),
)
HEATMAP = Heatmap("swap", np.eye(4, dtype=np.float32), 0.9, 0.5, -0.1, 2.2, 1.5, (-0.1, 0.1))
UNUSABLE = Unusable("a.jpg", "The file is empty.")

INCONCLUSIVE = {"state": "inconclusive", "method": None, "family": None, "confidence": None, "reasons": ("The face is too small.",)}
UNTOUCHED = {"state": "no_manipulation_found", "method": None, "family": "real", "confidence": 0.9, "reasons": ()}

REFUSED: list[tuple[Any, str, tuple[Any, ...]]] = [
    (INTERVAL, "first_seconds", (2.0, NAN)),
    (INTERVAL, "faces", (0,)),
    (INTERVAL, "p_manipulated", (2,)),
    (MOMENT, "seconds", (NAN,)),
    (MOMENT, "p_manipulated", (-1,)),
    (UNUSABLE, "error", ("",)),
    (UNUSABLE, "name", (None,)),
    (HEATMAP, "values", (np.eye(4) * 2, np.eye(4) - 1, np.full((4, 4), NAN), np.zeros(4), np.zeros((0, 0)))),
    (HEATMAP, "p_label", (1.5,)),
    (HEATMAP, "drop_hot", (NAN,)),
    (HEATMAP, "drop_random", (-2.0,)),
    (HEATMAP, "fall_hot", (NAN, INF)),
    (HEATMAP, "falls_random", ((0.1,), (0.1, NAN))),
    (MEDIA, "kind", ("audio",)),
    (MEDIA, "sha256", ("abc", "z" * 64, 64)),
    (MEDIA, "name", (None,)),
    (MEDIA, "width", (0,)),
    (MEDIA, "height", (-1,)),
    (MEDIA, "bytes", (0, 1.5, True)),
    (MEDIA, "frames_read", (0, 31)),
    (MEDIA, "duration_seconds", (-0.1, NAN, INF)),
    (MEDIA, "container", (4,)),
    (MEDIA, "notes", (["a list"], "one sentence")),
    (FRAME, "index", (-1,)),
    (FRAME, "seconds", (NAN,)),
    (FRAME, "scale", (0, -1.0, INF)),
    (FRAME, "rgb", (picture(8, 8).astype(np.float32), picture(8, 8)[:, :, 0], picture(8, 8)[:, :, :2], np.zeros((0, 8, 3), np.uint8))),
    (FACE, "frame_index", (-1,)),
    (FACE, "seconds", (INF,)),
    (FACE, "box", ((20.0, 20.0, 20.0, 85.0), (20.0, 20.0, 70.0, 10.0), (20.0, NAN, 70.0, 85.0), (20.0, 20.0, 70.0))),
    (FACE, "crop_box", ((0.0, 0.0, 0.0, 0.0),)),
    (FACE, "landmarks", (LANDMARKS[:4], LANDMARKS * NAN)),
    (FACE, "p_face", (1.1,)),
    (FACE, "crop", (picture(32, 31),)),
    (FACE, "sharpness", (NAN, -1.0)),
    (FACE, "brightness", (256.0,)),
    (PREDICTIONS, "logits", (np.zeros((2, 4), np.float32), np.full((2, 3), NAN))),
    (PREDICTIONS, "p_methods", (np.full((2, 3), 0.5), np.full((2, 3), NAN), np.array([[1.5, -0.5, 0.0]] * 2))),
    (PREDICTIONS, "embeddings", (np.zeros((3, 8)), np.full((2, 8), INF), np.zeros(2))),
    (DETECTOR, "labels", (("real", "swap"), ("real", "swap", "swap"))),
    (DETECTOR, "families", (("real", "face_swap", "witchcraft"),)),
    (DETECTOR, "display_names", (("one",),)),
    (DETECTOR, "weights_sha256", ("",)),
    (DETECTOR, "limits", (("fine", 3),)),
    (DETECTOR, "name", (None,)),
    (VERDICT, "state", ("real",)),
    (VERDICT, "family", ("real", "witchcraft")),
    (VERDICT, "method", (None, "")),
    (VERDICT, "confidence", (None, NAN, 1.01)),
    (VERDICT, "reasons", ("no tuple",)),
    (NEIGHBOUR, "index", (-1,)),
    (NEIGHBOUR, "distance", (NAN, 2.1, -0.1)),
    (NEIGHBOUR, "source", (None,)),
    (PLACEMENT, "x", (NAN, "1")),
    (PLACEMENT, "y", (INF,)),
    (PLACEMENT, "atypicality", (-0.2,)),
    (PLACEMENT, "neighbours", (({"index": 1},),)),
    (TRACK, "id", (-1,)),
    (TRACK, "faces", (0,)),
    (TRACK, "box", ((5.0, 5.0, 5.0, 9.0),)),
    (TRACK, "first_seconds", (1.5,)),
    (TRACK, "p_methods", ({"real": 0.5, "swap": 0.2}, {}, {"real": 1.5, "swap": -0.5}, [1.0])),
    (TRACK, "p_families", ({"real": 0.5, "witchcraft": 0.5},)),
    (TRACK, "p_manipulated", (NAN,)),
    (TRACK, "crop_side_px", (NAN,)),
    (TRACK, "sharpness", (-2.0,)),
    (TRACK, "verdict", ("manipulated",)),
    (TRACK, "timeline", ((0.5,),)),
    (TRACK, "worst", (0.5,)),
    (TRACK, "placement", ((0.0, 1.0),)),
    (EVIDENCE, "faces_found", (-1,)),
    (EVIDENCE, "created_utc", (None,)),
    (EVIDENCE, "settings", ([1],)),
    (EVIDENCE, "versions", ({"torch": 2},)),
    (EVIDENCE, "verdict", (replace(VERDICT, method="alchemy"),)),
    (EVIDENCE, "detector", (replace(DETECTOR, labels=("real", "other", "gan_a")),)),
    (PATCHES, "boxes", ((), ((0.0, 0.0, 0.0, 20.0),) * 2, ((0.0, 0.0, NAN, 20.0),) * 2)),
    (PATCHES, "p_methods", (((0.9, 0.1), (0.5, 0.5)), ((0.9, 0.9, 0.9), (0.1, 0.1, 0.8)))),
    (PATCHES, "labels", (("real", 2, "gan_a"),)),
    (OPINION, "refused", ("It was not asked.",)),
    (OPINION, "verdict", (None, "manipulated")),
    (OPINION, "agreement", (None, "perfectly")),
    (OPINION, "p_methods", ({"alchemy": 1.0}, {})),
    (OPINION, "p_families", ({"witchcraft": 1.0},)),
    (OPINION, "p_manipulated", (None,)),
    (OPINION, "placement", ((0.0, 1.0),)),
    (OPINION, "architecture", (5,)),
    (OPINION, "patches", (replace(PATCHES, labels=("real", "swap", "gan_b")), "patches")),
    (OPINION, "detector", (None,)),
    (TRACK, "opinions", (("an opinion",), [OPINION])),
    (ARTIFACT, "box", ((41.0, 30.0, 25.5, 44.25), (25.5, 44.25, 41.0, 30.0), (25.5, 30.0, 25.5, 44.25), (25.5, NAN, 41.0, 44.25))),
    (ARTIFACT, "confidence", (1.2, -0.2, NAN, None)),
    (ARTIFACT, "detector", ("", None)),
    (ARTIFACT, "seconds", (NAN, "0.5")),
    (
        TRACK,
        "artifacts",
        (((25.5, 30.0, 41.0, 44.25),), [ARTIFACT], (replace(ARTIFACT, confidence=0.5), replace(ARTIFACT, confidence=0.6))),
    ),
]
REFUSED_TOGETHER: list[tuple[Any, dict[str, Any]]] = [
    (DETECTOR, {"labels": (), "families": (), "display_names": ()}),
    *((VERDICT, INCONCLUSIVE | change) for change in ({"confidence": 0.5}, {"method": "swap"}, {"family": "real"}, {"reasons": ()})),
    *((VERDICT, UNTOUCHED | change) for change in ({"method": "swap"}, {"family": None}, {"confidence": None})),
    (PATCHES, {"boxes": (), "p_methods": ()}),
    (FACE, {"landmarks": None}),
]


@pytest.mark.parametrize(("good", "name", "values"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_value_is_refused(good: Any, name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(EvidenceError):
            replace(good, **{name: value})


@pytest.mark.parametrize(("good", "changes"), REFUSED_TOGETHER, ids=lambda value: str(list(value)) if isinstance(value, dict) else "")
def test_values_that_contradict_each_other_are_refused(good: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(EvidenceError):
        replace(good, **changes)


def test_the_share_of_the_picture_that_carries_the_evidence() -> None:
    def share(values: np.ndarray) -> float:
        return Heatmap("swap", values.astype(np.float32), 0.9, 0.5, 0.1, 2.2, 1.5, (-0.1, 0.1)).evidence_share

    point, half = np.zeros((8, 8)), np.zeros((8, 8))
    point[3, 4] = 0.7
    half[:, :4] = 0.2
    assert share(np.full((8, 8), 0.3)) == pytest.approx(1)
    assert share(half) == pytest.approx(0.5)
    assert share(point) == pytest.approx(1 / 64)
    assert share(np.zeros((8, 8))) == 0
    assert share(np.full((8, 8), 1e-30)) == pytest.approx(1)
    assert 0 <= share(np.full((8, 8), -1e-6)) <= 1
    random = np.random.default_rng(0).random((32, 32))
    assert share(random) == pytest.approx(random.sum() ** 2 / (random.size * (random**2).sum()), rel=1e-5)


def test_a_track_needs_faces_in_order_of_time() -> None:
    with pytest.raises(EvidenceError):
        Track(0, ())
    with pytest.raises(EvidenceError):
        Track(0, (replace(FACE, seconds=1.0), replace(FACE, seconds=0.5)))


def test_the_best_face_has_the_largest_crop_and_sharpness_breaks_ties() -> None:
    small = replace(FACE, crop_box=(0.0, 0.0, 40.0, 40.0), sharpness=900.0)
    blurred = replace(FACE, crop_box=(0.0, 0.0, 80.0, 80.0), sharpness=10.0)
    sharp = replace(FACE, crop_box=(0.0, 0.0, 80.2, 80.2), sharpness=20.0)
    assert Track(0, (small, sharp, blurred)).best is sharp
    assert sharp.crop_side_px == pytest.approx(80.2)


def test_display_names_are_for_people() -> None:
    detector = DETECTOR
    assert detector.display("swap") == "Face swap"
    assert detector.display("unknown") == "Unknown method"
    assert detector.display("not one of mine") == "not one of mine"
    assert replace(DETECTOR, display_names=()).display("swap") == "swap"


ANSWERS = {
    "clip with everything": EVIDENCE,
    "second opinions": replace(EVIDENCE, tracks=(replace(TRACK, opinions=(OPINION, REFUSED_OPINION)),)),
    "artifacts": replace(EVIDENCE, tracks=(replace(TRACK, artifacts=(ARTIFACT, replace(ARTIFACT, box=(20.0, 20.0, 70.0, 85.0)))),)),
    "second opinions without a picture": replace(
        EVIDENCE,
        tracks=tuple(
            replace(TRACK, opinions=(replace(OPINION, agreement=one, placement=None, architecture=None, patches=None),))
            for one in AGREEMENTS
        ),
    ),
    "unknown method": replace(EVIDENCE, verdict=replace(VERDICT, method="unknown", family=None, confidence=0.8)),
    "no face": replace(
        EVIDENCE, tracks=(), verdict=replace(VERDICT, **INCONCLUSIVE), faces_found=0, settings={}, versions={}, created_utc=""
    ),
    "picture, nothing found": replace(
        EVIDENCE,
        media=replace(MEDIA, kind="picture", duration_seconds=None, frames_read=1, frames_wanted=1, notes=(), name="été <b>.png"),
        tracks=(replace(TRACK, verdict=replace(VERDICT, **UNTOUCHED), timeline=(), worst=None, placement=None),),
        verdict=replace(VERDICT, **UNTOUCHED),
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_json_round_trip(name: str) -> None:
    given = ANSWERS[name]
    text = json.dumps(document([given, UNUSABLE]), allow_nan=False)
    read, unusable = read_document(json.loads(text))
    assert read == given
    assert unusable == UNUSABLE
    assert json.loads(json.dumps(document([read, unusable]))) == json.loads(text)


def test_pixels_stay_out_of_the_json() -> None:
    entry = EVIDENCE.to_json()["tracks"][0]
    assert not {"track", "predictions"} & set(entry)
    restored = Evidence.from_json(json.loads(json.dumps(EVIDENCE.to_json())))
    assert restored.tracks[0].track is None
    assert restored.tracks[0].predictions is None


def test_results_from_before_a_field_was_added_are_read() -> None:
    opinion = replace(OPINION, overturns="They disagree.")
    entry = replace(EVIDENCE, tracks=(replace(TRACK, opinions=(opinion,), own_verdict=VERDICT),)).to_json()
    assert Evidence.from_json(json.loads(json.dumps(entry))).to_json() == entry
    for kind, added in ((entry["tracks"][0], ("own_verdict", "artifacts", "view")), (entry["detector"], ("scope", "source", "speaks_on"))):
        for name in added:
            del kind[name]
    for name in ("overturns", "combined"):
        del entry["tracks"][0]["opinions"][0][name]
    assert Evidence.from_json(entry) == replace(EVIDENCE, tracks=(replace(TRACK, opinions=(OPINION,)),))


FIGURES = {
    "files": 412,
    "date": "2026-12-01",
    **dict.fromkeys(("p", "p_other", "above", "below", "share"), 0.8123),
    **dict.fromkeys(("width", "needed", "brightness", "least_brightness", "most_brightness", "response", "least_response"), 48.27),
    **dict.fromkeys(("moment", "first", "last", "length", "apart", "sharpness", "least_sharpness"), np.float32(3.25)),
    **dict.fromkeys(
        ("count", "least", "views", "face", "faces", "across", "down", "side", "wanted", "promised", "experts", "degrees"), 1920
    ),
    **dict.fromkeys(("kept_across", "kept_down"), 1920),
    **dict.fromkeys(("detector", "other", "label", "format", "error"), "second-detector"),
    "spans": [(1.0, 2.5), (3.0, 4.0)],
    "methods": [("StyleGAN2", 0.5), ("FLUX.1", 0.25)],
}


@pytest.mark.parametrize("code", REASONS)
def test_a_json_that_is_read_back_knows_its_reasons_by_their_codes(code: str) -> None:
    names = re.findall(r"{(\w+)}", REASONS[code].plural or REASONS[code])
    said = reason(code, **{name: FIGURES[name] for name in names})
    evidence = replace(EVIDENCE, verdict=Verdict("inconclusive", None, None, None, ("It is odd.", said)))
    entry = json.loads(json.dumps(evidence.to_json(), allow_nan=False))["verdict"]
    assert entry["reasons"] == ["It is odd.", str(said)], "English, whole"
    assert not re.search(r"[{}]", said)
    nothing, coded = entry["reason_codes"]
    assert nothing is None
    assert coded["code"] == code
    assert coded["figures"] == json.loads(json.dumps({name: FIGURES[name] for name in names}, default=float))
    plain, read = Evidence.from_json(json.loads(json.dumps(evidence.to_json()))).verdict.reasons
    assert (plain, read) == ("It is odd.", said)
    assert isinstance(read, Message)
    assert read.code == code
    assert not isinstance(plain, Message)


@pytest.mark.parametrize(
    "codes",
    [None, [], [7], [{"code": "no_face"}], [{"code": "no_face", "figures": {"p": "{p.__class__}"}}], [{"code": "hdr", "figures": {}}]],
)
def test_codes_that_do_not_make_the_sentence_leave_it_as_it_is(codes: Any) -> None:
    entry = replace(EVIDENCE, verdict=Verdict("inconclusive", None, None, None, ("It is odd.",))).to_json()
    entry["verdict"]["reason_codes"] = codes
    (read,) = Evidence.from_json(entry).verdict.reasons
    assert read == "It is odd."
    assert not isinstance(read, Message)


def test_the_reference_of_the_json_is_what_the_code_says() -> None:
    described = "`python -m attribution.evidence.reference > docs/json.md` writes it anew"
    assert (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8") == json_reference(), described
    for kind in KINDS:
        assert set(descriptions(kind)) >= set(json_fields(kind)), f"a field of {kind.__name__} without a description"


@pytest.mark.parametrize("change", [{"surprise": 1}, {"box": "abcd"}, {"box": {"0": 1}}, {"confidence": "0.5"}], ids=str)
def test_forged_artifacts_are_refused_and_pixels_cannot_be_smuggled_in(change: dict[str, Any]) -> None:
    entry = replace(EVIDENCE, tracks=(replace(TRACK, artifacts=(ARTIFACT,)),)).to_json()
    entry["tracks"][0]["track"] = "something"
    assert Evidence.from_json(entry).tracks[0].track is None
    entry["tracks"][0]["artifacts"][0] |= change
    with pytest.raises(EvidenceError):
        Evidence.from_json(entry)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every node of a JSON value below its root."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in children for found in [(*path, key), *paths_of(child, (*path, key))]]


def changed(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    copy = json.loads(json.dumps(value))
    node = copy
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = leaf
    return copy


@pytest.mark.parametrize("leaf", [None, [], {}, "x", -1, 1e400, True, [None], {"a": 1}], ids=repr)
def test_hostile_json_is_read_or_refused_and_never_anything_else(leaf: Any) -> None:
    """Any node replaced by any kind of value: the reader answers with evidence that can be written again, or with EvidenceError."""
    track = replace(TRACK, opinions=(OPINION, REFUSED_OPINION), artifacts=(ARTIFACT, replace(ARTIFACT, confidence=0.5)))
    good = document([replace(EVIDENCE, tracks=(track,)), UNUSABLE])
    refused = 0
    for path in paths_of(good):
        try:
            outcomes = read_document(changed(good, path, leaf))
        except EvidenceError:
            refused += 1
        else:
            json.dumps(document(outcomes))
    assert refused > 40


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        [],
        {},
        {"schema": "telltale-evidence/1"},
        {"schema": "telltale-evidence/2", "files": []},
        {"schema": "telltale-evidence/1", "files": {}},
        {"schema": "telltale-evidence/1", "files": [None]},
        {"schema": "telltale-evidence/1", "files": ["error"]},
        {"schema": "telltale-evidence/1", "files": [{"error": "no media"}]},
        {"schema": "telltale-evidence/1", "files": [{"error": 5, "media": {"name": "a"}}]},
        {"schema": "telltale-evidence/1", "files": [{"media": {"name": "a"}}]},
    ],
    ids=repr,
)
def test_what_is_no_result_is_refused(data: Any) -> None:
    with pytest.raises(EvidenceError):
        read_document(data)
