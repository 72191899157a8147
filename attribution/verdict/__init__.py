"""Readings → verdict: calibration is already done, this is abstention, open set and time. numpy only.

The failure that counts most is a definite wrong answer: "manipulated" on an untouched face, "no manipulation found" on a manipulated
one. So two thresholds leave a gap in between; a face that is too small, blurred, dark or unlike anything the detector was trained on
gets no definite answer; and the nearest reference faces may veto the network.

What is said of a clip's track is said of its worst sustained interval, never of a mean over everything: a brief manipulation must not
be averaged away, and a single odd frame must not convict.
"""

from attribution.verdict.file import judge_file
from attribution.verdict.track import judge_track, negative_free_energy

__all__ = ["judge_file", "judge_track", "negative_free_energy"]
