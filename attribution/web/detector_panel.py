"""The events of the panel where detectors are chosen. What is chosen is used for the page's next file; a detector that cannot be used
leaves the page with the one that it had."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from attribution.detectors.spec import Selection
from attribution.errors import TelltaleError, UnmappedLabels
from attribution.render import detector_panel as view
from attribution.render.detector_panel import NONE, OTHER, OWN, SLOTS, Looked, Slot
from attribution.text import detectors as text
from attribution.text import numbers
from attribution.web import page_parts as notices
from attribution.web.engine import Abandoned, Engines, log_quietly
from attribution.web.panel_state import PanelParts, PanelState, Refusal
from attribution.web.uploads import MOST_SESSIONS, Uploads

if TYPE_CHECKING:
    from attribution.detectors.catalogue import Entry
    from attribution.pipeline import Pipeline

_TICK_SECONDS = 0.25
_MOST_LOOKED = 4


class DetectorPanel:
    """One panel serves every page; what belongs to one page is in its PanelState, and what was chosen in its Session."""

    def __init__(self, uploads: Uploads, engines: Engines) -> None:
        self.uploads = uploads
        self.engines = engines
        self._drafts: OrderedDict[str, PanelState] = OrderedDict()
        self._lock = threading.Lock()

    async def opened(self) -> AsyncIterator[str]:
        """The line of a newly opened page, once it is known which detector that page was started with."""
        while True:
            try:
                pipeline = self.engines.default.pipeline(0)
            except Exception:
                yield view.line(text.NONE_READY, is_open=False)
                return
            if pipeline is not None:
                yield view.line(_names(pipeline), is_open=False)
                return
            await asyncio.sleep(_TICK_SECONDS)

    async def toggle(self, request: gr.Request) -> tuple[Any, Any]:
        """Open the panel, or close it. Gives the line and the panel."""
        state = self._draft(request)
        state.is_open = not state.is_open
        state.names = state.names or self._own_name()
        if state.is_open:
            state.entries = await asyncio.to_thread(self._entries)
            state.forget_the_gone()
        line = view.line(state.names, state.is_open, focus=not state.is_open)
        return line, state.shown(focus="first", busy=state.loading is not None)

    async def act(self, event: gr.SelectData, request: gr.Request) -> AsyncIterator[PanelParts]:
        """A repository is to be looked up, or the choice to be used, as the page's script says. Gives all parts, step by step."""
        state = self._draft(request)
        if state.loading is not None or not state.is_open:
            return
        try:
            state.take(event.value)
            steps = self._look(state, event.value) if event.index == "look" else self._use(state, request)
            async for parts in steps:
                yield parts
        except UnmappedLabels as error:
            await asyncio.to_thread(_look_what_came, state)
            yield await self._ask(state, error)
        except (TelltaleError, Refusal) as error:
            await asyncio.to_thread(_look_what_came, state)
            yield state.failed(str(error))
        except Exception as error:
            log_quietly(error)
            yield state.failed(text.OUR_FAULT)
        finally:
            state.loading = None

    def cancel(self, request: gr.Request) -> Any:
        """End the download that this page waits for. Gives the button, which has served."""
        state = self._draft(request)
        self._end(state)
        return gr.update(interactive=False)

    def leave(self, request: gr.Request) -> None:
        """The page was closed: nobody waits for its download."""
        with self._lock:
            state = self._drafts.pop(str(request.session_hash), None)
        if state is not None:
            self._end(state)

    def _end(self, state: PanelState) -> None:
        state.cancelled = True
        # Everybody waits for the default one.
        if state.loading is not None and state.loading is not self.engines.default:
            state.loading.cancel()

    async def _look(self, state: PanelState, value: Any) -> AsyncIterator[PanelParts]:
        """Ask the Hub about a repository, and show what it says."""
        from attribution.detectors import catalogue, hub

        key = value.get("slot") if isinstance(value, Mapping) else None
        if key not in SLOTS:
            raise Refusal(text.STRANGE)
        slot = state.slots[key]
        known = next((one for one in state.entries if one.name == slot.chosen and one.kind == "known" and not one.refused), None)
        if known is None and slot.chosen != OTHER:
            raise Refusal(text.STRANGE)
        if known is None and not slot.typed.strip():
            raise Refusal(text.NAME_FIRST)
        name = hub.parse(known.name if known is not None else slot.typed)
        yield state.busy(notices.progress(0.0, text.LOOKING.format(name=name)))
        listing = await asyncio.to_thread(hub.look, name)
        entry = catalogue.looked_up(listing)
        if entry.refused:
            raise Refusal(f"{entry.title}: {entry.refused}")
        here = await asyncio.to_thread(hub.find, hub.HubName(listing.repository, listing.revision))
        found = Looked(entry, listing.revision, listing.files, listing.gated, here is not None)
        others = [one for one in state.looked if one.entry.name != entry.name]
        state.looked = (*others, found)[-_MOST_LOOKED:]
        state.slots[key] = Slot(entry.name)
        state.forget_the_gone()
        yield state.idle(state.shown(focus=key))

    async def _use(self, state: PanelState, request: gr.Request) -> AsyncIterator[PanelParts]:
        """Load what was chosen, download included, and make it the choice for the page's next file."""
        selection = state.selection(self.engines.default.selection.first)
        names = " + ".join(text.short(state.called(key)) for key in SLOTS if state.slots[key].chosen != NONE)
        state.cancelled = False
        yield state.busy(gr.update(value=view.progress(names, None, ""), visible=True))._replace(
            cancel=gr.update(visible=True, interactive=True)
        )
        size = sum(one.entry.bytes or 0 for one in state.looked if not one.is_here and state.is_chosen(one.entry.name))
        pipeline = None
        async for step in self._loaded(state, selection):
            if not isinstance(step, tuple):
                pipeline = step
                break
            share, doing = step
            told = text.DOWNLOADING.format(share=f"{100 * share:.0f} %", size=numbers.size(size), doing=doing) if size and share else doing
            told = text.CHECKING if size and share >= 1 else told
            bar = view.progress(names, share if share else None, told)
            yield PanelParts.unchanged()._replace(progress=gr.update(value=bar, visible=True))
        assert pipeline is not None
        self.uploads.session(str(request.session_hash)).selection = selection if selection != self.engines.default.selection else None
        state.names, state.is_open = _names(pipeline), False
        await asyncio.to_thread(_look_what_came, state)
        yield state.idle(gr.update(value="", visible=False))._replace(
            header=notices.header(notices.pill("ready", _ready(pipeline))), line=view.line(state.names, is_open=False, focus=True)
        )

    async def _loaded(self, state: PanelState, selection: Selection) -> AsyncIterator[tuple[float, str] | Pipeline]:
        """Steps of the loading of a selection as (share, words), then its pipeline. Raises what loading raised, and Refusal when it was
        cancelled."""
        engine = state.loading = self.engines.of(selection)
        shown, again = None, True
        while True:
            try:
                pipeline = engine.pipeline(0)
            except Abandoned as error:
                # An earlier wish for the same detector was cancelled, or others needed the room: once more.
                if state.cancelled or not again:
                    raise Refusal(text.CANCELLED if state.cancelled else text.ENDED) from error
                engine, again = self.engines.of(selection), False
                state.loading = engine
                continue
            if state.cancelled:
                raise Refusal(text.CANCELLED)
            if pipeline is not None:
                yield pipeline
                return
            if engine.step != shown:
                shown = engine.step
                yield shown.share, shown.doing
            await asyncio.sleep(_TICK_SECONDS)

    async def _ask(self, state: PanelState, error: UnmappedLabels) -> PanelParts:
        """The panel with a question for every label of the detector whose labels do not tell."""
        key = await asyncio.to_thread(self._unmapped, state)
        name = text.short(state.called(key))
        if not error.labels or len(error.labels) > text.MOST_LABELS:
            return state.failed(text.TOO_MANY.format(name=name, count=len(error.labels)) if error.labels else str(error))
        slot = state.slots[key]
        answered = bool(slot.asked) and all(label in slot.meanings for label in slot.asked)
        state.slots[key] = replace(slot, asked=error.labels)
        # Of the answers themselves something is missing: an untouched one, or a manipulated one.
        return state.failed(str(error)) if answered else state.idle(state.shown(focus="ask"))

    def _unmapped(self, state: PanelState) -> str:
        """Which of the two detectors the labels are of that have no meaning. The error does not say, so the first one is tried alone."""
        if state.slots["beside"].chosen == NONE:
            return "first"
        try:
            self.engines.of(Selection(state.choice("first", self.engines.default.selection.first))).pipeline()
        except UnmappedLabels:
            return "first"
        except Exception:
            return "beside"
        return "beside"

    def _entries(self) -> tuple[Entry, ...]:
        """All detectors, that of the page first. Not for the event loop: it reads the disk."""
        from attribution.detectors import catalogue

        own, found = self._own_name(), catalogue.entries()
        pipeline = self._own_kit()
        same = next((one for one in found if one.name == own), None)
        if same is None:
            info = pipeline.predictor.info if pipeline is not None else None
            seen = pipeline.crop.view if pipeline is not None else ""
            labels, licence = (info.display_names or info.labels, info.licence) if info is not None else ((), "")
            measured = info is not None and info.measured
            same = catalogue.Entry(OWN, own, "embedded", "", labels, licence, "", None, seen, measured)
        return (replace(same, name=OWN), *(one for one in found if one.name != own))

    def _own_kit(self) -> Pipeline | None:
        try:
            return self.engines.default.pipeline(0)
        except Exception:
            return None

    def _own_name(self) -> str:
        pipeline = self._own_kit()
        return pipeline.predictor.info.name if pipeline is not None else text.NONE_READY

    def _draft(self, request: gr.Request) -> PanelState:
        with self._lock:
            state = self._drafts.setdefault(str(request.session_hash), PanelState())
            self._drafts.move_to_end(str(request.session_hash))
            while len(self._drafts) > MOST_SESSIONS:
                self._drafts.popitem(last=False)
        return state


def _look_what_came(state: PanelState) -> None:
    """Note which of the repositories that were looked up are on this machine now."""
    from attribution.detectors import hub

    state.looked = tuple(replace(one, is_here=hub.find(one.entry.name) is not None) for one in state.looked)


def _names(pipeline: Pipeline) -> str:
    """The detectors of a pipeline, for the line of the panel."""
    first, beside = _called(pipeline)
    return text.AND.format(first=first, beside=beside) if beside else first


def _ready(pipeline: Pipeline) -> str:
    """The same for the head of the page."""
    first, beside = _called(pipeline)
    device = "GPU" if pipeline.predictor.device == "cuda" else "CPU"
    return (text.READY_TWO if beside else text.READY_ONE).format(first=first, beside=beside, device=device)


def _called(pipeline: Pipeline) -> tuple[str, str]:
    """The chosen detector of a pipeline, and the second one that was asked for or nothing."""
    beside = next((one.info for one in pipeline.beside if one.asked_for), None)
    first = pipeline.predictor.info
    return text.called(first.name, first.source), text.called(beside.name, beside.source) if beside is not None else ""
