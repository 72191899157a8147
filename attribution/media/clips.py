"""Clips, decoded by PyAV. Runs only in the worker process.

A first pass reads the packets without decoding them, so that the length, the timestamps and the key frames are those of the file and
not those that its header claims. The second pass decodes in order and keeps the chosen frames in the pixel format that they came in.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import av.error

from attribution.errors import DamagedMedia, DecodeTimeout
from attribution.media.demux import Survey, open_clip, packet_time, survey_packets, video_stream
from attribution.media.kept import KeptFrame, KeptPicture, keep, orientation_of
from attribution.media.limits import MediaLimits
from attribution.media.sampling import Wanted, evenly_in_time
from attribution.messages import Message
from attribution.text.reasons import reason

DECODING_SHARE = 0.6
"""The decoder stops by itself this early (share of the limit), so that what it has is used instead of being lost to the kill."""
_HDR_TRANSFERS = (16, 18)


@dataclass
class Clip:
    """What was read of a clip. `width` and `height` are as shown; `duration` in seconds is that of the packets in the file."""

    frames: Sequence[KeptFrame | KeptPicture]
    width: int
    height: int
    duration: float
    frames_wanted: int
    codec: str
    notes: list[Message]


@dataclass
class Decoded:
    """Frames kept so far and what went wrong on the way."""

    frames: list[KeptFrame] = field(default_factory=list)
    errors: int = 0
    other_size: int = 0
    out_of_time: bool = False
    last_seconds: float = 0.0
    notes: set[Message] = field(default_factory=set)
    orientations: dict[int, int | None] = field(default_factory=dict)
    """By libav's angle, which alone does not tell a mirrored frame."""


def read_clip(path: str, demuxer: str, limits: MediaLimits) -> Clip:
    """Sample at most `limits.frames` frames evenly over the clip. Raises MediaError."""
    began = time.monotonic()
    deadline = began + DECODING_SHARE * limits.seconds
    with open_clip(path, demuxer, limits) as container:
        stream, notes = video_stream(container, limits)
        codec = "av1" if stream.codec_context.name == "libdav1d" else stream.codec_context.name
        unit = float(stream.time_base or 1)
        survey = survey_packets(container, stream, (began + deadline) / 2)
    if not survey.times:
        raise DamagedMedia(reason("no_frame"), reason("get_original"))
    duration = (survey.end - survey.times[0]) * unit
    chosen, keys_only = _choose(survey, duration, limits)
    decoded = _decode(path, demuxer, limits, survey, chosen, keys_only, deadline)
    if not decoded.frames and keys_only:
        decoded = _decode(path, demuxer, limits, survey, chosen, False, deadline)
    if not decoded.frames and decoded.out_of_time:
        raise DecodeTimeout(reason("took_too_long"), reason("shorten"))
    if not decoded.frames:
        raise DamagedMedia(reason("no_frame_decoded"), reason("get_original"))
    first = decoded.frames[0]
    wanted = _frames_wanted(survey, len(chosen), decoded, limits)
    if keys_only and len(survey.keys) < len(survey.times):
        count, last = len(decoded.frames), decoded.frames[-1].seconds
        notes.append(reason("key_frames", count=count, first=first.seconds, last=last))
    notes += _damage(survey, decoded, wanted, unit)
    notes += sorted(decoded.notes)
    return Clip(decoded.frames, first.width, first.height, duration, wanted, codec, notes)


def _choose(survey: Survey, duration: float, limits: MediaLimits) -> tuple[list[int], bool]:
    """Times of the frames to keep, and whether only key frames need decoding for them."""
    all_keys = len(survey.keys) == len(survey.times)
    long = duration > limits.key_frames_only_beyond_seconds
    keys_only = all_keys or (long and len(survey.keys) >= max(2, limits.frames // 4))
    times = survey.keys if keys_only else survey.times
    return [times[at] for at in evenly_in_time(times, limits.frames)], keys_only


def _decode(path: str, demuxer: str, limits: MediaLimits, survey: Survey, chosen: list[int], keys_only: bool, deadline: float) -> Decoded:
    decoded, wanted, marked = Decoded(), Wanted(chosen), set(chosen)
    broken, seen = False, 0
    with open_clip(path, demuxer, limits) as container:
        stream, _ = video_stream(container, limits)
        context = stream.codec_context
        unit = float(stream.time_base or 1)
        counted = demuxer == "avi"
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
                    _keep(frame, (shown - survey.start) * unit, stream, limits, decoded)
            if wanted.finished:
                break
    return decoded


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
    first = decoded.frames[0] if decoded.frames else None
    try:
        angle = frame.rotation
        if angle not in decoded.orientations:
            decoded.orientations[angle] = orientation_of(frame)
        kept, notes = keep(frame, seconds, decoded.orientations[angle], stream.sample_aspect_ratio, limits)
    except MemoryError:
        raise
    except Exception:
        decoded.errors += 1
        return
    if first is not None and (kept.width, kept.height) != (first.width, first.height):
        decoded.other_size += 1
        return
    if stream.codec_context.color_trc in _HDR_TRANSFERS:
        notes.append(reason("hdr"))
    if frame.interlaced_frame:
        notes.append(reason("interlaced"))
    decoded.notes.update(notes)
    decoded.frames.append(kept)


def _frames_wanted(survey: Survey, chosen: int, decoded: Decoded, limits: MediaLimits) -> int:
    """How many frames a whole file would have given. Some codecs have packets that show nothing, so a few missing frames without any
    error are no damage."""
    read = len(decoded.frames)
    if survey.promised > survey.packets + 1 and survey.promised > 1.02 * survey.packets:
        return max(chosen, min(limits.frames, survey.promised))
    whole = not (decoded.errors or decoded.other_size or decoded.out_of_time) and read >= 0.9 * chosen
    return read if whole else max(read, chosen)


def _damage(survey: Survey, decoded: Decoded, wanted: int, unit: float) -> list[Message]:
    notes = []
    read = len(decoded.frames)
    there = (survey.end - survey.start) * unit
    if read < wanted:
        notes.append(reason("frames_decoded", count=read, wanted=wanted))
    if survey.promised > survey.packets + 1 and survey.promised > 1.02 * survey.packets:
        notes.append(reason("frames_missing", promised=survey.promised, count=survey.packets))
    elif survey.cut_off:
        notes.append(reason("cut_off_after", last=(survey.times[-1] - survey.start) * unit))
    elif survey.promised_seconds > 1.2 * there + 0.2:
        notes.append(reason("shorter_than_promised", length=survey.promised_seconds, last=there))
    if decoded.out_of_time:
        notes.append(reason("out_of_time", length=decoded.last_seconds))
    if decoded.other_size:
        notes.append(reason("other_size", count=decoded.other_size))
    return notes
