"""Evidence holds only what its docstrings promise, and survives JSON."""

from __future__ import annotations

import json
import math
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
    Neighbour,
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

NAN = math.nan
INF = math.inf
LANDMARKS = np.array([[30, 40], [60, 40], [45, 55], [33, 70], [57, 70]], dtype=np.float32)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_media(**changes: Any) -> Media:
    values: dict[str, Any] = {
        "name": "clip.mp4",
        "sha256": "0123456789abcdef" * 4,
        "bytes": 1234,
        "kind": "clip",
        "width": 640,
        "height": 360,
        "duration_seconds": 8.0,
        "frames_read": 5,
        "frames_wanted": 30,
        "container": "mp4 (h264)",
        "notes": ("5 of 30 frames could be decoded.",),
    }
    return Media(**{**values, **changes})


def make_frame(**changes: Any) -> Frame:
    return Frame(**{"index": 0, "seconds": 0.0, "rgb": picture(36, 64), "scale": 10.0, **changes})


def make_face(**changes: Any) -> Face:
    values: dict[str, Any] = {
        "frame_index": 0,
        "seconds": 0.5,
        "box": (20.0, 20.0, 70.0, 85.0),
        "landmarks": LANDMARKS,
        "p_face": 0.999,
        "crop_box": (17.0, 28.0, 73.0, 84.0),
        "crop": picture(32, 32),
        "sharpness": 210.5,
        "brightness": 120.0,
    }
    return Face(**{**values, **changes})


def make_detector(**changes: Any) -> DetectorInfo:
    values: dict[str, Any] = {
        "name": "test-detector",
        "weights_sha256": "f" * 64,
        "labels": ("real", "swap", "gan_a"),
        "families": ("real", "face_swap", "gan"),
        "display_names": ("No manipulation", "Face swap", "GAN A"),
        "licence": "Apache-2.0",
        "limits": ("It was measured on 12 faces only.",),
    }
    return DetectorInfo(**{**values, **changes})


