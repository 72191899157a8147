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
_JSON = "application/json; charset=utf-8"
_MOMENT = "2026-01-01T00:00:00.000Z"


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
    tags: tuple[str, ...] = ()
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}


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
        self._servers = [_Server(self, prefix) for prefix in ("", "/store")]
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

    def add(self, repository: str, files: Path | Mapping[str, bytes], revision: str = "main", tag: str = "", **more: Any) -> str:
        """Commit a folder, or files by name, to a branch; returns the commit. `more` are fields of Repository."""
        if isinstance(files, Path):
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in sorted(files.rglob("*")) if path.is_file()}
        own = self.repositories.setdefault(repository, Repository(**more))
        commit = self.commit(repository, revision, dict(files))
        own.marks |= {tag: commit} if tag else {}
        return commit

    def commit(self, repository: str, branch: str, files: dict[str, bytes]) -> str:
        own = self.repositories[repository]
        tree = json.dumps([branch, own.branches.get(branch), {name: git_blob(content) for name, content in sorted(files.items())}])
        commit = hashlib.sha1(tree.encode()).hexdigest()
        own.commits[commit], own.branches[branch] = files, commit
        self.objects |= {_sha256(content): content for name, content in files.items() if _is_lfs(name, len(content))}
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

    def fault(self, path: str) -> Fault:
        """What goes wrong with this request; a fault without effect where nothing does."""
        with self.lock:
            found = next((one for one in self.faults if one.where in path and one.times != 0), Fault(""))
            found.times = None if found.times is None else found.times - 1
            return found


def git_blob(content: bytes) -> str:
    """The name that git gives to this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_lfs(name: str, size: int) -> bool:
    return _LFS.fullmatch(name) is not None or size > _LFS_ABOVE_BYTES


def _pointer(content: bytes) -> bytes:
    """What git itself keeps of a file of Git LFS."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (_sha256(content).encode(), len(content))


