"""The two limits beside a verdict: which ones, and that their figures are those of the card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import samples as s
from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Tally, rows_of, share_words, wilson
from attribution.evidence import DetectorInfo, Evidence, Verdict
from attribution.render.face import verdict_banner
from attribution.render.nearest_limits import BESIDE_A_VERDICT, nearest_limits
from attribution.text import nearest_limits as text

WEIGHTS = Path(__file__).parents[1] / "weights"
CARDS = {
    name: Card.from_json(json.loads((WEIGHTS / name / "card.json").read_text())) for name in sorted(one.name for one in WEIGHTS.iterdir())
}
DEFAULT = CARDS["telltale-mobilenetv2"]
VERDICT = ("family", "source", "faces", "manipulated", "none found", "wrong of definite")


def info(card: Card) -> DetectorInfo:
    labels = card.labels
    names, families, shown = (tuple(getattr(one, field) for one in labels) for field in ("name", "family", "display_name"))
    return DetectorInfo(card.name, "ab" * 32, names, families, shown, scope=card.scope)


def judged(card: Card, verdict: Verdict, clip: bool = False) -> Evidence:
    return replace(s.picture(), detector=info(card), verdict=verdict, **({"media": s.clip().media} if clip else {}))


def said(card: Card, verdict: Verdict, side_px: float = 400, clip: bool = False) -> list[str]:
    track = replace(s.track(), crop_side_px=side_px)
    return [one.sentence for one in nearest_limits(judged(card, verdict, clip), track, card.measured)]


def untouched_accused(card: Card) -> str:
    rows = rows_of(card.measured, "Verdicts on cross", VERDICT)
    tallies = [Tally.of(row) for row in rows if row.text("family") == "real"]
    share = wilson(sum(one.manipulated for one in tallies), sum(one.faces for one in tallies))
    return text.ACCUSED.format(share=share_words(share))


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("state", ["manipulated", "no_manipulation_found", "inconclusive"])
@pytest.mark.parametrize("side_px", [70, 120, 400])
@pytest.mark.parametrize("clip", [False, True])
def test_every_embedded_card_has_two_limits_for_every_answer(name: str, state: str, side_px: float, clip: bool) -> None:
    card = CARDS[name]
    family = next(one for one in card.labels if one.family != "real")
    verdicts = {"manipulated": [Verdict("manipulated", family.name, family.family, 0.98), Verdict("manipulated", "unknown", None, 0.98)]}
    for verdict in verdicts.get(state, [s.NONE_FOUND if state == "no_manipulation_found" else s.INCONCLUSIVE]):
        found = said(card, verdict, side_px, clip)
        assert len(found) == len(set(found)) == BESIDE_A_VERDICT
        assert any("%" in one for one in found)
        assert all(one.basis is not None for one in nearest_limits(judged(card, verdict, clip), s.track(), card.measured))
    assert len(nearest_limits(judged(card, s.INCONCLUSIVE), None, card.measured)) == BESIDE_A_VERDICT, "without a face, too"


@pytest.mark.parametrize("name", CARDS)
def test_an_accusation_stands_beside_how_often_untouched_faces_are_accused(name: str) -> None:
    card = CARDS[name]
    found = Verdict("manipulated", next(one.name for one in card.labels if one.family != "real"), card.labels[1].family, 0.98)
    assert said(card, found)[0] == untouched_accused(card)
    # The figure is the card's, not ours.
    half = [
        replace(one, rows=tuple((*row[:3], 0.5, 0.2, *row[5:]) for row in one.rows)) if one.title == "Verdicts on cross" else one
        for one in card.measured
    ]
    changed = nearest_limits(judged(card, found), s.track(), half)[0].sentence
    assert "50 % (" in changed


def test_the_second_limit_is_the_one_that_this_answer_needs() -> None:
    found = Verdict("manipulated", "sdxl", "diffusion", 0.98)
    assert "Diffusion-generated" in said(DEFAULT, found)[1]
    assert said(DEFAULT, found, clip=True)[1] == text.CLIP
    assert said(DEFAULT, found, 120)[1].startswith("Of untouched faces as small as this one (90–150 px)")
    assert said(DEFAULT, found, 70)[1] == text.FEW_SMALL.format(size=text.UNDER.format(most=90)), "of five faces no share is told"
    assert said(DEFAULT, found, 70, clip=True)[1] == said(DEFAULT, found, 70)[1], "a small face comes before the clip"
    passed = said(DEFAULT, s.NONE_FOUND)
    assert "Face swap" in passed[0]
    assert "StyleGAN2" in passed[1], "the method of which most pass when training left it out"
    assert "face swaps pass" in said(CARDS["telltale-dna-det"], s.NONE_FOUND)[1]
    swapped = Verdict("manipulated", "swapped", "face_swap", 0.98)
    assert "method that it names" not in said(CARDS["telltale-caddm"], swapped)[1], "it has one name to give"
    assert "GAN-generated" in said(DEFAULT, Verdict("manipulated", "unknown", "gan", 0.98))[1]


def test_what_was_not_measured_is_said_to_be_not_measured() -> None:
    unmeasured = replace(s.picture(s.MANIPULATED), detector=replace(info(DEFAULT), measured=False))
    assert [one.sentence for one in nearest_limits(unmeasured, s.track(), DEFAULT.measured)] == [text.UNMEASURED.format(name=DEFAULT.name)]
    broken = [
        replace(one, rows=tuple((*row[:3], 7.0, *row[4:]) for row in one.rows)) for one in DEFAULT.measured if "Verdicts" in one.title
    ]
    for tables in ((), (MeasuredTable("Verdicts on cross", ("family",), (("real",),)),), broken):
        assert [one.sentence for one in nearest_limits(judged(DEFAULT, s.NONE_FOUND), s.track(), tables)] == [
            text.UNMEASURED.format(name=DEFAULT.name)
        ]
    assert text.NOT_AT_HAND in s.said(verdict_banner(s.picture(s.MANIPULATED)))
    assert untouched_accused(DEFAULT) in s.said(verdict_banner(judged(DEFAULT, s.MANIPULATED), tables=DEFAULT.measured))
