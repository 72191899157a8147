"""Animated GIF, PNG, WebP and AVIF, decoded by Pillow as the clips that they are. Runs only in the worker process."""

import math
import time

import numpy as np
from PIL import Image

from attribution.errors import MediaTooLarge
from attribution.media.clips import DECODING_SHARE, Clip
from attribution.media.kept import KeptFrame, KeptPicture, small_size
from attribution.media.limits import MediaLimits
from attribution.media.pictures import opened_picture, rgb, turn_of
from attribution.media.sampling import evenly_in_time
from attribution.messages import Message
from attribution.text.reasons import reason

# A picture that asks to be shown for no time is shown for as long as browsers do.
_SHORTEST_MILLISECONDS, _INSTEAD_MILLISECONDS = 11, 100


def read_animation(path: str, opener: str, limits: MediaLimits) -> Clip | None:
    """At most `limits.frames` pictures of an animation, spread evenly over all of them; None for a still picture. Raises MediaError."""
    with opened_picture(path, opener) as opened:
        # A JPEG with more pictures behind it (a preview, a depth map, what the other eye sees) is none.
        moves = opened.format != "MPO" and getattr(opened, "is_animated", False)
        return _read(opened, limits) if moves else None


def _read(opened: Image.Image, limits: MediaLimits) -> Clip:
    deadline = time.monotonic() + DECODING_SHARE * limits.seconds
    if opened.width * opened.height > limits.max_clip_pixels:
        raise MediaTooLarge(reason("frames_too_large", across=opened.width, down=opened.height), reason("scale_down"))
    total: int = opened.n_frames  # type: ignore[attr-defined]
    chosen = set(evenly_in_time(range(total), limits.frames))
    frames: list[KeptFrame | KeptPicture] = []
    notes: list[Message] = []
    milliseconds, damaged = 0.0, False
    # Every picture is painted over the one before, so that all are decoded, in order.
    for number in range(total):
        if frames and time.monotonic() > deadline:
            notes.append(reason("out_of_time", length=milliseconds / 1000))
            break
        try:
            opened.seek(number)
            opened.load()
            if number in chosen:
                frames.append(_kept(opened, milliseconds / 1000, limits.memory_bytes / 2 / len(chosen), limits, notes))
        except Exception as error:
            if not frames or isinstance(error, MemoryError):
                raise
            damaged = True
            notes.append(reason("frames_decoded", count=len(frames), wanted=len(chosen)))
            break
        asked = float(opened.info.get("duration") or 0)
        milliseconds += asked if asked >= _SHORTEST_MILLISECONDS else _INSTEAD_MILLISECONDS
    first, wanted = frames[0], len(chosen) if damaged else len(frames)
    return Clip(frames, first.width, first.height, milliseconds / 1000, wanted, "", list(dict.fromkeys(notes)))


def _kept(opened: Image.Image, seconds: float, most_bytes: float, limits: MediaLimits, notes: list[Message]) -> KeptPicture:
    image, turn = rgb(opened, notes), turn_of(opened)
    image = image if turn is None else image.transpose(turn)
    width, height = image.size
    small = image.resize(small_size(width, height, limits.clip_side_px, limits.picture_side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    shrink = math.sqrt(min(1.0, most_bytes / 3 / (width * height)))
    if shrink < 1:
        image = image.resize((max(1, int(width * shrink)), max(1, int(height * shrink))), Image.Resampling.LANCZOS, reducing_gap=3.0)
        notes.append(reason("scaled_down", across=width, down=height, kept_across=image.width, kept_down=image.height))
    return KeptPicture(image, np.array(small), width, height, seconds)
