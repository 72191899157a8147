"""The page of measured limits: a pure function from cards and a study to HTML, with the sections that every detector has."""

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import NO_FACES, Estimate, Row, Rows, Tally, difference, interval, share_words, wilson
from attribution.evidence import FAMILIES
from attribution.measured import research, section, swaps
from attribution.measured.figures import numbers, of_data
from attribution.measured.section import Answer, Plan, Section, Subject, attempt, known, need, place_of, told
from attribution.measured.study import Study
from attribution.messages import gettext as _
from attribution.render.charts import Axis, Bar, Curve, Dots, Heat, axis_over, curves, dots, heat, stacked
from attribution.render.html import macros
from attribution.text import limits as text
from attribution.text import measuring as measuring_text
from attribution.text.numbers import measured_share
from attribution.text.opinions import name_of

_VERDICT = ("family", "source", "faces", "manipulated", "none found", "wrong of definite")
_LEFT_OUT = ("left out", "kind", "faces", "manipulated", "none found", "inconclusive", "wrong of definite")
_ANSWERS = (("found", text.MANIPULATED), ("cleared", text.NONE_FOUND), ("open", text.INCONCLUSIVE))
_FEWEST_IN_BIN = 20
# Groups of fewer faces are drawn, but not compared in words: their intervals say nothing.
FEWEST_FACES = 30
_ERRORS = (("accused", "untouched", "found"), ("cleared", "manipulated", "cleared"))


def answers(at: Subject) -> list[Answer]:
    """The four questions that every reader has. Not measured is an answer, too."""
    cross, test = _totals(at, "Verdicts on cross"), _totals(at, "Verdicts on test")
    totals, place = (cross, text.SPLITS["cross"]) if cross else (test, text.SPLITS["test"])
    silent = [one.share(one.inconclusive) for one in totals]
    answer = Answer(text.ABSTAINS)
    if any(silent):
        both = ["–" if one is None else measured_share(one.value) for one in silent]
        words = text.SILENT_ON.format(untouched=share_words(silent[0]), manipulated=share_words(silent[1]), place=place)
        answer = Answer(text.ABSTAINS, _("{untouched} / {manipulated}").format(untouched=both[0], manipulated=both[1]), words)
    found = ((text.ACCUSED, 0, "manipulated"), (text.CLEARED, 1, "none_found"))
    wrong = [
        _in_large(question, totals[which], getattr(totals[which], name), place) if totals else Answer(question)
        for question, which, name in found
    ]
    return [*wrong, answer, swaps.points(at) if at.card.scope == "face_swap" else _never_seen(at)]


def _in_large(question: str, total: Tally, count: int, place: str) -> Answer:
    if (share := total.share(count)) is None:
        return Answer(question)
    return Answer(question, measured_share(share.value), text.MEASURED_ON.format(interval=interval(share), n=total.faces, place=place))


def _never_seen(at: Subject) -> Answer:
    """Pooled over what was left out of training: methods, or else sources, the study's where the card tells of none; of a detector of
    generators, over the generators that it does not know."""
    unknown = _totals(at, "Verdicts on unknown generators, test")
    table = attempt(lambda: _unseen(at))
    rows = (attempt(lambda: list(Rows(table, _LEFT_OUT))) or []) if table else []
    kind = next((one for one in ("method", "source") if any(row.text("kind") == one for row in rows)), "method")
    left_out = attempt(lambda: [Tally.of(row) for row in rows if row.text("kind") == kind])
    place = text.LEFT_OUT[kind] if table in at.card.measured else text.FIRST_LEFT_OUT
    total = unknown[1] if unknown else sum(left_out or (), NO_FACES)
    question = text.UNSEEN if unknown or kind == "method" else text.UNSEEN_SOURCES
    if not total.faces:
        return Answer(question, sentence=at.study.reason or text.NOT_MEASURED_WHY)
    return _in_large(question, total, total.none_found, text.UNKNOWN_GENERATORS if unknown else place)


def by_source_of_all(at: Subject) -> Markup:
    """The first chart: the sources that training never saw one by one, the known ones by family. Empty where nothing was measured."""
    bars: list[Bar] = []
    for split, words in (("cross", text.NEVER_SEEN), ("unknown generators, test", text.UNKNOWN_GENERATORS), ("test", text.KNOWN)):
        own = attempt(lambda split=split: _bars(_by_family(at, split) if split == "test" else _each_source(at, split)))  # type: ignore[misc]
        bars += [Bar(words), *own] if own else []
    return stacked(bars, _ANSWERS, text.CHART_SAYS) if bars else Markup()


