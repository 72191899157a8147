"""Uploads and results go as soon as they may, and nobody's file is another's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.evidence import Interval
from attribution.web import uploads as shelves
from attribution.web.uploads import Upload, Uploads, lighter, nearest_face, private_folder
from samples import MANIPULATED, clip, picture


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return Uploads(folder)


def upload(uploads: Uploads, name: str = "photo.JPG", content: bytes = b"pixels") -> Path:
    """As Gradio puts it: under the hash of its content."""
    path = uploads.folder / "a1b2" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def files(uploads: Uploads) -> list[Path]:
    return [path for path in uploads.folder.rglob("*") if path.is_file()]


def age(path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 3600) -> None:
    """Nobody can set a change time back: let the clock run ahead instead."""
    now = time.time()
    monkeypatch.setattr(shelves.time, "time", lambda: now + seconds)
    assert path.exists()


def test_an_upload_is_taken_under_a_name_that_says_nothing(uploads: Uploads) -> None:
    job = uploads.take(upload(uploads))
    assert job.name == "photo.JPG"
    assert "photo" not in str(job.path)
    assert job.path.suffix == ".jpg"
    assert job.path.read_bytes() == b"pixels"
    assert not os.stat(job.path.parent).st_mode & 0o077


def test_an_odd_extension_is_not_kept(uploads: Uploads) -> None:
    assert uploads.take(upload(uploads, "x.not-an-extension-at-all")).path.suffix == ""


def test_an_upload_that_is_gone_is_an_error(uploads: Uploads) -> None:
    with pytest.raises(FileNotFoundError):
        uploads.take(uploads.folder / "a1b2" / "gone.jpg")


def test_a_released_upload_leaves_no_byte(uploads: Uploads) -> None:
    uploads.release(uploads.take(upload(uploads)))
    assert files(uploads) == []


def test_two_people_may_send_the_same_file(uploads: Uploads) -> None:
    first = uploads.take(upload(uploads))
    again = upload(uploads)
    again.unlink()
    again.write_bytes(b"pixels")
    uploads.release(first)
    second = uploads.take(again)
    assert second.path.read_bytes() == b"pixels"
    uploads.release(second)
    assert files(uploads) == []


def test_both_may_even_arrive_before_either_is_taken(uploads: Uploads) -> None:
    path = upload(uploads)
    first, second = uploads.take(path), uploads.take(path)
    uploads.release(first)
    assert second.path.read_bytes() == b"pixels"
    uploads.release(second)
    assert files(uploads) == []


def test_releasing_twice_is_no_error(uploads: Uploads) -> None:
    job = uploads.take(upload(uploads))
    uploads.release(job)
    uploads.release(job)


def test_an_example_is_never_deleted(uploads: Uploads, tmp_path: Path) -> None:
    (tmp_path / "example.png").write_bytes(b"example")
    published = uploads.publish(tmp_path / "example.png")
    uploads.release(Upload(published, "example.png", example=True))
    uploads.sweep(-1)
    assert published.read_bytes() == b"example"


def test_a_clip_stays_for_its_player_and_goes_with_the_next_result(uploads: Uploads) -> None:
    session = uploads.session("page")
    kept = uploads.keep_for_player(session, uploads.take(upload(uploads, "holiday.MOV")), ".mp4")
    assert files(uploads) == [kept]
    assert kept.suffix == ".mp4"
    session.evidence = clip()
    uploads.clear(session)
    assert files(uploads) == []
    assert session.evidence is None


def test_closing_the_page_deletes_clip_result_and_waiting_file(uploads: Uploads) -> None:
    session = uploads.session("page")
    uploads.keep_for_player(session, uploads.take(upload(uploads, "a.mp4")), ".mp4")
    session.evidence = clip()
    session.job = uploads.take(upload(uploads, "b.mp4"))
    uploads.forget("page")
    assert files(uploads) == []
    assert uploads.session("page").evidence is None
    uploads.forget("never opened")


def test_pages_do_not_see_each_other(uploads: Uploads) -> None:
    uploads.session("one").evidence = clip()
    assert uploads.session("two").evidence is None
    assert uploads.session("one").evidence is not None


def test_the_page_that_was_idle_longest_is_forgotten_first(uploads: Uploads) -> None:
    for number in range(shelves.MOST_SESSIONS):
        uploads.session(str(number)).evidence = picture(MANIPULATED)
    uploads.session("0")
    uploads.session("one too many")
    assert uploads.session("0").evidence is not None
    assert uploads.session("1").evidence is None


def test_old_files_and_empty_folders_are_swept(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    path = upload(uploads)
    orphan = uploads.folder / "tmp1234"
    orphan.write_bytes(b"half an upload")
    uploads.sweep()
    assert path.exists()
    assert orphan.exists()
    age(path, monkeypatch)
    uploads.sweep()
    assert list(uploads.folder.iterdir()) == []


def test_a_closed_shelf_is_gone(uploads: Uploads) -> None:
    upload(uploads)
    uploads.sweep_for_ever()
    uploads.close()
    assert not uploads.folder.exists()
    uploads.sweep()


def test_the_private_folder_is_private_and_goes_with_the_process() -> None:
    script = "from attribution.web.uploads import private_folder; f = private_folder(); (f / 'x').write_text('x'); print(f, oct(f.stat().st_mode))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    folder, mode = done.stdout.split()
    assert mode.endswith("700")
    assert not Path(folder).exists()


def test_the_folder_of_a_killed_process_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    left = tmp_path / f"telltale-{dead}-abc"
    own = tmp_path / f"telltale-{os.getpid()}-def"
    other = tmp_path / "telltale-notes"
    for folder in (left, own, other):
        folder.mkdir()
        (folder / "face.png").write_bytes(b"x")
    fresh = private_folder()
    assert not left.exists()
    assert own.exists()
    assert other.exists()
    fresh.rmdir()


def test_a_page_keeps_few_crops() -> None:
    evidence = lighter(clip(faces=32), most_crops=10)
    for heavy, light in zip(clip(faces=32).tracks, evidence.tracks, strict=True):
        assert heavy.track is not None
        assert light.track is not None
        assert light.reading is not None
        assert len(light.track.faces) <= 6
        assert len(light.reading.logits) == len(light.track.faces)
        assert light.timeline == heavy.timeline
        times = [face.seconds for face in light.track.faces]
        assert (times[0], times[-1]) == (0.0, 7.75)


def test_a_crowd_keeps_the_best_face_of_each() -> None:
    evidence = lighter(clip(faces=32), most_crops=1)
    assert [len(track.track.faces) for track in evidence.tracks if track.track] == [1, 1]
    assert lighter(picture()).tracks == ()


def test_the_face_that_stands_for_a_track_stays() -> None:
    (whole, _) = clip(faces=32).tracks
    for worst in (Interval(3.0, 5.0, 0.95, 9), Interval(0.5, 1.0, 0.95, 3), None):
        track = replace(whole, worst=worst)
        shown = track.shown
        assert track.track is not None
        assert shown is not None
        light = lighter(picture(MANIPULATED, tracks=(track,)), most_crops=3).tracks[0]
        again = light.shown
        assert light.track is not None
        assert again is not None
        assert light.track.faces[again].seconds == track.track.faces[shown].seconds, "what was marked on it is drawn on it"


def test_the_reading_follows_the_faces_that_were_kept() -> None:
    (track, _) = clip(faces=9).tracks
    assert track.track is not None
    light = lighter(picture(MANIPULATED, tracks=(track,)), most_crops=4).tracks[0]
    assert light.track is not None
    assert light.reading is not None
    assert track.reading is not None
    kept = [track.track.faces.index(face) for face in light.track.faces]
    assert np.array_equal(light.reading.embeddings, track.reading.embeddings[kept])


def test_the_nearest_face_in_time() -> None:
    (track, _) = clip().tracks
    assert track.track is not None
    assert [nearest_face(track.track.faces, seconds) for seconds in (-5, 0.3, 1e9)] == [0, 1, 31]
