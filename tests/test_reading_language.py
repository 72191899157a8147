"""In which language a page is read, and what that does to its words."""

from __future__ import annotations

import asyncio
import gettext
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from markupsafe import Markup

from attribution import messages
from attribution.messages import Message, language, ngettext, pgettext, reading_in, said
from attribution.messages import gettext as _
from attribution.text.numbers import decimal, listed, measured_share, percent, seconds, whole_seconds
from attribution.web.language import asked_for, in_readers_language, preferred


class Shouting(gettext.NullTranslations):
    """A catalogue that writes in capitals, all but the names of values, and counts in three forms."""

    def gettext(self, message: str) -> str:
        first, *more = message.split("{")
        named = (part.partition("}") for part in more)
        return "{".join([first.upper(), *(f"{name}}}{rest.upper()}" for name, _, rest in named)])

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2) + ("!" if n > 2 else "")

    def pgettext(self, context: str, message: str) -> str:
        return f"{context}/{self.gettext(message)}"


@pytest.fixture
def shouting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(messages, "_translation", lambda code: Shouting() if code == "fr" else gettext.NullTranslations())
    with reading_in("fr"):
        yield


def test_a_message_is_english_where_it_is_stored_and_spoken_where_it_is_drawn(shouting: None) -> None:
    message = _("Only {usable} of {all} of {name}.").format(usable=1234, all=_("eight"), name="Ada")
    assert str(message) == message == "Only 1,234 of eight of Ada."
    assert f"{message}" == said(message) == "ONLY 1\u202f234 OF EIGHT OF Ada."
    assert Markup("<b>{}</b>").format(message) == "<b>ONLY 1\u202f234 OF EIGHT OF Ada.</b>"
    with reading_in("en"):
        assert f"{message}" == str(message)
    with reading_in("klingon"):
        assert language() == "en"


def test_names_in_messages_are_escaped_in_a_page() -> None:
    assert Markup("{}").format(_("About {name}").format(name="<script>")) == "About &lt;script&gt;"


def test_plural_forms_and_contexts_are_those_of_the_language(shouting: None) -> None:
    assert [f"{ngettext('{n} face', '{n} faces', n).format(n=n)}" for n in (1, 2, 3)] == ["1 FACE", "2 FACES", "3 FACES!"]
    assert [str(ngettext("{n} face", "{n} faces", n).format(n=n)) for n in (0, 1)] == ["0 faces", "1 face"]
    assert f"{pgettext('answer', 'High')}" == "answer/HIGH"


def test_a_message_goes_to_another_process_and_back(shouting: None) -> None:
    message = ngettext("{n} face in {share}", "{n} faces in {share}", 2).format(n=2, share=percent(0.25))
    there: Message = pickle.loads(pickle.dumps(message))
    assert (str(there), f"{there}") == (str(message), f"{message}")


def test_a_fraction_or_a_value_without_a_name_is_refused() -> None:
    with pytest.raises(TypeError, match="share is a fraction"):
        _("{share} of them").format(share=0.5)
    with pytest.raises(TypeError, match="names"):
        _("{} of them").format(1)


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("en", ["12 %", "under 1 %", "1.6 %", "−0.25", "3.4 s", "a, b and c"]),
        ("de", ["12\xa0%", "under 1\xa0%", "1,6\xa0%", "−0,25", "3,4 s", "a, b und c"]),
        ("fr", ["12\xa0%", "under 1\xa0%", "1,6\xa0%", "−0,25", "3,4 s", "a, b et c"]),
        ("pt", ["12%", "under 1%", "1,6%", "−0,25", "3,4 s", "a, b e c"]),
    ],
)
def test_figures_are_written_as_the_language_does(code: str, written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_translation", lambda _code: gettext.NullTranslations())
    figures = (percent(0.12), percent(0.001), measured_share(0.016), decimal(-0.25, 2), seconds(3.4), listed(["a", "b", "c"]))
    with reading_in(code):
        assert [f"{one}" for one in figures] == written


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("nl, de;q=0.4, pt-BR;q=0.7", "pt"),
        ("ar-EG", "ar"),
        ("nl", "en"),
        ("", "en"),
        (";;q=x,,", "en"),
    ],
)
def test_the_browser_says_which_languages_its_reader_knows(header: str, code: str) -> None:
    assert preferred(header) == code


def test_the_address_of_a_page_has_the_first_word() -> None:
    request: Any = SimpleNamespace(query_params={"lang": "es"}, headers={"accept-language": "fr"})
    assert asked_for(request) == "es"
    request.query_params = {"lang": "../../etc"}
    assert asked_for(request) == "fr"


class Page:
    sessions: Any = SimpleNamespace(of=lambda request: SimpleNamespace(language=request.session_hash))

    @in_readers_language
    def once(self, request: gr.Request) -> str:
        return language()

    @in_readers_language
    def steps(self, request: gr.Request) -> Iterator[str]:
        yield language()
        yield language()

    @in_readers_language
    async def later(self, request: gr.Request) -> str:
        return language()

    @in_readers_language
    async def later_steps(self, request: gr.Request) -> Any:
        yield language()


def test_every_kind_of_event_is_drawn_in_the_language_of_its_page() -> None:
    page, request = Page(), SimpleNamespace(session_hash="ar")
    steps = page.steps(request)  # type: ignore[arg-type]
    assert next(steps) == "ar"
    assert language() == "en", "between two steps other events run"
    assert list(steps) == ["ar"]

    async def all_of(found: Any) -> list[str]:
        return [one async for one in found]

    assert page.once(request) == asyncio.run(page.later(request)) == "ar"  # type: ignore[arg-type]
    assert asyncio.run(all_of(page.later_steps(request))) == ["ar"]  # type: ignore[arg-type]


def test_a_clock_counts_whole_seconds() -> None:
    assert [str(whole_seconds(one)) for one in (0.0, 3.97, 59.9, 65.2)] == ["0 s", "3 s", "59 s", "1:05"]


def test_a_share_that_rounds_to_nothing_has_no_sign() -> None:
    assert [str(measured_share(one)) for one in (-0.0004, 0.0004, -0.016)] == ["0 %", "0 %", "−1.6 %"]
