"""From a file to its evidence, with every real part."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from attribution import pipeline as pipeline_module
from attribution.detectors import loading
from attribution.detectors.loading import LoadedDetector
from attribution.detectors.predictor import Predictor
from attribution.errors import DamagedDetector, DeviceError, EmptyMedia, MissingMedia, UnknownDetector, UnsupportedMedia
from attribution.evidence import Evidence, Predictions
from attribution.media import MediaLimits
from attribution.models.backbones import Projection
from attribution.pipeline import Analysis, Pipeline, analyse, examine, explain, load_pipeline
from attribution.text.numbers import percent
from attribution.verdict.ensemble import bank_of
from conftest import SIDE_PX, SWAP_SIDE_PX, Embed, Folders
from make_media import write_clip

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PORTRAIT = EXAMPLES / "astronaut.png"


@pytest.fixture(scope="module")
def portrait(pipeline: Pipeline) -> Analysis:
    return examine(PORTRAIT, pipeline)


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the portrait moving sideways."""
    rgb = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    pictures = [np.ascontiguousarray(np.roll(rgb, 4 * i, axis=1)[:480, :480]) for i in range(10)]
    return write_clip(tmp_path_factory.mktemp("clips") / "moving.mp4", 10, (480, 480), fps=5, pictures=pictures)


@pytest.fixture(scope="module")
def clip(pipeline: Pipeline, clip_path: Path) -> Analysis:
    return examine(clip_path, pipeline)


@pytest.fixture(scope="module")
def close_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait's face and little around it: few tiles to read."""
    path = tmp_path_factory.mktemp("pictures") / "close_up.png"
    Image.open(PORTRAIT).convert("RGB").crop((140, 20, 320, 210)).save(path)
    return path


@pytest.fixture(scope="module")
def embedded(
    tmp_path_factory: pytest.TempPathFactory, default_folders: Folders, generated_folders: Folders, swap_folders: Folders
) -> Callable[..., Pipeline]:
    """Loads a detector from a folder with a default which finds one label everywhere, a DNA-Det which finds StyleGAN2, and perhaps a CADDM
    which finds `swapped` or `real`; one of them may be damaged."""

    @cache
    def load(favours: str, swap: str = "", chosen: str = "default", damaged: str = "") -> Pipeline:
        folder = tmp_path_factory.mktemp("embedded")
        side_px = SWAP_SIDE_PX if swap else SIDE_PX
        shutil.copytree(default_folders(favours, side_px), folder / loading.DEFAULT_DETECTOR)
        shutil.copytree(generated_folders("stylegan2", side_px), folder / "random-dna-det")
        if swap:
            shutil.copytree(swap_folders(swap), folder / "random-caddm")
        if damaged:
            (folder / damaged / "model.safetensors").write_bytes(b"")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loading, "EMBEDDED_FOLDER", folder)
            return load_pipeline(chosen, "cpu")

    return load


@pytest.fixture(scope="module")
def examined(embedded: Callable[..., Pipeline]) -> Callable[..., Analysis]:
    @cache
    def one(path: Path, *parts: str) -> Analysis:
        return examine(path, embedded(*parts))

    return one


def through_json(evidence: Evidence) -> Evidence:
    entry = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    read = Evidence.from_json(entry)
    assert read.to_json() == entry
    return read


def test_a_picture(portrait: Analysis, pipeline: Pipeline) -> None:
    evidence = portrait.evidence
    assert evidence.media.name == "astronaut.png"
    assert evidence.media.sha256 == hashlib.sha256(PORTRAIT.read_bytes()).hexdigest()
    assert evidence.detector == pipeline.predictor.info
    (track,) = evidence.tracks
    assert evidence.faces_found == 1
    x0, y0, x1, y1 = track.box
    assert x0 < 224 < x1, "the astronaut's face lies around (224, 110)"
    assert y0 < 110 < y1
    assert track.placement is not None
    assert len(track.placement.neighbours) == 10
    assert track.verdict.state == evidence.verdict.state
    assert "astronaut.png" in repr(portrait)
    assert track.track is not None
    assert track.predictions is not None
    expected = pipeline.predictor.read(track.track.faces[0].crop[None], mirrored=True)
    assert track.predictions.logits == pytest.approx(expected.logits, abs=1e-4), "read with its mirror image"
    through_json(evidence)


