"""Figures of the page of measured limits as HTML without a script: lines of bars and whiskers, heat maps, exact tables.

Every number that is drawn also stands there in words or in a table cell; what is only a picture is hidden from screen readers. Colours
are the page's CSS variables, so that light and dark follow.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attribution.detectors.card import Cell, MeasuredTable
from attribution.detectors.tables import Estimate, percent

HEAT_LEVELS = 10
_BREAKS, _BREAK_AFTER = re.compile(r"[._](?=[A-Za-z])"), r"\g<0><wbr>"
_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which is greater. `mark` is a value that is drawn as a line through every row: chance, or no difference;
    `second` is another one, drawn otherwise."""

    low: float
    high: float
    shares: bool = True
    mark: float | None = None
    second: float | None = None

    def place(self, value: float) -> float:
        """Per cent of the way from low to high, kept within it."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def words(self, value: float) -> str:
        return percent(value) if self.shares else f"{value:.2f}".replace("-", "−")


@dataclass(frozen=True)
class Dot:
    """A value with its whisker; `hollow` for the second of two on a line. `kind` names colour and shape: accent, muted, other, accused,
    cleared."""

    estimate: Estimate
    hollow: bool = False
    kind: str = "accent"


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name (plain text), HTML cells in the order of the chart's columns, and whether it heads a group."""

    name: str
    cells: tuple[str, ...]
    head: bool = False


def axis_over(dots: Sequence[Estimate], mark: float | None = None) -> Axis:
    """An axis of shares from 0 to the first round number that holds every value and whisker."""
    most = max([estimate.high if estimate.high is not None else estimate.value for estimate in dots] + [mark or 0.0, 0.01])
    return Axis(0.0, next((step for step in _STEPS if most <= step), 1.0), True, mark)


def axis_around(dots: Sequence[Estimate], mark: float | None = None, shares: bool = False) -> Axis:
    """An axis in twentieths that holds every value, every whisker and the mark."""
    values = [value for one in dots for value in (one.value, one.low, one.high) if value is not None] + ([mark] if mark is not None else [])
    low, high = math.floor(20 * min(values) + 1e-9) / 20, math.ceil(20 * max(values) - 1e-9) / 20
    return Axis(low, high if high > low else low + 0.05, shares, mark)


def plot(axis: Axis, dots: Sequence[Dot]) -> str:
    """Dots and whiskers on one line. It is decoration: the words stand beside it."""
    marks = "".join(
        f'<i class="tt-{kind}" style="left:{axis.place(value):.2f}%"></i>'
        for kind, value in (("chance", axis.mark), ("second-mark", axis.second))
        if value is not None
    )
    for dot in dots:
        one = dot.estimate
        if one.low is not None and one.high is not None:
            left, right = axis.place(one.low), axis.place(one.high)
            marks += f'<i class="tt-whisker tt-{dot.kind}" style="left:{left:.2f}%;width:{max(right - left, 0.4):.2f}%"></i>'
        hollow = " tt-hollow" if dot.hollow else ""
        marks += f'<i class="tt-dot tt-{dot.kind}{hollow}" style="left:{axis.place(one.value):.2f}%"></i>'
    return f'<span class="tt-dots" aria-hidden="true">{marks}</span>'


def ticks(axis: Axis) -> str:
    """The numbers under a column of plots: both ends and the middle."""
    middle = (axis.low + axis.high) / 2
    return f'<span class="tt-ends">{"".join(f"<b>{axis.words(value)}</b>" for value in (axis.low, middle, axis.high))}</span>'


def stack(manipulated: float, none_found: float, inconclusive: float) -> str:
    """The three answers as one bar, with the shares as its words."""
    return shares((("accused", "manipulated", manipulated), ("cleared", "none found", none_found), ("open", "inconclusive", inconclusive)))


def shares(parts: Sequence[tuple[str, str, float]]) -> str:
    """Shares of a whole as one bar, with their words: (kind of `shares_key`, name, share)."""
    drawn = "".join(f'<i class="tt-{kind}" style="width:{100 * min(max(share, 0), 1):.2f}%"></i>' for kind, _, share in parts)
    words = html.escape(", ".join(f"{name} {percent(share)}" for _, name, share in parts))
    return f'<span class="tt-stack" role="img" aria-label="{words}" title="{words}">{drawn}</span>'


def stack_key() -> str:
    return shares_key((("accused", "Manipulated"), ("cleared", "No manipulation found"), ("open", "Inconclusive")))


def shares_key(names: Sequence[tuple[str, str]]) -> str:
    """The legend of `shares`: (kind, name). Kinds are accused, cleared, open, agrees, doubted."""
    items = "".join(f'<li><i class="tt-{kind}"></i>{html.escape(name)}</li>' for kind, name in names)
    return f'<ul class="tt-key">{items}</ul>'


def words(text: str, label: str = "") -> str:
    """The words beside a plot. `label` says what they are of where the heads of the columns cannot be seen."""
    return f'<span class="tt-value">{_label(f"{label}: ") if label else ""}{html.escape(text)}</span>'


def counted(text: str, label: str = "", before: bool = False) -> str:
    """A count or a share in a column of its own, with its label before or after it."""
    parts = (_label(f"{label} "), html.escape(text)) if before else (html.escape(text), _label(f" {label}"))
    return f'<span class="tt-count">{"".join(parts)}</span>'


