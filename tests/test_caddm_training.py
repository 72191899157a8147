"""What the ID-unaware detector trains on, and that a training stopped half-way goes on as if it had not been."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from attribution.lab.data import REAL, Row, read_manifest
from attribution.lab.forge.augment import photometric
from attribution.lab.pools import Samples, load_samples
from attribution.lab.train.caddm import BATCH, SWAPS, WITH_BASE, Move, Sampler, Settings, train
from attribution.models.architectures import CADDM
from attribution.models.backbones import build_backbone
from lab_faces import make_faces, make_work


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(data, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def train_faces(data: Path, work: Path) -> tuple[Samples, list[Row]]:
    rows = read_manifest(data)
    return load_samples(data, rows, work, "train"), [row for row in rows if row.split == "train"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(5)
    file = tmp_path_factory.mktemp("start") / "backbone.safetensors"
    save_file(build_backbone("mobilenetv2_100", 10, {"pad_type": "same"}).state_dict(), file)
    return str(file)


class TestBatches:
    def test_the_same_step_gives_the_same_batch_and_another_another(self, train_faces):
        sampler = Sampler(*train_faces, seed=7)
        one, again, other = sampler.batch(3, 0), sampler.batch(3, 0), sampler.batch(4, 0)
        assert np.array_equal(one.pictures, again.pictures)
        assert np.array_equal(one.labels, again.labels)
        assert all(np.array_equal(a, b) for a, b in zip(one.boxes, again.boxes, strict=True))
        assert not np.array_equal(one.pictures, other.pictures)
        assert not np.array_equal(one.pictures, sampler.batch(3, 1).pictures)

    def test_half_of_it_is_untouched_and_only_swaps_have_boxes(self, train_faces):
        batch = Sampler(*train_faces, seed=7).batch(0, 0)
        assert batch.pictures.shape == (BATCH, 224, 224, 3)
        assert batch.pictures.dtype == np.uint8
        assert int(batch.labels.sum()) == sum(SWAPS.values()) == BATCH // 2
        for label, boxes in zip(batch.labels, batch.boxes, strict=True):
            assert boxes.shape[1:] == (4,)
            assert boxes.dtype == np.float32
            assert (len(boxes) > 0) == bool(label)
            if label:
                assert boxes[0].tolist() == [0, 0, 1, 1]
                assert bool(((boxes >= 0) & (boxes <= 1)).all())

    def test_plain_means_the_same_faces_as_they_are(self, train_faces):
        plain = Sampler(*train_faces, seed=7, plain=True).batch(2, 0)
        assert np.array_equal(plain.labels, Sampler(*train_faces, seed=7).batch(2, 0).labels)
        assert all(boxes.tolist() in ([], [[0, 0, 1, 1]]) for boxes in plain.boxes)

    def test_a_pair_differs_in_the_manipulation_alone(self, train_faces):
        """The untouched picture under a swap is moved and changed as the swap is."""
        sampler = Sampler(*train_faces, seed=7, plain=True)
        samples = train_faces[0]
        # An auto-encoder's swap leaves the corners alone; a self-blend may change them too.
        swap = next(i for i, method in enumerate(samples.methods) if method == "autoencoder_swap")
        forged, untouched = sampler.made(swap, 11)[0], sampler.made(int(samples.base[swap]), 11)[0]
        far = np.abs(forged[:12, :12].astype(int) - untouched[:12, :12]).mean()
        assert far < 8 < np.abs(forged.astype(int) - sampler.made(int(samples.base[swap]), 12)[0]).mean()

    def test_every_kind_of_swap_brings_its_untouched_picture(self):
        assert set(WITH_BASE) == set(SWAPS)
        assert all(WITH_BASE[name] <= count for name, count in SWAPS.items())

    def test_what_is_left_out_never_comes(self, train_faces):
        samples, rows = train_faces
        sampler = Sampler(samples, rows, seed=7, leave_out=("landmark_swap", "ffhq"))
        assert "landmark_swap" not in sampler.sources
        drawn = {samples.sources[i] for part in sampler.sources.indices[REAL] for i in part}
        assert drawn == {"dfdc"}


class TestMovement:
    @pytest.mark.parametrize("seed", range(8))
    def test_landmarks_move_with_the_picture(self, seed):
        move = Move.drawn(np.random.default_rng(seed), 224)
        points = np.array([[66, 66], [156, 65], [111, 114], [72, 162], [151, 161]], np.float32)
        moved = move.points(points)
        # Mirrored, the eye on the left of the picture is the other one.
        source = points[[1, 0, 2, 4, 3]] if move.mirrored else points
        for at, was in zip(moved, source, strict=True):
            picture = np.zeros((224, 224, 3), np.uint8)
            x, y = np.round(was).astype(int)
            picture[y - 2 : y + 3, x - 2 : x + 3] = 255
            weight = move.picture(picture)[..., 0].astype(float)
            rows, columns = np.mgrid[0:224, 0:224]
            centre = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
            assert np.hypot(centre[0] - at[0], centre[1] - at[1]) < 1.0

    def test_photometric_changes_never_move_anything(self):
        ramp = np.repeat(np.linspace(40, 200, 224, dtype=np.uint8)[None, :, None], 224, 0).repeat(3, 2)
        for seed in range(40):
            changed = photometric(ramp, np.random.default_rng(seed)).astype(float).mean((0, 2))
            # Still rising from left to right, about straight: nothing was flipped or shifted far.
            assert np.corrcoef(changed, np.arange(224))[0, 1] > 0.95
        assert np.array_equal(photometric(ramp, np.random.default_rng(1)), photometric(ramp, np.random.default_rng(1)))


def test_a_resumed_training_is_the_uninterrupted_one(data, work, start, tmp_path):
    whole = Settings(str(data), str(work), str(tmp_path / "whole"), start=start, steps=2, threads=1)
    train(whole)
    parts = replace(whole, out=str(tmp_path / "parts"))
    train(replace(parts, until=1))
    assert not (tmp_path / "parts" / "final.safetensors").exists()
    train(parts)
    one, other = (load_file(tmp_path / name / "final.safetensors") for name in ("whole", "parts"))
    assert set(one) == set(other) == set(build_backbone(CADDM, 2, {"pad_type": "same"}).state_dict())
    assert all(torch.equal(one[name], other[name]) for name in one)
    shown = json.loads((tmp_path / "whole" / "settings.json").read_text())
    assert shown["data"] == shown["work"] == shown["out"] == ""
    assert shown["start"] == "backbone.safetensors"


def test_the_plain_detector_trains_without_the_module(data, work, start, tmp_path):
    train(Settings(str(data), str(work), str(tmp_path / "plain"), start=start, plain=True, steps=1, threads=1))
    assert not any("artifact" in name for name in load_file(tmp_path / "plain" / "final.safetensors"))
