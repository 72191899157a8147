"""The patch view: tiles that cover a picture around a face, and patches of them that are read alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from attribution.detectors.card import CropSettings
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.errors import EvidenceError
from attribution.evidence import Box, Face, Track
from attribution.explain.patches import Tiles, cut_tiles, patch_view, reads_patches, tile_boxes
from attribution.faces.crops import face_square
from attribution.media import OpenedMedia, open_media
from conftest import GENERATED_LABELS, MEAN, SIDE_PX, STD, some_crops, write_detector
from make_media import write_clip

RULE = CropSettings(side_px=SIDE_PX)


@pytest.fixture(scope="module")
def dna_det(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Its answers differ from patch to patch."""
    folder = write_detector(tmp_path_factory.mktemp("detectors"), "dna_det", labels=GENERATED_LABELS, scope="generated")
    return Predictor(load_folder(folder), "cpu")


def tiles_of(count: int, side: float = 120.0, seed: int = 1) -> Tiles:
    """Tiles side by side, of noise."""
    return Tiles(tuple((side * i, 0.0, side * (i + 1), side) for i in range(count)), some_crops(count, SIDE_PX, seed))


# Tiles


@pytest.mark.parametrize(
    ("crop_box", "size", "columns", "rows"),
    [
        ((100, 100, 200, 200), (300, 300), [0, 100, 200], [0, 100, 200]),
        ((130, 40, 230, 140), (400, 160), [0, 30, 130, 230, 300], [0, 40, 60]),
        ((0, 0, 100, 100), (250, 100), [0, 100, 150], [0]),
        ((150, 0, 250, 100), (250, 100), [0, 50, 150], [0]),
        # No more than five, the nearest: two before and two behind, or more on one side at an edge.
        ((1000, 0, 1100, 100), (2000, 100), [800, 900, 1000, 1100, 1200], [0]),
        ((0, 0, 100, 100), (2000, 100), [0, 100, 200, 300, 400], [0]),
        ((120, 0, 220, 100), (2000, 100), [0, 20, 120, 220, 320], [0]),
        ((1880, 0, 1980, 100), (2000, 100), [1580, 1680, 1780, 1880, 1900], [0]),
        # A strip that is narrower than a quarter of a patch adds no tile.
        ((5, 0, 105, 100), (111, 100), [5], [0]),
        ((7, 0, 107, 100), (107, 100), [0, 7], [0]),
        # A picture that is smaller than any crop, and one that is a single crop.
        ((0, 0, 3, 3), (4, 3), [0, 1], [0]),
        ((0, 0, 1, 1), (1, 1), [0], [0]),
    ],
)
def test_tiles_continue_the_crop_to_the_edges(crop_box: Box, size: tuple[int, int], columns: list[float], rows: list[float]) -> None:
    found = tile_boxes(crop_box, *size)
    assert np.array(found)[:, :2] == pytest.approx(np.array([(x, y) for y in rows for x in columns]))


def test_tiles_of_any_face_stay_inside_and_leave_nothing_out_around_it() -> None:
    random = np.random.default_rng(5)
    for _ in range(80):
        width, height = (int(v) for v in random.integers(1, 3000, 2))
        h = float(random.uniform(1, 1.5 * max(width, height)))
        x, y = random.uniform(0, width), random.uniform(0, height)
        crop_box = face_square(RULE, (x - 0.4 * h, y - 0.5 * h, x + 0.4 * h, y + 0.5 * h), width, height)
        side = crop_box[2] - crop_box[0]
        found = tile_boxes(crop_box, width, height)
        assert 1 <= len(found) <= 25
        assert len(set(found)) == len(found)
        assert sum(box == pytest.approx(crop_box, abs=1e-6) for box in found) == 1
        for x0, y0, x1, y1 in found:
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
            assert (x1 - x0, y1 - y0) == pytest.approx((side, side), abs=1e-6)
        for axis, extent in ((0, width), (1, height)):
            starts = sorted({box[axis] for box in found})
            assert max(np.diff(starts), default=0) <= side + 1e-6, "no gap between neighbours"
            if len(starts) < 5:
                assert starts[0] <= side / 16 + 1e-6
                assert extent - starts[-1] - side <= side / 16 + 1e-6


