"""How far it carries: the means in short, one training at a time as bars from the coin, and the whole matrix as small heat tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from attribution.detectors.tables import Estimate, Unfit, figure_words
from attribution.measured import figures
from attribution.measured.choosers import ANY, Chooser, Panels
from attribution.measured.figures import Axis, Dot, Line
from attribution.measured.sections import Section, study_table
from attribution.measured.study import Study
from attribution.measured.zeroshot import COIN, Names, auc_of, capital, count_of, decided, minus, ordered, over, rows, sound
from attribution.text import failures as text

BASE, SHIPPED = "base", "shipped"
VARIANTS = (BASE, "top", "all")
KNOWN, ADDED, NEVER = "trained on", "added", "never seen"
_MATRIX = ("detector", "variant", "trained on", "tested on", "relation", "AUC")
_SUMMARY = ("detector", "variant", "figure", "value")
_AUC_KNOWN, _AUC_NEVER, _DROP = "AUC trained on", "AUC never seen", "drop"


@dataclass(frozen=True)
class Cell:
    """What one training says of one source. A shipped detector has one training: `trained_on` is empty."""

    detector: str
    variant: str
    trained_on: str
    added: str
    tested_on: str
    relation: str
    faces: int
    auc: Estimate


def cells(study: Study) -> list[Cell]:
    """Every sound cell of the matrix. Raises Unfit when there is none."""
    found = []
    for row in rows(study, "matrix", _MATRIX):
        auc, variant = auc_of(row), row.text("variant")
        if auc is None or row.text("relation") not in text.RELATIONS or variant not in text.VARIANTS:
            continue
        trained_on = "" if variant == SHIPPED else row.text("trained on")
        place = (row.text("detector"), variant, trained_on, row.text("added"), row.text("tested on"), row.text("relation"))
        found.append(Cell(*place, count_of(row, "faces") or 0, auc))
    if not found:
        raise Unfit(f"The table “{study_table(study, 'matrix').title}” has no AUC.")
    return found


def means(study: Study) -> dict[tuple[str, str, str], Estimate]:
    """The summary by (detector, variant, figure). Raises Unfit when it holds nothing."""
    found = {}
    for row in rows(study, "summary", _SUMMARY):
        one = sound(row.estimate("value"), -1.0 if row.text("figure") == _DROP else 0.0)
        if one is not None:
            found[row.text("detector"), row.text("variant"), row.text("figure")] = one
    if not found:
        raise Unfit(f"The table “{study_table(study, 'summary').title}” has no figure.")
    return found


def short(study: Study, names: Names) -> Section:
    """The conclusion in two sentences, with the means that it rests on. Raises Unfit."""
    found = means(study)
    own = [name for name in names.detectors if (name, BASE, _AUC_KNOWN) in found and (name, BASE, _AUC_NEVER) in found]
    if not own:
        raise Unfit(f"The table “{study_table(study, 'summary').title}” has no detector that was trained on one source.")
    known, never = (over([found[name, BASE, figure].value for name in own], 0.0) for figure in (_AUC_KNOWN, _AUC_NEVER))
    assert never is not None
    drop = over([found[name, BASE, _AUC_KNOWN].value - found[name, BASE, _AUC_NEVER].value for name in own])
    assert drop is not None
    says = f"{text.KNOWN_FIRST.format(known=figure_words(known), never=figure_words(never))} {_conclusion(drop, never)}"
    lines = []
    shipped = [name for name in names.detectors if (name, SHIPPED, _AUC_KNOWN) in found or (name, SHIPPED, _AUC_NEVER) in found]
    axis = figures.axis_around([one for key, one in found.items() if key[2] != _DROP], COIN)
    for name, variant in [*((name, BASE) for name in own), *((name, SHIPPED) for name in shipped)]:
        first, second = found.get((name, variant, _AUC_KNOWN)), found.get((name, variant, _AUC_NEVER))
        dots = [*([Dot(second, hollow=True)] if second else []), *([Dot(first)] if first else [])]
        words = f"{_value(first)} / {figure_words(second)}"
        lines.append(Line(capital(names.detector(name)), (figures.plot(axis, dots), figures.words(words, text.MEANS_WORDS))))
    legend = figures.key([("tt-dot tt-accent", text.KNOWN_DOT), ("tt-dot tt-accent tt-hollow", text.NEVER_DOT)])
    drawn = legend + figures.chart((text.MEANS_HEAD, text.MEANS_WORDS), lines, (figures.ticks(axis), "<span></span>"))
    return Section("short", says, drawn, (study_table(study, "summary"),))


def _conclusion(drop: Estimate, never: Estimate) -> str:
    lost = decided(drop)
    if lost > 0:
        left = decided(never, COIN)
        words = text.FELL_SOMEWHAT if left > 0 else text.FELL_BELOW_COIN if left < 0 else text.FELL_TO_COIN
        return words.format(drop=figure_words(drop))
    return text.NOT_FALLEN.format(drop=figure_words(drop)) if lost == 0 else text.ROSE.format(rise=figure_words(minus(drop)))


def collapse(study: Study, names: Names) -> Section:
    """One training at a time: a bar from the coin for every source that it was asked about. Raises Unfit."""
    every = cells(study)
    own = [one for one in every if one.variant == BASE]
    panels = Panels(_choosers(every, names))
    numbers = {name: number for number, name in enumerate(text.VARIANTS)}
    by_training: dict[tuple[str, str, str], list[Cell]] = {}
    for one in every:
        by_training.setdefault((one.detector, one.variant, one.trained_on), []).append(one)
    for (detector, variant, source), some in by_training.items():
        if detector not in names.detectors or (variant != SHIPPED and source not in names.sources):
            continue
        place = (names.detector_number(detector), *((ANY, ANY) if variant == SHIPPED else (names.source_number(source), numbers[variant])))
        panels.add(place, _caption(some, names), _bars(some, names))
    feet = f'<div class="tt-fall-feet" aria-hidden="true"><b></b>{figures.ticks(Axis(0.0, 1.0, False))}<span></span></div>'
    return Section("collapse", _collapse_says(own, names), panels.part("collapse", "", feet), (study_table(study, "matrix"),))


def _choosers(every: Sequence[Cell], names: Names) -> list[Chooser]:
    """Of detector, source and variant; it begins with the deepest fall."""
    detectors = ordered((one.detector for one in every), names.detectors)
    sources = ordered((one.trained_on for one in every if one.trained_on), names.sources) if any(one.trained_on for one in every) else []
    numbers = {name: number for number, name in enumerate(text.VARIANTS)}
    variants = [name for name in VARIANTS if any(one.variant == name for one in every)]
    deepest = _deepest([one for one in every if one.variant == BASE and one.detector in detectors and one.trained_on in sources])
    detector, source = (deepest[0].detector, deepest[0].trained_on) if deepest else (detectors[0], sources[0] if sources else "")
    return [
        Chooser(
            "detector",
            text.CHOOSE_DETECTOR,
            [(names.detector_number(name), capital(names.detector(name))) for name in detectors],
            names.detector_number(detector),
        ),
        Chooser(
            "source",
            text.CHOOSE_SOURCE,
            [(names.source_number(name), names.source(name)) for name in sources],
            names.source_number(source) if source else 0,
        ),
        Chooser("variant", text.CHOOSE_VARIANT, [(numbers[name], text.VARIANTS[name]) for name in variants], 0),
    ]


def _deepest(own: Sequence[Cell]) -> tuple[Cell, Cell] | None:
    """The cell of the source trained on and that of a source never seen which differ most, where the first is higher."""
    known = {(one.detector, one.variant, one.trained_on): one for one in own if one.relation == KNOWN}
    pairs = [(known[key], one) for one in own if one.relation == NEVER and (key := (one.detector, one.variant, one.trained_on)) in known]
    pairs = [pair for pair in pairs if pair[0].auc.value > pair[1].auc.value]
    return max(pairs, key=lambda pair: pair[0].auc.value - pair[1].auc.value) if pairs else None


def _collapse_says(own: Sequence[Cell], names: Names) -> str:
    never = [decided(one.auc, COIN) for one in own if one.relation == NEVER]
    if not never:
        raise Unfit("The study asked no detector about a source that it never saw.")
    better, worse = never.count(1), never.count(-1)
    verdict = text.MOSTLY_CARRIES if 2 * better > len(never) else text.MOSTLY_COLLAPSES
    said = text.PAIRS.format(verdict=verdict, count=len(never), better=better, worse=worse, open=len(never) - better - worse)
    deepest = _deepest(own)
    if deepest is None:
        return f"{said} {text.NO_FALL}"
    first, second = deepest
    where = {"detector": names.detector(first.detector), "source": names.source(first.trained_on)}
    fallen = {"known": figure_words(first.auc), "fallen": figure_words(second.auc), "tested": names.source(second.tested_on)}
    return f"{said} {text.DEEPEST.format(**where, **fallen)}"


def _caption(some: Sequence[Cell], names: Names) -> str:
    first = some[0]
    never = [one for one in some if one.relation == NEVER]
    words = text.CAPTION_SHIPPED if first.variant == SHIPPED else text.CAPTION_ADDED if first.added else text.CAPTION
    return words.format(
        detector=capital(names.detector(first.detector)),
        source=names.source(first.trained_on),
        added=names.source(first.added),
        variant=text.SHORT_VARIANTS.get(first.variant, ""),
        better=sum(decided(one.auc, COIN) > 0 for one in never),
        count=len(never),
    )


def _bars(some: Sequence[Cell], names: Names) -> str:
    """A line for every source, grouped by what the training had to do with it."""
    by_relation = {relation: [one for one in some if one.relation == relation] for relation in text.RELATIONS}
    drawn = ""
    for relation, own in by_relation.items():
        if own:
            drawn += f'<li class="tt-relation">{text.RELATIONS[relation]}</li>'
            drawn += "".join(_bar(one, names) for one in sorted(own, key=lambda one: _place(one.tested_on, names)))
    return f'<ul class="tt-fall">{drawn}</ul>'


def _place(source: str, names: Names) -> int:
    return names.source_number(source) if source in names.sources else len(names.sources)


def _bar(one: Cell, names: Names) -> str:
    """From the coin to the AUC, with its interval; the numbers stand beside it."""
    auc = one.auc
    bar = f"--v:{100 * auc.value:.0f}"
    bar += f";--l:{100 * auc.low:.0f};--h:{100 * auc.high:.0f}" if auc.low is not None and auc.high is not None else ""
    coin = {1: "", 0: ' class="tt-coin"', -1: ' class="tt-worse"'}[decided(auc, COIN)]
    return f'<li{coin} style="{bar}"><b>{html.escape(names.source(one.tested_on))}</b>{figure_words(auc)}</li>'


def _value(one: Estimate | None) -> str:
    return "–" if one is None else figure_words(one)
