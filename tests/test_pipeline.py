"""From a file to its evidence, with every real part."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from attribution.detectors import loading
from attribution.detectors.predictor import Predictor
from attribution.errors import DamagedDetector, DeviceError, EmptyMedia, MissingMedia, UnknownDetector, UnsupportedMedia
from attribution.evidence import Evidence, TrackEvidence
from attribution.explain.artifacts import find_artifacts
from attribution.explain.patches import patch_view
from attribution.pipeline import Analysis, Pipeline, analyse, examine, explain, load_pipeline
from attribution.text.numbers import percent
from conftest import Uploads
from make_media import write_clip
from test_loading import mend_card

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
    assert portrait.frames[0].rgb.shape[2] == 3
    assert "astronaut.png" in repr(portrait)


def test_a_picture_is_read_with_its_mirror_image(portrait: Analysis, pipeline: Pipeline) -> None:
    track = portrait.evidence.tracks[0]
    assert track.track is not None
    assert track.predictions is not None
    expected = pipeline.predictor.read(track.track.faces[0].crop[None], mirrored=True)
    assert track.predictions.logits == pytest.approx(expected.logits, abs=1e-4)
    assert portrait.evidence.settings["mirrored"] is True


def test_custody(portrait: Analysis) -> None:
    evidence = portrait.evidence
    assert datetime.fromisoformat(evidence.created_utc).utcoffset() is not None
    assert set(evidence.versions) >= {"telltale", "python", "torch", "timm", "facenet-pytorch", "numpy", "av"}
    assert all(re.match(r"\d", version) for version in evidence.versions.values())
    thresholds = evidence.settings["thresholds"]
    assert isinstance(thresholds, dict)
    assert thresholds["p_manipulated_above"] == 0.8
    assert evidence.settings["temperature"] == 1.5


def test_the_evidence_survives_json(portrait: Analysis, clip: Analysis) -> None:
    for evidence in (portrait.evidence, clip.evidence):
        entry = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
        assert Evidence.from_json(entry).to_json() == entry


def test_a_clip(clip: Analysis) -> None:
    evidence = clip.evidence
    assert evidence.media.kind == "clip"
    assert len(clip.frames) == evidence.media.frames_read == 10
    (track,) = evidence.tracks
    assert track.faces == len(track.timeline) == 10
    assert track.timeline[-1].seconds == pytest.approx(1.8, abs=0.05)
    assert track.worst is not None
    assert evidence.settings["mirrored"] is False


def test_the_same_file_gives_the_same_answer(portrait: Analysis, pipeline: Pipeline) -> None:
    again = analyse(PORTRAIT, pipeline)
    assert replace(again, created_utc="") == replace(portrait.evidence, created_utc="")


def test_no_face_is_inconclusive(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "sky.png"
    Image.new("RGB", (300, 200), (120, 180, 230)).save(path)
    evidence = analyse(path, pipeline)
    assert evidence.verdict.state == "inconclusive"
    assert evidence.tracks == ()
    assert sum("No face was found" in reason for reason in evidence.verdict.reasons) == 1


def test_progress_tells_what_happens(pipeline: Pipeline, clip_path: Path) -> None:
    told: list[tuple[float, str]] = []
    analyse(clip_path, pipeline, lambda share, doing: told.append((share, doing)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert "Looking for faces in 10 frames" in [doing for _, doing in told]


class Left(Exception):
    """The reader has left."""


def test_whoever_raises_in_progress_ends_the_work(pipeline: Pipeline) -> None:
    told: list[str] = []

    def leave(share: float, doing: str) -> None:
        told.append(doing)
        if share > 0:
            raise Left

    with pytest.raises(Left):
        analyse(PORTRAIT, pipeline, leave)
    assert told[-1] == "Looking for faces"


def test_another_name_replaces_that_of_the_file(pipeline: Pipeline) -> None:
    assert analyse(PORTRAIT, pipeline, name="upload.png").media.name == "upload.png"


def test_unusable_files_are_typed_errors(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(MissingMedia):
        analyse(tmp_path / "none.png", pipeline)
    path = tmp_path / "file.jpg"
    path.write_bytes(b"")
    with pytest.raises(EmptyMedia):
        analyse(path, pipeline)
    path.write_bytes(b"This is a letter, not a picture.")
    with pytest.raises(UnsupportedMedia):
        analyse(path, pipeline)


def test_explanations_belong_to_the_shown_faces(clip: Analysis, pipeline: Pipeline) -> None:
    (track,) = clip.evidence.tracks
    heatmap = explain(track, pipeline)
    assert heatmap.label in clip.evidence.detector.labels
    assert heatmap.values.shape == (96, 96)
    assert track.worst is not None
    assert track.shown_face is not None
    assert track.worst.first_seconds <= track.shown_face.seconds <= track.worst.last_seconds


def test_evidence_without_pixels_cannot_be_explained(portrait: Analysis, pipeline: Pipeline) -> None:
    read = Evidence.from_json(json.loads(json.dumps(portrait.evidence.to_json())))
    with pytest.raises(ValueError, match="no pixels"):
        explain(read.tracks[0], pipeline)
    assert read.tracks[0].shown_face is None


def test_kits_that_cannot_be(detector_folder: Path) -> None:
    with pytest.raises(UnknownDetector):
        load_pipeline("no-such-detector", "cpu")
    with pytest.raises(DeviceError):
        load_pipeline(str(detector_folder), "abacus")


@pytest.mark.parametrize("change", ["a method of another detector", "embeddings of another width"])
def test_a_bank_of_another_network_is_refused(own_detector: Path, change: str) -> None:
    path = own_detector / "reference.safetensors"
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        metadata = dict(file.metadata())
    if change == "a method of another detector":
        metadata["methods"] = json.dumps(["real", "landmark_swap", "stylegan2", "dall_e"])
    else:
        narrow = tensors["embeddings"][:, :8].astype(np.float32)
        tensors["embeddings"] = (narrow / np.linalg.norm(narrow, axis=1, keepdims=True)).astype(np.float16)
    save_file(tensors, path, metadata)
    mend_card(own_detector)
    with pytest.raises(DamagedDetector, match="do not belong"):
        load_pipeline(str(own_detector), "cpu")


# Second opinions, from the file to the JSON


@pytest.fixture(scope="module")
def close_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait's face and little around it: few tiles to read."""
    path = tmp_path_factory.mktemp("pictures") / "close_up.png"
    Image.open(PORTRAIT).convert("RGB").crop((140, 20, 320, 210)).save(path)
    return path


