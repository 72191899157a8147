"""The app as a process of its own, watched from outside: how soon its first page comes, how much memory it and its workers hold; and a
client that gives it files by the same requests that the page in a browser makes."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from attribution.errors import LabError

ROOT = Path(__file__).resolve().parents[3]
_SEE_WHY = "Start app.py yourself to see why."
_EXAMINE_TO_SEE = "Examine it on the page to see why."


class Server:
    """`with Server() as server:` starts `app` with `flags` on a free port, and ends it. LabError when it ends early or gives no page."""

    def __init__(self, app: Path = ROOT / "app.py", flags: tuple[str, ...] = (), patience_seconds: float = 300) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.seconds_to_first_page = 0.0
        self._app, self._flags, self._patience_seconds, self._peak_bytes = app, flags, patience_seconds, 0
        self._over = threading.Event()

    def __enter__(self) -> Server:
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, str(self._app), "--port", str(self.port), *self._flags]
        started, no = time.perf_counter(), subprocess.DEVNULL
        self._process = subprocess.Popen(command, cwd=self._app.parent, env=environment, stdout=no, stderr=no)
        while not self._page_is_there():
            ended, waited = self._process.poll() is not None, time.perf_counter() - started
            if ended or waited > self._patience_seconds:
                self._end()
                what = "The app ended by itself." if ended else f"The app gave no page within {waited:.0f} seconds."
                raise LabError(what, _SEE_WHY)
            time.sleep(0.05)
        self.seconds_to_first_page = time.perf_counter() - started
        # Watching costs some of the same cores: not before the start is measured. The high-water mark remembers what came before.
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        self._end()

    def peak_bytes(self) -> int | None:
        """The most memory that server and workers held at once (shared pages counted once); None without Linux's /proc."""
        return max(_bytes(self._process.pid, "status", "VmHWM"), self._peak_bytes) or None

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _page_is_there(self) -> bool:
        try:
            # The page is on this machine: no proxy stands before it.
            answer = httpx.get(self.url, timeout=30, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and bool(answer.content)

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            processes = [self._process.pid, *_descendants(self._process.pid)]
            # Proportional set size: of a page shared by n processes each counts 1/n. Resident size where the kernel does not give that.
            held = sum(_bytes(process, "smaps_rollup", "Pss") or _bytes(process, "status", "VmRSS") for process in processes)
            self._peak_bytes = max(self._peak_bytes, held)


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where the system does not say."""
    return _bytes(os.getpid(), "status", "VmRSS")


def _descendants(process: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # The second field is a name in brackets, which may hold anything; the parent is the second word behind it.
        words = _read(folder / "stat").rpartition(")")[2].split()
        if len(words) > 1:
            children.setdefault(int(words[1]), []).append(int(folder.name))
    found = list(children.get(process, []))
    for child in found:
        found += children.get(child, [])
    return found


def _bytes(process: int, file: str, field: str) -> int:
    """A field of a file of /proc that is given in kB; 0 where the system does not say."""
    for line in _read(Path(f"/proc/{process}/{file}")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class AppClient:
    """A client of the running app, as one open page. LabError when the app answers otherwise than it should."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=600, trust_env=False, headers={"Origin": url.rstrip("/")})
        self._session = secrets.token_hex(6)
        self._opened = 0
        self._events: list[dict[str, Any]] = self._checked(self._http.get("config")).json()["dependencies"]

    def __enter__(self) -> AppClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def examine(self, file: Path) -> None:
        """Drop `file` on the page, wait for its verdict, open the section *Where*, and wait for its heatmap."""
        with file.open("rb") as content:
            (path,) = self._checked(self._http.post("gradio_api/upload", files={"files": (file.name, content)})).json()
        upload = {"path": path, "orig_name": file.name, "size": file.stat().st_size, "meta": {"_type": "gradio.FileData"}}
        taken = next(event for event in self._events if any(target[1] == "upload" for target in event["targets"]))
        self._checked(self._http.post("gradio_api/run/predict", json=self._body(taken, [[upload]])))
        # What a script does after an upload has nothing to ask for.
        self._queued(next(one for one in self._events if one["trigger_after"] == taken["id"] and one["backend_fn"]))
        self._opened += 1
        where = next(event for event in self._events if event["api_name"] == "show_where")
        (shown,) = self._queued(where, {"index": self._opened, "value": None})["output"]["data"]
        if "tt-faithful" not in shown:
            raise LabError("The app found no face to examine in this file.", _EXAMINE_TO_SEE)

    def _queued(self, event: dict[str, Any], event_data: dict[str, Any] | None = None) -> dict[str, Any]:
        self._checked(self._http.post("gradio_api/queue/join", json=self._body(event, [], event_data)))
        with self._http.stream("GET", "gradio_api/queue/data", params={"session_hash": self._session}) as answer:
            for line in answer.iter_lines():
                message = json.loads(line[len("data: ") :]) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    if not message.get("success"):
                        break
                    return message
        raise LabError("The app failed on this file.", _EXAMINE_TO_SEE)

    def _body(self, event: dict[str, Any], data: list[Any], event_data: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"fn_index": event["id"], "data": data, "session_hash": self._session, "trigger_id": None, "event_data": event_data}

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            raise LabError(f"The app answered with status {answer.status_code}.", _SEE_WHY)
        return answer
