"""From what a network says of faces to a folder that the product loads: what is fitted, what is written, and what the card says of it.

The quick tests publish made predictions; the whole way, from trainings to every table, is slow.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from attribution.detectors.card import Training
from attribution.detectors.loading import LoadedDetector, load, load_folder
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.explain.artifacts import find_artifacts, localises
from attribution.explain.reference import ReferenceBank
from attribution.lab.data import read_manifest
from attribution.lab.forge.pools import load_samples
from attribution.lab.labels import CADDM_LABELS, DNADET_LABELS, LABELS_OF_HEADS
from attribution.lab.measure import caddm as caddm_measures
from attribution.lab.measure import dnadet, elsewhere
from attribution.lab.measure.predictions import SplitPredictions, settings_of
from attribution.lab.publish import mapping
from attribution.lab.publish.folder import model_card
from attribution.lab.publish.limits import limits_of
from attribution.lab.publish.products import CADDM, CaddmRuns, publish_caddm, publish_dnadet, publish_heads
from attribution.lab.publish.publisher import SPLITS, Faces, Publication, begin, fold_in
from attribution.lab.train import caddm, heads
from attribution.lab.train import dnadet as dnadet_training
from attribution.lab.train.seen import MODEL_ARGS
from attribution.models.backbones import Projection, build_backbone, pooled_width
from lab_faces import lab_data
from limits_samples import LOCALISED, SWAPS, swap_card, table

SETTINGS = asdict(caddm.Settings("", "", "", start="backbone.safetensors", steps=3000, frozen=1, shares=(0.2, 0.2, 0.1, 0.5)))
# Sources of `lab_faces` whose methods have a class and that no fold of heads holds.
IN_NO_FOLD = ("sonic", "imagen_game", "midjourney")


def words(markdown: str) -> str:
    return " ".join(markdown.split())


class Net:
    """A small network with a projection, as a publication takes it."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.backbone = build_backbone("meso4", 2, {"img_size": 224}).eval()
        self.projection = Projection(pooled_width(self.backbone))


def predictions(faces: Faces, split: str, right: float, seed: int) -> SplitPredictions:
    """Two logits for each sample, which know swaps by `right`, and embeddings that lie apart by class."""
    random, samples = np.random.default_rng(seed), faces.samples[split]
    truth = np.array([method != "real" for method in samples.methods])
    score = right * (2 * truth - 1) + random.normal(0, 1, len(truth))
    embeddings = random.normal(0, 0.1, (len(truth), 128))
    embeddings[np.arange(len(truth)), truth.astype(int)] += 1
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    names = (samples.methods, samples.families, samples.sources, samples.groups, samples.paths)
    logits = np.stack([-score, score + 0.7], 1).astype(np.float32)
    return SplitPredictions(logits, embeddings.astype(np.float32), *(np.array(one) for one in names))


@pytest.fixture(scope="module")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Publication:
    """The ID-unaware detector's publication with another network in its place, and made predictions."""
    data, work = lab_data()
    faces, run = Faces.load(str(data), work), tmp_path_factory.mktemp("run")
    (run / "settings.json").write_text(json.dumps(SETTINGS))
    raw = {split: predictions(faces, split, 2.0, seed) for seed, split in enumerate(("train", *SPLITS))}
    product = replace(CADDM, build=lambda settings: ("meso4", {"img_size": 224}), pretrained={"classifier": "classifier"})
    out = tmp_path_factory.mktemp("detectors") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        # UMAP takes half a minute to compile.
        patch.setattr(
            mapping, "lay_out", lambda points, seed: SimpleNamespace(embedding_=points[:, :2], transform=lambda more: more[:, :2])
        )
        return begin(product, run, Net(), product.own(raw.pop("train")), raw, faces, out, 1.5, "lab caddm train", ("A note.",))


