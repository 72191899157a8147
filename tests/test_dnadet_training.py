"""DNA-Det's samplers, losses and both stages of its training: on a tiny face set, on the CPU."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from attribution.errors import LabError
from attribution.lab.data import SIDE_PX, read_manifest
from attribution.lab.forge.transformations import CROP_PX, transformations
from attribution.lab.pools import Samples, load_samples
from attribution.lab.train.dnadet import (
    CLASSES,
    PATCHES,
    PICTURES,
    TEMPERATURE,
    ArchitectureSampler,
    AutomaticWeights,
    Net,
    Settings,
    TransformationSampler,
    cut,
    magnified,
    start_from,
    start_with_frequencies,
    train,
)
from attribution.models.dnadet import PATCH_PX, DnaDet
from lab_faces import make_faces

READ_PX = 96


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def samples(data: Path, work: Path) -> Samples:
    return load_samples(data, read_manifest(data), work, "train")


def settings(data: Path, work: Path, out: Path, **changed: object) -> Settings:
    """A run without dropout: each sitting starts its stream of chance anew, so only without it are two sittings one run."""
    plain = {"steps": 2, "workers": 1, "threads": 1, "side_px": READ_PX, "patches": 2, "dropout": 0.0}
    return Settings(data=str(data), work=str(work), out=str(out), **{**plain, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def first_stage(data: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on transformations."""
    out = tmp_path_factory.mktemp("first")
    train(settings(data, work, out, stage="transformations"))
    return out


# Samplers


def test_patches_are_windows_of_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    found = cut(picture, np.random.default_rng(1), 40)
    windows = {picture[y : y + PATCH_PX, x : x + PATCH_PX].tobytes(): (y, x) for y in range(17) for x in range(17)}
    places = [windows[patch.tobytes()] for patch in found]
    assert found.shape == (40, PATCH_PX, PATCH_PX, 3)
    assert found.dtype == np.uint8
    assert len(set(places)) > 30
    assert {min(y for y, _ in places), min(x for _, x in places)} <= {0, 1}
    assert {max(y for y, _ in places), max(x for _, x in places)} <= {15, 16}
    assert (cut(picture[:PATCH_PX, :PATCH_PX], np.random.default_rng(1), 2) == picture[:PATCH_PX, :PATCH_PX]).all()