@pytest.fixture
def consulting(embed: Uploads) -> Pipeline:
    """A default that finds StyleGAN2 everywhere, and a DNA-Det beside it that does so too."""
    embed("stylegan2")
    return load_pipeline("default", "cpu")


def test_a_generated_face_has_a_second_opinion(consulting: Pipeline, close_up: Path) -> None:
    told: list[str] = []
    analysis = examine(close_up, consulting, lambda _, doing: told.append(doing))
    (track,) = analysis.evidence.tracks
    (opinion,) = track.opinions
    assert opinion.verdict is not None
    assert (opinion.detector.name, opinion.verdict.method, opinion.agreement) == ("random-dna-det", "stylegan2", "same method")
    assert opinion.architecture == "style-based GAN"
    (tiles,) = analysis.tiles
    assert tiles is not None
    assert opinion.patches is not None
    assert len(opinion.patches.boxes) == 16 * len(tiles.boxes)
    media = analysis.evidence.media
    assert all(0 <= x0 < x1 <= media.width and 0 <= y0 < y1 <= media.height for x0, y0, x1, y1 in opinion.patches.boxes)
    assert any("second detector" in doing for doing in told)
    settings = analysis.evidence.settings["specialists"]["random-dna-det"]
    assert settings["weights_sha256"] == opinion.detector.weights_sha256
    assert settings["temperature"] == 1.5
    assert settings["thresholds"]["neighbour_veto"] is None
    assert settings["mirrored"] is False
    assert analysis.evidence.settings["mirrored"] is True
    assert analysis.evidence.settings["router"] == {}
    entry = json.loads(json.dumps(analysis.evidence.to_json(), allow_nan=False))
    read = Evidence.from_json(entry)
    assert read.to_json() == entry
    assert read.tracks[0].opinions == track.opinions
    again = examine(close_up, consulting).evidence
    assert replace(again, created_utc="") == replace(analysis.evidence, created_utc="")


def test_an_opinion_is_explained_by_its_own_detector(consulting: Pipeline, close_up: Path) -> None:
    evidence = analyse(close_up, consulting)
    (track,) = evidence.tracks
    heatmap = explain(track, consulting, track.opinions[0])
    assert heatmap.label == "stylegan2"
    assert heatmap.values.shape == (96, 96)
    assert heatmap.p_label > 0.9
    assert 0 <= heatmap.evidence_share <= 1
    own = explain(track, consulting)
    assert not np.array_equal(own.values, heatmap.values)
    assert track.opinions[0].verdict is not None
    unsure = replace(track.opinions[0], verdict=replace(track.opinions[0].verdict, method="unknown"))
    assert explain(track, consulting, unsure).label == "stylegan2", "the likeliest label"


