"""Sections about trainings: those of the study, and those of the card of a detector of generators."""

from collections.abc import Sequence

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, difference, figure_words, mean_of, share_words, wilson
from attribution.evidence import FAMILIES
from attribution.measured import figures
from attribution.measured.figures import Axis, Dot, DotLine, HeatCell, axis_around, dot_chart, draw, key, pair_key, simple_chart
from attribution.measured.section import Section, Subject, apart, attempt, capital, known, need, place_of
from attribution.text import limits as text
from attribution.text.numbers import measured_share

_CHANCE_AUC = 0.5
_INSIDE, _OUTSIDE = "patches inside called generated", "patches outside called generated"
_HEADLINES = 4


def matrix(at: Subject) -> Section:
    """AUC of every source under every training as a heat map, left-out cells outlined. Raises Unfit."""
    table = at.of_study("matrix")
    rows = known(table, ("trained", "family", "source", "left out"), "AUC")
    trained = list(dict.fromkeys(row.text("trained") for row, _ in rows))
    cells = {}
    for row, one in rows:
        cell = HeatCell(one.value, f"AUC {figure_words(one)}, {row.count('faces'):,} faces", row.holds("left out"))
        cells[row.text("family"), row.text("source"), row.text("trained")] = cell
    places = list(dict.fromkeys(place[:2] for place in cells))
    drawn: list[tuple[str, list[HeatCell]]] = []
    for family in [*FAMILIES, *sorted({family for family, _ in places} - set(FAMILIES))]:
        own = [source for kind, source in places if kind == family]
        drawn += [(at.family(family), [])] if own else []
        drawn += [(at.source(source), [cells.get((family, source, name), HeatCell(None)) for name in trained]) for source in own]
    seen = [one.value for row, one in rows if not row.holds("left out")]
    unseen = [(row, one) for row, one in rows if row.holds("left out")]
    says = f"Where training saw the source, the mean AUC is {figure_words(mean_of(seen))}" if seen else ""
    says = says or "No cell is of a source that training saw"
    if unseen:
        lowest, one = min(unseen, key=lambda pair: pair[1].value)
        place = f"{at.source(lowest.text('source'))} ({at.family(lowest.text('family')).lower()}), trained on {lowest.text('trained')}"
        says += f"; where it did not, {figure_words(mean_of([one.value for _, one in unseen]))}. The lowest left-out cell is {place}: "
        says += f"{figure_words(one)}."
    else:
        says += ". No source was left out."
    ends, outlined = ("0.5", "1.0"), "left out of that training"
    return Section(says, figures.heat("tested on, trained on", trained, drawn, _CHANCE_AUC, ends, outlined, "left out"), (table,))


def open_set(at: Subject) -> Section:
    """How well each score notices a held-out method. Raises Unfit."""
    table = at.of_study("open_set")
    scores, rows, best, mean = best_score(table, [name for name in table.columns if name not in ("held out", "faces")])
    hardest = min(rows, key=lambda row: value if (value := row.number(best)) is not None else 2.0)
    drawn = [(at.method(row.text("held out")), [HeatCell(row.number(score), score) for score in scores]) for row in rows]
    drawn.append(("mean", [HeatCell(mean[score].value, figure_words(mean[score]), True) for score in scores]))
    says = f"Over {len(rows)} held-out methods {best} does best: a mean AUROC of {figure_words(mean[best])}. "
    says += f"Hardest to notice is {at.method(hardest.text('held out'))}: {figure_words(hardest.estimate(best))}."
    return Section(says, figures.heat("held out", scores, drawn, _CHANCE_AUC, ("0.5", "1.0"), "the mean", "mean"), (table,))


def comparison(at: Subject, which: str) -> Section:
    """Binary against attribution (`rq1`), or losses (`rq3`), with the paired differences where there are some. Raises Unfit."""
    table = at.of_study(which)
    rows = known(table, ("backbone", "head", "loss", "rows"), "AUC")
    differing = [name for name in ("backbone", "head", "loss") if len({row.text(name) for row, _ in rows}) > 1] or ["backbone"]

    def trained(row: Row) -> str:
        return ", ".join(filter(None, (text.KEYS.get(row.text(name), row.text(name)) for name in differing)))

    lines, says = [], []
    for split in dict.fromkeys(row.text("rows") for row, _ in rows):
        own = sorted((pair for pair in rows if pair[0].text("rows") == split), key=lambda pair: -pair[1].value)
        lines.append(DotLine(capital(place_of(split))))
        lines += [DotLine(trained(row), [Dot(one)], figure_words(one)) for row, one in own]
        says.append(f"{place_of(split)}: {trained(own[0][0])}, {figure_words(own[0][1])}")
    figure = dot_chart("AUC", lines, axis_around([one for _, one in rows]), "AUC")
    verdict, drawn, tables = _differences(at, which)
    return Section(f"{verdict} Highest AUC on {'; '.join(says)}.", figure + drawn, (table, *tables))


