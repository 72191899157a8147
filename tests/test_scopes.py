"""What a detector that knows one kind of manipulation alone is asked about, and how far its answers go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attribution.detectors.card import SCOPES as CARD_SCOPES
from attribution.evidence import FAMILIES, UNKNOWN_METHOD, DetectorInfo, Opinion, TrackEvidence, Verdict
from attribution.verdict import scopes
from attribution.verdict.scopes import SCOPES, bounded, disagreement, doubted, refusal
from samples import track

SWAP = Verdict("manipulated", "landmark_swap", "face_swap", 0.97, ("Manipulated all along.",))
SOME_SWAP = Verdict("manipulated", UNKNOWN_METHOD, "face_swap", 0.9)
GAN = Verdict("manipulated", "stylegan2", "gan", 0.97)
DIFFUSION = Verdict("manipulated", "flux1", "diffusion", 0.97)
REENACTED = Verdict("manipulated", UNKNOWN_METHOD, "reenactment", 0.97)
ALTERED = Verdict("manipulated", UNKNOWN_METHOD, None, 0.97, ("It is like nothing known.",))
CLEAR = Verdict("no_manipulation_found", None, "real", 0.95, ("2 of 30 views were left out.",))
OPEN = Verdict("inconclusive", None, None, None, ("The face is blurred.",))
CADDM = DetectorInfo("caddm", "ef" * 32, ("real", "swapped"), ("real", "face_swap"))


def test_every_scope_that_a_card_may_have_has_its_rules() -> None:
    assert {scopes.ANY, *SCOPES} == set(CARD_SCOPES)
    for scope in SCOPES.values():
        assert {*scope.asked_families, *scope.elsewhere} <= set(FAMILIES) - {"real"}
        assert not set(scope.asked_families) & set(scope.elsewhere)


@pytest.mark.parametrize(
    ("verdict", "swaps", "generated"),
    [
        (SWAP, "", "this face was called a face swap"),
        (SOME_SWAP, "", "this face was called a face swap"),
        (CLEAR, "", "no manipulation was found in this face"),
        (GAN, "this face was called a GAN", ""),
        (DIFFUSION, "this face was called a diffusion model", ""),
        (REENACTED, "this face was called a reenactment", "this face was called a reenactment"),
        (OPEN, "the answer on this face is inconclusive", "the answer on this face is inconclusive"),
        (ALTERED, *["this face was called manipulated, but not by which kind of method"] * 2),
    ],
)
def test_who_is_asked_about_which_face(verdict: Verdict, swaps: str, generated: str) -> None:
    said = f"caddm looks for face swaps and pasted parts; {swaps}, so it was not asked."
    assert refusal(verdict, "caddm", "face_swap") == (said if swaps else "")
    said = f"dna attributes wholly generated faces to the architecture of their generator; {generated}, so it was not asked."
    assert refusal(verdict, "dna", "generated") == (said if generated else "")
    assert refusal(verdict, "default", "any") == ""


def said_of(verdict: Verdict, p_manipulated: float) -> TrackEvidence:
    return track(verdict=verdict, p_manipulated=p_manipulated)


def answer_of(verdict: Verdict, p: float) -> Opinion:
    return Opinion(CADDM, "", verdict, {"real": 1 - p, "swapped": p}, {"real": 1 - p, "face_swap": p}, p, agreement="differs")


@pytest.mark.parametrize(
    ("first", "p_first", "second", "p_second", "words"),
    [
        (SWAP, 0.93, CLEAR, 0.04, "default finds the traces of a face swap ({}: 93 %), caddm finds no manipulation (4 %)"),
        (CLEAR, 0.06, SWAP, 0.97, "caddm finds the traces of a face swap ({}: 97 %), default finds no manipulation (6 %)"),
        (CLEAR, 0.001, ALTERED, 0.999, "caddm finds a manipulation ({}: over 99 %), default finds none (under 1 %)"),
        (CLEAR, 0.06, REENACTED, 0.97, "caddm finds the traces of a reenactment ({}: 97 %), default finds no manipulation (6 %)"),
    ],
)
def test_a_disagreement_names_both_answers(first: Verdict, p_first: float, second: Verdict, p_second: float, words: str) -> None:
    said = disagreement("default", said_of(first, p_first), answer_of(second, p_second))
    assert said == f"The detectors disagree: {words}.".format("probability of a manipulation")


@pytest.mark.parametrize(
    ("first", "second"),
    [(SWAP, SWAP), (SWAP, ALTERED), (SWAP, GAN), (CLEAR, CLEAR), (OPEN, SWAP), (OPEN, CLEAR), (SWAP, OPEN), (CLEAR, OPEN), (OPEN, OPEN)],
)
def test_nothing_else_is_a_disagreement(first: Verdict, second: Verdict) -> None:
    assert disagreement("default", said_of(first, 0.5), answer_of(second, 0.5)) == ""
    assert disagreement("default", said_of(first, 0.5), Opinion(CADDM, "It was not asked.")) == ""


@pytest.mark.parametrize("verdict", [SWAP, CLEAR, OPEN])
def test_doubts_come_first_and_take_no_reason_away(verdict: Verdict) -> None:
    assert doubted(verdict, []) is verdict
    assert doubted(verdict, ["One.", "Two."]) == Verdict("inconclusive", None, None, None, ("One.", "Two.", *verdict.reasons))


@pytest.mark.parametrize("verdict", [SWAP, CLEAR, OPEN])
@pytest.mark.parametrize(("routed", "kind"), [(GAN, "a GAN"), (DIFFUSION, "a diffusion model")])
def test_a_detector_of_swaps_does_not_judge_a_generated_face(verdict: Verdict, routed: Verdict, kind: str) -> None:
    found = bounded(verdict, "caddm", "face_swap", "default", routed)
    first = f"caddm looks for face swaps and pasted parts alone, and default calls this one {kind}."
    assert found == Verdict("inconclusive", None, None, None, (first, *verdict.reasons))


@pytest.mark.parametrize("routed", [CLEAR, SWAP, OPEN, ALTERED, REENACTED, None])
def test_a_face_that_a_detector_of_swaps_clears_may_still_be_generated(routed: Verdict | None) -> None:
    found = bounded(CLEAR, "caddm", "face_swap", "default", routed)
    said = "caddm looks for face swaps and pasted parts alone: wholly generated faces pass it."
    assert found == replace(CLEAR, reasons=(*CLEAR.reasons, said))


@pytest.mark.parametrize(
    ("routed", "said"),
    [
        (SWAP, ""),
        (ALTERED, ""),
        (REENACTED, ""),
        (OPEN, "This holds only if the face is not wholly generated; default gives no definite answer."),
        (None, "caddm looks for face swaps and pasted parts alone; whether this face is wholly generated could not be checked."),
    ],
)
def test_a_swap_that_the_router_does_not_confirm(routed: Verdict | None, said: str) -> None:
    assert bounded(SWAP, "caddm", "face_swap", "default", routed) == replace(SWAP, reasons=(*SWAP.reasons, *([said] if said else [])))
