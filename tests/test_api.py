"""What programs get: Gradio's own client and a client of the Model Context Protocol examine a file with the running app."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from app_server import ROOT, Server, ask, start, stop, upload
from attribution.errors import DamagedMedia, MediaError, MediaTooLarge, MissingMedia, UnsupportedMedia
from attribution.evidence import document, read_document
from attribution.pipeline import analyse
from attribution.web.api import arrived
from attribution.web.uploads import Uploads

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline

PORTRAIT = ROOT / "examples" / "astronaut.png"
NOTHING_FETCHED = "not fetched from an address"


@pytest.fixture(scope="module")
def server(detector_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(str(detector_folder), tmp_path_factory.mktemp("server"))
    yield running
    stop(running)


# Gradio's client leaves event loops open when it goes: it has a process of its own.
PROGRAM = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False, download_files=False)
for line in sys.stdin:
    asked = json.loads(line)
    if "file" in asked:
        asked["file"] = handle_file(asked["file"])
    print(json.dumps(client.predict(**asked)), flush=True)
"""


class Program(NamedTuple):
    """Somebody's program that uses Gradio's Python client."""

    process: subprocess.Popen[str]

    def predict(self, **asked: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Program]:
    command = [sys.executable, "-c", PROGRAM, server.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Program(process)


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what it was asked for."""
    asked: list[str] = []

    class Canary(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PORTRAIT.read_bytes())

        do_HEAD = do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", asked
    listening.shutdown()
    listening.server_close()


def uploads(server: Server) -> list[Path]:
    """Every file of the server that is not one of its examples."""
    (folder,) = server.temporary.glob("telltale-*")
    shown = {path.stat().st_size for path in (ROOT / "examples").iterdir()}
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size not in shown]


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "files": [{**entry, "created_utc": ""} for entry in answer["files"]]}


def own_file(tmp_path: Path) -> Path:
    """The portrait as a file that is no copy of an example: a PNG may be followed by anything."""
    file = tmp_path / "My portrait (1).png"
    file.write_bytes(PORTRAIT.read_bytes() + b" ")
    return file


def test_two_endpoints_are_offered_and_described(server: Server) -> None:
    offered = json.loads(server.get("gradio_api/info")[1])
    assert set(offered["named_endpoints"]) == {"/analyse", "/detectors"}
    assert offered["unnamed_endpoints"] == {}
    analyse_file = offered["named_endpoints"]["/analyse"]
    assert [one["parameter_name"] for one in analyse_file["parameters"]] == ["file", "detector"]
    assert analyse_file["parameters"][1]["parameter_default"] == "default"
    for endpoint in offered["named_endpoints"].values():
        assert len(endpoint["description"]) > 100


def test_the_python_client_gets_the_document_of_the_contract(client: Program, server: Server, pipeline: Pipeline, tmp_path: Path) -> None:
    file = own_file(tmp_path)
    answer = client.predict(file=str(file), api_name="/analyse")
    assert timeless(answer) == timeless(json.loads(json.dumps(document([analyse(file, pipeline)]))))
    assert read_document(answer)
    assert uploads(server) == []


def test_plain_http_is_enough(server: Server, pipeline: Pipeline, tmp_path: Path) -> None:
    file = own_file(tmp_path)
    answer = ask(server, upload(server, file))
    assert answer["files"][0]["verdict"] == analyse(file, pipeline).to_json()["verdict"]


def test_a_file_that_cannot_be_used_has_its_sentence_in_the_document(
    client: Program, server: Server, pipeline: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "words.png"
    file.write_text("not a picture", encoding="utf-8")
    with pytest.raises(MediaError) as refused:
        analyse(file, pipeline)
    answer = client.predict(file=str(file), api_name="/analyse")
    assert answer == {"schema": "telltale-evidence/1", "files": [{"media": {"name": "words.png"}, "error": str(refused.value)}]}
    assert uploads(server) == []


def test_detectors_are_listed_and_can_be_chosen(client: Program) -> None:
    listed = client.predict(api_name="/detectors")
    assert listed[0]["name"] == "telltale-mobilenetv2"
    for one in listed:
        assert set(one) == {"name", "licence", "labels", "display_names", "families", "answers", "measured"}
        assert one["licence"]
        assert one["answers"]
        assert len(one["labels"]) == len(one["families"]) == len(one["display_names"]) >= 2
        assert "real" in one["families"]
    answer = client.predict(file=str(PORTRAIT), detector="telltale-caddm", api_name="/analyse")
    (detector,) = [entry["detector"] for entry in answer["files"]]
    assert detector["name"] == "telltale-caddm"
    assert detector["labels"] == next(one["labels"] for one in listed if one["name"] == "telltale-caddm")


@pytest.mark.parametrize("name", ["no such detector", "../weights/telltale-caddm", str(ROOT / "weights" / "telltale-caddm"), "hf:a/b", 7])
def test_a_program_can_name_no_folder_and_start_no_download(server: Server, name: Any) -> None:
    answer = ask(server, upload(server, PORTRAIT), name)
    assert "There is no detector called" in answer["files"][0]["error"]


@pytest.mark.parametrize(
    "spelling", ["http{}/a.png", "HTTP{}/a.png", "http{}/gradio_api/file=/etc/passwd", "ftp{}/a.png", "data:,http{}/a"]
)
@pytest.mark.parametrize("as_upload", [False, True])
def test_nothing_is_fetched(server: Server, canary: tuple[str, list[str]], spelling: str, as_upload: bool) -> None:
    address, asked = canary
    told = spelling.format(address.removeprefix("http"))
    given = {"path": told, "url": told, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}} if as_upload else told
    if as_upload and not told.startswith("http"):
        # Gradio itself refuses what is neither an address nor a file of its folder.
        with pytest.raises(RuntimeError):
            ask(server, given)
    else:
        error = ask(server, given)["files"][0]["error"]
        assert (NOTHING_FETCHED in error) == (told[:4] in ("http", "HTTP", "ftp:") and "gradio_api" not in told)
    assert asked == []


def test_only_uploads_are_read(server: Server) -> None:
    _, page = server.get()
    example = page.partition("gradio_api/file=")[2].partition(".")[0] + ".png"
    (folder,) = server.temporary.glob("telltale-*")
    for path in ("/etc/passwd", str(ROOT / "app.py"), example, f"{folder}/../../etc/passwd", "a\0b", "", " ", str(folder), "/"):
        answer = ask(server, path)
        (entry,) = answer["files"]
        assert "no such upload" in entry["error"] or "No file was given" in entry["error"]
    assert server.get(f"gradio_api/file={example}")[0] == 200


def test_data_uris_are_unpacked_and_checked(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    good = "data:image/png;base64," + base64.b64encode(PORTRAIT.read_bytes()).decode()
    job = arrived(good, uploads, PORTRAIT.stat().st_size)
    assert job.path.read_bytes() == PORTRAIT.read_bytes()
    uploads.release(job)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    for given, error in (
        ("data:image/png;base64,iVBOR!!!", DamagedMedia),
        ("data:text/plain,words", UnsupportedMedia),
        ("data:", UnsupportedMedia),
        (good, MediaTooLarge),
        (None, MissingMedia),
        ({"path": 7}, MissingMedia),
        ([good], MissingMedia),
    ):
        with pytest.raises(error):
            arrived(given, uploads, 1000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# Gradio leaves event loops open, too, where a page is built and not launched.
BUILT = """
import asyncio, json, sys
from pathlib import Path
from gradio.blocks import Block
from attribution.web.engine import Engine
from attribution.web.events import Events
from attribution.web.layout import build
from attribution.web.uploads import Uploads
page = build(Events(Uploads(Path(sys.argv[1])), Engine("none", "cpu"), []))
heavy = [[f.api_name, f.concurrency_limit] for f in page.fns.values() if f.concurrency_id == "detector"]
public = [f.api_name for f in page.fns.values() if f.api_visibility != "private"]
given = [asyncio.run(Block.async_move_resource_to_block_cache(block, sys.argv[2])) for block in page.blocks.values()]
print(json.dumps([heavy, public, given]))
"""


def test_programs_stand_in_the_queue_of_the_page_and_no_part_of_it_downloads(canary: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = canary
    command = [sys.executable, "-c", BUILT, str(tmp_path), f"{address}/a.png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    heavy, public, given = json.loads(done.stdout)
    assert "analyse" in {name for name, _ in heavy}
    assert len(heavy) > 3
    assert {limit for _, limit in heavy} == {1}
    assert sorted(public) == ["analyse", "detectors"]
    assert set(given) == {f"{address}/a.png"}
    assert asked == []


def test_an_mcp_client_gets_the_same(server: Server, client: Program, canary: tuple[str, list[str]], tmp_path: Path) -> None:
    file, (address, asked) = own_file(tmp_path), canary

    async def talk() -> None:
        async with (
            streamable_http_client(server.address + "gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert set(tools) == {"analyse", "detectors"}
            assert tools["analyse"].inputSchema["required"] == ["file"]
            assert "data:image/png;base64" in tools["analyse"].inputSchema["properties"]["file"]["description"]
            assert "deleted after the examination" in str(tools["analyse"].description)

            async def answer(name: str, **arguments: str) -> Any:
                result = await session.call_tool(name, arguments)
                assert not result.isError
                (content,) = result.content
                return json.loads(content.text)  # type: ignore[union-attr]

            wanted = await asyncio.to_thread(client.predict, file=str(file), api_name="/analyse")
            uri = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
            unpacked = await answer("analyse", file=uri)
            assert unpacked["files"][0]["media"].pop("name") == "file"
            wanted["files"][0]["media"].pop("name")
            assert timeless(unpacked) == timeless(wanted)
            for form in ("{}", server.address + "gradio_api/file={}"):
                uploaded = await answer("analyse", file=form.format(upload(server, file)))
                uploaded["files"][0]["media"].pop("name")
                assert timeless(uploaded) == timeless(wanted)
            assert NOTHING_FETCHED in (await answer("analyse", file=f"{address}/a.png"))["files"][0]["error"]
            assert await answer("detectors") == await asyncio.to_thread(client.predict, api_name="/detectors")

    asyncio.run(talk())
    assert asked == []
    assert uploads(server) == []
