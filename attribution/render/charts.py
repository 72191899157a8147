"""Charts: the reference map (plotly), as HTML and SVG without a script method bars and the timeline of a clip, and the charts of
measurements: `stacked`, `dots`, `heat` and `curves`.

Those are figures of plotly's as JSON in an attribute, which `web/static/plots.js` draws when they come into view. Python says what is in
them, the script how they look: a colour is the name of a CSS variable, so that it follows light and dark, and names of rows move above
them on a phone. Whatever is given as words may be anybody's: it is escaped, because plotly reads HTML in texts.
"""

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from attribution.detectors.tables import Estimate
from attribution.evidence import UNKNOWN_METHOD, DetectorInfo, TrackEvidence
from attribution.messages import said
from attribution.render.html import macros
from attribution.render.palette import FAMILY_STYLES, family_style
from attribution.text import page as text
from attribution.text.numbers import decimal, measured_share

_HTML = macros("charts.html")
_LIKELY = 0.01


def method_bars(p_methods: Mapping[str, float], detector: DetectorInfo, fold: bool = False) -> Markup:
    """Bars of p_methods as an HTML list: families in the order of their summed probability, methods within them likewise. A family of one
    method is one line. With `fold`, families and methods below 1 % are folded."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for method, p in p_methods.items():
        groups.setdefault(detector.family(method) or UNKNOWN_METHOD, []).append((detector.display(method), p))
    ranked = {family: sorted(members, key=lambda one: -one[1]) for family, members in groups.items()}
    summed = [(family, family_style(family), sum(p for _, p in groups[family]), members) for family, members in ranked.items()]
    summed.sort(key=lambda group: -group[2])
    if not fold:
        return _HTML.method_bars(summed)
    likely = [(*group[:3], [one for one in group[3] if one[1] >= _LIKELY]) for group in summed if group[2] >= _LIKELY]
    rest = [(*group[:2], name, p) for group in summed for name, p in group[3] if p < _LIKELY or group[2] < _LIKELY]
    return _HTML.method_bars(likely, rest)


def timeline(tracks: Sequence[TrackEvidence], duration_seconds: float, threshold: float | None = None) -> Markup:
    """Curves of p_manipulated over a clip, one per track, as an SVG that fills its box (viewBox 1000×100, 100 = certain, drawn upside
    down as SVG wants it). `data-track` on each curve holds the track's id; the worst stretch of each track is a band."""
    span = max(duration_seconds, 1e-9)
    curves = []
    for track in tracks:
        worst = None
        if track.worst is not None and track.verdict.state == "manipulated":
            first, last = 1000 * track.worst.first_seconds / span, 1000 * track.worst.last_seconds / span
            worst = (f"{first:.1f}", f"{max(last - first, 4):.1f}")
        points = " ".join(f"{1000 * one.seconds / span:.1f},{100 - 100 * one.p_manipulated:.1f}" for one in track.timeline)
        curves.append((track.id, worst, points))
    return _HTML.timeline(curves, None if threshold is None else f"{100 - 100 * threshold:.1f}")


