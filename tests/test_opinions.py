"""Second opinions: who is asked about which face, what is kept of the answer, and detectors that cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution import opinions
from attribution.card import Card, CropSettings
from attribution.detector import Examiner
from attribution.evidence import AGREEMENTS, UNKNOWN_METHOD, Box, Face, Opinion, Track, TrackEvidence, Verdict
from attribution.opinions import Specialist, agreement, consult, judge, load_router, load_specialists, read_faces, route
from attribution.patches import Tiles
from attribution.weights import DEFAULT_DETECTOR, card_of, load_folder
from conftest import SIDE_PX, some_crops
from test_weights import mend_card

SWAP = Verdict("manipulated", "landmark_swap", "face_swap", 0.97)
GAN = Verdict("manipulated", "stylegan2", "gan", 0.97)
OTHER_GAN = Verdict("manipulated", "generated_photos", "gan", 0.9)
SOME_GAN = Verdict("manipulated", UNKNOWN_METHOD, "gan", 0.97)
DIFFUSION = Verdict("manipulated", "flux1", "diffusion", 0.97)
ALTERED = Verdict("manipulated", UNKNOWN_METHOD, None, 0.97, ("It is like nothing known.",))
REENACTED = Verdict("manipulated", UNKNOWN_METHOD, "reenactment", 0.97)
CLEAR = Verdict("no_manipulation_found", None, "real", 0.95)
OPEN = Verdict("inconclusive", None, None, None, ("The face is blurred.",))


def track_of(number: int, count: int = 1) -> Track:
    """Faces of noise, which are different in every track."""
    box: Box = (10.0, 10.0, 110.0, 110.0)
    crops = some_crops(count, SIDE_PX, seed=100 + number)
    return Track(number, tuple(Face(i, 0.5 * i, box, np.zeros((5, 2)), 0.99, box, crop, 300.0, 120.0) for i, crop in enumerate(crops)))


def judged(examiner: Examiner, *verdicts: Verdict, kind: str = "picture", faces: int = 1) -> tuple[TrackEvidence, ...]:
    """Tracks as the chosen detector leaves them, with these verdicts."""
    tracks = [track_of(number, faces) for number in range(len(verdicts))]
    bank = opinions.bank_of(examiner.detector)
    found = judge(tracks, read_faces(tracks, examiner, kind), examiner, bank, kind)
    return tuple(replace(one, verdict=verdict) for one, verdict in zip(found, verdicts, strict=True))


@pytest.fixture(scope="module")
def dna_det(generated_folder: Path) -> Specialist:
    detector = load_folder(generated_folder)
    return Specialist(detector.info, Examiner(detector, "cpu"), opinions.bank_of(detector))


@pytest.fixture(scope="module")
def any_card(detector_folder: Path) -> Card:
    return card_of(detector_folder)


@pytest.fixture(scope="module")
def generated_card(generated_folder: Path) -> Card:
    return card_of(generated_folder)


# Which detectors stand beside the chosen one


def test_a_detector_for_every_face_has_specialists_and_no_router(embed: Callable[[str], Path], any_card: Card) -> None:
    embed("real")
    (specialist,) = load_specialists(any_card, "cpu")
    assert (specialist.info.name, specialist.problem) == ("random-dna-det", "")
    assert specialist.examiner is not None
    assert specialist.examiner.device == "cpu"
    assert specialist.bank is not None
    assert load_router(any_card, "cpu") is None


def test_a_detector_for_generated_faces_has_a_router_and_no_specialists(embed: Callable[[str], Path], generated_card: Card) -> None:
    embed("real")
    assert load_specialists(generated_card, "cpu") == ()
    router = load_router(generated_card, "cpu")
    assert router is not None
    assert (router.info.name, router.problem) == ("random-default", "")
    assert router.examiner is not None


@pytest.mark.parametrize("there", [False, True], ids=["nothing", "only one of the same kind"])
def test_where_no_default_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated_card: Card, generated_folder: Path, there: bool
) -> None:
    if there:
        (tmp_path / "random-dna-det").symlink_to(generated_folder)
    monkeypatch.setattr(opinions.weights, "EMBEDDED_FOLDER", tmp_path)
    router = load_router(generated_card, "cpu")
    assert router is not None
    assert (router.examiner, router.bank) == (None, None)
    assert router.problem == "No detector that knows face swaps is embedded, so none was asked."


def test_where_no_specialist_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_card: Card) -> None:
    monkeypatch.setattr(opinions.weights, "EMBEDDED_FOLDER", tmp_path)
    assert load_specialists(any_card, "cpu") == ()


def damage(folder: Path, how: str) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    if how == "no JSON":
        (folder / "card.json").write_text("{", encoding="utf-8")
    elif how == "another schema":
        (folder / "card.json").write_text(json.dumps({**card, "schema": "telltale-card/9"}), encoding="utf-8")
    elif how == "other weights":
        (folder / "model.safetensors").write_bytes(b"\0" * 64)
    elif how == "no weights":
        (folder / "model.safetensors").unlink()
    elif how == "no bank":
        (folder / "reference.safetensors").write_bytes(b"")
        mend_card(folder)
    elif how == "another crop":
        (folder / "card.json").write_text(json.dumps({**card, "crop": {**card["crop"], "scale": 1.3}}), encoding="utf-8")


@pytest.mark.parametrize("how", ["no JSON", "another schema", "other weights", "no weights", "no bank", "another crop"])
@pytest.mark.parametrize("role", ["specialist", "router"])
def test_a_damaged_detector_refuses_and_stops_nobody(
    embed: Callable[[str], Path], any_card: Card, generated_card: Card, dna_det: Specialist, examiner: Examiner, how: str, role: str
) -> None:
    shelf = embed("real")
    damage(shelf / ("random-dna-det" if role == "specialist" else DEFAULT_DETECTOR), how)
    broken = load_specialists(any_card, "cpu")[0] if role == "specialist" else load_router(generated_card, "cpu")
    assert broken is not None
    assert (broken.examiner, broken.bank) == (None, None)
    assert broken.info.weights_sha256 == "0" * 64
    unreadable = how in ("no JSON", "another schema")
    assert (broken.info.labels == ("real",)) == unreadable
    assert "could not be loaded, so it was not asked" in broken.problem
    assert str(shelf) not in broken.problem
    assert ("cut otherwise" in broken.problem) == (how == "another crop")
    tracks = judged(examiner, GAN, SWAP, CLEAR)
    asked = consult(tracks, [broken], [None] * 3, "picture") if role == "specialist" else route(tracks, dna_det.info, broken, "picture")
    assert [one.opinions for one in asked] == [(Opinion(broken.info, broken.problem),)] * 3


def test_detectors_for_every_face_are_not_loaded_beside(embed: Callable[[str], Path], any_card: Card) -> None:
    damage(embed("real") / DEFAULT_DETECTOR, "other weights")
    assert [one.info.name for one in load_specialists(any_card, "cpu")] == ["random-dna-det"]


# Who is asked


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (SWAP, "this face was called a face swap, so it was not asked"),
        (REENACTED, "this face was called a reenactment, so it was not asked"),
        (CLEAR, "no manipulation was found in this face, so it was not asked"),
        (OPEN, "the answer on this face is inconclusive, so it was not asked"),
        (ALTERED, "not by which kind of method, so it was not asked"),
        (GAN, ""),
        (SOME_GAN, ""),
        (DIFFUSION, ""),
    ],
)
def test_a_specialist_is_asked_about_generated_faces_alone(examiner: Examiner, dna_det: Specialist, verdict: Verdict, why: str) -> None:
    (track,) = consult(judged(examiner, verdict), [dna_det], [None], "picture")
    (opinion,) = track.opinions
    assert opinion.detector == dna_det.info
    assert track.verdict == verdict, "a second opinion never changes the first"
    assert (opinion.verdict is None) == bool(why)
    assert why in opinion.refused
    assert opinion.refused == "" or opinion.refused.startswith("random-dna-det attributes wholly generated faces to the architecture")


@pytest.mark.parametrize(("kind", "faces"), [("picture", 1), ("clip", 5)])
def test_every_answer_belongs_to_its_own_face(examiner: Examiner, dna_det: Specialist, kind: str, faces: int) -> None:
    """Faces of different families, asked and not asked in turn; each is read once, without its mirror image."""
    reader = dna_det.examiner
    assert reader is not None
    tracks = judged(examiner, SWAP, GAN, CLEAR, DIFFUSION, GAN, kind=kind, faces=faces)
    asked = consult(tracks, [dna_det], [None] * 5, kind)
    assert [bool(track.opinions[0].refused) for track in asked] == [True, False, True, False, False]
    for number in (1, 3, 4):
        opinion = asked[number].opinions[0]
        expected = reader.read(np.stack([face.crop for face in track_of(number, faces).faces]), mirrored=False)
        p = np.array([opinion.p_methods[label] for label in reader.info.labels])
        assert p == pytest.approx(expected.p_methods.mean(axis=0), rel=1e-3, abs=1e-9)
        assert opinion.placement is not None
        assert opinion.p_manipulated == pytest.approx(1 - opinion.p_methods["real"], abs=1e-6)
        assert opinion.verdict is not None
        assert (opinion.verdict.method, opinion.architecture) == ("stylegan2", "style-based GAN")
    assert len({asked[number].opinions[0].p_manipulated for number in (1, 3, 4)}) == 3, "other faces, other answers"
    assert [asked[number].opinions[0].agreement for number in (1, 3, 4)] == ["same method", "differs", "same method"]


def test_patches_stand_where_there_are_tiles_and_an_answer(examiner: Examiner, dna_det: Specialist) -> None:
    tiles = Tiles(((0.0, 0.0, 100.0, 100.0),), some_crops(1))
    asked = consult(judged(examiner, GAN, SWAP, GAN), [dna_det], [tiles, tiles, None], "picture")
    patches = [track.opinions[0].patches for track in asked]
    assert patches[0] is not None
    assert len(patches[0].boxes) == 16
    assert patches[1:] == [None, None]


def test_a_specialist_that_reads_no_patches_gives_none(examiner: Examiner, dna_det: Specialist, detector_folder: Path) -> None:
    detector = load_folder(detector_folder)
    plain = Specialist(detector.info, Examiner(detector, "cpu"), opinions.bank_of(detector))
    (track,) = consult(judged(examiner, GAN), [plain], [Tiles(((0.0, 0.0, 9.0, 9.0),), some_crops(1))], "picture")
    assert track.opinions[0].verdict is not None
    assert track.opinions[0].patches is None
    assert track.opinions[0].architecture is None


def test_several_specialists_speak_in_their_order(examiner: Examiner, dna_det: Specialist) -> None:
    broken = Specialist(replace(dna_det.info, name="broken"), None, None, "broken could not be loaded.")
    (track,) = consult(judged(examiner, GAN), [broken, dna_det], [None], "picture")
    assert [(one.detector.name, bool(one.refused)) for one in track.opinions] == [("broken", True), ("random-dna-det", False)]


def test_nobody_and_nothing_to_ask(examiner: Examiner, dna_det: Specialist) -> None:
    tracks = judged(examiner, GAN)
    assert consult(tracks, [], [None], "picture") == tracks
    assert consult((), [dna_det], [], "picture") == ()
    assert route((), dna_det.info, dna_det, "picture") == ()


def test_a_track_without_pixels_cannot_be_asked_about(examiner: Examiner, dna_det: Specialist) -> None:
    read = [replace(one, track=None, reading=None) for one in judged(examiner, GAN, SWAP)]
    with pytest.raises(ValueError, match="no faces to ask about"):
        consult(read, [dna_det], [None, None], "picture")


# How far two answers agree


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (GAN, GAN, "same method"),
        (GAN, OTHER_GAN, "same family"),
        (GAN, SOME_GAN, "same family"),
        (SOME_GAN, SOME_GAN, "same family"),
        (CLEAR, CLEAR, "same family"),
        (ALTERED, ALTERED, "same family"),
        (GAN, DIFFUSION, "differs"),
        (GAN, CLEAR, "differs"),
        (GAN, ALTERED, "differs"),
        (SWAP, GAN, "differs"),
        (OPEN, GAN, "undecided"),
        (GAN, OPEN, "undecided"),
        (OPEN, OPEN, "undecided"),
    ],
)
def test_agreement(first: Verdict, second: Verdict, expected: str) -> None:
    assert agreement(first, second) == agreement(second, first) == expected
    assert expected in AGREEMENTS


def test_an_architecture_is_named_with_its_method_alone(examiner: Examiner, dna_det: Specialist) -> None:
    assert dna_det.examiner is not None
    thresholds = replace(dna_det.examiner.card.thresholds, min_sharpness=1e6)
    careful = Examiner(replace(dna_det.examiner.detector, card=replace(dna_det.examiner.card, thresholds=thresholds)), "cpu")
    (track,) = consult(judged(examiner, GAN), [replace(dna_det, examiner=careful)], [None], "picture")
    (opinion,) = track.opinions
    assert opinion.verdict is not None
    assert opinion.verdict.state == "inconclusive", "a specialist is as careful as its own card asks"
    assert (opinion.architecture, opinion.agreement) == (None, "undecided")


# The router


def router_of(folder: Path) -> Specialist:
    detector = load_folder(folder)
    return Specialist(detector.info, Examiner(detector, "cpu"), opinions.bank_of(detector))


@pytest.mark.parametrize("verdict", [GAN, CLEAR, OPEN, SOME_GAN])
def test_what_the_router_calls_a_face_swap_is_inconclusive(
    default_folders: Callable[[str], Path], examiner: Examiner, dna_det: Specialist, verdict: Verdict
) -> None:
    before = judged(examiner, verdict)
    (track,) = route(before, dna_det.info, router_of(default_folders("landmark_swap")), "picture")
    assert track.verdict.state == "inconclusive"
    assert track.verdict.reasons[0] == "random-dna-det knows wholly generated faces alone, and random-default calls this one a face swap."
    assert track.verdict.reasons[1:] == verdict.reasons
    assert track.p_methods == before[0].p_methods
    (opinion,) = track.opinions
    assert opinion.verdict is not None
    assert (opinion.verdict.family, opinion.agreement) == ("face_swap", "undecided")


@pytest.mark.parametrize(
    ("favours", "verdict", "agrees"),
    [("stylegan2", GAN, "same method"), ("real", GAN, "differs"), ("flux1", GAN, "differs"), ("stylegan2", OPEN, "undecided")],
)
def test_other_answers_stay_as_they_are(
    default_folders: Callable[[str], Path], examiner: Examiner, dna_det: Specialist, favours: str, verdict: Verdict, agrees: str
) -> None:
    (track,) = route(judged(examiner, verdict), dna_det.info, router_of(default_folders(favours)), "picture")
    doubts = ("This holds only if the face is wholly generated; random-default found no manipulation in it.",) if favours == "real" else ()
    assert track.verdict == replace(verdict, reasons=(*verdict.reasons, *doubts))
    assert track.opinions[0].agreement == agrees


def test_finding_nothing_says_for_what_it_was_looked(
    default_folders: Callable[[str], Path], examiner: Examiner, dna_det: Specialist
) -> None:
    (track,) = route(judged(examiner, CLEAR), dna_det.info, router_of(default_folders("real")), "picture")
    assert track.verdict.state == "no_manipulation_found"
    assert track.verdict.reasons == ("random-dna-det looks for wholly generated faces alone: face swaps pass it.",)


def test_without_a_router_the_reasons_say_that_swaps_were_not_looked_for(examiner: Examiner, dna_det: Specialist) -> None:
    broken = Specialist(dna_det.info, None, None, "It could not be loaded.")
    tracks = route(judged(examiner, GAN, CLEAR, OPEN), dna_det.info, broken, "picture")
    assert [track.verdict.state for track in tracks] == ["manipulated", "no_manipulation_found", "inconclusive"]
    assert "whether this is a face swap could not be checked" in tracks[0].verdict.reasons[-1]
    assert "face swaps pass it" in tracks[1].verdict.reasons[-1]
    assert tracks[2].verdict == OPEN


def test_the_crop_rules_must_be_the_same_to_the_last_figure(embed: Callable[[str], Path], any_card: Card) -> None:
    embed("real")
    changes: list[dict[str, Any]] = [{"side_px": 224}, {"scale": 0.87}, {"down": 0.0}]
    for change in changes:
        (specialist,) = load_specialists(replace(any_card, crop=replace(CropSettings(side_px=SIDE_PX), **change)), "cpu")
        assert "cut otherwise than those of random-for-tests" in specialist.problem
