"""The section on identity leakage: what a linear probe reads of the person from each detector's features, and how well the same detectors
do on faces from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.detectors.card import Card, MeasuredTable
from attribution.detectors.tables import Estimate, Row, Rows, Unfit, figure_words, percent, share_words
from attribution.measured import figures
from attribution.measured.claim import (
    CROSS,
    CROSS_DIFFERENCES,
    PROBE,
    PROBE_DIFFERENCES,
    claim,
    is_in_source,
    is_own,
    is_plain,
    own_differences,
    probes,
    said,
)
from attribution.measured.figures import Axis, Dot, Line
from attribution.measured.sections import Names, Section, card_table, listed
from attribution.text import swap_limits as text

_REDUCED = " components of "


def identity(card: Card, names: Names) -> Section:
    """The claim in plain words, the probes with chance and the commonest person marked, the AUC elsewhere, and the paired differences; what
    of it was not measured is said. Raises Unfit when nothing of it was."""
    parts: list[tuple[str, str, MeasuredTable]] = []
    unfit: Unfit | None = None
    for make in (_probe_chart, lambda one: _auc_chart(one, names), _probe_differences, lambda one: _auc_differences(one, names)):
        try:
            parts.append(make(card))
        except Unfit as problem:
            unfit = unfit or problem
    if not parts:
        raise unfit or Unfit(f"The table “{PROBE}” has no rows.")
    says = " ".join(filter(None, (claim(card).sentence, *(words for words, _, _ in parts))))
    drawn = "".join(f'<div class="tt-figure-part">{one}</div>' for _, one, _ in parts)
    return Section("identity", says, drawn, tuple(table for *_, table in parts))


def _probe_chart(card: Card) -> tuple[str, str, MeasuredTable]:
    table, found = card_table(card, PROBE), probes(card)
    marks = [mark for one in found for mark in (one.chance, one.commonest) if mark is not None]
    wide = figures.axis_over([*(one.accuracy for one in found), *map(Estimate, marks)])
    lines = []
    for is_reduced in (False, True):
        own = [one for one in found if (_REDUCED in one.features) == is_reduced]
        lines += [Line(text.REDUCED, (), head=True)] if is_reduced and own else []
        for one in own:
            axis = Axis(0.0, wide.high, True, one.chance, one.commonest)
            name = capital(f"{said(one.detector)} ({one.features})" if one.features else said(one.detector))
            lines.append(Line(name, (figures.plot(axis, [Dot(one.accuracy)]), figures.words(share_words(one.accuracy), "named"))))
    # The first features of a detector are the ones that detectors are compared by.
    first = {one.detector: one for one in reversed(found)}
    ranked = sorted(first.values(), key=lambda one: one.accuracy.value)
    least, most, known = ranked[0], ranked[-1], found[0]
    chance = f"{text.CHANCE} {percent(known.chance)}" if known.chance is not None else text.CHANCE
    commonest = f"{text.COMMONEST} {percent(known.commonest)}" if known.commonest is not None else text.COMMONEST
    words = (text.PROBE_SAYS if len(ranked) > 1 else text.ONE_PROBE_SAYS).format(
        persons=f"{known.persons:,}", pictures=f"{known.pictures:,}", least=said(least.detector), low=share_words(least.accuracy),
        most=said(most.detector), high=share_words(most.accuracy), chance=chance, commonest=commonest,
    )  # fmt: skip
    legend = figures.key([("tt-chance", chance), ("tt-second-mark", commonest)])
    drawn = figures.chart((text.PROBE_HEAD, ""), lines, (figures.ticks(wide), "<span></span>"))
    return words, f"<h4>{text.PROBE_TITLE}</h4>{legend}{drawn}", table


def _auc_chart(card: Card, names: Names) -> tuple[str, str, MeasuredTable]:
    table = card_table(card, CROSS)
    detectors = [column for column in table.columns if column not in ("cases", "faces", "low", "high")]
    rows = [row for row in Rows(table, ("cases",)) if any(row.number(name) is not None for name in detectors)]
    if not rows:
        raise Unfit(f"The table “{table.title}” has no AUC.")
    axis = figures.axis_around([one for row in rows for name in detectors if (one := row.estimate(name)) is not None])
    # This detector is drawn last, above the others.
    kinds = {name: _kind(name, card) for name in sorted(detectors, key=lambda name: is_own(name, card))}
    lines, best = [], dict.fromkeys(detectors, 0)
    for row in rows:
        known = {name: one for name in detectors if (one := row.estimate(name)) is not None}
        dots = [Dot(known[name], kind.endswith("hollow"), kind.split()[0]) for name, kind in kinds.items() if name in known]
        words = " / ".join(f"{known[name].value:.2f}" if name in known else "–" for name in detectors)
        lines.append(Line(_cases(row, names), (figures.plot(axis, dots), figures.words(words, "AUC"))))
        if not is_in_source(row.text("cases")):
            best[max(known, key=lambda name: known[name].value)] += 1
    legend = figures.key([(f"tt-dot {' '.join(f'tt-{word}' for word in kinds[name].split())}", said(name)) for name in detectors])
    drawn = figures.chart(("AUC", text.IN_ORDER), lines, (figures.ticks(axis), "<span></span>"))
    count = sum(best.values())
    won = listed([f"{said(name)} on {times}" for name, times in sorted(best.items(), key=lambda pair: -pair[1])])
    words = text.AUC_SAYS.format(sets="1 set" if count == 1 else f"{count} sets", best=won) if count else ""
    return words, f"<h4>{text.AUC_TITLE}</h4>{legend}{drawn}", table


def _kind(detector: str, card: Card) -> str:
    """How a detector's dot is drawn."""
    return "accent" if is_own(detector, card) else "accent hollow" if is_plain(detector) else "other"


