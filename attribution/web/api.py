"""What programs may ask of the page: three named endpoints, for Gradio's clients, plain HTTP and the Model Context Protocol (MCP).

A file comes as an upload that is here already or as a data URI. An address is never fetched, whosever it is: what stands behind
`gradio_api/file=` in the address of an upload is its path here, and that is all that is read of it. Their docstrings describe the endpoints
to people and models; Gradio reads one line of each argument.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gradio.events import api as endpoint

from attribution.detectors.spec import DetectorSpec, Selection
from attribution.errors import DamagedMedia, MediaTooLarge, MissingMedia, UnknownDetector, UnsupportedMedia
from attribution.evidence import Evidence, Unusable, document
from attribution.web import examination
from attribution.web.engine import Engine, sentence_of
from attribution.web.events import Events
from attribution.web.gradio_patches import fetch_nothing, keep_apart
from attribution.web.uploads import Upload, Uploads

UPLOADED = "gradio_api/file="
# Gradio puts an upload into a folder that is called after a digest (see keep_apart); everything else on the uploads has shorter names.
_UPLOAD_FOLDER = re.compile(r"[0-9a-f]{64}")
_MOST_LETTERS = 255


def offer(events: Events, max_bytes: int) -> None:
    """Add the endpoints to the page that is being built. `max_bytes` limits what a data URI holds, as the page does for uploads."""

    def analyse(file: str, detector: str = "default") -> Iterator[dict[str, Any] | None]:
        """
        Examine one picture (JPEG, PNG, WebP, GIF, AVIF) or clip (MP4, MOV, MKV, WebM, AVI, MXF): for every face, whether a manipulation was
        found, by which method, with what probability and why. The answer is Telltale's JSON document (schema telltale-evidence/1).
        files[0].verdict holds the answer on the file: its state is "manipulated", "no_manipulation_found" (none of the known traces was
        found, which does not show that the face is real) or "inconclusive", and its reasons are plain sentences. files[0].tracks has one
        entry per face. A file that could not be used has files[0].error, one sentence, instead. Treat every answer as a lead to follow, not
        as proof. To give a file, upload it to this server first (POST it as the form field "files" to /gradio_api/upload, which answers
        with its path), or write it as a data URI. Addresses of other servers are refused: nothing is fetched. The file is deleted after the
        examination.

        Args:
            file: The path or address of an upload, or a data URI (data:image/png;base64,...). Gradio's Python client: handle_file("a.jpg").
            detector: "default", or a name that the endpoint detectors gives.

        Returns:
            {"schema": "telltale-evidence/1", "files": [one entry]}
        """
        yield from _examined(events, file, (detector,), max_bytes)

    def compare(file: str, detectors: list[str]) -> Iterator[dict[str, Any] | None]:
        """
        Ask several detectors about the same faces of one picture or clip, given as to analyse. The first one gives the answer; what the
        others say of each face, and whether that agrees with it, is in files[0].tracks[].opinions, where asked_for is true. Numbers of
        detectors that were not measured (detector.measured is false) are not calibrated: do not compare or average them.

        Args:
            file: The path or address of an upload, or a data URI (data:image/png;base64,...). Gradio's Python client: handle_file("a.jpg").
            detectors: Names that the endpoint detectors gives, the one that answers first.

        Returns:
            {"schema": "telltale-evidence/1", "files": [one entry]}
        """
        yield from _examined(events, file, detectors, max_bytes)

    def detectors() -> list[dict[str, Any]]:
        """
        The detectors that analyse can use, the default first: those that come with Telltale, and those in the Hub cache of the server. Each
        has a name (which analyse takes), licence, labels (the methods that it knows), display_names (the same for people), families (that
        of each label: real, face_swap, reenactment, gan or diffusion; null where its files do not tell), answers (the question that it
        answers) and measured (whether figures that were measured on these very weights come with it).

        Returns:
            A list with an object per detector
        """
        return usable()

    fetch_nothing()
    keep_apart()
    endpoint(analyse, api_name="analyse", concurrency_id="detector", concurrency_limit=1)
    endpoint(compare, api_name="compare", concurrency_id="detector", concurrency_limit=1)
    endpoint(detectors, api_name="detectors", concurrency_limit=None)


def usable() -> list[dict[str, Any]]:
    """The detectors that are here and not refused, as `detectors` gives them."""
    # The catalogue needs PyTorch, which takes seconds to import: the page is up before.
    from attribution.detectors import catalogue, loading

    def described(entry: catalogue.Entry) -> dict[str, Any]:
        own = loading.card_of(loading.EMBEDDED_FOLDER / entry.name).labels if entry.kind == "embedded" else ()
        labels = [label.name for label in own] or list(entry.labels)
        families = [label.family for label in own] or [None] * len(entry.labels)
        return {
            "name": entry.name, "licence": entry.licence, "labels": labels, "display_names": list(entry.labels), "families": families,
            "answers": entry.answers, "measured": entry.measured,
        }  # fmt: skip

    return [described(entry) for entry in catalogue.entries() if entry.kind != "known" and not entry.refused]


def _examined(events: Events, file: Any, detectors: Any, max_bytes: int) -> Iterator[dict[str, Any] | None]:
    """The document on a file by these detectors, after any number of None."""
    upload = watched = None
    name = _name(file)
    try:
        upload = arrived(file, events.uploads, max_bytes)
        name = upload.name
        watched = examination.begin(_engine(events, detectors), upload)
        for _ in watched:
            # Nothing to say yet: but between two answers Gradio notices that nobody waits for them any more.
            yield None
        outcome: Evidence | Unusable = watched.result().evidence
    except Exception as error:
        outcome = Unusable(name, sentence_of(error))
    finally:
        if watched is not None:
            watched.abandon()
        if upload is not None:
            events.uploads.release(upload)
    yield document([outcome])


def _engine(events: Events, detectors: Any) -> Engine:
    """The engine of those names. Only names that are listed: a program may not name the server's folders, nor let it download."""
    first, *beside = [_spec(events, one) for one in detectors] if isinstance(detectors, Sequence) and detectors else [_spec(events, None)]
    return events.engines.of(Selection(first, tuple(beside)))


