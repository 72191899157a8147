"""Agreement that can be seen, and verdicts that a second opinion left open: who said what, and what to do next."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from attribution.evidence import AGREEMENTS, DetectorInfo, Opinion, TrackEvidence, Verdict
from attribution.render import opinion as view
from attribution.text import opinions as text
from samples import (
    DETECTOR,
    GENERATED,
    HOSTILE,
    INCONCLUSIVE,
    MANIPULATED,
    NONE_FOUND,
    REFUSED,
    SPECIALIST,
    SWAPPED,
    SWAPS,
    Markup,
    disputed,
    is_inert,
    opinion,
    picture,
    swap_opinion,
    track,
)

OTHER = Verdict("manipulated", "sdxl", "diffusion", 0.9)


def said(markup: str) -> str:
    page = Markup(markup)
    assert page.problem == ""
    assert is_inert(markup)
    return re.sub(r"\s+", " ", page.words)


def agreed(one: Opinion, verdict: Verdict = GENERATED, first: DetectorInfo = DETECTOR) -> str:
    return said(view.agreement(track(verdict=verdict, opinions=(one,)), one, first))


def test_what_a_detector_looks_for_follows_from_its_families() -> None:
    assert [view.looks_for(one) for one in (DETECTOR, SPECIALIST, SWAPS)] == ["any", "generated", "face_swap"]
    assert view.looks_for(replace(SWAPS, scope="any")) == "face_swap", "a detector of others, whose card claims no scope"
    assert view.looks_for(DetectorInfo("broken", "0" * 64, ("real",), ("real",))) == "any", "nothing is known of it"


def test_every_agreement_has_words_and_a_sign() -> None:
    assert set(text.AGREEMENT) == set(AGREEMENTS)
    notes = [view.beside(track(verdict=GENERATED, opinions=(opinion(agreement=one),))) for one in AGREEMENTS]
    assert len({note.partition("<svg")[2].partition("</svg>")[0] for note in notes}) == len(AGREEMENTS)
    assert view.beside(track(opinions=(Opinion(SPECIALIST, REFUSED),))) == ""


@pytest.mark.parametrize(
    ("second", "agreement", "first", "words"),
    [
        (GENERATED, "same method", GENERATED, "Both name StyleGAN2."),
        (Verdict("manipulated", "sdxl", "gan", 0.9), "same family", GENERATED, "the first names StyleGAN2 and DNA-Det names SDXL"),
        (Verdict("manipulated", "unknown", "gan", 0.9), "same family", GENERATED, "not both of them name the generator"),
        (NONE_FOUND, "same family", NONE_FOUND, text.SAME_STATE),
        (INCONCLUSIVE, "undecided", GENERATED, "DNA-Det gives no definite answer"),
        (GENERATED, "undecided", INCONCLUSIVE, "The first detector gives no definite answer; DNA-Det says “StyleGAN2”."),
        (INCONCLUSIVE, "undecided", INCONCLUSIVE, text.NEITHER_DECIDED),
        (OTHER, "differs", GENERATED, text.DIFFERS_IN_METHOD),
        (NONE_FOUND, "differs", GENERATED, text.DIFFERS_IN_STATE),
    ],
)
def test_agreement_on_generators_in_words(second: Verdict, agreement: str, first: Verdict, words: str) -> None:
    assert words in agreed(opinion(second, agreement, architecture=None), first)


@pytest.mark.parametrize(
    ("second", "agreement", "first", "words"),
    [
        (SWAPPED, "same family", MANIPULATED, "says “Landmark face swap”, CADDM says “Face swap or pasted part”: the same kind"),
        (NONE_FOUND, "same family", NONE_FOUND, text.NEITHER_FINDS),
        (INCONCLUSIVE, "undecided", NONE_FOUND, "CADDM gives no definite answer"),
        (Verdict("manipulated", "unknown", None, 0.9), "differs", MANIPULATED, text.DIFFERS_IN_SWAP),
        (NONE_FOUND, "differs", MANIPULATED, text.DIFFERS_ON_SWAP),
    ],
)
def test_agreement_on_swaps_speaks_of_no_generator(second: Verdict, agreement: str, first: Verdict, words: str) -> None:
    one = agreed(swap_opinion(second, agreement), first)
    assert words in one
    assert "generat" not in one


@pytest.mark.parametrize(
    ("whole", "sides"),
    [
        (disputed(0.95), ("Manipulated: Face swap", "95 %", "No manipulation found", "10 %")),
        (disputed(0.04, found=False), ("No manipulation found", "4 %", "Manipulated: Face swap or pasted part", "88 %")),
    ],
)
def test_a_contradiction_says_who_said_what_and_what_to_do(whole: TrackEvidence, sides: tuple[str, ...]) -> None:
    (one,) = whole.opinions
    markup = view.agreement(whole, one, DETECTOR)
    words = said(markup)
    assert text.CONTRADICTED in words
    places = [words.index(part) for part in ("test-net", *sides[:2])] + [words.rindex(part) for part in ("CADDM", *sides[2:])]
    assert places == sorted(places)
    assert all(step in words for step in text.NEXT)
    assert Markup(markup).of_class("tt-differs")
    assert Markup(view.beside(whole)).of_class("tt-differs")


def test_an_opinion_that_another_one_overturned_the_answer_of_is_none_itself() -> None:
    contradicts = disputed().opinions[0]
    agrees = swap_opinion(SWAPPED, "same family", detector=replace(SWAPS, name="other-swaps"))
    unknown = swap_opinion(Verdict("manipulated", "unknown", None, 0.9), "differs", detector=replace(SWAPS, name="third-swaps"))
    whole = replace(disputed(), opinions=(agrees, contradicts, unknown))
    assert view.overturning(whole) == contradicts
    words = said(view.agreement(whole, agrees, DETECTOR))
    assert "The first detector says “Manipulated”, other-swaps says “Face swap or pasted part”: the same kind" in words
    assert text.DIFFERS_IN_SWAP in said(view.agreement(whole, unknown, DETECTOR))


def test_where_both_find_nothing_there_is_no_family() -> None:
    one = swap_opinion(NONE_FOUND, "same family")
    whole = track(verdict=NONE_FOUND, opinions=(one,))
    for markup in (view.agreement(whole, one, DETECTOR), view.beside(whole)):
        assert "family" not in said(markup)
        assert text.AGREEMENT["same method"] in said(markup)


def test_the_first_answer_is_known_although_it_was_overturned() -> None:
    assert view.first_state(disputed()) == "manipulated"
    assert view.first_state(disputed(found=False)) == "no_manipulation_found"
    for verdict in (MANIPULATED, NONE_FOUND, INCONCLUSIVE):
        assert view.first_state(track(verdict=verdict)) == verdict.state


def test_the_banner_gets_the_contradiction_in_place_of_the_reason_that_says_it() -> None:
    whole = disputed()
    evidence = picture(verdict=whole.verdict, tracks=(whole,))
    note, superfluous = view.verdict_note(evidence, link=True)
    assert superfluous == whole.verdict.reasons[:1]
    assert text.CONTRADICTED in said(note)
    assert Markup(note).of("a")[0]["href"] == "#tt-opinion"
    assert not Markup(view.verdict_note(evidence)[0]).of("a"), "a report has several faces"


@pytest.mark.parametrize("verdict", [MANIPULATED, NONE_FOUND, INCONCLUSIVE])
def test_no_contradiction_no_note(verdict: Verdict) -> None:
    assert view.verdict_note(picture(verdict)) == ("", ())
    undecided = track(verdict=verdict, opinions=(swap_opinion(INCONCLUSIVE, "undecided"),))
    assert view.verdict_note(picture(verdict=verdict, tracks=(undecided,))) == ("", ())
    assert view.verdict_note(picture()) == ("", ())


def test_a_contradiction_on_a_face_that_does_not_decide_stays_with_that_face() -> None:
    sure = track(1, MANIPULATED)
    assert view.verdict_note(picture(verdict=MANIPULATED, tracks=(disputed(), sure))) == ("", ())


def test_what_is_out_of_a_detectors_field_is_no_contradiction_but_leaves_no_verdict() -> None:
    first = SWAPS
    shares = {"p_methods": {"real": 0.1, "swapped": 0.9}, "p_families": {"real": 0.1, "face_swap": 0.9}, "p_manipulated": 0.9}
    router = {"p_methods": {"stylegan2": 1.0}, "p_families": {"gan": 1.0}, "placement": None, "architecture": None}
    reason = "telltale-caddm looks for swaps alone, and test-net calls this one a GAN."
    one = opinion(GENERATED, "undecided", detector=DETECTOR, overturns=reason, **router)
    verdict = Verdict("inconclusive", None, None, None, (reason,))
    whole = track(verdict=verdict, opinions=(one,), placement=None, **shares)
    assert view.first_state(whole) == "", "what it would have said is none of its business"
    words = said(view.agreement(whole, one, first))
    assert "CADDM looks for face swaps and pasted parts alone, and test-net calls this face “GAN-generated”" in words
    assert "Manipulated: StyleGAN2" in words
    assert "probability of a manipulation: 90 %" in words


def test_hostile_words_stay_words() -> None:
    detector = replace(SWAPS, name=HOSTILE, display_names=(HOSTILE, HOSTILE))
    first = replace(DETECTOR, name=HOSTILE)
    second = swap_opinion(SWAPPED, "differs", detector=detector, overturns=HOSTILE)
    verdict = Verdict("inconclusive", None, None, None, (HOSTILE,))
    whole = track(verdict=verdict, opinions=(second,))
    evidence = picture(verdict=verdict, tracks=(whole,), detector=first)
    for markup in (view.beside(whole), view.agreement(whole, second, first), view.verdict_note(evidence, link=True)[0]):
        assert is_inert(markup)
        assert Markup(markup).problem == ""
        assert HOSTILE in Markup(markup).words
