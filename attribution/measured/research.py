"""Sections about trainings: those of the study, and those of the card of a detector of generators."""

from collections.abc import Sequence

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, difference, figure_words, mean_of, share_words, wilson
from attribution.evidence import FAMILIES
from attribution.measured.figures import draw, of_data
from attribution.measured.section import Section, Subject, apart, attempt, known, need, place_of, told
from attribution.messages import gettext as _
from attribution.render.charts import Axis, Curve, Dots, Heat, axis_around, axis_over, curves, dots, heat
from attribution.text import limits as text

_CHANCE_AUC = 0.5
_INSIDE, _OUTSIDE = "patches inside called generated", "patches outside called generated"


def matrix(at: Subject) -> Section:
    """AUC of every source under every training as a heat map, left-out cells outlined. Raises Unfit."""
    table = at.of_study("matrix")
    rows = known(table, ("trained", "family", "source", "left out"), "AUC")
    trained = list(dict.fromkeys(row.text("trained") for row, _one in rows))
    cells = {}
    for row, one in rows:
        words = told(at.source(row.text("source")), one, row.count("faces"), figure_words)
        cells[row.text("family"), row.text("source"), row.text("trained")] = Heat(one.value, words, row.holds("left out"))
    places = list(dict.fromkeys(place[:2] for place in cells))
    drawn: list[tuple[str, list[Heat]]] = []
    for family in [*FAMILIES, *sorted({family for family, _source in places} - set(FAMILIES))]:
        own = [source for kind, source in places if kind == family]
        drawn += [(at.family(family), [])] if own else []
        drawn += [(at.source(source), [cells.get((family, source, name), Heat(None)) for name in trained]) for source in own]
    seen = mean_of([one.value for row, one in rows if not row.holds("left out")])
    unseen = [(row, one) for row, one in rows if row.holds("left out")]
    says, more = _("No source was left out of a training; the mean AUC is {seen}.").format(seen=figure_words(seen)), []
    if unseen:
        says = _("Mean AUC: {seen} where training saw the source, {unseen} where it did not.")
        says = says.format(seen=figure_words(seen), unseen=figure_words(mean_of([one.value for _row, one in unseen])))
        lowest, one = min(unseen, key=lambda pair: pair[1].value)
        words = _("Lowest where it did not: {source}, trained on {trained}: {figure}.")
        more = [words.format(source=at.source(lowest.text("source")), trained=of_data(lowest.text("trained")), figure=figure_words(one))]
    return Section(says, heat([*map(of_data, trained)], drawn, _CHANCE_AUC, says), (table,), more)


def noticed(at: Subject, table: MeasuredTable, columns: Sequence[str]) -> Section:
    """How well each of the scores notices what was held out. Raises Unfit."""
    rows = [row for row in Rows(table, ("held out", "faces")) if row.text("held out") != "mean"]
    rows = [row for row in rows if any(row.number(name) is not None for name in columns)]
    means = {name: mean_of([value for row in rows if (value := row.number(name)) is not None]) for name in columns}
    mean = need({name: one for name, one in means.items() if one is not None}, table)
    best = max(mean, key=lambda name: mean[name].value)
    hardest = min(rows, key=lambda row: value if (value := row.number(best)) is not None else 2.0)
    drawn = []
    for row in rows:
        cells = []
        for score in mean:
            one = row.estimate(score)
            words = told(of_data(score), one, row.count("faces"), figure_words) if one is not None else ""
            cells.append(Heat(one and one.value, words, score == best))
        drawn.append((_held_out(row, at), cells))
    says = _("Best is {score}: a mean AUROC of {mean} over what was held out; hardest to notice is {what}, {figure}.").format(
        score=of_data(best), mean=figure_words(mean[best]), what=_held_out(hardest, at), figure=figure_words(hardest.estimate(best))
    )
    return Section(says, heat([*map(of_data, mean)], drawn, _CHANCE_AUC, says), (table,))


def _held_out(row: Row, at: Subject) -> str:
    return " ".join(f"{at.method(word)}" for word in row.text("held out").split(" "))


def open_set(at: Subject) -> Section:
    """How well each score notices a held-out method. Raises Unfit."""
    table = at.of_study("open_set")
    return noticed(at, table, [name for name in table.columns if name not in ("held out", "faces")])


def unknown(at: Subject) -> Section:
    """How well each score notices a generator that training never saw. Raises Unfit."""
    table = at.table("Unknown generators")
    return noticed(at, table, [name for name in table.columns if name not in ("held out", "faces", "low", "high")])


