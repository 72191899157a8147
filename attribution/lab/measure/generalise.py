"""Does a detector hold on faces from elsewhere? AUC of untouched against manipulated faces, in-source and cross-source, for several
detectors on the same pictures.

In-source: the test faces of DFDC, per face and per clip (the mean over the clip's untouched, or its swapped, faces). Cross-source: every
collection that no training saw, its untouched faces against swaps made on them in a way that no training used (`unseen`), whole and
partial; and the lab's own forgeries on all of these collections together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.lab.data import REAL
from attribution.lab.forge.unseen import KINDS, unseen_swaps
from attribution.lab.measure import metrics
from attribution.lab.pools import FORGED, Samples

TITLE, DIFFERENCES_TITLE = "Cross-source AUC", "AUC differences"
DFDC = "DFDC test, faces"
DFDC_CLIPS = "DFDC test, clips"
PER_TARGET = 1
_OF_KIND = {"whole": "unseen swaps", "partial": "unseen partial swaps"}


@dataclass(frozen=True)
class Pictures:
    """M pictures to read, and the sets of them that an AUC is measured on.

    `crops` M×S×S×3 uint8, each encoded as JPEG like the crops of the manifest; `manipulated` M boolean; `groups` M: the clip, the person or
    the picture that a face belongs to, which a swap shares with its target; `sets`: name → indices.
    """

    crops: np.ndarray
    manipulated: np.ndarray
    groups: np.ndarray
    sets: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.crops)


def cases(test: Samples, cross: Samples, landmarks: np.ndarray, per_target: int = PER_TARGET) -> Pictures:
    """The pictures and sets of all tables here, seeded. `landmarks` are those of the manifest's crops of `cross` (5×2 px each), in the
    order of the samples. A set without untouched or without manipulated faces is left out."""
    crops: list[np.ndarray] = []
    manipulated: list[bool] = []
    groups: list[str] = []

    def add(rgb: np.ndarray, is_manipulated: bool, group: str) -> int:
        crops.append(rgb)
        manipulated.append(is_manipulated)
        groups.append(group)
        return len(crops) - 1

    sets: dict[str, list[int]] = {DFDC: []}
    for index in range(len(test)):
        if test.sources[index] == "dfdc":
            sets[DFDC].append(add(test.encoded(index), test.families[index] != REAL, test.groups[index]))
    untouched: dict[str, list[int]] = {}
    for index in range(len(cross)):
        if cross.families[index] == REAL:
            untouched.setdefault(cross.sources[index], []).append(index)
    place = {index: add(cross.encoded(index), False, cross.groups[index]) for own in untouched.values() for index in own}
    for number, (source, own) in enumerate(untouched.items()):
        made = unseen_swaps(
            [cross.picture(index) for index in own], landmarks[own], [cross.groups[index] for index in own], per_target, number
        )
        for kind in KINDS:
            swapped = [add(one.rgb, True, cross.groups[own[one.base]]) for one in made if one.kind == kind]
            sets[f"{_OF_KIND[kind]}, {source}"] = [place[index] for index in own] + swapped
    for method in FORGED:
        swapped = [add(cross.encoded(i), True, cross.groups[i]) for i in range(len(cross)) if cross.methods[i] == method]
        sets[f"{method}, other collections"] = [*place.values(), *swapped]
    truth = np.array(manipulated, bool)
    full = {name: np.array(chosen, int) for name, chosen in sets.items() if len(set(truth[chosen])) == 2}
    return Pictures(np.stack(crops), truth, np.array(groups), full)


def clip_means(p: np.ndarray, manipulated: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean `p` over the faces of each clip, its untouched and its manipulated ones apart: C means, whether they are manipulated, and
    their groups."""
    keys, place = np.unique(np.char.add(np.where(manipulated, "1", "0"), np.asarray(groups, str)), return_inverse=True)
    means = np.bincount(place, p) / np.bincount(place)
    return means, np.array([key[0] == "1" for key in keys.tolist()], bool), np.array([key[1:] for key in keys.tolist()])


def auc_tables(pictures: Pictures, p_manipulated: Mapping[str, np.ndarray], pair: tuple[str, str]) -> list[MeasuredTable]:
    """The tables "Cross-source AUC" and "AUC differences" of the detectors in `p_manipulated` (name → M probabilities, 0..1), in the order
    of `pictures.sets`; the differences are those of the `pair` (first − second), over the same resamples of the same groups. ValueError for
    probabilities that do not fit the pictures or a pair that was not read."""
    strangers = [name for name in pair if name not in p_manipulated]
    if strangers or any(np.shape(p) != (len(pictures),) for p in p_manipulated.values()):
        raise ValueError(f"nothing was read of {strangers[0]}" if strangers else "there must be one probability for each picture")
    rows, differences = [], []
    for name, chosen in pictures.sets.items():
        truth, groups = pictures.manipulated[chosen], pictures.groups[chosen]
        scores = {detector: np.asarray(p)[chosen] for detector, p in p_manipulated.items()}
        found = [_row(name, truth, groups, scores, pair)]
        if name == DFDC:
            by_clip = {detector: clip_means(p, truth, groups) for detector, p in scores.items()}
            _, clip_truth, clips = by_clip[pair[0]]
            found.append(_row(DFDC_CLIPS, clip_truth, clips, {detector: means for detector, (means, *_) in by_clip.items()}, pair))
        rows += [row for row, _ in found]
        differences += [difference for _, difference in found]
    columns = ("cases", "faces", *(column for detector in p_manipulated for column in (detector, "low", "high")))
    note = (
        "The area under the ROC curve of untouched against manipulated faces (clips: means over a clip's faces; the faces are then those "
        "means), with the 95 % bootstrap interval over clips, people or pictures. Unseen swaps: made on the untouched faces of a "
        "collection that no training saw by a warp, a colour match and a blending (Laplacian pyramid) that no training used; partial: one "
        "window of them. Other collections: the lab's own ways, on faces that no training saw."
    )
    paired = f"AUC of {pair[0]} less that of {pair[1]} on the same faces, with the 95 % interval of a paired bootstrap."
    return [
        MeasuredTable(TITLE, columns, tuple(rows), note),
        MeasuredTable(DIFFERENCES_TITLE, ("cases", "faces", "difference", "low", "high"), tuple(differences), paired),
    ]


Cells = tuple[str | float | int | None, ...]


def _row(name: str, truth: np.ndarray, groups: np.ndarray, scores: Mapping[str, np.ndarray], pair: Sequence[str]) -> tuple[Cells, Cells]:
    """The row of one set in each of the two tables."""

    def of(detector: str, drawn: np.ndarray) -> float:
        return metrics.auc(truth[drawn], scores[detector][drawn])

    each = [metrics.estimate(lambda drawn, one=one: of(one, drawn), groups) for one in scores]
    difference = metrics.estimate(lambda drawn: of(pair[0], drawn) - of(pair[1], drawn), groups)
    return (name, len(truth), *(cell for one in each for cell in one)), (name, len(truth), *difference)
