"""The opinion of a second detector on a face, as HTML: in a line beside the first answer, in full, and at the verdict where two definite
answers leave none; whether the two agree and what that means.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.evidence import DetectorInfo, Evidence, Face, Heatmap, Media, Opinion, TrackEvidence, Verdict
from attribution.messages import Message
from attribution.render import areas, face, overlay
from attribution.render.areas import Tables
from attribution.render.charts import method_bars
from attribution.render.html import macros
from attribution.render.palette import family_style
from attribution.render.patches import patch_view
from attribution.text import opinions as text
from attribution.text import page as page_text
from attribution.text.numbers import listed, per_cent, percent
from attribution.text.page import method_words
from attribution.text.reasons import renamed

CROP_SIDE_PX = 224
_HTML = macros("opinion.html")


class _Side(NamedTuple):
    """What one of two detectors said of a face; `state` and `words` are empty where it has nothing to say."""

    name: str
    state: str
    words: str
    says: str
    p: float


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


def beside(track: TrackEvidence, tabled: bool = False) -> Markup:
    """The short form that stands beside the answer, with the way to the long one; empty unless an opinion was given that is no part of
    it. Of several that the reader chose how many say what; nothing of these where they are `tabled` on the same page."""
    given = [(_kind(one), one) for one in track.opinions if one.agreement is not None and not one.combined]
    chosen = [kind for kind, one in given if one.asked_for]
    lines = [(kind, _words(one, kind), _name(one)) for kind, one in given if not (one.asked_for and (tabled or len(chosen) > 1))]
    if len(chosen) > 1 and not tabled:
        lines.insert(0, ("differs" if "differs" in chosen else chosen[0], together(track), ""))
    return _HTML.beside(lines)


def together(track: TrackEvidence) -> str:
    """How many of the detectors that the reader chose say what of a face, the first answer among them; empty where there is no other."""
    # What is part of the first answer is no answer beside it.
    others = [one.verdict.state if one.verdict is not None else "" for one in track.opinions if one.asked_for and not one.combined]
    return text.how_many([first_state(track), *others]) if others else ""


def agreement(track: TrackEvidence, opinion: Opinion, first: DetectorInfo) -> Markup:
    """Whether the two detectors agree, and what that means. Empty for an opinion that was not given, or is part of the answer."""
    if opinion.verdict is None or opinion.agreement is None or opinion.combined:
        return Markup()
    if opinion.overturns:
        return dispute(track, opinion, first)
    said = _meaning(track, first, opinion.verdict, opinion.detector, opinion.agreement)
    return _HTML.agreement(opinion.agreement, _words(opinion, opinion.agreement), [*said, *_caveats(track, opinion)])


def dispute(track: TrackEvidence, opinion: Opinion, first: DetectorInfo, link: bool = False) -> Markup:
    """Who said what of a face that this opinion left without a verdict, each with its probability, and what to do next. `link` adds the
    way to the opinion."""
    if opinion.verdict is None or opinion.p_manipulated is None:
        return Markup()
    name, lead, state = _name(opinion), text.CONTRADICTED, first_state(track)
    if opinion.agreement != "differs":
        state, family = "", family_style(opinion.verdict.family).name
        lead = text.OUT_OF_FIELD[looks_for(first)].format(first=text.name_of(first.name), second=name, said=family)
    found = found_by_first(track) if state == "manipulated" else ""
    sides = [_first_side(track, first, state, found), *_second_side(opinion)]
    return _HTML.dispute(lead, sides, name if link else "")


def verdict_note(evidence: Evidence, link: bool = False) -> tuple[Markup, tuple[str, ...]]:
    """Where a second opinion left the file without a verdict: the note on it, and the reasons that it makes superfluous. Both empty
    elsewhere."""
    if evidence.verdict.state != "inconclusive" or not evidence.tracks:
        return Markup(), ()
    track = evidence.tracks[evidence.telling]
    opinion = overturning(track)
    return (dispute(track, opinion, evidence.detector, link), (opinion.overturns,)) if opinion is not None else (Markup(), ())


def leading(track: TrackEvidence, wanted: int | None = None) -> int | None:
    """The index of the opinion to show in full: the `wanted` one where it was given, else the first that differs, else the first that was
    given, else the first. None when there is none."""
    given = [index for index, opinion in enumerate(track.opinions) if opinion.verdict is not None]
    if wanted in given:
        return wanted
    differing = [index for index in given if track.opinions[index].agreement == "differs"]
    return (differing or given)[0] if given else 0 if track.opinions else None


def heading(track: TrackEvidence, index: int, first: DetectorInfo) -> Markup:
    """The head of the part that opinion `index` has in full, and what its detector is for; where nobody was asked and there are several to
    ask, the head of all."""
    opinion = track.opinions[index]
    if opinion.combined:
        families = [family_style(family).name for family in opinion.detector.speaks_of]
        return _HTML.title(_title(opinion), text.SPEAKS_ON.format(families=listed(families)))
    if opinion.verdict is None and len(track.opinions) > 1:
        return _HTML.title(text.SEVERAL_TITLE, text.NONE_ASKED)
    scope = looks_for(opinion.detector)
    hint = {"generated": text.HINT, "face_swap": text.SWAP_HINT}.get(scope, text.OTHER_HINT[looks_for(first)])
    return _HTML.title(_title(opinion), hint if opinion.view == track.view else text.PICTURE_HINT)


def choices(track: TrackEvidence, shown: int) -> Markup:
    """Where several opinions were given: a row of them to choose from, as a radio group. Empty elsewhere."""
    given = [(index, _name(one), one.verdict) for index, one in enumerate(track.opinions) if one.verdict is not None]
    return _HTML.choices(given, shown) if len(given) > 1 else Markup()


def others(track: TrackEvidence, shown: int) -> Markup:
    """The detectors that were not asked, a line each, below the opinion that is shown in full. Empty where there is none."""
    if track.opinions[shown].verdict is not None:
        return unasked(track.opinions)
    # The page has just said that none was asked.
    return _HTML.refusals([refusal_line(one) for index, one in enumerate(track.opinions) if index != shown], "")


def unasked(opinions: Sequence[Opinion]) -> Markup:
    """The detectors that were not asked, under a heading, a line each. Empty where there is none."""
    return _HTML.refusals([refusal_line(one) for one in opinions if one.verdict is None], text.NOT_ASKED)


def answer(track: TrackEvidence, opinion: Opinion, first: DetectorInfo) -> Markup:
    """What the second detector says, whether that agrees with the first one's answer on `track`, and its bars; or why it was not asked."""
    if opinion.verdict is None:
        return face.refused(refusal_line(opinion))
    return _HTML.answer(opinion, _name(opinion), agreement(track, opinion, first), method_bars(opinion.p_methods, opinion.detector))


