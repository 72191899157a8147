"""The parent's end of a decoder process: start, ask, kill. One idle decoder is kept ready, because starting one takes half a second."""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from attribution.errors import DamagedMedia, DecodeTimeout, MediaError
from attribution.media import wire
from attribution.messages import gettext as _
from attribution.pulse import beat
from attribution.text.reasons import reason

_ROOT = Path(__file__).resolve().parents[2]

# The child resolves imports exactly as its parent does, whatever its working folder and environment are.
_START = "import json,sys; sys.path[:] = json.loads(sys.argv[1]); from attribution.media.worker import main; main()"

# All that the decoder gets of the environment: where shared libraries lie. The rest, secrets included, stays here.
_HANDED_OVER = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}

_PIPE_BYTES = 2**20
_BEAT_MILLISECONDS = 200
_STOPPED_FOR_TIME = {getattr(signal, name, None) for name in ("SIGKILL", "SIGXCPU", "SIGALRM", "SIGTERM")} - {None}


class Decoder:
    """A worker process that reads one file. Not for two threads at once; `kill` may come from any."""

    def __init__(self) -> None:
        search = [entry for entry in sys.path if os.path.isabs(entry)]
        if str(_ROOT) not in search:
            search.append(str(_ROOT))
        handed = {name: os.environ[name] for name in _HANDED_OVER if name in os.environ}
        self.owner = os.getpid()
        self._timed_out = False
        # Held while the pipes are in use: closing one under a reader could give its number to another file.
        self._pipes = threading.RLock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", _START, json.dumps(search)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.abspath(os.sep),
            env={**_ENVIRONMENT, **handed},
            bufsize=0,
            pipesize=_PIPE_BYTES,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def _hears(self) -> BinaryIO:
        assert self._process.stdin
        return self._process.stdin  # type: ignore[return-value]

    @property
    def _answers(self) -> BinaryIO:
        assert self._process.stdout
        return self._process.stdout  # type: ignore[return-value]

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Kill the process when the block takes longer. Inside, a dead or misbehaving process becomes DecodeTimeout or DamagedMedia;
        after any error the process is gone."""
        timer = threading.Timer(seconds, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            with self._pipes:
                yield
        except (wire.WireError, OSError, ValueError) as error:
            # A pipe that was closed says so an instant before the process is known to have ended.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            raise self._failure() from error
        except BaseException:
            self.kill()
            raise
        finally:
            timer.cancel()

    def send(self, message: Mapping[str, Any]) -> None:
        wire.send(self._hears, message)

    def receive(self) -> dict[str, Any]:
        self._wait()
        message = wire.receive(self._answers)
        if message is None:
            raise wire.WireError("the decoder ended")
        return message

    def receive_into(self, target: memoryview) -> None:
        self._wait()
        wire.receive_into(self._answers, target)

    def kill(self) -> None:
        """End the process and reap it at once. Harmless when it has ended."""
        self._process.kill()
        self._process.wait()
        with self._pipes:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _wait(self) -> None:
        """Until there is something to read, with a pulse: it is now that the process decodes."""
        beat()
        # Windows cannot wait for a pipe in this way: there only the time limit ends it.
        if hasattr(select, "poll"):
            watch = select.poll()
            watch.register(self._answers, select.POLLIN)
            while not watch.poll(_BEAT_MILLISECONDS):
                beat()

    def _give_up(self) -> None:
        self._timed_out = True
        self._process.kill()

    def _failure(self) -> MediaError:
        code = self._process.poll()
        self.kill()
        if self._timed_out:
            return DecodeTimeout(_("Reading the file took too long and was stopped."), reason("shorten"))
        if code is not None and -code in _STOPPED_FOR_TIME:
            return DecodeTimeout(_("The decoder was stopped while it read the file."), reason("shorten"))
        if code == 1:
            what = _("The decoder could not be started or broke off.")
            return MediaError(what, _("Check that the packages av, numpy and pillow are installed."))
        return DamagedMedia(_("The decoder broke down on this file."), reason("save_copy"))


class _Nursery:
    """Keeps one idle decoder. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: Decoder | None = None

    def prepare(self) -> None:
        with self._lock:
            if self._idle is None or self._idle.owner != os.getpid() or not self._idle.alive:
                # Only a head start: should there be no room for a process now, the next file says so.
                with contextlib.suppress(OSError):
                    self._idle = Decoder()

    def take(self) -> Decoder:
        with self._lock:
            ready, self._idle = self._idle, None
        # After a fork the idle decoder belongs to the parent, and both would talk to it.
        if ready is not None and ready.owner == os.getpid():
            if ready.alive:
                return ready
            ready.kill()
        try:
            return Decoder()
        except OSError as error:
            what = _("The decoder could not be started.")
            raise MediaError(what, _("Wait until the machine has less to do and try again.")) from error

    def retire(self) -> None:
        with self._lock:
            ready, self._idle = self._idle, None
        if ready is not None and ready.owner == os.getpid():
            ready.kill()


_nursery = _Nursery()
atexit.register(_nursery.retire)


def prepare() -> None:
    """Start the idle decoder now, in the background, so that the first file need not wait for it. Returns at once."""
    _nursery.prepare()


def retire() -> None:
    """End the idle decoder. The next file starts one anew."""
    _nursery.retire()


def take() -> Decoder:
    """A decoder for one file: the idle one, or a new one. Whoever takes it kills it."""
    return _nursery.take()
