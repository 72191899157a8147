"""Nothing of ZeroGPU costs anything elsewhere; what would cross to the process with the GPU can be pickled; and where the package `spaces`
is installed, a whole examination goes through it."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from app_server import ROOT, ask, start, stop, upload
from attribution import pipeline as product
from attribution.errors import EvidenceError, TelltaleError, UnmappedLabels
from attribution.explain.patches import Tiles
from attribution.web import examination
from attribution.web import zerogpu as gpu

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline

PORTRAIT = ROOT / "examples" / "astronaut.png"
CLIP = ROOT / "examples" / "clip_seconds_3_to_5.mp4"


def there_and_back(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("said", ["", "no", "true"])
def test_elsewhere_a_job_stays_what_it_is(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", said)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if said == "true" else "the package is there")
    assert not gpu.on_zero_gpu()
    assert gpu.on_gpu(lambda: 20.0)(refuse) is refuse


def test_nothing_is_imported_elsewhere() -> None:
    script = (
        "import sys; from attribution.web import zerogpu as gpu; gpu.prepare(); gpu.on_gpu(lambda: 1.0)(print)\n"
        "sys.exit(str([name for name in ('spaces', 'torch', 'gradio') if name in sys.modules] or ''))"
    )
    clean = {name: value for name, value in os.environ.items() if name != "SPACES_ZERO_GPU"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == ""


def test_the_time_is_computed_from_the_file(tmp_path: Path) -> None:
    words = tmp_path / "words.mp4"
    words.write_text("no clip", encoding="utf-8")
    picture, clip = (gpu.within_bounds(examination.seconds_to_examine(path)) for path in (PORTRAIT, CLIP))
    assert gpu.LEAST_SECONDS <= picture < clip <= 60, "two clips fit into what an anonymous visitor has for a day"
    for path in (words, tmp_path / "nothing", tmp_path):
        assert gpu.within_bounds(examination.seconds_to_examine(path)) == gpu.LEAST_SECONDS
    assert [gpu.within_bounds(seconds) for seconds in (-5, 10.2, 10**9, math.inf, math.nan)] == [10, 11, 120, 120, 120]


def test_a_whole_analysis_and_all_that_jobs_are_given_survive_the_way(pipeline: Pipeline) -> None:
    for job in (product.examine, product.explain, examination.patches):
        assert there_and_back(job) is job
    found: Any = product.examine(CLIP, pipeline)
    again = there_and_back(found)
    assert again.evidence.to_json() == found.evidence.to_json()
    assert all(np.array_equal(one.rgb, other.rgb) for one, other in zip(again.frames, found.frames, strict=True))
    for one, other in zip(again.evidence.tracks, found.evidence.tracks, strict=True):
        assert all(np.array_equal(face.crop, twin.crop) for face, twin in zip(one.track.faces, other.track.faces, strict=True))
        assert np.array_equal(one.predictions.logits, other.predictions.logits)
    pixels = np.zeros((1, 96, 96, 3), np.uint8)
    assert np.array_equal(there_and_back(Tiles(((0.0, 0.0, 96.0, 96.0),), pixels)).pixels, pixels)


def kinds(kind: type[TelltaleError]) -> Iterator[type[TelltaleError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from kinds(one)


def test_every_error_survives_the_way() -> None:
    for kind in set(kinds(TelltaleError)):
        error = kind("What happened.", "What to do.")
        if isinstance(error, UnmappedLabels):
            error.labels = ("LABEL_0", "LABEL_1")
        again: Any = there_and_back(examination.Outcome(error=error)).error
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_a_lent_gpu_does_the_jobs_of_its_pipeline_alone(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what stands for the package `spaces`: a process of its own, as far as pickling goes."""
    lent: list[float] = []

    def on_gpu(seconds: Any) -> Any:
        def decorate(job: Any) -> Any:
            def elsewhere(*given: Any) -> Iterator[Any]:
                lent.append(seconds(*given))
                yield from map(there_and_back, job(*there_and_back(given)))

            return elsewhere

        return decorate

    monkeypatch.setattr(examination, "on_gpu", on_gpu)
    monkeypatch.setattr(examination, "_lent", None)
    engine: Any = SimpleNamespace(pipeline=lambda: pipeline)
    examination.borrow_gpus(engine)
    steps: list[tuple[float, str]] = []
    done = examination.run(pipeline, 30.0, doubled, 4, progress=lambda share, doing: steps.append((share, doing)))
    assert done == 8
    assert steps[-1] == (0.5, "Doubling")
    with pytest.raises(EvidenceError):
        examination.run(pipeline, 10.0, refuse)
    assert lent == [30.0, 10.0]
    assert examination.run(pipeline, 0, doubled, 4) == 8, "this needs no GPU"
    assert examination.run(SimpleNamespace(), 30.0, doubled, 4) == 8, "the process with the GPU does not know this one"  # type: ignore[arg-type]
    assert len(lent) == 2


class Device(NamedTuple):
    """What ZeroGPU answers to `spaces`: a GPU for everybody, at once."""

    address: str
    asked: list[tuple[str, dict[str, str]]]


@pytest.fixture
def device() -> Iterator[Device]:
    asked: list[tuple[str, dict[str, str]]] = []

    class Lender(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            path = urlsplit(self.path)
            asked.append((path.path, {name: values[0] for name, values in parse_qs(path.query).items()}))
            answer = json.dumps({"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "none", "allowToken": "one"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    lender = ThreadingHTTPServer(("127.0.0.1", 0), Lender)
    threading.Thread(target=lender.serve_forever, daemon=True).start()
    yield Device(f"http://127.0.0.1:{lender.server_port}", asked)
    lender.shutdown()
    lender.server_close()


@pytest.mark.skipif(importlib.util.find_spec("spaces") is None, reason="the package spaces, which ZeroGPU brings, is not installed")
def test_a_file_is_examined_by_way_of_the_package(detector_folder: Path, device: Device, tmp_path: Path) -> None:
    zero_gpu = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": device.address, "HOME": str(tmp_path)}
    server = start(str(detector_folder), tmp_path, program=ROOT / "tests" / "zero_gpu.py", device="auto", **zero_gpu)
    try:
        assert device.asked == [("/startup-report", {})], "the networks are placed and the job is known before the page is launched"
        for file in (PORTRAIT, CLIP):
            (entry,) = ask(server, upload(server, file))["files"]
            assert entry["settings"]["device"] == "cuda"
            assert entry["tracks"]
        (entry,) = ask(server, upload(server, ROOT / "README.md"))["files"]
        assert "text file" in entry["error"]
        # The process with the GPU does not know it: it is asked on the CPU.
        (entry,) = ask(server, upload(server, PORTRAIT), "telltale-swap")["files"]
        assert entry["detector"]["name"] == "telltale-swap"
        assert entry["settings"]["device"] == "cpu"
    finally:
        stop(server)
    lent = [given for path, given in device.asked if path == "/schedule"]
    assert [int(given["durationSeconds"]) for given in lent] == [
        gpu.within_bounds(examination.seconds_to_examine(file)) for file in (PORTRAIT, CLIP)
    ]
    assert [path for path, _ in device.asked if path != "/startup-report"] == ["/schedule", "/allow", "/release"] * 2
    assert {given["fail"] for path, given in device.asked if path == "/release"} == {"false"}


def refuse(pipeline: Pipeline) -> None:
    raise EvidenceError("No.", "Yes.")


def doubled(number: int, pipeline: Pipeline, progress: Any = None) -> int:
    if progress is not None:
        progress(0.5, "Doubling")
        # Steps that are over before anybody looks are not told.
        time.sleep(0.1)
    return 2 * number
