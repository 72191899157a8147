"""A Chromium that is installed on this machine, driven by Playwright; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Page, Request, sync_playwright

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No cookies of frames.
    "--test-third-party-cookie-phaseout",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT_MS = 120_000
# A page that is left while an answer is on its way says so in its console, after this and before the next page is there.
LEAVING = "this page is being left"
SAY_WHEN_LEAVING = f"addEventListener('beforeunload', () => console.debug('{LEAVING}'))"


def find_chromium() -> str | None:
    """The path of a Chromium: the one that CHROMIUM names, or the first that is found."""
    asked = os.environ.get("CHROMIUM")
    return asked or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Playwright starts it with a fresh profile and removes that afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """One reader's page: `errors` are those of the console and of scripts while the page was there, `strangers` the hosts that it asked for
    anything."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.errors: list[str] = []
        self.strangers: set[str] = set()
        self.page: Page = context.new_page()
        self._leaving = False
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.add_init_script(SAY_WHEN_LEAVING)
        self.page.on("framenavigated", self._arrived)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)

    def open(self) -> Reader:
        self.page.goto(self.address)
        return self.ready()

    def ready(self) -> Reader:
        """Once the page can be used."""
        self.page.wait_for_selector("#tt-drop button")
        self.page.wait_for_selector(".tt-examples button")
        return self

    def give(self, file: Path) -> Reader:
        """Upload a file and wait for what the page says of it."""
        return self.after(lambda: self.page.set_input_files("#tt-drop input[type=file]", file))

    def after(self, action: Callable[[], object]) -> Reader:
        """Do what starts an examination, and wait for its first view: a verdict, or a problem."""
        self.page.evaluate("for (const old of document.querySelectorAll('.tt-verdict, .tt-problem')) old.dataset.old = ''")
        action()
        self.page.wait_for_selector(".tt-verdict:not([data-old]), .tt-problem:not([data-old])")
        return self

    def look(self, section: str) -> Reader:
        """Open a section by its head, unless it is open, and wait for its parts."""
        head = f".tt-section[aria-controls=tt-{section}]"
        self.page.wait_for_selector(head)
        if self.page.get_attribute(head, "aria-expanded") == "false":
            self.page.click(head)
        self.page.wait_for_selector(f"#tt-{section}[data-open]:not([aria-busy]) .tt-parts")
        return self

    def _heard(self, message: ConsoleMessage) -> None:
        if message.text == LEAVING:
            self._leaving = True
        elif message.type == "error" and not self._leaving:
            self.errors.append(message.text)

    def _arrived(self, frame: Frame) -> None:
        if frame == self.page.main_frame:
            self._leaving = False

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.address).netloc:
            self.strangers.add(parts.netloc)
