"""Sections about a detector of face swaps, from its card: also whether "less identity, better generalisation" (Dong et al., CVPR 2023,
arXiv 2210.14457) holds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from attribution.detectors.card import Card
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, figure_words, interval, share_words, wilson
from attribution.measured import section
from attribution.measured.figures import of_data
from attribution.measured.section import Answer, Section, Subject, apart, attempt, known, need, place_of, told
from attribution.messages import gettext as _
from attribution.render.charts import Axis, Bar, Curve, Dots, axis_around, axis_over, curves, dots, stacked
from attribution.text import limits as limits_text
from attribution.text import swap_limits as text
from attribution.text.numbers import decimal, listed, measured_share
from attribution.text.opinions import name_of

# How the tables name cases, ways to point, and detectors.
_PARTIAL, _BOXES, _HEATMAP, _CENTRE = "partial swaps", "boxes", "heatmap", "crop centre"
_FROM, _FALSE, _FOUND = "confidence from", "untouched with a box", "partial swaps with a box"
_PROBE, _CROSS, _CROSS_DIFFERENCES = "Identity probe", "Cross-source AUC", "AUC differences"
_PLAIN, _IN_SOURCE, _REDUCED = "plain binary", "DFDC", " components of "
_BETWEEN = re.compile(r"\s+[−–-]\s+")
CONFIRMED, REFUTED, NOT_DECIDED = _("Confirmed"), _("Refuted"), _("Not decided")


def points(at: Subject) -> Answer:
    """How often its boxes hit a swapped part. Not measured is an answer, too."""
    found = _one(attempt(lambda: located(at.card)) or [], _PARTIAL, _BOXES)
    if found is None:
        return Answer(limits_text.POINTS)
    words = limits_text.MEASURED_ON.format(interval=interval(found.hits), n=found.faces, place=text.CASES[_PARTIAL])
    return Answer(limits_text.POINTS, measured_share(found.hits.value), words)


def told_apart(at: Subject) -> Section:
    """The AUC on DFDC faces and clips with that of the plain detector trained on the same faces for as many steps. Raises Unfit."""
    table = at.table("Overall")
    rows = [row for row, _one in known(table, ("split", "faces"), "AUC")]
    lines: list[tuple[str, Estimate | None, int]] = []
    for row in sorted(rows, key=lambda row: row.text("split") != "test"):
        lines.append((place_of(row.text("split")), None, 0))
        lines += [(text.AUC_OF[name], one, row.count("faces")) for name, one in _auc_of(row).items()]
    row = next((row for row in rows if row.text("split") == "test"), rows[0])
    found, gap = _auc_of(row), next((one for name, one in _auc_gaps(at) if name.startswith(_IN_SOURCE)), None)
    says = _("AUC per face {own} (n = {n}); a plain detector was not measured.")
    if "plain" in found and gap is None:
        says = _("AUC per face {own} (n = {n}), of the plain detector {plain}; the difference was not measured in pairs.")
    elif "plain" in found and gap is not None:
        says = _("AUC per face {own} (n = {n}), of the plain detector {plain}: better, difference {gap}.")
        if gap.includes_zero:
            says = _("AUC per face {own} (n = {n}), of the plain detector {plain}: no difference is shown, {gap}.")
        elif gap.value < 0:
            says = _("AUC per face {own} (n = {n}), of the plain detector {plain}: worse, difference {gap}.")
    values = {"own": figure_words(found["faces"]), "plain": figure_words(found.get("plain")), "gap": figure_words(gap)}
    says = says.format(n=row.count("faces"), **values)
    more = [_("AUC per clip: {figure}.").format(figure=figure_words(found["clips"]))] if "clips" in found else []
    series = Dots(
        "", "accent", [one for _name, one, _n in lines], [told(name, one, n, figure_words) if one else "" for name, one, n in lines]
    )
    axis = axis_around([one for one in series.values if one is not None])
    groups = [at for at, (_name, one, _n) in enumerate(lines) if one is None]
    return Section(says, dots([name for name, *_rest in lines], groups, [series], axis, says, of=_("AUC")), (table,), more)


def _auc_of(row: Row) -> dict[str, Estimate]:
    """The figures of a row that were measured: of faces, of clips, and of the plain detector."""
    found = {
        "faces": row.estimate("AUC"),
        "clips": row.between("clips AUC", "clips low", "clips high"),
        "plain": row.between("plain binary AUC", "plain low", "plain high"),
    }
    return {name: one for name, one in found.items() if one is not None}


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
            raise Unfit(_("A table of second opinions holds counts that do not fit its faces."))

    def said(self, count: int) -> str:
        return share_words(wilson(count, self.faces))


def second_opinion(at: Subject, split: str) -> Section:
    """What asking this detector beside the first default one changes on that split, source by source. Raises Unfit."""
    table, counts = at.table(f"Second opinion, {split}"), ("faces", "agree", "undecided", "overturned")
    counts = (*counts, "wrong answers prevented", "right answers lost")
    every = [(row.text("source"), [row.count(name) for name in counts]) for row in Rows(table, ("source", *counts))]
    rows = [(at.say(source), _Asked(*some)) for source, some in every if _Asked(*some).faces and source != "all"]
    need(rows, table)
    total = _Asked(*(sum(getattr(one, name) for _name, one in rows) for name in _Asked.__dataclass_fields__))
    words = _("{source}, n = {n}: contradicted {share}; wrong answers prevented {prevented}, right ones lost {lost}")
    bars = []
    for name, one in rows:
        said = {"share": one.said(one.overturned), "prevented": one.said(one.prevented), "lost": one.said(one.lost)}
        shares = [count / one.faces for count in (one.agree, one.undecided, one.overturned)]
        bars.append(Bar(name, shares, words.format(source=name, n=one.faces, **said)))
    says = _(
        "It contradicts the first default detector on {share} of faces (n = {n}): wrong answers prevented {prevented}, \
right ones lost {lost}."
    )
    says = says.format(share=total.said(total.overturned), n=total.faces, prevented=total.prevented, lost=total.lost)
    undone, more = wilson(total.prevented, total.prevented + total.lost), []
    if undone is not None and undone.low is not None and undone.high is not None:
        more = [_("Whether it withholds more wrong answers than right ones is not shown: {share} of them were wrong.")]
        if undone.low > 0.5:
            more = [_("It withholds more wrong answers than right ones: {share} of them were wrong.")]
        elif undone.high < 0.5:
            more = [_("It withholds more right answers than wrong ones: {share} of them were wrong.")]
        more = [more[0].format(share=share_words(undone))]
    answers = (("agrees", text.AGREES), ("open", text.UNDECIDED), ("doubted", text.CONTRADICTS))
    return Section(says, stacked(bars, answers, says), (table,), more)


class Claim(NamedTuple):
    """Whether "less identity, better generalisation" holds: a `state`, or None where it was not measured, and the sentence."""

    state: str | None
    says: str


def claim(at: Subject) -> Claim:
    """By the intervals of the paired differences from the plain detector: CONFIRMED when the probe reads less and the AUC elsewhere is
    higher on some faces and lower on none, REFUTED when the contrary of either is shown (of the AUC: and nowhere the better), else
    NOT_DECIDED; or not measured."""
    pairs = attempt(lambda: own_differences(at)) or []
    less = next((one for other, one in pairs if other == _PLAIN and one.low is not None and one.high is not None), None)
    gaps = [_sign(one) for name, one in _auc_gaps(at) if not name.startswith(_IN_SOURCE)]
    if less is None or not gaps:
        return Claim(None, _("Whether it holds was not measured: a paired difference of the probe or of the AUC elsewhere is missing."))
    higher, lower, sign = gaps.count(1), gaps.count(-1), _sign(less)
    better, worse = higher > 0 and not lower, lower > 0 and not higher
    state = CONFIRMED if sign < 0 and better else REFUTED if sign > 0 or worse else NOT_DECIDED
    says = _(
        "{state}: a probe names persons from its features more often by {gap} than from the plain detector’s; elsewhere its AUC is higher \
on {higher} and lower on {lower} of {sets} sets of faces."
    )
    if sign < 0:
        less = _negative(less)
        says = _(
            "{state}: a probe names persons from its features less often by {gap} than from the plain detector’s; elsewhere its AUC is \
higher on {higher} and lower on {lower} of {sets} sets of faces."
        )
    elif sign == 0:
        says = _(
            "{state}: no difference is shown in what a probe tells of persons from its features and the plain detector’s, {gap}; \
elsewhere its AUC is higher on {higher} and lower on {lower} of {sets} sets of faces."
        )
    return Claim(state, says.format(state=state, gap=share_words(less), higher=higher, lower=lower, sets=len(gaps)))


def _negative(one: Estimate) -> Estimate:
    return Estimate(-one.value, *(None if edge is None else -edge for edge in (one.high, one.low)))


def _sign(one: Estimate) -> int:
    """1 or −1 where the interval leaves out zero."""
    return 0 if one.low is None or one.high is None or one.includes_zero else 1 if one.low > 0 else -1


def own_differences(at: Subject) -> list[tuple[str, Estimate]]:
    """By how much the probe's accuracy is higher than on another detector's features: (the other, the difference). Raises Unfit."""
    found = []
    for row, one in known(at.table(f"{_PROBE}, differences"), ("pair",), "difference"):
        first, _tab, second = _BETWEEN.sub("\t", row.text("pair")).partition("\t")
        if _is_own(first, at):
            found.append((second, one))
        elif _is_own(second, at):
            found.append((first, _negative(one)))
    return found


def _auc_gaps(at: Subject) -> list[tuple[str, Estimate]]:
    """On which faces the AUC was compared in pairs, and by how much this detector's is the higher."""
    rows = attempt(lambda: known(at.table(_CROSS_DIFFERENCES), ("cases",), "difference")) or []
    return [(row.text("cases"), one) for row, one in rows if one.low is not None and one.high is not None]


