"""Figures of the pages of measurements, drawn by `templates/figures.html`; every number that is drawn also stands there in words."""

import base64
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.tables import Estimate, figure_words, share_words
from attribution.render.charts import Plot
from attribution.render.html import ENVIRONMENT, macros
from attribution.text import failures as text
from attribution.text import limits as limits_text
from attribution.text.numbers import measured_share

ANY = "*"
HEAT_LEVELS = 10
_BREAKS, _BREAK_AFTER = re.compile(r"[._](?=[A-Za-z])"), r"\g<0><wbr>"
_WHOLE = re.compile(r"\(−?[\d.]+(?:–| to )−?[\d.]+(?:&nbsp;%)?\)")
_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
# A dash between two word joiners.
_DASH = "\u2060–\u2060"
_MOST_ROWS_DRAWN, _MOST_ROWS_LISTED = 60, 2_000
_LARGEST_DOT, _SMALLEST_DOT = 10.0, 3.5


def joined(words: str) -> Markup:
    """Escaped, and no line breaks between a number and its unit or within an interval."""
    whole = str(escape(words)).replace(" %", "&nbsp;%").replace(" px", "&nbsp;px")
    return Markup(_WHOLE.sub(r'<span class="tt-whole">\g<0></span>', whole))


def breakable(name: str) -> Markup:
    """A name such as generated.photos may break at its dots and underscores, and nowhere else."""
    return Markup(_BREAKS.sub(_BREAK_AFTER, str(escape(name))))


ENVIRONMENT.filters.update(joined=joined, breakable=breakable)
ENVIRONMENT.globals.update(limits=limits_text, failures=text)
draw = macros("figures.html")
"""The macros by name, each of which gives Markup."""


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which is greater. `mark` and `second` are values drawn as lines through every row, such as chance."""

    low: float = 0.0
    high: float = 1.0
    shares: bool = True
    mark: float | None = None
    second: float | None = None

    def place(self, value: float) -> float:
        """Per cent of the way from low to high, kept within it."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self) -> list[str]:
        """Both ends and the middle in words."""
        values = (self.low, (self.low + self.high) / 2, self.high)
        return [measured_share(value) if self.shares else f"{value:.2f}".replace("-", "−") for value in values]


def axis_over(dots: Sequence[Estimate], mark: float | None = None) -> Axis:
    """An axis of shares from 0 to the first round number that holds every value and whisker; to 1 when there is none."""
    most = max([one.high if one.high is not None else one.value for one in dots or [Estimate(1.0)]] + [mark or 0.0, 0.01])
    return Axis(0.0, next((step for step in _STEPS if most <= step), 1.0), True, mark)


def axis_around(dots: Sequence[Estimate], mark: float | None = None, shares: bool = False) -> Axis:
    """An axis in twentieths that holds every value, every whisker and the mark."""
    values = [value for one in dots for value in (one.value, one.low, one.high) if value is not None] + ([] if mark is None else [mark])
    low, high = math.floor(20 * min(values) + 1e-9) / 20, math.ceil(20 * max(values) - 1e-9) / 20
    return Axis(low, high if high > low else low + 0.05, shares, mark)


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


def plots(axis: Axis, *found: Estimate | None, kind: str = "accent") -> Markup:
    """One line of dots, without those that were not measured."""
    return draw.plot(axis, [Dot(one, kind=kind) for one in found if one is not None])


def dot_chart(head: str, lines: Sequence[DotLine], axis: Axis, of: str = "", beside: str = "") -> Markup:
    """Dots on one axis with their words beside them. `of` says what the words are of where the heads of columns cannot be seen."""
    drawn = [Line(one.name, (draw.plot(one.axis or axis, one.dots), draw.words(one.said, of)) if one.said else ()) for one in lines]
    return draw.chart((head, beside), drawn, (axis, None))


def simple_chart(
    head: str, found: Sequence[tuple[str, Estimate]], axis: Axis, say: Callable[[Estimate], str] = figure_words, of: str = ""
) -> Markup:
    """A line and a dot for each name and its figure."""
    return dot_chart(head, [DotLine(name, (Dot(one),), say(one)) for name, one in found], axis, of)


def difference_chart(head: str, found: Sequence[tuple[str, Estimate]], shares: bool = False) -> Markup:
    """Named differences under their legend; hollow where the interval holds zero, or there is none to say that it does not."""
    say, axis = share_words if shares else figure_words, axis_around([one for _, one in found], 0.0, shares)
    lines = [DotLine(name, [Dot(one, one.low is None or one.includes_zero)], say(one)) for name, one in found]
    return pair_key(text.SHOWN, text.NOT_SHOWN) + dot_chart(head, lines, axis, "difference")


