"""Clips, decoded by PyAV. Runs only in the worker process.

A first pass reads the packets without decoding them, so that the length, the timestamps and the key frames are those of the file and
not those that its header claims. The second pass decodes in order and keeps the chosen frames in the pixel format that they came in.
"""

from __future__ import annotations

import contextlib
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import av.error

from attribution.errors import DamagedMedia, DecodeTimeout
from attribution.media.demux import Survey, hidden_seconds, open_clip, packet_time, survey_packets, video_stream
from attribution.media.kept import KeptFrame, KeptPicture, keep, laid_in, orientation_of
from attribution.media.limits import MediaLimits
from attribution.media.sampling import Wanted, apart, evenly_in_time
from attribution.messages import Message
from attribution.text.reasons import reason

DECODING_SHARE = 0.6
"""The decoder stops by itself this early (share of the limit), so that what it has is used instead of being lost to the kill."""
_CLOSER_SHARE = 0.4
_HDR_TRANSFERS = (16, 18)


@dataclass(frozen=True)
class Source:
    """The file that a clip is read from, and what its first pass found."""

    path: str
    demuxer: str
    limits: MediaLimits
    survey: Survey
    unit: float
    """Seconds of a unit of the stream's time."""


@dataclass
class Clip:
    """What was read of a clip. `width` and `height` are as shown, of the largest frame; `duration` in seconds is that of the packets in
    the file."""

    frames: list[KeptFrame | KeptPicture]
    width: int
    height: int
    duration: float
    frames_wanted: int
    codec: str
    notes: list[Message]
    source: Source | None = None
    """None of an animation, of which nothing further is read"""
    closer: int = 0
    """how many of the frames are such that were asked for later"""

    def look_closer(self, windows: Sequence[tuple[float, float, int]]) -> list[KeptFrame]:
        """Further frames, in order of time: between the two moments (seconds) of each window so many as are there, evenly spread and none
        twice. Fewer, or none, where decoding them fails or takes too long."""
        if (source := self.source) is None:
            return []
        limits = source.limits
        unit, start = source.unit, source.survey.start
        taken = {round(frame.seconds / unit) + start for frame in self.frames}
        chosen: set[int] = set()
        for first, last, most in windows:
            inside = [at for at in source.survey.times if first <= (at - start) * unit <= last and at not in taken]
            chosen |= {inside[at] for at in evenly_in_time(inside, most)} if inside and most else set()
        room = limits.closer_frames - self.closer
        decoded = Decoded(most_bytes=limits.memory_bytes / 8 / limits.closer_frames)
        deadline = time.monotonic() + _CLOSER_SHARE * limits.seconds
        with contextlib.suppress(Exception):
            _decode_apart(source, sorted(chosen)[: max(0, room)], deadline, decoded)
        frames = [laid_in(frame, self.width, self.height, limits) for frame in sorted(decoded.frames, key=lambda one: one.seconds)]
        self.closer += len(frames)
        self.frames += frames
        return frames


@dataclass
class Decoded:
    """Frames kept so far and what went wrong on the way."""

    most_bytes: float
    """What each frame may take of the memory."""
    frames: list[KeptFrame] = field(default_factory=list)
    errors: int = 0
    out_of_time: bool = False
    last_seconds: float = 0.0
    notes: set[Message] = field(default_factory=set)
    orientations: dict[int, int | None] = field(default_factory=dict)
    """By libav's angle, which alone does not tell a mirrored frame."""


