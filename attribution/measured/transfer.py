"""How far detectors carry: what comes first on the page, and from one source to another."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from attribution.detectors.tables import Estimate, figure_words
from attribution.measured.section import Answer, Section, attempt, capital, need
from attribution.measured.zeroshot import COIN, MEAN, Findings, count_of, decided, minus, ordered, over, sound
from attribution.messages import Message
from attribution.render.charts import Dots, Heat, axis_around, dots, heat
from attribution.render.html import macros
from attribution.text import failures as text
from attribution.text import limits as limits_text
from attribution.text.numbers import decimal, measured_share

BASE, SHIPPED, FIRST_DEFAULT = "base", "shipped", "telltale-mobilenetv2"
ADDED = {"top": text.TOP_DOT, "all": text.ALL_DOT}
KNOWN, NEVER = "trained on", "never seen"
# An SSIM from which heatmaps may be called alike.
_ALIKE = 0.9
_AUC_KNOWN, _AUC_NEVER, _DROP = "AUC trained on", "AUC never seen", "drop"


class Cell(NamedTuple):
    """What one training says of one source; a shipped detector's `trained_on` is empty."""

    detector: str
    variant: str
    trained_on: str
    tested_on: str
    relation: str
    faces: int
    auc: Estimate


def cells(at: Findings) -> list[Cell]:
    """Every sound cell of the matrix of trainings on one source, and of shipped detectors. Raises Unfit when there is none."""
    places = ("detector", "variant", "trained on", "tested on", "relation")
    every = [Cell(*place, faces=count_of(row, "faces") or 0, auc=auc) for place, row, auc in at.found("matrix", places, "AUC")]
    return need([one for one in every if one.variant in (BASE, SHIPPED)], at.table("matrix"))


def means(at: Findings) -> dict[tuple[str, str, str], Estimate]:
    """The summary by (detector, variant, figure). Raises Unfit when it holds nothing."""
    found = {}
    for row in at.rows("summary", "detector", "variant", "figure", "value"):
        if (one := sound(row, "value", -1.0 if row.text("figure") == _DROP else 0.0)) is not None:
            found[row.text("detector"), row.text("variant"), row.text("figure")] = one
    return need(found, at.table("summary"))


def _pairs(at: Findings) -> list[tuple[Estimate, Estimate]]:
    """By detector of the study: the AUC on the source trained on, and on sources never seen. Raises Unfit."""
    found = means(at)
    both = [tuple(found.get((name, BASE, figure)) for figure in (_AUC_KNOWN, _AUC_NEVER)) for name in at.detectors]
    pairs = [(known, never) for known, never in both if known and never]
    return need(pairs, at.table("summary"))


def drop_of(at: Findings) -> Estimate | None:
    """The mean loss over the detectors. Raises Unfit."""
    return over([known.value - never.value for known, never in _pairs(at)])


def outcome(at: Findings) -> str:
    """The conclusion in a sentence. Raises Unfit."""
    drop, left = drop_of(at), decided(over([never.value for _, never in _pairs(at)], 0.0), COIN)
    sign = decided(drop)
    if sign < 0 and drop is not None:
        return text.ROSE.format(drop=figure_words(minus(drop)))
    return (text.FELL[left] if sign else text.NOT_FALLEN).format(drop=figure_words(drop))


def answers(at: Findings) -> list[Answer]:
    """The figures of the first view. Raises Unfit."""
    pairs, found = _pairs(at), means(at)
    shown = []
    for question, values in ((text.KNOWN, [known for known, _ in pairs]), (text.NEVER, [never for _, never in pairs])):
        if (mean := over([one.value for one in values], 0.0)) is not None:
            shown.append(_answer(question, mean, text.MEAN_OF, n=len(values)))
    if (counted := attempt(lambda: _counted(at))) is not None:
        better, worse, count = counted
        said = text.BETTER_OF.format(better=better, count=count, worse=worse)
        shown.append(Answer(text.BETTER, measured_share(better / count), said))
    known, never = (found.get((FIRST_DEFAULT, SHIPPED, figure)) for figure in (_AUC_KNOWN, _AUC_NEVER))
    if known and never:
        shown.append(_answer(text.DEFAULT, never, text.DEFAULT_OF, known=figure_words(known)))
    return shown


