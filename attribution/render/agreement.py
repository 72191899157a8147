"""Whether detectors agree on a face, as HTML: in a line beside the first answer, in full with the second one, and at the verdict where two
definite answers leave none."""

from __future__ import annotations

import html

from attribution.evidence import DetectorInfo, Evidence, Opinion, TrackEvidence, Verdict
from attribution.render.palette import family_style
from attribution.render.panels import method_words, state_icon, telling_track
from attribution.text import numbers
from attribution.text import opinions as text
from attribution.text import page as page_text

_STROKE = 'fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"'
_EQUAL = f'<path d="M5 9h14M5 15h14" {_STROKE}/>'
_ICONS = {
    "same method": _EQUAL,
    "same family": f'<path d="M4 10c3-3 5-3 8 0s5 3 8 0M4 16c3-3 5-3 8 0s5 3 8 0" {_STROKE}/>',
    "same answer": f'<path d="M4 12c3-3 5-3 8 0s5 3 8 0" {_STROKE}/>',
    "differs": f'{_EQUAL}<path d="M16 4 8 20" {_STROKE}/>',
    "undecided": f'<path d="M5 12h3M10.5 12h3M16 12h3" {_STROKE}/>',
}


def looks_for(detector: DetectorInfo) -> str:
    """A detector's scope. That of one which claims none, as detectors of others do, follows from what its labels tell: `generated` or
    `face_swap` alone, or `any`."""
    families = set(detector.families) - {"real"}
    if detector.scope != "any" or not families:
        return detector.scope
    return "face_swap" if families == {"face_swap"} else "generated" if families <= {"gan", "diffusion"} else "any"


def overturning(track: TrackEvidence) -> Opinion | None:
    """The first opinion that left the track without a verdict: it contradicts the first answer, or calls the face what is none of the first
    detector's business. None where none did."""
    return next((one for one in track.opinions if one.overturns), None)


def first_state(track: TrackEvidence) -> str:
    """The state of the first detector's own answer; empty where the face is none of its business."""
    opinion = overturning(track)
    if opinion is not None and opinion.agreement != "differs":
        return ""
    return (track.own_verdict or track.verdict).state


def beside(track: TrackEvidence) -> str:
    """The short form that stands beside the first detector's answer, with the way to the long one; empty unless an opinion was given."""
    notes = ""
    for opinion in track.opinions:
        if opinion.agreement is None:
            continue
        kind = _kind(opinion)
        words = f"{text.BESIDE}: {_words(opinion, kind)}."
        notes += (
            f'<p class="tt-agreement tt-{_class(kind)}">{_icon(kind)}<span><b>{words}</b> '
            f'<a href="#tt-opinion">{html.escape(text.JUMP.format(name=text.name_of(opinion.detector.name)))}</a></span></p>'
        )
    return f'<div class="tt-beside">{notes}</div>' if notes else ""


def agreement(track: TrackEvidence, opinion: Opinion, first: DetectorInfo) -> str:
    """Whether the two detectors agree, and what that means. `opinion` was given."""
    if opinion.verdict is None or opinion.agreement is None:
        return ""
    if opinion.overturns:
        return dispute(track, opinion, first)
    said = _meaning(track, first, opinion.verdict, opinion.detector, opinion.agreement)
    meaning = html.escape(" ".join((said, *_caveats(track, opinion))))
    return (
        f'<div class="tt-agreement tt-{_class(opinion.agreement)}" role="note">{_icon(opinion.agreement)}'
        f"<p><b>{_words(opinion, opinion.agreement)}.</b> {meaning}</p></div>"
    )


