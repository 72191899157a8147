"""The section on localisation: how often boxes and heatmaps hit the area that was really changed, and how often guessing does."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from attribution.detectors.card import Card
from attribution.detectors.tables import Estimate, Rows, Unfit, figure_words, share_words
from attribution.measured import figures, plots
from attribution.measured.figures import Axis, Dot, Line
from attribution.measured.sections import Section, card_table, faces
from attribution.text import swap_limits as text
from attribution.text.opinions import name_of

TITLE = "Localisation"
PARTIAL, UNSEEN_BLEND, WHOLE = "partial swaps", "partial swaps, unseen blend", "whole swaps"
BOXES, HEATMAP, CENTRE = "boxes", "heatmap", "crop centre"
_OF_A_DETECTOR = (BOXES, HEATMAP)
_SHARES, _OVERLAPS = Axis(0.0, 1.0), Axis(0.0, 1.0, shares=False)
_FROM, _FALSE, _FOUND = "confidence from", "untouched with a box", "partial swaps with a box"


@dataclass(frozen=True)
class Located:
    """One way to point at the changed area on one kind of faces: `hits` of the pointing game, mean overlap (IoU) where it has one."""

    cases: str
    by: str
    faces: int
    hits: Estimate
    overlap: Estimate | None


def located(card: Card) -> list[Located]:
    """The rows of the card's table. Raises Unfit."""
    found = []
    for row in Rows(card_table(card, TITLE), ("cases", "by", "hits")):
        hits = row.between("hits", "hits low", "hits high")
        if hits is not None and 0 <= hits.value <= 1:
            overlap = row.between("IoU", "IoU low", "IoU high")
            found.append(Located(row.text("cases"), row.text("by"), row.count("faces"), hits, overlap))
    if not found:
        raise Unfit(f"The table “{TITLE}” has no hits.")
    return found


def one_of(rows: Sequence[Located], cases: str, by: str) -> Located | None:
    return next((row for row in rows if (row.cases, row.by) == (cases, by)), None)


def pointer(rows: Sequence[Located], cases: str) -> Located | None:
    """What a detector points with on those cases: its boxes, or else its heatmap."""
    return one_of(rows, cases, BOXES) or one_of(rows, cases, HEATMAP)


def of_hundred(share: float) -> str:
    return f"{100 * share:.0f} of 100"


def localisation(card: Card, others: Sequence[Card] = ()) -> Section:
    """Boxes and heatmaps of the detector and of the `others` beside it, against the centre of the crop and the best constant box. Raises
    Unfit when the card has no such table; those of the others may be missing."""
    measured = [(card, located(card))]
    without = []
    for other in others:
        try:
            measured.append((other, located(other)))
        except Unfit:
            without.append(name_of(other.name))
    cases = list(dict.fromkeys(row.cases for _, rows in measured for row in rows))
    feet = (figures.ticks(_SHARES), "<span></span>", figures.ticks(_OVERLAPS), "<span></span>", "<span></span>")
    drawn = figures.key([("tt-dot tt-accent", text.POINTED), ("tt-dot tt-muted tt-hollow", text.GUESSED)])
    for case in cases:
        lines = [
            _line(f"{text.POINTERS[by]}, {name_of(one.name)}", row)
            for by in _OF_A_DETECTOR
            for one, rows in measured
            if (row := one_of(rows, case, by)) is not None
        ]
        # Guesses are the same for every detector: the first that was written down stands for all.
        guesses = {row.by: row for _, rows in reversed(measured) for row in rows if row.cases == case and row.by not in _OF_A_DETECTOR}
        lines += [_line(text.POINTERS.get(by, by), guesses[by]) for by in sorted(guesses, key=_place)]
        title = text.CASES.get(case, case[:1].upper() + case[1:])
        drawn += f"<h4>{html.escape(title)}</h4>{figures.chart((text.HITS_HEAD, '', text.OVERLAP_HEAD, '', 'faces'), lines, feet)}"
    says = " ".join(filter(None, (_says(measured[0][1], case) for case in cases)))
    says += f" {text.NOT_LOCATED.format(names=', '.join(without))}" if without else ""
    return Section("localisation", says.strip(), drawn, (card_table(card, TITLE),))