def _answer(question: str, one: Estimate, sentence: Message, **values: Any) -> Answer:
    low, high = (decimal(one.value if end is None else end, 2) for end in (one.low, one.high))
    return Answer(question, decimal(one.value, 2), sentence.format(low=low, high=high, **values))


def done(at: Findings) -> str:
    """What was done. Raises Unfit when there is no matrix."""
    own = [one for one in cells(at) if one.variant == BASE]
    detectors, sources, tested = (len({getattr(one, what) for one in own}) for what in ("detector", "trained_on", "tested_on"))
    return text.DONE.format(detectors=detectors, sources=sources, tested=tested)


def chart(at: Findings) -> Section:
    """A line for each detector: the source trained on, and sources never seen. Raises Unfit."""
    found = means(at)
    lines = [(name, variant) for variant in (BASE, SHIPPED) for name in at.detectors if (name, variant, _AUC_NEVER) in found]
    axis = axis_around([one for place, one in found.items() if place[1] in (BASE, SHIPPED) and place[2] != _DROP], COIN)
    series = []
    for words, look, figure in ((text.NEVER_DOT, "second", _AUC_NEVER), (text.KNOWN_DOT, "accent", _AUC_KNOWN)):
        values = [found.get((*line, figure)) for line in lines]
        series.append(Dots(words, look, values, told(words, values)))
    rows = [at.short(name) for name, _ in lines]
    says = outcome(at)
    return Section(says, dots(rows, [], series, axis, says, of="AUC"), at.tables("summary"))


def told(words: str, values: Iterable[Estimate | None]) -> list[str]:
    """What hovering says of each."""
    return [limits_text.POINT.format(what=words, figure=figure_words(one)) for one in values]


def _counted(at: Findings) -> tuple[int, int, int]:
    """Of all pairs of a training and a source that it never saw: shown to be better than a coin, worse, all. Raises Unfit."""
    never = [decided(one.auc, COIN) for one in cells(at) if one.variant == BASE and one.relation == NEVER]
    need(never, at.table("matrix"))
    return never.count(1), never.count(-1), len(never)


def collapse(at: Findings) -> Section:
    """A heat map for each detector: a row for each source that it was trained on. Raises Unfit."""
    every, (better, worse, count) = cells(at), _counted(at)
    says = text.CARRIES_OVER if 2 * better > count else text.COLLAPSES
    said = says.format(count=count, better=better, never=figure_words(over([never.value for _, never in _pairs(at)], 0.0)))
    tested = ordered((one.tested_on for one in every), at.sources)
    tabs = []
    for name in ordered((one.detector for one in every if one.variant == BASE), at.detectors):
        own = [one for one in every if (one.detector, one.variant) == (name, BASE)]
        rows = [(source, [one for one in own if one.trained_on == source]) for source in at.sources]
        drawn = [(at.source(source), some) for source, some in rows if some]
        tabs.append((f"tt-w-{at.detector_number(name)}", at.short(name), _heat(drawn, tested, said, at)))
    shipped = [(name, [one for one in every if (one.detector, one.variant) == (name, SHIPPED)]) for name in at.detectors]
    if drawn := [(name, some) for name, some in shipped if some]:
        tabs.append(("tt-w-shipped", text.AS_SHIPPED, _heat(drawn, tested, said, at)))
    deepest = _deepest([one for one in every if one.variant == BASE])
    more = [text.PAIRS.format(worse=worse, open=count - better - worse)]
    if deepest:
        first, second = deepest
        where = {"detector": at.short(first.detector), "source": at.source(first.trained_on), "tested": at.source(second.tested_on)}
        more.append(text.DEEPEST.format(**where, known=figure_words(first.auc), fallen=figure_words(second.auc)))
    return Section(said, macros("sections.html").chapters(tabs), at.tables("matrix"), more)