def _is_own(detector: str, at: Subject) -> bool:
    """Whether a table's name of a detector (`telltale-swap`, `telltale-swap, 32 components`) means that of the card."""
    return detector.partition(", ")[0] == at.card.name


def _said(detector: str) -> str:
    """A table's name of a detector for people."""
    name, comma, what = detector.partition(", ")
    return f"{text.PLAIN_DETECTOR if name == _PLAIN else name_of(name)}{comma}{what}"


def identity(at: Subject) -> Section:
    """The claim, the probes, and the AUC elsewhere. Raises Unfit when nothing was measured."""
    claimed = claim(at)
    parts = [part for make in (_probes, _aucs) if (part := attempt(lambda make=make: make(at, claimed.says))) is not None]  # type: ignore[misc]
    need(parts, at.table(_PROBE))
    tables = [table for title in (f"{_PROBE}, differences", _CROSS_DIFFERENCES) if (table := attempt(lambda title=title: at.table(title)))]  # type: ignore[misc]
    more = [sentence for part in parts for sentence in (part.says, *part.more) if sentence]
    return Section(
        claimed.says, Markup().join(part.figure for part in parts), [*(table for part in parts for table in part.tables), *tables], more
    )


def _probes(at: Subject, label: str) -> Section:
    table = at.table(_PROBE)
    found = known(table, ("detector",), "accuracy")
    lines: list[tuple[str, Row | None, Estimate | None]] = []
    for is_reduced in (False, True):
        own = [pair for pair in found if (_REDUCED in pair[0].text("features")) == is_reduced]
        lines += [(text.REDUCED, None, None)] if is_reduced and own else []
        lines += [(f"{_said(row.text('detector'))} ({row.text('features')})".removesuffix(" ()"), row, one) for row, one in own]
    words = [told(name, one, row.count("pictures")) if row and one else "" for name, row, one in lines]
    series = [Dots(text.PROBE_OF, "accent", [one for *_rest, one in lines], words)]
    for column, name in (("chance", text.CHANCE), ("commonest", text.COMMONEST)):
        marks = [row and row.number(column) for _name, row, _one in lines]
        said = [f"{limits_text.POINT.format(what=name, figure=measured_share(mark))}" if mark is not None else "" for mark in marks]
        series.append(Dots(name, column, [None if mark is None else Estimate(mark) for mark in marks], said))
    # The first features of a detector are the ones that detectors are compared by.
    first = {row.text("detector"): (row, one) for row, one in reversed(found)}
    own, says = first.get(at.card.name), ""
    if own is not None:
        chance = own[0].number("chance")
        says = _(
            "A probe names the right one of {persons} persons in {own}; from the plain detector’s features {plain}; by chance {chance}."
        )
        values = {"own": own[1], "plain": first.get(_PLAIN, (None, None))[1], "chance": None if chance is None else Estimate(chance)}
        says = says.format(persons=own[0].count("persons"), **{name: share_words(one) for name, one in values.items()})
    axis = axis_over([one for some in series for one in some.values if one is not None])
    groups = [at for at, (_name, row, _one) in enumerate(lines) if row is None]
    return Section(says, dots([name for name, *_rest in lines], groups, series, axis, says or label, text.PROBE_TITLE), (table,))


