"""The benchmark measures what it says: its clip, the naive way, the watched server, and what it prints. No test here depends on speed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import httpx
import numpy as np
import pytest

from attribution.errors import LabError
from attribution.lab.bench import app
from attribution.lab.bench.app import Server
from attribution.lab.bench.benchmark import Figure, timed
from attribution.lab.bench.naive import NaiveRun, examine_naively, write_moving_clip
from attribution.models.backbones import build_backbone
from attribution.models.explained import explained_layer

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's /proc")

SERVING_APP = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

held = bytearray(b"x" * 50_000_000)

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page")

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Page).serve_forever()
"""


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving_clip(tmp_path_factory.mktemp("clip") / "short.mp4", seconds=0.2)


def frames_of(clip: Path) -> list[np.ndarray]:
    with av.open(str(clip)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_clip_moves_and_is_always_the_same(short_clip: Path, tmp_path: Path) -> None:
    frames = frames_of(short_clip)
    assert [frame.shape for frame in frames] == [(720, 1280, 3)] * 6
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1
    again = frames_of(write_moving_clip(tmp_path / "again.mp4", seconds=0.2))
    assert all(np.array_equal(one, other) for one, other in zip(frames, again, strict=True))


def test_the_naive_way_examines_every_face_of_the_frames_it_reads(short_clip: Path) -> None:
    model = build_backbone("mobilenetv2_100", 3, {"pad_type": "same"}).eval().requires_grad_(False)
    naive = examine_naively(short_clip, model, explained_layer(model, "mobilenetv2_100"), 0.5, 0.5, side_px=96, most_frames=1)
    assert (naive.frames, naive.frames_in_clip) == (1, 6)
    assert naive.faces >= 2
    assert naive.seconds_whole_clip == pytest.approx(6 * naive.seconds)


def test_a_full_naive_run_is_not_extrapolated_and_what_opencv_cannot_read_is_an_error(tmp_path: Path) -> None:
    assert NaiveRun(seconds=90.0, frames=300, frames_in_clip=300, faces=600).seconds_whole_clip == 90.0
    (tmp_path / "no.mp4").write_bytes(b"not a clip")
    model = build_backbone("mobilenetv2_100", 3).eval()
    with pytest.raises(LabError):
        examine_naively(tmp_path / "no.mp4", model, explained_layer(model, "mobilenetv2_100"), 0.5, 0.5)


@LINUX
def test_the_server_is_watched_until_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(SERVING_APP, encoding="utf-8")
    with Server(file) as server:
        assert server.seconds_to_first_page > 0
        held = server.peak_bytes()
    assert held is not None
    assert 50_000_000 < held < 500_000_000


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("a", "s", (0.4, 9.0, 0.5), most=1.0), True),
        (Figure("a", "s", (1.4, 1.5), most=1.0), False),
        (Figure("a", "×", (29.9,), least=30), False),
        (Figure("a", "×", (30.0,), least=30), True),
        (Figure("a", "s", (5.0,)), None),
    ],
)
def test_a_figure_says_whether_it_holds(figure: Figure, holds: bool | None) -> None:
    assert figure.holds is holds
    assert ("MISSED" in figure.line()) == (holds is False)


def test_a_figure_is_the_median_of_runs_of_which_the_first_is_not_counted() -> None:
    line = Figure("picture", "s", (0.4, 9.0, 0.5), most=1.0, note="loaded").line()
    assert "0.50 s" in line
    assert "3 runs: 0.40–9.00; loaded" in line
    calls: list[int] = []
    assert len(timed(lambda: calls.append(1), 3)) == 3
    assert len(calls) == 4


def test_a_client_gives_the_app_a_file_and_asks_for_what_its_page_would_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is taken and examined, and the section with the heatmap is opened."""
    events = [
        {"id": 0, "targets": [[9, "upload"]], "trigger_after": None, "api_name": "take_upload"},
        {"id": 2, "targets": [[9, "then"]], "trigger_after": 0, "api_name": "js_fn", "backend_fn": False},
        {"id": 1, "targets": [[9, "then"]], "trigger_after": 0, "api_name": "examine", "backend_fn": True},
        {"id": 3, "targets": [[7, "select"]], "trigger_after": None, "api_name": "show_where"},
    ]
    asked: list[tuple[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/gradio_api/")
        if path == "/config":
            return httpx.Response(200, json={"dependencies": events})
        if path == "upload":
            return httpx.Response(200, json=["/tmp/file.png"])
        if path == "queue/data":
            done = {"msg": "process_completed", "success": fails != asked[-1][1], "output": {"data": ['<div class="tt-faithful">']}}
            return httpx.Response(200, text=f"data: {json.dumps({'msg': 'estimation'})}\n\ndata: {json.dumps(done)}\n\n")
        body = json.loads(request.content)
        asked.append((path, body["fn_index"]))
        return httpx.Response(200, json={})

    monkeypatch.setattr(
        app,
        "httpx",
        SimpleNamespace(
            Client=lambda **options: httpx.Client(transport=httpx.MockTransport(answer), base_url=options["base_url"]),
            Response=httpx.Response,
        ),
    )
    file = tmp_path / "file.png"
    file.write_bytes(b"picture")
    fails: int | None = None
    with app.AppClient("http://127.0.0.1:1/") as client:
        client.examine(file)
        assert asked == [("run/predict", 0), ("queue/join", 1), ("queue/join", 3)]
        fails = 1
        with pytest.raises(LabError, match="failed on this file"):
            client.examine(file)