def _probe_differences(card: Card) -> tuple[str, str, MeasuredTable]:
    """Those of this detector from the others; the others' among themselves stand in the table."""
    lines = [(capital(said(other)), one) for other, one in own_differences(card)]
    if not lines:
        raise Unfit(f"The table “{PROBE_DIFFERENCES}” has no difference from this detector.")
    return "", _difference_chart(text.PROBE_DIFFERENCE_TITLE, lines, True), card_table(card, PROBE_DIFFERENCES)


def _auc_differences(card: Card, names: Names) -> tuple[str, str, MeasuredTable]:
    table = card_table(card, CROSS_DIFFERENCES)
    rows = Rows(table, ("cases", "difference"))
    lines = [(_cases(row, names), one) for row in rows if (one := row.estimate("difference")) is not None]
    if not lines:
        raise Unfit(f"The table “{CROSS_DIFFERENCES}” has no difference.")
    return "", _difference_chart(text.AUC_DIFFERENCE_TITLE, lines, False), table


def _difference_chart(title: str, found: Sequence[tuple[str, Estimate]], shares: bool) -> str:
    axis, words_of = figures.axis_around([one for _, one in found], 0.0, shares), share_words if shares else figure_words
    lines = [
        Line(name, (figures.plot(axis, [Dot(one, one.includes_zero)]), figures.words(words_of(one), "difference"))) for name, one in found
    ]
    drawn = figures.chart(("difference", ""), lines, (figures.ticks(axis), "<span></span>"))
    legend = figures.key([("tt-dot tt-accent", text.SHOWN), ("tt-dot tt-accent tt-hollow", text.NOT_SHOWN)])
    return f"<h4>{title}</h4>{legend}{drawn}"


def _cases(row: Row, names: Names) -> str:
    """`landmark_swap, other collections` as `Landmark face swap, other collections (412)`."""
    method, comma, place = row.text("cases").partition(", ")
    count = f" ({row.count('faces'):,})" if row.count("faces") else ""
    return capital(f"{names.method(method)}{comma}{place}{count}")


def capital(words: str) -> str:
    """With a capital; but a detector's own name is written as it is."""
    return words if words.startswith("telltale-") else words[:1].upper() + words[1:]