@pytest.mark.parametrize("side_px", [96, 224, 512])
def test_training_magnifies_as_the_network_does(side_px: int):
    picture = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    network = DnaDet(5, img_size=side_px).magnified(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    difference = np.abs(magnified(picture, side_px) - network[0].permute(1, 2, 0).numpy())
    assert difference.max() < 1.5
    assert difference.mean() < 0.4


def test_transformed_patches_depend_on_seed_step_and_worker_alone(samples: Samples):
    sampler = TransformationSampler(samples, seed=3, side_px=READ_PX)
    one, two = sampler.batch(5, 1), TransformationSampler(samples, seed=3, side_px=READ_PX).batch(5, 1)
    assert np.array_equal(one.pictures, two.pictures)
    assert np.array_equal(one.labels, two.labels)
    others = [sampler.batch(6, 1), sampler.batch(5, 0), TransformationSampler(samples, seed=4, side_px=READ_PX).batch(5, 1)]
    assert not any(np.array_equal(one.pictures, other.pictures) for other in others)


def test_sixteen_patches_of_each_transformed_picture(samples: Samples):
    assert (PATCHES, PICTURES) == (16, 5)
    batch = TransformationSampler(samples, seed=3, side_px=READ_PX).batch(0, 0)
    assert batch.pictures.shape == (5 * 16, PATCH_PX, PATCH_PX, 3)
    assert batch.pictures.dtype == np.uint8
    assert batch.labels.dtype == np.int64
    pictures = batch.labels.reshape(5, 16)
    assert (pictures == pictures[:, :1]).all()
    more = TransformationSampler(samples, seed=3, side_px=READ_PX, items=3, patches=2).batch(0, 0)
    assert more.pictures.shape == (3 * 5 * 2, PATCH_PX, PATCH_PX, 3)
    assert np.ptp(more.labels.reshape(15, 2), axis=1).max() == 0


def test_all_transformations_are_drawn_alike(samples: Samples):
    sampler = TransformationSampler(samples, seed=3, side_px=CROP_PX, items=5, patches=1)
    labels = np.concatenate([sampler.batch(step, 0).labels for step in range(40)])
    assert len(labels) == 1000
    assert set(labels.tolist()) <= set(range(len(transformations())))
    assert len(set(labels.tolist())) > 160, "1,000 draws of 170 leave hardly one out"
    # The statistic of a fair draw is 169 ± 18.
    counts = np.bincount(labels, minlength=170)
    assert ((counts - 1000 / 170) ** 2 / (1000 / 170)).sum() < 169 + 4 * 18.4


def test_the_label_is_the_transformation_of_an_untouched_photograph(samples: Samples, monkeypatch: pytest.MonkeyPatch):
    """At the window's own side nothing is magnified, so a patch must be part of some untouched window, transformed as its label says."""
    sampler = TransformationSampler(samples, seed=8, side_px=CROP_PX)
    chosen: list[int] = []
    picture = Samples.picture
    monkeypatch.setattr(Samples, "picture", lambda self, index: chosen.append(index) or picture(self, index))
    batch = sampler.batch(0, 0)
    assert len(chosen) == PICTURES
    assert {samples.methods[index] for index in chosen} == {"real"}
    random = np.random.default_rng([8, 0, 0])
    untouched = np.flatnonzero(np.array(samples.methods) == "real")
    for place, index in enumerate(chosen):
        assert index == int(random.choice(untouched))
        top, left = (int(v) for v in random.integers(0, SIDE_PX - CROP_PX + 1, 2))
        label = int(random.integers(170))
        expected = transformations()[label].apply(np.array(picture(samples, index)[top : top + CROP_PX, left : left + CROP_PX]), random)
        mine = slice(place * PATCHES, (place + 1) * PATCHES)
        assert (batch.labels[mine] == label).all()
        assert np.array_equal(batch.pictures[mine], cut(expected, random))


@pytest.mark.parametrize(("items", "patches"), [(1, 16), (1, 0), (3, 2), (2, 0)])
def test_one_picture_of_each_class_an_item(samples: Samples, items: int, patches: int, monkeypatch: pytest.MonkeyPatch):
    chosen: list[int] = []
    picture = Samples.picture
    monkeypatch.setattr(Samples, "picture", lambda self, index: chosen.append(index) or picture(self, index))
    sampler = ArchitectureSampler(samples, 3, READ_PX, items, patches)
    batch = sampler.batch(2, 0)
    assert sampler.classes == CLASSES == ("real", "stylegan2", "generated_photos", "sdxl", "flux1")
    assert [samples.methods[index] for index in chosen] == list(CLASSES) * items
    side, each = (PATCH_PX, patches) if patches else (READ_PX, 1)
    assert batch.pictures.shape == (items * len(CLASSES) * each, side, side, 3)
    assert batch.labels.tolist() == [label for label in range(5) for _ in range(each)] * items
    again = ArchitectureSampler(samples, 3, READ_PX, items, patches).batch(2, 0)
    assert np.array_equal(batch.pictures, again.pictures)
    assert not any(np.array_equal(batch.pictures, sampler.batch(step, rank).pictures) for step, rank in ((3, 0), (2, 1)))


def test_a_source_is_drawn_by_the_square_root_of_its_size():
    """Nine pictures of one source and one of another, each a single grey: 3 to 1."""
    methods = [*("real",) * 10, *(name for name in CLASSES if name != "real")]
    sources = [*("large",) * 9, "small", *("any",) * 4]
    greys = np.array([50] * 9 + [200] + [120] * 4, np.uint8)
    parts = (np.broadcast_to(greys[:, None, None, None], (14, SIDE_PX, SIDE_PX, 3)),)
    samples = Samples(parts, tuple(methods), tuple(methods), tuple(sources), tuple(sources), tuple(sources), np.full(14, -1))
    sampler = ArchitectureSampler(samples, seed=1, side_px=PATCH_PX, patches=0)
    brightness = [sampler.batch(step, 0).pictures[0].mean() for step in range(160)]
    # Quality changes move a grey by less than the half of what lies between 50 and 200.
    assert np.mean(np.array(brightness) > 125) == pytest.approx(1 / 4, abs=0.12)


def test_a_class_that_is_left_out_gets_no_label(samples: Samples):
    sampler = ArchitectureSampler(samples, seed=3, side_px=READ_PX, patches=0, leave_out=("sdxl",))
    assert sampler.classes == ("real", "stylegan2", "generated_photos", "flux1")
    assert sampler.batch(0, 0).labels.tolist() == [0, 1, 2, 3]
    with pytest.raises(LabError, match="no class 'sfhq_t2i_sdxl'"):
        ArchitectureSampler(samples, seed=3, side_px=READ_PX, patches=0, leave_out=("sfhq_t2i_sdxl",))


def test_a_class_without_faces_is_refused():
    none = Samples((np.zeros((0, SIDE_PX, SIDE_PX, 3), np.uint8),), (), (), (), (), (), np.zeros(0, int))
    for sampler in (lambda: TransformationSampler(none, 0, READ_PX), lambda: ArchitectureSampler(none, 0, READ_PX)):
        with pytest.raises(LabError, match="none of real"):
            sampler()


# Losses


def test_automatic_weights_by_hand():
    weights = AutomaticWeights(2)
    assert weights.p.tolist() == [1, 1]
    assert float(weights(torch.tensor([2.0, 6.0])).detach()) == pytest.approx(2 / 2 + math.log(2) + 6 / 2 + math.log(2))
    with torch.no_grad():
        weights.p.copy_(torch.tensor([2.0, -0.5]))
    losses = torch.tensor([3.0, 0.7], requires_grad=True)
    total = weights(losses)
    assert float(total.detach()) == pytest.approx(3 / 8 + math.log(5) + 0.7 / 0.5 + math.log(1.25))
    total.backward()
    assert losses.grad is not None
    assert weights.p.grad is not None
    assert losses.grad.tolist() == pytest.approx([1 / 8, 1 / 0.5])
    # d/dp of L/(2p²) + ln(1 + p²) is −L/p³ + 2p/(1 + p²).
    assert weights.p.grad.tolist() == pytest.approx([-3 / 8 + 4 / 5, 0.7 / 0.125 - 1 / 1.25])


def test_the_learnt_weight_settles_where_the_loss_says():
    weights, loss = AutomaticWeights(1), torch.tensor([6.0])
    optimiser = torch.optim.Adam(weights.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        weights(loss).backward()
        optimiser.step()
    squared = float(weights.p.detach() ** 2)
    # The slope is nought where 2p⁴ = L·(1 + p²).
    assert 2 * squared**2 == pytest.approx(6 * (1 + squared), rel=1e-3)


def some_patches() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(10, 3, PATCH_PX, PATCH_PX), torch.arange(5).repeat_interleave(2)


def test_the_loss_of_both_stages_and_of_the_ablation(data: Path, work: Path, tmp_path: Path):
    patches, labels = some_patches()
    alone = ({"contrastive": False}, {"patches": 0}, {"patches": 1}, {"stage": "transformations"})
    for changed in (*alone, {}, {"patches": 0, "items": 2}):
        net = Net(settings(data, work, tmp_path, **changed)).eval()
        with torch.no_grad():
            net.weights.p.copy_(torch.tensor([2.0, 0.5]))
            net.trunk.classifier.weight.mul_(300)
            loss, entropy, contrast, right = net(patches, labels)
            logits = net.trunk.forward_patches(patches)[1]
            pooled = net.trunk.forward_patches(patches)[0]
        by_hand = (logits.logsumexp(1) - logits[torch.arange(10), labels]).mean()
        assert float(entropy) == pytest.approx(float(by_hand), rel=1e-5), "of the logits themselves, not of a softmax"
        assert float(right) == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
        if changed in alone:
            assert float(loss) == float(entropy)
            assert float(contrast) == 0
        else:
            unit = torch.nn.functional.normalize(net.projection(pooled), dim=1).detach()
            assert unit.shape == (10, 128)
            assert float(contrast) == pytest.approx(contrastive_by_hand(unit, labels), rel=1e-4)
            assert float(loss) == pytest.approx(float(entropy) / 8 + math.log(5) + float(contrast) / 0.5 + math.log(1.25), rel=1e-5)


def contrastive_by_hand(unit: torch.Tensor, labels: torch.Tensor) -> float:
    """Khosla et al. 2020, eq. 2: −mean over anchors and positives of log of the positive's share among all others."""
    alike, terms = (unit @ unit.T / TEMPERATURE).double(), []
    for anchor in range(len(labels)):
        others = [place for place in range(len(labels)) if place != anchor]
        whole = torch.logsumexp(alike[anchor, others], 0)
        positives = [place for place in others if labels[place] == labels[anchor]]
        terms.append(float((whole - alike[anchor, positives]).mean()))
    return float(np.mean(terms))


def test_the_heads_of_the_stages(data: Path, work: Path, tmp_path: Path):
    def width(**changed: object) -> int:
        return Net(settings(data, work, tmp_path, **changed)).trunk.classifier.out_features

    assert width(stage="transformations") == 170
    assert width() == 5
    assert width(leave_out=("sdxl",)) == 4


def test_the_first_filters_are_the_frequencies_of_a_patch(data: Path, work: Path, tmp_path: Path):
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 64, 4, stride=2, padding=1)
    before = convolution.weight.detach().clone()
    start_with_frequencies(convolution)
    filters = convolution.weight.detach()[:48].flatten(1)
    lengths = filters.norm(dim=1)
    assert torch.equal(convolution.weight[48:], before[48:])
    assert torch.allclose(lengths, before.flatten(1).norm(dim=1).mean().expand(48), rtol=0.05), "as long as random ones"
    assert torch.allclose((filters / lengths[:, None]) @ (filters / lengths[:, None]).T, torch.eye(48), atol=1e-5)
    with torch.no_grad():
        answer = convolution(torch.full((1, 3, 8, 8), 0.7))[0, :48, 1, 1]
    assert answer[0] > 1, "luma without any waves"
    assert answer[1:].abs().max() < 1e-5, "no other filter sees an even grey"
    for frequencies in (True, False):
        weight = Net(settings(data, work, tmp_path, frequencies=frequencies)).trunk.state_dict()["stages.0.conv_halve.weight"]
        assert bool((weight[0] == weight[0, 0, 0, 0]).all()) == frequencies


# Runs


def test_a_wrong_stage_is_refused(data: Path, work: Path, tmp_path: Path):
    with pytest.raises(LabError, match="no stage 'pretraining'"):
        settings(data, work, tmp_path, stage="pretraining")


@pytest.mark.parametrize("stage", ["transformations", "architectures"])
def test_a_run_in_two_sittings_gives_the_weights_of_one(data: Path, work: Path, first_stage: Path, tmp_path: Path, stage: str):
    changed = {"stage": stage} if stage == "transformations" else {"stage": stage, "start": str(first_stage)}
    whole = first_stage if stage == "transformations" else tmp_path / "whole"
    if whole != first_stage:
        train(settings(data, work, whole, **changed))
    train(settings(data, work, tmp_path / "parts", **changed, until=1))
    assert (tmp_path / "parts" / "checkpoint.pt").exists()
    assert not (tmp_path / "parts" / "final.safetensors").exists()
    train(settings(data, work, tmp_path / "parts", **changed))
    one, other = (load_file(folder / "final.safetensors") for folder in (whole, tmp_path / "parts"))
    assert list(one) == list(other)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert any(not torch.equal(value, one[name]) for name, value in Net(settings(data, work, tmp_path, **changed)).state_dict().items())
    # Finished: another sitting changes nothing.
    before = (tmp_path / "parts" / "final.safetensors").read_bytes()
    train(settings(data, work, tmp_path / "parts", **changed))
    assert (tmp_path / "parts" / "final.safetensors").read_bytes() == before


def test_the_second_stage_starts_from_the_trunk_of_the_first(data: Path, work: Path, first_stage: Path, tmp_path: Path):
    first = load_file(first_stage / "final.safetensors")
    net = Net(settings(data, work, tmp_path))
    head = net.trunk.classifier.weight.clone()
    start_from(net, first_stage)
    trunk = {name: value for name, value in net.state_dict().items() if name.startswith("trunk.stages.")}
    assert len(trunk) == 4 * 2 * (2 + 5)
    assert all(torch.equal(value, first[name]) for name, value in trunk.items())
    assert torch.equal(net.trunk.classifier.weight, head), "the head is new"


def test_a_run_that_learns_nothing_ends_with_the_trunk_that_it_started_from(data: Path, work: Path, first_stage: Path, tmp_path: Path):
    out = tmp_path / "second"
    train(settings(data, work, out, start=str(first_stage), steps=1, learning_rate=0.0, contrastive=False))
    first, second = load_file(first_stage / "final.safetensors"), load_file(out / "final.safetensors")
    kept = [name for name in first if name.startswith("trunk.stages.") and not name.rpartition(".")[2].startswith(("running", "num"))]
    assert len(kept) == 4 * 2 * 4
    assert all(torch.equal(first[name], second[name]) for name in kept)
    assert second["trunk.classifier.weight"].shape == (5, 512)


def test_an_unfinished_first_stage_is_no_start(data: Path, work: Path, first_stage: Path, tmp_path: Path):
    unfinished = Path(shutil.copytree(first_stage, tmp_path / "unfinished"))
    (unfinished / "final.safetensors").unlink()
    with pytest.raises(LabError, match="not finished"):
        train(settings(data, work, tmp_path / "second", start=str(unfinished)))


def test_what_a_run_leaves_names_no_folder_of_this_machine(first_stage: Path, data: Path):
    text = (first_stage / "settings.json").read_text()
    assert str(data) not in text
    assert '"stage": "transformations"' in text