def _verdicts(at: Subject, split: str) -> tuple[MeasuredTable, list[Row]]:
    """The table and its rows of sources, by family. Raises Unfit."""
    table = at.table(f"Verdicts on {split}")
    rows = need([row for row in Rows(table, _VERDICT) if row.text("family")], table)
    return table, sorted(rows, key=lambda row: [*FAMILIES, row.text("family")].index(row.text("family")))


def _each_source(at: Subject, split: str) -> list[tuple[str, Tally]]:
    return [(at.source(row.text("source")), Tally.of(row)) for row in _verdicts(at, split)[1]]


def _by_family(at: Subject, split: str) -> list[tuple[str, Tally]]:
    rows = _verdicts(at, split)[1]
    families = dict.fromkeys(row.text("family") for row in rows)
    return [(at.family(one), sum((Tally.of(row) for row in rows if row.text("family") == one), NO_FACES)) for one in families]


def _bars(tallies: Sequence[tuple[str, Tally]]) -> list[Bar]:
    found = []
    for name, one in tallies:
        counts = (one.manipulated, one.none_found, one.inconclusive)
        said = {
            key: share_words(one.share(count)) for key, count in zip(("manipulated", "none_found", "inconclusive"), counts, strict=True)
        }
        if one.faces:
            found.append(Bar(name, [count / one.faces for count in counts], text.BAR.format(source=name, n=one.faces, **said)))
    return found


def by_source(at: Subject, split: str) -> Section:
    """Every source of a split: its answers as a bar. Raises Unfit."""
    table, rows = _verdicts(at, split)
    bars: list[Bar] = []
    for family in dict.fromkeys(row.text("family") for row in rows):
        own = [(at.source(row.text("source")), Tally.of(row)) for row in rows if row.text("family") == family]
        bars += [Bar(at.family(family)), *_bars(own)]
    untouched, manipulated = _totals(at, table.title)
    accused, passed = share_words(untouched.share(untouched.manipulated)), share_words(manipulated.share(manipulated.none_found))
    if not manipulated.faces:
        says = _("Of untouched faces it accuses {accused}, n = {n}.").format(accused=accused, n=untouched.faces)
    elif not untouched.faces:
        says = _("Of manipulated faces it passes {passed}, n = {n}.").format(passed=passed, n=manipulated.faces)
    else:
        says = _("It accuses {accused} of untouched faces (n = {untouched}) and passes {passed} of manipulated ones (n = {manipulated}).")
        says = says.format(accused=accused, untouched=untouched.faces, passed=passed, manipulated=manipulated.faces)
    more = []
    kinds = (
        (_("Accused most often: {source}, {share}, n = {n}."), "manipulated"),
        (_("Passed most often: {source}, {share}, n = {n}."), "none_found"),
    )
    for is_untouched, (words, answer) in zip((True, False), kinds, strict=True):
        own = [(Tally.of(row), row) for row in rows if (row.text("family") == "real") == is_untouched and row.count("faces")]
        worst, row = max(own, key=lambda pair: getattr(pair[0], answer) / pair[0].faces, default=(NO_FACES, rows[0]))
        if getattr(worst, answer):
            share = share_words(worst.share(getattr(worst, answer)))
            more.append(words.format(source=at.source(row.text("source")), share=share, n=worst.faces))
    return Section(says, stacked(bars, _ANSWERS, says), (table,), more)


