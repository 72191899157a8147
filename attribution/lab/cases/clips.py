"""Makers of the clips and animations among the cases, short and small, so that examining all of them takes minutes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from attribution.lab.cases.faces import Faces
from attribution.lab.cases.pictures import resized

_WINDOW = 0.88


def write_clip(path: Path, frames: Sequence[np.ndarray], milliseconds: Sequence[int], crf: int = 20, gop: int = 250) -> Path:
    """H.264 with the given presentation times; frames of even sides, of one size. One thread without trees of macroblocks gives the
    same bytes on every run."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=1000)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast", "g": str(gop), "threads": "1", "x264-params": "mbtree=0"}
        for rgb, at in zip(frames, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def trim_clip(path: Path) -> Path:
    """Let the edit list of an MP4 file show the second half alone (ISO 14496-12, 8.6.6), as phones trim."""
    data = bytearray(path.read_bytes())
    header, edit = data.index(b"mdhd") + 4, data.index(b"elst") + 4
    assert data[header] == data[edit] == 0, "version 0 of both boxes"
    (length,) = struct.unpack_from(">I", data, header + 16)
    shown, first = struct.unpack_from(">Ii", data, edit + 8)
    struct.pack_into(">Ii", data, edit + 8, shown // 2, first + length // 2)
    path.write_bytes(data)
    return path


def seen(pictures: Sequence[np.ndarray], rng: np.random.Generator, width: int) -> list[np.ndarray]:
    """Each of the pictures (of one shape) as a frame, in the order of time, through a window that wanders a little."""
    phases, turns = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.3, 1.2, 2)
    frames = []
    for number, rgb in enumerate(pictures):
        shift = 0.5 + 0.5 * np.sin(phases + turns * number * 2 * np.pi / max(len(pictures), 24))
        sides = np.array(rgb.shape[:2]) * _WINDOW
        top, left = np.round(shift * (np.array(rgb.shape[:2]) - sides)).astype(int).tolist()
        window = rgb[top : top + int(sides[0]), left : left + int(sides[1])]
        frames.append(resized(window, width / window.shape[1]))
    return frames


def _times(frames: int, fps: float, start: int = 0) -> list[int]:
    return [start + round(1000 * number / fps) for number in range(frames)]


def moved(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """An untouched head before a camera that moves a little."""
    frames = seen([faces.genuine(rng).rgb] * 16, rng, int(rng.integers(112, 200)) * 2)
    return write_clip(stem.with_suffix(".mp4"), frames, _times(16, (4, 8, 16)[number % 3]), int(rng.integers(18, 30)))


def grown(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """Two seconds untouched and small, then two swapped and larger, in one stream: MPEG-TS, or Matroska."""
    untouched, forged = faces.pair(rng)
    pictures = [untouched.rgb] * 8 + [forged.rgb] * 8
    small, large = seen(pictures, rng, int(rng.integers(80, 110)) * 2)[:8], seen(pictures, rng, int(rng.integers(150, 200)) * 2)[8:]
    stream = stem.with_suffix(".ts")
    parts = ((small, _times(8, 4, 1000)), (large, _times(8, 4, 3000)))
    stream.write_bytes(b"".join(write_clip(stream, *part).read_bytes() for part in parts))
    return stream if number % 2 else _in_matroska(stream)


def _in_matroska(stream: Path) -> Path:
    """The packets of an MPEG-TS as they are in a Matroska file, which takes the stream's place."""
    path = stream.with_suffix(".mkv")
    with av.open(str(stream)) as source, av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        copy = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
    stream.unlink()
    return path


def animated(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """GIF, WebP or APNG: five pictures untouched, then eight swapped."""
    untouched, forged = faces.pair(rng)
    frames = [Image.fromarray(rgb) for rgb in seen([untouched.rgb] * 5 + [forged.rgb] * 8, rng, int(rng.integers(110, 160)) * 2)]
    path = stem.with_suffix((".gif", ".webp", ".png")[number % 3])
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=200, loop=0)
    return path


def long(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """Two to five minutes, two frames a second, six seconds of them swapped."""
    untouched, forged = faces.pair(rng)
    count = int(rng.integers(240, 600))
    first = int(rng.integers(20, count - 32))
    pictures = [forged.rgb if first <= number < first + 12 else untouched.rgb for number in range(count)]
    return write_clip(stem.with_suffix(".mp4"), seen(pictures, rng, 256), _times(count, 2), gop=20)


def seldom_usable(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """A swapped face that is too blurred, or too dark, in two of three views."""
    frames = seen([faces.pair(rng)[1].rgb] * 18, rng, int(rng.integers(128, 170)) * 2)
    for place, rgb in enumerate(frames):
        if place % 3:
            frames[place] = cv2.GaussianBlur(rgb, (0, 0), 12) if number % 2 else (rgb * 0.08).astype(np.uint8)
    return write_clip(stem.with_suffix(".mp4"), frames, _times(18, 3))


def still(stem: Path, rng: np.random.Generator, faces: Faces, number: int) -> Path:
    """A swapped picture shown as a clip of 8 to 15 seconds: in two frames, or in one a second."""
    rgb = resized(faces.pair(rng)[1].rgb, float(rng.uniform(0.7, 1.1)))
    length = int(rng.integers(8, 16))
    times = _times(length, 1) if number % 2 else [0, 1000 * length]
    return write_clip(stem.with_suffix(".mp4"), [rgb] * len(times), times)


def trimmed(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """An untouched head; an edit list shows the second half alone."""
    frames = seen([faces.genuine(rng).rgb] * 24, rng, int(rng.integers(128, 190)) * 2)
    return trim_clip(write_clip(stem.with_suffix(".mp4"), frames, _times(24, 4)))


def swapped_trimmed(stem: Path, rng: np.random.Generator, faces: Faces, _number: int) -> Path:
    """Untouched and hidden by an edit list, then swapped and shown."""
    untouched, forged = faces.pair(rng)
    frames = seen([untouched.rgb] * 12 + [forged.rgb] * 12, rng, int(rng.integers(128, 190)) * 2)
    return trim_clip(write_clip(stem.with_suffix(".mp4"), frames, _times(24, 4)))
