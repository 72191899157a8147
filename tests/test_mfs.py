"""Multi-scale Facial Swap: what comes from where, the window and its box, what is drawn how often, and what is dropped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from attribution.lab.cli import main
from attribution.lab.data import read_manifest
from attribution.lab.forge import sheet
from attribution.lab.forge.mfs import (
    BLENDS,
    KINDS,
    MIN_CHANGE,
    UNSEEN_BLEND,
    WINDOW_SIZES,
    Swapped,
    dssim,
    face_hull,
    half_resolution,
    largest_change,
    multi_scale_swap,
    pyramid_blend,
    window_of_greatest_difference,
)
from attribution.lab.pools import FORGED, prepare
from lab_faces import SIZES, make_faces

LANDMARKS = np.array([[68, 63], [160, 63], [114, 115], [76, 165], [152, 165]], np.float32)
ALL_BLENDS = (*BLENDS, UNSEEN_BLEND)


def picture(seed: int, side: int = 224) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(40, 215, (14, 14, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_NEAREST)


def swap(seed: int, kind: str | None = None, blend: str | None = None, real: np.ndarray | None = None, fake: np.ndarray | None = None):
    real, fake = picture(1) if real is None else real, picture(2) if fake is None else fake
    return multi_scale_swap(real, fake, LANDMARKS * len(real) / 224, np.random.default_rng(seed), kind, blend)


def made(swapped: Swapped | None) -> Swapped:
    assert swapped is not None
    return swapped


def sharp(kind: str, blend: str, tries: int = 8, **pair: np.ndarray) -> list[Swapped]:
    """Some samples that were not first down-sampled."""
    found = [made(swap(seed, kind, blend, **pair)) for seed in range(tries)]
    return [one for one in found if not one.halved]


def pixels(box: np.ndarray, side: int = 224) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(float(edge) * side) for edge in box)
    return x0, y0, x1, y1


def test_dssim_of_equal_pictures_is_nothing_and_of_others_that_of_scikit_image():
    a = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (90, 90, 3), dtype=np.uint8), (5, 5), 0)
    b = np.roll(a, (2, 5), (0, 1))
    assert dssim(a, a).max() == 0
    mine = dssim(a, b)
    grey_a, grey_b = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64) for rgb in (a, b))
    # 11×11: scikit-image cuts its Gaussian at 3.5 σ, which is 5 px.
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    ssim = np.asarray(structural_similarity(grey_a, grey_b, full=True, **settings)[1])
    assert mine.shape == (90, 90)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, np.abs(1 - ssim) / 2, atol=1e-3)
    assert 0.2 < mine.mean() < mine.max() <= 1


def test_dssim_by_hand():
    """Flat pictures have no variance: SSIM is the luminance term alone, (2·100·120 + 6.5025) / (100² + 120² + 6.5025)."""
    a, b = (np.full((40, 40, 3), level, np.uint8) for level in (100, 120))
    assert dssim(a, b)[20, 20] == pytest.approx((1 - 24006.5025 / 24406.5025) / 2, abs=1e-4)


def test_the_window_is_the_best_of_all_places():
    random = np.random.default_rng(5)
    hull = np.zeros((120, 120), np.float32)
    cv2.ellipse(hull, (70, 50), (40, 30), 20, 0, 360, 1.0, -1)
    x, y, width, height = cv2.boundingRect((hull > 0).astype(np.uint8))
    for wide, high in ((20, 40), (40, 20), (35, 33)):
        differences = random.random((120, 120)).astype(np.float32)
        x0, y0, x1, y1 = window_of_greatest_difference(differences, hull, wide, high)
        assert (x1 - x0, y1 - y0) == (wide, high)
        assert x <= x0 <= x1 <= x + width
        assert y <= y0 <= y1 <= y + height
        inside = differences * hull
        lefts = [*range(x, x + width - wide, round(wide / 5)), x + width - wide]
        tops = [*range(y, y + height - high, round(high / 5)), y + height - high]
        best = max(inside[top : top + high, left : left + wide].sum() for top in tops for left in lefts)
        assert inside[y0:y1, x0:x1].sum() == pytest.approx(best, rel=1e-4)


def test_a_window_larger_than_the_hull_is_centred_on_it():
    hull = np.zeros((100, 100), np.float32)
    hull[10:30, 60:90] = 1
    assert window_of_greatest_difference(hull, hull, 50, 60) == (50, -10, 100, 50)


@pytest.mark.parametrize("blend", ALL_BLENDS)
def test_the_window_lies_where_the_only_difference_is(blend: str):
    """The patch is far from the diagonal: a box of (row, column) would miss it."""
    real = picture(1)
    fake = real.copy()
    fake[92:106, 150:164] = 255 - fake[92:106, 150:164]
    sizes = set()
    for seed in range(16):
        swapped = swap(seed, "partial", blend, real, fake)
        if swapped is None:
            continue
        x0, y0, x1, y1 = pixels(swapped.boxes[1])
        sizes.add((x1 - x0, y1 - y0))
        assert x0 <= 150
        assert x1 >= 164
        assert y0 <= 92
        assert y1 >= 106
        rows, columns = np.nonzero(swapped.mask > 0.6)
        assert x0 <= columns.min() <= columns.max() < x1
        assert y0 <= rows.min() <= rows.max() < y1
    assert sizes >= {(40, 80), (80, 40), (80, 120), (120, 80)}
    assert sizes <= {(wide, high) for size in WINDOW_SIZES for wide, high in (size, size[::-1])}


def test_the_window_of_the_whole_picture_swaps_the_whole_face():
    wholes = [one for one in sharp("partial", "alpha", 24) if pixels(one.boxes[1]) == (0, 0, 224, 224)]
    assert wholes
    for one in wholes:
        hull = one.mask > 0.5
        assert hull[115, 114]
        assert 0.3 < hull.mean() < 0.8


@pytest.mark.parametrize(("kind", "face_is_fake"), [("real_into_fake", False), ("fake_into_real", True)])
def test_what_comes_from_where(kind: str, face_is_fake: bool):
    real, fake = picture(1), picture(2)
    for one in sharp(kind, "alpha"):
        assert np.array_equal(one.rgb[one.mask == 1], fake[one.mask == 1])
        assert np.array_equal(one.rgb[one.mask == 0], real[one.mask == 0])
        assert one.mask[115, 114] == face_is_fake, "the nose"
        assert one.mask[3, 3] != face_is_fake, "the corner"


def test_an_untouched_fake_is_the_fake():
    for seed in range(8):
        one = made(swap(seed, "untouched"))
        assert one.blend == "none"
        assert one.mask.min() == 1
        assert np.array_equal(one.rgb, half_resolution(picture(2)) if one.halved else picture(2))


def test_a_partial_swap_leaves_the_rest_untouched():
    real = picture(1)
    for one in sharp("partial", "alpha"):
        x0, y0, x1, y1 = pixels(one.boxes[1])
        beyond = np.ones((224, 224), bool)
        beyond[max(y0 - 2, 0) : y1 + 2, max(x0 - 2, 0) : x1 + 2] = False  # 2 px: the reach of the 5×5 blur
        assert np.array_equal(one.rgb[beyond], real[beyond])
        assert np.all(one.mask[beyond] == 0)
        assert np.array_equal(one.rgb[one.mask == 0], real[one.mask == 0])


@pytest.mark.parametrize("kind", ["fake_into_real", "partial"])
def test_poisson_blending_moves_nothing(kind: str):
    """A mark of the fake stands at the same place, though neither the hull nor the window is centred on the diagonal."""
    real = np.full((224, 224, 3), 120, np.uint8)
    fake = real.copy()
    cv2.circle(fake, (150, 90), 5, (230, 60, 200), -1)
    for one in sharp(kind, "poisson", real=real, fake=fake):
        change = np.abs(one.rgb.astype(float) - 120).sum(2)
        rows, columns = np.nonzero(change > change.max() / 2)
        assert (columns.mean(), rows.mean()) == pytest.approx((150, 90), abs=0.6)


def test_poisson_blending_takes_the_colours_of_the_ground():
    real = np.full((224, 224, 3), 90, np.uint8)
    fake = real + np.uint8(60)
    fake[80:95, 80:95] -= 50
    by_blend = {blend: sharp("fake_into_real", blend, real=real, fake=fake)[0] for blend in BLENDS}
    level = {blend: float(one.rgb[130:160, 100:130].mean()) for blend, one in by_blend.items()}
    assert abs(level["poisson"] - 90) < 20 < level["alpha"] - 90


def test_the_shares_of_everything_that_is_drawn():
    real, fake, landmarks = picture(1, 64), picture(2, 64), LANDMARKS * 64 / 224
    random = np.random.default_rng(0)
    drawn = [multi_scale_swap(real, fake, landmarks, random) for _ in range(600)]
    whole = [made(one) for one in drawn]
    kinds = Counter(one.kind for one in whole)
    for kind, share in (("real_into_fake", 0.4), ("fake_into_real", 0.2), ("untouched", 0.2), ("partial", 0.2)):
        assert kinds[kind] / 600 == pytest.approx(share, abs=0.06), kind
    blends = Counter(one.blend for one in whole if one.kind != "untouched")
    assert set(blends) == set(BLENDS), "the unseen blending is never drawn"
    assert blends["poisson"] / blends.total() == pytest.approx(0.5, abs=0.07)
    assert sum(one.halved for one in whole) / 600 == pytest.approx(0.3, abs=0.06)
    partial = [one for one in whole if one.kind == "partial"]
    assert sum(pixels(one.boxes[1], 64) == (0, 0, 64, 64) for one in partial) / len(partial) == pytest.approx(0.25, abs=0.13)


@pytest.mark.parametrize("side", [96, 161])
@pytest.mark.parametrize("blend", ALL_BLENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_shapes_types_and_ranges(kind: str, blend: str, side: int):
    real, fake = picture(1, side), picture(2, side)
    for seed in range(2):
        one = made(swap(seed, kind, blend, real, fake))
        assert one.rgb.shape == (side, side, 3)
        assert one.rgb.dtype == np.uint8
        assert one.mask.shape == (side, side)
        assert one.mask.dtype == one.boxes.dtype == np.float32
        assert 0 <= one.mask.min() < one.mask.max() <= 1 or kind == "untouched"
        assert one.boxes.shape == (2 if kind == "partial" else 1, 4)
        assert one.boxes[0].tolist() == [0, 0, 1, 1]
        assert 0 <= one.boxes.min() <= one.boxes.max() <= 1
        assert np.all(one.boxes[:, :2] < one.boxes[:, 2:])
        assert one.kind == kind
        assert one.blend == ("none" if kind == "untouched" else blend)
        if kind == "partial":
            x0, y0, x1, y1 = pixels(one.boxes[1], side)
            scaled = {round(extent * side / 224) for size in WINDOW_SIZES for extent in size}
            assert {x1 - x0, y1 - y0} <= scaled
    assert np.array_equal(real, picture(1, side)), "the pair itself is never written to"
    assert np.array_equal(fake, picture(2, side))


@pytest.mark.parametrize("shift", [(70, 0), (-70, 10), (0, 60), (-40, -80)])
def test_a_face_at_the_border_gives_boxes_within_the_picture(shift: tuple[int, int]):
    for seed in range(9):
        swapped = multi_scale_swap(
            picture(1), picture(2), LANDMARKS + np.array(shift, np.float32), np.random.default_rng(seed), "partial", ALL_BLENDS[seed % 3]
        )
        if swapped is not None:
            assert 0 <= swapped.boxes.min() <= swapped.boxes.max() <= 1
            x0, y0, x1, y1 = pixels(swapped.boxes[1])
            inside = np.zeros((224, 224), bool)
            inside[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = True
            assert not swapped.mask[~inside].any()


@pytest.mark.parametrize("kind", ["real_into_fake", "fake_into_real", "partial"])
def test_a_face_outside_of_the_picture_gives_nothing(kind: str):
    for blend in ALL_BLENDS:
        assert multi_scale_swap(picture(1), picture(2), LANDMARKS + 400, np.random.default_rng(0), kind, blend) is None


@pytest.mark.parametrize("kind", KINDS)
def test_equal_pictures_and_mere_noise_give_nothing(kind: str):
    real = picture(1)
    noise = np.random.default_rng(4).normal(0, 8, real.shape)
    noisy = np.clip(real + noise, 0, 255).astype(np.uint8)
    assert np.abs(noisy.astype(int) - real).mean() > 5
    for seed in range(4):
        for blend in ALL_BLENDS:
            assert swap(seed, kind, blend, real, real) is None
            assert swap(seed, kind, blend, real, noisy) is None


def test_the_threshold_of_what_is_dropped():
    real = np.full((224, 224, 3), 100, np.uint8)
    weak, strong = real.copy(), real.copy()
    weak[60:80, 140:160] += int(MIN_CHANGE) - 1
    strong[60:80, 140:160] += int(MIN_CHANGE) + 1
    assert largest_change(weak, real) == pytest.approx(MIN_CHANGE - 1, abs=1e-3)
    for seed in range(6):
        assert swap(seed, "untouched", None, real, weak) is None
        assert swap(seed, "untouched", None, real, strong) is not None
        assert swap(seed, "real_into_fake", "alpha", real, strong) is None, "the real face covers all that was changed"


def test_the_same_state_gives_the_same_bytes_and_a_drawn_kind_is_that_kind_by_name():
    pair = picture(1, 112), picture(2, 112)
    for seed in range(20):
        one, again = (made(swap(seed, None, None, *pair)) for _ in range(2))
        named = made(swap(seed, one.kind, None if one.blend == "none" else one.blend, *pair))
        for other in (again, named):
            assert one.rgb.tobytes() == other.rgb.tobytes()
            assert one.mask.tobytes() == other.mask.tobytes()
            assert one.boxes.tobytes() == other.boxes.tobytes()
            assert (one.kind, one.blend, one.halved) == (other.kind, other.blend, other.halved)
    assert made(swap(1, "fake_into_real", "alpha")).mask.tobytes() != made(swap(2, "fake_into_real", "alpha")).mask.tobytes()


def test_windows_and_full_resolution_can_be_asked_for():
    asked = {"kind": "partial", "blend": "alpha", "windows": ((40, 80),), "may_halve": False}
    for seed in range(12):
        one = made(multi_scale_swap(picture(1), picture(2), LANDMARKS, np.random.default_rng(seed), **asked))
        x0, y0, x1, y1 = pixels(one.boxes[1])
        assert sorted((x1 - x0, y1 - y0)) == [40, 80]
        assert not one.halved


def test_half_of_the_hulls_are_deformed():
    hulls = [face_hull(LANDMARKS, 224, np.random.default_rng(seed)) for seed in range(200)]
    plain = max(Counter(hull.tobytes() for hull in hulls).values())
    assert plain / 200 == pytest.approx(0.5, abs=0.15)
    assert all(0.3 < hull.mean() < 0.75 and hull[115, 114] == 1 for hull in hulls)
    assert {value for hull in hulls for value in np.unique(hull)} == {0, 1}


def test_halving_keeps_the_size_and_loses_the_detail():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert half_resolution(stripes).shape == (64, 64, 3)
    assert np.ptp(half_resolution(stripes)) <= 1
    assert half_resolution(picture(1, 161)).shape == (161, 161, 3)
    fake = np.full((224, 224, 3), 100, np.uint8)
    fake[:, ::2] = 180
    halved = [one for one in (made(swap(seed, "untouched", None, picture(1), fake)) for seed in range(20)) if one.halved]
    assert halved
    assert all(np.ptp(one.rgb[20:200, 20:200]) <= 1 for one in halved)


def test_pyramid_blending_gives_each_picture_where_the_mask_is_whole():
    face, ground = picture(1, 161), picture(2, 161)
    ones = np.ones((161, 161), np.float32)
    assert np.array_equal(pyramid_blend(face, ground, ones), face)
    assert np.array_equal(pyramid_blend(face, ground, 0 * ones), ground)


def test_pyramid_blending_spreads_low_frequencies_wider_than_alpha():
    ground, face = (np.full((224, 224, 3), level, np.uint8) for level in (60, 160))
    edge = np.zeros((224, 224), np.float32)
    edge[:, 112:] = 1
    wide = pyramid_blend(face, ground, edge)[112, :, 0].astype(int)
    between = np.count_nonzero((wide > 65) & (wide < 155))
    assert 10 < between < 60
    assert (wide[:70] == 60).all()
    assert (wide[154:] == 160).all()


def test_wrong_arguments_are_refused():
    random = np.random.default_rng(0)
    for real, fake in ((picture(1), picture(2, 160)), (picture(1)[:, :200], picture(2)[:, :200]), (picture(1)[..., 0], picture(2)[..., 0])):
        with pytest.raises(ValueError, match="two equal square pictures"):
            multi_scale_swap(real, fake, LANDMARKS, random)
    for kind, blend in (("whole", None), (None, "mixed"), ("partial", "none")):
        with pytest.raises(ValueError, match="Unknown kind or blend"):
            multi_scale_swap(picture(1), picture(2), LANDMARKS, random, kind, blend)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A tiny face set with one pool of the lab's own forgeries, as flags."""
    data, work = make_faces(tmp_path_factory.mktemp("faces")), tmp_path_factory.mktemp("work")
    prepare(data, read_manifest(data), work, ("train",), ("landmark_swap",), SIZES)
    return ["--data", str(data), "--work", str(work)]


