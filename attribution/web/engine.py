"""The detector behind the page, loaded once on a thread of its own after the page is up; and jobs on threads, watched from generators."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from attribution.detectors.spec import DetectorSpec, Selection
from attribution.errors import TelltaleError, UnusableDetector
from attribution.pulse import within_pulse
from attribution.text import detectors as detectors_text
from attribution.text import page as text
from attribution.web.zerogpu import on_zero_gpu

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline

_Result = TypeVar("_Result")
Progress = Callable[[float, str], None]

_LOG = logging.getLogger("telltale")
LOOK_SECONDS = 0.25
MOST_KEPT = 5
"""Detectors that are kept in memory beside that of the start: as many as one page may choose."""


@dataclass(frozen=True)
class Step:
    """How far a job is: `share` in [0, 1] and what is being done."""

    share: float
    doing: str


class Abandoned(Exception):
    """Nobody waits for this result any more."""


class Engine:
    """Loads the pipeline of a selection: `start` returns at once, `pipeline` waits. Parts of the pipeline of `like` are shared."""

    def __init__(self, detector: str | Selection = "default", device: str = "auto", like: Engine | None = None) -> None:
        self.selection = detector if isinstance(detector, Selection) else Selection(DetectorSpec(detector))
        self.device = device
        self.step = Step(0.0, "")  # how far loading is, a download included
        self._like = like
        self._cancelled = False
        self._pipeline: Pipeline | None = None
        self._error: Exception | None = None
        self._done = threading.Event()
        self._started = threading.Lock()

    def load(self) -> None:
        """Load on this thread, and return when that is done: ZeroGPU wants the main one, before the page is launched."""
        if self._started.acquire(blocking=False):
            self._load()

    def start(self) -> None:
        """Begin to load, unless that has begun already."""
        if self._started.acquire(blocking=False):
            threading.Thread(target=self._load, name="load-detector", daemon=True).start()

    def cancel(self) -> None:
        """End a download at its next report; what was fetched of it stays in the Hub cache for the next time."""
        self._cancelled = True

    @property
    def failed(self) -> bool:
        """Whether loading has ended without a pipeline."""
        return self._done.is_set() and self._error is not None

    def ready(self) -> Pipeline | None:
        """The pipeline; None while it is loading. Raises what loading raised."""
        self.start()
        if not self._done.is_set():
            return None
        if self._error is not None:
            raise self._error
        return self._pipeline

    def pipeline(self) -> Pipeline:
        """The pipeline, once it is loaded. Raises what loading raised."""
        self.start()
        self._done.wait()
        pipeline = self.ready()
        assert pipeline is not None
        return pipeline

    async def loaded(self) -> Pipeline:
        """The same for the event loop."""
        while (pipeline := self.ready()) is None:
            await asyncio.sleep(LOOK_SECONDS)
        return pipeline

    def _load(self) -> None:
        try:
            # PyTorch takes seconds to import: only here, when the page is up.
            from attribution.media import prepare
            from attribution.pipeline import load_pipeline

            like = None
            with suppress(Exception):
                like = self._like.pipeline() if self._like is not None else None
            self._pipeline = load_pipeline(self.selection.first, self.device, self.selection.beside, self._report, like)
            prepare()
        except Exception as error:
            self._error = error
            if not isinstance(error, TelltaleError | Abandoned):
                log_quietly(error)
        finally:
            self._like = None
            _give_back_memory()
            self._done.set()

    def _report(self, share: float, doing: str) -> None:
        if self._cancelled:
            raise Abandoned
        self.step = Step(min(max(share, 0.0), 1.0), doing)


class Engines:
    """The default engine, which stays, and those of the selections made lately, of at most `most` detectors in all: others are let go, and
    loaded anew when they are wanted again."""

    def __init__(self, default: Engine, most: int = MOST_KEPT) -> None:
        self.default = default
        self.most = most
        self._others: OrderedDict[Selection, Engine] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, selection: Selection | None) -> Engine:
        """The engine of a selection, started; None stands for the default. One that failed is tried anew. Raises UnusableDetector for more
        detectors than may be kept."""
        if selection is None or selection == self.default.selection:
            return self.default
        if self._size(selection) > self.most:
            raise UnusableDetector(detectors_text.TOO_MANY_DETECTORS.format(most=self.most), detectors_text.CHOOSE_FEWER)
        with self._lock:
            engine = self._others.get(selection)
            if engine is None or engine.failed:
                # ZeroGPU lends its GPU to what was loaded before the page was launched.
                device = "cpu" if on_zero_gpu() else self.default.device
                engine = self._others[selection] = Engine(selection, device, self.default)
            self._others.move_to_end(selection)
            while sum(map(self._size, self._others)) > self.most:
                self._others.popitem(last=False)
        engine.start()
        return engine

    def renew(self) -> None:
        """Load every detector anew for the files to come: limits were measured by which they answer now."""
        fresh = Engine(self.default.selection, self.default.device)
        with self._lock:
            self.default = fresh
            self._others.clear()
        fresh.start()

    def _size(self, selection: Selection) -> int:
        """How many detectors it takes beside the one that the page was started with."""
        return sum(one != self.default.selection.first for one in selection.all)


def _give_back_memory() -> None:
    """Give the system what was freed, of files that were read and of detectors that were let go: glibc would keep most of it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Watched(Generic[_Result]):
    """Runs `work(progress)` on a thread. Iterate to get a Step whenever it has moved on, until it ends; then ask for `result`.
    Whoever stops iterating early calls `abandon`: the next beat of its pulse, or report of progress, then ends the work."""

    def __init__(self, work: Callable[[Progress], _Result]) -> None:
        self._work = work
        self._step: Step | None = None
        self._outcome: Future[_Result] = Future()
        self._moved = threading.Condition()
        self._ended = self._abandoned = False
        # With the context of whoever asks: ZeroGPU reads from it whose visit this is.
        threading.Thread(target=copy_context().run, args=(self._run,), name="examine", daemon=True).start()

    def __iter__(self) -> Iterator[Step | None]:
        """Steps as they come; None now and then in between, so that an iterating generator notices that its reader has left."""
        seen = None
        while True:
            with self._moved:
                self._moved.wait_for(lambda shown=seen: self._ended or self._step is not shown, LOOK_SECONDS)
                step, ended = self._step, self._ended
            if ended:
                return
            yield step if step is not seen else None
            seen = step

    def abandon(self) -> None:
        self._abandoned = True

    def result(self) -> _Result:
        """What the work gave; raises what it raised."""
        return self._outcome.result()

    def _run(self) -> None:
        try:
            with within_pulse(self._beat):
                self._outcome.set_result(self._work(self._report))
        except BaseException as error:
            self._outcome.set_exception(error)
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def _beat(self) -> None:
        if self._abandoned:
            raise Abandoned

    def _report(self, share: float, doing: str) -> None:
        self._beat()
        with self._moved:
            self._step = Step(min(max(share, 0.0), 1.0), doing)
            self._moved.notify_all()


def sentence_of(error: Exception, our_fault: str = text.OUR_FAULT) -> str:
    """What to tell of an error: its own sentence where it has one; else that it is our fault, and the operator is told. In words that say
    themselves in the reader's language."""
    if isinstance(error, TelltaleError):
        return error.sentence
    log_quietly(error)
    return our_fault


def log_quietly(error: BaseException) -> None:
    """Tell the operator what broke and where, without a word of the message: it may hold a file's name or content."""
    place = traceback.extract_tb(error.__traceback__)
    where = f"{place[-1].filename.rsplit('/', 1)[-1]}:{place[-1].lineno}" if place else "nowhere"
    _LOG.error("%s at %s, %s", type(error).__name__, where, time.strftime("%H:%M:%S"))
