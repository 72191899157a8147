"""What Telltale said of the cases, by kind, from the JSON that `analyse --json` wrote, be it of this version or of another."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attribution.errors import LabError
from attribution.lab.cases.suite import ALLOWED, KINDS, MANIFEST
from attribution.lab.data import written_whole

RESULTS = Path(__file__).with_name("results.json")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "cases.md"
# A row of the results: a case, and under the name of each run its answer.
Row = Mapping[str, Any]
UNUSABLE = "unusable"
_KEPT = ("file", "kind", "shows", "allowed", "like")
_MAKE = "python -m attribution lab cases make --data FACES MORE --out CASES"
_OPENING = """# Files with known right answers

Made by `python -m attribution lab cases` (seed {seed}; {faces}), which writes this page from
`attribution/lab/cases/results.json`. Each cell is {runs}.

```bash
.venv/bin/{make}
.venv/bin/python -m attribution analyse CASES/files/* --json AFTER.json
.venv/bin/python -m attribution lab cases table CASES before=BEFORE.json after=AFTER.json --write
```

*Face found*: files in which one was examined. *Accused*: files without a manipulated face that were called manipulated. *Cleared*: files
with a swapped face in which no manipulation was found. *Definite*: answers other than inconclusive. *Right*: inconclusive where there is no
face, not accused where people are untouched, not cleared where a face is swapped, and for a turned file the answer on the upright one. A
file that could not be used is neither definite nor right. The second table tells what each kind is; every swapped face of them is one of a
few pairs that both default detectors told apart well as plain crops, so that what becomes of it is the doing of the file.

"""


def collect(folder: Path, runs: Sequence[tuple[str, str | Path]]) -> dict[str, Any]:
    """The manifest's cases with what each run says of them, in one JSON or in several of the same name. LabError for a run that lacks one
    of them or is of other files."""
    manifest = _json(folder / MANIFEST)
    rows: list[dict[str, Any]] = [{key: case[key] for key in _KEPT} for case in manifest["cases"]]
    detectors: dict[str, str] = {}
    for run in dict.fromkeys(name for name, _ in runs):
        found = [entry for name, path in runs if name == run for entry in _json(Path(path))["files"]]
        entries = {entry["media"]["name"]: entry for entry in found}
        for case, row in zip(manifest["cases"], rows, strict=True):
            entry = entries.get(case["file"])
            if entry is None or entry["media"].get("sha256", case["sha256"]) != case["sha256"]:
                raise LabError(f"The run {run} does not tell of {case['file']} as it is in {folder.name}.", "Examine the files again.")
            unusable = "error" in entry
            row[run] = {"state": UNUSABLE if unusable else entry["verdict"]["state"], "faces": 0 if unusable else len(entry["tracks"])}
            if not unusable:
                detectors[run] = f"{entry['detector']['name']} {entry['detector']['weights_sha256'][:8]}"
    return {"seed": manifest["seed"], "labelled_faces": manifest["labelled_faces"], "runs": detectors, "cases": rows}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        step = "Name the folder of `lab cases make` and files that `analyse --json` wrote."
        raise LabError(f"{path.name} cannot be read.", step) from error


def is_accused(row: Row, run: str) -> bool:
    """Whether a file without a manipulated face was called manipulated."""
    return row["shows"] != "swapped" and row[run]["state"] == "manipulated"


def is_cleared(row: Row, run: str) -> bool:
    """Whether in a file with a swapped face no manipulation was found."""
    return row["shows"] == "swapped" and row[run]["state"] == "no_manipulation_found"


def is_right(row: Row, run: str, by_file: Mapping[str, Row]) -> bool:
    """Whether the answer is among the allowed ones and, where the file is another one turned, that on the other one."""
    state, faces = row[run]["state"], row[run]["faces"]
    other = by_file[row["like"]][run] if row["like"] else row[run]
    return state in row["allowed"] and state == other["state"] and (faces > 0) == (other["faces"] > 0)


def markdown(results: Mapping[str, Any]) -> str:
    """docs/cases.md."""
    rows, runs = results["cases"], list(results["runs"])
    by_file = {row["file"]: row for row in rows}
    columns: dict[str, Callable[[Row, str], bool]] = {
        "face found": lambda row, run: row[run]["faces"] > 0,
        "accused": is_accused,
        "cleared": is_cleared,
        "definite": lambda row, run: row[run]["state"] in ("manipulated", "no_manipulation_found"),
        "right": lambda row, run: is_right(row, run, by_file),
    }

    def line(title: str, own: Sequence[Row]) -> Iterable[str]:
        shows = {row["shows"] for row in own}
        yield from (title, str(len(own)))
        for column, holds in columns.items():
            without = {"accused": {"swapped"}, "cleared": {"no face", "untouched"}}.get(column, set())
            yield "–" if shows <= without else " → ".join(str(sum(holds(row, run) for row in own)) for run in runs)

    lines = []
    for shows in ALLOWED:
        own = [row for row in rows if row["shows"] == shows]
        for name in dict.fromkeys(row["kind"] for row in own):
            lines.append(line(f"{name} ({shows})", [row for row in own if row["kind"] == name]))
        lines.append(line(f"**all: {shows}**", own))
    lines.append(line("**all**", rows))
    told = ((kind.name, kind.shows, (kind.make.__doc__ or "").replace("\n    ", " ")) for kind in KINDS)
    opening = _OPENING.format(
        seed=results["seed"], make=_MAKE,
        faces="with the labelled faces" if results["labelled_faces"] else "with the two portraits alone",
        runs=" → ".join(f"{name} ({detector})" for name, detector in results["runs"].items()),
    )  # fmt: skip
    return opening + _table(("kind", "files", *columns), lines) + "\n" + _table(("kind", "shows", "what it is"), told)


def _table(head: Sequence[str], lines: Iterable[Iterable[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *lines))


def table(args: Namespace) -> None:
    """`lab cases table`: print the summary of some runs and, if asked to, write the results and the page."""
    results = collect(args.folder, args.runs)
    print(markdown(results))
    by_file = {row["file"]: row for row in results["cases"]}
    for name in results["runs"]:
        wrong = [f"{row['file']} ({row[name]['state']})" for row in results["cases"] if not is_right(row, name, by_file)]
        print(f"not right, {name}: {', '.join(wrong) or 'none'}")
    if args.write:
        cases = ",\n".join(f"  {json.dumps(row)}" for row in results["cases"])
        head = json.dumps({**results, "cases": []}, indent=1).removesuffix("[]\n}")
        for path, text in ((RESULTS, f"{head}[\n{cases}\n ]\n}}\n"), (DOCUMENT, markdown(results))):
            with written_whole(path) as file:
                file.write_text(text, encoding="utf-8")
