"""What detectors that know one kind of manipulation alone are for: which faces they are asked about, what their answers may change, and
how far a verdict of their own holds. A table by the scope in a card; the sentences have codes that begin with the scope."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from attribution.evidence import Opinion, TrackEvidence, Verdict
from attribution.text.reasons import reason

ANY = "any"


@dataclass(frozen=True)
class Scope:
    """Beside a detector for every face one with this scope is asked where that one finds a manipulation of `asked_families`, and with
    `asked_about_clear` where it finds none. With `overturns` a definite answer against that of the other makes both inconclusive.
    `elsewhere` are the families that are none of its business: what its router calls one of them it may not judge. `mirrored` says whether
    it reads pictures together with their mirror images.
    """

    asked_families: tuple[str, ...]
    asked_about_clear: bool
    overturns: bool
    elsewhere: tuple[str, ...]
    mirrored: bool


SCOPES: Mapping[str, Scope] = {
    "generated": Scope(
        asked_families=("gan", "diffusion"),
        asked_about_clear=False,
        overturns=False,
        elsewhere=("face_swap", "reenactment"),
        # DNA-Det's inference reads each picture just once.
        mirrored=False,
    ),
    "face_swap": Scope(
        asked_families=("face_swap",),
        asked_about_clear=True,
        overturns=True,
        elsewhere=("gan", "diffusion"),
        mirrored=True,
    ),
}


def overturns(scope: str) -> bool:
    """Whether disagreement with a detector of that scope leaves no definite answer."""
    return scope in SCOPES and SCOPES[scope].overturns


def refusal(verdict: Verdict, name: str, scope: str) -> str:
    """Why a detector of that name and scope is not asked about a face with that verdict; empty when it is."""
    if scope == ANY:
        return ""
    own = SCOPES[scope]
    if verdict.state == "no_manipulation_found":
        asked, why = own.asked_about_clear, "cleared"
    elif verdict.state == "inconclusive":
        asked, why = False, "inconclusive"
    else:
        asked, why = verdict.family in own.asked_families, verdict.family or "method_not_told"
    return "" if asked else reason(f"{scope}_not_asked_{why}", detector=name)


def refusal_where_asked_for(verdict: Verdict, name: str, scope: str) -> str:
    """The same for a detector that the reader chose: it is asked about everything but faces that it is known to know nothing of."""
    if scope == ANY or verdict.family not in SCOPES[scope].elsewhere:
        return ""
    return reason(f"{scope}_not_asked_{verdict.family}", detector=name)


def disagreement(name: str, track: TrackEvidence, opinion: Opinion) -> str:
    """The sentence on two definite answers, that of the detector of that name on a track and another one's opinion, of which one finds a
    manipulation and the other none; empty where they are not such."""
    other, p_other = opinion.verdict, opinion.p_manipulated
    if other is None or p_other is None or {track.verdict.state, other.state} != {"manipulated", "no_manipulation_found"}:
        return ""
    answers = [(name, track.verdict, track.p_manipulated), (opinion.detector.name, other, p_other)]
    # Whoever finds one is named first.
    (finder, found, p), (clears, _, p_clear) = sorted(answers, key=lambda answer: answer[1].state != "manipulated")
    return reason(f"disagree_{found.family or 'manipulation'}", detector=finder, p=p, other=clears, p_other=p_clear)


def doubted(verdict: Verdict, doubts: list[str]) -> Verdict:
    """The verdict, or an inconclusive one where there are doubts: they come first, the reasons that it had behind them."""
    return Verdict("inconclusive", None, None, None, (*doubts, *verdict.reasons)) if doubts else verdict


def none_of_its_business(name: str, scope: str, router: str, routed: Verdict) -> str:
    """Why a detector of that name and scope may not judge a face of which its router has that verdict; empty where it may."""
    own = SCOPES[scope]
    if routed.family not in own.elsewhere:
        return ""
    return reason(f"{scope}_alone_but_{routed.family}", detector=name, other=router)


def bounded(verdict: Verdict, name: str, scope: str, router: str, routed: Verdict | None) -> Verdict:
    """A verdict of a detector with a scope of its own, kept within what it can know. `router` is the name of the detector that tells the
    other faces apart, `routed` its verdict on the face, None when it could not be asked."""
    if routed is not None and (outside := none_of_its_business(name, scope, router, routed)):
        return doubted(verdict, [outside])
    if verdict.state == "no_manipulation_found":
        why = reason(f"{scope}_alone_clears", detector=name)
    elif verdict.state == "manipulated" and routed is None:
        why = reason(f"{scope}_alone_unchecked", detector=name)
    elif verdict.state == "manipulated" and routed is not None and routed.state != "manipulated":
        why = reason(f"{scope}_if_{'cleared' if routed.state == 'no_manipulation_found' else 'open'}", other=router)
    else:
        return verdict
    return replace(verdict, reasons=(*verdict.reasons, why))
