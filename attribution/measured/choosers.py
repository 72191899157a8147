"""Choices on a page without a server: rows of radio buttons, what they choose between, and tables that open on demand.

A part (`part`) holds choosers and elements with `data-of`, the numbers that they belong to in the order of the choosers (`*`: any); the
script of the page shows those that fit. Choosers of the same thing in different parts move together.
"""

from __future__ import annotations

import base64
import html
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from attribution.detectors.card import Cell, MeasuredTable
from attribution.measured import figures
from attribution.text import failures as text

ANY = "*"
# A dash between two word joiners.
_DASH = "\u2060–\u2060"
_MOST_ROWS_DRAWN = 60
_MOST_ROWS_LISTED = 2_000


@dataclass(frozen=True)
class Chooser:
    """`about`: what is chosen (choosers about the same thing move together); options are (number, words); `chosen` is a number."""

    about: str
    legend: str
    options: Sequence[tuple[int, str]]
    chosen: int

    def draw(self, part: str) -> str:
        buttons = "".join(
            f'<label><input type="radio" name="tt-{part}-{self.about}" value="{number}" data-about="{self.about}"'
            f"{' checked' if number == self.chosen else ''}><span>{html.escape(words)}</span></label>"
            for number, words in self.options
        )
        return f"<fieldset><legend>{html.escape(self.legend)}</legend><div>{buttons}</div></fieldset>"


@dataclass
class Panels:
    """What the choosers of a part choose between."""

    choosers: Sequence[Chooser]
    captions: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)

    def of(self, *numbers: int | str) -> str:
        """The attributes of an element for those numbers."""
        key = " ".join(map(str, numbers))
        fits = all(number == ANY or number == chooser.chosen for number, chooser in zip(numbers, self.choosers, strict=True))
        return f'data-of="{key}"{"" if fits else " hidden"}'

    def add(self, numbers: Sequence[int | str], caption: str, drawn: str) -> None:
        """A caption (plain text) and what stands below it (HTML) for those numbers."""
        self.caption(numbers, caption)
        self.drawn.append(f"<div {self.of(*numbers)}>{drawn}</div>")

    def caption(self, numbers: Sequence[int | str], caption: str) -> None:
        """Only the caption; intervals do not break at their dash."""
        if caption:
            self.captions.append(f"<p {self.of(*numbers)}>{html.escape(caption).replace('–', _DASH)}</p>")

    def part(self, key: str, before: str = "", after: str = "") -> str:
        """The whole part: choosers, the caption of what is chosen (which screen readers announce), and the panels."""
        choosers = "".join(chooser.draw(key) for chooser in self.choosers if len(chooser.options) > 1)
        return (
            f'<div class="tt-part-of" data-chosen="{" ".join(str(one.chosen) for one in self.choosers)}"'
            f' data-about="{" ".join(one.about for one in self.choosers)}">'
            f'<div class="tt-choose">{choosers}</div><div class="tt-captions" aria-live="polite">{"".join(self.captions)}'
            f"<p data-none hidden>{text.CHOICE_MISSING}</p></div>{before}{''.join(self.drawn)}{after}</div>"
        )


def folded(table: MeasuredTable, say: Callable[[str], str], without: Sequence[str] = ()) -> str:
    """The whole table, closed until somebody opens it. A long one is packed text with tabs, which the script makes a table of when it is
    opened: as HTML it would outweigh the page. Columns in `without` are left out."""
    if without:
        kept = [at for at, column in enumerate(table.columns) if column not in without]
        columns = tuple(table.columns[at] for at in kept)
        table = MeasuredTable(table.title, columns, tuple(tuple(row[at] for at in kept) for row in table.rows), table.note)
    if len(table.rows) <= _MOST_ROWS_DRAWN:
        return figures.exact(table, say)
    shown = table.rows[:_MOST_ROWS_LISTED]
    note = f'<p class="tt-small">{html.escape(table.note)}</p>' if table.note else ""
    if len(shown) < len(table.rows):
        note += f'<p class="tt-small">{text.CUT_NUMBERS.format(shown=len(shown), rows=len(table.rows))}</p>'
    packed = base64.b64encode(zlib.compress(lines(table.columns, shown).encode("utf-8"), 9)).decode("ascii")
    listed = figures.scrolled(f'<p class="tt-small" data-packed="{packed}">{text.UNPACKING}</p>', table.title)
    return f"<details><summary>{html.escape(text.ALL_NUMBERS.format(title=table.title))}</summary>{listed}{note}</details>"


def lines(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A line for the columns and for every row, with tabs between."""
    return "\n".join("\t".join(map(_flat, row)) for row in (columns, *rows))


def _flat(cell: Cell) -> str:
    """A cell as one word of a line."""
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.3f}".rstrip("0").rstrip(".") if 0.01 <= abs(cell) < 1000 else f"{cell:.3g}"
    return str(cell).replace("\t", " ").replace("\n", " ")
