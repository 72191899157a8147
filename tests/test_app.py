"""The running app: what is on offer, that nothing leaves the machine, and what programs get: by plain HTTP, with Gradio's own client, and
with a client of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from app_server import ROOT, Server, ask, upload
from attribution.errors import DamagedMedia, MediaTooLarge, MissingMedia, UnsupportedMedia
from attribution.evidence import document, read_document
from attribution.pipeline import analyse, load_pipeline
from attribution.web.api import arrived
from attribution.web.gradio_patches import CHECKED
from attribution.web.uploads import Uploads

if TYPE_CHECKING:
    from attribution.pipeline import Pipeline

PORTRAIT = ROOT / "examples" / "astronaut.png"
NOTHING_FETCHED = "not fetched from an address"


def test_gradio_is_the_version_that_was_looked_at() -> None:
    """Its internals that we change may be others in the next one: read attribution/web/gradio_patches.py, then add the version there."""
    assert gradio.__version__ in CHECKED


def test_the_page_is_ours_and_brings_nothing_of_anybody_else(server: Server) -> None:
    status, page = server.get()
    assert status == 200
    assert "Telltale" in page
    assert "Was this face manipulated" in page
    assert str(ROOT) not in page, "nobody learns where the files lie"
    head = page.split("window.gradio_config")[0] + page.split("</script>", 2)[-1]
    assert re.findall(r'(?:src|href)="(https?://[^"]+)"', head) == []
    shown = re.findall(r"gradio_api/file=([^\\\"#]+)", page)
    assert shown
    assert all(server.get(f"gradio_api/file={path}")[0] == 200 for path in shown)


def test_nothing_is_recorded_reported_or_monitored(server: Server) -> None:
    config = server.config()
    assert config["stylesheets"] == config["footer_links"] == []
    assert config["analytics_enabled"] is config["run_history"] is config["show_error"] is False
    assert config["max_file_size"] in (200 * 2**20, 200_000_000)
    assert server.get("monitoring/summary")[0] in (403, 404)
    (folder,) = server.temporary.glob("telltale-*")
    assert folder.stat().st_mode & 0o077 == 0


def test_no_other_file_is_served(server: Server) -> None:
    for path in (str(ROOT / "README.md"), str(ROOT / "attribution/errors.py"), "/etc/passwd", "../../../../etc/passwd"):
        assert server.get(f"gradio_api/file={path}")[0] in (400, 403, 404)


def test_an_upload_that_is_too_large_is_refused(server: Server) -> None:
    boundary = "x" * 20
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'.encode()
    body = head + bytes(201 * 2**20) + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with pytest.raises((urllib.error.HTTPError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(urllib.request.Request(server.address + "gradio_api/upload", body, kind), timeout=120)
    if isinstance(refused.value, urllib.error.HTTPError):
        assert refused.value.code in (400, 413)
        refused.value.close()
    assert server.get()[0] == 200


# Gradio leaves event loops open where a page is built and not launched: it has a process of its own.
BUILT = """
import asyncio, json, sys
from gradio.blocks import Block
from attribution.web.engine import Engine
from attribution.web.events import Events
from attribution.web.layout import build, examples, look
from attribution.web.uploads import Uploads, private_folder
uploads = Uploads(private_folder())
page = build(Events(uploads, Engine("none", "cpu"), examples(uploads)))
look(uploads)
slow = [name for name in ("torch", "timm", "facenet_pytorch", "cv2", "av") if name in sys.modules]
heavy = [[f.api_name, f.concurrency_limit] for f in page.fns.values() if f.concurrency_id == "detector"]
public = [f.api_name for f in page.fns.values() if f.api_visibility != "private"]
given = [asyncio.run(Block.async_move_resource_to_block_cache(block, sys.argv[1])) for block in page.blocks.values()]
print(json.dumps([slow, heavy, public, given]))
"""


def test_the_page_comes_before_pytorch_has_one_queue_and_no_part_of_it_downloads(canary: tuple[str, list[str]]) -> None:
    address, asked = canary
    command = [sys.executable, "-c", BUILT, f"{address}/a.png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    slow, heavy, public, given = json.loads(done.stdout)
    assert slow == []
    assert "analyse" in {name for name, _ in heavy}, "programs stand in the queue of the page"
    assert len(heavy) > 3
    assert {limit for _, limit in heavy} == {1}
    assert sorted(public) == ["analyse", "compare", "detectors"]
    assert set(given) == {f"{address}/a.png"}
    assert asked == []


# What programs get

# Gradio's client leaves event loops open when it goes: it has a process of its own, too.
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


@pytest.fixture(scope="module")
def own(app_folder: Path) -> Pipeline:
    """The pipeline of the running app, in this process."""
    return load_pipeline(str(app_folder), "cpu")


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


def kept(server: Server) -> set[Path]:
    """Every file in the folder of the server that is not one of its examples."""
    (folder,) = server.temporary.glob("telltale-*")
    shown = {path.stat().st_size for path in (ROOT / "examples").iterdir()}
    return {path for path in folder.rglob("*") if path.is_file() and path.stat().st_size not in shown}


@pytest.fixture(scope="module")
def before(server: Server) -> set[Path]:
    """What readers of other test files left, whose pages may still be open."""
    return kept(server)


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "files": [{**entry, "created_utc": ""} for entry in answer["files"]]}


def own_file(tmp_path: Path) -> Path:
    """The portrait as a file that is no copy of an example: a PNG may be followed by anything."""
    file = tmp_path / "My portrait (1).png"
    file.write_bytes(PORTRAIT.read_bytes() + b" ")
    return file


def test_three_endpoints_are_offered_and_described(server: Server) -> None:
    offered = json.loads(server.get("gradio_api/info")[1])
    assert set(offered["named_endpoints"]) == {"/analyse", "/compare", "/detectors"}
    assert offered["unnamed_endpoints"] == {}
    parameters = offered["named_endpoints"]["/analyse"]["parameters"]
    assert [(one["parameter_name"], one.get("parameter_default")) for one in parameters] == [("file", None), ("detector", "default")]
    assert all(len(endpoint["description"]) > 100 for endpoint in offered["named_endpoints"].values())


def test_the_python_client_and_plain_http_get_the_document_of_the_contract(
    client: Program, server: Server, own: Pipeline, tmp_path: Path, before: set[Path]
) -> None:
    file = own_file(tmp_path)
    answer = client.predict(file=str(file), api_name="/analyse")
    assert timeless(answer) == timeless(json.loads(json.dumps(document([analyse(file, own)]))))
    assert read_document(answer)
    assert ask(server, upload(server, file))["files"][0]["verdict"] == answer["files"][0]["verdict"]
    unusable = tmp_path / "words.png"
    unusable.write_text("not a picture", encoding="utf-8")
    answer = client.predict(file=str(unusable), api_name="/analyse")
    (entry,) = answer["files"]
    assert entry["media"] == {"name": "words.png"}
    assert "text file" in entry["error"]
    assert kept(server) <= before


def test_two_programs_that_send_the_same_bytes_at_once_have_a_file_each(server: Server, tmp_path: Path, before: set[Path]) -> None:
    file = own_file(tmp_path)
    first, second = upload(server, file), upload(server, file)
    assert first != second
    # The first is examined, and deleted, while the second waits.
    assert all("verdict" in ask(server, given)["files"][0] for given in (first, second))
    assert kept(server) <= before


def test_detectors_are_listed_and_can_be_chosen(client: Program, server: Server) -> None:
    listed = client.predict(api_name="/detectors")
    assert listed[0]["name"] == "telltale-attribution"
    for one in listed:
        assert set(one) == {"name", "licence", "labels", "display_names", "families", "answers", "measured"}
        assert len(one["labels"]) == len(one["families"]) == len(one["display_names"]) >= 2
        # Readers of other test files may have fetched a detector whose labels do not tell what they mean.
        assert "real" in one["families"] or not one["measured"]
    (entry,) = client.predict(file=str(PORTRAIT), detector="telltale-caddm", api_name="/analyse")["files"]
    labels = {one["name"]: one["labels"] for one in listed}
    assert (entry["detector"]["name"], entry["detector"]["labels"]) == ("telltale-swap", labels["telltale-swap"]), "by its earlier name"
    # A program can name no folder and start no download.
    for name in ("no such detector", "../weights/telltale-swap", str(ROOT / "weights" / "telltale-swap"), "hf:a/b", 7):
        assert "There is no detector called" in ask(server, upload(server, PORTRAIT), name)["files"][0]["error"]


def test_several_detectors_are_asked_about_the_same_faces(client: Program) -> None:
    chosen = ["default", "telltale-swap", "telltale-dna-det"]
    (entry,) = client.predict(file=str(PORTRAIT), detectors=chosen, api_name="/compare")["files"]
    asked = {one["detector"]["name"] for one in entry["tracks"][0]["opinions"] if one["asked_for"]}
    assert (entry["detector"]["name"], asked) == ("random-default", set(chosen[1:]))
    for names, why in ((["default"] * 2, "chosen twice"), (["no such detector"], "no detector called"), (chosen[1:] * 3, "at most 5")):
        assert why in client.predict(file=str(PORTRAIT), detectors=names, api_name="/compare")["files"][0]["error"]


@pytest.mark.parametrize("as_upload", [False, True])
def test_nothing_is_fetched(server: Server, canary: tuple[str, list[str]], as_upload: bool) -> None:
    address, asked = canary
    for spelling in ("http{}/a.png", "HTTP{}/a.png", "http{}/gradio_api/file=/etc/passwd", "ftp{}/a.png", "data:,http{}/a"):
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
    found = re.search(r"gradio_api/file=([\w./-]+\.(?:png|jpg))", page)
    assert found is not None
    example = found.group(1)
    (folder,) = server.temporary.glob("telltale-*")
    for path in ("/etc/passwd", str(ROOT / "app.py"), example, f"{folder}/../../etc/passwd", "a\0b", "", " ", str(folder), "/"):
        (entry,) = ask(server, path)["files"]
        assert "no such upload" in entry["error"] or "No file was given" in entry["error"]
    assert server.get(f"gradio_api/file={example}")[0] == 200


def test_data_uris_are_unpacked_and_checked(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    good = "data:image/png;base64," + base64.b64encode(PORTRAIT.read_bytes()).decode()
    taken = arrived(good, uploads, PORTRAIT.stat().st_size)
    assert taken.path.read_bytes() == PORTRAIT.read_bytes()
    uploads.release(taken)
    head, _, data = good.partition(",")
    wrapped = arrived(f"{head},\r\n" + "\n".join(textwrap.wrap(data, 76)) + "\n", uploads, PORTRAIT.stat().st_size)
    assert wrapped.path.read_bytes() == PORTRAIT.read_bytes(), "line breaks are no damage"
    uploads.release(wrapped)
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


def test_an_mcp_client_gets_the_same(
    server: Server, client: Program, canary: tuple[str, list[str]], tmp_path: Path, before: set[Path]
) -> None:
    file, (address, asked) = own_file(tmp_path), canary

    async def talk() -> None:
        async with streamable_http_client(server.address + "gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert set(tools) == {"analyse", "compare", "detectors"}

            async def answer(name: str, **arguments: str) -> Any:
                result = await session.call_tool(name, arguments)
                assert not result.isError
                (content,) = result.content
                return json.loads(content.text)  # type: ignore[union-attr]

            wanted = await asyncio.to_thread(client.predict, file=str(file), api_name="/analyse")
            wanted["files"][0]["media"].pop("name")
            uri = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
            for form in (uri, "{}", server.address + "gradio_api/file={}"):
                given = await answer("analyse", file=form if form == uri else form.format(upload(server, file)))
                name = given["files"][0]["media"].pop("name")
                assert (name == "file") == (form == uri)
                assert timeless(given) == timeless(wanted)
            assert NOTHING_FETCHED in (await answer("analyse", file=f"{address}/a.png"))["files"][0]["error"]
            assert await answer("detectors") == await asyncio.to_thread(client.predict, api_name="/detectors")

    asyncio.run(talk())
    assert asked == []
    assert kept(server) <= before
