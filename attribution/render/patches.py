"""The patch view: what a detector says of every small patch of a picture, as a mosaic over it, and how the patches that look generated
hang together, in numbers and in words.

Patches that look generated and lie side by side form an island (4-connected components: Rosenfeld and Pfaltz 1966, "Sequential operations
in digital picture processing"). Boxes are in pixels of the original picture.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from scipy.sparse.csgraph import connected_components

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate, interval, rows_of
from attribution.evidence import Box, DetectorInfo, Media, Patches
from attribution.messages import Message
from attribution.render import overlay
from attribution.render.html import macros
from attribution.render.palette import family_style
from attribution.text import numbers
from attribution.text import opinions as text
from attribution.text.numbers import percent

PICTURE_SIDE_PX = 640
# Neighbours share at least half a side and leave a gap of at most a tenth.
_SHARED, _GAP = 0.5, 0.1
_SPREAD_FROM = 0.9
_HAIR = 0.02
# Where patches cover at least this share of the picture, the whole picture is shown; else the part that they cover.
_WHOLE_FROM = 0.5
_TABLE = "Patch islands"
_HTML = macros("patches.html")


class Tally(NamedTuple):
    """How many patches there are in some part of the picture, and how many of them look generated."""

    patches: int
    generated: int


class Islands(NamedTuple):
    """How the patches that look generated hang together. `members` holds the patches of each island by number, the largest first; a patch
    is on the face when its centre lies in the face's box."""

    every: Tally
    on_face: Tally
    around: Tally
    members: tuple[tuple[int, ...], ...]
    place: Message | None
    """The sentence that says where in the picture the largest island lies; None without an island."""


def islands(patches: Patches, detector: DetectorInfo, face: Box, width: int, height: int) -> Islands:
    """Count, connect and place the patches whose likeliest label is of another family than the untouched. `width` and `height` are the
    picture's."""
    generated = looks_generated(patches, detector)
    on_face = [face[0] <= x <= face[2] and face[1] <= y <= face[3] for x, y in map(_centre, patches.boxes)]
    members = tuple(sorted(components(patches.boxes, generated), key=lambda island: (-len(island), island)))
    place = None
    if members:
        x, y = np.mean([_centre(patches.boxes[one]) for one in members[0]], axis=0).tolist()
        place = text.LARGEST[min(2, int(3 * y / height))][min(2, int(3 * x / width))]
    every = Tally(len(generated), sum(generated))
    on = Tally(sum(on_face), sum(hit and on for hit, on in zip(generated, on_face, strict=True)))
    return Islands(every, on, Tally(every.patches - on.patches, every.generated - on.generated), members, place)


def sentences(found: Islands) -> list[Message]:
    """What the patches show, in plain sentences: how many, in which islands, and on the face or around it."""
    every = found.every
    if not every.generated or found.place is None:
        return [text.PATCHES_NONE.format(patches=every.patches)]
    said = [text.patches_count(every.generated, every.patches)]
    if every.generated >= _SPREAD_FROM * every.patches:
        return [*said, text.PATCHES_EVERYWHERE]
    largest = len(found.members[0])
    if every.generated == 1:
        said.append(found.place)
    elif len(found.members) == 1:
        said += [text.ONE_ISLAND, found.place]
    elif largest == 1:
        said.append(text.NO_TWO_TOUCH)
    else:
        share = numbers.per_cent(largest / every.generated)
        said += [text.SEVERAL_ISLANDS.format(islands=len(found.members), share=share), found.place]
    if found.on_face.patches and found.around.patches:
        on, around = found.on_face, found.around
        said.append(text.ON_AND_AROUND.format(on=on.generated, on_all=on.patches, around=around.generated, around_all=around.patches))
        on_share, around_share = on.generated / on.patches, around.generated / around.patches
        if on_share >= around_share + 0.5:
            said.append(text.FACE_STANDS_OUT)
        elif around_share >= on_share:
            said.append(text.FACE_DOES_NOT_STAND_OUT)
    return said


def looks_generated(patches: Patches, detector: DetectorInfo) -> list[bool]:
    """Which patches have a likeliest label of another family than the untouched."""
    return [detector.family(answer) != "real" for answer in patches.answers]


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def components(boxes: Sequence[Box], chosen: Sequence[bool]) -> list[tuple[int, ...]]:
    """Connected components of the chosen boxes, each in rising order. Boxes that lie side by side or overlap are connected; sharing a
    corner is not enough."""
    numbers_of = np.flatnonzero(chosen)
    low, high = np.array(boxes, dtype=np.float64).reshape(-1, 2, 2)[numbers_of].swapaxes(0, 1)
    side = (high - low).min(axis=1)
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    touching = (shared.min(axis=2) >= -_GAP * side) & (shared.max(axis=2) >= _SHARED * side)
    count, island = connected_components(touching, directed=False)
    return [tuple(numbers_of[island == one].tolist()) for one in range(count)]


