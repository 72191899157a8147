"""What a host asks of the app: the limits and the files of a Space, a frame on somebody else's page, no network, folders that cannot be
written, and an image that runs as nobody in particular."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app_server import ROOT, ask, start, stop, upload
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text

EXAMPLE = ROOT / "examples" / "mouth_swap.jpg"
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox"
# What browsers answer where storage is forbidden to frames of other sites.
NO_STORAGE = """
for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
  Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });
}
Object.defineProperty(document, 'cookie', { get() { return ''; }, set() {} });
"""
# Notes whom a Python process calls.
WITNESS = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        line = f"{event} {arguments[1] if event.startswith('socket.connect') else arguments[0]!r}\\n"
        os.write(os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT), line.encode())

sys.addaudithook(note)
"""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_no_file_needs_large_file_storage() -> None:
    hidden = {".git", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache", ".gradio"}
    files = [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]
    assert [path for path in files if path.stat().st_size >= 10 * 10**6] == []


def test_the_front_matter_says_what_a_space_needs() -> None:
    settings = dict(re.findall(r"^(\w+): *(.*)$", text_of("README.md").split("---\n")[1], re.MULTILINE))
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"} <= set(settings)
    assert settings["python_version"].strip('"') in ("3.10", "3.12"), "what ZeroGPU runs"
    assert settings["suggested_hardware"] == "cpu-basic"
    assert re.fullmatch(r"\d+[mh]", settings["startup_duration_timeout"])
    asked = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in text_of("requirements.txt").splitlines() if line and line[0] != "#"}
    assert "gradio" in asked
    assert "spaces" not in asked, "ZeroGPU installs the package in the version that fits it"
    # Spaces and the Dockerfile hand every word of the file to apt-get.
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line) for line in text_of("packages.txt").splitlines())


def test_the_image_copies_what_is_there_fetches_no_weights_and_runs_as_nobody_in_particular() -> None:
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text_of("Dockerfile"), flags=re.MULTILINE)).splitlines()
    steps = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]
    copied = [source for word, rest in steps if word == "COPY" for source in rest.split()[:-1]]
    sent = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    assert "*" in text_of(".dockerignore").splitlines()
    assert {"app.py", "attribution", "examples", "weights", "requirements.txt", "packages.txt"} <= set(copied)
    assert set(copied) == sent
    assert [source for source in copied if not (ROOT / source).exists()] == []
    words, told = [word for word, _ in steps], dict(steps)
    assert told["FROM"].startswith("python:3.12-slim")
    assert told["USER"] not in ("root", "0")
    assert "COPY" not in words[words.index("USER") :], "the code is not its user's"
    assert told["EXPOSE"] == "7860"
    assert "HF_HOME=/cache" in told["ENV"]
    assert told["VOLUME"] == "/cache"
    assert not re.search(r"hf_hub_download|snapshot_download|hf download|huggingface-cli", text_of("Dockerfile"))


def test_a_host_without_hub_gpu_and_cache_examines_calls_nobody_and_takes_its_files_along(detector_folder: Path, tmp_path: Path) -> None:
    """A cache that is not there and cannot be made, and a port that the host chose."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
    record = tmp_path / "record"
    poor: dict[str, Any] = {
        "HF_HOME": str(tmp_path / "file" / "cache"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "CUDA_VISIBLE_DEVICES": "",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "PYTHONPATH": str(tmp_path),
        "WITNESS": str(record),
    }
    server = start(str(detector_folder), tmp_path, device="auto", **poor)
    try:
        assert server.address == f"http://127.0.0.1:{port}/"
        (entry,) = ask(server, upload(server, EXAMPLE))["files"]
        assert entry["settings"]["device"] == "cpu"
        assert entry["tracks"]
        (health,) = re.findall(r"http://127\.0\.0\.1:7860/([\w/-]+)", text_of("Dockerfile"))
        assert server.get(health)[0] == 200
        for path in ("", "config", "gradio_api/info", "theme.css"):
            server.get(path)
        assert list(tmp_path.glob("telltale-*"))
    finally:
        stop(server)
    assert list(tmp_path.glob("telltale-*")) == []
    called = record.read_text(encoding="utf-8").splitlines()
    assert called, "it asks itself whether it is up"
    assert [line for line in called if "127.0.0.1" not in line and "localhost" not in line] == []
    assert not any("127.0.0.1', 9)" in line for line in called), "not even the Hub"


@pytest.fixture
def frame(server: Any) -> Iterator[str]:
    """The address of somebody else's page that shows the app in a frame: another name of this machine is another site for browsers."""
    page = f'<!doctype html><title>Elsewhere</title><iframe src="{server.address}" sandbox="{SANDBOX}" width="1280" height="3000"></iframe>'

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode() if self.path == "/" else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://localhost:{listening.server_port}/"
    listening.shutdown()
    listening.server_close()


def test_the_app_works_in_a_frame_of_another_site(browser: Any, frame: str, server: Any) -> None:
    from browser import TIMEOUT_MS

    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    errors: list[str] = []
    try:
        context.add_init_script(NO_STORAGE)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.goto(frame)
        inside = page.frame_locator("iframe")
        inside.locator(".tt-examples button").first.click()
        inside.locator(".tt-section[aria-controls=tt-where]").click()
        inside.locator(".tt-faithful").wait_for()
        inside.locator(".tt-section[aria-controls=tt-method]").click()
        inside.locator("#tt-method .js-plotly-plot .points").first.wait_for()
        inside.locator(".tt-section[aria-controls=tt-records]").click()
        inside.locator(".tt-mode").first.click()
        for path, words in ((limits_text.PATH, limits_text.PAGE), (failures_text.PATH, failures_text.PAGE)):
            with page.expect_popup() as opened:
                inside.locator(f'.tt-header a[href^="./{path}"]').first.click()
            opened.value.get_by_role("heading", name=words, level=1).wait_for()
            assert opened.value.url.startswith(f"{server.address}{path}")
            opened.value.close()
        with page.expect_download() as saved:
            inside.locator(".tt-downloads a").first.click()
        assert saved.value.suggested_filename.startswith("telltale-")
        assert page.url == frame, "nothing leaves the frame"
        assert errors == []
        assert [cookie for cookie in context.cookies() if cookie["domain"] == "localhost"] == []
    finally:
        context.close()
