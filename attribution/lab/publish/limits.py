"""A detector's measured limits as plain sentences, for its card: each with its figures from a measured table, and left out where its table
or row is not there (yet: `lab localise` measures later than `lab caddm publish`, so whoever adds a table asks for the sentences again)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Rows, Unfit

Figures = Mapping[str, Any]


class _Words(Formatter):
    """Sentences with figures by the name of their column: `{AUC:.2f}`, shares as `{wrong:%}` ("12 %", "none") or `{hits:of 100}`."""

    def format_field(self, value: Any, spec: str) -> str:
        if spec in ("%", "of 100"):
            return "none" if value is None else f"{100 * float(value):.0f} {spec}"
        return str(value) if not spec else format(float(value or 0), spec)


@dataclass(frozen=True)
class _Rule:
    """A sentence for each of the figures that `pick` finds among the rows of a table; without a table as it stands."""

    sentence: str
    table: str = ""
    pick: Callable[[Sequence[Figures]], Iterable[Figures]] = lambda rows: rows

    def said(self, tables: Mapping[str, MeasuredTable]) -> list[str]:
        if not self.table:
            return [self.sentence]
        try:
            # Of columns of one name the first.
            rows = [dict(reversed([*zip(row.columns, row.cells, strict=True)])) for row in Rows(tables[self.table])]
            return [_Words().vformat(self.sentence, (), figures) for figures in self.pick(rows)]
        except (KeyError, Unfit):
            return []


def _where(column: str, value: str) -> Callable[[Sequence[Figures]], Iterable[Figures]]:
    """The first row with that cell."""
    return lambda rows: [row for row in rows if row[column] == value][:1]


def _most_passed(rows: Sequence[Figures]) -> Iterable[Figures]:
    """The manipulated source of which the greatest share was passed, where no methods were left out."""
    made = [row for row in rows if row["kind"] == "source"] if all(row["kind"] != "method" for row in rows) else []
    return sorted(made, key=lambda row: -float(row["none found"] or 0))[:1]


def _least_known(rows: Sequence[Figures]) -> Iterable[Figures]:
    """The two methods or sources that were passed most often by trainings that left methods out."""
    made = [row for row in rows if row["kind"] in ("method", "source")] if any(row["kind"] == "method" for row in rows) else []
    return sorted(made, key=lambda row: -float(row["none found"] or 0))[:2]


def _all_left_out(rows: Sequence[Figures]) -> Iterable[Figures]:
    named = {row["left out"]: row for row in rows}
    return [{"made": named["all left out, manipulated"], "untouched": named["all left out, untouched"]}]


def _worst_change(rows: Sequence[Figures]) -> Iterable[Figures]:
    changed, whole = ([row for row in rows if (row["value"] is None) == unchanged] for unchanged in (False, True))
    return [{"whole": whole[0], **min(changed, key=lambda row: float(row["macro-F1"]))}] if whole and changed else []


def _islands(rows: Sequence[Figures]) -> Iterable[Figures]:
    sides = {side: [float(row[f"patches {side} called generated"]) for row in rows] for side in ("inside", "outside")}
    return [{f"{name} {side}": pick(values) for side, values in sides.items() for name, pick in (("least", min), ("most", max))}]


def _swaps(rows: Sequence[Figures]) -> Iterable[Figures]:
    """All face swaps together, whatever collection they are from."""
    swaps = [row for row in rows if row["family"] == "face_swap"]
    faces, answers = sum(float(row["faces"] or 0) for row in swaps), ("none found", "inconclusive", "manipulated")
    return [{name: sum(float(row[name] or 0) * float(row["faces"] or 0) for row in swaps) / faces for name in answers}] if faces else []


def _measured_auc(beside_plain: bool) -> Callable[[Sequence[Figures]], Iterable[Figures]]:
    test = _where("split", "test")
    return lambda rows: [row for row in test(rows) if row["AUC"] is not None and (row.get("plain binary AUC") is not None) == beside_plain]


def _hits(rows: Sequence[Figures]) -> Iterable[Figures]:
    """Of partial swaps with a blend that training never used, or else of those with the blends that it did."""
    found = {(row["cases"], row["by"]): row["hits"] for row in rows if row["hits"] is not None}
    for cases, blend in (("partial swaps, unseen blend", "never used"), ("partial swaps", "used")):
        if (cases, "boxes") in found:
            centre = found.get((cases, "crop centre"))
            guess = "" if centre is None else f"; guessing the centre of the face hits {100 * float(centre):.0f} of 100"
            return [{"blend": blend, "hits": found[cases, "boxes"], "guess": guess}]
    return []


_ELSEWHERE = "Verdicts on what training never saw"
_MACRO_F1 = _where("rows", "closed set macro-F1")
_AUC = "New DFDC faces, swapped or not, are told apart with an AUC of {AUC:.2f} ({low} to {high}) on single frames"
_RULES: Mapping[str, Sequence[_Rule]] = {
    "any": (
        _Rule("Of untouched faces from collections it was never trained on, it wrongly called {manipulated:%} manipulated and gave "
            "no definite answer for {inconclusive:%}.",
            "Verdicts on cross", _where("source", "all untouched")),
        _Rule("DFDC face swaps are told from untouched DFDC faces with an AUC of {DFDC AUC:%} on single frames: many swapped frames stay "
            "inconclusive.",
            "Overall", lambda rows: [row for row in _where("split", "test")(rows) if row["DFDC AUC"] is not None]),
        _Rule("Detectors trained for a much shorter time and without a method or a collection gave a definite answer for "
            "{made[coverage]:%} of its manipulated faces, and {made[wrong of definite]:%} of those answers were wrong; for untouched faces "
            "of left-out collections it was {untouched[coverage]:%} and {untouched[wrong of definite]:%}.",
            _ELSEWHERE, _all_left_out),
        _Rule("Of {left out} faces, when such a training left them out, {none found:%} were passed as 'no manipulation found' and "
            "{inconclusive:%} stayed inconclusive.",
            _ELSEWHERE, _least_known),
        _Rule("Asked about sources that nobody trained on, it gave a definite answer for {coverage:%} of the faces, and {wrong of "
            "definite:%} of these answers were wrong (means over sources).",
            _ELSEWHERE, _where("left out", "mean of sources, all")),
        _Rule("Of manipulated faces from such sources {manipulated:%} were found, {none found:%} were passed as 'no manipulation found' "
            "and {inconclusive:%} stayed inconclusive.",
            _ELSEWHERE, _where("left out", "mean of sources, manipulated")),
        _Rule("The manipulated source that it passed most often was {left out}: {none found:%} of {faces:,.0f} faces.",
            _ELSEWHERE, _most_passed),
        _Rule("It knows no reenactment (expression transfer, lip sync): such clips may pass as 'no manipulation found'.",
            "Sources, test", lambda rows: [{}] if all(row["family"] != "reenactment" for row in rows) else []),
        _Rule("It looks at faces only, one crop at a time; retouching, voices, backgrounds and edits outside the face are not examined."),
        _Rule("Strong compression, filters, screenshots and faces under about 90 px make it less sure.")),
    "generated": (
        _Rule("It knows wholly generated faces alone: a face swap, a reenactment or a retouched photograph passes it, and is refused."),
        _Rule("On test faces of its five classes its macro-F1 is {DNA-Det:.2f}, that of the first default detector {default:.2f}: where "
            "the two disagree, it is the one more often wrong.",
            "Side by side", lambda rows: [row for row in _MACRO_F1(rows) if float(row["DNA-Det"]) < float(row["default"])]),
        _Rule("Of photographs from three collections it was never trained on, it wrongly called {manipulated:%} generated and gave no "
            "definite answer for {inconclusive:%}.",
            "Verdicts on cross", _where("source", "all untouched")),
        _Rule("Of faces by a generator that it does not know ({source}), {manipulated:%} were called generated, {none found:%} passed as "
            "untouched and {inconclusive:%} stayed inconclusive.",
            "Verdicts on unknown generators, test", lambda rows: [row for row in rows if row["family"]]),
        _Rule("Asked about face swaps all the same, it would call {manipulated:%} of them generated.",
            "Verdicts on face swaps, test", lambda rows: rows[:1]),
        _Rule("Its traces are fine: with {change} at {value} its macro-F1 falls from {whole[macro-F1]} to {macro-F1}.",
            "Robustness, test", _worst_change),
        _Rule("A single patch of 64 px says little: of patches inside of a pasted generated face {least inside:%} to {most inside:%} (by "
            "generator) were called generated, and of those of the photograph around it {least outside:%} to {most outside:%}.",
            "Patch islands", _islands),
        _Rule("It reads the face at 224 px: in a large picture the finest traces of a generator are lost when the crop is made smaller.")),
    "face_swap": (
        _Rule("It looks for face swaps and pasted parts alone: wholly generated faces, lip sync and retouching pass it."),
        _Rule("Of untouched faces from collections it was never trained on, it wrongly called {manipulated:%} swapped and gave no definite "
            "answer for {inconclusive:%}.",
            "Verdicts on cross", _where("source", "all untouched")),
        _Rule("Of swapped faces on such collections {none found:%} were passed as 'no manipulation found', {inconclusive:%} stayed "
            "inconclusive and {manipulated:%} were found.",
            "Verdicts on cross", _swaps),
        _Rule(f"{_AUC}.", "Overall", _measured_auc(beside_plain=False)),
        _Rule(f"{_AUC}; a plain detector trained on the same faces for as many steps reaches {{plain binary AUC:.2f}} ({{plain low}} to "
            "{plain high}).",
            "Overall", _measured_auc(beside_plain=True)),
        _Rule("Where one part of a face was swapped with a blend that training {blend}, its box hits the changed area in "
            "{hits:of 100}{guess}.",
            "Localisation", _hits),
        _Rule("Asked beside the first default detector about {faces:,.0f} faces from collections that neither was trained on, "
            "contradicting it prevented {wrong answers prevented:,.0f} wrong answers and cost {right answers lost:,.0f} right ones.",
            "Second opinion, cross", _where("source", "all")),
        _Rule("A box shows where to look and not what was changed; on a whole swap it can do no more than cover the face.")),
}  # fmt: skip


def limits_of(scope: str, measured: Sequence[MeasuredTable]) -> tuple[str, ...]:
    """The sentences for a detector of that scope, each with the figure that was measured."""
    tables = {table.title: table for table in measured}
    return tuple(dict.fromkeys(sentence for rule in _RULES[scope] for sentence in rule.said(tables)))
