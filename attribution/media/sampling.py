"""Which frames of a clip are looked at: evenly in presentation time over the whole clip, on true timestamps."""

from bisect import bisect_left
from collections.abc import Sequence


def evenly_in_time(times: Sequence[float], most: int) -> list[int]:
    """Indices (ascending, distinct, at most `most`) of ascending `times` nearest to evenly spaced moments, first and last included.

    Where timestamps leave such gaps that fewer than half of `most` would come out (one wild timestamp does), every n-th instead."""
    if len(times) <= most:
        return list(range(len(times)))
    if most == 1:
        return [0]
    chosen: list[int] = []
    span = times[-1] - times[0]
    for step in range(most):
        moment = times[0] + span * step / (most - 1)
        after = min(bisect_left(times, moment), len(times) - 1)
        nearest = after - 1 if after and moment - times[after - 1] <= times[after] - moment else after
        if not chosen or nearest > chosen[-1]:
            chosen.append(nearest)
    if 2 * len(chosen) < most:
        return [round(step * (len(times) - 1) / (most - 1)) for step in range(most)]
    return chosen


def apart(times: Sequence[float], most: float) -> list[int]:
    """Indices of ascending `times`, as few as leave no more than `most` between two: more only where the times themselves do."""
    chosen = [0]
    for index in range(1, len(times)):
        if index + 1 == len(times) or times[index + 1] - times[chosen[-1]] > most:
            chosen.append(index)
    return chosen


class Wanted:
    """Takes decoded frames in order of time and says which to keep.

    A chosen time that never comes (its frame was lost) is served by the next frame that does, once; frames whose time does not move
    forward are passed over.
    """

    def __init__(self, times: Sequence[int]) -> None:
        self._waiting = sorted(times, reverse=True)
        self._last: int | None = None

    @property
    def finished(self) -> bool:
        return not self._waiting

    def takes(self, time: int) -> bool:
        """Whether the frame shown at `time` is to be kept."""
        if not self._waiting or time < self._waiting[-1] or (self._last is not None and time <= self._last):
            return False
        while self._waiting and self._waiting[-1] <= time:
            self._waiting.pop()
        self._last = time
        return True
