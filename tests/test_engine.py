"""The detector loads once and late; a job on a thread can be watched and abandoned."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from attribution.detectors.spec import DetectorSpec, Selection
from attribution.errors import TelltaleError, UnknownDetector
from attribution.web.engine import Abandoned, Engine, Engines, Step, Watched, log_quietly


def test_a_detector_that_is_not_there_is_said_to_whoever_asks() -> None:
    engine = Engine("no such detector", "cpu")
    for _ in range(2):
        with pytest.raises(UnknownDetector):
            engine.pipeline()


def test_the_kit_is_loaded_once(detector_folder: Path) -> None:
    engine = Engine(str(detector_folder), "cpu")
    engine.start()
    engine.start()
    pipeline = engine.pipeline()
    assert pipeline is not None
    assert engine.pipeline(0) is pipeline
    assert pipeline.predictor.device == "cpu"


def test_whoever_does_not_wait_gets_none(detector_folder: Path) -> None:
    engine = Engine(str(detector_folder), "cpu")
    assert engine.pipeline(0) is None
    assert engine.pipeline() is not None


def test_a_job_reports_its_steps_and_its_result() -> None:
    go_on = threading.Event()

    def work(progress):
        progress(0.25, "Reading")
        assert go_on.wait(10)
        progress(7.0, "Done")
        return "result"

    watched = Watched(work)
    steps = []
    for step in watched:
        if step is not None:
            steps.append(step)
            go_on.set()
    assert steps[0] == Step(0.25, "Reading")
    assert all(0 <= step.share <= 1 for step in steps)
    assert watched.result() == "result"


def test_a_silent_job_still_lets_its_watcher_look_around() -> None:
    end = threading.Event()
    watched = Watched(lambda progress: end.wait(30))
    looks = iter(watched)
    assert next(looks) is None
    assert next(looks) is None
    end.set()
    assert list(looks) in ([], [None])
    assert watched.result() is True


@pytest.mark.parametrize("error", [TelltaleError("No.", "Try again."), ValueError("odd"), MemoryError(), SystemExit(1)])
def test_what_a_job_raises_its_watcher_raises(error: BaseException) -> None:
    def work(progress):
        raise error

    watched = Watched(work)
    assert list(watched) in ([], [None])
    with pytest.raises(type(error)):
        watched.result()


def test_an_abandoned_job_ends_at_its_next_report() -> None:
    begun, abandoned, ended = threading.Event(), threading.Event(), threading.Event()

    def work(progress):
        try:
            begun.set()
            assert abandoned.wait(10)
            progress(0.5, "Nobody reads this")
        finally:
            ended.set()

    watched = Watched(work)
    assert begun.wait(10)
    watched.abandon()
    abandoned.set()
    assert ended.wait(10)
    assert list(watched) in ([], [None])
    with pytest.raises(Abandoned):
        watched.result()


def test_the_log_holds_no_word_of_the_message(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "telltale"):
        try:
            raise ValueError("/home-of/secret-name.jpg: canary")
        except ValueError as error:
            log_quietly(error)
        log_quietly(KeyError("canary"))
    assert "ValueError at test_engine.py:" in caplog.text
    assert "canary" not in caplog.text
    assert "secret" not in caplog.text


# Detectors that readers choose


def test_a_choice_gets_an_engine_of_its_own_and_the_default_stays(detector_folder: Path) -> None:
    default = Engine("default", "cpu")
    engines = Engines(default)
    chosen = Selection(DetectorSpec(str(detector_folder)))
    assert engines.of(None) is engines.of(default.selection) is default
    engine = engines.of(chosen)
    pipeline = engine.pipeline(60)
    assert pipeline is not None
    assert pipeline.predictor.info.name == "random-for-tests"
    assert engines.of(chosen) is engine
    own, shared = default.pipeline(60), pipeline.finder
    assert own is not None
    assert shared is own.finder


def test_what_nobody_chose_for_longest_is_let_go(detector_folder: Path) -> None:
    engines = Engines(Engine(str(detector_folder), "cpu"), most=2)
    choices = [Selection(DetectorSpec(f"no such detector {number}")) for number in range(3)]
    first, second = engines.of(choices[0]), engines.of(choices[1])
    engines.of(choices[2])
    with pytest.raises(UnknownDetector):
        second.pipeline(60)
    assert engines.of(choices[0]) is not first


def test_one_that_failed_is_tried_anew(detector_folder: Path) -> None:
    engines = Engines(Engine(str(detector_folder), "cpu"))
    chosen = Selection(DetectorSpec("no such detector"))
    engine = engines.of(chosen)
    with pytest.raises(UnknownDetector):
        engine.pipeline(60)
    assert engine.failed
    assert engines.of(chosen) is not engine


def test_a_cancelled_load_ends_at_its_next_report(detector_folder: Path) -> None:
    engine = Engine(str(detector_folder), "cpu")
    engine.cancel()
    with pytest.raises(Abandoned):
        engine._report(0.5, "half of it")
    assert engine.step == Step(0.0, "")
