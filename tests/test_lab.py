"""The lab from faces to a detector folder that the product loads: on a tiny set made here, with every real part."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from attribution.errors import LabError, MissingData
from attribution.lab.data import METHOD_OF_SOURCE, decode, find_data, manifest_hash, read_manifest
from attribution.lab.pools import FORGED, load_samples, prepare
from attribution.lab.publish import publish
from attribution.lab.sampling import PAIRS, SINGLES, Sampler
from attribution.lab.train import LABELS, Settings, train
from attribution.lab.unseen import measure_unseen
from attribution.reference import ReferenceBank
from attribution.weights import load

POINTS = {"left_eye": (68, 63), "right_eye": (160, 63), "nose": (114, 115), "mouth_left": (76, 165), "mouth_right": (152, 165)}
SIZES: dict[str, dict[str, int]] = {split: dict.fromkeys(FORGED, 4) for split in ("train", "val", "test", "cross")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face set of the same form as the lab's: blocky pictures, each source with its own brightness."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    kinds = [("real", "dfdc"), ("real", "ffhq"), *((family, source) for family, source in METHOD_OF_SOURCE if not source.endswith("_b"))]
    rows = []
    for split, count in (("train", 4), ("val", 3), ("test", 3), ("cross", 3)):
        for place, (family, source) in enumerate(kinds):
            for index in range(count):
                coarse = random.integers(0, 128, (28, 28, 3), dtype=np.uint8) + 9 * place
                path = f"{split}/{family}/{source}/{index}.jpg"
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / path), np.repeat(np.repeat(coarse, 8, 0), 8, 1))
                pair = f"{split}/real/dfdc/{index}.jpg" if family == "face_swap" else ""
                rows.append({
                    "path": path, "split": split, "label": family, "source": source, "generator": "", "group": path, "pair": pair,
                    "source_face_px": 150 + index, "licence": "made here",
                    **{f"{point}_{axis}": value for point, xy in POINTS.items() for axis, value in zip("xy", xy, strict=True)},
                })  # fmt: skip
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "autoencoder.safetensors").write_bytes(
        (Path(__file__).parent.parent / "attribution" / "lab" / "autoencoder.safetensors").read_bytes()
    )
    prepare(data, read_manifest(data), folder, ("train", "val", "test", "cross"), sizes=SIZES)
    return folder


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
    sampler = Sampler(samples, LABELS, seed=3)
    one, two, other = sampler.batch(5, 0, 64), sampler.batch(5, 0, 64), sampler.batch(6, 0, 64)
    assert np.array_equal(one.pictures, two.pictures)
    assert not np.array_equal(one.pictures, other.pictures)
    counts = {label: int((one.labels == index).sum()) for index, label in enumerate(LABELS)}
    assert counts["real"] == SINGLES["real"] + sum(PAIRS.values())
    assert all(counts[method] == count for method, count in PAIRS.items())


def test_what_is_left_out_is_never_drawn(data: Path, work: Path):
    samples = load_samples(data, read_manifest(data), work, "train")
    sampler = Sampler(samples, LABELS, seed=3, leave_out=("dfdc_swap", "sdfd_sd21"))
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
    publish(run, str(data), work, out, "tiny", 0.1, "lab train", references_count=40)
    detector = load(str(out))
    assert detector.info.labels == LABELS
    bank = ReferenceBank.load(out, detector.card.files["reference.safetensors"])
    assert len(bank.methods) <= 40
    titles = [table.title for table in detector.card.measured]
    assert {"Overall", "Sources, cross", "Verdicts on cross", "Methods, test"} <= set(titles)
    assert detector.card.limits
    assert all("real" not in limit.split() for limit in detector.card.limits), "we never call a face real"


def test_unseen_methods_are_judged_by_a_run_without_them(data: Path, work: Path, tmp_path: Path):
    train(settings(data, work, tmp_path, leave_out=("dfdc_swap", "sd21")))
    measure_unseen(tmp_path, str(data), work, tmp_path / "unseen.json")
    table = json.loads((tmp_path / "unseen.json").read_text())
    assert {"dfdc", "sdfd_sd21"} <= {row[1] for row in table["rows"]}
