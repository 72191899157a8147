"""Every sentence that readers see, collected from code, templates and data, and the catalogues of its translations brought up to date.

A catalogue has no places and no dates, and is sorted, so that a change of it shows what was translated and nothing else. What nobody says
any more goes; what is new stands there untranslated, and pages say it in English until it is translated.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract, extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from attribution.measured.study import called_now
from attribution.messages import CATALOGUES, DATA, LANGUAGES

_ROOT = Path(__file__).resolve().parents[2]
_PRODUCT = _ROOT / "attribution"
_KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
PLURALS = {
    **dict.fromkeys(("de", "es"), "nplurals=2; plural=(n != 1)"),
    **dict.fromkeys(("fr", "pt"), "nplurals=2; plural=(n > 1)"),
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 && n%100<=99 ? 4 : 5)",
}
"""As gettext writes them. The form that some languages have for millions is never needed here."""
_LABELS = ("cases", "change", "compared", "cue", "display", "group", "kind", "score", "trained", "variant")
_Sentence = tuple[str, str | tuple[str, str]]
"""A context, and what is said, or that for one thing and for several."""


def catalogue(code: str) -> Path:
    """Where the catalogue of a language lies."""
    return CATALOGUES / code / "LC_MESSAGES" / "telltale.po"


def sentences() -> Iterator[_Sentence]:
    """Everything that can be said, with its context; the training side speaks English alone."""
    for path in sorted(_PRODUCT.rglob("*.py")):
        if _PRODUCT / "lab" not in path.parents:
            yield from called_in(path)
    for path in sorted(_PRODUCT.glob("*/templates/*.html")):
        yield from called_in(path)
    # `from_data` looks these up.
    for path in sorted((_ROOT / "weights").glob("*/card.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        yield from ((DATA, limit) for limit in card["limits"])
        yield from _of_tables(card["measured"])
    for path in sorted((_PRODUCT / "measured" / "data").glob("*.json")):
        study = json.loads(called_now(path.read_text(encoding="utf-8")))
        yield from ((DATA, study[key]) for key in ("caveat",) if key in study)
        yield from _of_tables([*study.get("tables", {}).values(), *([study] if "columns" in study else [])])


def _of_tables(tables: Iterable[Any]) -> Iterator[_Sentence]:
    """Titles, heads of columns, and what is named in those columns that charts are labelled with. Notes and other cells stay as they were
    written by whoever measured."""
    for table in tables:
        labels = [at for at, column in enumerate(table["columns"]) if column in _LABELS]
        cells = (row[at] for row in table["rows"] for at in labels if isinstance(row[at], str) and row[at])
        yield from ((DATA, words) for words in (table["title"], *table["columns"], *cells))


def called_in(path: Path) -> Iterator[_Sentence]:
    """The sentences in a module or a template."""
    how: Any = extract_python if path.suffix == ".py" else babel_extract
    with path.open("rb") as lines:
        for _line, said, _comments, context in extract(how, lines, keywords=_KEYWORDS):
            yield context or "", said if isinstance(said, str) else (said[0], said[1])


def read(code: str) -> Catalog:
    """A catalogue as it is; an empty one where there is none yet."""
    path = catalogue(code)
    return _parsed(path.read_text(encoding="utf-8") if path.is_file() else _head(code), code)


def updated(code: str) -> Catalog:
    """The catalogue with every sentence and no others, each with the translation that it has had."""
    old, new = read(code), _parsed(_head(code), code)
    for context, said in sentences():
        had = old.get(said if isinstance(said, str) else said[0], context or None)
        kept = had is not None and not had.fuzzy and isinstance(had.id, str) == isinstance(said, str)
        new.add(said, had.string if had is not None and kept else "", context=context or None)
    for message in new:
        # Babel guesses them, and takes "95 % interval" for a format.
        message.flags.clear()
    return new


def written(catalogue: Catalog, code: str) -> str:
    """A catalogue as the text of its file."""
    body = io.BytesIO()
    write_po(body, catalogue, width=0, no_location=True, omit_header=True, sort_output=True)
    return f"{_head(code)}\n{body.getvalue().decode('utf-8').strip()}\n"


def update() -> None:
    """Write all catalogues anew, and tell what is left to translate."""
    for code in (one for one in LANGUAGES if one != "en"):
        new = updated(code)
        catalogue(code).parent.mkdir(parents=True, exist_ok=True)
        catalogue(code).write_text(written(new, code), encoding="utf-8")
        print(f"{code}: {len(new)} sentences, {len(missing(new))} to translate")


def missing(catalogue: Catalog) -> list[str]:
    """The English of what is not translated, in every form of its plural."""

    def whole(one: Message) -> bool:
        said = (one.string,) if isinstance(one.string, str) else one.string or ()
        return len(said) == (1 if isinstance(one.id, str) else catalogue.num_plurals) and all(said)

    return [one.id if isinstance(one.id, str) else one.id[0] for one in catalogue if one.id and not whole(one)]


def _head(code: str) -> str:
    plural = f"Plural-Forms: {PLURALS[code]};"
    lines = (f"Language: {code}", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", plural)
    return 'msgid ""\nmsgstr ""\n' + "".join(f'"{line}\\n"\n' for line in lines)


def _parsed(text: str, code: str) -> Catalog:
    return read_po(io.BytesIO(text.encode("utf-8")), locale=code)


def misplaced(catalogue: Catalog) -> list[str]:
    """Translations in which a figure is lost, invented or misspelt, or that cannot be filled in; a plural alone may leave out `count`."""
    found = []
    for one in catalogue:
        plural = not isinstance(one.id, str)
        wanted = _names(one.id if isinstance(one.id, str) else one.id[1])
        for said in filter(None, (one.string,) if isinstance(one.string, str) else one.string or ()):
            named = _names(said)
            if named is None or named | {"count"} != (wanted or set()) | {"count"} or (not plural and named != wanted):
                found.append(said)
    return found


def _names(form: str) -> set[str] | None:
    """The figures that a form names; None where it cannot be filled in."""
    try:
        return {name for _, name, _, _ in Formatter().parse(form) if name is not None}
    except ValueError:
        return None
