"""The verdicts on all tracks → the verdict on the file, and which track it rests on."""

from collections.abc import Sequence
from dataclasses import replace

from attribution.evidence import TrackEvidence, Verdict
from attribution.text.reasons import reason

_MINOR_SIDE_SHARE = 0.5


def judge_file(tracks: Sequence[TrackEvidence], notes: Sequence[str], min_faces: int = 1, above: float = 1.0) -> tuple[Verdict, int | None]:
    """The verdict on the file, and the index of the track that it rests on; None where it rests on all of them.

    The most manipulated track decides; else an inconclusive one; else no manipulation was found, with the least confidence of all: a file
    is cleared only if every face that could be examined is. An inconclusive track that could not (fewer than `min_faces` of its views were
    good enough, and these do not look manipulated, which is from `above` on) is named in the reasons but does not decide where it is minor
    beside a cleared one: less than half as large, or seen in fewer than `min_faces` frames. `notes` are plain sentences about the reading
    of the file and are kept.
    """
    if not tracks:
        return Verdict("inconclusive", None, None, None, (reason("no_face"), *notes)), None
    places = range(len(tracks))
    manipulated, cleared, left_open = (
        [i for i in places if tracks[i].verdict.state == state] for state in ("manipulated", "no_manipulation_found", "inconclusive")
    )
    if manipulated:
        gravest = max(manipulated, key=lambda i: tracks[i].p_manipulated)
        how_many = [reason("faces_manipulated", count=len(manipulated), faces=len(tracks))] if len(tracks) > 1 else []
        verdict = tracks[gravest].verdict
        return replace(verdict, reasons=(*how_many, *verdict.reasons, *notes)), gravest
    small_px = _MINOR_SIDE_SHARE * max((tracks[i].crop_side_px for i in cleared), default=0.0)

    def weight(i: int) -> tuple[bool, float]:
        # The figures of a face that could not be examined mean nothing: of these the largest comes first.
        good = tracks[i].examined or 0
        could_be = good >= min_faces or (good > 0 and tracks[i].p_manipulated >= above)
        return could_be, tracks[i].p_manipulated if could_be else tracks[i].crop_side_px

    def is_minor(i: int) -> bool:
        return not weight(i)[0] and (tracks[i].crop_side_px < small_px or (len(cleared) > 0 and tracks[i].faces < min_faces))

    deciding = [i for i in left_open if not is_minor(i)]
    if deciding:
        main = max(deciding, key=weight)
        said = [reason("faces_inconclusive", count=len(left_open), faces=len(tracks))] if len(tracks) > 1 else []
        if cleared and weight(main)[0]:
            said = [reason("face_not_cleared", face=main + 1, faces=len(tracks), p=tracks[main].p_manipulated)]
        return Verdict("inconclusive", None, None, None, (*said, *tracks[main].verdict.reasons, *notes)), main
    unseen = [reason("faces_not_judged", count=len(left_open), faces=len(tracks))] if left_open else []
    if missed := max(tracks[i].missed_seconds or 0.0 for i in cleared):
        unseen.append(reason("shorter_may_be_missed", length=missed))
    reasons = (*unseen, *dict.fromkeys(why for i in cleared for why in tracks[i].verdict.reasons), *notes)
    return Verdict("no_manipulation_found", None, "real", min(tracks[i].verdict.confidence or 0.0 for i in cleared), reasons), None
