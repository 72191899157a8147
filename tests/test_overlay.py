"""Pictures made from evidence: heat, boxes, copies, data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from attribution.render.overlay import boxes_on, data_uri, fitted, heat_over, scaled
from samples import noise


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_where_it_is_cold_the_face_shows_in_grey() -> None:
    crop = noise(16, 16)
    drawn = heat_over(crop, np.zeros((16, 16)))
    assert np.array_equal(drawn[..., 0], drawn[..., 1])
    assert np.array_equal(drawn[..., 1], drawn[..., 2])
    luma = crop @ np.array([0.299, 0.587, 0.114])
    assert np.abs(drawn[..., 0] - luma).max() <= 1


def test_heat_colours_only_where_it_is() -> None:
    crop = np.full((20, 20, 3), 128, dtype=np.uint8)
    heat = np.zeros((20, 20), dtype=np.float32)
    heat[5:10, 5:10] = 1
    coloured = np.ptp(heat_over(crop, heat).astype(int), axis=2) > 10
    assert coloured[5:10, 5:10].all()
    assert coloured.sum() == 25


def test_heat_is_stretched_to_the_crop_and_clipped() -> None:
    drawn = heat_over(noise(40, 40), np.full((5, 5), 7.0, dtype=np.float64))
    assert drawn.shape == (40, 40, 3)
    assert drawn.dtype == np.uint8


def test_boxes_leave_the_picture_alone_and_show_on_any_ground() -> None:
    for ground in (0, 255):
        picture = np.full((120, 200, 3), ground, dtype=np.uint8)
        drawn = boxes_on(picture, [(50, 40, 100, 90)], [1])
        assert (picture == ground).all()
        assert (drawn != ground).any(axis=2)[40:91, 50:101].any()
        assert (drawn[65, 75] == ground).all(), "a box is not filled"


def test_the_chosen_box_is_thicker() -> None:
    picture = np.zeros((200, 200, 3), dtype=np.uint8)
    thin, thick = (int((boxes_on(picture, [(50, 80, 150, 180)], [1], chosen) == 255).sum()) for chosen in (None, 1))
    assert thick > thin


def test_boxes_may_leave_the_picture() -> None:
    assert boxes_on(noise(30, 30), [(-20, -20, 15, 15), (20, 20, 90, 90)], [1, 32]).shape == (30, 30, 3)


def test_boxes_need_a_number_each() -> None:
    with pytest.raises(ValueError):
        boxes_on(noise(30, 30), [(1, 1, 9, 9)], [])


@pytest.mark.parametrize(("height", "width", "expected"), [(100, 50, (40, 20)), (10, 40, (10, 40)), (3, 900, (1, 40))])
def test_fitted_only_makes_smaller(height: int, width: int, expected: tuple[int, int]) -> None:
    assert fitted(noise(height, width), 40).shape[:2] == expected


def test_scaled_makes_larger_too() -> None:
    assert scaled(noise(16, 8), 64).shape == (64, 32, 3)


def test_a_png_uri_holds_every_pixel_and_nothing_else() -> None:
    picture = noise(9, 7)
    image = decoded(data_uri(picture, None))
    assert image.format == "PNG"
    assert np.array_equal(np.asarray(image), picture)
    assert not image.info
    assert not image.getexif()


def test_a_jpeg_uri_is_near_and_carries_no_metadata() -> None:
    picture = scaled(noise(8, 8), 64)
    image = decoded(data_uri(picture, 92))
    assert image.format == "JPEG"
    assert np.abs(np.asarray(image).astype(int) - picture).mean() < 4
    assert not image.getexif()
