"""Second opinions: the detectors beside the chosen one, who of them is asked about which face, and what they say.

A detector with a scope of its own knows one kind of manipulation alone; of the others it says nothing that is true (`scopes` has the
rules). So beside a detector for every face it is a *specialist*, asked only about the faces that are its business; and when it is itself
chosen, the default is its *router*: asked about every face, to tell the others apart.

Where the card of the chosen detector has a combination, its *experts* are no second opinions: they read every face, and what all of them
say together is the answer. What each says alone stands beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attribution.detectors import here, loading
from attribution.detectors.card import Card, Combination, Thresholds
from attribution.detectors.hub_client import Progress
from attribution.detectors.loading import LoadedDetector
from attribution.detectors.predictor import Predictor
from attribution.detectors.spec import DetectorSpec
from attribution.errors import AGAIN, DamagedDetector, DetectorError, UnmappedLabels, UnusableDetector, damaged
from attribution.evidence import DetectorInfo, Opinion, Predictions, Track, TrackEvidence, Verdict
from attribution.explain.patches import Tiles, patch_view, reads_patches
from attribution.explain.reference import ReferenceBank
from attribution.messages import gettext as _
from attribution.text.detectors import TWICE
from attribution.text.reasons import reason
from attribution.verdict import combination, judge_track, scopes

Known = dict[str, dict[int, tuple[np.ndarray, Predictions]]]
"""What detectors (by the SHA-256 of their weights) have said of crops: each, by its `id`, with the predictions of that one face."""


@dataclass(frozen=True)
class Specialist:
    """A detector beside the chosen one. When it could not be loaded, `problem` is the plain sentence that says why, `predictor` and `bank`
    are None, and `info` is what its card says, with 64 zeros for the weights, or nothing but its name. `bank` is also None for a detector
    that brings no reference faces. `asked_for` says that the reader chose it, who then wants to hear it about every face that it knows;
    `combined` that the answer is what it and others say together."""

    info: DetectorInfo
    predictor: Predictor | None
    bank: ReferenceBank | None
    problem: str = ""
    asked_for: bool = False
    combined: bool = False


def load_specialists(chosen: Card, device: str) -> tuple[Specialist, ...]:
    """Every embedded detector with a scope of its own, beside a chosen one of Telltale's contract with scope `any`; none beside others.
    Never raises DetectorError: a detector that cannot be loaded says so where its opinion would stand."""
    if chosen.scope != scopes.ANY or chosen.adapter:
        return ()
    found = (_beside(name, chosen, device, tuple(scopes.SCOPES)) for name in loading.embedded())
    return tuple(one for one in found if one is not None)


def load_experts(chosen: Card, loaded: Sequence[Specialist], device: str) -> tuple[Specialist, ...]:
    """Every expert of the chosen detector's combination that can be heard, in its order: embedded detectors of the very weights that it
    was fitted on. One that is among the `loaded` is not loaded again. Never raises DetectorError."""
    rule = chosen.combination
    if rule is None:
        return ()
    there = {one.info.weights_sha256: one for one in loaded if one.predictor is not None and not one.asked_for}
    found = [there.get(digest) or _expert(name, device) for name, digest in zip(rule.experts, rule.digests, strict=True)]
    return tuple(
        replace(one, combined=True)
        for one, digest in zip(found, rule.digests, strict=True)
        if one is not None and one.info.weights_sha256 == digest and _sees(one, chosen)
    )


def _expert(name: str, device: str) -> Specialist | None:
    """The embedded detector of that name; None where there is none that can be used."""
    try:
        if not (there := loading.embedded_name(name)):
            return None
        detector = loading.load_folder(loading.EMBEDDED_FOLDER / there)
        return Specialist(detector.info, Predictor(detector, device), bank_of(detector))
    except DetectorError:
        return None


def _sees(expert: Specialist, chosen: Card) -> bool:
    """Whether an expert can be read beside that detector: faces are not cut from pictures, and its references are of both kinds."""
    if expert.predictor is None or expert.bank is None or (expert.predictor.card.crop.view, chosen.crop.view) == ("face", "picture"):
        return False
    return combination.can_be_near(expert.bank, expert.info)


def load_router(chosen: Card, device: str) -> Specialist | None:
    """The embedded default beside a chosen detector with a scope of its own; None beside others. Never raises DetectorError."""
    if chosen.scope == scopes.ANY:
        return None
    found = (_beside(name, chosen, device, (scopes.ANY,)) for name in loading.embedded())
    nobody = Specialist(_nameless("default"), None, None, reason("no_router"))
    return next((one for one in found if one is not None), nobody)


def load_companions(
    asked: Sequence[str | DetectorSpec], chosen: LoadedDetector, there: Sequence[Specialist], progress: Progress | None, device: str
) -> tuple[Specialist, ...]:
    """The detectors that the reader wants to hear beside the chosen one; one that is `there` already is not kept twice. Raises
    DetectorError, UnusableDetector where the same weights were asked for twice."""
    found: list[Specialist] = []
    for place, spec in enumerate(asked, start=1):
        try:
            loaded = here.as_measured(loading.load(spec, progress), together=False)
        except UnmappedLabels as error:
            error.place = place
            raise
        weights = loaded.info.weights_sha256
        if weights in (chosen.info.weights_sha256, *(one.info.weights_sha256 for one in found)):
            raise UnusableDetector(TWICE.format(detector=loaded.info.name))
        found.append(replace(ready(loaded, there, device), asked_for=True))
    return tuple(found)


def ready(loaded: LoadedDetector, there: Sequence[Specialist], device: str) -> Specialist:
    """A loaded detector on its device, or the very same one where it is among those that are `there`. Raises DamagedDetector."""
    return next((one for one in there if _is(one, loaded)), None) or Specialist(loaded.info, Predictor(loaded, device), bank_of(loaded))


def _is(one: Specialist, loaded: LoadedDetector) -> bool:
    """Whether a detector that is there is the loaded one, read in the same way; what is part of an answer is read as that wants it."""
    if one.predictor is None or one.info.weights_sha256 != loaded.info.weights_sha256:
        return False
    return one.combined or (one.info, one.predictor.card) == (loaded.info, loaded.card)


def bank_of(detector: LoadedDetector) -> ReferenceBank | None:
    """The reference faces of a loaded detector, None for one that brings none; DamagedDetector when they are not those of its network."""
    if detector.projection is None:
        return None
    bank = ReferenceBank.load(detector.folder, detector.card.files["reference.safetensors"])
    if bank.embeddings.shape[1] != detector.projection.out_features or not set(bank.methods) <= set(detector.info.labels):
        what = _("The reference faces of {detector} do not belong to its network.").format(detector=detector.name)
        raise DamagedDetector(what, AGAIN)
    if detector.card.combination is not None and not combination.can_be_near(bank, detector.info):
        raise damaged("it answers together with others, and its reference faces are of one kind alone")
    return bank


def reads_mirrored(predictor: Predictor, kind: str, expert: bool = False) -> bool:
    """Whether faces are read together with their mirror images: in pictures, unless the detector's scope or its makers forbid it, or it is
    read as an `expert` beside another one, about every face: twice would take too long."""
    scope = scopes.SCOPES.get(predictor.card.scope)
    # A detector of others is read as its makers do.
    return kind == "picture" and not expert and not predictor.card.adapter and (scope is None or scope.mirrored)


def read_faces(tracks: Sequence[Track], predictor: Predictor, kind: str, expert: bool = False, known: Known | None = None) -> Predictions:
    """What the detector says of all faces of the tracks, one after the other. Faces that share a crop, as whole frames do that several
    faces are in, are read once, and those that are `known` not again; what is read is known then."""
    side = predictor.card.crop.side_px
    crops = [face.crop for track in tracks for face in track.faces]
    own = {} if known is None else known.setdefault(predictor.info.weights_sha256, {})
    fresh = {id(crop): crop for crop in crops if id(crop) not in own}
    stacked = np.stack(list(fresh.values())) if fresh else np.empty((0, side, side, 3), dtype=np.uint8)
    said = predictor.read(stacked, mirrored=reads_mirrored(predictor, kind, expert))
    own.update({key: (crop, said.take([place])) for place, (key, crop) in enumerate(fresh.items())})
    rows = [own[id(crop)][1] for crop in crops]
    return Predictions(*(np.concatenate([said_of[:0], *(getattr(row, name) for row in rows)]) for name, said_of in vars(said).items()))


def judge(
    tracks: Sequence[Track],
    predictions: Predictions,
    predictor: Predictor,
    bank: ReferenceBank | None,
    kind: str,
    thresholds: Thresholds | None = None,
) -> tuple[TrackEvidence, ...]:
    """The verdicts on the tracks, from what `read_faces` gave of them; by the detector's own thresholds where none are given."""
    rule = thresholds or predictor.card.thresholds
    placements = bank.place(predictions.embeddings) if bank is not None else None
    judged, first = [], 0
    for track in tracks:
        part = slice(first, first + len(track.faces))
        placed = placements[part] if placements is not None else None
        judged.append(judge_track(track, predictions.take(part), placed, rule, predictor.info, kind))
        first += len(track.faces)
    return tuple(judged)


