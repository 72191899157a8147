"""The two limits beside a verdict: which ones, and that their figures are those of the card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import samples as s
from attribution.detectors.card import Card, Cell, MeasuredTable
from attribution.detectors.tables import NO_FACES, Tally, rows_of, share_words, wilson
from attribution.evidence import DetectorInfo, Evidence, Verdict
from attribution.render.face import verdict_banner
from attribution.render.nearest_limits import BESIDE_A_VERDICT, nearest_limits
from attribution.text import nearest_limits as text
from attribution.text.page import FAMILIES

WEIGHTS = Path(__file__).parents[1] / "weights"
CARDS = {
    name: Card.from_json(json.loads((WEIGHTS / name / "card.json").read_text())) for name in sorted(one.name for one in WEIGHTS.iterdir())
}
DEFAULT = CARDS["telltale-attribution"]
DIFFUSION = next(one for one in DEFAULT.labels if one.family == "diffusion")
UNKNOWN_GAN = Verdict("manipulated", "unknown", "gan", 0.98)
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


def family_missed_most(card: Card) -> str:
    """The family of which most faces of collections that it never saw pass, in the words of the page."""
    pooled: dict[str, Tally] = {}
    for row in rows_of(card.measured, "Verdicts on cross", VERDICT):
        if row.text("family") not in ("", "real"):
            pooled[row.text("family")] = pooled.get(row.text("family"), NO_FACES) + Tally.of(row)
    return FAMILIES[max(pooled, key=lambda one: pooled[one].none_found / pooled[one].faces)]


def measured_instead(card: Card, title: str, columns: str, *rows: tuple[Cell, ...]) -> Card:
    """The card with that table, in place of its own where it has one."""
    others = [one for one in card.measured if one.title != title]
    return replace(card, measured=(*others, MeasuredTable(title, tuple(columns.split(" | ")), rows)))


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
    found = Verdict("manipulated", DIFFUSION.name, "diffusion", 0.98)
    assert "Diffusion-generated" in said(DEFAULT, found)[1]
    assert said(DEFAULT, found, clip=True)[1] == text.CLIP
    columns = "split | group | untouched | accused | low | high | manipulated | cleared | low | high | inconclusive"
    groups = [("cross", f"{size} px", n, 0.0, 0.0, 0.1, n, 0.0, 0.0, 0.1, 0.3) for size, n in (("under 90", 5), ("90–150", 50))]
    sized = measured_instead(DEFAULT, "Errors by size of the face", columns, *groups)
    assert said(sized, found, 120)[1].startswith("Of untouched faces as small as this one (90–150 px)")
    assert said(sized, found, 70)[1] == text.FEW_SMALL.format(size=text.UNDER.format(most=90)), "of five faces no share is told"
    assert said(sized, found, 70, clip=True)[1] == said(sized, found, 70)[1], "a small face comes before the clip"
    assert family_missed_most(DEFAULT) in said(DEFAULT, s.NONE_FOUND)[0]
    title, columns = "Verdicts on what training never saw", "left out | kind | faces | manipulated | none found | wrong of definite"
    other = next(one.name for one in DEFAULT.labels if one.family == "gan")
    methods = [
        ("dfdc", "source", 90, 0.0, 1.0, 1.0),
        (DIFFUSION.name, "method", 90, 0.5, 0.5, 0.5),
        (other, "method", 90, 0.9, 0.1, 0.1),
    ]
    passed = said(measured_instead(DEFAULT, title, columns, *methods), s.NONE_FOUND)
    assert f"({DIFFUSION.display_name}), 50 %" in passed[1], "the method of which most pass when training left it out"
    without = replace(DEFAULT, measured=tuple(one for one in DEFAULT.measured if one.title != title))
    assert said(without, s.NONE_FOUND)[1].startswith("It gives no definite answer on"), "nothing was left out"
    assert "face swaps pass" in said(CARDS["telltale-dna-det"], s.NONE_FOUND)[1]
    swapped = Verdict("manipulated", "swapped", "face_swap", 0.98)
    assert "method that it names" not in said(CARDS["telltale-swap"], swapped)[1], "it has one name to give"
    assert "GAN-generated" in said(DEFAULT, Verdict("manipulated", "unknown", "gan", 0.98))[1]


def test_what_was_not_measured_is_said_to_be_not_measured() -> None:
    unmeasured = replace(judged(DEFAULT, s.NONE_FOUND), detector=replace(info(DEFAULT), measured=False))
    assert [one.sentence for one in nearest_limits(unmeasured, s.track(), DEFAULT.measured)] == [text.UNMEASURED.format(name=DEFAULT.name)]
    broken = [
        replace(one, rows=tuple((*row[:3], 7.0, *row[4:]) for row in one.rows)) for one in DEFAULT.measured if "Verdicts" in one.title
    ]
    for tables in ((), (MeasuredTable("Verdicts on cross", ("family",), (("real",),)),), broken):
        assert [one.sentence for one in nearest_limits(judged(DEFAULT, s.NONE_FOUND), s.track(), tables)] == [
            text.UNMEASURED.format(name=DEFAULT.name)
        ]
    assert text.NOT_AT_HAND in s.said(verdict_banner(s.picture(s.MANIPULATED)))
    assert untouched_accused(DEFAULT) in s.said(verdict_banner(judged(DEFAULT, UNKNOWN_GAN), tables=DEFAULT.measured))
