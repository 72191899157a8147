"""The decoder's own process: it confines itself, reads one file, serves crops from it, and ends. Started by `decoder.py`.

It answers on its standard output (see `wire`), hears requests on its standard input, and ends when that is closed, which also happens
when the parent dies. It opens one path, never a network connection, and keeps no record of anything.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np

from attribution.errors import DamagedMedia, MediaError, MediaTooLarge
from attribution.media import wire
from attribution.media.animations import read_animation
from attribution.media.clips import Clip, read_clip
from attribution.media.kept import KeptFrame, KeptPicture, middle, upright_face
from attribution.media.limits import MediaLimits
from attribution.media.pictures import read_picture
from attribution.media.sandbox import confine
from attribution.text.reasons import coded, reason

# Beyond what the parent allows before it kills: only an orphan lives to see this.
_GRACE_SECONDS = 5
_PROCESSOR_SHARE = 8
_MOST_THREADS = 4


def main() -> None:
    """Serve one file from standard input to standard output. Everything else that prints goes nowhere."""
    hear = os.fdopen(os.dup(0), "rb", buffering=0)
    answer = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    order = wire.receive(hear)
    if order is None:
        return
    limits = MediaLimits(**order["limits"])
    processor_seconds = int(_PROCESSOR_SHARE * limits.seconds) + 10
    filtered = confine(limits.memory_bytes, processor_seconds)
    threading.Thread(target=_end_with_parent, args=(hear.fileno(),), daemon=True).start()
    _alarm(limits.seconds)
    opened = _open(order, limits, filtered, answer)
    if opened is None:
        return
    _alarm(0)
    while (request := wire.receive(hear)) is not None:
        _alarm(limits.seconds)
        if "windows" in request:
            frames = opened.look_closer(request["windows"]) if isinstance(opened, Clip) else []
            wire.send(answer, {"frames": _sizes(frames)})
            _send_small(frames, answer)
        else:
            _cut(request, opened.frames if isinstance(opened, Clip) else [opened], answer)
        _alarm(0)


def _open(order: dict[str, Any], limits: MediaLimits, filtered: bool, answer: BinaryIO) -> KeptPicture | Clip | None:
    """Read the file and send what detection needs; None when it could not be read, which was said too."""
    try:
        clip = (read_animation if order["kind"] == "picture" else read_clip)(order["path"], order["opener"], limits)
        if clip is None:
            picture, notes = read_picture(order["path"], order["opener"], limits)
            opened: KeptPicture | Clip = picture
            kept: Sequence[KeptPicture | KeptFrame] = [picture]
            found: dict[str, Any] = {"kind": "picture", "width": picture.width, "height": picture.height, "duration": None}
            found |= {"wanted": 1, "codec": ""}
        else:
            opened, kept, notes = clip, clip.frames, clip.notes
            found = {"kind": "clip", "width": clip.width, "height": clip.height, "duration": clip.duration}
            found |= {"wanted": clip.frames_wanted, "codec": clip.codec}
    except Exception as error:
        refusal = _as_refusal(error)
        wire.send(answer, {"error": type(refusal).__name__, "what": coded(refusal.what), "next_step": coded(refusal.next_step)})
        return None
    wire.send(answer, {**found, "notes": [coded(note) for note in notes], "filtered": filtered, "frames": _sizes(kept)})
    _send_small(kept, answer)
    return opened


def _sizes(kept: Sequence[KeptPicture | KeptFrame]) -> list[list[float]]:
    return [[item.seconds, item.small.shape[1], item.small.shape[0], item.density] for item in kept]


def _send_small(kept: Sequence[KeptPicture | KeptFrame], answer: BinaryIO) -> None:
    for item in kept:
        wire.send_bytes(answer, np.ascontiguousarray(item.small))


def _as_refusal(error: Exception) -> MediaError:
    if isinstance(error, MediaError):
        return error
    if isinstance(error, MemoryError):
        return MediaTooLarge(reason("out_of_memory"), reason("shorten"))
    return DamagedMedia(reason("not_decoded"), reason("get_original"))


def _cut(request: dict[str, Any], kept: Sequence[KeptPicture | KeptFrame], answer: BinaryIO) -> None:
    """Send the crops in the order asked: side×side×3 bytes each. Any failure ends the process, which the parent sees."""
    wire.send(answer, {"crops": len(request["crops"])})
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as hands:
        for cut in hands.map(lambda asked: _one(kept[asked[0]], asked[1:], request), request["crops"]):
            wire.send_bytes(answer, np.ascontiguousarray(cut))


def _one(kept: KeptPicture | KeptFrame, numbers: list[float], request: dict[str, Any]) -> np.ndarray:
    side_px, resample = request["side_px"], request["resample"]
    if request["cut"] == "turned":
        return upright_face(kept, numbers[:6], int(numbers[6]), side_px, resample)
    if request["cut"] == "resized":
        return middle(kept, (int(numbers[4]), int(numbers[5])), (numbers[0], numbers[1], numbers[2], numbers[3]), resample)
    return kept.crop((numbers[0], numbers[1], numbers[2], numbers[3]), side_px, resample)


def _alarm(seconds: float) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds) + _GRACE_SECONDS if seconds else 0)


def _end_with_parent(descriptor: int) -> None:
    """End at once, even in the middle of decoding, when nobody holds the other end of standard input."""
    if not hasattr(select, "poll"):
        return
    watch = select.poll()
    watch.register(descriptor, 0)
    watch.poll()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
