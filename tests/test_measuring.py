"""`python -m attribution measure`: an embedded detector measured on copies of the examples, what it then answers, and what is refused."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from app_server import ROOT, start, stop
from attribution.cli import main
from attribution.detectors import here
from attribution.detectors.card import NEVER_ABOVE, NEVER_BELOW
from attribution.detectors.here import LocalCard
from attribution.detectors.loading import LoadedDetector, load
from attribution.detectors.spec import DetectorSpec
from attribution.errors import RefusedLimits
from attribution.evidence import Evidence, read_document
from attribution.measuring import run
from attribution.pipeline import load_pipeline
from attribution.text import measuring as text
from attribution.web.engine import Engine
from attribution.web.events import Events
from attribution.web.measuring import Measuring, is_owner
from attribution.web.uploads import Uploads
from browser import Reader
from foreign_detectors import write_timm_folder
from measuring_files import MANIPULATED, REAL, write_copies

DETECTOR, OF_A_KIND, READ_BEFORE = "telltale-mobilenetv2", 60, 7
ASK = ["measure", "--detector", DETECTOR, "--device", "cpu"]


class Measured(NamedTuple):
    files: Path
    home: Path
    card: Path
    told: str
    read_again: int
    """Files that the measurement read after one that was stopped."""


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """A real measurement that was stopped after some files, and then went on; read it, do not change it."""
    parent = tmp_path_factory.mktemp("measuring")
    files, card = parent / "files", parent / "card.json"
    write_copies(files / "real", OF_A_KIND, REAL, 1)
    write_copies(files / "manipulated", OF_A_KIND, MANIPULATED, 2)
    (files / "real" / "letter.jpg").write_text("Dear reader", encoding="utf-8")
    shutil.copy(files / "real" / "astronaut" / "0.jpg", files / "real" / "astronaut" / "again.jpg")
    (files / "notes.txt").write_text("beside the sub-folders", encoding="utf-8")

    def stop_early(_share: float, doing: str) -> None:
        if doing.startswith(f"{READ_BEFORE} of"):
            raise Stopped

    examine, read = run.examine, []

    def counted(path: Path, pipeline: Any) -> Any:
        read.append(path)
        return examine(path, pipeline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(parent / "home"))
        pipeline = load_pipeline(DETECTOR, "cpu", as_measured_here=False)
        with pytest.raises(Stopped):
            run.measure(files, pipeline, progress=stop_early)
        patch.setattr(run, "examine", counted)
        told: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: told.append(str(words[0])))
        assert main([*ASK, str(files), "--out", str(card)]) == 0
    return Measured(files, parent / "home", card, "\n".join(told), len(read))


@pytest.fixture
def at_home(measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own that holds what was measured."""
    home = tmp_path / "home"
    shutil.copytree(measured.home, home)
    monkeypatch.setenv("HF_HOME", str(home))
    return home


def a_card(detector: LoadedDetector, together: bool = False, **changes: Any) -> LocalCard:
    """Limits of that detector, as if 412 files had been measured."""
    made: dict[str, Any] = {
        "name": detector.name, "weights_sha256": detector.weights_sha256, "version": "0", "date": "2026-12-01",
        "preparation_sha256": here.preparation_sha256(detector, together), "code_sha256": here.code_sha256(), "files": ("0 real a",),
        "untouched": 206, "manipulated": 206, "left_out": {}, "wish": 0.05, "above": 0.75, "below": 0.25, "temperature": 2.0,
        "ece_before": 0.1, "ece_after": 0.02, "auc": (0.9, 0.87, 0.93), "accused": 0.02, "found": 0.6, "passed": 0.02, "cleared": 0.5,
    }  # fmt: skip
    return LocalCard(**(made | changes))


def test_a_stopped_measurement_goes_on_where_it_was(measured: Measured) -> None:
    # The letter cannot be read, and is tried again.
    assert measured.read_again == 2 * OF_A_KIND + 1 - READ_BEFORE


