"""DNA-Det's runs become a detector folder that the product loads, with every table measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.detectors.loading import LoadedDetector, load_folder
from attribution.detectors.predictor import Predictor
from attribution.lab.measure import dnadet as measuring
from attribution.lab.measure.dnadet import Runs, Said, macro_f1, recall, said
from attribution.lab.measure.predictions import SplitPredictions
from attribution.lab.publish.dnadet import publish
from attribution.lab.publish.methods import info_of
from attribution.lab.publish.modelcard import model_card
from attribution.lab.train.dnadet import CLASSES, Settings, train
from lab_faces import make_faces, make_work


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(data, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def published(data: Path, work: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedDetector:
    folder = tmp_path_factory.mktemp("runs")
    for name, leave_out in (("shipped", ()), ("held", ("sdxl",))):
        train(Settings(str(data), str(work), str(folder / name), steps=2, workers=1, threads=1, patches=2, leave_out=leave_out))
    runs = Runs(folder / "shipped", {"whole": folder / "shipped"}, {"sdxl": folder / "held"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "PER_CLASS", 2)
        patch.setattr(measuring, "CURVES", (replace(measuring.CURVES[0], values=(75,)),))
        patch.setattr(measuring, "PICTURES", 1)
        patch.setattr(measuring, "HEATMAPS", 2)
        publish(runs, str(data), work, folder / "tiny-dna-det", "tiny-dna-det", 0.1, "lab dna-det train", ("A note.",), 40)
    return load_folder(folder / "tiny-dna-det")


def test_the_folder_loads_as_a_detector_of_generated_faces(published: LoadedDetector) -> None:
    card = published.card
    assert card.scope == "generated"
    assert [label.name for label in card.labels] == list(CLASSES)
    assert all(label.architecture for label in card.labels[1:])
    assert (published.folder / "model.safetensors").stat().st_size < 10e6
    crops = np.zeros((2, 224, 224, 3), np.uint8)
    assert Predictor(published).read(crops).p_methods.shape == (2, 5)


def test_every_table_of_the_evaluation_is_there(published: LoadedDetector) -> None:
    titles = {table.title for table in published.card.measured}
    wanted = {
        "Overall", "Verdicts on cross", "Verdicts on test", "Sources, cross", "Methods, test", "Side by side", "Robustness, test",
        "Unknown generators", "Ablation", "Eight bits", "Patch islands", "Spread of the evidence, test",
        "Verdicts on unknown generators, test", "Verdicts on face swaps, test", "Reliability, test",
    }  # fmt: skip
    assert wanted <= titles
    held_out = next(table for table in published.card.measured if table.title == "Unknown generators")
    assert [row[0] for row in held_out.rows] == ["sd21", "sdxl (shorter training)"]


def test_the_model_card_says_how_it_was_made_and_what_was_mended(published: LoadedDetector) -> None:
    text = " ".join(model_card(published.card).split())
    for words in ("170 image transformations", "on logits", "the same at every look", "lab dna-det train", "A note."):
        assert words in text
    assert json.loads(published.card.training.notes[0])["steps"] == 2
    assert len(published.card.limits) >= 6


def _found(truth: list[str], answers: list[str]) -> tuple[SplitPredictions, object]:
    info = info_of("any")
    logits = np.zeros((len(truth), len(info.labels)), np.float32)
    for row, answer in enumerate(answers):
        logits[row, info.labels.index(answer)] = 5
    names = np.array(truth)
    return SplitPredictions(logits, np.eye(len(truth), 4), names, names, names, names, names), info


def test_answers_are_the_likeliest_labels_and_swaps_are_not_generated() -> None:
    found, info = _found(["real", "real", "sdxl"], ["real", "dfdc_swap", "flux1"])
    answers = said(found, info)  # type: ignore[arg-type]
    assert answers.answers.tolist() == ["real", "dfdc_swap", "flux1"]
    assert answers.generated.tolist() == [False, False, True]


def test_figures_against_hand_computed_values() -> None:
    truth = np.array(["real"] * 4 + ["sdxl"] * 2)
    answers = np.array(["real", "real", "real", "sdxl", "sdxl", "real"])
    faces = Said(answers, truth, truth, answers == "sdxl")
    # real: precision 3/4, recall 3/4; sdxl: 1/2 and 1/2.
    assert macro_f1(faces)[0] == pytest.approx((0.75 + 0.5) / 2)
    assert recall(faces, "sdxl")[0] == 0.5
    assert measuring.false_alarms(faces)[0] == 0.25


def test_a_pasted_window_lies_in_the_middle_and_nothing_else_changes() -> None:
    photograph, generated = np.full((224, 224, 3), 10, np.uint8), np.full((224, 224, 3), 200, np.uint8)
    picture, (x, y) = measuring.pasted(photograph, generated)
    assert picture.shape == (672, 672, 3)
    assert (picture == 200).all(2).sum() == measuring.WINDOW_PX**2
    assert (picture[y : y + measuring.WINDOW_PX, x : x + measuring.WINDOW_PX] == 200).all()
    tiles = measuring.as_tiles(picture)
    assert len(tiles.boxes) == 9
    assert (tiles.pixels[0] == 10).all()
