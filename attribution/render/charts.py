"""Charts: the reference map (the only plotly here), method bars and the timeline of a clip as HTML and SVG without a script.

Colours that follow light and dark come from the page's CSS variables `--tt-…`; families are told apart by colour and shape.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from attribution.evidence import FAMILIES, UNKNOWN_METHOD, DetectorInfo, Moment, TrackEvidence
from attribution.render.palette import FAMILY_STYLES, family_style
from attribution.text import numbers
from attribution.text import page as text


def family_mark(family: str | None, side_px: int = 14) -> str:
    """The family's shape in its colour, as inline SVG; hidden from screen readers, since a word always stands beside it."""
    style = family_style(family)
    size = f'width="{side_px}" height="{side_px}" viewBox="0 0 16 16"'
    return f'<svg class="tt-mark" {size} fill="{style.colour}" aria-hidden="true">{style.shape}</svg>'


def method_bars(p_methods: Mapping[str, float], detector: DetectorInfo) -> str:
    """Bars of p_methods as an HTML list: families in the order of their summed probability, methods within them likewise. A family of one
    method is one line."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for method, p in p_methods.items():
        groups.setdefault(_family(method, detector), []).append((method, p))
    rows = []
    for family, members in sorted(groups.items(), key=lambda group: -sum(p for _, p in group[1])):
        style = family_style(family)
        ranked = sorted(members, key=lambda member: -member[1])
        bars = [_bar(p, style.colour) for _, p in ranked]
        total = _short(sum(p for _, p in members))
        if len(members) == 1:
            name = f'<span class="tt-family-name">{family_mark(family)}<span>{html.escape(detector.display(members[0][0]))}</span></span>'
            rows.append(f'<li class="tt-family tt-alone">{name}{bars[0]}<b class="tt-bar-p">{total}</b></li>')
            continue
        items = "".join(
            f'<li><span class="tt-bar-name">{html.escape(detector.display(method))}</span>{bar}'
            f'<span class="tt-bar-p">{_short(p)}</span></li>'
            for (method, p), bar in zip(ranked, bars, strict=True)
        )
        head = f'<div class="tt-family-name">{family_mark(family)}<span>{style.name}</span><b>{total}</b></div>'
        rows.append(f'<li class="tt-family">{head}<ul class="tt-bars">{items}</ul></li>')
    return f'<ul class="tt-families">{"".join(rows)}</ul>'


def timeline(tracks: Sequence[TrackEvidence], duration_seconds: float, threshold: float | None = None) -> str:
    """Curves of p_manipulated over a clip, one per track, as an SVG that fills its box (viewBox 1000×100, 100 = certain, drawn upside
    down as SVG wants it). `data-track` on each curve holds the track's id; the worst stretch of each track is a band."""
    span = max(duration_seconds, 1e-9)
    parts = ['<svg class="tt-curves" viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">']
    if threshold is not None:
        parts.append(f'<line class="tt-threshold" x1="0" x2="1000" y1="{100 - 100 * threshold:.1f}" y2="{100 - 100 * threshold:.1f}"/>')
    for track in tracks:
        parts.append(f'<g class="tt-curve" data-track="{track.id}">')
        if track.worst is not None and track.verdict.state == "manipulated":
            first, last = 1000 * track.worst.first_seconds / span, 1000 * track.worst.last_seconds / span
            parts.append(f'<rect class="tt-worst" x="{first:.1f}" width="{max(last - first, 4):.1f}" y="0" height="100"/>')
        points = " ".join(_point(moment, span) for moment in track.timeline)
        parts.append(f'<polyline points="{points}" fill="none" vector-effect="non-scaling-stroke"/></g>')
    return "".join(parts) + "</svg>"


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
    families = np.array([_family(method, detector) for method in methods], dtype=object)
    for family in [*FAMILIES, "unknown"]:
        rows = [int(row) for row in np.flatnonzero(families == family)]
        if not rows:
            continue
        style = FAMILY_STYLES[family]
        figure.add_scatter(
            x=_rounded(points[rows, 0]),
            y=_rounded(points[rows, 1]),
            mode="markers",
            name=style.name,
            marker={"color": style.colour, "symbol": style.symbol, "size": 6, "opacity": 0.85, "line": {"width": 0.4}},
            text=[f"{html.escape(detector.display(methods[row]))}<br>{html.escape(sources[row])}" for row in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    for number, x, y in sorted(examined, key=lambda face: face[0] == chosen):
        large = number == chosen
        name = text.FACE.format(number=number)
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            name=name,
            text=[f"<b>{name}</b>"] if large else [str(number)],
            textposition="top center",
            showlegend=False,
            cliponaxis=False,
            marker={"symbol": "circle-open", "size": 22 if large else 13, "line": {"width": 4 if large else 2}},
            hovertemplate=f"{name}<extra></extra>",
            meta="examined",
        )
    _frame(figure, points, examined)
    return figure


def _frame(figure: go.Figure, points: np.ndarray, examined: Sequence[tuple[int, float, float]]) -> None:
    """Axes without numbers (distances on such a map have no unit), room for every point, and nothing that zooms by accident."""
    every = np.vstack([np.asarray(points, dtype=np.float64).reshape(-1, 2), *[np.array([[x, y]]) for _, x, y in examined]])
    low, high = every.min(0), every.max(0)
    pad = np.maximum(0.07 * (high - low), 1e-3)
    bare = {"visible": False, "fixedrange": True}
    figure.update_xaxes(range=[float(low[0] - pad[0]), float(high[0] + pad[0])], **bare)
    figure.update_yaxes(range=[float(low[1] - pad[1]), float(high[1] + 1.6 * pad[1])], **bare)
    figure.update_layout(
        height=480,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "inherit", "size": 13},
        legend={"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "itemsizing": "constant"},
        hoverlabel={"align": "left"},
        dragmode=False,
    )


def _short(p: float) -> str:
    return html.escape(numbers.percent(p).replace("under ", "< ").replace("over ", "> "))


def _bar(share: float, colour: str) -> str:
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<span class="tt-bar" aria-hidden="true"><i style="width:{width:.1f}%;background:{colour}"></i></span>'


def _family(method: str, detector: DetectorInfo) -> str:
    if method in detector.labels:
        return detector.families[detector.labels.index(method)]
    return UNKNOWN_METHOD


def _point(moment: Moment, span: float) -> str:
    return f"{1000 * moment.seconds / span:.1f},{100 - 100 * moment.p_manipulated:.1f}"


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in values]