def test_the_card_says_what_was_measured(measured: Measured) -> None:
    local = LocalCard.from_json(json.loads(measured.card.read_text(encoding="utf-8")))
    assert (local.untouched, local.manipulated) == (OF_A_KIND, OF_A_KIND)
    assert local.left_out == {"unreadable": 1, "repeated": 1, "loose": 1}
    assert len(local.files) == 2 * OF_A_KIND + 1
    assert local.auc[0] > 0.95
    assert local.above is not None
    assert local.below is not None
    # Of 60 files none may be wrong for a bound of 5 %.
    assert (local.accused, local.passed, local.temperature) == (0, 0, None)
    assert local.found > 0.8
    by_group = local.tables[0]
    assert [row[0] for row in by_group.rows] == [
        "real/astronaut", "real/grace_hopper", "manipulated/autoencoder_swap", "manipulated/mouth_swap",
    ]  # fmt: skip
    for sentence in (
        "Measured here on 120 files of yours (60 untouched, 60 manipulated)", "5 % of untouched files at most would be accused (95 % sure)",
        "Its probabilities were not calibrated on your files: that takes 100 of each kind.",
        "1 file could not be read and was left out.", "letter.jpg: ",
        "1 file was there twice in one group and was counted once.", "1 file lies beside the sub-folders",
    ):  # fmt: skip
        assert sentence in measured.told


def test_nothing_of_a_file_is_kept_but_its_hash_and_numbers(measured: Measured) -> None:
    (readings,) = (measured.home / "telltale" / "readings").iterdir()
    lines = [json.loads(line) for line in readings.read_text(encoding="utf-8").splitlines() if line]
    assert len(lines) == 2 * OF_A_KIND
    assert {key for line in lines for key in line} == {"sha256", "clip", "faces"}
    assert sorted(path.suffix for path in measured.home.rglob("*") if path.is_file()) == [".json", ".jsonl"]


