"""The answers of all detectors that the reader chose on a face, as one table with a sentence above it, as HTML."""

from typing import NamedTuple

from markupsafe import Markup

from attribution.evidence import DetectorInfo, Opinion, TrackEvidence
from attribution.render.html import macros
from attribution.render.opinion import first_state, found_by_first, refusal_line, together
from attribution.render.palette import family_style
from attribution.text import opinions as text
from attribution.text.detectors import called
from attribution.text.numbers import listed
from attribution.text.page import method_words

_HTML = macros("opinion.html")


class _Row(NamedTuple):
    """What one of the chosen detectors says of a face. `state` is empty where it cannot judge it, and then `why` says why; `compared` is
    one of text.COMPARED, or empty for the first one."""

    name: str
    detector: DetectorInfo
    view: str
    state: str
    what: str
    p: float | None
    compared: str = ""
    why: str = ""


def side_by_side(track: TrackEvidence, first: DetectorInfo, about: str = "", link: bool = False) -> Markup:
    """The answers of all detectors that the reader chose on a track: a table, a row each, and above it how many of them say what. Empty
    where there is none beside the first. `about` says what they are about, where a file has several faces; `link` adds the way to all that
    the others say. Numbers that were not calibrated are not given: they cannot be compared."""
    asked = [one for one in track.opinions if one.asked_for]
    if not asked:
        return Markup()
    state = first_state(track)
    found = "" if state != "manipulated" else method_words(track.verdict, first) or found_by_first(track)
    name = text.TOGETHER_NAME if track.together else _called(first)
    rows = [_Row(name, first, track.view, state, found, track.p_manipulated, why="" if state else text.NOT_JUDGED), *map(_row, asked)]
    heading = text.SIDE_BY_SIDE_OF.format(face=about) if about else text.SIDE_BY_SIDE
    caveats = [] if all(one.detector.measured for one in rows) else [text.STRANGERS]
    return _HTML.side_by_side(heading, together(track), [(one, _families(one.detector)) for one in rows], caveats, link)


def _row(opinion: Opinion) -> _Row:
    name, verdict, detector = _called(opinion.detector), opinion.verdict, opinion.detector
    if verdict is None:
        return _Row(name, detector, opinion.view, "", "", None, why=refusal_line(opinion))
    compared = "combined" if opinion.combined else _compared(opinion)
    return _Row(name, detector, opinion.view, verdict.state, method_words(verdict, detector), opinion.p_manipulated, compared)


def _compared(opinion: Opinion) -> str:
    """One of text.COMPARED for an opinion beside the first answer."""
    kind, verdict = str(opinion.agreement), opinion.verdict
    if kind == "same family" and verdict is not None and verdict.family in (None, "real"):
        return "same method" if verdict.family == "real" else "same answer"
    other_kind = kind == "differs" and not opinion.overturns and verdict is not None and verdict.state == "manipulated"
    return "other kind" if other_kind else kind


def _families(detector: DetectorInfo) -> str:
    """What a detector looks for, in words."""
    told = [family_style(family).name for family in detector.speaks_of if family != "unknown"]
    return listed(told) if told else text.WITHOUT_METHOD


def _called(detector: DetectorInfo) -> str:
    """The name of a detector; of one from the Hub with its repository and its commit."""
    return called(detector.name, detector.source) if detector.source else text.name_of(detector.name)