def side_by_side(track: TrackEvidence, opinion: Opinion, first: DetectorInfo, about: str = "") -> str:
    """Both answers on a track with both probabilities, and whether they agree, for a second detector that the reader chose; why it was not
    asked where it was not. `about` says what they are about, where a file has several faces."""
    name = text.name_of(opinion.detector.name)
    state = first_state(track)
    found = "" if state != "manipulated" else method_words(track.verdict, first) or _found_by_first(track)
    sides = _side(text.FIRST_ONE.format(name=text.name_of(first.name)), state, found, track.p_manipulated, first)
    if opinion.verdict is None or opinion.p_manipulated is None:
        refused = f'<p class="tt-refused">{html.escape(opinion.refused)}</p>'
        sides, end = f'<dl class="tt-sides">{sides}</dl>{refused}', ""
    else:
        said = method_words(opinion.verdict, opinion.detector)
        other = _side(text.SECOND_ONE.format(name=name), opinion.verdict.state, said, opinion.p_manipulated, opinion.detector)
        kind = _kind(opinion)
        jump = html.escape(text.JUMP.format(name=name))
        sides = f'<dl class="tt-sides">{sides}{other}</dl>'
        end = (
            f'<p class="tt-agreement tt-{_class(kind)}">{_icon(kind)}<span><b>{_words(opinion, kind)}.</b> '
            f'{html.escape(" ".join(_caveats(track, opinion)))} <a href="#tt-opinion">{jump}</a></span></p>'
        )
    heading = f"{text.SIDE_BY_SIDE}: {html.escape(about)}" if about else text.SIDE_BY_SIDE
    return f'<section class="tt-panel tt-both" aria-label="{heading}"><h3>{heading}</h3>{sides}{end}</section>'


def dispute(track: TrackEvidence, opinion: Opinion, first: DetectorInfo, link: bool = False) -> str:
    """Who said what of a face that this opinion left without a verdict, each with its probability, and what to do next. `link` adds the
    way to the opinion."""
    two = opinion.verdict
    if two is None or opinion.p_manipulated is None:
        return ""
    name, first_name = text.name_of(opinion.detector.name), text.name_of(first.name)
    first_one, second_one = text.FIRST_ONE.format(name=first_name), text.SECOND_ONE.format(name=name)
    if opinion.agreement == "differs":
        lead = text.CONTRADICTED
        state = first_state(track)
        one = _side(first_one, state, _found_by_first(track) if state == "manipulated" else "", track.p_manipulated, first)
    else:
        family = family_style(two.family).name
        lead = text.OUT_OF_FIELD.format(first=first_name, what=text.LOOKS_FOR[looks_for(first)], second=name, said=f"“{family}”")
        one = _side(first_one, "", "", track.p_manipulated, first)
    other = _side(second_one, two.state, method_words(two, opinion.detector), opinion.p_manipulated, opinion.detector)
    steps = "".join(f"<li>{step}</li>" for step in text.NEXT)
    jump = html.escape(text.JUMP.format(name=name))
    way = f' <a href="#tt-opinion">{jump}</a>' if link else ""
    return (
        f'<div class="tt-agreement tt-differs tt-dispute" role="note">{_icon("differs")}<div><p><b>{html.escape(lead)}</b>{way}</p>'
        f'<dl class="tt-sides">{one}{other}</dl><h4>{text.NEXT_TITLE}</h4><ul>{steps}</ul></div></div>'
    )


def verdict_note(evidence: Evidence, link: bool = False) -> tuple[str, tuple[str, ...]]:
    """Where a second opinion left the file without a verdict: the note on it, and the reasons that it makes superfluous. Both empty
    elsewhere."""
    if evidence.verdict.state != "inconclusive" or not evidence.tracks:
        return "", ()
    track, first = evidence.tracks[telling_track(evidence)], evidence.detector
    opinion = overturning(track)
    if opinion is None:
        return "", ()
    return dispute(track, opinion, first, link), (opinion.overturns,)


def _side(name: str, state: str, what: str, p_manipulated: float, detector: DetectorInfo) -> str:
    """What one of two detectors said of a face."""
    words = page_text.STATES.get(state, "")
    words = text.SAID.format(state=words, what=what) if what else words
    answer = f"<b>{state_icon(state, 18)}<span>{html.escape(words)}</span></b>" if words else ""
    p = (text.SAYS if detector.measured else text.SAYS_UNCALIBRATED).format(p=numbers.percent(p_manipulated))
    bar = f'<span class="tt-bar" aria-hidden="true"><i style="width:{100 * p_manipulated:.0f}%"></i></span>'
    return f'<div class="tt-{state or "unsaid"}"><dt>{html.escape(name)}</dt><dd>{answer}<span class="tt-small">{p}</span>{bar}</dd></div>'


