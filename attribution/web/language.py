"""In which language a page is read, and its fixed words in it.

A page is built once, in English. When it is opened, its script asks for the reader's language: that of `?lang=` in its address, else the
one chosen in its head before, else the first of the browser's that we speak. Then, and whenever another one is chosen, the fixed parts are
drawn anew; what is drawn by events is so in the language of the session.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from babel.core import negotiate_locale
from gradio.components import Component

from attribution.messages import LANGUAGES, reading_in, said

if TYPE_CHECKING:
    from attribution.web.sessions import Sessions

_Component = TypeVar("_Component", bound=Component)
_Method = TypeVar("_Method", bound=Callable[..., Any])

ASK = "() => window.telltaleLanguage.code()"
"""The script's answer stands for the input of the event that a page begins with."""
SHOW = "() => window.telltaleLanguage.show()"
ON_CHOICE = "window.telltaleLanguage.choices(element, trigger)"
_LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def preferred(header: str) -> str:
    """The code of the first language of an `Accept-Language` header that we speak; English where there is none."""
    weighed = []
    for part in header.split(","):
        name, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.strip().replace("-", "_")))
        except ValueError:
            continue
    return negotiate_locale([name for _, name in sorted(weighed, key=lambda one: one[0])], list(LANGUAGES)) or "en"


def asked_for(request: gr.Request) -> str:
    """The language of a page of which nothing more is known: by its address, or by the browser's header."""
    asked = str(dict(getattr(request, "query_params", None) or {}).get("lang", ""))
    return asked if asked in LANGUAGES else preferred(str((getattr(request, "headers", None) or {}).get("accept-language", "")))


def in_readers_language(method: _Method) -> _Method:
    """An event's method of a class with `sessions`, run in the language of the page that asks: the argument that is a `gr.Request`."""

    def of(self: Any, given: tuple[Any, ...], named: dict[str, Any]) -> str:
        request = next((one for one in (*given, *named.values()) if hasattr(one, "session_hash")), None)
        return self.sessions.of(request).language if request is not None else "en"

    # Between two values of a generator other events run: each of its steps enters and leaves the language.
    if inspect.isasyncgenfunction(method):

        @wraps(method)
        async def steps(self: Any, *given: Any, **named: Any) -> Any:
            running, code = method(self, *given, **named), of(self, given, named)
            try:
                while True:
                    with reading_in(code):
                        step = await anext(running, _END)
                    if step is _END:
                        return
                    yield step
            finally:
                await running.aclose()

        return steps  # type: ignore[return-value]
    if inspect.isgeneratorfunction(method):

        @wraps(method)
        def stepwise(self: Any, *given: Any, **named: Any) -> Any:
            running, code = method(self, *given, **named), of(self, given, named)
            try:
                while True:
                    with reading_in(code):
                        step = next(running, _END)
                    if step is _END:
                        return
                    yield step
            finally:
                running.close()

        return stepwise  # type: ignore[return-value]
    if inspect.iscoroutinefunction(method):

        @wraps(method)
        async def later(self: Any, *given: Any, **named: Any) -> Any:
            with reading_in(of(self, given, named)):
                return await method(self, *given, **named)

        return later  # type: ignore[return-value]

    @wraps(method)
    def at_once(self: Any, *given: Any, **named: Any) -> Any:
        with reading_in(of(self, given, named)):
            return method(self, *given, **named)

    return at_once  # type: ignore[return-value]


_END: Any = object()


class Spoken:
    """The parts of one page that have words of their own: each is made in English, and drawn anew in the reader's language."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._parts: list[tuple[Any, Callable[[], Any]]] = []

    def html(self, make: Callable[[], str], **settings: Any) -> gr.HTML:
        """A piece of the page that `make` writes."""
        return self.part(gr.HTML(f"{make()}", apply_default_css=False, **settings), lambda: f"{make()}")

    def part(self, component: _Component, make: Callable[[], Any]) -> _Component:
        """Any component, and the update (`gr.update(label=said(…))`) that `make` gives for it in the reader's language."""
        self._parts.append((component, make))
        return component

    def button(self, words: str, **settings: Any) -> gr.Button:
        return self.part(gr.Button(str(words), **settings), partial(_value, words))

    def listen(self, page: gr.Blocks, header: gr.HTML) -> list[Any]:
        """Redraw when the page is opened and when a language is chosen in its `header`. Gives both events, for what else depends on the
        language. Call it when all parts are there."""
        code = gr.Textbox(visible=False)
        parts = [component for component, _ in self._parts]
        opened = page.load(self.open, code, parts, js=ASK, **_LIGHT)
        chosen = header.select(self.choose, None, parts, **_LIGHT)
        for event in (opened, chosen):
            event.then(None, None, None, js=SHOW)
        return [opened, chosen]

    def open(self, code: str | None, request: gr.Request) -> Any:
        """The page was opened in that language. Gives its parts."""
        return self._said(code, request)

    def choose(self, event: gr.SelectData, request: gr.Request) -> Any:
        """Another language was chosen. Gives the parts of the page."""
        return self._said(event.value, request)

    def _said(self, code: Any, request: gr.Request) -> Any:
        session = self.sessions.of(request)
        session.language = code if isinstance(code, str) and code in LANGUAGES else session.language
        with reading_in(session.language):
            made = [make() for _, make in self._parts]
        return made if len(made) != 1 else made[0]


def _value(words: str) -> Any:
    return gr.update(value=said(words))
