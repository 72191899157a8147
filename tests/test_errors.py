"""No error grows outside of the tree, and every message in the product is one or two plain sentences."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from attribution import errors
from attribution.errors import MediaError, MissingMedia, TelltaleError

PRODUCT = Path(__file__).resolve().parent.parent / "attribution"


def tree() -> set[str]:
    return {name for name, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, TelltaleError)}


def grafted(source: str) -> list[str]:
    """Classes that derive from an error of the tree."""
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    return [node.name for node in classes if any(ast.unparse(base).rpartition(".")[2] in tree() for base in node.bases)]


def test_no_error_grows_outside_the_tree() -> None:
    assert [name for path in PRODUCT.rglob("*.py") if path.name != "errors.py" for name in grafted(path.read_text(encoding="utf-8"))] == []
    assert grafted("class A(errors.MediaError): ...\nclass B(ValueError): ...") == ["A"]


def test_an_error_is_its_sentences() -> None:
    error = MissingMedia("There is no such file.", "Check its name.")
    assert str(error) == "There is no such file. Check its name."
    assert (error.what, error.next_step) == ("There is no such file.", "Check its name.")
    assert str(MissingMedia("There is no such file.")) == "There is no such file."
    assert isinstance(error, MediaError)


def spoken(node: ast.expr) -> str | None:
    """The text of a literal or f-string, each filled-in part as `X`; None when it is only known at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)  # type: ignore[misc]
    # A message: `_("…")`, or that with its values.
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr == "format":
            return spoken(called.value)
        if isinstance(called, ast.Name) and called.id in ("_", "ngettext"):
            return spoken(node.args[0])
    return None


def complaints_about(what: str, next_step: str) -> list[str]:
    complaints = []
    for part in filter(None, (what, next_step)):
        if not re.match(r"[A-Z0-9“'\"]", part):
            complaints.append("begins in small letters")
        if not part.endswith((".", "?", "!")):
            complaints.append("does not end as a sentence")
        if len(re.findall(r"[.?!](?:\s|$)", part)) > 2:
            complaints.append("is more than two sentences")
        if re.search(r"Traceback|Exception|\\n|\n|  ", part):
            complaints.append("is not plain")
    return complaints if what else ["says nothing"]


def messages(source: str) -> list[tuple[int, str, str]]:
    """Line, `what` and `next_step` of every error that is made with literal sentences."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in tree():
            continue
        given: dict[str, ast.expr] = dict(zip(("what", "next_step"), node.args, strict=False))
        given.update({keyword.arg: keyword.value for keyword in node.keywords if keyword.arg})
        what = spoken(given["what"]) if "what" in given else ""
        next_step = spoken(given["next_step"]) if "next_step" in given else ""
        if what is not None:
            found.append((node.lineno, what, next_step or ""))
    return found


def test_every_message_in_the_product_is_plain() -> None:
    complaints = [
        f"{path.relative_to(PRODUCT)}:{line}: {complaint}: {what!r} {next_step!r}"
        for path in sorted(PRODUCT.rglob("*.py"))
        for line, what, next_step in messages(path.read_text(encoding="utf-8"))
        for complaint in complaints_about(what, next_step)
    ]
    assert complaints == []
