"""The panel where detectors are chosen for the page's next file; one that cannot be used leaves the page with the one that it had. A
browser names options that were offered, and nothing else: no folder of the server can be asked for."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from attribution.detectors.labels import one_sided
from attribution.detectors.spec import MEANINGS, DetectorSpec, Selection
from attribution.errors import TelltaleError, UnmappedLabels
from attribution.evidence import VIEWS
from attribution.render import detector_panel as view
from attribution.render.detector_panel import BESIDE, NONE, OTHER, OWN, SLOTS, Looked, Slot
from attribution.text import detectors as text
from attribution.text import numbers
from attribution.web import page_parts
from attribution.web.engine import LOOK_SECONDS, Abandoned, Engine, Engines, Step, sentence_of
from attribution.web.language import in_readers_language

if TYPE_CHECKING:
    from attribution.detectors.catalogue import Entry
    from attribution.pipeline import Pipeline
    from attribution.web.sessions import Sessions

_MOST_LETTERS = 300
_MOST_LOOKED = 4


def _hidden() -> Any:
    # Gradio takes apart what it is given: a new one each time.
    return gr.update(value="", visible=False)


# The parts of the page that belong to the choice of detectors. What is not given stays.
PanelParts = namedtuple("PanelParts", "header line panel progress cancel", defaults=[gr.skip()] * 5)


class Refusal(Exception):
    """What was asked for cannot be done, as a sentence."""


def _sentence(error: TelltaleError | Refusal) -> str:
    return error.sentence if isinstance(error, TelltaleError) else error.args[0]


@dataclass
class PanelState:
    """What one open page has in its panel: what is offered, what the reader has put into its slots, and what that asks for."""

    is_open: bool = False
    names: str = ""
    entries: tuple[Entry, ...] = ()
    looked: tuple[Looked, ...] = ()
    slots: dict[str, Slot] = field(default_factory=lambda: {"first": Slot(OWN), "beside": Slot(NONE)})
    loading: Engine | None = None
    cancelled: bool = False
    stamp: int = 0
    """Counts the panels that were drawn."""

    def take(self, value: Any) -> None:
        """Put what the browser says of all slots into the state; what makes no sense is refused. Slots that were added and are empty go."""
        if not isinstance(value, Mapping):
            raise Refusal(text.STRANGE)
        offered = {OWN, OTHER, *(one.name for one in self.entries if not one.refused), *(one.entry.name for one in self.looked)}
        for key in tuple(self.slots):
            said: Any = value.get(key)
            chosen = said.get("chosen") if isinstance(said, Mapping) else None
            if not isinstance(chosen, str) or (chosen not in offered and not (chosen == NONE and key in BESIDE)):
                raise Refusal(text.STRANGE)
            asked = self.slots[key].asked if self.slots[key].chosen == chosen else ()
            told: Any = said.get("meanings") if isinstance(said.get("meanings"), Mapping) else {}
            meanings = {label: told[label] for label in asked if told.get(label) in MEANINGS}
            seen = str(said["view"]) if said.get("view") in VIEWS else ""
            self.slots[key] = Slot(str(chosen), str(said.get("typed") or "")[:_MOST_LETTERS], seen, asked, meanings)
        self.slots = {key: slot for key, slot in self.slots.items() if slot.chosen != NONE or key not in BESIDE[1:]}

    def add(self) -> str:
        """Make room for another detector, where there may be one. Gives its slot."""
        key = next((key for key in BESIDE if key not in self.slots or self.slots[key].chosen == NONE), BESIDE[-1])
        self.slots.setdefault(key, Slot(NONE))
        return key

    def selection(self, own: DetectorSpec) -> Selection:
        """What the slots ask for, `own` being the detector that the page was started with. Raises Refusal for what cannot work."""
        chosen = {key: self.slots[key].chosen for key in self.filled}
        seen = {one.name: one.view for one in self.entries}
        for key, name in chosen.items():
            if name != OTHER and list(chosen.values()).count(name) > 1:
                raise Refusal(text.TWICE.format(detector=self.called(key)))
            if seen.get(chosen["first"]) == "picture" and seen.get(name) == "face":
                raise Refusal(text.BLIND.format(first=self.called("first"), beside=self.called(key)))
        first, *beside = (self.spec(key, own) for key in chosen)
        return Selection(first, tuple(beside))

    @property
    def filled(self) -> tuple[str, ...]:
        """The slots that hold a detector, the first one first."""
        return tuple(key for key in SLOTS if key in self.slots and self.slots[key].chosen != NONE)

    def spec(self, key: str, own: DetectorSpec) -> DetectorSpec:
        """The detector of one slot. Raises Refusal for what cannot be used as it is."""
        slot = self.slots[key]
        if slot.chosen == OTHER:
            raise Refusal(text.NAME_FIRST)
        if any(one.name == slot.chosen and one.kind == "known" for one in self.entries):
            raise Refusal(text.LOOK_FIRST)
        if slot.chosen == OWN:
            return own
        if any(label not in slot.meanings for label in slot.asked):
            raise Refusal(text.ASK_ALL)
        if slot.asked and one_sided(tuple(slot.meanings.values())):
            raise Refusal(text.BOTH_SIDES)
        return DetectorSpec(slot.chosen, tuple((label, slot.meanings[label]) for label in slot.asked), slot.view)

    def called(self, key: str) -> str:
        """What a slot holds, for people."""
        chosen = self.slots[key].chosen
        return next((one.title for one in self.entries if one.name == chosen), chosen)

    def look_what_came(self) -> None:
        """Note which of the repositories that were looked up are on this machine now. Not for the event loop: it reads the disk."""
        from attribution.detectors import hub

        self.looked = tuple(replace(one, is_here=hub.find(one.entry.name) is not None) for one in self.looked)

    def forget_the_gone(self) -> None:
        """What a slot holds and the lists no longer offer, as when another page emptied the cache, becomes the page's own detector."""
        offered = {OWN, OTHER, *(one.name for one in self.entries), *(one.entry.name for one in self.looked)}
        for key, slot in self.slots.items():
            if slot.chosen not in offered:
                self.slots[key] = Slot(OWN if key == "first" else NONE)

    def end(self, default: Engine) -> None:
        """End the download that this page waits for; everybody waits for that of the `default` one."""
        self.cancelled = True
        if self.loading is not None and self.loading is not default:
            self.loading.cancel()

    def shown(self, problem: str = "", busy: bool = False, focus: str = "") -> Any:
        """The panel as it is, or nothing where it is closed."""
        if not self.is_open:
            return _hidden()
        self.stamp += 1
        return gr.update(value=view.panel(self.entries, self.looked, self.slots, problem, busy, focus, self.stamp), visible=True)

    def idle(self, panel: Any) -> PanelParts:
        """Nothing is under way any more."""
        return PanelParts(panel=panel, progress=_hidden(), cancel=gr.update(visible=False, interactive=True))

    def failed(self, sentence: str) -> PanelParts:
        """One sentence at the panel; the page goes on with the detector that it had."""
        return self.idle(self.shown(problem=sentence, focus="problem"))


