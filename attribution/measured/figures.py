"""Words and tables of the pages of measurements; their charts are those of `attribution.render.charts`."""

import base64
import re
import zlib
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from attribution.detectors.card import Cell, MeasuredTable
from attribution.messages import Words, from_data
from attribution.render.html import ENVIRONMENT, macros
from attribution.text import failures as text
from attribution.text import limits as limits_text

HEAT_LEVELS = 10
_WHOLE = re.compile(r"\([−\d][^()\s]*(?:–|\s\w+\s)[^()]{1,16}\)|\d[\d.,]*–\d[\d.,]*(?:(?:&nbsp;|\s)?%)?")
_MOST_ROWS_PLAIN, _MOST_ROWS_LISTED = 60, 2_000


def joined(words: str) -> Markup:
    """Escaped, and no line breaks between a number and its unit or within an interval."""
    whole = str(escape(words)).replace(" %", "&nbsp;%").replace(" px", "&nbsp;px").replace("n = ", "n&nbsp;=&nbsp;")
    return Markup(_WHOLE.sub(r'<span class="tt-whole">\g<0></span>', whole))


def of_data(words: str) -> str:
    """Words of a card or a study, which may be in the catalogues."""
    return from_data(words) if words and not isinstance(words, Words) else words


ENVIRONMENT.filters.update(joined=joined, of_data=of_data)
ENVIRONMENT.globals.update(limits=limits_text)
draw = macros("figures.html")
"""The macros by name, each of which gives Markup."""


def numbers(table: MeasuredTable, say: Callable[[str], str], without: Sequence[str] = ()) -> Markup:
    """The whole table but for some columns, closed, with its CSV: lines with tabs, long ones packed, of which the script makes both. `say`
    turns words into words for people."""
    kept = [at for at, column in enumerate(table.columns) if column not in without]
    shown = table.rows[:_MOST_ROWS_LISTED]
    lines = packed_lines([table.columns[at] for at in kept], [[row[at] for at in kept] for row in shown], say)
    cut = text.CUT_NUMBERS.format(shown=len(shown), rows=len(table.rows)) if len(shown) < len(table.rows) else ""
    packed = base64.b64encode(zlib.compress(lines.encode("utf-8"), 9)).decode("ascii") if len(shown) > _MOST_ROWS_PLAIN else ""
    name = f"{re.sub(r'[^a-z0-9]+', '-', table.title.lower()).strip('-') or 'table'}.csv"
    return draw.numbers(of_data(table.title), name, lines, packed, [note for note in (of_data(table.note), cut) if note])


def packed_lines(columns: Sequence[str], rows: Sequence[Sequence[Cell]], say: Callable[[str], str] = str) -> str:
    """A line for the columns and for every row, with tabs between. Numbers are written for programs."""
    return "\n".join("\t".join(_flat(cell, say) for cell in row) for row in (columns, *rows))


def _flat(cell: Cell, say: Callable[[str], str]) -> str:
    """A cell as one word of a line."""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return "" if cell is None else f"{say(cell) if isinstance(cell, str) else cell}".replace("\t", " ").replace("\n", " ")
