"""The parts of the page and of the report as HTML: verdict, one face, nearest references, measured limits.

Pure functions from evidence to strings. Every text that comes from a file, a card or a user is escaped here; no part holds a script.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from attribution.evidence import UNKNOWN_FAMILY, Evidence, Face, Interval, Neighbour, Placement, TrackEvidence, Verdict
from attribution.evidence.answers import DetectorInfo
from attribution.render.charts import family_mark
from attribution.render.palette import FAMILY_STYLES, STATE_ICONS
from attribution.text import numbers
from attribution.text import page as text

LIMITS_IN_BANNER = 4


class Table(Protocol):
    """A measured table of a detector's card: a title, column heads, rows of texts, numbers or None, and a note."""

    @property
    def title(self) -> str: ...
    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def rows(self) -> Sequence[Sequence[str | float | int | None]]: ...
    @property
    def note(self) -> str: ...


def state_icon(state: str, side_px: int = 24) -> str:
    """The icon of a state as inline SVG in the colour of the text around it."""
    return f'<svg class="tt-icon" width="{side_px}" height="{side_px}" viewBox="0 0 24 24" aria-hidden="true">{STATE_ICONS[state]}</svg>'


def state_badge(verdict: Verdict) -> str:
    """Icon and word in the colours of the state."""
    return f'<span class="tt-badge tt-{verdict.state}">{state_icon(verdict.state, 16)}{text.STATES[verdict.state]}</span>'


def method_words(verdict: Verdict, detector: DetectorInfo) -> str:
    """The method of a manipulation in plain words (not escaped); empty for any other state."""
    if verdict.method is None:
        return ""
    if verdict.method in detector.labels:
        return detector.display(verdict.method)
    if verdict.family in FAMILY_STYLES:
        return text.UNKNOWN_OF_FAMILY.format(family=FAMILY_STYLES[verdict.family].name)
    return text.NOT_TOLD if UNKNOWN_FAMILY in detector.families else text.UNKNOWN


def name_of(track: TrackEvidence, number: int, kind: str) -> str:
    """What was judged, for people: a face by its number, or all of a file of that kind."""
    return text.FACE.format(number=number) if track.view == "face" else text.WHOLE[kind]


def telling_track(evidence: Evidence) -> int:
    """The index in `evidence.tracks` of the face that the file's verdict rests on: the one to show first. 0 when there is none."""
    ranked = [
        (track.verdict.state == evidence.verdict.state and track.verdict.method == evidence.verdict.method, track.p_manipulated)
        for track in evidence.tracks
    ]
    return max(range(len(ranked)), key=ranked.__getitem__) if ranked and evidence.verdict.state != "no_manipulation_found" else 0


def verdict_banner(evidence: Evidence, anchor: str = "", note: str = "", said: Collection[str] = ()) -> str:
    """The answer on the file, and beside it what the detector cannot tell. `anchor` makes its id and its link to the limits
    (`tt-verdict…`, `#tt-limits…`) those of one file among several. `note` is HTML that stands in place of the explanation of the state;
    reasons that are `said` in it are left out."""
    verdict, detector = evidence.verdict, evidence.detector
    explained = note or f'<p class="tt-explained">{text.STATES_EXPLAINED[verdict.state]}</p>'
    return (
        f'<section class="tt-verdict tt-{verdict.state}" id="tt-verdict{anchor}" tabindex="-1" aria-label="{text.STATES[verdict.state]}">'
        f'<div class="tt-answer"><div class="tt-state">{state_icon(verdict.state, 40)}<h2>{text.STATES[verdict.state]}</h2></div>'
        f"{method_line(verdict, detector)}{_where(evidence)}{confidence_line(verdict, detector)}"
        f"{explained}{reason_list(verdict, said)}</div>"
        f"{_cannot_tell(detector, anchor)}</section>"
    )