class TestPublisher:
    def test_what_is_chosen_comes_from_validation_faces(self, publication: Publication):
        val = publication.own("val")
        assert set(val.methods) == {"real", "swapped"}
        assert set(val.families) == {"real", "face_swap"}, "faces of other kinds are none of its business"
        p = 1 / (1 + np.exp((val.logits[:, 0] - val.logits[:, 1]) / publication.temperature))
        swapped = val.methods == "swapped"
        # The made logits lean to "swapped" by 0.7: the bias takes that back.
        assert abs((p > 0.5).mean() - swapped.mean()) < 0.15
        thresholds = publication.card.thresholds
        assert 0.8 <= thresholds.p_manipulated_above <= 0.995
        assert 0.005 <= thresholds.p_manipulated_below <= 0.2

    def test_the_folder_is_one_that_the_product_loads(self, publication: Publication):
        tables = [one for one in SWAPS if one.title == "Verdicts on cross"]
        publication.predictor(publication.card)
        publication.finish(publication.card, [*tables, publication.placement], (0.2, 0.1))
        loaded = load_folder(publication.out)
        assert (loaded.name, loaded.card.scope, loaded.card.labels) == ("tiny", "face_swap", CADDM_LABELS)
        assert loaded.card.calibration.ece_before == 0.2
        assert loaded.card.limits == limits_of("face_swap", tables)
        assert json.loads(loaded.card.training.notes[0])["start"] == "backbone.safetensors"
        assert words((publication.out / "README.md").read_text()) == words(model_card(loaded.card))
        answers = Predictor(loaded).read(np.zeros((2, 224, 224, 3), np.uint8))
        assert answers.p_methods.shape == (2, 2)
        bank = ReferenceBank.load(publication.out, loaded.card.files["reference.safetensors"])
        assert set(bank.methods) == {"real", "swapped"}

    def test_the_calibrated_bias_is_part_of_the_shipped_weights(self):
        net, bias, x = Net(), np.array([-0.3, 0.3]), torch.rand(2, 3, 224, 224)
        with torch.inference_mode():
            before = net.backbone(x).numpy()
            added = fold_in(net, bias)  # type: ignore[arg-type]
            assert net.backbone(x).numpy() == pytest.approx(before + added, abs=1e-5)
        assert added == pytest.approx(bias, abs=2e-3)

    def test_a_run_that_is_not_there_or_not_finished_is_refused(self, tmp_path: Path):
        with pytest.raises(LabError, match="no training"):
            caddm_measures.load_run(tmp_path)
        (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
        with pytest.raises(LabError, match="not finished"):
            caddm_measures.load_run(tmp_path)


class TestLimits:
    @pytest.mark.parametrize("name", ["telltale-attribution", "telltale-dna-det", "telltale-swap"])
    def test_the_shipped_cards_say_what_their_tables_hold(self, name: str):
        shipped = load(name).card
        assert limits_of(shipped.scope, shipped.measured) == shipped.limits

    def test_of_face_swaps_each_sentence_has_its_figures(self):
        parts = (
            "It looks for face swaps and pasted parts alone: wholly generated faces, lip sync and retouching pass it.",
            "it wrongly called 2 % swapped and gave no definite answer for 38 %.",
            "Of swapped faces on such collections 10 % were passed as 'no manipulation found', 55 % stayed inconclusive",
            "an AUC of 0.94 (0.925 to 0.955) on single frames; a plain detector",
            "a blend that training never used, its box hits the changed area in 40 of 100; guessing the centre of the face hits 37",
            "about 270 faces from collections that neither was trained on, contradicting it prevented 40 wrong answers and cost 12",
        )
        assert all(part in sentence for part, sentence in zip(parts, limits_of("face_swap", SWAPS), strict=False))

    @pytest.mark.parametrize("title", sorted(one.title for one in SWAPS))
    def test_a_table_that_is_not_there_yet_costs_its_own_sentence_only(self, title: str):
        cost = {"Overall": 1, "Localisation": 1, "Verdicts on cross": 2, "Second opinion, cross": 1}.get(title, 0)
        without = [one for one in SWAPS if one.title != title]
        assert len(limits_of("face_swap", SWAPS)) - len(limits_of("face_swap", without)) == cost

    def test_without_an_unseen_blend_the_sentence_is_about_the_blends_that_training_used(self):
        rows = [("partial swaps", "boxes", 400, 0.73, 0.68, 0.77, 0.41, 0.38, 0.44)]
        (said,) = [one for one in limits_of("face_swap", [table("Localisation", LOCALISED, *rows)]) if "hits" in one]
        assert said == "Where one part of a face was swapped with a blend that training used, its box hits the changed area in 73 of 100."

    def test_what_cannot_be_measured_is_not_said(self):
        columns = ("split", "DFDC AUC")
        assert not any("AUC" in one for one in limits_of("any", [table("Overall", columns, ("test", None))]))
        (said,) = [one for one in limits_of("any", [table("Overall", columns, ("test", 0.957))]) if "AUC" in one]
        assert "an AUC of 96 % on" in said


def test_the_model_card_says_how_a_detector_of_face_swaps_was_made():
    """Those that ship are checked in `test_documents`."""
    notes = (json.dumps(SETTINGS), "A note.")
    made = Training(data="faces", licence="CC0-1.0", command="the command", seeds=(7,), minutes=80.4, notes=notes)
    said = words(model_card(swap_card(training=made, labels=CADDM_LABELS, limits=limits_of("face_swap", SWAPS))))
    for part in (
        "3000 steps, 80 minutes",
        "started from `backbone.safetensors`; its stem and first 1 stages",
        "one window of it alone (20, 20, 10 and 50 % of them; the paper: 40, 20, 20 and 20 %)",
        "a confidence of at least 0.35 are kept after non-maximum suppression at IoU 0.3",
        "- A note.",
        *(f"### {one.title}" for one in SWAPS),
    ):
        assert part in said, part


def test_the_model_card_says_how_a_detector_of_heads_was_made():
    trunks = (("mobilenetv2_100", "first.safetensors", "ab" * 6), ("tf_efficientnet_lite2", "second.safetensors", "cd" * 6))
    notes = (json.dumps(asdict(heads.Settings("", "", "", trunks, known=("faces",)))), "A note.")
    made = Training(data="faces", licence="CC0-1.0", command="the command", seeds=(7,), minutes=80.4, notes=notes)
    said = words(model_card(replace(swap_card(training=made, jpeg_quality=90), scope="any", artifacts=None)))
    for part in (
        "80 minutes on two CPU cores for reading the faces and fitting the heads",
        '(timm, {"pad_type": "same"}), in 8 bits a value',
        "`mobilenetv2_100` with the weights of `first.safetensors` (sha256 abababababab…), `tf_efficientnet_lite2` with the weights of",
        "`second.safetensors` (sha256 cdcdcdcdcdcd…). The stem",
        "backbone was trained on (faces) had no part in that",
        "as JPEG of quality 90",
        "On the weights as shipped (8 bits a value), each face read once",
        "- A note.",
    ):
        assert part in said, part
    assert "fitted on `val`" not in said
    assert "chosen on `val`" not in said


class TestFiguresOfDnaDet:
    def test_figures_against_hand_computed_values(self):
        truth = np.array(["real"] * 4 + ["sdxl"] * 2)
        answers = np.array(["real", "real", "real", "sdxl", "sdxl", "real"])
        faces = dnadet.Said(answers, truth, truth, answers == "sdxl")
        # real: precision 3/4, recall 3/4; sdxl: 1/2 and 1/2.
        assert dnadet.macro_f1(faces)[0] == pytest.approx((0.75 + 0.5) / 2)
        assert dnadet.recall(faces, "sdxl")[0] == 0.5
        assert dnadet.false_alarms(faces)[0] == 0.25

    def test_a_pasted_window_lies_in_the_middle_and_nothing_else_changes(self):
        picture, (x, y) = dnadet.pasted(*(np.full((224, 224, 3), level, np.uint8) for level in (10, 200)))
        assert picture.shape == (672, 672, 3)
        assert (picture == 200).all(2).sum() == dnadet.WINDOW_PX**2
        assert (picture[y : y + dnadet.WINDOW_PX, x : x + dnadet.WINDOW_PX] == 200).all()
        tiles = dnadet.as_tiles(picture)
        assert len(tiles.boxes) == 9
        assert (tiles.pixels[0] == 10).all()


def titles(detector: LoadedDetector) -> set[str]:
    found = [one.title for one in detector.card.measured]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.slow
class TestWholeWay:
    """From trainings of one or two steps to folders with every table; what such networks answer is not asserted."""

    @pytest.fixture
    def common(self, tmp_path: Path) -> dict:
        data, work = lab_data()
        return {"data": str(data), "work": str(work), "workers": 1, "threads": 1}

    def test_the_default_detector(self, common: dict, tmp_path: Path):
        data, run, out = common["data"], tmp_path / "run", tmp_path / "tiny"
        work = Path(shutil.copytree(common["work"], tmp_path / "work"))
        trunks = []
        for name in ("mobilenetv2_100", "tf_efficientnet_lite2"):
            torch.manual_seed(5)
            trunks.append((name, str(tmp_path / f"{name}.safetensors")))
            save_file(build_backbone(name, 1000, MODEL_ARGS).state_dict(), trunks[-1][1])
        settings = heads.Settings(data, str(work), str(run), tuple(trunks), steps=5, faces_a_step=32, forgeries=2, leave_out=IN_NO_FOLD)
        heads.train(settings)
        assert "/" not in (run / "settings.json").read_text(), "what a run leaves names no folder of this machine"
        for _, file in trunks:
            Path(file).unlink()
        publish_heads(run, data, work, out, 0.1, "lab heads", ("A note.",), references_count=40)
        detector = load_folder(out)
        assert detector.card.labels == LABELS_OF_HEADS
        assert (detector.card.jpeg_quality, detector.card.scope) == (90, "any")
        assert len(ReferenceBank.load(out, detector.card.files["reference.safetensors"]).methods) <= 40
        assert {
            "Overall", "Sources, cross", "Verdicts on cross", "Methods, test", "Shortcuts", "Abstention",
            "Verdicts on what training never saw", "The price of care"
        } <= titles(detector)  # fmt: skip
        assert any("(means over sources)" in limit for limit in detector.card.limits)
        assert all("real" not in limit.split() for limit in detector.card.limits), "we never call a face real"
        readme = words((out / "README.md").read_text())
        assert "`tf_efficientnet_lite2` with the weights of `tf_efficientnet_lite2.safetensors` (sha256 " in readme
        assert "A note." in readme
        settings = replace(settings, trunks=tuple(map(tuple, settings_of(run)["trunks"])))
        _, head = elsewhere.load_run(run, settings)
        samples = load_samples(read_manifest((Path(data),)), work, "test").crops()
        faces = heads.faces_of("test", settings, samples).take(np.arange(3))
        # The crops of the data were encoded once; the app's are not.
        predictor = Predictor(replace(detector, card=replace(detector.card, jpeg_quality=None)))
        answers = predictor.read(np.stack([samples.picture(index) for index in faces.chosen.tolist()]))
        assert answers.logits == pytest.approx(head.logits(faces.seen), abs=0.05)

    def test_dna_det(self, common: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        for name, leave_out in (("shipped", ()), ("held", ("sdxl",))):
            settings = dnadet_training.Settings(**common, out=str(tmp_path / name), steps=2, patches=2, leave_out=leave_out)
            dnadet_training.train(settings)
        curves = {name: ((75,), how) for name, (_, how) in dnadet.CURVES.items() if name == "JPEG quality"}
        for name, value in (("PER_CLASS", 2), ("CURVES", curves), ("PICTURES", 1), ("HEATMAPS", 2)):
            monkeypatch.setattr(dnadet, name, value)
        runs = dnadet.Runs(tmp_path / "shipped", {"whole": tmp_path / "shipped"}, {"sdxl": tmp_path / "held"})
        publish_dnadet(runs, common["data"], Path(common["work"]), tmp_path / "tiny", 0.1, "lab dna-det train", ("A note.",), 40)
        detector = load_folder(tmp_path / "tiny")
        assert (detector.card.scope, detector.card.labels) == ("generated", DNADET_LABELS)
        assert (detector.folder / "model.safetensors").stat().st_size < 10e6
        expected = {"Overall", "Verdicts on cross", "Side by side", "Robustness, test", "Ablation", "Eight bits", "Patch islands"}
        assert expected | {"Verdicts on unknown generators, test", "Verdicts on face swaps, test"} <= titles(detector)
        held_out = next(table for table in detector.card.measured if table.title == "Unknown generators")
        assert [row[0] for row in held_out.rows] == ["sd21", "sdxl (shorter training)"]

    def test_the_id_unaware_detector(self, common: dict, tmp_path: Path):
        torch.manual_seed(5)
        start = tmp_path / "backbone.safetensors"
        save_file(build_backbone("mobilenetv2_100", 10, {"pad_type": "same"}).state_dict(), start)
        for name in ("shipped", "plain"):
            caddm.train(caddm.Settings(**common, out=str(tmp_path / name), start=str(start), plain=name == "plain", steps=1))
        runs = CaddmRuns(tmp_path / "shipped", tmp_path / "plain")
        publish_caddm(runs, common["data"], Path(common["work"]), tmp_path / "tiny", 0.1, "lab caddm train", ("A note.",), 40)
        detector = load_folder(tmp_path / "tiny")
        assert detector.card.artifacts is not None
        predictor = Predictor(detector)
        assert localises(predictor)
        assert len(find_artifacts(predictor, np.zeros((2, 224, 224, 3), np.uint8))) == 2
        for title in ("Overall", "Cross-source AUC", "AUC differences", "Verdicts on cross", "Second opinion, test", "Boxes by confidence"):
            assert title in titles(detector)
        assert "A note." in (detector.folder / "README.md").read_text()
