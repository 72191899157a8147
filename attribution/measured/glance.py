"""All detectors at once: the whole matrix as small heat tables, and what a second source buys and costs."""

from __future__ import annotations

import html
from collections.abc import Sequence

from attribution.detectors.tables import Estimate, Unfit, figure_words
from attribution.measured import figures
from attribution.measured.choosers import ANY, Chooser, Panels
from attribution.measured.figures import Dot, Line
from attribution.measured.sections import Section, study_table
from attribution.measured.study import Study
from attribution.measured.transfer import BASE, KNOWN, SHIPPED, VARIANTS, Cell, cells, means
from attribution.measured.zeroshot import COIN, MEAN, Names, capital, decided, gap_of, moved, ordered, over, rows
from attribution.text import failures as text

_COST = ("detector", "variant", "trained on", "on", "difference")


def glance(study: Study, names: Names) -> Section:
    """Every detector, every training, every source. Raises Unfit."""
    every, variants = cells(study), {name: number for number, name in enumerate(text.VARIANTS)}
    tested = ordered((one.tested_on for one in every), names.sources)
    there = [name for name in VARIANTS if any(one.variant == name for one in every)] or [SHIPPED]
    options = [(variants[name], text.VARIANTS[name]) for name in there]
    panels = Panels([Chooser("variant", text.CHOOSE_VARIANT, options, variants[there[0]])])
    for variant in there if there != [SHIPPED] else []:
        own = [one for one in every if one.variant == variant]
        drawn = "".join(
            _small(names.detector(detector), [one for one in own if one.detector == detector], tested, names)
            for detector in ordered((one.detector for one in own), names.detectors)
        )
        panels.add((variants[variant],), "", f'<div class="tt-smalls">{drawn}</div>')
    shipped = [one for one in every if one.variant == SHIPPED and one.detector in names.detectors]
    if shipped:
        panels.add((ANY,), "", f'<div class="tt-smalls">{_small(capital(text.SHIPPED), shipped, tested, names)}</div>')
    tables = (study_table(study, "detectors"),) if "detectors" in study.tables else ()
    return Section("glance", _glance_says(study, names), panels.part("glance", _key()), tables)


def _key() -> str:
    """What colour, hatching and outlines mean."""
    steps = "".join(f'<i class="tt-level-{level}"></i>' for level in range(0, figures.HEAT_LEVELS + 1, 2))
    return (
        f'<ul class="tt-key"><li>0.5<span class="tt-steps">{steps}</span>1.0</li><li><i class="tt-coin-cell"></i>{text.COIN}</li>'
        f'<li><i class="tt-outlined"></i>{text.RELATIONS[KNOWN].lower()}</li>'
        f'<li><i class="tt-added"></i>{text.RELATIONS["added"].lower()}</li></ul>'
    )


