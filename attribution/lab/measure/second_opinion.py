"""What asking this detector beside the default one changes: how often it agrees, and what its contradictions prevent and cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attribution.detectors.card import MeasuredTable
from attribution.evidence import TrackEvidence
from attribution.lab.data import REAL
from attribution.lab.measure.predict import SplitPredictions
from attribution.verdict import scopes

COLUMNS = ("source", "faces", "agree", "undecided", "overturned", "wrong answers prevented", "right answers lost")
_DEFINITE = ("manipulated", "no_manipulation_found")
_NOTE = (
    "Faces about which the app asks the second detector, counted: those that the default one, with its own thresholds, calls a face swap "
    "or finds no manipulation in. Agree: both find one, or both none. Undecided: the second gives no definite answer. Overturned: they "
    "contradict each other, and the app's answer becomes inconclusive; that prevented a wrong answer or lost a right one (whether "
    "manipulated or not, whatever the method). Wholly generated faces count among those that the default detector mistook."
)


def second_opinion_table(
    split: str, faces: SplitPredictions, first: Sequence[TrackEvidence], second: Sequence[TrackEvidence], name: str, scope: str
) -> MeasuredTable:
    """`faces`, the default detector's verdicts on them (`first`) and this one's (`second`), aligned; counts per source."""
    asked = np.array([not scopes.refusal(one.verdict, name, scope) for one in first])
    states = np.array([one.verdict.state for one in first])
    answers = np.array([one.verdict.state for one in second])
    agree, contradict = asked & (answers == states), asked & np.isin(answers, _DEFINITE) & (answers != states)
    right = np.where(faces.families == REAL, states == "no_manipulation_found", states == "manipulated")
    # A method is a source of its own here: swaps of one clip collection are not its untouched frames.
    names = np.array([
        source if family == REAL or source.startswith(method) else f"{method} on {source}"
        for family, method, source in zip(faces.families.tolist(), faces.methods.tolist(), faces.sources.tolist(), strict=True)
    ])  # fmt: skip
    rows = []
    for source, mine in [(one, names == one) for one in sorted(set(names.tolist()))] + [("all", np.ones(len(names), bool))]:
        counted = (asked, agree, asked & ~agree & ~contradict, contradict, contradict & ~right, contradict & right)
        counts = [int((mine & one).sum()) for one in counted]
        if counts[0]:
            rows.append((source, *counts))
    return MeasuredTable(f"Second opinion, {split}", COLUMNS, tuple(rows), _NOTE)
