"""Detections of faces in single frames → one tracklet per identity over time, and what fills the frames between them.

Association is the usual one of tracking by detection (Bewley et al. 2016, Simple Online and Realtime Tracking): constant velocity, one
cost per pair of tracklet and detection, the cheapest assignment of all (Hungarian method). The cost adds how alike the two look, so that a
cut to another person at the same place starts a tracklet of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

LONGEST_GAP_SECONDS = 1.5
"""A face that was out of sight for longer starts a new tracklet."""
MOST_GROWTH = 1.0
"""Octaves by which a face may grow or shrink from one detection to the next."""
# Of 1,500 pairs of different people 12 % look more alike than 0.4 and 1 % more than 0.6; of 500 faces that were shifted, turned, scaled,
# blurred and lit differently 0.2 % look less like themselves than 0.55.
SAME_FACE = 0.4
_SAME_FACE_ELSEWHERE = 0.6
_FARTHEST_HEIGHTS = 1.5
_STEADY_SPEED_SECONDS, _UNSTEADY_SPEED_SECONDS = 0.4, 1.0
_NO_MATCH = 1e6
_SURE_OF_FACE = 0.95
_NEAR_GUESS, _SAME_PLACE = 0.3, 0.5
_LOOK_SIDE_PX, _LOOK_REACH = 16, 1.3
_FLAT_GREYS = 3.0
_SAME_SCENE = 0.5


@dataclass(frozen=True, repr=False)
class Detection:
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


Tracklet = list[Detection]
"""The detections of one identity in order of time."""


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
    # Stronger colours than most pictures have share the outermost bins.
    lab = np.clip(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), (0, 96, 96), (255, 175, 175)).astype(np.uint8)
    colours = np.sqrt(cv2.calcHist([lab], [0, 1, 2], None, [8, 16, 16], [0, 256, 96, 176, 96, 176]).ravel())
    halves = [shape / np.linalg.norm(shape), colours / np.linalg.norm(colours)]
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


def overlap(some: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union (0..1) of boxes (…×4) with a box (4)."""
    sides = np.minimum(some[..., 2:], other[2:]) - np.maximum(some[..., :2], other[:2])
    both = np.prod(np.maximum(sides, 0), axis=-1)
    return both / (np.prod(some[..., 2:] - some[..., :2], axis=-1) + np.prod(other[2:] - other[:2]) - both)


def hasty(tracklets: Sequence[Tracklet], keys: Sequence[int], cuts: set[int]) -> list[int]:
    """Frames to look for faces in beside the key frames: those between two keys of a scene where one tracklet is lost and another comes up,
    as that may be one face that moves too fast."""
    there: dict[int, set[int]] = {key: set() for key in keys}
    for index, tracklet in enumerate(tracklets):
        for detection in tracklet:
            there[detection.frame].add(index)
    return [
        frame
        for one, other in pairwise(keys)
        if there[one] - there[other] and there[other] - there[one] and not cut_between(one, other, cuts)
        for frame in range(one + 1, other)
    ]


def link(detections: Sequence[Sequence[Detection]], keys: Sequence[int], cuts: set[int]) -> list[Tracklet]:
    """Tracklets from the detections in each key frame, given in order of time. Every detection is in one."""
    tracklets: list[Tracklet] = []
    before = -1
    for key, seen in zip(keys, detections, strict=True):
        now = seen[0].seconds if seen else 0.0
        alive = [tracklet for tracklet in tracklets if tracklet[-1].frame == before or now - tracklet[-1].seconds <= LONGEST_GAP_SECONDS]
        taken = set()
        if seen and alive:
            costs = np.stack([_costs(tracklet, seen, cuts) for tracklet in alive])
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < _NO_MATCH:
                    alive[row].append(seen[column])
                    taken.add(column)
        tracklets += [[detection] for column, detection in enumerate(seen) if column not in taken]
        before = key
    return tracklets


def stitch(tracklets: Sequence[Tracklet], cuts: set[int]) -> list[Tracklet]:
    """The tracklets of which one goes on where another was lost, joined: the face was out of sight or hidden for a while."""
    costs = np.full((len(tracklets), len(tracklets)), _NO_MATCH)
    for row, tracklet in enumerate(tracklets):
        last = tracklet[-1]
        for column, (first, *_) in enumerate(tracklets):
            if first.frame > last.frame and first.seconds - last.seconds <= LONGEST_GAP_SECONDS:
                costs[row, column] = _costs(tracklet, [first], cuts)[0]
    goes_on = {row: column for row, column in zip(*linear_sum_assignment(costs), strict=True) if costs[row, column] < _NO_MATCH}
    joined = []
    for row in sorted(set(range(len(tracklets))) - set(goes_on.values())):
        whole, at = list(tracklets[row]), goes_on.get(row)
        while at is not None:
            whole += tracklets[at]
            at = goes_on.get(at)
        joined.append(whole)
    return joined


