"""Sections about the loaded detector from its card: which method it names, calibration and abstention."""

from __future__ import annotations

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, percent, share_words, wilson
from attribution.measured import figures, plots
from attribution.measured.figures import Dot, Line
from attribution.measured.plots import Bin, Point
from attribution.measured.sections import Names, Section, card_table, faces
from attribution.text import limits as text

_FEWEST_FACES = 20


def methods(card: Card, names: Names, split: str = "test", key: str = "methods") -> Section:
    """The confusion matrix of methods. Raises Unfit."""
    table = card_table(card, f"Methods, {split}")
    rows = list(Rows(table, ("true method", "faces")))
    labels = [column for column in table.columns if column not in ("true method", "faces")]
    drawn, right = [], []
    for row in rows:
        true = row.text("true method")
        count = row.count("faces")
        cells = [(row.number(label), _cell_words(names, true, label, row.number(label), count), label == true) for label in labels]
        drawn.append((f"{names.method(true)} ({count:,})", cells))
        hit = wilson(round((row.number(true) or 0.0) * count), count) if true in labels else None
        if hit is not None:
            right.append((hit, true, row))
    if not right:
        raise Unfit(f"The table “{table.title}” has no method that is also an answer.")
    weakest, name, row = min(right, key=lambda one: one[0].value)
    mistaken = max((label for label in labels if label != name), key=lambda label: row.number(label) or 0.0, default=name)
    says = (
        f"{len([one for one, *_ in right if one.value >= 0.9])} of {len(right)} are named rightly in at least 90 % of their faces. "
        f"Weakest is {names.method(name)}: {share_words(weakest)} named rightly, "
        f"{percent(row.number(mistaken) or 0.0)} taken for {names.method(mistaken)}."
    )
    columns = [names.method(label) for label in labels]
    figure = figures.heat_table("what it is (faces)", columns, drawn, 0.0, 1.0, "the right answer")
    return Section(key, says, figures.heat_key("never", "always", "the right answer") + figure, (table,))


def calibration(card: Card, names: Names) -> Section:
    """Reliability before and after, and the calibration error of each source. Raises Unfit."""
    table = card_table(card, "Reliability, test")
    rows = list(Rows(table, ("calibration", "faces", "confidence", "right")))
    drawn, errors = "", {}
    for state in ("before", "after"):
        bins = [
            Bin(row.count("faces"), row.number("confidence") or 0.0, right)
            for row in rows
            if row.text("calibration") == state and (right := row.estimate("right")) is not None
        ]
        if not bins:
            continue
        total = max(1, sum(one.faces for one in bins))
        errors[state] = sum(one.faces * abs(one.confidence - one.right.value) for one in bins) / total
        title = f"{state.capitalize()} calibration"
        label = f"{title}: the mean gap between confidence and share right is {percent(errors[state])} over {len(bins)} bins."
        drawn += plots.reliability(title, bins, label)
    if "after" not in errors:
        raise Unfit(f"The table “{table.title}” has no bins after calibration.")
    before = f" (before calibration {percent(errors['before'])})" if "before" in errors else ""
    says = f"Over all answers, confidence and share right lie {percent(errors['after'])} apart on average{before}. {_furthest(rows)}"
    tables: tuple[MeasuredTable, ...] = (table,)
    try:
        sources = card_table(card, "Calibration by source, test")
        drawn = f'<div class="tt-plots">{drawn}</div>{_error_by_source(sources, names)}'
        tables = (table, sources)
    except Unfit:
        drawn = f'<div class="tt-plots">{drawn}</div>'
    return Section("calibration", says, drawn, tables)


