"""Faces in real pictures: the two portraits, composed into frames whose truth is known. The real network looks at all of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils import detect_face
from PIL import Image, ImageFilter

from attribution.detectors.card import CropSettings, Thresholds
from attribution.evidence import Box, Frame, Media, Track
from attribution.evidence.pixels import LEAST_P_FACE
from attribution.faces import finder as faces
from attribution.faces.certainty import SURELY_A_FACE, certainty
from attribution.faces.copies import without_copies
from attribution.faces.crops import face_square
from attribution.faces.finder import FaceFinder, FoundFace, FoundFaces, find_further, find_tracks
from attribution.faces.likeness import likeness
from attribution.faces.tracker import overlap
from attribution.lab.forge.patterns import PATTERNS
from attribution.media import OpenedMedia
from attribution.text.reasons import coded
from attribution.verdict.track import quality

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
RULE = CropSettings()
WIDTH, HEIGHT = 480, 270
FPS = 8


@cache
def portrait(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        return np.asarray(picture.convert("RGB"))


class Opened:
    """Frames in memory, with the detection copies and the full-resolution crops that an opened file has."""

    def __init__(self, full: Sequence[np.ndarray], seconds: Sequence[float] = (0.0,), side_px: int = 1280) -> None:
        self.full = full
        height, width = full[0].shape[:2]
        kind = "picture" if len(full) == 1 else "clip"
        self.media = Media("made.png", "0" * 64, 1, kind, width, height, seconds[-1] or None, len(full), len(full), "made")
        scale = max(1.0, max(height, width) / side_px)
        size = (max(1, round(width / scale)), max(1, round(height / scale)))
        copies = [rgb if scale == 1 else np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS)) for rgb in full]
        self.frames = tuple(Frame(i, second, rgb, scale) for i, (second, rgb) in enumerate(zip(seconds, copies, strict=True)))

    def turn(self, degrees: int) -> None:
        self.full = [np.ascontiguousarray(np.rot90(rgb, -degrees // 90)) for rgb in self.full]
        self.frames = tuple(replace(frame, rgb=np.ascontiguousarray(np.rot90(frame.rgb, -degrees // 90))) for frame in self.frames)
        height, width = self.full[0].shape[:2]
        self.media = replace(self.media, width=width, height=height, turned_degrees=degrees)

    def crops(self, requests: Sequence[tuple[int, Box]], side_px: int, resample: str = "lanczos") -> list[np.ndarray]:
        assert resample == "lanczos"
        size = (side_px, side_px)
        return [np.asarray(Image.fromarray(self.full[i]).resize(size, Image.Resampling.LANCZOS, box=box)) for i, box in requests]


def tracks_of(opened: Opened, finder: FaceFinder, **settings: Any) -> FoundFaces:
    return find_tracks(cast(OpenedMedia, opened), finder, settings.pop("rule", RULE), **settings)


# Where the detector finds the faces of the portraits: centre and height.
HEADS = {"astronaut.png": (224, 117, 110), "grace_hopper.jpg": (265, 230, 220)}


@cache
def head(name: str, face_height_px: int) -> np.ndarray:
    """A face of that height with its surroundings, the face's centre in the middle."""
    x, y, height = HEADS[name]
    reach = round(0.8 * height)
    cut = portrait(name)[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
    size = round(2 * reach * face_height_px / height)
    return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)


