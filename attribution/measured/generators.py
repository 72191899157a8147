"""Sections about a detector of generators from its card: beside the default one, under changes, on generators that it does not know, patch
by patch, and what each part of its training is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from attribution.detectors.card import Card
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, figure_words, mean_of, percent, share_words
from attribution.measured import answers, figures, plots
from attribution.measured.figures import Dot, Line
from attribution.measured.sections import Names, Section, card_table
from attribution.text import limits as text

_OWN, _DEFAULT = "DNA-Det", "default"
_INSIDE, _OUTSIDE = "patches inside called generated", "patches outside called generated"
_HEADLINES = 4
_CHANCE_AUC = 0.5


@dataclass(frozen=True)
class _Pair:
    """One row of the comparison: the detector's figure and the default one's."""

    name: str
    own: Estimate
    other: Estimate


def side_by_side(card: Card, names: Names) -> Section:
    """Both detectors on the same faces, the headline figures first. Raises Unfit."""
    table = card_table(card, "Side by side")
    pairs = []
    for row in Rows(table, ("rows", "faces", _OWN, _DEFAULT)):
        own, other = row.estimate(_OWN), row.estimate(_DEFAULT)
        if own is not None and other is not None:
            pairs.append(_Pair(f"{_capital(_with_names(row.text('rows'), names))} ({row.count('faces'):,})", own, other))
    if not pairs:
        raise Unfit(f"The table “{table.title}” has no rows.")
    apart = [pair for pair in pairs if _apart(pair.own, pair.other)]
    says = f"{pairs[0].name}: {figure_words(pairs[0].own)} against {figure_words(pairs[0].other)} of the default detector. "
    says += (
        f"In {len(apart)} of {len(pairs)} rows the two intervals do not overlap; the largest gap is in "
        f"“{max(apart, key=lambda pair: abs(pair.own.value - pair.other.value)).name}”."
        if apart
        else "The two intervals overlap in every row."
    )
    legend = figures.key([("tt-dot tt-accent", "this detector"), ("tt-dot tt-accent tt-hollow", "the default detector")])
    drawn = legend + _pair_chart(pairs[:_HEADLINES])
    if len(pairs) > _HEADLINES:
        more = _pair_chart(pairs[_HEADLINES:])
        drawn += f'<details class="tt-fold"><summary>By class and source ({len(pairs) - _HEADLINES})</summary>{more}</details>'
    return Section("side-by-side", says, drawn, (table,))


def robustness(card: Card) -> Section:
    """A curve for each kind of change, of both detectors. Raises Unfit."""
    table = card_table(card, "Robustness, test")
    rows = [row for row in Rows(table, ("change", "value", "macro-F1")) if row.estimate("macro-F1") is not None]
    drawn, falls = "", []
    for change in dict.fromkeys(row.text("change") for row in rows):
        own = [row for row in rows if row.text("change") == change]
        steps = [row.text("value") or text.UNCHANGED for row in own]
        curves = [
            plots.Curve(name, [row.estimate(column) for row in own])
            for name, column in (("this detector", "macro-F1"), ("default detector", "default detector"))
        ]
        first, last = own[0].estimate("macro-F1"), own[-1].estimate("macro-F1")
        if first is None or last is None:
            continue
        falls.append((first.value - last.value, change, steps[-1], first, last))
        label = f"{change}: macro-F1 from {figure_words(first)} ({steps[0]}) to {figure_words(last)} ({steps[-1]})."
        drawn += plots.curves(change, steps, curves, "macro-F1", label)
    if not falls:
        raise Unfit(f"The table “{table.title}” has no curve.")
    _, change, step, first, last = max(falls, key=lambda one: one[0])
    least = min(falls, key=lambda one: one[0])
    says = f"It suffers most from “{change}”: macro-F1 falls from {figure_words(first)} to {figure_words(last)} at {step}. "
    says += f"Least harmful is “{least[1]}”: {figure_words(least[4])} at {least[2]}."
    legend = figures.key([("tt-dot tt-accent", "this detector"), ("tt-dot tt-muted tt-hollow", "default detector")])
    return Section("robustness", says, f'{legend}<div class="tt-plots">{drawn}</div>', (table,))


def verdicts_on(card: Card, names: Names, what: str, key: str) -> Section:
    """The whole verdict on faces out of its scope or of unknown generators, as `what` names them in a table's title. Raises Unfit."""
    return replace(answers.by_source(card, names, what), key=key)


def unknown(card: Card, names: Names) -> Section:
    """How well each score notices a generator that training never saw. Raises Unfit."""
    table = card_table(card, "Unknown generators")
    scores = [name for name in table.columns if name not in ("held out", "faces", "low", "high")]
    rows = [row for row in Rows(table, ("held out", "faces")) if any(row.number(score) is not None for score in scores)]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no scores.")
    means = {score: mean.value for score in scores if (mean := mean_of(_numbers(rows, score))) is not None}
    best = max(means, key=lambda score: means[score])
    known = [row for row in rows if row.number(best) is not None]
    hardest = min(known, key=lambda row: row.number(best) or 0.0)
    says = (
        f"Over {len(rows)} held-out generators {best} does best: a mean AUROC of {means[best]:.2f}. Hardest to notice is "
        f"{_with_names(hardest.text('held out'), names)}: {figure_words(hardest.estimate(best))}."
    )
    drawn = [
        (
            f"{_with_names(row.text('held out'), names)} ({row.count('faces'):,})",
            [(row.number(score), f"{score}: {figure_words(row.estimate(score))}", score == best) for score in scores],
        )
        for row in rows
    ]
    legend = figures.heat_key("0.5", "1.0", "the best score on average")
    return Section("unknown", says, legend + figures.heat_table("held out (faces)", scores, drawn, _CHANCE_AUC, 1.0, "best"), (table,))


