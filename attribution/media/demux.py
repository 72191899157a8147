"""Opening a clip with PyAV, choosing its video track, and listing the packets in it. Runs only in the worker process."""

import time
from dataclasses import dataclass, field
from typing import Any

import av

from attribution.errors import DamagedMedia, MediaTooLarge, NoPictures, UnsupportedMedia
from attribution.media.limits import MediaLimits
from attribution.messages import Message
from attribution.text.reasons import reason

DECODERS = ("h264", "hevc", "vp8", "vp9", "libdav1d", "mpeg4", "mjpeg", "mpeg2video", "prores", "dnxhd")
DEMUXERS = ("mov", "matroska", "avi", "mpegts", "mxf")

_MOST_PACKETS = 1_000_000
_MOST_STREAMS = 64
_MOST_THREADS = 4
_COVER_PICTURE = 1 << 10
_LARGE_PIXELS = 3840 * 2160
# Less is how encoders take back the delay of their first frames.
_LEAST_HIDDEN_SECONDS = 0.25


@dataclass
class Survey:
    """Presentation times (in units of the stream) of the packets that are in the file, ascending; `keys` those of key frames.
    `promised` is the header's number of frames, 0 when it states none, `promised_seconds` its duration."""

    times: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    packets: int = 0
    promised: int = 0
    promised_seconds: float = 0.0
    start: int = 0
    end: int = 0
    cut_off: bool = False
    hidden_seconds: float = 0.0
    """how much more than players show is in the file, by its edit list"""

    @property
    def lacks_frames(self) -> bool:
        """Whether the header promises more frames than are in the file."""
        return not self.hidden_seconds and self.promised > self.packets + 1 and self.promised > 1.02 * self.packets


def open_clip(path: str, demuxer: str, limits: MediaLimits, all_of_it: bool = False) -> Any:
    """The clip, with nothing decoded yet beyond what libav probes; `all_of_it` with what an edit list hides. Raises DamagedMedia or
    UnsupportedMedia."""
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mxf",
        "codec_whitelist": ",".join(DECODERS),
        "max_pixels": str(limits.max_clip_pixels),
        "max_streams": str(_MOST_STREAMS),
        **({"ignore_editlist": "1"} if all_of_it else {}),
    }
    if demuxer not in DEMUXERS:
        raise UnsupportedMedia(reason("clip_not_opened"), reason("convert_clip"))
    try:
        # The demuxer is named, so that nothing else is tried on the bytes; `file:` leaves no other reading of the path.
        return av.open(f"file:{path}", format=demuxer, options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except Exception as error:
        raise DamagedMedia(reason("no_index"), reason("get_original")) from error


def video_stream(container: Any, limits: MediaLimits) -> tuple[Any, list[Message]]:
    """The largest video stream that is no cover picture, ready to decode; and notes. Raises MediaError."""
    streams = [stream for stream in container.streams if stream.type == "video" and not stream.disposition.value & _COVER_PICTURE]
    if not streams and not container.streams.audio:
        raise DamagedMedia(reason("no_video_track"), reason("get_original"))
    if not streams:
        raise NoPictures(reason("only_sound"), reason("give_video"))
    usable = [stream for stream in streams if stream.codec_context is not None and stream.codec_context.name in DECODERS]
    if not usable:
        context = streams[0].codec_context
        coded = reason("codec", codec=context.name) if context is not None else reason("codec_unknown")
        raise UnsupportedMedia(coded, reason("convert_codec"))
    stream = max(usable, key=lambda candidate: candidate.codec_context.width * candidate.codec_context.height)
    context = stream.codec_context
    if context.width * context.height > limits.max_clip_pixels:
        raise MediaTooLarge(reason("frames_too_large", across=context.width, down=context.height), reason("scale_down"))
    context.options = {"codec_whitelist": ",".join(DECODERS), "max_pixels": str(limits.max_clip_pixels)}
    # Every thread holds frames of its own, so of large frames few at a time are decoded.
    deep = 2 if any(bits in (context.pix_fmt or "") for bits in ("10", "12", "16")) else 1
    large = context.width * context.height * deep / _LARGE_PIXELS
    stream.thread_count = _MOST_THREADS if large < 0.9 else 2 if large <= 2 else 1
    stream.thread_type = "AUTO"
    notes = [reason("largest_track", count=len(streams))] if len(streams) > 1 else []
    return stream, notes


def survey_packets(container: Any, stream: Any, deadline: float) -> Survey:
    """Read all packets of a stream without decoding them, until `deadline` (of time.monotonic())."""
    survey = Survey(promised=max(0, stream.frames or 0), promised_seconds=_header_seconds(container, stream))
    times: dict[int, bool] = {}
    ends: list[int] = []
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            survey.packets += 1
            moment = packet_time(packet, container)
            if moment is not None and not packet.is_discard:
                times[moment] = times.get(moment, False) or packet.is_keyframe
                ends.append(moment + max(0, packet.duration or 0))
            if survey.packets >= _MOST_PACKETS or time.monotonic() > deadline:
                survey.cut_off = True
                break
    except MemoryError:
        raise
    except Exception:
        survey.cut_off = True
    survey.times = sorted(times)
    survey.keys = [moment for moment in survey.times if times[moment]]
    if survey.times:
        survey.end = max(ends)
        survey.start = _start(container, stream, survey.times[0])
    return survey


def hidden_seconds(path: str, demuxer: str, limits: MediaLimits, survey: Survey, unit: float, deadline: float) -> float:
    """How much of a clip its edit list hides, as phones trim: 0 where all frames that its header promises are shown, or are not there."""
    if demuxer != "mov" or survey.promised <= len(survey.times) + 1:
        return 0.0
    with open_clip(path, demuxer, limits, all_of_it=True) as container:
        whole = survey_packets(container, video_stream(container, limits)[0], deadline)
    more = (whole.end - whole.times[0] - (survey.end - survey.times[0])) * unit if whole.times and not whole.cut_off else 0.0
    return more if more >= _LEAST_HIDDEN_SECONDS else 0.0


def packet_time(packet: Any, container: Any) -> int | None:
    """When a packet's frame is shown. AVI knows only the order of decoding, at a constant rate: its presentation times are guesses."""
    if packet.pts is None or container.format.name == "avi":
        return packet.dts
    return packet.pts


def _header_seconds(container: Any, stream: Any) -> float:
    if stream.duration is not None:
        return float(stream.duration * (stream.time_base or 0))
    return (container.duration or 0) / 1e6


def _start(container: Any, stream: Any, first: int) -> int:
    """Zero of the clip's clock: where a player starts, which may be a little before the first frame when the sound begins earlier."""
    unit = float(stream.time_base or 1)
    if container.start_time is not None:
        lead = first * unit - container.start_time / 1e6
        if 0 <= lead <= 10:
            return first - round(lead / unit)
    return first