def leave_out(at: Subject) -> Section:
    """What the whole verdict says of sources and methods that were left out of training. Raises Unfit."""
    table = _unseen(at)
    rows = [row for row in Rows(table, _LEFT_OUT) if row.text("kind") != "pooled"]
    bars, says = [], []
    for kind in dict.fromkeys(row.text("kind") for row in rows):
        own = [(at.say(row.text("left out")), Tally.of(row)) for row in rows if row.text("kind") == kind]
        bars += [Bar(text.LEFT_OUT.get(kind, of_data(kind))), *_bars(own)]
    forms = (
        _("Of manipulated faces, {definite} get a definite answer (n = {n}), and {wrong} of these answers are wrong."),
        _("Of untouched faces, {definite} get a definite answer (n = {n}), and {wrong} of these answers are wrong."),
    )
    for is_untouched, form in zip((False, True), forms, strict=True):
        own = [row for row in rows if row.text("kind").startswith("untouched") == is_untouched]
        total = sum((Tally.of(row) for row in own), NO_FACES)
        if total.faces:
            says.append(
                form.format(definite=share_words(total.share(total.definite)), n=total.faces, wrong=share_words(total.wrong_of_definite()))
            )
    worst = max(need(rows, table), key=lambda row: row.number("wrong of definite") or 0.0)
    more = _("Most often wrong: {what}, {share}.").format(
        what=at.say(worst.text("left out")), share=share_words(worst.estimate("wrong of definite"))
    )
    need(says, table)
    return Section(says[0], stacked(bars, _ANSWERS, says[0]), (table,), (*says[1:], more))


def _totals(at: Subject, title: str) -> tuple[Tally, ...]:
    """The untouched and the manipulated faces of a table of verdicts, all sources together; nothing when there is no such table."""
    rows = attempt(lambda: [(row.text("family"), Tally.of(row)) for row in Rows(at.table(title), _VERDICT) if row.text("family")])
    own = [tuple(one for family, one in rows or () if (family == "real") == wanted) for wanted in (True, False)]
    return tuple(sum(some, NO_FACES) for some in own) if rows is not None else ()


def _unseen(at: Subject) -> MeasuredTable:
    """The card's verdicts on what training never saw, or else the study's. Raises Unfit."""
    own = attempt(lambda: at.table("Verdicts on what training never saw"))
    return own if own is not None else at.of_study("leave_out")


def methods(at: Subject, split: str = "test") -> Section:
    """The confusion matrix of methods. Raises Unfit."""
    table = at.table(f"Methods, {split}")
    labels = [column for column in table.columns if column not in ("true method", "faces")]
    drawn, right = [], []
    answered = _("{method}, answered {answer}: {share}, n = {n}")

    def cell(row: Row, label: str) -> Heat:
        share, true, count = row.number(label), row.text("true method"), row.count("faces")
        if share is None or not 0 <= share <= 1:
            return Heat(None)
        words = share_words(wilson(round(share * count), count))
        return Heat(share, answered.format(method=at.method(true), answer=at.method(label), share=words, n=count), label == true)

    for row in Rows(table, ("true method", "faces")):
        true, count = row.text("true method"), row.count("faces")
        drawn.append((text.COUNTED.format(name=at.method(true), n=count), [cell(row, label) for label in labels]))
        if true in labels and (hit := wilson(round((row.number(true) or 0.0) * count), count)) is not None:
            right.append((hit, true, row))
    need(right, table)
    weakest, name, row = min(right, key=lambda one: one[0].value)
    mistaken = max((label for label in labels if label != name), key=lambda label: row.number(label) or 0.0, default=name)
    says = _("Weakest is {method}: {share} of its faces are named rightly (n = {n}), {taken} are taken for “{other}”.").format(
        method=at.method(name), share=share_words(weakest), n=row.count("faces"), taken=measured_share(row.number(mistaken) or 0.0),
        other=at.method(mistaken),
    )  # fmt: skip
    good = len([one for one, *_rest in right if one.value >= 0.9])
    more = _("{good} of {count} are named rightly in at least 90 % of their faces.").format(good=good, count=len(right))
    return Section(says, heat([at.method(label) for label in labels], drawn, 0.0, says), (table,), (more,))


