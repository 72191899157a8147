"""A detector's files in a Hub cache, for measurements and tests that need one there without a network."""

from __future__ import annotations

import hashlib
from pathlib import Path


def put_in_cache(cache: Path, repository: str, folder: Path, commit: str) -> Path:
    """The files of a folder as the Hub's client leaves them: content under its digest, names as links to it, and the commit as that of the
    branch `main`. Gives the snapshot's folder."""
    root = cache / f"models--{repository.replace('/', '--')}"
    blobs, references, snapshot = root / "blobs", root / "refs", root / "snapshots" / commit
    for made in (blobs, references, snapshot):
        made.mkdir(parents=True, exist_ok=True)
    (references / "main").write_text(commit, encoding="ascii")
    for path in folder.iterdir():
        content = path.read_bytes()
        # A file of Git LFS is called by its content's digest, any other by that of its git blob.
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        digest = (hashlib.sha256(content) if path.suffix == ".safetensors" else blob).hexdigest()
        (blobs / digest).write_bytes(content)
        (snapshot / path.name).symlink_to(Path("../../blobs") / digest)
    return snapshot
