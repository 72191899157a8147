"""Sightings of faces in single frames → one trail per identity over time. Numbers only: nothing here knows a network.

Association is the usual one of tracking by detection (Bewley et al. 2016, Simple Online and Realtime Tracking): constant velocity, one
cost per pair of trail and sighting, the cheapest assignment of all (Hungarian method). The cost adds how alike the two look, so that a
cut to another person at the same place starts a trail of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

LONGEST_GAP_SECONDS = 1.5
"""A face that was out of sight for longer starts a new trail."""

_LOOK_SIDE_PX = 16
_LOOK_REACH = 1.3
_FLAT_GREYS = 3.0
_SAME_SCENE = 0.5
# Of 1,500 pairs of different people 12 % look more alike than 0.4 and 1 % more than 0.6; of 500 faces that were shifted, turned, scaled,
# blurred and lit differently 0.2 % look less like themselves than 0.55.
_SAME_FACE = 0.4
_SAME_FACE_ELSEWHERE = 0.6
_FARTHEST_HEIGHTS = 1.5
_MOST_GROWTH = 1.0
_UNSTEADY_SPEED_SECONDS = 1.0
_NO_MATCH = 1e6
_SURE_OF_FACE = 0.95
_NEAR_GUESS = 0.3
_SAME_PLACE = 0.5


@dataclass(frozen=True, repr=False)
class Sighting:
    """A face in the frame that is `frame`-th in order of time.

    `box` 4 and `landmarks` 5×2 float, in original pixels; the box is as it was found and may reach beyond the picture. `look` is what
    `look` gives for it.
    """

    frame: int
    seconds: float
    box: np.ndarray
    landmarks: np.ndarray
    p_face: float
    look: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        return (self.box[:2] + self.box[2:]) / 2

    @property
    def height_px(self) -> float:
        return float(self.box[3] - self.box[1])

    def __repr__(self) -> str:
        return f"Sighting(frame {self.frame}, box {np.round(self.box).astype(int).tolist()}, p {self.p_face:.3f})"


Trail = list[Sighting]
"""The sightings of one identity in order of time."""


def look(rgb: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
    """What the area around a box (x0, y0, x1, y1 in pixels of `rgb`; None: the whole picture) looks like, as a unit vector.

    The product of two looks is how alike they are, at most 1: the mean of the correlation of their 16×16 luma and of the Bhattacharyya
    coefficient of their Lab colour histograms (8×16×16).
    """
    if box is not None:
        reach = _LOOK_REACH / 2 * max(box[2] - box[0], box[3] - box[1])
        (x, y), (height, width) = (box[:2] + box[2:]) / 2, rgb.shape[:2]
        x0, y0 = int(np.clip(x - reach, 0, width - 1)), int(np.clip(y - reach, 0, height - 1))
        rgb = rgb[y0 : max(int(y + reach), y0 + 1), x0 : max(int(x + reach), x0 + 1)]
    small = cv2.resize(rgb, (4 * _LOOK_SIDE_PX, 4 * _LOOK_SIDE_PX), interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(cv2.resize(small, (_LOOK_SIDE_PX, _LOOK_SIDE_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    # The constant makes two even areas alike instead of correlating their noise.
    shape = np.append(luma.astype(np.float32).ravel() - luma.mean(), _FLAT_GREYS * _LOOK_SIDE_PX)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    colours = np.sqrt(cv2.calcHist([lab], [0, 1, 2], None, [8, 16, 16], [0, 256, 96, 176, 96, 176]).ravel())
    halves = [shape / np.linalg.norm(shape), colours / max(float(np.linalg.norm(colours)), 1e-9)]
    return (np.concatenate(halves) / np.sqrt(2)).astype(np.float32)


def scene_cuts(frames: Sequence[np.ndarray]) -> set[int]:
    """The i for which frame i shows another scene than frame i − 1. Frames H×W×3 uint8 in order of time."""
    looks = [look(rgb) for rgb in frames]
    return {i for i in range(1, len(looks)) if float(looks[i] @ looks[i - 1]) < _SAME_SCENE}


def key_frames(seconds: Sequence[float], cuts: set[int], at_most_seconds: float) -> list[int]:
    """Which frames to look for faces in: the first and the last of every scene, and between them one at least every `at_most_seconds`,
    or every frame where frames lie farther apart."""
    keys: list[int] = []
    for i in range(len(seconds)):
        first, last = i == 0 or i in cuts, i + 1 == len(seconds) or i + 1 in cuts
        if first or last or seconds[i + 1] - seconds[keys[-1]] > at_most_seconds:
            keys.append(i)
    return keys


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes, 0..1."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return both / max(areas - both, 1e-9)


def link(sightings: Sequence[Sequence[Sighting]], keys: Sequence[int], cuts: set[int]) -> list[Trail]:
    """Trails from the sightings in each key frame, given in order of time. Every sighting is in one."""
    trails: list[Trail] = []
    before = -1
    for key, seen in zip(keys, sightings, strict=True):
        if not seen:
            before = key
            continue
        now = seen[0].seconds
        alive = [trail for trail in trails if trail[-1].frame == before or now - trail[-1].seconds <= LONGEST_GAP_SECONDS]
        costs = np.array([[_cost(trail, sighting, cuts) for sighting in seen] for trail in alive]).reshape(len(alive), len(seen))
        taken = set()
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            if costs[row, column] < _NO_MATCH:
                alive[row].append(seen[column])
                taken.add(column)
        trails += [[sighting] for column, sighting in enumerate(seen) if column not in taken]
        before = key
    return trails


def _cost(trail: Trail, sighting: Sighting, cuts: set[int]) -> float:
    last = trail[-1]
    cut = _cut_between(last.frame, sighting.frame, cuts)
    height = np.sqrt(last.height_px * sighting.height_px)
    predicted = last.box if cut else last.box + np.tile(_way(trail, sighting.seconds), 2)
    away = float(np.linalg.norm((predicted[:2] + predicted[2:]) / 2 - sighting.centre)) / height
    growth = abs(float(np.log2(sighting.height_px / last.height_px)))
    alike = float(last.look @ sighting.look)
    touching = max(overlap(predicted, sighting.box), overlap(last.box, sighting.box)) > 0
    least_alike = _SAME_FACE_ELSEWHERE if cut or not touching else _SAME_FACE
    if away > _FARTHEST_HEIGHTS or growth > _MOST_GROWTH or alike < least_alike or (cut and not touching):
        return _NO_MATCH
    return away + growth + 2 * (1 - alike)


def _way(trail: Trail, seconds: float) -> np.ndarray:
    """How far (x, y) the face has gone since its last sighting if it goes on as it did before it. Time may run backwards."""
    last, before = trail[-1], trail[-2] if len(trail) > 1 else trail[-1]
    passed = last.seconds - before.seconds
    if not 0 < abs(passed) <= LONGEST_GAP_SECONDS:
        return np.zeros(2)
    ahead = float(np.clip(seconds - last.seconds, -_UNSTEADY_SPEED_SECONDS, _UNSTEADY_SPEED_SECONDS))
    return (last.centre - before.centre) * ahead / passed


def _cut_between(one: int, other: int, cuts: set[int]) -> bool:
    return any(i in cuts for i in range(min(one, other) + 1, max(one, other) + 1))


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
        if _cut_between(one.frame, other.frame, cuts):
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
        if _cut_between(last.frame, frame, cuts) or abs(seconds[frame] - last.seconds) > LONGEST_GAP_SECONDS:
            break
        moved = last.box + np.tile(_way(trail, seconds[frame]), 2)
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
    return alike if overlap(guess.box, sighting.box) > _NEAR_GUESS and growth < _MOST_GROWTH and alike >= _SAME_FACE else 0.0


def prominence(trail: Trail) -> float:
    """Largest height × number of sightings."""
    return max(one.height_px for one in trail) * len(trail)


def is_glimpse(trail: Trail, cuts: set[int], frames: int) -> bool:
    """A doubtful sighting in a single frame of a scene of three or more: a face would have been seen again."""
    if len(trail) > 1 or trail[0].p_face >= _SURE_OF_FACE:
        return False
    starts = [0, *sorted(cuts), frames]
    return any(first <= trail[0].frame < end and end - first >= 3 for first, end in pairwise(starts))


def spread(trail: Trail, most: int) -> Trail:
    """At most `most` sightings, evenly spread over the trail's time, its first and last among them."""
    if len(trail) <= most:
        return trail
    if most == 1:
        return [trail[len(trail) // 2]]
    times = np.array([one.seconds for one in trail])
    chosen: list[int] = []
    for rank, wanted in enumerate(np.linspace(times[0], times[-1], most)):
        # Each takes the nearest that leaves one for everyone who comes later.
        first, end = (chosen[-1] + 1 if chosen else 0), len(trail) - (most - 1 - rank)
        chosen.append(first + int(np.abs(times[first:end] - wanted).argmin()))
    return [trail[index] for index in chosen]
