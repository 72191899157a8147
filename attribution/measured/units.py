"""What units do: in how many sources one matters, keeping some, and reading a detector from universal ones alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from attribution.detectors.tables import Estimate, figure_words, share_words
from attribution.measured.section import Section, attempt, capital, need
from attribution.measured.transfer import told
from attribution.measured.zeroshot import MEAN, Findings, count_of, decided, ordered, over, share_of
from attribution.render.charts import Dots, axis_around, axis_over, dots
from attribution.text import failures as text
from attribution.text import limits as limits_text
from attribution.text.numbers import measured_share

TRAINED, UNTRAINED = "trained", "untrained"
_SIGNIFICANT = 0.05
# Choices made before anything was measured.
_SHARE_CHOSEN, _SHARE_KEPT = 0.5, 0.25
KEEP, REMOVE, _STRONGEST = "keep", "remove", "keep, strongest on the trained-on source"
CHOICE, KNOWN, NEVER = "val (choice)", "trained on", "never trained"
_UNIVERSAL, _REFITTED, _LESS = "universal", "refitted", " − "


class _Test(NamedTuple):
    """The share of units that are chosen in every source, the share that luck would give, and the one-sided p of the permutation test."""

    universal: float
    luck: float | None
    p: float | None


def _tests(at: Findings, table: str) -> dict[tuple[str, str, str], _Test]:
    """By (detector, source trained on, state), of the top half of the units. Raises Unfit."""
    found = {}
    for row in at.rows(table, "detector", "trained on", "state", "share kept", "units", "universal"):
        units, universal, luck = count_of(row, "units"), count_of(row, "universal"), row.number("chance")
        usual = row.number("share kept") == _SHARE_CHOSEN and row.text("detector") in at.detectors
        if usual and units and universal is not None and universal <= units:
            place = (row.text("detector"), row.text("trained on"), row.text("state"))
            found[place] = _Test(universal / units, luck / units if luck is not None and 0 <= luck <= units else None, share_of(row, "p"))
    return found


def _by_detector(some: Mapping[tuple[str, str, str], _Test], state: str, value_of: Callable[[_Test], float | None]) -> dict[str, Estimate]:
    """The mean over a detector's trainings."""
    by_name: dict[str, list[float]] = {}
    for (name, _, own), one in some.items():
        if own == state and (value := value_of(one)) is not None:
            by_name.setdefault(name, []).append(value)
    return {name: one for name, values in by_name.items() if (one := over(values, 0.0)) is not None}


def neurons(at: Findings) -> Section:
    """In how many sources a unit matters, against luck, in the trained network and in the same one before that training. Raises Unfit."""
    tests = _tests(at, "universal")
    trained, untrained = (_by_detector(tests, state, lambda one: one.universal) for state in (TRAINED, UNTRAINED))
    luck = _by_detector(tests, TRAINED, lambda one: one.luck)
    both = need([name for name in at.detectors if name in trained and name in untrained], at.table("universal"))
    gap = over([trained[name].value - untrained[name].value for name in both])
    means = [over([some[name].value for name in both if name in some], 0.0) for some in (trained, untrained, luck)]
    words = {name: share_words(one) for name, one in zip(("trained", "untrained"), means, strict=False)}
    says = text.UNIVERSAL[decided(gap) > 0].format(**words, chance=share_words(means[2] and Estimate(means[2].value)))
    more = []
    for sentence, some in ((text.BEYOND, tests), (text.BEYOND_STRICT, attempt(lambda: _tests(at, "universal_controls")) or {})):
        asked = [one.p for (_, _, state), one in some.items() if state == TRAINED and one.p is not None]
        if asked:
            more.append(sentence.format(beyond=sum(p < _SIGNIFICANT for p in asked), count=len(asked)))
    series = []
    for name, look, some in (
        (text.LUCK_DOT, "chance", luck),
        (text.UNTRAINED_DOT, "second", untrained),
        (text.TRAINED_DOT, "accent", trained),
    ):
        values = [some.get(one) for one in both]
        hovered = [limits_text.POINT.format(what=name, figure=share_words(one)) for one in values]
        series.append(Dots(name, look, values, hovered))
    axis = axis_over([one for some in (trained, untrained, luck) for one in some.values()])
    drawn = dots([at.short(name) for name in both], [], series, axis, says, of=text.SHARE_OF_UNITS)
    return Section(says, drawn, at.tables("universal", "universal_controls", "neurons", "timing"), more)