def reference_map(
    points: np.ndarray,
    methods: Sequence[str],
    sources: Sequence[str],
    detector: DetectorInfo,
    examined: Sequence[tuple[int, float, float]],
    chosen: int,
) -> go.Figure:
    """The map: `points` M×2 of the reference faces with their methods and sources, and `examined` (face number, x, y), of which `chosen`
    is drawn large. Raises ValueError when points, methods and sources differ in number."""
    if not len(points) == len(methods) == len(sources):
        raise ValueError(f"{len(points)} points, {len(methods)} methods and {len(sources)} sources")
    figure = go.Figure()
    families = np.array([detector.family(method) or UNKNOWN_METHOD for method in methods], dtype=object)
    for family, style in FAMILY_STYLES.items():
        rows = [int(row) for row in np.flatnonzero(families == family)]
        if rows:
            x, y = points[rows].astype(np.float64).round(3).T.tolist()
            marker = {"color": style.colour, "symbol": style.symbol, "size": 6, "opacity": 0.85, "line": {"width": 0.4}}
            words = [f"{html.escape(detector.display(methods[row]))}<br>{html.escape(sources[row])}" for row in rows]
            told = {"text": words, "hovertemplate": "%{text}<extra></extra>"}
            figure.add_scatter(x=x, y=y, mode="markers", name=said(style.name), marker=marker, **told)
    for number, across, up in sorted(examined, key=lambda face: face[0] == chosen):
        large, name = number == chosen, said(text.FACE.format(number=number))
        marker = {"symbol": "circle-open", "size": 22 if large else 13, "line": {"width": 4 if large else 2}}
        told = {"text": [f"<b>{name}</b>"] if large else [str(number)], "hovertemplate": f"{name}<extra></extra>", "meta": "examined"}
        look = {"mode": "markers+text", "textposition": "top center", "showlegend": False, "cliponaxis": False}
        figure.add_scatter(x=[across], y=[up], name=name, marker=marker, **told, **look)
    # Axes without numbers (distances on such a map have no unit), room for every point, and nothing that zooms by accident.
    every = np.vstack([points.reshape(-1, 2), np.array([face[1:] for face in examined]).reshape(-1, 2)]).astype(np.float64)
    low, high = every.min(0), every.max(0)
    pad = np.maximum(0.07 * (high - low), 1e-3)
    bare = {"visible": False, "fixedrange": True}
    figure.update_xaxes(range=[float(low[0] - pad[0]), float(high[0] + pad[0])], **bare)
    figure.update_yaxes(range=[float(low[1] - pad[1]), float(high[1] + 1.6 * pad[1])], **bare)
    clear = "rgba(0,0,0,0)"
    legend = {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "itemsizing": "constant"}
    figure.update_layout(height=480, margin={"l": 4, "r": 4, "t": 4, "b": 4}, paper_bgcolor=clear, plot_bgcolor=clear, legend=legend)
    figure.update_layout(font={"family": "inherit", "size": 13}, hoverlabel={"align": "left"}, dragmode=False)
    return figure


_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_TICKS, _MOST_TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25), 5
_ROOM = 0.02
_ACCENT, _EDGE, _MUTED, _GROUND = "--tt-accent", "--tt-edge", "--tt-muted", "--tt-surface"
_FOUND, _CLEARED, _OPEN = "--tt-manipulated", "--tt-no-manipulation-found", "--tt-inconclusive"
# By the name of a look: colour, plotly's symbol, whether it is hollow.
_LOOKS = {
    "accent": (_ACCENT, "circle", False), "second": (_ACCENT, "circle", True), "guess": (_EDGE, "circle", True),
    "other": (_MUTED, "square", False), "found": (_FOUND, "diamond", False), "cleared": (_CLEARED, "circle", True),
    "chance": (_EDGE, "line-ns-open", False), "commonest": (_MUTED, "x-thin-open", False),
}  # fmt: skip
# Colour, and what is hatched with it on a paler ground: answers differ in more than their colours.
_ANSWERS = {"found": (_FOUND, ""), "cleared": (_CLEARED, ""), "open": (_OPEN, "/"), "agrees": (_ACCENT, ""), "doubted": (_OPEN, "x")}


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which is greater. `mark` and `second` are values drawn as lines through every row, such as chance."""

    low: float = 0.0
    high: float = 1.0
    shares: bool = True
    mark: float | None = None
    second: float | None = None

    def drawn(self, title: str = "", room: float = 0.0) -> dict[str, Any]:
        """As plotly's axis with round ticks; `room`: the share of it that is added at both ends, for marks that lie there."""
        span = self.high - self.low
        step = next((one for one in _TICKS if span / one <= _MOST_TICKS), span / _MOST_TICKS)
        ticks = [round(step * place, 4) for place in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]
        words = [f"{measured_share(tick) if self.shares else decimal(tick, 2)}" for tick in ticks]
        ends = [round(self.low - room * span, 4), round(self.high + room * span, 4)]
        return {"range": ends, "tickvals": ticks, "ticktext": words, **({"title": {"text": _words(title)}} if title else {})}


def axis_over(found: Sequence[Estimate], mark: float | None = None) -> Axis:
    """An axis of shares from 0 to the first round number that holds every value and whisker; to 1 when there is none."""
    most = max([one.high if one.high is not None else one.value for one in found or [Estimate(1.0)]] + [mark or 0.0, 0.01])
    return Axis(0.0, next((step for step in _STEPS if most <= step), 1.0), True, mark)


