"""Which files a detector is measured on, and what they are: a folder with `real`, `manipulated` and sub-folders for methods, or a CSV."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attribution.detectors.here import LEAST_OF_A_KIND
from attribution.errors import NothingToMeasure, OneKindOnly, RepeatedFile, TooFewFiles
from attribution.text import measuring as text

REAL, MANIPULATED = "real", "manipulated"
_UNTOUCHED = (REAL, "untouched")
_MOST_LETTERS = 80


@dataclass(frozen=True)
class Item:
    """A file: what it is (`manipulated` or not), its group (a sub-folder, a method), its SHA-256, and what to call it."""

    path: Path
    manipulated: bool
    group: str
    sha256: str
    name: str

    @property
    def line(self) -> str:
        """As the card lists it."""
        return f"{self.sha256} {MANIPULATED if self.manipulated else REAL} {self.group}"


@dataclass
class Listing:
    """The files, each once, and how many others were `left_out`, by why."""

    items: list[Item] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def listed(source: Path) -> Listing:
    """The files of a folder or a CSV, read once for their SHA-256. Raises NothingToMeasure, OneKindOnly, TooFewFiles and RepeatedFile."""
    found = Listing()
    try:
        if not source.is_dir() and not source.is_file():
            raise NothingToMeasure(text.NO_FOLDER, text.LAYOUT)
        named = _of_folder(source, found) if source.is_dir() else _of_csv(source)
        _take(named, found)
    except (OSError, ValueError) as error:
        raise NothingToMeasure(text.NO_FOLDER, text.LAYOUT) from error
    check_counts([one.manipulated for one in found.items])
    return found


def check_counts(manipulated: Sequence[bool]) -> None:
    """Raises NothingToMeasure, OneKindOnly or TooFewFiles unless there are enough files of both kinds."""
    count = len(manipulated)
    hits = sum(manipulated)
    if not count:
        raise NothingToMeasure(text.NO_FILES, text.LAYOUT)
    if hits in (0, count):
        raise OneKindOnly((text.OTHER_KIND if hits else text.ONE_KIND).format(files=count), text.ADD_KIND.format(least=LEAST_OF_A_KIND))
    if min(hits, count - hits) < LEAST_OF_A_KIND:
        raise TooFewFiles(text.TOO_FEW.format(untouched=count - hits, manipulated=hits), text.ADD_FILES.format(least=LEAST_OF_A_KIND))


_Named = tuple[Path, bool, str, str]
"""A path, whether it is manipulated, its group, and what to call it."""


def _of_folder(source: Path, found: Listing) -> Iterator[_Named]:
    for top in sorted(source.iterdir()):
        if top.name.startswith("."):
            continue
        if not top.is_dir():
            found.left_out["loose"] += 1
            continue
        untouched = top.name.lower() in _UNTOUCHED
        for path in sorted(top.rglob("*")):
            within = path.relative_to(source)
            if not path.is_file() or any(part.startswith(".") for part in within.parts):
                continue
            # real/SOURCE/… and manipulated/METHOD/… are groups of their own; of METHOD/… the whole folder is one.
            deeper = len(within.parts) > 2 and (untouched or top.name.lower() == MANIPULATED)
            yield path, not untouched, "/".join(within.parts[: 2 if deeper else 1]), within.as_posix()


def _of_csv(source: Path) -> Iterator[_Named]:
    with source.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        if not {"path", "label"} <= set(rows.fieldnames or ()):
            raise NothingToMeasure(text.CSV_COLUMNS.format(name=source.name[:_MOST_LETTERS]), text.CSV_LOOKS)
        for number, row in enumerate(rows, start=2):
            path, label = (row["path"] or "").strip(), (row["label"] or "").strip()
            if not path or not label:
                raise NothingToMeasure(text.CSV_ROW.format(row=number, name=source.name[:_MOST_LETTERS]), text.CSV_LOOKS)
            yield source.parent / path, label.lower() not in _UNTOUCHED, (row.get("group") or "").strip() or label, path


def _take(named: Iterable[_Named], found: Listing) -> None:
    seen: dict[str, Item] = {}
    for path, manipulated, group, name in named:
        try:
            sha256 = _sha256(path)
        except OSError:
            found.left_out["unreadable"] += 1
            continue
        item = Item(path, manipulated, " ".join(group.split())[:_MOST_LETTERS], sha256, name)
        if (other := seen.get(sha256)) is None:
            seen[sha256] = item
            found.items.append(item)
        elif (other.manipulated, other.group) == (item.manipulated, item.group):
            found.left_out["repeated"] += 1
        else:
            raise RepeatedFile(text.TWICE.format(first=other.name, second=item.name), text.KEEP_ONE)


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(2**20), b""):
            found.update(piece)
    return found.hexdigest()