def boxes(card: Card) -> Section:
    """How many faces get a box from each confidence on, untouched ones and partial swaps, and how often it then hits. Raises Unfit."""
    table = card_table(card, "Boxes by confidence")
    rows = list(Rows(table, (_FROM, _FALSE, _FOUND)))
    steps = [f"{share:.2f}" if (share := row.number(_FROM)) is not None else "" for row in rows]
    drawn_curves = [
        plots.Curve(name, [row.estimate(column) for row in rows]) for name, column in ((text.FOUND, _FOUND), (text.FALSE, _FALSE))
    ]
    shown = card.artifacts.min_confidence if card.artifacts is not None else 0.0
    # The nearest of the confidences that were measured: the one that ships may lie between two of them.
    row = min(rows, key=lambda row: abs((row.number(_FROM) or 0.0) - shown))
    false, found, hits = (row.estimate(column) for column in (_FALSE, _FOUND, "hits of these"))
    if false is None or found is None:
        raise Unfit(f"The table “{table.title}” has no shares.")
    says = f"Boxes are shown from a confidence of {shown:.2f} on. " if card.artifacts is not None else ""
    says += (
        f"From {row.number(_FROM) or 0.0:.2f} on {share_words(false)} of untouched faces get one, and {share_words(found)} of partial swaps"
    )
    says += f", of which it hits the true area in {share_words(hits)}." if hits is not None else "."
    legend = figures.key([("tt-dot tt-accent", text.FOUND), ("tt-dot tt-muted tt-hollow", text.FALSE)])
    drawn = plots.curves("", steps, drawn_curves, "faces with a box", says)
    return Section("boxes", says, f'{legend}<div class="tt-plots">{drawn}</div>', (table,))


def _place(by: str) -> int:
    """Where a way to point stands among those that have a name for people; unknown ones come last."""
    return [*text.POINTERS, by].index(by)


def _line(name: str, row: Located) -> Line:
    guessed = row.by not in _OF_A_DETECTOR
    kind = "muted" if guessed else "accent"
    overlap = [Dot(row.overlap, guessed, kind)] if row.overlap is not None else []
    cells = (
        figures.plot(_SHARES, [Dot(row.hits, guessed, kind)]),
        figures.words(share_words(row.hits), "hit"),
        figures.plot(_OVERLAPS, overlap),
        figures.words(figure_words(row.overlap) if row.overlap is not None else text.NO_OVERLAP, "overlap"),
        figures.counted(f"{row.faces:,}", "faces", before=True),
    )
    return Line(name, cells)


def _says(rows: Sequence[Located], case: str) -> str:
    """What the detector points with on those cases, held against guessing the centre."""
    own, centre = pointer(rows, case), one_of(rows, case, CENTRE)
    if own is None:
        return ""
    said = f"On {case} {text.HIT[own.by]} the true area in {of_hundred(own.hits.value)} ({_interval(own.hits)}{faces(own.faces)})"
    if centre is None:
        return f"{said}; guessing was not measured."
    return f"{said}; guessing the centre of the face hits {of_hundred(centre.hits.value)}{_beaten(own.hits, centre.hits)}."


def _interval(one: Estimate) -> str:
    """`68–77 %, `; empty without an interval."""
    inside = share_words(one).partition(" (")[2].removesuffix(")")
    return f"{inside}, " if inside else ""


def _beaten(own: Estimate, guess: Estimate) -> str:
    """What the intervals say of the guess beside what a detector points with; empty without them."""
    if own.low is None or own.high is None or guess.low is None or guess.high is None:
        return ""
    if own.low > guess.high:
        return ", less often"
    return ", more often" if guess.low > own.high else " (the intervals overlap)"