def _label(text: str) -> str:
    return f'<span class="tt-label">{html.escape(text)}</span>'


def chart(columns: Sequence[str], lines: Sequence[Line], feet: Sequence[str] = ()) -> str:
    """Lines under column heads (plain text; an empty one has no head). `feet` are HTML cells below the columns, such as ticks."""
    count = len(columns)
    head = "".join(f"<span>{html.escape(column)}</span>" for column in columns)
    body = "".join(
        f'<li class="tt-line{" tt-line-head" if line.head else ""}"><span class="tt-name">{html.escape(line.name)}</span>'
        f"{''.join(line.cells)}</li>"
        for line in lines
    )
    foot = f'<div class="tt-line tt-feet" aria-hidden="true"><span></span>{"".join(feet)}</div>' if feet else ""
    return (
        f'<div class="tt-chart tt-columns-{count}"><div class="tt-line tt-heads" aria-hidden="true"><span></span>{head}</div>'
        f"<ul>{body}</ul>{foot}</div>"
    )


def heat_table(
    corner: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[tuple[float | None, str, bool]]]],
    least: float,
    most: float,
    outlined: str,
) -> str:
    """A table whose cells are coloured from `least` (pale) to `most`. A cell is (value, exact words for its tip, whether it is outlined);
    `outlined` is what screen readers hear of an outlined cell. A row without cells is the heading of a group."""
    # A name such as generated.photos may break at its dots and underscores, and nowhere else.
    head = "".join(f'<th scope="col">{_BREAKS.sub(_BREAK_AFTER, html.escape(name))}</th>' for name in columns)
    body = ""
    for name, cells in rows:
        if not cells:
            body += f'<tr class="tt-group"><th scope="colgroup" colspan="{len(columns) + 1}">{html.escape(name)}</th></tr>'
            continue
        drawn = "".join(_heat_cell(value, tip, outline, least, most, outlined) for value, tip, outline in cells)
        body += f'<tr><th scope="row">{html.escape(name)}</th>{drawn}</tr>'
    return scrolled(
        f'<table class="tt-heat"><thead><tr><th scope="col">{html.escape(corner)}</th>{head}</tr></thead><tbody>{body}</tbody></table>',
        corner,
    )


def _heat_cell(value: float | None, tip: str, outline: bool, least: float, most: float, outlined: str) -> str:
    if value is None:
        return '<td class="tt-none">–</td>'
    level = round(HEAT_LEVELS * min(max((value - least) / (most - least), 0.0), 1.0))
    mark, heard = (" tt-outlined", f'<span class="tt-heard"> ({html.escape(outlined)})</span>') if outline else ("", "")
    shown = "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0") if value >= 0.005 else "0"
    return f'<td class="tt-level-{level}{mark}" title="{html.escape(tip)}">{shown}{heard}</td>'


def heat_key(low: str, high: str, outlined: str) -> str:
    """What the colours of a heat map and its outline mean."""
    steps = "".join(f'<i class="tt-level-{level}"></i>' for level in range(0, HEAT_LEVELS + 1, 2))
    outline = f'<li><i class="tt-outlined"></i>{html.escape(outlined)}</li>'
    return f'<ul class="tt-key"><li>{html.escape(low)}<span class="tt-steps">{steps}</span>{html.escape(high)}</li>{outline}</ul>'


def key(items: Sequence[tuple[str, str]]) -> str:
    """A legend of dots: (classes such as `tt-dot tt-accused`, words)."""
    drawn = "".join(f'<li><span class="tt-dots"><i class="{classes}"></i></span>{html.escape(words)}</li>' for classes, words in items)
    return f'<ul class="tt-key">{drawn}</ul>'


def exact(table: MeasuredTable, say: Callable[[str], str] = str) -> str:
    """The whole table, closed until somebody opens it. `say` turns a cell or a column of words into words for people."""
    head = "".join(
        f'<th scope="col"{_kind([row[at] for row in table.rows])}>{html.escape(say(name))}</th>' for at, name in enumerate(table.columns)
    )
    rows = "".join(f"<tr>{''.join(_cell(cell, say) for cell in row)}</tr>" for row in table.rows)
    note = f'<p class="tt-small">{html.escape(table.note)}</p>' if table.note else ""
    drawn = scrolled(f'<table class="tt-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>', table.title)
    return f"<details><summary>All numbers: {html.escape(table.title)}</summary>{drawn}{note}</details>"


def scrolled(table: str, name: str) -> str:
    """A box in which a wide table scrolls sideways, by touch and by keyboard."""
    return f'<div class="tt-scroll" role="region" aria-label="{html.escape(name)}" tabindex="0">{table}</div>'


def _kind(cells: Sequence[Cell]) -> str:
    return "" if any(isinstance(cell, str) for cell in cells) else ' class="tt-number"'


def _cell(cell: Cell, say: Callable[[str], str]) -> str:
    if cell is None:
        return '<td class="tt-number">–</td>'
    if isinstance(cell, str):
        return f"<td>{html.escape(say(cell))}</td>"
    shown = f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}"
    return f'<td class="tt-number">{shown.replace("-", "−")}</td>'
