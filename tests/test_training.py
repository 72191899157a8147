"""The lab's data, what each training draws from it, its losses, and that a training stopped half-way goes on as if it had not been."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from attribution.errors import LabError, MissingData
from attribution.lab import cli
from attribution.lab.data import METHOD_OF_SOURCE, REAL, SIDE_PX, Row, decode, find_data, in_one_text, manifest_hash, read_manifest
from attribution.lab.forge.pools import FORGED, Samples, load_samples
from attribution.lab.forge.transformations import CROP_PX, transformations
from attribution.lab.train import caddm, depthwise, dnadet, heads, loop, methods
from attribution.lab.train.caddm import Move, match
from attribution.lab.train.depthwise import quicken
from attribution.lab.train.dnadet import CLASSES, PATCHES, ArchitectureSampler, TransformationSampler
from attribution.lab.train.frozen import FrozenStages
from attribution.lab.train.loop import Training, autocast, fit
from attribution.lab.train.methods import LABELS
from attribution.lab.train.recipes import RECIPES, Recipe, recipe
from attribution.lab.train.sampling import BySource, Sampler
from attribution.models.architectures import CADDM
from attribution.models.backbones import build_backbone
from attribution.models.caddm import anchors
from attribution.models.dnadet import PATCH_PX
from lab_faces import lab_data

FIRST = RECIPES["methods"]
# Those that batches are drawn by; heads are fitted to all faces of theirs.
DRAWN = {name: one for name, one in RECIPES.items() if one.singles}
READ_PX = 96


def part_of(data: Path, folder: Path, chosen: Callable[[dict[str, str]], bool]) -> Path:
    """A new data folder with those lines of another one's manifest, and their crops."""
    with open(data / "manifest.csv", newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if chosen(line)]
    for line in lines:
        (folder / line["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / line["path"], folder / line["path"])
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return folder


@pytest.fixture(scope="module")
def folders() -> dict[str, Any]:
    data, work = lab_data()
    return {"data": str(data), "work": str(work), "workers": 1, "threads": 1, "steps": 2}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return read_manifest((lab_data()[0],))


@pytest.fixture(scope="module")
def samples(rows: list[Row]) -> Samples:
    return load_samples(rows, lab_data()[1], "train")


@pytest.fixture(scope="module")
def backbone_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(5)
    file = tmp_path_factory.mktemp("start") / "backbone.safetensors"
    save_file(loop.half_precision(build_backbone("mobilenetv2_100", 10, {"pad_type": "same"}).state_dict()), file)
    return str(file)


@pytest.fixture(scope="module")
def train_rows(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.split == "train"]


@pytest.fixture(scope="module")
def first_stage(folders: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DNA-Det, trained on transformations."""
    out = tmp_path_factory.mktemp("first")
    dnadet.train(dnadet.Settings(**folders, out=str(out), stage="transformations", side_px=READ_PX, patches=2))
    return out


class TestData:
    def test_it_is_found_by_flag_or_environment_only(self, monkeypatch: pytest.MonkeyPatch):
        data, _ = lab_data()
        monkeypatch.delenv("TELLTALE_DATA", raising=False)
        with pytest.raises(MissingData, match="--data"):
            find_data()
        monkeypatch.setenv("TELLTALE_DATA", str(data))
        assert find_data() == find_data(str(data)) == (data,)

    def test_two_folders_are_read_as_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """The same relative paths in both, but other pictures."""
        first = lab_data()[0]
        second = part_of(first, tmp_path / "second", lambda line: line["source"] == "dfdc")
        for file in second.rglob("*.jpg"):
            shutil.copy(first / "train" / "gan" / "tpdne_a" / "0.jpg", file)
        data = find_data(f"{first}{os.pathsep}{second}")
        assert data == (first, second)
        assert find_data(in_one_text(data)) == data
        rows = read_manifest(data)
        apart = read_manifest((first,)), read_manifest((second,))
        assert [row.path for row in rows] == [row.path for one in apart for row in one]
        assert len({row.path for row in rows}) == len(rows)
        assert all(row.path.split("/", 1)[0] == (row.pair or row.path).split("/", 1)[0] == row.file.parents[3].name for row in rows)
        samples = load_samples(rows, tmp_path / "work", "val")
        swaps = [index for index, method in enumerate(samples.methods) if method == "dfdc_swap"]
        assert [samples.paths[index].split("/", 1)[0] for index in swaps] == [first.name] * 3 + ["second"] * 3
        for index in swaps:
            base = int(samples.base[index])
            assert samples.paths[base] == samples.paths[index].replace("face_swap", "real")
            assert np.array_equal(samples.picture(base), samples.picture(index)) == (samples.paths[index].startswith("second"))
        (tmp_path / "more").mkdir()
        twice = shutil.copytree(second, tmp_path / "more" / "second")
        with pytest.raises(LabError, match="same name"):
            find_data(f"{second}{os.pathsep}{twice}")
        asked: list[methods.Settings] = []
        monkeypatch.setattr(methods, "train", asked.append)
        assert cli.main(["train", "--data", str(first), str(second), "--work", "work", "--out", "out"]) == 0
        assert find_data(asked[0].data) == data

    def test_the_hash_is_that_of_the_manifest_and_of_two_another(self, tmp_path: Path):
        first = lab_data()[0]
        second = part_of(first, tmp_path / "second", lambda line: line["split"] == "val")
        assert manifest_hash((first,)) == hashlib.sha256((first / "manifest.csv").read_bytes()).hexdigest()
        assert len({manifest_hash(data) for data in ((first,), (second,), (first, second), (second, first))}) == 4

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("boredhumans", "somewhere_new", "gan/somewhere_new"), ("left_eye_x", "eye", "left_eye_x"), (",68,", ",left,", "line 2"),
            (",cross,", ",validation,", "unknown split in line .*: validation"), (",cross,", ",,", "unknown split .*: none"),
            (",train/real/dfdc/0.jpg,", ",train/real/dfdc/9.jpg,", "train/face_swap/dfdc/0.jpg .* not in .*train/real/dfdc/9.jpg"),
            (",train/real/dfdc/0.jpg,", ",val/real/dfdc/0.jpg,", "split train: .*val/real/dfdc/0.jpg"),
        ],
    )  # fmt: skip
    def test_a_bad_manifest_is_refused_with_a_sentence_and_no_training(self, tmp_path: Path, old: str, new: str, said: str):
        text = (lab_data()[0] / "manifest.csv").read_text()
        (tmp_path / "manifest.csv").write_text(text.replace(old, new))
        with pytest.raises(LabError, match=said):
            methods.train(methods.Settings(str(tmp_path), str(tmp_path / "work"), str(tmp_path / "out"), steps=1, workers=1, threads=1))
        assert not list(tmp_path.rglob("*.safetensors"))

    def test_unreadable_crops_and_classes_of_one_source_are_refused_and_nothing_is_trained(self, tmp_path: Path):
        data = part_of(
            lab_data()[0],
            tmp_path / "data",
            lambda line: line["split"] == "train" and (line["label"] == REAL or line["source"] == "edtalk"),
        )
        settings = {"work": str(tmp_path / "work"), "out": str(tmp_path / "out"), "steps": 1, "workers": 1, "threads": 1}
        with pytest.raises(LabError, match="Only one source shows the class face_warp"):
            heads.train(heads.Settings(str(data), settings["work"], settings["out"], trunks=()))
        shutil.rmtree(tmp_path / "work")
        (data / "train" / "real" / "dfdc" / "2.jpg").write_bytes(b"no picture")
        with pytest.raises(LabError, match=r"data/train/real/dfdc/2\.jpg cannot be read"):
            methods.train(methods.Settings(str(data), **settings))
        assert not list(tmp_path.rglob("*.safetensors"))
        assert not list((tmp_path / "work").glob("train.npy"))

    def test_caches_that_are_damaged_or_of_other_data_are_refused(self, rows: list[Row], tmp_path: Path):
        _, work = lab_data()
        with pytest.raises(LabError, match="other data"):
            decode(rows[:3], work / "train.npy")
        (tmp_path / "train.npy").write_bytes(b"no array")
        with pytest.raises(LabError, match="damaged"):
            decode(rows[:3], tmp_path / "train.npy")
        shutil.copytree(work, tmp_path / "work")
        (tmp_path / "work" / "train_self_blended.json").write_text('{"base": [9999')
        with pytest.raises(LabError, match="self_blended"):
            load_samples(rows, tmp_path / "work", "train")

    def test_samples_know_the_picture_under_every_forgery(self, samples: Samples):
        assert set(samples.methods) == {REAL, *METHOD_OF_SOURCE.values(), *FORGED}
        for index, (method, base) in enumerate(zip(samples.methods, samples.base.tolist(), strict=True)):
            assert (base >= 0) == (method in ("dfdc_swap", *FORGED))
            assert base < 0 or samples.methods[base] == REAL
            if method in FORGED:
                assert samples.sources[index] == f"{method} on {samples.sources[base]}"
                assert samples.families[index] == "face_swap"

    def test_a_source_is_drawn_by_the_square_root_of_its_size(self):
        """Nine pictures of one source and one of another: 3 to 1."""
        names, sources = ("real",) * 10, ("large",) * 9 + ("small",)
        drawn, random = BySource(Samples((), names, names, sources, sources, sources, np.full(10, -1)), ["real"]), np.random.default_rng(0)
        assert np.mean([drawn.draw("real", random) == 9 for _ in range(800)]) == pytest.approx(1 / 4, abs=0.06)


class TestLoop:
    """On a single weight, by hand."""

    @staticmethod
    def training(seen: list[int], **options: Any) -> Training:
        net = nn.Linear(1, 1, bias=False)
        nn.init.ones_(net.weight)

        def step(net: nn.Module, step: int, rank: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            seen.append(step)
            loss = net(torch.ones(1, 1)).sum()
            return loss, {"loss": loss.detach()}

        return Training(net, torch.optim.SGD(net.parameters(), lr=9.0), step, lambda step: 0.1 * (step + 1), **options)

    def test_each_step_has_its_rate_and_averaged_weights_follow(self):
        seen: list[int] = []
        net: Any = fit(self.training(seen), 3)
        assert seen == [0, 1, 2]
        # The gradient is 1: 1 − 0.1 − 0.2 − 0.3.
        assert float(net.weight.detach()) == pytest.approx(0.4)
        net = fit(self.training([], ema=0.998), 3)
        average = 1.0
        for step, weight in enumerate((0.9, 0.7, 0.4)):
            average += (weight - average) * (1 - (1 + step) / (10 + step))
        assert float(net.weight.detach()) == pytest.approx(average)

    def test_a_sitting_ends_early_and_the_next_goes_on(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        file, seen, kept = tmp_path / "checkpoint.pt", [], []
        look: dict[str, Any] = {"look": lambda net: f"weight {float(net.weight.detach()):.2f}", "look_every": 2}
        fit(self.training(seen, ema=0.9, **look), 5, until=2, checkpoint=file, keep=kept.append)
        told = capsys.readouterr().out
        assert "step 2 of 5  loss 0.950" in told
        assert (told.count("weight "), len(kept)) == (1, 1)
        parts: Any = fit(self.training(seen, ema=0.9), 5, checkpoint=file)
        assert seen == [0, 1, 2, 3, 4]
        whole: Any = fit(self.training([], ema=0.9), 5)
        assert torch.equal(parts.weight, whole.weight)

    @pytest.mark.parametrize(("able", "half"), [("amx_bf16", True), ("avx512_bf16", True), ("avx2", False)])
    def test_a_cpu_computes_in_half_precision_only_where_it_can(self, able: str, half: bool, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {able: True}, raising=False)
        with autocast("cpu"):
            assert torch.is_autocast_enabled("cpu") == half

    def test_the_rate_warms_up_and_falls_to_a_hundredth(self):
        rates = [loop.rate(1.0, 1000, step) for step in range(1000)]
        assert rates.index(max(rates)) == pytest.approx(40, abs=2)
        assert (rates[0], rates[-1]) == (pytest.approx(0, abs=0.05), pytest.approx(0.01, abs=1e-3))


class TestBatchesOfMethods:
    def test_they_are_repeatable_and_pair_swaps_with_their_bases(self, samples: Samples):
        for name in DRAWN:
            sampler = Sampler(samples, recipe(name), seed=3)
            one, two, other = sampler.batch(5, 0, 64), sampler.batch(5, 0, 64), sampler.batch(6, 0, 64)
            assert np.array_equal(one.pictures, two.pictures)
            assert not np.array_equal(one.pictures, other.pictures)

    @pytest.mark.parametrize("own", DRAWN.values(), ids=DRAWN)
    def test_each_recipe_draws_what_it_says_and_every_forgery_before_the_picture_under_it(
        self, samples: Samples, own: Recipe, monkeypatch: pytest.MonkeyPatch
    ):
        chosen: list[int] = []
        encoded = Samples.encoded
        monkeypatch.setattr(Samples, "encoded", lambda self, index: chosen.append(index) or encoded(self, index))
        batch = Sampler(samples, own, seed=3).batch(0, 0, 64)
        drawn = [samples.methods[index] for index in chosen]
        alone = sum(own.singles.values())
        assert Counter(drawn[:alone]) == Counter(own.singles)
        assert Counter(drawn[alone::2]) == Counter(own.pairs)
        assert [int(samples.base[index]) for index in chosen[alone::2]] == chosen[alone + 1 :: 2]
        classes = list(own.classes.values())
        assert all(method in classes[label] for method, label in zip(drawn, batch.labels.tolist(), strict=True))
        assert classes[0] == (REAL,)
        assert {method for one in classes for method in one} == set(drawn), "no class is without faces, no method without a class"
        assert len(own.class_of) == sum(map(len, classes)), "no method has two classes"

    def test_an_unknown_recipe_and_pairs_without_a_picture_under_them_are_refused(self, samples: Samples):
        with pytest.raises(LabError, match="no head 'everything'"):
            recipe("everything")
        with pytest.raises(LabError, match="deepfacelive"):
            Sampler(samples, replace(FIRST, pairs={"deepfacelive": 1}), seed=3)
        orphans = replace(samples, base=np.full(len(samples), -1))
        with pytest.raises(LabError, match="no untouched crop under it"):
            caddm.Sampler(orphans, [], seed=7)

    def test_forgeries_are_encoded_once_like_every_other_crop(self, samples: Samples):
        encoded, plain = (Sampler(samples, FIRST, seed=3, plain_forgeries=flag).batch(0, 0, 224) for flag in (False, True))
        pairs = zip(encoded.labels, encoded.pictures, plain.pictures, strict=True)
        assert {LABELS[label] for label, one, two in pairs if (one != two).any()} == set(FORGED) & set(FIRST.pairs)

    def test_what_is_left_out_is_never_drawn(self, samples: Samples):
        sampler = Sampler(samples, FIRST, seed=3, leave_out=("dfdc_swap", "sdfd_sd21"))
        drawn = np.concatenate([sampler.batch(step, 0, 64).labels for step in range(3)])
        assert not {FIRST.class_of["dfdc_swap"], FIRST.class_of["sd21"]} & set(drawn.tolist())


class TestFrozenStages:
    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_they_stay_as_they_are_statistics_too_and_the_rest_learns(self, count: int):
        torch.manual_seed(0)
        net: Any = build_backbone("mobilenetv2_100", 3, {"pad_type": "same"}).eval()
        x = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            maps = net.forward_features(x)
        frozen = FrozenStages(net, count)
        assert torch.equal(net.forward_features(x), maps)
        assert net.blocks[:count](net.bn1(net.conv_stem(x))).requires_grad == (count == 0), "no graph is kept of them"
        before = copy.deepcopy(net.state_dict())
        net.train()
        frozen.rest()
        net.forward_features(x).square().mean().backward()
        torch.optim.SGD([one for one in net.parameters() if one.requires_grad], 0.1).step()
        changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
        still = ("conv_stem.", "bn1.", *(f"blocks.{stage}." for stage in range(count))) if count else ()
        told = {name for name in before if name.endswith((".running_mean", "conv_dw.weight", "conv_stem.weight", "conv_head.weight"))}
        assert changed & told == {name for name in told if not name.startswith(still)}
        assert not [name for name in changed if name.startswith(still)]


class TestBatchesOfCaddm:
    def test_only_what_is_swapped_has_boxes_and_the_same_step_gives_the_same(self, samples, train_rows):
        sampler = caddm.Sampler(samples, train_rows, seed=7)
        batch, again, other = sampler.batch(3, 0), sampler.batch(3, 0), sampler.batch(3, 1)
        assert np.array_equal(batch.pictures, again.pictures)
        assert all(np.array_equal(a, b) for a, b in zip(batch.boxes, again.boxes, strict=True))
        assert not np.array_equal(batch.pictures, other.pictures)
        assert (batch.pictures.shape, batch.pictures.dtype) == ((len(batch.labels), 224, 224, 3), np.uint8)
        assert int(batch.labels.sum()) == sum(caddm.SWAPS.values())
        for label, boxes in zip(batch.labels, batch.boxes, strict=True):
            assert boxes[:1].tolist() == [[0, 0, 1, 1]] * int(label)
            assert bool(((boxes >= 0) & (boxes <= 1)).all())
        plain = caddm.Sampler(samples, train_rows, seed=7, plain=True).batch(3, 0)
        assert np.array_equal(plain.labels, batch.labels), "plain means the same faces as they are"
        assert all(boxes.tolist() in ([], [[0, 0, 1, 1]]) for boxes in plain.boxes)

    def test_a_step_draws_what_the_shipped_weights_were_trained_on(self, samples, train_rows, monkeypatch: pytest.MonkeyPatch):
        drawn: list[tuple[int, int]] = []
        monkeypatch.setattr(caddm.Sampler, "made", lambda _, *one: drawn.append(one) or (np.zeros((1, 1, 3)), np.zeros((0, 4))))
        caddm.Sampler(samples, train_rows, seed=7).batch(0, 0)
        assert Counter(samples.methods[index] for index, _ in drawn) == {
            "dfdc_swap": 9, "landmark_swap": 2, "self_blended": 3, "autoencoder_swap": 2, REAL: 16,
        }  # fmt: skip
        assert sum((int(samples.base[index]), seed) in drawn for index, seed in drawn) == 9, "swaps that come with what is under them"

    def test_a_pair_differs_in_the_manipulation_alone(self, samples, train_rows):
        """The untouched picture under a swap is moved and changed as the swap is."""
        sampler = caddm.Sampler(samples, train_rows, seed=7, plain=True)
        # An auto-encoder's swap leaves the corners alone; a self-blend may change them too.
        swap = next(i for i, method in enumerate(samples.methods) if method == "autoencoder_swap")
        base = int(samples.base[swap])
        forged, untouched, other = sampler.made(swap, 11)[0].astype(int), sampler.made(base, 11)[0], sampler.made(base, 12)[0]
        assert np.abs(forged[:12, :12] - untouched[:12, :12]).mean() < 8 < np.abs(forged - other).mean()

    def test_what_is_left_out_never_comes_and_shares_have_to_fit(self, samples, train_rows):
        sampler = caddm.Sampler(samples, train_rows, seed=7, leave_out=("landmark_swap", "ffhq"))
        assert "landmark_swap" not in sampler.sources
        assert {samples.sources[i] for part in sampler.sources.indices[REAL] for i in part} == {"dfdc"}
        with pytest.raises(LabError, match="with a sum of 1"):
            caddm.Sampler(samples, train_rows, seed=7, shares=(0.5, 0.5, 0.5, 0.5))

    @pytest.mark.parametrize("seed", range(4))
    def test_landmarks_move_with_the_picture(self, seed: int):
        move = Move.drawn(np.random.default_rng(seed), 224)
        points = np.array([[66, 66], [156, 65], [111, 114], [72, 162], [151, 161]], np.float32)
        # Mirrored, the eye on the left of the picture is the other one.
        source = points[[1, 0, 2, 4, 3]] if move.mirrored else points
        for at, was in zip(move.points(points), source, strict=True):
            picture = np.zeros((224, 224, 3), np.uint8)
            x, y = np.round(was).astype(int)
            picture[y - 2 : y + 3, x - 2 : x + 3] = 255
            weight = move.picture(picture)[..., 0].astype(float)
            rows, columns = np.mgrid[0:224, 0:224]
            assert np.hypot((columns * weight).sum() / weight.sum() - at[0], (rows * weight).sum() / weight.sum() - at[1]) < 1.0


class TestStepOfCaddm:
    @staticmethod
    def net(**changes: Any) -> caddm.Net:
        torch.manual_seed(0)
        return caddm.Net(caddm.Settings("", "", "", **changes))

    targets = match([torch.tensor([[0.0, 0, 1, 1]]), torch.zeros(0, 4)], anchors())

    def test_frozen_stages_stay_the_rest_learns_and_both_kinds_of_answers_are_in_the_loss(self):
        net = self.net(frozen=2, artifact_weight=0.1)
        before = {name: value.clone() for name, value in net.detector.state_dict().items()}
        loss, entropy, where, whether, right = net.train()(torch.randn(2, 3, 224, 224), torch.tensor([1, 0]), self.targets)
        assert float(loss.detach()) == pytest.approx(float(entropy + 0.1 * (where + whether)), rel=1e-5)
        assert min(float(where), float(whether)) > 0
        assert 0 <= float(right) <= 1
        loss.backward()
        torch.optim.SGD([one for one in net.parameters() if one.requires_grad], 0.1).step()
        changed = {name for name, value in net.detector.state_dict().items() if not torch.equal(value, before[name])}
        still = ("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0.", "backbone.blocks.1.")
        assert not [name for name in changed if name.startswith(still)]
        learnt = ("backbone.blocks.2.0.conv_pw", "neck", "artifact_module.blocks.3.conv_second", "classifier")
        assert {f"{part}.weight" for part in learnt} <= changed

    def test_it_starts_from_a_backbone_file_and_from_no_other(self, backbone_file: str, tmp_path: Path):
        net = self.net()
        caddm.start_from(net, Path(backbone_file))
        assert torch.equal(net.detector.backbone.state_dict()["conv_head.weight"], load_file(backbone_file)["conv_head.weight"].float())
        save_file({"conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "other.safetensors")
        for file, said in (("other", "does not fit"), ("nothing", "cannot be read")):
            with pytest.raises(LabError, match=said):
                caddm.start_from(net, tmp_path / f"{file}.safetensors")


class TestBatchesOfDnaDet:
    def test_the_label_is_the_transformation_of_an_untouched_photograph(self, samples: Samples):
        """At the window's own side nothing is magnified: a patch is part of some untouched window, transformed as its label says."""
        batch = TransformationSampler(samples, seed=8, side_px=CROP_PX).batch(0, 0)
        random = np.random.default_rng([8, 0, 0])
        untouched = np.flatnonzero(np.array(samples.methods) == REAL)
        assert batch.pictures.shape == (5 * PATCHES, PATCH_PX, PATCH_PX, 3)
        for place in range(5):
            picture = samples.picture(int(random.choice(untouched)))
            top, left = (int(v) for v in random.integers(0, SIDE_PX - CROP_PX + 1, 2))
            label = int(random.integers(170))
            expected = transformations()[label].apply(np.array(picture[top : top + CROP_PX, left : left + CROP_PX]), random)
            mine = slice(place * PATCHES, (place + 1) * PATCHES)
            assert (batch.labels[mine] == label).all()
            assert np.array_equal(batch.pictures[mine], dnadet.cut(expected, random))

    @pytest.mark.parametrize(("items", "patches"), [(1, 0), (3, 2)])
    def test_one_picture_of_each_class_an_item(self, samples: Samples, items: int, patches: int, monkeypatch: pytest.MonkeyPatch):
        chosen: list[int] = []
        picture = Samples.picture
        monkeypatch.setattr(Samples, "picture", lambda self, index: chosen.append(index) or picture(self, index))
        batch = ArchitectureSampler(samples, 3, READ_PX, items, patches).batch(2, 0)
        assert [samples.methods[index] for index in chosen] == list(CLASSES) * items
        side, each = (PATCH_PX, patches) if patches else (READ_PX, 1)
        assert batch.pictures.shape == (items * len(CLASSES) * each, side, side, 3)
        assert batch.labels.tolist() == [label for label in range(5) for _ in range(each)] * items

    def test_what_is_left_out_gets_no_label_and_a_class_without_faces_is_refused(self, samples: Samples):
        sampler = ArchitectureSampler(samples, seed=3, side_px=READ_PX, patches=0, leave_out=("sdxl",))
        assert sampler.classes == ("real", "stylegan2", "generated_photos", "flux1")
        assert sampler.batch(0, 0).labels.tolist() == [0, 1, 2, 3]
        with pytest.raises(LabError, match="no class 'sfhq_t2i_sdxl'"):
            ArchitectureSampler(samples, seed=3, side_px=READ_PX, leave_out=("sfhq_t2i_sdxl",))
        none = Samples((np.zeros((0, SIDE_PX, SIDE_PX, 3), np.uint8),), (), (), (), (), (), np.zeros(0, int))
        for kind in (TransformationSampler, ArchitectureSampler):
            with pytest.raises(LabError, match="none of real"):
                kind(none, 0, READ_PX)


class TestStepOfDnaDet:
    @staticmethod
    def net(**changes: Any) -> dnadet.Net:
        return dnadet.Net(dnadet.Settings("", "", "", **{"side_px": READ_PX, "patches": 2, **changes}))

    @pytest.mark.parametrize(
        ("changed", "joint"),
        [
            ({"contrastive": False}, False), ({"patches": 0}, False), ({"patches": 1}, False), ({"stage": "transformations"}, False),
            ({}, True), ({"patches": 0, "items": 2}, True),
        ],
    )  # fmt: skip
    def test_the_loss_of_both_stages_and_of_the_ablation(self, changed: dict, joint: bool):
        torch.manual_seed(0)
        patches, labels = torch.randn(10, 3, PATCH_PX, PATCH_PX), torch.arange(5).repeat_interleave(2)
        net = self.net(**changed).eval()
        with torch.no_grad():
            net.weights.p.copy_(torch.tensor([2.0, 0.5]))
            net.trunk.classifier.weight.mul_(300)
            loss, entropy, contrast, right = net(patches, labels)
            pooled, logits = net.trunk.forward_patches(patches)[:2]
            unit = nn.functional.normalize(net.projection(pooled), dim=1)
        by_hand = (logits.logsumexp(1) - logits[torch.arange(10), labels]).mean()
        assert float(entropy) == pytest.approx(float(by_hand), rel=1e-5), "of the logits themselves, not of a softmax"
        assert float(right) == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
        if not joint:
            assert (float(loss), float(contrast)) == (float(entropy), 0)
            return
        # Khosla et al. 2020, eq. 2: −mean over anchors and positives of log of the positive's share among all others.
        alike = (unit @ unit.T / dnadet.TEMPERATURE).double().fill_diagonal_(-torch.inf)
        positive = (labels[:, None] == labels) & ~torch.eye(10, dtype=torch.bool)
        terms = [float((torch.logsumexp(alike[i], 0) - alike[i, positive[i]]).mean()) for i in range(10)]
        assert float(contrast) == pytest.approx(float(np.mean(terms)), rel=1e-4)
        assert float(loss) == pytest.approx(float(entropy) / 8 + math.log(5) + float(contrast) / 0.5 + math.log(1.25), rel=1e-5)

    def test_the_heads_of_the_stages_and_a_wrong_setting(self):
        for changed, width in (({"stage": "transformations"}, 170), ({}, 5), ({"leave_out": ("sdxl",)}, 4)):
            assert self.net(**changed).trunk.classifier.out_features == width
        for changed, said in (({"stage": "pretraining"}, "no stage 'pretraining'"), ({"side_px": 40}, "holds no patch")):
            with pytest.raises(LabError, match=said):
                self.net(**changed)

    def test_the_first_filters_are_the_frequencies_of_a_patch(self):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 64, 4, stride=2, padding=1)
        before = convolution.weight.detach().clone()
        dnadet.start_with_frequencies(convolution)
        filters = convolution.weight.detach()[:48].flatten(1)
        lengths = filters.norm(dim=1)
        assert torch.equal(convolution.weight[48:], before[48:])
        assert torch.allclose((filters / lengths[:, None]) @ (filters / lengths[:, None]).T, torch.eye(48), atol=1e-5)
        for frequencies in (True, False):
            weight = self.net(frequencies=frequencies).trunk.state_dict()["stages.0.conv_halve.weight"]
            assert bool((weight[0] == weight[0, 0, 0, 0]).all()) == frequencies, "the first: an even grey"


class TestRuns:
    @pytest.mark.parametrize("name", ["methods", "dna-det", pytest.param("caddm", marks=pytest.mark.slow)])
    def test_a_run_in_two_sittings_gives_the_weights_of_one(
        self, name: str, folders: dict, first_stage: Path, backbone_file: str, tmp_path: Path
    ):
        settings, train = {
            "methods": (methods.Settings(**folders, out="", stages=((1.0, 32),), dropout=0.0), methods.train),
            "dna-det": (dnadet.Settings(**folders, out="", start=str(first_stage), side_px=READ_PX, patches=2), dnadet.train),
            "caddm": (caddm.Settings(**folders, out="", start=backbone_file), caddm.train),
        }[name]
        train(replace(settings, out=str(tmp_path / "whole")))  # type: ignore[arg-type]
        parts = replace(settings, out=str(tmp_path / "parts"))
        train(replace(parts, until=1))  # type: ignore[arg-type]
        assert not (tmp_path / "parts" / "final.safetensors").exists()
        train(parts)  # type: ignore[arg-type]
        one, other = (load_file(tmp_path / folder / "final.safetensors") for folder in ("whole", "parts"))
        assert list(one) == list(other)
        assert all(torch.equal(value, other[key]) for key, value in one.items())
        if name == "caddm":
            assert set(one) == set(build_backbone(CADDM, 2, {"pad_type": "same"}).state_dict())
        # Finished: another sitting changes nothing. And what a run leaves names no folder of this machine.
        before = (tmp_path / "parts" / "final.safetensors").read_bytes()
        train(parts)  # type: ignore[arg-type]
        assert (tmp_path / "parts" / "final.safetensors").read_bytes() == before
        text = (tmp_path / "parts" / "settings.json").read_text()
        assert "/" not in text.replace(json.loads(text).get("architecture", ""), "")

    def test_dna_dets_second_stage_starts_from_the_trunk_of_the_first(self, first_stage: Path, tmp_path: Path):
        first, net = load_file(first_stage / "final.safetensors"), TestStepOfDnaDet.net()
        head = net.trunk.classifier.weight.clone()
        dnadet.start_from(net, first_stage)
        trunk = {name: value for name, value in net.state_dict().items() if name.startswith("trunk.stages.")}
        assert len(trunk) == 4 * 2 * (2 + 5)
        assert all(torch.equal(value, first[name]) for name, value in trunk.items())
        assert torch.equal(net.trunk.classifier.weight, head), "the head is new"
        unfinished = Path(shutil.copytree(first_stage, tmp_path / "unfinished"))
        (unfinished / "final.safetensors").unlink()
        with pytest.raises(LabError, match="not finished"):
            dnadet.start_from(net, unfinished)

    @pytest.mark.parametrize(
        ("command", "module", "settings"),
        [
            (
                "train --stages [[1,64]] --leave-out sdxl --device cuda", methods,
                {"stages": ((1.0, 64),), "leave_out": ("sdxl",), "device": "cuda", "workers": 1},
            ),
            (
                "heads --trunks a=b c=d=e --known faces --leave-out sonic --decay 0.1 --jobs 2", heads,
                {"trunks": (("a", "b"), ("c", "d=e")), "known": ("faces",), "leave_out": ("sonic",), "decay": 0.1, "jobs": 2},
            ),
            ("dna-det train --side 96 --no-contrastive --workers 3", dnadet, {"side_px": 96, "contrastive": False, "workers": 3}),
            (
                "caddm train --start file --plain --shares 0.1 0.2 0.3 0.4", caddm,
                {"start": "file", "plain": True, "shares": (0.1, 0.2, 0.3, 0.4)},
            ),
        ],
    )  # fmt: skip
    def test_flags_become_settings(self, command: str, module, settings, folders: dict, monkeypatch: pytest.MonkeyPatch):
        asked: list[Any] = []
        monkeypatch.setattr(module, "train", asked.append)
        assert cli.main([*command.split(), "--data", folders["data"], "--work", "work", "--out", "out"]) == 0
        workers = {"workers": asked[0].workers} if hasattr(asked[0], "workers") else {}
        expected = module.Settings(folders["data"], "work", "out", **{**workers, **settings})
        assert asked == [expected]


class TestQuickGradients:
    def test_a_whole_network_learns_the_same_and_so_does_its_copy(self):
        torch.manual_seed(0)
        plain = build_backbone("mobilenetv2_100", 3, {"pad_type": "same"}).double().train()
        quick = copy.deepcopy(plain)
        assert quicken(quick) == 4
        x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
        outputs = [net(x) for net in (plain, quick)]
        assert torch.allclose(*outputs)
        for output in outputs:
            output.square().sum().backward()
        largest = max(float(p.grad.abs().max()) for p in plain.parameters() if p.grad is not None)
        for one, two in zip(plain.parameters(), quick.parameters(), strict=True):
            assert one.grad is not None
            assert two.grad is not None
            assert torch.allclose(one.grad, two.grad, atol=1e-9 * largest)
        assert quicken(build_backbone("resnet18", 3)) == 0

    def test_its_gradient_is_right_by_finite_differences(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(2, 4, 6, 8, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(4, 1, 3, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(depthwise._Depthwise3x3Stride2.apply, (x, weight))

    def test_large_kernels_are_computed_in_single_precision(self) -> None:
        torch.manual_seed(0)
        plain = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False))
        quick = copy.deepcopy(plain)
        assert quicken(quick) == 1
        x = torch.randn(2, 8, 16, 16).bfloat16()
        exact = plain(x.float())
        with torch.autocast("cpu", torch.bfloat16):
            rough, single = plain(x), quick(x)
        assert torch.equal(single, exact.bfloat16())
        assert not torch.equal(rough, single)
