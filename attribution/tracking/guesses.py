"""Where a trail's faces should be in the frames in which nobody looked for them, and what became of those guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from attribution.tracking.trails import LONGEST_GAP_SECONDS, MOST_GROWTH, SAME_FACE, Sighting, Trail, cut_between, overlap, way

_NEAR_GUESS = 0.3
_SAME_PLACE = 0.5


@dataclass(frozen=True)
class Guess:
    """Where a trail's face should be in a frame in which nobody looked for it; `near` is the trail's nearest sighting in time."""

    frame: int
    box: np.ndarray
    near: Sighting


def guesses(trail: Trail, keys: Sequence[int], seconds: Sequence[float], cuts: set[int]) -> list[list[Guess]]:
    """Runs of guesses, each going away from a sighting: linear between two sightings of a scene, and at constant velocity up to and with
    the next key frame before the first and after the last sighting of a scene."""
    runs: list[list[Guess]] = []
    for one, other in pairwise(trail):
        if cut_between(one.frame, other.frame, cuts):
            runs += [_onwards([one], keys, seconds, cuts), _onwards([other], keys, seconds, cuts, back=True)]
            continue
        for frame in range(one.frame + 1, other.frame):
            share = (seconds[frame] - one.seconds) / max(other.seconds - one.seconds, 1e-9)
            runs.append([Guess(frame, one.box + share * (other.box - one.box), one if share < 0.5 else other)])
    runs += [_onwards(trail, keys, seconds, cuts), _onwards(trail[::-1], keys, seconds, cuts, back=True)]
    return [run for run in runs if run]


def _onwards(trail: Trail, keys: Sequence[int], seconds: Sequence[float], cuts: set[int], back: bool = False) -> list[Guess]:
    """Guesses from the last sighting of `trail` away, up to and with the next key frame of its scene."""
    last = trail[-1]
    step = -1 if back else 1
    beyond = [key for key in keys if (key - last.frame) * step > 0]
    end = (max(beyond) if back else min(beyond)) if beyond else last.frame
    run = []
    for frame in range(last.frame + step, end + step, step):
        if cut_between(last.frame, frame, cuts) or abs(seconds[frame] - last.seconds) > LONGEST_GAP_SECONDS:
            break
        moved = last.box + np.tile(way(trail, seconds[frame]), 2)
        run.append(Guess(frame, moved, last))
    return run


def fill(trails: Sequence[Trail], runs: Sequence[tuple[int, Sequence[tuple[Guess, Sighting | None]]]]) -> list[Trail]:
    """The trails with what was seen at their guesses; `runs` holds a trail's number and one of its runs of guesses with their outcomes.

    A run ends where nothing is seen, or something that is far from the guess, of another size or unlike the trail's face. No two trails
    may hold the same face: found faces come first, then those that are most like their own trail's.
    """
    seen: list[tuple[float, int, Sighting]] = []
    for index, run in runs:
        for guess, sighting in run:
            alike = _believable(guess, sighting) if sighting is not None else 0.0
            if sighting is None or not alike:
                break
            seen.append((alike, index, sighting))
    filled = [list(trail) for trail in trails]
    by_frame: dict[int, list[tuple[int, np.ndarray]]] = {}
    for index, trail in enumerate(trails):
        for sighting in trail:
            by_frame.setdefault(sighting.frame, []).append((index, sighting.box))
    for _, index, sighting in sorted(seen, key=lambda one: (-one[0], one[1], one[2].frame)):
        others = by_frame.setdefault(sighting.frame, [])
        if all(other != index and overlap(box, sighting.box) <= _SAME_PLACE for other, box in others):
            others.append((index, sighting.box))
            filled[index].append(sighting)
    return [sorted(trail, key=lambda one: one.frame) for trail in filled]


def _believable(guess: Guess, sighting: Sighting) -> float:
    """How alike the sighting at a guess and the trail's face are; 0 when it is not that face."""
    growth = abs(float(np.log2(max(sighting.height_px, 1e-9) / guess.near.height_px)))
    alike = float(guess.near.look @ sighting.look)
    return alike if overlap(guess.box, sighting.box) > _NEAR_GUESS and growth < MOST_GROWTH and alike >= SAME_FACE else 0.0
