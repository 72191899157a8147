"""Sections and answers about a detector of face swaps, from its card: also whether "less identity, better generalisation" (Dong et al.,
CVPR 2023, arXiv 2210.14457) holds."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from attribution.detectors.card import Card
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, figure_words, share_inline, share_words, wilson
from attribution.measured import figures, section
from attribution.measured.figures import Axis, Dot, DotLine, Line, axis_around, axis_over, dot_chart, draw, key, pair_key, stack
from attribution.measured.section import Answer, Section, Subject, apart, attempt, capital, faces, interval, known, need, place_of
from attribution.text import swap_limits as text
from attribution.text.numbers import listed, measured_share
from attribution.text.opinions import name_of

# How the tables name cases, ways to point, and detectors.
_PARTIAL, _UNSEEN_BLEND, _BOXES, _HEATMAP, _CENTRE = "partial swaps", "partial swaps, unseen blend", "boxes", "heatmap", "crop centre"
_FROM, _FALSE, _FOUND = "confidence from", "untouched with a box", "partial swaps with a box"
_PROBE, _CROSS, _CROSS_DIFFERENCES = "Identity probe", "Cross-source AUC", "AUC differences"
_PLAIN, _IN_SOURCE, _REDUCED = "plain binary", "DFDC", " components of "
_BETWEEN = re.compile(r"\s+[−–-]\s+")
CONFIRMED, REFUTED, NOT_DECIDED = "Confirmed", "Refuted", "Not decided"


def answers(at: Subject) -> list[Answer]:
    """What a reader asks of a detector that must say where, and must not know who. Not measured is an answer, too."""
    rows, found = attempt(lambda: located(at.card)) or [], attempt(lambda: probes(at)) or []
    own, plain = (
        next((pair for pair in found if pair[0].text("detector").partition(", ")[0] == name), None) for name in (at.card.name, _PLAIN)
    )
    hits, guess, unseen = _one(rows, _PARTIAL, _BOXES), _one(rows, _PARTIAL, _CENTRE), _one(rows, _UNSEEN_BLEND, _BOXES)
    points, knows = Answer(text.POINTS_QUESTION), Answer(text.KNOWS_QUESTION)
    if hits is not None:
        said = [f"{section.range_words(hits.hits)}, of {hits.faces:,} partial swaps: a box hits the true area."]
        said += [f"Guessing the centre of the face hits {_of_hundred(guess)}."] if guess else []
        said += [f"With a blend that training never used, a box hits {_of_hundred(unseen)}."] if unseen else []
        points = Answer(text.POINTS_QUESTION, _of_hundred(hits), said)
    if own is not None:
        accuracy, chance, persons = own[1], own[0].number("chance"), own[0].count("persons")
        said = [f"{section.range_words(accuracy)}: so often a probe names the right one of {persons:,} persons from its features."]
        rivals = [f"from those of {text.PLAIN_DETECTOR} in {share_words(plain[1])}"] if plain is not None else []
        rivals += [f"by chance in {measured_share(chance)}"] if chance is not None else []
        said += [f"{capital('; '.join(rivals))}."] if rivals else []
        knows = Answer(text.KNOWS_QUESTION, measured_share(accuracy.value), said)
    return [points, knows, claim(at)]


def told_apart(at: Subject) -> Section:
    """The AUC on DFDC faces and clips with that of the plain detector trained on the same faces for as many steps. Raises Unfit."""
    table = at.table("Overall")
    rows = [row for row, _ in known(table, ("split", "faces"), "AUC")]
    found = {row.text("split"): _auc_of(row) for row in rows}
    lines = []
    for row in sorted(rows, key=lambda row: row.text("split") != "test"):
        own = found[row.text("split")].items()
        lines.append(DotLine(f"{capital(place_of(row.text('split')))} ({row.count('faces'):,})"))
        lines += [DotLine(text.AUC_OF[name], [Dot(one, name == "plain")], figure_words(one)) for name, one in own]
    chart = dot_chart("AUC", lines, axis_around([one for some in found.values() for one in some.values()]), "AUC")
    row = next((row for row in rows if row.text("split") == "test"), rows[0])
    return Section(_told_apart_says(at, row, _auc_of(row)), chart, (table,))


def _auc_of(row: Row) -> dict[str, Estimate]:
    """The figures of a row that were measured: of faces, of clips, and of the plain detector."""
    found = {
        "faces": row.estimate("AUC"),
        "clips": row.between("clips AUC", "clips low", "clips high"),
        "plain": row.between("plain binary AUC", "plain low", "plain high"),
    }
    return {name: one for name, one in found.items() if one is not None}


def _told_apart_says(at: Subject, row: Row, found: dict[str, Estimate]) -> str:
    said = f"On {faces(row.count('faces'))} of DFDC ({place_of(row.text('split'))}) the AUC is {figure_words(found['faces'])} per face"
    said += f" and {figure_words(found['clips'])} per clip. " if "clips" in found else ". "
    if "plain" not in found:
        return f"{said}A plain detector was not measured."
    own, plain = found["faces"], found["plain"]
    said += f"{capital(text.PLAIN_DETECTOR)}, trained on the same faces for as many steps, reaches {figure_words(plain)}: "
    if (gap := next((one for name, one in _auc_gaps(at) if name.startswith(_IN_SOURCE)), None)) is not None:
        outcome = "no difference is shown" if gap.includes_zero else f"this one is {'better' if gap.value > 0 else 'worse'}"
        return f"{said}{outcome} (paired difference {figure_words(gap).replace(' (', ', ')}."
    if None in (own.low, own.high, plain.low, plain.high):
        return f"{said}without intervals nothing can be said of the difference."
    return f"{said}the two intervals {'do not overlap' if apart(own, plain) else 'overlap'}."


@dataclass(frozen=True)
class _Asked:
    """How often the second opinion gave which answer on the faces that it was asked about, and what came of its contradictions."""

    faces: int
    agree: int
    undecided: int
    overturned: int
    prevented: int
    lost: int

    def __post_init__(self) -> None:
        if self.agree + self.undecided + self.overturned != self.faces or self.prevented + self.lost != self.overturned:
            raise Unfit("A table of second opinions holds counts that do not fit its faces.")

    def part(self, count: int) -> str:
        return measured_share(count / self.faces)

    def share(self, count: int) -> Estimate | None:
        return wilson(count, self.faces)


def second_opinion(at: Subject, split: str) -> Section:
    """What asking this detector beside the default one changes on that split, source by source. Raises Unfit."""
    table, counts = at.table(f"Second opinion, {split}"), ("faces", "agree", "undecided", "overturned")
    counts = (*counts, "wrong answers prevented", "right answers lost")
    every = [(row.text("source"), [row.count(name) for name in counts]) for row in Rows(table, ("source", *counts))]
    rows = [(source, _Asked(*some)) for source, some in every if _Asked(*some).faces and source != "all"]
    need(rows, table, "has no source")
    total = _Asked(*(sum(getattr(one, name) for _, one in rows) for name in _Asked.__dataclass_fields__))
    shares = [share for _, one in rows for share in (one.share(one.prevented), one.share(one.lost)) if share is not None]
    axis, lines, beside = axis_over(shares), [], "wrong prevented / right lost"
    for source, one in rows:
        kinds = (("agrees", "agrees", one.agree), ("open", "undecided", one.undecided), ("doubted", "made inconclusive", one.overturned))
        both = ((one.share(one.lost), True, "accused"), (one.share(one.prevented), False, "cleared"))
        cells = (
            draw.counted(f"{one.faces:,}", "faces"),
            stack([(kind, name, count / one.faces) for kind, name, count in kinds]),
            draw.plot(axis, [Dot(share, hollow, kind) for share, hollow, kind in both if share]),
            draw.words(f"{one.part(one.prevented)} / {one.part(one.lost)}", beside),
        )
        lines.append(Line(at.say(source), cells))
    legend = key(("tt-agrees", "Agrees"), ("tt-open", "Undecided"), ("tt-doubted", "Contradicts: the answer becomes inconclusive"))
    legend += key(("tt-dot tt-cleared", "wrong answer prevented"), ("tt-dot tt-accused tt-hollow", "right answer lost"))
    chart = draw.chart(("faces", "second opinion", "of these faces", beside), lines, (None, None, axis, None))
    return Section(_second_says(total), legend + chart, (table,))


def _second_says(total: _Asked) -> str:
    said = f"Asked about {faces(total.faces)}, it agreed on {share_words(total.share(total.agree))}, gave no definite answer on "
    said += f"{total.part(total.undecided)} and contradicted the default detector on {share_words(total.share(total.overturned))}, "
    said += "which left these inconclusive. "
    undone = wilson(total.prevented, total.prevented + total.lost)
    if undone is None or undone.low is None or undone.high is None:
        return f"{said}No answer was prevented or lost by that."
    kinds = ((total.prevented, "wrong"), (total.lost, "right"))
    wrong, right = (f"{count:,} {what} answer{'' if count == 1 else 's'}" for count, what in kinds)
    more = "whether it withholds more wrong answers than right ones is not shown"
    if undone.low > 0.5 or undone.high < 0.5:
        more = f"it withholds more {'wrong answers than right' if undone.low > 0.5 else 'right answers than wrong'} ones"
    return f"{said}That prevented {wrong} and lost {right}: {more} ({share_inline(undone)} were wrong)."


def claim(at: Subject) -> Answer:
    """Whether "less identity, better generalisation" holds, and why. By the intervals of the paired differences from the plain detector:
    CONFIRMED when the probe reads less and the AUC elsewhere is higher on some faces and lower on none, REFUTED when the contrary of either
    is shown (of the AUC: and nowhere the better), else NOT_DECIDED; or not measured."""
    pairs = attempt(lambda: own_differences(at)) or []
    less = next((one for other, one in pairs if other == _PLAIN and one.low is not None and one.high is not None), None)
    gaps = [(name, one, _sign(one)) for name, one in _auc_gaps(at) if not name.startswith(_IN_SOURCE)]
    if less is None or not gaps:
        missing = [name for name, there in ((text.LESS_IDENTITY, less is not None), (text.BETTER_ELSEWHERE, bool(gaps))) if not there]
        return Answer(text.CLAIM_QUESTION, sentences=(text.CLAIM_NOT_MEASURED.format(what=listed(missing)),))
    signs, sign = [sign for *_, sign in gaps], _sign(less)
    better, worse = 1 in signs and -1 not in signs, -1 in signs and 1 not in signs
    state = CONFIRMED if sign < 0 and better else REFUTED if sign > 0 or worse else NOT_DECIDED
    words, gap = f"than those of {text.PLAIN_DETECTOR}", f"the probe’s accuracy differs by {share_inline(less)}"
    parts = [
        f"its features tell {'less' if sign < 0 else 'more'} of who somebody is {words} ({gap})"
        if sign
        else f"that its features tell less of who somebody is {words} was not shown ({gap}, which includes zero)"
    ]
    for word, wanted in (("higher", 1), ("lower", -1)):
        on = [f"“{name}” (by {figure_words(one).replace(' (', ', ').removesuffix(')')})" for name, one, sign in gaps if sign == wanted]
        parts += [f"elsewhere its AUC is {word} on {len(on)} of {_sets(len(gaps))}: {listed(on)}"] if on else []
    if rest := signs.count(0):
        where = f"the other {rest}" if len(parts) > 1 else f"any of {_sets(rest)} from elsewhere"
        parts.append(f"no difference of the AUC was shown on {where}")
    return Answer(text.CLAIM_QUESTION, state, (text.CLAIM.format(state=state.lower(), why="; ".join(parts)),))


def _sets(count: int) -> str:
    return "1 set of faces" if count == 1 else f"{count} sets of faces"


def _sign(one: Estimate) -> int:
    """1 or −1 where the interval leaves out zero."""
    return 0 if one.low is None or one.high is None or one.includes_zero else 1 if one.low > 0 else -1


def probes(at: Subject) -> list[tuple[Row, Estimate]]:
    """What the linear probe reached from the features of each detector. Raises Unfit."""
    return known(at.table(_PROBE), ("detector",), "accuracy")


def own_differences(at: Subject) -> list[tuple[str, Estimate]]:
    """By how much the probe's accuracy is higher than on another detector's features: (the other, the difference). Raises Unfit."""
    found = []
    for row, one in known(at.table(f"{_PROBE}, differences"), ("pair",), "difference"):
        first, _, second = _BETWEEN.sub("\t", row.text("pair")).partition("\t")
        if _is_own(first, at):
            found.append((second, one))
        elif _is_own(second, at):
            found.append((first, Estimate(-one.value, *(None if edge is None else -edge for edge in (one.high, one.low)))))
    return found


def _auc_gaps(at: Subject) -> list[tuple[str, Estimate]]:
    """On which faces the AUC was compared in pairs, and by how much this detector's is the higher."""
    rows = attempt(lambda: known(at.table(_CROSS_DIFFERENCES), ("cases",), "difference")) or []
    return [(row.text("cases"), one) for row, one in rows if one.low is not None and one.high is not None]


