"""The file itself on the page: the whole picture with its faces, or the clip with its player, its frames and its timeline, as HTML.

Faces are buttons; the timeline is a slider for the keyboard. The page's script gives them life; without it they still show everything.
Attributes that the script reads: `data-face` (index of a track), `data-clip` (JSON: times, boxes as shares of the picture, probabilities),
`data-of` and `data-seconds` (the track and the moment that marked areas belong to).
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence

from attribution.evidence import Box, Evidence, TrackEvidence
from attribution.render import artifacts
from attribution.render.charts import timeline
from attribution.render.palette import STATE_ICONS
from attribution.render.panels import state_badge
from attribution.text import areas as area_text
from attribution.text import numbers
from attribution.text import page as text


def picture_stage(evidence: Evidence, picture_uri: str, chosen: int) -> str:
    """The whole picture, each face a numbered button on it; where all of it was judged, the part that the detector saw."""
    media = evidence.media
    faces = [(index, track) for index, track in enumerate(evidence.tracks) if track.view == "face"]
    boxes = "".join(_box_button(index, track, media.width, media.height, chosen) for index, track in faces) + _judged(evidence)
    areas = _areas(evidence, chosen)
    alt = html.escape(media.name)
    return (
        f'<div class="tt-stage"><div class="tt-picture" style="--tt-ratio:{media.width}/{media.height}">'
        f'<img src="{picture_uri}" alt="{alt}">{boxes}{areas}</div>{_switch(areas)}{_crowd(evidence)}</div>'
    )


def clip_stage(evidence: Evidence, frames: Sequence[tuple[float, str]], video_url: str | None, chosen: int) -> str:
    """The player when the browser can show the clip (`video_url`), else its examined frames (seconds, data URI), and the timeline below."""
    media = evidence.media
    faces = [index for index, track in enumerate(evidence.tracks) if track.view == "face"]
    follow = "".join(f'<i class="tt-follow" data-face="{index}"><b>{index + 1}</b></i>' for index in faces) + _judged(evidence)
    images = "".join(f'<img class="tt-frame" data-seconds="{seconds:.3f}" src="{uri}" alt="" loading="lazy">' for seconds, uri in frames)
    player = f'<video src="{html.escape(video_url)}" controls playsinline preload="metadata"></video>' if video_url else ""
    missing = "" if video_url else f'<p class="tt-small tt-player-missing">{text.PLAYER_MISSING}</p>'
    areas = _areas(evidence, chosen)
    failed = f'<p class="tt-small tt-player-failed" hidden>{text.PLAYER_FAILED}</p>' if video_url else ""
    return (
        f'<div class="tt-stage tt-clip{"" if video_url else " tt-framewise"}" data-clip="{html.escape(_clip_data(evidence))}">'
        f'<div class="tt-picture" style="--tt-ratio:{media.width}/{media.height}">{player}<div class="tt-frames">{images}</div>'
        f"{follow}{areas}</div>{_switch(areas)}"
        f"{missing}{failed}{_timeline(evidence, chosen)}{_crowd(evidence)}</div>"
    )


def title(evidence: Evidence) -> str:
    """The heading of the file with what was examined of it."""
    return text.WHOLE_TITLES[evidence.media.kind] if any(track.view == "picture" for track in evidence.tracks) else text.FACES_TITLE


def face_choices(evidence: Evidence, crops: Sequence[str | None], chosen: int) -> str:
    """A row of faces to choose from, as a radio group: crop, number and state. Empty when there is only one."""
    if len(evidence.tracks) < 2:
        return ""
    buttons = "".join(_choice(index, track, crops[index], chosen) for index, track in enumerate(evidence.tracks))
    return f'<div class="tt-choices" role="radiogroup" aria-label="{text.CHOOSE_FACE}">{buttons}</div>'


def _choice(index: int, track: TrackEvidence, crop: str | None, chosen: int) -> str:
    picture = f'<img src="{crop}" alt="" width="56" height="56">' if crop else ""
    checked = index == chosen
    return (
        f'<button type="button" role="radio" aria-checked="{str(checked).lower()}" tabindex="{0 if checked else -1}" data-face="{index}">'
        f"{picture}<span><b>{text.FACE.format(number=index + 1)}</b>{state_badge(track.verdict)}</span></button>"
    )


def _box_button(index: int, track: TrackEvidence, width: int, height: int, chosen: int) -> str:
    left, top, right, bottom = _shares(track.box, width, height)
    place = f"left:{100 * left:.2f}%;top:{100 * top:.2f}%;width:{100 * (right - left):.2f}%;height:{100 * (bottom - top):.2f}%"
    label = f"{text.FACE.format(number=index + 1)}: {text.STATES[track.verdict.state]}"
    label += f"; {area_text.ON_FACE.format(count=len(artifacts.shown(track)))}" if track.artifacts else ""
    icon = f'<svg width="13" height="13" viewBox="0 0 24 24" aria-hidden="true">{STATE_ICONS[track.verdict.state]}</svg>'
    return (
        f'<button type="button" class="tt-box tt-{track.verdict.state}" style="{place}" data-face="{index}" aria-label="{label}"'
        f' aria-pressed="{str(index == chosen).lower()}"><span>{index + 1}{icon}</span></button>'
    )


def _areas(evidence: Evidence, chosen: int) -> str:
    """The areas marked on every face; those of the chosen one can be seen."""
    width, height = evidence.media.width, evidence.media.height
    return "".join(artifacts.layer(track, index, width, height, index == chosen) for index, track in enumerate(evidence.tracks))


def _switch(areas: str) -> str:
    """What hides the areas, where there are any."""
    return f'<label class="tt-area-switch"><input type="checkbox" checked> {area_text.SHOW}</label>' if areas else ""


def _timeline(evidence: Evidence, chosen: int) -> str:
    duration = evidence.media.duration_seconds or max((track.last_seconds for track in evidence.tracks), default=0.0)
    if not evidence.tracks or duration <= 0:
        return ""
    ticks = "".join(
        f'<span style="left:{100 * share:.0f}%">{numbers.seconds(duration * share)}</span>' for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<div class="tt-timeline"><h4>{text.TIMELINE_TITLE}</h4><p class="tt-small">{text.TIMELINE_HINT}</p>'
        f'<div class="tt-plot"><div class="tt-axis" aria-hidden="true"><span>100 %</span><span>50 %</span><span>0 %</span></div>'
        f'<div class="tt-track" role="slider" tabindex="0" aria-label="{text.TIMELINE_TITLE}: {text.TIMELINE_AXIS}" aria-valuemin="0"'
        f' aria-valuemax="{duration:.1f}" aria-valuenow="0" data-chosen="{chosen}">'
        f"{timeline(evidence.tracks, duration, _threshold(evidence))}"
        f'<i class="tt-playhead"></i><output class="tt-moment"></output></div></div>'
        f'<div class="tt-ticks" aria-hidden="true">{ticks}</div></div>'
    )


def _threshold(evidence: Evidence) -> float | None:
    """From which probability on the detector calls a face manipulated, where the settings say so."""
    thresholds = evidence.settings.get("thresholds")
    value = thresholds.get("p_manipulated_above") if isinstance(thresholds, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _clip_data(evidence: Evidence) -> str:
    """Times, boxes and probabilities (in words) of every track, and the moment to start at, for the script that follows the faces."""
    width, height = evidence.media.width, evidence.media.height
    duration = evidence.media.duration_seconds or max((track.last_seconds for track in evidence.tracks), default=0.0)
    tracks = []
    for track in evidence.tracks:
        faces = track.track.faces if track.track is not None else ()
        shown = track.shown
        tracks.append(
            {
                "start": round(faces[shown].seconds if shown is not None else track.first_seconds, 3),
                "seconds": [round(moment.seconds, 3) for moment in track.timeline],
                "p": [numbers.percent(moment.p_manipulated) for moment in track.timeline],
                "at": [round(face.seconds, 3) for face in faces],
                "boxes": [[round(share, 4) for share in _shares(face.box, width, height)] for face in faces],
            }
        )
    return json.dumps({"duration": round(duration, 3), "tracks": tracks}, separators=(",", ":"))


def _shares(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """A box as shares of the picture, clipped to it."""
    left, right = (min(max(x / width, 0.0), 1.0) for x in (box[0], box[2]))
    top, bottom = (min(max(y / height, 0.0), 1.0) for y in (box[1], box[3]))
    return left, top, right, bottom


def _judged(evidence: Evidence) -> str:
    """The outline of what a detector of whole pictures saw, where that is not all of it."""
    seen = [track.track.faces[0].crop_box for track in evidence.tracks if track.view == "picture" and track.track is not None]
    if not seen:
        return ""
    left, top, right, bottom = _shares(seen[0], evidence.media.width, evidence.media.height)
    if (right - left) * (bottom - top) > 0.999:
        return ""
    place = f"left:{100 * left:.2f}%;top:{100 * top:.2f}%;width:{100 * (right - left):.2f}%;height:{100 * (bottom - top):.2f}%"
    return f'<i class="tt-judged" style="{place}" aria-hidden="true"></i>'


def _crowd(evidence: Evidence) -> str:
    if not evidence.tracks:
        return f'<p class="tt-small">{text.NO_FACE}</p>'
    if any(track.view == "picture" for track in evidence.tracks):
        part = f" {text.WHOLE_PART}" if _judged(evidence) else ""
        return f'<p class="tt-small">{text.WHOLE_HINT}{part}</p>'
    if evidence.faces_found > len(evidence.tracks) and evidence.media.kind == "picture":
        return f'<p class="tt-small">{text.LARGEST_OF.format(shown=len(evidence.tracks), found=evidence.faces_found)}</p>'
    return ""
