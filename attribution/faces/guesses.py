"""Where a tracklet's faces should be in the frames in which nobody looked for them, and what became of those guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from attribution.faces.tracker import LONGEST_GAP_SECONDS, MOST_GROWTH, SAME_FACE, Detection, Tracklet, cut_between, overlap, way

_NEAR_GUESS = 0.3
_SAME_PLACE = 0.5


@dataclass(frozen=True)
class Guess:
    """Where a tracklet's face should be in a frame in which nobody looked for it; `near` is the tracklet's nearest detection in time."""

    frame: int
    box: np.ndarray
    near: Detection


def guesses(tracklet: Tracklet, keys: Sequence[int], seconds: Sequence[float], cuts: set[int]) -> list[list[Guess]]:
    """Runs of guesses, each going away from a detection: linear between two detections of a scene, and at constant velocity up to and with
    the next key frame before the first and after the last detection of a scene."""
    runs: list[list[Guess]] = []
    for one, other in pairwise(tracklet):
        if cut_between(one.frame, other.frame, cuts):
            runs += [_onwards([one], keys, seconds, cuts), _onwards([other], keys, seconds, cuts, back=True)]
            continue
        for frame in range(one.frame + 1, other.frame):
            share = (seconds[frame] - one.seconds) / max(other.seconds - one.seconds, 1e-9)
            runs.append([Guess(frame, one.box + share * (other.box - one.box), one if share < 0.5 else other)])
    runs += [_onwards(tracklet, keys, seconds, cuts), _onwards(tracklet[::-1], keys, seconds, cuts, back=True)]
    return [run for run in runs if run]


def _onwards(tracklet: Tracklet, keys: Sequence[int], seconds: Sequence[float], cuts: set[int], back: bool = False) -> list[Guess]:
    """Guesses from the last detection of `tracklet` away, up to and with the next key frame of its scene."""
    last = tracklet[-1]
    step = -1 if back else 1
    beyond = [key for key in keys if (key - last.frame) * step > 0]
    end = (max(beyond) if back else min(beyond)) if beyond else last.frame
    run = []
    for frame in range(last.frame + step, end + step, step):
        if cut_between(last.frame, frame, cuts) or abs(seconds[frame] - last.seconds) > LONGEST_GAP_SECONDS:
            break
        moved = last.box + np.tile(way(tracklet, seconds[frame]), 2)
        run.append(Guess(frame, moved, last))
    return run


def fill(tracklets: Sequence[Tracklet], runs: Sequence[tuple[int, Sequence[tuple[Guess, Detection | None]]]]) -> list[Tracklet]:
    """The tracklets with what was seen at their guesses; `runs` holds a tracklet's number and one of its runs of guesses with their outcomes.

    A run ends where nothing is seen, or something that is far from the guess, of another size or unlike the tracklet's face. No two tracklets
    may hold the same face: found faces come first, then those that are most like their own tracklet's.
    """
    seen: list[tuple[float, int, Detection]] = []
    for index, run in runs:
        for guess, detection in run:
            alike = _believable(guess, detection) if detection is not None else 0.0
            if detection is None or not alike:
                break
            seen.append((alike, index, detection))
    filled = [list(tracklet) for tracklet in tracklets]
    by_frame: dict[int, list[tuple[int, np.ndarray]]] = {}
    for index, tracklet in enumerate(tracklets):
        for detection in tracklet:
            by_frame.setdefault(detection.frame, []).append((index, detection.box))
    for _, index, detection in sorted(seen, key=lambda one: (-one[0], one[1], one[2].frame)):
        others = by_frame.setdefault(detection.frame, [])
        if all(other != index and overlap(box, detection.box) <= _SAME_PLACE for other, box in others):
            others.append((index, detection.box))
            filled[index].append(detection)
    return [sorted(tracklet, key=lambda one: one.frame) for tracklet in filled]


def _believable(guess: Guess, detection: Detection) -> float:
    """How alike the detection at a guess and the tracklet's face are; 0 when it is not that face."""
    growth = abs(float(np.log2(max(detection.height_px, 1e-9) / guess.near.height_px)))
    alike = float(guess.near.look @ detection.look)
    return alike if overlap(guess.box, detection.box) > _NEAR_GUESS and growth < MOST_GROWTH and alike >= SAME_FACE else 0.0