def _heat(rows: Sequence[tuple[str, Sequence[Cell]]], tested: Sequence[str], said: str, at: Findings):
    def cell(row: str, one: Cell | None) -> Heat:
        if one is None:
            return Heat(None)
        words = text.OF_TRAINING.format(source=row, tested=at.source(one.tested_on), figure=figure_words(one.auc), n=one.faces)
        return Heat(one.auc.value, words, one.relation == KNOWN)

    drawn = []
    for name, some in rows:
        by_source: Mapping[str, Cell] = {one.tested_on: one for one in some}
        drawn.append((name, [cell(name, by_source.get(source)) for source in tested]))
    return heat([at.source(name) for name in tested], drawn, COIN, said)


def _deepest(own: Sequence[Cell]) -> tuple[Cell, Cell] | None:
    """The cell of the source trained on and that of a source never seen which differ most, where the first is higher."""
    known = {(one.detector, one.trained_on): one for one in own if one.relation == KNOWN}
    pairs = [(known[one.detector, one.trained_on], one) for one in own if one.relation == NEVER and (one.detector, one.trained_on) in known]
    falls = [pair for pair in pairs if pair[0].auc.value > pair[1].auc.value]
    return max(falls, key=lambda pair: pair[0].auc.value - pair[1].auc.value, default=None)


def loss(at: Findings) -> Section:
    """The loss from the source trained on to sources never seen, by detector. Raises Unfit."""
    found = means(at)
    drops = [(name, found[name, BASE, _DROP]) for name in at.detectors if (name, BASE, _DROP) in found]
    drops = sorted(need(drops, at.table("summary")), key=lambda pair: pair[1].value)
    (least, low), (most, high) = drops[0], drops[-1]
    ends = {"least": at.short(least), "low": figure_words(low), "most": at.short(most), "high": figure_words(high)}
    says = text.LOSS.format(shown=sum(decided(one) > 0 for _, one in drops), count=len(drops), **ends)
    shipped = {name: [found.get((name, SHIPPED, figure)) for figure in (_AUC_KNOWN, _AUC_NEVER)] for name in at.detectors}
    asked = {name: [figure_words(one) for one in both] for name, both in shipped.items() if any(both)}
    more = [text.SHIPPED.format(detector=capital(at.detector(name)), known=known, never=never) for name, (known, never) in asked.items()]
    values = [one for _, one in drops]
    series = [Dots("", "accent", values, told(text.LOSS_OF, values))]
    drawn = dots([at.short(name) for name, _ in drops], [], series, axis_around(values, 0.0), says, of=text.LOSS_OF)
    return Section(says, drawn, at.tables("summary", "detectors", "sources"), more)


def _changes(at: Findings) -> dict[tuple[str, str, str], Estimate]:
    """By (detector, variant, on): the mean change of the AUC over the trainings. Raises Unfit."""
    every = at.found("cost", ("detector", "variant", "on", "trained on"), "difference", -1.0)
    found = {place[:3]: gap for place, _, gap in every if place[3] == MEAN and place[1] in ADDED and place[2] in text.ON}
    return need(found, at.table("cost"))  # type: ignore[return-value]


def _mean_changes(at: Findings) -> dict[tuple[str, str], Estimate | None]:
    found = _changes(at)
    places = [(variant, on) for variant in ADDED for on in text.ON]
    return {place: over([gap.value for (_, *own), gap in found.items() if tuple(own) == place]) for place in places}


def carries_further(at: Findings) -> bool:
    """Whether a second source is shown to help with sources that neither training used. Raises Unfit."""
    return decided(_mean_changes(at)["all", NEVER]) > 0


def helps_itself_alone(at: Findings) -> bool:
    """Whether a second source is shown to help with that source, and with no other. Raises Unfit."""
    return decided(_mean_changes(at)["all", "new"]) > 0 and not carries_further(at)


