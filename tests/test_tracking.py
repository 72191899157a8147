"""Trails of detections: nothing here needs a network, so every case is drawn by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from attribution.faces.tracker import (
    Detection,
    Guess,
    Tracklet,
    fill,
    guesses,
    hasty,
    is_glimpse,
    key_frames,
    link,
    look,
    scene_cuts,
    spread,
    stitch,
    unseen,
    whose,
)

STEP_SECONDS = 0.5


def scene(seed: int, height: int = 90, width: int = 160) -> np.ndarray:
    """A picture of large coloured patches."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return patches[np.arange(height) * 6 // height][:, np.arange(width) * 8 // width]


PEOPLE = {name: look(scene(seed)) for seed, name in enumerate("ABCD")}


def detection(
    frame: int, x: float, y: float = 100, who: str = "A", size: float = 50, seconds: float | None = None, p_face: float = 0.99
) -> Detection:
    box = np.array([x - 0.4 * size, y - 0.5 * size, x + 0.4 * size, y + 0.5 * size])
    return Detection(frame, frame * STEP_SECONDS if seconds is None else seconds, box, np.zeros((5, 2)), p_face, PEOPLE[who])


def linked(frames: dict[int, list[Detection]], cuts: set[int] | None = None) -> list[list[tuple[int, float]]]:
    """Frame and centre of every detection, by tracklet."""
    keys = sorted(frames)
    return [
        [(one.frame, float(one.centre[0])) for one in tracklet] for tracklet in link([frames[key] for key in keys], keys, cuts or set())
    ]


def test_different_people_look_different_and_the_same_person_alike() -> None:
    assert all(np.isclose(np.linalg.norm(each), 1, atol=1e-5) for each in PEOPLE.values())
    assert max(float(PEOPLE[a] @ PEOPLE[b]) for a in PEOPLE for b in PEOPLE if a != b) < 0.4
    darker = (scene(0) * 0.9).astype(np.uint8)
    assert float(look(darker) @ PEOPLE["A"]) > 0.7


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)])
def test_even_pictures_look_like_themselves(colour: tuple[int, int, int]) -> None:
    even = np.full((40, 60, 3), colour, dtype=np.uint8)
    noisy = np.clip(even.astype(int) + np.random.default_rng(0).integers(-1, 2, even.shape), 0, 255).astype(np.uint8)
    assert float(look(even) @ look(even)) == pytest.approx(1, abs=1e-5)
    assert float(look(even) @ look(noisy)) > 0.6
    assert scene_cuts([even, even, noisy]) == set()


def test_cuts_are_where_the_scene_changes() -> None:
    moved = np.roll(scene(0), 6, axis=1)
    assert scene_cuts([scene(0), moved, scene(1), scene(1), scene(0)]) == {2, 4}
    assert scene_cuts([scene(0)]) == set()
    assert scene_cuts([]) == set()


def test_how_long_a_face_was_left_unseen() -> None:
    seconds = [0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0]
    trail = [detection(frame, 0, seconds=seconds[frame]) for frame in (1, 2, 3, 5)]
    # It came up after the first frame and went before the last, and was out of sight in one between.
    assert unseen(trail, trail, seconds, 5.0) == (0.5, 0.5, 1.0, 0.5, 1.0)
    assert unseen(trail, [trail[0], trail[3]], seconds, 5.0) == (0.5, 2.5, 1.0)
    assert unseen(trail[3:], trail[3:], seconds[:6], 5.0) == (0.5, 2.0), "the clip goes on after its last frame"


def test_further_faces_go_to_whom_they_belong() -> None:
    near = [detection(0, 100, who="A"), detection(0, 300, who="B")]
    assert whose(near, [detection(1, 290, who="B"), detection(1, 110, who="A")]) == {0: 1, 1: 0}
    assert whose(near, [detection(1, 290, who="C")]) == {}, "another face"
    assert whose(near, []) == whose([], near) == {}