def _small(title: str, own: Sequence[Cell], tested: Sequence[str], names: Names) -> str:
    """The heat table of one detector, or of the shipped ones: a row for each training."""
    head = "".join(f'<th scope="col"><span>{html.escape(names.source(name))}</span></th>' for name in tested)
    by_row: dict[str, dict[str, Cell]] = {}
    for one in own:
        row = names.source(one.trained_on) if one.trained_on else capital(names.detector(one.detector))
        by_row.setdefault(row, {})[one.tested_on] = one
    places = {names.source(name): number for number, name in enumerate(names.sources)}
    body = ""
    for name in sorted(by_row, key=lambda name: places.get(name, -1)):
        line = "".join(_cell(by_row[name].get(source)) for source in tested)
        body += f'<tr><th scope="row">{html.escape(name)}</th>{line}</tr>'
    table = (
        f'<table class="tt-heat tt-small-heat"><thead><tr><th scope="col">{text.TESTED_CORNER}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    return f"<figure><figcaption>{html.escape(capital(title))}</figcaption>{figures.scrolled(table, title)}</figure>"


def _cell(one: Cell | None) -> str:
    if one is None:
        return '<td class="tt-none">–</td>'
    value = one.auc.value
    shown = "1" if value >= 0.995 else f"{value:.2f}"[1:]
    mark = {KNOWN: " tt-outlined", "added": " tt-added"}.get(one.relation, "")
    heard = f'<span class="tt-heard"> ({one.relation})</span>' if mark else ""
    if decided(one.auc, COIN) <= 0:
        return f'<td class="tt-coin-cell{mark}">({shown}){heard}</td>'
    level = round(figures.HEAT_LEVELS * min(max((value - COIN) / (1 - COIN), 0.0), 1.0))
    return f'<td class="tt-level-{level}{mark}">{shown}{heard}</td>'


def _glance_says(study: Study, names: Names) -> str:
    found = means(study)
    drops = [(name, found[name, BASE, "drop"]) for name in names.detectors if (name, BASE, "drop") in found]
    if not drops:
        raise Unfit(f"The table “{study_table(study, 'summary').title}” has no drop.")
    (least, low), *_, (most, high) = sorted([*drops, drops[0]] if len(drops) == 1 else drops, key=lambda pair: pair[1].value)
    shown = sum(decided(one) > 0 for _, one in drops)
    if len(drops) == 1:
        said = text.ONE_DROP.format(most=names.detector(most), high=figure_words(high), shown="shown" if shown else "not shown")
    else:
        ends = {"least": names.detector(least), "low": figure_words(low), "most": names.detector(most), "high": figure_words(high)}
        said = text.DROPS.format(shown=shown, count=len(drops), **ends)
    parts = [
        text.SHIPPED_PART.format(
            detector=names.detector(name),
            known=figure_words(found.get((name, SHIPPED, "AUC trained on"))),
            never=figure_words(found.get((name, SHIPPED, "AUC never seen"))),
        )
        for name in names.detectors
        if (name, SHIPPED, "AUC trained on") in found or (name, SHIPPED, "AUC never seen") in found
    ]
    return f"{said} {text.SHIPPED_SAYS.format(parts='; '.join(parts)) if parts else text.NO_SHIPPED}"


def cost(study: Study, names: Names) -> Section:
    """What a second source changes on the new source, the old one, and those never seen. Raises Unfit."""
    found: dict[tuple[str, str, str], Estimate] = {}
    for row in rows(study, "cost", _COST):
        gap = gap_of(row)
        if gap is not None and row.text("trained on") == MEAN and row.text("on") in text.ON:
            found[row.text("detector"), row.text("variant"), row.text("on")] = gap
    known = [name for name in names.detectors if any((name, variant, on) in found for variant in ("top", "all") for on in text.ON)]
    if not known:
        raise Unfit(f"The table “{study_table(study, 'cost').title}” has no mean of a detector.")
    mean = {
        (variant, on): over([found[name, variant, on].value for name in known if (name, variant, on) in found])
        for variant in ("top", "all")
        for on in text.ON
    }
    axis = figures.axis_around([*found.values(), *filter(None, mean.values())], 0.0)
    lines = []
    for on, words in text.ON.items():
        lines.append(Line(words, (), head=True))
        pairs = [(names.detector(name), found.get((name, "top", on)), found.get((name, "all", on))) for name in known]
        for name, top, every in [*pairs, (text.OVER_DETECTORS, mean["top", on], mean["all", on])]:
            kind = "other" if name == text.OVER_DETECTORS else "accent"
            dots = [*([Dot(top, True, kind)] if top else []), *([Dot(every, False, kind)] if every else [])]
            said = f"{figure_words(top)} / {figure_words(every)}"
            lines.append(Line(capital(name), (figures.plot(axis, dots), figures.words(said, text.COST_WORDS))))
    legend = figures.key([("tt-dot tt-accent tt-hollow", text.TOP_DOT), ("tt-dot tt-accent", text.ALL_DOT)])
    drawn = legend + figures.chart((text.COST_HEAD, text.COST_WORDS), lines, (figures.ticks(axis), "<span></span>"))
    return Section("cost", _cost_says(mean), f'<div class="tt-wide-words">{drawn}</div>', (study_table(study, "cost"),))


def _cost_says(mean: dict[tuple[str, str], Estimate | None]) -> str:
    said = {
        f"{variant}_{short}": moved(mean[variant, on], text.NOT_MEASURED)
        for variant in ("top", "all")
        for short, on in (("new", "new"), ("old", "old"), ("never", "never seen"))
    }
    signs = [decided(one) for variant in ("top", "all") if (one := mean[variant, "never seen"]) is not None]
    verdict = "" if not signs else text.CARRIES_FURTHER if min(signs) > 0 else text.CARRIES_NO_FURTHER if max(signs) <= 0 else ""
    return f"{text.COST_SAYS.format(**said)} {text.COST_NEVER.format(top=said['top_never'], all=said['all_never'], verdict=verdict)}"
