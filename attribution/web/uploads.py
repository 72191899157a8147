"""Where uploads stay while they are needed, and no longer: in one private folder, under names that nobody can guess, until they are
examined; a clip while its player is on the page. What is old is swept, and at the next start the folder of a killed process."""

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PREFIX = "telltale-"
OLDEST_SECONDS = 600
SWEEP_SECONDS = 30


@dataclass(frozen=True)
class Upload:
    """A file to examine: `path` is ours to delete unless it is an example."""

    path: Path
    name: str
    example: bool = False
    original: Path | None = None
    inode: int = 0


class Uploads:
    """The files below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keep: set[Path] = set()
        self._stop = threading.Event()

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

    def release(self, upload: Upload) -> None:
        """Delete an examined upload; an example stays."""
        if upload.example:
            return
        self.remove(upload.path)
        # Somebody else may have sent the same bytes under the same name since: then the name is theirs.
        with contextlib.suppress(OSError):
            if upload.original is not None and upload.original.stat().st_ino == upload.inode:
                upload.original.unlink()

    def keep_for_player(self, upload: Upload, extension: str) -> Path:
        """Delete the upload but for one name, with the extension that tells browsers what it is; whoever asks owns it from now on."""
        path = self._place(extension)
        _second_name(upload.path, path)
        self.release(upload)
        return path

    def remove(self, path: Path) -> None:
        """Delete a file and its folder; it may be gone already."""
        with contextlib.suppress(OSError):
            path.unlink()
        with contextlib.suppress(OSError):
            path.parent.rmdir()

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
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
