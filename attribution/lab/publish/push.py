"""A detector's folder onto the Hub: loaded first, so that nothing is published that would be refused, and compared afterwards."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session

from attribution.detectors import hub, hub_client
from attribution.detectors.card import CARD_FILE, README_FILE, VERIFIED_FILES
from attribution.detectors.hub import COMMIT, DEFAULT_BRANCH
from attribution.detectors.hub_client import endpoint
from attribution.detectors.loading import load_folder
from attribution.errors import DetectorError, LabError, UnknownDetector
from attribution.version import __version__

_FILES = (CARD_FILE, *VERIFIED_FILES, README_FILE)


@dataclass(frozen=True)
class Pushed:
    """What stands on the Hub now: `revision` is the 40 hex digits of the commit, `url` its page."""

    repository: str
    revision: str
    url: str


def push(folder: Path, repository: str, *, revision: str | None = None, private: bool = True, message: str = "") -> Pushed:
    """Push a detector's folder to `owner/repo`, made when it is not there, on the branch `revision` (made, too; None is the default one).
    Prints what is pushed. With `private`, a repository that is public already is left alone. Raises LabError, and DamagedDetector or
    UnusableDetector for a folder that does not load."""
    try:
        name = hub.HubName(repository, revision)
    except UnknownDetector as error:
        raise LabError(error.what, "Write owner/repo, and a branch as the revision.") from error
    if revision is not None and COMMIT.fullmatch(revision):
        raise LabError("A detector is pushed to a branch; a commit is what comes of it.", "Name a branch, or none for the default one.")
    detector = load_folder(folder)
    try:
        contents = {file: (folder / file).read_bytes() for file in _FILES}
    except OSError as error:
        raise LabError(f"The detector's folder has no readable {Path(error.filename).name}.", "Write the folder again.") from error
    branch = name.revision or DEFAULT_BRANCH
    kind, licence = "private" if private else "public", detector.card.licence
    print(f"{repository} ({kind} if it is new), branch {branch}: {detector.name}, licence {licence}")
    for file, content in contents.items():
        print(f"  {file:22}{len(content):>10} bytes  sha256 {hashlib.sha256(content).hexdigest()}")
    left = sorted(path.name for path in folder.iterdir() if path.name not in _FILES)
    if left:
        print(f"  not pushed: {', '.join(left)}")
    with _client(repository):
        if not get_token():
            raise LabError("There is no token to push with.", "Set HF_TOKEN to a token that may write.")
        pushed = _send(name, branch, contents, private, message or f"{detector.name} by Telltale {__version__}")
    _compare(pushed, contents)
    print(f"{pushed.url}\n  to load it: --detector hf:{pushed.repository}@{pushed.revision}")
    return pushed


def _send(name: hub.HubName, branch: str, contents: dict[str, bytes], private: bool, message: str) -> Pushed:
    api = HfApi(endpoint=endpoint(), library_name="telltale", library_version=__version__)
    api.create_repo(name.repository, private=private, exist_ok=True)
    if private and not api.model_info(name.repository).private:
        raise LabError(f"{name.repository} is there already, and everybody can read it.", "Push to another repository, or as public.")
    if branch != DEFAULT_BRANCH:
        api.create_branch(name.repository, branch=branch, exist_ok=True)
    added = [CommitOperationAdd(file, content) for file, content in contents.items()]
    commit = api.create_commit(name.repository, added, commit_message=message, revision=branch)
    return Pushed(name.repository, commit.oid, f"{endpoint()}/{name.repository}/tree/{commit.oid}")


def _compare(pushed: Pushed, contents: dict[str, bytes]) -> None:
    """What the Hub lists at the new commit has to be what was pushed, to the byte."""
    try:
        digests = {file.name: file.digest for file in hub_client.look(f"{pushed.repository}@{pushed.revision}").files}
        for file, content in contents.items():
            hub.check(file, content, digests.get(file, ""))
    except DetectorError as error:
        what = f"The detector was pushed as {pushed.revision}, but could not be compared with what was sent: {error.what.rstrip('.')}."
        raise LabError(what, "Look at the repository's page before you tell anybody of it.") from error


@contextmanager
def _client(repository: str) -> Iterator[None]:
    """The client with an end to its patience, and without its report on who calls; its warnings are printed, and its and its transport's
    exceptions become sentences."""
    session, told = get_session(), constants.HF_HUB_DISABLE_TELEMETRY
    patience = session.timeout
    # For one step of one request; the client's own default is for ever.
    session.timeout, constants.HF_HUB_DISABLE_TELEMETRY = 60.0, True
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield
        # What it warns its own developers of is not the user's business.
        for text in dict.fromkeys(str(one.message) for one in heard if not issubclass(one.category, DeprecationWarning)):
            print(f"  the Hub's client warns: {' '.join(text.split())}")
    except (LabError, DetectorError):
        raise
    except Exception as error:
        raise _refusal(error, repository) from error
    finally:
        session.timeout, constants.HF_HUB_DISABLE_TELEMETRY = patience, told


def _refusal(error: BaseException, repository: str) -> LabError:
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        # The client's upload in several threads hides what went wrong in one of them.
        return _refusal(error.__cause__, repository)
    if isinstance(error, ValueError) and "README.md" in str(error):
        return LabError("The Hub does not accept the front matter of README.md.", "Correct it, then push again.")
    if not isinstance(error, HfHubHTTPError):
        return LabError("The Hub cannot be reached, or the connection broke off.", "Try again: what is there already is not sent twice.")
    status, changed = error.response.status_code, f"Somebody else changed {repository} at the same moment."
    other = (f"The Hub refused to take the detector (error {status}).", "Check the name of the repository and the token.")
    if status >= 500:
        other = (f"The Hub is failing at the moment (error {status}).", "Try again later.")
    sentences = {
        401: ("The Hub does not know this token.", "Set HF_TOKEN to a valid token that may write."),
        403: (f"This token may not write to {repository}.", "Set HF_TOKEN to a token that may, or push to one of your own."),
        409: (changed, "Look at what changed, then push again."),
        412: (changed, "Look at what changed, then push again."),
        429: ("The Hub limits how often it may be asked, and that limit was reached.", "Try again in a few minutes."),
    }
    return LabError(*sentences.get(status, other))
