"""Files → what a detector says of them → the card of limits measured here. What was read is kept by the SHA-256 of each file, numbers and
no pictures, so that a measurement that was stopped goes on where it was."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from attribution.detectors import here
from attribution.detectors.here import LocalCard
from attribution.errors import MeasuringError, MediaError
from attribution.evidence import TrackEvidence
from attribution.measuring import figures
from attribution.measuring.figures import Reading, Rule, Views
from attribution.measuring.listing import Item, Listing, check_counts, listed
from attribution.messages import Message
from attribution.pipeline import Pipeline, examine
from attribution.text import measuring as text
from attribution.text import numbers
from attribution.verdict.track import quality
from attribution.version import __version__

Progress = Callable[[float, str], None]
Unread = Callable[[Item, MediaError], None]
"""Told of each file that cannot be read."""
_LEAST_WISH, _MOST_WISH = 0.001, 0.5
_NOTES = {
    "unreadable": text.UNREADABLE,
    "no_face": text.NO_FACE,
    "not_examined": text.NOT_EXAMINED,
    "repeated": text.REPEATED,
    "loose": text.LOOSE,
}


def measure(
    source: str | Path, pipeline: Pipeline, wish: float = 0.05, progress: Progress | None = None, unread: Unread | None = None
) -> LocalCard:
    """Measure the chosen detector of a pipeline, loaded with `as_measured_here=False`, on a folder or a CSV, and keep the card: from then
    on it answers with these limits. `wish` bounds errors, 0.001 to 0.5. Raises MeasuringError, UnusableDetector, and what `progress`
    raises."""
    if not _LEAST_WISH <= wish <= _MOST_WISH:
        raise MeasuringError(text.WISH, text.WISH_STEP)
    report: Progress = progress or (lambda *_: None)
    report(0.0, text.LISTING)
    listing, together = listed(Path(source)), pipeline.combination is not None
    detector = pipeline.predictor.detector
    preparation = here.preparation_sha256(detector, together)
    kept = _Kept.of(detector.weights_sha256, preparation)
    items, readings = [], []
    for item, found in _readings(listing, pipeline, kept, report, unread or (lambda *_: None)):
        if isinstance(found, Reading):
            items.append(item)
            readings.append(found)
        else:
            listing.left_out[found] += 1
    manipulated, groups = np.array([one.manipulated for one in items], bool), np.array([one.group for one in items])
    check_counts(manipulated.tolist())
    untouched = np.array([True, False] if together else [family == "real" for family in detector.info.families])
    own = 1.0 if together else detector.card.calibration.temperature
    measured = figures.measure(readings, manipulated, groups, Rule(untouched, pipeline.thresholds), own, wish)
    count = int(manipulated.sum())
    local = LocalCard(
        detector.name, detector.weights_sha256, preparation, here.code_sha256(), __version__, f"{datetime.now(timezone.utc):%Y-%m-%d}",
        tuple(sorted(one.line for one in listing.items)), len(items) - count, count, dict(listing.left_out), wish, **measured,
    )  # fmt: skip
    here.keep(local)
    report(1.0, text.DONE)
    return local


def notes(local: LocalCard) -> list[Message]:
    """What was left out, a sentence for each reason."""
    said = ((_NOTES[why], count) for why, count in local.left_out.items() if why in _NOTES and count)
    return [Message(form.form, form.plural, count).format(count=count) for form, count in said]


def _readings(listing: Listing, pipeline: Pipeline, kept: _Kept, report: Progress, unread: Unread) -> Iterator[tuple[Item, Reading | str]]:
    # Nobody else's opinion is asked for: only what gives the answer is read.
    alone = replace(pipeline, specialists=tuple(one for one in pipeline.specialists if one.combined), router=None)
    total = len(listing.items)
    to_read = sum(item.sha256 not in kept.found for item in listing.items)
    began, fresh = time.monotonic(), 0
    for done, item in enumerate(listing.items):
        left = (time.monotonic() - began) / fresh * (to_read - fresh) if fresh else None
        words = text.READING if left is None else text.READING_LEFT.format(done=done, count=total, left=numbers.whole_seconds(left))
        report(done / total, words.format(done=done, count=total) if left is None else words)
        found = kept.found.get(item.sha256)
        if found is None:
            fresh += 1
            try:
                found = _read(item, alone)
            except MediaError as error:
                unread(item, error)
                yield item, "unreadable"
                continue
            kept.add(item.sha256, found)
        yield item, found


def _read(item: Item, pipeline: Pipeline) -> Reading | str:
    """What the detector says of a file, or why that is nothing. Raises MediaError."""
    tracks = examine(item.path, pipeline).evidence.tracks
    clip = any(track.timeline for track in tracks)
    faces = [views for track in tracks if (views := _views(track, pipeline, clip)) is not None]
    return Reading(tuple(faces), clip) if faces else "not_examined" if tracks else "no_face"


def _views(track: TrackEvidence, pipeline: Pipeline, clip: bool) -> Views | None:
    """The views of a face that are good enough; None where these are too few."""
    assert track.track is not None
    assert track.predictions is not None
    rule, shown = pipeline.thresholds, track.track.faces
    good = [place for place, face in enumerate(shown) if not quality(face, rule)]
    if len(good) < (rule.min_faces_in_clip if clip else 1):
        return None
    logits = track.predictions.logits[good].astype(np.float64)
    if pipeline.combination is not None:
        # Of a common answer, log p by label, only the odds count.
        real = np.array([family == "real" for family in pipeline.predictor.info.families])
        logits = np.stack([np.logaddexp.reduce(logits[:, mine], axis=1) for mine in (real, ~real)], axis=1)
    return Views(logits, np.array([shown[place].seconds for place in good]), track.track.step_seconds)


@dataclass
class _Kept:
    """Readings of one detector, prepared and computed in one way: a line of JSON for each file, added as they come."""

    path: Path
    found: dict[str, Reading | str]

    @staticmethod
    def of(weights_sha256: str, preparation_sha256: str) -> _Kept:
        name = f"{weights_sha256[:16]}-{preparation_sha256[:16]}-{here.code_sha256()[:16]}.jsonl"
        kept = _Kept(here.folder() / "readings" / name, {})
        with here.on_disk():
            kept.path.parent.mkdir(parents=True, exist_ok=True)
            with kept.path.open("a+", encoding="utf-8") as lines:
                lines.seek(0)
                for line in lines:
                    # The last one may have been cut off.
                    with contextlib.suppress(ValueError, LookupError, TypeError):
                        data = json.loads(line)
                        kept.found[data["sha256"]] = _from_json(data)
        return kept

    def add(self, sha256: str, found: Reading | str) -> None:
        with here.on_disk(), self.path.open("a", encoding="utf-8") as lines:
            # After a line that was cut off a new one begins.
            lines.write(f"\n{json.dumps({'sha256': sha256, **_to_json(found)})}\n")


def _to_json(found: Reading | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"why": found}
    faces = [(face.logits.tolist(), face.seconds.tolist(), face.step_seconds) for face in found.faces]
    return {"clip": found.clip, "faces": faces}


def _from_json(data: dict[str, Any]) -> Reading | str:
    if "why" in data:
        return str(data["why"])
    faces: Sequence[Any] = data["faces"]
    return Reading(tuple(Views(np.array(one[0]), np.array(one[1]), one[2]) for one in faces), bool(data["clip"]))