def make_predictions(faces: int = 2, **changes: Any) -> Predictions:
    random = np.random.default_rng(1)
    logits = random.normal(size=(faces, 3)).astype(np.float32)
    p_methods = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    embeddings = random.normal(size=(faces, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Predictions(**{"logits": logits, "p_methods": p_methods, "embeddings": embeddings, **changes})


def make_verdict(**changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "state": "manipulated",
        "method": "swap",
        "family": "face_swap",
        "confidence": 0.97,
        "reasons": ("Two faces of three agree.",),
    }
    return Verdict(**{**values, **changes})


def make_neighbour(**changes: Any) -> Neighbour:
    return Neighbour(**{"index": 7, "method": "swap", "source": "dfdc", "distance": 0.25, **changes})


def make_placement(**changes: Any) -> Placement:
    return Placement(**{"x": -1.5, "y": 2.5, "neighbours": (make_neighbour(),), "atypicality": 0.4, **changes})


def make_patches(**changes: Any) -> Patches:
    values: dict[str, Any] = {
        "labels": ("real", "swap", "gan_a"),
        "boxes": ((0.0, 0.0, 20.0, 20.0), (16.5, 0.0, 36.5, 20.0)),
        "p_methods": ((0.9, 0.05, 0.05), (0.1, 0.1, 0.8)),
    }
    return Patches(**{**values, **changes})


def make_opinion(**changes: Any) -> Opinion:
    values: dict[str, Any] = {
        "detector": make_detector(name="second-detector"),
        "verdict": make_verdict(method="gan_a", family="gan", confidence=0.9),
        "p_methods": {"real": 0.1, "swap": 0.1, "gan_a": 0.8},
        "p_families": {"real": 0.1, "face_swap": 0.1, "gan": 0.8},
        "p_manipulated": 0.9,
        "placement": make_placement(),
        "agreement": "differs",
        "architecture": "style-based GAN",
        "patches": make_patches(),
    }
    return Opinion(**{**values, **changes})


REFUSED_OPINION = Opinion(make_detector(name="third-detector"), "It attributes wholly generated faces; this one was called a face swap.")


def make_artifact(**changes: Any) -> Artifact:
    return Artifact(**{"box": (25.5, 30.0, 41.0, 44.25), "confidence": 0.75, "detector": "second-detector", "seconds": 0.5, **changes})


def make_track_evidence(**changes: Any) -> TrackEvidence:
    faces = (make_face(seconds=0.5), make_face(seconds=1.0))
    values: dict[str, Any] = {
        "id": 0,
        "faces": 2,
        "first_seconds": 0.5,
        "last_seconds": 1.0,
        "box": (20.0, 20.0, 70.0, 85.0),
        "verdict": make_verdict(),
        "p_methods": {"real": 0.03, "swap": 0.9, "gan_a": 0.07},
        "p_families": {"real": 0.03, "face_swap": 0.9, "gan": 0.07},
        "p_manipulated": 0.97,
        "timeline": (Moment(0.5, 0.96), Moment(1.0, 0.98)),
        "worst": Interval(0.5, 1.0, 0.97, 2),
        "placement": make_placement(),
        "crop_side_px": 56.0,
        "sharpness": 210.5,
        "brightness": 120.0,
        "track": Track(0, faces),
        "predictions": make_predictions(),
    }
    return TrackEvidence(**{**values, **changes})


def make_evidence(**changes: Any) -> Evidence:
    values: dict[str, Any] = {
        "media": make_media(),
        "detector": make_detector(),
        "tracks": (make_track_evidence(),),
        "verdict": make_verdict(),
        "faces_found": 1,
        "settings": {"frames": 64, "device": "cpu"},
        "versions": {"torch": "2.15.0"},
        "created_utc": "2026-01-02T03:04:05Z",
    }
    return Evidence(**{**values, **changes})


INCONCLUSIVE = {"state": "inconclusive", "method": None, "family": None, "confidence": None, "reasons": ("The face is too small.",)}
UNTOUCHED = {"state": "no_manipulation_found", "method": None, "family": "real", "confidence": 0.9, "reasons": ()}

REFUSED: list[tuple[Any, str, tuple[Any, ...]]] = [
    (make_media, "kind", ("audio",)),
    (make_media, "sha256", ("abc", "z" * 64, 64)),
    (make_media, "name", (None,)),
    (make_media, "width", (0,)),
    (make_media, "height", (-1,)),
    (make_media, "bytes", (0, 1.5, True)),
    (make_media, "frames_read", (0, 31)),
    (make_media, "duration_seconds", (-0.1, NAN, INF)),
    (make_media, "container", (4,)),
    (make_media, "notes", (["a list"], "one sentence")),
    (make_frame, "index", (-1,)),
    (make_frame, "seconds", (NAN,)),
    (make_frame, "scale", (0, -1.0, INF)),
    (make_frame, "rgb", (picture(8, 8).astype(np.float32), picture(8, 8)[:, :, 0], picture(8, 8)[:, :, :2], np.zeros((0, 8, 3), np.uint8))),
    (make_face, "frame_index", (-1,)),
    (make_face, "seconds", (INF,)),
    (make_face, "box", ((20.0, 20.0, 20.0, 85.0), (20.0, 20.0, 70.0, 10.0), (20.0, NAN, 70.0, 85.0), (20.0, 20.0, 70.0))),
    (make_face, "crop_box", ((0.0, 0.0, 0.0, 0.0),)),
    (make_face, "landmarks", (LANDMARKS[:4], LANDMARKS * NAN)),
    (make_face, "p_face", (1.1,)),
    (make_face, "crop", (picture(32, 31),)),
    (make_face, "sharpness", (NAN, -1.0)),
    (make_face, "brightness", (256.0,)),
    (make_predictions, "logits", (np.zeros((2, 4), np.float32), np.full((2, 3), NAN))),
    (make_predictions, "p_methods", (np.full((2, 3), 0.5), np.full((2, 3), NAN), np.array([[1.5, -0.5, 0.0]] * 2))),
    (make_predictions, "embeddings", (np.zeros((3, 8)), np.full((2, 8), INF), np.zeros(2))),
    (make_detector, "labels", (("real", "swap"), ("real", "swap", "swap"))),
    (make_detector, "families", (("real", "face_swap", "witchcraft"),)),
    (make_detector, "display_names", (("one",),)),
    (make_detector, "weights_sha256", ("",)),
    (make_detector, "limits", (("fine", 3),)),
    (make_detector, "name", (None,)),
    (make_verdict, "state", ("real",)),
    (make_verdict, "family", ("real", "witchcraft")),
    (make_verdict, "method", (None, "")),
    (make_verdict, "confidence", (None, NAN, 1.01)),
    (make_verdict, "reasons", ("no tuple",)),
    (make_neighbour, "index", (-1,)),
    (make_neighbour, "distance", (NAN, 2.1, -0.1)),
    (make_neighbour, "source", (None,)),
    (make_placement, "x", (NAN, "1")),
    (make_placement, "y", (INF,)),
    (make_placement, "atypicality", (-0.2,)),
    (make_placement, "neighbours", (({"index": 1},),)),
    (make_track_evidence, "id", (-1,)),
    (make_track_evidence, "faces", (0,)),
    (make_track_evidence, "box", ((5.0, 5.0, 5.0, 9.0),)),
    (make_track_evidence, "first_seconds", (1.5,)),
    (make_track_evidence, "p_methods", ({"real": 0.5, "swap": 0.2}, {}, {"real": 1.5, "swap": -0.5}, [1.0])),
    (make_track_evidence, "p_families", ({"real": 0.5, "witchcraft": 0.5},)),
    (make_track_evidence, "p_manipulated", (NAN,)),
    (make_track_evidence, "crop_side_px", (NAN,)),
    (make_track_evidence, "sharpness", (-2.0,)),
    (make_track_evidence, "verdict", ("manipulated",)),
    (make_track_evidence, "timeline", ((0.5,),)),
    (make_track_evidence, "worst", (0.5,)),
    (make_track_evidence, "placement", ((0.0, 1.0),)),
    (make_evidence, "faces_found", (-1,)),
    (make_evidence, "created_utc", (None,)),
    (make_evidence, "settings", ([1],)),
    (make_evidence, "versions", ({"torch": 2},)),
    (make_evidence, "verdict", (make_verdict(method="alchemy"),)),
    (make_evidence, "detector", (make_detector(labels=("real", "other", "gan_a")),)),
    (make_patches, "boxes", ((), ((0.0, 0.0, 0.0, 20.0),) * 2, ((0.0, 0.0, NAN, 20.0),) * 2)),
    (make_patches, "p_methods", (((0.9, 0.1), (0.5, 0.5)), ((0.9, 0.9, 0.9), (0.1, 0.1, 0.8)))),
    (make_patches, "labels", (("real", 2, "gan_a"),)),
    (make_opinion, "refused", ("It was not asked.",)),
    (make_opinion, "verdict", (None, "manipulated")),
    (make_opinion, "agreement", (None, "perfectly")),
    (make_opinion, "p_methods", ({"alchemy": 1.0}, {})),
    (make_opinion, "p_families", ({"witchcraft": 1.0},)),
    (make_opinion, "p_manipulated", (None,)),
    (make_opinion, "placement", ((0.0, 1.0),)),
    (make_opinion, "architecture", (5,)),
    (make_opinion, "patches", (make_patches(labels=("real", "swap", "gan_b")), "patches")),
    (make_opinion, "detector", (None,)),
    (make_track_evidence, "opinions", (("an opinion",), [make_opinion()])),
    (make_artifact, "box", ((41.0, 30.0, 25.5, 44.25), (25.5, 44.25, 41.0, 30.0), (25.5, 30.0, 25.5, 44.25), (25.5, NAN, 41.0, 44.25))),
    (make_artifact, "confidence", (1.2, -0.2, NAN, None)),
    (make_artifact, "detector", ("", None)),
    (make_artifact, "seconds", (NAN, "0.5")),
    (
        make_track_evidence,
        "artifacts",
        (((25.5, 30.0, 41.0, 44.25),), [make_artifact()], (make_artifact(confidence=0.5), make_artifact(confidence=0.6))),
    ),
]
REFUSED_TOGETHER: list[tuple[Any, dict[str, Any]]] = [
    (make_detector, {"labels": (), "families": (), "display_names": ()}),
    (make_verdict, {**INCONCLUSIVE, "confidence": 0.5}),
    (make_verdict, {**INCONCLUSIVE, "method": "swap"}),
    (make_verdict, {**INCONCLUSIVE, "family": "real"}),
    (make_verdict, {**INCONCLUSIVE, "reasons": ()}),
    (make_verdict, {**UNTOUCHED, "method": "swap"}),
    (make_verdict, {**UNTOUCHED, "family": None}),
    (make_verdict, {**UNTOUCHED, "confidence": None}),
    (Interval, {"first_seconds": 2.0, "last_seconds": 1.0, "p_manipulated": 0.5, "faces": 3}),
    (Interval, {"first_seconds": NAN, "last_seconds": 1.0, "p_manipulated": 0.5, "faces": 3}),
    (Interval, {"first_seconds": 0.0, "last_seconds": 1.0, "p_manipulated": 0.5, "faces": 0}),
    (Interval, {"first_seconds": 0.0, "last_seconds": 1.0, "p_manipulated": 2, "faces": 1}),
    (Moment, {"seconds": NAN, "p_manipulated": 0.5}),
    (Moment, {"seconds": 0.0, "p_manipulated": -1}),
    (make_patches, {"boxes": (), "p_methods": ()}),
    (Unusable, {"name": "a.jpg", "error": ""}),
    (Unusable, {"name": None, "error": "It is empty."}),
]


@pytest.mark.parametrize(("make", "name", "values"), REFUSED, ids=lambda value: getattr(value, "__name__", None) or str(value)[:30])
def test_a_bad_value_is_refused(make: Any, name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(EvidenceError):
            make(**{name: value})


@pytest.mark.parametrize(("make", "changes"), REFUSED_TOGETHER, ids=lambda value: getattr(value, "__name__", None) or str(list(value)))
def test_values_that_contradict_each_other_are_refused(make: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(EvidenceError):
        make(**changes)


def test_a_heatmap_lies_between_0_and_1() -> None:
    good = {"label": "swap", "values": np.eye(4, dtype=np.float32), "p_label": 0.9, "drop_hot": 0.5, "drop_random": -0.1}
    assert "0.500" in repr(Heatmap(**good))
    bad: list[dict[str, Any]] = [
        {"values": np.eye(4) * 2},
        {"values": np.eye(4) - 1},
        {"values": np.full((4, 4), NAN)},
        {"values": np.zeros(4)},
        {"values": np.zeros((0, 0))},
        {"p_label": 1.5},
        {"drop_hot": NAN},
        {"drop_random": -2.0},
    ]
    for changes in bad:
        with pytest.raises(EvidenceError):
            Heatmap(**{**good, **changes})


def test_the_share_of_the_picture_that_carries_the_evidence() -> None:
    def share(values: np.ndarray) -> float:
        return Heatmap("swap", values.astype(np.float32), 0.9, 0.5, 0.1).evidence_share

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
        Track(0, (make_face(seconds=1.0), make_face(seconds=0.5)))


def test_the_best_face_has_the_largest_crop_and_sharpness_breaks_ties() -> None:
    small = make_face(crop_box=(0.0, 0.0, 40.0, 40.0), sharpness=900.0)
    blurred = make_face(crop_box=(0.0, 0.0, 80.0, 80.0), sharpness=10.0)
    sharp = make_face(crop_box=(0.0, 0.0, 80.2, 80.2), sharpness=20.0)
    assert Track(0, (small, sharp, blurred)).best is sharp
    assert sharp.crop_side_px == pytest.approx(80.2)


def test_numpy_numbers_are_numbers() -> None:
    moment = Moment(np.float32(0.5), np.float32(0.25))  # type: ignore[arg-type]
    track = make_track_evidence(timeline=(moment,), faces=np.int64(2))
    assert json.loads(json.dumps(make_evidence(tracks=(track,)).to_json()))["tracks"][0]["timeline"] == [
        {"seconds": 0.5, "p_manipulated": 0.25}
    ]


def test_display_names_are_for_people() -> None:
    detector = make_detector()
    assert detector.display("swap") == "Face swap"
    assert detector.display("unknown") == "Unknown method"
    assert detector.display("not one of mine") == "not one of mine"
    assert make_detector(display_names=()).display("swap") == "swap"


ANSWERS = {
    "clip with everything": make_evidence(),
    "second opinions": make_evidence(tracks=(make_track_evidence(opinions=(make_opinion(), REFUSED_OPINION)),)),
    "artifacts": make_evidence(tracks=(make_track_evidence(artifacts=(make_artifact(), make_artifact(box=(20.0, 20.0, 70.0, 85.0)))),)),
    "second opinions without a picture": make_evidence(
        tracks=tuple(
            make_track_evidence(opinions=(make_opinion(agreement=one, placement=None, architecture=None, patches=None),))
            for one in AGREEMENTS
        )
    ),
    "unknown method": make_evidence(verdict=make_verdict(method="unknown", family=None, confidence=0.8)),
    "no face": make_evidence(tracks=(), verdict=make_verdict(**INCONCLUSIVE), faces_found=0, settings={}, versions={}, created_utc=""),
    "picture, nothing found": make_evidence(
        media=make_media(kind="picture", duration_seconds=None, frames_read=1, frames_wanted=1, notes=(), name="été <b>.png"),
        tracks=(make_track_evidence(verdict=make_verdict(**UNTOUCHED), timeline=(), worst=None, placement=None),),
        verdict=make_verdict(**UNTOUCHED),
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_json_round_trip(name: str) -> None:
    given = ANSWERS[name]
    text = json.dumps(document([given, Unusable("a.jpg", "The file is empty.")]), allow_nan=False)
    read, unusable = read_document(json.loads(text))
    assert read == given
    assert unusable == Unusable("a.jpg", "The file is empty.")
    assert json.loads(json.dumps(document([read, unusable]))) == json.loads(text)


def test_pixels_stay_out_of_the_json() -> None:
    entry = make_evidence().to_json()["tracks"][0]
    assert not {"track", "predictions"} & set(entry)
    restored = Evidence.from_json(json.loads(json.dumps(make_evidence().to_json())))
    assert restored.tracks[0].track is None
    assert restored.tracks[0].predictions is None


def test_results_from_before_a_field_was_added_are_read() -> None:
    opinion = make_opinion(overturns="They disagree.")
    entry = make_evidence(tracks=(make_track_evidence(opinions=(opinion,), own_verdict=make_verdict()),)).to_json()
    assert Evidence.from_json(json.loads(json.dumps(entry))).to_json() == entry
    for kind, added in ((entry["tracks"][0], ("own_verdict", "artifacts", "view")), (entry["detector"], ("scope", "source"))):
        for name in added:
            del kind[name]
    del entry["tracks"][0]["opinions"][0]["overturns"]
    assert Evidence.from_json(entry) == make_evidence(tracks=(make_track_evidence(opinions=(make_opinion(),)),))


def test_the_reference_of_the_json_is_what_the_code_says() -> None:
    described = "`python -m attribution.evidence.reference > docs/json.md` writes it anew"
    assert (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8") == json_reference(), described
    for kind in KINDS:
        assert set(descriptions(kind)) >= set(json_fields(kind)), f"a field of {kind.__name__} without a description"


@pytest.mark.parametrize("change", [{"surprise": 1}, {"box": "abcd"}, {"box": {"0": 1}}, {"confidence": "0.5"}], ids=str)
def test_forged_artifacts_are_refused_and_pixels_cannot_be_smuggled_in(change: dict[str, Any]) -> None:
    entry = make_evidence(tracks=(make_track_evidence(artifacts=(make_artifact(),)),)).to_json()
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
    track = make_track_evidence(opinions=(make_opinion(), REFUSED_OPINION), artifacts=(make_artifact(), make_artifact(confidence=0.5)))
    good = document([make_evidence(tracks=(track,)), Unusable("a.jpg", "The file is empty.")])
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
