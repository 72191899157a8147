"""Charts: the reference map (plotly), and as HTML and SVG without a script method bars, the timeline of a clip and the frame of plots.

Colours that follow light and dark come from the page's CSS variables `--tt-…`; families are told apart by colour and shape.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from attribution.evidence import UNKNOWN_METHOD, DetectorInfo, TrackEvidence
from attribution.render.html import macros
from attribution.render.palette import FAMILY_STYLES, family_style
from attribution.text import page as text

Ticks = Iterable[tuple[float, str]]
"""Values on an axis, with the words that stand there."""
_HTML = macros("charts.html")


@dataclass(frozen=True)
class Plot:
    """The frame of a small plot as inline SVG without a script: Gradio runs no script of a part of a page, so this is no plotly figure.

    `across` and `upward` are the lowest and highest value of the axes; what lies outside is drawn at the edge. `height` is that of the
    view box, which is 400 wide and meant to be shown at 300 to 460 px; `digits` are the decimals of coordinates.
    """

    across: tuple[float, float]
    upward: tuple[float, float]
    height: int = 330
    digits: int = 1

    @property
    def box(self) -> tuple[int, int, int, int, int, int]:
        """Left, right, top and bottom of the drawn area; width and height of all."""
        return 50, 388, 12, self.height - 46, 400, self.height

    def x(self, value: float) -> str:
        return f"{50 + 338 * _way(value, self.across):.{self.digits}f}"

    def y(self, value: float) -> str:
        return f"{self.height - 46 - (self.height - 58) * _way(value, self.upward):.{self.digits}f}"

    def points(self, values: Iterable[tuple[float, float]]) -> str:
        """Values across and upwards as the points of a polyline or polygon."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in values)

    def figure(
        self, drawn: str, label: str, x_ticks: Ticks, y_ticks: Ticks, under: str, beside: str, title: str = "", kind: str = ""
    ) -> Markup:
        """The frame around what was `drawn` (SVG): grid, ticks, words at the axes and a caption. `label` is what screen
        readers hear, `kind` another CSS class."""
        across, upwards = ([(self.x(x), words) for x, words in x_ticks], [(self.y(y), words) for y, words in y_ticks])
        return _HTML.plot(title, label, Markup(drawn), across, upwards, under, beside, self.box, f" {kind}" if kind else "")


def method_bars(p_methods: Mapping[str, float], detector: DetectorInfo) -> Markup:
    """Bars of p_methods as an HTML list: families in the order of their summed probability, methods within them likewise. A family of one
    method is one line."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for method, p in p_methods.items():
        groups.setdefault(detector.family(method) or UNKNOWN_METHOD, []).append((detector.display(method), p))
    ranked = {family: sorted(members, key=lambda one: -one[1]) for family, members in groups.items()}
    summed = [(family, family_style(family), sum(p for _, p in groups[family]), members) for family, members in ranked.items()]
    return _HTML.method_bars(sorted(summed, key=lambda group: -group[2]))


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
            figure.add_scatter(x=x, y=y, mode="markers", name=style.name, marker=marker, **told)
    for number, across, up in sorted(examined, key=lambda face: face[0] == chosen):
        large, name = number == chosen, text.FACE.format(number=number)
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


def _way(value: float, axis: tuple[float, float]) -> float:
    """How far it is from the low to the high end, kept within them."""
    return min(max((value - axis[0]) / (axis[1] - axis[0]), 0.0), 1.0)
