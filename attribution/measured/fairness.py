"""Sections about whom and what the loaded detector fails: errors by groups of faces, and the cues that could make it right for the wrong
reason."""

from __future__ import annotations

import html

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, difference, percent, share_inline, share_words
from attribution.measured import figures
from attribution.measured.figures import Axis, Dot, Line
from attribution.measured.sections import Section, card_table, listed
from attribution.text import limits as text

# Groups of fewer faces are drawn, but not compared in words: their intervals say nothing.
FEWEST_FACES = 30


def errors_by(card: Card, key: str) -> Section:
    """Errors by `lightness` or by `size` of the face. Raises Unfit."""
    table = card_table(card, f"Errors by {key} of the face")
    rows = list(Rows(table, ("split", "group", "untouched", "accused", "manipulated", "cleared", "inconclusive")))
    kinds = (("accused", "untouched", "accused"), ("cleared", "manipulated", "passed"))
    measured = [one for row in rows for kind, *_ in kinds if (one := row.estimate(kind)) is not None]
    axis = figures.axis_over(measured or [Estimate(1.0)])
    drawn, says = "", ""
    for split in dict.fromkeys(row.text("split") for row in rows):
        own = [row for row in rows if row.text("split") == split]
        place = text.SPLITS.get(split, split)
        lines = []
        for row in own:
            cells = []
            for kind, count, done in kinds:
                one = row.estimate(kind)
                cells += [
                    figures.plot(axis, [Dot(one, kind=kind)] if one else []),
                    figures.words(f"{share_words(one)} of {row.count(count):,}" if one else "no faces", done),
                ]
            silent = row.number("inconclusive")
            cells.append(figures.counted(percent(silent) if silent is not None else "–", "inconclusive", before=True))
            lines.append(Line(row.text("group"), tuple(cells)))
        feet = (figures.ticks(axis), "<span></span>", figures.ticks(axis), "<span></span>", "<span></span>")
        drawn += f"<h4>{html.escape(place[:1].upper() + place[1:])}</h4>"
        drawn += figures.chart(("untouched, accused", "", "manipulated, passed", "", "inconclusive"), lines, feet)
    for kind, kept, done in kinds:
        found = _gaps([row for row in rows if row.count(kept) >= FEWEST_FACES], kind)
        says += f"{kept.capitalize()} faces {done}: {found}. " if found else ""
    tables = [table]
    try:
        within = card_table(card, f"Errors by {key}, within sources")
        said, chart = _within(within)
        says, drawn = says + said, drawn + chart
        tables.append(within)
    except Unfit:
        pass
    return Section(key, says.strip(), drawn, tuple(tables))


def shortcuts(card: Card) -> Section:
    """What a probe guesses from one cue alone. Raises Unfit."""
    table = card_table(card, "Shortcuts")
    found = []
    for row in Rows(table, ("cue", "balanced accuracy", "chance")):
        one, chance = row.estimate("balanced accuracy"), row.number("chance")
        if one is not None and chance is not None:
            found.append((row.text("cue"), one, chance))
    if not found:
        raise Unfit(f"The table “{table.title}” has no measured cue.")
    axis = figures.axis_over([one for _, one, _ in found], max(chance for *_, chance in found))
    lines = [
        Line(
            cue,
            (
                figures.plot(Axis(axis.low, axis.high, True, chance), [Dot(one)]),
                figures.words(f"{share_words(one)}, chance {percent(chance)}"),
            ),
        )
        for cue, one, chance in found
    ]
    beyond = [(cue, one, chance) for cue, one, chance in found if (one.low if one.low is not None else one.value) > chance]
    if beyond:
        cue, one, chance = max(beyond, key=lambda probe: probe[1].value - probe[2])
        says = f"{len(beyond)} of {len(found)} probes beat chance; the furthest is {cue}: {share_words(one)}, chance {percent(chance)}. "
        rest = [name for name, *_ in found if name not in {name for name, *_ in beyond}]
        says += f"Not shown to beat chance: {listed(rest)}." if rest else "None is left at chance."
    else:
        says = "No probe was shown to beat chance: every interval reaches it."
    feet = (figures.ticks(axis), "<span></span>")
    return Section("shortcuts", says, figures.chart(("balanced accuracy", ""), lines, feet), (table,))


def _within(table: MeasuredTable) -> tuple[str, str]:
    """The sentence on, and the chart of, darker less lighter half of each source, which takes differences between sources out."""
    known = [(row, one) for row in Rows(table, ("split", "figure", "difference")) if (one := row.estimate("difference")) is not None]
    if not known:
        raise Unfit(f"The table “{table.title}” has no measured difference.")
    axis = figures.axis_around([one for _, one in known], 0.0, True)
    lines, shown = [], []
    for row, one in known:
        what = text.KEYS.get(row.text("figure"), row.text("figure"))
        name = f"{what}, {text.SPLITS.get(row.text('split'), row.text('split'))}"
        said = f"{share_words(one)}{': no difference shown' if one.includes_zero else ''}"
        lines.append(Line(name, (figures.plot(axis, [Dot(one)]), figures.words(said))))
        if not one.includes_zero:
            shown.append(f"{name} ({share_inline(one)})")
    says = (
        f"Within one source darker and lighter faces differ in {listed(shown)}."
        if shown
        else "Within one source no difference between darker and lighter faces was shown."
    )
    title = "Within one source: its darker half less its lighter half"
    return says, f"<h4>{title}</h4>{figures.chart(('difference', ''), lines, (figures.ticks(axis), '<span></span>'))}"


def _gaps(rows: list[Row], kind: str) -> str:
    """Between which groups of each split the error differs, and where the interval of the largest difference includes zero."""
    shown, not_shown = [], []
    for split in dict.fromkeys(row.text("split") for row in rows):
        own = [row for row in rows if row.text("split") == split]
        known = [(one, row.text("group")) for row in own if (one := row.estimate(kind)) is not None]
        if len(known) < 2:
            continue
        (high, at_high), (low, at_low) = max(known, key=lambda one: one[0].value), min(known, key=lambda one: one[0].value)
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
