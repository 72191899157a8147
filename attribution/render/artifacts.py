"""The areas that a detector marks on a face: as outlines over the face and over the whole picture, as a list, and in words. HTML without
a script; boxes are in pixels of the original picture.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from attribution.detectors.card import MeasuredTable
from attribution.evidence import Artifact, Box, Face, TrackEvidence
from attribution.render.localisation import box_hits
from attribution.render.places import names_sides, place
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


def panel(
    track: TrackEvidence,
    number: int,
    name: str,
    state: str,
    tables: Sequence[MeasuredTable] | None,
    crop_uri: str | None,
    switch: bool = True,
) -> str:
    """The face with its areas, the list of them and what they are worth. `number` is that of the face, `name` that of the detector for
    people, `state` that of its own verdict on the face (empty where that is not known), `tables` those of its card (None where
    they are not at hand); `crop_uri` is the crop of `marked_face`. A `switch`
    hides the outlines, for the page."""
    picture = figure(track, number, crop_uri, switch) if crop_uri else ""
    moment = track.artifacts[0].seconds
    at = f'<p class="tt-small">{numbers.seconds(moment)}</p>' if track.timeline else ""
    places = _places(track)
    more = [text.SIDES] if any(names_sides(words) for words in places) else []
    lead = f"{_lead(track, name)} {text.ALTHOUGH.get(state, '')}".strip()
    note = " ".join([text.CONFIDENCE, *more])
    return (
        f'<div class="tt-marked">{picture}<div class="tt-marked-words">{at}<p class="tt-marked-lead">{html.escape(lead)}</p>'
        f'{_listed(track, places)}<p class="tt-small">{note}</p><h4>{text.HITS_TITLE}</h4><p>{html.escape(box_hits(tables))}</p>'
        f'<p class="tt-warning">{text.CANNOT}</p></div></div>'
    )


def nothing_marked(name: str, state: str) -> str:
    """Said of a detector that marks areas and marked none. `state` is that of its own verdict on the face."""
    words = text.NONE_FOUND if state == "no_manipulation_found" else text.NONE
    return f'<p class="tt-refused">{html.escape(words.format(name=name))}</p>'


def figure(track: TrackEvidence, number: int, crop_uri: str, switch: bool) -> str:
    """The crop of the face with the outlines over it."""
    face = page_text.FACE.format(number=number)
    toggle = f'<label class="tt-area-switch"><input type="checkbox" checked> {text.SHOW}</label>' if switch else ""
    return (
        f'<figure class="tt-marked-face"><div class="tt-marked-crop"><img src="{crop_uri}" alt="{text.PICTURE.format(face=face)}"'
        f' width="224" height="224">{_outlines(track)}</div>{toggle}</figure>'
    )


def layer(track: TrackEvidence, index: int, width: int, height: int, chosen: bool) -> str:
    """The outlines over the whole picture or clip, hidden unless the face is `chosen`; empty without areas. `index` numbers the track."""
    if not track.artifacts:
        return ""
    x0, y0, x1, y1 = square = _square(track)
    style = (
        f"left:{100 * x0 / width:.2f}%;top:{100 * y0 / height:.2f}%;"
        f"width:{100 * (x1 - x0) / width:.2f}%;height:{100 * (y1 - y0) / height:.2f}%"
    )
    hidden = "" if chosen else " hidden"
    seconds = track.artifacts[0].seconds
    return (
        f'<div class="tt-areas-of" style="{style}" data-of="{index}" data-seconds="{seconds:.3f}" aria-hidden="true"{hidden}>'
        f"{_outlines(track, _shares((0.0, 0.0, float(width), float(height)), square))}</div>"
    )


def _lead(track: TrackEvidence, name: str) -> str:
    count = len(track.artifacts)
    words = text.ONE if count == 1 else text.SEVERAL if count <= MOST else text.SOME_OF
    return words.format(name=name, count=count, shown=MOST)


def _listed(track: TrackEvidence, places: Sequence[str]) -> str:
    rows = "".join(
        f'<li><span class="tt-area-name"><span class="tt-unseen">{text.AREA} </span>{number}<span class="tt-unseen">, </span></span>'
        f'<span class="tt-area-place">{words}<span class="tt-unseen">: </span></span><span class="tt-bar" aria-hidden="true">'
        f'<i style="width:{100 * one.confidence:.0f}%"></i></span><b>{numbers.percent(one.confidence)}</b></li>'
        for number, (one, words) in enumerate(zip(shown(track), places, strict=True), 1)
    )
    return f'<ol class="tt-area-list">{rows}</ol>'


def _places(track: TrackEvidence) -> list[str]:
    face = marked_face(track)
    landmarks = face.landmarks if face is not None else None
    return [place(one.box, _square(track), landmarks) for one in shown(track)]


def _square(track: TrackEvidence) -> Box:
    """What the detector saw; the box of the face where that is not known any more."""
    face = marked_face(track)
    return face.crop_box if face is not None else track.box


def _outlines(track: TrackEvidence, picture: Box | None = None) -> str:
    """The outlines within the square of the face. The surest lies on top, and labels cover neither each other nor eyes, nose and mouth
    where there is room beside them. `picture` is the whole picture in shares of the square, where that is what lies below."""
    square, face = _square(track), marked_face(track)
    inside = [(number, one, _cut(_shares(one.box, square))) for number, one in enumerate(shown(track), 1)]
    drawn = [(number, one, box) for number, one, box in inside if box[2] > box[0] and box[3] > box[1]]
    corners = _corners([box for *_, box in drawn], _features(face, square), picture)
    parts = [_outline(number, one, box, corner, picture is None) for (number, one, box), corner in zip(drawn, corners, strict=True)]
    return f'<div class="tt-areas" aria-hidden="true">{"".join(reversed(parts))}</div>'


def _outline(number: int, one: Artifact, box: Box, corner: str, on_face: bool) -> str:
    left, top, right, bottom = (100 * side for side in box)
    style = f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"
    words = numbers.percent(one.confidence)
    label = f"<b>{number}</b> {words}" if on_face else words
    return f'<i class="tt-area" style="{style}"><span class="tt-area-label tt-{corner}">{label}</span></i>'


def _shares(box: Box, square: Box) -> Box:
    """A box in shares of the square: (0, 0, 1, 1) is all of it."""
    x0, y0, x1, y1 = ((box[i] - square[i % 2]) / (square[i % 2 + 2] - square[i % 2]) for i in range(4))
    return x0, y0, x1, y1


def _cut(shares: Box) -> Box:
    """What of it lies within the square."""
    x0, y0, x1, y1 = (min(1.0, max(0.0, share)) for share in shares)
    return x0, y0, x1, y1


def _features(face: Face | None, square: Box) -> list[Box]:
    """Boxes around each eye, the nose and the mouth, as shares of the square."""
    if face is None or face.landmarks is None:
        return []
    reach = _FEATURE_REACH * (square[2] - square[0])
    points = face.landmarks
    groups = [points[0:1], points[1:2], points[2:3], points[3:5]]
    spans = [(*(group.min(0) - reach).tolist(), *(group.max(0) + reach).tolist()) for group in groups]
    return [_shares((x0, y0, x1, y1), square) for x0, y0, x1, y1 in spans]


def _corners(boxes: Sequence[Box], features: Sequence[Box], picture: Box | None) -> list[str]:
    """For each box the corner where its label is in nobody's way, the surest box first. On a whole picture there is room around the face;
    on its crop a label that leaves it would be cut off."""
    room, size = ((0.0, 0.0, 1.0, 1.0), _ON_FACE) if picture is None else (picture, _ON_PICTURE)
    taken: list[Box] = [] if picture is None else [_FACE_NUMBER]
    chosen = []
    for box in boxes:
        costs = []
        for order, corner in enumerate(_CORNERS):
            label = _label(box, corner, size)
            hidden = _area(label) - _common(label, room)
            over_face = 0.0 if picture is None else _common(label, (0.0, 0.0, 1.0, 1.0))
            in_the_way = 10 * sum(_common(label, other) for other in taken) + 3 * sum(_common(label, one) for one in features)
            costs.append((100 * hidden + in_the_way + 0.1 * over_face + 1e-4 * order, corner))
        chosen.append(min(costs)[1])
        taken.append(_label(box, chosen[-1], size))
    return chosen


def _label(box: Box, corner: str, size: tuple[float, float]) -> Box:
    x0, y0, x1, y1 = box
    wide, high = size
    left = x0 if corner.endswith("left") else x1 - wide
    top = {"above": y0 - high, "below": y1, "in-top": y0, "in-bottom": y1 - high}[corner.rpartition("-")[0]]
    return left, top, left + wide, top + high


def _common(one: Box, other: Box) -> float:
    return max(0.0, min(one[2], other[2]) - max(one[0], other[0])) * max(0.0, min(one[3], other[3]) - max(one[1], other[1]))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
