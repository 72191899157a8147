"""Heads on what frozen networks see: how faces weigh, what a fit finds, whom it leaves out, and that the network with a head on it says
what the head says of what was read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from attribution.detectors.eight_bit import expand
from attribution.errors import LabError
from attribution.lab.data import REAL, read_manifest
from attribution.lab.forge.pools import FORGED, Samples, load_samples
from attribution.lab.labels import LABELS_OF_HEADS
from attribution.lab.train import heads, pointing, seen
from attribution.lab.train.heads import FOLDS, Head, Settings, balanced, fit, fitted_to, fold_of, heads_without, packed, place_of, with_head
from attribution.lab.train.loop import as_input
from attribution.lab.train.pointing import MADE, PARTIAL, WHOLE, Cells, listed, read_cells
from attribution.lab.train.recipes import recipe
from attribution.lab.train.seen import MODEL_ARGS, Trunk
from attribution.models.architectures import LEVELS
from attribution.models.backbones import build_backbone, features
from attribution.models.levels import Levels
from lab_faces import lab_data

QUICK = Settings("", "", "", trunks=(), steps=30, faces_a_step=64)
# Sources of `lab_faces` whose methods have a class and that no fold holds.
IN_NO_FOLD = ("sonic", "imagen_game", "midjourney")


@pytest.fixture(scope="module")
def samples() -> Samples:
    data, work = lab_data()
    return load_samples(read_manifest((data,)), work, "train")


@pytest.fixture(scope="module")
def trunks(tmp_path_factory: pytest.TempPathFactory) -> list[Trunk]:
    """Backbones that nobody trained."""
    folder, found = tmp_path_factory.mktemp("trunks"), []
    for name in ("mobilenetv2_100", "tf_efficientnet_lite2"):
        torch.manual_seed(5)
        net = build_backbone(name, 1000, MODEL_ARGS)
        save_file(net.state_dict(), folder / f"{name}.safetensors")
        found.append(Trunk(name, str(folder / f"{name}.safetensors")))
    return found


@pytest.fixture(scope="module")
def loaded(trunks: list[Trunk]) -> dict[Trunk, Any]:
    return {trunk: trunk.load() for trunk in trunks}


@pytest.fixture
def loaded_once(loaded: dict[Trunk, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing weights takes longer than reading four pictures."""
    monkeypatch.setattr(Trunk, "load", lambda self: loaded[self])


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder of its own that shares the pictures of the made faces."""
    for file in lab_data()[1].iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def some(samples: Samples) -> np.ndarray:
    """Indices of two crops that have nothing under them, a swap that has, and a forgery."""
    alone = [index for index in range(len(samples)) if samples.base[index] < 0][:2]
    return np.array([*alone, samples.methods.index("dfdc_swap"), samples.methods.index("self_blended")])


class TestWeights:
    families = np.array([REAL] * 4 + ["face_swap"] * 6 + ["gan"])
    sources = np.array(["a", "a", "a", "b", "x", "x", "x", "x", "mouth_blend on a", "mouth_blend on b", "g"])

    def test_families_share_and_a_source_above_the_cap_weighs_like_one_of_the_cap(self):
        weights = balanced(self.families, self.sources, 2, 0.5)
        # Untouched: 2 of a count, 1 of b. Swaps: 2 of x, and 2 of the lab's own kind, whatever they were made from.
        expected = [1 / 9] * 3 + [1 / 6] + [1 / 32] * 4 + [1 / 16] * 2 + [1 / 4]
        assert weights == pytest.approx(expected)

    def test_without_a_cap_every_face_of_a_family_weighs_alike(self):
        weights = balanced(self.families, self.sources, None, 0.2)
        assert weights == pytest.approx([0.2 / 4] * 4 + [0.4 / 6] * 6 + [0.4])

    def test_they_have_the_sum_1_where_a_kind_is_missing(self):
        made = self.families != REAL
        assert balanced(self.families[made], self.sources[made], 2, 0.5).sum() == pytest.approx(1)


class TestFit:
    @staticmethod
    def faces(spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features around a place for each of three classes, labels, and even weights."""
        random, labels = np.random.default_rng(2), np.repeat(np.arange(3), 20)
        features = 4 * np.eye(3, 12)[labels] + random.normal(0, spread, (60, 12)) + 7
        return features, labels, np.full(60, 1 / 60)

    def test_classes_that_lie_apart_are_told_apart_and_again_in_the_same_way(self):
        seen_by, labels, weights = self.faces(0.3)
        head, again = (fit(seen_by, labels, 3, weights, QUICK) for _ in range(2))
        assert (head.logits(seen_by).argmax(1) == labels).all()
        assert all(np.array_equal(getattr(head, name), getattr(again, name)) for name in Head.__dataclass_fields__)
        embeddings = head.embeddings(seen_by)
        assert embeddings.shape == (60, 128)
        assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)
        same = labels[:, None] == labels
        start = fit(seen_by, labels, 3, weights, replace(QUICK, steps=0)).embeddings(seen_by)
        apart, before = ((one @ one.T)[same].mean() - (one @ one.T)[~same].mean() for one in (embeddings, start))
        assert apart > before + 0.05, "the embedding draws a class together"

    def test_manipulated_or_not_is_learnt_beside_the_methods(self):
        seen_by, labels, weights = self.faces(4.0)
        entropies = []
        for weight in (0.0, 1.0, 10.0):
            head = fit(seen_by, labels, 3, weights, replace(QUICK, binary_weight=weight, steps=1))
            untouched = torch.from_numpy(head.logits(seen_by)).softmax(1)[:, 0].double()
            entropies.append(float(functional.binary_cross_entropy(untouched, torch.from_numpy(labels == 0).double())))
        assert entropies[0] > entropies[1] > entropies[2]

    def test_a_face_without_weight_has_no_say(self):
        seen_by, labels, weights = self.faces(0.3)
        weights[-1] = 0
        weights /= weights.sum()
        first = fit(seen_by, labels, 3, weights, replace(QUICK, steps=1))
        seen_by[-1] = 100
        second = fit(seen_by, labels, 3, weights, replace(QUICK, steps=1))
        assert first.mean == pytest.approx(second.mean)
        assert first.weight == pytest.approx(second.weight, abs=1e-5)


