"""A language in which every sentence of ours is said between ⟦ and ⟧: what a page says outside of them can be translated by nobody."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest

from attribution import messages

# Names, formats and units that every language writes alike.
NAMES = (
    "Telltale", "CADDM", "DNA-Det", "MobileNetV2", "Hugging Face", "Hub", "English", *(name for name in messages.LANGUAGES.values()),
    "AUC", "ECE", "EER", "SSIM", "IoU", "CSV", "JSON", "HTML", "GitHub", "MIT", "Apache-2.0", "CC0-1.0",
    "CPU", "GPU", "px", "s", "MB", "kB", "GB",
)  # fmt: skip
_SAID_ALOUD = ("aria-label", "aria-description", "aria-valuetext", "aria-roledescription", "title", "alt", "placeholder", "label")
_NOT_SAID = ("script", "style", "code", "pre")
_VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))


@contextmanager
def pseudo_language(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it pages are drawn in that language."""

    class Marked(gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return f"⟦{message}⟧"

        def pgettext(self, context: str, message: str) -> str:
            return self.gettext(message)

        def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
            return self.gettext(msgid1 if n == 1 else msgid2)

        def npgettext(self, context: str, msgid1: str, msgid2: str, n: int) -> str:
            return self.ngettext(msgid1, msgid2, n)

    with monkeypatch.context() as patched, messages.reading_in("de"):
        patched.setattr(messages, "_translation", lambda code: Marked())
        yield


def untranslated(markup: str, *names: str) -> list[str]:
    """What of a page's text, and of the attributes that are read aloud, stands outside of the marks, but for `names` and those that every
    page may use. What is marked as English is none of ours."""
    reader = _Reader((*names, *NAMES))
    reader.feed(markup)
    reader.close()
    assert reader.depth == 0, "a sentence that does not end"
    return list(dict.fromkeys(reader.found))


class _Reader(HTMLParser):
    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        words = "|".join(re.escape(name) for name in sorted(filter(None, names), key=len, reverse=True))
        self.names = re.compile(rf"(?<!\w)(?:{words})(?!\w)")
        self.depth, self.found, self.hidden, self.open = 0, [], 0, []  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        foreign = given.get("lang") == "en" or given.get("translate") == "no" or tag in _NOT_SAID
        if tag not in _VOID:
            self.open.append((tag, foreign))
            self.hidden += foreign
        if not self.hidden:
            for name in _SAID_ALOUD:
                self._hear(given.get(name) or "", 0)
            if tag == "button" or given.get("type") in ("button", "submit"):
                self._hear(given.get("value") or "", 0)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag in [name for name, _ in self.open]:
            name, foreign = self.open.pop()
            self.hidden -= foreign
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.depth = self._hear(data, self.depth)

    def _hear(self, words: str, depth: int) -> int:
        """Note what stands outside of marks, and return how many are open behind the words."""
        outside = ""
        for letter in words:
            depth += (letter == "⟦") - (letter == "⟧")
            outside += letter if depth == 0 and letter != "⟧" else " "
        if re.search(r"[^\W\d_]", self.names.sub(" ", outside)):
            self.found.append(" ".join(words.split())[:200])
        return depth