def _entry(name: str, content: bytes) -> dict[str, Any]:
    """A file in a listing of a commit."""
    told: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": git_blob(content)}
    if _is_lfs(name, len(content)):
        small = _pointer(content)
        told |= {"oid": git_blob(small), "lfs": {"oid": _sha256(content), "size": len(content), "pointerSize": len(small)}}
    return told


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    """The same in what is said of a model."""
    entry = _entry(name, content)
    lfs = {"lfs": {**entry["lfs"], "sha256": entry["lfs"]["oid"]}} if "lfs" in entry else {}
    return {"rfilename": name, "size": entry["size"], "blobId": entry["oid"], **lfs}


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

    def _do(self) -> None:
        assert isinstance(self.server, _Server)
        self.hub, parts = self.server.hub, urlsplit(self.path)
        path, headers = self.server.prefix + parts.path, {key.lower(): value for key, value in self.headers.items()}
        self.asked = Asked(self.command, unquote(path), parts.query, headers)
        with self.hub.lock:
            self.hub.requests.append(self.asked)
        self.content = self._read_content()
        self.fault = self.hub.fault(self.asked.path)
        self.hub.closing.wait(self.fault.delay)
        if self.fault.status or self.fault.body is not None:
            self._answer(self.fault.status or 200, self.fault.body or b"", self.fault.headers, self.fault.kind)
            return
        try:
            for method, pattern, answer in _ROUTES:
                found = re.fullmatch(pattern, path)
                if found and self.command in method.split():
                    told = answer(self, **{name: unquote(value) for name, value in found.groupdict(default="").items()})
                    if told is not None:
                        self._answer(200, json.dumps(told).encode())
                    return
            raise Refused(404, "Not found")
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

    def _answer(self, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None, kind: str = _JSON) -> None:
        """Send an answer, with what the fault of this request does to its body."""
        fault, self.asked.status = self.fault, status
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
            self.hub.closing.wait(fault.pause)
        if stop < len(content):
            self.hub.closing.wait(60 if fault.stall_after is not None else 0)
            self.close_connection = True

    def _token(self, write: bool = False) -> str:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        if write and self.hub.tokens.get(token) != "write":
            raise Refused(403, "You don't have the rights to do this.") if token else Refused(401, "Invalid username or password.")
        return token

    def _found(self, repository: str, revision: str = "", content: bool = False, write: bool = False) -> tuple[Repository, str]:
        """The repository and the commit; `content` is not given away of a gated one."""
        token, own = self._token(write), self.hub.repositories.get(repository)
        if own is None or (own.private and token not in own.readers and self.hub.tokens.get(token) != "write"):
            # The Hub does not tell a stranger whether there is such a repository.
            raise Refused(404, "Repository not found", "RepoNotFound") if token else Refused(401, "Invalid username or password.")
        if content and own.gated and token not in own.readers:
            raise Refused(403 if token else 401, f"Access to model {repository} is restricted.", "GatedRepo")
        revision = revision or "main"
        commit = own.branches.get(revision) or own.marks.get(revision) or revision
        if commit not in own.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return own, commit

    # What is read. A method gives what is answered as JSON, or answers itself.

    def _info(self, repository: str, revision: str) -> Any:
        own, commit = self._found(repository, revision)
        files = own.commits[commit]
        blobs = parse_qs(self.asked.query).get("blobs", ["false"])[0].lower() == "true"
        card = ModelCard(files.get("README.md", b"").decode(), ignore_metadata_errors=True).data.to_dict()
        card |= {"license": own.licence} if own.licence is not None else {}
        licence = [f"license:{card['license']}"] if isinstance(card.get("license"), str) else []
        return {
            "_id": "0", "id": repository, "modelId": repository, "author": repository.split("/")[0], "sha": commit,
            "private": own.private, "gated": "manual" if own.gated else False, "disabled": False, "downloads": 0, "likes": 0,
            "library_name": "timm", "tags": ["timm", *own.tags, *licence], "cardData": card, "createdAt": _MOMENT, "lastModified": _MOMENT,
            "siblings": [_sibling(name, content) if blobs else {"rfilename": name} for name, content in files.items()],
        }  # fmt: skip

    def _tree(self, repository: str, revision: str) -> Any:
        own, commit = self._found(repository, revision)
        return [_entry(name, content) for name, content in own.commits[commit].items()]

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        own, commit = self._found(repository, revision, content=True)
        headers = {"X-Repo-Commit": commit}
        if name not in own.commits[commit]:
            raise Refused(404, "Entry not found", "EntryNotFound", headers)
        content = own.commits[commit][name]
        etag, status, place = git_blob(content), 307, f"/api/resolve-cache/models/{repository}/{commit}/{name}"
        if _is_lfs(name, len(content)):
            digest = _sha256(content)
            headers["X-Linked-Etag"] = f'"{digest}"'
            etag, status, place = git_blob(_pointer(content)), 302, f"{self.hub.store_url}/{digest}?signature=1"
        self._answer(status, b"", {**headers, "X-Linked-Size": str(len(content)), "ETag": f'"{etag}"', "Location": place})

    def _kept(self, repository: str, revision: str, name: str) -> None:
        own, commit = self._found(repository, revision, content=True)
        content = own.commits[commit][name]
        self._send_file(content, {"X-Repo-Commit": commit, "ETag": f'"{git_blob(content)}"'}, "text/plain; charset=utf-8")

    def _object(self, digest: str) -> None:
        # The signature in the address is what opens the store: a token has no business here.
        if "authorization" in self.asked.headers:
            raise Refused(400, "Only one auth mechanism allowed")
        self._send_file(self.hub.objects[digest], {"ETag": f'"{digest}"'}, "application/octet-stream")

    def _send_file(self, content: bytes, headers: Mapping[str, str], kind: str) -> None:
        if (flip := self.fault.flip) is not None:
            content = content[:flip] + bytes([content[flip] ^ 1]) + content[flip + 1 :]
        headers, found = {"Accept-Ranges": "bytes", **headers}, re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if not found or self.fault.ignore_range:
            self._answer(200, content, headers, kind)
            return
        start, end = int(found[1]), min(int(found[2] or len(content) - 1), len(content) - 1)
        if start > end:
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        self._answer(206, content[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"}, kind)

    # What is written.

    def _create(self) -> Any:
        token, data = self._token(write=True), json.loads(self.content)
        repository = f"{data['organization'] or 'owner'}/{data['name']}"
        url = {"url": f"{self.hub.url}/{repository}"}
        if repository in self.hub.repositories:
            self._answer(409, json.dumps({"error": "You already created this model repo", **url}).encode())
            return None
        private = data.get("visibility") == "private" or bool(data.get("private"))
        self.hub.repositories[repository] = Repository(private=private, readers={token})
        self.hub.commit(repository, "main", {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        return url

    def _validate(self) -> Any:
        empty = not json.loads(self.content)["content"].startswith("---\n")
        return {"warnings": [{"message": "empty or missing yaml metadata in repo card"}] if empty else [], "errors": []}

    def _branch(self, repository: str, branch: str) -> Any:
        own, commit = self._found(repository, write=True)
        if branch in own.branches:
            raise Refused(409, "Reference already exists")
        own.branches[branch] = commit
        return {}

    def _preupload(self, repository: str, revision: str) -> Any:
        own, commit = self._found(repository, revision, write=True)
        told = []
        for file in json.loads(self.content)["files"]:
            lfs, there = _is_lfs(file["path"], file["size"]), own.commits[commit].get(file["path"])
            oid = {} if there is None else {"oid": _sha256(there) if lfs else git_blob(there)}
            told.append({"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, **oid})
        return {"files": told}

    def _batch(self, repository: str) -> Any:
        self._found(repository, write=True)
        verify, told = {"href": f"{self.hub.url}/{repository}.git/info/lfs/objects/verify"}, []
        for one in json.loads(self.content)["objects"]:
            actions = {"upload": {"href": f"{self.hub.store_url}/{one['oid']}?signature=1"}, "verify": verify}
            told.append({**one, "authenticated": True, **({} if one["oid"] in self.hub.objects else {"actions": actions})})
        return {"transfer": "basic", "objects": told}

    def _put(self, digest: str) -> None:
        if _sha256(self.content) != digest:
            raise Refused(400, "The content has another sha256")
        self.hub.objects[digest] = self.content
        self._answer(200)

    def _verify(self, repository: str) -> Any:
        self._token(write=True)
        data = json.loads(self.content)
        if len(self.hub.objects.get(data["oid"], b"")) != data["size"]:
            raise Refused(404, f"No such object of {repository}")
        return {}

    def _commit(self, repository: str, revision: str) -> Any:
        own, parent = self._found(repository, revision, write=True)
        files = dict(own.commits[parent])
        for item in map(json.loads, self.content.splitlines()):
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.hub.commit(repository, revision, files)
        return {"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repository}/commit/{commit}", "hookOutput": ""}


_OWN, _REV = r"(?P<repository>[^/]+/[^/]+)", r"(?P<revision>[^/]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", rf"/api/models/{_OWN}(/revision/{_REV})?", _Handler._info), ("GET", rf"/api/models/{_OWN}/tree/{_REV}", _Handler._tree),
    ("GET HEAD", rf"/{_OWN}/resolve/{_REV}/(?P<name>.+)", _Handler._resolve),
    ("GET HEAD", rf"/api/resolve-cache/models/{_OWN}/{_REV}/(?P<name>.+)", _Handler._kept),
    ("GET HEAD", r"/store/(?P<digest>[0-9a-f]{64})", _Handler._object), ("PUT", r"/store/(?P<digest>[0-9a-f]{64})", _Handler._put),
    ("POST", r"/api/repos/create", _Handler._create), ("POST", r"/api/validate-yaml", _Handler._validate),
    ("POST", rf"/api/models/{_OWN}/branch/(?P<branch>[^/]+)", _Handler._branch),
    ("POST", rf"/api/models/{_OWN}/preupload/{_REV}", _Handler._preupload),
    ("POST", rf"/{_OWN}\.git/info/lfs/objects/batch", _Handler._batch),
    ("POST", rf"/{_OWN}\.git/info/lfs/objects/verify", _Handler._verify), ("POST", rf"/api/models/{_OWN}/commit/{_REV}", _Handler._commit),
)  # fmt: skip