class TestPointing:
    @staticmethod
    def cells(count: int = 40) -> Cells:
        """Changed cells have the trait 3, which the means of the faces do not show; unchanged ones have not."""
        random = np.random.default_rng(4)
        inside, outside = (random.normal(0, 0.3, (count, places, 12)) for places in (4, 24))
        inside[..., 3] += 1.5
        names = np.full(count, "dfdc")
        return Cells(inside, outside, np.ones(count, int), names, names, np.full(count, 1 / count))

    def test_the_class_activation_of_a_changed_cell_is_above_those_of_the_others(self):
        seen_by, labels, weights = TestFit.faces(0.3)
        cells = self.cells()

        def hits(head: Head) -> float:
            high, low = ((some / head.deviation) @ head.weight[1] for some in (cells.inside, cells.outside))
            return float((high.min(1) > low.max(1)).mean())

        plain, taught = (fit(seen_by, labels, 3, weights, QUICK, some) for some in (None, cells))
        assert hits(plain) < 0.2
        assert hits(taught) > 0.8
        assert (taught.logits(seen_by).argmax(1) == labels).all(), "it still tells the classes apart"

    def test_the_list_is_parts_of_pairs_then_whole_swaps_then_the_lab_s_own(self, samples: Samples, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(pointing, "_MOST", {PARTIAL: 2, WHOLE: 1, MADE: 1})
        rule = recipe("attribution")
        forgeries = listed(samples, rule, 7)
        assert [kind for kind, _ in forgeries[:4]] == [PARTIAL, PARTIAL, WHOLE, MADE]
        assert all(samples.base[index] >= 0 for _, index in forgeries)
        assert len({index for _, index in forgeries}) == len(forgeries)
        made = [samples.methods[index] for kind, index in forgeries if kind == MADE]
        assert made == [method for method in FORGED if method in rule.class_of]
        assert listed(samples, rule, 7) == forgeries != listed(samples, rule, 8)


class TestFolds:
    def test_no_source_is_in_two_and_a_forgery_is_where_the_picture_under_it_is(self):
        sources = [source for fold in FOLDS for source in fold]
        assert len(set(sources)) == len(sources)
        assert fold_of(["dfdc", "mouth_blend on webcams", "webcams", "nowhere"]).tolist() == [0, 6, 6, -1]

    def test_methods_are_left_out_by_class_and_the_untouched_never(self):
        faces = SimpleNamespace(labels=np.array([0, 1, 9, -1]), sources=np.array(["dfdc", "dfdc", "webcams", "nowhere"]))
        assert place_of(faces, "method").tolist() == [-1, 0, 8, -1]  # type: ignore[arg-type]
        assert place_of(faces, "sources").tolist() == [0, 0, 6, -1]  # type: ignore[arg-type]

    def test_a_run_that_is_not_finished_is_refused(self, tmp_path: Path):
        with pytest.raises(LabError, match="not finished"):
            heads_without(tmp_path, recipe("attribution"))


class TestFaces:
    @pytest.fixture
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> Settings:
        """With features that are the indices of the samples."""
        monkeypatch.setattr(heads, "seen", lambda data, work, split, chosen, *_: chosen[:, None].astype(float))
        return replace(QUICK, trunks=(("first", ""), ("second", "")), forgeries=2, leave_out=IN_NO_FOLD)

    def test_they_are_the_crops_and_the_first_forgeries_whose_methods_have_a_class(self, settings: Settings, samples: Samples):
        faces, classes = fitted_to(settings, samples), recipe(settings.head).class_of
        assert np.array_equal(faces.seen, np.stack([faces.chosen] * 2, 1)), "what both networks see, side by side"
        methods = np.array(samples.methods)
        assert np.array_equal(faces.methods, methods[faces.chosen])
        assert faces.labels.tolist() == [classes[method] for method in faces.methods]
        assert set(faces.methods) == set(classes)
        for method in set(FORGED) & set(classes):
            assert faces.chosen[faces.methods == method].tolist() == np.flatnonzero(methods == method)[:2].tolist()
        every = heads.faces_of("train", settings, samples, every=True)
        other = every.take(every.labels < 0)
        assert set(other.methods) == set(methods) - set(classes) - set(FORGED)

    def test_the_classes_are_the_labels_of_the_detector(self):
        assert list(recipe("attribution").classes) == [label.name for label in LABELS_OF_HEADS]

    def test_a_source_of_no_fold_is_refused_unless_it_is_left_out(self, settings: Settings, samples: Samples):
        assert not set(IN_NO_FOLD) & set(fitted_to(settings, samples).sources.tolist())
        with pytest.raises(LabError, match=r"The source sonic is in no fold\. Add it to FOLDS, or leave it out\."):
            fitted_to(replace(settings, leave_out=IN_NO_FOLD[1:]), samples)


@pytest.mark.usefixtures("loaded_once")
class TestReading:
    def test_the_network_with_the_head_says_what_the_head_says_of_what_was_read(self, trunks: list[Trunk], samples: Samples, work: Path):
        chosen, random = some(samples), np.random.default_rng(3)
        read = [seen.seen(str(lab_data()[0]), work, "train", chosen, trunk, 1) for trunk in trunks]
        means = np.concatenate(read, 1)
        width = means.shape[1]
        weight, projection = (random.normal(0, 0.03, (rows, width)).astype(np.float16).astype(np.float32) for rows in (10, 128))
        deviation = (np.abs(means).max(0) + 0.5).astype(np.float32)
        head = Head(means.mean(0), deviation, weight, np.linspace(-1, 1, 10).astype(np.float16).astype(np.float32), projection)
        state = with_head(Levels([trunk.load() for trunk in trunks], 10), head)
        net: Any = build_backbone(LEVELS[0], 10, MODEL_ARGS).eval()
        backbone = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
        shipped = packed(backbone)
        assert {shipped[f"trunks.{place}.conv_stem.weight"].dtype for place in (0, 1)} <= {torch.int8, torch.float16}
        assert shipped["trunks.1.blocks.6.0.conv_pwl.weight"].dtype == torch.int8
        assert shipped["classifier.weight"].dtype == torch.float16
        assert shipped["norm.running_mean"].dtype == torch.float32
        net.load_state_dict(expand(shipped))
        with torch.inference_mode():
            pooled, logits = features(net, as_input(np.stack([samples.encoded(index) for index in chosen.tolist()]), "cpu"))
            embeddings = functional.normalize(pooled @ state["projection.weight"].T, dim=1)
        assert np.ptp(head.logits(means), axis=0).max() > 0.05, "the pictures differ"
        assert logits.numpy() == pytest.approx(head.logits(means), abs=1e-3)
        assert embeddings.numpy() == pytest.approx(head.embeddings(means), abs=1e-3)

    def test_of_forgeries_changed_and_unchanged_cells_are_read(self, trunks: list[Trunk], samples: Samples, work: Path):
        """The same cells for every trunk, of the maps that a changed and an unchanged picture give."""
        data = str(lab_data()[0])
        cells = read_cells(data, work, samples, "attribution", trunks, 7, 1)
        assert cells is not None
        count, width = len(cells.labels), 744 + 888
        assert cells.inside.shape == (count, 4, width)
        assert cells.outside.shape == (count, 24, width)
        alone = read_cells(data, work, samples, "attribution", trunks[1:], 7, 1)
        assert alone is not None
        assert np.array_equal(alone.inside, cells.inside[..., 744:])
        assert cells.weights.sum() == pytest.approx(1)
        classes = recipe("attribution").class_of
        assert cells.labels.tolist() == [classes[method] for method in cells.methods]
        assert {"dfdc_swap", "self_blended"} <= set(cells.methods.tolist())

    def test_forgeries_without_an_unchanged_cell_teach_nothing(
        self, trunks: list[Trunk], samples: Samples, work: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The whole swaps of these faces are other pictures altogether."""
        monkeypatch.setattr(pointing, "_MOST", {PARTIAL: 0, WHOLE: 2, MADE: 0})
        assert len(listed(samples, recipe("attribution"), 7)) == 2
        assert read_cells(str(lab_data()[0]), work, samples, "attribution", trunks[:1], 7, 1) is None

    def test_what_was_read_is_not_read_again_and_a_stopped_reading_goes_on(
        self, trunks: list[Trunk], samples: Samples, work: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(seen, "_PART", 2)
        data, trunk, chosen = str(lab_data()[0]), trunks[0], some(samples)
        whole = seen.seen(data, work, "train", chosen, trunk, 1)
        files = [work / "seen" / trunk.name / f"train-{place}.npz" for place in (0, 1)]
        made = [file.stat().st_mtime_ns for file in files]
        files[1].unlink()
        again = seen.seen(data, work, "train", chosen, trunk, 1)
        assert files[0].stat().st_mtime_ns == made[0], "not read twice"
        assert files[1].stat().st_mtime_ns > made[1]
        assert np.array_equal(again, whole)
        turned = seen.seen(data, work, "train", chosen[[1, 0, 2, 3]], trunk, 1)
        assert np.array_equal(turned, whole[[1, 0, 2, 3]])
        assert files[0].stat().st_mtime_ns > made[0], "other samples"

    @pytest.mark.slow
    def test_two_processes_read_what_one_does(
        self, trunks: list[Trunk], samples: Samples, work: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(seen, "_PART", 2)
        other = tmp_path_factory.mktemp("other")
        for file in lab_data()[1].iterdir():
            (other / file.name).symlink_to(file)
        one, two = (seen.seen(str(lab_data()[0]), at, "train", some(samples), trunks[0], jobs) for at, jobs in ((work, 1), (other, 2)))
        assert np.array_equal(one, two)


def test_a_trunk_is_known_by_its_weights(trunks: list[Trunk], tmp_path: Path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(Path(trunks[0].pretrained).read_bytes())
    assert Trunk("mobilenetv2_100", str(other)).name == trunks[0].name
    other.write_bytes(b"others")
    assert Trunk("mobilenetv2_100", str(other)).name != trunks[0].name
