"""The command line of the contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attribution import pipeline as product
from attribution.cli import _summary, main
from attribution.detectors.loading import DEFAULT_DETECTOR, embedded
from attribution.evidence import Evidence, Opinion, Unusable, Verdict, read_document
from attribution.lab.bench.benchmark import put_in_cache
from attribution.version import __version__
from conftest import Embed
from foreign_detectors import COMMIT, write_timm_folder
from samples import MANIPULATED, NONE_FOUND, REFUSED, SPECIALIST, answered_together, artifact, disputed, opinion, picture, track

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
    assert main(["analyse", *files, *with_detector, "--json", str(json_out), "--report", str(html_out), "--lang", "ar"]) == 2
    told = capsys.readouterr()
    assert re.findall(r"^(\S+?):", told.err, re.MULTILINE) == ["letter.jpg", "missing.png"]
    assert str(tmp_path) not in told.err
    assert [line.split(":")[0] for line in told.out.splitlines() if not line.startswith(" ")] == ["astronaut.png", "grace_hopper.jpg"]
    outcomes = read_document(json.loads(json_out.read_text(encoding="utf-8")))
    assert [type(outcome) for outcome in outcomes] == [Evidence, Unusable, Unusable, Evidence]
    page = html_out.read_text(encoding="utf-8")
    assert "astronaut.png" in page
    assert "letter.jpg" in page
    assert '<html lang="ar" dir="rtl">' in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page), "a report needs no other file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.jpg", "out.html", "out.json"]
    if os.name == "posix":
        assert json_out.stat().st_mode & 0o077 == 0o666 & ~_umask() & 0o077


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


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


@pytest.mark.parametrize(
    "words",
    [("--detector", "no-such-detector"), ("--detector", "hf:owner/repo@main"), ("--labels", "LABEL_0"), ("--labels", "LABEL_0=green")],
)
def test_an_unknown_detector_or_meaning_is_one_sentence(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", PORTRAITS[0], *words]) == 2
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


def test_a_detector_may_be_called_by_an_earlier_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert main(["analyse", PORTRAITS[0], "--beside", "telltale-caddm", "--device", "cpu", "--json", str(out)]) == 0
    assert "telltale-caddm" not in capsys.readouterr().out
    (evidence,) = read_document(json.loads(out.read_text(encoding="utf-8")))
    assert isinstance(evidence, Evidence)
    assert evidence.tracks[0].opinions[0].detector.name == "telltale-swap"


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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--help"], "usage: python -m attribution [-h] [--version] COMMAND"),
        (["analyse", "--help"], "--beside-labels LABEL=MEANING,…"),
        (["detectors", "--help"], "--all"),
        (["lab", "--help"], "python -m attribution lab"),
    ],
)
def test_help(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    assert told in capsys.readouterr().out


SURE = Verdict("manipulated", "stylegan2", "gan", 0.995)
BOXES = (artifact(0.1, 0.1, 0.5, 0.5), artifact(0.2, 0.2, 0.6, 0.6, 0.8))
OPINION_LINE = "telltale-dna-det: manipulated, StyleGAN2 (confidence 97 %), architecture: style-based GAN, same method"


def test_a_common_answer_and_what_each_says_alone() -> None:
    assert _summary(picture(MANIPULATED, tracks=(answered_together(),))).splitlines() == [
        "photo.jpg: manipulated, Landmark face swap (confidence 93 %)",
        "  The traces are those of a warped face.",
        "  This is what these detectors say together: test-net and telltale-swap.",
        "  test-net alone: manipulated, Landmark face swap (confidence 93 %), same method",
        "  telltale-swap alone: no manipulation found (confidence 90 %), differs",
    ]


@pytest.mark.parametrize(
    ("evidence", "with_refusals", "lines"),
    [
        (picture(NONE_FOUND), False, ["photo.jpg: no manipulation found (confidence 90 %)", "  Nothing that it knows was found."]),
        (
            picture(verdict=SURE, tracks=(track(verdict=SURE, opinions=(opinion(),)),)),
            False,
            ["photo.jpg: manipulated, StyleGAN2 (confidence 99 %)", f"  {OPINION_LINE}"],
        ),
        (
            picture(verdict=SURE, tracks=(track(verdict=SURE, opinions=(Opinion(SPECIALIST, REFUSED),), artifacts=BOXES[:1]),)),
            True,
            ["photo.jpg: manipulated, StyleGAN2 (confidence 99 %), 1 artifact box by telltale-swap", f"  {REFUSED}"],
        ),
        (
            picture(verdict=disputed().verdict, tracks=(disputed(), replace(disputed(number=1), artifacts=BOXES))),
            False,
            [
                "photo.jpg: inconclusive",
                "  The detectors disagree: test-net and telltale-swap.",
                "  It looks like a face swap.",
                "  face 1 of 2, at (40, 30): inconclusive",
                "    The detectors disagree: test-net and telltale-swap.",
                "    telltale-swap: no manipulation found (confidence 90 %), differs",
                "  face 2 of 2, at (140, 30): inconclusive, 2 artifact boxes by telltale-swap",
                "    The detectors disagree: test-net and telltale-swap.",
                "    telltale-swap: no manipulation found (confidence 90 %), differs",
            ],
        ),
    ],
)
def test_a_file_in_a_few_lines(evidence: Evidence, with_refusals: bool, lines: list[str]) -> None:
    assert _summary(evidence, with_refusals).splitlines() == lines


def test_a_detector_for_generated_faces_tells_of_its_router(embed: Embed, capsys: pytest.CaptureFixture[str]) -> None:
    uploads = embed("landmark_swap")
    (uploads / DEFAULT_DETECTOR / "model.safetensors").write_bytes(b"")
    assert main(["analyse", PORTRAITS[0], "--device", "cpu", "--detector", "random-dna-det"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("astronaut.png: manipulated, StyleGAN2")
    assert "\n  random-default could not be loaded, so it was not asked." in told


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
