"""The tables that the lab measures: their words are in tables.json, their rows come from the lab's modules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from attribution.detectors.card import Cell, MeasuredTable

Row = tuple[Cell, ...]


@cache
def _words() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("tables.json").read_text(encoding="utf-8"))


def table(key: str, rows: Iterable[Row], more_columns: Iterable[str] = (), **words: object) -> MeasuredTable:
    """The table `key` of tables.json with these rows; `words` fill the places in its title and note."""
    found = _words()[key]
    title, note = (found.get(part, "").format(**words) for part in ("title", "note"))
    return MeasuredTable(title, (*found["columns"], *more_columns), tuple(rows), note)


def print_table(table: MeasuredTable) -> None:
    """The table on standard output, in aligned columns."""
    cells = [table.columns, *(tuple("" if cell is None else str(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.columns))]
    print(f"\n{table.title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
