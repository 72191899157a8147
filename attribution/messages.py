"""Sentences that know how to say themselves in the language of whoever reads them.

A `Message` is an English `str` that remembers what it was made from. Whatever compares, stores or writes it as a string has the English:
the JSON, the command line, the logs. Whatever puts it into a page (a template, `Markup.format`, an f-string) has it in the language of the
reader, which `reading_in` sets around the drawing of a page; outside of that it is English, too. So evidence is made once, and read in
every language.

    FEW = _("Only {usable} of {needed} views could be used.")
    FEW.format(usable=3, needed=8)             # a Message, too; whole numbers are written with the separators of the language
    ngettext("{count} face", "{count} faces", count).format(count=count)

`"".join`, `+` and `str()` give the English. Never put a sentence together from parts that were translated: word order differs. Fractions
are given as figures of `attribution.text.numbers`, which know how a language writes them.
"""

from __future__ import annotations

import gettext as _gettext
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from babel.numbers import format_decimal
from markupsafe import Markup, escape

LANGUAGES = {"en": "English", "fr": "Français", "es": "Español", "de": "Deutsch", "pt": "Português", "ar": "العربية"}
"""By their codes, each by the name that its speakers give it. English is what the messages are written in."""
RIGHT_TO_LEFT = frozenset({"ar"})
DATA = "data"
"""The context of sentences of cards and studies."""
CATALOGUES = Path(__file__).resolve().parent / "locales"

_language: ContextVar[str] = ContextVar("language", default="en")


def language() -> str:
    """The code of the language that is read here and now."""
    return _language.get()


@contextmanager
def reading_in(code: str) -> Iterator[None]:
    """Within it pages are drawn in that language; in English for a code that is none of LANGUAGES."""
    before = _language.set(code if code in LANGUAGES else "en")
    try:
        yield
    finally:
        _language.reset(before)


def direction() -> str:
    """`rtl` or `ltr`, as the language is written."""
    return "rtl" if language() in RIGHT_TO_LEFT else "ltr"


class Words(str):
    """English words that can say themselves in another language."""

    __slots__ = ()

    def said(self) -> str:
        """The words in the language of the reader."""
        raise NotImplementedError

    def __format__(self, spec: str) -> str:
        return format(self.said(), spec)

    def __html__(self) -> Markup:
        return escape(self.said())


class Figure(Words):
    """A value as each language writes it: `say(code of the language, value)`. `raw` is that value. `say` is a function of a module, so
    that a figure can go to another process."""

    __slots__ = ("raw", "say")
    raw: Any
    say: Callable[[str, Any], str]

    def __new__(cls, say: Callable[[str, Any], str], raw: Any) -> Figure:
        self = str.__new__(cls, say("en", raw))
        self.say, self.raw = say, raw
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Figure, (self.say, self.raw)

    def said(self) -> str:
        return self.say(language(), self.raw)


class Message(Words):
    """A sentence, or what stands in place of one, from its English form.

    Args:
        form: What translators translate, with `{names}` for values; `plural` is what it is for other counts than one, of `count` things.
        context: Tells apart messages that English says with the same words.
        values: What stands for the names: words, whole numbers, or figures. None leaves the names as they are, to be given by `format`.
        code: What programs call it, where they are told of it.
    """

    __slots__ = ("code", "context", "count", "form", "plural", "values")
    form: str
    plural: str
    count: int
    context: str
    values: Mapping[str, Any] | None
    code: str

    def __new__(
        cls, form: str, plural: str = "", count: int = 1, context: str = "", values: Mapping[str, Any] | None = None, code: str = ""
    ) -> Message:
        whole = plural if plural and count != 1 else form
        if values is not None:
            # Named again and again in one place, so that the English never holds another language.
            whole = str.format(whole, **{name: _english(name, value) for name, value in values.items()})
        self = str.__new__(cls, whole)
        self.form, self.plural, self.count, self.context, self.values, self.code = form, plural, count, context, values, code
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Message, (self.form, self.plural, self.count, self.context, self.values, self.code)

    def format(self, *none: Any, **values: Any) -> Message:  # type: ignore[override]
        """The message with these values in place of its names. Raises TypeError for a fraction: give it as a figure."""
        if none:
            raise TypeError("values of messages have names, so that translators can move them")
        return Message(self.form, self.plural, self.count, self.context, values, self.code)

    def said(self) -> str:
        translated = _translation(language())
        if self.plural:
            form = translated.npgettext(self.context, self.form, self.plural, self.count) if self.context else ""
            form = form or translated.ngettext(self.form, self.plural, self.count)
        else:
            form = translated.pgettext(self.context, self.form) if self.context else translated.gettext(self.form)
        if self.values is None:
            return form
        return form.format(**{name: _spoken(value) for name, value in self.values.items()})


def gettext(form: str) -> Message:
    """The message of that English form, which is its name in the catalogues."""
    return Message(form)


def pgettext(context: str, form: str) -> Message:
    """The same, told apart by a context from others of that form."""
    return Message(form, context=context)


def from_data(sentence: str) -> Message:
    """A sentence of a card or a study that comes with Telltale: the catalogues have them under a context of their own, so that one of
    somebody else's card never passes for one of ours."""
    return Message(sentence, context=DATA)


def ngettext(form: str, plural: str, count: int) -> Message:
    """The same of `count` things: languages have up to six forms for that."""
    return Message(form, plural, count)


_ = gettext


def said(words: str) -> str:
    """Words in the language of the reader, for what is no template: they stay as they are where they are not ours."""
    return words.said() if isinstance(words, Words) else words


def whole(number: int, code: str | None = None) -> str:
    """A whole number with the separators of the language."""
    return format_decimal(number, locale=code or language())


def _english(name: str, value: Any) -> str:
    if isinstance(value, float):
        raise TypeError(f"the value of {name} is a fraction: say it in words of attribution.text.numbers")
    return whole(value, "en") if isinstance(value, int) else str(value)


def _spoken(value: Any) -> str:
    return whole(value) if isinstance(value, int) else said(value) if isinstance(value, str) else f"{value}"


@cache
def _translation(code: str) -> _gettext.NullTranslations:
    """The catalogue of a language: read from what translators write, which takes a moment once; what is not translated stays English."""
    file = CATALOGUES / code / "LC_MESSAGES" / "telltale.po"
    if not file.is_file():
        return _gettext.NullTranslations()
    # Only whoever reads another language than English waits for this.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with file.open("rb") as lines:
        write_mo(compiled, read_po(lines, locale=code))
    compiled.seek(0)
    return _gettext.GNUTranslations(compiled)
