"""Second opinions: who is asked about which face, what is kept of the answer, and detectors that cannot be asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attribution.detectors.card import Card, CropSettings, Label, Thresholds
from attribution.detectors.loading import DEFAULT_DETECTOR, card_of
from attribution.evidence import AGREEMENTS, UNKNOWN_METHOD, DetectorInfo, Face, Opinion, Predictions, Track, TrackEvidence, Verdict
from attribution.explain.patches import Tiles
from attribution.text.numbers import percent
from attribution.verdict import ensemble
from attribution.verdict.ensemble import Specialist, agreement, consult, load_router, load_specialists, read_faces, route, weigh
from conftest import GENERATED_LABELS, LABELS, SURE, SWAP_LABELS, Embed, some_crops
from samples import grid
from test_loading import mend_card
from test_scopes import ALTERED, CLEAR, DIFFUSION, GAN, OPEN, SWAP

OTHER_GAN = Verdict("manipulated", "generated_photos", "gan", 0.9)
SOME_GAN = Verdict("manipulated", UNKNOWN_METHOD, "gan", 0.97)


class Stub:
    """A detector without a network: it finds `favours` in every face, as surely as the face is bright, and keeps how it was asked."""

    def __init__(self, name: str, labels: Sequence[Label], scope: str, favours: str, thresholds: Thresholds = SURE) -> None:
        names, families = tuple(label.name for label in labels), tuple(label.family for label in labels)
        self.info = DetectorInfo(name, hashlib.sha256(name.encode()).hexdigest(), names, families, scope=scope)
        crop = CropSettings(side_px=32)
        self.card: Any = SimpleNamespace(name=name, scope=scope, adapter="", labels=labels, thresholds=thresholds, crop=crop)
        self.model, self.favours, self.asked = None, favours, []

    def read(self, crops: np.ndarray, mirrored: bool = False) -> Predictions:
        self.asked.append((len(crops), mirrored))
        sure = 0.9 + crops.mean(axis=(1, 2, 3)) / 3000
        favoured = np.array([label == self.favours for label in self.info.labels])
        p = np.where(favoured, sure[:, None], (1 - sure[:, None]) / (len(favoured) - 1)).astype(np.float32)
        return Predictions(np.log(p), p, np.ones((len(crops), 1), np.float32))


def finding(favours: str, name: str = "", thresholds: Thresholds = SURE) -> Specialist:
    """A detector that finds this: `swapped` or `untouched` one of swaps, `generated` one of generated faces, others one for every face."""
    if favours in ("swapped", "untouched"):
        stub = Stub(name or "caddm", SWAP_LABELS, "face_swap", favours.replace("untouched", "real"), thresholds)
    elif favours == "generated":
        stub = Stub(name or "dna", GENERATED_LABELS, "generated", "stylegan2", thresholds)
    else:
        stub = Stub(name or "default", LABELS, "any", favours, thresholds)
    return Specialist(stub.info, stub, None)  # type: ignore[arg-type]


def card_for(specialist: Specialist) -> Card:
    assert specialist.predictor is not None
    return specialist.predictor.card


CHOSEN = card_for(finding("real", "first"))


def tracks_with(*verdicts: Verdict, faces: int = 1) -> tuple[TrackEvidence, ...]:
    """Tracks as a chosen detector leaves them, each of its own faces: its probabilities are 0.93 for what it calls manipulated, 0.06 where
    it finds nothing and 0.5 in between."""
    tracks, box = [], (10.0, 10.0, 110.0, 110.0)
    for number, verdict in enumerate(verdicts):
        crops = some_crops(faces, 32, seed=100 + number)
        whole = Track(number, tuple(Face(i, 0.5 * i, box, np.zeros((5, 2)), 0.99, box, crop, 300.0, 120.0) for i, crop in enumerate(crops)))
        p = {"manipulated": 0.93, "no_manipulation_found": 0.06, "inconclusive": 0.5}[verdict.state]
        shares = ({"real": 1 - p, "landmark_swap": p}, {"real": 1 - p, "face_swap": p})
        tracks.append(TrackEvidence(number, faces, 0.0, whole.faces[-1].seconds, box, verdict, *shares, p, track=whole))
    return tuple(tracks)


def consulted(tracks: Sequence[TrackEvidence], *specialists: Specialist, kind: str = "picture") -> tuple[TrackEvidence, ...]:
    return consult(tracks, specialists, [None] * len(tracks), kind)


def asked(tracks: Sequence[TrackEvidence], *specialists: Specialist) -> tuple[TrackEvidence, ...]:
    """What is left of the verdicts when everybody has spoken, as the pipeline does it."""
    return weigh(consulted(tracks, *specialists), CHOSEN, specialists)


# Which detectors stand beside the chosen one


@pytest.mark.parametrize(
    ("chosen", "beside", "router"), [(DEFAULT_DETECTOR, ["random-dna-det"], []), ("random-dna-det", [], ["random-default"])]
)
def test_who_stands_beside_whom(embed: Embed, chosen: str, beside: list[str], router: list[str]) -> None:
    card = card_of(embed("real") / chosen)
    specialists, asked_first = load_specialists(card, "cpu"), load_router(card, "cpu")
    assert [(one.info.name, one.problem) for one in specialists] == [(name, "") for name in beside]
    assert all(one.predictor is not None and one.predictor.device == "cpu" for one in specialists)
    assert [(one.info.name, one.problem) for one in [asked_first] if one] == [(name, "") for name in router]


@pytest.mark.parametrize("there", [False, True], ids=["nothing", "only one of the same kind"])
def test_where_no_default_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated_folder: Path, there: bool) -> None:
    if there:
        (tmp_path / "random-dna-det").symlink_to(generated_folder)
    monkeypatch.setattr(ensemble.loading, "EMBEDDED_FOLDER", tmp_path)
    router = load_router(card_of(generated_folder), "cpu")
    assert router is not None
    assert (router.predictor, router.bank) == (None, None)
    assert router.problem == "No detector for every kind of face is embedded, so none was asked."


def damage(folder: Path, how: str) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    if how == "no JSON":
        (folder / "card.json").write_text("{", encoding="utf-8")
    elif how == "other weights":
        (folder / "model.safetensors").write_bytes(b"\0" * 64)
    elif how == "no bank":
        (folder / "reference.safetensors").write_bytes(b"")
        mend_card(folder)
    elif how == "another crop":
        (folder / "card.json").write_text(json.dumps({**card, "crop": {**card["crop"], "scale": 1.3}}), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "role"),
    [*((how, "specialist") for how in ("no JSON", "other weights", "no bank", "another crop")), ("other weights", "router")],
)
def test_a_damaged_detector_refuses_and_stops_nobody(
    embed: Embed, detector_folder: Path, generated_folder: Path, how: str, role: str
) -> None:
    uploads = embed("real")
    damage(uploads / ("random-dna-det" if role == "specialist" else DEFAULT_DETECTOR), how)
    of_specialist = role == "specialist"
    broken = load_specialists(card_of(detector_folder), "cpu")[0] if of_specialist else load_router(card_of(generated_folder), "cpu")
    assert broken is not None
    assert (broken.predictor, broken.bank) == (None, None)
    assert broken.info.weights_sha256 == "0" * 64
    assert (broken.info.labels == ("real",)) == (how == "no JSON")
    assert "could not be loaded, so it was not asked" in broken.problem
    assert str(uploads) not in broken.problem
    assert ("cut otherwise than those of random-for-tests" in broken.problem) == (how == "another crop")
    tracks = tracks_with(GAN, SWAP, CLEAR)
    found = consulted(tracks, broken) if of_specialist else route(tracks, card_for(finding("generated")), broken, "picture")
    assert [one.opinions for one in found] == [(Opinion(broken.info, broken.problem),)] * 3


# Who is asked


@pytest.mark.parametrize(
    ("favours", "verdict", "why"),
    [
        ("generated", SWAP, "attributes wholly generated faces to the architecture of their generator; this face was called a face swap"),
        (
            "generated",
            OPEN,
            "attributes wholly generated faces to the architecture of their generator; the answer on this face is inconclusive",
        ),
        ("generated", GAN, ""),
        ("swapped", SWAP, ""),
        ("swapped", CLEAR, ""),
        ("swapped", GAN, "looks for face swaps and pasted parts; this face was called a GAN"),
    ],
)
def test_a_specialist_is_asked_about_the_faces_that_are_its_business(favours: str, verdict: Verdict, why: str) -> None:
    specialist = finding(favours)
    (track,) = consulted(tracks_with(verdict), specialist)
    (opinion,) = track.opinions
    assert opinion.detector == specialist.info
    assert track.verdict == verdict, "whom to ask is decided before any answer counts"
    assert opinion.refused == (f"{specialist.info.name} {why}, so it was not asked." if why else "")
    assert (opinion.verdict is None) == bool(why)


@pytest.mark.parametrize(("kind", "faces"), [("picture", 1), ("clip", 5)])
@pytest.mark.parametrize(("favours", "mirrored"), [("generated", False), ("swapped", True)])
def test_every_answer_belongs_to_its_own_face(kind: str, faces: int, favours: str, mirrored: bool) -> None:
    """Faces of different families, asked and not asked in turn; each is read once."""
    specialist = finding(favours)
    reader: Any = specialist.predictor
    tracks = consulted(tracks_with(SWAP, GAN, SWAP, DIFFUSION, GAN, faces=faces), specialist, kind=kind)
    numbers = [1, 3, 4] if favours == "generated" else [0, 2]
    assert [number for number, track in enumerate(tracks) if not track.opinions[0].refused] == numbers
    assert reader.asked == [(len(numbers) * faces, mirrored and kind == "picture")]
    for number in numbers:
        opinion, whole = tracks[number].opinions[0], tracks[number].track
        assert whole is not None
        expected = reader.read(np.stack([face.crop for face in whole.faces])).p_methods.mean(axis=0)
        assert list(opinion.p_methods.values()) == pytest.approx(expected, rel=1e-3)
        assert opinion.p_manipulated == pytest.approx(1 - opinion.p_methods["real"], abs=1e-6)
        assert opinion.verdict is not None
        found = ("stylegan2", "style-based GAN") if favours == "generated" else ("swapped", None)
        assert (opinion.verdict.method, opinion.architecture) == found
    assert len({tracks[number].opinions[0].p_manipulated for number in numbers}) == len(numbers), "other faces, other answers"
    agreed = ["same method", "differs", "same method"] if favours == "generated" else ["same family"] * 2
    assert [tracks[number].opinions[0].agreement for number in numbers] == agreed


def test_faces_that_share_a_crop_are_read_once() -> None:
    (one,) = tracks_with(GAN)
    reader: Any = finding("real").predictor
    assert one.track is not None
    assert len(read_faces([one.track, one.track], reader, "clip").logits) == 2
    assert reader.asked == [(1, False)]


def test_patches_stand_where_there_are_tiles_and_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = replace(grid("sx"), labels=tuple(label.name for label in GENERATED_LABELS), p_methods=((0.2,) * 5,) * 2)
    monkeypatch.setattr(ensemble, "reads_patches", lambda predictor: True)
    monkeypatch.setattr(ensemble, "patch_view", lambda predictor, tiles: patches)
    tiles = Tiles(((0.0, 0.0, 100.0, 100.0),), some_crops(1))
    found = consult(tracks_with(GAN, SWAP, GAN), [finding("generated")], [tiles, tiles, None], "picture")
    assert [track.opinions[0].patches for track in found] == [patches, None, None]


def test_nobody_and_nothing_to_ask() -> None:
    tracks, dna = tracks_with(GAN), finding("generated")
    assert consulted(tracks) == tracks
    assert consulted((), dna) == route((), card_for(dna), dna, "picture") == ()
    with pytest.raises(ValueError, match="no faces to ask about"):
        consulted([replace(tracks[0], track=None)], dna)


# How far two answers agree


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (GAN, GAN, "same method"),
        *((one, other, "same family") for one, other in ((GAN, OTHER_GAN), (GAN, SOME_GAN), (SOME_GAN, SOME_GAN), (CLEAR, CLEAR))),
        (ALTERED, ALTERED, "same family"),
        (GAN, ALTERED, "same answer"),
        *((one, other, "differs") for one, other in ((GAN, DIFFUSION), (GAN, CLEAR), (SWAP, GAN))),
        *((one, OPEN, "undecided") for one in (GAN, CLEAR, OPEN)),
    ],
)
def test_agreement(first: Verdict, second: Verdict, expected: str) -> None:
    assert agreement(first, second) == agreement(second, first) == expected
    assert expected in AGREEMENTS


# What an opinion changes


def test_two_definite_answers_that_contradict_each_other_are_none() -> None:
    before = tracks_with(SWAP, CLEAR)
    (swap, _), (_, clear) = asked(before, finding("untouched")), asked(before, finding("swapped"))
    for track, was in zip((swap, clear), before, strict=True):
        (opinion,) = track.opinions
        assert track.verdict.state == "inconclusive"
        assert track.verdict.reasons == (opinion.overturns, *was.verdict.reasons), "the other reasons stay, behind the new one"
        assert opinion.agreement == "differs"
        assert replace(track, verdict=was.verdict, opinions=()) == was, "nothing else changes"
    p_swap, p_clear = (percent(track.opinions[0].p_manipulated or 0) for track in (swap, clear))
    assert swap.verdict.reasons[0] == (
        "The detectors disagree: first finds the traces of a face swap (probability of a manipulation: 93 %), "
        f"caddm finds no manipulation ({p_swap})."
    )
    assert clear.verdict.reasons[0] == (
        f"The detectors disagree: caddm finds the traces of a face swap (probability of a manipulation: {p_clear}), "
        "first finds no manipulation (6 %)."
    )
    (track,) = asked(before[:1], finding("untouched"), finding("untouched", "another"))
    assert ["caddm finds no" in track.verdict.reasons[0], "another finds no" in track.verdict.reasons[1]] == [True, True]


def test_agreement_and_inconclusive_specialists_change_nothing() -> None:
    before = tracks_with(SWAP, CLEAR, GAN, ALTERED, OPEN)
    with_swaps, with_none = asked(before, finding("swapped")), asked(before, finding("untouched"))
    assert [track.opinions[0].agreement for track in (with_swaps[0], with_none[1])] == ["same family", "same family"]
    assert [track.verdict for track in (with_swaps[0], with_none[1])] == [SWAP, CLEAR]
    for tracks in (with_swaps, with_none):
        assert [track.verdict for track in tracks[2:]] == [GAN, ALTERED, OPEN]
    careful = replace(SURE, min_sharpness=1e6)
    for track, verdict in zip(asked(before[:2], finding("swapped", thresholds=careful)), (SWAP, CLEAR), strict=True):
        opinion = track.opinions[0]
        assert opinion.verdict is not None
        assert (track.verdict, opinion.verdict.state, opinion.agreement) == (verdict, "inconclusive", "undecided")
        assert opinion.architecture is None, "named with its method alone"
    (track,) = asked(tracks_with(DIFFUSION), finding("generated"))
    assert (track.verdict, track.opinions[0].agreement) == (DIFFUSION, "differs"), "DNA-Det overturns nothing"


@pytest.mark.parametrize(("measured", "state"), [(True, "inconclusive"), (False, "manipulated")])
def test_of_the_detectors_that_a_reader_asks_for_only_measured_ones_overturn(measured: bool, state: str) -> None:
    wanted = finding("real", "wanted")
    wanted = replace(wanted, info=replace(wanted.info, measured=measured), asked_for=True)
    (track,) = asked(tracks_with(GAN), wanted)
    assert (track.verdict.state, track.opinions[0].agreement) == (state, "differs")


# The router


@pytest.mark.parametrize(
    ("chosen", "favours", "first"),
    [
        ("generated", "landmark_swap", "dna looks for wholly generated faces alone, and default calls this one a face swap."),
        ("swapped", "stylegan2", "caddm looks for face swaps and pasted parts alone, and default calls this one a GAN."),
    ],
)
def test_what_the_router_calls_another_kind_is_inconclusive(chosen: str, favours: str, first: str) -> None:
    before = tracks_with(SWAP, GAN, CLEAR, OPEN)
    for track, was in zip(route(before, card_for(finding(chosen)), finding(favours), "picture"), before, strict=True):
        assert track.verdict == Verdict("inconclusive", None, None, None, (first, *was.verdict.reasons))
        assert track.p_methods == was.p_methods
        assert [(one.detector.name, one.agreement, one.overturns) for one in track.opinions] == [("default", "undecided", first)]


def test_the_same_two_detectors_disagree_whichever_is_chosen() -> None:
    """The router knows swaps too: where it finds none in what the chosen one calls a swap, or the other way round, nothing is definite."""
    chosen = card_for(finding("swapped"))
    for verdict, router in ((SWAP, finding("real")), (CLEAR, finding("landmark_swap"))):
        (track,) = route(tracks_with(verdict), chosen, router, "picture")
        assert track.verdict.state == "inconclusive"
        assert track.verdict.reasons[0].startswith("The detectors disagree: ")
        assert [one.agreement for one in track.opinions] == ["differs"]


def test_without_a_router_the_reasons_say_that_generated_faces_were_not_looked_for() -> None:
    chosen = finding("swapped")
    broken = Specialist(chosen.info, None, None, "It could not be loaded.")
    swap, clear, unsure = route(tracks_with(SWAP, CLEAR, OPEN), card_for(chosen), broken, "picture")
    assert "whether this face is wholly generated could not be checked" in swap.verdict.reasons[-1]
    assert "wholly generated faces pass it" in clear.verdict.reasons[-1]
    assert [swap.verdict.state, clear.verdict.state, unsure.verdict] == ["manipulated", "no_manipulation_found", OPEN]
