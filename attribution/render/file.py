"""The file itself, as HTML: the whole picture with its faces, or the clip with its player, its frames and its timeline; and what a record
of its examination needs.

Faces are buttons; the timeline is a slider for the keyboard. The page's script gives them life; without it they still show everything.
Attributes that the script reads: `data-face` (index of a track), `data-clip` (JSON: times, boxes as shares of the picture, probabilities in
words), `data-of` and `data-seconds` (the track and the moment that marked areas belong to).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from attribution.evidence import Box, Evidence
from attribution.messages import said, whole
from attribution.render import areas, charts
from attribution.render.face import measure_list
from attribution.render.html import macros
from attribution.text import numbers
from attribution.text import page as text

_HTML = macros("file.html")
_WORST = ("manipulated", "inconclusive", "no_manipulation_found")


def picture_stage(evidence: Evidence, picture_uri: str, chosen: int) -> Markup:
    """The whole picture, each face a numbered button on it; where all of it was judged, the part that the detector saw."""
    media = evidence.media
    faces = [
        (index, _shares(track.box, media.width, media.height), track.verdict.state, len(areas.shown(track)))
        for index, track in enumerate(evidence.tracks)
        if track.view == "face"
    ]
    return _HTML.picture_stage(media, picture_uri, faces, _judged(evidence), layers(evidence, chosen), chosen, _crowd(evidence))


def clip_stage(evidence: Evidence, frames: Sequence[tuple[float, str]], video_url: str | None, chosen: int) -> Markup:
    """The player when the browser can show the clip (`video_url`), else its examined frames (seconds, data URI), and the timeline below."""
    faces = [index for index, track in enumerate(evidence.tracks) if track.view == "face"]
    duration, timeline = _duration(evidence), ""
    if duration > 0 and any(track.timeline for track in evidence.tracks):
        timeline = _HTML.timeline(charts.timeline(evidence.tracks, duration, _threshold(evidence)), duration, chosen)
    seen, marked, said = _judged(evidence), layers(evidence, chosen), _crowd(evidence)
    return _HTML.clip_stage(evidence.media, _clip_data(evidence), frames, video_url, faces, seen, marked, timeline, said)


def title(evidence: Evidence) -> str:
    """The heading of the file with what was examined of it."""
    return text.WHOLE_TITLES[evidence.media.kind] if any(track.view == "picture" for track in evidence.tracks) else text.FACES_TITLE


def face_choices(evidence: Evidence, crops: Sequence[str | None], chosen: int) -> Markup:
    """A row of faces to choose from, as a radio group: crop, number and state, the one that decided first and then the worst. Empty when
    there is only one."""
    if len(evidence.tracks) < 2:
        return Markup()

    def order(index: int) -> tuple[bool, int, float]:
        track = evidence.tracks[index]
        return index != evidence.telling, _WORST.index(track.verdict.state), -track.p_manipulated

    worst = sorted(range(len(crops)), key=order)
    return _HTML.face_choices([(index, crops[index], evidence.tracks[index].verdict.state) for index in worst], chosen)


def layers(evidence: Evidence, chosen: int | None = None) -> Markup:
    """The areas marked on every face; those of the `chosen` one can be seen, or all where none is chosen."""
    width, height = evidence.media.width, evidence.media.height
    return Markup().join(areas.layer(track, i, width, height, chosen in (None, i)) for i, track in enumerate(evidence.tracks))


def outlines(evidence: Evidence) -> Markup:
    """The numbered outline of every face, and the areas marked on it."""
    boxes = [_shares(one.box, evidence.media.width, evidence.media.height) for one in evidence.tracks if one.view == "face"]
    return Markup().join((_HTML.numbered(boxes), layers(evidence)))


def provenance(evidence: Evidence) -> Markup:
    """What a record needs: file, its hash, detector, hash of its weights and time; folded below all else, a row each."""
    media, detector, names = evidence.media, evidence.detector, text.MEASURE_NAMES
    answered = (evidence.tracks[0].together if evidence.tracks else ()) or (detector,)
    few = media.frames_read < media.frames_wanted
    frames = text.FRAMES_OF.format(read=media.frames_read, wanted=media.frames_wanted) if few else whole(media.frames_read)
    # Detectors that others than Telltale made and that gave an opinion beside the first one.
    heard = {one.detector: None for track in evidence.tracks for one in track.opinions if one.verdict is not None}
    others = [one for one in heard if one.source or not one.measured]
    first = {
        "file": media.name,
        "sha256": media.sha256,
        "detector": ", ".join(one.name for one in answered),
        "source": detector.source.removeprefix("hf:"),
        "weights": ", ".join(one.weights_sha256 for one in answered),
        "created": evidence.created_utc,
    }
    more = {
        "bytes": numbers.exact_size(media.bytes),
        "container": media.container,
        "pixels": text.PIXELS.format(width=media.width, height=media.height),
        "duration": numbers.seconds(media.duration_seconds) if media.duration_seconds is not None else "",
        "frames": frames if media.kind == "clip" else "",
        "adapter": str(evidence.settings.get("adapter") or ""),
        "licence": detector.licence,
        "second": ", ".join(one.name for one in others),
        "second_source": ", ".join(one.source.removeprefix("hf:") for one in others if one.source),
        "second_weights": ", ".join(one.weights_sha256 for one in others),
    }
    rows = [(names[key], value) for key, value in more.items() if value] + [(names["notes"], note) for note in media.notes]
    recorded = [(names["settings"], list(_rows(evidence.settings))), (names["versions"], list(_rows(evidence.versions)))]
    return _HTML.provenance(measure_list({names[key]: value for key, value in first.items()}, "tt-custody"), rows, recorded)


def _rows(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Settings as they stand in the JSON, a row each: (`crop: scale`, `0.86`)."""
    for key, value in values.items():
        name = f"{within}: {key}" if within else str(key)
        if isinstance(value, Mapping):
            yield from _rows(value, name)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, default=str)