def test_the_record_names_versions_and_settings(portrait: Analysis) -> None:
    evidence = portrait.evidence
    assert datetime.fromisoformat(evidence.created_utc).utcoffset() is not None
    assert set(evidence.versions) >= {"telltale", "python", "torch", "timm", "facenet-pytorch", "numpy", "av"}
    assert all(re.match(r"\d", version) for version in evidence.versions.values())
    thresholds = evidence.settings["thresholds"]
    assert (thresholds["p_manipulated_above"], evidence.settings["temperature"], evidence.settings["mirrored"]) == (0.8, 1.5, True)


def test_a_clip(clip: Analysis, pipeline: Pipeline) -> None:
    evidence = clip.evidence
    assert evidence.media.kind == "clip"
    assert len(clip.frames) == evidence.media.frames_read == 10
    (track,) = evidence.tracks
    assert track.faces == len(track.timeline) == 10
    assert track.timeline[-1].seconds == pytest.approx(1.8, abs=0.05)
    assert evidence.settings["mirrored"] is False
    read = through_json(evidence).tracks[0]
    heatmap = explain(track, pipeline)
    assert heatmap.label in evidence.detector.labels
    assert heatmap.values.shape == (96, 96)
    assert track.worst is not None
    assert track.shown_face is not None
    assert track.worst.first_seconds <= track.shown_face.seconds <= track.worst.last_seconds
    assert read.shown_face is None
    with pytest.raises(ValueError, match="no pixels"):
        explain(read, pipeline)


def test_a_still_picture_shown_as_a_clip_is_judged_as_a_picture(pipeline: Pipeline, tmp_path: Path) -> None:
    """As stories show one for 15 s, in two frames."""
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB").crop((64, 0, 384, 256)))
    evidence = examine(
        write_clip(tmp_path / "story.mp4", pictures=[portrait] * 2, size=(320, 256), milliseconds=[0, 15_000]), pipeline
    ).evidence
    assert (evidence.media.kind, evidence.media.frames_read) == ("clip", 2)
    (track,) = evidence.tracks
    assert (track.timeline, track.worst, track.examined) == ((), None, 2)
    assert evidence.settings["mirrored"] is True, "read as pictures are"
    assert "The clip has only 2 frames, so it was judged as a still picture." in evidence.verdict.reasons
    assert not [why for why in evidence.verdict.reasons if "usable view" in why]


def test_two_pictures_in_one_clip_are_no_still_picture(pipeline: Pipeline, tmp_path: Path) -> None:
    """One of them may be untouched, the other not: nothing is said of their middle."""
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB").crop((64, 0, 384, 256)))
    other = portrait.copy()
    other[90:140, 130:200] = other[90:140, 130:200][:, ::-1] // 2
    clip = write_clip(tmp_path / "two.mp4", pictures=[portrait, other], size=(320, 256), milliseconds=[0, 1_000])
    evidence = examine(clip, pipeline).evidence
    assert evidence.verdict.state == "inconclusive"
    assert not [why for why in evidence.verdict.reasons if "still picture" in why]
    assert [why for why in evidence.verdict.reasons if "usable view" in why]


