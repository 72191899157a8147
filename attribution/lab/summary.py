"""The README's section on measured limits, written from a detector's card and the benchmark's results, so that they cannot differ."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from attribution.card import CARD_FILE, Card, MeasuredTable
from attribution.errors import LabError
from attribution.lab.zeroshot import readme as zeroshot
from attribution.study import STUDY_FILE, ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study
from attribution.views.claim import claim, own_and_plain
from attribution.views.measures import Estimate, Row
from attribution.weights import DEFAULT_DETECTOR, EMBEDDED_FOLDER

_WIDTH = 140
_SECOND = ("faces", "agree", "undecided", "overturned", "wrong answers prevented", "right answers lost")
START, END = "<!-- measured -->", "<!-- /measured -->"
DNA_DET_DETECTOR = "telltale-dna-det"
CADDM_DETECTOR = "telltale-caddm"
BENCHMARK = Path(__file__).with_name("results") / "benchmark.json"


def read_card(name: str = DEFAULT_DETECTOR) -> Card:
    """The card of an embedded detector."""
    return Card.from_json(json.loads((EMBEDDED_FOLDER / name / CARD_FILE).read_text(encoding="utf-8")))


def summary(card: Card, benchmark: dict, study: dict) -> str:
    """Markdown: overall figures, what the verdicts say on sources never trained on, what the study found, and speed."""
    overall = _dicts(card, "Overall")[-1]
    first, second = [index for index, name in enumerate(_table(card, "Overall").columns) if name == "from"]
    row = _table(card, "Overall").rows[-1]
    lines = [
        f"**`{card.name}`** (embedded, the default; {card.licence}). Measured on the weights as shipped, single faces:",
        "",
        "| on `test` faces (same collections, other people) | measured | 95 % interval |",
        "|---|---|---|",
        f"| right family, balanced over the four families | {overall['families, balanced']} | {row[first]}–{row[first + 1]} |",
        f"| DFDC: untouched against swapped, AUC | {overall['DFDC AUC']} | {row[second]}–{row[second + 1]} |",
        f"| calibration error (ECE) of the method, before → after calibration | {overall['ECE before']} → {overall['ECE after']} | |",
        "",
        "What the whole verdict says of collections that it **never trained on** (`cross`), as shares of faces; the landmark swaps,",
        "self-blends and auto-encoder faces are our own forgeries on those collections:",
        "",
        "| collection | faces | manipulated | none found | inconclusive | wrong of definite answers |",
        "|---|---|---|---|---|---|",
    ]
    for cells in _dicts(card, "Verdicts on cross"):
        name = f"{cells['family']}: {cells['source']}".removeprefix(": ").replace("real: ", "untouched: ")
        shares = " | ".join(_percent(cells[key]) for key in ("manipulated", "none found", "inconclusive", "wrong of definite"))
        lines.append(f"| {name} | {cells['faces']} | {shares} |")
    lines += [
        "",
        *_studied(card, study),
        "",
        "The page **Measured limits** in the app draws all of this, per source, with intervals, and the study behind it: train × test, the",
        "three questions, unknown methods, calibration, what abstention buys, errors by lightness and size, what was tried.",
        f"[The model card](weights/{card.name}/README.md) has every source, the confusion of methods, and how it was trained.",
        "",
        f"Speed, medians of warm runs ({benchmark['machine']['system']}, `python -m attribution lab benchmark`):",
        "",
        "| figure | measured |",
        "|---|---|",
        *(f"| {one['name']} | {one['value']:.2f} {one['unit']} |" for one in benchmark["figures"]),
    ]
    return "\n".join(lines)


def _studied(card: Card, study: dict) -> list[str]:
    """What abstention buys, and what becomes of what training never saw."""
    abstained = next(row for row in _dicts(card, "Abstention") if row["split"] == "test")
    lines = [
        "Answering only where it is most certain (the threshold that answers 80 % of `val`) it answers",
        f"{_percent(abstained['coverage'])} of the `test` faces, with a balanced accuracy of {abstained['balanced accuracy']}.",
        "",
        "Detectors trained in the same way, but for a shorter time and without some sources and methods, on just those",
        f"(`python -m attribution lab study`; {len(study['plan']['runs'])} trainings):",
        "",
        "| left out of training | faces | manipulated | none found | inconclusive | wrong of definite answers |",
        "|---|---|---|---|---|---|",
    ]
    table = study["tables"]["leave_out"]
    for row in table["rows"]:
        cells = dict(zip(table["columns"], row, strict=True))
        if cells["kind"] in ("method", "pooled") or str(cells["left out"]).startswith("dfdc"):
            shares = " | ".join(_percent(cells[key]) for key in ("manipulated", "none found", "inconclusive", "wrong of definite"))
            lines.append(f"| {cells['left out']} | {cells['faces']} | {shares} |")
    return lines


def generators(card: Card) -> list[str]:
    """What is measured of the detector beside the default one."""
    lines = [
        "",
        f"**`{card.name}`** (embedded, beside the default; {card.licence}) is DNA-Det: it attributes *wholly generated* faces to the",
        "architecture of their generator, and is asked when the default detector says that a face is wholly generated. Measured on the",
        "weights as shipped, the likeliest answer before any abstention:",
        "",
        "| figure | faces | DNA-Det | 95 % interval | default detector |",
        "|---|---|---|---|---|",
    ]
    for name, faces, own, low, high, default, *_ in _table(card, "Side by side").rows:
        lines.append(f"| {name} | {faces} | {own} | {low}–{high} | {default} |")
    lines += [
        "",
        f"[Its model card](weights/{card.name}/README.md) has the ablation, the robustness under compression, blur, resizing and",
        "noise, unknown generators, and the islands that its patch view shows.",
    ]
    return lines


def swaps(card: Card) -> list[str]:
    """What is measured of the detector that says where; a table that is not there costs its own lines only."""
    return [
        "",
        f"**`{card.name}`** (embedded, beside the default; {card.licence}) is the ID-unaware detector: it looks for *face swaps and",
        "pasted parts*, says where by boxes, and is asked when the default detector calls a face a face swap or finds no manipulation.",
        "Measured on the weights as shipped:",
        "",
        "| figure | faces | measured | 95 % interval | to compare with |",
        "|---|---|---|---|---|",
        *_told_apart(card),
        *_pointed(card),
        *_identified(card),
        "",
        *textwrap.wrap(claim(card).sentence, _WIDTH),
        "",
        *_second(card),
        f"[Its model card](weights/{card.name}/README.md) has every source, its heatmaps, the boxes by confidence, what was mended of the",
        "released code, and how it was trained.",
    ]


def _told_apart(card: Card) -> list[str]:
    rows = [row for row in _rows(card, "Overall") if row.text("split") == "test"]
    lines = []
    for row in rows:
        plain = row.between("plain binary AUC", "plain low", "plain high")
        beside = f"plain detector {_interval(plain)}" if plain is not None else ""
        for name, one in (
            ("DFDC: untouched against swapped, AUC of single faces", row.between("AUC", "low", "high")),
            ("the same of whole clips", row.between("clips AUC", "clips low", "clips high")),
        ):
            if one is not None:
                lines.append(f"| {name} | {row.count('faces')} | {one.value} | {one.low}–{one.high} | {beside} |")
            beside = ""
    return lines


def _pointed(card: Card) -> list[str]:
    rows = {(row.text("cases"), row.text("by")): row for row in _rows(card, "Localisation")}
    lines = []
    for (cases, by), row in rows.items():
        if by != "boxes":
            continue
        for name, column, beside in (
            ("box hits the area", "hits", "crop centre"),
            ("overlap of the box (IoU)", "IoU", "best constant box"),
        ):
            one, guess = row.between(column, f"{column} low", f"{column} high"), rows.get((cases, beside))
            other = guess.between(column, f"{column} low", f"{column} high") if guess is not None else None
            if one is not None:
                rival = f"{beside} {_interval(other)}" if other is not None else ""
                lines.append(f"| {cases}: {name} | {row.count('faces')} | {one.value} | {one.low}–{one.high} | {rival} |")
    return lines


def _identified(card: Card) -> list[str]:
    own, plain = own_and_plain(card)
    if own is None:
        return []
    one = own.accuracy
    beside = [f"plain detector {_interval(plain.accuracy)}"] if plain is not None else []
    beside += [f"chance {own.chance}"] if own.chance is not None else []
    name = f"a linear probe names the right one of {own.persons} persons from its features"
    return [f"| {name} | {own.pictures} | {one.value} | {one.low}–{one.high} | {'; '.join(beside)} |"]


def _second(card: Card) -> list[str]:
    """What its contradictions do, as counts of faces."""
    lines = []
    for split, name in (("test", "`test` faces"), ("cross", "faces from collections that neither saw (`cross`)")):
        row = next((row for row in _rows(card, f"Second opinion, {split}") if row.text("source") == "all"), None)
        if row is not None:
            asked, agree, undecided, overturned, prevented, lost = (row.count(column) for column in _SECOND)
            said = (
                f"Asked about {asked} {name}, it agreed with the default detector on {agree}, gave no definite answer on {undecided} and "
                f"contradicted it on {overturned}, which makes the answer inconclusive: {prevented} wrong answers were prevented by that "
                f"and {lost} right ones lost."
            )
            lines += [*textwrap.wrap(said, _WIDTH), ""]
    return lines


def _rows(card: Card, title: str) -> list[Row]:
    """The rows of a table; none where the card has no such table."""
    return [Row(table.columns, cells) for table in card.measured if table.title == title for cells in table.rows]


def _interval(one: Estimate) -> str:
    return f"{one.value} ({one.low}–{one.high})"


def write_readme(path: Path) -> None:
    """Put the summary between the README's marks; LabError when they are not there."""
    text = path.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise LabError("The README has no place for the measured limits.", f"Put {START} and {END} where they belong.")
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    benchmark = json.loads(BENCHMARK.read_text(encoding="utf-8"))
    study = json.loads(STUDY_FILE.read_text(encoding="utf-8"))
    parts = [summary(read_card(), benchmark, study), *generators(read_card(DNA_DET_DETECTOR))]
    if (EMBEDDED_FOLDER / CADDM_DETECTOR / CARD_FILE).is_file():
        parts += swaps(read_card(CADDM_DETECTOR))
    parts += zeroshot.lines(read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA))
    measured = "\n".join(parts)
    path.write_text(f"{head}{START}\n\n{measured}\n\n{END}{tail}", encoding="utf-8")


def _table(card: Card, title: str) -> MeasuredTable:
    return next(table for table in card.measured if table.title == title)


def _dicts(card: Card, title: str) -> list[dict]:
    table = _table(card, title)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