def _found_by_first(track: TrackEvidence) -> str:
    """The kind of manipulation that the first detector takes for the likeliest."""
    families = {family: p for family, p in track.p_families.items() if family != "real"}
    return family_style(max(families, key=lambda one: families[one])).name if families else ""


def _kind(opinion: Opinion) -> str:
    return "differs" if opinion.overturns else str(opinion.agreement)


def _words(opinion: Opinion, kind: str) -> str:
    """The agreement in words. Where nothing was found, or no kind of method is told, there is no family to speak of."""
    if kind == "same family" and opinion.verdict is not None and opinion.verdict.family in (None, "real"):
        kind = "same method" if opinion.verdict.family == "real" else "same answer"
    return text.AGREEMENT[kind]


def _caveats(track: TrackEvidence, opinion: Opinion) -> list[str]:
    """What else the reader has to know of an opinion beside an answer (not escaped)."""
    name, seen = text.name_of(opinion.detector.name), text.SEEN
    found = [text.OTHER_VIEW.format(name=name, seen=seen[opinion.view], first_seen=seen[track.view])] if opinion.view != track.view else []
    return [*found, *([] if opinion.detector.measured else [text.NOT_MEASURED.format(name=name)])]


def _together(first: DetectorInfo, second: DetectorInfo) -> str:
    """What is known of why two detectors that agree may both be wrong."""
    stranger = next((one for one in (second, first) if one.source or not one.measured), None)
    return text.SAME_COLLECTIONS if stranger is None else text.OTHER_COLLECTIONS.format(name=text.name_of(stranger.name))


def _class(kind: str) -> str:
    return kind.replace(" ", "-")


def _icon(kind: str) -> str:
    return f'<svg class="tt-icon" width="26" height="26" viewBox="0 0 24 24" aria-hidden="true">{_ICONS[kind]}</svg>'


def _meaning(track: TrackEvidence, first: DetectorInfo, two: Verdict, second: DetectorInfo, agreed: str) -> str:
    """What the agreement means, in plain words (not escaped)."""
    name, first_name, one = text.name_of(second.name), text.name_of(first.name), track.verdict
    # Another opinion may have overturned the first answer, which this one agrees with.
    state = first_state(track) or one.state
    said, also = (method_words(one, first) or page_text.STATES[state], method_words(two, second) or page_text.STATES[two.state])
    of_generators = "generated" in (looks_for(first), looks_for(second))
    if agreed == "undecided":
        words = text.NEITHER_DECIDED if state == two.state else text.UNDECIDED if two.state == "inconclusive" else text.FIRST_UNDECIDED
        return words.format(name=name, second=also)
    if agreed == "differs":
        in_method, in_state = text.DIFFERS_IN_METHOD, text.DIFFERS_IN_STATE
        if not of_generators:
            in_method, in_state = text.DIFFERS_IN_SWAP, text.DIFFERS_ON_SWAP
        meaning = in_method if state == two.state == "manipulated" else in_state
        return f"{text.DIFFERS.format(first_name=first_name, first=said, name=name, second=also)} {meaning}"
    together = _together(first, second)
    if state != "manipulated":
        return text.SAME_STATE if of_generators else f"{text.NEITHER_FINDS} {together}"
    if agreed == "same method":
        return f"{text.SAME_METHOD.format(method=also)} {together}"
    if agreed == "same answer":
        teller, silent, family = (first_name, name, one.family) if one.family is not None else (name, first_name, two.family)
        return f"{text.FAMILY_NOT_TOLD.format(teller=teller, silent=silent, family=family_style(family).name)} {together}"
    if two.family is None:
        return f"{text.NEITHER_TELLS} {together}"
    if not of_generators:
        return f"{text.BOTH_FIND.format(first=said, name=name, second=also)} {together}"
    family = family_style(two.family).name
    if one.method in first.labels and two.method in second.labels:
        return text.SAME_FAMILY.format(family=family, first=said, name=name, second=also)
    return text.ONE_NAMES.format(family=family)