def comparison(at: Subject, which: str) -> Section:
    """Binary against attribution (`rq1`), or losses (`rq3`), with the paired differences where there are some. Raises Unfit."""
    table = at.of_study(which)
    rows = known(table, ("backbone", "head", "loss", "rows"), "AUC")
    differing = [name for name in ("backbone", "head", "loss") if len({row.text(name) for row, _one in rows}) > 1] or ["backbone"]
    lines: list[tuple[str, Estimate | None]] = []
    for split in dict.fromkeys(row.text("rows") for row, _one in rows):
        lines.append((place_of(split), None))
        for row, one in sorted((pair for pair in rows if pair[0].text("rows") == split), key=lambda pair: -pair[1].value):
            parts = filter(None, (text.KEYS.get(row.text(name), row.text(name)) for name in differing))
            lines.append((", ".join(f"{part}" for part in parts), one))
    paired = attempt(lambda: _differences(at, which))
    says = _("The differences were not measured in pairs.") if paired is None else paired.says
    chart = _one_by_one(lines, axis_around([one for _row, one in rows]), says, _("AUC"))
    return Section(says, chart + (paired.figure if paired else ""), (table, *(paired.tables if paired else ())))


def _one_by_one(
    lines: Sequence[tuple[str, Estimate | None]], axis: Axis, label: str, of: str, title: str = "", shares: bool = False
) -> Markup:
    """A dot a line; a line without one heads a group."""
    say = share_words if shares else figure_words
    words = [f"{text.POINT.format(what=name, figure=say(one))}" if one else "" for name, one in lines]
    groups = [at for at, (_name, one) in enumerate(lines) if one is None]
    return dots([name for name, _one in lines], groups, [Dots("", "accent", [one for _name, one in lines], words)], axis, label, title, of)


def backbones(at: Subject) -> Section:
    """Paired differences between networks. Raises Unfit."""
    return _differences(at, "backbones")


def _differences(at: Subject, which: str) -> Section:
    """The paired differences that belong to that question. Raises Unfit when there are none."""
    table = at.of_study("differences")
    every = known(table, ("compared", "rows", "figure", "low", "high"), "difference")
    compared = _("{compared}, {figure}, {place}")
    rows = [
        (compared.format(compared=of_data(row.text("compared")), figure=row.text("figure"), place=place_of(row.text("rows"))), one)
        for row, one in every if _question(row.text("compared").lower()) == which
    ]  # fmt: skip
    need(rows, table)
    shown = [pair for pair in rows if not pair[1].includes_zero]
    name, one = max(shown or rows, key=lambda pair: abs(pair[1].value))
    says = _("In none of {count} paired comparisons was a difference shown; the largest: {name}, {gap}.")
    if shown:
        says = _("{shown} of {count} paired comparisons show a difference; the largest: {name}, {gap}.")
    says = says.format(shown=len(shown), count=len(rows), name=name, gap=figure_words(one))
    chart = _one_by_one(
        rows, axis_around([one for _name, one in rows], 0.0), says, _("difference, first less second"), _("Paired differences")
    )
    return Section(says, chart, (table,))


def _question(compared: str) -> str:
    """Which section a comparison belongs to, by its words."""
    is_first = compared.startswith("binary") or "attribution" in compared
    return "rq1" if is_first else "rq3" if "cross-entropy" in compared else "backbones"


def recall(at: Subject) -> Section:
    """Recall of methods in sources that training saw and did not see (`rq2`). Raises Unfit."""
    table = at.of_study("rq2")
    rows = known(table, ("method", "source", "seen", "faces"), "recall")
    lines: list[tuple[str, Row | None, Estimate | None]] = []
    for method in dict.fromkeys(row.text("method") for row, _one in rows):
        lines.append((at.method(method), None, None))
        own = sorted((pair for pair in rows if pair[0].text("method") == method), key=lambda pair: not pair[0].holds("seen"))
        lines += [(at.source(row.text("source")), row, one) for row, one in own]
    words = [told(name, one, row.count("faces")) if row and one else "" for name, row, one in lines]
    series = [
        Dots(name, look, [one if row and row.holds("seen") == seen else None for _name, row, one in lines], words)
        for name, look, seen in ((_("training saw the source"), "accent", True), (_("it did not"), "second", False))
    ]
    first, second = (_pooled([pair for pair in rows if pair[0].holds("seen") == wanted]) for wanted in (True, False))
    gap = difference(first, second) if first and second else None
    says = _("Recall is {seen} in sources that training saw and {unseen} in others; no difference was shown.")
    if gap is not None and not gap.includes_zero:
        says = _("Recall is {seen} in sources that training saw and {unseen} in others: a difference of {gap}.")
    says = says.format(seen=share_words(first), unseen=share_words(second), gap=share_words(gap))
    groups = [at for at, (_name, row, _one) in enumerate(lines) if row is None]
    return Section(says, dots([name for name, *_rest in lines], groups, series, Axis(), says, of=_("recall")), (table,))