class DetectorPanel:
    """The events of the panel, for every open page; what belongs to one page is in its PanelState, and what was chosen in its Session."""

    def __init__(self, sessions: Sessions, engines: Engines) -> None:
        self.sessions = sessions
        self.engines = engines

    @in_readers_language
    async def opened(self, _request: gr.Request) -> str:
        """The line of a newly opened page, once it is known which detector that page was started with."""
        try:
            return view.line(_said_of(await self.engines.default.loaded())[0], is_open=False)
        except Exception:
            return view.line(text.NONE_READY, is_open=False)

    @in_readers_language
    async def toggle(self, request: gr.Request) -> tuple[Any, Any]:
        """Open the panel, or close it. Gives the line and the panel."""
        state = self.sessions.of(request).panel
        state.is_open = not state.is_open
        state.names = state.names or self._own()[0]
        if state.is_open:
            state.entries = await asyncio.to_thread(self._entries)
            state.forget_the_gone()
        line = view.line(state.names, state.is_open, focus=not state.is_open)
        return line, state.shown(focus="first", busy=state.loading is not None)

    @in_readers_language
    async def act(self, event: gr.SelectData, request: gr.Request) -> AsyncIterator[PanelParts]:
        """A repository is to be looked up, or the choice to be used, as the page's script says. Gives all parts, step by step."""
        state = self.sessions.of(request).panel
        if state.loading is not None or not state.is_open:
            return
        try:
            state.take(event.value)
            if event.index == "add":
                key = state.add()
                yield PanelParts(panel=state.shown(focus=key))
                return
            async for parts in self._look(state, event.value) if event.index == "look" else self._use(state, request):
                yield parts
        except (TelltaleError, Refusal) as error:
            await asyncio.to_thread(state.look_what_came)
            yield self._ask(state, error) if isinstance(error, UnmappedLabels) else state.failed(_sentence(error))
        except Exception as error:
            yield state.failed(sentence_of(error, text.OUR_FAULT))
        finally:
            state.loading = None

    @in_readers_language
    def cancel(self, request: gr.Request) -> Any:
        """End the download of this page. Gives the button, which has served."""
        self.sessions.of(request).panel.end(self.engines.default)
        return gr.update(interactive=False)

    async def _look(self, state: PanelState, value: Any) -> AsyncIterator[PanelParts]:
        """Ask the Hub about a repository, and show what it says."""
        from attribution.detectors import catalogue, hub, hub_client

        key = value.get("slot") if isinstance(value, Mapping) else None
        if key not in state.slots:
            raise Refusal(text.STRANGE)
        slot = state.slots[key]
        known = next((one for one in state.entries if one.name == slot.chosen and one.kind == "known" and not one.refused), None)
        if known is None and slot.chosen != OTHER:
            raise Refusal(text.STRANGE)
        if known is None and not slot.typed.strip():
            raise Refusal(text.NAME_FIRST)
        name = hub.parse(known.name if known is not None else slot.typed)
        yield PanelParts(panel=state.shown(busy=True), progress=page_parts.progress(0.0, text.LOOKING.format(name=name)))
        listing = await asyncio.to_thread(hub_client.look, name)
        entry = catalogue.looked_up(listing)
        if entry.refused:
            raise Refusal(text.CANNOT_BE_USED.format(detector=entry.title, reason=entry.refused))
        here = await asyncio.to_thread(hub.find, hub.HubName(listing.repository, listing.revision))
        found = Looked(entry, listing.revision, listing.files, listing.gated, here is not None)
        state.looked = (*(one for one in state.looked if one.entry.name != entry.name), found)[-_MOST_LOOKED:]
        state.slots[key] = Slot(entry.name)
        state.forget_the_gone()
        yield state.idle(state.shown(focus=key))

    async def _use(self, state: PanelState, request: gr.Request) -> AsyncIterator[PanelParts]:
        """Load what was chosen, download included, and make it the choice for the page's next file."""
        selection = state.selection(self.engines.default.selection.first)
        names = " + ".join(text.short(state.called(key)) for key in state.filled)
        chosen = {slot.chosen for slot in state.slots.values()}
        size = sum(one.entry.bytes or 0 for one in state.looked if not one.is_here and one.entry.name in chosen)
        state.cancelled = False
        told = gr.update(value=view.progress(names, None, ""), visible=True)
        yield PanelParts(panel=state.shown(busy=True), progress=told, cancel=gr.update(visible=True, interactive=True))
        async for step in self._loaded(state, selection):
            if not isinstance(step, Step):
                self.sessions.of(request).selection = selection if selection != self.engines.default.selection else None
                (state.names, ready), state.is_open = _said_of(step), False
                await asyncio.to_thread(state.look_what_came)
                line = view.line(state.names, is_open=False, focus=True)
                yield state.idle(_hidden())._replace(header=page_parts.header("ready", ready), line=line)
                return
            share, doing = step.share, step.doing
            told = text.DOWNLOADING.format(share=numbers.per_cent(share), size=numbers.size(size), doing=doing) if size and share else doing
            told = text.CHECKING if size and share >= 1 else told
            yield PanelParts(progress=gr.update(value=view.progress(names, share if share else None, told), visible=True))

    async def _loaded(self, state: PanelState, selection: Selection) -> AsyncIterator[Step | Pipeline]:
        """Steps of the loading of a selection, then its pipeline. Raises what loading raised, and Refusal when it was cancelled."""
        engine = state.loading = self.engines.of(selection)
        shown, again = None, True
        while True:
            try:
                pipeline = engine.ready()
            except Abandoned as error:
                # An earlier wish for the same detector was cancelled, or others needed the room: once more.
                if state.cancelled or not again:
                    raise Refusal(text.CANCELLED if state.cancelled else text.ENDED) from error
                engine = state.loading = self.engines.of(selection)
                again = False
                continue
            if state.cancelled:
                raise Refusal(text.CANCELLED)
            if pipeline is not None:
                yield pipeline
                return
            if engine.step != shown:
                shown = engine.step
                yield shown
            await asyncio.sleep(LOOK_SECONDS)

    @staticmethod
    def _ask(state: PanelState, error: UnmappedLabels) -> PanelParts:
        """The panel with a question for every label of the detector whose labels do not tell."""
        key = state.filled[error.place]
        name = text.short(state.called(key))
        if not error.labels or len(error.labels) > text.MOST_LABELS:
            return state.failed(text.TOO_MANY.format(name=name, count=len(error.labels)) if error.labels else error.sentence)
        slot = state.slots[key]
        answered = bool(slot.asked) and all(label in slot.meanings for label in slot.asked)
        state.slots[key] = replace(slot, asked=error.labels)
        # Of the answers themselves something is missing: an untouched one, or a manipulated one.
        return state.failed(error.sentence) if answered else state.idle(state.shown(focus="ask"))

    def _entries(self) -> tuple[Entry, ...]:
        """All detectors, that of the page first. Not for the event loop: it reads the disk."""
        from attribution.detectors import catalogue

        (own, pipeline), found = self._own(), catalogue.entries()
        info = pipeline.predictor.info if pipeline is not None else None
        told = (info.display_names or info.labels, info.licence) if info is not None else ((), "")
        seen, measured = (pipeline.crop.view if pipeline is not None else ""), info is not None and info.measured
        made = catalogue.Entry(OWN, own, "embedded", "", *told, "", None, seen, measured)
        same = next((one for one in found if one.name == own), made)
        return (replace(same, name=OWN), *(one for one in found if one.name != own))

    def _own(self) -> tuple[str, Pipeline | None]:
        """The name of the detector that the page was started with, and its pipeline once it is there."""
        try:
            pipeline = self.engines.default.ready()
        except Exception:
            pipeline = None
        return (pipeline.predictor.info.name if pipeline is not None else text.NONE_READY), pipeline


def _said_of(pipeline: Pipeline) -> tuple[str, str]:
    """The detectors of a pipeline, for the line of the panel and for the head of the page."""
    chosen = (pipeline.predictor.info, *(one.info for one in pipeline.beside if one.asked_for))
    first, *others = (text.called(info.name, info.source) for info in chosen)
    device = "GPU" if pipeline.predictor.device == "cuda" else "CPU"
    if not others:
        return first, text.READY_ONE.format(first=first, device=device)
    beside = text.AND.format(first=first, beside=numbers.listed(others))
    return beside, text.READY_SEVERAL.format(detectors=numbers.listed([first, *others]), device=device)
