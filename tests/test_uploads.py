"""Uploads and results go as soon as they may, and nobody's file is another's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attribution.evidence import Interval
from attribution.web import sessions as sessions_module
from attribution.web import uploads as uploads_module
from attribution.web.sessions import Session, Sessions, lighter
from attribution.web.uploads import Upload, Uploads, private_folder
from samples import MANIPULATED, clip, picture

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return Uploads(folder)


@pytest.fixture
def sessions(uploads: Uploads) -> Sessions:
    return Sessions(uploads)


def of(name: str) -> Any:
    """The request of a page."""
    return SimpleNamespace(session_hash=name)


def put(uploads: Uploads, name: str = "photo.JPG", content: bytes = b"pixels") -> Path:
    """As Gradio puts it: under the hash of its content."""
    path = uploads.folder / "a1b2" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def files(uploads: Uploads) -> list[Path]:
    return [path for path in uploads.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("name", "suffix"), [("photo.JPG", ".jpg"), ("x.not-an-extension-at-all", "")])
def test_an_upload_is_taken_under_a_name_that_says_nothing_and_leaves_no_byte(uploads: Uploads, name: str, suffix: str) -> None:
    upload = uploads.take(put(uploads, name))
    assert upload.name == name
    assert "photo" not in str(upload.path)
    assert upload.path.suffix == suffix
    assert upload.path.read_bytes() == b"pixels"
    assert not os.stat(upload.path.parent).st_mode & 0o077
    for _ in range(2):
        uploads.release(upload)
        assert files(uploads) == []
    with pytest.raises(FileNotFoundError):
        uploads.take(uploads.folder / "a1b2" / name)


@pytest.mark.parametrize("both_arrive_first", [False, True])
def test_two_people_may_send_the_same_file(uploads: Uploads, both_arrive_first: bool) -> None:
    path = put(uploads)
    first = uploads.take(path)
    if both_arrive_first:
        second = uploads.take(path)
        uploads.release(first)
    else:
        path.unlink()
        path.write_bytes(b"pixels")
        uploads.release(first)
        second = uploads.take(path)
    assert second.path.read_bytes() == b"pixels"
    uploads.release(second)
    assert files(uploads) == []


def test_an_example_is_never_deleted(uploads: Uploads, tmp_path: Path) -> None:
    (tmp_path / "example.png").write_bytes(b"example")
    published = uploads.publish(tmp_path / "example.png")
    uploads.release(Upload(published, "example.png", example=True))
    uploads.sweep(-1)
    assert published.read_bytes() == b"example"


def test_closing_the_page_deletes_clip_result_and_waiting_file(uploads: Uploads, sessions: Sessions) -> None:
    session = sessions.of(of("page"))
    session.clip = uploads.keep_for_player(uploads.take(put(uploads, "holiday.MOV")), ".mp4")
    assert files(uploads) == [session.clip]
    session.show(clip())
    sessions.wait(session, uploads.take(put(uploads, "b.mp4")))
    assert sessions.of(of("another")).evidence is None
    sessions.forget(of("page"))
    assert files(uploads) == []
    assert sessions.of(of("page")).evidence is None
    assert sessions.forget(of("never opened")) is None


def test_the_page_that_was_idle_longest_is_forgotten_first(sessions: Sessions) -> None:
    for number in range(sessions_module.MOST_SESSIONS):
        sessions.of(of(str(number))).evidence = picture(MANIPULATED)
    sessions.of(of("0"))
    sessions.of(of("one too many"))
    assert len(sessions) == sessions_module.MOST_SESSIONS
    assert sessions.of(of("0")).evidence is not None
    assert sessions.of(of("1")).evidence is None


def test_old_files_and_empty_folders_are_swept(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    path, orphan = put(uploads), uploads.folder / "tmp1234"
    orphan.write_bytes(b"half an upload")
    uploads.sweep()
    assert [path.exists(), orphan.exists()] == [True, True]
    # Nobody can set a change time back: let the clock run ahead instead.
    now = time.time()
    monkeypatch.setattr(uploads_module.time, "time", lambda: now + 3600)
    uploads.sweep()
    assert list(uploads.folder.iterdir()) == []
    uploads.sweep_for_ever()
    uploads.close()
    assert not uploads.folder.exists()
    uploads.sweep()


def test_the_private_folder_is_private_and_goes_with_the_process() -> None:
    script = "from attribution.web.uploads import private_folder as p; f = p(); (f / 'x').write_text('x'); print(f, oct(f.stat().st_mode))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    folder, mode = done.stdout.split()
    assert mode.endswith("700")
    assert not Path(folder).exists()


def test_the_folder_of_a_killed_process_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = subprocess.Popen(["true"])
    killed.wait()
    left, own, other = (tmp_path / name for name in (f"telltale-{killed.pid}-abc", f"telltale-{os.getpid()}-def", "telltale-notes"))
    for folder in (left, own, other):
        folder.mkdir()
        (folder / "face.png").write_bytes(b"x")
    fresh = private_folder()
    assert [folder.exists() for folder in (left, own, other)] == [False, True, True]
    fresh.rmdir()


@pytest.mark.parametrize(("most", "each"), [(10, 6), (1, 1)])
def test_a_page_keeps_few_crops_and_the_face_that_stands_for_a_track(most: int, each: int) -> None:
    whole = clip(faces=32)
    for heavy, light in zip(whole.tracks, lighter(whole, most_crops=most).tracks, strict=True):
        assert heavy.track is not None
        assert light.track is not None
        assert light.predictions is not None
        assert heavy.predictions is not None
        assert len(light.track.faces) <= each
        assert light.timeline == heavy.timeline
        kept = [heavy.track.faces.index(face) for face in light.track.faces]
        assert np.array_equal(light.predictions.embeddings, heavy.predictions.embeddings[kept])
    for worst in (Interval(3.0, 5.0, 0.95, 9), Interval(0.5, 1.0, 0.95, 3), None):
        track = replace(whole.tracks[0], worst=worst)
        light = lighter(picture(MANIPULATED, tracks=(track,)), most_crops=most).tracks[0]
        assert track.track is not None
        assert light.track is not None
        assert light.track.faces[light.shown or 0].seconds == track.track.faces[track.shown or 0].seconds


def test_the_nearest_face_in_time_is_looked_at_and_nonsense_is_ignored() -> None:
    session = Session()
    session.look_at(0, 1.0)
    session.evidence = clip()
    for seconds, moment in ((-5, 0), (0.3, 1), (1e9, 31)):
        session.look_at(0, seconds)
        assert session.moment == moment
    session.opinion = 1
    for index in (99, -1, None, "0", [0]):
        session.look_at(index, 1.0)
        assert (session.chosen, session.moment, session.opinion) == (0, 31, 1)
    session.look_at(1, "soon")
    assert (session.chosen, session.opinion) == (1, None)
    assert session.moment == session.evidence.tracks[1].shown
