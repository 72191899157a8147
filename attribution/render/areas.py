"""Where a detector looked and which areas it marks on a face, as HTML and in words; and how often such places are right.

Whether a heatmap explains its answer says the deletion test of this one heatmap. How often heatmaps and areas of a detector point at what
was really changed says the table "Localisation" of its card: the pointing game (Zhang et al. 2018, Top-Down Neural Attention by Excitation
Backprop) on faces of which one part was swapped. Boxes are in pixels of the original picture.
"""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Row, rows_of
from attribution.evidence import Artifact, Box, DetectorInfo, Face, Heatmap, TrackEvidence
from attribution.messages import Message, Words
from attribution.render.face import refused
from attribution.render.html import macros
from attribution.text import areas as text
from attribution.text import numbers
from attribution.text import page as page_text

MOST = 5
_SAME_MOMENT_SECONDS = 1e-3
# Where a label stands at its box; as CSS classes, the ones that leave the box free first.
_CORNERS = ("above-left", "above-right", "below-left", "below-right", "in-top-left", "in-top-right", "in-bottom-left", "in-bottom-right")
# A label's width and height as shares of the face: on a face of 300 px, and on a whole picture with a face of 150 px.
_ON_FACE, _ON_PICTURE = (0.2, 0.075), (0.28, 0.13)
# How far around a landmark a face is to stay free, and the number of the face at its upper left, as shares of the face.
_FEATURE_REACH = 0.08
_FACE_NUMBER: Box = (0.0, 0.0, 0.32, 0.15)
# Falls of the odds that are none in words: under a twentieth.
_NO_FALL = math.log(1.05)
ALL: Box = (0.0, 0.0, 1.0, 1.0)
# From this share of the face's square on an area says nothing about where.
_WHOLE_FROM = 0.8
# Along the line from the eyes (0) to the mouth (1), and across it in halves of the distance between the eyes.
_ABOVE_EYES, _EYES_END, _MOUTH_BEGINS, _BELOW_MOUTH = -0.3, 0.3, 0.8, 1.3
_CENTRAL = 0.5
_TABLE, _NEEDED, _CASES = "Localisation", ("cases", "by", "hits"), "partial swaps"
_HTML = macros("areas.html")
Tables = Sequence[MeasuredTable] | None
"""The measured tables of a detector's card; None where they are not at hand."""


def heatmap_words(heatmap: Heatmap, detector: DetectorInfo, tables: Tables) -> Markup:
    """The deletion test of a heatmap in plain words and as two bars, how often such heatmaps are right, and that it is no proof."""
    hot, random = heatmap.fall_hot, sum(heatmap.falls_random) / len(heatmap.falls_random)
    said = page_text.DELETION_OF_NONE if hot < _NO_FALL else page_text.DELETION_OF_HOT if random < _NO_FALL else page_text.DELETION
    sentence = said.format(method=detector.display(heatmap.label), hot=numbers.fold(hot), random=numbers.fold(random))
    # Bars on the log scale: what the larger of both falls fills its bar.
    most = max(hot, random, math.log(10))
    falls = [(name, fall / most, numbers.fold(fall)) for name, fall in zip(page_text.DELETED, (hot, random), strict=True)]
    return _HTML.heatmap_words(heatmap.faithful, sentence, falls, heatmap_hits(tables, detector, heatmap.label))


def heatmap_hits(tables: Tables, detector: DetectorInfo, label: str) -> list[Message]:
    """What was measured of heatmaps of that label, or that nothing was, or where it stands; for a label of the untouched, why there is
    nothing to measure."""
    family = detector.family(label)
    if family == "real":
        return [text.NO_AREA]
    if tables is None:
        return [text.HITS_IN_CARD]
    said = _hits(tables, "heatmap", text.HEATMAPS_HIT)
    return [*said, *([text.KNOWN_ARE_SWAPS] if family in ("gan", "diffusion") else [])] if said else [text.HEATMAPS_NOT_MEASURED]


def box_hits(tables: Tables) -> list[Message]:
    """What was measured of the boxes of a detector with these tables in its card, or that nothing was, or where it stands."""
    if tables is None:
        return [text.HITS_IN_CARD]
    # What the page shows counts; a card that does not tell it apart has the surest box of all.
    return _hits(tables, "boxes shown", text.BOXES_HIT) or _hits(tables, "boxes", text.BOXES_HIT) or [text.BOXES_NOT_MEASURED]


def _hits(tables: Sequence[MeasuredTable], by: str, sentence: Message) -> list[Message]:
    """The sentence with both figures, and whether the difference means anything; empty when either was not measured."""
    rows = {row.text("by"): row for row in reversed(rows_of(tables, _TABLE, _NEEDED)) if row.text("cases") == _CASES}
    own, centre = rows.get(by), rows.get("crop centre")
    hits, guessed = _share(own, "hits"), _share(centre, "hits")
    if hits is None or guessed is None:
        return []
    said = sentence.format(hits=round(100 * hits), centre=round(100 * guessed))
    low = _share(own, "hits low")
    if round(100 * hits) <= round(100 * guessed):
        return [said, text.NO_BETTER]
    return [said, text.MAYBE_CHANCE] if low is not None and low <= guessed else [said]


