"""The generalisability study's plan, the faces that its detectors are asked about, and the pools that they are trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.lab.data import METHOD_OF_SOURCE, REAL, read_manifest
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.studies.zeroshot.faces import DFDC, ELSEWHERE, UNTOUCHED_OF, WEB, Faces, gather, load_faces, make_pool
from attribution.lab.studies.zeroshot.plan import ADDED, ALL, BASE, DETECTORS, ONLY_TESTED, SOURCES, TOP, TRAINED, Run, plan, pool_file
from attribution.models.backbones import build_backbone
from lab_faces import make_faces, make_work

# The lab's own way of swapping is of the same family as the method of the manifest.
FAMILY = {method: family for (family, _), method in METHOD_OF_SOURCE.items()} | {"autoencoder_swap": "face_swap"}


def test_the_plan_asks_every_detector_on_every_source_before_and_after_both_augmentations():
    runs = plan()
    assert len(runs) == len({run.name for run in runs}) == len(DETECTORS) * len(TRAINED) * 3
    assert {(run.detector, run.trained_on, run.variant) for run in runs} == {
        (detector, source, variant) for detector in DETECTORS for source in TRAINED for variant in (BASE, TOP, ALL)
    }
    for place, run in enumerate(runs):
        assert (run.base == run) == (run.variant == BASE)
        assert run.base in runs[: place + 1]
    assert not set(ONLY_TESTED) & {source for run in runs for source in run.seen}


def test_what_is_added_is_of_another_family_and_the_cycle_is_whole():
    assert all(FAMILY[source] != FAMILY[added] for source, added in ADDED.items())
    seen = [TRAINED[0]]
    while ADDED[seen[-1]] not in seen:
        seen.append(ADDED[seen[-1]])
    assert set(seen) == set(ADDED) == set(TRAINED)
    assert ADDED[seen[-1]] == seen[0]


def test_a_run_knows_what_it_saw():
    detector = replace(DETECTORS[0], name="tiny", steps=6, added_steps=4)
    base, top = Run(detector, "stylegan2"), Run(detector, "stylegan2", TOP, "sd21")
    assert (base.seen, top.seen) == (("stylegan2",), ("stylegan2", "sd21"))
    assert (base.steps, top.steps, Run(detector, "dfdc_swap").steps) == (6, 4, 12)
    assert (base.name, top.name) == ("tiny/stylegan2", "tiny/stylegan2+sd21-top")


def test_the_top_layers_of_every_detector_are_parts_of_it_with_the_classifier():
    for detector in DETECTORS:
        with torch.device("meta"):
            net = build_backbone(detector.architecture, 2, detector.model_args)
        parts = dict(net.named_children())
        assert set(detector.top) < set(parts)
        assert net.get_classifier() is parts[detector.top[-1]]  # type: ignore[operator]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"), ("dfdc", "ffhq", "unsplash"))


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(data, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def samples(data: Path, work: Path) -> dict[str, Samples]:
    rows = read_manifest(data)
    return {split: load_samples(data, rows, work, split) for split in ("train", "val", "test", "cross")}


@pytest.fixture(scope="module")
def faces(data: Path, work: Path) -> Faces:
    return gather(data, work)


@pytest.fixture(scope="module")
def pictures(samples: dict[str, Samples]) -> dict[str, dict[bytes, int]]:
    """Every picture of a split, as it is read → its index."""
    found = {split: {own.encoded(index).tobytes(): index for index in range(len(own))} for split, own in samples.items()}
    assert all(len(own) == len(samples[split]) for split, own in found.items()), "the pictures must differ to be told apart"
    return found


class TestFaces:
    def test_every_source_has_faces_and_untouched_ones_beside_them(self, faces):
        for source in SOURCES:
            for split in ("val", "test") if source not in ONLY_TESTED[1:] else ("test",):
                chosen = faces.of(source, split)
                assert set(faces.split[chosen]) == {split}
                assert set(faces.kind[chosen]) == {source, UNTOUCHED_OF[source]}
                assert set(faces.kind[chosen][~faces.manipulated[chosen]]) == {UNTOUCHED_OF[source]}
        assert set(faces.groups[faces.kind == "unseen_swap"]) == set(faces.groups[faces.kind == ELSEWHERE]), "those of the faces under them"

    def test_no_training_face_is_among_them_and_splits_never_mix(self, faces, pictures):
        found = {"val": 0, "test": 0, "cross": 0}
        for crop, kind, split in zip(faces.crops, faces.kind, faces.split, strict=True):
            where = [name for name, own in pictures.items() if crop.tobytes() in own]
            if kind == "unseen_swap":
                assert not where
                continue
            assert where == ["cross" if kind == ELSEWHERE or kind.endswith("_elsewhere") else split], kind
            found[where[0]] += 1
        assert all(found.values())

    def test_untouched_faces_are_of_the_collections_they_stand_for(self, faces, samples, pictures):
        for kind, split, sources in ((DFDC, "test", {"dfdc"}), (WEB, "val", {"ffhq", "unsplash"}), (ELSEWHERE, "cross", None)):
            chosen = (faces.kind == kind) & (faces.split == ("test" if split == "cross" else split))
            indices = [pictures[split][crop.tobytes()] for crop in faces.crops[chosen]]
            assert {samples[split].families[index] for index in indices} == {REAL}
            assert sources is None or {samples[split].sources[index] for index in indices} == sources

    def test_the_lab_s_swaps_on_dfdc_frames_are_left_out(self, faces, samples, pictures):
        own = samples["test"]
        chosen = {pictures["test"][crop.tobytes()] for crop in faces.crops[faces.of("autoencoder_swap")]}
        swaps = {index for index, method in enumerate(own.methods) if method == "autoencoder_swap"}
        on_dfdc = {index for index in swaps if own.sources[index] == "autoencoder_swap on dfdc"}
        assert set() < on_dfdc < swaps
        assert chosen & swaps == swaps - on_dfdc

    def test_there_are_never_more_than_asked_for_and_the_same_every_time(self, data, work, faces):
        few, again = (gather(data, work, {"val": 2, "test": 3}) for _ in range(2))
        for split, most in (("val", 2), ("test", 3)):
            kinds, counts = np.unique(few.kind[few.split == split], return_counts=True)
            assert counts.max() == most
            assert set(kinds) == set(faces.kind[faces.split == split])
        assert np.array_equal(few.crops, again.crops)

    def test_they_are_kept_and_not_gathered_again(self, data, work, faces, tmp_path):
        for one in (load_faces(str(data), work, tmp_path), load_faces(None, tmp_path / "nowhere", tmp_path)):
            assert all(np.array_equal(vars(one)[name], values) for name, values in vars(faces).items())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which samples the pool is made of, in its order."""
    indices: list[int] = []
    encoded = Samples.encoded
    monkeypatch.setattr(Samples, "encoded", lambda self, index: (indices.append(index), encoded(self, index))[1])
    return indices


