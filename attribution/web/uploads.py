"""Where uploads and results stay while they are needed, and no longer.

Everything lies in one folder of this process that only its user can read, and Gradio's own temporary files with it. An upload is put under
a name that nobody can guess as soon as it arrives, so that two people who send the same bytes never share a file. It is deleted after the
examination; a clip stays while its player is on the page. Whatever is older than ten minutes is swept, and the folder goes with the
process; the folder of a killed process is removed at the next start. Results live in memory only, for one open page each.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from attribution.detectors.spec import Selection
from attribution.evidence import Evidence, Face, Heatmap, Patches, Predictions, Track, TrackEvidence

if TYPE_CHECKING:
    from attribution.explain.patches import Tiles

PREFIX = "telltale-"
OLDEST_SECONDS = 600
SWEEP_SECONDS = 30
MOST_SESSIONS = 64
# 96 crops of 224 px are 14 MB: the most that one page keeps in memory.
MOST_CROPS = 96


@dataclass(frozen=True)
class Upload:
    """A file to examine: `path` is ours to delete unless it is an example."""

    path: Path
    name: str
    example: bool = False
    original: Path | None = None
    inode: int = 0


@dataclass
class Session:
    """What one open page holds."""

    job: Upload | None = None
    selection: Selection | None = None
    """The detectors that this page chose for the files to come; None for the default."""
    examined_with: Selection | None = None
    """Those that gave the evidence."""
    evidence: Evidence | None = None
    picture: np.ndarray | None = None
    clip: Path | None = None
    chosen: int = 0
    """Index of the track that is shown."""
    moment: int = 0
    """Index of the face in that track."""
    opinion: int | None = None
    """Index of the second opinion that the reader chose to see; None leaves the choice to the page."""
    heatmaps: dict[tuple[int, int, str], Heatmap] = field(default_factory=dict)
    """By track, face and label."""
    opinion_heatmaps: dict[tuple[int, int], Heatmap] = field(default_factory=dict)
    """By track and opinion."""
    tiles: tuple[Tiles | None, ...] = ()
    """The surroundings of each track, for the patch view."""
    patches: dict[tuple[int, int], Patches] = field(default_factory=dict)
    """Those that were asked for on the page, by track and opinion."""


class Uploads:
    """Files below `folder` and one Session per open page, by the page's session hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keep: set[Path] = set()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def session(self, key: str) -> Session:
        """The session of that page, made on first use; the page that was idle longest is forgotten when there are too many."""
        with self._lock:
            session = self._sessions.setdefault(key, Session())
            self._sessions.move_to_end(key)
            forgotten = self._sessions.popitem(last=False)[1] if len(self._sessions) > MOST_SESSIONS else None
        if forgotten is not None:
            self._delete(forgotten)
        return session

    def forget(self, key: str) -> None:
        """The page was closed: its files and its result go."""
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            self._delete(session)

    def take(self, upload: str | Path) -> Upload:
        """Put an upload under a name of our own (a second name of the same bytes: nothing is copied). Raises OSError when it is gone."""
        original = Path(upload)
        path = self._place(original.suffix.lower() if len(original.suffix) <= 6 else "")
        _second_name(original, path)
        return Upload(path, original.name, original=original, inode=original.stat().st_ino)

    def publish(self, file: Path) -> Path:
        """A copy of one of our own files (an example) that the page may show; it stays for good."""
        path = self._place(file.suffix)
        shutil.copyfile(file, path)
        self._keep.add(path)
        return path

    def release(self, job: Upload) -> None:
        """Delete an examined upload; an example stays."""
        if job.example:
            return
        _remove(job.path)
        # Somebody else may have sent the same bytes under the same name since: then the name is theirs.
        with contextlib.suppress(OSError):
            if job.original is not None and job.original.stat().st_ino == job.inode:
                job.original.unlink()

    def keep_for_player(self, session: Session, job: Upload, extension: str) -> Path:
        """Delete the upload but for one name, with the extension that tells browsers what it is; the session owns it from now on."""
        path = self._place(extension)
        _second_name(job.path, path)
        self.release(job)
        session.clip = path
        return path

    def clear(self, session: Session) -> None:
        """Forget the result of a page and delete its clip."""
        if session.clip is not None:
            _remove(session.clip)
        session.evidence = session.picture = session.clip = None
        session.tiles = ()
        session.opinion = None
        for made in (session.heatmaps, session.opinion_heatmaps, session.patches):
            made.clear()

    def sweep(self, oldest_seconds: float = OLDEST_SECONDS) -> None:
        """Delete every file older than that (and every folder that is left empty), except published ones."""
        before = time.time() - oldest_seconds
        for folder, _, names in os.walk(self.folder, topdown=False):
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    if path not in self._keep and path.lstat().st_ctime < before:
                        path.unlink()
            with contextlib.suppress(OSError):
                if Path(folder) != self.folder and os.stat(folder).st_ctime < before:
                    os.rmdir(folder)

    def sweep_for_ever(self) -> None:
        """Sweep every half minute on a thread that ends with the process or with `close`."""

        def work() -> None:
            while not self._stop.wait(SWEEP_SECONDS):
                self.sweep()

        threading.Thread(target=work, name="sweep", daemon=True).start()

    def close(self) -> None:
        """End sweeping and delete the folder."""
        self._stop.set()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, suffix: str) -> Path:
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder / f"file{suffix}"

    def _delete(self, session: Session) -> None:
        self.clear(session)
        if session.job is not None:
            self.release(session.job)
            session.job = None


def private_folder() -> Path:
    """A fresh temporary folder of this process, for its user only, deleted when the process ends. Folders of killed ones go now."""
    base = Path(tempfile.gettempdir())
    for old in base.glob(f"{PREFIX}*-*"):
        owner = old.name[len(PREFIX) :].split("-")[0]
        if owner.isdecimal() and not _alive(int(owner), old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def lighter(evidence: Evidence, most_crops: int = MOST_CROPS) -> Evidence:
    """The evidence with at most `most_crops` faces' pixels in all: each track keeps the face that stands for it and others evenly over its
    length."""
    each = max(1, most_crops // max(1, len(evidence.tracks)))
    tracks = tuple(_lighter(track, each) for track in evidence.tracks)
    return replace(evidence, tracks=tracks)


def _lighter(evidence: TrackEvidence, each: int) -> TrackEvidence:
    track, reading = evidence.track, evidence.reading
    if track is None or len(track.faces) <= each:
        return evidence
    # What was marked or explained by the pipeline is this face.
    shown = evidence.shown or 0
    wanted = sorted({shown, *(round(i) for i in np.linspace(0, len(track.faces) - 1, each - 1))} if each > 1 else {shown})
    kept = None
    if reading is not None:
        kept = Predictions(reading.logits[wanted], reading.p_methods[wanted], reading.embeddings[wanted])
    return replace(evidence, track=Track(track.id, tuple(track.faces[i] for i in wanted)), reading=kept)


def nearest_face(faces: Sequence[Face], seconds: float) -> int:
    """The index of the face that is nearest in time."""
    return min(range(len(faces)), key=lambda index: abs(faces[index].seconds - seconds))


def _second_name(original: Path, path: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links. Raises OSError when it is gone."""
    try:
        os.link(original, path)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(original, path)


def _alive(pid: int, folder: Path) -> bool:
    """Whether that process may still use its folder. Windows has no harmless signal: there, a folder of the last day counts as used."""
    if os.name != "posix":
        return time.time() - folder.stat().st_mtime < 86_400
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()
