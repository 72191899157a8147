"""The events of the page: from what the reader did to parts of the page. Errors become plain sentences, escaped, here and only here."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from attribution.errors import TelltaleError
from attribution.measured.failures import failures_page
from attribution.measured.limits import limits_page
from attribution.measured.study import STUDY_FILE, ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import opinion, results
from attribution.web import page_parts as notices
from attribution.web.engine import Engine, Engines, Watched, log_quietly
from attribution.web.example_crops import example_crops
from attribution.web.opinion import OpinionParts
from attribution.web.results import FaceParts, FileParts
from attribution.web.uploads import Session, Upload, Uploads, lighter

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline


_UNCHANGED = (gr.skip(), gr.skip(), gr.skip())


def _or_warn(draw: Callable[[], tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    """What `draw` gives; where it fails, a warning on the page, which stays as it is."""
    try:
        return draw()
    except TelltaleError as error:
        gr.Warning(html.escape(str(error)))
    except Exception as error:
        log_quietly(error)
        gr.Warning(text.OUR_FAULT)
    return _UNCHANGED


@lru_cache(maxsize=2)
def _failures_page(file: Path, _stamp: tuple[int, int] | None, examples: tuple[tuple[str, Path], ...]) -> str:
    """Drawn once for all readers, and again when the file has changed, as its stamp says."""
    study = read_study(file, ZEROSHOT_SCHEMA)
    return failures_page(study, example_crops(study, dict(examples)))


class Example(NamedTuple):
    """A file that comes with the app: where it lies for the page, its name, a title, and where it comes from."""

    path: Path
    name: str
    title: str
    source: str


class Events:
    """What the page's events do. One events serves every page; what belongs to one page is in its Session."""

    def __init__(
        self,
        uploads: Uploads,
        engine: Engine,
        examples: list[Example],
        data_folder: Path | None = None,
        study_file: Path = STUDY_FILE,
        zeroshot_file: Path = ZEROSHOT_FILE,
    ) -> None:
        self.uploads = uploads
        self.engines = Engines(engine)
        self.examples = examples
        self.data_folder = data_folder
        self.study_file = study_file
        self.zeroshot_file = zeroshot_file

    def take_upload(self, file: str | None, request: gr.Request) -> tuple[Any, Any]:
        """An upload arrived. Gives the drop zone, empty again, and the status."""
        if not file:
            return gr.skip(), gr.skip()
        try:
            return None, self._next(request, self.uploads.take(file))
        except OSError:
            return None, notices.problem(text.UPLOAD_GONE)

    def take_example(self, event: gr.SelectData, request: gr.Request) -> Any:
        """An example was chosen. Gives the status."""
        if not isinstance(event.index, int) or not 0 <= event.index < len(self.examples):
            return gr.skip()
        example = self.examples[event.index]
        return self._next(request, Upload(example.path, example.name, example=True))

    def examine(self, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Examine the file that the page gave last. Gives the status, the file's parts, the face's parts and those of the second detector's
        opinion, step by step."""
        session = self._session(request)
        job, session.job = session.job, None
        if job is None:
            return
        watched = None
        try:
            self.uploads.clear(session)
            yield self._parts(notices.progress(0.0, text.WAITING), FileParts.hidden())
            session.examined_with = session.selection
            engine = self._engine(session)
            watched = Watched(lambda progress: results.examine(job, engine, progress))
            for step in watched:
                yield self._parts(gr.skip() if step is None else notices.progress(step.share, step.doing))
            found = watched.result()
            session.evidence = lighter(found.evidence)
            session.chosen, session.moment = results.first_look(session.evidence)
            session.picture, session.tiles = results.whole_picture(found), found.tiles
            video = results.player(found, job, session, self.uploads)
            parts = results.file_parts(found, session, video, engine)
            yield self._parts(notices.no_status(), parts, self._face(session), self._opinion(session))
        except TelltaleError as error:
            yield self._parts(notices.problem(str(error)), FileParts.hidden())
        except Exception as error:
            log_quietly(error)
            yield self._parts(notices.problem(text.OUR_FAULT), FileParts.hidden())
        finally:
            if watched is not None:
                watched.abandon()
            self.uploads.release(job)

    def choose(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """A face, or a moment of it, was chosen. Gives the face's parts and those of the second detector's opinion."""
        session = self._session(request)
        if session.evidence is None:
            gr.Warning(text.GONE)
            return (*FaceParts.unchanged(), *OpinionParts.unchanged())
        results.look_at(session, event.index, event.value)
        return (*self._face(session), *self._opinion(session))

    def explain(self, label: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        """Draw the heatmap of the chosen face for that class. Gives the slider, the words beside it and the downloads."""
        session = self._session(request)
        if session.evidence is None or not session.evidence.tracks or not label:
            return _UNCHANGED
        return _or_warn(lambda: results.explain(session, label, self._engine(session)))

    def place(self, request: gr.Request) -> Any:
        """Gives the map of references with the page's faces on it."""
        session = self._session(request)
        return results.reference_map(session, self._engine(session))

    def explain_opinion(self, request: gr.Request) -> tuple[Any, Any, Any]:
        """Draw the second detector's heatmap of the chosen face. Gives the slider, the words beside it and the downloads."""
        pipeline = self._kit(session := self._session(request))
        if session.evidence is None or pipeline is None:
            return _UNCHANGED

        def draw() -> tuple[Any, Any, Any]:
            drawn = opinion.explain(session, pipeline)
            return (*drawn, results.downloads(session, pipeline)) if drawn[0] != gr.skip() else _UNCHANGED

        return _or_warn(draw)

    def choose_opinion(self, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """Another second opinion was chosen. Gives its parts, and an empty slider, words and map: they still show the other one's."""
        pipeline = self._kit(session := self._session(request))
        if session.evidence is None or pipeline is None:
            gr.Warning(text.GONE)
            return (*OpinionParts.unchanged(), *_UNCHANGED)
        if not opinion.look_at(session, event.index):
            return (*OpinionParts.unchanged(), *_UNCHANGED)
        # The row of choices stays as it is, and so does the keyboard's place in it.
        return (*opinion.parts(session, pipeline)._replace(choices=gr.skip()), None, "", None)

    def place_opinion(self, request: gr.Request) -> Any:
        """Gives the second detector's own map of references with the page's faces on it."""
        pipeline = self._kit(session := self._session(request))
        return opinion.reference_map(session, pipeline) if pipeline is not None else gr.skip()

    def ask_for_patches(self, request: gr.Request) -> tuple[Any, Any]:
        """The patch view was asked for. Gives the button and what stands in place of the mosaic until it is there."""
        if self._session(request).evidence is None:
            gr.Warning(text.GONE)
            return gr.skip(), gr.skip()
        return opinion.reading()

    def read_patches(self, request: gr.Request) -> tuple[Any, Any, Any]:
        """Read the patches around the chosen face. Gives the button, the mosaic and the downloads."""
        pipeline = self._kit(session := self._session(request))
        if session.evidence is None or pipeline is None:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            return (*opinion.patch_view(session, pipeline), results.downloads(session, pipeline))
        except TelltaleError as error:
            return (*opinion.failed(str(error)), gr.skip())
        except Exception as error:
            log_quietly(error)
            return (*opinion.failed(opinion_text.PATCH_OUR_FAULT), gr.skip())

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.uploads.forget(str(request.session_hash))

    async def detector_state(self) -> AsyncIterator[str]:
        """The header of a newly opened page, which tells when the detector is ready, or why there is none."""
        yield notices.header(notices.pill("starting", text.DETECTOR_STARTING))
        while True:
            try:
                pipeline = self.engines.default.pipeline(0)
            except TelltaleError as error:
                yield notices.header(notices.pill("failed", f"{text.DETECTOR_FAILED}: {error}"))
                return
            except Exception:
                yield notices.header(notices.pill("failed", text.DETECTOR_FAILED))
                return
            if pipeline is not None:
                device = "GPU" if pipeline.predictor.device == "cuda" else "CPU"
                yield notices.header(notices.pill("ready", text.DETECTOR_READY.format(name=pipeline.predictor.info.name, device=device)))
                return
            await asyncio.sleep(0.25)

    async def limits(self) -> AsyncIterator[str]:
        """The page of measured limits, once the detector that it speaks of is ready, or why there is none."""
        try:
            while (pipeline := self.engines.default.pipeline(0)) is None:
                await asyncio.sleep(0.25)
            card = pipeline.predictor.card
            others = [one.predictor.card for one in pipeline.beside if one.predictor is not None]
            # It takes a moment to write: nobody else's events wait for it.
            yield await asyncio.to_thread(lambda: limits_page(card, read_study(self.study_file), others))
        except TelltaleError as error:
            yield notices.waiting(f"{limits_text.NO_DETECTOR} {error}")
        except Exception as error:
            log_quietly(error)
            yield notices.waiting(text.OUR_FAULT)

    def failures(self) -> str:
        """The page on why detectors fail, from the results of the lab."""
        try:
            there = self.zeroshot_file.stat() if self.zeroshot_file.exists() else None
            stamp = (there.st_mtime_ns, there.st_size) if there is not None else None
            return _failures_page(self.zeroshot_file, stamp, tuple((example.name, example.path) for example in self.examples))
        except Exception as error:
            log_quietly(error)
            return notices.waiting(text.OUR_FAULT)

    def _session(self, request: gr.Request) -> Session:
        return self.uploads.session(str(request.session_hash))

    def _next(self, request: gr.Request, job: Upload) -> Any:
        """Make this the page's next job; one that was still waiting is dropped."""
        session = self._session(request)
        if session.job is not None:
            self.uploads.release(session.job)
        session.job = job
        return notices.progress(0.0, text.WAITING)

    def _face(self, session: Session) -> FaceParts:
        return results.face_parts(session, self._engine(session), self.data_folder)

    def _opinion(self, session: Session) -> OpinionParts:
        pipeline = self._kit(session)
        return opinion.parts(session, pipeline) if pipeline is not None else OpinionParts.hidden()

    def _engine(self, session: Session) -> Engine:
        """The engine that gave the page's evidence, or gives it now."""
        return self.engines.of(session.examined_with)

    def _kit(self, session: Session) -> Pipeline | None:
        """The pipeline; None while the default one is not ready, and where there is none. One that was let go is waited for."""
        engine = self._engine(session)
        try:
            return engine.pipeline(0 if engine is self.engines.default else None)
        except TelltaleError:
            return None

    @staticmethod
    def _parts(
        status: Any, file: FileParts | None = None, face: FaceParts | None = None, second: OpinionParts | None = None
    ) -> tuple[Any, ...]:
        return (status, *(file or FileParts.unchanged()), *(face or FaceParts.unchanged()), *(second or OpinionParts.unchanged()))
