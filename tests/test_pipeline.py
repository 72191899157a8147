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
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from attribution.errors import DamagedDetector, DeviceError, EmptyMedia, MissingMedia, UnknownDetector, UnsupportedMedia
from attribution.evidence import Evidence
from attribution.pipeline import Analysis, Kit, analyse, examine, explain, load_kit, shown_face
from make_media import write_clip
from test_weights import mend_card

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PORTRAIT = EXAMPLES / "astronaut.png"


@pytest.fixture(scope="module")
def portrait(kit: Kit) -> Analysis:
    return examine(PORTRAIT, kit)


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the portrait moving sideways."""
    rgb = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    pictures = [np.ascontiguousarray(np.roll(rgb, 4 * i, axis=1)[:480, :480]) for i in range(10)]
    return write_clip(tmp_path_factory.mktemp("clips") / "moving.mp4", 10, (480, 480), fps=5, pictures=pictures)


@pytest.fixture(scope="module")
def clip(kit: Kit, clip_path: Path) -> Analysis:
    return examine(clip_path, kit)


def test_a_picture(portrait: Analysis, kit: Kit) -> None:
    evidence = portrait.evidence
    assert evidence.media.name == "astronaut.png"
    assert evidence.media.sha256 == hashlib.sha256(PORTRAIT.read_bytes()).hexdigest()
    assert evidence.detector == kit.examiner.info
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


def test_a_picture_is_read_with_its_mirror_image(portrait: Analysis, kit: Kit) -> None:
    track = portrait.evidence.tracks[0]
    assert track.track is not None
    assert track.reading is not None
    expected = kit.examiner.read(track.track.faces[0].crop[None], mirrored=True)
    assert track.reading.logits == pytest.approx(expected.logits, abs=1e-4)
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


def test_the_same_file_gives_the_same_answer(portrait: Analysis, kit: Kit) -> None:
    again = analyse(PORTRAIT, kit)
    assert replace(again, created_utc="") == replace(portrait.evidence, created_utc="")


def test_no_face_is_inconclusive(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "sky.png"
    Image.new("RGB", (300, 200), (120, 180, 230)).save(path)
    evidence = analyse(path, kit)
    assert evidence.verdict.state == "inconclusive"
    assert evidence.tracks == ()
    assert sum("No face was found" in reason for reason in evidence.verdict.reasons) == 1
    assert explain(evidence, kit) == []


def test_progress_tells_what_happens(kit: Kit, clip_path: Path) -> None:
    told: list[tuple[float, str]] = []
    analyse(clip_path, kit, lambda share, doing: told.append((share, doing)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert "Looking for faces in 10 frames" in [doing for _, doing in told]


class Left(Exception):
    """The reader has left."""


def test_whoever_raises_in_progress_ends_the_work(kit: Kit) -> None:
    told: list[str] = []

    def leave(share: float, doing: str) -> None:
        told.append(doing)
        if share > 0:
            raise Left

    with pytest.raises(Left):
        analyse(PORTRAIT, kit, leave)
    assert told[-1] == "Looking for faces"


def test_another_name_replaces_that_of_the_file(kit: Kit) -> None:
    assert analyse(PORTRAIT, kit, name="upload.png").media.name == "upload.png"


def test_unusable_files_are_typed_errors(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(MissingMedia):
        analyse(tmp_path / "none.png", kit)
    path = tmp_path / "file.jpg"
    path.write_bytes(b"")
    with pytest.raises(EmptyMedia):
        analyse(path, kit)
    path.write_bytes(b"This is a letter, not a picture.")
    with pytest.raises(UnsupportedMedia):
        analyse(path, kit)


def test_explanations_belong_to_the_shown_faces(clip: Analysis, kit: Kit) -> None:
    (heatmap,) = explain(clip.evidence, kit)
    (track,) = clip.evidence.tracks
    assert heatmap.label in clip.evidence.detector.labels
    assert heatmap.values.shape == (96, 96)
    assert track.worst is not None
    assert track.worst.first_seconds <= shown_face(track).seconds <= track.worst.last_seconds


def test_evidence_without_pixels_cannot_be_explained(portrait: Analysis, kit: Kit) -> None:
    read = Evidence.from_json(json.loads(json.dumps(portrait.evidence.to_json())))
    with pytest.raises(ValueError, match="no pixels"):
        explain(read, kit)
    with pytest.raises(ValueError, match="no faces"):
        shown_face(read.tracks[0])


def test_kits_that_cannot_be(detector_folder: Path) -> None:
    with pytest.raises(UnknownDetector):
        load_kit("no-such-detector", "cpu")
    with pytest.raises(DeviceError):
        load_kit(str(detector_folder), "abacus")


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
        load_kit(str(own_detector), "cpu")
