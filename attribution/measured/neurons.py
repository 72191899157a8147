"""In how many sources a unit matters, against chance, in the trained network and in the same one before that training."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from attribution.detectors.tables import Row, Unfit, percent, share_words
from attribution.measured.choosers import ANY, Chooser, Panels
from attribution.measured.sections import Section, study_table
from attribution.measured.study import Study
from attribution.measured.zeroshot import Names, capital, count_of, decided, minus, ordered, over, rows, set_share, share_of
from attribution.text import failures as text

TRAINED, UNTRAINED = "trained", "untrained"
_NEURONS = ("detector", "trained on", "state", "share kept", "chosen in", "units")
_UNIVERSAL = ("detector", "trained on", "state", "share kept", "units", "universal")
_MOST_SOURCES = 12
_SIGNIFICANT = 0.05
_USUAL_SHARE = 0.5

Place = tuple[str, str, str, float]
"""Detector, source that it was trained on, state, share kept."""


@dataclass(frozen=True)
class _Column:
    """How many units are chosen in exactly `chosen_in` sources; `low` and `high`: where luck would lie."""

    chosen_in: int
    units: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Test:
    """Units chosen in every source, of how many; the count that luck would give, and the one-sided p of the permutation test."""

    universal: int
    units: int
    chance: float | None
    p: float | None


def neurons(study: Study, names: Names) -> Section:
    """Raises Unfit."""
    columns, tests = _columns(study, names), _tests(study, names, "universal")
    strict = _tests(study, names, "universal_controls")
    study_table(study, "universal")
    shares = sorted({place[3] for place in columns}, reverse=True)
    if not shares:
        raise Unfit(f"The table “{study_table(study, 'neurons').title}” has no unit of a detector of the study.")
    detectors = ordered((place[0] for place in columns), names.detectors)
    sources = ordered((place[1] for place in columns if place[2] == TRAINED), names.sources)
    last = max(one.chosen_in for some in columns.values() for one in some)
    usual = min(range(len(shares)), key=lambda at: abs(shares[at] - _USUAL_SHARE))
    panels = Panels(
        [
            Chooser(
                "detector",
                text.CHOOSE_DETECTOR,
                [(names.detector_number(name), capital(names.detector(name))) for name in detectors],
                names.detector_number(max(detectors, key=lambda name: _units(tests, name))),
            ),
            Chooser(
                "source",
                text.CHOOSE_SOURCE,
                [(names.source_number(name), names.source(name)) for name in sources],
                names.source_number(sources[0]),
            ),
            Chooser(
                "share",
                text.CHOOSE_SHARE,
                [(at, text.SHARE_OPTION.format(share=set_share(share))) for at, share in enumerate(shares)],
                usual,
            ),
        ]
    )
    drawn = dict.fromkeys(text.STATES, "")
    for detector in detectors:
        for at, share in enumerate(shares):
            # All histograms of a detector share one scale.
            scale = _scale([one for place, some in columns.items() if place[0] == detector and place[3] == share for one in some])
            for place, bars in columns.items():
                if place[0] != detector or place[3] != share or (place[1] and place[1] not in sources):
                    continue
                # The untrained network knows no source: it stands beside every training.
                numbers = (names.detector_number(detector), names.source_number(place[1]) if place[1] else ANY, at)
                counted = f"<p>{_counted(tests[place], strict.get(place))}</p>" if place in tests else ""
                histogram = "".join(_bar(one, scale, one.chosen_in == last) for one in bars)
                drawn[place[2]] += f'<div {panels.of(*numbers)}><ol class="tt-columns">{histogram}</ol>{counted}</div>'
    figures = "".join(
        f"<figure><figcaption>{words}</figcaption>{drawn[state]}</figure>" for state, words in text.STATES.items() if drawn[state]
    )
    panels.drawn.append(f'<div class="tt-histograms">{figures}</div><p class="tt-small">{text.HISTOGRAM_FOOT}</p>')
    key = (
        f'<ul class="tt-key"><li><i class="tt-bar-all"></i>{text.UNIVERSAL_BAR}</li><li><i class="tt-bar-some"></i>{text.OTHER_BAR}</li>'
        f'<li><i class="tt-luck"></i>{text.CHANCE_FRAME}</li></ul>'
    )
    tables = (*(study.tables[key] for key in ("universal", "universal_controls") if key in study.tables), study_table(study, "neurons"))
    return Section("neurons", _says(tests, strict, shares[usual]), panels.part("neurons", key), tables)


def _units(tests: Mapping[Place, _Test], detector: str) -> int:
    """How many units it has: the page begins with the largest one, where luck can be told from more than that."""
    return max([one.units for place, one in tests.items() if place[0] == detector] + [0])


def _place(row: Row, names: Names) -> Place | None:
    share = share_of(row, "share kept")
    if share is None or row.text("state") not in text.STATES or row.text("detector") not in names.detectors:
        return None
    return row.text("detector"), row.text("trained on"), row.text("state"), share


def _columns(study: Study, names: Names) -> dict[Place, list[_Column]]:
    found: dict[Place, list[_Column]] = {}
    for row in rows(study, "neurons", _NEURONS):
        place, chosen_in, units = _place(row, names), count_of(row, "chosen in"), count_of(row, "units")
        if place is None or chosen_in is None or units is None or chosen_in > _MOST_SOURCES:
            continue
        low, high = row.number("chance low"), row.number("chance high")
        bounds = (low, high) if low is not None and high is not None and 0 <= low <= high <= 1e7 else (None, None)
        found.setdefault(place, []).append(_Column(chosen_in, units, *bounds))
    return {place: sorted(some, key=lambda one: one.chosen_in)[: _MOST_SOURCES + 1] for place, some in found.items()}


def _tests(study: Study, names: Names, key: str) -> dict[Place, _Test]:
    """By place what that table says of it; nothing when it is missing."""
    found = {}
    try:
        for row in rows(study, key, _UNIVERSAL):
            place, units, universal = _place(row, names), count_of(row, "units"), count_of(row, "universal")
            if place is None or not units or universal is None or universal > units:
                continue
            chance = row.number("chance")
            found[place] = _Test(universal, units, chance if chance is not None and 0 <= chance <= units else None, share_of(row, "p"))
    except Unfit:
        return {}
    return found


def _scale(every: Sequence[_Column]) -> float:
    return max([one.units for one in every] + [one.high for one in every if one.high is not None] + [1])


def _bar(one: _Column, most: float, is_last: bool) -> str:
    """A column in hundredths of the highest, with the frame of luck."""
    luck = f";--l:{100 * one.low / most:.0f};--h:{100 * one.high / most:.0f}" if one.low is not None and one.high is not None else ""
    kind = ' class="tt-all-sources"' if is_last else ""
    return f'<li{kind} style="--v:{100 * one.units / most:.0f}{luck}"><b>{one.units:,}</b>{one.chosen_in}</li>'


def _counted(test: _Test, stricter: _Test | None) -> str:
    said = text.COUNT_WORDS.format(universal=f"{test.universal:,}", units=f"{test.units:,}", chance=_luck(test), p=_p(test.p))
    return html.escape(said + (text.STRICTER_WORDS.format(chance=_luck(stricter), p=_p(stricter.p)) if stricter else ""))


def _luck(test: _Test) -> str:
    return "–" if test.chance is None else f"{test.chance:.3g}" if test.chance < 100 else f"{test.chance:,.0f}"


def _p(p: float | None) -> str:
    if p is None:
        return "no test"
    return text.P_BELOW.format(p="0.001") if p < 0.001 else text.P_IS.format(p=f"{p:.2g}")


def _says(tests: Mapping[Place, _Test], strict: Mapping[Place, _Test], share: float) -> str:
    """Shares of units, first over the trainings of a detector, then over detectors."""
    own = {place: one for place, one in tests.items() if place[3] == share}
    trained, untrained = _by_detector(own, TRAINED), _by_detector(own, UNTRAINED)
    if not trained:
        raise Unfit("The study has no count of units that are chosen in every source.")
    of_strict = [one for place, one in strict.items() if place[3] == share and place[2] == TRAINED]
    of_trained = {place: one for place, one in own.items() if place[2] == TRAINED}
    chance = over([*_mean_by(of_trained, lambda one: one.chance / one.units if one.chance is not None else None).values()], 0.0)
    said = text.UNIVERSAL_SAYS.format(
        share=set_share(share),
        trained=share_words(over([*trained.values()], 0.0)),
        chance="not known" if chance is None else percent(chance.value),
        beyond=_beyond([*of_trained.values()]),
        count=len(of_trained),
        strict=text.BEYOND_STRICT.format(count=_beyond(of_strict)) if of_strict else "",
    )
    both = [name for name in trained if name in untrained]
    gap = over([trained[name] - untrained[name] for name in both])
    if gap is None:
        return f"{said} {text.UNTRAINED_UNKNOWN}"
    sign, before = decided(gap), share_words(over([untrained[name] for name in both], 0.0))
    if sign == 0:
        inline = share_words(gap).replace(" (", ", ").removesuffix(")")
        return f"{said} {text.UNTRAINED_AS_MANY.format(untrained=before, gap=inline)}"
    words = text.UNTRAINED_FEWER if sign > 0 else text.UNTRAINED_MORE
    return f"{said} {words.format(untrained=before, gap=share_words(gap if sign > 0 else minus(gap)))}"


def _beyond(tests: Sequence[_Test]) -> int:
    """In how many of them there are more than luck would give."""
    return sum(one.p is not None and one.p < _SIGNIFICANT for one in tests)


def _by_detector(own: Mapping[Place, _Test], state: str) -> dict[str, float]:
    return _mean_by({place: one for place, one in own.items() if place[2] == state}, lambda one: one.universal / one.units)


def _mean_by(own: Mapping[Place, _Test], value_of: Callable[[_Test], float | None]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for place, one in own.items():
        if (value := value_of(one)) is not None:
            values.setdefault(place[0], []).append(value)
    return {name: sum(some) / len(some) for name, some in values.items()}
