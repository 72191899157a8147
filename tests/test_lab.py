"""The lab from faces to a detector folder that the product loads: on a tiny set made here, with every real part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.detectors.loading import load
from attribution.errors import LabError, MissingData
from attribution.explain.reference import ReferenceBank
from attribution.lab.data import decode, find_data, manifest_hash, read_manifest
from attribution.lab.measure.calibration import calibrate
from attribution.lab.measure.predictions import SplitPredictions, load_net
from attribution.lab.pools import FORGED, load_samples
from attribution.lab.publish.methods import fold_in, publish
from attribution.lab.train.methods import LABELS, Settings, train
from attribution.lab.train.sampling import PAIRS, SINGLES, Sampler
from lab_faces import make_faces, make_work


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(data, tmp_path_factory.mktemp("work"))


CLASSES = {label: place for place, label in enumerate(LABELS)}
UNSEEN = {
    "title": "Verdicts on what training never saw",
    "columns": ["left out", "kind", "faces", "manipulated", "none found", "inconclusive", "coverage", "wrong of definite", "low", "high"],
    "rows": [
        ["sdxl", "method", 10, 0.6, 0.2, 0.2, 0.8, 0.25, 0.07, 0.59],
        ["all left out, untouched", "pooled", 20, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.28],
        ["all left out, manipulated", "pooled", 10, 0.6, 0.2, 0.2, 0.8, 0.25, 0.07, 0.59],
    ],
    "note": "",
}


def settings(data: Path, work: Path, out: Path, **changed: object) -> Settings:
    return Settings(data=str(data), work=str(work), out=str(out), steps=2, workers=1, stages=((1.0, 64),), **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(data: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(settings(data, work, out))
    return out


def test_data_is_found_by_flag_or_environment_only(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TELLTALE_DATA", raising=False)
    with pytest.raises(MissingData, match="--data"):
        find_data()
    monkeypatch.setenv("TELLTALE_DATA", str(data))
    assert find_data() == data
    assert find_data(str(data)) == data
    assert len(manifest_hash(data)) == 64


def test_a_source_without_a_method_is_refused(data: Path, tmp_path: Path):
    text = (data / "manifest.csv").read_text().replace("boredhumans", "somewhere_new")
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(LabError, match="somewhere_new"):
        read_manifest(tmp_path)


def test_a_cache_of_other_data_is_refused(data: Path, work: Path):
    with pytest.raises(LabError, match="other data"):
        decode(data, read_manifest(data)[:3], work / "train.npy")


def test_samples_know_the_picture_under_every_swap(data: Path, work: Path):
    samples = load_samples(data, read_manifest(data), work, "train")
    assert set(samples.methods) == set(LABELS)
    for index, method in enumerate(samples.methods):
        base = int(samples.base[index])
        if method in PAIRS:
            assert samples.methods[base] == "real"
            assert samples.picture(base).shape == samples.picture(index).shape
        else:
            assert base == -1
    assert len(samples) == len(samples.base) == len(samples.sources) == len(samples.groups)


def test_batches_are_repeatable_and_pair_swaps_with_their_bases(data: Path, work: Path):
    samples = load_samples(data, read_manifest(data), work, "train")
    sampler = Sampler(samples, CLASSES, seed=3)
    one, two, other = sampler.batch(5, 0, 64), sampler.batch(5, 0, 64), sampler.batch(6, 0, 64)
    assert np.array_equal(one.pictures, two.pictures)
    assert not np.array_equal(one.pictures, other.pictures)
    counts = {label: int((one.labels == index).sum()) for index, label in enumerate(LABELS)}
    assert counts["real"] == SINGLES["real"] + sum(PAIRS.values())
    assert all(counts[method] == count for method, count in PAIRS.items())


def test_forgeries_are_encoded_once_like_every_other_crop(data: Path, work: Path):
    samples = load_samples(data, read_manifest(data), work, "train")
    encoded, plain = (Sampler(samples, CLASSES, seed=3, plain_forgeries=flag).batch(0, 0, 224) for flag in (False, True))
    differ = {LABELS[label] for label, one, two in zip(encoded.labels, encoded.pictures, plain.pictures, strict=True) if (one != two).any()}
    assert differ == set(FORGED)


def test_what_is_left_out_is_never_drawn(data: Path, work: Path):
    samples = load_samples(data, read_manifest(data), work, "train")
    sampler = Sampler(samples, CLASSES, seed=3, leave_out=("dfdc_swap", "sdfd_sd21"))
    drawn = np.concatenate([sampler.batch(step, 0, 64).labels for step in range(4)])
    assert not {LABELS.index("dfdc_swap"), LABELS.index("sd21")} & set(drawn.tolist())


def test_the_same_sittings_give_the_same_weights(data: Path, work: Path, tmp_path: Path):
    ends = []
    for name in ("one", "two"):
        train(settings(data, work, tmp_path / name, until=1))
        assert not (tmp_path / name / "final.safetensors").exists()
        train(settings(data, work, tmp_path / name))
        ends.append((tmp_path / name / "final.safetensors").read_bytes())
    assert ends[0] == ends[1]


def test_a_run_becomes_a_detector_that_the_product_loads(data: Path, work: Path, run: Path, tmp_path: Path):
    out = tmp_path / "tiny"
    study = tmp_path / "study.json"
    study.write_text(json.dumps({"schema": "telltale-study/1", "tables": {"leave_out": UNSEEN}}))
    publish(run, str(data), work, out, "tiny", 0.1, "lab train", study, references_count=40)
    detector = load(str(out))
    assert detector.info.labels == LABELS
    bank = ReferenceBank.load(out, detector.card.files["reference.safetensors"])
    assert len(bank.methods) <= 40
    titles = [table.title for table in detector.card.measured]
    assert {"Overall", "Sources, cross", "Verdicts on cross", "Methods, test", "Verdicts on what training never saw"} <= set(titles)
    assert {"Reliability, test", "Risk and coverage, test", "Abstention", "Errors by lightness of the face", "Shortcuts"} <= set(titles)
    assert len(titles) == len(set(titles))
    assert any("of its manipulated faces, and 25 % of those answers were wrong" in limit for limit in detector.card.limits)
    assert any("sdxl faces" in limit for limit in detector.card.limits)
    assert all("real" not in limit.split() for limit in detector.card.limits), "we never call a face real"


def test_the_calibrated_bias_is_part_of_the_shipped_weights(run: Path):
    net, bias = load_net(run), np.linspace(-1, 1, len(LABELS))
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        before = net(x)[0].numpy()
    added = fold_in(net, bias)
    with torch.inference_mode():
        after = net(x)[0].numpy()
    assert after == pytest.approx(before + added, abs=1e-5)
    assert added == pytest.approx(bias, abs=2e-3)


def test_calibration_leaves_the_order_of_faces_within_a_class_alone():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (200, len(LABELS))).astype(np.float32)
    truth = np.array(LABELS)[logits.argmax(1)]
    names = np.array([""] * 200)
    val = SplitPredictions(logits, np.ones((200, 2)), truth, names, names, names, names)
    fitted = calibrate(val, LABELS)
    assert fitted.shifted(val).logits == pytest.approx(logits + fitted.bias, abs=1e-5)
    assert 0.2 <= fitted.temperature <= 8
