"""The parts of media that need no process: magic bytes, sampling, orientations, messages, limits."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from attribution.errors import MediaError, NoPictures, UnsupportedMedia
from attribution.media import MediaLimits, magic, orientation, wire
from attribution.media.kept import keep
from attribution.media.sampling import Wanted, evenly_in_time
from make_media import MATRICES, numbered, scene, turn_back

FTYP = b"\x00\x00\x00\x18ftyp"


@pytest.mark.parametrize(
    ("head", "kind", "label", "opener"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "picture", "JPEG", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "picture", "PNG", "PNG"),
        (b"GIF89a\x01\x00\x01\x00", "picture", "GIF", "GIF"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "picture", "WebP", "WEBP"),
        (FTYP + b"avif\x00\x00\x00\x00avifmif1", "picture", "AVIF", "AVIF"),
        (FTYP + b"avis\x00\x00\x00\x00avismsf1", "picture", "AVIF", "AVIF"),
        (FTYP + b"mif1\x00\x00\x00\x00mif1avif", "picture", "AVIF", "AVIF"),
        (FTYP + b"3gp5\x00\x00\x00\x003gp5", "clip", "mp4", "mov"),
        (b"\x06\x0e+4\x02\x05\x01\x01\r\x01\x02\x01\x01\x02\x04\x00", "clip", "mxf", "mxf"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "clip", "avi", "avi"),
        (FTYP + b"isom\x00\x00\x00\x00isom", "clip", "mp4", "mov"),
        (FTYP + b"qt  \x00\x00\x00\x00qt  ", "clip", "mov", "mov"),
        (b"\x00\x00\x00\x08wide\x00\x00", "clip", "mov", "mov"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "clip", "webm", "matroska"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "clip", "mkv", "matroska"),
        ((b"G" + bytes(187)) * 3, "clip", "mpegts", "mpegts"),
        (bytes(4) + (b"G" + bytes(191)) * 3, "clip", "mpegts", "mpegts"),
    ],
)
def test_formats_are_told_by_their_bytes(head: bytes, kind: str, label: str, opener: str) -> None:
    assert magic.recognise(head) == magic.Format(kind, label, opener)


@pytest.mark.parametrize(
    ("head", "error", "words"),
    [
        (FTYP + b"heic\x00\x00\x00\x00mif1heic", UnsupportedMedia, "HEIC, which Telltale does not open. Convert it to PNG or JPEG first."),
        (FTYP + b"mif1\x00\x00\x00\x00mif1heic", UnsupportedMedia, "HEIC"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", UnsupportedMedia, "JPEG XL, which Telltale does not open. Convert it to PNG or JPEG first."),
        (b"\xff\x0a\xfa\x1f", UnsupportedMedia, "JPEG XL"),
        (b"II*\x00\x08\x00\x00\x00", UnsupportedMedia, "TIFF"),
        (b"MM\x00*\x00\x00\x00\x08", UnsupportedMedia, "TIFF"),
        (b"BM\x36\x00", UnsupportedMedia, "BMP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", UnsupportedMedia, "SVG"),
        (b"<?xml version='1.0'?>\n<svg>", UnsupportedMedia, "SVG"),
        (b"%PDF-1.7", UnsupportedMedia, "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", UnsupportedMedia, "PostScript"),
        (b"PK\x03\x04\x14\x00", UnsupportedMedia, "archive"),
        (b"\x1f\x8b\x08\x00", UnsupportedMedia, "archive"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", UnsupportedMedia, "JPEG 2000"),
        (b"\x00\x00\x01\xba\x44\x00", UnsupportedMedia, "MPEG-PS"),
        (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9", UnsupportedMedia, "Windows Media"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", UnsupportedMedia, "playlist"),
        (b"ffconcat version 1.0\nfile 'http://example.org/a.mp4'", UnsupportedMedia, "text file"),
        (b"<!DOCTYPE html><html>", UnsupportedMedia, "web page"),
        ("Grüße, dies ist ein Text".encode(), UnsupportedMedia, "text file, whatever its name says"),
        (b"a", UnsupportedMedia, "text file"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", NoPictures, "sound file"),
        (b"ID3\x04\x00", NoPictures, "sound file"),
        (b"fLaC\x00\x00", NoPictures, "sound file"),
        (bytes(4096), UnsupportedMedia, "neither a picture nor a clip"),
        (b"\x93\x10\xfe\xca" * 30, UnsupportedMedia, "neither a picture nor a clip"),
        (b"RIFF", UnsupportedMedia, "neither a picture nor a clip"),
    ],
)
def test_other_files_are_refused_in_a_plain_sentence(head: bytes, error: type[MediaError], words: str) -> None:
    with pytest.raises(error) as caught:
        magic.recognise(head)
    assert words in str(caught.value)
    assert caught.value.next_step.endswith(".")


def test_no_beginning_makes_the_parent_stumble() -> None:
    random = np.random.default_rng(5)
    starts = [
        b"",
        b"\x89PNG",
        b"GIF89a",
        b"RIFF????WEBP",
        b"RIFF????WEBPVP8X",
        FTYP,
        FTYP + b"mif1",
        b"\x1aE\xdf\xa3",
        b"\xff\xd8\xff",
        b"G",
    ]
    for number in range(2000):
        head = starts[number % len(starts)] + random.bytes(int(random.integers(0, 60)))
        size = magic.declared_size(head)
        assert size is None or min(size) >= 0
        with contextlib.suppress(UnsupportedMedia, NoPictures):
            assert magic.recognise(head).kind in ("picture", "clip")


@pytest.mark.parametrize(("format_name", "settings"), [("PNG", {}), ("GIF", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 50})])
def test_the_declared_size_is_that_of_the_picture(format_name: str, settings: dict[str, object]) -> None:
    for mode in ("RGB", "RGBA"):
        stored = io.BytesIO()
        Image.new(mode, (321, 123), "#10204080").save(stored, format_name, **settings)
        assert magic.declared_size(stored.getvalue()[: magic.HEAD_BYTES]) == (321, 123)


def test_sampling_covers_the_clip_evenly_and_never_twice() -> None:
    times = [number / 30 for number in range(300)]
    chosen = evenly_in_time(times, 64)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 299, 64)
    assert set(np.diff(chosen)) <= {4, 5}
    assert evenly_in_time(times[:10], 64) == list(range(10))
    assert evenly_in_time(times, 1) == [0]
    assert evenly_in_time([], 5) == []


def test_a_lost_frame_is_replaced_by_the_next_once() -> None:
    wanted = Wanted([0, 10, 20, 30])
    assert [time for time in (0, 5, 9, 12, 21, 20, 35) if wanted.takes(time)] == [0, 12, 21, 35]
    assert wanted.finished
    wanted = Wanted([0, 10, 20, 30])
    assert [time for time in (25, 26, 30) if wanted.takes(time)] == [25, 30]


@pytest.mark.parametrize("number", range(1, 9))
def test_orientations_agree_with_pillow_and_with_themselves(number: int) -> None:
    shown = scene(40, 24)
    stored = turn_back(shown, number)
    assert np.array_equal(orientation.upright(stored, number), shown)
    height, width = stored.shape[:2]
    x0, y0, x1, y1 = orientation.stored_area((5, 3, 21, 13), width, height, number)
    assert np.array_equal(orientation.upright(stored[y0:y1, x0:x1], number), shown[3:13, 5:21])
    a, b, c, d = (value * 65536 for value in MATRICES[number])
    matrix = struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert orientation.from_display_matrix(matrix) == number


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "nv12", "gray", "rgb24", "yuv420p10le"])
@pytest.mark.parametrize("turn", [1, 6, 7])
@pytest.mark.parametrize("size", [(160, 120), (161, 121)])
def test_a_crop_is_the_lanczos_cut_of_the_whole_frame(pixels: str, turn: int, size: tuple[int, int]) -> None:
    width, height = size if pixels not in ("nv12", "yuv420p10le") else (160, 120)
    frame = av.VideoFrame.from_ndarray(numbered(5, width, height), "rgb24").reformat(format=pixels)
    kept, notes = keep(frame, 0.0, turn, None, MediaLimits())
    assert notes == []
    whole = orientation.upright(kept.frame.to_ndarray(format="rgb24"), turn)
    for box in ((10.25, 5.5, 90.25, 85.5), (0.0, 0.0, 120.0, 120.0), (60.0, 50.0, 75.0, 65.0)):
        cut = kept.crop(box, 48)
        expected = np.asarray(Image.fromarray(whole).resize((48, 48), Image.Resampling.LANCZOS, box=box))
        assert cut.shape == (48, 48, 3)
        assert np.abs(cut.astype(int) - expected).max() <= 1


def test_messages_survive_the_pipe() -> None:
    pipe = io.BytesIO()
    wire.send(pipe, {"name": "Grüße \udcff", "values": [1, 2.5, None, True]})
    wire.send_bytes(pipe, np.arange(6, dtype=np.uint8).reshape(2, 3))
    pipe.seek(0)
    assert wire.receive(pipe) == {"name": "Grüße \udcff", "values": [1, 2.5, None, True]}
    target = np.empty((2, 3), np.uint8)
    wire.receive_into(pipe, target.data)
    assert target.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert wire.receive(pipe) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00",
        struct.pack(">I", wire.MOST_HEADER_BYTES + 1),
        b"\xff\xff\xff\xff" + bytes(100),
        struct.pack(">I", 10) + b"{}",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 3) + b"\xff\xfe{",
        struct.pack(">I", 100_000) + b"[" * 100_000,
        struct.pack(">I", len('{"seconds": NaN}')) + b'{"seconds": NaN}',
        struct.pack(">I", 4) + json.dumps("ab").encode(),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.receive(io.BytesIO(raw))


def test_importing_media_loads_no_decoder(tmp_path: Path) -> None:

    seen = subprocess.run(
        [sys.executable, "-c", "import sys, attribution.media; print([m for m in ('av', 'PIL', 'torch', 'gradio') if m in sys.modules])"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
        check=True,
    )
    assert seen.stdout.strip() == "[]"