def marked_areas(track: TrackEvidence, opinion: Opinion, number: int, tables: Tables, crop_uri: str | None, switch: bool) -> Markup:
    """The areas that the detector of this opinion marked on face `number`; empty where it marked none. As for `areas.panel`."""
    if opinion.verdict is None or not areas.marked_by(track, opinion.detector.name):
        return Markup()
    return areas.panel(track, number, _name(opinion), opinion.verdict.state, tables, crop_uri, switch)


def heat_words(heatmap: Heatmap, detector: DetectorInfo, tables: Tables) -> Markup:
    """As `areas.heatmap_words`; of a detector of generators, how far the evidence is spread over the picture, too."""
    words, spread = areas.heatmap_words(heatmap, detector, tables), heatmap.evidence_share
    if looks_for(detector) != "generated":
        return words
    return _HTML.heat_words(text.EVIDENCE_SHARE[text.spread(spread)].format(share=per_cent(spread)), words)


def limits(detector: DetectorInfo, tables: Sequence[MeasuredTable]) -> Markup:
    """The sentences and the first tables of the second detector's card."""
    return _HTML.limits(face.measured(tables, detector))


def section(
    track: TrackEvidence,
    number: int,
    opinion: Opinion,
    first: DetectorInfo,
    shown: Face | None,
    media: Media,
    heatmap: Heatmap | None,
    picture: np.ndarray | None,
    tables: Tables = None,
) -> Markup:
    """The whole opinion on face `number` for the report, without anything to click. `shown` is the face of the heatmap unless the opinion
    has one of its own. Of what the first detector says alone, the rest stands with the face already."""
    detector, seen, marked = opinion.detector, opinion.face or shown, areas.marked_face(track)
    heat = neighbours = patches = None
    if detector == first:
        return _HTML.section(opinion, _name(opinion), _title(opinion), answer(track, opinion, first), limits=False)
    if heatmap is not None and seen is not None and opinion.verdict is not None:
        drawn = overlay.small_uri(overlay.heat_over(seen.crop, heatmap.values), CROP_SIDE_PX)
        title = text.HEAT_TITLE_OF.format(name=_name(opinion), method=detector.display(heatmap.label))
        heat = (drawn, title, heat_words(heatmap, detector, tables), heatmap.faithful == "no")
    if opinion.placement is not None and opinion.placement.neighbours:
        neighbours = face.neighbours(opinion.placement, detector)
    if opinion.patches is not None:
        patches = patch_view(opinion.patches, detector, track.box, media, picture, tables or ())
    crop = overlay.small_uri(marked.crop, CROP_SIDE_PX) if marked is not None else None
    marks = marked_areas(track, opinion, number, tables, crop, switch=False)
    # Where a detector of others came from, and which weights answered.
    names, origin = page_text.MEASURE_NAMES, (detector.source.removeprefix("hf:"), detector.weights_sha256, detector.licence)
    others = detector.source or not detector.measured
    source = dict(zip((names["source"], names["weights"], names["licence"]), origin, strict=True)) if others else {}
    said = answer(track, opinion, first)
    return _HTML.section(opinion, _name(opinion), _title(opinion), said, source, marks, heat, neighbours, patches)


