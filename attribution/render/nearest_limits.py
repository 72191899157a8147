"""The two measured limits that matter most for one answer: what stands beside a verdict. docs/design.md has the rule.

Every figure is computed here from the tables of the detector's card; none is written down anywhere else.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import NO_FACES, Row, Tally, Unfit, rows_of, share_words, wilson
from attribution.evidence import UNKNOWN_METHOD, Evidence, TrackEvidence
from attribution.messages import Message
from attribution.text import nearest_limits as text
from attribution.text.opinions import name_of
from attribution.text.page import FAMILIES

BESIDE_A_VERDICT = 2
_VERDICTS = ("family", "source", "faces", "manipulated", "none found", "wrong of definite", "method named", "right of named")
_SOURCES = ("family", "faces", "right family")
_SIZES = ("split", "group", "untouched", "accused", "manipulated", "cleared", "inconclusive")
_UNSEEN = ("left out", "kind", "faces", "manipulated", "none found", "wrong of definite")
# Collections that training never saw say more about a reader's file than those that it did.
_SPLITS = ("cross", "test")
# Of fewer faces a share says next to nothing.
_FEWEST_FACES = 30
# Groups of faces that end here or below are small ones, in px of the original.
_SMALL_PX = 150


class Limit(NamedTuple):
    """One limit: a sentence, and what it was measured on; None where it is nothing measured."""

    sentence: str
    basis: str | None = None


def nearest_limits(evidence: Evidence, track: TrackEvidence | None, tables: Sequence[MeasuredTable] | None) -> list[Limit]:
    """The two limits for the answer on a file, of which `track` is the face that the verdict rests on. A single one where nothing was
    measured, and where the tables of the card are not at hand (None)."""
    if evidence.detector.measured_here and len(own := evidence.detector.limits) > 2:
        # Its own card's figures are of other thresholds. `LocalCard.limits` has the order.
        return [Limit(own[2 if evidence.verdict.state == "no_manipulation_found" else 1], own[0])]
    unmeasured = Limit(text.UNMEASURED.format(name=name_of(evidence.detector.name)))
    if not evidence.detector.measured:
        return [unmeasured]
    if tables is None:
        return [Limit(text.NOT_AT_HAND)]
    rules = _BY_STATE[evidence.verdict.state] if track is not None else (_accused, _passed)
    found = (limit for rule in rules if (limit := _asked(rule, _Case(evidence, track, tables))) is not None)
    return list(islice(found, BESIDE_A_VERDICT)) or [unmeasured]


def _asked(rule: "_Rule", case: "_Case") -> Limit | None:
    """What a rule finds; nothing in tables whose shares are none."""
    try:
        return rule(case)
    except Unfit:
        return None


class _Case(NamedTuple):
    evidence: Evidence
    track: TrackEvidence | None
    tables: Sequence[MeasuredTable]

    def verdicts(self, family: str = "") -> Iterator[tuple[str, list[Row]]]:
        """The sources of each split, of one family or of all, the split first that says more."""
        for split in _SPLITS:
            rows = rows_of(self.tables, f"Verdicts on {split}", _VERDICTS)
            yield split, [row for row in rows if row.text("family") and family in ("", row.text("family"))]


def _limit(sentence: Message, hits: int, count: int, split: str, **values: str) -> Limit | None:
    """The sentence with that share; None where it rests on too few faces."""
    share = wilson(hits, count) if count >= _FEWEST_FACES else None
    if share is None:
        return None
    return Limit(sentence.format(share=share_words(share), **values), text.MEASURED_ON[split].format(count=count))


def _pooled(rows: Sequence[Row]) -> Tally:
    return sum((Tally.of(row) for row in rows), NO_FACES)


def _accused(case: _Case) -> Limit | None:
    """How often untouched faces are called manipulated."""
    every = ((split, _pooled(rows)) for split, rows in case.verdicts("real"))
    return next(filter(None, (_limit(text.ACCUSED, one.manipulated, one.faces, split) for split, one in every)), None)


def _passed(case: _Case) -> Limit | None:
    """How often manipulated faces pass, of the family of which most do."""
    for split, rows in case.verdicts():
        families = dict.fromkeys(row.text("family") for row in rows if row.text("family") in FAMILIES and row.text("family") != "real")
        pooled = {family: _pooled([row for row in rows if row.text("family") == family]) for family in families}
        enough = {family: one for family, one in pooled.items() if one.faces >= _FEWEST_FACES}
        if enough:
            worst, one = max(enough.items(), key=lambda pair: pair[1].none_found / pair[1].faces)
            return _limit(text.PASSED, one.none_found, one.faces, split, family=FAMILIES[worst])
    return None


def _silent(case: _Case) -> Limit | None:
    """How often it gives no definite answer."""
    every = ((split, _pooled(rows)) for split, rows in case.verdicts())
    return next(filter(None, (_limit(text.SILENT, one.inconclusive, one.faces, split) for split, one in every)), None)


def _named(case: _Case) -> Limit | None:
    """How often the method that it names of faces of this family is right; where it names none, how often the family is."""
    verdict = case.evidence.verdict
    # The name means nothing where there is but one to give.
    if verdict.family not in FAMILIES or sum(family != "real" for family in case.evidence.detector.families) < 2:
        return None
    family = FAMILIES[verdict.family]
    if verdict.method == UNKNOWN_METHOD:
        for split in _SPLITS:
            rows = [row for row in rows_of(case.tables, f"Sources, {split}", _SOURCES) if row.text("family") == verdict.family]
            hits = sum(round((row.number("right family") or 0.0) * row.count("faces")) for row in rows)
            if limit := _limit(text.FAMILY, hits, sum(row.count("faces") for row in rows), split, family=family):
                return limit
        return None
    for split, rows in case.verdicts(verdict.family):
        named = [(round((row.number("method named") or 0.0) * row.count("faces")), row.number("right of named") or 0.0) for row in rows]
        hits, count = sum(round(count * right) for count, right in named), sum(count for count, _ in named)
        if limit := _limit(text.NAMED, hits, count, split, family=family):
            return limit
    return None


def _clip(case: _Case) -> Limit | None:
    """What is known of clips: every verdict was measured on single pictures."""
    if case.evidence.media.kind != "clip":
        return None
    split, faces = next(((split, _pooled(rows).faces) for split, rows in case.verdicts() if rows), ("", 0))
    return Limit(text.CLIP, text.MEASURED_ON[split].format(count=faces)) if faces else None


def _out_of_scope(case: _Case) -> Limit | None:
    """How many face swaps pass a detector that looks for generated faces alone."""
    rows = rows_of(case.tables, "Verdicts on face swaps, test", _VERDICTS)
    one = _pooled([row for row in rows if row.text("family") == "face_swap"])
    return _limit(text.OUT_OF_SCOPE, one.none_found, one.faces, "test") if case.evidence.detector.scope == "generated" else None


def _new_method(case: _Case) -> Limit | None:
    """How many faces by a method (or else from a source) that training left out pass, of the one of which most do."""
    rows = rows_of(case.tables, "Verdicts on what training never saw", _UNSEEN)
    for kind, sentence in (("method", text.NEW_METHOD), ("source", text.NEW_SOURCE)):
        tallies = [(row.text("left out"), Tally.of(row)) for row in rows if row.text("kind") == kind]
        enough = [(name, one) for name, one in tallies if one.faces >= _FEWEST_FACES]
        if enough:
            worst, one = max(enough, key=lambda pair: pair[1].none_found / pair[1].faces)
            return _limit(sentence, one.none_found, one.faces, "test", method=case.evidence.detector.display(worst.partition(" (")[0]))
    return None


def _small(case: _Case, sentence: Message, share: str, *counted: str) -> Limit | None:
    """The errors on faces of this one's size, where it is a small one: `share` of the faces that are `counted`."""
    if case.track is None or case.track.view != "face":
        return None
    groups: dict[str, list[Row]] = {}
    for row in rows_of(case.tables, "Errors by size of the face", _SIZES):
        groups.setdefault(row.text("group"), []).append(row)
    for group, rows in groups.items():
        borders = [int(digits) for digits in re.findall(r"\d+", group)]
        least, most = (0, *borders)[-2:]
        if group.startswith("over") or not least <= case.track.crop_side_px < most <= _SMALL_PX:
            continue
        size = text.BETWEEN.format(least=least, most=most) if least else text.UNDER.format(most=most)
        for split in _SPLITS:
            own = [(sum(row.count(name) for name in counted), row.number(share) or 0.0) for row in rows if row.text("split") == split]
            hits, count = sum(round(count * part) for count, part in own), sum(count for count, _ in own)
            if limit := _limit(sentence, hits, count, split, size=size):
                return limit
        few = sum(row.count(name) for row in rows for name in counted)
        return Limit(text.FEW_SMALL.format(size=size), text.MEASURED_ON["test"].format(count=few))
    return None


_Rule = Callable[[_Case], Limit | None]
_BY_STATE: dict[str, tuple[_Rule, ...]] = {
    "manipulated": (_accused, lambda case: _small(case, text.SMALL_ACCUSED, "accused", "untouched"), _clip, _named, _silent),
    "no_manipulation_found": (
        *(_passed, _out_of_scope, lambda case: _small(case, text.SMALL_PASSED, "cleared", "manipulated"), _clip, _new_method, _silent),
    ),
    "inconclusive": (
        *(_silent, lambda case: _small(case, text.SMALL_SILENT, "inconclusive", "untouched", "manipulated"), _clip, _accused, _passed),
    ),
}
"""Which limits are asked for a state, the nearest first: the first two that the card has figures for are shown."""