class TestPool:
    @pytest.mark.parametrize("source", ["dfdc_swap", "autoencoder_swap", "sdxl"])
    def test_untouched_and_manipulated_faces_by_turns(self, samples, drawn, tmp_path, source):
        train = samples["train"]
        pool = np.load(make_pool(train, source, tmp_path, 8))
        assert (pool.shape, pool.dtype) == ((16, 224, 224, 3), np.uint8)
        untouched, manipulated = drawn[0::2], drawn[1::2]
        assert {train.methods[index] for index in manipulated} == {source}
        assert {train.families[index] for index in untouched} == {REAL}
        assert {train.sources[index] == "dfdc" for index in untouched} == {UNTOUCHED_OF[source] == DFDC}
        assert not any(train.sources[index] == "autoencoder_swap on dfdc" for index in drawn)
        if source != "sdxl":
            assert [int(train.base[fake]) for fake in manipulated] == untouched, "a swap follows the face under it"

    def test_a_pair_is_changed_alike(self, samples, tmp_path):
        """With swaps that change nothing, both pictures of every pair must come out equal; others are changed each in its own way."""
        train = samples["train"]
        pictures = np.array(train.parts[0])
        swaps = [index for index, method in enumerate(train.methods) if method == "dfdc_swap"]
        pictures[swaps] = pictures[train.base[swaps]]
        same = replace(train, parts=(pictures, *train.parts[1:]))
        pool = np.load(make_pool(same, "dfdc_swap", tmp_path, 8))
        assert np.array_equal(pool[0::2], pool[1::2])
        assert len({one.tobytes() for one in pool[0::2]}) > 4
        generated = [index for index, method in enumerate(train.methods) if method == "sdxl"]
        web = [index for index, source in enumerate(train.sources) if source in ("ffhq", "unsplash")]
        pictures[[*generated, *web]] = pictures[generated[0]]
        pool = np.load(make_pool(same, "sdxl", tmp_path, 8))
        assert sum(np.array_equal(one, other) for one, other in zip(pool[0::2], pool[1::2], strict=True)) < 4

    def test_it_is_the_same_every_time_and_made_once(self, samples, drawn, tmp_path):
        first = make_pool(samples["train"], "stylegan2", tmp_path / "one", 4)
        assert first == pool_file(tmp_path / "one", "stylegan2")
        assert first.read_bytes() == make_pool(samples["train"], "stylegan2", tmp_path / "two", 4).read_bytes()
        times = len(drawn)
        assert make_pool(samples["train"], "stylegan2", tmp_path / "one", 4) == first
        assert len(drawn) == times
        assert [path.name for path in first.parent.iterdir()] == [first.name]