def compared_chart(head: str, found: Sequence[tuple[str, Estimate]], shares: bool = False) -> Markup:
    """Named differences, with words where the interval holds zero."""
    say, axis = share_words if shares else figure_words, axis_around([one for _, one in found], 0.0, shares)
    return simple_chart(head, found, axis, lambda one: f"{say(one)}{': no difference shown' if one.includes_zero else ''}")


def stack(parts: Sequence[tuple[str, str, float]]) -> Markup:
    """Shares of a whole as one bar, with their words: (kind, name, share). Kinds are accused, cleared, open, agrees, doubted."""
    return draw.shares(parts, ", ".join(f"{name} {measured_share(share)}" for _, name, share in parts))


def key(*items: tuple[str, Any]) -> Markup:
    """A legend: (classes such as `tt-dot tt-accused` or `tt-open`, words)."""
    return draw.key(items)


def pair_key(filled: str, hollow: str, kind: str = "accent") -> Markup:
    """A legend of filled and hollow dots."""
    return key(("tt-dot tt-accent", filled), (f"tt-dot tt-{kind} tt-hollow", hollow))


class HeatCell(NamedTuple):
    """A value from 0 to 1 or None, the exact words for its tip, and whether it is outlined."""

    value: float | None
    tip: str = ""
    outline: bool = False
    level: int = 0

    @property
    def shown(self) -> str:
        return "" if self.value is None else short(self.value)


def short(value: float) -> str:
    """A share without its leading zero."""
    return "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0") if value >= 0.005 else "0"


def level(value: float, least: float, most: float = 1.0) -> int:
    """Which of the colours of heat it has."""
    return round(HEAT_LEVELS * min(max((value - least) / (most - least), 0.0), 1.0))


def heat_key(low: str, high: str, *more: tuple[str, str]) -> Markup:
    """What the colours of a heat map mean, and more items of `key`."""
    return key(("steps", (low, high, HEAT_LEVELS)), *more)


def heat(
    corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[HeatCell]]], least: float, ends: tuple[str, str], outlined: str,
    heard: str = "",
) -> Markup:  # fmt: skip
    """A table with cells coloured from `least` to 1; a row without cells heads a group. `outlined`, `heard`: what an outline means."""
    levelled = [(name, [one._replace(level=level(one.value or 0.0, least)) for one in cells]) for name, cells in rows]
    return heat_key(*ends, ("tt-outlined", outlined)) + draw.heat(corner, columns, levelled, heard or outlined)


def exact(table: MeasuredTable, say: Callable[[str], str] = str) -> Markup:
    """The whole table, closed until somebody opens it. `say` turns a cell or a column of words into words for people."""
    columns = [(say(name), not any(isinstance(row[at], str) for row in table.rows)) for at, name in enumerate(table.columns)]
    return draw.exact(table.title, columns, [[_shown(cell, say) for cell in row] for row in table.rows], table.note)


def _shown(cell: Cell, say: Callable[[str], str]) -> tuple[str, bool]:
    """A cell in words, and whether it is a number."""
    if cell is None or isinstance(cell, str):
        return ("–", True) if cell is None else (say(cell), False)
    return (f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}").replace("-", "−"), True


def folded(table: MeasuredTable, say: Callable[[str], str], without: Sequence[str] = ()) -> Markup:
    """The whole table, closed, without some columns. A long one is packed text, which the script makes a table of when it is opened."""
    kept = [at for at, column in enumerate(table.columns) if column not in without]
    if kept and len(kept) < len(table.columns):
        rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
        table = MeasuredTable(table.title, tuple(table.columns[at] for at in kept), rows, table.note)
    if len(table.rows) <= _MOST_ROWS_DRAWN:
        return exact(table, say)
    shown = table.rows[:_MOST_ROWS_LISTED]
    cut = text.CUT_NUMBERS.format(shown=len(shown), rows=len(table.rows)) if len(shown) < len(table.rows) else ""
    packed = base64.b64encode(zlib.compress(packed_lines(table.columns, shown).encode("utf-8"), 9)).decode("ascii")
    return draw.packed(table.title, packed, text.UNPACKING, [note for note in (table.note, cut) if note])