def _pooled(rows: Sequence[tuple[Row, Estimate]]) -> Estimate | None:
    return wilson(sum(round(one.value * row.count("faces")) for row, one in rows), sum(row.count("faces") for row, _one in rows))


def tried(at: Subject) -> Section:
    """What was tried: how many ideas, and the table of them. Raises Unfit."""
    table = at.of_study("tried")
    rows = list(Rows(table, ("what was tried", "figure", "before", "after", "kept")))
    # Kept: true, or a text that begins with yes.
    kept = {row.text("what was tried") for row in rows if row.holds("kept") or row.text("kept").casefold().startswith("yes")}
    says = _("{kept} of {count} ideas were kept; the table lists the losers, too.")
    return Section(says.format(kept=len(kept), count=len({row.text("what was tried") for row in rows})), Markup(), (table,))


def cross_auc(at: Subject) -> Section:
    """The AUC of untouched faces of one collection against manipulated ones of another, beside that within collections. Raises Unfit."""
    table = at.table("Cross-AUC")
    rows = known(table, ("faces of", "family", "AUC within", "worst untouched", "worst manipulated"), "Cross-AUC")
    lines: list[tuple[str, Row | None]] = []
    for split in dict.fromkeys(row.text("faces of") for row, _one in rows):
        lines.append((place_of(split), None))
        lines += [
            (_("All together") if row.text("family") == "all" else at.family(row.text("family")), row)
            for row, _one in rows if row.text("faces of") == split
        ]  # fmt: skip
    series = []
    for name, look, column in ((_("within one collection"), "second", "AUC within"), (_("across collections"), "accent", "Cross-AUC")):
        values = [row and row.estimate(column) for _name, row in lines]
        words = [
            told(name, one, row.count("faces"), figure_words) if row and one else ""
            for (_name, row), one in zip(lines, values, strict=True)
        ]
        series.append(Dots(name, look, values, words))
    # Of sets where both were measured, collections that it never saw are nearest to what a reader has.
    row, crossed = min(
        rows, key=lambda pair: (pair[0].number("AUC within") is None, pair[0].text("faces of") == "test", pair[0].text("family") != "all")
    )
    said = {"crossed": figure_words(crossed), "place": place_of(row.text("faces of"))}
    says = _("Across collections its AUC is {crossed} ({place}).").format(**said)
    if (within := row.estimate("AUC within")) is not None:
        says = _("Across collections its AUC is {crossed}, within them {within} ({place}).").format(**said, within=figure_words(within))
    words = _("Worst pair: untouched faces of {untouched} against manipulated ones of {manipulated}, {figure}.")
    names = {"untouched": at.source(row.text("worst untouched")), "manipulated": at.source(row.text("worst manipulated"))}
    more = [words.format(**names, figure=figure_words(worst))] if (worst := row.estimate("worst AUC")) else []
    axis = axis_around([one for some in series for one in some.values if one is not None], _CHANCE_AUC)
    groups = [at for at, (_name, row) in enumerate(lines) if row is None]
    pairs = attempt(lambda: at.table("Cross-AUC, pairs"))
    chart = dots([name for name, _row in lines], groups, series, axis, says, of=_("AUC"))
    return Section(says, chart, (table, *((pairs,) if pairs else ())), more)


def side_by_side(at: Subject) -> Section:
    """Both detectors on the same faces. Raises Unfit."""
    table = at.table("Side by side")
    every = [(row, own, row.estimate("default")) for row, own in known(table, ("rows", "faces", "default"), "DNA-Det")]
    pairs = [(_row_name(row, at), own, other, row.count("faces")) for row, own, other in every if other is not None]
    name, own, other, faces = need(pairs, table)[0]
    says = _("{what}: {own}, the first default detector {other} (n = {n}).")
    says = says.format(what=name, own=figure_words(own), other=figure_words(other), n=faces)
    differ = [pair for pair in pairs if apart(pair[1], pair[2])]
    more = _("The two intervals overlap in every row.")
    if differ:
        largest = max(differ, key=lambda pair: abs(pair[1].value - pair[2].value))[0]
        more = _("In {count} of {all} rows the two intervals do not overlap; the largest gap: {what}.")
        more = more.format(count=len(differ), all=len(pairs), what=largest)
    series = []
    for words, look, values in (
        (_("this detector"), "accent", [pair[1] for pair in pairs]),
        (_("the first default detector"), "second", [pair[2] for pair in pairs]),
    ):
        of = [told(pair[0], one, pair[3], figure_words) for pair, one in zip(pairs, values, strict=True)]
        series.append(Dots(words, look, values, of))
    chart = dots([pair[0] for pair in pairs], [], series, Axis(shares=False), says, of=_("share, or macro-F1"))
    return Section(says, chart, (table,), (more,))


