"""The two drawn plots of the page of measured limits, as inline SVG without a script: the reliability diagram, and risk against coverage.

View boxes are 400 units wide and meant to be shown at 300 to 460 px. Colours are the page's CSS variables by class.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from attribution.detectors.tables import Estimate, percent
from attribution.measured.figures import Axis

_WIDTH, _HEIGHT = 400.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 12.0, 12.0, 46.0
_LARGEST_DOT, _SMALLEST_DOT = 10.0, 3.5


@dataclass(frozen=True)
class Bin:
    """A bin of a reliability diagram: its faces, their mean confidence, and the share of them that was right."""

    faces: int
    confidence: float
    right: Estimate


@dataclass(frozen=True)
class Point:
    """A point of the curve of risk against coverage: shares of faces, and the figure among the answered ones."""

    coverage: float
    figure: Estimate


def reliability(title: str, bins: Sequence[Bin], label: str) -> str:
    """Confidence across, share right upwards, the diagonal of a perfect detector, dots as large as their bins (by area), with whiskers."""
    across = upward = Axis(0.0, 1.0)
    most = max([one.faces for one in bins] + [1])
    drawn = f'<line class="tt-ideal" {_ends(_x(across, 0), _y(upward, 0), _x(across, 1), _y(upward, 1))}/>'
    for one in bins:
        x, y = _x(across, one.confidence), _y(upward, one.right.value)
        if one.right.low is not None and one.right.high is not None:
            drawn += f'<line class="tt-bars-of" {_ends(x, _y(upward, one.right.low), x, _y(upward, one.right.high))}/>'
        tip = f"{one.faces} faces, confidence {percent(one.confidence)}, right {percent(one.right.value)}"
        radius = max(_SMALLEST_DOT, _LARGEST_DOT * math.sqrt(one.faces / most))
        drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{tip}</title></circle>'
    return _figure(title, drawn, across, upward, "confidence of the answer", "share that was right", label)


def coverage_curve(title: str, points: Sequence[Point], marked: Point | None, mark_words: str, label: str) -> str:
    """Coverage across (all answered on the right), balanced accuracy upwards with its band, and one marked point with its words."""
    ordered = sorted(points, key=lambda point: point.coverage)
    every = [*ordered, *([marked] if marked else [])]
    lows = [one.figure.low if one.figure.low is not None else one.figure.value for one in every]
    across = Axis(min(math.floor(10 * every[0].coverage) / 10, 0.9), 1.0)
    upward = Axis(min(max(0.0, math.floor(20 * min(lows) + 1e-9) / 20), 0.95), 1.0)
    top = [(p.coverage, p.figure.high if p.figure.high is not None else p.figure.value) for p in ordered]
    bottom = [(p.coverage, p.figure.low if p.figure.low is not None else p.figure.value) for p in reversed(ordered)]
    drawn = f'<polygon class="tt-band" points="{_line([*top, *bottom], across, upward)}"/>'
    drawn += f'<polyline class="tt-stroke" points="{_line([(p.coverage, p.figure.value) for p in ordered], across, upward)}"/>'
    if marked is not None:
        x, y = _x(across, marked.coverage), _y(upward, marked.figure.value)
        drawn += f'<line class="tt-ideal" {_ends(x, y, x, _HEIGHT - _BOTTOM)}/>'
        if marked.figure.low is not None and marked.figure.high is not None:
            drawn += f'<line class="tt-bars-of" {_ends(x, _y(upward, marked.figure.low), x, _y(upward, marked.figure.high))}/>'
        anchor, shift = ("end", -10) if marked.coverage > (across.low + across.high) / 2 else ("start", 10)
        drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
        # The curve falls towards full coverage: the room is below it.
        down = min(y + 44, _HEIGHT - _BOTTOM - 10)
        drawn += f'<text class="tt-note" x="{x + shift:.1f}" y="{down:.1f}" text-anchor="{anchor}">{html.escape(mark_words)}</text>'
    return _figure(title, drawn, across, upward, "share of faces that get an answer", "balanced accuracy of the answers", label)


@dataclass(frozen=True)
class Curve:
    """A curve over steps: a figure or None at each of them."""

    name: str
    figures: Sequence[Estimate | None]


def curves(title: str, steps: Sequence[str], drawn_curves: Sequence[Curve], beside: str, label: str) -> str:
    """Curves over evenly spaced steps with their intervals; the first in the accent colour, the second pale and dashed."""
    values = [
        bound for curve in drawn_curves for one in curve.figures if one for bound in (one.value, one.low, one.high) if bound is not None
    ]
    upward = Axis(min(max(0.0, math.floor(10 * min([*values, 0.9])) / 10), 0.9), 1.0)
    across = Axis(-0.4, max(len(steps) - 0.6, 0.6))
    drawn = ""
    for number, curve in reversed([*enumerate(drawn_curves)]):
        # A little apart, so that whiskers of both can be told from each other.
        shift = 0.06 * number
        points = [(at + shift, one) for at, one in enumerate(curve.figures) if one is not None]
        kind = "" if number == 0 else " tt-second-curve"
        for at, one in points:
            if one.low is not None and one.high is not None:
                x = _x(across, at)
                drawn += f'<line class="tt-bars-of{kind}" {_ends(x, _y(upward, one.low), x, _y(upward, one.high))}/>'
        drawn += f'<polyline class="tt-stroke{kind}" points="{_line([(at, one.value) for at, one in points], across, upward)}"/>'
        for at, one in points:
            tip = html.escape(f"{curve.name}, {steps[round(at - shift)]}: {one.value:.2f}")
            place = f'cx="{_x(across, at):.1f}" cy="{_y(upward, one.value):.1f}"'
            drawn += f'<circle class="{kind.strip()}" {place} r="4"><title>{tip}</title></circle>'
    return _figure(title, drawn, across, upward, "", beside, label, steps)


def _figure(title: str, drawn: str, across: Axis, upward: Axis, under: str, beside: str, label: str, steps: Sequence[str] = ()) -> str:
    """The frame: grid, tick labels and axis titles around what was drawn. `steps` are the words under an axis that counts them."""
    grid = ""
    places = [(float(at), words) for at, words in enumerate(steps)] or [
        (value, _tick(value)) for value in (across.low + (across.high - across.low) * step / 4 for step in range(5))
    ]
    for place, words in places:
        x = _x(across, place)
        grid += f'<line class="tt-grid" {_ends(x, _TOP, x, _HEIGHT - _BOTTOM)}/>'
        grid += f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 17:.1f}" text-anchor="middle">{html.escape(words)}</text>'
    for step in range(5):
        value = upward.low + (upward.high - upward.low) * step / 4
        y = _y(upward, value)
        grid += f'<line class="tt-grid" {_ends(_LEFT, y, _WIDTH - _RIGHT, y)}/>'
        grid += f'<text x="{_LEFT - 7:.1f}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>'
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    below = f"{html.escape(under)}, %" if under else ""
    names = (
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.1f}" y="{_HEIGHT - 8:.1f}" text-anchor="middle">{below}</text>'
        f'<text transform="translate(12 {middle:.1f}) rotate(-90)" text-anchor="middle">{html.escape(beside)}, %</text>'
    )
    caption = f"<figcaption>{html.escape(title)}</figcaption>" if title else ""
    return (
        f'<figure class="tt-plot-of">{caption}<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{html.escape(label)}">'
        f"{grid}{drawn}{names}</svg></figure>"
    )


def _tick(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) / 100 * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) / 100 * (_HEIGHT - _TOP - _BOTTOM)


def _ends(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'


def _line(points: Sequence[tuple[float, float]], across: Axis, upward: Axis) -> str:
    return " ".join(f"{_x(across, x):.1f},{_y(upward, y):.1f}" for x, y in points)
