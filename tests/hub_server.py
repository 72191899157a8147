"""A Hub on loopback for the tests: the Hub's protocol, spoken to by the real client, with the faults that a network and a Hub have.

Two servers stand for two hosts: the Hub, and the store behind it to which files of Git LFS are redirected. What is written to it by the
client (repositories, commits, files of Git LFS) can be read back. Every request is recorded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import ModelCard, constants
from huggingface_hub.utils import close_session

WRITER, READER, STRANGER = "hf_writer", "hf_reader", "hf_stranger"
_LFS = re.compile(r".*\.(safetensors|bin|pth|pt|ckpt|h5)")
_LFS_ABOVE_BYTES = 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_JSON = "application/json; charset=utf-8"


@dataclass
class Fault:
    """What goes wrong with the requests whose path holds `where` (those to the store begin with `/store/`), `times` times or always.

    `delay` and `pause` are seconds before the answer and between pieces of `piece` bytes; `stall_after` and `cut_after` count bytes of the
    body, after which nothing comes any more or the connection ends; `drop` shortens the body and its announced length; `flip` is the byte
    of the file whose lowest bit changes."""

    where: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    kind: str = _JSON
    delay: float = 0
    pause: float = 0
    piece: int = 2**16
    stall_after: int | None = None
    cut_after: int | None = None
    drop: int = 0
    flip: int | None = None
    ignore_range: bool = False
    times: int | None = None


@dataclass
class Asked:
    """One request, with lower-case header names and the status it got."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int = 0


@dataclass
class Repository:
    gated: bool = False
    private: bool = False
    licence: str | None = None
    library: str = "timm"
    tags: tuple[str, ...] = ()
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)


class Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})


