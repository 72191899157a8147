"""Starts app.py as a user would, for the tests and the screenshots that need a running server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 240


class Server(NamedTuple):
    address: str
    process: subprocess.Popen[str]
    temporary: Path

    def get(self, path: str = "", **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace")

    def config(self) -> dict[str, Any]:
        return json.loads(self.get("config")[1])


def start(
    detector: str, temporary: Path, program: Path = ROOT / "app.py", device: str = "cpu", flags: Sequence[str] = (), **environment: str
) -> Server:
    """Start app.py on a free port, as a user would, from a folder that is not the project's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_")}
    process = subprocess.Popen(
        [sys.executable, str(program), "--detector", detector, "--device", device, *flags],
        cwd=temporary,
        env={**clean, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline and (line := process.stdout.readline()):
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return Server(found.group() + "/", process, temporary)
    process.kill()
    process.wait()
    raise RuntimeError(f"app.py did not start: {said}")


def stop(server: Server, how: int = signal.SIGTERM) -> int:
    if server.process.poll() is None:
        server.process.send_signal(how)
    status = server.process.wait(60)
    assert server.process.stdout is not None
    server.process.stdout.close()
    return status


def ask(server: Server, file: Any, detector: Any = "default") -> dict[str, Any]:
    """The document that a program gets which speaks plain HTTP; RuntimeError when there is none."""
    event = httpx.post(server.address + "gradio_api/call/analyse", json={"data": [file, detector]}).json()["event_id"]
    *_, last = httpx.get(f"{server.address}gradio_api/call/analyse/{event}", timeout=120).text.strip().split("\n\n")
    kind, _, data = last.partition("\n")
    if kind != "event: complete":
        raise RuntimeError("the server gave no document")
    return json.loads(data.removeprefix("data: "))[0]


def upload(server: Server, file: Path) -> str:
    """POST the file as any program would; the path that the server gave it."""
    with file.open("rb") as content:
        answered = httpx.post(server.address + "gradio_api/upload", files={"files": (file.name, content)}, timeout=60)
    (path,) = answered.raise_for_status().json()
    return path
