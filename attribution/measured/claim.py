"""Whether "less identity, better generalisation" (Dong et al., CVPR 2023, arXiv 2210.14457) holds by the tables of a card, and what a
linear probe reads of the person from the features of each detector. Numbers and sentences, no HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from attribution.detectors.card import Card
from attribution.detectors.tables import Estimate, Rows, Unfit, figure_words, share_inline
from attribution.measured.sections import card_table, listed
from attribution.text import limits as limits_text
from attribution.text import swap_limits as text
from attribution.text.opinions import name_of

PROBE, PROBE_DIFFERENCES = "Identity probe", "Identity probe, differences"
CROSS, CROSS_DIFFERENCES = "Cross-source AUC", "AUC differences"
PLAIN = "plain binary"
CONFIRMED, REFUTED, NOT_DECIDED = "Confirmed", "Refuted", "Not decided"
IN_SOURCE = "DFDC"
_BETWEEN = re.compile(r"\s+[−–-]\s+")


@dataclass(frozen=True)
class Claim:
    """Whether "less identity, better generalisation" holds: `state` is CONFIRMED, REFUTED, NOT_DECIDED or `limits_text.NOT_MEASURED`."""

    state: str
    sentence: str


@dataclass(frozen=True)
class Probe:
    """What the linear probe reached from one detector's features; `chance` and `commonest` are shares that need no features."""

    detector: str
    features: str
    persons: int
    pictures: int
    accuracy: Estimate
    chance: float | None
    commonest: float | None


def claim(card: Card) -> Claim:
    """Decided by the intervals of the two paired differences from the plain detector: confirmed when the probe reads less and the AUC
    elsewhere is higher on some faces and lower on none, refuted when the contrary of either is shown (of the AUC: and nowhere the better),
    and otherwise not decided."""
    less, gaps = _identity_gap(card), [pair for pair in auc_gaps(card) if not is_in_source(pair[0])]
    if less is None or not gaps:
        missing = [name for name, there in ((text.LESS_IDENTITY, less is not None), (text.BETTER_ELSEWHERE, bool(gaps))) if not there]
        return Claim(limits_text.NOT_MEASURED, text.CLAIM_NOT_MEASURED.format(what=listed(missing)))
    higher = [pair for pair in gaps if _above_zero(pair[1])]
    lower = [pair for pair in gaps if _below_zero(pair[1])]
    if _below_zero(less) and higher and not lower:
        state = CONFIRMED
    elif _above_zero(less) or (lower and not higher):
        state = REFUTED
    else:
        state = NOT_DECIDED
    parts = f"{_identity_words(less)}; {_auc_words(gaps, higher, lower)}"
    return Claim(state, text.CLAIM.format(state=state.lower(), why=parts))


def probes(card: Card) -> list[Probe]:
    """The rows of the table of probes. Raises Unfit."""
    found = []
    for row in Rows(card_table(card, PROBE), ("detector", "accuracy")):
        accuracy = row.estimate("accuracy")
        if accuracy is not None:
            shares = (row.number("chance"), row.number("commonest"))
            counts = (row.count("persons"), row.count("pictures"))
            found.append(Probe(row.text("detector"), row.text("features"), *counts, accuracy, *shares))
    if not found:
        raise Unfit(f"The table “{PROBE}” has no accuracy.")
    return found


def own_and_plain(card: Card) -> tuple[Probe | None, Probe | None]:
    """The probe on this detector's features and the one on those of the plain detector; None where there is none."""
    try:
        found = probes(card)
    except Unfit:
        return None, None
    own = next((one for one in found if is_own(one.detector, card)), None)
    return own, next((one for one in found if is_plain(one.detector)), None)


def is_plain(detector: str) -> bool:
    return detector.partition(", ")[0] == PLAIN


def is_own(detector: str, card: Card) -> bool:
    """Whether a table's name of a detector (`telltale-caddm`, `telltale-caddm, 32 components`) means that of the card."""
    return detector.partition(", ")[0] == card.name


def said(detector: str) -> str:
    """A table's name of a detector for people."""
    name, comma, what = detector.partition(", ")
    return f"{text.PLAIN_DETECTOR if is_plain(detector) else name_of(name)}{comma}{what}"


def own_differences(card: Card) -> list[tuple[str, Estimate]]:
    """By how much the probe's accuracy on this detector's features is higher than that on another's: (the other, the difference). Raises
    Unfit."""
    found = []
    for row in Rows(card_table(card, PROBE_DIFFERENCES), ("pair", "difference")):
        names, one = _BETWEEN.split(row.text("pair")), row.estimate("difference")
        if len(names) != 2 or one is None:
            continue
        if is_own(names[0], card):
            found.append((names[1], one))
        elif is_own(names[1], card):
            turned = (None if edge is None else -edge for edge in (one.high, one.low))
            found.append((names[0], Estimate(-one.value, *turned)))
    return found


def _identity_gap(card: Card) -> Estimate | None:
    """The probe's accuracy on this detector's features less that on the plain one's; None when that pair was not measured."""
    try:
        found = own_differences(card)
    except Unfit:
        return None
    return next((one for other, one in found if other == PLAIN and one.low is not None and one.high is not None), None)


def auc_gaps(card: Card) -> list[tuple[str, Estimate]]:
    """On which faces the AUC was compared in pairs, and by how much this detector's is the higher."""
    try:
        rows = list(Rows(card_table(card, CROSS_DIFFERENCES), ("cases", "difference")))
    except Unfit:
        return []
    known = [(row.text("cases"), one) for row in rows if (one := row.estimate("difference")) is not None]
    return [(name, one) for name, one in known if one.low is not None and one.high is not None]


def is_in_source(cases: str) -> bool:
    """Whether training had faces of that collection."""
    return cases.startswith(IN_SOURCE)


def _identity_words(less: Estimate) -> str:
    words = f"than those of {text.PLAIN_DETECTOR}"
    gap = f"the probe’s accuracy differs by {share_inline(less)}"
    if less.includes_zero:
        return f"that its features tell less of who somebody is {words} was not shown ({gap}, which includes zero)"
    return f"its features tell {'less' if _below_zero(less) else 'more'} of who somebody is {words} ({gap})"


def _auc_words(gaps: Sequence[tuple[str, Estimate]], higher: Sequence[tuple[str, Estimate]], lower: Sequence[tuple[str, Estimate]]) -> str:
    """On how many sets of faces its AUC is the higher or the lower one, and on which."""
    parts = []
    for word, pairs in (("higher", higher), ("lower", lower)):
        if pairs:
            on = listed([f"“{name}” (by {_gap(one)})" for name, one in pairs])
            parts.append(f"elsewhere its AUC is {word} on {len(pairs)} of {_sets(len(gaps))}: {on}")
    rest = len(gaps) - len(higher) - len(lower)
    if rest:
        parts.append(f"no difference of the AUC was shown on {f'the other {rest}' if parts else f'any of {_sets(rest)} from elsewhere'}")
    return "; ".join(parts)


def _sets(count: int) -> str:
    return "1 set of faces" if count == 1 else f"{count} sets of faces"


def _gap(one: Estimate) -> str:
    return figure_words(one).replace(" (", ", ").removesuffix(")")


def _below_zero(one: Estimate) -> bool:
    return one.high is not None and one.high < 0


def _above_zero(one: Estimate) -> bool:
    return one.low is not None and one.low > 0
