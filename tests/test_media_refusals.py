"""Every bad file is refused with a typed error and a plain sentence; nothing is fetched, and the next file works."""

from __future__ import annotations

import contextlib
import http.server
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from attribution.errors import DamagedMedia, EmptyMedia, MediaError, MediaTooLarge, MissingMedia, NoPictures, UnsupportedMedia
from attribution.media import MediaLimits, demux, magic, open_media, pictures, prepare, retire
from make_media import scene, write_clip, write_huge_png, write_picture, write_sound


@pytest.fixture(autouse=True, scope="module")
def _a_decoder_is_kept_ready() -> Iterator[None]:
    prepare()
    yield
    retire()


def refusal(path: str | Path, limits: MediaLimits | None = None) -> MediaError:
    """The error; its sentences are plain: they end, name no path and hold no traceback."""
    with pytest.raises(MediaError) as caught:
        open_media(path, limits).close()
    error = caught.value
    assert error.what.endswith(".")
    assert error.next_step.endswith(".")
    assert os.sep not in str(error).replace("I/O", "")
    assert "Error" not in str(error)
    return error


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_what_is_no_file(tmp_path: Path) -> None:
    assert type(refusal(tmp_path / "nothing.jpg")) is MissingMedia
    assert type(refusal(tmp_path / ("x" * 300 + ".jpg"))) is MissingMedia
    assert type(refusal("a\0b.jpg")) is MissingMedia
    assert type(refusal(write(tmp_path / "empty.jpg", b""))) is EmptyMedia
    assert type(refusal(tmp_path)) is UnsupportedMedia
    assert type(refusal(write(tmp_path / "file", b"x") / "below.jpg")) is MissingMedia


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert type(refusal(tmp_path / "pipe.mp4")) is UnsupportedMedia


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", scene(8, 8))
    path.chmod(0)
    assert "may not be read" in str(refusal(path))