@pytest.mark.parametrize("seed", range(4))
def test_key_frames_leave_no_longer_hole_than_asked_for(seed: int) -> None:
    random = np.random.default_rng(seed)
    seconds = np.cumsum(random.uniform(0.01, 0.6, 50)).tolist()
    cuts = {int(cut) for cut in random.integers(1, 50, 4)}
    keys = key_frames(seconds, cuts, 0.7)
    assert keys == sorted(set(keys))
    assert {0, 49} <= set(keys)
    assert all(cut in keys and cut - 1 in keys for cut in cuts)
    assert all(seconds[b] - seconds[a] <= 0.7 for a, b in pairwise(keys))


def test_two_faces_that_cross_keep_their_tracklets() -> None:
    frames = {
        i: [detection(i, 100 + 20 * i, who="A"), detection(i, 300 - 20 * i, y=110, who="A")][:: 1 if i % 2 else -1] for i in range(11)
    }
    assert sorted(linked(frames)) == [[(i, 100 + 20 * i) for i in range(11)], [(i, 300 - 20 * i) for i in range(11)]]


def test_looks_decide_where_places_do_not() -> None:
    frames = {0: [detection(0, 100, who="A"), detection(0, 140, who="B")], 1: [detection(1, 120, who="B"), detection(1, 124, who="A")]}
    assert sorted(linked(frames)) == [[(0, 100), (1, 124)], [(0, 140), (1, 120)]]


@pytest.mark.parametrize(("lost_frames", "tracklets"), [(1, 1), (2, 1), (3, 2), (8, 2)])
def test_a_face_that_comes_back_soon_goes_on(lost_frames: int, tracklets: int) -> None:
    last = 3 + lost_frames
    frames = {i: [] if 2 < i < last else [detection(i, 100)] for i in range(last + 1)}
    assert len(linked(frames)) == tracklets


def test_more_frames_are_looked_at_where_a_face_may_have_moved_too_fast() -> None:
    keys = [0, 4, 8]
    lost = [[detection(0, 100)], [detection(4, 400), detection(8, 400)]]
    assert hasty(lost, keys, set()) == [1, 2, 3]
    assert hasty(lost, keys, {2}) == []
    assert hasty([[detection(0, 100), detection(4, 100)], [detection(4, 400)]], keys, set()) == []
    assert hasty([[detection(0, 100), detection(8, 100)], [detection(4, 400)]], keys, set()) == [1, 2, 3, 5, 6, 7]
    assert hasty(lost, list(range(9)), set()) == []


def test_guesses_between_two_detections_lie_on_the_line_in_time() -> None:
    tracklet = [detection(0, 100, seconds=0.0), detection(4, 180, size=100, seconds=1.0)]
    runs = guesses(tracklet, [0, 4], [0.0, 0.1, 0.5, 0.8, 1.0], set())
    assert [[guess.frame for guess in run] for run in runs] == [[1], [2], [3]]
    middle = runs[1][0]
    assert middle.box == pytest.approx((tracklet[0].box + tracklet[1].box) / 2)
    assert [run[0].near.frame for run in runs] == [0, 4, 4]


def test_guesses_go_on_to_the_next_key_frame_at_constant_speed_and_back() -> None:
    seconds = [0.1 * i for i in range(21)]
    tracklet = [detection(8, 100, seconds=0.8), detection(12, 140, seconds=1.2)]
    runs = guesses(tracklet, [0, 4, 8, 12, 16, 20], seconds, set())
    onwards, backwards = runs[-2:]
    assert [guess.frame for guess in onwards] == [13, 14, 15, 16]
    assert [guess.frame for guess in backwards] == [7, 6, 5, 4]
    assert [round(float(guess.box[0])) for guess in onwards] == [130, 140, 150, 160]
    assert [round(float(guess.box[0])) for guess in backwards] == [70, 60, 50, 40]


