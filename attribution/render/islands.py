"""Islands: how the patches of a picture that look generated hang together, in numbers and in words.

Patches that look generated and lie side by side form an island (4-connected components: Rosenfeld and Pfaltz 1966, "Sequential operations
in digital picture processing"). Boxes are in pixels of the original picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.evidence import Box, DetectorInfo, Patches
from attribution.text import opinions as text

# Neighbours share at least half a side and leave a gap of at most a tenth.
_SHARED, _GAP = 0.5, 0.1
_SPREAD_FROM = 0.9


@dataclass(frozen=True)
class Tally:
    """How many patches there are in some part of the picture, and how many of them look generated."""

    patches: int
    generated: int


@dataclass(frozen=True)
class Islands:
    """How the patches that look generated hang together. `members` holds the patches of each island by number, the largest first; a patch
    is on the face when its centre lies in the face's box."""

    every: Tally
    on_face: Tally
    around: Tally
    members: tuple[tuple[int, ...], ...]
    place: str
    """Where in the picture the largest island lies, in words; empty without an island."""


def islands(patches: Patches, detector: DetectorInfo, face: Box, width: int, height: int) -> Islands:
    """Count, connect and place the patches whose likeliest label is of another family than the untouched. `width` and `height` are the
    picture's."""
    generated = looks_generated(patches, detector)
    on_face = [face[0] <= x <= face[2] and face[1] <= y <= face[3] for x, y in map(_centre, patches.boxes)]
    members = tuple(sorted(components(patches.boxes, generated), key=lambda island: (-len(island), island)))
    place = ""
    if members:
        x, y = np.mean([_centre(patches.boxes[one]) for one in members[0]], axis=0).tolist()
        place = text.PLACES[min(2, int(3 * y / height))][min(2, int(3 * x / width))]
    return Islands(
        every=Tally(len(generated), sum(generated)),
        on_face=Tally(sum(on_face), sum(hit and on for hit, on in zip(generated, on_face, strict=True))),
        around=Tally(len(on_face) - sum(on_face), sum(hit and not on for hit, on in zip(generated, on_face, strict=True))),
        members=members,
        place=place,
    )


def sentences(found: Islands) -> list[str]:
    """What the patches show, in plain sentences: how many, in which islands, and on the face or around it."""
    every = found.every
    if not every.generated:
        return [text.PATCHES_NONE.format(patches=every.patches)]
    count = text.PATCHES_COUNT.format(generated=every.generated, patches=every.patches)
    if every.generated >= _SPREAD_FROM * every.patches:
        return [f"{count} {text.PATCHES_EVERYWHERE}"]
    largest = len(found.members[0])
    if every.generated == 1:
        said = text.ISLAND_OF_ONE.format(place=found.place)
    elif len(found.members) == 1:
        said = text.ONE_ISLAND.format(place=found.place)
    elif largest == 1:
        said = text.NO_TWO_TOUCH
    else:
        share = round(100 * largest / every.generated)
        alone = sum(len(island) == 1 for island in found.members) or "none"
        said = text.SEVERAL_ISLANDS.format(islands=len(found.members), alone=alone, largest=largest, share=share, place=found.place)
    parts = [f"{count} {said}"]
    if found.on_face.patches and found.around.patches:
        on, around = found.on_face, found.around
        parts.append(text.ON_AND_AROUND.format(on=on.generated, on_all=on.patches, around=around.generated, around_all=around.patches))
        on_share, around_share = on.generated / on.patches, around.generated / around.patches
        if on_share >= around_share + 0.5:
            parts.append(text.FACE_STANDS_OUT)
        elif around_share >= on_share:
            parts.append(text.FACE_DOES_NOT_STAND_OUT)
    return parts


def looks_generated(patches: Patches, detector: DetectorInfo) -> list[bool]:
    """Which patches have a likeliest label of another family than the untouched."""
    family = dict(zip(detector.labels, detector.families, strict=True))
    return [family.get(answer) != "real" for answer in patches.answers]


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def components(boxes: Sequence[Box], chosen: Sequence[bool]) -> Iterator[tuple[int, ...]]:
    """Connected components of the chosen boxes, each in rising order."""
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    waiting = {one for one, hit in enumerate(chosen) if hit}
    while waiting:
        found, edge = set(), [waiting.pop()]
        while edge:
            one = edge.pop()
            found.add(one)
            near = [other for other in np.flatnonzero(_touching(corners, one)).tolist() if other in waiting]
            waiting.difference_update(near)
            edge += near
        yield tuple(sorted(found))


def _touching(corners: np.ndarray, one: int) -> np.ndarray:
    """Which of N×4 boxes lie beside box `one` or overlap it; sharing a corner is not enough."""
    side = float(min(corners[one, 2] - corners[one, 0], corners[one, 3] - corners[one, 1]))
    shared = np.minimum(corners[:, 2:], corners[one, 2:]) - np.maximum(corners[:, :2], corners[one, :2])
    return (shared.min(axis=1) >= -_GAP * side) & (shared.max(axis=1) >= _SHARED * side)
