"""The page of measured limits: a pure function from cards and a study to HTML, with the sections that every detector has."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from markupsafe import Markup

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import NO_FACES, Estimate, Row, Rows, Tally, difference, share_inline, share_words, wilson
from attribution.evidence import FAMILIES
from attribution.measured import figures, research, section, swaps
from attribution.measured.figures import Axis, Bin, Dot, DotLine, HeatCell, Line, Point, axis_over, dot_chart, draw, key, plots, stack
from attribution.measured.section import Answer, Plan, Section, Subject, attempt, capital, faces, known, need, place_of, range_words
from attribution.measured.study import Study
from attribution.render.html import macros
from attribution.text import limits as text
from attribution.text import swap_limits as swap_text
from attribution.text.numbers import listed, measured_share
from attribution.text.opinions import name_of

_VERDICT = ("family", "source", "faces", "manipulated", "none found", "wrong of definite")
_LEFT_OUT = ("left out", "kind", "faces", "manipulated", "none found", "inconclusive", "wrong of definite")
_OPEN_UP_TO = 20
_KINDS = (("accused", "manipulated"), ("cleared", "none found"), ("open", "inconclusive"))
_KEY = key(("tt-accused", "Manipulated"), ("tt-cleared", "No manipulation found"), ("tt-open", "Inconclusive"))
_FEWEST_IN_BIN = 20
# Groups of fewer faces are drawn, but not compared in words: their intervals say nothing.
FEWEST_FACES = 30
_ERRORS = (("accused", "untouched", "accused"), ("cleared", "manipulated", "passed"))


def answers(at: Subject) -> list[Answer]:
    """The four questions that every reader has. Not measured is an answer, too."""
    cross, test = _totals(at, "Verdicts on cross"), _totals(at, "Verdicts on test")
    totals, place = (cross, text.SPLITS["cross"]) if cross else (test, text.SPLITS["test"])
    silent = [(one.share(one.inconclusive), name) for one, name in zip(totals, ("untouched", "manipulated"), strict=False)]
    known = [(one, name) for one, name in silent if one is not None]
    sentences = [f"{share_words(one)} of {name} faces stay inconclusive." for one, name in known]
    figure = " / ".join(measured_share(one.value) for one, _ in known)
    return [
        _wrongly(text.ACCUSED, cross, test, 0, "manipulated", "untouched"),
        _wrongly(text.CLEARED, cross, test, 1, "none_found", "manipulated"),
        Answer(text.ABSTAINS, figure, (*sentences, f"Measured on: {place}.")) if known else Answer(text.ABSTAINS),
        _never_seen(at),
    ]


def by_source(at: Subject, split: str) -> Section:
    """Every source of a split: its answers as a bar, and how many of the definite ones are wrong. Raises Unfit."""
    table = at.table(f"Verdicts on {split}")
    rows = need([row for row in Rows(table, _VERDICT) if row.text("family")], table, "has no source")
    drawn, pooled = Markup(), []
    axis = axis_over([one for row in rows if (one := Tally.of(row).wrong_of_definite()) is not None])
    for family in FAMILIES:
        own = [(at.source(row.text("source")), Tally.of(row)) for row in rows if row.text("family") == family]
        if own:
            pooled.append((at.family(family), sum((tally for _, tally in own), NO_FACES)))
            count = "1 source" if len(own) == 1 else f"{len(own)} sources"
            drawn += draw.folding(f"{at.family(family)}, source by source ({count})", _bars(own, axis), len(rows) <= _OPEN_UP_TO)
    says = _totals_words(*_totals(at, table.title))
    kinds = (("Untouched faces were accused most often in", "manipulated"), ("Manipulated faces were passed most often in", "none_found"))
    for untouched, (words, answer) in zip((True, False), kinds, strict=True):
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
    """Lines of stacked answers with the share wrong of the definite ones, measured or computed. Charts to be compared share an axis."""
    computed = [tally.wrong_of_definite() for _, tally in tallies]
    shares = [one if one is None or one.low is not None else own for one, own in zip(wrong or computed, computed, strict=True)]
    axis = axis or axis_over([one for one in shares if one is not None])
    lines = []
    for (name, tally), share in zip(tallies, shares, strict=True):
        counts = (tally.manipulated, tally.none_found, tally.inconclusive)
        parts = [(*kind, count / max(tally.faces, 1)) for kind, count in zip(_KINDS, counts, strict=True)]
        said = share_words(share) if share is not None else "no definite answer"
        lines.append(Line(name, (draw.counted(f"{tally.faces:,}", "faces"), stack(parts), plots(axis, share), draw.words(said, "wrong"))))
    return draw.chart(("faces", "answers", "wrong of the definite answers", ""), lines, (None, None, axis, None))


def _totals(at: Subject, title: str) -> tuple[Tally, ...]:
    """The untouched and the manipulated faces of a table of verdicts, all sources together; nothing when there is no such table."""
    rows = attempt(lambda: [(row.text("family"), Tally.of(row)) for row in Rows(at.table(title), _VERDICT) if row.text("family")])
    own = [tuple(one for family, one in rows or () if (family == "real") == wanted) for wanted in (True, False)]
    return tuple(sum(some, NO_FACES) for some in own) if rows is not None else ()


def _totals_words(untouched: Tally = NO_FACES, manipulated: Tally = NO_FACES) -> str:
    both = ((untouched, "untouched", "accused", untouched.manipulated), (manipulated, "manipulated", "passed", manipulated.none_found))
    said = "of {} that are {} it {} {}".format
    parts = [said(faces(one.faces), name, did, share_words(one.share(count))) for one, name, did, count in both if one.faces]
    return f"{capital('; '.join(parts))}. " if parts else ""


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
    sentences = (f"{range_words(first)}, {place}.", *(f"{share_words(one)} {at}." for one, at in rest))
    return Answer(question, measured_share(first.value), sentences)


def _never_seen(at: Subject) -> Answer:
    """Pooled over methods left out of training; of a detector of generators, over the generators that it does not know."""
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
    return Answer(text.UNSEEN, f"{measured_share(passed.value)} passed", sentences)


def _unseen(at: Subject) -> MeasuredTable:
    """The study's verdicts on what training never saw, or else the card's. Raises Unfit."""
    own = attempt(lambda: at.table("Verdicts on what training never saw"))
    return own if own is not None and "leave_out" not in at.study.tables else at.of_study("leave_out")


def methods(at: Subject, split: str = "test") -> Section:
    """The confusion matrix of methods. Raises Unfit."""
    table = at.table(f"Methods, {split}")
    labels = [column for column in table.columns if column not in ("true method", "faces")]
    drawn, right = [], []

    def cell(row: Row, label: str) -> HeatCell:
        if (share := row.number(label)) is None:
            return HeatCell(None)
        true, count = row.text("true method"), row.count("faces")
        said = f"{share_words(wilson(round(share * count), count))} of {faces(count)}"
        return HeatCell(share, f"{at.method(true)}, answered {at.method(label)}: {said}", label == true)

    for row in Rows(table, ("true method", "faces")):
        true, count = row.text("true method"), row.count("faces")
        drawn.append((f"{at.method(true)} ({count:,})", [cell(row, label) for label in labels]))
        if true in labels and (hit := wilson(round((row.number(true) or 0.0) * count), count)) is not None:
            right.append((hit, true, row))
    need(right, table, "has no method that is also an answer")
    weakest, name, row = min(right, key=lambda one: one[0].value)
    mistaken = max((label for label in labels if label != name), key=lambda label: row.number(label) or 0.0, default=name)
    says = (
        f"{len([one for one, *_ in right if one.value >= 0.9])} of {len(right)} are named rightly in at least 90 % of their faces. "
        f"Weakest is {at.method(name)}: {share_words(weakest)} named rightly, "
        f"{measured_share(row.number(mistaken) or 0.0)} taken for {at.method(mistaken)}."
    )
    columns = [at.method(label) for label in labels]
    figure = figures.heat("what it is (faces)", columns, drawn, 0.0, ("never", "always"), "the right answer")
    return Section(says, figure, (table,))


def calibration(at: Subject) -> Section:
    """Reliability before and after, and the calibration error of each source. Raises Unfit."""
    table = at.table("Reliability, test")
    rows = known(table, ("calibration", "faces", "confidence"), "right")
    drawn, errors = [], {}
    for state in ("before", "after"):
        bins = [Bin(row.count("faces"), row.number("confidence") or 0.0, right) for row, right in rows if row.text("calibration") == state]
        if bins:
            total = max(1, sum(one.faces for one in bins))
            errors[state] = sum(one.faces * abs(one.confidence - one.right.value) for one in bins) / total
            title = f"{state.capitalize()} calibration"
            label = f"{title}: the mean gap between confidence and share right is {measured_share(errors[state])} over {len(bins)} bins."
            drawn.append(figures.reliability(title, bins, label))
    need("after" in errors, table, "has no bins after calibration")
    before = f" (before calibration {measured_share(errors['before'])})" if "before" in errors else ""
    says = f"Over all answers, confidence and share right lie {measured_share(errors['after'])} apart on average{before}. "
    large = [pair for pair in rows if pair[0].text("calibration") == "after" and pair[0].count("faces") >= _FEWEST_IN_BIN]
    if large:
        row, right = max(large, key=lambda pair: abs((pair[0].number("confidence") or 0.0) - pair[1].value))
        said = row.number("confidence") or 0.0
        inside = right.low is not None and right.high is not None and right.low <= said <= right.high
        more = "no more than chance would give" if inside else "more sure than right" if said > right.value else "more right than sure"
        says += f"The largest gap of a bin with at least {_FEWEST_IN_BIN} faces: said {measured_share(said)}, right {share_words(right)} "
        says += f"of {faces(row.count('faces'))}, {more}."
    sources = attempt(lambda: _error_by_source(at))
    figure = draw.box("tt-plots", drawn) + (sources[0] if sources else Markup())
    return Section(says, figure, (table, *(sources[1:] if sources else ())))


def _error_by_source(at: Subject) -> tuple[Markup, MeasuredTable]:
    table = at.table("Calibration by source, test")
    rows = sorted(known(table, ("family", "source", "faces", "ECE before"), "ECE after"), key=lambda pair: -pair[1].value)
    lines, every = [], []
    for row, one in rows:
        before, after = row.number("ECE before"), Estimate(one.value)
        name = f"{at.family(row.text('family'))}: {at.source(row.text('source'))} ({row.count('faces'):,})"
        dots = [*([Dot(Estimate(before), hollow=True)] if before is not None else []), Dot(after)]
        said = " → ".join(measured_share(value) for value in (before, after.value) if value is not None)
        lines.append(DotLine(name, dots, said))
        every += [dot.estimate for dot in dots]
    legend = key(("tt-dot tt-accent tt-hollow", "before calibration"), ("tt-dot tt-accent", "after calibration"))
    chart = dot_chart("mean gap (expected calibration error)", lines, axis_over(every), "gap")
    return draw.folding(f"Calibration error, source by source ({len(rows)})", legend + chart), table


def coverage(at: Subject) -> Section:
    """Balanced accuracy against coverage, with the point of the threshold that was tuned. Raises Unfit."""
    table, tables = at.table("Risk and coverage, test"), []
    rows = known(table, ("coverage",), "balanced accuracy")
    points = [Point(share, one) for row, one in rows if (share := row.number("coverage")) is not None]
    need(len(points) > 1, table, "has fewer than two points")
    full = max(points, key=lambda point: point.coverage)
    says = f"When it answers for {measured_share(full.coverage)} of the faces, balanced accuracy is {share_words(full.figure)}. "
    marked, words = None, ""
    if (tuned := attempt(lambda: _of_test(at, "Abstention", "coverage", "balanced accuracy"))) is None:
        says += "A threshold chosen beforehand was not measured."
    else:
        tables.append(tuned[0])
        for row in tuned[1][:1]:
            share, figure = row.number("coverage"), row.estimate("balanced accuracy")
            if share is not None and figure is not None:
                marked, words = Point(share, figure), f"{measured_share(figure.value)} at {measured_share(share)} answered"
                says += f"With the threshold chosen on {place_of(row.text('tuned on')) or 'other faces'}, it answers for "
                says += f"{measured_share(share)} and reaches {share_words(figure)}."
    by_family = attempt(lambda: _of_test(at, "Abstention by family", "family", "faces", "coverage", "right"))
    if by_family is not None:
        tables.append(by_family[0])
        for row in sorted(by_family[1], key=lambda row: row.number("coverage") or 0.0)[:1]:
            right = row.estimate("right")
            says += f" Least answered is {at.family(row.text('family')).lower()}: {measured_share(row.number('coverage') or 0.0)} of its "
            says += f"faces, {share_words(right)} of these rightly." if right is not None else "faces."
    label = f"{says} The curve holds {len(points)} points."
    return Section(says, draw.box("tt-plots", [figures.coverage_curve(points, marked, words, label)]), (table, *tables))


def _of_test(at: Subject, title: str, *needs: str) -> tuple[MeasuredTable, list[Row]]:
    """A table and its rows on the test faces. Raises Unfit."""
    table = at.table(title)
    return table, [row for row in Rows(table, ("split", *needs)) if row.text("split") == "test"]


def errors_by(at: Subject, what: str) -> Section:
    """Errors by `lightness` or by `size` of the face. Raises Unfit."""
    table = at.table(f"Errors by {what} of the face")
    rows = list(Rows(table, ("split", "group", "untouched", "accused", "manipulated", "cleared", "inconclusive")))
    axis = axis_over([one for row in rows for kind, *_ in _ERRORS if (one := row.estimate(kind)) is not None])
    drawn, says = Markup(), ""
    for split in dict.fromkeys(row.text("split") for row in rows):
        lines = []
        for row in (row for row in rows if row.text("split") == split):
            cells = []
            for kind, count, done in _ERRORS:
                one = row.estimate(kind)
                said = f"{share_words(one)} of {row.count(count):,}" if one else "no faces"
                cells += [plots(axis, one, kind=kind), draw.words(said, done)]
            silent = row.number("inconclusive")
            cells.append(draw.counted("–" if silent is None else measured_share(silent), "inconclusive", True))
            lines.append(Line(row.text("group"), cells))
        columns = ("untouched, accused", "", "manipulated, passed", "", "inconclusive")
        drawn += draw.titled(capital(place_of(split)), draw.chart(columns, lines, (axis, None, axis, None, None)))
    for kind, kept, done in _ERRORS:
        found = _gaps([row for row in rows if row.count(kept) >= FEWEST_FACES], kind)
        says += f"{kept.capitalize()} faces {done}: {found}. " if found else ""
    within = attempt(lambda: _within(at.table(f"Errors by {what}, within sources")))
    if within is None:
        return Section(says.strip(), drawn, (table,))
    return Section(says + within.says, drawn + within.figure, (table, *within.tables))


def _within(table: MeasuredTable) -> Section:
    """Darker less lighter half of each source, which takes differences between sources out."""
    rows = [
        (f"{text.KEYS.get(row.text('figure'), row.text('figure'))}, {place_of(row.text('split'))}", one)
        for row, one in known(table, ("split", "figure"), "difference")
    ]
    shown = [f"{name} ({share_inline(one)})" for name, one in rows if not one.includes_zero]
    none = "Within one source no difference between darker and lighter faces was shown."
    says = f"Within one source darker and lighter faces differ in {listed(shown)}." if shown else none
    chart = figures.compared_chart("difference", rows, True)
    return Section(says, draw.titled("Within one source: its darker half less its lighter half", chart), (table,))


def _gaps(rows: Sequence[Row], kind: str) -> str:
    """Between which groups of each split the error differs, and where the interval of the largest difference includes zero."""
    shown, not_shown = [], []
    for split in dict.fromkeys(row.text("split") for row in rows):
        own = [row for row in rows if row.text("split") == split]
        ranked = sorted(((one, row.text("group")) for row in own if (one := row.estimate(kind)) is not None), key=lambda one: one[0].value)
        if len(ranked) < 2:
            continue
        (low, at_low), (high, at_high) = ranked[0], max(ranked, key=lambda one: one[0].value)
        gap, place = difference(high, low), place_of(split)
        if gap is None:
            ends = f"{measured_share(low.value)} (“{at_low}”) to {measured_share(high.value)} (“{at_high}”)"
            shown.append(f"on {place} {ends}, without an interval")
        elif gap.includes_zero:
            not_shown.append(f"on {place} (the largest is {share_inline(gap)}, which includes zero)")
        else:
            shown.append(f"on {place} more often in the group “{at_high}” than in “{at_low}” (by {share_inline(gap)})")
    if not_shown:
        shown.append(f"no difference between the groups was shown {' or '.join(not_shown)}")
    return "; ".join(shown)


def shortcuts(at: Subject) -> Section:
    """What a probe guesses from one cue alone. Raises Unfit."""
    table = at.table("Shortcuts")
    rows = known(table, ("cue", "chance"), "balanced accuracy")
    found = [(row.text("cue"), one, chance) for row, one in rows if (chance := row.number("chance")) is not None]
    axis = axis_over([one for _, one, _ in need(found, table, "has no measured cue")], max(chance for *_, chance in found))
    said = {cue: f"{share_words(one)}, chance {measured_share(chance)}" for cue, one, chance in found}
    lines = [DotLine(cue, [Dot(one)], said[cue], replace(axis, mark=chance)) for cue, one, chance in found]
    beyond = [(cue, one, chance) for cue, one, chance in found if (one.low if one.low is not None else one.value) > chance]
    says = "No probe was shown to beat chance: every interval reaches it."
    if beyond:
        cue, *_ = max(beyond, key=lambda probe: probe[1].value - probe[2])
        says = f"{len(beyond)} of {len(found)} probes beat chance; the furthest is {cue}: {said[cue]}. "
        rest = [name for name, *_ in found if name not in {name for name, *_ in beyond}]
        says += f"Not shown to beat chance: {listed(rest)}." if rest else "None is left at chance."
    return Section(says, dot_chart("balanced accuracy", lines, replace(axis, mark=None)), (table,))


_WORDS = section.Wording(
    {**text.GROUPS, **text.GENERATOR_GROUPS, **swap_text.GROUPS},
    {**text.TITLES, **text.GENERATOR_TITLES, **swap_text.TITLES},
    {**text.READING, **text.GENERATOR_READING, **swap_text.READING},
)
_HTML = macros("sections.html")
_OF_THE_STUDY = ("unseen", "questions")
# The study is about the chosen detector's training.
_NO_STUDY = Study(reason="No study was made with this detector.")

_SOURCES = {f"sources-{split}": partial(by_source, split=split) for split in ("cross", "test")}
_TRUST = {"calibration": calibration, "coverage": coverage}
_LOCALISED = {**_TRUST, "localisation": swaps.localisation}
PLANS: dict[str, Plan] = {
    "any": {
        "sources": {**_SOURCES, "methods": methods},
        "unseen": {"leave-out": leave_out, "matrix": research.matrix, "open-set": research.open_set},
        "questions": {
            "rq1": partial(research.comparison, which="rq1"),
            "rq2": research.recall,
            "rq3": partial(research.comparison, which="rq3"),
            "backbones": research.backbones,
        },
        "trust": _LOCALISED,
        "whom": {**{what: partial(errors_by, what=what) for what in ("lightness", "size")}, "shortcuts": shortcuts},
        "tried": {"tried": research.tried},
    },
    "generated": {
        "sources": {**_SOURCES, "methods-cross": partial(methods, split="cross"), "methods": methods},
        "compared": {"side-by-side": research.side_by_side, "robustness": research.robustness},
        "scope": {
            "verdicts-unknown": partial(by_source, split="unknown generators, test"),
            "unknown": research.unknown,
            "verdicts-swaps": partial(by_source, split="face swaps, test"),
        },
        "patches": {"islands": research.islands, "spread": research.spread},
        "trust": _LOCALISED,
        "tried": {"ablation": research.ablation},
    },
    "face_swap": {
        "better": {"told-apart": swaps.told_apart, "identity": swaps.identity},
        "where": {"localisation": lambda at: swaps.localisation(at, at.beside), "boxes": swaps.boxes},
        "second": {f"second-{split}": partial(swaps.second_opinion, split=split) for split in ("test", "cross")},
        "sources": _SOURCES,
        "trust": _TRUST,
    },
}
"""The sections of a chapter by the scope of its detector."""


def limits_page(card: Card, study: Study, others: Sequence[Card] = ()) -> str:
    """The whole page below its header: a chapter for the chosen detector and one for each of the `others` beside it."""
    every, chapters = (card, *others), []
    for place, one in enumerate(every):
        at = Subject(one, study if place == 0 and one.scope == "any" else _NO_STUDY, (*every[:place], *every[place + 1 :]))
        prefix = f"tt-m{place + 1}" if place else "tt-m"
        chapters.append((prefix, text.CHAPTER[one.scope].format(name=name_of(one.name)), _chapter(at, prefix)))
    return f"{section.style('limits.css')}{_HTML.chapters(chapters) if others else chapters[0][2]}"


def _chapter(at: Subject, prefix: str) -> Markup:
    found = answers(at)
    if at.card.scope == "face_swap":
        # What it never saw is among the sources of its card; instead a reader wants to know what it was made for.
        found = [*(one for one in found if one.question != text.UNSEEN), *swaps.answers(at)]
    return section.drawn_page(
        at, PLANS[at.card.scope], _WORDS, at.study, lambda table: figures.exact(table, at.say), ("answers", text.ANSWERS_TITLE),
        _HTML.answers(at.card, found, prefix), at.card.measured, _OF_THE_STUDY, prefix,
    )  # fmt: skip
