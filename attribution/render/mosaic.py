"""The patch view: what a detector says of every small patch of a picture, as a mosaic over it. Pure functions from evidence to inline SVG
without a script; boxes are in pixels of the original picture.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

import numpy as np

from attribution.evidence import Box, DetectorInfo, Patches
from attribution.render import overlay
from attribution.render.islands import components, looks_generated
from attribution.render.palette import family_style
from attribution.text import opinions as text

PICTURE_SIDE_PX = 640
_HAIR = 0.02
# Where patches cover at least this share of the picture, the whole picture is shown; else the part that they cover.
_WHOLE_FROM = 0.5
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def mosaic(patches: Patches, detector: DetectorInfo, face: Box, width: int, height: int, picture: np.ndarray | None, label: str) -> str:
    """The mosaic as HTML: the picture in grey, a tint on each patch that looks generated (stronger for a higher probability, hatched by
    its label), a line around each island of several patches and around the face, and the legend with counts.

    `picture` is the whole picture, H×W×3 uint8 at any size of the same aspect; None draws the patches alone. `label` is what screen
    readers hear.
    """
    area = _area(patches.boxes, width, height)
    covered = _covered(patches.boxes, width, height)
    x0, y0, x1, y1 = area
    parts = [_ground(picture, area, width, height), _veil(area, covered)]
    generated = looks_generated(patches, detector)
    cells = _cells(patches.boxes)
    for hit, cell, p, answer in zip(generated, cells, patches.p_methods, patches.answers, strict=True):
        if hit:
            parts.append(_tint(cell, max(p), answer, detector))
    outline = _outline({cells[one] for island in components(patches.boxes, generated) if len(island) > 1 for one in island})
    parts += [_line(outline, "tt-island-ground"), _line(outline, "tt-island")] if outline else []
    fx0, fy0, fx1, fy1 = face
    parts += [_line(f"M{fx0:.0f} {fy0:.0f}H{fx1:.0f}V{fy1:.0f}H{fx0:.0f}Z", kind) for kind in ("tt-on-face-ground", "tt-on-face")]
    # Only as wide as its height allows: a tall picture would fill more than a screen.
    style = f"--tt-ratio:{x1 - x0:.0f}/{y1 - y0:.0f}"
    return (
        f'<figure class="tt-mosaic" style="{style}"><svg viewBox="{x0:.0f} {y0:.0f} {x1 - x0:.0f} {y1 - y0:.0f}" role="img"'
        f' aria-label="{html.escape(label)}">{"".join(parts)}</svg>{_legend(patches, detector, covered != area)}</figure>'
    )


def _covered(boxes: Sequence[Box], width: int, height: int) -> Box:
    """What the patches span, within the picture."""
    corners = np.array(boxes, dtype=np.float64)
    low, high = corners[:, :2].min(0), corners[:, 2:].max(0)
    return max(0.0, float(low[0])), max(0.0, float(low[1])), min(float(width), float(high[0])), min(float(height), float(high[1]))


def _area(boxes: Sequence[Box], width: int, height: int) -> Box:
    """The part of the picture to show."""
    x0, y0, x1, y1 = covered = _covered(boxes, width, height)
    if not (x1 > x0 and y1 > y0) or (x1 - x0) * (y1 - y0) >= _WHOLE_FROM * width * height:
        return 0.0, 0.0, float(width), float(height)
    return covered


def _cells(boxes: Sequence[Box]) -> list[Box]:
    """Patches overlap a little; on the mosaic each is cut off half-way to the next one."""
    corners = np.array(boxes, dtype=np.float64)
    cut = corners.copy()
    for axis in (0, 1):
        centres = (corners[:, axis] + corners[:, axis + 2]) / 2
        ordered = np.unique(centres)
        # Rounded boxes may put one column at two places a hair apart.
        distinct = ordered[np.concatenate([[True], np.diff(ordered) > _HAIR * (corners[0, 2] - corners[0, 0])])]
        between = (distinct[:-1] + distinct[1:]) / 2
        place = np.searchsorted(between, centres)
        bounds = np.concatenate([[-np.inf], between, [np.inf]])
        cut[:, axis] = np.maximum(corners[:, axis], bounds[place])
        cut[:, axis + 2] = np.minimum(corners[:, axis + 2], bounds[place + 1])
    return [(row[0], row[1], row[2], row[3]) for row in np.round(cut, 1).tolist()]


def _ground(picture: np.ndarray | None, area: Box, width: int, height: int) -> str:
    x0, y0, x1, y1 = area
    place = f'x="{x0:.0f}" y="{y0:.0f}" width="{x1 - x0:.0f}" height="{y1 - y0:.0f}"'
    if picture is None:
        return f'<rect class="tt-no-picture" {place}/>'
    across, down = picture.shape[1] / width, picture.shape[0] / height
    left, top = int(x0 * across), int(y0 * down)
    part = picture[top : max(top + 1, round(y1 * down)), left : max(left + 1, round(x1 * across))]
    grey = np.repeat((overlay.fitted(part, PICTURE_SIDE_PX).astype(np.float32) @ _LUMA)[..., None], 3, axis=2)
    return f'<image {place} preserveAspectRatio="none" href="{overlay.data_uri(grey.astype(np.uint8), 85)}"/>'


def _veil(area: Box, covered: Box) -> str:
    """Dims what no patch covers."""
    (ax0, ay0, ax1, ay1), (x0, y0, x1, y1) = area, covered
    if area == covered:
        return ""
    outer, inner = f"M{ax0:.0f} {ay0:.0f}H{ax1:.0f}V{ay1:.0f}H{ax0:.0f}Z", f"M{x0:.0f} {y0:.0f}H{x1:.0f}V{y1:.0f}H{x0:.0f}Z"
    return f'<path class="tt-veil" fill-rule="evenodd" d="{outer}{inner}"/>'


def _tint(cell: Box, p: float, label: str, detector: DetectorInfo) -> str:
    x0, y0, x1, y1 = cell
    colour = family_style(_family(label, detector)).colour
    tip = html.escape(f"{detector.display(label)}, {round(100 * p)} %")
    hatch = _hatch(cell, detector.labels.index(label) if label in detector.labels else 0)
    return (
        f'<g><title>{tip}</title><rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" fill="{colour}"'
        f' fill-opacity="{0.15 + 0.6 * p:.2f}"/>{_line(hatch, "tt-hatch") if hatch else ""}</g>'
    )


def _hatch(cell: Box, number: int) -> str:
    """Strokes that tell labels apart where colours cannot: none, rising, falling, level or upright, by the label's number."""
    x0, y0, x1, y1 = cell
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (
        "",
        f"M{x0:.1f} {y:.1f}L{x:.1f} {y0:.1f}M{x0:.1f} {y1:.1f}L{x1:.1f} {y0:.1f}M{x:.1f} {y1:.1f}L{x1:.1f} {y:.1f}",
        f"M{x0:.1f} {y:.1f}L{x:.1f} {y1:.1f}M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}M{x:.1f} {y0:.1f}L{x1:.1f} {y:.1f}",
        f"M{x0:.1f} {(y0 + y) / 2:.1f}H{x1:.1f}M{x0:.1f} {(y + y1) / 2:.1f}H{x1:.1f}",
        f"M{(x0 + x) / 2:.1f} {y0:.1f}V{y1:.1f}M{(x + x1) / 2:.1f} {y0:.1f}V{y1:.1f}",
    )[number % 5]


