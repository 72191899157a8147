"""The app as a process of its own, watched from outside: how soon its first page comes, and how much memory it and its workers hold."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

from attribution.errors import LabError

ROOT = Path(__file__).resolve().parents[3]
# The page is on this machine: no proxy stands before it.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SAMPLES_A_SECOND = 5


class Server:
    """`with Server() as server:` starts `app` (our app.py) on a free port of this machine, and ends it; `flags` are more of its flags.

    `seconds_to_first_page` runs from the start of the process to the last byte of its page. LabError when it ends early or gives no page.
    """

    def __init__(self, app: Path = ROOT / "app.py", flags: tuple[str, ...] = (), patience_seconds: float = 300) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.seconds_to_first_page = 0.0
        self._app = app
        self._flags = flags
        self._patience_seconds = patience_seconds
        self._peak_bytes = 0
        self._over = threading.Event()

    def __enter__(self) -> Server:
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, str(self._app), "--port", str(self.port), *self._flags]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            command, cwd=self._app.parent, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not self._page_is_there():
            ended, waited = self._process.poll() is not None, time.perf_counter() - started
            if ended or waited > self._patience_seconds:
                self._end()
                what = "The app ended by itself." if ended else f"The app gave no page within {waited:.0f} seconds."
                raise LabError(what, "Start app.py yourself to see why.")
            time.sleep(0.05)
        self.seconds_to_first_page = time.perf_counter() - started
        # Watching costs some of the same cores: not before the start is measured. The high-water mark remembers what came before.
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._watcher.join()
        self._end()

    def peak_bytes(self) -> int | None:
        """The most memory that the server and its workers held at once: the larger of the server's own high-water mark and the sampled sum
        over all of its processes, shared pages counted once. None where the system does not say (it takes Linux's /proc)."""
        high_water = _status_kilobytes(self._process.pid, "VmHWM") * 1024
        return max(high_water, self._peak_bytes) or None

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _page_is_there(self) -> bool:
        try:
            with _DIRECT.open(self.url, timeout=30) as answer:
                return answer.status == 200 and len(answer.read()) > 0
        except (urllib.error.URLError, OSError):
            return False

    def _watch(self) -> None:
        while not self._over.wait(1 / _SAMPLES_A_SECOND):
            processes = [self._process.pid, *_descendants(self._process.pid)]
            self._peak_bytes = max(self._peak_bytes, sum(_proportional_bytes(process) for process in processes))


def resident_bytes() -> int:
    """The memory that this process holds now; 0 where the system does not say."""
    return _status_kilobytes(os.getpid(), "VmRSS") * 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _descendants(process: int) -> list[int]:
    """The children of a process and theirs, as far as they still live."""
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


def _proportional_bytes(process: int) -> int:
    """Proportional set size: a page shared by n processes counts 1/n for each. The resident size where the kernel does not give that."""
    for line in _read(Path(f"/proc/{process}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _status_kilobytes(process, "VmRSS") * 1024


def _status_kilobytes(process: int, field: str) -> int:
    for line in _read(Path(f"/proc/{process}/status")).splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
