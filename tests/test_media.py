"""Reading pictures and clips: every format, true orientation and time, honest partial reading, crops from full resolution."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from attribution.errors import EvidenceError
from attribution.lab.cases.clips import trim_clip
from attribution.media import MediaLimits, animations, clips, demux, magic, open_media, pictures, prepare, retire
from make_media import number_of, numbered, scene, turn_back, turn_clip, write_clip, write_picture

SIZE = (160, 96)


@pytest.fixture(autouse=True, scope="module")
def _a_decoder_is_kept_ready() -> Iterator[None]:
    prepare()
    yield
    retire()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize(
    ("name", "settings", "container"),
    [
        ("a.jpg", {"quality": 95, "subsampling": 0}, "JPEG"),
        ("a.png", {}, "PNG"),
        ("a.webp", {"lossless": True}, "WebP"),
        ("a.gif", {}, "GIF"),
        ("a.avif", {"quality": 95}, "AVIF"),
    ],
)
def test_pictures_of_every_format(tmp_path: Path, name: str, settings: dict[str, Any], container: str) -> None:
    path = write_picture(tmp_path / name, scene(200, 120), **settings)
    with open_media(path) as opened:
        media = opened.media
        assert (media.name, media.kind, media.container) == (name, "picture", container)
        assert (media.width, media.height, media.duration_seconds) == (200, 120, None)
        assert (media.frames_read, media.frames_wanted, media.notes) == (1, 1, ())
        assert media.bytes == path.stat().st_size
        assert media.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        frame = opened.frames[0]
        assert (frame.index, frame.seconds, frame.scale) == (0, 0.0, 1.0)
        assert difference(frame.rgb, scene(200, 120)) < 6


CLIPS = [
    ("a.mp4", "libx264", "yuv420p", "mp4 (h264)"),
    ("a.mov", "libx264", "yuv444p", "mov (h264)"),
    ("a.mkv", "libx265", "yuv420p10le", "mkv (hevc)"),
    ("a.webm", "libvpx", "yuv420p", "webm (vp8)"),
    ("b.webm", "libvpx-vp9", "yuv420p", "webm (vp9)"),
    ("b.mkv", "libsvtav1", "yuv420p", "mkv (av1)"),
    ("a.avi", "mpeg4", "yuv420p", "avi (mpeg4)"),
    ("b.avi", "mjpeg", "yuvj420p", "avi (mjpeg)"),
    ("a.ts", "mpeg2video", "yuv420p", "mpegts (mpeg2video)"),
    ("b.mov", "prores_ks", "yuv422p10le", "mov (prores)"),
    ("a.mxf", "mpeg2video", "yuv422p", "mxf (mpeg2video)"),
]


@pytest.mark.parametrize(("name", "codec", "pixels", "container"), CLIPS, ids=[clip[3] for clip in CLIPS])
def test_clips_of_every_format(tmp_path: Path, name: str, codec: str, pixels: str, container: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV cannot write {codec}")
    path = write_clip(tmp_path / name, 12, SIZE, codec, pixels)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "an encoder took over the machine"
    with open_media(path) as opened:
        media = opened.media
        assert (media.kind, media.container, media.width, media.height) == ("clip", container, *SIZE)
        assert (media.frames_read, media.frames_wanted, media.notes) == (12, 12, ())
        assert media.duration_seconds == pytest.approx(0.4, abs=0.002)
        assert [number_of(frame.rgb) for frame in opened.frames] == list(range(12))
        assert [frame.seconds for frame in opened.frames] == pytest.approx([number / 30 for number in range(12)], abs=0.001)
        assert difference(opened.frames[3].rgb, numbered(3, *SIZE)) < 12


def test_the_name_and_the_suffix_do_not_matter(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "real.png", scene(60, 40)).rename(tmp_path / "holiday.mp4")
    with open_media(path, name="shown\n<b>\udcff") as opened:
        assert opened.media.container == "PNG"
        assert opened.media.name == "shown�<b>?"
    joined = "تصویر\u200cمن 👨\u200d👩.jpg"
    with open_media(path, name=f"\u202e{joined}\u2066") as opened:
        assert opened.media.name == f"�{joined}�", "joiners are letters, and what turns them round is not"


def test_names_that_look_like_options_or_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-o.mp4", "concat:a.mp4|b.mp4", "naïve $(id) %03d;.mp4"):
        write_clip(tmp_path / "plain.mp4", 2, SIZE).rename(tmp_path / name)
        with open_media(name) as opened:
            assert (opened.media.name, opened.media.frames_read) == (name, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    path = write_picture(tmp_path / "a.png", turn_back(scene(120, 80), orientation), orientation)
    picture, notes = pictures.read_picture(str(path), "PNG", MediaLimits())
    assert (picture.width, picture.height, notes) == (120, 80, [])
    assert np.array_equal(picture.small, scene(120, 80))
    assert np.array_equal(picture.crop((10.0, 5.0, 60.0, 55.0), 50), scene(120, 80)[5:55, 10:60])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_of_a_clip_is_applied(tmp_path: Path, orientation: int) -> None:
    stored = turn_back(scene(128, 80), orientation)
    path = write_clip(tmp_path / "a.mp4", size=stored.shape[1::-1], pixels="yuv444p", pictures=[stored])
    turn_clip(path, orientation)
    clip = clips.read_clip(str(path), "mov", MediaLimits())
    assert (clip.width, clip.height, clip.notes) == (128, 80, [])
    assert difference(clip.frames[0].small, scene(128, 80)) < 4
    assert difference(clip.frames[0].crop((40.0, 8.0, 104.0, 72.0), 64), scene(128, 80)[8:72, 40:104]) < 4


@pytest.mark.parametrize(("degrees", "orientation"), [(90, 6), (180, 3), (270, 8)])
def test_what_was_opened_can_be_turned_and_crops_are_those_of_the_turned_picture(tmp_path: Path, degrees: int, orientation: int) -> None:
    with open_media(write_picture(tmp_path / "a.png", turn_back(scene(120, 80), orientation))) as opened:
        opened.turn(degrees)
        media = opened.media
        assert (media.width, media.height, media.turned_degrees) == (120, 80, degrees)
        assert [note.partition(":")[0] for note in media.notes] == ["No face was found upright"]
        assert np.array_equal(opened.frames[0].rgb, scene(120, 80))
        (cut,) = opened.crops([(0, (10.0, 5.0, 60.0, 55.0))], 50)
        assert np.array_equal(cut, scene(120, 80)[5:55, 10:60])
        with pytest.raises(EvidenceError):
            opened.turn(degrees)


@pytest.mark.parametrize("name", ["a.jpg", "a.mp4"])
def test_a_turned_file_is_upright_all_the_way(tmp_path: Path, name: str) -> None:
    stored = turn_back(scene(128, 80), 6)
    if name == "a.mp4":
        turn_clip(write_clip(tmp_path / name, size=stored.shape[1::-1], pictures=[stored]), 6)
    else:
        write_picture(tmp_path / name, stored, 6, quality=95)
    with open_media(tmp_path / name) as opened:
        assert (opened.media.width, opened.media.height) == (128, 80)
        assert difference(opened.frames[0].rgb, scene(128, 80)) < 6
        cut = opened.crops([(0, (40.0, 8.0, 104.0, 72.0))], 64)[0]
        assert difference(cut, scene(128, 80)[8:72, 40:104]) < 6


def modes() -> dict[str, tuple[Image.Image, dict[str, Any], str]]:
    """Name → picture, settings for saving it as its suffix says, a word of the note that is due."""
    rgb = Image.fromarray(scene(90, 60))
    faded = rgb.copy()
    faded.putalpha(0)
    deep = Image.fromarray((np.linspace(0, 65535, 90)[None, :] * np.ones((60, 1))).astype(np.uint16))
    return {
        "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 95}, "CMYK"),
        "grey.png": (rgb.convert("L"), {}, ""),
        "grey.jpg": (rgb.convert("L"), {"quality": 95}, ""),
        "onebit.png": (rgb.convert("1"), {}, ""),
        "palette.png": (rgb.convert("P", palette=Image.Palette.ADAPTIVE), {}, ""),
        "opaque.png": (rgb.convert("RGBA"), {}, ""),
        "clear.png": (faded, {}, "Transparent"),
        "clear.webp": (faded, {"lossless": True}, "Transparent"),
        "greyclear.png": (faded.convert("LA"), {}, "Transparent"),
        "see.gif": (rgb.convert("P", palette=Image.Palette.ADAPTIVE), {"transparency": 0}, "Transparent"),
        "deep.png": (deep, {}, "16 bits"),
    }


@pytest.mark.parametrize("name", list(modes()))
def test_every_mode_of_pixels_becomes_rgb(tmp_path: Path, name: str) -> None:
    image, settings, word = modes()[name]
    image.save(tmp_path / name, **settings)
    opener = magic.recognise((tmp_path / name).read_bytes()).opener
    picture, notes = pictures.read_picture(str(tmp_path / name), opener, MediaLimits())
    rgb = picture.small
    assert rgb.shape == (60, 90, 3)
    assert len(notes) == bool(word)
    assert word in "".join(notes)
    if name.startswith(("clear", "greyclear")):
        assert int(rgb.min()) == 255
    elif name == "deep.png":
        assert difference(rgb[:, :, 0], np.linspace(0, 255, 90)[None, :] * np.ones((60, 1))) < 1
    elif name == "cmyk.jpg":
        assert difference(rgb, scene(90, 60)) < 8


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_an_animation_is_a_clip(tmp_path: Path, name: str) -> None:
    numbers = (5, 9, 3, 12)
    pictures = [Image.fromarray(numbered(number, *SIZE)) for number in numbers]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=[100, 300, 0, 200])
    with open_media(tmp_path / name) as opened:
        media = opened.media
        assert (media.kind, media.width, media.height, media.notes) == ("clip", *SIZE, ())
        assert (media.frames_read, media.frames_wanted) == (4, 4)
        assert [number_of(frame.rgb) for frame in opened.frames] == list(numbers)
        assert [frame.seconds for frame in opened.frames] == pytest.approx([0, 0.1, 0.4, 0.5], abs=0.02), "no time is a tenth of a second"
        assert media.duration_seconds == pytest.approx(0.7, abs=0.02)
        cut = opened.crops([(2, (0.0, 0.0, *SIZE[1:], SIZE[1]))], 64)[0]
        assert difference(cut, np.asarray(pictures[2].resize((64, 64), Image.Resampling.LANCZOS, (0, 0, SIZE[1], SIZE[1])))) < 6


def test_a_long_animation_is_sampled_evenly_and_a_large_one_fits_the_memory(tmp_path: Path) -> None:
    pictures = [Image.fromarray(numbered(number, *SIZE)) for number in range(150)]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:], duration=40)
    read = animations.read_animation(str(tmp_path / "a.png"), "PNG", MediaLimits(frames=16))
    assert read is not None
    assert [number_of(frame.small) for frame in read.frames] == [round(step * 149 / 15) for step in range(16)]
    tight = animations.read_animation(str(tmp_path / "a.png"), "PNG", MediaLimits(frames=16, memory_bytes=16 * 2 * 3 * 48 * 32))
    assert tight is not None
    assert "scaled down to" in "".join(tight.notes)
    whole, fitted = (one.frames[7].crop((0.0, 0.0, 64.0, 64.0), 16).astype(int) for one in (read, tight))
    assert difference(fitted, whole) < 12


def test_an_animation_that_breaks_off_is_used_up_to_there_and_that_is_said(tmp_path: Path) -> None:
    noise = np.random.default_rng(6).integers(0, 255, (6, 60, 60, 3), np.uint8)
    pictures = [Image.fromarray(rgb) for rgb in noise]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    whole = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "b.gif").write_bytes(whole[: len(whole) * 3 // 5])
    with open_media(tmp_path / "b.gif") as opened:
        assert (opened.media.kind, opened.media.frames_read) == ("clip", 3)
        assert "could be decoded" in opened.media.notes[0]


def test_a_photograph_with_pictures_behind_it_is_a_picture_and_no_animation(tmp_path: Path) -> None:
    left, right = (Image.fromarray(numbered(number, *SIZE)) for number in (5, 9))
    left.save(tmp_path / "a.mpo", save_all=True, append_images=[right])
    with open_media((tmp_path / "a.mpo").rename(tmp_path / "a.jpg")) as opened:
        assert (opened.media.kind, opened.media.container) == ("picture", "JPEG")
        assert number_of(opened.frames[0].rgb) == 5
        assert "animated" not in opened.media.notes[0]


def test_a_large_picture_is_detected_small_and_cut_from_full_resolution(tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (1000, 2000, 3), np.uint8)
    with open_media(write_picture(tmp_path / "a.png", rgb)) as opened:
        frame = opened.frames[0]
        assert frame.rgb.shape == (640, 1280, 3)
        assert frame.scale == pytest.approx(2000 / 1280)
        boxes = [(0.0, 0.0, 224.0, 224.0), (1500.25, 700.5, 1700.25, 900.5), (0.0, 0.0, 1000.0, 1000.0)]
        for box, cut in zip(boxes, opened.crops([(0, box) for box in boxes], 224), strict=True):
            whole = Image.fromarray(rgb).resize((224, 224), Image.Resampling.LANCZOS, box=box)
            assert np.array_equal(cut, np.asarray(whole))
        assert np.array_equal(opened.crops([(0, boxes[0])], 224)[0], rgb[:224, :224])


def test_crops_of_a_clip_are_cut_from_full_resolution_in_the_order_asked(tmp_path: Path) -> None:
    size = (960, 540)
    path = write_clip(tmp_path / "a.mp4", 3, size)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with open_media(path) as opened:
        assert opened.frames[0].rgb.shape == (360, 640, 3)
        assert opened.frames[0].scale == 1.5
        box = (300.5, 20.25, 700.5, 420.25)
        requests = [(2, box), (0, (0.0, 0.0, 100.0, 100.0)), (1, box), (2, (860.0, 440.0, 960.0, 540.0))] * 70
        crops = opened.crops(requests, 112)
        assert len(crops) == 280
        for (index, asked), cut in zip(requests[:4] + requests[-4:], crops[:4] + crops[-4:], strict=True):
            whole = Image.fromarray(decoded[index]).resize((112, 112), Image.Resampling.LANCZOS, box=asked)
            assert np.abs(cut.astype(int) - np.asarray(whole)).max() <= 1
        assert opened.crops([], 112) == []


@pytest.mark.parametrize(
    "request_",
    [
        (0, (-1.0, 0.0, 20.0, 21.0)),
        (0, (0.0, 0.0, 161.0, 161.0)),
        (5, (0.0, 0.0, 20.0, 20.0)),
        (-1, (0.0, 0.0, 20.0, 20.0)),
        (0, (20.0, 20.0, 20.0, 20.0)),
        (0, (0.0, 0.0, float("nan"), 20.0)),
    ],
)
def test_boxes_that_are_not_in_the_picture_are_refused(one_frame: Any, request_: Any) -> None:
    with pytest.raises(EvidenceError):
        one_frame.crops([request_], 32)
    with pytest.raises(EvidenceError):
        one_frame.crops([(0, (0.0, 0.0, 20.0, 20.0))], 0)
    assert one_frame.crops([(0, (0.0, 0.0, 20.0, 20.0))], 8)[0].shape == (8, 8, 3)


@pytest.fixture(scope="module")
def one_frame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_media(write_clip(tmp_path_factory.mktemp("one") / "a.mp4", 1, SIZE)) as opened:
        assert (opened.media.frames_read, len(opened.frames)) == (1, 1)
        yield opened


@pytest.mark.parametrize(
    ("name", "written", "shown"),
    [
        ("a.mp4", [0, 40, 80, 700, 720, 1900, 1910, 1920, 4000], [0, 40, 80, 700, 720, 1900, 1910, 1920, 4000]),
        # The clock starts with the clip and not with its first timestamp.
        ("a.mkv", [5000, 5040, 5080, 5120, 5160], [0, 40, 80, 120, 160]),
        # Reordered frames come in order of time even in an AVI.
        ("a.avi", None, [1000 * number / 30 for number in range(40)]),
    ],
)
def test_times_are_presentation_times(tmp_path: Path, name: str, written: list[int] | None, shown: list[float]) -> None:
    path = write_clip(tmp_path / name, len(shown), SIZE, milliseconds=written, options={"preset": "medium", "bf": "3"})
    with open_media(path) as opened:
        assert [number_of(frame.rgb) for frame in opened.frames] == list(range(len(shown)))
        assert [1000 * frame.seconds for frame in opened.frames] == pytest.approx(shown, abs=1)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_many_frames_are_sampled_evenly_over_the_whole_clip(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, 200, (80, 48), "libvpx" if name.endswith("webm") else "libx264", sound=name.endswith("mp4"))
    with open_media(path, MediaLimits(frames=21)) as opened:
        numbers = [number_of(frame.rgb) for frame in opened.frames]
        assert numbers == pytest.approx(list(np.linspace(0, 199, 21)), abs=1)
        assert (opened.media.frames_read, opened.media.frames_wanted, opened.media.notes) == (21, 21, ())
        assert [frame.seconds for frame in opened.frames] == pytest.approx([number / 30 for number in numbers], abs=0.001)


def test_of_a_long_clip_only_key_frames_are_looked_at_and_that_is_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 400, (80, 48), fps=5, gop=10, options={"preset": "medium", "sc_threshold": "0"})
    with open_media(path, MediaLimits(frames=16, frames_of_long_clip=16)) as opened:
        numbers = [number_of(frame.rgb) for frame in opened.frames]
        assert len(numbers) == 16
        assert all(number % 10 == 0 for number in numbers)
        assert (numbers[0], numbers[-1]) == (0, 390)
        assert [frame.seconds for frame in opened.frames] == pytest.approx([number / 5 for number in numbers], abs=0.001)
        assert opened.media.duration_seconds == pytest.approx(80, abs=0.3)
        assert "only key frames were looked at: 16 of them, from 0.0 s to 1:18.0" in opened.media.notes[0]


@pytest.mark.parametrize("gop", [10, 50])
def test_of_a_long_clip_so_many_frames_are_looked_at_that_little_lies_between_two(tmp_path: Path, gop: int) -> None:
    """However far apart its key frames are."""
    path = write_clip(tmp_path / "a.mp4", 400, (80, 48), fps=5, gop=gop, options={"preset": "medium", "sc_threshold": "0"})
    with open_media(path, MediaLimits(frames=16)) as opened:
        seconds = [frame.seconds for frame in opened.frames]
        assert [frame.seconds for frame in opened.frames] == pytest.approx([number_of(frame.rgb) / 5 for frame in opened.frames], abs=0.001)
        assert max(np.diff(seconds)) <= 5
        assert (seconds[0], seconds[-1]) == (0, pytest.approx(79.8, abs=0.001))
        assert len(seconds) <= 30
        assert (opened.media.frames_read, opened.media.notes) == (opened.media.frames_wanted, ())


@pytest.mark.parametrize(("name", "gop"), [("a.mp4", 25), ("a.ts", 25), ("a.webm", 250)])
def test_moments_are_looked_at_more_closely_on_demand(tmp_path: Path, name: str, gop: int) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = write_clip(tmp_path / name, 200, (80, 48), codec, fps=25, gop=gop)
    with open_media(path, MediaLimits(frames=5, closer_frames=12)) as opened:
        before = opened.frames
        further = opened.look_closer([(3.0, 3.4, 4), (5.9, 6.1, 50)])
        numbers = [number_of(frame.rgb) for frame in further]
        assert numbers == sorted(set(numbers))
        assert len([number for number in numbers if 75 <= number <= 85]) == 4
        assert {number for number in numbers if number > 85} <= set(range(147, 154))
        assert [frame.seconds for frame in further] == pytest.approx([number / 25 for number in numbers], abs=0.01)
        assert [frame.index for frame in further] == list(range(5, 5 + len(further)))
        assert [frame.seconds for frame in opened.frames] == sorted(frame.seconds for frame in (*before, *further))
        assert opened.media.frames_read == opened.media.frames_wanted == 5 + len(further)
        (cut,) = opened.crops([(further[0].index, (0.0, 0.0, 80.0, 48.0))], 80)
        assert number_of(cut) == numbers[0]
        # Nothing twice, and no more than the limit says.
        again = opened.look_closer([(3.0, 3.4, 4), (0.0, 8.0, 100)])
        assert not {frame.seconds for frame in again} & {frame.seconds for frame in (*before, *further)}
        assert len(further) + len(again) <= 12


def test_a_picture_has_no_moments(tmp_path: Path) -> None:
    with open_media(write_picture(tmp_path / "a.png", scene(*SIZE))) as opened:
        assert opened.look_closer([(0.0, 1.0, 4)]) == ()
        assert len(opened.frames) == 1


def test_a_cut_clip_says_how_many_frames_there_are(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", 30, SIZE, gop=1, container_options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with open_media(tmp_path / "cut.mp4") as opened:
        media = opened.media
        assert 5 <= media.frames_read < 25
        assert media.frames_wanted == 30
        assert [number_of(frame.rgb) for frame in opened.frames] == list(range(media.frames_read))
        assert media.notes[0] == f"{media.frames_read} of 30 frames could be decoded."
        assert "its header promises 30 frames" in media.notes[1]


@pytest.mark.parametrize("gop", [15, 250])
def test_a_trimmed_clip_is_not_cut_off_and_says_what_it_hides(tmp_path: Path, gop: int) -> None:
    with open_media(trim_clip(write_clip(tmp_path / "a.mp4", 60, gop=gop))) as opened:
        assert opened.media.frames_read == opened.media.frames_wanted
        assert opened.media.duration_seconds == pytest.approx(1.0, abs=0.1)
        assert [note.split(":")[0] for note in opened.media.notes] == ["The clip was trimmed"]
        assert "hides 1.0 s" in opened.media.notes[0]


def test_what_follows_a_damaged_frame_is_left_out_until_the_next_key_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 30, SIZE, gop=10)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    at, size = packets[15]
    data = bytearray(path.read_bytes())
    data[at + 8 : at + size] = bytes(255 - byte for byte in data[at + 8 : at + size])
    path.write_bytes(data)
    with open_media(path) as opened:
        numbers = [number_of(frame.rgb) for frame in opened.frames]
        assert set(range(10)) <= set(numbers)
        assert set(range(20, 30)) <= set(numbers)
        assert not {16, 17, 18, 19} & set(numbers)
        assert opened.media.frames_wanted == 30
        assert f"{len(numbers)} of 30 frames could be decoded." in opened.media.notes


def test_every_frame_is_looked_at_in_its_own_size(tmp_path: Path) -> None:
    """Recorders of calls change size; players show each frame as large as fits."""
    parts = [((80, 48), 1000), ((160, 96), 2000), ((96, 160), 3000)]
    clips_ = [write_clip(tmp_path / "a.ts", 8, size, milliseconds=range(start, start + 320, 40)).read_bytes() for size, start in parts]
    (tmp_path / "all.ts").write_bytes(b"".join(clips_))
    with open_media(tmp_path / "all.ts") as opened:
        media = opened.media
        assert (media.width, media.height) == (160, 96)
        assert {frame.rgb.shape for frame in opened.frames} == {(96, 160, 3)}
        assert [frame.density for frame in opened.frames] == pytest.approx([0.5] * 8 + [1.0] * 8 + [160 / 96] * 8)
        assert media.frames_read == media.frames_wanted == 24
        assert " ".join(media.notes) == (
            "The picture changes its size within the clip: 16 frames are not 160 × 96; each was looked at in its own size."
        )
        # The same places, cut from each: what is small is not blown up first, and what is turned stands in the middle.
        for index, part in ((3, scene(80, 48)[6:18, 20:40]), (12, scene(160, 96)[12:36, 40:80])):
            assert number_of(opened.frames[index].rgb) == index % 8
            (cut,) = opened.crops([(index, (40.0, 12.0, 80.0, 36.0))], 32)
            assert difference(cut, np.asarray(Image.fromarray(part).resize((32, 32), Image.Resampling.LANCZOS))) < 6
        (upright,) = opened.crops([(20, (0.0, 0.0, 160.0, 96.0))], 160)
        assert upright[:, :48].max() == upright[:, 112:].max() == 0
        turned = np.asarray(Image.fromarray(numbered(4, 96, 160)).resize((58, 160), Image.Resampling.LANCZOS))
        assert difference(upright[:, 51:109], turned) < 12


def test_a_clip_without_square_pixels_is_shown_as_players_show_it(tmp_path: Path) -> None:
    with open_media(write_clip(tmp_path / "a.mp4", 2, SIZE, shape=Fraction(3, 2))) as opened:
        assert (opened.media.width, opened.media.height) == (240, 96)
        assert opened.frames[0].rgb.shape == (96, 240, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (3, 5)])
def test_tiny_and_narrow_pictures_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    with open_media(write_picture(tmp_path / "a.png", scene(*size))) as opened:
        assert (opened.media.width, opened.media.height) == size
        assert max(opened.frames[0].rgb.shape) <= 1280
        assert opened.crops([(0, (0.0, 0.0, 1.0, 1.0))], 16)[0].shape == (16, 16, 3)


def test_when_time_runs_out_the_first_part_is_used_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", 150, (80, 48))
    # This clock moves by being read, once a packet, and ever faster: the survey of the packets is in time, decoding them is not.
    ticks = iter(range(10_000))
    clock = SimpleNamespace(monotonic=lambda: next(ticks) ** 2 / 2000)
    monkeypatch.setattr(demux, "time", clock)
    monkeypatch.setattr(clips, "time", clock)
    clip = clips.read_clip(str(path), "mov", MediaLimits(seconds=40))
    assert 0 < len(clip.frames) < clip.frames_wanted == 64
    assert clip.notes[0] == f"{len(clip.frames)} of 64 frames could be decoded."
    looked_at = re.match(r"Only the first (\d\.\d) s were looked at", clip.notes[1])
    assert looked_at
    assert float(looked_at[1]) == pytest.approx(clip.frames[-1].seconds, abs=0.15)
