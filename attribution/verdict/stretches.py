"""Stretches of time: where a track's p_manipulated stays high. Works on N values in order of time and their N times in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# A hole this many times as long as the usual step between two faces was not looked into: no stretch reaches across it.
_GAP_STEPS = 3


@dataclass(frozen=True)
class Stretch:
    """Faces `first` to `last` (both included) and the median of their values."""

    first: int
    last: int
    median: float

    @property
    def faces(self) -> int:
        return self.last - self.first + 1


def stretch(values: np.ndarray, first: int, last: int) -> Stretch:
    return Stretch(first, last, float(np.median(values[first : last + 1])))


def median_of_three(values: np.ndarray) -> np.ndarray:
    """Each value replaced by the median of itself and its two neighbours; the ends stay. N values → N."""
    if len(values) < 3:
        return values.copy()
    inner = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return np.concatenate([values[:1], inner, values[-1:]])


def sustained(values: np.ndarray, seconds: np.ndarray, above: float, min_faces: int, min_seconds: float) -> list[Stretch]:
    """Every sustained stretch at or above `above`, in order of time: values that stay there once single outliers are smoothed away,
    that begin and end with a face that is itself there, with `min_faces` such faces over `min_seconds`."""
    high = values >= above
    stays = median_of_three(values) >= above
    found = []
    for start, end in _segments(seconds):
        for first, last in _runs(stays, start, end):
            there = np.flatnonzero(high[first : last + 1]) + first
            if len(there) >= min_faces and seconds[there[-1]] - seconds[there[0]] >= min_seconds:
                found.append(stretch(values, int(there[0]), int(there[-1])))
    return found


def worst(values: np.ndarray, seconds: np.ndarray, min_faces: int, min_seconds: float) -> Stretch:
    """The shortest sustained stretch with the highest median (then mean); the whole track where none is long enough."""
    best, height = None, (-1.0, -1.0)
    for start, end in _segments(seconds):
        for first in range(start, end + 1):
            long_enough = [last for last in range(first + min_faces - 1, end + 1) if seconds[last] - seconds[first] >= min_seconds]
            if not long_enough:
                break
            candidate = stretch(values, first, long_enough[0])
            reached = (candidate.median, float(values[first : candidate.last + 1].mean()))
            if reached > height:
                best, height = candidate, reached
    return best or stretch(values, 0, len(values) - 1)


def _segments(seconds: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last face of each part of the track without a hole."""
    steps = np.diff(seconds)
    holes = np.flatnonzero(steps > _GAP_STEPS * np.median(steps)) if len(steps) else np.empty(0, dtype=int)
    firsts = [0, *(int(hole) + 1 for hole in holes)]
    lasts = [*(int(hole) for hole in holes), len(seconds) - 1]
    return zip(firsts, lasts, strict=True)


def _runs(flags: np.ndarray, start: int, end: int) -> Iterator[tuple[int, int]]:
    """First and last index of each run of true flags between `start` and `end`."""
    first: int | None = None
    for index in range(start, end + 2):
        on = index <= end and bool(flags[index])
        if on and first is None:
            first = index
        elif not on and first is not None:
            yield first, index - 1
            first = None
