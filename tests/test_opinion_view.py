"""The second detector's opinion: agreement that can be seen, its evidence in words, its patches, and refusals that stay quiet."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from attribution.evidence import AGREEMENTS, DetectorInfo, Heatmap, Media, Opinion, TrackEvidence, Verdict
from attribution.ui import opinion_text as text
from attribution.ui import text as page_text
from attribution.views import opinion as view
from limits_samples import GENERATORS, table
from samples import (
    DETECTOR,
    GENERATED,
    HOSTILE,
    INCONCLUSIVE,
    NONE_FOUND,
    REFUSED,
    SPECIALIST,
    Markup,
    face,
    grid,
    is_inert,
    noise,
    opinion,
)
from samples import track as one_track

MEDIA = Media("photo.jpg", "ab" * 32, 10, "picture", 400, 200, None, 1, 1, "JPEG")
OTHER = Verdict("manipulated", "sdxl", "diffusion", 0.9)


def track(*opinions: Opinion, verdict: Verdict = GENERATED) -> TrackEvidence:
    return one_track(verdict=verdict, opinions=opinions)


def said(markup: str) -> str:
    page = Markup(markup)
    assert page.problem == ""
    assert is_inert(markup)
    return re.sub(r"\s+", " ", page.words)


def answered(one: Opinion, verdict: Verdict = GENERATED) -> str:
    return said(view.answer(track(one, verdict=verdict), one, DETECTOR))


def test_an_answer_has_verdict_architecture_agreement_and_bars() -> None:
    words = answered(opinion())
    for part in (
        "Both detectors agree.",
        "StyleGAN2",
        "97 %",
        "Style-based GAN",
        text.ARCHITECTURE,
        "SDXL",
        "8 %",
        page_text.METHODS_TITLE,
    ):
        assert part in words


def test_the_title_asks_for_the_generator_or_names_a_second_detector() -> None:
    assert said(view.title(SPECIALIST)).startswith("Which generator drew it? (DNA-Det)")
    assert said(view.title(DETECTOR)).startswith("What a second detector says (test-net)")


def test_a_disagreement_catches_the_eye_and_says_what_it_means() -> None:
    one = opinion(OTHER, "differs")
    page = Markup(view.answer(track(one), one, DETECTOR))
    assert page.of_class("tt-differs")
    assert "The first detector (test-net) says “StyleGAN2”, DNA-Det says “SDXL”. At least one of them is wrong." in page.words
    assert text.DIFFERS_IN_METHOD in page.words
    assert text.DIFFERS_IN_STATE in answered(opinion(NONE_FOUND, "differs"))
    assert Markup(view.beside(track(one))).of_class("tt-differs"), "beside the first answer, too"


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
    ],
)
def test_agreement_in_words(second: Verdict, agreement: str, first: Verdict, words: str) -> None:
    assert words in answered(opinion(second, agreement, architecture=None), first)


def test_every_agreement_has_words_and_a_sign() -> None:
    assert set(text.AGREEMENT) == set(AGREEMENTS)
    signs = {view.beside(track(opinion(agreement=one))).partition("<svg")[2].partition("</svg>")[0] for one in AGREEMENTS}
    assert len(signs) == len(AGREEMENTS)


def test_a_refusal_is_a_quiet_line_with_its_reason() -> None:
    refused = Opinion(SPECIALIST, REFUSED)
    words = answered(refused)
    assert words == REFUSED.replace("telltale-dna-det", "DNA-Det")
    assert view.beside(track(refused)) == ""


def test_the_first_opinion_that_was_given_leads() -> None:
    assert view.leading(track()) is None
    assert view.leading(track(Opinion(SPECIALIST, REFUSED))) == 0
    assert view.leading(track(Opinion(SPECIALIST, REFUSED), opinion())) == 1


@pytest.mark.parametrize(("radius", "spread"), [(2.0, "spread"), (0.27, "part"), (0.05, "gathered")])
def test_the_heatmap_says_how_far_the_evidence_is_spread(radius: float, spread: str) -> None:
    y, x = np.mgrid[-0.5:0.5:64j, -0.5:0.5:64j]
    values = (np.hypot(x, y) <= radius + 1e-9).astype(np.float32)
    heatmap = Heatmap("stylegan2", values, 0.9, 0.4, 0.1)
    words = said(view.heat_words(heatmap, SPECIALIST))
    assert f"{100 * heatmap.evidence_share:.0f} % of the picture carries the evidence: {text.SPREAD[spread]}" in words.replace("\xa0", " ")
    assert page_text.HEATMAP_WARNING in words


def test_a_patch_view_says_what_it_shows_what_it_cannot_and_what_was_measured() -> None:
    patches = grid(".....", ".ss..", ".ss..", ".....", side_px=40)
    words = said(view.patch_view(patches, SPECIALIST, (40, 40, 120, 120), MEDIA, noise(100, 200), GENERATORS))
    assert "4 of 20 patches look generated. They form one island" in words
    assert text.PATCH_CANNOT in words
    assert "(collections that it never saw), by generator: 40–70 % of the patches inside it looked generated, and 8–10 %" in words
    assert "about 40 × 40 px" in words


@pytest.mark.parametrize("tables", [(), (table("Patch islands", ("odd",), (1,)),), (table("Patch islands", ("split",), ("test",)),)])
def test_without_measured_islands_none_are_claimed(tables: tuple) -> None:
    assert "Measured on" not in said(view.patch_view(grid("s."), SPECIALIST, (0, 0, 10, 10), MEDIA, None, tables))


def test_the_section_of_a_report_holds_all_of_it() -> None:
    one = opinion(patches=grid("s."))
    heat = Heatmap("stylegan2", np.ones((32, 32), dtype=np.float32), 0.9, 0.4, 0.1)
    markup = view.section(track(one), one, DETECTOR, face(), MEDIA, heat, noise(20, 40))
    words = said(markup)
    for part in ("Which generator drew it? (DNA-Det)", "carries the evidence", "tpdne", text.PATCH_TITLE, *SPECIALIST.limits):
        assert part in words
    assert Markup(markup).of("image")
    bare = said(view.section(track(one), one, DETECTOR, None, MEDIA, heat, None))
    assert "carries the evidence" not in bare, "without pixels there is no face to lay it over"
    refused = Opinion(SPECIALIST, REFUSED, patches=grid("s."))
    assert text.PATCH_TITLE in said(view.section(track(refused), refused, DETECTOR, None, MEDIA, None, None))


def test_hostile_words_stay_words() -> None:
    detector = DetectorInfo(HOSTILE, "ab" * 32, ("real", "x"), ("real", "gan"), (HOSTILE, HOSTILE), HOSTILE, (HOSTILE,))
    verdict = Verdict("manipulated", "x", "gan", 0.9, (HOSTILE,))
    shares = {"p_methods": {"real": 0.1, "x": 0.9}, "p_families": {"real": 0.1, "gan": 0.9}}
    one = opinion(verdict, "differs", detector=detector, architecture=HOSTILE, placement=None, **shares)
    whole = track(one)
    first = replace(DETECTOR, name=HOSTILE, display_names=(HOSTILE,) * len(DETECTOR.labels))
    refused = Opinion(detector, HOSTILE)
    for markup in (
        view.title(detector) + view.beside(whole) + view.answer(whole, one, first) + view.limits(detector, ()),
        view.section(whole, one, first, None, MEDIA, None, None),
        view.answer(whole, refused, first),
    ):
        assert HOSTILE in Markup(markup).words
        assert is_inert(markup)
        assert Markup(markup).problem == ""


def test_nobody_is_called_real() -> None:
    fixed = [value for name, value in vars(text).items() if name.isupper() and isinstance(value, str)]
    fixed += [one for value in vars(text).values() if isinstance(value, dict) for one in value.values() if isinstance(one, str)]
    assert len(fixed) > 40
    assert [one for one in fixed if re.search(r"\b(real|authentic|genuine|fake|deepfake)\b", one, re.IGNORECASE)] == []