def _is_own(detector: str, at: Subject) -> bool:
    """Whether a table's name of a detector (`telltale-caddm`, `telltale-caddm, 32 components`) means that of the card."""
    return detector.partition(", ")[0] == at.card.name


def _said(detector: str) -> str:
    """A table's name of a detector for people."""
    name, comma, what = detector.partition(", ")
    return f"{text.PLAIN_DETECTOR if name == _PLAIN else name_of(name)}{comma}{what}"


def identity(at: Subject) -> Section:
    """The claim in plain words, the probes, the AUC elsewhere, and the paired differences. Raises Unfit when nothing was measured."""
    made: tuple[Callable[[Subject], Section], ...] = (_probe_chart, _auc_chart, _probe_differences, _auc_differences)
    parts = [part for make in made if (part := attempt(lambda make=make: make(at))) is not None]  # type: ignore[misc]
    if not parts:
        _probe_chart(at)
    says = " ".join(filter(None, (claim(at).sentences[0], *(part.says for part in parts))))
    drawn = Markup().join(draw.box("tt-figure-part", [part.figure]) for part in parts)
    return Section(says, drawn, [table for part in parts for table in part.tables])


def _probe_chart(at: Subject) -> Section:
    found = probes(at)
    shares = ("chance", "commonest")
    marks = [Estimate(mark) for row, _ in found for name in shares if (mark := row.number(name)) is not None]
    wide = axis_over([*(accuracy for _, accuracy in found), *marks])
    lines = []
    for is_reduced in (False, True):
        own = [pair for pair in found if (_REDUCED in pair[0].text("features")) == is_reduced]
        lines += [DotLine(text.REDUCED)] if is_reduced and own else []
        for row, accuracy in own:
            features = f" ({row.text('features')})" if row.text("features") else ""
            axis = Axis(0.0, wide.high, True, *map(row.number, shares))
            lines.append(DotLine(capital(f"{_said(row.text('detector'))}{features}"), [Dot(accuracy)], share_words(accuracy), axis))
    # The first features of a detector are the ones that detectors are compared by.
    first = {row.text("detector"): accuracy for row, accuracy in reversed(found)}
    (least, low), *_, (most, high) = sorted([*first.items()] * 2, key=lambda pair: pair[1].value)
    row = found[0][0]
    chance, commonest = (
        f"{words} {measured_share(share)}" if (share := row.number(name)) is not None else words
        for name, words in zip(shares, (text.CHANCE, text.COMMONEST), strict=True)
    )
    says = (text.PROBE_SAYS if len(first) > 1 else text.ONE_PROBE_SAYS).format(
        persons=f"{row.count('persons'):,}", pictures=f"{row.count('pictures'):,}", least=_said(least), low=share_words(low),
        most=_said(most), high=share_words(high), chance=chance, commonest=commonest,
    )  # fmt: skip
    legend = key(("tt-chance", chance), ("tt-second-mark", commonest))
    drawn = draw.titled(text.PROBE_TITLE, legend + dot_chart(text.PROBE_HEAD, lines, wide, "named"))
    return Section(says, drawn, (at.table(_PROBE),))


