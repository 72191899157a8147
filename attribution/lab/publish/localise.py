"""`lab localise`: where finished detectors point, measured on known areas and written into their cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.loading import load_folder
from attribution.detectors.predictor import Predictor
from attribution.errors import LabError
from attribution.lab.data import read_manifest
from attribution.lab.measure.localisation import answers_of, constant_answers, localisation_cases, localisation_table
from attribution.lab.publish.folder import write_card
from attribution.lab.publish.limits import limits_of
from attribution.lab.tables import print_table


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


def with_table(card: Card, table: MeasuredTable) -> Card:
    """The card with that table in the place of the one of the same title, or at the end."""
    titles = [one.title for one in card.measured]
    if table.title not in titles:
        return replace(card, measured=(*card.measured, table))
    return replace(card, measured=tuple(table if one.title == table.title else one for one in card.measured))
