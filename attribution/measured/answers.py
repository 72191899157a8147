"""Sections about the whole verdict: per source, and on what training never saw; and the short answers that a reader needs first."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import NO_FACES, Estimate, Row, Rows, Tally, Unfit, percent, share_words
from attribution.evidence import FAMILIES
from attribution.measured import figures
from attribution.measured.figures import Axis, Dot, Line
from attribution.measured.sections import Names, Section, card_table, faces, study_table
from attribution.measured.study import Study
from attribution.text import limits as text

_VERDICT = ("family", "source", "faces", "manipulated", "none found", "wrong of definite")
_LEFT_OUT = ("left out", "kind", "faces", "manipulated", "none found", "inconclusive", "wrong of definite")
_UNSEEN_OF_CARD = "Verdicts on what training never saw"
_UNKNOWN_GENERATORS = "Verdicts on unknown generators, test"
_OPEN_UP_TO = 20


@dataclass(frozen=True)
class Answer:
    """A question of a reader, its figure in large, and the sentences that belong to it."""

    question: str
    figure: str
    sentences: tuple[str, ...]


def answers(card: Card, study: Study) -> list[Answer]:
    """The four questions that every reader has. Not measured is an answer, too."""
    cross, test = _totals(card, "Verdicts on cross"), _totals(card, "Verdicts on test")
    return [
        _wrongly(text.ACCUSED, cross, test, 0, lambda tally: tally.manipulated, "untouched"),
        _wrongly(text.CLEARED, cross, test, 1, lambda tally: tally.none_found, "manipulated"),
        _silent(cross or test, text.SPLITS["cross"] if cross else text.SPLITS["test"]),
        _never_seen(card, study),
    ]


def by_source(card: Card, names: Names, split: str) -> Section:
    """Every source of a split: its answers as a bar, and how many of the definite ones are wrong. Raises Unfit."""
    table = card_table(card, f"Verdicts on {split}")
    rows = [row for row in Rows(table, _VERDICT) if row.text("family")]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no source.")
    families = [family for family in FAMILIES if any(row.text("family") == family for row in rows)]
    pooled = {family: sum((Tally.of(row) for row in rows if row.text("family") == family), NO_FACES) for family in families}
    drawn = _bars([(names.family(family), tally) for family, tally in pooled.items()])
    shares = [one for row in rows if (one := Tally.of(row).wrong_of_definite()) is not None]
    axis = figures.axis_over(shares or [Estimate(1.0)])
    for family in families:
        own = [(names.source(row.text("source")), Tally.of(row)) for row in rows if row.text("family") == family]
        count = "1 source" if len(own) == 1 else f"{len(own)} sources"
        is_open = " open" if len(rows) <= _OPEN_UP_TO else ""
        summary = f"{html.escape(names.family(family))}, source by source ({count})"
        drawn += f'<details class="tt-fold"{is_open}><summary>{summary}</summary>{_bars(own, axis=axis)}</details>'
    says = _totals_words(*(_totals(card, table.title) or (None, None)))
    for wanted, words, count in (
        (True, "Untouched faces were accused most often in", lambda tally: tally.manipulated),
        (False, "Manipulated faces were passed most often in", lambda tally: tally.none_found),
    ):
        says += _worst([row for row in rows if (row.text("family") == "real") == wanted], words, count, names)
    return Section(f"sources-{split}", says, figures.stack_key() + drawn, (table,))


def leave_out(card: Card, study: Study, names: Names) -> Section:
    """What the whole verdict says of sources and methods that were left out of training. Raises Unfit."""
    table = _unseen(card, study)
    rows = [row for row in Rows(table, _LEFT_OUT) if row.text("kind") != "pooled"]
    axis = figures.axis_over([one for row in rows if (one := row.estimate("wrong of definite")) is not None] or [Estimate(1.0)])
    drawn, says = figures.stack_key(), ""
    for kind in dict.fromkeys(row.text("kind") for row in rows):
        own = [row for row in rows if row.text("kind") == kind]
        tallies = [(names.say(row.text("left out")), Tally.of(row)) for row in own]
        title = text.LEFT_OUT.get(kind, f"{text.LEFT_OUT['']}: {kind}")
        drawn += f"<h4>{html.escape(title)}</h4>{_bars(tallies, [row.estimate('wrong of definite') for row in own], axis)}"
    for untouched in (False, True):
        own = [row for row in rows if row.text("kind").startswith("untouched") == untouched]
        total = sum((Tally.of(row) for row in own), NO_FACES)
        if not total.faces:
            continue
        worst = max(own, key=lambda row: row.number("wrong of definite") or 0.0)
        says += (
            f"Of {faces(total.faces)} that are {'untouched' if untouched else 'manipulated'}, "
            f"{share_words(total.share(total.definite))} got a definite answer, "
            f"and {share_words(total.wrong_of_definite())} of these answers were wrong; most often for "
            f"{names.say(worst.text('left out'))}, {share_words(worst.estimate('wrong of definite'))}. "
        )
    return Section("leave-out", says.strip(), drawn, (table,))


def _bars(tallies: Sequence[tuple[str, Tally]], wrong: Sequence[Estimate | None] | None = None, axis: Axis | None = None) -> str:
    """Lines of stacked answers with the share wrong of the definite ones, measured or computed from the counts. Charts that are to be
    compared share an axis."""
    shares = [tally.wrong_of_definite() for _, tally in tallies] if wrong is None else wrong
    shares = [
        one if one is None or one.low is not None else tally.wrong_of_definite() for one, (_, tally) in zip(shares, tallies, strict=True)
    ]
    axis = axis or figures.axis_over([one for one in shares if one is not None] or [Estimate(1.0)])
    lines = []
    for (name, tally), share in zip(tallies, shares, strict=True):
        count = max(tally.faces, 1)
        bar = figures.stack(tally.manipulated / count, tally.none_found / count, tally.inconclusive / count)
        dots = figures.plot(axis, [Dot(share)] if share is not None else [])
        said = share_words(share) if share is not None else "no definite answer"
        lines.append(Line(name, (figures.counted(f"{tally.faces:,}", "faces"), bar, dots, figures.words(said, "wrong"))))
    return figures.chart(
        ("faces", "answers", "wrong of the definite answers", ""),
        lines,
        ("<span></span>", "<span></span>", figures.ticks(axis), "<span></span>"),
    )


def _totals(card: Card, title: str) -> tuple[Tally, Tally] | None:
    """The untouched and the manipulated faces of a table of verdicts, all sources together; None when there is no such table."""
    try:
        rows = list(Rows(card_table(card, title), _VERDICT))
        untouched = sum((Tally.of(row) for row in rows if row.text("family") == "real"), NO_FACES)
        manipulated = sum((Tally.of(row) for row in rows if row.text("family") not in ("", "real")), NO_FACES)
    except Unfit:
        return None
    return untouched, manipulated


def _totals_words(untouched: Tally | None, manipulated: Tally | None) -> str:
    parts = []
    if untouched is not None and untouched.faces:
        parts.append(f"of {faces(untouched.faces)} that are untouched it accused {share_words(untouched.share(untouched.manipulated))}")
    if manipulated is not None and manipulated.faces:
        parts.append(
            f"of {faces(manipulated.faces)} that are manipulated it passed {share_words(manipulated.share(manipulated.none_found))}"
        )
    said = "; ".join(parts)
    return f"{said[:1].upper()}{said[1:]}. " if said else ""


def _worst(rows: Sequence[Row], words: str, count: Callable[[Tally], int], names: Names) -> str:
    """The source with the largest share of that answer; empty when no source has one."""
    ranked = [(one, row) for row in rows if (one := Tally.of(row)).faces]
    if not ranked:
        return ""
    tally, row = max(ranked, key=lambda pair: count(pair[0]) / pair[0].faces)
    if not count(tally):
        return ""
    return f"{words} {names.source(row.text('source'))}: {share_words(tally.share(count(tally)))} of {faces(tally.faces)}. "


def _wrongly(
    question: str,
    cross: tuple[Tally, Tally] | None,
    test: tuple[Tally, Tally] | None,
    which: int,
    count: Callable[[Tally], int],
    name: str,
) -> Answer:
    found = []
    for totals, place in (
        (cross, "from collections that it never saw"),
        (test, "that training did not use, from collections that it did use"),
    ):
        if totals is not None and totals[which].faces:
            tally = totals[which]
            found.append((tally.share(count(tally)), f"of {tally.faces:,} {name} faces {place}"))
    if not found:
        return Answer(question, text.NOT_MEASURED, (text.NOT_MEASURED_WHY,))
    (first, place), *rest = found
    return Answer(question, percent(first.value), (f"{_range(first)}, {place}.", *(f"{share_words(one)} {where}." for one, where in rest)))


def _silent(totals: tuple[Tally, Tally] | None, place: str) -> Answer:
    shares = [one.share(one.inconclusive) for one in totals or ()]
    known = [(one, name) for one, name in zip(shares, ("untouched", "manipulated"), strict=False) if one is not None]
    if not known:
        return Answer(text.ABSTAINS, text.NOT_MEASURED, (text.NOT_MEASURED_WHY,))
    figure = " / ".join(percent(one.value) for one, _ in known)
    said = tuple(f"{share_words(one)} of {name} faces stay inconclusive." for one, name in known)
    return Answer(text.ABSTAINS, figure, (*said, f"Measured on: {place}."))


def _never_seen(card: Card, study: Study) -> Answer:
    """Pooled over methods that were left out of training, from the study or else from the card; of a detector of generators, over the
    generators that it does not know."""
    unknown = _totals(card, _UNKNOWN_GENERATORS)
    try:
        total = unknown[1] if unknown is not None else NO_FACES
        if unknown is None:
            total = sum((Tally.of(row) for row in Rows(_unseen(card, study), _LEFT_OUT) if row.text("kind") == "method"), NO_FACES)
    except Unfit:
        total = NO_FACES
    passed, found = total.share(total.none_found), total.share(total.manipulated)
    if passed is None:
        return Answer(text.UNSEEN, text.NOT_MEASURED, tuple(filter(None, (study.reason or text.NOT_MEASURED_WHY,))))
    return Answer(
        text.UNSEEN,
        f"{percent(passed.value)} passed",
        (
            f"{_range(passed)}, of {faces(total.faces)} made by methods left out of training: passed as no manipulation found.",
            f"{share_words(found)} are called manipulated all the same; the others stay inconclusive.",
        ),
    )


def _unseen(card: Card, study: Study) -> MeasuredTable:
    """The study's verdicts on what training never saw, or else the card's. Raises Unfit."""
    own = next((table for table in card.measured if table.title == _UNSEEN_OF_CARD), None)
    return own if own is not None and "leave_out" not in study.tables else study_table(study, "leave_out")


def _range(estimate: Estimate) -> str:
    """The interval alone, in words."""
    inside = share_words(estimate).partition(" (")[2].removesuffix(")")
    return f"95 % interval {inside}" if inside else "No interval was measured"