def _auc_chart(at: Subject) -> Section:
    table = at.table(_CROSS)
    detectors = [column for column in table.columns if column not in ("cases", "faces", "low", "high")]
    every = [(row, {name: one for name in detectors if (one := row.estimate(name)) is not None}) for row in Rows(table, ("cases",))]
    rows = need([(row, found) for row, found in every if found], table, "has no AUC")
    # This detector is drawn last, above the others.
    looks = {
        name: (name.partition(", ")[0] == _PLAIN, "accent" if name.partition(", ")[0] in (_PLAIN, at.card.name) else "other")
        for name in sorted(detectors, key=lambda name: _is_own(name, at))
    }
    lines, best = [], dict.fromkeys(detectors, 0)
    for row, found in rows:
        words = " / ".join(f"{found[name].value:.2f}" if name in found else "–" for name in detectors)
        lines.append(DotLine(_cases(row, at), [Dot(found[name], *looks[name]) for name in looks if name in found], words))
        if not row.text("cases").startswith(_IN_SOURCE):
            best[max(found, key=lambda name: found[name].value)] += 1
    signs = {name: f"tt-dot tt-{kind}{' tt-hollow' if hollow else ''}" for name, (hollow, kind) in looks.items()}
    chart = dot_chart("AUC", lines, axis_around([one for _, found in rows for one in found.values()]), "AUC", text.IN_ORDER)
    count = sum(best.values())
    won = listed([f"{_said(name)} on {times}" for name, times in sorted(best.items(), key=lambda pair: -pair[1])])
    says = text.AUC_SAYS.format(sets="1 set" if count == 1 else f"{count} sets", best=won) if count else ""
    legend = key(*((signs[name], _said(name)) for name in detectors))
    return Section(says, draw.titled(text.AUC_TITLE, legend + chart), (table,))