def _costs(tracklet: Tracklet, seen: Sequence[Detection], cuts: set[int]) -> np.ndarray:
    """What it costs to go on with a tracklet at each of the detections in a later frame: distance in face heights, growth in octaves, and
    how unlike they look."""
    last = tracklet[-1]
    boxes = np.stack([one.box for one in seen])
    alike = np.stack([one.look for one in seen]) @ last.look
    growth = np.abs(np.log2((boxes[:, 3] - boxes[:, 1]) / last.height_px))
    cut = cut_between(last.frame, seen[0].frame, cuts)
    predicted = last.box if cut else last.box + np.tile(way(tracklet, seen[0].seconds), 2)
    apart = (boxes[:, :2] + boxes[:, 2:] - predicted[:2] - predicted[2:]) / 2
    away = np.linalg.norm(apart, axis=1) / np.sqrt(last.height_px * (boxes[:, 3] - boxes[:, 1]))
    touching = np.maximum(overlap(boxes, predicted), overlap(boxes, last.box)) > 0
    least_alike = np.where(cut | ~touching, _SAME_FACE_ELSEWHERE, SAME_FACE)
    possible = (away <= _FARTHEST_HEIGHTS) & (growth <= MOST_GROWTH) & (alike >= least_alike) & (touching | (not cut))
    return np.where(possible, away + growth + 2 * (1 - alike), _NO_MATCH)


def way(tracklet: Tracklet, seconds: float) -> np.ndarray:
    """How far (x, y) the face has gone since its last detection if it goes on as it did before it. Time may run backwards."""
    last = tracklet[-1]
    before = next((one for one in tracklet[-2::-1] if abs(last.seconds - one.seconds) >= _STEADY_SPEED_SECONDS), tracklet[0])
    passed = last.seconds - before.seconds
    if not 0 < abs(passed) <= LONGEST_GAP_SECONDS:
        return np.zeros(2)
    ahead = float(np.clip(seconds - last.seconds, -_UNSTEADY_SPEED_SECONDS, _UNSTEADY_SPEED_SECONDS))
    return (last.centre - before.centre) * ahead / passed


def whose(nearest: Sequence[Detection], seen: Sequence[Detection]) -> dict[int, int]:
    """Which of the tracklets, by a detection of each that is near in time, goes on at which of the faces in another frame."""
    if not nearest or not seen:
        return {}
    costs = np.stack([_costs([one], seen, set()) for one in nearest])
    return {int(row): int(column) for row, column in zip(*linear_sum_assignment(costs), strict=True) if costs[row, column] < _NO_MATCH}


def unseen(tracklet: Tracklet, chosen: Sequence[Detection], seconds: Sequence[float], end: float) -> tuple[float, ...]:
    """How long the face may have been in sight without one of its `chosen` detections: before the first, between two and after the last.
    `seconds` are the times of all frames that were sampled, `end` that of the clip's end."""
    steps = [*(other - one for one, other in pairwise(seconds)), max(0.0, end - seconds[-1])]
    there = [one.frame for one in tracklet]

    def between(one: Detection, other: Detection) -> float:
        # Where it was out of sight in between, it may have been there from one frame to the next.
        passed_over = any(one.frame < frame < other.frame for frame in there)
        return other.seconds - one.seconds if passed_over else max(steps[one.frame : other.frame])

    first, last = chosen[0].frame, chosen[-1].frame
    inner = (between(one, other) for one, other in pairwise(chosen))
    return steps[first - 1] if first else seconds[0], *inner, steps[last]


def cut_between(one: int, other: int, cuts: set[int]) -> bool:
    return any(i in cuts for i in range(min(one, other) + 1, max(one, other) + 1))


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
        run.append(Guess(frame, last.box + np.tile(way(tracklet, seconds[frame]), 2), last))
    return run


def fill(tracklets: Sequence[Tracklet], runs: Sequence[tuple[int, Sequence[tuple[Guess, Detection | None]]]]) -> list[Tracklet]:
    """The tracklets with what was seen at their guesses; `runs` holds a tracklet's number and one of its runs of guesses with their
    outcomes.

    A run ends where nothing is seen, or something that is far from the guess, of another size or unlike the tracklet's face. No two
    tracklets may hold the same face: found faces come first, then those that are most like their own tracklet's.
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


def prominence(tracklet: Tracklet) -> float:
    """Largest height × number of detections."""
    return max(one.height_px for one in tracklet) * len(tracklet)


def is_glimpse(tracklet: Tracklet, cuts: set[int], frames: int) -> bool:
    """A doubtful detection in a single frame of a scene of three or more: a face would have been seen again."""
    if len(tracklet) > 1 or tracklet[0].p_face >= _SURE_OF_FACE:
        return False
    starts = [0, *sorted(cuts), frames]
    return any(first <= tracklet[0].frame < end and end - first >= 3 for first, end in pairwise(starts))


def spread(tracklet: Tracklet, most: int) -> Tracklet:
    """At most `most` detections, evenly spread over the tracklet's time, its first and last among them."""
    if len(tracklet) <= most:
        return tracklet
    if most == 1:
        return [tracklet[len(tracklet) // 2]]
    times = np.array([one.seconds for one in tracklet])
    chosen: list[int] = []
    for rank, wanted in enumerate(np.linspace(times[0], times[-1], most)):
        # Each takes the nearest that leaves one for everyone who comes later.
        first, end = (chosen[-1] + 1 if chosen else 0), len(tracklet) - (most - 1 - rank)
        chosen.append(first + int(np.abs(times[first:end] - wanted).argmin()))
    return [tracklet[index] for index in chosen]
