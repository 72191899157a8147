"""Sections and answers about a detector of face swaps from its card: beside a plain one, beside the default one, and where it points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attribution.detectors.card import Card
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, figure_words, percent, share_inline, share_words, wilson
from attribution.measured import figures, pointing
from attribution.measured.answers import Answer
from attribution.measured.claim import IN_SOURCE, auc_gaps, claim, own_and_plain
from attribution.measured.figures import Dot, Line
from attribution.measured.identity import capital
from attribution.measured.sections import Names, Section, card_table, faces
from attribution.text import limits as limits_text
from attribution.text import swap_limits as text

_OVERALL = ("split", "faces", "AUC")
_SECOND = ("source", "faces", "agree", "undecided", "overturned", "wrong answers prevented", "right answers lost")
_TOTAL = "all"


def answers(card: Card) -> list[Answer]:
    """What a reader asks of a detector that must say where, and must not know who. Not measured is an answer, too."""
    said = claim(card)
    return [_points(card), _knows(card), Answer(text.CLAIM_QUESTION, said.state, (said.sentence,))]


def told_apart(card: Card) -> Section:
    """The AUC on DFDC faces and clips with that of the plain detector trained on the same faces for as many steps. Raises Unfit."""
    table = card_table(card, "Overall")
    rows = [row for row in Rows(table, _OVERALL) if row.estimate("AUC") is not None]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no AUC.")
    found = {row.text("split"): _auc_of(row) for row in rows}
    axis = figures.axis_around([one for pairs in found.values() for _, one in pairs])
    lines = []
    for row in sorted(rows, key=lambda row: row.text("split") != "test"):
        split = row.text("split")
        lines.append(Line(f"{capital(limits_text.SPLITS.get(split, split))} ({row.count('faces'):,})", (), head=True))
        lines += [
            Line(text.AUC_OF[key], (figures.plot(axis, [Dot(one, key == "plain")]), figures.words(figure_words(one), "AUC")))
            for key, one in found[split]
        ]
    row = next((row for row in rows if row.text("split") == "test"), rows[0])
    drawn = figures.chart(("AUC", ""), lines, (figures.ticks(axis), "<span></span>"))
    return Section("told-apart", _told_apart_says(card, row, dict(_auc_of(row))), drawn, (table,))


def second_opinion(card: Card, names: Names, split: str) -> Section:
    """What asking this detector beside the default one changes on that split, source by source. Raises Unfit."""
    table = card_table(card, f"Second opinion, {split}")
    every = [_Asked.of(row) for row in Rows(table, _SECOND)]
    rows = [one for one in every if one.source != _TOTAL and one.faces]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no source.")
    total = sum(rows[1:], rows[0])
    axis = figures.axis_over([share for one in rows for share in (one.share(one.prevented), one.share(one.lost)) if share is not None])
    lines = []
    for one in rows:
        prevented, lost = one.share(one.prevented), one.share(one.lost)
        dots = [Dot(share, hollow, kind) for share, hollow, kind in ((lost, True, "accused"), (prevented, False, "cleared")) if share]
        kinds = (("agrees", "agrees", one.agree), ("open", "undecided", one.undecided), ("doubted", "made inconclusive", one.overturned))
        bar = figures.shares([(kind, name, one.part(count)) for kind, name, count in kinds])
        said = f"{percent(one.part(one.prevented))} / {percent(one.part(one.lost))}"
        cells = (
            figures.counted(f"{one.faces:,}", "faces"),
            bar,
            figures.plot(axis, dots),
            figures.words(said, "wrong prevented / right lost"),
        )
        lines.append(Line(names.say(one.source), cells))
    legend = figures.shares_key((("agrees", "Agrees"), ("open", "Undecided"), ("doubted", "Contradicts: the answer becomes inconclusive")))
    legend += figures.key([("tt-dot tt-cleared", "wrong answer prevented"), ("tt-dot tt-accused tt-hollow", "right answer lost")])
    columns = ("faces", "second opinion", "of these faces", "wrong prevented / right lost")
    drawn = figures.chart(columns, lines, ("<span></span>", "<span></span>", figures.ticks(axis), "<span></span>"))
    return Section(f"second-{split}", _second_says(total), legend + drawn, (table,))


@dataclass(frozen=True)
class _Asked:
    """How often the second opinion gave which answer on the faces that it was asked about, and what came of its contradictions."""

    source: str
    faces: int
    agree: int
    undecided: int
    overturned: int
    prevented: int
    lost: int

    @staticmethod
    def of(row: Row) -> _Asked:
        """From a row of the table. Raises Unfit when its counts are not counts of its faces."""
        count, *parts = (row.count(column) for column in _SECOND[1:])
        if sum(parts[:3]) != count or sum(parts[3:]) != parts[2]:
            raise Unfit("A table of second opinions holds counts that do not fit its faces.")
        return _Asked(row.text("source"), count, *parts)

    def __add__(self, other: _Asked) -> _Asked:
        counts = ("faces", "agree", "undecided", "overturned", "prevented", "lost")
        return _Asked(self.source, *(getattr(self, name) + getattr(other, name) for name in counts))

    def part(self, count: int) -> float:
        return count / self.faces

    def share(self, count: int) -> Estimate | None:
        return wilson(count, self.faces)


def _second_says(total: _Asked) -> str:
    said = (
        f"Asked about {faces(total.faces)}, it agreed on {share_words(total.share(total.agree))}, gave no definite answer on "
        f"{percent(total.part(total.undecided))} and contradicted the default detector on {share_words(total.share(total.overturned))}, "
        "which left these inconclusive. "
    )
    undone = wilson(total.prevented, total.prevented + total.lost)
    if undone is None or undone.low is None or undone.high is None:
        return f"{said}No answer was prevented or lost by that."
    said += f"That prevented {_answers(total.prevented, 'wrong')} and lost {_answers(total.lost, 'right')}: "
    if undone.low > 0.5:
        return f"{said}it withholds more wrong answers than right ones ({share_inline(undone)} were wrong)."
    if undone.high < 0.5:
        return f"{said}it withholds more right answers than wrong ones ({share_inline(undone)} were wrong)."
    return f"{said}whether it withholds more wrong answers than right ones is not shown ({share_inline(undone)} were wrong)."


def _answers(count: int, which: str) -> str:
    return f"{count:,} {which} {'answer' if count == 1 else 'answers'}"


def _auc_of(row: Row) -> list[tuple[str, Estimate]]:
    """The figures of a row that were measured: of faces, of clips, and of the plain detector."""
    found = (
        ("faces", row.estimate("AUC")),
        ("clips", row.between("clips AUC", "clips low", "clips high")),
        ("plain", row.between("plain binary AUC", "plain low", "plain high")),
    )
    return [(key, one) for key, one in found if one is not None]


def _told_apart_says(card: Card, row: Row, found: dict[str, Estimate]) -> str:
    split = limits_text.SPLITS.get(row.text("split"), row.text("split"))
    said = f"On {faces(row.count('faces'))} of DFDC ({split}) the AUC is {figure_words(found['faces'])} per face"
    said += f" and {figure_words(found['clips'])} per clip. " if "clips" in found else ". "
    if "plain" not in found:
        return f"{said}A plain detector was not measured."
    said += f"{capital(text.PLAIN_DETECTOR)}, trained on the same faces for as many steps, reaches {figure_words(found['plain'])}: "
    gap = next((one for name, one in auc_gaps(card) if name.startswith(IN_SOURCE)), None)
    if gap is not None:
        outcome = "no difference is shown" if gap.includes_zero else f"this one is {'better' if gap.value > 0 else 'worse'}"
        return f"{said}{outcome} (paired difference {figure_words(gap).replace(' (', ', ')}."
    own, plain = found["faces"], found["plain"]
    if own.low is None or own.high is None or plain.low is None or plain.high is None:
        return f"{said}without intervals nothing can be said of the difference."
    if own.low > plain.high or plain.low > own.high:
        return f"{said}the two intervals do not overlap."
    return f"{said}the two intervals overlap."


def _points(card: Card) -> Answer:
    try:
        rows = pointing.located(card)
    except Unfit:
        rows = []
    own = pointing.one_of(rows, pointing.PARTIAL, pointing.BOXES)
    if own is None:
        return Answer(text.POINTS_QUESTION, limits_text.NOT_MEASURED, (limits_text.NOT_MEASURED_WHY,))
    sentences = [f"{_interval(own.hits)}, of {own.faces:,} partial swaps: a box hits the true area."]
    guess = pointing.one_of(rows, pointing.PARTIAL, pointing.CENTRE)
    if guess is not None:
        sentences.append(f"Guessing the centre of the face hits {pointing.of_hundred(guess.hits.value)}.")
    unseen = pointing.one_of(rows, pointing.UNSEEN_BLEND, pointing.BOXES)
    if unseen is not None:
        sentences.append(f"With a blend that training never used, a box hits {pointing.of_hundred(unseen.hits.value)}.")
    return Answer(text.POINTS_QUESTION, pointing.of_hundred(own.hits.value), tuple(sentences))


def _knows(card: Card) -> Answer:
    own, plain = own_and_plain(card)
    if own is None:
        return Answer(text.KNOWS_QUESTION, limits_text.NOT_MEASURED, (limits_text.NOT_MEASURED_WHY,))
    sentences = [f"{_interval(own.accuracy)}: so often a probe names the right one of {own.persons:,} persons from its features."]
    rivals: Sequence[str] = [f"from those of {text.PLAIN_DETECTOR} in {share_words(plain.accuracy)}"] if plain is not None else []
    rivals = [*rivals, *([f"by chance in {percent(own.chance)}"] if own.chance is not None else [])]
    if rivals:
        sentences.append(f"{capital('; '.join(rivals))}.")
    return Answer(text.KNOWS_QUESTION, percent(own.accuracy.value), tuple(sentences))


def _interval(one: Estimate) -> str:
    inside = share_words(one).partition(" (")[2].removesuffix(")")
    return f"95 % interval {inside}" if inside else "No interval was measured"
