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


def where(heatmap: Heatmap | None, areas: bool, patches: bool) -> Where:
    """The order for a face: `heatmap` as far as it has been drawn, whether a detector marked `areas`, and whether there is a patch view."""
    others = tuple(name for name, there in (("areas", areas), ("patches", patches)) if there)
    if heatmap is None:
        return Where(Markup(), others, False)
    if heatmap.faithful != "no":
        return Where(Markup(), ("heatmap", *others), False)
    return Where(_HTML.unfaithful([text.UNFAITHFUL, *(text.INSTEAD[name] for name in others[:1])]), (*others, "heatmap"), True)