def test_no_guess_crosses_a_cut() -> None:
    seconds = [0.1 * i for i in range(9)]
    frames = [g.frame for run in guesses([detection(4, 100, seconds=0.4)], [0, 4, 8], seconds, {3, 6}) for g in run]
    assert sorted(frames) == [3, 5]
    across = guesses([detection(2, 100, seconds=0.2), detection(6, 100, seconds=0.6)], [2, 6], seconds, {4})
    assert all((guess.frame < 4) == (guess.near.frame < 4) for run in across for guess in run)


def at(guess_frame: int, x: float, near: Detection) -> Guess:
    return Guess(guess_frame, detection(guess_frame, x).box, near)


def test_a_run_ends_where_the_face_is_not_seen() -> None:
    first = detection(0, 100)
    run = [
        (at(1, 100, first), detection(1, 102)),
        (at(2, 100, first), None),
        (at(3, 100, first), detection(3, 101)),
    ]
    assert [one.frame for one in fill([[first]], [(0, run)])[0]] == [0, 1]


@pytest.mark.parametrize(
    "seen", [detection(1, 160), detection(1, 100, size=130), detection(1, 100, who="B")], ids=["far away", "larger", "another person"]
)
def test_what_is_not_the_tracklets_face_is_left_out(seen: Detection) -> None:
    first = detection(0, 100)
    assert fill([[first]], [(0, [(at(1, 100, first), seen)])]) == [[first]]


def test_two_tracklets_never_hold_the_same_face() -> None:
    one, other = detection(0, 100), detection(2, 100, who="B")
    shared = detection(1, 101)
    filled = fill([[other], [one]], [(0, [(at(1, 100, other), shared)]), (1, [(at(1, 100, one), shared)])])
    assert [[s.frame for s in tracklet] for tracklet in filled] == [[2], [0, 1]]
    known = [[detection(0, 100), detection(1, 100)], [detection(0, 200)]]
    near = known[1][0]
    assert fill(known, [(1, [(Guess(1, known[0][1].box, near), detection(1, 102))])]) == known


def test_tracklets_are_stitched_over_a_gap_and_no_further() -> None:
    before, after = [detection(i, 100 + 5 * i) for i in range(4)], [detection(i, 100 + 5 * i) for i in range(6, 9)]
    assert stitch([after, before], set()) == [before + after]
    late = [detection(i, 100) for i in range(12, 14)]
    assert sorted(map(len, stitch([before, late], set()))) == [2, 4]
    other = [detection(i, 125, who="B") for i in range(6, 9)]
    assert len(stitch([before, other], set())) == 2
    assert stitch([], set()) == []
    chain = [[detection(i, 100)] for i in range(5)]
    assert stitch(chain[::-1], set()) == [[one for tracklet in chain for one in tracklet]]


def test_a_doubtful_detection_counts_only_where_there_was_no_time_for_another() -> None:
    doubtful: Tracklet = [detection(5, 100, p_face=0.85)]
    assert is_glimpse(doubtful, set(), 20)
    assert not is_glimpse(doubtful, {5, 6}, 20)
    assert not is_glimpse(doubtful, {5, 7}, 20)
    assert is_glimpse(doubtful, {5, 8}, 20)
    assert not is_glimpse([detection(0, 100, p_face=0.85)], set(), 1)
    assert not is_glimpse([detection(5, 100, p_face=0.99)], set(), 20)
    assert not is_glimpse([*doubtful, detection(6, 100, p_face=0.85)], set(), 20)


@pytest.mark.parametrize("seed", range(3))
def test_a_spread_keeps_both_ends_and_leaves_no_great_hole(seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(0, 10, 60))
    tracklet = [detection(i, 100, seconds=float(second)) for i, second in enumerate(times)]
    most = int(random.integers(2, 40))
    chosen = spread(tracklet, most)
    assert len(chosen) == most
    assert (chosen[0], chosen[-1]) == (tracklet[0], tracklet[-1])
    assert [one.frame for one in chosen] == sorted({one.frame for one in chosen})
    gaps = np.diff([one.seconds for one in chosen])
    assert gaps.max() < 10 / (most - 1) + 2 * np.diff(times).max()