def coverage(card: Card, names: Names) -> Section:
    """Balanced accuracy against coverage, with the point of the threshold that was tuned. Raises Unfit."""
    table = card_table(card, "Risk and coverage, test")
    points = []
    for row in Rows(table, ("coverage", "balanced accuracy")):
        share, figure = row.number("coverage"), row.estimate("balanced accuracy")
        if share is not None and figure is not None:
            points.append(Point(share, figure))
    if len(points) < 2:
        raise Unfit(f"The table “{table.title}” has fewer than two points.")
    full = max(points, key=lambda point: point.coverage)
    says = f"When it answers for {percent(full.coverage)} of the faces, balanced accuracy is {share_words(full.figure)}. "
    marked, words = None, ""
    tables: tuple[MeasuredTable, ...] = (table,)
    try:
        tuned = card_table(card, "Abstention")
        row = next((one for one in Rows(tuned, ("split", "coverage", "balanced accuracy")) if one.text("split") == "test"), None)
        share, figure = (row.number("coverage"), row.estimate("balanced accuracy")) if row is not None else (None, None)
        if row is not None and share is not None and figure is not None:
            marked, words = Point(share, figure), f"{percent(figure.value)} at {percent(share)} answered"
            chosen_on = text.SPLITS.get(row.text("tuned on"), row.text("tuned on")) or "other faces"
            says += f"With the threshold chosen on {chosen_on}, it answers for {percent(share)} and reaches {share_words(figure)}."
        tables = (table, tuned)
    except Unfit:
        says += "A threshold chosen beforehand was not measured."
    try:
        by_family = card_table(card, "Abstention by family")
        own = [row for row in Rows(by_family, ("split", "family", "faces", "coverage", "right")) if row.text("split") == "test"]
        least = min(own, key=lambda row: row.number("coverage") or 0.0, default=None)
        if least is not None:
            right = least.estimate("right")
            says += (
                f" Least answered is {names.family(least.text('family')).lower()}: {percent(least.number('coverage') or 0.0)} of its faces"
            )
            says += f", {share_words(right)} of these rightly." if right is not None else "."
        tables = (*tables, by_family)
    except Unfit:
        pass
    label = f"{says} The curve holds {len(points)} points."
    return Section("coverage", says, f'<div class="tt-plots">{plots.coverage_curve("", points, marked, words, label)}</div>', tables)


def _furthest(rows: list[Row]) -> str:
    """The bin after calibration that lies furthest from the diagonal, of those that hold enough faces to say so."""
    bins = [row for row in rows if row.text("calibration") == "after" and row.count("faces") >= _FEWEST_FACES and row.estimate("right")]
    if not bins:
        return ""
    row = max(bins, key=lambda one: abs((one.number("confidence") or 0.0) - (one.number("right") or 0.0)))
    confidence, right = row.number("confidence") or 0.0, row.estimate("right")
    assert right is not None
    inside = right.low is not None and right.high is not None and right.low <= confidence <= right.high
    more = "no more than chance would give" if inside else "more sure than right" if confidence > right.value else "more right than sure"
    return (
        f"The largest gap of a bin with at least {_FEWEST_FACES} faces: said {percent(confidence)}, right {share_words(right)} "
        f"of {faces(row.count('faces'))}, {more}."
    )


def _error_by_source(table: MeasuredTable, names: Names) -> str:
    rows = [row for row in Rows(table, ("family", "source", "faces", "ECE before", "ECE after")) if row.number("ECE after") is not None]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no rows.")
    pairs = [(row, row.number("ECE before"), row.number("ECE after") or 0.0) for row in rows]
    axis = figures.axis_over([Estimate(value) for _, before, after in pairs for value in (before, after) if value is not None])
    lines = []
    for row, before, after in sorted(pairs, key=lambda pair: -pair[2]):
        dots = [Dot(Estimate(before), hollow=True)] if before is not None else []
        name = f"{names.family(row.text('family'))}: {names.source(row.text('source'))} ({row.count('faces'):,})"
        said = f"{percent(before)} → {percent(after)}" if before is not None else percent(after)
        lines.append(Line(name, (figures.plot(axis, [*dots, Dot(Estimate(after))]), figures.words(said, "gap"))))
    legend = figures.key([("tt-dot tt-accent tt-hollow", "before calibration"), ("tt-dot tt-accent", "after calibration")])
    drawn = figures.chart(("mean gap (expected calibration error)", ""), lines, (figures.ticks(axis), "<span></span>"))
    return f'<details class="tt-fold"><summary>Calibration error, source by source ({len(rows)})</summary>{legend}{drawn}</details>'


def _cell_words(names: Names, true: str, label: str, value: float | None, count: int) -> str:
    if value is None:
        return "not measured"
    return f"{names.method(true)}, answered {names.method(label)}: {share_words(wilson(round(value * count), count))} of {faces(count)}"