def test_more_bytes_than_allowed(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", scene(64, 64))
    error = refusal(path, MediaLimits(max_bytes=path.stat().st_size - 1))
    assert type(error) is MediaTooLarge
    assert "kB" in error.what
    open_media(path, MediaLimits(max_bytes=path.stat().st_size)).close()


def test_files_of_other_kinds_whatever_their_names_say(tmp_path: Path) -> None:
    assert "text file" in str(refusal(write(tmp_path / "text.jpg", b"This is no picture.\n" * 50)))
    assert "neither" in str(refusal(write(tmp_path / "zeros.mp4", bytes(10_000))))
    assert "neither" in str(refusal(write(tmp_path / "random.png", np.random.default_rng(3).bytes(5000))))
    for name, word in (("BMP", "BMP"), ("TIFF", "TIFF"), ("ICO", "ICO"), ("PDF", "PDF"), ("EPS", "PostScript")):
        stored = io.BytesIO()
        Image.fromarray(scene(32, 32)).save(stored, name)
        error = refusal(write(tmp_path / "a.png", stored.getvalue()))
        assert type(error) is UnsupportedMedia
        assert word in str(error)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("../a.jpg", b"x")
    assert "archive" in str(refusal(write(tmp_path / "a.jpg", archive.getvalue())))
    write(tmp_path / "heic.jpg", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(500))
    assert "Convert it to PNG or JPEG first." in str(refusal(tmp_path / "heic.jpg"))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif"])
def test_a_cut_picture_is_not_judged_by_its_half(tmp_path: Path, name: str) -> None:
    # Noise, so that the half is where half of the rows are.
    rgb = np.random.default_rng(2).integers(0, 255, (200, 200, 3), np.uint8)
    whole = write_picture(tmp_path / name, rgb).read_bytes()
    error = refusal(write(tmp_path / name, whole[: len(whole) // 2]))
    assert type(error) is DamagedMedia
    assert "not judged at all" in str(error)
    for length in (40, len(whole) // 4, int(len(whole) * 0.95)):
        write(tmp_path / name, whole[:length])
        with pytest.raises(DamagedMedia):
            pictures.read_picture(str(tmp_path / name), magic.recognise(whole).opener, MediaLimits())


def test_a_picture_of_four_hundred_million_pixels_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_huge_png(tmp_path / "a.png")
    assert path.stat().st_size < 500_000
    monkeypatch.setattr("attribution.media.decoder.take", lambda: pytest.fail("a decoder was started for it"))
    error = refusal(path)
    assert type(error) is MediaTooLarge
    assert "20000 × 20000" in error.what


def test_pictures_and_clips_beyond_the_limit_of_pixels(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.jpg", scene(200, 200))
    assert type(refusal(path, MediaLimits(max_pixels=39_999))) is MediaTooLarge
    open_media(path, MediaLimits(max_pixels=40_000)).close()
    clip = write_clip(tmp_path / "a.mp4", 2, (320, 240))
    assert type(refusal(clip, MediaLimits(max_clip_pixels=320 * 240 - 1))) is MediaTooLarge


def test_a_png_that_needs_more_memory_than_allowed(tmp_path: Path) -> None:
    error = refusal(write_huge_png(tmp_path / "a.png", 9_000), MediaLimits(memory_bytes=500 * 2**20))
    assert type(error) is MediaTooLarge
    assert "memory" in error.what


def test_a_clip_without_its_index(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", 20).read_bytes()
    assert whole.index(b"moov") > len(whole) // 2
    assert type(refusal(write(tmp_path / "b.mp4", whole[: whole.index(b"moov") - 4]))) is DamagedMedia
    assert type(refusal(write(tmp_path / "c.mp4", whole[:60]))) is DamagedMedia


def test_a_clip_whose_frames_are_noise(tmp_path: Path) -> None:
    whole = bytearray(write_clip(tmp_path / "a.mp4", 20, container_options={"movflags": "faststart"}).read_bytes())
    start = whole.index(b"mdat") + 4
    whole[start:] = np.random.default_rng(4).bytes(len(whole) - start)
    assert type(refusal(write(tmp_path / "b.mp4", bytes(whole)))) is DamagedMedia


def test_sound_without_pictures(tmp_path: Path) -> None:
    assert type(refusal(write_sound(tmp_path / "a.mp4"))) is NoPictures
    assert type(refusal(write_sound(tmp_path / "a.mkv"))) is NoPictures
    assert type(refusal(write(tmp_path / "a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40)))) is NoPictures


@pytest.mark.parametrize(("codec", "pixels"), [("ffv1", "yuv420p"), ("magicyuv", "gbrp"), ("rawvideo", "yuv420p")])
def test_codecs_that_are_not_opened(tmp_path: Path, codec: str, pixels: str) -> None:
    error = refusal(write_clip(tmp_path / "a.avi", 3, codec=codec, pixels=pixels))
    assert type(error) is UnsupportedMedia
    assert codec in error.what


def test_clips_that_were_cut_or_changed_anywhere_are_read_or_refused(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", 12, (64, 48), container_options={"movflags": "faststart"}).read_bytes()
    random = np.random.default_rng(11)
    for number in range(12):
        data = bytearray(whole[: int(len(whole) * (number + 1) / 7)] if number < 6 else whole)
        for at in random.integers(0, len(data), 0 if number < 6 else 12):
            data[at] = int(random.integers(0, 256))
        with contextlib.suppress(MediaError), open_media(write(tmp_path / "b.mp4", bytes(data))) as opened:
            assert 1 <= opened.media.frames_read <= opened.media.frames_wanted


def test_files_that_grow_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_picture(tmp_path / "a.png", scene(64, 64))
    from attribution.media import session

    hashing = session._digest

    def hash_then_grow(location: str, limits: MediaLimits) -> tuple[str, int]:
        found = hashing(location, limits)
        with open(location, "ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(session, "_digest", hash_then_grow)
    assert "changed while it was read" in str(refusal(path))


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """The address of a web server on this machine, and the paths that were asked of it."""
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def playlists(address: str, other: Path) -> dict[str, bytes]:
    """Files that only point elsewhere: to the network, or to another file of this machine."""
    return {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{address}/hls.ts\n#EXT-X-ENDLIST\n".encode(),
        "hls_file.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{other}\n#EXT-X-ENDLIST\n".encode(),
        "hls_concat.m3u8": f"#EXTM3U\n#EXTINF:10,\nconcat:{other}|{address}/x.ts\n#EXT-X-ENDLIST\n".encode(),
        "concat.mp4": f"ffconcat version 1.0\nfile '{other}'\n".encode(),
        "concat_http.mkv": f"ffconcat version 1.0\nfile '{address}/concat.mp4'\n".encode(),
        "session.mp4": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\na=control:{address}\nm=video 9 RTP/AVP 96\n".encode(),
        "dash.mp4": f"<?xml version='1.0'?><MPD><BaseURL>{address}/</BaseURL></MPD>".encode(),
    }


def test_playlists_fetch_nothing_and_read_no_other_file(
    tmp_path: Path, canary: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = canary
    followers = ("hls", "concat", "sdp")
    other = write_clip(tmp_path / "other.ts", 5, (64, 48))
    for name, data in playlists(address, other).items():
        path = write(tmp_path / name, data)
        assert type(refusal(path)) is UnsupportedMedia
        # Past the look at their first bytes no demuxer that we name follows them, and the white lists stop those that would.
        with monkeypatch.context() as careless:
            careless.setattr(demux, "DEMUXERS", demux.DEMUXERS + followers)
            for opener in demux.DEMUXERS:
                with pytest.raises(DamagedMedia):
                    demux.open_clip(str(path), opener, MediaLimits())
    assert asked == []
    # The server is there, and a less careful way of opening does ask it.
    careless_options = {"protocol_whitelist": "file,http,tcp", "extension_picky": "0"}
    with pytest.raises((OSError, ValueError)):
        av.open(str(tmp_path / "hls.mp4"), format="hls", options=careless_options)
    assert asked == ["/hls.ts"]


def test_an_address_in_place_of_a_path_is_a_missing_file(canary: tuple[str, list[str]]) -> None:
    address, asked = canary
    for path in (f"{address}/a.mp4", f"concat:{address}/a.mp4", "file:///etc/hostname", "pipe:0"):
        assert type(refusal(path)) is MissingMedia
    assert asked == []