def _probe_differences(at: Subject) -> Section:
    """Those of this detector from the others; the others' among themselves stand in the table."""
    found, table = [(capital(_said(other)), one) for other, one in own_differences(at)], at.table(f"{_PROBE}, differences")
    need(found, table, "has no difference from this detector")
    return Section("", draw.titled(text.PROBE_DIFFERENCE_TITLE, figures.difference_chart("difference", found, True)), (table,))


def _auc_differences(at: Subject) -> Section:
    table = at.table(_CROSS_DIFFERENCES)
    found = [(_cases(row, at), one) for row, one in known(table, ("cases",), "difference")]
    return Section("", draw.titled(text.AUC_DIFFERENCE_TITLE, figures.difference_chart("difference", found)), (table,))


def _cases(row: Row, at: Subject) -> str:
    """`landmark_swap, other collections` as `Landmark face swap, other collections (412)`."""
    method, comma, place = row.text("cases").partition(", ")
    count = f" ({row.count('faces'):,})" if row.count("faces") else ""
    return capital(f"{at.method(method)}{comma}{place}{count}")


class Located(NamedTuple):
    """One way to point at the changed area on one kind of faces: `hits` of the pointing game, mean overlap (IoU) where it has one."""

    cases: str
    by: str
    faces: int
    hits: Estimate
    overlap: Estimate | None


