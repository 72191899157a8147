"""No sentence contradicts the verdict that it stands under, the limit that it names, or itself: every reason, at and around its limits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attribution.evidence import TrackEvidence
from attribution.messages import LANGUAGES, Message, reading_in, said
from attribution.text import numbers
from attribution.text.reasons import REASONS, reason
from attribution.verdict import judge_file
from test_verdict import THRESHOLDS, a_face, clip, judge, p_row

# Of each reason that has several figures to compare, which is less than which.
ORDER: dict[str, tuple[tuple[str, str], ...]] = {
    "not_sure": (("below", "p"), ("p", "above")),
    "never_found": (("below", "p"),),
    "never_cleared": (("p", "above"),),
    **dict.fromkeys(("face_too_small", "face_soft"), (("width", "needed"),)),
    "face_blurred": (("sharpness", "least_sharpness"),),
    "face_dark": (("brightness", "least_brightness"),),
    "face_overexposed": (("most_brightness", "brightness"),),
    "weak_response": (("response", "least_response"),),
    "shorter_than_promised": (("last", "length"),),
    "key_frames": (("first", "last"),),
    **dict.fromkeys(("manipulated_between", "manipulated_between_rest_unclear"), (("first", "last"),)),
    **dict.fromkeys((code for code in REASONS if code.startswith("disagree_")), (("p_other", "p"),)),
}
MEASURES = re.compile(r"p|p_other|above|below|moment|first|last|length|width|needed|response|\w*brightness|\w*sharpness|least_response")
SHARES = (0.005, 0.0825, 0.0835, 0.5, 0.8725, 0.8824, 0.8825, 0.97, 0.975, 0.99, 0.995)
SIZES = (3.45, 4.0, 20.0, 30.0, 60.0, 63.5, 64.0, 224.0)
STEPS = (1e-6, 1e-4, 4e-4, 0.004, 0.0049, 0.005, 0.04, 0.049, 0.05, 0.4, 0.49, 0.5, 0.51, 1.9)
OTHERS: dict[str, Any] = {"detector": "A", "other": "B", "count": 2, "moment": 5.0, "p": 0.9, "above": 0.99, "below": 0.001}


def names_of(code: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", REASONS[code].form))


def number(words: str) -> float:
    """What a reader takes a figure for: `under 1 %` is less than `1 %`."""
    minutes, value = re.fullmatch(r"(?:\w+ )?(?:(\d+):)?(−?[\d,.]+)(?: .*)?", words).groups()  # type: ignore[union-attr]
    read = 60 * float(minutes or 0) + float(value.replace(",", "").replace("−", "-"))
    return read + {"over": 1e-9, "under": -1e-9}.get(words.split()[0], 0)


def test_every_reason_with_figures_to_compare_is_compared() -> None:
    several = {code for code in REASONS if sum(bool(MEASURES.fullmatch(name)) for name in names_of(code)) > 1}
    # A moment and a probability are not compared.
    assert several - {"moments_do_not_last"} == set(ORDER)


@pytest.mark.parametrize("code", ORDER)
def test_what_is_less_reads_as_less(code: str) -> None:
    for less, more in ORDER[code]:
        for limit, step in itertools.product(SHARES if more in ("p", "above") else SIZES, STEPS):
            low, high = limit, limit + step
            if high > 1 and limit < 1:
                continue
            values = {name: OTHERS[name] for name in names_of(code) if name in OTHERS} | {less: low, more: high}
            made = reason(code, **values)
            assert number(made.values[less]) < number(made.values[more]), made  # type: ignore[index]
            assert made.values[less].raw == low, "the JSON has it as it was measured"  # type: ignore[index]


def test_figures_that_are_told_apart_are_so_in_every_language() -> None:
    for code in LANGUAGES:
        with reading_in(code):
            made = reason("not_sure", p=0.88249, above=0.8825, below=0.0825).values or {}
            assert len({said(words) for words in made.values()}) == 3
    assert str(reason("not_sure", p=0.5, above=0.8825, below=0.1)).count("88 %") == 1, "no more digits than it takes"
    assert "27 px wide; at least 64 px" in reason("face_too_small", width=27.3, needed=64)


def contradictions(why: str) -> Iterator[str]:
    assert isinstance(why, Message)
    figures = why.values or {}
    for less, more in ORDER.get(why.code, ()):
        if not number(figures[less]) < number(figures[more]):
            yield why
    if why.code == "few_views" and figures["count"] >= figures["least"]:
        yield why


def check(evidence: TrackEvidence, above: float, below: float) -> None:
    verdict = evidence.verdict
    assert [*itertools.chain.from_iterable(contradictions(why) for why in verdict.reasons)] == []
    codes = {why.code: why.values or {} for why in verdict.reasons if isinstance(why, Message)}
    if verdict.state == "manipulated":
        assert number(numbers.percent(verdict.confidence or 0)) >= number(numbers.percent(above)) - 1e-6
    if verdict.state == "no_manipulation_found":
        assert 100 - number(numbers.percent(verdict.confidence or 0)) <= number(numbers.percent(below)) + 1
        assert not set(codes) & {"not_sure", "moments_do_not_last"}
    if (quoted := codes.get("moments_do_not_last")) is not None:
        assert evidence.shown_face is not None
        assert evidence.shown_face.seconds == quoted["moment"].raw, "the moment that is quoted is the one that is shown"
        assert quoted["p"].raw >= np.float32(above)
        others = [abs(one.seconds - quoted["moment"].raw) for one in evidence.timeline if one.seconds != quoted["moment"].raw]
        assert quoted["apart"].raw == pytest.approx(min(others))
    if verdict.state == "inconclusive":
        assert verdict.reasons


@pytest.mark.parametrize(("above", "below"), [(0.8725, 0.0825), (0.8825, 0.1355), (0.97, 0.03), (0.995, 0.005)])
def test_no_answer_on_a_picture_contradicts_its_threshold(above: float, below: float) -> None:
    thresholds = replace(THRESHOLDS, p_manipulated_above=above, p_manipulated_below=below)
    for limit, step in itertools.product((above, below, 0.01, 0.5, 0.8824, 0.99), (0.0, *STEPS[:6])):
        for p in {min(max(limit + sign * step, 0.0), 1.0) for sign in (-1, 1)}:
            check(judge([p_row(p)], thresholds=thresholds), above, below)
    for side in (63.4, 63.5, 63.9, 63.99, 64.0, 64.4):
        face = a_face(crop_side_px=side, sharpness=side - 44.01, brightness=side - 34.2)
        check(judge([p_row(0.5)], [face], thresholds=replace(thresholds, min_crop_side_px=64.0)), above, below)


def test_no_answer_on_a_clip_contradicts_its_threshold_and_its_moments() -> None:
    thresholds = replace(THRESHOLDS, p_manipulated_above=0.97, p_manipulated_below=0.08)
    random = np.random.default_rng(3)
    states, codes = set(), set()
    for _ in range(120):
        levels = random.choice([0.02, 0.0796, 0.0804, 0.5, 0.9696, 0.9704, 0.999], size=2)
        values = np.where(random.random(random.integers(4, 20)) < random.choice([0.1, 0.3, 0.8]), *levels)
        evidence = clip(*values, step_seconds=random.choice([0.04, 0.25, 1.9, 9.5]), thresholds=thresholds)
        check(evidence, 0.97, 0.08)
        states.add(evidence.verdict.state)
        codes |= {why.code for why in evidence.verdict.reasons if isinstance(why, Message)}
    assert len(states) == 3
    assert {"not_sure", "moments_do_not_last"} <= codes


def test_one_odd_moment_says_how_far_off_the_next_one_is_and_is_shown() -> None:
    values = [0.02] * 10
    values[4] = 0.999
    evidence = clip(*values, step_seconds=1.9)
    assert "at 7.6 s, looks manipulated (over 99 %), but not the nearest one that was examined, 1.9 s away." in evidence.verdict.reasons[0]
    check(evidence, 0.9, 0.1)
    fast = clip(*values, step_seconds=0.04)
    assert "0.04 s away" in fast.verdict.reasons[0]


def test_a_stretch_with_a_low_moment_is_as_sure_as_its_median_and_shows_a_face_of_it() -> None:
    values = [0.02] * 6 + [0.99, 0.99, 0.03, 0.99, 0.99] + [0.02] * 6
    faces = [a_face(0.2 * i, crop_side_px=400 if i == 8 else 120) for i in range(len(values))]
    evidence = clip(*values, faces=faces)
    assert evidence.verdict.confidence == pytest.approx(0.99)
    assert evidence.shown_face is not None
    assert evidence.timeline[faces.index(evidence.shown_face)].p_manipulated > 0.9, "not the largest, which looks untouched"


def test_the_reasons_of_a_file_are_those_of_the_face_that_decides_and_never_of_a_tiny_one() -> None:
    def one(p: float, side: float) -> TrackEvidence:
        return judge([p_row(p)], [a_face(crop_side_px=side)])

    faces = [one(p, side) for p in (0.02, 0.5, 0.7) for side in (27, 58, 120)]
    for tracks in itertools.product(faces, repeat=2):
        verdict, decided_by = judge_file(tracks, [])
        if verdict.state == "inconclusive":
            assert decided_by is not None
            quoted, other = tracks[decided_by], tracks[1 - decided_by]
            assert set(quoted.verdict.reasons) <= set(verdict.reasons)
            if other.verdict.state == "inconclusive":
                assert quoted.examined or not other.examined
                assert quoted.examined or quoted.crop_side_px >= other.crop_side_px