class LoopbackHub:
    """`with LoopbackHub() as hub:` – a Hub at `hub.url` until the end of the block."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[Asked] = []
        self.tokens = {WRITER: "write", READER: "read", STRANGER: "read"}
        self.objects: dict[str, bytes] = {}
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self._home = TemporaryDirectory(prefix="hub-home-")
        self.home = Path(self._home.name)
        self._servers = [_Server(self, "/store" if number else "") for number in range(2)]
        self.url, self.store_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in self._servers]

    def __enter__(self) -> LoopbackHub:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.hang_up()
            server.server_close()
        self._home.cleanup()

    def add(
        self,
        repository: str,
        files: Path | Mapping[str, bytes],
        revision: str = "main",
        licence: str | None = None,
        gated: bool = False,
        private: bool = False,
        tag: str = "",
        **more: Any,
    ) -> str:
        """Commit a folder, or files by name, to a branch; returns the commit. `more` are fields of Repository."""
        if isinstance(files, Path):
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in sorted(files.rglob("*")) if path.is_file()}
        own = self.repositories.setdefault(repository, Repository(gated, private, licence, **more))
        commit = self.commit(repository, revision, dict(files))
        if tag:
            own.marks[tag] = commit
        return commit

    def commit(self, repository: str, branch: str, files: dict[str, bytes]) -> str:
        own = self.repositories[repository]
        tree = json.dumps([branch, own.branches.get(branch), {name: git_blob(content) for name, content in sorted(files.items())}])
        commit = hashlib.sha1(tree.encode()).hexdigest()
        own.commits[commit], own.branches[branch] = files, commit
        self.objects |= {hashlib.sha256(content).hexdigest(): content for name, content in files.items() if is_lfs(name, content)}
        return commit

    def environment(self) -> dict[str, str]:
        """The variables with which a program finds this Hub, a cache of its own, and no token."""
        return {
            "HF_ENDPOINT": self.url, "HF_HOME": str(self.home), "HF_HUB_CACHE": str(self.home / "hub"), "HF_TOKEN": "",
            "HF_TOKEN_PATH": str(self.home / "token"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "*",
        }  # fmt: skip

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this very process find this Hub until the end of the test."""
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)
        for name in ("HUGGING_FACE_HUB_TOKEN", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        # What the client itself reads once, when it is imported; and its session knows the proxies of the moment when it was made.
        for name, value in {
            "ENDPOINT": self.url, "HUGGINGFACE_CO_URL_TEMPLATE": self.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(self.home / "hub"), "HF_TOKEN_PATH": str(self.home / "token"), "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True, "HF_HUB_DISABLE_TELEMETRY": True, "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
        }.items():  # fmt: skip
            monkeypatch.setattr(constants, name, value)
        close_session()

    def asked(self, part: str = "") -> list[Asked]:
        """The requests whose path holds `part`, in order."""
        with self.lock:
            return [one for one in self.requests if part in one.path]

    def fault(self, path: str) -> Fault | None:
        with self.lock:
            for one in self.faults:
                if one.where in path and one.times != 0:
                    one.times = None if one.times is None else one.times - 1
                    return one
        return None


def git_blob(content: bytes) -> str:
    """The name that git gives to this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(name: str, content: bytes) -> bool:
    return _LFS.fullmatch(name) is not None or len(content) > _LFS_ABOVE_BYTES


def pointer(content: bytes) -> bytes:
    """What git itself keeps of a file of Git LFS."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
        hashlib.sha256(content).hexdigest().encode(), len(content),
    )  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: LoopbackHub, prefix: str) -> None:
        self.hub, self.prefix = hub, prefix
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that the client keeps for its next request."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is one of the things that are tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each answer waits 40 ms for the client's acknowledgement of its headers.
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    @property
    def hub(self) -> LoopbackHub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def _do(self) -> None:
        assert isinstance(self.server, _Server)
        parts = urlsplit(self.path)
        self.asked = Asked(
            self.command, self.server.prefix + unquote(parts.path), parts.query, {key.lower(): value for key, value in self.headers.items()}
        )
        with self.hub.lock:
            self.hub.requests.append(self.asked)
        self.content = self._read_content()
        self.fault = self.hub.fault(self.asked.path)
        if self.fault is not None and self.fault.delay:
            self.hub.closing.wait(self.fault.delay)
        if self.fault is not None and (self.fault.status or self.fault.body is not None):
            self._answer(self.fault.status or 200, self.fault.body or b"", self.fault.headers, self.fault.kind)
            return
        try:
            self._route(self.server.prefix + parts.path)
        except Refused as refused:
            self._answer(refused.status, json.dumps({"error": str(refused)}).encode(), refused.headers)

    do_GET = do_HEAD = do_POST = do_PUT = _do

    def _read_content(self) -> bytes:
        if self.headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _route(self, path: str) -> None:
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method.split():
                answer(self, **{name: unquote(value) for name, value in found.groupdict(default="").items()})
                return
        raise Refused(404, "", "Not found")

    def _answer(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None, kind: str = _JSON) -> None:
        """Send an answer, with what the fault of this request does to its body."""
        fault = self.fault or Fault("")
        self.asked.status = status
        content = content[: len(content) - fault.drop]
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        stop = min([len(content), *(limit for limit in (fault.stall_after, fault.cut_after) if limit is not None)])
        for start in range(0, stop, fault.piece):
            self.wfile.write(content[start : min(start + fault.piece, stop)])
            if fault.pause:
                self.hub.closing.wait(fault.pause)
        if fault.stall_after is not None and stop < len(content):
            self.hub.closing.wait(60)
        if stop < len(content):
            self.close_connection = True

    def _say(self, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._answer(status, json.dumps(data).encode(), headers)

    def _token(self) -> str:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return token

    def _found(self, repository: str, revision: str = "main", content: bool = False) -> tuple[Repository, str]:
        """The repository and the commit; `content` is not given away of a gated one."""
        token, own = self._token(), self.hub.repositories.get(repository)
        hidden = own is None or (own.private and token not in own.readers and self.hub.tokens.get(token) != "write")
        if own is None or hidden:
            # The Hub does not tell a stranger whether there is such a repository.
            raise Refused(404, "RepoNotFound", "Repository not found") if token else Refused(401, "", "Invalid username or password.")
        if content and own.gated and token not in own.readers:
            raise Refused(403 if token else 401, "GatedRepo", f"Access to model {repository} is restricted.")
        commit = own.branches.get(revision) or own.marks.get(revision) or revision
        if commit not in own.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return own, commit

    def _writable(self) -> str:
        token = self._token()
        if self.hub.tokens.get(token) != "write":
            raise Refused(403 if token else 401, "", "You don't have the rights to do this." if token else "Invalid username or password.")
        return token

    # What is read.

    def _info(self, repository: str, revision: str) -> None:
        own, commit = self._found(repository, revision or "main")
        files = own.commits[commit]
        blobs = parse_qs(self.asked.query).get("blobs", ["false"])[0].lower() == "true"
        card = ModelCard(files.get("README.md", b"").decode(), ignore_metadata_errors=True).data.to_dict()
        card |= {"license": own.licence} if own.licence is not None else {}
        licence = [f"license:{card['license']}"] if isinstance(card.get("license"), str) else []
        self._say(
            {
                "_id": "0", "id": repository, "modelId": repository, "author": repository.split("/")[0], "sha": commit,
                "private": own.private, "gated": "manual" if own.gated else False, "disabled": False, "downloads": 0, "likes": 0,
                "library_name": own.library, "tags": [own.library, *own.tags, *licence], "cardData": card,
                "siblings": [_sibling(name, content) if blobs else {"rfilename": name} for name, content in files.items()],
                "createdAt": "2026-01-01T00:00:00.000Z", "lastModified": "2026-01-01T00:00:00.000Z",
            }
        )  # fmt: skip

    def _tree(self, repository: str, revision: str) -> None:
        own, commit = self._found(repository, revision)
        self._say([_entry(name, content) for name, content in own.commits[commit].items()])

    def _paths(self, repository: str, revision: str) -> None:
        own, commit = self._found(repository, revision)
        form = json.loads(self.content) if self.content[:1] == b"{" else parse_qs(self.content.decode())
        self._say([_entry(name, content) for name, content in own.commits[commit].items() if name in form["paths"]])

    def _refs(self, repository: str) -> None:
        own, _ = self._found(repository)
        kinds = {"branches": ("heads", own.branches), "tags": ("tags", own.marks)}
        self._say(
            {
                kind: [{"name": name, "ref": f"refs/{word}/{name}", "targetCommit": commit} for name, commit in named.items()]
                for kind, (word, named) in kinds.items()
            }
            | {"converts": []}
        )

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        own, commit = self._found(repository, revision, content=True)
        headers = {"X-Repo-Commit": commit}
        if name not in own.commits[commit]:
            refused = Refused(404, "EntryNotFound", "Entry not found")
            refused.headers |= headers
            raise refused
        content = own.commits[commit][name]
        if is_lfs(name, content):
            digest = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content)), "ETag": f'"{git_blob(pointer(content))}"'}
            self._answer(302, b"", headers | {"Location": f"{self.hub.store_url}/{digest}?signature=1"})
        else:
            headers |= {"X-Linked-Size": str(len(content)), "ETag": f'"{git_blob(content)}"'}
            self._answer(307, b"", headers | {"Location": f"/api/resolve-cache/models/{repository}/{commit}/{name}"})

    def _kept(self, repository: str, revision: str, name: str) -> None:
        own, commit = self._found(repository, revision, content=True)
        content = own.commits[commit][name]
        self._send_file(content, {"X-Repo-Commit": commit, "ETag": f'"{git_blob(content)}"'}, "text/plain; charset=utf-8")

    def _object(self, digest: str) -> None:
        # The signature in the address is what opens the store: a token has no business here.
        if "authorization" in self.asked.headers:
            raise Refused(400, "", "Only one auth mechanism allowed")
        self._send_file(self.hub.objects[digest], {"ETag": f'"{digest}"'}, "application/octet-stream")

    def _send_file(self, content: bytes, headers: Mapping[str, str], kind: str) -> None:
        fault = self.fault or Fault("")
        if fault.flip is not None:
            content = content[: fault.flip] + bytes([content[fault.flip] ^ 1]) + content[fault.flip + 1 :]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if not found or fault.ignore_range:
            self._answer(200, content, {"Accept-Ranges": "bytes", **headers}, kind)
            return
        start, end = int(found[1]), min(int(found[2] or len(content) - 1), len(content) - 1)
        if start > end:
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        extent = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
        self._answer(206, content[start : end + 1], {"Accept-Ranges": "bytes", **headers, **extent}, kind)

    # What is written.

    def _create(self) -> None:
        token, data = self._writable(), json.loads(self.content)
        repository = f"{data['organization'] or 'owner'}/{data['name']}"
        url = {"url": f"{self.hub.url}/{repository}"}
        if repository in self.hub.repositories:
            self._say({"error": "You already created this model repo", **url}, 409)
            return
        private = data.get("visibility") == "private" or bool(data.get("private"))
        self.hub.repositories[repository] = Repository(private=private, readers={token})
        self.hub.commit(repository, "main", {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        self._say(url)

    def _validate(self) -> None:
        empty = not json.loads(self.content)["content"].startswith("---\n")
        self._say({"warnings": [{"message": "empty or missing yaml metadata in repo card"}] if empty else [], "errors": []})

    def _branch(self, repository: str, branch: str) -> None:
        self._writable()
        own, commit = self._found(repository)
        if branch in own.branches:
            raise Refused(409, "", "Reference already exists")
        own.branches[branch] = commit
        self._say({})

    def _preupload(self, repository: str, revision: str) -> None:
        self._writable()
        own, commit = self._found(repository, revision)
        told = []
        for file in json.loads(self.content)["files"]:
            lfs = _LFS.fullmatch(file["path"]) or file["size"] > _LFS_ABOVE_BYTES
            there = own.commits[commit].get(file["path"])
            oid = {} if there is None else {"oid": hashlib.sha256(there).hexdigest() if lfs else git_blob(there)}
            told.append({"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, **oid})
        self._say({"files": told})

    def _batch(self, repository: str) -> None:
        self._writable()
        self._found(repository)
        told = []
        for one in json.loads(self.content)["objects"]:
            actions = {
                "upload": {"href": f"{self.hub.store_url}/{one['oid']}?signature=1"},
                "verify": {"href": f"{self.hub.url}/{repository}.git/info/lfs/objects/verify"},
            }
            told.append({**one, "authenticated": True, **({} if one["oid"] in self.hub.objects else {"actions": actions})})
        self._say({"transfer": "basic", "objects": told})

    def _put(self, digest: str) -> None:
        if hashlib.sha256(self.content).hexdigest() != digest:
            raise Refused(400, "", "The content has another sha256")
        self.hub.objects[digest] = self.content
        self._answer(200)

    def _verify(self, repository: str) -> None:
        self._writable()
        data = json.loads(self.content)
        if len(self.hub.objects.get(data["oid"], b"")) != data["size"]:
            raise Refused(404, "", f"No such object of {repository}")
        self._say({})

    def _commit(self, repository: str, revision: str) -> None:
        self._writable()
        own, parent = self._found(repository, revision)
        files = dict(own.commits[parent])
        for line in self.content.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.hub.commit(repository, revision, files)
        url = f"{self.hub.url}/{repository}/commit/{commit}"
        self._say({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    entry = _entry(name, content)
    told = {"rfilename": name, "size": entry["size"], "blobId": entry["oid"]}
    if "lfs" in entry:
        told["lfs"] = {"sha256": entry["lfs"]["oid"], "size": len(content), "pointerSize": len(pointer(content))}
    return told


def _entry(name: str, content: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": git_blob(content)}
    if is_lfs(name, content):
        told["oid"] = git_blob(pointer(content))
        told["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": len(pointer(content))}
    return told


_OWN = r"(?P<repository>[^/]+/[^/]+)"
_REV = r"(?P<revision>[^/]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., None]], ...] = (
    ("GET", rf"/api/models/{_OWN}(/revision/{_REV})?", _Handler._info),
    ("GET", rf"/api/models/{_OWN}/tree/{_REV}", _Handler._tree),
    ("POST", rf"/api/models/{_OWN}/paths-info/{_REV}", _Handler._paths),
    ("GET", rf"/api/models/{_OWN}/refs", _Handler._refs),
    ("GET HEAD", rf"/{_OWN}/resolve/{_REV}/(?P<name>.+)", _Handler._resolve),
    ("GET HEAD", rf"/api/resolve-cache/models/{_OWN}/{_REV}/(?P<name>.+)", _Handler._kept),
    ("GET HEAD", r"/store/(?P<digest>[0-9a-f]{64})", _Handler._object),
    ("PUT", r"/store/(?P<digest>[0-9a-f]{64})", _Handler._put),
    ("POST", r"/api/repos/create", _Handler._create),
    ("POST", r"/api/validate-yaml", _Handler._validate),
    ("POST", rf"/api/models/{_OWN}/branch/(?P<branch>[^/]+)", _Handler._branch),
    ("POST", rf"/api/models/{_OWN}/preupload/{_REV}", _Handler._preupload),
    ("POST", rf"/{_OWN}\.git/info/lfs/objects/batch", _Handler._batch),
    ("POST", rf"/{_OWN}\.git/info/lfs/objects/verify", _Handler._verify),
    ("POST", rf"/api/models/{_OWN}/commit/{_REV}", _Handler._commit),
)