def _outline(cells: Collection[Box]) -> str:
    """The border of the union of cells: every edge that only one of them has."""
    edges: dict[tuple[float, float, float, float], int] = {}
    for x0, y0, x1, y1 in cells:
        for edge in ((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)):
            edges[edge] = edges.get(edge, 0) + 1
    return "".join(f"M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}" for (ax, ay, bx, by), count in edges.items() if count == 1)


def _line(path: str, kind: str) -> str:
    return f'<path class="{kind}" d="{path}" fill="none" vector-effect="non-scaling-stroke"/>'


def _legend(patches: Patches, detector: DetectorInfo, veiled: bool) -> str:
    counts = {label: patches.answers.count(label) for label in patches.labels}
    swatch: Box = (0.0, 0.0, 16.0, 16.0)
    items = []
    for label in sorted(counts, key=lambda one: (_family(one, detector) == "real", -counts[one])):
        untouched = _family(label, detector) == "real"
        if not untouched and not counts[label]:
            continue
        mark = '<rect class="tt-no-picture" width="16" height="16"/>' if untouched else _tint(swatch, 0.9, label, detector)
        name = text.PATCH_CLEAR if untouched else detector.display(label)
        items.append(f"<li>{_swatch(mark)}<span>{html.escape(name)}</span><b>{counts[label]}</b></li>")
    face = "".join(_line("M2 2H14V14H2Z", kind) for kind in ("tt-on-face-ground", "tt-on-face"))
    items.append(f"<li>{_swatch(face)}<span>{text.PATCH_FACE}</span></li>")
    if veiled:
        items.append(f'<li>{_swatch("""<path class="tt-veil" d="M0 0H16V16H0Z"/>""")}<span>{text.PATCH_NOT_READ}</span></li>')
    return f'<figcaption><ul class="tt-legend" aria-label="{text.PATCH_LEGEND}">{"".join(items)}</ul></figcaption>'


def _swatch(drawn: str) -> str:
    return f'<svg width="18" height="18" viewBox="0 0 16 16" aria-hidden="true">{drawn}</svg>'


def _family(label: str, detector: DetectorInfo) -> str | None:
    return detector.families[detector.labels.index(label)] if label in detector.labels else None
