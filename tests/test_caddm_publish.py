"""The runs of the ID-unaware detector become a folder that the product loads, with every table measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from attribution.detectors.loading import LoadedDetector, load_folder
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.explain.artifacts import find_artifacts, localises
from attribution.lab.measure.caddm import load_run
from attribution.lab.publish.caddm import Runs, publish
from attribution.lab.train.caddm import Settings, train
from attribution.models.backbones import build_backbone
from lab_faces import make_faces, make_work


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Runs, Path, Path]:
    data = make_faces(tmp_path_factory.mktemp("faces"))
    work = make_work(data, tmp_path_factory.mktemp("work"))
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(5)
    start = folder / "backbone.safetensors"
    save_file(build_backbone("mobilenetv2_100", 10, {"pad_type": "same"}).state_dict(), start)
    for name in ("shipped", "plain"):
        train(Settings(str(data), str(work), str(folder / name), start=str(start), plain=name == "plain", steps=1, threads=1))
    return Runs(folder / "shipped", folder / "plain"), data, work


@pytest.fixture(scope="module")
def published(runs: tuple[Runs, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> LoadedDetector:
    own, data, work = runs
    out = tmp_path_factory.mktemp("detectors") / "tiny-caddm"
    publish(own, str(data), work, out, "tiny-caddm", 0.1, "lab caddm train", ("A note.",), 40)
    return load_folder(out)


def test_the_folder_loads_as_a_detector_of_face_swaps_that_says_where(published: LoadedDetector) -> None:
    card = published.card
    assert card.scope == "face_swap"
    assert [label.family for label in card.labels] == ["real", "face_swap"]
    assert card.artifacts is not None
    assert (published.folder / "model.safetensors").stat().st_size < 10e6
    predictor = Predictor(published)
    assert localises(predictor)
    assert predictor.read(np.zeros((2, 224, 224, 3), np.uint8)).p_methods.shape == (2, 2)
    assert len(find_artifacts(predictor, np.zeros((2, 224, 224, 3), np.uint8))) == 2


def test_its_tables_and_sentences_are_measured(published: LoadedDetector) -> None:
    titles = [table.title for table in published.card.measured]
    for title in ("Overall", "Cross-source AUC", "AUC differences", "Verdicts on cross", "Second opinion, test", "Boxes by confidence"):
        assert title in titles
    assert published.card.limits
    assert "A note." in published.card.training.notes
    shown = (published.folder / "README.md").read_text()
    assert "Artifact Detection Module" in shown
    assert "A note." in shown


def test_a_run_that_is_not_there_or_not_finished_is_refused(runs: tuple[Runs, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no training"):
        load_run(tmp_path)
    (tmp_path / "settings.json").write_text((runs[0].shipped / "settings.json").read_text())
    with pytest.raises(LabError, match="not finished"):
        load_run(tmp_path)