def calibration(at: Subject) -> Section:
    """Reliability before and after calibration. Raises Unfit."""
    table = at.table("Reliability, test")
    rows = known(table, ("calibration", "faces", "confidence"), "right")
    drawn, errors = [], {}
    told_of = _("Said {said}, right {right}, n = {n}")
    looks = {"before": ("second", _("before calibration")), "after": ("accent", _("after calibration"))}
    most = max(1, *(row.count("faces") for row, _right in rows))
    for state, (look, name) in looks.items():
        bins = [(row, row.number("confidence") or 0.0, right) for row, right in rows if row.text("calibration") == state]
        if bins:
            total = max(1, sum(row.count("faces") for row, *_rest in bins))
            errors[state] = sum(row.count("faces") * abs(said - right.value) for row, said, right in bins) / total
            words = [told_of.format(said=measured_share(said), right=share_words(right), n=row.count("faces")) for row, said, right in bins]
            sizes = [max(7.0, 20.0 * (row.count("faces") / most) ** 0.5) for row, *_rest in bins]
            drawn.append(
                Curve(name, look, [said for _row, said, _right in bins], [right for *_rest, right in bins], words, False, sizes=sizes)
            )
    need("after" in errors, table)
    gap, more = measured_share(errors["after"]), []
    if "before" in errors:
        more.append(_("Before calibration it was {gap}.").format(gap=measured_share(errors["before"])))
    says = _("What it says and what is right differ by {gap} on average; in no bin there are enough faces for more.").format(gap=gap)
    large = [pair for pair in rows if pair[0].text("calibration") == "after" and pair[0].count("faces") >= _FEWEST_IN_BIN]
    if large:
        row, right = max(large, key=lambda pair: abs((pair[0].number("confidence") or 0.0) - pair[1].value))
        said = row.number("confidence") or 0.0
        says = _("What it says and what is right differ by {gap} on average; most where it says {said} and {right} is right (n = {n}).")
        says = says.format(gap=gap, said=measured_share(said), right=share_words(right), n=row.count("faces"))
        inside = right.low is not None and right.high is not None and right.low <= said <= right.high
        surer = _("There it is surer than it is right.") if said > right.value else _("There it is more often right than it says.")
        more.insert(0, _("That is no more than chance would give.") if inside else surer)
    chart = curves(drawn, Axis(), Axis(), says, under=_("confidence of the answer"), beside=_("share that was right"), diagonal=True)
    by_source = attempt(lambda: at.table("Calibration by source, test"))
    return Section(says, chart, (table, *((by_source,) if by_source else ())), more)


def coverage(at: Subject) -> Section:
    """Balanced accuracy against coverage, with the point of the threshold that was tuned. Raises Unfit."""
    table, tables, more = at.table("Risk and coverage, test"), [], []
    rows = [(row.number("coverage") or 0.0, one) for row, one in known(table, ("coverage",), "balanced accuracy")]
    points = sorted(((share, one) for share, one in rows if 0 < share <= 1), key=lambda pair: pair[0])
    need(len(points) > 1, table)
    told_of = _("Answering {share}: {figure} right")
    words = [told_of.format(share=measured_share(share), figure=share_words(one)) for share, one in points]
    drawn = [Curve("", "accent", [share for share, _one in points], [one for _share, one in points], words, band=True)]
    says = _("Answering all faces, it is right in {full} of them (balanced accuracy); no threshold was chosen beforehand.")
    says = says.format(full=share_words(points[-1][1]))
    if (tuned := attempt(lambda: _of_test(at, "Abstention", "coverage", "balanced accuracy"))) is not None:
        tables.append(tuned[0])
        for row in tuned[1][:1]:
            share, figure = row.number("coverage"), row.estimate("balanced accuracy")
            if share is not None and figure is not None:
                says = _("Answering {share} of the faces it is right in {figure} of them (balanced accuracy); answering all, in {full}.")
                says = says.format(share=measured_share(share), figure=share_words(figure), full=share_words(points[-1][1]))
                words = told_of.format(share=measured_share(share), figure=share_words(figure))
                drawn.append(Curve(_("the threshold chosen beforehand"), "found", [share], [figure], [words], False))
    by_family = attempt(lambda: _of_test(at, "Abstention by family", "family", "faces", "coverage", "right"))
    if by_family is not None:
        tables.append(by_family[0])
        for row in sorted(by_family[1], key=lambda row: row.number("coverage") or 0.0)[:1]:
            words = _("Least answered: {family}, {share} of its faces (n = {n}); of these answers {right} are right.")
            share, right = measured_share(row.number("coverage") or 0.0), share_words(row.estimate("right"))
            more.append(words.format(family=at.family(row.text("family")), share=share, n=row.count("faces"), right=right))
    low = min(one.low if one.low is not None else one.value for _share, one in points)
    upward = Axis(min(0.95, max(0.0, int(20 * low) / 20)), 1.0)
    across = Axis(min(0.9, int(10 * points[0][0]) / 10), 1.0)
    chart = curves(drawn, across, upward, says, under=_("share of faces that get an answer"), beside=_("balanced accuracy of the answers"))
    return Section(says, chart, (table, *tables), more)