@pytest.mark.parametrize(("method", "rows"), [("dfdc_swap", 2), ("landmark_swap", 1)])
def test_the_sheet_shows_each_pair_in_a_row(
    prepared: list[str], tmp_path: Path, method: str, rows: int, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "new" / "sheet.png"
    arguments = ["forge", "--sheet", str(out), *prepared, "--method", method, "--rows", str(rows), "--seed", "5"]
    assert main(arguments) == 0
    assert f"{rows} pairs" in capsys.readouterr().out
    drawn = cv2.imread(str(out))
    assert drawn is not None
    height, width = drawn.shape[:2]
    assert width == 11 * 224 + 12 * 8
    assert rows * 262 < height < rows * 270 + 110
    first = out.read_bytes()
    assert main(arguments) == 0
    assert out.read_bytes() == first, "the same seed draws the same sheet"


def test_every_forgery_on_the_sheet_is_marked_as_manipulated():
    strip = sheet.pair_strip(picture(1), picture(2), LANDMARKS, (0, 1), "a/very/long/path/of/a/picture/that/does/not/fit.jpg")
    reds = [np.all(strip[1:17, left + 1 : left + 60] == (185, 25, 30), axis=2).mean() for left in range(0, strip.shape[1], 232)]
    assert len(reds) == 11
    assert reds[0] == 0, "the untouched picture"
    assert min(reds[1:]) > 0.4


def test_a_dropped_forgery_is_said_to_be_dropped():
    strip = sheet.pair_strip(picture(1), picture(1), LANDMARKS, (0, 1), "same.jpg")
    assert all((strip[112, left + 112] == 225).all() for left in range(2 * 232, strip.shape[1], 232))


def test_mask_and_boxes_are_drawn_on_a_copy():
    one = next(one for one in sharp("partial", "alpha") if pixels(one.boxes[1]) != (0, 0, 224, 224))
    before = one.rgb.copy()
    drawn = sheet.marked(one)
    x0, y0, x1, y1 = pixels(one.boxes[1])
    for y, x in ((0, 0), (223, 223), (y0, x0), (y1 - 1, x1 - 1)):
        assert drawn[y, x].tolist() == [255, 215, 0]
    assert np.array_equal(one.rgb, before)


def test_the_sheet_says_why_it_cannot_be_made(prepared: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = str(tmp_path / "sheet.png")
    assert main(["forge", "--sheet", out, *prepared, "--method", "self_blended"]) == 2
    assert "No pair of self_blended to show in train" in capsys.readouterr().err
    assert main(["forge", "--sheet", out, *prepared, "--rows", "0"]) == 2
    assert main(["forge", "--sheet", str(tmp_path / "sheet.txt"), *prepared]) == 2
    assert "ends in .png" in capsys.readouterr().err
    assert main(["forge", "--sheet", out, "--data", str(tmp_path), "--work", str(tmp_path)]) == 2
    assert not Path(out).exists()


def test_the_methods_of_the_sheet_are_those_with_pairs():
    assert ("dfdc_swap", *FORGED) == sheet.METHODS
