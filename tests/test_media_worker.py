"""The decoder's process: confined, killable, dying with its parent, and never believed."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribution.errors import DamagedMedia, DecodeTimeout, MediaError
from attribution.media import MediaLimits, decoder, open_media, prepare, retire
from attribution.pulse import within_pulse
from make_media import number_of, numbered, write_clip, write_picture

ROOT = Path(__file__).resolve().parents[1]
FILTERED = sys.platform == "linux" and platform.machine() == "x86_64"
needs_filter = pytest.mark.skipif(not FILTERED, reason="the filter of system calls exists on x86-64 Linux only")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="this system has no /proc to look at the process with")
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="this system has no POSIX signals")


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    yield
    retire()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "a.mp4", 10, (160, 96))


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(holds: object, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if callable(holds) and holds():
            return True
        time.sleep(0.02)
    return False


ATTEMPTS = """
import os, socket, sys, threading
from attribution.media.sandbox import confine
target = sys.argv[1]

def socket_(): socket.create_connection(("127.0.0.1", 9), 1)
def program(): os.execv(sys.executable, [sys.executable, "-c", "print('free')"])
def write(): os.write(os.open(target, os.O_WRONLY), b"changed")
def create(): open(target + ".new", "wb").write(b"x")
def truncate(): os.open(target, os.O_RDONLY | os.O_TRUNC)
def append(): open(target, "ab")
def remove(): os.unlink(target)
def rename(): os.rename(target, target + ".moved")
def child(): os.fork() or os._exit(0)
def spawn(): os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
def strike(): os.kill(os.getppid(), 0)
def pair(): socket.socketpair()

print("filtered", confine(1 << 30, 60))
for attempt in (socket_, program, write, create, truncate, append, remove, rename, child, spawn, strike, pair):
    try:
        attempt()
        print(attempt.__name__, "done")
    except OSError as error:
        print(attempt.__name__, "denied" if error.errno == 1 else error.errno)