def _aucs(at: Subject, label: str) -> Section:
    table = at.table(_CROSS)
    detectors = [column for column in table.columns if column not in ("cases", "faces", "low", "high")]
    rows = need([row for row in Rows(table, ("cases",)) if any(row.estimate(name) for name in detectors)], table)
    names = [_cases(row, at) for row in rows]
    series = []
    # This detector is drawn last, above the others.
    for detector in sorted(detectors, key=lambda name: _is_own(name, at)):
        values = [row.estimate(detector) for row in rows]
        look = "accent" if _is_own(detector, at) else "second" if detector.partition(", ")[0] == _PLAIN else "other"
        words = [told(_said(detector), one, row.count("faces"), figure_words) if one else "" for row, one in zip(rows, values, strict=True)]
        series.append(Dots(_said(detector), look, values, words))
    axis = axis_around([one for some in series for one in some.values if one is not None])
    return Section("", dots(names, [], series, axis, label, text.AUC_TITLE, _("AUC")), (table,))


def _cases(row: Row, at: Subject) -> str:
    """`landmark_swap, other collections` as `Landmark face swap, other collections`."""
    method, comma, place = row.text("cases").partition(", ")
    return f"{at.method(method)}{comma}{of_data(place)}" if at.method(method) != method else f"{of_data(row.text('cases'))}"


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
    return need(found, table)


