"""The second detector's opinion: agreement that can be seen, its evidence in words, its patches, and refusals that stay quiet."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from attribution.evidence import DetectorInfo, Heatmap, Media, Opinion, TrackEvidence, Verdict
from attribution.render import opinion as view
from attribution.render.patches import patch_view
from attribution.text import areas as area_text
from attribution.text import opinions as text
from attribution.text import page as page_text
from limits_samples import GENERATORS, table
from samples import (
    DETECTOR,
    GENERATED,
    HOSTILE,
    MANIPULATED,
    NONE_FOUND,
    REFUSED,
    REFUSED_SWAP,
    SPECIALIST,
    SWAPS,
    Markup,
    artifact,
    face,
    grid,
    is_inert,
    noise,
    opinion,
    swap_opinion,
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


def test_the_title_says_what_the_detector_is_for() -> None:
    assert said(view.heading(track(Opinion(SPECIALIST, "It was not asked.")), 0, DETECTOR)).startswith("Which generator drew it? (DNA-Det)")
    assert said(view.heading(track(Opinion(SWAPS, "It was not asked.")), 0, DETECTOR)).startswith(
        "Was a part of this face swapped or pasted? (CADDM)"
    )
    assert "generat" not in said(view.heading(track(Opinion(SWAPS, "It was not asked.")), 0, DETECTOR))
    beside_generators = said(view.heading(track(Opinion(DETECTOR, "It was not asked.")), 0, SPECIALIST))
    assert beside_generators.startswith("What a second detector says (test-net)")
    assert "It knows face swaps too" in beside_generators
    assert "It knows wholly generated faces too" in said(view.heading(track(Opinion(DETECTOR, "It was not asked.")), 0, SWAPS))


def test_a_disagreement_catches_the_eye_and_says_what_it_means() -> None:
    one = opinion(OTHER, "differs")
    page = Markup(view.answer(track(one), one, DETECTOR))
    assert page.of_class("tt-differs")
    assert "The first detector (test-net) says “StyleGAN2”, DNA-Det says “SDXL”. At least one of them is wrong." in page.words
    assert text.DIFFERS_IN_METHOD in page.words


def test_a_refusal_is_a_quiet_line_with_its_reason() -> None:
    refused = Opinion(SPECIALIST, REFUSED)
    assert answered(refused) == REFUSED.replace("telltale-dna-det", "DNA-Det")


def test_the_opinion_that_was_given_leads_and_the_one_that_differs_before_it() -> None:
    refused = Opinion(SPECIALIST, REFUSED)
    assert view.leading(track()) is None
    assert view.leading(track(refused)) == 0
    assert view.leading(track(refused, opinion())) == 1
    assert view.leading(track(opinion(), swap_opinion(NONE_FOUND, "differs"))) == 1
    assert view.leading(track(opinion(), swap_opinion())) == 0


@pytest.mark.parametrize(("wanted", "leads"), [(0, 0), (2, 2), (1, 2), (None, 2), (9, 2), (-1, 2)])
def test_the_reader_chooses_among_those_that_were_given(wanted: int | None, leads: int) -> None:
    whole = track(opinion(), Opinion(SPECIALIST, REFUSED), swap_opinion(NONE_FOUND, "differs"))
    assert view.leading(whole, wanted) == leads


def test_several_opinions_are_a_radio_group_with_one_stop_for_the_keyboard() -> None:
    whole = track(opinion(), Opinion(SPECIALIST, REFUSED), swap_opinion(NONE_FOUND, "differs"))
    page = Markup(view.choices(whole, 2))
    assert page.problem == ""
    radios = page.of("button")
    assert [radio["data-opinion"] for radio in radios] == ["0", "2"]
    assert [radio["aria-checked"] for radio in radios] == ["false", "true"]
    assert [radio["tabindex"] for radio in radios] == ["-1", "0"]
    assert "DNA-Det" in page.words
    assert "CADDM" in page.words
    assert page.of_class("tt-choices")[0]["aria-label"] == text.CHOOSE
    assert view.choices(track(opinion(), Opinion(SWAPS, REFUSED_SWAP)), 0) == "", "one needs no choice"


def test_the_one_that_was_asked_is_in_full_and_the_others_have_a_line() -> None:
    whole = track(Opinion(SWAPS, REFUSED_SWAP), opinion())
    index = view.leading(whole)
    assert index == 1
    assert said(view.heading(whole, index, DETECTOR)).startswith("Which generator drew it? (DNA-Det)")
    lines = said(view.others(whole, index))
    assert lines.startswith(text.NOT_ASKED)
    assert REFUSED_SWAP.replace("telltale-caddm", "CADDM") in lines
    assert view.others(track(opinion()), 0) == ""


def test_where_nobody_was_asked_each_says_why_under_one_heading() -> None:
    whole = track(Opinion(SWAPS, REFUSED_SWAP), Opinion(SPECIALIST, REFUSED))
    every = view.heading(whole, 0, DETECTOR) + view.answer(whole, whole.opinions[0], DETECTOR) + view.others(whole, 0)
    words = said(every)
    assert words.startswith(text.SEVERAL_TITLE)
    assert words.count("so it was not asked") == 2
    assert text.NOT_ASKED not in words, "the head has said so"
    alone = track(Opinion(SPECIALIST, REFUSED))
    assert said(view.heading(alone, 0, DETECTOR)).startswith("Which generator drew it?")


def test_areas_stand_with_the_opinion_of_the_detector_that_marked_them() -> None:
    whole = one_track(verdict=MANIPULATED, opinions=(swap_opinion(), opinion()), artifacts=(artifact(0.2, 0.2, 0.6, 0.6),))
    assert "CADDM marks one area" in said(view.marked_areas(whole, whole.opinions[0], 1, (), None, switch=True))
    assert view.marked_areas(whole, whole.opinions[1], 1, (), None, switch=True) == ""
    assert view.marked_areas(one_track(), swap_opinion(), 1, (), None, switch=True) == ""


@pytest.mark.parametrize(("radius", "spread"), [(2.0, "spread"), (0.27, "part"), (0.05, "gathered")])
def test_the_heatmap_says_how_far_the_evidence_is_spread(radius: float, spread: str) -> None:
    y, x = np.mgrid[-0.5:0.5:64j, -0.5:0.5:64j]
    values = (np.hypot(x, y) <= radius + 1e-9).astype(np.float32)
    heatmap = Heatmap("stylegan2", values, 0.9, 0.4, 0.1)
    words = said(view.heat_words(heatmap, SPECIALIST, ()))
    assert f"{100 * heatmap.evidence_share:.0f} % of the picture carries the evidence: {text.SPREAD[spread]}" in words.replace("\xa0", " ")
    assert page_text.HEATMAP_WARNING in words


def test_only_of_a_detector_of_generators_spread_means_something() -> None:
    heatmap = Heatmap("swapped", np.ones((32, 32), dtype=np.float32), 0.9, 0.4, 0.1)
    words = said(view.heat_words(heatmap, SWAPS, ()))
    assert "carries the evidence" not in words
    assert area_text.HEATMAPS_NOT_MEASURED in words


def test_a_patch_view_says_what_it_shows_what_it_cannot_and_what_was_measured() -> None:
    patches = grid(".....", ".ss..", ".ss..", ".....", side_px=40)
    words = said(patch_view(patches, SPECIALIST, (40, 40, 120, 120), MEDIA, noise(100, 200), GENERATORS))
    assert "4 of 20 patches look generated. They form one island" in words
    assert text.PATCH_CANNOT in words
    assert "(collections that it never saw), by generator: 40–70 % of the patches inside it looked generated, and 8–10 %" in words
    assert "about 40 × 40 px" in words


@pytest.mark.parametrize("tables", [(), (table("Patch islands", ("odd",), (1,)),), (table("Patch islands", ("split",), ("test",)),)])
def test_without_measured_islands_none_are_claimed(tables: tuple) -> None:
    assert "Measured on" not in said(patch_view(grid("s."), SPECIALIST, (0, 0, 10, 10), MEDIA, None, tables))


def test_the_section_of_a_report_holds_all_of_it() -> None:
    one = opinion(patches=grid("s."))
    heat = Heatmap("stylegan2", np.ones((32, 32), dtype=np.float32), 0.9, 0.4, 0.1)
    markup = view.section(track(one), 1, one, DETECTOR, face(), MEDIA, heat, noise(20, 40))
    words = said(markup)
    for part in ("Which generator drew it? (DNA-Det)", "carries the evidence", "tpdne", text.PATCH_TITLE, *SPECIALIST.limits):
        assert part in words
    assert Markup(markup).of("image")
    bare = said(view.section(track(one), 1, one, DETECTOR, None, MEDIA, heat, None))
    assert "carries the evidence" not in bare, "without pixels there is no face to lay it over"
    refused = Opinion(SPECIALIST, REFUSED, patches=grid("s."))
    assert text.PATCH_TITLE in said(view.section(track(refused), 1, refused, DETECTOR, None, MEDIA, None, None))


def test_the_section_of_a_report_holds_the_areas_and_what_was_measured_of_them() -> None:
    measured = (table("Localisation", ("cases", "by", "hits"), ("partial swaps", "boxes", 0.7), ("partial swaps", "crop centre", 0.4)),)
    whole = one_track(verdict=MANIPULATED, opinions=(swap_opinion(),), artifacts=(artifact(0.2, 0.2, 0.6, 0.6),))
    heat = Heatmap("swapped", np.ones((32, 32), dtype=np.float32), 0.9, 0.4, 0.1)
    markup = view.section(whole, 1, whole.opinions[0], DETECTOR, face(), MEDIA, heat, None, measured)
    words = said(markup)
    assert "Boxes of this kind hit the true area in 70 of 100 known cases" in words
    assert area_text.HEATMAPS_NOT_MEASURED in words, "the card has no figure of those"
    page = Markup(markup)
    assert len(page.of("img")) == 2, "the face with its areas, and the heatmap"
    assert not page.of("input")


def test_hostile_words_stay_words() -> None:
    detector = DetectorInfo(HOSTILE, "ab" * 32, ("real", "x"), ("real", "gan"), (HOSTILE, HOSTILE), HOSTILE, (HOSTILE,))
    verdict = Verdict("manipulated", "x", "gan", 0.9, (HOSTILE,))
    shares = {"p_methods": {"real": 0.1, "x": 0.9}, "p_families": {"real": 0.1, "gan": 0.9}}
    one = opinion(verdict, "differs", detector=detector, architecture=HOSTILE, placement=None, **shares)
    whole = track(one)
    first = replace(DETECTOR, name=HOSTILE, display_names=(HOSTILE,) * len(DETECTOR.labels))
    refused = Opinion(detector, HOSTILE)
    for markup in (
        view.heading(track(Opinion(detector, "It was not asked.")), 0, first)
        + view.others(whole, 0)
        + view.answer(whole, one, first)
        + view.limits(detector, ()),
        view.section(whole, 1, one, first, None, MEDIA, None, None),
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
