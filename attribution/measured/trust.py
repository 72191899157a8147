"""Sections about how far a detector can be trusted: the method that it names, calibration, abstention; errors by groups of faces, and the
cues that could make it right for the wrong reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import (
    Estimate,
    Row,
    Rows,
    Unfit,
    difference,
    percent,
    share_inline,
    share_words,
    wilson,
)
from attribution.measured import figures
from attribution.measured.figures import Bin, Dot, DotLine, HeatCell, Line, Point, axis_over, dot_chart, draw, key, plots
from attribution.measured.section import Section, Subject, attempt, faces, known
from attribution.text import limits as text
from attribution.text.numbers import listed

_FEWEST_IN_BIN = 20
# Groups of fewer faces are drawn, but not compared in words: their intervals say nothing.
FEWEST_FACES = 30
_KINDS = (("accused", "untouched", "accused"), ("cleared", "manipulated", "passed"))


def methods(at: Subject, split: str = "test") -> Section:
    """The confusion matrix of methods. Raises Unfit."""
    table = at.table(f"Methods, {split}")
    labels = [column for column in table.columns if column not in ("true method", "faces")]
    drawn, right = [], []
    for row in Rows(table, ("true method", "faces")):
        true, count = row.text("true method"), row.count("faces")
        cells = [
            HeatCell(
                share,
                f"{at.method(true)}, answered {at.method(label)}: {share_words(wilson(round(share * count), count))} of {faces(count)}",
                label == true,
            )
            if (share := row.number(label)) is not None
            else HeatCell(None)
            for label in labels
        ]
        drawn.append((f"{at.method(true)} ({count:,})", cells))
        hit = wilson(round((row.number(true) or 0.0) * count), count) if true in labels else None
        if hit is not None:
            right.append((hit, true, row))
    if not right:
        raise Unfit(f"The table “{table.title}” has no method that is also an answer.")
    weakest, name, row = min(right, key=lambda one: one[0].value)
    mistaken = max((label for label in labels if label != name), key=lambda label: row.number(label) or 0.0, default=name)
    says = (
        f"{len([one for one, *_ in right if one.value >= 0.9])} of {len(right)} are named rightly in at least 90 % of their faces. "
        f"Weakest is {at.method(name)}: {share_words(weakest)} named rightly, "
        f"{percent(row.number(mistaken) or 0.0)} taken for {at.method(mistaken)}."
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
            label = f"{title}: the mean gap between confidence and share right is {percent(errors[state])} over {len(bins)} bins."
            drawn.append(figures.reliability(title, bins, label))
    if "after" not in errors:
        raise Unfit(f"The table “{table.title}” has no bins after calibration.")
    before = f" (before calibration {percent(errors['before'])})" if "before" in errors else ""
    says = f"Over all answers, confidence and share right lie {percent(errors['after'])} apart on average{before}. "
    large = [pair for pair in rows if pair[0].text("calibration") == "after" and pair[0].count("faces") >= _FEWEST_IN_BIN]
    if large:
        row, right = max(large, key=lambda pair: abs((pair[0].number("confidence") or 0.0) - pair[1].value))
        said = row.number("confidence") or 0.0
        inside = right.low is not None and right.high is not None and right.low <= said <= right.high
        more = "no more than chance would give" if inside else "more sure than right" if said > right.value else "more right than sure"
        says += f"The largest gap of a bin with at least {_FEWEST_IN_BIN} faces: said {percent(said)}, right {share_words(right)} "
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
        said = " → ".join(percent(value) for value in (before, after.value) if value is not None)
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
    if len(points) < 2:
        raise Unfit(f"The table “{table.title}” has fewer than two points.")
    full = max(points, key=lambda point: point.coverage)
    says = f"When it answers for {percent(full.coverage)} of the faces, balanced accuracy is {share_words(full.figure)}. "
    marked, words = None, ""
    tuned = attempt(lambda: _of_test(at, "Abstention", "coverage", "balanced accuracy"))
    if tuned is None:
        says += "A threshold chosen beforehand was not measured."
    else:
        tables.append(tuned[0])
        for row in tuned[1][:1]:
            share, figure = row.number("coverage"), row.estimate("balanced accuracy")
            if share is not None and figure is not None:
                marked, words = Point(share, figure), f"{percent(figure.value)} at {percent(share)} answered"
                chosen_on = text.SPLITS.get(row.text("tuned on"), row.text("tuned on")) or "other faces"
                says += f"With the threshold chosen on {chosen_on}, it answers for {percent(share)} and reaches {share_words(figure)}."
    by_family = attempt(lambda: _of_test(at, "Abstention by family", "family", "faces", "coverage", "right"))
    if by_family is not None:
        tables.append(by_family[0])
        for row in sorted(by_family[1], key=lambda row: row.number("coverage") or 0.0)[:1]:
            right = row.estimate("right")
            says += f" Least answered is {at.family(row.text('family')).lower()}: {percent(row.number('coverage') or 0.0)} of its faces"
            says += f", {share_words(right)} of these rightly." if right is not None else "."
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
    axis = axis_over([one for row in rows for kind, *_ in _KINDS if (one := row.estimate(kind)) is not None])
    drawn, says = Markup(), ""
    for split in dict.fromkeys(row.text("split") for row in rows):
        lines = []
        for row in (row for row in rows if row.text("split") == split):
            cells = []
            for kind, count, done in _KINDS:
                one = row.estimate(kind)
                said = f"{share_words(one)} of {row.count(count):,}" if one else "no faces"
                cells += [plots(axis, one, kind=kind), draw.words(said, done)]
            silent = row.number("inconclusive")
            lines.append(
                Line(row.text("group"), (*cells, draw.counted(percent(silent) if silent is not None else "–", "inconclusive", True)))
            )
        columns = ("untouched, accused", "", "manipulated, passed", "", "inconclusive")
        place = text.SPLITS.get(split, split)
        drawn += draw.titled(place[:1].upper() + place[1:], draw.chart(columns, lines, (axis, None, axis, None, None)))
    for kind, kept, done in _KINDS:
        found = _gaps([row for row in rows if row.count(kept) >= FEWEST_FACES], kind)
        says += f"{kept.capitalize()} faces {done}: {found}. " if found else ""
    within = attempt(lambda: _within(at.table(f"Errors by {what}, within sources")))
    if within is None:
        return Section(says.strip(), drawn, (table,))
    return Section(says + within.says, drawn + within.figure, (table, *within.tables))


def _within(table: MeasuredTable) -> Section:
    """Darker less lighter half of each source, which takes differences between sources out."""
    rows, lines, shown = known(table, ("split", "figure"), "difference"), [], []
    for row, one in rows:
        name = f"{text.KEYS.get(row.text('figure'), row.text('figure'))}, {text.SPLITS.get(row.text('split'), row.text('split'))}"
        lines.append(DotLine(name, [Dot(one)], f"{share_words(one)}{': no difference shown' if one.includes_zero else ''}"))
        shown += [] if one.includes_zero else [f"{name} ({share_inline(one)})"]
    says = (
        f"Within one source darker and lighter faces differ in {listed(shown)}."
        if shown
        else "Within one source no difference between darker and lighter faces was shown."
    )
    chart = dot_chart("difference", lines, figures.axis_around([one for _, one in rows], 0.0, True))
    return Section(says, draw.titled("Within one source: its darker half less its lighter half", chart), (table,))


def _gaps(rows: Sequence[Row], kind: str) -> str:
    """Between which groups of each split the error differs, and where the interval of the largest difference includes zero."""
    shown, not_shown = [], []
    for split in dict.fromkeys(row.text("split") for row in rows):
        own = [row for row in rows if row.text("split") == split]
        ranked = sorted(((one, row.text("group")) for row in own if (one := row.estimate(kind)) is not None), key=lambda one: one[0].value)
        if len(ranked) < 2:
            continue
        (low, at_low), (high, at_high) = ranked[0], next(one for one in ranked if one[0].value == ranked[-1][0].value)
        gap, place = difference(high, low), text.SPLITS.get(split, split)
        if gap is None:
            shown.append(f"on {place} {percent(low.value)} (“{at_low}”) to {percent(high.value)} (“{at_high}”), without an interval")
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
    if not found:
        raise Unfit(f"The table “{table.title}” has no measured cue.")
    axis = axis_over([one for _, one, _ in found], max(chance for *_, chance in found))
    lines = [
        DotLine(cue, [Dot(one)], f"{share_words(one)}, chance {percent(chance)}", replace(axis, mark=chance)) for cue, one, chance in found
    ]
    beyond = [(cue, one, chance) for cue, one, chance in found if (one.low if one.low is not None else one.value) > chance]
    says = "No probe was shown to beat chance: every interval reaches it."
    if beyond:
        cue, one, chance = max(beyond, key=lambda probe: probe[1].value - probe[2])
        says = f"{len(beyond)} of {len(found)} probes beat chance; the furthest is {cue}: {share_words(one)}, chance {percent(chance)}. "
        rest = [name for name, *_ in found if name not in {name for name, *_ in beyond}]
        says += f"Not shown to beat chance: {listed(rest)}." if rest else "None is left at chance."
    return Section(says, dot_chart("balanced accuracy", lines, replace(axis, mark=None)), (table,))
