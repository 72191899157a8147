"""Sections about the whole verdict: per source, and on what training never saw; and the short answers that a reader needs first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import NO_FACES, Estimate, Rows, Tally, Unfit, percent, share_words
from attribution.evidence import FAMILIES
from attribution.measured.figures import Axis, Line, axis_over, draw, key, plots, stack
from attribution.measured.section import Section, Subject, attempt, faces, interval, study_table
from attribution.text import limits as text

_VERDICT = ("family", "source", "faces", "manipulated", "none found", "wrong of definite")
_LEFT_OUT = ("left out", "kind", "faces", "manipulated", "none found", "inconclusive", "wrong of definite")
_OPEN_UP_TO = 20
_KINDS = (("accused", "manipulated"), ("cleared", "none found"), ("open", "inconclusive"))
_KEY = key(("tt-accused", "Manipulated"), ("tt-cleared", "No manipulation found"), ("tt-open", "Inconclusive"))


class Answer(NamedTuple):
    """A question of a reader, its figure in large, and the sentences that belong to it."""

    question: str
    figure: str = text.NOT_MEASURED
    sentences: Sequence[str] = (text.NOT_MEASURED_WHY,)


def answers(at: Subject) -> list[Answer]:
    """The four questions that every reader has. Not measured is an answer, too."""
    cross, test = _totals(at, "Verdicts on cross"), _totals(at, "Verdicts on test")
    totals, place = (cross, text.SPLITS["cross"]) if cross else (test, text.SPLITS["test"])
    silent = [(one.share(one.inconclusive), name) for one, name in zip(totals, ("untouched", "manipulated"), strict=False)]
    known = [(one, name) for one, name in silent if one is not None]
    sentences = [f"{share_words(one)} of {name} faces stay inconclusive." for one, name in known]
    figure = " / ".join(percent(one.value) for one, _ in known)
    return [
        _wrongly(text.ACCUSED, cross, test, 0, "manipulated", "untouched"),
        _wrongly(text.CLEARED, cross, test, 1, "none_found", "manipulated"),
        Answer(text.ABSTAINS, figure, (*sentences, f"Measured on: {place}.")) if known else Answer(text.ABSTAINS),
        _never_seen(at),
    ]


def by_source(at: Subject, split: str) -> Section:
    """Every source of a split: its answers as a bar, and how many of the definite ones are wrong. Raises Unfit."""
    table = at.table(f"Verdicts on {split}")
    rows = [row for row in Rows(table, _VERDICT) if row.text("family")]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no source.")
    drawn, pooled = Markup(), []
    axis = axis_over([one for row in rows if (one := Tally.of(row).wrong_of_definite()) is not None])
    for family in FAMILIES:
        own = [(at.source(row.text("source")), Tally.of(row)) for row in rows if row.text("family") == family]
        if own:
            pooled.append((at.family(family), sum((tally for _, tally in own), NO_FACES)))
            count = "1 source" if len(own) == 1 else f"{len(own)} sources"
            drawn += draw.folding(f"{at.family(family)}, source by source ({count})", _bars(own, axis), len(rows) <= _OPEN_UP_TO)
    says = _totals_words(*_totals(at, table.title))
    for untouched, words, answer in (
        (True, "Untouched faces were accused most often in", "manipulated"),
        (False, "Manipulated faces were passed most often in", "none_found"),
    ):
        own = [(Tally.of(row), row) for row in rows if (row.text("family") == "real") == untouched and row.count("faces")]
        worst, row = max(own, key=lambda pair: getattr(pair[0], answer) / pair[0].faces, default=(NO_FACES, rows[0]))
        if getattr(worst, answer):
            says += f"{words} {at.source(row.text('source'))}: {share_words(worst.share(getattr(worst, answer)))} of {faces(worst.faces)}. "
    return Section(says, _KEY + _bars(pooled) + drawn, (table,))


def leave_out(at: Subject) -> Section:
    """What the whole verdict says of sources and methods that were left out of training. Raises Unfit."""
    table = _unseen(at)
    rows = [row for row in Rows(table, _LEFT_OUT) if row.text("kind") != "pooled"]
    axis = axis_over([one for row in rows if (one := row.estimate("wrong of definite")) is not None])
    drawn, says = _KEY, ""
    for kind in dict.fromkeys(row.text("kind") for row in rows):
        own = [row for row in rows if row.text("kind") == kind]
        tallies = [(at.say(row.text("left out")), Tally.of(row)) for row in own]
        bars = _bars(tallies, axis, [row.estimate("wrong of definite") for row in own])
        drawn += draw.titled(text.LEFT_OUT.get(kind, f"{text.LEFT_OUT['']}: {kind}"), bars)
    for untouched in (False, True):
        own = [row for row in rows if row.text("kind").startswith("untouched") == untouched]
        total = sum((Tally.of(row) for row in own), NO_FACES)
        if total.faces:
            worst = max(own, key=lambda row: row.number("wrong of definite") or 0.0)
            says += (
                f"Of {faces(total.faces)} that are {'untouched' if untouched else 'manipulated'}, "
                f"{share_words(total.share(total.definite))} got a definite answer, "
                f"and {share_words(total.wrong_of_definite())} of these answers were wrong; most often for "
                f"{at.say(worst.text('left out'))}, {share_words(worst.estimate('wrong of definite'))}. "
            )
    return Section(says.strip(), drawn, (table,))


def _bars(tallies: Sequence[tuple[str, Tally]], axis: Axis | None = None, wrong: Sequence[Estimate | None] | None = None) -> Markup:
    """Lines of stacked answers with the share wrong of the definite ones, measured or computed from the counts. Charts that are to be
    compared share an axis."""
    computed = [tally.wrong_of_definite() for _, tally in tallies]
    shares = [one if one is None or one.low is not None else own for one, own in zip(wrong or computed, computed, strict=True)]
    axis = axis or axis_over([one for one in shares if one is not None])
    lines = []
    for (name, tally), share in zip(tallies, shares, strict=True):
        counts = (tally.manipulated, tally.none_found, tally.inconclusive)
        parts = [(*kind, count / max(tally.faces, 1)) for kind, count in zip(_KINDS, counts, strict=True)]
        said = share_words(share) if share is not None else "no definite answer"
        cells = (draw.counted(f"{tally.faces:,}", "faces"), stack(parts), plots(axis, share), draw.words(said, "wrong"))
        lines.append(Line(name, cells))
    return draw.chart(("faces", "answers", "wrong of the definite answers", ""), lines, (None, None, axis, None))


def _totals(at: Subject, title: str) -> tuple[Tally, ...]:
    """The untouched and the manipulated faces of a table of verdicts, all sources together; nothing when there is no such table."""

    def totals() -> tuple[Tally, ...]:
        rows = [(row.text("family"), Tally.of(row)) for row in Rows(at.table(title), _VERDICT) if row.text("family")]
        return tuple(sum((one for family, one in rows if (family == "real") == wanted), NO_FACES) for wanted in (True, False))

    return attempt(totals) or ()


def _totals_words(untouched: Tally = NO_FACES, manipulated: Tally = NO_FACES) -> str:
    parts = [
        f"of {faces(one.faces)} that are {name} it {did} {share_words(one.share(count))}"
        for one, name, did, count in (
            (untouched, "untouched", "accused", untouched.manipulated),
            (manipulated, "manipulated", "passed", manipulated.none_found),
        )
        if one.faces
    ]
    said = "; ".join(parts)
    return f"{said[:1].upper()}{said[1:]}. " if said else ""


def _wrongly(question: str, cross: Sequence[Tally], test: Sequence[Tally], which: int, answer: str, name: str) -> Answer:
    places = ("from collections that it never saw", "that training did not use, from collections that it did use")
    found = [
        (share, f"of {totals[which].faces:,} {name} faces {place}")
        for totals, place in zip((cross, test), places, strict=True)
        if totals and (share := totals[which].share(getattr(totals[which], answer))) is not None
    ]
    if not found:
        return Answer(question)
    (first, place), *rest = found
    return Answer(question, percent(first.value), (f"{range_words(first)}, {place}.", *(f"{share_words(one)} {at}." for one, at in rest)))


def _never_seen(at: Subject) -> Answer:
    """Pooled over methods that were left out of training, from the study or else from the card; of a detector of generators, over the
    generators that it does not know."""
    unknown = _totals(at, "Verdicts on unknown generators, test")
    left_out = attempt(lambda: [Tally.of(row) for row in Rows(_unseen(at), _LEFT_OUT) if row.text("kind") == "method"])
    total = unknown[1] if unknown else sum(left_out or (), NO_FACES)
    passed, found = total.share(total.none_found), total.share(total.manipulated)
    if passed is None:
        return Answer(text.UNSEEN, sentences=(at.study.reason or text.NOT_MEASURED_WHY,))
    sentences = (
        f"{range_words(passed)}, of {faces(total.faces)} made by methods left out of training: passed as no manipulation found.",
        f"{share_words(found)} are called manipulated all the same; the others stay inconclusive.",
    )
    return Answer(text.UNSEEN, f"{percent(passed.value)} passed", sentences)


def _unseen(at: Subject) -> MeasuredTable:
    """The study's verdicts on what training never saw, or else the card's. Raises Unfit."""
    own = attempt(lambda: at.table("Verdicts on what training never saw"))
    return own if own is not None and "leave_out" not in at.study.tables else study_table(at.study, "leave_out")


def range_words(one: Estimate) -> str:
    """The interval alone, in words."""
    return f"95 % interval {interval(one)}" if interval(one) else "No interval was measured"