def face_card(
    track: TrackEvidence,
    number: int,
    detector: DetectorInfo,
    crop_uri: str | None = None,
    shown: Face | None = None,
    reasons: bool = True,
) -> str:
    """What is said of one face: its crop, verdict, reasons and measures. `shown` is the face of that crop, and the measures are its own;
    reasons may be left out where the verdict on the file has just given the same ones."""
    whole = track.view == "picture"
    name = name_of(track, number, "clip" if track.timeline else "picture")
    moment = numbers.seconds(shown.seconds) if shown is not None and track.timeline else ""
    seen = text.WHOLE_AS_SEEN["frame" if moment else "picture"] if whole else ""
    caption = f"<figcaption>{' · '.join(words for words in (moment, seen) if words)}</figcaption>" if moment or seen else ""
    figure = f'<figure class="tt-crop"><img src="{crop_uri}" alt="{name}" width="224" height="224">{caption}</figure>' if crop_uri else ""
    best = shown or track
    names = text.FACE_MEASURES
    measures = {names["p"]: numbers.percent(track.p_manipulated)}
    if shown is not None and moment:
        now = min(track.timeline, key=lambda one: abs(one.seconds - shown.seconds))
        measures[names["now"].format(moment=moment)] = numbers.percent(now.p_manipulated)
    measures[names["whole_size" if whole else "size"]] = _extent(track, shown) if whole else f"{best.crop_side_px:.0f} px wide"
    measures[names["sharpness"]] = f"{best.sharpness:.0f} ({text.SHARPNESS_UNIT})"
    measures[names["brightness"]] = f"{best.brightness:.0f} of 255"
    if track.timeline:
        measures[names["seen"]] = f"{numbers.seconds(track.first_seconds)}–{numbers.seconds(track.last_seconds)}, {track.faces} frames"
    return (
        f'<div class="tt-face">{figure}<div class="tt-face-text"><h3>{name}</h3>{state_badge(track.verdict)}'
        f"{method_line(track.verdict, detector)}{confidence_line(track.verdict, detector)}</div>"
        f'<div class="tt-face-rest">{_worst(track.worst, track.verdict)}{reason_list(track.verdict) if reasons else ""}'
        f"{measure_list(measures)}</div></div>"
    )


def _extent(track: TrackEvidence, shown: Face | None) -> str:
    """How much of the file a detector of whole pictures judged, in its pixels."""
    left, top, right, bottom = shown.crop_box if shown is not None else track.box
    return f"{right - left:.0f} × {bottom - top:.0f} px"


def no_references() -> str:
    """In the place of the nearest references, for a detector that brings none."""
    return f'<p class="tt-refused">{text.NO_REFERENCES}</p>'


def neighbour_table(placement: Placement, detector: DetectorInfo, pictures: Mapping[int, str] | None = None) -> str:
    """The nearest references. `pictures` maps a neighbour's index to a data URI, where the user has the reference faces on disk."""
    *words, distance = (html.escape(name) for name in text.NEIGHBOURS_HEAD)
    head = "".join(f'<th scope="col">{name}</th>' for name in words) + f'<th scope="col" class="tt-number">{distance}</th>'
    rows = "".join(_neighbour(one, detector, (pictures or {}).get(one.index)) for one in placement.neighbours)
    share = numbers.percent(placement.atypicality)
    strange = f" <b>{text.ATYPICAL_WARNING}</b>" if placement.atypicality >= 0.95 else ""
    share = share[0].upper() + share[1:]
    return (
        f'<div class="tt-scroll"><table class="tt-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="tt-small">{text.NEIGHBOURS_HINT} {text.ATYPICAL.format(share=share)}{strange}</p>'
    )


def limits_title(detector: DetectorInfo) -> str:
    """The heading of what is known of a detector's errors."""
    return text.LIMITS_TITLE if detector.measured else text.UNMEASURED_TITLE


def measured(tables: Sequence[Table], detector: DetectorInfo) -> str:
    """The measured limits of a detector: its sentences, and the tables of its card, of which the first is open."""
    sentences = "".join(f"<li>{html.escape(limit)}</li>" for limit in detector.limits) or f"<li>{text.NO_LIMITS}</li>"
    hint = text.LIMITS_HINT if detector.measured else text.UNMEASURED_HINT
    parts = [f'<p class="tt-small">{hint}</p><ul class="tt-limits">{sentences}</ul>']
    for index, table in enumerate(tables):
        head = "".join(_column(name, [row[i] for row in table.rows]) for i, name in enumerate(table.columns))
        rows = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows)
        note = f'<p class="tt-small">{html.escape(table.note)}</p>' if table.note else ""
        parts.append(
            f"<details{'' if index else ' open'}><summary>{html.escape(table.title)}</summary>"
            f'<div class="tt-scroll"><table class="tt-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
            f"{note}</details>"
        )
    return "".join(parts)


