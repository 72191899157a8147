"""`docs/json.md`, written from the dataclasses: `python -m attribution.evidence.reference > docs/json.md`."""

import ast
import inspect
import re
import sys
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from attribution.evidence import types
from attribution.evidence.checks import Box, json_fields
from attribution.evidence.document import SCHEMA, Evidence
from attribution.text.reasons import REASONS

KINDS = (
    *(Evidence, types.Media, types.DetectorInfo, types.TrackEvidence, types.Artifact, types.Opinion, types.Patches),
    *(types.Verdict, types.Moment, types.Interval, types.Placement, types.Neighbour),
)
_HEAD = f"""# The JSON: schema `{SCHEMA}`

Written by `python -m attribution.evidence.reference > docs/json.md`; a test compares it.

A document is `{{"schema": "{SCHEMA}", "files": […]}}` with one entry per input, in order. Numbers are finite. Pixels are those of the
original picture after its orientation was applied, x to the right and y down; a box is `[x0, y0, x1, y1]`; times are presentation times in
seconds; every `p_…` is a probability in [0, 1]. Fields are only ever added: a reader has to bear with ones that it does not know.

Sentences are English. Beside each that may be a reason (`reasons`, `notes`, `refused`, `overturns`) stands what it was made from,
`{{"code": "…", "figures": {{name: value}}}}` with unrounded values, or null for a sentence that comes from elsewhere; for a list a list in
the same order. [Codes](#codes) has all of them.

A file that could not be used has `{{"media": {{"name": …}}, "error": "one sentence"}}`. Every other entry has:
"""
_CODES = """Names in braces are those of the figures: words, whole numbers, probabilities in [0, 1], seconds or pixels as they were
measured. `spans` is a list of pairs of seconds, `methods` one of pairs of a name and a share."""
_CODED = ("list of objects", "object or null")
_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", Box: "box"}


def json_reference() -> str:
    """The reference of the JSON in Markdown: a table of fields with type and meaning for every kind of object."""
    parts = [_HEAD]
    for kind in KINDS:
        described = descriptions(kind)
        rows = []
        for name, annotation in json_fields(kind).items():
            rows.append(f"| `{name}` | {_type(annotation)} | {described[name]} |")
            if added := kind.coded.get(name):
                rows.append(f"| `{added}` | {_CODED[_type(annotation) == 'string']} | the [codes](#codes) of `{name}` |")
        about = "" if kind is Evidence else f"{inspect.getdoc(kind)}\n\n"
        parts.append(f"## {kind.__name__}\n\n{about}| field | type | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    rows = [f"| `{code}` | {form.plural or form.form} |" for code, form in REASONS.items()]
    parts.append(f"## Codes\n\n{_CODES}\n\n| code | sentence |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def descriptions(kind: type) -> dict[str, str]:
    """What stands below each field of a dataclass, in one line."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found = {}
    for statement, after in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[ast.unparse(statement.target)] = re.sub(r"\s+", " ", str(after.value.value))
    return found


def _type(annotation: Any, many: bool = False) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _NAMES:
        return _NAMES[annotation] + ("s" if many and annotation != Box else "es" if many else "")
    if origin is Annotated:
        return _type(arguments[0], many)
    if origin in (Union, UnionType):
        return f"{_type(arguments[0])} or null"
    if origin is tuple:
        return f"list{'s' if many else ''} of {_type(arguments[0], True)}"
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})" if annotation in KINDS else "object"


if __name__ == "__main__":
    sys.stdout.write(json_reference())