def backbones(at: Subject) -> Section:
    """Paired differences between networks. Raises Unfit."""
    at.of_study("differences")
    section = Section(*_differences(at, "backbones"))
    if not section.figure:
        raise Unfit("The study compares no networks in pairs.")
    return section


def recall(at: Subject) -> Section:
    """Recall of methods in sources that training saw and did not see (`rq2`). Raises Unfit."""
    table = at.of_study("rq2")
    rows, lines = known(table, ("method", "source", "seen", "faces"), "recall"), []
    for method in dict.fromkeys(row.text("method") for row, _ in rows):
        lines.append(DotLine(at.method(method)))
        for row, one in sorted((pair for pair in rows if pair[0].text("method") == method), key=lambda pair: not pair[0].holds("seen")):
            seen, name = row.holds("seen"), f"{at.source(row.text('source'))} ({row.count('faces'):,})"
            lines.append(DotLine(name, [Dot(one, hollow=not seen)], f"{share_words(one)}, {'seen' if seen else 'not seen'}"))
    first, second = (_pooled([pair for pair in rows if pair[0].holds("seen") == wanted]) for wanted in (True, False))
    says = f"Recall is {share_words(first)} in sources that training saw and {share_words(second)} in sources that it did not, all "
    says += "together. "
    if first and second and (gap := difference(first, second)) is not None:
        outcome = f"the recall in seen sources is {'higher' if gap.value > 0 else 'lower'}."
        outcome = "the interval includes zero, so no difference was shown." if gap.includes_zero else outcome
        says += f"The difference is {share_words(gap)}: {outcome}"
    return Section(says, pair_key("training saw the source", "it did not") + dot_chart("recall", lines, Axis()), (table,))


def _pooled(rows: Sequence[tuple[Row, Estimate]]) -> Estimate | None:
    return wilson(sum(round(one.value * row.count("faces")) for row, one in rows), sum(row.count("faces") for row, _ in rows))


def tried(at: Subject) -> Section:
    """What was tried and what it gave. Raises Unfit."""
    table = at.of_study("tried")
    rows = list(Rows(table, ("what was tried", "figure", "before", "after", "kept")))
    ideas = {row.text("what was tried") for row in rows}
    kept = {row.text("what was tried") for row in rows if _kept(row)}
    says = f"{len(ideas)} ideas were tried; {len(kept)} were kept, {len(ideas) - len(kept)} were not."
    columns = [("what was tried", False), ("figure", False), ("before", True), ("after", True), ("", False)]
    body = [
        [(row.text("what was tried"), False), (row.text("figure"), False), *((_plain(row, name), True) for name in ("before", "after")),
         (_why(row), False)]
        for row in rows
    ]  # fmt: skip
    return Section(says, draw.table(text.TITLES["tried"], columns, body, True), (table,) if table.note else ())


def _kept(row: Row) -> bool:
    """Kept: true, or a text that begins with yes."""
    return row.holds("kept") or row.text("kept").casefold().startswith("yes")


def _why(row: Row) -> str:
    """Whether it was kept, and why or how where the table says so."""
    _, mark, more = row.text("kept").partition(next((mark for mark in (":", ";", ",") if mark in row.text("kept")), ":"))
    return f"{'kept' if _kept(row) else 'not kept'}{':' if mark and more else ''}{more}"


def _plain(row: Row, column: str) -> str:
    number = row.number(column)
    return row.text(column) or "–" if number is None else f"{number:.4g}".replace("-", "−")


def _differences(at: Subject, which: str) -> tuple[str, Markup, tuple[MeasuredTable, ...]]:
    """The sentence on the paired differences that belong to that question, their chart, and their table."""
    every = attempt(lambda: known(at.of_study("differences"), ("compared", "rows", "figure", "low", "high"), "difference"))
    rows = [(_compared(row), one) for row, one in every or () if _question(row.text("compared").lower()) == which]
    if not rows:
        return "The differences were not measured in pairs.", Markup(), ()
    shown = [(name, one) for name, one in rows if not one.includes_zero]
    said = f"No difference was shown: in all {len(rows)} paired comparisons the interval includes zero."
    if shown:
        parts = [f"{name}, {figure_words(one)}, the first is {'higher' if one.value > 0 else 'lower'}" for name, one in shown]
        said = f"A difference was shown in {len(shown)} of {len(rows)} paired comparisons: {'; '.join(parts)}."
        rest = len(rows) - len(shown)
        said += f" In the other {rest} the interval includes zero: no difference was shown." if rest else ""
    return said, draw.titled("Paired differences", figures.compared_chart("paired differences", rows)), (at.of_study("differences"),)


