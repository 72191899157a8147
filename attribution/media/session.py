"""From a path to an opened file: checks that need no decoding, then the worker's answer, validated as if it came from a stranger."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from attribution import errors
from attribution.errors import DamagedMedia, DecodeTimeout, EmptyMedia, MediaTooLarge, MissingMedia, UnsupportedMedia
from attribution.evidence import Frame, Media, checks
from attribution.evidence.checks import RESAMPLINGS, Box, need
from attribution.media import decoder, magic, orientation
from attribution.media.decoder import Decoder
from attribution.media.limits import MediaLimits
from attribution.media.wire import WireError
from attribution.messages import Message
from attribution.messages import gettext as _
from attribution.pulse import beat
from attribution.text import numbers
from attribution.text.printable import printable
from attribution.text.reasons import DECODER, READING, reason

_CHUNK_BYTES = 2**20
_MOST_NOTES = 16
_MOST_LETTERS = 40
_CROPS_AT_A_TIME = 256
_MOST_SIDE_PX = 1024
_ROUNDING_PX = 0.01
MOST_FACE_PX = 4096
"""The largest side of a face that is turned upright."""

# What the worker may refuse a file with.
_REFUSALS = {kind.__name__: kind for kind in (DamagedMedia, MediaTooLarge, errors.NoPictures, UnsupportedMedia, DecodeTimeout)}


class OpenedMedia:
    """A file that was read, and the worker process that holds it at full resolution. Close it, or use it in a `with` statement."""

    def __init__(self, media: Media, frames: tuple[Frame, ...], worker: Decoder, limits: MediaLimits, confined: bool) -> None:
        self.media = media
        self.frames = frames
        """Detection copies, RGB, upright, in order of time."""
        self.confined = confined
        """Whether a filter of system calls surrounds the decoder, beside the limits that every system has."""
        self._worker, self._limits, self._lock = worker, limits, threading.Lock()
        self._orientation = 1
        self._closer = weakref.finalize(self, worker.kill)

    def crops(
        self, requests: Sequence[tuple[int, Box]], side_px: int, resample: str = "lanczos", whole: tuple[int, int] | None = None
    ) -> list[np.ndarray]:
        """For each (index of a frame, box in original pixels inside the picture): side×side×3 uint8, cut from full resolution with
        `resample` (`lanczos`, `bicubic` or `bilinear`), in the order asked; a box that is no square is squeezed. With `whole` (width,
        height) the picture is resized to that first, and boxes of side×side are in pixels of that. Raises DecodeTimeout or
        DamagedMedia when the decoder fails, EvidenceError for a box outside."""
        size = whole or (self.media.width, self.media.height)
        asked = [self._request(index, box, size, whole is not None) for index, box in requests]
        cut = self._all("crops" if whole is None else "resized", asked, side_px, resample)
        return [orientation.upright(one, self._orientation) for one in cut]

    def turned_faces(self, requests: Sequence[tuple[int, np.ndarray, int]], side_px: int, resample: str = "lanczos") -> list[np.ndarray]:
        """For each (index of a frame, 2×3 matrix, own side in pixels): the square that the matrix brings the picture to, of its own side,
        bilinear and black beyond the picture, then side×side×3 uint8 with `resample`. Raises as `crops`."""
        stored = orientation.affine(*self._stored_size, self._orientation)
        asked: list[list[float]] = []
        for index, matrix, own_px in requests:
            self._check_frame(index)
            need(matrix.shape == (2, 3) and bool(np.isfinite(matrix).all()), "a matrix that is none")
            need(1 <= own_px <= MOST_FACE_PX, f"a face of {own_px} px")
            asked.append([int(index), *(matrix @ stored).ravel().tolist(), int(own_px)])
        return self._all("turned", asked, side_px, resample)

    def _all(self, kind: str, asked: list[list[float]], side_px: int, resample: str) -> list[np.ndarray]:
        """What is asked for, in that order."""
        checks.count("side_px", side_px, 1)
        need(side_px <= _MOST_SIDE_PX, f"side_px = {side_px!r}")
        need(resample in RESAMPLINGS, f"resample = {resample!r}")
        # Requests for one frame follow each other, and no answer grows beyond a bound.
        order = sorted(range(len(asked)), key=lambda at: asked[at][0])
        cut: dict[int, np.ndarray] = {}
        with self._lock:
            for first in range(0, len(order), _CROPS_AT_A_TIME):
                part = order[first : first + _CROPS_AT_A_TIME]
                cut.update(zip(part, self._cut(kind, [asked[at] for at in part], side_px, resample), strict=True))
        return [cut[at] for at in range(len(asked))]

    def turn(self, degrees: int) -> None:
        """Turn everything to the right by 90, 180 or 270 degrees, once, and say so in the notes: `media`, `frames`, and the boxes and crops
        of later requests are those of the turned picture."""
        need(self._orientation == 1 and degrees in (90, 180, 270), f"a turn by {degrees} degrees")
        self._orientation = orientation.BY_DEGREES[degrees]
        self.frames = self._turned(self.frames)
        width, height = self.media.width, self.media.height
        sides = {"width": height, "height": width} if orientation.swaps_sides(self._orientation) else {}
        notes = (reason("turned", degrees=degrees), *self.media.notes)
        self.media = replace(self.media, **sides, turned_degrees=degrees, notes=notes)

    def look_closer(self, windows: Sequence[tuple[float, float, int]]) -> tuple[Frame, ...]:
        """Further frames of a clip: between the two moments (seconds) of each window at most so many, evenly spread. They are then among
        `frames`, which stay in order of time, and are counted by `media`; their indices follow those of the frames before. Fewer, or none,
        where there are no more, or decoding them would take too long. Raises DecodeTimeout or DamagedMedia when the decoder fails."""
        if not self._closer.alive:
            raise DecodeTimeout(_("The file was closed before its faces were cut."), _("Open it again."))
        with self._lock, self._worker.within(self._limits.seconds):
            self._worker.send({"windows": [[float(first), float(last), int(most)] for first, last, most in windows]})
            size, count = self._stored_size, len(self.frames)
            further = _frames(self._worker, self._worker.receive(), size, 0, self._limits.closer_frames, self._limits, count)
        further = self._turned(further)
        self.frames = tuple(sorted((*self.frames, *further), key=lambda frame: frame.seconds))
        wanted = self.media.frames_wanted + len(further)
        self.media = replace(self.media, frames_read=len(self.frames), frames_wanted=wanted)
        return further

    def close(self) -> None:
        """End the worker process. Crops cannot be cut afterwards; `media` and `frames` stay."""
        self._closer()

    def __enter__(self) -> OpenedMedia:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _turned(self, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        return tuple(replace(frame, rgb=orientation.upright(frame.rgb, self._orientation)) for frame in frames)

    @property
    def _stored_size(self) -> tuple[int, int]:
        """Width and height as the decoder knows them."""
        width, height = self.media.width, self.media.height
        return (height, width) if orientation.swaps_sides(self._orientation) else (width, height)

    def _check_frame(self, index: int) -> None:
        checks.count("frame index", index)
        need(index < len(self.frames), f"there is no frame {index}")

    def _request(self, index: int, box: Box, size: tuple[int, int], resized: bool) -> list[float]:
        """An area of a picture of that size as shown, in pixels as they are stored; with the stored size where it is to be resized."""
        self._check_frame(index)
        checks.box("crop box", box)
        x0, y0, x1, y1 = (float(edge) for edge in box)
        width, height = size
        inside = min(x0, y0) >= -_ROUNDING_PX and x1 <= width + _ROUNDING_PX and y1 <= height + _ROUNDING_PX
        need(inside, f"a crop box outside the picture: {box!r}")
        area = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
        stored = (height, width) if orientation.swaps_sides(self._orientation) else (width, height)
        return [int(index), *orientation.stored_area(area, *stored, self._orientation), *(stored if resized else ())]

    def _cut(self, kind: str, requests: list[list[float]], side_px: int, resample: str) -> list[np.ndarray]:
        if not self._closer.alive:
            raise DecodeTimeout(_("The file was closed before its faces were cut."), _("Open it again."))
        with self._worker.within(self._limits.seconds):
            self._worker.send({"cut": kind, "crops": requests, "side_px": int(side_px), "resample": resample})
            if self._worker.receive().get("crops") != len(requests):
                raise WireError("another number of crops")
            cut = []
            for _request in requests:
                cut.append(np.empty((side_px, side_px, 3), np.uint8))
                self._worker.receive_into(cut[-1].data)
            return cut


def open_media(path: str | Path, limits: MediaLimits | None = None, name: str | None = None) -> OpenedMedia:
    """Read an untrusted picture or clip in a worker process. `name` is shown to people in place of the file's own name.

    Raises MissingMedia, EmptyMedia, UnsupportedMedia, DamagedMedia, MediaTooLarge, NoPictures or DecodeTimeout, and a plain MediaError
    when no decoder could be started. Nothing is logged."""
    limits = limits or MediaLimits()
    if "\0" in os.fspath(path):
        raise _missing()
    location = os.path.abspath(path)
    before, head = _look(location, limits)
    form = magic.recognise(head)
    size = magic.declared_size(head)
    if size and size[0] * size[1] > limits.max_pixels:
        raise MediaTooLarge(reason("too_many_pixels", across=size[0], down=size[1]), reason("scale_down"))
    worker = decoder.take()
    try:
        with worker.within(limits.seconds):
            worker.send({"kind": form.kind, "opener": form.opener, "path": location, "limits": asdict(limits)})
            # The original bytes are hashed while the worker decodes.
            sha256, count = _digest(location, limits)
            reply = worker.receive()
            _raise_refusal(reply)
            # Only the decoder sees whether a picture is an animation.
            kind: Any = reply.get("kind")
            _expect(kind == "clip" or kind == form.kind)
            most = 1 if kind == "picture" else limits.most_frames
            frames = _frames(worker, reply, (_whole(reply, "width"), _whole(reply, "height")), 1, most, limits)
            facts = _facts(reply, frames, form, limits)
        if _look(location, limits)[0] != before or count != before[2]:
            raise DamagedMedia(_("The file changed while it was read."), _("Wait until it is complete and try again."))
        shown = _printable(name if name is not None else os.path.basename(location), 255)
        media = Media(name=shown, sha256=sha256, bytes=count, **facts)
        return OpenedMedia(media, frames, worker, limits, reply.get("filtered") is True)
    except BaseException:
        worker.kill()
        raise
    finally:
        decoder.prepare()


def _look(location: str, limits: MediaLimits) -> tuple[tuple[int, ...], bytes]:
    """Identity and first bytes of an ordinary, readable, not empty and not too large file."""
    try:
        # Looked at before it is opened: opening a pipe or a device can wait for ever.
        found = os.stat(location)
        if stat.S_ISDIR(found.st_mode):
            raise UnsupportedMedia(_("This is a folder, not a file."), magic.WHAT_WE_OPEN)
        if not stat.S_ISREG(found.st_mode):
            raise UnsupportedMedia(_("This is not an ordinary file."), magic.WHAT_WE_OPEN)
        if found.st_size == 0:
            raise EmptyMedia(_("The file is empty: it holds no bytes."), _("Get the original file again."))
        if found.st_size > limits.max_bytes:
            sizes = {"size": numbers.size(found.st_size), "most": numbers.size(limits.max_bytes)}
            raise MediaTooLarge(_("The file has {size}; at most {most} are opened.").format(**sizes), reason("shorten"))
        with open(location, "rb") as file:
            return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), file.read(magic.HEAD_BYTES)
    except PermissionError as error:
        what = _("The file may not be read by this program.")
        raise MissingMedia(what, _("Change its permissions or copy it elsewhere.")) from error
    except (OSError, ValueError) as error:
        raise _missing() from error


def _missing() -> MissingMedia:
    return MissingMedia(_("There is no such file."), _("Check the name."))


def _digest(location: str, limits: MediaLimits) -> tuple[str, int]:
    """SHA-256 and number of the original bytes, streamed; a file that grows meanwhile is left at the limit."""
    digest, count = hashlib.sha256(), 0
    try:
        with open(location, "rb") as file:
            while count <= limits.max_bytes and (chunk := file.read(_CHUNK_BYTES)):
                beat()
                digest.update(chunk)
                count += len(chunk)
    except OSError as error:
        raise MissingMedia(_("The file went away while it was read."), _("Give it again.")) from error
    return digest.hexdigest(), count


def _raise_refusal(reply: dict[str, Any]) -> None:
    if "error" in reply:
        kind = _REFUSALS.get(str(reply["error"]), DamagedMedia)
        raise kind(_said(reply.get("what"), DECODER), _said(reply.get("next_step"), DECODER))


def _frames(
    worker: Decoder, reply: dict[str, Any], size: tuple[int, int], least: int, most: int, limits: MediaLimits, number: int = 0
) -> tuple[Frame, ...]:
    """Read the detection copies of a picture of that size; the first is the `number`-th. How many they are, `least` to `most`, and their
    sizes are checked before any memory is taken for them."""
    listed: Any = reply.get("frames")
    width, height = size
    _expect(isinstance(listed, list) and least <= len(listed) <= most)
    frames: list[Frame] = []
    for index, entry in enumerate(listed, number):
        _expect(isinstance(entry, list) and len(entry) == 4)
        seconds, across, down, density = entry
        _expect(_is_number(seconds) and (not frames or seconds >= frames[-1].seconds))
        _expect(all(_is_whole(side) and 1 <= side <= limits.picture_side_px for side in (across, down)))
        _expect(across <= width and down <= height)
        _expect(_is_number(density) and density > 0)
        rgb = np.empty((down, across, 3), np.uint8)
        worker.receive_into(rgb.data)
        scale = width / across if width >= height else height / down
        frames.append(Frame(index, float(seconds), rgb, scale, float(density)))
    return tuple(frames)


def _facts(reply: Any, frames: tuple[Frame, ...], form: magic.Format, limits: MediaLimits) -> dict[str, Any]:
    """The rest of `Media`, checked."""
    duration, codec, notes, wanted = (reply.get(key) for key in ("duration", "codec", "notes", "wanted"))
    _expect(duration is None if reply["kind"] == "picture" else _is_number(duration) and duration >= 0)
    _expect(isinstance(codec, str) and len(codec) <= 16 and (codec.isalnum() or not codec))
    _expect(isinstance(notes, list) and len(notes) <= _MOST_NOTES)
    _expect(_is_whole(wanted) and len(frames) <= wanted <= limits.most_frames)
    return {
        "kind": reply["kind"],
        "width": _whole(reply, "width"),
        "height": _whole(reply, "height"),
        "duration_seconds": duration,
        "frames_read": len(frames),
        "frames_wanted": wanted,
        "container": f"{form.label} ({codec})" if codec else form.label,
        "notes": tuple(_said(note, READING) for note in notes),
    }


def _said(told: Any, sentences: Mapping[str, Message]) -> Message:
    """One of our own sentences, by the code and the figures that the worker gives."""
    _expect(isinstance(told, dict) and isinstance(told.get("code"), str) and isinstance(told.get("figures"), dict))
    _expect(told["code"] in sentences)
    figures = {name: _printable(value, _MOST_LETTERS) if isinstance(value, str) else value for name, value in told["figures"].items()}
    _expect(all(isinstance(value, str) or _is_number(value) for value in figures.values()))
    try:
        return reason(told["code"], **figures)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise WireError("a sentence without its figures") from error


def _expect(holds: bool) -> None:
    if not holds:
        raise WireError("an answer that the decoder never gives")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _whole(reply: dict[str, Any], key: str) -> int:
    value: Any = reply.get(key)
    _expect(_is_whole(value) and 1 <= value < 2**20)
    return value


def _printable(value: Any, most: int) -> str:
    """Text without control characters and lone surrogates, at most that long."""
    return printable(str(value)[:most].encode("utf-8", "replace").decode("utf-8"))