@cache
def background(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(40, 200, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def put(frame: np.ndarray, name: str, face_height_px: int, x: float, y: float) -> None:
    """Put a head into a frame, the face's centre at (x, y); what lies outside is cut off."""
    pasted = head(name, face_height_px)
    left, top = round(x - pasted.shape[1] / 2), round(y - pasted.shape[0] / 2)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + pasted.shape[1], frame.shape[1]), min(top + pasted.shape[0], frame.shape[0])
    if x1 > x0 and y1 > y0:
        frame[y0:y1, x0:x1] = pasted[y0 - top : y1 - top, x0 - left : x1 - left]


def clip(
    frames: int, draw: Callable[[np.ndarray, int, float], None], scene: Callable[[int], int] = lambda i: 0, fps: float = FPS
) -> Opened:
    """A clip of backgrounds, each drawn on with its number and time."""
    drawn = []
    for i in range(frames):
        frame = background(scene(i)).copy()
        draw(frame, i, i / fps)
        drawn.append(frame)
    return Opened(drawn, [i / fps for i in range(frames)])


def frames_of(track: Track) -> list[int]:
    return [face.frame_index for face in track.faces]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder("cpu")


# The crop rule


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((400, 300, 480, 400), (397, 312.4, 483, 398.4)),
        # Moved into the picture, and smaller than the rule says only where that is larger than the picture.
        ((-40, -10, 40, 90), (0, 2.4, 86, 88.4)),
        ((960, 950, 1040, 1050), (914, 914, 1000, 1000)),
        ((0, 0, 1200, 1400), (0, 0, 1000, 1000)),
    ],
)
def test_the_crop_is_a_square_a_little_below_the_middle_of_the_box(box: Box, expected: Box) -> None:
    assert face_square(CropSettings(scale=0.86, down=0.054), box, 1000, 1000) == pytest.approx(expected)


# Pictures


def test_a_portrait_gives_one_track_of_one_face_cut_as_the_training_faces_were(finder: FaceFinder) -> None:
    found = tracks_of(Opened([portrait("astronaut.png")]), finder)
    assert (len(found.tracks), found.faces_found, found.notes) == (1, 1, ())
    (face,) = found.tracks[0].faces
    points = (face.landmarks - np.array(face.crop_box[:2])) * 224 / face.crop_side_px
    assert points[0] == pytest.approx((68, 63), abs=8)
    assert points[1] == pytest.approx((160, 63), abs=8)
    assert points[0, 0] < points[2, 0] < points[1, 0]
    assert points[3, 0] < points[4, 0]
    assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
    assert face.crop.shape == (224, 224, 3)
    assert face.crop_side_px == pytest.approx(0.86 * (face.box[3] - face.box[1]))
    assert face.p_face is not None
    assert face.p_face > 0.99
    assert 100 < face.brightness < 220
    assert face.sharpness > 10


def test_crops_come_from_full_resolution_although_faces_are_found_in_a_small_copy(finder: FaceFinder) -> None:
    large = cv2.resize(portrait("astronaut.png"), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0 : large.shape[0], 0 : large.shape[1]]
    # A pattern of single pixels, which no scaled-down copy holds.
    large = np.clip(large.astype(int) + np.where((rows + columns) % 2, 20, -20)[..., None], 0, 255).astype(np.uint8)
    rule = CropSettings(side_px=384)
    face = tracks_of(Opened([large], side_px=512), finder, rule=rule).tracks[0].best
    small = tracks_of(Opened([portrait("astronaut.png")]), finder).tracks[0].best
    assert np.array(face.box) == pytest.approx(4 * np.array(small.box), abs=12)
    assert small.landmarks is not None
    assert face.landmarks == pytest.approx(4 * small.landmarks, abs=12)
    assert face.crop.shape == (384, 384, 3)
    exact = face.crop_box
    assert np.array_equal(face.crop, np.asarray(Image.fromarray(large).resize((384, 384), Image.Resampling.LANCZOS, box=exact)))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_face_is_found_and_everything_is_turned_with_it(finder: FaceFinder, turns: int) -> None:
    upright = tracks_of(Opened([portrait("astronaut.png")]), finder).tracks[0].best
    opened = Opened([np.ascontiguousarray(np.rot90(portrait("astronaut.png"), turns))])
    (track,) = tracks_of(opened, finder).tracks
    assert opened.media.turned_degrees == 90 * turns
    assert track.best.box == pytest.approx(upright.box, abs=1)
    assert np.array_equal(track.best.crop, upright.crop)


