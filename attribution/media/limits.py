"""What one file may cost. Every figure is a setting; the defaults suit a small shared server."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from attribution.evidence.checks import need


@dataclass(frozen=True)
class MediaLimits:
    """Limits on reading one file; all are at least 1. Files beyond the first three are refused with MediaTooLarge."""

    max_bytes: int = 512 * 2**20
    max_pixels: int = 100_000_000
    """Width × height of a picture, judged by its header before anything is decoded."""
    max_clip_pixels: int = 36_000_000
    """Width × height of a clip's frames: a little more than 8K."""
    seconds: float = 40.0
    """Wall-clock time of one request to the decoder (reading the file, or cutting faces from it); then it is killed."""
    memory_bytes: int = 1536 * 2**20
    """Address space of the decoder; half of it is for frames that wait to be cut."""
    frames: int = 64
    """Most frames sampled from an ordinary clip, evenly over its whole length."""
    frames_of_long_clip: int = 160
    """Most frames sampled from a long one: so many that at most `seconds_between` lie between two, as far as that goes."""
    seconds_between: float = 4.5
    closer_frames: int = 48
    """Most frames of a clip that are looked at beside these, around moments that deserve it; they may take an eighth of the memory."""
    key_frames_only_beyond_seconds: float = 60.0
    """Of longer clips mostly key frames are decoded, so that the time does not grow with the length."""
    picture_side_px: int = 1280
    """Longest side of any detection copy. Nothing is ever scaled up."""
    clip_side_px: int = 360
    """Short side of the detection copy of a clip's frame."""

    def frames_of(self, seconds: float) -> int:
        """How many frames of a clip of that length are to be sampled."""
        return max(self.frames, min(self.frames_of_long_clip, math.ceil(seconds / self.seconds_between) + 1))

    @property
    def most_frames(self) -> int:
        """The most frames that are sampled from any clip, before some moments are looked at more closely."""
        return max(self.frames, self.frames_of_long_clip)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            need(whole or (field.type == "float" and isinstance(value, float)), f"MediaLimits.{field.name} = {value!r}")
            need(0 < value < 2**53, f"MediaLimits.{field.name} = {value!r}")
