"""The events of the page: from what the reader did to parts of the page. Errors become plain sentences, escaped, here and only here."""

from __future__ import annotations

import asyncio
import html
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
from attribution.messages import LANGUAGES, language
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import examination, page_parts, results
from attribution.web.engine import Engine, Engines, sentence_of
from attribution.web.example_crops import example_crops
from attribution.web.language import in_readers_language
from attribution.web.results import FaceParts, FileParts, OpinionParts
from attribution.web.sessions import Session, Sessions
from attribution.web.uploads import Upload, Uploads

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline

_UNCHANGED = (gr.skip(), gr.skip(), gr.skip())


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
        study_file: Path = STUDY_FILE, zeroshot_file: Path = ZEROSHOT_FILE,
    ) -> None:  # fmt: skip
        self.uploads, self.sessions, self.engines, self.examples = uploads, Sessions(uploads), Engines(engine), examples
        self.data_folder, self.study_file, self.zeroshot_file = data_folder, study_file, zeroshot_file

    # A file

    @in_readers_language
    def take_upload(self, file: str | None, request: gr.Request) -> tuple[Any, Any]:
        """An upload arrived. Gives the drop zone, empty again, and the status."""
        if not file:
            return gr.skip(), gr.skip()
        try:
            return None, self._next(request, self.uploads.take(file))
        except OSError:
            return None, page_parts.problem(text.UPLOAD_GONE)

    @in_readers_language
    def take_example(self, event: gr.SelectData, request: gr.Request) -> Any:
        """An example was chosen. Gives the status."""
        if not isinstance(event.index, int) or not 0 <= event.index < len(self.examples):
            return gr.skip()
        example = self.examples[event.index]
        return self._next(request, Upload(example.path, example.name, example=True))

    @in_readers_language
    def examine(self, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Examine the page's file. Gives the status, the parts of the file, of the face and of the second opinion, step by step."""
        session = self.sessions.of(request)
        upload, session.upload = session.upload, None
        if upload is None:
            return
        watched = None
        try:
            self.sessions.clear(session)
            yield _step(page_parts.progress(0.0, text.WAITING), results.no_file())
            session.examined_with = session.selection
            engine = self.engines.of(session.examined_with)
            watched = examination.begin(engine, upload)
            for step in watched:
                yield _step(gr.skip() if step is None else page_parts.progress(step.share, step.doing))
            found, pipeline = watched.result(), engine.pipeline()
            session.show(found.evidence)
            session.tiles = found.tiles
            file = results.file_parts(found, session, upload, self.uploads, pipeline)
            yield (gr.update(value="", visible=False), *file, *self._face(session, pipeline))
        except Exception as error:
            yield _step(page_parts.problem(sentence_of(error)), results.no_file())
        finally:
            if watched is not None:
                watched.abandon()
            self.uploads.release(upload)

    # Its faces

    @in_readers_language
    def choose(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """A face, or a moment of it, was chosen. Gives the face's parts and those of the second detector's opinion."""
        session, pipeline = self._shown(request, warn=True)
        if pipeline is None:
            return (*FaceParts(), *OpinionParts())
        session.look_at(event.index, event.value)
        return self._face(session, pipeline)

    @in_readers_language
    def explain(self, label: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        """Draw the heatmap of the chosen face for that class. Gives the slider, the words beside it and the downloads."""
        return self._drawn(request, lambda session, pipeline: results.explain(session, label, pipeline))

    @in_readers_language
    def place(self, request: gr.Request) -> Any:
        """Gives the map of references with the page's faces on it."""
        session, pipeline = self._shown(request)
        return results.reference_map(session, pipeline) if pipeline is not None else gr.skip()

    # The second opinion

    @in_readers_language
    def choose_opinion(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """Another second opinion was chosen. Gives its parts, and an empty slider, words and map: they still show the other one's."""
        session, pipeline = self._shown(request, warn=True)
        if pipeline is None or not session.look_at_opinion(event.index):
            return (*OpinionParts(), *_UNCHANGED)
        # The row of choices stays as it is, and so does the keyboard's place in it.
        return (*results.opinion_parts(session, pipeline)._replace(choices=gr.skip()), None, "", None)

    @in_readers_language
    def explain_opinion(self, request: gr.Request) -> tuple[Any, Any, Any]:
        """Draw the second detector's heatmap of the chosen face. Gives the slider, the words beside it and the downloads."""
        return self._drawn(request, results.explain_opinion)

    @in_readers_language
    def place_opinion(self, request: gr.Request) -> Any:
        """Gives the second detector's own map of references with the page's faces on it."""
        session, pipeline = self._shown(request)
        return results.opinion_map(session, pipeline) if pipeline is not None else gr.skip()

    @in_readers_language
    def ask_for_patches(self, request: gr.Request) -> tuple[Any, Any]:
        """The patch view was asked for. Gives the button and what stands in place of the mosaic until it is there."""
        if self.sessions.of(request).evidence is None:
            gr.Warning(text.GONE)
            return gr.skip(), gr.skip()
        return gr.update(interactive=False), page_parts.HTML.refused(f"{opinion_text.PATCH_WORKING} …", "status")

    @in_readers_language
    def read_patches(self, request: gr.Request) -> tuple[Any, Any, Any]:
        """Read the patches around the chosen face. Gives the button, the mosaic and the downloads."""
        session, pipeline = self._shown(request)
        if pipeline is None:
            return _UNCHANGED
        try:
            return results.patch_view(session, pipeline)
        except Exception as error:
            failed = f"{opinion_text.PATCH_FAILED} {sentence_of(error, opinion_text.PATCH_OUR_FAULT)}"
            return gr.update(interactive=True), page_parts.HTML.refused(failed, "alert"), gr.skip()

    # The page and the others beside it

    def leave(self, request: gr.Request) -> None:
        """The page was closed: what it held goes, and nobody waits for its download any more."""
        session = self.sessions.forget(request)
        if session is not None:
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
            yield page_parts.header("failed", f"{text.DETECTOR_FAILED}: {error}")
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
            return page_parts.HTML.waiting(f"{limits_text.NO_DETECTOR} {error}")
        except Exception as error:
            return page_parts.HTML.waiting(sentence_of(error))

    @in_readers_language
    def failures(self, _request: gr.Request) -> str:
        """The page on why detectors fail, from the results of the lab."""
        try:
            there = self.zeroshot_file.stat() if self.zeroshot_file.exists() else None
            stamp = (there.st_mtime_ns, there.st_size) if there else None
            return _failures_page(self.zeroshot_file, stamp, tuple((example.name, example.path) for example in self.examples), language())
        except Exception as error:
            return page_parts.HTML.waiting(sentence_of(error))

    def _next(self, request: gr.Request, upload: Upload) -> Any:
        """Make this the page's next file. Gives the status."""
        self.sessions.wait(self.sessions.of(request), upload)
        return page_parts.progress(0.0, text.WAITING)

    def _shown(self, request: gr.Request, warn: bool = False) -> tuple[Session, Pipeline | None]:
        """The page's session, and the pipeline that gave its evidence, waited for; None, with a warning, where there is none any more."""
        session, pipeline = self.sessions.of(request), None
        with suppress(TelltaleError):
            pipeline = self.engines.of(session.examined_with).pipeline() if session.evidence is not None else None
        if pipeline is None and warn:
            gr.Warning(text.GONE)
        return session, pipeline

    def _face(self, session: Session, pipeline: Pipeline) -> tuple[Any, ...]:
        return (*results.face_parts(session, pipeline, self.data_folder), *results.opinion_parts(session, pipeline))

    def _drawn(self, request: gr.Request, draw: Callable[[Session, Pipeline], tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
        """What `draw` gives; where it fails, a warning on the page, which stays as it is."""
        session = self.sessions.of(request)
        try:
            return draw(session, self.engines.of(session.examined_with).pipeline()) if session.evidence is not None else _UNCHANGED
        except Exception as error:
            gr.Warning(html.escape(sentence_of(error)))
        return _UNCHANGED


def _step(status: Any, file: FileParts | None = None) -> tuple[Any, ...]:
    """A step of an examination that says nothing of a face."""
    return (status, *(file or FileParts()), *FaceParts(), *OpinionParts())


@lru_cache(maxsize=len(LANGUAGES))
def _failures_page(file: Path, _stamp: tuple[int, int] | None, examples: tuple[tuple[str, Path], ...], _language: str) -> str:
    """Drawn once for all readers of a language, and again when the file has changed, as its stamp says."""
    study = read_study(file, ZEROSHOT_SCHEMA)
    return failures_page(study, example_crops(study, dict(examples)))
