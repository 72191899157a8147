"""Sections about the study: trained here and tested there, its three questions, the open set, and what was tried."""

from __future__ import annotations

import html
from collections.abc import Sequence

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, difference, figure_words, mean_of, share_words, wilson
from attribution.evidence import FAMILIES
from attribution.measured import figures
from attribution.measured.figures import Dot, Line
from attribution.measured.sections import Names, Section, study_table
from attribution.measured.study import Study
from attribution.text import limits as text

_CHANCE_AUC = 0.5
_COMPARISON = ("backbone", "head", "loss", "rows", "AUC")


def matrix(study: Study, names: Names) -> Section:
    """AUC of every source under every training as a heat map, left-out cells outlined. Raises Unfit."""
    table = study_table(study, "matrix")
    rows = [row for row in Rows(table, ("trained", "family", "source", "left out", "AUC")) if row.number("AUC") is not None]
    trained = list(dict.fromkeys(row.text("trained") for row in rows))
    cells = {(row.text("family"), row.text("source"), row.text("trained")): row for row in rows}
    places = list(dict.fromkeys((row.text("family"), row.text("source")) for row in rows))
    drawn: list[tuple[str, list[tuple[float | None, str, bool]]]] = []
    for family in [*FAMILIES, *sorted({family for family, _ in places} - set(FAMILIES))]:
        own = [source for kind, source in places if kind == family]
        if own:
            drawn.append((names.family(family), []))
        drawn += [(names.source(source), [_matrix_cell(cells.get((family, source, name))) for name in trained]) for source in own]
    seen = [row.number("AUC") or 0.0 for row in rows if not row.holds("left out")]
    unseen = [row for row in rows if row.holds("left out")]
    says = (
        f"Where training saw the source, the mean AUC is {figure_words(mean_of(seen))}"
        if seen
        else "No cell is of a source that training saw"
    )
    if unseen:
        lowest = min(unseen, key=lambda row: row.number("AUC") or 0.0)
        says += (
            f"; where it did not, {figure_words(mean_of([row.number('AUC') or 0.0 for row in unseen]))}. The lowest left-out cell is "
            f"{names.source(lowest.text('source'))} ({names.family(lowest.text('family')).lower()}), trained on {lowest.text('trained')}: "
            f"{figure_words(lowest.estimate('AUC'))}."
        )
    else:
        says += ". No source was left out."
    legend = figures.heat_key("0.5", "1.0", "left out of that training")
    figure = figures.heat_table("tested on, trained on", trained, drawn, _CHANCE_AUC, 1.0, "left out")
    return Section("matrix", says, legend + figure, (table,))


def open_set(study: Study, names: Names) -> Section:
    """How well each score notices a held-out method. Raises Unfit."""
    table = study_table(study, "open_set")
    rows = [row for row in Rows(table, ("held out",)) if row.text("held out") != "mean"]
    others = [at for at, name in enumerate(table.columns) if name not in ("held out", "faces")]
    scores = [table.columns[at] for at in others if any(isinstance(row.cells[at], int | float) for row in rows)]
    if not rows or not scores:
        raise Unfit(f"The table “{table.title}” has no scores.")
    means = {score: mean_of([value for row in rows if (value := row.number(score)) is not None]) for score in scores}
    best = max(scores, key=lambda score: means[score].value if means[score] else 0.0)  # type: ignore[union-attr]
    hardest = min(rows, key=lambda row: row.number(best) if row.number(best) is not None else 2.0)  # type: ignore[arg-type,return-value]
    drawn = [(names.method(row.text("held out")), [(row.number(score), score, False) for score in scores]) for row in rows]
    drawn.append(("mean", [(one.value if (one := means[score]) else None, figure_words(means[score]), True) for score in scores]))
    says = (
        f"Over {len(rows)} held-out methods {best} does best: a mean AUROC of {figure_words(means[best])}. "
        f"Hardest to notice is {names.method(hardest.text('held out'))}: {figure_words(hardest.estimate(best))}."
    )
    figure = figures.heat_table("held out", scores, drawn, _CHANCE_AUC, 1.0, "mean")
    return Section("open-set", says, figures.heat_key("0.5", "1.0", "the mean") + figure, (table,))