def _one(rows: Sequence[Located], cases: str, *ways: str) -> Located | None:
    """The first of the ways that was measured on those cases."""
    return next((row for by in ways for row in rows if (row.cases, row.by) == (cases, by)), None)


def localisation(at: Subject, others: Sequence[Card] = ()) -> Section:
    """Boxes and heatmaps of the detector and of `others`, against the centre of the crop and the best constant box. Raises Unfit."""
    own = located(at.card)
    beside = [(one, attempt(lambda one=one: located(one))) for one in others]  # type: ignore[misc]
    measured = [(at.card, own), *((one, rows) for one, rows in beside if rows)]
    cases = list(dict.fromkeys(row.cases for _card, rows in measured for row in rows))
    lines: list[tuple[str, Located | None, bool]] = []
    says = []
    for case in cases:
        title = text.CASES.get(case, of_data(case))
        lines.append((title, None, False))
        ways = [(by, one, _one(rows, case, by)) for by in (_BOXES, _HEATMAP) for one, rows in measured]
        lines += [(f"{text.POINTERS[by]}, {name_of(one.name)}", row, False) for by, one, row in ways if row is not None]
        # Guesses are the same for every detector: the first that was written down stands for all. Those without a name come last.
        guesses = {
            row.by: row for _card, rows in reversed(measured) for row in rows if row.cases == case and row.by not in (_BOXES, _HEATMAP)
        }
        named = sorted(guesses, key=lambda by: [*text.POINTERS, by].index(by))
        lines += [(text.POINTERS.get(by, of_data(by)), guesses[by], True) for by in named]
        if (pointed := _one(own, case, _BOXES, _HEATMAP)) is not None:
            says.append(_pointing_says(title, pointed, _one(own, case, _CENTRE)))
    need(says, at.table("Localisation"))
    series = []
    for name, look, is_guess in ((text.POINTED, "accent", False), (text.GUESSED, "guess", True)):
        values = [row.hits if row is not None and guess == is_guess else None for _name, row, guess in lines]
        series.append(Dots(name, look, values, [_told(name, row) if row is not None else "" for name, row, _guess in lines]))
    without = [name_of(one.name) for one, rows in beside if not rows]
    more = [*says[1:], *([text.NOT_LOCATED.format(names=listed(without))] if without else [])]
    groups = [at for at, (_name, row, _guess) in enumerate(lines) if row is None]
    return Section(
        says[0], dots([name for name, *_rest in lines], groups, series, Axis(), says[0], of=text.HITS_OF), (at.table("Localisation"),), more
    )