def located(card: Card) -> list[Located]:
    """The rows of the card's table "Localisation". Raises Unfit."""
    table, found = section.card_table(card, "Localisation"), []
    for row in Rows(table, ("cases", "by", "hits")):
        hits = row.between("hits", "hits low", "hits high")
        if hits is not None and 0 <= hits.value <= 1:
            overlap = row.between("IoU", "IoU low", "IoU high")
            found.append(Located(row.text("cases"), row.text("by"), row.count("faces"), hits, overlap))
    return need(found, table, "has no hits")


def _one(rows: Sequence[Located], cases: str, *ways: str) -> Located | None:
    """The first of the ways that was measured on those cases."""
    return next((row for by in ways for row in rows if (row.cases, row.by) == (cases, by)), None)


def _of_hundred(row: Located) -> str:
    return f"{100 * row.hits.value:.0f} of 100"


def localisation(at: Subject, others: Sequence[Card] = ()) -> Section:
    """Boxes and heatmaps of the detector and of `others`, against the centre of the crop and the best constant box. Raises Unfit."""
    own = located(at.card)
    beside = [(one, attempt(lambda one=one: located(one))) for one in others]  # type: ignore[misc]
    measured = [(at.card, own), *((one, rows) for one, rows in beside if rows)]
    without = [name_of(one.name) for one, rows in beside if not rows]
    cases = list(dict.fromkeys(row.cases for _, rows in measured for row in rows))
    drawn = key(("tt-dot tt-accent", text.POINTED), ("tt-dot tt-muted tt-hollow", text.GUESSED))
    shares, overlaps, says = Axis(), Axis(shares=False), []
    for case in cases:
        ways = [(by, one, _one(rows, case, by)) for by in (_BOXES, _HEATMAP) for one, rows in measured]
        found = [(f"{text.POINTERS[by]}, {name_of(one.name)}", row) for by, one, row in ways if row is not None]
        # Guesses are the same for every detector: the first that was written down stands for all. Those without a name come last.
        guesses = {row.by: row for _, rows in reversed(measured) for row in rows if row.cases == case and row.by not in (_BOXES, _HEATMAP)}
        found += [(text.POINTERS.get(by, by), guesses[by]) for by in sorted(guesses, key=lambda by: [*text.POINTERS, by].index(by))]
        lines = []
        for name, row in found:
            dot: tuple[bool, str] = (True, "muted") if row.by in guesses else (False, "accent")
            hit = draw.plot(shares, [Dot(row.hits, *dot)]), draw.words(share_words(row.hits), "hit")
            overlap = draw.plot(overlaps, []), draw.words(text.NO_OVERLAP, "overlap")
            if row.overlap is not None:
                overlap = draw.plot(overlaps, [Dot(row.overlap, *dot)]), draw.words(figure_words(row.overlap), "overlap")
            lines.append(Line(name, (*hit, *overlap, draw.counted(f"{row.faces:,}", "faces", True))))
        chart = draw.chart((text.HITS_HEAD, "", text.OVERLAP_HEAD, "", "faces"), lines, (shares, None, overlaps, None, None))
        drawn += draw.titled(text.CASES.get(case, case[:1].upper() + case[1:]), chart)
        if (pointed := _one(own, case, _BOXES, _HEATMAP)) is not None:
            says.append(_pointing_says(pointed, _one(own, case, _CENTRE)))
    says += [text.NOT_LOCATED.format(names=", ".join(without))] if without else []
    return Section(" ".join(says), drawn, (at.table("Localisation"),))


