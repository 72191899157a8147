"""How far detectors carry: in short, by training, all at once, and what a second source buys and costs."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from attribution.detectors.tables import Estimate, Unfit, figure_words
from attribution.measured import figures
from attribution.measured.figures import ANY, Axis, Chooser, Dot, DotLine, Panels, axis_around, dot_chart, draw, key, pair_key
from attribution.measured.section import Section, capital, need
from attribution.measured.zeroshot import COIN, MEAN, Findings, count_of, decided, minus, moved, ordered, over, sound
from attribution.text import failures as text

BASE, SHIPPED = "base", "shipped"
VARIANTS = (BASE, "top", "all")
KNOWN, NEVER = "trained on", "never seen"
_NUMBERS = {name: number for number, name in enumerate(text.VARIANTS)}
_MARKS = {KNOWN: "tt-outlined", "added": "tt-added"}
_AUC_KNOWN, _AUC_NEVER, _DROP = "AUC trained on", "AUC never seen", "drop"


class Cell(NamedTuple):
    """What one training says of one source. A shipped detector has one training: `trained_on` is empty."""

    detector: str
    variant: str
    trained_on: str
    added: str
    tested_on: str
    relation: str
    faces: int
    auc: Estimate

    @property
    def training(self) -> tuple[str, str, str]:
        return self.detector, self.variant, self.trained_on


def cells(at: Findings) -> list[Cell]:
    """Every sound cell of the matrix. Raises Unfit when there is none."""
    places = ("detector", "variant", "trained on", "added", "tested on", "relation")
    every = [Cell(*place, faces=count_of(row, "faces") or 0, auc=auc) for place, row, auc in at.found("matrix", places, "AUC")]
    known = [one for one in every if one.relation in text.RELATIONS and one.variant in text.VARIANTS]
    return need([one._replace(trained_on="") if one.variant == SHIPPED else one for one in known], at.table("matrix"))


def means(at: Findings) -> dict[tuple[str, str, str], Estimate]:
    """The summary by (detector, variant, figure). Raises Unfit when it holds nothing."""
    found = {}
    for row in at.rows("summary", "detector", "variant", "figure", "value"):
        if (one := sound(row, "value", -1.0 if row.text("figure") == _DROP else 0.0)) is not None:
            found[row.text("detector"), row.text("variant"), row.text("figure")] = one
    return need(found, at.table("summary"))


def in_short(at: Findings) -> Section:
    """The conclusion in two sentences, with the means that it rests on. Raises Unfit."""
    found = means(at)
    own = [name for name in at.detectors if (name, BASE, _AUC_KNOWN) in found and (name, BASE, _AUC_NEVER) in found]
    need(own, at.table("summary"))
    pairs = [(found[name, BASE, _AUC_KNOWN].value, found[name, BASE, _AUC_NEVER].value) for name in own]
    known, never = over([known for known, _ in pairs], 0.0), over([never for _, never in pairs], 0.0)
    drop, left = over([known - never for known, never in pairs]), decided(never, COIN)
    assert drop is not None
    fell = text.FELL_SOMEWHAT if left > 0 else text.FELL_BELOW_COIN if left < 0 else text.FELL_TO_COIN
    outcome = (text.NOT_FALLEN, fell, text.ROSE)[decided(drop)].format(drop=figure_words(drop), rise=figure_words(minus(drop)))
    says = f"{text.KNOWN_FIRST.format(known=figure_words(known), never=figure_words(never))} {outcome}"
    lines = []
    shipped = [name for name in at.detectors if (name, SHIPPED, _AUC_KNOWN) in found or (name, SHIPPED, _AUC_NEVER) in found]
    for name, variant in [*((name, BASE) for name in own), *((name, SHIPPED) for name in shipped)]:
        first, second = found.get((name, variant, _AUC_KNOWN)), found.get((name, variant, _AUC_NEVER))
        dots = [Dot(one, hollow) for one, hollow in ((second, True), (first, False)) if one]
        lines.append(DotLine(capital(at.detector(name)), dots, f"{'–' if first is None else figure_words(first)} / {figure_words(second)}"))
    axis = axis_around([one for place, one in found.items() if place[2] != _DROP], COIN)
    chart = dot_chart(text.MEANS_HEAD, lines, axis, text.MEANS_WORDS, text.MEANS_WORDS)
    return Section(says, pair_key(text.KNOWN_DOT, text.NEVER_DOT) + chart, (at.table("summary"),))


def done(at: Findings) -> str:
    """What was done, in three sentences. Raises Unfit when there is no matrix."""
    every = cells(at)
    own = [one for one in every if one.variant == BASE]
    detectors, sources, tested = ({getattr(one, what) for one in own} for what in ("detector", "trained_on", "tested_on"))
    counts = {"detectors": text.counted(len(detectors)), "sources": text.counted(len(sources)), "tested": text.counted(len(tested))}
    added = text.DONE_ADDED if any(one.variant in VARIANTS[1:] for one in every) else text.NOT_ADDED
    return f"{capital(text.DONE_TRAINED.format(**counts))} {text.DONE_ASKED.format(**counts)} {added}"


def collapse(at: Findings) -> Section:
    """One training at a time: a bar from the coin for every source that it was asked about. Raises Unfit."""
    every = cells(at)
    own = [one for one in every if one.variant == BASE]
    detectors = ordered((one.detector for one in every), at.detectors)
    sources = ordered((one.trained_on for one in every if one.trained_on), at.sources) if any(one.trained_on for one in every) else []
    # It begins with the deepest fall.
    deepest = _deepest(one for one in own if one.detector in detectors and one.trained_on in sources)
    detector, source = deepest[0].training[::2] if deepest else (detectors[0], sources[0] if sources else "")
    variants = [(_NUMBERS[name], text.VARIANTS[name]) for name in VARIANTS if any(one.variant == name for one in every)]
    choosers = [at.choose_detector(detectors, detector), at.choose_source(sources, source)]
    panels, by_training = Panels([*choosers, Chooser("variant", text.CHOOSE_VARIANT, variants, 0)]), {}
    for one in every:
        by_training.setdefault(one.training, []).append(one)
    for (detector, variant, source), some in by_training.items():
        if detector in at.detectors and (variant == SHIPPED or source in at.sources):
            place = (ANY, ANY) if variant == SHIPPED else (at.source_number(source), _NUMBERS[variant])
            panels.add((at.detector_number(detector), *place), _caption(some, at), _bars(some, at))
    return Section(_collapse_says(own, at), panels.part("collapse", after=[draw.fall_feet(Axis(shares=False))]), (at.table("matrix"),))


def _deepest(own: Iterable[Cell]) -> tuple[Cell, Cell] | None:
    """The cell of the source trained on and that of a source never seen which differ most, where the first is higher."""
    own = list(own)
    known = {one.training: one for one in own if one.relation == KNOWN}
    pairs = [(known[one.training], one) for one in own if one.relation == NEVER and one.training in known]
    falls = [pair for pair in pairs if pair[0].auc.value > pair[1].auc.value]
    return max(falls, key=lambda pair: pair[0].auc.value - pair[1].auc.value, default=None)


def _collapse_says(own: Sequence[Cell], at: Findings) -> str:
    never = [decided(one.auc, COIN) for one in own if one.relation == NEVER]
    if not never:
        raise Unfit("The study asked no detector about a source that it never saw.")
    better, worse = never.count(1), never.count(-1)
    verdict = text.MOSTLY_CARRIES if 2 * better > len(never) else text.MOSTLY_COLLAPSES
    said = text.PAIRS.format(verdict=verdict, count=len(never), better=better, worse=worse, open=len(never) - better - worse)
    if (deepest := _deepest(own)) is None:
        return f"{said} {text.NO_FALL}"
    first, second = deepest
    where = {"detector": at.detector(first.detector), "source": at.source(first.trained_on), "tested": at.source(second.tested_on)}
    return f"{said} {text.DEEPEST.format(**where, known=figure_words(first.auc), fallen=figure_words(second.auc))}"


def _caption(some: Sequence[Cell], at: Findings) -> str:
    first = some[0]
    never = [one for one in some if one.relation == NEVER]
    words = text.CAPTION_SHIPPED if first.variant == SHIPPED else text.CAPTION_ADDED if first.added else text.CAPTION
    counts = {"better": sum(decided(one.auc, COIN) > 0 for one in never), "count": len(never)}
    names = {"source": at.source(first.trained_on), "added": at.source(first.added), "variant": text.SHORT_VARIANTS.get(first.variant, "")}
    return words.format(detector=capital(at.detector(first.detector)), **names, **counts)


def _bars(some: Sequence[Cell], at: Findings) -> Markup:
    """A line for every source from the coin to the AUC, grouped by what the training had to do with it; the numbers stand beside it."""
    places = {name: number for number, name in enumerate(at.sources)}
    groups = []
    for relation, words in text.RELATIONS.items():
        own = sorted((one for one in some if one.relation == relation), key=lambda one: places.get(one.tested_on, len(places)))
        bars = [
            {"name": at.source(one.tested_on), "words": figure_words(one.auc), "style": bar_style(one.auc.value, one.auc.low, one.auc.high),
             "kind": {1: "", 0: "tt-coin", -1: "tt-worse"}[decided(one.auc, COIN)]}
            for one in own
        ]  # fmt: skip
        groups += [(words, bars)] if bars else []
    return draw.fall(groups)


def bar_style(value: float, low: float | None, high: float | None, most: float = 1.0) -> str:
    """What the style sheet draws a bar with its interval from, in hundredths of `most`."""
    bounds = f";--l:{100 * low / most:.0f};--h:{100 * high / most:.0f}" if low is not None and high is not None else ""
    return f"--v:{100 * value / most:.0f}{bounds}"


def glance(at: Findings) -> Section:
    """Every detector, every training, every source. Raises Unfit."""
    every = cells(at)
    tested = ordered((one.tested_on for one in every), at.sources)
    there = [name for name in VARIANTS if any(one.variant == name for one in every)]
    options = [(_NUMBERS[name], text.VARIANTS[name]) for name in there or [SHIPPED]]
    panels = Panels([Chooser("variant", text.CHOOSE_VARIANT, options, options[0][0])])
    for variant in there:
        own = [one for one in every if one.variant == variant]
        names = ordered((one.detector for one in own), at.detectors)
        smalls = [_small(at.detector(name), [one for one in own if one.detector == name], tested, at) for name in names]
        panels.add((_NUMBERS[variant],), "", draw.box("tt-smalls", smalls))
    shipped = [one for one in every if one.variant == SHIPPED and one.detector in at.detectors]
    if shipped:
        panels.add((ANY,), "", draw.box("tt-smalls", [_small(capital(text.SHIPPED), shipped, tested, at)]))
    marks = [("tt-coin-cell", text.COIN), *((mark, text.RELATIONS[relation].lower()) for relation, mark in _MARKS.items())]
    return Section(_glance_says(at), panels.part("glance", before=[figures.heat_key("0.5", "1.0", *marks)]), at.tables("detectors"))


def _small(title: str, own: Sequence[Cell], tested: Sequence[str], at: Findings) -> Markup:
    """The heat table of one detector, or of the shipped ones: a row for each training."""
    by_row: dict[str, dict[str, dict[str, str]]] = {}
    for one in own:
        row = at.source(one.trained_on) if one.trained_on else capital(at.detector(one.detector))
        shown, mark, beats = figures.short(one.auc.value), _MARKS.get(one.relation, ""), decided(one.auc, COIN) > 0
        kind = f"tt-level-{figures.level(one.auc.value, COIN)}" if beats else "tt-coin-cell"
        cell = {"kind": f"{kind} {mark}".strip(), "shown": shown if beats else f"({shown})", "heard": one.relation if mark else ""}
        by_row.setdefault(row, {})[one.tested_on] = cell
    places = {at.source(name): number for number, name in enumerate(at.sources)}
    rows = [(name, [by_row[name].get(source) for source in tested]) for name in sorted(by_row, key=lambda name: places.get(name, -1))]
    return draw.small_heat(title, capital(title), text.TESTED_CORNER, [at.source(name) for name in tested], rows)


def _glance_says(at: Findings) -> str:
    found = means(at)
    drops = [(name, found[name, BASE, _DROP]) for name in at.detectors if (name, BASE, _DROP) in found]
    drops = sorted(need(drops, at.table("summary")), key=lambda pair: pair[1].value)
    (least, low), (most, high) = drops[0], drops[-1]
    shown, ends = sum(decided(one) > 0 for _, one in drops), {"most": at.detector(most), "high": figure_words(high)}
    said = text.ONE_DROP.format(shown="shown" if shown else "not shown", **ends)
    if len(drops) > 1:
        said = text.DROPS.format(shown=shown, count=len(drops), least=at.detector(least), low=figure_words(low), **ends)
    shipped = {name: [found.get((name, SHIPPED, figure)) for figure in (_AUC_KNOWN, _AUC_NEVER)] for name in at.detectors}
    asked = [(at.detector(name), *map(figure_words, both)) for name, both in shipped.items() if any(both)]
    parts = [text.SHIPPED_PART.format(detector=name, known=known, never=never) for name, known, never in asked]
    return f"{said} {text.SHIPPED_SAYS.format(parts='; '.join(parts)) if parts else text.NO_SHIPPED}"


def cost(at: Findings) -> Section:
    """What a second source changes on the new source, the old one, and those never seen. Raises Unfit."""
    every = at.found("cost", ("detector", "variant", "on", "trained on"), "difference", -1.0)
    found = {place[:3]: gap for place, _, gap in every if place[3] == MEAN and place[2] in text.ON}
    known = [name for name in at.detectors if any((name, variant, on) in found for variant in VARIANTS[1:] for on in text.ON)]
    need(known, at.table("cost"))
    places = [(variant, on) for variant in VARIANTS[1:] for on in text.ON]
    mean = {place: over([found[(name, *place)].value for name in known if (name, *place) in found]) for place in places}
    lines = []
    for on, words in text.ON.items():
        lines.append(DotLine(words))
        pairs = [(at.detector(name), found.get((name, "top", on)), found.get((name, "all", on))) for name in known]
        for name, top, every in [*pairs, (text.OVER_DETECTORS, mean["top", on], mean["all", on])]:
            kind = "other" if name == text.OVER_DETECTORS else "accent"
            dots = [Dot(one, hollow, kind) for one, hollow in ((top, True), (every, False)) if one]
            lines.append(DotLine(capital(name), dots, f"{figure_words(top)} / {figure_words(every)}"))
    axis = axis_around([*found.values(), *filter(None, mean.values())], 0.0)
    legend = key(("tt-dot tt-accent tt-hollow", text.TOP_DOT), ("tt-dot tt-accent", text.ALL_DOT))
    chart = dot_chart(text.COST_HEAD, lines, axis, text.COST_WORDS, text.COST_WORDS)
    said = {f"{variant}_{on.partition(' ')[0]}": moved(one) for (variant, on), one in mean.items()}
    signs = [decided(one) for variant in VARIANTS[1:] if (one := mean[variant, NEVER]) is not None]
    verdict = "" if not signs else text.CARRIES_FURTHER if min(signs) > 0 else text.CARRIES_NO_FURTHER if max(signs) <= 0 else ""
    says = f"{text.COST_SAYS.format(**said)} {text.COST_NEVER.format(top=said['top_never'], all=said['all_never'], verdict=verdict)}"
    return Section(says, draw.box("tt-wide-words", [legend, chart]), (at.table("cost"),))