def cost(at: Findings) -> Section:
    """What a second source changes on the new source, the old one, and those never seen. Raises Unfit."""
    found, mean = _changes(at), _mean_changes(at)
    said = {variant: {on.partition(" ")[0]: figure_words(mean[variant, on]) for on in text.ON} for variant in ADDED}
    says = text.COST[carries_further(at)].format(**said["all"])
    names = ordered((name for name, *_ in found), at.detectors)
    rows: list[str] = []
    values: dict[str, list[Estimate | None]] = {variant: [] for variant in ADDED}
    for on, words in text.ON.items():
        rows += [words, *(at.short(name) for name in names), text.OVER_DETECTORS]
        for variant, column in values.items():
            column += [None, *(found.get((name, variant, on)) for name in names), mean[variant, on]]
    groups = [place for place, name in enumerate(rows) if name in text.ON.values()]
    looks = zip(("second", "accent"), ADDED.items(), strict=True)
    series = [Dots(words, look, values[variant], told(words, values[variant])) for look, (variant, words) in looks]
    axis = axis_around([one for column in values.values() for one in column if one], 0.0)
    more = [text.TOP_LAYERS.format(**said["top"])]
    return Section(says, dots(rows, groups, series, axis, says, of=text.CHANGE), at.tables("cost"), more)


def _ssim(at: Findings) -> dict[tuple[str, str], tuple[Estimate, float | None]]:
    """By (detector, pair of heatmaps): the mean SSIM and the share below 0.7. Raises Unfit."""
    every = at.found("attention", ("detector", "pair"), "mean SSIM", -1.0)
    return {place: (one, row.number("below 0.7")) for place, row, one in every if place[0] in at.detectors}  # type: ignore[misc]


def _same_places(at: Findings) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    """Means over detectors: SSIM with all layers trained again, by chance, their difference, and the share below 0.7. Raises Unfit."""
    found, again, chance, below = _ssim(at), [], [], []
    for name in at.detectors:
        (own, share), (luck, _) = (found.get((name, pair), (None, None)) for pair in ("base–all", "chance"))
        if own and luck and share is not None and 0 <= share <= 1:
            again.append(own.value)
            chance.append(luck.value)
            below.append(share)
    gaps = [one - luck for one, luck in zip(again, chance, strict=True)]
    means = [one for values in (again, chance, gaps, below) if (one := over(values)) is not None]
    return tuple(need(means, at.table("attention")))  # type: ignore[return-value]


def looks_elsewhere(at: Findings) -> bool:
    """Whether heatmaps are shown to change with the training. Raises Unfit."""
    return decided(_same_places(at)[0], _ALIKE) < 0


def attention(at: Findings) -> Section:
    """Whether a detector still looks at the same places after a second source. Raises Unfit."""
    again, chance, gap, below = _same_places(at)
    words = {"all": again, "chance": chance, "gap": gap}
    says = text.ALIKE[decided(gap) > 0].format(**{key: figure_words(one) for key, one in words.items()}, share=measured_share(below.value))
    found = _ssim(at)
    names = ordered((name for name, _ in found), at.detectors)
    series, drawn = [], []
    for name, look, pair in (
        (text.CHANCE_DOT, "guess", "chance"),
        (text.TOP_DOT, "second", "base–top"),
        (text.ALL_DOT, "accent", "base–all"),
    ):
        values = [found[one, pair][0] if (one, pair) in found else None for one in names]
        drawn += [one for one in values if one]
        series.append(Dots(name, look, values, told(name, values)))
    top = over([one.value for (_, pair), (one, _) in found.items() if pair == "base–top"])
    more = [text.TOP_ALIKE.format(top=figure_words(top))] if top else []
    chart = dots([at.short(name) for name in names], [], series, axis_around(drawn), says, of=text.SSIM)
    return Section(says, chart, at.tables("attention"), more)
