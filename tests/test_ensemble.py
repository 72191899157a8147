"""Second opinions: who is asked about which face, what is kept of the answer, and detectors that cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.detectors.card import Card, CropSettings
from attribution.detectors.loading import DEFAULT_DETECTOR, card_of, load_folder
from attribution.detectors.predictor import Predictor
from attribution.evidence import AGREEMENTS, UNKNOWN_METHOD, Box, Face, Opinion, Track, TrackEvidence, Verdict
from attribution.explain.patches import Tiles
from attribution.text.numbers import percent
from attribution.verdict import ensemble as opinions
from attribution.verdict.ensemble import (
    Specialist,
    agreement,
    consult,
    judge,
    load_router,
    load_specialists,
    read_faces,
    route,
    weigh,
)
from conftest import SIDE_PX, SWAP_SIDE_PX, Folders, Uploads, some_crops
from test_loading import mend_card

SWAP = Verdict("manipulated", "landmark_swap", "face_swap", 0.97)
GAN = Verdict("manipulated", "stylegan2", "gan", 0.97)
OTHER_GAN = Verdict("manipulated", "generated_photos", "gan", 0.9)
SOME_GAN = Verdict("manipulated", UNKNOWN_METHOD, "gan", 0.97)
DIFFUSION = Verdict("manipulated", "flux1", "diffusion", 0.97)
ALTERED = Verdict("manipulated", UNKNOWN_METHOD, None, 0.97, ("It is like nothing known.",))
REENACTED = Verdict("manipulated", UNKNOWN_METHOD, "reenactment", 0.97)
CLEAR = Verdict("no_manipulation_found", None, "real", 0.95)
OPEN = Verdict("inconclusive", None, None, None, ("The face is blurred.",))


def track_of(number: int, count: int = 1, side_px: int = SIDE_PX) -> Track:
    """Faces of noise, which are different in every track."""
    box: Box = (10.0, 10.0, 110.0, 110.0)
    crops = some_crops(count, side_px, seed=100 + number)
    return Track(number, tuple(Face(i, 0.5 * i, box, np.zeros((5, 2)), 0.99, box, crop, 300.0, 120.0) for i, crop in enumerate(crops)))


def judged(predictor: Predictor, *verdicts: Verdict, kind: str = "picture", faces: int = 1) -> tuple[TrackEvidence, ...]:
    """Tracks as the chosen detector leaves them, with these verdicts."""
    tracks = [track_of(number, faces) for number in range(len(verdicts))]
    bank = opinions.bank_of(predictor.detector)
    found = judge(tracks, read_faces(tracks, predictor, kind), predictor, bank, kind)
    return tuple(replace(one, verdict=verdict) for one, verdict in zip(found, verdicts, strict=True))


def loaded(folder: Path) -> Specialist:
    detector = load_folder(folder)
    return Specialist(detector.info, Predictor(detector, "cpu"), opinions.bank_of(detector))


def own_card(specialist: Specialist) -> Card:
    assert specialist.predictor is not None
    return specialist.predictor.card


@pytest.fixture(scope="module")
def dna_det(generated_folder: Path) -> Specialist:
    return loaded(generated_folder)


@pytest.fixture(scope="module")
def any_card(detector_folder: Path) -> Card:
    return card_of(detector_folder)


@pytest.fixture(scope="module")
def generated_card(generated_folder: Path) -> Card:
    return card_of(generated_folder)


# Which detectors stand beside the chosen one


@pytest.mark.parametrize(
    ("chosen", "swap", "beside", "router"),
    [
        (DEFAULT_DETECTOR, "", ["random-dna-det"], None),
        (DEFAULT_DETECTOR, "real", ["random-caddm", "random-dna-det"], None),
        ("random-dna-det", "", [], "random-default"),
        ("random-caddm", "real", [], "random-default"),
    ],
)
def test_who_stands_beside_whom(embed: Uploads, chosen: str, swap: str, beside: list[str], router: str | None) -> None:
    card = card_of(embed("real", swap) / chosen)
    specialists, asked_first = load_specialists(card, "cpu"), load_router(card, "cpu")
    assert [(one.info.name, one.problem) for one in specialists] == [(name, "") for name in beside]
    assert all(one.predictor is not None and one.predictor.device == "cpu" for one in specialists)
    assert (asked_first and (asked_first.info.name, asked_first.problem)) == (router and (router, ""))


@pytest.mark.parametrize("there", [False, True], ids=["nothing", "only one of the same kind"])
def test_where_no_default_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated_card: Card, generated_folder: Path, there: bool
) -> None:
    if there:
        (tmp_path / "random-dna-det").symlink_to(generated_folder)
    monkeypatch.setattr(opinions.loading, "EMBEDDED_FOLDER", tmp_path)
    router = load_router(generated_card, "cpu")
    assert router is not None
    assert (router.predictor, router.bank) == (None, None)
    assert router.problem == "No detector for every kind of face is embedded, so none was asked."


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


@pytest.mark.parametrize(
    ("how", "role"),
    [
        *((how, "specialist") for how in ("no JSON", "another schema", "other weights", "no weights", "no bank", "another crop")),
        ("other weights", "router"),
    ],
)
def test_a_damaged_detector_refuses_and_stops_nobody(
    embed: Uploads, any_card: Card, generated_card: Card, dna_det: Specialist, predictor: Predictor, how: str, role: str
) -> None:
    uploads = embed("real")
    damage(uploads / ("random-dna-det" if role == "specialist" else DEFAULT_DETECTOR), how)
    broken = load_specialists(any_card, "cpu")[0] if role == "specialist" else load_router(generated_card, "cpu")
    assert broken is not None
    assert (broken.predictor, broken.bank) == (None, None)
    assert broken.info.weights_sha256 == "0" * 64
    unreadable = how in ("no JSON", "another schema")
    assert (broken.info.labels == ("real",)) == unreadable
    assert "could not be loaded, so it was not asked" in broken.problem
    assert str(uploads) not in broken.problem
    assert ("cut otherwise" in broken.problem) == (how == "another crop")
    tracks = judged(predictor, GAN, SWAP, CLEAR)
    asked = (
        consult(tracks, [broken], [None] * 3, "picture") if role == "specialist" else route(tracks, own_card(dna_det), broken, "picture")
    )
    assert [one.opinions for one in asked] == [(Opinion(broken.info, broken.problem),)] * 3


# Who is asked


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (SWAP, "this face was called a face swap, so it was not asked"),
        (OPEN, "the answer on this face is inconclusive, so it was not asked"),
        (GAN, ""),
    ],
)
def test_a_specialist_is_asked_about_generated_faces_alone(predictor: Predictor, dna_det: Specialist, verdict: Verdict, why: str) -> None:
    (track,) = consult(judged(predictor, verdict), [dna_det], [None], "picture")
    (opinion,) = track.opinions
    assert opinion.detector == dna_det.info
    assert track.verdict == verdict, "a second opinion never changes the first"
    assert (opinion.verdict is None) == bool(why)
    assert why in opinion.refused
    assert opinion.refused == "" or opinion.refused.startswith("random-dna-det attributes wholly generated faces to the architecture")


@pytest.mark.parametrize(("kind", "faces"), [("picture", 1), ("clip", 5)])
def test_every_answer_belongs_to_its_own_face(predictor: Predictor, dna_det: Specialist, kind: str, faces: int) -> None:
    """Faces of different families, asked and not asked in turn; each is read once, without its mirror image."""
    reader = dna_det.predictor
    assert reader is not None
    tracks = judged(predictor, SWAP, GAN, CLEAR, DIFFUSION, GAN, kind=kind, faces=faces)
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


def test_patches_stand_where_there_are_tiles_and_an_answer(predictor: Predictor, dna_det: Specialist) -> None:
    tiles = Tiles(((0.0, 0.0, 100.0, 100.0),), some_crops(1))
    asked = consult(judged(predictor, GAN, SWAP, GAN), [dna_det], [tiles, tiles, None], "picture")
    patches = [track.opinions[0].patches for track in asked]
    assert patches[0] is not None
    assert len(patches[0].boxes) == 16
    assert patches[1:] == [None, None]


def test_nobody_and_nothing_to_ask(predictor: Predictor, dna_det: Specialist) -> None:
    tracks = judged(predictor, GAN)
    assert consult(tracks, [], [None], "picture") == tracks
    assert consult((), [dna_det], [], "picture") == ()
    assert route((), own_card(dna_det), dna_det, "picture") == ()


def test_a_track_without_pixels_cannot_be_asked_about(predictor: Predictor, dna_det: Specialist) -> None:
    read = [replace(one, track=None, predictions=None) for one in judged(predictor, GAN, SWAP)]
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
        (GAN, ALTERED, "same answer"),
        (SWAP, GAN, "differs"),
        (OPEN, GAN, "undecided"),
        (GAN, OPEN, "undecided"),
        (OPEN, OPEN, "undecided"),
    ],
)
def test_agreement(first: Verdict, second: Verdict, expected: str) -> None:
    assert agreement(first, second) == agreement(second, first) == expected
    assert expected in AGREEMENTS


def test_an_architecture_is_named_with_its_method_alone(predictor: Predictor, dna_det: Specialist) -> None:
    assert dna_det.predictor is not None
    thresholds = replace(dna_det.predictor.card.thresholds, min_sharpness=1e6)
    careful = Predictor(replace(dna_det.predictor.detector, card=replace(dna_det.predictor.card, thresholds=thresholds)), "cpu")
    (track,) = consult(judged(predictor, GAN), [replace(dna_det, predictor=careful)], [None], "picture")
    (opinion,) = track.opinions
    assert opinion.verdict is not None
    assert opinion.verdict.state == "inconclusive", "a specialist is as careful as its own card asks"
    assert (opinion.architecture, opinion.agreement) == (None, "undecided")


# The router


@pytest.mark.parametrize("verdict", [GAN, CLEAR, OPEN, SOME_GAN])
def test_what_the_router_calls_a_face_swap_is_inconclusive(
    default_folders: Folders, predictor: Predictor, dna_det: Specialist, verdict: Verdict
) -> None:
    before = judged(predictor, verdict)
    (track,) = route(before, own_card(dna_det), loaded(default_folders("landmark_swap")), "picture")
    assert track.verdict.state == "inconclusive"
    first, *others = track.verdict.reasons
    assert first == "random-dna-det looks for wholly generated faces alone, and random-default calls this one a face swap."
    assert tuple(others) == verdict.reasons
    assert track.p_methods == before[0].p_methods
    (opinion,) = track.opinions
    assert opinion.verdict is not None
    assert (opinion.verdict.family, opinion.agreement) == ("face_swap", "undecided")


def test_the_crop_rules_must_be_the_same_to_the_last_figure(embed: Uploads, any_card: Card) -> None:
    embed("real")
    changes: list[dict[str, Any]] = [{"side_px": 224}, {"scale": 0.87}, {"down": 0.0}]
    for change in changes:
        (specialist,) = load_specialists(replace(any_card, crop=replace(CropSettings(side_px=SIDE_PX), **change)), "cpu")
        assert "cut otherwise than those of random-for-tests" in specialist.problem


# Detectors of face swaps


SURE_SWAP = replace(SWAP, reasons=("The traces lie around the mouth.",))
SURE_CLEAR = replace(CLEAR, reasons=("2 of 30 views were left out.",))


def with_verdicts(*verdicts: Verdict, faces: int = 1) -> tuple[TrackEvidence, ...]:
    """Tracks that carry crops of the side that a CADDM reads, as a chosen detector leaves them: its probabilities are 0.93 for what it
    calls manipulated, 0.06 where it finds nothing and 0.5 in between."""
    tracks = []
    for number, verdict in enumerate(verdicts):
        whole = track_of(number, faces, SWAP_SIDE_PX)
        p = {"manipulated": 0.93, "no_manipulation_found": 0.06, "inconclusive": 0.5}[verdict.state]
        last = whole.faces[-1].seconds
        shares = ({"real": 1 - p, "landmark_swap": p}, {"real": 1 - p, "face_swap": p})
        tracks.append(TrackEvidence(number, faces, 0.0, last, whole.best.box, verdict, *shares, p, track=whole))
    return tuple(tracks)


@pytest.fixture(scope="module")
def finds_swaps(swap_folders: Folders) -> Specialist:
    return loaded(swap_folders("swapped"))


@pytest.fixture(scope="module")
def finds_nothing(swap_folders: Folders) -> Specialist:
    return loaded(swap_folders("real"))


def asked(tracks: Sequence[TrackEvidence], chosen: Card, *specialists: Specialist, kind: str = "picture") -> tuple[TrackEvidence, ...]:
    """What is left of the verdicts when everybody has spoken, as the pipeline does it."""
    return weigh(consult(tracks, specialists, [None] * len(tracks), kind), chosen, specialists)


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (SWAP, ""),
        (CLEAR, ""),
        (GAN, "this face was called a GAN"),
    ],
)
def test_a_detector_of_swaps_is_asked_about_swaps_and_clear_faces(finds_swaps: Specialist, verdict: Verdict, why: str) -> None:
    (track,) = consult(with_verdicts(verdict), [finds_swaps], [None], "picture")
    (opinion,) = track.opinions
    assert track.verdict == verdict, "whom to ask is decided before any answer counts"
    assert (opinion.verdict is None) == bool(why)
    assert opinion.refused == (f"random-caddm looks for face swaps and pasted parts; {why}, so it was not asked." if why else "")
    if opinion.verdict is not None:
        assert (opinion.verdict.state, opinion.verdict.family) == ("manipulated", "face_swap")
        assert opinion.agreement == ("same family" if verdict.state == "manipulated" else "differs")
        assert (opinion.patches, opinion.architecture) == (None, None)


@pytest.mark.parametrize(("kind", "faces", "mirrored"), [("picture", 1, True), ("clip", 5, False)])
def test_a_detector_of_swaps_reads_faces_as_the_first_one_does(finds_swaps: Specialist, kind: str, faces: int, mirrored: bool) -> None:
    reader = finds_swaps.predictor
    assert reader is not None
    tracks = consult(with_verdicts(SWAP, GAN, CLEAR, faces=faces), [finds_swaps], [None] * 3, kind)
    assert [bool(track.opinions[0].refused) for track in tracks] == [False, True, False]
    for number in (0, 2):
        crops = np.stack([face.crop for face in track_of(number, faces, SWAP_SIDE_PX).faces])
        expected = reader.read(crops, mirrored=mirrored).p_methods.mean(axis=0)
        p = np.array([tracks[number].opinions[0].p_methods[label] for label in reader.info.labels])
        assert p == pytest.approx(expected, rel=1e-3, abs=1e-9)
        assert np.abs(reader.read(crops, mirrored=not mirrored).p_methods.mean(axis=0) - expected).max() > 0, "a test that can fail"


def test_two_definite_answers_that_contradict_each_other_are_none(
    any_card: Card, finds_swaps: Specialist, finds_nothing: Specialist
) -> None:
    before = with_verdicts(SURE_SWAP, SURE_CLEAR)
    (swap, _), (_, clear) = asked(before, any_card, finds_nothing), asked(before, any_card, finds_swaps)
    for track, was in zip((swap, clear), before, strict=True):
        (opinion,) = track.opinions
        assert track.verdict.state == "inconclusive"
        assert track.verdict.reasons[1:] == was.verdict.reasons, "the other reasons stay, behind the new one"
        assert opinion.agreement == "differs"
        assert opinion.verdict is not None
        assert opinion.verdict.state != was.verdict.state
        assert replace(track, verdict=was.verdict, opinions=()) == was, "nothing else changes"
    p_swap, p_clear = (percent(track.opinions[0].p_manipulated or 0) for track in (swap, clear))
    assert swap.verdict.reasons[0] == (
        "The detectors disagree: random-for-tests finds the traces of a face swap (probability of a manipulation: 93 %), "
        f"random-caddm finds no manipulation ({p_swap})."
    )
    assert clear.verdict.reasons[0] == (
        "The detectors disagree: random-for-tests finds no manipulation (probability of a manipulation: 6 %), "
        f"random-caddm finds the traces of a face swap ({p_clear})."
    )


def test_agreement_changes_nothing(any_card: Card, finds_swaps: Specialist, finds_nothing: Specialist) -> None:
    before = with_verdicts(SURE_SWAP, SURE_CLEAR, GAN, ALTERED, OPEN)
    with_swaps, with_none = asked(before, any_card, finds_swaps), asked(before, any_card, finds_nothing)
    agreed = (with_swaps[0], with_none[1])
    assert [track.opinions[0].agreement for track in agreed] == ["same family", "same family"]
    assert [track.verdict for track in agreed] == [SURE_SWAP, SURE_CLEAR]
    for tracks in (with_swaps, with_none):
        assert [track.verdict for track in tracks[2:]] == [GAN, ALTERED, OPEN]
        assert all(track.opinions[0].verdict is None for track in tracks[2:])


@pytest.mark.parametrize("verdict", [SURE_SWAP, SURE_CLEAR])
def test_an_inconclusive_specialist_changes_nothing(any_card: Card, finds_swaps: Specialist, verdict: Verdict) -> None:
    assert finds_swaps.predictor is not None
    card = own_card(finds_swaps)
    careful = replace(card, thresholds=replace(card.thresholds, min_sharpness=1e6))
    unsure = replace(finds_swaps, predictor=Predictor(replace(finds_swaps.predictor.detector, card=careful), "cpu"))
    (track,) = asked(with_verdicts(verdict), any_card, unsure)
    assert track.verdict == verdict
    assert track.opinions[0].verdict is not None
    assert (track.opinions[0].verdict.state, track.opinions[0].agreement) == ("inconclusive", "undecided")


def test_other_specialists_overturn_nothing(any_card: Card, predictor: Predictor, dna_det: Specialist) -> None:
    """DNA-Det finds StyleGAN2 in everything, here in what the chosen one calls a diffusion model; and here it finds nothing."""
    (track,) = asked(judged(predictor, DIFFUSION), any_card, dna_det)
    assert (track.verdict, track.opinions[0].agreement) == (DIFFUSION, "differs")


def test_every_contradiction_is_told_in_the_order_of_the_detectors(any_card: Card, finds_nothing: Specialist) -> None:
    other = replace(finds_nothing, info=replace(finds_nothing.info, name="another"))
    (track,) = asked(with_verdicts(SURE_SWAP), any_card, finds_nothing, other)
    assert ["random-caddm finds no" in track.verdict.reasons[0], "another finds no" in track.verdict.reasons[1]] == [True, True]
    assert track.verdict.reasons[2:] == SURE_SWAP.reasons


# A detector of face swaps that is itself chosen


def test_what_the_router_calls_generated_is_inconclusive(default_folders: Folders, finds_swaps: Specialist) -> None:
    verdicts = (SURE_SWAP, SURE_CLEAR, OPEN)
    tracks = route(with_verdicts(*verdicts), own_card(finds_swaps), loaded(default_folders("stylegan2", SWAP_SIDE_PX)), "picture")
    first = "random-caddm looks for face swaps and pasted parts alone, and random-default calls this one a GAN."
    for track, verdict in zip(tracks, verdicts, strict=True):
        assert track.verdict == Verdict("inconclusive", None, None, None, (first, *verdict.reasons))
        assert [(one.detector.name, one.agreement) for one in track.opinions] == [("random-default", "undecided")]


def test_the_same_two_detectors_disagree_whichever_is_chosen(default_folders: Folders, finds_swaps: Specialist) -> None:
    """The router knows swaps too: where it finds none in what the chosen one calls a swap, or the other way round, nothing is definite."""
    chosen = own_card(finds_swaps)
    (swap,) = route(with_verdicts(SURE_SWAP), chosen, loaded(default_folders("real", SWAP_SIDE_PX)), "picture")
    (clear,) = route(with_verdicts(SURE_CLEAR), chosen, loaded(default_folders("landmark_swap", SWAP_SIDE_PX)), "picture")
    for track, reasons in ((swap, SURE_SWAP.reasons), (clear, SURE_CLEAR.reasons)):
        assert track.verdict.state == "inconclusive"
        assert track.verdict.reasons[0].startswith("The detectors disagree: random-caddm finds ")
        assert track.verdict.reasons[1:] == reasons
        assert [one.agreement for one in track.opinions] == ["differs"]


def test_without_a_router_the_reasons_say_that_generated_faces_were_not_looked_for(finds_swaps: Specialist) -> None:
    broken = Specialist(finds_swaps.info, None, None, "It could not be loaded.")
    swap, clear, unsure = route(with_verdicts(SURE_SWAP, SURE_CLEAR, OPEN), own_card(finds_swaps), broken, "picture")
    assert "whether this face is wholly generated could not be checked" in swap.verdict.reasons[-1]
    assert "wholly generated faces pass it" in clear.verdict.reasons[-1]
    assert [swap.verdict.state, clear.verdict.state, unsure.verdict] == ["manipulated", "no_manipulation_found", OPEN]
