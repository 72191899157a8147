"""Second opinions on a face as HTML: agreement that can be seen, verdicts that an opinion left open, refusals that stay quiet, and answers
of detectors that nobody measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import samples as s
from attribution.detectors.card import MeasuredTable
from attribution.evidence import AGREEMENTS, DetectorInfo, Heatmap, Media, Opinion, TrackEvidence, Verdict
from attribution.render import opinion as view
from attribution.text import areas as area_text
from attribution.text import opinions as text
from attribution.text import page as page_text
from attribution.text.numbers import per_cent
from samples import Markup, said

MEDIA = Media("photo.jpg", "ab" * 32, 10, "picture", 400, 200, None, 1, 1, "JPEG")
OTHER = Verdict("manipulated", "sdxl", "diffusion", 0.9)
UNKNOWN = Verdict("manipulated", "unknown", None, 0.9)
NOT_ASKED = Opinion(s.SPECIALIST, s.REFUSED)
NOT_ASKED_EITHER = Opinion(s.SWAPS, s.REFUSED_SWAP)


def track(*opinions: Opinion, verdict: Verdict = s.GENERATED, **changes: Any) -> TrackEvidence:
    return s.track(verdict=verdict, opinions=opinions, **changes)


def agreed(one: Opinion, verdict: Verdict = s.GENERATED, first: DetectorInfo = s.DETECTOR) -> str:
    return said(view.agreement(track(one, verdict=verdict), one, first))


def test_what_a_detector_looks_for_follows_from_its_scope_or_its_families() -> None:
    assert [view.looks_for(one) for one in (s.DETECTOR, s.SPECIALIST, s.SWAPS)] == ["any", "generated", "face_swap"]
    assert view.looks_for(replace(s.SWAPS, scope="any")) == "face_swap", "a detector of others, whose card claims no scope"
    assert view.looks_for(DetectorInfo("broken", "0" * 64, ("real",), ("real",))) == "any", "nothing is known of it"


def test_every_agreement_has_words_and_a_sign() -> None:
    assert set(text.AGREEMENT) == set(AGREEMENTS)
    notes = [view.beside(track(s.opinion(agreement=one))) for one in AGREEMENTS]
    assert len({note.partition("<svg")[2].partition("</svg>")[0] for note in notes}) == len(AGREEMENTS)
    assert view.beside(track(NOT_ASKED)) == ""


@pytest.mark.parametrize(
    ("second", "agreement", "first", "words"),
    [
        (s.GENERATED, "same method", s.GENERATED, "Both name StyleGAN2."),
        (Verdict("manipulated", "sdxl", "gan", 0.9), "same family", s.GENERATED, "the first names StyleGAN2 and DNA-Det names SDXL"),
        (Verdict("manipulated", "unknown", "gan", 0.9), "same family", s.GENERATED, "not both of them name the generator"),
        (s.NONE_FOUND, "same family", s.NONE_FOUND, text.SAME_STATE),
        (s.INCONCLUSIVE, "undecided", s.GENERATED, "DNA-Det gives no definite answer"),
        (s.GENERATED, "undecided", s.INCONCLUSIVE, "The first answer is not definite; DNA-Det says “StyleGAN2”."),
        (s.INCONCLUSIVE, "undecided", s.INCONCLUSIVE, text.NEITHER_DECIDED),
        (OTHER, "differs", s.GENERATED, text.DIFFERS_IN_METHOD),
        (OTHER, "differs", s.GENERATED, "test-net: “StyleGAN2”; DNA-Det: “SDXL”. At least one of them is wrong."),
        (s.NONE_FOUND, "differs", s.GENERATED, text.DIFFERS_IN_STATE),
    ],
)
def test_agreement_on_generators_in_words(second: Verdict, agreement: str, first: Verdict, words: str) -> None:
    assert words in agreed(s.opinion(second, agreement, architecture=None), first)


@pytest.mark.parametrize(
    ("second", "agreement", "first", "words"),
    [
        (s.SWAPPED, "same family", s.MANIPULATED, "test-net: “Landmark face swap”; CADDM: “Face swap or pasted part”. That is"),
        (s.NONE_FOUND, "same family", s.NONE_FOUND, text.NEITHER_FINDS),
        (s.INCONCLUSIVE, "undecided", s.NONE_FOUND, "CADDM gives no definite answer"),
        (UNKNOWN, "differs", s.MANIPULATED, text.DIFFERS_IN_SWAP),
        (s.NONE_FOUND, "differs", s.MANIPULATED, text.DIFFERS_ON_SWAP),
    ],
)
def test_agreement_on_swaps_speaks_of_no_generator(second: Verdict, agreement: str, first: Verdict, words: str) -> None:
    one = agreed(s.swap_opinion(second, agreement), first)
    assert words in one
    assert "generat" not in one


@pytest.mark.parametrize(
    ("one", "sides"),
    [
        (s.disputed(0.95), ("Manipulated: Face swap", "95 %", "No manipulation found", "10 %")),
        (s.disputed(0.04, found=False), ("No manipulation found", "4 %", "Manipulated: Face swap or pasted part", "88 %")),
    ],
)
def test_a_contradiction_says_who_said_what_and_what_to_do(one: TrackEvidence, sides: tuple[str, ...]) -> None:
    markup = view.agreement(one, one.opinions[0], s.DETECTOR)
    words = said(markup)
    assert text.CONTRADICTED in words
    places = [words.index(part) for part in ("test-net", *sides[:2])] + [words.rindex(part) for part in ("CADDM", *sides[2:])]
    assert places == sorted(places)
    assert all(step in words for step in text.NEXT)
    assert Markup(markup).of_class("tt-differs")
    assert Markup(view.beside(one)).of_class("tt-differs")


def test_an_opinion_that_another_one_overturned_the_answer_of_is_none_itself() -> None:
    contradicts = s.disputed().opinions[0]
    agrees = s.swap_opinion(s.SWAPPED, "same family", detector=replace(s.SWAPS, name="other-swaps"))
    unknown = s.swap_opinion(UNKNOWN, "differs", detector=replace(s.SWAPS, name="third-swaps"))
    one = replace(s.disputed(), opinions=(agrees, contradicts, unknown))
    assert view.overturning(one) == contradicts
    assert [view.first_state(s.disputed(found=found)) for found in (True, False)] == ["manipulated", "no_manipulation_found"]
    assert [view.first_state(track(verdict=one)) for one in (s.MANIPULATED, s.NONE_FOUND)] == ["manipulated", "no_manipulation_found"]
    words = said(view.agreement(one, agrees, s.DETECTOR))
    assert "test-net: “Manipulated”; other-swaps: “Face swap or pasted part”. That is" in words
    assert text.DIFFERS_IN_SWAP in said(view.agreement(one, unknown, s.DETECTOR))


def test_what_is_out_of_a_detectors_field_is_no_contradiction_but_leaves_no_verdict() -> None:
    shares = {"p_methods": {"real": 0.1, "swapped": 0.9}, "p_families": {"real": 0.1, "face_swap": 0.9}, "p_manipulated": 0.9}
    router = {"p_methods": {"stylegan2": 1.0}, "p_families": {"gan": 1.0}, "placement": None, "architecture": None}
    reason = "telltale-swap looks for swaps alone, and test-net calls this one a GAN."
    one = s.opinion(s.GENERATED, "undecided", detector=s.DETECTOR, overturns=reason, **router)
    left = track(one, verdict=Verdict("inconclusive", None, None, None, (reason,)), placement=None, **shares)
    assert view.first_state(left) == "", "what it would have said is none of its business"
    words = said(view.agreement(left, one, s.SWAPS))
    assert "CADDM looks for face swaps and pasted parts alone, and test-net calls this face “GAN-generated”" in words
    assert "Manipulated: StyleGAN2" in words
    assert "probability of a manipulation: 90 %" in words


def test_the_banner_gets_the_contradiction_in_place_of_the_reason_that_says_it() -> None:
    one = s.disputed()
    evidence = s.picture(verdict=one.verdict, tracks=(one,))
    note, superfluous = view.verdict_note(evidence, link=True)
    assert superfluous == one.verdict.reasons[:1]
    assert text.CONTRADICTED in said(note)
    assert Markup(note).of("a")[0]["href"] == "#tt-others"
    assert not Markup(view.verdict_note(evidence)[0]).of("a"), "a report has several faces"
    undecided = track(s.swap_opinion(s.INCONCLUSIVE, "undecided"), verdict=s.INCONCLUSIVE)
    stays_with_its_face = s.picture(verdict=s.MANIPULATED, tracks=(s.disputed(), s.track(1, s.MANIPULATED)))
    for other in (s.picture(s.MANIPULATED), s.picture(), s.picture(verdict=s.INCONCLUSIVE, tracks=(undecided,)), stays_with_its_face):
        assert view.verdict_note(other) == ("", ())


def test_an_answer_has_verdict_architecture_agreement_and_bars_and_a_refusal_is_a_quiet_line() -> None:
    one = s.opinion()
    words, parts = said(view.answer(track(one), one, s.DETECTOR)), ("Both detectors agree.", "StyleGAN2", "97 %", "style-based GAN", "SDXL")
    assert [part for part in (*parts, text.ARCHITECTURE, "8 %", page_text.METHODS_TITLE) if part not in words] == []
    assert said(view.answer(track(NOT_ASKED), NOT_ASKED, s.DETECTOR)) == s.REFUSED.replace("telltale-dna-det", "DNA-Det")


@pytest.mark.parametrize(
    ("second", "first", "starts", "hint"),
    [
        (s.SPECIALIST, s.DETECTOR, "Which generator drew it? (DNA-Det)", text.HINT),
        (s.SWAPS, s.DETECTOR, "Was a part of this face swapped or pasted? (CADDM)", text.SWAP_HINT),
        (s.DETECTOR, s.SPECIALIST, "What a second detector says (test-net)", "It knows face swaps too"),
        (s.DETECTOR, s.SWAPS, "What a second detector says (test-net)", "It knows wholly generated faces too"),
    ],
)
def test_the_heading_says_what_the_detector_is_for(second: DetectorInfo, first: DetectorInfo, starts: str, hint: str) -> None:
    words = said(view.heading(track(Opinion(second, "It was not asked.")), 0, first))
    assert words.startswith(starts)
    assert hint in words


def test_the_opinion_that_was_given_leads_and_the_one_that_differs_before_it_unless_the_reader_chose() -> None:
    differs = s.swap_opinion(s.NONE_FOUND, "differs")
    assert view.leading(track()) is None
    leads = [(NOT_ASKED,), (NOT_ASKED, s.opinion()), (s.opinion(), differs), (s.opinion(), s.swap_opinion())]
    assert [view.leading(track(*one)) for one in leads] == [0, 1, 1, 0]
    several = track(s.opinion(), NOT_ASKED, differs)
    assert [view.leading(several, wanted) for wanted in (0, 2, 1, None, 9, -1)] == [0, 2, 2, 2, 2, 2]
    choices = view.choices(several, 2)
    assert all(name in said(choices) for name in ("DNA-Det", "CADDM"))
    radios = [(one["data-opinion"], one["aria-checked"], one["tabindex"]) for one in Markup(choices).of("button")]
    assert radios == [("0", "false", "-1"), ("2", "true", "0")], "one stop for the keyboard"
    assert Markup(choices).of_class("tt-choices")[0]["aria-label"] == text.CHOOSE
    assert view.choices(track(s.opinion(), NOT_ASKED_EITHER), 0) == "", "one needs no choice"


def test_who_was_asked_is_in_full_and_the_others_have_a_line() -> None:
    one = track(NOT_ASKED_EITHER, s.opinion())
    assert said(view.heading(one, 1, s.DETECTOR)).startswith("Which generator drew it? (DNA-Det)")
    lines = said(view.others(one, 1))
    assert lines.startswith(text.NOT_ASKED)
    assert s.REFUSED_SWAP.replace("telltale-swap", "CADDM") in lines
    assert view.others(track(s.opinion()), 0) == ""
    nobody = track(NOT_ASKED_EITHER, NOT_ASKED)
    parts = (view.heading(nobody, 0, s.DETECTOR), view.answer(nobody, nobody.opinions[0], s.DETECTOR), view.others(nobody, 0))
    words = said("".join(parts))
    assert words.startswith(text.SEVERAL_TITLE)
    assert words.count("so it was not asked") == 2
    assert text.NOT_ASKED not in words, "the head has said so"


def test_areas_stand_with_the_opinion_of_the_detector_that_marked_them() -> None:
    one = track(s.swap_opinion(), s.opinion(), verdict=s.MANIPULATED, artifacts=(s.artifact(0.2, 0.2, 0.6, 0.6),))
    assert "CADDM marks 1 area" in said(view.marked_areas(one, one.opinions[0], 1, (), None, switch=True))
    assert view.marked_areas(one, one.opinions[1], 1, (), None, switch=True) == ""
    assert view.marked_areas(track(), s.swap_opinion(), 1, (), None, switch=True) == ""


@pytest.mark.parametrize(("radius", "spread"), [(2.0, "spread"), (0.27, "part"), (0.05, "gathered")])
def test_the_heatmap_of_a_detector_of_generators_says_how_far_the_evidence_is_spread(radius: float, spread: str) -> None:
    y, x = np.mgrid[-0.5:0.5:64j, -0.5:0.5:64j]
    heatmap = Heatmap("stylegan2", (np.hypot(x, y) <= radius + 1e-9).astype(np.float32), 0.9, 0.4, 0.1, 2.2, 3.7, (0.6, 0.8))
    words = said(view.heat_words(heatmap, s.SPECIALIST, ()))
    assert text.EVIDENCE_SHARE[spread].format(share=per_cent(heatmap.evidence_share)) in words
    assert page_text.HEATMAP_WARNING in words
    assert "carries the evidence" not in said(view.heat_words(replace(heatmap, label="swapped"), s.SWAPS, ()))


def test_the_section_of_a_report_holds_all_of_it() -> None:
    one = s.opinion(patches=s.grid("s."))
    heat = Heatmap("stylegan2", np.ones((32, 32), dtype=np.float32), 0.9, 0.4, 0.1, 2.2, 3.7, (0.6, 0.8))
    markup = view.section(track(one), 1, one, s.DETECTOR, s.face(), MEDIA, heat, s.noise(20, 40))
    for part in ("Which generator drew it? (DNA-Det)", "carries the evidence", "tpdne", text.PATCH_TITLE, *s.SPECIALIST.limits):
        assert part in said(markup)
    assert Markup(markup).of("image")
    bare = said(view.section(track(one), 1, one, s.DETECTOR, None, MEDIA, heat, None))
    assert "carries the evidence" not in bare, "without pixels there is no face to lay it over"
    refused = replace(NOT_ASKED, patches=s.grid("s."))
    assert text.PATCH_TITLE in said(view.section(track(refused), 1, refused, s.DETECTOR, None, MEDIA, None, None))
    rows = (("partial swaps", "boxes", 0.7), ("partial swaps", "crop centre", 0.4))
    measured = (MeasuredTable("Localisation", ("cases", "by", "hits"), rows),)
    swaps = track(s.swap_opinion(), verdict=s.MANIPULATED, artifacts=(s.artifact(0.2, 0.2, 0.6, 0.6),))
    markup = view.section(swaps, 1, swaps.opinions[0], s.DETECTOR, s.face(), MEDIA, replace(heat, label="swapped"), None, measured)
    assert "Boxes like these hit the true area in 70 of 100 known cases" in said(markup)
    assert area_text.HEATMAPS_NOT_MEASURED in said(markup), "the card has no figure of those"
    assert len(Markup(markup).of("img")) == 2, "the face with its areas, and the heatmap"
    assert not Markup(markup).of("input")


def test_of_those_that_answer_together_each_ones_own_answer_is_called_that() -> None:
    one = s.answered_together()
    own, swaps = one.opinions
    assert view.beside(one) == "", "no agreement: they are part of the answer"
    heading = said(view.heading(one, 1, s.DETECTOR))
    assert heading == "What CADDM says aloneIt may speak on: Face swap and Reenactment."
    assert "It may speak on: Face swap, GAN-generated and Diffusion-generated." in said(view.heading(one, 0, s.DETECTOR))
    for opinion, answer in ((own, "Landmark face swap"), (swaps, page_text.STATES["no_manipulation_found"])):
        words = said(view.answer(one, opinion, s.DETECTOR))
        assert answer in words
        assert [part for part in text.AGREEMENT.values() if part in words] == []
    alone, other = (said(view.section(one, 1, opinion, s.DETECTOR, None, MEDIA, None, None)) for opinion in (own, swaps))
    assert "What CADDM says alone" in other
    assert [s.SWAPS.limits[0] in other, s.DETECTOR.limits[0] in alone] == [True, False], "those of the first one stand elsewhere"
    assert [button["data-opinion"] for button in Markup(view.choices(one, 0)).of("button")] == ["0", "1"]


def test_beside_a_common_answer_nobody_takes_it_for_that_of_one_detector() -> None:
    asked = s.foreign_opinion(s.NOTHING, "differs")
    one = s.answered_together(asked)
    assert "The common answer: “Landmark face swap”; acme/eye: “No manipulation found”." in said(view.agreement(one, asked, s.DETECTOR))
    assert Markup(view.beside(one)).of_class("tt-differs")


@pytest.mark.parametrize(
    ("verdict", "agreement", "first"),
    [
        (s.FOUND, "same answer", s.MANIPULATED), (s.NOTHING, "same family", s.NONE_FOUND),
        (s.FOUND, "differs", s.NONE_FOUND), (s.NOTHING, "differs", s.MANIPULATED),
    ],
)  # fmt: skip
def test_nothing_is_claimed_of_what_strangers_learned_from(verdict: Verdict, agreement: str, first: Verdict) -> None:
    one = track(s.foreign_opinion(verdict, agreement), verdict=first)
    words = said(view.answer(one, one.opinions[0], s.DETECTOR))
    assert text.AGREEMENT["same method" if (agreement, verdict) == ("same family", s.NOTHING) else agreement] in words
    assert "not calibrated" in words
    assert [part for part in ("same collections", "confidence", "on the family") if part in words] == []


def test_who_names_the_kind_is_said_and_two_that_tell_none_agree_on_no_family() -> None:
    names = "test-net names the kind (Face swap)"
    assert names in agreed(s.foreign_opinion(), s.MANIPULATED)
    shares: dict[str, Any] = {"p_methods": {"real": 0.1, "landmark_swap": 0.9}, "p_families": {"real": 0.1, "face_swap": 0.9}}
    other = s.whole(opinions=(s.foreign_opinion(s.MANIPULATED, detector=s.DETECTOR, **shares),))
    assert names in said(view.agreement(other, other.opinions[0], s.FOREIGN))
    both = s.whole(opinions=(s.foreign_opinion(s.FOUND, "same family", view="picture"),))
    words = said(view.agreement(both, both.opinions[0], s.FOREIGN))
    assert text.AGREEMENT["same answer"] in words
    assert text.NEITHER_TELLS in words
    assert "family" not in words


def test_a_face_and_a_whole_picture_are_not_the_same_thing() -> None:
    one = track(s.foreign_opinion(view="picture"), verdict=s.MANIPULATED)
    assert "acme/eye judged the whole picture, the first detector the face alone" in said(view.agreement(one, one.opinions[0], s.DETECTOR))
    assert text.PICTURE_HINT in said(view.heading(one, 0, s.DETECTOR))
    assert "judged" not in agreed(s.foreign_opinion(), s.MANIPULATED)