def axis_around(found: Sequence[Estimate], mark: float | None = None, shares: bool = False) -> Axis:
    """An axis in twentieths that holds every value, every whisker and the mark."""
    values = [value for one in found for value in (one.value, one.low, one.high) if value is not None] + ([] if mark is None else [mark])
    low, high = math.floor(20 * min(values) + 1e-9) / 20, math.ceil(20 * max(values) - 1e-9) / 20
    return Axis(low, high if high > low else low + 0.05, shares, mark)


class Bar(NamedTuple):
    """A row of stacked shares, in the order of the answers, with what is told of it; without shares it heads a group."""

    name: str
    shares: Sequence[float] = ()
    told: str = ""


def stacked(bars: Sequence[Bar], answers: Sequence[tuple[str, str]], label: str, title: str = "") -> Markup:
    """Shares of a whole, a row a bar. `answers`: (one of found, cleared, open, agrees, doubted; its words); `label` is the sentence that
    says what is drawn, for whoever does not see it."""
    data = []
    for place, (answer, words) in enumerate(answers):
        colour, hatching = _ANSWERS[answer]
        pattern = (
            {"pattern": {"shape": hatching, "fgcolor": colour, "bgcolor": f"{colour}-ground", "size": 7, "solidity": 0.25}}
            if hatching
            else {}
        )
        x = [round(bar.shares[place], 4) if bar.shares else None for bar in bars]
        marker = {"color": colour, "line": {"color": _GROUND, "width": 1}, **pattern}
        data.append({"type": "bar", "orientation": "h", "name": _words(words), "x": x, "marker": marker})
    rows = {"rows": [_words(bar.name) for bar in bars], "groups": [at for at, bar in enumerate(bars) if not bar.shares]}
    told = [_words(bar.told) for bar in bars]
    return _drawn(title, label, len(bars), {"data": data, "layout": {"xaxis": Axis().drawn()}, **rows, "told": told})


class Dots(NamedTuple):
    """A value with its interval in each of some rows, or None; `look` is one of _LOOKS, `told` what is told of each."""

    name: str
    look: str
    values: Sequence[Estimate | None]
    told: Sequence[str]


def dots(
    rows: Sequence[str], groups: Sequence[int], series: Sequence[Dots], axis: Axis, label: str, title: str = "", of: str = ""
) -> Markup:  # fmt: skip
    """Dots with their intervals, a line a row; rows whose places are in `groups` head a group. `of`: what the axis measures."""
    shapes = [_line(x0=x, x1=x, y0=0, y1=1, yref="paper") for x in (axis.mark, axis.second) if x is not None]
    named = {"rows": [*map(_words, rows)], "groups": [*groups]}
    return _drawn(
        title, label, len(rows), {"data": [*map(_marks, series)], "layout": {"xaxis": axis.drawn(of, _ROOM), "shapes": shapes}, **named}
    )


def _marks(one: Dots) -> dict[str, Any]:
    found = [(at, value) for at, value in enumerate(one.values) if value is not None]
    x, y = [round(value.value, 4) for _, value in found], [at for at, _ in found]
    trace = {"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": _marker(one.look), "cliponaxis": False}
    told = {"hovertext": [_words(one.told[at]) for at, _ in found]}
    return {**trace, **_named(one.name), **told, **_whiskers("error_x", one.look, [value for _, value in found])}


class Heat(NamedTuple):
    """A value of a heat map from 0 to 1 or None, with what is told of it, and whether it is outlined."""

    value: float | None
    told: str = ""
    outline: bool = False


def heat(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Heat]]], least: float, label: str, title: str = "") -> Markup:
    """Cells coloured from `least` to 1 with their values; a row without cells heads a group."""
    cells = [list(cells) or [Heat(None)] * len(columns) for _, cells in rows]
    trace = {
        "type": "heatmap", "z": [[None if one.value is None else round(one.value, 3) for one in row] for row in cells],
        "x": [*range(len(columns))], "zmin": least, "zmax": 1, "xgap": 2, "ygap": 2, "showscale": False,
        "colorscale": [[0, "--tt-level-0"], [1, "--tt-level-10"]], "texttemplate": "%{text}", "textfont": {"color": "--tt-ink"},
        "text": [["" if one.value is None else f"{decimal(one.value, 2)}" for one in row] for row in cells],
        "hovertext": [[_words(one.told) for one in row] for row in cells], "hoverongaps": False,
    }  # fmt: skip
    outlined = [[x, y] for y, row in enumerate(cells) for x, one in enumerate(row) if one.outline]
    layout = {"xaxis": {"tickvals": [*range(len(columns))], "ticktext": [*map(_words, columns)]}}
    named = {"rows": [_words(name) for name, _ in rows], "groups": [at for at, (_, own) in enumerate(rows) if not own]}
    return _drawn(title, label, len(rows), {"data": [trace], "layout": layout, **named, "outlined": outlined})


