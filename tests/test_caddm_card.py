"""What the card, the model card and the README say of the ID-unaware detector: each sentence with its figure, and none without."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from attribution.detectors.card import MeasuredTable, Training
from attribution.lab.publish.labels import CADDM_LABELS as LABELS
from attribution.lab.publish.limits import limits_of
from attribution.lab.publish.modelcard import model_card
from attribution.lab.train.caddm import Settings
from limits_samples import LOCALISED, SWAPS, card, generator_card, swap_card, table

SETTINGS = asdict(Settings(data="", work="", out="", start="backbone.safetensors", steps=3000, frozen=1, shares=(0.2, 0.2, 0.1, 0.5)))
TRAINING = Training(
    data="faces", licence="CC0-1.0", command="the command", seeds=(7,), minutes=80.4, notes=(json.dumps(SETTINGS), "A note.")
)
TITLES = sorted(one.title for one in SWAPS)


def without(title: str) -> list[MeasuredTable]:
    return [one for one in SWAPS if one.title != title]


def words(markdown: str) -> str:
    return " ".join(markdown.split())


def test_the_limits_are_sentences_with_their_figures() -> None:
    said = limits_of("face_swap", SWAPS)
    assert 4 <= len(said) <= 7
    assert all(sentence.endswith(".") for sentence in said)
    assert said[0] == "It looks for face swaps and pasted parts alone: wholly generated faces, lip sync and retouching pass it."
    assert "it wrongly called 2 % swapped and gave no definite answer for 38 %." in said[1]
    assert "Of swapped faces on such collections 10 % were passed as 'no manipulation found', 55 % stayed inconclusive" in said[2]
    assert "an AUC of 0.94 (0.925 to 0.955) on single frames; a plain detector" in said[3]
    assert (
        "with a blend that training never used, its box hits the changed area in 40 of 100; guessing the centre of the face hits 37"
        in said[4]
    )
    assert "about 270 faces" in said[5]
    assert "prevented 40 wrong answers and cost 12 right ones." in said[5]


@pytest.mark.parametrize("title", TITLES)
def test_a_table_that_is_not_there_yet_costs_its_own_sentence_only(title: str) -> None:
    said = limits_of("face_swap", without(title))
    used = ("Overall", "Localisation", "Verdicts on cross", "Second opinion, cross")
    assert len(limits_of("face_swap", SWAPS)) - len(said) == (0 if title not in used else 2 if title.startswith("Verdicts") else 1)
    assert limits_of("face_swap", [])[0].startswith("It looks for face swaps")


def test_without_an_unseen_blend_the_sentence_is_about_the_blends_that_training_used() -> None:
    rows = [("partial swaps", "boxes", 400, 0.73, 0.68, 0.77, 0.41, 0.38, 0.44)]
    (said,) = [one for one in limits_of("face_swap", [table("Localisation", LOCALISED, *rows)]) if "hits" in one]
    assert said == "Where one part of a face was swapped with a blend that training used, its box hits the changed area in 73 of 100."


def test_the_model_card_says_what_was_mended_and_how_it_was_made() -> None:
    said = words(model_card(swap_card(training=TRAINING, labels=LABELS, limits=limits_of("face_swap", SWAPS))))
    for part in (
        "It answers whether a face was swapped or a part pasted into it, and where",
        "arXiv 2210.14457",
        "3000 steps, 80 minutes",
        "`mobilenetv2_100`",
        "started from `backbone.safetensors`; its stem and first 1 stages",
        "168 in all",
        "one window of it alone (20, 20, 10 and 50 % of them; the paper: 40, 20, 20 and 20 %)",
        "the centre of a Poisson blend is (x, y), not (y, x)",
        "boxes and anchors are both (x0, y0, x1, y1)",
        "instead of receiving no anchor loss at all",
        "the released flips did nothing",
        "the boxes are not thrown away at inference",
        "a confidence of at least 0.35 are kept after non-maximum suppression at IoU 0.3",
        "| `swapped` | Face swap or pasted part | face_swap |",
        "(half precision), each face read with its mirror image",
        "- A note.",
    ):
        assert part in said, part
    for one in SWAPS:
        assert f"### {one.title}" in said
    assert "It looks for face swaps and pasted parts alone" in said
    assert [one.family for one in LABELS] == ["real", "face_swap"]


def test_the_cards_of_the_other_detectors_do_not_speak_of_it() -> None:
    settings = {"steps": 1, "architecture": "mobilenetv2_100", "model_args": {}, "contrastive": "supcon", "contrastive_weight": 0.3}
    made = Training(data="faces", licence="CC0-1.0", seeds=(7,), notes=(json.dumps(settings),))
    default = words(model_card(card(training=made)))
    assert "which method made or manipulated a face" in default
    assert "anchor" not in default
    of_generators = {"steps": 1, "items": 4, "patches": 4, "workers": 2, "side_px": 224, "augmented": 0.25}
    made = Training(data="faces", licence="CC0-1.0", seeds=(7,), notes=(json.dumps(of_generators),))
    generated = words(model_card(generator_card(training=made)))
    assert "(8 bits a value), each face read once." in generated
    assert "anchor" not in generated