def _kept(at: Findings) -> tuple[dict[tuple[str, str], Estimate], dict[tuple[str, str, str], Estimate]]:
    """Means over a detector's trainings with a quarter of the units: the AUC by (detector, way), and the difference by (detector, way,
    against). Raises Unfit."""
    aucs: dict[Any, Estimate] = {}
    for (name, training, way), row, one in at.found("ablation", ("detector", "trained on", "way"), "AUC"):
        if training == MEAN and name in at.detectors and row.number("share") == _SHARE_KEPT:
            aucs[name, way] = one
    gaps: dict[Any, Estimate] = {}
    for (name, training, *way), row, one in at.found(
        "ablation_differences", ("detector", "trained on", "way", "against"), "difference", -1.0
    ):
        if training == MEAN and name in at.detectors and row.number("share") == _SHARE_KEPT:
            gaps[(name, *way)] = one
    return need(aucs, at.table("ablation")), gaps


def _gap(gaps: Mapping[tuple[str, str, str], Estimate], way: str, against: str) -> Estimate | None:
    return over([one.value for (_, *place), one in gaps.items() if place == [way, against]])


def carry(at: Findings) -> bool:
    """Whether universal units do better than those that are strongest on one source. Raises Unfit."""
    return decided(_gap(_kept(at)[1], KEEP, "strongest units")) > 0


def ablation(at: Findings) -> Section:
    """What becomes of the AUC on sources never seen when only some units are kept, or some are left out. Raises Unfit."""
    aucs, gaps = _kept(at)
    names = ordered((name for name, way in aucs if way == KEEP), at.detectors)
    auc = over([aucs[name, KEEP].value for name in names], 0.0)
    gap = figure_words(_gap(gaps, KEEP, "strongest units"))
    says = text.KEPT[carry(at)].format(share=measured_share(_SHARE_KEPT), auc=figure_words(auc), gap=gap)
    asked = {"whole": (KEEP, "all units"), "random": (KEEP, "random units"), "removed": (REMOVE, "random units")}
    more = [text.AGAINST.format(**{key: figure_words(_gap(gaps, *place)) for key, place in asked.items()})]
    ways = (
        (text.RANDOM_DOT, "guess", f"{KEEP} random"), (text.STRONGEST_DOT, "second", _STRONGEST), (text.UNIVERSAL_DOT, "accent", KEEP),
    )  # fmt: skip
    series, drawn = [], []
    for name, look, way in ways:
        values = [aucs.get((one, way)) for one in names]
        drawn += [one for one in values if one]
        series.append(Dots(name, look, values, told(name, values)))
    chart = dots([at.short(name) for name in names], [], series, axis_around(drawn, 0.5), says, of=text.AUC_NEVER)
    return Section(says, chart, at.tables("ablation", "ablation_differences"), more)


def readout(at: Findings) -> Section:
    """Whether the first default detector gains by its universal units alone, with the readout that validation faces choose. Raises
    Unfit."""
    gaps: dict[Any, Estimate] = {place: gap for place, _, gap in at.found("readout_differences", ("faces", "readout"), "difference", -1.0)}
    aucs = attempt(lambda: at.found("readout", ("faces", "readout"), "AUC")) or []
    compared = [name for _, name in gaps if name.startswith(_UNIVERSAL) and _LESS not in name]
    # Of equal ones the first in the table, as the lab chooses.
    rivals = [(auc.value, name) for (faces, name), _, auc in aucs if faces == CHOICE and name in compared]
    chosen = max(rivals, key=lambda pair: pair[0])[1] if rivals else next(iter(compared), "")
    need(chosen, at.table("readout_differences"))
    never, known = gaps.get((NEVER, chosen)), gaps.get((KNOWN, chosen))
    rival = next((gap for (faces, name), gap in gaps.items() if faces == NEVER and name.startswith(f"{chosen}{_LESS}")), None)
    # What fitting anew gains with all units as well is not due to the universal ones.
    helps = decided(never) > 0 and decided(known) >= 0 and (not chosen.endswith(_REFITTED) or decided(rival) > 0)
    sign = 1 if helps else -1 if decided(never) < 0 else 0
    says = text.READOUT[sign].format(never=figure_words(never), known=figure_words(known))
    more = [text.RIVAL.format(gap=figure_words(rival))] if rival else []
    if (share := re.search(r" 1/([1-9]\d*)\b", chosen)) is not None:
        more.insert(0, text.CHOSEN[chosen.endswith(_REFITTED)].format(share=measured_share(1 / int(share[1]))))
    own = {faces: gap for (faces, name), gap in gaps.items() if name == chosen and faces != CHOICE}
    order: Sequence[str] = sorted(own, key=lambda one: list(text.READOUT_SETS).index(one) if one in text.READOUT_SETS else len(own))
    series = []
    for name, look, shown in ((text.SHOWN_DOT, "accent", True), (text.NOT_SHOWN_DOT, "second", False)):
        values = [own[faces] if bool(decided(own[faces])) == shown else None for faces in order]
        series.append(Dots(name, look, values, told(text.CHANGE, values)))
    rows = [capital(text.READOUT_SETS.get(faces) or at.source(faces)) for faces in order]
    drawn = dots(rows, [], series, axis_around([*own.values()], 0.0), says, of=text.CHANGE)
    return Section(says, drawn, at.tables("readout", "readout_differences"), more)
