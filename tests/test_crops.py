"""What detectors see of a file: faces by their own rule, whole pictures, and the same faces as another detector sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.transform import SimilarityTransform, warp
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pictures

from attribution.detectors.card import CropSettings
from attribution.faces.crops import as_seen, cut_faces, face_square, upright, whole_frames
from attribution.faces.finder import WHOLE_PICTURE, FaceFinder, find_inputs
from attribution.media import OpenedMedia, open_media
from make_media import write_clip

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "examples" / "grace_hopper.jpg"
WHOLE = CropSettings("none", side_px=96, resample="bilinear")
FACES = CropSettings(side_px=64)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder("cpu")


@pytest.fixture
def portrait() -> Iterator[OpenedMedia]:
    with open_media(PORTRAIT) as opened:
        yield opened


def original() -> Image.Image:
    with Image.open(PORTRAIT) as picture:
        return picture.convert("RGB")


def test_a_face_detector_gets_faces(portrait: OpenedMedia, finder: FaceFinder) -> None:
    (track,) = find_inputs(portrait, finder, FACES).tracks
    assert track.best.landmarks is not None
    assert track.best.crop.shape == (64, 64, 3)
    assert track.best.crop_box == pytest.approx(face_square(FACES, track.best.box, portrait.media.width, portrait.media.height), abs=2)


@pytest.mark.parametrize(("name", "filter_"), [("bilinear", 2), ("bicubic", 3), ("lanczos", 1)])
def test_a_detector_of_whole_pictures_gets_what_its_makers_gave_it(
    portrait: OpenedMedia, finder: FaceFinder, name: str, filter_: int
) -> None:
    found = find_inputs(portrait, finder, CropSettings("none", side_px=96, resample=name))
    assert found.notes == (WHOLE_PICTURE,)
    (track,) = found.tracks
    (view,) = track.faces
    assert (view.landmarks, view.p_face) == (None, None)
    assert view.box == (0, 0, portrait.media.width, portrait.media.height) == view.crop_box
    squeezed = np.asarray(original().resize((96, 96), Image.Resampling(filter_)))
    assert np.array_equal(view.crop, squeezed)


def test_the_middle_of_a_picture_whose_shorter_side_is_resized(portrait: OpenedMedia, finder: FaceFinder) -> None:
    crop = CropSettings("none", side_px=96, resample="bicubic", short_px=111, middle="round")
    (view,) = find_inputs(portrait, finder, crop).tracks[0].faces
    picture: Any = original()
    theirs = np.asarray(pictures.center_crop(pictures.resize(picture, [111], InterpolationMode.BICUBIC), [96, 96]))
    assert np.array_equal(theirs, view.crop)
    assert view.crop_side_px == pytest.approx(min(original().size) * 96 / 111)


def test_a_clip_gives_frames_spread_over_its_length(finder: FaceFinder, tmp_path: Path) -> None:
    with open_media(write_clip(tmp_path / "clip.mp4", frames=40)) as opened:
        (track,) = find_inputs(opened, finder, WHOLE).tracks
        assert len(track.faces) == 32
        assert track.faces[0].seconds == opened.frames[0].seconds
        assert track.faces[-1].seconds == opened.frames[-1].seconds


def test_another_detector_sees_the_same_face_cut_its_own_way(portrait: OpenedMedia, finder: FaceFinder) -> None:
    tracks = find_inputs(portrait, finder, FACES).tracks
    ((face,),) = [track.faces for track in tracks]
    wider = CropSettings(scale=1.3, down=0.0, side_px=80, resample="bilinear")
    ((seen,),) = [track.faces for track in as_seen(portrait, tracks, wider)]
    assert seen.crop.shape == (80, 80, 3)
    assert seen.crop_side_px == pytest.approx(1.3 * (face.box[3] - face.box[1]), rel=0.02)
    assert (seen.box, seen.seconds) == (face.box, face.seconds)
    ((same,),) = [track.faces for track in as_seen(portrait, tracks, FACES)]
    assert np.abs(same.crop.astype(int) - face.crop).mean() < 3


def test_faces_of_one_frame_share_the_whole_frame(portrait: OpenedMedia, finder: FaceFinder) -> None:
    tracks = find_inputs(portrait, finder, FACES).tracks
    one, two = as_seen(portrait, (*tracks, *tracks), WHOLE)
    assert one.faces[0].crop is two.faces[0].crop


def test_no_face_is_cut_from_a_whole_frame(portrait: OpenedMedia, finder: FaceFinder) -> None:
    with pytest.raises(ValueError, match="no face"):
        as_seen(portrait, find_inputs(portrait, finder, WHOLE).tracks, FACES)


LANDMARKS_RULE = CropSettings("landmarks", scale=1.3, down=0.0, side_px=224, resample="bicubic")


def reference(points: np.ndarray, size: int) -> Any:
    """From its definition: the least-squares similarity to the places of an upright face, in a square 1.3 times as large."""
    wanted = np.array([[0.34, 0.46], [0.66, 0.46], [0.5, 0.64], [0.37, 0.82], [0.63, 0.82]])
    return SimilarityTransform.from_estimate(points, (wanted * size + 0.15 * size) / 1.3)


@pytest.mark.parametrize("degrees", [0, 20, -75, 180])
def test_a_face_is_turned_upright_by_its_landmarks(degrees: float) -> None:
    wanted = np.array([[0.34, 0.46], [0.66, 0.46], [0.5, 0.64], [0.37, 0.82], [0.63, 0.82]])
    points = SimilarityTransform(scale=151.0, rotation=np.radians(degrees), translation=(310.5, 420.25))(wanted)
    found = upright(LANDMARKS_RULE, points)
    assert found is not None
    matrix, own_px = found
    assert own_px == round(151 * 1.3)
    assert matrix == pytest.approx(reference(points, own_px).params[:2], abs=1e-3)
    # One landmark that lies far off changes neither where the others go nor how.
    points[2] += (60.0, -45.0)
    off, off_px = upright(LANDMARKS_RULE, points) or (np.zeros((2, 3)), 0)
    assert off @ (*points[0], 1) == pytest.approx((np.array(wanted[0]) + 0.15) / 1.3 * off_px, abs=0.1)
    assert upright(LANDMARKS_RULE, np.full((5, 2), 7.0)) is None


def test_a_face_cut_by_its_landmarks_is_what_the_transform_of_the_whole_picture_gives(finder: FaceFinder, tmp_path: Path) -> None:
    turned = original().rotate(25, Image.Resampling.BICUBIC, expand=True)
    path = tmp_path / "turned.png"
    turned.save(path)
    with open_media(path) as opened:
        (track,) = find_inputs(opened, finder, LANDMARKS_RULE).tracks
        (again,) = as_seen(opened, find_inputs(opened, finder, FACES).tracks, LANDMARKS_RULE)
        face = track.best
        assert face.landmarks is not None
        assert np.array_equal(again.best.crop, face.crop)
        matrix, own_px = upright(LANDMARKS_RULE, face.landmarks) or (np.zeros((2, 3)), 1)
        whole = cv2.warpAffine(np.asarray(turned), matrix, (own_px, own_px), flags=cv2.INTER_LINEAR)
        theirs = np.asarray(Image.fromarray(whole).resize((224, 224), Image.Resampling.BICUBIC)).astype(int)
        assert np.abs(theirs - face.crop).max() <= 2
        assert (theirs == face.crop).mean() > 0.95
        exact = warp(
            np.asarray(turned), SimilarityTransform(np.vstack([matrix, [0, 0, 1]])).inverse, output_shape=(own_px, own_px), order=1
        )
        smooth = np.asarray(Image.fromarray((exact * 255).round().astype(np.uint8)).resize((224, 224), Image.Resampling.BICUBIC))
        assert np.abs(smooth.astype(int) - face.crop).mean() < 1
        # Upright again: its eyes lie level.
        eyes = matrix @ np.vstack([face.landmarks[:2].T, [1, 1]])
        assert abs(eyes[1, 0] - eyes[1, 1]) < 0.05 * own_px
        # And in a file that is shown turned.
        before = face.crop
        opened.turn(180)
        back = np.array([opened.media.width - 1.0, opened.media.height - 1.0]) - face.landmarks
        ((_, crop),) = cut_faces(opened, [(face.frame_index, face.box, back)], LANDMARKS_RULE)
        assert np.abs(crop.astype(int) - before).mean() < 2


@pytest.mark.parametrize("middle", ["floor", "round", "squeezed"])
def test_what_is_cut_from_a_turned_picture_is_the_middle_of_it_as_shown(middle: str, tmp_path: Path) -> None:
    picture: Any = original().resize((151, 203))
    picture.save(tmp_path / "picture.png")
    crop = CropSettings("none", side_px=64, resample="bicubic", short_px=75, middle=middle)
    with open_media(tmp_path / "picture.png") as opened:
        opened.turn(90)
        (view,) = whole_frames(opened, [(0, 0.0)], crop)
    shown = picture.transpose(Image.Transpose.ROTATE_270)
    sizes = {"floor": (100, 75), "round": (100, 75), "squeezed": (75, 75)}[middle]
    left, top = {"floor": (18, 5), "round": (18, 6), "squeezed": (5, 5)}[middle]
    theirs = np.asarray(shown.resize(sizes, Image.Resampling.BICUBIC).crop((left, top, left + 64, top + 64))).astype(int)
    # Rows and columns change places, so the two passes of the filter do: that moves a level here and there, and no place.
    assert np.abs(theirs - view.crop).mean() < 0.3