def test_from_then_on_the_detector_answers_with_these_limits(
    measured: Measured, at_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = here.read(measured.card)
    card = load_pipeline(DETECTOR, "cpu").predictor.card
    assert (card.thresholds.p_manipulated_above, card.thresholds.p_manipulated_below) == (local.above, local.below)
    out, file = tmp_path / "out.json", measured.files / "manipulated" / "autoencoder_swap" / "1.jpg"
    assert main(["analyse", str(file), "--detector", DETECTOR, "--device", "cpu", "--json", str(out)]) == 0
    (evidence,) = read_document(json.loads(out.read_text(encoding="utf-8")))
    assert isinstance(evidence, Evidence)
    assert evidence.verdict.state == "manipulated"
    assert (evidence.detector.measured_here, evidence.detector.measured_here_on) == (120, local.date)
    assert f"Its thresholds were measured here on 120 files of yours, {local.date}" in capsys.readouterr().out
    assert main([*ASK, "--forget"]) == 0
    assert load_pipeline(DETECTOR, "cpu").predictor.info.measured_here == 0
    assert main([*ASK, "--forget"]) == 0
    assert "was not measured here" in capsys.readouterr().out


def test_a_stricter_wish_needs_no_second_reading_and_may_rule_states_out(
    measured: Measured, at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = measured.files / "real" / "letter.jpg"
    monkeypatch.setattr(run, "_read", lambda item, _: pytest.fail("read again") if item.path != letter else "no_face")
    assert main([*ASK, str(measured.files), "--false-alarms", "0.01"]) == 0
    told = capsys.readouterr().out
    assert "It never calls a face manipulated: on your 60 untouched files false alarms could not be held to 1 % (95 % sure)." in told
    assert "It never finds no manipulation" in told
    assert "A bound of 1 % takes at least 299 files of each kind" in told
    assert main(["analyse", str(measured.files / "manipulated" / "autoencoder_swap" / "1.jpg"), "--detector", DETECTOR]) == 0
    assert re.search(r"inconclusive\n.*No answer is definite: on the files that the detector was measured on", capsys.readouterr().out)


def test_a_card_goes_to_another_machine_and_back(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    assert main(ASK) == 2
    assert "was not measured here" in capsys.readouterr().err
    assert main([*ASK, "--import", str(measured.card), "--export", str(tmp_path / "back.json")]) == 0
    assert json.loads((tmp_path / "back.json").read_text(encoding="utf-8")) == json.loads(measured.card.read_text(encoding="utf-8"))
    assert main(ASK) == 0
    assert "Measured here on 120 files" in capsys.readouterr().out


def test_a_card_is_refused_when_any_hash_differs(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))

    def refusal(card: Path, *ask: str) -> str:
        assert main([*ASK, "--import", str(card), *ask]) == 2
        return capsys.readouterr().err

    assert "other weights than those of telltale-swap" in refusal(measured.card, "--detector", "telltale-swap")
    altered = tmp_path / "altered.json"
    altered.write_text(measured.card.read_text(encoding="utf-8").replace('"above": 0.', '"above": 0.0'), encoding="utf-8")
    assert "it was changed after it was written" in refusal(altered)
    altered.write_text("[]", encoding="utf-8")
    assert "This is no file of measured limits" in refusal(altered)
    assert "This is no file of measured limits" in refusal(tmp_path / "missing.json")
    monkeypatch.setattr(here, "code_sha256", lambda: "0" * 64)
    assert "another version of Telltale’s code (0.1.0). Measure the detector again." in refusal(measured.card)


def test_a_kept_card_that_does_not_fit_any_more_is_not_used_and_that_is_said(
    measured: Measured, at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(here, "code_sha256", lambda: "0" * 64)
    assert main(["analyse", str(measured.files / "real" / "astronaut" / "0.jpg"), "--detector", DETECTOR]) == 0
    told = capsys.readouterr()
    assert "The limits that were measured here are not used. They were measured with another version" in told.err
    assert "measured here on" not in told.out
    detector = load_pipeline(DETECTOR, "cpu").predictor
    assert detector.info.measured_here == 0
    assert detector.card.thresholds == load(DETECTOR).card.thresholds


def test_a_detector_of_others_is_measured_then_and_says_so_instead_of_that_it_is_not(tmp_path: Path) -> None:
    folder = write_timm_folder(tmp_path / "eye", ("real", "fake"))
    detector = load(DetectorSpec(str(folder)))
    limited = here.limited(detector, a_card(detector), together=False)
    assert limited.card.calibration.temperature == 2
    assert limited.info.measured
    assert "Telltale has never measured this detector" not in " ".join(limited.info.limits)
    assert limited.info.limits[0] == "Measured here on 412 files of yours (206 untouched, 206 manipulated), 2026-12-01: AUC 0.900."
    uncalibrated = here.limited(detector, a_card(detector, temperature=None), together=False)
    assert (uncalibrated.info.measured, uncalibrated.info.measured_here) == (False, 412)
    with pytest.raises(RefusedLimits, match="prepared otherwise"):
        here.limited(load(DetectorSpec(str(folder), view="face")), a_card(detector), together=False)


def test_thresholds_that_cannot_be_held_are_never_reached(loaded_detector: LoadedDetector) -> None:
    rule = here.limited(loaded_detector, a_card(loaded_detector, above=None, below=None), together=False).card.thresholds
    assert (rule.p_manipulated_above, rule.p_manipulated_below) == (NEVER_ABOVE, NEVER_BELOW)


def test_a_common_answer_is_measured_as_one(tmp_path: Path) -> None:
    detector = load("default")
    own, rule = detector.card.combination, here.limited(detector, a_card(detector, together=True), together=True).card.combination
    assert own is not None
    assert rule is not None
    assert np.allclose(np.array(own.manipulated) / 2, rule.manipulated)
    assert rule.families == own.families
    assert (rule.thresholds.p_manipulated_above, rule.thresholds.p_manipulated_below) == (0.75, 0.25)
    # Where its experts are missing it answers alone, as it was not measured.
    with pytest.raises(RefusedLimits, match="prepared otherwise"):
        here.limited(detector, a_card(detector, together=True), together=False)


def test_a_network_with_other_limits_still_beats_once(loaded_detector: LoadedDetector) -> None:
    before = [len(layer._forward_pre_hooks) for layer in loaded_detector.model.modules()]
    here.limited(loaded_detector, a_card(loaded_detector), together=False)
    assert [len(layer._forward_pre_hooks) for layer in loaded_detector.model.modules()] == before


@pytest.mark.parametrize("wish", ["0", "0.6", "nan"])
def test_a_wish_that_is_none_is_refused(wish: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, str(tmp_path), "--false-alarms", wish]) == 2
    assert "between 0.1 % and 50 %" in capsys.readouterr().err


def test_a_line_that_was_cut_off_is_read_again(at_home: Path) -> None:
    (readings,) = (at_home / "telltale" / "readings").iterdir()
    whole = readings.read_text(encoding="utf-8").rstrip()
    readings.write_text(whole[:-20], encoding="utf-8")
    digests = load(DETECTOR).weights_sha256, here.preparation_sha256(load(DETECTOR), together=False)
    kept = run._Kept.of(*digests)
    assert len(kept.found) == 2 * OF_A_KIND - 1
    kept.add("f" * 64, "no_face")
    assert run._Kept.of(*digests).found["f" * 64] == "no_face"
    assert len(run._Kept.of(*digests).found) == 2 * OF_A_KIND


def test_limits_are_read_back_as_they_were(loaded_detector: LoadedDetector) -> None:
    local = a_card(loaded_detector)
    assert LocalCard.from_json(json.loads(json.dumps(local.to_json()))) == local
    with pytest.raises(RefusedLimits):
        LocalCard.from_json(replace(local, above=0.9).to_json() | {"sha256": local.to_json()["sha256"]})


def a_request(client: str = "127.0.0.1", **headers: str) -> Any:
    return SimpleNamespace(session_hash="page", client=SimpleNamespace(host=client), headers={"host": "127.0.0.1:7860", **headers})


def test_only_whoever_sits_at_the_machine_may_name_its_folders() -> None:
    assert is_owner(a_request())
    assert is_owner(a_request("::1", host="localhost:7860"))
    strangers: tuple[Any, ...] = (
        a_request("192.168.1.7"), a_request(host="rebound.example"), a_request(**{"x-forwarded-for": "10.0.0.1"}), a_request("nonsense"),
        SimpleNamespace(session_hash="page"),
    )  # fmt: skip
    assert not any(is_owner(one) for one in strangers)


def test_a_stranger_and_a_missing_folder_get_a_sentence(tmp_path: Path, predictor: Any) -> None:
    events = Events(Uploads(tmp_path), Engine(str(predictor.detector.folder), "cpu"), [])
    measuring = Measuring(events.sessions, events.engines)

    def said(source: str, request: Any) -> str:
        *_, (status, _) = measuring.start(source, 5, request)
        return str(status["value"])

    assert text.OWNER_ONLY in said(str(tmp_path), a_request("192.168.1.7"))
    assert text.NOT_DONE in said(str(tmp_path), a_request("192.168.1.7")), "and not that a file could not be examined"
    assert text.NO_FOLDER in said(str(tmp_path / "missing"), a_request())
    assert text.NO_FOLDER in said(" ", a_request())
    measuring._one_at_a_time.acquire()
    assert text.BUSY in said(str(tmp_path), a_request())


def test_the_owner_measures_on_the_page_and_the_next_file_is_answered_so(
    measured: Measured, at_home: Path, tmp_path: Path, browser: Any
) -> None:
    shutil.rmtree(at_home / "telltale" / "measured")
    server = start(DETECTOR, tmp_path, flags=("--allow-measuring",), HF_HOME=str(at_home))
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        reader = Reader(context, server.address).open()
        reader.page.wait_for_selector(".tt-pill.tt-ready")
        reader.page.fill("#tt-measure textarea, #tt-measure input[type=text]", str(measured.files))
        reader.page.click("#tt-measure button.primary")
        found = reader.page.wait_for_selector("#tt-measure .tt-measured")
        assert found is not None
        assert "Measured here on 120 files of yours" in found.inner_text()
        assert found.query_selector("a[download='measured-here.json']") is not None
        reader.give(measured.files / "manipulated" / "autoencoder_swap" / "1.jpg")
        assert "Its thresholds were measured here on 120 files of yours" in reader.page.inner_text("#tt-result")
        assert (reader.errors, reader.strangers) == ([], set())
    finally:
        context.close()
        stop(server, signal.SIGKILL)


def test_spaces_have_no_measuring(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SPACE_ID", "owner/space")
    monkeypatch.setattr("sys.argv", ["app.py", "--allow-measuring"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    assert "not for Spaces" in capsys.readouterr().err
