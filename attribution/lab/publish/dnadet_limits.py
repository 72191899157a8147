"""DNA-Det's measured limits as plain sentences, for its card."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.detectors.card import MeasuredTable


def limits_of(measured: Sequence[MeasuredTable]) -> tuple[str, ...]:
    """The sentences, each with the figure that was measured."""
    tables = {table.title: table for table in measured}
    sentences = [
        "It knows wholly generated faces alone: a face swap, a reenactment or a retouched photograph passes it, and is refused.",
    ]
    both = _rows(tables["Side by side"], "rows")["closed set macro-F1"]
    own, default = float(str(both["DNA-Det"])), float(str(both["default"]))
    if own < default:
        sentences.append(
            f"On test faces of its five classes its macro-F1 is {own:.2f}, that of the default detector {default:.2f}: where the two "
            "disagree, it is the one more often wrong."
        )
    cross = _rows(tables["Verdicts on cross"], "source")["all untouched"]
    sentences.append(
        f"Of photographs from three collections it was never trained on, it wrongly called {_percent(cross['manipulated'])} generated and "
        f"gave no definite answer for {_percent(cross['inconclusive'])}."
    )
    for row in _rows(tables["Verdicts on unknown generators, test"], "source").values():
        if row["family"]:
            sentences.append(
                f"Of faces by a generator that it does not know ({row['source']}), {_percent(row['manipulated'])} were called generated, "
                f"{_percent(row['none found'])} passed as untouched and {_percent(row['inconclusive'])} stayed inconclusive."
            )
    swaps = tables.get("Verdicts on face swaps, test")
    if swaps is not None:
        row = next(iter(_rows(swaps, "source").values()))
        sentences.append(f"Asked about face swaps all the same, it would call {_percent(row['manipulated'])} of them generated.")
    robust = [row for row in _dicts(tables["Robustness, test"]) if row["value"] is not None]
    worst = min(robust, key=lambda row: float(str(row["macro-F1"])))
    whole = next(row for row in _dicts(tables["Robustness, test"]) if row["value"] is None)
    sentences.append(
        f"Its traces are fine: with {worst['change']} at {worst['value']} its macro-F1 falls from {whole['macro-F1']} to "
        f"{worst['macro-F1']}."
    )
    islands = _dicts(tables["Patch islands"])
    inside = [float(str(row["patches inside called generated"])) for row in islands]
    outside = [float(str(row["patches outside called generated"])) for row in islands]
    sentences.append(
        f"A single patch of 64 px says little: of patches inside of a pasted generated face {_percent(min(inside))} to "
        f"{_percent(max(inside))} (by generator) were called generated, and of those of the photograph around it "
        f"{_percent(min(outside))} to {_percent(max(outside))}."
    )
    sentences.append(
        "It reads the face at 224 px: in a large picture the finest traces of a generator are lost when the crop is made smaller."
    )
    return tuple(sentences)


def _dicts(table: MeasuredTable) -> list[dict[str, object]]:
    """Rows by column; of columns of one name the first."""
    return [dict(reversed([*zip(table.columns, row, strict=True)])) for row in table.rows]


def _rows(table: MeasuredTable, key: str) -> dict[str, dict[str, object]]:
    return {str(row[key]): row for row in _dicts(table)}


def _percent(share: object) -> str:
    return "none" if share is None else f"{100 * float(str(share)):.0f} %"
