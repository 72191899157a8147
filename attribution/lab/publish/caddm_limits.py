"""The ID-unaware detector's measured limits as plain sentences, for its card. A table that is not there yet costs its own sentence only:
`lab localise` measures later than `lab caddm publish`, so whoever adds a table asks for the sentences again."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.detectors.card import MeasuredTable

_Row = dict[str, object]


def limits_of(measured: Sequence[MeasuredTable]) -> tuple[str, ...]:
    """The sentences, each with the figure that was measured."""
    tables = {table.title: _dicts(table) for table in measured}
    sentences = [
        "It looks for face swaps and pasted parts alone: wholly generated faces, lip sync and retouching pass it.",
        _accused(tables.get("Verdicts on cross", [])),
        _passed(tables.get("Verdicts on cross", [])),
        _apart(tables.get("Overall", [])),
        _hits(tables.get("Localisation", [])),
        _beside(tables.get("Second opinion, cross", [])),
        "A box shows where to look and not what was changed; on a whole swap it can do no more than cover the face.",
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _accused(rows: Sequence[_Row]) -> str:
    row = next((row for row in rows if row["source"] == "all untouched"), None)
    if row is None:
        return ""
    return (
        f"Of untouched faces from collections it was never trained on, it wrongly called {_percent(row['manipulated'])} swapped and gave "
        f"no definite answer for {_percent(row['inconclusive'])}."
    )


def _passed(rows: Sequence[_Row]) -> str:
    swaps = [row for row in rows if row["family"] == "face_swap"]
    faces = sum(_number(row["faces"]) for row in swaps)
    if not faces:
        return ""
    passed, open_, called = (
        sum(_number(row[column]) * _number(row["faces"]) for row in swaps) / faces
        for column in ("none found", "inconclusive", "manipulated")
    )
    return (
        f"Of swapped faces on such collections {_percent(passed)} were passed as 'no manipulation found', {_percent(open_)} stayed "
        f"inconclusive and {_percent(called)} were found."
    )


def _apart(rows: Sequence[_Row]) -> str:
    row = next((row for row in rows if row["split"] == "test"), None)
    if row is None or row.get("AUC") is None:
        return ""
    said = f"New DFDC faces, swapped or not, are told apart with an AUC of {_number(row['AUC']):.2f} ({row['low']} to {row['high']})"
    if row.get("plain binary AUC") is None:
        return f"{said} on single frames."
    return (
        f"{said} on single frames; a plain detector trained on the same faces for as many steps reaches "
        f"{_number(row['plain binary AUC']):.2f} ({row['plain low']} to {row['plain high']})."
    )


def _hits(rows: Sequence[_Row]) -> str:
    """Of partial swaps with a blend that training never used, or else of those with the blends that it did."""
    found = {(row["cases"], row["by"]): row for row in rows if row.get("hits") is not None}
    for cases, blend in (("partial swaps, unseen blend", "never used"), ("partial swaps", "used")):
        own = found.get((cases, "boxes"))
        if own is not None:
            centre = found.get((cases, "crop centre"))
            guess = f"; guessing the centre of the face hits {_hundred(centre['hits'])}" if centre is not None else ""
            return (
                f"Where one part of a face was swapped with a blend that training {blend}, its box hits the changed area in "
                f"{_hundred(own['hits'])}{guess}."
            )
    return ""


def _beside(rows: Sequence[_Row]) -> str:
    row = next((row for row in rows if row["source"] == "all"), None)
    if row is None:
        return ""
    return (
        f"Asked beside the default detector about {_number(row['faces']):,.0f} faces from collections that neither was trained on, "
        f"contradicting it prevented {_number(row['wrong answers prevented']):,.0f} wrong answers and cost "
        f"{_number(row['right answers lost']):,.0f} right ones."
    )


def _dicts(table: MeasuredTable) -> list[_Row]:
    """Rows by column; of columns of one name the first."""
    return [dict(reversed([*zip(table.columns, row, strict=True)])) for row in table.rows]


def _number(value: object) -> float:
    return 0.0 if value is None else float(str(value))


def _percent(share: object) -> str:
    return "none" if share is None else f"{100 * float(str(share)):.0f} %"


def _hundred(share: object) -> str:
    return f"{100 * float(str(share)):.0f} of 100"
