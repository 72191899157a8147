"""The verdict: careful at every gate, true to time, and never a definite answer where one of its gates is shut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attribution.detectors.card import Thresholds
from attribution.evidence import DetectorInfo, Face, Placement, Predictions, Track, TrackEvidence, Verdict
from attribution.evidence.types import Neighbour
from attribution.verdict import judge_file, judge_track, negative_free_energy
from attribution.verdict.moments import worth_a_look
from attribution.verdict.track import sustained
from attribution.verdict.track import worst_stretch as worst

INFO = DetectorInfo(
    "test", "0" * 64, ("real", "dfdc_swap", "landmark_swap", "stylegan2", "flux1"), ("real", "face_swap", "face_swap", "gan", "diffusion"),
    ("No manipulation", "DFDC face swap", "Landmark face swap", "StyleGAN2", "FLUX.1"),
)  # fmt: skip
THRESHOLDS = Thresholds(
    p_manipulated_above=0.9,
    p_manipulated_below=0.1,
    method_min_p=0.6,
    family_min_p=0.7,
    max_atypicality=0.95,
    min_crop_side_px=60,
    min_sharpness=20,
    min_brightness=30,
    max_brightness=230,
)


def a_face(seconds: float = 0.0, crop_side_px: float = 120, sharpness: float = 100, brightness: float = 120) -> Face:
    box, crop = (10, 10, 10 + crop_side_px, 10 + crop_side_px), np.zeros((8, 8, 3), dtype=np.uint8)
    return Face(round(seconds * 10), seconds, box, np.zeros((5, 2)), 0.99, box, crop, sharpness, brightness)


def p_row(p_manipulated: float, method: str = "stylegan2", share: float = 0.96) -> np.ndarray:
    """Probabilities with `p_manipulated` in all, `share` of it for `method` and the rest spread evenly."""
    made = [label for label in INFO.labels if label != "real"]
    row = {label: p_manipulated * (1 - share) / (len(made) - 1) for label in made}
    row |= {method: p_manipulated * share, "real": 1 - p_manipulated}
    return np.array([row[label] for label in INFO.labels])


def placement(neighbour: str, atypicality: float = 0.5, against: int = 0) -> Placement:
    """Ten neighbours of the method `neighbour`, `against` of them of the other side."""
    other = "stylegan2" if neighbour == "real" else "real"
    methods = [other] * against + [neighbour] * (10 - against)
    return Placement(0, 0, tuple(Neighbour(i, method, "a source", 0.1) for i, method in enumerate(methods)), atypicality)


def judge(
    rows: Sequence[np.ndarray],
    faces: Sequence[Face] | None = None,
    placements: Sequence[Placement] | None = None,
    kind: str = "picture",
    thresholds: Thresholds = THRESHOLDS,
    logits: np.ndarray | None = None,
) -> TrackEvidence:
    p = np.stack(rows).astype(np.float32)
    chosen = faces or [a_face(0.2 * i) for i in range(len(rows))]
    natural = [placement("stylegan2" if row[0] < 0.5 else "real") for row in rows]
    reading = Predictions(np.log(np.maximum(p, 1e-6)) if logits is None else logits, p, np.eye(len(rows), 128, dtype=np.float32))
    return judge_track(Track(0, tuple(chosen)), reading, placements or natural, thresholds, INFO, kind)


def clip(*p_manipulated: float, step_seconds: float = 0.2, **more: Any) -> TrackEvidence:
    faces = [a_face(step_seconds * i) for i in range(len(p_manipulated))]
    return judge([p_row(p) for p in p_manipulated], **{"faces": faces, "kind": "clip", **more})


def text(evidence: TrackEvidence) -> str:
    return " ".join(evidence.verdict.reasons)


# One picture


def test_a_clear_manipulation_is_named() -> None:
    evidence = judge([p_row(0.97)])
    verdict = evidence.verdict
    assert (verdict.state, verdict.method, verdict.family) == ("manipulated", "stylegan2", "gan")
    assert verdict.confidence == pytest.approx(0.97)
    assert evidence.p_manipulated == pytest.approx(0.97)
    assert evidence.p_methods["stylegan2"] == pytest.approx(0.97 * 0.96)
    assert evidence.p_families["face_swap"] == pytest.approx(0.97 * 0.04 / 3 * 2)
    assert evidence.timeline == ()
    assert evidence.worst is None
    assert evidence.track is not None
    assert evidence.predictions is not None


def test_a_clear_face_is_cleared() -> None:
    verdict = judge([p_row(0.04)]).verdict
    assert (verdict.state, verdict.method, verdict.family) == ("no_manipulation_found", None, "real")
    assert verdict.confidence == pytest.approx(0.96)


@pytest.mark.parametrize("p", [0.1001, 0.3, 0.5, 0.7, 0.8999])
def test_between_the_thresholds_nothing_is_definite(p: float) -> None:
    evidence = judge([p_row(p)])
    assert evidence.verdict.state == "inconclusive"
    assert f"{100 * p:.0f} %" in text(evidence)


# Exact binary fractions, so that float32 changes nothing.
@pytest.mark.parametrize(("p", "state"), [(0.875, "manipulated"), (0.125, "no_manipulation_found")])
def test_the_thresholds_themselves_are_definite(p: float, state: str) -> None:
    thresholds = replace(THRESHOLDS, p_manipulated_above=0.875, p_manipulated_below=0.125)
    assert judge([p_row(p)], thresholds=thresholds).verdict.state == state


def test_several_untouched_labels_count_together() -> None:
    info = replace(INFO, families=("real", "real", "face_swap", "gan", "diffusion"))
    p = np.array([[0.5, 0.45, 0.02, 0.02, 0.01]], dtype=np.float32)
    reading = Predictions(np.log(p), p, np.ones((1, 1), dtype=np.float32))
    evidence = judge_track(Track(0, (a_face(),)), reading, [placement("real")], THRESHOLDS, info, "picture")
    assert evidence.verdict.state == "no_manipulation_found"
    assert evidence.p_manipulated == pytest.approx(0.05)


# Method and family


def test_an_unclear_method_leaves_its_family() -> None:
    row = np.array([0.02, 0.48, 0.46, 0.02, 0.02])
    evidence = judge([row])
    assert (evidence.verdict.state, evidence.verdict.method, evidence.verdict.family) == ("manipulated", "unknown", "face_swap")
    assert "DFDC face swap 49 %, Landmark face swap 47 %" in text(evidence)


def test_an_unclear_family_leaves_the_manipulation() -> None:
    evidence = judge([np.array([0.04, 0.24, 0.24, 0.24, 0.24])])
    assert (evidence.verdict.method, evidence.verdict.family) == ("unknown", None)
    assert "not clear" in text(evidence)


def test_the_share_of_the_method_is_within_the_manipulated_probability() -> None:
    # 0.56 of all, but 0.62 of the manipulated mass.
    row = np.array([0.1, 0.34 / 3, 0.34 / 3, 0.56, 0.34 / 3])
    thresholds = replace(THRESHOLDS, p_manipulated_above=0.85)
    assert judge([row], thresholds=thresholds).verdict.method == "stylegan2"


# Quality


@pytest.mark.parametrize(
    ("face", "sentence"),
    [
        (a_face(crop_side_px=38), "The face is only 38 px wide; at least 60 px are needed."),
        (
            replace(a_face(), p_face=0.87),
            "This is not clearly a face: looked at more closely and mirrored, the face finder is only 87 % sure of it.",
        ),
        (
            replace(a_face(), resolved_px=44.6),
            "The face was enlarged or is soft: it has only 44.6 px of detail; at least 45 px are needed.",
        ),
        (replace(a_face(), screened=1.0), "the dots of a print"),
        (a_face(sharpness=3), "blurred"),
        (a_face(brightness=12), "The face is dark: its brightness is 12 of 255; at least 30 is needed."),
        (a_face(brightness=250), "overexposed"),
    ],
)
@pytest.mark.parametrize("p", [0.001, 0.5, 0.999])
def test_a_face_of_poor_quality_gets_no_definite_answer(face: Face, sentence: str, p: float) -> None:
    evidence = judge([p_row(p)], [face])
    assert evidence.verdict.state == "inconclusive"
    assert sentence in text(evidence)
    assert sum(evidence.p_methods.values()) == pytest.approx(1)


# Open set


def test_an_atypical_face_is_not_cleared() -> None:
    evidence = judge([p_row(0.01)], placements=[placement("real", atypicality=0.97)])
    assert evidence.verdict.state == "inconclusive"
    assert "unlike anything" in text(evidence)


@pytest.mark.parametrize("p", [0.95, 0.99, 1.0])
def test_what_is_unlike_anything_known_is_inconclusive_however_probable_a_manipulation_is(p: float) -> None:
    unlike = judge([p_row(p)], placements=[placement("stylegan2", atypicality=0.97)])
    assert unlike.verdict.state == "inconclusive"
    assert "unlike anything" in text(unlike)
    assert judge([p_row(p)], placements=[placement("stylegan2", atypicality=0.93)]).verdict.state == "manipulated"


@pytest.mark.parametrize("p", [0.01, 0.95])
def test_a_weak_response_is_as_good_as_atypical(p: float) -> None:
    thresholds = replace(THRESHOLDS, energy_min=2.0)
    row = p_row(p)
    assert judge([row], thresholds=thresholds, logits=np.log(row)[None] + 3).verdict.state != "inconclusive"
    evidence = judge([row], thresholds=thresholds, logits=np.log(row)[None] + 1)
    assert evidence.verdict.state == "inconclusive"
    assert "response is only 1.00; at least 2.00" in text(evidence)


def test_negative_free_energy() -> None:
    logits = np.array([[0.0, 0.0], [1000.0, 0.0], [-3.0, 1.0]])
    assert negative_free_energy(logits, 1) == pytest.approx([np.log(2), 1000, np.log(np.exp(-3) + np.exp(1))])
    assert negative_free_energy(logits, 2)[0] == pytest.approx(2 * np.log(2))


def test_neighbours_may_veto_in_both_directions() -> None:
    cleared = [placement("real", against=6)]
    evidence = judge([p_row(0.01)], placements=cleared)
    assert evidence.verdict.state == "inconclusive"
    assert "60 % of the most similar reference faces are manipulated" in text(evidence)
    accused = judge([p_row(0.999)], placements=[placement("stylegan2", against=6)])
    assert accused.verdict.state == "inconclusive"
    assert "untouched" in text(accused)
    assert judge([p_row(0.01)], placements=[placement("real", against=5)]).verdict.state == "no_manipulation_found"
    without = replace(THRESHOLDS, neighbour_veto=None)
    assert judge([p_row(0.01)], placements=cleared, thresholds=without).verdict.state == "no_manipulation_found"


# Time


def test_a_brief_manipulation_is_not_averaged_away() -> None:
    p = [0.01] * 40
    p[15:26] = [0.97] * 11
    evidence = clip(*p)
    assert evidence.verdict.state == "manipulated"
    assert "Manipulated between 3.0 s and 5.0 s; the rest of the clip shows no sign." in evidence.verdict.reasons
    assert evidence.worst is not None
    assert (evidence.worst.first_seconds, evidence.worst.last_seconds, evidence.worst.faces) == (3.0, 5.0, 11)
    assert evidence.p_manipulated == pytest.approx(0.97)
    assert evidence.verdict.confidence == pytest.approx(0.97)
    assert np.mean([moment.p_manipulated for moment in evidence.timeline]) < 0.3


def test_the_placement_and_figures_are_those_of_the_manipulated_part() -> None:
    p = [0.01] * 40
    p[15:26] = [0.97] * 11
    places = [replace(placement("stylegan2" if one > 0.5 else "real"), x=float(i)) for i, one in enumerate(p)]
    evidence = clip(*p, placements=places)
    assert evidence.placement is not None
    assert 15 <= evidence.placement.x <= 25


def with_values(count: int, values: Mapping[int, float], rest: float = 0.01) -> list[float]:
    return [values.get(i, rest) for i in range(count)]


BURST = dict.fromkeys(range(10, 13), 0.99)
POOR = [a_face(0.2 * i, crop_side_px=30 if i < 8 else 120) for i in range(20)]
POORER = [a_face(0.2 * i, crop_side_px=30 if i < 15 else 120) for i in range(20)]


@pytest.mark.parametrize(
    ("p", "faces", "state", "said"),
    [
        *((with_values(20, {where: 0.99}), None, "inconclusive", "One moment") for where in (0, 1, 10, 18, 19)),
        *((with_values(20, {where: 0.99, where + 1: 0.99}), None, "inconclusive", "2 moments") for where in (0, 10, 18)),
        (with_values(40, dict.fromkeys((5, 6, 20, 33), 0.99)), None, "inconclusive", "4 moments"),
        # One clean-looking face does not break a stretch.
        (with_values(30, {**dict.fromkeys(range(10, 20), 0.97), 14: 0.2}), None, "manipulated", "between 2.0 s and 3.8 s"),
        # Three faces in a blink are not sustained, and no stretch reaches across a hole.
        (with_values(20, BURST), [a_face({11: 2.05, 12: 2.1}.get(i, 0.2 * i)) for i in range(20)], "inconclusive", "3 moments"),
        (
            with_values(20, dict.fromkeys(range(8, 12), 0.99)),
            [a_face(0.2 * i + 58 * (i > 9)) for i in range(20)],
            "inconclusive",
            "4 moments",
        ),
        (with_values(30, dict.fromkeys(range(12, 17), 0.5)), None, "inconclusive", "not sure"),
        *(([p] * faces, None, "inconclusive", f"Only {faces} usable view") for faces in (1, 2) for p in (0.01, 0.99)),
        # Poor faces are left out and counted, and a face is neither cleared nor accused on few of its views.
        (with_values(20, dict.fromkeys(range(8), 0.99)), POOR, "no_manipulation_found", "8 of 20 views"),
        *(([p] * 20, POORER, "inconclusive", "15 of 20 were too small") for p in (0.01, 0.5, 0.99)),
    ],
)
def test_what_is_said_of_a_clip(p: list[float], faces: list[Face] | None, state: str, said: str) -> None:
    own: dict[str, Any] = {"faces": faces} if faces else {}
    evidence = clip(*p, **own)
    assert evidence.verdict.state == state
    assert said in text(evidence)
    assert len(evidence.timeline) == len(p)


def test_a_clean_clip_is_cleared_with_the_confidence_of_its_worst_part() -> None:
    verdict = clip(*with_values(30, dict.fromkeys(range(12, 16), 0.08))).verdict
    assert (verdict.state, verdict.confidence) == ("no_manipulation_found", pytest.approx(0.92))


def seen_at(*seconds: float, unseen: Sequence[float] = (), step: float | None = None, poor: Sequence[int] = ()) -> Track:
    faces = tuple(a_face(at, crop_side_px=30 if i in poor else 120) for i, at in enumerate(seconds))
    return Track(0, faces, tuple(unseen), step)


def judge_clip(track: Track, *p: float) -> TrackEvidence:
    rows = np.stack([p_row(one) for one in p]).astype(np.float32)
    reading = Predictions(np.log(np.maximum(rows, 1e-6)), rows, np.eye(len(p), 128, dtype=np.float32))
    return judge_track(track, reading, None, THRESHOLDS, INFO, "clip")


@pytest.mark.parametrize(
    ("track", "missed", "state"),
    [
        (seen_at(*range(0, 40, 4)), 4, "no_manipulation_found"),
        (seen_at(*range(0, 50, 5)), 5, "no_manipulation_found"),
        (seen_at(*range(0, 60, 6)), 6, "inconclusive"),
        # Out of sight for a minute, and then for a moment at the end.
        (seen_at(0, 1, 2, 62, 63, unseen=(0, 1, 1, 2, 1, 0.5)), 2, "no_manipulation_found"),
        (seen_at(0, 1, 2, unseen=(0, 1, 1, 8)), 8, "inconclusive"),
        (seen_at(5.5, 6, 7, unseen=(5.5, 0.5, 1, 0)), 5.5, "inconclusive"),
        # What was too poor to be examined was not looked at.
        (seen_at(0, 2, 4, 6, 8, 10, poor=(2, 3)), 6, "inconclusive"),
        (seen_at(0, 2, 4, 6, 8, 10, poor=(0, 5)), 2, "no_manipulation_found"),
    ],
)
def test_a_face_is_cleared_only_where_little_of_it_was_left_unseen(track: Track, missed: float, state: str) -> None:
    evidence = judge_clip(track, *[0.01] * len(track.faces))
    assert evidence.missed_seconds == pytest.approx(missed)
    assert evidence.verdict.state == state
    assert ("inconclusive for manipulations shorter than that" in text(evidence)) == (state == "inconclusive")


def test_a_closer_look_does_not_cut_a_track_into_pieces() -> None:
    """Where some moments lie close together, the usual step is still that of the others."""
    seconds = [*range(0, 20, 4), *np.arange(20, 21, 0.1).tolist(), 24, 28, 32]
    p = [0.99 if at >= 20 else 0.01 for at in seconds]
    assert "between 20.0 s and 32.0 s" in text(judge_clip(seen_at(*seconds, step=4.0), *p))
    assert "between 20.0 s and 20.9 s" in text(judge_clip(seen_at(*seconds), *p))


@pytest.mark.parametrize(("frames", "state"), [(7, "inconclusive"), (12, "manipulated")])
def test_what_only_a_closer_look_shows_has_to_last(frames: int, state: str) -> None:
    """Views that lie close together are hardly different ones."""
    seconds = [*np.arange(0, 3, 0.3).tolist(), *np.arange(3, 5, 0.1).tolist(), *np.arange(5.1, 9, 0.3).tolist()]
    p = [0.99 if 3.2 <= at <= 3.2 + 0.1 * (frames - 1) + 0.01 else 0.01 for at in seconds]
    evidence = judge_clip(seen_at(*seconds, step=0.3), *p)
    assert evidence.verdict.state == state
    assert state == "manipulated" or f"{frames} moments look manipulated" in text(evidence)


def test_moments_that_stand_out_are_worth_a_closer_look() -> None:
    def windows(*p: float, step: float = 4.0, **more: Any) -> list[tuple[float, float]]:
        track = seen_at(*(step * i for i in range(len(p))), **more)
        return [(first, last) for first, last, _ in worth_a_look([judge_clip(track, *p)], THRESHOLDS)]

    calm = [0.05] * 20
    assert windows(*calm) == [], "a stable answer"
    assert windows(*[0.4] * 20) == [], "unsure all along: more of it would tell no more"
    assert windows(*[0.99] * 20) == []
    assert windows(*calm[:10], *[0.99] * 6, *calm) == [], "found already"
    assert windows(*calm, 0.6, *calm) == [(76, 84)]
    assert windows(0.95, *calm, 0.6) == [(0, 4), (80, 84)], "the most suspicious first, at the ends too"
    assert len(windows(*[one for _ in range(9) for one in (0.05, 0.05, 0.05, 0.7)])) == 3, "no more than the budget"
    assert windows(*calm, 0.6, *calm, step=0.2) == [], "its neighbours lie close enough"
    assert windows(*calm, 0.6, *calm, poor=(20,)) == [], "what cannot be examined tells nothing"
    assert windows(*calm, 0.6, *calm, poor=(19,)) == [(72, 84)]


def test_a_face_that_is_seen_too_briefly_is_looked_at_again_where_it_looks_manipulated() -> None:
    def windows(*p: float, unseen: tuple[float, ...] = (1.5, 4.0, 2.0), **more: Any) -> list[tuple[float, float, int]]:
        brief = replace(seen_at(*(30 + 4.0 * i for i in range(len(p))), **more), unseen_seconds=unseen)
        return worth_a_look([judge_clip(seen_at(*range(60)), *[0.05] * 60), judge_clip(brief, *p)], THRESHOLDS)

    assert windows(0.97, 0.95) == [(28.5, 36.0, 8)]
    assert windows(0.97, 0.95, unseen=()) == [(30, 34, 8)]
    assert windows(0.5, 0.6) == []
    assert windows(0.97, 0.95, poor=(0, 1)) == [], "what cannot be examined tells nothing"
    assert windows(0.97, unseen=(0.0, 0.0)) == [], "there is nowhere to look"


def test_readings_must_be_aligned() -> None:
    with pytest.raises(ValueError, match="aligned"):
        judge([p_row(0.5)] * 2, [a_face()])


def test_no_random_clip_is_ever_cleared_with_a_doubt_or_accused_without_a_stretch() -> None:
    """Over many random clips: cleared only if no examined face is above, accused only with a majority or a run of at least three."""
    random = np.random.RandomState(3)
    states = set()
    for _ in range(80):
        base = random.choice([0.02, 0.5, 0.97])
        p = np.clip(base + random.randn(random.randint(3, 30)) * random.choice([0.01, 0.3]), 0.001, 0.999)
        evidence = clip(*p)
        high = p >= THRESHOLDS.p_manipulated_above
        states.add(evidence.verdict.state)
        assert "real" not in text(evidence).lower().replace("really", ""), "no sentence calls a face real"
        if evidence.verdict.state == "no_manipulation_found":
            assert not high.any()
            assert np.median(p) <= THRESHOLDS.p_manipulated_below
        if evidence.verdict.state == "manipulated":
            assert high.sum() >= 3 or high.mean() >= 0.5
        if evidence.verdict.state == "inconclusive":
            assert evidence.verdict.reasons
        assert evidence.p_manipulated == pytest.approx(1 - evidence.p_methods["real"], abs=1e-6)
    assert len(states) == 3


# Stretches


def test_sustained_and_worst_on_their_own() -> None:
    values = np.array([0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0.0])
    seconds = np.arange(12) * 0.25
    (found,) = sustained(values, seconds, 0.9, 3, 0.5)
    assert (found.first, found.last, found.median, found.faces) == (2, 5, 1, 4)
    assert worst(values, seconds, 3, 0.5).first == 2
    assert worst(values, seconds, 50, 0.5).faces == 12
    assert sustained(values, seconds, 0.9, 3, 5.0) == []


# Files


def track(state: str, p: float = 0.5, side: float = 100, faces: int = 10, reason: str = "", examined: int | None = None) -> TrackEvidence:
    """A track of which `examined` views were good enough: by default all where it has an answer, else none."""
    answers = {"manipulated": ("stylegan2", "gan", p), "no_manipulation_found": (None, "real", 1 - p), "inconclusive": (None, None, None)}
    verdict = Verdict(state, *answers[state], reasons=(reason or "The face is dark.",) if reason or state == "inconclusive" else ())
    shares = {"real": 1 - p, "stylegan2": p}, {"real": 1 - p, "gan": p}
    good = examined if examined is not None else 0 if state == "inconclusive" else faces
    return TrackEvidence(0, faces, 0, 1, (0, 0, side, side), verdict, *shares, p, crop_side_px=side, examined=good)


def test_no_face_is_inconclusive_with_its_reason() -> None:
    verdict, _ = judge_file([], ["5 of 30 frames could be decoded."])
    assert verdict.state == "inconclusive"
    assert "No face was found" in verdict.reasons[0]
    assert "5 of 30 frames could be decoded." in verdict.reasons


def test_the_gravest_track_decides() -> None:
    tracks = [track("manipulated", 0.92), track("manipulated", 0.99, reason="Look.")]
    verdict, decided_by = judge_file([track("no_manipulation_found", 0.02), *tracks, track("inconclusive")], ["A note."])
    assert (verdict.state, verdict.method, verdict.confidence, decided_by) == ("manipulated", "stylegan2", 0.99, 2)
    assert verdict.reasons == ("2 of 4 faces look manipulated.", "Look.", "A note.")


def test_an_open_question_keeps_a_file_from_being_cleared() -> None:
    verdict, decided_by = judge_file([track("no_manipulation_found", 0.02), track("inconclusive", reason="Blurred.")], [])
    assert (verdict.state, decided_by) == ("inconclusive", 1)
    assert verdict.reasons == ("1 of 2 faces are inconclusive.", "Blurred.")


def test_all_clear_has_the_least_confidence() -> None:
    verdict, decided_by = judge_file([track("no_manipulation_found", 0.02), track("no_manipulation_found", 0.07)], ["A note."])
    assert decided_by is None
    assert verdict.state == "no_manipulation_found"
    assert verdict.confidence == pytest.approx(0.93)
    assert verdict.reasons == ("A note.",)


def test_a_cleared_clip_says_how_short_a_manipulation_may_be_missed() -> None:
    cleared = [replace(track("no_manipulation_found", 0.02), missed_seconds=seconds) for seconds in (0.4, 3.9)]
    assert judge_file(cleared, [])[0].reasons == ("A manipulation shorter than 3.9 s may have been missed.",)


@pytest.mark.parametrize(("minor", "min_faces"), [({"side": 40}, 1), ({"faces": 1}, 3)])
def test_a_minor_face_that_cannot_be_judged_is_named_but_does_not_decide(minor: dict[str, Any], min_faces: int) -> None:
    verdict, decided_by = judge_file([track("no_manipulation_found", 0.02), track("inconclusive", **minor)], [], min_faces)
    assert verdict.state == "no_manipulation_found"
    assert "1 smaller or briefly seen of 2 faces could not be judged." in verdict.reasons
    assert judge_file([track("inconclusive", **minor)], [], min_faces)[0].state == "inconclusive"
    assert decided_by is None


@pytest.mark.parametrize(
    ("p", "minor"), [(0.71, {"side": 40}), (0.95, {"side": 40}), (0.71, {"faces": 3}), (0.3, {"side": 40, "faces": 3})]
)
def test_a_file_is_cleared_only_if_every_face_that_could_be_examined_is(p: float, minor: dict[str, Any]) -> None:
    """However small or briefly seen: what was looked at and is not cleared is named with its figure."""
    small = track("inconclusive", p, reason="Not sure.", examined=3, **minor)
    verdict, decided_by = judge_file([track("no_manipulation_found", 0.02), track("no_manipulation_found", 0.03), small], ["A note."], 3)
    assert (verdict.state, decided_by) == ("inconclusive", 2)
    assert verdict.reasons[0].startswith("Face 3 of 3 keeps this file from being cleared")
    assert f"{p:.0%}".replace("%", " %") in verdict.reasons[0]
    assert verdict.reasons[1:] == ("Not sure.", "A note.")


def test_a_face_that_looks_manipulated_in_too_few_views_keeps_a_file_from_being_cleared() -> None:
    brief = track("inconclusive", 0.97, side=40, faces=2, reason="Only 2 views.", examined=2)
    verdict, decided_by = judge_file([track("no_manipulation_found", 0.02), brief], [], 3, above=0.9)
    assert (verdict.state, decided_by) == ("inconclusive", 1)
    assert verdict.reasons[0].startswith("Face 2 of 2 keeps this file from being cleared")
    assert judge_file([track("no_manipulation_found", 0.02), brief], [], 3, above=0.98)[0].state == "no_manipulation_found"


def test_the_reason_is_that_of_a_face_that_could_be_examined() -> None:
    """The probability of one that could not means nothing."""
    blurred, large_blurred = track("inconclusive", 0.99, 27, reason="Small."), track("inconclusive", 0.1, 90, reason="Blurred.")
    verdict, decided_by = judge_file([blurred, large_blurred, track("inconclusive", 0.4, examined=10, reason="Not sure.")], [])
    assert (verdict.reasons[1], decided_by) == ("Not sure.", 2)
    verdict, decided_by = judge_file([blurred, large_blurred], [])
    assert (verdict.reasons[1], decided_by) == ("Blurred.", 1)
