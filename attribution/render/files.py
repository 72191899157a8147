"""Several files at once: a table of them, worst first, and the same as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from attribution.evidence import Evidence, Unusable
from attribution.render.html import macros

_HTML = macros("files.html")
_GRAVITY = {"manipulated": 0, "inconclusive": 1, "no_manipulation_found": 2}
CSV_COLUMNS = ("file", "sha256", "kind", "state", "method", "family", "confidence", "faces", "reasons", "error")
# What a spreadsheet may take for a formula, and what it skips before one (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True)
class Row:
    """A file with its answer, and a small picture of it as a data URI; none where it could not be used."""

    outcome: Evidence | Unusable
    thumbnail: str = ""


def worst_first(outcomes: Sequence[Evidence | Unusable]) -> list[int]:
    """Their indices: manipulated ones, the surest first; inconclusive ones, the likeliest first; those in which none was found, the least
    sure first; and last what could not be used."""

    def place(index: int) -> tuple[int, float]:
        outcome = outcomes[index]
        if isinstance(outcome, Unusable):
            return len(_GRAVITY), 0.0
        verdict = outcome.verdict
        if verdict.state == "inconclusive":
            return _GRAVITY[verdict.state], -max((track.p_manipulated for track in outcome.tracks), default=0.0)
        confidence = verdict.confidence or 0.0
        return _GRAVITY[verdict.state], -confidence if verdict.state == "manipulated" else confidence

    return sorted(range(len(outcomes)), key=place)


def faces(evidence: Evidence) -> int:
    """How many faces were examined; none by a detector that reads whole pictures."""
    return sum(track.view == "face" for track in evidence.tracks)


def table(rows: Sequence[Row], last: int | None = None, downloads: tuple[str, str] | None = None) -> Markup:
    """The table; a row opens by its number in `rows`. `last` is the one that was open before, `downloads` the addresses of CSV and JSON."""
    order = worst_first([row.outcome for row in rows])
    shown = [(index, rows[index], faces(one) if isinstance(one := rows[index].outcome, Evidence) else None) for index in order]
    return _HTML.table(shown, last, downloads)


def bar(rows: Sequence[Row], opened: int) -> Markup:
    """Above the result of one of them: which one it is, and the way back to all."""
    order = worst_first([row.outcome for row in rows])
    return _HTML.bar(name_of(rows[opened].outcome), order.index(opened) + 1, len(rows))


def name_of(outcome: Evidence | Unusable) -> str:
    """The file's name as it was given. Untrusted."""
    return outcome.name if isinstance(outcome, Unusable) else outcome.media.name


def to_csv(outcomes: Sequence[Evidence | Unusable]) -> str:
    """The table in the words of the JSON, worst first, with a byte order mark, by which spreadsheets know UTF-8. No cell is a formula."""
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\r\n")
    lines.writerow(CSV_COLUMNS)
    for index in worst_first(outcomes):
        lines.writerow([_cell(value) for value in _line(outcomes[index])])
    return f"\ufeff{stream.getvalue()}"


def _line(outcome: Evidence | Unusable) -> tuple[str, ...]:
    if isinstance(outcome, Unusable):
        return outcome.name, *[""] * (len(CSV_COLUMNS) - 2), str(outcome.error)
    media, verdict = outcome.media, outcome.verdict
    sure = f"{verdict.confidence:.4f}" if verdict.confidence is not None else ""
    reasons = " ".join(str(one) for one in verdict.reasons)
    found = verdict.state, verdict.method or "", verdict.family or "", sure, str(faces(outcome)), reasons
    return media.name, media.sha256, media.kind, *found, ""


def _cell(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
