"""What the page and the report show of detectors of others: whole pictures, no reference faces, probabilities that nobody calibrated, and
two detectors side by side."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attribution.evidence import Box, DetectorInfo, Evidence, Face, Moment, Opinion, Track, TrackEvidence, Verdict
from attribution.render import face as panels
from attribution.render import file as stage
from attribution.render import opinion
from attribution.render.report import report_html
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web.page_parts import all_limits
from samples import DETECTOR, HOSTILE, MANIPULATED, NONE_FOUND, Markup, clip, face, heatmap, is_inert, noise, picture, plain, track

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOREIGN = DetectorInfo(
    "acme/eye",
    "cd" * 32,
    ("real", "fake"),
    ("real", "unknown"),
    ("Real", "Fake"),
    "mit",
    ("Telltale has never measured this detector.",),
    f"hf:acme/eye@{COMMIT}",
    False,
)
FOUND = Verdict("manipulated", "unknown", None, 0.93, ("Telltale has not measured acme/eye.",))
NOTHING = Verdict("no_manipulation_found", None, "real", 0.96, ("Telltale has not measured acme/eye.",))
WHOLE: Box = (0.0, 0.0, 400.0, 200.0)


def whole_face(crop_box: Box = WHOLE) -> Face:
    return Face(0, 0.0, WHOLE, None, None, crop_box, noise(32, 32), 200.0, 90.0)


def whole(verdict: Verdict = FOUND, crop_box: Box = WHOLE, **changes: Any) -> TrackEvidence:
    p = {"real": 0.07, "fake": 0.93}
    values: dict[str, Any] = {
        "box": WHOLE, "p_methods": p, "p_families": {"real": 0.07, "unknown": 0.93}, "p_manipulated": 0.93, "placement": None,
        "view": "picture", "track": Track(0, (whole_face(crop_box),)),
    }  # fmt: skip
    return track(0, verdict, **{**values, **changes})


def judged(one: TrackEvidence, **changes: Any) -> Evidence:
    settings = {"device": "cpu", "adapter": "timm"}
    return picture(one.verdict, detector=FOREIGN, tracks=(one,), faces_found=0, settings=settings, **changes)


def heard(verdict: Verdict = FOUND, agreed: str = "same answer", **changes: Any) -> Opinion:
    p = 0.93 if verdict.state != "no_manipulation_found" else 0.04
    values: dict[str, Any] = {
        "detector": FOREIGN, "verdict": verdict, "p_methods": {"real": 1 - p, "fake": p}, "p_families": {"real": 1 - p, "unknown": p},
        "p_manipulated": p, "agreement": agreed,
    }  # fmt: skip
    return Opinion(**{**values, **changes})


def said(markup: str) -> str:
    assert Markup(markup).problem == ""
    assert is_inert(markup)
    return plain(markup)


def test_a_number_that_nobody_calibrated_is_no_confidence() -> None:
    for verdict in (FOUND, NOTHING):
        words = said(panels.face_card(track(0, verdict), 1, FOREIGN))
        assert "not calibrated" in words
        assert "Telltale has not measured" in words
        assert "confidence" not in words
    assert "confidence" in said(panels.face_card(track(), 1, DETECTOR))


def test_the_banner_of_an_unmeasured_detector_says_so() -> None:
    words = said(panels.verdict_banner(judged(whole())))
    assert "not calibrated" in words
    assert text.NOT_TOLD in words
    assert text.UNKNOWN not in words
    assert text.WHAT_IS_KNOWN in words
    assert text.ALL_LIMITS not in words
    assert "confidence" not in words


def test_limits_of_an_unmeasured_detector_are_not_called_measured() -> None:
    assert panels.limits_title(FOREIGN) == text.UNMEASURED_TITLE
    assert panels.limits_title(DETECTOR) == text.LIMITS_TITLE
    words = said(panels.measured((), FOREIGN))
    assert text.UNMEASURED_HINT in words
    assert text.LIMITS_HINT not in words
    # The page of measured limits does not speak of it.
    assert all_limits(FOREIGN) == ""
    assert all_limits(replace(DETECTOR, source=f"hf:acme/x@{COMMIT}")) == ""
    assert "limits" in all_limits(DETECTOR)


@pytest.mark.parametrize("kind", ["picture", "clip"])
def test_a_whole_picture_is_no_face(kind: str) -> None:
    moments = (Moment(0.0, 0.9), Moment(0.25, 0.9)) if kind == "clip" else ()
    one = whole(timeline=moments, faces=max(1, len(moments)))
    words = said(panels.face_card(one, 1, FOREIGN, "data:image/png;base64,AA", one.track.faces[0] if one.track else None))
    assert text.WHOLE[kind] in words
    assert "Face" not in words
    assert "400 × 200 px" in words
    assert "as the detector saw it" in words


def test_the_stage_of_a_whole_picture_has_no_face_box() -> None:
    evidence = judged(whole())
    markup = stage.picture_stage(evidence, "data:image/png;base64,AA", 0)
    assert not Markup(markup).of_class("tt-box")
    assert text.WHOLE_HINT in said(markup)
    assert text.NO_FACE not in said(markup)
    assert not Markup(markup).of_class("tt-judged")
    assert stage.title(evidence) == text.WHOLE_TITLES["picture"]
    assert stage.title(picture(MANIPULATED)) == text.FACES_TITLE


def test_the_part_that_was_judged_is_outlined() -> None:
    markup = stage.picture_stage(judged(whole(crop_box=(100.0, 0.0, 300.0, 200.0))), "data:image/png;base64,AA", 0)
    outline = Markup(markup).of_class("tt-judged")
    assert "left:25.00%" in outline[0]["style"]
    assert "width:50.00%" in outline[0]["style"]
    assert text.WHOLE_PART in said(markup)


def test_the_stage_of_a_whole_clip_follows_no_face() -> None:
    moments = tuple(Moment(0.25 * i, 0.9) for i in range(4))
    evidence = replace(clip(), detector=FOREIGN, verdict=FOUND, tracks=(whole(timeline=moments, faces=4),))
    markup = stage.clip_stage(evidence, [(0.0, "data:image/png;base64,AA")], None, 0)
    assert not Markup(markup).of_class("tt-follow")
    assert Markup(markup).of_class("tt-timeline")
    assert stage.title(evidence) == text.WHOLE_TITLES["clip"]


def test_custody_names_source_format_and_hash_of_both_detectors() -> None:
    words = said(stage.custody(judged(whole())))
    for part in (f"acme/eye@{COMMIT}", "cd" * 32, "timm", "mit"):
        assert part in words
    beside = picture(MANIPULATED, tracks=(track(0, MANIPULATED, opinions=(heard(),)),))
    words = said(stage.custody(beside))
    for part in (text.MEASURE_NAMES["second"], f"acme/eye@{COMMIT}", "cd" * 32, "ab" * 32):
        assert part in words
    assert text.MEASURE_NAMES["second"] not in said(stage.custody(picture(MANIPULATED)))


def test_two_answers_stand_side_by_side() -> None:
    one = track(0, MANIPULATED, opinions=(heard(),))
    markup = opinion.side_by_side(one, one.opinions[0], DETECTOR, "Face 1 of 2")
    words = said(markup)
    for part in ("Face 1 of 2", "test-net", "acme/eye", "Landmark face swap", text.NOT_TOLD, "95 %", "93 %, not calibrated"):
        assert part in words
    assert opinion_text.AGREEMENT["same answer"] in words
    assert opinion_text.NOT_MEASURED.format(name="acme/eye") in words
    assert len(Markup(markup).of("dt")) == 2


def test_a_second_detector_that_was_not_asked_says_why() -> None:
    one = track(0, MANIPULATED, opinions=(Opinion(FOREIGN, f"It looks at faces. {HOSTILE}"),))
    markup = opinion.side_by_side(one, one.opinions[0], DETECTOR)
    assert "It looks at faces." in said(markup)
    assert len(Markup(markup).of("dt")) == 1


@pytest.mark.parametrize(
    ("verdict", "agreed", "first"),
    [
        (FOUND, "same answer", MANIPULATED),
        (NOTHING, "same family", NONE_FOUND),
        (FOUND, "differs", NONE_FOUND),
        (NOTHING, "differs", MANIPULATED),
    ],
)
def test_nothing_is_claimed_of_what_strangers_learned_from(verdict: Verdict, agreed: str, first: Verdict) -> None:
    one = track(0, first, opinions=(heard(verdict, agreed),))
    words = said(opinion.answer(one, one.opinions[0], DETECTOR))
    assert "same collections" not in words
    assert opinion_text.AGREEMENT["same method" if (agreed, verdict) == ("same family", NOTHING) else agreed] in words
    assert "not calibrated" in words
    assert "confidence" not in words


def test_two_that_tell_no_kind_agree_on_no_family() -> None:
    one = whole(opinions=(heard(FOUND, "same family", view="picture"),))
    words = said(opinion.agreement(one, one.opinions[0], FOREIGN))
    assert opinion_text.AGREEMENT["same answer"] in words
    assert opinion_text.NEITHER_TELLS in words
    assert "family" not in words


def test_who_names_the_kind_is_said() -> None:
    one = track(0, MANIPULATED, opinions=(heard(),))
    words = said(opinion.agreement(one, one.opinions[0], DETECTOR))
    assert "test-net names the kind (Face swap)" in words
    shares: dict[str, Any] = {"p_methods": {"real": 0.1, "landmark_swap": 0.9}, "p_families": {"real": 0.1, "face_swap": 0.9}}
    other = whole(opinions=(heard(MANIPULATED, detector=DETECTOR, **shares),))
    assert "test-net names the kind (Face swap)" in said(opinion.agreement(other, other.opinions[0], FOREIGN))


def test_a_face_and_a_whole_picture_are_not_the_same_thing() -> None:
    one = track(0, MANIPULATED, opinions=(heard(view="picture"),))
    words = said(opinion.agreement(one, one.opinions[0], DETECTOR))
    assert "acme/eye judged the whole picture, the first detector the face alone" in words
    assert opinion_text.PICTURE_HINT in said(opinion.heading(one, 0, DETECTOR))
    same = track(0, MANIPULATED, opinions=(heard(),))
    assert "judged" not in said(opinion.agreement(same, same.opinions[0], DETECTOR))


def test_the_report_shows_whole_pictures_and_strangers_as_what_they_are() -> None:
    markup = report_html([judged(whole())], {(0, 0): replace(heatmap(), label="fake")}, {0: noise(200, 400)})
    words = plain(markup)
    assert is_inert(markup)
    for part in (text.WHOLE_TITLES["picture"], text.WHOLE["picture"], text.NO_REFERENCES, text.UNMEASURED_TITLE, COMMIT):
        assert part in words
    assert "Face 1" not in words
    assert text.LIMITS_TITLE not in words


def test_the_report_draws_a_heatmap_over_what_that_detector_saw() -> None:
    own = replace(face(), crop=np.full((32, 32, 3), 250, dtype=np.uint8))
    one = heard(face=own)
    evidence = picture(MANIPULATED, tracks=(track(0, MANIPULATED, opinions=(one,)),))
    other = picture(MANIPULATED, tracks=(track(0, MANIPULATED, opinions=(replace(one, face=None),)),))
    heat = {(0, 0, 0): replace(heatmap(), label="fake")}
    drawn = [
        re.findall(r'<div class="heat"><img src="([^"]+)"', report_html([found], opinion_heatmaps=heat)) for found in (evidence, other)
    ]
    assert drawn[0]
    assert drawn[0] != drawn[1]
    words = plain(report_html([evidence], opinion_heatmaps=heat))
    assert f"acme/eye@{COMMIT}" in words
    assert "cd" * 32 in words


def test_hostile_names_stay_words() -> None:
    bad = replace(FOREIGN, name=HOSTILE, source=HOSTILE, display_names=(HOSTILE, HOSTILE), licence=HOSTILE, limits=(HOSTILE,))
    one = track(0, MANIPULATED, opinions=(heard(detector=bad), Opinion(bad, HOSTILE)))
    evidence = picture(MANIPULATED, tracks=(one,))
    assert is_inert(report_html([evidence, replace(judged(whole()), detector=bad)]))
    assert is_inert(opinion.side_by_side(one, one.opinions[0], bad, HOSTILE))
    assert is_inert(opinion.side_by_side(one, one.opinions[1], bad))
