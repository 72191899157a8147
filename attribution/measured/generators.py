"""Sections about a detector of generators, from its card."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, figure_words, mean_of, percent, share_words
from attribution.measured import figures
from attribution.measured.figures import Axis, Dot, DotLine, HeatCell, dot_chart, draw, key, pair_key, simple_chart
from attribution.measured.section import Section, Subject, apart, capital, known, need, place_of
from attribution.text import limits as text

_INSIDE, _OUTSIDE = "patches inside called generated", "patches outside called generated"
_HEADLINES = 4
_CHANCE_AUC = 0.5


def side_by_side(at: Subject) -> Section:
    """Both detectors on the same faces, the headline figures first. Raises Unfit."""
    table = at.table("Side by side")
    pairs = [
        (f"{capital(_with_names(row.text('rows'), at))} ({row.count('faces'):,})", own, other)
        for row, own in known(table, ("rows", "faces", "default"), "DNA-Det")
        if (other := row.estimate("default")) is not None
    ]
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
    found = [
        (f"{at.method(row.text('class'))} ({row.count('faces'):,})", Estimate(one.value, row.number("10 %"), row.number("90 %")))
        for row, one in known(table, ("class",), column)
    ]
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
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low.removesuffix(' %')}–{high}"
