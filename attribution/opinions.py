"""Second opinions: the detectors beside the chosen one, who of them is asked about which face, and what they say.

A detector with a scope of its own knows one kind of manipulation alone; of the others it says nothing that is true (`scopes` has the
rules). So beside a detector for every face it is a *specialist*, asked only about the faces that are its business; and when it is itself
chosen, the default is its *router*: asked about every face, to tell the others apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution import scopes, weights
from attribution.card import Card
from attribution.detector import Examiner
from attribution.errors import DamagedDetector, DetectorError, UnusableDetector
from attribution.evidence import DetectorInfo, Opinion, Reading, Track, TrackEvidence, Verdict
from attribution.patches import Tiles, patch_view, reads_patches
from attribution.reference import ReferenceBank
from attribution.verdict import judge_track
from attribution.weights import LoadedDetector


@dataclass(frozen=True)
class Specialist:
    """A detector beside the chosen one. When it could not be loaded, `problem` is the plain sentence that says why, `examiner` and `bank`
    are None, and `info` is what its card says, with 64 zeros for the weights, or nothing but its name."""

    info: DetectorInfo
    examiner: Examiner | None
    bank: ReferenceBank | None
    problem: str = ""


def load_specialists(chosen: Card, device: str) -> tuple[Specialist, ...]:
    """Every embedded detector with a scope of its own, beside a chosen one with scope `any`; none beside others. Never raises
    DetectorError: a detector that cannot be loaded says so where its opinion would stand."""
    if chosen.scope != scopes.ANY:
        return ()
    found = (_beside(name, chosen, device, tuple(scopes.SCOPES)) for name in weights.embedded())
    return tuple(one for one in found if one is not None)


def load_router(chosen: Card, device: str) -> Specialist | None:
    """The embedded default beside a chosen detector with a scope of its own; None beside others. Never raises DetectorError."""
    if chosen.scope == scopes.ANY:
        return None
    found = (_beside(name, chosen, device, (scopes.ANY,)) for name in weights.embedded())
    nobody = Specialist(_nameless("default"), None, None, "No detector for every kind of face is embedded, so none was asked.")
    return next((one for one in found if one is not None), nobody)


def bank_of(detector: LoadedDetector) -> ReferenceBank:
    """The reference faces of a loaded detector; DamagedDetector when they are not those of its network."""
    bank = ReferenceBank.load(detector.folder, detector.card.files["reference.safetensors"])
    if bank.embeddings.shape[1] != detector.projection.out_features or not set(bank.methods) <= set(detector.info.labels):
        raise DamagedDetector(
            f"The reference faces of {detector.name} do not belong to its network.", "Get the detector again from its source."
        )
    return bank


def reads_mirrored(examiner: Examiner, kind: str) -> bool:
    """Whether faces are read together with their mirror images: in pictures, unless the scope of the detector forbids it."""
    scope = scopes.SCOPES.get(examiner.card.scope)
    return kind == "picture" and (scope is None or scope.mirrored)


def read_faces(tracks: Sequence[Track], examiner: Examiner, kind: str) -> Reading:
    """What the detector says of all faces of the tracks, one after the other."""
    side = examiner.card.crop.side_px
    crops = [face.crop for track in tracks for face in track.faces]
    stacked = np.stack(crops) if crops else np.empty((0, side, side, 3), dtype=np.uint8)
    return examiner.read(stacked, mirrored=reads_mirrored(examiner, kind))


def judge(tracks: Sequence[Track], reading: Reading, examiner: Examiner, bank: ReferenceBank, kind: str) -> tuple[TrackEvidence, ...]:
    """The verdicts on the tracks, from what `read_faces` gave of them."""
    placements = bank.place(reading.embeddings)
    judged, first = [], 0
    for track in tracks:
        part = slice(first, first + len(track.faces))
        own = Reading(reading.logits[part], reading.p_methods[part], reading.embeddings[part])
        judged.append(judge_track(track, own, placements[part], examiner.card.thresholds, examiner.info, kind))
        first += len(track.faces)
    return tuple(judged)


def consult(
    tracks: Sequence[TrackEvidence], specialists: Sequence[Specialist], tiles: Sequence[Tiles | None], kind: str
) -> tuple[TrackEvidence, ...]:
    """The judged tracks, each with the opinion of every specialist, given or refused. Their verdicts say who is asked and stay as they
    are. `tiles`, aligned with the tracks, become patches where a specialist that reads patches is asked."""
    opinions: list[list[Opinion]] = [[] for _ in tracks]
    for specialist in specialists:
        scope = specialist.examiner.card.scope if specialist.examiner is not None else scopes.ANY
        refusals = [specialist.problem or scopes.refusal(track.verdict, specialist.info.name, scope) for track in tracks]
        asked = [track for track, refused in zip(tracks, refusals, strict=True) if not refused]
        answers = iter(_answers(asked, specialist, kind))
        for own, track, refused, cut in zip(opinions, tracks, refusals, tiles, strict=True):
            if refused:
                own.append(Opinion(specialist.info, refused))
                continue
            examiner = specialist.examiner
            patches = patch_view(examiner, cut) if examiner is not None and cut is not None and reads_patches(examiner) else None
            own.append(replace(_opinion(next(answers), track.verdict, specialist), patches=patches))
    return tuple(replace(track, opinions=(*track.opinions, *own)) for track, own in zip(tracks, opinions, strict=True))


def weigh(tracks: Sequence[TrackEvidence], chosen: Card, specialists: Sequence[Specialist]) -> tuple[TrackEvidence, ...]:
    """The consulted tracks, inconclusive where a specialist whose scope `overturns` definitely contradicts the chosen detector. The
    reasons say so first; probabilities and opinions stay as they are."""
    heavy = {one.info for one in specialists if one.examiner is not None and scopes.overturns(one.examiner.card.scope)}
    weighed = []
    for track in tracks:
        said = (scopes.disagreement(chosen.name, track, opinion) for opinion in track.opinions if opinion.detector in heavy)
        weighed.append(replace(track, verdict=scopes.doubted(track.verdict, [one for one in said if one])))
    return tuple(weighed)


def route(tracks: Sequence[TrackEvidence], chosen: Card, router: Specialist, kind: str) -> tuple[TrackEvidence, ...]:
    """The tracks as judged by a chosen detector with a scope of its own, with the router's opinion. What is none of the chosen one's
    business becomes inconclusive, and so does what the router definitely contradicts where the scope `overturns`; where nothing is found
    the reasons say for what it was looked."""
    name, scope = chosen.name, chosen.scope
    if router.problem:
        unasked = Opinion(router.info, router.problem)
        verdicts = [scopes.bounded(track.verdict, name, scope, router.info.name, None) for track in tracks]
        return tuple(
            replace(track, verdict=verdict, opinions=(*track.opinions, unasked)) for track, verdict in zip(tracks, verdicts, strict=True)
        )
    routed = []
    for track, answer in zip(tracks, _answers(tracks, router, kind), strict=True):
        verdict = scopes.bounded(track.verdict, name, scope, router.info.name, answer.verdict)
        opinion = _opinion(answer, verdict, router)
        if opinion.agreement == "differs" and scopes.overturns(scope):
            contradiction = scopes.disagreement(name, track, opinion)
            verdict = scopes.doubted(track.verdict, [contradiction]) if contradiction else verdict
        routed.append(replace(track, verdict=verdict, opinions=(*track.opinions, opinion)))
    return tuple(routed)


def agreement(verdict: Verdict, other: Verdict) -> str:
    """One of AGREEMENTS: how far a second verdict agrees with a first."""
    if "inconclusive" in (verdict.state, other.state):
        return "undecided"
    if verdict.method == other.method and verdict.method not in (None, "unknown"):
        return "same method"
    return "same family" if (verdict.state, verdict.family) == (other.state, other.family) else "differs"


def _beside(name: str, chosen: Card, device: str, wanted: Sequence[str]) -> Specialist | None:
    """The embedded detector of that name; None when its card has none of the wanted scopes."""
    info = _nameless(name)
    try:
        card = weights.card_of(weights.EMBEDDED_FOLDER / name)
        if card.scope not in wanted:
            return None
        info = replace(weights.info_of(card), weights_sha256=info.weights_sha256)
        if card.crop != chosen.crop:
            raise UnusableDetector(f"Its faces are cut otherwise than those of {chosen.name}.")
        detector = weights.load_folder(weights.EMBEDDED_FOLDER / name)
        return Specialist(detector.info, Examiner(detector, device), bank_of(detector))
    except DetectorError as error:
        return Specialist(info, None, None, f"{info.name} could not be loaded, so it was not asked. {error}")


def _nameless(name: str) -> DetectorInfo:
    """All that is known of a detector whose card cannot be read."""
    return DetectorInfo(name, "0" * 64, ("real",), ("real",))


def _answers(tracks: Sequence[TrackEvidence], specialist: Specialist, kind: str) -> tuple[TrackEvidence, ...]:
    """What a loaded detector says of tracks that carry their pixels."""
    if not tracks or specialist.examiner is None or specialist.bank is None:
        return ()
    faces = [track.track for track in tracks if track.track is not None]
    if len(faces) < len(tracks):
        raise ValueError("a track that was read from JSON has no faces to ask about")
    return judge(faces, read_faces(faces, specialist.examiner, kind), specialist.examiner, specialist.bank, kind)


def _opinion(answer: TrackEvidence, verdict: Verdict, specialist: Specialist) -> Opinion:
    """A specialist's answer, compared with the track's own verdict."""
    labels = specialist.examiner.card.labels if specialist.examiner is not None else ()
    architectures = {label.name: label.architecture for label in labels}
    return Opinion(
        detector=specialist.info,
        verdict=answer.verdict,
        p_methods=answer.p_methods,
        p_families=answer.p_families,
        p_manipulated=answer.p_manipulated,
        placement=answer.placement,
        agreement=agreement(verdict, answer.verdict),
        architecture=architectures.get(answer.verdict.method or "") or None,
    )
