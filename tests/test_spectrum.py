"""How much true detail a face has, and whether it shows a printed screen: told from its spectrum, and heeded by the verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from attribution.faces.spectrum import spectrum_of
from attribution.lab.forge.augment import jpeg
from attribution.pipeline import Pipeline, analyse
from attribution.text.reasons import coded

ROOT = Path(__file__).resolve().parent.parent
ASTRONAUT = data.astronaut()
FACE = ASTRONAUT[34:244, 120:330]
FILTERS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def enlarged(rgb: np.ndarray, times: float, how: int = cv2.INTER_CUBIC) -> np.ndarray:
    """Reduced by that factor and enlarged again."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (round(width / times), round(height / times)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=how)


def halftone(rgb: np.ndarray, period_px: float = 5.0, degrees: float = 45.0, times: int = 4) -> np.ndarray:
    """Black dots of ink on paper, as newspapers print them."""
    grey = cv2.cvtColor(cv2.resize(rgb, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), cv2.COLOR_RGB2GRAY) / 255.0
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]] * (2 * np.pi / (period_px * times))
    across, angle = columns, np.radians(degrees)
    along = np.cos(angle) * across + np.sin(angle) * rows, np.cos(angle) * rows - np.sin(angle) * across
    dots = grey > (np.cos(along[0]) + np.cos(along[1])) / 4 + 0.5
    printed = cv2.resize(np.where(dots, 235, 30).astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.repeat(printed[:, :, None], 3, axis=2)


def ordered(rgb: np.ndarray) -> np.ndarray:
    """Four levels, ordered dither (Bayer 1973)."""
    matrix = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    height, width = rgb.shape[:2]
    limits = np.tile(matrix, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    return (np.floor(rgb / 255 * 3 + limits).clip(0, 3) * 85).astype(np.uint8)


def two_colours(rgb: np.ndarray) -> np.ndarray:
    """Black and white, by error diffusion (Floyd and Steinberg 1976)."""
    return np.asarray(Image.fromarray(rgb).convert("1").convert("RGB"))


def photographed_screen(rgb: np.ndarray) -> np.ndarray:
    """Stripes of three colours under dark lines, photographed at a slight angle."""
    pixels = rgb.shape[0] * 2 // 3
    side = 3 * pixels
    display = cv2.resize(rgb, (pixels, pixels), interpolation=cv2.INTER_AREA)
    wide = cv2.resize(display, (side, side), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    shown = np.zeros_like(wide)
    for channel in range(3):
        shown[:, channel::3, channel] = 3 * wide[:, channel::3, channel]
    shown[::3] *= 0.4
    turned = cv2.warpAffine(shown, cv2.getRotationMatrix2D((side / 2, side / 2), 4, 1.1), (side, side))
    return cv2.resize(cv2.GaussianBlur(turned, (0, 0), 1.2), rgb.shape[1::-1]).clip(0, 255).astype(np.uint8)


SCREENS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (halftone, ordered, two_colours, photographed_screen)


def at_224(rgb: np.ndarray) -> np.ndarray:
    return cv2.resize(rgb, (224, 224), interpolation=cv2.INTER_LANCZOS4)


@pytest.mark.parametrize("quality", [60, 90, None])
@pytest.mark.parametrize("how", FILTERS)
@pytest.mark.parametrize(("side_px", "least", "most"), [(24, 16, 38), (40, 28, 60), (96, 70, 170)])
def test_an_enlarged_face_has_the_detail_of_the_small_one(side_px: int, least: float, most: float, how: int, quality: int | None) -> None:
    soft = enlarged(at_224(FACE), 224 / side_px, how)
    told = spectrum_of(soft if quality is None else jpeg(soft, quality)).resolved_px
    assert told is not None
    assert least < told < most


def test_sharpening_an_enlarged_face_brings_no_detail_back() -> None:
    soft = enlarged(at_224(FACE), 224 / 32).astype(np.float32)
    sharpened = (soft + 1.5 * (soft - cv2.GaussianBlur(soft, (0, 0), 2))).clip(0, 255).astype(np.uint8)
    told = spectrum_of(sharpened).resolved_px
    assert told is not None
    assert told < 48


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_seen_and_the_face_without_it_shows_none(screen: Callable[[np.ndarray], np.ndarray]) -> None:
    assert (spectrum_of(screen(at_224(FACE))).screened or 0.0) >= 1.0
    for ordinary in (FACE, jpeg(FACE, 30), enlarged(FACE, 2), FACE // 3, *(cv2.resize(FACE, (side, side)) for side in (96, 112, 384, 518))):
        told = spectrum_of(ordinary).screened
        assert told is not None
        assert told < 1.0


def test_of_a_crop_without_anything_and_of_a_tiny_one_nothing_is_claimed() -> None:
    assert spectrum_of(np.full((224, 224, 3), 90, np.uint8)) == (0.0, 0.0)
    assert spectrum_of(cv2.resize(FACE, (64, 64))) == (None, None)


@pytest.mark.parametrize(
    ("change", "code"), [(lambda rgb: enlarged(rgb, 6), "face_soft"), *((screen, "face_screened") for screen in SCREENS[:2])]
)
def test_a_file_with_such_a_face_is_inconclusive_for_that_reason(
    change: Callable[[np.ndarray], np.ndarray], code: str, default: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "face.png"
    Image.fromarray(change(ASTRONAUT)).save(file)
    evidence = analyse(file, default)
    assert evidence.verdict.state == "inconclusive"
    assert code in [(coded(why) or {})["code"] for why in evidence.verdict.reasons]
    if code == "face_soft":
        assert 0 < evidence.tracks[0].detail_px < 48 < evidence.tracks[0].crop_side_px
