"""The detector loads once and late; work on a thread can be watched and abandoned."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attribution.detectors.spec import DetectorSpec, Selection
from attribution.errors import TelltaleError, UnknownDetector, UnusableDetector
from attribution.pipeline import Pipeline
from attribution.web import engine as engine_module
from attribution.web.engine import Abandoned, Engine, Engines, Step, Watched, log_quietly


def test_the_pipeline_is_loaded_once_and_late_and_what_loading_raised_is_raised_to_all(detector_folder: Path) -> None:
    engine = Engine(str(detector_folder), "cpu")
    assert engine.ready() is None, "whoever does not wait gets none"
    engine.start()
    pipeline = engine.pipeline()
    assert engine.ready() is pipeline
    assert asyncio.run(engine.loaded()) is pipeline
    assert pipeline.predictor.device == "cpu"
    broken = Engine("no such detector", "cpu")
    for _ in range(2):
        with pytest.raises(UnknownDetector):
            broken.pipeline()
    with pytest.raises(UnknownDetector):
        asyncio.run(broken.loaded())


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


@pytest.mark.parametrize("error", [TelltaleError("No.", "Try again."), SystemExit(1)])
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


class Loads(Engine):
    """An engine that loads nothing: `pipeline` is the one that it would share."""

    def _load(self) -> None:
        if "no such" in self.selection.first.name:
            self._error = UnknownDetector("There is none.", "Choose another one.")
        self._pipeline: Any = SimpleNamespace(like=self._like)
        self._done.set()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    monkeypatch.setattr(engine_module, "Engine", Loads)
    return Engines(Loads("default", "cpu"), most=2)


def asked(name: str) -> Selection:
    return Selection(DetectorSpec(name))


def test_a_choice_gets_an_engine_of_its_own_and_the_default_stays(engines: Engines) -> None:
    default = engines.default
    assert engines.of(None) is engines.of(default.selection) is default
    engine = engines.of(asked("a"))
    assert engines.of(asked("a")) is engine
    assert engine.device == "cpu"
    assert engine.pipeline().like is default, "parts are shared"  # type: ignore[attr-defined]


def test_what_nobody_chose_for_longest_is_let_go_and_one_that_failed_is_tried_anew(engines: Engines) -> None:
    first, second = engines.of(asked("a")), engines.of(asked("b"))
    engines.of(asked("a"))
    engines.of(asked("c"))
    assert engines.of(asked("a")) is first
    assert engines.of(asked("b")) is not second
    # Two that are chosen together count as two, the one of the start as none.
    pair = engines.of(Selection(DetectorSpec("default"), (DetectorSpec("a"), DetectorSpec("b"))))
    assert engines.of(asked("a")) is not first
    assert engines.of(pair.selection) is not pair
    with pytest.raises(UnusableDetector, match="at most 2"):
        engines.of(Selection(DetectorSpec("c"), pair.selection.beside))
    failed = engines.of(asked("no such detector"))
    with pytest.raises(UnknownDetector):
        failed.pipeline()
    assert failed.failed
    assert engines.of(asked("no such detector")) is not failed


def test_a_cancelled_load_ends_at_its_next_report() -> None:
    engine = Engine("none", "cpu")
    engine.cancel()
    with pytest.raises(Abandoned):
        engine._report(0.5, "half of it")
    assert engine.step == Step(0.0, "")


def test_an_abandoned_examination_ends_within_its_network(pipeline: Pipeline) -> None:
    """Nothing is reported between the layers, and none of them takes long."""
    begun = threading.Event()

    def work(progress):
        crops = np.zeros((64, *[pipeline.crop.side_px] * 2, 3), np.uint8)
        while True:
            pipeline.predictor.read(crops)
            begun.set()

    watched = Watched(work)
    assert begun.wait(60)
    watched.abandon()
    with pytest.raises(Abandoned):
        watched.result()
    pipeline.predictor.read(np.zeros((1, *[pipeline.crop.side_px] * 2, 3), np.uint8))
