"""The generalisability study's plan, the faces that its detectors are asked about, and the pools that they are trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.lab.data import METHOD_OF_SOURCE, REAL, read_manifest
from attribution.lab.forge.pools import Samples, load_samples
from attribution.lab.studies.zeroshot.faces import DFDC, ELSEWHERE, UNTOUCHED_OF, Faces, gather, make_pool
from attribution.lab.studies.zeroshot.plan import ADDED, DETECTORS, ONLY_TESTED, SOURCES, TRAINED
from attribution.models.backbones import build_backbone
from lab_faces import make_faces, make_work

# The lab's own way of swapping is of the same family as the method of the manifest.
FAMILY = {method: family for (family, _), method in METHOD_OF_SOURCE.items()} | {"autoencoder_swap": "face_swap"}


def test_what_is_added_is_of_another_family_and_the_cycle_is_whole():
    assert all(FAMILY[source] != FAMILY[added] for source, added in ADDED.items())
    seen = [TRAINED[0]]
    while ADDED[seen[-1]] not in seen:
        seen.append(ADDED[seen[-1]])
    assert set(seen) == set(ADDED) == set(TRAINED)
    assert ADDED[seen[-1]] == seen[0]


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
    rows = read_manifest((data,))
    return {split: load_samples(rows, work, split) for split in ("train", "val", "test", "cross")}


@pytest.fixture(scope="module")
def faces(data: Path, work: Path) -> Faces:
    return gather((data,), work)


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

    def test_the_lab_s_swaps_on_dfdc_frames_are_left_out(self, faces, samples, pictures):
        own = samples["test"]
        chosen = {pictures["test"][crop.tobytes()] for crop in faces.crops[faces.of("autoencoder_swap")]}
        swaps = {index for index, method in enumerate(own.methods) if method == "autoencoder_swap"}
        on_dfdc = {index for index in swaps if own.sources[index] == "autoencoder_swap on dfdc"}
        assert set() < on_dfdc < swaps
        assert chosen & swaps == swaps - on_dfdc

    def test_there_are_never_more_than_asked_for_and_the_same_every_time(self, data, work, faces):
        few, again = (gather((data,), work, {"val": 2, "test": 3}) for _ in range(2))
        for split, most in (("val", 2), ("test", 3)):
            kinds, counts = np.unique(few.kind[few.split == split], return_counts=True)
            assert counts.max() == most
            assert set(kinds) == set(faces.kind[faces.split == split])
        assert np.array_equal(few.crops, again.crops)


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
        """With swaps that change nothing, both pictures of every pair must come out equal."""
        train = samples["train"]
        pictures = np.array(train.parts[0])
        swaps = [index for index, method in enumerate(train.methods) if method == "dfdc_swap"]
        pictures[swaps] = pictures[train.base[swaps]]
        same = replace(train, parts=(pictures, *train.parts[1:]))
        pool = np.load(make_pool(same, "dfdc_swap", tmp_path, 8))
        assert np.array_equal(pool[0::2], pool[1::2])
        assert len({one.tobytes() for one in pool[0::2]}) > 4
