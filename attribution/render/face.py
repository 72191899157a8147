"""The verdict on a file and on one face of it, as HTML: verdict banner, face card, nearest references, measured limits."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.evidence import DetectorInfo, Evidence, Face, Placement, TrackEvidence
from attribution.messages import Message, ngettext
from attribution.render.html import macros
from attribution.render.nearest_limits import nearest_limits
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.text.numbers import listed, percent, seconds, significant

_HTML = macros("face.html")
# The side at which detail is measured: more than that is never seen.
_DETAIL_UP_TO_PX = 224


def name_of(track: TrackEvidence, number: int, kind: str) -> str:
    """What was judged, for people: a face by its number, or all of a file of that kind."""
    return text.FACE.format(number=number) if track.view == "face" else text.WHOLE[kind]


def together(track: TrackEvidence) -> Message | str:
    """Which detectors gave the answer on a face together; empty where one gave it alone."""
    names = [opinion_text.name_of(one.name) for one in track.together]
    return opinion_text.TOGETHER.format(names=listed(names)) if names else ""


def verdict_banner(
    evidence: Evidence, anchor: str = "", note: str = "", said: Collection[str] = (), tables: Sequence[MeasuredTable] | None = None
) -> Markup:
    """The answer on the file, and beside it the two measured limits that are nearest to it.

    Args:
        anchor: Makes its id and its link to the limits (`tt-verdict…`, `#tt-limits…`) those of one file among several.
        note: Markup that stands in place of the explanation of the state.
        said: Reasons that the note gives already.
        tables: Those of the detector's card; None where they are not at hand.
    """
    track = evidence.tracks[evidence.telling] if evidence.tracks else None
    limits = nearest_limits(evidence, track, tables)
    common = together(track) if track is not None else ""
    return _HTML.verdict_banner(evidence.verdict, evidence.detector, _where(evidence), anchor, note, said, common, limits)


def _where(evidence: Evidence) -> str:
    """Which face the answer rests on, and when in a clip a manipulation was found."""
    if evidence.verdict.state == "no_manipulation_found" or not evidence.tracks:
        return ""
    index = evidence.telling
    worst, total = evidence.tracks[index].worst, len(evidence.tracks)
    if worst is None or evidence.verdict.state == "inconclusive":
        return text.FACE_OF.format(number=index + 1, total=total) if total > 1 else ""
    first, last = seconds(worst.first_seconds), seconds(worst.last_seconds)
    if total > 1:
        return text.FACE_OF_WHEN.format(number=index + 1, total=total, first=first, last=last)
    return text.WHEN.format(first=first, last=last)


def face_card(
    track: TrackEvidence, number: int, detector: DetectorInfo, crop_uri: str | None = None, shown: Face | None = None, reasons: bool = True,
    fold: bool = False,
) -> Markup:  # fmt: skip
    """What is said of one face: its crop, verdict, reasons and measures, which may be folded. `shown` is the face of that crop, and the
    measures are its own; reasons may be left out where the verdict on the file has just given the same ones."""
    whole, names, best = track.view == "picture", text.FACE_MEASURES, shown or track
    moment = seconds(shown.seconds) if shown is not None and track.timeline else ""
    seen = text.WHOLE_AS_SEEN["frame" if moment else "picture"] if whole else ""
    measures: dict[str, str] = {names["p"]: percent(track.p_manipulated)}
    if shown is not None and moment:
        now = min(track.timeline, key=lambda one: abs(one.seconds - shown.seconds))
        measures[names["now"].format(moment=moment)] = percent(now.p_manipulated)
    if whole:
        left, top, right, bottom = shown.crop_box if shown is not None else track.box
        measures[names["whole_size"]] = text.PIXELS.format(width=round(right - left), height=round(bottom - top))
    else:
        soft = 0 < best.detail_px < 0.8 * min(best.crop_side_px, _DETAIL_UP_TO_PX)
        form = text.WIDE_BUT_SOFT if soft else text.WIDE
        measures[names["size"]] = form.format(side=significant(best.crop_side_px), detail=significant(best.detail_px))
    measures[names["sharpness"]] = text.SHARPNESS.format(value=significant(best.sharpness))
    measures[names["brightness"]] = text.BRIGHTNESS.format(value=significant(best.brightness))
    if track.timeline:
        first, last = seconds(track.first_seconds), seconds(track.last_seconds)
        frames = ngettext("{first}–{last}, {count} frame", "{first}–{last}, {count} frames", track.faces)
        measures[names["seen"]] = frames.format(first=first, last=last, count=track.faces)
    name = name_of(track, number, "clip" if track.timeline else "picture")
    return _HTML.face_card(track, detector, name, crop_uri, [one for one in (moment, seen) if one], measures, reasons, fold)


def refused(words: str) -> Markup:
    """One plain sentence on why something is not there."""
    return _HTML.refused(words)


def neighbours(placement: Placement, detector: DetectorInfo, pictures: Mapping[int, str] | None = None) -> Markup:
    """The nearest references by method as one bar, how far they lie off against ordinary test faces, and folded below each of them.
    `pictures` maps a neighbour's index to a data URI, where the user has the reference faces on disk."""
    methods = Counter(one.method for one in placement.neighbours).most_common()
    parts = [(detector.family(method), detector.display(method), count) for method, count in methods]
    return _HTML.neighbours(placement, detector, parts, pictures or {})


def limits_title(detector: DetectorInfo) -> str:
    """The heading of what is known of a detector's errors."""
    return text.LIMITS_TITLE if detector.measured else text.UNMEASURED_TITLE


def measured(tables: Sequence[MeasuredTable], detector: DetectorInfo) -> Markup:
    """The measured limits of a detector: its sentences, and the tables of its card, of which the first is open."""
    return _HTML.measured(tables, detector)


def measure_list(values: Mapping[str, str], kind: str = "tt-measures") -> Markup:
    """Names and values as a list; those without a value are left out."""
    return _HTML.measure_list(values, kind)
