"""The page *Why detectors fail*: a pure function from the study to HTML; what does not fit is named at the end."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from attribution.detectors.card import MeasuredTable
from attribution.detectors.tables import Unfit
from attribution.measured import transfer, units
from attribution.measured.attention import attention
from attribution.measured.figures import numbers
from attribution.measured.section import Plan, Section, Wording, attempt, drawn_page, style
from attribution.measured.study import Study
from attribution.measured.zeroshot import Findings
from attribution.render.html import macros
from attribution.text import failures as text

PLAN: Plan = {
    "transfer": {"collapse": transfer.collapse, "glance": transfer.glance, "cost": transfer.cost},
    "attention": {"attention": attention},
    "units": {"neurons": units.neurons, "ablation": units.ablation, "readout": units.readout},
}
_ABOUT = ("detectors", "sources", "timing")
# Long digits of pictures that are drawn anyway.
_NOT_LISTED = ("values",)


def failures_page(study: Study, crops: Mapping[str, np.ndarray] | None = None) -> str:
    """The whole page below its header, with its style sheet. `crops`: faces of the examples by file name, H×W×3 uint8."""
    at = Findings.of(study, crops)

    def listed(table: MeasuredTable) -> Markup:
        return numbers(table, at.say, _NOT_LISTED)

    try:
        short = transfer.in_short(at)
    except Unfit as unfit:
        short = Section(str(unfit), Markup())
    # What was done, what it is to be read with, and the conclusion.
    done, tables = attempt(lambda: transfer.done(at)) or "", [*short.tables, *at.tables(*_ABOUT)]
    head = macros("sections.html").short(short.says, short.figure, done, tables, listed, study)
    words = Wording(text.GROUPS, text.TITLES, text.READING)
    page = drawn_page(at, PLAN, words, study, listed, head, kind=" tt-why")
    return f"{style('limits.css', 'failures.css')}{page}"