def test_what_has_no_opinion_has_no_explanation(consulting: Pipeline, pipeline: Pipeline, close_up: Path) -> None:
    (track,) = analyse(close_up, consulting).tracks
    opinion = track.opinions[0]
    with pytest.raises(ValueError, match="no opinion of random-dna-det"):
        explain(track, replace(pipeline, specialists=(), router=None), opinion)
    with pytest.raises(ValueError, match="no opinion"):
        explain(track, consulting, replace(opinion, refused="It was not asked.", verdict=None))
    with pytest.raises(ValueError, match="no pixels"):
        explain(replace(track, track=None), consulting, opinion)


def test_a_swapped_face_is_not_shown_to_the_specialist_but_has_tiles_to_ask_with(embed: Uploads, close_up: Path) -> None:
    embed("landmark_swap")
    swapping = load_pipeline("default", "cpu")
    analysis = examine(close_up, swapping)
    (track,), (tiles,) = analysis.evidence.tracks, analysis.tiles
    assert track.opinions[0].verdict is None
    assert "called a face swap" in track.opinions[0].refused
    predictor = swapping.specialists[0].predictor
    assert predictor is not None
    assert tiles is not None
    assert len(patch_view(predictor, tiles).boxes) == 16 * len(tiles.boxes)
    with pytest.raises(ValueError, match="takes DNA-Det"):
        patch_view(swapping.predictor, tiles)


@pytest.mark.parametrize("place", ["two faces", "a face at the edge", "a tiny picture"])
def test_pictures_that_are_hard_to_tile(consulting: Pipeline, tmp_path: Path, place: str) -> None:
    portrait = Image.open(PORTRAIT).convert("RGB")
    other = Image.open(EXAMPLES / "grace_hopper.jpg").convert("RGB")
    if place == "two faces":
        rgb = Image.new("RGB", (500, 400))
        rgb.paste(portrait.crop((140, 20, 320, 210)), (0, 0))
        rgb.paste(other.crop((80, 20, 400, 400)), (180, 0))
    elif place == "a face at the edge":
        rgb = portrait.crop((185, 60, 330, 240))
    else:
        # Smaller than the 96 px of a crop, so that every tile is scaled up; and too small to be judged.
        rgb = portrait.crop((150, 30, 300, 210)).resize((50, 60))
    path = tmp_path / "picture.png"
    rgb.save(path)
    analysis = examine(path, consulting)
    tracks = analysis.evidence.tracks
    assert len(tracks) == len(analysis.tiles) == (2 if place == "two faces" else 1)
    for track, tiles in zip(tracks, analysis.tiles, strict=True):
        assert tiles is not None
        assert tiles.pixels.shape[1:] == (96, 96, 3)
        assert track.track is not None
        assert any(box == pytest.approx(track.track.best.crop_box, abs=1e-6) for box in tiles.boxes)
        predictor = consulting.specialists[0].predictor
        assert predictor is not None
        patches = track.opinions[0].patches or patch_view(predictor, tiles)
        assert (track.opinions[0].patches is None) == (place == "a tiny picture")
        assert all(0 <= x0 < x1 <= rgb.width and 0 <= y0 < y1 <= rgb.height for x0, y0, x1, y1 in patches.boxes)
    assert Evidence.from_json(json.loads(json.dumps(analysis.evidence.to_json()))).tracks[0].opinions == tracks[0].opinions


def test_a_clip_has_opinions_and_no_tiles(consulting: Pipeline, clip_path: Path) -> None:
    analysis = examine(clip_path, consulting)
    (track,) = analysis.evidence.tracks
    (opinion,) = track.opinions
    assert analysis.tiles == (None,)
    assert opinion.verdict is not None
    assert opinion.verdict.state == "manipulated"
    assert opinion.patches is None
    assert explain(track, consulting, opinion).label == "stylegan2"


