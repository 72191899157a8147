"""The verdicts on all tracks → the verdict on the file: that of the gravest track."""

from collections.abc import Sequence
from dataclasses import replace

from attribution.evidence import TrackEvidence, Verdict
from attribution.text.reasons import reason

_MINOR_SIDE_SHARE = 0.5


def judge_file(tracks: Sequence[TrackEvidence], notes: Sequence[str], min_faces: int = 1) -> Verdict:
    """The most manipulated track decides; else an inconclusive one; else no manipulation was found, with the least confidence of all.

    An inconclusive track that is minor beside one with a definite answer (less than half as large, or seen in fewer than `min_faces`
    frames) is named in the reasons but does not decide, unless it could be judged and two detectors disagree on it. `notes` are plain
    sentences about the reading of the file and are kept.
    """
    if not tracks:
        return Verdict("inconclusive", None, None, None, (reason("no_face"), *notes))
    states = ("manipulated", "no_manipulation_found", "inconclusive")
    manipulated, cleared, open_tracks = ([one for one in tracks if one.verdict.state == state] for state in states)
    if manipulated:
        gravest = max(manipulated, key=lambda one: one.p_manipulated)
        how_many = [reason("faces_manipulated", count=len(manipulated), faces=len(tracks))] if len(tracks) > 1 else []
        return replace(gravest.verdict, reasons=(*how_many, *gravest.verdict.reasons, *notes))
    small_px = _MINOR_SIDE_SHARE * max((one.crop_side_px for one in cleared), default=0.0)

    def is_minor(one: TrackEvidence) -> bool:
        # A second definite answer that differs made it inconclusive: agreement with a verdict that was so before is undecided.
        disputed = any(opinion.agreement == "differs" for opinion in one.opinions)
        return not disputed and (one.crop_side_px < small_px or (len(cleared) > 0 and one.faces < min_faces))

    deciding = [one for one in open_tracks if not is_minor(one)]
    if deciding:
        main = max(deciding, key=lambda one: one.p_manipulated)
        how_many = [reason("faces_inconclusive", count=len(open_tracks), faces=len(tracks))] if len(tracks) > 1 else []
        return Verdict("inconclusive", None, None, None, (*how_many, *main.verdict.reasons, *notes))
    unseen = [reason("faces_not_judged", count=len(open_tracks), faces=len(tracks))] if open_tracks else []
    reasons = (*unseen, *dict.fromkeys(why for one in cleared for why in one.verdict.reasons), *notes)
    return Verdict("no_manipulation_found", None, "real", min(one.verdict.confidence or 0.0 for one in cleared), reasons)
