"""Measuring a detector on files of the server’s owner, where the page was started with that: a folder, a bound, what was found."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import gradio as gr

from attribution.errors import MeasuringError
from attribution.render import face as face_view
from attribution.text import measuring as text
from attribution.web import page_parts
from attribution.web.engine import Abandoned, Engines, Progress, Watched, sentence_of
from attribution.web.language import in_readers_language

if TYPE_CHECKING:
    from attribution.detectors.here import LocalCard
    from attribution.pipeline import Pipeline
    from attribution.web.sessions import Sessions

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
# What a proxy adds, behind which everybody seems to sit at this machine.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Measuring:
    """One measurement at a time, for whoever sits at the machine that serves the page."""

    def __init__(self, sessions: Sessions, engines: Engines) -> None:
        self.sessions, self.engines = sessions, engines
        self._one_at_a_time = Lock()
        self._running: Watched[Any] | None = None

    @in_readers_language
    def start(self, source: str | None, per_cent: float | None, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        """Measure the detector of this page on what lies at `source`. Gives the status and what was found, step by step."""
        if not is_owner(request):
            yield page_parts.problem(text.OWNER_ONLY, text.NOT_DONE), gr.skip()
            return
        if not self._one_at_a_time.acquire(blocking=False):
            yield page_parts.problem(text.BUSY, text.NOT_DONE), gr.skip()
            return
        chosen = (self.sessions.of(request).selection or self.engines.default.selection).first

        def work(report: Progress) -> tuple[LocalCard, Pipeline]:
            # PyTorch takes seconds to import.
            from attribution.measuring.run import measure
            from attribution.pipeline import load_pipeline

            if not (source or "").strip():
                raise MeasuringError(text.NO_FOLDER, text.LAYOUT)
            pipeline = load_pipeline(chosen, self.engines.default.device, progress=report, as_measured_here=False)
            return measure(str(source).strip(), pipeline, (per_cent or 0) / 100, report), pipeline

        watched = self._running = Watched(work)
        try:
            for step in watched:
                yield (gr.skip() if step is None else page_parts.progress(step.share, step.doing)), gr.skip()
            found = _found(*watched.result())
            # The files to come are answered with what was measured.
            self.engines.renew()
            yield gr.update(value="", visible=False), gr.update(value=found, visible=True)
        except Abandoned:
            yield page_parts.note(text.STOPPED), gr.skip()
        except Exception as error:
            yield page_parts.problem(sentence_of(error), text.NOT_DONE), gr.skip()
        finally:
            watched.abandon()
            self._running = None
            self._one_at_a_time.release()

    def stop(self, request: gr.Request) -> None:
        """End the measurement; what was read is kept."""
        if is_owner(request) and self._running is not None:
            self._running.abandon()


def is_owner(request: gr.Request) -> bool:
    """Whether a request comes from this very machine, by its own name and through no proxy: nobody else may name folders of it."""
    with suppress(AttributeError, TypeError, ValueError):
        headers = {str(name).lower(): str(value) for name, value in dict(request.headers).items()}
        host = headers.get("host", "").lower()
        named = host in _LOCAL_NAMES or host.rpartition(":")[0] in _LOCAL_NAMES
        return named and not any(name in headers for name in _FORWARDED) and ipaddress.ip_address(request.client.host).is_loopback
    return False


def _found(local: LocalCard, pipeline: Pipeline) -> Any:
    from attribution.detectors import here
    from attribution.measuring.run import notes

    detector = here.limited(pipeline.predictor.detector, local, together=pipeline.combination is not None)
    words = face_view.measured(local.tables, detector.info)
    address = page_parts.data_link("application/json", json.dumps(local.to_json(), indent=1))
    return page_parts.HTML.measured_here(words, notes(local), address, text.FILE)
