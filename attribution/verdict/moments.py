"""Which moments of a clip deserve a closer look: those that look more manipulated than the rest of their track, until the answer is stable.

A track that is cleared or manipulated throughout has no such moments; one that was found manipulated for a while needs none. One that is
seen too briefly for an answer, and looks manipulated as far as it is seen, is such a moment itself.
"""

from collections.abc import Sequence

import numpy as np

from attribution.detectors.card import Thresholds
from attribution.evidence import TrackEvidence
from attribution.verdict.track import quality

Window = tuple[float, float, int]
"""Between which two moments (seconds) to look, and how many frames there."""

# A view stands out whose odds are this many times those of its track's middle. Of 160 views of what was untouched in four clips none had
# more than 1.6 times.
_TIMES_THE_ODDS = 4.0
_LOOKS, _WINDOWS = 8, 3
_LEAST_P = 1e-6


def worth_a_look(tracks: Sequence[TrackEvidence], thresholds: Thresholds) -> list[Window]:
    """At most three windows, the most suspicious moment's first: each from the examined view before it to the one after. None around views
    that lie so close already that a manipulation of the least length that counts would show in enough of them."""
    found: list[tuple[float, float, float]] = []
    for track in tracks:
        if track.track is None or track.verdict.state == "manipulated":
            continue
        good = [i for i, face in enumerate(track.track.faces) if not quality(face, thresholds)]
        if not good or not track.timeline:
            continue
        p = np.array([track.timeline[i].p_manipulated for i in good]).clip(_LEAST_P, 1 - _LEAST_P)
        odds, seconds = np.log(p / (1 - p)), [track.timeline[i].seconds for i in good]
        if len(good) < thresholds.min_faces_in_clip:
            before, *_, after = track.track.unseen_seconds or (0.0, 0.0)
            first, last = track.first_seconds - before, track.last_seconds + after
            if p.max() >= thresholds.p_manipulated_above and last > first:
                found.append((float(odds.max()), first, last))
            continue
        beyond = odds - np.median(odds)
        for at in np.flatnonzero((p > thresholds.p_manipulated_below) & (beyond >= np.log(_TIMES_THE_ODDS))):
            first, last = seconds[max(0, at - 1)], seconds[min(at + 1, len(good) - 1)]
            if last - first > 2 * thresholds.min_interval_seconds / max(1, thresholds.min_interval_faces - 1):
                found.append((float(beyond[at]), first, last))
    windows: list[Window] = []
    for _, first, last in sorted(found, reverse=True):
        if len(windows) < _WINDOWS and all(last <= begins or ends <= first for begins, ends, _ in windows):
            windows.append((first, last, _LOOKS))
    return windows