def _share(row: Row | None, column: str) -> float | None:
    """A share of the cases; None when it is none."""
    value = row.number(column) if row is not None else None
    return value if value is not None and 0 <= value <= 1 else None


def shown(track: TrackEvidence) -> tuple[Artifact, ...]:
    """The areas that are drawn and listed: the most confident ones."""
    return track.artifacts[:MOST]


def marked_by(track: TrackEvidence, detector: str) -> bool:
    """Whether the detector of that name marked areas of this face."""
    return any(one.detector == detector for one in track.artifacts)


def marked_face(track: TrackEvidence) -> Face | None:
    """The face that the areas were found on; None without areas, and when the track no longer carries its pixels."""
    if track.track is None or not track.artifacts:
        return None
    moment = track.artifacts[0].seconds
    return next((face for face in track.track.faces if abs(face.seconds - moment) <= _SAME_MOMENT_SECONDS), None)


def panel(track: TrackEvidence, number: int, name: str, state: str, tables: Tables, crop_uri: str | None, switch: bool = True) -> Markup:
    """The face (`number` counts from 1) with its areas, the list of them and what they are worth.

    `name`, `state` (of its own verdict, empty where not known) and `tables` are the detector's; `crop_uri` is the crop of `marked_face`;
    with `switch` the outlines can be hidden, as on the page.
    """
    face, count = marked_face(track), len(track.artifacts)
    landmarks = face.landmarks if face is not None else None
    places = [(one, place(one.box, _square(track), landmarks)) for one in shown(track)]
    lead = [text.marks(name, count) if count <= MOST else text.SOME_OF.format(name=name, count=count, shown=MOST)]
    lead += [text.ALTHOUGH[state]] if state in text.ALTHOUGH else []
    return _HTML.panel(track, number, lead, places, box_hits(tables), crop_uri, _marks(track) if crop_uri else (), switch)


def nothing_marked(name: str, state: str) -> Markup:
    """Said of a detector that marks areas and marked none. `state` is that of its own verdict on the face."""
    return refused((text.NONE_FOUND if state == "no_manipulation_found" else text.NONE).format(name=name))


def layer(track: TrackEvidence, index: int, width: int, height: int, chosen: bool) -> Markup:
    """The outlines over the whole picture or clip, hidden unless the face is `chosen`; empty without areas. `index` numbers the track."""
    if not track.artifacts:
        return Markup()
    square, whole = _square(track), (0.0, 0.0, float(width), float(height))
    marks = _marks(track, shares(whole, square))
    return _HTML.layer(index, shares(square, whole), track.artifacts[0].seconds, marks, not chosen)


def _square(track: TrackEvidence) -> Box:
    """What the detector saw; the box of the face where that is not known any more."""
    face = marked_face(track)
    return face.crop_box if face is not None else track.box


def _marks(track: TrackEvidence, picture: Box | None = None) -> list[tuple[int, float, Box, str]]:
    """Number, confidence, box in shares of the face's square, and corner of the label of every outline. The surest comes last, to lie on
    top; labels cover neither each other nor eyes, nose and mouth where there is room beside them. `picture` is the whole picture in
    shares of the square, where that is what lies below."""
    square, face = _square(track), marked_face(track)
    inside = [(number, one.confidence, common(shares(one.box, square), ALL)) for number, one in enumerate(shown(track), 1)]
    drawn = [mark for mark in inside if _area(mark[2]) > 0]
    corners = _corners([box for *_, box in drawn], _features(face, square), picture)
    return [(*mark, corner) for mark, corner in zip(drawn, corners, strict=True)][::-1]


def shares(box: Box, square: Box) -> Box:
    """A box in shares of the square: (0, 0, 1, 1) is all of it."""
    x0, y0, x1, y1 = ((box[i] - square[i % 2]) / (square[i % 2 + 2] - square[i % 2]) for i in range(4))
    return x0, y0, x1, y1


def _features(face: Face | None, square: Box) -> list[Box]:
    """Boxes around each eye, the nose and the mouth, as shares of the square."""
    if face is None or face.landmarks is None:
        return []
    reach = _FEATURE_REACH * (square[2] - square[0])
    points = face.landmarks
    groups = [points[0:1], points[1:2], points[2:3], points[3:5]]
    spans = [(*(group.min(0) - reach).tolist(), *(group.max(0) + reach).tolist()) for group in groups]
    return [shares((x0, y0, x1, y1), square) for x0, y0, x1, y1 in spans]