class Curve(NamedTuple):
    """Figures over `x`, by name. `joined` by a line, dashed for hollow looks; `band` draws intervals as one; `sizes`:
    those of marks, px."""

    name: str
    look: str
    x: Sequence[float]
    values: Sequence[Estimate]
    told: Sequence[str]
    joined: bool = True
    band: bool = False
    sizes: Sequence[float] = ()


def curves(
    found: Sequence[Curve], across: Axis | Sequence[str], upward: Axis, label: str, title: str = "", under: str = "", beside: str = "",
    diagonal: bool = False,
) -> Markup:  # fmt: skip
    """Curves or marks over an axis, or over the steps of that name at 0, 1, …; `diagonal` is drawn where both axes should agree."""
    data: list[dict[str, Any]] = []
    for one in found:
        colour, _, hollow = _LOOKS[one.look]
        x, y = [round(value, 4) for value in one.x], [round(value.value, 4) for value in one.values]
        if one.band:
            low, high = ([round(_edge(at, side), 4) for at in one.values] for side in ("low", "high"))
            silent = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip", "x": x}
            data += [{**silent, "y": low}, {**silent, "y": high, "fill": "tonexty", "fillcolor": f"{colour}/18"}]
        marker = _marker(one.look) | ({"size": [round(size, 1) for size in one.sizes]} if one.sizes else {"size": 8})
        trace = {"type": "scatter", "mode": "lines+markers" if one.joined else "markers", "x": x, "y": y, "marker": marker}
        line = {"line": {"color": colour, "width": 2.5, "dash": "dash" if hollow else "solid"}} if one.joined else {}
        whiskers = {} if one.band else _whiskers("error_y", one.look, one.values)
        data.append({**trace, **_named(one.name), **line, **whiskers, "hovertext": [*map(_words, one.told)]})
    steps = across if not isinstance(across, Axis) else ()
    xaxis = (
        across.drawn(under, _ROOM) if isinstance(across, Axis) else {"tickvals": [*range(len(steps))], "ticktext": [*map(_words, steps)]}
    )
    shapes = [_line(x0=0, y0=0, x1=1, y1=1)] if diagonal else []
    return _drawn(title, label, 10, {"data": data, "layout": {"xaxis": xaxis, "yaxis": upward.drawn(beside, _ROOM), "shapes": shapes}})


def _marker(look: str) -> dict[str, Any]:
    colour, symbol, hollow = _LOOKS[look]
    return {"color": _GROUND if hollow else colour, "symbol": symbol, "size": 10, "line": {"color": colour, "width": 2}}


def _whiskers(way: str, look: str, values: Sequence[Estimate]) -> dict[str, Any]:
    if all(one.low is None or one.high is None for one in values):
        return {}
    low, high = ([round(abs(_edge(one, side) - one.value), 4) for one in values] for side in ("low", "high"))
    look_of = {"color": _LOOKS[look][0], "thickness": 1.5, "width": 4}
    return {way: {"type": "data", "symmetric": False, "array": high, "arrayminus": low, **look_of}}


def _edge(one: Estimate, side: str) -> float:
    """The `low` or `high` end of the interval; without one the figure."""
    return one.value if (end := getattr(one, side)) is None else end


def _named(name: str) -> dict[str, Any]:
    return {"name": _words(name)} if name else {"showlegend": False}


def _line(**place: Any) -> dict[str, Any]:
    return {"type": "line", **place, "layer": "below", "line": {"color": _EDGE, "width": 1.5, "dash": "dash"}}


def _words(words: str) -> str:
    """In the reader's language, and safe where plotly reads HTML."""
    return html.escape(f"{words}", quote=False)


def _drawn(title: str, label: str, rows: int, figure: Mapping[str, Any]) -> Markup:
    written = json.dumps(figure, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # In single quotes, because JSON is full of double ones.
    written = Markup(written.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#39;"))
    return _HTML.drawn(title, label, written, rows, "outlined" in figure)