def test_no_face_no_opinion(consulting: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "sky.png"
    Image.new("RGB", (300, 200), (120, 180, 230)).save(path)
    analysis = examine(path, consulting)
    assert (analysis.evidence.tracks, analysis.tiles) == ((), ())


def test_a_damaged_specialist_does_not_stop_the_kit(embed: Uploads, close_up: Path) -> None:
    (embed("stylegan2") / "random-dna-det" / "model.safetensors").write_bytes(b"")
    crippled = load_pipeline("default", "cpu")
    analysis = examine(close_up, crippled)
    (track,) = analysis.evidence.tracks
    assert track.verdict.state == "manipulated"
    assert "could not be loaded" in track.opinions[0].refused
    assert analysis.tiles == (None,), "nobody reads patches"
    assert list(analysis.evidence.settings["specialists"]["random-dna-det"]) == ["problem"]
    assert Evidence.from_json(json.loads(json.dumps(analysis.evidence.to_json()))).tracks[0].opinions == track.opinions


@pytest.mark.parametrize(
    ("favours", "state", "agrees"),
    [("stylegan2", "manipulated", "same method"), ("landmark_swap", "inconclusive", "undecided"), ("real", "manipulated", "differs")],
)
def test_a_detector_for_generated_faces_is_routed(embed: Uploads, close_up: Path, favours: str, state: str, agrees: str) -> None:
    embed(favours)
    chosen = load_pipeline("random-dna-det", "cpu")
    analysis = examine(close_up, chosen)
    (track,) = analysis.evidence.tracks
    assert analysis.evidence.detector.name == "random-dna-det"
    assert analysis.evidence.verdict.state == track.verdict.state == state
    assert [(one.detector.name, one.agreement) for one in track.opinions] == [("random-default", agrees)]
    assert analysis.evidence.settings["mirrored"] is False
    assert list(analysis.evidence.settings["router"]) == ["random-default"]
    (tiles,) = analysis.tiles
    assert tiles is not None
    assert len(patch_view(chosen.predictor, tiles).boxes) == 16 * len(tiles.boxes)
    assert explain(track, chosen, track.opinions[0]).label == favours


def test_a_clip_of_a_detector_for_generated_faces_is_routed(embed: Uploads, clip_path: Path) -> None:
    embed("landmark_swap")
    evidence = analyse(clip_path, load_pipeline("random-dna-det", "cpu"))
    assert evidence.verdict.state == "inconclusive"
    assert any("calls this one a face swap" in reason for reason in evidence.verdict.reasons)


# Detectors of face swaps, and where they see them


@pytest.fixture
def disputing(embed: Uploads) -> Pipeline:
    """A default that finds a face swap everywhere, a CADDM beside it that finds nothing, and a DNA-Det."""
    embed("landmark_swap", "real")
    return load_pipeline("default", "cpu")


def boxes_by_hand(track: TrackEvidence, seer: Predictor) -> list[tuple[float, ...]]:
    """The detector's own boxes on the shown face, carried to the original: the crop is the square `crop_box` corner to corner."""
    face = track.shown_face
    assert face is not None
    left, top, right, _ = face.crop_box
    scale = (right - left) / face.crop.shape[0]
    (found,) = find_artifacts(seer, face.crop[None])
    return [
        (left + scale * x0, top + scale * y0, left + scale * x1, top + scale * y1, one.confidence)
        for one in found
        for x0, y0, x1, y1 in (one.box,)
    ]


def marked(track: TrackEvidence) -> list[tuple[float, ...]]:
    return [(*one.box, one.confidence) for one in track.artifacts]


def test_a_disagreement_is_inconclusive_for_the_whole_file(disputing: Pipeline, close_up: Path) -> None:
    assert [one.info.name for one in disputing.specialists] == ["random-caddm", "random-dna-det"]
    analysis = examine(close_up, disputing)
    evidence = analysis.evidence
    (track,) = evidence.tracks
    assert evidence.verdict.state == track.verdict.state == "inconclusive"
    assert evidence.verdict.reasons == track.verdict.reasons
    assert track.opinions[0].p_manipulated is not None
    assert track.verdict.reasons[0] == (
        "The detectors disagree: random-default finds the traces of a face swap (probability of a manipulation: "
        f"{percent(track.p_manipulated)}), random-caddm finds no manipulation ({percent(track.opinions[0].p_manipulated)})."
    )
    assert track.p_manipulated > 0.9, "the probabilities stay those of the chosen detector"
    assert [(one.detector.name, one.agreement) for one in track.opinions] == [("random-caddm", "differs"), ("random-dna-det", None)]
    assert "this face was called a face swap" in track.opinions[1].refused, "whom to ask was decided before"
    assert explain(track, disputing).label == "landmark_swap"
    assert explain(track, disputing, track.opinions[0]).label == "real"


def test_a_detector_that_finds_nothing_marks_nothing(disputing: Pipeline, close_up: Path) -> None:
    assert analyse(close_up, disputing).tracks[0].artifacts == ()


def test_artifacts_lie_in_the_original_picture(embed: Uploads, close_up: Path) -> None:
    embed("landmark_swap", "swapped")
    pipeline = load_pipeline("default", "cpu")
    evidence = analyse(close_up, pipeline)
    (track,) = evidence.tracks
    seer = pipeline.specialists[0].predictor
    assert seer is not None
    expected = boxes_by_hand(track, seer)
    assert expected
    assert np.array(marked(track)) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-2)
    assert {(one.detector, one.seconds) for one in track.artifacts} == {("random-caddm", 0.0)}
    media = evidence.media
    assert all(0 <= x0 < x1 <= media.width and 0 <= y0 < y1 <= media.height for x0, y0, x1, y1 in (one.box for one in track.artifacts))
    entry = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    assert [one["box"] for one in entry["tracks"][0]["artifacts"]] == [list(one.box) for one in track.artifacts]
    assert Evidence.from_json(entry).tracks[0].artifacts == track.artifacts
    settings = evidence.settings["specialists"]["random-caddm"]
    assert (settings["scope"], settings["mirrored"], settings["artifacts"]) == (
        "face_swap",
        True,
        {"min_confidence": 0.51, "nms_iou": 0.3, "slope": 1.0, "offset": 0.0},
    )
    assert evidence.settings["specialists"]["random-dna-det"]["artifacts"] is None
    assert evidence.settings["artifacts"] is None