def _row_name(row: Row, at: Subject) -> str:
    """A row's name with the names of methods in it said for people."""
    return " ".join(f"{at.method(word)}" for word in row.text("rows").split(" "))


def robustness(at: Subject) -> Section:
    """A curve for each kind of change, of both detectors. Raises Unfit."""
    table = at.table("Robustness, test")
    rows = [row for row, _one in known(table, ("change", "value"), "macro-F1")]
    drawn, falls = [], []
    for change in dict.fromkeys(row.text("change") for row in rows):
        own = [row for row in rows if row.text("change") == change]
        steps = [row.text("value") or text.UNCHANGED for row in own]
        found = []
        looks = ((_("this detector"), "accent", "macro-F1"), (_("the first default detector"), "guess", "default detector"))
        for name, look, column in looks:
            points = [(place, one, row.count("faces")) for place, row in enumerate(own) if (one := row.estimate(column)) is not None]
            if points:
                words = [told(steps[place], one, faces, figure_words) for place, one, faces in points]
                found.append(Curve(name, look, [float(place) for place, *_rest in points], [one for _place, one, _faces in points], words))
        first, last = (row.estimate("macro-F1") or Estimate(0.0) for row in (own[0], own[-1]))
        falls.append((first.value - last.value, of_data(change), steps[-1], first, last))
        label = _("{change}: macro-F1 from {first} to {last} at {step}.")
        label = label.format(change=of_data(change), first=figure_words(first), last=figure_words(last), step=steps[-1])
        drawn.append(curves(found, steps, Axis(shares=False), label, of_data(change), beside=_("macro-F1")))
    _fall, change, step, first, last = max(falls, key=lambda one: one[0])
    says = _("“{change}” costs most: macro-F1 falls from {first} to {last} at {step}.")
    says = says.format(change=change, first=figure_words(first), last=figure_words(last), step=step)
    _fall, change, step, _first, last = min(falls, key=lambda one: one[0])
    more = _("“{change}” costs least: {last} at {step}.").format(change=change, last=figure_words(last), step=step)
    return Section(says, draw.box("tt-plots", drawn), (table,), (more,))


def islands(at: Subject) -> Section:
    """How often patches in and around a pasted generated face look generated. Raises Unfit."""
    table, pairs = at.table("Patch islands"), []
    pasted = _("{method}, {place}")
    for row, inside in known(table, ("split", _OUTSIDE), _INSIDE):
        outside, place = row.estimate(_OUTSIDE), place_of(row.text("split"))
        if outside is not None:
            name = pasted.format(method=at.method(row.text("pasted")), place=place) if row.text("pasted") else place
            pairs.append((name, inside, outside, row.count("pictures")))
    need(pairs, table)
    name, inside, outside, count = min(pairs, key=lambda pair: pair[1].value - pair[2].value)
    says = _("Weakest, {what}: {inside} of the patches inside look generated, {outside} of those around it (n = {n} pictures).")
    says = says.format(what=name, inside=share_words(inside), outside=share_words(outside), n=count)
    series = []
    for words, look, values in (
        (_("inside the pasted face"), "found", [pair[1] for pair in pairs]),
        (_("outside"), "cleared", [pair[2] for pair in pairs]),
    ):
        series.append(Dots(words, look, values, [told(pair[0], one, pair[3]) for pair, one in zip(pairs, values, strict=True)]))
    return Section(says, dots([pair[0] for pair in pairs], [], series, Axis(), says, of=_("patches that look generated")), (table,))


def ablation(at: Subject) -> Section:
    """What each part of the training is worth: every variant by every figure. Raises Unfit."""
    table = at.table("Ablation")
    drawn, said = [], []
    for measure in (name for name in table.columns if name not in ("variant", "steps", "low", "high")):
        found = [(of_data(row.text("variant")), one) for row in Rows(table, ("variant",)) if (one := row.estimate(measure)) is not None]
        if not found:
            continue
        smaller = measure.startswith("false alarms")
        best, figure = min(found, key=lambda one: one[1].value if smaller else -one[1].value)
        rivals = [name for name, one in found if name != best and not apart(one, figure)]
        tied = bool(rivals) and len(rivals) == len(found) - 1
        words = (
            _("{measure}: best is “{variant}”, {figure}; every other interval overlaps with it.")
            if tied
            else _("{measure}: best is “{variant}”, {figure}.")
        )
        said.append(words.format(measure=of_data(measure), variant=best, figure=figure_words(figure)))
        axis = (axis_over if smaller else axis_around)([one for _name, one in found])
        drawn.append(_one_by_one(found, axis, said[-1], "", of_data(measure), smaller))
    need(said, table)
    return Section(said[0], Markup().join(drawn), (table,), said[1:])