def answer_together(
    tracks: Sequence[Track],
    rule: Combination,
    readers: Sequence[Specialist],
    kind: str,
    seen: Mapping[str, Sequence[Track]],
    known: Known | None = None,
) -> tuple[tuple[TrackEvidence, ...], dict[str, tuple[TrackEvidence, ...]]]:
    """The verdicts on the tracks of what the readers say together, the chosen detector first and then its experts; and what each of them
    says alone, by the SHA-256 of its weights. Each reads every face once. `seen` as for `consult`, `known` as for `read_faces`."""
    alone: dict[str, tuple[TrackEvidence, ...]] = {}
    readings = []
    for place, reader in enumerate(readers):
        if reader.predictor is None or reader.bank is None:
            raise ValueError(f"{reader.info.name} cannot be heard")
        its_own = seen.get(reader.info.weights_sha256) or tracks
        said = read_faces(its_own, reader.predictor, kind, expert=place > 0, known=known)
        alone[reader.info.weights_sha256] = judge(its_own, said, reader.predictor, reader.bank, kind)
        temperature = reader.predictor.card.calibration.temperature
        readings.append(combination.Reading(said.logits, said.embeddings, reader.info, temperature, reader.bank))
    first: Any = readers[0]
    return judge(tracks, combination.combine(rule, readings), first.predictor, first.bank, kind, rule.thresholds), alone


