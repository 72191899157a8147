"""The verdicts on all tracks → the verdict on the file: that of the gravest track."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.evidence import TrackEvidence, Verdict

NO_FACE = "No face was found; Telltale examines faces only."
_MINOR_SIDE_SHARE = 0.5


def judge_file(tracks: Sequence[TrackEvidence], notes: Sequence[str], min_faces: int = 1) -> Verdict:
    """The most manipulated track decides; else an inconclusive one; else no manipulation was found, with the least confidence of all.

    An inconclusive track that is minor beside one with a definite answer (less than half as large, or seen in fewer than `min_faces`
    frames) is named in the reasons but does not decide, unless it could be judged and two detectors disagree on it. `notes` are plain
    sentences about the reading of the file and are kept.
    """
    if not tracks:
        return Verdict("inconclusive", None, None, None, (NO_FACE, *notes))
    manipulated = [one for one in tracks if one.verdict.state == "manipulated"]
    cleared = [one for one in tracks if one.verdict.state == "no_manipulation_found"]
    open_tracks = [one for one in tracks if one.verdict.state == "inconclusive"]
    if manipulated:
        gravest = max(manipulated, key=lambda one: one.p_manipulated)
        how_many = [f"{len(manipulated)} of {len(tracks)} faces look manipulated."] if len(tracks) > 1 else []
        verdict = gravest.verdict
        return Verdict(verdict.state, verdict.method, verdict.family, verdict.confidence, (*how_many, *verdict.reasons, *notes))
    largest = max((one.crop_side_px for one in cleared), default=0.0)
    minor = [
        one
        for one in open_tracks
        if (one.crop_side_px < _MINOR_SIDE_SHARE * largest or (cleared and one.faces < min_faces)) and not _disputed(one)
    ]
    deciding = [one for one in open_tracks if one not in minor]
    if deciding:
        main = max(deciding, key=lambda one: one.p_manipulated)
        how_many = [f"{len(open_tracks)} of {len(tracks)} faces are inconclusive."] if len(tracks) > 1 else []
        return Verdict("inconclusive", None, None, None, (*how_many, *main.verdict.reasons, *notes))
    unseen = [f"{len(minor)} smaller or briefly seen of {len(tracks)} faces could not be judged."] if minor else []
    confidence = min(one.verdict.confidence or 0.0 for one in cleared)
    return Verdict(
        "no_manipulation_found",
        None,
        "real",
        confidence,
        (*unseen, *dict.fromkeys(r for one in cleared for r in one.verdict.reasons), *notes),
    )


def _disputed(track: TrackEvidence) -> bool:
    """Whether a second detector's definite answer made the track inconclusive: agreement with a verdict that was so before is undecided."""
    return any(opinion.agreement == "differs" for opinion in track.opinions)
