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

from attribution.choice import Selection
from attribution.errors import TelltaleError, UnmappedLabels
from attribution.ui import choosing_text as text
from attribution.ui import notices
from attribution.ui.draft import ChoosingParts, Draft, Refusal
from attribution.ui.engine import Abandoned, Engines, log_quietly
from attribution.ui.shelf import MOST_SESSIONS, Shelf
from attribution.views import catalogue as view
from attribution.views.catalogue import NONE, OTHER, OWN, SLOTS, Looked, Slot

if TYPE_CHECKING:
    from attribution.catalogue import Entry
    from attribution.pipeline import Kit

_TICK_SECONDS = 0.25
_MOST_LOOKED = 4


class Chooser:
    """One chooser serves every page; what belongs to one page is in its Draft, and what was chosen in its Session."""

    def __init__(self, shelf: Shelf, engines: Engines) -> None:
        self.shelf = shelf
        self.engines = engines
        self._drafts: OrderedDict[str, Draft] = OrderedDict()
        self._lock = threading.Lock()

    async def opened(self) -> AsyncIterator[str]:
        """The line of a newly opened page, once it is known which detector that page was started with."""
        while True:
            try:
                kit = self.engines.default.kit(0)
            except Exception:
                yield view.line(text.NONE_READY, is_open=False)
                return
            if kit is not None:
                yield view.line(_names(kit), is_open=False)
                return
            await asyncio.sleep(_TICK_SECONDS)

    async def toggle(self, request: gr.Request) -> tuple[Any, Any]:
        """Open the panel, or close it. Gives the line and the panel."""
        draft = self._draft(request)
        draft.is_open = not draft.is_open
        draft.names = draft.names or self._own_name()
        if draft.is_open:
            draft.entries = await asyncio.to_thread(self._entries)
            draft.forget_the_gone()
        line = view.line(draft.names, draft.is_open, focus=not draft.is_open)
        return line, draft.shown(focus="first", busy=draft.loading is not None)

    async def act(self, event: gr.SelectData, request: gr.Request) -> AsyncIterator[ChoosingParts]:
        """A repository is to be looked up, or the choice to be used, as the page's script says. Gives all parts, step by step."""
        draft = self._draft(request)
        if draft.loading is not None or not draft.is_open:
            return
        try:
            draft.take(event.value)
            steps = self._look(draft, event.value) if event.index == "look" else self._use(draft, request)
            async for parts in steps:
                yield parts
        except UnmappedLabels as error:
            await asyncio.to_thread(_look_what_came, draft)
            yield await self._ask(draft, error)
        except (TelltaleError, Refusal) as error:
            await asyncio.to_thread(_look_what_came, draft)
            yield draft.failed(str(error))
        except Exception as error:
            log_quietly(error)
            yield draft.failed(text.OUR_FAULT)
        finally:
            draft.loading = None

    def cancel(self, request: gr.Request) -> Any:
        """End the download that this page waits for. Gives the button, which has served."""
        draft = self._draft(request)
        self._end(draft)
        return gr.update(interactive=False)

    def leave(self, request: gr.Request) -> None:
        """The page was closed: nobody waits for its download."""
        with self._lock:
            draft = self._drafts.pop(str(request.session_hash), None)
        if draft is not None:
            self._end(draft)

    def _end(self, draft: Draft) -> None:
        draft.cancelled = True
        # Everybody waits for the default one.
        if draft.loading is not None and draft.loading is not self.engines.default:
            draft.loading.cancel()

    async def _look(self, draft: Draft, value: Any) -> AsyncIterator[ChoosingParts]:
        """Ask the Hub about a repository, and show what it says."""
        from attribution import catalogue, hub

        key = value.get("slot") if isinstance(value, Mapping) else None
        if key not in SLOTS:
            raise Refusal(text.STRANGE)
        slot = draft.slots[key]
        known = next((one for one in draft.entries if one.name == slot.chosen and one.kind == "known" and not one.refused), None)
        if known is None and slot.chosen != OTHER:
            raise Refusal(text.STRANGE)
        if known is None and not slot.typed.strip():
            raise Refusal(text.NAME_FIRST)
        name = hub.parse(known.name if known is not None else slot.typed)
        yield draft.busy(notices.progress(0.0, text.LOOKING.format(name=name)))
        listing = await asyncio.to_thread(hub.look, name)
        entry = catalogue.looked_up(listing)
        if entry.refused:
            raise Refusal(f"{entry.title}: {entry.refused}")
        here = await asyncio.to_thread(hub.find, hub.HubName(listing.repository, listing.revision))
        found = Looked(entry, listing.revision, listing.files, listing.gated, here is not None)
        others = [one for one in draft.looked if one.entry.name != entry.name]
        draft.looked = (*others, found)[-_MOST_LOOKED:]
        draft.slots[key] = Slot(entry.name)
        draft.forget_the_gone()
        yield draft.idle(draft.shown(focus=key))

    async def _use(self, draft: Draft, request: gr.Request) -> AsyncIterator[ChoosingParts]:
        """Load what was chosen, download included, and make it the choice for the page's next file."""
        selection = draft.selection(self.engines.default.selection.first)
        names = " + ".join(text.short(draft.called(key)) for key in SLOTS if draft.slots[key].chosen != NONE)
        draft.cancelled = False
        yield draft.busy(gr.update(value=view.progress(names, None, ""), visible=True))._replace(
            cancel=gr.update(visible=True, interactive=True)
        )
        size = sum(one.entry.bytes or 0 for one in draft.looked if not one.is_here and draft.is_chosen(one.entry.name))
        kit = None
        async for step in self._loaded(draft, selection):
            if not isinstance(step, tuple):
                kit = step
                break
            share, doing = step
            told = text.DOWNLOADING.format(share=f"{100 * share:.0f} %", size=text.size(size), doing=doing) if size and share else doing
            told = text.CHECKING if size and share >= 1 else told
            bar = view.progress(names, share if share else None, told)
            yield ChoosingParts.unchanged()._replace(progress=gr.update(value=bar, visible=True))
        assert kit is not None
        self.shelf.session(str(request.session_hash)).selection = selection if selection != self.engines.default.selection else None
        draft.names, draft.is_open = _names(kit), False
        await asyncio.to_thread(_look_what_came, draft)
        yield draft.idle(gr.update(value="", visible=False))._replace(
            header=notices.header(notices.pill("ready", _ready(kit))), line=view.line(draft.names, is_open=False, focus=True)
        )

    async def _loaded(self, draft: Draft, selection: Selection) -> AsyncIterator[tuple[float, str] | Kit]:
        """Steps of the loading of a selection as (share, words), then its kit. Raises what loading raised, and Refusal when it was
        cancelled."""
        engine = draft.loading = self.engines.of(selection)
        shown, again = None, True
        while True:
            try:
                kit = engine.kit(0)
            except Abandoned as error:
                # An earlier wish for the same detector was cancelled, or others needed the room: once more.
                if draft.cancelled or not again:
                    raise Refusal(text.CANCELLED if draft.cancelled else text.ENDED) from error
                engine, again = self.engines.of(selection), False
                draft.loading = engine
                continue
            if draft.cancelled:
                raise Refusal(text.CANCELLED)
            if kit is not None:
                yield kit
                return
            if engine.step != shown:
                shown = engine.step
                yield shown.share, shown.doing
            await asyncio.sleep(_TICK_SECONDS)

    async def _ask(self, draft: Draft, error: UnmappedLabels) -> ChoosingParts:
        """The panel with a question for every label of the detector whose labels do not tell."""
        key = await asyncio.to_thread(self._unmapped, draft)
        name = text.short(draft.called(key))
        if not error.labels or len(error.labels) > text.MOST_LABELS:
            return draft.failed(text.TOO_MANY.format(name=name, count=len(error.labels)) if error.labels else str(error))
        slot = draft.slots[key]
        answered = bool(slot.asked) and all(label in slot.meanings for label in slot.asked)
        draft.slots[key] = replace(slot, asked=error.labels)
        # Of the answers themselves something is missing: an untouched one, or a manipulated one.
        return draft.failed(str(error)) if answered else draft.idle(draft.shown(focus="ask"))

    def _unmapped(self, draft: Draft) -> str:
        """Which of the two detectors the labels are of that have no meaning. The error does not say, so the first one is tried alone."""
        if draft.slots["beside"].chosen == NONE:
            return "first"
        try:
            self.engines.of(Selection(draft.choice("first", self.engines.default.selection.first))).kit()
        except UnmappedLabels:
            return "first"
        except Exception:
            return "beside"
        return "beside"

    def _entries(self) -> tuple[Entry, ...]:
        """All detectors, that of the page first. Not for the event loop: it reads the disk."""
        from attribution import catalogue

        own, found = self._own_name(), catalogue.entries()
        kit = self._own_kit()
        same = next((one for one in found if one.name == own), None)
        if same is None:
            info = kit.examiner.info if kit is not None else None
            seen = kit.crop.view if kit is not None else ""
            labels, licence = (info.display_names or info.labels, info.licence) if info is not None else ((), "")
            measured = info is not None and info.measured
            same = catalogue.Entry(OWN, own, "embedded", "", labels, licence, "", None, seen, measured)
        return (replace(same, name=OWN), *(one for one in found if one.name != own))

    def _own_kit(self) -> Kit | None:
        try:
            return self.engines.default.kit(0)
        except Exception:
            return None

    def _own_name(self) -> str:
        kit = self._own_kit()
        return kit.examiner.info.name if kit is not None else text.NONE_READY

    def _draft(self, request: gr.Request) -> Draft:
        with self._lock:
            draft = self._drafts.setdefault(str(request.session_hash), Draft())
            self._drafts.move_to_end(str(request.session_hash))
            while len(self._drafts) > MOST_SESSIONS:
                self._drafts.popitem(last=False)
        return draft


def _look_what_came(draft: Draft) -> None:
    """Note which of the repositories that were looked up are on this machine now."""
    from attribution import hub

    draft.looked = tuple(replace(one, is_here=hub.find(one.entry.name) is not None) for one in draft.looked)


def _names(kit: Kit) -> str:
    """The detectors of a kit, for the line of the panel."""
    first, beside = _called(kit)
    return text.AND.format(first=first, beside=beside) if beside else first


def _ready(kit: Kit) -> str:
    """The same for the head of the page."""
    first, beside = _called(kit)
    device = "GPU" if kit.examiner.device == "cuda" else "CPU"
    return (text.READY_TWO if beside else text.READY_ONE).format(first=first, beside=beside, device=device)


def _called(kit: Kit) -> tuple[str, str]:
    """The chosen detector of a kit, and the second one that was asked for or nothing."""
    beside = next((one.info for one in kit.beside if one.asked_for), None)
    first = kit.examiner.info
    return text.called(first.name, first.source), text.called(beside.name, beside.source) if beside is not None else ""