def test_a_closer_look_adds_views_to_the_answer(pipeline: Pipeline, clip_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before is not read again, and all of it is one answer."""
    read: list[int] = []
    own_read = Predictor.read

    def counted(predictor: Predictor, crops: np.ndarray, mirrored: bool = False) -> Predictions:
        read.append(len(crops))
        return own_read(predictor, crops, mirrored)

    windows = iter([[(0.0, 1.0, 8)], []])
    monkeypatch.setattr(pipeline_module, "worth_a_look", lambda *_: next(windows))
    monkeypatch.setattr(Predictor, "read", counted)
    analysis = examine(clip_path, replace(pipeline, limits=MediaLimits(frames=4), specialists=()))
    (track,) = analysis.evidence.tracks
    assert read == [4, track.faces - 4]
    assert (analysis.evidence.media.frames_read, analysis.evidence.media.frames_wanted) == (len(analysis.frames),) * 2
    seconds = [moment.seconds for moment in track.timeline]
    assert seconds == sorted(set(seconds))
    assert len([at for at in seconds if at <= 1]) >= 5
    assert track.track is not None
    assert track.predictions is not None
    whole = own_read(pipeline.predictor, np.stack([face.crop for face in track.track.faces]))
    assert track.predictions.logits == pytest.approx(whole.logits, abs=1e-4)
    assert [face.seconds for face in track.track.faces] == seconds
    through_json(analysis.evidence)


def test_the_same_file_gives_the_same_answer_under_another_name(portrait: Analysis, pipeline: Pipeline) -> None:
    again = analyse(PORTRAIT, pipeline, name="upload.png")
    assert again.media.name == "upload.png"
    media = replace(again.media, name="astronaut.png")
    assert replace(again, media=media, created_utc="") == replace(portrait.evidence, created_utc="")


def test_no_face_is_inconclusive(embedded: Callable[..., Pipeline], tmp_path: Path) -> None:
    path = tmp_path / "sky.png"
    Image.new("RGB", (300, 200), (120, 180, 230)).save(path)
    analysis = examine(path, embedded("stylegan2"))
    evidence = analysis.evidence
    assert evidence.verdict.state == "inconclusive"
    assert (evidence.tracks, analysis.tiles) == ((), ())
    assert sum("No face was found" in reason for reason in evidence.verdict.reasons) == 1


def test_progress_tells_what_happens(pipeline: Pipeline, clip_path: Path) -> None:
    told: list[tuple[float, str]] = []
    analyse(clip_path, pipeline, lambda *step: told.append(step))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert "Looking for faces in the frames of the clip (10)" in [doing for _, doing in told]


def test_unusable_files_and_detectors_are_typed_errors(pipeline: Pipeline, detector_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingMedia):
        analyse(tmp_path / "none.png", pipeline)
    path = tmp_path / "file.jpg"
    for content, refused in ((b"", EmptyMedia), (b"This is a letter, not a picture.", UnsupportedMedia)):
        path.write_bytes(content)
        with pytest.raises(refused):
            analyse(path, pipeline)
    with pytest.raises(UnknownDetector):
        load_pipeline("no-such-detector", "cpu")
    with pytest.raises(DeviceError):
        load_pipeline(str(detector_folder), "abacus")


def test_a_bank_of_another_network_is_refused(loaded_detector: LoadedDetector) -> None:
    renamed = replace(loaded_detector.info, labels=("real", "landmark_swap", "stylegan2", "dall_e"))
    for change in ({"info": renamed}, {"projection": Projection(1280, 8)}):
        with pytest.raises(DamagedDetector, match="do not belong"):
            bank_of(replace(loaded_detector, **change))


# Second opinions and marked places, from the file to the JSON


@pytest.mark.parametrize(
    ("parts", "state", "opinions"),
    [
        (("stylegan2",), "manipulated", {"random-dna-det": "same method"}),
        (("landmark_swap",), "manipulated", {"random-dna-det": "called a face swap"}),
        (("landmark_swap", "real"), "inconclusive", {"random-caddm": "differs", "random-dna-det": "called a face swap"}),
        (("landmark_swap", "swapped"), "manipulated", {"random-caddm": "same family", "random-dna-det": "called a face swap"}),
        (("landmark_swap", "", "random-dna-det"), "inconclusive", {"random-default": "undecided"}),
        (("landmark_swap", "swapped", "random-caddm"), "manipulated", {"random-default": "same family"}),
    ],
    ids=str,
)
def test_who_is_asked_and_what_follows(
    embedded: Callable[..., Pipeline],
    examined: Callable[..., Analysis],
    close_up: Path,
    parts: tuple[str, ...],
    state: str,
    opinions: dict[str, str],
) -> None:
    pipeline, evidence = embedded(*parts), examined(close_up, *parts).evidence
    (track,) = evidence.tracks
    assert evidence.verdict.state == track.verdict.state == state
    assert [one.detector.name for one in track.opinions] == list(opinions)
    for opinion, said in zip(track.opinions, opinions.values(), strict=True):
        assert said == opinion.agreement or said in opinion.refused
        if opinion.verdict is not None:
            assert explain(track, pipeline, opinion).label in opinion.p_methods
        else:
            with pytest.raises(ValueError, match=f"no opinion of {opinion.detector.name}"):
                explain(track, pipeline, opinion)
    marks = {"random-caddm"} if parts[1:2] == ("swapped",) else set()
    assert {one.detector for one in track.artifacts} == marks, "who finds nothing marks nothing"
    read = through_json(evidence)
    assert (read.tracks[0].opinions, read.tracks[0].artifacts) == (track.opinions, track.artifacts)


def test_a_generated_face_has_a_second_opinion_with_patches(
    embedded: Callable[..., Pipeline], examined: Callable[..., Analysis], close_up: Path
) -> None:
    consulting, analysis = embedded("stylegan2"), examined(close_up, "stylegan2")
    (track,), (tiles,) = analysis.evidence.tracks, analysis.tiles
    (opinion,) = track.opinions
    assert opinion.verdict is not None
    assert (opinion.verdict.method, opinion.architecture) == ("stylegan2", "style-based GAN")
    assert tiles is not None
    assert opinion.patches is not None
    assert len(opinion.patches.boxes) == 16 * len(tiles.boxes)
    media = analysis.evidence.media
    assert all(0 <= x0 < x1 <= media.width and 0 <= y0 < y1 <= media.height for x0, y0, x1, y1 in opinion.patches.boxes)
    settings: dict[str, Any] = analysis.evidence.settings["specialists"]["random-dna-det"]
    assert settings["weights_sha256"] == opinion.detector.weights_sha256
    assert (settings["temperature"], settings["mirrored"], settings["thresholds"]["neighbour_veto"]) == (1.5, False, None)
    assert analysis.evidence.settings["router"] == {}
    heatmap, own = explain(track, consulting, opinion), explain(track, consulting)
    assert (heatmap.label, heatmap.values.shape) == ("stylegan2", (96, 96))
    assert heatmap.p_label > 0.9
    assert not np.array_equal(own.values, heatmap.values)
    unsure = replace(opinion, verdict=replace(opinion.verdict, method="unknown"))
    assert explain(track, consulting, unsure).label == "stylegan2", "the likeliest label"
    with pytest.raises(ValueError, match="no opinion of random-dna-det"):
        explain(track, replace(consulting, specialists=(), router=None), opinion)
    with pytest.raises(ValueError, match="no pixels"):
        explain(replace(track, track=None), consulting, opinion)


def test_a_disagreement_is_told_and_kept_apart_from_the_own_verdict(examined: Callable[..., Analysis], close_up: Path) -> None:
    evidence = examined(close_up, "landmark_swap", "real").evidence
    (track,) = evidence.tracks
    assert evidence.verdict.reasons == track.verdict.reasons
    assert track.opinions[0].p_manipulated is not None
    assert (
        track.opinions[0].overturns
        == track.verdict.reasons[0]
        == (
            "The detectors disagree: random-default finds the traces of a face swap (probability of a manipulation: "
            f"{percent(track.p_manipulated)}), random-caddm finds no manipulation ({percent(track.opinions[0].p_manipulated)})."
        )
    )
    assert track.p_manipulated > 0.9, "the probabilities stay those of the chosen detector"
    assert track.own_verdict is not None
    assert (track.own_verdict.state, track.own_verdict.method) == ("manipulated", "landmark_swap")
    assert track.verdict.reasons[1:] == track.own_verdict.reasons


def test_artifacts_lie_in_the_original_picture(examined: Callable[..., Analysis], close_up: Path) -> None:
    evidence = examined(close_up, "landmark_swap", "swapped").evidence
    media, (track,) = evidence.media, evidence.tracks
    assert all(0 <= x0 < x1 <= media.width and 0 <= y0 < y1 <= media.height for x0, y0, x1, y1 in (one.box for one in track.artifacts))
    rule = {"min_confidence": 0.51, "nms_iou": 0.3, "slope": 1.0, "offset": 0.0}
    settings: dict[str, Any] = evidence.settings["specialists"]
    caddm = settings["random-caddm"]
    assert (caddm["scope"], caddm["mirrored"], caddm["artifacts"]) == ("face_swap", True, rule)
    assert (settings["random-dna-det"]["artifacts"], evidence.settings["artifacts"]) == (None, None)
    own = examined(close_up, "landmark_swap", "swapped", "random-caddm").evidence.settings
    assert (own["scope"], own["mirrored"], own["artifacts"]) == ("face_swap", True, rule)
    assert list(own["router"]) == ["random-default"]


def test_a_damaged_specialist_changes_nothing_but_its_own_opinion(
    embedded: Callable[..., Pipeline], examined: Callable[..., Analysis], close_up: Path
) -> None:
    disputing = embedded("landmark_swap", "real")
    whole = analyse(close_up, replace(disputing, specialists=disputing.specialists[1:]))
    crippled = examined(close_up, "landmark_swap", "real", "default", "random-caddm").evidence
    (track,), (was,) = crippled.tracks, whole.tracks
    assert "random-caddm could not be loaded, so it was not asked." in track.opinions[0].refused
    assert crippled.verdict == whole.verdict
    assert replace(track, opinions=track.opinions[1:]) == was
    assert list(crippled.settings["specialists"]["random-caddm"]) == ["problem"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_all_detectors_are_on_the_processor(embed: Embed) -> None:
    embed("real")
    with pytest.raises(DeviceError, match="no GPU"):
        load_pipeline("default", "cuda")
    assert {one.predictor.device for one in load_pipeline("default", "auto").specialists if one.predictor} == {"cpu"}
