"""The command line of the contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from attribution import pipeline as product
from attribution.cli import main
from attribution.detectors.loading import DEFAULT_DETECTOR, embedded
from attribution.evidence import Evidence, Unusable, read_document
from attribution.lab.bench.hub_cache import put_in_cache
from attribution.text import areas as area_text
from attribution.version import __version__
from conftest import Uploads
from foreign_detectors import COMMIT, write_timm_folder

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = ROOT / "examples" / "grace_hopper.jpg"
PORTRAITS = [str(ROOT / "examples" / name) for name in ("astronaut.png", "grace_hopper.jpg")]


@pytest.fixture
def with_detector(detector_folder: Path) -> list[str]:
    return ["--detector", str(detector_folder), "--device", "cpu"]


def test_results_of_good_files_survive_bad_ones(with_detector: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear reader", encoding="utf-8")
    json_out, html_out = tmp_path / "out.json", tmp_path / "out.html"
    files = [PORTRAITS[0], str(letter), str(tmp_path / "missing.png"), PORTRAITS[1]]
    assert main(["analyse", *files, *with_detector, "--json", str(json_out), "--report", str(html_out)]) == 2
    told = capsys.readouterr()
    assert re.findall(r"^(\S+?):", told.err, re.MULTILINE) == ["letter.jpg", "missing.png"]
    assert str(tmp_path) not in told.err
    assert [line.split(":")[0] for line in told.out.splitlines() if not line.startswith(" ")] == ["astronaut.png", "grace_hopper.jpg"]
    outcomes = read_document(json.loads(json_out.read_text(encoding="utf-8")))
    assert [type(outcome) for outcome in outcomes] == [Evidence, Unusable, Unusable, Evidence]
    page = html_out.read_text(encoding="utf-8")
    assert "astronaut.png" in page
    assert "letter.jpg" in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page), "a report needs no other file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.jpg", "out.html", "out.json"]
    if os.name == "posix":
        assert json_out.stat().st_mode & 0o077 == 0o666 & ~_umask() & 0o077


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_good_files_exit_with_0(with_detector: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", PORTRAITS[0], *with_detector]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert re.search(r"^astronaut\.png: (manipulated|no manipulation found|inconclusive)", told.out)


def test_a_bug_on_one_file_does_not_take_the_others_with_it(
    with_detector: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examine = product.examine

    def broken(path: str, pipeline: product.Pipeline) -> product.Analysis:
        if path.endswith("png"):
            raise KeyError("secret")
        return examine(path, pipeline)

    monkeypatch.setattr(product, "examine", broken)
    out = tmp_path / "out.json"
    assert main(["analyse", *PORTRAITS, *with_detector, "--json", str(out)]) == 2
    told = capsys.readouterr()
    assert "KeyError" in told.err
    assert "secret" not in told.err
    outcomes = read_document(json.loads(out.read_text(encoding="utf-8")))
    assert [type(outcome) for outcome in outcomes] == [Unusable, Evidence]


@pytest.mark.parametrize("detector", ["no-such-detector", "hf:owner/repo@main", "hf:owner/repo@" + "g" * 40])
def test_an_unknown_detector_is_one_sentence(detector: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", PORTRAITS[0], "--detector", detector]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1


def test_an_output_that_cannot_be_written_is_said_before_the_work(
    with_detector: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in ("--json", "--report"):
        for out in (tmp_path / "no" / "folder" / "out", tmp_path):
            assert main(["analyse", PORTRAITS[0], *with_detector, flag, str(out)]) == 2
            told = capsys.readouterr()
            assert "cannot be written" in told.err
            assert told.out == ""


def test_detectors_are_a_name_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detectors"]) == 0
    assert capsys.readouterr().out.splitlines() == embedded()


@pytest.mark.parametrize(
    "words", [[], ["analyse"], ["explode"], ["analyse", "a.png", "--device", "abacus"], ["analyse", "a.png", "--what"]]
)
def test_what_cannot_be_understood_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_names_that_command_the_terminal_are_made_harmless(
    with_detector: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / "a\x1b[2Jb\nc.png"
    evil.write_bytes(Path(PORTRAITS[0]).read_bytes())
    missing = tmp_path / "d\x1b]0;title\x07.png"
    assert main(["analyse", str(evil), str(missing), *with_detector]) == 2
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err
    assert "\x07" not in told.out + told.err


def test_the_lab_has_its_own_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["lab", "--help"])
    assert caught.value.code == 0
    assert "python -m attribution lab" in capsys.readouterr().out


def test_a_second_opinion_is_a_line(embed: Uploads, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed("stylegan2")
    json_out, html_out = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["analyse", PORTRAITS[0], "--device", "cpu", "--json", str(json_out), "--report", str(html_out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "astronaut.png: manipulated, StyleGAN2 (confidence 99 %)",
        "  random-dna-det: manipulated, StyleGAN2 (confidence 99 %), architecture: style-based GAN, same method",
    ]
    (outcome,) = read_document(json.loads(json_out.read_text(encoding="utf-8")))
    assert isinstance(outcome, Evidence)
    assert outcome.tracks[0].opinions[0].patches is not None
    assert "random-dna-det" in html_out.read_text(encoding="utf-8")
    assert area_text.HEATMAPS_NOT_MEASURED in html_out.read_text(encoding="utf-8"), "as the card says, which is at hand"


def test_with_several_faces_an_opinion_stands_under_its_face(embed: Uploads, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed("flux1")
    both = Image.new("RGB", (500, 400))
    for x, portrait, area in zip((0, 180), PORTRAITS, ((140, 20, 320, 210), (80, 20, 400, 400)), strict=True):
        both.paste(Image.open(portrait).convert("RGB").crop(area), (x, 0))
    both.save(tmp_path / "both.png")
    assert main(["analyse", str(tmp_path / "both.png"), "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    faces = [number for number, line in enumerate(lines) if line.startswith("  face ")]
    assert len(faces) == 2
    for number in faces:
        assert lines[number + 1].startswith("    random-dna-det: manipulated, StyleGAN2")
        assert lines[number + 1].endswith(", differs")


def test_what_was_not_asked_is_not_told(embed: Uploads, capsys: pytest.CaptureFixture[str]) -> None:
    embed("landmark_swap")
    assert main(["analyse", PORTRAITS[0], "--device", "cpu"]) == 0
    assert "random-dna-det" not in capsys.readouterr().out


def test_a_detector_for_generated_faces_tells_of_its_router(embed: Uploads, capsys: pytest.CaptureFixture[str]) -> None:
    uploads = embed("landmark_swap")
    asked = ["analyse", PORTRAITS[0], "--device", "cpu", "--detector", "random-dna-det"]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert told.startswith("astronaut.png: inconclusive\n  random-dna-det looks for wholly generated faces alone, and random-default calls")
    assert "\n  random-default: manipulated, Landmark face swap (confidence 99 %), undecided\n" in told
    (uploads / DEFAULT_DETECTOR / "model.safetensors").write_bytes(b"")
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert told.startswith("astronaut.png: manipulated, StyleGAN2")
    assert "\n  random-default could not be loaded, so it was not asked." in told


def test_a_disagreement_and_the_marked_places_are_told(embed: Uploads, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed("real", "swapped")
    out = tmp_path / "out.json"
    assert main(["analyse", PORTRAITS[0], "--device", "cpu", "--json", str(out)]) == 0
    (outcome,) = read_document(json.loads(out.read_text(encoding="utf-8")))
    assert isinstance(outcome, Evidence)
    count = len(outcome.tracks[0].artifacts)
    assert count > 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"astronaut.png: inconclusive, {count} artifact boxes by random-caddm"
    assert second == f"  {outcome.verdict.reasons[0]}"
    assert second.startswith("  The detectors disagree: random-default finds no manipulation (probability of a manipulation: ")
    assert re.fullmatch(r"  random-caddm: .*swap.*\(confidence .*9\d? ?%\), differs", third)


def test_of_several_files_and_faces_each_tells_of_its_own(embed: Uploads, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed("real", "swapped")
    both = Image.new("RGB", (500, 400))
    for x, portrait, area in zip((0, 180), PORTRAITS, ((140, 20, 320, 210), (80, 20, 400, 400)), strict=True):
        both.paste(Image.open(portrait).convert("RGB").crop(area), (x, 0))
    both.save(tmp_path / "both.png")
    (tmp_path / "letter.jpg").write_text("Dear reader", encoding="utf-8")
    files = [str(tmp_path / "both.png"), str(tmp_path / "letter.jpg"), PORTRAITS[1]]
    out = tmp_path / "out.json"
    assert main(["analyse", *files, "--device", "cpu", "--json", str(out)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "both.png: inconclusive"
    faces = [number for number, line in enumerate(lines) if line.startswith("  face ")]
    assert len(faces) == 2
    told = [line for line in lines if "The detectors disagree: random-default finds no manipulation" in line]
    assert len(told) == 4, "each file's and each face's own"
    for number in faces:
        assert re.search(r": inconclusive, \d+ artifact boxes by random-caddm$", lines[number])
        assert lines[number + 1].startswith("    The detectors disagree")
        assert re.fullmatch(r"    random-caddm: manipulated, Face swap or pasted part \(confidence 9\d %\), differs", lines[number + 2])
    assert re.fullmatch(r"grace_hopper\.jpg: inconclusive, \d+ artifact boxes by random-caddm", lines[-3])
    outcomes = read_document(json.loads(out.read_text(encoding="utf-8")))
    assert [type(outcome) for outcome in outcomes] == [Evidence, Unusable, Evidence]
    assert all(track.artifacts for outcome in outcomes if isinstance(outcome, Evidence) for track in outcome.tracks)


def test_boxes_are_counted(embed: Uploads, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card_file, out = embed("stylegan2", "swapped") / "random-caddm" / "card.json", tmp_path / "out.json"
    card = json.loads(card_file.read_text(encoding="utf-8"))
    asked = ["analyse", PORTRAITS[0], "--device", "cpu", "--detector", "random-caddm", "--json", str(out)]
    assert main(asked) == 0
    (outcome,) = read_document(json.loads(out.read_text(encoding="utf-8")))
    assert isinstance(outcome, Evidence)
    first, second = (one.confidence for one in outcome.tracks[0].artifacts[:2])
    capsys.readouterr()
    for least, told in (((first + second) / 2, ", 1 artifact box by random-caddm"), (0.99, "")):
        card_file.write_text(json.dumps({**card, "artifacts": {"min_confidence": least}}), encoding="utf-8")
        assert main(asked) == 0
        assert capsys.readouterr().out.splitlines()[0] == f"astronaut.png: inconclusive{told}"


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "attribution", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, f"Telltale {__version__}")


# Detectors of others, and two at a time


def test_labels_that_tell_nothing_are_asked_for_and_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_timm_folder(tmp_path / "somebodys-vit", ("LABEL_0", "LABEL_1"))
    asked = ["analyse", str(PORTRAIT), "--detector", str(folder)]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "LABEL_0, LABEL_1" in said
    assert "--labels LABEL=MEANING" in said
    out = tmp_path / "result.json"
    assert main([*asked, "--labels", "LABEL_0=real,LABEL_1=manipulated", "--sees", "face", "--json", str(out)]) == 0
    (entry,) = json.loads(out.read_text(encoding="utf-8"))["files"]
    assert entry["detector"]["families"] == ["real", "unknown"]
    assert entry["detector"]["measured"] is False
    assert entry["tracks"][0]["view"] == "face"


@pytest.mark.parametrize("labels", ["LABEL_0", "LABEL_0=green"])
def test_a_flag_that_says_nothing_is_refused_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: str) -> None:
    assert main(["analyse", str(PORTRAIT), "--labels", labels]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_second_detector_beside_the_first(detector_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = write_timm_folder(tmp_path / "somebodys-vit")
    out, report = tmp_path / "result.json", tmp_path / "report.html"
    arguments = ["--detector", str(detector_folder), "--beside", str(beside), "--json", str(out), "--report", str(report)]
    assert main(["analyse", str(PORTRAIT), *arguments]) == 0
    assert "somebodys-vit: " in capsys.readouterr().out
    (entry,) = json.loads(out.read_text(encoding="utf-8"))["files"]
    opinion = entry["tracks"][0]["opinions"][0]
    assert (opinion["detector"]["name"], opinion["view"], opinion["refused"]) == ("somebodys-vit", "picture", "")
    assert "face" not in opinion
    assert "somebodys-vit" in report.read_text(encoding="utf-8")


def test_everything_there_is_can_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], detector_folder: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    put_in_cache(tmp_path / "hub", "owner/repo", detector_folder, COMMIT)
    assert main(["detectors", "--all"]) == 0
    said = capsys.readouterr().out
    assert f"hf:owner/repo@{COMMIT}\n  cached, " in said
    assert "not measured by Telltale" in said
    assert all(name in said for name in embedded())
