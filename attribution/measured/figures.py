"""Figures of the pages of measurements, drawn by `templates/figures.html`; every number that is drawn also stands there in words."""

import base64
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.tables import Estimate, figure_words, share_words
from attribution.messages import Message
from attribution.render.charts import Axis, axis_around
from attribution.render.html import ENVIRONMENT, macros
from attribution.text import failures as text
from attribution.text import limits as limits_text
from attribution.text.numbers import measured_share

ANY = "*"
HEAT_LEVELS = 10
_BREAKS, _BREAK_AFTER = re.compile(r"[._](?=[A-Za-z])"), r"\g<0><wbr>"
_WHOLE = re.compile(r"\([−\d][^()\s]*(?:–|\s\w+\s)[^()]{1,16}\)")
# A dash between two word joiners.
_DASH = "\u2060–\u2060"
_MOST_ROWS_PLAIN, _MOST_ROWS_LISTED = 60, 2_000


def joined(words: str) -> Markup:
    """Escaped, and no line breaks between a number and its unit or within an interval."""
    whole = str(escape(words)).replace(" %", "&nbsp;%").replace(" px", "&nbsp;px")
    return Markup(_WHOLE.sub(r'<span class="tt-whole">\g<0></span>', whole))


def breakable(name: str) -> Markup:
    """A name such as generated.photos may break at its dots and underscores, and nowhere else."""
    return Markup(_BREAKS.sub(_BREAK_AFTER, str(escape(name))))


def of_data(words: str) -> str:
    """Words of a card or a study, which may be in the catalogues."""
    return Message(words) if words else ""


ENVIRONMENT.filters.update(joined=joined, breakable=breakable, of_data=of_data)
ENVIRONMENT.globals.update(limits=limits_text, failures=text)
draw = macros("figures.html")
"""The macros by name, each of which gives Markup."""


class Dot(NamedTuple):
    """A value with its whisker; `hollow` for the second of two on a line. `kind`: accent, muted, other, accused, cleared."""

    estimate: Estimate
    hollow: bool = False
    kind: str = "accent"


class Line(NamedTuple):
    """One line of a chart: its name, and HTML cells in the order of the chart's columns; without cells it heads a group."""

    name: str
    cells: Sequence[Markup] = ()


class DotLine(NamedTuple):
    """A line of a chart of dots: its name, its dots, and what is said of them; without words it heads a group. `axis`: its own marks."""

    name: str
    dots: Sequence[Dot] = ()
    said: str = ""
    axis: Axis | None = None


def dot_chart(head: str, lines: Sequence[DotLine], axis: Axis, of: str = "", beside: str = "") -> Markup:
    """Dots on one axis with their words beside them. `of` says what the words are of where the heads of columns cannot be seen."""
    drawn = [Line(one.name, (draw.plot(one.axis or axis, one.dots), draw.words(one.said, of)) if one.said else ()) for one in lines]
    return draw.chart((head, beside), drawn, (axis, None))


def difference_chart(head: str, found: Sequence[tuple[str, Estimate]], shares: bool = False) -> Markup:
    """Named differences under their legend; hollow where the interval holds zero, or there is none to say that it does not."""
    say, axis = share_words if shares else figure_words, axis_around([one for _, one in found], 0.0, shares)
    lines = [DotLine(name, [Dot(one, one.low is None or one.includes_zero)], say(one)) for name, one in found]
    return pair_key(text.SHOWN, text.NOT_SHOWN) + dot_chart(head, lines, axis, "difference")


def stack(parts: Sequence[tuple[str, str, float]]) -> Markup:
    """Shares of a whole as one bar, with their words: (kind, name, share). Kinds are accused, cleared, open, agrees, doubted."""
    return draw.shares(parts, ", ".join(f"{name} {measured_share(share)}" for _, name, share in parts))


def key(*items: tuple[str, Any]) -> Markup:
    """A legend: (classes such as `tt-dot tt-accused` or `tt-open`, words)."""
    return draw.key(items)


def pair_key(filled: str, hollow: str, kind: str = "accent") -> Markup:
    """A legend of filled and hollow dots."""
    return key(("tt-dot tt-accent", filled), (f"tt-dot tt-{kind} tt-hollow", hollow))


def short(value: float) -> str:
    """A share without its leading zero."""
    return "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0") if value >= 0.005 else "0"


def level(value: float, least: float, most: float = 1.0) -> int:
    """Which of the colours of heat it has."""
    return round(HEAT_LEVELS * min(max((value - least) / (most - least), 0.0), 1.0))


def heat_key(low: str, high: str, *more: tuple[str, str]) -> Markup:
    """What the colours of a heat map mean, and more items of `key`."""
    return key(("steps", (low, high, HEAT_LEVELS)), *more)


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


class Chooser(NamedTuple):
    """`about`: what is chosen (choosers about the same thing move together); options are (number, words); `chosen` is a number."""

    about: str
    legend: str
    options: Sequence[tuple[int, str]]
    chosen: int


@dataclass
class Panels:
    """Rows of radio buttons and what they choose between: elements with `data-of`, the numbers that they belong to (`*`: any)."""

    choosers: Sequence[Chooser]
    captions: list[tuple[Markup, str]] = field(default_factory=list)
    drawn: list[Markup] = field(default_factory=list)

    def of(self, *numbers: int | str) -> Markup:
        """The attributes of an element for those numbers."""
        fits = all(number in (ANY, chooser.chosen) for number, chooser in zip(numbers, self.choosers, strict=True))
        return Markup('data-of="{}"{}').format(" ".join(map(str, numbers)), Markup("" if fits else " hidden"))

    def add(self, numbers: Sequence[int | str], caption: str, drawn: Markup | None = None) -> None:
        """A caption, whose intervals do not break at their dash, and what stands below it for those numbers."""
        if caption:
            self.captions.append((self.of(*numbers), caption.replace("–", _DASH)))
        if drawn is not None:
            self.drawn.append(draw.panel(self.of(*numbers), drawn))

    def part(self, name: str, before: Sequence[Markup] = (), after: Sequence[Markup] = ()) -> Markup:
        """Choosers, the caption of what is chosen (which screen readers announce), and the panels."""
        return draw.choice(name, self.choosers, self.captions, text.CHOICE_MISSING, [*before, *self.drawn, *after])