def _of_test(at: Subject, title: str, *needs: str) -> tuple[MeasuredTable, list[Row]]:
    """A table and its rows on the test faces. Raises Unfit."""
    table = at.table(title)
    return table, [row for row in Rows(table, ("split", *needs)) if row.text("split") == "test"]


def errors_by(at: Subject, what: str) -> Section:
    """Errors by `lightness` or by `size` of the face. Raises Unfit."""
    table = at.table(f"Errors by {what} of the face")
    rows = list(Rows(table, ("split", "group", "untouched", "accused", "manipulated", "cleared", "inconclusive")))
    lines: list[tuple[str, Row | None]] = []
    for split in dict.fromkeys(row.text("split") for row in rows):
        lines += [(place_of(split), None), *((of_data(row.text("group")), row) for row in rows if row.text("split") == split)]
    series = []
    for kind, count, look in _ERRORS:
        values = [row and row.estimate(kind) for _name, row in lines]
        words = [told(name, one, row.count(count)) if row and one else "" for (name, row), one in zip(lines, values, strict=True)]
        series.append(Dots(_("untouched, accused") if kind == "accused" else _("manipulated, passed"), look, values, words))
    axis = axis_over([one for some in series for one in some.values if one is not None])
    says, more = _compared(rows)
    chart = dots([name for name, _row in lines], [at for at, (_name, row) in enumerate(lines) if row is None], series, axis, says)
    within = attempt(lambda: _within(at.table(f"Errors by {what}, within sources")))
    return Section(says, chart, (table, *(within[1:] if within else ())), (*more, *(within[0] if within else ())))


def _compared(rows: Sequence[Row]) -> tuple[str, list[str]]:
    """Between which groups of each split the errors differ, the largest difference first; or that none was shown."""
    found = []
    for kind, kept, _look in _ERRORS:
        for split in dict.fromkeys(row.text("split") for row in rows):
            own = [row for row in rows if row.text("split") == split and row.count(kept) >= FEWEST_FACES]
            ranked = sorted(
                ((one, row.text("group")) for row in own if (one := row.estimate(kind)) is not None), key=lambda pair: pair[0].value
            )
            gap = difference(ranked[-1][0], ranked[0][0]) if len(ranked) > 1 else None
            if gap is not None:
                found.append((gap, kind, {"low": of_data(ranked[0][1]), "high": of_data(ranked[-1][1]), "place": place_of(split)}))
    found.sort(key=lambda one: -one[0].value)
    forms = {
        "accused": _("Untouched faces are accused more often in “{high}” than in “{low}”, by {gap}: {place}."),
        "cleared": _("Manipulated faces pass more often in “{high}” than in “{low}”, by {gap}: {place}."),
    }
    shown = [forms[kind].format(gap=share_words(gap), **words) for gap, kind, words in found if not gap.includes_zero]
    if not found:
        return _("No two groups have enough faces with intervals to be compared."), []
    none = _("No other difference between the groups was shown.") if shown else None
    largest = share_words(found[0][0])
    whole = _("No difference between the groups was shown; the largest is {gap}, which may be chance.").format(gap=largest)
    return (shown[0], [*shown[1:], *([none] if none and len(shown) < len(found) else [])]) if shown else (whole, [])


def _within(table: MeasuredTable) -> tuple[Sequence[str], MeasuredTable]:
    """The darker less the lighter half of each source, which takes differences between sources out."""
    rows = known(table, ("split", "figure"), "difference")
    words = _("Within one source, its darker less its lighter half: {what}, {gap} ({place}).")
    shown = [(row.text("figure"), one, place_of(row.text("split"))) for row, one in rows if not one.includes_zero]
    said = [words.format(what=text.KEYS.get(what, of_data(what)), gap=share_words(one), place=place) for what, one, place in shown]
    return said or [_("Within one source no difference between darker and lighter faces was shown.")], table