def test_a_clip_on_its_side_is_turned_as_a_whole(finder: FaceFinder) -> None:
    upright = clip(8, lambda frame, i, _: put(frame, "astronaut.png", 100, 200 + 4 * i, 135))
    opened = Opened([np.ascontiguousarray(np.rot90(rgb, 3)) for rgb in upright.full], [frame.seconds for frame in upright.frames])
    (track,) = tracks_of(opened, finder).tracks
    assert (opened.media.turned_degrees, opened.media.width, opened.media.height) == (270, WIDTH, HEIGHT)
    assert frames_of(track) == list(range(8))


@pytest.mark.parametrize(("width", "blur"), [(720, 12), (540, 6)])
def test_an_enlarged_blurred_copy_behind_a_picture_is_not_examined(finder: FaceFinder, width: int, blur: int) -> None:
    picture, height = Image.fromarray(portrait("astronaut.png")), width * 16 // 9
    margin = (height - width) // 2
    laid = picture.resize((height, height)).crop((margin, 0, margin + width, height)).filter(ImageFilter.GaussianBlur(blur))
    laid.paste(picture.resize((width, width), Image.Resampling.LANCZOS), (0, margin))
    assert len(finder.find([np.asarray(laid)])[0]) == 2, "the copy is found"
    found = tracks_of(Opened([np.asarray(laid)]), finder)
    assert (len(found.tracks), found.faces_found) == (1, 1)
    assert "blurred copy" in found.notes[0]


def test_what_is_sharp_elsewhere_or_found_more_surely_is_no_copy() -> None:
    sharp = np.random.default_rng(7).integers(0, 256, (600, 400, 3), np.uint8)
    soft = np.clip(128 + 8 * (cv2.GaussianBlur(sharp, (0, 0), 5).astype(float) - 128), 0, 255).astype(np.uint8)
    soft[240:360] = sharp[240:360]

    def face(x: float, y: float, height: float, p_face: float) -> FoundFace:
        half = np.array([0.4, 0.5]) * height
        return FoundFace(np.array([*(np.array([x, y]) - half), *(np.array([x, y]) + half)]), np.zeros((5, 2)), p_face)

    # Twice as far from the middle, (200, 300), and twice as large.
    small, copy = face(180, 270, 50, 0.99), face(160, 240, 100, 0.95)
    assert [one is small for one in without_copies(soft, [copy, small])] == [True]
    for rgb, larger, smaller in (
        (sharp, copy, small),
        (soft, face(240, 200, 100, 0.95), small),
        (soft, copy, face(180, 270, 50, 0.9)),
        (soft, copy, face(180, 270, 120, 0.99)),
    ):
        assert len(without_copies(rgb, [larger, smaller])) == 2


