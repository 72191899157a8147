"""The events of the page: from what the reader did to parts of the page. Errors become plain sentences, escaped, here and only here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from attribution.errors import TelltaleError
from attribution.measured.failures import failures_page
from attribution.measured.limits import limits_page
from attribution.measured.study import STUDY_FILE, ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study
from attribution.messages import LANGUAGES, language, said
from attribution.text import files as files_text
from attribution.text import limits as limits_text
from attribution.text import page as text
from attribution.web import examination, files, page_parts, results, sections
from attribution.web.engine import MOST_KEPT, Abandoned, Engine, Engines, sentence_of
from attribution.web.language import in_readers_language
from attribution.web.results import FaceParts, FileParts
from attribution.web.sessions import Session, Sessions
from attribution.web.uploads import Upload, Uploads

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline
_Draw = Callable[["Session", "Pipeline", dict[str, Any]], tuple[Any, ...]]


class Example(NamedTuple):
    """A file that comes with the app: where it lies for the page, its name, a title, and where it comes from."""

    path: Path
    name: str
    title: str
    source: str


class Events:
    """What the page's events do, for every open page; what belongs to one page is in its Session."""

    def __init__(
        self, uploads: Uploads, engine: Engine, examples: list[Example], data_folder: Path | None = None,
        study_file: Path = STUDY_FILE, zeroshot_file: Path = ZEROSHOT_FILE, kept: int = MOST_KEPT,
    ) -> None:  # fmt: skip
        self.uploads, self.sessions, self.engines, self.examples = uploads, Sessions(uploads), Engines(engine, kept), examples
        self.data_folder, self.study_file, self.zeroshot_file = data_folder, study_file, zeroshot_file

    # A file

    @in_readers_language
    def take_upload(self, given: list[str] | None, request: gr.Request) -> tuple[Any, Any]:
        """Files arrived. Gives the drop zone, empty again, and the status."""
        if not given:
            return gr.skip(), gr.skip()
        taken: list[Upload] = []
        try:
            taken += map(self.uploads.take, given)
            if len(taken) <= files.MOST_FILES:
                return None, self._next(request, *taken)
            refusal = files_text.TOO_MANY.format(most=files.MOST_FILES)
        except OSError:
            refusal = text.UPLOAD_GONE
        for upload in taken:
            self.uploads.release(upload)
        return None, page_parts.problem(refusal)

    @in_readers_language
    def take_example(self, event: gr.SelectData, request: gr.Request) -> Any:
        """An example was chosen. Gives the status."""
        if not isinstance(event.index, int) or not 0 <= event.index < len(self.examples):
            return gr.skip()
        example = self.examples[event.index]
        return self._next(request, Upload(example.path, example.name, example=True))

    @in_readers_language
    def examine(self, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Examine the page's files. Gives the status, the table of several, and the parts of the file and of the face, step by step."""
        session = self.sessions.of(request)
        given, session.waiting = list(session.waiting), ()
        if not given:
            # Gradio empties the parts where a generator gives nothing at all.
            yield _step(gr.skip())
            return
        session.running, session.called_off = True, False
        try:
            self.sessions.clear(session)
            yield _step(page_parts.progress(0.0, text.WAITING, session.elapsed), results.no_file(), files.shown(session))
            session.examined_with = session.selection
            engine = self.engines.of(session.examined_with)
            if len(given) > 1:
                for status, table in files.examine(session, given, self.sessions, engine):
                    yield _step(status, table=table)
                session.running = False
                yield _step(gr.update(value="", visible=False), table=files.shown(session))
                return
            for status in self._watch(session, given[0], engine):
                yield _step(status)
            found = (gr.update(value="", visible=False), gr.skip(), *self._parts(session))
            if session.called_off:
                raise Abandoned
            yield found
        except Abandoned:
            session.running = False
            done = files_text.CANCELLED_AFTER.format(done=len(session.files), total=len(given))
            if len(given) == 1:
                self.sessions.clear(session)
                done = files_text.CANCELLED
            yield _step(page_parts.note(done), table=files.shown(session))
        except Exception as error:
            session.running = False
            yield _step(page_parts.problem(sentence_of(error)), results.no_file(), files.shown(session))
        finally:
            session.running = False
            for upload in given:
                self.uploads.release(upload)

    def _watch(self, session: Session, upload: Upload, engine: Engine) -> Iterator[Any]:
        """Examine one file, and hold what was found. Gives the status, step by step. Raises Abandoned once it was called off."""
        watched = examination.begin(engine, upload)
        try:
            for step in session.steps(watched):
                yield gr.skip() if step is None else page_parts.progress(step.share, step.doing, session.elapsed)
            results.keep(watched.result(), session, upload, self.uploads)
        finally:
            watched.abandon()

    @in_readers_language
    def cancel(self, request: gr.Request) -> Any:
        """What waits or is being examined is not wanted any more. Gives the status."""
        session = self.sessions.of(request)
        if not session.running and not session.waiting:
            return gr.skip()
        session.called_off = True
        self.sessions.wait(session)
        return page_parts.note(files_text.CANCELLED)

    @in_readers_language
    def open_file(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """One of several files was chosen, or all of them again. Gives their table, and the parts of the file and of the face."""
        session = self.sessions.of(request)
        if event.index == -1:
            session.opened = None
            return (files.shown(session), *results.no_file(), *FaceParts())
        if session.open(event.index):
            return (files.shown(session), *self._parts(session))
        gr.Warning(said(text.GONE))
        return (gr.skip(), *FileParts(), *FaceParts())

    @in_readers_language
    def again(self, request: gr.Request) -> tuple[Any, ...]:
        """Another language was chosen. Gives the table of several files, and the parts of the file and of the face, in it."""
        session = self.sessions.of(request)
        is_shown = session.evidence is not None and (session.opened is not None or not session.files)
        with suppress(TelltaleError):
            return (files.shown(session), *(self._parts(session) if is_shown else (*FileParts(), *FaceParts())))
        return (gr.skip(), *FileParts(), *FaceParts())

    def _parts(self, session: Session) -> tuple[Any, ...]:
        pipeline = self.engines.of(session.examined_with).pipeline()
        return (*results.file_parts(session, pipeline), *results.face_parts(session))

    # Its faces

    @in_readers_language
    def choose(self, event: gr.SelectData, request: gr.Request) -> FaceParts:
        """A face, or a moment of it, was chosen. Gives the face's parts."""
        session = self.sessions.of(request)
        if session.evidence is None:
            gr.Warning(said(text.GONE))
            return FaceParts()
        session.look_at(event.index, event.value)
        return results.face_parts(session)

    # The sections. `event.index` numbers what the page asks for, `event.value` may be a wish of its reader. Each gives its markup; one that
    # may have a map of references then gives whether to show it, and the map.

    @in_readers_language
    def show_where(self, event: gr.SelectData, request: gr.Request) -> Any:
        """A wish is for the heatmap of a class, or for the patches around the face."""

        def draw(session: Session, pipeline: Pipeline, wish: dict[str, Any]) -> tuple[Any, ...]:
            session.look_at_label(wish.get("label"))
            return (sections.where(session, pipeline, read="patches" in wish),)

        return self._section("where", event, request, draw)[0]

    @in_readers_language
    def show_method(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        return self._section("method", event, request, lambda session, pipeline, _: sections.method(session, pipeline, self.data_folder))

    @in_readers_language
    def show_others(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """A wish is for another second opinion."""

        def draw(session: Session, pipeline: Pipeline, wish: dict[str, Any]) -> tuple[Any, ...]:
            session.look_at_opinion(wish.get("opinion"))
            return sections.others(session, pipeline)

        return self._section("others", event, request, draw)

    @in_readers_language
    def show_limits(self, event: gr.SelectData, request: gr.Request) -> Any:
        return self._section("limits", event, request, lambda session, pipeline, _: (sections.limits(session, pipeline),))[0]

    @in_readers_language
    def show_records(self, event: gr.SelectData, request: gr.Request) -> Any:
        return self._section("records", event, request, lambda session, pipeline, _: (sections.records(session, pipeline),))[0]

    def _section(self, name: str, event: gr.SelectData, request: gr.Request, draw: _Draw) -> tuple[Any, ...]:
        """What `draw` gives, its markup with the number of the question; a sentence where it fails, nothing once it was asked anew."""
        session, number = self.sessions.of(request), event.index if isinstance(event.index, int) else 0
        session.asked[name] = max(number, session.asked.get(name, 0))
        markup, rest = page_parts.HTML.refused(text.GONE, "alert"), sections.NO_MAP
        try:
            if session.evidence is not None:
                pipeline = self.engines.of(session.examined_with).pipeline()
                markup, *rest = draw(session, pipeline, event.value if isinstance(event.value, dict) else {})
        except Exception as error:
            markup = page_parts.HTML.refused(sentence_of(error), "alert")
        if number < session.asked[name]:
            return gr.skip(), gr.skip(), gr.skip()
        return page_parts.HTML.section(number, markup), *rest

    # The page and the others beside it

    def leave(self, request: gr.Request) -> None:
        """The page was closed: what it held goes, and nobody waits for its download any more."""
        session = self.sessions.forget(request)
        if session is not None:
            session.called_off = True
            session.panel.end(self.engines.default)

    @in_readers_language
    async def detector_state(self, _request: gr.Request) -> AsyncIterator[str]:
        """The header of a newly opened page, which tells when the detector is ready, or why there is none."""
        yield page_parts.header("starting", text.DETECTOR_STARTING)
        try:
            predictor = (await self.engines.default.loaded()).predictor
            device = "GPU" if predictor.device == "cuda" else "CPU"
            yield page_parts.header("ready", text.DETECTOR_READY.format(name=predictor.info.name, device=device))
        except TelltaleError as error:
            yield page_parts.header("failed", f"{text.DETECTOR_FAILED}: {error.sentence}")
        except Exception:
            yield page_parts.header("failed", text.DETECTOR_FAILED)

    @in_readers_language
    async def limits(self, _request: gr.Request) -> str:
        """The page of measured limits, once the detector that it speaks of is ready, or why there is none."""
        try:
            pipeline = await self.engines.default.loaded()
            others = [one.predictor.card for one in pipeline.beside if one.predictor is not None]
            # It takes a moment to write: nobody else's events wait for it.
            return await asyncio.to_thread(lambda: limits_page(pipeline.predictor.card, read_study(self.study_file), others))
        except TelltaleError as error:
            return page_parts.HTML.waiting(f"{limits_text.NO_DETECTOR} {error.sentence}")
        except Exception as error:
            return page_parts.HTML.waiting(sentence_of(error))

    @in_readers_language
    def failures(self, _request: gr.Request) -> str:
        """The page on why detectors fail, from the results of the lab."""
        try:
            there = self.zeroshot_file.stat() if self.zeroshot_file.exists() else None
            stamp = (there.st_mtime_ns, there.st_size) if there else None
            return _failures_page(self.zeroshot_file, stamp, language())
        except Exception as error:
            return page_parts.HTML.waiting(sentence_of(error))

    def _next(self, request: gr.Request, *uploads: Upload) -> Any:
        """Make these the page's next files. Gives the status."""
        self.sessions.wait(self.sessions.of(request), *uploads)
        return page_parts.progress(0.0, text.WAITING, 0.0)


def _step(status: Any, file: FileParts | None = None, table: Any = None) -> tuple[Any, ...]:
    """A step of an examination that says nothing of a face."""
    return (status, gr.skip() if table is None else table, *(file or FileParts()), *FaceParts())


@lru_cache(maxsize=len(LANGUAGES))
def _failures_page(file: Path, _stamp: tuple[int, int] | None, _language: str) -> str:
    """Drawn once for all readers of a language, and again when the file has changed, as its stamp says."""
    return failures_page(read_study(file, ZEROSHOT_SCHEMA))