def read_clip(path: str, demuxer: str, limits: MediaLimits) -> Clip:
    """Sample frames evenly over the clip, of long ones more. Raises MediaError."""
    began = time.monotonic()
    deadline = began + DECODING_SHARE * limits.seconds
    with open_clip(path, demuxer, limits) as container:
        stream, notes = video_stream(container, limits)
        codec = "av1" if stream.codec_context.name == "libdav1d" else stream.codec_context.name
        unit = float(stream.time_base or 1)
        survey = survey_packets(container, stream, (began + deadline) / 2)
    if not survey.times:
        raise DamagedMedia(reason("no_frame"), reason("get_original"))
    survey.hidden_seconds = hidden_seconds(path, demuxer, limits, survey, unit, (began + deadline) / 2)
    duration = (survey.end - survey.times[0]) * unit
    source, most = Source(path, demuxer, limits, survey, unit), limits.frames_of(duration)
    chosen, keys_only = _choose(source, duration, most)
    passed_over = keys_only and len(survey.keys) < len(survey.times)
    between = _between(source, chosen) if passed_over else []
    most = max(most, len(chosen) + len(between))
    most_bytes = limits.memory_bytes / 2 / most
    decoded = _decode(source, chosen, keys_only, deadline, most_bytes)
    if not decoded.frames and keys_only:
        decoded, between = _decode(source, chosen, False, deadline, most_bytes), []
    _decode_apart(source, between, deadline, decoded, hasty=True)
    decoded.frames.sort(key=lambda frame: frame.seconds)
    if not decoded.frames and decoded.out_of_time:
        raise DecodeTimeout(reason("took_too_long"), reason("shorten"))
    if not decoded.frames:
        raise DamagedMedia(reason("no_frame_decoded"), reason("get_original"))
    largest = max(decoded.frames, key=lambda frame: frame.width * frame.height)
    width, height = largest.width, largest.height
    frames: list[KeptFrame | KeptPicture] = [laid_in(frame, width, height, limits) for frame in decoded.frames]
    if changed := sum((frame.width, frame.height) != (width, height) for frame in frames):
        notes.append(reason("size_changes", count=changed, across=width, down=height))
    wanted = _frames_wanted(survey, len(chosen) + len(between), decoded, most)
    if passed_over and not between:
        count, last = len(decoded.frames), decoded.frames[-1].seconds
        notes.append(reason("key_frames", count=count, first=frames[0].seconds, last=last))
    notes += _damage(survey, decoded, wanted, unit)
    notes += sorted(decoded.notes)
    return Clip(frames, width, height, duration, wanted, codec, notes, source)


