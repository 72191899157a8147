"""What units do: in how many sources one matters, keeping and removing some, and reading a detector from universal ones alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from markupsafe import Markup

from attribution.detectors.tables import Estimate, Row, Unfit, figure_words, share_words
from attribution.measured.figures import ANY, Axis, Chooser, Dot, DotLine, Panels, axis_around, difference_chart, dot_chart, draw, key
from attribution.measured.section import Section, attempt, capital, need
from attribution.measured.transfer import bar_style
from attribution.measured.zeroshot import COIN, MEAN, Findings, count_of, decided, minus, moved, ordered, over, set_share, share_of
from attribution.render.charts import Plot
from attribution.text import failures as text
from attribution.text.numbers import measured_share

TRAINED, UNTRAINED = "trained", "untrained"
_UNIT_PLACE = ("detector", "trained on", "state", "share kept", "units")
_MOST_SOURCES = 12
_SIGNIFICANT = 0.05
_USUAL_SHARE_CHOSEN, _USUAL_SHARE_KEPT = 0.5, 0.25

KEEP, REMOVE = "keep", "remove"
_ALL, _RANDOM, _STRONGEST = "all units", "random units", "strongest units"
_OTHERS = {"keep, strongest on the trained-on source": "tt-o", "keep, chosen without the tested source": "tt-n"}
_MOST_STEPS = 12
_MEAN_NUMBER = 99

CHOICE, KNOWN, NEVER = "val (choice)", "trained on", "never trained"
_UNIVERSAL, _REFITTED, _LESS = "universal", "refitted", " − "
_MOST_LINES = 24

Place = tuple[str, str, str, float]
"""Detector, source that it was trained on, state, share kept."""


class _Column(NamedTuple):
    """How many units are chosen in exactly `chosen_in` sources; `low` and `high`: where luck would lie."""

    chosen_in: int
    units: int
    low: float | None
    high: float | None


class _Test(NamedTuple):
    """Units chosen in every source, of how many; the count that luck would give, and the one-sided p of the permutation test."""

    universal: int
    units: int
    chance: float | None
    p: float | None

    def words(self, sentence: str) -> str:
        luck = "–" if self.chance is None else f"{self.chance:.3g}" if self.chance < 100 else f"{self.chance:,.0f}"
        below = text.P_BELOW.format(p="0.001") if self.p is not None and self.p < 0.001 else ""
        p = below or ("no test" if self.p is None else text.P_IS.format(p=f"{self.p:.2g}"))
        return sentence.format(universal=f"{self.universal:,}", units=f"{self.units:,}", chance=luck, p=p)


def neurons(at: Findings) -> Section:
    """In how many sources a unit matters, against chance, in the trained network and in the same one before that training. Raises Unfit."""
    columns, tests, strict = _columns(at), _tests(at, "universal"), _tests(at, "universal_controls")
    at.table("universal")
    shares = sorted({place[3] for place in columns}, reverse=True)
    need(shares, at.table("neurons"))
    detectors = ordered((place[0] for place in columns), at.detectors)
    sources = ordered((place[1] for place in columns if place[2] == TRAINED), at.sources)
    last = max(one.chosen_in for some in columns.values() for one in some)
    usual = min(range(len(shares)), key=lambda number: abs(shares[number] - _USUAL_SHARE_CHOSEN))
    # The page begins with the largest detector, where luck can be told from more than that.
    largest = max(detectors, key=lambda name: max([one.units for place, one in tests.items() if place[0] == name] + [0]))
    options = [(number, text.SHARE_OPTION.format(share=set_share(share))) for number, share in enumerate(shares)]
    choose_share = Chooser("share", text.CHOOSE_SHARE, options, usual)
    panels = Panels([at.choose_detector(detectors, largest), at.choose_source(sources, sources[0]), choose_share])
    drawn: dict[str, list[Markup]] = {state: [] for state in text.STATES}
    for detector in detectors:
        for number, share in enumerate(shares):
            own = {place: some for place, some in columns.items() if (place[0], place[3]) == (detector, share)}
            # All histograms of a detector share one scale.
            most = max([bound for some in own.values() for one in some for bound in (one.units, one.high or 0)] + [1])
            for place, bars in own.items():
                if place[1] and place[1] not in sources:
                    continue
                counted = tests[place].words(text.COUNT_WORDS) if place in tests else ""
                counted += strict[place].words(text.STRICTER_WORDS) if counted and place in strict else ""
                histogram = [
                    {"name": f"{one.units:,}", "words": one.chosen_in, "style": bar_style(one.units, one.low, one.high, most),
                     "kind": "tt-all-sources" if one.chosen_in == last else ""}
                    for one in bars
                ]  # fmt: skip
                # The untrained network knows no source: it stands beside every training.
                of = panels.of(at.detector_number(detector), at.source_number(place[1]) if place[1] else ANY, number)
                drawn[place[2]].append(draw.panel(of, draw.histogram(histogram, counted)))
    panels.drawn.append(draw.histograms([(words, drawn[state]) for state, words in text.STATES.items()], text.HISTOGRAM_FOOT))
    legend = key(("tt-bar-all", text.UNIVERSAL_BAR), ("tt-bar-some", text.OTHER_BAR), ("tt-luck", text.CHANCE_FRAME))
    tables = at.tables("universal", "universal_controls", "neurons")
    return Section(_neurons_says(tests, strict, shares[usual]), panels.part("neurons", before=[legend]), tables)


def _place(row: Row, at: Findings) -> Place | None:
    share = share_of(row, "share kept")
    if share is None or row.text("state") not in text.STATES or row.text("detector") not in at.detectors:
        return None
    return row.text("detector"), row.text("trained on"), row.text("state"), share


def _columns(at: Findings) -> dict[Place, list[_Column]]:
    found: dict[Place, list[_Column]] = {}
    for row in at.rows("neurons", *_UNIT_PLACE, "chosen in"):
        place, chosen_in, units = _place(row, at), count_of(row, "chosen in"), count_of(row, "units")
        if place is None or chosen_in is None or units is None or chosen_in > _MOST_SOURCES:
            continue
        low, high = row.number("chance low"), row.number("chance high")
        bounds = (low, high) if low is not None and high is not None and 0 <= low <= high <= 1e7 else (None, None)
        found.setdefault(place, []).append(_Column(chosen_in, units, *bounds))
    return {place: sorted(some, key=lambda one: one.chosen_in)[: _MOST_SOURCES + 1] for place, some in found.items()}


def _tests(at: Findings, table: str) -> dict[Place, _Test]:
    """By place what that table says of it; nothing when it is missing."""
    found = {}
    for row in attempt(lambda: at.rows(table, *_UNIT_PLACE, "universal")) or []:
        place, units, universal, chance = _place(row, at), count_of(row, "units"), count_of(row, "universal"), row.number("chance")
        if place is not None and units and universal is not None and universal <= units:
            found[place] = _Test(universal, units, chance if chance is not None and 0 <= chance <= units else None, share_of(row, "p"))
    return found


def _neurons_says(tests: Mapping[Place, _Test], strict: Mapping[Place, _Test], share: float) -> str:
    """Shares of units, first over the trainings of a detector, then over detectors."""

    def beyond(some: Mapping[Place, _Test]) -> int:
        """In how many of them there are more than luck would give."""
        return sum(one.p is not None and one.p < _SIGNIFICANT for one in some.values())

    of_trained, of_untrained, of_strict = (
        {place: one for place, one in some.items() if place[2:] == (state, share)}
        for some, state in ((tests, TRAINED), (tests, UNTRAINED), (strict, TRAINED))
    )
    trained, untrained = (_by_detector(some, lambda one: one.universal / one.units) for some in (of_trained, of_untrained))
    if not trained:
        raise Unfit("The study has no count of units that are chosen in every source.")
    chance = over([*_by_detector(of_trained, lambda one: one.chance / one.units if one.chance is not None else None).values()], 0.0)
    said = text.UNIVERSAL_SAYS.format(
        share=set_share(share), trained=share_words(over([*trained.values()], 0.0)), beyond=beyond(of_trained), count=len(of_trained),
        chance="not known" if chance is None else measured_share(chance.value),
        strict=text.BEYOND_STRICT.format(count=beyond(of_strict)) if of_strict else "",
    )  # fmt: skip
    both = [name for name in trained if name in untrained]
    gap = over([trained[name] - untrained[name] for name in both])
    if gap is None:
        return f"{said} {text.UNTRAINED_UNKNOWN}"
    sign, before = decided(gap), share_words(over([untrained[name] for name in both], 0.0))
    words = text.UNTRAINED_FEWER if sign > 0 else text.UNTRAINED_MORE if sign < 0 else text.UNTRAINED_AS_MANY
    shown = share_words(minus(gap) if sign < 0 else gap) if sign else share_words(gap)
    return f"{said} {words.format(untrained=before, gap=shown)}"


def _by_detector(some: Mapping[Place, _Test], value_of: Callable[[_Test], float | None]) -> dict[str, float]:
    values = [(place[0], value) for place, one in some.items() if (value := value_of(one)) is not None]
    return {name: fmean(value for own, value in values if own == name) for name in dict.fromkeys(name for name, _ in values)}


# Keeping and removing units

# By detector, training and way the AUC by share; and by detector, training, way, what it is compared with, and share.
Curves = dict[tuple[str, str, str], dict[float, Estimate]]
Gaps = dict[Any, Estimate]


def ablation(at: Findings) -> Section:
    """What becomes of the AUC on sources never seen when only some units are kept, or some are left out. Raises Unfit."""
    curves, gaps = _curves(at), _gaps(at)
    detectors = ordered((place[0] for place in curves), at.detectors)
    trainings = [name for name in (MEAN, *at.sources) if any(place[1] == name for place in curves)]
    need(trainings, at.table("ablation"))
    sources = [(_MEAN_NUMBER if name == MEAN else at.source_number(name), _training(name, at)) for name in trainings]
    panels = Panels([at.choose_detector(detectors, detectors[0]), Chooser("source", text.CHOOSE_SOURCE, sources, sources[0][0])])
    upward = axis_around([one for some in curves.values() for one in some.values()], COIN)
    for detector in detectors:
        for (number, _), training in zip(sources, trainings, strict=True):
            panels.add((at.detector_number(detector), number), _caption(curves, at, (detector, training)))
    plots = []
    for way, title, under in ((KEEP, text.KEEP_TITLE, text.SHARE_KEPT), (REMOVE, text.REMOVE_TITLE, text.SHARE_REMOVED)):
        steps = _steps(curves, way)
        # Steps are evenly spaced: small shares matter as much as large ones.
        plot = Plot((-0.5, max(len(steps), 1) - 0.5), (upward.low, upward.high), 270, 0)

        def at_steps(of: Mapping[float, Estimate], steps: Sequence[float] = steps) -> list[tuple[int, Estimate]]:
            return [(step, of[share]) for step, share in enumerate(steps) if share in of]

        drawn = [draw.coin(plot, COIN)]
        for detector, (number, _), training in ((one, *pair) for one in detectors for pair in zip(sources, trainings, strict=True)):
            own, random = (curves.get((detector, training, kind), {}) for kind in (way, f"{way} random"))
            if not own and not random:
                continue
            others = [(kind, curves.get((detector, training, name), {})) for name, kind in _OTHERS.items() if way == KEEP]
            rivals = [(kind, [(step, one.value) for step, one in at_steps(some)]) for kind, some in others if some]
            # The AUC with all units: what a share of them gives, less what that changes.
            known = [own[share].value - gap.value for share in own if (gap := gaps.get((detector, training, way, _ALL, share)))]
            whole, luck = known[0] if known and 0 <= known[0] <= 1 else None, at_steps(random)
            band = [(step, one.high or one.value) for step, one in luck] + [(step, one.low or one.value) for step, one in luck[::-1]]
            of, middle = panels.of(at.detector_number(detector), number), [(step, one.value) for step, one in luck]
            drawn.append(draw.kept(plot, of, rivals, band, middle, whole, at_steps(own)))
        if len(drawn) > 1:
            names, label = [(step, f"{100 * share:.3g}") for step, share in enumerate(steps)], f"{title}: {text.AUC_NEVER}"
            plots.append(plot.figure("".join(drawn), label, names, _ticks(upward), under, text.AUC_NEVER, title, "tt-curves-of"))
    others = zip(_OTHERS.items(), text.OTHER_LINES, strict=True)
    others_key = [(f"{kind}-key", words) for (name, kind), words in others if any(place[2] == name for place in curves)]
    legend = key(
        ("tt-line-key", text.FIRST_LINE), ("tt-band-key", text.RANDOM_BAND), ("tt-whole-key", text.ALL_UNITS_LINE),
        ("tt-coin-key", text.COIN_LINE), *others_key,
    )  # fmt: skip
    figure = panels.part("ablation", before=[legend, draw.box("tt-plots", plots)])
    tables = at.tables("ablation", *(("ablation_differences",) if gaps else ()))
    return Section(_ablation_says(curves, gaps, detectors, at), figure, tables)


def _training(name: str, at: Findings) -> str:
    return text.MEAN_OPTION if name == MEAN else at.source(name)


def _caption(curves: Curves, at: Findings, place: tuple[str, str]) -> str:
    own, random = curves.get((*place, KEEP), {}), curves.get((*place, f"{KEEP} random"), {})
    shares = [share for share in own if share in random and share < 1]
    if not shares:
        return ""
    share = min(shares, key=lambda one: abs(one - _USUAL_SHARE_KEPT))
    words = {"share": set_share(share), "keep": figure_words(own[share]), "random": figure_words(random[share])}
    return text.CAPTION_CURVE.format(detector=capital(at.detector(place[0])), source=_training(place[1], at), **words)


def _curves(at: Findings) -> Curves:
    found: Curves = {}
    for (detector, training, way), row, auc in at.found("ablation", ("detector", "trained on", "way"), "AUC"):
        share, is_known = share_of(row, "share"), way.removesuffix(" random") in (KEEP, REMOVE, *_OTHERS) and detector in at.detectors
        if share is not None and is_known:
            found.setdefault((detector, training, way), {})[share] = auc
    return need(found, at.table("ablation"))


def _gaps(at: Findings) -> Gaps:
    places, found = ("detector", "trained on", "way", "against"), {}
    for place, row, gap in attempt(lambda: at.found("ablation_differences", places, "difference", -1.0)) or []:
        if (share := share_of(row, "share")) is not None and place[0] in at.detectors:
            found[(*place, share)] = gap
    return found


def _steps(curves: Curves, way: str) -> list[float]:
    return sorted({share for place, some in curves.items() if place[2].removesuffix(" random") == way for share in some})[:_MOST_STEPS]


def _ablation_says(curves: Curves, gaps: Gaps, detectors: Sequence[str], at: Findings) -> str:
    """At the share nearest to a quarter, a choice made before anything was measured."""
    shares = [share for share in _steps(curves, KEEP) if share < 1]
    own = [name for name in detectors if (name, MEAN, KEEP) in curves]
    need(shares and own, at.table("ablation"))
    share = min(shares, key=lambda one: abs(one - _USUAL_SHARE_KEPT))
    own = [name for name in own if share in curves[name, MEAN, KEEP]]
    auc = over([curves[name, MEAN, KEEP][share].value for name in own], 0.0)

    def against(way: str, other: str) -> Estimate | None:
        return over([gaps[name, MEAN, way, other, share].value for name in own if (name, MEAN, way, other, share) in gaps])

    strongest, random, removed = against(KEEP, _STRONGEST), against(KEEP, _RANDOM), against(REMOVE, _RANDOM)
    # Universal units are strong ones by construction: only those that are strong on one source alone are a fair rival.
    carries = decided(strongest) > 0 if strongest else decided(random) > 0 and decided(removed) < 0
    said = text.KEEP_SAYS.format(share=set_share(share), auc=figure_words(auc), whole=moved(against(KEEP, _ALL)), random=moved(random))
    verdict = text.CARRIES if carries else text.CARRIES_NOT
    return f"{said} {text.REMOVE_SAYS.format(strongest=moved(strongest), random=moved(removed), verdict=verdict)}"


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    """Every twentieth, or every tenth of a long axis."""
    step = 0.05 if axis.high - axis.low < 0.32 else 0.1
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [(step * number, f"{step * number:.2f}") for number in range(first, last + 1)]


def readout(at: Findings) -> Section:
    """Whether the default detector gains by its universal units alone, with the readout that validation faces choose. Raises Unfit."""
    places = ("faces", "readout")
    gaps: dict[Any, Estimate] = {place: gap for place, _, gap in at.found("readout_differences", places, "difference", -1.0)}
    measured = attempt(lambda: at.found("readout", places, "AUC")) or []
    aucs: dict[Any, tuple[Estimate, int | None]] = {place: (auc, count_of(row, "units")) for place, row, auc in measured}
    compared = [name for _, name in gaps if name.startswith(_UNIVERSAL) and _LESS not in name]
    # Of equal ones the first in the table, as the lab chooses.
    rivals = [(auc.value, name) for (faces, name), (auc, _) in aucs.items() if faces == CHOICE and name in compared]
    chosen = max(rivals, key=lambda pair: pair[0])[1] if rivals else next(iter(compared), "")
    need(chosen, at.table("readout_differences"))
    # On the faces of origins that the default never trained on, and folded on those that it did; else on every set.
    sets = [faces for faces in (NEVER, KNOWN) if any(place == faces for place, _ in aucs)]
    drawn = _aucs_on(list(dict.fromkeys(place for place, _ in aucs)), aucs) if aucs else Markup()
    if len(sets) == 2:
        drawn = _aucs_on(sets[:1], aucs) + draw.folding(text.READOUT_MORE, _aucs_on(sets[1:], aucs))
    own = {faces: gap for (faces, name), gap in gaps.items() if name == chosen and faces != CHOICE}
    # Those of several sources first.
    order = sorted(own, key=lambda one: list(text.READOUT_SETS).index(one) if one in text.READOUT_SETS else len(text.READOUT_SETS))
    chart = difference_chart("", [(_set(faces, at), own[faces]) for faces in order[:_MOST_LINES]])
    drawn += draw.titled(f"{text.READOUT_DIFFERENCE}: {_say(chosen)}", chart)
    return Section(_readout_says(chosen, gaps), drawn, at.tables("readout", "readout_differences"))


def _readout_says(chosen: str, gaps: Mapping[tuple[str, str], Estimate]) -> str:
    never, known, rival, words = gaps.get((NEVER, chosen)), gaps.get((KNOWN, chosen)), None, ""
    if chosen.endswith(_REFITTED):
        rival = next((gap for (faces, name), gap in gaps.items() if faces == NEVER and name.startswith(f"{chosen}{_LESS}")), None)
        words = text.READOUT_RIVAL.format(gap=moved(rival))
    # What fitting anew gains with all units as well is not due to the universal ones.
    helps = decided(never) > 0 and decided(known) >= 0 and (not words or decided(rival) > 0)
    verdict = text.READOUT_HELPS if helps else text.READOUT_HARMS if decided(never) < 0 else text.READOUT_FAILS
    return f"{text.READOUT_SAYS.format(name=_say(chosen), never=moved(never), known=moved(known))} {verdict.format(rival=words)}"


def _say(name: str) -> str:
    for words, plain in text.READOUT_NAMES:
        name = name.replace(words, plain)
    return name


def _set(faces: str, at: Findings | None = None) -> str:
    return text.READOUT_SETS.get(faces) or (at.sources.get(faces) if at else None) or capital(faces)


def _aucs_on(sets: Sequence[str], aucs: Mapping[tuple[str, str], tuple[Estimate, int | None]]) -> Markup:
    lines = []
    for place in sets:
        lines.append(DotLine(_set(place)))
        for name, (auc, units) in ((name, read) for (faces, name), read in aucs.items() if faces == place):
            words = capital(_say(name)) + (f" ({units:,})" if units is not None else "")
            lines.append(DotLine(words, [Dot(auc, hollow=not name.startswith(_UNIVERSAL))], figure_words(auc)))
    axis = axis_around([auc for (faces, _), (auc, _) in aucs.items() if faces in sets])
    return dot_chart(text.READOUT_HEAD, lines[:_MOST_LINES], axis, "AUC")