def packed_lines(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A line for the columns and for every row, with tabs between."""
    return "\n".join("\t".join(map(_flat, row)) for row in (columns, *rows))


def _flat(cell: Cell) -> str:
    """A cell as one word of a line."""
    if isinstance(cell, float):
        return f"{cell:.3f}".rstrip("0").rstrip(".") if 0.01 <= abs(cell) < 1000 else f"{cell:.3g}"
    return "–" if cell is None else str(cell).replace("\t", " ").replace("\n", " ")


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


def quarters(low: float, high: float) -> list[tuple[float, str]]:
    """Five ticks with their words in per cent."""
    values = [low + (high - low) * step / 4 for step in range(5)]
    return [(value, f"{100 * value:.1f}".removesuffix(".0")) for value in values]


class Bin(NamedTuple):
    """A bin of a reliability diagram: its faces, their mean confidence, and the share of them that was right."""

    faces: int
    confidence: float
    right: Estimate


def reliability(title: str, bins: Sequence[Bin], label: str) -> Markup:
    """Confidence across, share right upwards, the diagonal of a perfect detector, dots as large as their bins (by area), with whiskers."""
    plot, most, ticks = Plot((0.0, 1.0), (0.0, 1.0)), max([one.faces for one in bins] + [1]), quarters(0.0, 1.0)
    sizes = [max(_SMALLEST_DOT, _LARGEST_DOT * math.sqrt(one.faces / most)) for one in bins]
    words = [f"{one.faces} faces, confidence {measured_share(one.confidence)}, right {measured_share(one.right.value)}" for one in bins]
    dots = list(zip(bins, sizes, words, strict=True))
    return plot.figure(draw.reliability(plot, dots), label, ticks, ticks, "confidence of the answer, %", "share that was right, %", title)


class Point(NamedTuple):
    """A point of the curve of risk against coverage: shares of faces, and the figure among the answered ones."""

    coverage: float
    figure: Estimate

    def edge(self, side: str) -> float:
        """The `low` or `high` end of the interval; without one the figure."""
        return self.figure.value if (end := getattr(self.figure, side)) is None else end


def coverage_curve(points: Sequence[Point], marked: Point | None, mark_words: str, label: str) -> Markup:
    """Coverage across (all answered on the right), balanced accuracy upwards with its band, and one marked point with its words."""
    ordered = sorted(points, key=lambda point: point.coverage)
    lowest = min(one.edge("low") for one in (*ordered, *([marked] if marked else [])))
    across = (min(math.floor(10 * ordered[0].coverage) / 10, 0.9), 1.0)
    upward = (min(max(0.0, math.floor(20 * lowest + 1e-9) / 20), 0.95), 1.0)
    band = [*((one.coverage, one.edge("high")) for one in ordered), *((one.coverage, one.edge("low")) for one in reversed(ordered))]
    curve = [(one.coverage, one.figure.value) for one in ordered]
    anchor = ("end", -10) if marked and marked.coverage > sum(across) / 2 else ("start", 10)
    plot = Plot(across, upward)
    drawn = draw.coverage(plot, band, curve, marked, mark_words, *anchor)
    under, beside = "share of faces that get an answer, %", "balanced accuracy of the answers, %"
    return plot.figure(drawn, label, quarters(*across), quarters(*upward), under, beside)


def curves(title: str, steps: Sequence[str], of: Sequence[tuple[str, Sequence[Estimate | None]]], beside: str, label: str) -> Markup:
    """Named curves over evenly spaced steps with their intervals; the first in the accent colour, the second pale and dashed."""
    bounds = [bound for _, some in of for one in some if one for bound in (one.value, one.low, one.high) if bound is not None]
    upward = (min(max(0.0, math.floor(10 * min([*bounds, 0.9])) / 10), 0.9), 1.0)
    plot = Plot((-0.4, max(len(steps) - 0.6, 0.6)), upward)
    # A little apart, so that whiskers of both can be told from each other.
    points = [
        [(at + 0.06 * number, one, f"{name}, {steps[at]}: {one.value:.2f}") for at, one in enumerate(some) if one is not None]
        for number, (name, some) in enumerate(of)
    ]
    lines = [([(at, one.value) for at, one, _ in some], some, " tt-second-curve" if number else "") for number, some in enumerate(points)]
    return plot.figure(draw.curves(plot, lines[::-1]), label, list(enumerate(steps)), quarters(*upward), "", f"{beside}, %", title)