def shortcuts(at: Subject) -> Section:
    """What a probe guesses from one cue alone. Raises Unfit."""
    table = at.table("Shortcuts")
    rows = known(table, ("cue", "chance"), "balanced accuracy")
    found = [
        (of_data(row.text("cue")), one, chance, row.count("faces")) for row, one in rows if (chance := row.number("chance")) is not None
    ]
    need(found, table)
    beyond = [one for one in found if (one[1].low if one[1].low is not None else one[1].value) > one[2]]
    says, more = _("No probe was shown to beat chance: every interval reaches it."), []
    if beyond:
        cue, figure, chance, _faces = max(beyond, key=lambda probe: probe[1].value - probe[2])
        says = _(
            "{beyond} of {count} probes beat chance, which a shortcut would allow; furthest “{cue}”: {figure}, chance {chance}."
        ).format(beyond=len(beyond), count=len(found), cue=cue, figure=share_words(figure), chance=measured_share(chance))
        more = [_("Not shown to beat chance: “{cue}”.").format(cue=cue) for cue, *rest in found if (cue, *rest) not in beyond]
    series = [
        Dots(
            _("balanced accuracy of the probe"),
            "accent",
            [one for _cue, one, *_rest in found],
            [told(cue, one, n) for cue, one, _chance, n in found],
        ),
        Dots(
            _("chance"),
            "chance",
            [Estimate(chance) for *_rest, chance, _n in found],
            [measured_share(chance) for *_rest, chance, _n in found],
        ),
    ]
    axis = axis_over([one for _cue, one, *_rest in found], max(chance for *_rest, chance, _n in found))
    return Section(says, dots([cue for cue, *_rest in found], [], series, Axis(axis.low, axis.high), says), (table,), more)


_WORDS = section.Wording(text.GROUPS, text.TITLES, text.READING)
_HTML = macros("sections.html")
_OF_THE_STUDY = ("unseen", "questions")
# The study is about the training of the first default detector, which the default of today has replaced.
_NO_STUDY = Study(reason=_("No study was made with this detector."))

_SOURCES = {f"sources-{split}": partial(by_source, split=split) for split in ("cross", "test")}
_TRUST = {"calibration": calibration, "coverage": coverage}
_LOCALISED = {**_TRUST, "localisation": swaps.localisation}
_CROSSED = {"cross-auc": research.cross_auc}
PLANS: dict[str, Plan] = {
    "any": {
        "sources": {**_SOURCES, **_CROSSED, "methods": methods},
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
        "sources": {**_SOURCES, **_CROSSED, "methods-cross": partial(methods, split="cross"), "methods": methods},
        "compared": {"side-by-side": research.side_by_side, "robustness": research.robustness},
        "scope": {
            "verdicts-unknown": partial(by_source, split="unknown generators, test"),
            "unknown": research.unknown,
            "verdicts-swaps": partial(by_source, split="face swaps, test"),
        },
        "patches": {"islands": research.islands},
        "trust": _LOCALISED,
        "tried": {"ablation": research.ablation},
    },
    "face_swap": {
        "better": {"told-apart": swaps.told_apart, "identity": swaps.identity},
        "where": {"localisation": lambda at: swaps.localisation(at, at.beside), "boxes": swaps.boxes},
        "second": {f"second-{split}": partial(swaps.second_opinion, split=split) for split in ("test", "cross")},
        "sources": {**_SOURCES, **_CROSSED},
        "trust": _TRUST,
    },
}
"""The sections of a chapter by the scope of its detector."""


def limits_page(card: Card, study: Study, others: Sequence[Card] = ()) -> str:
    """The whole page below its header: a tab for the chosen detector and one for each of the `others` beside it."""
    every, chapters = (card, *others), []
    for place, one in enumerate(every):
        at = Subject(one, study if place == 0 and one.scope == "any" else _NO_STUDY, (*every[:place], *every[place + 1 :]))
        prefix = f"tt-m{place + 1}" if place else "tt-m"
        chapters.append((prefix, text.CHAPTER[one.scope].format(name=name_of(one.name)), _chapter(at, prefix)))
    return f"{section.style('limits.css')}{_HTML.chapters(chapters) if others else chapters[0][2]}"


def _chapter(at: Subject, prefix: str) -> Markup:
    here = any(table.title in measuring_text.TABLES for table in at.card.measured)
    intro = measuring_text.OWN_CARD if here else text.INTRO
    head = _HTML.first(
        prefix, at.card.name, "", intro, answers(at), text.CHART_TITLE, by_source_of_all(at), text.STATED_LIMITS, at.card.limits
    )
    return section.drawn_page(
        at, PLANS[at.card.scope], _WORDS, at.study, lambda table: numbers(table, at.say), head, at.card.measured, _OF_THE_STUDY, prefix
    )
