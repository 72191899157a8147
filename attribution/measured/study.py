"""The studies of the lab as the product reads them. Nothing in their files can raise: a broken table is left out and named."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attribution.detectors.card import MeasuredTable
from attribution.errors import TelltaleError

SCHEMA = "telltale-study/1"
ZEROSHOT_SCHEMA = "telltale-zeroshot/1"
_RESULTS = Path(__file__).resolve().parent / "data"
STUDY_FILE = _RESULTS / "study.json"
ZEROSHOT_FILE = _RESULTS / "zeroshot.json"
MOST_BYTES = 4 * 2**20
MOST_TABLES = 64
MOST_ROWS = 5_000
MOST_COLUMNS = 64
ABSENT = "The results of the study are not included in this copy of Telltale."
MOST_CAVEAT = 600
UNREADABLE = "The results of the study are there, but their file cannot be read."
OTHER_FORM = "The results of the study are there, but not in the form that this version reads."
# What has been called otherwise since it was measured: a detector that got another name, and the default of then, which has an heir.
_FIRST_DEFAULT = "the first default detector (telltale-mobilenetv2, which telltale-attribution has replaced)"
_CALLED_NOW = (
    ("telltale-caddm", "telltale-swap"),
    (r"\bthe shipped detector\b|\bthe default detector of this app\b", _FIRST_DEFAULT),
    (r"\b([Tt]he) default\b(?! threshold)", r"\1 first default"),
)


@dataclass(frozen=True)
class Study:
    """`tables` by key, to be read with `caveat`; `reason` says why there is none; `left_out` names those that were not well formed."""

    tables: Mapping[str, MeasuredTable] = field(default_factory=dict)
    reason: str = ""
    left_out: tuple[str, ...] = ()
    caveat: str = ""


def read_study(path: Path = STUDY_FILE, schema: str = SCHEMA) -> Study:
    """The study in that file, if it is of that schema, with detectors called as they are now; an empty one with its reason for a missing,
    broken or foreign file."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return Study(reason=OTHER_FORM)
        data = json.loads(called_now(path.read_bytes().decode("utf-8")))
        # An escaped half of a character passes as JSON, and breaks whatever sends it on.
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except FileNotFoundError:
        return Study(reason=ABSENT)
    except (OSError, ValueError, RecursionError):
        return Study(reason=UNREADABLE)
    if not isinstance(data, dict) or data.get("schema") != schema or not isinstance(data.get("tables"), dict):
        return Study(reason=OTHER_FORM)
    read = {key: _table(value) for key, value in list(data["tables"].items())[:MOST_TABLES]}
    tables = {key: table for key, table in read.items() if table is not None}
    caveat = data.get("caveat")
    left_out = tuple(key[:40] for key in read if key not in tables)
    return Study(tables, "" if tables else OTHER_FORM, left_out, caveat[:MOST_CAVEAT] if isinstance(caveat, str) else "")


def called_now(content: str) -> str:
    """The words of a study's file with detectors called as they are now."""
    for old, new in _CALLED_NOW:
        content = re.sub(old, new, content)
    return content


def _table(value: Any) -> MeasuredTable | None:
    """A table from plain JSON; None when a part is missing or of the wrong kind."""
    columns, rows = (value.get("columns"), value.get("rows")) if isinstance(value, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    if len(rows) > MOST_ROWS or not 0 < len(columns) <= MOST_COLUMNS:
        return None
    try:
        return MeasuredTable(value.get("title", ""), tuple(columns), tuple(map(tuple, rows)), value.get("note", ""))
    except TelltaleError:
        return None