def _duration(evidence: Evidence) -> float:
    return evidence.media.duration_seconds or max((track.last_seconds for track in evidence.tracks), default=0.0)


def _threshold(evidence: Evidence) -> float | None:
    """From which probability on the detector calls a face manipulated, where the settings say so and there is one."""
    rule = evidence.settings.get("combination")
    thresholds = (rule if isinstance(rule, Mapping) and rule else evidence.settings).get("thresholds")
    value = thresholds.get("p_manipulated_above") if isinstance(thresholds, Mapping) else None
    return float(value) if isinstance(value, int | float) and value <= 1 else None


def _clip_data(evidence: Evidence) -> str:
    """Times, boxes and probabilities (in words) of every track, and the moment to start at, for the script that follows the faces."""
    width, height = evidence.media.width, evidence.media.height
    faces = [(track, track.track.faces if track.track is not None else ()) for track in evidence.tracks]
    tracks = [
        {
            "start": round(track.first_seconds if track.shown_seconds is None else track.shown_seconds, 3),
            "seconds": [round(moment.seconds, 3) for moment in track.timeline],
            "p": [said(numbers.percent(moment.p_manipulated)) for moment in track.timeline],
            "at": [round(face.seconds, 3) for face in own],
            "boxes": [[round(share, 4) for share in _shares(face.box, width, height)] for face in own],
        }
        for track, own in faces
    ]
    return json.dumps({"duration": round(_duration(evidence), 3), "tracks": tracks}, separators=(",", ":"))


def _shares(box: Box, width: int, height: int) -> Box:
    """A box as shares of the picture, clipped to it."""
    return areas.common(areas.shares(box, (0, 0, width, height)), areas.ALL)


def _judged(evidence: Evidence) -> Box | None:
    """What a detector of whole pictures saw, as shares of the picture, where that is not all of it."""
    seen = [track.track.faces[0].crop_box for track in evidence.tracks if track.view == "picture" and track.track is not None]
    left, top, right, bottom = shares = _shares(seen[0], evidence.media.width, evidence.media.height) if seen else (0.0, 0.0, 1.0, 1.0)
    return shares if (right - left) * (bottom - top) <= 0.999 else None


def _crowd(evidence: Evidence) -> str:
    if not evidence.tracks:
        return text.NO_FACE
    if any(track.view == "picture" for track in evidence.tracks):
        return text.WHOLE_HINT_PART if _judged(evidence) else text.WHOLE_HINT
    if evidence.faces_found > len(evidence.tracks) and evidence.media.kind == "picture":
        return text.LARGEST_OF.format(shown=len(evidence.tracks), found=evidence.faces_found)
    return ""
