"""The server as a newcomer starts it: the page comes before the detector, nothing leaves the machine, and little is on offer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_server import ROOT, TIMEOUT_SECONDS, Server, start, stop


@pytest.fixture(scope="module")
def server(detector_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(str(detector_folder), tmp_path_factory.mktemp("server"))
    yield running
    stop(running)


def test_the_page_is_there_and_is_ours(server: Server) -> None:
    status, page = server.get()
    assert status == 200
    assert "Telltale" in page
    assert "Was this face manipulated" in page


def test_the_page_brings_no_address_of_anybody_else(server: Server) -> None:
    _, page = server.get()
    head = page.split("window.gradio_config")[0] + page.split("</script>", 2)[-1]
    linked = re.findall(r'(?:src|href)="(https?://[^"]+)"', head)
    assert linked == []
    assert server.config()["stylesheets"] == []


def test_nothing_is_recorded_and_nothing_is_reported(server: Server) -> None:
    config = server.config()
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert config["show_error"] is False
    assert config["footer_links"] == []
    assert config["max_file_size"] == 200 * 2**20 or config["max_file_size"] == 200_000_000


def test_no_event_of_the_page_is_offered_to_programs(server: Server) -> None:
    information = json.loads(server.get("gradio_api/info")[1])
    assert set(information["named_endpoints"]) == {"/analyse", "/detectors"}
    assert information["unnamed_endpoints"] == {}


def test_nothing_is_monitored(server: Server) -> None:
    assert server.get("monitoring/summary")[0] in (403, 404)


@pytest.mark.parametrize("path", ["README.md", "app.py", "attribution/errors.py", "/etc/passwd", "../../../../etc/passwd"])
def test_no_other_file_is_served(server: Server, path: str) -> None:
    target = path if path.startswith(("/", "..")) else str(ROOT / path)
    assert server.get(f"gradio_api/file={target}")[0] in (400, 403, 404)


def test_the_examples_are_served_without_telling_where_they_lie(server: Server) -> None:
    _, page = server.get()
    assert str(ROOT) not in page
    shown = re.findall(r"gradio_api/file=([^\\\"#]+)", page)
    assert shown
    assert all(server.get(f"gradio_api/file={path}")[0] == 200 for path in shown)


def test_the_temporary_folder_is_private(server: Server) -> None:
    (folder,) = server.temporary.glob("telltale-*")
    assert folder.stat().st_mode & 0o077 == 0


def test_an_upload_that_is_too_large_is_refused(server: Server) -> None:
    boundary = "x" * 20
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'.encode()
    body = head + bytes(201 * 2**20) + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        server.address + "gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )
    with pytest.raises((urllib.error.HTTPError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(request, timeout=120)
    if isinstance(refused.value, urllib.error.HTTPError):
        assert refused.value.code in (400, 413)
        refused.value.close()
    assert server.get()[0] == 200


def test_the_page_comes_before_pytorch(detector_folder: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom attribution.web.engine import Engine\nfrom attribution.web.events import Events\n"
        "from attribution.web.layout import build, examples, look\nfrom attribution.web.uploads import Uploads, private_folder\n"
        "uploads = Uploads(private_folder())\nbuild(Events(uploads, Engine(), examples(uploads)))\nlook()\n"
        "sys.exit(str([name for name in ('torch', 'timm', 'facenet_pytorch', 'cv2', 'av') if name in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    assert done.stderr.strip().splitlines()[-1:] in ([], [""]), done.stderr


def test_the_server_goes_when_told_and_takes_its_files_along(detector_folder: Path, tmp_path: Path) -> None:
    server = start(str(detector_folder), tmp_path)
    assert list(tmp_path.glob("telltale-*"))
    stop(server)
    assert list(tmp_path.glob("telltale-*")) == []


WITNESS = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        line = f"{event} {arguments[1] if event.startswith('socket.connect') else arguments[0]!r}\\n"
        os.write(os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT), line.encode())

sys.addaudithook(note)
"""


def test_the_server_calls_nobody(detector_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
    record = tmp_path / "record"
    server = start(str(detector_folder), tmp_path, PYTHONPATH=str(tmp_path), WITNESS=str(record))
    try:
        for path in ("", "config", "gradio_api/info", "theme.css"):
            server.get(path)
    finally:
        stop(server)
    called = record.read_text(encoding="utf-8").splitlines()
    assert called, "it asks itself whether it is up"
    assert [line for line in called if "127.0.0.1" not in line and "localhost" not in line] == []


def test_a_detector_that_is_not_there_still_leaves_a_page_that_says_so(tmp_path: Path) -> None:
    server = start("no such detector", tmp_path)
    try:
        assert server.get()[0] == 200
    finally:
        stop(server)


def test_unknown_flags_are_refused() -> None:
    done = subprocess.run([sys.executable, "app.py", "--share"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--share" in done.stderr