def without_experts(tracks: Sequence[TrackEvidence], chosen: Card, unheard: int) -> tuple[TrackEvidence, ...]:
    """The tracks, where `unheard` of the chosen detector's experts could not be heard with the reason that says so: it answered alone."""
    if chosen.combination is None:
        return tuple(tracks)
    why = reason("experts_unheard", count=unheard, experts=len(chosen.combination.experts), detector=chosen.name)
    return tuple(replace(track, verdict=replace(track.verdict, reasons=(*track.verdict.reasons, why))) for track in tracks)


def consult(
    tracks: Sequence[TrackEvidence],
    specialists: Sequence[Specialist],
    tiles: Sequence[Tiles | None],
    kind: str,
    seen: Mapping[str, Sequence[Track]] | None = None,
    alone: Mapping[str, Sequence[TrackEvidence]] | None = None,
) -> tuple[TrackEvidence, ...]:
    """The judged tracks, each with the opinion of every specialist, given or refused. Their verdicts say who is asked and stay as they
    are. `tiles`, aligned with the tracks, become patches where a specialist that reads patches is asked. `seen` has the same tracks as
    specialists with a crop rule of their own see them, by the SHA-256 of their weights; one that sees nothing here has none. `alone` has
    what the combined ones among the specialists have said, as `answer_together` gives it: nobody is asked twice."""
    opinions: list[list[Opinion]] = [[] for _ in tracks]
    for specialist in specialists:
        name, its_own = specialist.info.name, (seen or {}).get(specialist.info.weights_sha256)
        blind = its_own is not None and not its_own
        problem = specialist.problem or (reason("sees_faces_alone", detector=name) if blind else "")
        refuse = scopes.refusal_where_asked_for if specialist.asked_for else scopes.refusal
        if specialist.combined:
            refusals, answers = [""] * len(tracks), iter((alone or {})[specialist.info.weights_sha256])
        else:
            refusals = [problem or refuse(track.verdict, name, specialist.info.scope) for track in tracks]
            asked = [place for place, refused in enumerate(refusals) if not refused]
            looked_at = [its_own[place] for place in asked] if its_own else [_pixels(tracks[place]) for place in asked]
            answers = iter(_answers(looked_at, specialist, kind))
        for own, track, refused, cut in zip(opinions, tracks, refusals, tiles, strict=True):
            if refused:
                own.append(Opinion(specialist.info, refused, asked_for=specialist.asked_for))
                continue
            predictor = specialist.predictor
            patches = None
            # One that is read about every face reads no patches unless the reader asks for them.
            if predictor is not None and cut is not None and not specialist.combined and reads_patches(predictor):
                patches = patch_view(predictor, cut)
            answer = next(answers)
            # The picture of what it saw is kept where the track has no such.
            face = answer.shown_face if its_own else None
            own.append(replace(_opinion(answer, track.verdict, specialist), patches=patches, face=face, view=answer.view))
    return tuple(replace(track, opinions=(*track.opinions, *own)) for track, own in zip(tracks, opinions, strict=True))


def weigh(tracks: Sequence[TrackEvidence], chosen: Card, specialists: Sequence[Specialist]) -> tuple[TrackEvidence, ...]:
    """The consulted tracks, inconclusive where a specialist whose scope `overturns`, or one that the reader asked for and that was
    measured, definitely contradicts the answer, unless it is part of that. The reasons say so first; probabilities and opinions stay as
    they are."""
    # One of which nobody knows how often it is wrong overturns nothing.
    heavy = {
        one.info.weights_sha256
        for one in specialists
        if one.predictor is not None
        and not one.combined
        and (scopes.overturns(one.info.scope) or (one.asked_for and one.info.measured and one.info.scope == scopes.ANY))
    }
    weighed = []
    for track in tracks:
        name = " + ".join(one.name for one in track.together) or chosen.name
        opinions = tuple(
            replace(one, overturns=scopes.disagreement(name, track, one)) if one.detector.weights_sha256 in heavy else one
            for one in track.opinions
        )
        doubts = [one.overturns for one in opinions if one.overturns]
        weighed.append(replace(track, verdict=scopes.doubted(track.verdict, doubts), opinions=opinions))
    return tuple(weighed)