def _question(compared: str) -> str:
    """Which section a comparison belongs to, by its words."""
    is_first = compared.startswith("binary") or "attribution" in compared
    return "rq1" if is_first else "rq3" if "cross-entropy" in compared else "backbones"


def _compared(row: Row) -> str:
    return f"{row.text('compared')}, {row.text('figure')} on {place_of(row.text('rows'))}"


def side_by_side(at: Subject) -> Section:
    """Both detectors on the same faces, the headline figures first. Raises Unfit."""
    table = at.table("Side by side")
    every = [(row, own, row.estimate("default")) for row, own in known(table, ("rows", "faces", "default"), "DNA-Det")]
    named = [(f"{capital(_with_names(row.text('rows'), at))} ({row.count('faces'):,})", own, other) for row, own, other in every]
    pairs = [(name, own, other) for name, own, other in named if other is not None]
    differ = [pair for pair in need(pairs, table, "has no rows") if apart(*pair[1:])]
    says = "The two intervals overlap in every row."
    if differ:
        largest = max(differ, key=lambda pair: abs(pair[1].value - pair[2].value))[0]
        says = f"In {len(differ)} of {len(pairs)} rows the two intervals do not overlap; the largest gap is in “{largest}”."
    says = f"{pairs[0][0]}: {figure_words(pairs[0][1])} against {figure_words(pairs[0][2])} of the default detector. {says}"
    lines = [DotLine(name, [Dot(other, True), Dot(own)], f"{figure_words(own)} / {figure_words(other)}") for name, own, other in pairs]
    both = "this / default"
    first, more = (dot_chart("share, or macro-F1", some, Axis(), both, both) for some in (lines[:_HEADLINES], lines[_HEADLINES:]))
    drawn = pair_key("this detector", "the default detector") + first
    if len(pairs) > _HEADLINES:
        drawn += draw.folding(f"By class and source ({len(pairs) - _HEADLINES})", more)
    return Section(says, drawn, (table,))


def robustness(at: Subject) -> Section:
    """A curve for each kind of change, of both detectors. Raises Unfit."""
    table = at.table("Robustness, test")
    rows = [row for row, _ in known(table, ("change", "value"), "macro-F1")]
    drawn, falls = [], []
    for change in dict.fromkeys(row.text("change") for row in rows):
        own = [row for row in rows if row.text("change") == change]
        steps = [row.text("value") or text.UNCHANGED for row in own]
        both = (("this detector", "macro-F1"), ("default detector", "default detector"))
        curves = [(name, [row.estimate(column) for row in own]) for name, column in both]
        first, last = (row.estimate("macro-F1") or Estimate(0.0) for row in (own[0], own[-1]))
        falls.append((first.value - last.value, change, steps[-1], first, last))
        label = f"{change}: macro-F1 from {figure_words(first)} ({steps[0]}) to {figure_words(last)} ({steps[-1]})."
        drawn.append(figures.curves(change, steps, curves, "macro-F1", label))
    (_, change, step, first, last), (_, mild, mild_step, _, mild_last) = (pick(falls, key=lambda one: one[0]) for pick in (max, min))
    says = f"It suffers most from “{change}”: macro-F1 falls from {figure_words(first)} to {figure_words(last)} at {step}. "
    says += f"Least harmful is “{mild}”: {figure_words(mild_last)} at {mild_step}."
    return Section(says, pair_key("this detector", "default detector", "muted") + draw.box("tt-plots", drawn), (table,))


def unknown(at: Subject) -> Section:
    """How well each score notices a generator that training never saw. Raises Unfit."""
    table = at.table("Unknown generators")
    scores, rows, best, mean = best_score(table, [name for name in table.columns if name not in ("held out", "faces", "low", "high")])
    hardest = min(rows, key=lambda row: value if (value := row.number(best)) is not None else 2.0)
    says = f"Over {len(rows)} held-out generators {best} does best: a mean AUROC of {mean[best].value:.2f}. Hardest to notice is "
    says += f"{_with_names(hardest.text('held out'), at)}: {figure_words(hardest.estimate(best))}."
    drawn = []
    for row in rows:
        cells = [HeatCell(row.number(score), f"{score}: {figure_words(row.estimate(score))}", score == best) for score in scores]
        drawn.append((f"{_with_names(row.text('held out'), at)} ({row.count('faces'):,})", cells))
    figure = figures.heat("held out (faces)", scores, drawn, _CHANCE_AUC, ("0.5", "1.0"), "the best score on average", "best")
    return Section(says, figure, (table,))


