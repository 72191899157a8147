"""What one open page has in its panel of detectors: what is offered, what the reader has put into its two places, and what that asks for.

What comes from a browser names options that were offered, and nothing else: no folder of the server can be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from attribution.detectors.spec import MEANINGS, DetectorSpec, Selection
from attribution.evidence import VIEWS
from attribution.render import detector_panel as view
from attribution.render.detector_panel import NONE, OTHER, OWN, SLOTS, Looked, Slot
from attribution.text import detectors as text
from attribution.web.engine import Engine

if TYPE_CHECKING:
    from attribution.detectors.catalogue import Entry

_MOST_LETTERS = 300


class PanelParts(NamedTuple):
    """The parts of the page that belong to the choice of detectors."""

    header: Any
    line: Any
    panel: Any
    progress: Any
    cancel: Any

    @classmethod
    def unchanged(cls) -> PanelParts:
        return cls(*[gr.skip()] * len(cls._fields))


class Refusal(Exception):
    """What was asked for cannot be done, as a sentence."""


@dataclass
class PanelState:
    """What one open page has in its panel."""

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
        """Put what the browser says of both slots into the state; what makes no sense is refused."""
        if not isinstance(value, Mapping):
            raise Refusal(text.STRANGE)
        offered = {OWN, OTHER, *(one.name for one in self.entries if not one.refused), *(one.entry.name for one in self.looked)}
        for key in SLOTS:
            said = value.get(key)
            chosen = said.get("chosen") if isinstance(said, Mapping) else None
            known = isinstance(chosen, str) and (chosen in offered or (chosen == NONE and key == "beside"))
            if not isinstance(said, Mapping) or not known:
                raise Refusal(text.STRANGE)
            before, meanings = self.slots[key], said.get("meanings")
            asked = before.asked if before.chosen == chosen else ()
            told = meanings if isinstance(meanings, Mapping) else {}
            self.slots[key] = Slot(
                str(chosen),
                str(said.get("typed") or "")[:_MOST_LETTERS],
                str(said["view"]) if said.get("view") in VIEWS else "",
                asked,
                {label: told[label] for label in asked if told.get(label) in MEANINGS},
            )

    def selection(self, own: DetectorSpec) -> Selection:
        """What the two slots ask for, `own` being the detector that the page was started with. Raises Refusal for what cannot work."""
        first, beside = self.slots["first"], self.slots["beside"]
        if first.chosen == beside.chosen:
            raise Refusal(text.SAME)
        seen = {one.name: one.view for one in self.entries}
        if seen.get(first.chosen) == "picture" and seen.get(beside.chosen) == "face":
            raise Refusal(text.BLIND.format(first=self.called("first"), beside=self.called("beside")))
        return Selection(self.choice("first", own), self.choice("beside", own) if beside.chosen != NONE else None)

    def choice(self, key: str, own: DetectorSpec) -> DetectorSpec:
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
        if slot.asked and len({meaning == "real" for meaning in slot.meanings.values()}) < 2:
            raise Refusal(text.BOTH_SIDES)
        return DetectorSpec(slot.chosen, tuple((label, slot.meanings[label]) for label in slot.asked), slot.view)

    def called(self, key: str) -> str:
        """What a slot holds, for people."""
        chosen = self.slots[key].chosen
        return next((one.title for one in self.entries if one.name == chosen), chosen)

    def is_chosen(self, name: str) -> bool:
        """Whether the option of that value is chosen in either slot."""
        return any(slot.chosen == name for slot in self.slots.values())

    def forget_the_gone(self) -> None:
        """What a slot holds and the lists no longer offer, as when another page emptied the cache, becomes the page's own detector."""
        offered = {OWN, OTHER, *(one.name for one in self.entries), *(one.entry.name for one in self.looked)}
        for key, fallback in (("first", OWN), ("beside", NONE)):
            if self.slots[key].chosen not in offered:
                self.slots[key] = Slot(fallback)

    def shown(self, problem: str = "", busy: bool = False, focus: str = "") -> Any:
        """The panel as it is, or nothing where it is closed."""
        if not self.is_open:
            return gr.update(value="", visible=False)
        self.stamp += 1
        return gr.update(value=view.panel(self.entries, self.looked, self.slots, problem, busy, focus, self.stamp), visible=True)

    def busy(self, progress: Any) -> PanelParts:
        """While something is under way."""
        return PanelParts.unchanged()._replace(panel=self.shown(busy=True), progress=progress)

    def idle(self, panel: Any) -> PanelParts:
        """Nothing is under way any more."""
        hidden = gr.update(value="", visible=False)
        return PanelParts.unchanged()._replace(panel=panel, progress=hidden, cancel=gr.update(visible=False, interactive=True))

    def failed(self, sentence: str) -> PanelParts:
        """One sentence at the panel; the page goes on with the detector that it had."""
        return self.idle(self.shown(problem=sentence, focus="problem"))