def test_a_face_that_no_localising_detector_was_asked_about_has_no_artifacts(embed: Uploads, close_up: Path) -> None:
    embed("stylegan2", "real")
    (track,) = analyse(close_up, load_pipeline("default", "cpu")).tracks
    assert track.artifacts == ()
    assert "this face was called a GAN" in track.opinions[0].refused
    assert track.opinions[1].verdict is not None


def test_a_clip_is_marked_on_the_shown_face(embed: Uploads, clip_path: Path) -> None:
    embed("landmark_swap", "swapped")
    pipeline = load_pipeline("default", "cpu")
    evidence = analyse(clip_path, pipeline)
    (track,) = evidence.tracks
    assert (track.verdict.state, track.opinions[0].agreement) == ("manipulated", "same family")
    assert evidence.settings["specialists"]["random-caddm"]["mirrored"] is False
    seer = pipeline.specialists[0].predictor
    assert seer is not None
    assert np.array(marked(track)) == pytest.approx(np.array(boxes_by_hand(track, seer)), rel=1e-4, abs=1e-2)
    assert {one.seconds for one in track.artifacts} == {track.shown_face.seconds}  # type: ignore[union-attr]
    entry = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    assert Evidence.from_json(entry).tracks[0].artifacts == track.artifacts


def test_a_damaged_detector_of_swaps_changes_nothing_but_its_own_opinion(disputing: Pipeline, embed: Uploads, close_up: Path) -> None:
    whole = analyse(close_up, replace(disputing, specialists=disputing.specialists[1:]))
    caddm = loading.EMBEDDED_FOLDER / "random-caddm"
    (caddm / "model.safetensors").write_bytes(b"")
    crippled = analyse(close_up, load_pipeline("default", "cpu"))
    (track,), (was,) = crippled.tracks, whole.tracks
    assert "random-caddm could not be loaded, so it was not asked." in track.opinions[0].refused
    assert crippled.verdict == whole.verdict
    assert replace(track, opinions=track.opinions[1:]) == was
    assert track.artifacts == ()
    assert list(crippled.settings["specialists"]["random-caddm"]) == ["problem"]


@pytest.mark.parametrize(
    ("favours", "state", "agrees"), [("landmark_swap", "manipulated", "same family"), ("stylegan2", "inconclusive", "undecided")]
)
def test_a_chosen_detector_of_swaps_is_routed_and_marks(embed: Uploads, close_up: Path, favours: str, state: str, agrees: str) -> None:
    embed(favours, "swapped")
    pipeline = load_pipeline("random-caddm", "cpu")
    evidence = analyse(close_up, pipeline)
    (track,) = evidence.tracks
    assert evidence.verdict.state == track.verdict.state == state
    assert [(one.detector.name, one.agreement) for one in track.opinions] == [("random-default", agrees)]
    assert {one.detector for one in track.artifacts} == {"random-caddm"}
    assert np.array(marked(track)) == pytest.approx(np.array(boxes_by_hand(track, pipeline.predictor)), rel=1e-4, abs=1e-2)
    assert evidence.settings["artifacts"] == {"min_confidence": 0.51, "nms_iou": 0.3, "slope": 1.0, "offset": 0.0}
    assert (evidence.settings["scope"], evidence.settings["mirrored"]) == ("face_swap", True)
    assert list(evidence.settings["router"]) == ["random-default"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_all_detectors_are_on_the_processor(embed: Uploads) -> None:
    embed("real")
    with pytest.raises(DeviceError, match="no GPU"):
        load_pipeline("default", "cuda")
    assert {one.predictor.device for one in load_pipeline("default", "auto").specialists if one.predictor} == {"cpu"}