def _choose(source: Source, duration: float, most: int) -> tuple[list[int], bool]:
    """Times of the frames to keep, and whether only key frames need decoding for them."""
    survey, limits = source.survey, source.limits
    all_keys = len(survey.keys) == len(survey.times)
    long = duration > limits.key_frames_only_beyond_seconds
    keys_only = all_keys or (long and len(survey.keys) >= max(2, limits.frames // 4))
    times, step = survey.keys if keys_only else survey.times, limits.seconds_between / source.unit
    chosen = [times[at] for at in evenly_in_time(times, most)]
    if any(other - one > step for one, other in pairwise(chosen)):
        # Of few moments to choose from, evenly spread ones may lie twice as far apart as they need to.
        closer = apart(times, step)
        chosen = [times[at] for at in closer] if len(closer) <= limits.frames_of_long_clip else chosen
    return chosen, keys_only


def _between(source: Source, chosen: Sequence[int]) -> list[int]:
    """Times of frames, as far as more may be sampled, that leave at most `seconds_between` where chosen ones lie farther apart, and the
    last of all."""
    survey, step = source.survey, source.limits.seconds_between / source.unit
    room = source.limits.frames_of_long_clip - len(chosen)
    wanted: set[int] = set()
    for one, other in pairwise([*chosen, survey.times[-1]]):
        # One wild timestamp makes a hole of years.
        parts = min(math.ceil((other - one) / step), room)
        wanted |= {survey.times[bisect_left(survey.times, one + (other - one) * part / parts)] for part in range(1, parts)}
    times = sorted((wanted | {survey.times[-1]}) - set(chosen))
    return [times[at] for at in evenly_in_time(times, room)] if times and room > 0 else []


def _decode(source: Source, chosen: list[int], keys_only: bool, deadline: float, most_bytes: float) -> Decoded:
    decoded, wanted, marked = Decoded(most_bytes=most_bytes), Wanted(chosen), set(chosen)
    survey, unit = source.survey, source.unit
    broken, seen = False, 0
    with open_clip(source.path, source.demuxer, source.limits) as container:
        stream, _ = video_stream(container, source.limits)
        context = stream.codec_context
        counted = source.demuxer == "avi"
        if keys_only:
            context.skip_frame = "NONKEY"
        for packet in _packets(container, stream, decoded):
            if time.monotonic() > deadline:
                decoded.out_of_time = True
                break
            moment = None if packet is None else packet_time(packet, container)
            if keys_only and moment not in marked:
                continue
            for frame in _frames(context, packet, keys_only, decoded):
                seen += 1
                # What follows a damaged frame is built upon it, up to the next key frame.
                broken = frame is None or frame.is_corrupt or (broken and not frame.key_frame)
                if frame is None:
                    continue
                # A key frame decoded alone has its packet's time; in an AVI frames come at the constant rate of its packets.
                shown = moment if keys_only else survey.times[min(seen, len(survey.times)) - 1] if counted else frame.pts
                if shown is None:
                    continue
                decoded.last_seconds = max(decoded.last_seconds, (shown - survey.start) * unit)
                if not broken and wanted.takes(shown):
                    _keep(frame, (shown - survey.start) * unit, stream, source.limits, decoded)
            if wanted.finished:
                break
    return decoded


def _decode_apart(source: Source, chosen: Sequence[int], deadline: float, decoded: Decoded, hasty: bool = False) -> None:
    """Keep the frames of those times (ascending) too, each decoded from the key frame before it on. `hasty`: frames that no other needs are
    passed over, so that the next one may stand for one of them. Ends early at the deadline."""
    survey = source.survey
    # An AVI tells the time of a frame by counting from the first one.
    if not chosen or source.demuxer == "avi":
        return
    groups: dict[int, list[int]] = {}
    for moment in chosen:
        groups.setdefault(bisect_right(survey.keys, moment), []).append(moment)
    with open_clip(source.path, source.demuxer, source.limits) as container:
        stream, _ = video_stream(container, source.limits)
        if hasty:
            stream.codec_context.skip_frame = "NONREF"
        for key, moments in groups.items():
            if time.monotonic() > deadline:
                return
            try:
                container.seek(survey.keys[key - 1] if key else survey.times[0], stream=stream)
            except av.error.FFmpegError:
                decoded.errors += 1
                continue
            _keep_until(source, container, stream, moments, deadline, decoded)


def _keep_until(source: Source, container: Any, stream: Any, moments: Sequence[int], deadline: float, decoded: Decoded) -> None:
    wanted, broken, survey = Wanted(moments), True, source.survey
    beyond = bisect_right(survey.keys, moments[-1])
    for packet in _packets(container, stream, decoded):
        for frame in _frames(stream.codec_context, packet, False, decoded):
            broken = frame is None or frame.is_corrupt or (broken and not frame.key_frame)
            if frame is None or frame.pts is None or broken:
                continue
            # Where a file cannot be sought exactly, what comes is no longer what was asked for.
            if beyond < len(survey.keys) and frame.pts > survey.keys[beyond]:
                return
            if wanted.takes(frame.pts):
                _keep(frame, (frame.pts - survey.start) * source.unit, stream, source.limits, decoded)
        if wanted.finished or time.monotonic() > deadline:
            return


def _packets(container: Any, stream: Any, decoded: Decoded) -> Any:
    """The packets of a stream; an error ends them. The last is None, which makes the decoder give what it holds back."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except MemoryError:
        raise
    except Exception:
        decoded.errors += 1
    yield None


def _frames(context: Any, packet: Any, alone: bool, decoded: Decoded) -> Any:
    """Frames that come out when a packet goes in; None stands for a failure. `alone`: the packet is independent of all others."""
    for part in (packet, None) if alone else (packet,):
        try:
            yield from context.decode(part)
        except MemoryError:
            raise
        except av.error.EOFError:
            return
        except Exception:
            decoded.errors += 1
            yield None
    if alone:
        context.flush_buffers()


def _keep(frame: Any, seconds: float, stream: Any, limits: MediaLimits, decoded: Decoded) -> None:
    try:
        angle = frame.rotation
        if angle not in decoded.orientations:
            decoded.orientations[angle] = orientation_of(frame)
        kept, notes = keep(frame, seconds, decoded.orientations[angle], stream.sample_aspect_ratio, limits, decoded.most_bytes)
    except MemoryError:
        raise
    except Exception:
        decoded.errors += 1
        return
    if stream.codec_context.color_trc in _HDR_TRANSFERS:
        notes.append(reason("hdr"))
    if frame.interlaced_frame:
        notes.append(reason("interlaced"))
    decoded.notes.update(notes)
    decoded.frames.append(kept)


def _frames_wanted(survey: Survey, chosen: int, decoded: Decoded, most: int) -> int:
    """How many frames a whole file would have given. Some codecs have packets that show nothing, so a few missing frames without any
    error are no damage."""
    read = len(decoded.frames)
    if survey.lacks_frames:
        return max(chosen, min(most, survey.promised))
    whole = not (decoded.errors or decoded.out_of_time) and read >= 0.9 * chosen
    return read if whole else max(read, chosen)


def _damage(survey: Survey, decoded: Decoded, wanted: int, unit: float) -> list[Message]:
    notes = []
    read = len(decoded.frames)
    there = (survey.end - survey.start) * unit
    if read < wanted:
        notes.append(reason("frames_decoded", count=read, wanted=wanted))
    if survey.hidden_seconds:
        notes.append(reason("hidden", length=survey.hidden_seconds))
    if survey.lacks_frames:
        notes.append(reason("frames_missing", promised=survey.promised, count=survey.packets))
    elif survey.cut_off:
        notes.append(reason("cut_off_after", last=(survey.times[-1] - survey.start) * unit))
    elif not survey.hidden_seconds and survey.promised_seconds > 1.2 * there + 0.2:
        notes.append(reason("shorter_than_promised", length=survey.promised_seconds, last=there))
    if decoded.out_of_time:
        notes.append(reason("out_of_time", length=decoded.last_seconds))
    return notes
