"""Whether the default detector gains by reading its universal units alone: the readout that validation faces choose, judged elsewhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attribution.detectors.tables import Estimate, Unfit, figure_words
from attribution.measured import figures
from attribution.measured.figures import Dot, Line
from attribution.measured.sections import Section, study_table
from attribution.measured.study import Study
from attribution.measured.zeroshot import Names, auc_of, capital, count_of, decided, gap_of, moved, rows
from attribution.text import failures as text

CHOICE, KNOWN, NEVER = "val (choice)", "trained on", "never trained"
_UNIVERSAL, _REFITTED, _LESS = "universal", "refitted", " − "
_MOST_LINES = 24


@dataclass(frozen=True)
class _Read:
    """What one readout gives on one set of faces."""

    auc: Estimate
    units: int | None


Aucs = Mapping[tuple[str, str], _Read]
Gaps = Mapping[tuple[str, str], Estimate]
"""Both by (faces, readout)."""


def readout(study: Study, names: Names) -> Section:
    """Raises Unfit."""
    gaps = {
        (row.text("faces"), row.text("readout")): gap
        for row in rows(study, "readout_differences", ("faces", "readout", "difference"))
        if (gap := gap_of(row)) is not None
    }
    aucs, tables = _aucs(study), [study_table(study, "readout_differences")]
    if "readout" in study.tables:
        tables.insert(0, study.tables["readout"])
    chosen = _chosen(aucs, gaps)
    if not chosen:
        raise Unfit(f"The table “{tables[-1].title}” has no readout of universal units.")
    drawn = (_auc_chart(aucs) if aucs else "") + _difference_chart(chosen, gaps, names)
    return Section("readout", _says(chosen, gaps), drawn, tuple(tables))


def _aucs(study: Study) -> dict[tuple[str, str], _Read]:
    try:
        found = {}
        for row in rows(study, "readout", ("faces", "readout", "AUC")):
            if (auc := auc_of(row)) is not None:
                found[row.text("faces"), row.text("readout")] = _Read(auc, count_of(row, "units"))
    except Unfit:
        return {}
    return found


def _chosen(aucs: Aucs, gaps: Gaps) -> str:
    """The readout by universal units with the highest AUC on the validation faces, else the first that is compared; or none."""
    compared = [name for _, name in gaps if name.startswith(_UNIVERSAL) and _LESS not in name]
    rivals = [(one.auc.value, name) for (faces, name), one in aucs.items() if faces == CHOICE and name in compared]
    # Of equal ones the first in the table, as the lab chooses.
    return max(rivals, key=lambda pair: pair[0])[1] if rivals else next(iter(compared), "")


def _says(chosen: str, gaps: Gaps) -> str:
    never, known = gaps.get((NEVER, chosen)), gaps.get((KNOWN, chosen))
    said = text.READOUT_SAYS.format(
        name=_say(chosen), never=moved(never, text.NOT_MEASURED), known=moved(known, text.NOT_MEASURED)
    )  # fmt: skip
    rival, words = None, ""
    if chosen.endswith(_REFITTED):
        rival = next((gap for (faces, name), gap in gaps.items() if faces == NEVER and name.startswith(f"{chosen}{_LESS}")), None)
        words = text.READOUT_RIVAL.format(gap=moved(rival, text.NOT_MEASURED))
    # What fitting anew gains with all units as well is not due to the universal ones.
    helps = decided(never) > 0 and decided(known) >= 0 and (not words or decided(rival) > 0)
    harms = decided(never) < 0
    verdict = text.READOUT_HELPS if helps else text.READOUT_HARMS if harms else text.READOUT_FAILS
    return f"{said} {verdict.format(rival=words)}"


def _say(name: str) -> str:
    for words, plain in text.READOUT_NAMES:
        name = name.replace(words, plain)
    return name


def _auc_chart(aucs: Aucs) -> str:
    """Every readout on the faces of origins that the default never trained on, and folded on those that it did; else on every set."""
    sets = [faces for faces in (NEVER, KNOWN) if any(place == faces for place, _ in aucs)]
    if len(sets) < 2:
        return _aucs_on(list(dict.fromkeys(place for place, _ in aucs)), aucs)
    more = _aucs_on(sets[1:], aucs)
    return f'{_aucs_on(sets[:1], aucs)}<details class="tt-fold"><summary>{text.READOUT_MORE}</summary>{more}</details>'


def _aucs_on(sets: Sequence[str], aucs: Aucs) -> str:
    axis = figures.axis_around([one.auc for (faces, _), one in aucs.items() if faces in sets])
    lines = []
    for place in sets:
        lines.append(Line(_set(place), (), head=True))
        for (faces, name), one in aucs.items():
            if faces == place:
                words = capital(_say(name)) + (f" ({one.units:,})" if one.units is not None else "")
                dot = Dot(one.auc, hollow=not name.startswith(_UNIVERSAL))
                lines.append(Line(words, (figures.plot(axis, [dot]), figures.words(figure_words(one.auc), "AUC"))))
    return figures.chart((text.READOUT_HEAD, ""), lines[:_MOST_LINES], (figures.ticks(axis), "<span></span>"))


def _set(faces: str, names: Names | None = None) -> str:
    return text.READOUT_SETS.get(faces) or (names.sources.get(faces) if names else None) or capital(faces)


def _difference_chart(chosen: str, gaps: Gaps, names: Names) -> str:
    """The chosen readout on every set: those of several sources first."""
    own = {faces: gap for (faces, name), gap in gaps.items() if name == chosen and faces != CHOICE}
    axis = figures.axis_around([*own.values()], 0.0) if own else figures.Axis(-1.0, 1.0, False, 0.0)
    lines = [
        Line(
            _set(faces, names),
            (figures.plot(axis, [Dot(own[faces], decided(own[faces]) == 0)]), figures.words(figure_words(own[faces]), "difference")),
        )
        for faces in _in_order(own)
    ]
    legend = figures.key([("tt-dot tt-accent", text.SHOWN), ("tt-dot tt-accent tt-hollow", text.NOT_SHOWN)])
    drawn = figures.chart(("", ""), lines[:_MOST_LINES], (figures.ticks(axis), "<span></span>"))
    return f"<h4>{text.READOUT_DIFFERENCE}: {html.escape(_say(chosen))}</h4>{legend}{drawn}"


def _in_order(faces: Iterable[str]) -> list[str]:
    return sorted(faces, key=lambda one: list(text.READOUT_SETS).index(one) if one in text.READOUT_SETS else len(text.READOUT_SETS))