def best_score(table: MeasuredTable, columns: Sequence[str]) -> tuple[list[str], list[Row], str, dict[str, Estimate]]:
    """Of a table of scores: their columns, the rows that hold one, the best score on average, and the mean of each. Raises Unfit."""
    rows = [row for row in Rows(table, ("held out", "faces")) if row.text("held out") != "mean"]
    rows = [row for row in rows if any(row.number(name) is not None for name in columns)]
    means = {name: mean_of([value for row in rows if (value := row.number(name)) is not None]) for name in columns}
    mean = need({name: one for name, one in means.items() if one is not None}, table, "has no scores")
    return list(mean), rows, max(mean, key=lambda name: mean[name].value), mean


def islands(at: Subject) -> Section:
    """How often patches in and around a pasted generated face look generated. Raises Unfit."""
    table, pairs = at.table("Patch islands"), []
    for row, inside in known(table, ("split", _OUTSIDE), _INSIDE):
        outside, split = row.estimate(_OUTSIDE), place_of(row.text("split"))
        if outside is not None:
            pairs.append((f"{at.method(row.text('pasted'))}, {split}" if row.text("pasted") else split, inside, outside))
    lines = [
        DotLine(name, [Dot(inside, kind="accused"), Dot(outside, True, "cleared")], f"{share_words(inside)} / {share_words(outside)}")
        for name, inside, outside in need(pairs, table, "has no rows")
    ]
    weakest = min(pairs, key=lambda pair: pair[1].value - pair[2].value)
    says = (
        f"Of the patches inside a pasted generated face {_range([one for _, one, _ in pairs])} look generated, of those of the photograph "
        f"around it {_range([one for *_, one in pairs])}. The weakest island is that of {weakest[0]}: {share_words(weakest[1])} inside, "
        f"{share_words(weakest[2])} outside."
    )
    legend = key(("tt-dot tt-accused", "inside the pasted face"), ("tt-dot tt-cleared tt-hollow", "outside"))
    chart = dot_chart("patches that look generated", lines, Axis(), "inside / outside", "inside / outside")
    return Section(says, legend + chart, (table,))


def spread(at: Subject) -> Section:
    """How much of a picture carries the evidence. Raises Unfit."""
    table, column = at.table("Spread of the evidence, test"), "median share of the picture"
    rows = [(row, Estimate(one.value, row.number("10 %"), row.number("90 %"))) for row, one in known(table, ("class",), column)]
    found = [(f"{at.method(row.text('class'))} ({row.count('faces'):,})", one) for row, one in rows]
    says = f"In the median face {_range([one for _, one in found])} of the picture carries the evidence, by class."
    return Section(says, simple_chart("share of the picture (10 to 90 % of faces)", found, Axis(), share_words, "share"), (table,))


def ablation(at: Subject) -> Section:
    """What each part of the training is worth: every variant by every figure. Raises Unfit."""
    table = at.table("Ablation")
    drawn, said = Markup(), []
    for measure in (name for name in table.columns if name not in ("variant", "steps", "low", "high")):
        found = [(row.text("variant"), one) for row in Rows(table, ("variant",)) if (one := row.estimate(measure)) is not None]
        if not found:
            continue
        smaller = measure.startswith("false alarms")
        best, figure = min(found, key=lambda one: one[1].value if smaller else -one[1].value)
        rivals = [name for name, one in found if name != best and not apart(one, figure)]
        tie = "; its interval overlaps with every other one" if rivals and len(rivals) == len(found) - 1 else ""
        said.append(f"{measure}: best is “{best}” with {figure_words(figure)}{tie}.")
        axis_of = figures.axis_over if smaller else figures.axis_around
        drawn += draw.titled(capital(measure), simple_chart("", found, axis_of([one for _, one in found])))
    return Section(capital(" ".join(need(said, table, "has no figure"))), drawn, (table,))


def _with_names(words: str, at: Subject) -> str:
    """A row's name with the names of methods in it said for people."""
    return " ".join(at.method(word) for word in words.split(" "))


def _range(found: Sequence[Estimate]) -> str:
    values = [one.value for one in found]
    low, high = measured_share(min(values)), measured_share(max(values))
    return low if low == high else f"{low.removesuffix(' %')}–{high}"
