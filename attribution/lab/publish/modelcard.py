"""The model card (README.md of a detector's folder), written from the card alone, so that no figure in it can differ from card.json."""

from __future__ import annotations

import json
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from attribution.detectors.card import Card

_TEMPLATE = Path(__file__).with_name("modelcard.md.j2")


def model_card(card: Card) -> str:
    """Markdown with the Hub's YAML front matter."""
    settings, shares = json.loads(card.training.notes[0]), ""
    # How often which kind of Multi-scale Facial Swap was drawn, where not as often as in the paper.
    if settings.get("shares"):
        *first, last = (f"{100 * share:.0f}" for share in settings["shares"])
        shares = f"{', '.join(first)} and {last} % of them; the paper: 40, 20, 20 and 20 %"
    markdown = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)
    markdown.filters["shown"] = lambda cell: "" if cell is None else str(cell)
    return (
        markdown.from_string(_TEMPLATE.read_text(encoding="utf-8"))
        .render(
            card=card,
            settings=settings,
            minutes=f"{card.training.minutes:.0f}",
            model_args=json.dumps(settings.get("model_args")),
            swap_kinds=shares or "40, 20, 20 and 20 % of them, as in the paper",
            precision="8 bits a value" if any(table.title == "Eight bits" for table in card.measured) else "half precision",
        )
        .rstrip()
    )