def _told(name: str, row: Located) -> str:
    if row.overlap is None:
        return told(name, row.hits, row.faces)
    return text.OVERLAP.format(what=name, figure=share_words(row.hits), overlap=figure_words(row.overlap), n=row.faces)


def _pointing_says(case: str, own: Located, centre: Located | None) -> str:
    """What the detector points with on those cases, held against guessing the centre."""
    says = _("{case}: its {pointer} hits in {hits} (n = {n}); guessing was not measured.")
    if centre is not None:
        says = _("{case}: its {pointer} hits in {hits} (n = {n}), guessing the centre in {guess}: no difference is shown.")
        if apart(own.hits, centre.hits) and own.hits.value > centre.hits.value:
            says = _("{case}: its {pointer} hits in {hits} (n = {n}), more often than guessing the centre, {guess}.")
        elif apart(own.hits, centre.hits):
            says = _("{case}: its {pointer} hits in {hits} (n = {n}), less often than guessing the centre, {guess}.")
    pointer = _("box") if own.by == _BOXES else _("heatmap")
    return says.format(
        case=case, pointer=pointer, hits=share_words(own.hits), n=own.faces, guess=share_words(centre.hits if centre else None)
    )


def boxes(at: Subject) -> Section:
    """How many faces get a box from each confidence on, untouched ones and partial swaps, and how often it then hits. Raises Unfit."""
    table = at.table("Boxes by confidence")
    rows = [row for row in Rows(table, (_FROM, _FALSE, _FOUND)) if row.number(_FROM) is not None]
    shown = at.card.artifacts.min_confidence if at.card.artifacts is not None else 0.0
    # The nearest of the confidences that were measured: the one that ships may lie between two of them.
    row = min(need(rows, table), key=lambda row: abs((row.number(_FROM) or 0.0) - shown))
    false, found, hits = (row.estimate(column) for column in (_FALSE, _FOUND, "hits of these"))
    need(false and found, table)
    says = _("From a confidence of {confidence} on, {found} of partial swaps get a box, and {false} of untouched faces.")
    says = says.format(confidence=decimal(row.number(_FROM) or 0.0, 2), found=share_words(found), false=share_words(false))
    more = [_("Boxes are shown from {confidence} on.").format(confidence=decimal(shown, 2))] if at.card.artifacts is not None else []
    more += [_("They hit the true area in {hits}.").format(hits=share_words(hits))] if hits is not None else []
    drawn = []
    for name, look, column in ((text.FOUND, "accent", _FOUND), (text.FALSE, "second", _FALSE)):
        of = [(row.number(_FROM) or 0.0, one) for row in rows if (one := row.estimate(column)) is not None]
        words = [limits_text.POINT.format(what=name, figure=share_words(one)) for _confidence, one in of]
        drawn.append(Curve(name, look, [confidence for confidence, _one in of], [one for _confidence, one in of], words))
    chart = curves(
        drawn, Axis(shares=False), Axis(), says, under=_("confidence from which on boxes are shown"), beside=_("faces with a box")
    )
    return Section(says, chart, (table,), more)