def islands(card: Card, names: Names) -> Section:
    """How often patches in and around a pasted generated face look generated. Raises Unfit."""
    table = card_table(card, "Patch islands")
    rows = [row for row in Rows(table, ("split", _INSIDE, _OUTSIDE)) if row.estimate(_INSIDE) and row.estimate(_OUTSIDE)]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no rows.")
    pairs = [(_split_name(row, names), row.estimate(_INSIDE), row.estimate(_OUTSIDE)) for row in rows]
    lines = []
    axis = figures.Axis(0.0, 1.0)
    for name, inside, outside in pairs:
        assert inside is not None
        assert outside is not None
        dots = [Dot(inside, kind="accused"), Dot(outside, hollow=True, kind="cleared")]
        said = f"{share_words(inside)} / {share_words(outside)}"
        lines.append(Line(name, (figures.plot(axis, dots), figures.words(said, "inside / outside"))))
    inner, outer = [one.value for _, one, _ in pairs if one], [one.value for _, _, one in pairs if one]
    weakest = min(pairs, key=lambda pair: pair[1].value - pair[2].value)  # type: ignore[union-attr]
    says = (
        f"Of the patches inside a pasted generated face {_range(inner)} look generated, of those of the photograph around it "
        f"{_range(outer)}. The weakest island is that of {weakest[0]}: {share_words(weakest[1])} inside, {share_words(weakest[2])} outside."
    )
    legend = figures.key([("tt-dot tt-accused", "inside the pasted face"), ("tt-dot tt-cleared tt-hollow", "outside")])
    drawn = figures.chart(("patches that look generated", "inside / outside"), lines, (figures.ticks(axis), "<span></span>"))
    return Section("islands", says, legend + drawn, (table,))


def spread(card: Card, names: Names) -> Section:
    """How much of a picture carries the evidence. Raises Unfit."""
    table = card_table(card, "Spread of the evidence, test")
    column, low, high = "median share of the picture", "10 %", "90 %"
    rows = [row for row in Rows(table, ("class", column)) if row.number(column) is not None]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no rows.")
    found = [
        (
            f"{names.method(row.text('class'))} ({row.count('faces'):,})",
            Estimate(row.number(column) or 0.0, row.number(low), row.number(high)),
        )
        for row in rows
    ]
    axis = figures.Axis(0.0, 1.0)
    lines = [Line(name, (figures.plot(axis, [Dot(one)]), figures.words(share_words(one), "share"))) for name, one in found]
    says = f"In the median face {_range([one.value for _, one in found])} of the picture carries the evidence, by class."
    drawn = figures.chart(("share of the picture (10 to 90 % of faces)", ""), lines, (figures.ticks(axis), "<span></span>"))
    return Section("spread", says, drawn, (table,))


def ablation(card: Card) -> Section:
    """What each part of the training is worth: every variant by every figure. Raises Unfit."""
    table = card_table(card, "Ablation")
    measures = [name for name in table.columns if name not in ("variant", "steps", "low", "high")]
    rows = list(Rows(table, ("variant",)))
    drawn, said = "", []
    for measure in measures:
        found = [(row.text("variant"), one) for row in rows if (one := row.estimate(measure)) is not None]
        if not found:
            continue
        smaller = measure.startswith("false alarms")
        (best, figure), *_ = sorted(found, key=lambda one: one[1].value if smaller else -one[1].value)
        rivals = [name for name, one in found if name != best and not _apart(one, figure)]
        tie = "; its interval overlaps with every other one" if rivals and len(rivals) == len(found) - 1 else ""
        said.append(f"{measure}: best is “{best}” with {figure_words(figure)}{tie}.")
        axis = figures.axis_over([one for _, one in found]) if smaller else figures.axis_around([one for _, one in found])
        lines = [Line(name, (figures.plot(axis, [Dot(one)]), figures.words(figure_words(one)))) for name, one in found]
        drawn += f"<h4>{_capital(measure)}</h4>{figures.chart(('', ''), lines, (figures.ticks(axis), '<span></span>'))}"
    if not said:
        raise Unfit(f"The table “{table.title}” has no figure.")
    return Section("ablation", _capital(" ".join(said)), drawn, (table,))


def _pair_chart(pairs: Sequence[_Pair]) -> str:
    axis = figures.Axis(0.0, 1.0)
    lines = []
    for pair in pairs:
        dots = [Dot(pair.other, hollow=True), Dot(pair.own)]
        said = f"{figure_words(pair.own)} / {figure_words(pair.other)}"
        lines.append(Line(pair.name, (figures.plot(axis, dots), figures.words(said, "this / default"))))
    return figures.chart(("share, or macro-F1", "this / default"), lines, (figures.ticks(axis), "<span></span>"))


def _with_names(words: str, names: Names) -> str:
    """A row's name with the names of methods in it said for people."""
    return " ".join(names.method(word) for word in words.split(" "))


def _split_name(row: Row, names: Names) -> str:
    split = text.SPLITS.get(row.text("split"), row.text("split"))
    return f"{names.method(row.text('pasted'))}, {split}" if row.text("pasted") else split


def _numbers(rows: Sequence[Row], column: str) -> list[float]:
    return [value for row in rows if (value := row.number(column)) is not None]


def _apart(one: Estimate, other: Estimate) -> bool:
    """Whether two intervals do not overlap; False without intervals."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or other.low > one.high


def _range(values: Sequence[float]) -> str:
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low.removesuffix(' %')}–{high}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
