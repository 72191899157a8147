"""A detector's measured limits as plain sentences, for its card."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.detectors.card import MeasuredTable
from attribution.lab.measure.evaluate import Figures


def limits_of(test: Figures, measured: Sequence[MeasuredTable], unseen: MeasuredTable | None) -> tuple[str, ...]:
    """The sentences, each with the figure that was measured."""
    table = next(table for table in measured if table.title == "Verdicts on cross")
    overall = {str(row[1]): dict(zip(table.columns, row, strict=True)) for row in table.rows}["all untouched"]
    sentences = [
        f"Of untouched faces from three collections it was never trained on, it wrongly called {_percent(overall['manipulated'])} "
        f"manipulated and gave no definite answer for {_percent(overall['inconclusive'])}.",
        f"DFDC face swaps are told from untouched DFDC faces with an AUC of {100 * test.dfdc_auc:.0f} % on single frames: many swapped "
        "frames stay inconclusive.",
    ]
    if unseen is not None:
        pooled = {str(row[0]): dict(zip(unseen.columns, row, strict=True)) for row in unseen.rows}
        made, untouched = pooled.get("all left out, manipulated"), pooled.get("all left out, untouched")
        if made and untouched:
            sentences.append(
                f"Detectors trained for a much shorter time and without a method or a collection gave a definite answer for "
                f"{_percent(made['coverage'])} of its manipulated faces, and {_percent(made['wrong of definite'])} of those answers were "
                f"wrong; for untouched faces of left-out collections it was {_percent(untouched['coverage'])} and "
                f"{_percent(untouched['wrong of definite'])}."
            )
        worst = [row for row in (dict(zip(unseen.columns, row, strict=True)) for row in unseen.rows) if row["kind"] in ("method", "source")]
        for row in sorted(worst, key=lambda row: -float(row["none found"] or 0))[:2]:
            sentences.append(
                f"Of {row['left out']} faces, when such a training left them out, {_percent(row['none found'])} were passed as 'no "
                f"manipulation found' and {_percent(row['inconclusive'])} stayed inconclusive."
            )
    sentences += [
        "It knows no reenactment (expression transfer, lip sync): such clips may pass as 'no manipulation found'.",
        "It looks at faces only, one crop at a time; retouching, voices, backgrounds and edits outside the face are not examined.",
        "Strong compression, filters, screenshots and faces under about 90 px make it less sure.",
    ]
    return tuple(sentences)


def _percent(share: object) -> str:
    return "none" if share is None else f"{100 * float(str(share)):.0f} %"
