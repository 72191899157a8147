"""The files with known right answers: their makers, the manifest, the summary, and the page of what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attribution.errors import LabError
from attribution.lab.cases import summary
from attribution.lab.cases.faces import Faces
from attribution.lab.cases.suite import KINDS, MANIFEST, make_case, write_suite
from attribution.lab.cli import main
from attribution.media import open_media
from lab_faces import make_faces


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Faces(None, choose=(0, 1))


def kind(name: str) -> Any:
    return next(one for one in KINDS if one.name == name)


@pytest.mark.parametrize("name", ["soft", "halftone", "drawn", "screen", "group", "post", "moved", "grown", "still", "swapped trimmed"])
def test_the_same_seed_gives_the_same_readable_file_with_the_face_in_it(name: str, faces: Faces, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    case = make_case(kind(name), 0, tmp_path / "one", faces)
    assert make_case(kind(name), 0, tmp_path / "two", faces) == case
    other = make_case(kind(name), kind(name).turns, tmp_path / "one", faces)
    assert other.sha256 != case.sha256
    with open_media(tmp_path / "one" / case.file) as opened:
        frame = opened.frames[-1].rgb
        assert min(frame.shape[:2]) >= 64
        if name in ("group", "post", "moved", "grown", "still", "swapped trimmed"):
            assert faces.finder.find([frame])[0]


def test_a_swapped_head_differs_within_its_crop_alone(faces: Faces) -> None:
    for untouched, forged in faces.pairs:
        changed = (untouched.rgb != forged.rgb).any(2)
        assert changed[forged.window].mean() > 0.02
        changed[forged.window] = False
        assert not changed.any()


def test_a_clip_that_grows_shows_first_small_and_untouched_then_large_and_swapped(faces: Faces, tmp_path: Path) -> None:
    for number, suffix in ((0, ".mkv"), (1, ".ts")):
        case = make_case(kind("grown"), number, tmp_path, faces)
        assert case.file.endswith(suffix)
        with open_media(tmp_path / case.file) as opened:
            widths = [round(frame.density * opened.media.width) for frame in opened.frames]
            assert widths[0] < widths[-1]
            assert sorted(widths) == widths
            assert len(widths) == 16
            assert max(frame.seconds for frame in opened.frames) == pytest.approx(3.75, abs=0.1)


def test_an_animation_starts_untouched_and_becomes_swapped(faces: Faces, tmp_path: Path) -> None:
    for number, suffix in ((1, ".webp"), (2, ".png")):
        case = make_case(kind("animated"), number, tmp_path, faces)
        assert case.file.endswith(suffix)
        with open_media(tmp_path / case.file) as opened:
            # Two frames that are the same are written as one.
            assert 8 <= len(opened.frames) <= 13
            assert opened.frames[-1].seconds >= 2


def test_a_turned_file_is_the_upright_one_turned(faces: Faces, tmp_path: Path) -> None:
    cases = [make_case(kind("turned"), number, tmp_path, faces) for number in range(4)]
    upright, *turned = (np.asarray(Image.open(tmp_path / case.file)) for case in cases)
    assert [case.like for case in cases] == ["", *[cases[0].file] * 3]
    for quarters, rgb in enumerate(turned, 1):
        assert np.array_equal(np.rot90(upright, quarters), rgb)


def test_patterns_without_a_face_take_the_finder_in(faces: Faces, tmp_path: Path) -> None:
    for name in ("blobs", "textures", "mirrors"):
        case = make_case(kind(name), 0, tmp_path, faces)
        assert case.allowed == ("inconclusive",)
        assert faces.finder.find([np.array(Image.open(tmp_path / case.file).convert("RGB"))])[0], name


def test_a_suite_has_a_manifest_of_what_is_right_and_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [replace(kind(name), without_data=1) for name in ("photographs", "swapped")]
    cases = write_suite(tmp_path / "suite", None, kinds)
    manifest = json.loads((tmp_path / "suite" / MANIFEST).read_text())
    assert [(one["file"], one["allowed"]) for one in manifest["cases"]] == [(one.file, list(one.allowed)) for one in cases]
    assert sorted(path.name for path in (tmp_path / "suite/files").iterdir()) == sorted(one.file for one in cases)
    assert not manifest["labelled_faces"]
    assert "only the two portraits" in capsys.readouterr().out
    with pytest.raises(LabError, match="files in suite already"):
        write_suite(tmp_path / "suite", None, kinds)


def test_labelled_faces_are_those_of_the_split_test_alone(tmp_path: Path) -> None:
    faces, rng = Faces((make_faces(tmp_path),), choose=(0, 1, 2)), np.random.default_rng(0)
    crops = {np.array(Image.open(path)).tobytes() for path in (tmp_path / "test").rglob("*.jpg")}
    drawn = [faces.genuine(rng).crop for _ in range(20)]
    from_data = [crop for crop in drawn if crop.shape == (224, 224, 3) and crop.tobytes() in crops]
    assert 12 <= len(from_data) < 20, "the others are cut from the portraits"
    assert len(faces.pairs) == 3


CASES = [
    {"file": "a.jpg", "kind": "ordinary", "shows": "untouched", "allowed": ["inconclusive", "no_manipulation_found"], "like": ""},
    {"file": "b.mp4", "kind": "long", "shows": "swapped", "allowed": ["inconclusive", "manipulated"], "like": ""},
    {"file": "c.png", "kind": "turned", "shows": "untouched", "allowed": ["inconclusive", "no_manipulation_found"], "like": ""},
    {"file": "d.png", "kind": "turned", "shows": "untouched", "allowed": ["inconclusive", "no_manipulation_found"], "like": "c.png"},
]


def run_of(path: Path, *states: str) -> Path:
    """A document in which each of CASES has a state; `unusable` is an error, and `no face` inconclusive without a track."""
    detector, entries = {"name": "test-net", "weights_sha256": "ab" * 32}, []
    for case, state in zip(CASES, states, strict=True):
        entry: dict[str, Any] = {"media": {"name": case["file"], "sha256": f"hash of {case['file']}"}, "detector": detector, "tracks": [{}]}
        entry["verdict"] = {"state": state}
        if state == "no face":
            entry |= {"verdict": {"state": "inconclusive"}, "tracks": []}
        entries.append({"media": {"name": case["file"]}, "error": "It is empty."} if state == "unusable" else entry)
    path.write_text(json.dumps({"files": entries}))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases = [{**case, "sha256": f"hash of {case['file']}", "seed": [1, 2, 3]} for case in CASES]
    (tmp_path / MANIFEST).write_text(json.dumps({"seed": 1, "labelled_faces": False, "cases": cases}))
    return tmp_path


def test_the_summary_counts_by_kind_what_two_versions_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run_of(folder / "before.json", "manipulated", "no_manipulation_found", "inconclusive", "no face")
    after = run_of(folder / "after.json", "no_manipulation_found", "manipulated", "inconclusive", "unusable")
    assert main(["cases", "table", str(folder), f"before={before}", f"after={after}"]) == 0
    printed = capsys.readouterr().out
    assert "| ordinary (untouched) | 1 | 1 → 1 | 1 → 0 | – | 1 → 1 | 0 → 1 |" in printed
    assert "| long (swapped) | 1 | 1 → 1 | – | 1 → 0 | 1 → 1 | 0 → 1 |" in printed
    assert "| turned (untouched) | 2 | 1 → 1 | 0 → 0 | – | 0 → 0 | 1 → 1 |" in printed
    assert "not right, after: d.png (unusable)" in printed


def test_results_of_other_files_or_of_too_few_are_refused(folder: Path) -> None:
    run = run_of(folder / "a.json", *["inconclusive"] * 4)
    run.write_text(run.read_text().replace("hash of b.mp4", "another hash"))
    with pytest.raises(LabError, match=r"does not tell of b\.mp4"):
        summary.collect(folder, [("a", run)])
    run.write_text(json.dumps({"files": []}))
    with pytest.raises(LabError, match=r"does not tell of a\.jpg"):
        summary.collect(folder, [("a", run)])
    with pytest.raises(LabError, match="cannot be read"):
        summary.collect(folder, [("a", folder / "missing.json")])


def test_the_page_is_what_the_results_say_and_they_are_of_every_kind() -> None:
    results = json.loads(summary.RESULTS.read_text(encoding="utf-8"))
    assert summary.DOCUMENT.read_text(encoding="utf-8") == summary.markdown(results)
    counts = [kind.count if results["labelled_faces"] else kind.without_data for kind in KINDS]
    assert [sum(row["kind"] == one.name for row in results["cases"]) for one in KINDS] == counts