def _name(opinion: Opinion) -> str:
    return text.name_of(opinion.detector.name)


def _title(opinion: Opinion) -> str:
    words = {"generated": text.TITLE, "face_swap": text.SWAP_TITLE}.get(looks_for(opinion.detector), text.OTHER_TITLE)
    words = text.ALONE_TITLE if opinion.combined else words
    return words.format(name=_name(opinion))


def refusal_line(opinion: Opinion) -> str:
    """Why a detector was not asked, in a line."""
    return renamed(opinion.refused, {opinion.detector.name: _name(opinion)})


def _side(name: str, detector: DetectorInfo, state: str, what: str, p: float) -> _Side:
    words = page_text.STATES.get(state, "")
    says = (text.SAYS if detector.measured else text.SAYS_UNCALIBRATED).format(p=percent(p))
    return _Side(name, state, text.SAID.format(state=words, what=what) if what else words, says, p)


def _first_side(track: TrackEvidence, first: DetectorInfo, state: str, what: str) -> _Side:
    name = text.TOGETHER_NAME if track.together else text.FIRST_ONE.format(name=text.name_of(first.name))
    return _side(name, first, state, what, track.p_manipulated)


def _second_side(opinion: Opinion) -> list[_Side]:
    """Empty where it was not asked."""
    if opinion.verdict is None or opinion.p_manipulated is None:
        return []
    found = method_words(opinion.verdict, opinion.detector)
    return [_side(text.SECOND_ONE.format(name=_name(opinion)), opinion.detector, opinion.verdict.state, found, opinion.p_manipulated)]


def found_by_first(track: TrackEvidence) -> str:
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


def _caveats(track: TrackEvidence, opinion: Opinion) -> list[Message]:
    """What else the reader has to know of an opinion beside an answer."""
    name = _name(opinion)
    found = [text.OTHER_VIEW[opinion.view].format(name=name)] if opinion.view != track.view else []
    return [*found, *([] if opinion.detector.measured or opinion.detector.measured_here else [text.NOT_MEASURED.format(name=name)])]


def _meaning(track: TrackEvidence, first: DetectorInfo, two: Verdict, second: DetectorInfo, agreed: str) -> list[Message]:
    """What the agreement means, in plain sentences."""
    name, one = text.name_of(second.name), track.verdict
    first_name = text.TOGETHER_NAME if track.together else text.name_of(first.name)
    # Another opinion may have overturned the first answer, which this one agrees with.
    state = first_state(track) or one.state
    said, also = (method_words(one, first) or page_text.STATES[state], method_words(two, second) or page_text.STATES[two.state])
    of_generators = "generated" in (looks_for(first), looks_for(second))
    if agreed == "undecided":
        words = text.NEITHER_DECIDED if state == two.state else text.UNDECIDED if two.state == "inconclusive" else text.FIRST_UNDECIDED
        return [words.format(name=name, second=also)]
    if agreed == "differs":
        in_method, in_state = text.DIFFERS_IN_METHOD, text.DIFFERS_IN_STATE
        if not of_generators:
            in_method, in_state = text.DIFFERS_IN_SWAP, text.DIFFERS_ON_SWAP
        meaning = in_method if state == two.state == "manipulated" else in_state
        return [text.DIFFERS.format(first_name=first_name, first=said, name=name, second=also), meaning]
    # Why two that agree may both be wrong.
    stranger = next((one for one in (second, first) if one.source or not one.measured), None)
    together = text.SAME_COLLECTIONS if stranger is None else text.OTHER_COLLECTIONS.format(name=text.name_of(stranger.name))
    if state != "manipulated":
        return [text.SAME_STATE] if of_generators else [text.NEITHER_FINDS, together]
    if agreed == "same method":
        return [text.SAME_METHOD.format(method=also), together]
    if agreed == "same answer":
        teller, silent, family = (first_name, name, one.family) if one.family is not None else (name, first_name, two.family)
        return [text.FAMILY_NOT_TOLD.format(teller=teller, silent=silent, family=family_style(family).name), together]
    if two.family is None:
        return [text.NEITHER_TELLS, together]
    if not of_generators:
        return [text.BOTH_FIND.format(first_name=first_name, first=said, name=name, second=also), together]
    family = family_style(two.family).name
    if one.method in first.labels and two.method in second.labels:
        return [text.SAME_FAMILY.format(family=family, first=said, name=name, second=also)]
    return [text.ONE_NAMES.format(family=family)]