def _pointing_says(own: Located, centre: Located | None) -> str:
    """What the detector points with on those cases, held against guessing the centre."""
    inside = f"{interval(own.hits)}, " if interval(own.hits) else ""
    said = f"On {own.cases} {text.HIT[own.by]} the true area in {_of_hundred(own)} ({inside}{faces(own.faces)})"
    if centre is None:
        return f"{said}; guessing was not measured."
    beaten = f", {'more' if centre.hits.value > own.hits.value else 'less'} often" if apart(own.hits, centre.hits) else ""
    if not beaten and None not in (own.hits.low, own.hits.high, centre.hits.low, centre.hits.high):
        beaten = " (the intervals overlap)"
    return f"{said}; guessing the centre of the face hits {_of_hundred(centre)}{beaten}."


def boxes(at: Subject) -> Section:
    """How many faces get a box from each confidence on, untouched ones and partial swaps, and how often it then hits. Raises Unfit."""
    table = at.table("Boxes by confidence")
    rows = list(Rows(table, (_FROM, _FALSE, _FOUND)))
    steps = [f"{share:.2f}" if (share := row.number(_FROM)) is not None else "" for row in rows]
    shown = at.card.artifacts.min_confidence if at.card.artifacts is not None else 0.0
    # The nearest of the confidences that were measured: the one that ships may lie between two of them.
    row = min(rows, key=lambda row: abs((row.number(_FROM) or 0.0) - shown))
    false, found, hits = (row.estimate(column) for column in (_FALSE, _FOUND, "hits of these"))
    need(false and found, table, "has no shares")
    says = f"Boxes are shown from a confidence of {shown:.2f} on. " if at.card.artifacts is not None else ""
    says += f"From {row.number(_FROM) or 0.0:.2f} on {share_words(false)} of untouched faces get one, and {share_words(found)} of partial "
    says += f"swaps, of which it hits the true area in {share_words(hits)}." if hits is not None else "swaps."
    of = [(name, [row.estimate(column) for row in rows]) for name, column in ((text.FOUND, _FOUND), (text.FALSE, _FALSE))]
    plot = draw.box("tt-plots", [figures.curves("", steps, of, "faces with a box", says)])
    return Section(says, pair_key(text.FOUND, text.FALSE, "muted") + plot, (table,))