def route(tracks: Sequence[TrackEvidence], chosen: Card, router: Specialist, kind: str) -> tuple[TrackEvidence, ...]:
    """The tracks as judged by a chosen detector with a scope of its own, with the router's opinion. What is none of the chosen one's
    business becomes inconclusive, and so does what the router definitely contradicts where the scope `overturns`; where nothing is found
    the reasons say for what it was looked."""
    name, scope = chosen.name, chosen.scope
    if router.problem:
        unasked = Opinion(router.info, router.problem, asked_for=router.asked_for)
        verdicts = [scopes.bounded(track.verdict, name, scope, router.info.name, None) for track in tracks]
        alone = zip(tracks, verdicts, strict=True)
        return tuple(replace(track, verdict=verdict, opinions=(*track.opinions, unasked)) for track, verdict in alone)
    routed = []
    for track, answer in zip(tracks, _answers([_pixels(track) for track in tracks], router, kind), strict=True):
        outside = scopes.none_of_its_business(name, scope, router.info.name, answer.verdict)
        verdict = scopes.bounded(track.verdict, name, scope, router.info.name, answer.verdict)
        opinion = replace(_opinion(answer, verdict, router), overturns=outside)
        if opinion.agreement == "differs" and scopes.overturns(scope):
            contradiction = scopes.disagreement(name, track, opinion)
            verdict = scopes.doubted(track.verdict, [contradiction]) if contradiction else verdict
            opinion = replace(opinion, overturns=contradiction)
        routed.append(replace(track, verdict=verdict, opinions=(*track.opinions, opinion)))
    return tuple(routed)


def agreement(verdict: Verdict, other: Verdict) -> str:
    """One of AGREEMENTS: how far a second verdict agrees with a first."""
    if "inconclusive" in (verdict.state, other.state):
        return "undecided"
    if verdict.method == other.method and verdict.method not in (None, "unknown"):
        return "same method"
    if (verdict.state, verdict.family) == (other.state, other.family):
        return "same family"
    # Both call it manipulated, and one does not say by what kind of method.
    return "same answer" if verdict.state == other.state and None in (verdict.family, other.family) else "differs"


def _beside(name: str, chosen: Card, device: str, wanted: Sequence[str]) -> Specialist | None:
    """The embedded detector of that name; None when its card has none of the wanted scopes."""
    info = _nameless(name)
    try:
        card = loading.card_of(loading.EMBEDDED_FOLDER / name)
        if card.scope not in wanted:
            return None
        info = replace(loading.info_of(card), weights_sha256=info.weights_sha256)
        if card.crop != chosen.crop:
            raise UnusableDetector(_("Its faces are cut otherwise than those of {detector}.").format(detector=chosen.name))
        detector = loading.load_folder(loading.EMBEDDED_FOLDER / name)
        return Specialist(detector.info, Predictor(detector, device), bank_of(detector))
    except DetectorError as error:
        return Specialist(info, None, None, reason("not_loaded", detector=info.name, error=error.sentence))


def _nameless(name: str) -> DetectorInfo:
    """All that is known of a detector whose card cannot be read."""
    return DetectorInfo(name, "0" * 64, ("real",), ("real",))


def _pixels(track: TrackEvidence) -> Track:
    if track.track is None:
        raise ValueError("a track that was read from JSON has no faces to ask about")
    return track.track


def _answers(tracks: Sequence[Track], specialist: Specialist, kind: str) -> tuple[TrackEvidence, ...]:
    """What a loaded detector says of tracks."""
    if not tracks or specialist.predictor is None:
        return ()
    return judge(tracks, read_faces(tracks, specialist.predictor, kind), specialist.predictor, specialist.bank, kind)


def _opinion(answer: TrackEvidence, verdict: Verdict, specialist: Specialist) -> Opinion:
    """A specialist's answer, compared with the track's own verdict."""
    labels = specialist.predictor.card.labels if specialist.predictor is not None else ()
    architecture = next((label.architecture for label in labels if label.name == answer.verdict.method), "") or None
    shares = answer.p_methods, answer.p_families, answer.p_manipulated, answer.placement
    agreed = agreement(verdict, answer.verdict)
    by_whom = specialist.info, "", answer.verdict
    return Opinion(*by_whom, *shares, agreed, architecture, combined=specialist.combined, asked_for=specialist.asked_for)