def measure_list(values: Mapping[str, str], kind: str = "tt-measures") -> str:
    """Names and values as a list; those without a value are left out."""
    rows = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd></div>" for name, value in values.items() if value)
    return f'<dl class="{kind}">{rows}</dl>'


def method_line(verdict: Verdict, detector: DetectorInfo) -> str:
    """The method with the mark of its family; empty unless manipulated."""
    words = method_words(verdict, detector)
    return f'<p class="tt-method">{family_mark(verdict.family, 18)}<span>{html.escape(words)}</span></p>' if words else ""


def _where(evidence: Evidence) -> str:
    """Which face, and when in a clip, a manipulation was found."""
    if evidence.verdict.state != "manipulated" or not evidence.tracks:
        return ""
    index = telling_track(evidence)
    track = evidence.tracks[index]
    parts = [text.FACE_OF.format(number=index + 1, total=len(evidence.tracks))] if len(evidence.tracks) > 1 else []
    if track.worst is not None:
        parts.append(f"{numbers.seconds(track.worst.first_seconds)}–{numbers.seconds(track.worst.last_seconds)}")
    return f'<p class="tt-where">{", ".join(parts)}</p>' if parts else ""


def confidence_line(verdict: Verdict, detector: DetectorInfo) -> str:
    """The confidence in a number, a gauge and a word; of a detector that was not measured, that its number is no confidence. Empty when
    inconclusive."""
    if verdict.confidence is None:
        return ""
    words = text.CONFIDENCE.format(words=numbers.confidence_words(verdict.confidence))
    words, kind = (words, "") if detector.measured else (text.UNCALIBRATED[verdict.state], " tt-uncalibrated")
    return (
        f'<p class="tt-confidence{kind}"><b>{numbers.percent(verdict.confidence)}</b><span class="tt-gauge" aria-hidden="true">'
        f'<i style="width:{100 * verdict.confidence:.0f}%"></i></span><span>{words}</span></p>'
    )


def _worst(worst: Interval | None, verdict: Verdict) -> str:
    if worst is None or verdict.state != "manipulated":
        return ""
    first, last = numbers.seconds(worst.first_seconds), numbers.seconds(worst.last_seconds)
    return f'<p class="tt-small">{text.WORST.format(first=first, last=last, p=numbers.percent(worst.p_manipulated))}</p>'


def reason_list(verdict: Verdict, but: Collection[str] = ()) -> str:
    """Why, as a list without the reasons in `but`; empty when none is left."""
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in verdict.reasons if reason not in but)
    return f'<h4>{text.WHY}</h4><ul class="tt-reasons">{reasons}</ul>' if reasons else ""


def _cannot_tell(detector: DetectorInfo, anchor: str) -> str:
    limits = "".join(f"<li>{html.escape(limit)}</li>" for limit in detector.limits[:LIMITS_IN_BANNER]) or f"<li>{text.NO_LIMITS}</li>"
    more = text.ALL_LIMITS if detector.measured else text.WHAT_IS_KNOWN
    return (
        f'<aside class="tt-cannot"><h3>{text.CANNOT_TELL}</h3><ul>{limits}</ul>'
        f'<p class="tt-small">{text.NOT_PROOF} <a href="#tt-limits{anchor}">{more}</a></p></aside>'
    )


def _neighbour(one: Neighbour, detector: DetectorInfo, picture: str | None) -> str:
    family = detector.families[detector.labels.index(one.method)] if one.method in detector.labels else None
    thumbnail = f'<img src="{picture}" alt="" width="48" height="48">' if picture else ""
    return (
        f'<tr><th scope="row"><div class="tt-ref">{thumbnail}{family_mark(family)}<span>{html.escape(detector.display(one.method))}</span>'
        f"</div></th>"
        f'<td>{html.escape(one.source)}</td><td class="tt-number">{max(0.0, one.distance):.3f}</td></tr>'
    )


def _column(name: str, cells: Sequence[str | float | int | None]) -> str:
    """The head of a column, aligned as its cells are."""
    kind = "" if any(isinstance(cell, str) for cell in cells) else ' class="tt-number"'
    return f'<th scope="col"{kind}>{html.escape(name)}</th>'


def _cell(cell: str | float | int | None) -> str:
    if cell is None:
        return '<td class="tt-number">–</td>'
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    shown = f"{cell:,}" if isinstance(cell, int) else f"{cell:.3g}" if abs(cell) >= 1 else f"{cell:.2f}"
    return f'<td class="tt-number">{shown}</td>'
