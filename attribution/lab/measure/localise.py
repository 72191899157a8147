"""`python -m attribution lab localise …`: how well detectors point at what was changed, measured on the same cases, into their cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.evidence import Box
from attribution.explain.artifacts import find_artifacts, localises, read_boxes
from attribution.explain.gradcam import grad_cam_of_the_package, grad_cam_through_the_head
from attribution.lab.data import REAL, read_manifest
from attribution.lab.measure.evaluate import print_table
from attribution.lab.measure.localisation import (
    BOXES,
    HEATMAP,
    SHOWN,
    Answer,
    Case,
    box_answer,
    constant_answers,
    heatmap_answer,
    localisation_cases,
    localisation_table,
)
from attribution.lab.publish.folder import write_card
from attribution.lab.publish.limits import limits_of
from attribution.models.backbones import explained
from attribution.models.caddm import WHOLE_CROP_ANCHORS
from attribution.verdict.ensemble import reads_mirrored

_BATCH = 16


def localise(folders: Sequence[Path], data: Path, work: Path) -> None:
    """Measure the detectors in `folders` on the seeded cases of the test clips and write the table into each card. LabError when there are
    no clips to make cases of, or for a detector of other crops; a detector that cannot be loaded raises DetectorError."""
    predictors = [Predictor(load_folder(folder)) for folder in folders]
    rows = read_manifest(data)
    cases, tuned = (localisation_cases(data, rows, work, split) for split in ("test", "val"))
    if not all(cases.values()) or not all(tuned.values()):
        raise LabError("There are no aligned pairs to make cases of.", "Use the labelled faces whose manifest names the pair of each swap.")
    constants = {name: constant_answers(some) for name, some in tuned.items()}
    for folder, predictor in zip(folders, predictors, strict=True):
        table = localisation_table(cases, constants, {name: answers_of(predictor, some) for name, some in cases.items()})
        print(f"\n{predictor.info.name}")
        print_table(table)
        card = with_table(predictor.card, table)
        # The sentences about a detector of face swaps name these figures; those about the others do not.
        write_card(replace(card, limits=limits_of(card.scope, card.measured)) if card.scope == "face_swap" else card, folder)


def answers_of(predictor: Predictor, cases: Sequence[Case]) -> Mapping[str, list[Answer]]:
    """What a detector answers to the cases: by its heatmaps of the likeliest manipulated label, and by its boxes where it localises."""
    side = predictor.card.crop.side_px
    if any(case.crop.shape[0] != side for case in cases):
        raise LabError(f"{predictor.info.name} reads crops of {side} px; the cases have another size.", "Leave it out.")
    quick = explained(predictor.model, predictor.detector.architecture).is_feature_map
    grad_cam = grad_cam_through_the_head if quick else grad_cam_of_the_package
    manipulated = np.array([family != REAL for family in predictor.info.families])
    found: dict[str, list[Answer]] = {HEATMAP: []}
    if localises(predictor):
        found |= {BOXES: [], SHOWN: []}
    for first in range(0, len(cases), _BATCH):
        crops = np.stack([case.crop for case in cases[first : first + _BATCH]])
        p = predictor.read(crops, mirrored=reads_mirrored(predictor, "picture")).p_methods
        likeliest = np.where(manipulated, p, -1).argmax(1)
        found[HEATMAP] += [heatmap_answer(values) for values in grad_cam(predictor, crops, likeliest.tolist())]
        if BOXES in found:
            found[BOXES] += [box_answer(box) for box in surest_boxes(predictor, crops)]
            found[SHOWN] += [box_answer(boxes[0].box if boxes else None) for boxes in find_artifacts(predictor, crops)]
    return found


def surest_boxes(predictor: Predictor, crops: np.ndarray) -> list[Box]:
    """The surest box smaller than the crop of each of N crops, in pixels, however unsure: in the pointing game everybody points."""
    confidences, boxes = read_boxes(predictor, crops)
    best = confidences[:, :-WHOLE_CROP_ANCHORS].argmax(1)
    x0, y0, x1, y1 = (boxes[torch.arange(len(best)), best] * crops.shape[1]).T.tolist()
    return list(zip(x0, y0, x1, y1, strict=True))


def with_table(card: Card, table: MeasuredTable) -> Card:
    """The card with that table in the place of the one of the same title, or at the end."""
    titles = [one.title for one in card.measured]
    if table.title not in titles:
        return replace(card, measured=(*card.measured, table))
    return replace(card, measured=tuple(table if one.title == table.title else one for one in card.measured))
