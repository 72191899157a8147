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

from app_server import ROOT, Server, ask, start, stop, upload
from attribution.text import failures as failures_text
from attribution.text import limits as limits_text

LARGEST_BYTES = 10 * 10**6
# No cookies of frames.
BROWSER_FLAGS = ("--test-third-party-cookie-phaseout",)
EXAMPLE = ROOT / "examples" / "landmark_swap.png"
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox"
# What browsers answer where storage is forbidden to frames of other sites.
NO_STORAGE = """
for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
  Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });
}
Object.defineProperty(document, 'cookie', { get() { return ''; }, set() {} });
"""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def front_matter() -> dict[str, str]:
    return dict(re.findall(r"^(\w+): *(.*)$", text_of("README.md").split("---\n")[1], re.MULTILINE))


def shipped() -> list[Path]:
    """Every file of the repository, whether or not git is there."""
    hidden = {".git", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache", ".gradio"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]


def test_no_file_needs_large_file_storage() -> None:
    assert [str(path.relative_to(ROOT)) for path in shipped() if path.stat().st_size >= LARGEST_BYTES] == []


def test_the_front_matter_says_what_a_space_needs() -> None:
    settings = front_matter()
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"} <= set(settings)
    assert settings["python_version"].strip('"') in ("3.10", "3.12"), "what ZeroGPU runs"
    assert settings["suggested_hardware"] == "cpu-basic"
    assert re.fullmatch(r"\d+[mh]", settings["startup_duration_timeout"])


def test_what_a_space_brings_itself_is_not_asked_for() -> None:
    asked = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in text_of("requirements.txt").splitlines() if line and line[0] != "#"}
    assert "gradio" in asked
    assert "spaces" not in asked, "ZeroGPU installs the package in the version that fits it"


def test_the_system_packages_are_names_alone() -> None:
    """Spaces and the Dockerfile hand every word of the file to apt-get."""
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line) for line in text_of("packages.txt").splitlines())


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text_of("Dockerfile"), flags=re.MULTILINE))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines.splitlines()) if word]


def test_the_image_copies_what_is_there_and_what_the_builder_is_sent() -> None:
    copied = [source for word, rest in steps() if word == "COPY" for source in rest.split()[:-1]]
    sent = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    assert "*" in text_of(".dockerignore").splitlines()
    assert {"app.py", "attribution", "examples", "weights", "requirements.txt", "packages.txt"} <= set(copied)
    assert set(copied) == sent
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_the_image_runs_as_nobody_in_particular_and_fetches_no_weights() -> None:
    words = [word for word, _ in steps()]
    told = dict(steps())
    assert told["FROM"].startswith("python:3.12-slim")
    assert told["USER"] not in ("root", "0")
    assert "COPY" not in words[words.index("USER") :], "the code is not its user's"
    assert told["EXPOSE"] == "7860"
    assert "HF_HOME=/cache" in told["ENV"]
    assert told["VOLUME"] == "/cache"
    assert "HEALTHCHECK" in told
    assert not re.search(r"hf_hub_download|snapshot_download|hf download|huggingface-cli", text_of("Dockerfile"))


@pytest.fixture(scope="module")
def server(detector_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on the poorest host: no Hub, no GPU, a cache that is not there and cannot be made, and a port that the host chose."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    (home / "file").write_text("", encoding="utf-8")
    poor: dict[str, Any] = {
        "HF_HOME": str(home / "file" / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "CUDA_VISIBLE_DEVICES": "",
    }
    gradio: dict[str, Any] = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    running = start(str(detector_folder), tmp_path_factory.mktemp("server"), device="auto", **poor, **gradio)
    assert running.address == f"http://127.0.0.1:{port}/"
    yield running
    stop(running)


def test_a_host_without_hub_gpu_and_cache_examines(server: Server) -> None:
    (entry,) = ask(server, upload(server, EXAMPLE))["files"]
    assert entry["settings"]["device"] == "cpu"
    assert entry["tracks"]


def test_the_health_check_of_the_image_finds_the_app(server: Server) -> None:
    (path,) = re.findall(r"http://127\.0\.0\.1:7860/([\w/-]+)", text_of("Dockerfile"))
    assert server.get(path)[0] == 200


@pytest.fixture(scope="module")
def frame(server: Server) -> Iterator[str]:
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


def test_the_app_works_in_a_frame_of_another_site(browser: Any, frame: str, server: Server) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    errors: list[str] = []
    try:
        context.add_init_script(NO_STORAGE)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.goto(frame)
        inside = page.frame_locator("iframe")
        inside.locator(".tt-examples button").first.click()
        inside.locator(".tt-verdict").wait_for()
        inside.locator(".tt-faithful").wait_for()
        inside.locator("#tt-map .js-plotly-plot .points").first.wait_for()
        inside.locator(".tt-mode").first.click()
        for path, words in ((limits_text.PATH, limits_text.PAGE), (failures_text.PATH, failures_text.PAGE)):
            with page.expect_popup() as opened:
                inside.locator(f'.tt-header a[href="./{path}"]').first.click()
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