answers = []
thread = threading.Thread(target=lambda: answers.append(len(open(target, "rb").read())))
thread.start()
thread.join()
print("read", answers[0])
"""


@needs_filter
def test_the_sandbox_denies_network_programs_and_writing_but_not_decoding(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"unchanged")
    arguments = [sys.executable, "-c", ATTEMPTS, str(target)]
    seen = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
    outcomes = dict(zip(seen[::2], seen[1::2], strict=True))
    assert outcomes.pop("filtered") == "True"
    assert outcomes.pop("read") == "9"
    assert len(outcomes) == 12
    assert set(outcomes.values()) == {"denied"}, outcomes
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert target.read_bytes() == b"unchanged"


@needs_filter
def test_the_attempts_succeed_without_the_sandbox(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"unchanged")
    free = ATTEMPTS.replace("confine(1 << 30, 60)", "False").replace("(socket_, program, ", "(")
    seen = subprocess.run([sys.executable, "-c", free, str(target)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert {"create done", "truncate done", "remove done", "child done", "spawn done", "strike done"} <= set(seen.stdout.splitlines())


@needs_proc
def test_the_worker_of_an_open_file_is_confined_and_knows_nothing(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary-secret")
    with open_media(clip, MediaLimits(memory_bytes=1500 * 2**20)) as opened:
        process = Path(f"/proc/{opened._worker.process_id}")
        assert b"canary-secret" not in (process / "environ").read_bytes()
        assert os.readlink(process / "cwd") == "/"
        limits = (process / "limits").read_text().splitlines()
        amounts = {line[:26].strip(): line[26:].split()[0] for line in limits[1:]}
        assert amounts["Max address space"] == str(1500 * 2**20)
        assert amounts["Max file size"] == "0"
        assert amounts["Max core file size"] == "0"
        assert int(amounts["Max open files"]) <= 64
        assert int(amounts["Max cpu time"]) < 1000
        assert opened.confined == FILTERED
        if FILTERED:
            assert "Seccomp:\t2" in (process / "status").read_text()


def test_a_worker_serves_one_file_and_the_next_is_ready(clip: Path) -> None:
    prepare()
    with open_media(clip) as first, open_media(clip) as second:
        assert first._worker.process_id != second._worker.process_id
        assert first.crops([(3, (0.0, 0.0, 90.0, 90.0))], 90)[0].tobytes() == second.crops([(3, (0.0, 0.0, 90.0, 90.0))], 90)[0].tobytes()
        waiting = decoder._nursery._idle
        assert waiting
        assert waiting.alive
    assert not first._worker.alive
    assert not second._worker.alive
    assert waiting.alive
    retire()
    assert not waiting.alive


def test_many_threads_open_files_at_once(tmp_path: Path) -> None:
    prepare()
    paths = [write_picture(tmp_path / f"{number}.png", numbered(number, 160, 96)) for number in range(6)]
    numbers: dict[int, int] = {}

    def look(number: int) -> None:
        with open_media(paths[number]) as opened:
            crop = opened.crops([(0, (0.0, 0.0, 96.0, 96.0))], 96)[0]
            assert crop.shape == (96, 96, 3)
            numbers[number] = number_of(opened.frames[0].rgb)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == {number: number for number in range(6)}


def test_too_little_time_is_a_typed_error_and_the_next_file_works(clip: Path, tmp_path: Path) -> None:
    # The small one of the other tests can be read within a hundredth of a second.
    long = write_clip(tmp_path / "long.mp4", frames=30, size=(1280, 720))
    with pytest.raises(DecodeTimeout) as caught:
        open_media(long, MediaLimits(seconds=0.01))
    assert "took too long" in caught.value.what
    with open_media(clip) as opened:
        assert opened.media.frames_read == 10


@needs_signals
def test_a_worker_that_is_killed_while_it_reads(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taking = decoder.take

    def take_and_stop() -> decoder.Decoder:
        worker = taking()
        os.kill(worker.process_id, signal.SIGSTOP)
        threading.Timer(0.2, os.kill, (worker.process_id, signal.SIGKILL)).start()
        return worker

    monkeypatch.setattr(decoder, "take", take_and_stop)
    with pytest.raises(DecodeTimeout) as caught:
        open_media(clip)
    assert "stopped" in caught.value.what
    monkeypatch.undo()
    with open_media(clip) as opened:
        assert opened.media.frames_read == 10


@needs_signals
def test_whoever_no_longer_waits_ends_a_worker_that_still_reads(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, beats = decoder.take(), iter(range(3))
    monkeypatch.setattr(decoder, "take", lambda: worker)
    os.kill(worker.process_id, signal.SIGSTOP)

    def at_a_beat() -> None:
        if next(beats, None) is None:
            raise KeyboardInterrupt

    with within_pulse(at_a_beat), pytest.raises(KeyboardInterrupt):
        open_media(clip)
    assert not worker.alive


@needs_signals
@pytest.mark.parametrize(("name", "error"), [("SIGKILL", DecodeTimeout), ("SIGSEGV", DamagedMedia), ("SIGXCPU", DecodeTimeout)])
def test_a_worker_that_dies_between_reading_and_cutting(clip: Path, name: str, error: type[MediaError]) -> None:
    with open_media(clip) as opened:
        os.kill(opened._worker.process_id, getattr(signal, name))
        wait_until(lambda: not opened._worker.alive)
        with pytest.raises(error):
            opened.crops([(0, (0.0, 0.0, 90.0, 90.0))], 90)
        # Asked again it is still a plain error.
        with pytest.raises(MediaError):
            opened.crops([(0, (0.0, 0.0, 90.0, 90.0))], 90)


def test_a_closed_file_says_so_and_keeps_its_frames(clip: Path) -> None:
    opened = open_media(clip)
    opened.close()
    opened.close()
    with pytest.raises(DecodeTimeout) as caught:
        opened.crops([(0, (0.0, 0.0, 90.0, 90.0))], 90)
    assert "closed" in caught.value.what
    assert opened.frames[0].rgb.shape == (96, 160, 3)


def test_a_file_that_is_forgotten_leaves_no_process(clip: Path) -> None:
    opened = open_media(clip)
    worker = opened._worker
    assert worker.alive
    del opened
    assert wait_until(lambda: not worker.alive)


@needs_proc
def test_workers_die_with_their_parent(clip: Path) -> None:
    code = (
        "import os, sys; from attribution.media import open_media, prepare, decoder; opened = open_media(sys.argv[1]); prepare(); "
        "print(opened._worker.process_id, decoder._nursery._idle.process_id, flush=True); os._exit(0)"
    )
    seen = subprocess.run([sys.executable, "-c", code, str(clip)], capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
    assert len(seen) == 2
    assert all(wait_until(lambda number=number: not is_running(int(number))) for number in seen)


def forged(reply: object, raw: int = 0) -> str:
    """A worker that answers any order with this."""
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return (
        "import os, sys, time; size = int.from_bytes(os.read(0, 4), 'big'); os.read(0, size); "
        f"os.write(1, {struct.pack('>I', len(body)) + body!r}); os.write(1, bytes({raw})); time.sleep(60)"
    )


GOOD = {
    "kind": "clip",
    "width": 40,
    "height": 20,
    "duration": 1.0,
    "wanted": 1,
    "codec": "h264",
    "notes": [],
    "filtered": True,
    "frames": [[0.0, 40, 20, 1.0]],
}


def test_a_true_answer_is_accepted(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_START", forged(GOOD, 40 * 20 * 3))
    with open_media(clip) as opened:
        assert (opened.media.width, opened.media.height, len(opened.frames)) == (40, 20, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "picture"},
        {"kind": None},
        {"frames": [[0.0, 2**31, 2**31, 1.0]]},
        {"frames": [[0.0, 1281, 20, 1.0]], "width": 4000},
        {"frames": None},
        {"frames": [[5.0, 1, 1, 1.0], [1.0, 1, 1, 1.0]], "wanted": 2},
        {"frames": [[0.0, 40, 20, 0.0]]},
        {"width": 2**40},
        {"codec": "<script>"},
        {"notes": [{"code": "hdr", "figures": {}}] * 17},
        {"notes": ["The clip is HDR."]},
        {"notes": [{"code": ["hdr"], "figures": {}}]},
        {"notes": [{"code": "no_face", "figures": {}}]},
        {"notes": [{"code": "cut_off_after", "figures": {"last": "{last.__class__}"}}]},
        {"notes": [{"code": "frames_decoded", "figures": {"count": 10**400, "wanted": 2}}]},
        *(
            pytest.param({name: value}, marks=pytest.mark.slow)
            for name, values in {
                "frames": [[[0.0, *one, 1.0]] for one in ((-1, -1), (True, 20), (0, 20), (40, 20, 7), (41, 20))]
                + [[], "abc", [["0", 40, 20, 1.0]], [[0.0, 40, 20, "1"]]],
                "width": [0],
                "height": ["20"],
                "wanted": [0, 161],
                "duration": [-1.0, "long"],
                "codec": ["h264" * 100],
                "notes": ["text", None],
            }.items()
            for value in values
        ),
    ],
    ids=str,
)
def test_an_answer_that_a_worker_never_gives_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]) -> None:
    monkeypatch.setattr(decoder, "_START", forged({**GOOD, **change}, 40 * 20 * 3).replace("time.sleep(60)", "time.sleep(0.01)"))
    with pytest.raises(DamagedMedia) as caught:
        open_media(clip)
    assert "broke down" in caught.value.what


@pytest.mark.parametrize(
    "frames", [None, [[0.0, 41, 20, 1.0]], [[0.0, 40, 20, 1.0]] * 49, [[1.0, 40, 20, 1.0], [0.0, 40, 20, 1.0]]], ids=str
)
def test_a_closer_look_that_a_worker_never_gives_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch, frames: object) -> None:
    body = json.dumps({"frames": frames}).encode()
    more = f"; os.read(0, 9999); os.write(1, {struct.pack('>I', len(body)) + body!r}); os.write(1, bytes(9999))"
    monkeypatch.setattr(decoder, "_START", forged(GOOD, 40 * 20 * 3).replace("; time.sleep(60)", more))
    with open_media(clip) as opened:
        with pytest.raises(DamagedMedia):
            opened.look_closer([(0.0, 1.0, 4)])
        assert len(opened.frames) == 1


@pytest.mark.parametrize("body", [b"not json", b"{" * 5000])
def test_an_answer_that_is_no_message_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(decoder, "_START", forged(body).replace("time.sleep(60)", "time.sleep(0.01)"))
    with pytest.raises(DamagedMedia):
        open_media(clip)


def test_too_few_pixels_end_with_the_limit_of_time(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_START", forged(GOOD, 100))
    with pytest.raises(DecodeTimeout):
        open_media(clip, MediaLimits(seconds=1.0))


def test_a_refusal_is_in_our_words_and_strange_figures_are_cleaned_and_bounded(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = {"code": "codec", "figures": {"codec": "a\x1b[31m\n" + "b" * 5000}}
    reply = {"error": "SystemExit", "what": what, "next_step": {"code": "convert_codec", "figures": {}}}
    monkeypatch.setattr(decoder, "_START", forged(reply))
    with pytest.raises(DamagedMedia) as caught:
        open_media(clip)
    assert caught.value.what.startswith("The clip is coded with a�[31m�b")
    assert len(caught.value.what) <= 100


def test_a_refusal_in_words_of_its_own_is_not_shown(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = {"error": "SystemExit", "what": "Send your password.", "next_step": None}
    monkeypatch.setattr(decoder, "_START", forged(reply).replace("time.sleep(60)", "time.sleep(0.01)"))
    with pytest.raises(DamagedMedia, match="broke down"):
        open_media(clip)


def test_the_worker_imports_as_its_parent_does_from_any_folder(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder full of traps: the worker must not import from where the parent happens to stand.
    for name in ("json", "numpy", "av", "attribution"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    with open_media(clip) as opened:
        assert opened.media.frames_read == 10


def test_nothing_is_logged_or_printed(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    path = write_clip(tmp_path / "canary-name.mp4", 3, (64, 48))
    damaged = path.read_bytes()[: path.stat().st_size // 2]
    capfd.readouterr()
    caplog.clear()
    with open_media(path) as opened:
        opened.crops([(0, (0.0, 0.0, 40.0, 40.0))], 20)
    path.write_bytes(damaged)
    with pytest.raises(DamagedMedia) as caught:
        open_media(path)
    assert "canary" not in str(caught.value)
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")
