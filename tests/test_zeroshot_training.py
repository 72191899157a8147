"""The generalisability study's trainings: what an augmentation may change and is drawn from; what is said is what the network says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attribution.errors import LabError
from attribution.lab.metrics import auc
from attribution.lab.studies.zeroshot.faces import Faces
from attribution.lab.studies.zeroshot.plan import ADDED, ALL, BATCH, DETECTORS, TOP, TRAINED, Detector, Run, pool_file
from attribution.lab.studies.zeroshot.study import carry_out, said
from attribution.lab.studies.zeroshot.training import (
    SETTINGS_FILE,
    WEIGHTS_FILE,
    load_run,
    read_faces,
    resized,
    train_run,
)
from attribution.lab.train.loop import as_input

SIDE_PX = 64
TINY = Detector("tiny", "Tiny", "meso4", SIDE_PX, ("hidden", "classifier"), 6, 4, 2e-3, {"img_size": SIDE_PX})
OLD = TRAINED[0]
NEW = ADDED[OLD]
Tensors = Mapping[str, torch.Tensor]


def some_faces(count: int, seed: int) -> np.ndarray:
    """Noise by turns without and with stripes: untouched and manipulated faces that anybody can tell apart."""
    random = np.random.default_rng(seed)
    crops = random.integers(60, 140, (count, 28, 28, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    crops[1::2, :, ::16] += 100
    crops[1::2, :, 1::16] += 100
    return crops


def write_pools(runs: Path, seed: int = 0, sources: tuple[str, ...] = (OLD, NEW), count: int = 4 * BATCH) -> Path:
    for place, source in enumerate(sources):
        pool_file(runs, source).parent.mkdir(parents=True, exist_ok=True)
        np.save(pool_file(runs, source), some_faces(count, seed + place))
    return runs


def trained(run: Run, runs: Path) -> Tensors:
    train_run(run, runs)
    return load_file(runs / run.name / WEIGHTS_FILE)


def alike(one: Tensors, other: Tensors) -> set[str]:
    """The names of the tensors that are the same to the last bit."""
    assert set(one) == set(other)
    return {name for name in one if torch.equal(one[name], other[name])}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pools, and the tiny detector trained on the old source."""
    folder = write_pools(tmp_path_factory.mktemp("runs"))
    train_run(Run(TINY, OLD), folder)
    return folder


@pytest.fixture
def again(runs: Path, tmp_path: Path) -> Path:
    """The same pools and the same base, for a test of its own."""
    for source in (OLD, NEW):
        pool_file(tmp_path, source).parent.mkdir(exist_ok=True)
        pool_file(tmp_path, source).symlink_to(pool_file(runs, source))
    base = Run(TINY, OLD).name
    (tmp_path / base).mkdir(parents=True)
    (tmp_path / base / WEIGHTS_FILE).write_bytes((runs / base / WEIGHTS_FILE).read_bytes())
    return tmp_path


def small(detector: Detector) -> Detector:
    """A detector of the study at the smallest side that it can be built for, and one step of everything."""
    side_px = SIDE_PX if detector.architecture in ("meso4", "mesoinception4", "shallownet_v3") else 32
    own = {**detector.model_args, **({"img_size": side_px} if side_px == SIDE_PX else {})}
    return replace(detector, side_px=side_px, model_args=own, steps=1, added_steps=2, pretrained=False)


class TestAugmentation:
    @pytest.mark.parametrize(
        "detector",
        [pytest.param(one, id=one.name, marks=[] if one.name in ("meso4", "mobilenetv2") else pytest.mark.slow) for one in DETECTORS],
    )
    def test_of_the_top_layers_it_leaves_everything_else_as_it_was(self, detector, tmp_path):
        """Weights and the statistics of batch normalisation, to the last bit."""
        write_pools(tmp_path, count=BATCH)
        detector = small(detector)
        base, top = trained(Run(detector, OLD), tmp_path), trained(Run(detector, OLD, TOP, NEW), tmp_path)
        same = alike(base, top)
        below = {name for name in base if name.split(".")[0] not in detector.top}
        assert below
        assert below <= same
        # The new layers have learnt, their statistics too.
        changed = set(base) - same
        assert {name.split(".")[0] for name in changed} == set(detector.top)
        assert all(name in changed for name in set(base) - below if name.endswith(("weight", "running_mean")))

    @pytest.mark.parametrize("variant", [TOP, ALL])
    def test_the_first_batch_is_old_and_the_second_new(self, again, variant):
        def after(steps: int, pool: Path) -> Tensors:
            pool_file(again, NEW).unlink()
            pool_file(again, NEW).symlink_to(pool)
            run = Run(replace(TINY, added_steps=steps), OLD, variant, NEW)
            (again / run.name / WEIGHTS_FILE).unlink(missing_ok=True)
            return trained(run, again)

        own = pool_file(again, NEW).resolve()
        other = pool_file(write_pools(again / "other", 9, (NEW,)), NEW)
        first, second = ([after(steps, pool) for pool in (own, other)] for steps in (1, 2))
        assert alike(*first) == set(first[0])
        assert alike(*second) < set(second[0])