def comparison(study: Study, key: str) -> Section:
    """Binary against attribution (`rq1`), or losses (`rq3`), with the paired differences where there are some. Raises Unfit."""
    table = study_table(study, key)
    rows = [row for row in Rows(table, _COMPARISON) if row.estimate("AUC") is not None]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no AUC.")
    differing = [name for name in ("backbone", "head", "loss") if len({row.text(name) for row in rows}) > 1] or ["backbone"]
    axis = figures.axis_around([one for row in rows if (one := row.estimate("AUC")) is not None])
    lines, says = [], []
    for split in dict.fromkeys(row.text("rows") for row in rows):
        own = sorted((row for row in rows if row.text("rows") == split), key=lambda row: -(row.number("AUC") or 0.0))
        place = text.SPLITS.get(split, split)
        lines.append(Line(place[:1].upper() + place[1:], (), head=True))
        for row in own:
            one = row.estimate("AUC")
            assert one is not None
            lines.append(Line(_trained(row, differing), (figures.plot(axis, [Dot(one)]), figures.words(figure_words(one), "AUC"))))
        says.append(f"{place}: {_trained(own[0], differing)}, {figure_words(own[0].estimate('AUC'))}")
    figure = figures.chart(("AUC", ""), lines, (figures.ticks(axis), "<span></span>"))
    verdict, drawn, tables = _differences(study, key)
    return Section(key, f"{verdict} Highest AUC on {'; '.join(says)}.", figure + drawn, (table, *tables))


def backbones(study: Study) -> Section:
    """Paired differences between networks. Raises Unfit."""
    study_table(study, "differences")
    said, drawn, tables = _differences(study, "backbones")
    if not drawn:
        raise Unfit("The study compares no networks in pairs.")
    return Section("backbones", said, drawn, tables)


def recall(study: Study, names: Names) -> Section:
    """Recall of methods in sources that training saw and did not see (`rq2`). Raises Unfit."""
    table = study_table(study, "rq2")
    rows = [row for row in Rows(table, ("method", "source", "seen", "faces", "recall")) if row.estimate("recall") is not None]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no recall.")
    axis = figures.Axis(0.0, 1.0)
    lines = []
    for method in dict.fromkeys(row.text("method") for row in rows):
        lines.append(Line(names.method(method), (), head=True))
        for row in sorted((row for row in rows if row.text("method") == method), key=lambda row: not row.holds("seen")):
            one = row.estimate("recall")
            assert one is not None
            name = f"{names.source(row.text('source'))} ({row.count('faces'):,})"
            said = f"{share_words(one)}, {'seen' if row.holds('seen') else 'not seen'}"
            lines.append(Line(name, (figures.plot(axis, [Dot(one, hollow=not row.holds("seen"))]), figures.words(said))))
    seen, unseen = (_pooled([row for row in rows if row.holds("seen") == wanted]) for wanted in (True, False))
    says = (
        f"Recall is {share_words(seen)} in sources that training saw and {share_words(unseen)} in sources that it did not, all together. "
    )
    gap = difference(seen, unseen) if seen and unseen else None
    if gap is not None:
        says += _shown(gap, "the recall in seen sources", f"The difference is {share_words(gap)}")
    legend = figures.key([("tt-dot tt-accent", "training saw the source"), ("tt-dot tt-accent tt-hollow", "it did not")])
    return Section("rq2", says, legend + figures.chart(("recall", ""), lines, (figures.ticks(axis), "<span></span>")), (table,))


def tried(study: Study) -> Section:
    """What was tried and what it gave. Raises Unfit."""
    table = study_table(study, "tried")
    rows = list(Rows(table, ("what was tried", "figure", "before", "after", "kept")))
    ideas = dict.fromkeys(row.text("what was tried") for row in rows)
    kept = {row.text("what was tried") for row in rows if _kept(row)}
    says = f"{len(ideas)} ideas were tried; {len(kept)} were kept, {len(ideas) - len(kept)} were not."
    body = "".join(
        f'<tr><th scope="row">{html.escape(row.text("what was tried"))}</th><td>{html.escape(row.text("figure"))}</td>'
        f'<td class="tt-number">{_plain(row, "before")}</td><td class="tt-number">{_plain(row, "after")}</td>'
        f"<td>{_why(row)}</td></tr>"
        for row in rows
    )
    head = '<th scope="col">what was tried</th><th scope="col">figure</th><th scope="col" class="tt-number">before</th>'
    head += '<th scope="col" class="tt-number">after</th><th scope="col"></th>'
    drawn = f'<table class="tt-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return Section("tried", says, figures.scrolled(drawn, text.TITLES["tried"]), (table,) if table.note else ())