def face_at(opened: OpenedMedia, box: Box) -> Face:
    crop_box = face_square(RULE, box, opened.media.width, opened.media.height)
    (crop,) = opened.crops([(0, crop_box)], SIDE_PX)
    inside = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(opened.media.width)), min(box[3], float(opened.media.height)))
    return Face(0, 0.0, inside, np.zeros((5, 2)), 0.99, crop_box, crop, 100.0, 120.0)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenedMedia]:
    """A picture of 640×480 in which every place looks different."""
    rows, columns = np.mgrid[:480, :640]
    rgb = np.stack([columns * 255 // 639, rows * 255 // 479, (rows + columns) % 256], axis=2).astype(np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(rgb).save(path)
    with open_media(path) as media:
        yield media


def test_tiles_are_cut_like_the_crop_in_one_request(opened: OpenedMedia, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = [Track(0, (face_at(opened, (200, 100, 300, 230)),)), Track(1, (face_at(opened, (590, 400, 650, 490)),))]
    asked: list[int] = []
    crops = opened.crops
    monkeypatch.setattr(opened, "crops", lambda requests, side_px: asked.append(len(requests)) or crops(requests, side_px))
    found = cut_tiles(opened, tracks, SIDE_PX)
    assert len(asked) == 1
    for track, tiles in zip(tracks, found, strict=True):
        assert tiles is not None
        assert tiles.pixels.shape == (len(tiles.boxes), SIDE_PX, SIDE_PX, 3)
        face = track.faces[0]
        (own,) = [i for i, box in enumerate(tiles.boxes) if box == pytest.approx(face.crop_box, abs=1e-6)]
        assert np.abs(tiles.pixels[own].astype(int) - face.crop).max() <= 1
        for box, pixels in zip(tiles.boxes, tiles.pixels, strict=True):
            assert pixels[:, :, 0].mean() == pytest.approx((box[0] + box[2]) / 2 * 255 / 639, abs=1.5)
            assert pixels[:, :, 1].mean() == pytest.approx((box[1] + box[3]) / 2 * 255 / 479, abs=1.5)


def test_only_the_largest_faces_have_tiles(opened: OpenedMedia) -> None:
    heights = (40, 60, 30, 80, 50, 70)
    tracks = [Track(i, (face_at(opened, (90.0 * i, 100.0, 90.0 * i + 40, 100.0 + h)),)) for i, h in enumerate(heights)]
    found = cut_tiles(opened, tracks, SIDE_PX)
    assert [tiles is not None for tiles in found] == [False, True, False, True, True, True]
    assert sum(len(tiles.boxes) for tiles in found if tiles) <= 4 * 25


def test_no_face_no_tiles_and_none_in_clips(opened: OpenedMedia, tmp_path: Path) -> None:
    assert cut_tiles(opened, [], SIDE_PX) == ()
    with open_media(write_clip(tmp_path / "clip.mp4", 5, (64, 64))) as clip:
        track = Track(0, (face_at(clip, (10, 10, 50, 60)),))
        clip.close()
        assert cut_tiles(clip, [track], SIDE_PX) == (None,), "nothing is asked of the decoder"


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (2, 8, 9, 3), (2, 8, 8), (2, 0, 0, 3)])
def test_what_are_no_tiles_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvidenceError):
        Tiles(((0, 0, 1, 1), (1, 0, 2, 1)), np.zeros(shape, np.uint8))


# Patches


def test_patches_are_read_alone_and_calibrated(dna_det: Predictor) -> None:
    tiles = tiles_of(2, seed=4)
    found = patch_view(dna_det, tiles)
    places = [0, 11, 21, 32]
    for tile, row, column in ((0, 0, 0), (0, 1, 2), (1, 3, 3), (1, 2, 0)):
        patch = tiles.pixels[tile, places[row] : places[row] + 64, places[column] : places[column] + 64]
        inputs = (torch.from_numpy(patch.copy()).permute(2, 0, 1)[None].float() / 255 - MEAN[0]) / STD[0]
        with torch.inference_mode():
            logits = dna_det.model(inputs)[0]
        expected = torch.softmax(logits / dna_det.card.calibration.temperature, 0).tolist()
        assert found.p_methods[16 * tile + 4 * row + column] == pytest.approx(expected, abs=1e-5)
    assert len(set(found.p_methods)) == 32


def magnifying(predictor: Predictor, img_size: int) -> Predictor:
    """The same network, which magnifies what it reads to that side first."""
    model = copy.deepcopy(predictor.model)
    model.img_size = img_size  # type: ignore[assignment]
    return Predictor(replace(predictor.detector, model=model), "cpu")


def test_a_change_shows_in_the_patches_that_hold_it_and_in_no_other(dna_det: Predictor) -> None:
    """At 256 px the patches do not overlap: an island of one patch."""
    pixels = some_crops(4)
    edited = pixels.copy()
    edited[2, 28:44, 52:68] = 255 - edited[2, 28:44, 52:68]
    boxes = tuple((100.0 * i, 0.0, 100.0 * i + 100, 100.0) for i in range(4))
    reader = magnifying(dna_det, 256)
    before, after = (np.array(patch_view(reader, Tiles(boxes, one)).p_methods) for one in (pixels, edited))
    assert np.flatnonzero((before != after).any(axis=1)).tolist() == [2 * 16 + 1 * 4 + 2]


@pytest.mark.parametrize(("img_size", "a_side"), [(64, 4), (224, 4), (512, 8)])
def test_magnified_tiles_are_covered_whole(dna_det: Predictor, img_size: int, a_side: int) -> None:
    found = patch_view(magnifying(dna_det, img_size), Tiles(((10.0, 20.0, 106.0, 116.0),), some_crops(1)))
    lefts = np.array([box[0] for box in found.boxes]).reshape(a_side, a_side)[0]
    side = found.boxes[0][2] - found.boxes[0][0]
    assert side == pytest.approx(96 * 64 / img_size, abs=0.01)
    assert (lefts[0], lefts[-1] + side) == pytest.approx((10, 106), abs=0.02)
    assert np.diff(lefts).max() <= side + 0.01


def test_other_networks_read_no_patches(predictor: Predictor, tmp_path: Path) -> None:
    assert not reads_patches(predictor)
    with pytest.raises(ValueError, match="takes DNA-Det"):
        patch_view(predictor, tiles_of(1))
    small = Predictor(load_folder(write_detector(tmp_path, "dna_det", side_px=48, labels=GENERATED_LABELS)), "cpu")
    assert not reads_patches(small), "a picture of 48 px holds no patch"
    with pytest.raises(ValueError, match="64 px"):
        patch_view(small, Tiles(((0, 0, 1, 1),), some_crops(1, 48)))
