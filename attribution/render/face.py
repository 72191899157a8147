"""The verdict on a file and on one face of it, as HTML: verdict banner, face card, nearest references, measured limits."""

from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.evidence import DetectorInfo, Evidence, Face, Placement, TrackEvidence
from attribution.render.html import macros
from attribution.text import page as text
from attribution.text.numbers import percent, seconds

_HTML = macros("face.html")


def name_of(track: TrackEvidence, number: int, kind: str) -> str:
    """What was judged, for people: a face by its number, or all of a file of that kind."""
    return text.FACE.format(number=number) if track.view == "face" else text.WHOLE[kind]


def telling_track(evidence: Evidence) -> int:
    """The index in `evidence.tracks` of the face that the file's verdict rests on: the one to show first. 0 when there is none."""
    wanted = evidence.verdict.state, evidence.verdict.method
    ranked = [((one.verdict.state, one.verdict.method) == wanted, one.p_manipulated) for one in evidence.tracks]
    return max(range(len(ranked)), key=ranked.__getitem__) if ranked and evidence.verdict.state != "no_manipulation_found" else 0


def verdict_banner(evidence: Evidence, anchor: str = "", note: str = "", said: Collection[str] = ()) -> Markup:
    """The answer on the file, and beside it what the detector cannot tell.

    Args:
        anchor: Makes its id and its link to the limits (`tt-verdict…`, `#tt-limits…`) those of one file among several.
        note: Markup that stands in place of the explanation of the state.
        said: Reasons that the note gives already.
    """
    return _HTML.verdict_banner(evidence.verdict, evidence.detector, _where(evidence), anchor, note, said)


def _where(evidence: Evidence) -> str:
    """Which face, and when in a clip, a manipulation was found."""
    if evidence.verdict.state != "manipulated" or not evidence.tracks:
        return ""
    index = telling_track(evidence)
    worst, total = evidence.tracks[index].worst, len(evidence.tracks)
    parts = [text.FACE_OF.format(number=index + 1, total=total)] if total > 1 else []
    return ", ".join([*parts, *([f"{seconds(worst.first_seconds)}–{seconds(worst.last_seconds)}"] if worst is not None else [])])


def face_card(
    track: TrackEvidence, number: int, detector: DetectorInfo, crop_uri: str | None = None, shown: Face | None = None, reasons: bool = True
) -> Markup:
    """What is said of one face: its crop, verdict, reasons and measures. `shown` is the face of that crop, and the measures are its own;
    reasons may be left out where the verdict on the file has just given the same ones."""
    whole, names, best = track.view == "picture", text.FACE_MEASURES, shown or track
    moment = seconds(shown.seconds) if shown is not None and track.timeline else ""
    seen = text.WHOLE_AS_SEEN["frame" if moment else "picture"] if whole else ""
    measures: dict[str, str] = {names["p"]: percent(track.p_manipulated)}
    if shown is not None and moment:
        now = min(track.timeline, key=lambda one: abs(one.seconds - shown.seconds))
        measures[names["now"].format(moment=moment)] = percent(now.p_manipulated)
    if whole:
        left, top, right, bottom = shown.crop_box if shown is not None else track.box
        measures[names["whole_size"]] = f"{right - left:.0f} × {bottom - top:.0f} px"
    else:
        measures[names["size"]] = f"{best.crop_side_px:.0f} px wide"
    measures[names["sharpness"]] = f"{best.sharpness:.0f} ({text.SHARPNESS_UNIT})"
    measures[names["brightness"]] = f"{best.brightness:.0f} of 255"
    if track.timeline:
        measures[names["seen"]] = f"{seconds(track.first_seconds)}–{seconds(track.last_seconds)}, {track.faces} frames"
    name = name_of(track, number, "clip" if track.timeline else "picture")
    return _HTML.face_card(track, detector, name, crop_uri, " · ".join(filter(None, (moment, seen))), measures, reasons)


def refused(words: str) -> Markup:
    """One plain sentence on why something is not there."""
    return _HTML.refused(words)


def neighbour_table(placement: Placement, detector: DetectorInfo, pictures: Mapping[int, str] | None = None) -> Markup:
    """The nearest references. `pictures` maps a neighbour's index to a data URI, where the user has the reference faces on disk."""
    return _HTML.neighbour_table(placement, detector, pictures or {})


def limits_title(detector: DetectorInfo) -> str:
    """The heading of what is known of a detector's errors."""
    return text.LIMITS_TITLE if detector.measured else text.UNMEASURED_TITLE


def measured(tables: Sequence[MeasuredTable], detector: DetectorInfo) -> Markup:
    """The measured limits of a detector: its sentences, and the tables of its card, of which the first is open."""
    return _HTML.measured(tables, detector)


def measure_list(values: Mapping[str, str], kind: str = "tt-measures") -> Markup:
    """Names and values as a list; those without a value are left out."""
    return _HTML.measure_list(values, kind)
