"""What becomes of the AUC on sources never seen when only some units are kept, or some are left out."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from attribution.detectors.tables import Estimate, Unfit, figure_words
from attribution.measured import figures
from attribution.measured.choosers import Chooser, Panels
from attribution.measured.figures import Axis
from attribution.measured.sections import Section, study_table
from attribution.measured.study import Study
from attribution.measured.zeroshot import (
    COIN,
    MEAN,
    Names,
    auc_of,
    capital,
    decided,
    gap_of,
    moved,
    ordered,
    over,
    rows,
    set_share,
    share_of,
)
from attribution.text import failures as text

KEEP, REMOVE = "keep", "remove"
_ABLATION = ("detector", "trained on", "share", "way", "AUC")
_DIFFERENCES = ("detector", "trained on", "share", "way", "against", "difference")
_ALL, _RANDOM, _STRONGEST = "all units", "random units", "strongest units"
_OTHERS = {"keep, strongest on the trained-on source": "tt-o", "keep, chosen without the tested source": "tt-n"}
_USUAL_SHARE = 0.25
_MOST_STEPS = 12
_MEAN_NUMBER = 99
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 400.0, 270.0, 52.0, 10.0, 10.0, 44.0

Curves = dict[tuple[str, str, str], dict[float, Estimate]]
"""By detector, training and way: AUC by share."""


def ablation(study: Study, names: Names) -> Section:
    """Raises Unfit."""
    curves, gaps = _curves(study, names), _gaps(study, names)
    detectors = ordered((place[0] for place in curves), names.detectors)
    trainings = [name for name in (MEAN, *names.sources) if any(place[1] == name for place in curves)]
    if not trainings:
        raise Unfit(f"The table “{study_table(study, 'ablation').title}” names no training of the study.")
    numbers = {name: _MEAN_NUMBER if name == MEAN else names.source_number(name) for name in trainings}
    first = trainings[0]
    sources = [(numbers[name], text.MEAN_OPTION if name == MEAN else names.source(name)) for name in trainings]
    panels = Panels(
        [
            Chooser(
                "detector",
                text.CHOOSE_DETECTOR,
                [(names.detector_number(name), capital(names.detector(name))) for name in detectors],
                names.detector_number(detectors[0]),
            ),
            Chooser("source", text.CHOOSE_SOURCE, sources, numbers[first]),
        ]
    )
    steps = {way: _steps(curves, way) for way in (KEEP, REMOVE)}
    bounds = [value for some in curves.values() for one in some.values() for value in (one.value, one.low, one.high) if value is not None]
    upward = figures.axis_around([Estimate(value) for value in bounds], COIN)
    drawn = {KEEP: "", REMOVE: ""}
    for detector in detectors:
        for training in trainings:
            attributes = panels.of(names.detector_number(detector), numbers[training])
            panels.caption((names.detector_number(detector), numbers[training]), _caption(curves, names, (detector, training)))
            for way in drawn:
                own = {kind: curves.get((detector, training, kind), {}) for kind in (way, f"{way} random")}
                whole = _whole(own[way], gaps, (detector, training, way))
                others = "".join(
                    f'<polyline class="{kind}" points="{_points(curves[(detector, training, name)], steps[way], upward)}"/>'
                    for name, kind in _OTHERS.items()
                    if way == KEEP and (detector, training, name) in curves
                )
                if any(own.values()):
                    drawn[way] += f"<g {attributes}>{others}{_lines(own[way], own[f'{way} random'], whole, steps[way], upward)}</g>"
    plots = "".join(
        _frame(title, drawn[way], steps[way], upward, under)
        for way, title, under in ((KEEP, text.KEEP_TITLE, text.SHARE_KEPT), (REMOVE, text.REMOVE_TITLE, text.SHARE_REMOVED))
        if drawn[way]
    )
    others_key = "".join(
        f'<li><i class="{kind}-key"></i>{words}</li>'
        for (name, kind), words in zip(_OTHERS.items(), text.OTHER_LINES, strict=True)
        if any(place[2] == name for place in curves)
    )
    key = (
        f'<ul class="tt-key"><li><i class="tt-line-key"></i>{text.FIRST_LINE}</li><li><i class="tt-band-key"></i>{text.RANDOM_BAND}</li>'
        f'<li><i class="tt-whole-key"></i>{text.ALL_UNITS_LINE}</li><li><i class="tt-coin-key"></i>{text.COIN_LINE}</li>{others_key}</ul>'
    )
    figure = panels.part("ablation", f'{key}<div class="tt-plots">{plots}</div>')
    tables = (study_table(study, "ablation"), *([study.tables["ablation_differences"]] if gaps else []))
    return Section("ablation", _says(curves, gaps, detectors, study), figure, tables)


def _caption(curves: Curves, names: Names, place: tuple[str, str]) -> str:
    own, random = curves.get((*place, KEEP), {}), curves.get((*place, f"{KEEP} random"), {})
    shares = [share for share in own if share in random and share < 1]
    if not shares:
        return ""
    share = min(shares, key=lambda one: abs(one - _USUAL_SHARE))
    return text.CAPTION_CURVE.format(
        detector=capital(names.detector(place[0])),
        source=text.MEAN_OPTION if place[1] == MEAN else names.source(place[1]),
        share=set_share(share),
        keep=figure_words(own[share]),
        random=figure_words(random[share]),
    )


def _curves(study: Study, names: Names) -> Curves:
    found: Curves = {}
    for row in rows(study, "ablation", _ABLATION):
        auc, share = auc_of(row), share_of(row, "share")
        way = row.text("way")
        if (
            auc is None
            or share is None
            or way.removesuffix(" random") not in (KEEP, REMOVE, *_OTHERS)
            or row.text("detector") not in names.detectors
        ):
            continue
        found.setdefault((row.text("detector"), row.text("trained on"), way), {})[share] = auc
    if not found:
        raise Unfit(f"The table “{study_table(study, 'ablation').title}” has no AUC.")
    return found


Gaps = dict[tuple[str, str, str, str, float], Estimate]
"""By detector, training, way, what it is compared with, and share."""


def _gaps(study: Study, names: Names) -> Gaps:
    found: Gaps = {}
    try:
        for row in rows(study, "ablation_differences", _DIFFERENCES):
            gap, share = gap_of(row), share_of(row, "share")
            if gap is not None and share is not None and row.text("detector") in names.detectors:
                found[row.text("detector"), row.text("trained on"), row.text("way"), row.text("against"), share] = gap
    except Unfit:
        return {}
    return found


def _whole(own: Mapping[float, Estimate], gaps: Gaps, place: tuple[str, str, str]) -> float | None:
    """The AUC with all units: what a share of them gives, less what that changes."""
    known = [own[share].value - gap.value for share in own if (gap := gaps.get((*place, _ALL, share))) is not None]
    return known[0] if known and 0 <= known[0] <= 1 else None


def _steps(curves: Curves, way: str) -> list[float]:
    return sorted({share for place, some in curves.items() if place[2].removesuffix(" random") == way for share in some})[:_MOST_STEPS]


def _says(curves: Curves, gaps: Gaps, detectors: Sequence[str], study: Study) -> str:
    """At the share nearest to a quarter, a choice made before anything was measured."""
    shares = [share for share in _steps(curves, KEEP) if share < 1]
    own = [(name, MEAN) for name in detectors if any((name, MEAN, KEEP) == place for place in curves)]
    if not shares or not own:
        raise Unfit(f"The table “{study_table(study, 'ablation').title}” has no mean of a detector.")
    share = min(shares, key=lambda one: abs(one - _USUAL_SHARE))
    own = [place for place in own if share in curves[(*place, KEEP)]]
    auc = over([curves[(*place, KEEP)][share].value for place in own], 0.0)

    def against(way: str, other: str) -> Estimate | None:
        return over([gaps[(*place, way, other, share)].value for place in own if (*place, way, other, share) in gaps])

    strongest = against(KEEP, _STRONGEST)
    # Universal units are strong ones by construction: only those that are strong on one source alone are a fair rival.
    carries = decided(strongest) > 0 if strongest else decided(against(KEEP, _RANDOM)) > 0 and decided(against(REMOVE, _RANDOM)) < 0
    said = text.KEEP_SAYS.format(
        share=set_share(share),
        auc=figure_words(auc),
        whole=moved(against(KEEP, _ALL), text.NOT_MEASURED),
        random=moved(against(KEEP, _RANDOM), text.NOT_MEASURED),
    )
    rest = text.REMOVE_SAYS.format(
        strongest=moved(strongest, text.NOT_MEASURED),
        random=moved(against(REMOVE, _RANDOM), text.NOT_MEASURED),
        verdict=text.CARRIES if carries else text.CARRIES_NOT,
    )
    return f"{said} {rest}"


def _lines(
    own: Mapping[float, Estimate], random: Mapping[float, Estimate], whole: float | None, steps: Sequence[float], upward: Axis
) -> str:
    """The curve with its whiskers over the band of random units."""

    def points(some: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{_x(steps, share):.0f},{_y(upward, value):.0f}" for share, value in some)

    drawn = ""
    lower = [(share, random[share].low or random[share].value) for share in steps if share in random]
    upper = [(share, random[share].high or random[share].value) for share in steps if share in random]
    if lower:
        drawn += f'<polygon points="{points([*upper, *reversed(lower)])}"/>'
        drawn += f'<polyline class="tt-r" points="{points([(share, random[share].value) for share in steps if share in random])}"/>'
    if whole is not None:
        drawn += f'<path class="tt-w" d="M{_LEFT:.0f} {_y(upward, whole):.0f}H{_WIDTH - _RIGHT:.0f}"/>'
    found = [(share, own[share]) for share in steps if share in own]
    if found:
        bars = "".join(
            f"M{_x(steps, share):.0f} {_y(upward, one.low):.0f}V{_y(upward, one.high):.0f}"
            for share, one in found
            if one.low is not None and one.high is not None
        )
        # A line of no length with round ends is a dot.
        dots = "".join(f"M{_x(steps, share):.0f} {_y(upward, one.value):.0f}h0" for share, one in found)
        drawn += f'<path class="tt-b" d="{bars}"/><polyline points="{points([(share, one.value) for share, one in found])}"/>'
        drawn += f'<path class="tt-d" d="{dots}"/>'
    return drawn


def _points(some: Mapping[float, Estimate], steps: Sequence[float], upward: Axis) -> str:
    return " ".join(f"{_x(steps, share):.0f},{_y(upward, some[share].value):.0f}" for share in steps if share in some)


def _frame(title: str, drawn: str, steps: Sequence[float], upward: Axis, under: str) -> str:
    """Grid and axes once, with the curves of every choice inside."""
    grid = ""
    for share in steps:
        x = _x(steps, share)
        grid += f'<path class="tt-grid" d="M{x:.0f} {_TOP:.0f}V{_HEIGHT - _BOTTOM:.0f}"/>'
        grid += f'<text x="{x:.0f}" y="{_HEIGHT - _BOTTOM + 17:.0f}" text-anchor="middle">{100 * share:.3g}</text>'
    step = 0.05 if upward.high - upward.low < 0.32 else 0.1
    for number in range(math.ceil(upward.low / step - 1e-9), math.floor(upward.high / step + 1e-9) + 1):
        value, y = step * number, _y(upward, step * number)
        grid += f'<path class="tt-grid" d="M{_LEFT:.0f} {y:.0f}H{_WIDTH - _RIGHT:.0f}"/>'
        grid += f'<text x="{_LEFT - 7:.0f}" y="{y + 4:.0f}" text-anchor="end">{value:.2f}</text>'
    coin = _y(upward, COIN)
    grid += f'<path class="tt-ideal" d="M{_LEFT:.0f} {coin:.0f}H{_WIDTH - _RIGHT:.0f}"/>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return (
        f'<figure class="tt-plot-of tt-curves-of"><figcaption>{title}</figcaption><svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img"'
        f' aria-label="{html.escape(f"{title}: {text.AUC_NEVER}")}">{grid}{drawn}'
        f'<text x="{middle:.0f}" y="{_HEIGHT - 8:.0f}" text-anchor="middle">{html.escape(under)}</text>'
        f'<text transform="translate(12 {(_TOP + _HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">{text.AUC_NEVER}</text>'
        "</svg></figure>"
    )


def _x(steps: Sequence[float], share: float) -> float:
    """Steps are evenly spaced: small shares matter as much as large ones."""
    return _LEFT + (list(steps).index(share) + 0.5) / len(steps) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) / 100 * (_HEIGHT - _TOP - _BOTTOM)