class TestTraining:
    def test_the_same_seed_gives_the_same_weights_and_other_faces_others(self, runs, tmp_path):
        first = load_file(runs / Run(TINY, OLD).name / WEIGHTS_FILE)
        same, other = (trained(Run(TINY, OLD), write_pools(tmp_path / str(seed), seed, (OLD,))) for seed in (0, 9))
        assert alike(first, same) == set(first)
        assert not any(name.endswith("conv.weight") for name in alike(first, other))
        written = json.loads((runs / Run(TINY, OLD).name / SETTINGS_FILE).read_text())
        assert (written["run"], written["architecture"], written["steps"]) == (f"tiny/{OLD}", "meso4", 12)
        assert (written["batch"], written["side_px"], written["pretrained"]) == (BATCH, SIDE_PX, False)

    def test_the_loss_falls_where_there_is_something_to_learn_and_stays_where_there_is_nothing(self, tmp_path):
        """Before the first step it is that of not knowing, the logarithm of 2."""

        def loss(steps: int, folder: Path) -> float:
            run = Run(replace(TINY, steps=steps), NEW)
            train_run(run, folder)
            return json.loads((folder / run.name / SETTINGS_FILE).read_text())["loss"]

        assert loss(1, write_pools(tmp_path / "first", sources=(NEW,))) == pytest.approx(np.log(2), abs=0.02)
        folder = write_pools(tmp_path / "all", sources=(NEW,))
        assert loss(40, folder) < 0.4
        logits, truth = read_faces(load_run(Run(TINY, NEW), folder), TINY, some_faces(40, 77)).logits, np.arange(40) % 2 == 1
        assert auc(truth, logits) > 0.99, "it must know faces that it never saw"
        assert logits[truth].mean() > 0 > logits[~truth].mean()
        # A pool of one face over and over: the place in the batch alone must not tell the answer.
        nothing = write_pools(tmp_path / "nothing", sources=(NEW,))
        np.save(pool_file(nothing, NEW), some_faces(1, 0).repeat(BATCH, 0))
        assert loss(20, nothing) > 0.65


class TestSaid:
    def test_its_logits_are_the_network_s_own(self, runs):
        net, crops = load_run(Run(TINY, OLD), runs), some_faces(60, 5)
        told = read_faces(net, TINY, crops)
        assert (told.units.shape, told.weight.shape, told.logits.dtype) == ((60, 16), (16,), np.float32)
        with torch.inference_mode():
            exact = net(as_input(resized(crops, SIDE_PX), "cpu"))
            layer = net.get_classifier()(torch.from_numpy(told.units))  # type: ignore[operator]
        exact, layer = ((both[:, 1] - both[:, 0]).numpy() for both in (exact, layer))
        assert np.allclose(told.logits, layer, atol=1e-5)
        # The faces were read in bfloat16, which has 8 bits.
        assert np.abs(told.logits - exact).max() < 0.05 * np.abs(exact).max()


def write_faces(runs: Path) -> None:
    faces = Faces(some_faces(10, 3), np.array(["dfdc", OLD] * 5), np.arange(10).astype(str), np.array(["val"] * 4 + ["test"] * 6))
    np.savez(runs / "faces.npz", **vars(faces))


class TestCarryingOut:
    def test_what_is_missing_is_done_and_what_is_there_is_left(self, tmp_path):
        write_faces(write_pools(tmp_path, sources=TRAINED, count=BATCH))
        detector = replace(TINY, steps=1, added_steps=1)
        base, top = Run(detector, OLD), Run(detector, OLD, TOP, NEW)
        with pytest.raises(LabError, match="has not read the faces"):
            said(base.name, tmp_path)
        carry_out([base, top], None, tmp_path, tmp_path, {}, jobs=1)
        told = {run.variant: said(run.name, tmp_path) for run in (base, top)}
        assert all(len(one.logits) == 10 for one in told.values())
        assert not np.array_equal(told["base"].logits, told["top"].logits)
        assert len(said("tiny/untrained", tmp_path).units) == 10
        mine = read_faces(load_run(top, tmp_path), detector, some_faces(10, 3))
        assert np.allclose(told["top"].logits, mine.logits, atol=0.01)
        assert f"{top.name}: step 1 of 1" in (tmp_path / base.name / "log.txt").read_text()
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        carry_out([base, top], None, tmp_path, tmp_path, {}, jobs=1)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before

    def test_a_missing_imagenet_file_is_asked_for(self, tmp_path):
        write_faces(write_pools(tmp_path, sources=TRAINED, count=BATCH))
        detector = next(detector for detector in DETECTORS if detector.pretrained)
        with pytest.raises(LabError, match=r"MobileNetV2 .* starts from an ImageNet file\. .*--pretrained mobilenetv2=FILE"):
            carry_out([Run(detector, OLD)], None, tmp_path, tmp_path, {}, jobs=1)
        assert not (tmp_path / detector.name).exists()