def test_what_looks_like_a_face_once_alone_is_not_surely_one(finder: FaceFinder) -> None:
    # Blurred blobs in which the network sees a face.
    blobs = np.random.default_rng(309).uniform(0, 255, (11, 11, 3)).astype(np.float32)
    picture = cv2.resize(blobs, (128, 128), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    (seen,) = finder.find([picture])[0]
    assert seen.p_face > 0.8
    ((face,),) = (track.faces for track in tracks_of(Opened([picture]), finder).tracks)
    assert [(coded(why) or {})["code"] for why in quality(face, Thresholds(0.9, 0.1, 0.5, 0.5))] == ["not_a_face"]


@pytest.mark.parametrize("change", [lambda rgb: rgb, lambda rgb: rgb // 4, lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 3)])
@pytest.mark.parametrize("name", ["astronaut.png", "generated_face.png"])
def test_a_dark_or_blurred_face_is_still_a_face(finder: FaceFinder, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    face = tracks_of(Opened([change(portrait(name))]), finder).tracks[0].faces[0]
    assert "not_a_face" not in [(coded(why) or {})["code"] for why in quality(face, Thresholds(0.9, 0.1, 0.5, 0.5))]


@pytest.mark.parametrize("kind", PATTERNS)
def test_patterns_in_which_the_finder_is_sure_of_a_face_have_not_the_outlines_of_one(finder: FaceFinder, kind: str) -> None:
    random, sure = np.random.default_rng(77), 0
    while sure < 3:
        picture = PATTERNS[kind](random)
        for face in finder.find([picture])[0]:
            if face.p_face >= SURELY_A_FACE:
                (told,) = certainty(finder, [(picture, face.box, face.p_face)])
                assert told < LEAST_P_FACE
                sure += 1


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg", "generated_face.png", "autoencoder_swap.png"])
def test_faces_have_the_outlines_of_one_however_they_are_changed(finder: FaceFinder, name: str) -> None:
    picture = portrait(name)
    (face, *_) = finder.find([picture])[0]
    x0, y0, x1, y1 = (round(float(end)) for end in face.box)
    crop = picture[max(y0, 0) : y1, max(x0, 0) : x1]
    for changed in (crop, crop[:, ::-1], crop // 4, cv2.GaussianBlur(crop, (0, 0), 4), cv2.resize(crop, (24, 24)), 255 - (255 - crop) // 3):
        assert likeness(np.ascontiguousarray(changed)) >= LEAST_P_FACE


def test_what_is_surely_a_face_is_not_looked_at_again(finder: FaceFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = portrait("astronaut.png")
    (seen,) = finder.find([picture])[0]
    asked: list[int] = []
    monkeypatch.setattr(finder, "find", lambda pictures: asked.append(len(pictures)) or [])
    assert certainty(finder, [(picture, seen.box, seen.p_face)]) == [seen.p_face]
    assert asked == [0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (8, 8), (19, 19), (19, 400)])
def test_a_picture_too_small_for_any_face_says_so(finder: FaceFinder, shape: tuple[int, int]) -> None:
    found = tracks_of(Opened([np.full((*shape, 3), 90, np.uint8)]), finder)
    assert (found.tracks, found.faces_found) == ((), 0)
    assert found.notes == (f"The file has only {shape[1]} × {shape[0]} pixels: too few to look for a face.",)


@pytest.mark.parametrize("shape", [(20, 20), (400, 22), (200, 300)])
def test_a_picture_without_a_face_gives_the_reason(finder: FaceFinder, shape: tuple[int, int]) -> None:
    found = tracks_of(Opened([np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)]), finder)
    assert (found.tracks, found.faces_found) == ((), 0)
    assert found.notes == ("Only faces of at least 20 pixels that are turned to the camera and not cut off can be found.",)


def test_the_reason_counts_in_pixels_of_the_original(finder: FaceFinder) -> None:
    found = tracks_of(Opened([background(0, 1600, 800)], side_px=400), finder)
    assert found.notes == ("Only faces of at least 80 pixels that are turned to the camera and not cut off can be found.",)
    found = tracks_of(Opened([np.zeros((30, 1600, 3), np.uint8)], side_px=400), finder)
    assert found.notes == ("The file has only 1600 × 30 pixels: too few to look for a face.",)


def test_of_a_crowd_the_largest_are_examined_and_the_rest_counted(finder: FaceFinder) -> None:
    crowd = background(0, 960, 480).copy()
    heights = [44 + 4 * ((column + 2 * row) % 9) for row in range(4) for column in range(8)]
    for number, height in enumerate(heights):
        name = ("astronaut.png", "grace_hopper.jpg")[number % 2]
        put(crowd, name, height, 60 + 120 * (number % 8), 60 + 120 * (number // 8))
    everyone = tracks_of(Opened([crowd]), finder)
    assert (len(everyone.tracks), everyone.faces_found, everyone.notes) == (32, 32, ())
    some = tracks_of(Opened([crowd]), finder, max_faces=5)
    assert (len(some.tracks), some.faces_found) == (5, 32)
    assert some.notes == ("Only the 5 largest of 32 faces were examined.",)
    sides = [track.best.crop_side_px for track in everyone.tracks]
    assert sides == sorted(sides, reverse=True)
    assert [track.best.crop_side_px for track in some.tracks] == sides[:5]
    assert [track.id for track in some.tracks] == [0, 1, 2, 3, 4]


# The finder


def test_pictures_of_several_sizes_are_answered_in_order(finder: FaceFinder) -> None:
    both = background(0).copy()
    put(both, "astronaut.png", 60, 120, 130)
    put(both, "grace_hopper.jpg", 90, 340, 130)
    pictures = [both, np.zeros((5, 5, 3), np.uint8), portrait("astronaut.png"), background(0), both, portrait("grace_hopper.jpg")]
    found = finder.find(pictures)
    assert [len(some) for some in found] == [2, 0, 1, 0, 2, 1]
    assert found[0][0].box == pytest.approx(found[4][0].box, abs=0.1)
    assert found[0][0].box[3] - found[0][0].box[1] > found[0][1].box[3] - found[0][1].box[1]
    assert finder.find([]) == []
    assert finder.refine([], []) == []


def test_the_last_net_is_fed_and_read_as_by_the_library(finder: FaceFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = background(0).copy()
    put(picture, "astronaut.png", 90, 40, 135)
    put(picture, "grace_hopper.jpg", 60, 300, 40)
    entering = []
    original = detect_face.pad
    monkeypatch.setattr(detect_face, "pad", lambda boxes, w, h: entering.append(boxes.numpy().copy()) or original(boxes, w, h))
    found = finder.find([picture])[0]
    boxes = entering[-1][:, :4].astype(float)
    ours = [face for face in faces._look_again(finder._nets, [(picture, box) for box in boxes]) if face is not None]
    assert len(found) == 2
    for face in found:
        one = min(ours, key=lambda other: float(np.abs(other.box - face.box).max()))
        assert one.box == pytest.approx(face.box, abs=0.02)
        assert one.landmarks == pytest.approx(face.landmarks, abs=0.02)
        assert one.p_face == pytest.approx(face.p_face, abs=1e-4)


@pytest.mark.parametrize("shift", [(0, 0), (0.15, 0), (0, -0.15), (-0.15, 0.1)])
def test_a_guessed_box_is_refined_to_the_found_one(finder: FaceFinder, shift: tuple[float, float]) -> None:
    for name in HEADS:
        rgb = portrait(name)
        (face,) = finder.find([rgb])[0]
        height = face.box[3] - face.box[1]
        (refined,) = finder.refine([rgb], [face.box + height * np.tile(shift, 2)])
        assert refined is not None
        assert overlap(refined.box, face.box) > 0.8
        assert refined.landmarks == pytest.approx(face.landmarks, abs=0.08 * height)


@pytest.mark.parametrize(
    "box", [(300, 300, 380, 400), (0, 0, 40, 50), (-400, -400, -300, -300), (900, 900, 950, 960), (10, 10, 10.4, 10.4), (-9, 5, 3, 17)]
)
def test_there_is_no_face_where_there_is_none(finder: FaceFinder, box: tuple[float, ...]) -> None:
    assert finder.refine([portrait("astronaut.png")], [np.array(box, dtype=float)]) == [None]


def test_one_finder_serves_several_threads(finder: FaceFinder) -> None:
    pictures = [portrait(name) for name in HEADS] * 2
    alone = [finder.find([rgb])[0][0].box for rgb in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda rgb: finder.find([rgb])[0][0].box, pictures))
    assert np.allclose(alone, together, atol=0.01)


@pytest.mark.parametrize("fits", [2, 1, 0], ids=["two fit", "one fits", "none fits"])
def test_without_memory_the_batch_halves_and_then_the_cpu_takes_over(
    finder: FaceFinder, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    pictures = [portrait("astronaut.png")] * 4 + [background(0)] * 3
    boxes = [np.array([181.0, 62, 268, 172])] * 7
    expected, expected_refined = finder.find(pictures), finder.refine(pictures, boxes)
    refused = []

    def scarce(run: Callable[..., Any]) -> Callable[..., Any]:
        def try_it(nets: MTCNN, items: Sequence[Any]) -> Any:
            if nets is finder._nets and len(items) > fits:
                refused.append(len(items))
                raise torch.OutOfMemoryError("CUDA out of memory")
            return run(nets, items)

        return try_it

    monkeypatch.setattr(faces, "_detect", scarce(faces._detect))
    monkeypatch.setattr(faces, "_look_again", scarce(faces._look_again))
    found, refined = finder.find(pictures), finder.refine(pictures, boxes)
    assert min(refused) == fits + 1
    assert [len(some) for some in found] == [len(some) for some in expected]
    for some, others in zip(found, expected, strict=True):
        for one, other in zip(some, others, strict=True):
            assert one.box == pytest.approx(other.box, abs=0.1)
            assert one.p_face == pytest.approx(other.p_face, abs=1e-3)
    assert [one is None for one in refined] == [one is None for one in expected_refined]


def test_the_gpu_finds_what_the_cpu_finds(finder: FaceFinder) -> None:
    if not torch.cuda.is_available():
        if os.environ.get("FAIL_WITHOUT_GPU"):
            pytest.fail("there is no GPU")
        pytest.skip("no GPU here")
    other = FaceFinder("cuda")
    for name in HEADS:
        rgb = portrait(name)
        (one,), (two,) = finder.find([rgb])[0], other.find([rgb])[0]
        assert overlap(one.box, two.box) > 0.98
        (refined,) = other.refine([rgb], [one.box])
        assert refined is not None
        assert overlap(refined.box, one.box) > 0.8


# Clips


def two_people(frame: np.ndarray, i: int, seconds: float) -> None:
    put(frame, "astronaut.png", 70, 120 + 40 * math.sin(1.8 * seconds), 130 + 10 * math.cos(3 * seconds))
    put(frame, "grace_hopper.jpg", 80, 340 + 12 * seconds, 140)


def test_faces_of_all_frames_are_found_although_few_frames_are_searched(finder: FaceFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = clip(33, two_people)
    searched = []
    monkeypatch.setattr(faces, "_detect", lambda nets, pictures, run=faces._detect: searched.extend(pictures) or run(nets, pictures))
    found = tracks_of(opened, finder, faces_per_track=99)
    monkeypatch.undo()
    # Doubtful views are looked at again, in small cuts.
    assert sum(rgb.shape == opened.frames[0].rgb.shape for rgb in searched) <= 9
    assert (len(found.tracks), found.faces_found, found.notes) == (2, 2, ())
    everywhere = finder.find([frame.rgb for frame in opened.frames])
    for track in found.tracks:
        assert frames_of(track) == list(range(33))
        agreement = [max(float(overlap(np.array(face.box), other.box)) for other in everywhere[face.frame_index]) for face in track.faces]
        assert min(agreement) > 0.75
        assert float(np.median(agreement)) > 0.88
        assert [face.seconds for face in track.faces] == [frame.seconds for frame in opened.frames]


def shows(frames: Iterable[int], name: str = "astronaut.png", drift: float = 0) -> Callable[[np.ndarray, int, float], None]:
    """Draws a face into these frames, which drifts to the right by so many pixels a second."""
    there = set(frames)
    return lambda frame, i, seconds: put(frame, name, 80, 200 + drift * seconds, 135) if i in there else None


def after(first: int) -> Callable[[int], int]:
    """Another scene from that frame on."""
    return lambda i: int(i >= first)


def cut_to_another(frame: np.ndarray, i: int, seconds: float) -> None:
    shows(range(7))(frame, i, seconds)
    shows(range(7, 16), "grace_hopper.jpg")(frame, i, seconds)


@pytest.mark.parametrize(
    ("frames", "draw", "scene", "fps", "expected"),
    [
        pytest.param(16, cut_to_another, after(7), FPS, [range(7), range(7, 16)], id="a cut to another person"),
        pytest.param(16, cut_to_another, after(99), FPS, [range(7), range(7, 16)], id="another person before the same background"),
        pytest.param(16, shows(range(7)), after(7), FPS, [range(7)], id="a cut to nobody"),
        pytest.param(20, shows(range(3, 11)), after(99), FPS, [range(3, 11)], id="a face that comes and goes"),
        pytest.param(
            30, shows({*range(7), *range(15, 30)}, drift=15), after(99), FPS, [(*range(7), *range(15, 30))], id="hidden for a second"
        ),
        pytest.param(30, shows({*range(7), *range(23, 30)}), after(99), FPS, [range(7), range(23, 30)], id="hidden for two seconds"),
        pytest.param(8, shows(range(8)), after(99), 0.1, [range(8)], id="sparse samples of a long clip"),
        pytest.param(1, shows(range(1)), after(99), FPS, [range(1)], id="one frame"),
        pytest.param(2, shows(range(2)), after(99), FPS, [range(2)], id="two frames"),
        pytest.param(12, shows((5,)), lambda i: int(i == 5), FPS, [(5,)], id="a scene of one frame"),
    ],
)
def test_which_frames_make_a_track(
    finder: FaceFinder,
    frames: int,
    draw: Callable[[np.ndarray, int, float], None],
    scene: Callable[[int], int],
    fps: float,
    expected: list[Iterable[int]],
) -> None:
    found = tracks_of(clip(frames, draw, scene, fps), finder)
    assert sorted(frames_of(track) for track in found.tracks) == [list(one) for one in expected]
    assert found.faces_found == 1


def test_a_clip_without_a_face_gives_the_reason(finder: FaceFinder) -> None:
    found = tracks_of(clip(6, lambda *_: None), finder)
    assert (found.tracks, found.faces_found) == ((), 0)
    assert found.notes == ("Only faces of at least 20 pixels that are turned to the camera and not cut off can be found.",)
    tiny = tracks_of(Opened([np.zeros((2, 2, 3), np.uint8)] * 3, [0.0, 1.0, 2.0]), finder)
    assert tiny.notes == ("The file has only 2 × 2 pixels: too few to look for a face.",)


def test_frames_may_differ_in_size(finder: FaceFinder) -> None:
    opened = clip(17, lambda frame, i, _: put(frame, "astronaut.png", 80, 200 + 4 * i, 135))
    half = [np.asarray(Image.fromarray(frame.rgb).resize((WIDTH // 2, HEIGHT // 2))) for frame in opened.frames]
    opened.frames = tuple(Frame(i, frame.seconds, half[i], 2.0) if i % 2 else frame for i, frame in enumerate(opened.frames))
    (track,) = tracks_of(opened, finder).tracks
    assert frames_of(track) == list(range(17))
    heights = [face.box[3] - face.box[1] for face in track.faces]
    assert max(heights) < 1.2 * min(heights)
    centres = [(face.box[0] + face.box[2]) / 2 for face in track.faces]
    assert centres == pytest.approx([200 + 4 * i for i in range(17)], abs=6)


def test_further_frames_add_to_the_tracks_that_are_there(finder: FaceFinder) -> None:
    """Two people; of the second half more frames come later."""

    def two(frame: np.ndarray, i: int, seconds: float) -> None:
        put(frame, "astronaut.png", 90, 120 + 2 * i, 130)
        put(frame, "grace_hopper.jpg", 110, 340, 130)

    opened = clip(16, two)
    every, opened.frames = opened.frames, tuple(frame for frame in opened.frames if frame.index % 4 == 0)
    before = tracks_of(opened, finder).tracks
    assert [frames_of(track) for track in before] == [[0, 4, 8, 12]] * 2
    further = every[9:12]
    opened.frames = tuple(sorted((*opened.frames, *further), key=lambda frame: frame.seconds))
    after = find_further(cast(OpenedMedia, opened), finder, RULE, before, further)
    assert [frames_of(track) for track in after] == [[0, 4, 8, 9, 10, 11, 12]] * 2
    for one, other in zip(before, after, strict=True):
        assert one.faces[2] is other.faces[2], "what was read of it can be used again"
        assert other.step_seconds == pytest.approx(4 / FPS)
        assert other.unseen_seconds[1:-1] == pytest.approx([0.5, 0.5, *[1 / FPS] * 4])
        assert abs(other.faces[4].box[0] - other.faces[2].box[0]) < 12
    assert find_further(cast(OpenedMedia, opened), finder, RULE, before, ()) == before
