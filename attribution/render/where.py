"""What the section "Where" leads with: the heatmap, or, where it explains nothing, that sentence and what else there is."""

from typing import NamedTuple

from markupsafe import Markup

from attribution.evidence import Heatmap
from attribution.render.html import macros
from attribution.text import areas as text

_HTML = macros("areas.html")


class Where(NamedTuple):
    """How to show where a detector looked. `lead` stands above everything, and is empty where there is nothing to warn of; `order` holds
    those of `areas`, `patches` and `heatmap` that there are, the first one first; a heatmap that explains nothing is `folded`."""

    lead: Markup
    order: tuple[str, ...]
    folded: bool


def where(heatmap: Heatmap | None, areas: bool, patches: bool, marked: bool = True) -> Where:
    """The order for a face: `heatmap` as far as it has been drawn, whether there is something to say of `areas` (and any is `marked`), and
    whether there is a patch view."""
    to_see = [name for name, there in (("areas", areas and marked), ("patches", patches)) if there]
    others = (*to_see, *(["areas"] if areas and not marked else []))
    if heatmap is None:
        return Where(Markup(), others, False)
    if heatmap.faithful != "no":
        return Where(Markup(), ("heatmap", *others), False)
    lead = _HTML.unfaithful([text.UNFAITHFUL, *(text.INSTEAD[name] for name in to_see[:1])])
    return Where(lead, (*others, "heatmap"), True)