def _kept(row: Row) -> bool:
    """Kept: true, or a text that begins with yes."""
    return row.holds("kept") or row.text("kept").casefold().startswith("yes")


def _why(row: Row) -> str:
    """Whether it was kept, and why or how where the table says so."""
    said = "kept" if _kept(row) else "not kept"
    _, mark, more = row.text("kept").partition(next((mark for mark in (":", ";", ",") if mark in row.text("kept")), ":"))
    return html.escape(f"{said}{':' if more else ''}{more}" if mark else said)


def _matrix_cell(row: Row | None) -> tuple[float | None, str, bool]:
    if row is None:
        return None, "", False
    return row.number("AUC"), f"AUC {figure_words(row.estimate('AUC'))}, {row.count('faces'):,} faces", row.holds("left out")


def _trained(row: Row, differing: Sequence[str]) -> str:
    return ", ".join(filter(None, (text.KEYS.get(row.text(name), row.text(name)) for name in differing)))


def _differences(study: Study, key: str) -> tuple[str, str, tuple[MeasuredTable, ...]]:
    """The sentence on the paired differences that belong to that question, their chart, and their table."""
    try:
        table = study_table(study, "differences")
        every = [row for row in Rows(table, ("compared", "rows", "figure", "difference", "low", "high")) if row.estimate("difference")]
    except Unfit:
        every = []
        table = None
    rows = [row for row in every if _question(row.text("compared").lower()) == key]
    known = [(row, one) for row in rows if (one := row.estimate("difference")) is not None]
    if table is None or not known:
        return "The differences were not measured in pairs.", "", ()
    axis = figures.axis_around([one for _, one in known], 0.0)
    lines = [
        Line(
            _compared(row),
            (figures.plot(axis, [Dot(one)]), figures.words(f"{figure_words(one)}{': no difference shown' if one.includes_zero else ''}")),
        )
        for row, one in known
    ]
    shown = [(row, one) for row, one in known if not one.includes_zero]
    if not shown:
        said = f"No difference was shown: in all {len(known)} paired comparisons the interval includes zero."
    else:
        parts = [f"{_compared(row)}, {figure_words(one)}, the first is {'higher' if one.value > 0 else 'lower'}" for row, one in shown]
        said = f"A difference was shown in {len(shown)} of {len(known)} paired comparisons: {'; '.join(parts)}."
        rest = len(known) - len(shown)
        said += f" In the other {rest} the interval includes zero: no difference was shown." if rest else ""
    drawn = figures.chart(("paired differences", ""), lines, (figures.ticks(axis), "<span></span>"))
    return said, f"<h4>Paired differences</h4>{drawn}", (table,)


def _question(compared: str) -> str:
    """Which section a comparison belongs to, by its words."""
    if compared.startswith("binary") or "attribution" in compared:
        return "rq1"
    return "rq3" if "cross-entropy" in compared else "backbones"


def _compared(row: Row) -> str:
    return f"{row.text('compared')}, {row.text('figure')} on {text.SPLITS.get(row.text('rows'), row.text('rows'))}"


def _shown(gap: Estimate, first: str, words: str) -> str:
    if gap.includes_zero:
        return f"{words}: the interval includes zero, so no difference was shown."
    return f"{words}: {first} is {'higher' if gap.value > 0 else 'lower'}."


def _pooled(rows: Sequence[Row]) -> Estimate | None:
    hits = sum(round((row.number("recall") or 0.0) * row.count("faces")) for row in rows)
    return wilson(hits, sum(row.count("faces") for row in rows))


def _plain(row: Row, column: str) -> str:
    number = row.number(column)
    return html.escape(row.text(column)) or "–" if number is None else f"{number:.4g}".replace("-", "−")
