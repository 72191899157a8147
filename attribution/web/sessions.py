"""What one open page holds, in memory only: the file that waits, the result with what the reader looks at, and its panel of detectors."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

from attribution.detectors.spec import Selection
from attribution.evidence import Evidence, Face, Heatmap, Opinion, Patches, Track, TrackEvidence
from attribution.render import opinion as opinion_view
from attribution.render.files import Row
from attribution.web.detector_panel import PanelState
from attribution.web.engine import Abandoned, Step, Watched
from attribution.web.language import asked_for
from attribution.web.uploads import Upload, Uploads

if TYPE_CHECKING:
    from attribution.explain.patches import Tiles

MOST_SESSIONS = 64
# 96 crops of 224 px are 14 MB: the most that one page keeps in memory.
MOST_CROPS = 96
# Results of several files, of all pages together: with some 5 MB each 1 GB.
MOST_HELD = 200


# The fields of a session that are its result.
_RESULT = (
    "examined_with", "evidence", "picture", "frames", "clip", "chosen", "moment", "label", "opinion", "heatmaps", "opinion_heatmaps",
    "tiles", "patches",
)  # fmt: skip


@dataclass
class Held:
    """One of several files: its row in the table, and a session that holds its result; none where there is no such, or room for it."""

    row: Row
    result: Session | None = None


@dataclass
class Session:
    """What one open page holds."""

    waiting: tuple[Upload, ...] = ()  # the files that wait to be examined
    given_at: float = 0.0  # when they were given, by time.monotonic()
    running: bool = False  # whether one is examined now
    called_off: bool = False  # whether its reader no longer wants that
    selection: Selection | None = None  # the detectors that this page chose for the files to come; None for the default
    examined_with: Selection | None = None  # those that gave the evidence
    evidence: Evidence | None = None
    picture: np.ndarray | None = None
    frames: list[tuple[float, str]] = field(default_factory=list)  # those that were examined of a clip: seconds, and a data URI
    clip: Path | None = None
    chosen: int = 0  # index of the track that is shown
    moment: int = 0  # index of the face in that track
    label: str | None = None  # the class whose heatmap the reader chose to see; None stands for the answer
    opinion: int | None = None  # index of the second opinion that the reader chose to see; None leaves the choice to the page
    asked: dict[str, int] = field(default_factory=dict)  # by section, the number of the last time that its parts were asked for
    heatmaps: dict[tuple[int, int, str], Heatmap] = field(default_factory=dict)  # by track, face and label
    opinion_heatmaps: dict[tuple[int, int], Heatmap] = field(default_factory=dict)  # by track and opinion of that track
    tiles: tuple[Tiles | None, ...] = ()  # the surroundings of each track, for the patch view
    # Those that were asked for on the page, by track and the SHA-256 of the weights that read them.
    patches: dict[tuple[int, str], Patches] = field(default_factory=dict)
    panel: PanelState = field(default_factory=PanelState)
    files: list[Held] = field(default_factory=list)  # those that were given at once, in that order
    opened: int | None = None  # the one whose result is shown
    last_opened: int | None = None
    language: str = "en"  # the code of the one that the page is read in

    def show(self, evidence: Evidence) -> None:
        """Hold fresh evidence, with fewer crops, and look first at the face that its verdict rests on."""
        self.evidence, self.label, self.opinion = lighter(evidence), None, None
        self.chosen = self.evidence.telling
        self.moment = (self.evidence.tracks[self.chosen].shown or 0) if self.evidence.tracks else 0

    @property
    def elapsed(self) -> float:
        """Seconds since the files were given."""
        return time.monotonic() - self.given_at

    def steps(self, watched: Watched[Any]) -> Iterator[Step | None]:
        """The steps of an examination, to its end. Raises Abandoned once the reader has called it off."""
        for step in watched:
            if self.called_off:
                raise Abandoned
            yield step

    def open(self, index: Any) -> bool:
        """Have the result of file `index` of several; False where there is none, as for what a browser makes up."""
        result = self.files[index].result if isinstance(index, int) and 0 <= index < len(self.files) else None
        if result is None:
            return False
        for name in _RESULT:
            setattr(self, name, getattr(result, name))
        self.opened = self.last_opened = index
        return True

    def look_at(self, index: Any, seconds: Any) -> None:
        """Choose track `index` at that moment, or at the face that stands for it; what makes no sense, as from a browser, is ignored."""
        tracks = self.evidence.tracks if self.evidence is not None else ()
        if not isinstance(index, int) or not 0 <= index < len(tracks):
            return
        if index != self.chosen:
            self.label = self.opinion = None
        self.chosen = index
        faces = pixels.faces if (pixels := tracks[index].track) is not None else ()
        self.moment = tracks[index].shown or 0
        if isinstance(seconds, int | float) and faces:
            self.moment = min(range(len(faces)), key=lambda one: abs(faces[one].seconds - seconds))

    def look_at_opinion(self, index: Any) -> None:
        """Show the second opinion `index` of the chosen face; what is none, as from a browser, is ignored."""
        opinions = self.track.opinions if self.track is not None else ()
        if isinstance(index, int) and 0 <= index < len(opinions) and opinions[index].verdict is not None:
            self.opinion = index

    def look_at_label(self, label: Any) -> None:
        """Show the heatmap of that class; what is none, as from a browser, is ignored."""
        if self.evidence is not None and label in self.evidence.detector.labels:
            self.label = label

    @property
    def track(self) -> TrackEvidence | None:
        """The chosen track."""
        return self.evidence.tracks[self.chosen] if self.evidence is not None and self.evidence.tracks else None

    @property
    def face(self) -> Face | None:
        """The face of the chosen track at the chosen moment."""
        faces = self.track.track.faces if self.track is not None and self.track.track is not None else ()
        return faces[min(self.moment, len(faces) - 1)] if faces else None

    @property
    def leading(self) -> int | None:
        """The index of the opinion on the chosen track that is shown in full; None where there is none."""
        return opinion_view.leading(self.track, self.opinion) if self.track is not None else None

    @property
    def second(self) -> Opinion | None:
        """That opinion."""
        return self.track.opinions[self.leading] if self.track is not None and self.leading is not None else None

    @property
    def known_patches(self) -> Patches | None:
        """The patches of the chosen track that are known already, from the examination or from an earlier wish."""
        own = [one.patches for one in self.track.opinions if one.patches is not None] if self.track is not None else []
        return next(iter(own + [patches for (index, _), patches in self.patches.items() if index == self.chosen]), None)


class Sessions:
    """One Session per open page, by the page's session hash. The page that was idle longest is forgotten when there are too many."""

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, request: gr.Request) -> Session:
        """The session of the page that asks, made on first use."""
        key = str(request.session_hash)
        with self._lock:
            session = self._sessions.setdefault(key, Session(language=asked_for(request)))
            self._sessions.move_to_end(key)
            forgotten = self._sessions.popitem(last=False)[1] if len(self._sessions) > MOST_SESSIONS else None
        if forgotten is not None:
            self._delete(forgotten)
        return session

    def forget(self, request: gr.Request) -> Session | None:
        """The page was closed: its files and its result go. Gives what it held."""
        with self._lock:
            session = self._sessions.pop(str(request.session_hash), None)
        if session is not None:
            self._delete(session)
        return session

    def wait(self, session: Session, *uploads: Upload) -> None:
        """Make these the page's next files; those that were still waiting are deleted."""
        waiting, session.waiting, session.given_at = session.waiting, uploads, time.monotonic()
        for upload in waiting:
            self.uploads.release(upload)

    def hold(self, session: Session, held: Held) -> None:
        """One more of a page's several files. Where all pages hold too many, the results of the page that was idle longest go."""
        session.files.append(held)
        with self._lock:
            others = [one for one in self._sessions.values() if one is not session and one.files]
        while others and len(session.files) + sum(held.result is not None for one in others for held in one.files) > MOST_HELD:
            for forgotten in others.pop(0).files:
                self._forget(forgotten)

    def clear(self, session: Session) -> None:
        """Forget what a page has of files and delete its clips."""
        for held in session.files:
            self._forget(held)
        session.files, session.opened, session.last_opened = [], None, None
        if session.clip is not None:
            self.uploads.remove(session.clip)
        session.evidence = session.picture = session.clip = session.label = session.opinion = None
        session.tiles, session.frames = (), []
        for made in (session.heatmaps, session.opinion_heatmaps, session.patches):
            made.clear()

    def _forget(self, held: Held) -> None:
        if held.result is not None and held.result.clip is not None:
            self.uploads.remove(held.result.clip)
        held.result = None

    def _delete(self, session: Session) -> None:
        self.clear(session)
        self.wait(session)


def lighter(evidence: Evidence, most_crops: int = MOST_CROPS) -> Evidence:
    """The evidence with at most `most_crops` faces' pixels in all: those that stand for a track, and others evenly over it."""
    each = max(1, most_crops // max(1, len(evidence.tracks)))
    return replace(evidence, tracks=tuple(_lighter(track, each) for track in evidence.tracks))


def _lighter(evidence: TrackEvidence, each: int) -> TrackEvidence:
    track, predictions = evidence.track, evidence.predictions
    if track is None or len(track.faces) <= each:
        return evidence
    # What was marked or explained by the pipeline is this face.
    shown = evidence.shown or 0
    wanted = sorted({shown, *(round(i) for i in np.linspace(0, len(track.faces) - 1, each - 1))} if each > 1 else {shown})
    if predictions is not None:
        predictions = predictions.take(wanted)
    return replace(evidence, track=Track(track.id, tuple(track.faces[i] for i in wanted)), predictions=predictions)
