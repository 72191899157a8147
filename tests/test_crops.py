"""What detectors see of a file: faces by their own rule, whole pictures, and the same faces as another detector sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pictures

from attribution.detectors.card import CropSettings
from attribution.faces.crops import as_seen, face_square
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
    crop = CropSettings("none", side_px=96, resample="bicubic", short_px=110)
    (view,) = find_inputs(portrait, finder, crop).tracks[0].faces
    picture: Any = original()
    theirs = np.asarray(pictures.center_crop(pictures.resize(picture, [110], InterpolationMode.BICUBIC), [96, 96]), dtype=np.float64)
    # They resize to whole pixels first and we do not: the places differ by less than one of their pixels.
    assert np.abs(theirs - view.crop).mean() < 4
    assert view.crop_side_px == pytest.approx(min(original().size) * 96 / 110)


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