def patch_view(
    patches: Patches, detector: DetectorInfo, face: Box, media: Media, picture: np.ndarray | None, tables: Sequence[MeasuredTable] = ()
) -> Markup:
    """The mosaic of a picture, what it shows and what it cannot show.

    Args:
        face: The examined face's box.
        picture: The whole picture at any size of the same aspect, H×W×3 uint8; None draws the patches alone.
        tables: Those of the detector's card.
    """
    said = sentences(islands(patches, detector, face, media.width, media.height))
    box = patches.boxes[0]
    notes = [*_measured(tables), text.PATCH_SIZE.format(side=round(box[2] - box[0]))]
    return _HTML.patch_view(mosaic(patches, detector, face, media.width, media.height, picture), said, notes)


def _measured(tables: Sequence[MeasuredTable]) -> list[Message]:
    """What the card measured of this view; nothing where it did not."""
    inside, outside = "patches inside called generated", "patches outside called generated"
    rows = rows_of(tables, _TABLE, ("split", inside, outside))
    # Collections that training never saw say more about a reader's file than those that it did.
    split = "cross" if any(row.text("split") == "cross" for row in rows) else "test"
    shares = []
    for column in (inside, outside):
        values = [value for row in rows if row.text("split") == split and (value := row.number(column)) is not None]
        if not values:
            return []
        low, high = min(values), max(values)
        shares.append(numbers.measured_share(low) if low == high else interval(Estimate(low, low, high)))
    return [text.PATCH_MEASURED[split].format(inside=shares[0], outside=shares[1])]


class _Tint(NamedTuple):
    """How a patch is drawn: `cell` is its box as far as no other patch covers it, `hatch` a path."""

    cell: Box
    p: float
    tip: Message
    colour: str
    hatch: str


def mosaic(patches: Patches, detector: DetectorInfo, face: Box, width: int, height: int, picture: np.ndarray | None) -> Markup:
    """The mosaic: the picture in grey, a tint on each patch that looks generated (stronger for a higher probability, hatched by its
    label), a line around each island of several patches and around the face, and the legend with counts. `picture` is as for
    `patch_view`."""
    area, covered = _area(patches.boxes, width, height), _covered(patches.boxes, width, height)
    generated, cells = looks_generated(patches, detector), _cells(patches.boxes)
    answers = zip(generated, cells, patches.p_methods, patches.answers, strict=True)
    tints = [_tint(cell, max(p), answer, detector) for hit, cell, p, answer in answers if hit]
    together = {cells[one] for island in components(patches.boxes, generated) if len(island) > 1 for one in island}
    image = _grey(picture, area, width, height) if picture is not None else None
    veil = _around(area) + _around(covered) if area != covered else ""
    return _HTML.mosaic(area, image, veil, tints, _outline(together), _around(face), _legend(patches, detector))


def _covered(boxes: Sequence[Box], width: int, height: int) -> Box:
    """What the patches span, within the picture."""
    x0, y0, x1, y1 = map(list, zip(*boxes, strict=True))
    return max(0.0, min(x0)), max(0.0, min(y0)), min(float(width), max(x1)), min(float(height), max(y1))


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


def _grey(picture: np.ndarray, area: Box, width: int, height: int) -> str:
    """That part of the picture as a small grey data URI."""
    x0, y0, x1, y1 = area
    across, down = picture.shape[1] / width, picture.shape[0] / height
    left, top = int(x0 * across), int(y0 * down)
    part = picture[top : max(top + 1, round(y1 * down)), left : max(left + 1, round(x1 * across))]
    return overlay.data_uri(overlay.grey(overlay.fitted(part, PICTURE_SIDE_PX)).astype(np.uint8), 85)


def _around(box: Box) -> str:
    x0, y0, x1, y1 = box
    return f"M{x0:.0f} {y0:.0f}H{x1:.0f}V{y1:.0f}H{x0:.0f}Z"


def _tint(cell: Box, p: float, label: str, detector: DetectorInfo) -> _Tint:
    hatch = _hatch(cell, detector.labels.index(label) if label in detector.labels else 0)
    return _Tint(
        cell, p, text.PATCH_TIP.format(method=detector.display(label), p=percent(p)), family_style(detector.family(label)).colour, hatch
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
    sides = (((x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)) for x0, y0, x1, y1 in cells)
    edges = Counter(edge for four in sides for edge in four)
    return "".join(f"M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}" for (ax, ay, bx, by), count in edges.items() if count == 1)


def _legend(patches: Patches, detector: DetectorInfo) -> list[tuple[_Tint | None, str, int]]:
    """Every answer that a patch gave, and the untouched: how it is drawn, its name, and how many patches gave it."""
    counts = {label: patches.answers.count(label) for label in patches.labels}
    items: list[tuple[_Tint | None, str, int]] = []
    for label in sorted(counts, key=lambda one: (detector.family(one) == "real", -counts[one])):
        if detector.family(label) == "real":
            items.append((None, text.PATCH_CLEAR, counts[label]))
        elif counts[label]:
            items.append((_tint((0.0, 0.0, 16.0, 16.0), 0.9, label, detector), detector.display(label), counts[label]))
    return items
