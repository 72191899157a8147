"""The lab's own forgeries: they change the face and nothing else, and what is known of each is true of its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from attribution.errors import LabError
from attribution.lab.cli import main
from attribution.lab.data import read_manifest
from attribution.lab.forge import mfs, sheet
from attribution.lab.forge.augment import augment, photometric
from attribution.lab.forge.autoencoder import EMBEDDED, FaceAutoencoder, load_autoencoder
from attribution.lab.forge.mfs import BLENDS, KINDS, UNSEEN_BLEND, Swapped, dssim, half_resolution, multi_scale_swap
from attribution.lab.forge.pools import prepare
from attribution.lab.forge.swaps import (
    Forgery,
    autoencoder_swap,
    blend,
    choose_donor,
    face_mask,
    landmark_swap,
    mouth_blend,
    mouth_mask,
    self_blend,
)
from attribution.lab.train.autoencoder import train_autoencoder
from lab_faces import SIZES, lab_data

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LANDMARKS = np.array([[68, 63], [160, 63], [114, 115], [76, 165], [152, 165]], np.float32)
ALL_BLENDS = (*BLENDS, UNSEEN_BLEND)


def picture(seed: int, side: int = 224) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(40, 215, (14, 14, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_NEAREST)


def flat(level: int, side: int = 224) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


@pytest.fixture(scope="module")
def network() -> FaceAutoencoder:
    return load_autoencoder()


@pytest.fixture(scope="module")
def flags() -> list[str]:
    data, work = lab_data()
    return ["--data", str(data), "--work", str(work)]


class TestQualityChanges:
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)

    def test_windows_have_their_size_a_pair_changes_alike_and_the_original_stays(self):
        before = self.noise.copy()
        for seed in range(40):
            one, two = (augment(self.noise, np.random.default_rng(seed), 160) for _ in range(2))
            assert one.shape == (160, 160, 3)
            assert one.dtype == np.uint8
            assert np.array_equal(one, two)
        assert np.array_equal(self.noise, before)

    def test_photometric_changes_never_move_anything(self):
        ramp = np.repeat(np.linspace(40, 200, 224, dtype=np.uint8)[None, :, None], 224, 0).repeat(3, 2)
        for seed in range(30):
            changed = photometric(ramp, np.random.default_rng(seed))
            # Still rising from left to right, about straight: nothing was flipped or shifted far.
            assert np.corrcoef(changed.astype(float).mean((0, 2)), np.arange(224))[0, 1] > 0.95
            assert np.array_equal(changed, photometric(ramp, np.random.default_rng(seed)))


class TestSwaps:
    @staticmethod
    def outside(mask: np.ndarray) -> np.ndarray:
        """Beyond the mask's bounding box: within it OpenCV's Poisson blending also shades what lies beside the mask."""
        rows, columns = np.nonzero(mask > 1e-3)
        beyond = np.ones(mask.shape, bool)
        beyond[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
        return beyond

    def test_the_mask_is_a_soft_share_over_the_face(self):
        for seed in range(12):
            mask = face_mask(LANDMARKS, 224, np.random.default_rng(seed))
            assert (mask.shape, mask.dtype) == ((224, 224), np.float32)
            assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6
            assert mask[150, 114] > 0.5, "between nose and mouth there is always face"
            assert mask[2, 2] == 0

    @pytest.mark.parametrize("way", ["landmarks", "auto-encoder", "self", "mouth"])
    def test_a_forgery_changes_the_face_only_and_alike_by_its_seed(self, way: str, network: FaceAutoencoder):
        ways: dict[str, Callable[[np.random.Generator], Forgery]] = {
            "landmarks": lambda random: landmark_swap(picture(1), LANDMARKS, picture(2), LANDMARKS + 4, random),
            "auto-encoder": lambda random: autoencoder_swap(picture(1), LANDMARKS, network, random),
            "self": lambda random: self_blend(picture(1), LANDMARKS, random),
            "mouth": lambda random: mouth_blend(picture(1), LANDMARKS, picture(2), LANDMARKS + 4, random),
        }
        for seed in range(6):
            forged, again = (ways[way](np.random.default_rng(seed)) for _ in range(2))
            assert (forged.rgb.shape, forged.rgb.dtype) == ((224, 224, 3), np.uint8)
            assert np.array_equal(forged.rgb, again.rgb)
            change = np.abs(forged.rgb.astype(int) - picture(1)).max(2)
            assert change.max() > 5
            if way == "self":
                assert change.mean() < 60, "the picture stays recognisable"
            else:
                assert change[self.outside(forged.mask)].max() <= 2
            if way == "mouth":
                assert not forged.mask[:90].any(), "the eyes are far from it"
                assert change[forged.mask > 0.5].mean() > 2

    def test_the_mask_of_a_mouth_lies_on_it_whichever_way_the_face_is_turned(self):
        spreads = np.zeros((2, 2), int)
        for seed in range(24):
            turned = seed % 2
            points = LANDMARKS @ np.array([[0, 1], [-1, 0]], np.float32) + (224, 0) if turned else LANDMARKS
            mask = mouth_mask(points, 224, np.random.default_rng(seed))
            assert (mask.shape, mask.dtype) == ((224, 224), np.float32)
            assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6
            x, y = points[3:].mean(0).astype(int)
            assert mask[y, x] > 0.5
            spreads[turned] += [np.flatnonzero(mask.max(axis) > 0.5).size for axis in (0, 1)]
        (wide, high), (turned_wide, turned_high) = spreads.tolist()
        assert wide > 1.2 * high, "mostly longer along the line of the lips than across it"
        assert turned_high > 1.2 * turned_wide

    @pytest.mark.parametrize("poisson", [True, False])
    def test_blending_stays_where_the_mask_is(self, poisson: bool):
        mask = np.zeros((100, 100), np.float32)
        mask[20:50, 55:90] = 1
        face, ground = picture(7)[:100, :100], picture(8)[:100, :100]
        rows, columns = np.nonzero(np.abs(blend(face, ground, mask, poisson).astype(int) - ground).max(2) > 3)
        assert len(rows) > 100, "an x and y swapped would paste it elsewhere, or nothing"
        assert (rows.min() >= 19, rows.max() <= 51, columns.min() >= 54, columns.max() <= 91) == (True,) * 4

    def test_donors_have_a_similar_pose_and_are_somebody_else(self):
        random = np.random.default_rng(1)
        candidates = np.stack([LANDMARKS, LANDMARKS + 1, *(LANDMARKS + random.normal(0, 30, (5, 2)) for _ in range(30))])
        picked = {choose_donor(LANDMARKS, candidates, np.random.default_rng(seed)) for seed in range(60)}
        assert 0 not in picked
        assert 1 in picked


class TestAutoencoder:
    def test_it_is_trained_on_faces_and_kept_for_the_pools(self, tmp_path: Path):
        train_autoencoder(np.stack([picture(seed) for seed in range(3)]), tmp_path / "one.safetensors", steps=2, seed=1, batch=2)
        assert load_autoencoder(tmp_path / "one.safetensors").resynthesise(picture(1), "nearest").shape == (224, 224, 3)

    def test_pools_say_which_command_makes_the_network_that_is_not_there_or_damaged(self, tmp_path: Path):
        rows = [row for row in read_manifest((lab_data()[0],)) if row.split == "val"]
        for before, said in ((b"", "has not been trained"), (EMBEDDED.read_bytes()[:1000], "does not hold")):
            if before:
                (tmp_path / "autoencoder.safetensors").write_bytes(before)
            with pytest.raises(LabError, match=f"{said}.*lab autoencoder --data"):
                prepare(rows, tmp_path, ("val",), ("autoencoder_swap",), SIZES)


def swap(seed: int, kind: str | None = None, blend: str | None = None, real: np.ndarray | None = None, fake: np.ndarray | None = None):
    real, fake = picture(1) if real is None else real, picture(2) if fake is None else fake
    return multi_scale_swap(real, fake, LANDMARKS * len(real) / 224, np.random.default_rng(seed), kind, blend)


def made(swapped: Swapped | None) -> Swapped:
    assert swapped is not None
    return swapped


def sharp(kind: str, blend: str, tries: int = 8, **pair: np.ndarray) -> list[Swapped]:
    """Some samples that were not first down-sampled."""
    return [one for one in (made(swap(seed, kind, blend, **pair)) for seed in range(tries)) if not one.halved]


def pixels(box: np.ndarray, side: int = 224) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(float(edge) * side) for edge in box)
    return x0, y0, x1, y1


def area(box: tuple[int, int, int, int], margin: int = 0, side: int = 224) -> np.ndarray:
    inside = np.zeros((side, side), bool)
    inside[max(box[1] - margin, 0) : box[3] + margin, max(box[0] - margin, 0) : box[2] + margin] = True
    return inside


class TestDifferences:
    def test_dssim_is_that_of_scikit_image_and_nothing_of_equal_pictures(self):
        a = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (90, 90, 3), dtype=np.uint8), (5, 5), 0)
        b = np.roll(a, (2, 5), (0, 1))
        assert dssim(a, a).max() == 0
        grey_a, grey_b = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64) for rgb in (a, b))
        # 11×11: scikit-image cuts its Gaussian at 3.5 σ, which is 5 px.
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        ssim = np.asarray(structural_similarity(grey_a, grey_b, full=True, **settings)[1])
        np.testing.assert_allclose(dssim(a, b), np.abs(1 - ssim) / 2, atol=1e-3)

    def test_the_window_is_the_best_of_all_places(self):
        random = np.random.default_rng(5)
        hull = np.zeros((120, 120), np.float32)
        cv2.ellipse(hull, (70, 50), (40, 30), 20, 0, 360, 1.0, -1)
        x, y, width, height = cv2.boundingRect((hull > 0).astype(np.uint8))
        for wide, high in ((20, 40), (40, 20), (35, 33)):
            differences = random.random((120, 120)).astype(np.float32)
            x0, y0, x1, y1 = mfs.window_of_greatest_difference(differences, hull, wide, high)
            assert (x1 - x0, y1 - y0) == (wide, high)
            inside = differences * hull
            lefts = [*range(x, x + width - wide, round(wide / 5)), x + width - wide]
            tops = [*range(y, y + height - high, round(high / 5)), y + height - high]
            best = max(inside[top : top + high, left : left + wide].sum() for top in tops for left in lefts)
            assert inside[y0:y1, x0:x1].sum() == pytest.approx(best, rel=1e-4)
        small = np.zeros((100, 100), np.float32)
        small[10:30, 60:90] = 1
        assert mfs.window_of_greatest_difference(small, small, 50, 60) == (50, -10, 100, 50), "larger than the hull: centred on it"


class TestMultiScaleFacialSwap:
    @pytest.mark.parametrize("blend", ALL_BLENDS)
    def test_the_window_lies_where_the_only_difference_is(self, blend: str):
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
            assert (x0 <= 150, x1 >= 164, y0 <= 92, y1 >= 106) == (True,) * 4
            assert not (swapped.mask > 0.6)[~area((x0, y0, x1, y1))].any()
        assert {(40, 80), (80, 40), (80, 120), (120, 80)} <= sizes
        assert sizes <= {(wide, high) for size in mfs.WINDOW_SIZES for wide, high in (size, size[::-1])}

    @pytest.mark.parametrize(("kind", "face_is_fake"), [("real_into_fake", False), ("fake_into_real", True)])
    def test_what_comes_from_where(self, kind: str, face_is_fake: bool):
        for one in sharp(kind, "alpha"):
            assert np.array_equal(one.rgb[one.mask == 1], picture(2)[one.mask == 1])
            assert np.array_equal(one.rgb[one.mask == 0], picture(1)[one.mask == 0])
            assert one.mask[115, 114] == face_is_fake, "the nose"
            assert one.mask[3, 3] != face_is_fake, "the corner"

    def test_an_untouched_fake_is_the_fake_and_a_partial_swap_leaves_the_rest(self):
        for seed in range(8):
            one = made(swap(seed, "untouched"))
            assert (one.blend, one.mask.min()) == ("none", 1)
            assert np.array_equal(one.rgb, half_resolution(picture(2)) if one.halved else picture(2))
        for one in sharp("partial", "alpha"):
            beyond = ~area(pixels(one.boxes[1]), 2)  # 2 px: the reach of the 5×5 blur
            assert np.array_equal(one.rgb[beyond], picture(1)[beyond])
            assert not one.mask[beyond].any()

    @pytest.mark.parametrize("kind", ["fake_into_real", "partial"])
    def test_poisson_blending_moves_nothing(self, kind: str):
        """A mark of the fake stands at the same place, though neither the hull nor the window is centred on the diagonal."""
        fake = flat(120)
        cv2.circle(fake, (150, 90), 5, (230, 60, 200), -1)
        for one in sharp(kind, "poisson", real=flat(120), fake=fake):
            change = np.abs(one.rgb.astype(float) - 120).sum(2)
            rows, columns = np.nonzero(change > change.max() / 2)
            assert (columns.mean(), rows.mean()) == pytest.approx((150, 90), abs=0.6)

    def test_the_shares_of_everything_that_is_drawn(self):
        random = np.random.default_rng(0)
        whole = [made(multi_scale_swap(picture(1, 64), picture(2, 64), LANDMARKS * 64 / 224, random)) for _ in range(600)]
        kinds = Counter(one.kind for one in whole)
        for kind, share in zip(KINDS, (0.4, 0.2, 0.2, 0.2), strict=True):
            assert kinds[kind] / 600 == pytest.approx(share, abs=0.06), kind
        blends = Counter(one.blend for one in whole if one.kind != "untouched")
        assert set(blends) == set(BLENDS), "the unseen blending is never drawn"
        assert blends["poisson"] / blends.total() == pytest.approx(0.5, abs=0.07)
        assert sum(one.halved for one in whole) / 600 == pytest.approx(0.3, abs=0.06)

    @pytest.mark.parametrize("blend", ALL_BLENDS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_shapes_types_and_ranges(self, kind: str, blend: str):
        real, fake = picture(1, 161), picture(2, 161)
        one = made(swap(161, kind, blend, real, fake))
        assert (one.rgb.shape, one.rgb.dtype) == ((161, 161, 3), np.uint8)
        assert (one.mask.shape, one.mask.dtype, one.boxes.dtype) == ((161, 161), np.float32, np.float32)
        assert 0 <= one.mask.min() <= one.mask.max() <= 1
        assert one.boxes.shape == (2 if kind == "partial" else 1, 4)
        assert one.boxes[0].tolist() == [0, 0, 1, 1]
        assert np.all(one.boxes[:, :2] < one.boxes[:, 2:])
        assert (one.kind, one.blend) == (kind, "none" if kind == "untouched" else blend)
        assert np.array_equal(real, picture(1, 161)), "the pair itself is never written to"

    @pytest.mark.parametrize("shift", [(70, 0), (-70, 10), (0, 60), (-40, -80)])
    def test_a_face_at_the_border_gives_boxes_within_the_picture(self, shift: tuple[int, int]):
        for seed in range(6):
            moved = LANDMARKS + np.array(shift, np.float32)
            swapped = multi_scale_swap(picture(1), picture(2), moved, np.random.default_rng(seed), "partial", ALL_BLENDS[seed % 3])
            if swapped is not None:
                assert 0 <= swapped.boxes.min() <= swapped.boxes.max() <= 1
                assert not swapped.mask[~area(pixels(swapped.boxes[1]), 2)].any()

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_dropped(self, kind: str):
        """Equal pictures, mere noise, and a face outside of the picture."""
        real = picture(1)
        noisy = np.clip(real + np.random.default_rng(4).normal(0, 8, real.shape), 0, 255).astype(np.uint8)
        for way in ALL_BLENDS:
            assert swap(1, kind, way, real, real) is None
            assert swap(1, kind, way, real, noisy) is None
            far = multi_scale_swap(real, picture(2), LANDMARKS + 400, np.random.default_rng(0), kind, way)
            assert (far is None) == (kind != "untouched")

    def test_the_same_state_gives_the_same_bytes_and_a_drawn_kind_is_that_kind_by_name(self):
        pair = picture(1, 112), picture(2, 112)
        for seed in range(12):
            one = made(swap(seed, None, None, *pair))
            named = made(swap(seed, one.kind, None if one.blend == "none" else one.blend, *pair))
            for other in (made(swap(seed, None, None, *pair)), named):
                assert all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("rgb", "mask", "boxes"))
                assert (one.kind, one.blend, one.halved) == (other.kind, other.blend, other.halved)

    def test_wrong_arguments_are_refused(self):
        random, real, fake = np.random.default_rng(0), picture(1), picture(2)
        for one, other in ((real, picture(2, 160)), (real[:, :200], fake[:, :200])):
            with pytest.raises(ValueError, match="two equal square pictures"):
                multi_scale_swap(one, other, LANDMARKS, random)
        for kind, way in (("whole", None), (None, "mixed")):
            with pytest.raises(ValueError, match="Unknown kind or blend"):
                multi_scale_swap(real, fake, LANDMARKS, random, kind, way)


class TestSheet:
    def test_it_shows_each_pair_in_a_row(self, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        out = tmp_path / "new" / "sheet.png"
        arguments = ["forge", "--sheet", str(out), *flags, "--method", "dfdc_swap", "--rows", "2", "--seed", "5"]
        assert main(arguments) == 0
        assert "2 pairs" in capsys.readouterr().out
        drawn = cv2.imread(str(out))
        assert drawn is not None
        assert drawn.shape[1] == 11 * 224 + 12 * 8
        assert 2 * 262 < drawn.shape[0] < 2 * 270 + 110
        first = out.read_bytes()
        assert main(arguments) == 0
        assert out.read_bytes() == first, "the same seed draws the same sheet"

    def test_every_forgery_is_marked_as_manipulated_and_a_dropped_one_is_said_to_be(self):
        strip = sheet.pair_strip(picture(1), picture(2), LANDMARKS, (0, 1), "a/very/long/path/of/a/picture/that/does/not/fit.jpg")
        reds = [np.all(strip[1:17, left + 1 : left + 60] == (185, 25, 30), axis=2).mean() for left in range(0, strip.shape[1], 232)]
        assert len(reds) == 11
        assert reds[0] == 0, "the untouched picture"
        assert min(reds[1:]) > 0.4
        same = sheet.pair_strip(picture(1), picture(1), LANDMARKS, (0, 1), "same.jpg")
        assert all((same[112, left + 112] == 225).all() for left in range(2 * 232, same.shape[1], 232))

    def test_it_says_why_it_cannot_be_made(self, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        out = tmp_path / "sheet.png"
        nowhere = ["--data", str(tmp_path), "--work", str(tmp_path)]
        for sheet_file, more, said in (
            (out, [*flags, "--rows", "0"], "No pair of dfdc_swap to show in train"),
            (tmp_path / "sheet.txt", flags, "ends in .png"),
            (out, nowhere, "--data"),
        ):
            assert main(["forge", "--sheet", str(sheet_file), *more]) == 2
            assert said in capsys.readouterr().err
        assert not out.exists()
