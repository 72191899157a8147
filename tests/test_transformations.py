"""The 170 image transformations: so many per family, no two alike, and each changes pixels as its name says.

What a name promises is worked out here a second time: JPEG by Pillow, resampling by its textbook kernels, blurs by what they must do to an
edge and to specks, noise by its measured variance.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.lab.forge.transformations import CROP_PX, Transformation, transformations

ALL = transformations()
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def photograph() -> np.ndarray:
    with Image.open(EXAMPLES / "astronaut.png") as picture:
        return np.array(picture.convert("RGB"))[60 : 60 + CROP_PX, 160 : 160 + CROP_PX]


PHOTOGRAPH = photograph()
WHITE_NOISE = np.random.default_rng(0).integers(0, 256, (CROP_PX, CROP_PX, 3), dtype=np.uint8)


def of_family(family: str) -> list[Transformation]:
    return [one for one in ALL if one.family == family]


def numbers(one: Transformation) -> list[float]:
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", one.name)]


def apply(one: Transformation, rgb: np.ndarray, seed: int = 0) -> np.ndarray:
    return one.apply(rgb, np.random.default_rng(seed))


def rms(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


def test_there_are_170_with_the_parameters_of_the_paper():
    assert list(Counter(one.family for one in ALL).items()) == [
        ("jpeg", 24), ("double jpeg", 24), ("gaussian blur", 14), ("median blur", 14), ("resampling", 80), ("gaussian noise", 14),
    ]  # fmt: skip
    assert len({(one.family, one.name) for one in ALL}) == len(ALL) == 170
    qualities = [float(quality) for quality in range(30, 100, 3)]
    assert [numbers(one) for one in of_family("jpeg")] == [[quality] for quality in qualities]
    doubles = [numbers(one) for one in of_family("double jpeg")]
    assert [first for first, _ in doubles] == qualities
    assert sorted(second for _, second in doubles) == qualities
    assert all(first != second for first, second in doubles)
    for family in ("gaussian blur", "median blur"):
        assert [numbers(one) for one in of_family(family)] == [[kernel] for kernel in range(3, 30, 2)]
    scales = [pytest.approx(0.15 + 0.05 * place) for place in range(16)]
    assert [numbers(one)[0] for one in of_family("resampling")] == [scale for scale in scales for _ in range(5)]
    assert [numbers(one) for one in of_family("gaussian noise")] == [[variance] for variance in range(10, 50, 3)]


def test_noise_alone_draws_by_chance_and_any_shape_keeps_its_shape():
    for one in ALL:
        random = np.random.default_rng(3)
        untouched = random.bit_generator.state
        first = one.apply(PHOTOGRAPH[:70, :101], random)
        assert first.shape == (70, 101, 3)
        assert (random.bit_generator.state != untouched) == (one.family == "gaussian noise")
        assert np.array_equal(first, apply(one, PHOTOGRAPH[:70, :101], seed=3))


def by_pillow(rgb: np.ndarray, quality: float) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=int(quality))
    with Image.open(file) as picture:
        return np.array(picture)


@pytest.mark.parametrize("family", ["jpeg", "double jpeg"])
def test_jpeg_has_the_qualities_of_its_name(family: str):
    for one in of_family(family):
        expected = PHOTOGRAPH
        for quality in numbers(one):
            expected = by_pillow(expected, quality)
        # Two builds of the codec may round a coefficient otherwise.
        assert rms(apply(one, PHOTOGRAPH), expected) < 0.3, one.name


def test_gaussian_blur_spreads_an_edge_as_wide_as_its_kernel_says():
    edge = np.zeros((64, CROP_PX, 3), np.uint8)
    edge[:, 64:] = 255
    for one in of_family("gaussian blur"):
        (kernel,) = numbers(one)
        profile = apply(one, edge)[32, :, 0].astype(float)
        weights, places = np.diff(profile) / 255, np.arange(CROP_PX - 1) - 63
        assert np.abs(places[weights > 0]).max() <= kernel // 2
        # OpenCV's spread for a kernel without one of its own; up to 7 px it takes binomial kernels, somewhat narrower.
        expected = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
        assert np.sqrt((weights * places**2).sum()) == pytest.approx(expected, rel=0.15 if kernel <= 7 else 0.04), one.name


def test_median_blur_keeps_an_edge_and_takes_specks_up_to_its_size():
    edge = np.full((64, 64, 3), 60, np.uint8)
    edge[:, 32:] = 190
    for one in of_family("median blur"):
        kernel = int(numbers(one)[0])
        assert np.array_equal(apply(one, edge), edge), one.name
        # A bright square goes exactly when it fills less than half of the window.
        gone = int(np.sqrt((kernel**2 - 1) / 2))
        for side, left in ((gone, False), (gone + 1, True)):
            salted = np.full((64, 64, 3), 60, np.uint8)
            salted[20 : 20 + side, 24 : 24 + side] = 255
            assert bool((apply(one, salted) == 255).any()) == left, f"{one.name}: a speck of {side} px"


def textbook(out: int, source: int, interpolation: str) -> np.ndarray:
    """The weights out×source of resampling a line: pixel centres at i + ½, no prefilter, borders repeated; Keys' cubic with a = −¾, Lanczos
    of 4 lobes, area by the share of overlap."""
    ratio = source / out
    if interpolation == "area":
        left, pixels = np.arange(out)[:, None] * ratio, np.arange(source)[None]
        return np.clip(np.minimum(left + ratio, pixels + 1) - np.maximum(left, pixels), 0, None) / ratio
    weights = np.zeros((out, source))
    if interpolation == "nearest":
        weights[np.arange(out), (np.arange(out) * ratio).astype(int)] = 1
        return weights

    def cubic(x: np.ndarray) -> np.ndarray:
        a, x = -0.75, np.abs(x)
        return np.where(x <= 1, (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4))

    kernels = {
        "linear": (1, lambda x: 1 - np.abs(x)),
        "cubic": (2, cubic),
        "lanczos": (4, lambda x: np.sinc(x) * np.sinc(x / 4)),
    }
    radius, kernel = kernels[interpolation]
    for place in range(out):
        centre = (place + 0.5) * ratio - 0.5
        taps = np.arange(int(np.floor(centre)) - radius + 1, int(np.floor(centre)) + radius + 1)
        values = kernel(taps - centre)
        np.add.at(weights[place], np.clip(taps, 0, source - 1), values / values.sum())
    return weights


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area", "lanczos"])
def test_resampling_goes_down_and_up_by_the_kernel_of_its_name(interpolation: str):
    family = [one for one in of_family("resampling") if one.name.endswith(interpolation)]
    assert len(family) == 16
    for one in family:
        small = round(CROP_PX * numbers(one)[0])
        down, up = textbook(small, CROP_PX, interpolation), textbook(CROP_PX, small, interpolation)
        shrunk = np.clip(np.rint(np.einsum("yi,ijc,xj->yxc", down, WHITE_NOISE.astype(float), down, optimize=True)), 0, 255)
        expected = np.clip(np.einsum("yi,ijc,xj->yxc", up, shrunk, up, optimize=True), 0, 255)
        difference = np.abs(apply(one, WHITE_NOISE) - expected)
        # OpenCV's fixed-point weights and two roundings.
        assert difference.max() < 4, one.name
        assert difference.mean() < 0.6, one.name


def test_noise_has_the_variance_of_its_name():
    grey = np.full((CROP_PX, CROP_PX, 3), 128, np.uint8)
    for place, one in enumerate(of_family("gaussian noise")):
        change = apply(one, grey, seed=place).astype(float) - 128
        assert change.var() == pytest.approx(numbers(one)[0] + 1 / 12, rel=0.03), one.name
        assert abs(change.mean()) < 0.1
        # Pixels and colours know nothing of each other.
        assert abs(np.corrcoef(change[:, 1:].ravel(), change[:, :-1].ravel())[0, 1]) < 0.025
        assert abs(np.corrcoef(change[..., 0].ravel(), change[..., 2].ravel())[0, 1]) < 0.04
