"""Second opinions: the detectors beside the chosen one, who of them is asked about which face, and what they say.

A detector with scope `generated` attributes wholly generated faces to the architecture of their generator; of a face swap it says nothing
that is true. So beside a detector for every face it is a *specialist*, asked only where that one finds a wholly generated face; and when it
is itself chosen, the default is its *router*: asked about every face, to tell the swaps apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution import weights
from attribution.card import Card
from attribution.detector import Examiner
from attribution.errors import DamagedDetector, DetectorError, UnusableDetector
from attribution.evidence import DetectorInfo, Opinion, Reading, Track, TrackEvidence, Verdict
from attribution.patches import Tiles, patch_view, reads_patches
from attribution.reference import ReferenceBank
from attribution.verdict import judge_track
from attribution.verdict.reasons import FAMILY_NAMES
from attribution.weights import LoadedDetector

GENERATED = "generated"
ASKED_FAMILIES = ("gan", "diffusion")
NOT_GENERATED_FAMILIES = ("face_swap", "reenactment")


@dataclass(frozen=True)
class Specialist:
    """A detector beside the chosen one. When it could not be loaded, `problem` is the plain sentence that says why, `examiner` and `bank`
    are None, and `info` is what its card says, with 64 zeros for the weights, or nothing but its name."""

    info: DetectorInfo
    examiner: Examiner | None
    bank: ReferenceBank | None
    problem: str = ""


def load_specialists(chosen: Card, device: str) -> tuple[Specialist, ...]:
    """Every embedded detector with scope `generated`, beside a chosen one with scope `any`; none beside others. Never raises DetectorError:
    a detector that cannot be loaded says so where its opinion would stand."""
    if chosen.scope == GENERATED:
        return ()
    found = (_beside(name, chosen, device, GENERATED) for name in weights.embedded())
    return tuple(one for one in found if one is not None)


def load_router(chosen: Card, device: str) -> Specialist | None:
    """The embedded default beside a chosen detector with scope `generated`; None beside others. Never raises DetectorError."""
    if chosen.scope != GENERATED:
        return None
    found = (_beside(name, chosen, device, "any") for name in weights.embedded())
    nobody = Specialist(_nameless("default"), None, None, "No detector that knows face swaps is embedded, so none was asked.")
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
    """Whether faces are read together with their mirror images: in pictures; but DNA-Det's inference reads each just once."""
    return kind == "picture" and examiner.card.scope != GENERATED


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
    """The judged tracks, each with the opinion of every specialist, given or refused. `tiles`, aligned with the tracks, become patches
    where a specialist that reads patches is asked."""
    opinions: list[list[Opinion]] = [[] for _ in tracks]
    for specialist in specialists:
        refusals = [specialist.problem or _refusal(track.verdict, specialist.info) for track in tracks]
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


def route(tracks: Sequence[TrackEvidence], chosen: DetectorInfo, router: Specialist, kind: str) -> tuple[TrackEvidence, ...]:
    """The tracks as judged by a chosen detector with scope `generated`, with the router's opinion. What the router calls a face swap
    becomes inconclusive, and where nothing is found the reasons say for what it was looked."""
    if router.problem:
        return tuple(
            replace(track, verdict=_bounded(track.verdict, chosen, None), opinions=(*track.opinions, Opinion(router.info, router.problem)))
            for track in tracks
        )
    routed = []
    for track, answer in zip(tracks, _answers(tracks, router, kind), strict=True):
        verdict = _bounded(track.verdict, chosen, (router.info, answer.verdict))
        routed.append(replace(track, verdict=verdict, opinions=(*track.opinions, _opinion(answer, verdict, router))))
    return tuple(routed)


def agreement(verdict: Verdict, other: Verdict) -> str:
    """One of AGREEMENTS: how far a second verdict agrees with a first."""
    if "inconclusive" in (verdict.state, other.state):
        return "undecided"
    if verdict.method == other.method and verdict.method not in (None, "unknown"):
        return "same method"
    return "same family" if (verdict.state, verdict.family) == (other.state, other.family) else "differs"


def _beside(name: str, chosen: Card, device: str, scope: str) -> Specialist | None:
    """The embedded detector of that name; None when its card has another scope."""
    info = _nameless(name)
    try:
        card = weights.card_of(weights.EMBEDDED_FOLDER / name)
        if card.scope != scope:
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


def _refusal(verdict: Verdict, info: DetectorInfo) -> str:
    """Why a specialist is not asked about a face with that verdict; empty when it is."""
    if verdict.state == "manipulated" and verdict.family in ASKED_FAMILIES:
        return ""
    if verdict.state == "no_manipulation_found":
        why = "no manipulation was found in this face"
    elif verdict.state == "inconclusive":
        why = "the answer on this face is inconclusive"
    elif verdict.family is None:
        why = "this face was called manipulated, but not by which kind of method"
    else:
        why = f"this face was called {FAMILY_NAMES[verdict.family]}"
    return f"{info.name} attributes wholly generated faces to the architecture of their generator; {why}, so it was not asked."


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


def _bounded(verdict: Verdict, chosen: DetectorInfo, routed: tuple[DetectorInfo, Verdict] | None) -> Verdict:
    """A verdict of a detector that knows wholly generated faces alone, kept within what it can know."""
    if routed is not None and routed[1].family in NOT_GENERATED_FAMILIES:
        what = FAMILY_NAMES[str(routed[1].family)]
        reason = f"{chosen.name} knows wholly generated faces alone, and {routed[0].name} calls this one {what}."
        return Verdict("inconclusive", None, None, None, (reason, *verdict.reasons))
    if verdict.state == "no_manipulation_found":
        reason = f"{chosen.name} looks for wholly generated faces alone: face swaps pass it."
    elif verdict.state == "manipulated" and routed is None:
        reason = f"{chosen.name} knows wholly generated faces alone; whether this is a face swap could not be checked."
    elif verdict.state == "manipulated" and routed is not None and routed[1].state != "manipulated":
        doubt = "found no manipulation in it" if routed[1].state == "no_manipulation_found" else "gives no definite answer"
        reason = f"This holds only if the face is wholly generated; {routed[0].name} {doubt}."
    else:
        return verdict
    return replace(verdict, reasons=(*verdict.reasons, reason))