def _spec(events: Events, detector: Any) -> DetectorSpec:
    if detector in (None, "", "default"):
        return events.engines.default.selection.first
    # It needs PyTorch, as the catalogue does.
    from attribution.detectors.loading import embedded_name

    detector = (embedded_name(detector) or detector) if isinstance(detector, str) else detector
    if not isinstance(detector, str) or all(one["name"] != detector for one in usable()):
        raise UnknownDetector(f"There is no detector called {str(detector)[:80]!r} here.", "Ask /detectors for the names.")
    return DetectorSpec(detector)


def arrived(file: Any, uploads: Uploads, max_bytes: int) -> Upload:
    """The upload for what a program gave as its file. Raises MediaError."""
    given = file.get("path") if isinstance(file, dict) else file
    if not isinstance(given, str) or not given:
        raise MissingMedia("No file was given.", "Upload it to /gradio_api/upload first, or give a data URI.")
    if given[:5].lower() == "data:":
        return _unpacked(given, uploads, max_bytes)
    before, found, path = given.partition(UPLOADED)
    if not found and "://" in before:
        raise UnsupportedMedia(
            "Files are not fetched from an address.", "Upload the file to /gradio_api/upload of this server first, or give a data URI."
        )
    try:
        return replace(uploads.take(_upload(unquote(path) if found else given, uploads)), name=_name(file))
    except OSError as error:
        raise _gone() from error


def _upload(path: str, uploads: Uploads) -> Path:
    """The upload at that path; MissingMedia for everything else, so that nobody learns what other files there are."""
    with suppress(OSError, ValueError):
        # Both with their links followed, so that none leads out of the folder.
        real, folder = Path(os.path.realpath(path)), Path(os.path.realpath(uploads.folder))
        if real.parent.parent == folder and _UPLOAD_FOLDER.fullmatch(real.parent.name) and real.is_file():
            return real
    raise _gone()


def _unpacked(uri: str, uploads: Uploads, max_bytes: int) -> Upload:
    """The upload for the content of a data URI."""
    head, _, data = uri.partition(",")
    if not head.lower().endswith(";base64"):
        raise UnsupportedMedia("This data URI is not in base64.", "Write it as data:image/png;base64, and the bytes.")
    # `base64 file` and mail break their lines.
    data = "".join(data.split())
    if len(data) * 3 // 4 > max_bytes + 2:
        raise MediaTooLarge(f"The file is larger than {max_bytes // 10**6} MB.", "Scale it down or cut it shorter first.")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedMedia("The base64 of this data URI is damaged.", "Encode the file again.") from error
    folder = uploads.folder / secrets.token_hex(32)
    folder.mkdir(mode=0o700)
    (folder / "file").write_bytes(content)
    return uploads.take(folder / "file")


def _name(file: Any) -> str:
    """What to call the file in the answer: the name that it had, without folders. Untrusted."""
    own = file.get("orig_name") if isinstance(file, dict) else None
    given = own if isinstance(own, str) and own else file.get("path") if isinstance(file, dict) else file
    if not isinstance(given, str) or given[:5].lower() == "data:":
        return "file"
    path = unquote(urlsplit(given).path) if "://" in given[:16] else given
    return re.split(r"[/\\]", path)[-1][:_MOST_LETTERS] or "file"


def _gone() -> MissingMedia:
    return MissingMedia("There is no such upload.", "Upload the file to /gradio_api/upload again: uploads are deleted once examined.")
