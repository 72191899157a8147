"""What detectors that know one kind of manipulation alone are for: which faces they are asked about, what their answers may change, and
how far a verdict of their own holds. A table by the scope in a card, and the sentences that are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from attribution.evidence import Opinion, TrackEvidence, Verdict
from attribution.text.numbers import percent

ANY = "any"
FAMILY_NAMES = {"face_swap": "a face swap", "reenactment": "a reenactment", "gan": "a GAN", "diffusion": "a diffusion model"}


@dataclass(frozen=True)
class Scope:
    """A detector with this scope looks for `looks_for`; `task` says what it does with them.

    Beside a detector for every face it is asked where that one finds a manipulation of `asked_families`, and with `asked_about_clear`
    where it finds none. With `overturns` a definite answer against that of the other makes both inconclusive.
    `elsewhere` are the families that are none of its business: what its router calls one of them it may not judge. `passing` are the
    faces that pass it, `condition` is what a manipulation that it finds rests on, and `unchecked` what only a router can tell.
    `mirrored` says whether it reads pictures together with their mirror images.
    """

    looks_for: str
    task: str
    asked_families: tuple[str, ...]
    asked_about_clear: bool
    overturns: bool
    elsewhere: tuple[str, ...]
    passing: str
    condition: str
    unchecked: str
    mirrored: bool


SCOPES: Mapping[str, Scope] = {
    "generated": Scope(
        looks_for="wholly generated faces",
        task="attributes wholly generated faces to the architecture of their generator",
        asked_families=("gan", "diffusion"),
        asked_about_clear=False,
        overturns=False,
        elsewhere=("face_swap", "reenactment"),
        passing="face swaps",
        condition="the face is wholly generated",
        unchecked="whether this is a face swap",
        # DNA-Det's inference reads each picture just once.
        mirrored=False,
    ),
    "face_swap": Scope(
        looks_for="face swaps and pasted parts",
        task="looks for face swaps and pasted parts",
        asked_families=("face_swap",),
        asked_about_clear=True,
        overturns=True,
        elsewhere=("gan", "diffusion"),
        passing="wholly generated faces",
        condition="the face is not wholly generated",
        unchecked="whether this face is wholly generated",
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
        asked, why = own.asked_about_clear, "no manipulation was found in this face"
    elif verdict.state == "inconclusive":
        asked, why = False, "the answer on this face is inconclusive"
    elif verdict.family is None:
        asked, why = False, "this face was called manipulated, but not by which kind of method"
    else:
        asked, why = verdict.family in own.asked_families, f"this face was called {FAMILY_NAMES[verdict.family]}"
    return "" if asked else f"{name} {own.task}; {why}, so it was not asked."


def refusal_where_asked_for(verdict: Verdict, name: str, scope: str) -> str:
    """The same for a detector that the reader chose: it is asked about everything but faces that it is known to know nothing of."""
    if scope == ANY or verdict.family not in SCOPES[scope].elsewhere:
        return ""
    return f"{name} {SCOPES[scope].task}; this face was called {FAMILY_NAMES[str(verdict.family)]}, so it was not asked."


def disagreement(name: str, track: TrackEvidence, opinion: Opinion) -> str:
    """The sentence on two definite answers, that of the detector of that name on a track and another one's opinion, of which one finds a
    manipulation and the other none; empty where they are not such."""
    other, p_other = opinion.verdict, opinion.p_manipulated
    if other is None or p_other is None or {track.verdict.state, other.state} != {"manipulated", "no_manipulation_found"}:
        return ""
    first = f"{name} finds {_found(track.verdict)} (probability of a manipulation: {percent(track.p_manipulated)})"
    return f"The detectors disagree: {first}, {opinion.detector.name} finds {_found(other)} ({percent(p_other)})."


def _found(verdict: Verdict) -> str:
    if verdict.state == "no_manipulation_found":
        return "no manipulation"
    return "a manipulation" if verdict.family is None else f"the traces of {FAMILY_NAMES[verdict.family]}"


def doubted(verdict: Verdict, doubts: list[str]) -> Verdict:
    """The verdict, or an inconclusive one where there are doubts: they come first, the reasons that it had behind them."""
    return Verdict("inconclusive", None, None, None, (*doubts, *verdict.reasons)) if doubts else verdict


def none_of_its_business(name: str, scope: str, router: str, routed: Verdict) -> str:
    """Why a detector of that name and scope may not judge a face of which its router has that verdict; empty where it may."""
    own = SCOPES[scope]
    if routed.family not in own.elsewhere:
        return ""
    return f"{name} looks for {own.looks_for} alone, and {router} calls this one {FAMILY_NAMES[str(routed.family)]}."


def bounded(verdict: Verdict, name: str, scope: str, router: str, routed: Verdict | None) -> Verdict:
    """A verdict of a detector with a scope of its own, kept within what it can know. `router` is the name of the detector that tells the
    other faces apart, `routed` its verdict on the face, None when it could not be asked."""
    own = SCOPES[scope]
    only = f"{name} looks for {own.looks_for} alone"
    if routed is not None and (outside := none_of_its_business(name, scope, router, routed)):
        return doubted(verdict, [outside])
    if verdict.state == "no_manipulation_found":
        reason = f"{only}: {own.passing} pass it."
    elif verdict.state == "manipulated" and routed is None:
        reason = f"{only}; {own.unchecked} could not be checked."
    elif verdict.state == "manipulated" and routed is not None and routed.state != "manipulated":
        doubt = "found no manipulation in it" if routed.state == "no_manipulation_found" else "gives no definite answer"
        reason = f"This holds only if {own.condition}; {router} {doubt}."
    else:
        return verdict
    return replace(verdict, reasons=(*verdict.reasons, reason))