def _corners(boxes: Sequence[Box], features: Sequence[Box], picture: Box | None) -> list[str]:
    """For each box the corner where its label is in nobody's way, the surest box first. On a whole picture there is room around the face;
    on its crop a label that leaves it would be cut off."""
    room, size = (ALL, _ON_FACE) if picture is None else (picture, _ON_PICTURE)
    taken: list[Box] = [] if picture is None else [_FACE_NUMBER]
    chosen = []
    for box in boxes:
        costs = []
        for order, corner in enumerate(_CORNERS):
            label = _label(box, corner, size)
            hidden = _area(label) - _area(common(label, room))
            over_face = 0.0 if picture is None else _area(common(label, ALL))
            in_the_way = 10 * sum(_area(common(label, other)) for other in taken) + 3 * sum(_area(common(label, one)) for one in features)
            costs.append((100 * hidden + in_the_way + 0.1 * over_face + 1e-4 * order, corner))
        chosen.append(min(costs)[1])
        taken.append(_label(box, chosen[-1], size))
    return chosen


def _label(box: Box, corner: str, size: tuple[float, float]) -> Box:
    (x0, y0, x1, y1), (wide, high) = box, size
    left = x0 if corner.endswith("left") else x1 - wide
    top = {"above": y0 - high, "below": y1, "in-top": y0, "in-bottom": y1 - high}[corner.rpartition("-")[0]]
    return left, top, left + wide, top + high


def common(one: Box, other: Box) -> Box:
    """What two boxes share; of no size where they share nothing."""
    x0, y0 = max(one[0], other[0]), max(one[1], other[1])
    return x0, y0, max(x0, min(one[2], other[2])), max(y0, min(one[3], other[3]))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def place(area: Box, square: Box, landmarks: np.ndarray | None) -> Words:
    """Where `area` lies: "the nose and the mouth", "on the cheek on the left". `square` is the square around the face, `landmarks` 5×2:
    left eye, right eye, nose, mouth left, mouth right; all in pixels of the original picture. Left and right are those of the picture."""
    if _area(common(area, square)) >= _WHOLE_FROM * _area(square):
        return text.WHOLE
    if landmarks is not None and (words := _by_landmarks(area, landmarks.astype(np.float64))):
        return words
    x, y = (3 * ((area[axis] + area[axis + 2]) / 2 - square[axis]) // (square[axis + 2] - square[axis]) for axis in (0, 1))
    return text.IN_FACE[min(2, max(0, int(y)))][min(2, max(0, int(x)))]


def _by_landmarks(area: Box, landmarks: np.ndarray) -> Words | None:
    """By the landmarks within the area, or else by the direction from them; None where the landmarks say nothing."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    down, across = mouth - eyes, landmarks[1] - landmarks[0]
    length, width = float(np.hypot(*down)), float(np.hypot(*across))
    if min(length, width) < 1:
        return None
    upright = abs(across[0]) >= abs(across[1])
    within = [_holds(area, point) for point in landmarks]
    if parts := _parts(within, landmarks, _holds(area, mouth), upright):
        return numbers.listed(parts)
    centre = np.array([(area[0] + area[2]) / 2, (area[1] + area[3]) / 2])
    along = float((centre - eyes) @ down) / length**2
    aside = centre - (eyes + along * down)
    lateral = abs(float(aside @ across)) / width / (width / 2)
    if along < _ABOVE_EYES or along > _BELOW_MOUTH:
        return text.ABOVE if along < 0 else text.BELOW
    if lateral <= _CENTRAL:
        return text.BETWEEN_EYES if along < _EYES_END else text.MIDDLE
    beside = text.NEAR_EYE if along < _EYES_END else text.CHEEK if along < _MOUTH_BEGINS else text.BESIDE_MOUTH
    return beside[_side(aside[0], upright)]


def _parts(within: list[bool], landmarks: np.ndarray, mouth: bool, upright: bool) -> list[Message]:
    """The parts of the face that an area holds; of a pair that it holds half of, which side."""
    found = []
    for one, other, both, single in ((0, 1, text.EYES, text.EYE), (3, 4, text.MOUTH, text.CORNER)):
        if one == 3 and within[2]:
            found.append(text.NOSE)
        if (within[one] and within[other]) or (one == 3 and mouth):
            found.append(both)
        elif within[one] or within[other]:
            (x, y) = (one, other) if within[one] else (other, one)
            found.append(single[_side(landmarks[x, 0] - landmarks[y, 0], upright)])
    return found


def _side(x: float, upright: bool) -> str:
    """On which side of the picture; a face that lies on its side has an upper and a lower eye, and none is named."""
    return ("left" if x < 0 else "right") if upright else ""


def _holds(area: Box, point: np.ndarray) -> bool:
    return bool(area[0] <= point[0] <= area[2] and area[1] <= point[1] <= area[3])
