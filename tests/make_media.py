"""Makes the pictures and clips of the tests with Pillow, PyAV and bytes: good ones, odd ones and hostile ones.

Every frame of a clip shows its own number as a row of dark and bright squares, so that a test can tell which frame it was given.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from multiprocessing import current_process, get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

BITS = 10
_ENCODER = "encoder"

# Display matrices (a, b, c, d) by EXIF orientation: a stored pixel (x, y) is shown at (a·x + c·y, b·x + d·y).
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def scene(width: int, height: int) -> np.ndarray:
    """height×width×3 uint8: smooth, without symmetry, red to the right and green downwards, a bright square at the top left."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = 20 * np.sin(across * 25) * np.cos(down * 17)
    rgb = np.stack([40 + 150 * across, 40 + 150 * down, 90 + waves], 2)
    rgb[: max(1, height // 6), : max(1, width // 6)] = 235
    return rgb.clip(0, 255).astype(np.uint8)


def numbered(number: int, width: int, height: int) -> np.ndarray:
    """The scene with `number` written over its lower half in binary, the lowest bit at the left."""
    rgb = scene(width, height)
    for bit in range(BITS):
        rgb[height // 2 :, bit * width // BITS : (bit + 1) * width // BITS] = 230 if number >> bit & 1 else 20
    return rgb


def number_of(rgb: np.ndarray) -> int:
    """The number that a frame shows."""
    height, width = rgb.shape[:2]
    row = rgb[height * 3 // 4]
    return sum(int(row[int((bit + 0.5) * width / BITS)].mean() > 125) << bit for bit in range(BITS))


def write_clip(
    path: Path,
    frames: int = 30,
    size: tuple[int, int] = (160, 96),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 30,
    milliseconds: Sequence[int] | None = None,
    gop: int = 250,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    pictures: Sequence[np.ndarray] | None = None,
    shape: Fraction | None = None,
    sound: bool = False,
) -> Path:
    """A clip of numbered frames (or of `pictures`), at `fps` or at the given presentation times."""
    if codec == "libsvtav1" and current_process().name != _ENCODER:
        # SVT-AV1 gives the whole process (as root) real-time priority for good: every server and browser that it starts would inherit it.
        process = get_context("spawn").Process(target=write_clip, args=(path, frames, size, codec, pixels, fps), name=_ENCODER)
        process.start()
        process.join()
        assert process.exitcode == 0
        return path
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options or _options(codec))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = gop
        unit = Fraction(1, 1000) if milliseconds is not None else Fraction(1, fps)
        stream.codec_context.time_base = unit
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        track: Any = container.add_stream("aac", rate=16000) if sound else None
        shown = pictures if pictures is not None else [numbered(number, *size) for number in range(frames)]
        for number, rgb in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = (number if milliseconds is None else milliseconds[number]), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track:
            _silence(container, track, 16)
    return path


def write_sound(path: Path) -> Path:
    """A file with a sound track and no pictures."""
    with av.open(str(path), "w") as container:
        _silence(container, container.add_stream("aac", rate=16000), 16)
    return path


def turn_clip(path: Path, orientation: int) -> Path:
    """Write the display matrix of an orientation into the track header of an MP4 file (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    matrix = at + (52 if data[at] else 40)
    a, b, c, d = (value * 65536 for value in MATRICES[orientation])
    data[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def turn_back(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """The stored pixels that a viewer shows as `rgb` when they carry this EXIF orientation."""
    image = Image.fromarray(rgb)
    inverse = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return np.asarray(image if inverse is None else image.transpose(inverse))


def write_picture(path: Path, rgb: np.ndarray, orientation: int = 1, **settings: Any) -> Path:
    """A picture in the format of the path's suffix, with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rgb).save(path, exif=exif, **settings)
    return path


def write_huge_png(path: Path, side: int = 20_000) -> Path:
    """A whole, valid one-bit PNG of side×side pixels in a few kilobytes."""
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    return path


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _options(codec: str) -> dict[str, str]:
    return {"libx264": {"preset": "ultrafast", "crf": "12"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}}.get(
        codec, {"cpu-used": "8", "deadline": "realtime"} if codec.startswith("libvpx") else {}
    )


def _silence(container: Any, track: Any, blocks: int) -> None:
    for block in range(blocks):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, block * 1024
        container.mux(track.encode(frame))
    container.mux(track.encode(None))
